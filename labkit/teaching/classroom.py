"""A teacher's folder: the course, its rules, its students, and where everything of an assignment lies.

::

    teach/course.toml          name, secret, due dates, late rules, extensions, limits
    teach/roster.csv           student,name,email,moodle,canvas,level,group
    teach/overlay/NN.py        questions of one's own, never handed out as a source
    teach/NN/release/STUDENT/  what each student gets
    teach/NN/submitted/STUDENT/TIME/  what came back, every version
    teach/NN/results/STUDENT.json     what the machine makes of it
    teach/NN/marks/QUESTION.csv       what people make of it
    teach/NN/feedback/STUDENT.html, book.csv, statistics.html, solution.html
"""

import csv
import re
import secrets
import shlex
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from labkit.files import written_whole
from labkit.teaching.release import variant_of

COLUMNS = ("student", "name", "email", "moodle", "canvas", "level", "group")
STUDENT = re.compile(r"[\w@+-][\w.@+-]{0,63}")  # names a folder

_COURSE = """\
name = "How machines came to understand video"
personal = true  # students get their files from you (teach release); false: they make them with labkit start
secret = "{secret}"  # from it come the students' worlds and the hidden ones: do not lose it, do not show it

# [assignment.02]
# due = 2026-12-04T22:00:00+01:00

[late]
grace_minutes = 15
per_day = 10  # percent of the points that are lost with each day that has begun
most_days = 5  # later than that nothing is accepted

[extensions]  # days
# s1001 = 3

[limits]
cpu = 120  # seconds of computing for a whole submission; a cell has half of it
megabytes = 4000
"""


class ClassroomError(ValueError):
    """Something in the teacher's folder is not as it must be; the message says what to do."""


@dataclass(frozen=True)
class Student:
    """A line of the roster.

    Attributes:
        student: their number here; names folders.
        name: theirs.
        email: theirs; may be empty, as all that follow.
        moodle: what the learning platform calls them, where that is not ``student``.
        canvas: the same for Canvas.
        level: ``"grad"`` for graduate students.
        group: students of the same one hand in together.
    """

    student: str
    name: str = ""
    email: str = ""
    moodle: str = ""
    canvas: str = ""
    level: str = ""
    group: str = ""


@dataclass(frozen=True)
class Late:
    """What a late submission costs.

    Attributes:
        grace_minutes: that cost nothing.
        per_day: percent of the points, with each day that has begun.
        most_days: after which nothing is accepted.
    """

    grace_minutes: float = 15
    per_day: float = 10
    most_days: float = 5

    def percent(self, days: float) -> float:
        """Of the points that are lost, by the days after the deadline; 100 when nothing is accepted any more."""
        late = days - self.grace_minutes / 1440
        if late <= 0:
            return 0.0
        if late > self.most_days:
            return 100.0
        whole = int(late) + (late > int(late))  # days that have begun
        return min(whole * self.per_day, 100.0)


@dataclass(frozen=True)
class Classroom:
    """What `open_classroom` has read.

    Attributes:
        folder: of the teacher.
        name: of the course.
        secret: of the course.
        personal: whether students' worlds come from the secret; else they come from their numbers, as ``labkit start``
            has it.
        due: by the number of the assignment; with a time zone.
        late: what a late submission costs.
        extensions: days, by student.
        cpu: seconds of computing of a whole submission.
        megabytes: that it may have in memory.
        roster: by student.
    """

    folder: Path
    name: str
    secret: str
    due: Mapping[str, datetime] = field(default_factory=dict)
    late: Late = Late()
    extensions: Mapping[str, float] = field(default_factory=dict)
    cpu: float = 120
    megabytes: float = 4000
    roster: Mapping[str, Student] = field(default_factory=dict)
    personal: bool = True

    def of(self, number: str, *parts: str) -> Path:
        """A place of an assignment, ``classroom.of("02", "results")``."""
        return self.folder.joinpath(number, *parts)

    def overlay(self, number: str) -> Path | None:
        """The teacher's own questions for an assignment, if there are any."""
        path = self.folder / "overlay" / f"{number}.py"
        return path if path.is_file() else None

    def team(self, student: str) -> tuple[str, ...]:
        """Everyone who hands in together with a student, that student included, in alphabetical order."""
        group = self.roster[student].group if student in self.roster else ""
        together = [one.student for one in self.roster.values() if group and one.group == group]
        return tuple(sorted(together)) or (student,)

    def teams(self) -> list[tuple[str, ...]]:
        """All of them, each once."""
        return list(dict.fromkeys(self.team(student) for student in self.roster))

    def level(self, student: str) -> str:
        """``"grad"`` if a student, and everyone who hands in together with them, is a graduate student; else empty."""
        levels = {self.roster[one].level if one in self.roster else "" for one in self.team(student)}
        return levels.pop() if len(levels) == 1 else ""

    def variant(self, number: str, student: str) -> int:
        """The seed of a student's or team's world in an assignment."""
        return variant_of(self.secret if self.personal else "", number, ", ".join(self.team(student)))

    def known(self, student: str) -> str:
        """The number on the roster that a name in a table means, whatever its case and spaces; empty if none."""
        return next((one for one in self.roster if one.casefold() == student.strip().casefold()), "")


def create(folder: Path) -> list[Path]:
    """Write ``course.toml`` with a secret of its own, and a roster to fill in, where they are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        folder / "course.toml": _COURSE.format(secret=secrets.token_urlsafe(24)),
        folder / "roster.csv": ",".join(COLUMNS) + "\n",
    }
    made = [path for path in texts if not path.exists()]
    for path in made:
        with written_whole(path) as file:
            file.write(texts[path].encode())
    return made


def open_classroom(folder: Path) -> Classroom:
    """Read a teacher's folder.

    Raises:
        ClassroomError: no ``course.toml``, or something in it or in the roster that cannot be; names it.
    """
    path = folder / "course.toml"
    if not path.is_file():
        then = f"labkit teach new NN --folder {shlex.quote(str(folder))}"
        raise ClassroomError(f"{folder} must hold course.toml; there is none: {then}")
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ClassroomError(f"{path} must be TOML; {error}") from error
    known = {
        "name": str,
        "secret": str,
        "personal": bool,
        "assignment": dict,
        "late": dict,
        "extensions": dict,
        "limits": dict,
    }
    _require_known(said, known, f"{path}")
    if len(str(said.get("secret", ""))) < 16:
        raise ClassroomError(f"{path}: secret must have 16 characters or more; make one: delete the file, teach new")
    late = _numbers_of(said.get("late", {}), Late.__dataclass_fields__, f"{path}, [late]")
    limits = _numbers_of(said.get("limits", {}), ("cpu", "megabytes"), f"{path}, [limits]")
    extensions = _numbers_of(said.get("extensions", {}), said.get("extensions", {}), f"{path}, [extensions]")
    due = dict(_due_dates(said.get("assignment", {}), path))
    roster = {one.student: one for one in _roster(folder / "roster.csv")}
    if unknown := sorted(extensions.keys() - roster.keys()):
        raise ClassroomError(f"{path}, [extensions]: {unknown[0]} is not on the roster: mend one of them")
    return Classroom(
        folder,
        str(said.get("name", "")),
        said["secret"],
        due,
        Late(**late),
        extensions,
        **limits,
        roster=roster,
        personal=said.get("personal", True),
    )


def _due_dates(said: Mapping[str, Any], path: Path) -> Iterator[tuple[str, datetime]]:
    for number, about in said.items():
        if not re.fullmatch(r"\d\d", number):
            raise ClassroomError(
                f"{path}, [assignment.{number}]: the number must have two digits, as in [assignment.02]"
            )
        if not isinstance(about, dict):
            raise ClassroomError(
                f"{path}, [assignment]: {number} must be a table; got {about!r}: write [assignment.{number}] and below "
                "it due = ..."
            )
        _require_known(about, {"due": datetime}, f"{path}, [assignment.{number}]")
        if "due" in about:
            if about["due"].tzinfo is None:
                raise ClassroomError(
                    f"{path}, [assignment.{number}]: due must have a time zone, 2026-12-04T22:00:00+01:00 say; got "
                    f"{about['due']}"
                )
            yield number, about["due"]


def _require_known(said: Mapping[str, Any], known: Mapping[str, type], place: str) -> None:
    for name, value in said.items():
        if name not in known:
            raise ClassroomError(f"{place}: unknown name {name!r}; known are {', '.join(known)}")
        if not isinstance(value, known[name]):
            raise ClassroomError(f"{place}: {name} must be a {known[name].__name__}; got {value!r}")


def _numbers_of(said: Mapping[str, Any], known: Any, place: str) -> dict[str, float]:
    for name, value in said.items():
        if name not in known:
            raise ClassroomError(f"{place}: unknown name {name!r}; known are {', '.join(known)}")
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise ClassroomError(f"{place}: {name} must be a number from 0 on; got {value!r}")
    return dict(said)


def _roster(path: Path) -> Sequence[Student]:
    if not path.is_file():
        return ()
    try:
        rows = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ClassroomError(f"{path} must be a table with commas in UTF-8; {error}") from error
    headings = [cell.strip().lower() for cell in rows[0]] if rows else list(COLUMNS)
    while headings and not headings[-1]:
        headings.pop()
    if len(headings) == 1 and ";" in headings[0]:
        raise ClassroomError(
            f"{path} must have commas between its cells; it has semicolons: save it as CSV with commas"
        )
    if odd := [name for name in headings if name and (name not in COLUMNS or headings.count(name) > 1)]:
        raise ClassroomError(f"{path}: the columns must be {', '.join(COLUMNS)}, each once; got {odd[0]!r}")
    if "student" not in headings:
        raise ClassroomError(f"{path}: the column student is missing; the columns are {', '.join(headings)}")
    students: dict[str, Student] = {}
    for number, row in enumerate(rows[1:], start=2):
        if any(row) and (len(row) > len(rows[0]) or any(cell.strip() for cell in row[len(headings) :])):
            raise ClassroomError(
                f"{path}, line {number} must have {len(headings)} cells, one for each heading; it has {len(row)}: put "
                "a name with a comma into quotation marks"
            )
        said = {name: cell.strip() for name, cell in zip(headings, row, strict=False) if name}
        if any(said.values()):
            one = _student(dict.fromkeys(COLUMNS, "") | said, f"{path}, line {number}", students.values())
            students[one.student] = one
    return list(students.values())


def _student(cells: Mapping[str, str], place: str, others: Collection[Student]) -> Student:
    if not STUDENT.fullmatch(cells["student"]):
        raise ClassroomError(
            f"{place}: student must be 1 to 64 letters, digits and _ . @ + -, as it names a folder; got "
            f"{cells['student']!r}"
        )
    if cells["level"] not in ("", "grad"):
        raise ClassroomError(f"{place}: level must be empty or grad; got {cells['level']!r}")
    one = Student(**{**cells, "group": cells["group"].casefold()})
    for column in ("student", "moodle", "canvas", "email"):
        value = getattr(one, column).casefold()
        if value and value in (getattr(other, column).casefold() for other in others):
            raise ClassroomError(f"{place}: {value} is there twice in the column {column}: mend one of them")
    return one
