"""Numbers to colours: optical flow on the colour wheel, magnitudes and heat on a perceptually even scale.

The flow wheel is the field's usual one: hue is direction, saturation is speed, rest is white (Baker et al., "A
Database and Evaluation Methodology for Optical Flow", IJCV 2011, section 4.4), here with evenly spaced hues. Hue alone
is lost on some eyes: every flow figure of the lab therefore comes with its wheel, and arrows are one call away.
"""

import base64
import colorsys
import io

import numpy as np
import plotly.colors
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from labkit.checks import require_finite, require_positive, require_shape
from labkit.viz.style import SEQUENTIAL

_LOSSLESS = {"lossless": True, "method": 1, "quality": 30}  # 7 ms an image; slower methods save nothing
_ROUNDING = 0.5 / 255  # half an 8-bit level: what interpolation in float32 may overshoot without anyone seeing it


def flow_to_rgb(flow: Tensor, max_speed: float | None = None) -> Tensor:
    """Optical flow as colours.

    Args:
        flow: (..., 2, H, W), (dx, dy) in pixels per frame.
        max_speed: the speed that gets full colour; faster pixels look the same. Default: the 99th percentile of the
            speeds in ``flow``, see `typical_speed`. Pass one value for all fields that are to be compared.

    Returns:
        (..., 3, H, W) uint8 RGB: right is red, down is yellow-green, left is cyan, up is violet; rest is white.

    Raises:
        ValueError: wrong shape, NaN, or a maximum that is not positive.
    """
    require_shape(flow, "... 2 H W", "flow", "pass dx, dy only")
    require_finite(flow, "flow", "mask unknown pixels with 0 first")
    max_speed = typical_speed(flow) if max_speed is None else max_speed
    require_positive(max_speed, "max_speed")
    dx, dy = flow.detach().cpu().float().unbind(-3)
    saturation = (torch.hypot(dx, dy) / max_speed).clamp(0, 1)[..., None]  # (..., H, W, 1)
    hue = torch.atan2(dy, dx) / (2 * torch.pi) % 1  # (..., H, W), 0 is right, a quarter is down
    wheel = torch.tensor([colorsys.hsv_to_rgb(h / 360, 1.0, 0.92) for h in range(361)])  # (361, 3)
    position = hue[..., None] * 360
    below = position.floor().clamp(0, 359)
    colour = torch.lerp(wheel[below[..., 0].long()], wheel[below[..., 0].long() + 1], position - below)
    rgb = 1 - saturation * (1 - colour)  # (..., H, W, 3)
    return (rgb * 255).round().to(torch.uint8).movedim(-1, -3)  # (..., 3, H, W)


def typical_speed(flow: Tensor) -> float:
    """The 99th percentile of the speeds in pixels per frame, at least 0.5: neither outliers nor noise set the scale.

    Unknown pixels, NaN or infinite in either component, do not count.
    """
    require_shape(flow, "... 2 H W", "flow", "pass dx, dy only")
    speed = torch.linalg.vector_norm(flow.detach().cpu().float(), dim=-3)
    known = speed[speed.isfinite()].numpy()
    return max(0.5, float(np.quantile(known, 0.99))) if known.size else 0.5


def colour_wheel(size: int = 96) -> Tensor:
    """The legend of `flow_to_rgb`: (3, size, size) uint8, white outside the wheel; the rim is full speed."""
    line = torch.linspace(-1.08, 1.08, size)
    dx, dy = torch.meshgrid(line, line, indexing="xy")
    wheel = flow_to_rgb(torch.stack([dx, dy]), 1.0)
    return torch.where(torch.hypot(dx, dy) <= 1, wheel, torch.tensor(255, dtype=torch.uint8))


def heat_to_rgb(values: Tensor, low: float | None = None, high: float | None = None) -> Tensor:
    """Numbers as colours from dark blue (low) to yellow (high).

    Args:
        values: (..., H, W).
        low: the value of the darkest colour; default the smallest.
        high: the value of the brightest; default the largest.

    Returns:
        (..., 3, H, W) uint8 RGB.

    Raises:
        ValueError: NaN, or ``high`` below ``low``.
    """
    require_shape(values, "... H W", "values")
    require_finite(values, "values")
    values = values.detach().cpu().float()
    low = float(values.min()) if low is None else low
    high = float(values.max()) if high is None else high
    if high < low:
        raise ValueError(f"high must not be below low; got low {low} and high {high}: swap them")
    steps = plotly.colors.sample_colorscale(SEQUENTIAL, np.linspace(0, 1, 256), colortype="tuple")
    table = (torch.tensor(steps) * 255).round().to(torch.uint8)  # (256, 3)
    position = (values - low) / ((high - low) or 1.0) * 255
    return table[position.clamp(0, 255).round().long()].movedim(-1, -3)  # (..., 3, H, W)


def overlay(images: Tensor, maps: Tensor, high: float | None = None) -> Tensor:
    """Images under a heat map: dark blue where the map has 0 or less, yellow where it has ``high``.

    Args:
        images: (..., 3, H, W) RGB, uint8 or floating-point numbers from 0 to 1.
        maps: (..., h, w), enlarged to the images by bilinear interpolation; leading dimensions broadcast.
        high: the value of the brightest colour; default the largest.

    Returns:
        (..., 3, H, W) uint8 RGB.

    Raises:
        ValueError: wrong shapes, or NaN in the heat maps.
    """
    require_shape(images, "... 3 H W", "images")
    require_shape(maps, "... h w", "maps")
    flat = maps.detach().float().reshape(-1, 1, *maps.shape[-2:])  # (N, 1, h, w)
    large = F.interpolate(flat, images.shape[-2:], mode="bilinear").reshape(*maps.shape[:-2], *images.shape[-2:])
    high = float(large.max()) if high is None else high
    heat = heat_to_rgb(large, 0.0, max(high, 1e-6)).float()  # (..., 3, H, W)
    return (0.45 * as_uint8(images, "images").float() + 0.55 * heat).round().to(torch.uint8)


def signed_to_rgb(values: Tensor, limit: float) -> Tensor:
    """Signed numbers as grey: 0 is mid-grey, ``limit`` and more white, ``-limit`` and less black.

    Args:
        values: (..., H, W).
        limit: of the scale, greater than 0.

    Returns:
        (..., 3, H, W) uint8 RGB.

    Raises:
        ValueError: wrong shape, NaN, or a limit that is not positive.
    """
    require_shape(values, "... H W", "values")
    require_finite(values, "values")
    require_positive(limit, "limit")
    return as_uint8((values.detach().float() / (2 * limit) + 0.5).clamp(0, 1)[..., None, :, :])


def as_uint8(clip: Tensor, name: str = "clip") -> Tensor:
    """Images as uint8 RGB on the CPU, whatever they came as.

    Args:
        clip: (..., 3, H, W) or grey (..., 1, H, W); uint8, or floating point in [0, 1].
        name: what the caller calls it.

    Returns:
        (..., 3, H, W) uint8.

    Raises:
        TypeError: another dtype.
        ValueError: another shape, NaN, or values outside [0, 1].
    """
    require_shape(clip, "... C H W", name)
    if clip.shape[-3] not in (1, 3):
        raise ValueError(
            f"{name} must be (..., 3, H, W) or (..., 1, H, W); got {tuple(clip.shape)}: colours come third last"
        )
    clip = clip.detach().cpu()
    if clip.is_floating_point():
        require_finite(clip, name)
        if clip.numel() and (clip.min() < -_ROUNDING or clip.max() > 1 + _ROUNDING):
            raise ValueError(
                f"{name} must lie in [0, 1]; got {float(clip.min()):.3g} to {float(clip.max()):.3g}: "
                "undo the normalisation, or divide by 255"
            )
        clip = (clip * 255).round().clamp(0, 255).to(torch.uint8)
    elif clip.dtype != torch.uint8:
        raise TypeError(f"{name} must be uint8 or floating point; got {clip.dtype}: convert it first")
    return clip.expand(*clip.shape[:-3], 3, *clip.shape[-2:])


def shrunk(clip: Tensor, longest: int, name: str = "clip") -> Tensor:
    """Images ``(T, 3, H, W)``, as uint8, of whose sides none is longer than so many pixels; see `as_uint8`."""
    clip = as_uint8(clip, name)
    if (factor := longest / max(clip.shape[-2:])) >= 1:
        return clip
    size = [max(1, round(side * factor)) for side in clip.shape[-2:]]
    return F.interpolate(clip, size, mode="bilinear", antialias=True)


def data_uri(image: Tensor, quality: int | None = None) -> str:
    """An image as text that lives in the page, as WebP.

    Args:
        image: (3, H, W) uint8 RGB.
        quality: None keeps every pixel (two thirds of a PNG), 1 to 100 loses some (two thirds of a JPEG).

    Raises:
        ValueError: another quality.
    """
    if quality is not None and not 1 <= quality <= 100:
        raise ValueError(f"quality must be 1 to 100 or None; got {quality}: None keeps every pixel")
    options = _LOSSLESS if quality is None else {"method": 2, "quality": quality}
    data = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).contiguous().numpy()).save(data, "webp", **options)
    return f"data:image/webp;base64,{base64.b64encode(data.getvalue()).decode()}"
