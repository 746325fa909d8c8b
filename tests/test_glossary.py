"""The glossary: terms in order, definitions that stand alone in a tooltip, words that the lessons do say."""

import re
import tomllib
from pathlib import Path
from typing import NamedTuple

import jupytext
import pytest

DOCS = Path(__file__).parents[1] / "docs"
LESSONS = {path.stem[:2]: path for path in sorted((DOCS.parent / "notebooks").glob("*.py"))}
TOOLTIP = 200  # characters of a first sentence
POINTER = re.compile(r" \(lesson \[(\d\d)\]\(([^)\s]+)\)(?:, \[code\]\(([^)\s]+)\))?\)$")


class Entry(NamedTuple):
    """Terms that mean the same, and what they mean."""

    terms: list[str]
    definition: str

    @property
    def term(self) -> str:
        return self.terms[0]

    @property
    def pointer(self) -> tuple[str, str, str | None]:
        """Number and file of the lesson that explains the term, and the file that defines it."""
        match = POINTER.search(self.definition)
        assert match, f"{self.term}: ends in (lesson [NN](../notebooks/...), [code](../labkit/...))"
        return match[1], match[2], match[3]

    @property
    def sentences(self) -> list[str]:
        """Those of the definition, without the pointer."""
        return re.split(r"(?<=[.!?])\s+", POINTER.sub("", self.definition))


def entries(text: str) -> list[Entry]:
    """Those of a text: terms stand at the left, each on a line, and the lines of their definition are indented."""
    found = re.findall(r"^:::\{glossary\}\n(.*?)^:::$", text, flags=re.M | re.S)
    assert len(found) == 1, "one directive holds the whole glossary"
    parsed = []
    for block in re.split(r"\n\s*\n", found[0].strip("\n")):
        match = re.fullmatch(r"((?:\S.*\n)+)((?: {4}\S.*(?:\n|$))+)", block)
        assert match, f"an entry has lines of terms, then lines indented by four spaces; got {block!r}"
        parsed.append(Entry(match[1].splitlines(), " ".join(match[2].split())))
    return parsed


def prose(path: Path) -> str:
    """What a lesson says in words: its Markdown without code, formulas and addresses, in one line."""
    cells = jupytext.read(path, fmt="py:percent").cells
    text = "\n\n".join(re.sub(r"^> ?", "", cell.source, flags=re.M) for cell in cells if cell.cell_type == "markdown")
    for left_out in (
        r"(?ms)^```.*?^```",
        r"(?s)\$\$.*?\$\$",
        r"`[^`]*`",
        r"\$[^$]+\$",
        r"\]\([^)]*\)",
        r"https?://\S+",
    ):
        text = re.sub(left_out, " ", text)
    return " ".join(re.sub(r"[*_\[\]]", "", text).split())


def says(text: str, spelling: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(spelling)}(?![\w-])", text, flags=re.I) is not None


ENTRIES = entries((DOCS / "glossary.md").read_text(encoding="utf-8"))
SPELLINGS = tomllib.loads((DOCS / "glossary.toml").read_text(encoding="utf-8"))
NEVER = SPELLINGS.pop("never")
PROSE = {number: prose(path) for number, path in LESSONS.items()}
each_entry = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.term)


def spellings(entry: Entry) -> list[str]:
    return [*entry.terms, *(other for term in entry.terms for other in SPELLINGS.get(term, []))]


def test_no_word_has_two_entries():
    words = [word.casefold() for entry in ENTRIES for word in spellings(entry)]
    assert sorted(word for word in set(words) if words.count(word) > 1) == []


def test_terms_are_in_alphabetical_order():
    terms = [entry.term for entry in ENTRIES]
    assert terms == sorted(terms, key=str.casefold)


@each_entry
def test_the_first_sentence_stands_alone_in_a_tooltip(entry):
    first = entry.sentences[0]
    assert len(first) <= TOOLTIP
    assert first.endswith(".")
    assert not re.search(r"[`$*_\[\]<>]", first), "plain text"
    assert 1 <= len(entry.sentences) <= 3


@each_entry
def test_the_pointer_leads_to_a_lesson_that_says_the_term(entry):
    number, lesson, code = entry.pointer
    assert lesson == f"../notebooks/{LESSONS[number].stem}.ipynb"
    assert [link for link in (lesson, code) if link and not (DOCS / link).is_file()] == []
    assert any(says(PROSE[number], spelling) for spelling in spellings(entry))


def test_definitions_link_to_nothing_else():
    assert [entry.term for entry in ENTRIES if "](" in POINTER.sub("", entry.definition)] == []


def test_spellings_are_of_terms_and_are_said_somewhere():
    terms = {term for entry in ENTRIES for term in entry.terms}
    assert [term for term in [*SPELLINGS, *NEVER] if term not in terms] == []
    everything = " ".join(PROSE.values())
    unsaid = [word for words in SPELLINGS.values() for word in words if not says(everything, word)]
    assert unsaid == []


def test_spellings_are_in_alphabetical_order():
    assert sorted(NEVER, key=str.casefold) == NEVER
    assert sorted(SPELLINGS, key=str.casefold) == list(SPELLINGS)


TOY = """\
Before.

:::{glossary}
net
network
    A thing of layers,
    for example. It learns. (lesson [02](../notebooks/02_two_stream.ipynb), [code](../labkit/a.py))

x-ray
    What looks inside. (lesson [01](../notebooks/01_video_and_flow.ipynb))
:::
"""


def test_a_glossary_is_read():
    first, second = entries(TOY)
    assert first.terms == ["net", "network"]
    assert first.sentences == ["A thing of layers, for example.", "It learns."]
    assert first.pointer == ("02", "../notebooks/02_two_stream.ipynb", "../labkit/a.py")
    assert second.pointer == ("01", "../notebooks/01_video_and_flow.ipynb", None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TOY.replace(":::{glossary}\n", ""), "one directive"),
        (TOY.replace("    What", "What"), "lines of terms"),
        (TOY.replace("    What", "  What"), "lines of terms"),
        (TOY.replace(" (lesson [01](../notebooks/01_video_and_flow.ipynb))", ""), "x-ray: ends in"),
    ],
)
def test_what_is_wrong_with_a_glossary_is_said(text, message):
    with pytest.raises(AssertionError, match=message):
        _ = [entry.pointer for entry in entries(text)]


def test_prose_is_what_a_lesson_says_in_words(tmp_path):
    path = tmp_path / "01_toy.py"
    path.write_text("# %% [markdown]\n# A *max*\n# > imum of `code` $x$ in [flow](net.py).\n\n# %%\nnet = 1\n")
    assert prose(path) == "A max imum of in flow ."
    assert says("The max-pooling of flow.", "Max-Pooling")
    assert not says("The max-pooling of flow.", "pooling")
