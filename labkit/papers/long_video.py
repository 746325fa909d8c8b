"""Ng et al., "Beyond short snippets: deep networks for video classification", CVPR 2015; chapter 3 of Ng's thesis.

https://arxiv.org/abs/1503.08909; Ng, "Video understanding with deep networks", University of Maryland 2018.

A few seconds are a small part of a video's story. A CNN sees one frame a second, for two minutes or for five, with the
same weights at every frame. What it makes of them is aggregated either by pooling over time, which forgets the order,
or by a deep LSTM, which reads in order and predicts a class at every frame. *Where* to pool is the first question: over
the last feature maps, location by location, or after the fully connected layers, over all frames or over short spans
of them. Motion, lost at one frame a second, comes back as a second network on images of optical flow.

In: frames ``(B, T, 3, H, W)``, float32, normalised (`video_view`). The *backbone* makes feature maps of them,
``(B, T, C, h, w)``; a *head* turns these into logits ``(B, K)``. Sections, equations and tables are the thesis's.

Where the text is silent, or this departs from it:

- GoogLeNet's average-pooled layer is said to have 1000 dimensions; it has 1024. Ours has batch normalisation
  (`labkit.backbones.googlenet`), which keeps the statistics that it came with. See also `labkit.backbones.alexnet`.
- Both "initialized from a pre-trained ImageNet model" (section 3.3.3) and "trained from scratch" (3.4.1) are said of
  the single-frame networks. Here they are pre-trained, as far as there are weights. What the "(fc)" networks of Table
  3.2 were before is not said; here they are pre-trained on images and have never seen a video.
- Slow Pooling has one fully connected layer, as the text says; the figure may show another one. A fully connected layer
  as pooling is not described: here it has one weight for each frame, the same for all features.
- What the LSTM reads, "CNN activations", is AlexNet's second fully connected layer, or GoogLeNet's averages.
- The dropout of 0.6 is said of AlexNet's layers; GoogLeNet's two additional ones have it as well.
- Videos with several labels: each label has the same fraction of the target of the softmax.
- The first frame has gain 0 and the last one 1; gains are divided by their sum, so that all three kinds make steps of
  one length. Learning rates "N * 1e-5" then stand for a sum over N frames.
- Flow leads from a frame to the next one of the clip, at the clip's own rate; the thesis computes it at 15 fps.
"""

import functools
import math
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from labkit import checks, metrics
from labkit.backbones.alexnet import alexnet_backbone
from labkit.backbones.googlenet import GoogLeNet, googlenet_backbone, googlenet_tiny
from labkit.backbones.peephole_lstm import PeepholeLSTM
from labkit.losses import soft_targets
from labkit.views import RGB, FlowImage, Timeline, View

Size = Literal["paper", "tiny"]
Shape = tuple[int, int, int]  # of the feature maps of a frame: C, h, w
SPAN, STRIDE = 10, 5  # frames in a span, and from the start of one to the next

# --- blocks: pooling over time ----------------------------------------------------------------------------------------


class Head(nn.Module):
    """What all heads that pool have: fully connected layers, with ReLU and dropout each, and a softmax layer.

    Args:
        shape: of the feature maps of a frame.
        num_classes: K.
        frames: T; only Local and fully connected pooling have weights that depend on it.
        hidden: widths of the fully connected layers; none leaves the dropout alone.
        dropout: in these: "a ratio of 0.6 (keeping and scaling 40% of the original outputs)", section 3.3.
        towers: whose outputs the softmax layer reads side by side.
    """

    def __init__(
        self, shape: Shape, num_classes: int, frames: int, *, hidden: Sequence[int], dropout: float, towers: int = 1
    ) -> None:
        super().__init__()
        self.frames, self.towers = frames, towers
        self.fc = _fully_connected(math.prod(shape), hidden, dropout) if hidden else nn.Sequential(nn.Dropout(dropout))
        self.classifier = nn.Linear(towers * (hidden[-1] if hidden else math.prod(shape)), num_classes)
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)


class ConvPooling(Head):
    """**Conv Pooling**: the maximum over time of the last feature maps, location by location; then both layers.

    On GoogLeNet's averages over all locations it is **GoogLeNet Conv Pooling**; with one frame, a plain image
    classifier. Of equal values only one gets the gradient (`amax` would divide it, and after a ReLU many are 0).
    """

    def forward(self, maps: Tensor) -> Tensor:
        """Logits ``(B, K)`` of feature maps ``(B, T, C, h, w)``."""
        maps = maps.max(dim=1).values  # (B, C, h, w)
        features = self.fc(maps.flatten(-3))  # (B, 4096)
        return self.classifier(features)  # (B, K)


class LatePooling(Head):
    """**Late Pooling**: both layers at every frame, with shared weights; then the maximum over time."""

    def forward(self, maps: Tensor) -> Tensor:
        """Logits ``(B, K)`` of feature maps ``(B, T, C, h, w)``."""
        features = self.fc(maps.flatten(-3))  # (B, T, 4096)
        features = features.max(dim=1).values  # (B, 4096)
        return self.classifier(features)  # (B, K)


class SlowPooling(Head):
    """**Slow Pooling**: the maximum within spans of 10 frames; a shared layer, the first of ``hidden``; the maximum."""

    def __init__(self, *args: Any, hidden: Sequence[int], **kwargs: Any) -> None:
        super().__init__(*args, hidden=hidden[:1], **kwargs)

    def forward(self, maps: Tensor) -> Tensor:
        """Logits ``(B, K)`` of feature maps ``(B, T, C, h, w)``."""
        maps = max_within_spans(maps)  # (B, W, C, h, w)
        features = self.fc(maps.flatten(-3))  # (B, W, 4096)
        features = features.max(dim=1).values  # (B, 4096)
        return self.classifier(features)  # (B, K)


class LocalPooling(Head):
    """**Local Pooling**: the maximum within spans of 10 frames; both layers, shared; one softmax over all towers."""

    def __init__(self, shape: Shape, num_classes: int, frames: int, **kwargs: Any) -> None:
        super().__init__(shape, num_classes, frames, towers=max(frames - SPAN, 0) // STRIDE + 1, **kwargs)

    def forward(self, maps: Tensor) -> Tensor:
        """Logits ``(B, K)`` of feature maps ``(B, T, C, h, w)``."""
        checks.require_shape(maps, f"B {self.frames} C h w", "maps", "as many frames as the softmax was built for")
        maps = max_within_spans(maps)  # (B, W, C, h, w)
        features = self.fc(maps.flatten(-3))  # (B, W, 4096)
        return self.classifier(features.flatten(1))  # (B, K)


class TimeDomainConvolution(Head):
    """**Time-Domain Convolution**: 256 kernels of 3 x 3 across 10 frames, stride 5; the maximum; both layers."""

    def __init__(self, shape: Shape, *args: Any, filters: int = 256, **kwargs: Any) -> None:
        super().__init__((filters, *shape[1:]), *args, **kwargs)
        self.convolution = nn.Conv3d(shape[0], filters, (SPAN, 3, 3), (STRIDE, 1, 1), padding=(0, 1, 1))
        _init_weights(self.convolution)

    def forward(self, maps: Tensor) -> Tensor:
        """Logits ``(B, K)`` of feature maps ``(B, T, C, h, w)``, T at least 10."""
        maps = F.relu(self.convolution(maps.transpose(1, 2)))  # (B, 256, W, h, w)
        maps = maps.max(dim=2).values  # (B, 256, h, w)
        features = self.fc(maps.flatten(-3))  # (B, 4096)
        return self.classifier(features)  # (B, K)


class AveragePooling(Head):
    """Conv Pooling with the mean instead of the maximum, which "failed to learn effectively" (section 3.3.1)."""

    def forward(self, maps: Tensor) -> Tensor:
        """Logits ``(B, K)`` of feature maps ``(B, T, C, h, w)``."""
        maps = maps.mean(dim=1)  # (B, C, h, w)
        return self.classifier(self.fc(maps.flatten(-3)))  # (B, K)


class FullyConnectedPooling(Head):
    """Conv Pooling with a learned weight for each frame, initially 1 / T; said to fail as well (section 3.3.1)."""

    def __init__(self, shape: Shape, num_classes: int, frames: int, **kwargs: Any) -> None:
        super().__init__(shape, num_classes, frames, **kwargs)
        self.weight, self.bias = nn.Parameter(torch.full((frames,), 1 / frames)), nn.Parameter(torch.zeros(1))

    def forward(self, maps: Tensor) -> Tensor:
        """Logits ``(B, K)`` of feature maps ``(B, T, C, h, w)``."""
        maps = torch.einsum("bt...,t->b...", maps, self.weight) + self.bias  # (B, C, h, w)
        return self.classifier(self.fc(maps.flatten(-3)))  # (B, K)


def max_within_spans(maps: Tensor) -> Tensor:
    """The maximum within spans of 10 frames, stride 5: ``(B, T, ...)`` to ``(B, W, ...)``.

    Frames after the last full span are left out; of 30 and of 120 frames none are. Fewer than 10 make one span.
    """
    return maps.unfold(1, min(SPAN, maps.shape[1]), STRIDE).max(dim=-1).values  # of (B, W, ..., 10)


# --- blocks: the deep LSTM --------------------------------------------------------------------------------------------


class DeepLSTM(nn.Module):
    """Stacked LSTM layers over the frames, and a softmax layer at each of them: section 3.3.2, Figure 3.4.

    There are "five" layers of "512 memory cells" in the paper. Fully connected layers ``hidden`` below the LSTM, the
    same at every frame, are AlexNet's. Other arguments are those of `Head`; ``frames`` is not used, as an LSTM reads
    any number.
    """

    def __init__(
        self, shape: Shape, num_classes: int, frames: int = 0, *, hidden: Sequence[int] = (), dropout: float = 0.6,
        num_layers: int = 5, hidden_size: int = 512,
    ) -> None:  # fmt: skip
        super().__init__()
        self.fc = _fully_connected(math.prod(shape), hidden, dropout)
        sizes = [hidden[-1] if hidden else math.prod(shape), *[hidden_size] * (num_layers - 1)]
        self.layers = nn.ModuleList(PeepholeLSTM(size, hidden_size) for size in sizes)
        self.classifier = nn.Linear(hidden_size, num_classes)

    def steps(self, maps: Tensor) -> Tensor:
        """Logits ``(B, T, K)`` at every frame of feature maps ``(B, T, C, h, w)``."""
        features = self.fc(maps.flatten(-3))  # (B, T, D)
        for layer in self.layers:
            features, _ = layer(features)  # (B, T, 512)
        return self.classifier(features)  # (B, T, K)

    def forward(self, maps: Tensor) -> Tensor:
        """Log-probabilities ``(B, K)`` of feature maps: those of all frames, weighted by the gain."""
        return combine(self.steps(maps))


# --- model ------------------------------------------------------------------------------------------------------------


class VideoNet(nn.Module):
    """A backbone, evaluated once over all frames as one batch, and a head on its feature maps.

    Args:
        backbone: images ``(N, 3, H, W)`` to feature maps ``(N, C, h, w)``. Batch normalisation keeps its statistics.
        head: any of this file.
        chunk_size: frames that pass the backbone together; all if None. In training what happened inside a chunk is
            computed again for its gradient: half as much time again, and memory for one chunk.
    """

    def __init__(self, backbone: nn.Module, head: Head | DeepLSTM, chunk_size: int | None = None) -> None:
        super().__init__()
        self.backbone, self.head, self.chunk_size = backbone, head, chunk_size

    def maps(self, frames: Tensor) -> Tensor:
        """Feature maps ``(B, T, C, h, w)`` of frames ``(B, T, 3, H, W)``."""
        checks.require_shape(frames, "B T 3 H W", "frames", "normalised frames, see video_view")
        images = frames.flatten(0, 1).contiguous(memory_format=torch.channels_last)  # half the time on a CPU
        chunks = images.split(self.chunk_size or len(images))  # (n, 3, H, W) each
        again = functools.partial(checkpoint, self.backbone, use_reentrant=False)
        run = again if len(chunks) > 1 and torch.is_grad_enabled() else self.backbone
        return torch.cat([run(chunk) for chunk in chunks]).unflatten(0, frames.shape[:2])  # (B, T, C, h, w)

    def forward(self, frames: Tensor) -> Tensor:
        """Logits ``(B, K)`` of frames ``(B, T, 3, H, W)``; images ``(B, 3, H, W)`` are clips of one frame."""
        return self.head(self.maps(frames[:, None] if frames.ndim == 4 else frames))

    def steps(self, frames: Tensor) -> Tensor:
        """Logits ``(B, T, K)`` at every frame, if the head is a `DeepLSTM`."""
        return cast(DeepLSTM, self.head).steps(self.maps(frames))

    def train(self, mode: bool = True) -> "VideoNet":
        """As usual, but batch normalisation in the backbone stays in ``eval()``."""
        super().train(mode)
        for module in self.backbone.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self


# --- procedure: network expansion, training, inference ----------------------------------------------------------------


@torch.no_grad()
def expand(model: VideoNet, small: VideoNet, *, skip: Collection[str] = ()) -> list[str]:
    """Initialise a network, in place, from one for fewer frames with the same backbone: section 3.3.3.

    Parameters of the same name and shape are copied: all of them for Conv, Late and average pooling, which then agree
    with the small network on a clip of equal frames. So does Local Pooling: its softmax layer takes the weights of the
    tower at the same fraction of the clip, scaled to the same sum. Other heads keep some of their initial weights, as
    do the parts to ``skip``, such as ``("head.classifier",)`` for other classes; the names of these are returned.
    """
    if _what_softmax_reads(model.head) != _what_softmax_reads(small.head):
        skip = (*skip, "head.classifier")
    model.backbone.load_state_dict(small.backbone.state_dict())  # with the statistics of batch normalisation
    sources, kept = dict(small.named_parameters()), []
    for name, parameter in model.named_parameters():
        source: Tensor | None = sources.get(name)
        if name == "head.classifier.weight" and source is not None and isinstance(model.head, LocalPooling):
            source = _spread_over_towers(source, cast(Head, small.head).towers, model.head.towers)
        if source is None or source.shape != parameter.shape or name.startswith(tuple(skip)):
            kept.append(name)
        else:
            parameter.copy_(source)
    return kept


def _what_softmax_reads(head: Head | DeepLSTM) -> tuple[Any, ...]:
    """Where it is the same the softmax weights mean the same: an LSTM or not, and the widths of the layers below."""
    return isinstance(head, DeepLSTM), *(len(weight) for weight in head.fc.parameters())


def _spread_over_towers(weight: Tensor, before: int, towers: int) -> Tensor:
    """The softmax weights ``(K, before * D)`` of a number of towers for another number, ``(K, towers * D)``."""
    nearest = torch.arange(towers) * before // towers
    return (weight.unflatten(1, (before, -1))[:, nearest] * before / towers).flatten(1)


def last_layers_only(model: VideoNet) -> VideoNet:
    """Freeze the CNN, in place, with the fully connected layers below an LSTM: "(fc)" in Table 3.2."""
    model.backbone.requires_grad_(False)
    if isinstance(model.head, DeepLSTM):
        model.head.fc.requires_grad_(False)
    return model


def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, dict[str, float]]:
    """Cross-entropy of clips ``(inputs, hot)``, hot ``(B, K)`` bool, and Hit@1: for `labkit.training.fit`."""
    inputs, hot = batch
    logits = model(inputs)
    return F.cross_entropy(logits, soft_targets(hot)), {"Hit@1": metrics.hit_at_k(logits.detach(), hot, 1)}


def gains(frames: int, kind: str = "linear") -> Tensor:
    """How much the gradient of each frame counts, ``(frames,)``: section 3.3.3, "LSTM Training".

    ``"linear"`` rises from 0 at the first frame to 1 at the last; ``"ones"`` is 1 everywhere; ``"last"`` is 1 at the
    last frame and 0 before. A single frame has 1.
    """
    last = (torch.arange(frames) == frames - 1).float()
    kinds = {"linear": torch.linspace(0, 1, frames) if frames > 1 else last, "ones": torch.ones(frames), "last": last}
    if kind not in kinds:
        raise ValueError(f"kind must be one of {', '.join(kinds)}; got {kind!r}")
    return kinds[kind]


def lstm_loss(model: Any, batch: tuple[Tensor, Tensor], gain: str = "linear") -> tuple[Tensor, dict[str, float]]:
    """The loss of a network with a `DeepLSTM`: the label at every frame, weighted by the gain (section 3.3.3)."""
    inputs, hot = batch
    steps = model.steps(inputs)  # (B, T, K)
    each = -(steps.log_softmax(-1) * soft_targets(hot)[:, None]).sum(-1)  # (B, T), the cross-entropy at every frame
    weights = gains(steps.shape[1], gain).to(each)  # (T,)
    return (each * weights).sum(1).mean() / weights.sum(), {"Hit@1": metrics.hit_at_k(combine(steps.detach()), hot, 1)}


def combine(steps: Tensor, rule: str = "weighted") -> Tensor:
    """One prediction for the video from those of its frames: section 3.3.3, "LSTM Inference".

    The rule takes that of the ``"last"`` frame, the ``"max"`` over time of each class, the ``"sum"``, or the sum
    ``"weighted"`` by the linear gain. Logits ``(..., T, K)`` become log-probabilities ``(..., K)``: scaled to sum to
    one, which changes no order.
    """
    logs = steps.log_softmax(-1)
    if rule not in ("last", "max", "sum", "weighted"):
        raise ValueError(f"rule must be one of last, max, sum, weighted; got {rule!r}")
    if rule == "last":
        return logs[..., -1, :]
    if rule == "max":
        return logs.amax(-2).log_softmax(-1)
    weights = gains(steps.shape[-2], "linear" if rule == "weighted" else "ones").to(logs)
    return (logs + weights.log()[:, None]).logsumexp(-2) - weights.sum().log()


# --- builders: views and networks -------------------------------------------------------------------------------------


def video_view(
    num_classes: int,
    num_frames: int = 120,
    *,
    rate: float | None = 1.0,
    min_frames: int = 300,
    modality: RGB | FlowImage = RGB(),  # noqa: B008 - it is frozen
    **kwargs: Any,
) -> View:
    """A stretch of a video, ``(num_frames, 3, 220, 220)``, normalised; of flow with ``FlowImage()``: section 3.4.1.

    To train, a random first frame of "the first 5 minutes", a random crop and perhaps a horizontal flip for all frames.
    There are ``rate`` frames a second (None: all), and a video that is too short starts over until there are
    ``min_frames`` to choose from. Other arguments are `View`'s; no flip where left and right are different classes.
    """
    sample = Timeline(length=num_frames, rate=rate, seconds=300.0, min_frames=min_frames)
    settings = {"short_side": 256, "keep_aspect": False, "crop_size": 220, "num_classes": num_classes, **kwargs}
    return View(sample=sample, modality=modality, **settings)


SIZES: Mapping[str, Mapping[str, Any]] = {  # sections 3.3, 3.3.1 and 3.3.2; and the same classes for a laptop
    "paper": {"hidden": (4096, 4096), "dropout": 0.6, "filters": 256, "num_layers": 5, "hidden_size": 512},
    # 256 kernels over time are the thesis's, for feature maps of 256 channels (ours); the tiny one has 64 for 128.
    "tiny": {"hidden": (256, 256), "dropout": 0.5, "filters": 64, "num_layers": 2, "hidden_size": 128},
}


def alexnet(
    num_classes: int, head: Any = ConvPooling, *, frames: int = 1, size: Size = "paper", **kwargs: Any
) -> VideoNet:
    """AlexNet for crops of 220 x 220, or 56 x 56; with one frame and Conv Pooling it is the single-frame network."""
    if size == "paper":
        return _video_net(alexnet_backbone(), head, (256, 6, 6), num_classes, frames, size, kwargs)
    backbone = alexnet_backbone((7, 5, 3), (32, 64, 128), stride=2)
    return _video_net(backbone, head, (128, 3, 3), num_classes, frames, size, kwargs)


def googlenet(
    num_classes: int, head: Any = ConvPooling, *, frames: int = 1, size: Size = "paper", **kwargs: Any
) -> VideoNet:
    """GoogLeNet, with two fully connected layers below the softmax if it pools; none for one frame, or for an LSTM."""
    kwargs = ({"hidden": (), "dropout": 0.4} if frames == 1 or head is DeepLSTM else {}) | kwargs  # 40 % in GoogLeNet
    if size == "paper":
        return _video_net(googlenet_backbone(GoogLeNet(1)), head, (1024, 1, 1), num_classes, frames, size, kwargs)
    return _video_net(googlenet_backbone(googlenet_tiny(1)), head, (256, 1, 1), num_classes, frames, size, kwargs)


def _video_net(
    backbone: nn.Module, head: Any, shape: Shape, num_classes: int, frames: int, size: Size, kwargs: Mapping[str, Any]
) -> VideoNet:
    own = {DeepLSTM: ("num_layers", "hidden_size"), TimeDomainConvolution: ("filters",)}.get(head, ())
    settings = {name: SIZES[size][name] for name in ("hidden", "dropout", *own)} | dict(kwargs)
    return VideoNet(backbone, head(shape, num_classes, frames, **settings), 10 if size == "paper" else None)


def _fully_connected(in_features: int, hidden: Sequence[int], dropout: float) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for number, out_features in enumerate(hidden, start=6):
        layers[f"fc{number}"] = nn.Linear(in_features, out_features)
        layers[f"relu{number}"], layers[f"drop{number}"] = nn.ReLU(), nn.Dropout(dropout)
        in_features = out_features
    return nn.Sequential(layers).apply(_init_weights)


def _init_weights(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv3d | nn.Linear):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]


# --- recipes ----------------------------------------------------------------------------------------------------------


def halving(step: int, interval: int) -> float:
    """An exponentially decaying learning rate: half of it after ``interval`` steps. The rate of decay is not given."""
    return 0.5 ** (step / interval)


_PAPER: Mapping[str, Any] = {  # for networks that pool, section 3.3.3
    "optimizer": torch.optim.SGD,  # "Downpour", on ten to fifty machines at the same time
    "options": {"lr": 1e-5, "momentum": 0.9, "weight_decay": 5e-4},  # of a mean over the batch; theirs may be a sum
    "steps": 200_000,  # not given
    "batch": 32,  # not given
    "schedule": functools.partial(halving, interval=50_000),
}
_TINY = {**_PAPER["options"], "lr": 1e-2}
RECIPES: Mapping[str, Mapping[str, Any]] = {
    "paper": _PAPER,
    "tiny": {**_PAPER, "options": _TINY, "steps": 300, "schedule": functools.partial(halving, interval=100)},
}


def lstm_recipe(frames: int, size: Size = "paper") -> dict[str, Any]:
    """For networks with an LSTM: "a learning rate of N * 1e-5 where N is number of frames", section 3.3.3."""
    recipe = dict(RECIPES[size])
    if size == "paper":
        return recipe | {"options": {**recipe["options"], "lr": frames * 1e-5}}
    # With Adam two layers learn in hundreds of steps what takes momentum thousands.
    return recipe | {"optimizer": torch.optim.Adam, "options": {"lr": 2e-3}, "clip_norm": 5.0}
