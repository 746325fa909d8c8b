"""How hard the world makes it; the defaults were chosen once and are not touched to please a result."""

import dataclasses
from dataclasses import dataclass


@dataclass(frozen=True)
class Difficulty:
    """How hard the world makes it.

    Attributes:
        camera: strength of the camera's motion; 0 is a tripod, 1 moves the image by about 1 % of its height a frame.
        clutter: how many things stand about: on average one behind and 0.3 in front at 1.
        home: probability that an action with a home is seen there; else it is somewhere, at random.
        jitter: how much tempo, timing, size and place vary between clips; up to 3.
        light: how much brightness and tint vary between clips.
    """

    camera: float = 1.0
    clutter: float = 1.0
    home: float = 0.8
    jitter: float = 1.0
    light: float = 1.0

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            most = {"home": 1, "jitter": 3}.get(name, 100)
            if not isinstance(value, int | float) or not 0 <= value <= most:
                raise ValueError(f"{name} must be a number from 0 to {most}; got {value!r}")


EASY = Difficulty(camera=0.0, clutter=0.0, home=1.0, jitter=0.5, light=0.5)
"""For a first look: a tripod, nothing in the way, everyone at home."""
