"""What the experiments on two streams are made of: clips, views, recipes, and the networks of Tables 1a and 1b.

The large set is UCF101, the small one HMDB51; in the lab's world they are eighteen and twelve actions of puppets, five
of them in both, in frames of 64 x 88 pixels: as wide beside their height as video of 4:3.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from labkit import data, world
from labkit.backbones import load_weights
from labkit.backbones.cnn_m import CNNM
from labkit.backbones.codes import FrameCoder, extract_codes
from labkit.backbones.efficientnet_lite import MEAN, STD, efficientnet_lite0
from labkit.clips import Clip, Clips
from labkit.losses import classification_loss
from labkit.papers import two_stream
from labkit.studies.parts import ThreeParts
from labkit.studies.probe import probe
from labkit.studies.study import Study, shortened
from labkit.training import Recipe, uniform_over_classes
from labkit.views import View

INPUTS: Mapping[str, Mapping[str, Any]] = {
    "l1": {"length": 1},
    "l5": {"length": 5},
    "l10": {},
    "l10_raw": {"subtract_mean": False},
    "traj": {"trajectories": True},
    "traj_raw": {"trajectories": True, "subtract_mean": False},
    "bidir": {"bidirectional": True},
}
"""What the temporal networks of Table 1b see."""


RESTLESS = world.Difficulty(camera=3, clutter=2, jitter=3)
"""Of the small set: its camera moves three times as much as the large one's, twice as many things stand about, and
tempo, timing, size and position vary three times as much."""


class Scale(NamedTuple):
    """What a profile changes.

    Attributes:
        groups: of the world's large set and of its small one; a third of them is the test part.
        clips: of each class in each group.
        dropouts: with which the spatial networks are trained among which the best is chosen.
        steps: fraction of the recipe's steps.
        batch: samples of an update; None: the recipe's.
        moments: frames, or stacks, of a clip that are looked at in testing.
        centre_only: whether only the centre crop of each is.
        videos: loaded together in testing.
        few_groups: of the clips on which conditions are measured, how many of them are trained on, and how many more
            test.
        few_batch: samples of an update there.
        test_groups: of the large and the small set, further ones that test.
    """

    groups: int
    clips: int
    dropouts: tuple[float, ...]
    steps: float
    batch: int | None
    moments: int
    centre_only: bool
    videos: int
    few_groups: tuple[int, int, int] = (12, 3, 12)
    few_batch: int = 16
    test_groups: int = 0


class TwoStreamModels(Study):
    """Clips and networks; `labkit.studies.two_stream.TwoStream` measures them."""

    paper = "two_stream"
    version = 7
    scale: Scale
    # --- data

    @cached_property
    def large(self) -> ThreeParts:
        """UCF101, or the eighteen actions of the world."""
        if self.dataset == "world":
            return with_held_out(*(self._actions(world.Actions, part) for part in ("train", "test")))
        return with_held_out(*(self._official(data.UCF101, "ucf101", part) for part in ("train", "test")))

    @cached_property
    def small(self) -> ThreeParts:
        """HMDB51, or the twelve actions of the world's second set, of which one group of clips is trained on.

        Each split trains on another group, and holds out another one, of as many clips. As HMDB51, which is cut from
        movies, the second set is harder, see `RESTLESS`.
        """
        if self.dataset == "world":
            parts = (self._actions(world.SecondActions, part, difficulty=RESTLESS) for part in ("train", "test"))
            sets = with_held_out(*parts)
            return ThreeParts(self._one_group(sets.train), self._one_group(sets.held_out), sets.test)
        return with_held_out(*(self._official(data.HMDB51, "hmdb51", part) for part in ("train", "test")))

    def _one_group(self, clips: Clips) -> Clips:
        """The clips of one group, another one for each split."""
        groups = clips.groups.unique()
        return clips.subset((clips.groups == groups[(self.split - 1) % len(groups)]).nonzero().flatten())

    @cached_property
    def few(self) -> ThreeParts:
        """Half of the groups of the world's large set, three of them to train on: conditions are measured here."""
        return self.few_clips(camera=1)

    def few_clips(self, camera: float) -> ThreeParts:
        """The same clips, drawn for a camera of another strength, see `labkit.world.Difficulty`."""
        groups, to_train_on, test_groups = self.scale.few_groups
        options = {"groups": groups, "test_groups": test_groups, "difficulty": world.Difficulty(camera=camera)}
        sets = with_held_out(*(self._actions(world.Actions, part, **options) for part in ("train", "test")))
        return sets._replace(train=_of_groups(sets.train, to_train_on))

    def sets(self, name: str) -> ThreeParts:
        """The ``"large"`` or the ``"small"`` data set, or the ``"few"`` clips on which conditions are measured."""
        return getattr(self, name)

    def _actions(self, kind: Any, part: str, **options: Any) -> Clips:
        size = {"groups": self.scale.groups, "test_groups": self.scale.test_groups, "clips": self.scale.clips}
        return kind(seed=self.seed, split=self.split, part=part, width=88, **(size | options))

    def _official(self, kind: Any, folder: str, part: str) -> Clips:
        return kind(Path(self.data_root, folder), part=part, split=self.split, missing=self.missing)

    def clips_of(self, metric: str) -> tuple[Sequence[Clips], Sequence[Clips]]:
        """The small set for metrics that are named after it, the few clips for conditions, else the large set."""
        small = metric.startswith(("small.", "splits.small_"))
        sets = self.small if small else self.few if metric.startswith("condition.") else self.large
        return [sets.train], [sets.train if ".training_" in metric else sets.test]

    # --- what the networks see, and how they train

    @property
    def _sizes(self) -> dict[str, Any]:
        """Crop and rescaling. Clips of the world are 64 pixels high as drawn, and walking left is not walking right."""
        if self.dataset == "world":
            return {"crop_size": 56, "short_side": None, "flip": False}
        return {"crop_size": 224, "short_side": 256} if self.size == "paper" else {"crop_size": 56, "short_side": 64}

    def frame_view(self, **options: Any) -> View:
        """Single frames, for the spatial stream."""
        return two_stream.spatial_view(**self._sizes, **options)

    def flow_view(self, **options: Any) -> View:
        """Stacks of flow, for the temporal stream."""
        return two_stream.temporal_view(**self._sizes, **options)

    def recipe(self, name: str = "from_scratch", longer: float = 1.0, slower: float = 1.0) -> Recipe:
        """The paper's recipe, shortened to this scale; see `labkit.papers.two_stream` for ``longer`` and ``slower``."""
        recipe = two_stream.RECIPES[self.size][name]
        recipe = two_stream.slower(two_stream.longer(recipe, longer), slower)
        return Recipe(**shortened(recipe, self.scale.steps, self.scale.batch), seed=self.seed)

    def few_recipe(self, name: str, longer: float, slower: float = 1.0) -> Recipe:
        """A recipe for the few clips: smaller batches, so that a laptop can afford many steps."""
        return replace(self.recipe(name, longer, slower), batch=self.scale.few_batch)

    def _train(self, name: str, network: nn.Module, view: View, sets: ThreeParts, recipe: Recipe) -> Any:
        order = uniform_over_classes(sets.train.labels)
        return self.train(name, network, classification_loss, sets.train.map(view.train), recipe, order=order)

    def _scores(self, name: str, network: nn.Module, view: View, clips: Clips, **options: Any) -> Tensor:
        """Softmax scores ``(N, K)`` of whole clips: several moments, several crops of each, their mean."""
        test = partial(view.test, num_samples=self.scale.moments, centre_only=self.scale.centre_only)
        return self.scores(f"scores.{name}", network, clips.map(test), batch=self.scale.videos, **options)

    # --- Table 1a: the spatial stream

    def spatial(
        self, start: str, dropout: float = 0.5, *, centre: bool = False, on: str = "large", longer: float = 1.0
    ) -> CNNM:
        """A spatial network: from scratch, pre-trained on images and fine-tuned, or with its last layer trained only.

        Args:
            start: ``"scratch"``, ``"fine_tune"`` or ``"last_layer"``.
            dropout: 0.5 or 0.9.
            centre: whether it is trained on crops of the central square alone.
            on: ``"large"``, ``"small"`` or ``"few"``.
            longer: factor of the recipe's steps, on the few clips.
        """
        sets = self.sets(on)
        network = self.initialised(
            lambda: two_stream.spatial_network(len(sets.test.classes), size=self.size, dropout=dropout)
        )
        if start != "scratch":
            load_weights(network, self.imagenet_weights, skip=("classifier",))
        if start == "last_layer":
            two_stream.last_layer_only(network)
        slower = 0.3 if self.size == "tiny" and dropout > 0.5 else 1.0
        recipe_name = "from_scratch" if start == "scratch" else "fine_tuning"
        few = self.few_recipe(recipe_name, longer, slower) if on == "few" else None
        view = self.frame_view(centre=64 if self.size == "tiny" else 256) if centre else self.frame_view()
        prefix = "" if on == "large" else f"{on}.{longer:g}." if few else f"{on}."
        name = f"{prefix}spatial.{start}_d{round(10 * dropout)}{'_centre' * centre}"
        recipe = few or self.recipe(recipe_name, slower=slower)
        return self._train(name, network, view, sets, recipe)

    @property
    def imagenet_weights(self) -> Path:
        """Weights of the world's source task, or of a CNN-M-2048 trained on ImageNet."""
        if self.size == "tiny":
            return self.source_weights("cnn_m")
        return Path(self.data_root, "cnn_m_imagenet.safetensors")

    def spatial_scores(
        self, name: str, part: str = "test", on: str = "large", centre: bool = False, longer: float = 1.0
    ) -> Tensor:
        """Scores ``(N, K)`` of the clips of a part by a spatial network, by its name, e.g. ``"fine_tune_d5"``."""
        start, _, dropout = name.rpartition("_d")
        network = self.spatial(start, int(dropout) / 10, centre=centre, on=on, longer=longer)
        name = f"{on}.{part}.spatial.{name}{'_centre' * centre}{f'.{longer:g}' * (on == 'few')}"
        return self._scores(name, network, self.frame_view(), getattr(self.sets(on), part))

    def postures(self) -> "TwoStreamModels":
        """The same study, whose pre-trained networks know postures as well: what the large set's actions consist of."""
        other = self.sibling(source="postures")
        other.__dict__ |= {name: self.sets(name) for name in ("large", "few")}
        return other

    def imagenet_scores(self, on: str = "large") -> Tensor:
        """Scores ``(N, K)`` of the test clips by a last layer on frozen features of EfficientNet-Lite0.

        A real network with real ImageNet weights. It sees whole frames, enlarged to 128 pixels in height, in width to
        the multiple of 32 at or below the same proportion. Its last layer, a softmax, is trained on the moments of the
        training clips that are looked at in testing.
        """
        sets = self.sets(on)
        features = [
            self.compute(f"codes.lite0.{on}.{part}", partial(self._codes, sets, part)) for part in ("train", "test")
        ]
        train, test = (part["codes"] for part in features)  # (clips, moments, 1280) each
        labels = sets.train.labels.repeat_interleave(train.shape[1])
        scores = probe(train.flatten(0, 1), labels, test.flatten(0, 1), len(sets.test.classes))
        return scores.unflatten(0, test.shape[:2]).mean(dim=1)  # (N, K)

    def _codes(self, sets: ThreeParts, part: str) -> dict[str, Tensor]:
        network, view = efficientnet_lite0(), self.frame_view()
        height, width = getattr(sets, part)[0].frames([0]).shape[-2:]
        coder = FrameCoder(network, "flatten", (128, 32 * (4 * width // height)), MEAN, STD, rectify=False)

        def moments(clip: Clip) -> Tensor:
            return view.sample.test(clip, clip.num_frames, self.scale.moments, None).flatten()

        return {"codes": extract_codes(getattr(sets, part), coder, moments, progress=self.progress).codes}

    # --- Table 1b: the temporal stream

    def temporal(self, name: str = "l10", on: str = "large", start: str = "scratch") -> CNNM:
        """A temporal network, by the name of its input in `INPUTS`; on the small set also fine-tuned from the large."""
        sets = self.sets(on)
        network = self._temporal_network(name, len(sets.test.classes))
        if start == "fine_tune":
            two_stream.transfer(self.temporal(name), network)
        recipe = self.recipe("from_scratch" if start == "scratch" else "fine_tuning")
        prefix = "temporal" if on == "large" else f"small.temporal.{start}"
        return self._train(f"{prefix}.{name}", network, self.flow_view(**INPUTS[name]), sets, recipe)

    def _temporal_network(self, name: str, num_classes: int) -> CNNM:
        length = INPUTS[name].get("length", 10)
        return self.initialised(lambda: two_stream.temporal_network(num_classes, length=length, size=self.size))

    def temporal_scores(
        self, name: str = "l10", part: str = "test", on: str = "large", start: str = "scratch"
    ) -> Tensor:
        """Scores ``(N, K)`` of the clips of a part by a temporal network."""
        network, view = self.temporal(name, on, start), self.flow_view(**INPUTS[name])
        return self._scores(f"{on}.{part}.temporal.{start}.{name}", network, view, getattr(self.sets(on), part))


def with_held_out(train: Clips, test: Clips) -> ThreeParts:
    """A fifth of each class's training clips, whole groups, is held out."""
    kept, held_out = train.hold_out_groups(1 / 5)
    return ThreeParts(kept, held_out, test)


def _of_groups(clips: Clips, number: int) -> Clips:
    """The clips of the first groups of a set."""
    chosen = torch.isin(clips.groups, clips.groups.unique()[:number])  # (N,)
    return clips.subset(chosen.nonzero().flatten())
