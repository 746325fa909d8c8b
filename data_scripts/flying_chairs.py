"""Fetch FlyingChairs: 22,872 pairs with flow, the official list, and an index of what each file is.

    python data_scripts/flying_chairs.py /data/chairs
    python data_scripts/flying_chairs.py /data/chairs --processes 8

makes a folder that `labkit.data.FlyingChairs("/data/chairs")` reads: an archive of 31 GB, 63 GB of pairs. Run it again
after an interruption: it continues where it was, and does nothing twice. Delete ``archives/`` when all is well.

Hashes: the makers publish none, and we know of none. Pass --sha256 and --list-sha256 if you do; without, the first
download is only checked for its length, by unpacking it and by reading every file, its hash is recorded beside it in
``*.sha256``, and later runs compare with that.

For research only; see https://lmb.informatik.uni-freiburg.de/resources/datasets/FlyingChairs.en.html for the terms.
"""

import sys
from pathlib import Path

from labkit.data import FlyingChairs
from labkit.data.archives import unpack
from labkit.data.chairs import SPLIT
from labkit.data.download import download, exit_code, install, script_parser
from labkit.data.pairs import complete

URL = "https://lmb.informatik.uni-freiburg.de/data/FlyingChairs/FlyingChairs.zip"
LIST_URL = "https://lmb.informatik.uni-freiburg.de/resources/datasets/FlyingChairs/FlyingChairs_train_val.txt"


def main(arguments: list[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    sources = {"url": ("archive of the pairs", URL), "list_url": ("the official list", LIST_URL)}
    options = script_parser(__doc__, **sources).parse_args(arguments)
    archive = options.root / "archives" / Path(options.url).name

    def fetch() -> dict[str, str]:
        print(f"{SPLIT}: SHA-256 {download(options.list_url, options.root / SPLIT, sha256=options.list_sha256)}")
        install(options.root / "FlyingChairs_release", options.url, archive, options.sha256, unpack)
        return complete([FlyingChairs(options.root, "all")], options.root, processes=options.processes)

    return exit_code(fetch)


if __name__ == "__main__":
    sys.exit(main())
