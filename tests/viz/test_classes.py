"""Figures by class."""

import pytest
import torch

from labkit import world
from labkit.viz import class_sheet, confusion_switch, recall_chart, recall_slider, recalls
from labkit.viz.classes import examples_of_cells, readable


@pytest.fixture(scope="module")
def clips():
    """Of 18 classes a clip each, the first of them twice."""
    clips = world.Actions(seed=1000, part="test", groups=3, clips=2)
    return clips.subset([*clips.examples(clips.classes), 1])


def scores_of(predicted, classes):
    return torch.nn.functional.one_hot(torch.tensor(predicted), classes).double()


def test_recalls_by_hand(clips):
    few = clips.subset([0, 18, 2])
    first, third = (readable(clips.classes[few.labels[index]]) for index in (0, 2))
    scores = scores_of([int(few.labels[0]), 5, int(few.labels[2])], 18)
    assert recalls(scores, few) == {first: 50.0, third: 100.0}


def test_examples_lie_in_their_cells(clips):
    scores = scores_of([3] * len(clips), 18)
    examples = examples_of_cells(scores, clips, most=1)
    assert set(examples) == {(label, 3) for label in clips.labels.tolist()}
    assert all(len(shown) == 1 for shown in examples.values())
    name, frames = examples[int(clips.labels[0]), 3][0]
    assert name == readable(clips[0].name)
    assert frames.shape == (5, 3, 64, 64)
    assert torch.equal(frames[0], clips[0].frames([0])[0])


def test_figures_say_what_they_show(clips):
    scores = {"right": scores_of(clips.labels.tolist(), 18), "always the first": scores_of([0] * len(clips), 18)}
    chart = recall_chart(scores, clips, title="Recall", in_order=True)
    assert [bar.name for bar in chart.data] == ["right", "always the first"]
    assert sum(chart.data[1].y) == 100
    slider = recall_slider(dict(enumerate(scores.values())), clips, title="Recall", slider="weight")
    assert "0: 100 %, 1: 11 %" in slider.layout.meta["alt"]
    table = confusion_switch(scores, clips, title="Confusion").html
    assert "100 % of the clips lie on the diagonal" in table
    assert "11 % of the clips lie on the diagonal" in table
    assert len(class_sheet(clips, title="Classes").data) == 18
