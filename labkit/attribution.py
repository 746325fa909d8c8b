"""Where did the network look? Maps over the picture that share a score out among its places.

A network that ends in a mean over all places and one linear layer has a plain answer, its *class activation map* (CAM):
apply the linear layer to each place instead of to the mean, and every place has its own vote for a class. The mean of
the votes, plus the bias, is the score. Whether the map points at the right thing is asked by the *pointing game*: does
its strongest cell lie on it?
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from labkit import checks


def class_activation_map(maps: Tensor, weight: Tensor, size: tuple[int, int] | None = None) -> Tensor:
    """What each place of the last maps adds to the score of each class.

    Args:
        maps: ``(..., C, h, w)``, what the mean over all places is taken of.
        weight: ``(K, C)``, of the linear layer behind the mean.
        size: height and width to enlarge the maps to, bilinearly, such as those of the picture; as they are if None.

    Returns:
        ``(..., K, h, w)``, or ``(..., K, *size)``. As they are, their mean over all places is the score less the bias.

    Raises:
        ValueError: shapes that do not fit.

    Source: Zhou et al., "Learning deep features for discriminative localization", CVPR 2016, section 2, eq. (2).
    """
    checks.require_shape(maps, "... C h w", "maps")
    checks.require_shape(weight, f"K {maps.shape[-3]}", "weight", "of the linear layer behind the mean over all places")
    votes = (weight @ maps.flatten(-2)).unflatten(-1, maps.shape[-2:])  # (..., K, h, w), eq. (2)
    if size is None:
        return votes
    flat = votes.reshape(-1, 1, *votes.shape[-2:])  # (product of the leading dimensions * K, 1, h, w)
    large = F.interpolate(flat, size, mode="bilinear", align_corners=False)
    return large.reshape(*votes.shape[:-2], *size)  # (..., K, *size)


def pointing_game(maps: Tensor, masks: Tensor, least: float = 0.25) -> tuple[Tensor, Tensor]:
    """Does the strongest cell of a map lie on the thing?

    A cell lies on it if at least a quarter of its square does: a limb across a cell covers about as much.

    Args:
        maps: ``(..., h, w)``, not enlarged; of equal cells the first one counts.
        masks: bool ``(..., H, W)``, where the thing is in the picture.
        least: the share of the cell's square that has to be on it, above 0, at most 1.

    Returns:
        ``hits``: bool ``(...)``; ``chance``: float ``(...)``, 0 to 1, the share of all cells that lie on it.

    Raises:
        ValueError: leading dimensions that differ, or a share out of range.
        TypeError: masks that are not bool.

    Source: after Zhang et al., "Top-down neural attention by excitation backprop", ECCV 2016, section 4.1, whose points
    may miss the thing by 15 pixels.
    """
    checks.require_dtype(masks, (torch.bool,), "masks", "compare first, e.g. speed > 1")
    if maps.shape[:-2] != masks.shape[:-2]:
        raise ValueError(
            f"maps and masks must have the same leading dimensions; got {tuple(maps.shape)} and {tuple(masks.shape)}"
        )
    if not 0 < least <= 1:
        raise ValueError(f"least must be a share above 0, at most 1; got {least}")
    flat = masks.reshape(-1, 1, *masks.shape[-2:]).double()  # (N, 1, H, W)
    height, width = maps.shape[-2:]
    covered = F.adaptive_avg_pool2d(flat, (height, width)).reshape(*maps.shape[:-2], -1)  # (..., h * w)
    on_it = covered >= least - 1e-9
    strongest = maps.flatten(-2).argmax(-1, keepdim=True)  # (..., 1)
    return on_it.gather(-1, strongest).squeeze(-1), on_it.double().mean(-1)
