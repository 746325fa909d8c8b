"""What a batch costs: the rows that claims ask for, and the median of their times."""

from dataclasses import replace

import pytest
from puppets import a_record, one_claim

from labkit import claims, cli
from labkit.studies import command, plan, study_of
from labkit.world import VERSION as WORLD


def test_a_batch_runs_the_rows_of_the_claims_and_no_others():
    paper = claims.ledger()["two_stream"]
    rows = plan.judging_rows(paper, study_of("02"))
    assert {"temporal.l10", "spatial.scratch_d5"} <= set(rows)
    assert not [name for name in rows if name.startswith("condition.")]
    assert len(rows) < len(study_of("02").rows())


@pytest.fixture
def of_rows(monkeypatch):
    """What the plan says of lines of some rows of 02, which alone judge."""

    def minutes(rows, lines):
        monkeypatch.setattr(plan, "judging_rows", lambda paper, kind: rows)
        return plan._minutes(claims.ledger()["two_stream"], lines)

    return minutes


def test_times_are_medians_and_rows_without_one_are_counted(of_rows):
    quick, slow, _ = rows = ["temporal.l1", "temporal.l5", "temporal.l10"]
    lines = [a_record(row=quick, seconds=seconds) for seconds in (60, 120, 600)] + [a_record(row=slow, seconds=0)]
    assert of_rows(rows, lines) == (2.0, 1, 2)


def test_what_rows_share_is_paid_once(of_rows):
    first, second = rows = ["temporal.l1", "temporal.l5"]
    lines = [a_record(row=row, seconds=660.0, spent=spent) for row, spent in ((first, 660.0), (second, 60.0))]
    lines += [a_record(row=second, seconds=720.0)]  # of a run that did not note what it spent
    assert of_rows(rows, lines) == (12.0, 0, 0)


def test_a_row_of_three_splits_takes_as_long_on_each(of_rows):
    assert of_rows(["splits.spatial"], [a_record(row="splits.spatial", seconds=60.0, spent=60.0)]) == (3.0, 0, 0)


def test_the_plan_adds_up(monkeypatch):
    paper = replace(
        claims.ledger()["two_stream"],
        claims=(replace(one_claim("temporal.l10 > temporal.l5 by 1"), id="p.clear"),),
        confirm=claims.Confirm((10, 11, 12, 13), 5, 2),
    )
    lines = [
        a_record(metric, seed, value, row=metric, seconds=90.0, paper="two_stream", network="cnn_m_tiny")
        for metric, values in {"temporal.l10": (90, 91, 92), "temporal.l5": (80, 81, 82)}.items()
        for seed, value in enumerate(values)
    ]
    monkeypatch.setattr(claims, "records", lambda name: lines)
    text = plan.plan([paper])
    assert text.startswith("02  two_stream: 4 seeds decide 1.0 of 1 claims; at most 3 minutes a seed\n")
    assert "p.clear" in text
    assert "100%  most likely: holds" in text
    assert text.endswith("1 claims and 0 facts; 1 claims will be decided, in at most 0 hours")


def test_the_command_prints_it_and_names_an_unknown_notebook(capsys):
    assert cli.main(["study", "plan", "09"]) == 0
    assert capsys.readouterr().out.startswith("09  back_dropout: 5 seeds decide ")
    assert cli.main(["study", "plan", "99"]) == 2
    assert "no paper has the notebook 99" in capsys.readouterr().err


def freeze(monkeypatch, **seeds):
    papers = {name: replace(claims.ledger()[name], confirm=None) for name in ("two_stream", "frame_rnn", "conv_vlad")}
    for name, those in seeds.items():
        version = study_of(papers[name].notebook).version
        papers[name] = replace(papers[name], confirm=claims.Confirm(those, version, WORLD))
    monkeypatch.setattr(claims, "ledger", lambda: papers)


def test_frozen_batches_are_run_a_seed_of_each_paper_in_turn(monkeypatch, capsys, tmp_path):
    freeze(monkeypatch, two_stream=(10, 11, 12), frame_rnn=(20, 21, 22, 23))
    monkeypatch.setattr(command, "judging_rows", lambda paper, kind: list(kind.rows())[:2])
    monkeypatch.setattr(command, "_is_due", lambda number, name, seed, **more: (number, seed) != ("02", 10))
    ran = []
    monkeypatch.setattr(command, "_run_alone", lambda number, rows, seed, **more: ran.append((number, seed)) or 0)
    assert command.run_frozen(profile="study", out=tmp_path) == 0
    places = [("03", 20), ("02", 11), ("03", 21), ("02", 12), ("03", 22), ("03", 23)]
    assert ran == places
    assert capsys.readouterr().out.startswith("02, seed 10: 0 rows to run, 2 have records\n03, seed 20: 2 rows to run")
    ran.clear()
    monkeypatch.setattr(command, "_run_alone", lambda number, rows, seed, **more: ran.append(more["minutes"]) or 0)
    assert command.run_frozen(minutes=90, profile="study", out=tmp_path) == 0
    assert ran == [90] * 6
    ran.clear()
    capsys.readouterr()
    assert command.run_frozen(minutes=0, profile="study", out=tmp_path) == 0
    assert ran == []
    assert capsys.readouterr().out == "0 minutes are over: the same command continues\n"


def test_each_seed_of_a_frozen_batch_is_a_command_that_leaves_records(monkeypatch, capfd, tmp_path):
    freeze(monkeypatch, frame_rnn=(12,))
    monkeypatch.setattr(command, "judging_rows", lambda paper, kind: ["average"])
    settings = {"profile": "smoke", "out": tmp_path / "a folder", "device": "cpu", "again": "", "precision": ""}
    assert command.run_frozen(**settings) == 0
    assert "✓ average, split 1, seed 12" in capfd.readouterr().out
    records = claims.records("frame_rnn", tmp_path / "a folder" / "results")
    assert {(one.row, one.seed, one.profile) for one in records} == {("average", 12, "smoke")}
    assert command.run_frozen(**settings) == 0
    assert capfd.readouterr().out == "03, seed 12: 0 rows to run, 1 have records\n"
    again = {**settings, "again": "to see whether it is the same"}
    assert command.run_frozen(**again) == 0
    assert "✓ average, split 1, seed 12" in capfd.readouterr().out
    assert command.run_frozen(**again) == 0
    assert capfd.readouterr().out == "03, seed 12: 0 rows to run, 1 have records\n"


def test_a_paper_that_has_changed_since_it_was_frozen_is_not_run(monkeypatch, capsys, tmp_path):
    freeze(monkeypatch, frame_rnn=(12, 13, 14))
    monkeypatch.setattr(study_of("03"), "version", study_of("03").version + 1)
    monkeypatch.setattr(command, "_run_alone", None)
    assert command.run_frozen(profile="study", out=tmp_path) == 0
    assert capsys.readouterr().out.startswith(
        "03 is left out: frozen for version 4 of the study and 2 of the world; now 5"
    )


@pytest.mark.parametrize(("status", "words"), [(-9, "killed by signal 9"), (2, "")])
def test_a_seed_that_fails_does_not_keep_the_others_from_running(status, words, monkeypatch, capsys):
    monkeypatch.setattr(command.subprocess, "call", lambda arguments: status)
    assert command._run_alone("02", ["temporal.l10"], 10) == 1
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--frozen", "--seeds", "3"], "--frozen must stand without"),
        (["--frozen", "--precision", "fp16"], "--frozen must stand without"),
        (["--frozen", "--dataset", "hmdb51"], "--frozen must stand without"),
        (["--frozen", "--profile", "smoke"], "--frozen must stand without"),
        (["02", "--frozen"], "--frozen must stand without"),
        ([], "NN must be the number of a notebook; got none"),
    ],
)
def test_what_to_run_is_said_once(arguments, message, capsys):
    assert cli.main(["study", "run", *arguments]) == 2
    assert message in capsys.readouterr().err
