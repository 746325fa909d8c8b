import nbformat
import pytest

from labkit import cli, course

SOURCE = """\
# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A title
# Formula $x^2$ and `$code$`.

# %% tags=["parameters"]
profile = "lesson"
number = 1

# %%
{code}
"""


@pytest.fixture
def source(tmp_path):
    def write(code):
        path = tmp_path / "42_answer.py"
        path.write_text(SOURCE.format(code=code), encoding="utf-8")
        return path

    return write


def outputs(path):
    notebook = nbformat.read(path, as_version=4)
    return "".join(o.get("text", "") for c in notebook.cells if c.cell_type == "code" for o in c.outputs)


def test_the_same_source_gives_the_same_notebook(source):
    path = source("print(number)")
    first = course.write_notebook(path).read_bytes()
    assert course.write_notebook(path).read_bytes() == first
    notebook = nbformat.reads(first.decode(), as_version=4)
    nbformat.validate(notebook)
    assert [cell.id for cell in notebook.cells] == ["cell-00", "cell-01", "cell-02"]
    assert notebook.metadata.kernelspec.name == "python3"
    assert all(not cell.outputs for cell in notebook.cells if cell.cell_type == "code")


def test_run_injects_parameters(source, tmp_path):
    done = course.run(source("print('number is', number)"), tmp_path / "out" / "42.ipynb", {"number": 7})
    assert "number is 7" in outputs(done)
    assert [p.name for p in done.parent.iterdir()] == ["42.ipynb"]  # nothing else is left behind


def test_a_failing_cell_is_named(source, tmp_path):
    with pytest.raises(course.NotebookError, match=r"42_answer: cell \[3\] failed \(1 / 0\): ZeroDivisionError"):
        course.run(source("1 / 0"), tmp_path / "42.ipynb", {"number": 7})
    assert (tmp_path / "42.ipynb").exists()  # up to that cell, for a look


def test_the_page_needs_nothing_from_elsewhere(source, tmp_path):
    executed = course.run(source("print('hello')"), tmp_path / "42.ipynb", {})
    page = course.export(executed, tmp_path / "42.html").read_text(encoding="utf-8")
    assert "<title>A title</title>" in page
    assert "hello" in page
    assert "<math" in page
    assert 'src="http' not in page
    assert "import(" not in page
    assert "cdn" not in page.lower()


def test_the_page_shows_html_rather_than_a_widget(tmp_path):
    data = {
        "application/vnd.jupyter.widget-view+json": {"model_id": "x"},
        "text/html": "<b>alive</b>",
        "text/plain": "no",
    }
    cell = nbformat.v4.new_code_cell("x", outputs=[nbformat.v4.new_output("display_data", data=data)])
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"widgets": {"state": {}}})
    nbformat.write(notebook, tmp_path / "w.ipynb")
    page = course.export(tmp_path / "w.ipynb", tmp_path / "w.html").read_text(encoding="utf-8")
    assert "<b>alive</b>" in page
    assert "widget-view" not in page


def test_links_to_notebooks_in_outputs_lead_to_their_pages(tmp_path):
    data = {"text/html": '<a href="02_two_stream.ipynb">02</a> <a href="other.ipynb">other</a>'}
    cell = nbformat.v4.new_code_cell("x", outputs=[nbformat.v4.new_output("display_data", data=data)])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "w.ipynb")
    page = course.export(tmp_path / "w.ipynb", tmp_path / "w.html").read_text(encoding="utf-8")
    assert 'href="02_two_stream.html"' in page
    assert 'href="other.ipynb"' in page


def test_the_page_leaves_out_progress_bars(source, tmp_path):
    code = "from tqdm.auto import tqdm\nfor step in tqdm(range(3), desc='learning'):\n    print('step', step)"
    executed = course.run(source(code), tmp_path / "42.ipynb", {})
    assert "learning:   0%" in executed.read_text(encoding="utf-8")
    page = course.export(executed, tmp_path / "42.html").read_text(encoding="utf-8")
    assert "learning:" not in page
    assert "step 2" in page


@pytest.mark.parametrize(
    ("markdown", "formulas"),
    [("$a$ and $b$", 2), ("$$a\n+ b$$", 1), ("`$a$`", 0), ("```\n$a$\n```", 0), ("costs 5$ or 6$", 0), (r"\$a\$", 0)],
)
def test_formulas_become_mathml_but_code_does_not(markdown, formulas):
    assert course.with_mathml(markdown).count("<math") == formulas


def test_display_formulas_are_blocks():
    assert 'display="block"' in course.with_mathml("$$x$$")
    assert 'display="inline"' in course.with_mathml("$x$")


def test_course_runs_exports_and_tells_by_its_exit_status(source, tmp_path, monkeypatch, capsys):
    path = source("print(profile)\nassert number == 1")
    monkeypatch.setattr("labkit.course.sources", lambda: [path])
    assert cli.main(["course", "--profile", "smoke", "--to", str(tmp_path / "pages")]) == 0
    assert "smoke" in outputs(tmp_path / "pages" / "42_answer.ipynb")
    assert (tmp_path / "pages" / "42_answer.html").exists()
    source("assert number == 2")
    assert cli.main(["course", "--to", str(tmp_path / "pages")]) == 1
    assert "42_answer: cell [2] failed" in capsys.readouterr().err
    assert cli.main(["course", "--only", "77"]) == 2


def test_lab_writes_missing_notebooks_and_keeps_existing_ones(source, tmp_path, monkeypatch):
    path = source("print(1)")
    commands = []
    monkeypatch.setattr("labkit.course.sources", lambda: [path])
    monkeypatch.setattr("labkit.course.notebooks_folder", lambda: tmp_path)
    monkeypatch.setattr("os.execv", lambda program, command: commands.append(command))
    cli.main(["lab", "--no-browser"])
    notebook = path.with_suffix(".ipynb")
    assert notebook.exists()
    notebook.write_text("a learner's work", encoding="utf-8")
    cli.main(["lab", "--port", "9999"])
    assert notebook.read_text(encoding="utf-8") == "a learner's work"
    assert commands[0][1:3] == ["-m", "jupyterlab"]
    assert f"--notebook-dir={tmp_path}" in commands[0]
    assert "--LabApp.default_url=/lab/tree/00_start_here.ipynb" in commands[0]
    assert commands[0][-1] == "--no-browser"
    assert commands[1][-2:] == ["--port", "9999"]
