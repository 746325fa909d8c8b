"""What students get of an assignment: a notebook, as ``.ipynb`` and as ``.py``, with a world of their own.

A release is made by copying the cells that students get, never by taking cells out of the whole; of answers, only what
stands outside of the solutions is copied. `leaks` then looks for the rest of the source in the files as they lie on
the disk.

Each code cell begins with a line that says what it is, ``# answer: stack``; so does a text, in a comment that is not
shown, ``<!-- answer: why -->``. That line survives editors that drop metadata.
"""

import hashlib
import hmac
import json
import re
import unicodedata
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from labkit.pairing import write_text
from labkit.teaching.cells import Assignment, Cell, Question, stub_code
from labkit.teaching.leaks import leaks as leaks

_FIRST_VARIANT = 10_000  # seeds below judge the lab, or shape its world
_FIRST_HIDDEN = 2**32  # above all variants
_NOTEBOOK_METADATA: dict[str, Any] = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
    "jupytext": {"formats": "ipynb,py:percent", "cell_metadata_filter": "-editable,-deletable"},
}


def variant_of(secret: str, number: str, student: str) -> int:
    """The seed of a student's world.

    Args:
        secret: of the course; empty: the seed of a release that is the same for all courses.
        number: of the assignment, ``"02"``.
        student: their number or name, of several who work together all with commas between them, in any order. Upper
            and lower case make no difference.

    Returns:
        From 10,000 to 10,000 + 2**31 - 1.
    """
    return _FIRST_VARIANT + _number(secret, f"{number}|{same_student(student)}")


def hidden_seed(secret: str, number: str, k: int) -> int:
    """The seed of the hidden cases number ``k`` of an assignment, from 2**32 to 2**32 + 2**31 - 1.

    Without a secret, anybody who reads this file can work it out.
    """
    return _FIRST_HIDDEN + _number(secret, f"{number}|hidden|{k}")


def same_student(student: str) -> str:
    """A student's number, or those of a group in alphabetical order, as it is compared and hashed."""
    members = unicodedata.normalize("NFKC", student).casefold().split(",")
    return ", ".join(sorted({" ".join(member.split()) for member in members if member.strip()}))


def _number(secret: str, text: str) -> int:
    return int.from_bytes(hmac.digest(secret.encode(), text.encode(), hashlib.sha256)) % 2**31


def build(assignment: Assignment, student: str, variant: int, level: str = "") -> nbformat.NotebookNode:
    """The notebook of a student, without outputs; the same arguments give the same notebook, cell ids included.

    Args:
        assignment: what is asked.
        student: their number, which is filled in; may be empty.
        variant: the seed of their world, which is filled in.
        level: ``"grad"`` adds the questions for graduate students.
    """
    questions = assignment.asked(level)
    notebook = new_notebook(metadata=json.loads(json.dumps(_NOTEBOOK_METADATA)))
    notebook.metadata["labkit"] = {
        "assignment": assignment.stem,
        "build": assignment.build,
        "questions": {question.name: question.digest for question in questions},
    }
    ids: set[str] = set()
    for cell in assignment.released(level):
        copy = _copy(cell, assignment.build, {question.name: question for question in questions}, student, variant)
        names = (f"{cell.id}-{n}" if n > 1 else cell.id for n in range(1, len(ids) + 2))
        copy["id"] = next(name for name in names if name not in ids)
        ids.add(copy["id"])
        notebook.cells.append(copy)
    return notebook


def _copy(cell: Cell, build: str, questions: dict[str, Question], student: str, variant: int) -> nbformat.NotebookNode:
    """What students get of one cell."""
    metadata = {key: cell.fields[key] for key in ("tags", "jupyter") if key in cell.fields}
    if cell.role == "parameters":
        return new_code_cell(parameters(cell, student, variant), metadata=metadata | {"deletable": False})
    locked = {"editable": False, "deletable": False}
    if cell.role == "given" and cell.kind == "markdown":
        return new_markdown_cell(cell.text, metadata=metadata | locked)
    if cell.role == "question":
        text = f"<!-- question: {cell.name} -->\n{_with_facts(cell.text, questions[cell.name])}"
        return new_markdown_cell(text, metadata=metadata | locked | {"question": cell.name})
    if cell.role == "answer" and cell.kind == "markdown":
        text = f"<!-- answer: {cell.name} -->\n{stub_code(cell)}"
        return new_markdown_cell(text, metadata=metadata | {"answer": cell.name, "deletable": False})
    if cell.role == "given":
        text = f"# given: {cell.label} · build {build}\n{cell.text}"
        return new_code_cell(text, metadata=metadata | locked | {"given": cell.label})
    text = f"# {cell.role}: {cell.name}\n{stub_code(cell) if cell.role == 'answer' else cell.text}"
    return new_code_cell(text, metadata=metadata | {cell.role: cell.name, "deletable": False})


def parameters(cell: Cell, student: str, variant: int) -> str:
    """The text of the parameters cell, filled in; comments stay."""
    quoted = json.dumps(student, ensure_ascii=False) if student.isprintable() else repr(student)
    text = re.sub(r"^(student\s*=\s*)(\"\"|'')", lambda match: match[1] + quoted, cell.text, flags=re.M)
    return re.sub(r"^(variant\s*=\s*)0", lambda match: f"{match[1]}{variant}", text, flags=re.M)


def _with_facts(prompt: str, question: Question) -> str:
    """A prompt with what it costs and what it is worth, below its heading."""
    heading, _, rest = prompt.partition("\n")
    points = "1 point" if question.points == 1 else f"{question.points} points"
    facts = [f"**{points}**", f"about {question.minutes} minute{'s' if question.minutes > 1 else ''}"]
    for name in ("difficulty", "importance"):
        value = getattr(question, name)
        facts.append(f"{name} {'●' * value}{'○' * (5 - value)} ({value} of 5)")
    if question.level == "grad":
        facts.append("for graduate students")
    return f"{heading}\n\n{' · '.join(facts)}\n\n*What is judged*: {_judged(question)}\n\n{rest.lstrip()}".rstrip()


def _judged(question: Question) -> str:
    """What is judged, in sentences."""
    if question.kind == "value":
        names = " and ".join(f"`{name}`" for name in question.values)
        ours = f"{names}, compared with the right answer for your variant, within {question.within:g}."
    elif question.kind == "function" and question.has_judge:
        ours = "hidden cases; the better your function does on them, the more points it earns."
    elif question.kind == "function":
        ours = "hidden cases, whose results are compared with those of a right solution."
    else:
        ours = "a person reads it." if question.kind == "text" else "a person looks at it."
    sentences = [f"{question.judged.rstrip('.')}." if question.judged else ours]
    if question.words:
        sentences.append(f"About {question.words} words.")
    if question.all_or_nothing:
        sentences.append("It earns points only if everything is right.")
    if question.without:
        sentences.append(f"Write it without {', '.join(f'`{name}`' for name in question.without)}.")
    return " ".join(sentences)


def write(assignment: Assignment, folder: Path, student: str, variant: int, level: str = "") -> list[Path]:
    """Write the notebook of a student.

    Args:
        assignment: what is asked.
        folder: made if it does not exist; older files of the same names are replaced.
        student: see `build`.
        variant: see `build`.
        level: see `build`.

    Returns:
        The ``.ipynb`` and the ``.py``, which say the same.
    """
    notebook = build(assignment, student, variant, level)
    files = [folder / f"{assignment.stem}.ipynb", folder / f"{assignment.stem}.py"]
    write_text(files[0], nbformat.writes(notebook) + "\n")
    write_text(files[1], jupytext.writes(notebook, fmt="py:percent"))
    return files
