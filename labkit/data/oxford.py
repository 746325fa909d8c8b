"""Oxford 5k and Paris 6k: photos of eleven landmarks each, among others of the same town, with 55 queries.

Philbin, Chum, Isard, Sivic and Zisserman, "Object retrieval with large vocabularies and fast spatial matching", CVPR
2007 (Oxford), and "Lost in quantization: improving particular object retrieval in large scale image databases", CVPR
2008 (Paris). Both have the same lists, four files for each query::

    all_souls_1_query.txt   the photo and its box: oxc1_all_souls_000013 136.5 34.1 648.5 955.7
    all_souls_1_good.txt    photos that show the landmark clearly, a name a line
    all_souls_1_ok.txt      photos that show a quarter of it or more
    all_souls_1_junk.txt    photos that show less, to be skipped
"""

import math
import shlex
from pathlib import Path
from typing import Literal

from labkit.data.photos import INDEX, Photos, Query, photos_by_name
from labkit.data.videos import read_list

QUERIES = 55
_PREFIX = "oxc1_"  # before Oxford's names in the files of queries, nowhere else
_DAMAGED = {
    "louvre": (136, 146),
    "moulinrouge": (422,),
    "museedorsay": (1059,),
    "notredame": (188,),
    "pantheon": (284, 960, 974),
    "pompidou": (195, 196, 201, 467, 640),
    "sacrecoeur": (299, 330, 353),
    "triomphe": (662, 833, 863, 867),
}


class _Landmarks(Photos):
    """What the two sets share: `Oxford5k` has the arguments."""

    finds_itself = True
    title: str
    script: str
    counts: tuple[int, int]
    scheme: str
    example: str
    damaged: frozenset[str] = frozenset()

    def __init__(
        self,
        root: str | Path,
        *,
        missing: Literal["error", "skip"] = "error",
        photos: str = "jpg",
        lists: str = "lab",
    ) -> None:
        root = Path(root)
        command = f"python data_scripts/{self.script} {shlex.quote(str(root))}"
        paths = photos_by_name(root / photos, self.scheme, self.example, command)
        queries = _queries(root / lists, self.damaged, command)
        instances: dict[str, str] = {}
        for landmark, query in queries:
            for name in (query.name, *query.good, *query.ok):
                instances.setdefault(name, landmark)
        super().__init__(
            self.title,
            root / photos,
            {name: path for name, path in paths.items() if name not in self.damaged},
            [query for _, query in queries],
            instances,
            missing=missing,
            counts=self.counts,
            upright=False,
            index=root / INDEX,
            command=command,
        )


class Oxford5k(_Landmarks):
    """Oxford Buildings, 5,063 photos.

    A query stays in its own ranking, as the makers' program has it, and counts as found where the lists name it. The
    thesis asks with the full photo (chapter 2, section 2.4), which is what a query is here; others ask with its box,
    see `box`. The label of a photo is the first landmark whose query, good or ok list names it; all other photos have
    labels of their own.

    Args:
        root: folder of the set, as ``data_scripts/oxford5k.py`` makes it.
        missing: "error", or "skip" to take only the photos that are there and decode, with a warning.
        photos: folder of the photos, relative to ``root``; in folders or all in one.
        lists: folder of the lists, relative to ``root``.

    Photos are read as they are stored, whatever their EXIF says: the boxes are in stored pixels.

    Raises:
        FileNotFoundError: photos or lists are missing; the message counts them and has the command.
        ValueError: a list is not as it should be, or an argument is none of its values.
    """

    title, script = "Oxford 5k", "oxford5k.py"
    counts = (5062, 5063)  # the makers' page says 5,062, their archive holds 5,063
    scheme, example = r"(?!paris_)[a-z_]+_\d{6}", "all_souls_000013.jpg"


class Paris6k(_Landmarks):
    """Paris, 6,392 photos: 6,412 less 20 that are damaged, as the makers say (``corrupt.txt`` on their page).

    In the archive these are web pages that say "302 Found". They are left out whatever they hold, also of the lists, as
    everyone does. Arguments and errors are those of `Oxford5k`; the command is ``data_scripts/paris6k.py``.
    """

    title, script = "Paris 6k", "paris6k.py"
    counts = (6392, 6392)
    scheme, example = r"paris_[a-z]+_\d{6}", "paris_louvre_000081.jpg"
    damaged = frozenset(f"paris_{place}_{number:06}" for place, numbers in _DAMAGED.items() for number in numbers)


def _queries(folder: Path, damaged: frozenset[str], command: str) -> list[tuple[str, Query]]:
    """Landmark and query, in the order of the files, without the photos that are damaged."""
    files = sorted(folder.rglob("*_query.txt")) if folder.is_dir() else []
    if len(files) != QUERIES:
        raise FileNotFoundError(
            f"{folder}: expected {QUERIES} official lists named *_query.txt; got {len(files)}: run {command}"
        )
    queries = []
    for path in files:
        title = path.name.removesuffix("_query.txt")  # all_souls_1
        name, *box = " ".join(read_list(path, "an official list", f"run {command}")).split() or [""]
        try:
            left, top, right, bottom = map(float, box)
        except ValueError:
            left = top = right = bottom = math.nan
        if not (name and left < right < math.inf and top < bottom < math.inf):
            raise ValueError(
                f"{path}: expected a line like {_PREFIX}all_souls_000013 136.5 34.1 648.5 955.7; got "
                f"{' '.join([name, *box])!r}: fetch the lists again"
            )
        good, ok, junk = (
            set(read_list(path.with_name(f"{title}_{kind}.txt"), "an official list", f"run {command}")) - damaged
            for kind in ("good", "ok", "junk")
        )
        query = Query(name.removeprefix(_PREFIX), good, ok, junk, (left, top, right, bottom))
        queries.append((title.rpartition("_")[0], query))
    return queries
