"""The grade book: results, marks by hand, late days and extensions, joined by hand-computed numbers."""

import json
from datetime import UTC, datetime

import pytest
import sample

from labkit.teaching import book, pages
from labkit.teaching.book import BOOK, MARKS, late_percent, marks, merge_marks, statistics, write_book, write_marks
from labkit.teaching.classroom import Classroom, Late, Student
from labkit.teaching.exchange import pack
from labkit.teaching.grade import name_copies
from labkit.teaching.tables import TableError, read, written

ROSTER = {
    one.student: one
    for one in (
        Student("s1", "Ada", moodle="1001"),
        Student("s2", "=cmd()", moodle="1002", group="blue"),
        Student("s3", "Zoë", group="blue"),
        Student("s4", "Late", level="grad"),
    )
}
BUILD = "b" * 8
DUE = datetime(2026, 12, 4, 21, tzinfo=UTC)


@pytest.fixture
def assignment(tmp_path):
    return sample.assignment(tmp_path)


@pytest.fixture
def classroom(tmp_path):
    return Classroom(
        tmp_path / "teach", "Course", "a secret of many letters", {"07": DUE}, Late(), {"s3": 1}, roster=ROSTER
    )


def result(classroom, students, received="2026-12-04T20-00-00", **questions):
    """A result as the grader writes it: points by question, None for what a person marks."""
    about = {
        name: {
            "points": points,
            "of": 4,
            "says": "says",
            "cases": 2,
            "right": 0,
            "mistake": "",
            "digest": "abc" * (points is None),
        }
        for name, points in questions.items()
    }
    made = {
        "students": students,
        "student": students[0],
        "received": received,
        "questions": about,
        "notes": ["<b>a note</b>"],
        "private_notes": [],
    }
    made |= {"build": BUILD, "labkit": "1", "world": 2, "variant": 10_001, "auto": 0.0, "of": 4, "open": []}
    path = classroom.of("07", "results", f"{students[0]}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(made))
    return made


def marked(classroom, question, lines):
    path = classroom.of("07", "marks", f"{question}.csv")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(written(MARKS, [dict(zip(MARKS, line, strict=True)) for line in lines]))
    return path


def lines_of(assignment, classroom):
    return {line["student"]: line for line in book.book(assignment, classroom)}


def test_points_marks_and_late_days_are_joined(assignment, classroom):
    result(classroom, ["s1"], scale=3.0, means=1.5, why=None)
    result(classroom, ["s2", "s3"], "2026-12-05T22-30-00", scale=4.0, chart=None)  # a day and a half late
    marked(classroom, "why", [("s1", "why", 2.5, "good", "tutor", "abc")])
    lines = lines_of(assignment, classroom)
    one = {name: lines["s1"][name] for name in ("auto", "by_hand", "raw", "late_percent", "total", "of", "open")}
    assert one == {"auto": 4.5, "by_hand": 2.5, "raw": 7.0, "late_percent": 0, "total": 7.0, "of": 13, "open": ""}
    assert (lines["s2"]["late_percent"], lines["s2"]["total"], lines["s2"]["open"]) == (20, 3.2, "chart")
    assert (lines["s3"]["late_percent"], lines["s3"]["total"]) == (10, 3.6)  # with an extension of one day
    assert (lines["s4"]["total"], lines["s4"]["notes"], lines["s4"]["of"]) == (0, "nothing handed in", 15)
    text = write_book(assignment, classroom).read_text()
    assert text.splitlines()[0] == ",".join(BOOK)
    assert "s2,'=cmd()," in text  # no formula


def test_a_mark_for_an_earlier_answer_does_not_count(assignment, classroom):
    result(classroom, ["s1"], why=None)
    marked(classroom, "why", [("s1", "why", 2, "good", "tutor", "of another answer")])
    line = lines_of(assignment, classroom)["s1"]
    assert (line["by_hand"], line["open"]) == (0, "why")
    assert "why: the mark is for an earlier answer" in line["notes"]
    (path,) = write_marks(assignment, classroom)
    (row,) = read(path.read_text(), MARKS)
    assert (row["points"], row["digest"]) == ("", "abc")
    assert row["comment"] == "(for an earlier answer: 2 points) good"
    path.write_text(path.read_text().replace("s1,why,,", "s1,why,3,"))
    write_marks(assignment, classroom)  # what is given stays
    assert lines_of(assignment, classroom)["s1"]["by_hand"] == 3


def test_late_days_by_the_deadline_and_without_one(classroom):
    assert late_percent(classroom, "07", "s1", "2026-12-04T21-10-00") == 0  # grace
    assert late_percent(classroom, "07", "s1", "2026-12-04T21-16-00") == 10
    assert late_percent(classroom, "07", "s3", "2026-12-04T21-16-00") == 0
    assert late_percent(classroom, "07", "s1", "2026-12-12T21-00-00") == 100
    assert late_percent(classroom, "08", "s1", "2026-12-12T21-00-00") == 0


def test_what_markers_have_typed_stays(assignment, classroom):
    result(classroom, ["s1"], why=None)
    result(classroom, ["s2", "s3"], why=None)
    lines = [
        ("s1", "why", "", "a draft", "ann", "abc"),
        (" S3 ", "why", "3,5", "", "ann", "abc"),  # of the team, by its other member
        ("s4", "why", "2", "handed in on paper", "ann", ""),
    ]
    path = marked(classroom, "why", lines)
    path.write_bytes(("\ufeff" + path.read_text().replace(",", ";").replace("3;5", "3,5")).encode())  # a spreadsheet's
    for _ in range(2):
        write_marks(assignment, classroom)
        rows = {row["student"]: row for row in read(path.read_text(), MARKS)}
        assert (rows["s1"]["comment"], rows["s2"]["points"], rows["s4"]["comment"]) == (
            "a draft",
            "3,5",
            "handed in on paper",
        )
    assert lines_of(assignment, classroom)["s3"]["by_hand"] == 3.5
    marked(classroom, "why", [("s9", "why", "3", "", "ann", "abc")])
    with pytest.raises(TableError, match="line 2: student must be one of the roster; got 's9'"):
        marks(classroom, assignment)


def test_what_else_stands_in_a_table_of_marks_stays(assignment, classroom, tmp_path):
    result(classroom, ["s1"], why=None)
    head = ",".join(MARKS)
    path = marked(classroom, "why", [])
    path.write_text(f"{head},seen\ns1,why,2,'order' is named,ann,abc,yes\n")
    write_marks(assignment, classroom)
    kept = f"{head},seen\ns1,why,2,'order' is named,ann,abc,yes\n"
    assert path.read_text() == kept
    other = tmp_path / "bob.csv"
    other.write_text(f"{head},hour\ns1,why,2,'order' is named,ann,abc,3\n")
    assert merge_marks(assignment, classroom, [other]) == []
    assert path.read_text() == kept.replace("seen", "seen,hour").replace("yes", "yes,3")


def test_two_lines_for_one_student_are_refused_wherever_one_would_be_lost(assignment, classroom, tmp_path):
    result(classroom, ["s1"], why=None)
    result(classroom, ["s2", "s3"], why=None)
    lines = [("s2", "why", 2, "", "ann", "abc"), ("s3", "why", 2, "of the same team", "ann", "abc")]
    path = marked(classroom, "why", lines)
    twice = "line 3: s2 must have one line for each question; this is a second one: drop one"
    with pytest.raises(TableError, match=twice):
        marks(classroom, assignment)
    with pytest.raises(TableError, match=twice):
        write_marks(assignment, classroom)
    with pytest.raises(TableError, match=twice):
        merge_marks(assignment, classroom, [path.rename(tmp_path / "a.csv")])
    fine = marked(classroom, "why", [("s1", "why", 2, "", "ann", "abc")]).rename(tmp_path / "b.csv")
    marked(classroom, "why", lines)
    with pytest.raises(TableError, match=twice):
        merge_marks(assignment, classroom, [fine])


def test_a_newer_version_that_is_not_graded_leaves_the_grade_open(assignment, classroom):
    old, new = "2026-12-04T20-00-00", "2026-12-04T20-30-00"
    for version in (old, new):
        classroom.of("07", "submitted", "s3", version).mkdir(parents=True)
    made = result(classroom, ["s2", "s3"], old, scale=4.0)
    line = lines_of(assignment, classroom)["s2"]
    assert (line["auto"], line["open"]) == (4, "everything")
    assert f"the version of {new} counts and is not graded: labkit teach grade" in line["notes"]
    path = classroom.of("07", "results", "s2.json")
    path.write_text(json.dumps(made | {"first": True}))  # graded with --first
    assert lines_of(assignment, classroom)["s2"]["open"] == ""
    path.write_text(json.dumps(made | {"received": new}))
    assert lines_of(assignment, classroom)["s2"]["open"] == ""
    path.write_text(json.dumps(made | {"received": new, "first": True}))
    assert f"the version of {old} counts" in lines_of(assignment, classroom)["s2"]["notes"]


def test_pages_for_marking_name_nobody(assignment, classroom):
    result(classroom, ["s2", "s3"], why=None, chart=None)
    for path in pages.write_marking_pages(assignment, classroom):  # nothing can be read: there are no files
        page = path.read_text()
        assert f"{path.stem}.csv says by the digest whose it is" in page
        assert "s2" not in page
        assert "submitted" not in page


def test_a_result_of_another_team_or_build_counts_no_more_or_is_told(assignment, classroom):
    result(classroom, ["s2"], scale=4.0)  # before they were a team
    classroom.of("07", "submitted", "s2").mkdir(parents=True)
    lines = lines_of(assignment, classroom)
    assert (lines["s3"]["total"], lines["s3"]["open"]) == (0, "everything")
    assert lines["s2"]["notes"] == "handed in and not graded: labkit teach grade"
    result(classroom, ["s1"], scale=4.0)
    assert (
        f"graded with build {BUILD}, the source is {assignment.build} now"
        in lines_of(assignment, classroom)["s1"]["notes"]
    )


def test_two_markers_merge_and_their_clashes_are_named(assignment, classroom, tmp_path):
    result(classroom, ["s1"], why=None)
    result(classroom, ["s2", "s3"], why=None)
    one = marked(classroom, "why", [("s1", "why", 2, "", "ann", "abc"), ("s2", "why", 1, "", "ann", "abc")]).rename(
        tmp_path / "a.csv"
    )
    two = marked(classroom, "why", [("s1", "why", 3, "", "bob", "abc"), ("s2", "why", 1.0, "", "bob", "abc")])
    assert merge_marks(assignment, classroom, [one, two]) == ["why, s1: ann gives 2, bob 3: agree"]
    assert {who for who, _ in marks(classroom, assignment)} == {"s2"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (("s1", "why", 5, "", "", ""), "line 2: points must be a number from 0 to 4; got '5'"),
        (("s1", "why", "many", "", "", ""), "got 'many'"),
        (("s1", "whey", 1, "", "", ""), "question must be 'why', as in the file's name; got 'whey'"),
    ],
)
def test_marks_that_cannot_be_are_said(assignment, classroom, line, words):
    marked(classroom, "why", [line])
    with pytest.raises(TableError, match=words):
        marks(classroom, assignment)


def test_a_platforms_table_is_filled_from_the_book(assignment, classroom, tmp_path):
    result(classroom, ["s1"], scale=3.5)
    table = tmp_path / "grades.csv"
    table.write_bytes("\ufeffID number,Grade\r\n1001,\r\n1002,\r\n9,\r\n".encode())
    path, filled = book.fill(assignment, classroom, table, "Grade", "")
    assert path.read_bytes() == "\ufeffID number,Grade\r\n1001,3.5\r\n1002,0\r\n9,\r\n".encode()
    assert (filled.unknown, filled.left) == (["9"], ["s3", "s4"])
    result(classroom, ["s2", "s3"], scale=4.0, why=None)  # not marked completely
    path, filled = book.fill(assignment, classroom, table, "Grade", "")
    assert b"1002,\r" in path.read_bytes()
    table.write_bytes(b"\xff\xfe")
    with pytest.raises(TableError, match="must be in UTF-8"):
        book.fill(assignment, classroom, table, "Grade", "")


def test_statistics_count_mistakes(assignment, classroom):
    for student, points in (("s1", 4.0), ("s4", 1.0)):
        made = result(classroom, [student], scale=points, why=None)
        made["questions"]["scale"]["mistake"] = "" if points == 4 else "the sign is lost"
        classroom.of("07", "results", f"{student}.json").write_text(json.dumps(made))
    about = {one["question"]: one for one in statistics(assignment, classroom)}
    assert (about["scale"]["mean"], about["scale"]["mistakes"]) == (2.5, {"the sign is lost": 1})
    assert (about["why"]["graded"], about["why"]["mean"]) == (0, None)
    page = pages.write_statistics(assignment, classroom).read_text()
    assert "1 x the sign is lost" in page


def test_feedback_shows_reasons_and_nothing_of_a_student_can_run(assignment, classroom):
    result(classroom, ["s2", "s3"], "2026-12-05T22-30-00", scale=4.0, why=None)
    marked(classroom, "why", [("s2", "why", 1, "<script>alert(1)</script>", "ann", "abc")])
    paths = pages.write_feedback(assignment, classroom)
    assert [path.name for path in paths] == ["s2.html", "s3.html"]
    page = paths[0].read_text()
    assert "<strong>4 of 13 points</strong>, 20 % less because it came late" in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script" not in page
    assert "&lt;b&gt;a note" in page
    assert "variant 10001" in page


def test_a_value_of_somebody_elses_world_is_named(assignment, classroom):
    right = {"s1": [1.0, 2.0], "s2": [3.0, 4.0], "s4": [5.0, 6.0]}
    for student, values in right.items():
        made = result(classroom, [student], scale=2.0, means=1.5)
        made["questions"]["means"]["right"] = 2 * (student == "s1")
        classroom.of("07", "results", f"{student}.json").write_text(json.dumps(made))
        folder = classroom.of("07", "private", student)
        folder.mkdir(parents=True)
        pack(values, folder, "means.right")
        pack(right["s1"] if student == "s2" else values if student == "s1" else [7.0, 7.0], folder, "means.got")
    assert list(name_copies(assignment, classroom)) == ["! s2: means: the value is that of s1's world"]
    copied = json.loads(classroom.of("07", "results", "s2.json").read_text())
    assert copied["questions"]["means"]["points"] == 0
    assert copied["questions"]["means"]["says"] == "it is right for another world than yours"
    assert (copied["auto"], copied["private_notes"]) == (2.0, ["means: the value is that of s1's world"])
    pages.write_feedback(assignment, classroom)
    assert "s1" not in classroom.of("07", "feedback", "s2.html").read_text()  # whose it is concerns the teacher
