"""ActionFlowNet: a net that learns to see motion while it learns to name actions.

Ng, "Video understanding with deep networks", PhD thesis, University of Maryland 2018, chapter 4; as a paper Ng, Choi,
Neumann and Davis, "ActionFlowNet: learning motion representation for action recognition", WACV 2018,
https://arxiv.org/abs/1612.03052.

With few labels, a net on raw frames hardly finds out about motion. So it gets a second task that needs no labels: an
*encoder*, a ResNet, reads frames; a *decoder* makes optical flow of its maps, by deconvolutions that look at finer and
finer maps of the encoder again. A linear *classifier* on the mean of the last maps names the action. Both losses reach
the encoder, which cannot forget motion over the actions, as a flow net does that is only fine-tuned to actions. Who
wants to know the action alone runs no decoder.

Sixteen frames go through a 3D-ResNet-18; sixteen flow fields come out, the last one to a frame the net has never seen.
Two frames go, stacked, through a ResNet-18 and give one field, on four scales. In: clips ``(B, T, 3, H, W)``,
normalised (`clip_view`). Out: logits ``(B, K)``, and flow ``(B, F, 2, h, w)``, F = T fields or 1, in pixels of the
frames whatever its own scale.

What the text leaves open, or where this departs from it:

- *Sizes of the decoder.* Deconvolutions are 4 x 4 with stride 2, as those of FlowNet's code, as wide as the maps they
  meet; in the multi-frame net 4 x 4 x 3. "The highest resolution" of flow is a quarter of the frames', where FlowNet
  stops and where the text's two-frame net does: there all T frames are back. Larger flow is interpolated.
- *Coarser flow* is predicted only where a loss teaches it: the multi-frame decoder has one output.
- *Losses* are means over pixels, fields and clips where eq. (4.1) to (4.4) have sums, so that weights mean the same for
  windows of any size. Of the weights of scales, and of lambda, no value is given: see `SCALE_WEIGHTS` and `LAMBDA`.
- *The classification loss* is the cross-entropy. Read to the letter, its indicator would leave out every clip that is
  not yet recognised.
- *Stacked*: conv1 and pool1 removed, the first block takes flow, two channels, and needs a projection in its shortcut.
- *Unknown flow* is NaN and does not count: of frames behind the end of a clip, outside of a turned picture, in masks.
- *Multi-scale cropping* is not spelled out. It is that of temporal segment networks (Wang et al., ECCV 2016): frames
  256 pixels high, windows of four heights and widths. Pairs of chairs are cut likewise, but not rescaled before.
- *Colour jitter* is that of the paper cited for it, Szegedy et al., CVPR 2015: brightness, contrast and saturation
  (`crops.photometric_jitter`). How strong it is, is not said; 0.4 is ours. All frames of a clip change alike.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.models.resnet import BasicBlock  # type: ignore[import-untyped]
from torchvision.transforms.v2.functional import resize  # type: ignore[import-untyped]

from labkit import checks, metrics
from labkit.backbones.resnet import ResNet
from labkit.backbones.resnet3d import ResNet3D, resnet3d_18, resnet3d_tiny
from labkit.clips import Clip
from labkit.flow import pixel_grid, sample_bilinear
from labkit.views import RGB, Flow, FramesWithFlow, RandomSegments, View
from labkit.views.crops import CORNER_CROPS, centre_crop, photometric_jitter
from labkit.views.modality import known_flow

VERSION = 2  # raised by hand whenever results can change

LAMBDA = 1.0
"""Of eq. (4.2) and (4.4): what a pixel of end-point error costs, next to a nat of cross-entropy. Ours."""

SCALE_WEIGHTS = (0.25, 0.25, 0.5, 1.0)
"""alpha of eq. (4.3), from coarse to fine. Those of FlowNet's code, .08, .02, .01 and .005 a pixel, times the number of
pixels, four times as many on each next scale, in proportion to the finest: losses are means here."""


# --- blocks: decoders -------------------------------------------------------------------------------------------------


class FlowDecoder(nn.Module):
    """FlowNet's way from maps to flow: four flow fields, each twice as large as the one before.

    At each step three things are put side by side: the maps deconvolved to twice their size, the maps of the encoder
    that are as large, and the coarser flow, deconvolved as well.

    Args:
        channels: of the encoder's maps, res2 to res5.

    Source: section 4.3.3, after Fischer et al., "FlowNet", ICCV 2015, section 3, "Refinement".
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        *skips, below = channels
        self.deconvolutions, self.predictions, self.enlargements = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for skip in reversed(skips):
            self.predictions.append(nn.Conv2d(below, 2, 3, padding=1))
            self.enlargements.append(nn.ConvTranspose2d(2, 2, 4, 2, padding=1))
            self.deconvolutions.append(nn.ConvTranspose2d(below, skip, 4, 2, padding=1))
            below = 2 * skip + 2
        self.predictions.append(nn.Conv2d(below, 2, 3, padding=1))
        _start(self)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Flow ``(B, 1, 2, h, w)`` on four scales, from coarse to fine, of maps ``(B, C, h, w)`` of res2 to res5."""
        *skips, below = maps
        flows = [self.predictions[0](below)]  # (B, 2, h, w)
        for step, skip in enumerate(reversed(skips)):
            larger = F.relu(self.deconvolutions[step](below))  # (B, C, 2h, 2w)
            below = torch.cat([skip, larger, self.enlargements[step](flows[-1])], dim=1)  # (B, 2C + 2, 2h, 2w)
            flows.append(self.predictions[step + 1](below))
        return tuple(flow[:, None] for flow in flows)  # (B, 1, 2, h, w) each


class FlowDecoder3D(nn.Module):
    """From maps over space and time to a flow field for every frame: deconvolutions over both, and the encoder's maps.

    Args:
        channels: of the encoder's maps, res2 to res5.

    Source: section 4.3.1 and Figure 4.1.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        *skips, below = channels
        self.deconvolutions = nn.ModuleList()
        for skip in reversed(skips):  # output_padding makes three taps in time double it exactly
            self.deconvolutions.append(nn.ConvTranspose3d(below, skip, (3, 4, 4), 2, 1, output_padding=(1, 0, 0)))
            below = 2 * skip
        self.prediction = nn.Conv3d(below, 2, 3, padding=1)
        _start(self)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """One flow ``(B, T, 2, h, w)``, the finest, of maps ``(B, C, t, h, w)`` of res2 to res5."""
        *skips, below = maps
        for deconvolution, skip in zip(self.deconvolutions, reversed(skips), strict=True):
            below = torch.cat([skip, F.relu(deconvolution(below))], dim=1)  # (B, 2C, 2t, 2h, 2w)
        return (self.prediction(below).movedim(1, 2),)  # (B, T, 2, h, w)


def _start(decoder: nn.Module) -> None:
    """Draw the filters of deconvolutions so that maps keep their strength: a place gets one in s x s of the taps."""
    for layer in decoder.modules():
        if isinstance(layer, nn.ConvTranspose2d | nn.ConvTranspose3d):
            taps = layer.in_channels * math.prod(layer.kernel_size) / math.prod(layer.stride)
            nn.init.normal_(layer.weight, std=math.sqrt(2 / taps))
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]


# --- models -----------------------------------------------------------------------------------------------------------


class ActionFlowNet(nn.Module):
    """An encoder, a classifier, and a decoder that classification does without. Figures 4.1 and 4.3.

    Its name depends on its training: on flow alone (`flow_loss`), a *FlowNet*; on flow and then on actions
    (`labkit.losses.classification_loss`), *FlowNet fine-tune*; on actions alone, *Scratch*; on both together
    (`multitask_loss`), best after flow alone, *ActionFlowNet*, or *ActionFlowNet-2F* on two frames. Without a decoder:
    networks on a single image, or on given flow.

    Args:
        encoder: a `ResNet3D` for many frames; a `ResNet` for frames stacked in channels. Its ``fc`` is the classifier.
        decoder: of the encoder's size; None for a net without flow.

    Raises:
        ValueError: the decoder is of the other kind.
    """

    def __init__(self, encoder: ResNet, decoder: FlowDecoder | FlowDecoder3D | None = None) -> None:
        super().__init__()
        if decoder is not None and isinstance(encoder, ResNet3D) != isinstance(decoder, FlowDecoder3D):
            raise ValueError(
                f"encoder and decoder must both be over time or both not; got {type(encoder).__name__} and "
                f"{type(decoder).__name__}: ResNet3D and FlowDecoder3D, or ResNet and FlowDecoder"
            )
        self.encoder, self.decoder = encoder, decoder

    def forward(self, clips: Tensor) -> Tensor:
        """Logits ``(B, K)`` of clips ``(B, T, C, H, W)``. Runs no decoder. Source: "ActionFlowNet inference"."""
        return self.encoder.classify(self.maps(clips)[-1])

    def flow(self, clips: Tensor) -> tuple[Tensor, ...]:
        """Flow ``(B, F, 2, h, w)`` on all scales, from coarse to fine, in pixels of the frames."""
        return self._decode(self.maps(clips), clips)

    def both(self, clips: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Logits and flow, the encoder run once."""
        maps = self.maps(clips)
        return self.encoder.classify(maps[-1]), self._decode(maps, clips)

    def maps(self, clips: Tensor) -> list[Tensor]:
        """Maps of the encoder, res2 to res5: ``(B, C, h, w)``, or ``(B, C, t, h, w)`` over time."""
        if isinstance(self.encoder, ResNet3D):
            maps = self.encoder.to_maps(clips)
        else:
            channels = self.encoder.conv1.in_channels
            checks.require_shape(clips, "B T C H W", "clips")
            if clips.shape[1] * clips.shape[2] != channels:
                raise ValueError(
                    f"clips must have {channels} channels, all frames together; got {clips.shape[1]} frames of "
                    f"{clips.shape[2]}: see clip_view"
                )
            maps = clips.flatten(1, 2).contiguous(memory_format=torch.channels_last)  # (B, T * C, H, W)
        found = []
        for stage in self.encoder.stages.values():
            maps = stage(maps)
            found.append(maps)
        return found[1:]

    def _decode(self, maps: Sequence[Tensor], clips: Tensor) -> tuple[Tensor, ...]:
        if self.decoder is None:
            raise ValueError("flow needs a decoder; this net has none: build it by two_frame_paper, or the like")
        for larger, smaller in pairwise(maps):
            if any(2 * side != twice for side, twice in zip(smaller.shape[2:], larger.shape[2:], strict=True)):
                raise ValueError(
                    "clips must have sides that each stage halves evenly, multiples of 32 pixels (of 16 in tiny nets), "
                    f"and frames a multiple of 8 over time; got {tuple(clips.shape)}: cut them, or see full_flow"
                )
        return self.decoder(maps)


class WithoutStem(ResNet):
    """A ResNet without conv1 and pool1, for maps a quarter as large as a frame (in tiny nets, half).

    Source: section 4.3.3.1, Figure 4.2. res2's first block takes the input, so its shortcut becomes a projection.
    """

    def __init__(self, num_classes: int, *, in_channels: int = 2, **numbers: Any) -> None:
        super().__init__(num_classes, in_channels=in_channels, **numbers)
        width = self.channels[0]
        shortcut = nn.Sequential(nn.Conv2d(in_channels, width, 1, bias=False), nn.BatchNorm2d(width))
        first = BasicBlock(in_channels, width, downsample=shortcut)
        for layer in first.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        self.set_submodule("layer1.0", first)
        del self.conv1, self.bn1, self.maxpool

    @property
    def stages(self) -> Mapping[str, Callable[[Tensor], Tensor]]:
        """Four pieces, res2 to res5."""
        return {f"res{number + 1}": self.get_submodule(f"layer{number}") for number in range(1, 5)}

    def forward(self, maps: Tensor) -> Tensor:
        """Logits ``(B, num_classes)`` of maps ``(B, in_channels, h, w)``."""
        maps = maps.contiguous(memory_format=torch.channels_last)
        for stage in self.stages.values():
            maps = stage(maps)
        return self.classify(maps)


class Stacked(nn.Module):
    """A net on the flow that a fixed flow net predicts. Figure 4.2.

    Args:
        flow_net: taught flow, on two frames. It stays as it is, its statistics too.
        classifier: on flow, `WithoutStem`; or a `ResNet`, for flow brought up to the size of the frames.

    Raises:
        ValueError: the flow net has no decoder.

    Source: section 4.3.3.1.
    """

    def __init__(self, flow_net: ActionFlowNet, classifier: ResNet) -> None:
        super().__init__()
        if not isinstance(flow_net.decoder, FlowDecoder):
            raise ValueError("flow_net must predict flow of two frames; got a net that does not: two_frame_paper, ...")
        self.flow_net, self.classifier = flow_net.requires_grad_(False), classifier

    @property
    def upsamples(self) -> bool:
        """Whether flow is brought up to the size of the frames."""
        return not isinstance(self.classifier, WithoutStem)

    def train(self, mode: bool = True) -> "Stacked":
        """As any module, but the flow net stays in evaluation."""
        super().train(mode)
        self.flow_net.eval()
        return self

    def forward(self, clips: Tensor) -> Tensor:
        """Logits ``(B, K)`` of pairs ``(B, 2, 3, H, W)``."""
        with torch.no_grad():
            flow = self.flow_net.flow(clips)[-1].squeeze(1)  # (B, 2, h, w)
        if self.upsamples:
            flow = F.interpolate(flow, clips.shape[-2:], mode="bilinear", align_corners=False)  # (B, 2, H, W)
        return self.classifier(flow)


# --- procedure: losses ------------------------------------------------------------------------------------------------


def reduce_flow(flow: Tensor, size: tuple[int, int]) -> Tensor:
    """The truth on a coarser scale: the mean of what is known in each cell, in pixels of the frames as before.

    Args:
        flow: ``(..., 2, H, W)``, NaN where unknown.
        size: height and width; they divide H and W, or cells overlap.

    Returns:
        ``(..., 2, *size)``, NaN where nothing in a cell is known.
    """
    checks.require_shape(flow, "... 2 H W", "flow", "pass dx, dy only")
    fields = flow.flatten(0, -4) if flow.ndim > 3 else flow[None]  # (N, 2, H, W)
    known = torch.isfinite(fields).all(dim=1, keepdim=True)  # (N, 1, H, W)
    total = F.adaptive_avg_pool2d(fields.masked_fill(~known, 0.0), size)  # (N, 2, *size)
    share = F.adaptive_avg_pool2d(known.to(flow), size)  # (N, 1, *size)
    return (total / share).reshape(*flow.shape[:-2], *size)  # (..., 2, *size); 0 / 0 is NaN


def epe_loss(flows: Sequence[Tensor], truth: Tensor, weights: Sequence[float] = SCALE_WEIGHTS) -> Tensor:
    """The end-point error of every scale, weighed and summed: eq. (4.1) of one scale, eq. (4.3) of four.

    Args:
        flows: ``(B, F, 2, h, w)`` on each scale, from coarse to fine, in pixels of the frames.
        truth: ``(B, F, 2, H, W)``, NaN where unknown.
        weights: alpha of each scale, the last of them if there are fewer scales.

    Returns:
        The mean over all known pixels, fields and clips, where the text has sums over pixels and fields of each clip.

    Raises:
        ValueError: nothing is known at all.
    """
    total = truth.new_zeros(())
    for flow, weight in zip(flows, weights[-len(flows) :], strict=True):
        goal = reduce_flow(truth, (flow.shape[-2], flow.shape[-1]))  # (B, F, 2, h, w)
        known = torch.isfinite(goal).all(dim=-3)  # (B, F, h, w)
        # NaN would reach the gradients of all that is unknown, counted or not.
        total = total + weight * metrics.end_point_error(flow, goal.nan_to_num(nan=0.0), known)  # eq. (4.1), (4.3)
    return total


def flow_loss(model: ActionFlowNet, batch: Sequence[Tensor]) -> tuple[Tensor, dict[str, float]]:
    """Flow alone, eq. (4.1) or (4.3): makes a FlowNet; for `labkit.training.fit`.

    Args:
        model: with a decoder.
        batch: clips ``(B, T, 3, H, W)``, flow ``(B, F, 2, H, W)`` and labels that nobody looks at.
    """
    flows = model.flow(batch[0])
    return epe_loss(flows, batch[1]), {"epe": epe_loss(flows[-1:], batch[1]).item()}


def multitask_loss(
    model: ActionFlowNet, batch: Sequence[Tensor], weight: float = LAMBDA
) -> tuple[Tensor, dict[str, float]]:
    """Actions and flow, eq. (4.2) or (4.4): makes an ActionFlowNet.

    Args:
        model: with a decoder.
        batch: clips ``(B, T, 3, H, W)``, flow ``(B, F, 2, H, W)`` and labels ``(B,)``.
        weight: lambda; another one with ``functools.partial``.
    """
    clips, truth, labels = batch
    logits, flows = model.both(clips)
    total = F.cross_entropy(logits, labels) + weight * epe_loss(flows, truth)  # eq. (4.2), (4.4)
    shown = {"accuracy": metrics.accuracy(logits.detach(), labels), "epe": epe_loss(flows[-1:], truth).item()}
    return total, shown


# --- procedure: flow of any picture, errors, counts -------------------------------------------------------------------


@torch.no_grad()
def full_flow(model: ActionFlowNet, clips: Tensor, multiple: int = 32) -> Tensor:
    """Flow of pictures of any size, as large as they are: they are brought to a size that the net can halve, and back.

    Args:
        model: with a decoder; in evaluation mode to measure it.
        clips: ``(B, T, 3, H, W)``, moved to the device of the model.
        multiple: sides are brought up to a multiple of it: 32, or 16 for tiny nets.

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


class FlowErrors(NamedTuple):
    """Mean end-point errors of each field, ``(F,)`` in pixels, all clips together; the last one is the future's.

    Attributes:
        net: of the estimate.
        zero: if nothing moved.
        copy: if things went on as the field before says, at the same place; NaN for the first one.
    """

    net: Tensor
    zero: Tensor
    copy: Tensor


@torch.no_grad()
def flow_errors(
    estimate: Callable[[Tensor], Tensor], data: Dataset[tuple[Tensor, Tensor]], batch: int = 16
) -> FlowErrors:
    """Measure flow, and what simple guesses of it would do.

    Args:
        estimate: clips ``(B, T, 3, H, W)`` to flow ``(B, F, 2, H, W)``, e.g. ``partial(full_flow, model.eval())``.
        data: ``clips.map(partial(frames_and_flow, view))``; frames of one size if ``batch`` is above 1.
        batch: clips at a time.

    Source: section 4.4.4, EPE; the guesses, for the future flow of section 4.3.1, are ours.
    """
    totals, counts = torch.zeros(0), torch.zeros(0)
    for clips, truth in DataLoader(data, batch, generator=torch.Generator()):
        before = truth.roll(1, dims=1)  # (B, F, 2, H, W)
        before[:, 0] = math.nan
        guesses = estimate(clips).to(truth), torch.zeros_like(truth), before
        errors = torch.stack([metrics.end_point_error_map(guess, truth) for guess in guesses])  # (3, B, F, H, W)
        there, copied = torch.isfinite(truth).all(dim=2), torch.isfinite(errors[2])  # (B, F, H, W)
        known = torch.stack([there, there, copied])
        found = torch.where(known, errors.double(), 0.0).sum((1, 3, 4)), known.sum((1, 3, 4))  # (3, F) each
        totals, counts = found if not len(totals) else (totals + found[0], counts + found[1])
    return FlowErrors(*(totals / counts))


def parameter_count(module: nn.Module) -> int:
    """Numbers in all parameters: of a ``model`` with its decoder, of ``model.encoder`` what is left to classify."""
    return sum(parameter.numel() for parameter in module.parameters())


def decoder_calls(model: ActionFlowNet, run: Callable[[], Any]) -> int:
    """How many layers of the decoder run while ``run`` does, such as ``lambda: model(clips)``."""
    calls: list[nn.Module] = []
    layers = [] if model.decoder is None else [layer for layer in model.decoder.modules() if not [*layer.children()]]
    hooks = [layer.register_forward_hook(lambda layer, inputs, output: calls.append(layer)) for layer in layers]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    return len(calls)


# --- procedure: moved pairs -------------------------------------------------------------------------------------------


def translate_and_rotate(
    frames: Tensor, flow: Tensor, translation: float = 0.2, rotation: float = 17.0, generator: Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Translate and rotate a pair, both frames alike, and the second one a little more, with the flow that this makes.

    The second frame moves on by a tenth of the largest motion at most: this is what makes new flow of old, and why the
    thesis does it to chairs only. FlowNet says no more than "smaller".

    Args:
        frames: ``(2, 3, H, W)``, float.
        flow: ``(1, 2, H, W)``, from the first to the second, in pixels.
        translation: the largest one to either side, as a fraction of the width.
        rotation: the largest one about the centre, in degrees.
        generator: source of the random motion; torch's global one if None.

    Returns:
        Both in the same shapes. Frames repeat their border; flow is NaN where the first frame shows such pixels.

    Source: Fischer et al., "FlowNet", ICCV 2015, "Data augmentation"; section 4.4.2.
    """
    checks.require_shape(frames, "2 3 H W", "frames")
    checks.require_shape(flow, "1 2 H W", "flow")
    height, width = frames.shape[-2:]
    first = _motion(height, width, translation * width, rotation, generator)  # (3, 3)
    second = _motion(height, width, 0.1 * translation * width, 0.1 * rotation, generator) @ first
    grid = pixel_grid(height, width, flow.double())  # (H * W, 2)
    sources = [_apply(motion.inverse(), grid) for motion in (first, second)]  # where pixels come from
    moved = torch.stack([sample_bilinear(frame, places) for frame, places in zip(frames, sources, strict=True)])
    old = sample_bilinear(flow[0], sources[0]).mT  # (H * W, 2)
    new = _apply(second, sources[0] + old) - grid  # where the thing goes, less where it is
    limits = grid.new_tensor([width - 1, height - 1])
    outside = ((sources[0] < 0) | (sources[0] > limits)).any(dim=1)  # (H * W,)
    new = new.masked_fill(outside[:, None], math.nan).to(flow).mT  # (2, H * W)
    return moved.unflatten(-1, (height, width)), new.unflatten(-1, (height, width))[None]


def _move(video: Tensor, translation: float, rotation: float, generator: Generator | None = None) -> Tensor:
    """`translate_and_rotate` of a pair and its flow as one video, ``(8, H, W)``."""
    pair = FramesWithFlow(num_fields=1)
    frames, flow = pair.split(video)
    return pair.join(*translate_and_rotate(frames, flow, translation, rotation, generator))


def _motion(height: int, width: int, translation: float, rotation: float, generator: Generator | None) -> Tensor:
    """A random rotation about the centre, then a translation, of points (x, y, 1): ``(3, 3)`` float64."""
    dx, dy, angle = (2 * torch.rand(3, generator=generator, dtype=torch.float64) - 1).tolist()
    cos, sin = math.cos(math.radians(rotation * angle)), math.sin(math.radians(rotation * angle))
    x, y = (width - 1) / 2, (height - 1) / 2
    rows = [[cos, -sin, x - cos * x + sin * y + translation * dx], [sin, cos, y - sin * x - cos * y + translation * dy]]
    return torch.tensor([*rows, [0.0, 0.0, 1.0]], dtype=torch.float64)


def _apply(motion: Tensor, points: Tensor) -> Tensor:
    return points @ motion[:2, :2].mT + motion[:2, 2]


# --- builders: views --------------------------------------------------------------------------------------------------
# Section 4.4.2, "Overfitting prevention": crops of several scales of a random segment, flips, colour jitter;
# "Optimization and evaluation": 25 random segments, ten crops of each.


def clip_view(
    num_frames: int = 16,
    *,
    with_flow: bool = False,
    leaves_room: bool = False,
    jitter: float = 0.4,
    translation: float = 0.0,
    rotation: float = 0.0,
    **crops: Any,
) -> View:
    """T consecutive frames ``(T, 3, crop_size, crop_size)``, normalised; to train, with their flow if wanted.

    Flow is what ``clip.flow`` gives: in the world the truth, of real videos what ``data_scripts/extract_flow.py`` has
    stored, the "pseudo-ground-truth". It is ``(F, 2, crop_size, crop_size)``, F = T fields, or 1 of a pair or a single
    frame, in pixels of the crop, NaN where unknown, and comes before the label.

    Args:
        num_frames: T; 16, 2 for two-frame models, 1 for a network of images. A shorter clip repeats its last frame.
        with_flow: whether training views bring the flow to learn.
        leaves_room: whether training views without the flow end only where there is flow after their last frame: so
            networks that are compared see the same frames, whether they learn flow or not.
        jitter: strength of the colour jitter of training frames; 0 for none.
        translation: of training pairs, see `translate_and_rotate`; chairs only.
        rotation: of training pairs as well.
        **crops: other values of `labkit.views.crops.CORNER_CROPS`, and ``flip``, of the `View`. The crop size is a
            multiple of 32 for networks of the paper's size, of 16 for tiny ones.

    Raises:
        ValueError: translation or rotation of anything but pairs with their flow.
    """
    if (translation or rotation) and not (with_flow and num_frames == 2):
        raise ValueError(
            "translation and rotation are for pairs of frames with their flow; got other views: clip_view(2, "
            "with_flow=True, ...), or translation=0, rotation=0"
        )
    room = (with_flow or leaves_room) and _num_fields(num_frames) == num_frames
    return View(
        sample=RandomSegments(num_frames, room=int(room)),
        modality=FramesWithFlow(num_fields=_num_fields(num_frames)) if with_flow else RGB(rounded=False),
        test_modality=RGB(),
        transform=partial(_move, translation=translation, rotation=rotation) if translation or rotation else None,
        jitter=partial(photometric_jitter, strength=jitter),
        **{**CORNER_CROPS, **crops},
    )


def flow_view(num_fields: int = 1, **crops: Any) -> View:
    """Given flow ``(F, 2, crop_size, crop_size)`` for a network that sees fields instead of frames."""
    return View(sample=RandomSegments(num_fields), modality=Flow(), **{**CORNER_CROPS, **crops})


CHAIRS: Mapping[str, Any] = {
    "num_frames": 2,
    "with_flow": True,
    "jitter": 0.0,
    "translation": 0.2,
    "rotation": 17.0,
    "short_side": None,
}
"""``clip_view(**CHAIRS)``: flow of FlyingChairs; how far things are moved is FlowNet's (section 4.4.2)."""

FLOW: Mapping[str, Any] = {"with_flow": True, "jitter": 0.0}
"""Flow of the target videos: not moved, "to maintain the original optical flow distribution"."""

ACTIONS: Mapping[str, Any] = {"with_flow": False, "jitter": 0.4}
"""Actions; with ``with_flow=True``, actions and flow."""


def frames_and_flow(view: View, clip: Clip, start: int | None = None, *, whole: bool = True) -> tuple[Tensor, Tensor]:
    """Frames and their flow, as they are: to measure flow, ``clips.map(partial(frames_and_flow, view))``.

    Args:
        view: a `clip_view`, or a `flow_view`.
        clip: any.
        start: the first frame; the middle of what is possible if None.
        whole: the whole frames, or just the centre crop.

    Returns:
        What the network sees, ``(T, 3, H, W)`` float32, or ``(F, 2, H, W)``; and the true flow ``(F, 2, H, W)``, NaN
        where unknown.
    """
    length = cast(RandomSegments, view.sample).length
    num_fields = _num_fields(length)
    if start is None:
        start = max(clip.num_frames - length + (num_fields != length), 1) // 2  # there is flow from the last frame
    indices = (start + torch.arange(length)).clamp(max=clip.num_frames - 1)
    flow = known_flow(clip, indices[:num_fields], view.rescale)  # (F, 2, H, W)
    return view.at(clip, indices, whole=whole), flow if whole else centre_crop(flow, view.crop_size)


def _num_fields(num_frames: int) -> int:
    """F: one field for a pair; else as many as frames, the last one to the frame after them."""
    return 1 if num_frames <= 2 else num_frames


# --- builders: networks -----------------------------------------------------------------------------------------------
# The same classes in two sizes; all begin at random. In tiny ones conv1 keeps the resolution, so the finest flow is
# half as large as the frames, not a quarter.

_PAPER: Mapping[str, Any] = {"block": BasicBlock, "layers": (2, 2, 2, 2)}  # ResNet-18
_TINY: Mapping[str, Any] = {"block": BasicBlock, "layers": (1, 1, 1, 1), "width": 16, "conv1": (3, 1)}


def multi_frame_paper(num_classes: int, *, dropout: float = 0.5) -> ActionFlowNet:
    """ActionFlowNet on 16 frames of 224 x 224: a 3D-ResNet-18. Section 4.3.2."""
    encoder = resnet3d_18(num_classes, dropout=dropout)
    return ActionFlowNet(encoder, FlowDecoder3D(encoder.channels[1:]))


def two_frame_paper(num_classes: int, *, dropout: float = 0.5) -> ActionFlowNet:
    """FlowNet and ActionFlowNet-2F, on two frames of 224 x 224: a ResNet-18. Sections 4.3.3 and 4.3.3.2."""
    encoder = ResNet(num_classes, in_channels=6, dropout=dropout, **_PAPER)
    return ActionFlowNet(encoder, FlowDecoder(encoder.channels[1:]))


def one_frame_paper(num_classes: int, *, in_channels: int = 3, dropout: float = 0.5) -> ActionFlowNet:
    """ResNet-18 without a decoder, on one frame, or, with 2 channels, on a field of given flow.

    For the image-pre-trained one: ``cross_modality_init(model.encoder, torchvision's)``.
    """
    return ActionFlowNet(ResNet(num_classes, in_channels=in_channels, dropout=dropout, **_PAPER))


def stacked_paper(
    num_classes: int, flow_net: ActionFlowNet, *, upsample: bool = False, dropout: float = 0.5
) -> Stacked:
    """Stacked: ResNet-18 on the flow of a `two_frame_paper`. Section 4.3.3.1."""
    build = ResNet if upsample else WithoutStem
    return Stacked(flow_net, build(num_classes, in_channels=2, dropout=dropout, **_PAPER))


def multi_frame_tiny(num_classes: int, *, dropout: float = 0.5) -> ActionFlowNet:
    """ActionFlowNet on 8 or 16 frames of 48 x 48."""
    encoder = resnet3d_tiny(num_classes, dropout=dropout)
    return ActionFlowNet(encoder, FlowDecoder3D(encoder.channels[1:]))


def two_frame_tiny(num_classes: int, *, dropout: float = 0.5) -> ActionFlowNet:
    """FlowNet and ActionFlowNet-2F, on two frames of 48 x 48."""
    encoder = ResNet(num_classes, in_channels=6, dropout=dropout, **_TINY)
    return ActionFlowNet(encoder, FlowDecoder(encoder.channels[1:]))


def one_frame_tiny(num_classes: int, *, in_channels: int = 3, dropout: float = 0.5) -> ActionFlowNet:
    """On one frame of 48 x 48, or a field of given flow.

    ``source_weights("resnet")`` fit its encoder with ``other_strides=True``: they have learned with a stride of 1 in
    res5, and lose some of what they know with this net's 2.
    """
    return ActionFlowNet(ResNet(num_classes, in_channels=in_channels, dropout=dropout, **_TINY))


def stacked_tiny(num_classes: int, flow_net: ActionFlowNet, *, upsample: bool = False, dropout: float = 0.5) -> Stacked:
    """Stacked on the flow of a `two_frame_tiny`."""
    build = ResNet if upsample else WithoutStem
    return Stacked(flow_net, build(num_classes, in_channels=2, dropout=dropout, **_TINY))


# --- recipes: Recipe(**PAPER) -----------------------------------------------------------------------------------------
# Section 4.4.2: one for all, for flow and for actions; nothing is said of weight decay, or of the rate falling.

PAPER: Mapping[str, Any] = {"optimizer": torch.optim.Adam, "options": {"lr": 1e-4}, "steps": 40_000, "batch": 128}
TINY: Mapping[str, Any] = {"optimizer": torch.optim.Adam, "options": {"lr": 1e-3}, "steps": 300, "batch": 32}
