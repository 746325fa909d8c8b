"""Check a copy of BU101: is there a folder for each of the 101 classes, does each photo decode?

    python data_scripts/bu101.py /data/bu101

Nothing is fetched. The authors hand the photos out on their page, http://cs-people.bu.edu/sbargal/BU-action/, or on
request. Bring them to ``photos/``, a folder a class, named as UCF101 names its classes.

The script counts photos, 23,800 in all, at least 100 of each class, and decodes each once for the index. An interrupted
run continues where it was. Then `labkit.data.BU101("/data/bu101", UCF101("/data/ucf101").classes)` reads the set, its
labels those of UCF101. The photos come from search engines and keep their owners' rights.
"""

import sys

from labkit.data import BU101
from labkit.data.download import exit_code, script_parser
from labkit.data.photos import complete

LEAST = 100  # photos of a class


def main(arguments: list[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    parser = script_parser(__doc__, "the folder with the photos")
    parser.add_argument("--photos", default="photos", help="folder of the class folders (default: photos)")
    options = parser.parse_args(arguments)

    def check() -> dict[str, str]:
        photos = BU101(options.root, photos=options.photos)
        counts = photos.labels.bincount(minlength=len(photos.classes)).tolist()
        few = {
            f"class {name}": f"expected {LEAST} photos at least; got {count}"
            for name, count in zip(photos.classes, counts, strict=True)
            if count < LEAST
        }
        return few | complete(photos, processes=options.processes)

    return exit_code(check)


if __name__ == "__main__":
    sys.exit(main())
