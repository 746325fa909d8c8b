"""Labels that fit: in lines above an image, level or turned below an axis."""

import math
import re
from collections.abc import Sequence
from textwrap import wrap
from typing import NamedTuple

PAGE = 920  # the width in pixels that figures are laid out for
PLOT = PAGE - 84  # pixels between the left and the right margin of a chart
NARROW = 784 - 84  # the same where a page has columns at its sides
SHORT = 20  # pixels that names take which need not be turned
LETTER = 0.62  # width of a letter, of the size of its font; of wide fonts, to be safe


def wrapped_label(label: str, width: float) -> str:
    """A label in as many lines, parted by ``<br>``, as it needs to stay within a width in pixels.

    Lines break between words, or else before a capital, as of ``HandstandPushups``; a word that is too long all the
    same is cut up. What has tags of its own is left alone.
    """
    most = max(int(width / (12 * LETTER)), 4)
    if len(label) <= most or "<" in label:
        return label
    longest = min(max(map(len, label.split())), most)
    ways = [_lines(label, letters) for letters in range(longest, most + 1)]
    fewest = len(ways[-1])
    return "<br>".join(next(lines for lines in ways if len(lines) == fewest))  # no line much shorter than the others


def _lines(label: str, letters: int) -> list[str]:
    """A label in lines of at most so many letters."""
    lines: list[str] = []
    for word in label.split():
        pieces = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", word).split() if len(word) > letters else [word]
        for number, piece in enumerate(pieces):
            glue = " " if number == 0 else ""
            if lines and len(lines[-1] + glue + piece) <= letters:
                lines[-1] += glue + piece
            else:
                lines += wrap(piece, letters)
    return lines


class NameTicks(NamedTuple):
    """How names stand below an axis.

    Attributes:
        angle: that they are turned by, clockwise, in degrees.
        size: of their font, in pixels.
        room: that they take below the axis, in pixels.
    """

    angle: int
    size: int
    room: int


def name_ticks(names: Sequence[str]) -> NameTicks:
    """How names stand below an axis without running into each other: level, aslant, upright, or upright and small.

    A name may have several lines, with ``<br>`` between them.
    """
    slot = PLOT / max(len(names), 1)
    lines = [name.split("<br>") for name in names]
    longest = max((len(line) for of_name in lines for line in of_name), default=0)
    further = 15 * (max(map(len, lines), default=1) - 1)  # pixels of the lines below the first one
    if 1.1 * 12 * LETTER * longest <= NARROW / max(len(names), 1):
        return NameTicks(0, 12, SHORT + further)
    if slot >= 28:  # slanted lines lie half of it apart
        return NameTicks(30, 12, SHORT + further + math.ceil(12 * LETTER * longest / 2))
    size = max(min(12, int(slot) - 1), 7)
    return NameTicks(90, size, 8 + further + math.ceil(size * LETTER * longest))
