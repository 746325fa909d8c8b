"""Nets drawn as towers of layers, from what their modules did: a box for each time a layer runs along the clip."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from labkit.viz.style import INK, PALETTE, QUIET, Figure, finish

Layers = Sequence[tuple[str, int, tuple[int, ...]]]

MOST = 9  # boxes drawn in a row; of more the first and the last ones, dots between
BOX, GAP = 0.62, 1.0  # height of a box, and from row to row
COLOURS = {
    "C": "#E5E7EB",
    "max-pooling": PALETTE[0],
    "average pooling": PALETTE[5],
    "time-domain convolution": PALETTE[2],
    "fully connected": "#F0E442",
    "LSTM": PALETTE[3],
    "softmax": PALETTE[4],
}


def tower_chart(nets: Mapping[str, Layers], *, title: str, alt: str, columns: int = 3) -> Figure:
    """Towers of layers side by side, time to the right, depth upwards.

    Args:
        nets: a label, and the rows from the bottom: kind of layer, how many times it runs along the clip, and the shape
            that each of them gives.
        title: above the figure.
        alt: what there is to see.
        columns: towers in a row of the figure.

    Raises:
        ValueError: no nets, a net without layers, or a kind without a colour.
    """
    if not nets or any(not layers for layers in nets.values()):
        raise ValueError(f"nets must be at least one, each with layers; got {list(nets)}: see long_video.towers")
    if unknown := {kind for layers in nets.values() for kind, _, _ in layers} - COLOURS.keys():
        raise ValueError(f"kinds must be among {', '.join(COLOURS)}; got {', '.join(sorted(unknown))}")
    rows = -(-len(nets) // columns)
    figure = make_subplots(rows, columns, subplot_titles=list(nets), horizontal_spacing=0.02, vertical_spacing=0.12)
    highest = max(len(layers) for layers in nets.values())
    for number, layers in enumerate(nets.values()):
        row, column = number // columns + 1, number % columns + 1
        for level, (kind, boxes, shape) in enumerate(layers):
            _row_of_boxes(figure, kind, boxes, level * GAP, row, column)
            times = f"{boxes} × " if boxes > 1 else ""
            words = {"x": MOST + 0.3, "y": level * GAP + BOX / 2, "xanchor": "left", "showarrow": False}
            size = " × ".join(map(str, shape))
            figure.add_annotation(text=f"{kind}<br>{times}{size}", align="left", **words, row=row, col=column)
    figure.update_xaxes(visible=False, range=[-0.2, MOST * 1.75], fixedrange=True)
    figure.update_yaxes(visible=False, range=[-0.2, highest * GAP + 0.1], fixedrange=True)
    for kind in dict.fromkeys(kind for layers in nets.values() for kind, _, _ in layers):
        marker = {"size": 13, "symbol": "square", "color": COLOURS[kind], "line": {"color": INK, "width": 1}}
        figure.add_scatter(x=[None], y=[None], mode="markers", marker=marker, name=kind, row=1, col=1)
    legend = {"orientation": "h", "x": 0, "y": -0.02, "yanchor": "top"}
    figure.update_layout(legend=legend, showlegend=True)
    found = finish(figure, title=title, alt=alt, height=rows * (46 * highest + 60) + 120, margin={"t": 84, "l": 16})
    return Figure(found.update_annotations(font_size=11))


def _row_of_boxes(figure: go.Figure, kind: str, boxes: int, y: float, row: int, column: int) -> None:
    """Boxes centred over the width of the tower."""
    look = {"fillcolor": COLOURS[kind], "line": {"color": INK if kind != "C" else QUIET, "width": 1}, "type": "rect"}
    shown = list(range(min(boxes, MOST)))
    if boxes > MOST:
        shown.remove(MOST // 2)
        dots = {"x": MOST / 2, "y": y + BOX / 2, "text": "…", "showarrow": False}
        figure.add_annotation(**dots, row=row, col=column)
    wide = 0.8 if boxes > 1 else 0.6 * MOST
    left = (MOST - min(boxes, MOST)) / 2 if boxes > 1 else (MOST - wide) / 2
    for place in shown:
        x = left + place + (0.1 if boxes > 1 else 0)
        figure.add_shape(x0=x, x1=x + wide, y0=y, y1=y + BOX, **look, row=row, col=column)
