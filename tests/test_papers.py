"""The papers' page has its facts: complete, in agreement with the ledger, in our own plain words."""

import re
import tomllib
from pathlib import Path

import pytest
from test_language import replaced

from labkit.claims import ledger

FILE = Path(__file__).parents[1] / "docs" / "papers.toml"
PAPERS = tomllib.loads(FILE.read_text(encoding="utf-8"))
LEDGER = {name: paper for name, paper in ledger().items() if name != "comparison"}  # the lab's own, of notebook 10
FIELDS = {"authors", "year", "title", "venue", "links", "asked", "idea", "taught", "read", "departures", "bibtex"}
SENTENCES = {"asked": (1, 1), "idea": (2, 3), "taught": (2, 3), "read": (1, 2)}
BIBTEX = {
    "inproceedings": {"booktitle"},
    "article": {"journal"},
    "phdthesis": {"school"},
    "techreport": {"institution"},
}
each_paper = pytest.mark.parametrize("name", PAPERS)


def sentences(text: str) -> list[str]:
    """Those of a text; a question in quotation marks, or the point of an abbreviation, ends none."""
    return re.split(r'(?<=[.?!])\s+(?=[A-Z0-9"])', " ".join(re.sub(r"et al\.", "et al", text).split()))


def test_every_paper_of_the_ledger_is_there_and_the_thesis():
    assert list(PAPERS) == [*LEDGER, "thesis"]
    assert {name: PAPERS[name]["notebook"] for name in LEDGER} == {
        name: paper.notebook for name, paper in LEDGER.items()
    }


@each_paper
def test_no_field_is_missing_or_unknown(name):
    number = set() if name == "thesis" else {"notebook"}
    assert FIELDS | number <= set(PAPERS[name]) <= FIELDS | number | {"pages"}
    assert all(PAPERS[name][field] for field in FIELDS - {"links"})


@each_paper
def test_texts_are_as_long_as_they_should_be(name):
    paper = PAPERS[name]
    for field, (least, most) in SENTENCES.items():
        assert least <= len(sentences(paper[field])) <= most, field
    assert paper["asked"].strip().endswith("?")
    assert 2 <= len(paper["departures"]) <= 4
    assert all(text.strip().endswith(".") for text in [*paper["departures"], paper["idea"], paper["taught"]])


@each_paper
def test_words_are_those_of_the_lab(name):
    paper = PAPERS[name]
    texts = [paper[field] for field in SENTENCES] + paper["departures"]
    assert [finding for text in texts for finding in replaced(text)] == []


@each_paper
def test_links_are_named_and_safe_and_have_that_of_the_ledger(name):
    links = PAPERS[name]["links"]
    assert [link for link in links if set(link) != {"name", "url"} or not link["url"].startswith("https://")] == []
    assert len({link["url"] for link in links}) == len(links)
    if name in LEDGER and LEDGER[name].link:
        assert LEDGER[name].link in [link["url"] for link in links]


@each_paper
def test_the_entry_for_bibtex_agrees(name):
    paper, entry = PAPERS[name], PAPERS[name]["bibtex"]
    assert {"type", "key", "author", "title", "year"} | BIBTEX[entry["type"]] <= set(entry)
    assert all(isinstance(value, str) for value in entry.values())
    names = [" ".join(reversed(author.split(", "))) for author in entry["author"].split(" and ")]
    assert names == paper["authors"]
    assert entry["title"] == paper["title"]
    assert entry["year"] == str(paper["year"])
    assert re.fullmatch(rf"[a-z]+{paper['year']}[a-z]+", entry["key"])
    assert entry.get("pages", "").replace("--", "–") == paper.get("pages", "")
    if "doi" in entry:
        assert f"https://doi.org/{entry['doi']}" in [link["url"] for link in paper["links"]]


def test_keys_for_bibtex_are_unique():
    keys = [paper["bibtex"]["key"] for paper in PAPERS.values()]
    assert len(set(keys)) == len(keys)


def test_sentences_are_counted():
    assert len(sentences("One, by Doe et al. (2014). Two asks\nwhich? Three has 3.5 %.")) == 3
    assert len(sentences('The question is "which one?" and not "what kind?", says one.')) == 1
