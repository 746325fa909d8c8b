"""What a process does to itself before it runs a submission: a root of its own, no rights, Landlock, limits (Linux).

`labkit.teaching.contain` starts this file by its path, ``python -I -S walls.py SPECIFICATION COMMAND ...``, so it
imports the standard library only. What remains of the process afterwards can get nothing of this back.

The kernel's interfaces: `landlock(7) <https://man7.org/linux/man-pages/man7/landlock.7.html>`_,
`user_namespaces(7) <https://man7.org/linux/man-pages/man7/user_namespaces.7.html>`_, ``mount(2)``, ``pivot_root(2)``.
"""

import contextlib
import ctypes
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

DEVICES = ("null", "zero", "full", "random", "urandom")

_NOSUID, _NODEV, _RDONLY, _BIND, _REC, _PRIVATE = 2, 4, 1, 4096, 16384, 1 << 18  # of mount(2)
_DETACH = 2  # of umount2(2)
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41}  # the other numbers are the same on all machines
_MOUNT_SETATTR, _CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 442, 444, 445, 446
_CAPBSET_DROP, _NO_NEW_PRIVS, _CHILD_SUBREAPER = 24, 38, 36  # of prctl(2)

# Landlock's rights on files, by their bit; which of them there are says its version.
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE, _IOCTL = 1, 2, 4, 8, 1 << 14, 1 << 15
_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}  # so many bits; 16 from version 5 on


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _done(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def landlock_version() -> int:
    """The version of Landlock that the kernel has; 0 where it has none or it is switched off."""
    if sys.platform != "linux":
        return 0
    return max(0, int(_libc().syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1)))


def landlock(read: Sequence[str], write: Sequence[str]) -> None:
    """Let this process, and all that it starts, read here, write there, and reach nothing else; for ever.

    Where the version knows them, TCP (4) and abstract sockets and signals to processes outside (6) are refused, too.

    Args:
        read: files and folders to read and to execute; what does not exist is left out.
        write: files and folders in which everything is allowed.

    Raises:
        OSError: the kernel has no Landlock, or refuses.
    """
    libc, version = _libc(), landlock_version()
    handled = (1 << _FILE_RIGHTS.get(version, 16)) - 1
    attributes = [handled, 3 if version >= 4 else 0, 3 if version >= 6 else 0]  # files, network, scopes
    size = 8 if version < 4 else 16 if version < 6 else 24
    packed = (ctypes.c_uint64 * 3)(*attributes)
    ruleset = _done(libc.syscall(_CREATE_RULESET, packed, ctypes.c_size_t(size), 0), "landlock")
    for paths, rights in ((read, _EXECUTE | _READ_FILE | _READ_DIR), (write, handled)):
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                place = os.open(path, os.O_PATH | os.O_CLOEXEC)
                allowed = rights & handled & (-1 if os.path.isdir(path) else _ON_FILES)
                rule = allowed.to_bytes(8, sys.byteorder) + place.to_bytes(4, sys.byteorder)
                _done(libc.syscall(_ADD_RULE, ruleset, 1, rule, 0), f"landlock, {path}")
                os.close(place)
    _done(libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    _done(libc.syscall(_RESTRICT_SELF, ruleset, 0), "landlock")
    os.close(ruleset)


def private_root(root: str, read: Sequence[str], folder: str, shared_memory: str) -> None:
    """Make a root that holds only what may be read, and the folder; needs a mount and a PID namespace, and the right.

    Args:
        root: an empty folder, over which the root is made.
        read: what may be read; ``/proc`` and the harmless devices are there as well.
        folder: what may be written.
        shared_memory: a folder of it that becomes ``/dev/shm``, so that it counts as what the box has written.

    Raises:
        OSError: the kernel refuses, as it does inside many containers.
    """
    libc = _libc()

    def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
        code = libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode())
        _done(code, f"mount {target}")

    def bind(source: str, target: str, *, hidden: int) -> None:
        if os.path.isdir(source):
            os.makedirs(target, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            Path(target).touch()
        mount(source, target, "none", _BIND | _REC)
        attributes = (ctypes.c_uint64 * 4)(hidden, 0, 0, 0)
        code = libc.syscall(_MOUNT_SETATTR, -100, target.encode(), 0x8000, attributes, ctypes.c_size_t(32))
        _done(code, f"mount {target}")

    mount("none", "/", "none", _REC | _PRIVATE)
    mount("none", root, "tmpfs", _NOSUID | _NODEV, "mode=755,size=4m")
    for path in read:
        if os.path.islink(path):
            os.makedirs(os.path.dirname(root + path), exist_ok=True)
            os.symlink(os.path.realpath(path), root + path)
        elif os.path.exists(path):
            bind(path, root + path, hidden=_RDONLY | _NOSUID | _NODEV)
    bind(folder, root + folder, hidden=_NOSUID | _NODEV)
    for device in DEVICES:
        bind(f"/dev/{device}", f"{root}/dev/{device}", hidden=_NOSUID)
    bind(shared_memory, f"{root}/dev/shm", hidden=_NOSUID | _NODEV)
    os.symlink("/proc/self/fd", f"{root}/dev/fd")
    os.mkdir(f"{root}/proc")
    mount("proc", f"{root}/proc", "proc", _NOSUID | _NODEV)
    bind("/proc/sys", f"{root}/proc/sys", hidden=_RDONLY)
    os.chdir(root)
    _done(libc.syscall(_PIVOT_ROOT[os.uname().machine], b".", b"."), "pivot_root")
    _done(libc.umount2(b".", _DETACH), "umount")
    os.chdir("/")
    attributes = (ctypes.c_uint64 * 4)(_RDONLY, 0, 0, 0)
    _done(libc.syscall(_MOUNT_SETATTR, -100, b"/", 0, attributes, ctypes.c_size_t(32)), "mount /")


def drop_rights() -> None:
    """Let nothing that is executed later have any right of root, or get one."""
    libc = _libc()
    for right in range(64):
        libc.prctl(_CAPBSET_DROP, right, 0, 0, 0)  # those that do not exist, or that nobody has, are refused
    libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)


def become(user: int) -> None:
    """Be another user, and nobody's group: root has no limit on processes, and owns too much.

    Args:
        user: its number; 0 for no change. It needs no name.
    """
    if user:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)


def limit(specification: dict[str, Any]) -> None:
    """Set the limits that the kernel itself keeps; the others are kept from outside."""
    import resource  # which not every system has

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (specification["file_bytes"],) * 2)
    if threads := specification["threads"]:  # counts only what is in a user namespace of its own
        most = resource.getrlimit(resource.RLIMIT_NPROC)[1]
        threads = threads if most == resource.RLIM_INFINITY else min(threads, most)
        resource.setrlimit(resource.RLIMIT_NPROC, (threads, threads))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")  # if memory runs out, this goes first


def keep_house(child: int) -> int:
    """Wait for all children, as the first process must, until ``child`` has ended; then end what remains.

    Returns:
        The exit status of ``child``; 128 and the number of the signal that ended it.
    """
    status = 0
    while True:
        pid, code = os.wait()
        if pid == child:
            status = os.waitstatus_to_exitcode(code)
            break
    with contextlib.suppress(ChildProcessError):
        while True:  # a process that loses its parent becomes our child, so all of them end
            for remaining in Path("/proc").glob("[0-9]*/stat"):
                with contextlib.suppress(OSError, ValueError):
                    if int(remaining.read_text().rpartition(")")[2].split()[1]) == os.getpid():
                        os.kill(int(remaining.parent.name), signal.SIGKILL)
            os.wait()
    return status if status >= 0 else 128 - status


def main(specification: dict[str, Any], command: Sequence[str]) -> int:
    """Close the walls, run the command inside, and wait for its end.

    Args:
        specification: ``folder``, ``shared_memory``, ``read``, ``root`` ("" for none), ``landlock``, ``reap``,
            ``user``, ``threads``, ``file_bytes``; see `labkit.teaching.contain`.
        command: what to run.

    Returns:
        Its exit status.
    """
    folder, read, root = specification["folder"], specification["read"], specification["root"]
    if root:
        private_root(root, read, folder, specification["shared_memory"])
    limit(specification)
    drop_rights()
    become(specification["user"])
    os.chdir(folder)
    if specification["reap"]:
        _libc().prctl(_CHILD_SUBREAPER, 1, 0, 0, 0)
        if child := os.fork():
            return keep_house(child)
    if specification["landlock"]:
        devices = [f"/dev/{name}" for name in DEVICES]
        seen = ["/"] if specification["hidden"] else [*read, "/proc"]
        landlock(seen, [folder, *devices, *(["/dev/shm"] if specification["hidden"] else [])])
    os.execv(command[0], list(command))


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1]), sys.argv[2:]))
