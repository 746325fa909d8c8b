"""How sure are we: the verdict of each claim, from the records."""

from collections import Counter
from collections.abc import Sequence
from functools import cache

from labkit import claims, world
from labkit.claims.judge import Verdict
from labkit.claims.statement import SYMBOLS, Outcome
from labkit.studies import study_of


@cache
def verdicts(name: str) -> Sequence[Verdict]:
    """The verdicts of a paper's claims, by the lab's own records of its own world."""
    paper = claims.ledger()[name]
    measured = claims.records(name)
    selection = claims.Selection(paper, "world", "study", world=world.VERSION, version=study_of(paper.notebook).version)
    return [claims.verdict(claim, measured, selection) for claim in paper.claims]


def summary(paper: claims.Paper) -> str:
    """How many claims have which outcome, in a sentence, with a link to all of them."""
    counts = Counter(verdict.outcome for verdict in verdicts(paper.name))
    listed = ", ".join(f"{counts[outcome]} {SYMBOLS[outcome]} {outcome}" for outcome in SYMBOLS if counts[outcome])
    return f"{sum(counts.values())} claims: {listed}. [All of them](/sure.md#claims-{paper.notebook})"


def page() -> str:
    """A section for each paper: its claims, their outcomes, and what was measured."""
    papers = [paper for paper in claims.ledger().values() if paper.claims]
    return "\n\n".join(_section(paper) for paper in papers)


def _section(paper: claims.Paper) -> str:
    lines = [f"(claims-{paper.notebook})=", f"## {paper.notebook} · {paper.title}", ""]
    for verdict in verdicts(paper.name):
        claim = verdict.claim
        exact = " (a fact that no seed changes)" if claim.exact else ""
        lines += [f"{SYMBOLS[verdict.outcome]} **{verdict.outcome}**: {_text(claim.says)}{exact}"]
        lines += [f": {_text(check.reason)}" for check in verdict.checks if check.reason]
        if claim.numbers:
            lines.append(f": The paper: {_text(claim.numbers)} ({_text(claim.where)})")
        if verdict.outcome not in (Outcome.HOLDS, Outcome.STALE, Outcome.NOT_RUN) and verdict.cause:
            lines.append(f": Cause: {_text(verdict.cause)}")
        lines.append("")
    return "\n".join(lines)


def _text(text: str) -> str:
    """Words of the ledger as Markdown: signs that Markdown would read are escaped."""
    for sign in "\\`*_<>[]$":
        text = text.replace(sign, f"\\{sign}")
    return text
