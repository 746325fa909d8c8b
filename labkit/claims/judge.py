"""Whether the records bear out a claim.

Over the seeds the value of a statement has a mean and an interval (Student's t, two-sided, 90 %), and where the
interval lies says what became of it: see `Statement.judge`. All metrics of a statement come from the same seed, so that
what a seed makes easy or hard for both sides drops out.

A claim holds if all of its statements do, each at a risk of 5 %. One statement that is level or the other way round
suffices against it. So that a claim of many statements is not refuted by bad luck more easily than one of few, the risk
is shared among them (Holm 1979): the clearest of k statements has to stand at 5 / k %, the next at 5 / (k - 1) %.
"""

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from labkit.claims.paper import Claim
from labkit.claims.records import Record
from labkit.claims.selection import Selection
from labkit.claims.statement import SYMBOLS, Outcome, Statement
from labkit.claims.words import in_words, places

LEVEL = 0.90  # of the two-sided interval
RISK = (1 - LEVEL) / 2  # on either side


@dataclass(frozen=True)
class Check:
    """A statement, measured.

    Attributes:
        statement: of the ledger.
        outcome: what became of it.
        seeds: over how many.
        mean: of their values; NaN without enough seeds, as the next two.
        low: lower end of the interval.
        high: upper end.
        reason: all that in a line.
        differences: the value of each seed.
        paper: the difference of the paper's own numbers; None where its tables lack one of them.
        words: the same for somebody who does not know the names of metrics.
        shared: among how many statements the risk is shared, if that is why it only leans; else 0.
    """

    statement: Statement
    outcome: Outcome
    seeds: int
    mean: float
    low: float
    high: float
    reason: str
    differences: tuple[float, ...] = ()
    paper: float | None = None
    words: str = ""
    shared: int = 0

    @classmethod
    def of(cls, statement: Statement, differences: Sequence[float]) -> "Check":
        """What the differences of some seeds say."""
        values = tuple(differences)
        mean, low, high = interval(values) if len(values) > 1 else 3 * values
        reason = f"{statement.text}: {mean:+.2f} [{low:+.2f}, {high:+.2f}] over {_seeds(len(values))}"
        outcome = statement.judge(mean, low, high)
        reason += ", too wide to tell" * (outcome is Outcome.UNCERTAIN)
        return cls(statement, outcome, len(values), mean, low, high, reason, values)

    @property
    def told(self) -> str:
        """The words, where there are any, with the interval and the paper's number; else the reason."""
        if not self.words:
            return self.reason
        digits = places(self.statement)
        beside = "" if self.paper is None else f"; the paper's {self.paper:+.{digits}f}"
        beside += f"; one of {self.shared} statements, each of which has to be clearer" * bool(self.shared)
        sentence = self.words[0].upper() + self.words[1:]
        return f"{sentence} ({self.low:+.{digits}f} to {self.high:+.{digits}f}{beside})"

    @property
    def finds_the_papers(self) -> bool:
        """Whether the paper's own difference lies in our interval."""
        return self.paper is not None and self.low <= self.paper <= self.high


@dataclass(frozen=True)
class Verdict:
    """What became of a claim, why in a line, the statements it rests on, of which data set; and other statements."""

    claim: Claim
    outcome: Outcome
    reason: str
    checks: tuple[Check, ...]
    dataset: str = "world"
    also: tuple[Check, ...] = ()

    @property
    def cause(self) -> str:
        """The written cause, where the world speaks against the claim or lacks what it is about; else empty."""
        due = self.dataset == "world" and self.outcome in (*_AGAINST, Outcome.ABSENT)
        return self.claim.cause if due else ""

    @property
    def lacks_cause(self) -> bool:
        """Whether a written cause is due: the world's records speak against the claim, and the ledger is silent."""
        return self.dataset == "world" and self.outcome in _AGAINST and not self.claim.cause

    @property
    def absent(self) -> str:
        """What the world lacks, in a sentence, if that is the outcome; else empty."""
        return f"{self.reason[0].upper()}{self.reason[1:]}." if self.outcome is Outcome.ABSENT else ""

    @property
    def told(self) -> list[str]:
        """What the world lacks, if that is it, and a line for each statement, where there are several with its sign."""
        several = len(self.checks) > 1
        lines = [f"{SYMBOLS[check.outcome]} " * (several and bool(check.words)) + check.told for check in self.checks]
        return [*filter(None, [self.absent]), *dict.fromkeys(lines)]

    def plain(self) -> dict[str, str]:
        """The verdict as plain data, as ``labkit.viz.paper_table`` takes it."""
        lines = {
            "reason": self.told,
            "numbers": [check.reason for check in self.checks if check.words]
            + [f"beside it: {check.reason}" for check in self.also if not math.isnan(check.mean)],
            "cause": [self.cause],
        }
        texts = {name: "\n".join(dict.fromkeys(filter(None, parts))) for name, parts in lines.items()}
        plain = {"id": self.claim.id, "outcome": str(self.outcome), "says": self.claim.says}
        return plain | {name: text for name, text in texts.items() if text}


def verdict(claim: Claim, measured: Iterable[Record], selection: Selection) -> Verdict:
    """Say what the records make of a claim.

    Args:
        claim: from the ledger.
        measured: records of its paper.
        selection: which of them count.

    Returns:
        *the other way round*, *level*, *not yet run*, *stale*, *leans against it*, *can't tell here* or *leans to it*
        if one statement is, in this order; else *holds*. A frozen batch judges nothing until all seeds of all claims of
        the paper are measured. *Condition absent* where the ledger says that the world lacks what the claim is about.
    """
    measured = list(measured)
    fresh, every = selection.values(measured, stale=False), selection.values(measured)
    thawed = _thawed(selection)
    exploring = selection.exploration()
    before = [record for record in measured if selection.frozen and exploring.counts(record)]
    explored, old = exploring.values(before), {record.metric for record in before if selection.is_stale(record)}

    whole = _whole(selection, claim, fresh)

    def checked(statement: Statement, exact: bool = False) -> Check:
        constant = exact and len(set(differences(statement, fresh))) == 1
        found = _check(statement, 1 if constant else selection.enough, thawed, fresh, every)
        if whole < selection.enough and not constant and found.differences:
            nan, reason = math.nan, f"so far, {whole} of {_seeds(selection.enough)} of all claims"
            return Check(statement, Outcome.NOT_RUN, found.seeds, nan, nan, nan, reason)
        return _beside(found, selection, explored, old)

    checks = _shared_risk([checked(statement, claim.exact) for statement in claim.statements])
    also = tuple(checked(statement) for statement in claim.also)
    worst = _worst(checks)
    if claim.absent and selection.dataset == "world":
        return Verdict(claim, Outcome.ABSENT, f"the world lacks {claim.absent}", checks, selection.dataset, also)
    return Verdict(claim, worst.outcome, worst.reason, checks, selection.dataset, also)


def judge_all(checks: Sequence[Check]) -> Outcome:
    """What the statements of a claim say together."""
    return _worst(_shared_risk(checks)).outcome


def _worst(checks: Sequence[Check]) -> Check:
    return min(checks, key=lambda check: _SEVERITY.index(check.outcome))


_AGAINST = (Outcome.LEVEL, Outcome.LEANS_AGAINST, Outcome.REVERSED)

_SEVERITY = (
    Outcome.REVERSED,
    Outcome.LEVEL,
    Outcome.NOT_RUN,
    Outcome.STALE,
    Outcome.LEANS_AGAINST,
    Outcome.UNCERTAIN,
    Outcome.LEANS_TO,
    Outcome.HOLDS,
)


def _whole(selection: Selection, claim: Claim, fresh: Mapping[int, Mapping[str, float]]) -> float:
    """How many seeds of a frozen batch have the metrics of this and all other claims; infinite if none is frozen."""
    if not selection.frozen:
        return math.inf
    judging = [one for one in (claim, *selection.paper.claims) if not one.exact]
    metrics = {metric for one in judging for statement in one.statements for metric in statement.terms}
    return sum(metrics <= values.keys() for values in fresh.values())


def _thawed(selection: Selection) -> str:
    """Why a frozen batch cannot judge any more: the study or the world is another one; empty if it can."""
    frozen = selection.frozen
    now = (selection.version, selection.world)
    if frozen is None or None in now or now == frozen.versions:
        return ""
    return f"frozen for the study's version {frozen.study} and the world's {frozen.world}; now {now[0]} and {now[1]}"


def differences(statement: Statement, seeds: Mapping[int, Mapping[str, float]]) -> list[float]:
    """The number that a statement is about, for each of the seeds that have every metric of it."""
    return [statement.difference(values) for values in seeds.values() if statement.terms.keys() <= values.keys()]


def _check(
    statement: Statement,
    enough: int,
    thawed: str,
    fresh: Mapping[int, Mapping[str, float]],
    every: Mapping[int, Mapping[str, float]],
) -> Check:
    paired, nan = differences(statement, fresh), math.nan
    if thawed:
        return Check(statement, Outcome.STALE, len(paired), nan, nan, nan, thawed)
    if len(paired) < enough:
        if len(differences(statement, every)) >= enough:
            reason = "measured with an earlier version of the world or the study: run again"
            return Check(statement, Outcome.STALE, len(paired), nan, nan, nan, reason)
        reason = f"so far, {len(paired)} of {_seeds(enough)}"
        if missing := [metric for metric in statement.terms if not any(metric in values for values in every.values())]:
            reason = f"no record of {', '.join(missing)}"
        return Check(statement, Outcome.NOT_RUN, len(paired), nan, nan, nan, reason)
    return Check.of(statement, paired)


def _beside(check: Check, selection: Selection, explored: Mapping[int, Mapping[str, float]], old: Set[str]) -> Check:
    """With words, the paper's own difference, if its tables have one, and what other seeds had said before.

    Args:
        check: of a statement.
        selection: which records count.
        explored: the values of the other seeds.
        old: metrics of which these have records of earlier versions.
    """
    if math.isnan(check.mean):
        return check
    statement, paper = check.statement, selection.paper
    runs = "worlds" if selection.dataset == "world" else "seeds"
    check = replace(check, words=in_words(statement, check.differences, paper, runs))
    if statement.terms.keys() <= paper.numbers.keys():
        check = replace(check, paper=statement.difference(paper.numbers))
        where = "" if check.finds_the_papers else ", outside"
        check = replace(check, reason=f"{check.reason}; the paper's {check.paper:+.2f}{where}")
    if before := differences(statement, explored):
        mean, earlier = fmean(before), " of earlier versions" * (not old.isdisjoint(statement.terms))
        both = f"{mean:+.2f} on {_seeds(len(before), 'other ')}{earlier}, {_signs(mean, check.mean)}"
        if len(set(before)) > 1:
            _, low, high = interval(before)
            both += f", {'inside' if low <= check.mean <= high else 'outside'} [{low:+.2f}, {high:+.2f}]"
        check = replace(check, reason=f"{check.reason}; explored {both}")
    return check


def _signs(*means: float) -> str:
    """How the signs of two means compare, as they are printed."""
    up, down = (sum(round(sign * mean, 2) > 0 for mean in means) for sign in (1, -1))
    return "the same sign" if 2 in (up, down) else "another sign" if up and down else "no difference in one of them"


def _seeds(count: int, kind: str = "") -> str:
    return f"{count} {kind}seed" + "s" * (count != 1)


def _shared_risk(checks: Sequence[Check]) -> tuple[Check, ...]:
    """Holm: what speaks against a claim must do so at a risk shared among its statements, else it only leans."""
    against = (Outcome.LEVEL, Outcome.REVERSED)
    risks = {number: _risk(check) for number, check in enumerate(checks) if check.outcome in against}
    shared = list(checks)
    standing = True
    for rank, number in enumerate(sorted(risks, key=risks.__getitem__)):
        standing &= risks[number] <= RISK / (len(checks) - rank)
        if not standing:
            reason = f"{checks[number].reason}, one of {len(checks)} statements"
            shared[number] = replace(checks[number], outcome=Outcome.LEANS_AGAINST, reason=reason, shared=len(checks))
    return tuple(shared)


def _risk(check: Check) -> float:
    """The smallest risk at which a statement is level, or the other way round."""
    from scipy import stats  # type: ignore[import-untyped]  # takes a second, which reading the ledger should not

    statement, values = check.statement, check.differences
    if len(set(values)) == 1:
        return 0.0
    if check.outcome is Outcome.LEVEL:
        edges = ((statement.margin, "less"), (-statement.margin, "greater"))
        return max(float(stats.ttest_1samp(values, edge, alternative=side).pvalue) for edge, side in edges)
    above = check.low > statement.high
    edge, side = (statement.high, "greater") if above else (-statement.margin, "less")
    return float(stats.ttest_1samp(values, edge, alternative=side).pvalue)


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
    from scipy import stats

    mean, error = fmean(values), stdev(values) / math.sqrt(len(values))
    if error == 0:  # for which scipy gives NaN
        return mean, mean, mean
    low, high = stats.t.interval(level, len(values) - 1, loc=mean, scale=error)
    return mean, float(low), float(high)
