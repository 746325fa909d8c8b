"""Families of the world's eighteen actions: what tells the classes of each apart."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from labkit.clips import Clips

FAMILIES: Mapping[str, tuple[str, ...]] = {
    "appearance": ("hammer", "chop", "guitar", "broom", "ski", "skateboard"),
    "motion": ("wave", "clap", "jump", "squat", "walk_left", "walk_right"),
    "reversed": ("sit_down", "stand_up", "open_arms", "close_arms", "pick_up", "put_down"),
}
"""Actions of the world: told by a single frame, by motion alone, or by the order of the frames alone (in pairs)."""


def labels_of(family: str, classes: Sequence[str]) -> Tensor:
    """Labels ``(6,)`` of the classes of a family, in the order of `FAMILIES`.

    Args:
        family: one of `FAMILIES`.
        classes: names of all classes, in the order of their labels.
    """
    return torch.tensor([classes.index(name) for name in FAMILIES[family]])


def rows_of(clips: Clips, family: str) -> Tensor:
    """Indices ``(n,)`` of the clips whose classes are of a family, as far as the set has its classes."""
    labels = torch.tensor([label for label, name in enumerate(clips.classes) if name in FAMILIES[family]])
    return torch.isin(clips.labels, labels).nonzero().flatten()
