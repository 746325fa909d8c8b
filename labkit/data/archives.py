"""Unpacking zip, tar and RAR, so that nothing lands outside of the folder."""

import errno
import lzma
import os
import re
import shutil
import stat
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

from tqdm.auto import tqdm

SPARE = 256 * 2**20  # bytes of a disk that stay free
RAR_TOOLS = (  # a program, how it lists, what stands before a name there, how it extracts
    ("bsdtar", "-tf {archive}", "", "-xvof {archive} -C {folder}"),  # free software, and by itself refuses to leave
    ("unrar", "lb -p- {archive}", "", "x -p- {archive} {folder}/"),
    ("7zz", "l -slt -ba {archive}", "Path = ", "x -y -bb1 -o{folder} {archive}"),
    ("7z", "l -slt -ba {archive}", "Path = ", "x -y -bb1 -o{folder} {archive}"),
)
_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, RuntimeError, OSError)


class ArchiveError(ValueError):
    """An archive cannot be unpacked, or must not be; the message says why and what to do."""


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip, tar or RAR archive; a single folder that holds everything is left out.

    A name that leads out of the folder is an error before a byte is written, a link or a device one before anything is
    used. RAR needs ``bsdtar`` (libarchive), ``unrar`` or 7-Zip on the PATH; what one of them cannot read, the next may.
    Damage shows where the archive has checksums; a tar without compression has none.

    Args:
        archive: the file; its content decides, not its name.
        folder: an empty folder.

    Raises:
        ArchiveError: not such an archive, damaged, not safe, or no tool for RAR.
        OSError: the disk is full, or not writable.
    """
    inside = folder / ".unpacked"
    inside.mkdir()
    with archive.open("rb") as file:
        head = file.read(8)
    try:
        if head.startswith(b"Rar!\x1a\x07"):
            _unpack_rar(archive, inside)
        elif zipfile.is_zipfile(archive):
            _unpack_zip(archive, inside)
        elif tarfile.is_tarfile(archive):
            _unpack_tar(archive, inside)
        else:
            raise ArchiveError(f"{archive}: expected a zip, tar or RAR archive; got {head!r}...: fetch it again")
    except _DAMAGE as error:
        if getattr(error, "errno", None) is not None:  # of the disk; gzip and bz2 give none
            raise
        raise ArchiveError(f"{archive}: expected a whole archive; got {error}: delete it, fetch it again") from error
    for path in inside.rglob("*"):
        facts = path.lstat()
        if not (stat.S_ISDIR(facts.st_mode) or (stat.S_ISREG(facts.st_mode) and facts.st_nlink == 1)):
            raise _unsafe(archive, path.name, "a link or device")
    entries = list(inside.iterdir())
    top = entries[0] if len(entries) == 1 and entries[0].is_dir() else inside
    for entry in list(top.iterdir()):
        os.rename(entry, folder / entry.name)
    shutil.rmtree(inside)


def require_free(folder: Path, size: int, what: str) -> None:
    """Check that a disk has room for as many bytes, and some to spare; raises ``OSError`` (no space)."""
    free = shutil.disk_usage(folder).free
    if free < size + SPARE:
        raise OSError(
            errno.ENOSPC,
            f"{what}: expected {(size + SPARE) / 1e9:.2f} GB free on the disk of {folder}; got {free / 1e9:.2f} GB: "
            "make room, then run again",
        )


def _unsafe(archive: Path, name: str, what: str) -> ArchiveError:
    return ArchiveError(
        f"{archive}: expected files and folders inside it; got {name!r}, {what}: not used, see where it comes from"
    )


def _require_safe(archive: Path, names: Iterable[str]) -> None:
    """Check names before anything is written; those of folders end in a slash, and may come twice."""
    files: set[str] = set()
    for name in names:
        parts = re.split(r"[/\\]", name)
        if ".." in parts or parts[0] == "" or re.match("[A-Za-z]:", parts[0]):
            raise _unsafe(archive, name, "a name that leads out")
        if name in files:
            raise _unsafe(archive, name, "twice")
        files |= set() if name.endswith("/") else {name}


def _unpack_zip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as zipped:
        members = zipped.infolist()
        _require_safe(archive, zipped.namelist())
        for member in members:
            if stat.S_ISLNK(member.external_attr >> 16):  # the module would write a file of the link's target
                raise _unsafe(archive, member.filename, "a link or device")
        require_free(folder, sum(member.file_size for member in members), archive.name)
        for member in tqdm(members, desc=archive.name, unit="file"):
            zipped.extract(member, folder)


def _unpack_tar(archive: Path, folder: Path) -> None:
    if not hasattr(tarfile, "data_filter"):
        raise ArchiveError(f"{archive}: expected Python 3.11.4 or newer to unpack a tar safely: update it")
    with tarfile.open(archive) as tar:
        members = tar.getmembers()
        while tar.fileobj and tar.fileobj.read(2**20):  # to the end, where gzip has its checksum
            pass
        _require_safe(archive, (member.name + "/" * member.isdir() for member in members))
        require_free(folder, sum(member.size for member in members), archive.name)
        for member in tqdm(members, desc=archive.name, unit="file"):
            try:
                tar.extract(member, folder, filter="data")
            except tarfile.FilterError as error:
                raise _unsafe(archive, member.name, f"a link or device ({error})") from error


def _unpack_rar(archive: Path, folder: Path) -> None:
    failures = []
    for program, listing, prefix, extracting in RAR_TOOLS:
        if shutil.which(program) is None:
            continue
        places = {"archive": archive.absolute(), "folder": folder.absolute()}
        try:
            lines = _run([program, *(part.format(**places) for part in listing.split())])
            names = [line.removeprefix(prefix) for line in lines if line.startswith(prefix) and line]
            if not names:  # perhaps another program of that name, whose lists read otherwise
                raise _ToolError("lists nothing")
            _require_safe(archive, names)
            require_free(folder, archive.stat().st_size, archive.name)
            _run([program, *(part.format(**places) for part in extracting.split())], archive.name, len(names))
            if (unpacked := sum(1 for _ in folder.rglob("*"))) < len(set(names)):
                raise _ToolError(f"unpacked {unpacked} of {len(names)} files and folders")
            return
        except _ToolError as error:
            failures.append(f"{program}: {error}")
            shutil.rmtree(folder)
            folder.mkdir()
    if failures:
        raise ArchiveError(
            f"{archive}: expected a RAR archive that unpacks; got {'; '.join(failures)}: install another of "
            "bsdtar, unrar and 7z, or delete the archive and fetch it again"
        )
    raise ArchiveError(
        f"{archive}: expected a program that reads RAR; got none of {', '.join(tool[0] for tool in RAR_TOOLS)}: "
        "install libarchive's bsdtar (apt-get install libarchive-tools; conda or brew install libarchive) and run again"
    )


class _ToolError(RuntimeError):
    """A program failed; another one may not."""


def _run(command: list[str], title: str = "", files: int | None = None) -> list[str]:
    """Run a program, and return the lines that it prints, one or so for each of the files that it unpacks."""
    environment = os.environ | {"LC_ALL": "C.UTF-8"}  # names as they are
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        said = tqdm(process.stdout, desc=title, total=files, unit="file", disable=files is None)
        lines = [line.rstrip("\r\n") for line in said]
    if process.returncode:
        raise _ToolError(f"exit {process.returncode}, {' '.join(lines)[-300:].strip()}")
    return lines
