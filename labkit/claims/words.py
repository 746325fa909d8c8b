"""Statements in words: what records say to somebody who does not know the names of metrics."""

import re
from collections.abc import Sequence

from labkit.claims.paper import Paper
from labkit.claims.statement import ClaimsError, Statement


def name_of(metric: str, paper: Paper) -> str:
    """What a metric is of, without its unit: the row of the table, and the column where it says something."""
    meaning = paper.metrics.get(metric, metric)
    return re.sub(r"^\([a-z]\) ", "", meaning.partition(": ")[2] or meaning)


def unit_of(statement: Statement, paper: Paper) -> str:
    """What the difference of a statement is measured in: of percent, points; else what the meanings begin with."""
    meaning = paper.metrics[next(iter(statement.terms))]
    unit = re.match(r"%|[a-z]+( x 100)?", meaning)
    if unit is None:
        raise ClaimsError(f"{paper.name}: the meaning of a metric must begin with its unit; got {meaning!r}")
    return {"%": "points"}.get(unit[0], unit[0].replace(" x 100", ", hundredths"))


def in_words(statement: Statement, differences: Sequence[float], paper: Paper, runs: str = "worlds") -> str:
    """A sentence such as "A against B: 1.4 points more on average, more in 8 worlds of 10".

    Args:
        statement: about two metrics in percent; of another one the text is kept.
        differences: the value of each seed, at least one.
        paper: whose metrics they are.
        runs: what a seed is: in the lab's world it is another world.
    """
    mean = sum(differences) / len(differences)
    than, sign = ("more", 1) if mean >= 0 else ("less", -1)
    agree = sum(sign * value > 0 for value in differences)
    agreed = f"{than} in {agree} of {len(differences)} {runs}"
    left, right = ([metric for metric, factor in statement.terms.items() if factor == side] for side in (1, -1))
    two = len(left) == len(right) == 1 and len(statement.terms) == 2 and not statement.constant
    if not two or not all(paper.metrics.get(metric, "").startswith("%") for metric in statement.terms):
        return f"{statement.text}: {mean:+.2f} on average, {agreed}"
    first, second = _shortened(name_of(left[0], paper), name_of(right[0], paper))
    return f"{first} against {second}: {abs(mean):.1f} points {than} on average, {agreed}"


def _shortened(first: str, second: str) -> tuple[str, str]:
    """Two names without the columns at their ends that both share."""
    one, two = first.split(": "), second.split(": ")
    while len(one) > 1 and len(two) > 1 and one[-1] == two[-1]:
        one, two = one[:-1], two[:-1]
    return ", ".join(one), ", ".join(two)
