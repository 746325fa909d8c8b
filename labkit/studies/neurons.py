"""What the lesson shows of the networks of `labkit.studies.back_dropout`: what their neurons do, and whose gain it is.

Every function that takes the study trains what it needs and the study has not trained yet.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from labkit import metrics
from labkit.backbones.cnn_m import CNNM
from labkit.papers.back_dropout import LAYERS, Units, drop, frame_view, walk_back
from labkit.studies.back_dropout import BackDropout
from labkit.studies.gains import paired_gain

PARTS: Mapping[str, tuple[str, str]] = {
    "learning for longer": ("fine-tuned", "continued"),
    "some neurons fewer": ("continued", "at random"),
    "these neurons": ("at random", "NB-TL"),
    "all together": ("fine-tuned", "NB-TL"),
}
"""The parts of NB-TL's gain, each with what is compared."""


def relative_change(before: nn.Module, after: nn.Module) -> dict[str, Tensor]:
    """How far training has moved each neuron: the length of the change of its incoming weights over their length.

    Args:
        before: the network that training started from.
        after: of the same architecture; a layer with another shape there (the classifier) has nothing to compare.

    Returns:
        For each layer with weights, ``(neurons or filters,)``, at least 0; NaN where there were no weights but zero.
    """
    later, changes = dict(after.named_parameters()), {}
    for name, weight in before.named_parameters():
        if name.endswith(".weight") and later[name].shape == weight.shape:
            old, new = (values.detach().cpu().flatten(1) for values in (weight, later[name]))
            changes[name.removesuffix(".weight")] = (new - old).norm(dim=1) / old.norm(dim=1)
    return changes


@torch.no_grad()
def accuracy_without(network: CNNM, pool5: Tensor, labels: Tensor, units: Units, most: int) -> Tensor:
    """Percent of clips classified correctly while neurons are dropped one by one, and nothing is learned again.

    Args:
        network: on any device.
        pool5: ``(N, V, in_features of fc6)``, what fc6 gets of V views of each clip.
        labels: ``(N,)``, of the clips.
        units: what is dropped, in this order, in each layer at the same time.
        most: number of neurons of each layer that are dropped in the end.

    Returns:
        ``(most + 1,)``: with all neurons, without the first, ...
    """
    views, curve = pool5.flatten(0, 1).to(network.fc6.weight.device), []  # (N * V, in_features)
    for count in range(most + 1):
        cut = drop(copy.deepcopy(network), {layer: chosen[:count] for layer, chosen in units.items()}).eval()
        logits = cut.classifier(cut.relu7(cut.fc7(cut.relu6(cut.fc6(views)))))  # (N * V, K)
        scores = logits.softmax(1).unflatten(0, pool5.shape[:2]).mean(1)  # (N, K)
        curve.append(100 * metrics.accuracy(scores.cpu(), labels))
    return torch.tensor(curve)


def changes(study: BackDropout) -> dict[str, Tensor]:
    """Figure 2: by layer, how far fine-tuning has moved each neuron."""
    return relative_change(study.pre_trained(), study.fine_tuned())


def overlap(study: BackDropout, fraction: float) -> dict[str, str]:
    """By layer, how many of the neurons that the penalty set votes out a part of it votes out as well."""
    whole, part = study.units(), study.units(fraction=fraction)
    return {layer: f"{int(torch.isin(whole[layer], part[layer]).sum())} of {len(whole[layer])}" for layer in LAYERS}


def costs(study: BackDropout, choices: Mapping[str, str], most: int) -> dict[str, Tensor]:
    """Percent of test clips classified correctly as neurons are dropped, with nothing learned again.

    Args:
        study: whose fine-tuned network.
        choices: of neurons, see `BackDropout.units`, by the name under which their curve is returned.
        most: number of neurons of each layer that are dropped in the end.
    """
    network, test = study.fine_tuned().eval(), study.clips.test
    moments = min(study.scale.moments, 4)  # of so many views of each clip fc6's inputs fit into memory
    with torch.no_grad():
        views = (study.view.test(clip, moments)[0].to(study.torch_device) for clip in test)
        pool5 = torch.stack([network.taps(each)["pool5"].flatten(1) for each in views])  # (N, moments, in_features)
    return {
        name: accuracy_without(network, pool5, test.labels, study.units(choice), most)
        for name, choice in choices.items()
    }


def penalty_images(study: BackDropout, rows: Sequence[int]) -> Tensor:
    """Images of the penalty set as the network has seen them, uint8 ``(n, 3, h, w)``."""
    penalty, view, images = study.penalty, study.view, []
    for row in rows:
        clip = study.clips.held_out[int(penalty.clips[row])]
        times = view.sample.test(clip, clip.num_frames, study.scale.penalty_moments)
        images.append(view.pixels(clip, times[penalty.views[row]]))
    return torch.stack(images)


def examples(study: BackDropout, most: int = 12) -> tuple[Tensor, list[str], list[str]]:
    """Images ``(n, 3, h, w)`` of the penalty set, one of each clip, with their classes and the wrong ones."""
    penalty, classes = study.penalty, study.clips.test.classes
    rows = [int((penalty.clips == clip).nonzero()[0]) for clip in penalty.clips.unique()[:most].tolist()]
    own, wrong = ([classes[label] for label in labels[rows].tolist()] for labels in (penalty.labels, penalty.predicted))
    return penalty_images(study, rows), own, wrong


def voting(study: BackDropout, most: int = 60) -> dict[str, Any]:
    """Figure 3: who votes which neurons out, and what that costs; see `labkit.viz.papers.back_dropout.votes`.

    Args:
        study: whose fine-tuned network and penalty set.
        most: votes to step through.
    """
    network, penalty, units = study.fine_tuned(), study.penalty, study.units()
    count = min(*map(len, units.values()), most)
    votes = walk_back(network, penalty, count)
    sizes = {layer: getattr(network, layer).out_features for layer in LAYERS}
    links = {"fc7": votes.link7, "fc6": votes.link6}
    return {
        "images": penalty_images(study, votes.images.tolist()),
        "about": {name: getattr(penalty, name)[votes.images] for name in ("labels", "predicted", "certainty")},
        "neurons": {layer: (getattr(votes, layer), links[layer], sizes[layer]) for layer in LAYERS},
        "costs": costs(study, {"by weight": "weight", "by contribution": "contribution", "at random": "random"}, count),
    }


def gains(study: BackDropout) -> dict[str, tuple[float, float]]:
    """By `PARTS`, the gain of NB-TL in points, and twice its standard error over groups of test clips."""
    test, scores = study.clips.test, study.contenders()
    groups = test.groups if study.dataset == "world" else 1000 * test.labels + test.groups  # (N,)
    right = {name: study.right(of) for name, of in scores.items()}
    errors = {part: paired_gain(right[before], right[after], groups) for part, (before, after) in PARTS.items()}
    return {part: (100 * gain, 200 * error) for part, (gain, error) in errors.items()}


def taken_for(study: BackDropout, name: str) -> dict[str, float]:
    """Percent of the test clips of each action that the network of the source task takes for one of its classes."""
    (network, classes), test = study.source_network, study.clips.test
    views = test.map(lambda clip: frame_view(crop_size=56).test(clip, study.scale.moments))
    predicted = study.scores("scores.test.source", network, views, batch=study.scale.videos).argmax(1)  # (N,)
    taken = (predicted == classes.index(name)).double()  # (N,)
    return {test.classes[k]: 100 * taken[test.labels == k].mean().item() for k in test.labels.unique().tolist()}
