"""Tables of learning platforms: filled in, equal byte by byte but for the grades."""

import pytest

from labkit.teaching import tables
from labkit.teaching.tables import TableError, fill

NAMES = {"s1": ("1001", "77", "ada@example.org", "Ada Lovelace"), "s2": ("1002", "78", "", "Émile, Jr.")}
MOODLE = (
    "\ufeffIdentifier,Full name,Grade,Last modified (grade)\r\n"
    'Participant 1001,Ada Lovelace,,"Friday, 4 December"\r\n'
    '"Participant 1002","Émile, Jr.","-","Friday, 4 ""December"""\r\n'
    "Participant 1003,Somebody Else,7.00,-\r\n"
)
CANVAS = (
    "Student,ID,SIS Login ID,Section,Two streams (991),Final Score\n"
    "    Points Possible,,,,18,\n"
    '"Lovelace, Ada",77,ada,A,,80\n'
    '"Student, Test",,,A,,\n'
)


def test_moodles_table_takes_the_grades_and_nothing_else_changes():
    filled = fill(MOODLE, {"s1": 11.5, "s2": 3.0}, NAMES, "Grade")
    assert filled.text == MOODLE.replace("Ada Lovelace,,", "Ada Lovelace,11.5,").replace('"-"', '"3"')
    assert (filled.unknown, filled.left) == (["Somebody Else"], [])


def test_canvas_names_its_column_with_a_number_and_has_lines_without_students():
    filled = fill(CANVAS, {"s1": 18.0, "s2": 1.0}, NAMES, "Two streams")
    assert filled.text == CANVAS.replace("77,ada,A,,80", "77,ada,A,18,80")
    assert filled.left == ["s2"]  # who has a grade, and no line


def test_numbers_come_before_names_and_names_that_two_share_count_for_nobody():
    names = {"s1": ("1001", "", "", "Ann Lee"), "s5": ("1005", "", "", "Ann Lee")}
    text = "Full name,ID number,Grade\nAnn Lee,1001,\nAnn Lee,1005,\n"
    assert (
        fill(text, {"s1": 7, "s5": 4}, names, "Grade").text
        == "Full name,ID number,Grade\nAnn Lee,1001,7\nAnn Lee,1005,4\n"
    )
    with pytest.raises(TableError, match="no column names the student"):
        fill("Full name,Grade\nAnn Lee,\n", {"s1": 7, "s5": 4}, names, "Grade")


def test_semicolons_and_a_last_line_without_an_end():
    text = "id;Grade\ns1;\ns2;"
    assert fill(text, {"s1": 2, "s2": 0.25}, NAMES, "grade").text == "id;Grade\ns1;2\ns2;0.25"


@pytest.mark.parametrize(
    ("text", "column", "id_column", "words"),
    [
        ("", "Grade", "", "it is empty"),
        (MOODLE, "Note", "", "one column must be called 'Note'; found none among"),
        (MOODLE.replace("Full name", "Grade"), "Grade", "", "found several"),
        (
            "Nom complet,Note\nX,\n",
            "Note",
            "",
            "no column names the student among Nom complet, Note: say which, --id-co",
        ),
        (MOODLE, "Grade", "Name", "one column must be called 'Name'"),
        ('id,Grade\ns1,"3\n', "Grade", "", "line 2 must be cells with ',' between them"),
        ("Grade,id,more,x\n,,s1\n,s1\n", "x", "id", "the line of s1 must have 4 cells; it has 2"),
    ],
)
def test_what_cannot_be_filled_is_said(text, column, id_column, words):
    with pytest.raises(TableError) as caught:
        fill(text, {"s1": 1.0}, NAMES, column, id_column)
    assert words in str(caught.value)


def test_no_cell_of_ours_is_taken_for_a_formula():
    text = tables.written(("a", "b"), [{"a": "=cmd|' /C calc'!A0", "b": -3.5}, {"a": "@x", "b": "+1+1"}])
    assert text == "a,b\n'=cmd|' /C calc'!A0,-3.5\n'@x,'+1+1\n"
    assert tables.read(text, ("a", "b"))[0] == {"a": "=cmd|' /C calc'!A0", "b": "-3.5"}
    with pytest.raises(TableError, match="the columns must be a, c; c is missing"):
        tables.read(text, ("a", "c"))


def test_a_table_of_ours_keeps_what_others_have_added_and_refuses_what_would_be_lost():
    rows = tables.read("b,a,more,\n'x',1,'-y,\n\n2\n", ("a", "b"))
    assert rows == [{"b": "'x'", "a": "1", "more": "-y"}, {"b": "2", "a": "", "more": ""}]
    assert tables.written(("a", "b"), rows) == "a,b,more\n1,'x','-y\n,2,\n"
    with pytest.raises(TableError, match=r"line 3 must have 2 cells, one for each heading; it has 3 \(a comment with"):
        tables.read("a,b\n1,2\ngood, but short,2\n", ("a", "b"))
    with pytest.raises(TableError, match="line 2 must have 2 cells"):
        tables.read("a,b\ngood, but short,\n", ("a", "b"))
    with pytest.raises(TableError, match="the columns must have different names; 'x' is there twice"):
        tables.read("a,x,x\n1,2,3\n", ("a",))
