import re
from importlib import import_module

import pytest
from puppets import note

from labkit import cli
from labkit.claims import ledger
from labkit.studies import study_of

NOW = {"version": study_of("09").version}


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(import_module("labkit.claims.records"), "results_folder", lambda: tmp_path)
    return tmp_path


def test_the_command_without_any_result(results, capsys):
    assert cli.main(["claims"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("02  Simonyan & Zisserman 2014")
    assert lines[-1] == "119 claims: ∅ 2 condition absent, · 117 not yet run; 2 facts that no seed changes"
    assert [line.split()[1] for line in lines if line.startswith(("  · ", "  ∅ "))] == [
        claim.id for paper in ledger().values() for claim in paper.claims
    ]
    assert len({line.index("not yet run") for line in lines if line.startswith("  · ")}) == 1  # aligned
    assert max(map(len, lines)) <= 120


def test_the_command_with_results(results, thawed, capsys):
    for seed in range(3):
        values = {"size.full": 70 + seed, "size.two_thirds": 60, "size.third": 50, "control.random": 90}
        note(results, values | {"profile.recall": 40, "profile.precision": 40}, seed=seed, **NOW)
    assert cli.main(["claims", "--only", "09"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"✓ nb\.size +holds", out)
    assert "✓ size.full > size.two_thirds by 2: +11.00 [+9.31, +12.69] over 3 seeds" in out
    assert re.search(r"✗ nb\.vs_random +the other way round", out)
    assert "10 claims: ✓ 1 holds, = 1 level, ✗ 1 the other way round, ∅ 1 condition absent, · 6 not yet run" in out
    assert "3 were judged, each at a risk of 5% to be decided wrongly, and 3 of them are decided" in out
    assert "cause: The source task swings a mallet in the forest" in out
    assert "A written cause is missing in labkit/claims for nb.profile: add" in out


def test_the_command_judges_records_of_another_folder(results, thawed, tmp_path, capsys):
    other = tmp_path / "other"
    for seed in range(3):
        note(other, {"size.full": 70, "size.two_thirds": 60, "size.third": 50}, seed=seed, row="size", **NOW)
    assert cli.main(["claims", "--only", "09", "--results", str(other)]) == 0
    assert re.search(r"✓ nb\.size +holds", capsys.readouterr().out)
    assert cli.main(["claims", "--only", "09"]) == 0
    assert "9 not yet run" in capsys.readouterr().out
    assert cli.main(["claims", "--results", str(tmp_path / "nowhere")]) == 2
    assert f"must be a folder with records; got {tmp_path / 'nowhere'}" in capsys.readouterr().err


def test_the_command_knows_that_a_study_puts_records_one_folder_deeper(tmp_path, capsys):
    assert cli.main(["claims", "--results", str(tmp_path)]) == 2
    assert f"must be a folder with records; {tmp_path} has none\n" in capsys.readouterr().err
    note(tmp_path / "results", {"size.full": 70}, seed=0, row="size")
    assert cli.main(["claims", "--results", str(tmp_path)]) == 2
    assert f"{tmp_path} has none, but a folder results: try that" in capsys.readouterr().err


def test_the_command_names_what_is_not_there(results, capsys):
    assert cli.main(["claims", "--only", "42"]) == 2
    assert "no paper has the notebook 42" in capsys.readouterr().err
    assert cli.main(["claims", "--dataset", "ufc101"]) == 2
    assert "--dataset must be one of world, " in capsys.readouterr().err
    (results / "two_stream.jsonl").write_text("{\n")
    assert cli.main(["claims"]) == 1
    assert "two_stream.jsonl, line 1" in capsys.readouterr().err
