"""What a network sees of a clip, colours or motion: how it is read, resized, flipped and normalised.

A `Modality` reads a clip into one tensor ``(..., C, H, W)``, the *video*, so that a crop or a flip holds for all of it.
Frames and flow differ in each step: flow that shrinks has shorter vectors, and flow that is flipped moves the other
way. Each frame or field is read once, however often it occurs in a view.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.v2.functional import horizontal_flip, resize  # type: ignore[import-untyped]

from labkit import checks
from labkit.clips import Clip
from labkit.flow import (
    bidirectional_stacking,
    flip_flow,
    flip_stack,
    mean_flow_subtraction,
    optical_flow_stacking,
    resize_flow,
    trajectory_stacking,
)
from labkit.views.crops import Resize

Rescale = Callable[[Tensor, Resize], Tensor]
"""Brings whole frames to the size in which crops are taken, by the function that resizes them."""


class Modality(Protocol):
    """What a `labkit.views.View` asks."""

    def count(self, clip: Clip) -> int:
        """How many frames, or flow fields, there are to choose from."""

    def read(self, clip: Clip, indices: Tensor, rescale: Rescale) -> Tensor:
        """The video ``(..., C, H, W)`` of given frames, or fields."""

    def resize(self, video: Tensor, size: tuple[int, int]) -> Tensor:
        """A video, or a crop of it, with another height and width."""

    def flip(self, video: Tensor) -> Tensor:
        """A video flipped horizontally."""

    def split(self, video: Tensor) -> tuple[Tensor, ...]:
        """What the network sees, then what it has to learn, if that is part of the video."""

    def normalise(self, inputs: Tensor) -> Tensor:
        """What the network sees, float32, in the numbers that it gets."""


@dataclass(frozen=True, kw_only=True)
class RGB:
    """Frames ``(..., 3, H, W)``, uint8, brought to zero mean and unit variance.

    Attributes:
        mean: colour (R, G, B) that becomes 0, in levels from 0 to 255; of ImageNet by default.
        std: levels that become 1.
        rounded: whether levels of resized crops are whole numbers again; if not, the video is float32.
    """

    mean: tuple[float, float, float] = (123.7, 116.3, 103.5)
    std: tuple[float, float, float] = (58.4, 57.1, 57.4)
    rounded: bool = True

    def count(self, clip: Clip) -> int:
        """All frames."""
        return clip.num_frames

    def read(self, clip: Clip, indices: Tensor, rescale: Rescale) -> Tensor:
        """Frames ``(..., 3, H, W)`` of indices ``(...)``."""
        frames = each_once(lambda wanted: rescale(clip.frames(wanted), resize), indices)
        return frames if self.rounded else frames.float()

    def resize(self, video: Tensor, size: tuple[int, int]) -> Tensor:
        """Bilinear, smoothed before shrinking."""
        return resize(video, size)

    def flip(self, video: Tensor) -> Tensor:
        """Left to right."""
        return horizontal_flip(video)

    def split(self, video: Tensor) -> tuple[Tensor, ...]:
        """The network sees all of it."""
        return (video,)

    def normalise(self, inputs: Tensor) -> Tensor:
        """Levels from 0 to 255, of any type, as float32 about 0."""
        return (inputs - torch.tensor(self.mean)[:, None, None]) / torch.tensor(self.std)[:, None, None]

    def to_image(self, inputs: Tensor) -> Tensor:
        """Frames ``(..., 3, H, W)`` as they were before `normalise`, uint8: to draw what a network sees."""
        levels = inputs * torch.tensor(self.std)[:, None, None] + torch.tensor(self.mean)[:, None, None]
        return levels.round().clamp(0, 255).byte()

    @property
    def black(self) -> Tensor:
        """What the network gets for a black pixel, ``(3,)``."""
        return -torch.tensor(self.mean) / torch.tensor(self.std)


@dataclass(frozen=True, kw_only=True)
class Flow:
    """Flow fields ``(..., 2, H, W)``, float32, in pixels per frame; unknown flow is 0, as a network cannot read NaN.

    Field t lies between the frames t and t + 1.
    """

    def count(self, clip: Clip) -> int:
        """Fields between neighbouring frames."""
        return clip.num_frames - 1

    def read(self, clip: Clip, indices: Tensor, rescale: Rescale) -> Tensor:
        """Fields ``(..., 2, H, W)`` of indices ``(...)``."""
        return known_flow(clip, indices, rescale).nan_to_num()

    def resize(self, video: Tensor, size: tuple[int, int]) -> Tensor:
        """Vectors scale along, of a field or of a stack ``(..., 2L, H, W)``."""
        return resize_flow(video.unflatten(-3, (-1, 2)), size).flatten(-4, -3)  # (..., 2L, h, w)

    def flip(self, video: Tensor) -> Tensor:
        """Left to right; dx changes its sign."""
        return flip_stack(video)

    def split(self, video: Tensor) -> tuple[Tensor, ...]:
        """The network sees all of it."""
        return (video,)

    def normalise(self, inputs: Tensor) -> Tensor:
        """Flow stays in pixels per frame."""
        return inputs


@dataclass(frozen=True, kw_only=True)
class FlowStack(Flow):
    """Stacks ``(..., 2L, H, W)`` of L consecutive flow fields, as `labkit.flow.stack` makes them.

    Attributes:
        trajectories: read fields along the paths of the pixels instead of at the same location.
        bidirectional: view the fields from the frame in their middle: the second half runs forward from it, the first
            half backward. L must be even.
        subtract_mean: take from each field its mean vector over the whole frame.
    """

    trajectories: bool = False
    bidirectional: bool = False
    subtract_mean: bool = False

    def read(self, clip: Clip, indices: Tensor, rescale: Rescale) -> Tensor:
        """Stacks ``(..., 2L, H, W)`` of indices ``(..., L)``."""

        def forward(wanted: Tensor) -> Tensor:
            return rescale(clip.flow(wanted), resize_flow)

        def backward(wanted: Tensor) -> Tensor:
            return rescale(clip.flow(wanted, backward=True), resize_flow)

        if self.bidirectional:
            before, after = indices.tensor_split([indices.shape[-1] // 2], dim=-1)  # (..., L/2) each
            fields = each_once(forward, after), each_once(backward, before + 1)  # (..., L/2, 2, H, W) each
            stack = bidirectional_stacking(*fields, along_trajectories=self.trajectories)  # (..., 2L, H, W)
        else:
            stacking = trajectory_stacking if self.trajectories else optical_flow_stacking
            stack = stacking(each_once(forward, indices))  # (..., 2L, H, W)
        return mean_flow_subtraction(stack) if self.subtract_mean else stack


@dataclass(frozen=True, kw_only=True)
class FlowImage(Flow):
    """Flow as an image of three channels, for networks that know colours: see `flow_image`.

    Attributes:
        bound: pixels per frame, beyond which flow is cut off.
        std: levels, from 0 to 255, that become 1.
    """

    bound: float = 40.0
    std: float = 57.0

    def read(self, clip: Clip, indices: Tensor, rescale: Rescale) -> Tensor:
        """Fields ``(..., 2, H, W)`` of indices ``(...)``; `normalise` makes images of them."""
        return each_once(lambda wanted: rescale(clip.flow(wanted), resize_flow), indices)

    def normalise(self, inputs: Tensor) -> Tensor:
        """Images ``(..., 3, H, W)`` of fields ``(..., 2, H, W)``: about 0, and 0 in the third channel."""
        levels = (flow_image(inputs, self.bound).float() - 127.5) / self.std
        levels[..., 2, :, :] = 0  # "so that it gives no effect", so after all scaling
        return levels


@dataclass(frozen=True, kw_only=True)
class FramesWithFlow:
    """Frames, and the flow from each to the next for the network to learn, cropped and flipped alike.

    The video holds both in its channels, ``(..., 3T + 2F, H, W)`` float32; `split` gives frames ``(..., T, 3, H, W)``
    and flow ``(..., F, 2, H, W)``, in pixels of the crop, NaN where it is unknown.

    Attributes:
        num_fields: F, the fields from the first F of T frames; with F = T, the last one leads to a frame not shown.
        rgb: of the frames.
    """

    num_fields: int
    rgb: RGB = RGB(rounded=False)

    def count(self, clip: Clip) -> int:
        """All frames; a clip that ends too soon has unknown flow there."""
        return clip.num_frames

    def read(self, clip: Clip, indices: Tensor, rescale: Rescale) -> Tensor:
        """Frames and flow of indices ``(..., T)``, joined."""
        return self.join(
            self.rgb.read(clip, indices, rescale).float(),  # (..., T, 3, H, W)
            known_flow(clip, indices[..., : self.num_fields], rescale),  # (..., F, 2, H, W)
        )

    def join(self, frames: Tensor, flow: Tensor) -> Tensor:
        """``(..., 3T + 2F, H, W)`` of frames ``(..., T, 3, H, W)`` and flow ``(..., F, 2, H, W)``."""
        return torch.cat([frames.flatten(-4, -3), flow.flatten(-4, -3)], dim=-3)

    def resize(self, video: Tensor, size: tuple[int, int]) -> Tensor:
        """The vectors of flow scale along."""
        frames, flow = self.split(video)
        return self.join(resize(frames, size), resize_flow(flow, size))

    def flip(self, video: Tensor) -> Tensor:
        """Left to right; dx changes its sign."""
        frames, flow = self.split(video)
        return self.join(horizontal_flip(frames), flip_flow(flow))

    def split(self, video: Tensor) -> tuple[Tensor, ...]:
        """The frames, which the network sees, and the flow, which it has to learn."""
        frames, flow = video.tensor_split([video.shape[-3] - 2 * self.num_fields], dim=-3)
        return frames.unflatten(-3, (-1, 3)), flow.unflatten(-3, (-1, 2))

    def normalise(self, inputs: Tensor) -> Tensor:
        """The frames, about 0."""
        return self.rgb.normalise(inputs)


def each_once(read: Callable[[Tensor], Tensor], indices: Tensor) -> Tensor:
    """Read frames or fields at indices of any shape, each once: ``(*indices.shape, C, H, W)``."""
    wanted, positions = indices.unique(return_inverse=True)
    return read(wanted)[positions]


def known_flow(clip: Clip, indices: Tensor, rescale: Rescale) -> Tensor:
    """Flow from given frames to the next, ``(..., 2, H, W)``; NaN after the last frame, and where a mask says so.

    Clips of the world, and real pairs, have the mask: ``clip.valid(indices)``, bool ``(T, H, W)``. A clip of one frame
    has no flow, and raises a ValueError.
    """
    if clip.num_frames < 2:
        raise ValueError(f"a clip must have two frames or more for its flow to be known; got {clip.num_frames}")
    valid = getattr(clip, "valid", None)
    last = clip.num_frames - 2  # the field to the last frame

    def read(wanted: Tensor) -> Tensor:
        flow = clip.flow(wanted)  # (T, 2, H, W)
        return rescale(flow if valid is None else flow.masked_fill(~valid(wanted)[:, None], math.nan), resize_flow)

    flow = each_once(read, indices.clamp(max=last))
    flow[indices > last] = math.nan
    return flow


def flow_image(flow: Tensor, bound: float = 40.0) -> Tensor:
    """Flow as an image: dx and dy cut off at +-bound and brought to 0 to 255, the third channel 0.

    Args:
        flow: ``(..., 2, H, W)``, in pixels per frame.
        bound: 40 in the paper; in proportion less for smaller images, and still less where little moves.

    Returns:
        ``(..., 3, H, W)`` uint8; no motion is 127.5, rounded to even: 128.

    Source: Ng et al., "Beyond short snippets", CVPR 2015; section 3.3.4 of Ng's thesis.
    """
    checks.require_shape(flow, "... 2 H W", "flow", "pass dx, dy only")
    checks.require_positive(bound, "bound")
    levels = ((flow.clamp(-bound, bound) + bound) * (255 / (2 * bound))).round()  # (..., 2, H, W)
    return F.pad(levels, (0, 0, 0, 0, 0, 1)).to(torch.uint8)  # (..., 3, H, W)
