"""A study that is killed, wherever it is, continues and ends with the same numbers."""

import json
import multiprocessing
import time

import made_up
import pytest
import torch
from safetensors.torch import load_file

FORKS = multiprocessing.get_context("fork")  # torch is imported already


def started(out):
    process = FORKS.Process(target=made_up.run, args=(out,))
    process.start()
    return process


def finished(process):
    process.join(120)
    return process.exitcode == 0


def numbers(out):
    """Value and hits of each metric and seed."""
    lines = [json.loads(line) for path in out.rglob("*.jsonl") for line in path.read_text().splitlines()]
    return {(line["metric"], line["seed"]): (line["value"], line.get("hits")) for line in lines}


def weights(out):
    """All kept weights, to the bit."""
    kept = {path.relative_to(out): load_file(path) for path in out.rglob("*.safetensors")}
    return {path: {name: value.tolist() for name, value in tensors.items()} for path, tensors in kept.items()}


def kill_when(there, out):
    """Start the study and kill it as soon as a file is there that was not before; whether it was killed."""
    before = set(out.rglob("*"))
    process = started(out)
    while process.is_alive():
        if any(there(path) for path in set(out.rglob("*")) - before):
            process.kill()
            process.join()
            return True
        time.sleep(0.001)
    return False


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed")
    assert finished(started(out))
    return out


@pytest.mark.parametrize(
    "there",
    [
        lambda path: path.suffix == ".checkpoint",
        lambda path: path.suffix == ".tmp",
        lambda path: path.suffix == ".safetensors",
        lambda path: path.suffix == ".jsonl",
    ],
    ids=["in a training", "while saving", "after a training", "between rows"],
)
def test_killed_and_started_again_it_ends_with_the_same_numbers(there, undisturbed, tmp_path):
    kills = sum(kill_when(there, tmp_path) for _ in range(2))
    assert kills
    assert finished(started(tmp_path))
    assert numbers(tmp_path) == numbers(undisturbed)
    assert weights(tmp_path) == weights(undisturbed)
    assert not {path.suffix for path in tmp_path.rglob("artefacts/**/*") if path.is_file()} & {".checkpoint", ".tmp"}


def test_nothing_is_done_twice(undisturbed):
    before = {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*.jsonl")}
    assert finished(started(undisturbed))
    assert {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*.jsonl")} == before


def test_two_processes_share_the_work(undisturbed, tmp_path):
    both = [started(tmp_path) for _ in range(2)]
    assert all(map(finished, both))
    assert numbers(tmp_path) == numbers(undisturbed)


def test_one_of_two_processes_is_killed_and_the_other_finishes_its_training(undisturbed, tmp_path):
    first, second = (started(tmp_path) for _ in range(2))
    while first.is_alive() and not any(tmp_path.rglob("*.checkpoint")):
        time.sleep(0.001)
    first.kill()
    assert finished(second)
    assert numbers(tmp_path) == numbers(undisturbed)
    assert weights(tmp_path) == weights(undisturbed)


def test_the_numbers_are_many_and_finite(undisturbed):
    values = [value for value, _ in numbers(undisturbed).values()]
    assert len(values) == 8
    assert torch.tensor(values).isfinite().all()
