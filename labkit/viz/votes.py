"""Which image votes which neurons out: walk back from its wrong class, vote by vote, with a slider. No kernel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any

import torch
from plotly.subplots import make_subplots
from torch import Tensor

from labkit.checks import require_finite, require_shape
from labkit.viz.colour import data_uri, shrunk
from labkit.viz.style import INK, PALETTE, QUIET, Figure, finish, line_style

WIDE, HIGH = 880, 330  # pixels of the upper half: image, neurons, classes
IMAGE = 200  # side of the image
LEAST_ROOM = 12  # pixels for the name of a class; where there is less, only the wrong one is named
ALIVE = "#C3C9D1"


@dataclass(frozen=True, eq=False)
class Ballot:
    """Images that were taken for something else, V of them, in the order in which they vote.

    Attributes:
        images: ``(V, 3, H, W)``, uint8 or floating point in [0, 1].
        labels: ``(V,)`` int64, what they show.
        predicted: ``(V,)`` int64, what they were taken for.
        certainty: ``(V,)``, 0 to 1, the probability of that prediction.
    """

    images: Tensor
    labels: Tensor
    predicted: Tensor
    certainty: Tensor


@dataclass(frozen=True, eq=False)
class VotedOut:
    """What becomes of a layer.

    Attributes:
        neurons: ``(V,)`` int64, the neuron that each image votes out.
        links: ``(V,)``, the link to what comes after it, with its sign.
        size: how many neurons the layer has.
    """

    neurons: Tensor
    links: Tensor
    size: int


def vote_chart(
    ballot: Ballot,
    layers: Mapping[str, VotedOut],
    curves: Mapping[str, Tensor],
    *,
    classes: Sequence[str],
    title: str,
    alt: str,
    start: int = 0,
) -> Figure:
    """An image, what it was taken for, and the way back from there through the layers; below, what it costs.

    Args:
        ballot: the images.
        layers: by name, from the last one backwards, two at most.
        curves: by name, ``(V + 1,)`` accuracies in percent: before any vote, after the first, ...
        classes: names of the classes.
        title: above the figure.
        alt: what there is to see.
        start: vote at which the slider stands when the page opens, from 0.

    Raises:
        ValueError: no votes, numbers of different lengths, neurons or classes that are not there, or no such start.
    """
    count = len(ballot.images)
    _check(ballot, layers, curves, len(classes), count)
    if not 0 <= start < count:
        raise ValueError(f"start must be one of the {count} votes, from 0; got {start}")
    figure = make_subplots(rows=2, cols=1, row_heights=[HIGH + 24, 190], vertical_spacing=0.11)
    ends = [(690.0, (place + 0.5) * HIGH / len(classes)) for place in range(len(classes))]
    named = HIGH / len(classes) >= LEAST_ROOM
    quiet = {"hoverinfo": "skip", "showlegend": False, "row": 1, "col": 1}
    places = {}
    for (layer, found), left in zip(layers.items(), (470, 260), strict=False):
        places[layer] = _grid(found.size, left)
        x, y = places[layer].T.tolist()
        step = HIGH / ceil(found.size / _columns(found.size))
        neuron = {"size": min(6.0, 0.7 * step), "color": ALIVE}
        says = f"{layer}, neuron %{{pointNumber}}<extra></extra>"
        figure.add_scatter(x=x, y=y, mode="markers", marker=neuron, hovertemplate=says, showlegend=False, row=1, col=1)
        heading = {"x": left + 80, "y": -16, "text": f"{layer}: {found.size} neurons", "showarrow": False}
        figure.add_annotation(**heading, row=1, col=1)
    figure.add_annotation(x=690, y=-16, text="classes", showarrow=False, row=1, col=1)

    moving = len(figure.data)  # what the slider changes: names, those who are gone, the way back, the wrong class
    name = {"textposition": "middle right", "textfont": {"size": 11, "color": QUIET}}
    figure.add_scatter(x=[], y=[], mode="markers+text", marker={"size": 6, "color": ALIVE}, **name, **quiet)
    cross = {"symbol": "x-thin", "size": 7, "line": {"color": PALETTE[1], "width": 1.6}}
    figure.add_scatter(x=[], y=[], mode="markers", marker=cross, **quiet)
    ring = {"symbol": "circle-open", "size": 11, "color": PALETTE[0], "line": {"width": 2.5}}
    way = {"line": {"color": PALETTE[0], "width": 2, "dash": "dot"}, "marker": ring}
    figure.add_scatter(x=[], y=[], mode="lines+markers", **way, **quiet)
    loud = {"textposition": "middle right", "textfont": {"size": 12, "color": PALETTE[0]}}
    figure.add_scatter(x=[], y=[], mode="text", **loud, **quiet)
    for number, (label, values) in enumerate(curves.items()):
        x, y = list(range(count + 1)), values.detach().cpu().double().round(decimals=2).tolist()
        figure.add_scatter(x=x, y=y, name=label, mode="lines", line=line_style(number), row=2, col=1)
    figure.update_xaxes(visible=False, range=[0, WIDE], row=1)
    figure.update_yaxes(visible=False, range=[HIGH, -28], row=1)
    below = {"text": "votes; each drops one neuron in each layer, and nothing is trained again", "standoff": 4}
    figure.update_xaxes(title=below, range=[-0.5, count + 0.5], showgrid=False, zeroline=False, row=2)
    figure.update_yaxes(title="accuracy (%)", gridcolor="#E5E7EB", zeroline=False, row=2)

    images = [data_uri(image, 92) for image in _enlarged(ballot.images)]
    size = {"sizex": IMAGE, "sizey": IMAGE, "sizing": "contain"}
    figure.add_layout_image(source=images[start], x=0, y=0, xref="x", yref="y", **size)
    figure.add_annotation(x=0, y=IMAGE + 8, xanchor="left", yanchor="top", align="left", showarrow=False)
    figure.add_shape(type="line", y0=0, y1=1, xref="x2", yref="y2 domain", line={"color": INK, "dash": "dot"})
    words, cursor = len(figure.layout.annotations) - 1, len(figure.layout.shapes) - 1
    shown = []
    for vote in range(count):
        state = _state(vote, ballot, layers, places, ends, [f"\u2002{name}" if named else "" for name in classes])
        state["text"][3] = [f"\u2002<b>{classes[int(ballot.predicted[vote])]}</b>"]
        layout = {
            "images[0].source": images[vote],
            f"annotations[{words}].text": _words(vote, ballot, layers, classes),
            f"shapes[{cursor}].x0": vote + 1,
            f"shapes[{cursor}].x1": vote + 1,
        }
        shown.append((state, layout, list(range(moving, moving + 4))))
    first, layout, _ = shown[start]
    for place, trace in enumerate(figure.data[moving : moving + 4]):
        trace.update({key: values[place] for key, values in first.items()})
    figure.layout.annotations[words].text = layout[f"annotations[{words}].text"]
    figure.layout.shapes[cursor].update(x0=start + 1, x1=start + 1)
    steps = [{"label": str(vote), "method": "update", "args": list(args)} for vote, args in enumerate(shown, start=1)]
    slider = {"active": start, "steps": steps, "currentvalue": {"prefix": "vote "}, "ticklen": 0, "minorticklen": 0}
    figure.update_layout(
        sliders=[{**slider, "font": {"color": "rgba(0,0,0,0)"}, "pad": {"t": 54}}],
        legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 0.33, "yanchor": "bottom", "font": {"size": 11}},
        showlegend=True,
    )
    figure.layout.sliders[0].currentvalue.font.color = INK
    return finish(figure, title=title, alt=alt, height=780, margin={"l": 64, "r": 16, "b": 110})


def _check(
    ballot: Ballot, layers: Mapping[str, VotedOut], curves: Mapping[str, Tensor], classes: int, count: int
) -> None:
    require_shape(ballot.images, "V C H W", "images", "one for each vote")
    if not count or not 0 < len(layers) <= 2:
        raise ValueError(f"a vote chart needs votes, and one layer or two; got {count} votes, layers {list(layers)}")
    for name in ("labels", "predicted", "certainty"):
        require_shape(getattr(ballot, name), f"{count}", name, "one number for each image")
    for name, numbers, most in (
        ("labels", ballot.labels, classes),
        ("predicted", ballot.predicted, classes),
        *((f"neurons of {layer}", found.neurons, found.size) for layer, found in layers.items()),
    ):
        require_shape(numbers, f"{count}", name, "one number for each image")
        if not 0 <= int(numbers.min()) <= int(numbers.max()) < most:
            raise ValueError(f"{name} must be 0 to {most - 1}; got {int(numbers.min())} to {int(numbers.max())}")
    for layer, found in layers.items():
        require_shape(found.links, f"{count}", f"links of {layer}", "one number for each image")
    for name, values in curves.items():
        require_shape(values, f"{count + 1}", f"curve {name!r}", "before the first vote, and after each")
        require_finite(values, f"curve {name!r}")


def _columns(size: int) -> int:
    return ceil(sqrt(size / 2))


def _grid(size: int, left: float) -> Tensor:
    """Positions of the neurons of a layer on the page, row by row: (size, 2)."""
    columns, number = _columns(size), torch.arange(size)
    step = HIGH / ceil(size / columns)
    return torch.stack([left + (number % columns + 0.5) * step, (number // columns + 0.5) * step], 1).round(decimals=1)


def _state(
    vote: int,
    ballot: Ballot,
    layers: Mapping[str, VotedOut],
    places: Mapping[str, Tensor],
    ends: Sequence[tuple[float, float]],
    names: Sequence[str],
) -> dict[str, list[Any]]:
    """What the four moving traces show at a vote: x, y and text of each."""
    wrong = int(ballot.predicted[vote])
    gone = torch.cat([places[layer][found.neurons[: vote + 1]] for layer, found in layers.items()])  # (neurons, 2)
    back = [places[layer][int(found.neurons[vote])].tolist() for layer, found in layers.items()]
    points = [ends, gone.tolist(), [ends[wrong], *back], [ends[wrong]]]
    texts = [[name if place != wrong else "" for place, name in enumerate(names)], None, None, None]
    return {
        "x": [[x for x, _ in some] for some in points],
        "y": [[y for _, y in some] for some in points],
        "text": texts,
    }


def _words(vote: int, ballot: Ballot, layers: Mapping[str, VotedOut], classes: Sequence[str]) -> str:
    lines = [
        f"<b>{classes[int(ballot.labels[vote])]}</b>, taken for",
        f"<b>{classes[int(ballot.predicted[vote])]}</b> ({float(ballot.certainty[vote]):.0%} sure)",
    ]
    for layer, found in layers.items():
        lines.append(f"votes out {layer} no. {int(found.neurons[vote])} ({float(found.links[vote]):+.2f})")
    return "<br>".join(lines)


def _enlarged(images: Tensor) -> Tensor:
    """Small images with square pixels, large ones shrunk to twice the side they are shown at."""
    images = shrunk(images, 2 * IMAGE, "images")
    factor = 2 * IMAGE // max(images.shape[-2:])
    return images.repeat_interleave(factor, -1).repeat_interleave(factor, -2)
