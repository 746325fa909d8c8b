import json
import math
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from types import SimpleNamespace

import pytest
from scipy import stats

from labkit import claims, cli, course
from labkit.claims import ClaimsError, Outcome, Record, interval, ledger, load, parse, record, records, verdict

ENTRIES = {
    "two_stream": 9,
    "frame_rnn": 5,  # with the models it names without numbers
    "conv_vlad": 6,
    "long_video": 10,
    "action_flow_net": 7,
    "temporal_difference": 7,
    "attention_transfer": 9,
    "back_dropout": 7,
    "comparison": 1,  # the lab's own, of notebook 10
}
CLAIMS = re.findall(
    r"\S+",
    """
    ts.pretrain ts.last_layer ts.dropout ts.stack ts.mean ts.traj ts.bidir ts.temporal ts.slow_fusion ts.complementary
    ts.svm ts.multitask ts.crops ts.filters
    rnn.avg_strong rnn.recurrent rnn.lstm_worst rnn.birnn rnn.order rnn.conv1d rnn.overfit rnn.fc6 rnn.cluster
    vlad.middle vlad.scale2 vlad.repetitive vlad.intra vlad.128 vlad.multi vlad.vs_pool vlad.vs_sift
    long.convpool long.late long.tdconv long.maxpool long.googlenet long.fps long.testaug long.more_frames long.finetune
    long.expand long.gain long.inference long.flow_alone long.flow_clean long.flow_noisy long.rgb_init
    afn.flow_helps afn.multitask afn.chairs afn.stacked_lt_flow afn.upsampling afn.small_motion afn.appearance
    afn.multi_frame afn.compact afn.future afn.epe_not_accuracy afn.no_overhead
    tdn.rgb tdn.flow_marginal tdn.features tdn.mixing tdn.levels tdn.complementary tdn.actions tdn.cam
    att.shift att.unatt att.unatt_finetune att.finetune_unatt att.energynet att.few att.web att.noisy att.voting
    att.word att.mining
    nb.last_two nb.ratio nb.size nb.vs_finetune nb.vs_random nb.profile nb.category_bias
    """,
)

LEDGER = """
[puppets]
notebook = "02"
title = "Punch & Judy"

[puppets.metrics]
c = "%: a third way"

[[puppets.table]]
id = "1"
title = "Two ways"
where = "section 1"
unit = "% accuracy"
columns = ["one", "two"]
why = "not rebuilt"
rows = [
  { name = "ours too", paper = [1.5, "-"], ours = ["a", "b"] },
  { name = "theirs only", paper = ["fast", 2] },
]

[[puppets.figure]]
id = "1"
title = "A stage"
where = "section 2"
shows = "A stage."

[[puppets.claim]]
id = "p.better"
says = "One is better."
where = "section 1"
holds_if = ["a > b by 1"]
"""


def every_claim():
    return [claim for paper in ledger().values() for claim in paper.claims]


def one_claim(*statements, cause=""):
    steps = tuple(step for text in statements for step in parse(text))
    return claims.Claim("p.better", "puppets", "One is better.", "section 1", steps, cause=cause)


def measured(metric, *values, seeds=None, dataset="world", profile="study", world=1, module=1):
    seeds = range(len(values)) if seeds is None else seeds
    return [
        Record(dataset, profile, metric, seed, float(value), world, module, "0.1.0")
        for seed, value in zip(seeds, values, strict=True)
    ]


# The ledger itself


def test_every_table_and_figure_to_re_create_has_its_entry():
    assert {name: len(paper.entries) for name, paper in ledger().items()} == ENTRIES
    assert sum(ENTRIES.values()) == 60 + 1


def test_every_claim_of_the_design_is_there():
    assert [claim.id for claim in every_claim()] == CLAIMS
    assert len(CLAIMS) == 85


def test_every_claim_has_a_margin_and_every_metric_a_meaning():
    for claim in every_claim():
        assert claim.says.endswith(".")
        assert claim.where
        for statement in claim.statements:
            assert re.search(r" (by|within) [\d.]+$", statement.text), claim.id
            assert statement.terms
            for metric in statement.terms:
                assert len(ledger()[claim.paper].metrics[metric]) > 3


def test_no_metric_is_listed_in_vain():
    # a metric under `metrics` is there because a claim needs it; the others stand in rows, or are ours to compare with
    unused = {
        "conv_vlad": {"norm.none", "pool.sum"},
        "action_flow_net": {"scratch16.large", "lambda_accuracy.0.1", "lambda_accuracy.10", "lambda_epe.0.1"}
        | {"lambda_epe.1", "lambda_epe.10"},
        "back_dropout": {"control.contribution", "profile.recall_further", "profile.precision_further", "bias.further"},
    }
    for name, paper in ledger().items():
        in_rows = {cell for entry in paper.entries for row in entry.rows for cell in row.ours}
        in_claims = {metric for claim in paper.claims for step in claim.statements for metric in step.terms}
        assert set(paper.metrics) - in_rows - in_claims == unused.get(name, set()), name


def paper_numbers(paper):
    """The paper's own number for each metric; the same metric may stand in several tables, with the same number."""
    numbers = {}
    for entry in paper.entries:
        for row in entry.rows:
            for metric, cell in zip(row.ours, row.paper, strict=True):
                if metric and isinstance(cell, int | float):
                    assert numbers.setdefault(metric, cell) == cell, metric
    return numbers


def test_the_papers_numbers_bear_out_their_claims_but_for_one():
    checked, broken = 0, []
    for paper in ledger().values():
        numbers = paper_numbers(paper)
        for claim in paper.claims:
            for statement in claim.statements:
                if statement.terms.keys() <= numbers.keys():
                    checked += 1
                    difference = statement.difference(numbers)
                    if statement.judge(difference, difference) is not Outcome.HOLDS:
                        broken.append((claim.id, statement.text))
    assert checked > 90
    assert broken == [("rnn.recurrent", "rnn.test > average.test by 0")]  # the text and its own table disagree


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
    assert paper_numbers(ledger()[paper])[metric] == number


def test_every_row_has_ours_or_the_reason_why_not():
    rows = [row for paper in ledger().values() for entry in paper.entries for row in entry.rows]
    assert len(rows) > 150
    assert all(any(row.ours) or row.why for row in rows)
    assert all(entry.rows or entry.shows for paper in ledger().values() for entry in paper.entries)


# Reading a ledger


def test_reading_by_hand(tmp_path):
    (tmp_path / "claims.toml").write_text(LEDGER)
    paper = load(tmp_path / "claims.toml")["puppets"]
    assert paper.metrics == {
        "a": "% accuracy: ours too: one",
        "b": "% accuracy: ours too: two",
        "c": "%: a third way",
    }
    table, figure = paper.entries
    assert table.rows[0] == claims.Row("ours too", (1.5, None), ("a", "b"), "")
    assert table.rows[1] == claims.Row("theirs only", ("fast", 2), ("", ""), "not rebuilt")
    assert (table.id, figure.id, figure.shows) == ("table 1", "figure 1", "A stage.")
    assert paper.claims[0].statements == tuple(parse("a > b by 1"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("a > b by 1", "a > d by 1", "p.better: unknown metric 'd': add it to a row or to puppets.metrics"),
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
        (', paper = ["fast", 2]', "", "puppets, row 'theirs only': 'paper' is missing; only tables of the lab's own"),
        ('c = "%: a third way"', 'a = "%: again"', "a stands in a table and under metrics"),
        ('c = "%: a third way"', 'C = "%: a third way"', "a metric is lower case"),
        ("[puppets]", 'marionettes = "none"\n[puppets]', "marionettes must be a table of fields; got 'none'"),
        ("[[puppets.figure]]", "[[puppets.figure", "claims.toml must be TOML; .*line 21"),
    ],
)
def test_a_faulty_ledger_is_named(tmp_path, old, new, message):
    assert LEDGER.count(old) == 1
    (tmp_path / "claims.toml").write_text(LEDGER.replace(old, new))
    with pytest.raises(ClaimsError, match=message):
        load(tmp_path / "claims.toml")


def test_a_table_of_the_labs_own_claims_nothing_and_has_no_cells_of_a_paper(tmp_path):
    text = LEDGER[: LEDGER.index("[[puppets.claim]]")].replace(', paper = [1.5, "-"]', "")
    text = text.replace("[puppets.metrics]", "claim = []\n\n[puppets.metrics]")
    (tmp_path / "claims.toml").write_text(text)
    paper = load(tmp_path / "claims.toml")["puppets"]
    assert paper.claims == ()
    assert paper.entries[0].rows[0] == claims.Row("ours too", (None, None), ("a", "b"), "")


def test_every_system_of_the_comparison_is_measured_alike():
    (table,) = ledger()["comparison"].entries
    cells = [row.ours for row in table.rows if any(row.ours)]
    what = ["accuracy", "appearance", "motion", "order", "parameters", "training", "test", "ratio"]
    assert [[cell.partition(".")[2] for cell in row] for row in cells] == [what] * 17
    assert all(len({cell.partition(".")[0] for cell in row}) == 1 for row in cells)


def test_an_id_used_twice_is_named(tmp_path):
    claim = LEDGER[LEDGER.index("[[puppets.claim]]") :]
    (tmp_path / "claims.toml").write_text(LEDGER + claim)
    with pytest.raises(ClaimsError, match=r"the id 'p\.better' is used twice"):
        load(tmp_path / "claims.toml")


def test_a_sum_by_hand():
    (statement,) = parse("2*a - b + 3 >= c + 0.5 within 1.5")
    assert statement.terms == {"a": 2.0, "b": -1.0, "c": -1.0}
    assert statement.difference({"a": 10.0, "b": 4.0, "c": 1.0}) == 20 - 4 + 3 - 1 - 0.5
    assert (statement.low, statement.high) == (-1.5, math.inf)


def test_a_chain_is_its_steps():
    first, second = parse("a > b - c > 4 by 0.5")
    assert (first.text, first.terms, first.constant) == ("a > b - c by 0.5", {"a": 1, "b": -1, "c": 1}, 0)
    assert (second.text, second.terms, second.constant) == ("b - c > 4 by 0.5", {"b": 1, "c": -1}, -4)


# Judging


def test_the_interval_by_hand():
    # mean 2, standard deviation 1, t(2 degrees, 95 %) = 2.920 from any table: half width 2.920 / sqrt(3) = 1.686
    assert interval([1.0, 2.0, 3.0]) == pytest.approx((2.0, 0.314, 3.686), abs=1e-3)
    # t(4 degrees, 97.5 %) = 2.776: half width 2.776 * sqrt(2.5) / sqrt(5) = 1.963
    assert interval([1.0, 2.0, 3.0, 4.0, 5.0], level=0.95) == pytest.approx((3.0, 1.037, 4.963), abs=1e-3)
    with pytest.raises(ValueError, match="at least 2; got 1"):
        interval([1.0])


def test_the_interval_agrees_with_scipys_paired_t_test():
    ours, theirs = [71.0, 74.5, 70.2, 73.3], [69.1, 73.9, 69.0, 70.4]
    expected = stats.ttest_rel(ours, theirs).confidence_interval(0.90)
    _, low, high = interval([a - b for a, b in zip(ours, theirs, strict=True)])
    assert (low, high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize(
    ("statement", "differences", "outcome"),
    [  # a mean of m over differences m-1, m, m+1 has the interval m -+ 1.686
        ("a > b by 1", (1.7, 2.7, 3.7), Outcome.HOLDS),  # 1.014 .. 4.386
        ("a > b by 1", (1.6, 2.6, 3.6), Outcome.UNCLEAR),  # 0.914 ..
        ("a > b by 1", (-1.6, -0.6, 0.4), Outcome.UNCLEAR),  # .. 1.086
        ("a > b by 1", (-1.7, -0.7, 0.3), Outcome.FAILS),  # .. 0.986
        ("a >= b within 1", (-0.3, 0.7, 1.7), Outcome.HOLDS),  # -0.986 ..
        ("a >= b within 1", (-0.4, 0.6, 1.6), Outcome.UNCLEAR),  # -1.086 ..
        ("a >= b within 1", (-3.7, -2.7, -1.7), Outcome.FAILS),  # .. -1.014
        ("a ~ b within 2", (-0.7, 0.3, 1.3), Outcome.HOLDS),  # -1.386 .. 1.986
        ("a ~ b within 2", (-0.6, 0.4, 1.4), Outcome.UNCLEAR),  # .. 2.086
        ("a ~ b within 2", (2.7, 3.7, 4.7), Outcome.FAILS),  # 2.014 ..
        ("a ~ b within 2", (-4.7, -3.7, -2.7), Outcome.FAILS),  # .. -2.014
        ("a > b by 1", (1, 1, 1), Outcome.FAILS),  # no spread: equal is not above
        ("a >= b within 1", (-1, -1, -1), Outcome.HOLDS),
        ("a ~ b within 0", (0, 0, 0), Outcome.HOLDS),
    ],
)
def test_verdicts_by_hand(statement, differences, outcome):
    base = (50.0, 60.0, 40.0)  # what a seed makes easy or hard for both sides drops out
    ours = measured("a", *(one + two for one, two in zip(base, differences, strict=True)))
    found = verdict(one_claim(statement), ours + measured("b", *base))
    assert found.outcome is outcome
    assert found.checks[0].mean == pytest.approx(sum(differences) / 3)
    assert f"{statement}: " in found.reason


def test_all_statements_must_hold_and_one_can_fail_the_claim():
    lines = measured("a", 9, 9, 9) + measured("b", 5, 5, 5) + measured("c", 1, 9, 20)
    assert verdict(one_claim("a > b by 1"), lines).outcome is Outcome.HOLDS
    assert verdict(one_claim("a > b by 1", "a > c by 1"), lines).outcome is Outcome.UNCLEAR
    assert verdict(one_claim("a > b by 1", "a > c by 1", "b > a by 1"), lines).outcome is Outcome.FAILS
    assert verdict(one_claim("a > b by 1", "a > d by 1"), lines).outcome is Outcome.NOT_RUN


def test_too_few_seeds_and_unpaired_seeds_are_not_judged():
    few = verdict(one_claim("a > b by 1"), measured("a", 9, 9) + measured("b", 1, 1))
    assert (few.outcome, few.reason) == (Outcome.NOT_RUN, "2 of 3 seeds have every metric of it")
    apart = measured("a", 9, 9, 9) + measured("b", 1, 1, 1, seeds=[2, 3, 4])
    assert verdict(one_claim("a > b by 1"), apart).reason == "1 of 3 seeds have every metric of it"
    assert verdict(one_claim("a > b by 1"), measured("a", 9, 9, 9)).reason == "no record of b"
    assert verdict(one_claim("a > b by 1"), []).reason == "no record of a, b"


@pytest.mark.parametrize("other", [{"profile": "lesson"}, {"dataset": "ucf101"}, {"seeds": [1000, 1001, 1002]}])
def test_other_profiles_data_and_development_seeds_do_not_count(other):
    lines = measured("a", 9, 9, 9, **other) + measured("b", 1, 1, 1, **other)
    assert verdict(one_claim("a > b by 1"), lines).outcome is Outcome.NOT_RUN
    if "dataset" in other:
        assert verdict(one_claim("a > b by 1"), lines, dataset="ucf101").outcome is Outcome.HOLDS


def test_trials_on_part_of_a_set_are_neither_judged_nor_shown():
    trials = [replace(line, test=12, test_listed=3783) for line in measured("size.full", 9, 9, 9)]
    whole = measured("size.third", 1, 1, 1)
    assert verdict(one_claim("size.full > size.third by 1"), trials + whole).reason == "no record of size.full"
    all_clips = [replace(line, test=3783) for line in trials]
    assert verdict(one_claim("size.full > size.third by 1"), all_clips + whole).outcome is Outcome.HOLDS
    table = next(entry for entry in ledger()["back_dropout"].entries if entry.id == "table 2")
    shown = {row["name"]: row["ours"][1] for row in claims.beside(table, trials + whole)}
    assert shown["NB-TL, all penalty clips"] is None
    assert shown["NB-TL, 1/3 of the penalty clips"] == [1.0, 1.0, 1.0]


def test_a_profile_that_means_nothing_cannot_be_asked_for():
    with pytest.raises(ClaimsError, match="profile must be one of study, paper; got 'lesson'"):
        verdict(one_claim("a > b by 1"), [], profile="lesson")


def test_records_of_an_older_version_are_stale():
    claim, lines = one_claim("a > b by 1"), measured("a", 9, 9, 9) + measured("b", 1, 1, 1)
    assert verdict(claim, lines, world=1, module=1).outcome is Outcome.HOLDS
    assert verdict(claim, lines, world=2, module=1).outcome is Outcome.STALE
    stale = verdict(claim, lines, world=1, module=2)
    assert (stale.outcome, stale.lacks_cause) == (Outcome.STALE, False)
    assert "earlier version" in stale.reason
    fresh = measured("a", 0, 0, 0, seeds=[3, 4, 5], module=2) + measured("b", 1, 1, 1, seeds=[3, 4, 5], module=2)
    assert verdict(claim, lines + fresh, world=1, module=2).outcome is Outcome.FAILS  # the old ones no longer count
    real = measured("a", 9, 9, 9, dataset="ucf101", world=0) + measured("b", 1, 1, 1, dataset="ucf101", world=0)
    assert verdict(claim, real, dataset="ucf101", world=2, module=1).outcome is Outcome.HOLDS  # no world in it


def test_a_failed_claim_wants_a_cause():
    lines = measured("a", 1, 1, 1) + measured("b", 9, 9, 9)
    assert verdict(one_claim("a > b by 1"), lines).lacks_cause
    assert not verdict(one_claim("a > b by 1", cause="the world is too small"), lines).lacks_cause
    assert not verdict(one_claim("b > a by 1"), lines).lacks_cause
    real = measured("a", 1, 1, 1, dataset="ucf101") + measured("b", 9, 9, 9, dataset="ucf101")
    elsewhere = verdict(one_claim("a > b by 1", cause="the world is too small"), real, dataset="ucf101")
    assert elsewhere.outcome is Outcome.FAILS
    assert "cause" not in elsewhere.plain()  # what is written is about the world
    assert not elsewhere.lacks_cause


# Writing and reading records


def note(folder, values, seed=0, profile="study", module=1, **clips):
    return record("back_dropout", values, seed=seed, profile=profile, module=module, world=1, folder=folder, **clips)


def test_records_come_back_sorted_one_line_each(tmp_path):
    note(tmp_path, {"fine_tuned": 66.47, "control.random": 1 / 3}, seed=1)
    note(tmp_path, {"fine_tuned": 66.0}, seed=0)
    text = (tmp_path / "back_dropout.jsonl").read_text()
    assert text.splitlines()[0] == (
        '{"dataset": "world", "profile": "study", "metric": "control.random", "seed": 1, "value": 0.333333, '
        '"world": 1, "module": 1, "labkit": "0.1.0"}'
    )
    found = records("back_dropout", tmp_path)
    assert [(line.metric, line.seed, line.value) for line in found] == [
        ("control.random", 1, 0.333333),
        ("fine_tuned", 0, 66.0),
        ("fine_tuned", 1, 66.47),
    ]
    note(tmp_path, {"fine_tuned": 66.0}, seed=0)
    assert (tmp_path / "back_dropout.jsonl").read_text() == text  # run twice: not a byte changes
    assert [path.name for path in tmp_path.iterdir()] == ["back_dropout.jsonl"]


def test_a_re_run_replaces_its_line_only(tmp_path):
    note(tmp_path, {"fine_tuned": 1.0}, seed=0)
    note(tmp_path, {"fine_tuned": 2.0}, seed=1)
    note(tmp_path, {"fine_tuned": 3.0}, seed=0, module=2)
    assert [(line.seed, line.value, line.module) for line in records("back_dropout", tmp_path)] == [
        (0, 3, 2),
        (1, 2, 1),
    ]


def test_a_trial_on_part_of_a_set_never_replaces_the_result_of_all_of_it(tmp_path):
    whole = {"train": (9537, 9537), "test": (3783, 3783)}
    note(tmp_path, {"fine_tuned": 66.0}, **whole)
    note(tmp_path, {"fine_tuned": 100.0}, train=(9537, 9537), test=(12, 3783))
    note(tmp_path, {"fine_tuned": 90.0}, train=(2, 9537), test=(3783, 3783))  # replaces the other trial
    found = {line.partial: line for line in records("back_dropout", tmp_path)}
    assert {partial: line.value for partial, line in found.items()} == {False: 66.0, True: 90.0}
    assert (found[True].train, found[True].train_listed, found[True].test, found[True].test_listed) == (
        *(2, 9537),
        *(3783, 3783),
    )
    note(tmp_path, {"fine_tuned": 67.0}, **whole)
    assert [line.value for line in records("back_dropout", tmp_path) if not line.partial] == [67.0]


def test_lessons_and_smoke_runs_change_no_file(tmp_path):
    for profile in ("lesson", "smoke"):
        assert note(tmp_path, {"fine_tuned": 1.0}, profile=profile)[0].value == 1.0
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_recorded_is_named(tmp_path):
    with pytest.raises(ClaimsError, match=r"unknown metric 'fine_tune': add it to back_dropout in claims\.toml"):
        note(tmp_path, {"fine_tune": 1.0})
    with pytest.raises(ClaimsError, match="fine_tuned must be finite; got nan"):
        note(tmp_path, {"fine_tuned": math.nan})
    with pytest.raises(ClaimsError, match="profile must be one of smoke, lesson, study, paper; got 'studie'"):
        note(tmp_path, {"fine_tuned": 1.0}, profile="studie")
    with pytest.raises(ClaimsError, match=r"paper must be one of two_stream, .*; got 'nb'"):
        record("nb", {}, seed=0, profile="study", module=1, world=1, folder=tmp_path)
    assert records("back_dropout", tmp_path) == []


WHOLE = (
    b'{"dataset": "world", "profile": "study", "metric": "a", "seed": 0, "value": 1.5, '
    b'"world": 1, "module": 1, "labkit": ""}'
)


def test_a_whole_line_is_read(tmp_path):
    (tmp_path / "back_dropout.jsonl").write_bytes(WHOLE + b"\n")
    assert records("back_dropout", tmp_path) == [Record("world", "study", "a", 0, 1.5, 1, 1, "")]


@pytest.mark.parametrize(
    "damage",
    [
        b'{"dataset": "wor',
        b"\xff\xfe",
        b"[1, 2]",
        b"",
        b'{"metric": "fine_tuned"}',
        WHOLE.replace(b'"seed": 0', b'"seed": 0.5'),
        WHOLE.replace(b'"value": 1.5', b'"value": NaN'),
        WHOLE.replace(b'"value": 1.5', b'"value": true'),
        WHOLE.replace(b'"profile"', b'"profil"'),
    ],
)
def test_a_damaged_line_is_named_and_nothing_is_lost(tmp_path, damage):
    note(tmp_path, {"fine_tuned": 1.0})
    path = tmp_path / "back_dropout.jsonl"
    broken = path.read_bytes() + damage + b"\n"
    path.write_bytes(broken)
    for touch in (lambda: records("back_dropout", tmp_path), lambda: note(tmp_path, {"fine_tuned": 2.0})):
        with pytest.raises(ClaimsError, match=r"back_dropout\.jsonl, line 2: must be a record .* delete the line"):
            touch()
    assert path.read_bytes() == broken


WRITER = """
import sys
from pathlib import Path
from labkit.claims import record
for seed in range(int(sys.argv[2]), int(sys.argv[2]) + 20):
    record("back_dropout", {"fine_tuned": seed, "size.full": -seed}, seed=seed, profile="study", module=1, world=1,
           folder=Path(sys.argv[1]))
"""


def test_several_writers_lose_nothing(tmp_path):
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, tmp_path, str(start)]) for start in (0, 20, 40)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    found = {(line.metric, line.seed): line.value for line in records("back_dropout", tmp_path)}
    expected = {("fine_tuned", seed): seed for seed in range(60)} | {("size.full", seed): -seed for seed in range(60)}
    assert found == expected
    assert os.listdir(tmp_path) == ["back_dropout.jsonl"]


def test_the_recorded_results_can_be_read():
    for paper in ledger():
        for line in records(paper):
            assert line.metric in ledger()[paper].metrics, f"{paper}: {line.metric} is not in claims.toml"


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


# The command


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "results_folder", lambda: tmp_path)
    monkeypatch.setattr(cli, "_versions", lambda paper: (1, 1))  # the real ones import torch
    return tmp_path


def test_the_command_without_any_result(results, capsys):
    assert cli.main(["claims"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("02  Simonyan & Zisserman 2014")
    assert lines[-1] == "85 claims: ✓ 0 holds, ✗ 0 fails, ? 0 unclear, ↻ 0 stale, · 85 not yet run"
    assert [line.split()[1] for line in lines if line.startswith("  · ")] == CLAIMS
    assert len({line.index("not yet run") for line in lines if line.startswith("  · ")}) == 1  # aligned
    assert max(map(len, lines)) <= 120


def test_the_command_with_results(results, capsys):
    for seed in range(3):
        values = {"size.full": 70 + seed, "size.two_thirds": 60, "size.third": 50, "control.random": 90}
        note(results, values | {"profile.recall": 40, "profile.precision": 40}, seed=seed)
    assert cli.main(["claims", "--only", "09"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"✓ nb\.size +holds", out)
    assert "✓ size.full > size.two_thirds by 0: +11.00 [+9.31, +12.69] over 3 seeds" in out
    assert re.search(r"✗ nb\.vs_random +fails", out)
    assert "7 claims: ✓ 1 holds, ✗ 2 fails" in out
    assert "cause: 0.8 points ahead of a lottery" in out  # of nb.vs_random; nb.profile holds in the lab, so it has none
    assert "A written cause is missing in labkit/claims.toml for nb.profile" in out


def test_the_command_names_what_is_not_there(results, capsys):
    assert cli.main(["claims", "--only", "42"]) == 2
    assert "no paper has the notebook 42" in capsys.readouterr().err
    assert cli.main(["claims", "run", "01"]) == 2
    assert "no paper has the notebook 01" in capsys.readouterr().err
    (results / "two_stream.jsonl").write_text("{\n")
    assert cli.main(["claims"]) == 1
    assert "two_stream.jsonl, line 1" in capsys.readouterr().err


def test_todays_versions_are_read_where_they_are_kept(monkeypatch):
    kept = {
        "labkit.world": SimpleNamespace(VERSION=4),
        "labkit.papers": None,
        "labkit.papers.puppets": SimpleNamespace(),
    }
    monkeypatch.setattr(cli, "find_spec", kept.__contains__)
    monkeypatch.setattr(cli, "import_module", kept.__getitem__)
    assert cli._versions("puppets") == (4, None)
    assert cli._versions("marionettes") == (4, None)
    kept["labkit.papers.puppets"].VERSION = 7
    assert cli._versions("puppets") == (4, 7)
    del kept["labkit.papers"]
    assert cli._versions("puppets") == (4, None)


def test_running_a_notebook_over_seeds(results, capsys, monkeypatch):
    from labkit import course

    runs = []

    def run(source, output, parameters):
        runs.append((source.name, output.as_posix(), parameters))
        if parameters["seed"] == 5:
            raise course.NotebookError("cell [3] failed")
        values = {"size.full": 70.0 + parameters["seed"], "size.two_thirds": 60.0, "size.third": 50.0}
        note(results, values, seed=parameters["seed"])
        return output

    monkeypatch.setattr(course, "run", run)
    monkeypatch.setattr(course, "sources", list)
    assert cli.main(["claims", "run", "09"]) == 2
    assert "there is no notebook 09 yet" in capsys.readouterr().err

    monkeypatch.setattr(course, "sources", lambda: [Path("notebooks/09_back_dropout.py")])
    assert cli.main(["claims", "run", "09", "--seeds", "0", "1000"]) == 2
    assert "seeds that judge lie from 0 to 999; got [1000]" in capsys.readouterr().err
    assert runs == []

    assert cli.main(["claims", "run", "09", "--seeds", "0", "1", "2"]) == 0
    assert runs[0] == (
        "09_back_dropout.py",
        "build/claims/09_back_dropout.world.study.0.ipynb",
        {"profile": "study", "dataset": "world", "seed": 0},
    )
    assert re.search(r"✓ nb\.size +holds", capsys.readouterr().out)

    assert cli.main(["claims", "run", "09", "--seeds", "5"]) == 1
    assert "✗ seed 5: cell [3] failed" in capsys.readouterr().err
    assert cli.main(["claims", "--profile", "paper", "run", "09", "--seeds", "0", "--data-root", "d"]) == 0
    assert runs[-1][2] == {"profile": "paper", "dataset": "world", "data_root": "d", "seed": 0}


def test_the_symbols_tell_every_outcome_apart():
    assert Counter(claims.SYMBOLS.values()) == Counter(set(claims.SYMBOLS.values()))
    assert set(claims.SYMBOLS) == set(Outcome)


def test_records_are_plain_json(tmp_path):
    note(tmp_path, {"fine_tuned": 66.47})
    line = json.loads((tmp_path / "back_dropout.jsonl").read_text())
    assert list(line) == ["dataset", "profile", "metric", "seed", "value", "world", "module", "labkit"]


# What the texts say of the records


QUOTED = [
    ("ts.last_layer", "{:.1f} against {:.1f} %", "spatial.fine_tune_d5", "spatial.last_layer_d5"),
    ("ts.last_layer", "gains {:.0f} points", "spatial.fine_tune_d5 - spatial.last_layer_d5"),
    ("ts.last_layer", "learns less ({:.1f} %", "spatial.fine_tune_d9"),
    ("ts.slow_fusion", "has not learned here ({:.1f} %", "spatial.scratch_d9"),
    ("ts.multitask", "{:.0f} % alone, multi-task learning makes {:.0f} %", "small.alone", "small.multi_task"),
    ("vlad.vs_pool", "({:.1f} and {:.1f} %)", "pool.sum", "multi.128"),
    ("vlad.vs_sift", "SIFT {:.0f}.", "sift.vlad"),
    (
        "long.convpool",
        "Late {:.1f}, Slow {:.1f}, Local {:.1f}, Conv {:.1f} %",
        "pool.late",
        "pool.slow",
        "pool.local",
        "pool.conv",
    ),
    ("long.convpool", "the trunk trained along ({:.1f} %)", "expand.direct"),
    ("long.expand", "{:.1f} %, more than the single-frame net ({:.1f})", "expand.hit1", "alexnet.single"),
    ("long.gain", "{:.1f} against {:.1f} and {:.1f} %", "gain.linear", "gain.ones", "gain.last"),
    ("long.flow_noisy", "{:+.1f} and {:+.1f}", "lstm.both - lstm.images", "googlenet.conv_both - googlenet.conv"),
    ("long.flow_noisy", "gains {:.1f} points", "googlenet.conv120_both - googlenet.conv120"),
    ("afn.multitask", "{:.1f} against {:.1f} with eight", "multi16.small", "fine_tune16.small"),
    ("afn.multi_frame", "{:.1f} against {:.1f} %", "multi16.large", "multi2.large"),
    ("att.unatt", "{:.0f} are what the vote", "resnet.cnn_mean - resnet.cnn_filtered"),
    ("att.unatt", "plain mean of their scores ({:.1f} %", "resnet.cnn_mean"),
    ("att.unatt", "against the mean UnAtt gains {:.0f}.", "resnet.unatt_filtered - resnet.cnn_mean"),
    ("nb.size", "{:.1f} points less", "size.full - size.third"),
]


SAID = [  # by notebooks, whose lines may break anywhere
    ("02", "({:.0f} against {:.0f} % in our records", "splits.small_average", "splits.small_temporal"),
    ("02", "is ahead of both ({:.0f})", "splits.small_svm"),
    ("03", "beside an RNN with {:.0f} %: a second stream helps most ({:.0f})", "rnn.test", "dual.test"),
    ("03", "({:.0f}, and {:.0f} as an LSTM)", "birnn.test", "birnn_lstm.test"),
    ("03", "the convolution ({:.0f})", "conv1d.test"),
    ("03", "does not help ({:.0f}), nor do other codes ({:.0f} and {:.0f})", "rnn2.test", "rnn.fc6", "rnn.pool5"),
    ("03", "ahead of the RNN ({:.0f} against {:.0f} %)", "average.appearance", "rnn.appearance"),
    ("05", "with {:.1f} against {:.1f} % on the noisy set", "googlenet.conv120_both", "lstm.both"),
    ("05", "{:.1f} against {:.1f} on the clean one", "clean.conv120_both", "clean.lstm_both"),
    ("05", "the two are level ({:.1f} and {:.1f})", "googlenet.conv_both", "lstm.both"),
    ("07", "what moves in {:.0f} % of the pairs", "pointing.image"),
    ("07", "what moves in {:.0f} % of the pairs", "pointing.difference"),
    ("08", "{:.0f} of the", "resnet.cnn_mean - resnet.cnn_filtered"),
    ("08", "of the {:.0f} points between the vote and UnAtt", "resnet.unatt_filtered - resnet.cnn_filtered"),
]


def means_of(paper, sums):
    """Sums of metrics, each as its mean over the seeds of the lab's own records."""
    seeds = {}
    for line in records(paper):
        if line.counts_for("world", "study"):
            seeds.setdefault(line.seed, {})[line.metric] = line.value
    asked = [parse(f"{written} > 0 by 0")[0] for written in sums]
    return [fmean(statement.difference(values) for values in seeds.values()) for statement in asked]


@pytest.mark.parametrize(("name", "text", "sums"), [(name, text, sums) for name, text, *sums in QUOTED])
def test_causes_quote_the_records(name, text, sums):
    paper, claim = next((paper, claim) for paper in ledger().values() for claim in paper.claims if claim.id == name)
    assert text.format(*means_of(paper.name, sums)) in claim.cause


@pytest.mark.parametrize(("notebook", "text", "sums"), [(name, text, sums) for name, text, *sums in SAID])
def test_notebooks_quote_the_records(notebook, text, sums):
    paper = next(paper for paper in ledger().values() if paper.notebook == notebook)
    (source,) = course.notebooks_folder().glob(f"{notebook}_*.py")
    said = " ".join(re.sub(r"^# >?", "", source.read_text(encoding="utf-8"), flags=re.MULTILINE).split())
    assert text.format(*means_of(paper.name, sums)) in said
