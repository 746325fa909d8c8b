"""What a notebook says about its paper: the paper's tables beside ours, and what became of its claims.

A study measures some numbers in the notebook and leaves the others to earlier, longer runs, whose records come with the
lab. `Scoreboard` puts both beside the paper's, and says of each which it is::

    board = Scoreboard(study)
    board.table("table 1")                      # live where the study has measured it by now, else from the records
    board.verdicts()                            # at the end

Where nothing is measured, the records alone are shown: ``Scoreboard.of_records("two_stream")``.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol

from labkit import claims
from labkit.claims import COUNTING, ClaimsError, Entry, Record, Row, Selection
from labkit.claims.power import outcome_shares
from labkit.studies import study_of
from labkit.studies.conditions import reached
from labkit.viz import (
    Figure,
    Table,
    claims_list,
    condition_slider,
    contents,
    folded,
    forest_plot,
    outcome_bars,
    paper_table,
)

_EARLIER = f"{claims.SYMBOLS[claims.Outcome.STALE]} measured with an earlier version of the study"

Counts = tuple[tuple[int, int], tuple[int, int]]  # training and test clips: how many, and how many the lists name


class Run(Protocol):
    """What a board asks of the run whose numbers are live: every study has it.

    ``live`` holds the metrics measured by now; `clip_counts` gives the numbers of clips behind one of them.
    """

    paper: str
    profile: str
    dataset: str
    network: str
    version: int
    live: dict[str, float]

    def clip_counts(self, metric: str) -> Counts:
        """Training clips there and listed, test clips there and listed; zeros where nobody knows."""


@dataclass
class _NoRun:
    """Nothing is measured: only records are shown."""

    paper: str
    profile: str
    dataset: str
    network: str
    version: int
    live: dict[str, float] = field(default_factory=dict)

    def clip_counts(self, metric: str) -> Counts:
        return (0, 0), (0, 0)


class Scoreboard:
    """The numbers of one run, beside the paper's and those of earlier runs; the study's are read each time.

    Args:
        run: whose numbers are live.
        folder: where records are; default ``notebooks/results``.

    Raises:
        ValueError: the ledger does not know its paper or its data set.
    """

    def __init__(self, run: Run, folder: Path | None = None) -> None:
        self.paper = _paper(run.paper)
        if run.dataset not in self.paper.datasets:
            raise ValueError(f"dataset must be one of {', '.join(self.paper.datasets)}; got {run.dataset!r}")
        self.dataset, self.folder, self._run = run.dataset, folder, run
        self._selection = Selection(
            self.paper,
            run.dataset,
            _counting(run.profile),
            world=import_module("labkit.world").VERSION,
            version=run.version,
        )

    @classmethod
    def of_records(
        cls, paper: str, *, profile: str = "study", dataset: str = "", folder: Path | None = None
    ) -> "Scoreboard":
        """A board on which nothing is live.

        Args:
            paper: its name in the ledger, e.g. ``"two_stream"``.
            profile: ``"study"`` or ``"paper"``; in the others those of ``"study"`` are shown.
            dataset: whose records are shown, ``"world"`` or the name of a real set; if it is empty, or none of the
                paper's, the one with the most records.
            folder: where records are; default ``notebooks/results``.

        Raises:
            ValueError: no such paper.
        """
        entry = _paper(paper)
        if dataset not in entry.datasets:
            measured = (record for record in claims.records(paper, folder) if record.profile == _counting(profile))
            dataset = next(iter(Counter(record.dataset for record in measured).most_common(1)), ("world",))[0]
        version = study_of(entry.notebook).version
        return cls(_NoRun(paper, profile, dataset, entry.networks.get(_counting(profile), ""), version), folder)

    @property
    def live(self) -> Mapping[str, float]:
        """Metric and value, measured in this run."""
        return self._run.live

    def known(self, metric: str) -> float | None:
        """A number of this run, else its mean over the records of earlier ones; None where there is neither.

        Raises:
            ClaimsError: the ledger knows no such metric.
        """
        values = self.recorded(metric)
        return self.live.get(metric, sum(values) / len(values) if values else None)

    def recorded(self, metric: str) -> list[float]:
        """The values of a number in the records of earlier runs, one for each seed, as tables show them.

        Raises:
            ClaimsError: the ledger knows no such metric.
        """
        self._require(metric)
        records = [record for record in self._records() if record.metric == metric]
        by_seed, _ = self._selection.shown(records)
        return [values[metric] for values in by_seed.values()]

    def table(
        self, entry: str, *, claimed: tuple[str, ...] = (), computed: Mapping[str, Sequence[float]] | None = None
    ) -> Table:
        """A table of the paper, ours beside it.

        Args:
            entry: e.g. ``"table 1"`` or ``"figure 2.2"``.
            claimed: ids of claims whose verdicts belong below it.
            computed: by the name of a row, a cell for each column that is no metric of its own: it follows from
                the code, such as the size of a layer, or is the difference of two metrics.

        Raises:
            ValueError: no such entry, or none with rows; no such row.
        """
        written = self._entry(entry)
        computed = computed or {}
        if unknown := computed.keys() - {row.name for row in written.rows}:
            raise ValueError(f"computed must name rows of {entry}; got {sorted(unknown)}: see the ledger")
        columns = written.our_columns(self.dataset)
        rows = claims.beside(written, self._records(), self._selection)
        for row, about in zip(rows, written.rows, strict=True):
            metrics = [about.ours[column.index] if column.dataset == self.dataset else "" for column in columns]
            now = [self.live.get(metric) if self._is_live(about, written) else None for metric in metrics]
            then = row["ours"]
            row["ours"] = [value if value is not None else old for value, old in zip(now, then, strict=True)]
            if any(value is not None for value in now):
                odd, partly = row["source"], any(old and new is None for old, new in zip(then, now, strict=True))
                row["source"], row["why"] = "live in part" if partly else "live", about.why
                trials = (_partly(self._run.clip_counts(metric)) for metric in metrics if metric in self.live)
                row["source"] += next((f", a trial: {words}" for words in trials if words), "")
                if recorded := [f"{fmean(values):.1f}" for values in then if values]:
                    row["source"] += f" ({odd or 'recorded'}: {', '.join(recorded)})"
            elif any(then):
                row["source"] = row["source"] or "recorded"
            if row["name"] in computed:
                row |= {"ours": list(computed[row["name"]]), "why": ""}
        return paper_table(
            rows,
            title=f"{entry[0].upper()}{entry[1:]}: {written.title}",
            columns=written.columns,
            ours=[(column.heading, column.index) for column in columns],
            unit=written.unit,
            where=written.where,
            note=written.note,
            verdicts=[verdict.plain() for verdict in self.judged() if verdict.claim.id in claimed],
        )

    def condition(self, name: str, start: int = 0) -> Figure:
        """What the paper's systems reach while a condition of the world is turned up or down, with a slider.

        Args:
            name: of the condition in the ledger, e.g. ``"shadow"``.
            start: the slider's first position; -1 for the last one.
        """
        declared, found = self.paper.conditions[name], reached(self.paper.name, name, self.folder)
        older = f"<br>{_EARLIER}" if found.values and found.version < self._run.version else ""
        return condition_slider(
            found.values,
            title=declared.title + older,
            alt=f"What {', '.join(declared.systems.values())} reach.",
            y_title=declared.unit,
            slider=declared.knob,
            start=start,
            names=declared.systems,
            command=f"labkit study run {self.paper.notebook} --rows 'condition.{name}.*' --seeds 1000,1001,1002",
        )

    def verdicts(self) -> Table:
        """All claims of the paper, and what the records make of them; a run counts as soon as it is recorded."""
        where = f"records of the profile {self._selection.profile}, data set {self.dataset}"
        trials = (_partly(self._run.clip_counts(metric)) for metric in self.live)
        where += next((f"; this run is a trial, {words}, and does not count" for words in trials if words), "")
        plain = [verdict.plain() for verdict in self.judged()]
        return claims_list(plain, title="What became of the claims", where=where)

    def judged(self) -> list[claims.Verdict]:
        """All claims of the paper with what the records make of them, as data; see `verdicts`."""
        measured = self._records()
        return [claims.verdict(claim, measured, self._selection) for claim in self.paper.claims]

    @staticmethod
    def how_sure(text: str, spread: float) -> Figure:
        """How often made-up seeds end in each outcome, by the true difference; a slider for their number.

        Args:
            text: a statement of one step, e.g. ``"a > b by 2"``.
            spread: standard deviation of the difference from seed to seed, in points.
        """
        (statement,) = claims.parse(text)
        steps = {
            f"{count} seeds": {
                f"{effect:+g}" if effect else "0": {str(outcome): share for outcome, share in shares.items()}
                for effect, shares in effects.items()
            }
            for count, effects in outcome_shares(statement, range(-4, 7), (3, 5, 10, 20), spread=spread).items()
        }
        return outcome_bars(
            steps,
            title=f"What is said of “{text}”, if the truth is known",
            alt="How often a batch of seeds ends in each outcome, for true differences from -4 to +6 points.",
            x_title="true difference (points)",
            slider="judged on",
        )

    def overview(self) -> list[Any]:
        """To display one after the other: a forest plot for each unit; folded, the claims in words; the tables."""
        checks = [(verdict.claim.id, check) for verdict in self.judged() for check in verdict.checks]
        by_unit: dict[str, list[dict[str, Any]]] = {}
        for claim, check in checks:
            by_unit.setdefault(claims.unit_of(check.statement, self.paper), []).append(
                {
                    "claim": claim,
                    "text": check.statement.text,
                    "outcome": str(check.outcome),
                    **{"mean": check.mean, "low": check.low, "high": check.high},
                    **{"least": check.statement.low, "most": check.statement.high},
                    "values": check.differences,
                }
            )
        counted = f"{len(self.paper.claims)} claims, {len(checks)} statements"
        seeds = max((check.seeds for _, check in checks), default=0)
        outcomes = dict.fromkeys(str(check.outcome) for _, check in checks)
        shown: list[Any] = [Table(f"<p>{counted}: {' or '.join(outcomes)}</p>")]
        if seeds:
            titles = {unit: f"{self.paper.title}<br>Statements in {unit}" for unit in by_unit}
            titles[max(by_unit, key=lambda unit: len(by_unit[unit]))] = (
                f"{self.paper.title}<br>{counted}, at most {seeds} seeds, data set {self.dataset}"
            )
            alt = "For each statement of the paper's claims the difference beyond its margin, with its interval."
            finest = {"pixels": 0.05}
            shown = [
                forest_plot(those, title=titles[unit], alt=alt, unit=unit, finest=finest.get(unit, 1.0))
                for unit, those in by_unit.items()
            ]
        tables = [self.table(entry.id) for entry in self.paper.entries if entry.rows]
        shown.append(folded("The claims in words, and why where they do not hold", self.verdicts()))
        shown.append(folded(f"{len(tables)} of its tables, ours beside the paper's", *tables))
        return shown

    def contents(self, stem: str) -> Table:
        """The paper's tables and figures, and how much of each there is here; folded.

        Args:
            stem: of the notebook that has them, for the link.
        """
        rows = [(e.id.capitalize(), e.title, e.where, self._coverage(e), stem) for e in self.paper.entries]
        columns = ("", "what it shows", "in the paper", "here", "notebook")
        table = contents(rows, title=self.paper.title, columns=columns, href=f"{stem}.ipynb")
        return folded(f"{self.paper.notebook} · {self.paper.title}: {len(rows)} tables and figures", table)

    def _coverage(self, entry: Entry) -> str:
        """How many of a table's rows have numbers of ours, or what a figure is here."""
        if not entry.rows:
            return "drawn from our data"
        ours = sum(any(row.ours) for row in entry.rows)
        known = sum(any(row["ours"]) for row in claims.beside(entry, self._records(), self._selection))
        others = len(entry.rows) - ours
        said = [f"{known} of {ours} rows measured"] * bool(ours) + [f"{others} of others"] * bool(others)
        return ", ".join(said)

    def _require(self, metric: str) -> None:
        if metric not in self.paper.metrics:
            raise ClaimsError(f"{self.paper.name} has no metric {metric!r}: see labkit/claims/{self.paper.name}.toml")

    def _is_live(self, row: Row, entry: Entry) -> bool:
        """Whether this run's network is the one that a row is about."""
        named = {each.network for each in entry.rows}
        return row.network == (self._run.network if self._run.network in named else "")

    def _entry(self, name: str) -> Entry:
        known = {entry.id: entry for entry in self.paper.entries if entry.rows}
        if name not in known:
            raise ValueError(f"entry must be one of {', '.join(known)}; got {name!r}")
        return known[name]

    def _records(self) -> list[Record]:
        return claims.records(self.paper.name, self.folder)


def _paper(name: str) -> claims.Paper:
    if name not in claims.ledger():
        raise ValueError(f"paper must be one of {', '.join(claims.ledger())}; got {name!r}")
    return claims.ledger()[name]


def _counting(profile: str) -> str:
    """The profile whose records are shown beside a run."""
    return profile if profile in COUNTING else "study"


def _partly(counts: Counts) -> str:
    """Which part of its clips a number is made from, in words; empty where none are missing."""
    (train, train_listed), (test, test_listed) = counts
    parts = [f"trained on {train:,} of {train_listed:,} training clips"] if train < train_listed else []
    parts += [f"measured on {test:,} of {test_listed:,} test clips"] if test < test_listed else []
    return " and ".join(parts)
