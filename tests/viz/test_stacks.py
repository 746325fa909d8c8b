"""The input volume of a temporal stream as panels."""

import pytest
import torch

from labkit import world
from labkit.viz import ClipPlayer
from labkit.viz.stacks import component_panels, input_volumes


@pytest.fixture
def clip():
    return world.Actions(seed=1000, part="test", groups=3, clips=1)[0]


def test_three_ways_from_three_frames(clip):
    panels = input_volumes(clip, steps=6)
    assert [panel.title for panel in panels] == ["stacking", "trajectories", "bi-directional"]
    last = clip.num_frames - 1 - 6
    for panel in panels:
        assert list(panel.layers) == [f"τ = {start}" for start in (3, (3 + last) // 2, last)]
        assert all(len(layer.frames) == 6 for layer in panel.layers.values())
    ClipPlayer(*panels, title="Volumes", alt="Three ways to stack.", fps=3)


def test_the_first_field_is_the_same_along_trajectories(clip):
    stacked, along, both = (next(iter(panel.layers.values())).frames for panel in input_volumes(clip, steps=4))
    assert (stacked[0] == along[0]).all()
    assert (stacked[:2] == both[:2]).all()
    assert (stacked[1] != along[1]).any()


def test_wrong_lengths_are_named(clip):
    for steps in (5, 30):
        with pytest.raises(ValueError, match=f"steps must be even, .* got {steps} steps"):
            input_volumes(clip, steps=steps)


def test_components_are_grey_on_one_scale_for_all_volumes():
    rest, moving = torch.zeros(4, 8, 8), torch.zeros(4, 8, 8)
    moving[0::2] = 2.0  # dx of both fields
    labels = {"rest": ["1 → 2", "2 → 3"], "moving": ["5 → 6", "6 → 7"]}
    panels = component_panels({"rest": rest, "moving": moving}, labels)
    assert [panel.title for panel in panels] == ["rest", "moving"]
    assert panels[1].labels == ["5 → 6", "6 → 7"]
    dx, dy = (panels[1].layers[axis].frames for axis in ("dx", "dy"))
    assert (dx == 255).all()  # 2 pixels is the 99th percentile of all
    assert torch.equal(dy, panels[0].layers["dy"].frames)  # both at rest
    assert "white: 2 pixels per frame" in panels[0].layers["dx"].caption
