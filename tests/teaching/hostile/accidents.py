"""Submissions that are half done, wrong, or broken by accident, and those that end or stop Python."""

import nbformat
from teaching.hostile.making import OUTSIDE, QUESTIONS, answer_of, before, replace, submission


@submission(*QUESTIONS)
def blank(notebook):
    """As it was released."""
    for name, function in (
        ("rotate", "rotate(items, **_)"),
        ("runs", "count_runs(items)"),
        ("median", "median(values)"),
    ):
        replace(notebook, name, f'def {function}:\n    raise NotImplementedError("{name}: yours to write")')
    replace(notebook, "weeks", "means = ...")
    answer_of(notebook, "why").source = "<!-- answer: why -->\n*Your answer here.*"
    return notebook


@submission("rotate")
def known_mistake(notebook):
    return replace(
        notebook,
        "rotate",
        """
        def rotate(items, step=STEP, to_the_left=TO_THE_LEFT):
            step = step % len(items) if items else 0
            return items[step:] + items[:step]
        """,
    )


@submission("weeks")
def value_of_another(notebook):
    """The right means of variant 10008."""
    return replace(
        notebook,
        "weeks",
        """
        other = random.Random(10_008)
        means = [sum(other.randint(0, 99) for _ in range(20)) / 20 for _ in range(6)]
        """,
    )


@submission("median")
def check_edited(notebook):
    for cell in notebook.cells:
        if cell.source.startswith("# check: "):
            cell.source = cell.source.splitlines()[0] + '\nprint("median: fine so far")'
    return replace(notebook, "median", "def median(values):\n    return 0.0")


@submission("weeks")
def given_edited(notebook):
    """Makes the diary easy, and answers that: wrong on the diary that is given."""
    given = next(cell for cell in notebook.cells if "DIARY = " in cell.source)
    given.source += "\nDIARY = [[0]] * 6"
    return replace(notebook, "weeks", "means = [0, 0, 0, 0, 0, 0]")


@submission()
def metadata_lost(notebook):
    """As Colab returns it: no metadata, other ids."""
    for number, cell in enumerate(notebook.cells):
        cell.metadata, cell.id = nbformat.NotebookNode(), f"colab{number}"
    return notebook


@submission()
def given_deleted(notebook):
    """As Colab returns it, and the first given cell of code is gone."""
    given = next(cell for cell in notebook.cells if cell.source.startswith("# given: "))
    notebook.cells.remove(given)
    return metadata_lost(notebook)


@submission()
def marks_deleted(notebook):
    """The metadata is lost, and the first lines that say what a cell is have been tidied away."""
    for cell in notebook.cells:
        if cell.source.startswith(("# answer: ", "# check: ", "<!-- answer: ", "<!-- question: ")):
            cell.source = cell.source.partition("\n")[2]
    return metadata_lost(notebook)


@submission()
def other_line_ends(notebook):
    for cell in notebook.cells:
        cell.source = cell.source.replace("\n", "\r\n")
    return notebook


@submission()
def duplicated_answer(notebook):
    """A first attempt that is wrong, a helper cell, and the answer, all with the same mark."""
    wrong = nbformat.v4.new_code_cell("# answer: runs\ndef count_runs(items):\n    return 0")
    notebook.cells.insert(notebook.cells.index(answer_of(notebook, "runs")), wrong)
    cell = notebook.cells.pop(notebook.cells.index(wrong) + 1)
    cell.source = cell.source.replace("sum(", "total(")
    helper = nbformat.v4.new_code_cell("def total(items):\n    return sum(items)")
    notebook.cells[notebook.cells.index(wrong) + 1 : notebook.cells.index(wrong) + 1] = [helper, cell]
    return notebook


@submission("rotate", "runs", "weeks")
def cannot_travel(notebook):
    """A function, an object that would run when it is unpickled, and a set."""
    replace(notebook, "rotate", "def rotate(items, step=1, to_the_left=True):\n    return lambda: items")
    replace(
        notebook,
        "runs",
        f"""
        import os

        class Bomb:
            def __reduce__(self):
                return (os.mkdir, ("{OUTSIDE.folder}/unpickled",))

        def count_runs(items):
            return Bomb()
        """,
    )
    return replace(notebook, "weeks", "means = {1, 2}")


@submission("rotate", "runs", "median")
def odd_values(notebook):
    """Depth without end, a number without end, and halves of characters."""
    replace(
        notebook,
        "rotate",
        """
        def rotate(items, step=1, to_the_left=True):
            nested = []
            nested.append(nested)
            return nested
        """,
    )
    replace(notebook, "runs", "def count_runs(items):\n    return 10 ** 6000")
    return replace(
        notebook, "median", 'def median(values):\n    return ["\\ud800" * 3, float("nan"), float("-inf"), {"a": (1,)}]'
    )


@submission("why")
def formula(notebook):
    """For whom opens the table in a spreadsheet."""
    answer_of(notebook, "why").source = '<!-- answer: why -->\n=cmd|"/C calc"!A0'
    return notebook


@submission("why")
def script(notebook):
    """For the browser of who marks it: in the answer, and in the output of a cell."""
    answer_of(notebook, "why").source = '<!-- answer: why -->\n<img src=x onerror="alert(1)"><script>alert(2)</script>'
    html = "<script>alert(3)</script><iframe src='javascript:alert(4)'></iframe>"
    return before(notebook, "weeks", f"from IPython.display import HTML\nHTML({html!r})")


@submission("rotate")
def endless_function(notebook):
    return replace(notebook, "rotate", "def rotate(items, step=1, to_the_left=True):\n    while True:\n        pass")


@submission("rotate")
def endless_and_deaf(notebook):
    """It swallows the interrupt as well."""
    return replace(
        notebook,
        "rotate",
        """
        def rotate(items, step=1, to_the_left=True):
            while True:
                try:
                    while True:
                        pass
                except BaseException:
                    continue
        """,
    )


@submission("weeks")
def endless_cell(notebook):
    return replace(notebook, "weeks", "while True:\n    pass")


@submission("rotate")
def sleeps(notebook):
    """It takes no computing at all."""
    return replace(notebook, "rotate", "import time\ndef rotate(items, **_):\n    time.sleep(10_000)")


@submission("rotate", "runs")
def exits(notebook):
    """The second one with a status that says that all is well."""
    replace(notebook, "rotate", "import sys\ndef rotate(items, **_):\n    sys.exit()")
    return replace(notebook, "runs", "import os\ndef count_runs(items):\n    os._exit(0)")


@submission("median")
def exits_in_a_cell(notebook):
    return replace(notebook, "median", "import os\nos._exit(0)")


@submission("rotate")
def crashes(notebook):
    return replace(notebook, "rotate", "import ctypes\ndef rotate(items, **_):\n    ctypes.string_at(0)")


@submission("rotate", "runs")
def ends_the_worker(notebook):
    """Kills what it is run by, and all it can signal."""
    kill = "import os, signal\ndef {}(items, **_):\n    os.kill({}, signal.SIGKILL)\n    return items"
    replace(notebook, "rotate", kill.format("rotate", "os.getppid()"))
    return replace(notebook, "runs", kill.format("count_runs", "-1"))
