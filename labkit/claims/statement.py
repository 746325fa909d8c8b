"""A statement of a claim: a comparison of named metrics with a margin.

It says what "better", "about as good" and "at least" mean, in points of the metric, before anything is run::

    "stack.10 > stack.5 by 1"               better: the difference is above 1 point
    "svm >= average within 1"               at least as good: at most 1 point below
    "fine_tuned ~ last_layer within 3"      about equal: at most 3 points apart, in either direction
    "a > b > c by 1"                        in this order, each step by 1
    "stack.5 - stack.1 > stack.10 - stack.5 by 0"    sums, differences, numbers and multiples on either side

Every statement comes down to one value for each seed, a sum of metrics, and to a range in which the claim wants it.
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
    """What became of a claim."""

    HOLDS = "holds"
    FAILS = "fails"
    UNCLEAR = "unclear"
    STALE = "stale"
    NOT_RUN = "not yet run"


SYMBOLS = {Outcome.HOLDS: "✓", Outcome.FAILS: "✗", Outcome.UNCLEAR: "?", Outcome.STALE: "↻", Outcome.NOT_RUN: "·"}


@dataclass(frozen=True)
class Statement:
    """A comparison, as the sum of metrics it is about and the range in which that sum must lie.

    Args:
        text: as written; of a chain, this step.
        terms: metric and factor; left side minus right side.
        constant: the plain numbers, left minus right as well.
        low: the sum must be at least this (above it, for ``>``).
        high: the sum must be at most this.
        strict: whether the sum must differ from ``low``.
    """

    text: str
    terms: Mapping[str, float]
    constant: float
    low: float
    high: float
    strict: bool

    def difference(self, values: Mapping[str, float]) -> float:
        """The number this statement is about, for one seed's values by metric."""
        return sum(factor * values[metric] for metric, factor in self.terms.items()) + self.constant

    def judge(self, low: float, high: float) -> Outcome:
        """Where an interval lies: inside the wanted range, outside or across its edge."""
        if (low > self.low if self.strict else low >= self.low) and high <= self.high:
            return Outcome.HOLDS
        if (high <= self.low if self.strict else high < self.low) or low > self.high:
            return Outcome.FAILS
        return Outcome.UNCLEAR


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
    low, high = {">": (margin, math.inf), ">=": (-margin, math.inf), "~": (-margin, margin)}[sign]
    steps = []
    for left, right in zip(sides[::2], sides[2::2], strict=False):
        terms, constant = _sum(left, text)
        subtracted, number = _sum(right, text)
        for metric, factor in subtracted.items():
            terms[metric] = terms.get(metric, 0.0) - factor
        constant -= number
        step = f"{left.strip()} {sign} {right.strip()} {_LIMIT[sign]} {margin:g}"
        steps.append(Statement(step, terms, constant, low, high, strict=sign == ">"))
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
