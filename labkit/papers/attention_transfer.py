"""Li, Wong, Zhao and Kankanhalli, "Attention transfer from web images for video recognition", ACM Multimedia 2017.

https://doi.org/10.1145/3123266.3123432, https://arxiv.org/abs/1708.00973

Photos from the web are many and cheap, so a CNN learns actions from them. When it then sees video, where everything
looks a little different, its scores suffer. Its *attention maps*, say the authors, suffer less: they tell which
locations of a frame speak for a concept. So a frame is judged by its attention maps, one for each concept. Without any
labelled video, the energy of an attention map is the sum over its best square of 3 x 3 locations (*UnAtt*). With some,
a small network learns which energy the attention map of each concept deserves (*EnergyNet*): it sees an attention map
and a word vector, and the true concept has to win by a margin.

Shapes: images are ``(B, 3, 224, 224)``, logits ``(B, K)``, attention maps ``(B, K, h, w)``, 7 x 7 for ResNet-101 and
14 x 14 for VGG-16, raw: if each were scaled by itself, energies could not be compared. Energies are ``(N, K)`` of
frames, scores ``(V, K)`` of videos; ``videos``, ``(N,)`` int64, is the video of each frame, ascending from 0.

Where this departs from the paper, or fills what it leaves open:

- Section 3.1 speaks of "vector quantization" of the gradient that Grad-CAM starts from. Nothing is quantised: it is 1
  for the score of one concept and 0 for the others. `labkit.attribution` does so for all concepts together.
- "The last convolutional layer" of VGG-16 is taken after the ReLU of conv5_3, before the last pooling. The tiny size
  has a CNN-M instead, with 6 x 6 locations, of which a square of 3 x 3 is a quarter; of VGG-16's it is 5 %.
- EnergyNet sees attention map and word vector as one long vector and has 128 hidden units; both losses count equally.
  Attention maps are multiplied by one number, so that the learning rate does not depend on the CNN.
- Mining takes 64 hard and 16 random quadruplets of 128, later 1024 candidates (tiny: 24 and 8 of 64 or 256). Whole
  quadruplets are ranked, by both losses (3.4.4), so one whose positive happens to be far away ranks higher.
- Rates, decay and length of the CNNs' training. A fine-tuned CNN keeps the classifier learned from photos, and takes
  as many steps for few videos as for all.
- Scores of the CNN are averaged and compared before the softmax: "the output score from the last fc layer" (4.3).
- Word vectors: not those of Jain et al. (2015), but any of word2vec, or the lab's own (`labkit.words`).
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from sklearn.mixture import GaussianMixture  # type: ignore[import-untyped]
from torch import Generator, Tensor, nn
from torchvision.models import resnet101, vgg16  # type: ignore[import-untyped]

from labkit import checks
from labkit.attribution import grad_cam, linear_grad_cam
from labkit.backbones.cnn_m import CNNM, TINY_CNN_M
from labkit.backbones.resnet import resnet_tiny
from labkit.backbones.taps import tapping
from labkit.views import RGB, Consecutive, View
from labkit.vlad import fisher_vector
from labkit.words import vectors_of

Size = Literal["paper", "tiny"]

# --- 3.1: an image classifier and its attention maps ------------------------------------------------------------------


class Look(NamedTuple):
    """Logits ``(B, K)``, attention maps ``(B, K, h, w)``, and features ``(B, D)`` of the layer before the last."""

    logits: Tensor
    maps: Tensor
    features: Tensor


class AttentionNet(nn.Module):
    """An image classifier that tells for all of its classes where it looks.

    Args:
        cnn: takes images ``(B, 3, H, W)`` and gives logits ``(B, K)``.
        layer: name of the submodule whose feature maps are weighted.
        features: name of the submodule whose output, flattened, the last linear layer gets.
        linear: name of the linear layer, where a mean over all locations of ``layer`` and this layer end the CNN:
            attention maps then take no gradient. None: by gradients.
    """

    def __init__(self, cnn: nn.Module, layer: str, features: str, linear: str | None = None) -> None:
        super().__init__()
        self.cnn, self.layer, self.features, self.linear = cnn, layer, features, linear

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B, K)`` of images ``(B, 3, H, W)``."""
        return self.cnn(images)

    def look(self, images: Tensor) -> Look:
        """Logits, attention maps by eq. (1), and features of images, without gradients; in ``eval()`` mode."""
        if self.training:
            raise ValueError("an AttentionNet must be in eval() mode to look: dropout would blur its attention maps")
        with tapping(self.cnn, [self.features]) as features:
            if self.linear is None:
                with torch.enable_grad(), tapping(self.cnn, [self.layer], leaves=True) as taken:
                    logits = self.cnn(images)
                    maps = grad_cam(logits, taken[self.layer])  # (B, K, h, w), eq. (1)
            else:
                with torch.no_grad(), tapping(self.cnn, [self.layer]) as taken:
                    logits = self.cnn(images)
                    weight: Tensor = self.cnn.get_submodule(self.linear).weight  # type: ignore[assignment]
                    maps = linear_grad_cam(taken[self.layer], weight)  # (B, K, h, w), eq. (1)
            return Look(logits.detach(), maps, features[self.features].detach().flatten(1))


# --- 3.3: without labelled video, UnAtt; and what it is compared with -------------------------------------------------


def energy(maps: Tensor, side: int = 3) -> Tensor:
    """The energy ``(...)`` of attention maps ``(..., h, w)``: the largest sum over a square, stride 1 (section 3.3)."""
    checks.require_shape(maps, "... h w", "maps")
    if not 1 <= side <= min(maps.shape[-2:]):
        raise ValueError(f"side must be 1 to {min(maps.shape[-2:])}, to fit into an attention map; got {side}")
    flat = maps.reshape(-1, 1, *maps.shape[-2:])  # (product of the leading dimensions, 1, h, w)
    sums = F.avg_pool2d(flat, side, stride=1) * side**2  # (..., 1, h - s + 1, w - s + 1)
    return sums.amax((-2, -1)).reshape(maps.shape[:-2])


def mean_over_frames(values: Tensor, videos: Tensor) -> Tensor:
    """Scores of videos ``(V, K)``: the mean of the values ``(N, K)`` of the frames of each, eqs. (2) and (5)."""
    checks.require_shape(values, f"{len(videos)} K", "values", "one row a frame")
    sums = values.new_zeros(int(videos.max()) + 1, values.shape[1]).index_add(0, videos, values)  # (V, K)
    return sums / videos.bincount()[:, None]


def unatt(maps: Tensor, videos: Tensor) -> Tensor:
    """Scores of videos ``(V, K)`` by the attention maps ``(N, K, h, w)`` of frames, eq. (2); argmax is eq. (3)."""
    energies = torch.cat([energy(part.float()) for part in maps.split(4096)])  # (N, K); parts save memory
    return mean_over_frames(energies, videos)


def voting(values: Tensor, videos: Tensor) -> Tensor:
    """Scores of videos by the majority of their frames: the mean over those frames only that chose its class (4.3).

    Args:
        values: ``(N, K)``, scores of frames.
        videos: ``(N,)``.

    Returns:
        ``(V, K)``; the class with the most votes has the highest score, as it has in each of these frames. Of classes
        with equally many votes, the one with the higher mean over all frames wins.
    """
    votes = F.one_hot(values.argmax(1), values.shape[1]).to(values)  # (N, K)
    counts = values.new_zeros(int(videos.max()) + 1, values.shape[1]).index_add(0, videos, votes)  # (V, K)
    tied = counts == counts.amax(1, keepdim=True)
    means = mean_over_frames(values, videos)
    winner = means.masked_fill(~tied, -torch.inf).argmax(1)  # (V,)
    majority = values.argmax(1) == winner[videos]  # (N,)
    kept = mean_over_frames(values * majority[:, None], videos) * videos.bincount()[:, None]
    return kept / counts.gather(1, winner[:, None])


# --- 3.4: concepts as vectors -----------------------------------------------------------------------------------------


def fisher_vectors(concepts: Sequence[str], words: Mapping[str, Tensor], components: int = 2, seed: int = 0) -> Tensor:
    """Concept embeddings ``(K, 2 * components * e)``: how the words of a concept differ from all words.

    A mixture of Gaussians describes all words; how it would have to change to fit some words better is their Fisher
    vector. Source: section 3.4, after Jain et al., "Objects2action", ICCV 2015. The number of components is ours.
    """
    vocabulary = torch.stack(list(words.values())).double().numpy()  # (W, e)
    mixture = GaussianMixture(components, covariance_type="diag", random_state=seed, reg_covar=1e-6).fit(vocabulary)
    return torch.stack([fisher_vector(vectors_of(concept, words).double(), mixture) for concept in concepts]).float()


# --- 3.4: with labelled video, EnergyNet ------------------------------------------------------------------------------


class EnergyNet(nn.Module):
    """How sure it is, given the attention map of a concept and its word vector, that the concept is in the frame (3.4).

    Args:
        cells: h * w of an attention map.
        concepts: ``(K, e)``, word vectors of all concepts; they are not learned.
        hidden: width between the two layers.
        dim: d, of the embedding.
        map_scale: what attention maps are multiplied by: see `siamese_energy_net`.
    """

    concepts: Tensor

    def __init__(self, cells: int, concepts: Tensor, hidden: int = 128, dim: int = 64, map_scale: float = 1.0) -> None:
        super().__init__()
        checks.require_shape(concepts, "K e", "concepts", "one row a concept")
        self.register_buffer("concepts", concepts.clone())
        self.first = nn.Linear(cells + concepts.shape[1], hidden)
        self.second = nn.Linear(hidden, dim)
        self.w_f = nn.Linear(dim, 1, bias=False)
        self.map_scale = map_scale

    def forward(self, maps: Tensor) -> Tensor:
        """Energies ``(..., K)`` of the attention maps of all concepts ``(..., K, h, w)``."""
        checks.require_shape(maps, f"... {len(self.concepts)} h w", "maps", "one a concept, in their order")
        concepts = torch.arange(maps.shape[-3], device=maps.device).expand(maps.shape[:-2])  # (..., K)
        return self.energy(self.embed(maps, concepts))

    def embed(self, maps: Tensor, concepts: Tensor) -> Tensor:
        """The embedding f ``(..., d)`` of attention maps ``(..., h, w)`` of concepts ``(...)``, int64."""
        v_l = self.map_scale * maps.float().flatten(-2)  # (..., h * w)
        v_c = self.concepts[concepts]  # (..., e)
        return self.second(F.relu(self.first(torch.cat([v_l, v_c], dim=-1))))

    def energy(self, embedding: Tensor) -> Tensor:
        """``W_f f``, eq. (4): ``(...)`` of embeddings ``(..., d)``."""
        return self.w_f(embedding).squeeze(-1)


@torch.no_grad()
def energy_scores(network: EnergyNet, maps: Tensor, videos: Tensor) -> Tensor:
    """Scores of videos ``(V, K)`` by an EnergyNet, eq. (5); arguments as for `unatt`."""
    device = network.w_f.weight.device
    energies = torch.cat([network(part.to(device)).cpu() for part in maps.split(512)])  # (N, K)
    return mean_over_frames(energies, videos)


def energy_loss(false: Tensor, true: Tensor, margin: float = 1.0) -> Tensor:
    """Hinge between the energies of false and true attention maps, ``(M,)`` each: eq. (6)."""
    return F.relu(false - true + margin)


def cosine_distance(first: Tensor, second: Tensor) -> Tensor:
    """One minus the cosine of the angle between embeddings ``(M, d)``: ``(M,)``, 0 to 2, eq. (7)."""
    return 1 - F.cosine_similarity(first, second, dim=-1)


def triplet_loss(anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 0.5) -> Tensor:
    """An embedding is to be nearer to one of its class than to another, ``(M, d)`` each: ``(M,)``, eqs. (9), (10)."""
    return F.relu(cosine_distance(anchor, positive) - cosine_distance(anchor, negative) + margin)


class Quadruplets(NamedTuple):
    """Inputs of the Siamese of four, Figure 3: attention maps ``(M, 4, h, w)``, concepts and frames ``(M, 4)``.

    In this order: the false anchor map (F, c_fa), the true one (F, c_gt), a positive (F+, c+) and a negative (F-, c-).
    """

    maps: Tensor
    concepts: Tensor
    frames: Tensor


class QuadrupletSampler:
    """Random quadruplets: any frame as the anchor, any false concept, frames of two other videos, eq. (8).

    Of attention maps ``(N, K, h, w)`` of the frames of training videos, which have two classes at least.
    """

    def __init__(self, maps: Tensor, videos: Tensor, labels: Tensor) -> None:
        self.maps, self.videos, self.labels = maps, videos, labels
        self.classes = labels.unique()  # those with videos
        if len(self.classes) < 2:
            raise ValueError(f"videos must be of two classes at least; got {self.classes.tolist()}: take more videos")
        self.num_frames = videos.bincount()  # (V,)
        self.first_frame = self.num_frames.cumsum(0) - self.num_frames
        self.by_class = labels.argsort(stable=True)  # (V,), the videos, class by class
        self.num_videos = labels.bincount(minlength=maps.shape[1])  # (K,)
        self.first_video = self.num_videos.cumsum(0) - self.num_videos  # (K,), where a class starts in by_class
        self.rank = torch.empty_like(labels)  # (V,), of each video within its class
        self.rank[self.by_class] = torch.arange(len(labels)) - self.first_video[labels[self.by_class]]

    def sample(self, count: int, generator: Generator) -> Quadruplets:
        """So many quadruplets."""
        anchor = torch.randint(len(self.videos), (count,), generator=generator)  # (M,), frames
        video = self.videos[anchor]
        concept = self.labels[video]
        positive = self.positive(video, generator)
        negative = self.negative(concept, generator)
        false = self.false_concept(concept, generator)
        others = [self.frame_of(video, generator) for video in (positive, negative)]
        frames = torch.stack([anchor, anchor, *others], dim=1)  # (M, 4)
        concepts = torch.stack([false, concept, concept, self.labels[negative]], dim=1)  # (M, 4)
        return Quadruplets(self.maps[frames, concepts], concepts, frames)

    def false_concept(self, concept: Tensor, generator: Generator) -> Tensor:
        """Any concept but the true one: c_fa in eq. (6)."""
        return _below(torch.full_like(concept, self.maps.shape[1]), generator, but=concept)

    def positive(self, video: Tensor, generator: Generator) -> Tensor:
        """Another video of the same class: V+ in section 3.4.3. Where there is none, the video itself."""
        label = self.labels[video]
        return self.by_class[self.first_video[label] + _below(self.num_videos[label], generator, but=self.rank[video])]

    def negative(self, concept: Tensor, generator: Generator) -> Tensor:
        """Any video of any other class: V- in section 3.4.3."""
        own = torch.searchsorted(self.classes, concept)
        label = self.classes[_below(torch.full_like(concept, len(self.classes)), generator, but=own)]
        return self.by_class[self.first_video[label] + _below(self.num_videos[label], generator)]

    def frame_of(self, video: Tensor, generator: Generator) -> Tensor:
        """Any frame of a video."""
        return self.first_frame[video] + _below(self.num_frames[video], generator)

    def batches(self, count: int, seed: int) -> Callable[[int, Any], Iterator[Quadruplets]]:
        """A loader factory for `labkit.training.fit`: the batch of a step depends on seed and step alone.

        Several processes all get the whole batch: only among all candidates can the hardest be found.
        """
        steps = itertools.count
        return lambda start, part: (
            self.sample(count, Generator().manual_seed(seed * 1_000_003 + n)) for n in steps(start)
        )


def _below(limits: Tensor, generator: Generator, but: Tensor | None = None) -> Tensor:
    """Random whole numbers from 0 to below each limit, but for one each, unless it is the only one."""
    count = limits if but is None else (limits - 1).clamp(min=1)
    numbers = (torch.rand(limits.shape, generator=generator, dtype=torch.float64) * count).long()
    return numbers if but is None else torch.minimum(numbers + (numbers >= but), limits - 1)


class Mining(NamedTuple):
    """Which of the candidates of a step are learned from (section 3.4.2).

    Attributes:
        hardest: K, how many with the largest loss.
        random: how many others, at random.
        first: candidates at the start: few, so that the hardest of them are semi-hard.
        last: candidates once the loss of random ones is below the threshold (mining keeps that of the hardest up).
        threshold: half of the loss at the start.
        hard: False takes equally many samples at random, to compare.
    """

    hardest: int = 64
    random: int = 16
    first: int = 128
    last: int = 1024
    threshold: float = 0.75
    hard: bool = True


class SiameseEnergyNet(nn.Module):
    """Four times the same EnergyNet (Figure 3), which learns from mined quadruplets.

    Attributes:
        level: loss of random quadruplets, averaged over about ten steps until it is below the threshold, where it
            stays. A buffer, so a training that was interrupted continues with it.
    """

    level: Tensor

    def __init__(self, energy_net: EnergyNet, mining: Mining) -> None:
        super().__init__()
        if not 0 < mining.hardest + mining.random <= mining.first <= mining.last:
            raise ValueError(f"hardest + random must fit into first, and first into last; got {mining}")
        self.energy_net, self.mining = energy_net, mining
        self.register_buffer("level", torch.tensor(torch.inf))

    def forward(self, batch: Quadruplets) -> tuple[Tensor, Tensor]:
        """Energy loss and triplet loss of each quadruplet, ``(M,)`` both."""
        embedded = self.energy_net.embed(batch.maps, batch.concepts)  # (M, 4, d)
        false, true, positive, negative = embedded.unbind(1)
        energies = energy_loss(self.energy_net.energy(false), self.energy_net.energy(true))
        return energies, triplet_loss(true, positive, negative)

    @property
    def num_candidates(self) -> int:
        """How many quadruplets are looked at in a step."""
        return self.mining.first if self.level >= self.mining.threshold else self.mining.last

    @torch.no_grad()
    def mine(self, batch: Quadruplets) -> Quadruplets:
        """Those of the candidates that are learned from: the hardest, and some others at random."""
        hardest, count = self.mining.hardest, self.mining.hardest + self.mining.random
        if not self.mining.hard:
            return Quadruplets(*(part[:count] for part in batch))
        candidates = Quadruplets(*(part[: self.num_candidates] for part in batch))
        losses = torch.stack(self(candidates)).sum(0)  # (candidates,)
        if self.training and self.level >= self.mining.threshold:
            self.level.copy_(losses.mean() if self.level.isinf() else torch.lerp(self.level, losses.mean(), 0.1))
        order = losses.argsort(descending=True)
        others = order[hardest:][torch.randperm(len(order) - hardest, device=order.device)]
        chosen = torch.cat([order[:hardest], others])[:count]
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.broadcast(chosen, src=0)  # each process has drawn its own others
        return Quadruplets(*(part[chosen] for part in candidates))


def siamese_loss(model: nn.Module, batch: Quadruplets) -> tuple[Tensor, dict[str, float]]:
    """Both losses of the mined quadruplets, added: for `labkit.training.fit` with a `SiameseEnergyNet` (3.4.4)."""
    assert isinstance(model, SiameseEnergyNet)
    energies, triplets = (losses.mean() for losses in model(model.mine(batch)))
    shown = {"energy": energies.item(), "triplet": triplets.item(), "candidates": model.num_candidates}
    return energies + triplets, shown


# --- builders --------------------------------------------------------------------------------------------------------


def image_view(*, crop_size: int = 224, flip: bool = True) -> View:
    """How a photo, or a frame, gets into the CNN: the shorter side is ``crop_size``, then the centre crop (4.2).

    Horizontal flips serve to train, but not where left and right are different classes.
    """
    return View(
        sample=Consecutive(), modality=RGB(), short_side=crop_size, crop_size=crop_size, centre=crop_size, flip=flip
    )


def attention_resnet(num_classes: int, *, size: Size = "paper") -> AttentionNet:
    """ResNet-101 on 224 x 224 pixels; tiny: ten layers on 56 x 56. Attention maps of 7 x 7."""
    cnn = resnet101(num_classes=num_classes) if size == "paper" else resnet_tiny(num_classes)
    return AttentionNet(cnn, "layer4", "avgpool", linear="fc")


def attention_vgg(num_classes: int, *, size: Size = "paper") -> AttentionNet:
    """VGG-16 on 224 x 224 pixels, attention maps of 14 x 14; tiny: CNN-M on 56 x 56, attention maps of 6 x 6."""
    if size == "tiny":  # by the same group, and its fully connected layers follow the feature maps as well
        return AttentionNet(CNNM(num_classes, **TINY_CNN_M), "features.relu5", "relu7")
    return AttentionNet(vgg16(num_classes=num_classes), "features.29", "classifier.4")


def siamese_energy_net(concepts: Tensor, maps: Tensor, mining: Mining) -> SiameseEnergyNet:
    """EnergyNet for concepts ``(K, e)``, which scales attention maps ``(N, K, h, w)`` to a mean square of 1."""
    square = sum(part.float().square().mean().item() * len(part) for part in maps.split(2**16)) / len(maps)
    energy_net = EnergyNet(maps.shape[-2:].numel(), concepts, map_scale=1 / max(square**0.5, 1e-12))
    return SiameseEnergyNet(energy_net, mining)


# --- recipes: Recipe(**RECIPES["paper"]["photos"]) --------------------------------------------------------------------

MINING: Mapping[str, Mining] = {"paper": Mining(), "tiny": Mining(hardest=24, random=8, first=64, last=256)}

_CNN: Mapping[str, Any] = {  # section 4.2: SGD, batches of 32; rate, decay and length are ours
    "optimizer": torch.optim.SGD,
    "options": {"lr": 1e-3, "momentum": 0.9, "weight_decay": 5e-4},
    "steps": 10_000,
    "batch": 32,
    "schedule": {6_000: 1e-4},
}
_TINY_CNN = {**_CNN, "options": {**_CNN["options"], "lr": 1e-2}, "steps": 200, "schedule": {130: 1e-3}}
_ENERGY: Mapping[str, Any] = {  # section 3.4.4: SGD, rate and decay; momentum and length are ours
    "optimizer": torch.optim.SGD,
    "options": {"lr": 1e-4, "momentum": 0.9, "weight_decay": 5e-4},
    "steps": 50_000,
    "batch": 1024,  # candidates: the last size, of which the first ones are looked at
}
RECIPES: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "paper": {
        "photos": _CNN,
        "action_photos": {**_CNN, "steps": 20_000, "schedule": {12_000: 1e-4}},  # 101 classes instead of 4
        "video_frames": {**_CNN, "steps": 5_000, "schedule": {3_000: 1e-4}},  # section 4.3, "described in Section 4.2"
        "energy_net": _ENERGY,
    },
    "tiny": {
        "photos": _TINY_CNN,
        "action_photos": {**_TINY_CNN, "steps": 400, "schedule": {260: 1e-3}},
        # the rate at which photos ended: with ten times as much, scenes are memorised
        "video_frames": {**_TINY_CNN, "options": _CNN["options"], "steps": 240, "schedule": None},
        # a higher rate, as there are so many fewer steps
        "energy_net": {**_ENERGY, "options": {**_ENERGY["options"], "lr": 3e-3}, "steps": 600, "batch": 256},
    },
}
