"""Fetch HII, the Human Interaction Images, and an index of what each one is.

    python data_scripts/hii.py /data/hii

makes a folder in which `labkit.data.HII.kinds("/data/hii")` finds the filtered and the noisy photos. Run it again after
an interruption: it continues where it was, and does nothing twice. Delete ``archives/`` when all is well.

The archive is that of Zenodo's record 832380, all of its files in one ZIP; archives within it are unpacked too. We have
not seen how it calls the folders of noisy and of filtered photos: the one with fewer photos counts as filtered. If
there are not exactly two such folders, move the others out of ``photos/``, or name those to check with --photos, one
after the other. Where the address does not answer, bring the archive to ``archives/hii.zip`` and run this again.

Hashes: we know of none. Pass --sha256 if you do; without, the first download is only checked by unpacking it, its hash
is recorded in ``archives/hii.zip.sha256``, and later runs compare with that.

The photos come from search engines and keep their owners' rights; see https://doi.org/10.5281/zenodo.832380.
"""

import sys
from pathlib import Path

from labkit.data import HII
from labkit.data.archives import unpack
from labkit.data.download import exit_code, install, script_parser
from labkit.data.photos import complete

URL = "https://zenodo.org/api/records/832380/files-archive"


def unpack_all(archive: Path, folder: Path) -> None:
    """Unpack an archive, and the archives in it, each into a folder of its name."""
    unpack(archive, folder)
    for inner in sorted(path for path in folder.rglob("*") if path.name.endswith((".zip", ".tar.gz", ".tgz", ".rar"))):
        place = inner.with_name(inner.name.partition(".")[0])
        place.mkdir(exist_ok=True)
        unpack(inner, place)
        inner.unlink()


def main(arguments: list[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    parser = script_parser(__doc__, url=("the archive of the photos", URL))
    parser.add_argument("--photos", help="folder of the class folders (default: those of both kinds)")
    options = parser.parse_args(arguments)

    def fetch() -> dict[str, str]:
        archive = options.root / "archives/hii.zip"
        install(options.root / "photos", options.url, archive, options.sha256, unpack_all)
        kinds = {"photos": options.photos} if options.photos else HII.kinds(options.root)
        errors: dict[str, str] = {}
        for kind, photos in kinds.items():
            print(f"{kind}: {photos}")
            errors |= complete(HII(options.root, photos=photos), processes=options.processes)
        return errors

    return exit_code(fetch)


if __name__ == "__main__":
    sys.exit(main())
