"""Figures by class: one frame of each, how many clips of each are recognised, which are taken for which."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from labkit import metrics
from labkit.clips import Clips
from labkit.viz.browse import confusion_browser
from labkit.viz.figures import bar_chart, bar_slider, image_grid
from labkit.viz.style import Figure
from labkit.viz.switch import switched
from labkit.viz.tables import Table

AXES: Mapping[str, Any] = {"x_title": "class", "y_title": "recall (% of test clips)"}


def readable(name: str) -> str:
    """A name with spaces in place of underscores."""
    return name.replace("_", " ")


def recalls(scores: Tensor, clips: Clips) -> dict[str, float]:
    """Percent of the clips of each class that were recognised, by the name of the class; without classes of no clips.

    Args:
        scores: ``(N, K)``, of the clips.
        clips: N clips of K classes.
    """
    right = (scores.argmax(dim=1) == clips.labels).double()  # (N,)
    present = clips.labels.unique().tolist()
    return {readable(clips.classes[k]): 100 * right[clips.labels == k].mean().item() for k in present}


def class_sheet(clips: Clips, *, title: str, named: bool = True, seed: int = 0) -> Figure:
    """The middle frame of one clip of each class, of the first 18 if there are more.

    Args:
        clips: of the classes.
        title: above the figure.
        named: whether the class stands above each frame; if not, a number does, and the classes are in random order.
        seed: of the random order.
    """
    shown = clips.subset(clips.examples(clips.classes[:18]))
    names = [readable(shown.classes[label]) for label in shown.labels.tolist()]
    order = list(range(len(shown)))
    if not named:
        order = torch.randperm(len(shown), generator=torch.Generator().manual_seed(seed)).tolist()
    return image_grid(
        [shown[index].frames([shown[index].num_frames // 2])[0] for index in order],
        columns=9,
        labels=[names[index] if named else str(place) for place, index in enumerate(order, start=1)],
        title=title,
        alt="A grid of frames, one of each class" + (f": {', '.join(names)}." if named else ", in random order."),
    )


def recall_chart(scores: Mapping[str, Tensor], clips: Clips, *, title: str, in_order: bool = False) -> Figure:
    """The recall of each class as bars, one series for each set of scores.

    Args:
        scores: by the name of what gave them, ``(N, K)`` of the clips.
        clips: N clips of K classes.
        title: above the figure.
        in_order: whether the classes are sorted by the recall of the first series.
    """
    series = {name: recalls(values, clips) for name, values in scores.items()}
    first = next(iter(series.values()))
    names = sorted(first, key=lambda name: -first[name]) if in_order else list(first)
    series = {name: {label: values[label] for label in names} for name, values in series.items()}
    return bar_chart(series, title=title, alt=f"Recall of each class by {' and by '.join(series)}.", **AXES)


def recall_slider(scores: Mapping[float, Tensor], clips: Clips, *, title: str, slider: str) -> Figure:
    """The recall of each class as bars, with a slider over what the scores depend on; its marks tell the accuracy."""
    accuracies = {value: 100 * metrics.accuracy(given, clips.labels) for value, given in scores.items()}
    read_out = ", ".join(f"{value:.2g}: {accuracies[value]:.0f} %" for value in scores)
    return bar_slider(
        {f"{value:.2f}: {accuracies[value]:.0f} %": recalls(given, clips) for value, given in scores.items()},
        title=title,
        alt=f"Recall of each class for the chosen {slider}. Accuracy by {slider}: {read_out}.",
        slider=f"{slider}, and accuracy",
        start=len(scores) // 2,
        **AXES,
    )


def confusion_switch(scores: Mapping[str, Tensor], clips: Clips, *, title: str) -> Table:
    """The confusion matrix of each set of scores behind a switch; a cell shows up to two of its clips.

    Args:
        scores: by the name of what gave them, ``(N, K)`` of the clips.
        clips: N clips of K classes.
        title: above each matrix, before the name.
    """
    return switched(
        {
            name: confusion_browser(
                metrics.confusion_matrix(values, clips.labels),
                [readable(label) for label in clips.classes],
                examples_of_cells(values, clips),
                title=f"{title}: {name}",
                alt=f"Confusion matrix of {name}: {100 * metrics.accuracy(values, clips.labels):.0f} % of the clips "
                "lie on the diagonal.",
                note="rows: the true class; columns: the predicted class",
            )
            for name, values in scores.items()
        },
        title="Confusion matrix of",
    )


def examples_of_cells(scores: Tensor, clips: Clips, most: int = 2) -> dict[tuple[int, int], list[tuple[str, Tensor]]]:
    """A few clips for each cell (true class, predicted class) of a confusion matrix.

    Args:
        scores: ``(N, K)``, of the clips.
        clips: N clips of K classes.
        most: clips of a cell; of one on the diagonal a single one.

    Returns:
        For each cell that has clips, their names and five frames ``(5, 3, H, W)`` of each.
    """
    predicted = scores.argmax(dim=1)
    examples: dict[tuple[int, int], list[tuple[str, Tensor]]] = {}
    for index, cell in enumerate(zip(clips.labels.tolist(), predicted.tolist(), strict=True)):
        shown = examples.setdefault(cell, [])
        if len(shown) < (1 if cell[0] == cell[1] else most):
            clip = clips[index]
            moments = torch.linspace(0, clip.num_frames - 1, 5).long()
            shown.append((readable(clip.name), clip.frames(moments)))
    return examples
