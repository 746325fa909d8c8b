"""The input volume of a temporal stream as panels of a `ClipPlayer`, in colour or component by component."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from labkit import flow
from labkit.clips import Clip
from labkit.viz.colour import signed_to_rgb, typical_speed
from labkit.viz.layers import flow_layer
from labkit.viz.player import Layer, Panel


def input_volumes(clip: Clip, steps: int = 6) -> list[Panel]:
    """Stacking, trajectory stacking and bi-directional stacking of a clip, a panel each, from three starting frames.

    Args:
        clip: with flow in both directions, longer than twice ``steps``.
        steps: L, an even number of fields; a step of the player is a field of the volume.

    Returns:
        Three panels, each with a layer for each starting frame, in colour.

    Raises:
        ValueError: an odd number of steps, or a clip that is too short for them.
    """
    half, last = steps // 2, clip.num_frames - 1 - steps
    if steps % 2 or last < half:
        raise ValueError(f"steps must be even, and the clip at least {steps + half + 1} frames long; got {steps} steps")
    speed = typical_speed(clip.flow(range(clip.num_frames - 1)))
    panels: dict[str, dict[str, Layer]] = {"stacking": {}, "trajectories": {}, "bi-directional": {}}
    for start in sorted({half, (half + last) // 2, last}):
        forward = clip.flow(range(start, start + steps))  # (L, 2, H, W)
        backward = clip.flow(range(start - half + 1, start + 1), backward=True)  # (L/2, 2, H, W)
        stacks = [
            flow.optical_flow_stacking(forward),
            flow.trajectory_stacking(forward),
            flow.bidirectional_stacking(forward[:half], backward),
        ]
        for (name, layers), stack in zip(panels.items(), stacks, strict=True):
            fields = stack.unflatten(0, (steps, 2))  # (L, 2, H, W)
            layers[f"τ = {start}"] = flow_layer(fields, speed, f"{name} from frame {start}")
    return [Panel(name, layers) for name, layers in panels.items()]


def component_panels(volumes: Mapping[str, Tensor], labels: Mapping[str, Sequence[str]]) -> list[Panel]:
    """Input volumes, a panel each, with their horizontal and their vertical components as layers, in grey.

    Args:
        volumes: by name, ``(2L, H, W)`` each, dx and dy interleaved, all of one size.
        labels: by name of the volume, a text for each of its L fields.
    """
    limit = typical_speed(torch.stack([volume.unflatten(0, (-1, 2)) for volume in volumes.values()]))
    grey = f"white: {limit:.2g} pixels per frame, black: -{limit:.2g}, grey: at rest"
    panels = []
    for name, volume in volumes.items():
        halves = {"dx": volume[0::2], "dy": volume[1::2]}  # (L, H, W) each
        layers = {axis: Layer(signed_to_rgb(half, limit), grey, f"{axis}, {name}") for axis, half in halves.items()}
        panels.append(Panel(name, layers, labels=labels[name]))
    return panels
