"""Rows: what a study can measure, each by itself.

A row is a method of a `labkit.studies.study.Study` under a name. The decorator `row` says which metrics of the ledger
it makes and which trained or computed things it needs, so that all of this is known before anything runs::

    @row("temporal.l5", length=5)
    @row("temporal.l10", length=10)
    def table_1b(self, length: int) -> Measure:
        return self.accuracy(self.temporal(length))
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

Method = TypeVar("Method", bound=Callable[..., Any])


class Measure(NamedTuple):
    """A measured value, in the unit of its metric.

    Attributes:
        value: the number.
        stderr: its standard error over the test clips or queries, in the same unit; None where there are none.
        hits: ``(N,)`` bool, which test clips were recognised, in the order of the test set; None where that is not
            what was measured.
    """

    value: float
    stderr: float | None = None
    hits: Tensor | None = None


class Values(dict[str, float]):
    """Metrics and their values; shown to one decimal with their standard errors over the test clips.

    Small values without a standard error, such as errors in pixels, are shown to three digits.

    Args:
        measures: by metric.
    """

    def __init__(self, measures: Mapping[str, Measure]) -> None:
        super().__init__({metric: measure.value for metric, measure in measures.items()})
        self.measures = measures

    def __repr__(self) -> str:
        return "\n".join(f"{metric} {_shown(measure)}" for metric, measure in self.measures.items())


def _shown(measure: Measure) -> str:
    if measure.stderr is not None:
        return f"{measure.value:.1f} ± {measure.stderr:.1f}"
    return f"{measure.value:.1f}" if abs(measure.value) >= 10 else f"{measure.value:.3g}"


def per_clip(scores: Tensor) -> Measure:
    """The mean, in percent, of what each test clip scored: 1 for a right answer, 0 for a wrong one, or in between.

    Args:
        scores: ``(N,)``, 0 to 1; of several trainings their mean.
    """
    values = scores.double()  # (N,)
    hits = values.bool() if bool(((values == 0) | (values == 1)).all()) else None
    stderr = 100 * values.std().item() / len(values) ** 0.5 if len(values) > 1 else None
    return Measure(100 * values.mean().item(), stderr, hits)


def mean_of(measures: Sequence[Measure]) -> Measure:
    """The mean over several trainings that were measured on the same clips.

    The standard error is that of the mean over the clips where each training has its hits, else it is left out.
    """
    value = sum(measure.value for measure in measures) / len(measures)
    if len(measures) == 1:
        return measures[0]
    hits = [measure.hits for measure in measures if measure.hits is not None]
    stderr = per_clip(torch.stack(hits).double().mean(dim=0)).stderr if len(hits) == len(measures) else None
    return Measure(value, stderr)


@dataclass(frozen=True)
class Row:
    """A row of a study.

    Attributes:
        name: what the command line calls it.
        metrics: the metrics of the ledger that it makes, all of them.
        needs: names of the things that it trains or computes on the way, and that other rows may share.
        splits: the official splits that it is measured on.
        splits_of: the same of single data sets, if they differ; of the others then the first split alone.
        datasets: the data sets that it is measured on; empty: all that the study knows.
        method: name of the study's method.
        arguments: keyword arguments for it.
    """

    name: str
    metrics: tuple[str, ...]
    needs: tuple[str, ...]
    splits: tuple[int, ...]
    splits_of: Mapping[str, tuple[int, ...]]
    datasets: tuple[str, ...]
    method: str
    arguments: Mapping[str, Any]

    def is_measured_on(self, dataset: str, split: int) -> bool:
        """Whether it can be measured on a split of a data set."""
        splits = self.splits_of.get(dataset, (1,)) if self.splits_of else self.splits
        return split in splits and (not self.datasets or dataset in self.datasets)


def row(
    name: str,
    /,
    *,
    metrics: Sequence[str] = (),
    needs: Sequence[str] | None = None,
    splits: Sequence[int] | Mapping[str, Sequence[int]] = (1,),
    datasets: Sequence[str] = (),
    **arguments: Any,
) -> Callable[[Method], Method]:
    """Declare a method of a study to be a row; a method may be several, with other arguments.

    Args:
        name: of the row.
        metrics: that it makes; the one of its own name if empty.
        needs: see `Row`; the thing of its own name if None.
        splits: see `Row`; where data sets differ, by data set, such as ``{"hmdb51": (1, 2, 3)}``.
        datasets: see `Row`.
        **arguments: what the method is called with.

    The method returns a `Measure` if there is one metric, or a mapping of all its metrics to their measures.
    """

    def declare(method: Method) -> Method:
        needed = (name,) if needs is None else tuple(needs)
        made = tuple(metrics) or (name,)
        of_each = (
            {dataset: tuple(numbers) for dataset, numbers in splits.items()} if isinstance(splits, Mapping) else {}
        )
        every = sorted({1, *chain(*of_each.values())}) if isinstance(splits, Mapping) else splits
        declared = Row(name, made, needed, tuple(every), of_each, tuple(datasets), method.__name__, arguments)
        method.__dict__.setdefault("rows", []).insert(0, declared)  # decorators apply from the last to the first
        return method

    return declare


def rows_of(study: type) -> dict[str, Row]:
    """All rows of a study class and of those it derives from, by name, in the order in which they stand in the file.

    Raises:
        ValueError: two rows have the same name.
    """
    declared: dict[str, Row] = {}
    for attribute in (value for kind in reversed(study.__mro__) for value in vars(kind).values()):
        for candidate in getattr(attribute, "rows", []):
            if candidate.name in declared:
                raise ValueError(
                    f"every row must have a name of its own; {study.__name__} has two called {candidate.name!r}"
                )
            declared[candidate.name] = candidate
    return declared
