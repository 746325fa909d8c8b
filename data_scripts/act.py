"""Check a copy of ACT: are the lists as they should be, which clips are there, does each decode?

    python data_scripts/act.py /data/act

Nothing is fetched. The authors hand the set out for research, by links on their page or on request:
https://xiaolonw.github.io/actioncvpr.html (14 GB of .avi; take "Videos", not "Video Frames"). Bring the clips to
``videos/``, folders as you like, and write three lists from their labels to ``lists/``, as the top of
``labkit/data/act.py`` describes: ``classes.txt``, and ``train.txt`` and ``test.txt`` of the first task.

The script counts clips by part, 7,260 and 3,974 if the lists are those of the paper, writes the names of those that are
missing to ``missing_train.txt`` and ``missing_test.txt``, and decodes each clip once for the index. An interrupted run
continues where it was. Then `labkit.data.ACT("/data/act")` reads the set.
"""

import sys

from labkit.data import ACT
from labkit.data.download import check_supplied


def main(arguments: list[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    return check_supplied(ACT, __doc__, arguments)


if __name__ == "__main__":
    sys.exit(main())
