import random

import numpy as np
import torch
from torch import nn
from toy_training import ADAM, Blobs, cross_entropy, run

from labkit.training import evaluate


def test_random_generators_are_given_back_as_they_were():
    def states():
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002

    before = states()
    model = nn.Sequential(nn.Linear(6, 3), nn.Dropout(0.5))
    torch.set_rng_state(torch.tensor(before[2], dtype=torch.uint8))
    run(model, ADAM, Blobs(), cross_entropy)
    evaluate(model, [(torch.randn(1, 6, generator=torch.Generator()), torch.tensor(0))], progress=False)
    assert states() == before
