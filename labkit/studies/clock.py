"""How long a row takes: each training and each computation once, whenever and by whichever process it was done."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

Answer = TypeVar("Answer")


class Training(NamedTuple):
    """A training that was asked for: its name, how long it took, and whether it was done just now or earlier."""

    name: str
    seconds: float
    now: bool


class Clock:
    """The clock of a study and its siblings.

    A *piece* is a training or a computation that is kept. Its seconds are known from when it was done, so the time that
    a row spends on getting it, be it work, waiting for another process, or reading, does not count again.

    Attributes:
        pieces: name and seconds of all pieces that were asked for, in order, each time.
    """

    def __init__(self) -> None:
        self.pieces: list[tuple[str, float]] = []
        self._getting = 0.0  # seconds spent on getting pieces

    @contextlib.contextmanager
    def getting(self) -> Iterator[None]:
        """What happens in here is part of getting a piece; pieces within pieces are counted once."""
        before, started = self._getting, time.perf_counter()
        try:
            yield
        finally:
            self._getting = before + time.perf_counter() - started

    def timed(self, function: Callable[[], Answer]) -> tuple[Answer, float, dict[str, float]]:
        """Call a function: its answer, the seconds without those of the pieces that it asks for, and these pieces."""
        first, before, started = len(self.pieces), self._getting, time.perf_counter()
        answer = function()
        elapsed = time.perf_counter() - started
        return answer, elapsed - (self._getting - before), dict(self.pieces[first:])
