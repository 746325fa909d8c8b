"""Recurrent networks on CNN codes: is the order of the frames worth anything?

Giel and Diaz, "Recurrent neural networks and transfer learning for action recognition", a report of Stanford's CS231n,
2015. A clip becomes ten frames over its first two seconds, and each frame 4096 numbers: the code that a CNN trained on
ImageNet, which stays as it is, has for it. What is learned is how to read ten codes. Average forgets their order: mean
code, two layers. RNN, LSTM and bidirectional RNN keep it: each of their steps names a class, and the ten opinions count
alike. The paper has 50.0, 49.1, 45.9 and 50.5 % on UCF101: a single frame gives most of these classes away.

In: codes ``(B, T, D)``, float32, T = 10; D = 4096 for AlexNet (`labkit.backbones.codes`). Out, for all models:
*log-probabilities* ``(B, K)`` of the averaged probabilities. Their softmax is these probabilities again, so they serve
as logits wherever logits are wanted, e.g. for `labkit.training.evaluate`.

Where this departs from the paper, or fills what it leaves open:

- The CNN is torchvision's AlexNet, not CaffeNet: fewer channels in its convolutions, no local response normalisation,
  224 x 224 images, ImageNet's mean colour instead of its mean image. Codes are taken behind fc7's ReLU; the paper does
  not say on which side. A clip that ends before two seconds is sampled over what there is of it.
- Not given: widths (512 here for h and y alike), dropout (0.5), optimiser, learning rate, batch, clipping, how weights
  begin, and the loss. The network's answer is the averaged probability, so its negative logarithm is the loss here.
- The printed backward layer has b_h without its own mark; here each direction has its own bias.
- 1-D convolution, the models named as next, and the augmentation have no details at all; see each of them.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as pictures  # type: ignore[import-untyped]

from labkit import checks, metrics
from labkit.backbones.codes import FrameCoder
from labkit.clips import Clip
from labkit.flow.stack import crop, flip_frames
from labkit.views.sampling import over_first_seconds

VERSION = 1
"""Raised by hand whenever a change here may change results; records in the ledger carry it."""

READING_STD = 1e-3
"""Of the weights that read codes, at the start, in all models alike: Le et al. (see `ReLURecurrence`), section 4."""


def sample_frames(clip: Clip, frames: int = 10, seconds: float = 2.0) -> Tensor:
    """Which frames to look at: ten, evenly over the first two seconds, or over all of a shorter clip.

    Returns:
        ``(frames,)`` int64, in ascending order.

    Raises:
        ValueError: fewer than ``frames`` frames in that time.

    Source: "Data Processing": "10 frames evenly distributed over the first 2 seconds". UCF101 has shorter clips.
    """
    if clip.num_frames < clip.fps * seconds:
        return over_first_seconds(clip.num_frames, fps=clip.num_frames, n=frames, seconds=1)  # all of it is one second
    return over_first_seconds(clip.num_frames, clip.fps, frames, seconds, clip.times)


def average_probabilities(scores: Tensor) -> Tensor:
    """The prediction rule: a softmax at every step, their mean over the steps; the class with the largest mean wins.

    Not the last step, and not the mean of the scores: a step that is sure of itself cannot outvote the others.

    Args:
        scores: ``(..., T, K)``, of each step; logits or log-probabilities.

    Returns:
        ``(..., K)``, the logarithm of the mean probability; it sums to one over the classes after ``exp``.

    Source: "Models", the equation of p.
    """
    steps = scores.shape[-2]
    return scores.log_softmax(-1).logsumexp(-2) - math.log(steps)  # (..., K): log of 1/T sum_t g(W_s y_t + b_s)


class ReLURecurrence(nn.Module):
    """The "vanilla" recurrent layer: ``h_t = ReLU(W_ih x_t + W_hh h_{t-1} + b_h)``, h_0 = 0.

    A ReLU has no ceiling: what W_hh enlarges grows tenfold over ten steps, and its gradient with it; what W_hh shrinks
    is forgotten. So W_hh begins as the identity: the layer adds up what it sees, and gradients pass unchanged. An
    orthogonal matrix, which turns but keeps lengths, is the other usual choice (pass ``torch.nn.init.orthogonal_``).
    Training may leave that start, so gradients are clipped (`CLIP_NORM`). The paper says nothing on either.

    Source: "Models", the equation of h_t; Le, Jaitly and Hinton, "A simple way to initialize recurrent networks of
    rectified linear units", arXiv:1504.00941, section 2, for the start.
    """

    def __init__(self, inputs: int, hidden: int, init: Callable[[Tensor], Any] = nn.init.eye_) -> None:
        super().__init__()
        self.w_ih = _reader(nn.Linear(inputs, hidden))  # its bias is b_h
        self.w_hh = nn.Linear(hidden, hidden, bias=False)
        init(self.w_hh.weight)

    def forward(self, inputs: Tensor) -> Tensor:
        """States ``(B, T, hidden)`` for inputs ``(B, T, D)``."""
        driven = self.w_ih(inputs)  # (B, T, hidden)
        state, states = torch.zeros_like(driven[:, 0]), []
        for step in driven.unbind(dim=1):  # (B, hidden)
            state = F.relu(step + self.w_hh(state))  # h_t = a(W_ih x_t + W_hh h_{t-1} + b_h)
            states.append(state)
        return torch.stack(states, dim=1)  # (B, T, hidden)


class LSTMRecurrence(nn.Module):
    """A layer of long short-term memory in place of the ReLU layer.

    Recurrent weights begin orthogonal, gate by gate; the forget gate's bias at 1, so that at first cells keep what they
    hold (Jozefowicz, Zaremba and Sutskever, ICML 2015, section 2.2).
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, hidden, batch_first=True)
        w_ih, w_hh, b_ih, b_hh = self.lstm.all_weights[0]  # rows: input gate, forget gate, cell, output gate
        nn.init.normal_(w_ih, std=READING_STD)
        for gate in w_hh.chunk(4):  # (hidden, hidden) each
            nn.init.orthogonal_(gate)
        nn.init.zeros_(b_hh)
        nn.init.zeros_(b_ih)
        nn.init.ones_(b_ih.chunk(4)[1])

    def forward(self, inputs: Tensor) -> Tensor:
        """States ``(B, T, hidden)`` for inputs ``(B, T, D)``."""
        return self.lstm(inputs)[0]


class Direction(nn.Module):
    """Recurrent layers, read forward or backward in time, and the map from their state to their output.

    Args:
        layers: one recurrent layer or several, the states of one being the inputs of the next.
        width: of h_t, and of y_t.
        backward: whether time runs from the last frame to the first: ``h_t`` then depends on ``h_{t+1}``.
    """

    def __init__(self, layers: Sequence[nn.Module], width: int, backward: bool = False) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.w_ho = _glorot(nn.Linear(width, width))
        self.reads_backward = backward

    def forward(self, codes: Tensor) -> Tensor:
        """Outputs ``(B, T, width)`` for codes ``(B, T, D)``, in the order of the frames in either direction."""
        states = self.layers(codes.flip(1)).flip(1) if self.reads_backward else self.layers(codes)  # (B, T, width)
        return self.w_ho(states)  # (B, T, width), y_t = W_ho h_t + b_o


class RecurrentClassifier(nn.Module):
    """RNN, LSTM, bidirectional RNN and their kin: they differ in the directions only.

    Args:
        directions: one, or a forward and a backward one, whose outputs are summed (not concatenated).
        classes: K.
    """

    def __init__(self, directions: Sequence[Direction], classes: int) -> None:
        super().__init__()
        self.directions = nn.ModuleList(directions)
        self.w_s = _glorot(nn.Linear(directions[0].w_ho.out_features, classes))

    def forward(self, codes: Tensor) -> Tensor:
        """Log-probabilities ``(B, K)`` of codes ``(B, T, D)``: those of the steps, averaged as probabilities."""
        return average_probabilities(self.steps(codes))

    def steps(self, codes: Tensor) -> Tensor:
        """Log-probabilities ``(B, T, K)`` of each step, for a look at how a clip is understood frame by frame."""
        _require_codes(codes)
        outputs = sum(direction(codes) for direction in self.directions)  # (B, T, width), y_t = y^f_t + y^b_t
        return self.w_s(outputs).log_softmax(-1)  # (B, T, K), log g(W_s y_t + b_s)


class Average(nn.Module):
    """The baseline: the mean of the codes, then two fully connected layers with ReLU and dropout between them.

    Source: "Models", the 'Average' model. Where the dropout goes is not said.
    """

    def __init__(self, inputs: int, hidden: int, classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        self.first = _reader(nn.Linear(inputs, hidden))
        self.dropout = nn.Dropout(dropout)
        self.second = _glorot(nn.Linear(hidden, classes))

    def forward(self, codes: Tensor) -> Tensor:
        """Log-probabilities ``(B, K)`` of codes ``(B, T, D)``, whatever their order."""
        _require_codes(codes)
        mean = codes.mean(dim=1)  # (B, D)
        return self.second(self.dropout(F.relu(self.first(mean)))).log_softmax(-1)


class CodeConvolution(nn.Module):
    """What they tried and dropped as "extremely unstable in training": a 1-D convolution over time on 10 x 4096 codes.

    Not described further; here the plainest convolutional net: 3 frames wide, ReLU, max-pooling of two, one fully
    connected layer, which sees at which time something was found.

    Args:
        inputs: D.
        channels: number of kernels.
        classes: K.
        frames: T, at least 4.
    """

    def __init__(self, inputs: int, channels: int, classes: int, frames: int = 10) -> None:
        super().__init__()
        self.convolution = _reader(nn.Conv1d(inputs, channels, kernel_size=3))
        self.classifier = _glorot(nn.Linear((frames - 2) // 2 * channels, classes))
        self.frames = frames

    def forward(self, codes: Tensor) -> Tensor:
        """Log-probabilities ``(B, K)`` of codes ``(B, frames, D)``."""
        _require_codes(codes, self.frames)
        found = F.max_pool1d(F.relu(self.convolution(codes.mT)), 2)  # (B, channels, (frames - 2) // 2)
        return self.classifier(found.flatten(1)).log_softmax(-1)


class FineTuned(nn.Module):
    """Named as next: the CNN is trained along, so that its codes come to describe actions. Frames in, not codes.

    Args:
        coder: its net is trained; begins with the weights that made the codes. ``train()`` turns its dropout on.
        head: any model of this file.
    """

    def __init__(self, coder: FrameCoder, head: nn.Module) -> None:
        super().__init__()
        self.trunk, self.head, self._coder = coder.net, head, coder

    def forward(self, frames: Tensor) -> Tensor:
        """Log-probabilities ``(B, K)`` of uint8 frames ``(B, T, 3, H, W)``."""
        checks.require_shape(frames, "B T 3 H W", "frames")
        codes = self._coder.differentiable(frames.flatten(0, 1))  # (B * T, D)
        return self.head(codes.unflatten(0, frames.shape[:2]))  # (B, K)


class DualStream(nn.Module):
    """Named as next: one model on codes of frames, one on codes of optical flow, their probabilities averaged.

    Args:
        frames: any model of this file.
        flow: another one; its codes are those of `flow_image`.
    """

    def __init__(self, frames: nn.Module, flow: nn.Module) -> None:
        super().__init__()
        self.frames, self.flow = frames, flow

    def forward(self, codes: Tensor) -> Tensor:
        """Log-probabilities ``(B, K)`` of codes ``(B, 2, T, D)``, those of the frames first."""
        checks.require_shape(codes, "B 2 T D", "codes", "torch.stack([of_frames, of_flow], dim=1)")
        streams = torch.stack([self.frames(codes[:, 0]), self.flow(codes[:, 1])], dim=1)  # (B, 2, K)
        return average_probabilities(streams)


def flow_image(flow: Tensor, bound: float = 20.0) -> Tensor:
    """Flow as a picture, for a CNN that knows pictures: dx, dy and the speed as red, green and blue.

    Args:
        flow: ``(..., 2, H, W)``, float32, in pixels per frame.
        bound: what becomes 255; -bound becomes 0, and what is faster is cut off. Speed runs from 0 to bound.

    Returns:
        ``(..., 3, H, W)``, uint8.

    Source: Donahue et al., "Long-term recurrent convolutional networks", CVPR 2015, section 4, whose Giel and Diaz's
    model is; they leave the bound open.
    """
    checks.require_shape(flow, "... 2 H W", "flow", "pass dx, dy only")
    checks.require_positive(bound, "bound")
    speed = torch.linalg.vector_norm(flow, dim=-3, keepdim=True)  # (..., 1, H, W)
    levels = torch.cat([(flow + bound) / 2, speed], dim=-3) * (255 / bound)  # (..., 3, H, W)
    return levels.clamp(0, 255).round().to(torch.uint8)


def augmented(frames: Tensor, generator: torch.Generator, flip: bool = True) -> Tensor:
    """Named as next: another crop, mirror image, hue and contrast, the same for all frames of a clip, and noise.

    Four fifths of each side at least are kept; hue turns by up to 0.05 of the circle, contrast changes by up to a
    fifth, the noise has a standard deviation of 4 levels. All of these numbers are ours.

    Args:
        frames: ``(T, 3, H, W)``, uint8.
        generator: of the draws, on the CPU.
        flip: whether half of the clips are mirrored; not where left and right are different classes.

    Returns:
        ``(T, 3, h, w)``, uint8; smaller, as a `FrameCoder` resizes anyway.
    """
    checks.require_shape(frames, "T 3 H W", "frames")
    height, width = frames.shape[-2:]
    draws = torch.rand(6, generator=generator).tolist()
    rows, columns = round(height * (1 - 0.2 * draws[0])), round(width * (1 - 0.2 * draws[0]))
    top, left = int(draws[1] * (height - rows + 1)), int(draws[2] * (width - columns + 1))
    seen = crop(frames, top, left, rows, columns)  # (T, 3, rows, columns)
    if flip and draws[3] < 0.5:
        seen = flip_frames(seen)
    seen = pictures.adjust_contrast(pictures.adjust_hue(seen, 0.1 * draws[4] - 0.05), 0.8 + 0.4 * draws[5])
    noise = 4 * torch.randn(seen.shape, generator=generator)
    return (seen + noise).clamp(0, 255).round().to(torch.uint8)


def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, dict[str, Any]]:
    """Mean of -log of the averaged probability of the right class, for `labkit.training.fit`; shows the accuracy too.

    Args:
        model: any of this file.
        batch: what the model takes, and labels ``(B,)``.
    """
    inputs, labels = batch
    scores = model(inputs)  # (B, K)
    return F.nll_loss(scores, labels), {"accuracy": metrics.accuracy(scores.detach(), labels)}


def instability(curve: Sequence[float]) -> float:
    """How much a learning curve goes up and down once most is learned: its standard deviation over the second half.

    Ours, to put a number to "validation accuracy fluctuating drastically" ("Models"). A slow rise counts as well.
    """
    half = torch.tensor(curve[len(curve) // 2 :], dtype=torch.float64)
    return half.std(correction=0).item()


def order_accuracy(scores: Tensor, labels: Tensor, pairs: Sequence[tuple[int, int]]) -> float:
    """Share of clips put in the right order of time, given the right pair: which of its two classes scores higher?

    Ours, for classes that are each other backwards. A tie is half right, so who cannot tell them apart gets 0.5.

    Args:
        scores: ``(N, K)``.
        labels: ``(N,)``, int64. Clips of other classes do not count.
        pairs: of classes with the same frames in opposite orders.

    Raises:
        ValueError: no clip belongs to a pair.
    """
    partner = torch.full((scores.shape[1],), -1)
    for first, second in pairs:
        partner[first], partner[second] = second, first
    rows = (partner[labels] >= 0).nonzero().squeeze(1)  # (number of clips that count,)
    if len(rows) == 0:
        raise ValueError(f"labels must hold classes of pairs; got none of {list(pairs)}: check the classes")
    own, other = scores[rows, labels[rows]], scores[rows, partner[labels[rows]]]
    return ((own > other).double() + (own == other).double() / 2).mean().item()


def class_clustering(codes: Tensor, labels: Tensor) -> tuple[float, float]:
    """Whether mean codes cluster by class (Figure 7 shows it in two dimensions): is the nearest other one of its class?

    Args:
        codes: ``(N, T, D)``, at least two clips; averaged over T, compared by Euclidean distance.
        labels: ``(N,)``, int64.

    Returns:
        The share of clips whose nearest neighbour has the same label, and the share expected with shuffled labels.
    """
    _require_codes(codes)
    means = codes.mean(dim=1).double()  # (N, D)
    nearest = torch.cdist(means, means).fill_diagonal_(torch.inf).argmin(dim=1)  # (N,)
    sizes = torch.bincount(labels).double()  # (K,)
    chance = (sizes * (sizes - 1)).sum() / (len(labels) * (len(labels) - 1))
    return (labels[nearest] == labels).double().mean().item(), chance.item()


class Models(NamedTuple):
    """All models of this file on codes, under the names they have in the ledger, ``labkit/claims/frame_rnn.toml``."""

    average: Average
    rnn: RecurrentClassifier
    lstm: RecurrentClassifier
    birnn: RecurrentClassifier
    conv1d: CodeConvolution  # tried and dropped
    birnn_lstm: RecurrentClassifier  # named as next: bidirectional, with LSTM layers
    rnn2: RecurrentClassifier  # named as next: two layers


def frame_rnn_paper(classes: int = 101, seed: int = 0) -> Models:
    """The models for codes of 4096 numbers. The paper gives no widths: 512 for hidden layer, output and kernels."""
    return _models(4096, 512, classes, seed)


def frame_rnn_tiny(inputs: int, classes: int, seed: int = 0) -> Models:
    """The same models, 128 wide, for codes of ``inputs`` numbers: they train on a laptop in seconds."""
    return _models(inputs, 128, classes, seed)


def _models(inputs: int, width: int, classes: int, seed: int) -> Models:
    def recurrent(layer: Callable[[int, int], nn.Module], *backward: bool) -> RecurrentClassifier:
        return RecurrentClassifier([Direction([layer(inputs, width)], width, flag) for flag in backward], classes)

    def two_layers() -> RecurrentClassifier:
        first, second = ReLURecurrence(inputs, width), ReLURecurrence(width, width)
        _glorot(second.w_ih)  # reads states, not codes
        return RecurrentClassifier([Direction([first, second], width)], classes)

    def seeded(builder: Callable[[], Any]) -> Any:
        torch.default_generator.manual_seed(seed)  # anew for each model: none depends on those before it
        return builder()

    with torch.random.fork_rng(devices=[]):
        return Models(
            average=seeded(lambda: Average(inputs, width, classes)),
            rnn=seeded(lambda: recurrent(ReLURecurrence, False)),
            lstm=seeded(lambda: recurrent(LSTMRecurrence, False)),
            birnn=seeded(lambda: recurrent(ReLURecurrence, False, True)),
            conv1d=seeded(lambda: CodeConvolution(inputs, width, classes)),
            birnn_lstm=seeded(lambda: recurrent(LSTMRecurrence, False, True)),
            rnn2=seeded(two_layers),
        )


def _reader(layer: Any) -> Any:
    """Start a layer that reads codes: small weights, so that codes of any size begin with even odds; no bias."""
    nn.init.normal_(layer.weight, std=READING_STD)
    nn.init.zeros_(layer.bias)
    return layer


def _glorot(layer: nn.Linear) -> nn.Linear:
    """Start any other layer as Lasagne does by default, in which the paper's models are written; no bias."""
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _require_codes(codes: Tensor, frames: int | None = None) -> None:
    checks.require_shape(codes, f"B {frames or 'T'} D", "codes", "one code a frame; unsqueeze a single clip")


CLIP_NORM = 5.0
"""Gradients of ReLU recurrences are clipped to this norm; the paper does not say whether it does."""

PAPER_RECIPE: Mapping[str, Any] = {
    "optimizer": torch.optim.Adam,
    "options": {"lr": 1e-4},
    "steps": 6000,  # "Future Work": above 90 % on the training set after 50-80 epochs; 80 of UCF101's 9537 clips
    "batch": 128,
    "clip_norm": CLIP_NORM,
}
"""For ``Recipe(**PAPER_RECIPE, seed=...)``; only the epochs are the paper's. No weight decay: its best settings
"massively overfit" ("Results")."""

TINY_RECIPE: Mapping[str, Any] = {**PAPER_RECIPE, "options": {"lr": 1e-3}, "steps": 1000, "batch": 32}
"""For a few hundred clips of the embedded world: 50 epochs of 640, or 74 of 432, within the paper's 50 to 80."""
