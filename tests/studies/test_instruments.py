"""What lessons measure by class, and which clips they show."""

import pytest
import torch

from labkit import world
from labkit.studies.instruments import accuracies, examples_of_cells, moving_points, readable, recalls


@pytest.fixture
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


def test_points_lie_where_much_moves():
    fields = torch.zeros(2, 2, 10, 20)
    fields[:, 0, 4, 5:15] = 3.0  # ten pixels of 200, the twentieth
    points = moving_points(fields, 5)
    assert len(points) == 5
    assert set(points[:, 1].tolist()) == {4.0}
    assert all(5 <= x < 15 for x in points[:, 0].tolist())


def test_accuracies_by_hand():
    labels = torch.tensor([0, 1])
    weighted = {0.0: torch.tensor([[1.0, 0], [1, 0]]), 1.0: torch.tensor([[1.0, 0], [0, 1]])}
    assert accuracies(weighted, labels) == ([0.0, 1.0], [50.0, 100.0])
