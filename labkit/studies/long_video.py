"""The experiments of Ng et al., CVPR 2015: Tables 3.1 to 3.7, and what the text of chapter 3 of the thesis measures.

The *noisy* set is Sports-1M, the *clean* one UCF101; in the lab's world they are long clips of puppets with a restless
camera, and short clips with a quiet one. A single-frame network comes first (`labkit.studies.video_networks`). On
Sports-1M, in the profile paper, every network is then trained as a whole. Elsewhere heads are trained on the feature
maps of the single-frame network, which are computed once. With the data set UCF101 there is no Sports-1M: the rows of
section 3.4.2 start from ImageNet.

Numbers of frames are called as in the paper, 30 and 120; in the small profiles they are 8 and 30. A network for 120
frames is initialised from that for one; `expand.hit1` alone is expanded twice, to 30 and to 120.
"""

import copy
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from labkit import metrics
from labkit.clips import Clips
from labkit.papers import long_video
from labkit.papers.long_video import VideoNet
from labkit.papers.two_stream import average_fusion
from labkit.studies.conditions import under
from labkit.studies.curves import Curve, area_under
from labkit.studies.feature_maps import Examples, whole_video
from labkit.studies.preflight import lacking_flow
from labkit.studies.rows import Measure, Row, mean_of, per_clip, row
from labkit.studies.study import unavailable
from labkit.studies.video_networks import PART, SUBSTITUTED, Scale, VideoNetworks, by_rule, suffix
from labkit.studies.video_rows import (
    CLEAN,
    FLOW,
    GOOGLENET,
    LARGE,
    LSTM,
    TELLING,
    both,
    clean,
    exact,
    learning,
    levels_of,
    noisy,
)
from labkit.training import Recipe, evaluate, weights_digest

EXPANSION = {"direct120": 0.6, "expanded30": 0.15, "expanded120": 0.12}  # fractions of a recipe's steps


class Scored(NamedTuple):
    """Scores of test videos.

    Attributes:
        videos: ``(N, K)``, the mean over the examples of each.
        hits: ``(N, V)`` bool, whether each example by itself is recognised.
    """

    videos: Tensor
    hits: Tensor


class LongVideo(VideoNetworks):
    """All rows of the paper's tables."""

    paper = "long_video"
    version = 7
    networks = ("googlenet_alexnet", SUBSTITUTED)
    scales: ClassVar[Mapping[str, Scale]] = {
        "smoke": Scale(
            groups=3,
            test_groups=0,
            classes=("hammer", "chop", "wave", "clap", "jump", "squat"),
            clean_groups=3,
            clean_test_groups=0,
            clean_classes=("broom", "wave", "clap", "jump", "drink", "kick"),
            clean_frames=24,
            steps=0.01,
            batch=4,
            whole_batch=2,
            crops=1,
            examples=2,
            starts=1,
            watch=2,
            telling_groups=3,
            telling_test_groups=0,
            telling_frames=20,
        ),
        "lesson": Scale(
            groups=18,
            test_groups=0,
            clean_groups=3,
            clean_test_groups=0,
            steps=0.7,
            reader_steps=0.8,
            flow_steps=0.6,
            whole_batch=2,
            examples=6,
            starts=1,
        ),
        "study": Scale(),
        "paper": Scale(
            few=30,
            many=120,
            rate=1.0,
            min_frames=300,
            high=30.0,
            low=6.0,
            whole_batch=None,
            examples=240,
            watch=2000,
        ),
    }

    # --- scores of test videos

    def scored(
        self,
        stream: str,
        head: str = "conv",
        number: int = 1,
        *,
        way: str = "random",
        examples: int = 0,
        rule: str = "",
        **which: Any,
    ) -> Scored:
        """Scores of the test videos by a network; see `video_network` for what is not here.

        Args:
            stream: one of `STREAMS`.
            head: one of `HEADS`.
            number: of frames, 1, 30 or 120.
            way: ``"random"`` examples of each video, averaged (section 3.4.1), which on the clean set are centre crops
                that differ in their starts alone; ``"central"`` ones, from equally spaced starts in the centre crop;
                or the ``"whole"`` video once.
            examples: how many; 0: those of the scale, or twice as many of single frames.
            rule: how the predictions of an LSTM are combined; empty: as it does by itself.
            **which: see `video_network`.
        """
        network, frames = self.video_network(stream, head, number, **which), self.frames(number)
        examples = examples or self.scale.examples * (2 if number == 1 else 1)
        name = f"{self._name(stream, head, number, **which)}.{way}{examples}" + f".{rule}" * bool(rule)
        forward = partial(by_rule, rule=rule) if rule else None
        if self.end_to_end:
            view, clips = self.view(stream, frames, which.get("rate")), self.sets(stream).test
            if way == "whole":
                return self.whole_videos(name, network, stream)
            parts = [clips.subset(range(start, min(start + PART, len(clips)))) for start in range(0, len(clips), PART)]
            views: list[Any] = [Examples(part, view, examples, way == "random") for part in parts]
            return self._scored(name, network, views, examples, forward)
        features = self.features(stream, "test").sampled(frames, which.get("rate"))
        if way == "whole":
            return self._scored(name, network.head, [features.whole_videos()], 1, forward)
        views = [features.views(examples, random=way == "random", seed=self.seed)]
        return self._scored(name, network.head, views, examples, forward)

    def _scored(self, name: str, model: nn.Module, parts: Sequence[Any], examples: int, forward: Any = None) -> Scored:
        def score() -> dict[str, Tensor]:
            videos, hits = [], []
            for number, views in enumerate(parts):  # of the videos, so that few scores of examples are held
                alone = {"batch": 1, "chunk_size": 1, "workers": self.workers} if hasattr(views, "__getitem__") else {}
                options = {"forward": forward, "seed": self.seed + number, "progress": self.progress, **alone}
                scores = evaluate(model, views, **options)
                own = scores.clip_labels.gather(1, scores.clips.argmax(dim=1, keepdim=True))  # (n * V, 1)
                videos.append(scores.clips.unflatten(0, (-1, examples)).mean(dim=1))  # (n, K)
                hits.append(own.reshape(-1, examples))
            return {"videos": torch.cat(videos), "hits": torch.cat(hits)}

        return Scored(**self.compute(f"scores.{name}", score, {"weights": weights_digest(model)[:16]}))

    def whole_videos(self, name: str, network: VideoNet, stream: str) -> Scored:
        """Scores of the test videos by a network that was trained as a whole: each video once, centre crops."""
        return self._scored(name, network, [self.sets(stream).test.map(partial(whole_video, self.view(stream)))], 1)

    def rates(self, metric: str, scored: Scored, stream: str = "alexnet", **levels: Any) -> dict[str, Measure]:
        """Hit@1 of the test videos of a stream, and what else of it is asked for, under the names of their metrics."""
        hot = self.sets(stream).test.multi_hot
        measures = [_hit_rate(scored.videos, hot, 1)]
        if levels.get("clip"):
            each = scored.hits.double()
            measures.append(per_clip(each.mean(dim=1))._replace(value=100 * each.mean().item(), hits=None))
        if levels.get("five"):
            measures.append(_hit_rate(scored.videos, hot, 5))
        return dict(zip(levels_of(metric, **levels), measures, strict=True))

    # --- Tables 3.1 to 3.4

    @noisy("pool.conv", "alexnet.single", "alexnet.conv120", clip=True, five=True, head="conv")
    @noisy("pool.late", "alexnet.single", "alexnet.late120", clip=True, five=True, head="late")
    @noisy("pool.slow", "alexnet.single", "alexnet.slow120", clip=True, five=True, head="slow")
    @noisy("pool.local", "alexnet.single", "alexnet.local120", clip=True, five=True, head="local")
    @noisy("pool.tdconv", "alexnet.single", "alexnet.tdconv120", clip=True, five=True, head="tdconv")
    @noisy("pool.average", "alexnet.single", "alexnet.average120", head="average")
    @noisy("pool.fc", "alexnet.single", "alexnet.fc120", head="fc")
    def where_to_pool(self, metric: str, head: str, **levels: Any) -> dict[str, Measure]:
        """Table 3.1; section 3.3.1: means and fully connected layers as pooling."""
        return self.rates(metric, self.scored("alexnet", head, 120), **levels)

    @noisy("alexnet.single", "alexnet.single", five=True, stream="alexnet", number=1)
    @noisy("alexnet.conv", "alexnet.single", "alexnet.conv30", five=True, stream="alexnet", number=30)
    @noisy("googlenet.single", "googlenet.single", five=True, stream="googlenet", number=1)
    @noisy("googlenet.conv", *GOOGLENET, "googlenet.conv30", clip=True, five=True, stream="googlenet", number=30)
    @noisy("googlenet.conv120", *GOOGLENET, "googlenet.conv120", clip=True, five=True, stream="googlenet", number=120)
    @noisy("googlenet.conv_flow", *FLOW, "googlenet.flow.conv30", five=True, stream="googlenet.flow", number=30)
    @noisy("lstm.images", *GOOGLENET, "googlenet.lstm30", five=True, stream="googlenet", number=30, head="lstm")
    @noisy("lstm.flow", *FLOW, "googlenet.flow.lstm30", five=True, stream="googlenet.flow", number=30, head="lstm")
    def one_stream(
        self, metric: str, stream: str, number: int, head: str = "conv", **levels: Any
    ) -> dict[str, Measure]:
        """Tables 3.2 to 3.4: one network, many examples of each video averaged."""
        return self.rates(metric, self.scored(stream, head, number), **levels)

    @noisy("alexnet.lstm_fc", "alexnet.source.lstm30", five=True, stream="alexnet.source", head="lstm")
    @noisy("googlenet.lstm_fc", "googlenet.source.lstm30", five=True, stream="googlenet.source", head="lstm")
    @noisy("aug.one_pass", *GOOGLENET, "googlenet.conv30", stream="googlenet", head="conv")
    def single_pass(self, metric: str, stream: str, head: str, **levels: Any) -> dict[str, Measure]:
        """Table 3.2, "(fc)", and section 3.4.1, "Video-Level Prediction": the whole video once, nothing averaged."""
        return self.rates(metric, self.scored(stream, head, 30, way="whole"), **levels)

    @noisy("aug.many", *GOOGLENET, "googlenet.conv30", way="random")
    @noisy("aug.centre", *GOOGLENET, "googlenet.conv30", way="central")
    def many_examples(self, metric: str, way: str, **levels: Any) -> dict[str, Measure]:
        """Section 3.4.1: twice as many random examples as elsewhere, averaged; ours: central ones, as long and as many.

        A single pass sees more frames at a time than an example. Random and central
        examples differ in their crops, and in how their starts are spread.
        """
        examples = 2 * self.scale.examples
        return self.rates(metric, self.scored("googlenet", "conv", 30, way=way, examples=examples), **levels)

    @exact("exact.conv_flow", "googlenet.exact.conv30", head="conv", images=False)
    @exact("exact.conv_both", "googlenet.conv30", "googlenet.exact.conv30", head="conv")
    @exact("exact.lstm_flow", "googlenet.exact.lstm30", head="lstm", images=False)
    @exact("exact.lstm_both", "googlenet.lstm30", "googlenet.exact.lstm30", head="lstm")
    def with_exact_flow(self, metric: str, head: str, flow: str, images: bool = True) -> Measure:
        """Ours: Table 3.4 with flow as nobody can estimate it, which camera and cuts leave as good as it is."""
        streams = ["googlenet"] * images + [flow]
        scores = torch.stack([self.scored(stream, head, 30).videos for stream in streams]).mean(dim=0)  # (N, K)
        return _hit_rate(scores, self.noisy.test.multi_hot, 1)

    @noisy("googlenet.conv_both", *both("conv30"), five=True, head="conv", number=30)
    @noisy("googlenet.conv120_both", *both("conv120"), five=True, head="conv", number=120)
    @noisy("lstm.both", *both("lstm30"), five=True, head="lstm", number=30)
    def both_streams(self, metric: str, head: str, number: int, **levels: Any) -> dict[str, Measure]:
        """Tables 3.4 and 3.5: the scores of a network on images and of one on flow, averaged."""
        images, flow = (self.scored(stream, head, number) for stream in ("googlenet", "googlenet.flow"))
        return self.rates(metric, images._replace(videos=average_fusion(images.videos, flow.videos)), **levels)

    @noisy("googlenet.lstm_tuned", "googlenet.source.lstm30", "googlenet.source.lstm30.tuned")
    def fine_tuned(self, metric: str, **levels: Any) -> dict[str, Measure]:
        """Section 3.4.1, "Fine Tuning": the LSTM of "(fc)" continues training with all layers; the whole video once.

        Like "(fc)" it sees centre crops alone, never flipped: the thesis trained these networks without augmentation.
        """
        network = copy.deepcopy(self.video_network("googlenet.source", "lstm", 30)).requires_grad_(True)
        recipe = self.recipe(0.35, lstm=self.frames(30))
        if self.scale.whole_batch is not None:
            recipe = replace(recipe, batch=self.scale.whole_batch, options={"lr": 3e-4})
        name = "googlenet.source.lstm30.tuned"
        network = self.trained_whole(name, network, "googlenet", 30, recipe, loss=long_video.lstm_loss, augment=False)
        return self.rates(metric, self.whole_videos(name, network, "googlenet"), **levels)

    # --- when pooling by the maximum pays

    @under("long_video", "telling", 1, needs=TELLING)
    @under("long_video", "telling", 0.6, needs=TELLING)
    @under("long_video", "telling", 0.4, needs=TELLING)
    @under("long_video", "telling", 0.2, needs=TELLING)
    def telling_frames(self, telling: float) -> dict[str, Measure]:
        """Ours: one frame, the scores of frames averaged, their features' mean or maximum, and an LSTM."""
        study = self.sibling(telling=float(telling))
        frames = study.rates("", study.scored("alexnet"), clip=True)
        heads = {"mean": "average", "max": "conv", "lstm": "lstm"}
        measures = {name: study.rates("", study.scored("alexnet", head, 120))[""] for name, head in heads.items()}
        measures |= {"single": frames["_clip"], "frames": frames[""]}
        return {f"condition.telling.{telling:g}.{system}": measure for system, measure in measures.items()}

    # --- section 3.3.3: network expansion, gains, rules

    @noisy("expand.direct", "alexnet.direct120", names=["direct120"])
    @noisy(
        "expand.hit1",
        "alexnet.single",
        "alexnet.expanded30",
        "alexnet.expanded120",
        names=["expanded30", "expanded120"],
    )
    def expansion(self, metric: str, names: Sequence[str], **levels: Any) -> dict[str, Measure]:
        """All layers trained on 120 frames from the start; or on one, on 30 and on 120. The whole video once."""
        network = self.pretrained("alexnet") if names == ["direct120"] else self.single("alexnet")
        for name in names:
            number = 30 if name.endswith("d30") else 120
            larger = self.build("alexnet", number=number)
            long_video.expand(larger, network)
            network = self.trained_whole(f"alexnet.{name}", larger, "alexnet", number, self._whole_recipe(name))
        return self.rates(metric, self.whole_videos(f"alexnet.{names[-1]}", network, "alexnet"), **levels)

    def _whole_recipe(self, name: str) -> Recipe:
        """Small batches have a lower rate, in proportion; it falls to an eighth within each stage."""
        recipe, batch = self.recipe(EXPANSION[name]), self.scale.whole_batch
        if batch is None:
            return recipe
        plain = long_video.RECIPES[self.size]
        options = {**plain["options"], "lr": plain["options"]["lr"] * batch / plain["batch"]}
        falling = partial(long_video.halving, interval=self.scale.steps * EXPANSION[name] * plain["steps"] / 3)
        return replace(recipe, batch=batch, options=options, schedule=falling)

    @row("expand.cost", needs=[], datasets=LARGE)
    def cost(self) -> Measure:
        """Frames that pass the backbone in training, all stages together, in percent of the direct training's."""
        recipes = {"single": self.recipe(), **{name: self._whole_recipe(name) for name in EXPANSION}}
        frames = {
            "single": 1,
            "direct120": self.frames(120),
            "expanded30": self.frames(30),
            "expanded120": self.frames(120),
        }
        seen = {name: recipe.steps * recipe.batch * frames[name] for name, recipe in recipes.items()}
        direct = seen.pop("direct120")
        return Measure(100 * sum(seen.values()) / direct)

    @learning("gain.linear", "alexnet.single", "alexnet.lstm120.linear*", gain="linear")
    @learning("gain.ones", "alexnet.single", "alexnet.lstm120.ones*", gain="ones")
    @learning("gain.last", "alexnet.single", "alexnet.lstm120.last*", gain="last")
    def gains(self, gain: str) -> dict[str, Measure]:
        """Section 3.3.3, "LSTM Training": how much each frame counts in the loss. The mean over several starts.

        All are read at the last frame, because a network that was trained there alone was never trained at the others.
        """
        starts = range(self.scale.starts)
        scored = [self.scored("alexnet", "lstm", 120, gain=gain, start=start, rule="last") for start in starts]
        hit_rates = [self.rates("", scores)[""] for scores in scored]
        return {f"gain.{gain}": mean_of(hit_rates), f"gain.{gain}_area": self.area(f"alexnet.lstm120.{gain}")}

    def area(self, training: str) -> Measure:
        """Hit@1 of test clips, the mean over a training and over its starts: the area under the learning curve."""
        areas = [area_under(self.curve(training, start)) for start in range(self.scale.starts)]
        return Measure(100 * sum(areas) / len(areas))

    def curve(self, training: str, start: int = 0) -> Curve:
        """Step and Hit@1 of test clips while a network was trained."""
        return [(step.step, step.shown["test"]) for step in self.curves[training + suffix(start)]]

    @noisy("rule.last", *LSTM, rule="last")
    @noisy("rule.max", *LSTM, rule="max")
    @noisy("rule.sum", *LSTM, rule="sum")
    @noisy("rule.weighted", *LSTM, rule="weighted")
    def rules(self, metric: str, rule: str, **levels: Any) -> dict[str, Measure]:
        """Section 3.3.3, "LSTM Inference": how predictions at all frames become one."""
        return self.rates(metric, self.scored("alexnet", "lstm", 120, rule=rule), **levels)

    @row(
        "init.rgb",
        metrics=["init.rgb_area"],
        needs=["alexnet.single", "alexnet.flow.single*"],
        datasets=LARGE,
        stream="alexnet.flow",
    )
    @row(
        "init.scratch",
        metrics=["init.scratch_area"],
        needs=["alexnet.scratch.single*"],
        datasets=LARGE,
        stream="alexnet.scratch",
    )
    def convergence(self, stream: str) -> Measure:
        """Section 3.3.4: a single-frame network on flow, initialised from the one on images, or from scratch."""
        for start in range(self.scale.starts):
            self.single(stream, start)
        return self.area(f"{stream}.single")

    # --- section 3.4.2: the clean set

    @clean("clean.single", *CLEAN, number=1)
    @clean("fps.30_high", *CLEAN, "googlenet.conv30", "clean.conv30.high", number=30, speed="high")
    @clean("fps.30_low", *CLEAN, "googlenet.conv30", "clean.conv30.low", number=30, speed="low")
    @clean("fps.120_high", *CLEAN, "googlenet.conv120", "clean.conv120.high", number=120, speed="high")
    @clean("fps.120_low", *CLEAN, "googlenet.conv120", "clean.conv120.low", number=120, speed="low")
    @clean("clean.lstm_images", *CLEAN, "googlenet.lstm30", "clean.lstm30.low", number=30, speed="low", head="lstm")
    def clean_images(self, number: int, speed: str = "", head: str = "conv") -> Measure:
        """Table 3.6: frame rates; and the LSTM on images alone, of which the thesis has no number."""
        rate = getattr(self.scale, speed) if speed else None
        return self.rates("", self.scored("clean", head, number, rate=rate), "clean")[""]

    @clean("clean.conv30_both", *both("conv30", on_clean=True), head="conv", number=30)
    @clean("clean.conv120_both", *both("conv120", on_clean=True), head="conv", number=120)
    @clean("clean.lstm_both", *both("lstm30", on_clean=True), head="lstm", number=30)
    def clean_both(self, head: str, number: int) -> Measure:
        """Table 3.7: images and flow, at the lower frame rate; the thesis's LSTM may have read 30 a second."""
        images, flow = (self.scored(stream, head, number, rate=self.scale.low) for stream in ("clean", "clean.flow"))
        return self.rates("", images._replace(videos=average_fusion(images.videos, flow.videos)), "clean")[""]

    # --- what the rows are about, and what they lack

    def clips_of(self, metric: str) -> tuple[Sequence[Clips], Sequence[Clips]]:
        """The clean set, whose networks have learned from the noisy one before; else the noisy set."""
        if metric.startswith("condition."):
            value = metric.removeprefix("condition.telling.").rpartition(".")[0]
            return self.sibling(telling=float(value)).clips_of("")
        if not metric.startswith(("clean.", "fps.")):
            return [self.noisy.train], [self.noisy.test]
        before = [] if self.dataset == "ucf101" else [self.noisy.train]
        return [self.clean.train, *before], [self.clean.test]

    def lacking(self, rows: Sequence[Row]) -> Iterator[str]:
        """Videos, flow and weights that rows need and that are not there."""
        yield from super().lacking(rows)
        needs = " ".join(name for declared in rows for name in declared.needs)
        of_flow = {"sports1m": ("googlenet.flow", "alexnet.flow", "alexnet.scratch"), "ucf101": ("clean.flow",)}
        for folder in {"world": (), "ucf101": ("ucf101",), "sports1m": ("sports1m", "ucf101")}[self.dataset]:
            if any(stream in needs for stream in of_flow[folder]):
                yield from lacking_flow(Path(self.data_root, folder))
        yield from self._space()
        for backbone in ("googlenet", *["alexnet"] * (self.network == SUBSTITUTED)):
            if self.size == "paper" and backbone in needs:
                yield from unavailable(partial(self.imagenet, backbone))
        if (self.size, self.network) == ("paper", self.networks[0]) and "alexnet.source" in needs:
            yield (
                "alexnet.lstm_fc must have an AlexNet that is trained already; nobody ships weights for the thesis's:"
                f" leave this row out, or give --network {SUBSTITUTED}"
            )

    def _space(self) -> Iterator[str]:
        """On the disk for the feature maps of all frames of UCF101 by GoogLeNet, 2 kB each, of images and of flow."""
        folder = self.store.folder
        if folder is None or (self.size, self.dataset) != ("paper", "ucf101") or self.store.holds("maps.*"):
            return
        free = shutil.disk_usage(next(parent for parent in folder.parents if parent.exists())).free / 1e9
        if free < 12:
            yield f"{folder} must have 12 GB free for feature maps; got {free:.0f} GB: give another folder"


def _hit_rate(scores: Tensor, hot: Tensor, k: int) -> Measure:
    """Percent of videos with a label of theirs among the k classes that score highest."""
    best = scores.argsort(dim=1, descending=True, stable=True)[:, :k]  # (N, k)
    return per_clip(hot.gather(1, best).any(dim=1))._replace(value=100 * metrics.hit_at_k(scores, hot, k))
