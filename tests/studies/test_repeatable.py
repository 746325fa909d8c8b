"""The same seed, the same numbers: whole commands, in processes of their own."""

import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from labkit import claims

ROWS = ["study", "run", "09", "--profile", "smoke", "--rows", "fine_tuned,nb_tl", "--seeds", "3", "--device", "cpu"]


def run(folder, threads):
    """Every tensor that a run of two rows keeps, networks and scores among them, and the values of its records."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "labkit.cli", *ROWS, "--out", str(folder)]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    kept = {path.stem: load_file(path) for path in folder.rglob("*.safetensors")}
    tensors = {f"{name}, {key}": tensor for name, held in kept.items() for key, tensor in held.items()}
    return tensors, {line.metric: line.value for line in claims.records("back_dropout", folder / "results")}


@pytest.mark.long
def test_a_second_run_of_a_seed_is_equal_to_the_bit_and_with_other_threads_nearly(tmp_path):
    first, values = run(tmp_path / "first", threads=1)
    second, again = run(tmp_path / "a second", threads=1)
    assert len(first) > 20
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert values == again
    others, with_others = run(tmp_path / "two threads", threads=2)
    (scores,) = (name for name in first if name.startswith("scores.test.fine_tuned"))
    torch.testing.assert_close(others[scores], first[scores], rtol=0, atol=1e-3)
    assert with_others == pytest.approx(values, abs=3)  # one of 36 test clips
