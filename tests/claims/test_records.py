import json
import math
import os
import re
import subprocess
import sys
from importlib import import_module

import pytest
import torch
from puppets import a_record, note

from labkit import claims
from labkit.claims import ClaimsError, Record, ledger, pack_hits, records, unpack_hits
from labkit.world import VERSION


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder in place of the lab's own results."""
    monkeypatch.setattr(import_module("labkit.claims.records"), "results_folder", lambda: tmp_path)
    return tmp_path


# The lab's own results: one file a paper


def test_records_come_back_sorted_one_line_each(own):
    note(None, {"fine_tuned": 66.47, "control.random": 1 / 3}, seed=1)
    note(None, {"fine_tuned": 66.0}, seed=0)
    text = (own / "back_dropout.jsonl").read_text()
    assert text.splitlines()[0] == (
        '{"paper": "back_dropout", "metric": "control.random", "dataset": "world", "split": 1, "profile": "study", '
        f'"seed": 1, "value": 0.333333, "version": 1, "world": {VERSION}, "labkit": "0.1.0"}}'
    )
    assert [(record.metric, record.seed, record.value) for record in records("back_dropout")] == [
        ("control.random", 1, 0.333333),
        ("fine_tuned", 0, 66.0),
        ("fine_tuned", 1, 66.47),
    ]
    note(None, {"fine_tuned": 66.0}, seed=0)
    assert (own / "back_dropout.jsonl").read_text() == text  # run twice: not a byte changes
    assert [path.name for path in own.iterdir()] == ["back_dropout.jsonl"]


def test_a_re_run_replaces_its_line_only(own):
    note(None, {"fine_tuned": 1.0}, seed=0)
    note(None, {"fine_tuned": 2.0}, seed=1)
    note(None, {"fine_tuned": 3.0}, seed=0, version=2)
    assert [(record.seed, record.value, record.version) for record in records("back_dropout")] == [(0, 3, 2), (1, 2, 1)]


@pytest.mark.parametrize("folder", ["own", "other"])
@pytest.mark.parametrize("difference", [{"split": 2}, {"network": "vgg16"}, {"profile": "paper"}, {"dataset": "act"}])
def test_two_splits_networks_profiles_or_data_sets_never_overwrite_each_other(own, folder, difference):
    folder = None if folder == "own" else own / folder
    note(folder, {"fine_tuned": 1.0}, network="cnn_m")
    note(folder, {"fine_tuned": 2.0}, **{"network": "cnn_m"} | difference)
    assert sorted(record.value for record in records("back_dropout", folder)) == [1.0, 2.0]


@pytest.mark.parametrize("folder", ["own", "other"])
def test_a_trial_on_part_of_a_set_never_replaces_the_result_of_all_of_it(own, folder):
    folder = None if folder == "own" else own / folder
    listed = {"train_listed": 9537, "test_listed": 3783}
    note(folder, {"fine_tuned": 66.0}, train=9537, test=3783, **listed)
    note(folder, {"fine_tuned": 100.0}, train=9537, test=12, **listed)
    note(folder, {"fine_tuned": 90.0}, train=2, test=3783, **listed)  # replaces the other trial
    assert {record.partial: record.value for record in records("back_dropout", folder)} == {False: 66.0, True: 90.0}
    note(folder, {"fine_tuned": 67.0}, train=9537, test=3783, **listed)
    assert [record.value for record in records("back_dropout", folder) if not record.partial] == [67.0]


def test_lessons_and_smoke_runs_are_no_results_of_the_lab(own):
    for profile in ("lesson", "smoke"):
        note(None, {"fine_tuned": 1.0}, profile=profile)
        note(own / "elsewhere", {"fine_tuned": 1.0}, profile=profile)
    assert os.listdir(own) == ["elsewhere"]
    assert [record.profile for record in records("back_dropout", own / "elsewhere")] == ["lesson", "smoke"]


WRITER = """
import sys
from importlib import import_module
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from puppets import note
import_module("labkit.claims.records").results_folder = lambda: Path(sys.argv[1])
for seed in range(int(sys.argv[2]), int(sys.argv[2]) + 20):
    note(None, {"fine_tuned": seed, "size.full": -seed}, seed=seed)
"""


def test_several_writers_lose_nothing(own):
    helpers = os.path.dirname(sys.modules[note.__module__].__file__)
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, own, str(start), helpers]) for start in (0, 20, 40)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    values = {(record.metric, record.seed): record.value for record in records("back_dropout")}
    expected = {("fine_tuned", seed): seed for seed in range(60)} | {("size.full", seed): -seed for seed in range(60)}
    assert values == expected
    assert os.listdir(own) == ["back_dropout.jsonl"]


# Another folder: one file for each row and seed


def test_each_row_and_seed_has_its_own_file(tmp_path):
    usual = {"paper": "two_stream", "network": "cnn_m_tiny"}
    for seed in (1001, 1002):
        note(tmp_path, {"temporal.l10": 81.0, "temporal.still_l10": 80.0}, seed, row="temporal.l10", **usual)
    note(tmp_path, {"temporal.l10": 50.0}, 1001, row="temporal.l10", test=12, test_listed=3783, **usual)
    note(tmp_path, {"slow_fusion": 56.4}, 1001, **usual | {"network": ""})
    assert sorted(path.name for path in (tmp_path / "two_stream").iterdir()) == [
        "world.study.-.-.split1.seed1001.jsonl",
        "world.study.cnn_m_tiny.temporal.l10.split1.seed1001.jsonl",
        "world.study.cnn_m_tiny.temporal.l10.split1.seed1001.partial.jsonl",
        "world.study.cnn_m_tiny.temporal.l10.split1.seed1002.jsonl",
    ]
    assert os.listdir(tmp_path) == ["two_stream"]
    assert len(records("two_stream", tmp_path)) == 6


def test_a_row_run_again_replaces_its_file(tmp_path):
    note(tmp_path, {"size.full": 1.0, "size.third": 1.0}, row="size")
    note(tmp_path, {"size.full": 2.0}, row="size")  # today's row no longer measures the other
    assert [(record.metric, record.value) for record in records("back_dropout", tmp_path)] == [("size.full", 2.0)]


@pytest.mark.parametrize("place", ["the ledger", "a folder"])
def test_a_record_that_judges_is_replaced_only_with_a_reason(own, tmp_path, place):
    folder, frozen = (None if place == "the ledger" else tmp_path / "out"), ledger()["back_dropout"].confirm
    now = {"row": "size", "version": frozen.study, "seed": frozen.seeds[0]}
    note(folder, {"size.full": 80.0}, **now)
    note(folder, {"size.full": 80.0}, machine="another", **now)  # says the same
    with pytest.raises(claims.ClaimsError, match=r"size.full, seed \d+, judges a claim .*80; got 90: .*--again"):
        note(folder, {"size.full": 90.0}, **now)
    with pytest.raises(claims.ClaimsError, match="judges a claim"):
        note(folder, {"size.full": 80.0}, **now | {"version": frozen.study + 1})
    assert [(line.value, line.machine) for line in records("back_dropout", folder)] == [(80.0, "")]
    note(folder, {"size.full": 90.0}, again="the rate was wrong", **now)
    assert [line.value for line in records("back_dropout", folder)] == [90.0]
    note(folder, {"size.full": 70.0}, **now | {"profile": "smoke"} if folder else {"seed": 1000})


def test_a_record_is_not_replaced_by_one_of_an_earlier_version(own):
    note(None, {"size.full": 80.0}, version=3)
    with pytest.raises(
        claims.ClaimsError, match="has a record of version 3 in world 2; got one of version 2 in world 2"
    ):
        note(None, {"size.full": 70.0}, version=2)
    assert [line.value for line in records("back_dropout")] == [80.0]


def test_the_file_of_a_row_wins_over_that_of_the_paper(own):
    note(own, {"fine_tuned": 2.0}, row="fine_tuned")
    note(None, {"fine_tuned": 1.0, "size.full": 3.0})  # written later
    values = {record.metric: record.value for record in records("back_dropout", own)}
    assert values == {"fine_tuned": 2.0, "size.full": 3.0}


# What a line holds

FULL = {
    **{"paper": "back_dropout", "row": "size", "metric": "size.full", "network": "cnn_m", "dataset": "ucf101"},
    **{"split": 2, "profile": "paper", "seed": 3, "value": 88.2, "stderr": 0.5, "hits": "oA=="},
    **{"train": 1, "train_listed": 1, "test": 3, "test_listed": 3, "seconds": 12.5, "spent": 2.5},
    **{"version": 4, "world": 5, "labkit": "0.1.0", "commit": "0123abc+", "machine": "x86_64, 2 cores, torch 2.15"},
}


def test_a_line_is_the_record_field_by_field_and_leaves_out_what_is_empty(tmp_path):
    claims.write([Record(**FULL)], tmp_path)
    (path,) = (tmp_path / "back_dropout").iterdir()
    line = json.loads(path.read_text())
    assert line == FULL
    assert list(line) == list(FULL)
    assert records("back_dropout", tmp_path) == [Record(**FULL)]
    note(tmp_path, {"fine_tuned": 0.0}, row="fine_tuned", world=0)
    path = next(path for path in (tmp_path / "back_dropout").iterdir() if "fine_tuned" in path.name)
    least = ["paper", "row", "metric", "dataset", "split", "profile", "seed", "value", "version", "labkit"]
    assert list(json.loads(path.read_text())) == least  # a value of 0 is a value


def test_hits_by_hand():
    assert pack_hits(torch.tensor([True, False, True])) == "oA=="  # 101 00000 = 0xA0
    assert unpack_hits("oA==", 3).tolist() == [True, False, True]
    hits = torch.rand(432, generator=torch.Generator().manual_seed(0)) < 0.7
    assert len(pack_hits(hits)) == 72  # 54 bytes, 4 characters for each 3
    assert torch.equal(unpack_hits(pack_hits(hits), 432), hits)
    with pytest.raises(ValueError, match="hits of 9 clips must take 2 bytes; got 1"):
        unpack_hits("oA==", 9)


def test_what_cannot_be_recorded_is_named(tmp_path):
    with pytest.raises(ClaimsError, match=r"unknown metric 'fine_tune': add it to labkit/claims/back_dropout\.toml"):
        note(tmp_path, {"fine_tune": 1.0})
    with pytest.raises(ClaimsError, match="fine_tuned must be finite; got nan"):
        note(tmp_path, {"fine_tuned": math.nan})
    with pytest.raises(ClaimsError, match=r"paper must be one of two_stream, .*; got 'nb'"):
        note(tmp_path, {"fine_tuned": 1.0}, paper="nb")
    for change in (
        {"profile": "studie"},
        {"split": 4},
        {"network": "a/b"},
        {"row": "../x"},
        {"seed": 0.5},
        {"stderr": math.nan},
    ):
        with pytest.raises(ClaimsError, match=f"not a record of fine_tuned: {next(iter(change))} is"):
            note(tmp_path, {"fine_tuned": 1.0}, **change)
    assert list(tmp_path.iterdir()) == []


WHOLE = json.dumps({"paper": "back_dropout", "metric": "a", "dataset": "world", "split": 1, "profile": "study"})
WHOLE = (WHOLE[:-1] + ', "seed": 0, "value": 1.5, "version": 1, "world": 1, "labkit": ""}').encode()


def test_a_whole_line_is_read(tmp_path):
    (tmp_path / "back_dropout.jsonl").write_bytes(WHOLE + b"\n")
    assert records("back_dropout", tmp_path) == [a_record("a", 0, 1.5, paper="back_dropout", labkit="")]


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
        WHOLE.replace(b"back_dropout", b"two_stream"),
    ],
)
def test_a_damaged_line_is_named_and_nothing_is_lost(own, damage):
    note(None, {"fine_tuned": 1.0})
    path = own / "back_dropout.jsonl"
    broken = path.read_bytes() + damage + b"\n"
    path.write_bytes(broken)
    for touch in (lambda: records("back_dropout"), lambda: note(None, {"fine_tuned": 2.0})):
        with pytest.raises(ClaimsError, match=r"back_dropout\.jsonl, line 2: must be a record .* delete the line"):
            touch()
    assert path.read_bytes() == broken


def test_the_recorded_results_can_be_read():
    for paper in ledger().values():
        for record in records(paper.name):
            assert record.metric in paper.metrics, f"{paper.name}: {record.metric} is not in the ledger"
            splits = paper.num_splits(record.metric, record.dataset)
            assert 1 <= record.split <= splits or (record.split, splits) == (0, 3), record


# The light import


def test_the_ledger_is_read_without_torch_and_without_scipys_statistics():
    code = "import sys, labkit.claims as c; c.ledger(); c.records('two_stream'); print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "labkit.claims.records" in modules
    assert not {"torch", "numpy", "scipy"} & set(modules)
    assert re.fullmatch(r"[\w.]+", modules[0])
