import json
import os
import time

import jupytext
import nbformat
import pytest
from jupyter_server.services.contents.largefilemanager import LargeFileManager
from jupytext.sync_contentsmanager import build_sync_jupytext_contents_manager_class
from traitlets.config import Config

from labkit import cli, course
from labkit.pairing import State, adopt, compare, write_notebook

SOURCE = """\
# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A title

# %% tags=["parameters"]
number = 1


# %%
def double(x):
    return 2 * x


# %%
print(double(number))
"""


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A pair that agrees; the only one that the commands see."""
    path = tmp_path / "42_answer.py"
    path.write_text(SOURCE, encoding="utf-8")
    write_notebook(path)
    monkeypatch.setattr("labkit.course.sources", lambda: [path])
    monkeypatch.setattr("labkit.course.notebooks_folder", lambda: tmp_path)
    monkeypatch.setattr("os.execv", lambda program, command: None)
    return path


def edit(source, change):
    """Change the .ipynb as an editor that knows nothing of its .py: with outputs, ids and metadata of its own."""
    path = source.with_suffix(".ipynb")
    notebook = nbformat.read(path, as_version=4)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"vscode-{number}"
        cell.metadata["vscode"] = {"languageId": "python"}
        if cell.cell_type == "code":
            cell.execution_count = 7
            cell.outputs = [nbformat.v4.new_output("stream", text="2\n")]
    notebook.metadata.kernelspec.display_name = ".venv"
    notebook.metadata["language_info"] = {"name": "python", "version": "3.12.1"}
    change(notebook.cells)
    nbformat.write(notebook, path)


def append(text):
    return lambda cells: cells.append(nbformat.v4.new_code_cell(text))


def rewrite_cell(cells):
    cells[3].source = "print(double(number) + 1)  # mine\n"


def remove_cell(cells):
    del cells[2]


EDITS = {
    "append": (append("x = 'mine'"), "cell 5: x = 'mine'"),
    "rewrite": (rewrite_cell, "cell 4: print(double(number) + 1) # mine"),
    "remove": (remove_cell, "cell 3 of the .py is missing: def double(x):"),
}
each_edit = pytest.mark.parametrize(("change", "difference"), EDITS.values(), ids=EDITS)


def test_outputs_ids_and_metadata_are_no_edit(source):
    edit(source, append(""))  # nor is an empty cell
    assert compare(source).state is State.EQUAL


def test_a_source_that_changed_alone_is_newer(source):
    source.write_text(SOURCE.replace("2 * x", "x + x"), encoding="utf-8")
    assert compare(source).state is State.OLDER
    os.utime(source, (0, 0))  # whatever the time stamps say
    assert compare(source).state is State.OLDER
    assert cli.main(["notebooks"]) == 0
    assert compare(source).state is State.EQUAL


@each_edit
def test_an_edited_notebook_stops_with_the_cells_that_differ(source, change, difference, capsys):
    edit(source, change)
    before = source.with_suffix(".ipynb").read_bytes()
    assert compare(source).differences == (difference,)
    assert cli.main(["notebooks"]) == 1
    said = capsys.readouterr().err
    assert difference in said
    assert ".venv/bin/labkit notebooks 42 --from-ipynb keeps these edits" in said
    assert "--discard drops them" in said
    assert source.with_suffix(".ipynb").read_bytes() == before
    assert source.read_text(encoding="utf-8") == SOURCE


@each_edit
def test_the_edits_can_be_kept(source, change, difference):
    edit(source, change)
    cells = [cell.source.strip() for cell in nbformat.read(source.with_suffix(".ipynb"), as_version=4).cells]
    assert cli.main(["notebooks", "42", "--from-ipynb"]) == 0
    text = source.read_text(encoding="utf-8")
    assert text.partition("# %%")[0] == SOURCE.partition("# %%")[0]
    assert "vscode" not in text
    assert 'tags=["parameters"]' in text
    assert [cell.source for cell in jupytext.read(source).cells] == cells
    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    assert [cell.source for cell in notebook.cells] == cells
    assert notebook.cells[1].outputs[0].text == "2\n"  # what was computed stays
    assert compare(source).state is State.EQUAL


@each_edit
def test_the_edits_can_be_dropped(source, change, difference):
    before = source.with_suffix(".ipynb").read_bytes()
    edit(source, change)
    assert cli.main(["notebooks", "--discard"]) == 0
    assert source.with_suffix(".ipynb").read_bytes() == before
    assert source.read_text(encoding="utf-8") == SOURCE


def test_keeping_an_older_notebook_does_not_undo_the_source(source):
    newer = SOURCE.replace("2 * x", "x + x")
    source.write_text(newer, encoding="utf-8")
    assert cli.main(["notebooks", "--from-ipynb"]) == 0
    assert source.read_text(encoding="utf-8") == newer


def test_whoever_edits_both_is_told_what_keeping_costs(source):
    edit(source, append("x = 1"))
    assert "drops what is new" not in compare(source).report()
    source.write_text(SOURCE.replace("2 * x", "x + x"), encoding="utf-8")
    assert "--from-ipynb keeps these edits, but drops what is new in the .py" in compare(source).report()


def test_a_notebook_without_a_digest_is_not_overwritten(source):
    """Some editors drop metadata that they do not know: then nobody knows who changed what."""
    path = source.with_suffix(".ipynb")
    notebook = nbformat.read(path, as_version=4)
    del notebook.metadata["labkit"]
    nbformat.write(notebook, path)
    assert compare(source).state is State.EQUAL
    source.write_text(SOURCE.replace("2 * x", "x + x"), encoding="utf-8")
    assert compare(source).state is State.EDITED


def test_a_file_that_is_no_notebook_is_not_overwritten(source, capsys):
    path = source.with_suffix(".ipynb")
    path.write_text("<<<<<<< ours", encoding="utf-8")
    for flags in ([], ["--from-ipynb"]):
        assert cli.main(["notebooks", *flags]) == 1
        assert "42_answer.ipynb cannot be read as a notebook (" in capsys.readouterr().err
        assert path.read_text(encoding="utf-8") == "<<<<<<< ours"
    assert cli.main(["notebooks", "--discard"]) == 0
    assert compare(source).state is State.EQUAL


def test_a_pasted_image_stays_with_its_cell(source):
    def paste(cells):
        cells[0]["attachments"] = {"image.png": {"image/png": "aGVsbG8="}}

    edit(source, paste)
    assert cli.main(["notebooks"]) == 0
    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    assert notebook.cells[0].attachments == {"image.png": {"image/png": "aGVsbG8="}}
    assert notebook.cells[1].outputs == []


def test_two_cells_of_one_text_keep_each_its_own(source):
    text = SOURCE + "\n\n# %% [markdown]\n# # A title\n\n# %%\nprint(double(number))\n"
    source.write_text(text, encoding="utf-8")
    write_notebook(source)

    def run(cells):
        for number, cell in enumerate(cells):
            if cell.cell_type == "code":
                cell.outputs = [nbformat.v4.new_output("stream", text=f"{number}\n")]
            else:
                cell["attachments"] = {f"{number}.png": {"image/png": "aGVsbG8="}}

    edit(source, run)
    before = nbformat.read(source.with_suffix(".ipynb"), as_version=4).cells
    write_notebook(source, outputs=True)
    after = nbformat.read(source.with_suffix(".ipynb"), as_version=4).cells
    assert [cell.get("outputs") for cell in after] == [cell.get("outputs") for cell in before]
    assert [[*cell.get("attachments", [])] for cell in after] == [["0.png"], [], [], [], ["4.png"], []]


@pytest.mark.parametrize("key", ["source", "cell_type"])
def test_a_cell_that_lacks_something_makes_no_notebook(source, key):
    path = source.with_suffix(".ipynb")
    notebook = json.loads(path.read_text(encoding="utf-8"))
    del notebook["cells"][1][key]
    path.write_text(json.dumps(notebook), encoding="utf-8")
    assert "42_answer.ipynb cannot be read as a notebook (AttributeError" in compare(source).report()
    with pytest.raises(ValueError, match="AttributeError"):
        adopt(source)


@pytest.mark.parametrize("source_of_the_lab", course.sources(), ids=lambda path: path.stem)
def test_every_source_survives_the_way_there_and_back(source_of_the_lab, tmp_path):
    copy = tmp_path / source_of_the_lab.name
    copy.write_bytes(source_of_the_lab.read_bytes())
    write_notebook(copy)
    adopt(copy)
    assert copy.read_bytes() == source_of_the_lab.read_bytes()


@pytest.mark.parametrize("ages", [(0, 1000), (1000, 0)], ids=["source first", "notebook first"])
def test_lab_does_not_open_on_an_edited_notebook(source, ages, capsys):
    edit(source, append("x = 'mine'"))
    for path, age in zip((source, source.with_suffix(".ipynb")), ages, strict=True):
        os.utime(path, (time.time() - age, time.time() - age))
    before = source.with_suffix(".ipynb").read_bytes()
    assert cli.main(["lab"]) == 1
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert "42_answer.ipynb was edited without its .py (cell 5: x = 'mine')" in said
    assert source.with_suffix(".ipynb").read_bytes() == before


def configured(manager, folder):
    """What JupyterLab opens and saves files with, configured as `labkit lab` does it."""
    config = Config()
    for option in cli.lab_command(folder):
        if option.startswith("--ContentsManager."):
            name, value = option.removeprefix("--ContentsManager.").split("=")
            config.ContentsManager[name] = value
    return manager(root_dir=str(folder), config=config)


@pytest.fixture
def jupyterlab(source):
    return configured(build_sync_jupytext_contents_manager_class(LargeFileManager), source.parent)


def shown(jupyterlab, name="42_answer.ipynb"):
    return [cell["source"] for cell in jupyterlab.get(name)["content"]["cells"]]


def test_lab_refreshes_what_is_older_and_jupyterlab_opens_it(source, jupyterlab):
    edit(source, lambda cells: None)  # run in an editor that calls the kernel otherwise
    source.write_text(SOURCE.replace("2 * x", "x + x"), encoding="utf-8")
    os.utime(source, (time.time() - 1000,) * 2)  # as an unpacked archive may have it
    with pytest.raises(Exception, match="more recent"):
        shown(jupyterlab)
    cli.main(["lab"])
    assert "x + x" in shown(jupyterlab)[2]
    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    assert "x + x" in notebook.cells[2].source
    assert notebook.cells[3].outputs[0].text == "2\n"  # cells that stayed keep what they showed
    nbformat.validate(notebook)


def save_with_a_new_cell(jupyterlab):
    model = jupyterlab.get("42_answer.ipynb")
    append("x = 'mine'")(model["content"].cells)
    jupyterlab.save({"type": "notebook", "format": "json", "content": model["content"]}, "42_answer.ipynb")


def test_what_jupyterlab_saves_agrees(source, jupyterlab):
    save_with_a_new_cell(jupyterlab)
    text = source.read_text(encoding="utf-8")
    assert "x = 'mine'" in text
    assert "digest" not in text  # it stays out of text formats
    assert compare(source).state is State.EQUAL
    source.write_text(text.replace("2 * x", "x + x"), encoding="utf-8")
    assert compare(source).state is State.OLDER  # both had agreed, so only the .py was edited since
