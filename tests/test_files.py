import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

import labkit
from labkit.files import lock, sweep, whole_folder, written_whole


def write(path, then):
    with written_whole(path) as file:
        file.write(b"new")
        then()


def test_the_file_appears_whole_and_alone(tmp_path):
    path = tmp_path / "a.txt"
    with written_whole(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("step", ["inside", "fsync", "replace"])
def test_whatever_fails_leaves_the_older_file_and_nothing_else(tmp_path, monkeypatch, step, error):
    def fail(*_):
        raise error

    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    if step != "inside":
        monkeypatch.setattr(os, step, fail)
    with pytest.raises(type(error)):
        write(path, fail if step == "inside" else list)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), written_whole(tmp_path / "nowhere" / "a"):
        pass


def test_a_folder_appears_when_it_is_complete(tmp_path):
    with whole_folder(tmp_path / "set") as new:
        (new / "a").write_text("1")
        assert not (tmp_path / "set").exists()
    assert [path.name for path in tmp_path.rglob("*")] == ["set", "a"]


def test_a_folder_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(FileNotFoundError), whole_folder(tmp_path / "set") as new:
        (new / "nowhere" / "a").write_text("1")
    assert list(tmp_path.iterdir()) == []


def test_what_a_kill_left_is_removed_and_nothing_else(tmp_path):
    for name in (".set.0123abcd.tmp", ".set[1].0123abcd.tmp", ".settings.0123abcd.tmp"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "half").touch()
    for name in (".a.bin.0123abcd.tmp", ".mine.tmp", "b.tmp"):
        (tmp_path / name).touch()
    with whole_folder(tmp_path / "set[1]"):
        pass
    others = {".set.0123abcd.tmp", ".settings.0123abcd.tmp", ".a.bin.0123abcd.tmp", ".mine.tmp", "b.tmp"}
    assert {path.name for path in tmp_path.iterdir()} == {*others, "set[1]"}
    sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {".mine.tmp", "b.tmp", "set[1]"}


HOLD = """
import sys
from pathlib import Path
from labkit.files import lock

with lock(Path(sys.argv[1]), wait=True):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder():
    """A function that starts a process which holds a lock until it is killed, or its input ends."""
    started = []

    def start(path):
        command = [sys.executable, "-c", HOLD, str(path)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


@pytest.mark.parametrize("name", ["a.part"])
def test_a_lock_keeps_other_processes_out_until_it_is_released(tmp_path, holder, name):
    path = tmp_path / name
    before = sorted(tmp_path.iterdir())
    with lock(path, wait=False):
        waiting = holder(path)
        assert select.select([waiting.stdout], [], [], 1.5)[0] == []  # it does not get in ...
    assert waiting.stdout.readline() == "held\n"  # ... before this one is out
    with pytest.raises(BlockingIOError, match="another process is at work there"), lock(path, wait=False):
        pass
    waiting.stdin.close()
    assert waiting.wait(20) == 0
    with lock(path, wait=False):
        pass
    assert sorted(tmp_path.iterdir()) == before  # nothing is left behind


def test_a_process_that_dies_lets_go(tmp_path, holder):
    killed = holder(tmp_path)
    assert killed.stdout.readline() == "held\n"
    killed.kill()
    killed.wait(20)
    with lock(tmp_path, wait=False):
        pass


def test_locking_a_file_leaves_its_content(tmp_path):
    path = tmp_path / "a.part"
    path.write_bytes(b"half a download")
    with lock(path, wait=True):
        assert path.read_bytes() == b"half a download"
    assert path.read_bytes() == b"half a download"


def test_nothing_imports_what_windows_lacks():
    """Where fcntl is missing, filelock does without; nobody else asks for it."""
    root = Path(labkit.__file__).parent
    assert [path.name for path in root.rglob("*.py") if "fcntl" in path.read_text(encoding="utf-8")] == []
