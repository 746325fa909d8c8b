"""FlyingChairs: 22,872 pairs of 384 x 512 pixels, in which chairs fly over photos from Flickr.

Dosovitskiy, Fischer, Ilg, Häusser, Hazırbaş, Golkov, van der Smagt, Cremers and Brox, "FlowNet: Learning optical flow
with convolutional networks", ICCV 2015. Their list sets 640 pairs apart to test.
"""

import shlex
from pathlib import Path
from typing import Literal

from labkit.data.pairs import RealPair, RealPairs
from labkit.data.videos import read_list

PAIRS = 22872
SPLIT = "FlyingChairs_train_val.txt"
_PARTS = {"1": "train", "2": "test"}


class FlyingChairs(RealPairs):
    """One part of FlyingChairs, as `labkit.clips.Clips` with the interface of `labkit.world.FlowPairs`.

    A pair is named as its files are, ``00001`` of ``00001_img1.ppm``, ``00001_img2.ppm`` and ``00001_flow.flo``, and is
    a group of its own. There are no masks: what is hidden has to be guessed.

    Args:
        root: folder of the set, as ``data_scripts/flying_chairs.py`` makes it.
        part: "train" for the 22,232 pairs that the official list has as 1, "test" for the 640 that it has as 2, which
            others call the validation set, or "all".
        missing: "error", or "skip" to take only the pairs that have all their files, with a warning.
        pairs: folder of the pairs, relative to ``root``.

    Raises:
        FileNotFoundError: the list or files are missing; the message names some and has the command.
        ValueError: the list is not as it should be, or an argument is none of its values.
    """

    def __init__(
        self,
        root: str | Path,
        part: Literal["train", "test", "all"] = "train",
        *,
        missing: Literal["error", "skip"] = "error",
        pairs: str = "FlyingChairs_release/data",
    ) -> None:
        if part not in ("train", "test", "all"):
            raise ValueError(f'part must be "train", "test" or "all"; got {part!r}')
        root = Path(root)
        command = f"python data_scripts/flying_chairs.py {shlex.quote(str(root))}"
        marks = read_list(root / SPLIT, "the official list of FlyingChairs", f"run {command}")
        if len(marks) != PAIRS or not {*marks} <= _PARTS.keys():
            raise ValueError(
                f"{root / SPLIT}: expected {PAIRS} lines, each 1 or 2; got {len(marks)}, {sorted({*marks})[:3]} among "
                f"them: run {command}"
            )
        folder = root / pairs
        listed = [
            RealPair(
                f"{number:05}",
                number,
                (folder / f"{number:05}_img1.ppm", folder / f"{number:05}_img2.ppm"),
                folder / f"{number:05}_flow.flo",
            )
            for number, mark in enumerate(marks, start=1)
            if part in ("all", _PARTS[mark])
        ]
        super().__init__(f"FlyingChairs, {part}", folder, listed, missing, command)
