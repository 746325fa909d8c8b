"""Statements in words: what records say to somebody who does not know the names of metrics."""

import re
from collections.abc import Sequence

from labkit.claims.paper import Paper
from labkit.claims.statement import ClaimsError, Statement

_SIGNS = {"+": " plus ", "-": " minus "}


def name_of(metric: str, paper: Paper) -> str:
    """What a metric is of, without its unit: as the paper's ``names`` have it.

    Else it is the row of the table, and the column where it says something.
    """
    if metric in paper.names:
        return paper.names[metric]
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
        statement: about metrics of the paper.
        differences: the value of each seed, at least one.
        paper: whose metrics they are.
        runs: what a seed is: in the lab's world it is another world.
    """
    mean = round(sum(differences) / len(differences), places(statement))
    sign = 1 if mean >= 0 else -1
    agree = f"in {sum(sign * value > 0 for value in differences)} of {len(differences)} {runs}"
    amount = f"{abs(mean):.{places(statement)}f} {_unit_in_words(statement, paper)}".rstrip()
    left, right = statement.text.rsplit(" ", 2)[0].split(f" {statement.sign} ")
    if right == "0":
        side = "above" if sign > 0 else "below"
        return f"{_named(left, paper)}: {'-' if sign < 0 else ''}{amount} on average, {side} zero {agree}"
    than = "more" if sign > 0 else "less"
    return f"{_against(left, right, paper)}: {amount} {than} on average, {than} {agree}"


def places(statement: Statement) -> int:
    """Decimals that a reader needs: one more where less than a point counts."""
    return 2 if 0 < statement.margin < 1 else 1


def _unit_in_words(statement: Statement, paper: Paper) -> str:
    """After a number: of percent, points, and of what if that is not accuracy; none of counts and correlations."""
    unit = unit_of(statement, paper)
    score = re.match(r"% (mAP|Hit@1)", paper.metrics[next(iter(statement.terms))])
    return f"points of {score[1]}" if score else unit if unit in ("points", "pixels") else ""


def _against(left: str, right: str, paper: Paper) -> str:
    """Both sides of a statement; what both names end in stands once, or not at all if it is the column of a table."""
    if paper.metrics.keys() >= {left, right}:
        first, second = _shortened(name_of(left, paper), name_of(right, paper))
        shared = name_of(left, paper).split(": ")[first.count(": ") + 1 :] if left in paper.names else []
        return ", ".join([f"{first} against {second}".replace(": ", ", "), *shared])
    return f"{_named(left, paper)} against {_named(right, paper)}"


def _named(side: str, paper: Paper) -> str:
    """One side of a statement: a number, a metric, a mean or a sum of some."""
    metrics, signs = re.split(r" [+-] ", side), re.findall(r" ([+-]) ", side)
    share = f"{1 / len(metrics):g} * "
    if len(metrics) > 1 and "-" not in signs and all(metric.startswith(share) for metric in metrics):
        names = [name_of(metric.removeprefix(share), paper) for metric in metrics]
        return f"the mean of {', '.join(_cut(name) for name in names[:-1])} and {_cut(names[-1])}"
    names = [name_of(metric, paper).replace(" * ", " × ") for metric in metrics]
    if len(names) == 2:
        names[0] = _shortened(*names)[0]
    if signs == ["-"]:
        return f"the lead of {names[0]} over {names[1]}".replace(": ", ", ")
    rest = "".join(_SIGNS[sign] + name for sign, name in zip(signs, names[1:], strict=True))
    return (names[0] + rest).replace(": ", ", ")


def _cut(name: str) -> str:
    return name.partition(": ")[0]


def _shortened(first: str, second: str) -> tuple[str, str]:
    """Two names without the parts at their ends that both share."""
    one, two = first.split(": "), second.split(": ")
    while len(one) > 1 and len(two) > 1 and one[-1] == two[-1]:
        one, two = one[:-1], two[:-1]
    return ": ".join(one), ": ".join(two)
