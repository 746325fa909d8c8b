import pytest
import torch

from labkit.studies import difference_reading as reading
from labkit.studies.temporal_difference import TemporalDifference


@pytest.fixture(scope="module")
def study(temporal_difference):
    return temporal_difference


def test_examples_are_of_their_classes(study):
    assert [reading.name_of(study, reading.example(study, name)) for name in reading.SHOWN] == list(reading.SHOWN)
    assert reading.name_of(study, reading.recognised(study, "chop")) == "chop"


def test_the_clip_that_is_shown_is_recognised_if_one_is(study, monkeypatch):
    test = study.first.test
    right = torch.nn.functional.one_hot(test.labels, len(test.classes)).float()
    monkeypatch.setattr(study, "final_scores", lambda network: right)
    assert reading.recognised(study, "ski").name == reading.example(study, "ski").name


def test_all_pairs_hold_each_pair_once(study):
    clip = reading.example(study, "squat")
    pairs = reading.all_pairs(study, clip, count=3)
    assert pairs.times == [0, 8, 15]
    assert pairs.frames.shape == (3, 3, 56, 56)
    assert pairs.image.shape == (3, 7, 7)
    assert pairs.difference.shape == (3, 3, 7, 7)
    for strengths in pairs.motion.values():
        assert not strengths.diagonal().any()  # a frame and itself
        torch.testing.assert_close(strengths, strengths.transpose(0, 1))
    for name, scores in pairs.scores.items():
        torch.testing.assert_close(scores.sum(dim=-1), torch.ones(3, 3), msg=name)
    exchanged = pairs.scores["image subnetwork"].transpose(0, 1)
    torch.testing.assert_close(pairs.scores["image subnetwork"], exchanged)
    only = reading.pair(study, clip)
    assert only.times == [3, 11]
    assert (only.image.shape, only.difference.shape) == ((2, 7, 7), (7, 7))


def test_resolutions_are_those_of_the_module(study):
    assert reading.resolutions(study) == {"input": 56, "conv1": 28, "res2": 28, "res3": 14, "res4": 7, "res5": 7}


def test_curves_run_over_both_phases(study):
    lines = reading.curves(study)
    assert list(lines) == ["TSN", "TDN", "TDN, image subnetwork", "TDN, difference subnetwork"]
    for steps, values in lines.values():
        assert steps == [0, 1, 2, 3, 4]  # three steps, then two
        assert all(0 <= value <= 100 for value in values)
    assert lines["TSN"][1][0] == lines["TDN, image subnetwork"][1][0]  # both start from one TSN


def test_families_and_points_are_those_of_the_rows(study):
    families = reading.families(study)
    assert sorted(name for names in families.values() for name in names) == sorted(study.first.test.classes)
    points = reading.points(study)
    assert points["image subnetwork"]["all"] == study.live["pointing.image"]
    assert points["difference subnetwork"]["reversed pairs"] == study.live["pointing.difference_reversed"]


def test_of_real_videos_nobody_knows_what_moves():
    study = TemporalDifference("smoke", dataset="hmdb51", data_root="anywhere")
    assert reading.points(study) == {}
    assert reading.moving(study, None, [0, 1]) is None
    assert study.measure_here("gain", "pointing") == {}
