"""The notebooks as files: from their source to .ipynb, run with parameters, exported to pages that need no network.

The ``.py`` file is the source of truth. Running and exporting is nbclient's and nbconvert's work, parameters are
papermill's; this module adds what else the lab needs: one clear line for a failing cell, and an HTML page whose
formulas, figures and players live in the page itself.
"""

import re
import sys
import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import nbformat
import plotly.io
from latex2mathml.converter import convert as latex_to_mathml
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbconvert import HTMLExporter
from papermill.exceptions import PapermillExecutionError
from papermill.execute import raise_for_execution_errors
from papermill.parameterize import parameterize_notebook
from plotly.offline import get_plotlyjs
from tqdm.auto import tqdm
from traitlets.config import Config

from labkit import folders
from labkit.claims import provenance
from labkit.pairing import notebook_of as notebook_of
from labkit.pairing import write_notebook as write_notebook
from labkit.pairing import write_text
from labkit.viz.source import CLONE, CODE_COLOURS, file_html

FOLDED = "hide-input"  # the tag of a cell whose code is folded; its first line, a comment, says what it is
_PLOTLY = "application/vnd.plotly.v1+json"
_PLOTLY_CONFIG = {"responsive": True, "displayModeBar": False}  # its bar adds tab stops, and offers to share elsewhere
# Plotly follows the size of the page; a figure that was drawn before the page had all its columns follows its own, too.
_FOLLOW = """
new ResizeObserver(([{ contentRect }]) => {
  const plot = document.getElementById("{plot_id}");
  if (contentRect.width && plot.clientWidth !== plot._fullLayout?.width) Plotly.Plots.resize(plot);
}).observe(document.getElementById("{plot_id}"));
"""

# The page: the lab template without the scripts that nbconvert would fetch from elsewhere.
_TEMPLATE = """
{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js -%}
<script>{ // the reader's choice of light or dark, told to the widgets as JupyterLab tells it; paper is light
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const tell = (light) => document.documentElement.setAttribute("data-jp-theme-light", String(light));
  const follow = () => tell(!dark.matches);
  dark.addEventListener("change", follow);
  addEventListener("beforeprint", () => tell(true));
  addEventListener("afterprint", follow);
  follow();
}</script>
{%- if nb.metadata.plotly_js -%}<script>{{ nb.metadata.plotly_js }}</script>{%- endif -%}
{%- endblock -%}
{%- block input -%}
{%- if cell.metadata.folded -%}
<details class="labkit-code"><summary>{{ cell.metadata.folded | escape }}</summary>{{ super() }}</details>
{%- else -%}{{ super() }}{%- endif -%}
{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block html_head_css -%}
<style>
  body.jp-Notebook { max-width: 1060px; margin: 0 auto; padding: 24px 16px 96px; overflow-x: hidden;
    --wash: #F3F4F6; --quiet: #374151; --mark: #FFF3BF; --focus: #0072B2; --jp-content-link-color: #0B4FB3;
    --jp-mirror-editor-variable-color: #212121; LIGHT_CODE }
  [data-jp-theme-light=false] { background: #14181E; color-scheme: dark; }
  [data-jp-theme-light=false] body.jp-Notebook {
    --wash: #29313D; --quiet: #AEB9C5; --mark: #4A4319; --focus: #82B7F5; --jp-content-link-color: #8CBDFF;
    --jp-layout-color0: #14181E; --jp-layout-color1: #1D232C; --jp-layout-color2: #29313D;
    --jp-content-font-color0: #FFFFFF; --jp-content-font-color1: #D7DEE6; --jp-ui-font-color1: #D7DEE6;
    --jp-border-color1: #48566B; --jp-border-color2: #48566B; --jp-cell-editor-border-color: #48566B;
    --jp-cell-editor-background: #1D232C; --jp-rendermime-table-row-background: #1D232C;
    --jp-rendermime-table-row-hover-background: #29313D; --jp-mirror-editor-variable-color: #D7DEE6; DARK_CODE }
  [data-jp-theme-light=false] .js-plotly-plot { border-radius: 8px; overflow: hidden; } /* sheets of paper */
  body.jp-Notebook .jp-RenderedHTMLCommon { font-size: 16px; line-height: 1.6; }
  .jp-InputPrompt, .jp-OutputPrompt { display: none; }
  .jp-InputArea, .jp-InputArea-editor { display: block; } /* cells of a table do not scroll */
  .jp-InputArea, .jp-OutputArea-output, .jp-InputArea-editor { overflow-x: auto; }
  .js-plotly-plot { min-width: 680px; } /* on a narrow page, scroll rather than let labels overlap */
  body.jp-Notebook :is(.jp-RenderedHTMLCommon, .labkit-file) :is(a:link, a:visited) { text-decoration: underline; }
  .jp-RenderedHTMLCommon blockquote { border-left: 4px solid #56B4E9; padding: 2px 16px; color: var(--quiet); }
  .jp-RenderedHTMLCommon math[display="block"] { margin: 1em 0; font-size: 1.1em; overflow: auto hidden; }
  .jp-RenderedMarkdown details { margin: 1em 0; }
  :is(.jp-RenderedMarkdown, .labkit-code) summary { width: fit-content; padding: 2px 8px; cursor: pointer; }
  :is(.jp-RenderedMarkdown, .labkit-code) summary:hover { background: var(--wash); }
  :is(.jp-RenderedMarkdown, .labkit-code) summary:focus-visible { outline: 3px solid var(--focus); }
  .jp-RenderedMarkdown summary { font-weight: 600; }
  .labkit-code > summary { font: 14px var(--jp-ui-font-family, sans-serif); color: var(--quiet); }
  .labkit-file { display: none; position: fixed; inset: 0; z-index: 1000; overflow: auto;
    background: var(--jp-layout-color0); color: var(--jp-content-font-color1); }
  .labkit-file:target, .labkit-file:has(:target) { display: block; }
  .labkit-file header { position: sticky; top: 0; padding: 10px 24px; background: var(--wash); font-size: 16px; }
  .labkit-file header a { margin-left: 24px; color: var(--jp-content-link-color); }
  .labkit-file pre { margin: 0; padding: 8px 24px 96px; font-size: 13px; }
  .labkit-file :target { background: var(--mark); scroll-margin-top: 30vh; }
  @media print {
    .jp-InputArea, .jp-OutputArea-output, .jp-InputArea-editor { overflow: visible; }
    body.jp-Notebook pre, body.jp-Notebook pre * { white-space: pre-wrap; }
    .js-plotly-plot { min-width: 0; break-inside: avoid; }
    [class^="labkit-"], figure, table { break-inside: avoid; }
    details::details-content { content-visibility: visible; } /* answers, too: paper does not unfold */
    .labkit-code { display: none; } /* but not plumbing */
  }
</style>
{%- endblock -%}
"""


def _code_colours(theme: int) -> str:
    return " ".join(f"--jp-mirror-editor-{name}-color: {colours[theme]};" for name, colours in CODE_COLOURS.items())


_TEMPLATE = _TEMPLATE.replace("LIGHT_CODE", _code_colours(0)).replace("DARK_CODE", _code_colours(1))


class NotebookError(RuntimeError):
    """A notebook could not be read or run; the message names the notebook, the cell and what to do."""


def notebooks_folder() -> Path:
    """The folder of the notebooks: see `labkit.folders.notebooks_folder`.

    Raises:
        NotebookError: labkit was installed without its notebooks.
    """
    folder = folders.notebooks_folder()
    if not folder.is_dir():
        raise NotebookError(f"the notebooks must lie in {folder}; there is no such folder: install labkit again")
    return folder


def sources(folder: Path | None = None) -> list[Path]:
    """The ``.py`` sources of all notebooks of a folder, in order; default `notebooks_folder`."""
    return sorted((folder or notebooks_folder()).glob("[0-9][0-9]_*.py"))


def run(source: Path, output: Path, parameters: Mapping[str, Any], *, timeout: int | None = None) -> Path:
    """Execute a notebook from its source.

    Args:
        source: the ``.py`` file.
        output: where the executed ``.ipynb`` goes, in the end; also written when a cell fails, up to that cell.
        parameters: replace the values of its ``parameters`` cell.
        timeout: seconds that a cell may take; None: as long as it needs.

    Returns:
        ``output``.

    Raises:
        NotebookError: a cell failed, took too long or took the kernel with it; names notebook, cell and error.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    output.unlink(missing_ok=True)  # of an earlier run: whatever lies there afterwards is of this one
    notebook, begun = notebook_of(source), [""]
    notebook.metadata["papermill"] = {}  # where it notes the parameters
    for cell in notebook.cells:
        cell.metadata.setdefault("tags", [])  # by which it finds their cell
    if parameters:
        notebook = parameterize_notebook(notebook, dict(parameters))
    steps = tqdm(
        desc=source.stem, total=sum(cell.cell_type == "code" for cell in notebook.cells), unit="cell", disable=None
    )
    started = time.monotonic()
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=timeout,
        resources={"metadata": {"path": str(source.parent)}},
        on_cell_execute=lambda cell, cell_index: begun.append(cell.source),
        on_cell_executed=lambda **_: steps.update(),
        store_widget_state=False,  # the page carries it already
        extra_arguments=["--log-level=ERROR"],  # of the kernel, whose warnings are none of the notebook's
    )
    try:
        with steps:
            client.execute()
    except CellExecutionError:
        pass  # told below
    except (CellTimeoutError, DeadKernelError) as error:
        what = f"took longer than {timeout} s" if isinstance(error, CellTimeoutError) else "ended the kernel"
        where = f"cell [{len(begun) - 1}] ({_first_line(begun[-1])})"
        raise NotebookError(f"{source.stem}: {where} {what}") from error
    finally:
        notebook.metadata["labkit_run"] = _told(notebook, time.monotonic() - started)
        write_text(output, nbformat.writes(notebook))
    try:
        raise_for_execution_errors(notebook, str(output))  # writes it again, with a link to the cell above all others
    except PapermillExecutionError as error:
        where = f"cell [{error.exec_count}] failed ({_first_line(error.source)})"
        raise NotebookError(f"{source.stem}: {where}: {error.ename}: {error.evalue}") from error
    return output


def _told(notebook: nbformat.NotebookNode, seconds: float) -> dict[str, str]:
    """When, where, how long and with which seed a notebook ran."""
    cells = [cell.source for cell in notebook.cells if "parameters" in " ".join(cell.metadata.get("tags", []))]
    seeds = re.findall(r"^seed = (\d+)", "\n".join(cells), flags=re.M)  # what papermill injects comes last
    told = {name: value for name, value in provenance().items() if value}
    told |= {"date": date.today().isoformat(), "seconds": f"{seconds:.0f}"}
    return told | ({"seed": seeds[-1]} if seeds else {})


def make_page(
    source: Path, folder: Path, parameters: Mapping[str, Any], *, timeout: int | None = None
) -> tuple[Path | None, list[str]]:
    """Run a notebook and export it, as far as both will go: what a failing cell leaves is exported, too.

    Args:
        source: the ``.py`` file.
        folder: where the executed ``.ipynb`` and the page go.
        parameters: see `run`.
        timeout: see `run`.

    Returns:
        The page, or None where there is none; and what went wrong.
    """
    executed, page = folder / f"{source.stem}.ipynb", folder / f"{source.stem}.html"
    errors = []
    try:
        page.unlink(missing_ok=True)  # of an earlier run
        run(source, executed, parameters, timeout=timeout)
    except Exception as error:  # whatever it is, it must not keep the next notebook from being run
        errors.append(describe(error, source))
    try:
        return (export(executed, page) if executed.exists() else None), errors
    except Exception as error:
        return None, [*errors, describe(error, executed)]


def describe(error: Exception, path: Path) -> str:
    """An error in one line that names the notebook."""
    return str(error) if isinstance(error, NotebookError) else f"{path}: {type(error).__name__}: {error}"


def _first_line(text: str) -> str:
    return next((line.strip()[:80] for line in text.splitlines() if line.strip()), "")


def published(executed: Path) -> nbformat.NotebookNode:
    """An executed notebook whose outputs live in a page, without a kernel and without a network.

    Widgets show the HTML they carry along, and figures are HTML that wants plotly's script. Widgets that carry none,
    such as progress bars, which stand where they stood when they were drawn, are left out.

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
        if "outputs" in cell:
            cell.outputs = [output for output in cell.outputs if not _is_bare_widget(output)]
        for output in cell.get("outputs", []):
            if html := output.get("data", {}).get("text/html"):
                output.data.pop("application/vnd.jupyter.widget-view+json", None)
                output.data["text/html"] = re.sub(r'href="(\d\d_\w+)\.ipynb"', r'href="\1.html"', html)
            if figure := output.get("data", {}).pop(_PLOTLY, None):
                output.data["text/html"] = figure_html(figure)
    return notebook


def export(executed: Path, page: Path) -> Path:
    """Turn an executed notebook into one HTML file, see `published`; formulas become MathML.

    A formula that MathML cannot express stays as it is written; a line on stderr names it.

    Raises:
        NotebookError: ``executed`` is missing or no notebook.
    """
    notebook = published(executed)
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type == "markdown":
            text, unknown = with_mathml(cell.source)
            for formula in unknown:
                print(
                    f"! {executed}, cell {number}: MathML cannot express {formula}: it stays as written",
                    file=sys.stderr,
                )
            cell.source = re.sub(r"\]\((\d\d_\w+)\.ipynb\)", r"](\1.html)", text)
        if FOLDED in cell.metadata.get("tags", []):
            cell.metadata["folded"] = folded_title(cell)
        if any("plotly-graph-div" in output.get("data", {}).get("text/html", "") for output in cell.get("outputs", [])):
            notebook.metadata["plotly_js"] = get_plotlyjs()
    config = Config()
    config.NbConvertBase.display_data_priority = ["text/html", "image/svg+xml", "image/png", "image/jpeg", "text/plain"]
    html, _ = HTMLExporter(config=config, raw_template=_TEMPLATE).from_notebook_node(notebook)
    html = re.sub(r'(<div class="jp-[^>]*) tabindex="0"', r"\1", html)  # the tab key goes from player to player
    write_text(page, _with_files(html))
    return page


def folded_title(cell: nbformat.NotebookNode) -> str:
    """What a page shows in place of the code of a folded cell: its first line, a comment."""
    return f"Code: {_first_line(cell.source).lstrip('# ')}"


def figure_html(figure: Mapping[str, Any]) -> str:
    """A plotly figure as a piece of a page that has plotly's script. It stays as wide as its column."""
    options: dict[str, Any] = {"full_html": False, "include_plotlyjs": False, "validate": False}
    options |= {"config": _PLOTLY_CONFIG, "post_script": _FOLLOW}
    return str(plotly.io.to_html(figure, **options))


def _with_files(html: str) -> str:
    """Put every file of labkit that a page has a link to into the page, and lead the link there.

    A file lies over the page while it, or one of its lines, is what the address of the page ends in.
    """
    files: dict[str, Path] = {}

    def replace(match: re.Match[str]) -> str:
        name, before = match["file"], match["before"]
        if not (CLONE / name).is_file():  # a folder, or what the clone does not have
            return match[0]
        files[name] = CLONE / name
        return f'href="#{name}-{int(before) + 1}"' if before else f'href="#{name}"'

    html = re.sub(r'href="\.\./(?P<file>labkit/[\w/.]+)(#line=(?P<before>\d+),\d+)?"', replace, html)
    sections = "".join(
        f'<section class="labkit-file" id="{name}" aria-label="{name}"><header><b>{name}</b>'
        f'<a href="#labkit-closed">back to the notebook</a></header>{file_html(file, name)}</section>'
        for name, file in files.items()
    )
    before, end, after = html.rpartition("</body>")
    return f"{before}{sections}{end}{after}"


def _is_bare_widget(output: nbformat.NotebookNode) -> bool:
    data = output.get("data", {})
    return "application/vnd.jupyter.widget-view+json" in data and "text/html" not in data


def with_mathml(markdown: str) -> tuple[str, list[str]]:
    """Replace ``$...$`` and ``$$...$$`` outside code by MathML, which browsers draw by themselves.

    Returns:
        The text, and the formulas that could not be expressed, which stand in it as before.
    """
    unknown = []

    def replace(match: re.Match[str]) -> str:
        if match["code"]:
            return match["code"]
        display = "block" if match["display"] else "inline"
        try:
            return latex_to_mathml((match["display"] or match["inline"]).strip(), display=display)
        except Exception:  # of many kinds: whatever TeX it does not know, or that is wrong
            unknown.append(match[0])
            return match[0]

    code = r"(?P<code>```.*?```|`[^`\n]*`)"
    formula = r"\$\$(?P<display>.+?)\$\$|(?<![\\$\w])\$(?P<inline>[^$\n]+?)\$"
    return re.sub(f"{code}|{formula}", replace, markdown, flags=re.S), unknown


def _title(notebook: nbformat.NotebookNode, default: str) -> str:
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    heading = re.search(r"^# (.+)$", text, flags=re.M)
    return heading[1] if heading else default
