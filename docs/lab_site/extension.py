"""The Sphinx extension: formulas as MathML, plotly where a page has figures, terms of the glossary in lessons."""

import json
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert as latex_to_mathml
from sphinx.application import Sphinx
from sphinx.util import logging

from lab_site import glossary
from lab_site.links import SHOWN
from labkit.syllabus import syllabus

_log = logging.getLogger(__name__)


def _mathml(display: str) -> Any:
    def visit(self: Any, node: nodes.Element) -> None:
        formula = node.astext().strip()
        try:
            self.body.append(latex_to_mathml(formula, display=display))
        except Exception:  # of many kinds: whatever TeX it does not know, or that is wrong
            _log.warning("MathML cannot express %s", formula, location=node)
            self.body.append(f"<code>{self.encode(formula)}</code>")
        raise nodes.SkipNode

    return visit


def _page(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """What a page's head says, and the scripts that not every page wants."""
    body = context.get("body", "")
    if "plotly-graph-div" in body:
        app.add_js_file("plotly.min.js", loading_method=None, priority=400)
    if "labkit-term" in body:
        app.add_js_file("terms.js", loading_method="defer")
    if 'id="lab-hero"' in body:
        app.add_js_file("hero.js", loading_method="defer")
        app.add_css_file("hero.css")
    number = Path(pagename).name[:2]
    ideas = {lesson.number: lesson.idea for lesson in syllabus()} if pagename.startswith("lessons/") else {}
    text = ideas.get(number, "An interactive lab: how machines came to understand video, paper by paper.")
    head = [f'<meta name="description" content="{text}">', f'<meta property="og:description" content="{text}">']
    head += [f'<meta property="og:title" content="{context.get("title", "labkit")}">']
    if root := app.config.html_baseurl.rstrip("/"):
        head.append(f'<meta property="og:image" content="{root}/_static/social.png">')
        if pagename == "404":  # shown in place of any address, however deep; before whatever the head asks for
            head.insert(0, f'<base href="{root}/">')
    context["metatags"] = context.get("metatags", "") + "\n".join(head)


@cache
def _shown(path: Path) -> dict[str, str]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _docstring(app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Escape what is a formula, and say which lesson shows the code.

    Bars and stars of formulas in a docstring, |x| and (*shape, C), are not reStructuredText's.
    """
    lines[:] = [re.sub(r"(``.*?``)|\||(?<=\()\*", lambda match: match[1] or f"\\{match[0]}", line) for line in lines]
    if address := _shown(Path(app.srcdir) / SHOWN).get(name):
        number = re.findall(r"lessons/(\d\d)", address)[0]
        lines += ["", f"Its code is shown in `lesson {number} <../{address}>`__.", ""]


def _write_in_parallel(app: Sphinx, env: Any) -> None:
    """Pages are read one after the other, which is faster than to send what was read between processes."""
    app.parallel = os.cpu_count() or 1


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", (_mathml("inline"), None), (_mathml("block"), None))
    app.connect("autodoc-process-docstring", _docstring)
    app.connect("html-page-context", _page)
    app.connect("doctree-read", glossary.mark_terms)
    app.connect("env-updated", _write_in_parallel)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
