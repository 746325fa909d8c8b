"""Checkpoints: a training saved whole, and resumed only by the same training."""

import hashlib
import os
import pickle
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from labkit.files import written_whole
from labkit.training.recipe import Recipe, callable_name
from labkit.training.step import Loss, Step

_FORMAT = "labkit training 2"
_UNREADABLE = (  # whatever the modules that read a damaged file have been seen to raise
    *(zipfile.BadZipFile, pickle.UnpicklingError, RuntimeError, EOFError, OSError),
    *(AttributeError, LookupError, TypeError, ValueError),
)


class CheckpointError(ValueError):
    """A checkpoint is damaged, belongs to another training or cannot be written; the message says what to do."""


class Checkpoint:
    """The file of a training.

    Args:
        path: of the file; its folder must exist. None: nothing is saved, nothing resumed.
        parts: by name, everything with a state: model, optimiser and so on; None for a part that is not used.
        identity: gives a digest of the training, see `identify`; called immediately, if there is a path.

    Attributes:
        path: absolute, or None.
        steps: number of steps in the file.
    """

    def __init__(
        self, path: str | os.PathLike[str] | None, parts: Mapping[str, Any], identity: Callable[[], str]
    ) -> None:
        self.path = None if path is None else Path(path).absolute()
        self.steps = 0
        self._parts = {name: part for name, part in parts.items() if part is not None}
        if self.path is not None:
            if not self.path.parent.is_dir():
                raise CheckpointError(
                    f"the folder of a checkpoint must exist; got {self.path}: make {self.path.parent}"
                )
            self._identity = identity()

    def load(self) -> list[Step]:
        """Restore all parts from the file, if it exists; the steps that it holds."""
        if self.path is None or not self.path.exists():
            return []
        saved = self._read()
        if saved["identity"] != self._identity:
            raise CheckpointError(
                f"checkpoint must be of this training; got {self.path}, which is of another: continue that one with "
                "the recipe, loss, precision, data and newly built model (with the same seed) that it was started "
                "with; or delete it, or use another file, to start this one from the beginning"
            )
        for name, part in self._parts.items():
            part.load_state_dict(saved[name])
        self.steps = len(saved["history"])
        return [Step(number, *entries) for number, entries in enumerate(saved["history"])]

    def save(self, history: Sequence[Step]) -> None:
        """Write the whole training until now, then put it in place of the older file."""
        if self.path is None:
            return
        state = {
            "format": _FORMAT,
            "identity": self._identity,
            **{name: part.state_dict() for name, part in self._parts.items()},
            "history": [(step.loss, step.lr, step.seconds, step.shown) for step in history],
        }
        try:
            with written_whole(self.path) as file:
                torch.save(state, file)
        except (OSError, RuntimeError) as error:  # torch answers the OSError of a full disk with a RuntimeError
            reason = error if isinstance(error, OSError) else error.__context__
            if not isinstance(reason, OSError):
                raise
            raise CheckpointError(f"{self.path} cannot be written ({reason}): is there space?") from error
        self.steps = len(history)

    def _read(self) -> dict[str, Any]:
        assert self.path is not None
        try:
            with zipfile.ZipFile(self.path) as archive:  # torch writes checksums, but does not look at them
                if damaged := archive.testzip():
                    raise zipfile.BadZipFile(f"the checksum of {damaged} is wrong")
            saved = torch.load(self.path, map_location="cpu", weights_only=True)
            if saved["format"] != _FORMAT:
                raise KeyError(f"format {saved['format']}")
            return saved
        except _UNREADABLE as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise CheckpointError(
                f"{self.path} must be a complete checkpoint of fit; it is damaged or something else ({reason}): delete "
                "it to start from the beginning"
            ) from error


def identify(
    model: nn.Module, optimizer: torch.optim.Optimizer, recipe: Recipe, data: Any, loss: Loss, precision: str
) -> str:
    """A digest of what decides how a training runs: recipe, loss, precision, size of the data, initial weights.

    Data and loss are known by size and name only: two sets of the same size give the same digest.
    """
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = [
        {**group, "params": [names.get(id(parameter), "?") for parameter in group["params"]]}
        for group in optimizer.param_groups
    ]
    factors = [recipe.factor(step) for step in np.linspace(0, recipe.steps - 1, 64, dtype=int).tolist()]
    size = len(data) if hasattr(data, "__len__") else None
    digest = hashlib.sha256(repr((str(recipe), groups, factors, callable_name(loss), precision, size)).encode())
    _add_weights(digest, model)
    return digest.hexdigest()


def weights_digest(model: nn.Module) -> str:
    """A digest of all weights of a model, on whichever device."""
    digest = hashlib.sha256()
    _add_weights(digest, model)
    return digest.hexdigest()


def _add_weights(digest: Any, model: nn.Module) -> None:
    for name, tensor in model.state_dict().items():
        digest.update(repr((name, tuple(tensor.shape), tensor.dtype)).encode())
        digest.update(_bytes(tensor))


def _bytes(tensor: Tensor) -> memoryview:
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
