"""The experiments on temporal differences: each row alone, in the world, on real videos, and on made-up sets."""

from typing import ClassVar

import extract_flow
import numpy as np
import pytest
import torch
from contract import one_of_each_method, require_row_asks_as_it_says, require_same_alone, require_same_in_reverse

from labkit import metrics
from labkit.backbones.resnet import resnet50, resnet_tiny
from labkit.data import write_video
from labkit.data.fcvid import store_frames
from labkit.papers import temporal_difference as td
from labkit.studies.preflight import preflight
from labkit.studies.temporal_difference import FAMILIES, VARIANTS, Scale, TemporalDifference

ROWS = list(TemporalDifference.rows())


def rows_on(dataset):
    return [name for name, row in TemporalDifference.rows().items() if row.is_measured_on(dataset, 1)]


CLIPS = ("first", "second")


@pytest.fixture(scope="module")
def together(temporal_difference):
    return temporal_difference


@pytest.mark.parametrize("name", ROWS)
def test_a_row_asks_for_the_trainings_that_it_says(name, together):
    require_row_asks_as_it_says(together, name, CLIPS)


def test_rows_have_the_same_values_in_reverse_order(together):
    require_same_in_reverse(together, CLIPS)


@pytest.mark.parametrize("name", ["tdn.from_stills", "mixing.gate_random"])
def test_a_row_alone_has_the_same_value(name, together):
    require_same_alone(together, name, CLIPS)


def test_the_values_are_percentages_with_their_hits(together):
    measure = together.measures["tdn.rgb"]["tdn.rgb"]
    assert len(measure.hits) == len(together.first.test)
    assert measure.value == pytest.approx(100 * measure.hits.double().mean().item())
    assert all(0 <= value <= 100 for metric, value in together.live.items() if not metric.startswith("gain."))


def test_no_group_is_in_both_parts(together):
    for train, test in (together.first, together.second):
        assert not set(train.groups.tolist()) & set(test.groups.tolist())
        assert len(train.labels.unique()) == len(test.labels.unique()) == len(train.classes)
    assert together.clips_of("second.tsn_rgb") == ([together.second.train], [together.second.test])
    assert together.clips_of("levels.input") == ([together.first.train], [together.first.test])


def test_the_second_set_is_restless(together):
    """With the world's usual camera a TSN on flow recognises nearly all of it: there is nothing to compare."""

    def shift(parts):
        fields = torch.stack([clip.flow([5])[0] for clip in parts.train])  # (N, 2, H, W)
        return fields.flatten(2).median(dim=2).values.norm(dim=1).mean()

    assert shift(together.second) > 2 * shift(together.first)


def test_gains_by_hand(together):
    labels, classes = together.first.test.labels, list(together.first.test.classes)
    right = {name: together.final_scores(name).argmax(dim=1) == labels for name in ("tsn", "tdn")}
    gain = 100 * (right["tdn"].double() - right["tsn"].double())  # of each clip; all classes have equally many
    jump, chop, pick_up = ((labels == classes.index(name)).nonzero().flatten() for name in ("jump", "chop", "pick_up"))
    values = {end: together.live[f"gain.{end}"] for end in FAMILIES}
    assert values["motion"] == pytest.approx((values["motion_only"] + values["reversed"]) / 2)
    assert gain.mean().item() == pytest.approx((values["scene"] + values["motion_only"] + values["reversed"]) / 3)
    for end, index in (("motion_only", jump), ("scene", chop), ("reversed", pick_up)):
        assert together._is_of_family(labels, end)[index].all()
        assert together._is_of_family(labels, end).sum() == len(labels) / 3


def test_the_baseline_starts_where_the_tdn_does_and_trains_for_as_long(together):
    start, tsn = together.start(), together.tsn()
    for network, name in ((tsn, "tsn"), (together.tdn(), "tdn")):
        first, joint = (together._keeper.memory[f"{name}.rgb.{phase}"][1] for phase in ("first", "joint"))
        assert network is together._keeper.memory[f"{name}.rgb.joint"][0]
        for artefact, recipe in ((first, together.recipe()), (joint, together.recipe(phase="joint"))):
            assert artefact.notes["facts"]["steps"] == str(recipe.steps)
            assert artefact.notes["facts"]["seed"] == str(recipe.seed)
    frozen = together._keeper.memory["tdn.rgb.first"][0].image
    assert torch.equal(frozen.layer3[0].conv1.weight, start.image.layer3[0].conv1.weight)
    assert not torch.equal(together.tdn().image.layer3[0].conv1.weight, start.image.layer3[0].conv1.weight)
    assert not torch.equal(tsn.image.layer3[0].conv1.weight, start.image.layer3[0].conv1.weight)
    from_stills = together._keeper.memory["tdn_from_stills.rgb.first"][0].image
    assert torch.equal(from_stills.layer3[0].conv1.weight, together.stills.layer3[0].conv1.weight)


def test_variants_are_the_rows_of_table_5_4_and_other_ways_to_mix(together):
    levels = [together.tdn(variant=name).levels for name in ("tdn_input", "tdn_conv1", "tdn_res2", "tdn_res3", "tdn")]
    assert levels == [td.LEVELS[:count] for count in range(1, 6)]
    mixing = {name: together.initial_tdn(variant=name).mixing["conv1"] for name in VARIANTS if name != "tdn_input"}
    assert not mixing["tdn_gate"].gate.weight.any()
    assert mixing["tdn_gate_random"].gate.weight.any()
    assert torch.equal(mixing["tdn_conv1x1"].convolution.weight.flatten(1), torch.eye(16))
    assert not torch.equal(mixing["tdn_conv1x1_random"].convolution.weight.flatten(1), torch.eye(16))


def test_recipes_are_shortened_in_proportion():
    study, paper = TemporalDifference("lesson").recipe(), TemporalDifference("study").recipe()
    assert (paper.steps, paper.schedule) == (150, {100: 5e-3})
    assert (study.steps, study.schedule) == (120, {80: 5e-3})
    assert TemporalDifference("study").recipe(phase="joint").steps == 50
    start = TemporalDifference("study").recipe(phase="start")
    assert (start.steps, start.schedule) == (450, {300: 5e-3})
    real = TemporalDifference("paper", dataset="hmdb51", data_root="somewhere")
    assert real.recipe(phase="start") == real.recipe()


def test_curves_are_of_the_networks_of_table_5_1(together):
    assert {name for name, curve in together.curves.items() if curve} == {
        "start.rgb",
        "tsn.rgb.first",
        "tsn.rgb.joint",
        "tdn.rgb.first",
        "tdn.rgb.joint",
    }
    assert {"image", "difference", "all"} <= together.curves["tdn.rgb.first"][0].shown.keys()
    assert "difference" not in together.curves["tsn.rgb.first"][0].shown


def test_splits_are_those_of_hmdb51_alone():
    rows = TemporalDifference.rows()
    assert [rows["mixing.gate"].is_measured_on("hmdb51", split) for split in (1, 2, 3)] == [True] * 3
    assert [rows["tdn.rgb"].is_measured_on("world", split) for split in (1, 2, 3)] == [True, False, False]
    assert rows_on("act") == [name for name in ROWS if name.startswith("second.")]
    assert rows_on("fcvid") == [name for name in ROWS if name.startswith(("map.", "levels."))]


def test_before_anything_starts_it_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    study = TemporalDifference("paper", dataset="hmdb51", data_root=str(tmp_path), out=tmp_path)
    lists, weights, flow = preflight(study, ["tdn.fusion"])
    assert "testTrainMulti_7030_splits" in lists
    assert "resnet50" in weights
    assert flow.startswith(f"{tmp_path}/hmdb51/flow/forward.jsonl must be there")
    assert len(preflight(study, ["tdn.rgb"])) == 2
    (problem,) = preflight(TemporalDifference("paper"), ["tdn.rgb"])
    assert problem == "dataset must be a real one in the profile paper; got 'world', whose clips are 64 pixels high"
    frames, _ = preflight(TemporalDifference("paper", dataset="fcvid", data_root=str(tmp_path), out=tmp_path))
    assert frames.endswith(f"run python data_scripts/fcvid.py {tmp_path}/fcvid --frames")


# --- real videos, and made-up sets in the layout of ACT and FCVID -----------------------------------------------------


class InShort(TemporalDifference):
    """The profile paper, two steps a phase."""

    scales: ClassVar = {"paper": Scale(3, 1, 0.0, 2, 1, True, 1, 2)}


def test_rows_of_hmdb51_run_on_real_videos(real_sets_with_flow):
    study = TemporalDifference("smoke", dataset="hmdb51", data_root=str(real_sets_with_flow), missing="skip")
    assert not preflight(study)
    study.measure("tdn.fusion", *one_of_each_method(TemporalDifference, "hmdb51"))
    train, test = study.clip_counts("tdn.rgb")
    assert train[0] > 0
    assert (train[1], test) == (3570, (1, 1530))


def write_drifting(path, num_frames, fps, seed):
    """A video of smooth noise that drifts to the left."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(1, 3, 6, 8 + num_frames // 4, generator=generator)
    wide = (255 * torch.nn.functional.interpolate(noise, scale_factor=8)[0]).to(torch.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, torch.stack([wide[..., 2 * t : 2 * t + 64] for t in range(num_frames)]), fps=fps)


@pytest.fixture(scope="module")
def supplied_sets(tmp_path_factory):
    """A folder with ``act`` and ``fcvid`` as their readers ask for them, of a few made-up videos; and weights."""
    root = tmp_path_factory.mktemp("supplied")
    for name in ("act", "fcvid"):
        (root / name / "lists").mkdir(parents=True)
    classes = "".join(f"action {number}\n" for number in range(43))
    clips = {"train": ["a 0", "b 42", "c 0"], "test": ["d 42", "e 0"]}
    (root / "act/lists/classes.txt").write_text(classes)
    for part, lines in clips.items():
        (root / f"act/lists/{part}.txt").write_text("\n".join(lines))
    for seed, name in enumerate("abcde"):
        write_drifting(root / f"act/videos/{name}.avi", 17, 25, seed)
    assert extract_flow.main([str(root / "act"), "--estimator", "dis"]) == 0
    table = np.zeros((5, 239), dtype=int)
    for number, columns in enumerate(([0], [0, 238], [7], [238], [0, 7])):
        table[number, columns] = 1
        write_drifting(root / f"fcvid/videos/web/{number}.avi", 40, 4, number)  # ten seconds
    lists = root / "fcvid/lists"
    lists.joinpath("classes.txt").write_text("".join(f"event {number}\n" for number in range(239)))
    np.savetxt(lists / "FCVID_Label.txt", table, fmt="%d", delimiter="\t")
    parts = "".join(f"web/{number}.avi\t{'train' if number < 3 else 'test'}\n" for number in range(5))
    (lists / "FCVID_VideoName_TrainTestSplit.txt").write_text(parts)
    assert store_frames(root / "fcvid") == {}
    return root


@pytest.fixture
def small_backbone(supplied_sets, monkeypatch):
    """The profile paper with ten layers instead of fifty; everything else is as it is there."""
    monkeypatch.setitem(td.BACKBONES, "paper", resnet_tiny)
    torch.save(resnet_tiny(1000).state_dict(), supplied_sets / "resnet50_imagenet.pth")


def test_rows_of_table_5_2_run_on_act(supplied_sets, small_backbone):
    study = InShort("paper", dataset="act", data_root=str(supplied_sets))
    assert not preflight(study, rows_on("act"))
    values = study.measure(*one_of_each_method(TemporalDifference, "act"))
    assert all(0 <= value <= 100 for value in values.values())
    assert study.clip_counts("second.tdn_flow") == ((3, 3), (2, 2))
    assert (study.setting, study.tsn().image.fc.out_features) == (td.SETTINGS["act"], 43)
    assert (study.tdn("flow", "second").partial_bn, study.tdn("flow", "second").difference.dropout.p) == (True, 0.8)


def test_rows_of_tables_5_3_and_5_4_run_on_fcvid(supplied_sets, small_backbone):
    study = InShort("paper", dataset="fcvid", data_root=str(supplied_sets))
    assert not preflight(study, rows_on("fcvid"))
    study.measure(*one_of_each_method(TemporalDifference, "fcvid"))
    view, train = study.view(), study.first.train
    assert [clip.num_frames for clip in train] == [4, 4, 4]  # at 0, 3, 6 and 9 seconds
    snippets, labels = view.train(train[1])
    assert snippets.shape == (3, 3, 224, 224)
    assert labels.nonzero().flatten().tolist() == [0, 238]
    assert not view.crop_scales
    scores = study.final_scores("tdn").softmax(dim=1)
    labels = torch.zeros(2, 239, dtype=torch.bool)
    labels[0, 238] = labels[1, 0] = labels[1, 7] = True
    assert study.live["levels.res4"] == 100 * metrics.mean_average_precision(scores, labels)
    model = study.tdn()
    assert (model.partial_bn, model.image.dropout.p) == (False, 0.0)


@pytest.mark.long
def test_networks_of_the_paper_s_size_run_on_real_videos(real_sets_with_flow):
    torch.manual_seed(0)
    weights = {name: value for name, value in resnet50(1000).state_dict().items()}
    weights |= {name: torch.zeros_like(value) for name, value in weights.items() if name.endswith("bn3.weight")}
    torch.save(
        weights, real_sets_with_flow / "resnet50_imagenet.pth"
    )  # random, but tame: no branch of a block at first
    study = InShort("paper", dataset="hmdb51", data_root=str(real_sets_with_flow), missing="skip")
    rows = ["tdn.fusion", "tsn.rgb", "subnet", "mixing.gate", "tdn.from_stills"]
    assert all(0 <= value <= 100 for value in study.measure(*rows).values())
