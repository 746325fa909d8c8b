"""What places are put together from: things, pieces, textures and outlines."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from labkit.world.buildings.style import LEAVES
from labkit.world.render import Array, Part, Shape, Texture, transform
from labkit.world.scenes import Camera
from labkit.world.shapes import Colour, box, clouds, disc, union

Inlay = tuple[Shape, float, float, Texture]
"""A shape that is let into a texture at (dx, dy), and its own texture."""


@dataclass(frozen=True)
class Thing:
    """Parts that stand together at one depth.

    Attributes:
        parts: back to front; their poses, (1, 3, 3), are in the coordinates of the thing.
        x: of its origin.
        y: of its origin.
        nearness: 1 in the plane of the place, less behind, more in front.
    """

    parts: Sequence[Part]
    x: float = 0.0
    y: float = 0.0
    nearness: float = 1.0

    def seen(self, eye: Camera) -> list[Part]:
        """Its parts in the coordinates of the world, as seen from somewhere."""
        pose = eye.layer(self.x, self.y, self.nearness)
        return [dataclasses.replace(part, pose=pose @ part.pose) for part in self.parts]


def piece(
    name: str, shape: Shape, texture: Texture, x: float, y: float, turn: float = 0.0, kind: str = "place"
) -> Part:
    """A part of a place, standing still."""
    return Part(name, shape, texture, transform(np.array([x]), y, turn), kind)


def inlaid(ground: Texture, *pieces: tuple[Shape, float, float, Texture]) -> Texture:
    """A texture with shapes let in, each at (dx, dy), one over the other."""

    def colours(x: Array, y: Array, distance: Array) -> Array:
        picture = np.array(ground(x, y, distance), np.float32)
        for shape, dx, dy, texture in pieces:
            away = shape.distance(x - dx, y - dy)
            near = np.flatnonzero(away < 0.03)
            cover = np.clip(0.5 - away[near] * 20, 0, 1).astype(np.float32)[:, None]
            picture[near] += cover * (texture(x[near] - dx, y[near] - dy, away[near]) - picture[near])
        return picture

    return colours


def stained(texture: Texture, rng: np.random.Generator, dark: float = 0.8, period: float = 1.0) -> Texture:
    """A texture with dark and light patches about ``period`` across."""
    patches = clouds((dark, dark, dark), (1.07, 1.07, 1.07), period, rng)
    return lambda x, y, distance: texture(x, y, distance) * patches(x, y, distance)


def one_colour(texture: Texture, colour: Colour) -> Texture:
    """A texture carved out of stone: light and dark of one colour."""
    stone = np.asarray(colour, np.float32) * 1.35
    return lambda x, y, distance: (0.35 + 0.65 * texture(x, y, distance).mean(-1, keepdims=True)) * stone


def lettering(text: str, board: Colour, ink: Colour, width: float, height: float) -> Texture:
    """A word on a board of a size."""
    rows, columns = 28, max(round(28 * width / height), 8)
    (wide, high), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, 1.0, 2)
    scale = min(0.82 * columns / wide, 0.62 * rows / high)
    picture = np.zeros((rows, columns), np.uint8)
    corner = round((columns - scale * wide) / 2), round((rows + scale * high) / 2)
    cv2.putText(picture, text, corner, cv2.FONT_HERSHEY_DUPLEX, scale, 255, 2, cv2.LINE_AA)
    written = picture.astype(np.float32) / 255
    start, end = np.asarray(board, np.float32), np.asarray(ink, np.float32)

    def colours(x: Array, y: Array, distance: Array) -> Array:
        column = np.clip((x / width + 0.5) * columns, 0, columns - 1).astype(int)
        row = np.clip((y / height + 0.5) * rows, 0, rows - 1).astype(int)
        return start + written[row, column][..., None] * (end - start)

    return colours


def word(rng: np.random.Generator) -> str:
    """Something that could be a name."""
    syllables = ("BA", "RO", "LI", "MO", "TE", "KA", "NU", "SO", "VI", "DO", "GO", "PA", "ZU", "FI", "HE", "LUX")
    return "".join(syllables[i] for i in rng.integers(len(syllables), size=rng.integers(2, 4)))


def arch(width: float, height: float) -> Shape:
    """A box with a round top."""
    return union((box(width, height - width / 2), 0, width / 4), (disc(width / 2), 0, -height / 2 + width / 2))


def trapezoid(bottom: float, top: float, height: float) -> Shape:
    """Around the origin, narrower above."""
    slope = (bottom - top) / (2 * height)
    slant = math.hypot(1.0, slope)

    def distance(x: Array, y: Array) -> Array:
        return np.maximum((np.abs(x) - (bottom + top) / 4 - y * slope) / slant, np.abs(y) - height / 2)

    return Shape(distance, math.hypot(max(bottom, top) / 2, height / 2))


def columns(count: int, width: float) -> list[float]:
    """The middles of as many columns of a wall, from its middle."""
    return [width * ((column + 0.5) / count - 0.5) for column in range(count)]


def foliage(rng: np.random.Generator) -> Texture:
    """Leaves."""
    return clouds(*LEAVES, 0.5, rng, rim=0.1)
