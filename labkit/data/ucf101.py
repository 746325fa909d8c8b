"""UCF101: 13,320 clips of 101 actions from YouTube, 320 x 240 pixels, in three official splits.

Soomro, Zamir and Shah, "UCF101: A dataset of 101 human action classes from videos in the wild", 2012. The clips of a
class come from 25 *groups*, videos of one person or place; a split keeps whole groups together.
"""

import re
from pathlib import Path

from labkit.data.videos import Listed, OfficialSplits, read_list

CLASSES = 101


class UCF101(OfficialSplits):
    """One part of an official split of UCF101, as `labkit.clips.Clips`.

    Labels follow ``classInd.txt``, from 0; the sorted folders have another order (Hammering before HammerThrow).
    Groups are the official numbers 1 to 25: videos of different classes share numbers, and a split shares none.
    Some copies spell ``v_HandStandPushups_*`` as ``v_HandstandPushups_*``; the reader takes both.

    Arguments and errors are those of `labkit.data.videos.OfficialSplits`; the lists are ``classInd.txt``,
    ``trainlist01.txt`` and so on.
    """

    title, script = "UCF101", "ucf101.py"
    videos, lists = "UCF-101", "ucfTrainTestlist"

    @classmethod
    def read_lists(cls, folder: Path, split: int, part: str, remedy: str) -> tuple[list[str], list[Listed]]:
        """Names of the classes and the videos of a part, both in order; training lists repeat the label."""
        what = "an official list of UCF101"
        path = folder / "classInd.txt"
        lines = [line.split() for line in read_list(path, what, remedy)]  # 1 ApplyEyeMakeup
        if [line[0] for line in lines] != [str(number + 1) for number in range(CLASSES)] or {*map(len, lines)} != {2}:
            raise ValueError(f"{path}: expected {CLASSES} lines, 1 ApplyEyeMakeup and so on; got {len(lines)}, not so")
        classes = [name for _, name in lines]
        numbers = {name.lower(): number for number, name in enumerate(classes)}
        path = folder / f"{part}list{split:02}.txt"
        listed = []
        for line in read_list(path, what, remedy):
            match = re.fullmatch(r"(\w+)/(v_\w+_g(\d+)_c\d+)\.avi(?: (\d+))?", line)
            label = numbers.get(match[1].lower()) if match else None
            if not match or label is None or (match[4] and int(match[4]) != label + 1):
                raise ValueError(
                    f"{path}: expected lines like Archery/v_Archery_g01_c01.avi, with the class's number or without; "
                    f"got {line!r}: fetch the lists again"
                )
            listed.append(Listed(match[2], label, int(match[3])))
        return classes, listed
