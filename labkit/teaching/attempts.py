"""What a submission must not be able to do, tried: by this file, run in the box, and by those who would notice outside.

``python -I -S attempts.py TARGETS`` runs in the box, so it imports the standard library only.
"""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

_MARK = "labkit-attempt-"


def held_layers(run: Callable[..., Any]) -> tuple[str, ...]:
    """Try everything, and say which layers hold.

    Args:
        run: takes a command, a folder and limits, and runs the command in the box; see `labkit.teaching.contain`.

    Returns:
        Of "time", "memory", "network", "files", "processes" those that hold; none where the box does not even start.
    """
    from labkit.teaching.limits import Limits

    python = [sys.executable, "-I", "-S", str(Path(__file__).resolve())]
    with tempfile.TemporaryDirectory(prefix=_MARK) as temporary, ExitStack() as stack:
        outside = Path(temporary).resolve()
        folders = [outside / name for name in ("forbidden", "time", "memory", "canary")]
        for folder in folders:
            folder.mkdir()
            for name in ("home", "tmp", "shm"):
                (folder / name).mkdir()
        canary, mark = folders[3], _MARK + secrets.token_hex(8)
        (canary / "secret").write_text(mark)
        targets, noticed = stack.enter_context(_listening(canary))
        neighbour = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"])
        stack.callback(neighbour.wait)
        stack.callback(neighbour.kill)
        targets |= {"canary": str(canary), "pid": neighbour.pid, "mark": mark}
        try:
            ended = run([*python, json.dumps(targets)], folders[0], Limits(cpu=10))
            achieved = json.loads((folders[0] / "achieved.json").read_text())
        except (OSError, ValueError):
            return ()
        if ended.status != 0:
            return ()
        reached = noticed()
        stayed = _end_those_who_stayed(mark)
        held = {
            "time": run([*python, "time"], folders[1], Limits(cpu=0.2)).stopped in ("cpu", "wall"),
            "memory": run([*python, "memory"], folders[2], Limits(cpu=10, megabytes=100)).stopped == "memory",
            "network": not (reached or achieved["tcp"] or achieved["unix"] or achieved["abstract"]),
            "files": not (achieved["read"] or achieved["list"] or achieved["write"] or (canary / "new").exists()),
            "processes": neighbour.poll() is None and not stayed,
        }
        return tuple(layer for layer, holds in held.items() if holds)


@contextmanager
def _listening(folder: Path) -> Iterator[tuple[dict[str, Any], Callable[[], list[str]]]]:
    """Sockets of four kinds that nobody should reach: their addresses, and which of them somebody has reached."""
    with ExitStack() as stack:
        sockets: dict[str, socket.socket] = {}

        def listen(name: str, family: int, kind: int, address: Any) -> None:
            with suppress(OSError):  # not every machine has every kind
                sockets[name] = stack.enter_context(socket.socket(family, kind))
                sockets[name].settimeout(0.05)
                sockets[name].bind(address)
                if kind == socket.SOCK_STREAM:
                    sockets[name].listen()

        listen("tcp", socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0))
        listen("udp", socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0))
        targets = {name: sockets[name].getsockname()[1] for name in ("tcp", "udp")}
        if hasattr(socket, "AF_UNIX"):
            targets |= {"unix": str(folder / "socket"), "abstract": _MARK + secrets.token_hex(8)}
            listen("unix", socket.AF_UNIX, socket.SOCK_STREAM, targets["unix"])
            if sys.platform == "linux":
                listen("abstract", socket.AF_UNIX, socket.SOCK_STREAM, "\0" + targets["abstract"])

        def noticed() -> list[str]:
            reached = []
            for name, waiting in sockets.items():
                with suppress(OSError):
                    waiting.recv(1) if name == "udp" else waiting.accept()[0].close()
                    reached.append(name)
            return reached

        yield targets, noticed


def _end_those_who_stayed(mark: str) -> bool:
    """Whether a process of the attempts is still running; it is ended."""
    import psutil

    stayed = False
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if any(mark in word for word in process.cmdline()):
                stayed = True
                process.kill()
    return stayed


def _attempt(targets: dict[str, Any]) -> dict[str, bool]:
    """Try to reach everything in the list; which of it was reached."""
    canary = Path(targets["canary"])

    def connect(family: str, kind: int, address: Any) -> None:
        with socket.socket(getattr(socket, family), kind) as reaching:
            reaching.settimeout(1)
            reaching.connect(address)
            if kind == socket.SOCK_DGRAM:
                reaching.send(b"x")

    attempts: dict[str, Callable[[], Any]] = {
        "tcp": lambda: connect("AF_INET", socket.SOCK_STREAM, ("127.0.0.1", targets["tcp"])),
        "udp": lambda: connect("AF_INET", socket.SOCK_DGRAM, ("127.0.0.1", targets["udp"])),
        "unix": lambda: connect("AF_UNIX", socket.SOCK_STREAM, targets["unix"]),
        "abstract": lambda: connect("AF_UNIX", socket.SOCK_STREAM, "\0" + targets["abstract"]),
        "read": (canary / "secret").read_text,
        "list": lambda: next(canary.iterdir()),
        "write": lambda: (canary / "new").write_text("x"),
        "signal": lambda: os.kill(targets["pid"], signal.SIGTERM),
    }
    achieved = {}
    for name, attempt in attempts.items():
        try:
            attempt()
            achieved[name] = True
        except (OSError, StopIteration, AttributeError, KeyError):
            achieved[name] = False
    return achieved


def _leave_a_daemon(mark: str) -> None:
    """Start a process that belongs to nobody and has nothing of ours in its environment."""
    if not hasattr(os, "fork") or os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    os.execve(sys.executable, [sys.executable, "-I", "-S", "-c", "import time; time.sleep(20)", mark], {})


def main(argument: str) -> None:
    """Use up time or memory, or try what is forbidden and write what came of it to ``achieved.json``."""
    if argument == "time":
        while True:
            pass
    if argument == "memory":
        used = bytearray(200_000_000)
        used[::4096] = b"x" * len(used[::4096])  # touch every page
        time.sleep(20)
    targets = json.loads(argument)
    _leave_a_daemon(targets["mark"])
    Path("achieved.json").write_text(json.dumps(_attempt(targets)))
    time.sleep(0.2)  # the daemon is there now


if __name__ == "__main__":
    main(sys.argv[1])
