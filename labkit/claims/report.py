"""The verdicts for a terminal, and the paper's tables with our numbers beside them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from textwrap import shorten, wrap
from typing import Any

from labkit.claims.judge import RISK, Verdict
from labkit.claims.ledger import ledger
from labkit.claims.paper import Entry
from labkit.claims.records import Record
from labkit.claims.selection import Selection
from labkit.claims.statement import DECIDED, SYMBOLS, Outcome

_UNJUDGED = (Outcome.ABSENT, Outcome.STALE, Outcome.NOT_RUN)


def report(verdicts: Iterable[Verdict], width: int = 118) -> str:
    """The verdicts for a terminal: by paper, with what was measured below each, counts and missing causes at the end.

    Args:
        verdicts: in the order of the ledger.
        width: of a line, in characters.
    """
    verdicts = list(verdicts)
    widest = max((len(verdict.claim.id) for verdict in verdicts), default=0)
    lines: list[str] = []
    paper = ""
    for verdict in verdicts:
        if verdict.claim.paper != paper:
            paper = verdict.claim.paper
            lines += ["", f"{ledger()[paper].notebook}  {ledger()[paper].title}"]
        head = f"  {SYMBOLS[verdict.outcome]} {verdict.claim.id:{widest}}  {verdict.outcome:{len(Outcome.REVERSED)}}  "
        lines.append(head + shorten(verdict.claim.says, width - len(head), placeholder=" …"))
        lines += [f"      {verdict.absent}"] * bool(verdict.absent)
        if any(check.outcome is not Outcome.NOT_RUN or check.seeds for check in verdict.checks):
            lines += [f"      {SYMBOLS[check.outcome]} {check.reason}" for check in verdict.checks]
            lines += [
                f"      beside it: {SYMBOLS[check.outcome]} {check.reason}" for check in verdict.also if check.seeds
            ]
        if verdict.cause:
            lines += wrap(f"cause: {verdict.cause}", width, initial_indent=6 * " ", subsequent_indent=13 * " ")
    counting = [verdict for verdict in verdicts if not verdict.claim.exact]
    counts = Counter(verdict.outcome for verdict in counting)
    summary = ", ".join(f"{SYMBOLS[outcome]} {counts[outcome]} {outcome}" for outcome in SYMBOLS if counts[outcome])
    facts = len(verdicts) - len(counting)
    lines += ["", f"{len(counting)} claims: {summary}" + f"; {facts} facts that no seed changes" * bool(facts)]
    if said := expected_wrong(verdicts):
        lines.append(said)
    if due := [verdict.claim.id for verdict in verdicts if verdict.lacks_cause]:
        lines.append(f'A written cause is missing in labkit/claims for {", ".join(due)}: add cause = "..."')
    return "\n".join(lines).lstrip("\n")


def expected_wrong(verdicts: Iterable[Verdict]) -> str:
    """How many verdicts bad luck alone may have decided, in a sentence; empty if none was judged.

    Args:
        verdicts: facts, which no seed changes, are left out.
    """
    outcomes = [verdict.outcome for verdict in verdicts if not verdict.claim.exact]
    judged = sum(outcome not in _UNJUDGED for outcome in outcomes)
    decided = sum(outcome in DECIDED for outcome in outcomes)
    if not judged:
        return ""
    return (
        f"{judged} were judged, each at a risk of {RISK:.0%} to be decided wrongly, and {decided} of them "
        f"{'is' if decided == 1 else 'are'} decided: expect at most {RISK * judged:.1f} of these to be wrong"
    )


def beside(entry: Entry, measured: Iterable[Record], selection: Selection) -> list[dict[str, Any]]:
    """The rows of a paper's table with ours beside them, as plain data for ``labkit.viz.paper_table``.

    Args:
        entry: a table, or a figure with numbers, of the ledger.
        measured: records of its paper.
        selection: which of them to show. In a column that belongs to a data set stands what was measured on that set.

    Returns:
        A dict for each row: ``name``; ``paper``, the cells as the paper has them; ``ours``, for each of the columns
        `Entry.our_columns` a list of values over seeds or None; ``why``, the reason where ours is missing; ``source``,
        which says so where a version is out of date, or the seeds are not those that judge.
    """
    measured = list(measured)
    columns = entry.our_columns(selection.dataset)
    rows = []
    for row in entry.rows:
        ours: list[list[float] | None] = []
        remarks: list[str] = []
        for column in columns:
            wanted = replace(selection, dataset=column.dataset, network=row.network or selection.network)
            records = [record for record in measured if record.metric == row.ours[column.index]]
            values, remark = wanted.shown(records)
            remarks.append(remark)
            ours.append([value for metrics in values.values() for value in metrics.values()] or None)
        told = [remark for remark, shown in zip(remarks, ours, strict=True) if shown or not any(ours)]
        words = ", ".join(dict.fromkeys(filter(None, told)))
        rows.append(
            {
                "name": row.name,
                "paper": list(row.paper),
                "ours": ours,
                "why": row.why or ("" if any(ours) else words or "not yet run"),
                "source": f"{SYMBOLS[Outcome.STALE]} {words}" if words and any(ours) else "",
            }
        )
    return rows
