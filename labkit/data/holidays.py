"""Holidays: 1,491 photos of 500 scenes, from the albums of those who made the set.

Jegou, Douze and Schmid, "Hamming embedding and weak geometric consistency for large scale image search", ECCV 2008.
The names are the ground truth: 100301 and 100302 show what 100300 shows. The first photo of a scene is its query, the
others are to be found.
"""

import shlex
from pathlib import Path
from typing import Literal

from labkit.data.photos import INDEX, Photos, Query, photos_by_name

PHOTOS = 1491


class Holidays(Photos):
    """The Holidays set: 500 queries, the query itself left out of its ranking.

    Some photos lie on their side. ``upright=False`` gives the pixels as they are stored, which is how we take the
    papers of those years to have read them. ``upright=True`` turns the photos whose EXIF says how the camera was held.
    Neither is the set that others turned by hand (Babenko et al., "Neural codes for image retrieval", ECCV 2014): say
    which one a number is of.

    Args:
        root: folder of the set, as ``data_scripts/holidays.py`` makes it.
        missing: "error", or "skip" to take only the photos that are there and decode, with a warning.
        upright: turn photos as their EXIF tells.
        photos: folder of the photos, relative to ``root``, with the original names.

    Raises:
        FileNotFoundError: photos are missing; the message counts them and has the command.
        ValueError: a photo has another name, or an argument is none of its values.

    Source: section 5.1 of the paper, and the page of the set.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        missing: Literal["error", "skip"] = "error",
        upright: bool = False,
        photos: str = "jpg",
    ) -> None:
        root = Path(root)
        command = f"python data_scripts/holidays.py {shlex.quote(str(root))}"
        paths = photos_by_name(root / photos, r"\d{6}", "100301.jpg", command)
        scenes: dict[str, list[str]] = {}
        for name in paths:
            scenes.setdefault(name[:4], []).append(name)  # the number // 100
        super().__init__(
            "Holidays",
            root / photos,
            paths,
            [Query(f"{scene}00", names) for scene, names in scenes.items()],
            {name: name[:4] for name in paths},
            missing=missing,
            counts=(PHOTOS, PHOTOS),
            upright=upright,
            index=root / INDEX,
            command=command,
        )
