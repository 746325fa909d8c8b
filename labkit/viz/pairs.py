"""PairExplorer: pick two frames of a clip, see what a network makes of the pair.

Every pair is worked out and encoded once, here; moving a slider then only looks up images and numbers, with or
without a kernel, as `labkit.viz.widget` has it. Eight frames of 64 pixels with six images a pair add about 1 MB to
the page.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import traitlets
from torch import Tensor

from labkit.checks import require_finite, require_shape
from labkit.viz.colour import as_uint8, data_uri
from labkit.viz.widget import PageWidget


class PairExplorer(PageWidget, kind="pairs"):
    """Shows two frames of a clip, images of each and of the pair, and scores of classes for the pair.

    Two sliders choose the frames; once the figure has the focus, the arrow keys do: right and left the first frame, up
    and down the second.

    Attributes:
        first: index of the first frame, 0 to T - 1.
        second: index of the second one.

    Both may be set and observed in the notebook while a kernel runs.
    """

    first = traitlets.Int().tag(sync=True)
    second = traitlets.Int().tag(sync=True)

    def __init__(
        self,
        frames: Tensor,
        *,
        of_frame: Mapping[str, Tensor],
        of_pair: Mapping[str, Tensor],
        scores: Mapping[str, Tensor],
        classes: Sequence[str],
        right: int,
        labels: Sequence[str] | None = None,
        start: tuple[int, int] = (0, 1),
        top: int = 3,
        title: str,
        alt: str,
    ) -> None:
        """Check everything and encode the images.

        Args:
            frames: (T, 3, H, W), T at least 2; as all images uint8, or floating point in [0, 1].
            of_frame: by caption, images (T, 3, h, w) that belong to each frame.
            of_pair: by caption, images (T, T, 3, h, w) that belong to each pair, the first frame first.
            scores: by the name of who gives them, (T, T, K) for each pair, 0 to 1.
            classes: names of the K classes.
            right: index of the right class.
            labels: of the frames; ``frame 0``, ``frame 1``... if None.
            start: the pair that is shown when the page opens.
            top: how many classes of each are shown, the best first.
            title: heading of the figure.
            alt: what there is to see, in a sentence, for those who cannot see it.

        Raises:
            ValueError: wrong shapes, scores or numbers out of range, no title or alt text, or too much for a page.
            TypeError: images of the wrong kind.
        """
        require_shape(frames, "T C H W", "frames", "one clip, time first")
        length, count = len(frames), len(classes)
        if length < 2 or not 0 <= right < count or not 0 < top <= count:
            raise ValueError(
                f"a pair needs 2 frames, right 0 to {count - 1} and top 1 to {count}; got {length} frames, {right} and "
                f"{top}: the classes are {count}"
            )
        labels = [f"frame {number}" for number in range(length)] if labels is None else list(labels)
        if len(labels) != length:
            raise ValueError(f"labels must be one for each of the {length} frames; got {len(labels)}")
        for name, images in of_frame.items():
            require_shape(images, f"{length} C h w", f"images {name!r}", "one a frame")
        for name, images in of_pair.items():
            require_shape(images, f"{length} {length} C h w", f"images {name!r}", "one a pair, first frame first")
        for name, table in scores.items():
            require_shape(table, f"{length} {length} {count}", f"scores of {name!r}", "one row a pair")
            require_finite(table, f"scores of {name!r}")
            if table.min() < 0 or table.max() > 1 + 1e-4:
                raise ValueError(f"scores of {name!r} must lie within 0 to 1; got others: take their softmax")
        scene = {
            "title": title,
            "alt": alt,
            "labels": labels,
            "frames": _encoded(frames),
            "ofFrame": [{"name": name, "images": _encoded(images)} for name, images in of_frame.items()],
            "ofPair": [{"name": name, "images": [_encoded(row) for row in images]} for name, images in of_pair.items()],
            "scores": [{"name": name, "best": _best(table, top)} for name, table in scores.items()],
            "classes": list(classes),
            "right": right,
        }
        super().__init__(scene, first=start[0], second=start[1])

    def __repr__(self) -> str:
        return f"PairExplorer({self.scene['title']!r}, {len(self.scene['frames'])} frames)"

    @traitlets.validate("first", "second")
    def _frame_exists(self, proposal: Any) -> int:
        last = len(self.scene["frames"]) - 1
        if not 0 <= proposal["value"] <= last:
            raise traitlets.TraitError(
                f"{proposal['trait'].name} must be 0 to {last}; got {proposal['value']}: it is the index of a frame"
            )
        return proposal["value"]


def _encoded(images: Tensor) -> list[str]:
    return [data_uri(image) for image in as_uint8(images, "images")]


def _best(table: Tensor, top: int) -> list[list[list[list[float]]]]:
    """For each pair the classes with the highest scores, best first: index and score."""
    values, order = table.detach().cpu().double().sort(dim=-1, descending=True, stable=True)  # (T, T, K) each
    both = torch.stack([order.double(), values.round(decimals=3)], dim=-1)  # (T, T, K, 2)
    return both[:, :, :top].tolist()
