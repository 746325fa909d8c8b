"""Things that one can carry: they stand on a table, a different one each time."""

import itertools
import math

import numpy as np

from labkit.world.buildings.parts import clock, window
from labkit.world.buildings.pieces import Inlay, Thing, inlaid, piece, stained
from labkit.world.buildings.style import DARK, LEAVES, Style, chance, pick
from labkit.world.shapes import box, checks, disc, dots, ellipse, plain, planks, rays, ring, stripes, triangle, union


def robot(style: Style, rng: np.random.Generator) -> list[Thing]:
    """A toy robot."""
    paint = style.scheme
    width, height = rng.uniform(1.1, 1.5), rng.uniform(1.1, 1.4)
    legs, tin = 0.7, stained(plain(paint.wall, rim=0.08), rng, 0.85, 0.8)
    head_width, head_height = rng.uniform(0.7, 1.0), rng.uniform(0.55, 0.75)
    parts, striped = [], stripes(paint.other, paint.roof, 0.16)
    for side in (-1, 1):
        parts.append(piece("leg", box(0.3, legs), striped, side * 0.27 * width, -legs / 2))
        parts.append(piece("foot", box(0.46, 0.18, 0.06), plain(paint.roof, rim=0.05), side * 0.3 * width, -0.09))
        arm = union((box(0.22, 0.9, 0.08), 0, 0.36), (ring(0.15, 0.1), 0, 0.92))
        x, y, turn = side * (width / 2 + 0.14), -legs - height + 0.2, -side * rng.uniform(0.0, 2.6)
        parts.append(piece("arm", arm, plain(paint.other, rim=0.05), x, y, turn))
    panel: list[Inlay] = [(box(0.76 * width, 0.62 * height, 0.05), 0, 0.05, plain(paint.trim))]
    lamps = ((0.9, 0.3, 0.3), (0.98, 0.8, 0.3), (0.3, 0.7, 0.5), paint.door, paint.accent)
    for x, y in itertools.product((-0.22, 0.0, 0.22), (-0.14, 0.06, 0.26)):
        lamp = pick(rng, (disc(0.09), box(0.16, 0.1), box(0.08, 0.18)))
        if chance(rng, 0.75):
            panel.append((lamp, x * width, y * height, plain(pick(rng, lamps), rim=0.02)))
    top = -legs - height
    parts.append(piece("body", box(width, height, 0.08), inlaid(tin, *panel), 0, top + height / 2))
    eyes = pick(rng, (disc(0.12), box(0.2, 0.14), ring(0.1, 0.07)))
    face: list[Inlay] = [(eyes, side * 0.22, -0.06, plain(DARK)) for side in (-1, 1)]
    face.append((box(rng.uniform(0.2, 0.5), 0.09), 0, 0.17, stripes(paint.trim, DARK, 0.08, upright=True)))
    parts.append(piece("head", box(head_width, head_height, 0.1), inlaid(tin, *face), 0, top - head_height / 2))
    for x in pick(rng, ((0.0,), (-0.25, 0.25))):
        parts.append(piece("antenna", box(0.05, 0.4), plain(DARK), x, top - head_height - 0.2))
        parts.append(piece("tip", disc(0.1), plain(paint.accent, rim=0.04), x, top - head_height - 0.4))
    return [Thing(parts)]


def vase(style: Style, rng: np.random.Generator) -> list[Thing]:
    """A painted vase with flowers."""
    paint, height = style.scheme, rng.uniform(1.6, 2.0)
    belly, neck = rng.uniform(1.2, 1.6), rng.uniform(0.4, 0.6)
    shape = union(
        (ellipse(belly, 0.72 * height), 0, -0.38 * height),
        (box(neck, 0.5 * height), 0, -0.75 * height),
        (box(1.5 * neck, 0.1, 0.05), 0, -height),
        (box(0.6 * belly, 0.1), 0, -0.05),
    )
    rings: list[Inlay] = []
    for y in np.sort(rng.uniform(-0.62, -0.12, 2)) * height:
        striped = stripes(paint.roof, paint.trim, 0.16, upright=True)
        pattern = pick(rng, (checks(paint.accent, paint.trim, 0.2), dots(paint.trim, paint.door, 0.18), striped))
        rings.append((box(2, rng.uniform(0.14, 0.24)), 0, y, pattern))
    motif = pick(rng, (disc(0.26), triangle(0.5, 0.46), box(0.4, 0.4), ellipse(0.6, 0.3), ring(0.2, 0.12)))
    colour = pick(rng, (paint.door, paint.accent, paint.roof))
    rings.append((motif, 0, -0.4 * height, rays(paint.trim, colour, int(rng.integers(2, 8)))))
    glaze = stained(plain(paint.wall, rim=0.14), rng, 0.86, 0.9)
    stems = (0, 0.0), (-0.1, -0.4), (0.1, 0.4)
    parts = [piece("stem", box(0.05, 1.1), plain(LEAVES[0]), x, -height - 0.3, angle) for x, angle in stems]
    colours = paint.accent, (0.9, 0.35, 0.4), (0.97, 0.93, 0.96), (0.6, 0.45, 0.75)
    for x, y in ((0.0, -0.9), (-0.32, -0.75), (0.32, -0.75)):
        count = int(rng.integers(4, 8))
        colour = pick(rng, colours)
        angles = np.arange(count) * 2 * math.pi / count
        leaves = [(disc(0.12), 0.17 * math.sin(angle), 0.17 * math.cos(angle)) for angle in angles]
        parts.append(piece("blossom", union(*leaves), plain(colour, rim=0.05), x, -height + y))
        parts.append(piece("heart", disc(0.09), plain((0.96, 0.8, 0.3), rim=0.03), x, -height + y))
    parts.append(piece("vase", shape, inlaid(glaze, *rings), 0, 0))
    return [Thing(parts)]


def cuckoo_clock(style: Style, rng: np.random.Generator) -> list[Thing]:
    """A carved clock with weights."""
    paint, width, height = style.scheme, rng.uniform(1.3, 1.6), rng.uniform(1.2, 1.5)
    lift = 0.9
    wood = stained(planks(paint.wall, paint.other, 0.22), rng, 0.8, 0.9)
    parts = []
    for x in (-0.22, 0.22):
        low = rng.uniform(0.2, 0.6)
        parts.append(piece("chain", box(0.04, lift - low + 0.2), plain(DARK), x, -(lift + low) / 2))
        parts.append(piece("weight", ellipse(0.16, 0.4), stripes(paint.roof, paint.accent, 0.14, rim=0.04), x, -low))
    rise = rng.uniform(0.55, 0.8)
    scallops = [(disc(0.12), x, 0.0) for x in np.linspace(-0.6, 0.6, 7) * width]
    gable = union((triangle(1.35 * width, rise), 0, -rise), *scallops)
    parts += [
        piece("case", box(width, height), wood, 0, -lift - height / 2),
        piece("roof", gable, planks(paint.roof, paint.other, 0.16), 0, -lift - height),
    ]
    parts += clock(style, rng, 0, -lift - 0.4 * height, 0.3)
    parts += window(style, rng, 0, -lift - height - 0.28 * rise, 0.34, 0.36, pick(rng, ("arch", "round", "cross")))
    for side in (-1, 1):
        pair = union((disc(0.13), 0, -0.1), (disc(0.13), 0, 0.1))
        leaf = pick(rng, (ellipse(0.26, 0.5), pair, triangle(0.3, 0.4)))
        dotted = dots(paint.trim, paint.roof, 0.14)
        texture = pick(rng, (plain(paint.door, rim=0.05), plain(LEAVES[0], rim=0.05), dotted))
        x, y, turn = side * 0.42 * width, -lift - rng.uniform(0.2, 0.8) * height, side * rng.uniform(-0.5, 0.5)
        parts.append(piece("carving", leaf, texture, x, y, turn))
    striped = stripes(paint.door, paint.trim, 0.14, upright=True)
    band = pick(rng, (checks(paint.accent, paint.trim, 0.18), dots(paint.other, paint.trim, 0.16), striped))
    parts.append(piece("band", box(width, 0.18), band, 0, -lift - 0.09))
    return [Thing(parts)]
