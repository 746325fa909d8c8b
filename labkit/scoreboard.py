"""What a notebook says about its paper: the paper's tables beside ours, and what became of its claims.

A notebook measures some numbers live and leaves the others to earlier, longer runs, whose records come with the lab.
`Scoreboard` puts both beside the paper's, and says of each which it is. Where a study measures and files its records::

    board = Scoreboard.of(study)
    board.table("table 1")                      # live where the study has measured it by now, else from the records
    board.verdicts()                            # at the end

and where the notebook does so itself::

    board = Scoreboard("long_video", profile=profile, dataset=dataset, seed=seed)
    board.clips([train], [test])                # what the numbers are made from
    board["pool.conv"] = 100 * accuracy         # as soon as it is known
    board.table("table 3.1")
    board.verdicts()
    board.keep()                                # study and paper: write down what was measured
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean
from typing import Protocol

from labkit import claims
from labkit.claims import COUNTING, ClaimsError, Entry, Record, Row, Selection
from labkit.clips import Clips
from labkit.studies import study_of
from labkit.viz import Table, claims_list, paper_table

Counts = tuple[tuple[int, int], tuple[int, int]]  # training and test clips: how many, and how many the lists name


class Run(Protocol):
    """What a board asks of the run whose numbers are live: every study has it.

    ``live`` holds the metrics measured by now; `clip_counts` gives the numbers of clips behind one of them.
    """

    paper: str
    profile: str
    dataset: str
    seed: int
    split: int
    network: str
    version: int
    live: dict[str, float]

    def clip_counts(self, metric: str) -> Counts:
        """Training clips there and listed, test clips there and listed; zeros where nobody knows."""


@dataclass
class _NotebookRun:
    """A notebook that measures by itself, without a study."""

    paper: str
    profile: str
    dataset: str
    seed: int
    split: int
    network: str
    version: int
    live: dict[str, float] = field(default_factory=dict)
    clips: list[tuple[Sequence[str], Counts]] = field(default_factory=list)

    def clip_counts(self, metric: str) -> Counts:
        matching = [counts for patterns, counts in self.clips if any(fnmatchcase(metric, each) for each in patterns)]
        return matching[-1] if matching else ((0, 0), (0, 0))


class Scoreboard:
    """The numbers of one run of a notebook, beside the paper's and those of earlier runs.

    Args:
        paper: its name in the ledger, e.g. ``"two_stream"``.
        profile: of the notebook.
        dataset: ``"world"`` or the name of a real set; only records of the same one are shown.
        seed: of the run.
        network: that is measured; default: the one the ledger names for this profile, if any.
        split: of the metrics that are means over several splits: 0 if this run takes that mean, else the split it uses.
        folder: where records are; default ``notebooks/results``.

    Raises:
        ValueError: no such paper, or a data set that its notebook cannot be run on.
    """

    def __init__(
        self,
        paper: str,
        *,
        profile: str,
        dataset: str = "world",
        seed: int = 0,
        network: str | None = None,
        split: int = 0,
        folder: Path | None = None,
    ) -> None:
        if paper not in claims.ledger():
            raise ValueError(f"paper must be one of {', '.join(claims.ledger())}; got {paper!r}")
        if network is None:
            network = claims.ledger()[paper].networks.get(_counting(profile), "")
        version = version_of(claims.ledger()[paper])
        self._own = _NotebookRun(paper, profile, dataset, seed, split, network, version)
        self._show(self._own, folder)

    @classmethod
    def of(cls, study: Run, folder: Path | None = None) -> "Scoreboard":
        """The board of a study, which files its own records: what it has measured by now is read at each call.

        Args:
            study: whose numbers are live.
            folder: where records are; default ``notebooks/results``.

        Raises:
            ValueError: the ledger does not know its paper or its data set.
        """
        board = cls.__new__(cls)
        board._own = None
        board._show(study, folder)
        return board

    _own: _NotebookRun | None  # where the notebook measures

    def _show(self, run: Run, folder: Path | None) -> None:
        if run.paper not in claims.ledger():
            raise ValueError(f"paper must be one of {', '.join(claims.ledger())}; got {run.paper!r}")
        self.paper = claims.ledger()[run.paper]
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

    @property
    def live(self) -> Mapping[str, float]:
        """Metric and value, measured in this run."""
        return self._run.live

    def clips(self, train: Sequence[Clips], test: Sequence[Clips], metrics: Sequence[str] = ("*",)) -> None:
        """Say which clips the numbers of this run are made from; their records then tell how many these are.

        Numbers of a set in which listed clips are missing (``missing="skip"``) are a trial: tables say so, and `keep`
        files them apart from the results of the whole set.

        Args:
            train: the sets of training clips, or none.
            test: the sets of test clips.
            metrics: names these are the clips of, with ``*`` for anything; a later call outweighs an earlier one.
        """
        self._notebook().clips.append((metrics, (_counted(train), _counted(test))))

    def __setitem__(self, metric: str, value: float) -> None:
        """Note a number, in the unit the ledger gives.

        Raises:
            ClaimsError: the ledger knows no such metric.
        """
        self._require(metric)
        self._notebook().live[metric] = float(value)

    def __getitem__(self, metric: str) -> float:
        """A number of this run.

        Raises:
            KeyError: this run has not measured it.
        """
        return self.live[metric]

    def known(self, metric: str) -> float | None:
        """A number of this run, else its mean over the records of earlier ones; None where there is neither.

        Raises:
            ClaimsError: the ledger knows no such metric.
        """
        values = self.recorded(metric)
        return self.live.get(metric, sum(values) / len(values) if values else None)

    def recorded(self, metric: str) -> list[float]:
        """The values of a number in the records of earlier runs, one for each seed.

        Raises:
            ClaimsError: the ledger knows no such metric.
        """
        self._require(metric)
        by_seed = self._selection.values(record for record in self._records() if record.metric == metric)
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
                partly = any(old and new is None for old, new in zip(then, now, strict=True))
                row["source"], row["why"] = "live in part" if partly else "live", about.why
                trials = (_partly(self._run.clip_counts(metric)) for metric in metrics if metric in self.live)
                row["source"] += next((f", a trial: {words}" for words in trials if words), "")
                if recorded := [f"{fmean(values):.1f}" for values in then if values]:
                    row["source"] += f" (recorded: {', '.join(recorded)})"
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

    def keep(self) -> list[Record]:
        """Write the numbers of this run down, if its profile counts; the records."""
        run, origin = self._notebook(), claims.provenance()
        measured = []
        for metric, value in run.live.items():
            (train, train_listed), (test, test_listed) = run.clip_counts(metric)
            measured.append(
                Record(
                    paper=run.paper,
                    metric=metric,
                    network=run.network,
                    dataset=run.dataset,
                    split=run.split if self.paper.num_splits(metric, run.dataset) > 1 else 1,
                    profile=run.profile,
                    seed=run.seed,
                    value=value,
                    train=train,
                    train_listed=train_listed,
                    test=test,
                    test_listed=test_listed,
                    version=run.version,
                    world=import_module("labkit.world").VERSION if run.dataset == "world" else 0,
                    labkit=origin["labkit"],
                    commit=origin["commit"],
                    machine=origin["machine"],
                )
            )
        if run.profile in COUNTING:
            claims.write(measured, self.folder)
        return measured

    def _notebook(self) -> _NotebookRun:
        if self._own is None:
            raise ClaimsError(
                f"the study of {self.paper.name} files its own records: leave clips, keep and numbers to it"
            )
        return self._own

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


def _counting(profile: str) -> str:
    """The profile whose records are shown beside a run."""
    return profile if profile in COUNTING else "study"


def _counted(sets: Sequence[Clips]) -> tuple[int, int]:
    """How many clips there are, and how many there would be if none were missing."""
    there = sum(len(clips) for clips in sets)
    return there, there + sum(clips.num_lacking for clips in sets)


def _partly(counts: Counts) -> str:
    """Which part of its clips a number is made from, in words; empty where none are missing."""
    (train, train_listed), (test, test_listed) = counts
    parts = [f"trained on {train:,} of {train_listed:,} training clips"] if train < train_listed else []
    parts += [f"measured on {test:,} of {test_listed:,} test clips"] if test < test_listed else []
    return " and ".join(parts)


def version_of(paper: claims.Paper) -> int:
    """Today's version of a paper's study, raised by hand when results can change; 0 where it has none."""
    if find_spec(f"labkit.studies.{paper.name}"):
        return study_of(paper.notebook).version
    module = f"labkit.papers.{paper.name}"
    return import_module(module).VERSION if find_spec(module) else 0
