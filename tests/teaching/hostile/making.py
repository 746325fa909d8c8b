"""What the files of submissions share: the list of them, and how an answer is replaced."""

import dataclasses
import textwrap

import nbformat

QUESTIONS = ("rotate", "runs", "median", "weeks", "why")
SUBMISSIONS = {}
LOSES = {}


@dataclasses.dataclass
class Outside:
    """What must not be reached: a folder with a file ``secret``, and sockets that listen."""

    folder: str = "/tmp/labkit-canary"
    tcp: int = 22
    udp: int = 53


OUTSIDE = Outside()


def submission(*loses):
    def add(function):
        SUBMISSIONS[function.__name__] = function
        LOSES[function.__name__] = frozenset(loses)
        return function

    return add


def answer_of(notebook, name):
    """The cell that answers a question."""
    return next(
        cell for cell in notebook.cells if cell.source.startswith((f"# answer: {name}", f"<!-- answer: {name}"))
    )


def replace(notebook, name, code):
    """Answer a question with other code."""
    answer_of(notebook, name).source = f"# answer: {name}\n{textwrap.dedent(code).strip()}"
    return notebook


def before(notebook, name, code):
    """Put a cell before an answer."""
    cell = nbformat.v4.new_code_cell(textwrap.dedent(code).strip())
    notebook.cells.insert(notebook.cells.index(answer_of(notebook, name)), cell)
    return notebook
