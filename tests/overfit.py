"""Can a model learn at all? If it cannot memorise one batch, something cuts the gradient, or labels are wrong."""

import copy

import torch
from torch import nn

from labkit.training import Step
from labkit.training.step import call_loss


def overfit_one_batch(model, loss, batch, *, steps=200, fraction=0.1, optimizer=torch.optim.Adam):
    """Train a copy without dropout until its loss is a fraction of the first one; the step at which it is."""
    student = copy.deepcopy(model).train()
    for module in student.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    stepper = optimizer([parameter for parameter in student.parameters() if parameter.requires_grad])
    torch.manual_seed(0)
    values = []
    for step in range(steps + 1):
        value, shown = call_loss(loss, student, batch)
        values.append(value.item())
        if values[-1] <= fraction * values[0]:
            return Step(step, values[-1], 0.0, 0.0, shown)
        stepper.zero_grad()
        value.backward()
        stepper.step()
    raise AssertionError(f"the loss went from {values[0]:.4g} to {values[-1]:.4g} in {steps} steps")
