"""Li, Wong, Zhao and Kankanhalli, "Attention transfer from web images for video recognition", ACM Multimedia 2017.

https://doi.org/10.1145/3123266.3123432, https://arxiv.org/abs/1708.00973.

Photos off the web are many and cheap, so a CNN learns actions from them; then it meets video, where everything looks a
little different, and its scores suffer. Its *attention maps* suffer less, say the authors: what place of the picture
speaks for a concept. So a frame is judged by its maps, one for each concept. Without any labelled video the energy of a
map is that of its best 3 x 3 window (*UnAtt*). With some, a small network learns what energy the map of each concept
deserves (*EnergyNet*): it sees a map and a word vector, and the right concept has to win by a margin.

Shapes: images are ``(B, 3, 224, 224)`` float, logits ``(B, K)``, maps ``(B, K, h, w)``, 7 x 7 for ResNet-101 and 14 x
14 for VGG-16, raw, nowhere normalised by map, or energies could not be compared. Energies are ``(N, K)`` of frames and
``(V, K)`` of videos. Maps of all frames and concepts are worked out once (`attend`), then everything else is fast.

Grad-CAM begins with a gradient of the scores that is 1 for one concept and 0 for the others; section 3.1 calls this
"vector quantization" of the gradient. Nothing is quantised: it says whose score is differentiated, before the softmax.
`labkit.attribution` does so for all concepts at once, and where a mean and a linear layer end the net, as in a ResNet,
without a gradient.

Where the text is silent, and what is chosen here:

- Which layer of VGG-16 "the last convolutional layer" is: behind the ReLU of conv5_3, before the last pooling.
- How map and word vector are joined: put behind one another. Hidden width 128. Loss weights: 1 and 1.
- K hard negatives: 64, and 16 random ones; batches grow from 128 to 1024 by doubling, each time the loss, averaged over
  about ten steps, falls below 0.75, half of where it begins. Hard is what has the largest sum of both losses (3.4.4).
- Positives are drawn at random and not searched for, as the text asks. But whole quadruplets are ranked, so one whose
  positive happens to lie far ranks higher.
- Maps are divided by one number, their root mean square over the training set, so that the learning rate does not
  depend on the CNN: all energies keep their ratios.
- Rates, decay and length of the training of CNNs; a fine-tuned net begins with the classifier that web images taught.
- Scores of the CNN are averaged and compared before the softmax: "the output score from the last fc layer" (4.3).
- Word vectors: in the paper those of Jain et al. (2015); here any file of word2vec, or the lab's own: `labkit.words`.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.mixture import GaussianMixture  # type: ignore[import-untyped]
from sklearn.svm import LinearSVC  # type: ignore[import-untyped]
from torch import Tensor, nn
from torchvision.models import resnet101, vgg16  # type: ignore[import-untyped]
from tqdm.auto import tqdm

from labkit import checks
from labkit.attribution import grad_cam, linear_grad_cam
from labkit.backbones.cnn_m import CNNM, TINY_CNN_M
from labkit.backbones.resnet import resnet_tiny
from labkit.backbones.taps import tapping
from labkit.clips import Clips
from labkit.views import RGB, Consecutive, View

VERSION = 1  # raised by hand whenever results can change

# --- the image classifier and its maps --------------------------------------------------------------------------------


class Look(NamedTuple):
    """What an `AttentionNet` says of images."""

    logits: Tensor
    """``(B, K)``."""
    maps: Tensor
    """``(B, K, h, w)``, raw, 0 or more: eq. (1)."""
    features: Tensor
    """``(B, D)``, of the layer before the last: pool5 of a ResNet, fc7 of VGG."""


class AttentionNet(nn.Module):
    """An image classifier that says where it looks, for all of its classes at once.

    Args:
        net: takes images ``(B, 3, H, W)`` and gives logits ``(B, K)``.
        layer: name of the submodule whose maps are weighed.
        features: name of the submodule whose output, flattened, the last linear layer gets.
        linear: name of the linear layer, where a mean over all places of ``layer`` and this layer end the net: maps
            then take no gradient. None: by gradients.
    """

    def __init__(self, net: nn.Module, layer: str, features: str, linear: str | None = None) -> None:
        super().__init__()
        self.net, self.layer, self.features, self.linear = net, layer, features, linear

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B, K)`` of images ``(B, 3, H, W)``."""
        return self.net(images)

    def look(self, images: Tensor) -> Look:
        """Logits, maps and features of images, without gradients; in ``eval()`` mode."""
        if self.training:
            raise ValueError("an AttentionNet must be in eval() mode to look: dropout and batches would blur its maps")
        with tapping(self.net, [self.features]) as seen:
            if self.linear is None:
                with torch.enable_grad(), tapping(self.net, [self.layer], leaves=True) as taken:
                    logits = self.net(images)
                    maps = grad_cam(logits, taken[self.layer])
            else:
                with torch.no_grad(), tapping(self.net, [self.layer]) as taken:
                    logits = self.net(images)
                    weight: Tensor = self.net.get_submodule(self.linear).weight  # type: ignore[assignment]
                    maps = linear_grad_cam(taken[self.layer], weight)
            return Look(logits.detach(), maps, seen[self.features].detach().flatten(1))


@dataclass(frozen=True, eq=False)
class Attention:
    """What an `AttentionNet` says of all frames of a set of videos; N frames, V videos.

    Attributes:
        logits: ``(N, K)``.
        maps: ``(N, K, h, w)``.
        features: ``(N, D)``.
        frames: ``(N,)`` int64, the number of each frame in its video.
        videos: ``(N,)`` int64, the number of its video, ascending from 0.
        labels: ``(V,)`` int64.
    """

    logits: Tensor
    maps: Tensor
    features: Tensor
    frames: Tensor
    videos: Tensor
    labels: Tensor

    @property
    def frame_labels(self) -> Tensor:
        """``(N,)``, the label of the video of each frame: its true concept."""
        return self.labels[self.videos]

    def subset(self, videos: Sequence[int] | Tensor) -> "Attention":
        """Some of the videos, numbered anew in the order asked."""
        wanted = torch.as_tensor(videos, dtype=torch.int64)
        rows = [(self.videos == video).nonzero().flatten() for video in wanted.tolist()]
        numbers = torch.repeat_interleave(torch.tensor([len(row) for row in rows]))  # (n,)
        at = torch.cat(rows)
        logits, maps, features, frames = (part[at] for part in (self.logits, self.maps, self.features, self.frames))
        return Attention(logits, maps, features, frames, videos=numbers, labels=self.labels[wanted])


def attend(
    model: AttentionNet,
    clips: Clips,
    view: View,
    *,
    every: int = 1,
    batch: int = 64,
    dtype: torch.dtype = torch.float32,
    progress: bool = True,
) -> Attention:
    """Maps of all concepts for the frames of all videos: "we pre-compute the attention maps" (section 3.4.4).

    Args:
        model: on any device; runs in ``eval()`` mode.
        clips: with the classes that the model knows.
        view: how a frame gets into the CNN, an `image_view`.
        every: 1 takes all frames, as for TVHI; 5 one in five, as for UCF101 (section 4.5).
        batch: frames in one forward pass.
        dtype: that maps and features are kept in. Those of UCF101, one frame in five, take 10 GB in float32.
        progress: whether to show a bar.

    Returns:
        On the CPU.

    Raises:
        ValueError: no clips.
    """
    checks.require_positive(every, "every")
    if not len(clips):
        raise ValueError("clips must hold at least one video; got none: check the folder and the split")
    device, mode = next(model.parameters()).device, model.training
    model.eval()
    parts: list[Look] = []
    frames, counts = [], []
    for clip in tqdm(clips, unit="video", disable=not progress, delay=2):
        indices = torch.arange(0, clip.num_frames, every)  # (T,)
        for some in indices.split(batch):
            look = model.look(view.at(clip, some).to(device))
            parts.append(Look(look.logits.cpu(), look.maps.to("cpu", dtype), look.features.to("cpu", dtype)))
        frames.append(indices)
        counts.append(len(indices))
    model.train(mode)
    logits, maps, features = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    numbers = torch.repeat_interleave(torch.tensor(counts))  # (N,)
    return Attention(logits, maps, features, torch.cat(frames), numbers, clips.labels)


# --- without labelled video: UnAtt, and what the CNN says -------------------------------------------------------------


def window_energies(maps: Tensor, window: int = 3) -> Tensor:
    """What every window of a map adds up to: ``(..., h - s + 1, w - s + 1)`` of maps ``(..., h, w)``, stride 1.

    Raises:
        ValueError: a window that does not fit.
    """
    checks.require_shape(maps, "... h w", "maps")
    if not 1 <= window <= min(maps.shape[-2:]):
        raise ValueError(f"window must be 1 to {min(maps.shape[-2:])}, the side of the maps; got {window}")
    flat = maps.reshape(-1, 1, *maps.shape[-2:])  # (product of the leading dimensions, 1, h, w)
    sums = F.avg_pool2d(flat, window, stride=1) * window**2
    return sums.reshape(*maps.shape[:-2], *sums.shape[-2:])  # (..., h - s + 1, w - s + 1)


def energy(maps: Tensor, window: int = 3) -> Tensor:
    """The energy of maps ``(..., h, w)``: the sum of their best window, ``(...)``. Section 3.3: E with s = 3."""
    return window_energies(maps, window).amax((-2, -1))


def mean_over_frames(values: Tensor, videos: Tensor) -> Tensor:
    """Scores of videos ``(V, K)``: the mean over the frames of each, eqs. (2) and (5); of logits it is averaging.

    Args:
        values: ``(N, K)``, of frames.
        videos: ``(N,)`` int64, the video of each frame, 0 to V - 1, none without frames.
    """
    checks.require_shape(values, f"{len(videos)} K", "values", "one row a frame")
    sums = values.new_zeros(int(videos.max()) + 1, values.shape[1]).index_add(0, videos, values)  # (V, K)
    return sums / videos.bincount()[:, None]


def unatt(attention: Attention) -> Tensor:
    """Unsupervised attention: scores of videos ``(V, K)``; the best is the answer, eq. (3). No video is learned from.

    With a mean and a linear layer at the end, the score of a concept is the sum of its map before the ReLU, plus the
    bias. So what UnAtt changes is this: the best nine places count instead of all, nothing counts against a concept,
    and the bias does not count at all.

    Source: section 3.3.
    """
    return mean_over_frames(energy(attention.maps.float()), attention.videos)  # eq. (2)


def voting(values: Tensor, videos: Tensor) -> Tensor:
    """Scores of videos by the majority of their frames: the mean over those frames only that chose its class.

    Args:
        values: ``(N, K)``, scores of frames.
        videos: ``(N,)`` int64, the video of each frame.

    Returns:
        ``(V, K)``; the class with the most votes has the highest score, as it has in each of these frames. Of classes
        with as many votes, the one with the higher mean over all frames wins.

    Source: section 4.3, "CNN": "We select the majority frames that has the same class, and apply late fusion".
    """
    votes = F.one_hot(values.argmax(1), values.shape[1]).to(values)  # (N, K)
    counts = values.new_zeros(int(videos.max()) + 1, values.shape[1]).index_add(0, videos, votes)  # (V, K)
    tied = counts == counts.amax(1, keepdim=True)
    means = mean_over_frames(values, videos)
    winner = means.masked_fill(~tied, -torch.inf).argmax(1)  # (V,)
    majority = values.argmax(1) == winner[videos]  # (N,)
    kept = mean_over_frames(values * majority[:, None], videos) * videos.bincount()[:, None]
    return kept / counts.gather(1, winner[:, None])


def svm_scores(train: Attention, test: Attention, c: float = 1.0, seed: int = 0) -> Tensor:
    """Scores of the frames of ``test``, ``(N, K)``: linear SVMs, one class against the rest, on penultimate features.

    Source: section 4.3, "SVM", soft margin cost 1; then comes `voting`. Features have unit length here, so that the
    cost means the same whatever the net; scikit-learn's LinearSVC squares the hinge and decays the bias as well.

    Raises:
        ValueError: a class without a training video.
    """
    classes = train.logits.shape[1]
    if missing := sorted({*range(classes)} - {*train.labels.tolist()}):
        raise ValueError(f"every class must have a training video; got none of class {missing[0]}: take more videos")
    machine = LinearSVC(C=c, random_state=seed).fit(
        F.normalize(train.features.float()).numpy(), train.frame_labels.numpy()
    )
    found = torch.from_numpy(machine.decision_function(F.normalize(test.features.float()).numpy())).float()
    return torch.stack([-found, found], 1) if classes == 2 else found  # (N, K)


# --- concepts as vectors ----------------------------------------------------------------------------------------------


def words_of(concept: str) -> list[str]:
    """The words of a concept: ``high_five``, ``highFive`` and ``high five`` are all ["high", "five"]."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", concept)]


def mean_of_words(concepts: Sequence[str], words: Mapping[str, Tensor]) -> Tensor:
    """Concept embeddings ``(K, e)``: the mean of the vectors of the words, of unit length.

    Raises:
        ValueError: a word without a vector.
    """
    return F.normalize(torch.stack([_vectors(concept, words).mean(0) for concept in concepts]))


def one_hot(concepts: Sequence[str]) -> Tensor:
    """Concepts that have nothing in common, ``(K, K)``: what word vectors are compared with."""
    return torch.eye(len(concepts))


def fisher_vectors(concepts: Sequence[str], words: Mapping[str, Tensor], components: int = 2, seed: int = 0) -> Tensor:
    """Concept embeddings ``(K, 2 * components * e)``: how the words of a concept differ from all words.

    A mixture of Gaussians describes all words there are. The gradient of the likelihood of some words with respect to
    its means and standard deviations, whitened, is their Fisher vector; then come the signed square root and unit
    length. Words of a concept are put together without a mean over them washing out what they are.

    Args:
        concepts: names.
        words: the vocabulary, at least as many words as there are components.
        components: of the mixture; with diagonal covariances.
        seed: of its start.

    Raises:
        ValueError: a word without a vector.

    Source: section 3.4, after Jain et al., "Objects2action", ICCV 2015, whose word vectors the paper takes; the formula
    is that of Sanchez et al., "Image classification with the Fisher vector", IJCV 2013, eqs. (17), (18) and section
    2.3. The number of components is ours.
    """
    vocabulary = torch.stack(list(words.values())).double().numpy()  # (W, e)
    mixture = GaussianMixture(components, covariance_type="diag", random_state=seed, reg_covar=1e-6).fit(vocabulary)
    spread, weights = np.sqrt(mixture.covariances_), mixture.weights_  # (components, e), (components,)
    found = []
    for concept in concepts:
        own = _vectors(concept, words).double().numpy()  # (n, e)
        share = mixture.predict_proba(own)[:, :, None]  # (n, components, 1)
        away = (own[:, None] - mixture.means_) / spread  # (n, components, e)
        means = (share * away).mean(0) / np.sqrt(weights)[:, None]  # eq. (17)
        spreads = (share * (away**2 - 1)).mean(0) / np.sqrt(2 * weights)[:, None]  # eq. (18)
        found.append(np.concatenate([means.ravel(), spreads.ravel()]))
    raw = torch.from_numpy(np.stack(found))  # (K, 2 * components * e)
    return F.normalize(raw.sign() * raw.abs().sqrt()).float()


def _vectors(concept: str, words: Mapping[str, Tensor]) -> Tensor:
    """(n, e), one row a word."""
    parts = words_of(concept)
    missing = [word for word in parts or [concept] if word not in words]
    if missing:
        raise ValueError(
            f"every word of a concept must have a vector; got none for {missing[0]!r} of {concept!r}: "
            f"pass words that have it, or write the concept with other words, such as shaking hands"
        )
    return torch.stack([words[word] for word in parts])


# --- with labelled video: EnergyNet -----------------------------------------------------------------------------------


class EnergyNet(nn.Module):
    """How sure it is, given the map of a concept and what the concept is, that the concept is in the frame.

    Args:
        cells: h * w of a map.
        concepts: ``(K, e)``, embeddings of all concepts; they are not learned.
        hidden: width between the two layers.
        dim: d, of the embedding.
        map_scale: what maps are multiplied by; see `map_scale`.

    Source: section 3.4, eq. (4).
    """

    concepts: Tensor

    def __init__(self, cells: int, concepts: Tensor, hidden: int = 128, dim: int = 64, map_scale: float = 1.0) -> None:
        super().__init__()
        checks.require_shape(concepts, "K e", "concepts", "one row a concept")
        checks.require_positive(map_scale, "map_scale")
        self.register_buffer("concepts", concepts.clone())
        self.first = nn.Linear(cells + concepts.shape[1], hidden)
        self.second = nn.Linear(hidden, dim)
        self.w_f = nn.Linear(dim, 1, bias=False)
        self.map_scale = map_scale

    def embed(self, maps: Tensor, concepts: Tensor) -> Tensor:
        """The embedding f ``(..., d)``.

        Args:
            maps: ``(..., h, w)``, raw.
            concepts: int64 ``(...)``, whose maps they are.
        """
        flat = self.map_scale * maps.float().flatten(-2)  # (..., h * w), V_L
        both = torch.cat([flat, self.concepts[concepts]], dim=-1)  # (..., h * w + e), V_L and V_c
        return self.second(F.relu(self.first(both)))

    def forward(self, maps: Tensor) -> Tensor:
        """Energies ``(..., K)`` of the maps of all concepts ``(..., K, h, w)``."""
        checks.require_shape(maps, f"... {len(self.concepts)} h w", "maps", "one map a concept, in their order")
        concepts = torch.arange(maps.shape[-3], device=maps.device).expand(maps.shape[:-2])  # (..., K)
        return self.energy(self.embed(maps, concepts))

    def energy(self, embedding: Tensor) -> Tensor:
        """``W_f f``, eq. (4): ``(...)`` of embeddings ``(..., d)``."""
        return self.w_f(embedding).squeeze(-1)


def map_scale(maps: Tensor) -> float:
    """One over the root mean square of all maps of a training set: the one number that maps are multiplied by."""
    return 1 / max(maps.float().square().mean().sqrt().item(), 1e-12)


@torch.no_grad()
def energy_scores(net: EnergyNet, attention: Attention) -> Tensor:
    """Scores of videos ``(V, K)`` by an EnergyNet, eq. (5)."""
    device = net.w_f.weight.device
    energies = torch.cat([net(some.to(device)).cpu() for some in attention.maps.split(512)])  # (N, K)
    return mean_over_frames(energies, attention.videos)


def energy_loss(false: Tensor, true: Tensor, margin: float = 1.0) -> Tensor:
    """Hinge between the energies of false and true maps, ``(M,)`` each: eq. (6)."""
    return F.relu(false - true + margin)


def cosine_distance(first: Tensor, second: Tensor) -> Tensor:
    """One minus the cosine of the angle between embeddings ``(M, d)``: ``(M,)``, 0 to 2, eq. (7)."""
    return 1 - F.cosine_similarity(first, second, dim=-1)


def triplet_loss(anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 0.5) -> Tensor:
    """A true map is to be nearer to one of its class than to one of another, ``(M, d)`` each: ``(M,)``, eq. (10)."""
    return F.relu(cosine_distance(anchor, positive) - cosine_distance(anchor, negative) + margin)


class Quadruplets(NamedTuple):
    """The input of the four-fold network, Figure 3: maps ``(M, 4, h, w)`` and their concepts ``(M, 4)``.

    In this order: the false anchor map (F, c_fa), the true one (F, c_gt), a positive (F+, c+) and a negative (F-, c-).
    """

    maps: Tensor
    concepts: Tensor


def draw_quadruplets(attention: Attention, count: int, generator: torch.Generator) -> Quadruplets:
    """Random quadruplets: any frame as an anchor, any false concept, frames of two other videos, eq. (8).

    A class with a single video has no other one of its own: its positives come from the video itself.

    Args:
        attention: of the training videos, two classes at least.
        count: M.
        generator: of the draws, on the CPU.

    Raises:
        ValueError: videos of one class only.
    """
    classes, labels = attention.logits.shape[1], attention.labels
    present = labels.unique()
    if len(present) < 2:
        raise ValueError(f"training videos must be of two classes at least; got {present.tolist()}: take more videos")

    def below(limit: Tensor) -> Tensor:
        """Whole numbers from 0 to below each limit."""
        return (torch.rand(limit.shape, generator=generator, dtype=torch.float64) * limit).long()

    lengths = attention.videos.bincount()  # (V,)
    starts = lengths.cumsum(0) - lengths
    order = labels.argsort(stable=True)  # videos, class by class
    sizes = labels.bincount(minlength=classes)
    begins = sizes.cumsum(0) - sizes
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order)) - begins[labels[order]]  # place of each video within its class

    anchor = torch.randint(len(attention.videos), (count,), generator=generator)  # (M,), frames
    video = attention.videos[anchor]
    label = labels[video]
    other = below((sizes[label] - 1).clamp(min=1))  # skip the anchor's own video, where there are others
    other = torch.where(sizes[label] > 1, other + (other >= rank[video]).long(), 0)
    positive = order[begins[label] + other]
    at = torch.searchsorted(present, label)
    away = below(torch.full_like(label, len(present) - 1))
    another = present[away + (away >= at).long()]  # a class with videos, not the anchor's
    negative = order[begins[another] + below(sizes[another])]
    false = below(torch.full_like(label, classes - 1))
    false = false + (false >= label).long()  # any concept but the true one
    near, far = (starts[some] + below(lengths[some]) for some in (positive, negative))
    rows = torch.stack([anchor, anchor, near, far], dim=1)  # (M, 4)
    concepts = torch.stack([false, label, label, another], dim=1)  # (M, 4)
    return Quadruplets(attention.maps[rows, concepts], concepts)


def quadruplet_batches(attention: Attention, count: int, seed: int) -> Callable[[int, Any], Iterator[Quadruplets]]:
    """A loader factory for `labkit.training.fit`: the batch of a step depends on seed and step alone.

    Several processes all get the whole batch: the hardest of all candidates can only be told from all of them, and the
    net is too small to be worth sharing.
    """

    def batches(start: int, share: tuple[int, int]) -> Iterator[Quadruplets]:
        step = start
        while True:
            generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
            yield draw_quadruplets(attention, count, generator)
            step += 1

    return batches


@dataclass(frozen=True)
class Mining:
    """Which of the candidates of a step are learned from (section 3.4.2).

    Attributes:
        hardest: K, how many with the largest loss.
        random: how many others, at random.
        first: candidates in a batch at the start: few, so that the hardest of them are semi-hard.
        last: candidates in the end.
        threshold: the batch doubles whenever the loss falls below it.
        hard: False takes as many samples at random, to compare.
    """

    hardest: int = 64
    random: int = 16
    first: int = 128
    last: int = 1024
    threshold: float = 0.75
    hard: bool = True

    def __post_init__(self) -> None:
        if not (self.hardest > 0 and self.random >= 0 and self.hardest + self.random <= self.first <= self.last):
            raise ValueError(
                "hardest + random must fit into first, and first into last; got "
                f"{self.hardest} + {self.random}, {self.first} and {self.last}"
            )


class SiameseEnergyNet(nn.Module):
    """Four times the same EnergyNet (Figure 3), and how far its mining has got, which a checkpoint keeps too.

    Args:
        net: shared by all four.
        mining: what is learned from.
    """

    candidates: Tensor
    level: Tensor

    def __init__(self, net: EnergyNet, mining: Mining = Mining()) -> None:
        super().__init__()
        self.net, self.mining = net, mining
        self.register_buffer("candidates", torch.tensor(mining.first))
        self.register_buffer("level", torch.tensor(torch.inf))  # the loss, averaged over the last steps

    def forward(self, batch: Quadruplets) -> tuple[Tensor, Tensor]:
        """Energy loss and triplet loss of each quadruplet, ``(M,)`` both."""
        embedded = self.net.embed(batch.maps, batch.concepts)  # (M, 4, d)
        false, true, positive, negative = embedded.unbind(1)
        return (
            energy_loss(self.net.energy(false), self.net.energy(true)),
            triplet_loss(true, positive, negative),
        )

    @torch.no_grad()
    def mine(self, batch: Quadruplets) -> Quadruplets:
        """Those of the candidates that are learned from: the hardest, and some others at random."""
        count = self.mining.hardest + self.mining.random
        if not self.mining.hard:
            return Quadruplets(*(part[:count] for part in batch))
        some = Quadruplets(*(part[: int(self.candidates)] for part in batch))
        losses = torch.stack(self(some)).sum(0)  # (candidates,)
        order = losses.argsort(descending=True)
        others = order[self.mining.hardest :]
        drawn = others[torch.randperm(len(others), device=others.device)[: self.mining.random]]
        chosen = torch.cat([order[: self.mining.hardest], drawn])
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.broadcast(chosen, src=0)  # each process has drawn its own others
        return Quadruplets(*(part[chosen] for part in some))

    def note(self, loss: float) -> None:
        """Tell the loss of a step: below the threshold, batches grow, and the average begins anew."""
        level = loss if torch.isinf(self.level) else 0.9 * float(self.level) + 0.1 * loss
        if self.mining.hard and level < self.mining.threshold and int(self.candidates) < self.mining.last:
            self.candidates.fill_(min(2 * int(self.candidates), self.mining.last))
            level = torch.inf
        self.level.fill_(level)


def siamese_loss(model: nn.Module, batch: Quadruplets) -> tuple[Tensor, dict[str, float]]:
    """Both losses of the mined quadruplets, added: for `labkit.training.fit` with a `SiameseEnergyNet`.

    Source: section 3.4.4, "Joint learning".
    """
    assert isinstance(model, SiameseEnergyNet)
    energies, triplets = model(model.mine(batch))
    value = energies.mean() + triplets.mean()
    if model.training:
        model.note(value.item())
    return value, {"energy": energies.mean().item(), "triplet": triplets.mean().item(), "of": int(model.candidates)}


def steps_to(curve: Mapping[int, float], target: float, steps: int) -> float:
    """Percent of the training steps until an accuracy is reached and 100 if it never is; ours, to measure mining.

    Args:
        curve: accuracy by step.
        target: the accuracy.
        steps: of the training.
    """
    return 100 * min((step for step, value in curve.items() if value >= target), default=steps) / steps


# --- which videos, which images ---------------------------------------------------------------------------------------


def share_of_videos(labels: Tensor, share: float, seed: int = 0) -> Tensor:
    """Some of the training videos, at random, as large a share of every class and at least one: indices, ascending.

    A larger share with the same seed contains the smaller ones. The paper samples from all videos; here from each class
    (section 4.5: 5 to 100 %).
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must be above 0, at most 1; got {share}")
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    chosen = [order[labels[order] == label] for label in labels.unique()]
    return torch.cat([some[: max(round(share * len(some)), 1)] for some in chosen]).sort().values


# --- builders ---------------------------------------------------------------------------------------------------------


def image_view(*, crop_size: int = 224, flip: bool = True) -> View:
    """How a photo, or a frame, gets into the CNN: ``(3, crop_size, crop_size)``, the shorter side and the centre crop.

    A photo has one view to test it by: ``partial(view.test, num_samples=1)``.

    Args:
        crop_size: of the shorter side, and of the crop, in pixels.
        flip: whether horizontal flips serve to train. Not where left and right are different classes.

    Source: section 4.2.
    """
    return View(
        sample=Consecutive(), modality=RGB(), short_side=crop_size, crop_size=crop_size, centre=crop_size, flip=flip
    )


def attention_resnet_paper(num_classes: int) -> AttentionNet:
    """ResNet-101, maps of 7 x 7; for torchvision's ImageNet weights, all but ``fc``."""
    return AttentionNet(resnet101(num_classes=num_classes), "layer4", "avgpool", linear="fc")


def attention_vgg_paper(num_classes: int) -> AttentionNet:
    """VGG-16, maps of 14 x 14; for torchvision's ImageNet weights, all but ``classifier.6``."""
    return AttentionNet(vgg16(num_classes=num_classes), "features.29", "classifier.4")


def siamese_energy_net(concepts: Tensor, maps: Tensor, seed: int = 0, mining: Mining = Mining()) -> SiameseEnergyNet:
    """EnergyNet for concepts ``(K, e)`` and maps ``(N, K, h, w)``, begun from a seed: d = 64 (section 3.4.4)."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        net = EnergyNet(maps.shape[-2:].numel(), concepts, map_scale=map_scale(maps))
    return SiameseEnergyNet(net, mining)


def attention_resnet_tiny(num_classes: int) -> AttentionNet:
    """The ten-layer ResNet of the lab on 56 x 56 pixels, maps of 7 x 7; for the source weights ``"resnet"``."""
    return AttentionNet(resnet_tiny(num_classes), "layer4", "avgpool", linear="fc")


def attention_vgg_tiny(num_classes: int) -> AttentionNet:
    """In VGG's place the tiny CNN-M, by the same group, with fully connected layers behind maps of 6 x 6.

    For 56 x 56 pixels and the source weights ``"cnn_m"``.
    """
    return AttentionNet(CNNM(num_classes, **TINY_CNN_M), "features.relu5", "relu7")


TINY_MINING = Mining(hardest=24, random=8, first=64, last=512)

# --- recipes: Recipe(**WEB_IMAGES, seed=...) --------------------------------------------------------------------------

WEB_IMAGES: Mapping[str, Any] = {  # section 4.2: SGD, batches of 32; rate, decay and length are ours
    "optimizer": torch.optim.SGD,
    "options": {"lr": 1e-3, "momentum": 0.9, "weight_decay": 5e-4},
    "steps": 10_000,
    "batch": 32,
    "schedule": {6_000: 1e-4},
}
VIDEO_FRAMES: Mapping[str, Any] = {**WEB_IMAGES, "steps": 5_000, "schedule": {3_000: 1e-4}}  # 4.3, "as in section 4.2"
ENERGY_NET: Mapping[str, Any] = {  # section 3.4.4: SGD, rate and decay; momentum and length are ours
    "optimizer": torch.optim.SGD,
    "options": {"lr": 1e-4, "momentum": 0.9, "weight_decay": 5e-4},
    "steps": 50_000,
    "batch": 1024,  # candidates: the last size, of which the first ones are looked at
}

WEB_IMAGES_TINY: Mapping[str, Any] = {
    **WEB_IMAGES,
    "options": {**WEB_IMAGES["options"], "lr": 1e-2},
    "steps": 200,
    "schedule": {130: 1e-3},
}
VIDEO_FRAMES_TINY: Mapping[str, Any] = {  # the rate at which photos ended: ten times as much learns places by heart
    **WEB_IMAGES_TINY,
    "options": {**WEB_IMAGES["options"], "lr": 1e-3},
    "steps": 240,
    "schedule": None,
}
ENERGY_NET_TINY: Mapping[str, Any] = {  # a higher rate, as there are so many fewer steps
    **ENERGY_NET,
    "options": {**ENERGY_NET["options"], "lr": 3e-3},
    "steps": 600,
    "batch": 512,
}
