"""What a kept artefact is of, so that it is not taken for something else of the same name.

The name and the version of a study, both given by hand, decide what is read from the disk. A forgotten argument in a
name, or a change of the code without a higher version, would go unnoticed; so an artefact notes a few facts that cost
nothing to find out, and they are compared whenever it is asked for. Neither initial weights nor the contents of the
data are among them.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from torch import nn

from labkit.training import Recipe, weights_digest
from labkit.training.recipe import callable_name

Facts = Mapping[str, str]


def facts_of_training(model: nn.Module, loss: Any, data: Any, recipe: Recipe) -> Facts:
    """Network, loss, size of the data, and each part of the recipe."""
    shapes = [(name, tuple(value.shape), value.requires_grad) for name, value in model.named_parameters()]
    dropout = [module.p for module in model.modules() if isinstance(module, nn.modules.dropout._DropoutNd)]
    digest = hashlib.sha256(repr((shapes, dropout)).encode()).hexdigest()[:8]
    parts = {field.name: _as_text(getattr(recipe, field.name)) for field in fields(recipe)}
    return {"network": f"{type(model).__name__} {digest}", "loss": callable_name(loss), **_size(data), **parts}


def facts_of_scores(model: nn.Module, data: Any) -> Facts:
    """Weights of the network, and size of the data."""
    return {"weights": weights_digest(model)[:16], **_size(data)}


def require_same(what: str, kept: Facts, asked: Facts) -> None:
    """Raise a ValueError unless an artefact is of what is asked for; facts that it has not noted are not compared.

    Args:
        what: the artefact.
        kept: its facts.
        asked: the facts of what is asked for.
    """
    for name in kept.keys() & asked.keys():
        if kept[name] != asked[name]:
            raise ValueError(
                f"{what} must be of what is asked for; its {name} was {kept[name]}, and {asked[name]} is asked for: "
                "everything that tells one from another must be in its name; after a change of the code raise the "
                "version of the study, or delete the file"
            )


def _size(data: Any) -> Facts:
    return {"number of samples": str(len(data))} if hasattr(data, "__len__") else {}


def _as_text(value: Any) -> str:
    if isinstance(value, Mapping):
        return repr(dict(sorted(value.items())))
    return callable_name(value) if callable(value) else repr(value)
