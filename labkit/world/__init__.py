"""The procedural puppet world: the lab's embedded data, with exact optical flow."""

from labkit.world.aperture import HOLE, aperture
from labkit.world.clips import PuppetClip, PuppetClips
from labkit.world.difficulty import EASY, Difficulty
from labkit.world.pairs import FlowPairs
from labkit.world.places import Change, Places
from labkit.world.render import Part, Rendering, Shape, render, transform
from labkit.world.sets import (
    Actions,
    Interactions,
    LongClips,
    SecondActions,
    Source,
    Stills,
    SwappedHomes,
)
from labkit.world.stroll import stroll
from labkit.world.things import Things
from labkit.world.version import VERSION

__all__ = [
    "EASY",
    "HOLE",
    "VERSION",
    "Actions",
    "Change",
    "Difficulty",
    "FlowPairs",
    "Interactions",
    "LongClips",
    "Part",
    "Places",
    "PuppetClip",
    "PuppetClips",
    "Rendering",
    "SecondActions",
    "Shape",
    "Source",
    "Stills",
    "SwappedHomes",
    "Things",
    "aperture",
    "render",
    "stroll",
    "transform",
]
