import math

import pytest
import torch
from torch import nn
from toy_training import cross_entropy, network, same

from labkit.training import overfit_one_batch


def one_batch(count=8):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, 6, generator=generator), torch.arange(count) % 3


def test_a_sound_model_memorises_one_batch_and_stays_as_it_was():
    model = network()
    result = overfit_one_batch(model, cross_entropy, one_batch(), steps=400)
    assert result.last <= 0.1 * result.first
    assert 0 < result.steps <= 400
    assert result.shown == {"accuracy": 1.0}
    assert same(model, network())
    assert model.training


def test_a_model_that_cannot_learn_says_why():
    class Cut(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = nn.Linear(6, 4), nn.Linear(4, 3)

        def forward(self, points):
            return self.head(self.body(points).detach() * 0)

    with pytest.raises(
        RuntimeError, match=r"must memorise one batch.* no gradient ever reached body.weight, body.bias, head."
    ):
        overfit_one_batch(Cut(), cross_entropy, one_batch(), steps=20)
    points = torch.ones(8, 6)  # the same sample with different labels
    with pytest.raises(RuntimeError, match=r"the loss went from 1\.\d+ to 1\.\d+ in 30.*: check that the labels"):
        overfit_one_batch(network(), cross_entropy, (points, torch.arange(8) % 3), steps=30)
    with pytest.raises(RuntimeError, match="to nan in 0"):
        overfit_one_batch(network(), lambda model, points: model(points).mean(), points * math.nan)
    with pytest.raises(RuntimeError, match="must have parameters to train"):
        overfit_one_batch(network().requires_grad_(False), cross_entropy, one_batch())
