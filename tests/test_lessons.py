import os
import shutil

import pytest

from labkit import cli, course, folders
from labkit.lessons import copy_lessons

LESSON = """\
# %% [markdown]
# # A title
# Run `.venv/bin/labkit study list 02`, and look at [the file](../labkit/flow/warp.py).

# %% tags=["parameters"]
seed = 0
"""


@pytest.fixture
def package(tmp_path):
    """An installed package that carries two lessons and a script."""
    package = tmp_path / "site-packages" / "labkit"
    carried = package / "_clone"
    for name in ("notebooks/00_start_here.py", "notebooks/02_two_stream.py", "data_scripts/ucf101.py"):
        (carried / name).parent.mkdir(parents=True, exist_ok=True)
        (carried / name).write_text(LESSON, encoding="utf-8")
    (carried / "notebooks" / "results").mkdir()
    return package


@pytest.fixture
def installed(package, tmp_path, monkeypatch):
    """As if labkit were installed from a wheel, in an empty current folder."""
    for module in ("labkit.folders", "labkit.lessons"):
        monkeypatch.setattr(f"{module}.PACKAGE", package)
        monkeypatch.setattr(f"{module}.CARRIED", package / "_clone")
    monkeypatch.setattr("labkit.lessons.CARRIED", package / "_clone")
    monkeypatch.setattr("labkit.lessons.PACKAGE", package)
    here = tmp_path / "a folder with spaces"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


def test_in_a_clone_everything_is_the_clones():
    clone = folders.clone()
    assert clone == folders.PACKAGE.parent == folders.home()
    assert folders.notebooks_folder() == clone / "notebooks"
    assert folders.results_folder() == clone / "notebooks" / "results"
    assert folders.command() == ".venv/bin/labkit"


def test_an_installed_package_has_its_own_copy_until_the_learner_has_one(installed, package):
    assert folders.clone() is None
    assert folders.notebooks_folder() == package / "_clone" / "notebooks"
    copy_lessons(installed / folders.LEARNERS)
    for here in (installed, installed / folders.LEARNERS, installed / folders.LEARNERS / "notebooks"):
        os.chdir(here)
        assert folders.home() == installed / folders.LEARNERS
        assert [path.parent for path in course.sources()] == [installed / folders.LEARNERS / "notebooks"] * 2
        assert folders.results_folder() == package / "_clone" / "notebooks" / "results"
    assert folders.command() == "labkit"


def test_lessons_are_copied_with_links_and_commands_that_work(installed, package):
    copied = copy_lessons(installed / "mine")
    assert copied.added == ("data_scripts/ucf101.py", "notebooks/00_start_here.py", "notebooks/02_two_stream.py")
    assert copied.kept == ()
    assert (installed / "mine" / "labkit").resolve() == package
    lesson = (installed / "mine" / "notebooks" / "02_two_stream.py").read_text(encoding="utf-8")
    assert "`labkit study list 02`" in lesson


def test_nothing_is_overwritten_and_what_is_missing_is_added(installed):
    copy_lessons(installed)
    first, second = installed / "notebooks/00_start_here.py", installed / "notebooks/02_two_stream.py"
    assert copy_lessons(installed).kept == ()
    first.write_text(
        "# ---\n# jupyter:\n#   jupytext:\n#     jupytext_version: 1.19.1\n# ---\n\n"
        + first.read_text(encoding="utf-8"),
        encoding="utf-8",
    )
    assert copy_lessons(installed).kept == (), "a header that JupyterLab has written is no change"
    first.write_text(mine := LESSON.replace("seed = 0", "seed = 7"), encoding="utf-8")
    second.unlink()
    copied = copy_lessons(installed)
    assert (copied.added, copied.kept) == (("notebooks/02_two_stream.py",), ("notebooks/00_start_here.py",))
    assert first.read_text(encoding="utf-8") == mine


def test_a_link_to_another_environment_is_renewed_but_a_folder_of_that_name_is_kept(installed, package, tmp_path):
    link = installed / "labkit"
    link.symlink_to(tmp_path / "gone")
    copy_lessons(installed)
    assert link.resolve() == package
    link.unlink()
    link.mkdir()
    (link / "mine.py").touch()
    said = f"links to files of labkit do not open here ({link} is something else): read them in {package}"
    assert copy_lessons(installed).unlinked == said
    assert (link / "mine.py").exists()
    link.rename(tmp_path / "other")
    link.symlink_to(tmp_path / "other")  # nor is the learner's own link replaced
    assert copy_lessons(installed).unlinked == said
    assert link.resolve() == tmp_path / "other"


def test_where_there_are_no_links_it_says_where_the_files_are(installed, package, monkeypatch):
    def refuse(*_, **__):
        raise OSError(1, "privilege not held")

    monkeypatch.setattr("pathlib.Path.symlink_to", refuse)
    assert copy_lessons(installed).unlinked.endswith(f"(privilege not held): read them in {package}")


def test_lab_copies_writes_notebooks_and_opens_them(installed, package, monkeypatch, capsys):
    commands = []
    monkeypatch.setattr("os.execv", lambda program, command: commands.append(command))
    cli.main(["lab", "--port", "9999"])
    home = installed / folders.LEARNERS
    assert (home / "notebooks" / "02_two_stream.ipynb").is_file()
    assert f"--notebook-dir={home}" in commands[0]
    assert commands[0][-2:] == ["--port", "9999"]
    assert f"3 files added to {home}" in capsys.readouterr().out
    (home / "notebooks" / "02_two_stream.py").write_text(LESSON + "\n# %%\nseed\n", encoding="utf-8")
    os.chdir(home)
    cli.main(["lab"])
    assert "kept as they are, though this labkit has others: notebooks/02_two_stream.py (" in capsys.readouterr().out
    assert cli.main(["lab", "another", "--copy-only"]) == 0
    assert (home / "another" / "notebooks" / "00_start_here.ipynb").is_file()
    assert len(commands) == 2
    assert not list(package.rglob("*.ipynb")), "nothing is written into the package"
    shutil.rmtree(package / "_clone")
    assert cli.main(["lab"]) == 2
    assert "install it again" in capsys.readouterr().err


def test_commands_that_need_a_clone_or_a_copy_say_so(installed, capsys):
    assert cli.main(["notebooks"]) == 2
    assert "✗ there are no lessons here: `labkit lab --copy-only` copies them" in capsys.readouterr().err
    assert cli.main(["study", "run", "02"]) == 2
    assert "--out must be a folder where labkit has no clone" in capsys.readouterr().err


def test_in_a_clone_there_is_nothing_to_copy(capsys):
    assert cli.main(["lab", "--copy-only"]) == 2
    assert "needs an installed labkit" in capsys.readouterr().err
