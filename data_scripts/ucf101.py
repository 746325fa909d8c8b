"""Fetch UCF101: the videos, the official lists, and an index of what each video is.

    python data_scripts/ucf101.py /data/ucf101
    python data_scripts/ucf101.py /data/ucf101 --processes 8

makes a folder that `labkit.data.UCF101("/data/ucf101")` reads: 7 GB of archives, 7 GB of videos. Run it again after an
interruption: it continues where it was, and does nothing twice. Delete ``archives/`` when all is well.

Hashes: the makers publish none. The one of the lists is what TensorFlow Datasets records for this address. For the
videos pass --sha256 if you know it; without, the first download is only checked for its length and by unpacking it, its
hash is recorded in ``archives/*.sha256``, and later runs compare with that.

The archive of the videos is a RAR: libarchive's bsdtar, unrar or 7-Zip must be there. Those who made the THUMOS
challenge of the same videos offer a zip, for which TensorFlow Datasets records a hash; it needs none of them:

    --url https://storage.googleapis.com/thumos14_files/UCF101_videos.zip
    --sha256 dabf56f573cd19c79e096563529fec8126a2a34e18e10c72eb621dd687532b0d

Where the server's certificate is not accepted, bring the file to ``archives/`` with a browser and run this again.
The videos come from YouTube, for research; see https://www.crcv.ucf.edu/research/data-sets/ucf101/ for the terms.
"""

import sys
from pathlib import Path

from labkit.data import UCF101
from labkit.data.archives import unpack
from labkit.data.download import exit_code, install, script_parser
from labkit.data.videos import complete

URL = "https://www.crcv.ucf.edu/data/UCF101/UCF101.rar"
LISTS_URL = "https://www.crcv.ucf.edu/data/UCF101/UCF101TrainTestSplits-RecognitionTask.zip"
LISTS_SHA256 = "5c0d1a53b8ed364a2ac830a73f405e51bece7d98ce1254fd19ed4a36b224bd27"


def main(arguments: list[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    sources = {"url": ("archive of the videos", URL), "lists_url": ("archive of the lists", LISTS_URL)}
    options = script_parser(__doc__, **sources).parse_args(arguments)
    archives = options.root / "archives"
    lists_sha256 = options.lists_sha256 or (LISTS_SHA256 if options.lists_url == LISTS_URL else None)

    def fetch() -> dict[str, str]:
        install(options.root / "ucfTrainTestlist", options.lists_url, archives / "lists.zip", lists_sha256, unpack)
        install(options.root / "UCF-101", options.url, archives / Path(options.url).name, options.sha256, unpack)
        return complete(UCF101, options.root, processes=options.processes)

    return exit_code(fetch)


if __name__ == "__main__":
    sys.exit(main())
