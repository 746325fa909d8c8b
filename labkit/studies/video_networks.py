"""The networks of `labkit.studies.long_video`: what they see, what they start from, how they are trained.

A network of many frames is expanded from that of a stream, see `labkit.studies.video_streams`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torchvision import models  # type: ignore[import-untyped]

from labkit import data, metrics, world
from labkit.backbones import alexnet, card, googlenet, load_weights, torchvision_weights
from labkit.clips import Clips
from labkit.papers import long_video
from labkit.papers.long_video import VideoNet
from labkit.studies.feature_maps import Examples, FeatureMaps, extract_feature_maps, feature_maps, timeline
from labkit.studies.parts import TwoParts
from labkit.studies.study import Study
from labkit.studies.video_streams import STREAMS
from labkit.training import Recipe, weights_digest
from labkit.views import RGB, FlowImage, View

PART = 512  # clips whose feature maps are kept together
HEADS: Mapping[str, Any] = {
    "conv": long_video.ConvPooling,
    "late": long_video.LatePooling,
    "slow": long_video.SlowPooling,
    "local": long_video.LocalPooling,
    "tdconv": long_video.TimeDomainConvolution,
    "average": long_video.AveragePooling,
    "fc": long_video.FullyConnectedPooling,
    "lstm": long_video.DeepLSTM,
}
SUBSTITUTED = "googlenet_torchvision_alexnet"  # the network with torchvision's AlexNet instead of the thesis's


class Scale(NamedTuple):
    """What a profile changes.

    Attributes:
        groups: of the world's noisy set, a third of them to test.
        test_groups: of it, further ones that test.
        classes: of it; None: all.
        clean_groups: of the world's clean set.
        clean_test_groups: of it, further ones that test.
        clean_classes: of it.
        clean_frames: length of its clips.
        few: frames where the paper has 30.
        many: frames where it has 120.
        rate: frames per second of the noisy set.
        min_frames: shorter videos start over until there are this many to choose from.
        high: frames per second of the clean set.
        low: the lower frame rate.
        steps: fraction of the recipe's steps.
        reader_steps: fraction of these for an LSTM.
        flow_steps: fraction of these for a single-frame network on flow.
        batch: clips of an update; None: the recipe's.
        whole_batch: the same where a network is trained as a whole.
        crops: of a clip, whose feature maps are computed.
        examples: of each video in testing; twice as many where one frame is an example.
        starts: trainings of which learning curves are compared, from different initial weights.
        watch: steps between two looks at test clips.
        telling: fraction of the frames of the noisy set that show its first action. The world's own is a fifth; from so
            little, and as few clips, networks learned hardly more than to guess.
        telling_groups: of the sets that differ in how many frames tell: smaller ones, there are several.
        telling_test_groups: of them, further ones that test.
        telling_frames: length of their clips, a fifth of it an action; their rate shows ``many`` of them.
    """

    groups: int = 33
    test_groups: int = 33
    classes: tuple[str, ...] | None = None
    clean_groups: int = 18
    clean_test_groups: int = 18
    clean_classes: tuple[str, ...] | None = None
    clean_frames: int = 96
    few: int = 8
    many: int = 30
    rate: float = 3.0
    min_frames: int = 75
    high: float = 6.0
    low: float = 1.5
    steps: float = 1.0
    reader_steps: float = 1.0
    flow_steps: float = 1.0
    batch: int | None = None
    whole_batch: int | None = 8
    crops: int = 2
    examples: int = 12
    starts: int = 3
    watch: int = 15
    telling: float = 0.6
    telling_groups: int = 18
    telling_test_groups: int = 10
    telling_frames: int = 60


class VideoNetworks(Study):
    """Clips, views, networks of one frame and of many, and feature maps.

    Args:
        profile: see `Study`.
        telling: fraction of the frames of the world's noisy set that show the labelled action, in a smaller set with
            one label a clip; None: the noisy set as it is.
        **settings: see `Study`.
    """

    scale: Scale

    def __init__(self, profile: str = "lesson", *, telling: float | None = None, **settings: Any) -> None:
        self.telling = telling
        super().__init__(profile, **settings)
        self._settings["telling"] = telling
        if self.network == f"{SUBSTITUTED}_tiny":
            raise ValueError(
                f"network must be another one in this profile; got {SUBSTITUTED}, which has no small version"
            )
        self._singles: dict[str, VideoNet] = {}

    def _address(self) -> Path:
        address = super()._address()
        return address if self.telling is None else address.with_name(f"{address.name}-telling{self.telling:g}")

    # --- clips, and how a network sees them

    @cached_property
    def noisy(self) -> TwoParts:
        """Sports-1M, or long clips of the world: an action, in some another one too, a restless camera, two cuts."""
        if self.dataset == "world":
            size: dict[str, Any] = {"groups": self.scale.groups, "test_groups": self.scale.test_groups}
            size["telling"] = self.scale.telling
            if self.telling is not None:
                size = {"groups": self.scale.telling_groups, "test_groups": self.scale.telling_test_groups}
                size |= {"frames": self.scale.telling_frames, "segment": self.scale.telling_frames // 5}
                size |= {"telling": self.telling, "two_labels": 0.0}
            size |= {"clips": 1, "classes": self.scale.classes}
            return TwoParts(*(self._drawn(world.LongClips, part, noisy=True, **size) for part in ("train", "test")))
        root, missing = Path(self.data_root, "sports1m"), self.missing
        return TwoParts(*(data.Sports1M(root, part, missing=missing) for part in ("train", "test")))  # type: ignore[arg-type]

    @cached_property
    def clean(self) -> TwoParts:
        """UCF101, or twelve actions of the world of eight seconds, four of them as in the noisy set."""
        if self.dataset == "world":
            size: dict[str, Any] = {
                "groups": self.scale.clean_groups,
                "test_groups": self.scale.clean_test_groups,
                "clips": 1,
            }
            size |= {"classes": self.scale.clean_classes, "frames": self.scale.clean_frames, "split": self.split}
            return TwoParts(*(self._drawn(world.SecondActions, part, **size) for part in ("train", "test")))
        root, missing = Path(self.data_root, "ucf101"), self.missing
        return TwoParts(*(data.UCF101(root, self.split, part, missing=missing) for part in ("train", "test")))  # type: ignore[arg-type]

    def _drawn(self, kind: Any, part: str, **options: Any) -> Clips:
        return self.prepared(kind(seed=self.seed, part=part, **options))

    def sets(self, stream: str) -> TwoParts:
        """The clips of a stream; of the world with estimated flow, if it does not see the exact one."""
        kind = STREAMS[stream]
        clips = self.clean if kind.on == "clean" else self.noisy
        if self.dataset != "world" or not kind.flow or kind.exact:
            return clips
        return TwoParts(*(data.Estimated(part, keep=False) for part in clips))

    def view(self, stream: str, frames: int = 1, rate: float | None = None) -> View:
        """How a stream sees a clip: so many frames; the clips start over where they are too short for that."""
        kind = STREAMS[stream]
        settings: dict[str, Any] = {"min_frames": 1 if frames == 1 or kind.on == "clean" else self.scale.min_frames}
        noisy_rate = self.scale.rate if self.telling is None else 12 * self.scale.many / self.scale.telling_frames
        settings["rate"] = rate or (self.scale.high if kind.on == "clean" else noisy_rate)
        if self.size == "tiny":  # 220 of 256 pixels are about 56 of 64
            settings |= {"short_side": 64, "crop_size": 56}
        if self.dataset == "world":  # to walk left and to walk right are two classes
            settings |= {"short_side": None, "flip": False}
        if (self.size, kind.backbone) == ("paper", "googlenet"):  # see `labkit.backbones.googlenet.imagenet_backbone`
            rgb, flow = RGB(mean=3 * (127.5,), std=3 * (127.5,)), FlowImage(std=127.5)
        else:
            rgb, flow = RGB(), FlowImage(bound=self._flow_bound)
        settings["modality"] = flow if kind.flow else rgb
        return long_video.video_view(len(self.sets(stream).test.classes), frames, **settings)

    @property
    def _flow_bound(self) -> float:
        """The displacement, in pixels, that becomes the darkest or the brightest value.

        The thesis's 40 of 256 pixels are 10 of 64. In the world the image moves by half a pixel a frame in the clean
        set and by nearly one in the noisy set: within 10 pixels that is nearly uniform, and networks learned nothing
        from it.
        """
        if self.dataset == "world":
            return 2.5
        return 40.0 if self.size == "paper" else 10.0

    def frames(self, number: int) -> int:
        """How many frames stand for the paper's 1, 30 or 120."""
        return {30: self.scale.few, 120: self.scale.many}.get(number, number)

    @property
    def end_to_end(self) -> bool:
        """Whether networks are trained as a whole; if not, heads are trained on feature maps."""
        return self.size == "paper" and self.dataset == "sports1m"

    # --- single-frame networks

    def build(self, stream: str, head: Any = long_video.ConvPooling, number: int = 1, start: int = 0) -> VideoNet:
        """A network with random weights, for the classes of a stream."""
        builder = getattr(long_video, STREAMS[stream].backbone)
        classes, frames, seed = len(self.sets(stream).test.classes), self.frames(number), self._seed(start)
        network = self.initialised(lambda: builder(classes, head, frames=frames, size=self.size), seed)
        if self.network == SUBSTITUTED and STREAMS[stream].backbone == "alexnet":
            network.backbone = self.initialised(lambda: alexnet.torchvision_backbone(models.alexnet()), seed)
        return network

    def imagenet(self, name: str) -> Any:
        """GoogLeNet's backbone, or the whole AlexNet, that torchvision has trained on ImageNet.

        Raises:
            FileNotFoundError: the weights are neither in the data folder nor in torch.hub's; says how to get them.
        """
        path = Path(self.data_root, f"{name}_imagenet.pth")
        file = path if path.exists() else None
        if name == "googlenet":
            return googlenet.imagenet_backbone(file)
        return torchvision_weights(models.alexnet, models.AlexNet_Weights.IMAGENET1K_V1, file=file)

    def pretrained(self, stream: str) -> VideoNet:
        """The single-frame network as the source task, or ImageNet, left it, with a new softmax layer.

        For the thesis's AlexNet there are no such weights: it starts from scratch, as section 3.4.1 has it.
        """
        network, name = self.build(stream), STREAMS[stream].backbone
        if self.size == "paper":
            if name == "googlenet":
                network.backbone = self.imagenet(name)
            elif self.network == SUBSTITUTED:
                source = self.imagenet(name)
                network.backbone = alexnet.torchvision_backbone(source)
                fc: Any = network.head.fc
                for layer, number in ((fc.fc6, 1), (fc.fc7, 4)):
                    layer.load_state_dict(source.classifier[number].state_dict())
            return network
        classes = len(card(weights := self.source_weights(name))["classes"])
        if name == "googlenet":
            load_weights(source := googlenet.googlenet_tiny(classes), weights)
            network.backbone.load_state_dict(googlenet.googlenet_backbone(source).state_dict())
        else:
            load_weights(smaller := long_video.alexnet(classes, size="tiny"), weights)
            long_video.expand(network, smaller, skip=("head.classifier",))
        return network

    def single(self, stream: str, start: int = 0) -> VideoNet:
        """The single-frame network of a stream."""
        if self.split != 1 and STREAMS[stream].on == "noisy":
            return self.sibling(split=1).single(stream, start)
        kind, initial, name = STREAMS[stream], self._start_of(stream), f"{stream}.single{suffix(start)}"
        if initial not in ("imagenet", ""):
            self.single(initial)  # it counts as asked for each time
        if name not in self._singles:
            self._singles[name] = self._initial(stream, initial, start)
        if not kind.tuned:
            return self._singles[name]
        half = 0.5 if kind.on == "clean" else 1.0  # it starts from a network that knows videos, or from ImageNet
        fraction = half * (self.scale.flow_steps if kind.flow else 1.0)
        watch = self._watch_frames(stream) if stream in ("alexnet.flow", "alexnet.scratch") else {}
        clips = self.sets(stream).train.map(self.view(stream).train)
        return self.train(name, self._singles[name], long_video.loss, clips, self.recipe(fraction, start), **watch)

    def _initial(self, stream: str, initial: str, start: int) -> VideoNet:
        if initial == "imagenet":
            return self.pretrained(stream)
        network = self.build(stream, start=start)
        if initial:
            other_classes = STREAMS[initial].on != STREAMS[stream].on
            long_video.expand(network, self.single(initial), skip=("head.classifier",) * other_classes)
        return network

    def release(self) -> None:
        """See `Study`; single-frame networks are built again, too."""
        super().release()
        self._singles.clear()

    def _start_of(self, stream: str) -> str:
        """What its single-frame network is initialised from: without Sports-1M, ImageNet, then images before flow."""
        alone = {"clean": "imagenet", "clean.flow": "clean"} if self.dataset == "ucf101" else {}
        return alone.get(stream, STREAMS[stream].start)

    def _watch_frames(self, stream: str) -> dict[str, Any]:
        """Hit@1 on three frames or four of each of up to 200 test clips, while a single-frame network is trained."""
        view, test = self.view(stream, self.scale.many), self.sets(stream).test

        def read() -> list[tuple[Tensor, Tensor]]:
            frames, hot = [], []
            for clip in test.subset(range(0, len(test), max(len(test) // 200, 1))):
                times = timeline(view, clip).unique()
                frames.append(view.at(clip, times[:: max(len(times) // 3, 1)]))
                hot.append(view.label(clip).expand(len(frames[-1]), -1))
            return [(torch.cat(frames), torch.cat(hot))]

        return self._watch(read, self.scale.watch)

    def _watch(
        self, read: Callable[[], Sequence[tuple[Tensor, Tensor]]], every: int, forward: Any = None
    ) -> dict[str, Any]:
        """Options of a training that looks at batches of test clips, which are read when it starts."""
        batches: list[Sequence[tuple[Tensor, Tensor]]] = []

        def watch(network: Any) -> dict[str, float]:
            batches.extend([] if batches else [read()])
            counts = []
            for inputs, hot in (batches[0][index] for index in range(len(batches[0]))):
                inputs, hot = inputs.to(self.torch_device), hot.to(self.torch_device)  # hot: (n, K) or (K,)
                logits = forward(network, inputs) if forward else network(inputs)  # (n, K)
                counts.append((metrics.hit_at_k(logits, hot.reshape(logits.shape), 1) * len(logits), len(logits)))
            hits, samples = map(sum, zip(*counts, strict=True))
            return {"test": hits / samples}

        return {"watch": watch, "every": every}

    def _seed(self, start: int) -> int:
        return self.seed + 10_000 * start

    def recipe(self, fraction: float = 1.0, start: int = 0, lstm: int = 0, **changes: Any) -> Recipe:
        """The paper's recipe at this scale, with a fraction of its steps; ``lstm``: for an LSTM on so many frames."""
        recipe = long_video.lstm_recipe(lstm, self.size) if lstm else dict(long_video.RECIPES[self.size])
        steps = max(round(self.scale.steps * fraction * recipe["steps"]), 2)
        shape = {"steps": steps, "batch": self.scale.batch or recipe["batch"], "seed": self._seed(start)}
        return Recipe(**{**recipe, **shape, **changes})

    # --- feature maps

    def features(self, stream: str, part: str) -> FeatureMaps:
        """Feature maps of a part's clips: of the noisy set several crops, of the clean one the centre."""
        if self.split != 1 and STREAMS[stream].on == "noisy":
            return self.sibling(split=1).features(stream, part)
        network, clips = self.single(stream), getattr(self.sets(stream), part)
        augmented = STREAMS[stream].tuned and STREAMS[stream].on == "noisy"
        crops = self.scale.crops if augmented else 1
        facts = {"weights": weights_digest(network.backbone)[:16], "number of samples": str(len(clips))}

        def extract(start: int) -> dict[str, Tensor]:
            settings: dict[str, Any] = {"device": self.torch_device, "workers": self.workers, "progress": self.progress}
            chosen = clips.subset(range(start, min(start + PART, len(clips))))
            view, seed = self.view(stream, self.scale.many), self.seed + start
            return extract_feature_maps(network.backbone, chosen, view, crops=crops, seed=seed, **settings)

        starts = range(0, len(clips), PART)
        parts = [self.compute(f"maps.{stream}.{part}.{start:06}", partial(extract, start), facts) for start in starts]
        min_frames = 1 if STREAMS[stream].on == "clean" else self.scale.min_frames
        return feature_maps(parts, clips.multi_hot, min_frames=min_frames)

    # --- networks of many frames

    def video_network(
        self, stream: str, head: str, number: int, *, rate: float | None = None, gain: str = "linear", start: int = 0
    ) -> VideoNet:
        """A trained network; with one frame, the single-frame network of a stream.

        Args:
            stream: one of `STREAMS`.
            head: one of `HEADS`.
            number: of frames, 1, 30 or 120.
            rate: frames per second, where it is not that of the stream.
            gain: of an LSTM, see `labkit.papers.long_video.gains`.
            start: number of the training, for other initial weights and another order of the clips.
        """
        if number == 1:
            return self.single(stream, start)
        network, frames = self.build(stream, HEADS[head], number, start), self.frames(number)
        self._initialise(network, stream, head, number)
        recipe, watch = self.recipe(start=start), {}
        loss: Any = long_video.loss
        if head == "lstm":
            recipe = self.recipe(self.scale.reader_steps, start, lstm=frames)
            loss = partial(long_video.lstm_loss, gain=gain)
            watch = self._watch_stretches(stream, frames) if number == 120 else {}
            network = network if STREAMS[stream].tuned else long_video.last_layers_only(network)
        name = self._name(stream, head, number, rate, gain, start)
        if self.end_to_end:
            view = self.view(stream, frames, rate)
            view = view if STREAMS[stream].tuned else unaugmented(view)  # "(fc)" of Table 3.2
            return self.train(name, network, loss, self.sets(stream).train.map(view.train), recipe, **watch)
        examples = self.features(stream, "train").sampled(frames, rate)
        network.head = self.train(name, network.head, loss, examples, recipe, workers=0, **watch)
        return network

    def _initialise(self, network: VideoNet, stream: str, head: str, number: int) -> None:
        """From the single-frame network; on the clean set from its counterpart on the noisy one, but the classes."""
        counterpart = {"clean": "googlenet", "clean.flow": "googlenet.flow"}.get(stream, "")
        if not counterpart or self.dataset == "ucf101":
            long_video.expand(network, self.single(stream))
            return
        noisy_study = self if self.split == 1 else self.sibling(split=1)
        long_video.expand(network, noisy_study.video_network(counterpart, head, number), skip=("head.classifier",))

    def _name(
        self, stream: str, head: str, number: int, rate: float | None = None, gain: str = "linear", start: int = 0
    ) -> str:
        kind = "single" if number == 1 else f"{head}{number}" + f".{gain}" * (head == "lstm" and number == 120)
        speed = "" if rate is None else ".high" if rate == self.scale.high else ".low"
        return f"{stream}.{kind}{speed}{suffix(start)}"

    def _watch_stretches(self, stream: str, frames: int) -> dict[str, Any]:
        """Hit@1 of an LSTM's last frame on the first frames of the test clips, in the centre crop, while it learns."""

        def read() -> Any:
            if self.end_to_end:  # of 64 clips, one at a time
                clips = self.noisy.test.subset(range(min(64, len(self.noisy.test))))
                return Examples(clips, self.view(stream, frames), 1, random=False)
            features = self.features(stream, "test").sampled(frames)
            stretches = torch.cat([views[:, 0] for views, _ in features.views(1, random=False)])  # (N, T, C, h, w)
            return [(stretches, features.hot)]

        return self._watch(read, self.scale.watch, partial(by_rule, rule="last"))

    def trained_whole(
        self,
        name: str,
        network: VideoNet,
        stream: str,
        number: int,
        recipe: Recipe,
        *,
        loss: Any = long_video.loss,
        augment: bool = True,
    ) -> VideoNet:
        """A network all of whose layers are trained on clips, in every profile; perhaps without augmentation."""
        view = self.view(stream, self.frames(number))
        view = view if augment else unaugmented(view)
        return self.train(name, network, loss, self.sets(stream).train.map(view.train), recipe)


def unaugmented(view: View) -> View:
    """The same view of centre crops alone, never flipped: for training without augmentation."""
    return replace(view, centre=view.crop_size, flip=False)


def by_rule(model: Any, inputs: Tensor, rule: str) -> Tensor:
    """Logits ``(N, K)`` of an LSTM, its predictions at all frames combined by a rule of `long_video.combine`."""
    return long_video.combine(model.steps(inputs), rule)


def suffix(start: int) -> str:
    """Of the name of a training, where there are several from different initial weights."""
    return f".start{start}" if start else ""
