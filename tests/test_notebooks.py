"""Every notebook: agrees with its source, one parameters cell, runs from top to bottom, twice with equal results."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest
import torch
from pages import scrub
from runs import figures, said

from labkit import claims, course
from labkit.data import write_video

SOURCES = course.sources()
NOTEBOOK_01 = next(source for source in SOURCES if source.stem == "01_video_and_flow")
each_notebook = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """A function that runs a notebook once per session, in the smoke profile."""
    done: dict[Path, Path] = {}

    def run(source):
        if source not in done:
            folder = tmp_path_factory.mktemp(source.stem)
            done[source] = course.run(source, folder / f"{source.stem}.ipynb", {"profile": "smoke"})
        return done[source]

    return run


@each_notebook
def test_the_pair_agrees(source):
    committed = source.with_suffix(".ipynb").read_text(encoding="utf-8")
    assert committed == nbformat.writes(course.notebook_of(source)) + "\n", "run `make notebooks`"


@each_notebook
def test_the_header_and_the_parameters_cell(source):
    notebook = jupytext.read(source)
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.metadata.jupytext.formats == "ipynb,py:percent"
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    names = {}
    exec(tagged[0].source, {"__builtins__": {}}, names)  # literals only: nothing can be called
    assert {"profile", "dataset", "data_root", "seed", "device"} <= set(names)
    assert names["profile"] == "lesson"


HEAD = re.compile(
    r"# [^\n]+\n\n"
    r"(?P<paper>[^*#].+?)\n\n"
    r"\*\*What you will see here\*\*\n\n(?:- [^\n]+\n(?:  [^\n]+\n)*){3,}.*?\n"
    r"\*\*To know beforehand\*\*: [^\n].*?\n\n"
    r"\*\*Time\*\* about (?:half a|one|two|three|four) (?:and a half )?minutes? on two cores",
    flags=re.S,
)


@each_notebook
def test_the_head_says_paper_contents_prerequisites_and_time(source):
    head = HEAD.match(jupytext.read(source).cells[0].source)
    assert head, "see CONTRIBUTING, section Notebooks"
    links = ["](https://", "](../labkit/papers/", "](../labkit/studies/"]
    assert head["paper"].startswith("No paper of its own: ") or all(link in head["paper"] for link in links)


@each_notebook
def test_what_is_folded_says_what_it_is(source):
    for cell in jupytext.read(source).cells:
        folded = course.FOLDED in cell.metadata.get("tags", [])
        assert folded == cell.metadata.get("jupyter", {}).get("source_hidden", False)
        assert not folded or re.match(r"# [a-z]", cell.source)


@each_notebook
def test_code_fits_the_column_of_a_page(source):
    cells = [cell for cell in jupytext.read(source).cells if cell.cell_type == "code"]
    assert [line for cell in cells for line in cell.source.splitlines() if len(line) > 100] == []


@each_notebook
def test_answers_unfold(source):
    """At least two a lesson, each after a prediction, in HTML within which Markdown is still read."""
    cells = jupytext.read(source).cells
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    answer = (
        r"(?<=\n\n)<details><summary>What (?:happened|the paper says)</summary>\n\n"
        r"(?P<words>[^<]+?)\n\n</details>(?=\n\n|\Z)"
    )
    answers = [*re.finditer(answer, f"\n\n{text}")]
    assert text.count("<details>") == text.count("</details>") == len(answers) >= 2
    for match in answers:
        asked = text[: match.start()].rfind("**Predict")
        assert asked >= 0, match["words"]


@each_notebook
def test_prose_and_code_alternate(source):
    """One idea a cell: no cell of code longer than a screen."""
    for cell in jupytext.read(source).cells:
        if cell.cell_type == "code":
            assert len(cell.source.splitlines()) <= 36, cell.source[:200]
            assert not re.search(r"^\s*(class |optimi[sz]er\.step|loss\.backward)", cell.source, flags=re.M)


@each_notebook
def test_every_figure_is_described(source, executed):
    count = 0
    for cell in nbformat.read(executed(source), as_version=4).cells:
        bundles = [output.data for output in cell.get("outputs", []) if "data" in output]
        for number, data in enumerate(bundles):
            if "application/vnd.plotly.v1+json" in data:
                count += 1
                assert "Figure: " in bundles[number + 1]["text/html"]
    assert count > 3


# What names one run: ids of figures, and what others do to the disk.
UNSTABLE = r"""
[figures]
regex: [0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}
replace: figure

[disk]
regex: [\d.]+ GB free
replace: some GB free
"""


def test_it_runs_again_with_equal_results(executed, tmp_path):
    """nbval executes a notebook that draws the world, trains and evaluates once more, and compares every output."""
    source = next(source for source in SOURCES if source.stem == "09_back_dropout")
    unstable = tmp_path / "unstable.cfg"
    unstable.write_text(UNSTABLE, encoding="utf-8")
    patient = ["--nbval-cell-timeout=120", "--nbval-kernel-startup-timeout=300"]
    options = ["--nbval", "--nbval-current-env", *patient, f"--nbval-sanitize-with={unstable}"]
    plain = ["-q", "-rfE", "-p", "no:cacheprovider", "-p", "no:xdist"]
    command = [sys.executable, "-m", "pytest", *options, *plain, str(executed(source))]
    done = subprocess.run(command, cwd=source.parent, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert re.search(r"\d\d passed", done.stdout)  # a test for each cell


@each_notebook
def test_the_page_is_whole(source, executed, tmp_path):
    page = course.export(executed(source), tmp_path / "page.html").read_text(encoding="utf-8")
    interactive = (
        r'<div class="labkit-(player|patches|pairs|attention)-place">|<details class="labkit-fold">|"updatemenus":\[\{'
    )
    assert re.search(interactive, page)
    assert 'src="http' not in page


@pytest.mark.browser
def test_notebook_01_as_a_page_without_kernel_and_network(offline_page, executed, tmp_path):
    done = executed(NOTEBOOK_01)
    page = course.export(done, tmp_path / "01.html")
    offline_page.goto(page.as_uri())
    players = offline_page.locator(".labkit-player[aria-busy=false]")
    players.nth(4).wait_for()
    assert players.count() >= 4
    for number in range(players.count()):
        scrub(players.nth(number), offline_page)
    count = done.read_text(encoding="utf-8").count('"application/vnd.plotly.v1+json"')
    assert count > 10
    offline_page.locator(".js-plotly-plot .main-svg").first.wait_for()
    assert offline_page.locator(".js-plotly-plot").count() == count
    assert offline_page.locator("math[display=block]").count() == 3


def test_notebook_01_takes_a_real_clip(tmp_path):
    clip = next(Path(os.environ.get("LABKIT_REAL_DATA", "/nowhere"), "clips/hmdb51").glob("*.avi"), None)
    if clip is None:
        pytest.skip("set LABKIT_REAL_DATA to a folder with clips/hmdb51")
    done = course.run(NOTEBOOK_01, tmp_path / "01.ipynb", {"profile": "smoke", "video": str(clip)})
    assert clip.name in said(done)
    assert "estimated flow:" in said(done)
    assert "exact flow:" not in figures(done)


def test_notebook_01_takes_the_shortest_clip_in_portrait_which_is_static(tmp_path):
    write_video(tmp_path / "clip.avi", torch.zeros(8, 3, 96, 48, dtype=torch.uint8), fps=10)
    parameters = {"profile": "smoke", "video": "clip.avi", "data_root": str(tmp_path)}
    text = said(course.run(NOTEBOOK_01, tmp_path / "01.ipynb", parameters))
    assert "(8, 3, 96, 48)" in text
    assert "two copies of one frame" in text


@each_notebook
def test_code_to_try_imports_what_there_is(source):
    """What a block of code in the text imports is there."""
    text = "".join(cell.source for cell in jupytext.read(source).cells if cell.cell_type == "markdown")
    blocks = [
        block for block in re.findall(r"^```(?:python)?\n(.*?)^```", text, flags=re.M | re.S) if "import " in block
    ]
    for block in blocks:
        imports = [node for node in ast.parse(block).body if isinstance(node, ast.ImportFrom)]
        exec(compile(ast.Module(imports, []), str(source), "exec"), {})


def test_every_table_and_figure_has_its_counterpart_where_the_notebook_says():
    texts = {source.stem[:2]: source.read_text(encoding="utf-8") for source in SOURCES}
    missing = []
    for paper in claims.ledger().values():
        for entry in paper.entries:
            kind, number = entry.id.split()
            named = rf"{kind.capitalize()}s? (?:[\d.]+(?:, | and ))*{re.escape(number)}(?!\.?\d)"  # "Figures 4 and 5"
            there = f'"{entry.id}"' in texts[paper.notebook] or re.search(named, texts[paper.notebook])
            missing += [] if there else [(paper.name, entry.id)]
    assert missing == []


@each_notebook
def test_a_lesson_is_prose_and_short_cells(source):
    cells = jupytext.read(source).cells
    lines = [len([line for line in cell.source.splitlines() if line]) for cell in cells if cell.cell_type == "code"]
    prose = [len(cell.source.splitlines()) for cell in cells if cell.cell_type == "markdown"]
    assert sorted(lines)[-3] <= 12  # but for parameters and imports
    assert sum(prose) > sum(lines)
