"""Ng et al., "Beyond short snippets: deep networks for video classification", CVPR 2015; chapter 3 of Ng's thesis.

https://arxiv.org/abs/1503.08909; Ng, "Video understanding with deep networks", University of Maryland 2018.

A few seconds are a small part of a video's story. A CNN looks at one frame a second, two minutes or five of them, with
the same weights at every frame; what it finds is put together either by pooling over time, which forgets the order, or
by a deep LSTM, which reads in order and names a class at every frame. *Where* to pool is the first question: over the
last convolutional maps, place by place, or after the fully connected layers, all at once or window by window. Motion,
lost at one frame a second, comes back as a second net on images of optical flow.

In: frames ``(B, T, 3, H, W)``, float32, normalised (`video_view`). The *trunk* makes maps of them, ``(B, T, C, h, w)``;
a *head* turns these into logits ``(B, K)``, so maps can be computed once and heads trained on them (`frame_maps`).
Sections, equations and tables are those of the thesis.

Where the text is silent, or this departs from it:

- AlexNet: numbers of filters (96, 256, 256), strides and paddings are not given; with these the last maps are 6 x 6, as
  in Krizhevsky's net. "Local contrast normalization" is Krizhevsky's across channels, who calls it akin to that.
- GoogLeNet's average-pooled layer is said to have 1000 numbers; it has 1024, and so it has here. Ours has batch
  normalisation (`labkit.backbones.googlenet`), which keeps the statistics it came with: frames of a clip are alike.
- Peepholes are diagonal, as usual; the text writes matrices W_c and does not say.
- Slow Pooling has one fully connected layer, as the text says; the figure may show another one.
- Pooling by a fully connected layer: one weight for each frame, the same for all features. Not described further.
- What the LSTM reads: AlexNet's second fully connected layer, GoogLeNet's averages. The text says "CNN activations".
- Videos with several labels: each label has an equal share of the target of the softmax.
- The first frame has gain 0 and the last one 1; gains are divided by their sum, so that all three kinds make steps of
  one length. Learning rates "N * 1e-5" then stand for a sum over N frames.
"""

import functools
import math
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.utils.checkpoint import checkpoint
from torch.utils.data import Dataset
from tqdm.auto import tqdm

from labkit import checks, metrics
from labkit.backbones.cnn_m import LocalResponseNorm
from labkit.backbones.googlenet import GoogLeNet
from labkit.backbones.googlenet import googlenet_tiny as tiny_net
from labkit.backbones.peephole_lstm import LSTMTrace, PeepholeLSTM
from labkit.clips import Clip, Clips
from labkit.views import RGB, FlowImage, Timeline, View
from labkit.views.sampling import loop

VERSION = 1
"""Raised by hand whenever a change here may change results; records in the ledger carry it."""

Gain = Literal["linear", "ones", "last"]
Rule = Literal["last", "max", "sum", "weighted"]
Maps = tuple[int, int, int]

# --- blocks: trunks ---------------------------------------------------------------------------------------------------


def alexnet_trunk(
    sizes: tuple[int, int, int] = (11, 9, 5), channels: tuple[int, int, int] = (96, 256, 256), stride: int = 4
) -> nn.Sequential:
    """The convolutions of AlexNet as the thesis has it, each followed by max-pooling and normalisation: section 3.3.

    220 x 220 -> conv1 11/4 53, pool1 26 -> conv2 9 26, pool2 13 -> conv3 5 13, pool3 6: maps ``(N, 256, 6, 6)``.

    Args:
        sizes: sides of the filters, odd numbers.
        channels: how many filters; not given in the text, nor are strides and paddings.
        stride: of the first convolution; the others have 1, and a padding that keeps the size.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    inputs = 3
    for number, (size, outputs) in enumerate(zip(sizes, channels, strict=True), start=1):
        first = number == 1
        layers[f"conv{number}"] = nn.Conv2d(
            inputs, outputs, size, stride if first else 1, padding=0 if first else size // 2
        )
        layers[f"relu{number}"] = nn.ReLU(inplace=True)
        layers[f"pool{number}"] = nn.MaxPool2d(3, 2, ceil_mode=True)
        layers[f"norm{number}"] = LocalResponseNorm()
        inputs = outputs
    return nn.Sequential(layers).apply(_start)


def googlenet_trunk(net: GoogLeNet | None = None) -> nn.Sequential:
    """GoogLeNet up to its average pooling: maps ``(N, 1024, 1, 1)``. Weights are shared with the net that is given."""
    net = GoogLeNet(1) if net is None else net
    kept = OrderedDict(net.named_children())
    for name in ("flatten", "dropout", "fc"):
        del kept[name]
    return nn.Sequential(kept)


# --- blocks: pooling over time ----------------------------------------------------------------------------------------


class MaxOverTime(nn.Module):
    """The largest value over all frames, or windows: ``(B, T, ...)`` to ``(B, ...)``.

    Of equal values one alone gets the gradient (``amax`` would share it out, and behind a ReLU many are 0).
    """

    def forward(self, values: Tensor) -> Tensor:
        """The maximum over dimension 1."""
        return values.max(dim=1).values  # (B, ...)


class LocalMax(nn.Module):
    """The largest value within windows of time: ``(B, T, ...)`` to ``(B, W, ...)``, W = (T - size) // stride + 1.

    Frames behind the last full window are left out, as by a convolution without padding; with 30 and 120 there are
    none. Fewer frames than a window make one window.
    """

    def __init__(self, size: int = 10, stride: int = 5) -> None:
        super().__init__()
        self.size, self.stride = size, stride

    def forward(self, values: Tensor) -> Tensor:
        """The maxima of all windows."""
        size = min(self.size, values.shape[1])
        return values.unfold(1, size, self.stride).max(dim=-1).values  # (B, W, ...) from (B, W, ..., size)

    def windows(self, frames: int) -> int:
        """How many windows a clip has."""
        return (frames - min(self.size, frames)) // self.stride + 1


class TimeConvolution(nn.Module):
    """A convolution over space and time, and its ReLU: ``(B, T, C, h, w)`` to ``(B, W, filters, h, w)``."""

    def __init__(self, channels: int, filters: int = 256, side: int = 3, size: int = 10, stride: int = 5) -> None:
        super().__init__()
        shape, middle = (size, side, side), side // 2
        self.convolution = nn.Conv3d(channels, filters, shape, (stride, 1, 1), (0, middle, middle))
        self.size, self.stride = size, stride
        _start(self.convolution)

    def forward(self, maps: Tensor) -> Tensor:
        """What all kernels give at all windows; fewer frames than a window are an error."""
        if maps.shape[1] < self.size:
            raise ValueError(f"maps must have at least {self.size} frames, one window; got {maps.shape[1]}")
        return F.relu(self.convolution(maps.movedim(1, 2))).movedim(2, 1)  # (B, W, filters, h, w)


class Pooling(nn.Module):
    """A head that pools over time: what is pooled (`before`), the pooling, what follows (`after`).

    Args:
        maps: C, h, w of the trunk's maps.
        classes: K.
        frames: T; only heads whose weights depend on it (Local, FullyConnected) insist on it.
        fc: widths of the fully connected layers, with ReLU and dropout each.
        dropout: probability that a unit of these is dropped: "a ratio of 0.6 (keeping and scaling 40%)", section 3.3.

    Raises:
        ValueError: from `forward`, maps of another shape.
    """

    span: ClassVar[int] = 1  # frames that `before` looks at together
    stride: ClassVar[int] = 1

    def __init__(
        self, maps: Maps, classes: int, frames: int, *, fc: Sequence[int] = (4096, 4096), dropout: float = 0.6
    ) -> None:
        super().__init__()
        self.maps, self.classes, self.frames = tuple(maps), classes, frames
        inputs = self._before_fc(maps)
        self.fc = _fully_connected(inputs, fc, dropout)
        self.pool: nn.Module = MaxOverTime()
        self.classifier = nn.Linear(self._after_fc(fc[-1] if fc else inputs), classes)
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)

    def _before_fc(self, maps: Maps) -> int:
        return math.prod(maps)

    def _after_fc(self, width: int) -> int:
        return width

    def before(self, maps: Tensor) -> Tensor:
        """What the pooling sees, ``(B, W, ...)``, of maps ``(B, T, C, h, w)``."""
        return maps

    def after(self, pooled: Tensor) -> Tensor:
        """Logits ``(B, K)`` of what was pooled, ``(B, ...)``."""
        return self.classifier(self.fc(pooled.flatten(1)))

    def forward(self, maps: Tensor) -> Tensor:
        """Logits ``(B, K)`` of maps ``(B, T, C, h, w)``."""
        self._require(maps)
        return self.after(self.pool(self.before(maps)))

    def advance(self, maps: Tensor, state: Any = None) -> Any:
        """Take in the next frames of a video, ``(B, t, C, h, w)``: memory does not grow with their number.

        Returns:
            The state: for the next call, or for `conclude`.
        """
        self._require(maps)
        if not isinstance(self.pool, MaxOverTime):
            name = type(self).__name__
            raise TypeError(f"{name} must see its frames at once, it has no running maximum: cut the video into clips")
        rest, best = (maps[:, :0], None) if state is None else state
        waiting = torch.cat([rest, maps], dim=1)
        windows = max((waiting.shape[1] - self.span) // self.stride + 1, 0)
        if windows:
            found = self.pool(self.before(waiting[:, : (windows - 1) * self.stride + self.span]))
            best = found if best is None else torch.maximum(best, found)
        return waiting[:, windows * self.stride :], best

    def conclude(self, state: Any) -> Tensor:
        """Logits ``(B, K)`` of all frames taken in."""
        if state is None or state[1] is None:
            raise ValueError(f"a video must have at least {self.span} frames before it is judged; got fewer")
        return self.after(state[1])

    def _require(self, maps: Tensor) -> None:
        channels, height, width = self.maps
        hint = "maps of this head's trunk, frames in dimension 1"
        checks.require_shape(maps, f"B T {channels} {height} {width}", "maps", hint)


class ConvPooling(Pooling):
    """**Conv Pooling**: the maximum over time of the last maps, place by place, then the fully connected layers.

    With GoogLeNet's trunk, whose maps are averages over all places, it is **GoogLeNet Conv Pooling**; with one frame, a
    plain image classifier.
    """

    def winners(self, maps: Tensor) -> Tensor:
        """Which frame gave each maximum: ``(B, C, h, w)`` int64, of equal ones the first."""
        return maps.argmax(dim=1)


class LatePooling(Pooling):
    """**Late Pooling**: both fully connected layers at every frame, with shared weights; then the maximum over time."""

    def before(self, maps: Tensor) -> Tensor:
        """Every frame, through both layers."""
        return self.fc(maps.flatten(2))  # (B, T, 4096)

    def after(self, pooled: Tensor) -> Tensor:
        """The softmax layer alone."""
        return self.classifier(pooled)


class SlowPooling(Pooling):
    """**Slow Pooling**: the maximum within 10 frames, stride 5; a shared fully connected layer; the maximum of all.

    Args:
        fc: the first width is that of the shared layer, others are not used.
    """

    span, stride = 10, 5

    def __init__(
        self, maps: Maps, classes: int, frames: int, *, fc: Sequence[int] = (4096,), dropout: float = 0.6
    ) -> None:
        super().__init__(maps, classes, frames, fc=fc[:1], dropout=dropout)
        self.windows = LocalMax(self.span, self.stride)

    def before(self, maps: Tensor) -> Tensor:
        """Every window, through the shared layer."""
        return self.fc(self.windows(maps).flatten(2))  # (B, W, 4096)

    def after(self, pooled: Tensor) -> Tensor:
        """The softmax layer alone."""
        return self.classifier(pooled)


class LocalPooling(Pooling):
    """**Local Pooling**: the maximum within 10 frames, stride 5; two shared layers; one softmax over all towers."""

    span, stride = 10, 5

    def __init__(self, maps: Maps, classes: int, frames: int, **numbers: Any) -> None:
        self._towers = LocalMax(self.span, self.stride).windows(frames)
        super().__init__(maps, classes, frames, **numbers)
        self.windows = LocalMax(self.span, self.stride)
        self.pool = nn.Flatten()  # (B, W * 4096): nothing is thrown away a second time

    def _after_fc(self, width: int) -> int:
        return self._towers * width

    def before(self, maps: Tensor) -> Tensor:
        """Every window, through the shared layers."""
        if maps.shape[1] != self.frames:
            raise ValueError(f"maps must have {self.frames} frames, as the softmax was built for; got {maps.shape[1]}")
        return self.fc(self.windows(maps).flatten(2))  # (B, W, 4096)

    def after(self, pooled: Tensor) -> Tensor:
        """The softmax layer alone."""
        return self.classifier(pooled)


class TimeDomainConvolution(Pooling):
    """**Time-Domain Convolution**: 256 kernels of 3 x 3 across 10 frames, stride 5; the maximum over time; two layers.

    Args:
        filters: how many kernels.
    """

    span, stride = 10, 5

    def __init__(self, maps: Maps, classes: int, frames: int, *, filters: int = 256, **numbers: Any) -> None:
        self._filters = filters
        super().__init__(maps, classes, frames, **numbers)
        self.over_time = TimeConvolution(maps[0], filters, size=self.span, stride=self.stride)

    def _before_fc(self, maps: Maps) -> int:
        return self._filters * maps[1] * maps[2]

    def before(self, maps: Tensor) -> Tensor:
        """What the kernels give at every window."""
        return self.over_time(maps)  # (B, W, 256, h, w)


class AveragePooling(Pooling):
    """Conv Pooling with the mean instead of the maximum, which "failed to learn effectively" (section 3.3.1)."""

    def __init__(self, maps: Maps, classes: int, frames: int, **numbers: Any) -> None:
        super().__init__(maps, classes, frames, **numbers)
        self.pool = _Mean()


class FullyConnectedPooling(Pooling):
    """Conv Pooling with a learned weight for each frame instead of the maximum; said to fail likewise (section 3.3.1).

    The weights begin at 1 / T, as a mean.
    """

    def __init__(self, maps: Maps, classes: int, frames: int, **numbers: Any) -> None:
        super().__init__(maps, classes, frames, **numbers)
        self.pool = _Weighted(frames)


class _Mean(nn.Module):
    def forward(self, values: Tensor) -> Tensor:
        return values.mean(dim=1)


class _Weighted(nn.Module):
    def __init__(self, frames: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.full((frames,), 1 / frames)), nn.Parameter(torch.zeros(1))

    def forward(self, values: Tensor) -> Tensor:
        return torch.einsum("bt...,t->b...", values, self.weight) + self.bias


# --- blocks: the deep LSTM --------------------------------------------------------------------------------------------


class DeepLSTM(nn.Module):
    """Stacked LSTM layers over the frames, and a softmax at each of them: section 3.3.2, Figure 3.4.

    Args:
        maps: C, h, w of the trunk's maps.
        classes: K.
        frames: not used, an LSTM reads any number; there so that all heads are built alike.
        fc: widths of fully connected layers before the LSTM, at every frame with the same weights: AlexNet's.
        dropout: of these.
        layers: of the LSTM, "five".
        cells: of each, "512".
        peepholes: False takes `nn.LSTM`, the same net with all peepholes at 0: for a GPU.
    """

    def __init__(
        self,
        maps: Maps,
        classes: int,
        frames: int = 0,
        *,
        fc: Sequence[int] = (),
        dropout: float = 0.6,
        layers: int = 5,
        cells: int = 512,
        peepholes: bool = True,
    ) -> None:
        super().__init__()
        self.maps, self.classes, self.frames = tuple(maps), classes, frames
        self.fc = _fully_connected(math.prod(maps), fc, dropout)
        inputs = fc[-1] if fc else math.prod(maps)
        sizes = [inputs, *[cells] * (layers - 1)]
        if peepholes:
            self.layers = nn.ModuleList(PeepholeLSTM(size, cells) for size in sizes)
        else:
            self.layers = nn.ModuleList(nn.LSTM(size, cells, batch_first=True) for size in sizes)
        self.classifier = nn.Linear(cells, classes)

    def forward(self, maps: Tensor) -> Tensor:
        """Log-probabilities ``(B, K)`` of maps ``(B, T, C, h, w)``: those of all frames, weighted by the gain."""
        return combine(self.steps(maps))

    def steps(self, maps: Tensor) -> Tensor:
        """Logits ``(B, T, K)`` at every frame."""
        return self.classifier(self._read(maps)[0])

    def trace(self, maps: Tensor) -> tuple[Tensor, list[LSTMTrace]]:
        """Probabilities ``(B, T, K)`` at every frame, and what each layer did, the lowest first."""
        if not isinstance(self.layers[0], PeepholeLSTM):
            raise TypeError("only our own LSTM shows its gates; this one is nn.LSTM: build it with peepholes=True")
        values, traces = self._inputs(maps), []
        for layer in self.layers:
            traces.append(layer.trace(values))  # type: ignore[operator]
            values = traces[-1].outputs
        return self.classifier(values).softmax(-1), traces

    def advance(self, maps: Tensor, state: Any = None) -> Any:
        """Take in the next frames, ``(B, t, C, h, w)``: cells, outputs and the sum of weighted predictions go on."""
        count, held, total = (0, None, 0) if state is None else state
        outputs, held = self._read(maps, held)
        predicted = self.classifier(outputs).softmax(-1)  # (B, t, K)
        weights = torch.arange(count, count + maps.shape[1]).to(predicted)  # as the gain: frame 0 has none
        if count == 0 and maps.shape[1] == 1:
            weights = weights + 1e-12  # a video of one frame is judged by it
        total = total + (weights[:, None] * predicted).sum(dim=1)
        return count + maps.shape[1], held, total

    def conclude(self, state: Any) -> Tensor:
        """Log-probabilities ``(B, K)`` of all frames taken in, by the weighted rule."""
        total = state[2]
        return (total / total.sum(-1, keepdim=True)).log()

    def _inputs(self, maps: Tensor) -> Tensor:
        channels, height, width = self.maps
        checks.require_shape(maps, f"B T {channels} {height} {width}", "maps", "maps of this head's trunk")
        return self.fc(maps.flatten(2))  # (B, T, D)

    def _read(self, maps: Tensor, states: Sequence[Any] | None = None) -> tuple[Tensor, list[Any]]:
        values, kept = self._inputs(maps), []
        for number, layer in enumerate(self.layers):
            values, state = layer(values, None if states is None else states[number])
            kept.append(state)
        return values, kept


# --- model ------------------------------------------------------------------------------------------------------------


class VideoNet(nn.Module):
    """A trunk, evaluated once over all frames as one batch, and a head on its maps.

    Args:
        trunk: images ``(N, 3, H, W)`` to maps ``(N, C, h, w)``. Its batch normalisation, if any, keeps its statistics.
        head: any of this file.
        chunk: frames that go through the trunk together. In training each chunk forgets what happened inside and works
            it out again for its gradient (`torch.utils.checkpoint`): half as much time again, and memory for one chunk
            instead of all frames. None: all at once.
    """

    def __init__(self, trunk: nn.Module, head: Pooling | DeepLSTM, chunk: int | None = None) -> None:
        super().__init__()
        self.trunk, self.head, self.chunk = trunk, head, chunk

    def train(self, mode: bool = True) -> "VideoNet":
        """As ever, but for batch normalisation in the trunk, which stays in ``eval()``."""
        super().train(mode)
        for module in self.trunk.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def maps(self, frames: Tensor) -> Tensor:
        """Maps ``(B, T, C, h, w)`` of frames ``(B, T, 3, H, W)``."""
        checks.require_shape(frames, "B T 3 H W", "frames", "normalised frames, see video_view")
        images = frames.flatten(0, 1)  # (B * T, 3, H, W)
        if self.chunk is None or len(images) <= self.chunk:
            maps = self.trunk(images)
        elif torch.is_grad_enabled():
            maps = torch.cat([checkpoint(self.trunk, part, use_reentrant=False) for part in images.split(self.chunk)])
        else:
            maps = torch.cat([self.trunk(part) for part in images.split(self.chunk)])
        return maps.unflatten(0, frames.shape[:2])  # (B, T, C, h, w)

    def forward(self, frames: Tensor) -> Tensor:
        """Logits ``(B, K)`` of frames ``(B, T, 3, H, W)``; images ``(B, 3, H, W)`` are clips of one frame."""
        return self.head(self.maps(frames[:, None] if frames.ndim == 4 else frames))

    def steps(self, frames: Tensor) -> Tensor:
        """Logits ``(B, T, K)`` at every frame, if the head is a `DeepLSTM`."""
        return self.head.steps(self.maps(frames))  # type: ignore[operator]

    @torch.no_grad()
    def stream(self, pieces: Iterable[Tensor]) -> Tensor:
        """Judge a video of any length in constant memory: section 3.4.1, "Video-Level Prediction", a single pass.

        Args:
            pieces: frames ``(B, t, 3, H, W)``, one piece after the other; t may change.

        Returns:
            ``(B, K)``, what `forward` gives for all of them at once; in ``eval()`` mode.

        Raises:
            TypeError: a head that has no running maximum: Local, average or fully connected pooling.
        """
        state: Any = None
        for piece in pieces:
            state = self.head.advance(self.maps(piece), state)
        return self.head.conclude(state)


def expand(model: VideoNet, small: VideoNet, *, skip: Collection[str] = ()) -> list[str]:
    """Start a net from one for fewer frames: network expansion, section 3.3.3.

    Parameters of equal name and shape are taken over. That is everything in Conv, Late and average pooling: on a clip
    of equal frames they agree with the small net. Local Pooling's larger softmax takes the weights of the tower at the
    same share of the clip, scaled so that all towers together speak as loud as before; so it agrees as well. Slow
    Pooling takes trunk and first layer from a single-frame net, its softmax must begin anew; Time-Domain Convolution
    takes the trunk and those of its fully connected layers that fit, for no net of one frame has kernels over time. The
    weights of fully connected pooling begin as a mean. An LSTM takes the trunk and AlexNet's layers.

    Args:
        model: changed in place.
        small: another `VideoNet` with the same trunk.
        skip: parts that begin anew in any case, e.g. ``("head.classifier",)`` where classes are others.

    Returns:
        Names of the parameters that begin anew.
    """
    mine, theirs = dict(model.named_parameters()), dict(small.named_parameters())
    fresh = []
    if _what_softmax_reads(model.head) != _what_softmax_reads(small.head):
        skip = (*skip, "head.classifier")
    model.trunk.load_state_dict(small.trunk.state_dict())  # with what batch normalisation has counted
    with torch.no_grad():
        for name, parameter in mine.items():
            source: Tensor | None = theirs.get(name)
            if name == "head.classifier.weight" and source is not None and isinstance(model.head, LocalPooling):
                source = _respread(source, small.head, model.head)
            if source is None or source.shape != parameter.shape or name.startswith(tuple(skip)):
                fresh.append(name)
            else:
                parameter.copy_(source)
    return fresh


def _what_softmax_reads(head: nn.Module) -> tuple[Any, ...]:
    """Of equal ones the softmax weights mean the same: an LSTM or not, and which layers lie below."""
    return isinstance(head, DeepLSTM), *(tuple(weight.shape[:1]) for weight in head.fc.parameters())  # type: ignore[union-attr]


def _respread(weight: Tensor, small: nn.Module, large: LocalPooling) -> Tensor:
    """The softmax weights of a number of towers for another number of them, ``(K, W * D)``."""
    before = small._towers if isinstance(small, LocalPooling) else 1
    towers = weight.unflatten(1, (before, -1))  # (K, before, D)
    places = torch.arange(large._towers) * before // large._towers
    return (towers[:, places] * before / large._towers).flatten(1)  # (K, W * D)


def last_layers_only(model: VideoNet) -> VideoNet:
    """Freeze the CNN, in place: the models marked "(fc)" in Table 3.2, which "updated only the final layers".

    With an LSTM the fully connected layers below it belong to the CNN; with pooling they lie above it, and learn.
    """
    model.trunk.requires_grad_(False)
    if isinstance(model.head, DeepLSTM):
        model.head.fc.requires_grad_(False)
    return model


class Row(NamedTuple):
    """A row of boxes in a drawing of a net: what kind, how many of them along time, and the shape each gives."""

    kind: str
    boxes: int
    shape: tuple[int, ...]


KINDS = {
    MaxOverTime: "max-pooling",
    LocalMax: "max-pooling",
    TimeConvolution: "time-domain convolution",
    nn.Linear: "fully connected",
    PeepholeLSTM: "LSTM",
    nn.LSTM: "LSTM",
    _Mean: "average pooling",
    _Weighted: "fully connected",
}


def towers(head: Pooling | DeepLSTM, frames: int) -> list[Row]:
    """What a head does, layer by layer from the bottom, found by running it: the drawings of Figures 3.2 and 3.4.

    Args:
        head: any of this file.
        frames: how many.

    Returns:
        The trunk's row first (kind ``"C"``), the softmax last.
    """
    rows = [Row("C", frames, head.maps)]

    def note(module: nn.Module, _: Any, output: Any) -> None:
        given = output[0] if isinstance(output, tuple) else output
        along = given.ndim in (3, 5)  # (B, T, D) or (B, T, C, h, w); else time is over
        kind = "softmax" if module is head.classifier else KINDS[type(module)]
        rows.append(Row(kind, given.shape[1] if along else 1, tuple(given.shape[2 if along else 1 :])))

    hooks = [module.register_forward_hook(note) for module in head.modules() if type(module) in KINDS]
    was = head.training
    try:
        with torch.no_grad():
            head.eval()(torch.zeros(1, frames, *head.maps))
    finally:
        head.train(was)
        for hook in hooks:
            hook.remove()
    return rows


# --- procedure: training and inference --------------------------------------------------------------------------------


def gains(frames: int, kind: Gain = "linear") -> Tensor:
    """How much the gradient of each frame counts, ``(frames,)``: section 3.3.3, "LSTM Training".

    ``"linear"`` rises from 0 at the first frame to 1 at the last; ``"ones"`` is 1 everywhere; ``"last"`` is 1 at the
    last frame and 0 before. A single frame has 1.
    """
    checks.require_positive(frames, "frames")
    if kind == "ones":
        return torch.ones(frames)
    if kind == "linear" and frames > 1:
        return torch.linspace(0, 1, frames)
    if kind not in ("linear", "last"):
        raise ValueError(f'kind must be "linear", "ones" or "last"; got {kind!r}')
    return F.pad(torch.ones(1), (frames - 1, 0))


def combine(steps: Tensor, rule: Rule = "weighted") -> Tensor:
    """One prediction for the video from those of its frames: section 3.3.3, "LSTM Inference".

    Args:
        steps: logits ``(..., T, K)``.
        rule: the prediction of the ``"last"`` frame; the ``"max"`` over time of each class; the ``"sum"``; or the sum
            ``"weighted"`` by the linear gain.

    Returns:
        ``(..., K)`` log-probabilities: scaled to sum to one, which changes no order.
    """
    logs = steps.log_softmax(-1)
    if rule == "last":
        return logs[..., -1, :]
    if rule == "max":
        return logs.amax(-2).log_softmax(-1)
    if rule not in ("sum", "weighted"):
        raise ValueError(f'rule must be "last", "max", "sum" or "weighted"; got {rule!r}')
    weights = gains(steps.shape[-2], "linear" if rule == "weighted" else "ones").to(logs)
    return (logs + weights.log()[:, None]).logsumexp(-2) - weights.sum().log()


def soft_targets(hot: Tensor) -> Tensor:
    """Targets for a softmax of videos with one label or several: ``(B, K)`` bool to shares that sum to one."""
    checks.require_shape(hot, "B K", "hot", "one bool for each video and class")
    return hot.float() / hot.sum(dim=1, keepdim=True)


def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, dict[str, float]]:
    """Cross-entropy of clips ``(inputs, hot)``, hot ``(B, K)`` bool, and Hit@1: for `labkit.training.fit`."""
    inputs, hot = batch
    logits = model(inputs)
    return F.cross_entropy(logits, soft_targets(hot)), {"Hit@1": metrics.hit_at_k(logits.detach(), hot, 1)}


def lstm_loss(model: nn.Module, batch: tuple[Tensor, Tensor], gain: Gain = "linear") -> tuple[Tensor, dict[str, float]]:
    """The loss of a net with a `DeepLSTM`: the label at every frame, weighted by the gain.

    Args:
        model: has ``steps``.
        batch: inputs, and hot ``(B, K)`` bool.
        gain: see `gains`; for `labkit.training.fit`, ``functools.partial(lstm_loss, gain="ones")``.
    """
    inputs, hot = batch
    steps = model.steps(inputs)  # type: ignore[operator]  # (B, T, K)
    each = -(steps.log_softmax(-1) * soft_targets(hot)[:, None]).sum(-1)  # (B, T)
    weights = gains(steps.shape[1], gain).to(each)
    return (each * weights).sum(1).mean() / weights.sum(), {"Hit@1": metrics.hit_at_k(combine(steps.detach()), hot, 1)}


def time_to_learn(curve: Sequence[tuple[int, float]], goal: float, steps: int) -> float:
    """Percent of the training steps until a goal is reached for the first time; 100 if it never is.

    Args:
        curve: (step, accuracy), in order.
        goal: accuracy to reach.
        steps: of the whole training.
    """
    return next((100 * step / steps for step, value in curve if value >= goal), 100.0)


def gradient_sparsity(head: nn.Module, maps: Tensor, hot: Tensor) -> float:
    """Share of the maps' values that get no gradient at all from a batch: section 3.3.1, "much sparser updates".

    Args:
        head: a pooling head, in the mode it is in.
        maps: ``(B, T, C, h, w)``.
        hot: ``(B, K)`` bool.
    """
    maps = maps.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(head, (maps, hot))[0], maps)
    return (gradient == 0).double().mean().item()


# --- procedure: views of a video --------------------------------------------------------------------------------------


def timeline(view: View, clip: Clip) -> Tensor:
    """All frames of a clip that a `video_view` chooses from, int64 ``(L,)``: "Data Extraction"."""
    return cast(Timeline, view.sample).timeline(clip, view.modality.count(clip))


def random_examples(view: View, clip: Clip, num_samples: int = 240, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random views as in training, ``(num_samples, num_frames, 3, crop_size, crop_size)``, the same ones each time.

    240 views of 120 frames are 17 GB at the paper's size. So ask for few, or average over calls with another seed each.
    Source: section 3.4.1.
    """
    generator = torch.Generator().manual_seed(seed)
    views = [view.train(clip, generator)[0] for _ in range(num_samples)]
    return torch.stack(views), view.label(clip)


def whole_video(view: View, clip: Clip) -> tuple[Tensor, Tensor]:
    """All frames once, their centre crops, as one view ``(1, L, 3, crop_size, crop_size)``: one pass over the video."""
    return view.at(clip, timeline(view, clip))[None], view.label(clip)


@dataclass(frozen=True)
class FrameMaps(Dataset[tuple[Tensor, Tensor]]):
    """Maps of whole videos, computed once, to train and test heads on: what "(fc)" in Table 3.2 allows.

    An item is a random example, as a `video_view` gives them to train, of the crops that were computed.

    Attributes:
        maps: ``(N, V, L, C, h, w)``: of N videos, V windows of each, L frames.
        hot: ``(N, K)`` bool.
        frames: of an example.
        every: of the L frames take every this many: a lower frame rate.
        least: shorter timelines start over until they are this long.
    """

    maps: Tensor
    hot: Tensor
    frames: int
    every: int = 1
    least: int = 1

    def timeline(self) -> Tensor:
        """Indices into the L frames, to choose from."""
        return loop(torch.arange(0, self.maps.shape[2], self.every), at_least=max(self.least, self.frames))

    def __len__(self) -> int:
        return len(self.maps)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.example(index), self.hot[index]

    def example(self, index: int, generator: Generator | None = None) -> Tensor:
        """A random start, in a random one of the windows: ``(frames, C, h, w)`` float32."""
        timeline = self.timeline()
        start = int(torch.randint(len(timeline) - self.frames + 1, (), generator=generator))
        window = int(torch.randint(self.maps.shape[1], (), generator=generator))
        return self.maps[index, window, timeline[start : start + self.frames]].float()

    def views(self, examples: int, seed: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Several examples of each video, for `labkit.training.evaluate`: ``(1, V, frames, C, h, w)``, ``(1, K)``.

        Args:
            examples: V, how many.
            seed: of random examples, the same ones each time. None: central windows, from equally spaced starts.
        """
        timeline = self.timeline()
        starts = torch.linspace(0, len(timeline) - self.frames, examples).round().long()  # (V,), the first is 0
        places = timeline[starts[:, None] + torch.arange(self.frames)]  # (V, frames)
        generator = torch.Generator().manual_seed(seed or 0)
        for index, hot in enumerate(self.hot):
            if seed is None:
                views = self.maps[index, 0][places].float()
            else:
                views = torch.stack([self.example(index, generator) for _ in range(examples)])
            yield views[None], hot[None]


@torch.no_grad()
def frame_maps(
    trunk: nn.Module,
    clips: Clips,
    view: View,
    *,
    windows: int = 1,
    seed: int = 0,
    device: str = "cpu",
    at_once: int = 120,
    progress: bool = True,
) -> FrameMaps:
    """Run a trunk over all frames of all videos, each once for every window.

    Args:
        trunk: put into ``eval()`` for this.
        clips: of any length; the shorter ones start over until all are as long as the longest.
        view: which frames, what size; of its timeline each frame is computed once, and nothing is looped.
        windows: the central one first, then random ones (mirrored ones among them if the view says so).
        seed: of these.
        device: where to compute.
        at_once: frames in one pass.
        progress: whether to show a bar.

    Returns:
        Maps in half precision on the CPU, and labels.
    """
    trunk.to(device).eval()
    generator = torch.Generator().manual_seed(seed)
    found = []
    for clip in tqdm(clips, desc="maps", unit="clip", disable=not progress, delay=2):
        frames = timeline(view, clip).unique()
        crops = [view.at(clip, frames), *(view.train(clip, generator, frames)[0] for _ in range(windows - 1))]
        parts = torch.cat(crops).split(at_once)
        maps = torch.cat([trunk(part.to(device)).half().cpu() for part in parts])  # (windows * L, C, h, w)
        found.append(maps.unflatten(0, (windows, -1)))
    longest = max(maps.shape[1] for maps in found)
    found = [maps[:, torch.arange(longest) % maps.shape[1]] for maps in found]  # (windows, longest, C, h, w)
    sample = cast(Timeline, view.sample)
    return FrameMaps(torch.stack(found), clips.multi_hot, sample.length, least=sample.min_frames)


# --- builders: views --------------------------------------------------------------------------------------------------


def video_view(
    num_classes: int,
    num_frames: int = 120,
    *,
    rate: float | None = 1.0,
    min_frames: int = 300,
    short_side: int | None = 256,
    crop_size: int = 220,
    flip: bool = True,
    flow: bool = False,
    bound: float = 40.0,
) -> View:
    """A stretch of a video, ``(num_frames, 3, crop_size, crop_size)``, normalised. Sections 3.3.4 and 3.4.1.

    To train, a random first frame of "the first 5 minutes", a random crop and perhaps a horizontal flip for all frames.

    Args:
        num_classes: K, for labels as ``(K,)`` bool.
        num_frames: 30 or 120; 1 for a single-frame network.
        rate: frames per second; None takes all there are.
        min_frames: shorter videos start over until there are this many frames to choose from, 300 in the paper.
        short_side: frames are resized to a square of this many pixels; as they are if None.
        crop_size: side of the crop, in pixels.
        flip: whether horizontal flips count as views. Not where left and right are different classes.
        flow: flow images instead of frames: from a frame to the next one of the clip, whatever the rate. The paper has
            clips of 15 frames per second for this.
        bound: of the flow, in pixels per frame.
    """
    return View(
        sample=Timeline(length=num_frames, rate=rate, seconds=300.0, min_frames=min_frames),
        modality=FlowImage(bound=bound) if flow else RGB(),
        short_side=short_side,
        keep_aspect=False,
        crop_size=crop_size,
        flip=flip,
        num_classes=num_classes,
    )


# --- builders: networks -----------------------------------------------------------------------------------------------
# The same classes in two sizes; maps of the trunks are what their tests say.

PAPER_FC = (4096, 4096)  # section 3.3
TINY_FC = (256, 256)
Head = type[Pooling] | type[DeepLSTM]


def alexnet_paper(
    head: Head = ConvPooling, *, classes: int = 487, frames: int = 120, chunk: int | None = 20, **numbers: Any
) -> VideoNet:
    """AlexNet for windows of 220 x 220; ``frames=1`` with Conv Pooling is the single-frame net."""
    return VideoNet(alexnet_trunk(), head((256, 6, 6), classes, frames, **({"fc": PAPER_FC} | numbers)), chunk)


def alexnet_tiny(classes: int, head: Head = ConvPooling, *, frames: int = 1, **numbers: Any) -> VideoNet:
    """AlexNet for windows of 56 x 56: smaller filters, a tenth of the parameters and less.

    `labkit.backbones.source_weights` has it trained on the source task, under the name ``"alexnet"``.
    """
    numbers = {"fc": TINY_FC, "dropout": 0.5, **(TINY_LSTM if head is DeepLSTM else {}), **numbers}
    return VideoNet(alexnet_trunk((7, 5, 3), (32, 64, 128), 2), head((128, 3, 3), classes, frames, **numbers))


def googlenet_paper(
    head: Head = ConvPooling, *, classes: int = 487, frames: int = 120, chunk: int | None = 10, **numbers: Any
) -> VideoNet:
    """GoogLeNet, with two fully connected layers in front of the softmax if it pools, and none below an LSTM.

    The plain single-frame net is ``googlenet_paper(frames=1, fc=(), dropout=0.4)``.
    """
    numbers = ({} if head is DeepLSTM else {"fc": PAPER_FC}) | numbers
    return VideoNet(googlenet_trunk(), head((1024, 1, 1), classes, frames, **numbers), chunk)


def googlenet_tiny(classes: int, head: Head = ConvPooling, *, frames: int = 1, **numbers: Any) -> VideoNet:
    """The small GoogLeNet that comes with the lab, maps ``(256, 1, 1)``."""
    numbers = {"dropout": 0.5, **(TINY_LSTM if head is DeepLSTM else {"fc": TINY_FC}), **numbers}
    return VideoNet(googlenet_trunk(tiny_net(1)), head((256, 1, 1), classes, frames, **numbers))


TINY_LSTM: Mapping[str, Any] = {"layers": 2, "cells": 128}

# --- recipes: Recipe(**POOLING_RECIPE) --------------------------------------------------------------------------------


def halving(step: int, every: int) -> float:
    """An exponentially decaying learning rate: half of it after ``every`` steps. The text gives no rate of decay."""
    return 0.5 ** (step / every)


POOLING_RECIPE: Mapping[str, Any] = {
    "optimizer": torch.optim.SGD,
    "options": {"lr": 1e-5, "momentum": 0.9, "weight_decay": 5e-4},
    "steps": 200_000,  # not given
    "batch": 32,  # not given
    "schedule": functools.partial(halving, every=50_000),
}
"""For nets that pool, section 3.3.3. The options are the paper's, whose steps came from many machines at once."""


def lstm_recipe(frames: int) -> dict[str, Any]:
    """For nets with an LSTM: "a learning rate of N * 1e-5 where N is number of frames", section 3.3.3."""
    return {**POOLING_RECIPE, "options": {**POOLING_RECIPE["options"], "lr": frames * 1e-5}}


TINY_RECIPE: Mapping[str, Any] = {
    **POOLING_RECIPE,
    "options": {"lr": 1e-2, "momentum": 0.9, "weight_decay": 5e-4},
    "steps": 300,
    "batch": 32,
    "schedule": functools.partial(halving, every=100),
}
TINY_LSTM_RECIPE: Mapping[str, Any] = {
    **TINY_RECIPE,
    "optimizer": torch.optim.Adam,  # two layers learn in hundreds of steps what momentum needs thousands for
    "options": {"lr": 2e-3},
    "clip_norm": 5.0,
}


def _fully_connected(inputs: int, widths: Sequence[int], dropout: float) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for number, width in enumerate(widths, start=6):
        layers[f"fc{number}"] = nn.Linear(inputs, width)
        layers[f"relu{number}"], layers[f"drop{number}"] = nn.ReLU(), nn.Dropout(dropout)
        inputs = width
    return nn.Sequential(layers).apply(_start)


def _start(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d | nn.Conv3d | nn.Linear):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
