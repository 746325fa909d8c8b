"""What the systems of a paper reach under a condition, from the records."""

import dataclasses
import sys

import pytest

from labkit import claims
from labkit.claims.paper import Condition
from labkit.scoreboard import Scoreboard
from labkit.studies import conditions, conv_vlad, study_of
from labkit.world import VERSION

RAIN = Condition("rain", "conv_vlad", "Rain", "drops", ("0", "0.5", "2"), "mAP (%)", {"sift": "SIFT", "b9": "block 9"})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Records of two amounts of rain, two seeds, and of an older world, and of a lesson."""
    assert conv_vlad.ConvVLAD.rows()  # declared by the true ledger
    paper = dataclasses.replace(claims.ledger()["conv_vlad"], metrics=RAIN.metrics, conditions={"rain": RAIN})
    ledger = {**claims.ledger(), "conv_vlad": paper}
    for module in (sys.modules["labkit.claims.records"], claims):
        monkeypatch.setattr(module, "ledger", lambda: ledger)
    settings = {"dataset": "world", "split": 1, "profile": "study", "version": 1, "world": VERSION, "labkit": "1"}
    record = claims.Record(paper="conv_vlad", metric="", seed=0, value=0.0, **settings)
    lines = [
        dataclasses.replace(record, metric=metric, seed=seed, value=seed - 1000 + number)
        for value in (0.5, 0)
        for number, metric in enumerate(RAIN.metrics_at(value))
        for seed in (1001, 1000)
    ]
    old, lesson = RAIN.metrics_at(2)
    lines += [
        dataclasses.replace(record, metric=old, world=VERSION - 1),
        dataclasses.replace(record, metric=lesson, profile="lesson"),
    ]
    claims.write(lines, tmp_path)
    return tmp_path


def test_what_was_reached_by_value_system_and_seed(folder):
    found, version = conditions.reached("conv_vlad", "rain", folder)
    assert version == 1
    assert list(found) == ["0", "0.5"]
    assert list(found["0"]) == ["sift", "b9"]
    assert found["0.5"]["b9"] == {1000: 1.0, 1001: 2.0}


def test_the_board_shows_it_with_a_slider(folder, monkeypatch):
    figure = Scoreboard.of_records("conv_vlad", folder=folder).condition("rain", start=-1)
    assert [step.label for step in figure.layout.sliders[0].steps] == ["0", "0.5"]
    assert list(figure.data[0].x) == ["SIFT", "block 9"]
    assert list(figure.data[0].y) == [0.5, 1.5]


def test_nothing_measured_yet(tmp_path):
    assert conditions.reached("conv_vlad", "shadow", tmp_path) == ({}, 0)


def test_a_paper_without_a_usual_network_has_its_conditions_shown_and_a_trial_is_not(tmp_path):
    metrics = conditions.metrics_at("attention_transfer", "telling", 0.75)
    settings = {"dataset": "world", "split": 1, "profile": "study", "version": 1, "world": VERSION, "labkit": "1"}
    lines = [
        claims.Record(
            paper="attention_transfer", metric=metric, network="resnet101_vgg16_tiny", seed=1000, value=50.0, **settings
        )
        for metric in metrics
    ]
    claims.write(lines, tmp_path)
    trials = [dataclasses.replace(line, seed=1001, test=1, test_listed=2) for line in lines]
    claims.write(trials, tmp_path)
    assert list(conditions.reached("attention_transfer", "telling", tmp_path).values) == ["0.75"]
    figure = Scoreboard.of_records("attention_transfer", folder=tmp_path).condition("telling")
    assert "measured with an earlier version of the study" in figure.layout.title.subtitle.text
    assert set(figure.data[0].y) == {50.0}


def test_a_value_that_a_condition_lacks_is_an_error():
    with pytest.raises(claims.ClaimsError, match=r"rain must be one of 0, 0\.5, 2; got 1"):
        RAIN.metrics_at(1)


def test_every_condition_has_its_rows_and_names_its_control():
    for paper in claims.ledger().values():
        rows = study_of(paper.notebook).rows().values() if paper.conditions else []
        for condition in paper.conditions.values():
            for value in condition.values:
                wanted = set(condition.metrics_at(float(value)))
                assert any(wanted <= set(row.metrics) for row in rows), (paper.name, condition.id, value)
