"""Where the puppets are: nine scenes in their own colours, things that stand about, and the camera that looks on.

The ground is y = 0, up is negative. What is far away moves less with the camera: every layer has a nearness, 1 for the
plane of the puppets, less behind it, more in front.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labkit.world.render import Array, Part, Shape, Texture, transform
from labkit.world.shapes import (
    Colour,
    box,
    checks,
    clouds,
    disc,
    dome,
    dots,
    ellipse,
    everywhere,
    fade,
    hill,
    plain,
    planks,
    rays,
    stripes,
    triangle,
    union,
)

VIEW_HEIGHT = 4.9  # body units from the top of the image to its bottom, camera unzoomed
EYE_LEVEL = -1.75  # y of the middle of the image


@dataclass(frozen=True)
class Camera:
    """Where the camera looks, (T,) each: x and y in body units, turn in radians, zoom as a factor."""

    x: Array
    y: Array
    turn: Array
    zoom: Array

    def to_pixels(self, height: int, width: int) -> Array:
        """World to pixels, (T, 3, 3), for the plane of the puppets."""
        lens = transform((width - 1) / 2, (height - 1) / 2, 0.0, height / VIEW_HEIGHT * self.zoom)
        return lens @ np.linalg.inv(transform(self.x, EYE_LEVEL + self.y, self.turn))

    def layer(
        self, x: float = 0.0, y: float = 0.0, nearness: float = 1.0, turn: float = 0.0, size: float = 1.0
    ) -> Array:
        """Poses (T, 3, 3) of something static at a depth, world coordinates."""
        return transform(x + (1 - nearness) * self.x, y + (1 - nearness) * self.y, turn, size)


def tripod(frames: int, x: float = 0.0, y: float = 0.0, turn: float = 0.0, zoom: float = 1.0) -> Camera:
    """A camera that does not move."""
    return Camera(*(np.full(frames, value) for value in (x, y, turn, zoom)))


def camera(rng: np.random.Generator, frames: int, strength: float = 1.0) -> Camera:
    """A camera held by hand: it pans, zooms and turns smoothly, and trembles.

    Args:
        rng: where the draws come from.
        frames: T.
        strength: 0 is a tripod; 1 moves the image by about 1 % of its height per frame.
    """
    time = np.arange(frames, dtype=np.float64)
    middle = time - (frames - 1) / 2

    def wander(drift: float, sway: float, tremble: float) -> Array:
        slow = sway * np.sin(2 * math.pi * (time / rng.uniform(14, 30) + rng.random()))
        fast = tremble * np.sin(2 * math.pi * (time / rng.uniform(3.5, 7) + rng.random()))
        return strength * (drift * rng.uniform(-1, 1) * np.clip(middle, -12, 12) + slow + fast)

    return Camera(
        x=wander(0.03, 0.12, 0.02),
        y=wander(0.006, 0.06, 0.02),
        turn=wander(0.001, 0.015, 0.005),
        zoom=np.exp(wander(0.005, 0.03, 0.003)),
    )


Scene = Callable[[np.random.Generator, Camera], list[Part]]


def park(rng: np.random.Generator, view: Camera) -> list[Part]:
    """Sky, sun, far hills, a lawn and two trees."""
    far, near = ((0.42, 0.62, 0.55), (0.55, 0.72, 0.6)), ((0.44, 0.62, 0.27), (0.66, 0.78, 0.38))
    parts = _sky(rng, view)
    parts += [
        Part("sun", disc(0.42), plain((1.0, 0.88, 0.45), rim=0.1), view.layer(-2.2 + rng.random(), -3.3, 0.1)),
        Part("hills", _ridge(rng, 0.3, 5.0), clouds(*far, 0.9, rng), view.layer(0, -1.35, 0.4)),
        Part("lawn", _ridge(rng, 0.04, 4.0), clouds(*near, 0.6, rng), view.layer(0, -0.42)),
    ]
    for x in (-2.5, 2.5):
        parts += _tree(rng, view, x + rng.uniform(-0.4, 0.4), 0.9)
    return parts


def forest(rng: np.random.Generator, view: Camera) -> list[Part]:
    """Dark green, one tree beside the other."""
    parts = [
        Part("leaves", everywhere(), clouds((0.09, 0.24, 0.17), (0.23, 0.42, 0.24), 0.8, rng), view.layer(0, 0, 0.4))
    ]
    for x in np.linspace(-3.0, 3.0, 5):
        bark = stripes((0.24, 0.17, 0.12), (0.33, 0.24, 0.17), 0.2, rim=0.07, upright=True)
        shape = box(rng.uniform(0.25, 0.4), 6.0)
        parts.append(Part("trunk", shape, bark, view.layer(x + rng.uniform(-0.25, 0.25), -3.2, 0.6)))
    ground = clouds((0.34, 0.25, 0.16), (0.45, 0.42, 0.22), 0.6, rng)
    parts.append(Part("forest floor", _ridge(rng, 0.05, 3.0), ground, view.layer(0, -0.45)))
    for x in (-2.3, 2.3):
        shape = union((triangle(1.2, 1.1), 0, -2.3), (triangle(1.5, 1.2), 0, -1.7), (triangle(1.8, 1.3), 0, -1.1))
        fir = clouds((0.1, 0.33, 0.22), (0.18, 0.45, 0.28), 0.5, rng, rim=0.1)
        parts.append(Part("fir", shape, fir, view.layer(x + rng.uniform(-0.2, 0.2), -0.35, 0.9)))
    return parts


def workshop(rng: np.random.Generator, view: Camera) -> list[Part]:
    """A brick wall with a board of tools, a floor of planks."""
    bricks, board = planks((0.62, 0.36, 0.28), (0.74, 0.47, 0.36), 0.26), plain((0.86, 0.74, 0.52), rim=0.06)
    parts = [
        Part("bricks", everywhere(), bricks, view.layer(rng.random(), 0, 0.8)),
        Part("board", box(2.4, 1.1, 0.05), board, view.layer(rng.uniform(-0.6, 0.6), -3.2, 0.8)),
    ]
    start = rng.uniform(-1.4, -0.8)
    for number in range(4):
        place = view.layer(start + 0.55 * number, -3.2 + 0.12 * rng.uniform(-1, 1), 0.8, rng.uniform(-0.5, 0.5))
        tool = union((box(0.1, 0.6), 0, 0.1), (box(*rng.uniform(0.15, 0.4, 2)), 0, -0.25))
        parts.append(Part("tool", tool, plain(_pick(rng, POSTER), rim=0.03), place))
    parts.append(Part("floor", hill([]), planks((0.5, 0.36, 0.24), (0.6, 0.44, 0.3), 0.22), view.layer(0, -0.4)))
    return parts


def kitchen(rng: np.random.Generator, view: Camera) -> list[Part]:
    """White tiles, a view outside, a shelf with pots, a chequered floor."""
    tint = _pick(rng, ((0.72, 0.87, 0.86), (0.93, 0.86, 0.72), (0.8, 0.84, 0.94)))
    x = rng.choice([-1.4, 1.4])
    parts = [
        Part("tiles", everywhere(), checks((0.95, 0.95, 0.93), tint, 0.9), view.layer(rng.random(), 0, 0.8)),
        Part("window", box(1.3, 1.2, 0.05), plain(WHITE, rim=0.02), view.layer(x, -3.0, 0.8)),
        Part("pane", box(1.06, 0.96), fade((0.5, 0.74, 0.92), (0.8, 0.9, 0.95), 1.0), view.layer(x, -3.0, 0.8)),
        Part("shelf", box(1.7, 0.1), plain((0.6, 0.42, 0.26), rim=0.03), view.layer(-x, -2.7, 0.8)),
    ]
    for number in range(3):
        pot = _pick(rng, POSTER)
        place = view.layer(-x - 0.5 + 0.5 * number, -2.92, 0.8)
        parts.append(Part("pot", box(0.32, 0.34, 0.08), plain(pot, rim=0.06), place))
    parts.append(Part("floor", hill([]), checks((0.85, 0.8, 0.7), (0.45, 0.5, 0.52), 1.0), view.layer(0, -0.4)))
    return parts


def stage(rng: np.random.Generator, view: Camera) -> list[Part]:
    """A dark hall, red curtains, a spot of light."""
    deep, bright = _pick(rng, (((0.45, 0.06, 0.1), (0.68, 0.13, 0.16)), ((0.32, 0.1, 0.4), (0.5, 0.2, 0.58))))
    curtain = stripes(deep, bright, 0.42, upright=True)
    return [
        Part("hall", everywhere(), clouds((0.09, 0.08, 0.15), (0.17, 0.13, 0.24), 1.2, rng), view.layer(0, 0, 0.7)),
        Part(
            "glow", ellipse(3.4, 4.4), clouds((0.3, 0.24, 0.36), (0.36, 0.3, 0.42), 1.0, rng), view.layer(0, -1.9, 0.7)
        ),
        Part("boards", hill([]), planks((0.36, 0.22, 0.14), (0.44, 0.28, 0.18), 0.2), view.layer(0, -0.42)),
        Part("spot", ellipse(3.2, 0.55), plain((0.95, 0.85, 0.58), rim=0.25), view.layer(rng.uniform(-0.3, 0.3), 0.0)),
        Part("curtain", box(1.3, 7.0), curtain, view.layer(-2.55, -2.0, 0.95)),
        Part("curtain", box(1.3, 7.0), curtain, view.layer(2.55, -2.0, 0.95)),
        Part("pelmet", _scallops(), plain(bright, rim=0.15), view.layer(0, -4.1, 0.95)),
    ]


def snow(rng: np.random.Generator, view: Camera) -> list[Part]:
    """White mountains under a pale sky, firs in the snow."""
    parts = [Part("sky", everywhere(), clouds((0.62, 0.77, 0.9), (0.86, 0.92, 0.97), 1.4, rng), view.layer(0, 0, 0.1))]
    for x in rng.uniform([-2.4, 0.4], [-0.8, 2.4]):
        rock = fade((0.97, 0.98, 1.0), (0.5, 0.58, 0.7), 2.4)
        size = float(rng.uniform(0.8, 1.15))
        parts.append(
            Part("mountain", triangle(3.4, 2.4), _lower(rock, 2.4), view.layer(x, -3.3 * size + 0.3, 0.3, 0.0, size))
        )
    ground = clouds((0.88, 0.92, 0.98), (1.0, 1.0, 1.0), 0.8, rng)
    parts.append(Part("snow", _ridge(rng, 0.12, 5.0), ground, view.layer(0, -0.75, 0.8)))
    for x in (-2.2, 2.1):
        fir = clouds((0.12, 0.35, 0.3), (0.75, 0.85, 0.88), 0.4, rng, rim=0.08)
        shape = union((triangle(0.9, 0.8), 0, -1.6), (triangle(1.2, 0.9), 0, -1.1))
        parts.append(Part("fir", shape, fir, view.layer(x + rng.uniform(-0.3, 0.3), -0.5, 0.85)))
    parts.append(Part("piste", _ridge(rng, 0.03, 3.0), plain((0.96, 0.97, 1.0)), view.layer(0, -0.18)))
    return parts


def street(rng: np.random.Generator, view: Camera) -> list[Part]:
    """A row of houses, a kerb, a grey road."""
    parts = _sky(rng, view)
    for x in (-2.6, -0.9, 0.8, 2.5):
        wall = _pick(rng, ((0.85, 0.6, 0.45), (0.72, 0.74, 0.78), (0.9, 0.82, 0.6), (0.6, 0.68, 0.6), (0.78, 0.5, 0.5)))
        height = float(rng.uniform(2.6, 3.8))
        windows = dots(wall, (0.22, 0.27, 0.36), 0.62, rim=0.05)
        parts.append(Part("house", box(1.7, height), windows, view.layer(x + rng.uniform(-0.1, 0.1), -height / 2, 0.7)))
    return [
        *parts,
        Part("pavement", hill([]), checks((0.66, 0.65, 0.62), (0.6, 0.59, 0.57), 1.2), view.layer(0, -0.55, 0.9)),
        Part("road", hill([]), clouds((0.33, 0.34, 0.37), (0.41, 0.42, 0.45), 0.5, rng), view.layer(0, -0.2)),
        Part("line", box(1.4, 0.09), plain((0.93, 0.9, 0.75)), view.layer(-1.5, 0.42, 1.1)),
        Part("line", box(1.4, 0.09), plain((0.93, 0.9, 0.75)), view.layer(1.3, 0.42, 1.1)),
    ]


def beach(rng: np.random.Generator, view: Camera) -> list[Part]:
    """Sea, sand, a parasol."""
    parts = _sky(rng, view)
    x = float(rng.choice([-2.1, 2.1]))
    return [
        *parts,
        Part("sea", hill([]), stripes((0.16, 0.5, 0.68), (0.32, 0.66, 0.78), 0.34), view.layer(0, -1.5, 0.3)),
        Part("sand", _ridge(rng, 0.08, 6.0), clouds((0.9, 0.8, 0.58), (0.98, 0.9, 0.7), 0.5, rng), view.layer(0, -0.6)),
        Part("pole", box(0.1, 2.4), plain(WHITE, rim=0.03), view.layer(x, -1.4, 0.95)),
        Part(
            "parasol",
            dome(0.95),
            stripes(_pick(rng, POSTER), WHITE, 0.55, rim=0.06, upright=True),
            view.layer(x, -2.3, 0.95),
        ),
    ]


def gym(rng: np.random.Generator, view: Camera) -> list[Part]:
    """A plain hall with a stripe, wall bars and a wooden floor."""
    wall = _pick(rng, ((0.78, 0.84, 0.88), (0.9, 0.87, 0.78), (0.8, 0.86, 0.78)))
    shade = (wall[0] * 0.94, wall[1] * 0.94, wall[2] * 0.94)
    bars = stripes((0.62, 0.44, 0.26), wall, 0.3)
    return [
        Part("wall", everywhere(), clouds(wall, shade, 1.5, rng), view.layer(0, 0, 0.8)),
        Part("band", box(40, 0.4), plain(_pick(rng, POSTER)), view.layer(0, -1.6, 0.8)),
        Part("wall bars", box(1.0, 3.0), bars, view.layer(float(rng.choice([-1.9, 1.9])), -2.2, 0.8)),
        Part("floor", hill([]), planks((0.78, 0.58, 0.36), (0.84, 0.64, 0.42), 0.24), view.layer(0, -0.42)),
    ]


SCENES: dict[str, Scene] = {
    scene.__name__: scene for scene in (park, forest, workshop, kitchen, stage, snow, street, beach, gym)
}

WHITE: Colour = (0.97, 0.96, 0.93)
POSTER: tuple[Colour, ...] = (
    (0.93, 0.36, 0.3),
    (0.98, 0.75, 0.2),
    (0.16, 0.6, 0.62),
    (0.36, 0.3, 0.62),
    (0.95, 0.55, 0.65),
    (0.45, 0.72, 0.4),
)


def backdrop(rng: np.random.Generator, view: Camera) -> list[Part]:
    """What photos for the web are taken against: paper in poster colours, with rays, dots or stripes or without."""
    first, second = (POSTER[i] for i in rng.permutation(len(POSTER))[:2])
    pale = tuple(0.35 * c + 0.65 for c in first)
    textures: tuple[Texture, ...] = (
        fade(second, pale, 5.0),
        rays(first, pale, int(rng.integers(6, 11))),
        dots(pale, first, 0.7),
        stripes(pale, second, 0.9, upright=bool(rng.integers(2))),
        plain(first),
        plain((0.97, 0.97, 0.97)),
    )
    paper = Part("paper", everywhere(), textures[rng.integers(len(textures))], view.layer(0, -1.2, 0.8))
    if rng.random() < 0.5:
        return [paper]
    return [paper, Part("ground", hill([]), plain(second, rim=0.15), view.layer(0, -0.1))]


def clutter(rng: np.random.Generator, view: Camera, number: int, *, front: bool) -> list[Part]:
    """Things that stand about: ``number`` of them, behind the puppets, or in front at the edges of the image."""
    parts: list[Part] = []
    for _ in range(number):
        sign = float(rng.choice([-1, 1]))
        if front:
            x, nearness, kind = sign * rng.uniform(1.6, 2.4), 1.25, rng.integers(3)
        else:
            x, nearness, kind = sign * rng.uniform(0.9, 2.3), 0.9, rng.integers(5)
        colour, other = (POSTER[i] for i in rng.permutation(len(POSTER))[:2])
        if front:
            shape, texture, y = (
                (ellipse(1.5, 0.8), clouds((0.2, 0.42, 0.22), (0.35, 0.56, 0.28), 0.5, rng, rim=0.08), 0.75),
                (box(0.3, 1.6, 0.05), stripes(colour, WHITE, 0.5, rim=0.05), 0.35),
                (disc(0.34), plain(colour, rim=0.1), 0.5),
            )[kind]
        else:
            shape, texture, y = (
                (box(0.6, 0.6, 0.04), planks((0.7, 0.5, 0.3), (0.78, 0.58, 0.36), 0.2, rim=0.05), -0.4),
                (union((box(0.08, 3.0), 0, -1.5), (disc(0.26), 0, -3.0)), plain((0.3, 0.32, 0.36), rim=0.05), -0.2),
                (
                    union((box(0.36, 0.4), 0, 0), (ellipse(0.7, 0.8), 0, -0.55)),
                    plain((0.3, 0.58, 0.35), rim=0.08),
                    -0.3,
                ),
                (disc(0.3), checks(colour, other, 0.4, rim=0.06), -0.35),
                (union((box(0.07, 1.4), 0, 0.5), (box(0.8, 0.5, 0.05), 0, -0.3)), plain(colour, rim=0.06), -1.3),
            )[kind]
        pose = view.layer(x, y, nearness, rng.uniform(-0.08, 0.08), rng.uniform(0.8, 1.15))
        parts.append(Part("clutter", shape, texture, pose, "clutter"))
    return parts


def _sky(rng: np.random.Generator, view: Camera) -> list[Part]:
    return [Part("sky", everywhere(), clouds((0.53, 0.75, 0.89), (0.86, 0.93, 0.95), 1.6, rng), view.layer(0, 0, 0.1))]


def _tree(rng: np.random.Generator, view: Camera, x: float, nearness: float) -> list[Part]:
    bark = clouds((0.42, 0.29, 0.2), (0.55, 0.4, 0.28), 0.4, rng, rim=0.06)
    leaves = clouds((0.2, 0.46, 0.28), (0.38, 0.6, 0.33), 0.6, rng, rim=0.12)
    return [
        Part("trunk", box(0.28, 1.7, 0.06), bark, view.layer(x, -0.9, nearness)),
        Part("crown", disc(0.8), leaves, view.layer(x, -2.15, nearness)),
    ]


def _ridge(rng: np.random.Generator, height: float, length: float) -> Shape:
    return hill([(height, length, 6 * rng.random()), (0.4 * height, 0.42 * length, 6 * rng.random())])


def _scallops() -> Shape:
    return Shape(lambda x, y: y - 0.16 * np.abs(np.sin(x * 2.4)))


def _lower(texture: Texture, by: float) -> Texture:
    """A texture moved down."""
    return lambda x, y, distance: texture(x, y - by, distance)


def _pick(rng: np.random.Generator, choices: tuple) -> tuple:
    return choices[int(rng.integers(len(choices)))]
