"""Real flow pairs: two frames and the true flow between them, with the interface of `labkit.world.FlowPairs`.

A pair is a clip of two frames. What the truth says of a pixel comes in three layers, in the world as here::

    pair.flow([0])      (1, 2, H, W) float32: where it goes; NaN where the file says that it is not known
    pair.valid([0])     (1, H, W) bool: whether its flow counts; False where it is NaN or marked as invalid
    pair.occluded([0])  (1, H, W) bool: whether it is hidden or out of sight in the second frame, where masks tell

so an error is measured, on pairs of any set, as ``metrics.end_point_error(flow, pair.flow([0]), pair.valid([0]))``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from PIL import Image
from torch import Tensor

from labkit.clips import Clips, Indices, require_indices
from labkit.data.jobs import Record, read_manifest, run_jobs
from labkit.data.photos import read_photo
from labkit.data.videos import require_there
from labkit.flow.store import FlowFileError, read_flo
from labkit.flow.warp import pixel_grid

INDEX = "pairs.jsonl"


@dataclass(frozen=True)
class RealPair:
    """Files of a pair as a `labkit.clips.Clip` of two frames, read when they are asked.

    Attributes:
        group: pairs of one group show one scene.
        images: the two frames.
        truth: the flow from the first to the second, ``.flo``; None where its makers keep it.
        hidden: an image that is white where the second frame hides what the first shows; None where there is none.
        invalid: an image that is white where the flow does not count; None where it counts everywhere.
        scene: where it is.
        label: 0, as of all pairs.
    """

    name: str
    group: int
    images: tuple[Path, Path]
    truth: Path | None
    hidden: Path | None = None
    invalid: Path | None = None
    scene: str = ""
    label: int = 0
    labels: tuple[int, ...] = (0,)
    num_frames: int = 2
    fps: float = math.nan
    times: ClassVar[None] = None

    @property
    def files(self) -> list[Path]:
        """All its files."""
        return [path for path in (*self.images, self.truth, self.hidden, self.invalid) if path]

    def frames(self, indices: Indices) -> Tensor:
        """(T, 3, H, W) uint8 RGB, as `labkit.clips.Clip.frames`.

        Raises:
            PhotoError: an image is damaged.
            ValueError: it has another size than the first one.
        """
        wanted = require_indices(indices, 0, 1, self.name, "a pair has two frames")
        if not wanted:
            return torch.empty(0, 3, *self._size, dtype=torch.uint8)
        read = {index: self._picture(self.images[index]) for index in {*wanted}}
        return torch.stack([read[index] for index in wanted])  # (T, 3, H, W)

    def flow(self, indices: Indices, *, backward: bool = False) -> Tensor:
        """True flow from the first frame to the second, as often as index 0 is asked.

        Returns:
            (T, 2, H, W) float32, (dx, dy) in pixels per frame; NaN where it is not known, see `valid`.

        Raises:
            FileNotFoundError: there is none, as of the second frame back to the first.
            FlowFileError: the file is damaged, or of another size than the frames.
        """
        first = int(backward)
        wanted = require_indices(
            indices, first, first, self.name, "the flow of a pair leads from one frame to the other"
        )
        if self.truth is None or backward:
            raise FileNotFoundError(
                f"{self.name}: expected its {'backward ' * backward}flow; got none, its makers have not published it: "
                "estimate it, e.g. with labkit.flow.tvl1"
            )
        return self._truth(self.truth)[None][[0] * len(wanted)]  # (T, 2, H, W)

    def valid(self, indices: Indices) -> Tensor:
        """Pixels whose flow counts: (T, H, W) bool. Errors are those of `flow`, and of reading the mask."""
        known = torch.isfinite(self.flow(indices)).all(dim=1)  # (T, H, W)
        return known & ~self._mask(self.invalid) if self.invalid else known

    def occluded(self, indices: Indices) -> Tensor:
        """Pixels hidden or out of sight in the second frame: (T, H, W) bool.

        The mask marks what is hidden, the flow tells what leaves the image.

        Errors are those of `flow`, and:

        Raises:
            FileNotFoundError: the set has no such masks.
            PhotoError: the mask is damaged.
            ValueError: it has another size than the frames.
        """
        flow = self.flow(indices)  # (T, 2, H, W)
        if self.hidden is None:
            raise FileNotFoundError(
                f"{self.name}: expected a mask of what is hidden; got none, the set has no such masks: compare forward "
                "and backward flow with labkit.flow.occlusion_mask"
            )
        height, width = self._size
        end = flow + pixel_grid(height, width, flow).T.reshape(2, height, width)  # (T, 2, H, W), where each pixel goes
        limits = torch.tensor([width, height])[:, None, None] - 0.5  # (2, 1, 1)
        return self._mask(self.hidden) | ((end < -0.5) | (end > limits)).any(dim=1)  # (T, H, W)

    @property
    def _size(self) -> tuple[int, int]:
        """Height and width of the first frame, without decoding it."""
        try:
            with Image.open(self.images[0]) as image:
                return image.height, image.width
        except Exception:  # damaged files make Pillow raise nearly anything: read_photo says what is wrong
            _, height, width = read_photo(self.images[0], upright=False).shape
            return height, width

    def _picture(self, path: Path) -> Tensor:
        """An image (3, H, W) of the size of the first one."""
        picture = read_photo(path, upright=False)
        if (size := tuple(picture.shape[1:])) != self._size:
            raise ValueError(
                f"{path}: expected {self._size} pixels, as in {self.images[0]}; got {size}: bring both again"
            )
        return picture

    def _mask(self, path: Path) -> Tensor:
        """A mask (H, W) bool, True where its image is white."""
        return self._picture(path)[0] > 127

    def _truth(self, path: Path) -> Tensor:
        flow = read_flo(path)
        if (size := tuple(flow.shape[1:])) != self._size:
            raise FlowFileError(
                f"{path}: expected flow for the {self._size} pixels of {self.images[0]}; got {size}: bring both again"
            )
        return flow


class RealPairs(Clips):
    """Base of the sets of real flow pairs: `FlyingChairs` and `Sintel`.

    Args:
        title: what errors call the set.
        folder: where all files are.
        pairs: those of the official list, in order.
        missing: "error", or "skip" to take only the pairs that have all their files; see `require_there`, as for
            errors.
        command: what brings the files.

    Attributes:
        names: (N,) the name of each pair.
    """

    classes = ("pair",)

    def __init__(self, title: str, folder: Path, pairs: Sequence[RealPair], missing: str, command: str) -> None:
        listing: dict[Path, set[str]] = {}
        lacking: dict[str, str] = {}
        for pair in pairs:
            for path in pair.files:
                if path.parent not in listing:
                    listing[path.parent] = {p.name for p in path.parent.iterdir()} if path.parent.is_dir() else set()
                if path.name not in listing[path.parent]:
                    lacking.setdefault(pair.name, path.relative_to(folder).as_posix())
        require_there(f"{title}: {{}} pairs", len(pairs), [*lacking.values()], folder, missing, command)
        self.num_lacking = len(lacking)
        self.title, self.folder = title, folder
        self.pairs = [pair for pair in pairs if pair.name not in lacking]
        self.names = [pair.name for pair in self.pairs]
        self.labels = torch.zeros(len(self.pairs), dtype=torch.int64)
        self.groups = torch.tensor([pair.group for pair in self.pairs])

    def __getitem__(self, index: int) -> RealPair:
        """The pair at an index from 0; IndexError outside."""
        if not 0 <= index < len(self):
            raise IndexError(f"index must lie within 0 to {len(self) - 1}; got {index}: the set is that long")
        return self.pairs[index]


def complete(sets: Sequence[RealPairs], root: Path, *, processes: int = 1) -> dict[str, str]:
    """Read each file of some sets of one folder once, note its size in ``root``, and compare the sizes in a pair.

    Returns:
        For each file that cannot be read, why, and for each pair whose files do not have one size, which.
    """
    folder = sets[0].folder
    for pairs in sets:
        print(f"{pairs.title}: {len(pairs)} pairs")
    files = {
        pair.name: [path.relative_to(folder).as_posix() for path in pair.files]
        for pairs in sets
        for pair in pairs.pairs
    }
    names = sorted({path for paths in files.values() for path in paths})
    errors = run_jobs(_check, names, folder, root / INDEX, {"index": 1}, processes=processes)
    size = {path: (record["height"], record["width"]) for path, record in read_manifest(root / INDEX).items()}
    for pair, paths in files.items():
        sizes = {path: size[path] for path in paths if path in size}
        if len({*sizes.values()}) > 1:
            errors[pair] = f"expected files of one size; got {sizes}"
    return errors


def _check(source: Path, out: Path) -> Record:
    """The job of `complete`."""
    _, height, width = (read_flo(source) if source.suffix == ".flo" else read_photo(source, upright=False)).shape
    return {"height": height, "width": width}
