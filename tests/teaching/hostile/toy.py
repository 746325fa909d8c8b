"""The toy assignment as notebooks: solved, and as the box gets it; a stand-in for release and submission in tests."""

import re
from pathlib import Path

import jupytext
import nbformat

SOURCE = Path(__file__).parents[1] / "toy" / "00_toy.py"


def solved(variant=10_007, student="s1001"):
    """The released notebook of a student, with the right answers."""
    notebook = nbformat.v4.new_notebook()
    for number, cell in enumerate(jupytext.read(SOURCE).cells):
        about = dict(cell.metadata)
        text = re.sub(r"^ *(# |<!-- )(BEGIN|END) SOLUTION.*\n?", "", cell.source, flags=re.M).rstrip()
        role = next((role for role in ("answer", "check", "question") if role in about), "given")
        name = about.get(role, "" if number else "title")
        if {"cases", "mistake", "rubric", "teacher"} & set(about):
            continue
        if "parameters" in about.get("tags", []):
            role, text = "parameters", f'student = "{student}"\nvariant = {variant}'
        elif cell.cell_type == "code":
            text = f"# {role}: {name or 'setup · build 3f2a91'}\n{text}"
        elif role in ("answer", "question"):
            text = f"<!-- {role}: {name} -->\n{text}"
        make = nbformat.v4.new_code_cell if cell.cell_type == "code" else nbformat.v4.new_markdown_cell
        notebook.cells.append(make(text, metadata={"labkit": {"role": role, "name": name}}, id=f"cell-{number}"))
    return notebook


def without_checks(notebook):
    """What is run of a submission."""
    notebook.cells = [cell for cell in notebook.cells if not cell.source.startswith("# check: ")]
    return notebook


def hidden(seed=2**32):
    """The hidden inputs of each question, and the right answers, as a teacher's process would work them out."""
    names = {"variant": 10_007}
    inputs, right = {}, {}
    cells = jupytext.read(SOURCE).cells
    for cell in cells:
        about = cell.metadata
        if cell.cell_type == "code" and not {"check", "cases", "mistake"} & set(about) and "tags" not in about:
            exec(cell.source, names)
    for cell in cells:
        if "cases" in cell.metadata:
            exec(cell.source, names)
            inputs[cell.metadata["cases"]] = list(names["cases"](seed))
    functions = {"rotate": "rotate", "runs": "count_runs", "median": "median"}
    for question, function in functions.items():
        right[question] = [names[function](**case) for case in inputs[question]]
    return functions, inputs, right | {"weeks": [names["means"]]}
