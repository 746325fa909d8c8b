"""The experiments of Ng and Davis, 2018, chapter 5 of Ng's thesis: Tables 5.1 to 5.4, Figure 5.3, and more of the text.

Each table has its data set: HMDB51, ACT, FCVID. In the lab's world eighteen actions are used instead of the first and
the third, and twelve others, with other actors, instead of the second. All networks of a data set but one, of the row
``tdn.from_stills``, start from one TSN, which starts from stills. The baseline is this TSN trained further, through
both phases, on the same snippets in the same order as the TDN: a rival that is trained for less would lose for that
reason. The thesis's TSN stops at the start, as far as its text tells: rows called ``start`` measure it there. In the
lab's world it takes three times the recipe's steps, see `Scale.start`.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import torch
import torchvision  # type: ignore[import-untyped]
from torch import Tensor, nn

from labkit import data, metrics, world
from labkit.backbones import (
    card,
    cross_modality_init,
    load_weights,
    torchvision_weights,
)
from labkit.clips import Clips
from labkit.papers import temporal_difference as td
from labkit.studies.families import labels_of
from labkit.studies.identity import facts_of_scores
from labkit.studies.parts import TwoParts
from labkit.studies.pointing import point
from labkit.studies.preflight import lacking_flow
from labkit.studies.rows import Measure, Row, per_clip, row
from labkit.studies.study import Study, shortened, unavailable
from labkit.training import Recipe
from labkit.views import View

WORLD: Mapping[str, Any] = {"datasets": ("world",)}
HMDB51: Mapping[str, Any] = {"datasets": ("world", "hmdb51"), "splits": {"hmdb51": (1, 2, 3)}}
ACT: Mapping[str, Any] = {"datasets": ("world", "act"), "on": "second"}
FCVID: Mapping[str, Any] = {"datasets": ("world", "fcvid")}

VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "tdn": {},
    **{f"tdn_{level}": {"levels": td.LEVELS[: count + 1]} for count, level in enumerate(td.LEVELS[:-1])},
    "tdn_conv1x1": {"mixing": td.Convolved},
    "tdn_conv1x1_random": {"mixing": partial(td.Convolved, random=True)},
    "tdn_gate": {"mixing": td.Gated},
    "tdn_gate_random": {"mixing": partial(td.Gated, random=True)},
    "tdn_from_stills": {},
}
"""TDNs: the thesis's; with differences up to a level (Table 5.4); with another way to mix them in (section 5.3.2); and
one whose image subnetwork starts from stills instead of a trained TSN."""

FAMILIES: Mapping[str, Sequence[str]] = {
    "scene": ("appearance",),
    "motion": ("motion", "reversed"),
    "motion_only": ("motion",),
    "reversed": ("reversed",),
}
"""Families of the world's actions by the end of a metric's name."""

WATCHED = ("start.rgb", "tsn.rgb.first", "tsn.rgb.joint", "tdn.rgb.first", "tdn.rgb.joint")


Phase = Literal["start", "first", "joint"]
"""Of training: the TSN from which all others start, and the two phases of a TDN (section 5.3.4)."""


class Scale(NamedTuple):
    """What a profile changes.

    Attributes:
        groups: of the world's clips; a third of them is the test part.
        clips: of each class in each group.
        steps: fraction of the recipe's steps.
        batch: samples of an update; None: the recipe's.
        samples: of a clip in testing.
        centre_only: whether only the centre crop of each is tested.
        videos: loaded together in testing.
        watched: number of test clips by which the curves over training are drawn.
        test_groups: of the world's clips, further ones that test.
        start: how many times as many steps the TSN takes from which all others start. The thesis builds on "a well
            trained image appearance model", and with the recipe alone ours is not: trained for as long again, it gained
            20 points, which a TDN, whose image subnetwork waits in its first phase, could not.
    """

    groups: int
    clips: int
    steps: float
    batch: int | None
    samples: int
    centre_only: bool
    videos: int
    watched: int
    test_groups: int = 0
    start: float = 1.0


class TemporalDifference(Study):
    """All rows of the thesis's tables."""

    paper = "temporal_difference"
    version = 6
    study_precision = "bf16"
    networks = ("resnet50",)
    gigabytes = 0.8
    scales: ClassVar[Mapping[str, Scale]] = {
        "smoke": Scale(3, 1, 0.02, 6, 1, True, 8, 8),
        "lesson": Scale(24, 2, 0.8, None, 3, True, 8, 72, start=3.0),
        "study": Scale(30, 2, 1.0, None, 3, True, 8, 72, test_groups=30, start=3.0),
        "paper": Scale(30, 2, 1.0, None, 25, False, 1, 128),
    }

    # --- clips, and what the networks see of them

    @cached_property
    def first(self) -> TwoParts:
        """The eighteen actions of the world, or the real data set."""
        if self.dataset == "world":
            return self._actions(world.Actions)
        kinds: Mapping[str, Any] = {
            "hmdb51": partial(data.HMDB51, split=self.split),  # type: ignore[arg-type]
            "act": data.ACT,
            "fcvid": data.FCVID.stored,
        }
        read = partial(kinds[self.dataset], Path(self.data_root, self.dataset), missing=self.missing)
        return TwoParts(*(read(part=part) for part in TwoParts._fields))

    @cached_property
    def second(self) -> TwoParts:
        """The twelve actions of the world's second set, or the real data set: it is the only one.

        The second set is harder: its camera moves three times as much, twice as many things stand about, and
        repetitions of a motion differ three times as much; else a TSN on flow would recognise nearly all clips.
        """
        restless = world.Difficulty(camera=3, clutter=2, jitter=3)
        return self._actions(world.SecondActions, difficulty=restless) if self.dataset == "world" else self.first

    def sets(self, on: str) -> TwoParts:
        """The ``"first"`` or the ``"second"`` data set."""
        return self.second if on == "second" else self.first

    def _actions(self, kind: Any, **options: Any) -> TwoParts:
        size = {"groups": self.scale.groups, "test_groups": self.scale.test_groups, "clips": self.scale.clips}
        return TwoParts(*(kind(seed=self.seed, part=part, **size, **options) for part in TwoParts._fields))

    @property
    def setting(self) -> td.Setting:
        """Number of segments, regularisation and crops."""
        return td.SETTINGS["tiny" if self.size == "tiny" else self.dataset]

    def view(self, modality: str = "rgb") -> View:
        """Snippets of frames, ``"rgb"``, or of ``"flow"``. In the world, walking left is not walking right."""
        crops = dict(self.setting.crops)
        if self.dataset == "world":
            crops |= {"short_side": None, "flip": False}
        if self.dataset == "fcvid":  # whose videos may have several labels
            crops |= {"num_classes": len(self.first.train.classes)}
        build = td.rgb_view if modality == "rgb" else td.flow_view
        return build(num_segments=self.setting.num_segments, **crops)

    # --- networks

    @cached_property
    def stills(self) -> nn.Module:
        """A backbone that was trained on stills: on ImageNet, or on the world's photos of things."""
        if self.size == "tiny":
            path = self.source_weights("resnet")
        elif not (path := Path(self.data_root, "resnet50_imagenet.pth")).exists():  # then those of torchvision
            weights = torchvision.models.ResNet50_Weights.IMAGENET1K_V1
            return torchvision_weights(torchvision.models.resnet50, weights)
        num_classes = len(card(path)["classes"]) if self.size == "tiny" else 1000
        network = self.initialised(lambda: td.BACKBONES[self.size](num_classes))
        load_weights(network, path)
        return network

    def start(self, modality: str = "rgb", on: str = "first") -> td.TSN:
        """A TSN, fine-tuned from stills: where all other networks of a data set start."""
        network = self.initialised(lambda: td.tsn(**self._shape(modality, on)))
        cross_modality_init(network.image, self.stills)
        return self._train("start", network, modality, on)

    def tsn(self, modality: str = "rgb", on: str = "first") -> td.TSN:
        """The baseline: the same TSN, trained further for as long as a TDN is."""
        return self._train_in_phases("tsn", copy.deepcopy(self.start(modality, on)), modality, on)

    def tdn(self, modality: str = "rgb", on: str = "first", variant: str = "tdn") -> td.TDN:
        """A TDN after both phases, one of `VARIANTS`."""
        network = self.initial_tdn(modality, on, variant)
        if variant != "tdn_from_stills":
            network.image.load_state_dict(self.start(modality, on).image.state_dict())
        return self._train_in_phases(variant, network, modality, on)

    def initial_tdn(self, modality: str = "rgb", on: str = "first", variant: str = "tdn") -> td.TDN:
        """A TDN, both of whose subnetworks have seen stills only."""
        network = self.initialised(lambda: td.tdn(**self._shape(modality, on), **VARIANTS[variant]))
        for subnetwork in (network.image, network.difference):
            cross_modality_init(subnetwork, self.stills)
        return network

    def _shape(self, modality: str, on: str) -> dict[str, Any]:
        channels = 3 if modality == "rgb" else 10
        num_classes = len(self.sets(on).train.classes)
        return {"num_classes": num_classes, "in_channels": channels, "size": self.size, "setting": self.setting}

    def _train_in_phases(self, name: str, network: Any, modality: str, on: str) -> Any:
        """The first phase, in which the image subnetwork of a TDN is frozen, and the joint one (section 5.3.4)."""
        if isinstance(network, td.TDN):
            td.freeze_image_backbone(network)
        network = copy.deepcopy(self._train(name, network, modality, on, "first"))
        if isinstance(network, td.TDN):
            td.train_jointly(network)
        return self._train(name, network, modality, on, "joint")

    def _train(self, network_name: str, network: Any, modality: str, on: str, phase: Phase = "start") -> Any:
        name = f"{_prefix(on)}{network_name}.{modality}" + f".{phase}" * (phase != "start")
        recipe, clips = self.recipe(modality, phase), self.sets(on).train
        watch = {"watch": self._accuracies, "every": max(recipe.steps // 10, 1)} if name in WATCHED else {}
        return self.train(name, network, td.loss, clips.map(self.view(modality).train), recipe, **watch)

    def recipe(self, modality: str = "rgb", phase: Phase = "first") -> Recipe:
        """The recipe of a phase at this scale, or of the TSN from which all others start."""
        recipe = td.RECIPES["tiny" if self.size == "tiny" else self.dataset][modality]
        fraction = self.scale.steps * (self.scale.start if phase == "start" else 1.0)
        recipe = shortened(td.joint(recipe) if phase == "joint" else recipe, fraction, self.scale.batch)
        return Recipe(**recipe, seed=self.seed)

    def _accuracies(self, network: nn.Module) -> dict[str, float]:
        """Percent of some test clips that each subnetwork recognises, and all of them together."""
        snippets, labels = self._watched_clips
        logits = network(snippets.to(self.torch_device)).cpu()  # (n, N, K)
        scores = dict(zip(("image", "difference"), logits.unbind(dim=1), strict=False)) | {"all": logits.mean(dim=1)}
        return {name: 100 * metrics.hit_at_k(values, labels, 1) for name, values in scores.items()}

    @cached_property
    def _watched_clips(self) -> tuple[Tensor, Tensor]:
        """A sample of some test clips, evenly spread over the set: snippets ``(n, s, 3, H, W)`` and labels."""
        test, generator = self.first.test, torch.Generator().manual_seed(self.seed)
        chosen = torch.linspace(0, len(test) - 1, min(self.scale.watched, len(test))).long().tolist()
        sample = partial(self.view().test, num_samples=1, centre_only=True, generator=generator)
        views = [sample(test[index]) for index in chosen]
        return torch.cat([view for view, _ in views]), torch.stack([torch.as_tensor(label) for _, label in views])

    # --- scores of the test clips

    def logits(self, network: str, modality: str = "rgb", on: str = "first") -> Tensor:
        """Logits ``(N, n, K)`` of the test clips by the n subnetworks of a network: the mean over samples and crops.

        Args:
            network: ``"start"``, ``"tsn"``, or one of `VARIANTS`.
            modality: ``"rgb"`` or ``"flow"``.
            on: ``"first"`` or ``"second"``.
        """
        others = {"start": self.start, "tsn": self.tsn}
        model = others[network](modality, on) if network in others else self.tdn(modality, on, network)
        test = self.sets(on).test
        view = partial(self.view(modality).test, num_samples=self.scale.samples, centre_only=self.scale.centre_only)
        scores = self.scores(
            f"scores.{_prefix(on)}{network}.{modality}",
            model,
            test.map(view),
            batch=self.scale.videos,
            forward=_all_logits,
            to_scores=nn.Identity(),
        )
        return scores.unflatten(1, (-1, len(test.classes)))

    def final_scores(self, network: str, modality: str = "rgb", on: str = "first") -> Tensor:
        """Scores ``(N, K)`` before a softmax, the mean over subnetworks; or ``"fusion"``, of both modalities."""
        if modality == "fusion":
            return td.weighted_fusion(self.final_scores(network, "rgb", on), self.final_scores(network, "flow", on))
        return self.logits(network, modality, on).mean(dim=1)

    # --- Tables 5.1 and 5.2: TSN and TDN on frames, on flow, and both together

    @row("start.rgb", **HMDB51, network="start", modality="rgb")
    @row("start.flow", **HMDB51, network="start", modality="flow")
    @row("start.fusion", needs=["start.*"], **HMDB51, network="start", modality="fusion")
    @row("tsn.rgb", needs=["start.rgb", "tsn.rgb.*"], **HMDB51, network="tsn", modality="rgb")
    @row("tsn.flow", needs=["start.flow", "tsn.flow.*"], **HMDB51, network="tsn", modality="flow")
    @row("tsn.fusion", needs=["start.*", "tsn.*"], **HMDB51, network="tsn", modality="fusion")
    @row("tdn.rgb", needs=["start.rgb", "tdn.rgb.*"], **HMDB51, network="tdn", modality="rgb")
    @row("tdn.flow", needs=["start.flow", "tdn.flow.*"], **HMDB51, network="tdn", modality="flow")
    @row("tdn.fusion", needs=["start.*", "tdn.*"], **HMDB51, network="tdn", modality="fusion")
    @row("second.start_rgb", needs=["second.start.rgb"], **ACT, network="start", modality="rgb")
    @row("second.start_flow", needs=["second.start.flow"], **ACT, network="start", modality="flow")
    @row("second.start_fusion", needs=["second.start.*"], **ACT, network="start", modality="fusion")
    @row("second.tsn_rgb", needs=["second.start.rgb", "second.tsn.rgb.*"], **ACT, network="tsn", modality="rgb")
    @row("second.tsn_flow", needs=["second.start.flow", "second.tsn.flow.*"], **ACT, network="tsn", modality="flow")
    @row("second.tsn_fusion", needs=["second.start.*", "second.tsn.*"], **ACT, network="tsn", modality="fusion")
    @row("second.tdn_rgb", needs=["second.start.rgb", "second.tdn.rgb.*"], **ACT, network="tdn", modality="rgb")
    @row("second.tdn_flow", needs=["second.start.flow", "second.tdn.flow.*"], **ACT, network="tdn", modality="flow")
    @row("second.tdn_fusion", needs=["second.start.*", "second.tdn.*"], **ACT, network="tdn", modality="fusion")
    @row("tdn.from_stills", needs=["tdn_from_stills.rgb.*"], **HMDB51, network="tdn_from_stills")
    @row("mixing.conv1x1", needs=["start.rgb", "tdn_conv1x1.rgb.*"], **HMDB51, network="tdn_conv1x1")
    @row("mixing.conv1x1_random", needs=["start.rgb", "tdn_conv1x1_random.*"], **HMDB51, network="tdn_conv1x1_random")
    @row("mixing.gate", needs=["start.rgb", "tdn_gate.rgb.*"], **HMDB51, network="tdn_gate")
    @row("mixing.gate_random", needs=["start.rgb", "tdn_gate_random.*"], **HMDB51, network="tdn_gate_random")
    def recognition(self, network: str, modality: str = "rgb", on: str = "first") -> Measure:
        """Tables 5.1 and 5.2; section 5.3.2: other ways to mix; section 5.3.4: initialised from ImageNet alone."""
        return self.accuracy(self.final_scores(network, modality, on), self.sets(on).test.labels)

    @row("subnet", metrics=["subnet.image", "subnet.difference"], needs=["start.rgb", "tdn.rgb.*"], **HMDB51)
    def subnetworks(self) -> dict[str, Measure]:
        """Section 5.3.2, "Final prediction": each subnetwork alone."""
        both = dict(zip(("image", "difference"), self.logits("tdn").unbind(dim=1), strict=True))
        labels = self.first.test.labels
        return {f"subnet.{name}": self.accuracy(logits, labels) for name, logits in both.items()}

    @row("gain", metrics=[f"gain.{end}" for end in FAMILIES], needs=["start.rgb", "tsn.rgb.*", "tdn.rgb.*"], **WORLD)
    def gains(self) -> dict[str, Measure]:
        """Section 5.4.3.3: which classes gain from differences; here the mean over the classes of a family."""
        test = self.first.test
        right = {name: (self.final_scores(name).argmax(dim=1) == test.labels).double() for name in ("tsn", "tdn")}
        own = [test.labels == label for label in range(len(test.classes))]  # (N,) each
        recall = {name: 100 * torch.stack([hits[mask].mean() for mask in own]) for name, hits in right.items()}
        difference = right["tdn"] - right["tsn"]  # (N,), -1 to 1
        measures = {}
        for end in FAMILIES:
            members = self._is_of_family(torch.arange(len(test.classes)), end)  # (K,)
            clips = difference[members[test.labels]]
            value = (recall["tdn"] - recall["tsn"])[members].mean().item()
            measures[f"gain.{end}"] = Measure(value, 100 * clips.std().item() / len(clips) ** 0.5)
        return measures

    def _is_of_family(self, labels: Tensor, end: str) -> Tensor:
        """Which labels ``(N,)`` are of classes of a family, by the end of a metric's name."""
        return torch.isin(labels, torch.cat([labels_of(name, self.first.test.classes) for name in FAMILIES[end]]))

    # --- Tables 5.3 and 5.4: every class as a search; differences at more and more levels

    @row("map.start", needs=["start.rgb"], **FCVID, network="start")
    @row("map.tsn", needs=["start.rgb", "tsn.rgb.*"], **FCVID, network="tsn")
    @row("levels.input", needs=["start.rgb", "tdn_input.rgb.*"], **FCVID, network="tdn_input")
    @row("levels.conv1", needs=["start.rgb", "tdn_conv1.rgb.*"], **FCVID, network="tdn_conv1")
    @row("levels.res2", needs=["start.rgb", "tdn_res2.rgb.*"], **FCVID, network="tdn_res2")
    @row("levels.res3", needs=["start.rgb", "tdn_res3.rgb.*"], **FCVID, network="tdn_res3")
    @row("levels.res4", needs=["start.rgb", "tdn.rgb.*"], **FCVID, network="tdn")
    def mean_average_precision(self, network: str) -> Measure:
        """Tables 5.3 and 5.4: the mean over all classes, each video with all of its labels; scores as probabilities."""
        scores = self.final_scores(network).softmax(dim=1)
        return Measure(100 * metrics.mean_average_precision(scores, self.first.test.multi_hot))

    # --- Figure 5.3: where both subnetworks look

    def pointing(self) -> Mapping[str, Tensor]:
        """The pointing game on all test clips, see `labkit.studies.pointing.point`."""
        model, clips = self.tdn(), self.first.test
        return self.compute("scores.pointing", lambda: point(model, self.view(), clips), facts_of_scores(model, clips))

    @row(
        "pointing",
        metrics=["pointing.image", "pointing.difference", "pointing.chance"],
        needs=["start.rgb", "tdn.rgb.*"],
        **WORLD,
    )
    @row(
        "pointing.families",
        metrics=[f"pointing.{who}_{end}" for end in FAMILIES if end != "motion" for who in ("image", "difference")],
        needs=["start.rgb", "tdn.rgb.*"],
        **WORLD,
        families=tuple(end for end in FAMILIES if end != "motion"),
    )
    def figure_5_3(self, families: Sequence[str] = ()) -> dict[str, Measure]:
        """Section 5.4.5, Figure 5.3, as a game with points; of all clips, or of each family by itself."""
        hits = self.pointing()
        if not families:
            return {f"pointing.{name}": _percent(hits[name]) for name in ("image", "difference", "chance")}
        members = {end: self._is_of_family(hits["label"].long(), end) for end in families}
        return {
            f"pointing.{name}_{end}": _percent(hits[name][mask])
            for end, mask in members.items()
            for name in ("image", "difference")
        }

    # --- what the rows are about, and what they lack

    def clips_of(self, metric: str) -> tuple[Sequence[Clips], Sequence[Clips]]:
        """The second set for metrics that are named after it, else the first one."""
        parts = self.sets("second" if metric.startswith("second.") else "first")
        return [parts.train], [parts.test]

    def lacking(self, rows: Sequence[Row]) -> Iterator[str]:
        """Videos, flow and weights that rows need and that are not there."""
        yield from super().lacking(rows)
        yield from unavailable(lambda: self.stills)
        if self.dataset != "world" and any(row.arguments.get("modality") in ("flow", "fusion") for row in rows):
            yield from lacking_flow(Path(self.data_root, self.dataset))


def _prefix(on: str) -> str:
    return "second." if on == "second" else ""


def _all_logits(network: nn.Module, snippets: Tensor) -> Tensor:
    """Logits ``(M, n * K)`` of all subnetworks side by side."""
    return network(snippets).flatten(1)


def _percent(values: Tensor) -> Measure:
    """Percent of pairs or frames, of which a clip has several or none."""
    return per_clip(values)._replace(value=100 * values.sum().item() / len(values), hits=None)
