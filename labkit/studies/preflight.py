"""Before anything starts: every file, weight and gigabyte that rows need and that is not there."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from labkit.studies.rows import Row
from labkit.studies.study import Study


def preflight(study: Study, names: Sequence[str] = ()) -> list[str]:
    """What rows lack to run to their end, each with what to do about it; empty if they can start.

    Args:
        study: with its settings.
        names: of rows; all that are measured on the study's split and data set if empty.
    """
    rows = [study.row(name) for name in names]
    rows = rows or [row for row in study.rows().values() if row.is_measured_on(study.dataset, study.split)]
    return [*dict.fromkeys(study.lacking(rows)), *_space(study, rows)]


def lacking_flow(videos: Path, *, backward: bool = False) -> Iterator[str]:
    """Whether the flow of a folder of videos has been computed, forward and, if need be, backward."""
    for name, option in (("forward", ""), ("backward", " --backward"))[: 1 + backward]:
        settings = videos / "flow" / f"{name}.jsonl"
        if not settings.exists():
            yield f"{settings} must be there; got no {name} flow: run data_scripts/extract_flow.py {videos}{option}"


def _space(study: Study, rows: Sequence[Row]) -> Iterator[str]:
    """Space on the disk for networks of the paper's size."""
    folder = study.store.folder
    if folder is None or study.size != "paper":
        return
    missing = {need for row in rows for need in row.needs if not study.store.holds(need)}
    there = next(parent for parent in [folder, *folder.parents] if parent.exists())
    needed, free = study.gigabytes * len(missing), shutil.disk_usage(there).free / 1e9
    if free < needed:
        yield (
            f"{folder} must have {needed:.0f} GB free for {len(missing)} networks; got {free:.0f} GB: make room, or "
            "give another folder"
        )
