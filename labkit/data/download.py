"""Fetching a data set: archives that arrive whole, and folders that are there whole or not at all.

What the scripts of ``data_scripts/`` share. Nothing else in the lab calls it: nothing downloads while it trains.
"""

import argparse
import http
import http.client
import json
import os
import re
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tqdm.auto import tqdm

from labkit.data.archives import ArchiveError, require_free
from labkit.data.jobs import JobsError, file_hash, locked, report
from labkit.data.supplied import SuppliedVideos, survey
from labkit.files import whole_folder, written_whole

TIMEOUT = 60.0  # seconds without a byte
_CHUNK = 2**20
_PASSING = {408, 425, 429, 500, 502, 503, 504}  # HTTP errors that may be gone the next time


class DownloadError(RuntimeError):
    """A file cannot be fetched or is not the right one; the message says what was expected, what came, what to do."""


def install(folder: Path, url: str, archive: Path, sha256: str | None, fill: Callable[[Path, Path], None]) -> None:
    """Fetch an archive and unpack it to a folder, unless the folder is there; errors are those of the two steps.

    Args:
        folder: what to make; it appears when it is complete.
        url: where the archive comes from.
        archive: where it is kept; one that is there already is used.
        sha256: its hash, if known; see `download`.
        fill: `unpack`, or what else turns the archive into the content of a new folder.
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
    """Fetch a file, or continue where an earlier attempt ended, and check what came.

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
        recorded = next(iter(record.read_text(encoding="utf-8").split()), None) if record.is_file() else None
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


def script_parser(
    description: str | None,
    root: str = "the folder to make or to complete",
    **sources: tuple[str, str | Sequence[str]],
) -> argparse.ArgumentParser:
    """The options of a script: ``root``, ``--processes``, and for each source its address and its hash.

    Args:
        description: what the script says about itself.
        root: what the folder is.
        sources: what it is and its address, or several, by the name of the option: ``lists_url=("the lists", URL)``
            makes ``--lists-url`` and ``--lists-sha256``.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help=root)
    for name, (what, address) in sources.items():
        option = "--" + name.replace("_", "-")
        number, unknown = (None, None) if isinstance(address, str) else (len(address), [None] * len(address))
        parser.add_argument(option, nargs=number, default=address, metavar="URL", help=what)
        hashes = re.sub("urls?$", "sha256", option)
        parser.add_argument(hashes, nargs=number, default=unknown, metavar="HASH", help="SHA-256, if known")
    parser.add_argument("--processes", type=int, default=1, help="for the index (default: 1)")
    return parser


def check_supplied(
    clips: type[SuppliedVideos],
    description: str | None,
    arguments: Sequence[str] | None = None,
    store_frames: Callable[..., Mapping[str, str]] | None = None,
) -> int:
    """What a script does for a set that is not to be fetched: look at the user's copy; returns an `exit_code`.

    Args:
        clips: the set.
        description: what the script says about itself.
        arguments: of the command line; None for those of the process.
        store_frames: what the option ``--frames`` does as well: ``(root, videos=..., processes=...) -> errors``.
    """
    parser = script_parser(description, "the folder with videos and lists")
    if store_frames is not None:
        parser.add_argument("--frames", action="store_true", help="store the frames that networks are trained on, too")
    parser.add_argument("--videos", default="videos", help="folder of the videos, relative to it (default: videos)")
    parser.add_argument("--lists", default="lists", help="folder of the lists, relative to it (default: lists)")
    options = parser.parse_args(arguments)

    def check() -> Mapping[str, str]:
        errors = survey(clips, options.root, videos=options.videos, lists=options.lists, processes=options.processes)
        if store_frames is not None and options.frames:
            errors |= store_frames(options.root, videos=options.videos, processes=options.processes)
        return errors

    return exit_code(check)


def exit_code(fetch: Callable[[], Mapping[str, str]]) -> int:
    """Run what a script of ``data_scripts`` does, and say on stderr what went wrong; 0, or 1 if anything did.

    Args:
        fetch: does it; returns for each file that does not decode, why.
    """
    try:
        errors = fetch()
    except (DownloadError, ArchiveError, JobsError, OSError, ValueError) as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    if errors:
        print(report(errors), file=sys.stderr)
    return 1 if errors else 0
