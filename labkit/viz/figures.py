"""Figures: pictures side by side, optical flow in all its dress, plain charts.

Every function takes arrays and returns a `labkit.viz.style.Figure`; nothing here trains, loads or prints. Each asks
for a title and an alt text: a figure that cannot be described in a sentence is not finished.
"""

import math
import re
from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
import torch
import torch.nn.functional as F
from torch import Tensor

from labkit.checks import require_finite, require_same_shape, require_shape
from labkit.viz.colour import as_uint8, colour_wheel, data_uri, flow_to_rgb, typical_speed
from labkit.viz.style import DIVERGING, INK, PALETTE, QUIET, SEQUENTIAL, Figure, finish

PAGE = 920  # the width in pixels that figures are laid out for
LONGEST_TILE = 480  # pixels; larger pictures are shrunk before they travel with the page
LETTER = 0.62  # width of a letter, of the size of its font; of wide fonts, to be safe


def frame_strip(
    clip: Tensor, *, title: str, alt: str, labels: Sequence[str] | None = None, columns: int | None = None
) -> Figure:
    """The frames of a clip, left to right.

    Args:
        clip: (T, 3, H, W) uint8, or floating point in [0, 1]; one channel is shown grey.
        title: above the figure.
        alt: what there is to see.
        labels: one line above each frame; default ``t = 0``, ``t = 1``...
        columns: frames to a row; default up to eight.
    """
    require_shape(clip, "T C H W", "clip")
    labels = [f"t = {t}" for t in range(len(clip))] if labels is None else labels
    return picture_grid(list(clip), labels=labels, columns=columns or min(8, len(clip)), title=title, alt=alt)


def picture_grid(
    pictures: Sequence[Tensor], *, title: str, alt: str, labels: Sequence[str] | None = None, columns: int | None = None
) -> Figure:
    """Pictures in rows, each with a label above it, in several lines where it is wider than its picture.

    Args:
        pictures: (3, H, W) or (1, H, W) each, uint8 or floating point in [0, 1]; sizes may differ.
        title: above the figure.
        alt: what there is to see.
        labels: one for each picture.
        columns: pictures to a row; default all in one row.

    Raises:
        ValueError: no pictures, or as many labels as pictures are not given.
    """
    if not pictures:
        raise ValueError("pictures must hold at least one picture; got none: check the selection above")
    labels = [""] * len(pictures) if labels is None else labels
    if len(labels) != len(pictures):
        raise ValueError(
            f"labels must be one for each of the {len(pictures)} pictures; got {len(labels)}: add or drop some"
        )
    columns = columns or len(pictures)
    tiles = [_shrink(as_uint8(picture, "picture")) for picture in pictures]  # (3, h, w) each
    tall, wide = (max(tile.shape[axis] for tile in tiles) for axis in (1, 2))
    rows = -(-len(tiles) // columns)
    labels = [wrapped_label(label, PAGE / columns) for label in labels]
    lines = max(label.count("<br>") + 1 if label else 0 for label in labels)
    gap, label_height = 0.04 * wide, 0.04 * wide + (15 * lines + 3 * bool(lines)) * columns * wide / PAGE
    figure = go.Figure()
    for number, (tile, label) in enumerate(zip(tiles, labels, strict=True)):
        left, top = (number % columns) * (wide + gap), (number // columns) * (tall + label_height) + label_height
        x, y = left + (wide - tile.shape[2]) / 2, top + (tall - tile.shape[1]) / 2
        _place(figure, tile, x, y)
        if label:
            figure.add_annotation(x=left + wide / 2, y=top, text=label, showarrow=False, yanchor="bottom", yshift=-1)
    across, down = columns * (wide + gap) - gap, rows * (tall + label_height)
    _hide_axes(figure, across, down)
    height = int(min(down / across * (PAGE - 32), 1400)) + 84
    return finish(figure, title=title, alt=alt, height=height, margin={"l": 16, "r": 16, "b": 16})


def flow_fields(
    fields: Mapping[str, Tensor],
    *,
    title: str,
    alt: str,
    max_speed: float | None = None,
    columns: int | None = None,
) -> Figure:
    """Optical flow in colour, one field or several on one scale, with the colour wheel as legend.

    Args:
        fields: a label and a field (2, H, W) in pixels per frame each.
        title: above the figure.
        alt: what there is to see.
        max_speed: the speed of full colour, in pixels per frame; default the 99th percentile over all fields.
        columns: fields to a row; default up to four.
    """
    for label, field in fields.items():
        require_shape(field, "2 H W", f"flow of {label!r}", "pass one field of (dx, dy) for each label")
    speed = max(typical_speed(field) for field in fields.values()) if max_speed is None else max_speed
    columns = columns or min(4, len(fields))
    figure = picture_grid(
        [flow_to_rgb(field, speed) for field in fields.values()],
        labels=list(fields),
        columns=columns,
        title=title,
        alt=f"{alt} Colours: hue is direction, saturation is speed, full at {speed:.2g} pixels per frame.",
    )
    figure.update_layout(margin_r=150)
    tall = next(iter(fields.values())).shape[-2] / next(iter(fields.values())).shape[-1] * (PAGE - 166) / columns
    figure.update_layout(height=int(min(max(230, -(-len(fields) // columns) * (tall + 24) + 70), 520)))
    _add_wheel(figure, speed)
    return figure


def quiver(picture: Tensor, flow: Tensor, *, title: str, alt: str, spacing: int = 8, lengthen: float = 1.0) -> Figure:
    """Arrows on a picture: where each point is in the next frame.

    Args:
        picture: (3, H, W), the frame the flow starts from.
        flow: (2, H, W) in pixels per frame.
        title: above the figure.
        alt: what there is to see.
        spacing: pixels between arrows.
        lengthen: 1 draws displacements true to scale.
    """
    require_shape(flow, "2 H W", "flow", "pass one field of (dx, dy)")
    require_finite(flow, "flow")
    figure = _over_picture(picture, flow)
    height, width = flow.shape[-2:]
    y, x = torch.meshgrid(
        torch.arange(spacing // 2, height, spacing), torch.arange(spacing // 2, width, spacing), indexing="ij"
    )
    dx, dy = flow.detach().cpu().float()[:, y, x] * lengthen
    moving = torch.hypot(dx, dy) > 0.25  # shorter arrows would be all head
    starts = torch.stack([x, y], -1)[moving].float()  # (N, 2)
    steps = torch.stack([dx, dy], -1)[moving]  # (N, 2)
    ends = starts + steps
    length = torch.linalg.vector_norm(steps, dim=-1, keepdim=True)
    along = steps / length * (0.35 * length).clamp(max=2.5)
    across = torch.stack([-along[:, 1], along[:, 0]], -1) * 0.6
    gap = torch.full_like(starts, torch.nan)
    lines = torch.stack([starts, ends, ends - along + across, ends, ends - along - across, gap], 1).flatten(0, 1)
    for colour, thick in (("rgba(0,0,0,.75)", 4), ("white", 2)):  # white on black reads on any picture
        _add_lines(figure, lines, colour, thick)
    return _finish_picture(figure, flow, title, alt)


def trajectory_plot(picture: Tensor, tracks: Tensor, *, title: str, alt: str) -> Figure:
    """Paths of points, drawn over the frame they start from.

    Args:
        picture: (3, H, W).
        tracks: (N, L, 2) positions (x, y) in pixels over L frames.
        title: above the figure.
        alt: what there is to see.
    """
    require_shape(tracks, "N L 2", "tracks", "positions (x, y) of N points over L frames")
    figure = _over_picture(picture, picture)
    tracks = tracks.detach().cpu().float()
    lines = torch.cat([tracks, torch.full_like(tracks[:, :1], torch.nan)], 1).flatten(0, 1)
    _add_lines(figure, lines, "rgba(0,0,0,.75)", 4)
    _add_lines(figure, lines, PALETTE[4], 2)
    ends = ((tracks[:, 0], "white", "circle", "start"), (tracks[:, -1], PALETTE[1], "square", "end"))
    for points, colour, symbol, name in ends:
        marker = {"size": 7, "symbol": symbol, "color": colour, "line": {"color": "black", "width": 1}}
        figure.add_scatter(x=points[:, 0].numpy(), y=points[:, 1].numpy(), mode="markers", marker=marker, name=name)
    figure.update_layout(
        showlegend=True, legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1.01, "yanchor": "bottom"}
    )
    return _finish_picture(figure, picture, title, alt)


def marked_places(
    picture: Tensor, places: Mapping[str, tuple[int, int]], *, window: int, title: str, alt: str
) -> Figure:
    """A picture with a square around each place, labelled.

    Args:
        picture: (3, H, W).
        places: a label and a centre (x, y) in pixels each.
        window: side of the squares in pixels.
        title: above the figure.
        alt: what there is to see.
    """
    figure = _over_picture(picture, picture)
    for number, (label, (x, y)) in enumerate(places.items()):
        corners = {"x0": x - window / 2, "x1": x + window / 2, "y0": y - window / 2, "y1": y + window / 2}
        for colour, thick in (("black", 5), (PALETTE[number + 3], 3)):
            figure.add_shape(type="rect", line={"color": colour, "width": thick}, **corners)
        text = {"text": f"<b>{label}</b>", "bgcolor": "rgba(255,255,255,.85)", "showarrow": False}
        figure.add_annotation(x=x, y=y - window / 2, yanchor="bottom", yshift=4, **text)
    return _finish_picture(figure, picture, title, alt)


def heat_maps(
    maps: Mapping[str, Tensor],
    *,
    title: str,
    alt: str,
    unit: str,
    centred: bool = False,
    limit: float | None = None,
    marks: Mapping[str, tuple[float, float]] | None = None,
) -> Figure:
    """Numbers over the picture plane, one map or several on one scale.

    Args:
        maps: a label and a map (H, W) each.
        title: above the figure.
        alt: what there is to see.
        unit: of the numbers, written at the colour bar.
        centred: True for signed numbers: a scale that is even about 0.
        limit: the end of the scale; default the 99.5th percentile of the magnitudes.
        marks: a place (x, y) in pixels to mark with a cross, by label of the map.
    """
    for label, values in maps.items():
        require_shape(values, "H W", f"map {label!r}")
    arrays = [values.detach().cpu().float().numpy() for values in maps.values()]
    if limit is None:
        limit = max(1e-6, max(float(np.nanquantile(np.abs(array), 0.995)) for array in arrays))
    figure = go.Figure()
    gap = 0.04 * arrays[0].shape[1]
    columns = min(4, len(arrays))
    wide, tall = arrays[0].shape[1] + gap, arrays[0].shape[0] + 24 * arrays[0].shape[1] * columns / PAGE
    for number, (label, array) in enumerate(zip(maps, arrays, strict=True)):
        left, top = (number % columns) * wide, (number // columns) * tall + tall - array.shape[0]
        figure.add_heatmap(
            z=np.round(array, 3).astype(np.float32),
            x0=left,
            y0=top,
            coloraxis="coloraxis",
            hovertemplate=f"{label}: %{{z:.2f}} {unit}<extra></extra>",
        )
        figure.add_annotation(x=left + array.shape[1] / 2, y=top - 0.5, text=label, showarrow=False, yanchor="bottom")
        if marks and label in marks:
            x, y = left + marks[label][0], top + marks[label][1]
            cross = {"symbol": "x", "size": 10, "color": PALETTE[1], "line": {"color": "white", "width": 1.5}}
            figure.add_scatter(x=[x], y=[y], mode="markers", marker=cross, hoverinfo="skip", showlegend=False)
    rows = -(-len(arrays) // columns)
    across, down = columns * wide - gap, rows * tall
    _hide_axes(figure, across, down)
    figure.update_layout(
        coloraxis={
            "colorscale": DIVERGING if centred else SEQUENTIAL,
            "cmin": -limit if centred else 0,
            "cmax": limit,
            "colorbar": {"title": {"text": unit, "side": "right"}, "thickness": 12, "outlinewidth": 0, "len": 0.9},
        }
    )
    height = min(int(down / across * (PAGE - 110)) + 84, 520)
    return finish(figure, title=title, alt=alt, height=height, margin={"l": 16, "r": 90, "b": 16})


def flow_components(flow: Tensor, *, title: str, alt: str) -> Figure:
    """The two halves of a flow field: horizontal and vertical displacement on one signed scale.

    Args:
        flow: (2, H, W) in pixels per frame.
        title: above the figure.
        alt: what there is to see.
    """
    require_shape(flow, "2 H W", "flow", "pass one field of (dx, dy)")
    halves = {"dx (to the right)": flow[0], "dy (down)": flow[1]}
    return heat_maps(halves, title=title, alt=alt, unit="pixels per frame", centred=True)


def timeline(
    rows: Mapping[str, Sequence[float] | Tensor], *, title: str, alt: str, x_title: str, length: float
) -> Figure:
    """Moments on parallel lines: which frames each rule picks.

    Args:
        rows: a label and its moments each, top to bottom.
        title: above the figure.
        alt: what there is to see.
        x_title: of the time axis, with its unit.
        length: of the clip, in that unit.
    """
    figure = go.Figure()
    for number, (label, moments) in enumerate(rows.items()):
        times = torch.as_tensor(moments).flatten().tolist()
        line = {"x": [0, length], "y": [label, label], "mode": "lines", "line": {"color": "#D1D5DB", "width": 2}}
        figure.add_scatter(**line, hoverinfo="skip")
        dots = {"size": 9, "color": PALETTE[number % len(PALETTE)], "symbol": "circle"}
        figure.add_scatter(x=times, y=[label] * len(times), mode="markers", marker=dots, name=label)
    figure.update_xaxes(title=x_title, range=[-0.02 * length, 1.02 * length], zeroline=False, showgrid=False)
    figure.update_xaxes(ticks="outside", tickcolor=QUIET)
    figure.update_yaxes(autorange="reversed", showgrid=False, zeroline=False, automargin=True)
    return finish(figure, title=title, alt=alt, height=130 + 34 * len(rows), showlegend=False)


def line_chart(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    title: str,
    alt: str,
    x_title: str,
    y_title: str,
    height: int = 340,
) -> Figure:
    """Lines: a label and its (x, y) values each; axis titles carry the units."""
    figure = go.Figure()
    dashes = ("solid", "dash", "dot", "dashdot")  # a second cue beside the colour
    for number, (label, (x, y)) in enumerate(series.items()):
        style = {"color": PALETTE[number % len(PALETTE)], "dash": dashes[number % len(dashes)], "width": 2}
        figure.add_scatter(x=list(x), y=list(y), name=label, mode="lines+markers", line=style, marker_size=5)
    _chart_axes(figure, x_title, y_title)
    return finish(figure, title=title, alt=alt, height=height)


def bar_chart(
    groups: Mapping[str, Mapping[str, float]], *, title: str, alt: str, x_title: str, y_title: str, height: int = 340
) -> Figure:
    """Bars side by side: for each label a value for each name on the x axis.

    The values are written on the bars, where these are wide enough, and, for those who do not see them, at the end of
    the alt text. The height grows by what long names need below the bars.
    """
    read_out = "; ".join(
        f"{label}: " + ", ".join(f"{n} {v:.3g}" for n, v in row.items()) for label, row in groups.items()
    )
    figure = go.Figure()
    patterns = ("", "/", ".", "x")  # a second cue beside the colour
    names = list(dict.fromkeys(name for row in groups.values() for name in row))
    ticks = name_ticks(names)
    width = 0.64 * PLOT / max(len(names) * len(groups), 1)  # of a bar, in pixels
    written = {"textposition": "outside", "textangle": 0, "constraintext": "none", "textfont": {"size": 12}}
    if width < 28:  # upright, and then not at all
        written |= {"textposition": "outside" if width >= 10 else "none", "textangle": -90, "textfont": {"size": 10}}
    for number, (label, values) in enumerate(groups.items()):
        figure.add_bar(
            x=list(values),
            y=list(values.values()),
            name=label,
            text=[f"{value:.3g}" for value in values.values()],
            **written,
            cliponaxis=False,
            marker={
                "color": PALETTE[number % len(PALETTE)],
                "pattern": {"shape": patterns[number % len(patterns)], "fillmode": "overlay", "fgcolor": "white"},
            },
        )
    _chart_axes(figure, x_title, y_title)
    figure.update_xaxes(tickangle=ticks.angle, tickfont_size=ticks.size, dtick=1)  # every name
    figure.update_yaxes(rangemode="tozero")
    ends = [0.0, *(value for row in groups.values() for value in row.values() if math.isfinite(value))]
    if 10 <= width < 28 and max(ends) > min(ends):  # room for the upright values
        room = 0.16 * (max(ends) - min(ends))
        figure.update_yaxes(range=[min(ends) - room * (min(ends) < 0), max(ends) + room * (max(ends) > 0)])
    height += ticks.room - SHORT
    return finish(
        figure, title=title, alt=f"{alt} {read_out}.", height=height, barmode="group", bargap=0.3, bargroupgap=0.08
    )


def bar_slider(
    steps: Mapping[str, Mapping[str, float]],
    *,
    title: str,
    alt: str,
    x_title: str,
    y_title: str,
    slider: str,
    start: int = 0,
    height: int = 420,
) -> Figure:
    """One set of bars for each position of a slider; every state travels with the page, so it needs no kernel.

    Args:
        steps: a label of the slider's position, and the bars there: a value for each name on the x axis.
        title: above the figure.
        alt: what there is to see.
        x_title: of the x axis.
        y_title: of the y axis, with its unit.
        slider: what the slider sets, shown before its value.
        start: position to begin with.
        height: in pixels, with short names; long ones make the figure higher and push the slider down.

    Raises:
        ValueError: no steps, steps with different names, or a start that is not among them.
    """
    labels, rows = list(steps), list(steps.values())
    if not rows or any(list(row) != list(rows[0]) for row in rows) or not 0 <= start < len(rows):
        raise ValueError(f"steps must hold the same names at each position, start among them; got {labels}, {start}")
    figure = go.Figure()
    names = list(rows[start])
    figure.add_bar(x=names, y=list(rows[start].values()), marker_color=PALETTE[0])
    moves = [
        {"label": label, "method": "restyle", "args": [{"y": [list(row.values())]}]}
        for label, row in zip(labels, rows, strict=True)
    ]
    _chart_axes(figure, x_title, y_title)
    high = max(max(row.values()) for row in rows)
    figure.update_yaxes(range=[0, 1.05 * high])
    ticks = name_ticks(names)
    figure.update_xaxes(tickangle=ticks.angle, tickfont_size=ticks.size, dtick=1)  # every name
    below = {"t": 52 + ticks.room}  # names, and the title of the axis
    figure.update_layout(
        sliders=[{"active": start, "steps": moves, "currentvalue": {"prefix": f"{slider}: "}, "pad": below}]
    )
    return finish(figure, title=title, alt=alt, height=height + ticks.room - SHORT)


def wrapped_label(label: str, width: float) -> str:
    """A label in as many lines, parted by ``<br>``, as it needs to stay within a width in pixels.

    Lines break between words, or else before a capital, as of ``HandstandPushups``; a word that is too long all the
    same is cut up. What has tags of its own is left alone.
    """
    most = max(int(width / (12 * LETTER)), 4)
    if len(label) <= most or "<" in label:
        return label
    longest = min(max(map(len, label.split())), most)
    ways = [_lines(label, letters) for letters in range(longest, most + 1)]
    fewest = len(ways[-1])
    return "<br>".join(next(lines for lines in ways if len(lines) == fewest))  # no line much shorter than the others


def _lines(label: str, letters: int) -> list[str]:
    """A label in lines of at most so many letters."""
    lines: list[str] = []
    for word in label.split():
        pieces = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", word).split() if len(word) > letters else [word]
        for number, piece in enumerate(pieces):
            glue = " " if number == 0 else ""
            if lines and len(lines[-1] + glue + piece) <= letters:
                lines[-1] += glue + piece
            else:
                lines += wrap(piece, letters)
    return lines


class NameTicks(NamedTuple):
    """How names stand below an axis.

    Attributes:
        angle: that they are turned by, clockwise, in degrees.
        size: of their font, in pixels.
        room: that they take below the axis, in pixels.
    """

    angle: int
    size: int
    room: int


PLOT = PAGE - 84  # pixels between the left and the right margin of a chart
SHORT = 20  # pixels that names take which need not be turned


def name_ticks(names: Sequence[str], width: float = PLOT) -> NameTicks:
    """How to write names below an axis so that none runs into the next: level, aslant, upright, or upright and small.

    Args:
        names: evenly spread along the axis.
        width: of the axis, in pixels.
    """
    slot = width / max(len(names), 1)
    longest = max(map(len, names), default=0)
    if 1.1 * 12 * LETTER * longest <= slot:
        return NameTicks(0, 12, SHORT)
    if slot >= 28:  # slanted lines lie half of it apart
        return NameTicks(30, 12, SHORT + math.ceil(12 * LETTER * longest / 2))
    size = max(min(12, int(slot) - 1), 7)
    return NameTicks(90, size, 8 + math.ceil(size * LETTER * longest))


def _place(figure: go.Figure, tile: Tensor, x: float, y: float) -> None:
    """Put a picture into data coordinates with its top left corner at (x, y)."""
    smooth = "fast" if tile.shape[-1] > 128 else False
    figure.add_image(source=_uri(tile), x0=x + 0.5, y0=y + 0.5, zsmooth=smooth, hoverinfo="skip")


def _uri(picture: Tensor) -> str:
    """Small pictures keep every pixel, photographs of some size travel as JPEG."""
    return data_uri(picture, 92 if picture.shape[-1] > 200 else None)


def _shrink(picture: Tensor) -> Tensor:
    factor = LONGEST_TILE / max(picture.shape[-2:])
    if factor >= 1:
        return picture
    size = [max(1, round(side * factor)) for side in picture.shape[-2:]]
    return F.interpolate(picture[None], size, mode="bilinear", antialias=True)[0]


def _over_picture(picture: Tensor, like: Tensor) -> go.Figure:
    require_shape(picture, "C H W", "picture")
    require_same_shape(picture[0], like[0], ("picture", "flow"), "one vector for each pixel")
    figure = go.Figure()
    tile = as_uint8(picture, "picture")
    figure.add_image(source=_uri(tile), zsmooth="fast" if tile.shape[-1] > 200 else False, hoverinfo="skip")
    return figure


def _finish_picture(figure: go.Figure, like: Tensor, title: str, alt: str) -> Figure:
    height, width = like.shape[-2:]
    figure.update_xaxes(range=[-0.5, width - 0.5], title="x (pixels)", showgrid=False, zeroline=False, ticks="outside")
    figure.update_yaxes(range=[height - 0.5, -0.5], title="y (pixels)", showgrid=False, zeroline=False, ticks="outside")
    figure.update_xaxes(constrain="domain", tickcolor=QUIET)
    figure.update_yaxes(scaleanchor="x", constrain="domain", tickcolor=QUIET)
    return finish(figure, title=title, alt=alt, height=int(min(height / width * 760, 620)) + 110)


def _add_lines(figure: go.Figure, points: Tensor, colour: str, thick: float) -> None:
    """Polylines (N, 2), parted by NaN."""
    line = {"color": colour, "width": thick}
    figure.add_scatter(
        x=points[:, 0].numpy(), y=points[:, 1].numpy(), mode="lines", line=line, hoverinfo="skip", showlegend=False
    )


def _add_wheel(figure: Figure, speed: float) -> None:
    """The colour wheel at the right edge, with the speed of its rim."""
    place = {"xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "middle", "sizing": "contain"}
    figure.add_layout_image(source=_uri(colour_wheel(128)), x=1.03, y=0.55, sizex=0.12, sizey=0.9, **place)
    note = {"xref": "paper", "yref": "paper", "showarrow": False, "xanchor": "center", "x": 1.09}
    figure.add_annotation(text=f"rim: {speed:.2g} px per frame<br>centre: at rest", y=0.5, yshift=-74, **note)
    figure.update_annotations(font_color=INK)


def _hide_axes(figure: go.Figure, across: float, down: float) -> None:
    figure.update_xaxes(visible=False, range=[0, across], constrain="domain")
    figure.update_yaxes(visible=False, range=[down, 0], scaleanchor="x", constrain="domain")


def _chart_axes(figure: go.Figure, x_title: str, y_title: str) -> None:
    figure.update_xaxes(
        title={"text": x_title, "standoff": 8},
        automargin=True,  # long names below the bars
        showgrid=False,
        linecolor=QUIET,
        ticks="outside",
        tickcolor=QUIET,
        zeroline=False,
    )
    figure.update_yaxes(title=y_title, gridcolor="#E5E7EB", zeroline=False)
    figure.update_layout(legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom"})
    figure.update_layout(showlegend=len(figure.data) > 1)
