"""Fetch MPI Sintel: both passes of all scenes, flow and masks of those to train, and an index of what each file is.

    python data_scripts/sintel.py /data/sintel

makes a folder that `labkit.data.Sintel("/data/sintel")` reads: an archive of 5.6 GB, 12 GB of scenes. Run it again
after an interruption: it continues where it was, and does nothing twice. Delete ``archives/`` when all is well.

Hashes: the makers publish none that we know of. Pass --sha256 if you know it; without, the first download is only
checked for its length, by unpacking it and by reading every file, its hash is recorded in ``archives/*.sha256``, and
later runs compare with that. Where the server does not answer, there was a mirror:

    --url http://sintel.cs.washington.edu/MPI-Sintel-complete.zip

The movie Sintel is (c) Blender Foundation, CC BY 3.0; see http://sintel.is.tue.mpg.de for the terms of the data.
"""

import sys
from pathlib import Path

from labkit.data import Sintel
from labkit.data.archives import unpack
from labkit.data.download import exit_code, install, script_parser
from labkit.data.pairs import complete
from labkit.data.sintel import FOLDER

URL = "http://files.is.tue.mpg.de/sintel/MPI-Sintel-complete.zip"


def main(arguments: list[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    options = script_parser(__doc__, url=("the archive", URL)).parse_args(arguments)
    root, archive = options.root, options.root / "archives" / Path(options.url).name

    def fetch() -> dict[str, str]:
        install(root / FOLDER, options.url, archive, options.sha256, unpack)
        sets = [Sintel(root, part, pass_name=which) for part in ("train", "test") for which in ("clean", "final")]
        return complete(sets, root, processes=options.processes)

    return exit_code(fetch)


if __name__ == "__main__":
    sys.exit(main())
