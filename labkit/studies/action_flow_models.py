"""What the experiments of ActionFlowNet are made of: clips, views, FlowNets, and the networks of the tables.

The large set is UCF101, the small one HMDB51; in the lab's world they are eighteen and twelve actions of puppets, with
ten and four labelled clips of each to learn from. Networks of the small set start from those of the large one, and
train for half the steps; the thesis has 40,000 for both.

Tiny FlowNets come with the lab (``data_scripts/train_flow.py``): trained without labels on other puppets, or on things
that fly about, both on as many pairs of frames; that of eight frames on about half as many samples, of eight fields
each. In one respect they are not what the thesis has: the many clips without labels, which the FlowNet of the target
videos was trained on, are never shown to that of chairs; in the thesis both meet the same videos when they learn both
tasks.
"""

import copy
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torchvision.models import ResNet18_Weights, resnet18  # type: ignore[import-untyped]

from labkit import data, flow, world
from labkit.backbones import card, cross_modality_init, load_weights, source_weights, torchvision_weights
from labkit.backbones.resnet import resnet_tiny
from labkit.clips import Clips
from labkit.losses import classification_loss
from labkit.papers import action_flow_net as afn
from labkit.studies.flow_errors import flow_errors, frames_and_flow, full_flow
from labkit.studies.parts import TwoParts
from labkit.studies.study import Study
from labkit.training import Recipe
from labkit.views import View


class Model(NamedTuple):
    """A network of the tables.

    Attributes:
        sees: ``"one_frame"``, ``"two_frame"``, ``"multi_frame"``, or ``"field"``, one of given flow.
        start: the FlowNet that it starts from or is stacked on; ``"images"``, photos of things, or ``"postures"``,
            photos that tell postures as well; or nothing, random weights.
        flow_weight: lambda of the multi-task loss; None where it learns actions alone.
        stacked: whether it sees the flow of the FlowNet.
        upsample: whether this flow is enlarged to the size of the frames.
    """

    sees: str
    start: str = ""
    flow_weight: float | None = None
    stacked: bool = False
    upsample: bool = False


MODELS: Mapping[str, Model] = {
    "scratch": Model("two_frame"),
    "fine_tune": Model("two_frame", "target"),
    "multi2": Model("two_frame", "target", afn.LAMBDA),
    "multi2_chairs": Model("two_frame", "chairs", afn.LAMBDA),
    "lambda_0.1": Model("two_frame", "target", 0.1),
    "lambda_10": Model("two_frame", "target", 10),
    "stacked": Model("two_frame", "target", stacked=True),
    "stacked_upsampled": Model("two_frame", "target", stacked=True, upsample=True),
    "stacked_chairs": Model("two_frame", "chairs", stacked=True),
    "images": Model("one_frame", "images"),
    "images_postures": Model("one_frame", "postures"),
    "given_flow": Model("field"),
    "exact_flow": Model("field"),
    "scratch16": Model("multi_frame"),
    "fine_tune16": Model("multi_frame", "target_multi"),
    "multi16": Model("multi_frame", "target_multi", afn.LAMBDA),
}
FLOW_NETS = {"target": "two_frame", "chairs": "two_frame", "target_multi": "multi_frame"}
"""FlowNets by what they are trained on, and what they see."""


class Scale(NamedTuple):
    """What a profile changes.

    Attributes:
        groups: of the world's clips; a third of them is the test part.
        labels: training clips of each class with a label, of the large and of the small set of the world.
        test_clips: of each class in each group of the world's test parts.
        steps: fraction of the recipe's steps, 6 at least.
        batch: samples of an update; None: the recipe's.
        pairs: of frames, of each kind, on which FlowNets are compared.
        estimator: of `labkit.flow`, whose flow is given to a network in the world.
        samples: random segments of a test clip.
        centre_only: whether only the centre crop of each is seen.
        videos: loaded together in testing.
    """

    groups: int
    labels: tuple[int, int]
    test_clips: int
    steps: float
    batch: int | None
    pairs: int
    estimator: str
    samples: int
    centre_only: bool
    videos: int


class ActionFlowModels(Study):
    """Clips and networks; the rows of the tables are in `labkit.studies.action_flow_net`."""

    # --- clips

    @cached_property
    def large(self) -> TwoParts:
        """UCF101, or the eighteen actions of the world."""
        return self._sets(world.Actions, data.UCF101, "ucf101", self.scale.labels[0])

    @cached_property
    def small(self) -> TwoParts:
        """HMDB51, or the twelve actions of the world's second set."""
        return self._sets(world.SecondActions, data.HMDB51, "hmdb51", self.scale.labels[1])

    def _sets(self, painted: Any, real: Any, folder: str, labels: int) -> TwoParts:
        if self.dataset != "world":
            root = Path(self.data_root, folder)
            return TwoParts(
                *(real(root, split=self.split, part=part, missing=self.missing) for part in TwoParts._fields)
            )
        options = {"seed": self.seed, "groups": self.scale.groups, "split": self.split}
        train = painted(part="train", clips=1, **options)
        labelled = torch.isin(train.groups, train.groups.unique()[:labels])  # (N,), those of the first groups
        test = painted(part="test", clips=self.scale.test_clips, **options)
        return TwoParts(train.subset(labelled.nonzero().flatten()), test)

    def sets(self, on: str) -> TwoParts:
        """The ``"large"`` or the ``"small"`` set."""
        return getattr(self, on)

    @property
    def elsewhere(self) -> str:
        """Videos of another kind than the actions: Sintel (its clean pass), or in the world two puppets that meet."""
        return "another video" if self.dataset == "world" else "Sintel"

    @property
    def pair_sets(self) -> tuple[str, ...]:
        """Names of the sets on which flow can be compared, as far as they are there."""
        real = {"FlyingChairs": "chairs", "Sintel": "sintel"}
        there = (name for name, folder in real.items() if self.data_root and Path(self.data_root, folder).is_dir())
        actions = ("the actions",) if self.dataset == "world" else ()
        return ("small motion", "large motion", "another video", *actions, *there)

    def pairs(self, name: str) -> Clips:
        """A set of `pair_sets`, of frames between which flow is known."""
        if name not in self._pairs:
            number, root = self.scale.pairs, Path(self.data_root)
            build: dict[str, Callable[[], Clips]] = {
                "small motion": lambda: world.FlowPairs(seed=self.seed, motion="small", number=number),
                "large motion": lambda: world.FlowPairs(seed=self.seed, motion="large", number=number),
                "another video": lambda: world.Interactions(
                    seed=self.seed, groups=3, clips=2, difficulty=world.Difficulty(camera=6)
                ),
                "the actions": lambda: self.large.test,
                "FlyingChairs": lambda: data.FlyingChairs(root / "chairs", "test", missing=self.missing),  # type: ignore[arg-type]
                "Sintel": lambda: data.Sintel(root / "sintel", missing=self.missing),  # type: ignore[arg-type]
            }
            self._pairs[name] = build[name]()
        return self._pairs[name]

    @cached_property
    def _pairs(self) -> dict[str, Clips]:
        return {}

    # --- what networks see, and how they train

    @property
    def num_frames(self) -> int:
        """Of multi-frame networks: sixteen, or eight if tiny."""
        return 16 if self.size == "paper" else 8

    @property
    def multiple(self) -> int:
        """Sides that networks can halve are multiples of it, in pixels."""
        return 32 if self.size == "paper" else 16

    @property
    def crops(self) -> dict[str, Any]:
        """Crops and flips. Clips of the world are 64 pixels as drawn, and walking left is not walking right."""
        short_side = None if self.dataset == "world" else 64
        tiny = {"crop_size": 48, "short_side": short_side, "crop_scales": (64, 56, 48)}
        return {"flip": self.dataset != "world"} | (tiny if self.size == "tiny" else {})

    def view(self, sees: str, **options: Any) -> View:
        """How networks see a clip, see `Model`; all see the same frames of it, whether they learn flow or not."""
        if sees == "field":
            return afn.flow_view(**self.crops)
        length = {"one_frame": 1, "two_frame": 2, "multi_frame": self.num_frames}[sees]
        return afn.clip_view(length, leaves_room=True, **self.crops, **options)

    def recipe(self, sees: str = "two_frame", part: float = 1.0) -> Recipe:
        """The recipe of this scale; of a tiny network a part of its steps."""
        recipe = afn.RECIPES[self.size]["multi_frame" if sees == "multi_frame" else "two_frame"]
        if self.size == "paper":
            return Recipe(**{**recipe, "seed": self.seed})
        steps = max(round(recipe["steps"] * part * self.scale.steps), 6)
        schedule = {round(step * steps / recipe["steps"]): lr for step, lr in recipe["schedule"].items()}
        batch = self.scale.batch or recipe["batch"]
        return Recipe(**{**recipe, "steps": steps, "schedule": schedule, "batch": batch, "seed": self.seed})

    # --- networks

    def flow_net(self, name: str) -> afn.ActionFlowNet:
        """A FlowNet, see `FLOW_NETS`: tiny ones come with the lab, those of the paper's size are trained."""
        if name not in self._flow_nets:
            sees, classes = FLOW_NETS[name], len(self.large.test.classes)
            build = afn.multi_frame_network if sees == "multi_frame" else afn.two_frame_network
            network = self.initialised(lambda: build(classes, size=self.size))
            if self.size == "tiny":
                load_weights(network, self.flow_weights(name), skip=("encoder.fc",))
            else:
                chairs = name == "chairs"
                view = afn.clip_view(**afn.CHAIRS) if chairs else self.view(sees, **afn.FLOW)
                clips = self.chairs if chairs else self.large.train
                self.train(f"flow_net.{name}", network, afn.flow_loss, clips.map(view.train), self.recipe(sees))
            self._flow_nets[name] = network.to(self.torch_device).eval()
        return self._flow_nets[name]

    def flow_weights(self, name: str) -> Path:
        """Weights of a tiny FlowNet: one training of each kind comes with the lab, whatever the seed."""
        network, source = ("flownet_multi", "target") if name == "target_multi" else ("flownet", name)
        return source_weights(network, self.seed, source=source)

    @cached_property
    def _flow_nets(self) -> dict[str, afn.ActionFlowNet]:
        return {}

    @cached_property
    def chairs(self) -> Clips:
        """The training part of FlyingChairs."""
        return data.FlyingChairs(Path(self.data_root, "chairs"), missing=self.missing)  # type: ignore[arg-type]

    def untrained(self, name: str) -> Any:
        """A network of the large set as it is before it learns actions."""
        model, classes = MODELS[name], len(self.large.test.classes)
        if model.stacked:
            flow_net = copy.deepcopy(self.flow_net(model.start))
            return self.initialised(
                lambda: afn.stacked_network(classes, flow_net, upsample=model.upsample, size=self.size)
            )
        if model.start in FLOW_NETS:
            return copy.deepcopy(self.flow_net(model.start))
        builders: dict[str, Callable[..., afn.ActionFlowNet]] = {
            "one_frame": afn.one_frame_network,
            "two_frame": afn.two_frame_network,
            "multi_frame": afn.multi_frame_network,
            "field": partial(afn.one_frame_network, in_channels=2),
        }
        network = self.initialised(lambda: builders[model.sees](classes, size=self.size))
        if model.start == "postures":
            cross_modality_init(network.encoder, self.sibling(source="postures").image_network(), other_strides=True)
        if model.start == "images":
            cross_modality_init(network.encoder, self.image_network(), other_strides=self.size == "tiny")
        return network

    def image_network(self) -> nn.Module:
        """ResNet-18 trained on ImageNet, or, if tiny, a network trained on stills of the world."""
        if self.size == "paper":
            return torchvision_weights(resnet18, ResNet18_Weights.IMAGENET1K_V1)
        weights = self.source_weights("resnet")
        network = resnet_tiny(len(card(weights)["classes"]))
        load_weights(network, weights)
        return network

    def model(self, name: str, on: str = "large", longer: float = 1.0) -> Any:
        """A network that has learned the actions of a set, in so many times the usual steps; see `MODELS`."""
        model = MODELS[name]
        if on == "large":
            network = self.untrained(name)
        else:  # it starts from the large set
            network = copy.deepcopy(self.model(name))
            encoder = network.classifier if model.stacked else network.encoder
            features, classes = encoder.fc.in_features, len(self.small.test.classes)
            encoder.fc = self.initialised(lambda: nn.Linear(features, classes)).to(encoder.fc.weight.device)
        loss, view = classification_loss, self.view(model.sees)
        if model.flow_weight is not None:
            loss = partial(afn.multitask_loss, weight=model.flow_weight)
            view = self.view(model.sees, with_flow=True)
        recipe = self.recipe(model.sees, longer * (1.0 if on == "large" else 0.5))
        options: dict[str, Any] = {}
        if on == "large" and model.sees == "two_frame" and model.start and not model.stacked:
            options = {"watch": self._watched_flow, "every": max(recipe.steps // 20, 1)}
        clips = self.given(name, self.sets(on).train)
        name = f"{name}.{on}{_times(longer)}"
        return self.train(name, network, loss, clips.map(view.train), recipe, **options)

    def _watched_flow(self, network: afn.ActionFlowNet) -> dict[str, float]:
        """How well a network still knows flow while it learns actions: its end-point error on a few test clips."""
        test, estimate = self.large.test, partial(full_flow, network, multiple=self.multiple)
        some = test.subset(range(0, len(test), max(len(test) // 24, 1)))
        errors = flow_errors(estimate, some.map(partial(frames_and_flow, self.view("two_frame"))), self.flow_batch)
        return {"flow error": float(errors.estimate)}

    @property
    def flow_batch(self) -> int:
        """Clips together where flow of whole frames is measured: real ones differ in size."""
        return 16 if self.dataset == "world" else 1

    def given(self, name: str, clips: Clips) -> Clips:
        """Clips as a network gets them: as they are; in the world, flow that is given is estimated, as the thesis's."""
        if name == "given_flow" and self.dataset == "world":
            return data.Estimated(clips, getattr(flow, self.scale.estimator))
        return clips

    def model_scores(self, name: str, on: str = "large", part: str = "test", longer: float = 1.0) -> Tensor:
        """Scores ``(N, K)`` of the clips of a part by a network: the mean over random segments."""
        network, clips = self.model(name, on, longer), self.given(name, getattr(self.sets(on), part))
        views = clips.map(self.test_view(MODELS[name].sees))
        name = f"scores.{on}.{part}.{name}{_times(longer)}"
        return self.scores(name, network, views, batch=self.scale.videos)

    def test_view(self, sees: str) -> Callable[[Any], Any]:
        """What is seen of a clip in testing."""
        return partial(self.view(sees).test, num_samples=self.scale.samples, centre_only=self.scale.centre_only)


def _times(longer: float) -> str:
    """How the name of a longer training ends."""
    return "" if longer == 1 else f".x{longer:g}"
