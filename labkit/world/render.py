"""Paint rigid parts under a moving camera, and know exactly where every pixel goes.

An image of the world is a stack of rigid parts, painted back to front. A part is a shape (a signed distance in its own
coordinates), a texture glued to it, and a pose for every frame. The camera is one more transform. Because every point
of a part moves rigidly, the optical flow of a pixel needs no estimation: take the part seen there, go back into its
coordinates at time t, and come out again at time t + 1. Occlusion is just as exact: the point is hidden at t + 1 when a
part in front of it covers the place where it has gone.

Coordinates: pixels have their centre on whole numbers, x to the right, y down; the world uses any unit that the camera
transforms to pixels, also with y down. Transforms are 3x3 matrices on homogeneous points. Painting is NumPy on one
thread: its calls are small, so a clip costs milliseconds, and processes can share the work.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

Array = NDArray[Any]

Texture = Callable[[Array, Array, Array], Array]
"""Local x and y (...) and signed distances (...) of points to their RGB colours (..., 3) in [0, 1]."""


@dataclass(frozen=True)
class Shape:
    """An outline in its own coordinates.

    Attributes:
        distance: local x and y (...) to signed distances (...), negative inside, in the part's units.
        reach: no point of the shape is farther from ``centre``; infinite for backgrounds. Painting looks no farther.
        centre: (x, y).
        half: half the width and height of an upright box around ``centre`` that holds the shape, if it is a long one.
    """

    distance: Callable[[Array, Array], Array]
    reach: float = math.inf
    centre: tuple[float, float] = (0.0, 0.0)
    half: tuple[float, float] = (math.inf, math.inf)


@dataclass(frozen=True)
class Part:
    """One rigid piece of the world.

    Attributes:
        name: what it is, e.g. ``"left forearm"``.
        shape: its outline in its own coordinates.
        texture: its colours in its own coordinates: glued on, so they move with it.
        pose: (T, 3, 3) similarity transforms, local to world, one per frame.
        kind: what it belongs to: ``"scene"``, ``"clutter"``, ``"puppet"``, ``"prop"`` or ``"place"``.
    """

    name: str
    shape: Shape
    texture: Texture
    pose: Array
    kind: str = "scene"


@dataclass(frozen=True)
class Rendering:
    """A clip and the truth about it. Flow is not stored: it follows from ``part`` and ``poses``, whenever it is asked.

    Attributes:
        frames: (T, 3, H, W) uint8 RGB.
        part: (T, H, W) uint8, index of the part seen at each pixel's centre.
        occluded: (T-1, H, W) bool, pixels of frame t hidden or out of sight in frame t + 1.
        poses: (P, T, 3, 3) float64, each part's coordinates to pixels.
        names: the name of each part, by index.
        kinds: the kind of each part, by index.
    """

    frames: Tensor
    part: Tensor
    occluded: Tensor
    poses: Tensor
    names: tuple[str, ...]
    kinds: tuple[str, ...]

    def flow(self, start: Sequence[int], end: Sequence[int]) -> Tensor:
        """Exact flow from frames ``start`` to frames ``end``, pair by pair: (N, 2, H, W) float32 in pixels."""
        back, there = self._inverse[:, list(start)], self.poses[:, list(end)].numpy()
        shift = there @ back - np.eye(3)  # what is left is small: float32 will do
        return torch.from_numpy(_moved(shift.astype(np.float32), self.part[list(start)].numpy()))

    @cached_property
    def _inverse(self) -> Array:
        """(P, T, 3, 3), pixels to each part's coordinates."""
        return np.linalg.inv(self.poses.numpy())

    @property
    def forward(self) -> Tensor:
        """(T-1, 2, H, W) float32, flow from frame t to t + 1 in pixels, ``(dx, dy)``."""
        times = range(len(self.frames))
        return self.flow(times[:-1], times[1:])

    @property
    def backward(self) -> Tensor:
        """(T-1, 2, H, W) float32, flow from frame t + 1 back to t."""
        times = range(len(self.frames))
        return self.flow(times[1:], times[:-1])

    def mask(self, *kinds: str) -> Tensor:
        """(T, H, W) bool, pixels that show a part of one of these kinds."""
        return torch.tensor([kind in kinds for kind in self.kinds])[self.part.long()]


def render(parts: Sequence[Part], camera: Array, height: int, width: int, *, supersampling: int = 1) -> Rendering:
    """Paint the parts and work out what hides what.

    Args:
        parts: back to front, at most 255; the first one must cover everything (a background).
        camera: (T, 3, 3) similarity transforms, world to pixels.
        height: H in pixels.
        width: W in pixels.
        supersampling: colour samples per pixel and direction; edges are smooth with one, fine textures need two.

    Returns:
        The frames with part index, occlusion and poses; flow in both directions follows from them.

    Raises:
        ValueError: no parts or too many, poses and camera of different length, or a hole in the background.
    """
    if not 1 <= len(parts) <= 255:
        raise ValueError(
            f"parts must hold a background and at most 254 more; got {len(parts)}: add a Part that covers everything"
        )
    for name, pose in [("camera", camera), *((f"pose of {part.name}", part.pose) for part in parts)]:
        if pose.shape != (len(camera), 3, 3):
            raise ValueError(f"{name} must have {len(camera)} frames like the camera, (T, 3, 3); got {pose.shape}")
        if not np.isfinite(pose).all():
            raise ValueError(f"{name} must be finite; got NaN or infinity: check the motion")
    poses = np.stack([camera @ part.pose for part in parts])  # (P, T, 3, 3)
    inverse = np.linalg.inv(poses)
    frames, seen = _paint(parts, poses, inverse, height, width, supersampling)
    if supersampling > 1:
        _, seen = _paint(parts, poses, inverse, height, width, 1, textures=False)
    if (seen < 0).any():
        raise ValueError(
            "the parts must leave no hole; got pixels that nothing covers: make the first part a background"
        )
    return Rendering(
        frames=torch.from_numpy(frames),
        part=torch.from_numpy(seen.astype(np.uint8)),
        occluded=torch.from_numpy(_occluded(parts, poses, inverse, seen)),
        poses=torch.from_numpy(poses),
        names=tuple(part.name for part in parts),
        kinds=tuple(part.kind for part in parts),
    )


def transform(dx: ArrayLike, dy: ArrayLike, angle: ArrayLike = 0.0, size: ArrayLike = 1.0) -> Array:
    """Similarity transforms: scale by ``size``, turn by ``angle`` (radians, clockwise on the screen), then move.

    Args:
        dx: to the right; this and all others are numbers or (...) arrays that broadcast against each other.
        dy: down.
        angle: of the turn.
        size: factor.

    Returns:
        (..., 3, 3) float64 matrices.
    """
    dx, dy, angle, size = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (dx, dy, angle, size)))
    matrix = np.zeros((*dx.shape, 3, 3))
    cos, sin = size * np.cos(angle), size * np.sin(angle)
    matrix[..., 0, 0], matrix[..., 0, 1], matrix[..., 0, 2] = cos, -sin, dx
    matrix[..., 1, 0], matrix[..., 1, 1], matrix[..., 1, 2] = sin, cos, dy
    matrix[..., 2, 2] = 1
    return matrix


def _paint(
    parts: Sequence[Part],
    poses: Array,
    inverse: Array,
    height: int,
    width: int,
    samples: int,
    textures: bool = True,
) -> tuple[Array, Array]:
    """Front to back, so that no colour is worked out where it stays hidden.

    Returns:
        Frames (T, 3, H, W) uint8, and the index of the part at the centre of each sample, int16, -1 where none is.
    """
    count, rows, columns = len(poses[0]), height * samples, width * samples
    colour = np.zeros((3, count * rows * columns), np.float32)
    left = np.ones(count * rows * columns, np.float32)  # of the light, not yet taken by a part in front
    seen = np.full(count * rows * columns, -1, np.int16)
    for index in reversed(range(len(parts))):
        part, pose = parts[index], poses[index]
        box = _box(part.shape, pose, 1.0, height, width, samples)
        if box is None:
            continue
        flat, u, v = box
        lit = np.flatnonzero(left.take(flat) > 0)
        turned = inverse[index].astype(np.float32)[:, :2, :, None, None]  # (T, 2, 3, 1, 1)
        u, v = (((at + np.float32(0.5)) / samples - np.float32(0.5)).astype(np.float32) for at in (u, v))
        x = ((turned[:, 0, 0] * u + turned[:, 0, 2]) + turned[:, 0, 1] * v).take(lit)  # (T, h, w) to (N,)
        y = ((turned[:, 1, 0] * u + turned[:, 1, 2]) + turned[:, 1, 1] * v).take(lit)
        distance = part.shape.distance(x, y)
        frame, size = lit // flat[0].size, (samples * _scale(pose)).astype(np.float32)  # samples per local unit
        most = np.minimum(np.float32(2 * part.shape.reach) * size, 1) ** 2  # of a sample, that so small a part covers
        most[most < 1e-3] = 0
        cover = np.clip(np.float32(0.5) - distance * size.take(frame), 0, most.take(frame))
        touched = np.flatnonzero(cover > 0)
        flat, x, y, distance, cover = (array.take(touched) for array in (flat.take(lit), x, y, distance, cover))
        inside = flat[distance <= 0]
        before = seen.take(inside)
        seen[inside] = np.where(before < 0, index, before)
        if textures and len(flat):
            light = left.take(flat)
            taken = light * cover
            for channel, texture in zip(colour, part.texture(x, y, distance).T, strict=True):
                channel[flat] += taken * texture
            left[flat] = light - taken
    pixels = np.ascontiguousarray(colour.T)  # (T * H * W, 3)
    if samples > 1:
        pixels = pixels.reshape(count, height, samples, width, samples, 3).mean((2, 4))  # (T, H, W, 3)
    pixels = np.rint(np.clip(pixels.reshape(count, height, width, 3), 0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)), seen.reshape(count, rows, columns)


def _box(
    shape: Shape, pose: Array, margin: float, height: int, width: int, samples: int
) -> tuple[Array, Array, Array] | None:
    """Samples around a shape: their number in the clip (T, h, w), columns (T, 1, w) and rows (T, h, 1).

    One box of the same size for every frame, so that all frames are worked on together; None outside of the image.
    """
    sides = np.array([width, height])
    first, spans = np.zeros((len(pose), 2), int), sides * samples
    if not math.isinf(shape.reach):
        centre = pose[:, :2] @ np.array([*shape.centre, 1.0])  # (T, 2)
        extent = np.abs(pose[:, :2, :2]) @ np.minimum(shape.half, shape.reach)  # (T, 2)
        extent = np.minimum(extent, shape.reach * _scale(pose)[:, None]).max(0) + margin
        if ((centre < -extent - 1) | (centre > sides + extent)).any(1).all():
            return None  # never in the image
        spans = np.minimum(np.ceil(2 * extent * samples).astype(int) + 2, spans)
        first = np.floor((centre - extent + 0.5) * samples).astype(int)
        first = np.minimum(np.maximum(first, 0), sides * samples - spans)
    columns = first[:, 0, None, None] + np.arange(spans[0])
    rows = first[:, 1, None, None] + np.arange(spans[1])[:, None]
    frame = np.arange(len(pose))[:, None, None]
    return (frame * (height * samples) + rows) * (width * samples) + columns, columns, rows


def _scale(pose: Array) -> Array:
    """Pixels per local unit, (T,)."""
    return np.sqrt(np.abs(pose[:, 0, 0] * pose[:, 1, 1] - pose[:, 0, 1] * pose[:, 1, 0]))


def _moved(motion: Array, seen: Array) -> Array:
    """Each pixel's place, moved as the part seen there: (P, T, 3, 3) and (T, H, W) part index to (T, 2, H, W)."""
    count, height, width = seen.shape
    x, y = np.arange(width, dtype=motion.dtype), np.arange(height, dtype=motion.dtype)[:, None]
    which = seen.astype(np.intp) * count + np.arange(count)[:, None, None]  # (T, H, W)
    rows = np.ascontiguousarray(motion[:, :, :2].reshape(-1, 2, 3).transpose(1, 2, 0))  # (2, 3, P * T)
    moved = np.empty((count, 2, height, width), motion.dtype)
    for axis, (along_x, along_y, constant) in enumerate(rows):
        np.multiply(along_x.take(which), x, out=moved[:, axis])
        moved[:, axis] += along_y.take(which) * y
        moved[:, axis] += constant.take(which)
    return moved


def _occluded(parts: Sequence[Part], poses: Array, inverse: Array, seen: Array) -> Array:
    """(T-1, H, W) bool: the point seen here lies behind another part, or outside, one frame later."""
    later, seen = poses[:, 1:], seen[:-1]
    count, height, width = seen.shape
    if count == 0:
        return np.zeros((0, height, width), bool)
    x, y = np.ascontiguousarray(_moved(later @ inverse[:, :-1], seen).swapaxes(0, 1))  # (T-1, H, W) each
    hidden = (x < -0.5) | (y < -0.5) | (x > width - 0.5) | (y > height - 0.5)
    shift = np.maximum(np.abs(x - np.arange(width)), np.abs(y - np.arange(height)[:, None]))
    shifts = np.zeros(len(parts))
    np.maximum.at(shifts, seen.ravel(), shift.ravel())
    shifts = np.maximum.accumulate(shifts)  # the farthest that a point of a part goes, or one of those behind it
    back = np.where(hidden, len(parts), seen).ravel()  # only parts in front of this one can still hide the point
    x, y = x.ravel(), y.ravel()
    for index in range(1, len(parts)):
        shape, pose = parts[index].shape, later[index]
        box = _box(shape, pose, shifts[index - 1] + 1, height, width, 1)
        if box is None:
            continue
        flat = box[0]  # (T-1, h, w)
        asked = back.take(flat) < index
        if not math.isinf(shape.reach):  # of what the box holds, few points come near
            u, v = (pose[:, :2] @ np.array([*shape.centre, 1.0])).T[:, :, None, None]  # (T-1, 1, 1) each
            du, dv = x.take(flat) - u, y.take(flat) - v
            asked &= du * du + dv * dv < (shape.reach * _scale(pose).max() + 0.01) ** 2
        places = np.flatnonzero(asked)
        flat, frame = flat.take(places), places // flat[0].size  # (N,) each
        turned = inverse[index, 1:, :2].reshape(-1, 6).T.take(frame, axis=1)  # (6, N)
        u, v = x.take(flat), y.take(flat)
        local = [turned[row] * u + turned[row + 1] * v + turned[row + 2] for row in (0, 3)]
        back[flat[shape.distance(*local) <= 0]] = len(parts)
    return (back == len(parts)).reshape(seen.shape)
