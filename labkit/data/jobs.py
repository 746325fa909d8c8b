"""One job for each of many files: in several processes, resumable, and no error of a file is ever lost.

What the scripts share that compute flow or features of a data set. A job turns one source file into output files. Each
finished job leaves a line in a *manifest*, JSON lines that any tool reads::

    {"settings": {"estimator": "tvl1", ...}}
    {"name": "Punch/v_Punch_g03_c01.avi", "bytes": 310134, "sha256": "2744...", "frames": 108, ...,
     "files": {"Punch/v_Punch_g03_c01.avi.flow": {"bytes": 4403210, "sha256": "91d0..."}}}

A later run does only what is not in the manifest, or whose source or output no longer has its size. Such an output is
removed first, so what lies there is always of the source as it was when it was read.
"""

import contextlib
import hashlib
import json
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import cv2
import torch
from tqdm.auto import tqdm

from labkit.files import lock, sweep, written_whole

Record = dict[str, Any]
Job = Callable[[Path, Path], Record]
"""``job(source, out)``: what to note about the source; ``files`` lists the outputs, ``out`` with other suffixes."""

START = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
"""How processes start. Both begin clean, without what the caller holds; a fork server imports PyTorch only once."""

ANY_NAME = "surrogateescape"
"""How manifests are decoded: names of files need not be UTF-8."""

DIED = "its process died: out of memory, or a crash in a library"


class JobsError(ValueError):
    """A run cannot start; the message says what was expected, what came and what to do."""


def run_jobs(
    job: Job,
    names: Sequence[str],
    source: Path,
    manifest: Path,
    settings: Mapping[str, Any],
    *,
    processes: int = 1,
    verify: bool = False,
) -> dict[str, str]:
    """Run a job for each file that has none finished yet.

    Args:
        job: called in another process, so it must pickle: a function of a module, or a ``partial`` of one. It is given
            ``source / name`` and ``manifest.parent / name``, whose folder it makes if it writes; whole files or none.
        names: paths of the sources, relative to ``source``, with forward slashes.
        source: their folder.
        manifest: the file that tells what is done; outputs lie in its folder.
        settings: what the outputs depend on; JSON. A manifest with other settings is an error, not a mixture.
        processes: how many at a time, each with one thread, started as `START` says.
        verify: read every source and every output again and compare hashes, where otherwise the sizes must do.

    Returns:
        For each file that failed, why; all others are done.

    Raises:
        JobsError: the manifest is damaged or has other settings, or another run is at work in its folder.
    """
    if processes < 1:
        raise JobsError(f"processes must be 1 or more; got {processes}")
    folder, settings = manifest.parent, json.loads(json.dumps(settings))
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        for place in {(folder / name).parent for name in names}:
            sweep(place)
        records = read_manifest(manifest, settings)
        to_do = [name for name in names if not _is_done(records.get(name), source, folder, verify)]
        for stale in filter(None, (records.pop(name, None) for name in to_do)):
            for name in stale["files"]:  # of another video, or damaged: should the job fail now, nothing is better
                (folder / name).unlink(missing_ok=True)
        errors: dict[str, str] = {}
        with (
            _appending(manifest, settings) as file,
            tqdm(total=len(names), initial=len(names) - len(to_do), desc=manifest.stem, unit="file") as bar,
        ):
            for name, result in _results(_Task(job, source, folder), to_do, processes):
                if isinstance(result, str):
                    errors[name] = result
                    bar.set_postfix(errors=len(errors))
                else:
                    records[name] = result
                    file.write(_line(result))
                    file.flush()
                bar.update()
        with written_whole(manifest) as file:  # in order, each file once
            file.write(_line({"settings": settings}))
            file.writelines(_line(records[name]) for name in sorted(records))
    return dict(sorted(errors.items()))


def find_files(folder: Path, suffixes: Collection[str]) -> list[str]:
    """Files in a folder and its folders, links followed: paths relative to it, in order.

    Hidden ones are left out, and links to what is not there.

    Args:
        folder: nothing is found where there is none.
        suffixes: with their dot, in lower case; names compare without regard to case.
    """
    found = []
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(place, name).relative_to(folder).as_posix()
            for name in files
            if not name.startswith(".") and Path(name).suffix.lower() in suffixes and Path(place, name).exists()
        ]
    return sorted(found)


def report(errors: Mapping[str, str]) -> str:
    """All errors of a run, a line for each file, and how many there are."""
    lines = [f"✗ {name}: {error}" for name, error in errors.items()]
    return "\n".join([*lines, f"{len(errors)} failed; run the same command again to retry them"])


def read_manifest(manifest: Path, settings: Mapping[str, Any] | None = None) -> dict[str, Record]:
    """Records of a manifest by name; none where there is no such file. A last line cut short by a kill is left out.

    Raises:
        JobsError: a line is not a record, or the settings are others than those given.
    """
    lines = manifest.read_text(encoding="utf-8", errors=ANY_NAME).split("\n")[:-1] if manifest.is_file() else []
    if not lines:
        return {}
    known = _parse(manifest, 1, lines[0], settings=dict)["settings"]
    if settings is not None and known != settings:
        raise JobsError(
            f"{manifest}: expected the settings {json.dumps(settings)}; got {json.dumps(known)}: choose another "
            "folder for the new outputs, or delete this one"
        )
    kinds = {"name": str, "bytes": int, "files": dict}
    records = [_parse(manifest, number, line, **kinds) for number, line in enumerate(lines[1:], start=2)]
    return {record["name"]: record for record in records}


def read_settings(manifest: Path) -> dict[str, Any]:
    """What the outputs of a manifest depend on; ``{}`` where there is no such file, or its first line was cut short.

    Raises:
        JobsError: the first line has no settings.
    """
    if not manifest.is_file():
        return {}
    with manifest.open(encoding="utf-8", errors=ANY_NAME) as file:
        line = file.readline()
    return _parse(manifest, 1, line, settings=dict)["settings"] if line.endswith("\n") else {}


def _parse(manifest: Path, number: int, line: str, **kinds: type) -> Record:
    """A line of a manifest as a record that has some keys, each of its kind."""
    key = next(iter(kinds))
    with contextlib.suppress(ValueError, KeyError, TypeError):
        record: Record = json.loads(line)
        for key, kind in kinds.items():
            if not isinstance(record[key], kind):
                break
        else:
            return record
    raise JobsError(
        f"{manifest}: expected a JSON record with {key!r} in line {number}; got {line[:80]!r}: delete the file, and "
        "all of it is done again"
    )


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file or a folder, as `labkit.files.lock` does, without waiting: JobsError where another run holds it."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lock(path, wait=False))
        except BlockingIOError:
            raise JobsError(f"{path}: expected no other run; got one at work there: wait until it ends") from None
        yield


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Task:
    """A job with its folders; called in the other process, so that whatever it raises comes back as words."""

    def __init__(self, job: Job, source: Path, folder: Path) -> None:
        self.job, self.source, self.folder = job, source, folder

    def __call__(self, name: str) -> Record | str:
        try:
            source, out = self.source / name, self.folder / name
            noted = {"name": name, "bytes": source.stat().st_size, "sha256": file_hash(source)}
            record = self.job(source, out)
            files = {path.relative_to(self.folder).as_posix(): path for path in record.pop("files", [])}
            sizes = {name: {"bytes": path.stat().st_size, "sha256": file_hash(path)} for name, path in files.items()}
            return {**noted, **record, "files": sizes}
        except Exception as error:
            return f"{type(error).__name__}: {error}"


def _results(task: _Task, names: Sequence[str], processes: int) -> Iterator[tuple[str, Record | str]]:
    """Each name with its record, or what went wrong, in the order in which they end.

    A process that dies takes the pool with it, and which file it was nobody knows: those at work are tried again, each
    alone, so that one bad file costs itself only.
    """
    context = multiprocessing.get_context(START)
    context.set_forkserver_preload(["__main__", __name__])
    waiting, suspects = deque(names), deque[str]()
    others = set(multiprocessing.active_children())
    while waiting or suspects:
        queue, size = (waiting, processes) if waiting else (suspects, 1)
        running: dict[Future[Record | str], str] = {}
        with ProcessPoolExecutor(size, mp_context=context, initializer=_start) as pool:
            broken = False
            while not broken and (queue or running):
                while queue and len(running) < size and not broken:
                    try:
                        running[pool.submit(task, queue[0])] = queue[0]
                        queue.popleft()
                    except BrokenProcessPool:
                        broken = True
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    if isinstance(future.exception(), BrokenProcessPool):
                        broken = True
                    else:
                        yield running.pop(future), future.result()
            if (
                broken
            ):  # a process that was started just then is overlooked by the pool, which would wait for it forever
                for process in set(multiprocessing.active_children()) - others:
                    process.kill()
        if size == 1:
            yield from ((name, DIED) for name in running.values())
        else:
            suspects.extend(running.values())


def _start() -> None:
    """In a new process: one thread, gone together on Ctrl-C, and gone when the parent is, however that ended."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _is_done(record: Record | None, source: Path, folder: Path, verify: bool) -> bool:
    def same(path: Path, noted: Record) -> bool:
        return (
            path.is_file()
            and path.stat().st_size == noted.get("bytes")
            and (not verify or file_hash(path) == noted.get("sha256"))
        )

    return (
        record is not None
        and same(source / record["name"], record)
        and all(same(folder / name, noted) for name, noted in record["files"].items())
    )


@contextlib.contextmanager
def _appending(manifest: Path, settings: Mapping[str, Any]) -> Iterator[Any]:
    """Open a manifest to add records, without what a kill left of its last line."""
    with manifest.open("ab+") as file:
        file.seek(0)
        if file.truncate(file.read().rfind(b"\n") + 1) == 0:
            file.write(_line({"settings": settings}))
        yield file


def _line(record: Mapping[str, Any]) -> bytes:
    return (json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n").encode(errors=ANY_NAME)
