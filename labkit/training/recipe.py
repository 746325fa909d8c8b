"""What a paper's training section says, as data, and the optimiser that follows from it."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from labkit import checks


@dataclass(frozen=True)
class Recipe:
    """How to train, as a paper states it. Print it to read it.

    Attributes:
        optimizer: builds the optimiser from parameter groups, e.g. ``torch.optim.SGD``.
        options: for the optimiser, e.g. ``{"lr": 1e-2, "momentum": 0.9}``.
        steps: number of updates, from 0 to ``steps - 1``.
        batch: samples per update, over all GPUs together.
        schedule: ``{step: lr}``, the learning rate from that step on, or ``step -> factor`` on ``options["lr"]``.
            Counted in steps, never in epochs. Constant if None.
        groups: ``{part: multiplier}``, e.g. ``{"features": 0.1, "classifier.6": 10}``: multiplies the learning rate of
            a part of the model (the longest matching name counts) and leaves that of all others. Parameters without
            ``requires_grad`` are frozen.
        clip_norm: the largest norm of all gradients together; longer ones are shortened to it. None: no clipping.
        seed: of the order of samples, of augmentation and of dropout.

    Raises:
        ValueError: a number is out of range, or a milestone lies outside of the training.
        TypeError: the optimiser is not callable.
    """

    optimizer: Callable[..., torch.optim.Optimizer]
    options: Mapping[str, Any]
    steps: int
    batch: int
    schedule: Mapping[int, float] | Callable[[int], float] | None = None
    groups: Mapping[str, float] | None = None
    clip_norm: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not callable(self.optimizer):
            raise TypeError(f"optimizer must be a callable such as torch.optim.SGD; got {self.optimizer!r}")
        for name in ("steps", "batch"):
            if not (isinstance(value := getattr(self, name), int) and value > 0):
                raise ValueError(f"{name} must be a whole number greater than 0; got {value!r}")
        if not (isinstance(self.seed, int) and self.seed >= 0):
            raise ValueError(f"seed must be a whole number, 0 or more; got {self.seed!r}")
        if self.clip_norm is not None:
            checks.require_positive(self.clip_norm, "clip_norm", "None for no clipping")
        if isinstance(self.schedule, Mapping):
            checks.require_positive(self.options.get("lr", 0), "options['lr']", "milestones start from it")
            if wrong := [step for step in self.schedule if not 0 < step < self.steps]:
                raise ValueError(f"milestones must lie within 1 to {self.steps - 1}, the steps; got {wrong[0]}")
            if bad := [lr for lr in self.schedule.values() if not (np.isfinite(lr) and lr >= 0)]:
                raise ValueError(f"rates of milestones must be finite, 0 or more; got {bad[0]}")
        for part, multiplier in (self.groups or {}).items():
            checks.require_positive(multiplier, f"the multiplier of {part!r}", "freeze with requires_grad_(False)")

    def factor(self, step: int) -> float:
        """What the learning rates of all groups are multiplied by at a step, counted from 0."""
        if self.schedule is None:
            return 1.0
        if isinstance(self.schedule, Mapping):
            passed = [milestone for milestone in self.schedule if milestone <= step]
            return self.schedule[max(passed)] / self.options["lr"] if passed else 1.0
        factor = float(self.schedule(step))
        if not (np.isfinite(factor) and factor >= 0):
            raise ValueError(f"schedule must give finite factors, 0 or more; got {factor} at step {step}")
        return factor

    def __str__(self) -> str:
        options = ", ".join(f"{name}={value}" for name, value in self.options.items())
        optimizer = f"{callable_name(self.optimizer)}({options})"
        lines = [f"{optimizer}, {self.steps} steps of {self.batch} samples, seed {self.seed}"]
        if isinstance(self.schedule, Mapping):
            lines += ["lr " + ", ".join(f"{lr:g} from step {step}" for step, lr in sorted(self.schedule.items()))]
        elif self.schedule is not None:
            lines += [f"lr times {callable_name(self.schedule)}"]
        if self.groups is not None:
            lines += ["lr of " + ", ".join(f"{part} x {multiplier:g}" for part, multiplier in self.groups.items())]
        if self.clip_norm is not None:
            lines += [f"gradients clipped to norm {self.clip_norm:g}"]
        return "\n".join(lines)


def build_optimizer(recipe: Recipe, model: nn.Module) -> torch.optim.Optimizer:
    """The optimiser of all parameters that require gradients, with the learning rates of the recipe's groups.

    Raises:
        ValueError: nothing to train, or a group without parameters.
    """
    parameters = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    if not parameters:
        raise ValueError("model must have parameters to train; got none with requires_grad: unfreeze some")
    multipliers = {"": 1.0, **(recipe.groups or {})}
    members: dict[str, list[nn.Parameter]] = {part: [] for part in multipliers}
    for name, parameter in parameters.items():
        members[max((part for part in members if _belongs(name, part)), key=len)].append(parameter)
    if empty := [part for part in members if part and not members[part]]:
        raise ValueError(
            f"groups must name parts with parameters to train; got {empty[0]!r}, which has none: parts are "
            f"{', '.join(dict(model.named_children()))}"
        )
    parts = [part for part in members if members[part]]
    optimizer = recipe.optimizer([{"params": members[part]} for part in parts], **recipe.options)
    for part, group in zip(parts, optimizer.param_groups, strict=True):
        group["lr"] *= multipliers[part]
    return optimizer


def callable_name(function: Any) -> str:
    """How to print a callable: by its name, a partial with its keywords, never with an address in memory."""
    if isinstance(function, functools.partial):
        keywords = ", ".join(f"{name}={value}" for name, value in function.keywords.items())
        return f"{callable_name(function.func)}({keywords})"
    return getattr(function, "__name__", None) or repr(function).partition(" at 0x")[0].lstrip("<")


def _belongs(name: str, part: str) -> bool:
    return part == "" or name == part or name.startswith(f"{part}.")
