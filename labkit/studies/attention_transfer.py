"""The experiments of Li et al., ACM Multimedia 2017: Tables 1 to 5, Figures 4 to 6, and ways to read a video, ours.

There are two tasks. Interactions: photos of HII, filtered or noisy, and videos of TVHI; in the world, two puppets meet.
Actions: photos of BU101 and videos of UCF101; in the world, eighteen actions. The rows of one task run without the data
of the other (`labkit.studies.photos_and_videos`). A CNN learns from photos and is fine-tuned on frames of videos; its
attention maps are what EnergyNet learns from. Attention maps of interactions are kept, as many rows need them, those of
actions are not: of UCF101 they take 5 GB.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torchvision.models import ResNet101_Weights, VGG16_Weights, resnet101, vgg16  # type: ignore[import-untyped]

from labkit import metrics
from labkit.backbones import cross_modality_init, load_weights, torchvision_weights
from labkit.claims import ledger
from labkit.clips import Clips
from labkit.losses import classification_loss
from labkit.papers.attention_transfer import (
    MINING,
    RECIPES,
    AttentionNet,
    EnergyNet,
    QuadrupletSampler,
    attention_resnet,
    attention_vgg,
    energy_scores,
    siamese_energy_net,
    siamese_loss,
    voting,
)
from labkit.studies.conditions import metrics_at
from labkit.studies.curves import area_under, percent_of_steps_to
from labkit.studies.frame_attention import (
    RULES,
    Attention,
    attend,
    svm_scores,
)
from labkit.studies.identity import facts_of_scores
from labkit.studies.parts import TwoParts
from labkit.studies.photos_and_videos import PhotosAndVideos
from labkit.studies.rows import Measure, Row, row
from labkit.studies.study import unavailable
from labkit.training import Recipe

CNNS: Mapping[str, Callable[..., AttentionNet]] = {"resnet": attention_resnet, "vgg": attention_vgg}
PRE_TRAINED: Mapping[str, Any] = {  # of the paper's size: on ImageNet; tiny: on stills of things
    "resnet": (partial(torchvision_weights, resnet101, ResNet101_Weights.IMAGENET1K_V1), "resnet", "fc"),
    "vgg": (partial(torchvision_weights, vgg16, VGG16_Weights.IMAGENET1K_V1), "cnn_m", "classifier"),
}
INTERACTIONS, ACTIONS, SPLITS = ("world", "tvhi"), ("world", "ucf101"), (1, 2, 3)
CELLS = [(cnn, kind) for cnn in CNNS for kind in ("filtered", "noisy")]
PHOTOS, TUNED = "photos.{cnn}_{kind}", "photos.{cnn}_{kind} tuned.{cnn}_{kind}"  # what rows of a cell need
OF_ONE: Any = {"datasets": INTERACTIONS, "needs": TUNED.format(cnn="resnet", kind="filtered").split()}
PERCENTAGES = (5, 10, 20, 33, 50, 100)
IN_TABLE_2 = {"cnn": "vote", "mean": "mean", "unatt": "unatt"}  # rules, by the names of their metrics
TELLING = ledger()["attention_transfer"].conditions["telling"].values  # the world has 0.75
NOT_IN_TABLE_2 = [rule for rule in RULES if rule not in IN_TABLE_2.values()]
OF_MINING = [f"mining.{way}_{what}" for what in ("steps", "area") for way in ("hard", "random")]
OF_ACTIONS = [f"actions.{name}_top{k}" for name in IN_TABLE_2 for k in (1, 3)]


class Scale(NamedTuple):
    """What a profile changes.

    Attributes:
        groups: of the world's videos of actions; a third of them is the test part.
        videos: of the world's interactions, of each class, to train on; the paper has 25.
        tests: the same, to test.
        told: how many of these, for each fraction of frames that tell something: drawing them takes its time.
        photos: of the world, of each interaction. In the paper there are 24 times as many as videos.
        action_photos: of the world, of each action; in the paper 2.5 times as many as videos.
        steps: fraction of the recipe's steps.
        actions: of the world, which ones; all if None.
        embedding: of the concepts, where nothing else is asked for: ``"mean"`` or ``"fisher"``, the paper's.
        dtype: of attention maps and features.
    """

    groups: int
    videos: int
    tests: int
    told: int
    photos: int
    action_photos: int
    steps: float
    actions: tuple[str, ...] | None
    embedding: str
    dtype: torch.dtype


def of_each_cell(stage: str, metrics: str, needs: str) -> Callable[[Any], Any]:
    """A row for each CNN with each set of photos of interactions, e.g. ``tuned.resnet_noisy``.

    Args:
        stage: first part of their names.
        metrics: that they make, with ``{cnn}`` and ``{kind}`` in place of names, and spaces between.
        needs: in the same way.
    """

    def declare(method: Any) -> Any:
        for cnn, kind in reversed(CELLS):
            made, needed = (text.format(cnn=cnn, kind=kind).split() for text in (metrics, needs))
            name, where = f"{stage}.{cnn}_{kind}", {"datasets": INTERACTIONS, "cnn": cnn, "kind": kind}
            method = row(name, metrics=made, needs=needed, **where)(method)  # type: ignore[arg-type]
        return method

    return declare


def of_rules(prefix: str) -> list[str]:
    """Metrics of the rows that compare ways to read a video."""
    return [f"{prefix}.{rule}" for rule in NOT_IN_TABLE_2] + [f"{prefix}.{rule}_top1" for rule in RULES]


def of_section_3_4(embedding: str) -> dict[str, Any]:
    """What the rows of section 3.4 need: the ResNet, filtered photos, and an EnergyNet."""
    return {**OF_ONE, "needs": [*OF_ONE["needs"], f"energynet.resnet_filtered.{embedding}"]}


def with_few_videos(percent: int) -> dict[str, Any]:
    """Metrics, needs and arguments of a row of Figure 5."""
    needs = ["photos.resnet_actions", f"tuned.resnet_actions_{percent}", f"energynet.resnet_actions_{percent}"]
    made = [f"few.{name}_{percent}" for name in (*IN_TABLE_2, "energynet")]
    return {"metrics": made, "needs": needs, "datasets": ACTIONS, "splits": SPLITS, "percent": percent}


def under_telling(value: float) -> dict[str, Any]:
    """Metrics, needs and arguments of a row of the condition *telling*; single frames have top-1 only."""
    made = [metric for name in ("telling", "telling_top1") for metric in metrics_at("attention_transfer", name, value)]
    return {"metrics": made, "needs": OF_ONE["needs"][:1], "datasets": ("world",), "telling": float(value)}


class AttentionTransfer(PhotosAndVideos):
    """All rows of the paper's tables."""

    paper = "attention_transfer"
    version = 5
    networks = ("resnet101_vgg16",)
    scales: ClassVar[Mapping[str, Scale]] = {
        "smoke": Scale(3, 2, 1, 1, 4, 4, 0.01, ("hammer", "guitar", "ski", "wave"), "mean", torch.float32),
        "lesson": Scale(38, 25, 24, 6, 48, 48, 1.0, None, "mean", torch.float32),
        "study": Scale(38, 25, 120, 40, 600, 64, 1.0, None, "mean", torch.float32),
        "paper": Scale(38, 25, 25, 25, 600, 64, 1.0, None, "fisher", torch.float16),
    }

    def clips_of(self, metric: str) -> tuple[Sequence[Clips], Sequence[Clips]]:
        """Photos and videos that are trained on; the held-out photos, or the test videos."""
        first, _, rest = metric.partition(".")
        kind = "actions" if "actions" in metric or first == "few" else "noisy" if rest.endswith("noisy") else "filtered"
        photos, percent = self.photos(kind), int(rest.rpartition("_")[2]) if first == "few" else 100
        if first == "image":
            return [photos.train], [photos.test]
        if first == "condition":  # condition.telling.VALUE.SYSTEM
            return [photos.train], [self.told(float(rest.partition(".")[2].rpartition(".")[0]))]
        videos = self.videos(kind, percent)
        on_photos_alone = first in ("frames", "rules", "actions") or rest.startswith(("cnn", "mean", "unatt"))
        on_both = first == "few" or not on_photos_alone
        train = [photos.train] * (metric != "no_image") + [videos.train] * on_both
        return train, [videos.test]

    # --- training of CNNs

    def recipe(self, name: str) -> Recipe:
        """The recipe of this scale, see `labkit.papers.attention_transfer.RECIPES`."""
        recipe, fraction = RECIPES[self.size][name], self.scale.steps
        steps = max(round(recipe["steps"] * fraction), 4)
        schedule = {round(step * fraction): lr for step, lr in (recipe.get("schedule") or {}).items()}
        schedule = {step: lr for step, lr in schedule.items() if 0 < step < steps}
        return Recipe(**{**recipe, "steps": steps, "schedule": schedule or None, "seed": self.seed})

    def pre_trained(self, cnn: str, num_classes: int) -> AttentionNet:
        """A CNN before it has seen photos of the classes: all but its classifier was trained on other images."""
        network = self.initialised(lambda: CNNS[cnn](num_classes, size=self.size))
        imagenet, source, classifier = PRE_TRAINED[cnn]
        if self.size == "tiny":
            load_weights(network.cnn, self.source_weights(source), skip=(classifier,))
        else:
            cross_modality_init(network.cnn, imagenet())
        return network

    def _train(self, name: str, network: nn.Module, clips: Clips, recipe: str, kind: str) -> Any:
        return self.train(name, network, classification_loss, clips.map(self.view(kind).train), self.recipe(recipe))

    def photo_network(self, cnn: str = "resnet", kind: str = "filtered") -> AttentionNet:
        """A CNN trained on photos; one for all splits of the videos."""
        if kind == "actions" and self.split != 1:
            return self.sibling(split=1).photo_network(cnn, kind)
        photos, recipe = self.photos(kind).train, "action_photos" if kind == "actions" else "photos"
        return self._train(f"photos.{cnn}_{kind}", self.pre_trained(cnn, len(photos.classes)), photos, recipe, kind)

    def tuned_network(self, cnn: str = "resnet", kind: str = "filtered", percent: int = 100) -> AttentionNet:
        """The same, fine-tuned on random frames of a percentage of the training videos (4.3, "finetune+CNN").

        Of actions, too, any frame may be drawn, although attention maps are computed of one frame in five only.
        """
        name = f"tuned.{cnn}_{kind}" + f"_{percent}" * (kind == "actions")
        network, videos = copy.deepcopy(self.photo_network(cnn, kind)), self.videos(kind, percent).train
        return self._train(name, network, videos, "video_frames", kind)

    # --- attention maps and EnergyNet

    def attention(
        self, stage: str = "photos", cnn: str = "resnet", kind: str = "filtered", part: str = "test"
    ) -> Attention:
        """What a CNN makes of all frames of the videos of interactions.

        Args:
            stage: ``"photos"`` before it was fine-tuned, ``"tuned"`` after.
            cnn: ``"resnet"`` or ``"vgg"``.
            kind: of photos that it was trained on.
            part: ``"train"`` or ``"test"``.
        """
        network = self.photo_network(cnn, kind) if stage == "photos" else self.tuned_network(cnn, kind)
        return self._attention(f"attention.{stage}.{cnn}_{kind}.{part}", network, part)

    def _attention(self, name: str, network: AttentionNet, part: str) -> Attention:
        clips = getattr(self.interactions, part)

        def computed() -> dict[str, Tensor]:
            seen = vars(self._attend(network, clips, "filtered"))
            return {name: values for name, values in seen.items() if name != "labels"}

        return Attention(**self.compute(name, computed, facts_of_scores(network, clips)), labels=clips.labels)

    def _attend(self, network: AttentionNet, clips: Clips, kind: str) -> Attention:
        every = 5 if kind == "actions" else 1  # sections 4.4 and 4.5
        options = {"dtype": self.scale.dtype, "workers": self.workers, "progress": self.progress}
        return attend(network, clips, self.view(kind), every=every, **options)

    def energy_net(
        self, cnn: str = "resnet", kind: str = "filtered", embedding: str = "", hard: bool = True
    ) -> EnergyNet:
        """An EnergyNet for interactions; its accuracy on the *test* videos is watched, and decides nothing.

        Args:
            cnn: whose attention maps it learns from, after it was fine-tuned.
            kind: of photos that the CNN was trained on.
            embedding: of the `concepts`.
            hard: whether it learns from hard negatives.
        """
        embedding = embedding or self.scale.embedding
        train, test = (self.attention("tuned", cnn, kind, part) for part in TwoParts._fields)

        def watch(model: Any) -> dict[str, float]:
            scores = energy_scores(model.energy_net, test.maps, test.videos)
            return {"accuracy": metrics.accuracy(scores, test.labels)}

        name = f"energynet.{cnn}_{kind}.{embedding}" + ".random" * (not hard)
        return self._energy_net(name, train, self.concepts(embedding), hard, watch=watch)

    def _energy_net(
        self, name: str, train: Attention, concepts: Tensor, hard: bool = True, **options: Any
    ) -> EnergyNet:
        recipe, mining = self.recipe("energy_net"), MINING[self.size]._replace(hard=hard)
        siamese = self.initialised(lambda: siamese_energy_net(concepts, train.maps, mining))
        sampler = QuadrupletSampler(train.maps, train.videos, train.labels)
        every = max(recipe.steps // 300, 1)
        return self.train(
            name, siamese, siamese_loss, sampler.batches(recipe.batch, self.seed), recipe, every=every, **options
        ).energy_net

    def scores_by_energy(self, cnn: str = "resnet", kind: str = "filtered", **options: Any) -> Tensor:
        """Scores ``(V, K)`` of the test videos of interactions by an `energy_net`, whose arguments these are."""
        network, test = self.energy_net(cnn, kind, **options), self.attention("tuned", cnn, kind)
        return energy_scores(network, test.maps, test.videos)

    # --- interactions: Tables 1 to 3

    def mean_ap(self, scores: Tensor) -> Measure:
        """Mean average precision of scores ``(V, K)`` of the test videos of interactions, in percent."""
        return Measure(100 * metrics.mean_average_precision(scores, self.interactions.test.labels))

    def top_1(self, scores: Tensor) -> Measure:
        """Percent of the test videos of interactions that are recognised by their scores ``(V, K)``."""
        return self.accuracy(scores, self.interactions.test.labels)

    @of_each_cell("image", "image.{cnn}_{kind}", PHOTOS)
    @row("image.resnet_actions", needs=["photos.resnet_actions"], datasets=ACTIONS, cnn="resnet", kind="actions")
    def table_1(self, cnn: str, kind: str) -> Measure:
        """Section 4.2, Table 1: held-out photos. Of the noisy ones of the world a quarter has a wrong label."""
        held_out = self.photos(kind).test
        views = held_out.map(partial(self.view(kind).test, num_samples=1))
        scores = self.scores(f"scores.photos.{cnn}_{kind}", self.photo_network(cnn, kind), views)
        return self.accuracy(scores, held_out.labels)

    @row("frames.filtered", needs=["photos.resnet_filtered"], datasets=INTERACTIONS)
    def domain_shift(self) -> Measure:
        """Section 1: frames of the test videos, one by one."""
        seen = self.attention()
        return Measure(100 * metrics.accuracy(seen.logits, seen.frame_labels))

    @of_each_cell("photos", "{cnn}.cnn_{kind} {cnn}.mean_{kind} {cnn}.unatt_{kind}", PHOTOS)
    def without_videos(self, cnn: str, kind: str) -> dict[str, Measure]:
        """Section 4.4, Table 2, the first two rows of each CNN; and the mean of all scores (4.3)."""
        return self._by_rule(self.attention("photos", cnn, kind), f"{cnn}.{{}}_{kind}")

    @of_each_cell("tuned", "{cnn}.tuned_cnn_{kind} {cnn}.tuned_mean_{kind} {cnn}.tuned_unatt_{kind}", TUNED)
    def fine_tuned(self, cnn: str, kind: str) -> dict[str, Measure]:
        """Section 4.4, Table 2, the third and fourth row of each CNN; and the mean of all scores."""
        return self._by_rule(self.attention("tuned", cnn, kind), f"{cnn}.tuned_{{}}_{kind}")

    def _by_rule(self, seen: Attention, metric: str) -> dict[str, Measure]:
        return {metric.format(name): self.mean_ap(RULES[rule](seen)) for name, rule in IN_TABLE_2.items()}

    @of_each_cell("energynet", "{cnn}.energynet_{kind}", f"{TUNED} energynet.{{cnn}}_{{kind}}.*")
    def table_2_with_energy_net(self, cnn: str, kind: str) -> Measure:
        """Section 4.4, Table 2, the last row of each CNN."""
        return self.mean_ap(self.scores_by_energy(cnn, kind))

    @row("svm", needs=["photos.resnet_filtered"], datasets=INTERACTIONS)
    def support_vectors(self) -> Measure:
        """Section 4.3, "SVM", for which the paper gives no number: on features of the CNN trained on photos."""
        test = self.attention()
        return self.mean_ap(voting(svm_scores(self.attention(part="train"), test, seed=self.seed), test.videos))

    @row("no_image", needs=["no_image.first", "no_image"], datasets=INTERACTIONS)
    def without_photos(self) -> Measure:
        """Section 4.4, Table 3: videos alone, with both trainings of the others, one after the other."""
        videos = self.interactions.train
        network = self.pre_trained("resnet", len(videos.classes))
        network = self._train("no_image.first", network, videos, "photos", "filtered")
        network = self._train("no_image", copy.deepcopy(network), videos, "video_frames", "filtered")
        return self.mean_ap(RULES["vote"](self._attention("attention.no_image.test", network, "test")))

    # --- ours: what lies between the vote and UnAtt; the claims of section 3.4

    @row("rules.photos", metrics=of_rules("rules"), needs=OF_ONE["needs"][:1], datasets=INTERACTIONS, stage="photos")
    @row("rules.tuned", metrics=of_rules("tuned_rules"), **OF_ONE, stage="tuned")
    def ways_to_read(self, stage: str) -> dict[str, Measure]:
        """Ours: the same ResNet read in five ways; what is not in Table 2 already."""
        seen, prefix = self.attention(stage), "rules" if stage == "photos" else "tuned_rules"
        by_rule = {rule: read(seen) for rule, read in RULES.items()}
        maps = {f"{prefix}.{rule}": self.mean_ap(by_rule[rule]) for rule in NOT_IN_TABLE_2}
        return maps | {f"{prefix}.{rule}_top1": self.top_1(scores) for rule, scores in by_rule.items()}

    @row("condition.telling.0.36", **under_telling(0.36))
    @row("condition.telling.0.55", **under_telling(0.55))
    @row("condition.telling.0.75", **under_telling(0.75))
    @row("condition.telling.1", **under_telling(1))
    def telling(self, telling: float) -> dict[str, Measure]:
        """Ours: the ways to read the ResNet of photos, if another fraction of the frames tells what happens."""
        clips, network = self.told(telling), self.photo_network()
        seen = self._attend(network, clips, "filtered")
        metric = f"condition.telling{{}}.{telling:g}.{{}}"
        measures = {}
        for rule, read in RULES.items():
            scores = read(seen)
            measures[metric.format("", rule)] = Measure(100 * metrics.mean_average_precision(scores, clips.labels))
            measures[metric.format("_top1", rule)] = self.accuracy(scores, clips.labels)
        of_frames = self.accuracy(seen.logits, seen.frame_labels)
        return measures | {metric.format("_top1", "frames"): of_frames._replace(hits=None)}  # hits are of clips

    @row("word.embedding", **of_section_3_4("mean"), embedding="mean")
    @row("word.fisher", **of_section_3_4("fisher"), embedding="fisher")
    @row("word.one_hot", **of_section_3_4("one_hot"), embedding="one_hot")
    def word_embeddings(self, embedding: str) -> Measure:
        """Section 3.4: concepts as the mean of their words, as the paper's Fisher vectors, or numbered."""
        return self.mean_ap(self.scores_by_energy(embedding=embedding))

    @row("mining", metrics=OF_MINING, **of_section_3_4("*"))
    def mining(self) -> dict[str, Measure]:
        """Section 3.4.2: how fast hard and random negatives teach.

        The mean accuracy over the training, and percent of the steps until nine tenths of the better of both final
        accuracies are reached: nine tenths are soon there, and the curves part later.
        """
        ways, labels = {"hard": True, "random": False}, self.interactions.test.labels
        goal = 0.9 * max(metrics.accuracy(self.scores_by_energy(hard=hard), labels) for hard in ways.values())
        curves, steps = {way: self.curve(hard=hard) for way, hard in ways.items()}, self.recipe("energy_net").steps
        soon = {f"mining.{way}_steps": Measure(percent_of_steps_to(curves[way], goal, steps)) for way in ways}
        return soon | {f"mining.{way}_area": Measure(100 * area_under(curves[way])) for way in ways}

    def curve(self, shown: str = "accuracy", embedding: str = "", hard: bool = True) -> list[tuple[int, float]]:
        """What was noted, by step, while the EnergyNet of the ResNet and filtered photos learned."""
        self.energy_net(embedding=embedding, hard=hard)
        embedding = embedding or self.scale.embedding
        steps = self.curves[f"energynet.resnet_filtered.{embedding}" + ".random" * (not hard)]
        return [(step.step, step.shown[shown]) for step in steps]

    # --- actions: Tables 4 and 5, Figures 4 and 5

    @row("actions", metrics=OF_ACTIONS, needs=["photos.resnet_actions"], datasets=ACTIONS, splits=SPLITS)
    def table_4(self) -> dict[str, Measure]:
        """Section 4.5, Table 4: without training videos; and the mean of all scores instead of the vote."""
        measures: dict[str, Measure] = {}
        labels = self.actions.test.labels
        for name, scores in self.action_scores().items():
            in_top_3 = 100 * metrics.hit_at_k(scores, labels, min(3, scores.shape[1]))
            measures |= {
                f"actions.{name}_top1": self.accuracy(scores, labels),
                f"actions.{name}_top3": Measure(in_top_3),
            }
        return measures

    def action_scores(self) -> dict[str, Tensor]:
        """Scores ``(V, K)`` of the test videos of actions by the CNN that was trained on photos, by rule."""
        network, clips = self.photo_network(kind="actions"), self.actions.test

        def computed() -> dict[str, Tensor]:
            seen = self._attend(network, clips, "actions")
            return {name: RULES[rule](seen) for name, rule in IN_TABLE_2.items()}

        return self.compute("scores.actions", computed, facts_of_scores(network, clips))

    @row("few.5", **with_few_videos(5))
    @row("few.10", **with_few_videos(10))
    @row("few.20", **with_few_videos(20))
    @row("few.33", **with_few_videos(33))
    @row("few.50", **with_few_videos(50))
    @row("few.100", **with_few_videos(100))
    def figure_5(self, percent: int) -> dict[str, Measure]:
        """Section 4.5, Figure 5: a percentage of the training videos of each class."""
        scores, labels = self.few_scores(percent), self.actions.test.labels
        return {f"few.{name}_{percent}": self.accuracy(values, labels) for name, values in scores.items()}

    def few_scores(self, percent: int) -> dict[str, Tensor]:
        """Scores ``(V, K)`` of the test videos of actions by the fine-tuned CNN, read by rule, and by EnergyNet."""

        def computed() -> dict[str, Tensor]:
            network, clips = self.tuned_network("resnet", "actions", percent), self.videos("actions", percent)
            train, test = (self._attend(network, part, "actions") for part in clips)
            concepts = self.concepts(self.scale.embedding, "actions")
            energy_net = self._energy_net(f"energynet.resnet_actions_{percent}", train, concepts)
            by_rule = {name: RULES[rule](test) for name, rule in IN_TABLE_2.items()}
            return by_rule | {"energynet": energy_scores(energy_net, test.maps, test.videos)}

        return self.compute(f"scores.few_{percent}", computed)

    # --- before anything starts

    def lacking(self, rows: Sequence[Row]) -> Iterator[str]:
        """Photos, videos, weights and word vectors that rows need and that are missing or wrong."""
        yield from super().lacking(rows)
        needs = {name for declared in rows for name in declared.needs}
        kind = "actions" if self.dataset == "ucf101" else "filtered"
        yield from unavailable(lambda: self.videos(kind))  # where photos are missing as well
        for cnn in CNNS if self.size == "paper" else ():
            if any(f".{cnn}_" in name or name == "no_image" for name in needs):
                yield from unavailable(PRE_TRAINED[cnn][0])
        for kind in {"actions" if "actions" in name else "filtered" for name in needs if name.startswith("energynet")}:
            yield from self.lacking_words(kind)
