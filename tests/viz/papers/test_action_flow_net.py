"""Figures of the lesson on ActionFlowNet: what they mark, and what they leave out."""

import base64

import cv2
import numpy as np
import pytest
import torch

from labkit.viz.papers import action_flow_net as figures

STAGES = {"res2": (64, 56, 56), "res3": (128, 28, 28), "res4": (256, 14, 14), "res5": (512, 7, 7)}


def corner(image):
    """The colour (R, G, B) of the upper left pixel of an image of a figure."""
    data = np.frombuffer(base64.b64decode(image.source.partition(",")[2]), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_COLOR)[0, 0, ::-1].tolist()


def clip(frames=4):
    known = torch.randn(frames, 2, 32, 32, generator=torch.Generator().manual_seed(0))
    known[0, :, 0] = torch.nan
    images = torch.zeros(frames, 3, 32, 32, dtype=torch.uint8)
    return "walk_left", images, known, "exact flow", {"a network": torch.zeros_like(known)}


def test_the_last_field_of_estimate_and_known_flow_is_framed_in_red():
    figure = figures.strip(*clip())
    assert [index for index, image in enumerate(figure.data) if corner(image) == [*figures.RED]] == [7, 11]
    labels = [note.text for note in figure.layout.annotations]
    assert labels == ["t = 1", "t = 2", "t = 3", "t = 4", *["network"] * 3, "the future", *["exact flow"] * 4]
    assert "walk left" in figure.layout.title.text


def test_a_clip_and_its_flow_play_side_by_side():
    panels = figures.player(*clip()).scene["panels"]
    assert [panel["title"] for panel in panels] == ["frames", "a network", "exact flow", "error"]


def test_each_stage_is_joined_with_the_step_of_the_decoder_that_has_its_size():
    for figure in (figures.architecture(STAGES, "2 frames", "flow", title="Figure"), figures.stacked(STAGES)):
        texts = [note.text for note in figure.layout.annotations]
        assert texts.count("res5<br>512 × 7 × 7") == 1
        assert sum("deconvolved" in text for text in texts) == 3
        assert texts.count("linear:<br>action") == 1


def test_accuracies_have_errors_and_seeds_where_there_are_some():
    live = {"one": (50.0, 4.0), "two": (60.0, None)}
    dots, now = figures.accuracies(live, {"one": [48.0, 53.0], "three": [1.0]}).data
    assert (list(dots.x), list(dots.y)) == ([48.0, 53.0], ["one", "one"])
    assert list(now.error_x.array) == [4.0, 0.0]
    assert len(figures.accuracies(live, {}).data) == 1


def test_weights_that_nobody_has_measured_are_left_out():
    figure = figures.weights_of_flow({10: (40.0, 0.2), 0: (50.0, 0.4), 0.1: (None, 0.3)}, no_motion=0.5)
    (slider,) = figure.layout.sliders
    assert [step.label for step in slider.steps] == ["0", "10"]
    assert list(figure.data[0].y) == pytest.approx([40.0, 40.0])  # of the weight 10


def test_probes_have_a_panel_for_each_family_and_a_line_for_chance():
    stages = dict(zip(STAGES, (10.0, 20.0, 30.0, 40.0), strict=True))
    figure = figures.probes({"a": {"motion": stages, "reversed": stages}}, chance=5.0)
    assert [note.text for note in figure.layout.annotations][:2] == ["motion only", "reversed pairs"]
    assert len(figure.data) == 2
    assert {shape.y0 for shape in figure.layout.shapes} == {5.0}


def test_gains_are_differences_the_largest_over_the_last_rival_first():
    figure = figures.gains({"a": 50.0, "b": 60.0}, {"x": {"a": 40.0, "b": 20.0}, "y": {"a": 0, "b": 50.0}}, name="ours")
    assert [dict(zip(bars.x, bars.y, strict=True)) for bars in figure.data] == [{"a": 10, "b": 40}, {"a": 50, "b": 10}]
    assert list(figure.data[0].x) == ["a", "b"]
