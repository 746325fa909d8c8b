"""Check a copy of FCVID: are the lists as they should be, which videos are there, does each decode?

    python data_scripts/fcvid.py /data/fcvid
    python data_scripts/fcvid.py /data/fcvid --processes 8 --frames

Nothing is fetched: ask the authors, who hand the set out for research, https://fvl.fudan.edu.cn/dataset/fcvid/list.htm.
Bring the videos to ``videos/``, folders as you like, and to ``lists/`` their ``FCVID_VideoName_TrainTestSplit.txt`` and
``FCVID_Label.txt``, and ``classes.txt``: the 239 names in the order of the columns, a line each.

The script counts videos by part, 91,223 in all if the lists are the official ones, writes the names of those that are
missing to ``missing_train.txt`` and ``missing_test.txt``, and decodes each video once for the index: 4,000 hours of
video, so give it processes. With ``--frames`` it decodes them once more and stores a frame of every three seconds,
256 x 256 pixels, in ``frames/``: about 60 GB, at 12 kB a frame, which is what clips of UCF101 and Kinetics take. An
interrupted run continues where it was. Then `labkit.data.FCVID("/data/fcvid")` reads the videos, and
`labkit.data.FCVID.stored("/data/fcvid")` the stored frames.
"""

import sys

from labkit.data import FCVID
from labkit.data.download import check_supplied
from labkit.data.fcvid import store_frames


def main(arguments: list[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    return check_supplied(FCVID, __doc__, arguments, store_frames)


if __name__ == "__main__":
    sys.exit(main())
