"""``labkit study run``: what is run, what is said, and the exit status."""

import json
from dataclasses import replace
from typing import ClassVar

import pytest
from made_up import MadeUp, Parts

from labkit import claims, cli
from labkit.studies import command, filing
from labkit.studies.rows import Measure, row
from labkit.studies.study import Study


class Small(Study):
    """Of no clips."""

    paper = "two_stream"
    version = 1
    networks = ("none",)
    scales: ClassVar = {"smoke": ()}

    def clips_of(self, metric):
        return [Parts(range(30))], [Parts(range(10))]


class Quick(Small):
    """Rows that take no time, one of them on two splits."""

    @row("temporal.l1", needs=[])
    def constant(self):
        return Measure(float(self.seed))

    @row("splits.svm", needs=[], splits=(1, 2))
    def of_split(self):
        return Measure(float(self.split))


class Failing(Small):
    """Rows that fail before one that does not."""

    fault = ZeroDivisionError("by nothing")

    @row("temporal.l1", needs=[])
    def constant(self):
        self.fault.add_note("(at step 3)")
        raise self.fault

    @row("temporal.l5", needs=[])
    def infinite(self):
        return Measure(float("nan"))

    @row("splits.svm", needs=[], splits=(1, 2))
    def of_split(self):
        return Measure(float(self.split))


@pytest.fixture
def study_run(tmp_path, monkeypatch, capsys):
    """Runs rows in the folder ``out``: the exit status, and the lines on either stream."""

    def run(*arguments, kind=Quick, out=tmp_path / "out"):
        monkeypatch.setattr(command, "study_of", lambda number: kind)
        try:
            status = cli.main(["study", "run", "02", "--profile", "smoke", "--out", str(out), *arguments])
        except SystemExit as end:
            status = end.code
        said = capsys.readouterr()
        return status, said.out.splitlines(), said.err.splitlines()

    return run


def records(folder):
    """Metric, split, seed and value of each record."""
    lines = [json.loads(line) for path in folder.rglob("*.jsonl") for line in path.read_text().splitlines()]
    return sorted((line["metric"], line["split"], line["seed"], line["value"]) for line in lines)


def test_every_row_on_its_splits_once_a_seed(study_run, tmp_path):
    status, out, err = study_run("--seeds", "5,6,5")
    assert (status, len(out), err) == (0, 6, [])
    assert records(tmp_path) == [
        *(("splits.svm", split, seed, float(split)) for split in (1, 2) for seed in (5, 6)),
        *(("temporal.l1", 1, seed, float(seed)) for seed in (5, 6)),
    ]
    status, out, err = study_run("--seeds", "5,6")
    assert (status, err) == (0, [])
    assert out == ["nothing to run: all of these rows have their records (--again WHY runs them again)"]
    assert len(study_run("--seeds", "5,5", "--again", "the rate was wrong")[1]) == 3
    again = {line.seed: line.again for line in claims.records("two_stream", tmp_path / "out" / "results")}
    assert again == {5: "the rate was wrong", 6: ""}
    assert len(study_run("--seeds", "5,6", "--again", "the rate was wrong")[1]) == 3  # seed 5 has been run again
    assert study_run("--seeds", "5,6", "--again", "the rate was wrong")[1][0].startswith("nothing to run")


def test_a_reason_to_run_again_stands_only_where_there_was_a_record(study_run, tmp_path):
    study_run("--seeds", "5", "--again", "the rate was wrong")
    assert {line.again for line in claims.records("two_stream", tmp_path / "out" / "results")} == {""}


def test_a_reason_reaches_records_that_replace_those_of_an_earlier_version(study_run, tmp_path, monkeypatch):
    study_run("--seeds", "5")
    monkeypatch.setattr(Quick, "version", 2)
    study_run("--seeds", "5", "--again", "the rate was wrong")
    kept = claims.records("two_stream", tmp_path / "out" / "results")
    assert {(line.version, line.again) for line in kept} == {(2, "the rate was wrong")}


def test_it_stops_after_so_many_minutes_and_continues(study_run, tmp_path):
    status, out, err = study_run("--seeds", "5", "--minutes", "0")
    assert (status, out, err) == (0, ["0 minutes are over: 3 rows are left, the same command continues"], [])
    assert len(study_run("--seeds", "5", "--minutes", "60")[1]) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rows", "temporal.l1", "--splits", "2"], "splits must be among 1 for temporal.l1; got 2"),
        (["--rows", "splits.*,temporal.*", "--splits", "2"], "splits must be among 1 for temporal.*; got 2"),
        (["--splits", "4,5"], "splits must be among 1, 2 for *; got 4, 5"),
        (["--rows", ""], "expected names with commas between them; got ''"),
        (["--rows", "temporal.l1,"], "expected names with commas between them; got 'temporal.l1,'"),
        (["--seeds", "5-3"], "expected ranges from low to high; got 5-3"),
        (["--splits", "1,3-2"], "expected ranges from low to high; got 3-2"),
        (["--data-root", "/data"], "dataset must be a real one where data_root is given"),
    ],
)
def test_what_would_run_nothing_or_something_else_is_an_error(study_run, tmp_path, arguments, message):
    status, out, err = study_run(*arguments)
    assert (status, out) == (2, [])
    assert message in err[-1]
    assert not list(tmp_path.iterdir())


def test_spaces_between_names_and_rows_that_are_not_of_all_splits(study_run):
    status, out, _ = study_run("--rows", "temporal.l1, splits.svm", "--splits", "1-2", "--seeds", "3")
    assert status == 0
    assert [line.partition(":")[0] for line in out] == [
        "✓ temporal.l1, split 1, seed 3",
        "✓ splits.svm, split 1, seed 3",
        "✓ splits.svm, split 2, seed 3",
    ]


def test_rows_that_fail_are_named_and_do_not_keep_the_others_from_running(study_run, tmp_path):
    status, out, err = study_run("--seeds", "3", kind=Failing)
    assert status == 1
    assert len(out) == 2
    assert err[0] == "✗ temporal.l1, split 1, seed 3: ZeroDivisionError: by nothing (at step 3)"
    assert "raise self.fault" in "\n".join(err)  # where it happened
    assert err[-1].startswith("✗ temporal.l5, split 1, seed 3: ClaimsError: temporal.l5 must be finite; got nan")
    assert records(tmp_path) == [("splits.svm", 1, 3, 1.0), ("splits.svm", 2, 3, 2.0)]


def test_interrupted_by_a_person_it_ends_there(study_run, monkeypatch, tmp_path):
    monkeypatch.setattr(Failing, "fault", KeyboardInterrupt())
    status, out, err = study_run(kind=Failing)
    assert (status, out, err) == (130, [], ["interrupted"])
    assert not records(tmp_path)


def test_a_folder_that_cannot_be_written_is_said_before_anything_runs(study_run, tmp_path):
    (tmp_path / "file").write_text("")
    status, out, err = study_run("--seeds", "1", out=tmp_path / "file")
    assert (status, out) == (1, [])
    assert all("must be a folder that can be written; got Not a directory: give another" in line for line in err)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "results").write_text("")  # where the records would go
    status, out, (error,) = study_run("--seeds", "1")
    assert (status, out) == (1, [])
    assert "results must be a folder that can be written" in error


def test_a_device_that_is_not_there_is_said_before_anything_runs(study_run, monkeypatch):
    monkeypatch.setattr("torch.accelerator.current_accelerator", lambda check_available: None)
    error = "✗ device must be available; got 'cuda', and this machine offers 'cpu': use \"auto\""
    assert study_run("--device", "cuda") == (1, [], [error])


def test_rows_that_are_measured_nowhere_here_are_an_error(study_run, monkeypatch):
    monkeypatch.setattr("labkit.studies.rows.Row.is_measured_on", lambda self, dataset, split: False)
    status, out, (error,) = study_run("--rows", "temporal.l1")
    assert (status, out) == (2, [])
    assert error == "✗ rows must be measured on world; got temporal.l1: see labkit study list"


def test_what_any_run_lacks_is_said_before_the_first(study_run, monkeypatch):
    lacking = ["the second split is not there"]
    monkeypatch.setattr(Quick, "lacking", lambda self, rows: iter(lacking if self.split == 2 else []))
    assert study_run() == (1, [], ["✗ the second split is not there"])


def test_what_another_process_has_measured_meanwhile_is_left_to_it(study_run, monkeypatch, tmp_path):
    def after_a_row(self):
        other = Quick("smoke", seed=self.seed)
        other.measure("splits.svm")
        filing.claims.write(filing.records(other, "splits.svm"), tmp_path / "out" / "results")

    monkeypatch.setattr(Quick, "release", after_a_row)
    status, out, _ = study_run("--splits", "1", "--seeds", "3")
    assert status == 0
    assert [line.partition(",")[0] for line in out] == ["✓ temporal.l1"]


def test_networks_are_let_go_after_their_row(study_run, monkeypatch):
    held, measure = [], MadeUp.measure

    def measure_alone(self, name):
        held.append(len(self._keeper.memory))
        return measure(self, name)

    monkeypatch.setattr(MadeUp, "measure", measure_alone)
    status, out, _ = study_run("--seeds", "3", "--rows", "temporal.*", kind=MadeUp)
    assert (status, len(out)) == (0, 2)
    assert held == [0, 0]


def recorded(tmp_path, lines, **settings):
    filing.claims.write(lines, tmp_path)
    return len(filing.recorded(Quick("smoke", seed=3, **settings), "temporal.l1", tmp_path))


@pytest.fixture
def line():
    study = Quick("smoke", seed=3)
    study.measure("temporal.l1")
    return filing.records(study, "temporal.l1")[0]


def test_records_of_another_world_or_version_do_not_count(line, tmp_path):
    assert recorded(tmp_path / "now", [line]) == 1
    assert recorded(tmp_path / "world", [replace(line, world=line.world - 1)]) == 0
    assert recorded(tmp_path / "version", [replace(line, version=line.version - 1)]) == 0


def test_an_older_record_in_a_later_file_does_not_hide_that_of_today(line, tmp_path):
    older = replace(line, version=line.version - 1, row="temporal.later")
    assert recorded(tmp_path, [line, older]) == 1


def test_records_of_clips_that_were_there_once_do_not_count(line, tmp_path):
    partial = replace(line, train_listed=40)
    assert partial.partial
    assert recorded(tmp_path / "not asked for", [partial]) == 0
    assert recorded(tmp_path / "other clips", [partial], missing="skip") == 0
    assert recorded(tmp_path / "all", [line, partial], missing="skip") == 1


def test_records_of_the_clips_that_are_there_count(line, tmp_path, monkeypatch):
    lacking = Parts(range(30))
    lacking.num_lacking = 10
    monkeypatch.setattr(Small, "clips_of", lambda self, metric: ([lacking], [Parts(range(10))]))
    assert recorded(tmp_path, [replace(line, train_listed=40)], missing="skip") == 1


def test_a_record_notes_the_precision_and_is_not_replaced_by_one_of_another(tmp_path):
    study = MadeUp("smoke", seed=1001, precision="bf16", out=tmp_path)
    study.measure("temporal.l1")
    (line,) = filing.records(study, "temporal.l1")
    assert line.precision == "bf16"
    claims.write([line], tmp_path / "results")
    single = MadeUp("smoke", seed=1001, out=tmp_path)
    assert filing.recorded(single, "temporal.l1", tmp_path / "results") == [line]  # only --again runs it once more
    single.measure("temporal.l1")
    assert filing.records(single, "temporal.l1")[0].precision == ""
