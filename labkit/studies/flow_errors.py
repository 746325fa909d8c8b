"""How far estimated optical flow is from the known one: of networks, of estimators that learn nothing, of guesses."""

import math
from collections.abc import Callable
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.v2.functional import resize  # type: ignore[import-untyped]

from labkit import metrics
from labkit.clips import Clip
from labkit.papers.action_flow_net import ActionFlowNet, count_fields, reduce_flow
from labkit.views import RGB, RandomSegments, View
from labkit.views.modality import known_flow

Estimate = Callable[[Tensor], Tensor]
"""Normalised clips ``(B, T, 3, H, W)`` to flow ``(B, F, 2, H, W)`` in pixels: F = 1 of a pair, else T."""


@torch.no_grad()
def full_flow(model: ActionFlowNet, clips: Tensor, multiple: int = 32) -> Tensor:
    """Flow of frames of any size, as large as they are: they are resized to sides that the network can halve, and back.

    Args:
        model: with a decoder; in evaluation mode to measure it.
        clips: ``(B, T, 3, H, W)``, moved to the device of the model.
        multiple: sides are brought up to a multiple of it: 32, or 16 for tiny networks.

    Returns:
        ``(B, F, 2, H, W)``, in pixels of the clips.
    """
    height, width = clips.shape[-2:]
    fitting = [-(-side // multiple) * multiple for side in (height, width)]
    clips = clips.to(next(model.parameters()).device)
    flow = model.flow(clips if fitting == [height, width] else resize(clips, fitting))[-1]  # in pixels of `fitting`
    large = F.interpolate(flow.flatten(0, 1), (height, width), mode="bilinear", align_corners=False)  # (B * F, 2, H, W)
    scale = large.new_tensor([width / fitting[1], height / fitting[0]])[:, None, None]
    return (large * scale).unflatten(0, flow.shape[:2])  # (B, F, 2, H, W)


def without_learning(estimate: Callable[[Tensor, Tensor], Tensor]) -> Estimate:
    """An estimator of `labkit.flow`, such as `labkit.flow.dis`, for normalised pairs."""

    def estimate_pairs(pairs: Tensor) -> Tensor:
        images = RGB().to_image(pairs)
        return estimate(images[:, 0], images[:, 1])[:, None]  # (B, 1, 2, H, W)

    return estimate_pairs


def no_motion(clips: Tensor) -> Tensor:
    """The guess that nothing moves."""
    batch, length, _, height, width = clips.shape
    return clips.new_zeros(batch, count_fields(length), 2, height, width)


def at_half_size(flow: Tensor) -> Tensor:
    """Flow ``(..., 2, H, W)`` as exact as a field of half the height and width can be."""
    height, width = flow.shape[-2:]
    half = reduce_flow(flow, (height // 2, width // 2)).flatten(0, -4)  # (N, 2, H / 2, W / 2)
    return F.interpolate(half, (height, width), mode="bilinear", align_corners=False).reshape(flow.shape)


def frames_and_flow(view: View, clip: Clip) -> tuple[Tensor, Tensor]:
    """The middle of a clip and its known flow, to measure estimates: ``clips.map(partial(frames_and_flow, view))``.

    Args:
        view: a `labkit.papers.action_flow_net.clip_view`, or a `flow_view`; whole frames are taken.
        clip: any.

    Returns:
        What the network sees, ``(T, 3, H, W)`` float32, or ``(F, 2, H, W)``; and the flow ``(F, 2, H, W)``, NaN where
        unknown.
    """
    indices = middle(view, clip)
    flow = known_flow(clip, indices[: count_fields(len(indices))], view.rescale)  # (F, 2, H, W)
    return view.at(clip, indices, whole=True), flow


def frames_flow_and_mask(view: View, clip: Clip) -> tuple[Tensor, Tensor, Tensor]:
    """As `frames_and_flow`, and where the puppet and its things are, ``(F, H, W)`` bool: of clips of the world."""
    frames, flow = frames_and_flow(view, clip)
    mask = clip.mask(middle(view, clip)[: len(flow)], "puppet", "prop")  # type: ignore[attr-defined]
    return frames, flow, mask


def flow_and_mask(view: View, clip: Clip) -> tuple[Tensor, Tensor, Tensor]:
    """As `frames_flow_and_mask`, with the flow instead of the frames: for what is made of the known flow."""
    _, flow, mask = frames_flow_and_mask(view, clip)
    return flow, flow, mask


def middle(view: View, clip: Clip) -> Tensor:
    """Indices ``(T,)`` of the frames in the middle of a clip; a short clip repeats its last frame."""
    length = cast(RandomSegments, view.sample).length
    start = max(clip.num_frames - length + (count_fields(length) != length), 1) // 2  # a pair needs no frame after it
    return (start + torch.arange(length)).clamp(max=clip.num_frames - 1)


class FlowErrors(NamedTuple):
    """Mean end-point errors of each field, ``(F,)`` in pixels, over all clips; of T fields the last is the future's.

    Attributes:
        estimate: of the estimate.
        zero: if nothing moved.
        copy: if things moved on as the known field before says, at the same location; NaN for the first one.
        own_copy: in the same way, after the estimate of the field before.
    """

    estimate: Tensor
    zero: Tensor
    copy: Tensor
    own_copy: Tensor


@torch.no_grad()
def flow_errors(estimate: Estimate, data: Dataset[tuple[Tensor, Tensor]], batch: int = 16) -> FlowErrors:
    """Measure flow, and what simple guesses of it would do.

    Args:
        estimate: see `Estimate`.
        data: ``clips.map(partial(frames_and_flow, view))``; frames of one size if ``batch`` is above 1.
        batch: clips together.

    Source: section 4.4.4, EPE; the guesses, for the future flow of section 4.3.1, are ours.
    """
    totals, counts = torch.zeros(()), torch.zeros(())
    for clips, target in DataLoader(data, batch, generator=torch.Generator()):
        flow = estimate(clips).to(target)
        guesses = flow, torch.zeros_like(target), _moved_on(target), _moved_on(flow)  # (B, F, 2, H, W) each
        errors = torch.stack([metrics.end_point_error_map(guess, target) for guess in guesses])  # (4, B, F, H, W)
        known = torch.isfinite(target).all(dim=2)  # (B, F, H, W)
        counted = torch.stack([known, known, torch.isfinite(errors[2]), known])
        totals = totals + torch.where(counted, errors.double(), 0.0).sum((1, 3, 4))  # (4, F)
        counts = counts + counted.sum((1, 3, 4))
    return FlowErrors(*(totals / counts))


def _moved_on(fields: Tensor) -> Tensor:
    """For each field the one before it; NaN for the first one."""
    before = fields.roll(1, dims=1)
    before[:, 0] = math.nan
    return before


@torch.no_grad()
def region_errors(estimate: Estimate, data: Dataset[tuple[Tensor, Tensor, Tensor]]) -> Tensor:
    """Mean end-point error inside of a mask and outside of it, ``(2,)``, of the fields between frames that are seen.

    Args:
        estimate: see `Estimate`.
        data: ``clips.map(partial(frames_flow_and_mask, view))``, frames of one size.
    """
    totals, counts = torch.zeros(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    for clips, target, mask in DataLoader(data, 16, generator=torch.Generator()):
        seen = max(target.shape[1] - 1, 1)  # without the future
        errors = metrics.end_point_error_map(estimate(clips).to(target), target)[:, :seen].double()  # (B, F, H, W)
        known = torch.isfinite(target).all(dim=2)[:, :seen]
        for region, inside in enumerate((mask[:, :seen], ~mask[:, :seen])):
            totals[region] += errors[known & inside].sum()
            counts[region] += (known & inside).sum()
    return totals / counts
