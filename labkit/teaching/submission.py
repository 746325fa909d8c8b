"""Read what a student hands in: find the answers in it, and make of it the notebook that is run.

Nothing is refused that can be read: editors drop metadata, students delete, copy, merge and move cells. What was given
out is ours again, in its place; visible checks are left out, as they never count; everything else stays as the student
left it. What cannot be found is reported as missing, so that a person looks for it.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

from labkit.teaching import intake
from labkit.teaching.answers import Answer, State, code_answer, forbidden_calls, text_answer
from labkit.teaching.cells import Assignment, Cell, assigned_in, functions_in, literals_in, statements_in
from labkit.teaching.intake import SubmissionError as SubmissionError
from labkit.teaching.matching import Part, match, plain
from labkit.teaching.release import parameters, same_student


@dataclass(frozen=True)
class Submission:
    """What a student handed in.

    Attributes:
        student_said: what the notebook gives as the student's number; empty if nothing.
        variant_said: the variant that it was made for; None if it does not say.
        notebook: to be run, without outputs. Each cell has ``metadata["labkit"]`` with its ``"role"``, which is
            ``"parameters"``, ``"given"``, ``"question"``, ``"answer"`` or ``"own"``, its ``"name"``, and its
            ``"number"`` in the student's file, 0 if it is not there.
        found: for each question ``"found"``, ``"blank"`` (as it was given out) or ``"missing"`` (a person must look).
        texts: the answers in words, by question, of those that were found.
        notes: what a person should know.
        digest: of everything that counts of it, 64 hexadecimal digits; outputs do not.
        path: the file that was read.
    """

    student_said: str
    variant_said: int | None
    notebook: nbformat.NotebookNode
    found: Mapping[str, State]
    texts: Mapping[str, str]
    notes: tuple[str, ...]
    digest: str
    path: Path


def read_submission(
    path: Path | str, assignment: Assignment, student: str, variant: int, level: str = ""
) -> Submission:
    """Read a submission.

    Args:
        path: a notebook, ``.ipynb`` or ``.py``, or a folder that holds it. Of a pair the ``.ipynb`` counts, unless
            only the ``.py`` has answers; if both have and they differ, a note says so.
        assignment: the one that it answers.
        student: who handed it in.
        variant: of that student, whatever the notebook says.
        level: of the student; ``"grad"`` for graduate students.

    Raises:
        SubmissionError: there is no such file, there are several, or it cannot be read at all.
    """
    errors: list[SubmissionError] = []
    readings: list[Submission] = []
    for file in intake.files(Path(path), assignment.stem):
        try:
            readings.append(_interpret(file, assignment, student, variant, level))
        except SubmissionError as error:
            errors.append(error)
    if not readings:
        raise errors[0]
    first = readings[0]
    if errors:
        return replace(first, notes=(*first.notes, f"only {first.path.name} could be read: {errors[0]}"))
    return _compared(*readings) if len(readings) > 1 else first


def _compared(notebook: Submission, script: Submission) -> Submission:
    """Of a pair the notebook, with notes on what only the script says; the script if the notebook has no answers."""
    if "found" in script.found.values() and "found" not in notebook.found.values():
        note = f"{notebook.path.name} has no answers: read from {script.path.name}"
        return replace(script, notes=(*script.notes, note))
    found, notes = dict(notebook.found), list(notebook.notes)
    for name, state in script.found.items():
        if state == "found" and found[name] != "found":
            found[name] = "missing"
            notes.append(f"{name}: answered in {script.path.name} only: look at it")
        elif state == "found" and _answer(notebook, name) != _answer(script, name):
            notes.append(f"{name}: {script.path.name} has another answer: the one in {notebook.path.name} counts")
    digest = _digest([notebook.digest, script.digest])
    return replace(notebook, found=found, notes=tuple(notes), digest=digest)


def _answer(submission: Submission, name: str) -> str:
    """What a submission answers, as far as two of them are compared."""
    cells = [(cell.metadata["labkit"], cell) for cell in submission.notebook.cells if cell.cell_type == "code"]
    of = [cell.source for about, cell in cells if (about["role"], about["name"]) == ("answer", name)]
    lines = plain("\n".join(of)).split("\n")
    return "\n".join(line for line in lines if line != _mark("answer", name)) or plain(submission.texts.get(name, ""))


def _mark(role: str, name: str) -> str:
    return f"# {role}: {name}"


def _interpret(file: Path, assignment: Assignment, student: str, variant: int, level: str) -> Submission:
    cells, about = intake.cells(file)
    parts, released = match(cells, assignment, level), assignment.released(level)
    build = _build(parts, about)
    notes = list(_on_build(build, about, assignment, level))
    if not any(part.how for part in parts):
        notes.append(f"nothing of {assignment.stem} is in {file.name}: is it the right file?")
    answers: dict[str, Answer] = {}
    for question in assignment.asked(level):
        if question.kind == "text":
            answers[question.name] = text_answer(question, parts, same_build=build in ("", assignment.build))
        else:
            answers[question.name] = code_answer(question, parts)
        notes += answers[question.name].notes
    values_set = [literals_in(part.text) for part in parts if part.role == "parameters"]
    student_said = next(
        (text[:200] for values in values_set if isinstance(text := values.get("student"), str) and text), ""
    )
    variant_said = next((seed for values in values_set if type(seed := values.get("variant")) is int and seed), None)
    if student_said and same_student(student_said) != same_student(student):
        notes.append(
            f"the notebook says {student_said!r}, it came from {student!r}: graded with the variant of {student!r}"
        )
    elif variant_said not in (None, variant):
        notes.append(f"the notebook says variant {variant_said}, {student!r} has {variant}: graded with {variant}")
    digest = _digest(
        [student, variant, level, build, *([part.kind, part.role, part.name, part.text] for part in parts)]
    )
    unused = {id(part) for answer in answers.values() for part in answer.unused}
    restored = _restored([part for part in parts if id(part) not in unused], released, notes)
    _put_back(restored, released, notes)
    filled = parameters(next(cell for cell in released if cell.role == "parameters"), student, variant)
    for part in restored:
        part.text = filled if part.role == "parameters" else part.text
    for question in assignment.asked(level):
        notes += forbidden_calls(question, [(part, part.text) for part in restored if part.kind == "code"])
    return Submission(
        student_said=student_said,
        variant_said=variant_said,
        notebook=_notebook(restored),
        found={name: answer.state for name, answer in answers.items()},
        texts={name: answer.text for name, answer in answers.items() if answer.text and answer.state == "found"},
        notes=tuple(dict.fromkeys(notes)),
        digest=digest,
        path=file,
    )


def _build(parts: Sequence[Part], about: Mapping[str, Any]) -> str:
    """The build that most of the given cells name, or else the metadata."""
    builds = Counter(part.said for part in parts if part.said)
    return builds.most_common(1)[0][0] if builds else str(about.get("build", ""))[:64]


def _on_build(build: str, about: Mapping[str, Any], assignment: Assignment, level: str) -> Iterator[str]:
    if build in ("", assignment.build):
        return
    start, before = f"made with build {build}, graded with {assignment.build}", about.get("questions")
    if not isinstance(before, dict):
        yield f"{start}: questions may have changed since"
        return
    changed = [
        repr(question.name) for question in assignment.asked(level) if before.get(question.name) != question.digest
    ]
    if changed:
        yield f"{start}: {', '.join(changed)} {'has' if len(changed) == 1 else 'have'} changed since"
    else:
        yield f"{start}: no question has changed since"


def _restored(parts: Sequence[Part], released: Sequence[Cell], notes: list[str]) -> list[Part]:
    """The cells with those that were given out as they were, each where it stands; checks are still among them."""
    restored: list[Part] = []
    has_parameters = False
    for part in parts:
        ours = released[part.index].text if part.index is not None else ""
        if part.was and part.role == "answer":
            notes.append(f"{part.name}: its answer is in a {part.was} cell: read as {part.kind}")
        if part.role == "parameters":
            if has_parameters:
                notes.append("the parameters are there more than once: graded with the student's own")
            else:
                restored.append(replace(part, text=ours))
            has_parameters = True
        elif part.role == "given" and part.kind == "code":
            if plain(part.text) != plain(ours):
                notes.append(f"a given cell ({part.name}) was changed: graded with the original")
            restored.append(replace(part, text=ours))
            if part.defines:
                restored.append(_taken_from(part, ours, notes))
        elif part.role == "check":
            restored.append(part)
            if part.defines:
                restored.append(_taken_from(part, ours, notes))
        else:
            restored.append(part)
            if part.kind == "code" and (again := assigned_in(part.text) & {"student", "variant"}):
                notes.append(f"a cell sets {' and '.join(sorted(again))} again: look at it")
    return restored


def _taken_from(part: Part, ours: str, notes: list[str]) -> Part:
    """An answer that was written into a cell that is ours again, or left out: what that defines and ours does not."""
    names = {*assigned_in(part.text), *functions_in(part.text)} - {*assigned_in(ours), *functions_in(ours)}
    where = "a given cell" if part.role == "given" else "a check"
    notes.append(f"{', '.join(sorted(part.defines))}: found in {where} ({part.name})")
    text = statements_in(part.text, names) or part.text
    return Part("code", text, number=part.number, role="answer", name=min(part.defines))


def _put_back(parts: list[Part], released: Sequence[Cell], notes: list[str]) -> None:
    """Insert the code that was given out and is not there, each cell where fewest others are in the wrong order."""
    there = {part.index for part in parts if part.role in ("parameters", "given")}
    for index, cell in enumerate(released):
        if cell.role not in ("parameters", "given") or cell.kind != "code" or index in there:
            continue
        notes.append(f"a given cell ({cell.label}) was missing: put back")
        order = [index if part.index is None else part.index for part in parts]
        wrong = [sum(other < index for other in order)]  # pairs in the wrong order, for each place from the first on
        for other in order:
            wrong.append(wrong[-1] + (other > index) - (other < index))
        new = Part("code", cell.text, role=cell.role, name=cell.label, how="mark", index=index)
        parts.insert(wrong.index(min(wrong)), new)


def _notebook(parts: Sequence[Part]) -> nbformat.NotebookNode:
    """What is run: nothing of the metadata that came is in it, as some of it tells the runner what to do."""
    kinds = {"code": new_code_cell, "markdown": new_markdown_cell, "raw": new_raw_cell}
    notebook = new_notebook(
        metadata={"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    )
    for part in parts:
        if part.role != "check":
            about = {"role": part.role, "name": part.name, "number": part.number}
            cell = kinds[part.kind](
                _with_mark(part), metadata={"labkit": about}, id=f"cell-{len(notebook.cells) + 1:02d}"
            )
            notebook.cells.append(cell)
    return notebook


def _with_mark(part: Part) -> str:
    """The text of a part with its mark where that stood: an error then names the line of the student's cell."""
    if part.kind != "code" or part.above is None or not part.name:
        return part.text
    above = 0 if part.role == "given" else part.above
    if not above and part.text.lstrip("\n").startswith(("%%", " ", "\t")):  # IPython allows it only in a first line
        return part.text
    lines = part.text.split("\n")
    lines.insert(above, _mark(part.role, part.name))
    return "\n".join(lines)


def _digest(content: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
