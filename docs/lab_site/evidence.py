"""How sure are we: the verdict of each claim, from the records."""

from collections import Counter
from collections.abc import Sequence
from functools import cache

from labkit import claims, world
from labkit.claims.judge import Verdict
from labkit.claims.statement import SYMBOLS, Outcome
from labkit.studies import study_of


@cache
def verdicts(name: str) -> Sequence[tuple[Verdict, Verdict | None]]:
    """The verdicts of a paper's claims, by the lab's own records of its own world.

    With each that is still to come goes what the seeds say that were looked at while the lab was built.
    """
    paper = claims.ledger()[name]
    measured = claims.records(name)
    version = study_of(paper.notebook).version
    selection = claims.Selection(paper, "world", "study", world=world.VERSION, version=version)
    judged = [claims.verdict(claim, measured, selection) for claim in paper.claims]
    return [
        (one, claims.verdict(one.claim, measured, selection.exploration()) if one.outcome is Outcome.NOT_RUN else None)
        for one in judged
    ]


def summary(paper: claims.Paper) -> str:
    """How many claims have which outcome, in a sentence, with a link to all of them."""
    counts = Counter(verdict.outcome for verdict, _ in verdicts(paper.name))
    listed = ", ".join(f"{counts[outcome]} {SYMBOLS[outcome]} {outcome}" for outcome in SYMBOLS if counts[outcome])
    return f"{sum(counts.values())} claims: {listed}. [All of them](/sure.md#claims-{paper.notebook})"


def in_short() -> str:
    """How many claims of all papers have which outcome."""
    papers = [paper for paper in claims.ledger().values() if paper.claims]
    counts = Counter(verdict.outcome for paper in papers for verdict, _ in verdicts(paper.name))
    listed = ", ".join(f"{counts[outcome]} {SYMBOLS[outcome]} {outcome}" for outcome in SYMBOLS if counts[outcome])
    return f"**Today**: {sum(counts.values())} claims, {listed}."


def page() -> str:
    """A section for each paper: its claims, their outcomes, and what was measured."""
    papers = [paper for paper in claims.ledger().values() if paper.claims]
    return "\n\n".join(_section(paper) for paper in papers)


def _section(paper: claims.Paper) -> str:
    lines = [f"(claims-{paper.notebook})=", f"## {paper.notebook} · {paper.title}", ""]
    for verdict, before in verdicts(paper.name):
        claim = verdict.claim
        exact = " (a fact that no seed changes)" if claim.exact else ""
        lines.append(f"{SYMBOLS[verdict.outcome]} **{verdict.outcome}**: {_text(claim.says)}{exact}")
        if claim.numbers:
            lines.append(f": The paper: {_text(claim.numbers)} ({_text(claim.where)}).")
        lines += [f": {_text(reason)}" for reason in _reasons(verdict)]
        if before and before.outcome is not Outcome.NOT_RUN:
            said = "; ".join(_reasons(before))
            lines.append(f": Seen before, on seeds that judge nothing: *{before.outcome}*. {_text(said)}.")
        if verdict.cause:
            lines.append(f": Cause: {_text(verdict.cause)}")
        if claim.counts:
            lines.append(f": What counts: {_text(claim.counts)}")
        lines.append("")
    return "\n".join(lines)


def _reasons(verdict: Verdict) -> list[str]:
    return [
        reason for reason in verdict.told if not reason.startswith("no record of")
    ]  # names that only the ledger knows


def _text(text: str) -> str:
    """Words of the ledger as Markdown: signs that Markdown would read are escaped."""
    for sign in "\\`*_<>[]$":
        text = text.replace(sign, f"\\{sign}")
    return text
