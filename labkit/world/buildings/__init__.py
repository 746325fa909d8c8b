"""What can be found again: houses, shops, towers, churches, gates, monuments, murals, windmills, and a few things.

A `Style` is what many of them have in common: kind, colours, wall, windows, roof. Two of one style differ in their
layout and their details, as two houses of one street do: storeys and windows, what is in a window, where the door is,
the name on the sign, stains on the wall. Lengths are in units of the world, the ground is y = 0, up is negative.

`style` holds the colours and kinds, `pieces` textures and outlines, `parts` windows, doors and roofs; `houses`,
`landmarks` and `objects` put them together.
"""

from collections.abc import Callable

import numpy as np

from labkit.world.buildings.houses import house, mural, shop
from labkit.world.buildings.landmarks import church, gate, monument, tower, windmill
from labkit.world.buildings.objects import cuckoo_clock, robot, vase
from labkit.world.buildings.parts import foreground
from labkit.world.buildings.pieces import Thing
from labkit.world.buildings.style import INDOORS, OBJECTS, Style, random_style

FAMILIES: dict[str, Callable[[Style, np.random.Generator], list[Thing]]] = {
    family.__name__: family
    for family in (house, shop, tower, church, gate, monument, mural, windmill, robot, vase, cuckoo_clock)
}


def build(style: Style, rng: np.random.Generator) -> list[Thing]:
    """One place of a style, around x = 0, back to front: layout and details follow from ``rng``."""
    return FAMILIES[style.family](style, rng)


__all__ = ["FAMILIES", "INDOORS", "OBJECTS", "Style", "Thing", "build", "foreground", "random_style"]
