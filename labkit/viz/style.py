"""One house style for every figure: colours that survive colour-blindness, a quiet template, an alt text.

`Figure` is a plotly figure that carries its description in words. The description travels with the figure, and a screen
reader meets it right behind the figure, in JupyterLab as in the exported HTML.
"""

import re
from html import escape
from textwrap import wrap
from typing import Any

import plotly.graph_objects as go
from IPython.display import HTML, display

# Okabe & Ito (2008), "Color Universal Design", reordered so that neighbours differ most; yellow is left out on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
SEQUENTIAL = "Cividis"  # even in lightness, the same to red-green-blind eyes
DIVERGING: list[tuple[float, str]] = [
    (0.0, "#2166AC"),
    (0.25, "#92C5DE"),
    (0.5, "#F7F7F7"),
    (0.75, "#FDB863"),
    (1.0, "#B35806"),
]
INK, QUIET, PAPER = "#22262B", "#6B7280", "#FFFFFF"
NARROWEST = 680  # pixels: where a page is narrower, figures scroll
DASHES = ("solid", "dash", "dot", "dashdot")  # a second cue beside the colour
FONT = "Inter, system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"

_UNSEEN = "position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap"


class Figure(go.Figure):
    """A plotly figure that carries its description in words, as `alt`."""

    @property
    def alt(self) -> str:
        """What the figure shows, in a sentence or two, for those who do not see it."""
        return str((self.layout.meta or {}).get("alt", ""))

    def _ipython_display_(self) -> None:
        super()._ipython_display_()
        display(HTML(f'<p style="{_UNSEEN}">Figure: {escape(self.alt)}</p>'))


def line_style(number: int) -> dict[str, Any]:
    """Colour and dashes of one curve of several."""
    return {"color": PALETTE[number % len(PALETTE)], "dash": DASHES[number % len(DASHES)], "width": 2}


def finish(figure: go.Figure, *, title: str, alt: str, height: int, **layout: Any) -> Figure:
    """Give a figure its title, its description and the look of the house.

    Args:
        figure: any plotly figure; its traces and layout are taken over.
        title: shown above, in as many lines as it needs; what follows a ``<br>`` stands below it, quieter.
        alt: what the figure shows, in words; may not be empty.
        height: in pixels, with a title of one line; each further one is added.
        layout: anything else that plotly's ``update_layout`` takes.

    Returns:
        The same content as a `Figure`.

    Raises:
        ValueError: no title or no alt text.

    A horizontal legend that does not fit beside the title, on the narrowest page, gets a line of its own.
    """
    if not title.strip() or not alt.strip():
        raise ValueError(f"a figure needs a title and an alt text; got {title!r} and {alt!r}: say what there is to see")
    first, _, second = title.partition("<br>")
    lines, quiet = wrap(first, 68), wrap(second, 90)  # as many letters as the narrowest page has room for
    further = 20 * (len(lines) - 1) + 16 * max(len(quiet) - 1, 0)
    margin = {"l": 60, "r": 24, "t": 66 if second else 48, "b": 48} | layout.get("margin", {})
    if "t" not in layout.get("margin", {}):
        further += _room_for_legend(figure, 6.9 * len(quiet[-1]) if second else 9.5 * len(lines[-1]))
    margin["t"] += further
    figure.update_layout(
        template="none",
        title={
            "text": f"<b>{'<br>'.join(lines)}</b>",
            "subtitle": {"text": "<br>".join(quiet), "font": {"size": 12, "color": QUIET}},
            "font_size": 15,
            "x": 0,
            "xref": "container",
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"l": 16, "t": 14},
        },
        font={"family": FONT, "size": 12, "color": INK},
        paper_bgcolor=PAPER,
        plot_bgcolor=PAPER,
        colorway=PALETTE,
        height=height + further,
        hoverlabel={"font_family": FONT},
        meta={"alt": alt},
    )
    figure.update_layout(**(layout | {"margin": margin}))
    notes = [note.to_plotly_json() for note in figure.layout.annotations]
    look = {"family": FONT, "size": 12, "color": INK}
    figure.layout.annotations = [{**note, "font": note.get("font", {}) | look} for note in notes]
    return Figure(figure)


def _room_for_legend(figure: go.Figure, title: float) -> int:
    """Pixels for a horizontal legend at the right, where it does not fit beside the last line of a title, so wide."""
    legend = figure.layout.legend
    if legend.orientation != "h" or legend.xanchor != "right" or figure.layout.showlegend is False:
        return 0
    names = [re.sub("<[^>]+>", "", trace.name) for trace in figure.data if trace.name and trace.showlegend is not False]
    widths, room = [7 * len(name) + 46 for name in names], NARROWEST - 84
    if title + sum(widths) <= room + 44:
        return 0
    columns = len(names) if sum(widths) <= room else max(room // max(widths), 1)  # as plotly lays them out
    return 22 + 19 * (-(-len(names) // columns) - 1)
