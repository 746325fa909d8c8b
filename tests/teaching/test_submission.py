import os
import subprocess
import sys

import nbformat
import pytest
import sample
from handing_in import (
    EDITORS,
    FOUND,
    RUN,
    VARIANT,
    answered,
    assert_all_there,
    cell_of,
    colab,
    hand_in,
    labels,
    read,
    run,
    unmarked,
)
from nbformat.v4 import new_code_cell, new_markdown_cell

from labkit.teaching.release import build, write
from labkit.teaching.submission import read_submission

# As it was given out


def test_a_solved_notebook(tmp_path, notebook, assignment):
    submission = read(tmp_path, notebook, assignment)
    assert_all_there(submission)
    nbformat.validate(submission.notebook)
    assert labels(submission) == RUN
    assert (submission.student_said, submission.variant_said) == ("s1", VARIANT)
    assert all(set(cell.metadata) == {"labkit"} for cell in submission.notebook.cells)


def test_a_blank_one(tmp_path, assignment):
    for name in ("07_series.ipynb", "07_series.py"):
        submission = read(tmp_path, build(assignment, "s1", VARIANT), assignment, name)
        assert set(submission.found.values()) == {"blank"}
        assert submission.texts == {}
        assert submission.notes == ()
        run(submission)


def test_levels(tmp_path, assignment):
    blank = build(assignment, "s1", VARIANT, "grad")
    assert read(tmp_path, blank, assignment, level="grad").found["guess"] == "blank"
    assert "guess" not in read(tmp_path, blank, assignment).found
    assert read(tmp_path, build(assignment, "s1", VARIANT), assignment, level="grad").found["guess"] == "missing"


def test_outputs_do_not_change_the_digest_but_answers_do(tmp_path, notebook, assignment):
    first = read(tmp_path, notebook, assignment)
    assert len(first.digest) == 64
    cell_of(notebook, "answer-means").outputs = [nbformat.v4.new_output("stream", text="3")]
    assert read(tmp_path, notebook, assignment).digest == first.digest
    cell_of(notebook, "answer-means").source += "\n1"
    assert read(tmp_path, notebook, assignment).digest != first.digest


# Round trips


@pytest.mark.parametrize("name", ["07_series.ipynb", "07_series.py"])
@pytest.mark.parametrize("editor", EDITORS)
def test_editors_lose_no_answer(tmp_path, notebook, assignment, editor, name):
    submission = read(tmp_path, editor(notebook), assignment, name)
    assert_all_there(submission)
    assert labels(submission) == RUN


@pytest.mark.parametrize("name", ["07_series.ipynb", "07_series.py"])
@pytest.mark.parametrize("editor", EDITORS)
def test_marks_may_be_deleted(tmp_path, notebook, assignment, editor, name):
    without = editor(unmarked(notebook))
    submission = read(tmp_path, without, assignment, name)
    if editor is EDITORS[0]:
        assert_all_there(submission)
        assert labels(submission) == RUN
    else:  # nothing says any more which cell the chart was
        assert submission.found == FOUND | {"chart": "missing"}
        assert submission.texts == {"why": sample.LEARNED["why"]}
        assert labels(submission) == [label if label[1] != "chart" else ("own", "") for label in RUN]
        assert "why: found below its heading" in submission.notes
        assert run(submission)["power"] == 1.0


@pytest.mark.parametrize("gone", ["setup", "given-2", "parameters", "check-scale", "question-why", "text-2"])
def test_colab_with_a_given_cell_deleted(tmp_path, notebook, assignment, gone):
    notebook.cells.remove(cell_of(notebook, gone))
    submission = read(tmp_path, colab(notebook), assignment)
    code = gone in ("setup", "given-2", "parameters")
    assert_all_there(submission, notes=[f"a given cell ({gone}) was missing: put back"] if code else [])
    assert labels(submission) == RUN


def test_all_given_cells_deleted(tmp_path, notebook, assignment):
    notebook.cells = [cell for cell in notebook.cells if "answer" in cell.metadata]
    for editor in EDITORS:
        submission = read(tmp_path, editor(notebook), assignment)
        assert_all_there(submission, notes=["was missing: put back"])
        assert labels(submission) == RUN


@pytest.mark.parametrize("edited", [".py", ".ipynb"])
@pytest.mark.parametrize("handed", [".py", ".ipynb"])
def test_jupytext_sync(tmp_path, assignment, edited, handed):
    files = write(assignment, tmp_path / "work", "s1", VARIANT)
    path = next(file for file in files if file.suffix == edited)
    if edited == ".py":
        text = path.read_text(encoding="utf-8")
        for name, answer in sample.LEARNED.items():
            mark = f"# <!-- answer: {name} -->\n" if name == "why" else f"# answer: {name}\n"
            if name == "why":
                answer = "# " + answer.replace("\n", "\n# ")
            head, _, tail = text.partition(mark)
            _, end, rest = tail.partition("\n# %%")
            text = f"{head}{mark}{answer}\n{end}{rest}"
        path.write_text(text, encoding="utf-8")
    else:
        path.write_text(nbformat.writes(answered(nbformat.read(path, as_version=4))), encoding="utf-8")
    later = path.stat().st_mtime + 5
    os.utime(path, (later, later))
    command = [sys.executable, "-m", "jupytext", "--sync", str(path)]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    other = next(file for file in files if file.suffix == handed)
    assert_all_there(read_submission(other, assignment, "s1", VARIANT))
    assert_all_there(read_submission(tmp_path / "work", assignment, "s1", VARIANT))
    cells = nbformat.read(files[0], as_version=4).cells
    assert [cell.metadata["editable"] for cell in cells if cell.metadata.get("given") == "setup"] == [False]


@pytest.mark.parametrize("name", ["07_series.ipynb", "07_series.py"])
def test_windows(tmp_path, notebook, assignment, name):
    """Line ends of two characters, also inside of the cells, and a byte order mark."""
    for cell in notebook.cells:
        cell.source = cell.source.replace("\n", "\r\n") if name.endswith("ipynb") else cell.source
    path = hand_in(tmp_path, notebook, name)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    submission = read_submission(path, assignment, "s1", VARIANT)
    assert_all_there(submission)
    assert labels(submission) == RUN
    assert "\r" not in "".join(cell.source for cell in submission.notebook.cells)


def test_scripts_as_nbconvert_writes_them(tmp_path, notebook, assignment):
    lines = ["#!/usr/bin/env python", "# coding: utf-8", ""]
    for cell in notebook.cells:
        text = cell.source if cell.cell_type == "code" else "# " + cell.source.replace("\n", "\n# ")
        lines += ["# In[ ]:" if cell.cell_type == "code" else "", "", text, ""]
    path = tmp_path / "07_series.txt.py"
    path.write_text("\n".join(lines), encoding="utf-8")
    submission = read_submission(path, assignment, "s1", VARIANT)
    assert submission.found == FOUND
    assert "Two paragraphs" in submission.texts["why"]
    assert run(submission)["power"] == 1.0


def test_cells_may_be_merged_and_split(tmp_path, notebook, assignment):
    cells = notebook.cells
    names = ["setup", "answer-scale", "check-scale"]
    merged = new_code_cell("\n\n".join(cell_of(notebook, name).source for name in names))
    texts = new_markdown_cell(
        cell_of(notebook, "question-why").source + "\n\n" + cell_of(notebook, "answer-why").source
    )
    first = new_code_cell("# answer: means\nmiddle = sum(numbers) / 200", metadata={"answer": "means"})
    second = new_code_cell("power = 1.0", metadata={"answer": "means"})
    notebook.cells = [cells[0], cells[1], merged, cell_of(notebook, "given-2"), first, second]
    notebook.cells += [cell_of(build(assignment, "s1", VARIANT), "question-chart"), *cells[-3:-2], texts]
    for editor in EDITORS:
        submission = read(tmp_path, editor(notebook), assignment)
        assert submission.found == FOUND
        assert submission.texts == {"why": sample.LEARNED["why"]}
        assert run(submission)["power"] == 1.0
        assert run(submission)["scaled"]([1, -2], base=0) == [0.5, -1.0]


def test_all_code_in_one_cell_without_marks(tmp_path, notebook, assignment):
    code = "\n\n".join(cell.source for cell in unmarked(notebook).cells if cell.cell_type == "code")
    notebook.cells = [new_code_cell(code), new_markdown_cell("## 5 · Why divide at all?"), notebook.cells[-1]]
    submission = read(tmp_path, colab(notebook), assignment)
    assert submission.found["scale"] == submission.found["means"] == submission.found["why"] == "found"
    assert run(submission)["power"] == 1.0
