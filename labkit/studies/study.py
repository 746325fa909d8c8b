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
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor, nn

from labkit import claims, folders, metrics
from labkit.backbones import source_weights
from labkit.clips import Clips
from labkit.studies.clock import Training
from labkit.studies.identity import Facts, facts_of_scores, facts_of_training
from labkit.studies.keeper import Keeper
from labkit.studies.rows import Measure, Row, Values, per_clip, rows_of
from labkit.studies.store import Artefact, Store
from labkit.training import Recipe, Step, evaluate, fit
from labkit.world import VERSION as WORLD

SOURCES = ("things", "postures")
"""What the lab's own small networks may have learned."""


class Study(ABC):
    """The experiments of a paper at one scale, on one data set, with one seed.

    Args:
        profile: which of the `scales`.
        dataset: ``"world"`` or a real data set that the ledger names for this paper.
        data_root: folder of the real data set.
        split: official split, from 1.
        seed: of the world, of initialisation and of training.
        network: which of the `networks` to study; the first one if empty.
        device: "cpu", "cuda", "mps", or "auto" for the best there is.
        source: what the lab's own small networks have learned, where a paper starts from ImageNet: ``"things"``, or
            ``"postures"`` as well, see `labkit.backbones.source_weights`; the `usual_source` if empty.
        precision: of training: "no" (float32), "bf16" or "fp16"; if empty the `study_precision` in that
            profile, else "no".
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
        whole: those of them that smaller profiles take as they are.
        usual_source: what the small networks have learned unless something else is asked for.
        study_precision: of training in the profile study: "bf16" where measured on development seeds to name as many
            clips rightly: the ResNets of 07 do, in two thirds of the time. CNN-M on flow lost up to five points, and a
            FlowNet ended in numbers that are not finite, so it is "no" there.
        gigabytes: of one network of the paper's size on the disk, with its checkpoint.
        painted: whether the profile paper takes what the world draws as well.
        live: metric and value, measured by this object.
        measures: by row and metric, all that was measured.
        seconds: of each measured row, with its trainings, whenever these were done.
        spent: seconds of measuring each row just now, what was kept only read.
        curves: the watched steps of each training, see `labkit.training.fit`.
        asked: the trainings that were asked for, in order, each time.

    Raises:
        ValueError: a profile, data set or network that the study does not have, or a real data set without a folder.
    """

    paper: ClassVar[str]
    version: ClassVar[int]
    scales: ClassVar[Mapping[str, Any]]
    networks: ClassVar[tuple[str, ...]]
    whole: ClassVar[tuple[str, ...]] = ()
    usual_source: ClassVar[str] = SOURCES[0]
    study_precision: ClassVar[str] = "no"
    gigabytes: ClassVar[float] = 1.5
    painted: ClassVar[bool] = False

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
        source: str = "",
        precision: str = "",
        workers: int = 0,
        missing: str = "error",
        progress: bool | None = None,
        out: Path | None = None,
    ) -> None:
        self._settings = {name: value for name, value in locals().items() if name not in ("self", "profile")}
        require_among("profile", profile, self.scales)
        require_among("dataset", dataset, claims.ledger()[self.paper].datasets)
        require_among("network", network or self.networks[0], self.networks)
        require_among("source", source or self.usual_source, SOURCES)
        if dataset != "world" and not data_root:
            raise ValueError(f"data_root must be the folder of {dataset}; got none")
        if dataset == "world" and data_root:
            raise ValueError(f"dataset must be a real one where data_root is given; got 'world' and {data_root!r}")
        self.profile, self.scale, self.split, self.seed = profile, self.scales[profile], split, seed
        self.dataset, self.data_root = dataset, data_root
        self.size: Literal["paper", "tiny"] = "paper" if profile == "paper" else "tiny"
        network = network or self.networks[0]
        self.network = network + ("" if self.size == "paper" or network in self.whole else "_tiny")
        self.device, self.workers = device, workers
        self.precision = precision or (self.study_precision if profile == "study" else "no")
        self.source, self.missing = source or self.usual_source, missing
        self.progress = profile != "smoke" if progress is None else progress
        if out is None and profile in claims.COUNTING:
            out = folders.home() / "build" / "studies"
        self.store = Store(out and out.absolute() / "artefacts" / self._address())
        self.live: dict[str, float] = {}
        self.measures: dict[str, dict[str, Measure]] = {}
        self.seconds: dict[str, float] = {}
        self.spent: dict[str, float] = {}
        self.curves: dict[str, list[Step]] = {}
        self.asked: list[Training] = []
        self._keeper = Keeper(self.store, str(self._address()))
        self._siblings: dict[str, Self] = {}

    def _address(self) -> Path:
        """Where artefacts lie in ``out``: whatever can change them is in it."""
        clips = self.dataset + f"{WORLD}" * (self.dataset == "world") + "-partial" * (self.missing == "skip")
        scale = hashlib.sha256(repr(self.scale).encode()).hexdigest()[:8]
        settings = f"{clips}-{self.profile}-{scale}" + f"-{self.precision}" * (self.precision != "no")
        settings += f"-{self.source}" * (self.source != self.usual_source)
        return Path(f"{self.paper}-v{self.version}", settings, f"{self.network}-split{self.split}-seed{self.seed}")

    @property
    def own_photos(self) -> str:
        """Tells photos of one's own apart that the study runs on; empty where there are none."""
        return ""

    @property
    def torch_device(self) -> torch.device:
        """The device that `device` names; a ValueError if the machine does not have it."""
        best = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
        if self.device not in ("auto", "cpu", best.type):
            raise ValueError(
                f'device must be available; got {self.device!r}, and this machine offers {best.type!r}: use "auto"'
            )
        return best if self.device == "auto" else torch.device(self.device)

    def sibling(self, **changes: Any) -> Self:
        """The same study with other settings, e.g. ``split=1``; its trainings count as asked for by both."""
        key = repr(sorted(changes.items()))
        if key not in self._siblings:
            self._siblings[key] = type(self)(self.profile, **{**self._settings, **changes})
            self._siblings[key].asked, self._siblings[key]._keeper.clock = self.asked, self._keeper.clock
        return self._siblings[key]

    def source_weights(self, name: str) -> Path:
        """Small weights that come with the lab, of what `source` says; the seed chooses among several trainings."""
        return source_weights(name, self.seed, source=self.source)

    # --- what a study trains and computes

    def prepared(self, clips: Any) -> Any:
        """Clips of the world, drawn; by two processes where bars are shown."""
        return clips.prepare(workers=2 * self.progress, progress=self.progress)

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
        facts = facts_of_training(model, loss, data, recipe)

        def fitted() -> Artefact:
            self._keeper.require_new(name, model)
            given: dict[str, Any] = {
                "checkpoint": self.store.checkpoint(name),
                "save_every": max(recipe.steps // 20, 1),
                "device": self.device,
                "precision": self.precision,
                "workers": 0 if callable(data) else self.workers,
                "progress": self.progress,
            }
            with torch.enable_grad():  # a row that asks for a network may have turned gradients off
                history = fit(model, recipe, data, loss, **{**given, **options})
            watched = [step for step in history if "watch" in options and step.step % options.get("every", 1) == 0]
            curve = [(step.step, step.loss, step.lr, step.seconds, step.shown) for step in watched]
            return Artefact(model.state_dict(), history[-1].seconds, {"curve": curve, "facts": facts})

        def restored(artefact: Artefact) -> nn.Module:
            try:
                model.load_state_dict(dict(artefact.tensors))
                self.curves[name] = [Step(*step) for step in artefact.notes["curve"]]
            except (RuntimeError, KeyError, TypeError) as error:
                raise self.store.unfit(name, "it is of another network") from error
            return model.to(self.torch_device)

        trained, training = self._keeper.get(name, facts, fitted, restored)
        self.asked.append(training)
        return trained

    def compute(self, name: str, function: Callable[[], Mapping[str, Tensor]], facts: Facts | None = None) -> Any:
        """Named tensors such as scores or features, computed once and kept under a name, as `train` keeps networks.

        A dict of tensors. The facts are noted, and are an error where the same name is asked for with others.
        """

        def computed() -> Artefact:
            tensors, seconds, pieces = self._keeper.clock.timed(function)
            return Artefact(tensors, seconds, {"pieces": pieces, "facts": facts or {}})

        return self._keeper.get(name, facts or {}, computed, lambda artefact: dict(artefact.tensors))[0]

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

        return self.compute(name, scored, facts_of_scores(model, data))["scores"]

    def release(self) -> None:
        """Let go of networks, scores and features that are kept on the disk; they are read again when asked for.

        Siblings go altogether, with their clips: a row that needs one builds it again.
        """
        self._keeper.release()
        self._siblings.clear()

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

    def measure_here(self, *names: str) -> Values:
        """`measure` those of some rows that are measured on this split and data set: some are on the world alone."""
        rows = self.rows()
        return self.measure(*(name for name in names if rows[name].is_measured_on(self.dataset, self.split)))

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
        started = time.perf_counter()
        answer, seconds, pieces = self._keeper.clock.timed(lambda: getattr(self, row.method)(**row.arguments))
        self.spent[row.name] = time.perf_counter() - started
        self.seconds[row.name] = seconds + sum(pieces.values())
        measures = {row.metrics[0]: answer} if isinstance(answer, Measure) else dict(answer)
        if set(measures) != set(row.metrics):
            raise ValueError(f"row {row.name!r} must measure {row.metrics}; got {tuple(measures)}")
        return measures

    @abstractmethod
    def clips_of(self, metric: str) -> tuple[Sequence[Clips], Sequence[Clips]]:
        """The sets of clips that a metric is trained on and measured on."""

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
            yield from unavailable(partial(self.clips_of, metric))


def shortened(recipe: Mapping[str, Any], fraction: float, batch: int | None) -> dict[str, Any]:
    """A recipe in a fraction of its steps; with a batch of another size without milestones: it is a trial."""
    steps = max(round(recipe["steps"] * fraction), 2)
    if batch is not None:
        return {**recipe, "steps": steps, "batch": batch, "schedule": None}
    schedule = {round(step * fraction): lr for step, lr in (recipe["schedule"] or {}).items()}
    return {**recipe, "steps": steps, "schedule": schedule or None}


def unavailable(*loads: Callable[[], Any]) -> Iterator[str]:
    """Why clips, files or weights cannot be loaded, one reason for each that cannot."""
    for load in loads:
        try:
            load()
        except (OSError, ValueError) as error:
            yield str(error)


def require_among(name: str, value: str, known: Any) -> None:
    """Raise a ValueError unless a value is one of those known."""
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}; got {value!r}")
