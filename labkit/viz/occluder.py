"""Occluder: cover a part of an image with a black square, under the mouse, and see what networks still predict.

What they predict under every square is worked out once, by `labkit.attribution.occluded_confidences`; moving the square
then only looks up numbers, with or without a kernel, as `labkit.viz.widget` has it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import traitlets
from torch import Tensor

from labkit.checks import require_finite, require_shape
from labkit.viz.colour import as_uint8, data_uri, heat_to_rgb
from labkit.viz.widget import PageWidget, require_choice


@dataclass(frozen=True)
class Covered:
    """An image and what networks predict for it.

    Attributes:
        name: what it is called.
        image: (3, H, W), uint8, or floating point in [0, 1].
        right: index of the right class.
        confidences: by the name of a network, those in the K classes: (K,) of the image as it is, and (h, w, K)
            under each square, 0 to 1.
    """

    name: str
    image: Tensor
    right: int
    confidences: Mapping[str, tuple[Tensor, Tensor]]


class Occluder(PageWidget, kind="occluder"):
    """Shows an image with a black square that follows the mouse, and what networks predict from the rest.

    Beside the image stands, for each network, how much confidence each position of the square costs, and its three
    best classes. Once the figure has the focus, arrow keys move the square.

    Attributes:
        example: index of the image shown.
        row: of the square, 0 to h - 1.
        column: of the square, 0 to w - 1.
    """

    example = traitlets.Int(0).tag(sync=True)
    row = traitlets.Int().tag(sync=True)
    column = traitlets.Int().tag(sync=True)

    def __init__(
        self,
        examples: Sequence[Covered],
        *,
        corners: tuple[Sequence[int], Sequence[int]],
        side: int,
        classes: Sequence[str],
        title: str,
        alt: str,
    ) -> None:
        """Check everything and encode the images.

        Args:
            examples: at least one; images of one size, with confidences of the same networks.
            corners: upper and left edges of the squares in pixels, h and w of them: `attribution.square_corners`.
            side: of the square in pixels.
            classes: names of the K classes.
            title: heading of the figure.
            alt: what there is to see, in a sentence, for those who cannot see it.

        Raises:
            ValueError: wrong shapes, numbers out of range, no title or alt text, or too much for a page.
            TypeError: images of the wrong kind.
        """
        if not examples:
            raise ValueError("examples must hold at least one Covered; got none")
        rows, columns, count = len(corners[0]), len(corners[1]), len(classes)
        height, width = examples[0].image.shape[-2:]
        for one in examples:
            require_shape(one.image, f"3 {height} {width}", f"the image of {one.name!r}", "all of one size")
            if not 0 <= one.right < count:
                raise ValueError(f"right of {one.name!r} must be 0 to {count - 1}; got {one.right}")
            networks = [*examples[0].confidences]
            if [*one.confidences] != networks:
                raise ValueError(f"{one.name!r} must have confidences of {networks}; got {[*one.confidences]}")
            for name, (bare, table) in one.confidences.items():
                those = f"confidences of {name!r} in {one.name!r}"
                require_shape(bare, f"{count}", those, "one for each class")
                require_shape(table, f"{rows} {columns} {count}", f"{those}, covered")
                for values in (bare, table):
                    require_finite(values, those)
                    if values.min() < 0 or values.max() > 1 + 1e-4:
                        raise ValueError(f"{those} must lie within 0 to 1: take the softmax")
        scene = {
            "title": title,
            "alt": alt,
            "classes": list(classes),
            "size": [int(height), int(width)],
            "side": side,
            "tops": [int(top) for top in corners[0]],
            "lefts": [int(left) for left in corners[1]],
            "best": min(3, count),
            "examples": [_example(one) for one in examples],
        }
        super().__init__(scene, row=rows // 2, column=columns // 2)

    @traitlets.validate("example", "row", "column")
    def _is_there(self, proposal: Any) -> Any:
        examples, rows, columns = (range(len(self.scene[name])) for name in ("examples", "tops", "lefts"))
        return require_choice(proposal, example=examples, row=rows, column=columns)


def _example(one: Covered) -> dict[str, Any]:
    return {
        "name": one.name,
        "image": data_uri(as_uint8(one.image, "image")),
        "right": one.right,
        "nets": [
            {"name": name, "bare": _short(bare), "table": _short(table), "heat": _heat(bare, table, one.right)}
            for name, (bare, table) in one.confidences.items()
        ],
    }


def _heat(bare: Tensor, table: Tensor, right: int) -> str:
    """What each position costs, a pixel each: dark is nothing, bright all of the confidence in the right class."""
    drop = 1 - table[..., right] / bare[right].clamp(min=1e-12)  # (h, w)
    return data_uri(heat_to_rgb(drop.clamp(0, 1), 0.0, 1.0))


def _short(numbers: Tensor) -> Any:
    return torch.round(numbers.detach().cpu().double(), decimals=3).tolist()
