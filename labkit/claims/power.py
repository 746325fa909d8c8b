"""How likely a batch of seeds is to decide a claim, from what earlier seeds have shown.

The mean and the spread of each statement are taken as earlier records have them, of whatever version: they are all
there is before a batch is run. The spread of three seeds is worth little, so it is shared within a paper, as Smyth does
(2004): the root mean square over all of its statements in the same unit counts as much as five seeds. Then many batches
are made up and judged.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import torch

from labkit.claims.judge import Check, differences, interval, judge_all
from labkit.claims.paper import Claim
from labkit.claims.records import Record
from labkit.claims.selection import Selection
from labkit.claims.statement import DECIDED, Outcome, Statement
from labkit.claims.words import unit_of

BATCHES = 400  # made up for each claim
SHARED = 4  # degrees of freedom of the shared spread, beside those of the statement's own seeds


@dataclass(frozen=True)
class Chance:
    """Of a claim: the chance that it is decided, and its likeliest outcome; unknown without earlier records."""

    claim: Claim
    decided: float
    outcome: Outcome


def chances(selection: Selection, measured: Iterable[Record], seeds: int) -> list[Chance]:
    """The chance of each claim of a paper to be decided.

    Args:
        selection: of the paper, the data set and the profile.
        measured: its records so far, of any version.
        seeds: of the batch.

    Returns:
        A chance for each claim that is counted; NaN and *not yet run* where a metric has fewer than two seeds.
    """
    values = selection.exploration().values(measured)
    counted = [claim for claim in selection.paper.claims if not claim.exact and not claim.absent]
    known = {s.text: differences(s, values) for claim in counted for s in claim.statements}
    units = {s.text: unit_of(s, selection.paper) for claim in counted for s in claim.statements}
    spreads: dict[str, list[float]] = {}
    for text, seen in known.items():
        if len(seen) > 1 and stdev(seen) > 0:
            spreads.setdefault(units[text], []).append(stdev(seen))
    by_unit = {unit: math.sqrt(fmean(spread**2 for spread in those)) for unit, those in spreads.items()}
    shared = {text: by_unit.get(unit, 0.0) for text, unit in units.items()}
    return [_chance(claim, known, shared, seeds) for claim in counted]


def _chance(claim: Claim, known: Mapping[str, list[float]], shared: Mapping[str, float], seeds: int) -> Chance:
    if any(len(known[statement.text]) < 2 for statement in claim.statements):
        return Chance(claim, math.nan, Outcome.NOT_RUN)
    generator = torch.Generator().manual_seed(seeds)
    made = []
    for statement in claim.statements:
        seen = known[statement.text]
        own = len(seen) - 1
        spread = math.sqrt((SHARED * shared[statement.text] ** 2 + own * stdev(seen) ** 2) / (SHARED + own))
        noise = torch.randn(BATCHES, seeds, generator=generator, dtype=torch.float64)
        made.append((fmean(seen) + spread * noise).tolist())
    outcomes = [
        judge_all([Check.of(s, batch) for s, batch in zip(claim.statements, batches, strict=True)])
        for batches in zip(*made, strict=True)
    ]
    likeliest = max(dict.fromkeys(outcomes), key=outcomes.count)
    return Chance(claim, sum(outcome in DECIDED for outcome in outcomes) / BATCHES, likeliest)


def outcome_shares(
    statement: Statement, effects: Sequence[float], seeds: Sequence[int], *, spread: float, batches: int = BATCHES
) -> dict[int, dict[float, dict[Outcome, float]]]:
    """How often made-up batches end in each outcome, by their number of seeds and by the true difference.

    Args:
        statement: that is judged.
        effects: true differences, in points.
        seeds: numbers of seeds.
        spread: standard deviation of the difference from seed to seed, in points.
        batches: made up for each of them; all effects see the same noise.
    """
    shares: dict[int, dict[float, dict[Outcome, float]]] = {}
    for count in seeds:
        noise = spread * torch.randn(batches, count, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        ends = [interval(batch) for batch in noise.tolist()]  # of a true difference of zero: others lie beside it
        shares[count] = {}
        for effect in effects:
            found = [statement.judge(*(end + effect for end in three)) for three in ends]
            shares[count][effect] = {outcome: found.count(outcome) / batches for outcome in Outcome if outcome in found}
    return shares
