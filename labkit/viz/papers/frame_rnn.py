"""The figures of Giel and Diaz, 2015, on the lab's own clips, and a few more."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from labkit.viz.classes import readable
from labkit.viz.diagram import Block, block_diagram
from labkit.viz.figures import bar_chart, image_grid, line_chart
from labkit.viz.player import ClipPlayer, Panel
from labkit.viz.scatter import ClipScatter
from labkit.viz.steps import Reading, step_chart
from labkit.viz.story import clip_story
from labkit.viz.style import Figure

_STEPS = {"1": 1.0, "2": 2.1, "3": 3.2, "T": 5.0}  # of an unrolled network, and where they stand


def pipeline() -> Figure:
    """Figure 2: video, frames, codes, model."""
    texts = ["video", "ten frames<br>of 2 seconds", "CNN<br>frozen", "ten codes", "model<br>trained", "class"]
    blocks = {
        text: Block(text, 1.4 * number, 0, {2: "first", 4: "second"}.get(number, "plain"), width=1.0, height=0.9)
        for number, text in enumerate(texts)
    }
    return block_diagram(
        blocks,
        list(pairwise(texts)),
        title="Figure 2, redrawn: from a video to a class<br>the CNN computes each code once; only the model on top "
        "is trained",
        alt="Boxes from left to right: a video, ten frames of two seconds, a frozen CNN, ten codes, a trained model, a "
        "class.",
    )


def unrolled(layer: str, *, both_directions: bool = False) -> Figure:
    """Figures 4 and 6: a recurrent network on codes, one column a step.

    Args:
        layer: its name, as it stands in the boxes.
        both_directions: whether a second layer runs from the last frame to the first.
    """
    blocks: dict[str, Block] = {"p": Block("mean over<br>the steps", 3.0, -0.2, width=1.2, height=0.8)}
    arrows = []
    rows = {"f": 3.0, "b": 2.0} if both_directions else {"f": 2.0}
    codes = max(rows.values()) + 1.1
    for step, x in _STEPS.items():
        blocks[f"x{step}"] = Block(f"code x<sub>{step}</sub>", x, codes, width=0.76)
        blocks[f"g{step}"] = Block(f"y<sub>{step}</sub>, softmax", x, 1.0, width=0.9)
        arrows.append((f"g{step}", "p"))
        for row, y in rows.items():
            aside = (0.26 if row == "f" else -0.26) * both_directions  # so that each arrow can be seen
            name = f"{layer} {'→' if row == 'f' else '←'}" if both_directions else layer
            blocks[f"{row}{step}"] = Block(name, x + aside, y, "first" if row == "f" else "second", width=0.44)
            arrows += [(f"x{step}", f"{row}{step}"), (f"{row}{step}", f"g{step}")]
    steps = list(_STEPS)
    for row in rows:
        blocks[f"{row}…"] = Block("…", 4.1 + (0.26 if row == "f" else -0.26) * both_directions, rows[row], width=0.2)
        chain = [f"{row}{step}" for step in [*steps[:3], "…", "T"]]
        chain = chain if row == "f" else chain[::-1]
        arrows += pairwise(chain)
    middle = "a forward and a backward layer, their outputs added" if both_directions else f"one layer, {layer}"
    return block_diagram(
        blocks,
        arrows,
        title=f"Figure {6 if both_directions else 4}, redrawn: the network, unrolled in time<br>from the codes at the "
        f"bottom to the prediction at the top; {middle}",
        alt=f"Columns of boxes, one for each step, from a code at the bottom through {middle}, to an output with a "
        "softmax; the boxes of a layer are joined from step to step. All softmaxes lead to their mean.",
    )


def lstm_cell() -> Figure:
    """Figure 5: a cell of long short-term memory, without peepholes."""
    gate: dict[str, Any] = {"kind": "first", "round": True, "height": 0.8}
    times: dict[str, Any] = {"round": True, "height": 0.5}
    inputs = "x<sub>t</sub>, h<sub>t−1</sub>"
    blocks = {
        "x": Block(inputs, 0, 1.5, width=0.9),
        "g": Block("tanh", 1.3, 1.5),
        "xi": Block(inputs, 1.1, 0.2, width=0.9),
        "i": Block("i<sub>t</sub>", 2.4, 0.2, **gate),
        "×i": Block("×", 2.4, 1.5, **times),
        "+": Block("+", 3.5, 1.5, **times),
        "xf": Block(inputs, 1.1, 2.8, width=0.9),
        "f": Block("f<sub>t</sub>", 2.4, 2.8, **gate),
        "×f": Block("×", 3.5, 2.8, **times),
        "c0": Block("c<sub>t−1</sub>", 4.6, 2.8, "second"),
        "c": Block("c<sub>t</sub>", 4.6, 1.5, "second"),
        "tanh": Block("tanh", 5.7, 1.5),
        "xo": Block(inputs, 5.5, 0.2, width=0.9),
        "o": Block("o<sub>t</sub>", 6.8, 0.2, **gate),
        "×o": Block("×", 6.8, 1.5, **times),
        "h": Block("h<sub>t</sub>", 7.9, 1.5),
    }
    chains = ["x g ×i + c tanh ×o h", "xi i ×i", "xf f ×f +", "c0 ×f", "xo o ×o"]
    arrows = [pair for chain in chains for pair in pairwise(chain.split())]
    return block_diagram(
        blocks,
        arrows,
        title="Figure 5, redrawn: a cell of an LSTM<br>the blue gates see the code and the previous state, and lie "
        "between 0 and 1",
        alt="The code and the previous state pass a tanh and are multiplied by the input gate; the forget gate "
        "multiplies the previous content of the cell; their sum is the new content. Its tanh, multiplied by the output "
        "gate, is the new state.",
    )


def ten_frames(*clips: Tensor) -> Figure:
    """Clips of ten frames ``(10, 3, H, W)``, one a row, without their names."""
    return image_grid(
        [frame for clip in clips for frame in clip],
        columns=10,
        title=f"Ten frames over the first two seconds, of {len(clips)} clips",
        alt=f"{len(clips)} rows of ten frames each, of different clips.",
    )


def player(clips: Mapping[str, Tensor]) -> ClipPlayer:
    """Clips ``(10, 3, H, W)`` side by side, at five frames a second as they were sampled, by their names."""
    return ClipPlayer(
        *(Panel(readable(name), {"image": frames}) for name, frames in clips.items()),
        title="Ten frames each",
        alt=f"Clips side by side: {', '.join(map(readable, clips))}.",
        fps=5,
        quality=90,
    )


def filters(network: nn.Module) -> Figure:
    """Figure 3: the filters of the first layer of a network for images, those of the largest norm first."""
    weights = next(layer for layer in network.modules() if isinstance(layer, nn.Conv2d)).weight.detach().cpu()
    weights = weights[weights.flatten(1).norm(dim=1).argsort(descending=True)]  # (F, 3, S, S)
    grey = 0.5 + weights / (2 * weights.abs().amax((1, 2, 3), keepdim=True))  # a weight of 0 is grey
    return image_grid(
        list(F.interpolate(grey, scale_factor=8, mode="bicubic").clamp(0, 1)),
        columns=16,
        title=f"Figure 3, on our network: all {len(weights)} filters of the first layer",
        alt="A grid of small colour patches: some are bars and edges in several directions or pairs of colours, others "
        "look like noise.",
    )


def mean_codes(
    points: Tensor,
    labels: Tensor,
    frames: Sequence[Tensor],
    classes: Sequence[str],
    names: Sequence[str],
    explained: tuple[float, float],
) -> ClipScatter:
    """Figure 7: clips as points ``(N, 2)`` by their mean codes; the clip of a point plays beside it.

    Args:
        points: in the plane.
        labels: ``(N,)`` int64, indices into ``classes``.
        frames: ``(T, 3, H, W)`` of each clip.
        classes: names.
        names: of the clips.
        explained: fraction of the variance along each axis.
    """
    return ClipScatter(
        points,
        labels,
        frames,
        classes=list(map(readable, classes)),
        names=names,
        title=f"Figure 7, on our data: mean codes of clips of {len(classes)} classes. Point at one to see its clip",
        alt=f"Clips as points in the plane, by class: {', '.join(map(readable, classes))}.",
        x_title=f"first component ({explained[0]:.0%} of the variance)",
        y_title=f"second component ({explained[1]:.0%})",
    )


def influence(of_first_frame: Mapping[str, Sequence[float]]) -> Figure:
    """How much the first frame matters to the state after each step, for several initialisations."""
    figure = line_chart(
        {name: (range(1, len(values) + 1), values) for name, values in of_first_frame.items()},
        x_title="step t",
        y_title="influence (first step: 1)",
        title="Influence of the first frame on the state, before training",
        alt="Lines on a logarithmic scale. With the identity the influence stays close to 1, with small random weights "
        "and a rotation it decays, with large ones it grows from step to step.",
    )
    figure.update_yaxes(type="log", dtick=1)
    return figure


def one_step_alone(accuracies: Mapping[str, Sequence[float]]) -> Figure:
    """Percent of the test clips that each step alone classifies correctly, by model."""
    return line_chart(
        {name: (range(1, len(values) + 1), values) for name, values in accuracies.items()},
        x_title="step",
        y_title="test accuracy (%)",
        title="If one step alone decided",
        alt="Accuracy of each step alone: "
        + "; ".join(f"{name}, from {values[0]:.0f} to {values[-1]:.0f} %" for name, values in accuracies.items()),
    )


def learning_curves(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> Figure:
    """Accuracy on validation clips, a fraction, over the epochs of training, by model."""
    return line_chart(
        {name: (epochs, [100 * value for value in values]) for name, (epochs, values) in curves.items()},
        x_title="epoch",
        y_title="validation accuracy (%)",
        title="Learning curves",
        alt="Validation accuracy over the epochs, at the end: "
        + ", ".join(f"{name} {100 * values[-1]:.0f} %" for name, (_, values) in curves.items()),
        height=400,
    )


def accuracies(series: Mapping[str, Mapping[str, float]], *, title: str, x_title: str = "model") -> Figure:
    """Accuracies in percent as bars, one colour for each series."""
    alt = f"Accuracy in percent, {' and '.join(name.replace('<br>', ' ') for name in series)}."
    return bar_chart(
        series, x_title=x_title, y_title="% of clips classified correctly", title=title, alt=alt, height=400
    )


def step_by_step(
    read: Mapping[str, tuple[Tensor, Mapping[str, Tensor]]], classes: Sequence[str], shown: Sequence[str]
) -> Figure:
    """What models predict after each step of a clip, with a button for each order of its frames.

    Args:
        read: by order, the frames ``(10, 3, H, W)`` and for each model probabilities ``(10, K)`` or ``(K,)``.
        classes: K names.
        shown: the class of the clip, and another one to compare with.
    """
    first, second = map(readable, shown)
    return step_chart(
        {order: Reading(*of_order) for order, of_order in read.items()},
        classes=list(map(readable, classes)),
        shown=[first, second],
        title=f"A clip of {first}, read step by step",
        alt=f"Bars of the probability of {first} and {second} at each of ten steps, by model. Buttons change the order "
        "of the frames.",
    )


def lstm_at_work(frames: Tensor, bands: Mapping[str, Any], *, name: str) -> Figure:
    """Frames of a clip with curves of probabilities and gates, and the contents of cells; see `clip_story`."""
    bands = {
        label: {readable(curve): values for curve, values in band.items()} if isinstance(band, Mapping) else band
        for label, band in bands.items()
    }
    return clip_story(
        frames,
        bands,
        title=f"The LSTM reads a clip of {readable(name)}<br>lowest band: contents of cells, one a row, blue negative, "
        "orange positive",
        alt="Ten frames; below them curves of class probabilities and of the three gates of a cell, and the contents "
        "of several cells as colours. A slider moves a cursor.",
    )


def both_streams(images: Sequence[Tensor], *, name: str) -> Figure:
    """Ten frames of a clip, and its flow as ten images below them if it is known."""
    return image_grid(
        list(images),
        columns=10,
        title=f"What the two streams see of a clip of {readable(name)}: frames"
        + (", and flow as colours" if len(images) > 10 else "; the flow of this video has not been computed"),
        alt="Ten frames" + (", and below them their flow as colours, grey where nothing moves." * (len(images) > 10)),
    )
