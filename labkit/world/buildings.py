"""What can be found again: houses, shops, towers, churches, gates, monuments, murals, windmills, and a few things.

A `Style` is what many of them have in common: kind, colours, wall, windows, roof. Two of one style differ in their
layout and their details, as two houses of one street do: storeys and windows, what is in a window, where the door is,
the name on the sign, stains on the wall. Lengths are in units of the world, the ground is y = 0, up is negative.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np

from labkit.world import actions as acts
from labkit.world import props
from labkit.world.motion import Timing
from labkit.world.puppet import random_look
from labkit.world.render import Array, Part, Shape, Texture, transform
from labkit.world.scenes import Camera
from labkit.world.shapes import (
    Colour,
    box,
    checks,
    clouds,
    disc,
    dots,
    ellipse,
    fade,
    plain,
    planks,
    rays,
    ring,
    stripes,
    triangle,
    union,
)

T = TypeVar("T")


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


@dataclass(frozen=True)
class Scheme:
    """Colours that go together."""

    wall: Colour
    other: Colour
    trim: Colour
    roof: Colour
    door: Colour
    accent: Colour


SCHEMES = (
    Scheme(
        (0.87, 0.6, 0.45),
        (0.79, 0.51, 0.38),
        (0.97, 0.93, 0.86),
        (0.5, 0.25, 0.22),
        (0.2, 0.4, 0.44),
        (0.96, 0.76, 0.32),
    ),
    Scheme(
        (0.68, 0.81, 0.71),
        (0.59, 0.74, 0.65),
        (0.98, 0.97, 0.93),
        (0.4, 0.36, 0.42),
        (0.74, 0.3, 0.26),
        (0.97, 0.72, 0.5),
    ),
    Scheme(
        (0.94, 0.81, 0.53),
        (0.88, 0.72, 0.43),
        (0.98, 0.95, 0.88),
        (0.63, 0.32, 0.24),
        (0.24, 0.43, 0.36),
        (0.42, 0.36, 0.66),
    ),
    Scheme(
        (0.9, 0.7, 0.69), (0.83, 0.61, 0.62), (0.98, 0.95, 0.93), (0.36, 0.4, 0.52), (0.28, 0.5, 0.5), (0.98, 0.85, 0.5)
    ),
    Scheme(
        (0.77, 0.75, 0.7), (0.68, 0.66, 0.62), (0.93, 0.9, 0.84), (0.38, 0.43, 0.5), (0.5, 0.3, 0.2), (0.82, 0.36, 0.28)
    ),
    Scheme(
        (0.66, 0.76, 0.86),
        (0.57, 0.68, 0.8),
        (0.97, 0.96, 0.92),
        (0.62, 0.36, 0.3),
        (0.9, 0.72, 0.36),
        (0.86, 0.42, 0.4),
    ),
)
WALLS = ("bricks", "planks", "plaster", "stripes", "stones")
WINDOWS = ("cross", "arch", "shutters", "round", "tall")
ROOFS = ("gable", "steps", "flat", "hip")
OUTDOORS = ("park", "forest", "snow", "street", "beach")
INDOORS = ("kitchen", "workshop", "gym", "stage")
GLASS: tuple[Colour, Colour] = ((0.2, 0.28, 0.4), (0.5, 0.64, 0.74))
DARK: Colour = (0.2, 0.18, 0.22)
LEAVES: tuple[Colour, Colour] = ((0.2, 0.42, 0.25), (0.42, 0.62, 0.34))
STONES: tuple[Colour, ...] = ((0.72, 0.71, 0.67), (0.42, 0.52, 0.46), (0.62, 0.5, 0.36))


@dataclass(frozen=True)
class Style:
    """What places that are easily confused have in common.

    Attributes:
        family: one of `FAMILIES`.
        scheme: its colours.
        wall: one of `WALLS`.
        window: one of `WINDOWS`.
        roof: one of `ROOFS`.
        site: the scene of the world that it stands in; things that one can carry are seen in any of `INDOORS`.
    """

    family: str
    scheme: Scheme
    wall: str
    window: str
    roof: str
    site: str


def random_style(rng: np.random.Generator, family: str) -> Style:
    """Draw colours and kinds of parts."""
    scheme, wall, window, roof = _pick(rng, SCHEMES), _pick(rng, WALLS), _pick(rng, WINDOWS), _pick(rng, ROOFS)
    return Style(family, scheme, wall, window, roof, _pick(rng, INDOORS if family in OBJECTS else OUTDOORS))


def build(style: Style, rng: np.random.Generator) -> list[Thing]:
    """One place of a style, around x = 0, back to front: layout and details follow from ``rng``."""
    return FAMILIES[style.family](style, rng)


# Textures and outlines


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


def cut(shape: Shape, hole: Shape, dx: float, dy: float) -> Shape:
    """A shape with a hole at (dx, dy)."""
    return dataclasses.replace(
        shape, distance=lambda x, y: np.maximum(shape.distance(x, y), -hole.distance(x - dx, y - dy))
    )


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


def piece(
    name: str, shape: Shape, texture: Texture, x: float, y: float, turn: float = 0.0, kind: str = "place"
) -> Part:
    """A part of a place, standing still."""
    return Part(name, shape, texture, transform(np.array([x]), y, turn), kind)


def foliage(rng: np.random.Generator) -> Texture:
    """Leaves."""
    return clouds(*LEAVES, 0.5, rng, rim=0.1)


def _shade(colour: Colour, factor: float) -> Colour:
    red, green, blue = (min(factor * channel, 1.0) for channel in colour)
    return red, green, blue


def _pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    return options[int(rng.integers(len(options)))]


def _chance(rng: np.random.Generator, share: float) -> bool:
    return bool(rng.random() < share)


def _wall(style: Style, rng: np.random.Generator) -> Texture:
    s = style.scheme
    texture = {
        "bricks": planks(s.wall, s.other, 0.17),
        "planks": stripes(s.wall, s.other, 0.22, upright=True),
        "plaster": plain(s.wall),
        "stripes": stripes(s.wall, s.other, 0.5),
        "stones": planks(s.other, s.wall, 0.32),
    }[style.wall]
    return stained(texture, rng, 0.66 if style.wall == "plaster" else 0.78, rng.uniform(1.0, 1.8))


def _window(
    style: Style, rng: np.random.Generator, x: float, y: float, w: float, h: float, kind: str = ""
) -> list[Part]:
    """A window with whatever can be seen in it."""
    s, kind = style.scheme, kind or style.window
    if kind == "round":
        w = h = min(w, h)
        outer, inner = disc(w / 2), disc(w / 2 - 0.05)
    elif kind == "arch":
        outer, inner = arch(w, h), arch(w - 0.1, h - 0.1)
    else:
        w = 0.8 * w if kind == "tall" else w
        outer, inner = box(w, h), box(w - 0.1, h - 0.1)
    content = rng.integers(6)
    glass: Texture = fade(GLASS[1], GLASS[0], h) if content != 3 else plain((0.99, 0.86, 0.5))
    pieces: list[tuple[Shape, float, float, Texture]] = [(inner, 0, 0, glass)]
    if content == 1:  # curtains
        cloth = stripes(s.accent, s.trim, 0.1, upright=True)
        pieces += [(box(0.26 * w, h - 0.1), side * (0.37 * w - 0.04), 0, cloth) for side in (-1, 1)]
    elif content == 2:  # a blind
        length = rng.uniform(0.25, 0.7) * h
        pieces.append((box(w - 0.1, length), 0, -h / 2 + length / 2 + 0.05, stripes(s.trim, s.other, 0.08)))
    elif content == 4:  # a cat
        left = rng.choice([-1, 1]) * 0.1 * w
        cat = union(
            (ellipse(0.22, 0.26), 0, 0.05),
            (disc(0.09), 0, -0.12),
            (triangle(0.08, 0.1), -0.05, -0.25),
            (triangle(0.08, 0.1), 0.05, -0.25),
        )
        pieces.append((cat, left, h / 2 - 0.2, plain(_pick(rng, ((0.15, 0.13, 0.16), (0.9, 0.6, 0.3))))))
    elif content == 5:  # a plant
        pieces += [
            (ellipse(0.26, 0.24), 0, h / 2 - 0.24, plain(LEAVES[1])),
            (box(0.14, 0.12), 0, h / 2 - 0.1, plain(s.roof)),
        ]
    bars = plain(s.trim)
    if kind != "round" or _chance(rng, 0.5):
        pieces.append((box(0.04, h), 0, 0, bars))
    if kind in ("cross", "shutters", "round"):
        pieces.append((box(w, 0.04), 0, -0.08 * h, bars))
    ground = plain(s.trim, rim=0.03)
    parts = [piece("window", outer, inlaid(ground, *pieces), x, y)]
    if kind == "shutters":
        shutter = stripes(s.door, _shade(s.door, 0.75), 0.1, rim=0.03)
        parts += [piece("shutter", box(0.34 * w, h), shutter, x + side * 0.68 * w, y) for side in (-1, 1)]
    if kind != "round":
        parts.append(piece("sill", box(1.15 * w, 0.06), plain(s.trim, rim=0.03), x, y + h / 2))
        if _chance(rng, 0.25):
            flowers = dots(LEAVES[0], _pick(rng, (s.accent, (0.9, 0.3, 0.36), (0.97, 0.9, 0.95))), 0.13)
            parts.append(piece("flowers", box(w, 0.2, 0.08), flowers, x, y + h / 2 - 0.02))
            parts.append(piece("flower box", box(w, 0.12), plain(s.roof, rim=0.03), x, y + h / 2 + 0.09))
    return parts


def _door(style: Style, rng: np.random.Generator, x: float, w: float, h: float) -> list[Part]:
    """A door on the ground."""
    s = style.scheme
    colour = _pick(rng, (s.door, s.roof))
    dark = _shade(colour, 0.72)
    leaf: list[tuple[Shape, float, float, Texture]] = []
    kind, round_top = rng.integers(4), style.window in ("arch", "round") or _chance(rng, 0.3)
    if kind == 0:
        leaf = [(box(0.3 * w, 0.28 * h), dx * w, dy * h, plain(dark)) for dx in (-0.2, 0.2) for dy in (-0.12, 0.24)]
    elif kind == 1:
        leaf = [
            (box(0.6 * w, 0.3 * h), 0, -0.14 * h, fade(GLASS[1], GLASS[0], h)),
            (box(0.03, 0.3 * h), 0, -0.14 * h, plain(colour)),
        ]
    elif kind == 2:
        leaf = [(disc(0.18 * w), 0, -0.16 * h, plain(GLASS[1]))]
    else:
        leaf = [(box(0.02, h), dx * w, 0, plain(dark)) for dx in (-0.25, 0.0, 0.25)]
    side = float(rng.choice([-1, 1]))
    leaf.append((disc(0.045), side * 0.33 * w, 0.05 * h, plain((0.95, 0.8, 0.35))))
    shape = arch if round_top else box
    parts = [
        piece("door frame", shape(w + 0.14, h + 0.08), plain(s.trim, rim=0.04), x, -h / 2 - 0.04),
        piece("door", shape(w, h), inlaid(plain(colour, rim=0.03), *leaf), x, -h / 2),
        piece("step", box(w + 0.3, 0.1), plain((0.7, 0.68, 0.64), rim=0.04), x, -0.04),
    ]
    if _chance(rng, 0.4):
        number = lettering(str(rng.integers(1, 100)), s.trim, DARK, 0.26, 0.2)
        parts.append(piece("number", box(0.26, 0.2), number, x, -h - 0.2))
    return parts


def _sign(style: Style, rng: np.random.Generator, x: float, y: float, w: float, h: float) -> list[Part]:
    s = style.scheme
    board, ink = _pick(rng, ((s.door, s.trim), (s.trim, s.roof), (s.accent, DARK), (s.roof, s.accent)))
    return [
        piece("sign frame", box(w + 0.08, h + 0.08, 0.03), plain(DARK), x, y),
        piece("sign", box(w, h), lettering(word(rng), board, ink, w, h), x, y),
    ]


def _roof(style: Style, rng: np.random.Generator, w: float, h: float, kind: str = "") -> list[Part]:
    """The roof of a wall that is w wide and h high."""
    s, kind = style.scheme, kind or style.roof
    tiles = planks(s.roof, _shade(s.roof, 1.25), 0.14)
    tiles = stained(tiles, rng, 0.8, 1.0)
    if kind == "gable":
        high = rng.uniform(0.3, 0.42) * w
        parts = [piece("roof", triangle(1.14 * w, high), tiles, 0, -h - high)]
        if _chance(rng, 0.7):
            parts += _window(style, rng, 0, -h - 0.36 * high, 0.34, 0.34, "round")
    elif kind == "steps":
        high, count = rng.uniform(0.34, 0.44) * w, int(rng.integers(3, 5))
        steps = [(box(w * (1 - k / count) + 0.04, high / count), 0.0, -(k + 0.5) * high / count) for k in range(count)]
        parts = [piece("roof", union(*steps), _wall(style, rng), 0, -h)]
        caps = [(box(w * (1 - k / count) + 0.14, 0.07), 0.0, -(k + 1) * high / count) for k in range(count)]
        parts.append(piece("coping", union(*caps), plain(s.trim, rim=0.03), 0, -h))
        parts += _window(style, rng, 0, -h - 0.4 * high, 0.34, 0.38, "arch")
    elif kind == "hip":
        high = rng.uniform(0.55, 0.8)
        parts = [piece("roof", trapezoid(1.12 * w, rng.uniform(0.6, 0.8) * w, high), tiles, 0, -h - high / 2)]
        for x in rng.permutation([-0.25, 0.0, 0.25])[: rng.integers(0, 3)]:
            parts.append(piece("dormer", box(0.46, 0.4), plain(s.wall, rim=0.05), x * w, -h - 0.3))
            parts += _window(style, rng, x * w, -h - 0.3, 0.3, 0.3, "cross")
            parts.append(piece("dormer roof", triangle(0.6, 0.2), plain(s.roof, rim=0.05), x * w, -h - 0.68))
    else:
        high, teeth = 0.34, int(rng.integers(4, 8))
        parts = [piece("cornice", box(1.06 * w, 0.14), plain(s.trim, rim=0.04), 0, -h)]
        if _chance(rng, 0.5):
            blocks = [(box(0.5 * w / teeth, 0.24), w * ((k + 0.5) / teeth - 0.5), -0.17) for k in range(teeth)]
            parts.insert(0, piece("battlement", union(*blocks), plain(s.other, rim=0.04), 0, -h))
        else:
            parts.insert(0, piece("parapet", box(w, 0.3), dots(s.wall, s.trim, w / (2 * teeth)), 0, -h - 0.18))
    if kind in ("gable", "hip") and _chance(rng, 0.7):
        x = float(rng.choice([-1, 1])) * rng.uniform(0.2, 0.32) * w
        chimney = planks(s.other, s.roof, 0.12)
        parts.insert(0, piece("chimney", box(0.26, 0.8), chimney, x, -h - 0.5 * high - 0.1))
        parts.insert(1, piece("chimney top", box(0.34, 0.08), plain(s.trim, rim=0.02), x, -h - 0.5 * high - 0.5))
    return parts


def _clock(style: Style, rng: np.random.Generator, x: float, y: float, radius: float) -> list[Part]:
    hours = [
        (disc(0.07 * radius), 0.78 * radius * math.sin(t), 0.78 * radius * math.cos(t), plain(DARK))
        for t in np.arange(12) * math.pi / 6
    ]
    face = inlaid(plain(style.scheme.trim), *hours)
    turns = rng.uniform(0, 2 * math.pi, 2)
    return [
        piece("clock rim", disc(1.15 * radius), plain(style.scheme.roof, rim=0.04), x, y),
        piece("clock", disc(radius), face, x, y),
        piece("hand", union((box(0.06, 0.6 * radius), 0, -0.3 * radius)), plain(DARK), x, y, turns[0]),
        piece("hand", union((box(0.05, 0.8 * radius), 0, -0.4 * radius)), plain(DARK), x, y, turns[1]),
    ]


def _ivy(rng: np.random.Generator, w: float, h: float) -> Part:
    side, tall = float(rng.choice([-1, 1])), rng.uniform(0.4, 0.9) * h
    blobs = [
        (ellipse(rng.uniform(0.3, 0.7), rng.uniform(0.4, 0.7)), side * rng.uniform(-0.15, 0.15), -y)
        for y in np.arange(0.2, tall, 0.35)
    ]
    return piece("ivy", union(*blobs), foliage(rng), side * (w / 2 - 0.2), 0)


def _lantern(rng: np.random.Generator, x: float, y: float) -> list[Part]:
    return [
        piece("bracket", box(0.2, 0.04), plain(DARK), x, y),
        piece("lantern", box(0.16, 0.24, 0.04), plain((0.99, 0.85, 0.45), rim=0.05), x, y + 0.16),
    ]


def foreground(rng: np.random.Generator, left: float, right: float) -> Thing:
    """A tree, a bush, a street lamp, a bench or a fence that always stands before a place, near one of its ends."""
    x = (left, right)[rng.integers(2)] + rng.uniform(-0.3, 0.3)
    wood, iron = planks((0.5, 0.36, 0.24), (0.62, 0.46, 0.3), 0.1, rim=0.03), plain((0.25, 0.27, 0.32), rim=0.03)
    tall = rng.uniform(0.9, 1.5)
    crown = union((disc(0.5), 0, -tall - 0.3), (disc(0.36), -0.35, -tall), (disc(0.38), 0.35, -tall - 0.05))
    kind = rng.integers(5)
    if kind == 0:
        parts = [("trunk", union((box(0.18, tall), 0, -tall / 2)), wood), ("crown", crown, foliage(rng))]
    elif kind == 1:
        bush = union((ellipse(0.8, 0.6), -0.3, -0.2), (ellipse(0.7, 0.7), 0.2, -0.25))
        parts = [("bush", bush, foliage(rng))]
    elif kind == 2:
        light = plain((0.99, 0.9, 0.62), rim=0.06)
        parts = [
            ("post", union((box(0.07, tall + 0.3), 0, -tall / 2 - 0.1), (box(0.26, 0.12), 0, 0)), iron),
            ("lamp", union((disc(0.17), 0, -tall - 0.35)), light),
        ]
    elif kind == 3:
        legs = union((box(0.06, 0.3), -0.35, -0.15), (box(0.06, 0.3), 0.35, -0.15))
        seat = union((box(0.95, 0.1), 0, -0.32), (box(0.95, 0.08), 0, -0.5), (box(0.95, 0.08), 0, -0.64))
        parts = [("legs", legs, iron), ("bench", seat, wood)]
    else:
        pickets = [(box(0.1, 0.5), dx, -0.25) for dx in np.linspace(-0.5, 0.5, 6)]
        parts = [("fence", union((box(1.2, 0.07), 0, -0.3), *pickets), plain((0.95, 0.93, 0.88), rim=0.03))]
    pieces = [piece(name, shape, texture, 0, 0, kind="scene") for name, shape, texture in parts]
    return Thing(pieces, x, rng.uniform(0.02, 0.12), rng.uniform(1.08, 1.2))


# Families


def house(style: Style, rng: np.random.Generator) -> list[Thing]:
    """Storeys of windows, a door, a roof; a balcony, ivy, a sign or a lantern."""
    columns, rows = int(rng.integers(2, 5)), int(rng.integers(2, 4))
    w, storey = rng.uniform(0.68, 0.82) * columns + 0.35, rng.uniform(0.95, 1.12)
    h = rows * storey
    body = [piece("wall", box(w, h), _wall(style, rng), 0, -h / 2)]
    roof = _roof(style, rng, w, h)
    front: list[Part] = []
    at_door = int(rng.integers(columns))
    for row in range(rows):
        for column in range(columns):
            x, y = w * ((column + 0.5) / columns - 0.5), -(row + 0.52) * storey
            if row == 0 and column == at_door:
                body += _door(style, rng, x, 0.46, 0.86)
                if _chance(rng, 0.5):
                    front += _lantern(rng, x + 0.42, -0.8)
            elif not _chance(rng, 0.12):
                body += _window(style, rng, x, y, 0.42, 0.56)
                if row and _chance(rng, 0.15):
                    rails = stripes(style.scheme.trim, DARK, 0.12, upright=True)
                    front.append(piece("balcony", box(0.72, 0.3), rails, x, y + 0.3))
    if _chance(rng, 0.5):
        body.append(piece("band", box(w, 0.07), plain(style.scheme.trim, rim=0.03), 0, -storey))
    if _chance(rng, 0.5):
        front += _sign(style, rng, w * rng.uniform(-0.25, 0.25), -storey, rng.uniform(0.8, 1.1), 0.26)
    if _chance(rng, 0.35):
        body.append(_ivy(rng, w, h))
    return [Thing([*body[:1], *roof, *body[1:]]), Thing(front, nearness=1.06)]


def shop(style: Style, rng: np.random.Generator) -> list[Thing]:
    """A display below an awning, a sign with its name, windows above."""
    s, w = style.scheme, rng.uniform(2.3, 3.1)
    h = rng.uniform(2.3, 2.7)
    body = [piece("wall", box(w, h), _wall(style, rng), 0, -h / 2)]
    roof = _roof(style, rng, w, h)
    side = float(rng.choice([-1, 1]))
    wide = 0.58 * w
    shelf = side * (w - wide) / 2 - side * 0.14
    glass = inlaid(plain(s.trim), (box(wide - 0.12, 0.76), 0, 0, fade(GLASS[0], (0.86, 0.76, 0.56), 0.8)))
    body.append(piece("display", box(wide, 0.9), glass, shelf, -0.62))
    for k in range(3):
        body += _goods(rng, shelf + wide * (k - 1) * 0.29, -0.26)
    body += _door(style, rng, -side * (w / 2 - 0.45), 0.5, 0.96)
    count = int(rng.integers(2, 5))
    for k in range(count):
        body += _window(style, rng, w * ((k + 0.5) / count - 0.5), -h + 0.5, 0.44, 0.56)
    cloth = stripes(_pick(rng, (s.accent, s.door, s.roof)), s.trim, rng.uniform(0.26, 0.44), upright=True, rim=0.04)
    awning = union(
        (trapezoid(wide + 0.36, wide + 0.1, 0.34), 0, 0),
        *((disc(0.1), dx, 0.17) for dx in np.linspace(-wide / 2, wide / 2, 8)),
    )
    front = [piece("awning", awning, cloth, shelf, -1.2)]
    front += _sign(style, rng, side * rng.uniform(-0.1, 0.25), -1.56, rng.uniform(1.1, 1.7), 0.32)
    return [Thing([*body[:1], *roof, *body[1:]]), Thing(front, nearness=1.06)]


def _goods(rng: np.random.Generator, x: float, y: float) -> list[Part]:
    """One of the things of the world, behind glass."""
    choices: tuple[tuple[props.Prop, float, float], ...] = (
        (props.ball, 0.5, -0.2), (props.drum, 0.45, -0.18), (props.guitar, 0.32, -0.18), (props.chair, 0.32, -0.02),
        (props.bucket, 0.6, -0.5), (props.cup, 0.9, -0.02), (props.log, 0.42, -0.02), (props.book, 0.5, 0.0),
        (props.parcel, 0.7, -0.16), (props.umbrella, 0.34, 0.0),
    )  # fmt: skip
    prop, size, lift = _pick(rng, choices)
    parts = prop(transform(np.array([x]), y + lift, 0.0, size))
    return [dataclasses.replace(part, kind="place") for part in parts]


def tower(style: Style, rng: np.random.Generator) -> list[Thing]:
    """A clock tower beside a low wing."""
    s, w, h = style.scheme, rng.uniform(1.05, 1.4), rng.uniform(3.0, 3.6)
    shaft = [piece("shaft", trapezoid(1.12 * w, w, h), _wall(style, rng), 0, -h / 2)]
    top = rng.integers(3)
    tiles = planks(s.roof, s.accent, 0.16) if _chance(rng, 0.3) else stripes(s.roof, _shade(s.roof, 0.8), 0.2)
    if top == 0:
        shaft.append(piece("spire", triangle(1.25 * w, 1.15), tiles, 0, -h - 1.15))
        high = 1.15
    elif top == 1:
        dome = Shape(lambda x, y: np.maximum(disc(0.62 * w).distance(x, y), y), 0.62 * w)
        shaft += [piece("dome", dome, tiles, 0, -h), piece("knob", box(0.06, 0.5), plain(s.accent), 0, -h - 0.62 * w)]
        high = 0.62 * w + 0.25
    else:
        blocks = [(box(0.2, 0.3), x * w, -0.2) for x in (-0.5, -0.17, 0.17, 0.5)]
        shaft.append(
            piece("battlement", union((box(1.22 * w, 0.2), 0, 0.05), *blocks), plain(s.other, rim=0.05), 0, -h)
        )
        high = 0.35
    if _chance(rng, 0.5):
        shaft.append(piece("pole", box(0.04, 0.9), plain(DARK), 0, -h - high))
        flag = checks(s.accent, s.trim, 0.3) if _chance(rng, 0.5) else stripes(s.accent, s.door, 0.2)
        shaft.append(piece("flag", box(0.5, 0.3), flag, 0.26, -h - high - 0.3))
    shaft += _clock(style, rng, 0, -h + rng.uniform(0.5, 0.7), 0.36 * w)
    for y in np.linspace(-h + 1.35, -1.3, int(rng.integers(1, 4))):
        for x in _pick(rng, ((0.0,), (-0.24, 0.24))):
            shaft += _window(style, rng, x * w, y, 0.3, 0.44)
    for y in rng.uniform(0.3, 0.9, 2):
        shaft.append(piece("band", box(1.1 * w, 0.08), plain(s.trim, rim=0.03), 0, -y * h))
    side = float(rng.choice([-1, 1]))
    wing_w, wing_h = rng.uniform(1.0, 1.6), rng.uniform(1.1, 1.5)
    wing = [piece("wing", box(wing_w, wing_h), _wall(style, rng), 0, -wing_h / 2)]
    roof = _roof(style, rng, wing_w, wing_h)
    wing += roof
    count = 1 + int(wing_w > 1.25)
    for k in range(count):
        wing += _window(style, rng, wing_w * ((k + 0.5) / count - 0.5), -0.66, 0.36, 0.5)
    shaft += _door(style, rng, 0, 0.44, 0.84)
    middle = -side * 0.3 * wing_w
    return [Thing(wing, x=middle + side * (w + wing_w) / 2, nearness=0.97), Thing(shaft, x=middle)]


def church(style: Style, rng: np.random.Generator) -> list[Thing]:
    """A nave with a rose window, a steeple at one side."""
    s, w, h = style.scheme, rng.uniform(1.9, 2.4), rng.uniform(1.5, 1.9)
    wall = _wall(style, rng)
    high = rng.uniform(0.75, 1.0)
    tiles = planks(s.roof, _shade(s.roof, 1.25), 0.14)
    nave = [
        piece("gable", triangle(1.14 * w, high), tiles, 0, -h - high),
        piece("gable wall", triangle(0.86 * w, 0.75 * high), wall, 0, -h - 0.75 * high + 0.02),
        piece("nave", box(w, h), wall, 0, -h / 2),
    ]
    radius, petals = rng.uniform(0.28, 0.36), int(rng.integers(3, 9))
    glass = inlaid(
        rays(GLASS[1], s.accent, petals),
        (disc(0.3 * radius), 0, 0, plain(s.door)),
        (ring(0.6 * radius, 0.05), 0, 0, plain(s.trim)),
    )
    nave += [
        piece("rose rim", disc(radius + 0.07), plain(s.trim, rim=0.03), 0, -h + 0.1),
        piece("rose", disc(radius), glass, 0, -h + 0.1),
    ]
    nave += _door(style, rng, 0, 0.56, 0.9)
    for x in (-0.34, 0.34):
        nave += _window(style, rng, x * w, -0.75, 0.3, 0.7, "arch")
    side, tall, wide = float(rng.choice([-1, 1])), rng.uniform(2.5, 3.0), rng.uniform(0.75, 0.95)
    spire = rng.uniform(0.9, 1.3)
    steeple = [
        piece("spire", triangle(1.2 * wide, spire), tiles, 0, -tall - spire),
        piece("steeple", box(wide, tall), _wall(style, rng), 0, -tall / 2),
        piece("eaves", box(1.15 * wide, 0.09), plain(s.trim, rim=0.03), 0, -tall),
    ]
    if _chance(rng, 0.5):
        steeple += _clock(style, rng, 0, -tall + 0.45, 0.26)
    else:
        steeple += _window(style, rng, 0, -tall + 0.45, 0.36, 0.5, "arch")
    for y in np.linspace(-tall + 1.2, -0.7, int(rng.integers(1, 4))):
        steeple += _window(style, rng, 0, y, 0.26, 0.4)
    star = _pick(
        rng,
        (
            union((box(0.05, 0.3), 0, 0), (box(0.22, 0.05), 0, -0.04)),
            disc(0.1),
            union((triangle(0.24, 0.2), 0, -0.1)),
        ),
    )
    steeple.append(piece("vane", star, plain(s.accent), 0, -tall - spire - 0.1))
    middle = -side * 0.35 * wide
    return [Thing(steeple, x=middle + side * (w + wide) / 2.1, nearness=0.97), Thing(nave, x=middle)]


def gate(style: Style, rng: np.random.Generator) -> list[Thing]:
    """An arch one can look through, between two turrets."""
    s, w, h = style.scheme, rng.uniform(2.0, 2.5), rng.uniform(2.1, 2.5)
    opening, tall = rng.uniform(0.36, 0.46) * w, rng.uniform(1.3, 1.6)
    wall = cut(box(w, h), arch(opening, tall), 0, (h - tall) / 2 + 0.01)
    body = [piece("wall", wall, _wall(style, rng), 0, -h / 2)]
    rim = cut(arch(opening + 0.22, tall + 0.11), arch(opening, tall), 0, 0.06)
    body.append(piece("arch", rim, planks(s.trim, s.other, 0.13), 0, -tall / 2 - 0.05))
    count = int(rng.integers(4, 7))
    blocks = [(box(0.55 * w / count, 0.26), w * ((k + 0.5) / count - 0.5), -0.1) for k in range(count)]
    body.append(piece("battlement", union(*blocks), plain(s.wall, rim=0.05), 0, -h))
    crest = _pick(
        rng,
        (
            checks(s.accent, s.trim, 0.3),
            rays(s.accent, s.door, int(rng.integers(2, 6))),
            stripes(s.trim, s.roof, 0.2),
        ),
    )
    shield = union((box(0.42, 0.3), 0, -0.1), (ellipse(0.42, 0.46), 0, 0.05))
    body.append(piece("crest", shield, crest, 0, -h + 0.42))
    for x in (-0.5, 0.5):
        if _chance(rng, 0.7):
            body += _window(style, rng, 0.62 * x * w, -h + 0.5, 0.26, 0.4)
    turrets: list[Part] = []
    wide = rng.uniform(0.55, 0.75)
    for side in (-1, 1):
        x, top = side * (w + wide) / 2, h + rng.uniform(0.2, 0.8)
        turrets.append(piece("turret", box(wide, top), _wall(style, rng), x, -top / 2))
        if _chance(rng, 0.6):
            turrets.append(
                piece(
                    "cone",
                    triangle(1.3 * wide, 0.8),
                    stripes(s.roof, s.accent, 0.22) if _chance(rng, 0.3) else plain(s.roof, rim=0.08),
                    x,
                    -top - 0.8,
                )
            )
        else:
            turrets.append(piece("rim", box(1.2 * wide, 0.2), checks(s.trim, s.other, 0.24), x, -top))
        for y in np.linspace(-top + 0.5, -0.6, int(rng.integers(1, 4))):
            turrets += _window(style, rng, x, y, 0.24, 0.4)
    return [Thing(body, nearness=0.97), Thing(turrets)]


def monument(style: Style, rng: np.random.Generator) -> list[Thing]:
    """A puppet of stone on a plinth with a name."""
    s, stone = style.scheme, _pick(rng, STONES)
    w, h = rng.uniform(1.1, 1.5), rng.uniform(1.0, 1.4)
    block = stained(planks(s.wall, s.other, 0.3), rng, 0.75, 1.0)
    parts = [
        piece("step", box(w + 0.9, 0.18), plain(s.other, rim=0.04), 0, -0.09),
        piece("step", box(w + 0.5, 0.18), plain(s.wall, rim=0.04), 0, -0.27),
        piece("plinth", trapezoid(1.1 * w, w, h), block, 0, -0.36 - h / 2),
        piece("cap", box(w + 0.2, 0.12), plain(s.trim, rim=0.04), 0, -0.4 - h),
    ]
    parts += _sign(style, rng, 0, -0.36 - 0.6 * h, 0.8 * w, 0.28)
    relief = _pick(
        rng,
        (
            rays(s.other, s.trim, int(rng.integers(3, 8))),
            dots(s.other, s.trim, 0.14),
            checks(s.other, s.trim, 0.2),
        ),
    )
    parts.append(piece("relief", box(0.7 * w, 0.24), relief, 0, -0.36 - 0.2 * h))
    statue = _statue(rng, stone)
    parts += [dataclasses.replace(p, pose=transform(0, -0.44 - h, 0.0, 0.52) @ p.pose) for p in statue]
    if _chance(rng, 0.6):
        wide = w / 2 + rng.uniform(0.5, 0.8)
        for side in (-1, 1):
            parts.append(
                piece("column", box(0.24, 1.5), stripes(s.trim, s.other, 0.09, upright=True), side * wide, -0.75)
            )
            parts.append(piece("capital", box(0.36, 0.12), plain(s.trim, rim=0.03), side * wide, -1.5))
            parts.append(
                piece(
                    "ball",
                    _pick(rng, (disc(0.2), triangle(0.4, 0.4), box(0.3, 0.3))),
                    plain(stone, rim=0.08),
                    side * wide,
                    -1.75,
                )
            )
    return [Thing(parts)]


def _statue(rng: np.random.Generator, stone: Colour) -> list[Part]:
    chosen = _pick(rng, acts.SOURCE)
    when = Timing(1, rng.uniform(0, 2 * math.pi, 1), np.full(1, 0.5), _pick(rng, ("left", "right")))
    parts = acts.perform(random_look(rng), transform(np.zeros(1), 0), chosen.motion(when), chosen.things, when.side)
    return [dataclasses.replace(p, texture=one_colour(p.texture, stone), kind="place") for p in parts]


def mural(style: Style, rng: np.random.Generator) -> list[Thing]:
    """A wall that somebody has painted."""
    s, w, h = style.scheme, rng.uniform(3.2, 4.0), rng.uniform(2.0, 2.5)
    colours = (s.accent, s.door, s.roof, s.trim, DARK, (0.9, 0.4, 0.35), (0.25, 0.55, 0.6))
    pieces: list[tuple[Shape, float, float, Texture]] = []
    for _ in range(int(rng.integers(9, 14))):
        first, second = (colours[i] for i in rng.permutation(len(colours))[:2])
        size = rng.uniform(0.3, 0.9)
        shape = _pick(
            rng,
            (
                disc(size / 2),
                box(size, 0.6 * size),
                triangle(size, size),
                ring(0.4 * size, 0.16),
                ellipse(size, 0.5 * size),
                arch(0.6 * size, size),
            ),
        )
        paint = _pick(
            rng,
            (
                plain(first),
                stripes(first, second, 0.2),
                checks(first, second, 0.3),
                dots(first, second, 0.2),
                rays(first, second, int(rng.integers(3, 8))),
            ),
        )
        pieces.append((shape, rng.uniform(-0.45, 0.45) * w, rng.uniform(-0.4, 0.4) * h, paint))
    parts = [piece("wall", box(w, h), inlaid(_wall(style, rng), *pieces), 0, -h / 2)]
    parts.append(piece("coping", box(w + 0.16, 0.14), plain(s.roof, rim=0.04), 0, -h))
    written = lettering(word(rng), s.accent, s.roof, 1.3, 0.5)
    parts.append(piece("name", box(1.3, 0.5), written, rng.uniform(-0.25, 0.25) * w, rng.uniform(-0.75, -0.3) * h))
    if _chance(rng, 0.5):
        parts += _door(style, rng, float(rng.choice([-1, 1])) * 0.38 * w, 0.46, 0.9)
    return [Thing(parts)]


def windmill(style: Style, rng: np.random.Generator) -> list[Thing]:
    """A windmill that stands still."""
    s, h = style.scheme, rng.uniform(2.5, 2.9)
    wide, top = rng.uniform(1.6, 2.0), rng.uniform(0.8, 1.0)
    cap = Shape(lambda x, y: np.maximum(ellipse(1.25 * top, 1.2).distance(x, y), y), 0.7 * top + 0.3)
    parts = [
        piece("body", trapezoid(wide, top, h), _wall(style, rng), 0, -h / 2),
        piece("cap", cap, stripes(s.roof, _shade(s.roof, 0.8), 0.2, upright=True), 0, -h),
    ]
    parts += _door(style, rng, 0, 0.48, 0.86)
    for y in np.linspace(-h + 0.9, -1.35, int(rng.integers(1, 3))):
        for x in _pick(rng, ((0.0,), (-0.26, 0.26))):
            parts += _window(style, rng, x * wide, y, 0.34, 0.42)
    if _chance(rng, 0.6):
        rails = stripes(s.trim, DARK, 0.14, upright=True)
        parts.append(piece("gallery", box(1.2 * wide, 0.22), rails, 0, -rng.uniform(0.4, 0.55) * h))
    turn, length = rng.uniform(0, math.pi / 2), rng.uniform(1.4, 1.7)
    sail = (checks(s.trim, s.accent, 0.26), stripes(s.trim, s.door, 0.24), planks(s.trim, s.other, 0.12))[
        rng.integers(3)
    ]
    hub = -h - 0.12
    sails: list[Part] = []
    for k in range(4):
        angle = turn + k * math.pi / 2
        cloth = union((box(0.34, 0.75 * length), 0.17, -0.6 * length))
        sails.append(piece("sail", cloth, sail, 0, hub, angle))
        sails.append(piece("spar", union((box(0.07, length), 0, -length / 2)), plain(DARK), 0, hub, angle))
    sails.append(piece("hub", disc(0.16), plain(s.accent, rim=0.06), 0, hub))
    return [Thing(parts), Thing(sails, nearness=1.06)]


def robot(style: Style, rng: np.random.Generator) -> list[Thing]:
    """A toy robot."""
    s = style.scheme
    w, h = rng.uniform(1.1, 1.5), rng.uniform(1.1, 1.4)
    legs, tin = 0.7, stained(plain(s.wall, rim=0.08), rng, 0.85, 0.8)
    head_w, head_h = rng.uniform(0.7, 1.0), rng.uniform(0.55, 0.75)
    parts = []
    for side in (-1, 1):
        parts.append(piece("leg", box(0.3, legs), stripes(s.other, s.roof, 0.16), side * 0.27 * w, -legs / 2))
        parts.append(piece("foot", box(0.46, 0.18, 0.06), plain(s.roof, rim=0.05), side * 0.3 * w, -0.09))
        arm = union((box(0.22, 0.9, 0.08), 0, 0.36), (ring(0.15, 0.1), 0, 0.92))
        parts.append(
            piece(
                "arm",
                arm,
                plain(s.other, rim=0.05),
                side * (w / 2 + 0.14),
                -legs - h + 0.2,
                -side * rng.uniform(0.0, 2.6),
            )
        )
    panel: list[tuple[Shape, float, float, Texture]] = [(box(0.76 * w, 0.62 * h, 0.05), 0, 0.05, plain(s.trim))]
    lamps = ((0.9, 0.3, 0.3), (0.98, 0.8, 0.3), (0.3, 0.7, 0.5), s.door, s.accent)
    for x in (-0.22, 0.0, 0.22):
        for y in (-0.14, 0.06, 0.26):
            lamp = _pick(rng, (disc(0.09), box(0.16, 0.1), box(0.08, 0.18)))
            if _chance(rng, 0.75):
                panel.append((lamp, x * w, y * h, plain(_pick(rng, lamps), rim=0.02)))
    top = -legs - h
    parts.append(piece("body", box(w, h, 0.08), inlaid(tin, *panel), 0, top + h / 2))
    eyes = _pick(rng, (disc(0.12), box(0.2, 0.14), ring(0.1, 0.07)))
    face: list[tuple[Shape, float, float, Texture]] = [(eyes, side * 0.22, -0.06, plain(DARK)) for side in (-1, 1)]
    face.append((box(rng.uniform(0.2, 0.5), 0.09), 0, 0.17, stripes(s.trim, DARK, 0.08, upright=True)))
    parts.append(piece("head", box(head_w, head_h, 0.1), inlaid(tin, *face), 0, top - head_h / 2))
    for x in _pick(rng, ((0.0,), (-0.25, 0.25))):
        parts.append(piece("antenna", box(0.05, 0.4), plain(DARK), x, top - head_h - 0.2))
        parts.append(piece("tip", disc(0.1), plain(s.accent, rim=0.04), x, top - head_h - 0.4))
    return [Thing(parts)]


def vase(style: Style, rng: np.random.Generator) -> list[Thing]:
    """A painted vase with flowers."""
    s, h = style.scheme, rng.uniform(1.6, 2.0)
    belly, neck = rng.uniform(1.2, 1.6), rng.uniform(0.4, 0.6)
    shape = union(
        (ellipse(belly, 0.72 * h), 0, -0.38 * h),
        (box(neck, 0.5 * h), 0, -0.75 * h),
        (box(1.5 * neck, 0.1, 0.05), 0, -h),
        (box(0.6 * belly, 0.1), 0, -0.05),
    )
    rings: list[tuple[Shape, float, float, Texture]] = []
    for y in np.sort(rng.uniform(-0.62, -0.12, 2)) * h:
        paint = _pick(
            rng,
            (
                checks(s.accent, s.trim, 0.2),
                dots(s.trim, s.door, 0.18),
                stripes(s.roof, s.trim, 0.16, upright=True),
            ),
        )
        rings.append((box(2, rng.uniform(0.14, 0.24)), 0, y, paint))
    motif = _pick(rng, (disc(0.26), triangle(0.5, 0.46), box(0.4, 0.4), ellipse(0.6, 0.3), ring(0.2, 0.12)))
    rings.append((motif, 0, -0.4 * h, rays(s.trim, _pick(rng, (s.door, s.accent, s.roof)), int(rng.integers(2, 8)))))
    glaze = stained(plain(s.wall, rim=0.14), rng, 0.86, 0.9)
    parts = [
        piece("stem", box(0.05, 1.1), plain(LEAVES[0]), x, -h - 0.3, t) for x, t in ((0, 0.0), (-0.1, -0.4), (0.1, 0.4))
    ]
    for x, y in ((0.0, -0.9), (-0.32, -0.75), (0.32, -0.75)):
        number, colour = (
            int(rng.integers(4, 8)),
            _pick(rng, (s.accent, (0.9, 0.35, 0.4), (0.97, 0.93, 0.96), (0.6, 0.45, 0.75))),
        )
        leaves = [
            (disc(0.12), 0.17 * math.sin(t), 0.17 * math.cos(t)) for t in np.arange(number) * 2 * math.pi / number
        ]
        parts.append(piece("blossom", union(*leaves), plain(colour, rim=0.05), x, -h + y))
        parts.append(piece("heart", disc(0.09), plain((0.96, 0.8, 0.3), rim=0.03), x, -h + y))
    parts.append(piece("vase", shape, inlaid(glaze, *rings), 0, 0))
    return [Thing(parts)]


def cuckoo_clock(style: Style, rng: np.random.Generator) -> list[Thing]:
    """A carved clock with weights."""
    s, w, h = style.scheme, rng.uniform(1.3, 1.6), rng.uniform(1.2, 1.5)
    lift = 0.9
    wood = stained(planks(s.wall, s.other, 0.22), rng, 0.8, 0.9)
    parts = []
    for x in (-0.22, 0.22):
        low = rng.uniform(0.2, 0.6)
        parts.append(piece("chain", box(0.04, lift - low + 0.2), plain(DARK), x, -(lift + low) / 2))
        parts.append(piece("weight", ellipse(0.16, 0.4), stripes(s.roof, s.accent, 0.14, rim=0.04), x, -low))
    high = rng.uniform(0.55, 0.8)
    scallops = [(disc(0.12), x, 0.0) for x in np.linspace(-0.6, 0.6, 7) * w]
    parts += [
        piece("case", box(w, h), wood, 0, -lift - h / 2),
        piece(
            "roof", union((triangle(1.35 * w, high), 0, -high), *scallops), planks(s.roof, s.other, 0.16), 0, -lift - h
        ),
    ]
    parts += _clock(style, rng, 0, -lift - 0.4 * h, 0.3)
    parts += _window(style, rng, 0, -lift - h - 0.28 * high, 0.34, 0.36, _pick(rng, ("arch", "round", "cross")))
    for side in (-1, 1):
        leaf = (ellipse(0.26, 0.5), union((disc(0.13), 0, -0.1), (disc(0.13), 0, 0.1)), triangle(0.3, 0.4))[
            rng.integers(3)
        ]
        parts.append(
            piece(
                "carving",
                leaf,
                _pick(rng, (plain(s.door, rim=0.05), plain(LEAVES[0], rim=0.05), dots(s.trim, s.roof, 0.14))),
                side * 0.42 * w,
                -lift - rng.uniform(0.2, 0.8) * h,
                side * rng.uniform(-0.5, 0.5),
            )
        )
    band = (checks(s.accent, s.trim, 0.18), dots(s.other, s.trim, 0.16), stripes(s.door, s.trim, 0.14, upright=True))[
        rng.integers(3)
    ]
    parts.append(piece("band", box(w, 0.18), band, 0, -lift - 0.09))
    return [Thing(parts)]


FAMILIES: dict[str, Callable[[Style, np.random.Generator], list[Thing]]] = {
    family.__name__: family
    for family in (house, shop, tower, church, gate, monument, mural, windmill, robot, vase, cuckoo_clock)
}
OBJECTS = ("robot", "vase", "cuckoo_clock")
"""Families that stand on a table, a different one each time."""
