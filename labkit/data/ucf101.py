"""UCF101: 13,320 clips of 101 actions from YouTube, 320 x 240 pixels, in three official splits.

Soomro, Zamir and Shah, "UCF101: A dataset of 101 human action classes from videos in the wild", 2012. The clips of a
class come from 25 *groups*, videos of one person or place; a split keeps whole groups together.
"""

import re
from pathlib import Path
from typing import Literal

from labkit.data.videos import Listed, VideoClips, paths_by_name, read_list

CLASSES = 101


class UCF101(VideoClips):
    """One part of an official split of UCF101, as `labkit.clips.Clips`.

    Labels follow ``classInd.txt``, from 0; the sorted folders have another order (Hammering before HammerThrow).
    Groups are the official numbers 1 to 25: videos of different classes share numbers, and a split shares none.

    Args:
        root: folder of the set, as ``data_scripts/ucf101.py`` makes it.
        split: 1, 2 or 3.
        part: "train" or "test".
        missing: "error", or "skip" to take only the videos that are there, with a warning that counts the others.
        videos: folder of the videos, relative to ``root``; class folders or not, and some copies spell
            ``v_HandStandPushups_*`` as ``v_HandstandPushups_*``.
        lists: folder of ``classInd.txt``, ``trainlist01.txt`` and so on, relative to ``root``.
        flow: folder of the flow store, relative to ``root``.

    Raises:
        FileNotFoundError: a list is not there, or videos are missing; the message counts them and has the command.
        ValueError: a list is not as it should be, or an argument is none of its values.
    """

    def __init__(
        self,
        root: str | Path,
        split: Literal[1, 2, 3] = 1,
        part: Literal["train", "test"] = "train",
        *,
        missing: Literal["error", "skip"] = "error",
        videos: str = "UCF-101",
        lists: str = "ucfTrainTestlist",
        flow: str = "flow",
    ) -> None:
        if split not in (1, 2, 3) or part not in ("train", "test"):
            raise ValueError(f'split must be 1, 2 or 3 and part "train" or "test"; got {split!r} and {part!r}')
        root = Path(root)
        command = f"python data_scripts/ucf101.py {root}"
        classes = _classes(root / lists / "classInd.txt", command)
        listed = _listed(root / lists / f"{part}list{split:02}.txt", classes, command)
        title = f"UCF101, split {split}, {part}"
        super().__init__(title, classes, listed, paths_by_name(root / videos), root, videos, flow, missing, command)


def _classes(path: Path, command: str) -> list[str]:
    """Names of the classes, from lines like ``1 ApplyEyeMakeup``."""
    lines = [line.split() for line in _lines(path, command)]
    if [line[0] for line in lines] != [str(number + 1) for number in range(CLASSES)] or {*map(len, lines)} != {2}:
        raise ValueError(f"{path}: expected {CLASSES} lines, 1 ApplyEyeMakeup and so on; got {len(lines)}, not so")
    return [name for _, name in lines]


def _listed(path: Path, classes: list[str], command: str) -> list[Listed]:
    """Videos of a list; training lists repeat the label, test lists do not have it."""
    numbers = {name.lower(): number for number, name in enumerate(classes)}
    listed = []
    for line in _lines(path, command):
        found = re.fullmatch(r"(\w+)/(v_\w+_g(\d+)_c\d+)\.avi(?: (\d+))?", line)
        label = numbers.get(found[1].lower()) if found else None
        if not found or label is None or (found[4] and int(found[4]) != label + 1):
            raise ValueError(
                f"{path}: expected lines like Archery/v_Archery_g01_c01.avi, with the class's number or without; got "
                f"{line!r}: fetch the lists again"
            )
        listed.append(Listed(found[2], label, int(found[3])))
    return listed


def _lines(path: Path, command: str) -> list[str]:
    return read_list(path, "an official list of UCF101", f"run {command}")
