"""Does an assignment do what it should? Its source says what is right and which mistakes are known: it judges itself.

On the variants of some made-up students: the solution earns everything, each known mistake earns less and is recognised
by its name, what is handed out leaks nothing, runs, and earns nothing; and through the box the solution earns what it
earns outside of it.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

from labkit.pairing import write_text
from labkit.teaching import judge
from labkit.teaching.cells import Assignment, Question, solution_code
from labkit.teaching.grade import Box, judge_submission
from labkit.teaching.reference import Raised, Reference, SourceError
from labkit.teaching.release import build, hidden_seed, leaks, variant_of, write
from labkit.teaching.submission import read_submission

SECRET = "made up, to check an assignment with"


def check(
    assignment: Assignment, box: Box | None, *, students: int = 5, say: Callable[[str], None] = print
) -> list[str]:
    """Look for faults in an assignment.

    Args:
        assignment: read, so that its form is right already.
        box: in which the solution and the blank release run once; None: they do not.
        students: how many variants.
        say: takes a line for each student, and one for the times.

    Returns:
        The faults, a line each.

    Raises:
        ValueError: ``students`` is below 1.
    """
    if students < 1:
        raise ValueError(f"students must be 1 or more; got {students}")
    findings: dict[str, None] = {}
    values: dict[str, list[list[Any]]] = {}
    for number in range(1, students + 1):
        student, level = f"s{number:04}", "grad" if any(q.level for q in assignment.questions) else ""
        variant = variant_of(SECRET, assignment.number, student)
        started = time.process_time()
        try:
            reference = Reference(assignment, student, variant, level)
            for question in assignment.asked(level):
                findings |= dict.fromkeys(_of_question(assignment, question, reference))
                if question.kind == "value":
                    values.setdefault(question.name, []).append(reference.values(question))
        except SourceError as error:
            return [*findings, str(error)]
        findings |= dict.fromkeys(_of_release(assignment, student, variant, level, reference))
        say(f"  {student}: variant {variant}, {time.process_time() - started:.1f} s of computing")
    findings |= dict.fromkeys(_of_values(assignment, values))
    if box is not None:
        findings |= dict.fromkeys(_in_the_box(assignment, box, student, variant, level, reference, say))
    return list(findings)


def _of_question(assignment: Assignment, question: Question, reference: Reference) -> Iterator[str]:
    """Does the solution earn everything, and each mistake less, by its name?"""
    if question.kind == "function":
        seed = hidden_seed(SECRET, assignment.number, assignment.questions.index(question))
        inputs = reference.inputs(question, seed)
        right = reference.answers(question, inputs)
        yield from _of_errors(question, right)
        own = judge.of_function(question, right, reference, inputs, seed)
        if not own.full:
            yield f"{question.name}: the solution earns {own.points:g} of {own.of} ({own.says}): nobody can earn more"
        for says, answers in reference.mistakes(question, inputs):
            yield from _of_mistake(question, says, judge.of_function(question, answers, reference, inputs, seed))
    elif question.kind == "value":
        own = judge.of_values(question, reference.values(question), reference)
        if not own.full:
            yield f"{question.name}: the solution earns {own.points:g} of {own.of} ({own.says})"
        for says, answers in reference.wrong_values(question):
            yield from _of_mistake(question, says, judge.of_values(question, answers, reference))


def _of_errors(question: Question, answers: list[Any]) -> Iterator[str]:
    """Does the solution fail where its code does not say that it should?"""
    code = solution_code(question.answer)
    errors = [answer.type for answer in answers if isinstance(answer, Raised)]
    for kind in dict.fromkeys(errors):
        if f"raise {kind}" not in code:
            where = f"{errors.count(kind)} of {len(answers)} hidden cases"
            yield f"{question.name}: the solution fails with {kind} in {where}: mend it, or the cases"


def _of_mistake(question: Question, says: str, found: judge.Judgement) -> Iterator[str]:
    if found.full:
        yield f"{question.name}: the mistake {says!r} earns everything: the hidden cases do not tell it apart"
    elif not question.has_judge and found.mistake != says:
        instead = f"is taken for {found.mistake!r}" if found.mistake else "is not recognised"
        yield f"{question.name}: the mistake {says!r} {instead}: add a case that tells it apart, or drop one"


def _of_release(assignment: Assignment, student: str, variant: int, level: str, reference: Reference) -> Iterator[str]:
    """Does what is handed out give anything away, and is all of it blank?"""
    with tempfile.TemporaryDirectory() as folder:
        write(assignment, Path(folder), student, variant, level)
        yield from leaks(Path(folder), assignment, [SECRET, *secrets_of(assignment, SECRET, reference, level)])
        blank = read_submission(Path(folder), assignment, student, variant, level)
    for name, state in blank.found.items():
        if state != "blank":
            yield f"{name}: as it is handed out it counts as {state}: a stub must not look like an answer"
    yield from blank.notes


def secrets_of(assignment: Assignment, secret: str, reference: Reference, level: str = "") -> list[str]:
    """What no release may hold: seeds of hidden worlds, and right values as they are printed."""
    hidden = [str(hidden_seed(secret, assignment.number, k)) for k in range(len(assignment.questions))]
    values = [
        str(value) for question in assignment.asked(level) for value in reference.values(question) if _telling(value)
    ]
    return hidden + values


def _telling(value: Any) -> bool:
    """Whether a value is printed so that nobody would write it by accident."""
    return len(str(value)) >= 6 and not isinstance(value, str | bool)


def _of_values(assignment: Assignment, values: dict[str, list[list[Any]]]) -> Iterator[str]:
    """Are the right values of different students different?"""
    for question in assignment.questions:
        pairs = list(combinations(values.get(question.name, []), 2))
        alike = sum(judge.same(*pair, question.within) for pair in pairs)
        if alike:
            yield (
                f"{question.name}: {alike} of {len(pairs)} pairs of students have the same values within "
                f"{question.within:g}: ask for more of them, else a copy cannot be told"
            )


def solved(assignment: Assignment, student: str, variant: int, level: str = "") -> Any:
    """The notebook of a student who has written the solution."""
    notebook = build(assignment, student, variant, level)
    answers = {question.name: question.answer for question in assignment.asked(level)}
    for cell in notebook.cells:
        if name := cell.metadata.get("answer"):
            first = cell.source.partition("\n")[0]
            cell.source = f"{first}\n{solution_code(answers[name])}"
    return notebook


def _in_the_box(
    assignment: Assignment,
    box: Box,
    student: str,
    variant: int,
    level: str,
    reference: Reference,
    say: Callable[[str], None],
) -> Iterator[str]:
    import nbformat

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{assignment.stem}.ipynb")
        write_text(path, nbformat.writes(solved(assignment, student, variant, level)))
        submission = read_submission(path, assignment, student, variant, level)
        outcomes, notes, answers = judge_submission(
            assignment, submission, SECRET, box, student, variant, level, reference=reference
        )
        say(f"  in the box: {answers.cpu:.1f} s of computing; held by {', '.join(answers.contained) or 'nothing'}")
        yield from (f"in the box: {note}" for note in notes)
        for name, outcome in outcomes.items():
            if outcome.points is not None and not outcome.full:
                yield f"in the box: {name}: the solution earns {outcome.points:g} of {outcome.of} ({outcome.says})"
        for question in (question for question in assignment.asked(level) if question.kind == "value"):
            if outcomes[question.name].full and not judge.same(
                reference.values(question), answers.values[question.name], question.within / 10
            ):
                yield (
                    f"in the box: {question.name}: values of the same code differ by more than a tenth of "
                    f"{question.within:g}: compute what settles, or allow more"
                )
        if answers.cpu > box.limits.cpu / 2:
            yield f"the notebook takes {answers.cpu:.0f} s of computing: at most half of {box.limits.cpu:g}"
        yield from _blank_runs(assignment, box, student, variant, level, Path(folder))


def _blank_runs(
    assignment: Assignment, box: Box, student: str, variant: int, level: str, folder: Path
) -> Iterator[str]:
    """Does what is handed out run from top to bottom?"""
    from labkit.teaching.box import Job, Probe, answer

    notebook = build(assignment, student, variant, level)
    answers = answer(
        Job(notebook, [Probe("ran", "", ("variant",))]), folder, box.limits, trust=box.trust, container=box.container
    )
    yield from (f"as it is handed out: {note}" for note in answers.notes if " failed with " not in note)  # told below
    for cell in answers.notebook.cells if answers.notebook else []:
        for output in cell.get("outputs", []):
            if output.get("output_type") == "error":
                first = cell.source.partition("\n")[0]
                yield f"as it is handed out: {first!r} ends with {output.get('ename')}: a stub must fail when called"
