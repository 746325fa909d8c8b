"""Looking up an image where the flow points: warping, and finding what the flow cannot see.

Optical flow says where each pixel of the first frame goes in the second. Read the second frame at all these locations
and the first frame comes back, wherever the flow is right and nothing got hidden: this is backward warping. It shows
the mistakes of a flow field, and needs no ground truth to do so. Where something did get hidden, the way there
and the way back disagree: this is the forward-backward check.

Positions are ``(x, y)`` in pixels with (0, 0) at the *centre* of the top left pixel, so whole numbers name pixels and
the image ends at ``x = W - 1``: what ``grid_sample`` calls ``align_corners=True``. Flow is ``(..., 2, H, W)``, (dx, dy)
in pixels per frame. Images, points and flow are float32 or float64, all else is a ``TypeError``; a shape that does not
fit, or a value of points or flow that is not finite (mask unknown flow before, and fill it), is a ``ValueError``.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from labkit import checks

_FLOATS = (torch.float32, torch.float64)
_TO_FLOAT = "convert with .float()"


def pixel_grid(height: int, width: int, like: Tensor) -> Tensor:
    """Positions of all pixels, row by row: ``(H * W, 2)`` as (x, y), with the dtype and device of ``like``."""
    x = torch.arange(width, dtype=like.dtype, device=like.device)
    y = torch.arange(height, dtype=like.dtype, device=like.device)
    return torch.cartesian_prod(y, x).flip(-1)  # (H * W, 2)


def sample_bilinear(image: Tensor, points: Tensor) -> Tensor:
    """Read an image between its pixels: the four nearest, weighted by closeness.

    Whole-numbered points return their pixel exactly. A point outside the image reads the nearest point of its border.

    Args:
        image: ``(..., C, H, W)``. A NaN pixel spreads to all points less than two pixels away.
        points: ``(..., N, 2)``, (x, y) in pixels; the image's leading dimensions, or none.

    Returns:
        ``(..., C, N)``, dtype of the image; differentiable in both arguments.
    """
    checks.require_shape(image, "... C H W", "image")
    checks.require_shape(points, "... N 2", "points", "one (x, y) in each row")
    checks.require_dtype(image, _FLOATS, "image", _TO_FLOAT)
    checks.require_dtype(points, _FLOATS, "points", _TO_FLOAT)
    checks.require_finite(points, "points")
    *leading, channels, height, width = image.shape
    if points.ndim > 2 and list(points.shape[:-2]) != leading:
        raise ValueError(
            f"points must have the leading dimensions of the image or none; got {tuple(points.shape)} "
            f"for {tuple(image.shape)}: one list of points for each image"
        )

    limits = points.new_tensor([width - 1, height - 1])
    nearest = points.expand(*leading, -1, 2).minimum(limits).clamp(min=0)  # (..., N, 2), the border rule
    # grid_sample takes positions in [-1, 1]; scaled by powers of two, whole numbers stay exact there and back.
    wide, high = _next_power(width - 1), _next_power(height - 1)
    padded = F.pad(image, (0, wide + 1 - width, 0, high + 1 - height))  # (..., C, high + 1, wide + 1)
    scaled = nearest / points.new_tensor([wide / 2, high / 2]) - 1  # (..., N, 2)
    batch, number = math.prod(leading), points.shape[-2]
    padded = padded.reshape(batch, *padded.shape[-3:])  # (batch, C, high + 1, wide + 1)
    scaled = scaled.reshape(batch, 1, number, 2).to(image)  # (batch, 1, N, 2)
    return F.grid_sample(padded, scaled, align_corners=True).reshape(*leading, channels, number)  # (..., C, N)


def backward_warp(image: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
    """Bring a frame back along the flow: pixel x of the result is the image at x + flow(x).

    With the second frame and the flow from the first to the second, the result looks like the first frame.

    Args:
        image: ``(..., C, H, W)``.
        flow: leading dimensions as the image.

    Returns:
        ``warped``, ``(..., C, H, W)``: bilinear, exact for a flow of whole numbers, differentiable in both arguments.
        ``inside``, bool ``(..., H, W)``: True where x + flow(x) lies inside; elsewhere ``warped`` shows the border.

    Source: the warp I(x + w) of Brox et al., ECCV 2004, section 2.
    """
    checks.require_shape(image, "... C H W", "image")
    _require_flow(flow, "flow")
    height, width = image.shape[-2:]
    checks.require_same_shape(image[..., 0, :, :], flow[..., 0, :, :], ("image (without C)", "flow (without 2)"))

    points = pixel_grid(height, width, like=flow) + flow.flatten(-2).mT  # (..., H * W, 2)
    warped = sample_bilinear(image, points).unflatten(-1, (height, width))  # (..., C, H, W)
    x, y = points.unbind(-1)  # (..., H * W) each
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)  # (..., H * W)
    return warped, inside.unflatten(-1, (height, width))  # (..., H, W)


def occlusion_mask(forward: Tensor, backward: Tensor) -> Tensor:
    """Find the pixels of the first frame that the second does not show: there and back again does not lead home.

    Args:
        forward: flow from the first frame to the second.
        backward: the same shape, flow from the second frame to the first.

    Returns:
        bool ``(..., H, W)``, True = occluded: hidden in the second frame, or moved out of it. Wrong flow shows up too.

    Source: Sundaram, Brox and Keutzer, "Dense point trajectories by GPU-accelerated large displacement optical flow",
    ECCV 2010, the consistency check of the tracking section, with its two constants.
    """
    _require_flow(forward, "forward")
    _require_flow(backward, "backward")
    checks.require_same_shape(forward, backward, ("forward", "backward"))
    returning, inside = backward_warp(backward, forward)  # (..., 2, H, W), (..., H, W)
    gap = (forward + returning).square().sum(dim=-3)  # (..., H, W), |w + w_hat|^2
    lengths = forward.square().sum(dim=-3) + returning.square().sum(dim=-3)  # (..., H, W), |w|^2 + |w_hat|^2
    consistent = gap < 0.01 * lengths + 0.5  # half a squared pixel always, and more where displacements are long
    return ~(consistent & inside)


def _require_flow(flow: Tensor, name: str) -> None:
    checks.require_shape(flow, "... 2 H W", name, "pass dx, dy only")
    checks.require_dtype(flow, _FLOATS, name, _TO_FLOAT)
    checks.require_finite(flow, name, "fill unknown flow, e.g. torch.nan_to_num(flow, nan=0.0), and mask it afterwards")


def _next_power(number: int) -> int:
    """The smallest power of two that is at least ``number`` and at least 1."""
    return 2 ** max(number - 1, 0).bit_length()
