"""What a set of videos is: a puppet clip and a video from the web look the same to a model.

A `Clip` knows what it is (name, label, group) and hands out frames and flow when asked, for the indices asked, so a
model that looks at one frame costs one frame. `Clips` is a map-style data set of them. What a model wants to see of a
clip is a function, handed to `Clips.map`::

    train = Actions(part="train").map(lambda clip: (clip.frames([7])[0], clip.label))
"""

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, cycle
from typing import Any, Protocol

import torch
from torch import Generator, Tensor
from torch.utils.data import Dataset

Indices = Sequence[int] | Tensor


class Clip(Protocol):
    """One video."""

    @property
    def name(self) -> str:
        """Unique in its set."""

    @property
    def label(self) -> int:
        """Index into the classes of its set; of a video with several labels, the first."""

    @property
    def labels(self) -> tuple[int, ...]:
        """All its labels."""

    @property
    def group(self) -> int:
        """Clips of one group share actor and place, and never lie on both sides of a split."""

    @property
    def num_frames(self) -> int:
        """Length in frames."""

    @property
    def fps(self) -> float:
        """Frames per second; their mean where the rate varies."""

    @property
    def times(self) -> tuple[float, ...] | None:
        """When each frame comes on screen, in seconds after the first; None where the rate is constant."""

    def frames(self, indices: Indices) -> Tensor:
        """Frames by index, in the order asked: (T, 3, H, W) uint8 RGB.

        Raises:
            IndexError: an index is not within 0 to ``num_frames - 1``.
        """

    def flow(self, indices: Indices, *, backward: bool = False) -> Tensor:
        """Optical flow from the frames asked to the frame after each, or before it if ``backward``.

        Returns:
            (T, 2, H, W) float32, (dx, dy) in pixels per frame.

        Raises:
            IndexError: a frame is not there, or has no frame after it (before it).
        """


class Clips(Dataset[Clip], ABC):
    """A map-style data set of clips.

    Attributes:
        classes: names of the classes, in the order of their labels.
        labels: (N,) int64, the label of each clip.
        groups: (N,) int64, the group of each clip.
        num_lacking: how many clips its lists name that are not there and were left out.
    """

    classes: tuple[str, ...]
    labels: Tensor
    groups: Tensor
    num_lacking: int = 0

    @abstractmethod
    def __getitem__(self, index: int) -> Clip:
        """The clip at an index from 0; IndexError outside."""

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[Clip]:
        return (self[index] for index in range(len(self)))

    @property
    def multi_hot(self) -> Tensor:
        """(N, classes) bool, all labels of each clip."""
        pairs = [(index, label) for index in range(len(self)) for label in self._all_labels(index)]
        rows, columns = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).T  # (number of labels,) each
        hot = torch.zeros(len(self), len(self.classes), dtype=torch.bool)
        hot[rows, columns] = True
        return hot

    def _all_labels(self, index: int) -> tuple[int, ...]:
        """All labels of a clip without drawing or decoding it; a set of clips with several has its own."""
        return (int(self.labels[index]),)

    def map(self, view: Callable[[Clip], Any]) -> "Mapped":
        """The same clips as a model wants to see them: a data set of ``view(clip)``."""
        return Mapped(self, view)

    def subset(self, indices: Indices) -> "Subset":
        """Some of the clips, in the order asked, e.g. one clip a class."""
        return Subset(self, indices)

    def examples(self, names: Sequence[str]) -> list[int]:
        """A clip of each of some classes, to be shown; where the set lacks one, a clip of some other class.

        Args:
            names: of classes, no name twice; the set need not have them.

        Returns:
            An index for each name. They differ, and so do their classes, as far as the set has clips and classes.
        """
        first: dict[str, int] = {}  # class: the index of its first clip
        for index, label in enumerate(self.labels.tolist()):
            first.setdefault(self.classes[label], index)
        of_others = [index for name, index in first.items() if name not in names]
        shown = {*first.values()}
        rest = [index for index in range(len(self)) if index not in shown]
        stand_ins = chain(of_others, rest, cycle(range(len(self))))
        return [first[name] if name in first else next(stand_ins) for name in names]

    def hold_out(self, share: float, generator: Generator) -> tuple["Subset", "Subset"]:
        """Part the clips at random, whatever their groups: those to learn from, and the share held out.

        Returns:
            The others and the held-out ones, each in the order of the set, at least one clip in each.

        Raises:
            ValueError: a share that is not within 0 to 1, or fewer than two clips.
        """
        if not 0 < share < 1 or len(self) < 2:
            raise ValueError(f"share must lie between 0 and 1, of two clips or more; got {share} of {len(self)} clips")
        order = torch.randperm(len(self), generator=generator)  # (N,)
        count = min(max(round(share * len(self)), 1), len(self) - 1)
        return self.subset(order[count:].sort().values), self.subset(order[:count].sort().values)

    def hold_out_groups(self, fraction: float) -> tuple["Subset", "Subset"]:
        """Part the clips so that no class has clips of one group on both sides: those to learn from, and the held out.

        Each class gives up whole groups of its own, as many as fit into the fraction of its clips, and one at least.
        All classes go through the groups in the same order, those with the highest numbers first. So where every class
        has equally many clips of every group, as in the world, a group lies on one side in all classes. Elsewhere (a
        movie in HMDB51 with two actions) it may lie on one side in one class and on the other in another. A clip with
        several labels counts for its first.

        Args:
            fraction: of the clips of each class, between 0 and 1.

        Returns:
            The others and the held-out ones, each in the order of the set; both have clips of every class that the set
            has clips of.

        Raises:
            ValueError: a fraction that is not within 0 to 1, or a class with clips of one group only, which one side
                would lose.
        """
        if not 0 < fraction < 1:
            raise ValueError(f"fraction must lie between 0 and 1; got {fraction}: 0.2 holds out a fifth")
        held = torch.zeros(len(self), dtype=torch.bool)
        for label in self.labels.unique().tolist():
            own = self.labels == label  # (N,)
            groups, sizes = self.groups[own].unique(return_counts=True)
            if len(groups) < 2:
                raise ValueError(
                    f"every class must have clips of two groups at least, for one is held out; got {int(own.sum())} of "
                    f"one group of {self.classes[label]!r}: take more clips, or hold_out, which does not mind groups"
                )
            size = dict(zip(groups.flip(0).tolist(), sizes.flip(0).tolist(), strict=True))  # the highest first
            room = fraction * int(own.sum()) + 1e-9  # 0.29 * 100 is less than 29
            chosen = []
            for group, clips in size.items():
                if clips <= room:
                    chosen.append(group)
                    room -= clips
            chosen = chosen or [min(size, key=size.__getitem__)]
            held |= own & torch.isin(self.groups, torch.tensor(chosen))
        return self.subset((~held).nonzero().flatten()), self.subset(held.nonzero().flatten())


class Subset(Clips):
    """Some clips of a set."""

    def __init__(self, clips: Clips, indices: Indices) -> None:
        self.clips = clips
        self.indices = require_indices(indices, 0, len(clips) - 1, "a subset", "the set is that long")
        self.classes = clips.classes
        self.labels, self.groups = clips.labels[self.indices], clips.groups[self.indices]
        self.num_lacking = clips.num_lacking

    def __getitem__(self, index: int) -> Clip:
        """The clip at an index from 0 of the subset."""
        if not 0 <= index < len(self):
            raise IndexError(f"index must lie within 0 to {len(self) - 1}; got {index}: the subset is that long")
        return self.clips[self.indices[index]]

    def _all_labels(self, index: int) -> tuple[int, ...]:
        return self.clips._all_labels(self.indices[index])


class Mapped(Dataset[Any]):
    """Clips, each seen through a function; labels, groups and classes stay at hand."""

    def __init__(self, clips: Clips, view: Callable[[Clip], Any]) -> None:
        self.clips, self.view = clips, view
        self.classes, self.labels, self.groups = clips.classes, clips.labels, clips.groups

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> Any:
        """What ``view`` makes of the clip at an index."""
        return self.view(self.clips[index])


def require_indices(indices: Indices, first: int, last: int, name: str, hint: str = "sample fewer frames") -> list[int]:
    """Whole numbers within ``first`` to ``last``, both included, as a list.

    Raises:
        IndexError: one lies outside; the message names it and the range.
        TypeError: indices are not whole numbers.
    """
    if isinstance(indices, Tensor):
        if indices.dtype not in (torch.int64, torch.int32) or indices.ndim != 1:
            raise TypeError(
                f"indices of {name} must be (T,) whole numbers; got {tuple(indices.shape)} {indices.dtype}: a mask "
                f"becomes indices by .nonzero().flatten()"
            )
        indices = indices.tolist()
    try:
        numbers = [operator.index(index) for index in indices]
        if any(isinstance(index, bool) for index in indices):
            raise TypeError("a mask becomes indices by numpy.flatnonzero")
    except TypeError as error:
        raise TypeError(f"indices of {name} must be a list of whole numbers; got {indices!r}: {error}") from error
    if wrong := [number for number in numbers if not first <= number <= last]:
        raise IndexError(f"indices of {name} must lie within {first} to {last}; got {wrong[0]}: {hint}")
    return numbers
