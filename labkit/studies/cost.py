"""What a network costs: parameters, layers that run, time beside another network."""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

from torch import nn


def count_parameters(module: nn.Module) -> int:
    """How many values all parameters have."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_calls(module: nn.Module, run: Callable[[], Any]) -> int:
    """How many layers of a module run while ``run`` does, such as ``lambda: model(clips)``."""
    calls: list[nn.Module] = []
    layers = [layer for layer in module.modules() if not [*layer.children()]]
    hooks = [layer.register_forward_hook(lambda layer, inputs, output: calls.append(layer)) for layer in layers]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    return len(calls)


def time_ratio(run: Callable[[], Any], other: Callable[[], Any], rounds: int = 15) -> float:
    """How much longer one takes than the other: the median over rounds, in which they take turns."""
    return median(_seconds(run) / _seconds(other) for _ in range(rounds))


def _seconds(run: Callable[[], Any]) -> float:
    """Time of one run, the median of three."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return median(times)
