"""A teacher's week, from the first command to the filled table; in a folder with a space in its name."""

import shutil
import zipfile
from unittest.mock import Mock

import nbformat
import pytest
import sample

from labkit.cli import main
from labkit.teaching import contain
from labkit.teaching.box import BoxError
from labkit.teaching.check import solved
from labkit.teaching.classroom import open_classroom
from labkit.teaching.command import find
from labkit.teaching.reference import SourceError
from labkit.teaching.release import variant_of

ROSTER = "student,name,email,moodle,canvas,level,group\ns1,Ada,,1001,,,\ns2,Émile,,1002,,,\ns3,Zoë,,1003,,,\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "my course"


def run(capsys, *arguments):
    """The exit status of a command, and what it prints."""
    status = main([str(argument) for argument in arguments])
    return status, capsys.readouterr().out


def course(folder):
    """A course with the small assignment as number 77, and a roster."""
    assert main(["teach", "new", "77", "--folder", str(folder)]) == 0
    (folder / "sources" / "77_assignment.py").unlink()
    shutil.copy(sample.assignment(folder.parent).path, folder / "sources" / "77_series.py")
    (folder / "roster.csv").write_text(ROSTER, encoding="utf-8")
    return open_classroom(folder)


def test_a_week_of_a_teacher(folder, capsys):
    classroom = course(folder)
    status, said = run(
        capsys,
        "teach",
        "doctor",
        "--folder",
        folder,
    )
    assert "3 students, 3 teams; the secret has" in said
    assert status in (0, 1)  # as this machine can contain submissions, or not
    status, said = run(capsys, "teach", "release", "77", "--folder", folder, "--students", "2", "--trust")
    assert (status, said.splitlines()[-2:]) == (
        0,
        ["✓ no fault · 76 minutes", f"✓ 3 releases in {folder / '77' / 'release'}"],
    )
    released = nbformat.read(folder / "77" / "release" / "s1" / "77_series.ipynb", as_version=4)
    variant = variant_of(classroom.secret, "77", "s1")
    assert any(f"variant = {variant}" in cell.source for cell in released.cells)
    assert classroom.secret not in str(released)

    assignment = find("77", folder)
    archive = folder.parent / "moodle.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for student, name in (("s1", "Ada_1001"), ("s2", "Émile_1002")):
            done = solved(assignment, student, variant_of(classroom.secret, "77", student))
            packed.writestr(f"{name}_assignsubmission_file/77_series.ipynb", nbformat.writes(done))
    status, said = run(capsys, "teach", "collect", "77", archive, "--folder", folder)
    assert "✓ 2 submissions of 2 students" in said
    assert "! nothing came from s3" in said
    status, said = run(capsys, "teach", "grade", "77", "--folder", folder, "--trust", "--jobs", "2")
    assert status == 0
    assert sorted(line[:27] for line in said.splitlines()[1:]) == [
        "✓ s1: 7 of 13, 2 for a pers",
        "✓ s2: 7 of 13, 2 for a pers",
    ]
    status, said = run(capsys, "teach", "mark", "77", "--folder", folder)
    marks = folder / "77" / "marks" / "why.csv"
    assert str(marks) in said
    page = (folder / "77" / "marks" / "why.html").read_text(encoding="utf-8")
    assert page.count("Because series of different units") == 2
    assert "Ada" not in page
    for name in ("why", "chart"):
        path = marks.with_name(f"{name}.csv")
        path.write_text(path.read_text().replace(f"s1,{name},,", f"s1,{name},{3 if name == 'why' else 2},"))
    status, said = run(capsys, "teach", "feedback", "77", "--folder", folder)
    assert "✓ 2 pages" in said
    table = folder.parent / "grades.csv"
    table.write_text("ID number,Grade\n1001,\n1003,\n")
    status, said = run(capsys, "teach", "book", "77", "--folder", folder, "--fill", table, "--column", "Grade")
    assert table.with_suffix(".filled.csv").read_text() == "ID number,Grade\n1001,12\n1003,0\n"
    assert "! not graded or marked completely, their cells stay as they were: s2" in said
    status, said = run(capsys, "teach", "statistics", "77", "--folder", folder)
    assert (folder / "77" / "statistics.html").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("grade", "77"), "must hold course.toml; there is none: labkit teach new NN"),
        (("check", "76"), "no assignment has the number '76'; there are"),
        (("collect", "77", "nowhere.zip"), "must hold course.toml"),
        (("check", "*"), "the number of an assignment must have two digits, as in 02; got '*'"),
        (("new", "../../evil"), "must have two digits, as in 02; got '../../evil'"),
    ],
)
def test_what_is_not_there_is_one_line(folder, capsys, arguments, words):
    status, said = run(capsys, "teach", *arguments, "--folder", folder)
    assert status == 1
    assert said.startswith("✗ ")
    assert words in said


def test_a_check_without_students_is_refused(folder, capsys):
    status, said = run(capsys, "teach", "check", "02", "--students", "0", "--folder", folder)
    assert (status, said.splitlines()[-1]) == (1, "✗ students must be 1 or more; got 0")


def test_nothing_with_a_fault_is_released(folder, capsys):
    course(folder)
    source = folder / "sources" / "77_series.py"
    source.write_text(source.read_text().replace("for length in (0, 1, 5, 9):", "for length in (0, 0):"))
    status, said = run(capsys, "teach", "release", "77", "--folder", folder, "--students", "2", "--trust")
    assert status == 1
    assert said.splitlines()[-1] == "✗ not released"
    assert not (folder / "77").exists()


def test_a_second_release_leaves_a_teachers_own_files_alone(folder, capsys, monkeypatch):
    course(folder)
    monkeypatch.setattr("labkit.teaching.command._checked", lambda *_: [])
    release = ("teach", "release", "77", "--folder", folder)
    assert run(capsys, *release)[0] == 0
    mine = folder / "77" / "release" / "s1" / "hint.txt"
    mine.write_text("for s1")
    notebook = mine.with_name("77_series.ipynb")
    before = notebook.read_bytes()
    notebook.write_text("old")
    assert run(capsys, *release)[0] == 0
    assert (notebook.read_bytes(), mine.read_text()) == (before, "for s1")
    monkeypatch.setattr("labkit.teaching.release.leaks", lambda *_: ["77_series.ipynb: a line is in it"])
    status, said = run(capsys, *release)
    assert (status, said) == (1, "✗ not released: 77_series.ipynb: a line is in it\n")
    assert (notebook.read_bytes(), mine.read_text()) == (before, "for s1")


def test_the_next_step_can_be_copied_as_it_is_printed(folder, capsys):
    said = run(capsys, "teach", "new", "77", "--folder", folder)[1]
    assert said.endswith(f"then labkit teach check 77 --folder '{folder}'\n")
    assert run(capsys, "teach", "new", "77")[1].endswith("then labkit teach check 77\n")
    said = run(capsys, "start", "02", "--student", "s1", "--folder", "my work")[1]
    then = "labkit hand-in 02 --folder 'my work'"
    assert said.endswith(f"open it: jupyter lab 'my work/02_two_stream.ipynb'; then: {then}\n")
    assert run(capsys, "start", "02", "--student", "s1")[1].endswith(
        "work/02_two_stream.ipynb; then: labkit hand-in 02\n"
    )
    said = run(capsys, "teach", "doctor", "--folder", "no course")[1]
    assert said.endswith("labkit teach new NN --folder 'no course'\n")


@pytest.mark.parametrize("error", [BoxError("no image"), SourceError("cell 3: NameError")])
def test_what_a_teacher_can_mend_is_one_line(folder, capsys, monkeypatch, error):
    course(folder)
    monkeypatch.setattr("labkit.teaching.check.check", Mock(side_effect=error))
    assert run(capsys, "teach", "check", "77", "--folder", folder)[1].endswith(f"✗ {error}\n")


def test_a_solution_that_fails_is_one_line(folder, capsys):
    course(folder)
    source = folder / "sources" / "77_series.py"
    source.write_text(source.read_text().replace("ordered = sorted(numbers)", "ordered = sorted(number)"))
    capsys.readouterr()
    status, said = run(capsys, "teach", "solution", "77", "--folder", folder)
    ended = "it ended with NameError: name 'number' is not defined: labkit teach check 77"
    assert (status, said) == (1, f"✗ {source}: the solution must run; {ended}\n")


def test_the_source_to_begin_with_has_no_fault(folder, capsys):
    assert main(["teach", "new", "77", "--folder", str(folder)]) == 0
    status, said = run(capsys, "teach", "check", "77", "--folder", folder, "--students", "2", "--trust")
    assert (status, said.splitlines()[-1]) == (0, "✓ no fault · 20 minutes")


def test_where_nothing_holds_submissions_back_nobody_is_graded(folder, capsys, monkeypatch):
    course(folder)
    monkeypatch.setattr(contain, "layers", lambda: ("time", "memory"))
    status, said = run(capsys, "teach", "grade", "77", "--folder", folder)
    assert status == 1
    assert ": time, memory; not network, files, processes" in said
    assert said.splitlines()[-1].startswith("✗ this machine cannot keep submissions from the network and your files")
