import ast
import os
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest

from labkit import course
from labkit.parameters import check, user_path

each_notebook = pytest.mark.parametrize("source", course.sources(), ids=lambda source: source.stem)
PROFILES = "profile must be one of smoke, lesson, study, paper;"
GOOD = {"profile": "lesson", "dataset": "world", "data_root": "", "video": "", "rate": 1.0, "seed": 0, "device": "cpu"}


def check_01(**changes):
    check({**GOOD, **changes}, dataset=["world", "ucf101"], video=str, rate=float)


@pytest.mark.parametrize(
    "changes", [{}, {"profile": "smoke"}, {"dataset": "ucf101"}, {"rate": 2}, {"seed": 7}, {"x": 1}]
)
def test_what_a_notebook_knows_passes(changes):
    check_01(**changes)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"profile": "Lesson"}, ValueError, f"{PROFILES} got 'Lesson': did you mean 'lesson'?"),
        ({"profile": "fast"}, ValueError, f"{PROFILES} got 'fast'"),
        ({"dataset": "UCF-101"}, ValueError, "dataset must be one of world, ucf101; got 'UCF-101': did you mean 'uc"),
        ({"seed": "0"}, TypeError, "seed must be of type int; got '0', str: write it without quotes"),
        ({"seed": True}, TypeError, "seed must be of type int; got True, bool: write it without quotes"),
        ({"rate": "1"}, TypeError, "rate must be of type float; got '1', str: write it without quotes"),
        ({"data_root": 2024}, TypeError, "data_root must be of type str; got 2024, int: put it in quotes, or give"),
        ({"profile": None}, TypeError, "profile must be of type str; got None, NoneType: put it in quotes"),
    ],
)
def test_wrong_values_are_named_with_the_choices(changes, error, message):
    with pytest.raises(error) as caught:
        check_01(**changes)
    assert str(caught.value).startswith(message)


def test_a_parameter_that_is_not_set_is_named():
    namespace = {name: value for name, value in GOOD.items() if name != "video"}
    message = r"the parameter video must be set; .* did you mean 'vidoe'\?: run the cell with"
    with pytest.raises(NameError, match=message):
        check({**namespace, "vidoe": "clip.mp4"}, dataset=["world"], video=str, rate=float)


INJECTED = '# Parameters\nvidoe = "clip.mp4"\nseed = 1\n'


def test_a_name_that_papermill_made_up_is_an_error():
    message = "parameters must be among profile, dataset, data_root, video, rate, seed, device; got 'vidoe'"
    with pytest.raises(NameError, match=rf"{message}: did you mean 'video'\?"):
        check_01(In=["", 'profile = "lesson"', INJECTED, "parameters.check(...)"])


@pytest.mark.parametrize(
    "history",
    [
        [""],
        ["", "parameters.check(...)"],
        ["", "# Parameters\nseed = 1\n", "parameters.check(...)"],
        ["", INJECTED, "# Parameters\nvideo = ''\n", "parameters.check(...)"],  # the learner has mended it
        ["", "x = 1", "# Parameters of my own\nlearning_rate = 1", "parameters.check(...)"],
        ["", "# Parameters\nvidoe = 'clip.mp4", "parameters.check(...)"],  # which did not run
        ["", INJECTED, "x = 1", "parameters.check(...)"],  # the notebook continues, and the cell is run again
    ],
)
def test_there_is_no_false_alarm(history):
    check_01(In=history, vidoe="clip.mp4", learning_rate=1)


def beginning(source):
    """The cell of parameters, its names, and the cell after it up to the check."""
    cells = [cell for cell in jupytext.read(source).cells if cell.cell_type == "code"]
    body = ast.parse(cells[1].source).body
    called = [number for number, node in enumerate(body) if "parameters.check(globals()" in ast.unparse(node)]
    assert len(called) == 1
    return cells[0].source, ast.unparse(ast.Module(body[: called[0] + 1], []))


@each_notebook
def test_each_notebook_checks_all_of_its_parameters(source, monkeypatch):
    declared, call = beginning(source)
    exec(f"{declared}\n{call}", {})  # it takes its defaults
    names, namespace = {}, {}
    exec(declared, names)
    monkeypatch.setattr("labkit.parameters.check", lambda namespace, **expected: names.update(expected=expected))
    exec(call, namespace)
    known = {"profile", "data_root", "seed", "device", *names.pop("expected")}
    assert known == set(names) - {"__builtins__"}


def test_each_notebook_takes_the_data_sets_of_the_ledger():
    from labkit.claims import ledger

    rows_alone = {("05", "ucf101"), ("07", "act"), ("07", "fcvid"), ("08", "ucf101")}  # of no whole lesson
    papers = {paper.notebook: paper.datasets for paper in ledger().values()}
    for source in course.sources():
        declared, call = beginning(source)
        for dataset in papers.get(source.name[:2], []):
            if (source.name[:2], dataset) not in rows_alone:
                exec(f"{declared}\ndataset = {dataset!r}\n{call}", {})


def test_papermill_stops_at_the_first_cell_of_notebook_01(tmp_path):
    source = next(source for source in course.sources() if source.stem == "01_video_and_flow")
    message = "NameError: parameters must be among .*; got 'vidoe': did you mean 'video'"
    with pytest.raises(course.NotebookError, match=message):
        course.run(source, tmp_path / "01.ipynb", {"vidoe": "clip.mp4"})


PATHS = """\
# %% tags=["parameters"]
video = ""

# %%
from labkit.parameters import user_path

print(user_path(video))
"""


def test_a_relative_path_is_taken_from_where_the_user_stood(tmp_path):
    for folder in ("notebooks", "stood"):
        (tmp_path / folder).mkdir()
    (tmp_path / "stood/clip.mp4").touch()
    source = tmp_path / "notebooks/paths.py"
    source.write_text(PATHS, encoding="utf-8")
    course.write_notebook(source)
    command = [sys.executable, "-m", "papermill", "../notebooks/paths.ipynb", "out.ipynb", "--cwd", "../notebooks"]
    command += ["--kernel", "python3", "--language", "python", "-p", "video", "clip.mp4"]
    environment = {**os.environ, "PWD": str(tmp_path / "stood")}  # as a shell has it
    subprocess.run(command, cwd=tmp_path / "stood", env=environment, check=True)
    cells = nbformat.read(tmp_path / "stood/out.ipynb", as_version=4).cells
    assert cells[-1].outputs[0]["text"] == f"{tmp_path}/stood/clip.mp4\n"


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """A notebook's folder, which is the working folder, the folder where the user stood, and a home."""
    for name in ("notebooks", "stood", "home"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    monkeypatch.setenv("PWD", str(tmp_path / "stood"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


def test_paths_are_found_in_the_notebooks_folder_first_and_parts_are_joined(folders):
    (folders / "stood/data").mkdir()
    for name in ("clip.mp4", "data/clip.mp4"):
        (folders / "stood" / name).touch()
    assert user_path("clip.mp4") == str(folders / "stood/clip.mp4")
    assert user_path("data", "clip.mp4") == str(folders / "stood/data/clip.mp4")
    (folders / "notebooks/clip.mp4").touch()
    assert user_path("clip.mp4") == str(folders / "notebooks/clip.mp4")
    assert user_path("~/clip.mp4") == user_path("/data", "~/clip.mp4") == str(folders / "home/clip.mp4")
    assert user_path("", "/clip.mp4") == "/clip.mp4"
    assert user_path("/nowhere", "clip.mp4") == "/nowhere/clip.mp4"
    assert user_path("") == user_path("", "") == ""


def test_a_path_to_nothing_is_named_with_both_folders_or_the_only_one(folders, monkeypatch):
    with pytest.raises(FileNotFoundError) as caught:
        user_path("clip.mp4")
    where = f"{folders}/notebooks/clip.mp4 or at {folders}/stood/clip.mp4"
    expected = f"clip.mp4: expected a file or folder at {where}; got nothing there: check the path"
    assert str(caught.value) == expected
    monkeypatch.delenv("PWD")
    with pytest.raises(FileNotFoundError, match=r"at [^ ]*/notebooks/clip\.mp4; got nothing there"):
        user_path("clip.mp4")


def test_a_user_that_does_not_exist_is_a_path_to_nothing(folders):
    with pytest.raises(FileNotFoundError, match=r"~no_such_user/clip.mp4: expected a file or folder at"):
        user_path("~no_such_user/clip.mp4")


def test_checking_is_light():
    """It comes before everything else, so that a misspelling is named within a second."""
    code = "import sys, labkit.parameters; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])
