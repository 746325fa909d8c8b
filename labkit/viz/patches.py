"""PatchExplorer: point at a place of a picture, see which patches a layer of a network holds for the most like it.

The neighbours of every cell are computed beforehand and travel with the page, four bytes each; every picture travels
once, and the browser cuts its patches out. Forty pictures of 112 x 112 pixels with the eight nearest of each cell for
four layers, two of 14 x 14 cells and two of 7 x 7, add 0.9 MB to a page. Large maps weigh most: 28 x 28 cells are 33 kB
a picture that may be asked, so ask fewer (``asked``).
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import traitlets
from torch import Tensor

from labkit.checks import require_dtype, require_finite, require_positive, require_shape
from labkit.viz.colour import data_uri
from labkit.viz.widget import PageWidget

_LEVELS = 65_535  # of distances, from 0 to the largest of a map


@dataclass(frozen=True, eq=False)
class NearestPatches:
    """What is nearest to each cell of a map of n x n cells: one layer of a network, at one scale.

    Cells of all N pictures have numbers: ``(picture * n + row) * n + column``. A cell stands for a square patch in the
    middle of what it sees (section 2.4.3 of the thesis, see `labkit.vlad`).

    Attributes:
        numbers: (Q, n * n, k) int64, the cells nearest to each cell of the Q pictures that may be asked, nearest first.
        distances: (Q, n * n, k), 0 or more, never falling along k.
        centres: (n,), the middle of each column, and of each row, in pixels; 0 is the centre of the first pixel.
        side: of a patch, in pixels.
        width: of a picture, in the pixels that ``centres`` and ``side`` are counted in, as the network sees it; None
            where that is the size that the explorer shows.
    """

    numbers: Tensor
    distances: Tensor
    centres: Tensor
    side: float
    width: int | None = None


class PatchExplorer(PageWidget, kind="patches"):
    """Shows a picture, the patch that is pointed at, and its nearest patches in all pictures, in order of distance.

    Choose a place with the pointer or, once the explorer has the focus, cell by cell with the arrow keys; the keys 1
    to 9 change the map. Point at a neighbour, or bring the focus to it, to see where it lies in its own picture.

    Attributes:
        map: name of the chosen map.
        picture: number of the picture that is asked.
        point: [x, y], the place in it, in its pixels from its left and upper edge. Its cell is the one whose centre is
            nearest, in every map, so that maps can be compared at one place.
        k: how many neighbours are shown.
        shown: which of them is shown in its picture; 0 is the nearest.

    All five may be set and observed in the notebook while a kernel runs.
    """

    map = traitlets.Unicode().tag(sync=True)
    picture = traitlets.Int().tag(sync=True)
    point = traitlets.List(traitlets.Float(), minlen=2, maxlen=2).tag(sync=True)
    k = traitlets.Int().tag(sync=True)
    shown = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        pictures: Tensor,
        maps: Mapping[str, NearestPatches],
        *,
        names: Sequence[str],
        title: str,
        alt: str,
        asked: Sequence[int] | None = None,
        k: int | None = None,
        quality: int | None = 85,
    ) -> None:
        """Check everything and encode it.

        Args:
            pictures: (N, 3, S, S) uint8, square as the network sees them.
            maps: by name, such as ``"5b, scale 2"``; all with the same k. The first is shown at first.
            names: of the N pictures.
            title: heading of the explorer.
            alt: what there is to see, in a sentence, for who cannot see it.
            asked: the Q pictures that may be asked, in the order of the rows of each map; default all N.
            k: how many neighbours are shown at first; default all.
            quality: of the JPEG that pictures travel as, 1 to 100; None keeps every pixel (PNG).

        Raises:
            TypeError: a dtype of the wrong kind.
            ValueError: wrong shapes, numbers or values, nothing to show, no title or alt text, or too much for a page.
        """
        require_shape(pictures, "N 3 S S", "pictures", "square, as the network sees them")
        require_dtype(pictures, (torch.uint8,), "pictures", "as they were before they were normalised")
        count, size = len(pictures), pictures.shape[-1]
        asked = list(range(count) if asked is None else asked)
        if not pictures.numel() or not maps or not asked:
            raise ValueError(
                f"an explorer needs pictures, maps and a picture to ask; got {count} of {size} x {size} pixels, "
                f"{len(maps)} and {len(asked)}"
            )
        if len(names) != count:
            raise ValueError(f"names must be {count}, one a picture; got {len(names)}")
        if len(set(asked)) < len(asked) or not 0 <= min(asked) <= max(asked) < count:
            raise ValueError(f"asked must be different numbers, 0 to {count - 1}; got {asked}")
        if quality is not None and not 1 <= quality <= 100:
            raise ValueError(f"quality must be 1 to 100 or None; got {quality}: None keeps every pixel")
        packed = [_packed(name, one, len(asked), count, size) for name, one in maps.items()]
        most = packed[0]["k"]
        if any(one["k"] != most for one in packed):
            raise ValueError(
                f"maps must have the same k; got { ({one['name']: one['k'] for one in packed}) }: cut them"
            )
        if k is not None and not 1 <= k <= most:
            raise ValueError(f"k must be 1 to {most}, as many as the maps have; got {k}")
        still = pictures.detach().cpu()
        scene = {
            "title": title,
            "alt": alt,
            "size": size,
            "most": most,
            "asked": asked,
            "maps": packed,
            "pictures": [
                {"name": name, "source": data_uri(picture, quality)} for name, picture in zip(names, still, strict=True)
            ],
        }
        super().__init__(
            scene, map=packed[0]["name"], picture=asked[0], point=[size / 2, size / 2], k=most if k is None else k
        )

    def __repr__(self) -> str:
        return f"PatchExplorer({self.scene['title']!r}, {len(self.scene['pictures'])} pictures)"

    @traitlets.validate("map", "picture")
    def _is_there(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        there = self.scene["asked"] if name == "picture" else [one["name"] for one in self.scene["maps"]]
        if value not in there:
            raise traitlets.TraitError(f"{name} must be one of {there}; got {value!r}")
        return value

    @traitlets.validate("k", "shown")
    def _is_within(self, proposal: Any) -> int:
        name, value, most = proposal["trait"].name, proposal["value"], self.scene["most"]
        low, high = (1, most) if name == "k" else (0, most - 1)
        if not low <= value <= high:
            raise traitlets.TraitError(f"{name} must be {low} to {high}; got {value}")
        return value

    @traitlets.validate("point")
    def _is_in_the_picture(self, proposal: Any) -> list[float]:
        size = self.scene["size"]
        if not all(0 <= value <= size for value in proposal["value"]):
            raise traitlets.TraitError(f"point must be [x, y], 0 to {size} pixels; got {proposal['value']}")
        return proposal["value"]


def _packed(name: str, found: NearestPatches, asked: int, count: int, size: int) -> dict[str, Any]:
    """Check one map and return what the browser needs, centres and side in pixels of the pictures it shows."""
    require_shape(found.centres, "n", f"centres of {name!r}", "one a column")
    cells = len(found.centres)
    require_shape(
        found.numbers, f"{asked} {cells**2} k", f"numbers of {name!r}", "a row for each picture that is asked"
    )
    require_dtype(found.numbers, (torch.int64,), f"numbers of {name!r}")
    k = found.numbers.shape[2]
    require_shape(found.distances, f"{asked} {cells**2} {k}", f"distances of {name!r}", "one a neighbour")
    require_finite(found.distances, f"distances of {name!r}")
    require_positive(found.side, f"side of {name!r}", "pixels")
    width = size if found.width is None else found.width
    require_positive(width, f"width of {name!r}", "pixels")
    if not cells or not k:
        raise ValueError(f"{name!r} must have cells with neighbours; got {cells} x {cells} cells and k = {k}")
    numbers, distances = found.numbers.detach().cpu(), found.distances.detach().cpu().double()
    centres = found.centres.detach().cpu().double()
    total = count * cells**2
    if not 0 <= int(numbers.min()) <= int(numbers.max()) < total:
        raise ValueError(
            f"numbers of {name!r} must be 0 to {total - 1}, {cells} x {cells} cells of {count} pictures; got "
            f"{int(numbers.min())} to {int(numbers.max())}: (picture * n + row) * n + column"
        )
    if distances.min() < 0 or (distances.diff(dim=-1) < 0).any():
        raise ValueError(f"distances of {name!r} must be 0 or more and never fall: sort them, the nearest first")
    if not -0.5 <= centres.min() <= centres.max() <= width - 0.5 or (centres.diff() <= 0).any():
        raise ValueError(
            f"centres of {name!r} must rise within a picture {width} pixels wide; got {centres.tolist()}: is `width` "
            "that of the picture as the network sees it?"
        )
    scale, farthest = size / width, float(distances.max())
    levels = (distances / (farthest or 1.0) * _LEVELS).round()
    return {
        "name": name,
        "centres": ((centres + 0.5) * scale).round(decimals=3).tolist(),
        "side": round(found.side * scale, 3),
        "k": k,
        "bytes": 2 if total <= _LEVELS + 1 else 4,
        "numbers": _base64(numbers, "<u2" if total <= _LEVELS + 1 else "<u4"),
        "distances": _base64(levels, "<u2"),
        "unit": farthest / _LEVELS,
    }


def _base64(values: Tensor, dtype: str) -> str:
    return base64.b64encode(values.numpy().astype(np.dtype(dtype)).tobytes()).decode()
