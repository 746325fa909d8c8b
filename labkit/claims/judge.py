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

from scipy.special import stdtrit  # type: ignore[import-untyped]

from labkit.claims.ledger import Claim
from labkit.claims.records import COUNTING, Record
from labkit.claims.statement import ClaimsError, Outcome, Statement

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
        told = {"id": self.claim.id, "outcome": str(self.outcome), "says": self.claim.says, "reason": reason}
        return told | ({"cause": self.cause} if self.cause else {})


def verdict(
    claim: Claim,
    measured: Iterable[Record],
    *,
    dataset: str = "world",
    profile: str = "study",
    world: int | None = None,
    module: int | None = None,
) -> Verdict:
    """Say what the records make of a claim.

    Args:
        claim: from the `ledger`.
        measured: records of its paper; those of a part of a data set do not count.
        dataset: records of which data set count.
        profile: records of which profile count, "study" or "paper".
        world: the version of the embedded world today; records with a lower one are stale. None: none is.
        module: the version of the paper's module today, likewise.

    Returns:
        *fails* if one statement fails; else *not yet run*, *stale* or *unclear* if one of them is; else *holds*.

    Raises:
        ClaimsError: a profile whose numbers mean nothing.
    """
    if profile not in COUNTING:
        raise ClaimsError(f"profile must be one of {', '.join(COUNTING)}; got {profile!r}: its numbers judge nothing")
    fresh: dict[int, dict[str, float]] = {}
    every: dict[int, dict[str, float]] = {}
    for line in measured:
        if line.counts_for(dataset, profile):
            every.setdefault(line.seed, {})[line.metric] = line.value
            if not line.older_than(world, module):
                fresh.setdefault(line.seed, {})[line.metric] = line.value
    checks = tuple(_check(statement, fresh, every) for statement in claim.statements)
    severity = [Outcome.FAILS, Outcome.NOT_RUN, Outcome.STALE, Outcome.UNCLEAR, Outcome.HOLDS]
    worst = min(checks, key=lambda check: severity.index(check.outcome))
    return Verdict(claim, worst.outcome, worst.reason, checks, dataset)


def _check(statement: Statement, fresh: Mapping[int, Mapping[str, float]], every: Mapping[int, Any]) -> Check:
    def complete(seeds: Mapping[int, Mapping[str, float]]) -> list[Mapping[str, float]]:
        return [values for _, values in sorted(seeds.items()) if statement.terms.keys() <= values.keys()]

    paired, nan = complete(fresh), math.nan
    if len(paired) < ENOUGH:
        if len(complete(every)) >= ENOUGH:
            reason = "measured with an earlier version of the world or the module: run again"
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
    """Mean and two-sided t interval: mean -+ t(n - 1) s / sqrt(n).

    Args:
        values: one for each seed, at least two.
        level: probability that such an interval covers the true mean, if the values are normal.

    Returns:
        Mean, lower and upper end.
    """
    if len(values) < 2:
        raise ValueError(f"values must be at least 2; got {len(values)}: an interval needs a spread")
    mean = fmean(values)
    half = float(stdtrit(len(values) - 1, (1 + level) / 2)) * stdev(values) / math.sqrt(len(values))
    return mean, mean - half, mean + half
