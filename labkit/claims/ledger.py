"""The ledger: every table and figure that the lab re-creates, and every claim of the papers.

This folder has one ``<paper>.toml`` for each paper. A claim is a list of statements (see `labkit.claims.statement`), all
of which must hold. A row of a table has in ``paper`` the paper's cells ("-" where it leaves one empty), and in ``ours``
the metrics that belong beside them. A row without a metric says why; ``why`` of a table or figure holds for all of its
rows that have none.

The margins are in points of the metric (percent, unless the metric says otherwise) and were written before any run::

    better, helps                  > ... by 0 where the paper claims a direction, by 1 where it claims a difference
    clearly, significantly, far    > ... by 5 (by 2 where the paper's own gap is smaller than 5)
    slightly, a little             > ... by 0 together with ~ ... within 3
    about equal, marginal          ~ ... within 3 (within 1 or 2 where the paper is that narrow)
    at least as good, no loss      >= ... within 1 (within 3 for "little loss")

They change only with a reason in the commit's message, and never after looking at the seeds that judge.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from labkit.claims.statement import METRIC, ClaimsError, Statement, parse


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


@cache
def ledger() -> Mapping[str, Paper]:
    """The papers of the lab by name, in the order of their notebooks."""
    return load(Path(__file__).parent)


def load(folder: Path) -> dict[str, Paper]:
    """Read a ledger: every ``<paper>.toml`` of a folder, in the order of the notebooks.

    Raises:
        ClaimsError: no TOML, a missing or unknown field, a statement that cannot be read or lacks a margin, a metric
            that nothing records, a row with neither a metric nor a reason, or an id used twice.
    """
    papers = sorted((_read(path) for path in folder.glob("*.toml")), key=lambda paper: (paper.notebook, paper.name))
    _require_unique([claim.id for paper in papers for claim in paper.claims], str(folder))
    return {paper.name: paper for paper in papers}


def _read(path: Path) -> Paper:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ClaimsError(f"{path.name} must be TOML; {error}") from error
    return _paper(path.stem, content)


def _paper(name: str, raw: Any) -> Paper:
    taken = _take(raw, name, ["notebook", "title", "claim"], {"datasets": [], "metrics": {}, "table": [], "figure": []})
    entries = [_entry(name, "table", entry) for entry in taken["table"]]
    entries += [_entry(name, "figure", entry) for entry in taken["figure"]]
    _require_unique([entry.id for entry in entries], name)
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
    if odd := [metric for metric in known if not re.fullmatch(METRIC, metric)]:
        raise ClaimsError(f"{name}: a metric is lower case, digits, '_' and '.'; got {odd[0]!r}")
    claims = tuple(_claim(name, claim) for claim in taken["claim"])
    rows = [row for entry in [*taken["table"], *taken["figure"]] for row in entry.get("rows", [])]
    if claims and (bare := [row["name"] for row in rows if "paper" not in row]):
        raise ClaimsError(f"{name}, row {bare[0]!r}: 'paper' is missing; only tables of the lab's own lack it")
    for claim in claims:
        for metric in (metric for statement in claim.statements for metric in statement.terms):
            if metric not in known:
                raise ClaimsError(
                    f"{claim.id}: unknown metric {metric!r}: add it to a row or to [metrics] of {name}.toml"
                )
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


def _require_unique(ids: Iterable[str], place: str) -> None:
    seen: set[str] = set()
    for name in ids:
        if name in seen:
            raise ClaimsError(f"{place}: the id {name!r} is used twice: rename one")
        seen.add(name)
