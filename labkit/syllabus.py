"""The lessons of the course: what ``course.toml`` says of each; the one source for site, README and notebook heads."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("course.toml")
_COUNTS = ("one", "two", "three", "four")
RUNS = (
    "half a minute",
    *(f"{n}{half} minute{'s' * (n + half != 'one')}" for n in _COUNTS for half in ("", " and a half")),
)


class SyllabusError(ValueError):
    """``course.toml`` is not as it must be; the message names the lesson and what to do."""


@dataclass(frozen=True)
class Lesson:
    """A lesson.

    Attributes:
        number: two digits, as its notebook begins.
        title: as its heading says, up to the colon.
        idea: what it is about, in one line.
        able: what a learner can do afterwards; each completes "You will be able to ...".
        run: how long a run takes in the profile ``lesson``, in words, see `RUNS`.
        minutes: to read and to play; an estimate.
        after: numbers of the lessons that it builds on.
        helps: numbers of lessons that make it easier.
        files: what it takes apart, from the folder of the clone.
        data: real data that it can be run on: stems of files in ``data_scripts``.
    """

    number: str
    title: str
    idea: str
    able: tuple[str, ...]
    run: str
    minutes: int
    after: tuple[str, ...]
    files: tuple[str, ...]
    data: tuple[str, ...]
    helps: tuple[str, ...] = ()


@cache
def syllabus() -> tuple[Lesson, ...]:
    """The lessons of the course, in order."""
    return read(FILE)


def read(path: Path) -> tuple[Lesson, ...]:
    """Read a file like ``course.toml``.

    Raises:
        SyllabusError: no TOML, a field that is missing, unknown or of the wrong kind, numbers that are not in order, or
            a lesson that builds on one that does not come before it.
    """
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("lesson", [])
    except (OSError, ValueError) as error:
        raise SyllabusError(f"{path} must be TOML with a [[lesson]] for each lesson; {error}") from error
    lessons: list[Lesson] = []
    for entry in entries:
        where = f"{path.name}, lesson {entry.get('number', len(lessons))}"
        try:
            fields: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()
            }
            lesson = Lesson(**fields)
        except TypeError as error:
            raise SyllabusError(f"{where} must have the fields that the head of the file lists; {error}") from error
        if wrong := [name for name, kind in _KINDS.items() if not isinstance(getattr(lesson, name), kind)]:
            raise SyllabusError(f"{where}: {', '.join(wrong)} must be as the head of the file says; got another type")
        if lesson.run not in RUNS:
            raise SyllabusError(f"{where}: run must be one of {', '.join(RUNS)}; got {lesson.run!r}")
        known = [before.number for before in lessons]
        if known and lesson.number <= known[-1]:
            raise SyllabusError(f"{where} must come before lesson {known[-1]}: sort them by number")
        if unknown := set(lesson.after) - set(known):
            raise SyllabusError(f"{where}: after must name lessons before it; got {', '.join(sorted(unknown))}")
        lessons.append(lesson)
    return tuple(lessons)


_KINDS = {
    **dict.fromkeys(("number", "title", "idea", "run"), str),
    **dict.fromkeys(("able", "after", "files", "data", "helps"), tuple),
    "minutes": int,
}
