"""FCVID, the Fudan-Columbia Video Dataset: 91,223 videos from the web of 239 events, objects and scenes.

Jiang, Wu, Wang, Xue and Chang, "Exploiting feature and class relationships in video categorization with regularized
deep neural networks", PAMI 2018. Videos are long, 167 seconds on average, and may have several labels; half of them
are to train, half to test. Videos and labels are had from the authors on request. Two of their files, as programs
read that are public and use them::

    FCVID_VideoName_TrainTestSplit.txt   a line a video: its file, white space, "train" or "test"
    FCVID_Label.txt                      a line a video, in the same order: 239 numbers, 1 for its labels, 0 for others

Under what name the classes come we could not find out. This reader takes them from a third file::

    classes.txt                          239 names, a line each, in the order of the columns
"""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from labkit.data.supplied import Labels, SuppliedVideos

CLASSES = 239
SPLIT, LABELS = "FCVID_VideoName_TrainTestSplit.txt", "FCVID_Label.txt"


class FCVID(SuppliedVideos):
    """One half of FCVID, as `labkit.clips.Clips`; ``multi_hot`` has all labels, ``labels`` the first column of each.

    A video is named by its file, without folders and suffix.

    ``data_scripts/fcvid.py`` says where videos and lists come from, and checks them. Arguments, groups and errors are
    those of `labkit.data.supplied.SuppliedVideos`.
    """

    title, script = "FCVID", "fcvid.py"
    counts: ClassVar[Mapping[str, int]] = {"both parts": 91223}

    @classmethod
    def read_lists(cls, folder: Path, part: str) -> tuple[list[str], Labels]:
        """Names of the classes and labels of the videos of a part, both in order."""
        classes = cls.names(folder / "classes.txt", CLASSES)
        names, rows = cls.lines(folder / SPLIT), cls.lines(folder / LABELS)
        if len(names) != len(rows):
            raise ValueError(
                f"{folder / LABELS}: expected {len(names)} lines, as {SPLIT} has; got {len(rows)}: bring both again"
            )
        labels: Labels = {}
        for line, row in zip(names, rows, strict=True):
            path, _, of = line.replace("\t", " ").rpartition(" ")
            name = Path(path.strip().replace("\\", "/")).stem
            if of not in ("train", "test") or not name or (of == part and name in labels):
                raise ValueError(
                    f"{folder / SPLIT}: expected lines like 'beach/some_video.mp4 train', each with a name of its own; "
                    f"got {line!r}: bring the official file"
                )
            if of == part:
                labels[name] = _columns(row, folder / LABELS, name)
        return classes, labels


def _columns(row: str, path: Path, name: str) -> tuple[int, ...]:
    """Where a row of zeros and ones has ones."""
    try:
        numbers = np.array(row.split(), dtype=np.float32)
    except ValueError:
        numbers = np.array([])
    found = np.flatnonzero(numbers == 1)
    if len(numbers) != CLASSES or len(found) == 0 or len(found) + np.count_nonzero(numbers == 0) != CLASSES:
        raise ValueError(
            f"{path}: expected {CLASSES} numbers for {name}, zeros and at least one 1; got {len(numbers)} with "
            f"{len(found)} ones: bring the official file"
        )
    return tuple(found.tolist())
