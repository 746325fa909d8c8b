"""What the world has drawn once is read from the disk the next time.

    cache = Cache("actions", {"seed": 0, "side": 64})
    clip = cache.get("wave_g01_c01", lambda: {"frames": ..., "part": ...})  # drawn now, read from now on

A clip is one file: a checksum, then its arrays in the format of safetensors. There is a folder for each version of the
world, and in it one for each data set and its settings: ``labkit-world-1/actions-03d9a1c4be20/``. Files are written
whole, so any number of processes can share them, and a damaged one is drawn again. Without a disk to write to, clips
are drawn when they are asked for, and nothing else changes.
"""

import hashlib
import json
import os
import shutil
import warnings
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import safetensors.numpy

from labkit.files import written_whole
from labkit.world.version import VERSION

Arrays = dict[str, np.ndarray]

_FOLDER = "labkit-world-"
_OFF = ("off", "no", "false", "0")
_CHECKSUM = 4  # bytes, at the head of a file

_unwritable: set[Path | None] = set()  # of which this process has warned; it writes no more there


class CacheWarning(UserWarning):
    """The cache could not do its work; the images are right all the same."""


def cache_folder() -> Path | None:
    """Where clips are kept, or None for nowhere.

    The environment variable ``LABKIT_CACHE`` names a folder, or is ``off``; without it, it is the platform's folder.
    Where there is no home folder it is None, and a warning says so.
    """
    wanted = os.environ.get("LABKIT_CACHE", "")
    if wanted.lower() in _OFF:
        return None
    try:
        return Path(wanted or platformdirs.user_cache_dir("labkit", appauthor=False)).expanduser().absolute()
    except RuntimeError:  # most likely a container, run as a user that it does not know
        _warn_once(None, "there is no home folder to cache in: set LABKIT_CACHE to a folder, or to off")
        return None


class Cache:
    """The clips of one data set.

    Args:
        name: of the data set; it names a folder.
        settings: everything that decides what a clip looks like apart from its key; plain data. Other settings, other
            folder.

    Attributes:
        folder: where the files are; None if nothing is kept.
    """

    def __init__(self, name: str, settings: Mapping[str, Any]) -> None:
        root = cache_folder()
        digest = hashlib.sha256(json.dumps(dict(settings), sort_keys=True).encode()).hexdigest()
        self.folder = root / f"{_FOLDER}{VERSION}" / f"{name}-{digest[:12]}" if root else None

    def __contains__(self, key: str) -> bool:
        """Whether there is a file for a key, sound or not."""
        return self.folder is not None and os.path.isfile(self.folder / f"{key}.clip")

    def get(self, key: str, make: Callable[[], Arrays]) -> Arrays:
        """The arrays of a key: read from the disk, or made and kept there.

        If the file is damaged, a `CacheWarning` names it and the arrays are made again; if they cannot be kept, one
        warning for each process says why and what to do.
        """
        if self.folder is None:
            return make()
        path = self.folder / f"{key}.clip"
        try:
            return _unpack(path.read_bytes())
        except OSError:
            pass  # there is none, or it cannot be read, in which case writing will tell
        except (ValueError, safetensors.SafetensorError) as error:
            warnings.warn(f"{path} is damaged and drawn again: {error}", CacheWarning, stacklevel=2)
        arrays = make()
        self._keep(path, arrays)
        return arrays

    def _keep(self, path: Path, arrays: Arrays) -> None:
        root = path.parents[2]
        if root in _unwritable:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(path) as file:
                file.write(_pack(arrays))
        except OSError as error:
            cleared = isinstance(error, FileNotFoundError) and os.path.isdir(root)  # by another process, a moment ago
            there = os.path.isfile(path)  # on Windows a file that another one wrote and reads is not replaced
            if not (cleared or there):
                advice = "make room or make it writable, or set LABKIT_CACHE to another folder or off; restart Python"
                _warn_once(root, f"nothing more is cached in {root}: {error}: {advice}")


def stored() -> dict[Path, int]:
    """The folders of the data sets, those of other versions of the world too, and the bytes that each holds."""
    folders = sorted(folder for version in _versions() for folder in version.glob("*/"))
    return {folder: sum(file.stat().st_size for file in folder.iterdir()) for folder in folders}


def clear() -> dict[Path, int]:
    """Delete what has been kept, of every version; what was there.

    Raises:
        OSError: something cannot be deleted.
    """
    deleted = stored()
    for version in _versions():
        shutil.rmtree(version)
    return deleted


def _versions() -> list[Path]:
    root = cache_folder()
    return sorted(root.glob(f"{_FOLDER}*/")) if root else []


def _pack(arrays: Arrays) -> bytes:
    data = safetensors.numpy.save({name: np.asarray(array, order="C") for name, array in arrays.items()})
    return zlib.crc32(data).to_bytes(_CHECKSUM, "big") + data


def _unpack(data: bytes) -> Arrays:
    content = data[_CHECKSUM:]
    if zlib.crc32(content) != int.from_bytes(data[:_CHECKSUM], "big"):
        raise ValueError("its checksum does not fit")
    return safetensors.numpy.load(content)


def _warn_once(root: Path | None, text: str) -> None:
    if root not in _unwritable:
        _unwritable.add(root)
        warnings.warn(text, CacheWarning, stacklevel=4)
