"""All that is wrong with a source, said in one go, each fault with its cell and what to do about it."""

import ast
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from labkit.teaching.cells import (
    Cell,
    assigned_in,
    function_of,
    functions_in,
    heading_of,
    names_in,
    pieces,
    solution_code,
    stub_code,
)

LONGEST = 36  # lines of a cell
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_MARK = re.compile(r"^\s*(#+|<!--)\s*(answer|check|given|question)\s*:\s*[\w-]+( · build \w+)?\s*(-->)?\s*$", re.M)
_LIKE_SOLUTION = re.compile(r"^\s*(?:#+|<!-+)\W*(?:BEGIN|END)[\W_]*SOLUTION", re.I)
_SOLUTION = re.compile(
    r"\s*(# BEGIN SOLUTION( .*)?|# END SOLUTION|<!-- BEGIN SOLUTION( .*)? -->|<!-- END SOLUTION -->)"
)
_RUBRIC = re.compile(r"^\s*- (\d+) points?: \S", flags=re.M)


class _Field(NamedTuple):
    expected: str
    example: str
    allows: Any  # a function of the value


def _whole(most: int) -> Any:
    return lambda value: type(value) is int and 1 <= value <= most


def _positive(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and value > 0


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


_KINDS = {  # of the cells of each role
    "parameters": ("code",),
    "given": ("code", "markdown"),
    "question": ("markdown",),
    "answer": ("code", "markdown"),
    "check": ("code",),
    "cases": ("code",),
    "mistake": ("code",),
    "rubric": ("markdown",),
    "teacher": ("markdown",),
}
_FIELDS: Mapping[str, Mapping[str, _Field]] = {  # what else a header may say
    "question": {
        "points": _Field("a whole number from 1 to 100", "points=4", _whole(100)),
        "minutes": _Field("a whole number from 1 to 600", "minutes=20", _whole(600)),
        "difficulty": _Field("a whole number from 1 to 5", "difficulty=2", _whole(5)),
        "importance": _Field("a whole number from 1 to 5", "importance=5", _whole(5)),
        "judged": _Field("a text in quotes", 'judged="six stacks, one a batch"', _text),
        "level": _Field('"grad", or no such field', 'level="grad"', lambda value: value == "grad"),
        "all": _Field('"yes", or no such field', 'all="yes"', lambda value: value == "yes"),
        "without": _Field("names of labkit in quotes", 'without="labkit.flow.stack"', _text),
    },
    "answer": {
        "value": _Field("names in quotes", 'value="best_mean"', _text),
        "within": _Field("a number above 0", "within=0.002", _positive),
        "words": _Field("a whole number from 1 to 5000", "words=80", _whole(5000)),
        "figure": _Field("true", "figure=true", lambda value: value is True),
        "function": _Field("the name of a function in quotes", 'function="stack_of"', _text),
    },
    "cases": {"within": _Field("a number above 0", "within=0.002", _positive)},
    "mistake": {"says": _Field("a text in quotes", 'says="`order` is not looked at"', _text)},
}
_REQUIRED = {"question": ("points", "minutes", "difficulty", "importance"), "mistake": ("says",)}
_ALWAYS = ("tags", "jupyter", "title")


def problems(cells: Sequence[Cell], file: str) -> list[str]:
    """One message for each fault of a source.

    Args:
        cells: all of them.
        file: the name of the source.

    Returns:
        ``FILE, cell N: ...``, sorted by nothing but the order in which they are met: first cell by cell, then the
        assignment as a whole, then question by question.
    """
    each = [f"{cell.where}: {problem}" for cell in cells for problem in _of_cell(cell)]
    whole = [f"{file}: {problem}" for problem in _of_whole(cells)]
    asked = [cell for cell in cells if cell.role == "question"]
    questions = [
        f"{cell.where}: question {cell.name!r} {problem}" for cell in asked for problem in _of_question(cell, cells)
    ]
    return list(dict.fromkeys([*each, *whole, *_of_names(cells), *questions]))


def _of_cell(cell: Cell) -> Iterator[str]:
    if "incorrectly_encoded_metadata" in cell.fields:
        header = cell.fields["incorrectly_encoded_metadata"]
        yield f'the header {header!r} cannot be read: put words in quotes, such as answer="stack"'
    if cell.kind not in _KINDS[cell.role]:
        wanted = " or ".join({"code": "code", "markdown": "[markdown]"}[kind] for kind in _KINDS[cell.role])
        yield f"a cell with the role {cell.role!r} must be {wanted}; got {cell.kind}: change its header"
        return
    if cell.role not in ("given", "parameters") and not _NAME.fullmatch(cell.name):
        yield (
            f"the name of a question must be lower-case letters, digits and _, at most 40; got {cell.name!r}: "
            "choose another one"
        )
    yield from _of_header(cell)
    if (lines := cell.text.count("\n") + 1) > LONGEST:
        yield f"a cell must have at most {LONGEST} lines; got {lines}: split it"
    if mark := _MARK.search(cell.text):
        yield f"the line {mark[0].strip()!r} is one that the release adds: leave it out, the header says it"
    yield from _of_solution(cell)
    if cell.kind == "code":
        for what, code in _codes(cell):
            try:
                ast.parse(code)
            except SyntaxError as error:
                yield f"{what} must be Python; {error.msg} in line {error.lineno}: mend it (no % and ! commands either)"
                break


def _of_header(cell: Cell) -> Iterator[str]:
    known = _FIELDS.get(cell.role, {})
    for key, value in cell.fields.items():
        if key in known and not known[key].allows(value):
            yield f"{key} must be {known[key].expected}; got {value!r}: write {known[key].example}"
        elif key in _KINDS:
            yield f"a cell must have one role; got {cell.role} and {key}: make a cell of each"
        elif key not in (*known, *_ALWAYS, "incorrectly_encoded_metadata"):
            yield f"the field {key!r} is not known here; known are {', '.join((*known, *_ALWAYS))}: mend its name"
    for key in _REQUIRED.get(cell.role, ()):
        if key not in cell.fields:
            yield f"{key} must be {known[key].expected}; got nothing: add {known[key].example} to the header"


def _of_solution(cell: Cell) -> Iterator[str]:
    comments = [line for line in cell.text.split("\n") if _LIKE_SOLUTION.match(line)]
    if cell.role != "answer":
        if comments:
            yield f"only answers have solutions; got {comments[0].strip()!r}: take it out, or make the cell an answer"
        return
    for line in comments:
        if not _SOLUTION.fullmatch(line) or ("<!--" in line) != (cell.kind == "markdown"):
            wanted = "<!-- BEGIN SOLUTION -->" if cell.kind == "markdown" else "# BEGIN SOLUTION"
            yield f"a solution begins with {wanted!r}, and ends in the same way; got {line.strip()!r}: mend it"
            return
    try:
        parts = list(pieces(cell))
    except ValueError as error:
        yield str(error)
        return
    solutions = [piece for piece in parts if piece.hidden]
    if not solutions:
        yield f"the answer {cell.name!r} has no solution, all of it would be released: add BEGIN and END SOLUTION"
    if any(not "".join(piece.lines).strip() for piece in solutions):
        yield f"a solution of {cell.name!r} is empty: write it between BEGIN and END SOLUTION"
    is_function = cell.kind == "code" and not cell.fields.get("value") and not cell.fields.get("figure")
    if is_function and any(not (piece.indent or piece.stub) for piece in solutions):
        yield (
            f"a solution of {cell.name!r} is not inside a function, so its stub would fail when run: begin it below "
            "the function's first line, or write what students get after BEGIN SOLUTION"
        )


def _codes(cell: Cell) -> list[tuple[str, str]]:
    if cell.role != "answer":
        return [("a cell", cell.text)]
    try:
        return [("the solution", solution_code(cell)), ("what students get", stub_code(cell))]
    except ValueError:  # said already
        return []


def _of_whole(cells: Sequence[Cell]) -> Iterator[str]:
    titles = (cell for cell in cells if cell.role == "given" and cell.kind == "markdown")
    if not any(re.search(r"^# \S", cell.text, flags=re.M) for cell in titles):
        yield "an assignment must have a title; got none: begin with a [markdown] cell, '# Assignment 2 · ...'"
    if not any(cell.role == "question" for cell in cells):
        yield 'an assignment must ask something; got no question: add a [markdown] cell with question="name"'
    parameters = [cell for cell in cells if cell.role == "parameters"]
    wanted = [("student", "''"), ("variant", "0")]
    if [_assignments(cell.text) for cell in parameters] != [wanted]:
        got = f"{len(parameters) or 'no'} such cells" if len(parameters) != 1 else "other lines"
        yield (
            'an assignment must have one cell with tags=["parameters"] and exactly the lines student = "" and '
            f"variant = 0; got {got}: mend it"
        )
    code = [cell for cell in cells if cell.kind == "code"]
    if parameters and code[0] is not parameters[0]:
        yield f"the parameters must come before all other code; got cell {code[0].number} before them: move it"
    labels = [cell.label for cell in code if cell.role == "given"]
    for label in dict.fromkeys(labels):
        if labels.count(label) > 1:
            yield f"given cells must have different titles; got {label!r} {labels.count(label)} times: rename one"


def _assignments(code: str) -> list[tuple[str, str]]:
    try:
        statements = ast.parse(code).body
    except SyntaxError:
        return []
    return [
        (node.targets[0].id, repr(node.value.value))
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
        else ("", "")
        for node in statements
    ]


def _of_names(cells: Sequence[Cell]) -> Iterator[str]:
    asked = list(dict.fromkeys(cell.name for cell in cells if cell.role == "question"))
    before: dict[str, list[str]] = {}
    for cell in cells:
        roles = before.setdefault(cell.name, [])
        if cell.name and cell.name not in asked:
            known = f"questions are {', '.join(asked)}" if asked else "there are no questions"
            yield f"{cell.where}: {cell.role} {cell.name!r}, which no question asks: {known}"
        elif cell.name and cell.role != "question" and "question" not in roles:
            yield f"{cell.where}: the {cell.role} of {cell.name!r} comes before its question: move it below"
        elif cell.role == "check" and "answer" not in roles:
            yield f"{cell.where}: the check of {cell.name!r} comes before its answer: move it below"
        if cell.role in ("question", "answer", "cases", "rubric") and cell.role in roles:
            yield f"{cell.where}: {cell.role} {cell.name!r} is there twice: rename one, or take it out"
        roles.append(cell.role)


def _of_question(prompt: Cell, cells: Sequence[Cell]) -> Iterator[str]:
    of = {role: [cell for cell in cells if (cell.role, cell.name) == (role, prompt.name)] for role in _KINDS}
    if not heading_of(prompt.text) or not prompt.text.startswith("#"):
        yield "must begin with a heading: write '## 1 · Stack flow' as its first line"
    if not of["answer"]:
        yield f'has no answer: add a cell with answer="{prompt.name}"'
        return
    answer = of["answer"][0]
    extra = {key for key in ("value", "within", "figure", "function", "words") if key in answer.fields}
    if answer.kind == "markdown":
        kind, fit = "text", {"words"}
    elif "figure" in extra:
        kind, fit = "figure", {"figure"}
    elif extra & {"value", "within"}:
        kind, fit = "value", {"value", "within"}
    else:
        kind, fit = "function", {"function"}
    for key in sorted(extra - fit):
        yield f"is answered by a {kind}, for which {key!r} says nothing: take it out of the answer's header"
    for role, kinds in (("cases", ("function",)), ("mistake", ("function", "value"))):
        if of[role] and kind not in kinds:
            yield f"is answered by a {kind}, which has no {role}: take out cell {of[role][0].number}"
    if of["rubric"] and kind not in ("text", "figure"):
        yield f"is answered by a {kind}, which nobody marks by hand: take out the rubric, cell {of['rubric'][0].number}"
    if kind in ("text", "figure"):
        yield from _of_rubric(prompt, of["rubric"])
    yield from _of_mistakes(of["mistake"])
    try:
        solution, stub = solution_code(answer), stub_code(answer)
    except ValueError:  # said already
        return
    if kind == "value":
        mistakes = [(f"its mistake, cell {cell.number},", cell.text) for cell in of["mistake"]]
        yield from _of_value(answer, [("its solution", solution), ("what students get", stub), *mistakes])
    if kind == "function":
        yield from _of_function(answer, of["cases"], of["mistake"])


def _of_rubric(prompt: Cell, rubrics: Sequence[Cell]) -> Iterator[str]:
    points = prompt.fields.get("points")
    if not rubrics:
        yield f'has no rubric: add a [markdown] cell, rubric="{prompt.name}", with lines such as "- 1 point: ..."'
        return
    total = sum(int(line) for line in _RUBRIC.findall(rubrics[0].text))
    if total != points:
        yield f"has {points} points, but its rubric sums to {total} (lines '- 2 points: ...'): mend one"


def _of_value(answer: Cell, codes: Sequence[tuple[str, str]]) -> Iterator[str]:
    names = names_in(answer.fields.get("value", ""))
    if not names:
        yield 'has within, but no value: name what is compared, value="best_mean"'
    if "within" not in answer.fields:
        yield "has no tolerance: add within=0.002, a number above 0, to the header of its answer"
    for what, code in codes:
        for name in names:
            if name not in assigned_in(code):
                yield f"is answered by {name!r}, which {what} does not set: assign it, or mend value="


def _of_function(answer: Cell, cases: Sequence[Cell], mistakes: Sequence[Cell]) -> Iterator[str]:
    function = function_of(answer)
    if not function:
        functions = functions_in(stub_code(answer))
        got = "several" if functions else "no function outside of the solution"
        yield f'must show students one function to write; got {got}: name it, function="{(*functions, "name")[0]}"'
    elif function not in functions_in(solution_code(answer)):
        yield f"is answered by the function {function!r}, which its solution does not define: mend one"
    if not cases:
        yield f'has no hidden cases: add a cell, cases="{answer.name}", that defines cases(seed)'
        return
    functions = functions_in(cases[0].text)
    if "cases" not in functions:
        yield f"has hidden cases, cell {cases[0].number}, without cases(seed): define it, with yield dict(...) in it"
    if not mistakes and "judge" not in functions:
        yield f'has no known mistakes: add a cell, mistake="{answer.name}" says="...", with a wrong {function or "one"}'
    for cell in mistakes:
        if function and function not in functions_in(cell.text):
            yield f"has a mistake, cell {cell.number}, that does not define {function!r}: define it there"


def _of_mistakes(mistakes: Sequence[Cell]) -> Iterator[str]:
    texts = [cell.fields.get("says") for cell in mistakes]
    for words in dict.fromkeys(texts):
        if words and texts.count(words) > 1:
            yield f"has several mistakes that say {words!r}: students could not tell them apart, reword one"
