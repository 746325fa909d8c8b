"""TV-L1 optical flow: robust to outliers, sharp at the edges of things, and short enough to read.

The flow u from image I0 to image I1 minimises

    E(u) = sum over pixels of  |∇u1| + |∇u2| + λ |I1(x + u(x)) - I0(x)|

The second term, the L1 norm of the brightness difference, says that things keep their brightness, but lets some pixels
be plainly wrong (occlusions). The first, the total variation (TV) of both flow components, prefers flow constant in
patches, and lets it jump between them. Neither term is differentiable, and the second is not even convex, so:

1. *Warp.* Around a flow u0 that is nearly right, I1 is replaced by its tangent, which makes the difference linear in u:
   ρ(u) = I1(x + u0) + <u - u0, ∇I1(x + u0)> - I0(x). This is repeated a few times, each time around the new flow.
2. *Split.* A copy v of the flow takes over one term: |∇u1| + |∇u2| + |u - v|² / 2θ + λ |ρ(v)|. The best v for a given u
   has a closed form in each pixel (``threshold``). The best u for a given v is total variation denoising, solved in its
   dual variable p (``add_divergence``, ``ascend``). The two alternate.
3. *Zoom.* The tangent only reaches a pixel or so. So the whole is first solved for images made small, where a long way
   is a short one, and the result starts the next larger size.

C. Zach, T. Pock and H. Bischof, "A Duality Based Approach for Realtime TV-L1 Optical Flow", DAGM 2007: the method.
J. Sánchez, E. Meinhardt-Llopis and G. Facciolo, "TV-L1 Optical Flow Estimation", Image Processing On Line 3, 2013
("IPOL" below): its pyramid, its boundary rules and the values of τ, λ and θ.
A. Wedel, T. Pock, C. Zach, H. Bischof and D. Cremers, "An Improved Algorithm for TV-L1 Optical Flow", 2009: the median
filter between warps, the five-point derivative and its mixing with that of I0.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from labkit import checks

TAU = 0.25  # τ: step size of the ascent in the dual variable, the largest with which it converges
LAMBDA = 255 * 0.15  # λ: weight of the data term, less is smoother; IPOL's, for grey values to 255 (Zach et al.: 50)
THETA = 0.3  # θ: how far u and v may be apart; lower ties them closer and takes more iterations
SCALE_FACTOR = 0.65  # from one image size to the next
SMALLEST = 32  # pixels along the shorter side of the smallest image of a pyramid
WARPS = 5  # on each scale; half as many, rounded up, on the largest, where they cost most
ITERATIONS = 30  # steps in v, u and p for each warp
EPSILON = 0.05  # a pair leaves a scale after the first warp that changed its flow by less, root mean square in pixels
RED, BLUE = 0.299, 0.114  # luma of ITU-R BT.601; green has the rest
FIRST_SHARE = 0.25  # fraction of the first image in the image derivative
ONE_THREAD = 2**16  # pixels of an image up to which sharing each small step among threads takes longer than doing it


@torch.no_grad()
def tvl1(first: Tensor, second: Tensor) -> Tensor:
    """Estimate the optical flow from the first image to the second: first(x) is like second(x + flow(x)).

    Every image pair is solved by itself and stops by itself: in a batch it gets the same flow, bit by bit on a CPU, as
    alone. The flow of a whole clip is ``tvl1(clip[:-1], clip[1:])``. Works where the images are, CPU or GPU. On small
    images ``torch.set_num_threads`` is 1 while this runs, and back to what it was afterwards.

    Args:
        first: ``(..., C, H, W)``, C = 1 (grey) or 3 (RGB), uint8 or float32 from 0 to 1; any size from 1 x 1.
        second: the same shape.

    Returns:
        float32 ``(..., 2, H, W)``, (dx, dy) in pixels per frame, x to the right, y down; without gradient.

    Raises:
        ValueError: wrong or different shapes, no pixels, a float image not finite or outside 0 to 1.
        TypeError: an image that is no tensor, or neither uint8 nor float32.

    Source: see the head of this file. Departures from Zach et al., the first from IPOL, the next two from Wedel et al.:
    images shrink by `SCALE_FACTOR` after a Gaussian, not by 1/2; the image derivative spans five pixels and is mixed
    with that of the first image; the flow passes a median filter after each warp. Ours alone: a derivative of 0, that
    is no data term, where x + u0 leaves the image; `EPSILON` ends the warps, in IPOL the iterations of one.
    """
    pair = grey_pair(first, second)  # (N, 2, H, W)
    height, width = pair.shape[-2:]
    flow = pair.new_empty(pair.shape)
    at_once = max(1, (2**17 if pair.device.type == "cpu" else 2**25) // (height * width))  # stay in the cache
    threads = torch.get_num_threads()
    try:
        for images, result in zip(pair.split(at_once), flow.split(at_once), strict=True):
            torch.set_num_threads(1 if height * width <= ONE_THREAD else threads)  # whatever the size of the batch
            pyramid = gaussian_pyramid(images)
            u = torch.zeros_like(pyramid[-1])  # (n, 2, h, w) of the smallest scale
            for level in reversed(pyramid):
                torch.set_num_threads(1 if math.prod(level.shape[-2:]) <= ONE_THREAD else threads)
                warps = (WARPS + 1) // 2 if level is pyramid[0] else WARPS
                u = _solve(level, _resize_flow(u, *level.shape[-2:]), warps)
            result.copy_(u)
    finally:
        torch.set_num_threads(threads)
    return flow.reshape(*first.shape[:-3], 2, height, width)  # (..., 2, H, W)


def grey_pair(first: Tensor, second: Tensor) -> Tensor:
    """Check two (batches of) images ``(..., C, H, W)``; return float32 grey values from 0 to 1, ``(N, 2, H, W)``."""
    for name, image in (("first", first), ("second", second)):
        if not isinstance(image, Tensor):
            raise TypeError(f"{name} must be a torch.Tensor; got {type(image).__name__}: torch.from_numpy makes one")
        checks.require_shape(image, "... C H W", name, "images come with a channel dimension, C = 1 or 3")
        checks.require_dtype(image, (torch.uint8, torch.float32), name, "convert with .float(), values from 0 to 1")
        if image.shape[-3] not in (1, 3) or 0 in image.shape[-2:]:
            raise ValueError(f"{name} must be (..., 1 or 3, H, W) with pixels in it; got {tuple(image.shape)}")
        checks.require_finite(image, name)
        if image.is_floating_point() and image.numel() and (image.min() < 0 or image.max() > 1):
            raise ValueError(
                f"{name} must lie in 0 to 1 if it is float32; got {image.min():.3g} to {image.max():.3g}: "
                "divide by 255, or undo the normalisation by mean and deviation"
            )
    checks.require_same_shape(first, second, ("first", "second"), "resize one of them")
    return torch.stack([_grey(image) for image in (first, second)], dim=-3).reshape(
        -1, 2, *first.shape[-2:]
    )  # (N, 2, H, W)


def _grey(image: Tensor) -> Tensor:
    """``(..., C, H, W)`` to float32 ``(..., H, W)`` from 0 to 1: luma, written so that grey RGB stays exactly grey."""
    scaled = image.float() / 255 if image.dtype == torch.uint8 else image
    red, green, blue = (scaled[..., channel % scaled.shape[-3], :, :] for channel in range(3))  # (..., H, W) each
    return green + RED * (red - green) + BLUE * (blue - green)


def gaussian_pyramid(image: Tensor) -> list[Tensor]:
    """Smaller and smaller copies of ``(N, C, H, W)``, the largest first: smooth, then resample (IPOL, section 4.2)."""
    sigma = 0.8 * math.sqrt(SCALE_FACTOR**-2 - 1)  # what keeps 0.8 pixels of blur at every scale
    radius = math.ceil(3 * sigma)
    bell = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, device=image.device) / sigma) ** 2)
    bell = (bell / bell.sum()).to(image)  # (2 radius + 1,)
    pyramid, (height, width) = [image], image.shape[-2:]
    while True:
        size = [round(side * SCALE_FACTOR ** len(pyramid)) for side in (height, width)]
        if min(size) < SMALLEST:
            return pyramid
        smooth = F.pad(pyramid[-1], (radius,) * 4, mode="replicate").flatten(0, 1)[:, None]  # (N * C, 1, ...)
        smooth = F.conv2d(F.conv2d(smooth, bell[None, None, None]), bell[None, None, :, None])
        smooth = smooth.unflatten(0, image.shape[:2])[:, :, 0]  # (N, C, h, w)
        pyramid.append(F.interpolate(smooth, size=size, mode="bicubic", align_corners=False))


def derivative(image: Tensor) -> Tensor:
    """Image derivative in x and y, (1, -8, 0, 8, -1) / 12 (Wedel et al.): ``(N, 1, H, W)`` to ``(N, 2, H, W)``."""
    height, width = image.shape[-2:]
    pad = F.pad(image, (2, 2, 2, 2), mode="replicate")
    across = [pad[..., 2:-2, i : i + width] for i in range(5)]
    down = [pad[..., i : i + height, 2:-2] for i in range(5)]
    return torch.cat([(8 * (s[3] - s[1]) - (s[4] - s[0])) / 12 for s in (across, down)], dim=1)


def gradient(flow: Tensor, out: Tensor) -> Tensor:
    """Forward differences of the flow in x and y; ``out`` is ``(N, 2, 2, H, W)``: direction, then component (IPOL).

    Its last column (of the first direction) and last row (of the second) are left alone: they have to hold zeros.
    """
    torch.sub(flow[..., 1:], flow[..., :-1], out=out[:, 0, :, :, :-1])
    torch.sub(flow[..., 1:, :], flow[..., :-1, :], out=out[:, 1, :, :-1])
    return out


def add_divergence(flow: Tensor, p: Tensor, theta: float) -> Tensor:
    """Add θ div p to the flow in place; div is the negative adjoint of ``gradient``: backward differences."""
    p_x, p_y = p.unbind(1)  # (N, 2, H, W) each
    flow.add_(p_x, alpha=theta)[..., 1:].sub_(p_x[..., :-1], alpha=theta)
    flow.add_(p_y, alpha=theta)[..., 1:, :].sub_(p_y[..., :-1, :], alpha=theta)
    return flow


def threshold(u: Tensor, slope: Tensor, normal: Tensor, offset: Tensor, limit: float, step: Tensor) -> Tensor:
    """Turn u into v in place: the thresholding step, the exact minimum over v of |u - v|² / 2θ + λ |ρ(v)|.

    With ρ at u, g = ∇I1 and the limit λθ it has three cases:

        v = u + λθ g       where ρ < -λθ |g|²
        v = u - λθ g       where ρ >  λθ |g|²
        v = u - ρ g / |g|²   elsewhere: there ρ(v) = 0

    They are one: v = u - s g, where s = ρ / |g|², clamped to -λθ to λθ.

    The slope g and normal g / |g|² are ``(N, 2, H, W)``, like u; offset, so that ρ(u) / |g|² = offset + <normal, u>,
    and step, room for s, are ``(N, 1, H, W)``. The limit is λθ.
    """
    torch.addcmul(offset, normal[:, :1], u[:, :1], out=step)
    step.addcmul_(normal[:, 1:], u[:, 1:]).clamp_(-limit, limit)
    return u.addcmul_(step, slope, value=-1)


def ascend(p: Tensor, slope: Tensor, rate: float, length: Tensor) -> Tensor:
    """One step of Chambolle's fixed point in place: p = (p + τ/θ ∇u) / (1 + τ/θ |∇u|), which keeps |p| at most 1.

    The dual variable p and slope, ∇u, are ``(N, 2, 2, H, W)``: direction, then component of the flow. The rate is
    τ/θ; length, ``(N, 1, 2, H, W)``, is room for |∇u| of each component.
    """
    torch.mul(slope[:, :1], slope[:, :1], out=length)
    length.addcmul_(slope[:, 1:], slope[:, 1:]).sqrt_().mul_(rate).add_(1)
    return p.add_(slope, alpha=rate).div_(length)


def median_filter(flow: Tensor) -> Tensor:
    """Median of each 3 x 3 neighbourhood, edges repeated: each column is sorted once, for the three that share it."""
    pad = F.pad(flow, (1, 1, 1, 1), mode="replicate")
    low, middle, high = _sort3(pad[..., :-2, :], pad[..., 1:-1, :], pad[..., 2:, :])  # (..., H, W + 2) each
    triples = [(s[..., :-2], s[..., 1:-1], s[..., 2:]) for s in (low, middle, high)]
    low = torch.maximum(torch.maximum(*triples[0][:2]), triples[0][2])  # the largest of the smallest
    high = torch.minimum(torch.minimum(*triples[2][:2]), triples[2][2])  # the smallest of the largest
    return _sort3(low, _sort3(*triples[1])[1], high)[1]  # what is left in the middle of all nine


def _sort3(a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    a, b = torch.minimum(a, b), torch.maximum(a, b)
    b, c = torch.minimum(b, c), torch.maximum(b, c)
    return torch.minimum(a, b), torch.maximum(a, b), c


def _solve(pair: Tensor, u: Tensor, warps: int) -> Tensor:
    """Improve the flow u, ``(N, 2, H, W)``, on one scale; the pair is ``(N, 2, H, W)`` from 0 to 1."""
    first, second = pair.split(1, dim=1)  # (N, 1, H, W) each
    height, width = u.shape[-2:]
    x = torch.arange(width, device=u.device, dtype=u.dtype)
    y = torch.arange(height, device=u.device, dtype=u.dtype)[:, None]
    # grid_sample wants positions from -1 to 1: scaled by powers of two they stay exact, so no motion is exactly zero.
    wide, high = 2 ** width.bit_length(), 2 ** height.bit_length()
    looked_up = torch.cat((second, derivative(second)), dim=1)  # (N, 3, H, W): I1, ∇I1
    looked_up = F.pad(looked_up, (0, wide + 1 - width, 0, high + 1 - height), mode="replicate")
    first_slope = derivative(first)  # (N, 2, H, W)

    p, grad = u.new_zeros(2, len(u), 2, 2, height, width)
    length, step = torch.empty_like(p[:, :1]), torch.empty_like(first)
    result, left = torch.empty_like(u), torch.arange(len(u), device=u.device)  # left: pairs still at work
    for warp in range(warps):
        before = u.clone()
        to_x, to_y = x + u[:, 0], y + u[:, 1]  # (N, H, W) each
        grid = torch.stack((to_x * (2 / wide) - 1, to_y * (2 / high) - 1), dim=-1)  # (N, H, W, 2)
        warped = F.grid_sample(looked_up, grid, mode="bicubic", padding_mode="border", align_corners=True)
        inside = (to_x >= 0) & (to_x <= width - 1) & (to_y >= 0) & (to_y <= height - 1)  # (N, H, W)
        slope = warped[:, 1:].lerp(first_slope, FIRST_SHARE) * inside[:, None]  # (N, 2, H, W)
        squared = slope.square().sum(1, keepdim=True).add_(1e-9)  # (N, 1, H, W)
        normal = slope / squared
        # ρ(u) = I1(x + u0) + <u - u0, ∇I1> - I0, everything divided by |∇I1|²
        offset = (warped[:, :1] - first - (slope * u).sum(1, keepdim=True)) / squared
        for _ in range(ITERATIONS):
            threshold(u, slope, normal, offset, LAMBDA * THETA, step)  # u -> v
            add_divergence(u, p, THETA)  # v -> u = v + θ div p
            ascend(p, gradient(u, grad), TAU / THETA, length)
        u = median_filter(u)

        result[left] = u
        change = (2 * (u - before).square()).flatten(1).mean(1)  # (N,): squared length, mean over the pixels
        stay = change >= EPSILON**2
        if warp == warps - 1 or not stay.any():
            break
        if not stay.all():
            state = (left, u, p, first, looked_up, first_slope, grad, length, step)
            left, u, p, first, looked_up, first_slope, grad, length, step = (kept[stay] for kept in state)
    return result


def _resize_flow(flow: Tensor, height: int, width: int) -> Tensor:
    """Bring a flow to another scale: more pixels, and longer in pixels by as much."""
    longer = flow.new_tensor([width / flow.shape[-1], height / flow.shape[-2]])[:, None, None]
    return F.interpolate(flow, size=(height, width), mode="bilinear", align_corners=False) * longer
