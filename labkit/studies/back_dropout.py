"""The experiments of Ren et al., 2018: Tables 1 to 3, Figures 2 to 5, and the controls that the paper does not have.

The target task is UCF101, or eighteen actions of the lab's world; the source task is ImageNet, or stills of puppets
with other things, in other postures; of its network there are three trainings, and the seed chooses one. A tenth of the
training clips is held out at random: their frames that the fine-tuned network gets wrong are the penalty set. All
networks that learn again start from the same fine-tuned one, and see the same clips in the same order; they differ in
the neurons that they have lost, and where a row says so, in that the penalty images are learned as well. What is random
in learning again is repeated, and a result is the mean.
"""

import copy
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import ConcatDataset

from labkit import data, metrics, world
from labkit.backbones import card, load_weights, source_weights
from labkit.backbones.cnn_m import CNNM
from labkit.clips import Clips
from labkit.losses import classification_loss
from labkit.papers import back_dropout
from labkit.papers.back_dropout import LAYERS, PenaltySet, Units
from labkit.papers.two_stream import last_layer_only
from labkit.studies.category_bias import SOURCE_RECIPE, STILLS, Target, misled
from labkit.studies.conditions import under
from labkit.studies.culprits import Activations, Planted, search_culprits
from labkit.studies.gains import profile_correlation
from labkit.studies.parts import ThreeParts
from labkit.studies.rows import Measure, Row, per_clip, row
from labkit.studies.study import Study, shortened
from labkit.training import Recipe
from labkit.views import View

SPLITS, WORLD = (1, 2, 3), ("world",)
AGAIN = ("fine_tuned", "again.*")  # names of trainings
CONTENDERS: Mapping[str, str] = {
    "NB-TL": "weight",
    "continued": "nothing",
    "at random": "random",
    "by contribution": "contribution",
}
"""What has learned again from the fine-tuned network, and how its lost neurons were chosen."""
CULPRITS = 12.0  # weight of planted culprits, in units of the largest that is there


class Scale(NamedTuple):
    """What a profile changes.

    Attributes:
        groups: of the world's clips; a third of them is the test part.
        clips: of each class in each group.
        trap: groups of further clips of the two classes that may be confused.
        stills: groups of the source task's stills among which culprits are looked for; a third of them is used.
        steps: fraction of the recipe's steps.
        batch: samples of an update; None: the recipe's.
        moments: frames of a clip that are looked at in testing.
        penalty_moments: frames of a held-out clip.
        repeats: of everything that learns again, on split 1.
        videos: loaded together in testing.
        biased: groups of the stills of a source task that misleads, and of the clips on which it may.
    """

    groups: int
    clips: int
    trap: int
    stills: int
    steps: float
    batch: int | None
    moments: int
    penalty_moments: int
    repeats: int
    videos: int
    biased: tuple[int, int] = (180, 90)


class BackDropout(Study):
    """All rows of the paper's tables and figures."""

    paper = "back_dropout"
    version = 4
    networks = ("cnn_m",)
    scales: ClassVar[Mapping[str, Scale]] = {
        "smoke": Scale(6, 1, 3, 12, 0.01, 8, 1, 2, 1, 16, (6, 24)),
        "lesson": Scale(24, 2, 60, 45, 0.75, None, 4, 16, 1, 16),
        "study": Scale(36, 2, 120, 180, 1.0, None, 8, 16, 3, 16),
        "paper": Scale(36, 2, 120, 180, 1.0, None, 25, 25, 1, 1),
    }

    # --- data

    @cached_property
    def clips(self) -> ThreeParts:
        """Clips to learn from, held-out clips, which make the penalty set, and test clips."""
        train, test = (self._part(part) for part in ("train", "test"))
        return ThreeParts(*train.hold_out(0.1, torch.Generator().manual_seed(self.seed)), test)

    def _part(self, part: str) -> Clips:
        if self.dataset == "ucf101":
            root, missing = Path(self.data_root, "ucf101"), self.missing
            return data.UCF101(root, self.split, part, missing=missing)  # type: ignore[arg-type]
        size = {"groups": self.scale.groups, "clips": self.scale.clips}
        return self.prepared(world.Actions(seed=self.seed, split=self.split, part=part, **size))

    @property
    def misled(self) -> tuple[str, str]:
        """A class of the target task that a class of the source task may mislead, and the class it is misled to."""
        return ("hammer", "chop") if self.dataset == "world" else ("HorseRiding", "HorseRace")

    @cached_property
    def trap(self) -> Clips:
        """Clips of these two classes: of the world many more, of actors in scenes that no other set has."""
        if self.dataset == "world":
            first, more = 36, self.scale.trap
            both = world.Actions(seed=self.seed, classes=self.misled, groups=first + more, clips=1)
            return both.subset((both.groups > first).nonzero().flatten())
        labels = torch.tensor([self.clips.test.classes.index(name) for name in self.misled])
        return self.clips.test.subset(torch.isin(self.clips.test.labels, labels).nonzero().flatten())

    @cached_property
    def stills(self) -> Clips:
        """Stills of the source task, of actors that its network has not seen: clips of one frame."""
        return self.prepared(world.Source(seed=self.seed, part="test", groups=self.scale.stills))

    @cached_property
    def view(self) -> View:
        """How networks see clips."""
        return back_dropout.frame_view(crop_size=56 if self.size == "tiny" else 224)

    def clips_of(self, metric: str) -> tuple[Sequence[Clips], Sequence[Clips]]:
        """Training clips and test clips, or for some metrics other ones."""
        if metric.startswith("planted."):
            return [], [self.stills]
        if metric.startswith("condition."):
            return [], []
        train = [self.clips.train, self.clips.held_out] if metric.startswith("learned.") else [self.clips.train]
        return train, [self.trap if metric.startswith("bias.") else self.clips.test]

    # --- section 4.2: fine-tuning

    @property
    def weights(self) -> Path:
        """Of the network of the source task: the world's, or a CNN-M-2048 trained on ImageNet."""
        if self.size == "tiny":
            return source_weights("cnn_m", self.seed, source="postures")
        return Path(self.data_root, "cnn_m_imagenet.safetensors")

    def pre_trained(self) -> CNNM:
        """The network of the source task with a new classifier, newly built each time."""
        classes = len(self.clips.test.classes)
        network = self.initialised(lambda: back_dropout.cnn_m(classes, size=self.size))
        load_weights(network, self.weights, skip=("classifier",))
        return network

    def recipe(self, name: str = "fine_tuning", repeat: int = 0) -> Recipe:
        """A recipe of `labkit.papers.back_dropout`, shortened to this scale."""
        recipe = shortened(back_dropout.RECIPES[self.size][name], self.scale.steps, self.scale.batch)
        return Recipe(**recipe, seed=100 * self.seed + repeat)

    def fine_tuned(self) -> CNNM:
        """All layers trained on the target task, the last two at higher rates."""
        train = self.clips.train.map(self.view.train)
        return self.train("fine_tuned", self.pre_trained(), classification_loss, train, self.recipe())

    def last_layer(self) -> CNNM:
        """Only the classifier trained on the target task."""
        recipe, train = self.recipe(), self.clips.train.map(self.view.train)
        recipe = replace(recipe, groups={"classifier": recipe.groups["classifier"]})  # type: ignore[index]
        return self.train("last_layer", last_layer_only(self.pre_trained()), classification_loss, train, recipe)

    # --- sections 3.3 and 4.4: the penalty set, and the neurons that it votes out

    @cached_property
    def penalty(self) -> PenaltySet:
        """The images of the held-out clips that the fine-tuned network gets wrong."""
        network, test = self.fine_tuned(), partial(self.view.test, num_samples=self.scale.penalty_moments)
        find = partial(back_dropout.penalty_set, network, self.clips.held_out.map(test), workers=self.workers)
        return PenaltySet(**self.compute("penalty", lambda: vars(find(progress=self.progress))))

    def penalty_part(self, fraction: float = 1.0) -> PenaltySet:
        """All images of a fraction of the clips of the penalty set, at random."""
        if fraction == 1:
            return self.penalty
        return self.penalty.subset(fraction, torch.Generator().manual_seed(self.seed))

    def units(
        self,
        choice: str = "weight",
        layers: Sequence[Any] = LAYERS,
        ratio: float = 0.1,
        fraction: float = 1.0,
        repeat: int = 0,
    ) -> Units:
        """Neurons of the fine-tuned network to be dropped.

        Args:
            choice: ``"weight"``, the paper's; or ``"contribution"``, ``"random"``, ``"nothing"``.
            layers: in which.
            ratio: of the neurons of each layer.
            fraction: of the clips of the penalty set, that vote.
            repeat: other random neurons in each.
        """
        if choice == "nothing":
            return {}
        network, penalty = self.fine_tuned(), self.penalty_part(fraction)
        if choice == "random":
            units, generator = (
                self.units("weight", layers, ratio),
                torch.Generator().manual_seed(100 * self.seed + repeat),
            )
            return back_dropout.random_units(network, units, generator)
        return back_dropout.negative_back_dropout(network, penalty, layers, ratio, by=choice)  # type: ignore[arg-type]

    # --- learning again

    def learned_again(self, units: Units, repeat: int = 0, penalty: float = 0.0) -> CNNM:
        """The fine-tuned network after it has lost neurons and was trained again.

        Networks that lose the same neurons are the same network: its name tells which these are, not who chose them.

        Args:
            units: the lost neurons.
            repeat: number of the training.
            penalty: fraction of the penalty set's clips whose images are learned as well, with their right labels.
        """
        train: Any = self.clips.train.map(self.view.train)
        name = f"again.{_digest(units)}.{repeat}"
        if penalty:
            train, name = ConcatDataset([train, self._penalised(penalty)]), f"{name}.penalty_{penalty:.2f}"
        network = back_dropout.drop(copy.deepcopy(self.fine_tuned()), units)
        return self.train(name, network, classification_loss, train, self.recipe("re_learning", repeat))

    def _penalised(self, fraction: float) -> Any:
        """The clips of the penalty set as training samples: a random image of those that were classified wrongly."""
        penalty, held_out, moments = self.penalty_part(fraction), self.clips.held_out, self.scale.penalty_moments
        clips = penalty.clips.unique().tolist()
        wrong = {held_out[clip].name: penalty.views[penalty.clips == clip] for clip in clips}
        view = partial(back_dropout.penalty_view, view=self.view, num_samples=moments, wrong=wrong)
        return held_out.subset(clips).map(view)

    def scores_of(self, network: CNNM, name: str, on: str = "test") -> Tensor:
        """Scores ``(N, K)`` of the test clips, or of the ``"trap"``: mean softmax of the frames of each clip."""
        clips = self.clips.test if on == "test" else self.trap
        views = clips.map(partial(self.view.test, num_samples=self.scale.moments))
        return self.scores(f"scores.{on}.{name}", network, views, batch=self.scale.videos)

    def scores_again(self, choice: str = "weight", penalty: float = 0.0, on: str = "test", **chosen: Any) -> Tensor:
        """Scores ``(repeats, N, K)`` of networks that learned again; see `units` and `learned_again`."""
        scores = []
        for repeat in range(self.scale.repeats if self.split == 1 else 1):
            units = self.units(choice, repeat=repeat, **chosen)
            network = self.learned_again(units, repeat, penalty)
            scores.append(self.scores_of(network, f"{_digest(units)}.{repeat}.{penalty:.2f}", on))
        return torch.stack(scores)

    def contenders(self, on: str = "test") -> dict[str, Tensor]:
        """Scores ``(repeats, N, K)`` of the fine-tuned network and of the `CONTENDERS`."""
        fine_tuned = self.scores_of(self.fine_tuned(), "fine_tuned", on)[None]
        return {"fine-tuned": fine_tuned, **{name: self.scores_again(c, on=on) for name, c in CONTENDERS.items()}}

    def right(self, scores: Tensor) -> Tensor:
        """``(N,)``: of each test clip the fraction of repeats in which scores ``(repeats, N, K)`` classify it right."""
        return (scores.argmax(-1) == self.clips.test.labels).double().mean(0)

    # --- Tables 1, 2 and 3

    @row("fine_tuned", needs=["fine_tuned"])
    def baseline(self) -> Measure:
        """Table 2, first row."""
        return per_clip(self.right(self.scores_of(self.fine_tuned(), "fine_tuned")[None]))

    @row("control.last_layer", needs=["last_layer"])
    def baseline_of_section_4_5(self) -> Measure:
        """Section 4.5: the fine-tuned network "is adapting in the last layer"."""
        return per_clip(self.right(self.scores_of(self.last_layer(), "last_layer")[None]))

    @row("nb_tl", metrics=["drop.both_10", "size.full"], needs=AGAIN)
    def nb_tl(self) -> dict[str, Measure]:
        """Tables 1 and 2: 10 % of the last two layers, all of the penalty set."""
        measure = per_clip(self.right(self.scores_again()))
        return {"drop.both_10": measure, "size.full": measure}

    @row("drop.last_10", needs=AGAIN, layers=("fc7",), ratio=0.1)
    @row("drop.last_20", needs=AGAIN, layers=("fc7",), ratio=0.2)
    @row("drop.second_10", needs=AGAIN, layers=("fc6",), ratio=0.1)
    @row("drop.second_20", needs=AGAIN, layers=("fc6",), ratio=0.2)
    @row("drop.both_20", needs=AGAIN, layers=LAYERS, ratio=0.2)
    @row("size.third", needs=AGAIN, fraction=1 / 3)
    @row("size.two_thirds", needs=AGAIN, fraction=2 / 3)
    @row("control.further", needs=("fine_tuned", "again.nothing.*"), choice="nothing")
    @row("control.random", needs=AGAIN, choice="random")
    @row("control.contribution", needs=AGAIN, choice="contribution")
    @row("learned.full", needs=AGAIN, penalty=1.0)
    @row("learned.two_thirds", needs=AGAIN, penalty=2 / 3, fraction=2 / 3)
    @row("learned.third", needs=AGAIN, penalty=1 / 3, fraction=1 / 3)
    @row("learned.further", needs=("fine_tuned", "again.nothing.*"), penalty=1.0, choice="nothing")
    def learning_again(self, **choice: Any) -> Measure:
        """Table 1; Table 2; our controls; and ours, the penalty images learned with their right labels."""
        return per_clip(self.right(self.scores_again(**choice)))

    @row("splits.full", splits=SPLITS, needs=AGAIN)
    def table_3(self) -> Measure:
        """Table 3, the paper's own row; the lab averages over the splits, and repeats the first one only."""
        return per_clip(self.right(self.scores_again()))

    # --- Figures 4 and 5: class by class

    def profiles(self) -> dict[str, dict[str, Tensor]]:
        """Precision and recall of each class ``(K,)``, NaN without any, by contender: of its trainings' mean scores."""
        labels = self.clips.test.labels
        return {
            name: dict(zip(("precision", "recall"), metrics.precision_recall(scores.mean(0), labels), strict=True))
            for name, scores in self.contenders().items()
        }

    @row(
        "profile",
        metrics=["profile.recall", "profile.precision", "profile.recall_further", "profile.precision_further"],
        needs=AGAIN,
    )
    def figures_4_and_5(self) -> dict[str, Measure]:
        """Section 4.5: do NB-TL, and ours, the network that continued, follow the fine-tuned network's profile?"""
        profiles = self.profiles()
        return {
            f"profile.{what}{suffix}": Measure(
                100 * profile_correlation(profiles["fine-tuned"][what], profiles[name][what])
            )
            for what in ("recall", "precision")
            for suffix, name in (("", "NB-TL"), ("_further", "continued"))
        }

    # --- the trap

    def confusions(self) -> dict[str, dict[str, float]]:
        """Percent of the clips of each of the two classes that are taken for the other, by contender."""
        classes, scores = self.clips.test.classes, self.contenders("trap") if len(self.trap) else {}
        labels = torch.tensor([classes.index(self.trap.classes[label]) for label in self.trap.labels.tolist()])
        pairs = [tuple(map(classes.index, pair)) for pair in (self.misled, self.misled[::-1])]
        return {
            f"{classes[own]} taken for {classes[other]}": {
                name: 100 * (each.argmax(-1)[:, labels == own] == other).double().mean().item()
                for name, each in scores.items()
            }
            for own, other in pairs
            if (labels == own).any()
        }

    @row("bias", metrics=["bias.before", "bias.after", "bias.further", "bias.random"], needs=AGAIN)
    def trapped(self) -> dict[str, Measure]:
        """Section 1: does a class of the source task mislead?"""
        first = " taken for ".join(self.misled)
        if first not in (confusions := self.confusions()):
            raise ValueError(f"the test clips must include {self.misled[0]}; got none: take the whole set")
        names = {"before": "fine-tuned", "after": "NB-TL", "further": "continued", "random": "at random"}
        return {f"bias.{metric}": Measure(confusions[first][name]) for metric, name in names.items()}

    def misleading(self, bias: float = 1.0) -> Clips:
        """Stills of a source task that shows the actions of the target task where their look-alikes are at home."""
        return world.SwappedHomes(seed=self.seed, part="train", groups=self.scale.biased[0], bias=bias)

    def biased_network(self, bias: float) -> CNNM:
        """A network that has learned them."""
        stills = self.misleading(bias)
        network = self.initialised(lambda: back_dropout.cnn_m(len(stills.classes), size="tiny"))
        recipe = Recipe(**shortened(SOURCE_RECIPE, self.scale.steps, self.scale.batch), seed=self.seed)
        return self.train(f"source.{bias:g}", network, classification_loss, stills.map(STILLS.train), recipe)

    @under("back_dropout", "bias", 0, needs=["source.0"])
    @under("back_dropout", "bias", 0.5, needs=["source.0.5"])
    @under("back_dropout", "bias", 1, needs=["source.1"])
    def category_bias(self, bias: float) -> dict[str, Measure]:
        """Ours: the last layer alone, from few clips, on a source task that misleads."""
        network = self.biased_network(bias).eval()
        target = Target.seen_by(network, self.view, self.seed, self.scale.biased[1])
        return {
            f"condition.bias.{bias:g}.{way}{suffix}": Measure(100 * value)
            for way, outcome in misled(network, target, seed=self.seed).items()
            for suffix, value in zip(("", "_misled"), outcome, strict=True)
        }

    # --- ours, in the source task of the world

    @cached_property
    def source_network(self) -> tuple[CNNM, Sequence[str]]:
        """The small network of the world's source task, the one of this seed, and the names of its classes."""
        path = source_weights("cnn_m", self.seed, source="postures")
        classes = card(path)["classes"]
        network = back_dropout.cnn_m(len(classes), size="tiny")
        load_weights(network, path)
        return network.eval(), classes

    def culprits(self, strength: float = CULPRITS) -> Planted:
        """What negative back-dropout does about culprits of a strength, planted in the network of the source task."""
        return search_culprits(self.source_network[0], *self._activations, strength, seed=self.seed)

    @cached_property
    def _activations(self) -> tuple[Activations, Activations]:
        """Of two random halves of the stills."""
        view, stills = back_dropout.frame_view(crop_size=56), self.stills
        with torch.no_grad():
            images = torch.cat([view.test(still, 1)[0] for still in stills])  # (N, 3, 56, 56)
            taps = self.source_network[0].taps(images)
        order = torch.randperm(len(stills), generator=torch.Generator().manual_seed(self.seed)).tensor_split(2)
        first, second = (Activations(taps["fc7"][half], taps["fc6"][half], stills.labels[half]) for half in order)
        return first, second

    @row(
        "planted",
        metrics=[
            "planted.clean",
            "planted.before",
            *(f"planted.{what}{choice}" for what in ("", "found_") for choice in ("weight", "contribution", "random")),
        ],
        needs=(),
        datasets=WORLD,
    )
    def positive_control(self) -> dict[str, Measure]:
        """Ours: are culprits found, and is the network repaired, where there are some? Nothing is trained."""
        clean, planted = self.culprits(0.0), self.culprits()
        values = {"clean": clean.accuracy["nothing"], "before": planted.accuracy["nothing"]}
        for metric, name in (("weight", "by weight"), ("contribution", "by contribution"), ("random", "at random")):
            values |= {metric: planted.accuracy[name], f"found_{metric}": planted.found[name]}
        return {f"planted.{metric}": Measure(value) for metric, value in values.items()}

    # --- before anything starts

    def lacking(self, rows: Sequence[Row]) -> Iterator[str]:
        """Videos and weights that rows need and that are not there."""
        yield from super().lacking(rows)
        if any(declared.needs for declared in rows) and not self.weights.exists():
            yield (
                f"{self.weights} must hold a CNN-M-2048 trained on ImageNet, for RGB frames of zero mean and unit "
                "variance (Caffe's is for BGR, 0 to 255, minus a mean: see notebook 09); there is no such file"
            )


def _digest(units: Units) -> str:
    """A name for a set of neurons."""
    numbers = {layer: chosen.sort().values.tolist() for layer, chosen in sorted(units.items()) if len(chosen)}
    if not numbers:
        return "nothing"
    sizes = "_".join(f"{layer}_{len(chosen)}" for layer, chosen in numbers.items())
    return f"{sizes}_{hashlib.sha256(repr(numbers).encode()).hexdigest()[:8]}"
