"""``labkit study``: run the rows of a study, and say which there are and what is kept of them."""

import itertools
import math
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from statistics import median
from typing import Any

from labkit import claims
from labkit.memory import give_back
from labkit.studies import study_of
from labkit.studies.filing import recorded, records
from labkit.studies.plan import judging_rows
from labkit.studies.preflight import preflight, unwritable
from labkit.studies.rows import Row
from labkit.studies.study import Study
from labkit.world import VERSION as WORLD


def run(
    number: str,
    rows: Sequence[str],
    seeds: Sequence[int],
    splits: Sequence[int],
    *,
    profile: str,
    out: Path | None,
    again: str = "",
    minutes: float = math.inf,
    **settings: Any,
) -> int:
    """Run rows, for every seed and split, and write their records down as soon as each is measured.

    A row that has records of this version already is left out. One that fails does not keep the others from running.

    Args:
        number: of the notebook.
        rows: names, with ``*`` for anything; all if empty.
        seeds: of the runs.
        splits: official splits; empty: those that each row is measured on.
        profile: of the study.
        out: folder of artefacts and records; None: ``build/studies`` for the former, the clone's ledger for the latter.
        again: why rows that have records are run as well; it stays in their new records, and those that have it already
            are left out. What they need of trained networks is read where it is kept. Empty: they are not.
        minutes: after which no further row is started.
        settings: see `Study`.

    Returns:
        The exit status: 0 if every row has its records.
    """
    kind = study_of(number)
    if out is None and profile not in claims.COUNTING:
        raise ValueError(f"profile must be study or paper without --out; got {profile!r}: give a folder")
    places = _places(kind, rows, splits)

    def build(seed: int, split: int) -> Study:
        return kind(profile, seed=seed, split=split, out=out, progress=sys.stderr.isatty(), **settings)

    runs: list[tuple[int, int, list[str]]] = []
    problems: dict[str, None] = {}
    measured = False
    for seed in dict.fromkeys(seeds):
        for split, names in places.items():
            study = build(seed, split)  # each for a moment: studies hold the clips that they have looked at
            here = [name for name in names if kind.rows()[name].is_measured_on(study.dataset, split)]
            measured = measured or bool(here)
            if due := [name for name in here if _to_run(study, name, out, again)]:
                runs.append((seed, split, due))
                problems |= dict.fromkeys([*preflight(study, due), *unwritable(_folder(out))])
    if not measured:
        raise ValueError(
            f"rows must be measured on {settings['dataset']}; got {', '.join(rows)}: see labkit study list"
        )
    if not runs:
        print("nothing to run: all of these rows have their records (--again WHY runs them again)")
    if problems:
        print(*(f"✗ {problem}" for problem in problems), sep="\n", file=sys.stderr)
        return 1
    failures, end = 0, time.monotonic() + 60 * minutes
    while runs:
        seed, split, due = runs.pop(0)
        study = build(seed, split)
        for name in due:
            if time.monotonic() > end:
                left = len(due) - due.index(name) + sum(len(names) for _, _, names in runs)
                print(f"{minutes:g} minutes are over: {left} rows are left, the same command continues")
                return 1 if failures else 0
            if _to_run(study, name, out, again):  # else another process has run it, since we have looked
                failures += not _run_row(study, name, _folder(out), again)
                study.release()
                give_back()
    return 1 if failures else 0


def run_frozen(*, minutes: float = math.inf, **settings: Any) -> int:
    """Run the frozen batches of all papers, a seed of each in turn: the rows whose metrics stand in claims.

    Each seed of a paper has a process of its own. One for each row took up to half as long again: the same clips
    and networks are read over and over.

    Args:
        minutes: after which no further row is started.
        settings: of `run`.

    Returns:
        The exit status: 0 if every row that was run has its records.
    """
    frozen = [paper for paper in claims.ledger().values() if paper.confirm]
    if not frozen:
        print("nothing to run: no paper is frozen, see [confirm] in labkit/claims")
    for paper in frozen:
        if paper.confirm and (now := (study_of(paper.notebook).version, WORLD)) != paper.confirm.versions:
            print(
                f"{paper.notebook} is left out: frozen for version {paper.confirm.study} of the study and "
                f"{paper.confirm.world} of the world; now {now[0]} and {now[1]}: freeze it again, for fresh seeds"
            )
            frozen = [other for other in frozen if other is not paper]
    end, status = time.monotonic() + 60 * minutes, 0
    for paper, seed in _in_turn(frozen):
        if (left := end - time.monotonic()) <= 0:
            print(f"{minutes:g} minutes are over: the same command continues")
            return status
        rows = judging_rows(paper, study_of(paper.notebook))
        due = [row for row in rows if _is_due(paper.notebook, row, seed, **settings)]
        print(f"{paper.notebook}, seed {seed}: {len(due)} rows to run, {len(rows) - len(due)} have records", flush=True)
        if due:
            within = math.ceil(left / 60) if left < math.inf else None
            status |= _run_alone(paper.notebook, due, seed, minutes=within, **settings)
    return status


def _in_turn(frozen: Sequence[claims.Paper]) -> Iterator[tuple[claims.Paper, int]]:
    """The first seed of each paper, then the second of each, and so on."""
    batches = [paper.confirm.seeds if paper.confirm else () for paper in frozen]
    for seeds in itertools.zip_longest(*batches):
        yield from ((paper, seed) for paper, seed in zip(frozen, seeds, strict=True) if seed is not None)


def _is_due(number: str, name: str, seed: int, *, again: str = "", out: Path | None = None, **settings: Any) -> bool:
    """Whether a row lacks records of one of the splits that it is measured on, or is to be run again."""
    kind = study_of(number)
    declared = kind.rows()[name]
    settings = {**settings, "seed": seed, "out": out, "progress": False}
    studies = [kind(split=split, **settings) for split in declared.splits]
    here = [study for study in studies if declared.is_measured_on(study.dataset, study.split)]
    return any(_to_run(study, name, out, again) for study in here)


def _to_run(study: Study, name: str, out: Path | None, again: str) -> bool:
    """Whether a row lacks records, or has some that were not yet measured once more for a reason."""
    lines = recorded(study, name, _folder(out))
    return not lines or (bool(again) and any(line.again != again for line in lines))


def _run_alone(number: str, rows: Sequence[str], seed: int, **settings: Any) -> int:
    """`run` rows as a command of its own; the exit status, 0 or 1."""
    command = [sys.executable, "-m", "labkit.cli", "study", "run", number]
    command += ["--rows", ",".join(rows), "--seeds", str(seed)]
    for name, value in settings.items():
        command += [f"--{name.replace('_', '-')}", str(value)] if value not in (None, "") else []
    status = subprocess.call(command)
    if status < 0:  # else it has said why
        print(f"✗ {number}, seed {seed}: killed by signal {-status}; 9 is often a lack of memory", file=sys.stderr)
    return int(status != 0)


def _places(kind: type[Study], patterns: Sequence[str], splits: Sequence[int]) -> dict[int, list[str]]:
    """For each split, the rows to run on it; all splits that a row is measured on if none are asked for.

    Raises:
        ValueError: a pattern that fits no row, or none that is measured on one of the splits.
    """
    rows = [kind.rows()[name] for name in chosen(kind, patterns)]
    for pattern in patterns or ["*"]:
        known = {split for declared in rows if fnmatchcase(declared.name, pattern) for split in declared.splits}
        if splits and known.isdisjoint(splits):
            raise ValueError(
                f"splits must be among {', '.join(map(str, sorted(known)))} for {pattern}; got "
                f"{', '.join(map(str, splits))}"
            )
    asked = dict.fromkeys(splits) or sorted({split for declared in rows for split in declared.splits})
    return {split: [declared.name for declared in rows if split in declared.splits] for split in asked}


def _run_row(study: Study, name: str, folder: Path | None, again: str) -> bool:
    """Measure a row and file its records; whether that went well."""
    place = f"{name}, split {study.split}, seed {study.seed}"
    try:
        values = study.measure(name)
        earlier = {line.key for line in claims.records(study.paper, folder)}  # of whatever version
        lines = [replace(line, again=again if line.key in earlier else "") for line in records(study, name)]
        claims.write(lines, folder)
    except Exception as error:  # whatever it is, the other rows are run
        notes = " ".join(getattr(error, "__notes__", []))
        print(f"✗ {place}: {type(error).__name__}: {error} {notes}".rstrip(), file=sys.stderr)
        if not isinstance(error, ValueError | OSError | FloatingPointError):  # the lab's own say what to do
            traceback.print_exception(error)
        return False
    print(f"✓ {place}: {', '.join(repr(values).splitlines())} in {lines[0].seconds:.0f} s", flush=True)
    return True


def chosen(kind: type[Study], patterns: Sequence[str]) -> list[str]:
    """Names of the rows that fit one of the patterns, in the order of the study; all without patterns.

    Raises:
        ValueError: a pattern that fits no row.
    """
    names = list(kind.rows())
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ValueError(f"rows must be among {', '.join(names)}; got {pattern!r}")
    return [name for name in names if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)]


def listing(number: str, *, profile: str, seeds: Sequence[int], out: Path | None, **settings: Any) -> str:
    """The rows of a study as text: what each needs, what of it is kept, how often it is measured, how long it took."""
    kind = study_of(number)
    studies = [
        kind(profile, seed=seed, split=split, out=out, **settings)
        for seed in seeds
        for split in sorted({split for declared in kind.rows().values() for split in declared.splits})
    ]
    lines = [("row", "needs", "kept", "measured", "seconds")]
    for declared in kind.rows().values():
        those = [study for study in studies if declared.is_measured_on(study.dataset, study.split)]
        lines.append((declared.name, ", ".join(declared.needs) or "nothing", *_state(declared, those, _folder(out))))
    widths = [max(len(cells[column]) for cells in lines) for column in range(len(lines[0]))]
    table = [
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip() for cells in lines
    ]
    head = f"{number}  {kind.__name__}, version {kind.version}, profile {profile}, seeds {', '.join(map(str, seeds))}"
    return "\n".join([head, *table])


def _state(declared: Row, studies: Sequence[Study], folder: Path | None) -> tuple[str, str, str]:
    """How much of what a row needs is kept, on how many seeds and splits it is measured, and its median time."""
    kept = [study.store.holds(need) for study in studies for need in declared.needs]
    records = [lines for study in studies if (lines := recorded(study, declared.name, folder))]
    times = [lines[0].seconds for lines in records if lines[0].seconds]
    seconds = f"{median(times):.0f}" if times else "?"
    return f"{sum(kept)} of {len(kept)}", f"{len(records)} of {len(studies)}", seconds


def _folder(out: Path | None) -> Path | None:
    """Where records go: below the user's folder, or the clone's ledger if None."""
    return None if out is None else out / "results"
