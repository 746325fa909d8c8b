"""What a student has answered: each question is answered, left blank, or nowhere to be found."""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from labkit.teaching.cells import TEXT_STUB, Question, stub_code, tree_of
from labkit.teaching.matching import Part, plain

State = Literal["found", "blank", "missing"]
_INDIRECT = {"getattr", "import_module", "__import__", "eval", "exec", "attrgetter"}  # ways to name things in a text


@dataclass(frozen=True)
class Answer:
    """What became of one question.

    Attributes:
        state: ``"found"``; ``"blank"`` if the cell for the answer is there and as it was given out; ``"missing"`` if
            there is no such cell, so that a person must look.
        text: of an answer in words.
        notes: what a person should know.
        unused: cells that were given out for the answer, and left blank, while it stands elsewhere: they must not run.
    """

    state: State
    text: str = ""
    notes: tuple[str, ...] = ()
    unused: tuple[Part, ...] = ()


def code_answer(question: Question, parts: Sequence[Part]) -> Answer:
    """What became of a question that is answered by code."""
    name = question.name
    here = [
        part
        for part in parts
        if part.kind == "code" and ((part.role, part.name) == ("answer", name) or name in part.defines)
    ]
    blank = [part for part in here if _is_blank(part, question)]
    is_marked = any(part.how == "mark" for part in here)
    # A cell with the metadata of an answer and nothing else of it was copied, or split off, for something else.
    answers = [
        part for part in here if part not in blank and (part.how != "metadata" or name in part.defines or not is_marked)
    ]
    if not answers:
        return Answer("blank" if blank else "missing")
    notes = []
    definitions = [part for part in answers if name in part.defines or part.how == "mark"]
    if len(definitions) > 1:
        notes.append(f"{name}: answered in {len(definitions)} cells: the last one counts")
    if blank:
        notes.append(f"{name}: answered in another cell than the one for it, which was left out")
    elif all(part.how == "name" for part in answers):
        notes.append(f"{name}: found by what it defines, as nothing else says so")
    wanted = question.function or (question.values[0] if question.values else "")
    if wanted and not any(re.search(rf"\b{re.escape(wanted)}\b", part.text) for part in answers):
        notes.append(f"{name}: its cell does not define {wanted}: look at it")
        return Answer("missing", notes=tuple(notes), unused=tuple(blank))
    return Answer("found", notes=tuple(notes), unused=tuple(blank))


def _is_blank(part: Part, question: Question) -> bool:
    """Whether a cell says no more than the stub that was given out, comments apart."""
    stub = stub_code(question.answer)
    if plain(part.text) in ("", plain(stub)):
        return True
    theirs, ours = tree_of(part.text), tree_of(stub)
    if theirs is None or ours is None:
        return False
    try:
        return not theirs.body or ast.dump(theirs) == ast.dump(ours)
    except RecursionError:
        return False


def text_answer(question: Question, parts: Sequence[Part], *, same_build: bool) -> Answer:
    """What became of a question that is answered in words.

    Args:
        question: with a text for an answer.
        parts: of the submission.
        same_build: whether it was made from this very source, so that whatever a prompt says more is the student's.
    """
    name = question.name
    cells = [number for number, part in enumerate(parts) if (part.role, part.name) == ("answer", name)]
    marked = [number for number in cells if parts[number].how == "mark"]
    texts = {number: _words(parts[number].text, question) for number in cells}
    notes: list[str] = []
    starts = [number for number in (marked or cells) if texts[number]]
    if len(starts) > 1 and marked:
        notes.append(f"{name}: answered in {len(starts)} cells: the last one counts")
    if starts:
        start = starts[-1] if marked else starts[0]
        more = list(_below(parts, start, name))
        notes += [f"{name}: with the text in the cells below it"] if more else []
        return Answer("found", "\n\n".join([texts[start], *more]), tuple(notes))
    prompts = [number for number, part in enumerate(parts) if (part.role, part.name) == ("question", name)]
    for numbers, where in [(cells[-1:], "below the cell for it"), (prompts[-1:], "below its heading")]:
        if numbers and (more := list(_below(parts, numbers[0], name))):
            return Answer("found", "\n\n".join(more), (f"{name}: found {where}",))
    ours = {line.strip() for line in question.prompt.text.split("\n")}
    for number in prompts:
        lines = [line for line in parts[number].text.split("\n") if line.strip() not in ours]
        text = _words("\n".join(line for line in lines if not _is_fact(line)), question)
        if text and same_build:
            return Answer("found", text, (f"{name}: found in the cell of its question",))
        if text:
            return Answer("missing", text, (f"{name}: perhaps in the cell of its question: look at it",))
    return Answer("blank" if cells else "missing")


def _below(parts: Sequence[Part], start: int, name: str) -> Iterator[str]:
    """The texts of a student's own that follow a cell, up to the next cell of the release, or of code."""
    for part in parts[start + 1 :]:
        continues = (part.role, part.name, part.how) == ("answer", name, "metadata")
        if part.kind == "code" or not (part.role == "own" or continues):
            return
        if text := part.text.replace(TEXT_STUB, "").strip():
            yield text


def _words(text: str, question: Question) -> str:
    """An answer without what was given out for it; empty if that was all."""
    if plain(text) == plain(stub_code(question.answer)):
        return ""
    return "\n".join(line for line in text.split("\n") if line.strip() != TEXT_STUB).strip()


def _is_fact(line: str) -> bool:
    """Whether a line of a prompt is one that the release adds."""
    return line.startswith(("**1 point", "*What is judged*:")) or bool(re.match(r"\*\*\d+ points\*\* · ", line))


def forbidden_calls(question: Question, codes: Sequence[tuple[Part, str]]) -> list[str]:
    """What of labkit a student's code uses though the question asks to write it without; for a person to look at.

    Args:
        question: perhaps with ``without="labkit.flow.stack"``.
        codes: the code that will run, ours included, in order, each with the part that it is.
    """
    wanted = {name.rpartition(".")[2]: name for name in question.without}
    words = re.compile("|".join(rf"\b{re.escape(name)}\b" for name in wanted) or "(?!)")
    names: dict[str, str] = {}
    stars: set[str] = set()
    for _, code in codes:
        for node in _nodes(code) if wanted and "import" in code else ():
            if isinstance(node, ast.Import):
                names |= {alias.asname: alias.name for alias in node.names if alias.asname}
                names |= {(top := alias.name.partition(".")[0]): top for alias in node.names if not alias.asname}
            elif isinstance(node, ast.ImportFrom):
                names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
                stars |= {str(node.module) for alias in node.names if alias.name == "*"}
    used = []
    for part, code in codes:
        if not words.search(code) or (part.role, part.name) not in (("own", ""), ("answer", question.name)):
            continue
        nodes = _nodes(code)
        paths = [_path(node, names) for node in nodes]
        imports = [node for node in nodes if isinstance(node, ast.ImportFrom)]
        paths += [f"{node.module}.{alias.name}" for node in imports for alias in node.names]
        if any(module.partition(".")[0] == "labkit" for module in stars):
            paths += [f"labkit.{node.id}" for node in nodes if isinstance(node, ast.Name)]
        if _INDIRECT.intersection(path.rpartition(".")[2] for path in paths):
            texts = [node.value for node in nodes if isinstance(node, ast.Constant)]
            paths += [f"labkit.{text.rpartition('.')[2]}" for text in texts if isinstance(text, str)]
        used += [path.rpartition(".")[2] for path in paths if path.partition(".")[0] == "labkit"]
    return [
        f"{question.name}: {wanted[name]} is used, without which it should be written: look at it"
        for name in dict.fromkeys(used)
        if name in wanted
    ]


def _nodes(code: str) -> list[ast.AST]:
    tree = tree_of(code)
    return list(ast.walk(tree)) if tree else []


def _path(node: ast.AST, names: Mapping[str, str]) -> str:
    """The dotted name that an expression is, with imported names in full; empty for other nodes."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.insert(0, node.attr)
        node = node.value
    return ".".join([names.get(node.id, node.id), *parts]) if isinstance(node, ast.Name) else ""
