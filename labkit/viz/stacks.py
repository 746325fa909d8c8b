"""The input volume of a temporal stream, as panels of a `ClipPlayer`: three ways to stack the same flow."""

from labkit import flow
from labkit.clips import Clip
from labkit.viz.colour import colour_wheel, flow_to_rgb, typical_speed
from labkit.viz.player import Layer, Panel


def input_volumes(clip: Clip, steps: int = 6) -> list[Panel]:
    """Stacking, trajectory stacking and bi-directional stacking of a clip, a panel each, from three starting frames.

    Args:
        clip: with flow in both directions, longer than twice ``steps``.
        steps: L, an even number of fields; a step of the player is a field of the volume.

    Returns:
        Three panels, each with a layer for each starting frame.

    Raises:
        ValueError: an odd number of steps, or a clip that is too short for them.
    """
    half, last = steps // 2, clip.num_frames - 1 - steps
    if steps % 2 or last < half:
        raise ValueError(f"steps must be even, and the clip at least {steps + half + 1} frames long; got {steps} steps")
    speed = typical_speed(clip.flow(range(clip.num_frames - 1)))
    legend, wheel = f"hue: direction; full saturation: {speed:.2g} pixels per frame", colour_wheel(32)
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
            images = flow_to_rgb(stack.unflatten(0, (steps, 2)), speed)  # (L, 3, H, W)
            layers[f"τ = {start}"] = Layer(images, legend, f"{name} from frame {start}", wheel)
    return [Panel(name, layers) for name, layers in panels.items()]
