"""One step: what a loss returns, what is kept of an update, and the mode that a model is in meanwhile."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

Loss = Callable[[nn.Module, Any], Tensor | tuple[Tensor, Mapping[str, Any]]]
"""``(model, batch) -> scalar``, or a pair of the scalar and a dict of further numbers to show."""


@dataclass(frozen=True)
class Step:
    """One update: its number from 0, the loss before it, the learning rate (without multipliers), and when it ended.

    ``seconds`` counts the time of training until then, without pauses; it does not count when steps are compared.
    ``shown`` holds the further numbers of the loss, and of ``watch`` if it was called before this update.
    """

    step: int
    loss: float
    lr: float
    seconds: float = field(compare=False)
    shown: dict[str, float] = field(default_factory=dict)


def call_loss(loss: Loss, model: nn.Module, batch: Any) -> tuple[Tensor, dict[str, float]]:
    """The value of a loss, to differentiate, and its further numbers, none if it returns only the value."""
    result = loss(model, batch)
    value, shown = result if isinstance(result, tuple) else (result, {})
    if not (isinstance(value, Tensor) and value.ndim == 0):
        got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(f"loss must return a tensor without dimensions, or it and a dict; got {got}: take the mean")
    return value, {name: float(number) for name, number in shown.items()}


@contextlib.contextmanager
def mode(model: nn.Module, *, training: bool) -> Iterator[None]:
    """Put a model into ``train()`` or ``eval()`` mode; afterwards every module has the mode it had before."""
    modes = {module: module.training for module in model.modules()}
    model.train(training)
    try:
        yield
    finally:
        for module, before in modes.items():
            module.training = before
