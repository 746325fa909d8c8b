"""What became of many claims, and many systems beside each other."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from textwrap import wrap
from typing import Any

import plotly.graph_objects as go

from labkit.viz.figures.labels import PLOT
from labkit.viz.style import FONT, INK, PALETTE, QUIET, Figure, finish
from labkit.viz.tables import OUTCOMES

_LIGHT = {"leans to it", "leans against it", "can't tell here", "not yet run"}  # too light for white signs
HEIGHT = 560  # of a `trade_off_chart`, in pixels
_TICKS = (0, 1, 3, 10, 30, 100, 300, 1000, 3000)


def verdict_tiles(papers: Mapping[str, Sequence[Mapping[str, str]]], *, title: str, alt: str) -> Figure:
    """A tile for each claim, a row for each paper: colours show how many hold; pointing at a tile shows which it is.

    Args:
        papers: by name, verdicts as for `labkit.viz.paper_table`. Tiles stand in the order of `OUTCOMES`.
        title: above the figure.
        alt: what there is to see; the counts are added to it.

    Raises:
        ValueError: no papers, or an unknown outcome.
    """
    unknown = [told["outcome"] for verdicts in papers.values() for told in verdicts if told["outcome"] not in OUTCOMES]
    if not papers or unknown:
        raise ValueError(f"papers must have verdicts with outcomes of {', '.join(OUTCOMES)}; got {unknown or 'none'}")
    rank = list(OUTCOMES).index
    rows = {name: sorted(verdicts, key=lambda told: rank(told["outcome"])) for name, verdicts in papers.items()}
    figure = go.Figure()
    for outcome, (sign, colour) in OUTCOMES.items():
        tiles = [(x, name, told) for name, row in rows.items() for x, told in enumerate(row, 1)]
        tiles = [tile for tile in tiles if tile[2]["outcome"] == outcome]
        if tiles:
            figure.add_scatter(
                x=[x for x, _, _ in tiles],
                y=[name for _, name, _ in tiles],
                text=[sign] * len(tiles),
                customdata=[_wrapped(f"{told['id']}: {told['says']}", told.get("reason", "")) for _, _, told in tiles],
                hovertemplate=f"<b>{outcome}</b><br>%{{customdata}}<extra></extra>",
                name=f"{sign} {outcome} ({len(tiles)})",
                mode="markers+text",
                marker={"symbol": "square", "size": 26, "color": colour},
                textfont={"size": 15, "color": INK if outcome in _LIGHT else "white"},
            )
    longest = max(map(len, rows.values()))
    figure.update_xaxes(visible=False, range=[0.4, max(longest, 12) + 0.6])
    order = {"categoryorder": "array", "categoryarray": list(rows), "autorange": "reversed"}
    figure.update_yaxes(showgrid=False, zeroline=False, automargin=True, **order)
    counts = "; ".join(
        f"{name}: " + (", ".join(f"{n} {o}" for o, n in Counter(t["outcome"] for t in row).items()) or "no claims")
        for name, row in rows.items()
    )
    legend = {"orientation": "h", "x": 0, "y": -0.02, "yanchor": "top", "itemsizing": "constant"}
    height = 38 * len(rows) + 110
    return finish(figure, title=title, alt=f"{alt} {counts}.", height=height, legend=legend, showlegend=True)


def _wrapped(*texts: str) -> str:
    lines = [line for text in texts for part in text.split("\n") for line in wrap(part, 90)]
    return "<br>".join(map(escape, lines))


def forest_plot(
    statements: Sequence[Mapping[str, Any]], *, title: str, alt: str, unit: str = "points", finest: float = 1.0
) -> Figure:
    """Statements about differences, one below the other: how far each lies beyond its margin, with its interval.

    Zero is the margin, whatever it is: right of it a difference is as the statement says, left of it it is not. Of "at
    most 3 apart" that is the distance to the nearer end. Far from zero the axis is logarithmic, on either side. All of
    them are in one unit: a hundredth of a pixel and a point of accuracy cannot be compared.

    Args:
        statements: for each ``claim``, its id; ``text``; ``outcome``, one of `OUTCOMES`; ``mean``, ``low`` and ``high``
            of the difference, NaN where it was not measured; ``least`` and ``most``, the range that it should lie
            in, one of them perhaps infinite; and optionally ``values``, the difference of each seed.
        title: above the figure.
        alt: what there is to see.
        unit: of the differences.
        finest: up to where the axis is linear.

    Raises:
        ValueError: no statements, an unknown outcome, or a statement that wants nothing.
    """
    if not statements or any(one["outcome"] not in OUTCOMES for one in statements):
        raise ValueError(f"statements must be at least one, with outcomes of {', '.join(OUTCOMES)}; got {statements}")
    figure = go.Figure()

    def scaled(value: float) -> float:
        return math.asinh(value / finest)

    rows = [(one, margins_beyond(one)) for one in statements]
    for outcome, (sign, colour) in OUTCOMES.items():
        chosen = [(y, one, beyond) for y, (one, beyond) in enumerate(rows) if one["outcome"] == outcome and beyond]
        if chosen:
            middle, low, high = ([scaled(beyond[end]) for _, _, beyond in chosen] for end in range(3))
            figure.add_scatter(
                x=middle,
                y=[y for y, _, _ in chosen],
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": [most - at for most, at in zip(high, middle, strict=True)],
                    "arrayminus": [at - least for least, at in zip(low, middle, strict=True)],
                    "thickness": 2.5,
                    "width": 5,
                },
                mode="markers",
                marker={"size": 11, "color": colour, "symbol": _SYMBOLS[outcome]},
                name=f"{sign} {outcome}",
                customdata=[[escape(one["text"]), one["mean"], one["low"], one["high"]] for _, one, _ in chosen],
                hovertemplate="%{customdata[0]}<br>difference %{customdata[1]:+.2f} [%{customdata[2]:+.2f}, "
                f"%{{customdata[3]:+.2f}}]: {outcome}<extra></extra>",
            )
    dots = [
        (scaled(min(value - one["least"], one["most"] - value)), y)
        for y, (one, beyond) in enumerate(rows)
        if beyond
        for value in one.get("values", ())
    ]
    if dots:
        look = {"size": 5, "color": "white", "line": {"color": INK, "width": 1}}
        at, rows_of_dots = zip(*dots, strict=True)
        words = {"name": "one seed each", "hoverinfo": "skip"}
        figure.add_scatter(x=list(at), y=[y + 0.18 for y in rows_of_dots], mode="markers", marker=look, **words)
    notes, rules, before = [], [], ""
    for y, (one, beyond) in enumerate(rows):
        head = f"<b>{escape(one['claim'])}</b>  " if one["claim"] != before else "      "
        late = "" if beyond is not None else f"  <i>{one['outcome']}</i>"
        place = {"xref": "paper", "x": 0, "xanchor": "left", "y": y, "yshift": 15}
        notes.append({"text": f"{head}{escape(one['text'])}{late}", "showarrow": False, **place})
        if one["claim"] != before and y:
            across = {"type": "line", "xref": "x domain", "yref": "y", "x0": 0, "x1": 1, "y0": y - 0.62, "y1": y - 0.62}
            rules.append({**across, "line": {"color": "#D1D5DB", "width": 1}})
        before = one["claim"]
    ends = [abs(end) for _, beyond in rows if beyond is not None for end in beyond]
    reach = max([finest, *ends, *(finest * math.sinh(abs(x)) for x, _ in dots)])
    ticks = sorted({sign * finest * tick for tick in _TICKS if finest * tick <= 1.1 * reach for sign in (-1, 1)})
    side = 1.04 * scaled(reach)
    figure.update_layout(annotations=notes, shapes=rules)
    figure.add_vrect(x0=0, x1=side, fillcolor=PALETTE[2], opacity=0.07, line_width=0, layer="below")
    figure.add_vline(x=0, line={"color": INK, "width": 1.5})
    figure.update_xaxes(
        range=[-side, side],
        tickvals=[scaled(tick) for tick in ticks],
        ticktext=[f"{tick:+g}" if tick else "margin" for tick in ticks],
        title={"text": f"← not as stated · beyond the margin by so many {unit} · as stated →", "standoff": 6},
        showgrid=True,
        gridcolor="#EEF0F3",
        zeroline=False,
    )
    figure.update_yaxes(visible=False, range=[len(rows) - 0.4, -0.85])
    legend = {"orientation": "h", "x": 1, "xanchor": "right", "y": 1, "yanchor": "bottom"}
    return finish(
        figure,
        title=title,
        alt=f"{alt} {_read_out(rows)}",
        height=44 * len(rows) + 130,
        margin={"l": 16, "t": 92},
        legend=legend,
        showlegend=True,
    )


_SYMBOLS = {
    "holds": "circle",
    "leans to it": "triangle-up",
    "level": "square",
    "leans against it": "triangle-down",
    "the other way round": "x",
    "can't tell here": "diamond",
    "condition absent": "hash",
    "stale": "square-open",
    "not yet run": "circle-open",
}


def margins_beyond(one: Mapping[str, Any]) -> tuple[float, float, float] | None:
    """Mean, lower and upper end of a difference as distances beyond its margin; None where it was not measured.

    Args:
        one: a statement as for `forest_plot`.

    Raises:
        ValueError: neither end of the range is finite.
    """
    least, most = one["least"], one["most"]
    if math.isinf(least) and math.isinf(most):
        raise ValueError(f"a statement must want something; got a range without ends for {one['text']!r}")
    if math.isnan(one["mean"]):
        return None

    def beyond(value: float) -> float:
        return float(min(value - least, most - value))

    ends = [beyond(one["low"]), beyond(one["high"])]
    middle = (least + most) / 2
    inside = not math.isinf(middle) and one["low"] <= middle <= one["high"]
    return beyond(one["mean"]), min(ends), beyond(middle) if inside else max(ends)


def _read_out(rows: Sequence[tuple[Mapping[str, Any], Any]]) -> str:
    parts = [f"{one['claim']}, {one['text']}: {one['outcome']}" for one, _ in rows]
    return "; ".join(parts) + "."


def outcome_bars(
    steps: Mapping[str, Mapping[str, Mapping[str, float]]], *, title: str, alt: str, x_title: str, slider: str
) -> Figure:
    """How often something ends in each outcome: stacked bars, with a slider.

    Args:
        steps: a label of the slider's position, for each bar there the fraction of each of the `OUTCOMES`.
        title: above the figure.
        alt: what there is to see; how often the first outcome is met is read out after it.
        x_title: what the bars are.
        slider: what the slider sets, shown before its value.

    Raises:
        ValueError: no steps, or an unknown outcome.
    """
    met = {outcome for bars in steps.values() for shares in bars.values() for outcome in shares}
    if not steps or met - set(OUTCOMES):
        raise ValueError(f"steps must have outcomes of {', '.join(OUTCOMES)}; got {sorted(met) or 'none'}")
    chosen = [outcome for outcome in OUTCOMES if outcome in met]
    heights = {
        label: [[100 * shares.get(outcome, 0.0) for shares in bars.values()] for outcome in chosen]
        for label, bars in steps.items()
    }
    first = next(iter(steps))
    figure = go.Figure()
    for outcome, height in zip(chosen, heights[first], strict=True):
        sign, colour = OUTCOMES[outcome]
        figure.add_bar(x=list(steps[first]), y=height, name=f"{sign} {outcome}", marker_color=colour)
    figure.update_traces(hovertemplate="%{y:.0f} %<extra>%{fullData.name}</extra>")
    moves = [{"label": label, "method": "restyle", "args": [{"y": rows}]} for label, rows in heights.items()]
    figure.update_layout(
        barmode="stack",
        sliders=[{"active": 0, "steps": moves, "currentvalue": {"prefix": f"{slider}: "}, "pad": {"t": 64}}],
    )
    figure.update_xaxes(title=x_title, type="category", showgrid=False)
    figure.update_yaxes(title="of all batches (%)", range=[0, 100], gridcolor="#E5E7EB")
    shares = ", ".join(f"{label} {height[0][-1]:.0f} %" for label, height in heights.items())
    told = f"{alt} At the last bar it {chosen[0]}, {slider} {shares}."
    legend = {"orientation": "h", "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom", "traceorder": "normal"}
    return finish(figure, title=title, alt=told, height=490, margin={"t": 78}, legend=legend, showlegend=True)


@dataclass(frozen=True)
class System:
    """A point of a `trade_off_chart`.

    Attributes:
        name: written beside it.
        kind: which it belongs to, by colour and symbol.
        value: of the y axis.
        size: the area of its mark, in any unit.
        costs: what it costs, by name: one of them at a time is the x axis; above 0.
    """

    name: str
    kind: str
    value: float
    size: float
    costs: Mapping[str, float]


def trade_off_chart(systems: Sequence[System], *, title: str, alt: str, y_title: str, size_title: str) -> Figure:
    """What systems achieve over what they cost; buttons choose the cost. Every state travels with the page.

    Args:
        systems: with the same costs each.
        title: above the figure.
        alt: what there is to see; all numbers are added to it.
        y_title: of the y axis, with its unit.
        size_title: what the area of a mark means, with its unit.

    Raises:
        ValueError: no systems, different costs, or a cost that is not above 0.
    """
    costs = list(systems[0].costs) if systems else []
    if not costs or any(list(one.costs) != costs or min(one.costs.values()) <= 0 for one in systems):
        raise ValueError(f"systems must be at least one, with the same costs above 0 each; got {systems}")
    kinds = list(dict.fromkeys(one.kind for one in systems))
    largest = max(one.size for one in systems) or 1
    diameters = {one.name: 8 + 44 * math.sqrt(one.size / largest) for one in systems}
    low, high = min(one.value for one in systems), max(one.value for one in systems)
    up = (low - 0.1 * (high - low) - 1, high + 0.1 * (high - low) + 1)
    frame = (PLOT, HEIGHT - 130)  # pixels inside the axes
    figure = go.Figure()
    for number, kind in enumerate(kinds):
        mine = [one for one in systems if one.kind == kind]
        figure.add_scatter(
            x=[one.costs[costs[0]] for one in mine],
            y=[one.value for one in mine],
            name=kind,
            mode="markers",
            marker={
                "size": [diameters[one.name] for one in mine],
                "color": PALETTE[number % len(PALETTE)],
                "symbol": ("circle", "square", "diamond", "triangle-up")[number % 4],
                "opacity": 0.75,
                "line": {"color": "white", "width": 1},
            },
            customdata=["<br>".join(map(escape, _told(one, y_title, size_title))) for one in mine],
            hovertemplate="%{customdata}<extra></extra>",
        )
    states = {cost: _state(systems, cost, up, frame, diameters) for cost in costs}
    buttons = [
        {
            "label": cost,
            "method": "update",
            "args": [
                {"x": [[one.costs[cost] for one in systems if one.kind == kind] for kind in kinds]},
                {"annotations": labels, "xaxis.range": across, "xaxis.title.text": cost},
            ],
        }
        for cost, (across, labels) in states.items()
    ]
    across, labels = states[costs[0]]
    figure.update_xaxes(type="log", range=across, title=costs[0], dtick="D1", gridcolor="#E5E7EB", zeroline=False)
    figure.update_yaxes(range=list(up), title=y_title, gridcolor="#E5E7EB", zeroline=False)
    menu = {"type": "buttons", "direction": "right", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"}
    figure.update_layout(updatemenus=[{**menu, "buttons": buttons, "showactive": True}] if len(costs) > 1 else [])
    legend = {"orientation": "h", "x": 0, "y": -0.13, "yanchor": "top", "itemsizing": "constant"}
    read_out = "; ".join(", ".join(_told(one, y_title, size_title)) for one in systems)
    done = finish(
        figure, title=title, alt=f"{alt} {read_out}.", height=HEIGHT, legend=legend, margin={"t": 100, "b": 88}
    )
    done.update_layout(annotations=labels, showlegend=True)
    return done


def _told(one: System, y_title: str, size_title: str) -> list[str]:
    costs = [f"{name}: {cost:.3g}" for name, cost in one.costs.items() if name != size_title]
    return [one.name, f"{y_title}: {one.value:.1f}", f"{size_title}: {one.size:.3g}", *costs]


def _state(
    systems: Sequence[System],
    cost: str,
    up: tuple[float, float],
    frame: tuple[float, float],
    diameters: Mapping[str, float],
) -> tuple[list[float], list[dict[str, Any]]]:
    """The range of the x axis, in powers of ten, and a label for each point, none over another."""
    logs = [math.log10(one.costs[cost]) for one in systems]
    pad = 0.08 * (max(logs) - min(logs)) + 0.12
    left, right = min(logs) - pad, max(logs) + pad
    spots = [
        ((at - left) / (right - left) * frame[0], (up[1] - one.value) / (up[1] - up[0]) * frame[1])
        for at, one in zip(logs, systems, strict=True)
    ]
    taken = [
        _box(x, y, 0.7 * diameters[one.name], 0.7 * diameters[one.name])
        for one, (x, y) in zip(systems, spots, strict=True)
    ]
    labels: list[dict[str, Any]] = []
    for number in sorted(range(len(systems)), key=lambda index: spots[index][1]):  # from the top
        one, (x, y) = systems[number], spots[number]
        wide = 6.6 * len(one.name) + 6
        best = min(_offsets(wide, diameters[one.name] / 2), key=lambda by: _crowd(x, y, by, wide, taken, frame))
        taken.append(_box(x + best[0], y + best[1], wide, 15))
        arrow = {"showarrow": True, "arrowhead": 0, "arrowwidth": 0.8, "arrowcolor": QUIET}
        arrow |= {"standoff": diameters[one.name] / 2}  # where the mark ends
        place = {"x": logs[number], "y": one.value, "ax": best[0], "ay": best[1]}
        labels.append({"text": escape(one.name), "font": {"size": 12, "family": FONT, "color": INK}, **place, **arrow})
    return [left, right], labels


def _offsets(wide: float, radius: float) -> list[tuple[float, float]]:
    """Where the middle of a label may lie, seen from its point, the best first."""
    side, above = radius + wide / 2 + 4, radius + 11
    near = [(side, 0.0), (-side, 0.0), (0.0, -above), (0.0, above)]
    steps = [float(step) for step in sorted(range(-126, 127, 7), key=abs) if abs(step) > 10]
    return near + [(sign * (side + 8), step) for step in steps for sign in (1, -1)]


def _box(x: float, y: float, wide: float, tall: float) -> tuple[float, float, float, float]:
    return x - wide / 2, y - tall / 2, x + wide / 2, y + tall / 2


def _crowd(x: float, y: float, by: tuple[float, float], wide: float, taken: Sequence[Any], frame: Any) -> float:
    """What a label would cover, in pixels squared; what sticks out of the frame counts ten times."""
    box = _box(x + by[0], y + by[1], wide, 15)
    covered = sum(
        max(min(box[2], other[2]) - max(box[0], other[0]), 0) * max(min(box[3], other[3]) - max(box[1], other[1]), 0)
        for other in taken
    )
    outside = max(-box[0], 0) + max(box[2] - frame[0], 0) + max(-box[1], 0) + max(box[3] - frame[1], 0)
    return covered + 150 * outside + 0.02 * (abs(by[0]) + abs(by[1]))
