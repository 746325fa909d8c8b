"""A source task that misleads: how much of its bias remains when only the last layer learns, from a few clips.

Negative back-dropout is meant against *category bias*: a category of the source task that means something else in the
target task. Here the source task knows the very actions of the target task, but has seen each of them where its
look-alike is at home: hammering in the forest, chopping in the workshop. The clips of the target task are filmed
anywhere, so nothing in them says that the source was wrong; at the test everybody is at home. The control is a source
task that was itself filmed anywhere.

The network stays as it is, and only a new last layer learns, the baseline of section 4.5, from so few clips that it
leans on what the network knows. Then it loses neurons of fc7, and learns once more. Several draws of these clips are
averaged.
"""

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from torch import Generator

from labkit import world
from labkit.backbones.cnn_m import CNNM
from labkit.clips import Clips
from labkit.papers.back_dropout import Units, negative_back_dropout, random_units
from labkit.papers.two_stream import spatial_view
from labkit.studies.culprits import RATIO, Activations, mistakes
from labkit.views import View
from labkit.world import Difficulty
from labkit.world.actions import LOOK_ALIKES

SOURCE_RECIPE: Mapping[str, Any] = {
    "optimizer": torch.optim.SGD,
    "options": {"lr": 1e-2, "momentum": 0.9, "weight_decay": 5e-4},
    "steps": 1200,
    "batch": 64,
    "schedule": {720: 1e-3, 1020: 1e-4},
}
STILLS = spatial_view(crop_size=56, short_side=None)
CLIPS = 4  # of each class that the last layer learns from
DRAWS = 6  # of these clips
FRAMES = 4  # of a clip
WAYS = ("last_layer", "nb", "random")


class Answers(NamedTuple):
    """Of the clips at home, the fractions that are taken for what they are, and for their look-alike."""

    right: float
    misled: float


class Target(NamedTuple):
    """Activations to clips of the six classes that have a home, frame by frame: to learn from, and to test at home."""

    known: Activations
    test: Activations

    @classmethod
    def seen_by(cls, network: CNNM, view: View, seed: int, groups: int) -> "Target":
        """The clips of a seed as a network sees them.

        Args:
            network: of the source task.
            view: how it sees frames.
            seed: of the world.
            groups: of clips, one of each class; a third of them is the test part.
        """

        def seen(part: str, home: float) -> Activations:
            options: dict[str, Any] = {"groups": groups, "clips": 1, "classes": tuple(LOOK_ALIKES)}
            clips = world.Actions(seed=seed, part=part, difficulty=Difficulty(home=home), **options)
            return activations(network, view, clips)

        return cls(seen("train", home=0), seen("test", home=1))


@torch.no_grad()
def activations(network: CNNM, view: View, clips: Clips) -> Activations:
    """Activations to `FRAMES` frames of each clip, the frames of a clip one after the other."""
    taps = [network.taps(view.test(clip, FRAMES)[0]) for clip in clips]
    fc7, fc6 = (torch.cat([each[layer] for each in taps]) for layer in ("fc7", "fc6"))
    return Activations(fc7, fc6, clips.labels.repeat_interleave(FRAMES))


def draw(known: Activations, generator: Generator) -> tuple[Activations, Activations]:
    """`CLIPS` clips of each class at random, and all the others, which are held out."""
    labels = known.labels[::FRAMES]
    order = torch.randperm(len(labels), generator=generator)
    chosen = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        chosen[order[labels[order] == label][:CLIPS]] = True
    return tuple(Activations(*(part[each.repeat_interleave(FRAMES)] for part in known)) for each in (chosen, ~chosen))  # type: ignore[return-value]


@torch.no_grad()
def learned(network: CNNM, known: Activations, units: Units) -> CNNM:
    """A copy of a network whose last layer has learned the classes from activations, without some neurons of fc7."""
    copied, lost = copy.deepcopy(network), units.get("fc7", torch.zeros(0, dtype=torch.int64))
    codes = known.fc7.clone()
    scale = codes.std().clamp(min=1e-6)
    codes[:, lost] = 0
    fitted = LogisticRegression(max_iter=1000).fit((codes / scale).double().numpy(), known.labels.numpy())
    copied.classifier = torch.nn.Linear(codes.shape[1], len(fitted.classes_))
    copied.classifier.weight.copy_(torch.from_numpy(fitted.coef_) / scale)
    copied.classifier.bias.copy_(torch.from_numpy(fitted.intercept_))
    copied.classifier.weight[:, lost] = 0
    return copied


@torch.no_grad()
def outcome(network: CNNM, test: Activations) -> Answers:
    """What the last layer of a network makes of clips, by the mean softmax of their frames."""
    scores = network.classifier(test.fc7).softmax(1).unflatten(0, (-1, FRAMES)).mean(1)  # (N, 6)
    predicted, labels = scores.argmax(1), test.labels[::FRAMES]
    names = list(LOOK_ALIKES)
    others = torch.tensor([names.index(LOOK_ALIKES[name]) for name in names])
    return Answers(*((predicted == wanted).double().mean().item() for wanted in (labels, others[labels])))


def misled(network: CNNM, target: Target, *, seed: int) -> Mapping[str, Answers]:
    """What becomes of the clips at home, by the way in which the last layer has learned: the mean over all draws.

    Args:
        network: of the source task.
        target: see `Target.seen_by`.
        seed: of the draws.

    Returns:
        For ``"last_layer"``; for ``"nb"``, after neurons were dropped that the penalty set of the held-out clips votes
        out; for ``"random"``, after as many were dropped at random.
    """
    generator = torch.Generator().manual_seed(seed)
    outcomes: dict[str, list[Answers]] = {way: [] for way in WAYS}
    for _ in range(DRAWS):
        few, held_out = draw(target.known, generator)
        start = learned(network, few, {})
        voted = negative_back_dropout(start, mistakes(start, held_out), ("fc7",), RATIO)
        for way, units in (("last_layer", {}), ("nb", voted), ("random", random_units(start, voted, generator))):
            outcomes[way].append(outcome(learned(network, few, units), target.test))
    return {way: Answers(*torch.tensor(several).mean(0).tolist()) for way, several in outcomes.items()}
