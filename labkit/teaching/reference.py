"""The teacher's side of an assignment: its solution, hidden cases and known mistakes, run here for one variant.

All of it is the teacher's own code. What students wrote never comes into this process; their answers come as values.
"""

import contextlib
import copy
import io
import traceback
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from labkit.teaching.cells import Assignment, Question, solution_code
from labkit.teaching.release import parameters

Inputs = Mapping[str, Any]


class SourceError(RuntimeError):
    """The teacher's own code failed; the message says in which cell."""


class Raised(NamedTuple):
    """A function that ended in an exception, by the name of its type."""

    type: str


class Reference:
    """An assignment, solved, with the parameters of a student.

    Args:
        assignment: its given cells and solutions are run when it is built.
        student: goes into the parameters.
        variant: goes into them, too.
        level: of the student; questions for others are left out.

    Raises:
        SourceError: a cell fails.
    """

    def __init__(self, assignment: Assignment, student: str, variant: int, level: str = "") -> None:
        self.assignment = assignment
        self.names: dict[str, Any] = {"__name__": "__main__"}
        for cell in assignment.released(level):
            if cell.kind != "code" or cell.role == "check":
                continue
            text = parameters(cell, student, variant) if cell.role == "parameters" else solution_code(cell)
            self._run(text, self.names, cell.where)

    def values(self, question: Question) -> list[Any]:
        """What a value question's names hold in the solution."""
        return [self._set(name, question) for name in question.values]

    def inputs(self, question: Question, seed: int) -> list[Inputs]:
        """The hidden cases of a question, as arguments of its function."""
        cases = self._of_cases(question, "cases")
        where = question.cases.where if question.cases else ""
        with _named(where):
            inputs = list(cases(seed) or ())
        odd = [type(case).__name__ for case in inputs if not isinstance(case, Mapping)]
        if odd or not inputs:
            got = odd[0] if odd else "nothing"
            raise SourceError(
                f"{where}: cases(seed) must yield dicts of arguments, at least one; got {got}: yield dict(...)"
            )
        return [dict(case) for case in inputs]

    def answers(self, question: Question, inputs: Sequence[Inputs]) -> list[Any]:
        """What the solution makes of hidden cases."""
        return list(_called(self._set(question.function, question), inputs))

    def judge(self, question: Question, answers: list[Any], seed: int) -> tuple[float, str]:
        """Points and words of the question's own judge."""
        points, words = self._of_cases(question, "judge")(answers, seed)
        return float(points), str(words)

    def mistakes(self, question: Question, inputs: Sequence[Inputs]) -> Iterator[tuple[str, list[Any]]]:
        """What each known mistake makes of the same cases, with what to say about it."""
        for cell in question.mistakes:
            names = dict(self.names)
            self._run(cell.text, names, cell.where)
            yield str(cell.fields["says"]), list(_called(names[question.function], inputs))

    def wrong_values(self, question: Question) -> Iterator[tuple[str, list[Any]]]:
        """The values that each known mistake gives, with what to say about it."""
        for cell in question.mistakes:
            names = dict(self.names)
            self._run(cell.text, names, cell.where)
            yield str(cell.fields["says"]), [names[name] for name in question.values]

    def _of_cases(self, question: Question, name: str) -> Any:
        if question.cases is None:
            raise SourceError(f"{question.prompt.where}: question {question.name!r} must have hidden cases")
        names = dict(self.names)
        self._run(question.cases.text, names, question.cases.where)
        return names[name]

    def _set(self, name: str, question: Question) -> Any:
        if name not in self.names:
            raise SourceError(
                f"{question.answer.where}: the solution must set {name!r}; it did not: set it in any case"
            )
        return self.names[name]

    @staticmethod
    def _run(code: str, names: dict[str, Any], where: str) -> None:
        with _named(where):
            exec(compile(code, f"<{where}>", "exec"), names)


@contextlib.contextmanager
def _named(where: str) -> Iterator[None]:
    """Let an error of the teacher's code name its cell and the line; what it prints is not shown."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    except Exception as error:
        at = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == f"<{where}>"]
        line = f", line {at[-1]}" if at else ""
        raise SourceError(f"{where}{line}: {type(error).__name__}: {error}") from error


def _called(function: Any, inputs: Sequence[Inputs]) -> Iterator[Any]:
    for case in inputs:
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                yield function(**copy.deepcopy(dict(case)))  # it may change its arguments
        except Exception as error:  # a known mistake may be that it refuses
            yield Raised(type(error).__name__)
