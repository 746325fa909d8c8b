"""Files that students hand in: which of them is the notebook, and the cells that it holds."""

import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jupytext
import nbformat

from labkit.teaching.matching import Part

MOST_BYTES = 20_000_000  # of a file
MOST_TEXT = 2_000_000  # characters in all cells together
MOST_CELLS = 2_000
_MOST_FILES = 2_000  # in a folder
_HEADER = re.compile(r"\A\s*# ---\n(?:#[^\n]*\n)*?# ---[^\S\n]*(?:\n|\Z)")
_PERCENT = re.compile(r"^# ?%%", flags=re.M)


class SubmissionError(ValueError):
    """A submission cannot be read; the message says what was expected, what came and what to do."""


def files(path: Path, stem: str) -> list[Path]:
    """The notebook of a submission, and the script that is its pair, if there is one.

    Args:
        path: a file, or a folder that holds it, perhaps in a folder of its own.
        stem: of the assignment, ``"02_two_stream"``; files of this name come first, then names that begin with it.

    Raises:
        SubmissionError: there is no such file, or there are several of which none has the right name.
    """
    if path.is_symlink():
        raise SubmissionError(f"{path}: expected a file or a folder; got a link: hand in the file itself")
    if not path.is_dir():
        if not path.exists():
            raise SubmissionError(f"{path}: expected a notebook; got nothing there: check the path")
        if path.suffix.lower() not in (".ipynb", ".py"):
            raise SubmissionError(f"{path}: expected an .ipynb or a .py; got {path.name!r}: hand in the notebook")
        return [path]
    candidates = sorted(_candidates(path))
    exact = [file for file in candidates if file.stem == stem]
    alike = [file for file in candidates if file.stem.startswith(stem)]
    for group in (exact, alike, candidates):
        notebooks = [file for file in group if file.suffix.lower() == ".ipynb"]
        scripts = [file for file in group if file.suffix.lower() == ".py"]
        if len(notebooks) > 1 or (len(scripts) > 1 and not notebooks):
            names = ", ".join(str(file.relative_to(path)) for file in notebooks or scripts)
            raise SubmissionError(f"{path}: expected one notebook; got {names}: keep the one that counts")
        if notebooks:
            pairs = [file for file in scripts if file.with_suffix("") == notebooks[0].with_suffix("")]
            return [*notebooks, *(pairs or (scripts if len(scripts) == 1 else []))]
        if scripts:
            return scripts
    raise SubmissionError(f"{path}: expected {stem}.ipynb or {stem}.py; got neither: hand in the notebook")


def _candidates(folder: Path) -> Iterator[Path]:
    count = 0
    for root, folders, names in os.walk(folder):  # does not follow links
        folders[:] = [name for name in folders if not name.startswith((".", "__"))]
        for name in names:
            count += 1
            if count > _MOST_FILES:
                raise SubmissionError(
                    f"{folder}: expected a notebook; got over {_MOST_FILES} files: take the others out"
                )
            file = Path(root, name)
            if name.startswith(".") or file.suffix.lower() not in (".ipynb", ".py"):
                continue
            if file.is_symlink():
                raise SubmissionError(f"{file}: expected a file; got a link: hand in the file itself")
            yield file


def cells(file: Path) -> tuple[list[Part], dict[str, Any]]:
    """The cells of a notebook with something in them, and what its metadata says of labkit.

    Outputs are not looked at. Line ends are those of Unix.

    Raises:
        SubmissionError: the file is too large, no plain file, not UTF-8 or no notebook.
    """
    text = _text(file)
    about: dict[str, Any]
    if file.suffix.lower() == ".py":
        parts, about = _of_script(text, file), {}
    else:
        parts, about = _of_notebook(text, file)
    if len(parts) > MOST_CELLS or sum(len(part.text) for part in parts) > MOST_TEXT:
        raise SubmissionError(
            f"{file}: expected at most {MOST_CELLS} cells and {MOST_TEXT:,} characters; got {len(parts)} cells and "
            f"{sum(len(part.text) for part in parts):,} characters: take out what is no answer"
        )
    for number, part in enumerate(parts, start=1):
        part.number = number
    return [part for part in parts if part.text.strip() or part.metadata], about


def _text(file: Path) -> str:
    try:
        handle = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(handle, "rb") as opened:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise SubmissionError(f"{file}: expected a file; got something else: hand in the notebook")
            data = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise SubmissionError(f"{file}: expected a file that can be read; got {error.strerror}: check it") from error
    if len(data) > MOST_BYTES:
        raise SubmissionError(
            f"{file}: expected at most {MOST_BYTES // 1_000_000} MB; got more: clear the outputs and save it again"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SubmissionError(
            f"{file}: expected text in UTF-8; got something else at byte {error.start}: save it as UTF-8"
        ) from error
    return _unix(text)


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _of_script(text: str, file: Path) -> list[Part]:
    if len(text) > MOST_TEXT:
        raise SubmissionError(
            f"{file}: expected at most {MOST_TEXT:,} characters; got {len(text):,}: take out what is no answer"
        )
    body = _HEADER.sub("", text)  # it says nothing that is needed
    form = "py:percent" if _PERCENT.search(body) else "py:light"
    try:
        notebook = jupytext.reads(body, fmt=form)
    except Exception as error:  # of many kinds
        raise SubmissionError(f"{file}: expected a notebook as .py; got {error}: save it again") from error
    return [Part(cell.cell_type, _unix(cell.source), metadata=dict(cell.metadata)) for cell in notebook.cells]


def _of_notebook(text: str, file: Path) -> tuple[list[Part], dict[str, Any]]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SubmissionError(f"{file}: expected a notebook; got no JSON ({error}): save it again") from error
    if isinstance(content, dict) and "worksheets" in content:
        try:
            content = nbformat.reads(text, as_version=4)
        except Exception as error:  # of many kinds
            raise SubmissionError(f"{file}: expected a notebook; got {error}: save it again") from error
    if not isinstance(content, dict) or not isinstance(content.get("cells"), list):
        raise SubmissionError(f"{file}: expected a notebook; got JSON without a list of cells: save it again")
    parts = [_of_cell(cell, f"{file}, cell {number}") for number, cell in enumerate(content["cells"], start=1)]
    metadata = content.get("metadata")
    about = metadata.get("labkit") if isinstance(metadata, dict) else None
    return parts, about if isinstance(about, dict) else {}


def _of_cell(cell: Any, where: str) -> Part:
    source = cell.get("source") if isinstance(cell, dict) else None
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str) or cell.get("cell_type") not in ("code", "markdown", "raw"):
        raise SubmissionError(f"{where}: expected code or text; got neither: save the notebook again")
    metadata = cell.get("metadata")
    return Part(
        cell["cell_type"],
        # Half of a surrogate pair can stand in JSON, but in no text that is written.
        _unix(source).encode("utf-8", "replace").decode(),
        metadata=metadata if isinstance(metadata, dict) else {},
        id=cell["id"] if isinstance(cell.get("id"), str) else "",
    )
