"""A clip as a timeline: its frames, and below them what a model predicts at each, under one cursor. No kernel."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots
from torch import Tensor

from labkit.checks import require_finite, require_positive, require_shape
from labkit.viz.colour import data_uri, shrunk
from labkit.viz.style import DIVERGING, INK, SEQUENTIAL, Figure, finish, line_style

STRIP, BAND = 56, 118  # pixels for the strip of frames, and for a band below it
MOST = 14  # frames in the strip
LARGE = 200  # pixels for the frame under the cursor

Band = Mapping[str, Tensor] | Tensor


def clip_story(
    frames: Tensor,
    bands: Mapping[str, Band],
    *,
    title: str,
    alt: str,
    labels: Sequence[str] | None = None,
) -> Figure:
    """A strip of frames (of a long clip some), bands below it, and a slider that moves a cursor through all of them.

    Args:
        frames: ``(T, 3, H, W)``, uint8 or floating point in [0, 1].
        bands: a label each, and either curves, a name and ``(T,)`` numbers each; or numbers ``(N, T)``, drawn as
            colours, N rows. Rows with negative numbers get a diverging scale around 0.
        title: above the figure.
        alt: what there is to see.
        labels: a text for each frame, shown beside the slider, such as what happens there.

    Raises:
        ValueError: bands or labels of another length than the clip, or numbers that are not finite.
    """
    require_shape(frames, "T C H W", "frames", "one clip, time first")
    require_positive(length := len(frames), "the number of frames")
    labels = [""] * length if labels is None else list(labels)
    if len(labels) != length:
        raise ValueError(f"labels must be {length}, one for each frame; got {len(labels)}")
    heights = [STRIP, *[BAND] * len(bands)]
    figure = make_subplots(rows=len(heights), cols=1, shared_xaxes=True, vertical_spacing=0.03, row_heights=heights)
    times, colour = list(range(length)), 0
    apart = -(-length // MOST)  # frames of the strip: one in so many
    for row, (label, band) in enumerate(bands.items(), start=2):
        if isinstance(band, Tensor):
            _add_rows(figure, band, label, length, row)
        else:
            for name, values in band.items():
                require_shape(values, f"{length}", f"{name!r} of {label!r}", "one number a frame")
                require_finite(values, f"{name!r} of {label!r}")
                numbers = values.detach().cpu().double().round(decimals=4).tolist()
                figure.add_scatter(x=times, y=numbers, name=name, mode="lines", line=line_style(colour), row=row, col=1)
                colour += 1
        figure.update_yaxes(title={"text": label, "font": {"size": 11}}, row=row, col=1)
    small = [data_uri(frame, 90) for frame in shrunk(frames, 2 * STRIP, "frames")]
    large = [data_uri(frame, 90) for frame in shrunk(frames, 2 * LARGE, "frames")]
    place = {"xref": "paper", "yref": "paper", "x": 1.02, "y": 1.0, "xanchor": "left", "yanchor": "top"}
    figure.add_layout_image(source=large[0], sizex=0.26, sizey=0.6, sizing="contain", **place)
    for time in times[::apart]:
        size = {"sizex": apart, "sizey": 1, "sizing": "contain", "xanchor": "left", "yanchor": "middle"}
        figure.add_layout_image(source=small[time], x=time - 0.5, y=0.5, xref="x", yref="y", **size)
    cursor = {"type": "line", "x0": 0, "x1": 0, "y0": 0, "y1": 1, "xref": "x", "yref": "paper"}
    figure.add_shape(**cursor, line={"color": INK, "width": 2, "dash": "dot"})
    figure.update_yaxes(visible=False, range=[0, 1], row=1)
    figure.update_xaxes(range=[-0.6, length - 0.4], showgrid=False, zeroline=False)
    figure.update_xaxes(title={"text": "frame", "standoff": 4}, showticklabels=True, row=len(heights))
    steps = [
        {
            "label": f"{time} {labels[time]}".strip(),
            "method": "relayout",
            "args": [{"shapes[0].x0": time, "shapes[0].x1": time, "images[0].source": large[time]}],
        }
        for time in times
    ]
    slider = {"active": 0, "steps": steps, "currentvalue": {"prefix": "frame "}, "ticklen": 0, "minorticklen": 0}
    figure.update_layout(
        sliders=[{**slider, "font": {"color": "rgba(0,0,0,0)"}, "pad": {"t": 46}}],
        legend={"x": 1.02, "xanchor": "left", "y": 0.36, "yanchor": "top", "font": {"size": 11}},
        showlegend=colour > 0,
    )
    figure.layout.sliders[0].currentvalue.font.color = INK
    return finish(figure, title=title, alt=alt, height=sum(heights) + 190, margin={"r": 230, "l": 88, "b": 96})


def _add_rows(figure: go.Figure, band: Tensor, label: str, length: int, row: int) -> None:
    require_shape(band, f"N {length}", label, "one row of numbers a frame each")
    require_finite(band, label)
    numbers = band.detach().cpu().double()
    signed = bool(numbers.min() < 0)
    most = numbers.abs().max().clamp_min(1e-9).item()
    figure.add_heatmap(
        z=numbers.round(decimals=3).tolist(),
        x=list(range(length)),
        colorscale=DIVERGING if signed else SEQUENTIAL,
        zmin=-most if signed else 0,
        zmax=most,
        showscale=False,
        hovertemplate="frame %{x}, row %{y}: %{z:.2f}<extra></extra>",
        row=row,
        col=1,
    )
