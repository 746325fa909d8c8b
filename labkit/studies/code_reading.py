"""How the trained models of `labkit.studies.frame_rnn` read clips: what the lesson shows of them.

Every function takes the study and trains what it needs and the study has not trained yet.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from sklearn.decomposition import PCA  # type: ignore[import-untyped]
from torch import Tensor

from labkit import metrics
from labkit.backbones.codes import Codes
from labkit.papers.frame_rnn import average_probabilities
from labkit.studies.code_metrics import one_of_each_group
from labkit.studies.frame_rnn import FrameRNN, scores_of
from labkit.studies.preflight import lacking_flow

TITLES: Mapping[str, str] = {
    "average": "Average",
    "rnn": "RNN",
    "lstm": "LSTM",
    "birnn": "Bidirectional RNN",
    "conv1d": "1-D convolution",
}
RECURRENT = ("rnn", "lstm", "birnn")
GATES = ("input", "forget", "output")
_SHUFFLE = torch.randperm(10, generator=torch.Generator().manual_seed(5))
ORDERS: Mapping[str, Tensor] = {
    "as filmed": torch.arange(10),
    "backwards": torch.arange(10).flip(0),
    "shuffled": _SHUFFLE,
    "shuffled again": _SHUFFLE[_SHUFFLE],
    "one frame, ten times": torch.full((10,), 4),
}
"""Which frames a model sees, in which order."""


class Plane(NamedTuple):
    """Mean codes of clips in two dimensions.

    Attributes:
        points: ``(N, 2)``, float64.
        labels: ``(N,)``, indices into ``classes``.
        frames: ten frames ``(10, 3, H, W)`` of each clip.
        classes: names.
        names: of the clips.
        explained: fraction of the variance along each of the two dimensions.
    """

    points: Tensor
    labels: Tensor
    frames: list[Tensor]
    classes: list[str]
    names: list[str]
    explained: tuple[float, float]


def plane_of_mean_codes(study: FrameRNN, num_classes: int = 10) -> Plane:
    """Figure 7: clips of some random classes, one of each class and group, by PCA of their mean codes."""
    codes = one_of_each_group(Codes.concatenate(study.codes()))
    present = codes.labels.unique()
    order = torch.randperm(len(present), generator=torch.Generator().manual_seed(study.seed))
    labels = present[order[:num_classes]].sort().values
    codes = codes.subset(torch.isin(codes.labels, labels).nonzero().flatten())
    means = codes.codes.double().mean(dim=1).numpy()  # (N, D)
    plane = PCA(2).fit(means)
    clips = {clip.name: clip for part in study.clips for clip in part}
    return Plane(
        points=torch.from_numpy(plane.transform(means)),
        labels=torch.searchsorted(labels, codes.labels),
        frames=[clips[name].frames(indices) for name, indices in zip(codes.names, codes.indices, strict=True)],
        classes=[codes.classes[label] for label in labels.tolist()],
        names=list(codes.names),
        explained=tuple(plane.explained_variance_ratio_.tolist()),
    )


def at_each_step(study: FrameRNN) -> dict[str, list[float]]:
    """Percent of test clips that each step alone classifies correctly, by model; its name tells that of the mean."""
    test, lines = study.codes().test, {}
    for model in RECURRENT:
        reader = study.readers(model)[0].eval()
        with torch.no_grad():
            steps = reader.steps(test.codes.to(study.torch_device)).cpu()  # (N, 10, K)
        mean = 100 * metrics.accuracy(average_probabilities(steps), test.labels)
        name = f"{TITLES[model]} (mean of all steps: {mean:.0f} %)"
        lines[name] = [100 * metrics.accuracy(steps[:, t], test.labels) for t in range(steps.shape[1])]
    return lines


def by_part(study: FrameRNN) -> dict[str, dict[str, float]]:
    """Percent of the clips of each part that each model classifies correctly."""
    return {
        part: {
            title: study.mean_accuracy(study.readers(model), codes.codes, codes.labels).value
            for model, title in TITLES.items()
        }
        for part, codes in study.codes()._asdict().items()
    }


def by_family(study: FrameRNN) -> dict[str, dict[str, float]]:
    """Percent of the test clips of each family that each model classifies correctly.

    Of the reversed pairs, percent put in the right order, given the right pair. Real videos have no families, so that
    there all classes are together.
    """
    if study.dataset != "world":
        return {"all classes": by_part(study)["test"]}
    return {
        "appearance pairs": {title: study.on_family(model, "appearance").value for model, title in TITLES.items()},
        "motion only": {title: study.on_family(model, "motion").value for model, title in TITLES.items()},
        "reversed pairs: right order": {title: study.in_order(model).value for model, title in TITLES.items()},
    }


def all_classes_and_six(study: FrameRNN) -> dict[str, dict[str, float]]:
    """Test accuracy in percent of the paper's four models, with all classes and with the appearance classes alone."""
    models = ("average", *RECURRENT)
    study.measure(*models)
    values = {"all classes": {TITLES[model]: study.live[f"{model}.test"] for model in models}}
    if study.dataset == "world":
        study.measure(*(f"{model}.{metric}" for model in models for metric in ("appearance", "app6")))
        values["the six appearance classes alone"] = {TITLES[model]: study.live[f"{model}.app6"] for model in models}
    return values


def recognised(study: FrameRNN, name: str) -> int:
    """Index of a test clip of a class that all recurrent models classify correctly, as far as there is one."""
    test = study.codes().test
    candidates = test.labels == test.classes.index(name)  # (N,)
    for model in RECURRENT:
        right = scores_of(study.readers(model)[0], test.codes).argmax(dim=1) == test.labels
        candidates = candidates & right if (candidates & right).any() else candidates
    return int(candidates.nonzero()[0])


def read_in_orders(study: FrameRNN, index: int) -> dict[str, tuple[Tensor, dict[str, Tensor]]]:
    """What the four models predict at each step of a test clip, for each of the `ORDERS` of its frames.

    Returns:
        By order: the frames ``(10, 3, H, W)`` in that order, and for each model probabilities ``(10, K)``, or ``(K,)``
        for Average, which has no steps.
    """
    test, read = study.codes().test, {}
    readers = {TITLES[model]: study.readers(model)[0].eval() for model in RECURRENT}
    average = study.readers("average")[0].eval()
    frames = study.clips.test[index].frames(test.indices[index])
    for label, order in ORDERS.items():
        codes = test.codes[index, order][None].to(study.torch_device)  # (1, 10, D)
        with torch.no_grad():
            predicted = {TITLES["average"]: average(codes)[0].exp()}  # (K,)
            predicted |= {title: reader.steps(codes)[0].exp() for title, reader in readers.items()}  # (10, K) each
        read[label] = frames[order], predicted
    return read


def in_other_orders(study: FrameRNN) -> dict[str, dict[str, float]]:
    """Percent of test clips that each model classifies correctly when their frames come in another order.

    A clip of a reversed pair that runs backwards counts as correct if it gets the name of its partner.
    """
    models = ("average", *RECURRENT)
    if study.dataset != "world":
        return {TITLES[model]: {"as filmed": study.measure(model)[f"{model}.test"]} for model in models}
    values: dict[str, dict[str, float]] = {TITLES[model]: {} for model in models}
    for family in ("appearance", "reversed"):
        codes = study.codes().test.subset(study.rows_of(study.codes().test, family))
        for order in ("as filmed", "backwards", "shuffled"):
            labels = codes.labels
            if (family, order) == ("reversed", "backwards"):
                pairs, partner = study.labels_of(family).reshape(-1, 2), torch.arange(len(codes.classes))
                partner[pairs] = pairs.flip(1)
                labels = partner[labels]
            for model in models:
                accuracy = study.mean_accuracy(study.readers(model), codes.codes[:, ORDERS[order]], labels)
                values[TITLES[model]][f"{family},<br>{order}"] = accuracy.value
    return values


def telling_cells(study: FrameRNN, first: str, second: str, num_cells: int = 24) -> Tensor:
    """Cells of the LSTM whose contents at the last step differ most between the test clips of two classes.

    Returns:
        ``(num_cells,)`` int64, those with larger contents for the first class first, in descending order.
    """
    test, lstm = study.codes().test, study.readers("lstm")[0].eval()
    with torch.no_grad():
        gates = lstm.directions[0].layers[0].gates(test.codes.to(study.torch_device))
    contents = gates.cell[:, -1].cpu()  # (N, hidden_size)
    means = [contents[test.labels == test.classes.index(name)].mean(dim=0) for name in (first, second)]
    difference = means[0] - means[1]  # (hidden_size,)
    largest = difference.abs().topk(min(num_cells, len(difference))).indices
    return largest[difference[largest].argsort(descending=True)]


def lstm_at_work(study: FrameRNN, index: int, cells: Tensor) -> tuple[Tensor, dict[str, Any]]:
    """What happens in some cells of the LSTM while it reads a test clip.

    Args:
        study: whose LSTM, and whose test clips.
        index: of the clip.
        cells: numbers of cells.

    Returns:
        The ten frames ``(10, 3, H, W)``; and for `labkit.viz.clip_story` the probabilities of the likeliest classes,
        the gates of the first cell, and the contents ``(num_cells, 10)`` of all of them.
    """
    test, lstm = study.codes().test, study.readers("lstm")[0].eval()
    codes = test.codes[[index]].to(study.torch_device)  # (1, 10, D)
    with torch.no_grad():
        probabilities = lstm.steps(codes)[0].exp().cpu()  # (10, K)
        gates = lstm.directions[0].layers[0].gates(codes)  # (1, 10, hidden_size) each
    likeliest = {*probabilities.mean(dim=0).topk(2).indices.tolist(), int(test.labels[index])}
    frames, cell = study.clips.test[index].frames(test.indices[index]), int(cells[0])
    return frames, {
        "probability": {test.classes[label]: probabilities[:, label] for label in sorted(likeliest)},
        f"gates of cell {cell}": {f"{gate} gate": getattr(gates, gate)[0, :, cell].cpu() for gate in GATES},
        "contents of cells": gates.cell[0].cpu()[:, cells].mT.contiguous(),  # (num_cells, 10)
    }


def both_streams(study: FrameRNN, name: str) -> list[Tensor]:
    """Ten frames of a test clip of a class, then their flow as images if it is known: ``(3, H, W)`` each."""
    index = int((study.clips.test.labels == study.clips.test.classes.index(name)).nonzero()[0])
    clip, indices = study.clips.test[index], study.codes().test.indices[index]
    known = study.dataset == "world" or not list(lacking_flow(Path(study.data_root, study.dataset)))
    return [*clip.frames(indices), *(study.flow_images(clip, indices) if known else [])]
