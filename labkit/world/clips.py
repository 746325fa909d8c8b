"""Rendered clips as a data set: kept in memory and on the disk, drawn when first asked for.

Every clip follows from the seed, the name of its set and its own place in it, and from nothing else: not from the
order of access, not from the process that draws it.
"""

import zlib
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from labkit.clips import Clips, Indices, require_indices
from labkit.memory import give_back
from labkit.world.cache import Cache
from labkit.world.render import Rendering

FPS = 12.0
"""Frames per second of the world: its clips are as slow as a flip book."""

MEMORY = 10**9
"""Bytes of clips that a set keeps in memory; what is beyond comes from the disk each time."""


@dataclass(frozen=True)
class PuppetClip:
    """A `labkit.clips.Clip` of the world, which knows more about itself than a real one.

    Attributes:
        name: unique in its set.
        label: index into the classes of its set; of a clip with several labels, the first.
        labels: all its labels.
        group: clips of one group share actor and place.
        rendering: the image and the truth about it.
        scene: where it is.
        fps: frames per second, constant: ``times`` is None.
    """

    name: str
    label: int
    labels: tuple[int, ...]
    group: int
    rendering: Rendering
    scene: str = ""
    fps: float = FPS
    times: ClassVar[None] = None

    @property
    def num_frames(self) -> int:
        """Length in frames."""
        return len(self.rendering.frames)

    def frames(self, indices: Indices) -> Tensor:
        """Frames by index, in the order asked: (T, 3, H, W) uint8 RGB."""
        return self.rendering.frames[self._indices(indices, 0, 0)]

    def flow(self, indices: Indices, *, backward: bool = False) -> Tensor:
        """Exact flow from the frames asked to the frame after each, or before it: (T, 2, H, W) float32."""
        start = self._indices(indices, int(backward), int(not backward))
        return self.rendering.flow(start, [index + (-1 if backward else 1) for index in start])

    def mask(self, indices: Indices, *kinds: str) -> Tensor:
        """Pixels that show a part of these kinds (``"puppet"``, ``"prop"``, ``"scene"``, ...): (T, H, W) bool."""
        return self.rendering.mask(*kinds)[self._indices(indices, 0, 0)]

    def occluded(self, indices: Indices) -> Tensor:
        """Pixels hidden or out of sight in the next frame: (T, H, W) bool."""
        return self.rendering.occluded[self._indices(indices, 0, 1)]

    def valid(self, indices: Indices) -> Tensor:
        """Pixels whose flow is known, here all of them: (T, H, W) bool."""
        return torch.ones_like(self.occluded(indices))

    def _indices(self, indices: Indices, first: int, margin: int) -> list[int]:
        return require_indices(indices, first, self.num_frames - 1 - margin, self.name)


class PuppetClips(Clips):
    """Base of the world's sets: what is drawn once stays in memory, and on the disk for the next time.

    A set says what its clips are (``names``, ``labels``, ``groups``) and how to `draw` one.

    Args:
        name: of the set, for its folder in the cache.
        settings: everything a drawing depends on in addition to its index: names the folder in the cache.

    Attributes:
        names: (N,) the name of each clip.
    """

    names: Sequence[str]

    def __init__(self, name: str, settings: Mapping[str, Any]) -> None:
        self._cache = Cache(name, settings)
        self._memory: dict[int, Rendering] = {}
        self._kept = 0  # bytes in memory

    @abstractmethod
    def draw(self, index: int) -> Rendering:
        """Paint a clip, whatever has been kept."""

    def __getitem__(self, index: int) -> PuppetClip:
        """The clip at an index from 0."""
        if not 0 <= index < len(self):
            raise IndexError(f"index must lie within 0 to {len(self) - 1}; got {index}: the set is that long")
        rendering = self._memory.get(index)
        if rendering is None:
            arrays = self._cache.get(self.names[index], lambda: to_arrays(self.draw(index)))
            rendering = from_arrays(arrays)
            size = rendering.frames.nbytes + rendering.part.nbytes + rendering.occluded.nbytes
            if self._kept + size <= MEMORY:
                self._memory[index], self._kept = rendering, self._kept + size
        return PuppetClip(
            name=self.names[index],
            label=int(self.labels[index]),
            labels=self._all_labels(index),
            group=int(self.groups[index]),
            rendering=rendering,
            scene=self._scene(index),
        )

    def _scene(self, index: int) -> str:
        return ""

    def prepare(self, *, workers: int = 2, progress: bool = True) -> "PuppetClips":
        """Draw whatever is not on the disk yet, in several processes, and read into memory what fits (`MEMORY`).

        Args:
            workers: processes that draw; with 0, or without a cache to share, this one does it.
            progress: whether to show a bar.

        Returns:
            The set itself.
        """
        missing = [i for i, name in enumerate(self.names) if i not in self._memory and name not in self._cache]
        if missing and workers and self._cache.folder is not None:
            loader = DataLoader(_Draw(self), batch_size=8, sampler=missing, num_workers=workers, collate_fn=len)
            bar = tqdm(total=len(missing), desc=f"drawing {type(self).__name__}", unit="clip", disable=not progress)
            with bar:
                for done in loader:
                    bar.update(done)
        for index in tqdm(range(len(self)), desc=f"reading {type(self).__name__}", delay=2, disable=not progress):
            if self._kept + self._kept // max(len(self._memory), 1) > MEMORY:
                break  # the next one would not fit
            self[index]
        if missing:
            give_back()
        return self


class _Draw(torch.utils.data.Dataset[int]):
    """Draws in a worker's process and sends nothing back but the index: the cache carries the rest."""

    def __init__(self, clips: PuppetClips) -> None:
        self.clips = clips

    def __getitem__(self, index: int) -> int:
        self.clips[index]
        self.clips._memory.clear()
        self.clips._kept = 0
        return index


def generator(*what: int | str) -> np.random.Generator:
    """Random numbers that follow from what they are for, and from nothing else."""
    return np.random.default_rng([zlib.crc32(w.encode()) if isinstance(w, str) else w for w in what])


def whole_number(value: Any, least: int, name: str) -> int:
    """A setting as int; ``ValueError`` if it is no whole number, or less than ``least``."""
    if not isinstance(value, Integral) or int(value) < least:
        raise ValueError(f"{name} must be a whole number, {least} or more; got {value!r}")
    return int(value)


def split_groups(groups: int, split: int, part: str, test_groups: int = 0) -> list[int]:
    """Groups, counted from 1, of one side of an official split: a third tests, the others train.

    Args:
        groups: how many there are, at least 3.
        split: 1, 2 or 3; each group is in the test part of exactly one.
        part: ``"train"``, ``"test"`` or ``"all"``.
        test_groups: further ones, numbered after these, that test in every split.
    """
    whole_number(groups, 3, "groups")
    further = range(groups + 1, groups + whole_number(test_groups, 0, "test_groups") + 1)
    if split not in (1, 2, 3) or part not in ("train", "test", "all"):
        raise ValueError(f'split must be 1, 2 or 3 and part "train", "test" or "all"; got {split!r} and {part!r}')
    test = {*range((split - 1) * groups // 3 + 1, split * groups // 3 + 1), *further}
    every = (*range(1, groups + 1), *further)
    return [group for group in every if part == "all" or (group in test) == (part == "test")]


def to_arrays(rendering: Rendering) -> dict[str, np.ndarray]:
    """A rendering as arrays for the disk: about 4 bytes a pixel."""
    return {
        "frames": rendering.frames.numpy(),
        "part": rendering.part.numpy(),
        "occluded": np.packbits(rendering.occluded.numpy(), axis=None),
        "poses": rendering.poses.numpy(),
        "names": _to_bytes(rendering.names),
        "kinds": _to_bytes(rendering.kinds),
    }


def from_arrays(arrays: Mapping[str, np.ndarray]) -> Rendering:
    """What `to_arrays` made, as a rendering again."""
    frames, part = torch.from_numpy(arrays["frames"]), torch.from_numpy(arrays["part"])
    shape = (max(len(part) - 1, 0), *part.shape[1:])
    bits = np.unpackbits(arrays["occluded"], count=int(np.prod(shape))).astype(bool)
    return Rendering(
        frames=frames,
        part=part,
        occluded=torch.from_numpy(bits.reshape(shape)),
        poses=torch.from_numpy(arrays["poses"]),
        names=_from_bytes(arrays["names"]),
        kinds=_from_bytes(arrays["kinds"]),
    )


def _to_bytes(words: Sequence[str]) -> np.ndarray:
    return np.frombuffer("\n".join(words).encode(), np.uint8)


def _from_bytes(array: np.ndarray) -> tuple[str, ...]:
    return tuple(array.tobytes().decode().split("\n"))
