"""Which cell of a submission is which cell of the release, also after an editor has dropped what it does not know.

A cell is known by, in this order, the line that says what it is (``# answer: stack``), its metadata, its text, and for
an answer what it defines. Everything else is a cell of the student's own.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from labkit.teaching.cells import (
    Assignment,
    Cell,
    Question,
    assigned_in,
    functions_in,
    heading_of,
    literals_in,
    statements_in,
)

_ALIKE = 0.5  # of the lines of the longer text
_LONGEST = 100_000  # characters of a cell that is looked into
_MARK = re.compile(
    r"^[ \t]*(?:#+[ \t]*)?(?:#|<!--)[ \t]*(answer|check|given|question)[ \t]*:[ \t]*([\w-]+)"
    r"(?:[ \t]*·[ \t]*build[ \t]+(\w+))?[ \t]*(?:-->)?[ \t]*$",
    flags=re.I,
)


@dataclass(eq=False)
class Part:
    """A cell of a submission, or of a cell the part that a mark begins.

    Attributes:
        kind: ``"code"``, ``"markdown"`` or ``"raw"``.
        text: without the mark.
        metadata: as it came.
        id: of the cell; may be empty.
        number: of the cell in its file, from 1; 0 for a cell that is in none.
        above: how many lines stood above its mark; None if it had none.
        role: of the cell of the release that it is; ``"own"`` for others.
        name: the label of that cell.
        how: it is known: by ``"mark"``, ``"metadata"``, ``"exact"`` or ``"text"`` (the same, or nearly so), or by the
            ``"name"`` that it defines; empty for others.
        said: the build that its mark names; may be empty.
        index: of that cell among the released ones; None for others.
        defines: the questions whose function it defines, or whose values it sets.
        was: its kind before, if an editor made a text of code or the other way round; empty otherwise.
    """

    kind: str
    text: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    id: str = ""
    number: int = 0
    above: int | None = None
    role: str = "own"
    name: str = ""
    how: str = ""
    said: str = ""
    index: int | None = None
    defines: frozenset[str] = frozenset()
    was: str = ""

    def become(self, role: str, name: str, how: str, index: int | None) -> None:
        """Note which cell of the release it is."""
        self.role, self.name, self.how, self.index = role, name, how, index

    def become_own(self) -> None:
        """Note that it is a cell of the student's own."""
        self.become("own", "", "", None)


def match(cells: Sequence[Part], assignment: Assignment, level: str = "") -> list[Part]:
    """Give each cell its role.

    Args:
        cells: of a submission, in order.
        assignment: of which it may be a submission.
        level: of the student.

    Returns:
        The same cells in the same order; one in which several were merged is several again.
    """
    released = assignment.released(level)
    known: dict[tuple[str, str], int] = {}
    for index, cell in enumerate(released):
        if cell.role != "given" or cell.kind == "code":
            known.setdefault((cell.role, cell.label), index)
    parts = [part for cell in cells for part in _split(cell, known)]
    parts = [known_part for part in parts for known_part in _by_metadata(part, known, released)]
    _by_text(parts, released)
    _one_each(parts)
    questions = assignment.asked(level)
    for part in parts:
        kind = released[part.index].kind if part.index is not None else part.kind
        if part.role in ("given", "check", "answer") and part.kind != kind:
            part.was, part.kind = part.kind, kind
        if part.kind == "code" and part.role != "parameters":
            ours = released[part.index].text if part.index is not None and part.role in ("given", "check") else ""
            part.defines = frozenset(_defined(part.text, questions)) - frozenset(_defined(ours, questions))
            if part.role == "own" and part.defines:
                name = next(question.name for question in questions if question.name in part.defines)
                part.become("answer", name, "name", known.get(("answer", name)))
    return parts


def _split(cell: Part, known: Mapping[tuple[str, str], int]) -> Iterator[Part]:
    """The parts of a cell, one for each mark in it; what stands before the first one is a part as well."""
    lines, part, rest = cell.text.split("\n"), replace(cell), list[str]()
    for line in lines:
        mark = _MARK.match(line) if len(line) < 200 else None
        key = (mark[1].lower(), mark[2]) if mark else ("", "")
        if mark and (key in known or key[0] == "given"):
            if part.how or _has_content(rest, cell.kind):
                yield replace(part, text="\n".join(rest))
                part, rest = replace(cell, metadata={}, id=""), []
            part.become(*key, "mark", known.get(key))
            part.above = len(rest)
            part.said = mark[3] or ""
        else:
            rest.append(line)
    part.text = "\n".join(rest)
    yield part


def _has_content(lines: Sequence[str], kind: str) -> bool:
    """Whether there is more than comments and IPython's commands, which may stand above a mark."""
    above = ("#", "%") if kind == "code" else ()
    return any(line.strip() and not line.lstrip().startswith(above) for line in lines)


def _by_metadata(part: Part, known: Mapping[tuple[str, str], int], released: Sequence[Cell]) -> Iterator[Part]:
    """Know a cell by its header or its id, the parameters by what they set; what else these do is a part as well."""
    yield part
    if part.how:
        return
    tags = part.metadata.get("tags")
    values = literals_in(part.text) if part.kind == "code" else {}
    is_tagged = isinstance(tags, list) and ("parameters" in tags or "injected-parameters" in tags)
    if (is_tagged and part.kind == "code") or {"student", "variant"} <= values.keys():
        part.become("parameters", "parameters", "metadata", known[("parameters", "parameters")])
        if rest := statements_in(part.text, ("student", "variant"), others=True):
            yield Part("code", rest, number=part.number)
        return
    for (role, name), index in known.items():
        if part.metadata.get(role) == name or part.id == released[index].id:
            part.become(role, name, "metadata", index)
            return


def _by_text(parts: Sequence[Part], released: Sequence[Cell]) -> None:
    """Know cells that say what one of the release says, or nearly so; prompts and given texts also by their heading."""
    texts = {index: cell for index, cell in enumerate(released) if cell.role in ("given", "check", "question")}
    plain_texts = {index: plain(cell.text) for index, cell in texts.items()}
    taken = {part.index for part in parts if part.how and part.role != "given"}
    for part in parts:  # whatever its mark says: in another build, cells may have other labels
        if part.role not in ("own", "given") or not part.text.strip():
            continue
        text = plain(part.text)
        alike = [i for i, cell in texts.items() if cell.kind == part.kind and plain_texts[i] == text]
        if part.index in alike:
            alike = [part.index]
        if free := [index for index in alike if index not in taken]:
            part.become(texts[free[0]].role, texts[free[0]].label, "exact", free[0])
            taken.add(free[0])
    taken |= {part.index for part in parts}
    for part in parts:
        if part.how or not part.text.strip() or len(part.text) > _LONGEST:
            continue
        scores = {
            index: likeness(part, cell)
            for index, cell in texts.items()
            if cell.kind == part.kind and index not in taken
        }
        best = max(scores, key=scores.__getitem__, default=0)
        if scores.get(best, 0) >= _ALIKE:
            part.become(texts[best].role, texts[best].label, "text", best)
            taken.add(best)


def likeness(part: Part, cell: Cell) -> float:
    """How much of the longer one two texts share, line by line, 0 to 1; texts with the same heading 1."""
    if cell.kind == "markdown" and (heading := heading_of(cell.text)) and heading == heading_of(part.text):
        return 1.0
    ours, theirs = set(plain(cell.text).split("\n")), set(plain(part.text).split("\n"))
    return len(ours & theirs) / max(len(ours), len(theirs))


def _one_each(parts: Sequence[Part]) -> None:
    """Of several cells that seem to be the same given one, keep the one that is known best; the others are copies."""
    order = ("exact", "mark", "metadata", "text")
    best: dict[str, Part] = {}
    for part in parts:
        if part.role == "given" and part.kind == "code":
            if part.index is None:
                part.become_own()
            elif part.name not in best or order.index(part.how) < order.index(best[part.name].how):
                best[part.name] = part
    for part in parts:
        if part.role == "given" and part.kind == "code" and best.get(part.name) is not part:
            part.become_own()


def _defined(code: str, questions: Sequence[Question]) -> Iterator[str]:
    functions = {
        *functions_in(code),
        *re.findall(r"^def (\w+)", code, flags=re.M),
    }  # the latter also in code that is broken
    names = assigned_in(code)
    for question in questions:
        if question.kind == "function" and question.function in functions | names:
            yield question.name
        if question.kind == "value" and names.intersection(question.values):
            yield question.name


def plain(text: str) -> str:
    """A text without blank lines and blanks at the ends of lines, by which cells are compared."""
    return "\n".join(line.rstrip() for line in text.split("\n") if line.strip())
