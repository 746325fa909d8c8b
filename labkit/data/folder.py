"""A folder of one's own photos as a retrieval set: find the other photos of what each photo shows."""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from labkit.data.photos import Photos, Query, find_photos


class PhotoFolder(Photos):
    """Photos of sights or things that a folder holds, several of each; every photo asks for the others.

    What a photo shows is told by where it lies or what it is called:

    - with sub-folders, photos in one sub-folder show one thing; those beside the sub-folders show things of their own,
    - without, photos show one thing whose names differ only in the numbers at their end: ``tower_1.jpg``,
      ``tower_2_123.jpg`` and ``tower (3).jpg`` all show ``tower``.

    A thing in a single photo is a distractor: it is in the database, and nobody asks for it. Every other photo is a
    query, left out of its own ranking. Photos are named by their path, and turned upright as their EXIF tells.

    Args:
        folder: of the photos. What is hidden or no photo is left aside.
        instance: what a photo shows, by its path in the folder with forward slashes, e.g.
            ``lambda path: path.split("_")[0]``; None for the rule above.
        missing: "error", so that a damaged photo is an error when it is read, or "skip" to take only those that decode,
            with a warning; all of them are then decoded once.

    Raises:
        FileNotFoundError: no such folder, or no photo in it.
        ValueError: fewer than two things to tell apart, or none with two photos.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        instance: Callable[[str], str] | None = None,
        missing: Literal["error", "skip"] = "error",
    ) -> None:
        folder = Path(folder)
        paths = find_photos(folder)
        if not paths:
            raise FileNotFoundError(f"{folder}: expected photos; got none: check the path")
        if instance is None:
            instance = _by_folder if any("/" in path for path in paths) else _by_name
        shown = {path: instance(path) for path in paths}
        together: dict[str, list[str]] = defaultdict(list)
        for path in paths:
            together[shown[path]].append(path)
        queries = [Query(path, together[shown[path]]) for path in paths if len(together[shown[path]]) > 1]
        if len(together) < 2 or not queries:
            raise ValueError(
                f"{folder}: expected several things, and several photos of some; got {len(paths)} photos of "
                f"{len(together)}: put the photos of each thing into a sub-folder, or pass instance"
            )
        super().__init__(str(folder), folder, dict(zip(paths, paths, strict=True)), queries, shown, missing=missing)


def _by_folder(path: str) -> str:
    """The sub-folder; for a photo beside them, the photo."""
    return path.rpartition("/")[0] or path


def _by_name(path: str) -> str:
    """The name without the numbers at its end; of nothing but numbers, all of it."""
    stem = Path(path).stem
    return stem.rstrip("0123456789 _.-()") or stem
