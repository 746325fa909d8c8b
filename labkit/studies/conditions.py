"""What the systems of a paper reach while a condition of the world is turned up or down, from the records.

A paper's effect shows only where its condition holds: where shadows move from photo to photo, say, or where few frames
tell. Each condition is a parameter of a set of the world, with a control, the value at which the effect should vanish.
The ledger says which values and systems there are; a row of a study measures all systems at one value::

    @under("conv_vlad", "shadow", 0.75, needs=["shadow.0.75"])
    def shadows(self, shadow: float) -> dict[str, Measure]: ...

Conditions are measured on development seeds, which judge nothing: they say where a claim can be tested, not whether it
holds.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from labkit import claims
from labkit.studies.rows import row
from labkit.world import VERSION as WORLD


def metrics_at(paper: str, condition: str, value: float) -> tuple[str, ...]:
    """The metrics of the row of a value, in the order of the systems, see `labkit.claims.Condition`."""
    return claims.ledger()[paper].conditions[condition].metrics_at(value)


def under(paper: str, condition: str, value: float, *, needs: Sequence[str]) -> Callable[[Any], Any]:
    """Declare a method to be the row of a value of a condition; the value is an argument with the condition's name."""
    metrics = metrics_at(paper, condition, value)
    name = f"condition.{condition}.{value:g}"
    arguments: dict[str, Any] = {condition: value}
    return row(name, metrics=metrics, needs=needs, datasets=("world",), **arguments)


class Reached(NamedTuple):
    """What was measured under a condition.

    Attributes:
        values: for each value of the condition at which all systems were measured, what each reached, by seed.
        version: the earliest one of the study among them; 0 without any.
    """

    values: dict[str, dict[str, dict[int, float]]]
    version: int


def reached(paper: str, condition: str, folder: Path | None = None) -> Reached:
    """What was measured under a condition in the world of today, by the network that the paper's study usually takes.

    Args:
        paper: its name in the ledger.
        condition: its id, e.g. ``"shadow"``.
        folder: of the records; None: the lab's own results.
    """
    known = claims.ledger()[paper]
    declared, usual = known.conditions[condition], known.networks.get("study")
    values: dict[str, dict[int, float]] = {metric: {} for metric in declared.metrics}
    versions = []
    for record in claims.records(paper, folder):
        counts = record.profile in claims.COUNTING and record.world == WORLD and not record.partial
        if record.metric in values and counts and (usual is None or record.network in ("", usual)):
            values[record.metric][record.seed] = record.value
            versions.append(record.version)
    steps = {
        value: {system: values[f"condition.{condition}.{value}.{system}"] for system in declared.systems}
        for value in declared.values
    }
    whole = {value: systems for value, systems in steps.items() if all(systems.values())}
    return Reached(whole, min(versions, default=0))
