"""A statement of a claim: a comparison of named metrics with a margin.

It says what "better", "about as good" and "at least" mean, in points of the metric, before anything is run::

    "stack.10 > stack.5 by 1"               better: the difference is above 1 point
    "svm >= average within 1"               at least as good: at most 1 point below
    "fine_tuned ~ last_layer within 3"      about equal: at most 3 points apart, in either direction
    "a > b > c by 1"                        in this order, each step by 1
    "stack.5 - stack.1 > stack.10 - stack.5 by 0"    sums, differences, numbers and multiples on either side

The margin is the smallest difference that counts. Every statement comes down to one value for each seed, a sum of
metrics, and to a range in which the claim wants it.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

METRIC = r"[a-z][a-z0-9_.]*"
_NUMBER = r"\d+(?:\.\d+)?"
_LIMIT = {">": "by", ">=": "within", "~": "within"}  # the word before the margin


class ClaimsError(ValueError):
    """The ledger or a file of results does not say what it should; the message names the place and the remedy."""


class Outcome(StrEnum):
    """What became of a claim, or of a statement."""

    HOLDS = "holds"
    LEANS_TO = "leans to it"
    LEVEL = "level"
    LEANS_AGAINST = "leans against it"
    REVERSED = "the other way round"
    UNCERTAIN = "can't tell here"
    ABSENT = "condition absent"
    STALE = "stale"
    NOT_RUN = "not yet run"


DECIDED = (Outcome.HOLDS, Outcome.LEVEL, Outcome.REVERSED)

SYMBOLS = {
    Outcome.HOLDS: "✓",
    Outcome.LEANS_TO: "↗",
    Outcome.LEVEL: "=",
    Outcome.LEANS_AGAINST: "↘",
    Outcome.REVERSED: "✗",
    Outcome.UNCERTAIN: "?",
    Outcome.ABSENT: "∅",
    Outcome.STALE: "↻",
    Outcome.NOT_RUN: "·",
}


@dataclass(frozen=True)
class Statement:
    """A comparison, as the sum of metrics it is about and how large that sum must be.

    Args:
        text: as written; of a chain, this step.
        terms: metric and factor; left side minus right side.
        constant: the plain numbers, left minus right as well.
        sign: ``">"``, ``">="`` or ``"~"``.
        margin: the smallest difference that counts, in points.
    """

    text: str
    terms: Mapping[str, float]
    constant: float
    sign: str
    margin: float

    @property
    def low(self) -> float:
        """The sum must be at least this; above it, for ``>``."""
        return self.margin if self.sign == ">" else -self.margin

    @property
    def high(self) -> float:
        """The sum must be at most this."""
        return self.margin if self.sign == "~" else math.inf

    def difference(self, values: Mapping[str, float]) -> float:
        """The number this statement is about, for one seed's values by metric."""
        return sum(factor * values[metric] for metric, factor in self.terms.items()) + self.constant

    def judge(self, mean: float, low: float, high: float) -> Outcome:
        """What an interval says.

        It *holds* if the whole interval lies where it should. Of ``>`` it is *level* if the whole interval is nearer to
        zero than the margin: there is no difference that counts. It is *the other way round* if the whole interval lies
        below that; of ``~`` on either side. If the interval lies across one of these edges, the mean says where it
        *leans*; across two of them, nothing *can be told*.
        """
        if low >= self.low and high <= self.high and (low > self.low or self.sign != ">"):
            return Outcome.HOLDS
        if self.sign == ">" and low >= -self.margin and high <= self.margin:
            return Outcome.LEVEL
        if high < -self.margin or low > self.high:
            return Outcome.REVERSED
        if sum(low < edge < high for edge in {self.low, -self.margin, self.high}) > 1:
            return Outcome.UNCERTAIN
        wanted = mean > self.low if self.sign == ">" else self.low <= mean <= self.high
        return Outcome.LEANS_TO if wanted else Outcome.LEANS_AGAINST


def parse(text: str) -> list[Statement]:
    """Read a statement; a chain ``a > b > c by 1`` gives one for each step.

    Raises:
        ClaimsError: not of the form the module describes, or without a margin.
    """
    body, margin = _without_margin(text)
    sides = re.split(r"\s+(>=|>|~)\s+", body)
    signs = set(sides[1::2])
    if len(signs) != 1:
        raise ClaimsError(f"statement must compare with one of >, >=, ~; got {text!r}: write e.g. 'a > b by 1'")
    sign = signs.pop()
    if not re.search(rf"\s{_LIMIT[sign]}\s", text):
        raise ClaimsError(f"a margin of {sign} must follow the word {_LIMIT[sign]!r}; got {text!r}")
    steps = []
    for left, right in zip(sides[::2], sides[2::2], strict=False):
        terms, constant = _sum(left, text)
        subtracted, number = _sum(right, text)
        for metric, factor in subtracted.items():
            terms[metric] = terms.get(metric, 0.0) - factor
        constant -= number
        step = f"{left.strip()} {sign} {right.strip()} {_LIMIT[sign]} {margin:g}"
        steps.append(Statement(step, terms, constant, sign, margin))
    return steps


def _without_margin(text: str) -> tuple[str, float]:
    match = re.fullmatch(rf"(.+?)\s+(?:by|within)\s+({_NUMBER})", text.strip())
    if not match:
        raise ClaimsError(
            f"statement must end in a margin; got {text!r}: add 'by N' after >, 'within N' after >= and ~, in points"
        )
    return match[1], float(match[2])


def _sum(side: str, text: str) -> tuple[dict[str, float], float]:
    """Metrics with their factors, and the plain numbers, of one side of a comparison."""
    terms: dict[str, float] = {}
    constant = 0.0
    parts = re.split(r"\s+([+-])\s+", side.strip())
    for sign, part in zip(["+", *parts[1::2]], parts[::2], strict=True):
        match = re.fullmatch(rf"(?:({_NUMBER})\s*\*\s*)?({METRIC})|({_NUMBER})", part)
        if not match:
            raise ClaimsError(
                f"a side must be a sum of metrics and numbers, spaces around + and -; got {part!r} in {text!r}"
            )
        factor = 1.0 if sign == "+" else -1.0
        if match[2]:
            terms[match[2]] = terms.get(match[2], 0.0) + factor * float(match[1] or 1)
        else:
            constant += factor * float(match[3])
    return terms, constant
