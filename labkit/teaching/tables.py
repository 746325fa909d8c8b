"""The tables of learning platforms: grades are put into their own, and nothing else of it changes, not a byte.

Importers want their columns under names in the teacher's language, in an order of their own. So such a table is never
written from nothing: the platform exports it, its grade column is filled in, and the platform takes it back.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple


class TableError(ValueError):
    """A table cannot be filled; the message says what was looked for."""


class Filled(NamedTuple):
    """A table with grades.

    Attributes:
        text: of the table.
        unknown: what its column of students has that no grade is for.
        left: students who have a grade and stand in no line.
    """

    text: str
    unknown: list[str]
    left: list[str]


class _Cell(NamedTuple):
    start: int
    end: int
    value: str


def fill(
    text: str, grades: Mapping[str, float], names: Mapping[str, Sequence[str]], column: str, id_column: str = ""
) -> Filled:
    """Put grades into a table.

    Args:
        text: of the table, with its byte-order mark and line ends.
        grades: by student.
        names: what else each student may be called in the table: numbers, and last the name, which counts only where
            no column has numbers, and where nobody else has it.
        column: that takes the grades; Canvas writes ``Title (id)``, of which the title suffices.
        id_column: that names the students; empty: the one in which most of them are found.

    Raises:
        TableError: no such column, several, or none that names the students.
    """
    rows = list(_rows(text))
    if not rows:
        raise TableError("a table with a line of headings was expected; it is empty")
    headings = [cell.value for cell in rows[0]]
    at = _column(headings, column)
    numbers = _called({student: (student, *others[:-1]) for student, others in names.items()})
    called = _called({student: others[-1:] for student, others in names.items()}) | numbers
    places = [_column(headings, id_column)] if id_column else range(len(headings))
    hits = {place: sum(_value(row, place).casefold() in numbers for row in rows[1:]) for place in places}
    if not any(hits.values()):
        hits = {place: sum(_value(row, place).casefold() in called for row in rows[1:]) for place in places}
    place = max(hits, key=lambda index: hits[index])
    if not hits[place]:
        raise TableError(f"no column names the student among {', '.join(headings)}: say which, --id-column")
    pieces, before, unknown, filled = [], 0, [], set()
    for row in rows[1:]:
        name = _value(row, place)
        student = called.get(name.casefold())
        if student is None or student not in grades:
            unknown += [name] if name else []
            continue
        filled.add(student)
        if at >= len(row):
            raise TableError(f"the line of {name} must have {len(headings)} cells; it has {len(row)}: export it again")
        quote = '"' if text[row[at].start : row[at].end].startswith('"') else ""
        pieces += [text[before : row[at].start], f"{quote}{grades[student]:g}{quote}"]
        before = row[at].end
    return Filled("".join([*pieces, text[before:]]), unknown, sorted(grades.keys() - filled))


def _called(names: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The student by each name that only one of them has."""
    owners: dict[str, set[str]] = {}
    for student, others in names.items():
        for name in filter(None, (other.strip().casefold() for other in others)):
            owners.setdefault(name, set()).add(student)
    return {name: students.pop() for name, students in owners.items() if len(students) == 1}


def _column(headings: Sequence[str], name: str) -> int:
    exact = [index for index, heading in enumerate(headings) if heading == name]
    loose = [
        i for i, heading in enumerate(headings) if re.sub(r"\s*\(\d+\)$", "", heading).casefold() == name.casefold()
    ]
    if len(exact or loose) != 1:
        found = "several" if exact or loose else "none"
        raise TableError(f"one column must be called {name!r}; found {found} among {', '.join(headings)}")
    return (exact or loose)[0]


def _value(row: Sequence[_Cell], place: int) -> str:
    return row[place].value.strip() if place < len(row) else ""


def _rows(text: str) -> Iterator[list[_Cell]]:
    """The cells of each line, with where they stand; commas, semicolons or tabs between them."""
    start = 1 if text.startswith("\ufeff") else 0
    separator = max(",;\t", key=text.split("\n", 1)[0].count)
    pattern = re.compile(rf'("(?:[^"]|"")*"|[^{separator}\r\n"]*)({separator}|\r\n|\n|\r|$)')
    row: list[_Cell] = []
    while start < len(text):
        match = pattern.match(text, start)
        if match is None:
            line = text.count("\n", 0, start) + 1
            raise TableError(
                f"line {line} must be cells with {separator!r} between them; a quotation mark stands alone"
            )
        raw = match[1]
        value = raw[1:-1].replace('""', '"') if raw.startswith('"') else raw
        row.append(_Cell(match.start(1), match.end(1), value))
        start = match.end()
        if match[2] != separator:
            yield row
            row = []
    if row:  # the text ends with a separator
        yield [*row, _Cell(start, start, "")]


def safe(value: object) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = str(value)
    return (
        f"'{text}"
        if text[:1] in ("=", "+", "-", "@", "\t", "\r") and not re.fullmatch(r"-?\d+(\.\d+)?", text)
        else text
    )


def written(columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> str:
    """A table of our own, with commas; what else the rows have comes in further columns."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    columns = list(dict.fromkeys([*columns, *(column for row in rows for column in row)]))
    writer.writerow([safe(column) for column in columns])
    writer.writerows([[safe(row.get(column, "")) for column in columns] for row in rows])
    return file.getvalue()


def read(text: str, columns: Sequence[str]) -> list[dict[str, str]]:
    """A table of our own; every column must be there, and others may be.

    Raises:
        TableError: a column that is missing or there twice, or a line with more cells than there are headings.
    """
    text = text.removeprefix("\ufeff")
    separator = max(",;\t", key=text.split("\n", 1)[0].count)  # as spreadsheets of many countries save it
    lines = [[_unsafe(cell) for cell in line] for line in csv.reader(io.StringIO(text), delimiter=separator)]
    headings = lines[0][:] if lines else []
    while headings and not headings[-1].strip():
        headings.pop()
    if lacking := [column for column in columns if column not in headings]:
        raise TableError(f"the columns must be {', '.join(columns)}; {lacking[0]} is missing")
    if twice := [heading for heading in headings if headings.count(heading) > 1]:
        raise TableError(f"the columns must have different names; {twice[0]!r} is there twice")
    for number, line in enumerate(lines, start=1):
        if len(line) > len(lines[0]) or any(cell.strip() for cell in line[len(headings) :]):
            raise TableError(
                f"line {number} must have {len(headings)} cells, one for each heading; it has {len(line)} (a comment "
                "with a comma needs quotation marks)"
            )
    return [dict.fromkeys(headings, "") | dict(zip(headings, line, strict=False)) for line in lines[1:] if line]


def _unsafe(cell: str) -> str:
    """A cell as it was before `safe`."""
    return re.sub(r"^'(?=[=+\-@\t\r])", "", cell)
