import base64
import gzip
import hmac
import json
import random

import jupytext
import nbformat
import pytest
import sample

from labkit.teaching.release import build, hidden_seed, leaks, variant_of, write
from labkit.teaching.source import solution_code

SECRET = "a secret of the course"
SEED = str(hidden_seed(SECRET, "07", 0))


@pytest.fixture
def folder(assignment, tmp_path):
    """A release without leaks."""
    write(assignment, tmp_path / "release" / "s1", "s1", variant_of(SECRET, "07", "s1"))
    return tmp_path / "release"


# Variants


def test_a_variant_is_the_same_each_time_and_another_for_everybody():
    variants = {variant_of(SECRET, "02", f"s{number}") for number in range(2000)}
    assert len(variants) == 2000
    assert all(10_000 <= variant < 10_000 + 2**31 for variant in variants)
    assert variant_of(SECRET, "02", "s1") == variant_of(SECRET, "02", "s1") != variant_of(SECRET, "03", "s1")
    assert variant_of(SECRET, "02", "s1") != variant_of("", "02", "s1")
    assert (
        variant_of("", "02", "s1") == 10_000 + int.from_bytes(hmac.new(b"", b"02|s1", "sha256").digest(), "big") % 2**31
    )


def test_a_group_has_one_variant_in_any_order():
    assert (
        variant_of(SECRET, "02", "s2, s1") == variant_of(SECRET, "02", "s1,s2") == variant_of(SECRET, "02", " S1 ,s2")
    )
    assert variant_of(SECRET, "02", "s1, s2") != variant_of(SECRET, "02", "s1")
    assert variant_of(SECRET, "02", "Zoë") == variant_of(SECRET, "02", "zoe\u0308")  # the same letter in two forms


def test_hidden_seeds_lie_above_all_variants():
    seeds = [hidden_seed(SECRET, "02", k) for k in range(100)]
    assert len(set(seeds)) == 100
    assert min(seeds) >= 2**32
    assert hidden_seed(SECRET, "02", 0) != hidden_seed("another", "02", 0)


# What is in a release


def test_a_release_holds_what_students_get_and_nothing_else(assignment):
    notebook = build(assignment, "s1", 12345)
    nbformat.validate(notebook)
    assert [cell.id for cell in notebook.cells] == [
        "text-1", "parameters", "setup", "question-scale", "answer-scale", "check-scale", "text-2",
        "given-2", "question-means", "answer-means", "question-chart", "answer-chart", "question-why", "answer-why",
    ]  # fmt: skip
    assert all(cell.outputs == [] and cell.execution_count is None for cell in notebook.cells if "outputs" in cell)
    assert "largest = " not in "".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert build(assignment, "s1", 12345) == notebook


def test_each_cell_says_what_it_is(assignment):
    cells = {cell.id: cell for cell in build(assignment, "s1", 12345).cells}
    first = {name: cell.source.split("\n")[0] for name, cell in cells.items()}
    assert first["answer-scale"] == "# answer: scale"
    assert first["check-scale"] == "# check: scale"
    assert first["setup"] == f"# given: setup · build {assignment.build}"
    assert first["question-why"] == "<!-- question: why -->"
    assert cells["answer-why"].source == "<!-- answer: why -->\n*Your answer here.*"
    assert cells["answer-means"].source == "# answer: means\nmiddle, power = ..., ..."
    assert cells["answer-means"].metadata == {"answer": "means", "deletable": False}


def test_what_is_given_cannot_be_edited_by_accident(assignment):
    for cell in build(assignment, "s1", 12345).cells:
        is_given = cell.id.startswith(("given", "question", "text", "setup"))
        assert (cell.metadata.get("editable"), cell.metadata["deletable"]) == (False if is_given else None, False)


@pytest.mark.parametrize("student", ["", "s1001", "Zoë O'Neill, 王伟", 'a "quoted" one', "two\nlines", "\U0001f600"])
def test_parameters_are_filled_in(assignment, student):
    source = next(cell.source for cell in build(assignment, student, 12345).cells if cell.id == "parameters")
    space = {}
    exec(source, space)
    assert (space["student"], space["variant"]) == (student, 12345)
    assert source.endswith("  # filled in for you")


def test_a_heading_is_followed_by_what_the_question_costs_and_what_is_judged(assignment):
    cells = {cell.id: cell.source for cell in build(assignment, "s1", 1, "grad").cells}
    assert cells["question-scale"] == (
        "<!-- question: scale -->\n## 1 · Scale a series\n\n"
        "**4 points** · about 20 minutes · difficulty ●●○○○ (2 of 5) · importance ●●●●● (5 of 5)\n\n"
        "*What is judged*: six series.\n\nDivide by the largest absolute value."
    )
    assert "about 1 minute ·" in cells["question-means"]
    assert (
        "`middle` and `power`, compared with the right answer for your variant, within 0.001."
        in cells["question-means"]
    )
    assert "· for graduate students\n" in cells["question-guess"]
    assert "It earns points only if everything is right." in cells["question-guess"]
    assert "a person looks at it. Write it without `labkit.viz.charts.bars`." in cells["question-chart"]
    assert "a person reads it. About 80 words." in cells["question-why"]


def test_levels_get_their_questions(assignment):
    assert "answer-guess" not in {cell.id for cell in build(assignment, "s1", 1).cells}
    assert "answer-guess" in {cell.id for cell in build(assignment, "s1", 1, "grad").cells}


def test_labels_of_given_cells_do_not_change_with_hidden_ones(assignment, tmp_path):
    more = sample.changed('# %% mistake="scale" says="`base`', '# %% mistake="scale" says="no"\ndef scaled(series):\n'
                          '    return series\n\n# %% mistake="scale" says="`base`')  # fmt: skip
    (tmp_path / "more").mkdir()
    after = sample.assignment(tmp_path / "more", more)
    before = [cell.id for cell in build(assignment, "s1", 1).cells]
    assert [cell.id for cell in build(after, "s1", 1).cells] == before


def test_both_files_say_the_same(folder):
    notebook = nbformat.read(folder / "s1" / "07_series.ipynb", as_version=4)
    nbformat.validate(notebook)
    script = jupytext.read(folder / "s1" / "07_series.py")
    assert [cell.source for cell in script.cells] == [cell.source for cell in notebook.cells]
    assert sorted(path.name for path in (folder / "s1").iterdir()) == ["07_series.ipynb", "07_series.py"]
    assert "\noutput" not in (folder / "s1" / "07_series.py").read_text(encoding="utf-8")


def test_a_blank_release_runs_without_an_error(assignment):
    space = {}
    for cell in build(assignment, "s1", 12345, "grad").cells:
        if cell.cell_type == "code":
            exec(cell.source, space)
    assert space["middle"] is ...


# Leaks


def test_a_release_has_no_leaks(folder, assignment):
    write(assignment, folder / "s2", "Zoë, 王伟", variant_of(SECRET, "07", "s2"), "grad")
    assert leaks(folder, assignment, [SECRET, SEED, "0.0172", "5"]) == []


def plant(folder, change):
    """Change the .ipynb of a release, and take its .py away."""
    path = folder / "s1" / "07_series.ipynb"
    path.with_suffix(".py").unlink()
    notebook = json.loads(path.read_text(encoding="utf-8"))
    change(notebook)
    path.write_text(json.dumps(notebook), encoding="utf-8")


LINE = "    largest = max((abs(number) for number in series), default=0) or 1\n"
CODE = sample.SOURCE[sample.SOURCE.index(LINE) : sample.SOURCE.index("    # END SOLUTION")]
RENAMED = CODE.replace("largest", "top").replace("number", "x").replace("series", "values").replace("base", "offset")
LINES = base64.encodebytes(CODE.encode()).decode()
PLANTED = {
    "line": lambda cell: cell.update(source=cell["source"] + [LINE]),
    "other spaces": lambda cell: cell.update(source=LINE.replace(" ", "  ")),
    "comment": lambda cell: cell.update(source=["x = 1\n", f"# {LINE}"]),
    "output": lambda cell: cell.update(outputs=[{"output_type": "stream", "name": "stdout", "text": [LINE]}]),
    "metadata": lambda cell: cell["metadata"].update(hint={"deep": [1, {"er": LINE}]}),
    "a key of metadata": lambda cell: cell["metadata"].update({LINE: True}),
    "quoted JSON": lambda cell: cell.update(source="kept = " + json.dumps(json.dumps({"solution": CODE}))),
    "base64": lambda cell: cell.update(source=f"x = '{base64.b64encode(CODE.encode()).decode()}'"),
    "base64 in lines": lambda cell: cell.update(source="# " + LINES.replace("\n", "\n# ")),
    "base64 twice": lambda cell: cell["metadata"].update(x=base64.b64encode(base64.b64encode(CODE.encode())).decode()),
    "base64 glued": lambda cell: cell["metadata"].update(x="ab" + base64.urlsafe_b64encode(CODE.encode()).decode()),
    "gzip": lambda cell: cell["metadata"].update(x=base64.b64encode(gzip.compress(CODE.encode())).decode()),
    "hexadecimal": lambda cell: cell["metadata"].update(x=CODE.encode().hex()),
    "renamed": lambda cell: cell.update(source=RENAMED),
    "renamed in a comment": lambda cell: cell.update(source="# " + RENAMED.replace("\n", "\n# ")),
    "hidden cases": lambda cell: cell.update(source="yield dict(series=[generator.uniform(-3, 3) for _ in range(9)])"),
    "mistake": lambda cell: cell.update(source="greatest = max(series, default=0) or 1"),
    "what a mistake says": lambda cell: cell.update(source="# the sign of the largest number is lost on the way"),
    "rubric": lambda cell: cell.update(source="an example in which the scale misleads a reader"),
    "teacher": lambda cell: cell.update(source="Ask in the viva what an empty series should give, and why."),
    "text": lambda cell: cell.update(
        source="because\nBecause series of different units\ncannot be compared otherwise."
    ),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_planted_leaks_are_found(folder, assignment, kind):
    plant(folder, lambda notebook: PLANTED[kind](notebook["cells"][4]))
    messages = leaks(folder, assignment)
    assert any(" is in it" in message for message in messages), messages
    assert all(message.startswith("s1/07_series.ipynb: ") for message in messages)


def test_a_leak_is_named_with_its_cell(folder, assignment):
    plant(folder, lambda notebook: PLANTED["line"](notebook["cells"][4]))
    assert leaks(folder, assignment)[0] == (
        "s1/07_series.ipynb: cells[5].source: a line of cell 5 (answer) is in it: "
        "largest = max((abs(number) for number in series), default=0…"
    )


@pytest.mark.parametrize("where", ["cell", "notebook", "base64"])
@pytest.mark.parametrize("secret", [SECRET, SEED, "0.0172"])
def test_secrets_are_found_and_not_quoted(folder, assignment, secret, where):
    def change(notebook):
        if where == "cell":
            notebook["cells"][4]["source"] += [f"\n# it is {secret}"]
        else:
            packed = base64.b64encode(f"it is {secret}, so".encode()).decode()
            notebook["metadata"]["x"] = secret if where == "notebook" else packed

    plant(folder, change)
    messages = leaks(folder, assignment, [secret])
    assert len(messages) == 1
    assert "secret 1 of 1 is in it" in messages[0]
    assert secret not in messages[0]


def test_short_secrets_are_whole_numbers(folder, assignment):
    plant(folder, lambda notebook: notebook["metadata"].update(x="10.0172, 0.01725"))
    assert leaks(folder, assignment, ["0.0172"]) == []


def test_outputs_attachments_and_counts_are_found(folder, assignment):
    def change(notebook):
        notebook["cells"][4].update(outputs=[{"output_type": "stream", "name": "stdout", "text": "fine"}])
        notebook["cells"][5]["execution_count"] = 3
        notebook["cells"][0]["attachments"] = {"a.png": {"image/png": "aGVsbG8="}}

    plant(folder, change)
    name = "s1/07_series.ipynb: cell"
    assert leaks(folder, assignment) == [
        f"{name} 1 has an attachment: a release has none",
        f"{name} 5 has an output: a release has none",
        f"{name} 6 was run: a release has not been",
    ]


def test_foreign_files_are_found_and_read(folder, assignment):
    (folder / "notes.txt").write_text("the key: " + LINE, encoding="utf-8")
    (folder / "s1" / ".ipynb_checkpoints").mkdir()
    (folder / "s1" / ".ipynb_checkpoints" / "07_series.ipynb").write_text("{", encoding="utf-8")
    (folder / "s1" / "link.py").symlink_to(assignment.path)
    messages = "\n".join(leaks(folder, assignment))
    assert "notes.txt: a release has no such file: remove it" in messages
    assert "notes.txt: a line of cell 5 (answer) is in it" in messages
    assert ".ipynb_checkpoints/07_series.ipynb: expected a notebook; got" in messages
    assert "link.py: a release holds files only; got a link or something else: remove it" in messages


def test_the_source_itself_is_found_under_the_name_of_a_release(folder, assignment):
    (folder / "s1" / "07_series.py").write_text(sample.SOURCE, encoding="utf-8")
    found = " ".join(leaks(folder, assignment))
    for role in ("answer", "cases", "mistake", "rubric", "teacher"):
        assert f"({role}) is in it" in found


@pytest.mark.parametrize("number", range(20))
def test_no_line_of_a_solution_can_hide(folder, assignment, number):
    """Any of its longer lines, at any cell, in any of four ways."""
    choose = random.Random(number)
    hidden = [cell for cell in assignment.cells if cell.role in ("cases", "mistake") or cell.name == "why"]
    lines = [line for cell in hidden if cell.role != "question" for line in solution_code(cell).split("\n")]
    lines = [
        line for line in lines if len(line.strip()) > 24 and "Your answer" not in line and "def scaled" not in line
    ]
    line = choose.choice(lines)
    way = choose.choice(["plain", "metadata", "base64", "key"])
    packed = base64.b64encode(b"x" * choose.randrange(4) + line.encode()).decode()

    def change(notebook):
        cell = choose.choice(notebook["cells"])
        if way == "plain":
            cell["source"] = "".join(cell["source"]) + "\n" + line
        else:
            cell["metadata"]["x"] = {"metadata": line, "base64": packed, "key": {line: 1}}[way]

    plant(folder, change)
    assert leaks(folder, assignment), (way, line)
