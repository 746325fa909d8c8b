"""Whether the records bear out a claim.

Over the seeds the value of a statement has a mean and an interval (Student's t, two-sided, 90 %). If the interval lies
inside the range that the claim wants, the statement *holds*; wholly outside, it *fails*; across its edge, it is
*unclear*. All metrics of a statement come from the same seed, so that what a seed makes easy or hard for both sides
drops out.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from labkit.claims.paper import Claim
from labkit.claims.records import Record
from labkit.claims.selection import Selection
from labkit.claims.statement import Outcome, Statement

LEVEL = 0.90  # of the two-sided interval
ENOUGH = 3  # seeds


@dataclass(frozen=True)
class Check:
    """A statement, measured: over how many seeds, its mean and interval (NaN without enough seeds)."""

    statement: Statement
    outcome: Outcome
    seeds: int
    mean: float
    low: float
    high: float
    reason: str


@dataclass(frozen=True)
class Verdict:
    """What became of a claim, why in a line, the statements it rests on, and on the records of which data set."""

    claim: Claim
    outcome: Outcome
    reason: str
    checks: tuple[Check, ...]
    dataset: str = "world"

    @property
    def cause(self) -> str:
        """The written cause, which is about the world; empty for other data sets."""
        return self.claim.cause if self.dataset == "world" else ""

    @property
    def lacks_cause(self) -> bool:
        """Whether a written cause is due: the claim fails or is unclear in the world, and the ledger is silent."""
        due = self.dataset == "world" and self.outcome in (Outcome.FAILS, Outcome.UNCLEAR)
        return due and not self.claim.cause

    def plain(self) -> dict[str, str]:
        """The verdict as plain data, as ``labkit.viz.paper_table`` takes it."""
        reason = "\n".join(dict.fromkeys(check.reason for check in self.checks))
        plain = {"id": self.claim.id, "outcome": str(self.outcome), "says": self.claim.says, "reason": reason}
        return plain | ({"cause": self.cause} if self.cause else {})


def verdict(claim: Claim, measured: Iterable[Record], selection: Selection) -> Verdict:
    """Say what the records make of a claim.

    Args:
        claim: from the ledger.
        measured: records of its paper.
        selection: which of them count.

    Returns:
        *fails* if one statement fails; else *not yet run*, *stale* or *unclear* if one of them is; else *holds*.
    """
    measured = list(measured)
    fresh, every = selection.values(measured, stale=False), selection.values(measured)
    checks = tuple(_check(statement, fresh, every) for statement in claim.statements)
    severity = [Outcome.FAILS, Outcome.NOT_RUN, Outcome.STALE, Outcome.UNCLEAR, Outcome.HOLDS]
    worst = min(checks, key=lambda check: severity.index(check.outcome))
    return Verdict(claim, worst.outcome, worst.reason, checks, selection.dataset)


def _check(statement: Statement, fresh: Mapping[int, Mapping[str, float]], every: Mapping[int, Any]) -> Check:
    def complete(seeds: Mapping[int, Mapping[str, float]]) -> list[Mapping[str, float]]:
        return [values for values in seeds.values() if statement.terms.keys() <= values.keys()]

    paired, nan = complete(fresh), math.nan
    if len(paired) < ENOUGH:
        if len(complete(every)) >= ENOUGH:
            reason = "measured with an earlier version of the world or the study: run again"
            return Check(statement, Outcome.STALE, len(paired), nan, nan, nan, reason)
        reason = f"{len(paired)} of {ENOUGH} seeds have every metric of it"
        if missing := [metric for metric in statement.terms if not any(metric in values for values in every.values())]:
            reason = f"no record of {', '.join(missing)}"
        return Check(statement, Outcome.NOT_RUN, len(paired), nan, nan, nan, reason)
    differences = [statement.difference(values) for values in paired]
    mean, low, high = interval(differences)
    outcome = statement.judge(low, high)
    reason = f"{statement.text}: {mean:+.2f} [{low:+.2f}, {high:+.2f}] over {len(paired)} seeds"
    return Check(statement, outcome, len(paired), mean, low, high, reason)


def interval(values: Sequence[float], level: float = LEVEL) -> tuple[float, float, float]:
    """Mean and two-sided t interval: mean ± t(n - 1) s / sqrt(n).

    Args:
        values: one for each seed, at least two.
        level: probability that such an interval covers the true mean, if the values are normal.

    Returns:
        Mean, lower and upper end.
    """
    if len(values) < 2:
        raise ValueError(f"values must be at least 2; got {len(values)}: an interval needs a spread")
    from scipy import stats  # type: ignore[import-untyped]  # takes a second, which reading the ledger should not

    mean, error = fmean(values), stdev(values) / math.sqrt(len(values))
    if error == 0:  # for which scipy gives NaN
        return mean, mean, mean
    low, high = stats.t.interval(level, len(values) - 1, loc=mean, scale=error)
    return mean, float(low), float(high)
