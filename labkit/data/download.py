"""Fetching a data set: archives that arrive whole, and folders that are there whole or not at all.

What the scripts of ``data_scripts/`` share. Nothing else in the lab calls it: nothing downloads while it trains.
"""

import argparse
import contextlib
import errno
import gzip
import http
import http.client
import io
import json
import lzma
import os
import re
import secrets
import shutil
import ssl
import stat
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tqdm.auto import tqdm

from labkit.data.jobs import JobsError, file_hash, locked, report
from labkit.data.supplied import SuppliedVideos, survey
from labkit.files import written_whole

TIMEOUT = 60.0  # seconds without a byte
SPARE = 256 * 2**20  # bytes of a disk that stay free
_CHUNK = 2**20
_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError)
_PASSING = {408, 425, 429, 500, 502, 503, 504}  # HTTP errors that may be gone the next time


class DownloadError(RuntimeError):
    """A file cannot be fetched or is not the right one; the message says what was expected, what came, what to do."""


class ArchiveError(ValueError):
    """An archive cannot be unpacked, or must not be; the message says why and what to do."""


def install(folder: Path, url: str, archive: Path, sha256: str | None, fill: Callable[[Path, Path], None]) -> None:
    """Fetch an archive and unpack it to a folder, unless the folder is there.

    Args:
        folder: what to make; it appears when it is complete.
        url: where the archive comes from.
        archive: where it is kept; one that is there already is used.
        sha256: its hash, if known; see `download`.
        fill: `unpack`, or what else turns the archive into the content of a new folder.

    Raises:
        DownloadError: the archive does not come, or not whole.
        ArchiveError: it does not unpack.
        OSError: the disk is full, or not writable.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.parent):
        if folder.is_dir():
            print(f"{folder} is there already")
            return
        print(f"{archive}: SHA-256 {download(url, archive, sha256=sha256)}")
        with whole_folder(folder) as new:
            fill(archive, new)


def download(url: str, path: Path, *, sha256: str | None = None, patience: int = 6, pause: float = 1.0) -> str:
    """Fetch a file, or go on where an earlier attempt ended, and check what came.

    Bytes that have arrived are kept in ``path.part``. They are continued (HTTP ``Range``) only if the server confirms
    that it is still the same file (``If-Range``, by its ETag or date); otherwise the download starts again. The hash of
    the finished file is written beside it, ``path.sha256``, as ``sha256sum -c`` reads it.

    Args:
        url: http or https.
        path: the file to make. One that is there is not fetched, only checked.
        sha256: what its hash must be. Without it, the hash recorded the first time; a first time has only the length
            that the server announced.
        patience: attempts in a row that bring no byte, before it gives up.
        pause: seconds before the second attempt; doubled each time.

    Returns:
        The hash.

    Raises:
        DownloadError: not found, cut off for good, of an unknown length, a web page, or of another hash.
        OSError: the disk is full, or not writable.
    """
    record = path.with_name(f"{path.name}.sha256")
    if not path.exists():
        if not url.startswith(("http://", "https://")):
            raise DownloadError(f"url must start with http:// or https://; got {url!r}: or bring the file to {path}")
        path.parent.mkdir(parents=True, exist_ok=True)
        part = _Part(url, path, sized=sha256 is None)
        part.path.touch()
        with locked(part.path):
            _fetch(part, patience, pause)
            found = file_hash(part.path)
            if sha256 and found != sha256.lower():
                raise DownloadError(
                    f"{url}: expected SHA-256 {sha256}; got {found}: correct the hash and run again, or delete "
                    f"{part.path} to fetch it again"
                )
            os.replace(part.path, path)
            part.state.unlink(missing_ok=True)
    else:
        recorded = record.read_text(encoding="utf-8").split()[0] if record.is_file() else None
        found = file_hash(path)
        if (expected := (sha256 or recorded or found).lower()) != found:
            raise DownloadError(
                f"{path}: expected SHA-256 {expected}; got {found}: it is damaged or another file, delete it (and "
                f"{record.name}) to fetch it again"
            )
    with written_whole(record) as file:
        file.write(f"{found}  {path.name}\n".encode())
    return found


class _Part:
    """What has arrived of a file, and by what the server knows it again."""

    def __init__(self, url: str, path: Path, sized: bool) -> None:
        self.url, self.final, self.sized = url, path, sized
        self.path, self.state = path.with_name(f"{path.name}.part"), path.with_name(f"{path.name}.part.json")

    def size(self) -> int:
        return self.path.stat().st_size

    def known(self) -> dict:
        """``url``, ``validator`` and ``bytes`` of the file that the bytes belong to; empty where there is none."""
        try:
            known = json.loads(self.state.read_bytes())
        except (OSError, ValueError):
            return {}
        return known if known.get("url") == self.url else {}


def _fetch(part: _Part, patience: int, pause: float) -> None:
    """Bring all bytes of a file into its part, in as many attempts as it takes."""
    fruitless = 0
    while True:
        before = part.size()
        try:
            return _attempt(part)
        except urllib.error.HTTPError as error:
            reason = f"HTTP {error.code} {error.reason}"
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                os.truncate(part.path, 0)
            elif error.code not in _PASSING:
                raise _refused(part, reason) from None
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            cause = error.reason if isinstance(error, urllib.error.URLError) else error
            reason = f"{type(cause).__name__}: {cause}"
            if isinstance(cause, ssl.SSLCertVerificationError):
                raise _refused(part, reason) from None
        fruitless = 0 if part.size() > before else fruitless + 1
        if fruitless >= patience:
            raise _refused(part, f"{reason}, {patience} times in a row; {part.size()} bytes are kept in {part.path}")
        time.sleep(pause * 2 ** max(0, fruitless - 1))


def _attempt(part: _Part) -> None:
    """One request, for what is missing; raises where the connection ends early."""
    have, known = part.size(), part.known()
    if have and have == known.get("bytes"):
        return
    headers = {"User-Agent": "labkit", "Accept-Encoding": "identity"}
    if have and known.get("validator"):
        headers |= {"Range": f"bytes={have}-", "If-Range": known["validator"]}
    with urllib.request.urlopen(urllib.request.Request(part.url, headers=headers), timeout=TIMEOUT) as response:
        if response.headers.get_content_type() == "text/html":
            raise _refused(part, "a web page")
        if response.status == http.HTTPStatus.PARTIAL_CONTENT:
            span = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", response.headers.get("Content-Range", ""))
            if not span or int(span[1]) != have or int(span[3]) != known.get("bytes"):
                part.state.unlink(missing_ok=True)  # nothing to rely on: from the start
                raise http.client.HTTPException(f"another range than asked, {response.headers.get('Content-Range')}")
            total = known["bytes"]
        else:
            have, total = 0, int(response.headers.get("Content-Length", -1))
            chunked = response.headers.get("Transfer-Encoding", "").lower() == "chunked"
            if total < 0 and not chunked and part.sized:
                raise _refused(part, "one of unknown length, so that a cut would go unnoticed; pass its SHA-256")
            etag = response.headers.get("ETag", "")
            validator = etag if etag.startswith('"') else response.headers.get("Last-Modified")  # a weak ETag is none
            os.truncate(part.path, 0)
            with written_whole(part.state) as state:
                state.write(json.dumps({"url": part.url, "validator": validator, "bytes": total}).encode())
        require_free(part.path.parent, max(0, total - have), part.final.name)
        _receive(response, part, have, total)


def _receive(response: http.client.HTTPResponse, part: _Part, have: int, total: int) -> None:
    length = None if total < 0 else total
    with (
        part.path.open("ab") as file,
        tqdm(total=length, initial=have, unit="B", unit_scale=True, desc=part.final.name) as bar,
    ):
        while chunk := response.read1(_CHUNK):
            file.write(chunk)
            bar.update(len(chunk))
    if length is not None and part.size() < length:
        raise http.client.HTTPException(f"the connection ended after {part.size()} of {length} bytes")


def _refused(part: _Part, reason: str) -> DownloadError:
    return DownloadError(
        f"{part.url}: expected the file {part.final.name}; got {reason}: try again, name another source with --url, or "
        f"bring the file to {part.final} by other means and run again"
    )


def require_free(folder: Path, size: int, what: str) -> None:
    """Check that a disk has room for as many bytes, and some to spare; raises ``OSError`` (no space)."""
    free = shutil.disk_usage(folder).free
    if free < size + SPARE:
        raise OSError(
            errno.ENOSPC,
            f"{what}: expected {(size + SPARE) / 1e9:.2f} GB free on the disk of {folder}; got {free / 1e9:.2f} GB: "
            "make room, then run again",
        )


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A new folder to fill under another name, renamed when all went well, else removed.

    Hold `locked` on its parent: what a killed process left of an earlier attempt is removed first.

    Args:
        path: the folder to make; it must not exist.

    Yields:
        The folder to fill, beside it.
    """
    for left in path.parent.iterdir():
        if re.fullmatch(rf"\.{re.escape(path.name)}\.[0-9a-f]{{8}}\.tmp", left.name):
            shutil.rmtree(left)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    temporary.mkdir()
    try:
        yield temporary
        os.rename(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@dataclass(frozen=True)
class _Member:
    """What an archive lists: ``kind`` is "file", "folder" or something that is not unpacked."""

    name: str
    kind: str
    size: int
    open: Callable[[], IO[bytes]] | None = None


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip, tar or RAR archive; a single folder that holds everything is left out.

    Nothing is written outside the folder, whatever the archive says: a name that leads out of it, a link, or anything
    else that is neither file nor folder is an error before a byte is written. RAR needs ``bsdtar`` (libarchive),
    ``unrar`` or 7-Zip on the PATH; what one of them cannot read, the next may. Damage shows where the archive has
    checksums; a tar without compression has none, and bsdtar 3.6 does not look at those of members of a RAR that are
    stored uncompressed: there the hash of the archive is the only witness.

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
            with zipfile.ZipFile(archive) as zipped:
                _write(archive, inside, [_zip_member(zipped, info) for info in zipped.infolist()])
        elif tarfile.is_tarfile(archive):
            with tarfile.open(archive) as tar:
                _write(archive, inside, [_tar_member(tar, info) for info in tar])
                while tar.fileobj and tar.fileobj.read(_CHUNK):  # to the end, where gzip has its checksum
                    pass
        else:
            raise ArchiveError(f"{archive}: expected a zip, tar or RAR archive; got {head!r}...: fetch it again")
    except _DAMAGE as error:
        raise ArchiveError(f"{archive}: expected a whole archive; got {error}: delete it, fetch it again") from error
    entries = list(inside.iterdir())
    top = entries[0] if len(entries) == 1 and entries[0].is_dir() else inside
    for entry in list(top.iterdir()):
        os.rename(entry, folder / entry.name)
    shutil.rmtree(inside)


def _write(archive: Path, folder: Path, members: Sequence[_Member]) -> None:
    """Write members by our own hand: nothing that an archive says about modes, owners or links takes effect."""
    _require_safe(archive, folder, members)
    for member in tqdm(members, desc=archive.name, unit="file"):
        target = folder / member.name
        if member.kind == "folder":
            target.mkdir(parents=True, exist_ok=True)
        elif member.open:
            target.parent.mkdir(parents=True, exist_ok=True)
            with member.open() as source, target.open("xb") as file:
                shutil.copyfileobj(source, file, _CHUNK)


def _require_safe(archive: Path, folder: Path, members: Sequence[_Member]) -> None:
    names = set()
    for member in members:
        parts = re.split(r"[/\\]", member.name)
        leads_out = ".." in parts or parts[0] == "" or re.match("[A-Za-z]:", parts[0]) is not None
        if leads_out or member.kind not in ("file", "folder") or (member.kind == "file" and member.name in names):
            what = "a name that leads out" if leads_out else "twice" if member.name in names else member.kind
            raise ArchiveError(
                f"{archive}: expected files and folders inside it; got {member.name!r}, {what}: nothing was unpacked, "
                "see where it comes from"
            )
        names.add(member.name)
    require_free(folder, sum(member.size for member in members), archive.name)


def _zip_member(zipped: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    mode = info.external_attr >> 16  # of Unix; 0 where the archive is from elsewhere
    kind = "folder" if info.is_dir() else "file" if stat.S_IFMT(mode) in (0, stat.S_IFREG) else "a link or device"
    return _Member(info.filename, kind, info.file_size, lambda: zipped.open(info))


def _tar_member(tar: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    kind = "file" if info.isreg() else "folder" if info.isdir() else "a link or device"
    return _Member(info.name, kind, info.size, lambda: tar.extractfile(info) or io.BytesIO())


@dataclass(frozen=True)
class _RarTool:
    """A program that reads RAR: how it lists and extracts, and how its list reads."""

    program: str
    listing: tuple[str, ...]
    extracting: tuple[str, ...]
    parse: Callable[[str], list[_Member]]


def _parse_bsdtar(text: str) -> list[_Member]:
    """Lines as of ``ls -l``: mode, links, user, group, size, three words of date, name."""
    kinds = {"-": "file", "d": "folder"}
    fields = [line.split(None, 8) for line in text.splitlines()]
    return [_Member(field[8], kinds.get(field[0][0], "a link or device"), int(field[4])) for field in fields]


def _parse_blocks(text: str, name: str, between: str, kind: Callable[[dict[str, str]], str]) -> list[_Member]:
    """Blocks of ``key between value`` lines, each begun by the key ``name``."""
    blocks: list[dict[str, str]] = []
    for line in text.splitlines():
        key, found, value = line.partition(between)
        if found and key.strip() == name:
            blocks.append({})
        if found and blocks:
            blocks[-1].setdefault(key.strip(), value.rstrip("\r"))
    return [_Member(block[name], kind(block), int(block.get("Size") or 0)) for block in blocks]


def _parse_unrar(text: str) -> list[_Member]:
    kinds = {"File": "file", "Directory": "folder"}
    return _parse_blocks(text, "Name", ": ", lambda block: kinds.get(block.get("Type", ""), "a link or device"))


def _parse_7z(text: str) -> list[_Member]:
    def kind(block: dict[str, str]) -> str:
        mode = block.get("Attributes", "").split()[-1:]
        if block.get("Symbolic Link") or block.get("Hard Link") or (mode and mode[0].startswith("l")):
            return "a link or device"
        return "folder" if block.get("Folder") == "+" else "file"

    return _parse_blocks(text, "Path", " = ", kind)


RAR_TOOLS = (
    _RarTool("bsdtar", ("-tvf", "{archive}"), ("-x", "-o", "-f", "{archive}", "-C", "{folder}"), _parse_bsdtar),
    _RarTool("unrar", ("lt", "-p-", "{archive}"), ("x", "-idq", "-p-", "{archive}", "{folder}/"), _parse_unrar),
    _RarTool("7zz", ("l", "-slt", "-ba", "{archive}"), ("x", "-y", "-o{folder}", "{archive}"), _parse_7z),
    _RarTool("7z", ("l", "-slt", "-ba", "{archive}"), ("x", "-y", "-o{folder}", "{archive}"), _parse_7z),
)
"""In the order in which they are tried; bsdtar first, since it is free software and by itself refuses to leave."""


def _unpack_rar(archive: Path, folder: Path) -> None:
    tried = []
    for tool in RAR_TOOLS:
        if shutil.which(tool.program) is None:
            continue
        try:
            members = tool.parse(_run(tool.program, tool.listing, archive, folder))
            if not members:  # perhaps another program of that name, whose lists read otherwise
                raise _ToolError("lists nothing")
            _require_safe(archive, folder, members)
            size = sum(member.size for member in members)
            _run(tool.program, tool.extracting, archive, folder, expected=size)
            if (found := _plain_size(archive, folder)) != size:
                raise _ToolError(f"unpacked {found} of {size} bytes")
            return
        except (_ToolError, IndexError, KeyError, ValueError) as error:
            if isinstance(error, ArchiveError):
                raise
            tried.append(f"{tool.program}: {error}")
            shutil.rmtree(folder)
            folder.mkdir()
    if tried:
        raise ArchiveError(
            f"{archive}: expected a RAR archive that unpacks; got {'; '.join(tried)}: install another of "
            "bsdtar, unrar and 7z, or delete the archive and fetch it again"
        )
    raise ArchiveError(
        f"{archive}: expected a program that reads RAR; got none of {', '.join(tool.program for tool in RAR_TOOLS)}: "
        "install libarchive's bsdtar (apt-get install libarchive-tools; conda or brew install libarchive) and run again"
    )


class _ToolError(RuntimeError):
    """A program failed; another one may not."""


def _run(program: str, arguments: Sequence[str], archive: Path, folder: Path, expected: int | None = None) -> str:
    """Run a program on an archive and return what it prints; shows how much of ``expected`` bytes is unpacked."""
    command = [program, *(part.format(archive=archive.absolute(), folder=folder.absolute()) for part in arguments)]
    environment = os.environ | {"LC_ALL": "C.UTF-8"}  # names as they are, dates of three words
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with (
            subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment) as process,
            tqdm(total=expected, unit="B", unit_scale=True, desc=archive.name, disable=expected is None) as bar,
        ):
            while process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=1)
                if expected is not None:
                    bar.update(_size(folder) - bar.n)
        out.seek(0), err.seek(0)
        if process.returncode:
            raise _ToolError(f"exit {process.returncode}, {err.read().decode(errors='replace').strip()[-300:]}")
        return out.read().decode(errors="replace")


def _size(folder: Path) -> int:
    """Bytes of the files in a folder; those that come and go meanwhile do not count."""
    size = 0
    for place, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                size += os.lstat(os.path.join(place, name)).st_size
    return size


def _plain_size(archive: Path, folder: Path) -> int:
    """As `_size`, of a folder in which nothing may be but files and folders."""
    for path in folder.rglob("*"):
        found = path.lstat()
        if not (stat.S_ISDIR(found.st_mode) or (stat.S_ISREG(found.st_mode) and found.st_nlink == 1)):
            raise ArchiveError(f"{archive}: expected files and folders; got {path.name!r}, a link or device: not used")
    return _size(folder)


def check_supplied(clips: type[SuppliedVideos], description: str, arguments: Sequence[str] | None = None) -> int:
    """What a script does for a set that is not to be fetched: look at the user's copy.

    Args:
        clips: the set.
        description: what the script says about itself.
        arguments: of the command line; None for those of the process.

    Returns:
        The exit code, see `exit_code`.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="the folder with videos and lists")
    parser.add_argument("--videos", default="videos", help="folder of the videos, relative to it (default: videos)")
    parser.add_argument("--lists", default="lists", help="folder of the lists, relative to it (default: lists)")
    parser.add_argument("--processes", type=int, default=1, help="for the index (default: 1)")
    options = parser.parse_args(arguments)
    places = {"videos": options.videos, "lists": options.lists}
    return exit_code(lambda: survey(clips, options.root, processes=options.processes, **places))


def exit_code(fetch: Callable[[], Mapping[str, str]]) -> int:
    """Run what a script of ``data_scripts`` does, and say on stderr what went wrong.

    Args:
        fetch: installs and completes a set; returns for each file that does not decode, why.

    Returns:
        0, or 1 if anything failed.
    """
    try:
        errors = fetch()
    except (DownloadError, ArchiveError, JobsError, OSError, ValueError) as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    if errors:
        print(report(errors), file=sys.stderr)
    return 1 if errors else 0
