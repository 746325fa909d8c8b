"""Notebook 10 beyond what all notebooks are tested for: what it says is where, and what it says without records."""

import re

from runs import said

from labkit import claims, course

SOURCE = course.notebooks_folder() / "10_scoreboard.py"
TEXTS = {source.stem[:2]: source.read_text(encoding="utf-8") for source in course.sources()}


def test_every_table_and_figure_has_its_counterpart_where_the_notebook_says():
    missing = []
    for paper in claims.ledger().values():
        for entry in paper.entries:
            kind, number = entry.id.split()
            named = rf"{kind.capitalize()}s? (?:[\d.]+(?:, | and ))*{re.escape(number)}(?!\.?\d)"  # "Figures 4 and 5"
            there = f'"{entry.id}"' in TEXTS[paper.notebook] or re.search(named, TEXTS[paper.notebook])
            missing += [] if there else [(paper.name, entry.id)]
    assert missing == []


def test_on_a_real_set_it_shows_the_records_that_there_are(tmp_path):
    printed = said(course.run(SOURCE, tmp_path / "10.ipynb", {"profile": "smoke", "dataset": "ucf101", "seed": 1000}))
    assert "8 papers" in printed
    assert "not yet run" in printed
