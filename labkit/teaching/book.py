"""The grade book: what the machine found, marks by hand, late days and extensions, joined each time.

Nothing of it is stored in a result, so an extension that is granted afterwards, or a mark that is changed, counts
immediately.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.files import written_whole
from labkit.teaching import tables
from labkit.teaching.archive import time_of
from labkit.teaching.cells import Assignment
from labkit.teaching.classroom import Classroom
from labkit.teaching.grade import Result, load_result, received

BOOK = ("student", "name", "assignment", "auto", "by_hand", "raw", "late_percent", "total", "of", "open", "notes")
MARKS = ("student", "question", "points", "comment", "marker", "digest")


@dataclass(frozen=True)
class Mark:
    """What a person gave.

    Attributes:
        points: from 0 to those of the question.
        comment: for the student.
        marker: who gave it.
        digest: of the answer that was marked.
    """

    points: float
    comment: str
    marker: str
    digest: str


def marks(classroom: Classroom, assignment: Assignment) -> dict[tuple[str, str], Mark]:
    """All marks by hand, by student and question; lines without points are not marked yet.

    Raises:
        TableError: a file that is none, points that cannot be, a question that nobody asks, or two lines for one
            student; names the line.
    """
    found: dict[tuple[str, str], Mark] = {}
    most = {question.name: question.points for question in assignment.questions}
    for question in most:
        path = classroom.of(assignment.number, "marks", f"{question}.csv")
        for number, line in enumerate(_lines(path), start=2):
            if not line["points"].strip():
                continue
            place = f"{path}, line {number}"
            if line["question"] != question:
                raise tables.TableError(
                    f"{place}: question must be {question!r}, as in the file's name; got {line['question']!r}"
                )
            who = _team_of(classroom, line["student"], place)
            if (who, question) in found:
                raise _second(who, place)
            points = _points(line["points"], most[question], place)
            found[who, question] = Mark(points, line["comment"], line["marker"], line["digest"])
    return found


def _lines(path: Path) -> list[dict[str, str]]:
    """A table of marks; none where there is no file."""
    try:
        return tables.read(path.read_text(encoding="utf-8"), MARKS) if path.exists() else []
    except (tables.TableError, UnicodeDecodeError) as error:
        raise tables.TableError(f"{path}: {error}: save it as CSV in UTF-8") from error


def _team_of(classroom: Classroom, student: str, place: str) -> str:
    """The number that results of a student's team are under."""
    if known := classroom.known(student):
        return classroom.team(known)[0]
    if classroom.roster:
        raise tables.TableError(f"{place}: student must be one of the roster; got {student!r}")
    return student.strip()


def _second(who: str, place: str) -> tables.TableError:
    """The error for a second line of a student or team, as only one of the two would be kept."""
    return tables.TableError(f"{place}: {who} must have one line for each question; this is a second one: drop one")


def _by_team(classroom: Classroom, path: Path) -> dict[str, dict[str, str]]:
    """The lines of a table of marks by student or team; a TableError if one has two."""
    rows: dict[str, dict[str, str]] = {}
    for number, line in enumerate(_lines(path), start=2):
        place = f"{path}, line {number}"
        who = _team_of(classroom, line["student"], place)
        if who in rows:
            raise _second(who, place)
        rows[who] = line
    return rows


def _points(text: str, most: int, place: str) -> float:
    try:
        points = float(text.replace(",", "."))
    except ValueError:
        points = -1.0
    if not 0 <= points <= most:
        raise tables.TableError(f"{place}: points must be a number from 0 to {most}; got {text!r}")
    return points


def results(classroom: Classroom, number: str) -> dict[str, Result]:
    """The results of an assignment by the number of a team's first member."""
    paths = sorted(classroom.of(number, "results").glob("*.json"))
    return {path.stem: result for path in paths if (result := load_result(path))}


def late_percent(classroom: Classroom, number: str, student: str, received: str) -> float:
    """What a student loses for the day that a version came; 0 without a deadline."""
    due, time = classroom.due.get(number), time_of(received)
    if due is None or time is None:
        return 0.0
    days = (time - due).total_seconds() / 86400 - classroom.extensions.get(student, 0.0)
    return classroom.late.percent(days)


def book(assignment: Assignment, classroom: Classroom) -> list[dict[str, Any]]:
    """A line for each student of the roster, and for others who have a result."""
    by_hand, found = marks(classroom, assignment), results(classroom, assignment.number)
    students = dict.fromkeys([*classroom.roster, *(who for one in found.values() for who in one["students"])])
    versions = {
        first: {one.team: one.folder.name for one in received(classroom, assignment.number, first=first)}
        for first in (False, True)
    }
    return [_line(assignment, classroom, student, found, by_hand, versions) for student in students]


def _line(
    assignment: Assignment,
    classroom: Classroom,
    student: str,
    found: Mapping[str, Result],
    by_hand: Mapping[tuple[str, str], Mark],
    versions: Mapping[bool, Mapping[tuple[str, ...], str]],
) -> dict[str, Any]:
    name = classroom.roster[student].name if student in classroom.roster else ""
    line: dict[str, Any] = dict.fromkeys(BOOK, 0.0) | {"student": student, "name": name, "assignment": assignment.stem}
    level = classroom.level(student)
    line |= {
        "of": sum(question.points for question in assignment.asked(level)),
        "open": "",
        "notes": "nothing handed in",
    }
    result = next((one for one in found.values() if student in one["students"]), None)
    if result is None or tuple(result["students"]) != classroom.team(student):
        there = [one for one in classroom.team(student) if classroom.of(assignment.number, "submitted", one).is_dir()]
        return line | ({"open": "everything", "notes": "handed in and not graded: labkit teach grade"} if there else {})
    auto, marked, left, notes = 0.0, 0.0, [], [*result["notes"], *result["private_notes"]]
    if result["build"] != assignment.build:
        notes.append(f"graded with build {result['build']}, the source is {assignment.build} now: grade again")
    for question, about in result["questions"].items():
        mark = by_hand.get((result["students"][0], question))
        if mark and mark.digest in ("", about["digest"]):
            marked += mark.points
        elif about["points"] is None:
            left.append(question)
            if mark:
                notes.append(f"{question}: the mark is for an earlier answer")
        else:
            auto += about["points"]
    counts = versions[bool(result.get("first"))].get(tuple(result["students"]), result["received"])
    if counts != result["received"]:
        left = ["everything"]
        notes.append(f"the version of {counts} counts and is not graded: labkit teach grade")
    late = late_percent(classroom, assignment.number, student, result["received"])
    raw = auto + marked
    return line | {
        "auto": auto,
        "by_hand": marked,
        "raw": raw,
        "late_percent": late,
        "total": round(raw * (1 - late / 100), 2),
        "open": " ".join(left),
        "notes": "; ".join(notes),
    }


def write_book(assignment: Assignment, classroom: Classroom) -> Path:
    """Write ``book.csv``."""
    path = classroom.of(assignment.number, "book.csv")
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, tables.written(BOOK, book(assignment, classroom)))
    return path


def fill(
    assignment: Assignment, classroom: Classroom, table: Path, column: str, id_column: str
) -> tuple[Path, tables.Filled]:
    """Fill in a learning platform's own table; the new one is written beside it, ``NAME.filled.csv``.

    Students who are not graded, or not marked, completely get nothing: their cells stay as they are.
    """
    lines = book(assignment, classroom)
    grades = {line["student"]: line["total"] for line in lines if not line["open"]}
    names = {one.student: (one.moodle, one.canvas, one.email, one.name) for one in classroom.roster.values()}
    content = table.read_bytes()
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise tables.TableError(f"{table} must be in UTF-8; {error}: export it again") from error
    filled = tables.fill(text, grades, names, column, id_column)
    path = table.with_suffix(".filled.csv")
    with written_whole(path) as file:
        file.write(filled.text.encode())
    return path, filled


# --- marks by hand


def write_marks(assignment: Assignment, classroom: Classroom) -> list[Path]:
    """For each question that a person marks a table with a line for each answer; whatever is in it stays.

    Points for an answer that has changed since become a comment.

    Raises:
        TableError: a table that cannot be read, or has two lines for one student.
    """
    wanted: dict[str, dict[str, str]] = {}  # by question the digest of each answer, by student
    for who, result in results(classroom, assignment.number).items():
        for question, about in result["questions"].items():
            if about["digest"]:
                wanted.setdefault(question, {})[who] = about["digest"]
    paths = []
    for question, digests in wanted.items():
        path = classroom.of(assignment.number, "marks", f"{question}.csv")
        rows = _by_team(classroom, path)
        for who, row in rows.items():
            digest = digests.get(who, row["digest"])
            if row["points"].strip() and row["digest"] not in ("", digest):
                row |= {"comment": f"(for an earlier answer: {row['points']} points) {row['comment']}", "points": ""}
            rows[who] = row | {"student": who, "digest": digest}
        for who, digest in digests.items():
            rows.setdefault(who, dict.fromkeys(MARKS, "") | {"student": who, "question": question, "digest": digest})
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, tables.written(MARKS, list(rows.values())))
        paths.append(path)
    return paths


def merge_marks(assignment: Assignment, classroom: Classroom, files: Sequence[Path]) -> list[str]:
    """Take over the marks of several markers; where two disagree neither counts.

    Returns:
        The clashes, a line each.
    """
    most = {question.name: question.points for question in assignment.questions}
    taken: dict[tuple[str, str], dict[str, str]] = {}
    given: dict[tuple[str, str], float] = {}
    clashes: dict[tuple[str, str], str] = {}
    for path in files:
        if not path.exists():
            raise tables.TableError(f"{path} must be a table of marks; there is no such file")
        here: set[tuple[str, str]] = set()
        for number, line in enumerate(_lines(path), start=2):
            if not line["points"].strip():
                continue
            place = f"{path}, line {number}"
            if line["question"] not in most:
                raise tables.TableError(f"{place}: question must be one of {', '.join(most)}; got {line['question']!r}")
            key = _team_of(classroom, line["student"], place), line["question"]
            if key in here:
                raise _second(key[0], place)
            here.add(key)
            points = _points(line["points"], most[key[1]], place)
            if given.setdefault(key, points) != points:
                one, other = taken[key]["marker"] or "one", line["marker"] or "the other"
                clashes[key] = f"{key[1]}, {key[0]}: {one} gives {given[key]:g}, {other} {points:g}: agree"
            taken.setdefault(key, line | {"student": key[0]})
    for key, clash in clashes.items():
        taken[key] |= {"points": "", "comment": clash}
    for question in dict.fromkeys(question for _, question in taken):
        path = classroom.of(assignment.number, "marks", f"{question}.csv")
        rows = _by_team(classroom, path)
        for (who, asked), line in taken.items():
            if asked == question:
                rows[who] = rows.get(who, {}) | line
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, tables.written(MARKS, list(rows.values())))
    return list(clashes.values())


def statistics(assignment: Assignment, classroom: Classroom) -> Iterator[dict[str, Any]]:
    """For each question how many answered it, the mean of the points, and how often each known mistake was made."""
    found = list(results(classroom, assignment.number).values())
    for question in assignment.questions:
        judged = [one["questions"][question.name] for one in found if question.name in one["questions"]]
        points = [about["points"] for about in judged if about["points"] is not None]
        mistakes: dict[str, int] = {}
        for about in judged:
            if about["mistake"]:
                mistakes[about["mistake"]] = mistakes.get(about["mistake"], 0) + 1
        yield {
            "question": question.name,
            "of": question.points,
            "minutes": question.minutes,
            "graded": len(points),
            "blank": sum(about["says"] == "not answered" for about in judged),
            "mean": sum(points) / len(points) if points else None,
            "mistakes": dict(sorted(mistakes.items(), key=lambda item: -item[1])),
        }


def _write(path: Path, text: str) -> None:
    with written_whole(path) as file:
        file.write(text.encode())
