"""PatchExplorer: point at a location of an image, see which patches are most like it to a layer of a network.

The neighbours of every cell are computed beforehand and travel with the page, four bytes each; every image travels
once, and the browser cuts its patches out. Forty images of 112 x 112 pixels with the eight nearest of each cell for
four layers, two of 14 x 14 cells and two of 7 x 7, add 0.9 MB to a page. Large layers weigh most: 28 x 28 cells are
33 kB for each image that may be asked, so ask fewer (``asked``).
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

_LEVELS = 65_535  # of distances, from 0 to the largest of a layer


@dataclass(frozen=True, eq=False)
class NearestPatches:
    """What is nearest to each of the n x n cells of a feature map: one layer of a network, at one scale.

    Cells of all N images have numbers: ``(image * n + row) * n + column``. A cell stands for a square patch in the
    middle of what it sees (section 2.4.3 of the thesis, see `labkit.vlad`).

    Attributes:
        numbers: (Q, n * n, k) int64, the cells nearest to each cell of the Q images that may be asked, nearest first.
        distances: (Q, n * n, k), 0 or more, never falling along k.
        centres: (n,), the middle of each column, and of each row, in pixels; 0 is the centre of the first pixel.
        side: of a patch, in pixels.
        width: of an image, in the pixels that ``centres`` and ``side`` are counted in, as the network sees it; None
            where that is the size that the explorer shows.
    """

    numbers: Tensor
    distances: Tensor
    centres: Tensor
    side: float
    width: int | None = None


class PatchExplorer(PageWidget, kind="patches"):
    """Shows an image, the patch that is pointed at, and its nearest patches in all images, in order of distance.

    Choose a location with the pointer or, once the explorer has the focus, cell by cell with the arrow keys; the keys
    1 to 9 change the layer. Point at a neighbour, or bring the focus to it, to see where it is in its own image.

    Attributes:
        layer: name of the chosen layer.
        image: number of the image that is asked.
        point: [x, y], the location in it, in its pixels from its left and upper edge. Its cell is the one whose centre
            is nearest, in every layer, so that layers can be compared at one location.
        k: how many neighbours are shown.
        shown: which of them is shown in its image; 0 is the nearest.

    All five may be set and observed in the notebook while a kernel runs.
    """

    layer = traitlets.Unicode().tag(sync=True)
    image = traitlets.Int().tag(sync=True)
    point = traitlets.List(traitlets.Float(), minlen=2, maxlen=2).tag(sync=True)
    k = traitlets.Int().tag(sync=True)
    shown = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        images: Tensor,
        layers: Mapping[str, NearestPatches],
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
            images: (N, 3, S, S) uint8, square as the network sees them.
            layers: by name, such as ``"5b, scale 2"``; all with the same k. The first is shown at first.
            names: of the N images.
            title: heading of the explorer.
            alt: what there is to see, in a sentence, for those who cannot see it.
            asked: the Q images that may be asked, in the order of the rows of each layer; default all N.
            k: how many neighbours are shown at first; default all.
            quality: of the JPEG that images travel as, 1 to 100; None keeps every pixel (PNG).

        Raises:
            TypeError: a dtype of the wrong kind.
            ValueError: wrong shapes, numbers or values, nothing to show, no title or alt text, or too much for a page.
        """
        require_shape(images, "N 3 S S", "images", "square, as the network sees them")
        require_dtype(images, (torch.uint8,), "images", "as they were before they were normalised")
        count, size = len(images), images.shape[-1]
        asked = list(range(count) if asked is None else asked)
        if not images.numel() or not layers or not asked:
            raise ValueError(
                f"an explorer needs images, layers and an image to ask; got {count} of {size} x {size} pixels, "
                f"{len(layers)} and {len(asked)}"
            )
        if len(names) != count:
            raise ValueError(f"names must be {count}, one for each image; got {len(names)}")
        if len(set(asked)) < len(asked) or not 0 <= min(asked) <= max(asked) < count:
            raise ValueError(f"asked must be different numbers, 0 to {count - 1}; got {asked}")
        if quality is not None and not 1 <= quality <= 100:
            raise ValueError(f"quality must be 1 to 100 or None; got {quality}: None keeps every pixel")
        packed = [_packed(name, one, len(asked), count, size) for name, one in layers.items()]
        most = packed[0]["k"]
        if any(one["k"] != most for one in packed):
            raise ValueError(
                f"layers must have the same k; got { ({one['name']: one['k'] for one in packed}) }: cut them"
            )
        if k is not None and not 1 <= k <= most:
            raise ValueError(f"k must be 1 to {most}, as many as the layers have; got {k}")
        still = images.detach().cpu()
        scene = {
            "title": title,
            "alt": alt,
            "size": size,
            "most": most,
            "asked": asked,
            "layers": packed,
            "images": [
                {"name": name, "source": data_uri(image, quality)} for name, image in zip(names, still, strict=True)
            ],
        }
        super().__init__(
            scene, layer=packed[0]["name"], image=asked[0], point=[size / 2, size / 2], k=most if k is None else k
        )

    def __repr__(self) -> str:
        return f"PatchExplorer({self.scene['title']!r}, {len(self.scene['images'])} images)"

    @traitlets.validate("layer", "image")
    def _is_there(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        there = self.scene["asked"] if name == "image" else [layer["name"] for layer in self.scene["layers"]]
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
    def _is_in_the_image(self, proposal: Any) -> list[float]:
        size = self.scene["size"]
        if not all(0 <= value <= size for value in proposal["value"]):
            raise traitlets.TraitError(f"point must be [x, y], 0 to {size} pixels; got {proposal['value']}")
        return proposal["value"]


def _packed(name: str, found: NearestPatches, asked: int, count: int, size: int) -> dict[str, Any]:
    """Check one layer and return what the browser needs, centres and side in pixels of the images it shows."""
    require_shape(found.centres, "n", f"centres of {name!r}", "one a column")
    cells = len(found.centres)
    require_shape(found.numbers, f"{asked} {cells**2} k", f"numbers of {name!r}", "a row for each image that is asked")
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
            f"numbers of {name!r} must be 0 to {total - 1}, {cells} x {cells} cells of {count} images; got "
            f"{int(numbers.min())} to {int(numbers.max())}: (image * n + row) * n + column"
        )
    if distances.min() < 0 or (distances.diff(dim=-1) < 0).any():
        raise ValueError(f"distances of {name!r} must be 0 or more and never fall: sort them, the nearest first")
    if not -0.5 <= centres.min() <= centres.max() <= width - 0.5 or (centres.diff() <= 0).any():
        raise ValueError(
            f"centres of {name!r} must rise within an image {width} pixels wide; got {centres.tolist()}: is `width` "
            "that of the image as the network sees it?"
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
