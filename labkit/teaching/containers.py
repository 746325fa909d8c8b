"""The box as a container of docker or podman: the engine keeps memory, processes and network, and we the time."""

import dataclasses
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from labkit.teaching.contain import ContainError, environment, library
from labkit.teaching.limits import Ended, Limits, Watch

ENGINES = ("docker", "podman")
BARE = "debian:stable-slim"  # only its root is used: this machine's /usr and Python are mounted over it
_KILLED = 137  # the status of a container that the engine has killed, for its memory if not for us


def container_command(
    container: str, name: str, command: Sequence[str], folder: Path, limits: Limits, read: Sequence[str], packages: Path
) -> list[str]:
    """The command that runs a command in a container.

    Args:
        container: ``docker`` or ``podman``.
        name: of the new container.
        command: its first word is this machine's interpreter.
        folder: what can be written, under the same name.
        limits: what it may use.
        read: what can be read, under the same names.
        packages: the folder in which Python finds labkit.

    Raises:
        ContainError: there is no such engine.
    """
    if container not in ENGINES or shutil.which(container) is None:
        raise ContainError(
            f"a container engine, {' or '.join(ENGINES)}, was expected; got {container!r}, which "
            f"{'is not installed' if container in ENGINES else 'is none'}: install it, or leave --container out"
        )
    values = environment(folder, packages)
    options = ["--network", "none", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--init"]
    options += ["--memory", f"{limits.megabytes}m", "--memory-swap", f"{limits.megabytes}m"]
    options += ["--pids-limit", str(10 * limits.processes), "--shm-size", "64m"]  # threads count, too
    options += ["--ulimit", f"cpu={int(limits.cpu) + 1}", "--ulimit", "core=0"]
    options += ["--ulimit", f"fsize={limits.file_megabytes * 10**6}"]
    if hasattr(os, "getuid"):
        keep = container == "podman" and os.getuid() != 0  # there, the user outside is root inside unless one asks
        options += ["--userns", "keep-id"] if keep else ["--user", f"{os.getuid()}:{os.getgid()}"]
    for path in sorted({*read, str(packages)}):
        options += ["--volume", f"{os.path.realpath(path)}:{path}:ro"]
    options += ["--volume", f"{folder}:{folder}:rw", "--workdir", str(folder)]
    for key, value in values.items():
        options += ["--env", f"{key}={value}"]
    return [container, "run", "--rm", "--pull", "never", "--name", name, *options, BARE, *command]


def run_in_container(
    container: str, command: Sequence[str], folder: Path, limits: Limits, read: Sequence[str]
) -> Ended:
    """Run a command in a container, see `labkit.teaching.contain.run`.

    Its time on the clock and what it writes are watched from here; the seconds of computing of each of its processes
    are limited by the engine, and those in all are not known: ``cpu`` is 0.
    """
    name = f"labkit-{secrets.token_hex(6)}"
    with tempfile.TemporaryDirectory(prefix="labkit-box-") as base, tempfile.TemporaryFile() as log:
        packages = library(Path(base).resolve())
        full = container_command(container, name, command, folder, limits, read, packages)
        process = subprocess.Popen(
            full, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        watch = Watch(process, folder, limits, log)
        try:
            ended = watch.until_its_end()
        finally:
            if process.returncode is None or watch.stopped:
                subprocess.run([full[0], "kill", name], capture_output=True, check=False)
            watch.end()
    if ended.status == _KILLED:
        ended = dataclasses.replace(ended, status=None, stopped="memory")
    return dataclasses.replace(ended, cpu=0.0)
