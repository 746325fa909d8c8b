"""What a small window can tell about motion: how many directions are pinned down, and how well each velocity fits.

Brightness constancy gives one equation for two unknowns at each pixel. A window collects many such equations; how far
they determine the motion is in the eigenvalues of the structure tensor: both small on flat ground, one large on an
edge (the aperture problem), both large on a corner.

Images are ``(C, H, W)``, float32 or float64; of another dtype they raise ``TypeError``, of another shape
``ValueError``, as an even window does.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from labkit import checks
from labkit.flow.warp import sample_bilinear

_FLOATS = (torch.float32, torch.float64)


def structure_tensor_eigenvalues(image: Tensor, window: int = 7) -> Tensor:
    """Eigenvalues of the structure tensor: how much brightness changes along the two principal directions.

    Args:
        image: channels are averaged. H and W at least 2.
        window: side of the square over which the products of derivatives are averaged, odd, in pixels.

    Returns:
        ``(2, H, W)``, the larger eigenvalue first, in squared brightness per squared pixel.

    Source: Shi and Tomasi, "Good features to track", CVPR 1994, who track where the smaller one is large.
    """
    checks.require_shape(image, "C H W", "image")
    checks.require_dtype(image, _FLOATS, "image", "convert with .float()")
    if min(image.shape[1:]) < 2:
        raise ValueError(f"image must have sides of 2 pixels or more; got {tuple(image.shape)}: it has no derivatives")
    _require_odd(window)
    along_y, along_x = torch.gradient(image.mean(0))  # (H, W) each
    products = torch.stack([along_x**2, along_x * along_y, along_y**2])  # (3, H, W)
    xx, xy, yy = F.avg_pool2d(products, window, stride=1, padding=window // 2, count_include_pad=False)
    mean, spread = (xx + yy) / 2, torch.hypot((xx - yy) / 2, xy)  # of the symmetric 2 x 2 matrix at each pixel
    return torch.stack([mean + spread, (mean - spread).clamp(min=0)])


def matching_error(
    first: Tensor, second: Tensor, place: tuple[int, int], reach: float, steps: int = 41, window: int = 7
) -> Tensor:
    """How badly each velocity explains a window: the difference between it and where it would have gone.

    Args:
        first: a frame.
        second: the next one.
        place: centre of the window in the first frame, (x, y) in pixels.
        reach: velocities from -reach to reach are tried, in pixels per frame, in both directions.
        steps: how many in each direction.
        window: side of the square, odd, in pixels.

    Returns:
        ``(steps, steps)``, root mean square difference in brightness; rows are dy from -reach up, columns dx.
    """
    checks.require_shape(first, "C H W", "first")
    checks.require_same_shape(first, second, ("first", "second"))
    checks.require_positive(reach, "reach")
    _require_odd(window)
    half = window // 2
    offsets = torch.cartesian_prod(torch.arange(-half, half + 1), torch.arange(-half, half + 1)).flip(-1)
    points = (torch.tensor(place) + offsets).to(first)  # (window², 2)
    line = torch.linspace(-reach, reach, steps, dtype=first.dtype, device=first.device)
    velocities = torch.cartesian_prod(line, line).flip(-1)  # (steps², 2), rows are dy
    expected = sample_bilinear(first, points)  # (C, window²)
    found = sample_bilinear(second, (points + velocities[:, None]).flatten(0, 1))  # (C, steps² * window²)
    difference = found.unflatten(-1, (len(velocities), -1)) - expected[:, None]  # (C, steps², window²)
    return difference.square().mean((0, 2)).sqrt().reshape(steps, steps)


def _require_odd(window: int) -> None:
    if window < 1 or window % 2 == 0:
        raise ValueError(f"window must be odd and positive; got {window}: a window has a centre")
