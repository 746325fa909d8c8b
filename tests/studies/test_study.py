"""What all studies have in common."""

from typing import ClassVar

import pytest
import torch
from made_up import MadeUp

from labkit.losses import classification_loss
from labkit.studies import study_of
from labkit.studies.rows import Measure, mean_of, per_clip, row
from labkit.studies.store import Artefact, StoreError
from labkit.studies.study import Study
from labkit.training import Recipe, Step


def test_a_network_is_trained_once_and_comes_back_as_the_same_object():
    study = MadeUp("smoke")
    assert study.linear() is study.linear()
    assert [training.now for training in study.asked] == [True, False]


def test_a_kept_network_is_loaded_and_gives_the_same_numbers(tmp_path):
    first = MadeUp("smoke", seed=3, out=tmp_path)
    values = first.measure("temporal.l1", "filters")
    again = MadeUp("smoke", seed=3, out=tmp_path)
    assert again.measure("temporal.l1", "filters") == values
    assert not any(training.now for training in again.asked)
    trained = sum(training.seconds for training in first.asked if training.now)
    assert again.seconds["filters"] > trained > 0  # trainings count, although they were done before


def test_other_settings_are_kept_apart(tmp_path):
    folders = {
        MadeUp("smoke", out=tmp_path, **settings).store.folder
        for settings in ({}, {"seed": 1}, {"split": 2}, {"missing": "skip"})
    }
    assert len({*folders, MadeUp("study", out=tmp_path).store.folder}) == 5
    assert MadeUp("smoke", out=tmp_path, precision="bf16").store.folder not in folders

    class Later(MadeUp):
        version = 2

    class Larger(MadeUp):
        scales: ClassVar = {"smoke": MadeUp.scales["smoke"]._replace(points=41)}

    assert len({*folders, *(kind("smoke", out=tmp_path).store.folder for kind in (Later, Larger))}) == 6


def test_another_world_is_kept_apart(tmp_path, monkeypatch):
    before = MadeUp("smoke", out=tmp_path).store.folder
    monkeypatch.setattr("labkit.studies.study.WORLD", 1000)
    assert MadeUp("smoke", out=tmp_path).store.folder != before


def test_smoke_and_lesson_keep_nothing_by_themselves_and_a_study_does():
    assert MadeUp("smoke").store.folder is None
    assert "studies" in MadeUp("study").store.folder.parts


def test_a_row_that_measures_something_else_than_it_declares_is_an_error():
    class Wrong(MadeUp):
        @row("temporal.l10")
        def odd(self):
            return {"temporal.l5": Measure(1.0)}

    with pytest.raises(
        ValueError, match=r"row 'temporal.l10' must measure \('temporal.l10',\); got \('temporal.l5',\)"
    ):
        Wrong("smoke").measure("temporal.l10")


def test_splits_may_differ_from_data_set_to_data_set():
    class Several(MadeUp):
        @row("several", splits={"hmdb51": (1, 2, 3)})
        @row("first", splits=(1, 3))
        def of_splits(self):
            return Measure(1.0)

    several, first = (Several.rows()[name] for name in ("several", "first"))
    assert several.splits == (1, 2, 3)  # all that there are anywhere
    assert [several.is_measured_on("hmdb51", split) for split in (1, 2, 3)] == [True, True, True]
    assert [several.is_measured_on("world", split) for split in (1, 2, 3)] == [True, False, False]
    assert [first.is_measured_on("hmdb51", split) for split in (1, 2, 3)] == [True, False, True]


def test_two_rows_of_one_name_are_an_error():
    class Twice(Study):
        @row("temporal.l1", needs=[])
        def first(self):
            return Measure(1.0)

        @row("temporal.l1", needs=[])
        def second(self):
            return Measure(2.0)

    with pytest.raises(ValueError, match=r"Twice has two called 'temporal\.l1'"):
        Twice.rows()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"profile": "lessons"}, "profile must be one of smoke, study; got 'lessons'"),
        ({"dataset": "ucf"}, "dataset must be one of world, ucf101; got 'ucf'"),
        ({"dataset": "ucf101"}, "data_root must be the folder of ucf101; got none"),
        ({"data_root": "/data"}, "dataset must be a real one where data_root is given; got 'world' and '/data'"),
        ({"network": "cubic"}, "network must be one of linear; got 'cubic'"),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        MadeUp(**{"profile": "smoke", **settings})


def test_wrong_rows_are_named():
    with pytest.raises(ValueError, match=r"row must be one of temporal\.l1, temporal\.l5, filters; got 'temporal\.l2'"):
        MadeUp("smoke").measure("temporal.l2")
    with pytest.raises(ValueError, match=r"must run on a split among \(1,\) of any data set; got split 2 of world"):
        MadeUp("smoke", split=2).measure("temporal.l1")


def test_a_row_of_the_world_alone_is_left_out_elsewhere():
    class Both(MadeUp):
        @row("temporal.l10", datasets=["world"])
        def of_the_world(self):
            return Measure(1.0)

    assert Both("smoke").measure("temporal.l10") == {"temporal.l10": 1.0}
    elsewhere = Both("smoke", dataset="ucf101", data_root="/nowhere")
    with pytest.raises(ValueError, match=r"must run on a split among \(1,\) of world; got split 1 of ucf101"):
        elsewhere.measure("temporal.l10")
    here = [row.name for row in elsewhere.rows().values() if row.is_measured_on("ucf101", 1)]
    assert here == ["temporal.l1", "temporal.l5", "filters"]  # a study that derives from another has its rows


def test_initialisation_depends_on_the_seed_alone_and_leaves_the_generator_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, same, other = (MadeUp("smoke", seed=seed).initialised(lambda: torch.rand(3)) for seed in (7, 7, 8))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(7)
    assert torch.equal(first, torch.rand(3))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_a_measure_of_hits_by_hand():
    measure = per_clip(torch.tensor([True, True, True, False]))
    assert measure.value == 75
    assert measure.stderr == pytest.approx(100 * 0.5 / 2)  # standard deviation of 1 1 1 0 is one half
    assert measure.hits.tolist() == [True, True, True, False]


def test_the_mean_of_two_trainings_by_hand():
    both = mean_of([per_clip(torch.tensor([True, False])), per_clip(torch.tensor([True, True]))])
    assert both.value == 75
    assert both.stderr == pytest.approx(100 * (0.125**0.5) / 2**0.5)  # of 1 and 1/2
    assert both.hits is None


def test_a_sibling_shares_what_was_asked_for():
    study = MadeUp("smoke", seed=2)
    other = study.sibling(split=2)
    assert (other.split, other.seed) == (2, 2)
    assert study.sibling(split=2) is other
    other.linear()
    assert [training.name for training in study.asked] == ["linear.0.1"]


def test_a_number_without_a_study_is_an_error():
    with pytest.raises(ValueError, match="number must be one of 02"):
        study_of("99")


class Careless(MadeUp):
    """All trainings have one name."""

    def train(self, name, *arguments, **options):
        return super().train("network", *arguments, **options)


def test_two_trainings_of_one_name_are_an_error():
    study = Careless("smoke")
    study.linear(0.1)
    with pytest.raises(ValueError, match=r"'network' must be of what is asked for; its options was {'lr': 0.1}, and"):
        study.linear(0.5)


def test_a_kept_network_of_another_recipe_is_an_error_and_not_loaded(tmp_path):
    Careless("smoke", out=tmp_path).linear(0.1)
    with pytest.raises(
        ValueError, match=r"network\.safetensors must be of what .*options was .*raise the version of the study"
    ):
        Careless("smoke", out=tmp_path).linear(0.5)


def test_a_kept_network_of_other_sizes_is_an_error_in_one_line(tmp_path):
    study = MadeUp("smoke", out=tmp_path)
    study.linear()
    notes = study.store.load("linear.0.1").notes
    study.store.save("linear.0.1", Artefact({"0.weight": torch.zeros(2, 2)}, 1.0, notes))
    with pytest.raises(
        StoreError, match=r"linear\.0\.1\.safetensors must be a kept artefact; .*another network"
    ) as caught:
        MadeUp("smoke", out=tmp_path).linear()
    assert "\n" not in str(caught.value)


def test_a_trained_model_is_not_trained_further_under_another_name():
    study = MadeUp("smoke")
    network = study.linear()
    recipe = Recipe(torch.optim.SGD, {"lr": 0.1}, steps=2, batch=2)
    before = network[0].weight.detach().clone()
    with pytest.raises(ValueError, match=r"'longer' must be newly built; it shares weights with 'linear.0.1'"):
        study.train("longer", torch.nn.Sequential(network[0]), classification_loss, study.points, recipe)
    assert torch.equal(network[0].weight, before)


def test_scores_of_other_weights_are_an_error(tmp_path):
    study = MadeUp("smoke", out=tmp_path)
    data = [(torch.randn(1, 3), 0), (torch.randn(1, 3), 1)]
    network = study.initialised(lambda: torch.nn.Linear(3, 2))
    assert study.scores("scores", network, data).shape == (2, 2)
    other = study.initialised(lambda: torch.nn.Linear(3, 2), seed=1)
    for again in (study, MadeUp("smoke", out=tmp_path)):
        again.scores("scores", network, data)
        with pytest.raises(ValueError, match="its weights was"):
            again.scores("scores", other, data)


def test_what_is_released_is_read_again(tmp_path):
    study = MadeUp("smoke", out=tmp_path)
    values, network = study.measure("filters"), study.linear()
    study.release()
    assert study.linear() is not network
    assert same(study.linear().state_dict(), network.state_dict())
    del study.measures["filters"]
    assert study.measure("filters") == values
    in_memory = MadeUp("smoke")
    network = in_memory.linear()
    in_memory.release()
    assert in_memory.linear() is network


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_kept_network_is_moved_to_the_device_of_the_study(tmp_path, monkeypatch):
    MadeUp("smoke", out=tmp_path).linear()
    monkeypatch.setattr(MadeUp, "torch_device", torch.device("meta"))
    assert MadeUp("smoke", out=tmp_path).linear()[0].weight.is_meta


@pytest.fixture
def long_training(monkeypatch):
    """Each training says that it took a thousand seconds, as one that was continued does."""
    steps = [Step(0, 1.0, 0.1, 1000.0, {})]
    monkeypatch.setattr("labkit.studies.study.fit", lambda *_, **__: steps)


@pytest.mark.usefixtures("long_training")
def test_seconds_of_a_row_hold_those_of_its_trainings_before_they_were_interrupted():
    study = MadeUp("smoke")
    study.measure("temporal.l1", "filters")
    assert 1000 <= study.seconds["temporal.l1"] < 1900
    assert 2000 <= study.seconds["filters"] < 2900
    assert 0 < study.spent["filters"] < 100  # it trained nothing for two thousand seconds just now


@pytest.mark.usefixtures("long_training")
def test_seconds_hold_trainings_of_the_same_name_of_all_splits_and_those_behind_what_was_computed(tmp_path):
    class Splits(MadeUp):
        @row("temporal.l10")
        def all_splits(self):
            return Measure(self.compute("all", self.both)["sum"].item())

        def both(self):
            return {"sum": self.linear()[0].weight.sum() + self.sibling(split=2).linear()[0].weight.sum()}

    for _ in range(2):
        study = Splits("smoke", out=tmp_path)
        study.measure("temporal.l10")
        assert 2000 <= study.seconds["temporal.l10"] < 2900


def test_a_network_is_trained_where_gradients_are_turned_off():
    with torch.no_grad():
        network = MadeUp("smoke").linear()
    assert torch.equal(network[0].weight, MadeUp("smoke").linear()[0].weight)
