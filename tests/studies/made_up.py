"""A study of made-up points, small enough to be killed and started again many times within a test."""

import sys
import time
from typing import ClassVar, NamedTuple

import torch
from torch import nn
from torch.utils.data import TensorDataset

from labkit.losses import classification_loss
from labkit.studies import command
from labkit.studies.rows import Measure, row
from labkit.studies.study import Study
from labkit.training import Recipe


class Scale(NamedTuple):
    points: int
    steps: int


class Slow(TensorDataset):
    """Points that take some time to load, so that a kill falls into a training."""

    def __getitem__(self, index):
        time.sleep(0.0005)
        return super().__getitem__(index)


class Parts(list):
    num_lacking = 0


class MadeUp(Study):
    """Two linear classifiers of points, one of which continues where the other has stopped."""

    paper = "two_stream"
    version = 1
    networks = ("linear",)
    scales: ClassVar = {"smoke": Scale(40, 30), "study": Scale(40, 60)}

    @property
    def points(self):
        generator = torch.Generator().manual_seed(self.seed)
        points = torch.randn(self.scale.points, 5, generator=generator)
        return Slow(points, (points.sum(dim=1) > 0).long())

    def clips_of(self, metric):
        return [Parts(range(30))], [Parts(range(10))]

    def linear(self, lr=0.1):
        network = self.initialised(lambda: nn.Sequential(nn.Linear(5, 8), nn.Dropout(0.2), nn.Linear(8, 2)))
        recipe = Recipe(torch.optim.SGD, {"lr": lr}, steps=self.scale.steps, batch=8, seed=self.seed)
        return self.train(f"linear.{lr}", network, classification_loss, self.points, recipe)

    @row("temporal.l1", needs=["linear.0.1"], lr=0.1)
    @row("temporal.l5", needs=["linear.0.5"], lr=0.5)
    def one_network(self, lr):
        points, labels = self.points.tensors
        return self.accuracy(self.linear(lr).eval()(points).softmax(dim=1), labels)

    @row("filters", metrics=["filters.spatial", "filters.temporal"], needs=["linear.0.1", "linear.0.5"])
    def both_networks(self):
        return {
            f"filters.{name}": Measure(self.linear(lr)[0].weight.double().sum().item())
            for name, lr in (("spatial", 0.1), ("temporal", 0.5))
        }


def run(out):
    """Run all rows in a process of their own, and write their records below a folder."""
    torch.set_num_threads(1)
    command.study_of = lambda number: MadeUp
    sys.exit(command.run("02", [], [1001, 1002], [], profile="smoke", out=out))
