"""The experiments of Giel and Diaz, 2015: their tables and Figure 7, what they dropped, and what they name as next.

The data set is UCF101, or eighteen actions of the lab's world in three families, which differ in what a single frame
reveals (`FAMILIES`). A quarter of the training clips of each class, whole groups of them, is for validation: it chooses
learning rate and weight decay. With the best of them each model is trained several times, and a result is the mean.
"""

import contextlib
import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from labkit import metrics
from labkit.backbones.codes import Codes, FrameCoder, storage_table
from labkit.clips import Clips
from labkit.papers import frame_rnn
from labkit.studies.code_metrics import class_clustering, instability, one_of_each_group, order_scores
from labkit.studies.conditions import under
from labkit.studies.families import FAMILIES
from labkit.studies.frame_codes import LAYERS, ORDERED, SUBSETS, FrameCodes, Scale, Setting
from labkit.studies.preflight import lacking_flow
from labkit.studies.rows import Measure, Row, mean_of, per_clip, row
from labkit.studies.study import unavailable
from labkit.training import Recipe, evaluate

STAGES = ("original", "frames", "codes")
FOUR_MODELS = ("average", "rnn", "lstm", "birnn")  # of the table of results
ONE = ((1.0, 0.0),)  # setting: learning rate as in the recipe, no weight decay
FOUR = ((1.0, 0.0), (3.0, 0.0), (1.0, 0.01), (3.0, 0.01))


def both(name: str) -> list[str]:
    """Names of the two metrics of most rows."""
    return [f"{name}.validation", f"{name}.test"]


class FrameRNN(FrameCodes):
    """All rows of the paper's tables."""

    paper = "frame_rnn"
    version = 4
    painted = True
    scales: ClassVar[Mapping[str, Scale]] = {
        "smoke": Scale(6, 1, 20, ONE, 1, 2, 2, enlarged=32),
        "lesson": Scale(24, 2, None, ONE, 1, 400, 16),
        "study": Scale(36, 2, None, FOUR, 3, 400, 16, test_groups=36),
        "paper": Scale(36, 2, None, FOUR, 3, 4600, 16, enlarged=224),
    }

    # --- training

    def reader(self, model: str, kind: str = "", setting: Setting = ONE[0], start: int = 0) -> nn.Module:
        """A trained model.

        Args:
            model: its name in `labkit.papers.frame_rnn.Models`.
            kind: of its `codes`; those of the studied network if empty.
            setting: learning rate and weight decay.
            start: number of the training, for other initial weights and another order of the clips.
        """
        kind = kind or self.own
        codes, seed = self.codes(kind), 100 * self.seed + start
        inputs, labels = (values.to(self.torch_device) for values in (codes.validation.codes, codes.validation.labels))
        models = frame_rnn.frame_rnn_models(len(codes.test.classes), inputs.shape[-1], size=self.size, seed=seed)
        recipe = self.recipe(setting, seed)
        with self._few_threads():
            return self.train(
                self._name(model, kind, setting, start),
                getattr(models, model),
                frame_rnn.loss,
                codes.train,
                recipe,
                watch=lambda network: {"validation": metrics.accuracy(network(inputs), labels)},
                every=max(10, recipe.steps // 100),
                workers=0,  # codes are in memory already
            )

    def recipe(self, setting: Setting = ONE[0], seed: int = 0) -> Recipe:
        """The recipe of this scale for models on codes."""
        recipe = frame_rnn.RECIPES[self.size]
        options = {"lr": setting[0] * recipe["options"]["lr"], "weight_decay": setting[1]}
        return Recipe(**{**recipe, "options": options, "steps": self.scale.steps or recipe["steps"], "seed": seed})

    @staticmethod
    def _name(model: str, kind: str, setting: Setting, start: int) -> str:
        return f"{model}.{kind}.lr{setting[0]:g}_decay{setting[1]:g}.start{start}"

    @contextlib.contextmanager
    def _few_threads(self) -> Iterator[None]:
        """A single thread for tiny models: to share so little work takes longer than to do it."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1 if self.size == "tiny" else threads)
        try:
            yield
        finally:
            torch.set_num_threads(threads)

    def setting(self, model: str, kind: str = "") -> Setting:
        """Learning rate and weight decay with the best accuracy on the validation clips."""
        codes = self.codes(kind).validation
        return max(
            self.scale.settings,
            key=lambda setting: (
                self.mean_accuracy([self.reader(model, kind, setting)], codes.codes, codes.labels).value
            ),
        )

    def readers(self, model: str, kind: str = "") -> list[Any]:
        """A model with its best setting, trained once from each start."""
        setting = self.setting(model, kind)
        return [self.reader(model, kind, setting, start) for start in range(self.scale.starts)]

    def curve(self, model: str) -> tuple[list[float], list[float]]:
        """Epochs, and the fraction of validation clips classified correctly there, while a model was trained."""
        self.readers(model)
        steps = self.curves[self._name(model, self.own, self.setting(model), 0)]
        per_epoch = len(self.codes().train) / self.recipe().batch
        return [step.step / per_epoch for step in steps], [step.shown["validation"] for step in steps]

    def fine_tuned(self) -> frame_rnn.FineTuned:
        """The network and the RNN that reads its codes, trained further together: more steps than the RNN alone had."""
        model = frame_rnn.FineTuned(copy.deepcopy(self.alexnet), copy.deepcopy(self.readers("rnn", "fc7")[0]))
        length: dict[str, Any] = {"steps": self.scale.tuning_steps, "batch": self.scale.tuning_batch}
        recipe = replace(self.recipe(seed=self.seed), options={"lr": 1e-4}, **length)
        frames = self.clips.train.map(lambda clip: (clip.frames(frame_rnn.sample_frames(clip)), clip.label))
        return self.train("rnn.fine_tuned", model, frame_rnn.loss, frames, recipe)

    def alexnet_for(self, kind: str) -> FrameCoder:
        """See `FrameCodes`; ``"fine_tuned"`` after training."""
        return (
            replace(self.alexnet, network=self.fine_tuned().backbone)
            if kind == "fine_tuned"
            else super().alexnet_for(kind)
        )

    def mean_accuracy(self, readers: Sequence[nn.Module], codes: Tensor, labels: Tensor) -> Measure:
        """Percent of clips that are classified correctly by their codes ``(N, T, D)``, the mean over models."""
        return mean_of([self.accuracy(scores_of(reader, codes), labels) for reader in readers])

    # --- the table of results, and what was tried or is named as next

    def _both(self, metrics: Sequence[str], readers: Sequence[nn.Module], kind: str = "") -> dict[str, Measure]:
        parts = zip(metrics, self.codes(kind)[1:], strict=True)
        return {metric: self.mean_accuracy(readers, codes.codes, codes.labels) for metric, codes in parts}

    @row("average", metrics=both("average"), needs=["average.fc7.*"], model="average")
    @row("rnn", metrics=both("rnn"), needs=["rnn.fc7.*"], model="rnn")
    @row("lstm", metrics=both("lstm"), needs=["lstm.fc7.*"], model="lstm")
    @row("birnn", metrics=both("birnn"), needs=["birnn.fc7.*"], model="birnn")
    @row("conv1d", metrics=both("conv1d"), needs=["conv1d.fc7.*"], model="conv1d")
    @row("rnn2", metrics=both("rnn2"), needs=["rnn2.fc7.*"], model="rnn2")
    @row("birnn_lstm", metrics=both("birnn_lstm"), needs=["birnn_lstm.fc7.*"], model="birnn_lstm")
    def results(self, model: str) -> dict[str, Measure]:
        """The table of results; the 1-D convolution they dropped; two layers, and both directions with LSTM layers."""
        return self._both(both(model), self.readers(model))

    @row("lite0.average", metrics=both("lite0.average"), needs=["average.lite0.*"], model="average")
    @row("lite0.rnn", metrics=both("lite0.rnn"), needs=["rnn.lite0.*"], model="rnn")
    @row("lite0.lstm", metrics=both("lite0.lstm"), needs=["lstm.lite0.*"], model="lstm")
    @row("lite0.birnn", metrics=both("lite0.birnn"), needs=["birnn.lite0.*"], model="birnn")
    def other_network(self, model: str) -> dict[str, Measure]:
        """Ours: codes of EfficientNet-Lite0, which has seen ImageNet."""
        return self._both(both(f"lite0.{model}"), self.readers(model, "lite0"), "lite0")

    @row("rnn.fc6", metrics=["rnn.fc6_validation", "rnn.fc6"], needs=["rnn.fc6.*"], kind="fc6")
    @row("rnn.pool5", metrics=["rnn.pool5_validation", "rnn.pool5"], needs=["rnn.pool5.*"], kind="pool5")
    def lower_layers(self, kind: str) -> dict[str, Measure]:
        """Section "Future Work": codes from lower layers."""
        return self._both([f"rnn.{kind}_validation", f"rnn.{kind}"], self.readers("rnn", kind), kind)

    @row("augmented", metrics=both("augmented"), needs=["rnn.augmented.*"], kind="augmented")
    @row("flow", metrics=both("flow"), needs=["rnn.flow.*"], kind="flow")
    def other_inputs(self, kind: str) -> dict[str, Measure]:
        """Section "Future Work": crops, hue, contrast and noise; optical flow, which is an image to the CNN."""
        return self._both(both(kind), self.readers("rnn", kind), kind)

    @row("dual", metrics=both("dual"), needs=["rnn.fc7.*", "rnn.flow.*"])
    def dual_stream(self) -> dict[str, Measure]:
        """Section "Future Work": an RNN on frames and one on flow, averaged."""
        readers = zip(self.readers("rnn", "fc7"), self.readers("rnn", "flow"), strict=True)
        streams = [frame_rnn.DualStream(*pair) for pair in readers]
        return {
            metric: self.mean_accuracy(streams, torch.stack([frames.codes, flow.codes], dim=1), frames.labels)
            for metric, frames, flow in zip(both("dual"), self.codes("fc7")[1:], self.codes("flow")[1:], strict=True)
        }

    @row("fine_tuned", metrics=both("fine_tuned"), needs=["rnn.fc7.*", "rnn.fine_tuned"])
    def with_fine_tuned_network(self) -> dict[str, Measure]:
        """Section "Future Work": the CNN is trained, too; from one start only."""
        return self._both(both("fine_tuned"), [self.fine_tuned().head], "fine_tuned")

    @row("rnn.train", needs=["rnn.fc7.*"])
    def overfitting(self) -> Measure:
        """Section "Results": do the best settings overfit the training clips?"""
        train = self.codes().train
        return self.mean_accuracy(self.readers("rnn"), train.codes, train.labels)

    @row("rnn.spread", needs=["rnn.fc7.*"], model="rnn")
    @row("conv1d.spread", needs=["conv1d.fc7.*"], model="conv1d")
    def fluctuation(self, model: str) -> Measure:
        """Section "Models": the validation accuracy of the convolution fluctuated drastically."""
        return Measure(100 * instability(self.curve(model)[1]))

    # --- where the order of the frames matters: families of the world

    @row("average.appearance", needs=["average.fc7.*"], datasets=["world"], model="average")
    @row("rnn.appearance", needs=["rnn.fc7.*"], datasets=["world"], model="rnn")
    @row("lstm.appearance", needs=["lstm.fc7.*"], datasets=["world"], model="lstm")
    @row("birnn.appearance", needs=["birnn.fc7.*"], datasets=["world"], model="birnn")
    def on_appearance(self, model: str) -> Measure:
        """Ours: classes that one frame reveals, all classes as possible answers."""
        return self.on_family(model, "appearance")

    def on_family(self, model: str, family: str) -> Measure:
        """Percent of the test clips of a family that are classified correctly, all classes as possible answers."""
        test = self.codes().test.subset(self.rows_of(self.codes().test, family))
        return self.mean_accuracy(self.readers(model), test.codes, test.labels)

    @row("average.order", needs=["average.fc7.*"], datasets=["world"], model="average")
    @row("rnn.order", needs=["rnn.fc7.*"], datasets=["world"], model="rnn")
    @row("lstm.order", needs=["lstm.fc7.*"], datasets=["world"], model="lstm")
    @row("birnn.order", needs=["birnn.fc7.*"], datasets=["world"], model="birnn")
    def in_order(self, model: str) -> Measure:
        """Ours: which of two classes that are each other reversed?"""
        pairs, test = self.labels_of("reversed").reshape(-1, 2), self.codes().test
        scores = (order_scores(scores_of(reader, test.codes), test.labels, pairs) for reader in self.readers(model))
        return mean_of([per_clip(right) for right in scores])

    @row("average.app6", needs=["average.app6.*"], datasets=["world"], model="average")
    @row("rnn.app6", needs=["rnn.app6.*"], datasets=["world"], model="rnn")
    @row("lstm.app6", needs=["lstm.app6.*"], datasets=["world"], model="lstm")
    @row("birnn.app6", needs=["birnn.app6.*"], datasets=["world"], model="birnn")
    def appearance_alone(self, model: str) -> Measure:
        """Ours: trained and tested on the six appearance classes alone, as UCF101 is according to the paper."""
        test = self.codes("app6").test
        return self.mean_accuracy(self.readers(model, "app6"), test.codes, test.labels)

    @under("frame_rnn", "order", 0, needs=["*.ordered0.*"])
    @under("frame_rnn", "order", 0.17, needs=["*.ordered2.*"])
    @under("frame_rnn", "order", 0.33, needs=["*.ordered4.*"])
    def share_of_order(self, order: float) -> dict[str, Measure]:
        """Ours: trained and tested on twelve classes, of which a fraction differ from another in order alone.

        One training with one setting in every profile, as in a lesson: three values take twelve of them. The control
        reads codes that do not know postures.
        """
        kind, blind = f"ordered{ORDERED[f'{order:g}']}", self.sibling(source="things")

        def accuracy(study: FrameRNN, model: str) -> Measure:
            test = study.codes(kind).test
            return self.mean_accuracy([study.reader(model, kind)], test.codes, test.labels)

        return {
            **{f"condition.order.{order:g}.{model}": accuracy(self, model) for model in FOUR_MODELS},
            **{f"condition.order.{order:g}.{model}_things": accuracy(blind, model) for model in ("average", "rnn")},
        }

    # --- what codes are, before anything is trained

    @row("storage", metrics=[f"storage.{name}" for name in STAGES], needs=[])
    def storage(self) -> dict[str, Measure]:
        """Section "Data Processing": the table of what a clip takes on disk."""
        test = self.codes().test
        stages = storage_table(self.clips.test[0], test.indices[0], test.codes[0])
        return {f"storage.{name}": Measure(s.megabytes) for name, s in zip(STAGES, stages, strict=True)}

    @row("cluster", metrics=["cluster.same", "cluster.chance"], needs=[])
    def clusters(self) -> dict[str, Measure]:
        """Section "Conclusions", Figure 7: do the mean codes cluster by class?"""
        codes = one_of_each_group(Codes.concatenate(self.codes()))
        same, chance = class_clustering(codes.codes, codes.labels)
        found = per_clip(same)._replace(hits=None)  # a clip of each class and group, not the clips of a set
        return {"cluster.same": found, "cluster.chance": Measure(100 * chance)}

    # --- what the rows are about, and what they lack

    def clips_of(self, metric: str) -> tuple[Sequence[Clips], Sequence[Clips]]:
        """Training or validation clips where a metric is about them, a family of the clips, or all of them."""
        train, validation, test = self.clips
        if metric.startswith("condition."):
            names = SUBSETS[f"ordered{ORDERED[metric.removeprefix('condition.order.').rpartition('.')[0]]}"]
            return [of_classes(train, names)], [of_classes(test, names)]
        if metric.startswith(("storage.", "cluster.")):
            return [], list(self.clips) if metric.startswith("cluster.") else [test]
        if metric.endswith((".train", "validation", ".spread")):
            return [train], [train if metric.endswith(".train") else validation]
        family = {"order": "reversed", "appearance": "appearance", "app6": "appearance"}.get(metric.split(".")[1])
        names = FAMILIES[family] if family else test.classes
        return [of_classes(train, names) if metric.endswith(".app6") else train], [of_classes(test, names)]

    def lacking(self, rows: Sequence[Row]) -> Iterator[str]:
        """Videos, weights, codes and flow that rows need and that are missing or wrong."""
        yield from super().lacking(rows)
        needs = {name for declared in rows for name in declared.needs}
        kinds = {"fc7", *(name.split(".")[1] for name in needs)} & set(LAYERS[self.size])
        extracted = [kind for kind in kinds if self.size == "paper" and self._extracted(kind, "train").exists()]
        if any(".lite0." in name for name in needs):
            yield from unavailable(lambda: self.lite0.source())
        yield from unavailable(lambda: self.coder.source(), *(partial(self.codes, kind) for kind in extracted))
        if "rnn.flow.*" in needs and self.dataset != "world":
            yield from lacking_flow(Path(self.data_root, self.dataset))


def of_classes(clips: Clips, names: Sequence[str]) -> Clips:
    """The clips of some classes; labels stay what they were."""
    wanted = torch.tensor([clips.classes.index(name) for name in names])
    return clips.subset(torch.isin(clips.labels, wanted).nonzero().flatten())


def scores_of(model: nn.Module, codes: Tensor) -> Tensor:
    """Class probabilities ``(N, K)`` of clips by their codes ``(N, T, D)``."""
    return evaluate(model, iter([(codes[:, None], torch.zeros(len(codes)))]), progress=False).videos
