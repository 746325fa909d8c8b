import pytest
import torch
from pages import level

from labkit.viz.story import clip_story

TEXTS = {"title": "A title", "alt": "What there is to see."}
FRAMES = torch.tensor([10, 120, 240], dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 8, 8)
CURVES = {"wave": torch.tensor([0.1, 0.2, 0.9]), "clap": torch.tensor([0.9, 0.8, 0.1])}


def test_curves_and_rows_are_the_numbers():
    rows = torch.tensor([[0.0, 0.5, 1.0], [-1.0, 0.0, 2.0]])
    figure = clip_story(FRAMES, {"probability": CURVES, "cells": rows}, **TEXTS)
    first, second, heat = figure.data
    assert (first.name, list(first.y)) == ("wave", [0.1, 0.2, 0.9])
    assert list(second.y) == [0.9, 0.8, 0.1]
    assert [list(row) for row in heat.z] == rows.tolist()
    assert (heat.zmin, heat.zmax) == (-2, 2)  # signed: 0 is in the middle
    assert clip_story(FRAMES, {"gate": rows.abs()}, **TEXTS).data[0].zmin == 0


def test_the_slider_moves_the_cursor_and_the_frame():
    figure = clip_story(FRAMES, {"probability": CURVES}, labels=["idle", "wave", "wave"], **TEXTS)
    assert figure.layout.shapes[0].x0 == 0
    assert level(figure.layout.images[0].source) == 10
    slider = figure.layout.sliders[0]
    assert [step.label for step in slider.steps] == ["0 idle", "1 wave", "2 wave"]
    change = slider.steps[2].args[0]
    assert (change["shapes[0].x0"], change["shapes[0].x1"]) == (2, 2)
    assert level(change["images[0].source"]) == 240
    assert [level(image.source) for image in figure.layout.images[1:]] == [10, 120, 240]


def test_what_does_not_fit():
    with pytest.raises(ValueError, match="'wave' of 'probability' must be"):
        clip_story(FRAMES, {"probability": {"wave": torch.zeros(4)}}, **TEXTS)
    with pytest.raises(ValueError, match="cells must be"):
        clip_story(FRAMES, {"cells": torch.zeros(5, 4)}, **TEXTS)
    with pytest.raises(ValueError, match="labels must be 3"):
        clip_story(FRAMES, {}, labels=["a"], **TEXTS)
    with pytest.raises(ValueError, match="finite"):
        clip_story(FRAMES, {"cells": torch.full((2, 3), torch.nan)}, **TEXTS)
