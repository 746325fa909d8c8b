"""What a notebook says about its paper: the paper's tables beside ours, and what became of its claims.

A notebook measures some numbers live and leaves the others to earlier, longer runs of itself (profile ``study``), whose
records come with the lab. `Scoreboard` puts both beside the paper's, and says of each which it is::

    board = Scoreboard("two_stream", profile=profile, dataset=dataset, seed=seed)
    board.clips([train], [test])                # what the numbers are made from
    board["temporal.l10"] = 100 * accuracy      # as soon as it is known
    board.table("table 1")                      # live where measured just now, else from the records
    board.verdicts()                            # at the end
    board.keep()                                # study and paper: write down what was measured
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from importlib import import_module
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Any

from labkit import claims
from labkit.claims import COUNTING, ClaimsError, Entry, Record
from labkit.clips import Clips
from labkit.viz import Table, claims_list, paper_table

_Counts = tuple[tuple[int, int], tuple[int, int]]  # training and test clips: how many, and of how many


class Scoreboard:
    """The numbers of one run of a notebook, beside the paper's and those of earlier runs.

    Args:
        paper: its name in the ledger, e.g. ``"two_stream"``.
        profile: of the notebook.
        dataset: ``"world"`` or the name of a real set; only records of the same one are shown.
        seed: of the run.
        folder: where records are; default ``notebooks/results``.

    Attributes:
        live: metric and value, measured in this run.

    Raises:
        ValueError: no such paper, or a data set that its notebook cannot be run on.
    """

    def __init__(
        self, paper: str, *, profile: str, dataset: str = "world", seed: int = 0, folder: Path | None = None
    ) -> None:
        if paper not in claims.ledger():
            raise ValueError(f"paper must be one of {', '.join(claims.ledger())}; got {paper!r}")
        self.paper = claims.ledger()[paper]
        if dataset not in self.paper.datasets:
            raise ValueError(f"dataset must be one of {', '.join(self.paper.datasets)}; got {dataset!r}")
        self.profile, self.dataset, self.seed, self.folder = profile, dataset, seed, folder
        self.live: dict[str, float] = {}
        self._clips: list[tuple[Sequence[str], _Counts]] = []
        self.world, self.module = _version("labkit.world"), _version(f"labkit.papers.{paper}")

    def clips(self, train: Sequence[Clips], test: Sequence[Clips], metrics: Sequence[str] = ("*",)) -> None:
        """Say which clips the numbers of this run are made from; their records then tell how many these are.

        Numbers of a set in which listed clips lack (``missing="skip"``) are a trial: tables say so, and `keep` files
        them apart from the results of the whole set.

        Args:
            train: the sets of clips learned from, or none.
            test: the sets measured on.
            metrics: names these are the clips of, with ``*`` for anything; a later call outweighs an earlier one.
        """
        self._clips.append((metrics, (_counted(train), _counted(test))))

    def __setitem__(self, metric: str, value: float) -> None:
        """Note a number, in the unit the ledger gives.

        Raises:
            ClaimsError: the ledger knows no such metric.
        """
        if metric not in self.paper.metrics:
            raise ClaimsError(f"{self.paper.name} has no metric {metric!r}: see labkit/claims/{self.paper.name}.toml")
        self.live[metric] = float(value)

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
        if metric not in self.paper.metrics:
            raise ClaimsError(f"{self.paper.name} has no metric {metric!r}: see labkit/claims/{self.paper.name}.toml")
        then = [
            line.value
            for line in self._records()
            if line.metric == metric and line.counts_for(self.dataset, self._counting())
        ]
        return self.live.get(metric, sum(then) / len(then) if then else None)

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
        found = self._entry(entry)
        computed = computed or {}
        if unknown := computed.keys() - {row.name for row in found.rows}:
            raise ValueError(f"computed must name rows of {entry}; got {sorted(unknown)}: see the ledger")
        rows = claims.beside(found, self._records(), **self._judged())
        for row, written in zip(rows, found.rows, strict=True):
            now = [self.live.get(metric) for metric in written.ours]
            then = row["ours"]
            row["ours"] = [value if value is not None else old for value, old in zip(now, then, strict=True)]
            if any(value is not None for value in now):
                partly = any(old and new is None for old, new in zip(then, now, strict=True))
                row["source"], row["why"] = "live in part" if partly else "live", written.why
                trials = (_partly(*self._made_from(metric)) for metric in written.ours if metric in self.live)
                row["source"] += next((f", a trial: {told}" for told in trials if told), "")
            elif any(then):
                row["source"] = row["source"] or "recorded"
            if row["name"] in computed:
                row |= {"ours": list(computed[row["name"]]), "why": ""}
        return paper_table(
            rows,
            title=f"{entry[0].upper()}{entry[1:]}: {found.title}",
            columns=found.columns,
            ours=found.headings.get(self.dataset, ""),
            unit=found.unit,
            where=found.where,
            note=found.note,
            verdicts=[verdict.plain() for verdict in self.judged() if verdict.claim.id in claimed],
        )

    def verdicts(self) -> Table:
        """All claims of the paper, and what the records make of them; the run at hand does not count before `keep`."""
        where = f"records of the profile {self._counting()}, data set {self.dataset}"
        trials = (_partly(*self._made_from(metric)) for metric in self.live)
        where += next((f"; this run is a trial, {told}, and does not count" for told in trials if told), "")
        return claims_list([found.plain() for found in self.judged()], title="What became of the claims", where=where)

    def judged(self) -> list[claims.Verdict]:
        """All claims of the paper with what the records make of them, as data; see `verdicts`."""
        measured = self._records()
        return [claims.verdict(claim, measured, **self._judged()) for claim in self.paper.claims]

    def keep(self) -> list[Record]:
        """Write the numbers of this run down, if its profile counts; the records written."""
        written = []
        for (train, test), metrics in groupby(sorted(self.live, key=self._made_from), key=self._made_from):
            written += claims.record(
                self.paper.name,
                {metric: self.live[metric] for metric in metrics},
                seed=self.seed,
                profile=self.profile,
                dataset=self.dataset,
                module=self.module or 0,
                world=(self.world or 0) if self.dataset == "world" else 0,
                train=train,
                test=test,
                folder=self.folder,
            )
        return written

    def _made_from(self, metric: str) -> _Counts:
        """How many training and test clips a number of this run is made from; zeros where `clips` was not called."""
        found = [counts for patterns, counts in self._clips if any(fnmatchcase(metric, one) for one in patterns)]
        return found[-1] if found else ((0, 0), (0, 0))

    def _entry(self, name: str) -> Entry:
        known = {entry.id: entry for entry in self.paper.entries if entry.rows}
        if name not in known:
            raise ValueError(f"entry must be one of {', '.join(known)}; got {name!r}")
        return known[name]

    def _records(self) -> list[Record]:
        return claims.records(self.paper.name, self.folder)

    def _counting(self) -> str:
        return self.profile if self.profile in COUNTING else "study"

    def _judged(self) -> dict[str, Any]:
        judged = {"dataset": self.dataset, "profile": self._counting()}
        return judged | {"world": self.world, "module": self.module}


def _counted(sets: Sequence[Clips]) -> tuple[int, int]:
    """How many clips there are, and how many there would be if none lacked."""
    there = sum(len(some) for some in sets)
    return there, there + sum(some.num_lacking for some in sets)


def _partly(train: tuple[int, int], test: tuple[int, int]) -> str:
    """Which part of its clips a number is made from, in words; empty where none lack."""
    told = [
        f"{done} {some:,} of {listed:,} {part} clips"
        for done, part, (some, listed) in (("trained on", "training", train), ("measured on", "test", test))
        if some < listed
    ]
    return " and ".join(told)


def _version(module: str) -> int | None:
    """The number raised by hand when results can change; None where there is no such module yet."""
    parent = module.rpartition(".")[0]
    if not find_spec(parent) or not find_spec(module):
        return None
    return getattr(import_module(module), "VERSION", None)
