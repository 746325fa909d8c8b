"""Read the source of an assignment: one ``.py`` in jupytext's percent format, with a role in the header of each cell.

=================  ==========================================================  ==========================
role               header                                                      students get
=================  ==========================================================  ==========================
parameters         ``# %% tags=["parameters"]``                                it, filled in
given              ``# %%``, ``# %% [markdown]``                               it
question           ``# %% [markdown] question="stack" points=4 minutes=20      it, with a line about that
                   difficulty=2 importance=5 judged="..." level="grad"``
answer, function   ``# %% answer="stack"``                                     the stub
answer, value      ``# %% answer="weight" value="a, b" within=0.002``          the stub
answer, text       ``# %% [markdown] answer="why" words=80``                   *Your answer here.*
answer, figure     ``# %% answer="chart" figure=true``                         the stub
check              ``# %% check="stack"``                                      it
cases              ``# %% cases="stack"``: ``cases(seed)``, ``judge(...)``     nothing
mistake            ``# %% mistake="stack" says="..."``                         nothing
rubric             ``# %% [markdown] rubric="why"``: ``- 2 points: ...``       nothing
teacher            ``# %% [markdown] teacher="stack"``                         nothing
=================  ==========================================================  ==========================

Further fields: ``without="labkit.flow.stack"`` of a question names what its answer must not call, ``all="yes"`` gives
points only if all hidden cases are right; ``function="name"`` of an answer says which of several functions is judged;
``within`` of cases is the tolerance of the comparison. The ``title`` of a given cell (``# %% setup``) is its name.
"""

import re
from collections import Counter
from pathlib import Path

import jupytext

from labkit.teaching.cells import Assignment as Assignment
from labkit.teaching.cells import Cell as Cell
from labkit.teaching.cells import Kind, Role
from labkit.teaching.cells import Question as Question
from labkit.teaching.cells import solution_code as solution_code
from labkit.teaching.cells import stub_code as stub_code
from labkit.teaching.lint import problems

_NAMED: tuple[Role, ...] = ("question", "answer", "check", "cases", "mistake", "rubric", "teacher")
_OF_JUPYTEXT = ("lines_to_next_cell", "lines_to_end_of_cell_marker", "cell_marker")


class AssignmentError(ValueError):
    """A source cannot be used; the message has a line for each thing that is wrong with it."""


def read(path: Path | str, overlay: Path | None = None) -> Assignment:
    """Read a source, and the overlay of a teacher over it.

    Args:
        path: of the source, ``NN_stem.py``.
        overlay: a file of the same format with questions only, each with all of its cells. A question that the source
            has, too, replaces it: the prompt where the prompt stood, everything else where the answer stood. Other
            questions come at the end.

    Raises:
        AssignmentError: names everything that is wrong.
    """
    path = Path(path)
    name = re.fullmatch(r"(\d\d)_\w+", path.stem)
    if not name or path.suffix != ".py":
        raise AssignmentError(f"{path}: expected a source called NN_stem.py, 02_two_stream.py say: rename it")
    cells = _cells(path, overlay=False)
    if overlay is not None:
        cells = _laid_over(cells, _cells(overlay, overlay=True), overlay.name)
    if wrong := problems(cells, path.name):
        raise AssignmentError("\n".join(wrong))
    titles = (re.search(r"^# +(.+?)\s*$", cell.text, flags=re.M) for cell in cells if cell.kind == "markdown")
    title = next(match[1] for match in titles if match)
    questions = tuple(_question(cell, cells) for cell in cells if cell.role == "question")
    return Assignment(path, name[1], path.stem, title, tuple(cells), questions)


def _cells(path: Path, *, overlay: bool) -> list[Cell]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise AssignmentError(f"{path}: expected the source of an assignment; got {error}: check the path") from error
    cells: list[Cell] = []
    given: Counter[str] = Counter()
    for number, cell in enumerate(jupytext.reads(text, fmt="py:percent").cells, start=1):
        fields = {key: value for key, value in cell.metadata.items() if key not in _OF_JUPYTEXT}
        roles = [role for role in _NAMED if role in fields]
        role: Role = "parameters" if "parameters" in fields.get("tags", []) else roles[0] if roles else "given"
        name = str(fields.pop(role, ""))  # of a second role, which is a fault, lint finds the field
        label = name or role
        if role == "given":  # counted by themselves: hidden cells that are added later change no label
            given[cell.cell_type] += 1
            title = re.sub(r"[^a-z0-9]+", "-", str(fields.get("title", "")).lower()).strip("-")[:40]
            kind = {"markdown": "text", "code": "overlay" if overlay else "given"}.get(cell.cell_type, "raw")
            label = title or f"{kind}-{given[cell.cell_type]}"
        cells.append(Cell(number, cell.cell_type, cell.source, role, name, fields, path.name, overlay, label))
    return cells


def _laid_over(cells: list[Cell], overlay: list[Cell], file: str) -> list[Cell]:
    if overlay and overlay[0].role != "question":
        raise AssignmentError(f"{file}, cell 1: an overlay must begin with a question; got {overlay[0].role}: move it")
    blocks: dict[str, list[Cell]] = {}
    for cell in overlay:
        if cell.role == "question":
            if cell.name in blocks:
                raise AssignmentError(f"{cell.where}: question {cell.name!r} is there twice: rename one")
            blocks[cell.name] = []
            block = blocks[cell.name]
        block.append(cell)
    merged = []
    for cell in cells:
        if cell.name not in blocks:
            merged.append(cell)
        elif cell.role == "question":
            merged.append(blocks[cell.name].pop(0))
        elif cell.role == "answer":
            merged += blocks[cell.name]
            blocks[cell.name] = []
    return merged + [cell for block in blocks.values() for cell in block]


def _question(prompt: Cell, cells: list[Cell]) -> Question:
    def of(role: Role) -> list[Cell]:
        return [cell for cell in cells if (cell.role, cell.name) == (role, prompt.name)]

    (answer,), cases, rubrics, fields = of("answer"), of("cases"), of("rubric"), prompt.fields
    kind: Kind = "function"
    if answer.kind == "markdown":
        kind = "text"
    elif "figure" in answer.fields:
        kind = "figure"
    elif "value" in answer.fields:
        kind = "value"
    return Question(
        name=prompt.name,
        points=fields["points"],
        minutes=fields["minutes"],
        difficulty=fields["difficulty"],
        importance=fields["importance"],
        judged=fields.get("judged", ""),
        level=fields.get("level", ""),
        prompt=prompt,
        answer=answer,
        kind=kind,
        cases=cases[0] if cases else None,
        checks=tuple(of("check")),
        mistakes=tuple(of("mistake")),
        rubric=rubrics[0] if rubrics else None,
    )
