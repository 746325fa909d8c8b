"""The experiments on CNN codes: each row alone, in the world and on real videos, small and of the paper's size."""

from pathlib import Path
from typing import ClassVar

import pytest
import torch
from contract import like, one_of_each_method, require_row_asks_as_it_says, require_same_alone, require_same_in_reverse
from torchvision.models import alexnet

from labkit.studies.frame_rnn import FAMILIES, ONE, FrameRNN, Scale
from labkit.studies.preflight import preflight

ROWS = list(FrameRNN.rows())
CLIPS = ("clips", "alexnet", "lite0")


@pytest.fixture(scope="module")
def together(frame_rnn):
    return frame_rnn


@pytest.mark.parametrize("name", ROWS)
def test_a_row_asks_for_the_trainings_that_it_says(name, together):
    require_row_asks_as_it_says(together, name, CLIPS)


def test_rows_have_the_same_values_in_reverse_order(together):
    require_same_in_reverse(together, CLIPS)


@pytest.mark.parametrize("name", ["lstm.order", "fine_tuned", "condition.order.0.17"])
def test_a_row_alone_has_the_same_value(name, together):
    require_same_alone(together, name, CLIPS)


def test_numbers_of_clips_are_those_behind_a_metric(together):
    train, validation, test = map(len, together.clips)
    counts = {
        "rnn.test": (train, test),
        "rnn.validation": (train, validation),
        "rnn.fc6_validation": (train, validation),
        "rnn.fc6": (train, test),
        "rnn.train": (train, train),
        "rnn.spread": (train, validation),
        "rnn.order": (train, test // 3),
        "rnn.appearance": (train, test // 3),
        "rnn.app6": (train // 3, test // 3),
        "lite0.rnn.test": (train, test),
        "condition.order.0.17.lstm": (2 * train // 3, 2 * test // 3),
        "cluster.same": (0, train + validation + test),
        "storage.codes": (0, test),
    }
    assert {metric: together.clip_counts(metric) for metric in counts} == {
        metric: ((train, train), (test, test)) for metric, (train, test) in counts.items()
    }


def test_hits_are_those_of_the_clips_that_are_counted(together):
    for measures in together.measures.values():
        for metric, measure in measures.items():
            if measure.hits is not None:
                assert len(measure.hits) == together.clip_counts(metric)[1][0]
                assert measure.value == pytest.approx(100 * measure.hits.double().mean().item())


def test_families_part_the_classes(together):
    assert sorted(name for names in FAMILIES.values() for name in names) == sorted(together.clips.test.classes)
    six = together.codes("app6").test
    assert six.classes == FAMILIES["appearance"]
    names = [clip.name for clip in together.clips.test if together.clips.test.classes[clip.label] in six.classes]
    assert list(six.names) == names
    assert all(six.classes[label] in name for label, name in zip(six.labels.tolist(), six.names, strict=True))


@pytest.mark.parametrize(
    ("kind", "counts"), [("ordered0", (6, 6, 0)), ("ordered2", (5, 5, 2)), ("ordered4", (4, 4, 4))]
)
def test_a_fraction_of_twelve_classes_comes_in_reversed_pairs(together, kind, counts):
    codes = together.codes(kind).test
    assert len(codes.classes) == 12
    families = [[name for name in codes.classes if name in FAMILIES[family]] for family in FAMILIES]
    assert tuple(map(len, families)) == counts
    assert families[2] == ["sit_down", "stand_up", "open_arms", "close_arms"][: counts[2]]
    assert codes.labels.unique().tolist() == list(range(12))
    assert all(name.startswith(codes.classes[label]) for name, label in zip(codes.names, codes.labels, strict=True))


def test_codes_of_the_other_network_are_kept_and_read_again(together, tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path))
    first, second = (FrameRNN("smoke", seed=1000, network="lite0") for _ in range(2))
    for study in (first, second):
        study.clips, study.lite0 = together.clips, together.lite0
    codes = first.codes().test
    assert codes.codes.shape[1:] == (10, 1280)
    assert torch.equal(codes.codes, together.codes("lite0").test.codes)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 3  # of each part
    monkeypatch.setattr(second, "_extract", None)  # cannot compute
    assert torch.equal(second.codes().test.codes, codes.codes)
    assert second.codes("app6").test.codes.shape == (12, 10, 1280)
    assert second.coder is second.lite0


def test_no_clip_is_in_two_parts_and_codes_are_in_their_order(together):
    names = [{clip.name for clip in part} for part in together.clips]
    assert len(set.union(*names)) == sum(map(len, names))
    for clips, codes in zip(together.clips, together.codes(), strict=True):
        assert codes.names == tuple(clip.name for clip in clips)
        assert torch.equal(codes.labels, clips.labels)


def test_augmented_codes_are_the_plain_ones_and_four_others(together):
    plain, more = together.codes().train, together.codes("augmented").train
    versions = more.codes.unflatten(0, (5, len(plain)))
    assert torch.equal(versions[0], plain.codes)
    assert all(not torch.equal(versions[a], versions[b]) for a in range(5) for b in range(a))
    assert more.labels.tolist() == 5 * plain.labels.tolist()
    assert more.names == 5 * plain.names


class Searching(FrameRNN):
    """Two settings, of which the first cannot learn, and two starts."""

    scales: ClassVar = {"smoke": Scale(6, 1, 20, ((1e-6, 0.0), (1.0, 0.0)), 2, 2, 2)}


def test_validation_chooses_and_the_choice_is_trained_from_several_starts(together):
    study = Searching("smoke", seed=1000)
    study.clips, study.alexnet = together.clips, together.alexnet
    value = study.measure("birnn")["birnn.test"]
    assert study.setting("birnn") == (1.0, 0.0)
    first, second = study.readers("birnn")
    assert {training.name for training in study.asked} == {
        "birnn.fc7.lr1e-06_decay0.start0",
        "birnn.fc7.lr1_decay0.start0",
        "birnn.fc7.lr1_decay0.start1",
    }
    assert not torch.equal(first.w_s.weight, second.w_s.weight)
    test = study.codes().test
    right = [
        (model.eval()(test.codes).argmax(dim=1) == test.labels).double().mean().item() for model in (first, second)
    ]
    assert value == pytest.approx(100 * sum(right) / 2)
    assert 100 * right[0] == pytest.approx(together.live["birnn.test"])  # start 0 is the one of the other study


def test_tiny_models_leave_the_number_of_threads_as_it_was(together):
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        like(together, CLIPS).reader("average")
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


def test_before_anything_starts_it_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    study = FrameRNN("paper", dataset="ucf101", data_root=str(tmp_path), out=tmp_path)
    problems = preflight(study)  # of all rows that UCF101 has
    assert any(str(tmp_path / "ucf101") in problem for problem in problems)
    assert any("alexnet" in problem for problem in problems)
    assert any("got no forward flow: run data_scripts/extract_flow.py" in problem for problem in problems)
    assert not any("flow" in problem for problem in preflight(study, ["rnn", "lstm"]))


def test_rows_about_families_are_left_out_on_real_videos(tmp_path):
    study = FrameRNN("smoke", dataset="ucf101", data_root=str(tmp_path))
    with pytest.raises(ValueError, match=r"row 'lstm.app6' must run on .* of world; got split 1 of ucf101"):
        study.measure("lstm.app6")
    assert len([row for row in study.rows().values() if row.is_measured_on("ucf101", 1)]) == len(ROWS) - 15


OF_REAL_VIDEOS = ["rnn.fc6", "augmented", *one_of_each_method(FrameRNN, "ucf101")]


@pytest.mark.filterwarnings("ignore:UCF101")
def test_rows_run_on_real_videos(real_sets_with_flow):
    study = FrameRNN("smoke", dataset="ucf101", data_root=str(real_sets_with_flow), missing="skip")
    assert not preflight(study)
    study.measure(*OF_REAL_VIDEOS)
    (train, train_listed), test = study.clip_counts("rnn.test")
    assert (train, test) == (1, (3, 3783))
    assert train_listed > 7340  # a trial
    assert study.live["storage.original"] == pytest.approx(151.1424)  # v_ApplyEyeMakeup_g01_c01 as float32


class InShort(FrameRNN):
    """AlexNet and the paper's models, for two steps."""

    scales: ClassVar = {"paper": Scale(36, 2, 2, ONE, 1, 1, 1)}


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:UCF101")
def test_networks_of_the_paper_s_size_run_on_real_videos(real_sets_with_flow, tmp_path):
    """Codes of fc7 from the script, all others computed on the spot, with AlexNet's weights at random."""
    import extract_features

    torch.manual_seed(0)
    weights, root = real_sets_with_flow / "alexnet_imagenet.pth", real_sets_with_flow / "ucf101"
    torch.save(alexnet().state_dict(), weights)
    assert extract_features.main([str(root), "--weights", str(weights), "--missing", "skip"]) == 0
    settings = {"dataset": "ucf101", "data_root": str(real_sets_with_flow), "missing": "skip", "out": tmp_path}
    study = InShort("paper", **settings)
    assert not preflight(study)
    assert all(value >= 0 for value in study.measure(*OF_REAL_VIDEOS).values())
    assert study.codes().test.codes.shape == (3, 10, 4096)
    assert study.codes("pool5").test.codes.shape == (3, 10, 9216)
    kept = {path.name for path in study.store.folder.glob("codes.*")}
    assert "codes.fc6.test.safetensors" in kept
    assert "codes.fc7.test.safetensors" not in kept  # read from the script's file

    torch.save(alexnet().state_dict(), weights)  # another network than that of the codes
    (problem,) = preflight(InShort("paper", **settings), ["rnn"])
    assert "same source" in problem
    assert Path(real_sets_with_flow, "ucf101/codes_fc7").as_posix() in problem
