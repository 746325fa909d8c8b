"""The assignments that come with the lab: each judges itself on several students' variants, and through the box."""

import pytest

from labkit.folders import assignments_folder
from labkit.teaching import contain
from labkit.teaching.check import check
from labkit.teaching.command import find
from labkit.teaching.grade import Box
from labkit.teaching.limits import Limits

NUMBERS = sorted(path.name[:2] for path in assignments_folder().glob("*.py"))


def test_there_are_some():
    assert NUMBERS == ["01", "02", "09"]


@pytest.mark.parametrize("number", NUMBERS)
def test_every_question_says_what_it_costs_and_what_is_judged(number):
    assignment = find(number)
    assert 90 <= sum(question.minutes for question in assignment.questions) <= 120
    for question in assignment.questions:
        assert question.judged or question.kind != "function", question.name
        assert question.mistakes or question.kind == "text", question.name
        assert question.checks or question.kind == "text", question.name
        teacher = [cell for cell in assignment.cells if (cell.role, cell.name) == ("teacher", question.name)]
        assert len(teacher) == 1, f"{question.name}: hints and questions for a conversation"


@pytest.mark.long
@pytest.mark.parametrize("number", NUMBERS)
def test_it_has_no_fault(number):
    contained = {"network", "files"} <= set(contain.layers())
    lines = []
    assert check(find(number), Box(Limits(), trust=not contained), students=3, say=lines.append) == []
    assert len(lines) == 4
