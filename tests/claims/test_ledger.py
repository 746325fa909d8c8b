import json
import re

import pytest
from puppets import LEDGER

from labkit import claims
from labkit.claims import ClaimsError, Outcome, ledger, load, parse

ENTRIES = {
    "two_stream": 9,
    "frame_rnn": 7,  # with the models it names without numbers, and a table of ours
    "conv_vlad": 7,
    "long_video": 12,
    "action_flow_net": 12,  # five tables of ours
    "temporal_difference": 9,  # with two tables of ours
    "attention_transfer": 12,  # with two tables of ours
    "back_dropout": 8,
    "comparison": 2,  # the lab's own, of notebook 10
}
CLAIMS = re.findall(
    r"\S+",
    """
    ts.pretrain ts.last_layer ts.dropout ts.dropout_last ts.stack ts.mean ts.traj ts.bidir ts.temporal
    ts.slow_fusion ts.complementary ts.complementary_small ts.svm ts.multitask ts.added_classes ts.multitask_large
    ts.crops ts.filters
    rnn.avg_strong rnn.recurrent rnn.lstm_worst rnn.birnn rnn.order rnn.conv1d rnn.overfit rnn.fc6 rnn.dual
    rnn.cluster
    vlad.middle vlad.scale2 vlad.scale2_depth vlad.scale2_gap vlad.repetitive vlad.patches vlad.intra vlad.128
    vlad.multi vlad.vs_pool vlad.vs_sift
    long.convpool long.late long.tdconv long.maxpool long.googlenet long.fps long.testaug long.more_frames
    long.finetune long.expand long.gain long.gain_faster long.inference long.flow_alone long.flow_clean
    long.flow_noisy long.flow_pooling long.rgb_init long.lstm_flow long.lstm_pooling long.many_clean
    long.lstm_alexnet
    afn.flow_helps afn.multitask afn.multitask16 afn.forgetting afn.motion_features afn.stacked afn.chairs
    afn.stacked_lt_flow afn.upsampling afn.small_motion afn.appearance afn.multi_frame afn.headline afn.classes
    afn.regions afn.compact afn.as_stacked afn.future afn.future_own afn.epe_not_accuracy afn.no_overhead
    tdn.rgb tdn.motion_only tdn.second tdn.search tdn.flow_marginal tdn.features tdn.mixing tdn.levels
    tdn.complementary tdn.actions tdn.cam tdn.background
    att.shift att.unatt att.unatt_mean att.unatt_actions att.unatt_finetune att.finetune_unatt
    att.finetune_unatt_mean att.energynet att.few att.fewer att.few_unatt att.web att.noisy att.voting att.word
    att.fisher att.mining
    nb.last_two nb.ratio nb.size nb.learned nb.vs_finetune nb.vs_further nb.vs_random nb.planted nb.profile
    nb.category_bias
    """,
)


def every_claim():
    return [claim for paper in ledger().values() for claim in paper.claims]


def test_every_table_and_figure_to_re_create_has_its_entry():
    assert {name: len(paper.entries) for name, paper in ledger().items()} == ENTRIES


def test_every_claim_of_the_design_is_there():
    assert [claim.id for claim in every_claim()] == CLAIMS


def test_every_claim_has_a_margin_and_every_metric_a_meaning():
    for claim in every_claim():
        assert claim.says.endswith(".")
        assert claim.where
        assert claim.exact or claim.counts.endswith("."), claim.id
        assert claim.exact or not any(s.sign == ">" and s.margin == 0 for s in claim.statements), claim.id
        assert 1 <= len(claim.statements) <= 3
        assert not re.search(r"\d %|\d points", claim.cause), claim.id  # of records, which change
        for statement in claim.statements:
            assert re.search(r" (by|within) [\d.]+$", statement.text), claim.id
            assert statement.terms
            for metric in statement.terms:
                assert len(ledger()[claim.paper].metrics[metric]) > 3


def test_no_metric_is_listed_in_vain():
    # a metric under `metrics` is there because a claim needs it; the others stand in rows, or are ours to compare with
    unused = {
        "conv_vlad": {"norm.none", "norm.none_mean", "pool.sum", "same.sum_raw"},
        "action_flow_net": {"lambda_accuracy.0.1", "lambda_accuracy.10", "lambda_epe.0.1", "lambda_epe.10"},
        "back_dropout": {"bias.further", "planted.clean"},
    }
    for name, paper in ledger().items():
        conditions = {metric for condition in paper.conditions.values() for metric in condition.metrics}
        in_rows = {cell for entry in paper.entries for row in entry.rows for cell in row.ours}
        steps = [step for claim in paper.claims for step in (*claim.statements, *claim.also)]
        in_claims = {metric for step in steps for metric in step.terms}
        assert set(paper.metrics) - in_rows - in_claims - conditions == unused.get(name, set()), name


def test_a_metric_in_several_tables_has_one_number_of_the_paper():
    for paper in ledger().values():
        for entry in paper.entries:
            others = [*entry.datasets.values()][1:]
            for row in entry.rows:
                for column, metric, cell in zip(entry.columns, row.ours, row.paper, strict=True):
                    if metric and isinstance(cell, int | float) and column not in others and not row.network:
                        assert paper.numbers[metric] == cell, metric


def test_the_papers_numbers_bear_out_their_claims_but_for_one():
    checked, broken = 0, []
    for paper in ledger().values():
        numbers = paper.numbers
        for claim in paper.claims:
            for statement in claim.statements:
                if statement.terms.keys() <= numbers.keys():
                    checked += 1
                    difference = statement.difference(numbers)
                    if statement.judge(difference, difference, difference) is not Outcome.HOLDS:
                        broken.append((claim.id, statement.text))
    assert checked > 90
    assert broken == [("rnn.recurrent", "rnn.test > average.test by 0.25")]  # the text and its own table disagree


@pytest.mark.parametrize(
    ("paper", "metric", "number"),
    [
        ("two_stream", "temporal.l10", 81.0),
        ("two_stream", "splits.small_svm", 59.4),
        ("frame_rnn", "birnn.test", 50.5),
        ("conv_vlad", "multi.128", 83.6),
        ("long_video", "lstm.both", 73.1),
        ("action_flow_net", "epe.chairs", 9.12),
        ("temporal_difference", "tdn.rgb", 55.5),
        ("attention_transfer", "resnet.energynet_noisy", 98.7),
        ("back_dropout", "size.full", 88.20),
    ],
)
def test_numbers_by_hand(paper, metric, number):
    assert ledger()[paper].numbers[metric] == number


def test_every_row_has_ours_or_the_reason_why_not():
    rows = [row for paper in ledger().values() for entry in paper.entries for row in entry.rows]
    assert len(rows) > 150
    assert all(any(row.ours) or row.why for row in rows)
    assert all(entry.rows or entry.shows for paper in ledger().values() for entry in paper.entries)


# Reading a ledger


def test_reading_by_hand(tmp_path):
    (tmp_path / "puppets.toml").write_text(LEDGER)
    paper = load(tmp_path)["puppets"]
    assert paper.metrics == {
        "a": "% accuracy: ours too: one",
        "b": "% accuracy: ours too: two",
        "c": "%: a third way",
        "d": "%: over all evenings",
        "e": "%: strings",
    }
    assert (paper.link, paper.datasets) == ("https://example.org/puppets", ("world", "theatre", "fair"))
    assert paper.networks == {"study": "strings_tiny", "paper": "strings"}
    splits = [(paper.num_splits(metric, "world"), paper.num_splits(metric, "theatre")) for metric in "ade"]
    assert splits == [(1, 1), (3, 3), (1, 2)]
    table, stages, figure = paper.entries
    assert stages.rows[1].ours == ("", "e", "e")
    assert (stages.rows[0].network, stages.rows[1].network) == ("", "gloves")
    assert table.rows[0] == claims.Row("ours too", (1.5, None), ("a", "b"), "")
    assert table.rows[1] == claims.Row("theirs only", ("fast", 2), ("", ""), "not rebuilt")
    assert (table.id, figure.id, figure.shows) == ("table 1", "figure 1", "A stage.")
    assert paper.claims[0].statements == tuple(parse("a > b by 1"))
    assert paper.confirm is None
    assert paper.names == {"a": "the first way"}


def freeze(ledger, **changes):
    fields = {"seeds": [10, 12, 11], "study": 5, "world": 2, "statements": ""} | changes
    lines = (f"{name} = {json.dumps(value)}" for name, value in fields.items())
    return ledger.replace("[metrics]", "\n".join(["[confirm]", *lines, "[metrics]"]))


def test_a_frozen_batch_judges_the_statements_that_it_was_frozen_with(tmp_path):
    path = tmp_path / "puppets.toml"
    path.write_text(freeze(LEDGER))
    with pytest.raises(ClaimsError, match="statements must be as they were when the batch was frozen") as caught:
        load(tmp_path)
    digest = re.search("got '(.*?)'", str(caught.value))[1]
    frozen = freeze(LEDGER, statements=digest)
    path.write_text(frozen)
    assert load(tmp_path)["puppets"].confirm == claims.Confirm((10, 12, 11), study=5, world=2, statements=digest)
    harmless = ('says = "One is better."', 'says = "One is better, as it seems."\nalso = ["a > b by 2"]')
    path.write_text(frozen.replace(*harmless))
    assert load(tmp_path)["puppets"].confirm
    for old, new in (("a > b by 1", "a > b by 2"), ("p.better", "p.best"), ('by 1"]', 'by 1"]\nexact = true')):
        assert frozen.count(old) == 1
        path.write_text(frozen.replace(old, new))
        with pytest.raises(ClaimsError, match=f"frozen, '{digest}'; got '"):
            load(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "a > b by 1",
            "a > z by 1",
            "p.better: unknown metric 'z': add it to a row or to \\[metrics\\] of puppets.toml",
        ),
        ("a > b by 1", "a > b", "claim p.better: statement must end in a margin; got 'a > b': add 'by N' after >"),
        ("a > b by 1", "a > b within 1", "a margin of > must follow the word 'by'"),
        ("a > b by 1", "a and b by 1", "must compare with one of >, >=, ~"),
        ("a > b by 1", "a > b ~ c by 1", "must compare with one of"),
        ("a > b by 1", "a-b > c by 1", "a side must be a sum of metrics and numbers, spaces around"),
        ('["a > b by 1"]', "[]", "must list at least one statement"),
        ('holds_if = ["a > b by 1"]', "", "claim p.better: 'holds_if' is missing"),
        ('["a > b by 1"]', '"a > b by 1"', "'holds_if' must be a list; got 'a > b by 1'"),
        ('id = "p.better"', 'id = "p.better"\nmargin = 3', "unknown field 'margin'; known are id, says"),
        ('notebook = "02"', "notebook = 2", "puppets: 'notebook' must be a str; got 2"),
        ('why = "not rebuilt"', "", "table 1, row 2: must say which metrics stand beside it .* got neither"),
        ('paper = ["fast", 2]', "paper = [2]", "row 2: paper must have one cell for each of"),
        (', paper = ["fast", 2]', "", "puppets, table 1, row 2: 'paper' is missing; only tables of the lab's own"),
        ('c = "%: a third way"', 'a = "%: again"', "a stands in a table and under metrics"),
        ('c = "%: a third way"', 'C = "%: a third way"', "a metric is lower case"),
        ('"the first way"', '"a way"\nz = "none"', "puppets: names must be of its metrics; got 'z'"),
        ("[metrics]", 'marionettes = "none"\n[metrics]', "puppets: unknown field 'marionettes'; known are notebook"),
        ("[[figure]]", "[[figure", "puppets.toml must be TOML; .*line"),
        (
            "splits = 3",
            "splits = 4",
            "puppets, d: splits must be 1 to 3, of one of world, theatre, fair; got world = 4",
        ),
        ("splits = 3", 'splits = "3"', "puppets, d: 'splits' must be a dict or int; got '3'"),
        ("{ theatre = 2 }", "{ circus = 2 }", "table 2: splits must be .* got circus = 2"),
        ('{ world = "', '{ circus = "', "table 2: a data set must be one of world, theatre, fair; got 'circus'"),
        ('fair = "Fair"', 'fair = "Pier"', "table 2: a data set must have one of the columns .* got 'Pier'"),
        ('"the world\'s stage"', '["seats", "a", "b"]', "headings of world must be one where columns are data sets"),
        ('"-"], ours = "e"', '"-"], ours = ["", "e", "f"]', "ours must be the same metric for all data sets"),
        *(
            ("[metrics]", freeze("[metrics]", seeds=seeds), message)
            for seeds, message in (
                ([2, 10, 11], "puppets, confirm: seeds must be from 10 to 999, others were looked at; got 2"),
                ([10, 11, 1000], "got 1000"),
                ([10, 11], "seeds must be 3 or more, each once"),
                ([10, 10, 11], "seeds must be 3 or more, each once"),
            )
        ),
    ],
)
def test_a_faulty_ledger_is_named(tmp_path, old, new, message):
    assert LEDGER.count(old) == 1
    (tmp_path / "puppets.toml").write_text(LEDGER.replace(old, new))
    with pytest.raises(ClaimsError, match=message):
        load(tmp_path)


def test_a_table_of_the_labs_own_claims_nothing_and_has_no_cells_of_a_paper(tmp_path):
    text = LEDGER[: LEDGER.index("[[claim]]")].replace(', paper = [1.5, "-"], ours = ["a"', ', ours = ["a"')
    text = text.replace("[metrics]", "claim = []\n\n[metrics]")
    (tmp_path / "puppets.toml").write_text(text)
    paper = load(tmp_path)["puppets"]
    assert paper.claims == ()
    assert paper.entries[0].rows[0] == claims.Row("ours too", (None, None), ("a", "b"), "")


def test_every_system_of_the_comparison_is_measured_alike():
    cells = [row.ours for table in ledger()["comparison"].entries for row in table.rows if any(row.ours)]
    measures = ["accuracy", "appearance", "motion", "reversed", "parameters", "gflop", "training"]
    assert [[cell.partition(".")[2] for cell in row] for row in cells] == [measures] * 21
    assert all(len({cell.partition(".")[0] for cell in row}) == 1 for row in cells)


def test_an_id_used_twice_is_named(tmp_path):
    claim = LEDGER[LEDGER.index("[[claim]]") :]
    (tmp_path / "puppets.toml").write_text(LEDGER + claim)
    with pytest.raises(ClaimsError, match=r"the id 'p\.better' is used twice"):
        load(tmp_path)


def test_a_metric_is_a_mean_over_as_many_splits_in_every_table(tmp_path):
    (tmp_path / "puppets.toml").write_text(LEDGER.replace('ours = ["a", "b"]', 'ours = ["a", "e"]'))
    with pytest.raises(ClaimsError, match="puppets: e stands in two tables that differ in splits"):
        load(tmp_path)


def test_papers_are_in_the_order_of_their_notebooks():
    assert [paper.notebook for paper in ledger().values()] == [f"{number:02}" for number in range(2, 11)]


def test_links_lead_to_the_paper():
    links = [paper.link for paper in ledger().values() if paper.link]
    assert len(set(links)) == len(links) >= 6
    assert all(re.fullmatch(r"https://(arxiv\.org/abs/\d{4}\.\d{4,5}|doi\.org/10\.\S+)", link) for link in links)
