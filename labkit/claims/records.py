"""What was measured: JSON lines in ``notebooks/results/``, one file a paper, one line a metric and seed.

A number from a part of a data set, say from the videos that happened to be there, is kept apart and judges nothing.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

from labkit.claims.ledger import ledger
from labkit.claims.statement import ClaimsError
from labkit.files import lock, written_whole

PROFILES = ("smoke", "lesson", "study", "paper")
COUNTING = ("study", "paper")  # the profiles whose numbers judge
DEVELOPMENT = 1000  # seeds from here on shaped the world and the recipes; they judge nothing


@dataclass(frozen=True, order=True)
class Record:
    """One measured number. Ordered as in the file.

    Args:
        dataset: "world" or the name of a real data set.
        profile: "study" or "paper".
        metric: a name from the ledger.
        seed: of the run.
        value: in the metric's unit.
        world: version of the embedded world, an integer raised by hand; 0 where a real data set was used.
        module: version of the paper's module, an integer raised by hand.
        labkit: version of labkit.
        train: how many clips it was learned from; this and the next three are 0 where nobody noted it.
        train_listed: how many clips the lists of that data set name.
        test: how many clips it was measured on.
        test_listed: how many clips the lists of that data set name.
    """

    dataset: str
    profile: str
    metric: str
    seed: int
    value: float
    world: int
    module: int
    labkit: str
    train: int = 0
    train_listed: int = 0
    test: int = 0
    test_listed: int = 0

    @property
    def partial(self) -> bool:
        """Whether clips were lacking that the lists name: such a number is a trial, and no result of the data set."""
        return self.train < self.train_listed or self.test < self.test_listed

    @property
    def key(self) -> tuple[str, str, str, int, bool]:
        """A later record of a paper with the same key replaces an earlier one."""
        return self.dataset, self.profile, self.metric, self.seed, self.partial

    def counts_for(self, dataset: str, profile: str) -> bool:
        """Whether it is a result of a data set and profile: of all its clips, and of no development seed."""
        return (self.dataset, self.profile) == (dataset, profile) and self.seed < DEVELOPMENT and not self.partial

    def older_than(self, world: int | None, module: int | None) -> bool:
        """Whether the world (where it was used) or the module has changed since; None: it has no version."""
        return self.module < (module or 0) or (self.dataset == "world" and self.world < (world or 0))


def results_folder() -> Path:
    """Where results are kept: ``notebooks/results`` of the clone this package was installed from."""
    return Path(__file__).resolve().parents[2] / "notebooks" / "results"


def record(
    paper: str,
    values: Mapping[str, float],
    *,
    seed: int,
    profile: str,
    module: int,
    world: int,
    dataset: str = "world",
    train: tuple[int, int] = (0, 0),
    test: tuple[int, int] = (0, 0),
    folder: Path | None = None,
) -> list[Record]:
    """Write down what a run has measured; a record of an earlier run with the same key is replaced.

    Only the profiles ``study`` and ``paper`` are kept. A learner's ``lesson`` and the tests' ``smoke`` change no file:
    their numbers stand in the notebook and judge nothing.

    Args:
        paper: its name in the ledger, say "two_stream".
        values: metric and value, in the unit the ledger gives.
        seed: of the run.
        profile: the notebook's.
        module: version of the paper's module.
        world: version of the embedded world; 0 with a real data set.
        dataset: "world", or the name of a real data set.
        train: how many clips were learned from, and how many the lists name; (0, 0): not noted. Where clips lack, the
            record is kept beside that of the whole data set and never replaces it.
        test: likewise, the clips measured on.
        folder: where the file is; default `results_folder`.

    Returns:
        The records, kept or not.

    Raises:
        ClaimsError: unknown paper, profile or metric, a value that is not finite, or a damaged file.
    """
    if paper not in ledger():
        raise ClaimsError(f"paper must be one of {', '.join(ledger())}; got {paper!r}")
    if profile not in PROFILES:
        raise ClaimsError(f"profile must be one of {', '.join(PROFILES)}; got {profile!r}")
    if unknown := [metric for metric in values if metric not in ledger()[paper].metrics]:
        raise ClaimsError(f"unknown metric {unknown[0]!r}: add it to labkit/claims/{paper}.toml, or mind the spelling")
    if odd := [metric for metric, value in values.items() if not math.isfinite(value)]:
        raise ClaimsError(f"{odd[0]} must be finite; got {values[odd[0]]}: a run that broke off has no result")
    versions = (int(world), int(module), version("labkit"))
    fresh = [
        Record(dataset, profile, metric, int(seed), round(float(value), 6), *versions, *train, *test)
        for metric, value in values.items()
    ]
    if profile in COUNTING:
        path = (folder or results_folder()) / f"{paper}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        with lock(path.parent, wait=True):
            kept = {old.key: old for old in _read(path)} | {new.key: new for new in fresh}
            with written_whole(path) as file:
                file.write("".join(json.dumps(_as_json(line)) + "\n" for line in sorted(kept.values())).encode())
    return fresh


def records(paper: str, folder: Path | None = None) -> list[Record]:
    """Read what was measured for a paper; an empty list where nothing was.

    Raises:
        ClaimsError: a damaged line, with its number.
    """
    return _read((folder or results_folder()) / f"{paper}.jsonl")


def _read(path: Path) -> list[Record]:
    if not path.exists():
        return []
    found = []
    for number, line in enumerate(path.read_bytes().decode("utf-8", "replace").splitlines(), 1):
        try:
            found.append(_as_record(json.loads(line)))
        except (ValueError, TypeError) as error:
            raise ClaimsError(
                f"{path}, line {number}: must be a record as JSON; {error}: delete the line, then run that seed again"
            ) from error
    return found


def _as_json(line: Record) -> dict[str, Any]:
    """The fields of a record, without counts that nobody noted."""
    counts = ("train", "train_listed", "test", "test_listed")
    return {name: value for name, value in asdict(line).items() if value or name not in counts}


def _as_record(raw: Any) -> Record:
    if not isinstance(raw, dict):
        raise ValueError(f"got {raw!r}")
    new = Record(**raw)
    for field in fields(Record):
        value = getattr(new, field.name)
        fits = isinstance(value, int | float) if field.type is float else isinstance(value, field.type)  # type: ignore[arg-type]
        if isinstance(value, bool) or not fits:
            raise ValueError(f"{field.name} is {value!r}")
    if not math.isfinite(new.value):
        raise ValueError(f"value is {new.value}")
    return new
