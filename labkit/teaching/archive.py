"""What a learning platform hands over: an archive or a folder of submissions, sorted by student and time.

Moodle's archives have a folder ``NAME_ID_assignsubmission_file`` for each student, Canvas' files begin with
``NAME_ID_SUBMISSION_``; `labkit hand-in` writes ``NN_stem_STUDENT.zip``. Names are looked up in the roster: by number,
platform number, mail address, name; what a student has named must not contradict the platform.
"""

import io
import re
import stat
import unicodedata
import zipfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from labkit.files import lock, whole_folder, written_whole
from labkit.teaching.classroom import Classroom, Student

MOST_BYTES = 2_000_000_000  # of all files together
MOST_OF_ONE = 20_000_000  # of a file
_ENDINGS = (".ipynb", ".py")
_LONGEST_NAME = 240  # bytes; file systems take 255, and a file that is being written has a longer name


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
        unknown: files of which nobody on the roster is the owner, or of which it is not clear who is.
        odd: files that are no notebook, or too large, or have too long a name, and were left out.
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
    collected, roster, total = Collected(), list(classroom.roster.values()), 0
    groups: dict[tuple[str, PurePosixPath], list[File]] = {}
    for file in _files(source, collected.odd, roster):
        if file.path.suffix.lower() not in _ENDINGS or len(file.content) > MOST_OF_ONE or _has_long_name(file.path):
            collected.odd.append(str(file.path))
        elif student := owner(file.path, roster):
            total += len(file.content)
            _require_small(total, source)  # also where each archive in it is small
            groups.setdefault((student, file.path.parent), []).append(file)
        else:
            collected.unknown.append(str(file.path))
    for (student, _), files in groups.items():
        if folder := _filed(classroom.of(number, "submitted", student), files):
            collected.filed.setdefault(student, []).append(folder)
    for team in classroom.teams():
        if not any(classroom.of(number, "submitted", student).is_dir() for student in team):
            collected.lacking += team
    return collected


def _filed(folder: Path, files: Sequence[File]) -> Path | None:
    """Write a version below a student's folder; None if it is there. Another one of the same second comes after it."""
    time = max(file.time for file in files)
    contents = {file.path.name: file.content for file in files}
    while (version := folder / name_of(time)).exists():
        if {path.name: path.read_bytes() for path in version.iterdir() if path.is_file()} == contents:
            return None
        time += timedelta(seconds=1)
    folder.mkdir(parents=True, exist_ok=True)
    with lock(folder, wait=True), whole_folder(version) as filling:
        for name, content in contents.items():
            with written_whole(filling / name) as output:
                output.write(content)
    return version


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
    """The student that a path names, by a number if it has one, else by name; empty if nobody, or several.

    The parts of the path are asked one after the other, the platform's before the student's own; where they contradict
    each other, nobody is the owner. Of several who are one group it is the first one on the roster.
    """
    roster, found = list(roster), list[Student]()
    for tries in _words(path):
        if named := _named(tries, roster):
            teams = set(map(_team, named))
            found = [one for one in found or named if _team(one) in teams]
            if not found:
                return ""
    return found[0].student if len(set(map(_team, found))) == 1 else ""


def _team(student: Student) -> tuple[str, str]:
    return student.group, "" if student.group else student.student


def _named(tries: Sequence[Collection[str]], roster: Sequence[Student]) -> list[Student]:
    """The students whom words name, by the first of several lists in which one is found."""
    for names in (_numbers, _names):
        for words in tries:
            if found := [one for one in roster if any(_plain(name) in words for name in names(one) if name.strip())]:
                return found
    return []


def _words(path: PurePosixPath) -> Iterator[list[set[str]]]:
    """What in each part of a path may name a student, from the outside to the inside.

    Folders, Moodle's and Canvas' parts, then the end of the name of a file, which students choose.
    """
    for part in path.parts:
        moodle = re.fullmatch(r"(.+?)_(\d+)_assignsubmission_\w+", part)
        canvas = re.match(r"([^_]+)_(?:late_)?(\d+)_\d+_", part, flags=re.I)
        platform = moodle or canvas
        yield [{_plain(word) for word in (part, *(platform.groups() if platform else ()))}]
        if part == path.name or part.lower().endswith(".zip"):
            yield list(_ends(part))


def _ends(name: str) -> Iterator[set[str]]:
    """The ends of ``02_two_stream_s1.zip``: ``two_stream_s1``, ``stream_s1``, ``s1``; then less and less of its words.

    A group's archive, ``s1+s2``, names all of them; browsers number what they have twice, ``s1 (1)`` or ``s1-1``.
    """
    full = name.rsplit(".", 1)[0]
    for stem in (full, re.sub(r" ?\(\d+\)$|(?<=\w)-\d$", "", full)):
        pieces = re.sub(r"^\d\d_", "", stem).split("_")
        words = {_plain("_".join(pieces[start:])) for start in range(len(pieces))}
        yield words
        yield {member for word in words for member in word.split("+")}


def _has_long_name(path: PurePosixPath) -> bool:
    return any(len(part.encode()) > _LONGEST_NAME for part in path.parts)


def _numbers(student: Student) -> tuple[str, ...]:
    return student.student, student.moodle, student.canvas, student.email


def _names(student: Student) -> tuple[str, ...]:
    words = student.name.split()
    return student.name, "".join([*words[-1:], *words[:-1]]), "".join(words), "_".join(words)


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _files(source: Path, odd: list[str], roster: Sequence[Student]) -> Iterator[File]:
    """All files; an archive in it that cannot be read is odd, and the rest is read."""
    if source.is_dir():
        total = 0
        for path in sorted(source.rglob("*")):
            if path.is_symlink():
                raise ArchiveError(f"{path} is a link: a folder of submissions must hold files only")
            if path.is_file() and not _skipped(PurePosixPath(path.relative_to(source).as_posix())):
                total += path.stat().st_size
                _require_small(total, source)
                time = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                with path.open("rb") as file:
                    content = file.read(MOST_OF_ONE + 1)
                yield from _opened(File(PurePosixPath(path.relative_to(source).as_posix()), time, content), odd)
    elif source.is_file():
        prefix = PurePosixPath(source.name if re.fullmatch(r"\d\d_.+\.zip", source.name) else "")
        one = owner(prefix, roster)  # as hand-in writes it; the entries of a platform's archive have their own times
        of_all = datetime.fromtimestamp(source.stat().st_mtime, UTC) if one else None
        with source.open("rb") as file:
            for entry in _in_archive(file, prefix, str(source), of_all):
                yield from _opened(entry, odd)
    else:
        raise ArchiveError(f"{source} must be an archive (.zip) or a folder; there is no such thing")


def _skipped(path: PurePosixPath) -> bool:
    """What editors and systems leave beside a notebook."""
    return path.name.startswith("._") or bool({"__MACOSX", ".ipynb_checkpoints", "__pycache__"} & set(path.parts))


def _opened(file: File, odd: list[str], depth: int = 2) -> Iterator[File]:
    """A file, or what is in it if it is an archive; all of that has the time of the archive."""
    if file.path.suffix.lower() != ".zip" or not depth or len(file.content) > MOST_OF_ONE:
        yield file
        return
    try:
        for inner in list(_in_archive(io.BytesIO(file.content), file.path, str(file.path), file.time)):
            yield from _opened(inner, odd, depth - 1)
    except ArchiveError as error:
        odd.append(str(error))


def _in_archive(file: BinaryIO, prefix: PurePosixPath, name: str, time: datetime | None) -> Iterator[File]:
    """The files of an archive; without a time each has its own, taken for one of this machine's time zone."""
    try:
        archive = zipfile.ZipFile(file)
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    except Exception as error:  # of many kinds
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
        if _skipped(path):
            continue
        try:
            content = _read(archive, entry)
        except Exception as error:  # of many kinds
            why = str(error) or type(error).__name__
            raise ArchiveError(f"{name}: {entry.filename!r} cannot be read; {why}: fetch it again") from error
        yield File(path, time or _time_of(entry), content)


def _time_of(entry: zipfile.ZipInfo) -> datetime:
    """When an entry was changed; where the archive does not say, long ago."""
    try:
        return datetime(*entry.date_time).astimezone()
    except ValueError:
        return datetime(1980, 1, 1, tzinfo=UTC)


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """The content of an entry, no more of it than shows that it is too large."""
    with archive.open(entry) as file:
        return file.read(MOST_OF_ONE + 1)


def _require_small(total: int, name: Path | str) -> None:
    if total > MOST_BYTES:
        raise ArchiveError(
            f"{name} must hold at most {MOST_BYTES / 1e9:g} GB; it holds {total / 1e9:.1f} or more: take it apart"
        )
