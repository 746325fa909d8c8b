"""The figures of Ren et al., 2018, on the lab's own clips, and those of our controls."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import pad

from labkit.clips import Clips
from labkit.viz.classes import readable
from labkit.viz.colour import heat_to_rgb
from labkit.viz.diagram import Block, block_diagram
from labkit.viz.figures import bar_chart, image_grid, line_chart
from labkit.viz.player import ClipPlayer, Panel
from labkit.viz.style import INK, Figure
from labkit.viz.votes import Ballot, VotedOut, vote_chart


def procedure() -> Figure:
    """Figure 1, which is the first arrow, and what negative back-dropout adds to it."""
    texts = {
        "source": "source task:<br>still images<br>of things",
        "tuned": "fine-tune on<br>9/10 of the<br>target's clips",
        "penalty": "penalty set:<br>its mistakes on<br>the other 1/10",
        "back": "walk back from<br>wrong classes<br>to neurons",
        "drop": "drop these<br>neurons",
        "again": "train again<br>on the 9/10",
    }
    kinds = {"penalty": "second", "back": "second", "drop": "second"}
    blocks = {
        name: Block(text, 1.5 * number, 0, kinds.get(name, "first"), width=1.2, height=1.0)
        for number, (name, text) in enumerate(texts.items())
    }
    return block_diagram(
        blocks,
        list(pairwise(texts)),
        title="Figure 1, redrawn and continued: transfer learning, and what negative back-dropout adds<br>blue: "
        "networks are trained; orange: neurons are chosen",
        alt="A chain of six boxes: the source task; fine-tuning on nine tenths of the clips; the penalty set, mistakes "
        "on the other tenth; the walk back from wrong classes to neurons; these are dropped; training again.",
    )


def player(clips: Clips, names: Sequence[str]) -> ClipPlayer:
    """A clip of each of some classes side by side, or of others where the set lacks them."""
    shown = clips.subset(clips.examples(names))
    titles = [readable(shown.classes[label]) for label in shown.labels.tolist()]
    length = min(40, *(clip.num_frames for clip in shown))
    return ClipPlayer(
        *(Panel(title, {"image": clip.frames(range(length))}) for title, clip in zip(titles, shown, strict=True)),
        title=f"Of the target task: {' and '.join(titles)}",
        alt=f"Clips side by side: {' and '.join(titles)}.",
        quality=90,
    )


def source_class(stills: Clips, name: str) -> Figure:
    """Up to eight stills of a class of the source task."""
    rows = (stills.labels == stills.classes.index(name)).nonzero().flatten().tolist()[:8]
    return image_grid(
        [stills[row].frames([0])[0] for row in rows],
        columns=8,
        title=f"A class of the source task: {readable(name)}",
        alt=f"{len(rows)} stills of the class {readable(name)}.",
    )


def taken_for(percent: Mapping[str, float], name: str) -> Figure:
    """Percent of the test clips of each class that the network of the source task takes for one of its classes."""
    return bar_chart(
        {readable(name): {readable(action): value for action, value in percent.items()}},
        title=f"What the network of the source task takes for {readable(name)}",
        alt=f"Percent of the test clips of each action that the source network classifies as {readable(name)}.",
        x_title="action",
        y_title="test clips (%)",
    )


def changes(by_layer: Mapping[str, Tensor]) -> Figure:
    """Figure 2: how far training has moved the neurons of each layer, as columns of dots.

    Args:
        by_layer: ``(neurons,)``, the change of the incoming weights over their length; without the new classifier.
    """
    layers = {name.removeprefix("features."): change for name, change in by_layer.items() if name != "classifier"}
    most = max(float(change.nanquantile(0.95)) for change in layers.values())
    medians = {name: f"{change.nanmedian():.0%}" for name, change in layers.items()}
    columns = [_column(change, most) for change in layers.values()]
    return image_grid(
        [*columns, _column(torch.full((2,), most), most)],
        labels=[*(f"{name}: {median}" for name, median in medians.items()), "classifier: new"],
        title="Figure 2, measured: what fine-tuning has changed<br>dark: little, bright: much; above each layer the "
        "change of its median neuron",
        alt="Eight columns of dots from conv1 to the classifier. Dark ones have changed little, bright ones much: "
        + ", ".join(f"{name} {median}" for name, median in medians.items())
        + "; the classifier is new.",
    )


def _column(change: Tensor, most: float) -> Tensor:
    """Quantiles of the changes of a layer as a column of dots ``(3, count * dot, 5 * dot)``, the largest on top."""
    count, dot = 10, 24  # pixels
    levels = change.nan_to_num(0.0).quantile(torch.linspace(1, 0, count))  # (count,)
    colours = heat_to_rgb(levels[:, None], 0.0, most)  # (3, count, 1)
    away = torch.arange(dot) - (dot - 1) / 2  # (dot,)
    disc = (away[:, None].square() + away.square() < (0.44 * dot) ** 2).repeat(count, 1)  # (count * dot, dot)
    filled = colours.repeat_interleave(dot, 1).repeat_interleave(dot, 2)  # (3, count * dot, dot)
    return pad(torch.where(disc, filled, torch.tensor(255).byte()), (2 * dot, 2 * dot), value=255)


def mistakes(images: Tensor, labels: Sequence[str], predicted: Sequence[str]) -> Figure:
    """Images of a penalty set ``(n, 3, h, w)``, each with its class and the wrong one."""
    pairs = [f"{readable(own)} → {readable(wrong)}" for own, wrong in zip(labels, predicted, strict=True)]
    return image_grid(
        list(images),
        columns=6,
        labels=pairs,
        title="From the penalty set: what it is → what it was taken for",
        alt=f"{len(images)} frames that the network has misclassified: {'; '.join(pairs)}.",
    )


def votes(
    images: Tensor,
    about: Mapping[str, Tensor],
    neurons: Mapping[str, tuple[Tensor, Tensor, int]],
    costs: Mapping[str, Tensor],
    classes: Sequence[str],
) -> Figure:
    """Figure 3, to step through: which image votes which neurons out, and what becomes of the accuracy.

    Args:
        images: ``(V, 3, h, w)``, in the order in which they vote.
        about: ``"labels"``, ``"predicted"`` and ``"certainty"`` of each image, ``(V,)``.
        neurons: by layer, from the last one backwards: the neuron ``(V,)`` that each image votes out, its link
            ``(V,)``, and the size of the layer.
        costs: by how neurons were chosen, ``(V + 1,)`` accuracies in percent.
        classes: names.
    """
    return vote_chart(
        Ballot(images, **about),
        {layer: VotedOut(*voted) for layer, voted in neurons.items()},
        costs,
        classes=list(map(readable, classes)),
        start=min(9, len(images) - 1),
        title="Figure 3, on our data: the penalty set votes<br>the number in brackets is the weight of the link",
        alt="A misclassified frame, two layers of neurons and the classes. A dotted line leads from the wrong class "
        "back to one neuron in each layer, which is crossed out. Below, the accuracy on test clips as neurons are "
        "dropped: by weight, by contribution or at random.",
    )


def planted(accuracies: Mapping[float, Mapping[str, float]]) -> Figure:
    """Our positive control: accuracy over the strength of planted culprits, a line for each way to drop neurons.

    Args:
        accuracies: percent by what was dropped, by strength.
    """
    strengths = list(accuracies)
    names = list(accuracies[strengths[0]])
    last = accuracies[strengths[-1]]
    return line_chart(
        {name: (strengths, [accuracies[s][name] for s in strengths]) for name in names},
        title="Planted culprits: the accuracy, by what is dropped",
        alt="Accuracy on stills over the strength of planted culprits, at the strongest: "
        + ", ".join(f"{name} {last[name]:.0f} %" for name in names),
        x_title="weight of a culprit (largest weight of the trained network: 1)",
        y_title="accuracy (% of stills)",
        height=400,
    )


def gains(parts: Mapping[str, tuple[float, float]]) -> Figure:
    """The parts of a gain in points, each with a bound on either side."""
    figure = bar_chart(
        {"": {part: gain for part, (gain, _) in parts.items()}},
        title="Where the gain comes from<br>with intervals of twice the standard error either way",
        alt="The gain of NB-TL over the fine-tuned network in parts, each with an interval of two standard errors.",
        x_title="part of the gain",
        y_title="gain (points)",
    )
    bounds = {"type": "data", "array": [bound for _, bound in parts.values()], "color": INK}
    return figure.update_traces(error_y=bounds, textposition="none")


def profiles(by_network: Mapping[str, Mapping[str, Tensor]], what: str, classes: Sequence[str]) -> Figure:
    """Figures 4 and 5: precision or recall of each class, a colour for each network.

    Args:
        by_network: ``"precision"`` and ``"recall"``, ``(K,)`` each, NaN for classes that have none.
        what: ``"precision"`` or ``"recall"``.
        classes: names.
    """
    names = list(map(readable, classes))
    series = {
        network: {name: 100 * value for name, value in zip(names, of[what].tolist(), strict=True) if value == value}
        for network, of in by_network.items()
    }
    figure = bar_chart(
        series,
        title=f"Figure {4 if what == 'precision' else 5}, on our data: {what} of each class",
        alt=f"The {what} of each class, by {' and by '.join(series)}, side by side.",
        x_title="action",
        y_title=f"{what} (%)",
    )
    figure.update_xaxes(categoryorder="array", categoryarray=names)
    return figure.update_traces(textposition="none")


def scenes(clips: Clips) -> Figure:
    """In which scene each clip is, a colour for each class; real clips do not say."""
    where = [(clips.classes[clip.label], getattr(clip, "scene", "") or "unknown") for clip in clips]
    counts = Counter(where)
    named = list(dict.fromkeys(scene for _, scene in counts.elements()))
    series = {
        readable(name): {scene: float(counts[name, scene]) for scene in named}
        for name in dict.fromkeys(name for name, _ in where)
    }
    return bar_chart(
        series or {"no clip": {"nowhere": 0.0}},
        title="Where the clips of the trap are",
        alt="Number of clips in each scene, by class.",
        x_title="scene",
        y_title="clips",
    )


def confusions(percent: Mapping[str, Mapping[str, float]]) -> Figure:
    """Percent of the clips of either class that each network takes for the other one."""
    series = {readable(pair): values for pair, values in percent.items()}
    return bar_chart(
        series or {"no clip": {"no network": 0.0}},
        title="Which clips of the trap are taken for the other class",
        alt="Percent of clips of either class that are taken for the other, by network.",
        x_title="network",
        y_title="clips (%)",
    )
