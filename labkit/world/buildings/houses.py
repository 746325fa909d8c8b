"""Houses, shops and murals."""

import dataclasses

import numpy as np

from labkit.world import props
from labkit.world.buildings.parts import door, ivy, lantern, roof, sign, wall_texture, window
from labkit.world.buildings.pieces import Inlay, Thing, arch, columns, inlaid, lettering, piece, trapezoid, word
from labkit.world.buildings.style import DARK, GLASS, Style, chance, pick, side_of
from labkit.world.render import Part, transform
from labkit.world.shapes import box, checks, disc, dots, ellipse, fade, plain, rays, ring, stripes, triangle, union


def house(style: Style, rng: np.random.Generator) -> list[Thing]:
    """Storeys of windows, a door, a roof; a balcony, ivy, a sign or a lantern."""
    count, rows = int(rng.integers(2, 5)), int(rng.integers(2, 4))
    width, storey = rng.uniform(0.68, 0.82) * count + 0.35, rng.uniform(0.95, 1.12)
    height = rows * storey
    body = [piece("wall", box(width, height), wall_texture(style, rng), 0, -height / 2)]
    body += roof(style, rng, width, height)
    front: list[Part] = []
    at_door = int(rng.integers(count))
    for row in range(rows):
        y = -(row + 0.52) * storey
        for column, x in enumerate(columns(count, width)):
            if row == 0 and column == at_door:
                body += door(style, rng, x, 0.46, 0.86)
                if chance(rng, 0.5):
                    front += lantern(rng, x + 0.42, -0.8)
            elif not chance(rng, 0.12):
                body += window(style, rng, x, y, 0.42, 0.56)
                if row and chance(rng, 0.15):
                    rails = stripes(style.scheme.trim, DARK, 0.12, upright=True)
                    front.append(piece("balcony", box(0.72, 0.3), rails, x, y + 0.3))
    if chance(rng, 0.5):
        body.append(piece("band", box(width, 0.07), plain(style.scheme.trim, rim=0.03), 0, -storey))
    if chance(rng, 0.5):
        front += sign(style, rng, width * rng.uniform(-0.25, 0.25), -storey, rng.uniform(0.8, 1.1), 0.26)
    if chance(rng, 0.35):
        body.append(ivy(rng, width, height))
    return [Thing(body), Thing(front, nearness=1.06)]


def shop(style: Style, rng: np.random.Generator) -> list[Thing]:
    """A display below an awning, a sign with its name, windows above."""
    paint, width = style.scheme, rng.uniform(2.3, 3.1)
    height = rng.uniform(2.3, 2.7)
    body = [piece("wall", box(width, height), wall_texture(style, rng), 0, -height / 2)]
    body += roof(style, rng, width, height)
    side, wide = side_of(rng), 0.58 * width
    shelf = side * (width - wide) / 2 - side * 0.14
    glass = inlaid(plain(paint.trim), (box(wide - 0.12, 0.76), 0, 0, fade(GLASS[0], (0.86, 0.76, 0.56), 0.8)))
    body.append(piece("display", box(wide, 0.9), glass, shelf, -0.62))
    for place in (-1, 0, 1):
        body += _goods(rng, shelf + wide * place * 0.29, -0.26)
    body += door(style, rng, -side * (width / 2 - 0.45), 0.5, 0.96)
    for x in columns(int(rng.integers(2, 5)), width):
        body += window(style, rng, x, -height + 0.5, 0.44, 0.56)
    colour = pick(rng, (paint.accent, paint.door, paint.roof))
    cloth = stripes(colour, paint.trim, rng.uniform(0.26, 0.44), upright=True, rim=0.04)
    fringe = [(disc(0.1), x, 0.17) for x in np.linspace(-wide / 2, wide / 2, 8)]
    awning = union((trapezoid(wide + 0.36, wide + 0.1, 0.34), 0, 0), *fringe)
    front = [piece("awning", awning, cloth, shelf, -1.2)]
    front += sign(style, rng, side * rng.uniform(-0.1, 0.25), -1.56, rng.uniform(1.1, 1.7), 0.32)
    return [Thing(body), Thing(front, nearness=1.06)]


def _goods(rng: np.random.Generator, x: float, y: float) -> list[Part]:
    """One of the things of the world, behind glass."""
    choices: tuple[tuple[props.Prop, float, float], ...] = (
        (props.ball, 0.5, -0.2), (props.drum, 0.45, -0.18), (props.guitar, 0.32, -0.18), (props.chair, 0.32, -0.02),
        (props.bucket, 0.6, -0.5), (props.cup, 0.9, -0.02), (props.log, 0.42, -0.02), (props.book, 0.5, 0.0),
        (props.parcel, 0.7, -0.16), (props.umbrella, 0.34, 0.0),
    )  # fmt: skip
    prop, size, lift = pick(rng, choices)
    parts = prop(transform(np.array([x]), y + lift, 0.0, size))
    return [dataclasses.replace(part, kind="place") for part in parts]


def mural(style: Style, rng: np.random.Generator) -> list[Thing]:
    """A wall that somebody has painted."""
    paint, width, height = style.scheme, rng.uniform(3.2, 4.0), rng.uniform(2.0, 2.5)
    colours = (paint.accent, paint.door, paint.roof, paint.trim, DARK, (0.9, 0.4, 0.35), (0.25, 0.55, 0.6))
    pieces: list[Inlay] = []
    for _ in range(int(rng.integers(9, 14))):
        first, second = (colours[i] for i in rng.permutation(len(colours))[:2])
        size = rng.uniform(0.3, 0.9)
        flat = box(size, 0.6 * size), triangle(size, size)
        shapes = (disc(size / 2), *flat, ring(0.4 * size, 0.16), ellipse(size, 0.5 * size), arch(0.6 * size, size))
        shape = pick(rng, shapes)
        patterns = (
            plain(first),
            stripes(first, second, 0.2),
            checks(first, second, 0.3),
            dots(first, second, 0.2),
            rays(first, second, int(rng.integers(3, 8))),
        )
        pattern = pick(rng, patterns)
        pieces.append((shape, rng.uniform(-0.45, 0.45) * width, rng.uniform(-0.4, 0.4) * height, pattern))
    parts = [piece("wall", box(width, height), inlaid(wall_texture(style, rng), *pieces), 0, -height / 2)]
    parts.append(piece("coping", box(width + 0.16, 0.14), plain(paint.roof, rim=0.04), 0, -height))
    written = lettering(word(rng), paint.accent, paint.roof, 1.3, 0.5)
    x, y = rng.uniform(-0.25, 0.25) * width, rng.uniform(-0.75, -0.3) * height
    parts.append(piece("name", box(1.3, 0.5), written, x, y))
    if chance(rng, 0.5):
        parts += door(style, rng, side_of(rng) * 0.38 * width, 0.46, 0.9)
    return [Thing(parts)]
