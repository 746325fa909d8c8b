"""The notebooks as files: from their source to .ipynb, run with parameters, exported to pages that need no network.

The ``.py`` file is the source of truth. Running and exporting is papermill's and nbconvert's work; this module adds
what the lab needs besides: one clear line for a failing cell, and an HTML page whose formulas, figures and players
live in the page itself.
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import papermill
import plotly.io
from latex2mathml.converter import convert as latex_to_mathml
from nbconvert import HTMLExporter
from papermill.exceptions import PapermillExecutionError
from plotly.offline import get_plotlyjs
from traitlets.config import Config

from labkit.files import written_whole

CELL_TIMEOUT = {"smoke": 120, "lesson": 600, "study": 3600, "paper": None}  # seconds a cell may take, by profile

_PLOTLY = "application/vnd.plotly.v1+json"
_PLOTLY_CONFIG = {"responsive": True, "displayModeBar": False}  # its bar adds tab stops, and offers to share elsewhere

# The page: the lab template without the scripts that nbconvert would fetch from elsewhere.
_TEMPLATE = """
{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js -%}
{%- if nb.metadata.plotly_js -%}<script>{{ nb.metadata.plotly_js }}</script>{%- endif -%}
{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block html_head_css -%}
<style>
  body.jp-Notebook { max-width: 1060px; margin: 0 auto; padding: 24px 16px 96px; overflow-x: hidden; }
  body.jp-Notebook .jp-RenderedHTMLCommon { font-size: 16px; line-height: 1.6; }
  .jp-InputPrompt, .jp-OutputPrompt { display: none; }
  .jp-InputArea, .jp-OutputArea-output, .jp-InputArea-editor { overflow-x: auto; }
  .js-plotly-plot { min-width: 760px; } /* on a narrow page, scroll rather than let labels overlap */
  .jp-RenderedHTMLCommon blockquote { border-left: 4px solid #56B4E9; padding: 2px 16px; color: #374151; }
  .jp-RenderedHTMLCommon math[display="block"] { margin: 1em 0; font-size: 1.1em; }
</style>
{%- endblock -%}
"""


class NotebookError(RuntimeError):
    """A notebook could not be read or run; the message names the notebook, the cell and what to do."""


def notebooks_folder() -> Path:
    """The folder ``notebooks/`` of the clone this package was installed from.

    Raises:
        NotebookError: labkit was installed without its notebooks.
    """
    folder = Path(__file__).resolve().parents[1] / "notebooks"
    if not folder.is_dir():
        raise NotebookError(f"the notebooks must lie in {folder}; there is no such folder: run labkit from a clone")
    return folder


def sources() -> list[Path]:
    """The ``.py`` sources of all notebooks, in order."""
    return sorted(notebooks_folder().glob("[0-9][0-9]_*.py"))


def notebook_of(source: Path) -> nbformat.NotebookNode:
    """Read a ``.py`` source as a notebook without outputs; the same source gives the same bytes, cell ids included."""
    notebook = jupytext.read(source)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:02d}"
    return notebook


def write_notebook(source: Path) -> Path:
    """Write the ``.ipynb`` beside its source, whole or not at all."""
    target = source.with_suffix(".ipynb")
    _write(target, nbformat.writes(notebook_of(source)) + "\n")
    return target


def run(source: Path, output: Path, parameters: Mapping[str, Any]) -> Path:
    """Execute a notebook from its source with papermill.

    Args:
        source: the ``.py`` file.
        output: where the executed ``.ipynb`` goes; also written when a cell fails, up to that cell.
        parameters: replace the values of its ``parameters`` cell.

    Returns:
        ``output``.

    Raises:
        NotebookError: a cell failed; names the notebook, the cell and the error.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    plain = output.with_suffix(".source.ipynb")
    _write(plain, nbformat.writes(notebook_of(source)))
    timeout = CELL_TIMEOUT.get(str(parameters.get("profile", "lesson")), CELL_TIMEOUT["lesson"])
    try:
        papermill.execute_notebook(
            plain,
            output,
            parameters=dict(parameters),
            cwd=source.parent,
            kernel_name="python3",
            progress_bar=sys.stderr.isatty(),
            execution_timeout=timeout,
            store_widget_state=False,  # the page carries it already
        )
    except PapermillExecutionError as error:
        first_line = next((line for line in error.source.splitlines() if line.strip()), "")
        raise NotebookError(
            f"{source.stem}: cell [{error.exec_count}] failed ({first_line.strip()[:80]}): "
            f"{error.ename}: {error.evalue}"
        ) from error
    finally:
        plain.unlink(missing_ok=True)
    return output


def export(executed: Path, page: Path) -> Path:
    """Turn an executed notebook into one HTML file that works without a kernel and without a network.

    Widgets show the HTML they carry along, figures stay interactive, formulas become MathML; nothing is fetched from
    elsewhere. Widgets that carry none, such as progress bars, which stand where they stood when they were drawn, are
    left out.

    Raises:
        NotebookError: ``executed`` is missing or no notebook.
    """
    try:
        notebook = nbformat.read(executed, as_version=4)
    except (OSError, ValueError, nbformat.validator.NotebookValidationError) as error:
        raise NotebookError(f"{executed} must be an executed notebook; {error}: run it first") from error
    notebook.metadata.pop("widgets", None)
    notebook.metadata["title"] = _title(notebook, executed.stem)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"\]\((\d\d_\w+)\.ipynb\)", r"](\1.html)", with_mathml(cell.source))
        if "outputs" in cell:
            cell.outputs = [output for output in cell.outputs if not _is_bare_widget(output)]
        for output in cell.get("outputs", []):
            if html := output.get("data", {}).get("text/html"):
                output.data["text/html"] = re.sub(r'href="(\d\d_\w+)\.ipynb"', r'href="\1.html"', html)
            if figure := output.get("data", {}).pop(_PLOTLY, None):
                html = plotly.io.to_html(figure, full_html=False, include_plotlyjs=False, config=_PLOTLY_CONFIG)
                output.data["text/html"] = html
    if any("plotly" in str(output.get("data", {}).get("text/html")) for output in _outputs(notebook)):
        notebook.metadata["plotly_js"] = get_plotlyjs()
    config = Config()
    config.NbConvertBase.display_data_priority = ["text/html", "image/svg+xml", "image/png", "image/jpeg", "text/plain"]
    html, _ = HTMLExporter(config=config, raw_template=_TEMPLATE).from_notebook_node(notebook)
    html = re.sub(r'(<div class="jp-[^>]*) tabindex="0"', r"\1", html)  # the tab key goes from player to player
    _write(page, html)
    return page


def _is_bare_widget(output: nbformat.NotebookNode) -> bool:
    data = output.get("data", {})
    return "application/vnd.jupyter.widget-view+json" in data and "text/html" not in data


def _outputs(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def with_mathml(markdown: str) -> str:
    """Replace ``$...$`` and ``$$...$$`` outside code by MathML, which browsers draw by themselves."""

    def replace(match: re.Match[str]) -> str:
        if match["code"]:
            return match["code"]
        display = "block" if match["display"] else "inline"
        return latex_to_mathml((match["display"] or match["inline"]).strip(), display=display)

    code = r"(?P<code>```.*?```|`[^`\n]*`)"
    return re.sub(
        code + r"|\$\$(?P<display>.+?)\$\$|(?<![\\$\w])\$(?P<inline>[^$\n]+?)\$", replace, markdown, flags=re.S
    )


def _title(notebook: nbformat.NotebookNode, default: str) -> str:
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    heading = re.search(r"^# (.+)$", text, flags=re.M)
    return heading[1] if heading else default


def _write(path: Path, text: str) -> None:
    """Write a text, and the folder it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as file:
        file.write(text.encode())
