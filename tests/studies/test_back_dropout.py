"""The experiments on negative back-dropout: each row alone, in the world and on real videos, small and at full size."""

from typing import ClassVar

import pytest
import torch
from contract import (
    lend,
    like,
    measured,
    one_of_each_method,
    require_row_asks_as_it_says,
    require_same_alone,
    require_same_in_reverse,
)
from safetensors.torch import save_file

from labkit.papers import back_dropout
from labkit.studies import neurons
from labkit.studies.back_dropout import CONTENDERS, BackDropout, Scale
from labkit.studies.preflight import preflight

ROWS = list(BackDropout.rows())
CLIPS = ("clips", "trap", "stills")


@pytest.fixture(scope="module")
def together():
    return measured(BackDropout)


@pytest.mark.parametrize("name", ROWS)
def test_a_row_asks_for_the_trainings_that_it_says(name, together):
    require_row_asks_as_it_says(together, name, CLIPS)


def test_rows_have_the_same_values_in_reverse_order(together):
    require_same_in_reverse(together, CLIPS)


@pytest.mark.parametrize("name", ["control.random", "learned.third"])
def test_a_row_alone_has_the_same_value(name, together):
    require_same_alone(together, name, CLIPS)


def test_the_values_are_percentages_with_their_hits(together):
    measure = together.measures["control.further"]["control.further"]
    assert len(measure.hits) == len(together.clips.test)
    assert measure.value == pytest.approx(100 * measure.hits.double().mean().item())
    assert all(0 <= value <= 100 for name, value in together.live.items() if not name.startswith("profile."))


def test_no_clip_is_in_two_parts_and_the_trap_has_actors_of_its_own(together):
    names = [{clip.name for clip in part} for part in together.clips]
    assert len(set.union(*names)) == sum(map(len, names))
    assert not set(together.trap.groups.tolist()) & set(together.clips.train.groups.tolist())
    assert together.trap.groups.min() > 36  # the largest of the profiles' sets ends there
    assert sorted(together.trap.classes) == ["chop", "hammer"]


def test_counts_are_those_of_the_clips_that_a_metric_is_of(together):
    train, held_out, test = map(len, together.clips)
    assert together.clip_counts("size.full") == ((train,) * 2, (test,) * 2)
    assert together.clip_counts("learned.full") == ((train + held_out,) * 2, (test,) * 2)
    assert together.clip_counts("bias.after") == ((train,) * 2, (len(together.trap),) * 2)
    assert together.clip_counts("planted.weight") == ((0, 0), (len(together.stills),) * 2)


def test_what_learns_again_starts_from_the_fine_tuned_network_and_lacks_its_neurons(together):
    units = together.units()
    network = together.learned_again(units)
    assert not network.fc7.weight[units["fc7"]].any()
    assert network.fc7.weight.any(dim=1).sum() == 512 - len(units["fc7"])
    assert together.fine_tuned().fc7.weight.any(dim=1).all()  # it has lost nothing


def test_networks_that_lose_the_same_neurons_are_trained_once(together):
    study = like(together, CLIPS)
    lend(study, together)
    units = study.units()
    reordered = {layer: chosen.flip(0) for layer, chosen in units.items()}
    assert study.learned_again(units) is study.learned_again(reordered)
    assert study.learned_again(units) is not study.learned_again({"fc7": units["fc7"]})
    assert study.learned_again(units) is not study.learned_again(units, penalty=1.0)


def test_all_that_learn_again_have_the_same_budget_but_for_the_penalty_images(together):
    kept = {
        name: artefact.notes["facts"]
        for name, (_, artefact) in together._keeper.memory.items()
        if name.startswith("again.")
    }
    assert len({str(facts) for name, facts in kept.items() if "penalty" not in name}) == 1  # samples, recipe, seed
    counts = {int(facts["number of samples"]) - len(together.clips.train) for facts in kept.values()}
    whole = together.penalty.num_clips
    assert sorted(counts) == [0, round(whole / 3), round(2 * whole / 3), whole]


def test_the_last_layer_alone_leaves_all_others_as_they_were(together):
    before, after = together.pre_trained().state_dict(), together.last_layer().state_dict()
    moved = {name.split(".")[0] for name, value in before.items() if not torch.equal(value, after[name])}
    assert moved == {"classifier"}


def test_recipes_keep_the_paper_s_proportions():
    paper, lesson = BackDropout("paper"), BackDropout("lesson", seed=2)
    assert (paper.recipe().steps, paper.recipe().batch, paper.recipe().schedule) == (20_000, 256, {14_000: 1e-4})
    assert paper.recipe("re_learning").steps == 10_000
    assert (lesson.recipe().steps, lesson.recipe().schedule, lesson.recipe().seed) == (300, {210: 1e-4}, 200)
    assert lesson.recipe("re_learning", 1).seed == 201


def test_what_the_lesson_reads_from_it(together):
    assert set(together.contenders()) == {"fine-tuned", *CONTENDERS}
    gains = neurons.gains(together)
    parts = [gains[name][0] for name in ("learning for longer", "some neurons fewer", "these neurons")]
    assert gains["all together"][0] == pytest.approx(sum(parts))
    assert gains["all together"][0] == pytest.approx(together.live["size.full"] - together.live["fine_tuned"])
    fewer = together.units()["fc7"]
    assert neurons.overlap(together, 1.0)["fc7"] == f"{len(fewer)} of {len(fewer)}"
    drawn = neurons.voting(together, most=5)
    assert drawn["images"].shape == (5, 3, 56, 56)
    assert drawn["costs"]["by weight"][0] == together.live["fine_tuned"]
    assert set(neurons.taken_for(together, "croquet")) == set(together.clips.test.classes)


def test_before_anything_starts_it_says_what_is_missing(tmp_path):
    study = BackDropout("paper", dataset="ucf101", data_root=str(tmp_path), out=tmp_path)
    problems = preflight(study, ["nb_tl", "control.random"])
    assert [problem.split(":")[0].split(" must")[0].removeprefix(f"{tmp_path}/") for problem in problems] == [
        "ucf101/ucfTrainTestlist/classInd.txt",
        "cnn_m_imagenet.safetensors",
    ]
    (problem,) = preflight(BackDropout("paper", out=tmp_path), ["planted"])
    assert problem == "dataset must be a real one in the profile paper; got 'world', whose clips are 64 pixels high"


OF_REAL_VIDEOS = one_of_each_method(BackDropout, "ucf101", but=["bias"])


def test_rows_but_the_trap_s_run_on_real_videos(real_sets_of_two_classes):
    settings = {"dataset": "ucf101", "data_root": str(real_sets_of_two_classes), "missing": "skip"}
    study = BackDropout("smoke", **settings)
    assert not preflight(study, OF_REAL_VIDEOS)
    study.measure(*OF_REAL_VIDEOS)
    assert study.clip_counts("size.full")[1] == (3, 3783)
    assert neurons.gains(study)
    assert study.confusions() == {}
    with pytest.raises(ValueError, match="the test clips must include HorseRiding; got none"):
        study.measure("bias")


class InShort(BackDropout):
    """The paper's networks, for two steps."""

    scales: ClassVar = {"paper": Scale(24, 2, 3, 12, 0.0, 2, 1, 2, 1, 1)}


@pytest.mark.long
def test_networks_of_the_paper_s_size_run_on_real_videos(real_sets_of_two_classes):
    root = real_sets_of_two_classes
    torch.manual_seed(0)
    save_file(back_dropout.cnn_m(1000).state_dict(), root / "cnn_m_imagenet.safetensors")
    study = InShort("paper", dataset="ucf101", data_root=str(root), missing="skip", workers=1)
    assert study.fine_tuned().fc6.in_features == 512 * 6 * 6
    rows = ["nb_tl", "control.last_layer", "drop.second_20", "learned.full", "profile"]
    assert all(0 <= abs(value) <= 100 for value in study.measure(*rows).values())
    assert neurons.voting(study, most=1)["images"].shape == (1, 3, 224, 224)
