"""What runs inside the box, ``python -m labkit.teaching.worker FOLDER``: the notebook, and after it the questions.

The folder holds ``job.json`` (see `labkit.teaching.box`), ``run.ipynb`` and the inputs. The cells run in order in one
kernel, then each probe in a cell of its own; every answer is written into ``answers/`` as soon as it is there. Before
each cell ``at.json`` says which it is, so that a run that ends with it can be repeated without it. Nothing that is
written here is believed outside: a submission can write it, too.

`ask` runs in the kernel itself. It imports neither torch nor nbclient.
"""

import asyncio
import builtins
import contextlib
import functools
import json
import os
import subprocess
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from labkit.teaching.exchange import ExchangeError, pack, unpack
from labkit.teaching.limits import WALL

READY = "labkit: the box is ready"
_PATIENCE = 10.0  # seconds on the clock between an interrupt and the end of the kernel


class EndError(Exception):
    """The kernel has ended, or had to be ended: "ended", "time" or "output"."""


def ask(text: str) -> None:
    """Answer one question in the kernel of the submission: call its function on all inputs, or read its names.

    An answer that cannot be had is ``QUESTION.K.error.json``: the kind of the exception and the line in the cell, never
    its text, which could carry the inputs outside.

    Args:
        text: JSON of ``question``; ``function`` and the names of its ``inputs``, or ``names`` of variables; and the
            folders ``folder`` (of the inputs) and ``answers``.
    """
    from IPython import get_ipython

    probe, names = json.loads(text), get_ipython().user_ns
    answers, question = Path(probe["answers"]), probe["question"]
    for name in probe["names"]:
        _answer(answers, f"{question}.{name}", name, names, lambda value: value)
    for name in probe["inputs"]:
        inputs = unpack(Path(probe["folder"]), name)
        _answer(answers, name, probe["function"], names, functools.partial(_call, inputs))


def _answer(folder: Path, name: str, wanted: str, names: dict[str, Any], give: Callable[[Any], Any]) -> None:
    """Write what ``give`` makes of the name ``wanted`` of the notebook, or why there is nothing."""
    failure: dict[str, Any] | None = None
    try:
        if wanted not in names:
            failure = {"type": "NameError", "line": None}
        elif (value := give(names[wanted])) is ...:
            failure = {"type": "NotImplementedError", "line": None}  # as a release has it
        else:
            pack(value, folder, name)
    except KeyboardInterrupt:
        raise  # the time is up, also for the other inputs
    except ExchangeError:
        failure = {"type": "ExchangeError", "line": None, "got": _got(value)}
    except BaseException as error:  # also what ends Python, such as SystemExit
        failure = {"type": _kind(error), "line": _line(error, names)}
    if failure is not None:
        _write(folder / f"{name}.error.json", failure)


def _call(inputs: dict[str, Any], function: Callable[..., Any]) -> Any:
    return function(**inputs)


def _kind(error: BaseException) -> str:
    """The name of the nearest class of the exception that Python itself has."""
    return next(kind.__name__ for kind in type(error).__mro__ if getattr(builtins, kind.__name__, None) is kind)


def _line(error: BaseException, names: dict[str, Any]) -> int | None:
    """The line, in its cell, of the innermost call that stands in the notebook."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals is names:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _got(value: Any) -> str:
    """What cannot travel, in a word, of which the submission chooses nothing."""
    kinds: list[type] = [types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.ModuleType]
    kinds += [types.GeneratorType, set, frozenset, bytes, bytearray, complex, range, type, dict, list, tuple, int, str]
    found = next((kind.__name__ for kind in kinds if isinstance(value, kind)), None)
    return found or ("tensor" if hasattr(value, "dtype") else "object")


def main(folder: Path) -> NoReturn:
    """Do a job, see the module, and exit: with status 0 unless the kernel ended or had to be ended."""
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]  # jsonschema can do without; it takes most of a second
    import psutil
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient
    from nbclient.exceptions import DeadKernelError

    job = json.loads((folder / "job.json").read_text())
    notebook = _notebook(folder, job)
    os.chdir(folder / "work")  # sockets have short names from here: their paths may have about a hundred characters

    class Client(NotebookClient):
        """Keeps no more of the outputs of a cell than may be printed."""

        printed = 0

        def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
            self.printed += _length(msg["content"])
            if self.printed > job["output_bytes"] and msg["msg_type"] != "status":
                return None
            return super().process_message(msg, cell, cell_index)

    manager = AsyncKernelManager(
        kernel_name="python3", transport="ipc", ip="../tmp/k", connection_file=str(folder / "tmp" / "kernel.json")
    )
    client = Client(
        notebook,
        km=manager,
        allow_errors=True,
        timeout=None,
        startup_timeout=600,
        store_widget_state=False,
        record_timing=False,
    )
    client.extra_arguments = ["--log-level=CRITICAL", "--HistoryManager.enabled=False"]

    def used() -> float:
        """Seconds of computing of the kernel and what it has started."""
        total = 0.0
        with contextlib.suppress(psutil.Error):
            kernel = psutil.Process(getattr(manager.provisioner, "pid", None))
            for process in [kernel, *kernel.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    total += sum(process.cpu_times()[:4])
        return total

    async def execute(cell: Any, index: int) -> tuple[str, float]:
        """Run a cell within its limits: why it was interrupted, or "", and the seconds it took."""
        client.printed, before, began = 0, used(), time.monotonic()
        interrupted, since = "", 0.0
        task = asyncio.ensure_future(client.async_execute_cell(cell, index))
        while not task.done():
            await asyncio.wait({task}, timeout=0.1)
            if task.done():
                break
            if not await manager.is_alive():
                task.cancel()
                raise EndError(interrupted or "ended")
            cpu, wall = used() - before, time.monotonic() - began
            over = "output" if client.printed > job["output_bytes"] else ""
            over = "time" if cpu > job["cell_cpu"] or wall > WALL * job["cell_cpu"] else over
            if over and not interrupted:
                interrupted, since = over, time.monotonic()
                await manager.interrupt_kernel()
            elif interrupted and time.monotonic() - since > _PATIENCE:
                task.cancel()
                raise EndError(interrupted)
        try:
            task.result()
        except DeadKernelError:
            raise EndError(interrupted or "ended") from None
        return interrupted, used() - before

    async def everything() -> str:
        done: list[dict[str, Any]] = []
        answers, first_probe = folder / "answers", len(notebook.cells) - len(job["probes"])
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        async with client.async_setup_kernel(**quiet):
            for index, cell in enumerate(notebook.cells):
                if index == first_probe:
                    shown = [shown.get("outputs", []) for shown in notebook.cells[1:first_probe]]
                    _write(answers / "outputs.json", shown)
                at = cell.metadata["labkit_at"]
                _write(folder / "at.json", at)
                if cell.cell_type != "code" or at.get("skip"):
                    continue
                try:
                    why, cpu = await execute(cell, index)
                except EndError as ending:
                    _write(answers / "run.json", {"cells": done, "ended": str(ending)})
                    return str(ending)
                done.append({**at, "cpu": round(cpu, 2), "stopped": why, "error": _error(cell)})
                _write(answers / "run.json", {"cells": done, "ended": ""})
            _write(answers / "run.json", {"cells": done, "ended": "done"})
        return "done"

    print(READY, flush=True)
    ended = asyncio.run(everything())
    sys.stdout.flush()
    os._exit(0 if ended == "done" else 1)  # with the kernel, which nobody needs to be asked politely to end


def _notebook(folder: Path, job: dict[str, Any]) -> Any:
    """The notebook with a first cell that imports this file, and with a cell at the end for each probe."""
    import nbformat

    notebook = nbformat.read(folder / "run.ipynb", as_version=4)
    for number, cell in enumerate(notebook.cells, start=1):
        cell.metadata["labkit_at"] = {"number": number, "skip": number in job["skip"]}
    first = nbformat.v4.new_code_cell("import labkit.teaching.worker; del labkit")
    first.metadata["labkit_at"] = {"number": 0}
    notebook.cells.insert(0, first)
    for probe in job["probes"]:
        text = json.dumps({**probe, "folder": str(folder / "inputs"), "answers": str(folder / "answers")})
        cell = nbformat.v4.new_code_cell(f"__import__('labkit.teaching.worker', fromlist=['ask']).ask({text!r})")
        cell.metadata["labkit_at"] = {"question": probe["question"]}
        notebook.cells.append(cell)
    return notebook


def _length(content: Any) -> int:
    """About as many characters as a message shows."""
    if isinstance(content, dict):
        return sum(map(_length, content.values()))
    if isinstance(content, list):
        return sum(map(_length, content))
    return len(content) if isinstance(content, str) else 8


def _error(cell: Any) -> dict[str, Any] | None:
    """The kind of the error that a cell ended in, and its line in the cell."""
    import re

    for output in cell.get("outputs", []):
        if output.output_type == "error":
            text = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(map(str, output.get("traceback", []))))
            line = re.search(r"Cell In\[\d+\], line (\d+)", text)
            return {"type": str(output.get("ename"))[:60], "line": int(line[1]) if line else None}
    return None


def _write(path: Path, content: Any) -> None:
    """Write JSON whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")  # a submission may fork
    temporary.write_text(json.dumps(content))
    os.replace(temporary, path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
