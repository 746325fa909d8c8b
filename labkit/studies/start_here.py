"""The sets of clips that the first lesson shows: a few of each kind that the lab paints."""

from typing import NamedTuple

from labkit import world
from labkit.clips import Clips

SCALES = {"smoke": (48, 8), "lesson": (112, 16), "study": (112, 16), "paper": (112, 16)}
"""Side in pixels and frames of a clip, by profile."""


class Samples(NamedTuple):
    """Single actions, meetings of two puppets, and photos of such meetings."""

    actions: Clips
    meetings: Clips
    photos: Clips


def samples(profile: str, seed: int = 0) -> Samples:
    """Three groups of each set, one clip of each class in a group."""
    size, frames = SCALES[profile]
    return Samples(
        world.Actions(seed=seed, size=size, frames=frames, groups=3, clips=1),
        world.Interactions(seed=seed, size=size, groups=3, clips=1),
        world.Stills(of="interactions", seed=seed, size=size, groups=3),
    )
