import re
import subprocess
import sys

import nbformat
import pytest
from plotly.offline import get_plotlyjs

from labkit import cli, course, viz

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


def test_the_course_takes_parameters_and_its_pages_need_nothing_from_elsewhere(source, tmp_path, monkeypatch, capsys):
    code = "from tqdm.auto import tqdm\nfor step in tqdm(range(3), desc='learning'):\n    print(profile, 'at', step)"
    path = source(code)
    monkeypatch.setattr("labkit.course.sources", lambda: [path])
    assert cli.main(["course", "--profile", "smoke", "--to", str(tmp_path / "pages")]) == 0
    assert re.fullmatch(r"42_answer  \d+ s  \d\.\d MB  .*/42_answer\.html\n", capsys.readouterr().out)
    executed = tmp_path / "pages/42_answer.ipynb"
    assert "smoke at 2" in outputs(executed)
    assert "learning:   0%" in executed.read_text(encoding="utf-8")
    assert {path.suffix for path in executed.parent.iterdir()} == {".ipynb", ".html"}  # nothing else is left behind
    page = executed.with_suffix(".html").read_text(encoding="utf-8")
    assert "<title>A title</title>" in page
    assert "smoke at 2" in page
    assert "learning:" not in page  # progress bars are left out
    assert "<math" in page
    assert 'src="http' not in page
    assert "import(" not in page
    assert "cdn" not in page.lower()
    assert cli.main(["course", "--only", "77"]) == 2


def test_a_page_shows_html_rather_than_widgets_and_links_lead_to_pages_and_into_files(tmp_path):
    links = "[file](../labkit/checks.py) [folder](../labkit/flow) [none](../labkit/no.py) [up](../README.md)"
    given = (
        '<a href="02_two_stream.ipynb">02</a> <a href="other.ipynb">x</a> <a href="../labkit/checks.py#line=9,12">x</a>'
    )
    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "x"}, "text/plain": "no"}
    output = nbformat.v4.new_output("display_data", data={"text/html": given, **widget})
    cells = [nbformat.v4.new_markdown_cell(links), nbformat.v4.new_code_cell("x", outputs=[output])]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"widgets": {"state": {}}})
    nbformat.write(notebook, tmp_path / "w.ipynb")
    page = course.export(tmp_path / "w.ipynb", tmp_path / "w.html").read_text(encoding="utf-8")
    assert "widget-view" not in page
    assert 'href="02_two_stream.html"' in page
    assert 'href="other.ipynb"' in page
    assert 'href="#labkit/checks.py"' in page
    assert 'href="#labkit/checks.py-10"' in page  # JupyterLab counts from 0
    assert page.count('<section class="labkit-file"') == page.count('id="labkit/checks.py-10"') == 1
    assert all(f'href="../{other}"' in page for other in ("labkit/flow", "labkit/no.py", "README.md"))
    assert page.index('id="labkit/checks.py"') < page.rindex("</body>")


def test_a_folded_cell_opens_where_it_says_what_it_is(tmp_path):
    hidden, shown = (nbformat.v4.new_code_cell(f"# imports <all>\nimport {name}") for name in ("hidden", "shown"))
    hidden.metadata["tags"] = [course.FOLDED]
    nbformat.write(nbformat.v4.new_notebook(cells=[hidden, shown]), tmp_path / "w.ipynb")
    page = course.export(tmp_path / "w.ipynb", tmp_path / "w.html").read_text(encoding="utf-8")
    folded = re.findall(r'<details class="labkit-code">(.*?)</details>', page, flags=re.S)
    assert len(folded) == 1
    assert folded[0].startswith("<summary>Code: imports &lt;all&gt;</summary>")
    assert "hidden" in folded[0]
    assert "shown" not in folded[0]


@pytest.mark.parametrize(
    ("markdown", "formulas"),
    [("$a$ and $b$", 2), ("$$a\n+ b$$", 1), ("`$a$`", 0), ("```\n$a$\n```", 0), ("costs 5$ or 6$", 0), (r"\$a\$", 0)],
)
def test_formulas_become_mathml_but_code_does_not(markdown, formulas):
    text, unknown = course.with_mathml(markdown)
    assert text.count("<math") == text.count('display="block"' if "$$" in markdown else 'display="inline"') == formulas
    assert unknown == []


BROKEN = [r"$\left( x - y$", "$a_b_c$", "$$ $$"]


def test_what_mathml_cannot_express_stays_as_written():
    for formula in BROKEN:
        text, unknown = course.with_mathml(f"Here $x^2$, there {formula}.")
        assert text.count("<math") == 1
        assert text.endswith(f"there {formula}.")
        assert unknown == [formula]


def test_export_names_the_formula_and_goes_on_after_a_bad_notebook(tmp_path, capsys):
    cells = [nbformat.v4.new_markdown_cell(text) for text in ("# Notes", rf"The distance is {BROKEN[0]} as above.")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "formula.ipynb")
    (tmp_path / "bad.ipynb").write_text("no notebook", encoding="utf-8")
    (tmp_path / "no_page.ipynb").write_text('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [7]}')
    nbformat.write(nbformat.v4.new_notebook(cells=cells[:1]), tmp_path / "good.ipynb")
    names = ["bad", "formula", "no_page", "good"]
    assert cli.main(["export", *(str(tmp_path / f"{name}.ipynb") for name in names)]) == 1
    said = capsys.readouterr().err.splitlines()
    warning = f"! {tmp_path}/formula.ipynb, cell 2: MathML cannot express {BROKEN[0]}"
    assert any(line.startswith(warning) for line in said)
    assert [line for line in said if line.startswith("✗") and "bad.ipynb" in line]
    assert [line for line in said if line.startswith("✗") and "no_page.ipynb" in line]
    assert sorted(path.name for path in tmp_path.glob("*.html")) == ["formula.html", "good.html"]
    assert f"The distance is {BROKEN[0]} as above." in (tmp_path / "formula.html").read_text(encoding="utf-8")


def test_course_names_what_fails_and_goes_on(tmp_path, monkeypatch, capsys):
    codes = {
        "01_fails": "print('so far')\n1 / 0",
        "02_dies": "import os\nos._exit(3)",
        "03_hangs": "import time\ntime.sleep(60)",
        "04_no_page": "print('ran')",
        "05_seed": "print('seed', seed)",
    }
    sources = []
    for name, code in codes.items():
        sources.append(tmp_path / f"{name}.py")
        sources[-1].write_text(SOURCE.replace("number = 1", "seed = 0").format(code=code), encoding="utf-8")
    true_export = course.export

    def export(executed, page):
        if executed.stem == "04_no_page":
            raise RecursionError("no page")
        return true_export(executed, page)

    monkeypatch.setattr("labkit.course.sources", lambda: sources)
    monkeypatch.setattr("labkit.course.export", export)
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "04_no_page.html").write_text("of an earlier run", encoding="utf-8")
    assert cli.main(["course", "--to", str(pages), "--seed", "7", "--timeout", "5"]) == 1
    said = capsys.readouterr()
    errors = [line for line in said.err.splitlines() if line.startswith("✗")]
    assert len(errors) == 4
    assert errors[0].startswith("✗ 01_fails: cell [3] failed (print('so far')): ZeroDivisionError")
    assert errors[1] == "✗ 02_dies: cell [3] (import os) ended the kernel"
    assert errors[2] == "✗ 03_hangs: cell [3] (import time) took longer than 5 s"
    assert errors[3].endswith("04_no_page.ipynb: RecursionError: no page")
    assert [line.split()[0] for line in said.out.splitlines()] == list(codes)
    assert said.out.splitlines()[3].endswith("no page")
    assert sorted(path.stem for path in pages.glob("*.html")) == ["01_fails", "02_dies", "03_hangs", "05_seed"]
    assert "so far" in (pages / "01_fails.html").read_text(encoding="utf-8")
    assert "seed 7" in outputs(pages / "05_seed.ipynb")


def test_an_executed_notebook_is_of_this_run(tmp_path):
    """What an earlier run left must not pass for this one's, should not even a cell run."""
    executed = tmp_path / "42.ipynb"
    executed.write_text("of an earlier run", encoding="utf-8")
    with pytest.raises(FileNotFoundError):
        course.run(tmp_path / "missing.py", executed, {})
    assert not executed.exists()


def test_ctrl_c_ends_the_course_and_leaves_what_has_run(source, tmp_path, monkeypatch, capsys):
    def interrupted(client):
        raise KeyboardInterrupt

    path = source("print(1)")
    monkeypatch.setattr("labkit.course.sources", lambda: [path])
    monkeypatch.setattr("nbclient.NotebookClient.execute", interrupted)
    assert cli.main(["course", "--to", str(tmp_path / "pages")]) == 130
    assert capsys.readouterr().err == "interrupted\n"
    assert [path.name for path in (tmp_path / "pages").iterdir()] == ["42_answer.ipynb"]


def test_a_reader_who_stops_ends_a_command_quietly():
    """As `labkit notebooks | head` does: the pipe is closed at its other end before the first line is written."""
    code = (
        "import sys; from labkit import cli; cli._doctor = lambda: print('fine') or 0; sys.exit(cli.main(['doctor']))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 141
    assert err == ""


def test_lab_writes_missing_notebooks_and_keeps_existing_ones(source, tmp_path, monkeypatch):
    path = source("print(1)")
    commands = []
    monkeypatch.setattr("labkit.course.sources", lambda: [path])
    monkeypatch.setattr("labkit.course.notebooks_folder", lambda: tmp_path)
    monkeypatch.setattr("os.execv", lambda program, command: commands.append(command))
    cli.main(["lab", "--no-browser"])
    notebook = path.with_suffix(".ipynb")
    assert notebook.exists()
    before = notebook.read_bytes()
    cli.main(["lab", "--port", "9999"])
    assert notebook.read_bytes() == before
    assert commands[0][1:3] == ["-m", "jupyterlab"]
    assert f"--notebook-dir={tmp_path.parent}" in commands[0]  # so that links to ../labkit work
    assert f"--LabApp.default_url=/lab/tree/{tmp_path.name}/00_start_here.ipynb" in commands[0]
    assert "--ContentsManager.hide_globs=[0-9][0-9]_*.py" in commands[0]
    assert f"--LabApp.workspaces_dir={tmp_path.parent / '.jupyter' / 'workspaces'}" in commands[0]
    assert commands[0][-1] == "--no-browser"
    assert commands[1][-2:] == ["--port", "9999"]


def test_lab_opens_the_lesson_that_is_asked_for(source, tmp_path, monkeypatch, capsys):
    path = source("print(1)")
    commands = []
    monkeypatch.setattr("labkit.course.sources", lambda: [path])
    monkeypatch.setattr("labkit.course.notebooks_folder", lambda: tmp_path)
    monkeypatch.setattr("os.execv", lambda program, command: commands.append(command))
    cli.main(["lab", "42", "--no-browser"])
    assert f"--LabApp.default_url=/lab/tree/{tmp_path.name}/42_answer.ipynb" in commands[0]
    assert commands[0][-1] == "--no-browser"
    assert cli.main(["lab", "43"]) == 2
    assert "no notebook is numbered 43" in capsys.readouterr().err
    assert len(commands) == 1


def test_an_executed_notebook_says_when_where_and_with_which_seed_it_ran(source, tmp_path):
    path = source("print(1)")
    executed = course.run(path, tmp_path / "run.ipynb", {"number": 3})
    told = nbformat.read(executed, as_version=4).metadata["labkit_run"]
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", told["date"])
    assert int(told["seconds"]) < 60
    assert "cores" in told["machine"]
    assert "seed" not in told  # this one has none
    path.write_text(path.read_text(encoding="utf-8").replace("number = 1", "seed = 0"), encoding="utf-8")
    executed = course.run(path, tmp_path / "seed.ipynb", {"seed": 7})
    assert nbformat.read(executed, as_version=4).metadata["labkit_run"]["seed"] == "7"


@pytest.mark.browser
def test_a_figure_follows_its_column(offline_page, tmp_path):
    """Where a page gets a column at its side after the figure was drawn, and no window changes its size."""
    figure = viz.line_chart({"a": ([0, 1], [0, 1])}, title="t", alt="a", x_title="x", y_title="y")
    body = course.figure_html(figure.to_plotly_json())
    page = f'<script>{get_plotlyjs()}</script><div id="column" style="width: 980px">{body}</div>'
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    offline_page.goto((tmp_path / "page.html").as_uri())
    drawn = "width => document.querySelector('.main-svg').clientWidth === width"
    for width in (980, 800, 900):
        offline_page.evaluate("width => document.getElementById('column').style.width = `${width}px`", width)
        offline_page.wait_for_function(drawn, arg=width)


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_is_light_or_dark_as_the_reader_has_it_and_light_on_paper(offline_page, tmp_path, scheme):
    cells = [nbformat.v4.new_markdown_cell("# Notes\n\n<details><summary>More</summary>\n\n*Words*\n\n</details>")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "w.ipynb")
    page = course.export(tmp_path / "w.ipynb", tmp_path / "w.html")
    offline_page.emulate_media(color_scheme=scheme)
    offline_page.goto(page.as_uri())
    light = "document.documentElement.getAttribute('data-jp-theme-light')"
    assert offline_page.evaluate(light) == str(scheme == "light").lower()
    ground = offline_page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 24, 30)")
    offline_page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert offline_page.evaluate(light) == "true"
    offline_page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert offline_page.evaluate(light) == str(scheme == "light").lower()
    words = offline_page.locator("details em")  # Markdown within the HTML is read
    assert not words.is_visible()
    offline_page.get_by_text("More").click()
    assert words.is_visible()
