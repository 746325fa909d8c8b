"""The experiments of chapter 4 of Ng's thesis: Tables 4.1 to 4.3, Figures 4.4 to 4.7, and what else the text measures.

A linear probe of frozen networks, and errors of flow on the moving puppet apart from the rest of the frame, are ours.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from labkit import flow, world
from labkit.attribution import occluded_confidences, square_corners
from labkit.claims import ledger
from labkit.clips import Clip, Clips
from labkit.papers import action_flow_net as afn
from labkit.studies.action_flow_models import FLOW_NETS, MODELS, ActionFlowModels, Scale
from labkit.studies.conditions import metrics_at, under
from labkit.studies.cost import count_calls, count_parameters, time_ratio
from labkit.studies.families import FAMILIES, rows_of
from labkit.studies.flow_errors import (
    Estimate,
    FlowErrors,
    at_half_size,
    flow_and_mask,
    flow_errors,
    frames_and_flow,
    frames_flow_and_mask,
    full_flow,
    middle,
    no_motion,
    region_errors,
    without_learning,
)
from labkit.studies.moving import covered, moving_pixels
from labkit.studies.preflight import lacking_flow
from labkit.studies.probe import probe
from labkit.studies.rows import Measure, Row, per_clip, row
from labkit.studies.study import unavailable
from labkit.views import RGB
from labkit.views.crops import centre_crop

WORLD = ("world",)
STAGES = ("res2", "res3", "res4", "res5")
FROZEN: Mapping[str, str] = {
    "random": "random weights, 2 frames",
    "chairs": "FlowNet of chairs, 2 frames",
    "target": "FlowNet of the target videos, 2 frames",
    "target_multi": "FlowNet of the target videos, many frames",
    "stills": "knows things from photos, 1 frame",
    "postures": "knows postures from photos, 1 frame",
}
"""Networks that have met no label of an action, whose features are probed; in words."""

FUTURES = ("net", "zero", "copy", "own_copy")
"""Flow to the frame never shown: the network's, none, the known field before it, the network's own field before it."""

ESTIMATORS: Mapping[str, str] = {
    "target": "FlowNet, target videos",
    "chairs": "FlowNet, chairs",
    "target_multi": "FlowNet, many frames",
    "tvl1": "TV-L1",
    "dis": "DIS",
    "farneback": "Farneback",
    "zero": "nothing moves",
    "half": "exact, at half size",
}
"""Whose flow is measured on the puppet and elsewhere: FlowNets, estimators without learning, no motion, and exact flow
at half the resolution, the best that tiny FlowNets could do; in words."""


LENGTHENED = tuple(ledger()["action_flow_net"].conditions["length"].systems)
"""Networks that are trained longer as well."""

OF_LENGTH = ("flow_net.target", *(f"{name}.large*" for name in LENGTHENED))


def of(flow_net: str, name: str, on: str = "large") -> list[str]:
    """What a row of a network needs that starts from a FlowNet; those of tiny networks come with the lab."""
    return [f"flow_net.{flow_net}", f"{name}.{on}"]


def of_families(name: str, needs: Sequence[str], mark: str = ".") -> dict[str, Any]:
    """What a row has that measures the three families of the world's actions."""
    metrics = [f"{name}{mark}{family}" for family in FAMILIES]
    return {"name": name, "metrics": metrics, "needs": needs, "datasets": WORLD}


class AFN(ActionFlowModels):
    """All rows of the chapter's tables."""

    paper = "action_flow_net"
    version = 6
    networks = ("resnet18",)
    scales: ClassVar[Mapping[str, Scale]] = {
        "smoke": Scale(9, (10, 4), 1, 0.0, 6, 10, "dis", 1, True, 8),
        "lesson": Scale(30, (10, 4), 1, 0.5, None, 100, "tvl1", 5, True, 8),
        "study": Scale(30, (10, 4), 5, 1.0, None, 300, "tvl1", 5, True, 8),
        "paper": Scale(30, (10, 4), 1, 1.0, None, 300, "", 25, False, 1),
    }

    # --- Tables 4.1 to 4.3: accuracy

    @row("scratch.large", name="scratch")
    @row("fine_tune.large", name="fine_tune", needs=of("target", "fine_tune"))
    @row("stacked.large", name="stacked", needs=of("target", "stacked"))
    @row("stacked_upsampled.large", name="stacked_upsampled", needs=of("target", "stacked_upsampled"))
    @row("stacked_chairs.large", name="stacked_chairs", needs=of("chairs", "stacked_chairs"))
    @row("multi2.large", name="multi2", needs=of("target", "multi2"))
    @row("multi2_chairs.large", name="multi2_chairs", needs=of("chairs", "multi2_chairs"))
    @row("images.large", name="images")
    @row("images_postures.large", name="images_postures", datasets=WORLD)
    @row("given_flow.large", name="given_flow")
    @row("scratch16.large", name="scratch16")
    @row("fine_tune16.large", name="fine_tune16", needs=of("target_multi", "fine_tune16"))
    @row("multi16.large", name="multi16", needs=of("target_multi", "multi16"))
    @row("scratch.small", name="scratch", on="small", needs=["scratch.*"])
    @row("fine_tune.small", name="fine_tune", on="small", needs=of("target", "fine_tune", "*"))
    @row("stacked.small", name="stacked", on="small", needs=of("target", "stacked", "*"))
    @row("multi2.small", name="multi2", on="small", needs=of("target", "multi2", "*"))
    @row("multi2_chairs.small", name="multi2_chairs", on="small", needs=of("chairs", "multi2_chairs", "*"))
    @row("images.small", name="images", on="small", needs=["images.*"])
    @row("fine_tune16.small", name="fine_tune16", on="small", needs=of("target_multi", "fine_tune16", "*"))
    @row("multi16.small", name="multi16", on="small", needs=of("target_multi", "multi16", "*"))
    def table_4_1(self, name: str, on: str = "large") -> Measure:
        """Section 4.4.3, Table 4.1; Stacked as in section 4.3.3.1 and Table 4.3, and given flow, Table 4.3."""
        return self.accuracy(self.model_scores(name, on), self.sets(on).test.labels)

    @row("exact_flow", metrics=["exact_flow.large", "epe.exact"], needs=["exact_flow.large"], datasets=WORLD)
    def exact_flow(self) -> dict[str, Measure]:
        """Ours: the flow that is given to a network is no estimate, but exact."""
        return {"exact_flow.large": self.table_4_1("exact_flow"), "epe.exact": Measure(0.0)}

    @row("scratch.train", name="scratch", needs=["scratch.large"])
    @row("fine_tune.train", name="fine_tune", needs=of("target", "fine_tune"))
    @row("multi2.train", name="multi2", needs=of("target", "multi2"))
    @row("images.train", name="images", needs=["images.large"])
    @row("scratch16.train", name="scratch16", needs=["scratch16.large"])
    @row("fine_tune16.train", name="fine_tune16", needs=of("target_multi", "fine_tune16"))
    @row("multi16.train", name="multi16", needs=of("target_multi", "multi16"))
    def on_training_clips(self, name: str) -> Measure:
        """Ours: does a network recognise the clips that it has been trained on?"""
        return self.accuracy(self.model_scores(name, part="train"), self.large.train.labels)

    # --- Figure 4.6: which actions gain

    @row("fine_tune.families", **of_families("fine_tune", of("target", "fine_tune")))
    @row("multi2.families", **of_families("multi2", of("target", "multi2")))
    @row("images.families", **of_families("images", ["images.large"]))
    @row("images_postures.families", **of_families("images_postures", ["images_postures.large"]))
    @row("scratch16.families", **of_families("scratch16", ["scratch16.large"]))
    @row("multi16.families", **of_families("multi16", of("target_multi", "multi16")))
    def figure_4_6(self, name: str) -> dict[str, Measure]:
        """Section 4.4.3.3, Figure 4.6, summed up: actions that a frame tells, motion tells, or order tells."""
        return {f"{name}.{family}": measure for family, measure in self.by_family(self.model_scores(name)).items()}

    def by_family(self, scores: Tensor) -> dict[str, Measure]:
        """Accuracy on the test clips of the large set, by family of the world's actions; of real videos, on all."""
        test = self.large.test
        hits = scores.argmax(dim=1) == test.labels  # (N,)
        if self.dataset != "world":
            return {"all classes": per_clip(hits)}
        return {family: per_clip(hits[rows_of(test, family)]) for family in FAMILIES}

    @under("action_flow_net", "length", 1, needs=OF_LENGTH)
    @under("action_flow_net", "length", 2.5, needs=OF_LENGTH)
    def lengths(self, length: float) -> dict[str, Measure]:
        """Ours: networks learn actions longer, by a factor on their steps; in time, frames teach postures, too."""
        labels = self.large.test.labels
        return {
            metric: self.accuracy(self.model_scores(name, longer=length), labels)
            for name, metric in zip(LENGTHENED, metrics_at(self.paper, "length", length), strict=True)
        }

    # --- a linear probe: what frozen features know of the actions

    @row("probe.random", name="random", needs=[])
    @row("probe.chairs", name="chairs", needs=["flow_net.chairs"])
    @row("probe.target", name="target", needs=["flow_net.target"])
    @row("probe.target_multi", name="target_multi", needs=["flow_net.target_multi"])
    @row("probe.stills", name="stills", needs=[])
    @row("probe.postures", name="postures", needs=[], datasets=WORLD)
    def probed(self, name: str) -> Measure:
        """Section 4.3.2: a network trained for flow "should encode motion information in intermediate levels"."""
        return self.accuracy(self.probe_scores(name), self.large.test.labels)

    @row("probe.random.families", **of_families("probe.random", [], mark="_"))
    @row("probe.chairs.families", **of_families("probe.chairs", ["flow_net.chairs"], mark="_"))
    @row("probe.target.families", **of_families("probe.target", ["flow_net.target"], mark="_"))
    @row("probe.target_multi.families", **of_families("probe.target_multi", ["flow_net.target_multi"], mark="_"))
    @row("probe.stills.families", **of_families("probe.stills", [], mark="_"))
    @row("probe.postures.families", **of_families("probe.postures", [], mark="_"))
    def probed_families(self, name: str) -> dict[str, Measure]:
        """The same by family."""
        measures = self.by_family(self.probe_scores(name.removeprefix("probe.")))
        return {f"{name}_{family}": measure for family, measure in measures.items()}

    def probe_scores(self, name: str, stage: str = "res5") -> Tensor:
        """Scores ``(N, K)`` of the test clips of the large set by a linear classifier on features of a stage."""
        train, test = (self.features(name, part)[stage] for part in ("train", "test"))
        return probe(train, self.large.train.labels, test, len(self.large.test.classes))

    def features(self, name: str, part: str) -> dict[str, Tensor]:
        """Features ``(N, C)`` of clips by stage: means of feature maps of a frozen network, see `FROZEN`."""
        untrained = {"random": "scratch", "stills": "images", "postures": "images_postures"}.get(name, "")
        network = self.untrained(untrained) if untrained else self.flow_net(name)
        sees = MODELS[untrained].sees if untrained else FLOW_NETS[name]
        views = getattr(self.large, part).map(self.test_view(sees))
        means = {"forward": mean_feature_maps, "to_scores": nn.Identity(), "batch": self.scale.videos}
        stacked = self.scores(f"features.{part}.{name}", network.to(self.torch_device), views, **means)
        return dict(zip(STAGES, stacked.split(network.encoder.channels[1:], dim=1), strict=True))

    # --- flow: who estimates it how well, what is foreseen, what is forgotten

    def estimator(self, name: str) -> Estimate:
        """Who estimates flow: a FlowNet, a network that has learned actions, or a function of `labkit.flow`."""
        if name == "zero":
            return no_motion
        if name not in FLOW_NETS and name not in MODELS:
            return without_learning(getattr(flow, name))
        network = self.flow_net(name) if name in FLOW_NETS else self.model(name).eval()
        return partial(full_flow, network, multiple=self.multiple)

    def sees(self, name: str) -> str:
        """What an `estimator` or a network sees, see `Model`."""
        return FLOW_NETS.get(name) or (MODELS[name].sees if name in MODELS else "two_frame")

    def errors(self, name: str, on: str = "") -> FlowErrors:
        """End-point errors of an `estimator` on a set of pairs, as they are, or on the test clips of the large set."""
        view, clips, batch = self.view(self.sees(name)), self.large.test, self.flow_batch
        if on:
            view, clips = replace(view, short_side=None), self.pairs(on)
            batch = 16 if isinstance(clips, world.PuppetClips) else 1
        if self.sees(name) == "multi_frame":
            batch = max(batch // 2, 1)
        seen = clips.map(partial(frames_and_flow, view))

        def measured() -> dict[str, Tensor]:
            return flow_errors(self.estimator(name), seen, batch)._asdict()

        return FlowErrors(**self.compute(f"flow_errors.{on.replace(' ', '_') or 'test'}.{name}", measured))

    def error(self, name: str, on: str = "") -> Measure:
        """The mean of `errors` over all fields."""
        return Measure(float(self.errors(name, on).estimate.mean()))

    @row("epe.before", needs=["flow_net.target"], name="target")
    @row("epe.after", needs=of("target", "fine_tune"), name="fine_tune")
    @row("lambda_epe.1", needs=of("target", "multi2"), name="multi2")
    def forgetting(self, name: str) -> Measure:
        """Section 4.3.2: is flow forgotten when actions are learned?"""
        return self.error(name)

    @row("lambda_0.1", metrics=["lambda_accuracy.0.1", "lambda_epe.0.1"], needs=of("target", "lambda_0.1"), weight=0.1)
    @row("lambda_10", metrics=["lambda_accuracy.10", "lambda_epe.10"], needs=of("target", "lambda_10"), weight=10)
    def weights_of_flow(self, weight: float) -> dict[str, Measure]:
        """Ours: how much flow should count, lambda of eq. (4.4)."""
        name = f"lambda_{weight}"
        return {f"lambda_accuracy.{weight}": self.table_4_1(name), f"lambda_epe.{weight}": self.error(name)}

    @row("epe", metrics=["epe.chairs", "epe.target"], needs=["flow_net.chairs", "flow_net.target"])
    def table_4_3(self) -> dict[str, Measure]:
        """Section 4.4.4, Table 4.3: flow on videos of another kind."""
        return {f"epe.{name}": self.error(name, self.elsewhere) for name in ("chairs", "target")}

    @row("epe.given", needs=[])
    def error_of_given_flow(self) -> Measure:
        """Table 4.3, last row: the estimator whose flow is given to a network."""
        return self.error(self.given_by, self.elsewhere)

    @property
    def given_by(self) -> str:
        """The function of `labkit.flow` whose flow is given to a network; of real videos, that of their store."""
        name = self.scale.estimator if self.dataset == "world" else getattr(self.large.train, "flow_estimator", None)
        if not name:
            raise ValueError(f"the flow store of {self.dataset} must name its estimator; got none: extract flow again")
        return name

    @property
    def comparable(self) -> tuple[str, ...]:
        """Rows about flow of pairs that can be measured on what is there."""
        rows = {"small_epe": "small motion", "epe": self.elsewhere, "epe.given": self.elsewhere}
        return tuple(
            name
            for name, on in rows.items()
            if on in self.pair_sets and self.rows()[name].is_measured_on(self.dataset, self.split)
        )

    @row("small_epe", metrics=["small_epe.chairs", "small_epe.target"], needs=["flow_net.*"], datasets=WORLD)
    def figure_4_7(self) -> dict[str, Measure]:
        """Section 4.4.4, Figure 4.7: flow of a small motion."""
        return {f"small_epe.{name}": self.error(name, "small motion") for name in ("chairs", "target")}

    @row("future", metrics=[f"future_epe.{guess}" for guess in FUTURES], needs=["flow_net.target_multi"])
    def figure_4_5(self) -> dict[str, Measure]:
        """Section 4.4.3.2, Figure 4.5: the last field, to a frame never shown, beside simple guesses."""
        last = [float(values[-1]) for values in self.errors("target_multi")]
        return {f"future_epe.{guess}": Measure(value) for guess, value in zip(FUTURES, last, strict=True)}

    @row(
        "puppet_epe",
        metrics=[f"puppet_epe.{name}" for name in ESTIMATORS],
        needs=["flow_net.*"],
        datasets=WORLD,
        where=0,
    )
    @row("rest_epe", metrics=[f"rest_epe.{name}" for name in ESTIMATORS], needs=["flow_net.*"], datasets=WORLD, where=1)
    def errors_somewhere(self, where: int) -> dict[str, Measure]:
        """Ours: errors on the puppet and its things, or elsewhere, where only the camera moves things."""
        part = ("puppet", "rest")[where]
        return {f"{part}_epe.{name}": Measure(self.errors_by_region(name)[where]) for name in ESTIMATORS}

    def errors_by_region(self, name: str) -> tuple[float, float]:
        """Mean end-point error on the puppet and its things, and elsewhere, on the test clips of the world."""
        view, half = self.view(self.sees(name)), name == "half"
        seen = self.large.test.map(partial(flow_and_mask if half else frames_flow_and_mask, view))

        def measured() -> dict[str, Tensor]:
            return {"errors": region_errors(at_half_size if half else self.estimator(name), seen)}

        puppet, rest = self.compute(f"region_errors.{name}", measured)["errors"].tolist()
        return puppet, rest

    # --- Figure 4.4: where a black square costs confidence

    @property
    def square(self) -> dict[str, int]:
        """The black square: its side, and how far it moves each time."""
        return {"side": 56, "stride": 16} if self.size == "paper" else {"side": 14, "stride": 4}

    @property
    def corners(self) -> tuple[list[int], list[int]]:
        """Upper and left edges of all squares."""
        edges = square_corners(self.view("two_frame").crop_size, **self.square)
        return edges, edges

    def occluded(self, name: str, clip: Clip) -> tuple[Tensor, Tensor]:
        """Confidences of a network in the middle of a clip: ``(K,)``, and under each black square ``(h, w, K)``."""
        view = self.view(self.sees(name))
        seen = view.at(clip, middle(view, clip))[None].to(self.torch_device)
        bare, table = occluded_confidences(self.model(name).eval(), seen, **self.square, black=RGB().black)
        return bare[0].cpu(), table[0].cpu()

    @row(
        "regions",
        metrics=["regions.multi2", "regions.images", "regions.random"],
        needs=[*of("target", "multi2"), "images.large"],
        datasets=WORLD,
    )
    def figure_4_4(self) -> dict[str, Measure]:
        """Section 4.4.3.1, Figure 4.4: how much of what moves lies under the square that costs most confidence."""
        parts = self.compute("regions", self._regions)
        return {f"regions.{name}": per_clip(values) for name, values in parts.items()}

    def _regions(self) -> dict[str, Tensor]:
        """For each test clip that both networks recognise, or for all if there are none, the covered fraction."""
        test, view = self.large.test, self.view("two_frame")
        names = ("multi2", "images")
        right = torch.stack([self.model_scores(name).argmax(dim=1) == test.labels for name in names]).all(dim=0)
        parts: dict[str, list[Tensor]] = {name: [] for name in (*names, "random")}
        for clip in test.subset(right.nonzero().flatten()) if right.any() else test:
            start, end = middle(view, clip).tolist()
            mask = centre_crop(moving_pixels(clip, start, end, least=1.0), view.crop_size)
            if mask.float().mean() < 0.01:
                continue
            fractions = covered(mask, self.corners, self.square["side"])  # (h, w)
            for name in names:
                bare, table = self.occluded(name, clip)
                drop = 1 - table[..., clip.label] / bare[clip.label]  # (h, w)
                parts[name].append(fractions.flatten()[drop.argmax()])
            parts["random"].append(fractions.mean())
        return {name: torch.stack(values) for name, values in parts.items()}

    # --- section 4.3: parameters and time

    @row("params.share", needs=[])
    def compactness(self) -> Measure:
        """Section 4.4.3: the parameters of ActionFlowNet-2F, its decoder included, beside those of Stacked."""
        counts = self.parameters()
        return Measure(100 * counts["ActionFlowNet-2F"] / counts["Stacked"])

    @staticmethod
    def parameters() -> dict[str, int]:
        """How many parameters the networks of the paper's size have."""
        with torch.device("meta"):
            two_frame, flow_net = afn.two_frame_network(101), afn.two_frame_network(101)
            stacked = afn.stacked_network(101, flow_net)
        networks = {"ActionFlowNet-2F": two_frame, "without its decoder": two_frame.encoder, "Stacked": stacked}
        return {name: count_parameters(network) for name, network in networks.items()}

    @row("inference", metrics=["inference.decoder_calls", "inference.extra"], needs=of("target", "multi2"))
    def inference(self) -> dict[str, Measure]:
        """Section 4.3.2, "Inference": to classify, no decoder runs; so it takes as long as a plain ResNet."""
        network, view, clip = (
            copy.deepcopy(self.model("multi2")).cpu().eval(),
            self.view("two_frame"),
            self.large.test[0],
        )
        pair = view.at(clip, middle(view, clip))[None]  # (1, 2, 3, H, W)
        with torch.no_grad():
            calls = count_calls(network.decoder, lambda: network(pair))
            ratio = time_ratio(lambda: network(pair), lambda: network.encoder(pair.flatten(1, 2)))
        return {"inference.decoder_calls": Measure(calls), "inference.extra": Measure(100 * (ratio - 1))}

    # --- what the rows are about, and what they lack

    def clips_of(self, metric: str) -> tuple[Sequence[Clips], Sequence[Clips]]:
        """The small set for metrics that are named after it, pairs where flow is compared, else the large set."""
        if metric in ("epe.chairs", "epe.target", "epe.given"):
            return [], [self.pairs(self.elsewhere)]
        if metric.startswith("small_epe."):
            return [], [self.pairs("small motion")]
        train, test = self.small if metric.endswith(".small") else self.large
        if (family := metric.split(".")[-1].split("_")[-1]) in FAMILIES and self.dataset == "world":
            return [train], [test.subset(rows_of(test, family).tolist())]
        return [train], [train if metric.endswith(".train") else test]

    def lacking(self, rows: Sequence[Row]) -> Iterator[str]:
        """Videos, pairs, flow and weights that rows need and that are not there."""
        yield from super().lacking(rows)
        needs = {name for declared in rows for name in declared.needs}
        of_paper: dict[str, Any] = {"images": self.image_network, "flow_net.chairs": lambda: self.chairs}
        for what, get in of_paper.items() if self.size == "paper" else ():
            if any(name.startswith(what) or fnmatchcase(what, name) for name in needs):
                yield from unavailable(get)
        if self.dataset != "world":
            of_frames = ("scratch", "images", "probe")  # rows that need no flow
            if any(not declared.name.startswith(of_frames) for declared in rows):
                yield from lacking_flow(Path(self.data_root, "ucf101"))
            if {"multi2.*", "multi2_chairs.*", "multi16.*"} & needs:
                yield from lacking_flow(Path(self.data_root, "hmdb51"))


def mean_feature_maps(network: afn.ActionFlowNet, clips: Tensor) -> Tensor:
    """The means of the feature maps of all stages side by side, ``(B, C)``."""
    return torch.cat([maps.flatten(2).mean(dim=2) for maps in network.feature_maps(clips)], dim=1)
