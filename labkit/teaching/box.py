"""A submission's answers, as plain values: its notebook runs in the box, and its functions are asked there.

There is no test in the box that could be changed, and no expected answer that could be read: inputs go in, values come
out, and they are judged outside. A cell that brings everything down is left out, and the rest is run again, so that one
bad cell costs only what depends on it.
"""

import builtins
import json
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat

from labkit.teaching import contain
from labkit.teaching.exchange import ExchangeError, pack, read_file, read_json, unpack
from labkit.teaching.limits import WALL, Ended, Limits
from labkit.teaching.worker import READY

MOST_RERUNS = 3
_OUTPUTS = 30_000_000  # bytes of outputs of all cells that are read back
_ANSWERS = 400_000_000  # bytes of memory, about, that all answers may take; text takes more than it is long
_TEXT = 12
_KINDS = {"time": "TimeoutError", "cpu": "TimeoutError", "wall": "TimeoutError", "memory": "MemoryError"}
_NOTHING = object()  # None may be an answer
_NAME = re.compile(r"[A-Za-z_]\w*")
_GOT = {
    "function",
    "method",
    "module",
    "generator",
    "set",
    "frozenset",
    "bytes",
    "bytearray",
    "complex",
    "range",
    "type",
}
_GOT |= {"builtin_function_or_method", "dict", "list", "tuple", "int", "str", "tensor"}


class BoxError(RuntimeError):
    """The box itself did not start: no fault of the submission's."""


@dataclass(frozen=True)
class Probe:
    """What is asked after the notebook has run.

    Attributes:
        question: its name, that of a variable in Python.
        function: what is called, once for each of the inputs; "" for a question about values.
        names: the variables that are read; () for a question about a function.
        inputs: the keyword arguments of each call.
    """

    question: str
    function: str = ""
    names: tuple[str, ...] = ()
    inputs: Sequence[Mapping[str, Any]] = ()

    @property
    def files(self) -> list[str]:
        """The names of its answers, in order."""
        return [f"{self.question}.{key}" for key in (self.names or range(len(self.inputs)))]


@dataclass(frozen=True)
class Job:
    """A notebook to run, and what to ask it; ``metadata["labkit"]`` of a cell may say what it is, and its number."""

    notebook: nbformat.NotebookNode
    probes: Sequence[Probe]


@dataclass(frozen=True)
class Failure:
    """An answer that is not there, and why.

    Attributes:
        type: of the exception, one of Python's own; ``NotImplementedError`` where it is not answered yet,
            ``TimeoutError``, ``MemoryError``, ``SystemExit`` (it ended Python), ``ExchangeError`` (it cannot travel),
            ``NameError`` (there is no such function or variable).
        line: in the student's cell; None where it is not known.
        says: the reason in words for the student; the submission can choose none of them.
    """

    type: str
    line: int | None
    says: str


@dataclass(frozen=True)
class Answers:
    """What came out.

    Attributes:
        values: of each question, a value or a failure for each input or name; arrays are tensors.
        notes: what happened to cells, in words for the teacher and the student; they have the first line of the cell.
        cpu: seconds of computing, of all runs.
        contained: the layers of the box, see `labkit.teaching.contain.layers`; or the container.
        notebook: with the outputs of its cells, for the teacher: they are the submission's own, HTML and scripts
            included, and it may have shown the inputs there. None if they cannot be read.
    """

    values: Mapping[str, list[Any]]
    notes: tuple[str, ...]
    cpu: float
    contained: tuple[str, ...]
    notebook: nbformat.NotebookNode | None = None


@dataclass
class _State:
    """What is known so far, over several runs."""

    values: dict[str, Any] = field(default_factory=dict)  # by the name of the file
    skip: dict[int, str] = field(default_factory=dict)  # cells by their number, and why they are left out
    notes: list[str] = field(default_factory=list)
    notebook: nbformat.NotebookNode | None = None
    suspect: str = ""  # a question that may have been stopped for what another had left
    cpu: float = 0.0
    room: int = _ANSWERS


def answer(
    job: Job,
    folder: Path,
    limits: Limits = Limits(),  # noqa: B008  (it is frozen)
    *,
    trust: bool = False,
    container: str = "",
) -> Answers:
    """Run a submission in the box, and ask it.

    Args:
        job: what to run and to ask.
        folder: an existing folder, in which a new one is made for each run, and removed.
        limits: what each run may use; there are at most `MOST_RERUNS` more than one.
        trust: see `labkit.teaching.contain.run`.
        container: see there.

    Returns:
        What came out; whatever the submission does, this is not an exception.

    Raises:
        ContainError: this machine cannot contain it.
        BoxError: the box does not start; the message has what it printed.
        ValueError: the name of a question cannot be that of a file, or two have the same.
    """
    names = [probe.question for probe in job.probes]
    if bad := [name for name in names if not _NAME.fullmatch(name) or names.count(name) > 1]:
        raise ValueError(f"each question must have a name of its own, of letters, digits and _; got {', '.join(bad)}")
    state = _State()
    for runs_left in range(MOST_RERUNS, -1, -1):
        pending = [probe for probe in job.probes if any(name not in state.values for name in probe.files)]
        base = Path(tempfile.mkdtemp(prefix="run-", dir=folder)).resolve()
        try:
            _prepare(base, job, pending, state, limits)
            command = [sys.executable, "-P", "-m", "labkit.teaching.worker", str(base)]
            ended = contain.run(command, base, limits, trust=trust, container=container)
            state.cpu += ended.cpu
            if READY not in ended.said:
                raise BoxError(f"the box did not start ({ended.stopped or ended.status}): {ended.said.strip()[-600:]}")
            again = _collect(base, job, pending, state, ended, limits)
        finally:
            contain.remove(base)
        if not again:
            break
        if runs_left == 0:
            state.notes.append(f"the run ended {MOST_RERUNS + 1} times: what was not reached has no answer")
    lost = Failure("SystemExit", None, "the run ended before your answer was asked for")
    values = {probe.question: [state.values.get(name, lost) for name in probe.files] for probe in job.probes}
    return Answers(
        values, tuple(state.notes), round(state.cpu, 2), (container,) if container else contain.layers(), state.notebook
    )


def _prepare(base: Path, job: Job, pending: Sequence[Probe], state: _State, limits: Limits) -> None:
    """Fill the folder of a run."""
    for name in ("inputs", "answers", "work"):
        (base / name).mkdir()
    probes = []
    for probe in pending:
        files = [name for name in probe.files if name not in state.values]
        for name, inputs in zip(probe.files, probe.inputs, strict=False):
            if name in files:
                pack(dict(inputs), base / "inputs", name)
        names = [name for name in probe.names if f"{probe.question}.{name}" in files]
        inputs_of = [] if probe.names else files
        probes.append({"question": probe.question, "function": probe.function, "names": names, "inputs": inputs_of})
    description = {
        "probes": probes,
        "skip": sorted(state.skip),
        "cell_cpu": limits.cell_cpu,
        "output_bytes": limits.output_megabytes * 10**6,
    }
    (base / "job.json").write_text(json.dumps(description))
    (base / "run.ipynb").write_text(nbformat.writes(job.notebook), encoding="utf-8")


def _collect(base: Path, job: Job, pending: Sequence[Probe], state: _State, ended: Ended, limits: Limits) -> bool:
    """Read what a run has left, believing nothing; returns whether to run the rest again."""
    answers = base / "answers"
    report = _object(answers, "run.json")
    cells = [cell for cell in report.get("cells", []) if isinstance(cell, dict)] if _is(report, "cells", list) else []
    stopped = {_text(cell, "question"): _text(cell, "stopped") for cell in cells}
    for probe in pending:
        for name in probe.files:
            if name not in state.values and (found := _read(answers, name, probe, state, job)) is not _NOTHING:
                state.values[name] = found
        if why := stopped.get(probe.question):
            _fail(state, probe, why, _why(why, limits))
    for cell in cells:
        note, number = _note(cell, limits), _number(cell)
        if (
            note
            and number
            and number not in state.skip
            and (line := f"{_label(job, number)} {note}") not in state.notes
        ):
            state.notes.append(line)
    if state.notebook is None:
        state.notebook = _outputs(answers, job)
    if report.get("ended") == "done" and not ended.stopped:
        for probe in pending:  # what has neither value nor reason was taken away
            _fail(state, probe, "", "your answer was not there when it was looked for")
        return False
    why = ended.stopped or str(report.get("ended") or "ended")
    words = _why(why, limits)
    at = _object(base, "at.json")
    number, asked = _number(at), [probe for probe in pending if probe.question == at.get("question")]
    if ended.stopped in ("cpu", "wall"):  # what was interrupted for its time would take it once more
        state.skip |= {n: _why("time", limits) for c in cells if (n := _number(c)) and _text(c, "stopped") == "time"}
    if asked and ended.stopped and asked[0] is not pending[0] and asked[0].question != state.suspect:
        state.suspect = asked[0].question  # what was asked before it has its answers, and will not be asked again
    elif asked:
        for name in asked[0].files:  # it may have failed in other ways while it was being stopped
            if ended.stopped and isinstance(state.values.get(name), Failure):
                del state.values[name]
        _fail(state, asked[0], why, words)
    elif number and number <= len(job.notebook.cells) and number not in state.skip:
        state.skip[number] = words
        left_out = f"{words.removeprefix('your function ')}: left out, the rest was run again"
        state.notes.append(f"{_label(job, number)} {left_out}")
    else:
        state.notes.append(f"the run {words.removeprefix('your function ')}, and left no word of where")
        return False
    return any(name not in state.values for probe in pending for name in probe.files)


def _read(folder: Path, name: str, probe: Probe, state: _State, job: Job) -> Any:
    """An answer, or a failure, or `_NOTHING`."""
    try:
        if read_file(folder, f"{name}.error.json", 10_000) is None:
            sizes = [_size(folder / f"{name}.json"), _size(folder / f"{name}.safetensors")]
            if not sizes[0]:
                return _NOTHING
            state.room -= _TEXT * sizes[0] + sizes[1]
            return (
                unpack(folder, name) if state.room >= 0 else Failure("MemoryError", None, "your answers are too large")
            )
        failure = _object(folder, f"{name}.error.json")
    except (ExchangeError, OSError):
        return Failure("ExchangeError", None, "your answer could not be read")
    wanted = probe.function or name.removeprefix(f"{probe.question}.")
    kind, line = _text(failure, "type"), _line(failure)
    if kind == "ExchangeError":
        got = failure.get("got") if failure.get("got") in _GOT else "an object of another kind"
        return Failure(kind, None, f"a number, text, tensor, or a list, tuple or dict of these was expected; got {got}")
    kind = _exception(kind)
    if kind == "NotImplementedError":
        return Failure(kind, line, "not answered yet")
    if kind == "SystemExit":
        return Failure(kind, line, "your function ended Python")
    if kind == "NameError" and line is None:
        why = _why_missing(job, state, probe.question)
        return Failure(kind, None, f"there is no {wanted} after your notebook has run{why}")
    where = "" if line is None else f" in line {line} of its cell"
    return Failure(kind, line, f"your function failed with {kind}{where}")


def _size(path: Path) -> int:
    """The bytes of a file, of a link itself; 0 where there is none."""
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0


def _why_missing(job: Job, state: _State, question: str) -> str:
    for number, words in state.skip.items():
        about = job.notebook.cells[number - 1].metadata.get("labkit", {})
        if about.get("name") == question and about.get("role") == "answer":
            return f": its cell {words.removeprefix('your function ')}, and was left out"
    return ""


def _fail(state: _State, probe: Probe, reason: str, words: str) -> None:
    """Note why a question has no more answers than it has."""
    for name in probe.files:
        state.values.setdefault(name, Failure(_KINDS.get(reason, "SystemExit"), None, words))


def _why(reason: str, limits: Limits) -> str:
    """A reason in words; what a submission could have written itself is not repeated."""
    reasons = {
        "time": f"did not end within {limits.cell_cpu:g} s of computing",
        "cpu": f"did not end before the run had taken {limits.cpu:g} s of computing",
        "wall": f"did not end before the run had taken {WALL * limits.cpu:g} s on the clock",
        "memory": f"took more than {limits.megabytes} MB of memory",
        "processes": f"started more than {limits.processes} processes",
        "disk": f"wrote more than {limits.file_megabytes} MB of files",
        "output": f"printed more than {limits.output_megabytes} MB",
    }
    return f"your function {reasons.get(reason, 'ended Python')}"


def _note(cell: dict[str, Any], limits: Limits) -> str:
    """What happened to a cell that ran, or ""."""
    if why := _text(cell, "stopped"):
        return f"{_why(why, limits).removeprefix('your function ')} and was interrupted"
    if not isinstance(error := cell.get("error"), dict):
        return ""
    kind, line = _exception(_text(error, "type")), _line(error)
    return f"failed with {kind}" + (f" in line {line}" if line else "")


def _exception(name: str) -> str:
    """The name of one of Python's own exceptions; a submission has chosen it, and could write anything in it."""
    kind = getattr(builtins, name, None)
    return name if isinstance(kind, type) and issubclass(kind, BaseException) else "Exception"


def _line(content: dict[str, Any]) -> int | None:
    line = content.get("line")
    return line if type(line) is int and 0 < line < 10_000 else None


def _label(job: Job, number: int) -> str:
    cells = job.notebook.cells
    return label(cells[number - 1], number) if 0 < number <= len(cells) else f"cell {number} ()"


def label(cell: nbformat.NotebookNode, number: int) -> str:
    """How a cell is called: ``cell 6 (# answer: camera)``, by its number in the student's file where that is known."""
    number = cell.metadata.get("labkit", {}).get("number", number)
    first = next((line.strip()[:60] for line in cell.source.splitlines() if line.strip()), "")
    return f"cell {number or 'put back'} ({''.join(character for character in first if character.isprintable())})"


def _outputs(folder: Path, job: Job) -> nbformat.NotebookNode | None:
    """The notebook that was run, with the outputs that the run has written down, if they are such."""
    try:
        data = read_file(folder, "outputs.json", _OUTPUTS)
        outputs = None if data is None else read_json(data, "outputs.json")
        if not isinstance(outputs, list) or _depth(outputs) > 20:
            return None
        json.dumps(outputs, ensure_ascii=False).encode()  # halves of characters could not be written on a page
        notebook = nbformat.reads(nbformat.writes(job.notebook), as_version=4)
        for cell, shown in zip(notebook.cells, outputs, strict=False):
            if cell.cell_type == "code":
                cell.outputs = nbformat.from_dict(shown)
        nbformat.validate(notebook)
        return notebook
    except (ExchangeError, OSError, ValueError, RecursionError, nbformat.ValidationError):
        return None


def _depth(value: Any) -> int:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, items), default=0)


def _object(folder: Path, name: str) -> dict[str, Any]:
    """A JSON object that the box has written; {} if it is none."""
    try:
        data = read_file(folder, name, 1_000_000)
        content = None if data is None else read_json(data, name)
    except (ExchangeError, OSError):
        return {}
    return content if isinstance(content, dict) else {}


def _is(content: dict[str, Any], name: str, kind: type) -> bool:
    return isinstance(content.get(name), kind)


def _text(content: dict[str, Any], name: str) -> str:
    text = content.get(name)
    return text if isinstance(text, str) else ""


def _number(content: dict[str, Any]) -> int:
    number = content.get("number")
    return number if type(number) is int and number > 0 else 0
