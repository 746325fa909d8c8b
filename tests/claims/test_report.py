from collections import Counter

from puppets import LEDGER, measured

from labkit import claims
from labkit.claims import Outcome, Selection, ledger, load


def test_beside_puts_ours_in_the_papers_cells():
    paper = ledger()["back_dropout"]
    table = next(entry for entry in paper.entries if entry.id == "table 2")
    rows = claims.beside(
        table, measured("size.full", 80, 82) + measured("size.third", 1, profile="lesson"), Selection(paper)
    )
    assert rows[3] == {
        "name": "NB-TL, all penalty clips",
        "paper": [2648, 88.20],
        "ours": [None, [80.0, 82.0]],
        "why": "",
        "source": "",
    }
    stale = claims.beside(table, measured("size.full", 80), Selection(paper, version=2))
    assert stale[3]["source"] == "↻ measured with an earlier version"
    assert rows[1]["why"] == "not yet run"
    assert rows[1]["ours"] == [None, None]
    others = next(entry for entry in paper.entries if entry.id == "table 3")
    assert claims.beside(others, [], Selection(paper))[0]["why"] == "other people's result, not rebuilt here"


def test_the_symbols_tell_every_outcome_apart():
    assert Counter(claims.SYMBOLS.values()) == Counter(set(claims.SYMBOLS.values()))
    assert set(claims.SYMBOLS) == set(Outcome)


# The puppets' second table has a column for each of two data sets; a row of it is about another network.
STAGES = [
    *measured("e", 40, 42, network="strings_tiny"),
    *measured("e", 60, dataset="fair", profile="paper", network="strings"),
    *measured("e", 70, dataset="theatre", profile="paper", network="gloves"),
    *measured("e", 80, dataset="theatre", profile="paper", network="gloves", split=2),
    *measured("e", 90, dataset="theatre", profile="paper", network="strings"),  # of two splits
    *measured("e", 99, dataset="fair", profile="paper", network="strings_tiny"),  # not the paper's network
]


def test_what_was_measured_on_a_data_set_stands_in_its_column(tmp_path):
    (tmp_path / "puppets.toml").write_text(LEDGER)
    paper = load(tmp_path)["puppets"]
    table = paper.entries[1]

    def shown(**selected):
        headings = [column.heading for column in table.our_columns(selected.get("dataset", "world"))]
        rows = claims.beside(table, STAGES, Selection(paper, **selected))
        return [{name: cell for name, cell in zip(headings, row["ours"], strict=True) if cell} for row in rows]

    assert shown() == [{"the world's stage": [40.0, 42.0]}, {}]
    for dataset in ("theatre", "fair"):  # whichever is asked for, both are shown
        assert shown(profile="paper", dataset=dataset) == [{"Fair": [60.0]}, {"Theatre": [75.0]}]
    assert shown(profile="paper") == [{"Fair": [60.0]}, {"Theatre": [75.0]}]  # nothing of the world
    assert claims.beside(table, STAGES, Selection(paper))[1]["why"] == "real stages only"


def test_a_number_of_one_data_set_never_stands_under_the_name_of_another():
    for paper in ledger().values():
        for entry in paper.entries:
            for dataset in paper.datasets if entry.datasets else ():
                for column in entry.our_columns(dataset):
                    own = entry.datasets.get(column.dataset)
                    assert column.heading == own or column.heading not in entry.datasets.values()
