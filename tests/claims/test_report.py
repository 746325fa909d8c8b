from collections import Counter

from puppets import measured

from labkit import claims
from labkit.claims import Outcome, ledger


def test_beside_puts_ours_in_the_papers_cells():
    table = next(entry for entry in ledger()["back_dropout"].entries if entry.id == "table 2")
    rows = claims.beside(table, measured("size.full", 80, 82) + measured("size.third", 1, profile="lesson"))
    assert rows[3] == {
        "name": "NB-TL, all penalty clips",
        "paper": [2648, 88.20],
        "ours": [None, [80.0, 82.0]],
        "why": "",
        "source": "",
    }
    assert (
        claims.beside(table, measured("size.full", 80), module=2)[3]["source"] == "↻ measured with an earlier version"
    )
    assert rows[1]["why"] == "not yet run"
    assert rows[1]["ours"] == [None, None]
    others = next(entry for entry in ledger()["back_dropout"].entries if entry.id == "table 3")
    assert claims.beside(others, [])[0]["why"] == "other people's result, not rebuilt here"


def test_the_symbols_tell_every_outcome_apart():
    assert Counter(claims.SYMBOLS.values()) == Counter(set(claims.SYMBOLS.values()))
    assert set(claims.SYMBOLS) == set(Outcome)
