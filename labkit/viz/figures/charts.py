"""Charts: moments on lines, lines, bars."""

import math
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
import torch
from torch import Tensor

from labkit.viz.figures.labels import PLOT, SHORT, name_ticks
from labkit.viz.style import PALETTE, QUIET, Figure, finish, line_style


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
    for number, (label, (x, y)) in enumerate(series.items()):
        look = {"mode": "lines+markers", "line": line_style(number), "marker_size": 5}
        figure.add_scatter(x=list(x), y=list(y), name=label, **look)
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
) -> Figure:
    """One set of bars for each position of a slider; every state travels with the page, so it needs no kernel.

    Long names below the bars make the figure higher and push the slider down.

    Args:
        steps: a label of the slider's position, and the bars there: a value for each name on the x axis.
        title: above the figure.
        alt: what there is to see.
        x_title: of the x axis.
        y_title: of the y axis, with its unit.
        slider: what the slider sets, shown before its value.
        start: position to begin with.

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
    ends = (min(0.0, *(value for row in rows for value in row.values())), max(max(row.values()) for row in rows))
    figure.update_yaxes(range=[1.05 * end for end in ends])
    ticks = name_ticks(names)
    figure.update_xaxes(tickangle=ticks.angle, tickfont_size=ticks.size, dtick=1)  # every name
    below = {"t": 52 + ticks.room}  # names, and the title of the axis
    figure.update_layout(
        sliders=[{"active": start, "steps": moves, "currentvalue": {"prefix": f"{slider}: "}, "pad": below}]
    )
    return finish(figure, title=title, alt=alt, height=420 + ticks.room - SHORT)


def condition_slider(
    steps: Mapping[str, Mapping[str, Mapping[int, float]]],
    *,
    title: str,
    alt: str,
    y_title: str,
    slider: str,
    start: int = 0,
    names: Mapping[str, str] | None = None,
    command: str = "",
) -> Figure:
    """What each system reaches, with a slider over a condition: a bar for the mean, a dot for each seed.

    Args:
        steps: a label of the slider's position, and for each system there its value by seed. Without any, the figure
            says that nothing was measured yet.
        title: above the figure.
        alt: what there is to see; the means are read out after it.
        y_title: of the y axis, with its unit.
        slider: what the slider sets, shown before its value.
        start: position to begin with; -1 is the last one.
        names: of the systems, in words; those that it does not have keep their own.
        command: that measures it, shown where nothing was measured yet.

    Raises:
        ValueError: steps with different systems, or a start that is not among them.
    """
    if not steps:
        centred = {"x": 0.5, "y": 0.5, "xref": "paper", "yref": "paper", "showarrow": False}
        figure = go.Figure().add_annotation(
            text=f"Not measured yet in this version of the world.<br>{command}", **centred
        )
        figure.update_xaxes(visible=False).update_yaxes(visible=False)
        return finish(figure, title=title, alt=f"Not measured yet: {alt}", height=200)
    known = names or {}
    steps = {label: {known.get(name, name): row[name] for name in row} for label, row in steps.items()}
    start += len(steps) * (start < 0)
    means = {
        label: {name: sum(by_seed.values()) / len(by_seed) for name, by_seed in systems.items()}
        for label, systems in steps.items()
    }
    read_out = "; ".join(
        f"{slider} {label}: " + ", ".join(f"{name} {value:.1f}" for name, value in row.items())
        for label, row in means.items()
    )
    figure = bar_slider(
        means, title=title, alt=f"{alt} {read_out}.", x_title="", y_title=y_title, slider=slider, start=start
    )
    dots = [
        [(name, value) for name, by_seed in systems.items() for value in by_seed.values()] for systems in steps.values()
    ]
    look = {"mode": "markers", "marker": {"color": "white", "size": 7, "line": {"color": "#111827", "width": 1.5}}}
    at = [([name for name, _ in pairs], [value for _, value in pairs]) for pairs in dots]
    figure.add_scatter(x=at[start][0], y=at[start][1], name="one world each", **look)
    written = [[f"{value:.1f}" for value in row.values()] for row in means.values()]
    figure.update_traces(text=written[start], textposition="inside", insidetextanchor="start", selector={"type": "bar"})
    for step, (x, y), row, text in zip(figure.layout.sliders[0].steps, at, means.values(), written, strict=True):
        step.args = [{"x": [list(row), x], "y": [list(row.values()), y], "text": [text, None]}]
    high = max(value for pairs in dots for _, value in pairs)
    figure.update_yaxes(range=[0, 1.08 * high])
    return figure


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
