"""What was measured: one record for each metric and seed, kept as JSON lines.

The lab's own results, ``notebooks/results``, have one file for each paper. In any other folder each row of a table and
seed has a file of its own, so that many machines can share the folder::

    two_stream/world.study.cnn_m_tiny.temporal.l10.split1.seed1001.jsonl

A record of a part of a data set, for instance of the videos that happened to be there, never replaces one of the
whole set.
"""

import json
import math
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

from labkit.claims.ledger import ledger
from labkit.claims.statement import METRIC, ClaimsError
from labkit.files import lock, written_whole
from labkit.folders import results_folder as results_folder

if TYPE_CHECKING:
    from torch import Tensor

PROFILES = ("smoke", "lesson", "study", "paper")
COUNTING = ("study", "paper")  # the profiles whose numbers judge

_NAME = r"\w*"  # of what stands in the name of a file between two dots


@dataclass(frozen=True, kw_only=True)
class Record:
    """One measured value, and what it was measured with.

    Args:
        paper: its name in the ledger, e.g. "two_stream".
        row: the row of the study that measured it; empty for records from before there were studies.
        metric: a name from the ledger.
        network: e.g. "cnn_m_tiny" or "vgg16"; empty where it is unknown, or where there is none.
        dataset: "world" or the name of a real data set.
        split: 1, 2 or 3 of the official splits; 0 is a mean over all of them, as earlier versions wrote it.
        profile: one of `PROFILES`.
        seed: of the run.
        value: in the metric's unit.
        stderr: standard error of the value over the test clips or queries; None where it was not noted.
        hits: which test clips were classified correctly, in the order of the set, as `pack_hits` writes it; or empty.
        train: number of training clips; this and the next three are 0 where they were not noted.
        train_listed: number of training clips that the lists of the data set name.
        test: number of test clips.
        test_listed: number of test clips that the lists of the data set name.
        photos: tells the photos apart where they are one's own, see `labkit.studies.study.Study.own_photos`; or empty.
        precision: of training, "bf16" or "fp16"; empty for float32.
        seconds: that the row takes by itself, its trainings included; 0 where they were not noted.
        spent: seconds of this run, which only read what was kept, such as trainings of earlier rows; 0 where not noted.
        again: why it replaces an earlier record, where it does.
        version: of the study, an integer raised by hand.
        world: version of the embedded world, an integer raised by hand; 0 where a real data set was used.
        labkit: version of labkit; this and the next two are from `labkit.claims.provenance`.
        commit: of the clone.
        machine: that measured it.
    """

    paper: str
    row: str = ""
    metric: str
    network: str = ""
    dataset: str
    split: int
    profile: str
    seed: int
    value: float
    stderr: float | None = None
    hits: str = ""
    train: int = 0
    train_listed: int = 0
    test: int = 0
    test_listed: int = 0
    photos: str = ""
    precision: str = ""
    seconds: float = 0.0
    spent: float = 0.0
    again: str = ""
    version: int
    world: int = 0
    labkit: str
    commit: str = ""
    machine: str = ""

    @property
    def partial(self) -> bool:
        """Whether clips were missing that the lists name: such a value is a trial, and no result of the data set."""
        return self.train < self.train_listed or self.test < self.test_listed

    @property
    def key(self) -> tuple[str, int, str, str, str, int, bool]:
        """A later record of a paper with the same key replaces an earlier one."""
        return self.dataset, self.split, self.network, self.profile, self.metric, self.seed, self.partial


def pack_hits(hits: "Tensor") -> str:
    """Which test clips were classified correctly, bool ``(N,)``, as text: a bit for each, the first is the highest."""
    import numpy as np

    return b64encode(np.packbits(hits.cpu().numpy()).tobytes()).decode("ascii")


def unpack_hits(text: str, count: int) -> "Tensor":
    """The opposite of `pack_hits`: bool ``(count,)``.

    Raises:
        ValueError: the text holds another number of clips.
    """
    import numpy as np
    import torch

    packed = b64decode(text, validate=True)
    if len(packed) != math.ceil(count / 8):
        raise ValueError(f"hits of {count} clips must take {math.ceil(count / 8)} bytes; got {len(packed)}")
    return torch.from_numpy(np.unpackbits(np.frombuffer(packed, np.uint8), count=count)).bool()


# Writing and reading


def write(measured: Iterable[Record], folder: Path | None = None) -> None:
    """Keep records; an earlier one with the same key is replaced.

    Of a seed that judges only with a reason, in ``again``: else seeds could be drawn until they say what one likes to
    hear. A record that says the same as the earlier one changes nothing.

    Args:
        measured: what one run of a row gave, or of several.
        folder: gets one file for each row and seed, written whole, so that nobody has to wait for anybody. Without it
            the records go into the lab's own results; of these, only the profiles ``study`` and ``paper``.

    Raises:
        ClaimsError: unknown paper, profile or metric, a value that is not finite, a damaged file, or an earlier record
            that must not be replaced: of a later version, or of a seed that judges.
    """
    measured = list(measured)
    for record in measured:
        _require_known(record)
    if folder is None:
        measured = [record for record in measured if record.profile in COUNTING]
        for paper in sorted({record.paper for record in measured}):
            _merge(results_folder() / f"{paper}.jsonl", [record for record in measured if record.paper == paper])
        return
    files: dict[Path, dict[Any, Record]] = {}
    for record in measured:
        files.setdefault(folder / record.paper / _file_name(record), {})[record.key] = record
    for path, group in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        earlier = (record for record in _read(path, path.parent.name) if record.key in group)
        _store(path, _replaced(earlier, group.values()))


def records(paper: str, folder: Path | None = None) -> list[Record]:
    """Read what was measured for a paper: ``<paper>.jsonl`` and all ``<paper>/*.jsonl`` of a folder.

    Where two lines have the same key, that of the later version of world and study wins. Of one version, the one from
    the file of a row wins over that from ``<paper>.jsonl``; of two files of rows the one whose name comes later, and
    within a file the later line.

    Args:
        paper: its name in the ledger.
        folder: where the files are; default `results_folder`.

    Returns:
        The records, sorted by key; an empty list where there are none.

    Raises:
        ClaimsError: a damaged line, with its number.
    """
    home = folder or results_folder()
    paths = [home / f"{paper}.jsonl", *sorted((home / paper).glob("*.jsonl"))]
    lines = [record for path in paths for record in _read(path, paper)]
    by_key = {record.key: record for record in sorted(lines, key=lambda record: (record.world, record.version))}
    return [by_key[key] for key in sorted(by_key)]


def _merge(path: Path, fresh: Iterable[Record]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with lock(path.parent, wait=True):
        _store(path, _replaced(_read(path, path.stem), fresh))


def _replaced(kept: Iterable[Record], fresh: Iterable[Record]) -> Iterable[Record]:
    """Records after fresh ones have come, each of which may replace one."""
    by_key = {record.key: record for record in kept}
    for record in fresh:
        before = by_key.setdefault(record.key, record)
        if not _same(before, record):
            _require_replaceable(before, record)
            by_key[record.key] = record
    return by_key.values()


def _same(before: Record, record: Record) -> bool:
    """Whether two records with the same key say the same: values that a file has rounded are equal."""
    of = ("row", "version", "world", "photos", "precision", "again")
    return math.isclose(before.value, record.value, abs_tol=1e-6) and all(
        getattr(before, name) == getattr(record, name) for name in of
    )


def _require_replaceable(before: Record, record: Record) -> None:
    confirm, place = ledger()[record.paper].confirm, f"{record.metric}, seed {record.seed}"
    if (record.world, record.version) < (before.world, before.version):
        raise ClaimsError(
            f"{place}, has a record of version {before.version} in world {before.world}; got one of version "
            f"{record.version} in world {record.world}: update the clone"
        )
    judges = confirm is not None and record.seed in confirm.seeds and record.dataset == "world"
    if judges and record.profile in COUNTING and not record.again:
        raise ClaimsError(
            f"{place}, judges a claim and has its record, {before.value:g}; got {record.value:g}: it is replaced only "
            'with a reason, --again "why"'
        )


def _store(path: Path, kept: Iterable[Record]) -> None:
    lines = [json.dumps(_as_json(record)) + "\n" for record in sorted(kept, key=lambda record: record.key)]
    with written_whole(path) as file:
        file.write("".join(lines).encode())


def _file_name(record: Record) -> str:
    """Everything in which two files may differ; only the row contains dots, so no two names are alike."""
    parts = [record.dataset, record.profile, record.network or "-", record.row or "-"]
    parts += [f"split{record.split}", f"seed{record.seed}"] + ["partial"] * record.partial
    return ".".join(parts) + ".jsonl"


def _read(path: Path, paper: str) -> list[Record]:
    if not path.exists():
        return []
    lines = []
    for number, line in enumerate(path.read_bytes().decode("utf-8", "replace").splitlines(), 1):
        try:
            record = _as_record(json.loads(line))
            if record.paper != paper:
                raise ValueError(f"paper is {record.paper!r}")
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise ClaimsError(
                f"{path}, line {number}: must be a record as JSON; {error}: delete the line, then run that seed again"
            ) from error
        lines.append(record)
    return lines


def _as_json(record: Record) -> dict[str, Any]:
    """The fields of a record in their order, without those that are empty."""
    rounded = {"value": round(float(record.value), 6)}
    rounded |= {name: round(float(getattr(record, name)), 1) for name in ("seconds", "spent")}
    rounded |= {} if record.stderr is None else {"stderr": round(float(record.stderr), 6)}
    empty = {field.name: field.default for field in fields(Record)}
    return {name: rounded.get(name, value) for name, value in asdict(record).items() if value != empty[name]}


def _as_record(raw: Any) -> Record:
    if not isinstance(raw, dict):
        raise ValueError(f"got {raw!r}")
    record = Record(**raw)
    _require_sound(record)
    return record


def _require_sound(record: Record) -> None:
    """Whether each field has its type and a possible value; else a ValueError that names it."""
    kinds: dict[Any, Any] = {float: int | float, float | None: int | float | NoneType}
    for field in fields(Record):
        value = getattr(record, field.name)
        if isinstance(value, bool) or not isinstance(value, kinds.get(field.type, field.type)):
            raise ValueError(f"{field.name} is {value!r}")
        if isinstance(value, int | float) and not math.isfinite(value):
            raise ValueError(f"{field.name} is {value}")
    for name, pattern in (("dataset", _NAME), ("network", _NAME), ("row", rf"({METRIC})?")):
        if not re.fullmatch(pattern, getattr(record, name)):
            raise ValueError(f"{name} is {getattr(record, name)!r}")
    if record.profile not in PROFILES:
        raise ValueError(f"profile is {record.profile!r}")
    if not 0 <= record.split <= 3:
        raise ValueError(f"split is {record.split}")


def _require_known(record: Record) -> None:
    if record.paper not in ledger():
        raise ClaimsError(f"paper must be one of {', '.join(ledger())}; got {record.paper!r}")
    if record.metric not in ledger()[record.paper].metrics:
        place = f"labkit/claims/{record.paper}.toml"
        raise ClaimsError(f"unknown metric {record.metric!r}: add it to {place}, or mind the spelling")
    if not math.isfinite(record.value):
        raise ClaimsError(f"{record.metric} must be finite; got {record.value}: a run that broke off has no result")
    try:
        _require_sound(record)
    except ValueError as error:
        raise ClaimsError(f"not a record of {record.metric}: {error}") from error
