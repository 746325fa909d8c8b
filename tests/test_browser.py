"""Widgets, figures and source code in JupyterLab with a kernel, and source code in a page without one."""

import re
import socket
import subprocess
import time
import urllib.error
import urllib.request

import nbformat
import pytest
from pages import scrub

from labkit import cli, course
from labkit.papers.frame_rnn import RecurrentClassifier
from labkit.viz.source import CLONE, show

pytestmark = pytest.mark.browser

TOKEN = "only-for-this-test"


CELLS = [
    """import torch
from labkit import viz
from labkit.papers.frame_rnn import ReLURecurrence""",
    """noise = torch.rand(5, 3, 16, 16)
viz.ClipPlayer({"noise": noise}, title="Noise", alt="Grey noise.")""",
    'viz.frame_strip(noise, title="Frames", alt="Five frames of noise.")',
    "viz.show(ReLURecurrence)",
    'viz.quiz("03")',
]


@pytest.fixture
def lab(tmp_path):
    """A JupyterLab on a folder with a notebook of these cells; gives its address."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
    notebook = nbformat.v4.new_notebook(cells=[*map(nbformat.v4.new_code_cell, CELLS)], metadata=kernel)
    nbformat.write(notebook, folder / "42_cells.ipynb")
    (folder / "42_cells.py").write_text("# its twin", encoding="utf-8")
    (tmp_path / "labkit").symlink_to(CLONE / "labkit")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    options = ["--no-browser", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"]
    options += [f"--IdentityProvider.token={TOKEN}"]
    options += [f"--LabApp.user_settings_dir={tmp_path / 'settings'}"]
    log = (tmp_path / "lab.log").open("w")
    server = subprocess.Popen([*cli.lab_command(folder), *options], stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_for(f"{address}/api", server, tmp_path / "lab.log")
        yield address
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        log.close()


def wait_for(address, server, log):
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(address, timeout=5)
            return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            assert server.poll() is None, log.read_text()
            time.sleep(0.5)
    raise AssertionError(f"JupyterLab did not answer: {log.read_text()}")


def test_in_jupyterlab_widgets_are_live_figures_are_drawn_and_source_code_leads_to_its_line(chromium, lab):
    page = chromium.new_page(viewport={"width": 1200, "height": 1000})
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    try:
        page.goto(f"{lab}/lab/tree/notebooks/42_cells.ipynb?token={TOKEN}")
        page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=90_000)
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=90_000)
        assert page.locator(".jp-TableOfContents").is_visible()
        page.get_by_role("tab", name="File Browser").click()
        page.locator(".jp-DirListing-item", has_text="42_cells.ipynb").wait_for()
        assert page.locator(".jp-DirListing-item", has_text="42_cells.py").count() == 0
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name=re.compile("^Run All Cells")).first.click()
        page.locator(".labkit-player[aria-busy=false]").first.wait_for(timeout=120_000)
        page.locator(".js-plotly-plot").first.wait_for(timeout=120_000)
        scrub(page.locator(".labkit-player").first, page)
        assert page.locator("[class^=labkit-][class$=-place]").count() == 0, "JupyterLab should show the live widgets"
        question = page.locator(".labkit-quiz form").first
        question.locator("input").first.focus()
        page.keyboard.press("ArrowDown")  # JupyterLab would choose another cell
        assert question.locator(".lz-why").is_hidden()
        page.keyboard.press("Space")
        assert question.locator("input").nth(1).is_checked()
        assert question.locator(".lz-why").inner_text()[0] in "✓✗"
        assert page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
        page.locator(".labkit-source a").click(timeout=60_000)
        page.locator(".jp-FileEditor .cm-line").first.wait_for(timeout=60_000)
        assert page.url.endswith("/lab/tree/labkit/papers/frame_rnn.py")
        lines = (CLONE / "labkit/papers/frame_rnn.py").read_text(encoding="utf-8").splitlines()
        line = next(number for number, text in enumerate(lines, 1) if text.startswith("class ReLURecurrence"))
        page.get_by_text(f"Ln {line}, Col 1").wait_for()
    finally:
        page.close()
    assert [url for url in asked if not url.startswith((lab, "data:", "blob:"))] == []


def test_source_code_in_a_page_is_coloured_and_has_a_link_to_its_line(offline_page, tmp_path):
    code = nbformat.v4.new_code_cell("show(RecurrentClassifier.forward)")
    data = {"text/html": show(RecurrentClassifier.forward).html}
    code.outputs = [nbformat.v4.new_output("display_data", data=data)]
    link = nbformat.v4.new_markdown_cell("[the file](../labkit/papers/frame_rnn.py)")
    nbformat.write(nbformat.v4.new_notebook(cells=[code, link]), tmp_path / "w.ipynb")
    offline_page.goto(course.export(tmp_path / "w.ipynb", tmp_path / "w.html").as_uri())
    source = offline_page.locator(".labkit-source pre")
    colour = "element => getComputedStyle(element).color"
    assert len({source.locator(kind).first.evaluate(colour) for kind in (".k", ".nf", ".sd", ".n")}) == 4
    file = offline_page.locator(".labkit-file")
    assert not file.is_visible()
    offline_page.locator(".labkit-source a").click()
    target = offline_page.locator(":target")
    assert "def forward(self, codes: Tensor) -> Tensor:" in target.text_content()
    box, view = target.bounding_box(), offline_page.viewport_size
    assert 0 < box["y"] < view["height"] - box["height"]  # it has been scrolled to
    offline_page.get_by_role("link", name="back to the notebook").click()
    assert not file.is_visible()
    offline_page.get_by_role("link", name="the file").click()
    assert file.is_visible()
