"""Source code to read in a notebook: classes, functions and methods, printed from their files.

The colours have enough contrast on a light and on a dark ground; `labkit.course` gives those of the light theme to the
code cells of its pages, too. The line above the code is a link. In JupyterLab it opens the file in the editor, at that
line; `labkit.course.export` turns it into a link within the page, to the whole file (`file_html`).
"""

import ast
import contextlib
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer, get_lexer_for_filename
from pygments.style import Style
from pygments.token import Comment, Keyword, Name, Number, Operator, Punctuation, String

from labkit.viz.style import FONT

CLONE = Path(__file__).resolve().parents[2]  # the folder above the package


# What a piece of code is, and its colour in a light and in a dark theme: at least 4.5 to 1 on the grounds that cells
# have there (WCAG 2.2, 1.4.3).
CODE_COLOURS = {
    "comment": ("#4F6367", "#A9BABD"),
    "keyword": ("#1B6B20", "#8FD694"),
    "operator": ("#7A1FA2", "#DDB0F7"),
    "builtin": ("#1B6B20", "#8FD694"),
    "def": ("#0B4FB3", "#9CC7FF"),
    "meta": ("#7A1FA2", "#DDB0F7"),
    "number": ("#1B6B20", "#8FD694"),
    "string": ("#A31515", "#FFAB9E"),
    "punctuation": ("#2F4F6F", "#C3D2E0"),
}


class _CodeColours(Style):
    """`CODE_COLOURS`, of the theme at hand."""

    styles = {  # noqa: RUF012 - pygments' own interface
        Comment: "italic var(--code-comment)",
        Keyword: "bold var(--code-keyword)",
        Operator: "var(--code-operator)",
        Operator.Word: "bold var(--code-keyword)",
        Name.Builtin: "var(--code-builtin)",
        Name.Class: "var(--code-def)",
        Name.Decorator: "var(--code-meta)",
        Name.Function: "var(--code-def)",
        Number: "var(--code-number)",
        String: "var(--code-string)",
        Punctuation: "var(--code-punctuation)",
    }


def _variables(theme: int) -> str:
    return " ".join(f"--code-{name}: {colours[theme]};" for name, colours in CODE_COLOURS.items())


# The class stands twice in each selector: so these rules outweigh JupyterLab's own.
_SCOPE = "div.labkit-source.labkit-source"
_STYLE = (
    f"& {{ {_variables(0)} }}\n[data-jp-theme-light=false] & {{ {_variables(1)} }}\n".replace("&", _SCOPE)
    + """
& { max-width: 960px; margin: 8px 0 16px; }
& { --edge: var(--jp-cell-editor-border-color, var(--jp-border-color2, #BDBDBD)); }
& figure { margin: 0 0 12px; border: 1px solid var(--edge); border-radius: 4px;
  background: var(--jp-cell-editor-background, transparent); overflow: hidden; }
& figcaption { padding: 4px 12px; font: 12px/1.5 FONT; color: inherit;
  border-bottom: 1px solid var(--edge); }
& pre { margin: 0; padding: 8px 12px; overflow-x: auto; white-space: pre; background: none; border: 0; color: inherit;
  font: 12.5px/1.45 var(--jp-code-font-family, ui-monospace, 'DejaVu Sans Mono', monospace); }
& pre:focus-visible { outline: 2px solid #0072B2; outline-offset: -2px; }
""".replace("&", _SCOPE).replace("FONT", FONT)
    + HtmlFormatter(style=_CodeColours, nobackground=True).get_style_defs(f"{_SCOPE} pre")
)


@dataclass(frozen=True, repr=False)
class Source:
    """Code as HTML and as plain text; showing it in a notebook prints it in colour."""

    html: str
    text: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.text


def show(*objects: type | Callable[..., Any], docstring: bool = True) -> Source:
    """Print classes, functions or methods from the files that define them.

    Args:
        objects: to print, one below the other; methods are moved to the left margin.
        docstring: whether to print their docstrings.

    Raises:
        TypeError: no object, or one that no file defines: an instance, a builtin, a lambda, code of a notebook cell.
    """
    if not objects:
        raise TypeError("show expects classes, functions or methods; got none: pass one, say show(CNNM)")
    figures, texts = [], []
    for item in map(inspect.unwrap, objects):
        lines, first, file = _source_of(item)
        margin = len(lines[0]) - len(lines[0].lstrip())  # not textwrap's: a string may hold lines without it
        text = "".join(line[margin if line[:margin].isspace() else 0 :] for line in lines).rstrip()
        last = first + text.count("\n")
        if not docstring:
            text = _without_docstrings(text)
        code = highlight(text, PythonLexer(), HtmlFormatter(nowrap=True))
        label = escape(f"source of {item.__qualname__}")
        figures.append(
            f"<figure><figcaption>{_caption(item, file, first, last)}</figcaption>"
            f'<pre role="region" tabindex="0" aria-label="{label}">{code}</pre></figure>'
        )
        texts.append(text)
    return Source(f'<div class="labkit-source"><style>{_STYLE}</style>{"".join(figures)}</div>', "\n\n\n".join(texts))


def _source_of(item: Any) -> tuple[list[str], int, Path]:
    """Lines, number of the first, and file of a class, function or method."""
    if (inspect.isclass(item) or inspect.isroutine(item)) and item.__name__ != "<lambda>":
        with contextlib.suppress(TypeError, OSError):  # a builtin, or nothing that inspect finds
            file = Path(inspect.getfile(item))
            if file.is_file():
                return *inspect.getsourcelines(item), file
    raise TypeError(
        "show expects classes, functions or methods that a Python file defines; got "
        f"{textwrap.shorten(repr(item), 80)}: pass the class of an instance, a named function for a lambda"
    )


def _caption(item: Any, file: Path, first: int, last: int) -> str:
    """Where it comes from; a link if that is a file of labkit."""
    lines = f"lines {first}-{last}" if last > first else f"line {first}"
    method = f"<code>{escape(item.__qualname__)}</code> · " if "." in item.__qualname__ else ""
    if not (file := file.resolve()).is_relative_to(CLONE / "labkit"):
        return f"{method}{escape(item.__module__)}, {lines}"
    path = file.relative_to(CLONE).as_posix()
    href = f"../{path}#line={first - 1},{last}"  # from notebooks/; lines as in RFC 5147, which JupyterLab understands
    return f'{method}<a href="{href}">{path}, {lines}</a>'


def _without_docstrings(text: str) -> str:
    """The code without the docstrings in it; a body that was nothing else becomes ``...``."""
    lines: list[str | None] = list(text.split("\n"))
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if ast.get_docstring(node) is None or node.body[0].lineno == node.lineno:
            continue
        words = node.body[0]
        start, end = words.lineno - 1, words.end_lineno or words.lineno
        if len(node.body) > 1:
            while end < len(lines) and not (lines[end] or "").strip():
                end += 1
        lines[start:end] = [None] * (end - start)
        if len(node.body) == 1:
            lines[start] = " " * words.col_offset + "..."
    return "\n".join(line for line in lines if line is not None)


def file_html(path: Path, name: str) -> str:
    """A whole file with numbered lines, each of which has an id: ``{name}-1``, ``{name}-2``...

    The colours are those that the page has for class ``highlight``.
    """
    formatter = HtmlFormatter(linenos="inline", linespans=name, cssclass="highlight")
    return str(highlight(path.read_text(encoding="utf-8"), get_lexer_for_filename(path.name), formatter))
