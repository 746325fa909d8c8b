"""What moves by itself in clips of the world, beside the motion of the camera, and how much of it a region covers."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from labkit.clips import Clip


def moving_pixels(clip: Clip, start: int, end: int, least: float) -> Tensor:
    """Pixels of the puppet and its things that move by more than ``least`` pixels between two frames of the world.

    Args:
        clip: of the world.
        start: a frame.
        end: another one.
        least: of motion beside the camera's, in pixels.

    Returns:
        ``(H, W)`` bool, in the frame ``start``.
    """
    rendering = clip.rendering  # type: ignore[attr-defined]
    ground = max(number for number, kind in enumerate(rendering.kinds) if kind == "scene")  # where the puppet stands
    static = replace(rendering, part=torch.full_like(rendering.part, ground))
    own = rendering.flow([start], [end]) - static.flow([start], [end])  # (1, 2, H, W)
    return (own[0].norm(dim=0) > least) & rendering.mask("puppet", "prop")[start]


def covered(mask: Tensor, corners: tuple[Sequence[int], Sequence[int]], side: int) -> Tensor:
    """Which fraction of a mask each square covers.

    Args:
        mask: ``(H, W)`` bool, of some pixels at least.
        corners: upper and left edges of the squares, h and w of them, see `labkit.attribution.square_corners`.
        side: of the squares.

    Returns:
        ``(h, w)``, 0 to 1.
    """
    rows = [[mask[top : top + side, left : left + side].sum() for left in corners[1]] for top in corners[0]]
    return torch.tensor(rows) / mask.sum()
