import json
import math
import os
import subprocess
import sys

import pytest
from puppets import note

from labkit.claims import ClaimsError, Record, ledger, record, records


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
    with pytest.raises(ClaimsError, match=r"unknown metric 'fine_tune': add it to labkit/claims/back_dropout\.toml"):
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
            assert line.metric in ledger()[paper].metrics, f"{paper}: {line.metric} is not in the ledger"


def test_records_are_plain_json(tmp_path):
    note(tmp_path, {"fine_tuned": 66.47})
    line = json.loads((tmp_path / "back_dropout.jsonl").read_text())
    assert list(line) == ["dataset", "profile", "metric", "seed", "value", "world", "module", "labkit"]
