"""Culprits that are planted in a network, to see whether negative back-dropout finds them: a positive control.

Neurons of fc7 get large weights to classes that they have nothing to do with. If the method does what it says, it names
these neurons, and dropping them repairs the network.
"""

import copy
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from labkit import metrics
from labkit.backbones.cnn_m import CNNM
from labkit.papers.back_dropout import PenaltySet, Units, drop, negative_back_dropout, random_units


class Activations(NamedTuple):
    """Activations of the last two layers of neurons ``(N, 2048)`` and ``(N, 4096)`` to N images, and their labels."""

    fc7: Tensor
    fc6: Tensor
    labels: Tensor


class Planted(NamedTuple):
    """What became of a network with culprits.

    Attributes:
        accuracy: percent of images classified correctly, by what was dropped.
        found: percent of the culprits that were dropped, in the same way.
    """

    accuracy: dict[str, float]
    found: dict[str, float]


RATIO = 0.1  # fraction of the neurons that are culprits, and fraction that is dropped
NUM_RANDOM = 5  # random choices of neurons, over which the mean is taken


@torch.no_grad()
def plant(network: CNNM, strength: float, generator: Generator) -> tuple[CNNM, Tensor]:
    """A copy of a network in which neurons of fc7, at random, speak for classes that have nothing to do with them.

    Args:
        network: is not changed.
        strength: of the weight from each of them to a random class, in units of the largest weight that is there.
        generator: of neurons and classes.

    Returns:
        The copy, and the numbers ``(n,)`` of these neurons.
    """
    planted = copy.deepcopy(network)
    num_classes, neurons = planted.classifier.weight.shape
    culprits = torch.randperm(neurons, generator=generator)[: round(RATIO * neurons)]
    classes = torch.randint(num_classes, (len(culprits),), generator=generator)
    if strength > 0:
        planted.classifier.weight[classes, culprits] = strength * planted.classifier.weight.abs().max()
    return planted, culprits


def search_culprits(network: CNNM, known: Activations, test: Activations, strength: float, *, seed: int) -> Planted:
    """Plant culprits, and let negative back-dropout look for them in fc7; nothing is trained.

    Args:
        network: trained, without culprits.
        known: of images whose mistakes make the penalty set.
        test: of other images, on which accuracy is measured.
        strength: of the culprits, see `plant`.
        seed: of the culprits and of random neurons.
    """
    generator = torch.Generator().manual_seed(seed)
    planted, culprits = plant(network, strength, generator)
    penalty = mistakes(planted, known)
    by_weight = negative_back_dropout(planted, penalty, ("fc7",), RATIO)
    choices: Mapping[str, list[Units]] = {
        "nothing": [{}],
        "by weight": [by_weight],
        "by contribution": [negative_back_dropout(planted, penalty, ("fc7",), RATIO, by="contribution")],
        "at random": [random_units(planted, by_weight, generator) for _ in range(NUM_RANDOM)],
        "the culprits": [{"fc7": culprits}],
    }
    accuracy, found = {}, {}
    for name, several in choices.items():
        dropped = [units.get("fc7", culprits[:0]) for units in several]
        accuracy[name] = _mean([_accuracy(drop(copy.deepcopy(planted), units), test) for units in several])
        found[name] = _mean([100 * torch.isin(culprits, units).double().mean().item() for units in dropped])
    return Planted(accuracy, found)


@torch.no_grad()
def mistakes(network: CNNM, images: Activations) -> PenaltySet:
    """The penalty set of images that a network with another classifier sees through the same neurons.

    Raises:
        ValueError: there is none that it gets wrong.
    """
    certainty, predicted = network.classifier(images.fc7).softmax(1).max(1)  # (N,) each
    wrong = (predicted != images.labels).nonzero().flatten()  # (P,)
    if not len(wrong):
        raise ValueError("a penalty set needs misclassified images; got none: take more images")
    parts = (images.labels, predicted, certainty, images.fc7, images.fc6)
    return PenaltySet(wrong, torch.zeros_like(wrong), *(part[wrong] for part in parts))


@torch.no_grad()
def _accuracy(network: CNNM, images: Activations) -> float:
    """In percent. Whatever a dropped neuron gives, its weights to the classes are zero."""
    return 100 * metrics.accuracy(network.classifier(images.fc7), images.labels)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
