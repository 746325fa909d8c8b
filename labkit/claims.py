"""The ledger: what the papers say, what this lab has measured, and whether the one bears out the other.

``claims.toml`` holds every table and figure that the lab re-creates, and every claim as a statement on named metrics.
A statement says what "better", "about as good" and "at least" mean, in points of the metric, before anything is run::

    "stack.10 > stack.5 by 1"               better: the difference is above 1 point
    "svm >= average within 1"               at least as good: at most 1 point below
    "fine_tuned ~ last_layer within 3"      about equal: at most 3 points apart, either way
    "a > b > c by 1"                        in this order, each step by 1
    "stack.5 - stack.1 > stack.10 - stack.5 by 0"    sums, differences, numbers and multiples on either side

A claim is a list of statements, all of which must hold. Every statement comes down to one number for each seed, a sum
of metrics, and to a range in which the claim wants it. Over the seeds that number has a mean and an interval
(Student's t, two-sided, 90 %). Interval inside the range: *holds*; wholly outside: *fails*; across its edge: *unclear*.
All metrics of a statement come from the same seed, so what a seed makes easy or hard for all sides alike drops out.

What was measured lies as JSON lines in ``notebooks/results/``, one file a paper, one line a metric and seed. A number
from a part of a data set, say from the videos that happened to be there, is kept apart and judges nothing.
"""

import json
import math
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from functools import cache
from importlib.metadata import version
from pathlib import Path
from statistics import fmean, stdev
from textwrap import shorten
from typing import Any

from scipy.special import stdtrit  # type: ignore[import-untyped]

from labkit.files import lock, written_whole

LEVEL = 0.90  # of the two-sided interval
ENOUGH = 3  # seeds
PROFILES = ("smoke", "lesson", "study", "paper")
COUNTING = ("study", "paper")  # the profiles whose numbers judge
DEVELOPMENT = 1000  # seeds from here on shaped the world and the recipes; they judge nothing

_METRIC = r"[a-z][a-z0-9_.]*"
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
        constant: the plain numbers of both sides, likewise.
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


@dataclass(frozen=True)
class Claim:
    """What a paper says, in our words, its numbers, what must be measured; ``cause``: why it fails in the world."""

    id: str
    paper: str
    says: str
    where: str
    statements: tuple[Statement, ...]
    numbers: str = ""
    cause: str = ""


@dataclass(frozen=True)
class Row:
    """A row of a paper's table: its numbers, the metrics that stand beside them, or why none does.

    A cell of ``paper`` is a number, words, or ``None`` where the paper leaves it empty, as all are in a table of the
    lab's own; a cell of ``ours`` is a metric or empty.
    """

    name: str
    paper: tuple[float | str | None, ...]
    ours: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Entry:
    """A table or figure that the lab re-creates; ``shows`` says what a figure shows, ``note`` what is odd about it.

    ``headings`` says, by data set, what our numbers are of, where the columns name the paper's data sets.
    """

    id: str
    paper: str
    title: str
    where: str
    unit: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    shows: str
    note: str
    headings: Mapping[str, str]


@dataclass(frozen=True)
class Paper:
    """A paper of the lab: its notebook, its metrics (with unit and meaning), its tables and figures, its claims.

    ``datasets`` are what the notebook can be run on, "world" first. A section without claims is no paper but a table of
    the lab's own, whose rows have no cells of a paper.
    """

    name: str
    notebook: str
    datasets: tuple[str, ...]
    title: str
    metrics: Mapping[str, str]
    entries: tuple[Entry, ...]
    claims: tuple[Claim, ...]


@dataclass(frozen=True, order=True)
class Record:
    """One measured number. Ordered as in the file.

    Args:
        dataset: "world" or the name of a real data set.
        profile: "study" or "paper".
        metric: a name from ``claims.toml``.
        seed: of the run.
        value: in the metric's unit.
        world: version of the embedded world, an integer raised by hand; 0 where a real data set was used.
        module: version of the paper's module, an integer raised by hand.
        labkit: version of labkit.
        train: how many clips it was learned from; this and the next three are 0 where nobody noted it.
        train_listed: how many clips the lists of that data set name.
        test: how many clips it was measured on.
        test_listed: how many clips the lists of that data set name.
    """

    dataset: str
    profile: str
    metric: str
    seed: int
    value: float
    world: int
    module: int
    labkit: str
    train: int = 0
    train_listed: int = 0
    test: int = 0
    test_listed: int = 0

    @property
    def partial(self) -> bool:
        """Whether clips were lacking that the lists name: such a number is a trial, and no result of the data set."""
        return self.train < self.train_listed or self.test < self.test_listed

    @property
    def key(self) -> tuple[str, str, str, int, bool]:
        """A later record of a paper with the same key replaces an earlier one."""
        return self.dataset, self.profile, self.metric, self.seed, self.partial

    def counts_for(self, dataset: str, profile: str) -> bool:
        """Whether it is a result of a data set and profile: of all its clips, and of no development seed."""
        return (self.dataset, self.profile) == (dataset, profile) and self.seed < DEVELOPMENT and not self.partial

    def older_than(self, world: int | None, module: int | None) -> bool:
        """Whether the world (where it was used) or the module has changed since; None: it has no version."""
        return self.module < (module or 0) or (self.dataset == "world" and self.world < (world or 0))


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
        """Whether a written cause is due: the claim fails or is unclear in the world, and ``claims.toml`` is silent."""
        due = self.dataset == "world" and self.outcome in (Outcome.FAILS, Outcome.UNCLEAR)
        return due and not self.claim.cause

    def plain(self) -> dict[str, str]:
        """The verdict as plain data, as ``labkit.viz.paper_table`` takes it."""
        reason = "\n".join(dict.fromkeys(check.reason for check in self.checks))
        told = {"id": self.claim.id, "outcome": str(self.outcome), "says": self.claim.says, "reason": reason}
        return told | ({"cause": self.cause} if self.cause else {})


# Reading what the papers say


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
    found = re.fullmatch(rf"(.+?)\s+(?:by|within)\s+({_NUMBER})", text.strip())
    if not found:
        raise ClaimsError(
            f"statement must end in a margin; got {text!r}: add 'by N' after >, 'within N' after >= and ~, in points"
        )
    return found[1], float(found[2])


def _sum(side: str, text: str) -> tuple[dict[str, float], float]:
    """Metrics with their factors, and the plain numbers, of one side of a comparison."""
    terms: dict[str, float] = {}
    constant = 0.0
    parts = re.split(r"\s+([+-])\s+", side.strip())
    for sign, part in zip(["+", *parts[1::2]], parts[::2], strict=True):
        found = re.fullmatch(rf"(?:({_NUMBER})\s*\*\s*)?({_METRIC})|({_NUMBER})", part)
        if not found:
            raise ClaimsError(
                f"a side must be a sum of metrics and numbers, spaces around + and -; got {part!r} in {text!r}"
            )
        factor = 1.0 if sign == "+" else -1.0
        if found[2]:
            terms[found[2]] = terms.get(found[2], 0.0) + factor * float(found[1] or 1)
        else:
            constant += factor * float(found[3])
    return terms, constant


@cache
def ledger() -> Mapping[str, Paper]:
    """The papers of ``claims.toml``, in order, by name."""
    return load(Path(__file__).with_name("claims.toml"))


def load(path: Path) -> dict[str, Paper]:
    """Read a ledger.

    Raises:
        ClaimsError: no TOML, a missing or unknown field, a statement that cannot be read or lacks a margin, a metric
            that nothing records, a row with neither a metric nor a reason, or an id used twice.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ClaimsError(f"{path.name} must be TOML; {error}") from error
    papers = {name: _paper(name, raw) for name, raw in content.items()}
    _unique([claim.id for paper in papers.values() for claim in paper.claims], path.name)
    return papers


def _paper(name: str, raw: Any) -> Paper:
    taken = _take(raw, name, ["notebook", "title", "claim"], {"datasets": [], "metrics": {}, "table": [], "figure": []})
    entries = [_entry(name, "table", entry) for entry in taken["table"]]
    entries += [_entry(name, "figure", entry) for entry in taken["figure"]]
    _unique([entry.id for entry in entries], name)
    in_tables = [
        (cell, ": ".join(filter(None, (entry.unit, row.name, column))))
        for entry in entries
        for row in entry.rows
        for column, cell in zip(entry.columns, row.ours, strict=True)
        if cell
    ]
    known = {**dict(in_tables), **taken["metrics"]}
    if twice := [metric for metric in taken["metrics"] if metric in dict(in_tables)]:
        raise ClaimsError(f"{name}: {twice[0]} stands in a table and under metrics: drop it from metrics")
    if odd := [metric for metric in known if not re.fullmatch(_METRIC, metric)]:
        raise ClaimsError(f"{name}: a metric is lower case, digits, '_' and '.'; got {odd[0]!r}")
    claims = tuple(_claim(name, claim) for claim in taken["claim"])
    rows = [row for entry in [*taken["table"], *taken["figure"]] for row in entry.get("rows", [])]
    if claims and (bare := [row["name"] for row in rows if "paper" not in row]):
        raise ClaimsError(f"{name}, row {bare[0]!r}: 'paper' is missing; only tables of the lab's own lack it")
    for claim in claims:
        for metric in (metric for statement in claim.statements for metric in statement.terms):
            if metric not in known:
                raise ClaimsError(f"{claim.id}: unknown metric {metric!r}: add it to a row or to {name}.metrics")
    datasets = ("world", *taken["datasets"])
    return Paper(name, taken["notebook"], datasets, taken["title"], known, tuple(entries), claims)


def _entry(paper: str, kind: str, raw: Any) -> Entry:
    optional = {"unit": "", "columns": [], "rows": [], "note": "", "why": "", "headings": {}} | (
        {} if kind == "figure" else {"shows": ""}
    )
    place = f"{paper}, {kind} {_id(raw)}"
    taken = _take(raw, place, ["id", "title", "where"] + (["shows"] if kind == "figure" else ["rows"]), optional)
    rows = tuple(
        _row(f"{place}, row {number}", row, taken["columns"], taken["why"])
        for number, row in enumerate(taken["rows"], 1)
    )
    return Entry(
        id=f"{kind} {taken['id']}",
        paper=paper,
        title=taken["title"],
        where=taken["where"],
        unit=taken["unit"],
        columns=tuple(taken["columns"]),
        rows=rows,
        shows=taken.get("shows", ""),
        note=taken["note"],
        headings=taken["headings"],
    )


def _row(place: str, raw: Any, columns: Sequence[str], otherwise: str) -> Row:
    empty = {"paper": ["-"] * len(columns), "ours": [""] * len(columns), "why": ""}
    taken = _take(raw, place, ["name"], empty)
    for side in ("paper", "ours"):
        if len(taken[side]) != len(columns):
            raise ClaimsError(f"{place}: {side} must have one cell for each of {list(columns)}; got {taken[side]}")
    why = taken["why"] or ("" if any(taken["ours"]) else otherwise)
    if not any(taken["ours"]) and not why:
        raise ClaimsError(f"{place}: must say which metrics stand beside it (ours) or the reason (why); got neither")
    cells = tuple(None if cell == "-" else cell for cell in taken["paper"])
    return Row(taken["name"], cells, tuple(taken["ours"]), why)


def _claim(paper: str, raw: Any) -> Claim:
    place = f"{paper}, claim {_id(raw)}"
    taken = _take(raw, place, ["id", "says", "where", "holds_if"], {"numbers": "", "cause": ""})
    if not taken["holds_if"]:
        raise ClaimsError(f"{place}: holds_if must list at least one statement; got none")
    try:
        statements = tuple(step for text in taken["holds_if"] for step in parse(text))
    except ClaimsError as error:
        raise ClaimsError(f"{place}: {error}") from error
    return Claim(taken["id"], paper, taken["says"], taken["where"], statements, taken["numbers"], taken["cause"])


def _take(raw: Any, place: str, required: Sequence[str], optional: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a TOML table, all named, none missing; optional ones of the type of their default."""
    if not isinstance(raw, dict):
        raise ClaimsError(f"{place} must be a table of fields; got {raw!r}")
    if missing := [field for field in required if field not in raw]:
        raise ClaimsError(f"{place}: {missing[0]!r} is missing")
    if unknown := [field for field in raw if field not in required and field not in optional]:
        raise ClaimsError(f"{place}: unknown field {unknown[0]!r}; known are {', '.join([*required, *optional])}")
    lists = {"claim", "datasets", "rows", "table", "figure", "columns", "paper", "ours", "holds_if"}
    for field, value in raw.items():
        wanted = dict if field in ("metrics", "headings") else list if field in lists else str
        if not isinstance(value, wanted):
            raise ClaimsError(f"{place}: {field!r} must be a {wanted.__name__}; got {value!r}")
    return {**optional, **raw}


def _id(raw: Any) -> str:
    return str(raw.get("id", "?")) if isinstance(raw, dict) else "?"


def _unique(ids: Iterable[str], place: str) -> None:
    seen: set[str] = set()
    for name in ids:
        if name in seen:
            raise ClaimsError(f"{place}: the id {name!r} is used twice: rename one")
        seen.add(name)


# Writing down what was measured


def results_folder() -> Path:
    """Where results are kept: ``notebooks/results`` of the clone this package was installed from."""
    return Path(__file__).resolve().parents[1] / "notebooks" / "results"


def record(
    paper: str,
    values: Mapping[str, float],
    *,
    seed: int,
    profile: str,
    module: int,
    world: int,
    dataset: str = "world",
    train: tuple[int, int] = (0, 0),
    test: tuple[int, int] = (0, 0),
    folder: Path | None = None,
) -> list[Record]:
    """Write down what a run has measured; a record of an earlier run with the same key is replaced.

    Only the profiles ``study`` and ``paper`` are kept. A learner's ``lesson`` and the tests' ``smoke`` change no file:
    their numbers stand in the notebook and judge nothing.

    Args:
        paper: its name in ``claims.toml``, say "two_stream".
        values: metric and value, in the unit the ledger gives.
        seed: of the run.
        profile: the notebook's.
        module: version of the paper's module.
        world: version of the embedded world; 0 with a real data set.
        dataset: "world", or the name of a real data set.
        train: how many clips were learned from, and how many the lists name; (0, 0): not noted. Where clips lack, the
            record is kept beside that of the whole data set and never replaces it.
        test: likewise, the clips measured on.
        folder: where the file is; default `results_folder`.

    Returns:
        The records, kept or not.

    Raises:
        ClaimsError: unknown paper, profile or metric, a value that is not finite, or a damaged file.
    """
    if paper not in ledger():
        raise ClaimsError(f"paper must be one of {', '.join(ledger())}; got {paper!r}")
    if profile not in PROFILES:
        raise ClaimsError(f"profile must be one of {', '.join(PROFILES)}; got {profile!r}")
    if unknown := [metric for metric in values if metric not in ledger()[paper].metrics]:
        raise ClaimsError(f"unknown metric {unknown[0]!r}: add it to {paper} in claims.toml, or mind the spelling")
    if odd := [metric for metric, value in values.items() if not math.isfinite(value)]:
        raise ClaimsError(f"{odd[0]} must be finite; got {values[odd[0]]}: a run that broke off has no result")
    versions = (int(world), int(module), version("labkit"))
    fresh = [
        Record(dataset, profile, metric, int(seed), round(float(value), 6), *versions, *train, *test)
        for metric, value in values.items()
    ]
    if profile in COUNTING:
        path = (folder or results_folder()) / f"{paper}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        with lock(path.parent, wait=True):
            kept = {old.key: old for old in _read(path)} | {new.key: new for new in fresh}
            with written_whole(path) as file:
                file.write("".join(json.dumps(_as_json(line)) + "\n" for line in sorted(kept.values())).encode())
    return fresh


def records(paper: str, folder: Path | None = None) -> list[Record]:
    """Read what was measured for a paper; an empty list where nothing was.

    Raises:
        ClaimsError: a damaged line, with its number.
    """
    return _read((folder or results_folder()) / f"{paper}.jsonl")


def _read(path: Path) -> list[Record]:
    if not path.exists():
        return []
    found = []
    for number, line in enumerate(path.read_bytes().decode("utf-8", "replace").splitlines(), 1):
        try:
            found.append(_as_record(json.loads(line)))
        except (ValueError, TypeError) as error:
            raise ClaimsError(
                f"{path}, line {number}: must be a record as JSON; {error}: delete the line, then run that seed again"
            ) from error
    return found


def _as_json(line: Record) -> dict[str, Any]:
    """The fields of a record, without counts that nobody noted."""
    counts = ("train", "train_listed", "test", "test_listed")
    return {name: value for name, value in asdict(line).items() if value or name not in counts}


def _as_record(raw: Any) -> Record:
    if not isinstance(raw, dict):
        raise ValueError(f"got {raw!r}")
    new = Record(**raw)
    for field in fields(Record):
        value = getattr(new, field.name)
        fits = isinstance(value, int | float) if field.type is float else isinstance(value, field.type)  # type: ignore[arg-type]
        if isinstance(value, bool) or not fits:
            raise ValueError(f"{field.name} is {value!r}")
    if not math.isfinite(new.value):
        raise ValueError(f"value is {new.value}")
    return new


# Judging


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


def report(verdicts: Iterable[Verdict], width: int = 118) -> str:
    """The verdicts for a terminal: by paper, with what was measured below each, counts and missing causes at the end.

    Args:
        verdicts: in the order of the ledger.
        width: of a line, in characters.
    """
    verdicts = list(verdicts)
    widest = max((len(found.claim.id) for found in verdicts), default=0)
    lines: list[str] = []
    paper = ""
    for found in verdicts:
        if found.claim.paper != paper:
            paper = found.claim.paper
            lines += ["", f"{ledger()[paper].notebook}  {ledger()[paper].title}"]
        head = f"  {SYMBOLS[found.outcome]} {found.claim.id:{widest}}  {found.outcome:{len(Outcome.NOT_RUN)}}  "
        lines.append(head + shorten(found.claim.says, width - len(head), placeholder=" …"))
        if any(check.outcome is not Outcome.NOT_RUN or check.seeds for check in found.checks):
            lines += [f"      {SYMBOLS[check.outcome]} {check.reason}" for check in found.checks]
        if found.outcome in (Outcome.FAILS, Outcome.UNCLEAR) and found.cause:
            lines.append(f"      cause: {found.cause}")
    counts = Counter(found.outcome for found in verdicts)
    summary = ", ".join(f"{SYMBOLS[outcome]} {counts[outcome]} {outcome}" for outcome in SYMBOLS)
    lines += ["", f"{len(verdicts)} claims: {summary}"]
    if due := [found.claim.id for found in verdicts if found.lacks_cause]:
        lines.append(f'A written cause is missing in labkit/claims.toml for {", ".join(due)}: add cause = "..."')
    return "\n".join(lines).lstrip("\n")


def beside(
    entry: Entry,
    measured: Iterable[Record],
    *,
    dataset: str = "world",
    profile: str = "study",
    world: int | None = None,
    module: int | None = None,
) -> list[dict[str, Any]]:
    """The rows of a paper's table with ours beside them, as plain data for ``labkit.viz.paper_table``.

    Args:
        entry: a table, or a figure with numbers, of the `ledger`.
        measured: records of its paper; those of a part of a data set are not shown.
        dataset: records of which data set to show.
        profile: records of which profile to show.
        world: the version of the embedded world today, as in `verdict`.
        module: the version of the paper's module today.

    Returns:
        A dict for each row: ``name``; ``paper``, the cells as the paper has them; ``ours``, a list of values over seeds
        or None; ``why``, the reason where ours is missing; ``source``, which says so where a version is out of date.
    """
    lines: dict[str, list[Record]] = {}
    for line in sorted(measured):
        if line.counts_for(dataset, profile):
            lines.setdefault(line.metric, []).append(line)
    rows = []
    for row in entry.rows:
        found = [lines.get(metric, []) for metric in row.ours]
        stale = any(line.older_than(world, module) for cell in found for line in cell)
        rows.append(
            {
                "name": row.name,
                "paper": list(row.paper),
                "ours": [[line.value for line in cell] or None for cell in found],
                "why": row.why or ("" if any(found) else "not yet run"),
                "source": f"{SYMBOLS[Outcome.STALE]} measured with an earlier version" if stale else "",
            }
        )
    return rows
