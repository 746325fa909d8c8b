"""Notebook 10 beyond what all notebooks are tested for: what it says is where, and what it says without records."""

import re

from runs import changed, said

from labkit import claims, course

SOURCE = course.notebooks_folder() / "10_scoreboard.py"
TEXTS = {source.stem[:2]: source.read_text(encoding="utf-8") for source in course.sources()}


def test_every_table_and_figure_has_its_counterpart_where_the_notebook_says():
    missing = []
    for paper in claims.ledger().values():
        for entry in paper.entries:
            kind, number = entry.id.split()
            named = rf"{kind.capitalize()}s? (?:[\d.]+(?:, | and ))*{re.escape(number)}(?!\.?\d)"  # "Figures 4 and 5"
            there = f'"{entry.id}"' in TEXTS[paper.notebook] if entry.rows else re.search(named, TEXTS[paper.notebook])
            missing += [] if there else [(paper.name, entry.id)]
    assert missing == []


def test_every_system_of_the_comparison_is_measured():
    (table,) = claims.ledger()["comparison"].entries
    for system in {cell.partition(".")[0] for row in table.rows for cell in row.ours if cell}:
        assert f'"{system}"' in TEXTS["10"], system


def test_without_any_record_it_says_so_and_trains_nothing(tmp_path):
    (tmp_path / "records").mkdir()
    folder = repr(str(tmp_path / "records"))
    nowhere = "from importlib import import_module\nfrom pathlib import Path\n"
    nowhere += f"import_module('labkit.claims.records').results_folder = lambda: Path({folder})\ncounting = "
    short = changed(SOURCE, {"counting = ": nowhere, "rounds = 1 if": "rounds = 1 if True or"}, tmp_path)
    printed = said(course.run(short, tmp_path / "10.ipynb", {"profile": "paper", "seed": 1000}))
    assert "64 tables and figures" in printed
    assert "no records of the comparison yet" in printed
    assert list((tmp_path / "records").iterdir()) == []
