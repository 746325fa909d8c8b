"""Can a model learn at all? The first thing to know about any model."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from labkit.training.seeding import STEP, preserve_random_state, seed_everything
from labkit.training.step import Loss, call_loss, mode


@dataclass(frozen=True)
class Overfit:
    """The result of `overfit_one_batch`: first and last loss, the steps taken, the last further numbers of the loss."""

    first: float
    last: float
    steps: int
    shown: dict[str, float]


def overfit_one_batch(
    model: nn.Module,
    loss: Loss,
    batch: Any,
    *,
    steps: int = 200,
    fraction: float = 0.1,
    optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.Adam,
    seed: int = 0,
) -> Overfit:
    """Check that a model can memorise one batch.

    A copy is trained, without dropout, whose purpose is to prevent just this; the model stays as it is. A model that
    cannot learn eight samples will not learn a data set: a layer may be cut off from the loss, labels may not belong to
    their samples, a ReLU may come after the last layer, or the learning rate may be far too large or small.

    Args:
        model: on any device, the batch too.
        loss: as for `fit`; at least 0, and 0 for a perfect answer.
        batch: a few samples, all different.
        steps: at most so many updates; fewer if the goal is reached earlier.
        fraction: the goal, as a fraction of the initial loss.
        optimizer: builds the optimiser from the parameters; Adam with its own lr of 1e-3 suits most models.
        seed: of whatever is random in the model.

    Returns:
        First and last loss, the steps taken, and the further numbers of the loss, such as its accuracy.

    Raises:
        RuntimeError: the goal was not reached; names the losses, and the parameters that no gradient reaches.
    """
    student = copy.deepcopy(model)
    for module in student.modules():
        if isinstance(module, nn.Dropout | nn.Dropout1d | nn.Dropout2d | nn.Dropout3d | nn.AlphaDropout):
            module.p = 0.0
    parameters = {name: parameter for name, parameter in student.named_parameters() if parameter.requires_grad}
    if not parameters:
        raise RuntimeError("model must have parameters to train; got none with requires_grad")
    stepper, reached = optimizer(list(parameters.values())), set()
    values: list[float] = []
    with mode(student, training=True), preserve_random_state():
        for step in range(steps + 1):
            seed_everything(seed, STEP, step)
            value, shown = call_loss(loss, student, batch)
            values.append(value.item())
            if values[-1] <= fraction * values[0]:
                return Overfit(values[0], values[-1], step, shown)
            if not np.isfinite(values[-1]):
                break
            stepper.zero_grad()
            value.backward()
            reached |= {name for name, parameter in parameters.items() if _has_gradient(parameter)}
            stepper.step()
    unreached = [name for name in parameters if name not in reached]
    raise RuntimeError(
        f"model must memorise one batch, down to {fraction:g} times the first loss within {steps} steps; the loss went "
        f"from {values[0]:.4g} to {values[-1]:.4g} in {len(values) - 1}"
        + (f"; no gradient ever reached {', '.join(unreached)}" if unreached else "")
        + ": check that the labels belong to the samples, that nothing cuts the gradient, and the learning rate"
    )


def _has_gradient(parameter: nn.Parameter) -> bool:
    return parameter.grad is not None and bool(parameter.grad.any())
