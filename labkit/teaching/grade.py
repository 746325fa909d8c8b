"""Grade submissions, each in its box; what is graded already is left alone, and one failure stops nothing.

The result of a submission is a file of JSON that says what each question earned and why. It does not hold what a person
decides: late days and marks by hand are joined by `labkit.teaching.book` each time.
"""

import hashlib
import json
import multiprocessing
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from labkit.files import written_whole
from labkit.teaching import judge
from labkit.teaching.archive import time_of
from labkit.teaching.box import Answers, Failure, Job, Probe, answer
from labkit.teaching.cells import Assignment, Question
from labkit.teaching.classroom import Classroom
from labkit.teaching.exchange import ExchangeError, pack, unpack
from labkit.teaching.judge import Judgement
from labkit.teaching.limits import Limits
from labkit.teaching.reference import Reference
from labkit.teaching.release import hidden_seed
from labkit.teaching.submission import Submission, SubmissionError, read_submission

Result = dict[str, Any]
_NEEDED = {"questions", "students", "student", "received", "notes", "private_notes", "build", "auto", "open"}
_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")  # a spreadsheet would take 12e901 for a number


@dataclass(frozen=True)
class Box:
    """How submissions are contained.

    Attributes:
        limits: what each may use.
        trust: run them although this machine cannot contain them.
        container: ``"docker"`` or ``"podman"``; empty: in this machine's own box.
    """

    limits: Limits
    trust: bool = False
    container: str = ""

    @classmethod
    def of(cls, classroom: Classroom, *, trust: bool = False, container: str = "") -> "Box":
        """With the limits of the course; a cell may take half of the seconds."""
        limits = Limits(cell_cpu=classroom.cpu / 2, cpu=classroom.cpu, megabytes=int(classroom.megabytes))
        return cls(limits, trust, container)


@dataclass(frozen=True)
class Received:
    """A version that was handed in.

    Attributes:
        team: who hands in together, in alphabetical order.
        student: who of them handed it in.
        folder: with its files, ``submitted/STUDENT/TIME``; its name is the time.
    """

    team: tuple[str, ...]
    student: str
    folder: Path


def received(classroom: Classroom, number: str, *, first: bool = False) -> list[Received]:
    """The version of each team that counts: the last one in time, or the first one."""
    chosen: dict[tuple[str, ...], Received] = {}
    for folder in sorted(classroom.of(number, "submitted").glob("*/*"), key=lambda folder: folder.name, reverse=first):
        if folder.is_dir() and time_of(folder.name):  # whatever else lies there is the teacher's own
            student = folder.parent.name
            team = classroom.team(student)
            chosen[team] = Received(team, student, folder)
    return sorted(chosen.values(), key=lambda one: one.team)


def result_path(classroom: Classroom, number: str, team: Sequence[str]) -> Path:
    """Where the result of a team lies: under its first member's number."""
    return classroom.of(number, "results", f"{team[0]}.json")


def load_result(path: Path) -> Result | None:
    """A result; None if there is none, or none that can be read, so that it is made again."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return result if isinstance(result, dict) and result.keys() >= _NEEDED else None


def grade(
    assignment: Assignment,
    classroom: Classroom,
    box: Box,
    *,
    only: Sequence[str] = (),
    jobs: int = 1,
    first: bool = False,
    again: bool = False,
    say: Callable[[str], None] = print,
) -> list[str]:
    """Grade what was handed in, a line for each; killed and started again, it continues.

    Args:
        assignment: with the overlay of the course, if it has one.
        classroom: whose submissions lie under ``submitted``; results go to ``results``.
        box: how they are contained.
        only: students; all if empty.
        jobs: how many at a time.
        first: the first version of each counts, not the last.
        again: also those that have a result for the same submission, source and lab.
        say: takes the lines.

    Returns:
        Students whose submission could not be graded, each with the reason.
    """
    number = assignment.number
    chosen = [one for one in received(classroom, number, first=first) if not only or set(only) & set(one.team)]
    if unknown := [student for student in only if not any(student in one.team for one in chosen)]:
        raise ValueError(f"nothing was handed in by {', '.join(unknown)}: see {classroom.of(number, 'submitted')}")
    _put_aside(classroom, number)
    one_by_one = partial(_graded, assignment, classroom, box, first=first, again=again)
    failed: list[str] = []
    for one, outcome, fresh in _each(one_by_one, chosen, jobs):
        who = ", ".join(one.team)
        if isinstance(outcome, Exception):
            failed.append(f"{who}: {type(outcome).__name__}: {outcome}")
            say(f"✗ {failed[-1]}")
        elif fresh:
            say(f"✓ {who}: {summary(outcome)} in {outcome['cpu']:.0f} s of computing")
        else:
            say(f"· {who}: {summary(outcome)}, graded before")
    for line in name_copies(assignment, classroom):
        say(line)
    return failed


def _put_aside(classroom: Classroom, number: str) -> None:
    """Move away results of teams that are others by now."""
    for path in classroom.of(number, "results").glob("*.json"):
        result = load_result(path)
        if result and tuple(result["students"]) != classroom.team(path.stem):
            old = path.parent / "of earlier teams"
            old.mkdir(exist_ok=True)
            path.replace(old / path.name)


def _each(
    work: Callable[[Received], tuple[Result, bool]], chosen: Sequence[Received], jobs: int
) -> Iterator[tuple[Received, Any, bool]]:
    """What becomes of each, or the exception that it ended in; and whether it was graded now."""
    if jobs > 1 and len(chosen) > 1:
        context = multiprocessing.get_context("spawn")  # what one assignment imports does not reach the next
        with ProcessPoolExecutor(jobs, mp_context=context) as pool:
            futures = {pool.submit(work, one): one for one in chosen}
            for future in as_completed(futures):
                error = future.exception()
                yield (futures[future], error, False) if error else (futures[future], *future.result())
        return
    for one in chosen:
        try:
            yield one, *work(one)
        except Exception as error:  # whatever it is, the others are graded
            yield one, error, False


def _graded(
    assignment: Assignment, classroom: Classroom, box: Box, one: Received, *, first: bool, again: bool
) -> tuple[Result, bool]:
    """The result of a version, and whether it was graded now."""
    path = result_path(classroom, assignment.number, one.team)
    before = load_result(path)
    who, level = ", ".join(one.team), classroom.level(one.student)
    variant = classroom.variant(assignment.number, one.student)
    private = classroom.of(assignment.number, "private", one.team[0])
    try:
        submission: Submission | SubmissionError = read_submission(one.folder, assignment, who, variant, level)
    except SubmissionError as error:
        submission = error
    digest = submission.digest if isinstance(submission, Submission) else _digest(str(submission))
    key = _digest(assignment.build, classroom.secret, digest, version("labkit"), _world(), asdict(box.limits))
    if before and before.get("key") == key and private.is_dir() and not again:
        counts = {"received": one.folder.name, "student": one.student, "first": first}
        if before != before | counts:  # the same was handed in twice, or --first has changed
            before |= counts
            save_result(path, before)
        return before, False
    private.mkdir(parents=True, exist_ok=True)
    result = {
        "assignment": assignment.stem,
        "build": assignment.build,
        "labkit": version("labkit"),
        "world": _world(),
        "students": list(one.team),
        "student": one.student,
        "received": one.folder.name,
        "first": first,
        "variant": variant,
        "level": level,
        "submission": digest,
        "key": key,
        "limits": asdict(box.limits),
    }
    result |= _judged(assignment, classroom, box, submission, who, variant, level, private)
    save_result(path, result)
    return result, True


def save_result(path: Path, result: Result) -> None:
    """Write a result, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as file:
        file.write(json.dumps(result, indent=1, ensure_ascii=False).encode())


def _judged(
    assignment: Assignment,
    classroom: Classroom,
    box: Box,
    submission: Submission | SubmissionError,
    who: str,
    variant: int,
    level: str,
    private: Path,
) -> Result:
    """What each question earns, notes, and sums."""
    questions = assignment.asked(level)
    if isinstance(submission, SubmissionError):
        digest = _digest(str(submission))[:12].translate(_LETTERS)
        outcomes = {question.name: judge.missing(question, digest) for question in questions}
        told = {"notes": ["it could not be read"], "private_notes": [str(submission)]}
        return {**_sums(outcomes), **told, "contained": [], "cpu": 0.0}
    outcomes, notes, answers = judge_submission(
        assignment, submission, classroom.secret, box, who, variant, level, private=private
    )
    about = {"notes": notes, "private_notes": [], "contained": list(answers.contained), "cpu": answers.cpu}
    return {**_sums(outcomes), **about}


def judge_submission(
    assignment: Assignment,
    submission: Submission,
    secret: str,
    box: Box,
    who: str,
    variant: int,
    level: str = "",
    *,
    reference: Reference | None = None,
    private: Path | None = None,
) -> tuple[dict[str, Judgement], list[str], Answers]:
    """Run a submission in the box and judge its answers.

    Args:
        assignment: that it answers.
        submission: read.
        secret: of the course: from it come the hidden cases.
        box: how it is contained.
        who: the student or team.
        variant: theirs.
        level: theirs.
        reference: the solution for that variant; run here if None.
        private: folder for values and what they should be, by which copies are found; None: they are not kept.

    Returns:
        What each question earns, notes, and what came out of the box.
    """
    reference = reference or Reference(assignment, who, variant, level)
    questions = assignment.asked(level)
    seeds = {
        question.name: hidden_seed(secret, assignment.number, k) for k, question in enumerate(assignment.questions)
    }
    found = [question for question in questions if submission.found[question.name] == "found"]
    inputs = {
        question.name: reference.inputs(question, seeds[question.name])
        for question in found
        if question.kind == "function"
    }
    probes = [
        Probe(question.name, question.function, (), inputs[question.name])
        for question in found
        if question.name in inputs
    ]
    probes += [Probe(question.name, "", question.values) for question in found if question.kind == "value"]
    answers = Answers({}, (), 0.0, ())
    if probes:
        with tempfile.TemporaryDirectory(prefix="labkit-") as folder:
            job = Job(submission.notebook, probes)
            answers = answer(job, Path(folder), box.limits, trust=box.trust, container=box.container)
    outcomes = {}
    for question in questions:
        got = answers.values.get(question.name, [])
        outcomes[question.name] = _outcome(question, submission, got, reference, inputs.get(question.name), seeds)
        if private is not None and question.kind == "value" and question in found:
            _keep(private, question, got, reference.values(question))
    return outcomes, [*submission.notes, *answers.notes], answers


def _outcome(
    question: Question,
    submission: Submission,
    got: Sequence[Any],
    reference: Reference,
    inputs: Any,
    seeds: Mapping[str, int],
) -> Judgement:
    state, text = submission.found[question.name], submission.texts.get(question.name, "")
    digest = _digest(question.name, text or submission.digest)[:12].translate(_LETTERS)
    if state == "blank":
        return judge.unanswered(question)
    if state == "missing":
        return judge.missing(question, digest)
    if question.kind == "function":
        return judge.of_function(question, got, reference, inputs, seeds[question.name])
    if question.kind == "value":
        return judge.of_values(question, got, reference)
    return judge.by_hand(question, len(text.split()), digest)


def _sums(outcomes: Mapping[str, Judgement]) -> Result:
    earned = [outcome.points for outcome in outcomes.values() if outcome.points is not None]
    return {
        "questions": {name: asdict(outcome) for name, outcome in outcomes.items()},
        "auto": sum(earned),
        "of": sum(outcome.of for outcome in outcomes.values()),
        "open": [name for name, outcome in outcomes.items() if outcome.points is None],
    }


def summary(result: Result) -> str:
    """Points in a line: ``11 of 18, 1 open``."""
    left = f", {len(result['open'])} for a person" if result["open"] else ""
    return f"{result['auto']:g} of {result['of']}{left}"


# --- values that are right for somebody else


def _keep(folder: Path, question: Question, got: Sequence[Any], right: Sequence[Any]) -> None:
    """Keep a student's values and what they should be; a failure counts as no value."""
    folder.mkdir(parents=True, exist_ok=True)
    pack(list(right), folder, f"{question.name}.right")
    try:
        values = None if any(isinstance(value, Failure) for value in got) else list(got)
        pack(values, folder, f"{question.name}.got")
    except ExchangeError:
        pack(None, folder, f"{question.name}.got")


def name_copies(assignment: Assignment, classroom: Classroom) -> Iterable[str]:
    """Note in the results where wrong values are those of another student's world; a line for each.

    A person decides what to make of it.
    """
    number = assignment.number
    results = {path.stem: load_result(path) for path in sorted(classroom.of(number, "results").glob("*.json"))}
    for question in (question for question in assignment.questions if question.kind == "value"):
        kept = {who: _kept(classroom.of(number, "private", who), question) for who in results}
        right = {who: values[0] for who, values in kept.items() if values}
        for who, result in results.items():
            about = result["questions"].get(question.name) if result else None
            if not (result and about and kept[who] and kept[who][1]) or about["right"] == about["cases"]:
                continue
            others = {other: values for other, values in right.items() if other != who}
            if whose := judge.owners(question, kept[who][1], others):
                note = f"{question.name}: the value is that of {' or '.join(whose)}'s world"
                about |= {"points": 0.0, "right": 0, "mistake": "", "says": "it is right for another world than yours"}
                earned = [one["points"] for one in result["questions"].values() if one["points"] is not None]
                result |= {"private_notes": list(dict.fromkeys([*result["private_notes"], note])), "auto": sum(earned)}
                save_result(classroom.of(number, "results", f"{who}.json"), result)
                yield f"! {who}: {note}"


def _kept(folder: Path, question: Question) -> Any:
    try:
        return unpack(folder, f"{question.name}.right"), unpack(folder, f"{question.name}.got")
    except (ExchangeError, OSError):
        return None


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _world() -> int:
    from labkit.world.version import VERSION

    return VERSION
