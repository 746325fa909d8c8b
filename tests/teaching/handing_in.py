"""A solved release of the sample, the ways in which editors save it, and what came of it when it was read."""

import copy

import jupytext
import nbformat
import sample
from nbformat.v4 import new_code_cell, new_markdown_cell

from labkit.teaching.release import variant_of
from labkit.teaching.submission import read_submission

VARIANT = variant_of("", "07", "s1")
FOUND = dict.fromkeys(sample.LEARNED, "found")
RUN = [
    ("parameters", "parameters"), ("given", "setup"), ("answer", "scale"), ("given", "given-2"), ("answer", "means"),
    ("answer", "chart"),
]  # fmt: skip


def answered(notebook):
    for cell in notebook.cells:
        name = cell.metadata.get("answer")
        if name in sample.LEARNED:
            mark = cell.source.split("\n")[0]
            cell.source = f"{mark}\n{sample.LEARNED[name]}"
    return notebook


def cell_of(notebook, cell_id):
    return next(cell for cell in notebook.cells if cell.id == cell_id)


def hand_in(folder, notebook, name="07_series.ipynb"):
    path = folder / "handed in" / name
    path.parent.mkdir(exist_ok=True)
    text = jupytext.writes(notebook, fmt="py:percent") if name.endswith(".py") else nbformat.writes(notebook)
    path.write_text(text, encoding="utf-8")
    return path


def read(folder, notebook, assignment, name="07_series.ipynb", **others):
    return read_submission(hand_in(folder, notebook, name), assignment, "s1", VARIANT, **others)


def labels(submission):
    """Role and name of the code that is run, in order."""
    return [
        (cell.metadata["labkit"]["role"], cell.metadata["labkit"]["name"])
        for cell in submission.notebook.cells
        if cell.cell_type == "code"
    ]


def run(submission):
    space = {}
    for cell in submission.notebook.cells:
        if cell.cell_type == "code":
            exec(cell.source, space)
    return space


def assert_all_there(submission, *, notes=()):
    """All answers are found, and run in their order; nothing else is noted."""
    assert submission.found == FOUND
    assert submission.texts == {"why": sample.LEARNED["why"]}
    space = run(submission)
    assert space["scaled"]([1, -2], base=0) == [0.5, -1.0]
    assert space["power"] == 1.0
    assert space["variant"] == VARIANT
    assert [note for note in submission.notes if not any(part in note for part in notes)] == []
    assert all(any(part in note for note in submission.notes) for part in notes)


def colab(notebook):
    """All metadata gone, ids new."""
    new = nbformat.v4.new_notebook(
        metadata={"colab": {"provenance": []}, "kernelspec": {"name": "python3", "display_name": "Python 3"}}
    )
    for number, cell in enumerate(notebook.cells):
        make = new_code_cell if cell.cell_type == "code" else new_markdown_cell
        new.cells.append(make(cell.source, id=f"aB{number}", metadata={"id": f"aB{number}"}))
    return new


def vs_code(notebook):
    """Neither ids nor metadata of cells, and an older format."""
    new = copy.deepcopy(notebook)
    for cell in new.cells:
        del cell["id"]
        cell["metadata"] = {}
    new.nbformat_minor = 2
    return new


def stripped(notebook):
    """As nbstripout leaves it: outputs, counts and metadata cleared, ids counted."""
    new = copy.deepcopy(notebook)
    new.metadata = {}
    for number, cell in enumerate(new.cells):
        cell.update(id=str(number), metadata={})
    return new


def unmarked(notebook):
    """The lines that say what a cell is are deleted."""
    new = copy.deepcopy(notebook)
    for cell in new.cells:
        first, _, rest = cell.source.partition("\n")
        if first.startswith(("# given:", "# answer:", "# check:", "<!--")):
            cell.source = rest
    return new


EDITORS = [lambda notebook: notebook, colab, vs_code, stripped]
