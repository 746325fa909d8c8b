"""Fetch Oxford 5k: 5,063 photos, the ground truth of 55 queries, and an index of what each photo is.

    python data_scripts/oxford5k.py /data/oxford5k

makes a folder that `labkit.data.Oxford5k("/data/oxford5k")` reads: 1.9 GB of archives, as much of photos. Run it again
after an interruption: it continues where it was, and does nothing twice. Delete ``archives/`` when all is well.

Hashes: the makers publish none of these archives, and we know of none. Pass --sha256 and --lists-sha256 if you do;
without, the first download is only checked for its length, by unpacking it and by decoding every photo, its hash is
recorded in ``archives/*.sha256``, and later runs compare with that.

Older texts have the archive without ``-v1`` in its name; the code of Revisited Oxford and Paris fetches this one. The
photos come from Flickr, for research; see https://www.robots.ox.ac.uk/~vgg/data/oxbuildings/ for the terms.
"""

import sys
from pathlib import Path

from labkit.data import Oxford5k
from labkit.data.archives import unpack
from labkit.data.download import exit_code, install, script_parser
from labkit.data.photos import complete

URL = "https://www.robots.ox.ac.uk/~vgg/data/oxbuildings/oxbuild_images-v1.tgz"
LISTS_URL = "https://www.robots.ox.ac.uk/~vgg/data/oxbuildings/gt_files_170407.tgz"


def main(arguments: list[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    sources = {"url": ("archive of the photos", URL), "lists_url": ("archive of the ground truth", LISTS_URL)}
    options = script_parser(__doc__, **sources).parse_args(arguments)
    archives = options.root / "archives"
    lists, photos = (archives / Path(url).name for url in (options.lists_url, options.url))

    def fetch() -> dict[str, str]:
        install(options.root / "lab", options.lists_url, lists, options.lists_sha256, unpack)
        install(options.root / "jpg", options.url, photos, options.sha256, unpack)
        return complete(Oxford5k(options.root), processes=options.processes)

    return exit_code(fetch)


if __name__ == "__main__":
    sys.exit(main())
