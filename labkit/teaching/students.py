"""What students do: get an assignment, and hand it in."""

import contextlib
import tempfile
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path

from labkit.files import written_whole
from labkit.teaching.box import Answers, Job, Probe, answer, label
from labkit.teaching.cells import Assignment
from labkit.teaching.classroom import STUDENT
from labkit.teaching.limits import Limits
from labkit.teaching.release import same_student, variant_of, write
from labkit.teaching.submission import Submission, read_submission


class WorkError(ValueError):
    """Something that a student asked for cannot be done; the message says what to do."""


def start(assignment: Assignment, student: str, folder: Path) -> list[Path]:
    """Write an assignment for a student, in a world of their own; a file that is there is never touched.

    Args:
        assignment: which.
        student: their number, or those of a group with commas between them.
        folder: where to write.

    Raises:
        WorkError: no such number can be, or the assignment has been started already.
    """
    _require_numbers(student, "--student")
    there = [path for path in (folder / f"{assignment.stem}.ipynb", folder / f"{assignment.stem}.py") if path.exists()]
    if there:
        raise WorkError(f"{there[0]} is there already: continue with it, or move it away")
    who = same_student(student)
    return write(assignment, folder, who, variant_of("", assignment.number, who))


def _require_numbers(student: str, name: str) -> None:
    if not all(STUDENT.fullmatch(member.strip()) for member in student.split(",")):
        raise WorkError(f"{name} must be a student's number, letters and digits and _ . @ + -; got {student!r}")


def hand_in(assignment: Assignment, work: Path, student: str = "") -> tuple[list[str], Path]:
    """Run an assignment, say what is there and what is missing, and pack it.

    Args:
        assignment: which.
        work: the notebook, or the folder that it lies in.
        student: their number; the one in the notebook if empty.

    Returns:
        Lines that say how it stands, and the archive.

    Raises:
        SubmissionError: it cannot be read.
        WorkError: nobody's number is in it, or one that cannot be.
    """
    first = read_submission(work, assignment, student, 0)
    who = same_student(student or first.student_said)
    if not who:
        raise WorkError(f'{first.path}: student must be your number, in the cell `student = ""`; or give --student')
    _require_numbers(who, "--student" if student else f"{first.path}: student")
    variant = first.variant_said or variant_of("", assignment.number, who)
    submission = read_submission(work, assignment, who, variant, "grad")
    if all(submission.found[question.name] == "missing" for question in assignment.questions if question.level):
        submission = read_submission(work, assignment, who, variant)  # it is none for graduate students
    probes = [Probe("handed_in", "", ("variant",))]
    with tempfile.TemporaryDirectory(prefix="labkit-") as folder:
        answers = answer(
            Job(submission.notebook, probes), Path(folder), Limits(), trust=True
        )  # it is the student's own
    errors = dict(_errors(answers))
    lines = [*_states(submission, set(errors.values())), *errors, *submission.notes, *answers.notes]
    archive = submission.path.parent / f"{assignment.stem}_{who.replace(', ', '+')}.zip"
    with written_whole(archive) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(
            {submission.path, submission.path.with_suffix(".ipynb"), submission.path.with_suffix(".py")}
        ):
            with contextlib.suppress(FileNotFoundError):
                packed.writestr(path.name, path.read_bytes())
    answered = sum(state == "found" for state in submission.found.values())
    lines.append(f"packed {submission.path.name}, and its twin if there is one")
    lines.append(f"{answered} of {len(submission.found)} answers · runs in {answers.cpu:.0f} s of computing")
    return lines, archive


def _states(submission: Submission, failing: Collection[str]) -> Iterator[str]:
    words = {"found": "✓ {}", "blank": "✗ {}: not answered yet", "missing": "? {}: its cell is not where it should be"}
    for name, state in submission.found.items():
        yield f"✗ {name}: its cell ends with an error" if name in failing else words[state].format(name)


def _errors(answers: Answers) -> Iterator[tuple[str, str]]:
    """The cells that end with an error, as the student's own machine may tell the student, and their questions."""
    for number, cell in enumerate(answers.notebook.cells if answers.notebook else [], start=1):
        for output in cell.get("outputs", []):
            if output.get("output_type") == "error":
                about = cell.metadata["labkit"]
                says = f"✗ {label(cell, number)} ends with {output.get('ename')}: {str(output.get('evalue'))[:200]}"
                yield says, about["name"] if about["role"] == "answer" else ""
