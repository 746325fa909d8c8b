"""PatchExplorer: point at a location of an image, see which patches are most like it to a layer of a network.

The neighbours of every cell are computed beforehand and travel with the page, four bytes each; every image travels
once, and the browser cuts its patches out. Forty images of 112 x 112 pixels with the eight nearest of each cell for
four layers, two of 14 x 14 cells and two of 7 x 7, add 0.9 MB to a page. Large layers weigh most: 28 x 28 cells are
33 kB for each image that may be asked, so ask fewer (``asked``).
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import traitlets
from torch import Tensor

from labkit.patches import Patches
from labkit.viz.colour import data_uri
from labkit.viz.widget import PageWidget, require_choice

_LEVELS = 65_535  # of distances, from 0 to the largest of a layer


class PatchExplorer(PageWidget, kind="patches"):
    """Shows an image, the patch that is pointed at, and its nearest patches in other images, in order of distance.

    Choose a location with the pointer or, once the explorer has the focus, cell by cell with the arrow keys; the keys
    1 to 9 change the layer. Point at a neighbour, or bring the focus to it, to see where it is in its own image.

    Attributes:
        layer: name of the chosen layer.
        image: number of the image that is asked.
        point: [x, y], the location in it, in its pixels from its left and upper edge. Its cell is the one whose centre
            is nearest, in every layer, so that layers can be compared at one location.
        k: how many neighbours are shown.
        shown: which of them is shown in its image; 0 is the nearest.
    """

    layer = traitlets.Unicode().tag(sync=True)
    image = traitlets.Int(0).tag(sync=True)
    point = traitlets.List(traitlets.Float(), minlen=2, maxlen=2).tag(sync=True)
    k = traitlets.Int().tag(sync=True)
    shown = traitlets.Int(0).tag(sync=True)

    def __init__(
        self, layers: Mapping[str, Patches], *, names: Sequence[str], asked: int, k: int, title: str, alt: str
    ) -> None:
        """Find all neighbours and encode them.

        Args:
            layers: by name, such as ``"5b, scale 2"``, patches of the same N images, at any size; those of the first
                layer are shown, and it is the first to be chosen.
            names: of the N images.
            asked: how many images may be asked, from the first on.
            k: how many neighbours each patch has.
            title: heading of the explorer.
            alt: what there is to see, in a sentence, for those who cannot see it.

        Raises:
            ValueError: nothing to show, other numbers of names or of images, fewer than k patches in other images, no
                title or alt text, or too much for a page.
        """
        counts = [len(patches.images) for patches in layers.values()]
        if not layers or {*counts} != {len(names)} or not 1 <= asked <= len(names):
            raise ValueError(
                f"an explorer needs layers of the {len(names)} images that have names, of which 1 or more are asked; "
                f"got layers of {counts} images, and {asked} to be asked"
            )
        images = next(iter(layers.values())).images
        size = images.shape[-1]
        scene = {
            "title": title,
            "alt": alt,
            "size": size,
            "most": k,
            "asked": list(range(asked)),
            "layers": [_packed(name, patches, asked, k, size) for name, patches in layers.items()],
            "images": [
                {"name": name, "source": data_uri(image, quality=85)} for name, image in zip(names, images, strict=True)
            ],
        }
        super().__init__(scene, layer=next(iter(layers)), point=[size / 2, size / 2], k=k)

    @traitlets.validate("layer", "image", "k", "shown")
    def _is_there(self, proposal: Any) -> Any:
        layers, most = [layer["name"] for layer in self.scene["layers"]], self.scene["most"]
        numbers = {"k": range(1, most + 1), "shown": range(most)}
        return require_choice(proposal, layer=layers, image=self.scene["asked"], **numbers)

    @traitlets.validate("point")
    def _is_in_the_image(self, proposal: Any) -> list[float]:
        size = self.scene["size"]
        if not all(0 <= value <= size for value in proposal["value"]):
            raise traitlets.TraitError(f"point must be [x, y], 0 to {size} pixels; got {proposal['value']}")
        return proposal["value"]


def _packed(name: str, patches: Patches, asked: int, k: int, size: int) -> dict[str, Any]:
    """What the browser needs of a layer, centres and side in pixels of the images that it shows."""
    nearest = zip(*(patches.neighbours(image, k) for image in range(asked)), strict=True)
    distances, numbers = map(torch.stack, nearest)  # (asked, n * n, k) each
    scale, farthest = size / patches.images.shape[-1], float(distances.max())
    width = 2 if len(patches.images) * len(patches.starts) ** 2 <= _LEVELS + 1 else 4
    return {
        "name": name,
        "centres": ((patches.centres.double() + 0.5) * scale).round(decimals=3).tolist(),
        "side": round(patches.side * scale, 3),
        "k": k,
        "bytes": width,
        "numbers": _base64(numbers, f"<u{width}"),
        "distances": _base64((distances.double() / (farthest or 1.0) * _LEVELS).round(), "<u2"),
        "unit": farthest / _LEVELS,
    }


def _base64(values: Tensor, dtype: str) -> str:
    return base64.b64encode(values.numpy().astype(dtype).tobytes()).decode()
