"""Fetch the lists of Sports-1M, and see which of its videos you have.

    python data_scripts/sports1m.py /data/sports1m
    python data_scripts/sports1m.py /data/sports1m --processes 8

fetches the makers' three files, about 60 MB, to ``lists/``. The videos are on YouTube, belong to those who uploaded
them, and are yours to bring: put those you may have into ``videos/``, each named by its id (``UDqivjS-lpI.mp4``; any
container, folders as you like), and run this again. It counts them, writes the ids of the others to
``missing_train.txt`` and ``missing_test.txt``, and decodes each video once for the index. Then
`labkit.data.Sports1M("/data/sports1m", missing="skip")` reads what there is. An interrupted run continues where it was.

Hashes: the makers publish none. The files are checked for their length and line by line; their hashes are recorded in
``lists/*.sha256``, and later runs compare with them. Pass --sha256 if you know better. The makers speak of 1,133,158
videos; their README calls the files compressed, but in their repository they are not.

Labels and links are CC BY 3.0; see https://github.com/gtoderici/sports-1m-dataset.
"""

import sys
from pathlib import Path

from labkit.data import Sports1M
from labkit.data.download import download, exit_code, script_parser
from labkit.data.supplied import survey

URL = "https://raw.githubusercontent.com/gtoderici/sports-1m-dataset/master"
FILES = ("labels.txt", "original/train_partition.txt", "original/test_partition.txt")


def main(arguments: list[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    parser = script_parser(__doc__)
    parser.add_argument("--url", default=URL, help="where labels.txt and original/ are")
    parser.add_argument("--sha256", nargs=3, default=(None,) * 3, metavar="HASH", help="of " + ", ".join(FILES))
    options = parser.parse_args(arguments)

    def fetch() -> dict[str, str]:
        for file, sha256 in zip(FILES, options.sha256, strict=True):
            path = options.root / "lists" / Path(file).name
            print(f"{path}: SHA-256 {download(f'{options.url}/{file}', path, sha256=sha256)}")
        return survey(Sports1M, options.root, processes=options.processes)

    return exit_code(fetch)


if __name__ == "__main__":
    sys.exit(main())
