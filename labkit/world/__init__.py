"""The procedural puppet world: the lab's embedded data, with exact optical flow."""

from labkit.world.aperture import HOLE, aperture
from labkit.world.render import Part, Rendering, Shape, render, transform
from labkit.world.stroll import stroll

VERSION = 1
"""Raised by hand whenever the same seed gives another picture; records in the ledger carry it."""

__all__ = ["HOLE", "VERSION", "Part", "Rendering", "Shape", "aperture", "render", "stroll", "transform"]
