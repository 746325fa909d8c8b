"""Files and folders that are written whole or not at all, and by one process at a time."""

import contextlib
import errno
import glob
import os
import re
import secrets
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL}


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing under another name in the same folder; at the end it goes to the disk and is renamed.

    Whatever goes wrong inside, an older file stays as it was and nothing is left beside it. Only a killed process can
    leave its temporary file, ``.NAME.random.tmp``.

    Args:
        path: the file to write; its folder must exist; an older file is replaced.

    Yields:
        The file, opened for bytes.

    Raises:
        OSError: the folder is missing or not writable, or there is no space.
    """
    temporary = _temporary(path)
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):  # the folder itself may be gone
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A new folder to fill under another name, renamed when all went well, otherwise removed.

    Hold `lock` on its parent: what a killed process left of an earlier attempt is removed first.

    Args:
        path: the folder to make; it must not exist.

    Yields:
        The folder to fill, beside it.
    """
    sweep(path.parent, path.name)
    temporary = _temporary(path)
    temporary.mkdir()
    try:
        yield temporary
        os.rename(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")


def sweep(folder: Path, name: str | None = None) -> None:
    """Remove what killed processes have left in a folder of `written_whole` and `whole_folder`.

    Nobody may be writing there now: hold `lock`.

    Args:
        folder: where to look; its own folders are not searched.
        name: of the file or folder that was being written; any if None.
    """
    for left in folder.glob(f".{'*' if name is None else glob.escape(name)}.*.tmp"):
        if re.search(r"\.[0-9a-f]{8}\.tmp$", left.name):
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)


@contextlib.contextmanager
def lock(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold a file or a folder against other processes that ask the same way; one that dies lets go.

    The lock is a hidden file, ``.lock`` in a folder or ``.NAME.lock`` beside a file, and is gone afterwards. Where the
    file system knows no locks, a warning says so, and work continues.

    Args:
        path: an existing folder, or a file, which need not exist.
        wait: whether to wait while another process holds it.

    Raises:
        BlockingIOError: another process holds it, and ``wait`` is False.
        OSError: the lock cannot be written.
    """
    place = path / ".lock" if path.is_dir() else path.with_name(f".{path.name}.lock")
    held = FileLock(place)
    try:
        held.acquire(timeout=-1 if wait else 0)
    except Timeout:
        raise BlockingIOError(f"{path}: another process is at work there") from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        warnings.warn(f"{path} cannot be locked ({error.strerror}): see that no other run is at work", stacklevel=4)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows removes no open file; there, releasing does
            place.unlink(
                missing_ok=True
            )  # before it is released: another process that waits for it sees that it is gone
        held.release()
