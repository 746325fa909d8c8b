"""The box: a command runs within limits, in a folder of its own, without a network, and sees no file of ours.

Which layers hold is measured by trying what is forbidden (`layers`), not guessed from versions. There are four ways, of
which the first that keeps submissions from the network and the teacher's files is taken:

1. ``bubblewrap``, where the distribution has installed `bwrap <https://github.com/containers/bubblewrap>`_;
2. ``namespaces``: ``unshare`` of util-linux with a user, network, PID, IPC and mount namespace, and a root made by
   `labkit.teaching.walls`, which holds only the interpreter, its packages, labkit and ``/usr``;
3. ``landlock`` alone, where users may make no namespaces (a hardened Ubuntu): UDP and sockets in files get through;
4. ``nothing``: time and memory only, as everywhere but on Linux: elsewhere no other layer has been built.

In the first three Landlock holds as a second wall, if the kernel has it. In the first two, a box that root starts
becomes a user that does not exist, because root has no limit on processes and owns what others cannot write; so the
interpreter and labkit must be readable by everybody. Both of the first two stop the same things, by measurement, and
start equally fast: 0.02 and 0.05 s of computing, 0.15 and 0.17 s on the clock, walls included. bubblewrap goes first
because others look after it, and because it makes its mounts before it gives up its rights, so it also works where
AppArmor lets only known programs have them; the second way needs nothing but util-linux. Namespaces without a root of
our own would not be enough: Landlock does not know sockets in files, so a submission could ask the user's session, or
Docker, to run something outside.

Limits are kept from outside, by psutil, in seconds of *computing*: a busy machine is nobody's fault. Five times as
many seconds on the clock are the last resort. The memory of files that are in no folder (``memfd_create``) is not
seen; a container counts it. Faults of the kernel are out of scope: for crowds you do not know, use a container or a
machine for nothing else.
"""

import functools
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psutil

from labkit.teaching.limits import Ended as Ended
from labkit.teaching.limits import Limits as Limits
from labkit.teaching.limits import Watch
from labkit.teaching.walls import landlock_version

LAYERS = ("time", "memory", "network", "files", "processes")
_SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store"),
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/localtime", "/etc/fonts"),
    *("/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/mime.types"),
    *("/sys/devices/system/cpu", "/sys/devices/system/node"),
)
_PARTS = ("bin", "lib", "lib64", "share", "etc", "include", "pyvenv.cfg", "DLLs", "Lib", "Scripts")  # of a Python
_NAMES = {
    "bubblewrap": "bubblewrap",
    "namespaces": "namespaces of Linux",
    "landlock": "Landlock",
    "nothing": "no walls",
}


class ContainError(RuntimeError):
    """Submissions cannot be contained here as asked; the message says what to do."""


def require_contained() -> None:
    """Raise a `ContainError` unless this machine keeps submissions from the network and from files."""
    if not {"network", "files"} <= set(layers()):
        raise ContainError(
            "this machine cannot keep submissions from the network and your files: "
            "use --container, or --trust if you know every author"
        )


def run(
    command: Sequence[str],
    folder: Path,
    limits: Limits,
    *,
    trust: bool = False,
    container: str = "",
) -> Ended:
    """Run a command in the box: in ``folder``, with an environment from scratch, without input.

    ``HOME`` and ``TMPDIR`` are folders in it; Python finds this labkit and the packages of this interpreter.

    Args:
        command: the absolute path of a program that can be read in the box (``sys.executable``), and its arguments.
        folder: where it runs; the one place that it can write.
        limits: what it may use.
        trust: run it even where neither network nor files are out of its reach.
        container: ``docker`` or ``podman``: in a container instead, which has this machine's Python (Linux only).

    Returns:
        How it ended.

    Raises:
        ContainError: this machine cannot contain it, or there is no such container engine.
    """
    folder = folder.resolve()
    for name in ("home", "tmp", "shm"):
        (folder / name).mkdir(exist_ok=True)
    if container:
        from labkit.teaching.containers import run_in_container

        return run_in_container(container, command, folder, limits, _needed())
    if not trust:
        require_contained()
    return run_in(_way(), command, folder, limits)


def layers() -> tuple[str, ...]:
    """Which of "time", "memory", "network", "files" and "processes" hold here; tried once in each process.

    "files": nothing outside the folder is written, nothing of the user's is read; "network": neither the network nor a
    process outside is reached, by any kind of socket; "processes": nothing outside gets a signal, nothing stays.
    """
    return _measured()[1]


def level() -> str:
    """The layers in one line, for people: ``bubblewrap: time, memory, network, files, processes``."""
    missing = [layer for layer in LAYERS if layer not in layers()]
    line = f"{_NAMES.get(_way(), _way())}: {', '.join(layers())}"
    return f"{line}; not {', '.join(missing)}" if missing else line


def environment(folder: Path, packages: Path) -> dict[str, str]:
    """The environment of the box, from scratch.

    Args:
        folder: that of the box.
        packages: the folder in which Python finds labkit.
    """
    here = Path(sys.executable).parent
    more = [path for path in _sites() if not path.is_relative_to(sys.prefix)]
    values = {
        "PATH": os.pathsep.join([str(here), "/usr/local/bin", "/usr/bin", "/bin"]),
        "PYTHONPATH": os.pathsep.join(map(str, [packages, *more])),
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "LABKIT_CACHE": "off",
        "LANG": "C.UTF-8",
        "USER": "student",
        "LOGNAME": "student",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "GOMP_SPINCOUNT": "2000",
        **{f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "VECLIB_MAXIMUM")},
    }
    if os.name == "nt":
        values |= {"TEMP": values["TMPDIR"], "USERPROFILE": values["HOME"], "SYSTEMROOT": os.environ["SYSTEMROOT"]}
    return values


def library(folder: Path) -> Path:
    """Make a folder ``packages`` that holds labkit, as a link, and nothing else of the clone it may lie in."""
    packages = folder / "packages"
    packages.mkdir()
    (packages / "labkit").symlink_to(Path(__file__).resolve().parents[1], target_is_directory=True)
    return packages


def remove(folder: Path) -> None:
    """Remove a folder in which somebody may have made what is hard to remove: very deep, or closed, folders."""
    try:
        shutil.rmtree(folder)
    except (OSError, RecursionError):
        if shutil.which("rm"):
            subprocess.run(["chmod", "-R", "u+rwx", str(folder)], capture_output=True, check=False)
            subprocess.run(["rm", "-rf", "--", str(folder)], capture_output=True, check=False)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _sites() -> list[Path]:
    """The folders of packages that this interpreter looks into."""
    return [Path(path) for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]


def _needed(more: Sequence[Path] = ()) -> list[str]:
    """What a command must be able to read, parents before what lies in them; what does not exist is left out."""
    executable = Path(sys.executable)
    prefixes = [Path(sys.prefix), Path(sys.base_prefix), executable.parents[1]]
    while executable.is_symlink():  # a virtual environment's Python may lead over several links to the real one
        executable = executable.parent / executable.readlink()
        prefixes.append(executable.parents[1])
    wanted = [Path(path) for path in _SYSTEM] + [prefix / part for prefix in prefixes for part in _PARTS]
    wanted += [*_sites(), Path(__file__).parents[1], *more]
    paths = {Path(os.path.abspath(path)) for path in wanted if path.exists()}
    paths |= {path.resolve() for path in paths}
    opened = {path for path in paths if not path.is_symlink()}
    return sorted(str(path) for path in paths if not opened.intersection(path.parents))


def run_in(way: str, command: Sequence[str], folder: Path, limits: Limits) -> Ended:
    """Run a command in one of the ways, see `run`; the folder has its ``home``, ``tmp`` and ``shm`` already."""
    with tempfile.TemporaryDirectory(prefix="labkit-box-") as base, tempfile.TemporaryFile() as log:
        outside, hidden = Path(base).resolve(), way in ("bubblewrap", "namespaces")
        packages = library(outside) if os.name == "posix" else Path(__file__).resolve().parents[2]
        read = _needed([packages])
        (outside / "root").mkdir()
        user = 50_000 + secrets.randbelow(10_000) if hidden and os.geteuid() == 0 else 0
        if user:
            for path in [folder, *folder.rglob("*")]:
                os.chown(path, user, user, follow_symlinks=False)
        specification = {
            "folder": str(folder),
            "shared_memory": str(folder / "shm"),
            "read": read,
            "root": str(outside / "root") if way == "namespaces" else "",
            "hidden": hidden,
            "landlock": landlock_version() > 0,
            "reap": way != "bubblewrap",
            "user": user,
            "threads": 10 * limits.processes if hidden else 0,
            "file_bytes": limits.file_megabytes * 10**6,
        }
        walls = [
            sys.executable,
            "-I",
            "-S",
            str(Path(__file__).resolve().with_name("walls.py")),
            json.dumps(specification),
        ]
        before = {
            "bubblewrap": _bubblewrap(folder, read, root=user > 0),
            "namespaces": _namespaces(root=user > 0),
            "landlock": [],
        }
        full = [*before[way], *walls, *command] if way != "nothing" else list(command)
        values = environment(folder, packages) | {"LABKIT_BOX": os.path.basename(base)}
        process = subprocess.Popen(
            full,
            cwd=folder,
            env=values,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        watch = Watch(process, folder, limits, log)
        try:
            return watch.until_its_end()
        finally:
            watch.end()
            if not hidden:
                _sweep(values["LABKIT_BOX"])


def _bubblewrap(folder: Path, read: Sequence[str], *, root: bool) -> list[str]:
    binds = []
    above = {parent for path in [*map(Path, read), folder] for parent in path.parents} - {Path("/"), *map(Path, read)}
    for parent in sorted(above):  # open to the user that root becomes
        binds += ["--perms", "0755", "--dir", str(parent)]
    for path in read:
        link = os.path.islink(path)
        binds += ["--symlink", os.path.realpath(path), path] if link else ["--ro-bind", path, path]
    apart = ["net", "pid", "ipc", "uts", "cgroup-try", *([] if root else ["user"])]
    rights = ["SETUID", "SETGID", "SETPCAP"] if root else []  # to become nobody, and to give up the rest
    return [
        *(shutil.which("bwrap") or "bwrap", *(f"--unshare-{name}" for name in apart)),
        *("--die-with-parent", "--new-session", "--cap-drop", "ALL"),
        *(word for right in rights for word in ("--cap-add", f"CAP_{right}")),
        *(*binds, "--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"),
        *("--bind", str(folder / "shm"), "/dev/shm", "--bind", str(folder), str(folder)),
        *("--remount-ro", "/", "--chdir", "/", "--"),
    ]


def _namespaces(*, root: bool) -> list[str]:
    dies = [setpriv, "--pdeathsig", "KILL"] if (setpriv := shutil.which("setpriv")) else []
    apart = [
        *([] if root else ["--map-root-user"]),
        "--net",
        "--pid",
        "--ipc",
        "--uts",
        "--mount",
        "--fork",
        "--kill-child",
    ]
    return [*dies, shutil.which("unshare") or "unshare", *apart]


def _sweep(token: str) -> None:
    """Kill what has outlived a box without a PID namespace, known by its environment."""
    for process in psutil.process_iter():
        try:
            if process.environ().get("LABKIT_BOX") == token:
                process.send_signal(signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
        except (psutil.Error, OSError):
            continue


@functools.lru_cache(maxsize=1)
def _measured() -> tuple[str, tuple[str, ...]]:
    """The best way there is here, and the layers that hold in it."""
    best: tuple[str, tuple[str, ...]] = ("nothing", ())
    for way in _candidates():
        held = measure(way)
        if {"network", "files"} <= set(held):
            return way, held
        if len(held) > len(best[1]):
            best = way, held
    return best


def _way() -> str:
    return _measured()[0]


def _candidates() -> list[str]:
    """The ways that are worth trying."""
    there = {
        "bubblewrap": shutil.which("bwrap") is not None,
        "namespaces": shutil.which("unshare") is not None,
        "landlock": landlock_version() > 0,
    }
    return [*(way for way, yes in there.items() if yes and sys.platform == "linux"), "nothing"]


@functools.cache
def measure(way: str) -> tuple[str, ...]:
    """Try in one of the ways what a submission must not be able to do, and say which layers hold; tried only once.

    Args:
        way: "bubblewrap", "namespaces", "landlock" or "nothing".
    """
    from labkit.teaching.attempts import held_layers

    return held_layers(lambda command, folder, limits: run_in(way, command, folder, limits))
