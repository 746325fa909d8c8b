"""Ng and Davis, "Temporal difference networks for video action recognition", WACV 2018.

Read here as chapter 5 of Ng's thesis, "Video understanding with deep networks", University of Maryland 2018. (The TDN
of Wang et al., CVPR 2021, https://arxiv.org/abs/2012.10071, shares the name only.)

An *image subnetwork* sees a few frames from all over a clip, each by itself, as a temporal segment network does (TSN,
Wang et al., ECCV 2016, https://arxiv.org/abs/1608.00859). A *difference subnetwork* of the same size never sees a
frame: its input is the difference of two, and before the resolution falls the difference of their feature maps,
v = f(I_2) - f(I_1), "Eulerian motion", is added to its own. So it cannot rely on appearance. The scores of both are
averaged.

In: snippets ``(B, s, C, H, W)``, one from each of s segments of a clip; C = 3 for a frame, 10 for a stack of 5 flow
fields. Out: logits ``(B, N, K)`` of each subnetwork after the segmental consensus, N = 1 for a TSN, N = 2 for a TDN,
the image subnetwork first; `final_prediction` averages them.

What the text leaves open, and what it is here:

- *Levels.* Table 5.4 runs from "input" by way of "conv1" to "res4", and Table 5.3 reports its last row: so all five are
  the default. Section 5.3.2 lists resolutions of 224, 56, 28 and 14, and a block of Figure 5.1 is a convolution "with
  max pooling": so conv1 is read after its pooling, at 56, as large as res2; res3 has 28, res4 14.
- *Initial weights.* Those of the difference subnetwork are from ImageNet. The image subnetwork is a trained TSN: so the
  thesis has it on flow, and on FCVID it trains the TSN "first". On frames it only wants "a well trained image
  appearance model", which ImageNet's may be as well: a row of the study measures that reading.
- *The loss* is the sum of one cross-entropy for each subnetwork: consensus is taken "independently" (Figure 5.2), and
  both are combined "during testing". Where videos have several labels (FCVID), each has an equal part of the target.
- *Partial BN* fixes mean and variance of all normalisations but the first, here the first of *each* subnetwork, as each
  has an input of its own; scale and shift of all are trained. A frozen backbone keeps all of its statistics.
- *Crops.* On FCVID, without "corner cropping", they come from anywhere in the stored frames.
- *Colour jitter* is that of the paper cited for it, Szegedy et al., CVPR 2015: brightness, contrast and saturation
  (`crops.photometric_jitter`). Its strength, 0.4, is ours, and on FCVID as well. All frames of a clip change alike.
- *Flow* stays in pixels per frame; the thesis stores it in 256 levels. If these reach from -20 to 20 pixels, as usual
  with TSNs, a pixel is 6.4 levels, about 0.11 after a division by the deviation of ImageNet's colours. Here it is 1.0:
  the filters of the first layer see nine times as much, which the first batch normalisation has to even out.
- *1 x 1 convolution and gate* are named only; see `Convolved` and `Gated`.
- *Steps* of the joint phase on the small sets, and learning rates: see the recipes.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labkit import checks, metrics
from labkit.backbones.resnet import ResNet, resnet50, resnet_tiny
from labkit.losses import soft_targets
from labkit.views import RGB, FlowStack, SegmentSnippets, View
from labkit.views.crops import CORNER_CROPS, photometric_jitter

Size = Literal["paper", "tiny"]

LEVELS = ("input", "conv1", "res2", "res3", "res4")
"""Where differences may be taken. Not at res5, where they would reach the classifier directly (section 5.3.2)."""


# --- blocks: differences, and how they are mixed in -------------------------------------------------------------------


def eulerian_motion(features: Tensor) -> Tensor:
    """What has changed from each snippet to the next: ``(B, s - 1, ...)`` of images or feature maps ``(B, s, ...)``.

    Source: section 5.3.1, v = f(I_2) - f(I_1).
    """
    return features[:, 1:] - features[:, :-1]


def segmental_consensus(scores: Tensor) -> Tensor:
    """The mean of the scores of all snippets, before a softmax: ``(B, K)`` of ``(B, n, K)``. Source: section 5.3.2."""
    return scores.mean(dim=1)


class Added(nn.Module):
    """The difference is added to the activations from below: the thesis's choice.

    Args:
        channels: of both.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()

    def forward(self, below: Tensor, motion: Tensor) -> Tensor:
        """Mix two tensors ``(B, C, H, W)``; the same shape comes back."""
        return below + motion


class Convolved(Added):
    """A 1 x 1 convolution on the difference before it is added.

    Args:
        channels: of both.
        random: initialise at random, as PyTorch does; else by the identity, so that it starts as `Added`.

    Source: section 5.3.2, "no significant difference"; how it is initialised is left open.
    """

    def __init__(self, channels: int, *, random: bool = False) -> None:
        super().__init__(channels)
        self.convolution = nn.Conv2d(channels, channels, 1)
        if not random:
            nn.init.dirac_(self.convolution.weight)
            nn.init.zeros_(self.convolution.bias)  # type: ignore[arg-type]

    def forward(self, below: Tensor, motion: Tensor) -> Tensor:
        """Mix two tensors ``(B, C, H, W)``."""
        return below + self.convolution(motion)


class Gated(Added):
    """Both are weighted, by weights that are computed from both at each location and channel.

    ``2 (g below + (1 - g) motion)``, g = sigmoid(W [below, motion] + b) by a 1 x 1 convolution.

    Args:
        channels: of both.
        random: initialise at random, as PyTorch does; else by zeros, so that it starts as `Added`.

    Source: section 5.3.2, "dynamically computing the weights of two inputs by a gating mechanism"; its form is ours.
    """

    def __init__(self, channels: int, *, random: bool = False) -> None:
        super().__init__(channels)
        self.gate = nn.Conv2d(2 * channels, channels, 1)
        if not random:
            nn.init.zeros_(self.gate.weight)
            nn.init.zeros_(self.gate.bias)  # type: ignore[arg-type]

    def forward(self, below: Tensor, motion: Tensor) -> Tensor:
        """Mix two tensors ``(B, C, H, W)``."""
        gate = self.gate(torch.cat([below, motion], dim=1)).sigmoid()  # (B, C, H, W)
        return 2 * (gate * below + (1 - gate) * motion)


def fix_statistics(network: nn.Module, *, but_first: bool) -> None:
    """Let batch normalisation use the means and variances it has, until the next ``network.train()``.

    Nothing else is fixed: scale and shift keep their gradients, which many ports of partial BN take away.

    Args:
        network: any.
        but_first: whether the first one still follows its batches: partial BN, for inputs that are new to the network.

    Source: Wang et al., ECCV 2016, section 3.2, "partial BN".
    """
    layers = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    for layer in layers[1:] if but_first else layers:
        layer.eval()


# --- models -----------------------------------------------------------------------------------------------------------


class TSN(nn.Module):
    """A temporal segment network: one network on every snippet, their scores averaged. The baseline.

    Args:
        image: the network.
        partial_bn: whether its statistics are fixed, all but the first.

    Source: Wang et al., "Temporal segment networks: towards good practices for deep action recognition", ECCV 2016.
    """

    def __init__(self, image: ResNet, *, partial_bn: bool = True) -> None:
        super().__init__()
        self.image, self.partial_bn = image, partial_bn

    def train(self, mode: bool = True) -> "TSN":
        """As any module, except for the statistics that partial BN fixes."""
        super().train(mode)
        if mode and self.partial_bn:
            fix_statistics(self.image, but_first=True)
        return self

    def forward(self, snippets: Tensor) -> Tensor:
        """Logits ``(B, 1, K)`` of snippets ``(B, s, C, H, W)``."""
        _require_snippets(snippets, self.image, at_least=1)
        scores = self.image(snippets.flatten(0, 1)).unflatten(0, snippets.shape[:2])  # (B, s, K)
        return segmental_consensus(scores)[:, None]  # (B, 1, K)


class Features(NamedTuple):
    """What a `TDN` computes from snippets before its classifiers.

    Attributes:
        motion: for each level in use, the differences ``(B, s - 1, C, H, W)``.
        image: last feature maps of the image subnetwork, ``(B, s, C, h, w)``.
        difference: last feature maps of the difference subnetwork, ``(B, s - 1, C, h, w)``.
    """

    motion: dict[str, Tensor]
    image: Tensor
    difference: Tensor


class TDN(nn.Module):
    """A temporal difference network, trained as a temporal segment network. Figures 5.1 and 5.2.

    Each snippet passes the image subnetwork once, however many pairs it belongs to.

    Args:
        image: the image subnetwork; the same weights for all snippets.
        difference: the difference subnetwork, of the same size; the same weights for all pairs of neighbours.
        levels: of `LEVELS`, where differences enter; "input", without which nothing would, among them.
        mixing: how differences of features meet the activations from below: `Added`, `Convolved` or `Gated`.
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
        if _sizes(image) != _sizes(difference):
            raise ValueError("both subnetworks must have the same size; got others: build both by one builder")
        self.levels = tuple(level for level in LEVELS if level in levels)
        self.image, self.difference, self.partial_bn = image, difference, partial_bn
        channels = dict(zip(image.stages, image.channels, strict=True))
        self.mixing = nn.ModuleDict({level: mixing(channels[level]) for level in self.levels if level != "input"})

    def forward(self, snippets: Tensor) -> Tensor:
        """Logits ``(B, 2, K)`` of the image and the difference subnetwork, of snippets ``(B, s, C, H, W)``, s > 1."""
        features = self.features(snippets)
        image = self.image.classify(features.image.flatten(0, 1))  # (B * s, K)
        difference = self.difference.classify(features.difference.flatten(0, 1))  # (B * (s - 1), K)
        scores = [each.unflatten(0, (len(snippets), -1)) for each in (image, difference)]  # (B, n, K) each
        return torch.stack([segmental_consensus(each) for each in scores], dim=1)  # (B, 2, K)

    def features(self, snippets: Tensor) -> Features:
        """Everything before the classifiers, of snippets ``(B, s, C, H, W)``, s > 1."""
        _require_snippets(snippets, self.image, at_least=2)
        batch, segments = snippets.shape[:2]
        image = snippets.flatten(0, 1).contiguous(memory_format=torch.channels_last)  # (B * s, C, H, W)
        stages: dict[str, Callable[[Tensor], Tensor]] = {"input": nn.Identity(), **self.image.stages}
        motion: dict[str, Tensor] = {}
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            for level, stage in stages.items():
                image = stage(image)
                if level in self.levels:
                    motion[level] = eulerian_motion(image.unflatten(0, (batch, segments)))  # (B, s - 1, C, H, W)
        difference = motion["input"].flatten(0, 1)  # (B * (s - 1), C, H, W)
        for level, stage in self.difference.stages.items():
            difference = stage(difference)
            if level in self.levels:
                difference = self.mixing[level](difference, motion[level].flatten(0, 1))
        both = image.unflatten(0, (batch, segments)), difference.unflatten(0, (batch, segments - 1))
        return Features(motion, *both)

    @property
    def frozen(self) -> bool:
        """Whether the backbone of the image subnetwork is fixed, as in the first phase of training."""
        parameters = self.image.named_parameters()
        return not any(value.requires_grad for name, value in parameters if not name.startswith("fc."))

    def train(self, mode: bool = True) -> "TDN":
        """As any module, except for the statistics that partial BN, or a frozen backbone, fixes."""
        super().train(mode)
        if mode and self.partial_bn:
            fix_statistics(self.image, but_first=True)
            fix_statistics(self.difference, but_first=True)
        if mode and self.frozen:
            fix_statistics(self.image, but_first=False)
        return self


def _sizes(network: ResNet) -> list[tuple[str, torch.Size]]:
    return [(name, parameter.shape) for name, parameter in network.named_parameters()]


def _require_snippets(snippets: Tensor, network: ResNet, at_least: int) -> None:
    channels = network.conv1.in_channels
    checks.require_shape(snippets, f"B s {channels} H W", "snippets", "one from each segment, see rgb_view")
    if snippets.shape[1] < at_least:
        raise ValueError(
            f"snippets must be at least {at_least} a clip; got {snippets.shape[1]}: a pair has a difference"
        )


# --- procedure: loss, two phases, prediction, fusion ------------------------------------------------------------------


def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, dict[str, float]]:
    """A cross-entropy for the consensus of each subnetwork, summed; for `labkit.training.fit`.

    Args:
        model: a `TSN` or a `TDN`.
        batch: snippets ``(B, s, C, H, W)``, and labels ``(B,)``, or ``(B, K)`` bool where videos may have several.
    """
    snippets, labels = batch
    logits = model(snippets)  # (B, N, K)
    targets = soft_targets(labels) if labels.dtype == torch.bool else labels
    total = torch.stack([F.cross_entropy(scores, targets) for scores in logits.unbind(dim=1)]).sum()
    return total, {"accuracy": metrics.hit_at_k(logits.detach().mean(dim=1), labels, 1)}


def final_prediction(model: nn.Module, snippets: Tensor) -> Tensor:
    """The mean of the subnetworks' logits, ``(B, K)``; for `labkit.training.evaluate`. Source: "Final prediction"."""
    return model(snippets).mean(dim=1)


def freeze_image_backbone(model: TDN) -> TDN:
    """Prepare for the first phase, in place: of the image subnetwork only the classifier is trained (section 5.3.4)."""
    model.image.requires_grad_(False)
    model.image.fc.requires_grad_(True)
    return model


def train_jointly(model: TDN) -> TDN:
    """Prepare for the second phase, in place: everything is trained (section 5.3.4)."""
    model.requires_grad_(True)
    return model


def weighted_fusion(rgb: Tensor, flow: Tensor, weights: tuple[float, float] = (1.0, 1.5)) -> Tensor:
    """Scores of two modalities, each row scaled to an l1 norm of 1, weighted and summed.

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


# --- builders: views --------------------------------------------------------------------------------------------------
# Sections 5.3.4 and 5.4.2: a random snippet of each segment; to test, 25 random samples, ten crops of each. All
# snippets of a clip are cropped and coloured alike, or differences would show the cropping.


class Setting(NamedTuple):
    """What differs from data set to data set (sections 5.4.2 and, for FCVID, 5.4.3.3).

    Attributes:
        num_segments: s.
        dropout: before the classifiers.
        partial_bn: whether the statistics of all normalisations but the first are fixed.
        crops: fields of a `labkit.views.View`.
    """

    num_segments: int
    dropout: float
    partial_bn: bool
    crops: Mapping[str, Any]


SETTINGS: Mapping[str, Setting] = {
    # "the good practice from" Wang et al., ECCV 2016, section 3.2: corner crops, scale jitter, dropout, partial BN
    "hmdb51": Setting(2, 0.8, True, CORNER_CROPS),
    "act": Setting(3, 0.8, True, CORNER_CROPS),
    # none of these, "since the dataset is already very large"; frames are stored with 256 x 256 pixels
    "fcvid": Setting(3, 0.0, False, {"crop_size": 224}),
    "tiny": Setting(3, 0.0, False, {"crop_size": 56, "short_side": 64, "crop_scales": (64, 56, 48)}),
}


def rgb_view(*, num_segments: int = 3, jitter: float = 0.4, **crops: Any) -> View:
    """A frame of each segment, ``(s, 3, crop_size, crop_size)``, normalised.

    Args:
        num_segments: s.
        jitter: strength of the colour jitter of training frames; 0 for none.
        **crops: fields of a `labkit.views.View`, see `SETTINGS`.
    """
    jittered = partial(photometric_jitter, strength=jitter)
    return View(sample=SegmentSnippets(num_segments), modality=RGB(), jitter=jittered, **crops)


def flow_view(*, num_segments: int = 3, length: int = 5, **crops: Any) -> View:
    """A stack of flow fields of each segment, ``(s, 2 * length, crop_size, crop_size)``; the rest as in `rgb_view`."""
    return View(sample=SegmentSnippets(num_segments, length), modality=FlowStack(), **crops)


# --- builders: networks -----------------------------------------------------------------------------------------------
# The same classes in two sizes: ResNet-50 for crops of 224 x 224 pixels, and ten layers for 56 x 56. The levels of the
# tiny one have 56, 28, 28, 14 and 7 pixels; its res5 does not halve the resolution, so no smaller one follows res4.
# Tiny networks have neither dropout nor partial BN, as on FCVID: they have few parameters to overfit with.
# Initial weights: `labkit.backbones.cross_modality_init` of a network trained on ImageNet, into ``image`` of a TSN and
# into ``difference``; the ``image`` of a TDN is that of a trained TSN (section 5.3.4).

BACKBONES: Mapping[str, Callable[..., ResNet]] = {"paper": resnet50, "tiny": resnet_tiny}
_DEFAULTS = {"paper": SETTINGS["hmdb51"], "tiny": SETTINGS["tiny"]}


def tsn(num_classes: int, *, in_channels: int = 3, size: Size = "paper", setting: Setting | None = None) -> TSN:
    """A TSN; dropout and partial BN are those of the setting, at the paper's size those of the small sets if None."""
    setting = setting or _DEFAULTS[size]
    image = BACKBONES[size](num_classes, in_channels=in_channels, dropout=setting.dropout)
    return TSN(image, partial_bn=setting.partial_bn)


def tdn(
    num_classes: int, *, in_channels: int = 3, size: Size = "paper", setting: Setting | None = None, **kwargs: Any
) -> TDN:
    """A TDN; see `tsn`. Further arguments are ``levels`` and ``mixing`` of `TDN`."""
    setting, build = setting or _DEFAULTS[size], BACKBONES[size]
    both = (build(num_classes, in_channels=in_channels, dropout=setting.dropout) for _ in range(2))
    return TDN(*both, partial_bn=setting.partial_bn, **kwargs)


# --- recipes: Recipe(**RECIPES["hmdb51"]["rgb"]) ----------------------------------------------------------------------
# Sections 5.4.2 and, for FCVID, 5.4.3.3. HMDB51 "roughly" follows Wang et al., ECCV 2016, section 4.1, and ACT "their
# settings" for UCF101: that paper has one schedule for both sets. A TSN, and then the first phase of a TDN, take a
# recipe each ("the same settings"). For how long both subnetworks then train jointly on the small sets is not said, nor
# the rate anywhere: a third as long, as on FCVID, at the last rate.


def _sgd(
    lr: float, steps: int, schedule: Mapping[int, float], *, weight_decay: float = 5e-4, batch: int = 128
) -> Mapping[str, Any]:
    options = {"lr": lr, "momentum": 0.9, "weight_decay": weight_decay}
    return {"optimizer": torch.optim.SGD, "options": options, "steps": steps, "batch": batch, "schedule": schedule}


_SMALL = {
    "rgb": _sgd(1e-3, 4500, {2000: 1e-4, 4000: 1e-5}),
    "flow": _sgd(5e-3, 20_000, {12_000: 5e-4, 18_000: 5e-5}),
}
_TINY = _sgd(5e-2, 150, {100: 5e-3}, batch=32)
RECIPES: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "hmdb51": _SMALL,
    "act": _SMALL,
    "fcvid": {"rgb": _sgd(1e-2, 30_000, {10_000: 1e-3, 20_000: 1e-4}, weight_decay=1e-4)},
    "tiny": {"rgb": _TINY, "flow": _TINY},
}


def joint(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The second phase that belongs to a recipe: a third of its steps, at its last learning rate."""
    rate = recipe["schedule"][max(recipe["schedule"])]
    return {**recipe, "options": {**recipe["options"], "lr": rate}, "steps": recipe["steps"] // 3, "schedule": None}
