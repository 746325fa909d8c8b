"""The figures of negative back-dropout: what they count and what they leave out."""

import math

import torch
from fakes import FakeClip

from labkit.clips import Clips
from labkit.viz.papers import back_dropout as figures


class FakeClips(Clips):
    """Two classes; the scene of each clip is known, or not."""

    def __init__(self, labels, scenes=None):
        self.classes, self.labels, self.scenes = ("hammer", "pick_up"), torch.tensor(labels), scenes
        self.groups = torch.arange(len(labels))

    def __getitem__(self, index):
        if not 0 <= index < len(self):
            raise IndexError
        clip = FakeClip(label=int(self.labels[index]), seed=index)
        if self.scenes:
            clip.scene = self.scenes[index]
        return clip


def bars(figure):
    return {trace.name: dict(zip(trace.x, trace.y, strict=True)) for trace in figure.data}


def test_clips_are_counted_by_scene():
    clips = FakeClips([0, 0, 1, 1], ["workshop", "forest", "forest", "forest"])
    assert bars(figures.scenes(clips)) == {
        "hammer": {"workshop": 1, "forest": 1},
        "pick up": {"workshop": 0, "forest": 2},
    }
    assert bars(figures.scenes(FakeClips([0]))) == {"hammer": {"unknown": 1}}
    assert "no clip" in bars(figures.scenes(FakeClips([])))
    assert "no clip" in bars(figures.confusions({}))


def test_the_layer_that_has_changed_most_is_brightest():
    figure = figures.changes({"features.conv1": torch.tensor([0.1, 0.1]), "fc7": torch.tensor([0.9, math.nan, 0.9])})
    labels = [note.text for note in figure.layout.annotations]
    assert labels == ["conv1: 10%", "fc7: 90%", "classifier: new"]
    assert "conv1 10%, fc7 90%" in figure.alt


def test_a_class_without_precision_has_no_bar():
    of = {"precision": torch.tensor([0.5, math.nan]), "recall": torch.tensor([1.0, 0.0])}
    assert bars(figures.profiles({"NB-TL": of}, "precision", ("hammer", "pick_up"))) == {"NB-TL": {"hammer": 50}}
    figure = figures.profiles({"NB-TL": of}, "recall", ("hammer", "pick_up"))
    assert bars(figure) == {"NB-TL": {"hammer": 100, "pick up": 0}}
    assert "Figure 5" in figure.layout.title.text
