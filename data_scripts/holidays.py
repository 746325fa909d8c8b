"""Fetch Holidays: 1,491 photos, and an index of what each one is.

    python data_scripts/holidays.py /data/holidays

makes a folder that `labkit.data.Holidays("/data/holidays")` reads: 2.7 GB of archives, as much of photos. Run it again
after an interruption: it continues where it was, and does nothing twice. Delete ``archives/`` when all is well.

Hashes: the makers publish none, and we know of none. Pass --sha256 if you do; without, the first download is only
checked for its length, by unpacking it and by decoding every photo, its hash is recorded in ``archives/*.sha256``, and
later runs compare with that.

Most who use the set fetched it from the makers' FTP server, which this script does not speak. Where the web server does
not answer, bring both archives to ``archives/`` and run this again:

    curl -C - --remote-name-all ftp://ftp.inrialpes.fr/pub/lear/douze/data/jpg{1,2}.tar.gz

INRIA holds the copyright; see https://lear.inrialpes.fr/people/jegou/data.php for the terms.
"""

import sys
from pathlib import Path

from labkit.data import Holidays
from labkit.data.archives import unpack
from labkit.data.download import exit_code, install, script_parser
from labkit.data.photos import complete

URLS = ("http://pascal.inrialpes.fr/data/holidays/jpg1.tar.gz", "http://pascal.inrialpes.fr/data/holidays/jpg2.tar.gz")


def main(arguments: list[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    options = script_parser(__doc__, urls=("the two archives of the photos", URLS)).parse_args(arguments)
    archives = options.root / "archives"

    def fetch() -> dict[str, str]:
        for number, (url, sha256) in enumerate(zip(options.urls, options.sha256, strict=True), start=1):
            install(options.root / f"jpg/jpg{number}", url, archives / Path(url).name, sha256, unpack)
        return complete(Holidays(options.root), processes=options.processes)

    return exit_code(fetch)


if __name__ == "__main__":
    sys.exit(main())
