"""The verdicts for a terminal, and the paper's tables with our numbers beside them."""

from collections import Counter
from collections.abc import Iterable
from textwrap import shorten
from typing import Any

from labkit.claims.judge import Verdict
from labkit.claims.ledger import Entry, ledger
from labkit.claims.records import Record
from labkit.claims.statement import SYMBOLS, Outcome


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
        lines.append(f'A written cause is missing in labkit/claims for {", ".join(due)}: add cause = "..."')
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
