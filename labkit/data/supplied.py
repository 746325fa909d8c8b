"""Sets whose videos the user brings, as many as there are; a script only says what is there, and what is missing."""

import re
import shlex
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar, Literal

from labkit.data.videos import INDEX, Listed, VideoClips, index_videos, paths_by_name, read_list
from labkit.files import written_whole

PARTS = ("train", "test")
Labels = dict[str, tuple[int, ...]]
"""Labels of each video by its name, the first one first."""


class SuppliedVideos(VideoClips):
    """Base of sets whose videos the user brings, as many as there are: `Sports1M`, `ACT` and `FCVID`.

    Their lists tell nothing of groups, so each video is one of its own: 0, 1, ... in the training list, -1, -2, ... in
    the test list.

    Args:
        root: folder of the set.
        part: "train" or "test".
        missing: "error", or "skip" to take only the videos that are there, with a warning that counts the others.
        videos: folder of the videos, relative to ``root``, in folders or all in one; any kind of `VIDEO_SUFFIXES`.
        lists: folder of the lists, relative to ``root``.
        flow: folder of the flow store, relative to ``root``.

    Attributes:
        title: what errors call the set.
        script: the script that looks after it, in ``data_scripts``.
        counts: how many videos the official lists have, where that is known: of "train", of "test", of "both parts".

    Raises:
        FileNotFoundError: a list is not there, or videos are missing; the message counts them.
        ValueError: a list is not as it should be, or an argument is none of its values.
    """

    title: str
    script: str
    counts: ClassVar[Mapping[str, int]] = {}

    def __init__(
        self,
        root: str | Path,
        part: Literal["train", "test"] = "train",
        *,
        missing: Literal["error", "skip"] = "error",
        videos: str = "videos",
        lists: str = "lists",
        flow: str = "flow",
    ) -> None:
        if part not in PARTS:
            raise ValueError(f'part must be "train" or "test"; got {part!r}')
        root = Path(root)
        classes, labels = self.read_lists(root / lists, part)
        listed = [
            Listed(name, first, number if part == "train" else -1 - number, tuple(others))
            for number, (name, (first, *others)) in enumerate(labels.items())
        ]
        command = f"python data_scripts/{self.script} {shlex.quote(str(root))}, which says where they come from"
        title, paths = f"{self.title}, {part}", paths_by_name(root / videos)
        super().__init__(title, classes, listed, paths, root, videos, flow, missing, command)

    @classmethod
    @abstractmethod
    def read_lists(cls, folder: Path, part: str) -> tuple[list[str], Labels]:
        """Names of the classes and labels of the videos of a part, both in order."""

    @classmethod
    def lines(cls, path: Path) -> list[str]:
        """`read_list` with an error that names this set and its script."""
        return read_list(path, f"a list of {cls.title}", f"see data_scripts/{cls.script}")

    @classmethod
    def names(cls, path: Path, number: int) -> list[str]:
        """Names of the classes, one a line; raises ValueError if there are not as many."""
        names = cls.lines(path)
        if len(names) != number:
            raise ValueError(
                f"{path}: expected {number} lines, the name of a class in each; got {len(names)}, from {names[:1]} to "
                f"{names[-1:]}: see data_scripts/{cls.script}"
            )
        return names


def read_labels(path: Path, lines: Iterable[str], scheme: str, example: str, classes: int) -> Labels:
    """Labels by name from lines like ``NAME 3`` or ``NAME 3,14``; of a name that comes again, these and those.

    Args:
        path: where the lines are from, for the ValueError where one is not so.
        lines: each with a name, a space, and numbers of classes from 0 with commas between them.
        scheme: pattern of what comes before the space; its group 1 is the name.
        example: a line as it should be.
        classes: how many there are.
    """
    pattern = re.compile(rf"{scheme}\s+(\d+(?:,\d+)*)")
    labels: Labels = {}
    for line in lines:
        found = pattern.fullmatch(line)
        numbers = [int(number) for number in found[2].split(",")] if found else [classes]
        if not found or max(numbers) >= classes:
            raise ValueError(
                f"{path}: expected lines like {example!r}, with numbers from 0 to {classes - 1}; got {line!r}: bring "
                "the official file"
            )
        labels[found[1]] = tuple(dict.fromkeys((*labels.get(found[1], ()), *numbers)))
    return labels


def survey(
    clips: type[SuppliedVideos], root: Path, *, videos: str = "videos", lists: str = "lists", processes: int = 1
) -> dict[str, str]:
    """Say how much is there of a set whose videos the user brings, and decode each of these once for its index.

    The names of what is missing go to ``missing_train.txt`` and ``missing_test.txt`` in the folder of the set.
    Arguments and errors are those of the set; ``processes`` is how many videos are decoded at a time.

    Returns:
        What is wrong: a list of another length than the official one, videos that do not decode.
    """
    paths, there, sizes = paths_by_name(root / videos), [], {}
    for part in PARTS:
        _, labels = clips.read_lists(root / lists, part)
        missing = [name for name in labels if name.lower() not in paths]
        there += [paths[name.lower()] for name in labels if name.lower() in paths]
        several = sum(len(numbers) > 1 for numbers in labels.values())
        print(f"{part}: {len(labels)} videos listed, {several} with several labels; {len(labels) - len(missing)} there")
        sizes[part] = len(labels)
        with written_whole(root / f"missing_{part}.txt") as file:
            file.writelines(f"{name}\n".encode() for name in missing)
    if both := len(there) - len(set(there)):
        print(f"{both} videos are in both parts")
    if unknown := sorted({*paths.values()}.difference(there)):
        shown = ", ".join(unknown[:5]).encode(errors="backslashreplace").decode()  # names need not be UTF-8
        print(f"{len(unknown)} videos in {root / videos} are in no list, such as {shown}")
    sizes["both parts"] = sum(sizes.values())
    errors = {
        f"the list of {what}": f"expected the {number} videos of the official one; got {sizes[what]}"
        for what, number in clips.counts.items()
        if sizes[what] != number
    }
    return errors | index_videos(sorted({*there}), root / videos, root / INDEX, processes=processes)
