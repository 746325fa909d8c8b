"""Fetch Paris 6k: 6,412 photos, the ground truth of 55 queries, and an index of what each photo is.

    python data_scripts/paris6k.py /data/paris6k

makes a folder that `labkit.data.Paris6k("/data/paris6k")` reads: 2.5 GB of archives, as much of photos. Run it again
after an interruption: it continues where it was, and does nothing twice. Delete ``archives/`` when all is well.

20 of the photos are damaged in the archive and known to be; they are unpacked, but not in the set, which has 6,392.

Hashes: the makers publish none of these archives, and we know of none. Pass --sha256 and --lists-sha256 if you do;
without, the first download is only checked for its length, by unpacking it and by decoding every photo, its hash is
recorded in ``archives/*.sha256``, and later runs compare with that.

The photos come from Flickr, for research; see https://www.robots.ox.ac.uk/~vgg/data/parisbuildings/ for the terms.
"""

import sys
from pathlib import Path

from labkit.data import Paris6k
from labkit.data.archives import unpack
from labkit.data.download import exit_code, install, script_parser
from labkit.data.photos import complete

URLS = (
    "https://www.robots.ox.ac.uk/~vgg/data/parisbuildings/paris_1-v1.tgz",
    "https://www.robots.ox.ac.uk/~vgg/data/parisbuildings/paris_2-v1.tgz",
)
LISTS_URL = "https://www.robots.ox.ac.uk/~vgg/data/parisbuildings/paris_120310.tgz"


def main(arguments: list[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    sources = {"urls": ("two archives of the photos", URLS), "lists_url": ("archive of the ground truth", LISTS_URL)}
    options = script_parser(__doc__, **sources).parse_args(arguments)
    archives = options.root / "archives"
    lists = archives / Path(options.lists_url).name

    def fetch() -> dict[str, str]:
        install(options.root / "lab", options.lists_url, lists, options.lists_sha256, unpack)
        for number, (url, sha256) in enumerate(zip(options.urls, options.sha256, strict=True), start=1):
            install(options.root / f"jpg/paris_{number}", url, archives / Path(url).name, sha256, unpack)
        return complete(Paris6k(options.root), processes=options.processes)

    return exit_code(fetch)


if __name__ == "__main__":
    sys.exit(main())
