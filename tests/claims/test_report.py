from collections import Counter
from dataclasses import replace

from puppets import LEDGER, measured, one_claim, verdict

from labkit import claims
from labkit.claims import Outcome, Selection, ledger, load


def test_beside_puts_ours_in_the_papers_cells():
    paper = replace(ledger()["back_dropout"], confirm=None)
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
    mixed = measured("size.full", 80) + measured("size.full", 82, seeds=[1], version=2)  # one of the two is out of date
    for stale in (mixed[:1], mixed):
        shown = claims.beside(table, stale, Selection(paper, version=2))
        assert shown[3]["source"] == "↻ measured with an earlier version"
    assert rows[1]["why"] == "not yet run"
    assert rows[1]["ours"] == [None, None]
    others = next(entry for entry in paper.entries if entry.id == "table 3")
    assert claims.beside(others, [], Selection(paper))[0]["why"] == "other people's result, not rebuilt here"


def test_until_the_frozen_seeds_are_measured_a_table_shows_others_and_says_so():
    paper = ledger()["back_dropout"]
    table = next(entry for entry in paper.entries if entry.id == "table 2")
    explored = measured("size.full", 80, 82, seeds=[0, 1], version=1)
    row = claims.beside(table, explored, Selection(paper, version=2))[3]
    assert (row["ours"], row["source"]) == ([None, [80.0, 82.0]], "↻ other seeds, measured before")
    now = {"version": paper.confirm.study, "world": paper.confirm.world}
    selection = Selection(paper, version=paper.confirm.study)
    frozen = measured("size.full", *range(70, 75), seeds=paper.confirm.seeds, **now)
    row = claims.beside(table, explored + frozen[:4], selection)[3]
    assert (row["ours"], row["source"]) == ([None, [80.0, 82.0]], "↻ other seeds, measured before")
    row = claims.beside(table, frozen[:4], selection)[3]
    assert (row["ours"], row["why"], row["source"]) == ([None, None], "so far 4 of 5 seeds", "")
    row = claims.beside(table, explored + frozen, selection)[3]
    assert (row["ours"], row["source"]) == ([None, [70.0, 71.0, 72.0, 73.0, 74.0]], "")


def test_a_row_that_shows_other_seeds_is_silent_about_cells_whose_batch_has_begun():
    paper = ledger()["temporal_difference"]
    table = next(entry for entry in paper.entries if entry.id == "table 5.1")
    now = {"version": paper.confirm.study, "world": paper.confirm.world, "precision": paper.confirm.precision}
    begun = measured("tsn.flow", 60, seeds=paper.confirm.seeds[:1], **now)
    explored = measured("tsn.rgb", 70, seeds=[0], version=1)
    for lines, source, why in (
        (explored + begun, "↻ other seeds, measured before", ""),
        (begun, "", f"so far 1 of {len(paper.confirm.seeds)} seeds"),
    ):
        rows = claims.beside(table, lines, Selection(paper, version=paper.confirm.study))
        row = next(row for row, about in zip(rows, table.rows, strict=True) if about.ours[0] == "tsn.rgb")
        assert (row["source"], row["why"]) == (source, why)


def test_what_a_partly_measured_claim_lacks_is_said_and_what_nobody_measured_is_not():
    def shown(measured, *statements):
        claim = replace(one_claim(*statements), paper="back_dropout")
        return claims.report([verdict(claim, measured)])

    three = measured("a", 9, 9, 9)
    assert "\n      · so far, 2 of 3 seeds\n" in shown(three + measured("b", 1, 1), "a > b by 1")
    half = shown(three + measured("b", 1, 1, 1), "a > b by 1", "a > c by 1")
    assert "\n      ✓ a > b by 1: " in half
    assert "\n      · no record of c\n" in half
    assert "no record" not in shown([], "a > b by 1")


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


def test_how_many_verdicts_are_wrong_by_bad_luck_counts_the_decided_and_no_facts():
    lines = measured("a", 9, 9, 9) + measured("b", 1, 1, 1)
    held, against = (verdict(one_claim(text), lines) for text in ("a > b by 1", "b > a by 1"))
    fact = verdict(one_claim("a > b by 1", exact=True), lines)
    late = verdict(one_claim("a > c by 1"), lines)
    said = "2 were judged, each at a risk of 5% to be decided wrongly, and 2 of them are decided: expect at most 0.1"
    assert claims.expected_wrong([held, against, fact, late]).startswith(said)
    assert claims.expected_wrong([fact, late]) == ""
