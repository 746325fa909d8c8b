"""What an assignment consists of: cells with a role, the questions that they make, and what is cut from answers.

A solution stands in an answer between two comments, ``# BEGIN SOLUTION`` and ``# END SOLUTION``, in a text
``<!-- BEGIN SOLUTION -->`` and ``<!-- END SOLUTION -->``. Whatever follows ``BEGIN SOLUTION`` in its line is what
students get in place of the solution.
"""

import ast
import hashlib
import json
import re
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

Role = Literal["parameters", "given", "question", "answer", "check", "cases", "mistake", "rubric", "teacher"]
Kind = Literal["function", "value", "text", "figure"]
RELEASED = ("parameters", "given", "question", "answer", "check")  # the roles of the cells that students get
_LONGEST = 100_000  # characters of a code that is looked into
TEXT_STUB = "*Your answer here.*"  # what they get for an answer in words

_BEGIN = {
    "code": re.compile(r"(\s*)# BEGIN SOLUTION(?: (.*))?"),
    "markdown": re.compile(r"(\s*)<!-- BEGIN SOLUTION(?: (.*?))? -->"),
}
_END = {"code": re.compile(r"\s*# END SOLUTION"), "markdown": re.compile(r"\s*<!-- END SOLUTION -->")}


@dataclass(frozen=True)
class Cell:
    """One cell of a source.

    Attributes:
        number: where it stands in its file, from 1.
        kind: ``"code"`` or ``"markdown"``.
        text: as written, with the comments around solutions.
        role: see `Role`; a cell without a role in its header is given.
        name: of the question that it belongs to; empty for given cells and parameters.
        fields: what else its header says: ``points``, ``says`` ...
        file: the name of the file that it stands in.
        overlay: whether that file is an overlay.
        label: what the cell is called in a release: its question; of given code the title or a number.
    """

    number: int
    kind: str
    text: str
    role: Role
    name: str
    fields: Mapping[str, Any]
    file: str = ""
    overlay: bool = False
    label: str = ""

    @property
    def id(self) -> str:
        """Its id in a release; of several checks of a question, that of the first one."""
        return self.label if self.role in ("given", "parameters") else f"{self.role}-{self.label}"

    @property
    def where(self) -> str:
        """The cell, as an error names it."""
        return f"{self.file}, cell {self.number}"


@dataclass(frozen=True)
class Question:
    """What is asked, and everything that belongs to it.

    Attributes:
        name: a short word, the same in all of its cells.
        points: that it is worth, from 1.
        minutes: that it takes, about.
        difficulty: 1 to 5.
        importance: 1 to 5.
        judged: what is judged, in words; may be empty.
        level: ``""`` for everyone, ``"grad"`` for graduate students only.
        prompt: the cell that asks.
        answer: the cell with the solution.
        kind: ``"function"``, ``"value"``, ``"text"`` or ``"figure"``.
        cases: the hidden cases of a function, and perhaps a judge of its own.
        checks: visible; they never count.
        mistakes: known ones, each a wrong answer.
        rubric: of a text or a figure.
    """

    name: str
    points: int
    minutes: int
    difficulty: int
    importance: int
    judged: str
    level: str
    prompt: Cell
    answer: Cell
    kind: Kind
    cases: Cell | None = None
    checks: tuple[Cell, ...] = ()
    mistakes: tuple[Cell, ...] = ()
    rubric: Cell | None = None

    @property
    def function(self) -> str:
        """The name of the function to write; empty for other kinds of answers."""
        return function_of(self.answer) if self.kind == "function" else ""

    @property
    def values(self) -> tuple[str, ...]:
        """The names that the answer assigns and that are compared; empty for other kinds of answers."""
        return names_in(self.answer.fields.get("value", ""))

    @property
    def within(self) -> float:
        """How far a value may lie from the solution's; 0 for other kinds of answers."""
        return float(self.answer.fields.get("within", 0))

    @property
    def words(self) -> int:
        """How many words an answer should have, about; 0 where nothing is said."""
        return int(self.answer.fields.get("words", 0))

    @property
    def without(self) -> tuple[str, ...]:
        """What of labkit the answer must not call: ``labkit.flow.stack``."""
        return names_in(self.prompt.fields.get("without", ""))

    @property
    def all_or_nothing(self) -> bool:
        """Whether all hidden cases must be right for any points."""
        return self.prompt.fields.get("all") == "yes"

    @property
    def has_judge(self) -> bool:
        """Whether the hidden cases come with a judge of their own."""
        return self.cases is not None and "judge" in functions_in(self.cases.text)

    @property
    def heading(self) -> str:
        """The heading of the prompt, without its number signs."""
        return heading_of(self.prompt.text)

    @property
    def digest(self) -> str:
        """Changes whenever anything in the question does: prompt, answer, cases, mistakes, rubric."""
        cells = (self.prompt, self.answer, self.cases, *self.checks, *self.mistakes, self.rubric)
        return digest_of(cell for cell in cells if cell)


@dataclass(frozen=True)
class Assignment:
    """One source, read.

    Attributes:
        path: of the source.
        number: the two digits that its name begins with, ``"02"``.
        stem: its name without the ending, ``"02_two_stream"``.
        title: its first heading.
        cells: all of them, in order.
        questions: in the order in which they are asked.
    """

    path: Path
    number: str
    stem: str
    title: str
    cells: tuple[Cell, ...]
    questions: tuple[Question, ...]

    @property
    def points(self) -> int:
        """Of all questions together, those for graduate students included."""
        return sum(question.points for question in self.questions)

    @cached_property
    def build(self) -> str:
        """Eight hexadecimal digits that change whenever any cell does."""
        return digest_of(self.cells)

    def asked(self, level: str = "") -> tuple[Question, ...]:
        """The questions that students of a level get."""
        return tuple(question for question in self.questions if question.level in ("", level))

    def released(self, level: str = "") -> tuple[Cell, ...]:
        """The cells of which students of a level get something, in order."""
        names = {"", *(question.name for question in self.asked(level))}
        return tuple(cell for cell in self.cells if cell.role in RELEASED and cell.name in names)


class Piece(NamedTuple):
    """Lines of an answer that are kept, or that are a solution; with the stub that students get in its place."""

    hidden: bool
    lines: list[str]
    indent: str = ""
    stub: str = ""


def pieces(cell: Cell) -> Iterator[Piece]:
    """The parts of a cell, in order, without the comments around solutions.

    Raises:
        ValueError: a solution begins inside another one, ends before it begins, or does not end.
    """
    piece = Piece(hidden=False, lines=[])
    for number, line in enumerate(cell.text.split("\n"), start=1):
        begin, end = _BEGIN[cell.kind].fullmatch(line), _END[cell.kind].fullmatch(line)
        if begin and piece.hidden:
            raise ValueError(f"line {number} begins a solution inside another one: end that first")
        if end and not piece.hidden:
            raise ValueError(f"line {number} ends a solution that has not begun: add BEGIN SOLUTION before it")
        if begin:
            yield piece
            piece = Piece(hidden=True, lines=[], indent=begin[1], stub=(begin[2] or "").strip())
        elif end:
            yield piece
            piece = Piece(hidden=False, lines=[])
        else:
            piece.lines.append(line)
    if piece.hidden:
        raise ValueError("a solution does not end: add END SOLUTION")
    yield piece


def solution_code(cell: Cell) -> str:
    """The cell as the teacher runs it, or for a text reads it: without the comments around solutions."""
    return "\n".join(line for piece in pieces(cell) for line in piece.lines)


def stub_code(cell: Cell) -> str:
    """The cell as a student gets it: of a solution nothing but its stub is left."""
    lines: list[str] = []
    for piece in pieces(cell):
        if not piece.hidden:
            lines += piece.lines
        else:
            stub = [piece.stub] if piece.stub else _default_stub(cell, piece.indent)
            lines += [f"{piece.indent}{line}" for line in stub]
    return "\n".join(lines)


def _default_stub(cell: Cell, indent: str) -> list[str]:
    if cell.kind == "markdown":
        return [TEXT_STUB]
    if not indent and cell.fields.get("figure"):
        return ["...  # yours to draw"]
    if not indent and cell.fields.get("value"):
        return [f"{name} = ..." for name in names_in(cell.fields["value"])]
    return [f'raise NotImplementedError("{cell.name}: yours to write")']


def function_of(answer: Cell) -> str:
    """The function that an answer's header names, or else the only one that students see; empty if there is none."""
    functions = functions_in(stub_code(answer))
    return str(answer.fields.get("function", functions[0] if len(functions) == 1 else ""))


def functions_in(code: str) -> list[str]:
    """The functions that a code defines, outside of any class or function; empty if it is no Python."""
    return [node.name for node in _statements(code) if isinstance(node, ast.FunctionDef)]


def assigned_in(code: str) -> set[str]:
    """The names that a code sets, outside of any class or function; empty if it is no Python."""
    names, nodes = set(), _statements(code)
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        nodes += ast.iter_child_nodes(node)
    return names


def literals_in(code: str) -> dict[str, Any]:
    """What a code assigns to single names, of that what is a literal."""
    values = {}
    for node in _statements(code):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            try:
                values[node.targets[0].id] = ast.literal_eval(node.value)
            except (ValueError, TypeError, MemoryError, RecursionError):
                continue
    return values


def statements_in(code: str, names: Collection[str], *, others: bool = False) -> str:
    """The statements of a code that set or define some names, or the others; empty if it is no Python."""
    lines, kept = code.split("\n"), []
    for node in _statements(code):
        assert isinstance(node, ast.stmt)
        start = min([node.lineno, *(line.lineno for line in getattr(node, "decorator_list", []))])
        text = "\n".join(lines[start - 1 : node.end_lineno])
        if others != bool({*assigned_in(text), *functions_in(text)}.intersection(names)):
            kept.append(text)
    return "\n".join(kept)


def _statements(code: str) -> list[ast.AST]:
    tree = tree_of(code)
    return list(tree.body) if tree else []


def tree_of(code: str) -> ast.Module | None:
    """A code as Python reads it, without what only IPython understands; None if it is no Python, or very long."""
    if len(code) > _LONGEST:
        return None
    masked = re.sub(r"^([^\S\n]*)[%!].*", r"\1pass", code, flags=re.M)
    for text in dict.fromkeys((code, masked)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what students write
                return ast.parse(text)
        except (SyntaxError, ValueError, MemoryError, RecursionError):  # all of them mean that it cannot be read
            continue
    return None


def names_in(text: str) -> tuple[str, ...]:
    """The names in a list with commas."""
    return tuple(name.strip() for name in str(text).split(",") if name.strip())


def heading_of(text: str) -> str:
    """The first heading of a text, without its number signs; empty if there is none."""
    heading = re.search(r"^#{1,6} +(\S.*)$", text, flags=re.M)
    return heading[1].strip() if heading else ""


def digest_of(cells: Iterable[Cell]) -> str:
    """Eight hexadecimal digits that change whenever a cell does."""
    content = [[cell.role, cell.name, cell.kind, cell.text, dict(cell.fields)] for cell in cells]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:8]
