"""The checks that a student sees in an assignment: one line that says how far an answer is, and never an error.

A notebook that is half done should run from top to bottom. So nothing that goes wrong in a check stops it:

    with checking("stack"):
        got = stack(fields)
        assert got.ndim == 3, f"a stack must have 3 dimensions; got {got.ndim}: flatten fields and components"

prints ``stack: fine so far``, ``stack: not answered yet`` or ``stack: a stack must have 3 dimensions; ...``. Such a
check earns no points: it tells a student whether to continue, and hidden cases decide.
"""

import linecache
import sys
import traceback
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any


class checking:  # noqa: N801 - it reads like a function, as `contextlib.suppress` does
    """Run the assertions of a check, and say in one line what came out.

    An answer counts as not given yet if its function still raises ``NotImplementedError``, or if a name that the cell
    uses still is ``...``. Other errors are printed with the line of the notebook in which they arose. Only
    ``KeyboardInterrupt`` gets through: somebody wants the notebook to stop.

    Args:
        question: its name, with which the line begins.
    """

    def __init__(self, question: str) -> None:
        self.question = question

    def __enter__(self) -> "checking":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if isinstance(error, KeyboardInterrupt):
            return False
        print(f"{self.question}: {_told(error, trace, sys._getframe(1))}")
        return True


def _told(error: BaseException | None, trace: TracebackType | None, check: FrameType) -> str:
    """What to say of an error, or of none, in a check that runs in a frame."""
    if any(_is_open(value) for value in _values(check)):
        return "not answered yet"
    if error is None or trace is None:
        return "fine so far"
    frames = list(traceback.walk_tb(trace))
    frame, number = next(step for step in reversed(frames) if step[0].f_globals is check.f_globals)
    line = linecache.getline(frame.f_code.co_filename, number, frame.f_globals).strip()
    raised_here = frame is frames[-1][0] and (not line or line.startswith("raise"))  # PyTorch has such errors, too
    if isinstance(error, NotImplementedError) and raised_here:
        return "not answered yet"
    if isinstance(error, AssertionError) and frame is check:
        return str(error) or f"this should hold: {line.removeprefix('assert ')}"
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"{text} (line {number}: {line})" if line else f"{text} (line {number})"


def _values(frame: FrameType) -> Iterator[Any]:
    """The values of all names of the notebook, or of the function, that the code of a frame uses."""
    for name in (*frame.f_code.co_names, *frame.f_code.co_varnames):
        yield frame.f_locals.get(name, frame.f_globals.get(name))


def _is_open(value: Any) -> bool:
    """Whether a value is, or has, the ``...`` that stands for an answer."""
    if isinstance(value, dict):
        value = list(value.values())
    return value is ... or (isinstance(value, list | tuple) and any(part is ... for part in value))
