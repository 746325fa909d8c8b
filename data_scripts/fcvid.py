"""Check a copy of FCVID: are the lists as they should be, which videos are there, does each decode?

    python data_scripts/fcvid.py /data/fcvid
    python data_scripts/fcvid.py /data/fcvid --processes 8

Nothing is fetched: ask the authors, who hand the set out for research, https://fvl.fudan.edu.cn/dataset/fcvid/list.htm.
Bring the videos to ``videos/``, folders as you like, and to ``lists/`` their ``FCVID_VideoName_TrainTestSplit.txt`` and
``FCVID_Label.txt``, and ``classes.txt``: the 239 names in the order of the columns, a line each.

The script counts videos by part, 91,223 in all if the lists are the official ones, writes the names of those that are
missing to ``missing_train.txt`` and ``missing_test.txt``, and decodes each video once for the index: 4,000 hours of
film, so give it processes. An interrupted run goes on where it was. Then `labkit.data.FCVID("/data/fcvid")` reads the
set.
"""

import sys

from labkit.data import FCVID
from labkit.data.download import check_supplied


def main(arguments: list[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    return check_supplied(FCVID, __doc__, arguments)


if __name__ == "__main__":
    sys.exit(main())
