"""Walls, windows, doors, signs, roofs, clocks, and what stands in front of a place."""

import itertools
import math

import numpy as np

from labkit.world.buildings.pieces import (
    Inlay,
    Thing,
    arch,
    columns,
    foliage,
    inlaid,
    lettering,
    piece,
    stained,
    trapezoid,
    word,
)
from labkit.world.buildings.style import DARK, GLASS, LEAVES, Scheme, Style, chance, pick, shade, side_of
from labkit.world.render import Part, Shape, Texture
from labkit.world.shapes import box, disc, dots, ellipse, fade, plain, planks, stripes, triangle, union


def wall_texture(style: Style, rng: np.random.Generator) -> Texture:
    """Bricks, planks, plaster, stripes or stones, stained."""
    paint = style.scheme
    texture = {
        "bricks": planks(paint.wall, paint.other, 0.17),
        "planks": stripes(paint.wall, paint.other, 0.22, upright=True),
        "plaster": plain(paint.wall),
        "stripes": stripes(paint.wall, paint.other, 0.5),
        "stones": planks(paint.other, paint.wall, 0.32),
    }[style.wall]
    return stained(texture, rng, 0.66 if style.wall == "plaster" else 0.78, rng.uniform(1.0, 1.8))


def window(
    style: Style, rng: np.random.Generator, x: float, y: float, width: float, height: float, kind: str = ""
) -> list[Part]:
    """A window with whatever can be seen in it."""
    paint, kind = style.scheme, kind or style.window
    if kind == "round":
        width = height = min(width, height)
        outer, inner = disc(width / 2), disc(width / 2 - 0.05)
    elif kind == "arch":
        outer, inner = arch(width, height), arch(width - 0.1, height - 0.1)
    else:
        width = 0.8 * width if kind == "tall" else width
        outer, inner = box(width, height), box(width - 0.1, height - 0.1)
    pieces = _behind_glass(paint, rng, inner, width, height)
    bars = plain(paint.trim)
    if kind != "round" or chance(rng, 0.5):
        pieces.append((box(0.04, height), 0, 0, bars))
    if kind in ("cross", "shutters", "round"):
        pieces.append((box(width, 0.04), 0, -0.08 * height, bars))
    ground = plain(paint.trim, rim=0.03)
    parts = [piece("window", outer, inlaid(ground, *pieces), x, y)]
    if kind == "shutters":
        shutter = stripes(paint.door, shade(paint.door, 0.75), 0.1, rim=0.03)
        parts += [piece("shutter", box(0.34 * width, height), shutter, x + side * 0.68 * width, y) for side in (-1, 1)]
    if kind != "round":
        parts.append(piece("sill", box(1.15 * width, 0.06), plain(paint.trim, rim=0.03), x, y + height / 2))
        if chance(rng, 0.25):
            flowers = dots(LEAVES[0], pick(rng, (paint.accent, (0.9, 0.3, 0.36), (0.97, 0.9, 0.95))), 0.13)
            parts.append(piece("flowers", box(width, 0.2, 0.08), flowers, x, y + height / 2 - 0.02))
            parts.append(piece("flower box", box(width, 0.12), plain(paint.roof, rim=0.03), x, y + height / 2 + 0.09))
    return parts


def _behind_glass(paint: Scheme, rng: np.random.Generator, pane: Shape, width: float, height: float) -> list[Inlay]:
    """The glass of a window and what is behind it: curtains, a blind, a light, a cat, a plant, or nothing."""
    content = rng.integers(6)
    light = content == 3
    pieces: list[Inlay] = [(pane, 0, 0, plain((0.99, 0.86, 0.5)) if light else fade(GLASS[1], GLASS[0], height))]
    if content == 1:  # curtains
        cloth = stripes(paint.accent, paint.trim, 0.1, upright=True)
        pieces += [(box(0.26 * width, height - 0.1), side * (0.37 * width - 0.04), 0, cloth) for side in (-1, 1)]
    elif content == 2:  # a blind
        length = rng.uniform(0.25, 0.7) * height
        slats = stripes(paint.trim, paint.other, 0.08)
        pieces.append((box(width - 0.1, length), 0, -height / 2 + length / 2 + 0.05, slats))
    elif content == 4:  # a cat
        left = rng.choice([-1, 1]) * 0.1 * width  # a float64 of NumPy, in whose precision the cat is drawn
        cat = union(
            (ellipse(0.22, 0.26), 0, 0.05),
            (disc(0.09), 0, -0.12),
            *((triangle(0.08, 0.1), ear, -0.25) for ear in (-0.05, 0.05)),
        )
        fur = plain(pick(rng, ((0.15, 0.13, 0.16), (0.9, 0.6, 0.3))))
        pieces.append((cat, left, height / 2 - 0.2, fur))
    elif content == 5:  # a plant
        pieces += [
            (ellipse(0.26, 0.24), 0, height / 2 - 0.24, plain(LEAVES[1])),
            (box(0.14, 0.12), 0, height / 2 - 0.1, plain(paint.roof)),
        ]
    return pieces


def door(style: Style, rng: np.random.Generator, x: float, width: float, height: float) -> list[Part]:
    """A door on the ground."""
    paint = style.scheme
    colour = pick(rng, (paint.door, paint.roof))
    dark = shade(colour, 0.72)
    kind, round_top = rng.integers(4), style.window in ("arch", "round") or chance(rng, 0.3)
    leaf: list[Inlay]
    if kind == 0:
        panel, places = box(0.3 * width, 0.28 * height), itertools.product((-0.2, 0.2), (-0.12, 0.24))
        leaf = [(panel, dx * width, dy * height, plain(dark)) for dx, dy in places]
    elif kind == 1:
        leaf = [
            (box(0.6 * width, 0.3 * height), 0, -0.14 * height, fade(GLASS[1], GLASS[0], height)),
            (box(0.03, 0.3 * height), 0, -0.14 * height, plain(colour)),
        ]
    elif kind == 2:
        leaf = [(disc(0.18 * width), 0, -0.16 * height, plain(GLASS[1]))]
    else:
        leaf = [(box(0.02, height), dx * width, 0, plain(dark)) for dx in (-0.25, 0.0, 0.25)]
    leaf.append((disc(0.045), side_of(rng) * 0.33 * width, 0.05 * height, plain((0.95, 0.8, 0.35))))
    shape = arch if round_top else box
    parts = [
        piece("door frame", shape(width + 0.14, height + 0.08), plain(paint.trim, rim=0.04), x, -height / 2 - 0.04),
        piece("door", shape(width, height), inlaid(plain(colour, rim=0.03), *leaf), x, -height / 2),
        piece("step", box(width + 0.3, 0.1), plain((0.7, 0.68, 0.64), rim=0.04), x, -0.04),
    ]
    if chance(rng, 0.4):
        number = lettering(str(rng.integers(1, 100)), paint.trim, DARK, 0.26, 0.2)
        parts.append(piece("number", box(0.26, 0.2), number, x, -height - 0.2))
    return parts


def sign(style: Style, rng: np.random.Generator, x: float, y: float, width: float, height: float) -> list[Part]:
    """A board with a name."""
    paint = style.scheme
    pairs = (paint.door, paint.trim), (paint.trim, paint.roof), (paint.accent, DARK), (paint.roof, paint.accent)
    board, ink = pick(rng, pairs)
    return [
        piece("sign frame", box(width + 0.08, height + 0.08, 0.03), plain(DARK), x, y),
        piece("sign", box(width, height), lettering(word(rng), board, ink, width, height), x, y),
    ]


def roof(style: Style, rng: np.random.Generator, width: float, height: float) -> list[Part]:
    """The roof of a wall of a width and a height, of tiles with a chimney, in steps, or flat."""
    paint = style.scheme
    tiles = stained(planks(paint.roof, shade(paint.roof, 1.25), 0.14), rng, 0.8, 1.0)
    if style.roof == "steps":
        return _stepped_gable(style, rng, width, height)
    if style.roof == "flat":
        return _parapet(style, rng, width, height)
    tiled = _gable if style.roof == "gable" else _hipped_roof
    parts, rise = tiled(style, rng, width, height, tiles)
    if chance(rng, 0.7):
        x, y = side_of(rng) * rng.uniform(0.2, 0.32) * width, -height - 0.5 * rise
        chimney = piece("chimney", box(0.26, 0.8), planks(paint.other, paint.roof, 0.12), x, y - 0.1)
        return [chimney, piece("chimney top", box(0.34, 0.08), plain(paint.trim, rim=0.02), x, y - 0.5), *parts]
    return parts


def _gable(
    style: Style, rng: np.random.Generator, width: float, height: float, tiles: Texture
) -> tuple[list[Part], float]:
    rise = rng.uniform(0.3, 0.42) * width
    parts = [piece("roof", triangle(1.14 * width, rise), tiles, 0, -height - rise)]
    if chance(rng, 0.7):
        parts += window(style, rng, 0, -height - 0.36 * rise, 0.34, 0.34, "round")
    return parts, rise


def _hipped_roof(
    style: Style, rng: np.random.Generator, width: float, height: float, tiles: Texture
) -> tuple[list[Part], float]:
    paint, rise = style.scheme, rng.uniform(0.55, 0.8)
    slope = trapezoid(1.12 * width, rng.uniform(0.6, 0.8) * width, rise)
    parts = [piece("roof", slope, tiles, 0, -height - rise / 2)]
    for x in width * rng.permutation([-0.25, 0.0, 0.25])[: rng.integers(0, 3)]:
        parts.append(piece("dormer", box(0.46, 0.4), plain(paint.wall, rim=0.05), x, -height - 0.3))
        parts += window(style, rng, x, -height - 0.3, 0.3, 0.3, "cross")
        parts.append(piece("dormer roof", triangle(0.6, 0.2), plain(paint.roof, rim=0.05), x, -height - 0.68))
    return parts, rise


def _stepped_gable(style: Style, rng: np.random.Generator, width: float, height: float) -> list[Part]:
    rise, count = rng.uniform(0.34, 0.44) * width, int(rng.integers(3, 5))
    spans = [(width * (1 - step / count), step) for step in range(count)]
    steps = [(box(span + 0.04, rise / count), 0.0, -(step + 0.5) * rise / count) for span, step in spans]
    caps = [(box(span + 0.14, 0.07), 0.0, -(step + 1) * rise / count) for span, step in spans]
    return [
        piece("roof", union(*steps), wall_texture(style, rng), 0, -height),
        piece("coping", union(*caps), plain(style.scheme.trim, rim=0.03), 0, -height),
        *window(style, rng, 0, -height - 0.4 * rise, 0.34, 0.38, "arch"),
    ]


def _parapet(style: Style, rng: np.random.Generator, width: float, height: float) -> list[Part]:
    paint, teeth = style.scheme, int(rng.integers(4, 8))
    cornice = piece("cornice", box(1.06 * width, 0.14), plain(paint.trim, rim=0.04), 0, -height)
    if chance(rng, 0.5):
        blocks = [(box(0.5 * width / teeth, 0.24), x, -0.17) for x in columns(teeth, width)]
        return [piece("battlement", union(*blocks), plain(paint.other, rim=0.04), 0, -height), cornice]
    studs = dots(paint.wall, paint.trim, width / (2 * teeth))
    return [piece("parapet", box(width, 0.3), studs, 0, -height - 0.18), cornice]


def clock(style: Style, rng: np.random.Generator, x: float, y: float, radius: float) -> list[Part]:
    """A clock with a mark at each hour."""
    angles, ring = np.arange(12) * math.pi / 6, 0.78 * radius
    hours = [(disc(0.07 * radius), ring * math.sin(angle), ring * math.cos(angle), plain(DARK)) for angle in angles]
    face = inlaid(plain(style.scheme.trim), *hours)
    turns = rng.uniform(0, 2 * math.pi, 2)
    return [
        piece("clock rim", disc(1.15 * radius), plain(style.scheme.roof, rim=0.04), x, y),
        piece("clock", disc(radius), face, x, y),
        piece("hand", union((box(0.06, 0.6 * radius), 0, -0.3 * radius)), plain(DARK), x, y, turns[0]),
        piece("hand", union((box(0.05, 0.8 * radius), 0, -0.4 * radius)), plain(DARK), x, y, turns[1]),
    ]


def ivy(rng: np.random.Generator, width: float, height: float) -> Part:
    """Ivy at one side of a wall."""
    side, tall = side_of(rng), rng.uniform(0.4, 0.9) * height
    blobs = [
        (ellipse(rng.uniform(0.3, 0.7), rng.uniform(0.4, 0.7)), side * rng.uniform(-0.15, 0.15), -y)
        for y in np.arange(0.2, tall, 0.35)
    ]
    return piece("ivy", union(*blobs), foliage(rng), side * (width / 2 - 0.2), 0)


def lantern(rng: np.random.Generator, x: float, y: float) -> list[Part]:
    """A lantern that is lit."""
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
