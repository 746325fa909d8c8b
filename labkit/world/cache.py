"""What the world has drawn once is read from the disk ever after, and never quietly wrong.

A `Cache` holds the entries of one data set: dicts of numpy arrays, each under a key. It knows nothing of puppets::

    cache = Cache("actions", {"seed": 0, "side": 64})
    clip = cache.get(7, lambda: {"frames": ..., "flow": ...})  # drawn this time, read the next

On the disk, in the folder that `cache_folder` names:

    actions-1f0c52ab9e77-03d9a1c4be20   name, digest of the generator, digest of the settings
      CACHEDIR.TAG                      tells backup programs to pass by, and `clear` that the folder is ours
      7.npz                             an uncompressed ZIP archive; ``np.load`` opens it
        entry.json                      which entry of which generator and settings this is
        frames.npy                      and so on, one for each array

The generator is every source file of this package and the versions of the libraries that draw: after a change to any
of them the entries lie in another folder, so old pictures are never met. What the package imports from the rest of
labkit is not covered.

The archive keeps a checksum of each array, `Cache.get` compares it, and an entry that is damaged or not the one asked
for is drawn again. Entries are put together under a temporary name, then renamed: any number of threads and processes
may read, write and clear at once, and a killed one leaves no half entry. Without a disk to write to, the world is drawn
again each time; nothing else changes.
"""

import contextlib
import errno
import hashlib
import importlib.metadata
import io
import json
import os
import re
import secrets
import struct
import sys
import time
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np

from labkit.files import written_whole

Arrays = dict[str, np.ndarray]

_PACKAGE = Path(__file__).parent
_FORMAT = "labkit world entry 1"
_LIBRARIES = ("numpy", "torch", "opencv-contrib-python-headless")
_OFF = ("off", "no", "false", "0")
_TAG = "CACHEDIR.TAG"  # https://bford.info/cachedir
_SIGNATURE = b"Signature: 8a477f597d28d172789f06886806bc55\n"
_TAG_TEXT = _SIGNATURE + b"# Drawn by labkit.world: may be deleted at any time.\n"
_KEY = r"[a-z0-9_-][a-z0-9_.-]{0,99}"  # names that mean the same on every file system
_SET = re.compile(r"[a-z][a-z0-9_-]{0,49}")
_FOLDER = re.compile(rf"{_SET.pattern}-([0-9a-f]{{12}})-[0-9a-f]{{12}}")
_TEMPORARY = re.compile(rf"\.({_KEY}\.npz|{re.escape(_TAG)})\.[0-9a-f]{{8}}\.tmp")  # what `written_whole` may leave
_ENTRY = re.compile(rf"{_KEY}\.npz")
_HEADER_BYTES = 2**16 + 10  # no header of a ``.npy`` file of version 1.0 is longer
_NUMBERS = "biufc"  # kinds of dtype
_LEFT_OVER = 600.0  # seconds after which a temporary file is taken to have no writer any more
_ATTEMPTS = 3

_said: dict[object, object] = {}  # what this process has warned of; to a folder in here it writes no more


class CacheWarning(UserWarning):
    """The cache could not do its work; the pictures are right all the same."""


def cache_folder() -> Path | None:
    """Where entries are kept, or None for nowhere.

    The environment variable ``LABKIT_CACHE``: a folder, or ``off``. Else ``labkit`` in the platform's folder for such
    things: ``$XDG_CACHE_HOME`` or ``~/.cache``, on a Mac ``~/Library/Caches``, on Windows ``%LOCALAPPDATA%``. Without a
    home folder it is None, and a warning says so.
    """
    wanted = os.environ.get("LABKIT_CACHE", "")
    if wanted.lower() in _OFF:
        return None
    try:
        return Path(wanted).expanduser().absolute() if wanted else _platform_folder() / "labkit"
    except RuntimeError:  # a container, most likely, run as a user it does not know
        _warn_once("home", "there is no home folder to cache in: set LABKIT_CACHE to a folder, or to off")
        return None


def _platform_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    return Path(xdg) if os.path.isabs(xdg) else Path.home() / ".cache"  # relative ones do not count, says the standard


def _generator() -> str:
    """Digest of all that draws: the libraries and every source file of this package."""
    digest = hashlib.sha256(_FORMAT.encode())
    for library in _LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            digest.update(f"\n{library} {importlib.metadata.version(library)}".encode())
    try:
        sources = {path.relative_to(_PACKAGE).as_posix(): path.read_bytes() for path in _sources()}
    except OSError:
        sources = {}
    if not sources:
        return secrets.token_hex(32)  # nobody can tell: like no other, not even itself
    for name, source in sources.items():
        digest.update(f"\n{name} {len(source)}\n".encode() + source)
    return digest.hexdigest()


def _sources() -> list[Path]:
    """Editors and notebooks keep copies and locks under names with a dot in front: these are none."""
    found = sorted(_PACKAGE.rglob("*.py"))
    return [path for path in found if not any(part.startswith(".") for part in path.relative_to(_PACKAGE).parts)]


_GENERATOR = _generator()  # now, while the files are what this process imports


class Cache:
    """The entries of one data set.

    Copies for other processes (pickled, forked) share the folder; a process started after the sources changed does not.

    Args:
        name: of the data set: lower-case letters, digits, ``_`` and ``-``.
        settings: all that decides what a key's arrays are, apart from the generator; anything JSON can hold. Other
            settings, other folder.
        folder: where caches are kept; default `cache_folder`.
        enabled: False to always draw.

    Attributes:
        folder: where the entries are, whether any are there or not; None if nothing is kept.

    Raises:
        ValueError: the name has other characters.
        TypeError: settings that JSON cannot hold.
    """

    def __init__(
        self, name: str, settings: Mapping[str, Any], folder: str | os.PathLike[str] | None = None, enabled: bool = True
    ) -> None:
        if not _SET.fullmatch(name):
            raise ValueError(
                f"name must be 1 to 50 of a-z, 0-9, _ and -, a letter first; got {name!r}: it names a folder"
            )
        try:
            text = json.dumps(dict(settings), sort_keys=True, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise TypeError(f"settings must be what JSON can hold; got {settings!r}: {error}") from error
        self._arguments = name, json.loads(text), folder, enabled
        self._identity = {"format": _FORMAT, "set": name, "settings": self._arguments[1], "generator": _GENERATOR}
        self._swept = False
        self.folder: Path | None = None
        root = _root(folder) if enabled else None
        if root and _generator() != _GENERATOR:  # entries of one would pass for the other's
            _warn_once(
                "sources",
                f"the sources in {_PACKAGE} may not be those that run here: nothing is cached; restart Python",
            )
        elif root:
            self.folder = root / f"{name}-{_GENERATOR[:12]}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    def __reduce__(self) -> tuple[Any, ...]:
        return Cache, self._arguments  # a new process has its own generator

    def __contains__(self, key: str | int) -> bool:
        """Whether there is a file for a key, sound or not."""
        return self.folder is not None and (self.folder / f"{key}.npz").is_file()

    def get(self, key: str | int, make: Callable[[], Mapping[str, np.ndarray]]) -> Arrays:
        """The arrays of a key: read from the disk, or made and kept there.

        What comes back is the caller's own to change. If the entry is damaged or not this key's, a `CacheWarning` names
        the file and it is made anew; if it cannot be kept, one for each process says why and what to do.

        Args:
            key: a whole number, or a name of a-z, 0-9, ``_``, ``-`` and ``.`` (not first); 7 and "7" are the same.
            make: draws the arrays, of numbers or bool, under names that could be Python's; the same ones whenever key,
                settings and generator are the same.

        Raises:
            ValueError: the key cannot name a file.
            TypeError: ``make`` gave something else than such arrays.
        """
        if isinstance(key, bool) or not isinstance(key, str | Integral) or not re.fullmatch(_KEY, str(key)):
            raise ValueError(
                f"key must be a whole number, or up to 100 of a-z, 0-9, _, - and . (not first); got {key!r}: it names "
                f"a file"
            )
        if self.folder is None:
            return _require_arrays(make())
        path, identity = self.folder / f"{key}.npz", {**self._identity, "key": str(key)}
        try:
            return _unpack(path.read_bytes(), identity)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            pass  # not there; if it is not to be had, writing will tell
        except Exception as error:  # zipfile, json and numpy raise a dozen kinds on damaged files
            warnings.warn(f"{path} is damaged and made again: {error!r}", CacheWarning, stacklevel=2)
        arrays = _require_arrays(make())
        if self.folder.parent not in _said:
            self._keep(path, _pack(arrays, identity))
        return arrays

    def _keep(self, path: Path, data: bytes) -> None:
        """Write an entry; whatever stands in the way is told once, and then no entry is written any more."""
        for attempt in range(_ATTEMPTS):
            try:
                _make_folder(path.parent)
                if not self._swept:
                    self._swept = True
                    _sweep(path.parent)
                with written_whole(path) as file:
                    file.write(data)
                return
            except OSError as error:
                if isinstance(error, PermissionError) and _has(path, data):
                    return  # Windows: another writer was faster, and somebody is reading
                removed_meanwhile = isinstance(error, FileNotFoundError | FileExistsError)  # `clear` elsewhere
                if not removed_meanwhile or attempt == _ATTEMPTS - 1:
                    root = path.parent.parent
                    _warn_once(
                        root,
                        f"nothing more is cached in {root}, each clip is drawn anew: {error}: make room or make it "
                        f"writable and restart Python, or set LABKIT_CACHE to another folder, or to off",
                    )
                    return


@dataclass(frozen=True)
class Stored:
    """One folder of entries.

    Attributes:
        folder: where.
        entries: how many.
        bytes: size of all files together.
        outdated: drawn by another generator than the one here; nothing here reads it.
    """

    folder: Path
    entries: int
    bytes: int
    outdated: bool

    def __str__(self) -> str:
        age = ", outdated" if self.outdated else ""
        return f"{self.folder}: {self.entries} entries, {self.bytes / 1e6:.1f} MB{age}"


def stored(folder: str | os.PathLike[str] | None = None) -> list[Stored]:
    """What is kept on the disk, by name.

    Args:
        folder: where caches are kept; default `cache_folder`.

    Raises:
        OSError: it cannot be read.
    """
    root = _root(folder)
    found = []
    for path in sorted(root.iterdir()) if root and root.is_dir() else []:
        name = _FOLDER.fullmatch(path.name)
        if name and path.is_dir() and not path.is_symlink() and _is_ours(path):
            sizes = {file.name: _size(file) for file in _files(path)}
            entries = sum(bool(_ENTRY.fullmatch(file)) for file in sizes)
            found.append(Stored(path, entries, sum(sizes.values()), name[1] != _GENERATOR[:12]))
    return found


def clear(folder: str | os.PathLike[str] | None = None, outdated_only: bool = False) -> list[Stored]:
    """Delete what caches have written, and nothing else; safe while others read and write.

    Links are not followed. Other files and folders stay, and so do the folders they are in.

    Args:
        folder: where caches are kept; default `cache_folder`.
        outdated_only: keep what this generator can still read.

    Returns:
        What was there.

    Raises:
        OSError: something cannot be deleted.
    """
    removed = [item for item in stored(folder) if item.outdated or not outdated_only]
    for item in removed:
        _sweep(item.folder)
        for file in list(_files(item.folder)):
            if _ENTRY.fullmatch(file.name):
                file.unlink(missing_ok=True)
        (item.folder / _TAG).unlink(missing_ok=True)  # last: what is left after a kill stays ours
        try:
            item.folder.rmdir()
        except FileNotFoundError:
            pass
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            with contextlib.suppress(FileNotFoundError):
                _make_folder(item.folder)  # not empty: a stranger's file, or somebody is writing
    return removed


def _root(folder: str | os.PathLike[str] | None) -> Path | None:
    return cache_folder() if folder is None else Path(folder).absolute()


def _make_folder(folder: Path) -> None:
    """Make what of it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    if not _is_tagged(folder):
        with written_whole(folder / _TAG) as file:
            file.write(_TAG_TEXT)


def _is_tagged(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        return (folder / _TAG).read_bytes().startswith(_SIGNATURE)
    return False


def _is_ours(folder: Path) -> bool:
    """Whether it has our tag, or nothing but what a writer leaves that is killed before the tag is there."""
    with contextlib.suppress(FileNotFoundError):
        return _is_tagged(folder) or all(_TEMPORARY.fullmatch(path.name) for path in folder.iterdir())
    return False


def _has(path: Path, data: bytes) -> bool:
    try:
        return path.read_bytes() == data
    except OSError:
        return False


def _files(folder: Path) -> Iterator[Path]:
    """The files in a folder of ours that are ours."""
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as found:
        for file in found:
            known = file.name == _TAG or _ENTRY.fullmatch(file.name) or _TEMPORARY.fullmatch(file.name)
            if known and file.is_file(follow_symlinks=False):
                yield Path(file.path)


def _size(file: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return file.stat().st_size
    return 0


def _sweep(folder: Path) -> None:
    """Delete the temporary files of writers that were killed; one that still writes would only try again."""
    with contextlib.suppress(OSError):
        for file in list(_files(folder)):
            if _TEMPORARY.fullmatch(file.name) and file.stat().st_mtime < time.time() - _LEFT_OVER:
                file.unlink()


def _require_arrays(made: Mapping[str, np.ndarray]) -> Arrays:
    for name, array in made.items():
        if not (isinstance(name, str) and name.isidentifier()):
            raise TypeError(f"an entry's arrays must have names like Python's; got {name!r}")
        if type(array) is not np.ndarray or array.dtype.kind not in _NUMBERS:
            raise TypeError(
                f"{name} must be a numpy array of numbers or bool; got {type(array).__name__} "
                f"{getattr(array, 'dtype', '')}: convert it with np.asarray"
            )
    return dict(made)


def _pack(arrays: Arrays, identity: dict[str, Any]) -> bytes:
    """An entry as a file: an ``.npz`` with its identity, the same bytes each time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("entry.json"), _label(identity, list(arrays)))  # ZipInfo: no time of day
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def _unpack(data: bytes, identity: dict[str, Any]) -> Arrays:
    """The arrays of a file, each compared with its checksum, if it is the entry it should be; else some exception.

    ``np.load`` is not enough: if a header, damaged, promises fewer rows, it stops reading there and never compares. And
    it copies five times.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        label, *members = archive.infolist()
    names = [member.filename.removesuffix(".npy") for member in members]
    expected, came = _label(identity, names), bytes(_content(data, label))
    if came != expected:
        raise ValueError(f"expected the entry {expected!r}; got {came!r}")
    return {name: _array(_content(data, member)) for name, member in zip(names, members, strict=True)}


def _content(data: bytes, member: zipfile.ZipInfo) -> memoryview:
    """The bytes of a member of an archive, without copying them."""
    name_size, extra_size = struct.unpack_from("<HH", data, member.header_offset + 26)
    start = member.header_offset + 30 + name_size + extra_size
    content = memoryview(data)[start : start + member.file_size]
    if member.compress_type != zipfile.ZIP_STORED or zlib.crc32(content) != member.CRC:
        raise zipfile.BadZipFile(f"the checksum of {member.filename} does not fit")
    return content


def _array(content: memoryview) -> np.ndarray:
    """The array in the bytes of a ``.npy`` file of version 1.0."""
    file = io.BytesIO(content[:_HEADER_BYTES])
    np.lib.format.read_magic(file)
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    if dtype.kind not in _NUMBERS:
        raise ValueError(f"expected numbers or bool; got {dtype}")  # as Python objects, bytes would be addresses
    array = np.ndarray(shape, dtype, content, file.tell(), order="F" if fortran else "C")
    return array.copy("K")  # aligned, and the caller's own


def _label(identity: dict[str, Any], names: list[str]) -> bytes:
    return json.dumps({**identity, "arrays": names}).encode()


def _warn_once(subject: object, text: str) -> None:
    """Warn, once a process for each subject, whatever the number of threads."""
    mine = object()
    if _said.setdefault(subject, mine) is mine:
        warnings.warn(text, CacheWarning, stacklevel=4)
