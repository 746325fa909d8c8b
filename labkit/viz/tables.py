"""The paper's table and ours, side by side, with what became of each claim below.

A reader of a paper compares two numbers; a reader of a re-creation compares four: two of theirs, two of ours. So the
paper's cells stand on the left and ours, in the same order, on the right, each row on one line. Where ours is missing
the reason stands in its place. A verdict is a word and a sign before it is a colour.

The table is plain HTML with its own style: it takes on JupyterLab's light or dark colours, and looks the same in an
exported page, where nothing of JupyterLab runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from statistics import fmean, stdev
from typing import Any

from labkit.viz.style import DIVERGING, FONT, PALETTE

# Outcome of a claim: its sign and its colour, from what speaks for it to what speaks against it.
OUTCOMES = {
    "holds": ("✓", DIVERGING[0][1]),
    "leans to it": ("↗", DIVERGING[1][1]),
    "level": ("=", "#5F6773"),
    "leans against it": ("↘", DIVERGING[3][1]),
    "the other way round": ("✗", DIVERGING[4][1]),
    "can't tell here": ("?", "#BFC4CD"),
    "condition absent": ("∅", PALETTE[3]),
    "stale": ("↻", "#8C93A0"),
    "not yet run": ("·", "#E3E6EB"),
}

_MEANINGS = {
    "leans to it": "most likely as it says, not certain",
    "level": "no difference that counts",
    "leans against it": "not as far as it says, or the opposite, and not certain",
    "the other way round": "what should be better is worse, or what should be equal is not",
    "can't tell here": "the seeds that were measured do not decide it",
    "condition absent": "it is about something that the world does not have",
    "stale": "measured with an earlier version",
    "not yet run": "nothing is judged before all seeds are measured",
}

# & stands for the table, twice by its class: so these rules outweigh JupyterLab's own for tables and lists.
_STYLE = """
& { --ink: var(--jp-content-font-color1, #22262B); --quiet: color-mix(in srgb, var(--ink) 70%, transparent);
  --line: var(--jp-border-color2, #D9DDE3); --ours: rgba(86, 180, 233, .13); color: var(--ink); max-width: 920px;
  font: 14px/1.45 FONT; margin: 12px 0 20px; }
& .scroll { overflow-x: auto; position: relative; }
& .scroll:focus-visible { outline: 2px solid #0072B2; outline-offset: 2px; }
& table { border-collapse: collapse; margin: 0; width: 100%; font: inherit; color: inherit; border: 0;
  table-layout: auto; font-variant-numeric: tabular-nums; }
& caption { caption-side: top; text-align: left; padding: 0 0 10px; font-size: 15px; font-weight: 700;
  color: var(--ink); }
& caption small { display: block; font-size: 12px; font-weight: 400; color: var(--quiet); }
& tr, & tbody tr:nth-child(odd), & tbody tr:nth-child(even), & tbody tr:hover { background: none; }
& th, & td { border: 0; padding: 5px 10px; text-align: right; vertical-align: top;
  font-weight: 400; max-width: none; white-space: nowrap; color: inherit; }
& thead th { color: var(--quiet); font-size: 12px; vertical-align: bottom; border: 0; }
& thead tr:first-child th { color: var(--ink); font-weight: 700; padding-bottom: 2px; }
& thead tr:last-child th { border-bottom: 1px solid var(--ink); }
& tbody th, & tbody td { border-bottom: 1px solid var(--line); }
& tbody th, & thead th:first-child { text-align: left; padding-left: 0; white-space: normal; }
& tbody th small, & td small { font-size: 12px; color: var(--quiet); }
& tbody th { min-width: 9em; }
& tbody th small { display: block; }
& td small { display: inline-block; min-width: 3.2em; text-align: left; }
& th.wraps { white-space: normal; max-width: 7em; }
& .ours { background: var(--ours); }
& td.ours { font-weight: 600; }
& td.ours small { font-weight: 400; }
& td.why { font-weight: 400; font-style: italic; color: var(--quiet); text-align: left;
  white-space: normal; min-width: 13em; }
& .note { font-size: 12px; color: var(--quiet); margin: 8px 0 0; }
& ul { list-style: none; margin: 16px 0 0; padding: 0; }
& li { border-left: 4px solid; padding: 3px 0 3px 12px; margin: 0 0 8px; }
& li > span { color: var(--ink); display: block; }
& li > span.measured { font-size: 12px; color: var(--quiet); }
& li > details { font-size: 12px; color: var(--quiet); margin: 0; }
& li > details > summary { cursor: pointer; }
& li > details > summary:focus-visible { outline: 2px solid #0072B2; outline-offset: 2px; }
& li > details > span { display: block; padding-left: 14px; overflow-wrap: anywhere; }
& li code { font: 12px ui-monospace, 'DejaVu Sans Mono', monospace; background: none; color: var(--quiet);
  padding: 0; border: 0; }
& .unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap; }
""".replace("&", "div.labkit-table.labkit-table").replace("FONT", FONT)

_FOLD = """
& { font: 14px/1.45 FONT; margin: 6px 0 14px; padding-left: 12px;
  border-left: 3px solid var(--jp-border-color2, #D9DDE3); }
& > summary { cursor: pointer; font-weight: 600; padding: 4px 0; color: var(--jp-content-font-color1, #22262B); }
& > summary:focus-visible { outline: 2px solid #0072B2; outline-offset: 2px; }
""".replace("&", "details.labkit-fold").replace("FONT", FONT)

_CONTENTS = """
& td, & th[scope=col] { text-align: left; white-space: normal; }
& tbody th { white-space: nowrap; min-width: 6em; font-weight: 600; }
& td:last-child { white-space: nowrap; }
""".replace("&", "div.labkit-table.labkit-table.labkit-contents")  # outweighs the style of tables that follow


@dataclass(frozen=True, repr=False)
class Table:
    """A table as HTML; showing it in a notebook draws it."""

    html: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return "a table, in HTML"  # a notebook keeps this beside it: all of it again would double the file


def paper_table(
    rows: Sequence[Mapping[str, Any]],
    *,
    title: str,
    columns: Sequence[str],
    ours: Sequence[tuple[str, int]] = (),
    unit: str = "",
    where: str = "",
    note: str = "",
    verdicts: Sequence[Mapping[str, str]] = (),
) -> Table:
    """The paper's rows with ours beside them, and the verdict of each claim that rests on them.

    Where no row has a cell of the paper the table is the lab's own, and its side is all there is.

    Args:
        rows: for each row ``name``; ``paper``, a cell for each column: a number, words, or None where the paper leaves
            it empty; ``ours``, a cell for each of our columns: a number, a list with the value of each seed, words, or
            None; and optionally ``why``, the reason where ours is missing (a remark where it is not), and ``source``,
            say "live" or "recorded", where that differs from row to row. A reason is said once for neighbouring rows.
        title: of the table.
        columns: of the paper's side.
        ours: our columns, each with its heading and the index of the paper's column whose decimals it has; default: the
            same as the paper's. Those without any number of ours are left out.
        unit: of the numbers.
        where: section and table of the paper.
        note: what a reader should know, in a sentence below.
        verdicts: for each claim ``id``, ``outcome`` (one of `OUTCOMES`), ``says``; optionally ``reason``, a line a
            statement, ``cause``, and ``numbers``, lines that unfold.

    Raises:
        ValueError: no title, no rows, a row whose cells do not fit the columns, a row with neither ours nor a reason,
            or an unknown outcome.
    """
    if not title.strip() or not rows:
        raise ValueError(f"a table needs a title and rows; got {title!r} and {len(rows)} rows: say what it is about")
    ours = list(ours) or [(name, index) for index, name in enumerate(columns)]
    for row in rows:
        for side, width in (("paper", len(columns)), ("ours", len(ours))):
            if len(row[side]) != width:
                raise ValueError(
                    f"{side} of {row['name']!r} must have a cell for each of the {width} columns; "
                    f"got {len(row[side])}: put None where there is nothing"
                )
        if all(_missing(cell) for cell in row["ours"]) and not row.get("why"):
            raise ValueError(f"row {row['name']!r} must have ours or the reason why not; got neither: fill in why")
    shown = [at for at in range(len(ours)) if any(not _missing(row["ours"][at]) for row in rows)]
    whose = any(not _missing(cell) for row in rows for cell in row["paper"])  # else a table of the lab's own
    remarks = [f'<p class="note">{escape(text)}</p>' for text in (_seeds(rows), note) if text]
    claims = f'<ul aria-label="Claims">{"".join(map(_verdict, verdicts))}</ul>{_legend(verdicts)}' if verdicts else ""
    heading = f"{escape(title)}{_small(', '.join(filter(None, (where, unit))))}"
    return Table(
        f'<div class="labkit-table"><style>{_STYLE}</style>'
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(title)}">'
        f"<table><caption>{heading}</caption>{_head(columns, [ours[at][0] for at in shown], whose)}"
        f"{_body(rows, columns, ours, shown, whose)}</table></div>"
        f"{''.join(remarks)}{claims}</div>"
    )


def claims_list(verdicts: Sequence[Mapping[str, str]], *, title: str, where: str = "") -> Table:
    """What became of claims, one below the other, and how many of each outcome.

    Args:
        verdicts: as for `paper_table`.
        title: above them.
        where: what they rest on.

    Raises:
        ValueError: no title, or an unknown outcome.
    """
    if not title.strip():
        raise ValueError("a list of claims needs a title; got none: say whose claims they are")
    items = "".join(map(_verdict, verdicts))
    outcomes = [told["outcome"] for told in verdicts]
    counts = ", ".join(f"{outcomes.count(name)} {name}" for name in OUTCOMES if name in outcomes) or "no claims"
    return Table(
        f'<div class="labkit-table"><style>{_STYLE}</style><p><b>{escape(title)}</b>: {counts}<br>{_small(where)}</p>'
        f'<ul aria-label="{escape(title)}">{items}</ul>{_legend(verdicts)}</div>'
    )


def folded(summary: str, *tables: Table) -> Table:
    """Tables behind a line that opens and closes them, without a script.

    Raises:
        ValueError: no line to click, or nothing behind it.
    """
    if not summary.strip() or not tables:
        raise ValueError(f"folded needs a line and tables; got {summary!r} and {len(tables)}: say what is behind it")
    inside = "".join(table.html for table in tables)
    return Table(
        f'<details class="labkit-fold"><style>{_FOLD}</style><summary>{escape(summary)}</summary>{inside}</details>'
    )


def contents(rows: Sequence[Sequence[str]], *, title: str, columns: Sequence[str], href: str) -> Table:
    """A list of things and where they are: words only, the last column of which leads to a page.

    Args:
        rows: a word or some for each column.
        title: of the list.
        columns: their names.
        href: where the last column leads.

    Raises:
        ValueError: no rows, or one that does not fit the columns.
    """
    if not rows or any(len(row) != len(columns) for row in rows):
        raise ValueError(
            f"rows must be some, with a cell for each of {list(columns)}; got {[len(row) for row in rows]}"
        )
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    lines = "".join(
        f'<tr><th scope="row">{escape(first)}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in rest)
        + f'<td><a href="{escape(href)}">{escape(last)}</a></td></tr>'
        for first, *rest, last in rows
    )
    return Table(
        f'<div class="labkit-table labkit-contents"><style>{_STYLE}{_CONTENTS}</style>'
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(title)}">'
        f"<table><caption>{escape(title)}</caption><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div></div>"
    )


def _head(columns: Sequence[str], ours: Sequence[str], whose: bool) -> str:
    """Two lines: whose numbers, then the columns; on our side only those where we have something."""
    if not whose:
        names = "".join(f'<th scope="col" class="ours wraps">{escape(name)}</th>' for name in ours)
        return f'<thead><tr><th scope="col"><span class="unseen">row</span></th>{names or "<td></td>"}</tr></thead>'
    theirs = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    headings = "".join(f'<th scope="col" class="ours">{escape(name)}</th>' for name in ours)
    return (
        "<thead><tr><td></td>"
        f'<th scope="colgroup" colspan="{len(columns)}">the paper</th>'
        f'<th scope="colgroup" colspan="{max(len(ours), 1)}" class="ours">this lab</th></tr>'
        f'<tr><th scope="col"><span class="unseen">row</span></th>{theirs}'
        f"{headings or '<td class=ours></td>'}</tr></thead>"
    )


def _body(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    ours: Sequence[tuple[str, int]],
    shown: Sequence[int],
    whose: bool,
) -> str:
    decimals = [_decimals(rows, column) for column in range(len(columns))]
    lines = []
    for reason, together in groupby(rows, key=_reason):
        group = list(together)
        for number, row in enumerate(group):
            remarks = [] if reason else [row.get("source"), row.get("why")]
            head = f'<th scope="row">{escape(row["name"])}{"".join(_small(text) for text in remarks if text)}</th>'
            cells = enumerate(row["paper"]) if whose else ()
            theirs = "".join(f"<td>{_cell(cell, decimals[at])}</td>" for at, cell in cells)
            cells_of_ours = ((row["ours"][at], max(decimals[ours[at][1]], 1)) for at in shown)
            measured = "".join(f'<td class="ours">{_cell(cell, places)}</td>' for cell, places in cells_of_ours)
            if reason:  # said once for neighbouring rows
                spans = f'colspan="{max(len(shown), 1)}" rowspan="{len(group)}"'
                measured = f'<td class="ours why" {spans}>{escape(reason)}</td>' if number == 0 else ""
            lines.append(f"<tr>{head}{theirs}{measured}</tr>")
    return f"<tbody>{''.join(lines)}</tbody>"


def _reason(row: Mapping[str, Any]) -> str:
    """Why ours is missing; empty where it is not."""
    return str(row["why"]) if all(_missing(cell) for cell in row["ours"]) else ""


def _missing(cell: Any) -> bool:
    return cell is None or (isinstance(cell, Sequence) and len(cell) == 0)


def _cell(cell: Any, decimals: int) -> str:
    """A number with the column's decimals, whole numbers as they are, a list as mean and spread, words as words."""
    if _missing(cell):
        return '<span aria-hidden="true">–</span><span class="unseen">none</span>'
    if isinstance(cell, str):
        return escape(cell)
    if isinstance(cell, Sequence):
        spread = f" {_small(f'± {stdev(cell):.{decimals}f}')}" if len(cell) > 1 else ""
        return f"{fmean(cell):.{decimals}f}{spread}"
    return str(cell) if isinstance(cell, int) else f"{cell:.{decimals}f}"


def _decimals(rows: Sequence[Mapping[str, Any]], column: int) -> int:
    """As many decimals as the paper's most exact number of that column has."""
    numbers = [row["paper"][column] for row in rows if isinstance(row["paper"][column], float)]
    return max((len(repr(number).partition(".")[2]) for number in numbers), default=0)


def _seeds(rows: Sequence[Mapping[str, Any]]) -> str:
    """What the sign ± stands for, if it is there."""
    counts = {len(cell) for row in rows for cell in row["ours"] if isinstance(cell, list | tuple) and len(cell) > 1}
    if not counts:
        return ""
    low, high = min(counts), max(counts)
    seeds = low if low == high else f"{low} to {high}"
    return f"Recorded: mean ± standard deviation over {seeds} seeds. Live: this run alone."


def _verdict(told: Mapping[str, str]) -> str:
    if told["outcome"] not in OUTCOMES:
        raise ValueError(f"outcome of {told['id']} must be one of {', '.join(OUTCOMES)}; got {told['outcome']!r}")
    sign, colour = OUTCOMES[told["outcome"]]
    says = f"<b>{sign} {escape(told['outcome'])}</b>: {escape(told['says'])} <code>{escape(told['id'])}</code>"
    lines = [*told.get("reason", "").split("\n"), f"Why: {told['cause']}" if told.get("cause") else ""]
    measured = "".join(f'<span class="measured">{escape(line)}</span>' for line in lines if line)
    if numbers := told.get("numbers"):
        spans = "".join(f"<span>{escape(line)}</span>" for line in numbers.split("\n"))
        measured += f"<details><summary>In numbers</summary>{spans}</details>"
    return f'<li style="border-color: {colour}"><span>{says}</span>{measured}</li>'


def _legend(verdicts: Sequence[Mapping[str, str]]) -> str:
    """What the outcomes mean that are met, but for *holds*, which says it."""
    met = {told["outcome"] for told in verdicts}
    words = "; ".join(f"{OUTCOMES[name][0]} {name}: {text}" for name, text in _MEANINGS.items() if name in met)
    return f'<p class="note">{escape(words)}.</p>' if words else ""


def _small(text: str) -> str:
    return f"<small>{escape(text)}</small>" if text else ""
