"""Fetch HMDB51: the videos, the official lists, and an index of what each video is.

    python data_scripts/hmdb51.py /data/hmdb51

makes a folder that `labkit.data.HMDB51("/data/hmdb51")` reads: 2 GB of archives, 2 GB of videos. Run it again after an
interruption: it continues where it was, and does nothing twice. Delete ``archives/`` when all is well.

Hashes: the makers publish none, and we know of none. Pass --sha256 and --lists-sha256 if you do; without, the first
download is only checked for its length and by unpacking it, its hash is recorded in ``archives/*.sha256``, and later
runs compare with that.

Both archives are RAR, the one of the videos a RAR of 51 more: libarchive's bsdtar, unrar or 7-Zip must be there.
In 2025 the makers' server was reported to be gone. If it is, name another source with --url and --lists-url, or bring
the archives from elsewhere to ``archives/`` under the names hmdb51_org.rar and test_train_splits.rar, and run this.
The lists are CC BY 4.0; the clips come from movies and the web and keep their owners' rights.
"""

import shutil
import sys
from pathlib import Path

from labkit.data import HMDB51
from labkit.data.archives import unpack
from labkit.data.download import exit_code, install, script_parser
from labkit.data.videos import complete

URL = "http://serre-lab.clps.brown.edu/wp-content/uploads/2013/10/hmdb51_org.rar"
LISTS_URL = "http://serre-lab.clps.brown.edu/wp-content/uploads/2013/10/test_train_splits.rar"


def unpack_classes(archive: Path, folder: Path) -> None:
    """Unpack an archive that holds an archive for each class."""
    outer = folder / ".classes"
    outer.mkdir()
    unpack(archive, outer)
    for inner in sorted(outer.iterdir()):
        (folder / inner.stem).mkdir()
        unpack(inner, folder / inner.stem)
    shutil.rmtree(outer)


def main(arguments: list[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    sources = {"url": ("archive of the videos", URL), "lists_url": ("archive of the lists", LISTS_URL)}
    options = script_parser(__doc__, **sources).parse_args(arguments)
    archives = options.root / "archives"
    lists, videos = archives / "test_train_splits.rar", archives / "hmdb51_org.rar"

    def fetch() -> dict[str, str]:
        install(options.root / "testTrainMulti_7030_splits", options.lists_url, lists, options.lists_sha256, unpack)
        install(options.root / "hmdb51_org", options.url, videos, options.sha256, unpack_classes)
        return complete(HMDB51, options.root, processes=options.processes)

    return exit_code(fetch)


if __name__ == "__main__":
    sys.exit(main())
