"""From answers to points, by hand."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import sample
import torch

from labkit.teaching import judge
from labkit.teaching.box import Failure
from labkit.teaching.reference import Raised, Reference, SourceError

FAILED = Failure("ValueError", 3, "your function failed with ValueError in line 3 of its cell")
LATE = Failure("TimeoutError", None, "your function did not end within 60 s of computing")


@pytest.mark.parametrize(
    ("expected", "got", "words"),
    [
        (1.0, 1.00001, ""),
        (1, 1.0, ""),
        (1.0, torch.tensor(1.0), ""),
        (1.0, 1.1, "the number is another"),
        (1.0, math.nan, "not all numbers are finite"),
        (math.nan, math.nan, ""),
        (1.0, "1", "a number was expected; got text"),
        (1.0, True, "a number was expected; got bool"),
        (1.0, None, "a number was expected; got None"),
        (torch.ones(2, 3), torch.ones(2, 3).int(), ""),
        (torch.ones(2, 3), torch.ones(3, 2), "shape must be (2, 3); got (3, 2)"),
        (torch.ones(2, 3), torch.zeros(2, 3), "the numbers are others"),
        (torch.ones(2), [1.0, 1.0], ""),
        (np.ones(2), torch.ones(2), ""),
        (torch.ones(2), ["a", "b"], "a tensor was expected; got 2 values"),
        (torch.ones(2), [[1.0], [1.0, 2.0]], "a tensor was expected; got 2 values"),
        (torch.ones(2), {"a": 1}, "a tensor was expected; got dict"),
        (torch.ones(2), torch.ones(2, dtype=torch.bfloat16), ""),
        (torch.ones(2), torch.ones(2, dtype=torch.complex64), "real numbers were expected; got complex ones"),
        (torch.tensor([1 + 2j]), torch.tensor([1 + 2j]), ""),
        (torch.tensor([1 + 2j]), torch.tensor([1 + 3j]), "the numbers are others"),
        (1.0, 10**400, "a number was expected; got int"),
        (torch.ones(2), [10**400, 1], "a tensor was expected; got 2 values"),
        ((1, torch.ones(1)), [1, torch.ones(1)], ""),
        ((1, 2), [1], "2 values were expected; got 1 values"),
        ((1, 2), (1, 3), "the number is another"),
        ((1, 2), 1, "2 values were expected; got int"),
        ({"a": 1}, {"a": 1.0}, ""),
        ({"a": 1}, {"b": 1}, "a dict with other keys was expected; got dict"),
        (True, True, ""),
        (True, 1, "another answer was expected; got int"),
        ("holds", "fails", "another answer was expected; got text"),
        (None, None, ""),
        (1.0, FAILED, FAILED.says),
        (Raised("ValueError"), FAILED, ""),
        (Raised("ValueError"), 1.0, "an error was expected (ValueError); got an answer"),
        (Raised("ValueError"), LATE, LATE.says),
    ],
)
def test_differences(expected, got, words):
    assert judge.differs(expected, got) == words


@pytest.fixture(scope="module")
def assignment(tmp_path_factory):
    return sample.assignment(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="module")
def reference(assignment):
    return Reference(assignment, "s1", 10_003, "grad")


def question(assignment, name):
    return next(question for question in assignment.questions if question.name == name)


def test_a_function_earns_its_share_of_hidden_cases_in_halves(assignment, reference):
    scale = question(assignment, "scale")
    inputs = reference.inputs(scale, 5)
    right = reference.answers(scale, inputs)
    full = judge.of_function(scale, right, reference, inputs, 5)
    assert (full.points, full.right, full.cases, full.full) == (4, 4, 4, True)
    assert full.says == "all 4 hidden cases right"
    most = judge.of_function(scale, [*right[:3], [0.0] * 9], reference, inputs, 5)
    assert (most.points, most.right, most.mistake) == (3, 3, "")
    assert most.says == "3 of 4 hidden cases right; in the first wrong one the number is another"
    fewer = judge.of_function(scale, [right[0], FAILED, FAILED, FAILED], reference, inputs, 5)
    assert (fewer.points, fewer.says) == (1, f"1 of 4 hidden cases right; in the first wrong one {FAILED.says}")
    none = judge.of_function(scale, [LATE] * 4, reference, inputs, 5)
    assert (none.points, none.says) == (0, LATE.says)


def test_shapes_are_compared_before_anything_is_converted():
    class Large:
        shape = (10**6, 10**6)

    assert judge.differs(torch.ones(2), Large()) == "shape must be (2,); got (1000000, 1000000)"


def test_known_mistakes_are_named_where_they_explain_all(assignment, reference):
    scale = question(assignment, "scale")
    inputs = reference.inputs(scale, 5)
    for says, answers in reference.mistakes(scale, inputs):
        found = judge.of_function(scale, answers, reference, inputs, 5)
        assert found.mistake == says
        assert f"It looks as if: {says}" in found.says
        answers[-1] = [17.0] * 9
        assert judge.of_function(scale, answers, reference, inputs, 5).mistake == ""


def test_a_judge_of_the_sources_own(assignment, reference):
    guess = question(assignment, "guess")
    inputs = reference.inputs(guess, 5)
    assert judge.of_function(guess, reference.answers(guess, inputs), reference, inputs, 5).points == 2
    assert judge.of_function(guess, [9.0] * 20, reference, inputs, 5).says == "guesses within one of the truth"
    broken = judge.of_function(guess, ["x"] * 20, reference, inputs, 5)  # the judge cannot subtract it
    assert (broken.points, broken.says) == (0, "the answers cannot be judged (TypeError): see which shape is asked for")
    reference_of_nan = SimpleNamespace(judge=lambda *_: (math.nan, "a mean of nothing"))
    lost = judge.of_function(guess, [2.0] * 20, reference_of_nan, inputs, 5)
    assert (lost.points, lost.says) == (0, "the answers cannot be judged (ValueError): see which shape is asked for")
    partly = judge.of_function(guess, [2.0] * 19 + [LATE], reference, inputs, 5)
    assert partly.says == f"1 of 20 hidden cases have no answer: {LATE.says}"


def test_values_are_right_for_one_world_only(assignment, reference):
    means = question(assignment, "means")
    right = reference.values(means)
    assert judge.of_values(means, right, reference).full
    half = judge.of_values(means, [right[0], 9.0], reference)
    assert (half.points, half.right, half.says) == (1.5, 1, "power: the number is another")
    assert judge.of_values(means, [FAILED, FAILED], reference).points == 0
    theirs = Reference(assignment, "s2", 10_004, "grad").values(means)
    assert judge.owners(means, theirs, {"s2": theirs, "s3": [0.0, 0.0]}) == ["s2"]
    assert judge.owners(means, [1.0, 1.0], {"s2": theirs}) == []
    assert judge.owners(means, theirs, {"s2": theirs, "s3": theirs}) == []  # two worlds that are alike prove nothing
    assert judge.owners(means, [FAILED, 1.0], {"s2": theirs}) == []


def test_what_people_mark(assignment):
    why = next(question for question in assignment.questions if question.kind == "text")
    found = judge.by_hand(why, 42, "abc")
    assert (found.points, found.says, found.digest, found.full) == (
        None,
        "42 words: for a person to mark",
        "abc",
        False,
    )
    assert judge.unanswered(why).points == 0
    assert judge.missing(why, "abc").points is None


def test_the_teachers_own_faults_name_the_cell(tmp_path):
    broken = sample.assignment(
        tmp_path, sample.SOURCE.replace("    largest = max(", "    largest = largest or max(", 1)
    )
    scale = question(broken, "scale")
    answers = Reference(broken, "s1", 10_003).answers(scale, [{"series": [1.0], "base": 0}])
    assert answers == [Raised("UnboundLocalError")]
    worse = sample.assignment(tmp_path, sample.changed("BASE = variant % 7", "BASE = variant % 0"))
    with pytest.raises(SourceError, match=r"cell \d+, line 4: ZeroDivisionError"):
        Reference(worse, "s1", 10_003)


CASES = "    for length in (0, 1, 5, 9):\n        yield dict("


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (CASES, CASES.replace("(0, 1, 5, 9)", "None"), "line 3: TypeError: 'NoneType' object is not iterable"),
        (CASES, CASES.replace("(0, 1, 5, 9)", "()"), "must yield dicts of arguments, at least one; got nothing"),
        (CASES, CASES.replace("yield", "length = length or"), "at least one; got nothing: yield dict"),
        (CASES, CASES.replace("yield dict(", "yield length, dict("), "at least one; got tuple: yield dict"),
    ],
)
def test_hidden_cases_that_cannot_be_name_their_cell(tmp_path, old, new, words):
    read = sample.assignment(tmp_path, sample.changed(old, new))
    with pytest.raises(SourceError, match=rf"cell 7.*{words}"):
        Reference(read, "s1", 10_003).inputs(question(read, "scale"), 5)


def test_a_value_that_is_set_only_now_and_then_names_its_cell(tmp_path):
    old = "power = fmean(number**2 for number in numbers)"
    read = sample.assignment(tmp_path, sample.changed(old, f"if variant > 10_003:\n    {old}"))
    means = question(read, "means")
    assert len(Reference(read, "s1", 10_004).values(means)) == 2
    with pytest.raises(SourceError, match=r"cell \d+: the solution must set 'power'; it did not: set it in any case"):
        Reference(read, "s1", 10_003).values(means)
