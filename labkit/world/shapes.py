"""Outlines and textures for the parts of the world: signed distances and colours in a part's own coordinates.

The signed distance of a capsule, a box or a segment is exact; see Quilez, "2D distance functions", for the derivations.
Every function here returns a function, to be handed to `labkit.world.render.Part`.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from labkit.world.render import Array, Shape, Texture

Colour = tuple[float, float, float]


def everywhere() -> Shape:
    """A shape without an edge: for backgrounds."""
    return Shape(lambda x, y: np.full(np.shape(x), -1e6, np.float32))


def capsule(length: float, start_radius: float, end_radius: float | None = None) -> Shape:
    """A limb from the origin along +y, rounded at both ends, its radius changing evenly along the way."""
    end_radius = start_radius if end_radius is None else end_radius

    def distance(x: Array, y: Array) -> Array:
        along = np.clip(y / length, 0, 1)
        return _norm(x, y - along * length) - (start_radius + (end_radius - start_radius) * along)

    widest = max(start_radius, end_radius)
    return Shape(distance, length / 2 + widest, (0.0, length / 2), (widest, length / 2 + widest))


def disc(radius: float) -> Shape:
    """A disc around the origin."""
    return Shape(lambda x, y: _norm(x, y) - radius, radius)


def ellipse(width: float, height: float) -> Shape:
    """An ellipse around the origin; its distance is exact on the outline and a good guess near it."""

    def distance(x: Array, y: Array) -> Array:
        u, v = x * (2 / width), y * (2 / height)
        value = _norm(u, v)
        slope = _norm(u * (2 / width), v * (2 / height))
        return value * (value - 1) / np.maximum(slope, 1e-6)

    return Shape(distance, max(width, height) / 2, half=(width / 2, height / 2))


def box(width: float, height: float, rounding: float = 0.0) -> Shape:
    """A box around the origin with rounded corners."""

    def distance(x: Array, y: Array) -> Array:
        u = np.abs(x) - (width / 2 - rounding)
        v = np.abs(y) - (height / 2 - rounding)
        return _norm(np.maximum(u, 0), np.maximum(v, 0)) + np.minimum(np.maximum(u, v), 0) - rounding

    return Shape(distance, math.hypot(width, height) / 2, half=(width / 2, height / 2))


def triangle(width: float, height: float) -> Shape:
    """A triangle with its tip at the origin and its base ``height`` below; the distance is exact at its sides."""
    slant = math.hypot(width / 2, height)

    def distance(x: Array, y: Array) -> Array:
        return np.maximum((np.abs(x) * height - y * (width / 2)) / slant, y - height)

    return Shape(distance, slant)


def ring(radius: float, thickness: float) -> Shape:
    """A ring around the origin."""
    return Shape(lambda x, y: np.abs(_norm(x, y) - radius) - thickness / 2, radius + thickness / 2)


def dome(radius: float) -> Shape:
    """The upper half of a disc around the origin."""
    return Shape(lambda x, y: np.maximum(_norm(x, y) - radius, y), radius)


def cut(shape: Shape, hole: Shape, dx: float, dy: float) -> Shape:
    """A shape with a hole at (dx, dy)."""
    return dataclasses.replace(
        shape, distance=lambda x, y: np.maximum(shape.distance(x, y), -hole.distance(x - dx, y - dy))
    )


def union(*shapes: tuple[Shape, float, float]) -> Shape:
    """Several shapes, each moved by (dx, dy), as one."""

    def distance(x: Array, y: Array) -> Array:
        return np.minimum.reduce([shape.distance(x - dx, y - dy) for shape, dx, dy in shapes])

    ends = [(dx + s.centre[0], dy + s.centre[1], s.reach) for s, dx, dy in shapes]
    middle = sum(e[0] for e in ends) / len(ends), sum(e[1] for e in ends) / len(ends)
    return Shape(distance, max(math.hypot(u - middle[0], v - middle[1]) + reach for u, v, reach in ends), middle)


def hill(waves: Sequence[tuple[float, float, float]]) -> Shape:
    """Everything below a wavy line around y = 0; each wave is (height, wave length, phase)."""

    def distance(x: Array, y: Array) -> Array:
        rises = (height * np.sin(x * (2 * math.pi / length) + phase) for height, length, phase in waves)
        return sum(rises, 0 * x) - y

    return Shape(distance)


def plain(colour: Colour, *, rim: float = 0.0) -> Texture:
    """One colour, darker towards the outline over a width of ``rim``."""
    return _with_rim(lambda x, y: np.broadcast_to(_rgb(colour), (*x.shape, 3)), rim)


def stripes(first: Colour, second: Colour, period: float, *, rim: float = 0.0, upright: bool = False) -> Texture:
    """Soft stripes across the y axis, or across the x axis if ``upright``."""
    return _with_rim(lambda x, y: _mix(first, second, 2 * np.sin((x if upright else y) * (2 * math.pi / period))), rim)


def checks(first: Colour, second: Colour, period: float, *, rim: float = 0.0) -> Texture:
    """A soft checkerboard."""
    turn = 2 * math.pi / period
    return _with_rim(lambda x, y: _mix(first, second, 3 * np.sin(x * turn) * np.sin(y * turn)), rim)


def dots(first: Colour, second: Colour, period: float, *, rim: float = 0.0) -> Texture:
    """Soft dots of the second colour in rows, on the first."""
    turn = 2 * math.pi / period
    return _with_rim(lambda x, y: _mix(first, second, 2.2 * (np.cos(x * turn) + np.cos(y * turn)) - 1.8), rim)


def planks(first: Colour, second: Colour, height: float, *, rim: float = 0.0) -> Texture:
    """Boards or bricks: dark joints, every other row shifted, each board a shade of its own between two colours."""

    def colours(x: Array, y: Array) -> Array:
        row = np.floor(y / height)
        along = x / (3.2 * height) + 0.5 * (row % 2)
        shade = (np.floor(along) * 0.37 + row * 0.61) % 1
        joint = np.minimum(_to_edge(y / height), 3.2 * _to_edge(along))
        return _mix(first, second, 2 * shade - 1) * (0.72 + 0.28 * np.clip(joint * 14, 0, 1))[..., None]

    return _with_rim(colours, rim)


def fade(top: Colour, bottom: Colour, height: float) -> Texture:
    """From one colour at y = -height to another at y = 0, straight on."""
    return lambda x, y, distance: _mix(top, bottom, 2 * y / height + 1)


def rays(first: Colour, second: Colour, number: int) -> Texture:
    """Rays of two colours around the origin."""
    return lambda x, y, distance: _mix(first, second, 4 * np.sin(number * np.arctan2(y, x)))


def clouds(first: Colour, second: Colour, period: float, rng: np.random.Generator, *, rim: float = 0.0) -> Texture:
    """Smooth random patches about ``period`` across, in three octaves, repeating after 16 periods."""
    size = 256
    tile = np.zeros((size, size), np.float32)
    for octave in range(3):
        cells = rng.random((16 * 2**octave,) * 2, dtype=np.float32) - 0.5
        padded = cv2.copyMakeBorder(cells, 2, 2, 2, 2, cv2.BORDER_WRAP)
        scale = size // len(cells)
        smooth: Array = cv2.resize(padded, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        tile += smooth[2 * scale : -2 * scale, 2 * scale : -2 * scale] / 1.6**octave
    flat = np.clip(tile * 2.4, -1, 1).ravel()

    def colours(x: Array, y: Array) -> Array:
        u, v = x * np.float32(16 / period), y * np.float32(16 / period)
        left, top = np.floor(u), np.floor(v)
        u, v = u - left, v - top
        column, row = left.astype(np.int32) & 255, (top.astype(np.int32) & 255) << 8
        right, below = (column + 1) & 255, (row + 256) & 0xFFFF
        upper = flat[row + column] * (1 - u) + flat[row + right] * u
        lower = flat[below + column] * (1 - u) + flat[below + right] * u
        return _mix(first, second, upper + (lower - upper) * v)

    return _with_rim(colours, rim)


def face(skin: Colour, hair: Colour, radius: float, look: float) -> Texture:
    """A head from the front: hair above, two eyes looking to the side by ``look``, cheeks and a smile."""

    def colours(x: Array, y: Array) -> Array:
        x, y = x / radius, y / radius
        picture = np.broadcast_to(_rgb(skin), (*x.shape, 3)).copy()
        for side in (-1, 1):
            cheek = 0.5 - 5 * (_norm(x - look - side * 0.5, y - 0.3) - 0.16)
            _over(picture, (0.93, 0.5, 0.45), np.clip(cheek, 0, 1) * 0.6)
            _over(picture, (0.12, 0.1, 0.14), 0.5 - 8 * (_norm(x - look - side * 0.34, y - 0.02) - 0.13))
        smile = 0.5 - 9 * (np.abs(_norm(x - look, y - 0.22) - 0.36) - 0.06)
        _over(picture, (0.5, 0.16, 0.16), np.where(y > 0.38, smile, 0))
        _over(picture, hair, 0.5 - 5 * (y + 0.42 + 0.14 * np.cos(4 * x)))
        return picture

    return _with_rim(colours, 0.1 * radius)


def _rgb(colour: Colour) -> Array:
    return np.asarray(colour, np.float32)


def _norm(x: Array, y: Array) -> Array:
    return np.sqrt(x * x + y * y)


def _to_edge(value: Array) -> Array:
    """Distance to the next whole number."""
    return np.abs(value - np.round(value))


def _mix(first: Colour, second: Colour, wave: Array) -> Array:
    """Between two colours: all first at -1, all second at +1."""
    share = np.clip(wave, -1, 1).astype(np.float32)[..., None] * np.float32(0.5) + np.float32(0.5)
    start: Array = _rgb(first)
    return start + share * (_rgb(second) - start)


def _over(picture: Array, colour: Colour, cover: Array) -> None:
    """Lay a colour over an image, in place."""
    picture += np.clip(cover, 0, 1).astype(np.float32)[..., None] * (_rgb(colour) - picture)


def _with_rim(colours: Callable[[Array, Array], Array], rim: float) -> Texture:
    """Shade the last ``rim`` units before the outline, which sets parts of one colour off from each other."""
    if rim <= 0:
        return lambda x, y, distance: colours(x, y)
    return lambda x, y, distance: colours(x, y) * (1 - 0.45 * np.clip(1 + distance / rim, 0, 1))[..., None]
