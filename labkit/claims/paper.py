"""What the ledger knows of a paper: its tables and figures, its metrics, its claims."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256

from labkit.claims.statement import ClaimsError, Statement


@dataclass(frozen=True)
class Claim:
    """What a paper says, and what must be measured to test it.

    Args:
        id: its name.
        paper: of the ledger.
        says: the claim in our words.
        where: in the paper.
        statements: the primary ones, all of which must hold.
        numbers: the paper's, in words.
        cause: why the world speaks against it.
        exact: it is a fact that no seed changes, or true by construction: one seed suffices as long as all that there
            are agree, and it does not count.
        absent: the condition that the claim is about, if the world lacks it.
        also: further statements, which are shown and judge nothing.
        counts: why the margins are the smallest differences that count.
    """

    id: str
    paper: str
    says: str
    where: str
    statements: tuple[Statement, ...]
    numbers: str = ""
    cause: str = ""
    exact: bool = False
    absent: str = ""
    also: tuple[Statement, ...] = ()
    counts: str = ""


def digest(claims: Iterable[Claim]) -> str:
    """Tells apart what claims rest on: another statement, margin, or mark that it does not count, another digest."""
    lines = [(claim.id, *(one.text for one in claim.statements), claim.exact, claim.absent) for claim in claims]
    return sha256(repr(lines).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Row:
    """A row of a paper's table: its numbers, the metrics that belong beside them, or why there are none.

    A cell of ``paper`` is a number, words, or ``None`` where the paper leaves it empty, as all are in a table of the
    lab's own; a cell of ``ours`` is a metric or empty. ``network`` is the one that the row is about, where a table
    compares several; without it the row is about the paper's usual network.
    """

    name: str
    paper: tuple[float | str | None, ...]
    ours: tuple[str, ...]
    why: str
    network: str = ""


@dataclass(frozen=True)
class Column:
    """A column of our numbers: its heading, the data set they are of, and beside which column of the paper."""

    heading: str
    dataset: str
    index: int


@dataclass(frozen=True)
class Entry:
    """A table or figure that the lab re-creates; ``shows`` says what a figure shows, ``note`` what is odd about it.

    ``datasets`` gives the column of each data set, where the columns are data sets; there ``headings`` says what our
    numbers of another data set are of. Elsewhere it renames our columns for a data set, e.g. "HMDB51" for the world.
    """

    id: str
    paper: str
    title: str
    where: str
    units: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    shows: str
    note: str
    datasets: Mapping[str, str]
    headings: Mapping[str, tuple[str, ...]]

    @property
    def unit(self) -> str:
        """Of all columns; several in words."""
        return ", ".join(dict.fromkeys(filter(None, self.units)))

    def unit_of(self, column: str) -> str:
        """Of one of the columns."""
        return self.units[self.columns.index(column)]

    def our_columns(self, dataset: str) -> list[Column]:
        """The columns of our numbers: a column that belongs to a data set has numbers of that one alone.

        Args:
            dataset: whose numbers the other columns have; a data set without a column of its own gets one.
        """
        own = {column: name for name, column in self.datasets.items()}
        headings = self.columns if own else self.headings.get(dataset, self.columns)
        columns = [
            Column(heading, own.get(column, dataset), index)
            for index, (heading, column) in enumerate(zip(headings, self.columns, strict=True))
        ]
        if own and dataset not in self.datasets:
            (heading,) = self.headings.get(dataset, (dataset,))
            columns.append(Column(heading, dataset, self.columns.index(next(iter(own)))))
        return columns


@dataclass(frozen=True)
class Condition:
    """A condition of the world on which an effect of the paper depends, and what is measured while it changes.

    Args:
        id: its name in metrics.
        paper: that it belongs to.
        title: of the figure that shows it.
        knob: what is turned, in words.
        values: that were measured, in order; the control, at which the effect should vanish, among them.
        unit: of what the systems reach.
        systems: what is compared: the name in metrics, and words.
    """

    id: str
    paper: str
    title: str
    knob: str
    values: tuple[str, ...]
    unit: str
    systems: Mapping[str, str]

    def metrics_at(self, value: float) -> tuple[str, ...]:
        """The metrics of one value, in the order of the systems.

        Raises:
            ClaimsError: a value that the condition does not have.
        """
        if f"{value:g}" not in self.values:
            raise ClaimsError(f"{self.paper}: {self.id} must be one of {', '.join(self.values)}; got {value:g}")
        return tuple(f"condition.{self.id}.{value:g}.{system}" for system in self.systems)

    @property
    def metrics(self) -> dict[str, str]:
        """All metrics, with their meanings."""
        return {
            metric: f"{self.unit}: {words}; {self.knob} {value}"
            for value in self.values
            for metric, words in zip(self.metrics_at(float(value)), self.systems.values(), strict=True)
        }


@dataclass(frozen=True)
class Confirm:
    """The frozen batch that judges a paper's claims in the world: fresh seeds, and the versions it is measured with.

    Args:
        seeds: all of them together, or nothing.
        study: version of the study.
        world: version of the world.
        precision: of training, "bf16" or "fp16"; empty for float32.
        statements: the `digest` of those that the batch judges, as they were when it was frozen.
    """

    seeds: tuple[int, ...]
    study: int
    world: int
    precision: str = ""
    statements: str = ""

    @property
    def versions(self) -> tuple[int, int]:
        """Of the study and of the world."""
        return self.study, self.world


@dataclass(frozen=True)
class Paper:
    """A paper of the lab: its notebook, its metrics (with unit and meaning), its tables and figures, its claims.

    Args:
        name: of its file in this folder, of its module and its study.
        notebook: its number.
        title: authors, year and title.
        link: to the paper; empty where there is none that we are certain of.
        datasets: what the notebook can be run on, "world" first.
        networks: by profile, the network that the paper's numbers are of, where there is one.
        metrics: by name, unit and meaning.
        splits: by metric and data set, over how many official splits it is a mean, where over several.
        entries: its tables and figures.
        claims: none, where this is no paper but a table of the lab's own, whose rows have no cells of a paper.
        conditions: of the world, by name.
        names: by metric, what a sentence calls it, where the words of its meaning would mislead.
        confirm: what judges its claims; None as long as nothing is frozen: then all records that count do.
    """

    name: str
    notebook: str
    title: str
    link: str
    datasets: tuple[str, ...]
    networks: Mapping[str, str]
    metrics: Mapping[str, str]
    splits: Mapping[str, Mapping[str, int]]
    entries: tuple[Entry, ...]
    claims: tuple[Claim, ...]
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    confirm: Confirm | None = None

    @cached_property
    def numbers(self) -> dict[str, float]:
        """The paper's own number of each metric that stands beside one in a table.

        Of several data sets the first counts, and of several networks the paper's usual one.
        """
        numbers: dict[str, float] = {}
        for entry in self.entries:
            others = [*entry.datasets.values()][1:]
            for row in entry.rows:
                for column, metric, cell in zip(entry.columns, row.ours, row.paper, strict=True):
                    if metric and isinstance(cell, int | float) and column not in others and not row.network:
                        numbers.setdefault(metric, cell)
        return numbers

    def num_splits(self, metric: str, dataset: str) -> int:
        """Over how many official splits of a data set a metric is a mean."""
        return self.splits.get(metric, {}).get(dataset, 1)
