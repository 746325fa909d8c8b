"""The parts of a data set."""

from typing import NamedTuple

from labkit.clips import Clips


class TwoParts(NamedTuple):
    """What networks are trained on, and what they are measured on."""

    train: Clips
    test: Clips

    def counts(self) -> dict[str, int]:
        """How many clips there are of each part."""
        return {name: len(part) for name, part in self._asdict().items()}


class ThreeParts(NamedTuple):
    """The same, and clips that no network is trained on, by which choices are made."""

    train: Clips
    held_out: Clips
    test: Clips

    def counts(self) -> dict[str, int]:
        """How many clips there are of each part."""
        return {name: len(part) for name, part in self._asdict().items()}
