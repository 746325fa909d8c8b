"""What all studies have in common: settings, training that can be interrupted, kept artefacts, rows.

A study of a paper is a class: a table of scales (everything that a profile changes), the clips, one method for each
thing that is trained, and one `row` for each row of the paper's tables. To get a number, ask for its row::

    study = TwoStream("lesson", seed=0)
    network = study.temporal("l10")      # trained once; the next call returns the same network
    study.measure("temporal.l10")        # temporal.l10 86.8 ± 2.0

A method asks for what it needs by calling other methods, so a row runs alone, in any order and in any process. With a
folder ``out`` everything trained is kept there, and a run that was killed continues where it was. The profiles
``study`` and ``paper`` keep by default; ``smoke`` and ``lesson`` do not, so that a changed line of code has its effect.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Self

import torch
from torch import Tensor, nn

from labkit import claims, metrics
from labkit.clips import Clips
from labkit.studies.rows import Measure, Row, Values, per_clip, rows_of
from labkit.studies.store import Artefact, Store
from labkit.training import Recipe, Step, evaluate, fit

CHECKPOINTS = 20  # of each training


class Training(NamedTuple):
    """A training that was asked for: its name, how long it took, and whether it was done just now or earlier."""

    name: str
    seconds: float
    now: bool


class Study:
    """The experiments of a paper at one scale, on one data set, with one seed.

    Args:
        profile: which of the `scales`.
        dataset: ``"world"`` or a real data set that the ledger names for this paper.
        data_root: folder of the real data set.
        split: official split, from 1.
        seed: of the world, of initialisation and of training.
        network: which of the `networks` to study; the first one if empty.
        device: "cpu", "cuda", "mps", or "auto" for the best there is.
        precision: of training: "no" (float32), "bf16" or "fp16".
        workers: processes that load data.
        missing: of a real data set: "error", or "skip" to use the clips that are there.
        progress: whether to show bars; None: in every profile but ``smoke``.
        out: folder for artefacts; None: ``build/studies`` of the clone in the profiles study and paper, else memory.

    Attributes:
        paper: its name in the ledger.
        version: raised by hand whenever numbers can change, of the study or of the paper's file: records and artefacts
            carry it, and older ones no longer count. By hand, because a digest of the code would make hours of
            computing stale for the sake of a comment.
        scales: for each profile, what it changes.
        networks: what can be studied with the profile paper, by name; smaller profiles have their tiny versions.
        gigabytes: of one network of the paper's size on the disk, with its checkpoint.
        live: metric and value, measured by this object.
        measures: by row and metric, all that was measured.
        seconds: of each measured row, with its trainings, whenever these were done.
        curves: the watched steps of each training, see `labkit.training.fit`.
        asked: the trainings that were asked for, in order, each time.

    Raises:
        ValueError: a profile, data set or network that the study does not have, or a real data set without a folder.
    """

    paper: ClassVar[str]
    version: ClassVar[int]
    scales: ClassVar[Mapping[str, Any]]
    networks: ClassVar[tuple[str, ...]]
    gigabytes: ClassVar[float] = 1.5

    def __init__(
        self,
        profile: str = "lesson",
        *,
        dataset: str = "world",
        data_root: str = "",
        split: int = 1,
        seed: int = 0,
        network: str = "",
        device: str = "cpu",
        precision: str = "no",
        workers: int = 0,
        missing: str = "error",
        progress: bool | None = None,
        out: Path | None = None,
    ) -> None:
        self._settings = {name: value for name, value in locals().items() if name not in ("self", "profile")}
        require_among("profile", profile, self.scales)
        require_among("dataset", dataset, claims.ledger()[self.paper].datasets)
        require_among("network", network or self.networks[0], self.networks)
        if dataset != "world" and not data_root:
            raise ValueError(f"data_root must be the folder of {dataset}; got none")
        self.profile, self.dataset, self.data_root, self.split, self.seed = profile, dataset, data_root, split, seed
        self.scale = self.scales[profile]
        self.size: Literal["paper", "tiny"] = "paper" if profile == "paper" else "tiny"
        self.network = (network or self.networks[0]) + ("" if self.size == "paper" else "_tiny")
        self.device, self.precision, self.workers, self.missing = device, precision, workers, missing
        self.progress = profile != "smoke" if progress is None else progress
        if out is None and profile in claims.COUNTING:
            out = Path(__file__).resolve().parents[2] / "build" / "studies"
        self.store = Store(out and out / "artefacts" / self._address())
        self.live: dict[str, float] = {}
        self.measures: dict[str, dict[str, Measure]] = {}
        self.seconds: dict[str, float] = {}
        self.curves: dict[str, list[Step]] = {}
        self.asked: list[Training] = []
        self._memory: dict[str, Any] = {}
        self._siblings: dict[str, Self] = {}

    def _address(self) -> Path:
        """Where artefacts lie in ``out``: whatever can change them is in it."""
        scale = hashlib.sha256(repr(self.scale).encode()).hexdigest()[:8]
        settings = f"{self.dataset}-{self.profile}-{scale}{'-partial' * (self.missing == 'skip')}"
        return Path(f"{self.paper}-v{self.version}", settings, f"{self.network}-split{self.split}-seed{self.seed}")

    def sibling(self, **changes: Any) -> Self:
        """The same study with other settings, e.g. ``split=1``; its trainings count as asked for by both."""
        key = repr(sorted(changes.items()))
        if key not in self._siblings:
            self._siblings[key] = type(self)(self.profile, **{**self._settings, **changes})
            self._siblings[key].asked = self.asked
        return self._siblings[key]

    # --- what a study trains and computes

    def initialised(self, build: Callable[[], Any], seed: int | None = None) -> Any:
        """A module whose random weights depend on a seed alone, that of the study if None."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.seed if seed is None else seed)
            return build()

    def train(self, name: str, model: nn.Module, loss: Any, data: Any, recipe: Recipe, **options: Any) -> Any:
        """Train a model under a name, once: the next time, in this process or another, it is there.

        A training that was interrupted continues from its last checkpoint, and ends with the same weights.

        Args:
            name: unique in the study; everything that tells this training from others must be in it.
            model: as it is before training.
            loss: see `labkit.training.fit`.
            data: see there.
            recipe: see there.
            **options: see there.

        Returns:
            The trained model: the same object each time.
        """
        if name not in self._memory:
            with self.store.working_on(name):
                kept = self.store.load(name)
                artefact = kept or self._fit(name, model, loss, data, recipe, **options)
            if kept is not None:
                model.load_state_dict(dict(kept.tensors))
            self.curves[name] = [Step(*step) for step in artefact.notes["curve"]]
            self.asked.append(Training(name, artefact.seconds, kept is None))
            self._memory[name] = model, artefact.seconds
        model, seconds = self._memory[name]
        self.asked.append(Training(name, seconds, False))
        return model

    def _fit(self, name: str, model: nn.Module, loss: Any, data: Any, recipe: Recipe, **options: Any) -> Artefact:
        options = {"workers": 0 if callable(data) else self.workers, "progress": self.progress, **options}
        history = fit(
            model,
            recipe,
            data,
            loss,
            checkpoint=self.store.checkpoint(name),
            save_every=max(recipe.steps // CHECKPOINTS, 1),
            device=self.device,
            precision=self.precision,
            **options,
        )
        watched = [step for step in history if "watch" in options and step.step % options.get("every", 1) == 0]
        curve = [(step.step, step.loss, step.lr, step.seconds, step.shown) for step in watched]
        artefact = Artefact(model.state_dict(), history[-1].seconds, {"curve": curve})
        self.store.save(name, artefact)
        return artefact

    def compute(self, name: str, function: Callable[[], Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """Named tensors such as scores or features, computed once and kept under a name, as `train` keeps networks."""
        if name not in self._memory:
            with self.store.working_on(name):
                kept = self.store.load(name)
                if kept is None:
                    started = time.perf_counter()
                    kept = Artefact(function(), time.perf_counter() - started, {})
                    self.store.save(name, kept)
                    kept = self.store.load(name) or kept  # on the disk it needs no memory until it is looked at
            self._memory[name] = dict(kept.tensors)
        return self._memory[name]

    def scores(self, name: str, model: nn.Module, data: Any, **options: Any) -> Tensor:
        """Softmax scores ``(N, K)`` of whole clips, the mean over their views, computed once under a name.

        Args:
            name: unique in the study.
            model: see `labkit.training.evaluate`.
            data: see there.
            **options: see there.
        """

        def scored() -> dict[str, Tensor]:
            settings = {"workers": self.workers, "progress": self.progress, **options}
            return {"scores": evaluate(model, data, **settings).videos.cpu()}

        return self.compute(name, scored)["scores"]

    @staticmethod
    def accuracy(scores: Tensor, labels: Tensor) -> Measure:
        """Percent of clips whose highest score is that of their label, and which clips these are."""
        return per_clip(scores.argmax(dim=1) == labels)._replace(value=100 * metrics.accuracy(scores, labels))

    # --- rows

    @classmethod
    def rows(cls) -> dict[str, Row]:
        """All rows by name."""
        return rows_of(cls)

    def measure(self, *names: str) -> Values:
        """Run rows, each once, and return the values of their metrics.

        Raises:
            ValueError: no such row, or a row that is not measured on this split.
        """
        declared = [self.row(name) for name in names]
        for row in declared:
            if row.name not in self.measures:
                self.measures[row.name] = self._run(row)
                self.live |= {metric: measure.value for metric, measure in self.measures[row.name].items()}
        return Values({metric: self.measures[row.name][metric] for row in declared for metric in row.metrics})

    def row(self, name: str) -> Row:
        """A row by name, if it is measured on this split and data set.

        Raises:
            ValueError: no such row, or not here.
        """
        require_among("row", name, self.rows())
        row = self.rows()[name]
        if not row.is_measured_on(self.dataset, self.split):
            known = f"a split among {row.splits} of {' or '.join(row.datasets) or 'any data set'}"
            raise ValueError(f"row {name!r} must run on {known}; got split {self.split} of {self.dataset}")
        return row

    def _run(self, row: Row) -> dict[str, Measure]:
        started, before = time.perf_counter(), len(self.asked)
        answer = getattr(self, row.method)(**row.arguments)
        elapsed, asked = time.perf_counter() - started, self.asked[before:]
        of_each = {training.name: training.seconds for training in asked}
        self.seconds[row.name] = (
            elapsed - sum(training.seconds for training in asked if training.now) + sum(of_each.values())
        )
        measures = {row.metrics[0]: answer} if isinstance(answer, Measure) else dict(answer)
        if set(measures) != set(row.metrics):
            raise ValueError(f"row {row.name!r} must measure {row.metrics}; got {tuple(measures)}")
        return measures

    # --- what the clips are, and what is missing

    def clips_of(self, metric: str) -> tuple[Sequence[Clips], Sequence[Clips]]:
        """The sets of clips that a metric is trained on and measured on."""
        raise NotImplementedError

    def clip_counts(self, metric: str) -> tuple[tuple[int, int], tuple[int, int]]:
        """How many clips a metric is trained on and measured on, and of how many that the lists name."""
        train, test = (
            (sum(len(part) for part in parts), sum(len(part) + part.num_lacking for part in parts))
            for parts in self.clips_of(metric)
        )
        return train, test

    def lacking(self, rows: Sequence[Row]) -> Iterator[str]:
        """Clips, files and weights that rows need and that are not there, each with what to do about it.

        The study of a paper adds what else it needs.
        """
        for metric in (metric for row in rows for metric in row.metrics):
            try:
                self.clips_of(metric)
            except (OSError, ValueError) as error:
                yield str(error)


def require_among(name: str, value: str, known: Any) -> None:
    """Raise a ValueError unless a value is one of those known."""
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}; got {value!r}")
