"""The experiments of Simonyan and Zisserman, NIPS 2014: Tables 1 to 4, Figure 4, and what else the text measures.

The large set is UCF101, the small one HMDB51; in the lab's world they are eighteen and twelve actions of puppets, five
of them in both. A fifth of the training clips of each class, whole groups of them, is held out from all networks, for
the SVM to learn from and for choices to be made on; the paper trains on these clips as well. Of the world's small set
one group is trained on and another one is held out, so that the SVM sees as many clips again as the networks. The paper
fuses the network whose last layer was trained, we the best one on the held-out clips; it trains a multi-task network
for each set, we one.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from labkit import data, metrics, world
from labkit.backbones.efficientnet_lite import efficientnet_lite0
from labkit.claims import ledger
from labkit.losses import classification_loss
from labkit.papers import two_stream
from labkit.studies.conditions import under
from labkit.studies.filters import filter_kinds
from labkit.studies.parts import ThreeParts
from labkit.studies.preflight import lacking_flow
from labkit.studies.rows import Measure, Row, row
from labkit.studies.study import unavailable
from labkit.studies.two_stream_models import INPUTS, Scale, TwoStreamModels, with_held_out
from labkit.training import shared_batches, uniform_over_classes

SPLITS, WORLD = (1, 2, 3), ("world",)

FEW = ("scratch_d5", "scratch_d9", "fine_tune_d5")  # spatial networks that are trained longer as well


class TwoStream(TwoStreamModels):
    """All rows of the paper's tables."""

    networks = ("cnn_m",)
    scales: ClassVar[Mapping[str, Scale]] = {
        "smoke": Scale(6, 1, (0.5, 0.9), 0.01, 8, 1, True, 8, (6, 3, 0), 8),
        "lesson": Scale(24, 2, (0.5,), 0.6, None, 2, False, 8),
        "study": Scale(24, 2, (0.5, 0.9), 1.0, None, 3, False, 8, test_groups=24),
        "paper": Scale(24, 2, (0.5, 0.9), 1.0, None, 25, False, 1),
    }

    # --- Table 1a: the spatial stream

    @row("spatial.scratch_d5", network="scratch_d5")
    @row("spatial.scratch_d9", network="scratch_d9")
    @row("spatial.fine_tune_d5", network="fine_tune_d5")
    @row("spatial.fine_tune_d9", network="fine_tune_d9")
    @row("spatial.last_layer_d5", network="last_layer_d5")
    @row("spatial.last_layer_d9", network="last_layer_d9")
    def table_1a(self, network: str) -> Measure:
        """Section 6, Table 1a: where the spatial stream starts from, and its dropout."""
        return self.accuracy(self.spatial_scores(network), self.large.test.labels)

    @row("crops.whole", needs=["spatial.fine_tune_d5"], centre=False)
    @row("crops.centre", needs=["spatial.fine_tune_d5_centre"], centre=True)
    def crops(self, centre: bool) -> Measure:
        """Section 5: training crops from anywhere in the frame against those of the central square."""
        return self.accuracy(self.spatial_scores("fine_tune_d5", centre=centre), self.large.test.labels)

    @row("spatial.postures_fine_tune_d5", datasets=WORLD, needs=["spatial.fine_tune_d5"], source="postures")
    @row("spatial.lite0_last_layer", datasets=WORLD, needs=[], source="lite0")
    def other_sources(self, source: str) -> Measure:
        """Ours: start from a task that shows postures as well, or from ImageNet itself, in another network."""
        scores = self.imagenet_scores() if source == "lite0" else self.postures().spatial_scores("fine_tune_d5")
        return self.accuracy(scores, self.large.test.labels)

    def best_spatial(self) -> str:
        """The spatial network that is best on the held-out clips of split 1: test clips must not choose.

        Some of these clips test another split; a choice among six networks hardly knows that.
        """
        if self.split != 1:
            return self.sibling(split=1).best_spatial()
        starts = ("scratch", "fine_tune", "last_layer")
        names = [f"{start}_d{round(10 * dropout)}" for start in starts for dropout in self.scale.dropouts]
        labels = self.large.held_out.labels
        return max(names, key=lambda name: metrics.accuracy(self.spatial_scores(name, "held_out"), labels))

    # --- Table 1b: the temporal stream

    @row("temporal.l1", name="l1")
    @row("temporal.l5", name="l5")
    @row("temporal.l10", name="l10")
    @row("temporal.l10_raw", name="l10_raw")
    @row("temporal.traj", name="traj")
    @row("temporal.traj_raw", name="traj_raw")
    @row("temporal.bidir", name="bidir")
    def table_1b(self, name: str) -> Measure:
        """Section 6, Table 1b: what the temporal stream sees."""
        return self.accuracy(self.temporal_scores(name), self.large.test.labels)

    @row("temporal.still_l10", datasets=WORLD, clips="still", name="l10", needs=["still.temporal.l10"])
    @row("temporal.still_l10_raw", datasets=WORLD, clips="still", name="l10_raw", needs=["still.temporal.l10_raw"])
    @row("temporal.estimated_l10", datasets=WORLD, clips="estimated", name="l10", needs=["estimated.temporal.l10"])
    @row("temporal.estimated_traj", datasets=WORLD, clips="estimated", name="traj", needs=["estimated.temporal.traj"])
    def on_other_clips(self, clips: str, name: str) -> Measure:
        """Ours, in the world: the camera does not move; or flow is estimated from the frames, as the paper's is."""
        sets, view = self.other_clips(clips), self.flow_view(**INPUTS[name])
        network = self._temporal_network(name, len(sets.test.classes))
        network = self._train(f"{clips}.temporal.{name}", network, view, sets, self.recipe())
        return self.accuracy(self._scores(f"{clips}.temporal.{name}", network, view, sets.test), sets.test.labels)

    def other_clips(self, clips: str) -> ThreeParts:
        """The large set as a camera on a tripod sees it (``"still"``), or with flow by DIS (``"estimated"``)."""
        if clips == "estimated":
            return ThreeParts(*(data.Estimated(part) for part in self.large))
        still = world.Difficulty(camera=0)
        return with_held_out(*(self._actions(world.Actions, part, difficulty=still) for part in ("train", "test")))

    @under("two_stream", "camera", 0, needs=["camera.0.*"])
    @under("two_stream", "camera", 1, needs=["camera.1.*"])
    @under("two_stream", "camera", 3, needs=["camera.3.*"])
    @under("two_stream", "camera", 6, needs=["camera.6.*"])
    def under_camera(self, camera: float) -> dict[str, Measure]:
        """Section 3.1: what subtracting the mean gains while the camera moves more, on few clips."""
        sets, measures = self.few_clips(camera), {}
        for name in ledger()[self.paper].conditions["camera"].systems:
            network, view = self._temporal_network(name, len(sets.test.classes)), self.flow_view(**INPUTS[name])
            network = self._train(f"camera.{camera:g}.{name}", network, view, sets, self.recipe(longer=0.6))
            scores = self._scores(f"camera.{camera:g}.{name}", network, view, sets.test)
            measures[f"condition.camera.{camera:g}.{name}"] = self.accuracy(scores, sets.test.labels)
        return measures

    @under("two_stream", "length", 1, needs=[f"few.1.spatial.{name}" for name in FEW])
    @under("two_stream", "length", 4, needs=[f"few.4.spatial.{name}" for name in FEW])
    def under_length(self, length: float) -> dict[str, Measure]:
        """Table 1a while training lasts longer: dropout of networks from scratch, and what initial weights are worth.

        ``training_*`` is the accuracy on the training clips. EfficientNet-Lite0 has a last layer that does not depend
        on the length.
        """
        few = self.few

        def accuracy(name: str, part: str = "test", study: TwoStreamModels = self) -> Measure:
            scores = study.spatial_scores(name, part, on="few", longer=length)
            return self.accuracy(scores, getattr(few, part).labels)

        measures = {
            **{f"scratch_{dropout}": accuracy(f"scratch_{dropout}") for dropout in ("d5", "d9")},
            **{f"training_{dropout}": accuracy(f"scratch_{dropout}", "train") for dropout in ("d5", "d9")},
            "things": accuracy("fine_tune_d5"),
            "postures": accuracy("fine_tune_d5", study=self.postures()),
            "lite0": self.accuracy(self.imagenet_scores("few"), few.test.labels),
        }
        return {f"condition.length.{length:g}.{name}": measure for name, measure in measures.items()}

    @row("slow_fusion")
    def slow_fusion(self) -> Measure:
        """Section 6: eleven stacked frames, from scratch, in place of stacked flow."""
        classes, view = len(self.large.test.classes), self.frame_view(length=11)
        network = self.initialised(lambda: two_stream.slow_fusion_network(classes, size=self.size))
        network = self._train("slow_fusion", network, view, self.large, self.recipe())
        return self.accuracy(self._scores("slow_fusion", network, view, self.large.test), self.large.test.labels)

    # --- Figure 4: the first layer

    def filters(self, trained: bool = True) -> Tensor:
        """Weights ``(F, 2L, 7, 7)`` of the first layer of the temporal network with ten fields, or those before."""
        network = self.temporal() if trained else self._temporal_network("l10", len(self.large.test.classes))
        return network.features.get_parameter("conv1.weight").detach().cpu()

    @row("filters", metrics=["filters.spatial", "filters.temporal"], needs=["temporal.l10"], trained=True)
    @row(
        "filters.untrained",
        metrics=["filters.spatial_untrained", "filters.temporal_untrained"],
        needs=[],
        trained=False,
    )
    def figure_4(self, trained: bool) -> dict[str, Measure]:
        """Section 3.3, Figure 4: percent of filters that look like a derivative in space, or in time."""
        kinds = filter_kinds(self.filters(trained))[0]
        suffix = "" if trained else "_untrained"
        return {
            f"filters.{kind}{suffix}": Measure(100 * (kinds == number).double().mean().item())
            for number, kind in enumerate(("spatial", "temporal"))
        }

    # --- Table 2: a small set profits from a large one

    def multi_task(self) -> two_stream.MultiTask:
        """One network for both sets, which share each batch and together last twice as long as one."""
        sets = (self.large, self.small)
        view, classes = self.flow_view(), [len(part.test.classes) for part in sets]
        network = self.initialised(lambda: two_stream.multi_task_network(classes, size=self.size))
        recipe = self.recipe(longer=len(sets))
        batches = shared_batches(
            [part.train.map(view.train) for part in sets],
            recipe.batch,
            seed=self.seed,
            orders=[uniform_over_classes(part.train.labels) for part in sets],
            workers=self.workers,
        )
        return self.train("multi_task", network, two_stream.multi_task_loss, batches, recipe)

    def multi_task_scores(self, on: str = "large", part: str = "test") -> Tensor:
        """Scores ``(N, K)`` of the clips of a part by the head of their set."""
        task = ("large", "small").index(on)
        clips = getattr(self.sets(on), part)
        forward = {"forward": lambda network, views: network.logits(views, task)}
        return self._scores(f"{on}.{part}.multi_task", self.multi_task(), self.flow_view(), clips, **forward)

    @row("temporal.multi_task", needs=["multi_task"], on="large")
    @row("small.multi_task", needs=["multi_task"], on="small")
    def with_two_heads(self, on: str) -> Measure:
        """Section 4; Table 2, last row, and section 6 for the large set."""
        return self.accuracy(self.multi_task_scores(on), self.sets(on).test.labels)

    @row("small.alone", needs=["small.temporal.scratch.l10"], start="scratch")
    @row("small.fine_tune", needs=["temporal.l10", "small.temporal.fine_tune.l10"], start="fine_tune")
    def alone_or_fine_tuned(self, start: str) -> Measure:
        """Table 2, the first two rows."""
        return self.accuracy(self.temporal_scores(on="small", start=start), self.small.test.labels)

    @row("small.added_classes")
    def added_classes(self) -> Measure:
        """Table 2, third row: one task out of the small set and the classes that only the large one has."""
        view = self.flow_view()
        both = two_stream.AddedClasses(self.small.train.map(view.train), self.large.train.map(view.train))
        own = len(self.small.test.classes)
        network = self._temporal_network("l10", len(both.classes))
        recipe, order = self.recipe(longer=len(both.classes) / own), uniform_over_classes(both.labels)
        network = self.train("small.added_classes", network, classification_loss, both, recipe, order=order)
        of_small = {"forward": lambda network, views: network(views)[:, :own]}
        scores = self._scores("small.added_classes", network, view, self.small.test, **of_small)
        return self.accuracy(scores, self.small.test.labels)

    # --- Tables 3 and 4: both streams together

    @row("fusion.average", needs=["spatial.*", "temporal.l10"], name="l10")
    @row("fusion.bidir", needs=["spatial.*", "temporal.bidir"], name="bidir")
    def table_3(self, name: str) -> Measure:
        """Table 3: the scores of the best spatial network and of a temporal one, averaged."""
        both = two_stream.average_fusion(self.spatial_scores(self.best_spatial()), self.temporal_scores(name))
        return self.accuracy(both, self.large.test.labels)

    @row("fusion.multi_task", needs=["spatial.*", "multi_task"], way="average")
    @row("fusion.multi_task_svm", needs=["spatial.*", "multi_task"], way="svm")
    def table_3_multi_task(self, way: str) -> Measure:
        """Table 3, the last two rows: the temporal stream has learned from both sets."""
        return self.accuracy(self._stream(way), self.large.test.labels)

    @row(
        "splits.spatial",
        metrics=["splits.spatial", "splits.small_spatial"],
        splits=SPLITS,
        needs=["spatial.*", "small.spatial.*"],
        way="spatial",
    )
    @row(
        "splits.temporal",
        metrics=["splits.temporal", "splits.small_temporal"],
        splits=SPLITS,
        needs=["multi_task"],
        way="temporal",
    )
    @row(
        "splits.average",
        metrics=["splits.average", "splits.small_average"],
        splits=SPLITS,
        needs=["spatial.*", "small.spatial.*", "multi_task"],
        way="average",
    )
    @row(
        "splits.svm",
        metrics=["splits.svm", "splits.small_svm"],
        splits=SPLITS,
        needs=["spatial.*", "small.spatial.*", "multi_task"],
        way="svm",
    )
    def table_4(self, way: str) -> dict[str, Measure]:
        """Table 4, the four rows of the paper's own, on both sets; the lab averages over the splits."""
        return {
            f"splits.{prefix}{way}": self.accuracy(self._stream(way, on), self.sets(on).test.labels)
            for on, prefix in (("large", ""), ("small", "small_"))
        }

    def _stream(self, way: str, on: str = "large") -> Tensor:
        """Scores ``(N, K)`` of the test clips by one stream, by the average of both, or by an SVM on both."""

        def spatial(part: str = "test") -> Tensor:
            return self.spatial_scores(self.best_spatial(), part, on)

        temporal = partial(self.multi_task_scores, on)
        if way in ("spatial", "temporal"):
            return spatial() if way == "spatial" else temporal()
        if way == "average":
            return two_stream.average_fusion(spatial(), temporal())
        sets = self.sets(on)
        held_out = [spatial("held_out"), temporal("held_out")]
        return two_stream.svm_fusion(held_out, sets.held_out.labels, [spatial(), temporal()], seed=self.seed)

    # --- before anything starts

    def lacking(self, rows: Sequence[Row]) -> Iterator[str]:
        """Videos, flow and weights that rows need and that are not there."""
        yield from super().lacking(rows)
        needs = {name for declared in rows for name in declared.needs}
        pre_trained = any("spatial" in name and "scratch" not in name for name in needs)
        if pre_trained and not self.imagenet_weights.exists():
            yield f"{self.imagenet_weights} must hold a CNN-M-2048 trained on ImageNet; there is no such file"
        if any(declared.name == "spatial.lite0_last_layer" or "length" in declared.name for declared in rows):
            yield from unavailable(efficientnet_lite0)
        if self.dataset != "world" and any("spatial" not in name and name != "slow_fusion" for name in needs):
            backward = any("bidir" in name for name in needs)
            for_small = any(name.startswith(("small", "multi_task")) for name in needs)
            for folder in ("ucf101", "hmdb51")[: 1 + for_small]:
                yield from lacking_flow(Path(self.data_root, folder), backward=backward and folder == "ucf101")
