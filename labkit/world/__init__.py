"""The procedural puppet world: the lab's embedded data, with exact optical flow."""

from labkit.world.aperture import HOLE, aperture
from labkit.world.render import Part, Rendering, render, transform
from labkit.world.stroll import stroll

__all__ = ["HOLE", "Part", "Rendering", "aperture", "render", "stroll", "transform"]
