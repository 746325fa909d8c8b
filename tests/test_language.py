"""The glossary of CONTRIBUTING.md holds: prose, titles, alt texts, docstrings and comments avoid the words it replaces.

``python tests/test_language.py notebooks/02_two_stream.py labkit/views`` lists what there is to mend.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jupytext
import pytest

ROOT = Path(__file__).parents[1]
FILES = (
    "*.md",
    "assignments/*.py",
    "benchmarks/*.md",
    "course/*.md",
    "data_scripts/*.py",
    "docs/**/*.md",
    "docs/**/*.py",
    "labkit/**/*.md",
    "labkit/**/*.py",
    "labkit/**/*.js",
    "notebooks/*.py",
)
EXCEPT = {  # where the words mean something else: windows of houses, of Lucas and Kanade, of Microsoft; places to find
    "docs/open.md",
    "labkit/files.py",
    "labkit/flow/local.py",
    "labkit/world/buildings/__init__.py",
    "labkit/world/buildings/houses.py",
    "labkit/world/buildings/landmarks.py",
    "labkit/world/buildings/parts.py",
    "labkit/world/buildings/pieces.py",
    "labkit/world/buildings/style.py",
    "labkit/world/cache.py",
    "labkit/world/places.py",
}

SHOWN = {"title", "alt", "label", "labels", "x_title", "y_title", "note", "slider", "unit"}  # arguments a reader sees
ENTRY = r"^ +\w+(?=: )"  # the name of an argument, in the list of them that a docstring has: it is code
# Words that make a replaced one right: "attention maps", "a layer maps".
BEFORE = {"maps": "feature attention heat activation score saliency energy response flow that which it layer network"}


class Finding(NamedTuple):
    """A word that the glossary replaces, and where it stands."""

    line: int
    word: str
    write: str


def glossary(contributing: str) -> dict[str, str]:
    """What to write, by each word that is not to be used: the bold ones of the table's second column."""
    section = re.search(r"^## Words$(.*?)(?=^## )", contributing, flags=re.M | re.S)
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", section[1], flags=re.M) if section else []
    return {word: write for write, instead in rows for word in re.findall(r"\*\*(.+?)\*\*", instead)}


GLOSSARY = glossary((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))


def replaced(text: str, line: int = 1) -> Iterator[Finding]:
    """The words of a text that the glossary replaces; code, addresses and quotations do not count.

    Args:
        text: in Markdown.
        line: the number of its first line.
    """
    text = re.sub(r"^ *```.*?^ *```", _blank, text, flags=re.M | re.S)
    text = re.sub(r"`[^`]*`|\]\([^)]*\)|https?://\S+", _blank, text)
    text = re.sub(r'"(?:[^"\n]|\n(?!\s*\n))*"', _blank, text)
    for word, write in GLOSSARY.items():
        pattern = r"\s+".join(word.split())
        for match in re.finditer(rf"(?<![\w-]){pattern}(?![\w-])", text, flags=re.I):
            before = re.search(r"(\w+)\W+$", text[: match.start()])
            if not (before and before[1].lower() in BEFORE.get(word, "").split()):
                yield Finding(line + text[: match.start()].count("\n"), word, write)


def _blank(match: re.Match[str]) -> str:
    """As many lines, with nothing in them."""
    return "\n" * match[0].count("\n") or " "


def in_markdown(text: str) -> Iterator[Finding]:
    """Of a Markdown file, without the glossary itself."""
    yield from replaced(re.sub(r"^## Words$.*?(?=^## )", _blank, text, flags=re.M | re.S))


def in_python(text: str, line: int = 1) -> Iterator[Finding]:
    """Of a module or a cell: docstrings, comments, strings of several words, and what figures show."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield from replaced(token.string, line + token.start[0] - 1)
    tree = ast.parse(text)
    shown = [
        word.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for word in node.keywords
        if word.arg in SHOWN
    ]
    words = {id(node) for value in shown for node in ast.walk(value)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and (" " in node.value or id(node) in words):
            yield from replaced(re.sub(ENTRY, "", node.value, flags=re.M), line + node.lineno - 1)


def in_script(text: str) -> Iterator[Finding]:
    """Of a script in JavaScript: comments, and strings of several words."""
    for match in re.finditer(r'//[^\n]*|/\*.*?\*/|"[^"\n]*"|`[^`]*`', text, flags=re.S):
        words = match[0] if match[0].startswith("/") else re.sub(r"\$\{[^}]*\}", " ", match[0][1:-1])
        if " " in words:
            yield from replaced(words, text[: match.start()].count("\n") + 1)


def in_notebook(text: str) -> Iterator[Finding]:
    """Of a notebook's source: its Markdown cells, and its code cells as Python."""
    ends = 0
    for cell in jupytext.reads(text, fmt="py:percent").cells:
        first = cell.source.split("\n")[0]
        line = next(n for n, other in enumerate(text.split("\n"), 1) if n > ends and first in (other, other[2:]))
        ends = line + cell.source.count("\n")
        yield from in_python(cell.source, line) if cell.cell_type == "code" else replaced(cell.source, line)


def check(path: Path) -> list[str]:
    """A message for each word that a file, or any file of a folder, should not have."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix in (".py", ".js"))
        return [message for file in files for message in check(file)]
    readers = {".md": in_markdown, ".js": in_script, ".py": in_python}
    read = in_notebook if path.parent.name in ("assignments", "notebooks") else readers[path.suffix]
    name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    findings = sorted(read(path.read_text(encoding="utf-8")))
    return [f"{name}:{line}: {word!r}: write {write.replace('**', '')}" for line, word, write in findings]


@pytest.mark.parametrize("pattern", FILES)
def test_all_keeps_to_the_glossary(pattern):
    files = [path for path in sorted(ROOT.glob(pattern)) if path.relative_to(ROOT).as_posix() not in EXCEPT]
    assert files
    assert [message for path in files for message in check(path)] == []


def test_the_glossary_is_read_from_its_table():
    assert GLOSSARY["net"] == GLOSSARY["nets"] == "network, model (ConvNet where the paper says so)"
    assert GLOSSARY["by heart"] == "memorise"
    assert "behind" not in GLOSSARY  # wrong in one sense only
    assert len(GLOSSARY) >= 50


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A net, two Nets; networks, EnergyNet, a net-like thing.", ["net", "nets"]),
        ("Feature maps and attention\nmaps are fine, maps are not.", ["maps"]),
        ("It learned them by\nheart.", ["by heart"]),
        ('The paper says "a net", and `net` is a name\n```\nnet = 1\n```\n[here](net/of.py) https://a.net/net', []),
        ('One " is no quotation: a net.\n\nAnother "net" is.', ["net"]),
        ("Takes place in 12 locations.", []),
        ("Whoever goes on takes a Share of it.", ["goes on", "share of", "whoever"]),
    ],
)
def test_words_are_found_in_prose(text, words):
    assert sorted(finding.word for finding in replaced(text)) == words


def test_lines_are_named():
    assert list(replaced("one\n`a\nb`\nA net.", line=10)) == [Finding(13, "net", GLOSSARY["net"])]


def test_python_is_read_for_what_people_read():
    code = '''\
"""About a net.

    net: it is.
"""
net = "net"  # the nets' name
chart(title="net", key="net", alt=f"{net} of a trunk", labels=["picture", "own"])
print(f"a glance {net}")
'''
    assert sorted(in_python(code))[:2] == [Finding(1, "net", GLOSSARY["net"]), Finding(5, "nets", GLOSSARY["nets"])]
    words = [(line, word) for line, word, _ in sorted(in_python(code))[2:]]
    assert words == [(6, "net"), (6, "picture"), (6, "trunk"), (7, "glance")]


def test_scripts_are_read_for_what_people_read():
    code = 'const net = "net"; // a net\n/** Two\n * nets. */\nsay(`the trunk ${net}`, "a film");\n'
    assert [(line, word) for line, word, _ in in_script(code)] == [(1, "net"), (3, "nets"), (4, "trunk"), (4, "film")]


NOTEBOOK = """\
# ---
# jupyter: {}
# ---

# %% [markdown]
# # A net
#
# The same trunk.

# %% tags=["parameters"]
profile = "lesson"

# %%
chart(
    alt="Two pictures."
)
"""


def test_notebooks_are_read_cell_by_cell():
    assert [(line, word) for line, word, _ in in_notebook(NOTEBOOK)] == [(6, "net"), (8, "trunk"), (15, "pictures")]


def test_the_message_says_what_to_write(tmp_path):
    (tmp_path / "text.md").write_text("fine\n\nby lot\n## Words\n| a | **net** |\na net\n## More\n", encoding="utf-8")
    assert check(tmp_path / "text.md") == [f"{tmp_path}/text.md:3: 'by lot': write random, at random"]


if __name__ == "__main__":
    print("\n".join(message for name in sys.argv[1:] for message in check(Path(name).resolve())))
