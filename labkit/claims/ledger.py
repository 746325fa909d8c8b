"""The ledger: every table and figure that the lab re-creates, and every claim of the papers.

This folder has one ``<paper>.toml`` for each paper. A claim has a few primary statements in ``holds_if``, mostly one or
two (see `labkit.claims.statement`), all of which must hold; those in ``also`` are shown beside and judge nothing. A row
of a table has in ``paper`` the paper's cells ("-" where it leaves one empty), and in ``ours`` the metrics that belong
beside them. A row without a metric says why; ``why`` of a table or figure holds for all of its rows that have none.

A table has one ``unit``, or a list of one for each column, with which the meanings of its metrics begin; each meaning
under ``[metrics]`` begins with its own. ``[names]`` has what a sentence calls a metric, where the words of the table
would mislead without the table, as a row named after the paper's network does.

Where columns are data sets, ``datasets`` names them (``{ oxford5k = "Oxford" }``) and ``ours`` may be one metric,
measured on each; ``headings`` names columns for data sets that are not the paper's. ``splits = 3`` in a table, or in a
metric ``{ meaning = "...", splits = 3 }``, says that a value is the mean over so many official splits; where data sets
differ, ``splits = { hmdb51 = 3 }``. ``network`` in a row is the network that the row is about, where it is not the
paper's usual one, which ``networks`` names for each profile.

A condition is something that the world has more or less of, on which an effect of the paper depends: in ``values``,
among them a control, what was measured of each of the ``systems``. Its metrics are ``condition.ID.VALUE.SYSTEM``; they
are measured on development seeds and judge nothing.

A margin is the smallest difference that counts, in points of the metric (percent, unless the metric says otherwise),
and ``counts`` says why: one point or two, or half of the paper's own gap where that is smaller. A claim of equality has
a margin that is not larger than what the paper calls equal. What no seed changes, or what is true by construction, is
``exact`` and is not counted; ``absent`` names the condition that a claim is about, where the world lacks it.

They change only with a reason in the commit's message, and never after looking at the seeds that judge.

``[confirm]`` freezes a paper: its ``seeds``, from 10 on, judge it all together or not at all, measured with the
versions ``study`` and ``world``, and in the ``precision`` where it is not float32. ``statements`` is the digest of the
claims' statements: a ledger in which they have changed since cannot be read, and says so. Seeds 0 to 2 were looked at
while the lab was built; they stand beside it.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from labkit.claims.paper import Claim, Condition, Confirm, Entry, Paper, Row, digest
from labkit.claims.statement import METRIC, ClaimsError, parse

DEVELOPMENT = 1000  # seeds from here on shape the world and the recipes; they judge nothing
FRESH = 10  # seeds below were looked at while the lab was built
ENOUGH = 3  # seeds, below which nothing is judged


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


def _paper(name: str, content: Any) -> Paper:
    optional = {"link": "", "datasets": [], "networks": {}, "metrics": {}, "table": [], "figure": [], "condition": []}
    optional |= {"names": {}, "confirm": {}}
    fields = _take(content, name, {"notebook": str, "title": str, "claim": list}, optional)
    datasets = ("world", *fields["datasets"])
    entries = [
        _entry(name, kind, entry, datasets, bool(fields["claim"]))
        for kind in ("table", "figure")
        for entry in fields[kind]
    ]
    _require_unique([entry.id for entry, _ in entries], name)
    metrics, splits = _of_tables(name, entries)
    for metric, meaning in fields["metrics"].items():
        if metric in metrics:
            raise ClaimsError(f"{name}: {metric} stands in a table and under metrics: drop it from metrics")
        if isinstance(meaning, dict):
            details = _take(meaning, f"{name}, {metric}", {"meaning": str}, {"splits": (1, {})})
            meaning, splits[metric] = details["meaning"], _splits(f"{name}, {metric}", details["splits"], datasets)
        metrics[metric] = meaning
    conditions = {condition.id: condition for condition in (_condition(name, part) for part in fields["condition"])}
    for condition in conditions.values():
        metrics |= condition.metrics
    if odd := [metric for metric in metrics if not re.fullmatch(METRIC, metric)]:
        raise ClaimsError(f"{name}: a metric is lower case, digits, '_' and '.'; got {odd[0]!r}")
    if unknown := [metric for metric in fields["names"] if metric not in metrics]:
        raise ClaimsError(f"{name}: names must be of its metrics; got {unknown[0]!r}")
    claims = tuple(_claim(name, claim) for claim in fields["claim"])
    for claim in claims:
        for metric in (metric for statement in (*claim.statements, *claim.also) for metric in statement.terms):
            if metric not in metrics:
                raise ClaimsError(
                    f"{claim.id}: unknown metric {metric!r}: add it to a row or to [metrics] of {name}.toml"
                )
    return Paper(
        name=name,
        notebook=fields["notebook"],
        title=fields["title"],
        link=fields["link"],
        datasets=datasets,
        networks=fields["networks"],
        metrics=metrics,
        names=fields["names"],
        splits={metric: counts for metric, counts in splits.items() if counts},
        entries=tuple(entry for entry, _ in entries),
        claims=claims,
        conditions=conditions,
        confirm=_confirm(name, fields["confirm"], digest(claims)) if fields["confirm"] else None,
    )


_Splits = dict[str, int]  # by data set


def _of_tables(name: str, entries: Sequence[tuple[Entry, _Splits]]) -> tuple[dict[str, str], dict[str, _Splits]]:
    """The metrics of all rows with unit and meaning, and over how many splits they are means."""
    meanings: dict[str, str] = {}
    splits: dict[str, _Splits] = {}
    for entry, counts in entries:
        for row in entry.rows:
            for column, metric in zip(entry.columns, row.ours, strict=True):
                if metric:
                    parts = (entry.unit_of(column), row.name, "" if column in entry.datasets.values() else column)
                    meanings.setdefault(metric, ": ".join(filter(None, parts)))
                    if counts != splits.setdefault(metric, counts):
                        raise ClaimsError(
                            f"{name}: {metric} stands in two tables that differ in splits: make them equal"
                        )
    return meanings, splits


def _entry(paper: str, kind: str, content: Any, datasets: Sequence[str], claimed: bool) -> tuple[Entry, _Splits]:
    place = f"{paper}, {kind} {_id(content)}"
    required = {"id": str, "title": str, "where": str} | ({"shows": str} if kind == "figure" else {"rows": list})
    optional: dict[str, Any] = {"unit": ("", []), "columns": [], "rows": [], "shows": "", "note": "", "why": ""}
    optional |= {"datasets": {}, "headings": {}, "splits": (1, {})}
    fields = _take(content, place, required, optional)
    columns = tuple(fields["columns"])
    if odd := [name for name in {**fields["datasets"], **fields["headings"]} if name not in datasets]:
        raise ClaimsError(f"{place}: a data set must be one of {', '.join(datasets)}; got {odd[0]!r}")
    if odd := [column for column in fields["datasets"].values() if column not in columns]:
        raise ClaimsError(f"{place}: a data set must have one of the columns {list(columns)}; got {odd[0]!r}")
    units = fields["unit"]
    if isinstance(units, list) and len(units) != len(columns):
        raise ClaimsError(f"{place}: unit must be one, or one for each of the {len(columns)} columns; got {units}")
    headings = {name: (text,) if isinstance(text, str) else tuple(text) for name, text in fields["headings"].items()}
    if odd := [name for name, text in headings.items() if len(text) != (1 if fields["datasets"] else len(columns))]:
        raise ClaimsError(f"{place}: headings of {odd[0]} must be one where columns are data sets, else one a column")
    of_data_sets = [column in fields["datasets"].values() for column in columns]
    entry = Entry(
        id=f"{kind} {fields['id']}",
        paper=paper,
        title=fields["title"],
        where=fields["where"],
        units=tuple(units) if isinstance(units, list) else (units,) * max(len(columns), 1),
        columns=columns,
        rows=tuple(
            _row(f"{place}, row {number}", row, of_data_sets, fields["why"], claimed)
            for number, row in enumerate(fields["rows"], 1)
        ),
        shows=fields["shows"],
        note=fields["note"],
        datasets=fields["datasets"],
        headings=headings,
    )
    return entry, _splits(place, fields["splits"], datasets)


def _splits(place: str, splits: Any, datasets: Sequence[str]) -> _Splits:
    """By data set, over how many splits a value is a mean, where over several."""
    counts = splits if isinstance(splits, dict) else dict.fromkeys(datasets, splits)
    if odd := [name for name, count in counts.items() if name not in datasets or count not in (1, 2, 3)]:
        raise ClaimsError(
            f"{place}: splits must be 1 to 3, of one of {', '.join(datasets)}; got {odd[0]} = {counts[odd[0]]}"
        )
    return {name: count for name, count in counts.items() if count > 1}


def _row(place: str, content: Any, of_data_sets: Sequence[bool], otherwise: str, claimed: bool) -> Row:
    empty = len(of_data_sets)
    optional = {"paper": ["-"] * empty, "ours": ([""] * empty, ""), "why": "", "network": ""}
    fields = _take(content, place, {"name": str}, optional)
    ours = fields["ours"]
    if isinstance(ours, str):
        ours = [ours if of_data_set else "" for of_data_set in of_data_sets]
    for side, cells in (("paper", fields["paper"]), ("ours", ours)):
        if len(cells) != empty:
            raise ClaimsError(f"{place}: {side} must have one cell for each of the {empty} columns; got {cells}")
    if claimed and "paper" not in content:
        raise ClaimsError(f"{place}: 'paper' is missing; only tables of the lab's own lack it")
    if len({metric for metric, of_data_set in zip(ours, of_data_sets, strict=True) if of_data_set}) > 1:
        raise ClaimsError(f"{place}: ours must be the same metric for all data sets; got {ours}")
    why = fields["why"] or ("" if any(ours) else otherwise)
    if not any(ours) and not why:
        raise ClaimsError(f"{place}: must say which metrics stand beside it (ours) or the reason (why); got neither")
    paper = tuple(None if cell == "-" else cell for cell in fields["paper"])
    return Row(fields["name"], paper, tuple(ours), why, fields["network"])


def _condition(paper: str, content: Any) -> Condition:
    place = f"{paper}, condition {_id(content)}"
    required = {"id": str, "title": str, "knob": str, "values": list, "unit": str, "systems": dict}
    fields = _take(content, place, required, {})
    if not fields["systems"] or len(fields["values"]) < 2:
        raise ClaimsError(f"{place}: must have systems, and two values or more, a control among them")
    if odd := [value for value in fields["values"] if isinstance(value, bool) or not isinstance(value, int | float)]:
        raise ClaimsError(f"{place}: values must be numbers; got {odd[0]!r}")
    return Condition(**{**fields, "values": tuple(f"{value:g}" for value in fields["values"])}, paper=paper)


def _confirm(paper: str, content: Any, statements: str) -> Confirm:
    place = f"{paper}, confirm"
    required = {"seeds": list, "study": int, "world": int, "statements": str}
    fields = _take(content, place, required, {"precision": ""})
    seeds = fields["seeds"]
    if odd := [seed for seed in seeds if type(seed) is not int or not FRESH <= seed < DEVELOPMENT]:
        raise ClaimsError(
            f"{place}: seeds must be from {FRESH} to {DEVELOPMENT - 1}, others were looked at; got {odd[0]}"
        )
    if len(seeds) < ENOUGH or len(set(seeds)) < len(seeds):
        raise ClaimsError(f"{place}: seeds must be {ENOUGH} or more, each once; got {seeds}")
    if fields["precision"] not in ("", "bf16", "fp16"):
        raise ClaimsError(f'{place}: precision must be "bf16" or "fp16"; got {fields["precision"]!r}: none for float32')
    if fields["statements"] != statements:
        raise ClaimsError(
            f"{place}: statements must be as they were when the batch was frozen, {fields['statements']!r}; got "
            f"{statements!r}: undo what changed them, or freeze other seeds, which nobody has looked at"
        )
    return Confirm(tuple(seeds), fields["study"], fields["world"], fields["precision"], statements)


def _claim(paper: str, content: Any) -> Claim:
    place = f"{paper}, claim {_id(content)}"
    required = {"id": str, "says": str, "where": str, "holds_if": list}
    optional = {"numbers": "", "cause": "", "counts": "", "exact": False, "absent": "", "also": []}
    fields = _take(content, place, required, optional)
    if not fields["holds_if"]:
        raise ClaimsError(f"{place}: holds_if must list at least one statement; got none")
    try:
        statements, also = (
            tuple(step for text in fields[name] for step in parse(text)) for name in ("holds_if", "also")
        )
    except ClaimsError as error:
        raise ClaimsError(f"{place}: {error}") from error
    written = {name: value for name, value in fields.items() if name not in ("holds_if", "also")}
    return Claim(**written, paper=paper, statements=statements, also=also)


def _take(content: Any, place: str, required: Mapping[str, type], optional: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a TOML table: none missing, none unknown, each of its type.

    An optional field has the type of its default; a tuple is a default and an example of another type.
    """
    if not isinstance(content, dict):
        raise ClaimsError(f"{place} must be a table of fields; got {content!r}")
    if missing := [field for field in required if field not in content]:
        raise ClaimsError(f"{place}: {missing[0]!r} is missing")
    examples = {field: value if isinstance(value, tuple) else (value,) for field, value in optional.items()}
    types = {field: {type(value) for value in values} for field, values in examples.items()}
    types |= {field: {kind} for field, kind in required.items()}
    if unknown := [field for field in content if field not in types]:
        raise ClaimsError(
            f"{place}: unknown field {unknown[0]!r}; known are {', '.join(dict.fromkeys([*required, *optional]))}"
        )
    for field, value in content.items():
        if type(value) not in types[field]:
            wanted = " or ".join(sorted(kind.__name__ for kind in types[field]))
            raise ClaimsError(f"{place}: {field!r} must be a {wanted}; got {value!r}")
    return {field: values[0] for field, values in examples.items()} | content


def _id(content: Any) -> str:
    return str(content.get("id", "?")) if isinstance(content, dict) else "?"


def _require_unique(ids: Iterable[str], place: str) -> None:
    known: set[str] = set()
    for name in ids:
        if name in known:
            raise ClaimsError(f"{place}: the id {name!r} is used twice: rename one")
        known.add(name)
