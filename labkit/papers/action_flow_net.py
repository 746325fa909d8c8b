"""Ng, "Video understanding with deep networks", PhD thesis, University of Maryland 2018, chapter 4: ActionFlowNet.

As a paper: Ng, Choi, Neumann and Davis, "ActionFlowNet: learning motion representation for action recognition", WACV
2018, https://arxiv.org/abs/1612.03052. Sections, figures and equations are cited from the thesis.

With few labels, a network on raw frames hardly finds out about motion. So it gets a second task that needs no labels:
an *encoder*, a ResNet, reads frames; a *decoder* makes optical flow of its feature maps, by deconvolutions that see
finer and finer feature maps of the encoder again. A linear *classifier* on the mean of the last feature maps names the
action. Both losses reach the encoder, so that it cannot forget motion over the actions, as a flow network does that is
only fine-tuned to actions. To classify, no decoder runs.

Shapes: clips are ``(B, T, 3, H, W)``, normalised (`clip_view`). Sixteen frames pass a 3D-ResNet-18 and give sixteen
flow fields, the last one to a frame that the network has never seen; two frames pass, stacked, a ResNet-18 and give one
field, on four scales. Logits are ``(B, K)``; flow is ``(B, F, 2, h, w)``, F = T fields or 1, in pixels of the frames,
whatever its own scale.

Where this departs from the text, or fills what it leaves open:

- *Decoder.* Deconvolutions are 4 x 4 with stride 2, as in FlowNet's code, and as wide as the feature maps that they
  meet; in the multi-frame network 4 x 4 x 3. They end in a plain ReLU (FlowNet: leaky, 0.1), without batch
  normalisation, and flow is learned in pixels (FlowNet divides it by 20). "The highest resolution" of flow is a quarter
  of the frames', where FlowNet stops. The multi-frame decoder has this one output; larger flow is interpolated.
- *Losses* are means over pixels, fields and clips where eq. (4.1) to (4.4) have sums, so that weights mean the same for
  crops of any size. The text gives no value for the weights of scales, nor for lambda: see `SCALE_WEIGHTS`, `LAMBDA`.
- *The classification loss* is the cross-entropy. Read to the letter, its indicator would leave out every clip that is
  not yet recognised.
- *Stacked*: without conv1 and pool1 the first block takes flow, two channels, and needs a projection in its shortcut.
- *Unknown flow* is NaN and does not count: after the last frame of a clip, outside of a rotated frame, in masks.
- *Multi-scale cropping* is that of temporal segment networks (Wang et al., ECCV 2016), crops of four heights and widths
  of frames 256 pixels high. Pairs of chairs are cropped in the same way, but not rescaled before.
- *Colour jitter* is that of the paper cited for it, Szegedy et al., CVPR 2015: brightness, contrast and saturation
  (`labkit.views.crops.photometric_jitter`). Its strength is not given; 0.4 is ours. All frames of a clip change alike.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock  # type: ignore[import-untyped]

from labkit import checks, metrics
from labkit.backbones.resnet import ResNet
from labkit.backbones.resnet3d import ResNet3D
from labkit.views import RGB, Flow, FramesWithFlow, RandomSegments, View
from labkit.views.crops import CORNER_CROPS, photometric_jitter
from labkit.views.pairs import move_pair

Size = Literal["paper", "tiny"]

# --- decoders ---------------------------------------------------------------------------------------------------------


class FlowDecoder(nn.Module):
    """FlowNet's way from feature maps to flow: four flow fields, each twice as large as the one before.

    At each step three things are put side by side: the feature maps, deconvolved to twice their size; those of the
    encoder that are as large, the skip connection; and the coarser flow, deconvolved as well.

    Args:
        channels: of the encoder's feature maps, res2 to res5.

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
        _init_deconvolutions(self)

    def forward(self, feature_maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Flow ``(B, 1, 2, h, w)`` on four scales, from coarse to fine, of res2 to res5, ``(B, C, h, w)`` each."""
        *skips, below = feature_maps
        flows = [self.predictions[0](below)]  # (B, 2, h, w)
        for step, skip in enumerate(reversed(skips)):
            larger = F.relu(self.deconvolutions[step](below))  # (B, C, 2h, 2w)
            below = torch.cat([skip, larger, self.enlargements[step](flows[-1])], dim=1)  # (B, 2C + 2, 2h, 2w)
            flows.append(self.predictions[step + 1](below))
        return tuple(flow[:, None] for flow in flows)  # (B, 1, 2, h, w) each


class FlowDecoder3D(nn.Module):
    """From feature maps over space and time to a flow field for every frame: deconvolutions over both, and skips.

    Args:
        channels: of the encoder's feature maps, res2 to res5.

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
        _init_deconvolutions(self)

    def forward(self, feature_maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """One flow ``(B, T, 2, h, w)``, the finest, of res2 to res5, ``(B, C, t, h, w)`` each."""
        *skips, below = feature_maps
        for deconvolution, skip in zip(self.deconvolutions, reversed(skips), strict=True):
            below = torch.cat([skip, F.relu(deconvolution(below))], dim=1)  # (B, 2C, 2t, 2h, 2w)
        return (self.prediction(below).movedim(1, 2),)  # (B, T, 2, h, w)


def _init_deconvolutions(decoder: nn.Module) -> None:
    """Filters that keep the strength of feature maps: with stride s, a location gets one in s x s of the taps."""
    for layer in decoder.modules():
        if isinstance(layer, nn.ConvTranspose2d | nn.ConvTranspose3d):
            taps = layer.in_channels * math.prod(layer.kernel_size) / math.prod(layer.stride)
            nn.init.normal_(layer.weight, std=math.sqrt(2 / taps))
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]


# --- models -----------------------------------------------------------------------------------------------------------


class ActionFlowNet(nn.Module):
    """An encoder, a classifier, and a decoder that classification does without. Figures 4.1 and 4.3.

    Its name depends on its training: on flow alone (`flow_loss`), *FlowNet*; on flow and then on actions alone
    (`labkit.losses.classification_loss`), *FlowNet fine-tune*; on both together (`multitask_loss`), best after flow
    alone, *ActionFlowNet*, or *ActionFlowNet-2F* on two frames. Without a decoder: on an image, or on given flow.

    Args:
        encoder: a `ResNet3D` for many frames; a `ResNet` for frames stacked in channels. Its ``fc`` is the classifier.
        decoder: of the encoder's size; None for a network without flow.

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
        """Logits ``(B, K)`` of clips ``(B, T, C, H, W)``. Runs no decoder (section 4.3.2, "Inference")."""
        return self.encoder.classify(self.feature_maps(clips)[-1])

    def flow(self, clips: Tensor) -> tuple[Tensor, ...]:
        """Flow ``(B, F, 2, h, w)`` on all scales, from coarse to fine, in pixels of the frames."""
        return self._decode(self.feature_maps(clips))

    def both(self, clips: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Logits and flow; the encoder runs once."""
        feature_maps = self.feature_maps(clips)
        return self.encoder.classify(feature_maps[-1]), self._decode(feature_maps)

    def feature_maps(self, clips: Tensor) -> list[Tensor]:
        """Feature maps of the encoder, res2 to res5: ``(B, C, h, w)``, or ``(B, C, t, h, w)`` over time."""
        if isinstance(self.encoder, ResNet3D):
            maps = self.encoder.to_maps(clips)  # (B, C, T, H, W)
        else:
            maps = clips.flatten(1, 2).contiguous(memory_format=torch.channels_last)  # (B, T * C, H, W)
            channels = self.encoder.conv1.in_channels
            checks.require_shape(maps, f"B {channels} H W", "clips, with stacked frames,", "see clip_view")
        outputs = []
        for stage in self.encoder.stages.values():
            maps = stage(maps)
            outputs.append(maps)
        return outputs[1:]

    def _decode(self, feature_maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        if self.decoder is None:
            raise ValueError("flow needs a decoder; this network has none: build it by two_frame_network, or the like")
        sizes = [tuple(maps.shape[2:]) for maps in feature_maps]
        if any(whole != tuple(2 * half for half in halves) for whole, halves in pairwise(sizes)):
            raise ValueError(
                f"each stage must halve what it gets; got feature maps of {sizes}: clips need sides that are multiples "
                "of 32 pixels (of 16 for tiny networks), and over time a multiple of 8 frames"
            )
        return self.decoder(feature_maps)


class WithoutStem(ResNet):
    """A ResNet without conv1 and pool1, for flow a quarter as large as a frame (in tiny networks, half).

    Source: section 4.3.3.1, Figure 4.2. res2's first block takes the input, so its shortcut becomes a projection.
    """

    def __init__(self, num_classes: int, *, in_channels: int = 2, **kwargs: Any) -> None:
        super().__init__(num_classes, in_channels=in_channels, **kwargs)
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

    def forward(self, flow: Tensor) -> Tensor:
        """Logits ``(B, num_classes)`` of flow ``(B, in_channels, h, w)``."""
        maps = flow.contiguous(memory_format=torch.channels_last)
        for stage in self.stages.values():
            maps = stage(maps)
        return self.classify(maps)


class Stacked(nn.Module):
    """A network on the flow that a fixed FlowNet predicts. Figure 4.2.

    Args:
        flow_net: trained on flow, on two frames. It stays as it is, its statistics too.
        classifier: on flow, `WithoutStem`; or a `ResNet`, for flow enlarged to the size of the frames.

    Raises:
        ValueError: the FlowNet has no decoder.

    Source: section 4.3.3.1.
    """

    def __init__(self, flow_net: ActionFlowNet, classifier: ResNet) -> None:
        super().__init__()
        if not isinstance(flow_net.decoder, FlowDecoder):
            raise ValueError("flow_net must predict flow of two frames; got one that does not: see two_frame_network")
        self.flow_net, self.classifier = flow_net.requires_grad_(False), classifier
        self.upsamples = not isinstance(classifier, WithoutStem)

    def train(self, mode: bool = True) -> "Stacked":
        """As any module, but the FlowNet stays in evaluation."""
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

LAMBDA = 1.0
"""Of eq. (4.2) and (4.4): what a pixel of end-point error costs, beside a nat of cross-entropy. Ours."""

SCALE_WEIGHTS = (0.25, 0.25, 0.5, 1.0)
"""alpha of eq. (4.3), from coarse to fine. Those of FlowNet's code, .08, .02, .01 and .005 a pixel, times the number of
pixels, four times as many on each next scale, in proportion to the finest: losses are means here."""


def epe_loss(flows: Sequence[Tensor], target: Tensor, weights: Sequence[float] = SCALE_WEIGHTS) -> Tensor:
    """The end-point error (EPE) of every scale, weighted and summed: eq. (4.1) of one scale, eq. (4.3) of four.

    A mean over all known pixels, fields and clips, where the text has sums over pixels and fields of each clip.

    Args:
        flows: ``(B, F, 2, h, w)`` on each scale, from coarse to fine, in pixels of the frames.
        target: ``(B, F, 2, H, W)``, NaN where unknown; something must be known.
        weights: alpha of each scale, the last of them if there are fewer scales.
    """
    total = target.new_zeros(())
    for flow, alpha in zip(flows, weights[-len(flows) :], strict=True):
        goal = reduce_flow(target, (flow.shape[-2], flow.shape[-1]))  # (B, F, 2, h, w)
        known = torch.isfinite(goal).all(dim=-3)  # (B, F, h, w)
        goal = goal.nan_to_num(nan=0.0)  # NaN would reach the gradients of what is unknown, counted or not
        total = total + alpha * metrics.end_point_error(flow, goal, known)  # eq. (4.1), (4.3)
    return total


def reduce_flow(flow: Tensor, size: tuple[int, int]) -> Tensor:
    """Flow on a coarser scale: the mean of what is known in each cell, in pixels of the frames as before.

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
    fraction = F.adaptive_avg_pool2d(known.to(flow), size)  # (N, 1, *size)
    return (total / fraction).reshape(*flow.shape[:-2], *size)  # (..., 2, *size); 0 / 0 is NaN


def flow_loss(model: ActionFlowNet, batch: Sequence[Tensor]) -> tuple[Tensor, dict[str, float]]:
    """Flow alone, eq. (4.1) or (4.3), makes a FlowNet; arguments as of `multitask_loss`, whose labels are not used."""
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
    clips, target, labels = batch
    logits, flows = model.both(clips)
    total = F.cross_entropy(logits, labels) + weight * epe_loss(flows, target)  # eq. (4.2), (4.4)
    shown = {"accuracy": metrics.accuracy(logits.detach(), labels), "epe": epe_loss(flows[-1:], target).item()}
    return total, shown


# --- builders: views --------------------------------------------------------------------------------------------------
# Section 4.4.2, "Overfitting Prevention": crops of several scales of a random segment, flips, colour jitter;
# "Optimization and Evaluation": 25 random segments, ten crops of each.


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

    Flow is what ``clip.flow`` gives: exact in the world, of real videos what ``data_scripts/extract_flow.py`` stored.
    It is ``(F, 2, crop_size, crop_size)``, in pixels of the crop, NaN where unknown, and comes before the label.

    Args:
        num_frames: T; 16, 2 for two-frame models, 1 for a network of images. A shorter clip repeats its last frame.
        with_flow: whether training views bring the flow to learn.
        leaves_room: whether training views without the flow end only where there is flow after their last frame: so
            networks that are compared see the same frames, whether they learn flow or not.
        jitter: strength of the colour jitter of training frames; 0 for none.
        translation: of training pairs, see `labkit.views.pairs.translate_and_rotate`; of chairs only.
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
    room = (with_flow or leaves_room) and count_fields(num_frames) == num_frames
    return View(
        sample=RandomSegments(num_frames, room=int(room)),
        modality=FramesWithFlow(num_fields=count_fields(num_frames)) if with_flow else RGB(rounded=False),
        test_modality=RGB(),
        transform=partial(move_pair, translation=translation, rotation=rotation) if translation or rotation else None,
        jitter=partial(photometric_jitter, strength=jitter),
        **{**CORNER_CROPS, **crops},
    )


def flow_view(num_fields: int = 1, **crops: Any) -> View:
    """Given flow ``(F, 2, crop_size, crop_size)`` for a network that sees fields instead of frames."""
    return View(sample=RandomSegments(num_fields), modality=Flow(), **{**CORNER_CROPS, **crops})


def count_fields(num_frames: int) -> int:
    """F: one field for a pair; else as many as frames, the last one to the frame after them."""
    return 1 if num_frames <= 2 else num_frames


FLOW: Mapping[str, Any] = {"with_flow": True, "jitter": 0.0}
"""Flow of the target videos: not moved, "to maintain the original optical flow distribution" (section 4.4.2)."""

CHAIRS: Mapping[str, Any] = {**FLOW, "num_frames": 2, "translation": 0.2, "rotation": 17.0, "short_side": None}
"""``clip_view(**CHAIRS)``: flow of FlyingChairs; how far things are moved is FlowNet's."""

# --- builders: networks -----------------------------------------------------------------------------------------------
# The same classes in two sizes, with random weights: "paper" is a ResNet-18 on 224 x 224 pixels; "tiny" has half the
# layers, a quarter as wide, for 48 x 48, and its conv1 keeps the resolution: its finest flow is half as large.

SIZES: Mapping[str, Mapping[str, Any]] = {
    "paper": {"layers": (2, 2, 2, 2)},
    "tiny": {"layers": (1, 1, 1, 1), "width": 16, "conv1": (3, 1)},
}


def multi_frame_network(num_classes: int, *, size: Size = "paper", dropout: float = 0.5) -> ActionFlowNet:
    """ActionFlowNet on 16 frames, or on 8 if tiny: a 3D-ResNet-18 (section 4.3.2)."""
    encoder = ResNet3D(num_classes, dropout=dropout, **SIZES[size])
    return ActionFlowNet(encoder, FlowDecoder3D(encoder.channels[1:]))


def two_frame_network(num_classes: int, *, size: Size = "paper", dropout: float = 0.5) -> ActionFlowNet:
    """FlowNet and ActionFlowNet-2F, on two frames: a ResNet-18 (sections 4.3.3 and 4.3.3.2)."""
    encoder = ResNet(num_classes, in_channels=6, block=BasicBlock, dropout=dropout, **SIZES[size])
    return ActionFlowNet(encoder, FlowDecoder(encoder.channels[1:]))


def one_frame_network(
    num_classes: int, *, in_channels: int = 3, size: Size = "paper", dropout: float = 0.5
) -> ActionFlowNet:
    """ResNet-18 without a decoder, on one frame, or, with 2 channels, on a field of given flow.

    To start from images: ``cross_modality_init(network.encoder, source)``. The lab's own tiny weights were trained with
    a stride of 1 in res5 and lose some of what they know with the stride of 2 here: ``other_strides=True`` allows it.
    """
    return ActionFlowNet(ResNet(num_classes, in_channels=in_channels, block=BasicBlock, dropout=dropout, **SIZES[size]))


def stacked_network(
    num_classes: int, flow_net: ActionFlowNet, *, upsample: bool = False, size: Size = "paper", dropout: float = 0.5
) -> Stacked:
    """Stacked: a ResNet-18 on the flow of a `two_frame_network` (section 4.3.3.1)."""
    build = ResNet if upsample else WithoutStem
    return Stacked(flow_net, build(num_classes, in_channels=2, block=BasicBlock, dropout=dropout, **SIZES[size]))


# --- recipes: Recipe(**RECIPES["paper"]["two_frame"]) -----------------------------------------------------------------
# Section 4.4.2: one for all, for flow and for actions; nothing is said of weight decay, or of a falling rate. For a
# laptop the rate is higher, and falls; a network of many frames sees as many samples as one of two.

_ADAM: Mapping[str, Any] = {"optimizer": torch.optim.Adam, "options": {"lr": 1e-4}, "steps": 40_000, "batch": 128}
_TINY: Mapping[str, Any] = {**_ADAM, "options": {"lr": 1e-3}, "steps": 600, "batch": 32}
RECIPES: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "paper": {"two_frame": _ADAM, "multi_frame": _ADAM},
    "tiny": {
        "two_frame": {**_TINY, "schedule": {360: 1e-3 / 3, 510: 1e-4}},
        "multi_frame": {**_TINY, "steps": 1200, "batch": 16, "schedule": {720: 1e-3 / 3, 1020: 1e-4}},
    },
}
