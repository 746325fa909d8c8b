"""The lab as a newcomer meets it: JupyterLab with a kernel, and source code in a page without one."""

import re
import shutil
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


@pytest.fixture
def lab(tmp_path):
    """A JupyterLab on a copy of the notebooks, in the smoke profile; gives its address."""
    folder = tmp_path / "notebooks"
    shutil.copytree(course.notebooks_folder(), folder, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    source = folder / "01_video_and_flow.py"
    text = source.read_text(encoding="utf-8")
    source.write_text(text.replace('profile = "lesson"', 'profile = "smoke"', 1), encoding="utf-8")
    course.write_notebook(source)
    code = "from labkit.papers.frame_rnn import ReLURecurrence\nfrom labkit.viz import show\n\nshow(ReLURecurrence)"
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
    show_it = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)], metadata=kernel)
    nbformat.write(show_it, folder / "42_source.ipynb")
    (tmp_path / "labkit").symlink_to(CLONE / "labkit")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    options = ["--no-browser", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"]
    options += [f"--IdentityProvider.token={TOKEN}", f"--LabApp.workspaces_dir={tmp_path / 'workspaces'}"]
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


def run_all(page, address):
    """Open a notebook in JupyterLab and run its cells."""
    page.goto(address)
    page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=90_000)
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=90_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name=re.compile("^Run All Cells")).first.click()


def test_notebook_01_in_jupyterlab(chromium, lab):
    page = chromium.new_page(viewport={"width": 1200, "height": 1000})
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    try:
        run_all(page, f"{lab}/lab/tree/notebooks/01_video_and_flow.ipynb?token={TOKEN}")
        page.locator(".labkit-player[aria-busy=false]").first.wait_for(timeout=120_000)
        page.locator(".js-plotly-plot").first.wait_for(timeout=120_000)
        scrub(page.locator(".labkit-player").first, page)
        assert page.locator(".labkit-player-place").count() == 0, "JupyterLab should show the live widget"
        assert page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
    finally:
        page.close()
    assert [url for url in asked if not url.startswith((lab, "data:", "blob:"))] == []


def line_of(path, start):
    return next(n for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if line.startswith(start))


def test_source_code_in_jupyterlab_has_a_link_to_its_line(chromium, lab):
    page = chromium.new_page(viewport={"width": 1200, "height": 1000})
    try:
        run_all(page, f"{lab}/lab/tree/notebooks/42_source.ipynb?token={TOKEN}")
        page.locator(".labkit-source a").click(timeout=60_000)
        page.locator(".jp-FileEditor .cm-line").first.wait_for(timeout=60_000)
        assert page.url.endswith("/lab/tree/labkit/papers/frame_rnn.py")
        line = line_of(CLONE / "labkit/papers/frame_rnn.py", "class ReLURecurrence")
        page.get_by_text(f"Ln {line}, Col 1").wait_for()
    finally:
        page.close()


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
