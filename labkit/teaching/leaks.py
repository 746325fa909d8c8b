"""Look for the hidden parts of an assignment in the files that students get, as they lie on the disk.

What is looked for is all of the source that nobody has said to students: solutions, hidden cases, known mistakes,
rubrics, notes of teachers, and the secrets of the course. It is looked for in everything that a file holds: code,
comments, metadata, outputs, attachments, also if it is packed as base64, hexadecimal digits or gzip; and in code, also
under other names of variables.
"""

import base64
import binascii
import builtins
import json
import keyword
import re
import unicodedata
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.teaching.cells import Assignment, Cell, pieces

SHORTEST = 12  # characters of a line that is looked for
_GRAM = 8  # symbols of code in a row
_SURE = 8  # characters from which on a secret is one wherever it stands
_IGNORED = str.maketrans("", "", "\"'`#\\")
_TOKEN = re.compile(r"[^\W\d]\w*|\d[\w.]*|\"[^\"\n]*\"|'[^'\n]*'|[^\s\w#]")
_KEPT = {*keyword.kwlist, *dir(builtins)}
_MOST = 10_000_000  # bytes that something packed may have


@dataclass(frozen=True)
class _Hidden:
    """What must not be in a release: lines, squeezed, and runs of code, each with where it comes from."""

    lines: dict[str, tuple[str, str]]
    grams: dict[tuple[str, ...], str]
    visible: str
    secrets: tuple[str, ...]


def leaks(folder: Path, assignment: Assignment, secrets: Collection[str] = ()) -> list[str]:
    """What a release says that it should not.

    Args:
        folder: of a release, or of the releases of many students, a folder each.
        assignment: of which it is the release.
        secrets: texts that must not be in it: the secret of the course, hidden seeds, expected values. Those with fewer
            than 8 characters are not looked for if the assignment says them itself.

    Returns:
        One message for each finding, ``FILE: what``, of which no one quotes a secret; empty if all is well.
    """
    hidden = _hidden(assignment, secrets)
    messages: list[str] = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            messages.append(f"{name}: a release holds files only; got a link or something else: remove it")
        elif path.is_file():
            if path.name not in (f"{assignment.stem}.ipynb", f"{assignment.stem}.py"):
                messages.append(f"{name}: a release has no such file: remove it")
            messages += [f"{name}: {message}" for message in _in_file(path, hidden)]
    return messages


def _hidden(assignment: Assignment, secrets: Collection[str]) -> _Hidden:
    secret_texts: list[tuple[Cell, str]] = []
    visible_texts: list[str] = [assignment.stem, assignment.build]
    for cell in assignment.cells:
        if cell.role in ("cases", "mistake", "rubric", "teacher"):
            secret_texts.append((cell, cell.text))
            secret_texts += [(cell, str(cell.fields["says"]))] if "says" in cell.fields else []
        elif cell.role == "answer":
            for piece in pieces(cell):
                text = "\n".join(piece.lines)
                secret_texts += [(cell, text)] if piece.hidden else []
                visible_texts.append(piece.stub if piece.hidden else text)
        else:
            visible_texts.append(cell.text)
            visible_texts += [question.judged for question in assignment.questions if question.prompt == cell]
    visible = _squeezed("\n".join(visible_texts))
    visible_grams = {gram for text in visible_texts for gram in _grams(text)}
    lines: dict[str, tuple[str, str]] = {}
    grams: dict[tuple[str, ...], str] = {}
    for cell, text in secret_texts:
        origin = f"cell {cell.number} ({cell.role})" + (" of the overlay" if cell.overlay else "")
        for line in map(str.strip, text.split("\n")):
            bare = re.sub(r"^[-*#>\s]*(\d+ points?:)?\s*", "", line) if cell.kind == "markdown" else line
            squeezed = _squeezed(bare)
            if len(bare) >= SHORTEST and len(squeezed) > SHORTEST // 2 and squeezed not in visible:
                lines.setdefault(squeezed, (origin, line))
        if cell.kind == "code":
            grams |= {gram: origin for gram in _grams(text) if gram not in visible_grams}
    kept = [text.strip() for text in secrets if text.strip()]
    return _Hidden(lines, grams, "\n".join(visible_texts), tuple(kept))


def _in_file(path: Path, hidden: _Hidden) -> list[str]:
    text = path.read_bytes().decode("utf-8", errors="replace")
    messages: list[str] = []
    texts = [("", text)]
    if path.suffix == ".ipynb":
        try:
            notebook = json.loads(text)
            texts = [*((f"{where}: ", part) for where, part in _strings(notebook)), *texts]
            messages += _extras(notebook)
        except (ValueError, RecursionError) as error:
            messages.append(f"expected a notebook; got {error}: write it again")
    elif path.suffix == ".py":
        texts = [("", part) for part in re.split(r"^# %%.*$", text, flags=re.M)] + texts
    reported: set[str] = set()
    for where, part in texts:  # the file as a whole comes last: what was found in a part of it is not said again
        for how, inner in [("", part), *((", packed", inner) for inner in _unpacked(part))]:
            for what, detail in _in_text(inner, hidden):
                messages += [] if what + detail in reported else [f"{where}{what} is in it{how}{detail}"]
                reported.add(what + detail)
    return messages


def _in_text(text: str, hidden: _Hidden) -> Iterator[tuple[str, str]]:
    """What of the hidden parts is in a text, and what is shown of it."""
    squeezed = _squeezed(text)
    origins = set()
    for line, (origin, shown) in hidden.lines.items():
        if line in squeezed:
            origins.add(origin)
            yield f"a line of {origin}", f": {shown if len(shown) <= 60 else shown[:59] + '…'}"
    for gram in _grams(text):
        origin = hidden.grams.get(gram, "")
        if origin and origin not in origins:
            origins.add(origin)
            yield f"code of {origin}", f", perhaps with other names: {' '.join(gram)}"
    for number, secret in enumerate(hidden.secrets, start=1):
        if len(secret) >= _SURE:
            inside = _squeezed(secret) in squeezed
        else:
            whole = re.compile(rf"(?<![\w.]){re.escape(secret)}(?!\.?\w)")
            inside = bool(whole.search(text)) and not whole.search(hidden.visible)
        if inside:
            yield f"secret {number} of {len(hidden.secrets)}", ""


def _extras(notebook: Any) -> Iterator[str]:
    """What a notebook for students must not have, whatever it says."""
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list):
        yield "expected a notebook; got no list of cells: write it again"
        return
    for number, cell in enumerate(cells, start=1):
        if not isinstance(cell, dict):
            yield f"cell {number} is none: write it again"
            continue
        if cell.get("outputs"):
            yield f"cell {number} has an output: a release has none"
        if cell.get("execution_count") is not None:
            yield f"cell {number} was run: a release has not been"
        if cell.get("attachments"):
            yield f"cell {number} has an attachment: a release has none"


def _strings(value: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """All texts in a JSON value, keys included, each with its place; lines in a list are one text."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        yield where, "".join(value)
        yield where, "\n".join(value)
    elif isinstance(value, list):
        for number, item in enumerate(value, start=1):
            yield from _strings(item, f"{where}[{number}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield where, str(key)
            yield from _strings(item, f"{where}.{key}".strip("."))


def _squeezed(text: str) -> str:
    """A text without what an editor, a comment or JSON may change: white space, quotes, number signs, backslashes."""
    return "".join(unicodedata.normalize("NFKC", text).translate(_IGNORED).split())


def _grams(text: str) -> Iterator[tuple[str, ...]]:
    """All runs of symbols of a code, with its own names left open; without those of nothing but names and signs."""
    symbols: list[str] = []
    for match in _TOKEN.finditer(text):
        token = match[0]
        own = token.isidentifier() and token not in _KEPT and symbols[-1:] != ["."]
        symbols.append("_" if own else token)
    for start in range(len(symbols) - _GRAM + 1):
        gram = tuple(symbols[start : start + _GRAM])
        if any(symbol != "_" and symbol[0] not in ".,:;=()[]{}+-*/%<>|&^~@!" for symbol in gram):
            yield gram


def _unpacked(text: str, depth: int = 2) -> Iterator[str]:
    """What is in a text as base64 or hexadecimal digits, gzipped or not, itself packed once more or not."""
    squeezed = "".join(text.translate(_IGNORED).split())
    runs = {match[0] for source in (text, squeezed) for match in re.finditer(r"[\w+/-]{16,}", source, flags=re.A)}
    for run in runs:
        for data in _decoded(run):
            for inner in (data, _inflated(data)):
                words = inner.decode("utf-8", errors="ignore")
                if words:
                    yield words
                if depth > 1 and words.isprintable() and words:
                    yield from _unpacked(words, depth - 1)


def _decoded(run: str) -> Iterator[bytes]:
    standard = run.replace("-", "+").replace("_", "/")
    for start in range(4):  # other letters may stand before it
        chunk = standard[start:]
        try:
            yield base64.b64decode(chunk[: len(chunk) // 4 * 4] or b"")
            if rest := len(chunk) % 4:
                yield base64.b64decode(chunk + "=" * (4 - rest)) if rest > 1 else b""
        except binascii.Error:
            continue
    for digits in re.findall(r"(?:[0-9a-fA-F]{2}){12,}", run):
        yield bytes.fromhex(digits)


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=47).decompress(data, _MOST)
    except zlib.error:
        return b""
