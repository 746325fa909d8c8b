"""Layers of motion: flow, speed, flow without its mean."""

import torch

from labkit import flow, viz

FIELDS = torch.tensor([2.0, 1.0])[:, None, None].expand(3, 2, 4, 6).clone()


def test_flow_and_speed_come_with_their_scale():
    layer = viz.flow_layer(FIELDS, 2.5)
    assert torch.equal(layer.frames, viz.flow_to_rgb(FIELDS, 2.5))
    assert layer.caption == "hue: direction; full saturation: 2.5 pixels per frame"
    assert torch.equal(layer.key, viz.colour_wheel(48))
    assert "yellow: 2.5 pixels per frame or more" in viz.speed_layer(FIELDS.norm(dim=1), 2.5).caption


def test_what_all_pixels_share_is_taken_away():
    fields = FIELDS.clone()
    fields[:, 0, 0, 0] += 1
    layers = viz.mean_subtraction_layers(torch.zeros(4, 3, 4, 6), fields, 3.0)
    assert list(layers) == ["image", "flow", "flow - mean"]
    assert torch.equal(layers["flow - mean"].frames, viz.flow_to_rgb(flow.mean_flow_subtraction(fields), 3.0))
    viz.ClipPlayer(layers, title="Mean", alt="Flow before and after.", fps=8)
