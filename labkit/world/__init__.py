"""The procedural puppet world: the lab's embedded data, with exact optical flow."""

from labkit.world.aperture import aperture
from labkit.world.render import Part, Rendering, render, transform
from labkit.world.stroll import stroll

__all__ = ["Part", "Rendering", "aperture", "render", "stroll", "transform"]
