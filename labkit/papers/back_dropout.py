"""Negative back-dropout transfer learning (NB-TL): drop the neurons that wrong answers come from, then learn again.

Ren et al., "Back-dropout transfer learning for action recognition", IET Computer Vision, 2018,
https://doi.org/10.1049/iet-cvi.2016.0309. A CNN-M-2048 that has learned to name objects is fine-tuned to name actions
from single frames. A tenth of the training clips is held out; frames of it that the net gets wrong are the *penalty
set*. From each of them one walks back: from the wrong class to the neuron that is tied to it most strongly, and from
there into the layer below. These neurons are dropped, and the net learns again. The idea is that they carry what the
source task has taught wrongly, its *category bias*. On UCF101 the paper rises from 66.5 to 88.2 %.

In: frames ``(B, 3, 224, 224)``, float32. Out: logits ``(B, K)``; a clip is scored by the mean softmax of its frames.

No code was ever published, and the text leaves much open. How it is read here:

- *"The last FC layer"*. To drop units of the very last layer would be to drop classes. It is the last hidden one here,
  fc7, as the wrong class sees it; the second-last is fc6 (`LAYERS`).
- *"One penalty image can only determine one neuron"* (section 4.3), *weights in descending order* (section 4.4). With
  |w| all images of one wrong class would name the same neuron. So links are gone through from the strongest
  downwards; each one that joins an image not yet used and a neuron not yet taken is a vote (`walk_back`). Votes stop
  when the layer has lost its share. That ties the number of images to the number of neurons, as the text has it, and
  yet a larger penalty set makes a difference: it offers more classes, hence stronger links. One too small to fill the
  share drops fewer neurons.
- *"All the neurons connected to the dropped neurons in the preceding layers"*. In fully connected layers these are all
  neurons. Here the most strongly tied one of them is voted out, of those not yet taken: one neuron in each layer for
  each image. fc6 is twice as wide as fc7, so it takes twice as many votes to lose the same share.
- *"Large absolute weights"*. |w| takes no notice of the image, and an unusually negative weight counts as much as a
  positive one, although such a neuron speaks *against* the wrong class. That is the text, so it is the default;
  ``by="contribution"`` takes what the neuron gave in this image, |w a|, instead.
- *"Dropped"*, while the net learns again. All weights into the neuron and out of it, and its bias, are set to zero
  (`drop`). Its output is zero and so are all its gradients, so it stays out in training and in tests: it is removed,
  not paused. The random dropout of CNN-M stays on in all trainings alike; nothing is rescaled.
- *"Re-learn"*. On the nine tenths that the net was fine-tuned on; the penalty set chooses neurons and is not learned.
- A tenth of *what*? Frames at random, says section 4.4; their neighbours would be learned by heart. Here whole clips
  at random. As in the paper, other clips of their groups are trained on; test groups are never seen at all.

Ours are the controls without which a gain belongs to nobody: going on with nothing dropped, and dropping as many
neurons at random (`random_units`), both with the re-learning of NB-TL, step for step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import torch
from torch import Generator, Tensor, nn
from tqdm.auto import tqdm

from labkit import checks
from labkit.backbones.cnn_m import CNNM, TINY_CNN_M
from labkit.clips import Mapped
from labkit.views import RGB, Consecutive, View

VERSION = 1
"""Raised by hand whenever a change here may change results; records in the ledger carry it."""

Layer = Literal["fc7", "fc6"]
Units = dict[Layer, Tensor]
"""For a layer the numbers of some of its neurons, int64 ``(n,)``."""

LAYERS: tuple[Layer, Layer] = ("fc7", "fc6")
"""The last fully connected layer of neurons, and the second-last."""

_READER = {"fc7": "classifier", "fc6": "fc7"}  # which layer reads the neurons of a layer

# --- procedure: the penalty set ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class PenaltySet:
    """Images that a net gets wrong, P of them, and what its last layers made of each.

    Attributes:
        clips: ``(P,)`` int64, which clip of the held-out ones an image is from.
        views: ``(P,)`` int64, which of the views of that clip it is.
        labels: ``(P,)`` int64, what it shows.
        predicted: ``(P,)`` int64, what the net took it for.
        certainty: ``(P,)``, 0 to 1, the probability that the net gave to that.
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

    def share(self, part: float, generator: Generator) -> "PenaltySet":
        """All images of a part of its clips, drawn at random; with equal generators smaller parts lie in larger ones.

        Raises:
            ValueError: a part that is not above 0 and at most 1.

        Source: section 4.4, Table 2: a third, two thirds, all.
        """
        if not 0 < part <= 1:
            raise ValueError(f"part must be above 0 and at most 1; got {part}")
        there = self.clips.unique()
        order = torch.randperm(len(there), generator=generator)
        kept = torch.isin(self.clips, there[order[: max(round(part * len(there)), 1)]])  # (P,)
        return PenaltySet(**{field.name: getattr(self, field.name)[kept] for field in fields(self)})


def penalty_set(net: CNNM, held: Mapped, *, progress: bool = False) -> PenaltySet:
    """Those images of held-out clips that a net misclassifies; it is asked image by image (section 4.4).

    Args:
        net: fine-tuned; asked in ``eval()`` mode, on its device.
        held: held-out clips, each as ``(views, label)``, views ``(V, 3, crop_size, crop_size)``, see `frame_view`.
        progress: whether to show a bar.

    Raises:
        ValueError: every image is classified rightly, so there is nobody to penalise.
    """
    device, was_training = net.classifier.weight.device, net.training
    net.eval()
    found: list[tuple[Tensor, ...]] = []
    with torch.no_grad():
        for clip in tqdm(range(len(held)), desc="penalty set", unit="clip", delay=2, disable=not progress):
            views, label = held[clip]
            taps = net.taps(views.to(device))
            certainty, predicted = net.classifier(taps["fc7"]).softmax(1).max(1)  # (V,) each
            wrong = (predicted != label).nonzero().flatten()  # (number of wrong views,)
            same = torch.full_like(wrong, clip), wrong, torch.full_like(wrong, int(label))
            found.append((*same, *(part[wrong] for part in (predicted, certainty, taps["fc7"], taps["fc6"]))))
    net.train(was_training)
    parts = [torch.cat(part).cpu() for part in zip(*found, strict=True)]
    if not len(parts[0]):
        raise ValueError("a penalty set needs misclassified images; got none: hold out more clips, or look at more")
    return PenaltySet(*parts)


# --- procedure: negative back-dropout ---------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Votes:
    """Which image votes which neurons out, V of them, in the order in which neurons are dropped.

    Attributes:
        images: ``(V,)`` int64, into the penalty set; each at most once.
        fc7: ``(V,)`` int64, the neuron of the last layer that each votes out; each at most once.
        fc6: ``(V,)`` int64, likewise of the second-last.
        strength7: ``(V,)``, the link from the neuron of fc7 to the wrong class: its weight, or its contribution; with
            its sign. Its size never rises.
        strength6: ``(V,)``, the link from the neuron of fc6 to that of fc7.
    """

    images: Tensor
    fc7: Tensor
    fc6: Tensor
    strength7: Tensor
    strength6: Tensor

    def __len__(self) -> int:
        return len(self.images)


def walk_back(net: CNNM, penalty: PenaltySet, most: int, *, by: Literal["weight", "contribution"] = "weight") -> Votes:
    """Go back from wrong classes through the last layers, the strongest links first (section 3.3, Figure 3).

    Each step takes the strongest link from a neuron of fc7 to the wrong class of an image, among neurons not yet voted
    out and images that have not voted; then the strongest link from a neuron of fc6 to that of fc7, likewise. Of equal
    links the first image's is taken, and the neuron with the lower number.

    Args:
        net: the one that made the mistakes.
        penalty: its mistakes.
        most: how many votes at most; `quota` tells how many a layer needs.
        by: ``"weight"``: a link is as strong as its weight, |w|, whatever the image, as the text has it; or
            ``"contribution"``: as what the neuron gave in this image, |w a|.

    Returns:
        As many votes as asked, unless images or neurons run out.
    """
    if by not in ("weight", "contribution"):
        raise ValueError(f'by must be "weight" or "contribution"; got {by!r}')
    checks.require_positive(most, "most", "at least one vote")
    to_class = net.classifier.weight.detach().cpu()  # (K, 2048)
    to_last = net.fc7.weight.detach().cpu()  # (2048, 4096)
    links = to_class[penalty.predicted]  # (P, 2048), from each neuron to the wrong class of each image
    if by == "contribution":
        links = links * penalty.fc7
    free, free6 = links.abs(), torch.ones(to_last.shape[1], dtype=torch.bool)  # (P, 2048), (4096,)
    rows = []
    for _ in range(min(int(most), *free.shape, len(free6))):
        image, last = divmod(int(free.argmax()), free.shape[1])
        below = to_last[last] * penalty.fc6[image] if by == "contribution" else to_last[last]  # (4096,)
        second = int(torch.where(free6, below.abs(), -1.0).argmax())
        rows.append((image, last, second, float(links[image, last]), float(below[second])))
        free[image], free[:, last], free6[second] = -1.0, -1.0, False
    images, sevens, sixes, strength7, strength6 = (torch.tensor(column) for column in zip(*rows, strict=True))
    return Votes(images, sevens, sixes, strength7, strength6)


def quota(net: CNNM, layer: Layer, ratio: float) -> int:
    """How many neurons of a layer make up a share of it, such as 205 of 2048 for 10 %.

    Raises:
        ValueError: no such layer, or a ratio that is not between 0 and 1.
    """
    if layer not in LAYERS or not 0 < ratio < 1:
        raise ValueError(f"layer must be one of {', '.join(LAYERS)}, ratio between 0 and 1; got {layer!r}, {ratio}")
    return round(ratio * getattr(net, layer).out_features)


def voted_out(net: CNNM, votes: Votes, layers: Sequence[Layer] = LAYERS, ratio: float = 0.1) -> Units:
    """The neurons that have to go: in each layer those of the first votes, as many as make up the ratio.

    Where there are fewer votes than that, as many as there are votes.

    Args:
        net: whose neurons they are.
        votes: of `walk_back`.
        layers: ``("fc7",)``, the last; ``("fc6",)``, the second-last; or both (section 4.3).
        ratio: of each layer, 0.1 or 0.2 in Table 1.
    """
    return {layer: getattr(votes, layer)[: quota(net, layer, ratio)] for layer in layers}


def negative_back_dropout(
    net: CNNM,
    penalty: PenaltySet,
    layers: Sequence[Layer] = LAYERS,
    ratio: float = 0.1,
    *,
    by: Literal["weight", "contribution"] = "weight",
) -> Units:
    """Whom a penalty set votes out: `walk_back` as far as needed, then `voted_out`. Nothing is dropped yet: `drop`."""
    most = max(quota(net, layer, ratio) for layer in layers)
    return voted_out(net, walk_back(net, penalty, most, by=by), layers, ratio)


def random_units(net: CNNM, units: Units, generator: Generator) -> Units:
    """The control: as many neurons of the same layers, drawn at random from the whole layer."""
    return {
        layer: torch.randperm(getattr(net, layer).out_features, generator=generator)[: len(those)]
        for layer, those in units.items()
    }


def drop(net: CNNM, units: Units) -> CNNM:
    """Take neurons out of a net, in place: all weights into them and out of them are set to zero, and their biases.

    They stay out when the net is trained. What comes into such a neuron is 0, where the gradient of ReLU is 0, and so
    is that of all weights into it; what it gives is 0, and so is the gradient of all weights out of it. Weight decay
    and momentum keep zeros at zero.

    Returns:
        The net.

    Raises:
        ValueError: no such layer, or no such neuron in it.
    """
    for layer, those in units.items():
        if layer not in LAYERS:
            raise ValueError(f"units must be of {', '.join(LAYERS)}; got {layer!r}")
        own, reader = getattr(net, layer), getattr(net, _READER[layer])
        if len(those) and not 0 <= int(those.min()) <= int(those.max()) < own.out_features:
            raise ValueError(
                f"{layer} has neurons 0 to {own.out_features - 1}; got {int(those.min())} to {int(those.max())}"
            )
        with torch.no_grad():
            own.weight[those] = 0.0
            own.bias[those] = 0.0
            reader.weight[:, those] = 0.0
    return net


# --- procedure: what came of it ---------------------------------------------------------------------------------------


def relative_change(before: nn.Module, after: nn.Module) -> dict[str, Tensor]:
    """How far training has moved each neuron: the length of the change of its incoming weights over their length.

    Ours, for Figure 2, which darkens the neurons that fine-tuning adapts.

    Args:
        before: the net that training began with.
        after: of the same architecture; a layer with another shape there (the classifier) has nothing to compare.

    Returns:
        For each layer with weights, ``(neurons or filters,)``, at least 0; NaN where there were no weights but zero.
    """
    later, changes = dict(after.named_parameters()), {}
    for name, weight in before.named_parameters():
        if name.endswith(".weight") and later[name].shape == weight.shape:
            old, new = (one.detach().cpu().flatten(1) for one in (weight, later[name]))
            changes[name.removesuffix(".weight")] = (new - old).norm(dim=1) / old.norm(dim=1)
    return changes


def paired_gain(before: Tensor, after: Tensor, groups: Tensor) -> tuple[float, float]:
    """By how much more often the same clips are right after than before, and the standard error of that difference.

    Clips of a group share actor and place and tend to be right or wrong together, so each group counts as one draw.
    Ours: without it a point more or less on a few hundred clips is taken for an effect.

    Args:
        before: ``(N,)``, of each clip whether it was right: 0 or 1, or the share of runs in which it was.
        after: likewise.
        groups: ``(N,)``, the group of each clip, at least two different ones.

    Returns:
        The mean difference, -1 to 1, and its standard error.

    Source: the sandwich estimate of a mean under clustering, e.g. Cameron and Miller, "A practitioner's guide to
    cluster-robust inference", J. Human Resources 50(2), 2015, section II.
    """
    checks.require_same_shape(before, after, ("before", "after"), "of the same clips")
    checks.require_same_shape(before, groups, ("before", "groups"), "one group for each clip")
    _, group = groups.unique(return_inverse=True)  # (N,), counted from 0
    number = int(group.max()) + 1
    if number < 2:
        raise ValueError(f"groups must be at least 2 different ones; got {number}: nothing says how far groups differ")
    gains = after.double() - before.double()  # (N,)
    mean = gains.mean()
    sums = torch.zeros(number, dtype=torch.float64).index_add_(0, group, gains - mean)  # (number,)
    error = (sums.square().sum() * number / (number - 1)).sqrt() / len(gains)
    return mean.item(), error.item()


def profile_correlation(one: Tensor, other: Tensor) -> float:
    """Whether two nets are good at the same classes: the correlation of their precision, or recall, over classes.

    Args:
        one: ``(K,)``, NaN for classes that have no such number; these do not count.
        other: likewise.

    Returns:
        -1 to 1; NaN if one of them is the same for all classes.

    Source: ours, for "the same tendency in classifying actions" (section 4.5, Figures 4 and 5).
    """
    both = torch.stack([one, other])  # (2, K)
    return torch.corrcoef(both[:, both.isfinite().all(0)])[0, 1].item()


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


def back_dropout_paper(num_classes: int = 101) -> CNNM:
    """CNN-M-2048 with its usual dropout of 0.5, for the 101 classes of UCF101 (section 4.2)."""
    return CNNM(num_classes)


def back_dropout_tiny(num_classes: int) -> CNNM:
    """The small CNN-M that has learned the source task of the world, for frames of 56 x 56 pixels."""
    return CNNM(num_classes, **TINY_CNN_M)


# --- recipes: Recipe(**FINE_TUNING) -----------------------------------------------------------------------------------

FINE_TUNING: Mapping[str, Any] = {  # section 4.2; no number of steps there: those of two-stream networks, same net
    "optimizer": torch.optim.SGD,
    "options": {"lr": 1e-3, "momentum": 0.9, "weight_decay": 5e-4},  # "decreased to 0.001 from originally 0.01"
    "groups": {"fc7": 10.0, "classifier": 10.0},  # "boosted on the last two": by how much is left open; back to 0.01
    "steps": 20_000,
    "batch": 256,
    "schedule": {14_000: 1e-4},
}
FINE_TUNING_TINY: Mapping[str, Any] = {**FINE_TUNING, "steps": 400, "batch": 48, "schedule": {280: 1e-4}}


def re_learning(recipe: Mapping[str, Any], share: float = 0.5) -> dict[str, Any]:
    """The recipe to learn again after a drop: that of fine-tuning in fewer steps. Nothing is said of it in the text.

    It begins at the full rates again, so that there is something to re-learn with; all controls do so too.
    """
    schedule = {round(share * step): rate for step, rate in recipe["schedule"].items()}
    return {**recipe, "steps": round(share * recipe["steps"]), "schedule": schedule}
