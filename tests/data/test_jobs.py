import concurrent.futures.process
import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest

from labkit.data.jobs import DIED, JobsError, find_files, locked, read_manifest, read_settings, report, run_jobs

JOBS = '''
"""Jobs for the tests: what one does with a file stands in the file."""

import os
import time

import cv2
import torch

from labkit.files import written_whole


def copy(source, out, note):
    """Copy a file, or do what it says, and note its name."""
    text = source.read_text()
    if text == "fail":
        raise RuntimeError("as told")
    if text == "crash":
        os.abort()
    if text == "threads":
        text = f"{torch.get_num_threads()} {cv2.getNumThreads()}"
    if text == "slow":
        time.sleep(1)
    path = out.with_name(f"{out.name}.out")
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as file:
        file.write(text.encode())
    with open(note, "a", errors="backslashreplace") as file:
        file.write(f"{source.name}\\n")
    if text == "die after":
        os._exit(3)
    return {"length": len(text), "files": [path]}
'''


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a module of jobs that new processes find, and a note of what they did."""
    (tmp_path / "jobs_for_tests.py").write_text(JOBS)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "in/deep").mkdir(parents=True)
    return tmp_path


def run(place, contents, settings=None, **options):
    from jobs_for_tests import copy  # `place` has put it on the path

    job = partial(copy, note=str(place / "done"))
    for name, content in contents.items():
        (place / "in" / name).write_text(content)
    (place / "done").unlink(missing_ok=True)
    errors = run_jobs(job, sorted(contents), place / "in", place / "out/list.jsonl", settings or {"way": 1}, **options)
    done = (place / "done").read_text().split() if (place / "done").exists() else []
    return errors, sorted(done)


def test_each_file_is_done_once_and_listed_in_order(place):
    contents = {"b": "threads", "a": "one", "deep/ü#1": "three"}
    assert run(place, contents) == ({}, ["a", "b", "ü#1"])
    assert (place / "out/deep/ü#1.out").read_text() == "three"
    assert (place / "out/b.out").read_text() == "1 1"  # one thread in each process, of torch and of OpenCV
    head, *rows = [json.loads(line) for line in (place / "out/list.jsonl").read_text().splitlines()]
    assert head == {"settings": {"way": 1}}
    assert [row["name"] for row in rows] == ["a", "b", "deep/ü#1"]
    assert rows[2] == {
        "name": "deep/ü#1",
        "bytes": 5,
        "sha256": sha256(b"three").hexdigest(),
        "length": 5,
        "files": {"deep/ü#1.out": {"bytes": 5, "sha256": sha256(b"three").hexdigest()}},
    }
    assert read_manifest(place / "out/list.jsonl")["a"] == rows[0]
    before = (place / "out/list.jsonl").read_bytes()
    assert run(place, contents) == ({}, [])
    assert (place / "out/list.jsonl").read_bytes() == before


def test_what_changed_or_is_gone_is_done_again(place):
    contents = {"a": "one", "b": "two", "c": "three", "d": "four", "e": "five"}
    run(place, contents)
    (place / "out/b.out").unlink()
    (place / "out/c.out").write_text("thr")
    (place / "out/d.out").write_text("ruof")  # as long as before
    assert run(place, {**contents, "a": "other", "f": "new"}) == ({}, ["a", "b", "c", "f"])
    contents |= {"a": "other", "e": "fail"}  # as long as "five"
    assert run(place, contents) == ({}, [])
    assert run(place, contents, verify=True) == ({"e": "RuntimeError: as told"}, ["d"])
    assert not (place / "out/e.out").exists()  # not the old one, which was of another source
    assert "e" not in read_manifest(place / "out/list.jsonl")


def test_errors_stop_nothing_and_are_tried_again(place):
    contents = {"a": "one", "b": "fail", "c": "three", "d": "fail"}
    errors, done = run(place, contents, processes=2)
    assert errors == {"b": "RuntimeError: as told", "d": "RuntimeError: as told"}
    assert done == ["a", "c"]
    assert report(errors).splitlines() == [
        "✗ b: RuntimeError: as told",
        "✗ d: RuntimeError: as told",
        "2 failed; run the same command again to retry them",
    ]
    assert run(place, {**contents, "b": "two", "d": "four"}) == ({}, ["b", "d"])


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux only")
def test_a_name_that_is_not_utf_8_stops_nothing(place):
    name = os.fsdecode(b"caf\xe9")
    assert run(place, {name: "one", "b": "two"}) == ({}, ["b", name.encode(errors="backslashreplace").decode()])
    assert list(read_manifest(place / "out/list.jsonl")) == ["b", name]
    assert run(place, {name: "one", "b": "two"}) == ({}, [])


def test_a_link_to_nothing_is_no_file(tmp_path):
    (tmp_path / "there.avi").touch()
    (tmp_path / "link.avi").symlink_to("there.avi")
    (tmp_path / "dangling.avi").symlink_to("gone.avi")
    assert find_files(tmp_path, {".avi"}) == ["link.avi", "there.avi"]


def test_a_crash_costs_only_its_file(place):
    contents = {"a": "crash", "b": "two", "c": "die after", "d": "four", "e": "five"}
    errors, done = run(place, contents, processes=2)
    assert errors == {"a": DIED, "c": DIED}
    assert set(done) == {"b", "c", "d", "e"}
    assert set(read_manifest(place / "out/list.jsonl")) == {"b", "d", "e"}


def test_a_process_that_a_broken_pool_overlooks_does_not_hold_up_the_run(place, monkeypatch):
    """When one dies, Python's pool ends those it knows of, then waits for all, also for one started meanwhile."""
    manager = concurrent.futures.process._ExecutorManagerThread
    end_broken, tell_all = manager.terminate_broken, manager.shutdown_workers

    def terminate_broken(self, cause):
        self.overlooks = True
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("multiprocessing.process.BaseProcess.terminate", lambda process: None)
            end_broken(self, cause)

    monkeypatch.setattr(manager, "terminate_broken", terminate_broken)
    monkeypatch.setattr(
        manager, "shutdown_workers", lambda self: None if hasattr(self, "overlooks") else tell_all(self)
    )
    results = []
    contents = {"a": "crash", "b": "two", "c": "three"}
    worker = threading.Thread(target=lambda: results.append(run(place, contents, processes=2)), daemon=True)
    worker.start()
    worker.join(120)
    assert not worker.is_alive()
    assert results[0][0] == {"a": DIED}


def write_manifest(place, *rows, settings='{"way": 1}'):
    """A manifest by hand, with the outputs of finished files; returns what a whole one would be."""
    (place / "out").mkdir()
    lines = [f'{{"settings": {settings}}}\n']
    for name, content in rows:
        (place / f"out/{name}.out").write_text(content)
        size = {"bytes": len(content), "sha256": sha256(content.encode()).hexdigest()}
        record = {"name": name, **size, "length": len(content), "files": {f"{name}.out": size}}
        lines.append(json.dumps(record) + "\n")
    (place / "out/list.jsonl").write_text("".join(lines))
    return "".join(lines)


def test_what_a_kill_cut_short_is_left_out(place):
    whole = write_manifest(place, ("a", "one"), ("b", "two"))
    manifest = place / "out/list.jsonl"
    manifest.write_text(whole[:-10])
    left, kept = place / "out/.b.out.0123abcd.tmp", place / "out/.mine.tmp"
    left.write_text("half")
    kept.write_text("not of a run")
    assert list(read_manifest(manifest)) == ["a"]
    assert run(place, {"a": "one", "b": "two"}) == ({}, ["b"])
    assert manifest.read_text() == whole
    assert not left.exists()
    assert kept.exists()


def test_a_manifest_cut_in_its_first_line_starts_afresh(place):
    whole = write_manifest(place, ("a", "one"))
    (place / "out/list.jsonl").write_text(whole[:5])
    assert run(place, {"a": "one"}) == ({}, ["a"])
    assert (place / "out/list.jsonl").read_text() == whole


def test_an_empty_manifest_and_none_hold_nothing(tmp_path):
    (tmp_path / "list.jsonl").touch()
    assert read_manifest(tmp_path / "list.jsonl", {"way": 1}) == read_manifest(tmp_path / "none") == {}


def test_other_settings_are_not_mixed_in(place):
    write_manifest(place, ("a", "one"), settings='{"way": [1, 2]}')
    assert run(place, {"a": "one"}, settings={"way": (1, 2)}) == ({}, [])
    with pytest.raises(JobsError, match=r'expected the settings \{"way": 3\}; got \{"way": \[1, 2\]\}: choose another'):
        run(place, {"a": "one"}, settings={"way": 3})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'{"name": "a"', b"{"),
        (b'"name"', b'"nom"'),
        (b'{"settings"', b'{"options"'),
        (b'"settings"', b'"sett\xffngs"'),
        (b'"name": "a"', b'"name": \xff"a"'),
        (b'"bytes"', b'"b"'),
        (b'"bytes": 3', b'"bytes": "3"'),
        (b'"files"', b'"f\xffles"'),
    ],
)
def test_damage_in_the_middle_is_an_error(place, old, new):
    whole = write_manifest(place, ("a", "one"), ("b", "two")).encode()
    assert old in whole
    (place / "out/list.jsonl").write_bytes(whole.replace(old, new, 1))
    with pytest.raises(
        JobsError, match=r"list.jsonl: expected a JSON record with '\w+' in line [12]; got '\{.*: delete"
    ):
        run(place, {"a": "one", "b": "two"})


def test_damaged_settings_are_an_error_when_they_alone_are_read(tmp_path):
    (tmp_path / "list.jsonl").write_bytes(b'{"settings": \xff}\n')
    with pytest.raises(JobsError, match="expected a JSON record with 'settings' in line 1"):
        read_settings(tmp_path / "list.jsonl")


def test_an_output_whose_size_is_not_noted_is_done_again(place):
    whole = write_manifest(place, ("a", "one"), ("b", "two"))
    (place / "out/list.jsonl").write_text(whole.replace('{"a.out": {"bytes"', '{"a.out": {"b"'))
    assert run(place, {"a": "one", "b": "two"}) == ({}, ["a"])


def test_two_runs_in_one_folder_do_not_mix(place):
    (place / "out").mkdir()
    with locked(place / "out"), pytest.raises(JobsError, match=r"out: expected no other run; got one at work there"):
        run(place, {"a": "one"})
    assert run(place, {"a": "one"}) == ({}, ["a"])


def test_a_file_system_without_locks_is_warned_about(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with (
        pytest.warns(UserWarning, match=r"cannot be locked .No locks available.: see that no other run"),
        locked(tmp_path),
    ):
        pass


def test_no_process_is_an_error(place):
    with pytest.raises(JobsError, match="processes must be 1 or more; got 0"):
        run(place, {"a": "one"}, processes=0)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def descendants(pid):
    children = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return [found for child in children for found in (child, *descendants(child))]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at processes as Linux shows them")
def test_a_killed_run_leaves_no_process_and_goes_on_later(place):
    contents = {name: "slow" for name in "abcdef"}
    for name, content in contents.items():
        (place / "in" / name).write_text(content)
    code = """
import sys
from functools import partial
from pathlib import Path
from jobs_for_tests import copy
from labkit.data.jobs import run_jobs

if __name__ == "__main__":
    job = partial(copy, note="done")
    run_jobs(job, list("abcdef"), Path("in"), Path("out/list.jsonl"), {"way": 1}, processes=2)
"""
    (place / "script.py").write_text(code)
    process = subprocess.Popen([sys.executable, "script.py"], cwd=place, stderr=subprocess.DEVNULL)
    manifest = place / "out/list.jsonl"
    while not read_manifest(manifest):
        assert process.poll() is None
        time.sleep(0.05)
    started = descendants(process.pid)
    assert len(started) >= 3  # the two, and what multiprocessing itself starts
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    listed = set(read_manifest(manifest))
    assert 1 <= len(listed) < 6
    for _ in range(200):
        if not any(map(alive, started)):
            break
        time.sleep(0.05)
    else:
        pytest.fail("processes outlive the run that started them")
    errors, done = run(place, contents, processes=2)
    assert errors == {}
    assert set(done) == set("abcdef") - listed
