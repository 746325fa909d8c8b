"""What models predict at each step of a clip, and how that changes with the order of its frames: buttons, no kernel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
import torch
from plotly.subplots import make_subplots
from torch import Tensor

from labkit.checks import require_finite, require_shape
from labkit.viz.colour import data_uri, shrunk
from labkit.viz.style import INK, PALETTE, QUIET, Figure, finish

TILE = 76  # pixels of the page for a frame above its step; larger images are shrunk to twice that
BAND = 84  # pixels for the bars of a model
REST = "#D1D5DB"  # the colour of the classes that are not asked about
PATTERNS = ("", "/", ".")  # a second cue beside the colour


@dataclass(frozen=True)
class Reading:
    """How models read a clip, its frames in one particular order.

    Attributes:
        frames: (T, 3, H, W), in that order; uint8 or floating point in [0, 1].
        probabilities: for each model, (T, K), one row a step, or (K,) for a model without steps; rows sum to 1.
    """

    frames: Tensor
    probabilities: Mapping[str, Tensor]


def step_chart(
    readings: Mapping[str, Reading], *, classes: Sequence[str], shown: Sequence[str], title: str, alt: str
) -> Figure:
    """Bars of what each model predicts at each step, below the frame it sees; a button for each order of the frames.

    At the right stands the mean over the steps and the class that wins by it, the answer of the model.

    Args:
        readings: a label for the button and a reading each; the first is shown when the page opens. All of one length,
            with the same models.
        classes: names of the K classes.
        shown: the classes that get a bar of their own, one to three; the others are put together.
        title: above the figure.
        alt: what there is to see.

    Raises:
        ValueError: no readings, readings that do not fit each other, unknown classes, or rows that are no
            probabilities.
    """
    if not readings or not 0 < len(shown) <= len(PATTERNS) or not set(shown) <= set(classes):
        raise ValueError(
            f"a step chart needs a reading and 1 to {len(PATTERNS)} of the classes to show; got {len(readings)} "
            f"readings and {list(shown)}: choose among {', '.join(classes)}"
        )
    first = next(iter(readings.values()))
    length, models = len(first.frames), list(first.probabilities)
    for label, reading in readings.items():
        require_shape(reading.frames, f"{length} C H W", f"frames of {label!r}", "one clip, time first")
        if list(reading.probabilities) != models:
            raise ValueError(f"{label!r} must have the models {models}; got {list(reading.probabilities)}")
        for model, rows in reading.probabilities.items():
            name = f"probabilities of {model} in {label!r}"
            require_shape(rows, f"{len(classes)}" if rows.ndim == 1 else f"{length} {len(classes)}", name)
            require_finite(rows, name)
            if rows.min() < 0 or (rows.sum(-1) - 1).abs().max() > 1e-3:
                raise ValueError(f"{name} must sum to 1; got {rows.sum(-1).tolist()}: exp() of log-probabilities?")

    states = {label: _state(reading, classes, shown) for label, reading in readings.items()}
    bars, words, images = next(iter(states.values()))
    bands = [TILE + 8, *[BAND] * len(models)]
    figure = make_subplots(rows=len(bands), cols=1, shared_xaxes=True, vertical_spacing=0.03, row_heights=bands)
    places = [*range(length), length + 0.6]
    for row, model in enumerate(models, start=2):
        for number, name in enumerate([*shown, "all others"]):
            rest = number == len(shown)
            pattern = {"shape": "" if rest else PATTERNS[number], "fgcolor": "white", "fillmode": "overlay"}
            bar = go.Bar(x=places, y=bars[model][number], name=name, legendgroup=name, showlegend=row == 2)
            bar.update(marker={"color": REST if rest else PALETTE[number], "pattern": pattern})
            bar.update(hovertemplate=f"{name}: %{{y:.0%}}<extra>{model}</extra>")
            figure.add_trace(bar, row=row, col=1)
        said = {"x": [length + 1.15], "y": [0.5], "text": words[model], "textposition": "middle right"}
        figure.add_scatter(**said, mode="text", hoverinfo="skip", showlegend=False, row=row, col=1)
        caption = {"text": model.replace(" ", "<br>"), "showarrow": False, "align": "right", "xanchor": "right"}
        figure.add_annotation(x=-0.6, y=0.5, xshift=-20, **caption, row=row, col=1)
        if first.probabilities[model].ndim == 1:
            words_for_it = {"text": "has no steps: it sees all frames together", "showarrow": False}
            figure.add_annotation(x=(length - 1) / 2, y=0.5, **words_for_it, row=row, col=1)
    figure.update_yaxes(range=[0, 1.02], tickvals=[0, 1], ticktext=["0", "1"], showgrid=False, zeroline=False)
    figure.update_xaxes(range=[-0.6, length + 3.2], showgrid=False, zeroline=False, showticklabels=False)
    ticks = {"tickvals": places, "ticktext": [*map(str, range(1, length + 1)), "mean"], "showticklabels": True}
    figure.update_xaxes(title={"text": "step", "standoff": 6}, row=len(bands), **ticks)
    figure.update_yaxes(visible=False, row=1)
    for place, source in enumerate(images):
        size = {"sizex": 0.94, "sizey": 1, "sizing": "contain", "xanchor": "center", "yanchor": "middle"}
        figure.add_layout_image(source=source, x=place, y=0.5, xref="x", yref="y", **size)

    menu = {"type": "buttons", "direction": "right", "x": 0, "xanchor": "left", "y": 1.01, "yanchor": "bottom"}
    look = {"bgcolor": "#F3F4F6", "bordercolor": QUIET, "font": {"color": INK}, "showactive": True, "active": 0}
    buttons = [{"label": label, "method": "update", "args": _change(*state)} for label, state in states.items()]
    legend = {"orientation": "h", "x": 1, "xanchor": "right", "y": -0.04, "yanchor": "top", "traceorder": "normal"}
    figure.update_layout(
        barmode="stack", bargap=0.12, legend=legend, updatemenus=[{**menu, **look, "buttons": buttons}]
    )
    top = 116 if "<br>" in title else 92  # room for the title, then the buttons
    return finish(figure, title=title, alt=alt, height=sum(bands) + top + 56, margin={"t": top, "l": 110, "b": 48})


def _state(
    reading: Reading, classes: Sequence[str], shown: Sequence[str]
) -> tuple[dict[str, list[list[float]]], dict[str, list[str]], list[str]]:
    """Heights of the bars and the answer in words, by model; the images."""
    frames = shrunk(reading.frames, 2 * TILE, "frames")  # (T, 3, h, w)
    asked = [list(classes).index(name) for name in shown]
    bars, words = {}, {}
    for model, rows in reading.probabilities.items():
        rows = rows.detach().cpu().double()
        mean = rows.reshape(-1, len(classes)).mean(dim=0)  # (K,)
        steps = rows if rows.ndim == 2 else torch.zeros(len(frames), len(classes), dtype=rows.dtype)  # (T, K)
        whole = torch.cat([steps, mean[None]])  # (T + 1, K)
        parts = torch.cat([whole[:, asked], (whole.sum(1) - whole[:, asked].sum(1))[:, None]], dim=1)
        bars[model] = parts.clamp(0, 1).round(decimals=3).mT.tolist()  # (shown + 1, T + 1)
        words[model] = [f"<b>{classes[int(mean.argmax())]}</b><br>{mean.max():.0%}"]
    return bars, words, [data_uri(frame, 90) for frame in frames]


def _change(
    bars: Mapping[str, list[list[float]]], words: Mapping[str, list[str]], images: Sequence[str]
) -> list[dict[str, Any]]:
    """What a press of the button writes: into all traces, in their order, then into the layout."""
    heights: list[list[float]] = []
    texts: list[list[str] | None] = []
    for model, rows in bars.items():
        heights += [*rows, [0.5]]
        texts += [*[None] * len(rows), words[model]]
    sources = {f"images[{place}].source": source for place, source in enumerate(images)}
    return [{"y": heights, "text": texts}, sources]
