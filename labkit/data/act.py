"""ACT: 11,234 clips of 43 actions that change what they are done to, such as kicking a bag and kicking people.

Wang, Farhadi and Gupta, "Actions ~ Transformations", CVPR 2016. The first of their two tasks is plain classification,
7,260 clips to train and 3,974 to test. The authors hand out clips and labels; how their files of labels are laid out
is told nowhere that we could find. So the lists this reader takes are its own, to be made from theirs::

    classes.txt   43 names, a line each; the first is class 0
    train.txt     a line a clip: its file, with folders or without, a space, the number of its class
    test.txt      the same

which is the least that says it all, as people write such lists for other sets.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from labkit.data.supplied import Labels, SuppliedVideos, read_labels

CLASSES = 43


class ACT(SuppliedVideos):
    """One part of the first task of ACT, as `labkit.clips.Clips`.

    A clip is named by its file, without folders and suffix.

    ``data_scripts/act.py`` says where clips and lists come from, and checks them. Arguments, groups and errors are
    those of `labkit.data.supplied.SuppliedVideos`.
    """

    title, script = "ACT", "act.py"
    counts: ClassVar[Mapping[str, int]] = {"train": 7260, "test": 3974}

    @classmethod
    def read_lists(cls, folder: Path, part: str) -> tuple[list[str], Labels]:
        """Names of the classes and labels of the clips of a part, both in order."""
        classes = cls.names(folder / "classes.txt", CLASSES)
        path = folder / f"{part}.txt"
        lines = cls.lines(path)
        labels = read_labels(path, lines, r"(?:.*/)?([^/]+?)(?:\.\w+)?", "kicking_bag/clip_0001.avi 12", CLASSES)
        if len(labels) < len(lines) or any(len(numbers) > 1 for numbers in labels.values()):
            raise ValueError(
                f"{path}: expected {len(lines)} clips with names of their own and one class each; got {len(labels)}, "
                f"{sum(len(numbers) > 1 for numbers in labels.values())} of them with several: correct the list"
            )
        return classes, labels
