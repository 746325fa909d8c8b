"""The experiments on two streams: each row alone, in the world and on real videos, small and of the paper's size."""

from typing import ClassVar

import pytest
import torch
from contract import (
    measured,
    one_of_each_method,
    require_row_asks_as_it_says,
    require_same_alone,
    require_same_in_reverse,
)
from safetensors.torch import save_file

from labkit.papers import two_stream
from labkit.studies.preflight import preflight
from labkit.studies.two_stream import TwoStream
from labkit.studies.two_stream_models import INPUTS, Scale

ROWS = list(TwoStream.rows())
CLIPS = ("large", "small", "few")


@pytest.fixture(scope="module")
def together():
    return measured(TwoStream)


@pytest.mark.parametrize("name", ROWS)
def test_a_row_asks_for_the_trainings_that_it_says(name, together):
    require_row_asks_as_it_says(together, name, CLIPS)


def test_rows_have_the_same_values_in_reverse_order(together):
    require_same_in_reverse(together, CLIPS)


@pytest.mark.parametrize("name", ["spatial.fine_tune_d9", "small.added_classes"])
def test_a_row_alone_has_the_same_value(name, together):
    require_same_alone(together, name, CLIPS)


def test_the_values_are_percentages_with_their_hits(together):
    measure = together.measures["temporal.l10"]["temporal.l10"]
    assert len(measure.hits) == len(together.large.test)
    assert measure.value == pytest.approx(100 * measure.hits.double().mean().item())
    assert all(0 <= value <= 100 for value in together.live.values())


def test_no_clip_is_in_two_parts_and_the_small_set_has_one_group_to_train_on(together):
    for sets in (together.large, together.small):
        names = [{clip.name for clip in part} for part in sets]
        assert len(set.union(*names)) == sum(map(len, names))
        assert all(len(part.labels.unique()) == len(part.classes) for part in sets)
    assert len(together.small.train.groups.unique()) == len(together.small.held_out.groups.unique()) == 1


def test_each_split_of_the_small_set_learns_from_another_group():
    sets = [TwoStream("study", seed=1000, split=split).small for split in (1, 2, 3)]
    trained, held_out = ([int(getattr(parts, name).groups[0]) for parts in sets] for name in ("train", "held_out"))
    assert len(set(trained)) == len(set(held_out)) == 3
    assert all(len(parts.train) == len(parts.held_out) == 24 for parts in sets)


def test_conditions_are_measured_on_a_few_clips_and_on_four_times_as_many_test_groups(together):
    study = TwoStream("study", seed=1000)
    assert [len(part) for part in study.few] == [18 * 3 * 2, 18 * 1 * 2, 18 * 16 * 2]
    assert study.few.train.groups.unique().tolist() == [5, 6, 7]  # 1 to 4 test
    assert study.few.test.groups.unique().tolist() == [*range(1, 5), *range(13, 25)]
    still = study.few_clips(camera=0)
    assert still.test.names == study.few.test.names
    assert study.clip_counts("condition.camera.0.l10") == ((108, 108), (576, 576))
    recipe = study.few_recipe("from_scratch", longer=4)
    assert (recipe.steps, recipe.batch, recipe.schedule) == (1600, 16, {1000: 1e-3, 1400: 1e-4})


def test_a_still_camera_leaves_no_mean_beside_the_actor_s(together):
    still, moving = (together.few_clips(camera=value).test[0] for value in (0, 6))
    far = torch.zeros(64, 88, dtype=torch.bool)
    far[:20, :20] = True  # the sky, say
    assert still.flow([3])[0][:, far].abs().max() == 0
    assert moving.flow([3])[0][:, far].abs().min() > 0


def test_frames_are_wide_and_ten_crops_of_them_differ():
    study = TwoStream("smoke", seed=1000)
    clip = study.large.test[0]
    assert clip.frames([0]).shape == (1, 3, 64, 88)
    crops = study.frame_view().test(clip, 1)[0]  # (5, 3, 56, 56)
    frame = study.frame_view().at(clip, [0], whole=True)
    assert len({crop.numpy().tobytes() for crop in crops}) == 5
    assert frame.shape[-2:] == (64, 88)
    centre = study.frame_view(centre=64).train(clip, torch.Generator().manual_seed(0))[0]
    assert centre.shape == (3, 56, 56)


def test_a_source_of_postures_shares_the_clips_and_not_the_weights(together):
    other = together.postures()
    assert (other.source, other.imagenet_weights.name) == ("postures", "cnn_m.postures.1.safetensors")  # 1000 modulo 3
    assert other.large is together.large
    assert other.few is together.few


def test_counts_are_those_of_the_set_that_a_metric_is_of(together):
    large, small = together.large, together.small
    assert together.clip_counts("temporal.l10") == ((len(large.train),) * 2, (len(large.test),) * 2)
    for metric in ("small.alone", "splits.small_svm"):
        assert together.clip_counts(metric) == ((len(small.train),) * 2, (len(small.test),) * 2)


def test_the_spatial_network_is_chosen_on_held_out_clips_of_the_first_split(together):
    labels = together.large.held_out.labels
    names = [f"{start}_d{d}" for start in ("scratch", "fine_tune", "last_layer") for d in (5, 9)]
    right = {n: (together.spatial_scores(n, "held_out").argmax(1) == labels).sum().item() for n in names}
    assert right[together.best_spatial()] == max(right.values())
    assert together.sibling(split=2).best_spatial() == together.best_spatial()


def test_recipes_keep_the_paper_s_proportions():
    study, paper = TwoStream("lesson").recipe(), TwoStream("paper").recipe()
    assert (paper.steps, paper.batch, paper.schedule) == (80_000, 256, {50_000: 1e-3, 70_000: 1e-4})
    assert (study.steps, study.schedule) == (240, {150: 1e-3, 210: 1e-4})
    assert TwoStream("paper").recipe("fine_tuning").steps == 20_000
    assert TwoStream("paper").recipe(longer=2).steps == 160_000
    assert TwoStream("study").recipe(slower=0.3).options["lr"] == pytest.approx(0.003)


def test_inputs_are_those_of_table_1b():
    study = TwoStream("smoke")
    clip = study.large.test[0]
    channels = {name: study.flow_view(**options).train(clip)[0].shape[0] for name, options in INPUTS.items()}
    assert channels == {"l1": 2, "l5": 10} | dict.fromkeys(("l10", "l10_raw", "traj", "traj_raw", "bidir"), 20)


def test_before_anything_starts_it_says_what_is_missing(tmp_path):
    study = TwoStream("paper", dataset="ucf101", data_root=str(tmp_path), out=tmp_path)
    problems = preflight(study, ["temporal.bidir", "spatial.fine_tune_d5"])
    assert [problem.split(":")[0].split(" must")[0].removeprefix(f"{tmp_path}/") for problem in problems] == [
        "ucf101/ucfTrainTestlist/classInd.txt",
        "cnn_m_imagenet.safetensors",
        "ucf101/flow/forward.jsonl",
        "ucf101/flow/backward.jsonl",
    ]
    assert any("hmdb51" in problem for problem in preflight(study, ["small.alone"]))
    (problem,) = preflight(TwoStream("paper"), ["slow_fusion"])
    assert problem == "dataset must be a real one in the profile paper; got 'world', whose clips are 64 pixels high"


def test_a_row_of_the_world_alone_says_so():
    study = TwoStream("smoke", dataset="ucf101", data_root="anywhere")
    with pytest.raises(ValueError, match=r"must run on a split among .* of world; got split 1 of ucf101"):
        study.measure("temporal.still_l10")


OF_REAL_VIDEOS = one_of_each_method(TwoStream, "ucf101", but=["fusion.multi_task_svm", "splits.svm"])


def test_rows_run_on_real_videos_but_the_svm_s(real_sets_with_flow):
    study = TwoStream("smoke", dataset="ucf101", data_root=str(real_sets_with_flow), missing="skip")
    assert not preflight(study, OF_REAL_VIDEOS)
    study.measure(*OF_REAL_VIDEOS)
    train, test = study.clip_counts("temporal.l10")
    assert (train[0], test) == (1, (3, 3783))
    assert train[1] > 7000
    with pytest.raises(ValueError, match="labels must have samples of all 101 classes"):
        study.measure("splits.svm")  # held-out groups of one clip: an SVM has nothing to learn from


class InShort(TwoStream):
    """The paper's networks, for two steps."""

    scales: ClassVar = {"paper": Scale(24, 2, (0.5,), 0.0, 2, 1, True, 1)}


@pytest.mark.long
def test_networks_of_the_paper_s_size_run_on_real_videos(real_sets_with_flow):
    torch.manual_seed(0)
    save_file(two_stream.spatial_network(1000).state_dict(), real_sets_with_flow / "cnn_m_imagenet.safetensors")
    study = InShort("paper", dataset="ucf101", data_root=str(real_sets_with_flow), missing="skip")
    assert study.spatial("fine_tune").fc6.in_features == 512 * 6 * 6
    rows = ["crops.centre", "fusion.bidir", "slow_fusion", "small.added_classes", "temporal.multi_task"]
    assert all(0 <= value <= 100 for value in study.measure(*rows).values())
