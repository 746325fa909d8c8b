import getpass
import os
import platform
import subprocess
from importlib import import_module

import torch

from labkit import __file__ as package
from labkit.claims import provenance

commit = import_module("labkit.claims.provenance")._commit


def git(folder, *arguments):
    who = ["-c", "user.name=p", "-c", "user.email=p@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", "-C", folder, *who, *arguments], capture_output=True, text=True, check=True).stdout


def test_a_commit_has_a_plus_where_tracked_files_of_the_package_differ(tmp_path):
    clone = tmp_path / "clone"
    (clone / "labkit").mkdir(parents=True)
    assert commit(clone) == ""  # no clone yet
    git(clone, "init", "-q")
    (clone / "labkit" / "a.py").write_text("1\n")
    (clone / "README").write_text("1\n")
    git(clone, "add", ".")
    git(clone, "commit", "-qm", "Begin")
    short = git(clone, "rev-parse", "--short", "HEAD").strip()
    commit.cache_clear()
    assert commit(clone) == short
    (clone / "README").write_text("2\n")
    (clone / "labkit" / "b.py").write_text("not tracked\n")
    commit.cache_clear()
    assert commit(clone) == short
    (clone / "labkit" / "a.py").write_text("2\n")
    assert commit(clone) == short  # the first answer holds for the process
    commit.cache_clear()
    assert commit(clone) == short + "+"


def test_without_git_there_is_no_commit(tmp_path, monkeypatch):
    (tmp_path / ".git").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))
    commit.cache_clear()
    assert commit(tmp_path) == ""


def test_the_machine_has_no_name():
    machine = provenance()["machine"]
    assert machine == f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}"
    everything = " ".join(provenance().values())
    assert not any(name in everything for name in (platform.node(), getpass.getuser(), os.path.dirname(package)))
