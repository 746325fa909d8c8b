"""Paint rigid parts under a moving camera, and know exactly where every pixel goes.

A picture of the world is a stack of rigid parts, painted back to front. A part is a shape (a signed distance in its own
coordinates), a texture glued to it, and a pose for every frame. The camera is one more transform. Because every point
of a part moves rigidly, the optical flow of a pixel needs no estimation: take the part seen there, go back into its
coordinates at time t, and come out again at time t + 1. Occlusion is just as exact: the point is hidden at t + 1 when a
part in front of it covers the place where it has gone.

Coordinates: pixels have their centre on whole numbers, x to the right, y down; the world uses any unit the camera maps
to pixels, also with y down. Transforms are 3x3 matrices on homogeneous points.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from labkit.checks import require_finite, require_shape

Texture = Callable[[Tensor, Tensor], Tensor]
"""Local points (..., 2) and their signed distances (...) to RGB colours (..., 3) in [0, 1]."""


@dataclass(frozen=True)
class Shape:
    """An outline in its own coordinates.

    Attributes:
        distance: local points (..., 2) to signed distances (...), negative inside, in the part's units.
        reach: no point of the shape is farther from the origin; infinite for backgrounds. Painting looks no farther.
    """

    distance: Callable[[Tensor], Tensor]
    reach: float = math.inf


@dataclass(frozen=True)
class Part:
    """One rigid piece of the world.

    Attributes:
        name: what it is, e.g. ``"left forearm"``.
        shape: its outline in its own coordinates.
        texture: its colours in its own coordinates: glued on, so they move with it.
        pose: (T, 3, 3) similarity transforms, local to world, one per frame.
    """

    name: str
    shape: Shape
    texture: Texture
    pose: Tensor


@dataclass(frozen=True)
class Rendering:
    """A clip and the truth about it.

    Attributes:
        frames: (T, 3, H, W) uint8 RGB.
        part: (T, H, W) int64, index of the part seen at each pixel's centre.
        forward: (T-1, 2, H, W) float32, flow from frame t to t + 1 in pixels, ``(dx, dy)``.
        backward: (T-1, 2, H, W) float32, flow from frame t + 1 back to t.
        occluded: (T-1, H, W) bool, pixels of frame t hidden or out of sight in frame t + 1.
        names: the name of each part, by index.
    """

    frames: Tensor
    part: Tensor
    forward: Tensor
    backward: Tensor
    occluded: Tensor
    names: tuple[str, ...]


def render(parts: Sequence[Part], camera: Tensor, height: int, width: int, *, supersampling: int = 2) -> Rendering:
    """Paint the parts and work out the exact flow between neighbouring frames.

    Args:
        parts: back to front; the first one must cover everything (a background).
        camera: (T, 3, 3) similarity transforms, world to pixels.
        height: H in pixels.
        width: W in pixels.
        supersampling: colour samples per pixel and direction; edges are smoothed besides.

    Returns:
        The frames with part index, flow in both directions and occlusion.

    Raises:
        ValueError: no parts, poses and camera of different length, or a hole in the background.
    """
    if not parts:
        raise ValueError("parts must hold at least a background; got none: add a Part that covers everything")
    require_shape(camera, "T 3 3", "camera")
    for part in parts:
        require_shape(part.pose, "T 3 3", f"pose of {part.name}")
        require_finite(part.pose, f"pose of {part.name}")
        if len(part.pose) != len(camera):
            raise ValueError(
                f"pose of {part.name} must have {len(camera)} frames like the camera; got {len(part.pose)}"
            )
    to_pixels = torch.stack([camera @ part.pose for part in parts])  # (P, T, 3, 3)

    centres = _pixel_grid(height, width, 1)  # (H, W, 2)
    part_seen = _topmost(parts, to_pixels, centres.expand(len(camera), -1, -1, -1))  # (T, H, W)
    if (part_seen < 0).any():
        raise ValueError(
            "the parts must leave no hole; got pixels that nothing covers: make the first part a background"
        )

    forward, backward, occluded = [], [], []
    for t in range(len(camera) - 1):
        going = _carry(to_pixels[:, t], to_pixels[:, t + 1], part_seen[t], centres)
        coming = _carry(to_pixels[:, t + 1], to_pixels[:, t], part_seen[t + 1], centres)
        seen_there = _topmost(parts, to_pixels[:, t + 1 : t + 2], going[None])[0]
        outside = (going < -0.5).any(-1) | (going[..., 0] > width - 0.5) | (going[..., 1] > height - 0.5)
        forward.append(going - centres)
        backward.append(coming - centres)
        occluded.append(outside | (seen_there > part_seen[t]))
    return Rendering(
        frames=_paint(parts, to_pixels, height, width, supersampling),
        part=part_seen,
        forward=_stack_flow(forward, height, width),
        backward=_stack_flow(backward, height, width),
        occluded=torch.stack(occluded) if occluded else torch.zeros(0, height, width, dtype=torch.bool),
        names=tuple(part.name for part in parts),
    )


def transform(x: Tensor | float, y: Tensor | float, angle: Tensor | float = 0.0, scale: Tensor | float = 1.0) -> Tensor:
    """Similarity transforms: scale, turn by ``angle`` (radians, clockwise on the screen), then move by (x, y).

    Arguments are numbers or (T,) tensors and broadcast together. Returns (T, 3, 3), or (3, 3) for plain numbers.
    """
    values = [torch.as_tensor(value, dtype=torch.float64) for value in (x, y, angle, scale)]
    dx, dy, turn, size = torch.broadcast_tensors(*values)
    cos, sin, zero, one = size * turn.cos(), size * turn.sin(), torch.zeros_like(dx), torch.ones_like(dx)
    rows = [torch.stack(row, -1) for row in ((cos, -sin, dx), (sin, cos, dy), (zero, zero, one))]
    return torch.stack(rows, -2)  # (..., 3, 3)


def _apply(matrix: Tensor, points: Tensor) -> Tensor:
    """Transform points: (..., 3, 3) on (..., 2)."""
    x, y = points.unbind(-1)
    rows = [matrix[..., row, 0] * x + matrix[..., row, 1] * y + matrix[..., row, 2] for row in (0, 1)]
    return torch.stack(rows, -1)  # (..., 2)


def _pixel_grid(height: int, width: int, samples: int) -> Tensor:
    """Positions of ``samples`` x ``samples`` points in every pixel: (H * samples, W * samples, 2)."""
    offset = (torch.arange(samples, dtype=torch.float64) + 0.5) / samples - 0.5
    y = (torch.arange(height, dtype=torch.float64)[:, None] + offset).flatten()
    x = (torch.arange(width, dtype=torch.float64)[:, None] + offset).flatten()
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)


def _topmost(parts: Sequence[Part], to_pixels: Tensor, points: Tensor) -> Tensor:
    """Index of the last-painted part that covers each point: (T, H, W, 2) pixels to (T, H, W); -1 where none does."""
    seen = torch.full(points.shape[:-1], -1, dtype=torch.int64)
    for index, part in enumerate(parts):
        for t, matrix in enumerate(to_pixels[index]):
            near = ((points[t] - matrix[:2, 2]).abs() <= _reach(part, matrix)).all(-1)  # (H, W)
            inside = part.shape.distance(_apply(torch.linalg.inv(matrix), points[t][near])) <= 0
            seen[t][near] = torch.where(inside, index, seen[t][near])
    return seen


def _reach(part: Part, matrix: Tensor) -> float:
    """How far in pixels a part reaches from its origin, with a pixel to spare for its smoothed edge."""
    return part.shape.reach * math.sqrt(abs(float(torch.linalg.det(matrix[:2, :2])))) + 1


def _carry(here: Tensor, there: Tensor, part_seen: Tensor, centres: Tensor) -> Tensor:
    """Where each pixel's point has gone: through its part's coordinates into the other frame; (H, W, 2)."""
    motion = there @ torch.linalg.inv(here)  # (P, 3, 3), pixels to pixels
    return _apply(motion[part_seen], centres)


def _stack_flow(fields: list[Tensor], height: int, width: int) -> Tensor:
    if not fields:
        return torch.zeros(0, 2, height, width)
    return torch.stack(fields).permute(0, 3, 1, 2).contiguous().float()  # (T-1, 2, H, W)


def _paint(parts: Sequence[Part], to_pixels: Tensor, height: int, width: int, samples: int) -> Tensor:
    """Composite the parts back to front: (T, 3, H, W) uint8."""
    points = _pixel_grid(height, width, samples).float()
    frames = []
    for t in range(to_pixels.shape[1]):
        canvas = torch.zeros(height * samples, width * samples, 3)
        for part, matrix in zip(parts, to_pixels[:, t], strict=True):
            near = (points[0, :, 0] - matrix[0, 2]).abs(), (points[:, 0, 1] - matrix[1, 2]).abs()
            columns, rows = (_span(distance <= _reach(part, matrix)) for distance in near)
            local = _apply(torch.linalg.inv(matrix).float(), points[rows, columns])
            distance = part.shape.distance(local)
            sample_units = samples * math.sqrt(abs(float(torch.linalg.det(matrix[:2, :2]))))  # samples per local unit
            cover = (0.5 - distance * sample_units).clamp(0, 1)
            seen = cover > 0
            if seen.any():
                under = canvas[rows, columns]
                colour = part.texture(local[seen], distance[seen])
                under[seen] += cover[seen][:, None] * (colour - under[seen])
        pixels = canvas.reshape(height, samples, width, samples, 3).mean((1, 3))  # (H, W, 3)
        frames.append((pixels.clamp(0, 1) * 255).round().to(torch.uint8).permute(2, 0, 1))  # (3, H, W)
    return torch.stack(frames)


def _span(flags: Tensor) -> slice:
    """From the first to the last True of a (N,) bool."""
    places = flags.nonzero()
    return slice(int(places[0]), int(places[-1]) + 1) if len(places) else slice(0, 0)
