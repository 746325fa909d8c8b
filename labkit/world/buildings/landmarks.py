"""Towers, churches, gates, monuments and windmills."""

import dataclasses
import math

import numpy as np

from labkit.world import actions as acts
from labkit.world.buildings.parts import clock, door, roof, sign, wall_texture, window
from labkit.world.buildings.pieces import Thing, arch, columns, inlaid, one_colour, piece, stained, trapezoid
from labkit.world.buildings.style import DARK, GLASS, STONES, Style, chance, pick, shade, side_of
from labkit.world.render import Part, Shape, transform
from labkit.world.shapes import (
    Colour,
    box,
    checks,
    cut,
    disc,
    dome,
    dots,
    ellipse,
    plain,
    planks,
    rays,
    ring,
    stripes,
    triangle,
    union,
)


def tower(style: Style, rng: np.random.Generator) -> list[Thing]:
    """A clock tower beside a low wing."""
    paint, width, height = style.scheme, rng.uniform(1.05, 1.4), rng.uniform(3.0, 3.6)
    shaft = [piece("shaft", trapezoid(1.12 * width, width, height), wall_texture(style, rng), 0, -height / 2)]
    shaft += _tower_top(style, rng, width, height)
    shaft += clock(style, rng, 0, -height + rng.uniform(0.5, 0.7), 0.36 * width)
    for y in np.linspace(-height + 1.35, -1.3, int(rng.integers(1, 4))):
        for x in pick(rng, ((0.0,), (-0.24, 0.24))):
            shaft += window(style, rng, x * width, y, 0.3, 0.44)
    for y in rng.uniform(0.3, 0.9, 2):
        shaft.append(piece("band", box(1.1 * width, 0.08), plain(paint.trim, rim=0.03), 0, -y * height))
    side = side_of(rng)
    wing_width, wing_height = rng.uniform(1.0, 1.6), rng.uniform(1.1, 1.5)
    wing = [piece("wing", box(wing_width, wing_height), wall_texture(style, rng), 0, -wing_height / 2)]
    wing += roof(style, rng, wing_width, wing_height)
    for x in columns(1 + int(wing_width > 1.25), wing_width):
        wing += window(style, rng, x, -0.66, 0.36, 0.5)
    shaft += door(style, rng, 0, 0.44, 0.84)
    middle = -side * 0.3 * wing_width
    return [Thing(wing, x=middle + side * (width + wing_width) / 2, nearness=0.97), Thing(shaft, x=middle)]


def _tower_top(style: Style, rng: np.random.Generator, width: float, height: float) -> list[Part]:
    """A spire, a dome or a battlement, and perhaps a flag."""
    paint, kind = style.scheme, rng.integers(3)
    golden = chance(rng, 0.3)
    tiles = planks(paint.roof, paint.accent, 0.16) if golden else stripes(paint.roof, shade(paint.roof, 0.8), 0.2)
    if kind == 0:
        rise = 1.15
        parts = [piece("spire", triangle(1.25 * width, rise), tiles, 0, -height - rise)]
    elif kind == 1:
        radius = 0.62 * width
        rise = radius + 0.25
        knob = piece("knob", box(0.06, 0.5), plain(paint.accent), 0, -height - radius)
        parts = [piece("dome", dome(radius), tiles, 0, -height), knob]
    else:
        rise = 0.35
        blocks = [(box(0.2, 0.3), x * width, -0.2) for x in (-0.5, -0.17, 0.17, 0.5)]
        outline = union((box(1.22 * width, 0.2), 0, 0.05), *blocks)
        parts = [piece("battlement", outline, plain(paint.other, rim=0.05), 0, -height)]
    if chance(rng, 0.5):
        parts.append(piece("pole", box(0.04, 0.9), plain(DARK), 0, -height - rise))
        flag = checks(paint.accent, paint.trim, 0.3) if chance(rng, 0.5) else stripes(paint.accent, paint.door, 0.2)
        parts.append(piece("flag", box(0.5, 0.3), flag, 0.26, -height - rise - 0.3))
    return parts


def church(style: Style, rng: np.random.Generator) -> list[Thing]:
    """A nave with a rose window, a steeple at one side."""
    paint, width, height = style.scheme, rng.uniform(1.9, 2.4), rng.uniform(1.5, 1.9)
    wall, rise = wall_texture(style, rng), rng.uniform(0.75, 1.0)
    tiles = planks(paint.roof, shade(paint.roof, 1.25), 0.14)
    nave = [
        piece("gable", triangle(1.14 * width, rise), tiles, 0, -height - rise),
        piece("gable wall", triangle(0.86 * width, 0.75 * rise), wall, 0, -height - 0.75 * rise + 0.02),
        piece("nave", box(width, height), wall, 0, -height / 2),
    ]
    radius, petals = rng.uniform(0.28, 0.36), int(rng.integers(3, 9))
    heart, circle = disc(0.3 * radius), ring(0.6 * radius, 0.05)
    inner = (heart, 0, 0, plain(paint.door)), (circle, 0, 0, plain(paint.trim))
    nave += [
        piece("rose rim", disc(radius + 0.07), plain(paint.trim, rim=0.03), 0, -height + 0.1),
        piece("rose", disc(radius), inlaid(rays(GLASS[1], paint.accent, petals), *inner), 0, -height + 0.1),
    ]
    nave += door(style, rng, 0, 0.56, 0.9)
    for x in (-0.34, 0.34):
        nave += window(style, rng, x * width, -0.75, 0.3, 0.7, "arch")
    side, tall, wide = side_of(rng), rng.uniform(2.5, 3.0), rng.uniform(0.75, 0.95)
    spire = rng.uniform(0.9, 1.3)
    steeple = [
        piece("spire", triangle(1.2 * wide, spire), tiles, 0, -tall - spire),
        piece("steeple", box(wide, tall), wall_texture(style, rng), 0, -tall / 2),
        piece("eaves", box(1.15 * wide, 0.09), plain(paint.trim, rim=0.03), 0, -tall),
    ]
    if chance(rng, 0.5):
        steeple += clock(style, rng, 0, -tall + 0.45, 0.26)
    else:
        steeple += window(style, rng, 0, -tall + 0.45, 0.36, 0.5, "arch")
    for y in np.linspace(-tall + 1.2, -0.7, int(rng.integers(1, 4))):
        steeple += window(style, rng, 0, y, 0.26, 0.4)
    cross, arrow = union((box(0.05, 0.3), 0, 0), (box(0.22, 0.05), 0, -0.04)), union((triangle(0.24, 0.2), 0, -0.1))
    steeple.append(piece("vane", pick(rng, (cross, disc(0.1), arrow)), plain(paint.accent), 0, -tall - spire - 0.1))
    middle = -side * 0.35 * wide
    return [Thing(steeple, x=middle + side * (width + wide) / 2.1, nearness=0.97), Thing(nave, x=middle)]


def gate(style: Style, rng: np.random.Generator) -> list[Thing]:
    """An arch one can look through, between two turrets."""
    paint, width, height = style.scheme, rng.uniform(2.0, 2.5), rng.uniform(2.1, 2.5)
    opening, tall = rng.uniform(0.36, 0.46) * width, rng.uniform(1.3, 1.6)
    wall = cut(box(width, height), arch(opening, tall), 0, (height - tall) / 2 + 0.01)
    body = [piece("wall", wall, wall_texture(style, rng), 0, -height / 2)]
    rim = cut(arch(opening + 0.22, tall + 0.11), arch(opening, tall), 0, 0.06)
    body.append(piece("arch", rim, planks(paint.trim, paint.other, 0.13), 0, -tall / 2 - 0.05))
    count = int(rng.integers(4, 7))
    blocks = [(box(0.55 * width / count, 0.26), x, -0.1) for x in columns(count, width)]
    body.append(piece("battlement", union(*blocks), plain(paint.wall, rim=0.05), 0, -height))
    sun = rays(paint.accent, paint.door, int(rng.integers(2, 6)))
    crest = pick(rng, (checks(paint.accent, paint.trim, 0.3), sun, stripes(paint.trim, paint.roof, 0.2)))
    shield = union((box(0.42, 0.3), 0, -0.1), (ellipse(0.42, 0.46), 0, 0.05))
    body.append(piece("crest", shield, crest, 0, -height + 0.42))
    for x in (-0.5, 0.5):
        if chance(rng, 0.7):
            body += window(style, rng, 0.62 * x * width, -height + 0.5, 0.26, 0.4)
    turrets: list[Part] = []
    wide = rng.uniform(0.55, 0.75)
    for side in (-1, 1):
        x, top = side * (width + wide) / 2, height + rng.uniform(0.2, 0.8)
        turrets.append(piece("turret", box(wide, top), wall_texture(style, rng), x, -top / 2))
        if chance(rng, 0.6):
            striped = chance(rng, 0.3)
            tiles = stripes(paint.roof, paint.accent, 0.22) if striped else plain(paint.roof, rim=0.08)
            turrets.append(piece("cone", triangle(1.3 * wide, 0.8), tiles, x, -top - 0.8))
        else:
            turrets.append(piece("rim", box(1.2 * wide, 0.2), checks(paint.trim, paint.other, 0.24), x, -top))
        for y in np.linspace(-top + 0.5, -0.6, int(rng.integers(1, 4))):
            turrets += window(style, rng, x, y, 0.24, 0.4)
    return [Thing(body, nearness=0.97), Thing(turrets)]


def monument(style: Style, rng: np.random.Generator) -> list[Thing]:
    """A puppet of stone on a plinth with a name."""
    paint, stone = style.scheme, pick(rng, STONES)
    width, height = rng.uniform(1.1, 1.5), rng.uniform(1.0, 1.4)
    block = stained(planks(paint.wall, paint.other, 0.3), rng, 0.75, 1.0)
    parts = [
        piece("step", box(width + 0.9, 0.18), plain(paint.other, rim=0.04), 0, -0.09),
        piece("step", box(width + 0.5, 0.18), plain(paint.wall, rim=0.04), 0, -0.27),
        piece("plinth", trapezoid(1.1 * width, width, height), block, 0, -0.36 - height / 2),
        piece("cap", box(width + 0.2, 0.12), plain(paint.trim, rim=0.04), 0, -0.4 - height),
    ]
    parts += sign(style, rng, 0, -0.36 - 0.6 * height, 0.8 * width, 0.28)
    sun = rays(paint.other, paint.trim, int(rng.integers(3, 8)))
    relief = pick(rng, (sun, dots(paint.other, paint.trim, 0.14), checks(paint.other, paint.trim, 0.2)))
    parts.append(piece("relief", box(0.7 * width, 0.24), relief, 0, -0.36 - 0.2 * height))
    statue = _statue(rng, stone)
    parts += [dataclasses.replace(part, pose=transform(0, -0.44 - height, 0.0, 0.52) @ part.pose) for part in statue]
    if chance(rng, 0.6):
        fluted, away = stripes(paint.trim, paint.other, 0.09, upright=True), width / 2 + rng.uniform(0.5, 0.8)
        for x in (-away, away):
            parts.append(piece("column", box(0.24, 1.5), fluted, x, -0.75))
            parts.append(piece("capital", box(0.36, 0.12), plain(paint.trim, rim=0.03), x, -1.5))
            ball = pick(rng, (disc(0.2), triangle(0.4, 0.4), box(0.3, 0.3)))
            parts.append(piece("ball", ball, plain(stone, rim=0.08), x, -1.75))
    return [Thing(parts)]


def _statue(rng: np.random.Generator, stone: Colour) -> list[Part]:
    parts = acts.somebody(rng, transform(np.zeros(1), 0))
    return [dataclasses.replace(part, texture=one_colour(part.texture, stone), kind="place") for part in parts]


def windmill(style: Style, rng: np.random.Generator) -> list[Thing]:
    """A windmill without wind."""
    paint, height = style.scheme, rng.uniform(2.5, 2.9)
    wide, top = rng.uniform(1.6, 2.0), rng.uniform(0.8, 1.0)
    cap = Shape(lambda x, y: np.maximum(ellipse(1.25 * top, 1.2).distance(x, y), y), 0.7 * top + 0.3)
    parts = [
        piece("body", trapezoid(wide, top, height), wall_texture(style, rng), 0, -height / 2),
        piece("cap", cap, stripes(paint.roof, shade(paint.roof, 0.8), 0.2, upright=True), 0, -height),
    ]
    parts += door(style, rng, 0, 0.48, 0.86)
    for y in np.linspace(-height + 0.9, -1.35, int(rng.integers(1, 3))):
        for x in pick(rng, ((0.0,), (-0.26, 0.26))):
            parts += window(style, rng, x * wide, y, 0.34, 0.42)
    if chance(rng, 0.6):
        rails = stripes(paint.trim, DARK, 0.14, upright=True)
        parts.append(piece("gallery", box(1.2 * wide, 0.22), rails, 0, -rng.uniform(0.4, 0.55) * height))
    turn, length = rng.uniform(0, math.pi / 2), rng.uniform(1.4, 1.7)
    striped = stripes(paint.trim, paint.door, 0.24)
    sail = pick(rng, (checks(paint.trim, paint.accent, 0.26), striped, planks(paint.trim, paint.other, 0.12)))
    hub = -height - 0.12
    sails: list[Part] = []
    for quarter in range(4):
        angle = turn + quarter * math.pi / 2
        cloth = union((box(0.34, 0.75 * length), 0.17, -0.6 * length))
        sails.append(piece("sail", cloth, sail, 0, hub, angle))
        sails.append(piece("spar", union((box(0.07, length), 0, -length / 2)), plain(DARK), 0, hub, angle))
    sails.append(piece("hub", disc(0.16), plain(paint.accent, rim=0.06), 0, hub))
    return [Thing(parts), Thing(sails, nearness=1.06)]
