"""TV Human Interactions: 300 clips from 23 television shows; hand shakes, high fives, hugs and kisses, 50 of each.

Patron-Perez, Marszalek, Reid and Zisserman, "Structured learning of human interactions in TV shows", PAMI 2012. The
other hundred show none of these and belong to no part here, as in Li et al., "Attention transfer from web images for
video recognition", ACM Multimedia 2017, section 4.1.1. The official split takes half of each class to train. Clips are
named ``handShake_0001.avi`` and so on.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from labkit.data.supplied import Labels, SuppliedVideos

CLASSES = ("handshake", "high_five", "hug", "kiss")
"""As the classes of `labkit.world.Interactions`, and in their order."""

CLIPS = 50  # of each class, numbered from 1

# The numbers that train, by the beginning of the names: the page of the set has them; the others test.
_TRAIN = {
    "handShake": "2 14 15 16 18 19 20 21 24 25 26 27 28 32 40 41 42 43 44 45 46 47 48 49 50",
    "highFive": "1 6 7 8 9 10 11 12 13 23 24 25 27 28 29 30 31 32 33 34 35 44 45 47 48",
    "hug": "2 3 4 11 12 15 16 17 18 20 21 27 29 30 31 32 33 34 35 36 42 44 46 49 50",
    "kiss": "1 7 8 9 10 11 12 13 14 16 17 18 22 23 24 26 29 31 35 36 38 39 40 41 42",
}


class TVHI(SuppliedVideos):
    """One half of the positive clips of TV Human Interactions, as `labkit.clips.Clips`.

    The split is known; no list is read. ``data_scripts/tvhi.py`` says where the clips come from, and checks them.
    Arguments, groups and errors are those of `labkit.data.supplied.SuppliedVideos`. Which show a clip is from is told
    nowhere, so groups tell nothing.
    """

    title, script = "TV Human Interactions", "tvhi.py"
    counts: ClassVar[Mapping[str, int]] = {"train": 100, "test": 100}

    @classmethod
    def read_lists(cls, folder: Path, part: str) -> tuple[list[str], Labels]:
        """Names of the classes and labels of the clips of a part, both in order; the folder may be missing."""
        labels: Labels = {}
        for label, (name, numbers) in enumerate(_TRAIN.items()):
            train = {int(number) for number in numbers.split()}
            own = [number for number in range(1, CLIPS + 1) if (number in train) == (part == "train")]
            labels |= {f"{name}_{number:04}": (label,) for number in own}
        return list(CLASSES), labels
