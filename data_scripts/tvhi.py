"""Check a copy of TV Human Interactions: which clips are there, does each decode?

    python data_scripts/tvhi.py /data/tvhi

Nothing is fetched. The authors' page, https://www.robots.ox.ac.uk/~vgg/data/tv_human_interactions/, was reported to
offer the clips no longer: ask them. Bring the clips, ``handShake_0001.avi`` to ``kiss_0050.avi``, to ``videos/``,
folders as you like; the hundred negative ones may lie beside them. The official split is known, no list is needed.

The script counts clips by part, 100 and 100, writes the names of those that are missing to ``missing_train.txt`` and
``missing_test.txt``, and decodes each clip once for the index. An interrupted run continues where it was. Then
`labkit.data.TVHI("/data/tvhi")` reads the set. The shows keep their owners' rights.
"""

import sys

from labkit.data import TVHI
from labkit.data.download import check_supplied


def main(arguments: list[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    return check_supplied(TVHI, __doc__, arguments)


if __name__ == "__main__":
    sys.exit(main())
