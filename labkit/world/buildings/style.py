"""What places that are easily confused have in common: family, colours, wall, windows, roof, site."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from labkit.world.shapes import Colour

T = TypeVar("T")

OBJECTS = ("robot", "vase", "cuckoo_clock")
"""Families that stand on a table, a different one each time."""
WALLS = ("bricks", "planks", "plaster", "stripes", "stones")
WINDOWS = ("cross", "arch", "shutters", "round", "tall")
ROOFS = ("gable", "steps", "flat", "hip")
OUTDOORS = ("park", "forest", "snow", "street", "beach")
INDOORS = ("kitchen", "workshop", "gym", "stage")


class Scheme(NamedTuple):
    """Colours that go together."""

    wall: Colour
    other: Colour
    trim: Colour
    roof: Colour
    door: Colour
    accent: Colour


def colour(code: str) -> Colour:
    """A colour such as ``"#de9973"``, its channels from 0 to 1 in steps of a hundredth."""
    red, green, blue = (round(byte / 255, 2) for byte in bytes.fromhex(code.removeprefix("#")))
    return red, green, blue


_PALETTE = """
    #de9973 #c98261 #f7eddb #804038 #336670 #f5c252
    #adcfb5 #96bda6 #faf7ed #665c6b #bd4c42 #f7b880
    #f0cf87 #e0b86e #faf2e0 #a1523d #3d6e5c #6b5ca8
    #e6b2b0 #d49c9e #faf2ed #5c6685 #478080 #fad980
    #c4bfb2 #ada89e #ede6d6 #616e80 #804c33 #d15c47
    #a8c2db #91adcc #f7f5eb #9e5c4c #e6b85c #db6b66
"""  # a scheme a line: wall, other, trim, roof, door, accent
SCHEMES = tuple(Scheme(*map(colour, line.split())) for line in _PALETTE.split("\n") if line.strip())
GLASS = colour("#334766"), colour("#80a3bd")
DARK = colour("#332e38")
LEAVES = colour("#336b40"), colour("#6b9e57")
STONES = colour("#b8b5ab"), colour("#6b8575"), colour("#9e805c")


@dataclass(frozen=True)
class Style:
    """What places that are easily confused have in common.

    Attributes:
        family: one of `labkit.world.buildings.FAMILIES`.
        scheme: its colours.
        wall: one of `WALLS`.
        window: one of `WINDOWS`.
        roof: one of `ROOFS`.
        site: the scene of the world that it stands in; things that one can carry are seen in any of `INDOORS`.
    """

    family: str
    scheme: Scheme
    wall: str
    window: str
    roof: str
    site: str


def random_style(rng: np.random.Generator, family: str) -> Style:
    """Draw colours and kinds of parts."""
    scheme, wall, window, roof = pick(rng, SCHEMES), pick(rng, WALLS), pick(rng, WINDOWS), pick(rng, ROOFS)
    return Style(family, scheme, wall, window, roof, pick(rng, INDOORS if family in OBJECTS else OUTDOORS))


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    """One of some options, all as likely."""
    return options[int(rng.integers(len(options)))]


def chance(rng: np.random.Generator, probability: float) -> bool:
    """True with a probability."""
    return bool(rng.random() < probability)


def side_of(rng: np.random.Generator) -> float:
    """-1 for the left or 1 for the right."""
    return float(rng.choice([-1, 1]))


def shade(colour: Colour, factor: float) -> Colour:
    """A colour that is darker or lighter by a factor."""
    red, green, blue = (min(factor * channel, 1.0) for channel in colour)
    return red, green, blue
