"""The figures of Ng et al., CVPR 2015, on the lab's own clips, and a few more."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from labkit.viz.classes import readable
from labkit.viz.diagram import Block, block_diagram
from labkit.viz.figures import bar_chart, bar_slider, line_chart
from labkit.viz.player import ClipPlayer, Panel
from labkit.viz.story import clip_story
from labkit.viz.style import Figure
from labkit.viz.towers import Layers, tower_chart

_FRAMES = {"1": 0.0, "2": 1.1, "3": 2.2, "T": 3.9}  # of a video, and where they stand


def player(frames: Tensor, flow: Tensor, happening: Sequence[str], names: Sequence[str], rate: float) -> ClipPlayer:
    """The frames of a clip that a network sees, and their flow as images, ``(T, 3, H, W)`` each.

    Args:
        frames: at so many frames a second.
        flow: to the next frame of the clip.
        happening: at each frame; empty where nobody knows.
        names: of the clip's classes.
        rate: frames per second.
    """
    every = f"{rate:g} frames a second" if rate > 1 else "one frame a second"
    known = any(happening)
    return ClipPlayer(
        Panel(every, {"image": frames, "flow": flow}, labels=list(happening)),
        title=f"A clip of {' and '.join(map(readable, names))}",
        alt=f"{len(frames)} frames of the clip. The other layer shows flow as red and green."
        + " A puppet does what the clip is labelled with, and idles in between." * known,
        fps=3,
        quality=None if known else 80,
    )


def overview() -> Figure:
    """Figure 3.1: frames and flow, a CNN at each, aggregation over time, one prediction."""
    blocks = {
        "average": Block("average of<br>the scores", 6.3, 2.5, width=1.4, height=0.9),
        "class": Block("one prediction<br>for the video", 8.4, 2.5, "second", width=1.6, height=0.9),
    }
    arrows = [("average", "class")]
    for stream, kind, top, down in (("frame", "plain", 0.0, 1), ("flow", "first", 5.0, -1)):
        for step, x in _FRAMES.items():
            image, network = f"{stream} {step}", f"{stream} {step}, CNN"
            blocks[image] = Block(image.replace("T", "<i>T</i>"), x, top, kind, width=0.9)
            blocks[network] = Block("CNN", x, top + 0.95 * down, width=0.9)
            below = f"{stream} {step}, below"  # where the arrow ends, so that it does not lean
            blocks[below] = Block("", x, top + 1.9 * down, width=0.01)
            arrows += [(image, network), (network, below)]
        pooled = f"{stream}, pooled"  # drawn last, over the ends of the arrows
        blocks[pooled] = Block("aggregation over time: pooling, or an LSTM", 1.95, top + 1.9 * down, width=5.0)
        arrows.append((pooled, "average"))
    return block_diagram(
        blocks,
        arrows,
        title="Figure 3.1, redrawn: the approach<br>a CNN with the same weights at every frame; frames and flow have "
        "networks of their own",
        alt="Above a row of frames, below a row of flow images. Each has a box CNN. The CNNs of a row lead to a wide "
        "box, aggregation over time by pooling or an LSTM. The scores of both rows are averaged, which gives one "
        "prediction for the video.",
    )


def poolings(towers: Mapping[str, Layers]) -> Figure:
    """Figure 3.2: heads that pool, as `labkit.viz.towers.layers_of` finds them by running them."""
    return tower_chart(
        towers,
        title=f"Figure 3.2, on our networks: {len(towers)} ways to pool<br>found by running the modules; time to the "
        "right, C are the shared convolutions",
        alt="Towers of layers. In Conv Pooling one maximum lies directly on the convolutions, in Late Pooling it lies "
        "above two fully connected layers that run at all frames; Slow and Local Pooling have spans of frames; "
        "Time-Domain Convolution has kernels over time below its maximum.",
    )


def gradients(percent: Mapping[str, float]) -> Figure:
    """Percent of the values of feature maps that get a gradient, by the pooling above them."""
    return bar_chart(
        {"": percent},
        x_title="pooling over time",
        y_title="values with a gradient (%)",
        title="How many values of the feature maps get a gradient?",
        alt="Percent of the values in the last feature maps that get a gradient.",
    )


def maxima(frames: Tensor, wins: Tensor, happening: Sequence[str]) -> Figure:
    """Which frame gave the maxima of Conv Pooling.

    Args:
        frames: ``(T, 3, H, W)``.
        wins: ``(T, h, w)``, number of channels whose maximum each frame gave, by location.
        happening: at each frame.
    """
    fractions = wins / wins.sum(0).clamp(min=1)  # (T, h, w)
    return clip_story(
        frames,
        {
            "% of all maxima": {"won by the frame": 100 * wins.sum((1, 2)) / wins.sum().clamp(min=1)},
            "location": fractions.flatten(1).t(),
        },
        labels=happening,
        title="Who won the maxima<br>lower band: fraction of the channels at each location (0 is the top left one)",
        alt="A strip of frames; below it a curve of the percentage of all maxima that each frame won, and for each "
        "location of the feature maps the fraction of channels whose maximum it won there, as colours.",
    )


def first_frames(probabilities: Mapping[str, Mapping[str, float]]) -> Figure:
    """Probabilities of classes in percent after Conv Pooling of the first frames, by what the last of them shows."""
    return bar_slider(
        probabilities,
        title="Conv Pooling of the first frames",
        alt="Probabilities of the likeliest classes as more frames are pooled.",
        x_title="class",
        y_title="probability (%)",
        slider="frames, and what the last one shows",
        start=len(probabilities) - 1,
    )


def lstm_cell() -> Figure:
    """Figure 3.3: a cell of long short-term memory, with peepholes."""
    gate: dict[str, Any] = {"kind": "first", "round": True, "height": 0.8}
    times: dict[str, Any] = {"round": True, "height": 0.5}
    inputs = "x<sub>t</sub>, h<sub>t−1</sub>"
    blocks = {
        "x": Block(inputs, 0, 2.2, width=1.0),
        "g": Block("tanh", 1.7, 2.2, width=0.9),
        "i": Block("i<sub>t</sub>", 3.2, 0.8, **gate),
        "×i": Block("×", 3.2, 2.2, **times),
        "c": Block("cell c<sub>t</sub>", 5, 2.2, kind="second", width=1.2),
        "f": Block("f<sub>t</sub>", 5, 3.7, **gate),
        "o": Block("o<sub>t</sub>", 7, 0.8, **gate),
        "×o": Block("×", 7, 2.2, **times),
        "h": Block("h<sub>t</sub>", 8.6, 2.2),
        "xi": Block(inputs, 1.7, 0.8, width=1.0),
        "xf": Block(inputs, 3.2, 3.7, width=1.0),
        "xo": Block(inputs, 8.6, 0.8, width=1.0),
    }
    chains = ["x g ×i c ×o h", "xi i ×i", "xf f c", "xo o ×o", "c i", "c f", "c o"]
    arrows = [pair for chain in chains for pair in zip(chain.split(), chain.split()[1:], strict=False)]
    return block_diagram(
        blocks,
        arrows,
        title="Figure 3.3, redrawn: a cell of an LSTM<br>arrows from the cell to the blue gates are the peepholes",
        alt="Inputs pass a tanh and are multiplied by the input gate; the cell adds them to what the forget gate keeps;"
        " multiplied by the output gate it becomes the output. All gates have an arrow from the cell.",
    )


def deep_lstm(towers: Mapping[str, Layers]) -> Figure:
    """Figure 3.4: the deep LSTM beside Conv Pooling."""
    return tower_chart(
        towers,
        columns=2,
        title="Figure 3.4, on our modules: a softmax at every frame, beside one for all frames<br>the paper's LSTM has "
        "512 cells in each of five layers; unless the profile is paper, the one trained below has two layers",
        alt="Left, convolutions at all frames below rows of LSTM boxes and a row of softmax boxes, all at every frame. "
        "Right, Conv Pooling with one softmax.",
    )


def learning_curves(curves: Mapping[str, Sequence[tuple[int, float]]], *, title: str) -> Figure:
    """Hit@1 on test clips, a fraction, over the steps of trainings."""
    lines = {name: ([step for step, _ in curve], [100 * value for _, value in curve]) for name, curve in curves.items()}
    ends = ", ".join(f"{name} {values[-1]:.0f} %" for name, (_, values) in lines.items())
    return line_chart(
        lines,
        title=title,
        alt=f"Hit@1 on test clips over the steps of training. In the end: {ends}.",
        x_title="training step",
        y_title="Hit@1 (%)",
    )


def lstm_at_work(frames: Tensor, bands: Mapping[str, Any], happening: Sequence[str], names: Sequence[str]) -> Figure:
    """Frames of a clip with the probabilities and gates of the LSTM, and the contents of cells; see `clip_story`."""
    return clip_story(
        frames,
        bands,
        labels=happening,
        title=f"The LSTM reads a clip of {' and '.join(map(readable, names))}<br>lowest band: contents of cells, one a "
        "row, blue negative, orange positive",
        alt="A strip of frames; below it curves of the probabilities of some classes, the mean input, forget and output"
        " gate, and the contents of cells as colours. A slider moves a cursor along.",
    )


def hit_rates(by_frames: Mapping[str, Mapping[int, float]], *, title: str) -> Figure:
    """Hit@1 in percent over the number of frames in an example, a line for each way to test or to aggregate."""
    ends = "; ".join(
        f"{name}, " + ", ".join(f"{frames}: {value:.0f} %" for frames, value in values.items())
        for name, values in by_frames.items()
    )
    return line_chart(
        {name: (list(values), list(values.values())) for name, values in by_frames.items()},
        title=title,
        alt=f"Hit@1 over the number of frames. {ends}.",
        x_title="frames in an example",
        y_title="Hit@1 (%)",
    )
