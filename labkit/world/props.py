"""Things puppets handle: each function hangs a few parts on a pose, back to front.

A tool points along +y of the pose it hangs on, the direction of a forearm that holds it.
"""

import math
from collections.abc import Callable

import numpy as np

from labkit.world.render import Array, Part, Shape, Texture, transform
from labkit.world.shapes import (
    Colour,
    box,
    capsule,
    checks,
    disc,
    dome,
    ellipse,
    plain,
    planks,
    ring,
    stripes,
    triangle,
    union,
)

Prop = Callable[[Array], list[Part]]

WOOD: Colour = (0.62, 0.42, 0.24)
DARK_WOOD: Colour = (0.4, 0.26, 0.16)
STEEL: Colour = (0.66, 0.7, 0.74)
DARK: Colour = (0.18, 0.18, 0.22)
RED: Colour = (0.84, 0.22, 0.2)
YELLOW: Colour = (0.98, 0.8, 0.26)
BLUE: Colour = (0.2, 0.42, 0.72)
GREEN: Colour = (0.25, 0.55, 0.35)
WHITE: Colour = (0.97, 0.96, 0.92)
BRASS: Colour = (0.9, 0.7, 0.25)


def _part(name: str, shape: Shape, texture: Texture, pose: Array, *place: float) -> Part:
    return Part(name, shape, texture, pose @ transform(*place) if place else pose, "prop")


def _stick(name: str, length: float, radius: float, colour: Colour, pose: Array, *place: float) -> Part:
    return _part(name, capsule(length, radius), plain(colour, rim=radius), pose, *place)


def _upright(hand: Array) -> Array:
    """The pose of a hand without its turn: upright by its own weight, whatever the arm does."""
    return transform(hand[:, 0, 2], hand[:, 1, 2], 0.0, np.hypot(hand[:, 0, 0], hand[:, 1, 0]))


def hammer(hand: Array) -> list[Part]:
    """A hammer: a steel head across a wooden handle."""
    return [
        _stick("handle", 0.72, 0.06, WOOD, hand),
        _part("hammer head", box(0.56, 0.26, 0.06), plain(STEEL, rim=0.08), hand, 0, 0.76),
    ]


def axe(hand: Array) -> list[Part]:
    """An axe: a broad blade on one side of a wooden handle."""
    blade = union((box(0.3, 0.3, 0.04), 0.2, 0.0), (ellipse(0.24, 0.56), 0.36, 0.0))
    return [
        _stick("handle", 0.78, 0.06, DARK_WOOD, hand),
        _part("axe blade", blade, plain((0.8, 0.34, 0.28), rim=0.08), hand, 0, 0.7),
    ]


def mallet(hand: Array) -> list[Part]:
    """A croquet mallet: looks much like a hammer, but is striped and plays another game."""
    return [
        _stick("handle", 0.72, 0.06, WOOD, hand),
        _part("mallet head", box(0.6, 0.28, 0.06), plain(STEEL, rim=0.08), hand, 0, 0.76),
        _part("mallet band", box(0.12, 0.28, 0.02), plain(RED), hand, 0.16, 0.76),
    ]


def workbench(foot: Array) -> list[Part]:
    """A bench with a nail in it; hangs on the place where it stands."""
    return [
        _part("bench leg", box(0.16, 0.9), plain(DARK_WOOD, rim=0.06), foot, -0.22, -0.4),
        _part("bench leg", box(0.16, 0.9), plain(DARK_WOOD, rim=0.06), foot, 0.22, -0.4),
        _part("bench top", box(0.84, 0.2, 0.04), planks(WOOD, (0.7, 0.5, 0.3), 0.12, rim=0.05), foot, 0, -0.86),
        _stick("nail", 0.16, 0.035, STEEL, foot, 0, -1.1),
    ]


def log(foot: Array) -> list[Part]:
    """An upright log on a chopping block; hangs on the place where it stands."""
    bark = stripes(DARK_WOOD, (0.5, 0.34, 0.2), 0.16, rim=0.06, upright=True)
    return [
        _part("block", box(0.72, 0.62, 0.1), bark, foot, 0, -0.3),
        _part("log", box(0.34, 0.46, 0.04), planks(WOOD, (0.74, 0.55, 0.34), 0.5, rim=0.05), foot, 0, -0.84),
    ]


def guitar(hand: Array) -> list[Part]:
    """A guitar around the plucking hand, its neck along -y."""
    body = union((disc(0.44), 0.0, 0.12), (disc(0.33), 0.0, -0.36))
    return [
        _part("guitar body", body, plain((0.86, 0.5, 0.2), rim=0.12), hand),
        _part("sound hole", disc(0.15), plain(DARK), hand, 0, -0.2),
        _stick("guitar neck", 1.25, 0.07, DARK_WOOD, hand, 0, -1.45),
        _part("guitar head", box(0.22, 0.3, 0.05), plain(DARK, rim=0.05), hand, 0, -1.5),
    ]


def broom(hand: Array) -> list[Part]:
    """A broom through both hands: handle along -y, brush at the far end of +y."""
    brush = stripes((0.92, 0.76, 0.36), (0.74, 0.56, 0.22), 0.12, rim=0.06, upright=True)
    return [
        _stick("broomstick", 2.5, 0.06, RED, hand, 0, -1.3),
        _part("brush", triangle(0.86, 0.6), brush, hand, 0, 1.1),
    ]


def skis(feet: Array) -> list[Part]:
    """Two long skis; hang on the middle between the feet."""
    return [
        _part("ski", capsule(2.1, 0.07), plain(RED, rim=0.04), feet, -1.2, 0.02, -math.pi / 2),
        _part("ski", capsule(2.1, 0.07), plain(YELLOW, rim=0.04), feet, -0.95, 0.14, -math.pi / 2),
    ]


def skateboard(feet: Array) -> list[Part]:
    """A board on four wheels; hangs on the middle between the feet."""
    return [
        _part("wheel", disc(0.13), plain(DARK, rim=0.04), feet, -0.42, 0.2),
        _part("wheel", disc(0.13), plain(DARK, rim=0.04), feet, 0.42, 0.2),
        _part("deck", box(1.5, 0.16, 0.08), plain((0.3, 0.75, 0.72), rim=0.05), feet, 0, 0.06),
    ]


def chair(foot: Array) -> list[Part]:
    """A chair from the front; hangs on the place where it stands."""
    back = stripes((0.3, 0.62, 0.6), (0.22, 0.5, 0.5), 0.4, rim=0.08, upright=True)
    return [
        _part("chair back", box(1.25, 1.3, 0.2), back, foot, 0, -1.4),
        _part("chair leg", box(0.14, 0.75), plain(DARK_WOOD, rim=0.04), foot, -0.55, -0.32),
        _part("chair leg", box(0.14, 0.75), plain(DARK_WOOD, rim=0.04), foot, 0.55, -0.32),
        _part("seat", box(1.4, 0.22, 0.08), plain((0.95, 0.72, 0.3), rim=0.06), foot, 0, -0.68),
    ]


def parcel(middle: Array) -> list[Part]:
    """A parcel with a ribbon."""
    return [
        _part("parcel", box(0.5, 0.42, 0.04), plain((0.8, 0.62, 0.4), rim=0.06), middle),
        _part("ribbon", box(0.1, 0.42), plain(RED), middle),
    ]


def ball(middle: Array) -> list[Part]:
    """An orange ball."""
    return [_part("ball", disc(0.24), stripes((0.95, 0.5, 0.15), (0.85, 0.35, 0.1), 0.3, rim=0.07), middle)]


def cup(hand: Array) -> list[Part]:
    """A cup in the hand, upright whatever the arm does."""
    upright = _upright(hand)
    return [
        _part("cup", box(0.28, 0.34, 0.05), plain(BLUE, rim=0.05), upright, 0, -0.16),
        _part("cup band", box(0.28, 0.08), plain(WHITE), upright, 0, -0.18),
    ]


def sword(hand: Array) -> list[Part]:
    """A sword."""
    return [
        _stick("blade", 1.15, 0.06, (0.82, 0.86, 0.9), hand, 0, 0.1),
        _part("hilt", box(0.46, 0.12, 0.04), plain(BRASS, rim=0.04), hand, 0, 0.14),
    ]


def umbrella(hand: Array) -> list[Part]:
    """An open umbrella, above the hand."""
    up, cloth = _upright(hand), stripes((0.55, 0.3, 0.62), (0.95, 0.75, 0.3), 0.5, rim=0.07, upright=True)
    return [
        _stick("umbrella stick", 1.3, 0.04, DARK, up, 0, -1.2),
        _part("umbrella", dome(0.95), cloth, up, 0, -0.95),
    ]


def balloon(hand: Array) -> list[Part]:
    """A balloon on a string, above the hand."""
    up = _upright(hand)
    return [
        _stick("string", 0.75, 0.025, WHITE, up, 0, -0.75),
        _part("balloon", ellipse(0.74, 0.9), plain(RED, rim=0.2), up, 0, -1.1),
        _part("shine", ellipse(0.14, 0.24), plain((1.0, 0.8, 0.75)), up, -0.16, -1.25, 0.4),
    ]


def flag(hand: Array) -> list[Part]:
    """A flag on a pole."""
    up = _upright(hand)
    return [
        _stick("pole", 1.5, 0.04, WOOD, up, 0, -1.4),
        _part("flag", box(0.95, 0.6), checks(GREEN, WHITE, 0.6, rim=0.05), up, 0.5, -1.1),
    ]


def racket(hand: Array) -> list[Part]:
    """A tennis racket."""
    return [
        _stick("racket handle", 0.6, 0.06, DARK, hand),
        _part("strings", ellipse(0.5, 0.62), checks(WHITE, (0.75, 0.75, 0.7), 0.16), hand, 0, 0.9),
        _part("frame", ring(0.29, 0.09), plain(BLUE, rim=0.03), hand, 0, 0.9),
    ]


def bucket(hand: Array) -> list[Part]:
    """A bucket that hangs from the hand."""
    down = _upright(hand)
    return [
        _part("bucket handle", ring(0.26, 0.05), plain(DARK), down, 0, 0.3),
        _part("bucket", box(0.56, 0.5, 0.08), plain(STEEL, rim=0.1), down, 0, 0.56),
        _part("bucket band", box(0.56, 0.1), plain(BLUE), down, 0, 0.5),
    ]


def drum(belly: Array) -> list[Part]:
    """A drum before the belly."""
    return [
        _part("drum", box(0.95, 0.6, 0.08), stripes(RED, WHITE, 0.3, rim=0.06, upright=True), belly, 0, 0.1),
        _part("drum skin", ellipse(0.98, 0.22), plain(WHITE, rim=0.05), belly, 0, -0.2),
    ]


def trumpet(hand: Array) -> list[Part]:
    """A trumpet, its bell outwards."""
    return [
        _stick("tube", 0.9, 0.06, BRASS, hand, 0, -0.2),
        _part("bell", triangle(0.44, 0.34), plain(BRASS, rim=0.07), hand, 0, 0.55),
    ]


def rod(hand: Array) -> list[Part]:
    """A fishing rod with line and fish."""
    tip = hand @ transform(0, 1.35)
    line = transform(tip[:, 0, 2], tip[:, 1, 2], 0.0, np.hypot(hand[:, 0, 0], hand[:, 1, 0]))
    return [
        _stick("rod", 1.35, 0.04, DARK_WOOD, hand),
        _stick("line", 0.7, 0.02, WHITE, line),
        _part("fish", ellipse(0.22, 0.46), plain((0.4, 0.65, 0.75), rim=0.06), line, 0, 0.85),
    ]


def book(belly: Array) -> list[Part]:
    """An open book before the chest."""
    return [
        _part("cover", box(0.84, 0.6, 0.03), plain((0.5, 0.15, 0.2), rim=0.05), belly, 0, -0.4),
        _part("pages", box(0.72, 0.5, 0.03), stripes(WHITE, (0.75, 0.74, 0.7), 0.12), belly, 0, -0.42),
        _part("spine", box(0.05, 0.6), plain(DARK), belly, 0, -0.4),
    ]


def surfboard(foot: Array) -> list[Part]:
    """A surfboard standing upright beside the puppet."""
    return [
        _part("surfboard", ellipse(0.66, 2.9), plain((0.3, 0.72, 0.78), rim=0.1), foot, 0, -1.5),
        _part("stripe", box(0.1, 2.5, 0.05), plain(YELLOW), foot, 0, -1.5),
    ]
