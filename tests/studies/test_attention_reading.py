"""What lesson 08 looks at is what it says it is."""

import pytest
import torch

from labkit.papers.attention_transfer import energy
from labkit.studies import attention_reading as reading
from labkit.studies.frame_attention import RULES


@pytest.fixture(scope="module")
def study(attention_transfer):
    return attention_transfer


def test_the_clearest_frame_is_of_the_class(study):
    shown = reading.clearest_frame(study, "hug")
    assert shown.concepts[shown.label] == "hug"
    beyond = energy(shown.attention)[0, 2] - energy(shown.attention).mean()
    energies, own = energy(study.attention().maps), study.attention().frame_labels == 2
    assert beyond == pytest.approx(float((energies[:, 2] - energies.mean(1))[own].max()))
    assert shown.images.shape[1:] == (3, 56, 56)


def test_numbers_by_rule_are_those_of_the_rows(study):
    values = reading.by_rule(study)
    measured = study.measure("photos.resnet_filtered", "rules.photos")
    assert values["mAP"]["mean of scores"] == measured["resnet.mean_filtered"]
    assert values["top-1"]["whole map"] == measured["rules.whole_map_top1"]


def test_one_video_is_told_in_four_ways(study):
    images = reading.told(study, "hug", count=5)
    assert [*images] == ["0.36", "0.55", "0.75", "1"]
    assert all(frames.shape == (5, 3, 56, 56) for frames in images.values())
    clip = study.told(0.36)[2]  # a video of each class
    assert torch.equal(images["0.36"], study.view().pixels(clip, torch.tensor([0, 5, 11, 17, 23])))


def test_quadruplets_are_shown_with_their_concepts(study):
    shown = reading.quadruplets(study, count=5)
    assert shown.images.shape == (20, 3, 56, 56)
    for row in range(0, 20, 4):
        false, true, positive, negative = shown.concepts[row : row + 4]
        assert true == positive != negative
        assert false != true
        assert torch.equal(shown.images[row], shown.images[row + 1])


def test_the_hardest_come_first_and_the_easiest_last(study):
    shown = reading.mined(study, count=2)
    losses = shown.energies["loss"].tolist()
    assert losses == sorted(losses, reverse=True)
    assert losses[1] > losses[2]
    assert len(shown.concepts) == len(shown.attention) == len(shown.images) == 16


def test_the_surest_video_is_of_the_class(study):
    shown = reading.surest_video(study, "kiss")
    assert shown.concepts[shown.label] == "kiss"
    torch.testing.assert_close(shown.energies["best 3 x 3"], energy(shown.attention))


def test_rescued_frames_have_the_true_concept_and_a_wrong_one(study):
    shown, notes = reading.rescued(study)
    assert len(notes) == 3
    assert all(true != wrong for true, wrong in zip(shown.concepts[::2], shown.concepts[1::2], strict=True))
    rescues = (RULES["vote"](study.attention("tuned")).argmax(1) != study.interactions.test.labels) & (
        study.scores_by_energy().argmax(1) == study.interactions.test.labels
    )
    assert sum(note == "CNN wrong, EnergyNet right" for note in notes) == min(int(rescues.sum()), 3)


def test_gains_are_differences_of_recalls_sorted(study):
    points = reading.gains(study)
    first = list(points["UnAtt over CNN"].values())
    assert first == sorted(first, reverse=True)
    measured = study.measure("actions", "few.20")  # as many videos of each class
    mean = sum(points["EnergyNet over fine-tuned CNN"].values()) / 4
    assert mean == pytest.approx(measured["few.energynet_20"] - measured["few.cnn_20"])
    records = {"few.unatt_20": [60.0, 63.0]}
    known = reading.few_videos(lambda metric: records.get(metric, []))
    assert known["UnAtt"] == dict.fromkeys((5, 10, 33, 50, 100)) | {20: 61.5}
