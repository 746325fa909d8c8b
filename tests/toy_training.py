"""A small problem to train on: data, a network, a loss and two recipes, for tests of what trains."""

import functools
import random

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import Dataset

from labkit import metrics
from labkit.training import Recipe, fit


class Blobs(Dataset):
    """Points around one centre a class; augmented by all three random generators."""

    def __init__(self, count=22, classes=3, noise=0.3):
        generator = torch.Generator().manual_seed(0)
        self.labels = torch.arange(count) % classes
        centres = 2 * torch.randn(classes, 6, generator=generator)
        self.points = centres[self.labels] + 0.3 * torch.randn(count, 6, generator=generator)
        self.noise = noise

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        jitter = torch.randn(6) + np.random.rand() + random.random()  # noqa: NPY002
        return self.points[index] + self.noise * jitter, self.labels[index]


class Numbers(Dataset):
    """Sample i is i."""

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return index


def network(seed=0, classes=3):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, classes))


def cross_entropy(model, batch):
    points, labels = batch
    logits = model(points)
    return F.cross_entropy(logits, labels), {"accuracy": metrics.accuracy(logits, labels)}


SGD = Recipe(
    torch.optim.SGD,
    {"lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4},
    steps=12,
    batch=5,
    schedule={6: 0.01, 9: 0.001},
    groups={"0": 0.5},
    clip_norm=1.0,
    seed=3,
)


def halving(step):
    return 0.5 ** (step / 4)


ADAM = Recipe(torch.optim.Adam, {"lr": 0.01}, steps=12, batch=8, schedule=halving, seed=4)


run = functools.partial(fit, device="cpu", progress=False)


def same(first, second):
    first, second = first.state_dict(), second.state_dict()
    return all(torch.equal(first[name], second[name]) for name in first | second)


def stop_at(step):
    """The loss, which fails like a power cut when it is called for this step of this process."""
    calls = iter(range(step + 1))

    def cross_entropy_(model, batch):
        if next(calls) == step:
            raise KeyboardInterrupt
        return cross_entropy(model, batch)

    cross_entropy_.__name__ = "cross_entropy"  # it is the same run
    return cross_entropy_
