"""Nets drawn as towers of layers, from what their modules did: a box for each time a layer runs along the clip."""

from collections.abc import Mapping, Sequence

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
    shapes, notes = [], []  # put into the figure all at once: plotly takes its time for each call
    for number, layers in enumerate(nets.values(), start=1):
        axes = {"xref": f"x{number if number > 1 else ''}", "yref": f"y{number if number > 1 else ''}"}
        for level, (kind, boxes, shape) in enumerate(layers):
            y = level * GAP
            places = _places(boxes)
            look = {"fillcolor": COLOURS[kind], "line": {"color": INK if kind != "C" else QUIET, "width": 1}}
            shapes += [
                {"type": "rect", "x0": x, "x1": x + w, "y0": y, "y1": y + BOX, **look, **axes} for x, w in places
            ]
            times = f"{boxes} × " if boxes > 1 else ""
            words = {"x": MOST + 0.3, "text": f"{kind}<br>{times}{' × '.join(map(str, shape))}", "xanchor": "left"}
            notes.append({**words, "y": y + BOX / 2, "align": "left", "showarrow": False, **axes})
            if boxes > MOST:
                notes.append({"x": MOST / 2, "y": y + BOX / 2, "text": "…", "showarrow": False, **axes})
    figure.update_layout(shapes=shapes, annotations=[*figure.layout.annotations, *notes])
    figure.update_xaxes(visible=False, range=[-0.2, MOST * 1.75], fixedrange=True)
    figure.update_yaxes(visible=False, range=[-0.2, highest * GAP + 0.1], fixedrange=True)
    for kind in dict.fromkeys(kind for layers in nets.values() for kind, _, _ in layers):
        marker = {"size": 13, "symbol": "square", "color": COLOURS[kind], "line": {"color": INK, "width": 1}}
        figure.add_scatter(x=[None], y=[None], mode="markers", marker=marker, name=kind, row=1, col=1)
    legend = {"orientation": "h", "x": 0, "y": -0.02, "yanchor": "top"}
    figure.update_layout(legend=legend, showlegend=True)
    found = finish(figure, title=title, alt=alt, height=rows * (46 * highest + 60) + 120, margin={"t": 84, "l": 16})
    return Figure(found.update_annotations(font_size=11))


def _places(boxes: int) -> list[tuple[float, float]]:
    """Left edge and width of each box that is drawn, centred over the width of a tower."""
    if boxes == 1:
        return [(0.2 * MOST, 0.6 * MOST)]
    shown = [place for place in range(min(boxes, MOST)) if boxes <= MOST or place != MOST // 2]
    return [((MOST - min(boxes, MOST)) / 2 + place + 0.1, 0.8) for place in shown]
