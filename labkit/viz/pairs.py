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
from labkit.viz.widget import PageWidget, require_choice


class PairExplorer(PageWidget, kind="pairs"):
    """Shows two frames of a clip, images of each and of the pair, and for the pair the three classes that score best.

    Two sliders choose the frames; once the figure has the focus, the arrow keys do: right and left the first frame, up
    and down the second.

    Attributes:
        first: index of the first frame, 0 to T - 1.
        second: index of the second one.
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
        labels: Sequence[str],
        start: tuple[int, int] = (0, 1),
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
            labels: of the frames.
            start: the pair that is shown when the page opens.
            title: heading of the figure.
            alt: what there is to see, in a sentence, for those who cannot see it.

        Raises:
            ValueError: wrong shapes, scores or numbers out of range, no title or alt text, or too much for a page.
            TypeError: images of the wrong kind.
        """
        require_shape(frames, "T C H W", "frames", "one clip, time first")
        length, count = len(frames), len(classes)
        if length < 2 or not 0 <= right < count:
            raise ValueError(f"a pair needs 2 frames, and right 0 to {count - 1}; got {length} frames and {right}")
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
            "labels": list(labels),
            "frames": _encoded(frames),
            "ofFrame": [{"name": name, "images": _encoded(images)} for name, images in of_frame.items()],
            "ofPair": [{"name": name, "images": [_encoded(row) for row in images]} for name, images in of_pair.items()],
            "scores": [{"name": name, "best": _best(table)} for name, table in scores.items()],
            "classes": list(classes),
            "right": right,
        }
        super().__init__(scene, first=start[0], second=start[1])

    @traitlets.validate("first", "second")
    def _is_there(self, proposal: Any) -> Any:
        frames = range(len(self.scene["frames"]))
        return require_choice(proposal, first=frames, second=frames)


def _encoded(images: Tensor) -> list[str]:
    return [data_uri(image) for image in as_uint8(images, "images")]


def _best(table: Tensor) -> list[list[list[list[float]]]]:
    """For each pair the three classes with the highest scores, best first: index and score."""
    values, order = table.detach().cpu().double().sort(dim=-1, descending=True, stable=True)  # (T, T, K) each
    both = torch.stack([order.double(), values.round(decimals=3)], dim=-1)  # (T, T, K, 2)
    return both[:, :, :3].tolist()
