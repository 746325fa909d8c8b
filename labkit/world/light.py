"""What real photos have and painted ones lack: shadows of what is outside the image, another sensor, another lens."""

import dataclasses

import cv2
import numpy as np
import torch
from torch import Tensor

from labkit.world.render import Array, Rendering

_SKY = (1.0, 0.95, 0.85)  # how much of a shadow's depth red, green and blue take: the sky lights it, which is blue


def shadows(rng: np.random.Generator, height: int, width: int, cell: float, contrast: float = 1.0) -> Array:
    """Shadows with soft edges, as of leaves and of what stands beside the camera: 0 in the light, 1 in the middle.

    Smooth noise in three octaves, cut off at a random level.

    Args:
        rng: where the draws come from.
        height: of the image, in pixels.
        width: of the image, in pixels.
        cell: size of the largest shadows, in pixels.
        contrast: 1 leaves much in half-shadow; more makes edges harder.

    Returns:
        (height, width) float32.
    """
    noise = np.zeros((height, width), np.float32)
    for octave in range(3):
        rows, columns = (max(round(2**octave * side / cell), 1) + 2 for side in (height, width))
        coarse = rng.standard_normal((rows, columns)).astype(np.float32)
        noise += 0.6**octave * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    level, softness = rng.uniform(-0.4, 0.4), rng.uniform(0.05, 0.3)
    return 1 / (1 + np.exp(np.minimum(-(contrast * noise / 1.2 - level) / softness, 80)))


def shaded(image: Array, shadow: Array, depth: float) -> Array:
    """An image (H, W, 3) in a shadow (H, W), which takes as much of the light: 0 to 1 of it."""
    return image * (1 - depth * shadow[..., None] * np.array(_SKY, np.float32))


def photographed(frames: Tensor, rng: np.random.Generator) -> Tensor:
    """A still as a cheap camera sees it: under cast shadows, tinted, a little blurred, with noise.

    Args:
        frames: ``(1, 3, H, W)`` uint8.
        rng: where the draws come from.

    Returns:
        ``(1, 3, H, W)`` uint8.
    """
    image: Array = frames[0].permute(1, 2, 0).numpy().astype(np.float32) / 255
    height, width = image.shape[:2]
    image = shaded(image, shadows(rng, height, width, rng.uniform(0.15, 0.5) * height), rng.uniform(0.25, 0.5))
    image = image * np.exp(0.08 * rng.uniform(-1, 1, 3)).astype(np.float32)
    image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.1, 0.5)))
    grain = 0.6 * rng.standard_normal(image.shape) + rng.standard_normal((height, width, 1))
    image = image + rng.uniform(0.006, 0.02) * grain.astype(np.float32)
    seen = (np.clip(image, 0, 1) * 255).round().astype(np.uint8)
    return torch.from_numpy(np.ascontiguousarray(seen.transpose(2, 0, 1)))[None]


def as_photo(picture: Rendering, rng: np.random.Generator) -> Rendering:
    """Harder contrast, stronger or no colour, dark corners: the style that sets stills off from video."""
    frames = picture.frames.float() / 255
    grey = frames.mean(1, keepdim=True)
    saturation = 0.0 if rng.random() < 0.1 else rng.uniform(1.1, 1.6)
    frames = 0.5 + rng.uniform(1.15, 1.5) * (grey + saturation * (frames - grey) - 0.5) + rng.uniform(-0.05, 0.1)
    y, x = torch.meshgrid(*(torch.linspace(-1, 1, n) for n in frames.shape[-2:]), indexing="ij")
    frames = frames * (1 - rng.uniform(0, 0.35) * (x * x + y * y) / 2)
    return dataclasses.replace(picture, frames=(frames * 255).round().clamp(0, 255).to(torch.uint8))
