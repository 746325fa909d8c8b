import copy

import nbformat
import pytest
import sample
from handing_in import (
    EDITORS,
    FOUND,
    RUN,
    VARIANT,
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

from labkit.teaching.release import build
from labkit.teaching.submission import read_submission

# What students do


def test_a_duplicated_answer(tmp_path, notebook, assignment):
    place = notebook.cells.index(cell_of(notebook, "answer-scale"))
    second = copy.deepcopy(notebook.cells[place])
    second.update(id="another", source=second.source.replace("+ base", "- base"))
    notebook.cells.insert(place + 1, second)
    for editor in EDITORS:
        submission = read(tmp_path, editor(notebook), assignment)
        assert submission.notes == ("scale: answered in 2 cells: the last one counts",)
        assert run(submission)["scaled"]([1, -2], base=1) == [-0.5, -2.0]


def test_a_duplicated_text(tmp_path, notebook, assignment):
    second = copy.deepcopy(notebook.cells[-1])
    second.update(id="another", source="<!-- answer: why -->\nNo, because of this.")
    notebook.cells.append(second)
    submission = read(tmp_path, colab(notebook), assignment)
    assert submission.texts["why"] == "No, because of this."
    assert submission.notes == ("why: answered in 2 cells: the last one counts",)
    second.source = "<!-- answer: why -->\n*Your answer here.*"  # a copy that was left blank does not count
    assert read(tmp_path, colab(notebook), assignment).texts == {"why": sample.LEARNED["why"]}


def test_an_answer_in_another_cell_than_its_own(tmp_path, assignment):
    """The stub below it must not undo it."""
    blank = build(assignment, "s1", VARIANT)
    blank.cells.insert(3, new_code_cell(sample.LEARNED["scale"]))
    place = blank.cells.index(cell_of(blank, "answer-means"))
    blank.cells.insert(place, new_code_cell(sample.LEARNED["means"]))
    submission = read(tmp_path, blank, assignment)
    assert [submission.found[name] for name in ("scale", "means", "chart")] == ["found", "found", "blank"]
    assert run(submission)["power"] == 1.0
    assert run(submission)["scaled"]([1, -2], base=0) == [0.5, -1.0]
    assert "scale: answered in another cell than the one for it, which was left out" in submission.notes


def test_two_answers_in_one_cell(tmp_path, assignment):
    blank = build(assignment, "s1", VARIANT)
    cell_of(blank, "answer-means").source += "\n" + sample.LEARNED["means"] + "\n" + sample.LEARNED["scale"]
    submission = read(tmp_path, blank, assignment)
    assert submission.found["scale"] == submission.found["means"] == "found"
    assert run(submission)["scaled"]([1, -2], base=0) == [0.5, -1.0]


def test_helper_cells_stay_where_they_are(tmp_path, notebook, assignment):
    place = notebook.cells.index(cell_of(notebook, "answer-scale"))
    notebook.cells.insert(place, new_code_cell("def helper(x):\n    return x"))
    notebook.cells.insert(place + 2, new_markdown_cell("A thought of my own."))
    notebook.cells.append(new_code_cell("%matplotlib inline\n!ls"))
    submission = read(tmp_path, colab(notebook), assignment)
    assert submission.found == FOUND
    assert labels(submission) == [*RUN[:2], ("own", ""), *RUN[2:], ("own", "")]
    assert "A thought of my own." in [cell.source for cell in submission.notebook.cells]


def test_a_cell_copied_for_something_else_is_no_answer(tmp_path, assignment):
    blank = build(assignment, "s1", VARIANT)
    place = blank.cells.index(cell_of(blank, "answer-scale"))
    blank.cells.insert(place, new_code_cell("helper = 1", metadata={"answer": "scale"}))
    submission = read(tmp_path, blank, assignment)
    assert submission.found["scale"] == "blank"
    assert run(submission)["helper"] == 1


@pytest.mark.parametrize("editor", EDITORS)
def test_given_cells_are_ours_again(tmp_path, notebook, assignment, editor):
    cell = cell_of(notebook, "given-2")
    cell.source = cell.source.replace("gauss(0, 1)", "gauss(5, 0)")
    submission = read(tmp_path, editor(notebook), assignment)
    assert_all_there(submission, notes=["a given cell (given-2) was changed: graded with the original"])
    assert labels(submission) == RUN
    assert abs(run(submission)["middle"]) < 1
    unmarked_one = read(tmp_path, editor(unmarked(notebook)), assignment)
    assert labels(unmarked_one)[3] == ("given", "given-2")


def test_an_answer_in_a_given_cell_is_taken_from_there(tmp_path, assignment):
    blank = build(assignment, "s1", VARIANT)
    cell = cell_of(blank, "given-2")
    cell.source += f"\nnumbers = []\n\n{sample.LEARNED['scale']}\n"
    submission = read(tmp_path, colab(blank), assignment)
    assert submission.found["scale"] == "found"
    assert "scale: found in a given cell (given-2)" in submission.notes
    space = run(submission)
    assert space["scaled"]([1, -2], base=0) == [0.5, -1.0]
    assert len(space["numbers"]) == 200


def test_checks_are_left_out_unless_they_hold_an_answer(tmp_path, assignment, notebook):
    cell_of(notebook, "check-scale").source = "# check: scale\nprint('scale: fine so far')"
    assert labels(read(tmp_path, notebook, assignment)) == RUN
    blank = build(assignment, "s1", VARIANT)
    cell_of(blank, "check-scale").source += "\n" + sample.LEARNED["scale"]
    submission = read(tmp_path, blank, assignment)
    assert submission.found["scale"] == "found"
    assert run(submission)["scaled"]([1, -2], base=0) == [0.5, -1.0]


def test_moved_cells_keep_a_missing_one_in_its_place(tmp_path, notebook, assignment):
    """An answer was moved to the end; what was given between others goes where it stood, not to the end."""
    scale = cell_of(notebook, "answer-scale")
    notebook.cells.remove(scale)
    notebook.cells.remove(cell_of(notebook, "given-2"))
    notebook.cells.append(scale)
    submission = read(tmp_path, colab(notebook), assignment)
    assert labels(submission) == [*RUN[:2], *RUN[3:], RUN[2]]


def test_an_answer_below_its_heading(tmp_path, assignment):
    for editor in EDITORS:
        blank = build(assignment, "s1", VARIANT)
        blank.cells.append(new_markdown_cell("Because of the units."))  # below the cell for it
        submission = read(tmp_path, editor(blank), assignment)
        assert submission.texts == {"why": "Because of the units."}
        assert submission.notes == ("why: found below the cell for it",)
        blank.cells.pop(-2)
        submission = read(tmp_path, editor(blank), assignment)
        assert submission.texts == {"why": "Because of the units."}
        assert submission.notes == ("why: found below its heading",)


def test_an_answer_in_the_cell_of_its_question(tmp_path, assignment):
    blank = build(assignment, "s1", VARIANT)
    cell_of(blank, "question-why").source += "\n\nBecause of the units."
    for editor in EDITORS:
        submission = read(tmp_path, editor(blank), assignment)
        assert submission.texts == {"why": "Because of the units."}
        assert submission.notes == ("why: found in the cell of its question",)


def test_a_text_may_go_on_in_further_cells(tmp_path, notebook, assignment):
    notebook.cells.append(new_markdown_cell("And one thing more."))
    submission = read(tmp_path, colab(notebook), assignment)
    assert submission.texts["why"] == f"{sample.LEARNED['why']}\n\nAnd one thing more."
    assert submission.notes == ("why: with the text in the cells below it",)


def test_cells_of_the_other_kind(tmp_path, notebook, assignment):
    for name, make in [
        ("answer-means", new_markdown_cell),
        ("answer-why", new_code_cell),
        ("setup", new_markdown_cell),
    ]:
        place = notebook.cells.index(cell_of(notebook, name))
        notebook.cells[place] = make(notebook.cells[place].source)
    submission = read(tmp_path, notebook, assignment)
    assert_all_there(submission, notes=["means: its answer is in a markdown cell", "why: its answer is in a code cell"])
    assert labels(submission) == RUN


# What cannot be found is missing, never blank


def test_deleted_answers_are_missing(tmp_path, notebook, assignment):
    notebook.cells = [cell for cell in notebook.cells if "answer" not in cell.metadata]
    submission = read(tmp_path, notebook, assignment)
    assert set(submission.found.values()) == {"missing"}


def test_a_function_under_another_name_is_missing(tmp_path, notebook, assignment):
    cell = cell_of(notebook, "answer-scale")
    cell.source = cell.source.replace("scaled", "normalised")
    submission = read(tmp_path, notebook, assignment)
    assert submission.found["scale"] == "missing"
    assert submission.notes == ("scale: its cell does not define scaled: look at it",)


def test_broken_code_is_an_answer(tmp_path, notebook, assignment):
    cell = cell_of(notebook, "answer-scale")
    cell.source = cell.source.replace("return [", "return [[[")
    for editor in EDITORS:
        for source in (notebook, unmarked(notebook)):
            assert read(tmp_path, editor(source), assignment).found["scale"] == "found"


def test_another_notebook(tmp_path, assignment):
    other = nbformat.v4.new_notebook(cells=[new_code_cell("x = 1"), new_markdown_cell("A text.")])
    submission = read(tmp_path, other, assignment)
    assert set(submission.found.values()) == {"missing"}
    assert "nothing of 07_series is in 07_series.ipynb: is it the right file?" in submission.notes
    assert submission.variant_said is None


# What an error points to


def test_cells_that_run_have_the_number_and_the_lines_of_the_students_file(tmp_path, notebook, assignment):
    notebook.cells.insert(2, new_code_cell(""))  # an empty cell counts, and is not run
    scale = cell_of(notebook, "answer-scale")
    scale.source = "# my own\n" + scale.source
    for editor in EDITORS:
        cells = editor(notebook).cells
        for cell in read(tmp_path, editor(notebook), assignment).notebook.cells:
            about = cell.metadata["labkit"]
            if cell.cell_type == "code" and about["role"] != "parameters":
                theirs = cells[about["number"] - 1].source.split("\n")
                assert [line.split(" · ")[0] for line in theirs] == cell.source.split("\n")
    magic = cell_of(notebook, "answer-means")
    magic.source = magic.source.replace("\n", "\n%%time\n", 1)
    submission = read(tmp_path, notebook, assignment)
    assert any(cell.source.startswith("%%time") for cell in submission.notebook.cells)  # IPython needs it first
    del notebook.cells[next(n for n, cell in enumerate(notebook.cells) if cell.id == "setup")]
    numbers = [cell.metadata["labkit"]["number"] for cell in read(tmp_path, notebook, assignment).notebook.cells]
    assert numbers.count(0) == 1  # what was put back is not in the file


# Notes


def test_somebody_elses_number(tmp_path, notebook, assignment):
    path = hand_in(tmp_path, notebook)
    assert read_submission(path, assignment, "S1", VARIANT).notes == ()
    submission = read_submission(path, assignment, "s2", 77)
    assert submission.notes == ("the notebook says 's1', it came from 's2': graded with the variant of 's2'",)
    assert (submission.student_said, submission.variant_said) == ("s1", VARIANT)
    space = run(submission)
    assert (space["student"], space["variant"]) == ("s2", 77)


def test_another_variant_and_parameters_set_again(tmp_path, notebook, assignment):
    cell_of(notebook, "parameters").source = 'student = "s1"\nvariant = 5'
    notebook.cells.insert(4, new_code_cell("variant = 9"))
    notebook.cells.insert(5, new_code_cell('student = "s1"\nvariant = 6', metadata={"tags": ["injected-parameters"]}))
    submission = read(tmp_path, notebook, assignment)
    assert submission.notes == (
        f"the notebook says variant 5, 's1' has {VARIANT}: graded with {VARIANT}",
        "a cell sets variant again: look at it",
        "the parameters are there more than once: graded with the student's own",
    )
    assert labels(submission) == [*RUN[:2], ("own", ""), *RUN[2:]]


def test_imports_beside_the_parameters_are_kept(tmp_path, notebook, assignment):
    cell_of(notebook, "parameters").source += "\nimport math"
    for editor in EDITORS:
        submission = read(tmp_path, editor(notebook), assignment)
        assert run(submission)["math"]
        assert submission.found == FOUND


def test_another_build(tmp_path, notebook, assignment):
    (tmp_path / "later").mkdir()
    text = sample.changed("(0, 1, 5, 9)", "(0, 1, 5, 8)").replace("# %% setup", "# %%\nzero = 0\n\n# %% setup")
    later = sample.assignment(tmp_path / "later", text)
    submission = read(tmp_path, notebook, later)
    assert_all_there(submission, notes=["graded with", "a given cell (given-1) was missing: put back"])
    assert (
        submission.notes[0]
        == f"made with build {assignment.build}, graded with {later.build}: 'scale' has changed since"
    )
    assert labels(submission) == [RUN[0], ("given", "given-1"), RUN[1], RUN[2], ("given", "given-3"), *RUN[4:]]
    submission = read(tmp_path, colab(notebook), later)
    assert "questions may have changed since" in submission.notes[0]


@pytest.mark.parametrize(
    ("code", "is_noted"),
    [
        ("from labkit.viz.charts import bars\nbars(numbers)", True),
        ("from labkit.viz import charts as c\nc.bars(numbers)", True),
        ("import labkit.viz.charts\nlabkit.viz.charts.bars(numbers)", True),
        ("import labkit.viz.charts as c\nf = c.bars", True),
        ("from labkit.viz.charts import *\nbars(numbers)", True),
        ("from labkit.viz import charts\ngetattr(charts, 'bars')(numbers)", True),
        ("import importlib\nimportlib.import_module('labkit.viz.charts.bars')", True),
        ("bars = 3\nprint(bars)", False),
        ("from labkit.viz import charts\ncharts.lines(numbers)", False),
        ("print('bars')", False),
    ],
)
def test_functions_of_the_lab_that_a_question_forbids(tmp_path, notebook, assignment, code, is_noted):
    cell = cell_of(notebook, "answer-chart")
    cell.source = f"# answer: chart\n{code}"
    notes = read(tmp_path, notebook, assignment).notes
    assert notes == (
        ("chart: labkit.viz.charts.bars is used, without which it should be written: look at it",) * is_noted
    )


def test_a_forbidden_function_may_come_in_by_another_cell(tmp_path, notebook, assignment):
    notebook.cells.insert(3, new_code_cell("from labkit.viz.charts import bars as draw"))
    assert "chart: labkit.viz.charts.bars is used" in read(tmp_path, notebook, assignment).notes[0]
