"""First-layer filters of a network that reads stacks of flow: all of them side by side, or a few in detail."""

import math
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
import torch
import torch.nn.functional as F
from plotly.subplots import make_subplots
from torch import Tensor

from labkit.checks import require_finite, require_shape
from labkit.viz.colour import as_uint8, data_uri, signed_to_rgb
from labkit.viz.figures.labels import LETTER, PAGE, wrapped_label
from labkit.viz.style import DIVERGING, PALETTE, QUIET, Figure, finish

LEFT = 64  # pixels for the labels of the rows
DETAIL = 200  # pixels for a filter in detail
FIRST = 150  # pixels across for what stands above its pattern, in a narrow page


def filter_mosaic(
    weights: Tensor,
    kinds: Tensor,
    *,
    kind_names: Sequence[str],
    row_labels: Sequence[str],
    title: str,
    alt: str,
    strengths: Tensor | None = None,
) -> Figure:
    """Every filter as a column of grey patterns, one for each input channel; filters of a kind stand together.

    Grey is 0, white the filter's largest magnitude, black its negative. The number of each filter is written below it.

    Args:
        weights: ``(F, C, S, S)``.
        kinds: ``(F,)`` int64, an index into ``kind_names``.
        kind_names: in the order in which they stand from left to right.
        row_labels: one for each of the C channels, such as ``dx 1``.
        title: above the figure.
        alt: what there is to see.
        strengths: ``(F,)``; the filters of a kind are sorted by them, the largest first. Default: by number.

    Raises:
        ValueError: shapes that do not fit, or a kind without a name.
    """
    require_shape(weights, "F C S S", "weights")
    number, channels, size = weights.shape[:3]
    require_shape(kinds, f"{number}", "kinds", "one for each filter")
    if len(row_labels) != channels or not 0 <= int(kinds.min()) <= int(kinds.max()) < len(kind_names):
        raise ValueError(
            f"row_labels must be {channels}, and kinds below {len(kind_names)}; "
            f"got {len(row_labels)} and {kinds.unique().tolist()}: name every channel and every kind"
        )
    strengths = -torch.arange(number) if strengths is None else strengths.detach().cpu()
    require_shape(strengths, f"{number}", "strengths", "one for each filter")
    groups = {name: (kinds.cpu() == kind).nonzero().flatten() for kind, name in enumerate(kind_names)}
    groups = {name: g[strengths[g].argsort(descending=True, stable=True)] for name, g in groups.items() if len(g)}

    tile = (PAGE - LEFT - 16) / (number + 2 * len(groups))  # pixels of the page
    weights = weights.detach().cpu().float()
    pictures = signed_to_rgb(weights, float(weights.abs().max().clamp(min=1e-12)))  # (F, C, 3, S, S)
    pictures = F.pad(pictures, (0, 1, 0, 1), value=255)  # a white rim between
    figure, left = go.Figure(), 0.0
    ticks: dict[float, str] = {}
    step = size + 1
    for name, group in groups.items():
        label = f"{name} ({len(group)})"
        longest = max(map(len, label.split())) * 12 * LETTER / tile  # tiles that a word of the label takes
        width = max(len(group), math.ceil(longest))
        block = pictures[group].permute(2, 1, 3, 0, 4).flatten(3, 4).flatten(1, 2)  # (3, C * step, N * step)
        start = left + (width - len(group)) / 2
        figure.add_image(source=data_uri(block), x0=start * step + 0.5, y0=0.5, zsmooth=False, hoverinfo="skip")
        middle = {"x": (left + width / 2) * step, "y": 1, "yref": "paper", "yshift": 4, "yanchor": "bottom"}
        figure.add_annotation(text=wrapped_label(label, (width + 1) * tile), showarrow=False, **middle)
        ticks |= {(start + place) * step + size / 2: str(index) for place, index in enumerate(group.tolist())}
        left += width + 1
    across, down = (left - 1) * step, channels * step
    figure.update_xaxes(range=[0, across], showgrid=False, zeroline=False, tickangle=0, tickfont_size=9)
    if tile >= 14:  # room for a number below each column
        figure.update_xaxes(tickvals=list(ticks), ticktext=list(ticks.values()), title="number of the filter")
    else:
        figure.update_xaxes(showticklabels=False, ticks="")
    rows = [row * step + size / 2 for row in range(channels)]
    figure.update_yaxes(range=[down, 0], tickvals=rows, ticktext=list(row_labels), tickfont_size=10)
    figure.update_yaxes(showgrid=False, zeroline=False, scaleanchor=False)
    wide = (PAGE - LEFT - 16) / (left - 1)
    height = int(min(max(channels * wide, 13 * channels), 900))  # rows high enough for their labels
    told = ", ".join(f"{len(group)} {name}" for name, group in groups.items())
    return finish(
        figure,
        title=title,
        alt=f"{alt} Filters by kind: {told}.",
        height=height + 190,
        margin={"l": LEFT, "r": 16, "t": 128, "b": 62},
    )


def filter_details(
    filters: Mapping[str, Tensor], frame: Tensor, responses: Mapping[str, Tensor], *, title: str, alt: str
) -> Figure:
    """A few filters: their pattern in space, its course over time, and where in a clip they respond.

    A filter is shown as the product of one pattern in space and one course over time, in dx and in dy, that is
    closest to it (its first singular vectors). How much of the filter that is stands above the pattern.

    Args:
        filters: a label and the weights ``(2L, S, S)`` each, dx and dy interleaved.
        frame: ``(3, H, W)``, the one in which the stack of flow begins.
        responses: for each label the response ``(h, w)`` to that stack, before the ReLU.
        title: above the figure.
        alt: what there is to see.

    Raises:
        ValueError: no filters, responses of others, or shapes that do not fit.
    """
    if not filters or list(filters) != list(responses):
        raise ValueError(f"filters and responses must have the same labels; got {list(filters)} and {list(responses)}")
    picture = data_uri(as_uint8(frame, "frame"))
    parts = {label: _separated(weights, label) for label, weights in filters.items()}
    heads = [
        head
        for label, (_, _, fraction) in parts.items()
        for head in (
            f"<b>{wrapped_label(label, FIRST)}</b><br>pattern in space:<br>{fraction:.0%} of it",
            "course over time",
            "frame",
            "response",
        )
    ]
    widths = {"column_widths": [0.2, 0.34, 0.23, 0.23], "horizontal_spacing": 0.04}
    figure = make_subplots(len(filters), 4, subplot_titles=heads, vertical_spacing=0.42 / len(filters), **widths)
    for row, (label, (pattern, course, _)) in enumerate(parts.items(), start=1):
        _add_signed(figure, pattern, "pattern", row, 1)
        for number, (name, dash) in enumerate((("dx", "solid"), ("dy", "dash"))):
            line = {"color": PALETTE[number], "dash": dash, "width": 2}
            values = course[:, number].double().round(decimals=4).tolist()
            figure.add_scatter(x=list(range(1, len(values) + 1)), y=values, name=name, line=line, row=row, col=2)
            figure.update_traces(mode="lines+markers", showlegend=row == 1, selector={"name": name}, row=row, col=2)
        figure.add_image(source=picture, zsmooth="fast", hoverinfo="skip", row=row, col=3)
        _add_signed(figure, responses[label], f"response of {label!r}", row, 4)
    for col in (1, 3, 4):
        figure.update_xaxes(visible=False, constrain="domain", col=col)
        figure.update_yaxes(visible=False, constrain="domain", col=col)
    figure.update_xaxes(showgrid=False, zeroline=False, dtick=1, tickfont_size=10, col=2)
    figure.update_xaxes(title={"text": "flow field", "standoff": 4}, row=len(filters), col=2)
    figure.update_yaxes(rangemode="tozero", zerolinecolor=QUIET, showgrid=False, tickfont_size=10, col=2)
    for number in range(len(filters)):
        figure.layout.annotations[4 * number].update(x=0, xanchor="left", align="left")
    figure.update_layout(legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1.0, "yanchor": "bottom"})
    figure.update_layout(legend={"yref": "container", "yanchor": "top"})
    height = DETAIL * len(filters) + 150
    return finish(figure, title=title, alt=alt, height=height, margin={"l": 16, "r": 16, "t": 130, "b": 50})


def _separated(weights: Tensor, label: str) -> tuple[Tensor, Tensor, float]:
    """The product of a pattern and a course that is closest to a filter.

    Returns:
        ``pattern``: ``(S, S)``, of largest magnitude 1; ``course``: ``(L, 2)``, its largest value positive;
        the fraction of the filter's squared weights that their product holds.
    """
    require_shape(weights, "C S S", f"filter {label!r}")
    require_finite(weights, f"filter {label!r}")
    size = weights.shape[-1]
    left, values, right = torch.linalg.svd(weights.detach().cpu().double().flatten(1), full_matrices=False)
    pattern, course = right[0], left[:, 0] * values[0]  # (S * S,), (2L,)
    scale = pattern.abs().max() * course[course.abs().argmax()].sign()
    fraction = float(values[0].square() / values.square().sum().clamp(min=1e-30))
    return (pattern / scale).reshape(size, size), (course * scale).reshape(-1, 2), fraction


def _add_signed(figure: go.Figure, values: Tensor, name: str, row: int, col: int) -> None:
    """Signed numbers as colours on a scale of their own, even about 0."""
    require_shape(values, "h w", name)
    require_finite(values, name)
    values = values.detach().cpu().double()
    most = float(values.abs().max().clamp(min=1e-9))
    scale = {"colorscale": DIVERGING, "zmin": -most, "zmax": most, "showscale": False}
    hover = "%{z:.3g}<extra></extra>"
    figure.add_heatmap(z=values.round(decimals=5).tolist(), hovertemplate=hover, **scale, row=row, col=col)
    axis = next(figure.select_yaxes(row=row, col=col))
    axis.update(autorange="reversed", scaleanchor=figure.data[-1].xaxis)
