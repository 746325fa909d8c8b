"""Pairs of frames with their flow, translated and rotated: new motion for networks that learn optical flow."""

import math

import torch
from torch import Generator, Tensor

from labkit import checks
from labkit.flow import pixel_grid, sample_bilinear
from labkit.views.modality import FramesWithFlow


def translate_and_rotate(
    frames: Tensor, flow: Tensor, translation: float = 0.2, rotation: float = 17.0, generator: Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Translate and rotate a pair, both frames alike, and the second one a little more, with the flow that this makes.

    The second frame moves further by a tenth of the largest motion at most: this makes new flow of old. The size of
    that tenth is ours; FlowNet says no more than "smaller".

    Args:
        frames: ``(2, 3, H, W)``, float.
        flow: ``(1, 2, H, W)``, from the first to the second, in pixels.
        translation: the largest one to either side, as a fraction of the width.
        rotation: the largest one about the centre, in degrees.
        generator: source of the random motion; torch's global one if None.

    Returns:
        Both in the same shapes. Frames repeat their border; flow is NaN where the first frame shows such pixels.

    Source: Fischer et al., "FlowNet", ICCV 2015, "Data augmentation"; Ng's thesis, section 4.4.2.
    """
    checks.require_shape(frames, "2 3 H W", "frames")
    checks.require_shape(flow, "1 2 H W", "flow")
    height, width = frames.shape[-2:]
    first = _motion(height, width, translation * width, rotation, generator)  # (3, 3)
    second = _motion(height, width, 0.1 * translation * width, 0.1 * rotation, generator) @ first
    grid = pixel_grid(height, width, flow.double())  # (H * W, 2)
    sources = [_apply(motion.inverse(), grid) for motion in (first, second)]  # where pixels come from
    moved = torch.stack([sample_bilinear(frame, points) for frame, points in zip(frames, sources, strict=True)])
    old = sample_bilinear(flow[0], sources[0]).mT  # (H * W, 2)
    new = _apply(second, sources[0] + old) - grid  # where a point goes, less where it is
    limits = grid.new_tensor([width - 1, height - 1])
    outside = ((sources[0] < 0) | (sources[0] > limits)).any(dim=1)  # (H * W,)
    new = new.masked_fill(outside[:, None], math.nan).to(flow).mT  # (2, H * W)
    return moved.unflatten(-1, (height, width)), new.unflatten(-1, (height, width))[None]


def move_pair(video: Tensor, translation: float, rotation: float, generator: Generator | None = None) -> Tensor:
    """`translate_and_rotate` of a pair and its flow as one video ``(8, H, W)``: for ``transform`` of a `View`."""
    pair = FramesWithFlow(num_fields=1)
    frames, flow = pair.split(video)
    return pair.join(*translate_and_rotate(frames, flow, translation, rotation, generator))


def _motion(height: int, width: int, translation: float, rotation: float, generator: Generator | None) -> Tensor:
    """A random rotation about the centre, then a translation, of points (x, y, 1): ``(3, 3)`` float64."""
    dx, dy, angle = (2 * torch.rand(3, generator=generator, dtype=torch.float64) - 1).tolist()
    cos, sin = math.cos(math.radians(rotation * angle)), math.sin(math.radians(rotation * angle))
    x, y = (width - 1) / 2, (height - 1) / 2
    rows = [[cos, -sin, x - cos * x + sin * y + translation * dx], [sin, cos, y - sin * x - cos * y + translation * dy]]
    return torch.tensor([*rows, [0.0, 0.0, 1.0]], dtype=torch.float64)


def _apply(motion: Tensor, points: Tensor) -> Tensor:
    return points @ motion[:2, :2].mT + motion[:2, 2]
