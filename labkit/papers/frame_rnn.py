"""Recurrent networks on CNN codes: does the order of the frames help to recognise an action?

Andrew Giel and Ryan Diaz, "Recurrent neural networks and transfer learning for action recognition", a report of
Stanford's course CS231n (https://cs231n.stanford.edu), 2015. A clip becomes ten frames over its first two seconds, and
each frame a *code*: the 4096 features that a CNN trained on ImageNet computes for it. The CNN is frozen; only the model
that reads the ten codes is trained. Average ignores their order: two layers on the mean code. RNN, LSTM and
bidirectional RNN read them one after the other and predict a class at each step; the ten predictions count equally. On
UCF101 the paper reports 50.0, 49.1, 45.9 and 50.5 %: a single frame gives most of these classes away.

In: codes ``(B, T, D)``, float32, T = 10; D = 4096 for AlexNet (`labkit.backbones.codes`). Out, for all models:
*log-probabilities* ``(B, K)`` of the averaged probabilities. Their softmax is these probabilities again, so they serve
as logits wherever logits are wanted, e.g. for `labkit.training.evaluate`.

Where this departs from the paper, or fills what it leaves open:

- The CNN is torchvision's AlexNet, not CaffeNet: fewer channels in its convolutions, no local response normalisation,
  224 x 224 images, ImageNet's mean colour instead of its mean image. Codes are taken after the ReLU of fc7; the paper
  does not say on which side. A clip that is shorter than two seconds is sampled over its whole length.
- The LSTM is PyTorch's. The paper's comes from an early Lasagne layer after Graves, arXiv:1308.0850; Lasagne's has
  peepholes (gates that see the cell), weights from N(0, 0.1) and all biases 0 by default. Ours has none, small input
  weights, orthogonal recurrent ones and a forget bias of 1, see `LSTMRecurrence`; for peepholes see
  `labkit.backbones.peephole_lstm`.
- Not given: widths (512 here for h and y alike), dropout (0.5), optimiser, learning rate, batch, clipping, weight
  initialisation, and the loss. The network predicts the averaged probability, so its negative logarithm is the loss.
- How long they train is not given either; "Future Work" has more than 90 % on the training clips after 50 to 80
  epochs. 6,000 steps of 128 are 105 epochs of the 7,340 clips that are left of the 9,537 in the first training list of
  UCF101 when a quarter of each class, whole groups, is held out for validation. The paper does not say which clips
  validate.
- The printed equation of the backward layer shares b_h with the forward layer; here each direction has its own bias.
- The 1-D convolution, the models named as next, and the augmentation are not described at all; see each of them.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as images  # type: ignore[import-untyped]

from labkit import checks, metrics
from labkit.backbones.codes import FrameCoder
from labkit.clips import Clip
from labkit.flow.stack import crop, flip_frames
from labkit.views.sampling import over_first_seconds

CODE_STD = 1e-3
"""Standard deviation of the initial weights of layers that read codes, in all models: section 4 of Le et al., 2015."""


class ReLURecurrence(nn.Module):
    """The "vanilla" recurrent layer: ``h_t = ReLU(W_ih x_t + W_hh h_{t-1} + b_h)``, h_0 = 0.

    A ReLU has no upper bound: over ten steps, W_hh can multiply a state and its gradient many times, or let both
    vanish. So W_hh is initialised to the identity: the layer adds up its inputs, and gradients pass unchanged. An
    orthogonal matrix, which rotates but keeps lengths, is the other usual choice (``torch.nn.init.orthogonal_``).
    Training can leave that state, so gradients are clipped (`CLIP_NORM`). The paper does not discuss either.

    Args:
        input_size: D.
        hidden_size: of h_t.
        init: initialises W_hh in place.

    Source: "Models", the equation of h_t; Le, Jaitly and Hinton, "A simple way to initialize recurrent networks of
    rectified linear units", arXiv:1504.00941, section 2, for the identity.
    """

    def __init__(self, input_size: int, hidden_size: int, init: Callable[[Tensor], Any] = nn.init.eye_) -> None:
        super().__init__()
        self.w_ih = _init_reader(nn.Linear(input_size, hidden_size))  # its bias is b_h
        self.w_hh = nn.Linear(hidden_size, hidden_size, bias=False)
        init(self.w_hh.weight)

    def forward(self, codes: Tensor) -> Tensor:
        """States ``(B, T, hidden_size)`` for codes ``(B, T, D)``."""
        driven = self.w_ih(codes)  # (B, T, hidden_size), all steps at the same time
        state, states = torch.zeros_like(driven[:, 0]), []
        for step in driven.unbind(dim=1):  # (B, hidden_size)
            state = F.relu(step + self.w_hh(state))  # h_t = a(W_ih x_t + W_hh h_{t-1} + b_h)
            states.append(state)
        return torch.stack(states, dim=1)  # (B, T, hidden_size)


class Gates(NamedTuple):
    """What an LSTM layer computes at each step: ``(B, T, hidden_size)`` each, gates between 0 and 1."""

    input: Tensor
    forget: Tensor
    output: Tensor
    cell: Tensor
    state: Tensor


class LSTMRecurrence(nn.Module):
    """A layer of long short-term memory instead of the ReLU layer.

    Recurrent weights are orthogonal at first, gate by gate, and the bias of the forget gate is 1, so that untrained
    cells keep most of their content (Jozefowicz, Zaremba and Sutskever, ICML 2015, section 2.2).

    Args:
        input_size: D.
        hidden_size: of the cell and of h_t.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(input_size, hidden_size, batch_first=True)
        w_ih, w_hh, b_ih, b_hh = self.lstm.all_weights[0]  # rows: input gate, forget gate, cell, output gate
        nn.init.normal_(w_ih, std=CODE_STD)
        for gate in w_hh.chunk(4):  # (hidden_size, hidden_size) each
            nn.init.orthogonal_(gate)
        nn.init.zeros_(b_hh)
        nn.init.zeros_(b_ih)
        nn.init.ones_(b_ih.chunk(4)[1])

    def forward(self, codes: Tensor) -> Tensor:
        """States ``(B, T, hidden_size)`` for codes ``(B, T, D)``."""
        return self.lstm(codes)[0]

    def gates(self, codes: Tensor) -> Gates:
        """What happens inside `forward`, written out: equations (7) to (11) of Graves, without peepholes."""
        w_x, w_h, b_x, b_h = self.lstm.all_weights[0]
        h = c = codes.new_zeros(len(codes), self.lstm.hidden_size)
        steps = []
        for x in codes.unbind(dim=1):  # (B, D)
            i, f, g, o = (F.linear(x, w_x, b_x) + F.linear(h, w_h, b_h)).chunk(4, dim=1)  # (B, hidden_size) each
            i, f, o = i.sigmoid(), f.sigmoid(), o.sigmoid()  # (7), (8), (10)
            c = f * c + i * g.tanh()  # (9)
            h = o * c.tanh()  # (11)
            steps.append((i, f, o, c, h))
        return Gates(*(torch.stack(values, dim=1) for values in zip(*steps, strict=True)))


class Direction(nn.Module):
    """Recurrent layers that run forward or backward in time, and the map from their state to their output.

    Args:
        layers: one recurrent layer or several, the states of one being the inputs of the next.
        hidden_size: of h_t, and of y_t.
        backward: whether time runs from the last frame to the first: ``h_t`` then depends on ``h_{t+1}``.
    """

    def __init__(self, layers: Sequence[nn.Module], hidden_size: int, backward: bool = False) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.w_ho = _init_glorot(nn.Linear(hidden_size, hidden_size))
        self.backward_in_time = backward

    def forward(self, codes: Tensor) -> Tensor:
        """Outputs ``(B, T, hidden_size)`` for codes ``(B, T, D)``, in the order of the frames for either direction."""
        states = self.layers(codes.flip(1)).flip(1) if self.backward_in_time else self.layers(codes)
        return self.w_ho(states)  # (B, T, hidden_size), y_t = W_ho h_t + b_o


def average_probabilities(scores: Tensor) -> Tensor:
    """The prediction rule: a softmax at every step, their mean over the steps; the class with the largest mean wins.

    Not the last step alone, and not the mean of the scores: one very confident step cannot outvote all others.

    Args:
        scores: ``(..., T, K)``, of each step; logits or log-probabilities.

    Returns:
        ``(..., K)``, the logarithm of the mean probability; it sums to one over the classes after ``exp``.

    Source: "Models", the equation of p.
    """
    steps = scores.shape[-2]
    return scores.log_softmax(-1).logsumexp(-2) - math.log(steps)  # (..., K): log of 1/T sum_t g(W_s y_t + b_s)


class RecurrentClassifier(nn.Module):
    """RNN, LSTM, bidirectional RNN and their variants: they differ only in their directions.

    Args:
        directions: one, or a forward and a backward one, whose outputs are summed (not concatenated).
        num_classes: K.
    """

    def __init__(self, directions: Sequence[Direction], num_classes: int) -> None:
        super().__init__()
        self.directions = nn.ModuleList(directions)
        self.w_s = _init_glorot(nn.Linear(directions[0].w_ho.out_features, num_classes))

    def forward(self, codes: Tensor) -> Tensor:
        """Log-probabilities ``(B, K)`` of codes ``(B, T, D)``: those of the steps, averaged as probabilities."""
        return average_probabilities(self.steps(codes))

    def steps(self, codes: Tensor) -> Tensor:
        """Log-probabilities ``(B, T, K)`` of codes ``(B, T, D)`` at each step."""
        _require_codes(codes)
        outputs = sum(direction(codes) for direction in self.directions)  # (B, T, hidden_size), y_t = y^f_t + y^b_t
        return self.w_s(outputs).log_softmax(-1)  # (B, T, K), log g(W_s y_t + b_s)


class Average(nn.Module):
    """The baseline: the mean of the codes, then two fully connected layers with ReLU and dropout between them.

    Args:
        input_size: D.
        hidden_size: of the layer in the middle.
        num_classes: K.
        dropout: after the ReLU.

    Source: "Models", the 'Average' model. The place of the dropout is not given.
    """

    def __init__(self, input_size: int, hidden_size: int, num_classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        self.first = _init_reader(nn.Linear(input_size, hidden_size))
        self.dropout = nn.Dropout(dropout)
        self.second = _init_glorot(nn.Linear(hidden_size, num_classes))

    def forward(self, codes: Tensor) -> Tensor:
        """Log-probabilities ``(B, K)`` of codes ``(B, T, D)``, whatever their order."""
        _require_codes(codes)
        mean = codes.mean(dim=1)  # (B, D)
        return self.second(self.dropout(F.relu(self.first(mean)))).log_softmax(-1)


class CodeConvolution(nn.Module):
    """What they tried and gave up as "extremely unstable in training": a 1-D convolution over the 10 x 4096 codes.

    Not described further; here the plainest convolutional network: kernels of 3 frames, ReLU, max-pooling of two, and
    one fully connected layer, which knows at which time a kernel responded.

    Args:
        input_size: D.
        channels: number of kernels.
        num_classes: K.
        num_frames: T, at least 4.
    """

    def __init__(self, input_size: int, channels: int, num_classes: int, num_frames: int = 10) -> None:
        super().__init__()
        self.convolution = _init_reader(nn.Conv1d(input_size, channels, kernel_size=3))
        self.classifier = _init_glorot(nn.Linear((num_frames - 2) // 2 * channels, num_classes))
        self.num_frames = num_frames

    def forward(self, codes: Tensor) -> Tensor:
        """Log-probabilities ``(B, K)`` of codes ``(B, num_frames, D)``."""
        _require_codes(codes, self.num_frames)
        responses = F.max_pool1d(F.relu(self.convolution(codes.mT)), 2)  # (B, channels, (num_frames - 2) // 2)
        return self.classifier(responses.flatten(1)).log_softmax(-1)


class FineTuned(nn.Module):
    """Named as "Future Work": the CNN is trained together with the model on top. In: frames, not codes.

    Args:
        coder: its network is trained, from the weights that made the codes; ``train()`` turns its dropout on.
        head: any model of this file.
    """

    def __init__(self, coder: FrameCoder, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head, self._coder = coder.network, head, coder

    def forward(self, frames: Tensor) -> Tensor:
        """Log-probabilities ``(B, K)`` of uint8 frames ``(B, T, 3, H, W)``."""
        checks.require_shape(frames, "B T 3 H W", "frames", "a batch of clips; unsqueeze a single clip")
        codes = self._coder.differentiable(frames.flatten(0, 1))  # (B * T, D)
        return self.head(codes.unflatten(0, frames.shape[:2]))  # (B, K)


class DualStream(nn.Module):
    """Named as "Future Work": a model on codes of frames and one on codes of flow, their probabilities averaged.

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


def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, dict[str, Any]]:
    """Mean of -log of the averaged probability of the right class, for `labkit.training.fit`, with the accuracy.

    Args:
        model: any of this file.
        batch: what the model takes, and labels ``(B,)``.
    """
    inputs, labels = batch
    scores = model(inputs)  # (B, K)
    return F.nll_loss(scores, labels), {"accuracy": metrics.accuracy(scores.detach(), labels)}


def sample_frames(clip: Clip, num_frames: int = 10, seconds: float = 2.0) -> Tensor:
    """Indices of ten frames, evenly distributed over the first two seconds, or over a shorter clip as a whole.

    Returns:
        ``(num_frames,)`` int64, in ascending order.

    Raises:
        ValueError: fewer than ``num_frames`` frames in that time.

    Source: "Data Processing": "10 frames evenly distributed over the first 2 seconds". UCF101 has shorter clips.
    """
    if clip.num_frames < clip.fps * seconds:  # the whole clip counts as one second
        return over_first_seconds(clip.num_frames, fps=clip.num_frames, n=num_frames, seconds=1)
    return over_first_seconds(clip.num_frames, clip.fps, num_frames, seconds, clip.times)


def augment(frames: Tensor, generator: torch.Generator, flip: bool = True) -> Tensor:
    """Named as "Future Work": random crop, flip, hue and contrast, the same for all frames of a clip, and noise.

    The crop keeps at least four fifths of each side; hue rotates by up to 0.05 of the colour circle, contrast changes
    by up to a fifth, the noise has a standard deviation of 4 levels. All of these values are ours.

    Args:
        frames: ``(T, 3, H, W)``, uint8.
        generator: of the random numbers, on the CPU.
        flip: whether half of the clips are flipped; not where left and right are different classes.

    Returns:
        ``(T, 3, h, w)``, uint8; smaller, as a `FrameCoder` resizes anyway.
    """
    checks.require_shape(frames, "T 3 H W", "frames")
    height, width = frames.shape[-2:]
    random = torch.rand(6, generator=generator).tolist()
    rows, columns = round(height * (1 - 0.2 * random[0])), round(width * (1 - 0.2 * random[0]))
    top, left = int(random[1] * (height - rows + 1)), int(random[2] * (width - columns + 1))
    cropped = crop(frames, top, left, rows, columns)  # (T, 3, rows, columns)
    if flip and random[3] < 0.5:
        cropped = flip_frames(cropped)
    tinted = images.adjust_contrast(images.adjust_hue(cropped, 0.1 * random[4] - 0.05), 0.8 + 0.4 * random[5])
    noise = 4 * torch.randn(tinted.shape, generator=generator)
    return (tinted + noise).clamp(0, 255).round().to(torch.uint8)


def flow_image(flow: Tensor, bound: float = 20.0) -> Tensor:
    """Optical flow as an image, for a CNN trained on images: dx, dy and the speed as red, green and blue.

    Args:
        flow: ``(..., 2, H, W)``, float32, in pixels per frame.
        bound: mapped to 255, and -bound to 0; larger values are cut off. Speed runs from 0 to bound.

    Returns:
        ``(..., 3, H, W)``, uint8.

    Source: Donahue et al., "Long-term recurrent convolutional networks", arXiv:1411.4389, section 4, from which the
    model of Giel and Diaz comes; they leave the bound open.
    """
    checks.require_shape(flow, "... 2 H W", "flow", "pass dx, dy only")
    checks.require_positive(bound, "bound")
    speed = torch.linalg.vector_norm(flow, dim=-3, keepdim=True)  # (..., 1, H, W)
    levels = torch.cat([(flow + bound) / 2, speed], dim=-3) * (255 / bound)  # (..., 3, H, W)
    return levels.clamp(0, 255).round().to(torch.uint8)


class Models(NamedTuple):
    """All models of this file on codes, by the names that they have in the ledger."""

    average: Average
    rnn: RecurrentClassifier
    lstm: RecurrentClassifier
    birnn: RecurrentClassifier
    conv1d: CodeConvolution  # tried and given up
    birnn_lstm: RecurrentClassifier  # "Conclusions": bidirectional, with LSTM layers
    rnn2: RecurrentClassifier  # "Conclusions": two layers


WIDTHS = {"paper": 512, "tiny": 128}
"""Of hidden layers, outputs and kernels. The paper gives none."""


def frame_rnn_models(
    num_classes: int, input_size: int = 4096, *, size: Literal["paper", "tiny"] = "paper", seed: int = 0
) -> Models:
    """All models, untrained.

    Args:
        num_classes: K.
        input_size: D, 4096 for fc7 and fc6 of AlexNet.
        size: "paper", or "tiny": narrower layers that train on a laptop in seconds.
        seed: of the initial weights, for each model by itself; the global generator is left as it was.
    """
    width = WIDTHS[size]

    def recurrent(layer: Callable[[int, int], nn.Module], *backward: bool) -> RecurrentClassifier:
        directions = [Direction([layer(input_size, width)], width, flag) for flag in backward]
        return RecurrentClassifier(directions, num_classes)

    def two_layers() -> RecurrentClassifier:
        first, second = ReLURecurrence(input_size, width), ReLURecurrence(width, width)
        _init_glorot(second.w_ih)  # reads states, not codes
        return RecurrentClassifier([Direction([first, second], width)], num_classes)

    def seeded(build: Callable[[], Any]) -> Any:
        torch.default_generator.manual_seed(seed)
        return build()

    with torch.random.fork_rng(devices=[]):
        return Models(
            average=seeded(lambda: Average(input_size, width, num_classes)),
            rnn=seeded(lambda: recurrent(ReLURecurrence, False)),
            lstm=seeded(lambda: recurrent(LSTMRecurrence, False)),
            birnn=seeded(lambda: recurrent(ReLURecurrence, False, True)),
            conv1d=seeded(lambda: CodeConvolution(input_size, width, num_classes)),
            birnn_lstm=seeded(lambda: recurrent(LSTMRecurrence, False, True)),
            rnn2=seeded(two_layers),
        )


def _init_reader(layer: Any) -> Any:
    """Initialise a layer that reads codes: small weights, so that codes of any size give even scores; bias 0."""
    nn.init.normal_(layer.weight, std=CODE_STD)
    nn.init.zeros_(layer.bias)
    return layer


def _init_glorot(layer: nn.Linear) -> nn.Linear:
    """Initialise any other layer as Lasagne does by default, with which the paper's models are written; bias 0."""
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _require_codes(codes: Tensor, num_frames: int | None = None) -> None:
    checks.require_shape(codes, f"B {num_frames or 'T'} D", "codes", "one code a frame; unsqueeze a single clip")


CLIP_NORM = 5.0
"""Gradients of ReLU recurrences are clipped to this norm; the paper does not say whether it clips."""

_ADAM: Mapping[str, Any] = {"optimizer": torch.optim.Adam, "clip_norm": CLIP_NORM}

RECIPES: Mapping[str, Mapping[str, Any]] = {
    "paper": {**_ADAM, "options": {"lr": 1e-4}, "steps": 6000, "batch": 128},  # 105 epochs of 7,340 clips of UCF101
    "tiny": {**_ADAM, "options": {"lr": 1e-3}, "steps": 1000, "batch": 32},  # 50 epochs of 640 clips, 74 of 432
}
"""For ``Recipe(**RECIPES[size], seed=...)``. All values are ours, see above. No weight decay: the paper's best settings
"massively overfit" ("Results")."""
