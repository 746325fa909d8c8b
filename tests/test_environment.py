"""pyproject.toml says what the lab needs, requirements.lock pins it, environment.yml passes it on to conda users."""

import itertools
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = ["requirements.lock", "benchmarks/requirements.lock"]


def locked(name):
    """Every (package, version, markers and hashes) of a lock file."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return re.findall(r"^([\w.-]+)==(\S+)((?:.*\\\n)*.*)", text, flags=re.M)


def wanted():
    lines = [*PROJECT["project"]["dependencies"], *itertools.chain.from_iterable(PROJECT["dependency-groups"].values())]
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize("requirement", wanted(), ids=lambda requirement: requirement.name)
def test_the_lock_satisfies_the_project(requirement):
    versions = [v for name, v, _ in locked("requirements.lock") if canonicalize_name(name) == requirement.name]
    assert versions, f"{requirement.name} is not in requirements.lock: run `make lock`"
    for version in versions:
        assert requirement.specifier.contains(version, prereleases=True), f"{version}: run `make lock`"


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_hashes_and_nothing_names_an_address(name):
    entries = locked(name)
    assert entries
    for package, _, rest in entries:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", rest), package
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"://|file:|--(extra-)?index-url \S|--find-links \S|^-e ", text, flags=re.M)


def test_exactly_one_opencv():
    names = {canonicalize_name(name) for name, _, _ in locked("requirements.lock")}
    assert {name for name in names if name.startswith("opencv")} == {"opencv-contrib-python-headless"}


def test_conda_users_get_the_same_lock():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    *plain, pip = environment["dependencies"]
    assert pip == {"pip": ["-r requirements.lock"]}
    python = next(line for line in plain if line.startswith("python="))
    assert Requirement(f"python{PROJECT['project']['requires-python']}").specifier.contains(python.split("=")[1] + ".0")
    assert sorted(plain) == ["pip", python], "everything else comes from the lock"


def test_setuptools_is_locked_so_that_the_project_installs_without_a_network():
    assert "setuptools" in {name for name, _, _ in locked("requirements.lock")}
