"""AttentionExplorer: a frame, a concept, its attention map with the best square, and all energies over time.

Numbers travel with the page, not images of attention maps: 24 frames of 64 pixels with four of 7 x 7 each add about
0.3 MB. It works with or without a kernel, as `labkit.viz.widget` has it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import traitlets
from torch import Tensor

from labkit.checks import require_finite, require_shape
from labkit.viz.colour import as_uint8, data_uri, heat_to_rgb
from labkit.viz.style import PALETTE
from labkit.viz.widget import PageWidget, require_choice

SIDE = 3  # of the square that counts, in cells
_SHADES = 64


class AttentionExplorer(PageWidget, kind="attention"):
    """Shows a frame of a clip under the attention map of a concept, with the square that counts, and all energies.

    That is the square of 3 x 3 cells with the largest sum, the first of equals (the paper's "sliding window").

    A slider chooses the frame, buttons the concept; once the figure has the focus, left and right change the frame, up
    and down the concept, and digits choose one of the first nine.

    Attributes:
        frame: number of the frame, 0 to T - 1.
        concept: name of the concept whose attention map is shown.
    """

    frame = traitlets.Int().tag(sync=True)
    concept = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        frames: Tensor,
        maps: Tensor,
        energies: Mapping[str, Tensor],
        *,
        concepts: Sequence[str],
        right: int,
        start: int = 0,
        title: str,
        alt: str,
    ) -> None:
        """Check everything and encode it.

        Args:
            frames: (T, 3, H, W) uint8, or floating point in [0, 1].
            maps: (T, K, h, w), 0 or more, which lie evenly over the frames; one scale for all.
            energies: by the name of a rule, (T, K); the first is that of the squares. All are drawn over time.
            concepts: K names.
            right: index of the right one, shown at first.
            start: frame shown at first.
            title: heading of the figure.
            alt: what there is to see, in a sentence, for those who cannot see it.

        Raises:
            ValueError: wrong shapes or numbers, no title or alt text, or too much for a page.
        """
        require_shape(frames, "T C H W", "frames", "one clip, time first")
        length, count = len(frames), len(concepts)
        require_shape(maps, f"{length} {count} h w", "maps", "one for each frame and concept")
        require_finite(maps, "maps")
        if not energies or maps.min() < 0:
            raise ValueError(
                f"attention maps must be 0 or more, and energies given; got {maps.min():.3g} and {len(energies)}"
            )
        for name, values in energies.items():
            require_shape(values, f"{length} {count}", f"energies {name!r}", "a row a frame")
            require_finite(values, f"energies {name!r}")
        if not (0 <= right < count and 0 <= start < length and min(maps.shape[-2:]) >= SIDE):
            raise ValueError(
                f"right must be 0 to {count - 1}, start 0 to {length - 1}, attention maps at least {SIDE} x {SIDE}; "
                f"got {right}, {start} and {tuple(maps.shape[-2:])}"
            )
        if len(set(concepts)) < count:
            raise ValueError(f"concepts must have names of their own; got {list(concepts)}")
        maps = maps.detach().cpu().double()
        sums = maps.unfold(2, SIDE, 1).unfold(3, SIDE, 1).sum((-2, -1))  # (T, K, h - 2, w - 2)
        best = sums.flatten(2).argmax(-1)  # (T, K)
        corners = torch.stack([best // sums.shape[3], best % sums.shape[3]], -1)  # (T, K, 2), rows and columns
        shades = heat_to_rgb(torch.linspace(0, 1, _SHADES)[None, :], 0.0, 1.0)[:, 0].T  # (shades, 3)
        levels = (maps / max(float(maps.max()), 1e-12) * (_SHADES - 1)).round().int()
        scene: dict[str, Any] = {
            "title": title,
            "alt": alt,
            "frames": [data_uri(image) for image in as_uint8(frames, "frames")],
            "concepts": list(concepts),
            "right": right,
            "side": SIDE,
            "cells": list(maps.shape[-2:]),
            "levels": levels.flatten(2).tolist(),
            "corners": corners.tolist(),
            "shades": ["#{:02x}{:02x}{:02x}".format(*shade) for shade in shades.tolist()],
            "colours": [PALETTE[number % len(PALETTE)] for number in range(count)],
            "energies": [
                {"name": name, "values": [[float(f"{value:.4g}") for value in row] for row in values.tolist()]}
                for name, values in energies.items()
            ],
        }
        super().__init__(scene, frame=start, concept=concepts[right])

    @traitlets.validate("frame", "concept")
    def _is_there(self, proposal: Any) -> Any:
        return require_choice(proposal, frame=range(len(self.scene["frames"])), concept=self.scene["concepts"])
