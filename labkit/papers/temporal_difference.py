"""Temporal difference networks: the change of what a network sees, on every level at which it sees it.

Ng, "Video understanding with deep networks", PhD thesis, University of Maryland 2018, chapter 5; as a paper Ng and
Davis, "Temporal difference networks for video action recognition", WACV 2018. (Another TDN, of Wang, Tong, Ji and Wu,
CVPR 2021, https://arxiv.org/abs/2012.10071, shares the name only.)

An *image subnetwork* looks at a few frames from all over a clip, each by itself, as temporal segment networks (TSN) do.
A *difference subnetwork* of the same size never sees a frame: what goes in is the difference of two, and before the
resolution falls the difference of their feature maps, v = f(I_2) - f(I_1), "Eulerian motion", is added to its own. So
it cannot fall back on appearance. Low levels notice small motions, high ones what has changed from one end of the clip
to the other. The scores of both are averaged.

In: snippets ``(B, s, C, H, W)``, one from each of s segments of a clip; C = 3 for a frame, 10 for a stack of 5 flow
fields. Out: logits ``(B, N, K)`` of each subnetwork after the segmental consensus, N = 1 for a TSN, N = 2 for a TDN,
the image subnetwork first; `final_prediction` averages them.

What the text leaves open, and what it is here:

- *Levels.* Table 5.4 runs from "input" by way of "conv1" to "res4", and Table 5.3 reports its last row: so all five are
  the default. Section 5.3.2 lists resolutions of 224, 56, 28 and 14, and a block of Figure 5.1 is a convolution "with
  max pooling": so conv1 is tapped behind its pool, at 56, as large as res2; res3 has 28, res4 14.
- *The start.* The difference subnetwork starts from ImageNet; on flow, the image subnetwork from a TSN trained on it.
  On RGB the thesis wants "a well trained image appearance model", and says for FCVID that a TSN is trained "first":
  here the image subnetwork is the TSN's on all sets.
- *Colour jitter* is that of the paper cited for it, Szegedy et al., CVPR 2015: brightness, contrast and saturation
  (`crops.photometric_jitter`). How strong it is, is not said; 0.4 is ours. All frames of a clip change alike.
- *The loss* is the sum of one cross-entropy for each subnetwork: consensus is taken "independently" (Figure 5.2), and
  both are combined "during testing". Combined are scores before the softmax.
- *Partial BN* fixes mean and variance of all normalisations but the first, here the first of *each* subnetwork, as each
  has an input of its own; scale and shift of all are trained on. A frozen trunk keeps all of its statistics.
- *1 x 1 convolution and gate* are named only; see `Convolved` and `Gated`.
- Flow stays in pixels per frame; the thesis cuts it off and rounds it to 256 levels, to store it.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labkit import checks, metrics
from labkit.attribution import class_activation_map
from labkit.backbones.resnet import ResNet, resnet50, resnet_tiny
from labkit.views import RGB, FlowStack, SegmentSnippets, View
from labkit.views.crops import CORNER_CROPS, photometric_jitter

VERSION = 2  # raised by hand whenever results can change

LEVELS = ("input", "conv1", "res2", "res3", "res4")
"""Where differences may be taken. Not at res5: they would meet the classifier at once (section 5.3.2)."""


# --- blocks: differences and how they are mixed in --------------------------------------------------------------------


def eulerian_motion(features: Tensor) -> Tensor:
    """What has changed from each snippet to the next: ``(B, s - 1, ...)`` of images or feature maps ``(B, s, ...)``.

    Source: section 5.3.1, v = f(I_2) - f(I_1).
    """
    return features[:, 1:] - features[:, :-1]


def segmental_consensus(scores: Tensor) -> Tensor:
    """The mean of the scores of all snippets, before a softmax: ``(B, K)`` of ``(B, n, K)``. Source: section 5.3.2."""
    return scores.mean(dim=1)


class Added(nn.Module):
    """The difference is added to what comes from below: the thesis's choice.

    Args:
        channels: of both.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()

    def forward(self, below: Tensor, motion: Tensor) -> Tensor:
        """Mix two maps ``(B, C, H, W)``; the same shape comes back."""
        return below + motion


class Convolved(Added):
    """A 1 x 1 convolution on the difference before it is added; at first it changes nothing.

    Source: section 5.3.2, "no significant difference". How it begins is left open; the identity makes it begin as
    `Added` does.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.convolution = nn.Conv2d(channels, channels, 1)
        nn.init.dirac_(self.convolution.weight)
        nn.init.zeros_(self.convolution.bias)  # type: ignore[arg-type]

    def forward(self, below: Tensor, motion: Tensor) -> Tensor:
        """Mix two maps ``(B, C, H, W)``."""
        return below + self.convolution(motion)


class Gated(Added):
    """Both are weighed, by weights worked out from both at each place and channel; at first both count fully.

    ``2 (g below + (1 - g) motion)``, g = sigmoid(W [below, motion] + b) by a 1 x 1 convolution that begins at 0.

    Source: section 5.3.2, "dynamically computing the weights of two inputs by a gating mechanism"; its form is ours.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.gate = nn.Conv2d(2 * channels, channels, 1)
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)  # type: ignore[arg-type]

    def forward(self, below: Tensor, motion: Tensor) -> Tensor:
        """Mix two maps ``(B, C, H, W)``."""
        gate = self.gate(torch.cat([below, motion], dim=1)).sigmoid()  # (B, C, H, W)
        return 2 * (gate * below + (1 - gate) * motion)


def fix_statistics(net: nn.Module, *, but_first: bool) -> None:
    """Let batch normalisation use the means and variances it has, from here to the next ``net.train()``.

    Nothing else is fixed: scale and shift keep their gradients, which many ports of partial BN take away.

    Args:
        net: any.
        but_first: whether the first one still follows its batches: partial BN, whose inputs are new to the net.

    Source: Wang et al., ECCV 2016, section 3.2, "partial BN".
    """
    layers = [layer for layer in net.modules() if isinstance(layer, nn.BatchNorm2d)]
    for layer in layers[1:] if but_first else layers:
        layer.eval()


# --- models -----------------------------------------------------------------------------------------------------------


class TSN(nn.Module):
    """A temporal segment network: one net on every snippet, their scores averaged. The baseline.

    Args:
        image: the net.
        partial_bn: whether its statistics are fixed, all but the first.

    Source: Wang et al., "Temporal segment networks: towards good practices for deep action recognition", ECCV 2016.
    """

    def __init__(self, image: ResNet, *, partial_bn: bool = True) -> None:
        super().__init__()
        self.image, self.partial_bn = image, partial_bn

    def train(self, mode: bool = True) -> "TSN":
        """As any module, but for the statistics that partial BN fixes."""
        super().train(mode)
        if mode and self.partial_bn:
            fix_statistics(self.image, but_first=True)
        return self

    def forward(self, snippets: Tensor) -> Tensor:
        """Logits ``(B, 1, K)`` of snippets ``(B, s, C, H, W)``."""
        _require_snippets(snippets, self.image, at_least=1)
        scores = self.image(snippets.flatten(0, 1)).unflatten(0, snippets.shape[:2])  # (B, s, K)
        return segmental_consensus(scores)[:, None]  # (B, 1, K)


class Look(NamedTuple):
    """What a `TDN` makes of snippets on the way to its scores.

    Attributes:
        motion: for each level in use, the differences ``(B, s - 1, C, H, W)``.
        image: last maps of the image subnetwork, ``(B, s, C, h, w)``.
        difference: last maps of the difference subnetwork, ``(B, s - 1, C, h, w)``.
    """

    motion: dict[str, Tensor]
    image: Tensor
    difference: Tensor


class TDN(nn.Module):
    """A temporal difference network, trained as a temporal segment network. Figures 5.1 and 5.2.

    The image subnetwork goes over each snippet once, however many pairs it belongs to.

    Args:
        image: the image subnetwork; the same weights for all snippets.
        difference: the difference subnetwork, of the same size, likewise for all pairs of neighbours.
        levels: of `LEVELS`, where differences enter; "input", of which the difference subnetwork lives, among them.
        mixing: how differences of features meet what comes from below: `Added`, `Convolved` or `Gated`.
        partial_bn: whether the statistics of both are fixed, all but the first of each.

    Raises:
        ValueError: unknown levels, no input among them, or subnetworks of different sizes.
    """

    def __init__(
        self,
        image: ResNet,
        difference: ResNet,
        *,
        levels: Sequence[str] = LEVELS,
        mixing: Callable[[int], Added] = Added,
        partial_bn: bool = True,
    ) -> None:
        super().__init__()
        if "input" not in levels or not set(levels) <= set(LEVELS):
            raise ValueError(f"levels must be of {', '.join(LEVELS)}, input among them; got {list(levels)}")
        if (sizes := [_sizes(net) for net in (image, difference)])[0] != sizes[1]:
            raise ValueError("both subnetworks must have the same size; got others: build both by one builder")
        self.levels = tuple(level for level in LEVELS if level in levels)
        self.image, self.difference, self.partial_bn = image, difference, partial_bn
        channels = dict(zip(image.stages, image.channels, strict=True))
        self.mixing = nn.ModuleDict({level: mixing(channels[level]) for level in self.levels if level != "input"})

    @property
    def frozen(self) -> bool:
        """Whether the trunk of the image subnetwork is fixed, as in the first phase of training."""
        return not any(parameter.requires_grad for parameter in _trunk(self.image))

    def train(self, mode: bool = True) -> "TDN":
        """As any module, but for the statistics that partial BN, or a frozen trunk, fixes."""
        super().train(mode)
        if mode and self.partial_bn:
            fix_statistics(self.image, but_first=True)
            fix_statistics(self.difference, but_first=True)
        if mode and self.frozen:
            fix_statistics(self.image, but_first=False)
        return self

    def forward(self, snippets: Tensor) -> Tensor:
        """Logits ``(B, 2, K)`` of the image and the difference subnetwork, of snippets ``(B, s, C, H, W)``, s > 1."""
        seen = self.look(snippets)
        image, difference = (
            segmental_consensus(net.classify(maps.flatten(0, 1)).unflatten(0, maps.shape[:2]))  # (B, K)
            for net, maps in ((self.image, seen.image), (self.difference, seen.difference))
        )
        return torch.stack([image, difference], dim=1)  # (B, 2, K)

    def look(self, snippets: Tensor) -> Look:
        """Everything before the classifiers, of snippets ``(B, s, C, H, W)``, s > 1."""
        _require_snippets(snippets, self.image, at_least=2)
        batch, segments = snippets.shape[:2]
        maps = snippets.flatten(0, 1).contiguous(memory_format=torch.channels_last)  # (B * s, C, H, W)
        motion: dict[str, Tensor] = {}

        def note(level: str, maps: Tensor) -> None:
            if level in self.levels:
                motion[level] = eulerian_motion(maps.unflatten(0, (batch, segments)))  # (B, s - 1, C, H, W)

        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            note("input", maps)
            for level, stage in self.image.stages.items():
                maps = stage(maps)
                note(level, maps)
        image = maps.unflatten(0, (batch, segments))  # (B, s, C, h, w)
        maps = motion["input"].flatten(0, 1)  # (B * (s - 1), C, H, W)
        for level, stage in self.difference.stages.items():
            maps = stage(maps)
            if level in self.levels:
                maps = self.mixing[level](maps, motion[level].flatten(0, 1))
        return Look(motion, image, maps.unflatten(0, (batch, segments - 1)))


def _sizes(net: ResNet) -> list[tuple[str, torch.Size]]:
    return [(name, parameter.shape) for name, parameter in net.named_parameters()]


def _trunk(net: ResNet) -> list[nn.Parameter]:
    return [parameter for name, parameter in net.named_parameters() if not name.startswith("fc.")]


def _require_snippets(snippets: Tensor, net: ResNet, at_least: int) -> None:
    channels = net.conv1.in_channels
    checks.require_shape(snippets, f"B s {channels} H W", "snippets", "one from each segment, see rgb_view")
    if snippets.shape[1] < at_least:
        raise ValueError(
            f"snippets must be {at_least} a clip at least; got {snippets.shape[1]}: a pair makes a difference"
        )


# --- procedure: two phases, prediction, fusion, activation maps -------------------------------------------------------


def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, dict[str, float]]:
    """A cross-entropy for the consensus of each subnetwork, summed; for `labkit.training.fit`.

    Args:
        model: a `TSN` or a `TDN`.
        batch: snippets ``(B, s, C, H, W)`` and labels ``(B,)``.
    """
    snippets, labels = batch
    logits = model(snippets)  # (B, N, K)
    total = torch.stack([F.cross_entropy(one, labels) for one in logits.unbind(dim=1)]).sum()
    return total, {"accuracy": metrics.accuracy(logits.detach().mean(dim=1), labels)}


def final_prediction(model: nn.Module, snippets: Tensor) -> Tensor:
    """The mean of the subnetworks' logits, ``(B, K)``; for `labkit.training.evaluate`. Source: "Final prediction"."""
    return model(snippets).mean(dim=1)


def freeze_image_trunk(model: TDN) -> TDN:
    """Begin the first phase, in place: of the image subnetwork only the classifier learns. Source: section 5.3.4."""
    model.image.requires_grad_(False)
    model.image.fc.requires_grad_(True)
    return model


def train_jointly(model: TDN) -> TDN:
    """Begin the second phase, in place: everything learns. Source: section 5.3.4."""
    model.requires_grad_(True)
    return model


def weighted_fusion(rgb: Tensor, flow: Tensor, weights: tuple[float, float] = (1.0, 1.5)) -> Tensor:
    """Scores of two modalities, each row scaled to an l1 norm of 1, weighed and summed.

    Args:
        rgb: ``(N, K)``, scores of N videos before the softmax.
        flow: the same shape.
        weights: of RGB and of flow.

    Returns:
        ``(N, K)``.

    Raises:
        ValueError: shapes differ.

    Source: section 5.3.3.
    """
    checks.require_same_shape(rgb, flow, ("rgb", "flow"), "scores of the same videos")
    return weights[0] * F.normalize(rgb, p=1, dim=1) + weights[1] * F.normalize(flow, p=1, dim=1)


def activation_maps(model: TDN, look: Look, size: tuple[int, int] | None = None) -> tuple[Tensor, Tensor]:
    """Where each subnetwork finds which class.

    Args:
        model: that has looked.
        look: at ``B`` clips.
        size: to enlarge the maps to, that of the frames; as they are if None.

    Returns:
        ``(B, s, K, h, w)`` of the image subnetwork, to be laid over each frame, and ``(B, s - 1, K, h, w)`` of the
        difference subnetwork, to be laid over the mean of both frames of a pair.

    Source: section 5.4.5.
    """
    pairs = ((look.image, model.image), (look.difference, model.difference))
    image, difference = (class_activation_map(maps, net.fc.weight, size) for maps, net in pairs)
    return image, difference


# --- builders: views --------------------------------------------------------------------------------------------------
# Sections 5.3.4 and 5.4.2, after Wang et al., ECCV 2016, section 3.2: corner crops of a random snippet of each segment;
# to test, 25 random samples, ten crops of each. All snippets of a clip are cropped and coloured alike, or differences
# would show the cropping.


def rgb_view(*, num_segments: int = 3, jitter: float = 0.4, **crops: Any) -> View:
    """A frame of each segment, ``(s, 3, crop_size, crop_size)``, normalised.

    Args:
        num_segments: s; 2 for HMDB51, 3 for ACT and FCVID.
        jitter: strength of the colour jitter of training frames; 0 for none.
        **crops: other values of `labkit.views.crops.CORNER_CROPS`, and ``flip``, of the `View`.
    """
    return View(
        sample=SegmentSnippets(num_segments),
        modality=RGB(),
        jitter=partial(photometric_jitter, strength=jitter),
        **{**CORNER_CROPS, **crops},
    )


def flow_view(*, num_segments: int = 3, length: int = 5, **crops: Any) -> View:
    """A stack of flow fields of each segment, ``(s, 2 * length, crop_size, crop_size)``; the rest as in `rgb_view`."""
    return View(sample=SegmentSnippets(num_segments, length), modality=FlowStack(), **{**CORNER_CROPS, **crops})


# --- builders: networks -----------------------------------------------------------------------------------------------
# The same classes in two sizes. Weights to begin with: `labkit.backbones.cross_modality_init` of an ImageNet net, into
# ``image`` of a TSN and into ``difference``; the ``image`` of a TDN is that of a trained TSN (section 5.3.4).


def tsn_paper(num_classes: int, *, in_channels: int = 3, dropout: float = 0.8, partial_bn: bool = True) -> TSN:
    """ResNet-50 TSN. FCVID: no dropout, no partial BN."""
    return TSN(resnet50(num_classes, in_channels=in_channels, dropout=dropout), partial_bn=partial_bn)


def tdn_paper(
    num_classes: int, *, in_channels: int = 3, dropout: float = 0.8, partial_bn: bool = True, **options: Any
) -> TDN:
    """ResNet-50 TDN; options are `TDN`'s. FCVID: no dropout, no partial BN."""
    nets = (resnet50(num_classes, in_channels=in_channels, dropout=dropout) for _ in range(2))
    return TDN(*nets, partial_bn=partial_bn, **options)


def tsn_tiny(num_classes: int, *, in_channels: int = 3, dropout: float = 0.0, partial_bn: bool = False) -> TSN:
    """TSN for windows of 56 x 56 pixels; without dropout and partial BN, as on FCVID, where data are plenty."""
    return TSN(resnet_tiny(num_classes, in_channels=in_channels, dropout=dropout), partial_bn=partial_bn)


def tdn_tiny(
    num_classes: int, *, in_channels: int = 3, dropout: float = 0.0, partial_bn: bool = False, **options: Any
) -> TDN:
    """TDN for windows of 56 x 56 pixels; see `tsn_tiny`.

    Levels have 56, 28, 28, 14 and 7 pixels. Its res5 does not halve the resolution, so res4 is not followed by a
    smaller one.
    """
    nets = (resnet_tiny(num_classes, in_channels=in_channels, dropout=dropout) for _ in range(2))
    return TDN(*nets, partial_bn=partial_bn, **options)


# --- recipes: Recipe(**HMDB51_RGB) ------------------------------------------------------------------------------------
# Section 5.4.2. The small sets "roughly follow" Wang et al., ECCV 2016, section 4.1, whose numbers of steps these are.
# A TSN, and then the first phase of a TDN, take a recipe each ("the same settings"). How long, and at which rate, both
# subnetworks learn together on the small sets is not said, nor the rate anywhere: a third as long, as on FCVID, at the
# last rate.

_SMALL: Mapping[str, Any] = {"optimizer": torch.optim.SGD, "batch": 128}

HMDB51_RGB: Mapping[str, Any] = {
    **_SMALL,
    "options": {"lr": 1e-3, "momentum": 0.9, "weight_decay": 5e-4},
    "steps": 4500,
    "schedule": {2000: 1e-4, 4000: 1e-5},
}
HMDB51_FLOW: Mapping[str, Any] = {
    **_SMALL,
    "options": {"lr": 5e-3, "momentum": 0.9, "weight_decay": 5e-4},
    "steps": 20_000,
    "schedule": {12_000: 5e-4, 18_000: 5e-5},
}
FCVID: Mapping[str, Any] = {
    **_SMALL,
    "options": {"lr": 1e-2, "momentum": 0.9, "weight_decay": 1e-4},
    "steps": 30_000,
    "schedule": {10_000: 1e-3, 20_000: 1e-4},
}
TINY: Mapping[str, Any] = {
    **FCVID,
    "options": {"lr": 5e-2, "momentum": 0.9, "weight_decay": 5e-4},
    "steps": 150,
    "batch": 32,
    "schedule": {100: 5e-3},
}


def joint(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The second phase that belongs to a recipe: a third of its steps, at its last learning rate."""
    rate = recipe["schedule"][max(recipe["schedule"])]
    return {**recipe, "options": {**recipe["options"], "lr": rate}, "steps": recipe["steps"] // 3, "schedule": None}
