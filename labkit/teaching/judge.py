"""From answers to points: what came out of the box beside what the solution says, outside of the box.

A known mistake is named where it explains all answers. A value that is right for another student's world is named, too,
and a person decides what to make of that.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from labkit.teaching.box import Failure
from labkit.teaching.cells import Question
from labkit.teaching.reference import Inputs, Raised, Reference

CLOSE = 1e-4  # of numbers that are compared, relative and absolute, where the source says nothing else


@dataclass(frozen=True)
class Judgement:
    """What a question earns.

    Attributes:
        points: earned; None as long as a person has not marked it.
        of: that can be earned.
        says: the reason, for the student.
        cases: hidden cases, or values.
        right: how many of them are right.
        mistake: the known one that explains the answers, if one does.
        digest: of an answer that a person marks; a mark for another answer is out of date.
    """

    points: float | None
    of: int
    says: str
    cases: int = 0
    right: int = 0
    mistake: str = ""
    digest: str = ""

    @property
    def full(self) -> bool:
        """Whether it earns everything."""
        return self.points == self.of


def of_function(
    question: Question, answers: Sequence[Any], reference: Reference, inputs: Sequence[Inputs], seed: int
) -> Judgement:
    """What a function earns, by its answers to the hidden cases."""
    if failed := _common_failure(answers):
        return Judgement(0.0, question.points, failed.says, len(inputs), 0)
    if question.has_judge:
        if failures := [answer for answer in answers if isinstance(answer, Failure)]:
            says = f"{len(failures)} of {len(answers)} hidden cases have no answer: {failures[0].says}"
            return Judgement(0.0, question.points, says, len(answers), 0)
        try:
            points, says = reference.judge(question, list(answers), seed)
            points = min(max(_half(points), 0.0), float(question.points))
        except Exception as error:  # the judge is the teacher's, the answers are not
            says = f"the answers cannot be judged ({type(error).__name__}): see which shape is asked for"
            return Judgement(0.0, question.points, says, len(answers), 0)
        return Judgement(points, question.points, says, len(answers), len(answers) * (points == question.points))
    expected = reference.answers(question, inputs)
    wrong = [differs(right, got, within_of(question)) for right, got in zip(expected, answers, strict=True)]
    right = wrong.count("")
    points = _half(question.points * right / len(wrong))
    if question.all_or_nothing and right < len(wrong):
        points = 0.0
    says, mistake = f"{_all_or(right, len(wrong))} hidden cases right", ""
    if right < len(wrong):
        mistake = explained(answers, reference.mistakes(question, inputs), within_of(question))
        first = next(reason for reason in wrong if reason)
        says += f". It looks as if: {mistake}" if mistake else f"; in the first wrong one {first}"
    return Judgement(points, question.points, says, len(wrong), right, mistake)


def of_values(question: Question, answers: Sequence[Any], reference: Reference) -> Judgement:
    """What values earn, by `Question.values`."""
    if failed := _common_failure(answers):
        return Judgement(0.0, question.points, failed.says, len(answers), 0)
    expected = reference.values(question)
    wrong = [differs(right, got, question.within) for right, got in zip(expected, answers, strict=True)]
    right = wrong.count("")
    points = _half(question.points * right / len(wrong))
    if question.all_or_nothing and right < len(wrong):
        points = 0.0
    if right == len(wrong):
        return Judgement(points, question.points, "right for your world", len(wrong), right)
    mistake = explained(answers, reference.wrong_values(question), question.within)
    name, reason = next((name, reason) for name, reason in zip(question.values, wrong, strict=True) if reason)
    says = f"It looks as if: {mistake}" if mistake else f"{name}: {reason}"
    return Judgement(points, question.points, says, len(wrong), right, mistake)


def owners(question: Question, answers: Sequence[Any], right: Mapping[str, Sequence[Any]]) -> list[str]:
    """Those for whose worlds wrong values would be right.

    Args:
        question: about values.
        answers: of one student.
        right: the solution's values, by the name of each other student or team.

    Returns:
        Names; none if the values of two of them are so much alike that they prove nothing.
    """
    values = list(right.values())
    pairs = ((one, other) for number, one in enumerate(values) for other in values[:number])
    if any(isinstance(answer, Failure) for answer in answers) or any(same(*pair, question.within) for pair in pairs):
        return []
    return [name for name, theirs in right.items() if same(theirs, answers, question.within)]


def by_hand(question: Question, words: int, digest: str) -> Judgement:
    """A question that a person marks."""
    what = f"{words} words: " if question.kind == "text" else ""
    return Judgement(None, question.points, f"{what}for a person to mark", digest=digest)


def unanswered(question: Question) -> Judgement:
    """A question whose answer is as it was handed out."""
    return Judgement(0.0, question.points, "not answered")


def missing(question: Question, digest: str) -> Judgement:
    """A question whose answer could not be found: perhaps the student has moved it, so a person is asked."""
    says = "its answer was not found where it was expected: a person looks for it"
    return Judgement(None, question.points, says, digest=digest)


def explained(answers: Sequence[Any], mistakes: Iterator[tuple[str, list[Any]]], within: float = CLOSE) -> str:
    """What to say of the known mistake that gives the same answers in all cases; empty if none does."""
    return next((says for says, values in mistakes if same(values, answers, within)), "")


def within_of(question: Question) -> float:
    """How far the numbers of hidden cases may lie from the solution's, relative and absolute."""
    return float(question.cases.fields.get("within", CLOSE)) if question.cases else CLOSE


def same(expected: Sequence[Any], got: Sequence[Any], within: float = CLOSE) -> bool:
    """Whether two lists of answers do not differ."""
    if len(expected) != len(got):
        return False
    return not any(differs(right, value, within) for right, value in zip(expected, got, strict=True))


def differs(expected: Any, got: Any, within: float = CLOSE) -> str:
    """How an answer differs from the right one, in words that do not give the right one away; empty if it does not.

    Shapes must be equal, number formats need not, but complex is never right for real. A tuple is as good as a list, a
    tensor of one number as the number.
    """
    if isinstance(got, Failure) or isinstance(expected, Raised):
        kinds = [value.type if isinstance(value, Failure | Raised) else "" for value in (expected, got)]
        if kinds[0] == kinds[1]:
            return ""
        return got.says if isinstance(got, Failure) else f"an error was expected ({kinds[0]}); got an answer"
    if isinstance(expected, dict):
        if not isinstance(got, dict) or expected.keys() != got.keys():
            return f"a dict with other keys was expected; got {_kind(got)}"
        return next((wrong for key in expected if (wrong := differs(expected[key], got[key], within))), "")
    if isinstance(expected, list | tuple):
        if not isinstance(got, list | tuple) or len(got) != len(expected):
            return f"{len(expected)} values were expected; got {_kind(got)}"
        return next(
            (wrong for one, other in zip(expected, got, strict=True) if (wrong := differs(one, other, within))), ""
        )
    if expected is None or isinstance(expected, str | bool):
        return (
            "" if type(got) is type(expected) and got == expected else f"another answer was expected; got {_kind(got)}"
        )
    return _differs_in_numbers(expected, got, within)


def _differs_in_numbers(expected: Any, got: Any, within: float) -> str:
    wanted = "a tensor" if hasattr(expected, "shape") and len(expected.shape) else "a number"
    if got is None or isinstance(got, str | bool | dict):
        return f"{wanted} was expected; got {_kind(got)}"
    try:
        shapes = [tuple(np.shape(value)) for value in (expected, got)]
        if shapes[0] != shapes[1]:
            return f"shape must be {shapes[0]}; got {shapes[1]}"
        ours, theirs = _array(expected), _array(got)
    except (ValueError, TypeError, OverflowError):
        return f"{wanted} was expected; got {_kind(got)}"
    if np.iscomplexobj(theirs) and not np.iscomplexobj(ours):
        return "real numbers were expected; got complex ones"
    if np.allclose(theirs, ours, rtol=within, atol=within, equal_nan=True):
        return ""
    if not np.isfinite(theirs).all() and np.isfinite(ours).all():
        return "not all numbers are finite"
    return "the numbers are others" if ours.ndim else "the number is another"


def _array(value: Any) -> Any:
    """A number or a tensor as float64, or as complex128 if it is complex."""
    if hasattr(value, "detach"):
        tensor = value.detach().cpu()
        return (tensor.cdouble() if tensor.is_complex() else tensor.double()).numpy()
    array = np.asarray(value)
    return array.astype(np.complex128 if np.iscomplexobj(array) else np.float64)


def _kind(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"{len(value)} values"
    return {"NoneType": "None", "str": "text", "Tensor": "a tensor"}.get(type(value).__name__, type(value).__name__)


def _common_failure(answers: Sequence[Any]) -> Failure | None:
    """The reason why no answer is there, where it is the same for all."""
    failures = [answer for answer in answers if isinstance(answer, Failure)]
    same = len(failures) == len(answers) and len({failure.says for failure in failures}) == 1
    return failures[0] if failures and same else None


def _half(points: float) -> float:
    """Points in halves, rounded down."""
    return math.floor(2 * points + 1e-9) / 2


def _all_or(right: int, number: int) -> str:
    return f"all {number}" if right == number else f"{right} of {number}"
