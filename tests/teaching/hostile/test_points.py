"""Hostile submissions from start to end: none gains a point, and none costs the points of another question."""

import dataclasses

import nbformat
import pytest
from teaching.hostile.submissions import LOSES, QUESTIONS, SUBMISSIONS, zip_bomb, zip_slip
from teaching.hostile.toy import SOURCE

from labkit.teaching import contain
from labkit.teaching.archive import ArchiveError, collect
from labkit.teaching.check import solved
from labkit.teaching.classroom import Classroom, Student
from labkit.teaching.command import find
from labkit.teaching.grade import Box, judge_submission
from labkit.teaching.limits import Limits
from labkit.teaching.reference import Reference
from labkit.teaching.source import read
from labkit.teaching.submission import read_submission

VARIANT = 10_007
SECRET = "a secret of many letters"
BOX = Box(Limits(cell_cpu=1.5, cpu=6, megabytes=400, processes=30, file_megabytes=50, output_megabytes=3))
LARGER = {"prints_without_end": Box(dataclasses.replace(BOX.limits, megabytes=1500))}
RACES = {"forges_answers": {"median", "weeks"}}  # what writes over true answers, and may come too late to do so
contained = {"network", "files", "processes"} <= set(contain.layers())
needs_the_box = pytest.mark.skipif(not contained, reason=f"nobody should run these here: {contain.level()}")


@pytest.fixture(scope="module")
def assignment():
    return read(SOURCE)


@pytest.fixture(scope="module")
def reference(assignment):
    return Reference(assignment, "s1001", VARIANT)


def judged(assignment, reference, notebook, folder, box=BOX):
    path = folder / f"{assignment.stem}.ipynb"
    path.write_bytes(nbformat.writes(notebook).encode("utf-8", "surrogatepass"))
    submission = read_submission(path, assignment, "s1001", VARIANT)
    return judge_submission(assignment, submission, SECRET, box, "s1001", VARIANT, reference=reference)


@needs_the_box
@pytest.mark.long
@pytest.mark.parametrize("name", SUBMISSIONS)
def test_nothing_is_gained_and_others_lose_nothing(assignment, reference, tmp_path, name):
    notebook = SUBMISSIONS[name](solved(assignment, "s1001", VARIANT))
    outcomes, notes, _ = judged(assignment, reference, notebook, tmp_path, LARGER.get(name, BOX))
    for question in QUESTIONS:
        outcome = outcomes[question]
        if question in RACES.get(name, ()) and outcome.full:
            assert outcome.says == "right for your world", (name, question, outcome, notes)
        elif question in LOSES[name]:
            assert outcome.points is None or outcome.points < outcome.of, (name, question, outcome, notes)
        elif question == "why":
            assert outcome.says.endswith("for a person to mark"), (name, outcome, notes)
        else:
            assert outcome.full, (name, question, outcome, notes)


@needs_the_box
def test_the_solution_earns_everything_and_a_mistake_is_named(assignment, reference, tmp_path):
    outcomes, notes, answers = judged(assignment, reference, solved(assignment, "s1001", VARIANT), tmp_path)
    assert all(outcome.full for name, outcome in outcomes.items() if name != "why")
    assert notes == []
    wrong = SUBMISSIONS["known_mistake"](solved(assignment, "s1001", VARIANT))
    assert judged(assignment, reference, wrong, tmp_path)[0]["rotate"].mistake == "the direction is not looked at"
    assert answers.cpu < 20


@needs_the_box
def test_a_copied_checker_and_an_endless_loop_cost_their_own_question_only(assignment, reference, tmp_path):
    for name in ("patches_the_judge", "endless_cell"):
        notebook = SUBMISSIONS[name](solved(assignment, "s1001", VARIANT))
        outcomes, _, _ = judged(assignment, reference, notebook, tmp_path)
        assert {question for question, outcome in outcomes.items() if not outcome.full} - {"why"} == LOSES[name]


def test_archives_that_lead_elsewhere_or_burst_are_refused(tmp_path):
    classroom = Classroom(tmp_path / "teach", "Course", SECRET, roster={"s1": Student("s1")})
    with pytest.raises(ArchiveError, match="nothing was taken from it"):
        collect(zip_slip(tmp_path / "slip.zip"), classroom, "00")
    with pytest.raises(ArchiveError, match=r"at most 2 GB; it holds 3\.0"):
        collect(zip_bomb(tmp_path / "bomb.zip"), classroom, "00")
    assert not classroom.of("00").exists()


def test_the_assignments_that_come_with_the_lab_are_found():
    assert [find(number).number for number in ("01", "02", "09")] == ["01", "02", "09"]
