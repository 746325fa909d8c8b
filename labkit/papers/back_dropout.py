"""Ren et al., "Back-dropout transfer learning for action recognition", IET Computer Vision, 2018.

https://doi.org/10.1049/iet-cvi.2016.0309

Negative back-dropout transfer learning (NB-TL). A CNN-M-2048 that was trained to recognise objects is fine-tuned to
recognise actions from single frames. A tenth of the training clips is held out; their frames that the network gets
wrong are the *penalty set*. From each of them one walks back: from the wrong class to the neuron with the strongest
link to it, and from that neuron to one in the layer below. These neurons are dropped, and the network is trained again.
The idea is that they carry what the source task has brought along wrongly, its *category bias*. On UCF101 the paper
reports 88.2 %, and 66.5 % without dropping.

In: frames ``(B, 3, 224, 224)``, float32. Out: logits ``(B, K)``; a clip is scored by the mean softmax of its frames.

No code was ever published, and the text leaves much open. Equations (1) to (5) state a risk and a regulariser Omega
that is "replicated with negative back-dropout"; (6) to (9) are the forward pass. None says which neuron is dropped:
that stands in sentences of sections 3.3, 4.3 and 4.4, which are read here like this:

- *"The last FC layer"*. To drop units of the very last layer would be to drop classes. Here it is the last hidden one,
  fc7, whose neurons have weights to the wrong class; the second-last is fc6 (`LAYERS`). Where section 4.2 boosts the
  learning rate "on the last two fully connected layer", these are fc7 and the classifier, the layers of the new task.
- *"One penalty image can only determine one neuron"* (section 4.3), *weights in descending order* (section 4.4). With
  |w| all images of one wrong class would name the same neuron. So links are taken from the strongest downwards; each
  one that joins an image not yet used and a neuron not yet taken is a vote (`walk_back`). Votes stop when the layer has
  lost its fraction. So the number of images is tied to the number of neurons, as in the text. A larger penalty set can
  then only offer more wrong classes; once all of them are there, with many images each, it names nearly the same
  neurons, and Table 2 cannot come out.
- *"All the neurons connected to the dropped neurons in the preceding layers"*. In fully connected layers these are all
  neurons. Here it is the one with the strongest link among those not yet taken: one neuron in each layer for each
  image. fc6 is twice as wide as fc7, so it takes twice as many votes to lose the same fraction.
- *"Large absolute weights"*. |w| takes no notice of the image, and a negative weight counts as much as a positive one,
  although such a neuron speaks *against* the wrong class. That is the text, so it is the default;
  ``by="contribution"`` takes what the neuron gave in this image, |w a|, instead.
- *"Dropped"*. All weights into the neuron and out of it, and its bias, are set to zero (`drop`). Its output and all its
  gradients are zero, so it stays out in training and in tests: it is removed, not paused. "For each sample from the
  penalty set, neurons are dropped" and "a dropout strategy" can also mean: for this sample alone, while it is learned.
  That is not offered: how such samples would be mixed with others, and what tests use, the text does not say. The
  random dropout of CNN-M stays on in all trainings alike; nothing is rescaled.
- *"Re-learn"*. On the nine tenths that the network was fine-tuned on; the penalty set chooses neurons. Other sentences
  let it be learned as well: "co-adapting weights from the negative samples" (section 1), "the size of penalty set to
  re-train the model" (section 5). `penalty_view` makes training samples of its images; the study has rows with them.
- *The baseline* is fine-tuned in all layers, as section 4.2 describes; according to section 4.5 it "is adapting in the
  last layer". The study measures that one as well.
- A tenth of *what*? Of the frames, says section 4.4; their neighbours would be memorised. Here whole clips at random.
  As in the paper, other clips of their groups are trained on; test groups are never seen at all.

Ours are the controls without which a gain cannot be attributed: continuing with nothing dropped, and dropping as many
neurons at random (`random_units`), both with the re-learning of NB-TL, step for step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import torch
from torch import Generator, Tensor
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from labkit import checks
from labkit.backbones.cnn_m import CNNM, TINY_CNN_M
from labkit.clips import Clip, Mapped
from labkit.views import RGB, Consecutive, View

Size = Literal["paper", "tiny"]
Link = Literal["weight", "contribution"]
Layer = Literal["fc7", "fc6"]
Units = Mapping[Layer, Tensor]
"""For a layer the numbers of some of its neurons, int64 ``(n,)``."""

LAYERS: tuple[Layer, Layer] = ("fc7", "fc6")
"""The last fully connected layer of neurons, and the second-last."""

_READER = {"fc7": "classifier", "fc6": "fc7"}  # which layer reads the neurons of a layer

# --- model ------------------------------------------------------------------------------------------------------------
# CNN-M-2048 is `labkit.backbones.cnn_m.CNNM`.

# --- procedure: the penalty set ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class PenaltySet:
    """Images that a network gets wrong, P of them, and what its last layers made of each.

    Attributes:
        clips: ``(P,)`` int64, which of the held-out clips an image is from.
        views: ``(P,)`` int64, which of the views of that clip it is.
        labels: ``(P,)`` int64, its class.
        predicted: ``(P,)`` int64, the wrong class that the network predicted.
        certainty: ``(P,)``, 0 to 1, the probability of that prediction.
        fc7: ``(P, 2048)``, activations of the last layer of neurons.
        fc6: ``(P, 4096)``, of the second-last.
    """

    clips: Tensor
    views: Tensor
    labels: Tensor
    predicted: Tensor
    certainty: Tensor
    fc7: Tensor
    fc6: Tensor

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def num_clips(self) -> int:
        """How many clips they are from; the paper counts penalty sets in clips."""
        return len(self.clips.unique())

    def subset(self, fraction: float, generator: Generator) -> "PenaltySet":
        """All images of a fraction of its clips, at random; with equal generators smaller sets lie in larger ones.

        Raises:
            ValueError: a fraction that is not above 0 and at most 1.

        Source: section 4.4, Table 2: a third, two thirds, all.
        """
        if not 0 < fraction <= 1:
            raise ValueError(f"fraction must be above 0 and at most 1; got {fraction}")
        clips = self.clips.unique()
        order = torch.randperm(len(clips), generator=generator)
        kept = torch.isin(self.clips, clips[order[: max(round(fraction * len(clips)), 1)]])  # (P,)
        return PenaltySet(**{field.name: getattr(self, field.name)[kept] for field in fields(self)})


def penalty_set(network: CNNM, held_out: Mapped, *, workers: int = 0, progress: bool = False) -> PenaltySet:
    """Those images of held-out clips that a network misclassifies, one by one (section 4.4).

    Args:
        network: fine-tuned; runs in ``eval()`` mode, on its device.
        held_out: clips, each as ``(views, label)``, views ``(V, 3, crop_size, crop_size)``, see `frame_view`.
        workers: processes that load clips.
        progress: whether to show a bar.

    Raises:
        ValueError: every image is classified correctly, so there is nothing to penalise.
    """
    device, was_training = network.classifier.weight.device, network.training
    network.eval()
    loader = DataLoader(held_out, batch_size=None, num_workers=workers)
    parts: list[tuple[Tensor, ...]] = []
    with torch.no_grad():
        for clip, (views, label) in enumerate(tqdm(loader, "penalty set", delay=2, disable=not progress)):
            taps = network.taps(views.to(device))
            certainty, predicted = network.classifier(taps["fc7"]).softmax(1).max(1)  # (V,) each
            wrong = (predicted != label).nonzero().flatten()  # (number of wrong views,)
            same = torch.full_like(wrong, clip), wrong, torch.full_like(wrong, int(label))
            parts.append((*same, *(values[wrong] for values in (predicted, certainty, taps["fc7"], taps["fc6"]))))
    network.train(was_training)
    columns = [torch.cat(column).cpu() for column in zip(*parts, strict=True)]
    if not len(columns[0]):
        raise ValueError("a penalty set needs misclassified images; got none: hold out more clips, or look at more")
    return PenaltySet(*columns)


# --- procedure: negative back-dropout ---------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Votes:
    """Which image votes which neurons out, V of them, in the order in which neurons are dropped.

    Attributes:
        images: ``(V,)`` int64, into the penalty set; each at most once.
        fc7: ``(V,)`` int64, the neuron of the last layer that each votes out; each at most once.
        fc6: ``(V,)`` int64, of the second-last layer, in the same way.
        link7: ``(V,)``, the link from the neuron of fc7 to the wrong class: its weight, or its contribution; with its
            sign. Its size never rises.
        link6: ``(V,)``, the link from the neuron of fc6 to that of fc7.
    """

    images: Tensor
    fc7: Tensor
    fc6: Tensor
    link7: Tensor
    link6: Tensor

    def __len__(self) -> int:
        return len(self.images)


def walk_back(network: CNNM, penalty: PenaltySet, max_votes: int, *, by: Link = "weight") -> Votes:
    """Go back from wrong classes through the last layers, the strongest links first (section 3.3, Figure 3).

    Each step takes the strongest link from a neuron of fc7 to the wrong class of an image, among neurons not yet voted
    out and images that have not voted; then the strongest link from a neuron of fc6 to that of fc7. Of equal links the
    first image's is taken, and the neuron with the lower number.

    Args:
        network: the one that made the mistakes.
        penalty: its mistakes.
        max_votes: how many votes at most; `quota` tells how many a layer needs.
        by: ``"weight"``: a link is as strong as its weight, |w|, whatever the image, as the text has it; or
            ``"contribution"``: as what the neuron gave in this image, |w a|.

    Returns:
        As many votes as asked, unless images or neurons run out.
    """
    if by not in ("weight", "contribution"):
        raise ValueError(f'by must be "weight" or "contribution"; got {by!r}')
    checks.require_positive(max_votes, "max_votes", "at least one vote")
    to_class = network.classifier.weight.detach().cpu()  # (K, 2048)
    to_fc7 = network.fc7.weight.detach().cpu()  # (2048, 4096)
    contributes = by == "contribution"
    links = to_class[penalty.predicted]  # (P, 2048): w, from every neuron of fc7 to the wrong class of every image
    links = links * penalty.fc7 if contributes else links  # w a
    strength, free = links.abs(), torch.ones(to_fc7.shape[1], dtype=torch.bool)  # (P, 2048), (4096,)
    votes = []
    for _ in range(min(int(max_votes), *strength.shape, len(free))):
        image, neuron = divmod(int(strength.argmax()), strength.shape[1])  # "in descending order"
        below = to_fc7[neuron] * penalty.fc6[image] if contributes else to_fc7[neuron]  # (4096,)
        second = int(torch.where(free, below.abs(), -1.0).argmax())
        votes.append((image, neuron, second, float(links[image, neuron]), float(below[second])))
        strength[image], strength[:, neuron], free[second] = -1.0, -1.0, False  # "one penalty image ... one neuron"
    return Votes(*(torch.tensor(column) for column in zip(*votes, strict=True)))


def quota(network: CNNM, layer: Layer, ratio: float) -> int:
    """How many neurons make up a fraction of a layer, such as 205 of 2048 for 10 %.

    Raises:
        ValueError: no such layer, or a ratio that is not between 0 and 1.
    """
    if layer not in LAYERS or not 0 < ratio < 1:
        raise ValueError(f"layer must be one of {', '.join(LAYERS)}, ratio between 0 and 1; got {layer!r}, {ratio}")
    return round(ratio * getattr(network, layer).out_features)


def first_voted(network: CNNM, votes: Votes, layers: Sequence[Layer] = LAYERS, ratio: float = 0.1) -> Units:
    """The neurons of the first votes, in each layer as many as make up the ratio, or as there are votes.

    Args:
        network: whose neurons they are.
        votes: of `walk_back`.
        layers: ``("fc7",)``, the last; ``("fc6",)``, the second-last; or both (section 4.3).
        ratio: of each layer, 0.1 or 0.2 in Table 1.
    """
    return {layer: getattr(votes, layer)[: quota(network, layer, ratio)] for layer in layers}


def negative_back_dropout(
    network: CNNM,
    penalty: PenaltySet,
    layers: Sequence[Layer] = LAYERS,
    ratio: float = 0.1,
    *,
    by: Link = "weight",
) -> Units:
    """The neurons that a penalty set votes out: `walk_back` as far as needed. Nothing is dropped yet: see `drop`."""
    max_votes = max(quota(network, layer, ratio) for layer in layers)
    return first_voted(network, walk_back(network, penalty, max_votes, by=by), layers, ratio)


def random_units(network: CNNM, units: Units, generator: Generator) -> Units:
    """The control: as many neurons of the same layers, at random from the whole layer."""
    return {
        layer: torch.randperm(getattr(network, layer).out_features, generator=generator)[: len(chosen)]
        for layer, chosen in units.items()
    }


def drop(network: CNNM, units: Units) -> CNNM:
    """Take neurons out of a network, in place: all weights into them and out of them are set to zero, and their biases.

    They stay out when the network is trained. What comes into such a neuron is 0, where the gradient of ReLU is 0, and
    so is that of all weights into it; what it gives is 0, and so is the gradient of all weights out of it. Weight decay
    and momentum keep zeros at zero.

    Returns:
        The network.

    Raises:
        ValueError: no such layer, or no such neuron in it.
    """
    for layer, chosen in units.items():
        if layer not in LAYERS:
            raise ValueError(f"units must be of {', '.join(LAYERS)}; got {layer!r}")
        own, reader = getattr(network, layer), getattr(network, _READER[layer])
        if len(chosen) and not 0 <= int(chosen.min()) <= int(chosen.max()) < own.out_features:
            raise ValueError(
                f"{layer} has neurons 0 to {own.out_features - 1}; got {int(chosen.min())} to {int(chosen.max())}"
            )
        with torch.no_grad():
            own.weight[chosen] = 0.0
            own.bias[chosen] = 0.0
            reader.weight[:, chosen] = 0.0
    return network


# --- builders ---------------------------------------------------------------------------------------------------------


def frame_view(*, crop_size: int = 224) -> View:
    """How a clip is seen: frame by frame, ``(3, crop_size, crop_size)``, always the centre crop, never flipped.

    To train, a random frame; to test, equally spaced ones: by how many a clip is judged is not in the text.

    Args:
        crop_size: of the shorter side, and of the crop, in pixels.

    Source: section 4.2.
    """
    return View(
        sample=Consecutive(), modality=RGB(), short_side=crop_size, crop_size=crop_size, centre=crop_size, flip=False
    )


def penalty_view(clip: Clip, view: View, num_samples: int, wrong: Mapping[str, Tensor]) -> tuple[Tensor, int]:
    """A random image of a penalised clip with its right label, to be learned.

    Args:
        clip: one that the penalty set has images of.
        view: see `frame_view`.
        num_samples: how many views of the clip the network was tested on.
        wrong: by the name of the clip, which of these views it got wrong.
    """
    times = view.sample.test(clip, clip.num_frames, num_samples)[wrong[clip.name]]  # (number of wrong views,)
    return view.at(clip, times[torch.randint(len(times), ())]), clip.label


def cnn_m(num_classes: int = 101, *, size: Size = "paper") -> CNNM:
    """CNN-M-2048 with its usual dropout of 0.5 (section 4.2); or a small one, for frames of 56 x 56 pixels."""
    return CNNM(num_classes, **(TINY_CNN_M if size == "tiny" else {}))


# --- recipes: Recipe(**RECIPES["paper"]["fine_tuning"]) ---------------------------------------------------------------

_FINE_TUNING: Mapping[str, Any] = {  # section 4.2; no number of steps there: that of two-stream networks, also CNN-M
    "optimizer": torch.optim.SGD,
    "options": {"lr": 1e-3, "momentum": 0.9, "weight_decay": 5e-4},  # "decreased to 0.001 from originally 0.01"
    "groups": {"fc7": 10.0, "classifier": 10.0},  # "boosted on the last two": by how much is left open; back to 0.01
    "steps": 20_000,
    "batch": 256,
    "schedule": {14_000: 1e-4},
}
_TUNING: Mapping[Size, Mapping[str, Any]] = {
    "paper": _FINE_TUNING,
    "tiny": {**_FINE_TUNING, "steps": 400, "batch": 48, "schedule": {280: 1e-4}},
}


def re_learning(recipe: Mapping[str, Any], fraction: float = 0.5) -> dict[str, Any]:
    """The recipe to learn again after a drop: that of fine-tuning in fewer steps. Nothing is said of it in the text.

    It begins at the full rates again, so that there is something to re-learn with; all controls do so too.
    """
    schedule = {round(fraction * step): rate for step, rate in recipe["schedule"].items()}
    return {**recipe, "steps": round(fraction * recipe["steps"]), "schedule": schedule}


RECIPES: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    size: {"fine_tuning": recipe, "re_learning": re_learning(recipe)} for size, recipe in _TUNING.items()
}
