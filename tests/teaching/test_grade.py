"""From what is handed in to the grade book, through the box, with a small assignment."""

import json
import os
import shutil
import zipfile

import nbformat
import pytest
import sample

from labkit.teaching.check import check, solved
from labkit.teaching.classroom import Classroom, Student
from labkit.teaching.command import find
from labkit.teaching.grade import Box, grade, load_result, received
from labkit.teaching.limits import Limits
from labkit.teaching.release import build, variant_of
from labkit.teaching.source import read
from labkit.teaching.students import WorkError, hand_in, start

ROSTER = {one.student: one for one in (Student("s1"), Student("s2", group="blue"), Student("s3", group="blue"))}
SECRET = "a secret of many letters"
BOX = Box(Limits(), trust=True)  # contained as far as this machine can


@pytest.fixture
def assignment(tmp_path):
    return sample.assignment(tmp_path)


@pytest.fixture
def classroom(tmp_path):
    return Classroom(tmp_path / "teach", "Course", SECRET, roster=ROSTER)


def submitted(classroom, student, notebook, time="2026-12-04T20-00-00"):
    """A notebook, handed in."""
    path = classroom.of("07", "submitted", student, time, "07_series.ipynb")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(nbformat.writes(notebook), encoding="utf-8")


def solution(assignment, who):
    return solved(assignment, who, variant_of(SECRET, "07", who))


def answered(notebook, **answers):
    """With other answers to some questions."""
    for cell in notebook.cells:
        if (name := cell.metadata.get("answer")) in answers:
            cell.source = f"# answer: {name}\n{answers[name]}"
    return notebook


def test_a_class_is_graded_and_each_for_itself(assignment, classroom):
    loop = "def scaled(series, base=BASE):\n    while True:\n        pass"
    submitted(classroom, "s1", answered(solution(assignment, "s1"), scale=loop))
    submitted(classroom, "s2", build(assignment, "s2, s3", variant_of(SECRET, "07", "s2, s3")), "2026-12-01T10-00-00")
    submitted(classroom, "s3", solution(assignment, "s2, s3"), "2026-12-02T10-00-00")  # later, by the other one
    box, lines = Box(Limits(cell_cpu=3, cpu=30), trust=True), []
    assert grade(assignment, classroom, box, say=lines.append) == []
    one, team = (load_result(classroom.of("07", "results", f"{who}.json")) for who in ("s1", "s2"))
    assert {name: about["points"] for name, about in one["questions"].items()} == {
        "scale": 0, "means": 3, "chart": None, "why": None,
    }  # fmt: skip
    assert one["questions"]["scale"]["says"] == "your function did not end within 3 s of computing"
    assert (team["students"], team["student"], team["received"]) == (["s2", "s3"], "s3", "2026-12-02T10-00-00")
    assert (team["auto"], team["of"], team["open"]) == (7, 13, ["chart", "why"])
    assert "9 words: for a person to mark" in team["questions"]["why"]["says"]
    lines.clear()
    assert grade(assignment, classroom, box, say=lines.append) == []
    assert all(line.startswith("· ") and line.endswith("graded before") for line in lines)
    submitted(classroom, "s1", solution(assignment, "s1"), "2026-12-05T10-00-00")  # a later version
    lines.clear()
    grade(assignment, classroom, box, say=lines.append)
    assert [line[:5] for line in lines] == ["✓ s1:", "· s2,"]
    assert load_result(classroom.of("07", "results", "s1.json"))["auto"] == 7
    assert received(classroom, "07", first=True)[0].folder.name == "2026-12-04T20-00-00"


def test_one_that_cannot_be_read_stops_nothing_and_a_person_is_asked(assignment, classroom):
    submitted(classroom, "s1", solution(assignment, "s1"))
    classroom.of("07", "submitted", "s1", "2026-12-04T20-00-00", "07_series.ipynb").write_text("{")
    submitted(classroom, "s2", solution(assignment, "s2, s3"))
    assert grade(assignment, classroom, BOX, say=lambda line: None) == []
    one = load_result(classroom.of("07", "results", "s1.json"))
    assert one["open"] == ["scale", "means", "chart", "why"]
    assert "it could not be read" in one["notes"][0]
    assert load_result(classroom.of("07", "results", "s2.json"))["auto"] == 7


def test_only_some_are_graded_and_unknown_ones_named(assignment, classroom):
    submitted(classroom, "s1", build(assignment, "s1", variant_of(SECRET, "07", "s1")))
    with pytest.raises(ValueError, match="nothing was handed in by s2"):
        grade(assignment, classroom, BOX, only=["s2"])
    lines = []
    grade(assignment, classroom, BOX, only=["s1"], say=lines.append)
    assert lines == ["✓ s1: 0 of 13 in 0 s of computing"]  # blank: the box is not even opened
    assert all(about["says"] == "not answered" for about in json.loads(
        classroom.of("07", "results", "s1.json").read_text())["questions"].values())  # fmt: skip


def test_values_copied_from_another_world_are_named(assignment, classroom):
    submitted(classroom, "s2", solution(assignment, "s2, s3"))
    values = answered(solution(assignment, "s1"), means="middle, power = 1.0, 1.0")
    submitted(classroom, "s1", values)
    grade(assignment, classroom, BOX, say=lambda line: None)
    theirs = json.loads(classroom.of("07", "private", "s2", "means.right.json").read_text())
    middle, power = theirs if isinstance(theirs, list) else theirs["list"]
    submitted(classroom, "s1", answered(values, means=f"middle, power = {middle!r}, {power!r}"), "2026-12-05T10-00-00")
    lines = []
    grade(assignment, classroom, BOX, say=lines.append)
    assert lines[-1] == "! s1: means: the value is that of s2's world"


# --- does an assignment judge as it should?


def findings(tmp_path, old="", new="", **options):
    source = sample.changed(old, new) if old else sample.SOURCE
    return check(sample.assignment(tmp_path, source), options.get("box"), students=2, say=lambda line: None)


def test_the_sample_has_no_fault_in_the_box_and_outside(tmp_path):
    assert findings(tmp_path, box=BOX) == []


GREATEST = "    return [number / greatest + base for number in series]"
TWICE = f"""{GREATEST}

# %% mistake="scale" says="the same again"
def scaled(series, base=BASE):
    greatest = max(series, default=0) or 1
{GREATEST}"""
DIVIDED = "    return [number / largest + base for number in series]"
DRAWN = "numbers = [generator.gauss(0, 1)"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("for length in (0, 1, 5, 9):", "for length in (0, 0):", "the hidden cases do not tell it apart"),
        ("return (2 if all(abs(", "return (1 if all(abs(", "guess: the solution earns 1 of 2"),
        (GREATEST, TWICE, "is taken for 'the sign of the largest number"),
        ("random.Random(variant)\nnumbers", "random.Random(3)\nnumbers", "1 of 1 pairs of students have the same"),
        (DRAWN, DRAWN.replace("[", "[1 / 0 * "), "ZeroDivisionError"),
        (DIVIDED, DIVIDED.replace("base", "bass"), "scale: the solution fails with NameError in 3 of 4 hidden cases"),
    ],
)
def test_faults_of_an_assignment_are_found(tmp_path, old, new, words):
    assert any(words in finding for finding in findings(tmp_path, old, new))


def test_a_solution_may_refuse_what_its_code_says(tmp_path):
    refuses = f"    if not series:\n        raise ValueError(series)\n{DIVIDED}"
    assert findings(tmp_path, DIVIDED, refuses) == []


def test_what_is_handed_out_must_run(tmp_path):
    (fault,) = findings(
        tmp_path, "# Drawn for you alone.\n", "# Drawn for you alone.\n\n# %%\nscaled([1.0])\n", box=BOX
    )
    assert "as it is handed out: '# given: given-2" in fault
    assert "ends with NotImplementedError" in fault


def test_values_that_depend_on_the_process_are_found(tmp_path):
    here = f"0.0005 * (__import__('os').getpid() != {os.getpid()})"  # less than is allowed, and another elsewhere
    (fault,) = findings(tmp_path, "power = fmean(number**2 for", f"power = {here} + fmean(number**2 for", box=BOX)
    assert "means: values of the same code differ by more than a tenth of 0.001" in fault


# --- students


def test_a_student_starts_answers_and_hands_in(assignment, tmp_path):
    work = tmp_path / "my work"
    paths = start(assignment, "s7", work)
    assert [path.name for path in paths] == ["07_series.ipynb", "07_series.py"]
    with pytest.raises(WorkError, match="is there already: continue with it"):
        start(assignment, "s7", work)
    lines, archive = hand_in(assignment, work)
    assert lines[:4] == [f"✗ {name}: not answered yet" for name in ("scale", "means", "chart", "why")]
    done = answered(solution(assignment, "s7"), scale="def scaled(series, base=BASE):\n    return 1 / 0", chart="1 / 0")
    paths[0].write_text(nbformat.writes(done), encoding="utf-8")
    lines, archive = hand_in(assignment, work)
    assert lines[:4] == ["✓ scale", "✓ means", "✗ chart: its cell ends with an error", "✓ why"]
    number = 1 + [cell.metadata.get("answer") for cell in done.cells].index("chart")
    assert f"✗ cell {number} (# answer: chart) ends with ZeroDivisionError: division by zero" in lines
    assert f"cell {number} (# answer: chart) failed with ZeroDivisionError in line 2" in lines
    assert lines[-1].startswith("4 of 4 answers · runs in ")
    assert archive.name == "07_series_s7.zip"
    assert zipfile.ZipFile(archive).namelist() == ["07_series.ipynb", "07_series.py"]


@pytest.mark.parametrize("student", ["", "../x", "a b", "s1,,s2"])
def test_a_number_that_names_nobody_is_refused(assignment, tmp_path, student):
    with pytest.raises(WorkError, match="must be a student's number"):
        start(assignment, student, tmp_path)


def test_a_number_that_names_nobody_is_refused_before_the_notebook_runs(assignment, tmp_path, monkeypatch):
    work = tmp_path / "work"
    start(assignment, "s7", work)
    monkeypatch.setattr("labkit.teaching.students.answer", None)
    with pytest.raises(WorkError, match=r"--student must be a student's number.*got '2026/7'"):
        hand_in(assignment, work, "2026/7")
    for file in work.iterdir():
        file.write_text(file.read_text().replace('"s7"', '"s/7"').replace('\\"s7\\"', '\\"s/7\\"'))
    with pytest.raises(WorkError, match=r"07_series.ipynb: student must be a student's number.*got 's/7'"):
        hand_in(assignment, work)


def test_an_assignment_is_found_by_its_number(tmp_path):
    sources = tmp_path / "sources"
    sources.mkdir()
    shutil.copy(sample.assignment(tmp_path).path, sources / "77_series.py")
    assert find("77", tmp_path).number == "77"
    assert find("77", tmp_path).questions == read(sources / "77_series.py").questions
    with pytest.raises(ValueError, match="no assignment has the number '55'; there are"):
        find("55", tmp_path)
