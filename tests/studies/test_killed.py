"""A study that is killed, wherever it is, goes on and ends with the same numbers."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

MADE_UP = Path(__file__).with_name("made_up.py")


def started(out):
    return subprocess.Popen([sys.executable, MADE_UP, out], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finished(out):
    process = started(out)
    said = process.communicate(timeout=120)[0].decode()
    assert process.returncode == 0, said
    return said


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
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if any(there(path) for path in set(out.rglob("*")) - before):
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            return True
        time.sleep(0.001)
    process.wait()
    return False


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed")
    finished(out)
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
    finished(tmp_path)
    assert numbers(tmp_path) == numbers(undisturbed)
    assert weights(tmp_path) == weights(undisturbed)
    assert not {path.suffix for path in tmp_path.rglob("artefacts/**/*") if path.is_file()} & {".checkpoint", ".tmp"}


def test_nothing_is_done_twice(undisturbed):
    assert "✓" not in finished(undisturbed)


def test_two_processes_share_the_work(undisturbed, tmp_path):
    both = [started(tmp_path) for _ in range(2)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert numbers(tmp_path) == numbers(undisturbed)


def test_one_of_two_processes_is_killed_and_the_other_finishes_its_training(undisturbed, tmp_path):
    first, second = (started(tmp_path) for _ in range(2))
    while first.poll() is None and not any(tmp_path.rglob("*.checkpoint")):
        time.sleep(0.001)
    first.kill()
    first.wait()
    assert second.wait(timeout=120) == 0
    assert numbers(tmp_path) == numbers(undisturbed)
    assert weights(tmp_path) == weights(undisturbed)


def test_the_numbers_are_many_and_finite(undisturbed):
    values = [value for value, _ in numbers(undisturbed).values()]
    assert len(values) == 8
    assert torch.tensor(values).isfinite().all()
