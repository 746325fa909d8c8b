"""What a batch of seeds would cost, and what it would decide: ``labkit study plan``."""

import math
from collections.abc import Sequence
from statistics import median

from labkit import claims
from labkit.claims.power import chances
from labkit.studies import study_of
from labkit.studies.study import Study


def judging_rows(paper: claims.Paper, kind: type[Study]) -> list[str]:
    """The rows whose metrics stand in the claims of a paper: what a batch has to run."""
    asked = {term for claim in paper.claims for s in (*claim.statements, *claim.also) for term in s.terms}
    return [name for name, declared in kind.rows().items() if asked & set(declared.metrics)]


def plan(papers: Sequence[claims.Paper], seeds: int = 10) -> str:
    """Of each paper: its claims, the chance that they are decided, and the time of its rows; as text.

    Args:
        papers: of the ledger.
        seeds: of a batch; a frozen paper has its own number.
    """
    lines, expected, counted, hours, rough = [], 0.0, 0, 0.0, False
    for paper in papers:
        batch = len(paper.confirm.seeds) if paper.confirm else seeds
        measured = claims.records(paper.name)
        known = chances(claims.Selection(paper, exploring=paper.confirm is not None), measured, batch)
        decided = sum(one.decided for one in known if not math.isnan(one.decided))
        late = sum(math.isnan(one.decided) for one in known)
        minutes, whole, untimed = _minutes(paper, measured)
        unknown = f", {late} never measured" * bool(late)
        lines.append(
            f"{paper.notebook}  {paper.name}: {batch} seeds decide {decided:.1f} of {len(known)} claims{unknown}; "
            f"{'at most ' * bool(whole)}{minutes:.0f} minutes a seed"
            + f", without {untimed} rows that have no time yet"
            * bool(untimed)
        )
        for one in known:
            chance = "never measured" if math.isnan(one.decided) else f"{one.decided:4.0%}  most likely: {one.outcome}"
            lines.append(f"      {one.claim.id:24} {chance}")
        expected, counted, hours = expected + decided, counted + len(known), hours + batch * minutes / 60
        rough |= bool(whole)
    facts = sum(claim.exact for paper in papers for claim in paper.claims)
    cost = f"{'at most ' * rough}{hours:.0f} hours"
    lines.append(f"{counted} claims and {facts} facts; {expected:.0f} claims will be decided, in {cost}")
    return "\n".join(lines)


def _minutes(paper: claims.Paper, measured: Sequence[claims.Record]) -> tuple[float, int, int]:
    """What the judging rows of a seed have taken one after another, the median over their runs for each split.

    Of a row whose runs did not note what they spent it is the time that it takes by itself, with trainings that rows
    share: of these rows the second number counts how many there are, the third those without any time.
    """
    kind = study_of(paper.notebook)
    minutes, whole, untimed = 0.0, 0, 0
    for name in judging_rows(paper, kind):
        splits = sum(kind.rows()[name].is_measured_on("world", split) for split in kind.rows()[name].splits)
        runs = [record for record in measured if record.row == name]
        spent = [record.spent for record in runs if record.spent > 0]
        alone = [record.seconds for record in runs if record.seconds > 0]
        minutes += splits * median(spent or alone or [0.0]) / 60
        whole += bool(alone and not spent)
        untimed += not (spent or alone)
    return minutes, whole, untimed
