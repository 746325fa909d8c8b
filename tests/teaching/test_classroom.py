"""A teacher's folder: what stands in it, and one clear line for what cannot be."""

import pytest

from labkit.teaching.classroom import COLUMNS, ClassroomError, Late, create, open_classroom
from labkit.teaching.release import variant_of

HEAD = ",".join(COLUMNS) + "\n"


@pytest.fixture
def folder(tmp_path):
    create(tmp_path)
    return tmp_path


def test_a_new_course_has_a_secret_of_its_own_and_is_not_written_twice(tmp_path):
    first, second = tmp_path / "one", tmp_path / "two"
    assert [path.name for path in create(first)] == ["course.toml", "roster.csv"]
    create(second)
    assert len(open_classroom(first).secret) >= 16
    assert open_classroom(first).secret != open_classroom(second).secret
    assert create(first) == []


def test_everything_that_a_course_says(folder):
    text = (folder / "course.toml").read_text()
    text = text.replace("# [assignment.02]\n# due", "[assignment.02]\ndue").replace("# s1001 = 3", "s1 = 2")
    (folder / "course.toml").write_text(text)
    (folder / "roster.csv").write_text(
        "\ufeff" + HEAD + "s1,Ada,a@b.c,1,2,grad,Blue\r\ns2,Émile,,,,,blue\r\n s3 ,Zoë,,,,grad,\r\n,,,,,,\r\n",
        encoding="utf-8",
    )
    course = open_classroom(folder)
    assert course.due["02"].isoformat() == "2026-12-04T22:00:00+01:00"
    assert (course.extensions, course.late.per_day, course.cpu) == ({"s1": 2}, 10, 120)
    assert course.team("s2") == ("s1", "s2")
    assert course.teams() == [("s1", "s2"), ("s3",)]
    assert (course.level("s1"), course.level("s3"), course.level("s9")) == ("", "grad", "")  # s2 is none
    assert course.overlay("02") is None


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("secret", "secrte", "unknown name 'secrte'; known are name, secret"),
        ("per_day = 10", "per_day = -1", "per_day must be a number from 0 on; got -1"),
        ("per_day = 10", 'per_day = "ten"', "must be a number"),
        ("most_days", "max_days", r"\[late\]: unknown name 'max_days'"),
        (
            "# [assignment.02]\n# due = 2026-12-04T22:00:00+01:00",
            "[assignment.02]\ndue = 2026-12-04T22:00:00",
            "time zone",
        ),
        (
            "# [assignment.02]\n# due = 2026-12-04T22:00:00+01:00",
            '[assignment.02]\ndue = "soon"',
            "due must be a datetime",
        ),
        ("# s1001 = 3", "s1001 = 3", r"s1001 is not on the roster"),
        ("[late]", "[late", "must be TOML"),
        ("[late]", "[assignment.7]\n\n[late]", "the number must have two digits"),
        ("[late]", "[assignment]\n02 = 2026-12-04T22:00:00Z\n\n[late]", r"\[assignment\]: 02 must be a table; got"),
    ],
)
def test_what_cannot_be_in_a_course_is_said(folder, old, new, words):
    text = (folder / "course.toml").read_text()
    assert old in text
    (folder / "course.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(ClassroomError, match=words):
        open_classroom(folder)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("../x,,,,,,\n", "line 2: student must be 1 to 64 letters"),
        (",Ada,,,,,\n", "line 2: student must be"),
        ("s1,,,,,,\nS1,,,,,,\n", "line 3: s1 is there twice in the column student"),
        ("s1,,,77,,,\ns2,,,77,,,\n", "line 3: 77 is there twice in the column moodle"),
        ("s1,,,,,phd,\n", "level must be empty or grad; got 'phd'"),
        ("s1,Baker, Bob,b@x.org,1,2,,\n", "line 2 must have 7 cells, one for each heading; it has 8: put a name with"),
    ],
)
def test_what_cannot_be_on_a_roster_is_said(folder, lines, words):
    (folder / "roster.csv").write_text(HEAD + lines)
    with pytest.raises(ClassroomError, match=words):
        open_classroom(folder)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (HEAD.replace(",", ";"), "it has semicolons: save it as CSV with commas"),
        (HEAD.replace("group", "team"), "the columns must be student, name, .*; got 'team'"),
        (HEAD.replace("name", "student"), "each once; got 'student'"),
        ("name,email\n", "the column student is missing"),
    ],
)
def test_headings_of_a_roster_are_checked(folder, head, words):
    (folder / "roster.csv").write_text(head)
    with pytest.raises(ClassroomError, match=words):
        open_classroom(folder)


def test_cells_without_a_heading_may_be_empty(folder):
    (folder / "roster.csv").write_text("student,name,\ns1,Ada,\n")
    assert open_classroom(folder).roster["s1"].name == "Ada"
    (folder / "roster.csv").write_text("student,name,\ns1,Baker, Bob\n")
    with pytest.raises(ClassroomError, match="line 2 must have 2 cells"):
        open_classroom(folder)


def test_worlds_come_from_the_secret_or_from_the_number_alone(folder):
    (folder / "roster.csv").write_text(HEAD + "s1,,,,,,\n")
    secret = open_classroom(folder).variant("02", "s1")
    text = (folder / "course.toml").read_text()
    (folder / "course.toml").write_text(text.replace("personal = true", "personal = false"))
    assert open_classroom(folder).variant("02", "s1") == variant_of("", "02", "s1") != secret


def test_a_folder_without_a_course_says_how_to_make_one(tmp_path):
    with pytest.raises(ClassroomError, match="labkit teach new"):
        open_classroom(tmp_path)


@pytest.mark.parametrize(
    ("minutes", "percent"),
    [(-60, 0), (15, 0), (16, 10), (15 + 1440, 10), (16 + 1440, 20), (15 + 5 * 1440, 50), (16 + 5 * 1440, 100)],
)
def test_what_being_late_costs(minutes, percent):
    assert Late().percent(minutes / 1440) == percent
