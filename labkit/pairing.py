"""A notebook is a pair of files: a ``.py`` that is read and edited as text, and an ``.ipynb`` that is opened and run.

JupyterLab, as `labkit lab` starts it, saves both. Other editors (VS Code, Colab) save the ``.ipynb`` only. So that
nobody's work is lost when one file is written from the other, an ``.ipynb`` carries a digest of the cells that both
files agreed on last. If its cells still have this digest, nobody has edited it, and it may safely be written again.
"""

import contextlib
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from pathlib import Path
from textwrap import shorten
from typing import Any

import jupytext
import nbformat

from labkit import folders
from labkit.files import written_whole

_KEPT = (
    "jupyter",
    "tags",
    "lines_to_next_cell",
    "lines_to_end_of_cell_marker",
)  # metadata of a cell that the .py has room for


class State(StrEnum):
    """How an ``.ipynb`` stands to its ``.py``; outputs, cell ids and other metadata do not count."""

    MISSING = "missing"  # there is no .ipynb
    EQUAL = "equal"  # the same cells
    OLDER = "older"  # the .py has changed, the .ipynb has not: it may be written again
    EDITED = "edited"  # the .ipynb has cells that no .py has, or cannot be read


@dataclass(frozen=True)
class Pair:
    """What became of a pair of files.

    Attributes:
        source: the ``.py``.
        state: how the ``.ipynb`` stands to it.
        differences: one line for each cell that differs; empty unless edited.
        both_edited: whether the ``.py`` has changed as well since they last agreed.
        damage: why the ``.ipynb`` cannot be read; empty where it can.
    """

    source: Path
    state: State
    differences: tuple[str, ...] = ()
    both_edited: bool = False
    damage: str = ""

    def report(self, most: int | None = None) -> str:
        """What is the matter with an edited ``.ipynb``, and what to do, in one line; of many cells, at most so many."""
        name, command = self.source.with_suffix(".ipynb").name, f"{folders.command()} notebooks {self.source.name[:2]}"
        if self.damage:
            return f"{name} cannot be read as a notebook ({self.damage}): repair it, or {command} --discard replaces it"
        shown = self.differences[:most]
        hidden = len(self.differences) - len(shown)
        cells = "; ".join([*shown, *([f"and {hidden} more"] if hidden else [])])
        loses = ", but drops what is new in the .py" if self.both_edited else ""
        return (
            f"{name} was edited without its .py ({cells}): {command} --from-ipynb keeps these edits{loses}; "
            f"{command} --discard drops them"
        )


def notebook_of(source: Path) -> nbformat.NotebookNode:
    """Read a ``.py`` source as a notebook without outputs; the same source gives the same bytes, cell ids included."""
    notebook = jupytext.read(source)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:02d}"
    notebook.metadata["labkit"] = {"digest": _digest(notebook)}
    return notebook


def write_notebook(source: Path, *, outputs: bool = False) -> Path:
    """Write the ``.ipynb`` beside its source, whole or not at all.

    Images that were pasted into a text cell are kept while the cell stays as it is: the ``.py`` has no room for them.

    Args:
        source: the ``.py``.
        outputs: whether cells that stay as they are keep their outputs.
    """
    target = source.with_suffix(".ipynb")
    notebook, before = notebook_of(source), defaultdict[tuple[str, str], list[nbformat.NotebookNode]](list)
    with contextlib.suppress(ValueError):
        for cell in _read(target).cells:
            before[_content(cell)].append(cell)
    for cell in notebook.cells:
        same = before[_content(cell)]
        old = same.pop(0) if same else {}
        for key in ("attachments", *(("outputs", "execution_count") if outputs else ())):
            if key in old:
                cell[key] = old[key]
    write_text(target, nbformat.writes(notebook) + "\n")
    return target


def compare(source: Path) -> Pair:
    """Say how the ``.ipynb`` of a source stands to it; nothing is written."""
    target = source.with_suffix(".ipynb")
    if not target.exists():
        return Pair(source, State.MISSING)
    try:
        notebook = _read(target)
    except ValueError as error:
        return Pair(source, State.EDITED, damage=str(error))
    theirs = notebook_of(source)
    if _cells(notebook) == _cells(theirs):
        return Pair(source, State.EQUAL)
    agreed = notebook.metadata.get("labkit", {}).get("digest")
    if agreed == _digest(notebook):
        return Pair(source, State.OLDER)
    both = agreed is not None and agreed != _digest(theirs)
    return Pair(source, State.EDITED, tuple(_differences(notebook, theirs)), both)


def same_cells(first: str, second: str) -> bool:
    """Whether two texts of a ``.py`` are the same notebook, whatever their headers are."""
    return _cells(jupytext.reads(first, fmt="py:percent")) == _cells(jupytext.reads(second, fmt="py:percent"))


def adopt(source: Path) -> None:
    """Bring the cells of an ``.ipynb`` back into its ``.py``, below the header that the ``.py`` has.

    Raises:
        ValueError: the ``.ipynb`` cannot be read as a notebook.
    """
    notebook = _read(source.with_suffix(".ipynb"))
    for cell in notebook.cells:
        cell.metadata = {key: cell.metadata[key] for key in _KEPT if key in cell.metadata}
    header, _, _ = source.read_text(encoding="utf-8").partition("# %%")
    _, mark, cells = jupytext.writes(notebook, fmt="py:percent").partition("# %%")
    write_text(source, header + mark + cells)
    write_notebook(source, outputs=True)


def keep_digest(model: dict[str, Any], path: str, contents_manager: Any, **_: Any) -> None:
    """Renew the digest of a notebook when JupyterLab saves it, if Jupytext saves its ``.py``, too: a pre-save hook."""
    is_paired = path.strip("/") in getattr(contents_manager, "paired_notebooks", {})  # Jupytext's list
    if model["type"] == "notebook" and is_paired and "labkit" in model["content"]["metadata"]:
        model["content"]["metadata"]["labkit"]["digest"] = _digest(nbformat.from_dict(model["content"]))


def write_text(path: Path, text: str) -> None:
    """Write a text whole or not at all, and the folder it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as file:
        file.write(text.encode())


def _read(path: Path) -> nbformat.NotebookNode:
    try:
        notebook = nbformat.read(path, as_version=4)
        _cells(notebook)  # nbformat does not mind a cell without a source
        return notebook
    except Exception as error:  # which one depends on what is wrong with the file
        raise ValueError(shorten(f"{type(error).__name__}: {error}", 80)) from error


def _content(cell: nbformat.NotebookNode) -> tuple[str, str]:
    """What an author writes in a cell, without blank lines around it."""
    return cell.cell_type, "\n".join(cell.source.splitlines()).strip()


def _cells(notebook: nbformat.NotebookNode) -> list[tuple[str, str]]:
    """The contents of all cells with something in them."""
    return [content for content in map(_content, notebook.cells) if content[1]]


def _digest(notebook: nbformat.NotebookNode) -> str:
    return hashlib.sha256(json.dumps(_cells(notebook)).encode()).hexdigest()[:16]


def _differences(notebook: nbformat.NotebookNode, theirs: nbformat.NotebookNode) -> Iterator[str]:
    """A line for each cell that only one of two notebooks has; cells are counted from 1."""
    own, others = [
        [(number, content) for number, content in enumerate(map(_content, cells), start=1) if content[1]]
        for cells in (notebook.cells, theirs.cells)
    ]
    matcher = SequenceMatcher(a=_cells(theirs), b=_cells(notebook), autojunk=False)
    for kind, start, end, own_start, own_end in matcher.get_opcodes():
        if kind in ("replace", "insert"):
            for number, (_, text) in own[own_start:own_end]:
                yield f"cell {number}: {_first_line(text)}"
        if kind == "delete":
            for number, (_, text) in others[start:end]:
                yield f"cell {number} of the .py is missing: {_first_line(text)}"


def _first_line(text: str) -> str:
    return shorten(text.splitlines()[0], 60, placeholder=" …")
