"""Clips whose flow is estimated from their frames as it is asked for, by an estimator of `labkit.flow`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor

from labkit.clips import Clip, Clips, Indices, Subset, require_indices
from labkit.flow import dis

Estimator = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class EstimatedClip:
    """A clip as it is, but for its flow: that is what an estimator makes of each two neighbouring frames.

    Attributes:
        clip: the clip; its own flow is not used.
        estimate: ``(first, second) -> flow`` for frames ``(T, 3, H, W)``, such as `labkit.flow.dis`.
        keep: whether all fields are estimated the first time, and kept; if not, a field is whenever it is asked for.
    """

    clip: Clip
    estimate: Estimator = dis
    keep: bool = True
    _kept: dict[bool, Tensor] = field(default_factory=dict, repr=False, compare=False)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what pickle and copy ask for before there is a clip
            raise AttributeError(name)
        return getattr(self.clip, name)

    def flow(self, indices: Indices, *, backward: bool = False) -> Tensor:
        """Estimated flow from the frames asked to the frame after each, or before it: (T, 2, H, W) float32.

        It is rounded to half precision, in which it is kept.
        """
        last = self.clip.num_frames - 1
        start = require_indices(indices, int(backward), last - int(not backward), self.clip.name)
        if not self.keep:
            others = [index + (-1 if backward else 1) for index in start]
            return self.estimate(self.clip.frames(start), self.clip.frames(others)).half().float()
        if backward not in self._kept:
            frames = self.clip.frames(range(last + 1))
            ahead = self.estimate(frames[1:], frames[:-1]) if backward else self.estimate(frames[:-1], frames[1:])
            self._kept[backward] = ahead.half()  # (last, 2, H, W)
        return self._kept[backward][torch.tensor(start, dtype=torch.int64) - int(backward)].float()


class Estimated(Subset):
    """A set of clips with estimated flow: the same clips, labels and groups.

    Args:
        clips: the set.
        estimate: see `EstimatedClip`.
        keep: see there; of long clips what is kept takes gigabytes.
    """

    def __init__(self, clips: Clips, estimate: Estimator = dis, *, keep: bool = True) -> None:
        super().__init__(clips, range(len(clips)))
        self.estimate, self.keep = estimate, keep
        self._kept: dict[int, EstimatedClip] = {}

    def __getitem__(self, index: int) -> Clip:
        """The clip at an index from 0."""
        if not self.keep:
            return cast(Clip, EstimatedClip(super().__getitem__(index), self.estimate, keep=False))
        if index not in self._kept:
            self._kept[index] = EstimatedClip(super().__getitem__(index), self.estimate)
        return cast(Clip, self._kept[index])
