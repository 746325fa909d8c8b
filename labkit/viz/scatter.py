"""ClipScatter: points in the plane, each of them a clip that plays when you point at it.

For codes of clips that were brought to two dimensions, by PCA say. Every clip travels with the page as one strip of its
frames, so that it plays immediately, with or without a kernel, as `labkit.viz.widget` has it.
"""

from collections.abc import Sequence
from typing import Any

import torch
import traitlets
from torch import Tensor

from labkit.checks import require_finite, require_shape
from labkit.viz.colour import data_uri, shrunk
from labkit.viz.style import PALETTE
from labkit.viz.widget import PageWidget, require_choice

SYMBOLS = ("circle", "square", "triangle", "diamond", "cross")  # a second cue beside the colour; drawn in scatter.js
THUMBNAIL = 96  # pixels: larger images are shrunk to this before they travel with the page


class ClipScatter(PageWidget, kind="scatter"):
    """Shows clips as points, one colour and symbol a class; the clip of the chosen point plays beside them.

    Choose with the pointer or, once the figure has the focus, with the arrow keys: right and left go through the clips
    of a class, down and up through the classes. A press on a class in the legend lets the others step back.

    Attributes:
        chosen: index of the point whose clip plays.
        lit: index of the class that stands out; -1 for all alike.
    """

    chosen = traitlets.Int().tag(sync=True)
    lit = traitlets.Int(-1).tag(sync=True)

    def __init__(
        self,
        points: Tensor,
        labels: Tensor,
        clips: Sequence[Tensor],
        *,
        classes: Sequence[str],
        names: Sequence[str],
        title: str,
        alt: str,
        x_title: str,
        y_title: str,
    ) -> None:
        """Check everything and encode the clips.

        Args:
            points: (N, 2), where each clip lies, y upwards; one unit is equally long on both axes.
            labels: (N,) int64, indices into ``classes``.
            clips: N clips (T, 3, H, W), uint8 or floating point in [0, 1].
            classes: their names, at most 35: more cannot be told apart.
            names: of the clips.
            title: heading of the figure.
            alt: what there is to see, in a sentence, for those who cannot see it.
            x_title: of the axis to the right.
            y_title: of the axis upwards.

        Raises:
            ValueError: no points, wrong shapes, labels outside the classes, no title or alt text, or too much for a
                page.
            TypeError: images of the wrong kind.
        """
        require_shape(points, "N 2", "points", "project to two dimensions first")
        require_finite(points, "points")
        count = len(points)
        require_shape(labels, f"{count}", "labels", "one class a point")
        if count == 0:
            raise ValueError("a scatter needs points; got 0 points")
        if not len(clips) == len(names) == count:
            raise ValueError(
                f"clips and names must be one for each of the {count} points; got {len(clips)} and {len(names)}"
            )
        if len(classes) > len(PALETTE) * len(SYMBOLS) or not 0 <= int(labels.min()) <= int(labels.max()) < len(classes):
            raise ValueError(
                f"labels must lie within the classes, at most {len(PALETTE) * len(SYMBOLS)} of them; got labels "
                f"{int(labels.min())} to {int(labels.max())} and {len(classes)} classes: choose some classes"
            )
        strips = [_strip(clip, name) for clip, name in zip(clips, names, strict=True)]
        places = points.detach().cpu().double().round(decimals=4).tolist()
        scene = {
            "title": title,
            "alt": alt,
            "axes": [x_title, y_title],
            "fps": 8,
            "classes": [
                {"name": name, "colour": PALETTE[at % len(PALETTE)], "symbol": SYMBOLS[at % len(SYMBOLS)]}
                for at, name in enumerate(classes)
            ],
            "points": [
                {"x": x, "y": y, "class": label, "name": name, **strip}
                for (x, y), label, name, strip in zip(places, labels.tolist(), names, strips, strict=True)
            ],
        }
        super().__init__(scene)

    @traitlets.validate("chosen", "lit")
    def _is_there(self, proposal: Any) -> Any:
        points, classes = range(len(self.scene["points"])), range(-1, len(self.scene["classes"]))
        return require_choice(proposal, chosen=points, lit=classes)


def _strip(clip: Tensor, name: str) -> dict[str, Any]:
    """A clip as one image, its frames side by side."""
    require_shape(clip, "T C H W", f"clip {name}", "one clip, time first")
    if 0 in clip.shape:
        raise ValueError(f"clip {name} must not be empty; got {tuple(clip.shape)}")
    frames = shrunk(clip, THUMBNAIL, f"clip {name}")  # (T, 3, h, w)
    strip = torch.cat(list(frames), dim=-1)  # (3, h, T * w)
    height, width = frames.shape[-2:]
    return {"source": data_uri(strip, quality=85), "frames": len(frames), "height": height, "width": width}
