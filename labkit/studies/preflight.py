"""Before anything starts: every file, weight and gigabyte that rows need and that is not there."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import quote

from labkit.studies.rows import Row
from labkit.studies.study import Study, unavailable


def preflight(study: Study, names: Sequence[str] = ()) -> list[str]:
    """What rows lack to run to their end, each with what to do about it; empty if they can start.

    Args:
        study: with its settings.
        names: of rows; all that are measured on the study's split and data set if empty.
    """
    if (study.size, study.dataset, study.painted) == ("paper", "world", False):
        return ["dataset must be a real one in the profile paper; got 'world', whose clips are 64 pixels high"]
    rows = [study.row(name) for name in names]
    rows = rows or [row for row in study.rows().values() if row.is_measured_on(study.dataset, study.split)]
    device = unavailable(lambda: study.torch_device)
    lacking = dict.fromkeys(study.lacking(rows)) if not (problems := [*device]) else ()
    return [*problems, *lacking, *unwritable(study.store.folder), *_space(study, rows)]


def lacking_flow(videos: Path, *, backward: bool = False) -> Iterator[str]:
    """Whether the flow of a folder of videos has been computed, forward and, if need be, backward."""
    for name, option in (("forward", ""), ("backward", " --backward"))[: 1 + backward]:
        settings = videos / "flow" / f"{name}.jsonl"
        if not settings.exists():
            command = f"data_scripts/extract_flow.py {quote(str(videos))}{option}"
            yield f"{settings} must be there; got no {name} flow: run {command}"


def unwritable(folder: Path | None) -> Iterator[str]:
    """Whether a folder, which is made if need be, cannot be written; None can."""
    try:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        yield f"{folder} must be a folder that can be written; got {error.strerror}: give another one"


def _space(study: Study, rows: Sequence[Row]) -> Iterator[str]:
    """Space on the disk for networks of the paper's size."""
    folder = study.store.folder
    if folder is None or not folder.is_dir() or study.size != "paper":
        return
    missing = {need for row in rows for need in row.needs if not study.store.holds(need)}
    needed, free = study.gigabytes * len(missing), shutil.disk_usage(folder).free / 1e9
    if free < needed:
        yield (
            f"{folder} must have {needed:.0f} GB free for {len(missing)} networks; got {free:.0f} GB: make room, or "
            "give another folder"
        )
