"""Terms of the glossary: the first mention of each in a lesson is a link, and shows what the term means.

The glossary is ``docs/glossary.md``. ``docs/glossary.toml`` has further spellings of its terms, and those that are not
looked for, as they have an everyday sense, too.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

from lab_site import DOCS

_NOT_PROSE = (nodes.literal, nodes.literal_block, nodes.math, nodes.raw, nodes.reference, nodes.title, pending_xref)


@dataclass(frozen=True)
class Term:
    """A term: how it is spelled in the glossary, and the first sentence of what it means."""

    name: str
    meaning: str


@cache
def spellings() -> dict[str, Term]:
    """The terms that are looked for in lessons, by all of their spellings in lower case."""
    text = (DOCS / "glossary.md").read_text(encoding="utf-8")
    more = tomllib.loads((DOCS / "glossary.toml").read_text(encoding="utf-8"))
    never = {name.lower() for name in more.pop("never", [])}
    found: dict[str, Term] = {}
    for names, meaning in entries(text):
        sentence = re.split(r"(?<=[.!?])\s", _plain(meaning), maxsplit=1)[0]
        term = Term(names[0], sentence)
        for name in [*names, *(other for known in names for other in more.get(known, []))]:
            if name.lower() not in never and names[0].lower() not in never:
                found[name.lower()] = term
    return found


def entries(text: str) -> Iterator[tuple[list[str], str]]:
    """The entries of a glossary in MyST: names on lines of their own, the meaning indented below them."""
    block = re.search(r"^(:{3,}|`{3,})\{glossary\}\n(.*?)^\1$", text, flags=re.M | re.S)
    if not block:
        raise ValueError("docs/glossary.md must have a block {glossary}; there is none")
    for entry in re.finditer(r"^((?:\S.*\n)+)((?: +.*\n|\n(?= ))+)", block[2], flags=re.M):
        yield entry[1].strip().splitlines(), " ".join(entry[2].split())


def letters() -> str:
    """Links to the first term of each letter."""
    firsts: dict[str, str] = {}
    for names, _ in entries((DOCS / "glossary.md").read_text(encoding="utf-8")):
        firsts.setdefault(names[0][0].upper(), names[0])
    return " ".join(f'<a href="#{anchor(name)}">{letter}</a>' for letter, name in firsts.items() if letter.isalpha())


def anchor(name: str) -> str:
    """The anchor that Sphinx gives to a term."""
    return f"term-{re.sub(r'[^A-Za-z0-9]+', '-', name).strip('-')}"


def _plain(markdown: str) -> str:
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markdown).replace("`", "").replace("*", "")


@cache
def _pattern() -> re.Pattern[str]:
    names = sorted(spellings(), key=len, reverse=True)
    return re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, names))})(?![\w-])", flags=re.I)


def mark_terms(app: Sphinx, doctree: nodes.document) -> None:
    """Make the first mention of each term in a lesson a link to the glossary."""
    page = app.env.current_document.docname
    if not page.startswith("lessons/") or page == "lessons/index":
        return
    seen: set[str] = set()
    for text in list(doctree.findall(nodes.Text)):
        if _is_prose(text):
            pieces = list(_marked(text.astext(), seen))
            if len(pieces) > 1:
                text.parent.replace(text, pieces)


def _is_prose(text: nodes.Text) -> bool:
    parent: Any = text.parent
    in_paragraph = False
    while parent is not None:
        if isinstance(parent, _NOT_PROSE) or set(parent.get("classes", [])) & {"lesson-facts", "lesson-ways"}:
            return False
        in_paragraph |= isinstance(parent, nodes.paragraph)
        parent = parent.parent
    return in_paragraph


def _marked(text: str, seen: set[str]) -> Iterator[nodes.Node]:
    end = 0
    for match in _pattern().finditer(text):
        term = spellings()[match[0].lower()]
        if term.name in seen:
            continue
        seen.add(term.name)
        yield nodes.Text(text[end : match.start()])
        address = f"../glossary.html#{anchor(term.name)}"
        html = f'<a class="labkit-term" href="{address}" data-means="{escape(term.meaning)}">{escape(match[0])}</a>'
        yield nodes.raw("", html, format="html")
        end = match.end()
    yield nodes.Text(text[end:])
