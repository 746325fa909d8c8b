"""Sports-1M: a million videos of 487 sports from YouTube, labelled by a machine; some have several labels.

Karpathy, Toderici, Shetty, Leung, Sukthankar and Fei-Fei, "Large-scale video classification with convolutional neural
networks", CVPR 2014. The makers publish links and labels, the videos are to be had from YouTube only, and many are no
longer there. Their files, as their README tells::

    labels.txt           487 names, a line each: "boomerang" is label 0, "model aircraft" is 486
    train_partition.txt  https://www.youtube.com/watch?v=UDqivjS-lpI 168,169
    test_partition.txt   the same: a link, a space, the labels with commas between them
"""

from pathlib import Path

from labkit.data.supplied import Labels, SuppliedVideos, read_labels

CLASSES = 487
_ENDS = ("boomerang", "model aircraft")
_LINK = r"https?://(?:www\.)?youtube\.com/watch\?v=([A-Za-z0-9_-]{11})"


class Sports1M(SuppliedVideos):
    """One part of Sports-1M, as `labkit.clips.Clips`; ``multi_hot`` has all labels, ``labels`` the first of each video.

    A video is named by its YouTube id, ``UDqivjS-lpI.mp4``; ids compare without regard to case, as all names here do.
    A video that a list names twice is in the set once, with the labels of both lines.

    ``data_scripts/sports1m.py`` fetches the lists; the videos are yours to bring, in any container. Arguments, groups
    and errors are those of `labkit.data.supplied.SuppliedVideos`.
    """

    title, script = "Sports-1M", "sports1m.py"

    @classmethod
    def read_lists(cls, folder: Path, part: str) -> tuple[list[str], Labels]:
        """Names of the classes and labels of the videos of a part, both in order."""
        classes = cls.names(folder / "labels.txt", CLASSES)
        if (ends := (classes[0], classes[-1])) != _ENDS:
            raise ValueError(
                f"{folder / 'labels.txt'}: expected {_ENDS[0]!r} first and {_ENDS[1]!r} last; got {ends}: bring the "
                "official file"
            )
        path = folder / f"{part}_partition.txt"
        example = "https://www.youtube.com/watch?v=UDqivjS-lpI 168,169"
        return classes, read_labels(path, cls.lines(path), _LINK, example, CLASSES)
