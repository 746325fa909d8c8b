"""Crops, horizontal flips and colours: how one image becomes many, to train and to test.

Every function takes ``(..., C, H, W)``, so a frame, a clip and a stack of flow fields are treated alike, and one random
choice holds for all of it: all frames of a clip are cropped at the same place. Flow that is flipped changes its vectors
as well, so functions that flip take the function to do it with, such as `labkit.flow.flip_stack`.

Randomness comes from a generator, or from torch's global one, which `labkit.training` seeds for each sample. A crop
that does not fit, or colours that are not three channels, raise ``ValueError``; colours of another dtype ``TypeError``.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Generator, Tensor
from torchvision.transforms.v2.functional import (  # type: ignore[import-untyped]
    adjust_brightness,
    adjust_contrast,
    adjust_saturation,
    five_crop,
    horizontal_flip,
    resize,
)

from labkit import checks
from labkit.flow import crop

Flip = Callable[[Tensor], Tensor]
Resize = Callable[[Tensor, tuple[int, int]], Tensor]

# Principal axes of the colours of ImageNet, one a row (R, G, B), each as long as the variance along it; colours in
# [0, 1]. Computed for fb.resnet.torch and used since in most ports of AlexNet.
IMAGENET_COLOUR_AXES = torch.tensor(
    [
        [-0.5675 * 0.2175, -0.5808 * 0.2175, -0.5836 * 0.2175],
        [0.7192 * 0.0188, -0.0045 * 0.0188, -0.6948 * 0.0188],
        [0.4009 * 0.0045, -0.8140 * 0.0045, 0.4203 * 0.0045],
    ]
)


def rescale(video: Tensor, short_side: int | None, resize: Resize = resize, *, keep_aspect: bool = True) -> Tensor:
    """Resize images to a given length of their shorter side, the other side in proportion and rounded.

    Args:
        video: ``(..., H, W)``.
        short_side: in pixels; nothing happens if None.
        resize: ``(video, (height, width)) -> video``: torchvision's for images, `labkit.flow.resize_flow` for flow.
        keep_aspect: if False, both sides get this length.

    Returns:
        ``(..., height, width)``.
    """
    if short_side is None:
        return video
    if not keep_aspect:
        return resize(video, (short_side, short_side))
    height, width = video.shape[-2:]
    factor = short_side / min(height, width)
    return resize(video, (round(factor * height), round(factor * width)))


def centre_crop(video: Tensor, crop_size: int) -> Tensor:
    """Cut out the square in the middle, half a pixel further up and left where it cannot be exact.

    ``(..., H, W)`` to a view ``(..., crop_size, crop_size)``; torchvision's ``center_crop`` would pad smaller images.
    """
    _require_room(video, crop_size)
    height, width = video.shape[-2:]
    return crop(video, (height - crop_size) // 2, (width - crop_size) // 2, crop_size, crop_size)


def random_crop(video: Tensor, crop_size: int, generator: Generator | None = None) -> Tensor:
    """Cut out a square that is uniformly random in the whole image, the same for all that is passed.

    ``(..., H, W)`` to a view ``(..., crop_size, crop_size)``.
    """
    _require_room(video, crop_size)
    height, width = video.shape[-2:]
    top = int(torch.randint(height - crop_size + 1, (), generator=generator))
    left = int(torch.randint(width - crop_size + 1, (), generator=generator))
    return crop(video, top, left, crop_size, crop_size)


CORNER_CROPS: Mapping[str, Any] = {"crop_size": 224, "short_side": 256, "crop_scales": (256, 224, 192, 168)}
"""Fields of a `labkit.views.View` whose training crops are corners: Wang et al., ECCV 2016, section 3.2."""


def corner_crop(
    video: Tensor,
    crop_size: int,
    crop_scales: Sequence[int],
    resize: Resize = resize,
    generator: Generator | None = None,
) -> Tensor:
    """Cut out a corner or the centre, of a random height and a random width, and resize it to a square.

    Random crops seldom touch the border; corners make a network look there. Two sides that differ jitter the aspect.

    Args:
        video: ``(..., C, H, W)``.
        crop_size: side of the result in pixels.
        crop_scales: heights and widths to choose from, in pixels, each at most H and W.
        resize: brings crops to ``(crop_size, crop_size)``: torchvision's for images, and for flow one that scales its
            vectors along.
        generator: source of the choices.

    Returns:
        ``(..., C, crop_size, crop_size)``.

    Source: Wang et al., "Temporal segment networks", ECCV 2016, section 3.2, "Data Augmentation": frames of 256 x 340,
    heights and widths of 256, 224, 192 and 168, and a size of 224.
    """
    for side in crop_scales:
        _require_room(video, side)
    height, width = (crop_scales[int(torch.randint(len(crop_scales), (), generator=generator))] for _ in range(2))
    down, right = video.shape[-2] - height, video.shape[-1] - width
    positions = [(0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)]
    top, left = positions[int(torch.randint(len(positions), (), generator=generator))]
    corner = crop(video, top, left, height, width)  # (..., C, height, width)
    return corner if height == width == crop_size else resize(corner, (crop_size, crop_size))


def random_flip(video: Tensor, flip: Flip = horizontal_flip, generator: Generator | None = None) -> Tensor:
    """Flip horizontally with a probability of one half, everything that is passed or nothing of it."""
    return flip(video) if torch.rand((), generator=generator) < 0.5 else video


def ten_crop(video: Tensor, crop_size: int, flip: Flip | None = horizontal_flip) -> Tensor:
    """Ten crops of each image: its corners and its centre, then the horizontal flips of these.

    Where the centre cannot be exact, it is rounded as torchvision rounds it, which may be a pixel off `centre_crop`.

    Args:
        video: ``(..., C, H, W)``.
        crop_size: side of the crops in pixels, at most H and W.
        flip: flips left to right; `labkit.flow.flip_stack` for flow; None for the first five alone, where left and
            right mean something.

    Returns:
        ``(..., 10, C, crop_size, crop_size)``: top left, top right, bottom left, bottom right, centre, and the same
        flipped; or ``(..., 5, C, crop_size, crop_size)``.

    Source: Krizhevsky, Sutskever and Hinton, NIPS 2012, section 4.1.
    """
    checks.require_shape(video, "... C H W", "video")
    _require_room(video, crop_size)
    crops = torch.stack(five_crop(video, [crop_size, crop_size]), dim=-4)  # (..., 5, C, crop_size, crop_size)
    return crops if flip is None else torch.cat([crops, flip(crops)], dim=-4)  # (..., 10, C, crop_size, crop_size)


def rgb_jitter(frames: Tensor, strength: float = 0.1, generator: Generator | None = None) -> Tensor:
    """Shift all colours along the axes in which colours of ImageNet vary: another light, of another colour.

    Each axis is multiplied by its own Gaussian number; their sum is added to every pixel of everything passed.

    Args:
        frames: ``(..., 3, H, W)`` float, in levels from 0 to 255. What leaves this range stays there: nothing is cut.
        strength: standard deviation of the Gaussian numbers, 0.1 at the source. 0 changes nothing.
        generator: source of the numbers.

    Source: Krizhevsky, Sutskever and Hinton, NIPS 2012, section 4.1: I + [p1 p2 p3] [a1 l1, a2 l2, a3 l3]^T. The length
    of an axis is its variance l with colours in [0, 1]: in levels it would be 255 times too long.
    """
    _require_rgb(frames)
    shift = 255 * strength * torch.randn(3, generator=generator) @ IMAGENET_COLOUR_AXES  # (3,)
    return frames + shift.to(frames)[:, None, None]


def photometric_jitter(frames: Tensor, strength: float = 0.4, generator: Generator | None = None) -> Tensor:
    """Change brightness, contrast and saturation in random order: another light, another camera.

    Each of the three is multiplied by its own factor, uniformly random from 1 - strength to 1 + strength. Contrast is
    changed about the mean grey of everything passed, so a colour becomes the same colour in all frames of a clip.

    Args:
        frames: ``(..., 3, H, W)`` float, in levels from 0 to 255. What leaves this range is cut off, as a camera would.
        strength: 0 to 1, else ``ValueError``. 0 changes nothing and uses no randomness.
        generator: source of order and factors.

    Source: Howard, "Some improvements on deep convolutional neural network based image classification", 2013, whose
    photometric distortions Szegedy et al., "Going deeper with convolutions", CVPR 2015, found useful. The default
    strength is ours, and so is it to leave the hue alone, which may be what tells two things apart.
    """
    _require_rgb(frames)
    if not 0 <= strength <= 1:
        raise ValueError(f"strength must be 0 to 1; got {strength}: 0.4 multiplies by 0.6 to 1.4")
    if strength == 0:
        return frames
    order = torch.randperm(3, generator=generator).tolist()
    factors = (1 + strength * (2 * torch.rand(3, generator=generator) - 1)).tolist()
    channels_first = frames.movedim(-3, 0)  # (3, ..., H, W)
    image = channels_first.flatten(1, -2) / 255  # (3, number of rows, W): one tall image, with one mean grey
    adjust = (adjust_brightness, adjust_contrast, adjust_saturation)
    for index in order:
        image = adjust[index](image, factors[index])
    return (255 * image).reshape(channels_first.shape).movedim(0, -3)


def _require_room(video: Tensor, crop_size: int) -> None:
    checks.require_shape(video, "... H W", "video")
    height, width = video.shape[-2:]
    if not 1 <= crop_size <= min(height, width):
        raise ValueError(
            f"crop_size must be 1 to {min(height, width)}, to fit {height} x {width} pixels; got {crop_size}: resize"
        )


def _require_rgb(frames: Tensor) -> None:
    checks.require_shape(frames, "... 3 H W", "frames", "three channels, red, green and blue")
    checks.require_dtype(frames, (torch.float32, torch.float64), "frames", "frames.float() in levels from 0 to 255")
