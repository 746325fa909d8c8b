"""What a learning platform hands over: an archive or a folder of submissions, sorted by student and time.

Moodle's archives have a folder ``NAME_ID_assignsubmission_file`` for each student, Canvas' files begin with
``NAME_ID_SUBMISSION_``; `labkit hand-in` writes ``NN_stem_STUDENT.zip``. Names are looked up in the roster: by number,
platform number, mail address, name.
"""

import re
import stat
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from labkit.files import written_whole
from labkit.teaching.classroom import Classroom, Student

MOST_BYTES = 2_000_000_000  # of all files together
MOST_OF_ONE = 20_000_000  # of a file
_ENDINGS = (".ipynb", ".py")


class ArchiveError(ValueError):
    """An archive is refused; the message says why."""


@dataclass(frozen=True)
class File:
    """One file that came.

    Attributes:
        path: within the archive; of a file in an inner archive with that one's path before it.
        time: when it was last changed, as far as the archive says.
        content: its bytes.
    """

    path: PurePosixPath
    time: datetime
    content: bytes


@dataclass
class Collected:
    """What came of an archive.

    Attributes:
        filed: folders that were made, by student.
        unknown: files that belong to nobody on the roster.
        odd: files that are no notebook, or too large, and were left out.
        lacking: students of whom nothing is there, now or from before.
    """

    filed: dict[str, list[Path]] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)


def collect(source: Path, classroom: Classroom, number: str) -> Collected:
    """Sort what was handed in into ``submitted/STUDENT/TIME``; what lies there already stays.

    Args:
        source: an archive, or a folder.
        classroom: with the roster.
        number: of the assignment.

    Raises:
        ArchiveError: no archive and no folder; a path that leads out of it, a link, more than 2 GB.
    """
    collected = Collected()
    by_version: dict[tuple[str, datetime], list[File]] = {}
    groups: dict[tuple[str, PurePosixPath], list[File]] = {}
    for file in _files(source):
        if file.path.suffix.lower() not in _ENDINGS or len(file.content) > MOST_OF_ONE:
            collected.odd.append(str(file.path))
        elif student := owner(file.path, classroom.roster.values()):
            groups.setdefault((student, file.path.parent), []).append(file)
        else:
            collected.unknown.append(str(file.path))
    for (student, _), files in groups.items():
        by_version.setdefault((student, max(file.time for file in files)), []).extend(files)
    for (student, time), files in by_version.items():
        folder = classroom.of(number, "submitted", student, name_of(time))
        if not folder.exists():
            folder.mkdir(parents=True)
            for file in files:
                with written_whole(folder / file.path.name) as output:
                    output.write(file.content)
            collected.filed.setdefault(student, []).append(folder)
    for team in classroom.teams():
        if not any(classroom.of(number, "submitted", student).is_dir() for student in team):
            collected.lacking += team
    return collected


def name_of(time: datetime) -> str:
    """A time as it names a folder, in UTC: ``2026-12-04T20-58-03``."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H-%M-%S")


def time_of(name: str) -> datetime | None:
    """The time that a folder is named after; None for another name."""
    try:
        return datetime.strptime(name, "%Y-%m-%dT%H-%M-%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def owner(path: PurePosixPath, roster: Iterable[Student]) -> str:
    """The student that a path names, by a number if it has one, else by name; empty if nobody, or several."""
    words, roster = set(_words(path)), list(roster)
    for named in (_numbers, _names):
        if found := {one.student for one in roster if words & {_plain(name) for name in named(one) if name.strip()}}:
            return found.pop() if len(found) == 1 else ""
    return ""


def _words(path: PurePosixPath) -> Iterator[str]:
    """What in a path may name a student: folders, Moodle's and Canvas' parts, the end of the name of a file."""
    for part in path.parts[:-1]:
        yield _plain(part)
        if moodle := re.fullmatch(r"(.+?)_(\d+)_assignsubmission_\w+", part):
            yield from map(_plain, moodle.groups())
        if part.lower().endswith(".zip"):
            yield from _ends(part)
    if canvas := re.match(r"([^_]+)_(?:late_)?(\d+)_\d+_", path.name, flags=re.I):
        yield from map(_plain, canvas.groups())
    yield from _ends(path.name)


def _ends(name: str) -> Iterator[str]:
    """The ends of ``02_two_stream_s1.zip``: ``two_stream_s1``, ``stream_s1``, ``s1``."""
    pieces = re.sub(r"^\d\d_", "", name.rsplit(".", 1)[0]).split("_")
    yield from (_plain("_".join(pieces[start:])) for start in range(len(pieces)))


def _numbers(student: Student) -> tuple[str, ...]:
    return student.student, student.moodle, student.canvas, student.email


def _names(student: Student) -> tuple[str, ...]:
    words = student.name.split()
    return student.name, "".join([*words[-1:], *words[:-1]]), "".join(words), "_".join(words)


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _files(source: Path) -> Iterator[File]:
    if source.is_dir():
        total = 0
        for path in sorted(source.rglob("*")):
            if path.is_symlink():
                raise ArchiveError(f"{path} is a link: a folder of submissions must hold files only")
            if path.is_file():
                total += path.stat().st_size
                _require_small(total, source)
                time = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                relative = PurePosixPath(path.relative_to(source).as_posix())
                if path.suffix.lower() == ".zip":
                    with path.open("rb") as file:
                        yield from _in_archive(file, relative, str(path))
                else:
                    yield File(
                        relative,
                        time,
                        path.read_bytes() if path.stat().st_size <= MOST_OF_ONE else b" " * (MOST_OF_ONE + 1),
                    )
    elif source.is_file():
        with source.open("rb") as file:
            inner = PurePosixPath(source.name) if re.fullmatch(r"\d\d_\w+\.zip", source.name) else PurePosixPath()
            yield from _in_archive(file, inner, str(source))
    else:
        raise ArchiveError(f"{source} must be an archive (.zip) or a folder; there is no such thing")


def _in_archive(file: BinaryIO, prefix: PurePosixPath, name: str, depth: int = 2) -> Iterator[File]:
    """The files of an archive, and of the archives in it."""
    try:
        archive = zipfile.ZipFile(file)
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise ArchiveError(f"{name} must be a .zip archive; {error}: fetch it again") from error
    _require_small(sum(entry.file_size for entry in entries), name)
    for entry in entries:
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", entry.filename):
            raise ArchiveError(f"{name} holds {entry.filename!r}, which leads out of it: nothing was taken from it")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise ArchiveError(f"{name} holds a link, {entry.filename!r}: nothing was taken from it")
    for entry in entries:
        path = prefix / entry.filename.replace("\\", "/")
        if path.name.startswith("._") or "__MACOSX" in path.parts:
            continue
        try:
            content = _read(archive, entry)
        except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as error:
            raise ArchiveError(f"{name}: {entry.filename!r} cannot be read; {error}") from error
        if path.suffix.lower() == ".zip" and depth and len(content) <= MOST_OF_ONE:
            import io

            yield from _in_archive(io.BytesIO(content), path, f"{name}, {entry.filename}", depth - 1)
        else:
            yield File(path, datetime(*entry.date_time).astimezone(), content)


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """The content of an entry, no more of it than shows that it is too large."""
    with archive.open(entry) as file:
        return file.read(MOST_OF_ONE + 1)


def _require_small(total: int, name: Path | str) -> None:
    if total > MOST_BYTES:
        raise ArchiveError(
            f"{name} must hold at most {MOST_BYTES / 1e9:g} GB; it holds {total / 1e9:.1f}: take it apart"
        )
