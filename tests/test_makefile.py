"""The Makefile's recipes, run for real, with stand-ins for the tools that they call."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from runs import write_program

MAKEFILE = Path(__file__).parents[1] / "Makefile"
STAND_IN = """
import json, os, sys
with open("calls.jsonl", "a") as file:
    print(json.dumps([os.path.basename(sys.argv[1]), os.environ.get("VIRTUAL_ENV"), sys.argv[2:]]), file=file)
"""
TOOLS = ["python", "uv", "jupyter", "labkit", "ruff", "mypy", "lint-imports"]


@pytest.mark.skipif(not shutil.which("make"), reason="no make on the PATH")
def test_every_target_works_in_a_folder_of_any_name(tmp_path):
    folder = tmp_path / 'it\'s "$HOME", ünïcödé & more; (1)' / "labkit"
    (folder / "benchmarks").mkdir(parents=True)
    shutil.copy(MAKEFILE, folder)
    for needed in ("requirements.lock", "pyproject.toml", "benchmarks/requirements.lock"):
        (folder / needed).touch()
    for environment in (".venv", ".venv-peers"):
        (folder / environment / "bin").mkdir(parents=True)
    for tool in TOOLS:
        write_program(folder / ".venv/bin" / tool, STAND_IN)
    targets = ["lab", "course", "test", "test-long", "check", "bench", "notebooks", "lock"]
    command = ["make", *targets, "PYTHON=.venv/bin/python"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    calls = [json.loads(line) for line in (folder / "calls.jsonl").read_text(encoding="utf-8").splitlines()]
    environments = [environment for tool, environment, words in calls if tool == "uv" and words[1] != "compile"]
    assert environments == [str(folder / ".venv")] * 2 + [str(folder / ".venv-peers")]
    assert {tool for tool, _, _ in calls} == set(TOOLS)
