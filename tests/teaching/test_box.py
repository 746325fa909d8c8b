"""The box on notebooks that are no submissions of the toy; what hostile ones do is in ``hostile/``."""

import json
import os
import shutil

import nbformat
import numpy as np
import pytest
import torch

from labkit.teaching import box, contain
from labkit.teaching.box import BoxError, Failure, Job, Probe, answer
from labkit.teaching.limits import Ended, Limits

CONTAINED = {"network", "files"} <= set(contain.layers())
LIMITS = Limits(cell_cpu=2, cpu=20, megabytes=2000, processes=30)


def notebook(*cells):
    v4 = nbformat.v4
    make = {"#": v4.new_markdown_cell}
    return v4.new_notebook(cells=[make.get(cell[:1], v4.new_code_cell)(cell) for cell in cells])


def ask(cells, probes, folder, limits=LIMITS):
    answers = answer(Job(notebook(*cells), probes), folder, limits, trust=not CONTAINED)
    assert list(folder.iterdir()) == []
    return answers


def test_answers_are_values_and_failures_name_the_line(tmp_path):
    cells = [
        "# A title",
        "factor = 2",
        "def twice(x):\n    if x < 0:\n        raise KeyError(x)\n    return {'x': (factor * x, None)}",
        "def deep(x):\n    return [twice(y) for y in x]",
        "class Odd(ValueError, SystemError): pass\ndef odd():\n    raise Odd",
        "a, b, nothing = 1.5, ..., None",
        "1 / 0",
        "async def later(): pass",
    ]
    probes = [
        Probe("twice", "twice", inputs=[{"x": 1}, {"x": -1}, {"y": 1}]),
        Probe("deep", "deep", inputs=[{"x": [3, -3]}]),
        Probe("odd", "odd", inputs=[{}]),
        Probe("values", names=("a", "b", "c", "nothing")),
        Probe("missing", "missing", inputs=[{}]),
        Probe("later", "later", inputs=[{}]),
        Probe("none", "twice", inputs=[]),
    ]
    answers = ask(cells, probes, tmp_path)
    says = "your function failed with"
    assert answers.values["twice"] == [
        {"x": (2, None)},
        Failure("KeyError", 3, f"{says} KeyError in line 3 of its cell"),
        Failure("TypeError", None, f"{says} TypeError"),
    ]
    assert answers.values["deep"] == [Failure("KeyError", 3, f"{says} KeyError in line 3 of its cell")]
    assert answers.values["odd"] == [Failure("ValueError", 3, f"{says} ValueError in line 3 of its cell")]
    assert answers.values["values"] == [
        1.5,
        Failure("NotImplementedError", None, "not answered yet"),
        Failure("NameError", None, "there is no c after your notebook has run"),
        None,
    ]
    assert answers.values["missing"] == [Failure("NameError", None, "there is no missing after your notebook has run")]
    assert answers.values["later"][0].says.endswith("got an object of another kind")
    assert answers.values["none"] == []
    assert answers.notes == ("cell 7 (1 / 0) failed with ZeroDivisionError in line 1",)


def test_tensors_go_in_and_come_out(tmp_path):
    cells = ["import numpy", "def double(x):\n    return 2 * x", "array = numpy.arange(3)"]
    inputs = [{"x": torch.arange(3.0)}, {"x": np.ones((2, 2))}]
    answers = ask(cells, [Probe("double", "double", inputs=inputs), Probe("array", names=("array",))], tmp_path)
    assert torch.equal(answers.values["double"][0], torch.tensor([0.0, 2.0, 4.0]))
    assert torch.equal(answers.values["double"][1], torch.full((2, 2), 2.0, dtype=torch.float64))
    assert torch.equal(answers.values["array"][0], torch.arange(3))


def test_inputs_are_new_for_each_question(tmp_path):
    cells = ["def spoil(x):\n    x.append(1)\n    return x"]
    answers = ask(cells, [Probe("spoil", "spoil", inputs=[{"x": [0]}, {"x": [0]}])], tmp_path)
    assert answers.values["spoil"] == [[0, 1], [0, 1]]


def test_a_notebook_may_write_beside_itself_and_cannot_ask(tmp_path):
    cells = [
        "import tempfile, pathlib\npathlib.Path('data.txt').write_text('x')\n_, name = tempfile.mkstemp()",
        "answer = input('who?')",
        "listed = pathlib.Path('data.txt').read_text()",
    ]
    answers = ask(cells, [Probe("listed", names=("listed", "answer"))], tmp_path)
    assert answers.values["listed"] == [
        "x",
        Failure("NameError", None, "there is no answer after your notebook has run"),
    ]


def test_cells_that_end_python_are_left_out_three_times(tmp_path):
    cells = [f"a{number} = {number}\nimport os; os._exit(0)" for number in range(5)] + ["b = 1"]
    answers = ask(cells, [Probe("b", names=("b",))], tmp_path)
    assert answers.values["b"] == [Failure("SystemExit", None, "the run ended before your answer was asked for")]
    assert len(answers.notes) == 5
    assert answers.notes[0] == "cell 1 (a0 = 0) ended Python: left out, the rest was run again"
    assert answers.notes[-1] == "the run ended 4 times: what was not reached has no answer"


def test_time_in_all_is_counted_and_the_rest_is_run_again(tmp_path):
    cells = ["b = 1", *(f"c = {number}\nwhile True: pass" for number in range(3))]
    answers = ask(cells, [Probe("b", names=("b",))], tmp_path, Limits(cell_cpu=1, cpu=2.5))
    assert answers.values["b"] == [1]
    assert any("interrupted" in note for note in answers.notes)
    assert any("2.5 s of computing: left out" in note for note in answers.notes)
    assert answers.cpu < 12


def test_later_cases_of_a_function_that_hangs_have_the_reason(tmp_path):
    cells = ["def f(x):\n    while x: pass\n    return x"]
    answers = ask(cells, [Probe("f", "f", inputs=[{"x": 0}, {"x": 1}, {"x": 0}])], tmp_path)
    hung = Failure("TimeoutError", None, "your function did not end within 2 s of computing")
    assert answers.values["f"] == [0, hung, hung]


@pytest.mark.skipif(not CONTAINED, reason="nobody should run this here")
def test_a_question_does_not_pay_for_what_another_has_left(tmp_path):
    cells = [
        "kept = []\ndef f():\n    kept.append(b'x' * 300_000_000)\n    return 1",
        "g = lambda: len(b'y' * 300_000_000)",
    ]
    probes = [Probe("f", "f", inputs=[{}]), Probe("g", "g", inputs=[{}, {}])]
    answers = ask(cells, probes, tmp_path, Limits(cell_cpu=5, cpu=20, megabytes=550))
    assert answers.values == {"f": [1], "g": [300_000_000, 300_000_000]}


def test_answers_have_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr("labkit.teaching.box._TEXT", 10**9)
    answers = ask(["a = 1"], [Probe("a", names=("a",))], tmp_path)
    assert answers.values["a"] == [Failure("MemoryError", None, "your answers are too large")]


def test_a_box_that_does_not_start_is_no_fault_of_the_submission(tmp_path, monkeypatch):
    monkeypatch.setattr(contain, "run", lambda *_, **__: Ended(1, "", 0.0, "no module named labkit"))
    with pytest.raises(BoxError, match=r"the box did not start \(1\): no module named labkit"):
        ask(["a = 1"], [Probe("a", names=("a",))], tmp_path)
    assert list(tmp_path.iterdir()) == []


STREAM = {"output_type": "stream", "name": "stdout", "text": "x"}


@pytest.mark.parametrize(
    ("outputs", "fine"),
    [
        ([[], [STREAM]], True),
        ([], True),
        ([[STREAM], [STREAM], [STREAM]], True),
        (None, False),
        ({}, False),
        ([[], [1]], False),
        ([[], 3], False),
        ([[], [{"output_type": "stream"}]], False),
        ([[], [STREAM | {"text": "\ud800"}]], False),
        ([[], [STREAM | {"more": 1}]], False),
        ([[], [{"output_type": "display_data", "metadata": {}, "data": {"a": {"b": [[[[[1]]]]]}}}]], False),
        ([[], [{"output_type": "display_data", "metadata": {}, "data": {"text/html": [1]}}]], False),
    ],
)
def test_outputs_are_outputs_or_not_there(outputs, fine, tmp_path):
    job = Job(notebook("# title", "a = 1"), [])
    (tmp_path / "outputs.json").write_text(json.dumps(outputs))
    read = box._outputs(tmp_path, job)
    assert (read is not None) == fine
    if fine:
        nbformat.writes(read).encode()
        assert read.cells[1].outputs in ([], [STREAM])


def test_notes_can_be_read_on_one_line():
    job = Job(notebook("\n\n  # \u202e<b>\x00 title" + 100 * "x"), [])
    assert box._label(job, 1) == "cell 1 (# <b> title" + "x" * 47 + ")"
    assert box._label(job, 7) == "cell 7 ()"
    job.notebook.cells[0].metadata["labkit"] = {"number": 13}
    assert box._label(job, 1).startswith("cell 13 (# <b> title")
    job.notebook.cells[0].metadata["labkit"] = {"number": 0}
    assert box._label(job, 1).startswith("cell put back (# <b> title")


@pytest.mark.parametrize("names", [["a", "a"], ["../a"], ["a b"], [""]])
def test_questions_have_names_of_their_own(names, tmp_path):
    with pytest.raises(ValueError, match="each question must have a name of its own"):
        ask([], [Probe(name, names=("x",)) for name in names], tmp_path)


@pytest.mark.skipif(shutil.which("rm") is None, reason="deep folders are removed by rm")
def test_folders_that_are_hard_to_remove_are_removed(tmp_path):
    folder = tmp_path / "box"
    folder.mkdir()
    here = os.open(folder, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d" * 50, dir_fd=here)
        deeper = os.open("d" * 50, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)
    (folder / "closed" / "in").mkdir(parents=True)
    (folder / "closed").chmod(0)
    contain.remove(folder)
    assert not folder.exists()
