import json
import os

import jupytext
import nbformat
import pytest
from handing_in import FOUND, RUN, VARIANT, assert_all_there, cell_of, hand_in, labels, read
from nbformat.v4 import new_code_cell

from labkit.teaching.release import build
from labkit.teaching.submission import SubmissionError, read_submission

# Folders and pairs


def test_of_a_pair_the_notebook_counts(tmp_path, notebook, assignment):
    hand_in(tmp_path, notebook)
    path = hand_in(tmp_path, notebook, "07_series.py")
    assert_all_there(read_submission(path.parent, assignment, "s1", VARIANT))
    cell_of(notebook, "answer-means").source += "\npower = 2"
    hand_in(tmp_path, notebook, "07_series.py")
    submission = read_submission(path.parent, assignment, "s1", VARIANT)
    assert_all_there(submission, notes=["means: 07_series.py has another answer: the one in 07_series.ipynb counts"])


def test_an_answer_that_only_the_script_has_is_missing_not_blank(tmp_path, notebook, assignment):
    path = hand_in(tmp_path, notebook, "07_series.py")
    cell_of(notebook, "answer-scale").source = cell_of(build(assignment, "s1", VARIANT), "answer-scale").source
    hand_in(tmp_path, notebook)
    submission = read_submission(path.parent, assignment, "s1", VARIANT)
    assert submission.found == FOUND | {"scale": "missing"}
    assert submission.notes == ("scale: answered in 07_series.py only: look at it",)


@pytest.mark.parametrize("damage", ["blank", "broken"])
def test_the_script_counts_where_the_notebook_says_nothing(tmp_path, notebook, assignment, damage):
    path = hand_in(tmp_path, notebook, "07_series.py")
    if damage == "blank":
        hand_in(tmp_path, build(assignment, "s1", VARIANT))
        note = "07_series.ipynb has no answers: read from 07_series.py"
    else:
        path.with_suffix(".ipynb").write_text("{", encoding="utf-8")
        note = "only 07_series.py could be read"
    submission = read_submission(path.parent, assignment, "s1", VARIANT)
    assert_all_there(submission, notes=[note])
    assert submission.path == path


@pytest.mark.parametrize("name", ["07_series (1).ipynb", "Zoë 王 🎓.ipynb", "ÜBUNG.PY", "sub/07_series.ipynb"])
def test_names_may_be_of_any_kind(tmp_path, notebook, assignment, name):
    folder = tmp_path / "name"
    (folder / "sub").mkdir(parents=True)
    write_as = jupytext.writes(notebook, fmt="py:percent") if name.endswith(".PY") else nbformat.writes(notebook)
    (folder / name).write_text(write_as, encoding="utf-8")
    (folder / "._07_series.ipynb").write_bytes(b"\x00\x05\x16\x07")  # what macOS adds
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "07_series.ipynb").write_text("{", encoding="utf-8")
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / ".ipynb_checkpoints" / "07_series-checkpoint.ipynb").write_text("{", encoding="utf-8")
    (folder / "data.csv").write_text("1,2", encoding="utf-8")
    assert_all_there(read_submission(folder, assignment, "s1", VARIANT))


def test_the_right_name_counts_among_several(tmp_path, notebook, assignment):
    path = hand_in(tmp_path, notebook)
    hand_in(tmp_path, build(assignment, "s1", VARIANT), "Untitled.ipynb")
    hand_in(tmp_path, build(assignment, "s1", VARIANT), "07_series_old.ipynb")
    assert_all_there(read_submission(path.parent, assignment, "s1", VARIANT))


# What cannot be read


def refusal(path, assignment):
    with pytest.raises(SubmissionError) as error:
        read_submission(path, assignment, "s1", VARIANT)
    assert str(error.value).startswith(str(path))
    return str(error.value).removeprefix(str(path))


WHOLE = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}
BAD = [
    ("07_series.ipynb", b"\xff\xfe\x00x", ": expected text in UTF-8; got something else at byte 0: save it as UTF-8"),
    ("07_series.py", "# %%\nx = '\u00e4'".encode("latin-1"), ": expected text in UTF-8; got something else at byte 10"),
    ("07_series.ipynb", b"", ": expected a notebook; got no JSON (Expecting value"),
    ("07_series.ipynb", b"# %%\nx = 1", ": expected a notebook; got no JSON"),
    ("07_series.ipynb", b"[" * 100_000, ": expected a notebook; got no JSON"),
    ("07_series.ipynb", b"[]", ": expected a notebook; got JSON without a list of cells: save it again"),
    ("07_series.ipynb", b'{"cells": {"a": 1}}', ": expected a notebook; got JSON without a list of cells"),
    ("07_series.ipynb", json.dumps(WHOLE | {"cells": [3]}).encode(), ", cell 1: expected code or text; got neither"),
    ("07_series.ipynb", json.dumps(WHOLE | {"cells": [{"cell_type": "code"}]}).encode(), ", cell 1: expected code"),
    ("07_series.ipynb", json.dumps(WHOLE | {"cells": [{"cell_type": "x", "source": ""}]}).encode(), ", cell 1: "),
    ("07_series.ipynb", json.dumps(WHOLE | {"cells": [{"cell_type": "raw", "source": "x"}] * 2001}).encode(),
     ": expected at most 2000 cells and 2,000,000 characters; got 2001 cells"),
    ("07_series.ipynb", json.dumps(WHOLE | {"cells": [{"cell_type": "raw", "source": "x" * 2_000_001}]}).encode(),
     ": expected at most 2000 cells and 2,000,000 characters; got 1 cells and 2,000,001"),
    ("07_series.py", b"x = 1\n" * 400_000, ": expected at most 2,000,000 characters; got 2,400,000"),
    ("07_series.ipynb", b" " * 20_000_001, ": expected at most 20 MB; got more: clear the outputs and save it again"),
    ("07_series.zip", b"PK", ": expected an .ipynb or a .py; got '07_series.zip': hand in the notebook"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "message"), BAD, ids=[message[:40] for _, _, message in BAD])
def test_what_cannot_be_read_is_said_in_a_sentence(tmp_path, assignment, name, content, message):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / name).write_bytes(content)
    assert refusal(tmp_path / "x" / name, assignment).startswith(message)


def test_folders_without_a_clear_notebook(tmp_path, notebook, assignment):
    folder = tmp_path / "handed in"
    assert refusal(folder, assignment) == ": expected a notebook; got nothing there: check the path"
    folder.mkdir()
    assert (
        refusal(folder, assignment) == ": expected 07_series.ipynb or 07_series.py; got neither: hand in the notebook"
    )
    hand_in(tmp_path, notebook, "one.ipynb")
    hand_in(tmp_path, notebook, "two.ipynb")
    assert refusal(folder, assignment) == ": expected one notebook; got one.ipynb, two.ipynb: keep the one that counts"


def test_links_are_not_followed(tmp_path, notebook, assignment):
    path = hand_in(tmp_path, notebook)
    (tmp_path / "link").symlink_to(path.parent)
    assert (
        refusal(tmp_path / "link", assignment) == ": expected a file or a folder; got a link: hand in the file itself"
    )
    folder = tmp_path / "links"
    folder.mkdir()
    (folder / "07_series.ipynb").symlink_to(path)
    with pytest.raises(SubmissionError, match=r"07_series.ipynb: expected a file; got a link: hand in the file itself"):
        read_submission(folder, assignment, "s1", VARIANT)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are a thing of Unix")
def test_pipes_do_not_hang(tmp_path, assignment):
    os.mkfifo(tmp_path / "07_series.ipynb")
    assert "got something else: hand in the notebook" in refusal(tmp_path / "07_series.ipynb", assignment)


@pytest.mark.parametrize(
    "code",
    [
        "(" * 5000,
        "-" * 100_000 + "1",
        "x" + ".a" * 40_000,
        "x = " + "[" * 90,
        "\x00",
        "\ud800",
        "if 1:\n" * 90,
        "a\x0cb",
    ],
)
def test_hostile_code_breaks_nothing(tmp_path, notebook, assignment, code):
    path = hand_in(tmp_path, notebook)
    content = json.loads(path.read_text(encoding="utf-8"))
    for number in (4, 9):
        content["cells"][number]["source"] = "".join(content["cells"][number]["source"]) + "\n" + code
    content["cells"].insert(
        1, {"cell_type": "code", "source": code, "metadata": {"tags": 3, "answer": ["x"]}, "id": []}
    )
    path.write_text(json.dumps(content), encoding="utf-8")
    submission = read_submission(path, assignment, "s1", VARIANT)
    assert submission.found == FOUND
    json.dumps(submission.notebook)


def test_many_and_long_cells(tmp_path, notebook, assignment):
    notebook.cells.remove(cell_of(notebook, "given-2"))
    notebook.cells[3:3] = [new_code_cell(f"x = {number}\n" * 50) for number in range(1500)]
    notebook.cells.append(new_code_cell("y = 1\n" * 100_000))
    cell_of(notebook, "answer-scale").source += "\n" + "z = 1\n" * 30_000
    submission = read(tmp_path, notebook, assignment)
    assert submission.found == FOUND
    assert [label for label in labels(submission) if label != ("own", "")] == RUN


def test_metadata_that_steers_the_runner_is_dropped(tmp_path, notebook, assignment):
    cell_of(notebook, "answer-scale").metadata["tags"] = ["raises-exception", "skip-execution", "parameters"]
    submission = read(tmp_path, notebook, assignment)
    assert submission.found == FOUND
    assert all(set(cell.metadata) == {"labkit"} for cell in submission.notebook.cells)
