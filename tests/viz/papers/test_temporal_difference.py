"""The drawings of temporal difference networks: which box leads to which, what a map is laid over."""

import pytest
import torch
from fakes import random_tensor

from labkit import world
from labkit.papers import temporal_difference as td
from labkit.viz.papers import temporal_difference as figures

RESOLUTIONS = {"input": 56, "conv1": 28, "res2": 28, "res3": 14, "res4": 7, "res5": 7}


def boxes(figure):
    return [note.text.replace("<br>", " ") for note in figure.layout.annotations if note.text]


@pytest.mark.parametrize("count", [1, 3, 5])
def test_a_difference_for_each_level_and_a_sum_for_each_but_the_input(count):
    figure = figures.wiring(RESOLUTIONS, td.LEVELS[:count])
    texts = boxes(figure)
    assert (texts.count("−"), texts.count("+")) == (count, count - 1)
    assert texts.count("res3 14") == 3  # both frames, and the difference subnetwork
    assert texts.count("I₁") == texts.count("I₂") == 1
    arrows = [note for note in figure.layout.annotations if not note.text]
    assert len(arrows) == 2 * 6 + 2 * count + 2 * (count - 1) + 1 + 5  # two rows; in and out of "−" and "+"; below


def test_s_frames_have_s_minus_one_differences():
    texts = boxes(figures.consensus(4, 3))
    assert (texts.count("image subnetwork"), texts.count("difference subnetwork")) == (4, 3)
    assert "4 frames" in figures.consensus(4, 3).layout.title.text


def test_strengths_keep_their_cells():
    figure = figures.change_by_level({"input": torch.rand(8, 8), "res4": torch.rand(2, 2)})
    assert boxes(figure) == ["input: 8 x 8", "res4: 2 x 2"]


def test_samples_are_dots_on_lines_of_time():
    figure = figures.sampling(12, [torch.tensor([1, 5, 9]), torch.tensor([3, 4, 11])])
    assert [list(trace.x) for trace in figure.data if trace.mode == "markers"] == [[1, 5, 9], [3, 4, 11]]
    assert "frame 0 and at 4, 8" in figure.layout.title.subtitle.text


@pytest.fixture(scope="module")
def clips():
    return world.Actions(seed=1000, groups=3, clips=1, part="test", classes=["wave", "squat", "chop"])


def test_gains_are_sorted_and_of_their_families(clips):
    before, after = torch.eye(3)[[1, 1, 2]], torch.eye(3)[[0, 1, 0]]  # wave is gained, chop lost
    figure = figures.gains(before, after, clips, {"motion": ["wave", "squat"], "scene": ["chop"]})
    assert [(bar.name, list(bar.x), list(bar.y)) for bar in figure.data] == [
        ("motion", ["wave", "squat"], [100, 0]),
        ("scene", ["chop"], [-100]),
    ]


def test_the_explorer_has_a_picture_of_each_pair(clips):
    explorer = figures.explorer(
        clips[1],
        [0, 5, 9],
        clips[1].frames([0, 5, 9]),
        {"input": torch.rand(3, 3, 8, 8)},
        random_tensor(3, 7, 7),
        random_tensor(3, 3, 7, 7),
        {"both": torch.full((3, 3, 3), 1 / 3)},
        classes=clips.classes,
    )
    assert explorer.scene["labels"] == ["frame 0", "frame 5", "frame 9"]
    assert [entry["name"] for entry in explorer.scene["ofPair"]] == ["difference CAM", "change, input"]
    assert explorer.scene["title"] == "Two frames of a clip of squat"


def test_a_row_of_activation_maps_has_five_images(clips):
    pair = (clips[2], [3, 9], clips[2].frames([3, 9]), {}, random_tensor(2, 7, 7), random_tensor(7, 7))
    assert boxes(figures.activation_maps([pair], clips.classes)) == [
        "chop: frame 3",
        "frame 9",
        "image, first",
        "image, second",
        "difference",
    ]


def test_what_nobody_knows_is_not_drawn(clips):
    frames = clips[0].frames([0, 1])
    assert boxes(figures.what_moved(frames, [0, 1], torch.ones(64, 64, dtype=torch.bool)))[-1] == "what moved, exactly"
    figure = figures.what_moved(frames, [0, 1], None)
    assert boxes(figure) == ["frame 0", "frame 1"]
    assert "puppet" not in figure.alt
    assert figures.points({}).alt.startswith("Percent of pairs, by family, for nothing")
