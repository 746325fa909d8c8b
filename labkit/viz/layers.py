"""What several lessons show of motion, as layers of a `ClipPlayer`."""

from torch import Tensor

from labkit import flow
from labkit.viz.colour import colour_wheel, flow_to_rgb, heat_to_rgb
from labkit.viz.player import Layer


def flow_layer(fields: Tensor, max_speed: float, alt: str = "flow as colour") -> Layer:
    """Flow fields ``(T, 2, H, W)`` as colours, with their legend and the colour wheel.

    Args:
        fields: (dx, dy) in pixels per frame.
        max_speed: that of full saturation.
        alt: what there is to see.
    """
    caption = f"hue: direction; full saturation: {max_speed:.2g} pixels per frame"
    return Layer(flow_to_rgb(fields, max_speed), caption, alt, colour_wheel(48))


def speed_layer(speeds: Tensor, max_speed: float, alt: str = "speed as colour") -> Layer:
    """Speeds ``(T, H, W)`` in pixels per frame as a heat map, with its legend."""
    caption = f"dark blue: at rest; yellow: {max_speed:.2g} pixels per frame or more"
    return Layer(heat_to_rgb(speeds, 0, max_speed), caption, alt)


def mean_subtraction_layers(frames: Tensor, fields: Tensor, max_speed: float) -> dict[str, Layer]:
    """A clip, its flow, and the flow after the mean vector of each field is subtracted, on one colour scale.

    Args:
        frames: ``(T, 3, H, W)``.
        fields: ``(T - 1, 2, H, W)`` in pixels per frame.
        max_speed: that of full saturation.
    """
    return {
        "image": Layer(frames, alt="the clip"),
        "flow": flow_layer(fields, max_speed),
        "flow - mean": flow_layer(flow.mean_flow_subtraction(fields), max_speed, "flow without its mean vector"),
    }
