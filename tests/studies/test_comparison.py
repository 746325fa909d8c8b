"""All systems on the same clips: every system has a row and a place in a table, and is measured as its study does."""

import pytest
import torch
from contract import require_needs

from labkit import claims
from labkit.studies.comparison import SYSTEMS, Comparison

FAST = [
    "spatial",
    "two_stream",
    "average",
    "flow8",
    "inflated",
    "tdn",
    "unatt",
    "nb",
    "conv_pooling",
    "frozen",
    "lite0",
]


@pytest.fixture(scope="module")
def study():
    return Comparison("smoke", seed=1000)


def test_every_system_stands_in_a_table_of_its_league():
    tables = [entry for entry in claims.ledger()["comparison"].entries if entry.rows]
    named = [{cell.partition(".")[0] for row in table.rows for cell in row.ours if cell} for table in tables]
    leagues = list(dict.fromkeys(system.league for system in SYSTEMS.values()))
    assert named == [{name for name, system in SYSTEMS.items() if system.league == league} for league in leagues]


@pytest.mark.parametrize("name", FAST)
def test_a_system_asks_for_the_trainings_that_its_row_names(name, study):
    before = len(study.asked)
    values = study.measure(name)
    require_needs(study.row(name), {training.name for training in study.asked[before:]})
    families = [values[f"{name}.{family}"] for family in ("appearance", "motion", "reversed")]
    assert values[f"{name}.accuracy"] == pytest.approx(sum(families) / 3)  # as many clips in each
    assert values[f"{name}.training"] > 0


def test_all_studies_have_the_same_clips_and_share_what_they_train(study):
    study.measure("spatial")
    asked = [training for training in study.asked if training.name == "spatial.fine_tune_d5"]
    assert {training.seconds for training in asked} == {asked[0].seconds}
    parts = study.clips
    assert study.two_stream.large is parts
    others = (study.long_video.noisy, study.action_flow_net.large, study.temporal_difference.first)
    assert all(sets.train is parts.train and sets.test is parts.test for sets in others)
    names = [{clip.name for clip in part} for part in parts]
    assert len(set.union(*names)) == sum(map(len, names))
    assert {len(study.scores_by(name)) for name in ("spatial", "tdn", "unatt")} == {len(parts.test)}


def test_two_streams_are_the_mean_of_both(study):
    mean = (study.scores_by("spatial") + study.scores_by("temporal")) / 2
    assert torch.equal(study.scores_by("two_stream"), mean)


def test_costs_are_those_of_what_runs(study):
    costs = study.measure("costs")
    assert costs["two_stream.parameters"] == pytest.approx(costs["spatial.parameters"] + costs["temporal.parameters"])
    assert costs["two_stream.gflop"] == pytest.approx(costs["spatial.gflop"] + costs["temporal.gflop"])
    assert costs["flow8.parameters"] == costs["r3d.parameters"]  # no decoder runs
    assert costs["flow8.gflop"] == costs["r3d.gflop"] == costs["inflated.gflop"]
    assert costs["voting.parameters"] == costs["unatt.parameters"]
    assert all(0 < value < 20 for value in costs.values())


def test_times_are_relative_to_the_spatial_stream(study):
    ratios = study.time_ratios(rounds=1)
    assert ratios.keys() == SYSTEMS.keys()
    assert all(ratio > 0 for ratio in ratios.values())
