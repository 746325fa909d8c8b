"""``course.toml`` is whole, and agrees with the lessons, the files and the scripts that it names."""

import re
from pathlib import Path

import jupytext
import pytest

from labkit import course
from labkit.syllabus import SyllabusError, read, syllabus

ROOT = Path(__file__).parents[1]
each_lesson = pytest.mark.parametrize("lesson", syllabus(), ids=lambda lesson: lesson.number)

GOOD = """\
[[lesson]]
number = "00"
title = "A"
idea = "b"
able = ["c"]
run = "one minute"
minutes = 5
after = []
files = []
data = []
"""


def test_every_notebook_is_a_lesson():
    assert [lesson.number for lesson in syllabus()] == [source.stem[:2] for source in course.sources()]


@each_lesson
def test_it_agrees_with_the_head_of_its_notebook(lesson):
    source = next(source for source in course.sources() if source.stem.startswith(lesson.number))
    head = jupytext.read(source).cells[0].source
    assert head.splitlines()[0].removeprefix("# ").partition(":")[0] == lesson.title
    assert f"**Time** about {lesson.run} on two cores" in head
    before = head.partition("**To know beforehand**")[2]
    linked = set(re.findall(r"\]\((\d\d)_\w+\.ipynb\)", before)) - {lesson.number}
    assert linked <= {*lesson.after, *lesson.helps}


@each_lesson
def test_what_it_names_is_there(lesson):
    assert all((ROOT / name).exists() for name in lesson.files)
    assert all((ROOT / "data_scripts" / f"{name}.py").is_file() for name in lesson.data)
    assert 5 <= lesson.minutes <= 120
    assert len(lesson.idea) <= 80


def written(tmp_path, text):
    (tmp_path / "course.toml").write_text(text, encoding="utf-8")
    return tmp_path / "course.toml"


def test_a_good_file_is_read(tmp_path):
    (lesson,) = read(written(tmp_path, GOOD))
    assert (lesson.number, lesson.minutes, lesson.able, lesson.helps) == ("00", 5, ("c",), ())


SECOND = GOOD.replace('"00"', '"01"').replace("after = []", 'after = ["00"]')


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[lesson", "must be TOML"),
        (GOOD.replace("idea", "ideas"), "lesson 00 must have the fields"),
        (GOOD.replace("minutes = 5", 'minutes = "5"'), "lesson 00: minutes must be"),
        (GOOD.replace("one minute", "an hour"), "run must be one of half a minute"),
        (SECOND + GOOD, "after must name lessons before it; got 00"),
        (GOOD + SECOND + SECOND, "lesson 01 must come before lesson 01"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, says):
    with pytest.raises(SyllabusError, match=re.escape(says)):
        read(written(tmp_path, text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SyllabusError, match=r"nothing\.toml must be TOML"):
        read(tmp_path / "nothing.toml")
