"""A wheel is built, without a network, from a copy of what it is built from."""

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
BUILD = "from setuptools import build_meta; print(build_meta.build_{kind}({folder!r}))"


def build(folder, kind):
    code = BUILD.format(kind=kind, folder=str(folder))
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("a clone") / "labkit"
    folder.mkdir()
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "requirements.lock"):
        shutil.copy(ROOT / name, folder)
    ignore = shutil.ignore_patterns("__pycache__", "*.ipynb", ".*")
    for name in ("labkit", "notebooks", "assignments", "data_scripts"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    (folder / "notebooks" / "scratch.py").touch()
    return folder


@pytest.fixture(scope="module")
def wheel(clone):
    with zipfile.ZipFile(build(clone, "wheel")) as archive:
        return {item.filename: item.file_size for item in archive.infolist()}


def files(folder, *patterns):
    return {path.relative_to(ROOT).as_posix() for pattern in patterns for path in (ROOT / folder).glob(pattern)}


def sources():
    """What a wheel has beside the package."""
    lessons = files("notebooks", "[0-9][0-9]_*.py", "results/*.jsonl")
    return lessons | files("assignments", "*.py") | files("data_scripts", "*.py")


def test_a_wheel_carries_lessons_results_and_scripts_laid_out_like_a_clone(wheel):
    carried = {name.removeprefix("labkit/_clone/") for name in wheel if name.startswith("labkit/_clone/")}
    wanted = sources()
    assert len(wanted) > 30
    assert carried == wanted


def test_a_wheel_carries_every_file_of_the_package(wheel):
    ours = {name for name in files("labkit", "**/*.*") if "__pycache__" not in name and "/." not in name}
    ours = {name for name in ours if (ROOT / name).is_file()}
    assert {name for name in ours if "safetensors" in name or ".toml" in name}
    assert ours <= set(wheel)
    assert {name.split("/")[0] for name in wheel} == {"labkit", f"labkit-{PROJECT['version']}.dist-info"}
    assert 5e6 < sum(wheel.values()) < 40e6


def test_a_source_distribution_has_what_the_wheel_is_made_of(clone):
    import tarfile

    with tarfile.open(build(clone, "sdist")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert sources() <= names
    assert {"setup.py", "pyproject.toml", "LICENSE"} <= names


def test_an_editable_installation_carries_no_copy(clone):
    path = build(clone, "editable")
    with zipfile.ZipFile(path) as archive:
        assert not [name for name in archive.namelist() if "_clone" in name]


def test_the_pythons_that_it_is_for_are_named_twice_and_agree():
    from packaging.specifiers import SpecifierSet

    named = [line.split(" :: ")[-1] for line in PROJECT["classifiers"] if " :: 3." in line]
    allowed = SpecifierSet(PROJECT["requires-python"])
    assert [version for version in (f"3.{minor}" for minor in range(8, 20)) if f"{version}.1" in allowed] == named


@pytest.mark.parametrize("module", ["labkit", "labkit.cli", "labkit.folders"])
def test_importing_labkit_is_light(module):
    heavy = {"torch", "numpy", "cv2", "plotly", "jupyterlab", "nbformat"}
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert heavy.isdisjoint(done.stdout.split())
