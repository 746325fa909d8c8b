"""What a submission may use, and how a command that takes more is stopped: all kept from outside, by psutil."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

WALL = 5  # so many seconds on the clock for a second of computing


@dataclass(frozen=True)
class Limits:
    """What a submission may use; one that takes more is stopped.

    Attributes:
        cell_cpu: seconds of computing in a cell (kept by the worker).
        cpu: seconds of computing in all.
        megabytes: of memory, resident, of all its processes.
        processes: at the same time.
        file_megabytes: written, in all its files.
        output_megabytes: printed by the command itself; of the cells, by the worker.
    """

    cell_cpu: float = 60.0
    cpu: float = 120.0
    megabytes: int = 4000
    processes: int = 60
    file_megabytes: int = 300
    output_megabytes: int = 20


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        status: its exit status, negative for a signal; None if it was stopped.
        stopped: by which limit: "cpu", "wall", "memory", "processes", "disk", "output", or "".
        cpu: seconds of computing, of all its processes; 0 in a container, whose processes are not ours.
        said: what it printed itself: the first thousand bytes, and the last.
    """

    status: int | None
    stopped: str
    cpu: float
    said: str = ""


class Watch:
    """Watches a process and all that it starts, and stops them at a limit.

    Args:
        process: the leader of them.
        folder: whose bytes count as written.
        limits: that they keep.
        log: the file that their output goes to.
    """

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, limits: Limits, log: IO[bytes]) -> None:
        self.process, self.folder, self.limits, self.log = process, folder, limits, log
        self.began, self.cpu = time.monotonic(), 0.0
        self.seen: dict[int, psutil.Process] = {}
        self.disk_again, self.stopped = 0.0, ""

    def until_its_end(self) -> Ended:
        """Wait until they have ended, or are stopped."""
        while not self._ended():
            self.stopped = self._over()
            if self.stopped:
                self.end()
                break
            time.sleep(0.02 if time.monotonic() - self.began < 0.5 else 0.1)
        length = self.log.seek(0, os.SEEK_END)
        self.log.seek(0)
        said = self.log.read(1000)
        self.log.seek(max(len(said), length - 1000))
        said += self.log.read(1000)
        status = None if self.stopped else self.process.returncode
        return Ended(status, self.stopped, self.cpu, said.decode("utf-8", "replace"))

    def _ended(self) -> bool:
        """Whether the process has ended; its time then includes all that was waited for."""
        if self.process.returncode is None and os.name == "posix":
            pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
            if pid:
                self.process.returncode = os.waitstatus_to_exitcode(status)
                self.cpu = max(self.cpu, usage.ru_utime + usage.ru_stime)
        return (self.process.returncode if os.name == "posix" else self.process.poll()) is not None

    def _over(self) -> str:
        """The limit that has been passed, or ""."""
        cpu, memory, threads, limits = 0.0, 0, 0, self.limits
        tree = list(self._tree())
        if len(tree) > limits.processes + 3:  # three are the walls
            return "processes"  # before each of so many is looked at
        for process in tree:
            try:
                with process.oneshot():
                    cpu += sum(process.cpu_times()[:4])  # its own, and what it has waited for
                    memory += process.memory_info().rss
                    threads += process.num_threads()
            except psutil.Error:
                continue  # it has just ended
        self.cpu, wall = max(self.cpu, cpu), time.monotonic() - self.began
        written = 0
        if wall >= self.disk_again:
            written = _written(self.folder, limits.file_megabytes * 10**6)
            self.disk_again = time.monotonic() - self.began + 0.5
        passed = {
            "cpu": self.cpu > limits.cpu,
            "wall": wall > WALL * limits.cpu,
            "memory": memory > limits.megabytes * 10**6 and self._proportional() > limits.megabytes * 10**6,
            "processes": threads > 20 * limits.processes,  # where walls do not refuse the tenfold
            "disk": written > limits.file_megabytes * 10**6,
            "output": os.fstat(self.log.fileno()).st_size > limits.output_megabytes * 10**6,
        }
        return next((name for name, over in passed.items() if over), "")

    def _proportional(self) -> int:
        """Memory with what several processes share counted once, where the system tells."""
        total = 0
        for process in self._tree():
            try:
                about = process.memory_full_info()
                total += getattr(about, "pss", about.rss)
            except psutil.AccessDenied:
                total += process.memory_info().rss
            except psutil.Error:
                continue
        return total

    def _tree(self) -> Iterator[psutil.Process]:
        if self.process.returncode is not None:  # its number may be another's by now
            return
        try:
            root = psutil.Process(self.process.pid)
            tree = [root, *root.children(recursive=True)]
        except psutil.Error:
            return
        for process in tree:
            self.seen[process.pid] = process
            yield process

    def end(self) -> None:
        """Kill all that has been seen of it, until there is nothing left."""
        if self.process.returncode is None:
            self.process.kill()  # first, as with it goes the namespace of all others, however many they are
        for wait in [0.01, 0.02, 0.05] + 100 * [0.1]:
            ended = self._ended()
            living = [process for process in {*self._tree(), *self.seen.values()} if _lives(process)]
            if ended and not living:
                break
            for process in living:
                with contextlib.suppress(psutil.Error):
                    process.kill()  # which looks whether it is still the same process
            time.sleep(wait)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _written(folder: Path, enough: int) -> int:
    """The bytes in a folder, a file counting at least 4096; counting stops when it is more than enough."""
    total, folders = 0, [str(folder)]
    while folders and total <= enough:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    about = entry.stat(follow_symlinks=False)
                    total += max(4096, getattr(about, "st_blocks", 0) * 512 or about.st_size)
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    if total > enough:
                        break
        except FileNotFoundError:
            continue  # it has gone meanwhile
        except OSError as error:
            if len(str(error.filename)) > 3000:  # so deep that no path leads there: nobody does that by accident
                return enough + 1
    return total
