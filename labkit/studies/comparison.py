"""All systems of the lab on the same clips: what no paper could compare.

The studies of the papers train and test, each by its own recipe and as its network sees clips; but here all of them get
the same clips of eighteen actions. A fifth of the training clips is held out from all networks: some systems choose
by it, and the penalty set of NB-TL comes from it. Most systems see three views of a test clip, centre crops, whose
scores are averaged; systems that read all frames, or ten of them in order, see one.

Two leagues. *No labels but these*: initialised at random, or on flow, which needs no labels. *From stills*:
initialised with weights that labelled images gave: of the world's source task, stills of things before which people
pass by in any posture, or of ImageNet. In the former S3D, MViT and, from scratch, R3D have the frames, crops, batches
and steps of ActionFlowNet.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, ClassVar, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from labkit import world
from labkit.backbones import video_networks
from labkit.backbones.efficientnet_lite import EfficientNetLite0
from labkit.backbones.resnet3d import inflate, resnet3d_tiny
from labkit.clips import Clips
from labkit.losses import classification_loss
from labkit.papers import action_flow_net as afn
from labkit.papers import attention_transfer, back_dropout, frame_rnn, long_video, temporal_difference, two_stream
from labkit.studies import frame_rnn as frame_rnn_study
from labkit.studies.action_flow_net import AFN
from labkit.studies.attention_transfer import AttentionTransfer
from labkit.studies.back_dropout import BackDropout
from labkit.studies.cost import count_parameters, time_ratio
from labkit.studies.families import FAMILIES, rows_of
from labkit.studies.frame_codes import Parts
from labkit.studies.long_video import LongVideo
from labkit.studies.parts import ThreeParts, TwoParts
from labkit.studies.rows import Measure, per_clip, row
from labkit.studies.study import Study
from labkit.studies.temporal_difference import TemporalDifference
from labkit.studies.two_stream import TwoStream
from labkit.training import Recipe

VIEWS = 3
WAYS = ("accuracy", *FAMILIES, "training")


class System(NamedTuple):
    """A system of the comparison.

    Attributes:
        title: its name in figures.
        league: ``"no labels but these"`` or ``"from stills"``.
        views: of a test clip.
        sees: shape of one view.
    """

    title: str
    league: str
    views: int
    sees: tuple[int, ...]


ALONE, STILLS = "no labels but these", "from stills"
SYSTEMS: Mapping[str, System] = {
    "temporal": System("temporal stream", ALONE, VIEWS, (20, 56, 56)),
    "scratch2": System("two frames, from scratch", ALONE, VIEWS, (2, 3, 48, 48)),
    "flow2": System("ActionFlowNet-2F", ALONE, VIEWS, (2, 3, 48, 48)),
    "r3d": System("R3D", ALONE, VIEWS, (8, 3, 48, 48)),
    "flow8": System("ActionFlowNet", ALONE, VIEWS, (8, 3, 48, 48)),
    "s3d": System("S3D", ALONE, VIEWS, (8, 3, 48, 48)),
    "mvit": System("MViTv2", ALONE, VIEWS, (8, 3, 48, 48)),
    "frozen": System("frozen, logistic regression", STILLS, VIEWS, (1, 3, 48, 48)),
    "lite0": System("ImageNet, logistic regression", STILLS, VIEWS, (3, 128, 128)),
    "spatial": System("spatial stream", STILLS, VIEWS, (3, 56, 56)),
    "two_stream": System("two streams", STILLS, VIEWS, ()),
    "average": System("codes, Average", STILLS, 1, (10, 3, 56, 56)),
    "birnn": System("codes, BiRNN", STILLS, 1, (10, 3, 56, 56)),
    "conv_pooling": System("Conv Pooling", STILLS, 1, (16, 3, 56, 56)),
    "deep_lstm": System("deep LSTM", STILLS, 1, (16, 3, 56, 56)),
    "inflated": System("R3D, inflated", STILLS, VIEWS, (8, 3, 48, 48)),
    "tsn": System("TSN", STILLS, VIEWS, (3, 3, 56, 56)),
    "tdn": System("TDN", STILLS, VIEWS, (3, 3, 56, 56)),
    "nb": System("NB-TL", STILLS, VIEWS, (3, 56, 56)),
    "voting": System("photos, vote of the frames", STILLS, 4, (3, 56, 56)),
    "unatt": System("photos, UnAtt", STILLS, 4, (3, 56, 56)),
}


class Scale(NamedTuple):
    """What a profile changes; lengths of trainings are those that the studies of the papers have in the same profile.

    Attributes:
        groups: of the clips; a third of them is the test part.
        clips: of each class in each group.
        classes: how many of each family.
    """

    groups: int
    clips: int
    classes: int


def system(name: str, *needs: str, **arguments: Any) -> Any:
    """The row of a system: accuracy on all test clips and by family, and what it took to train."""
    return row(name, metrics=[f"{name}.{way}" for way in WAYS], needs=needs, name=name, **arguments)


class Comparison(Study):
    """A row for each system, and one for what they cost."""

    paper = "comparison"
    version = 4
    networks = ("all",)
    painted = True
    scales: ClassVar[Mapping[str, Scale]] = {
        "smoke": Scale(6, 1, 2),
        "lesson": Scale(24, 2, 6),
        "study": Scale(24, 2, 6),
        "paper": Scale(24, 2, 6),
    }

    # --- the clips, and the studies of the papers on them

    @cached_property
    def clips(self) -> ThreeParts:
        """Clips to train on, held-out clips, test clips."""
        size = {"groups": self.scale.groups, "clips": self.scale.clips}
        size["classes"] = [name for names in FAMILIES.values() for name in names[: self.scale.classes]]
        train, test = (world.Actions(seed=self.seed, part=part, **size) for part in ("train", "test"))
        return ThreeParts(*train.hold_out_groups(1 / 5), test)

    def _on_these_clips(self, kind: type[Any], scale: Mapping[str, Any], **clips: Any) -> Any:
        """A study of a paper, with some settings of its scale changed, on other clips than its own."""
        settings = {**self._settings, "network": "", "source": self.source, "out": self.store.folder}
        study = kind(self.profile, **settings)
        study.scale = study.scale._replace(**scale)
        for name, value in clips.items():
            setattr(study, name, value)
        study.asked, study._keeper.clock = self.asked, self._keeper.clock
        self._papers.append(study)
        return study

    @cached_property
    def _papers(self) -> list[Study]:
        """The studies of the papers that have been asked for."""
        return []

    def release(self) -> None:
        """As `Study.release`, of the papers' studies as well."""
        super().release()
        for study in self._papers:
            study.release()

    @cached_property
    def two_stream(self) -> TwoStream:
        """Chapter 02."""
        scale = {"moments": VIEWS, "centre_only": True}
        return self._on_these_clips(TwoStream, scale, large=self.clips)

    @cached_property
    def frame_rnn(self) -> frame_rnn_study.FrameRNN:
        """Chapter 03."""
        return self._on_these_clips(frame_rnn_study.FrameRNN, {}, clips=Parts(*self.clips))

    @cached_property
    def long_video(self) -> LongVideo:
        """Chapter 05, all frames of a clip."""
        train, _, test = self.clips
        return self._on_these_clips(LongVideo, {"rate": test[0].fps, "min_frames": 1}, noisy=TwoParts(train, test))

    @cached_property
    def action_flow_net(self) -> AFN:
        """Chapter 06."""
        train, _, test = self.clips
        return self._on_these_clips(AFN, {"samples": VIEWS, "centre_only": True}, large=TwoParts(train, test))

    @cached_property
    def temporal_difference(self) -> TemporalDifference:
        """Chapter 07."""
        train, _, test = self.clips
        scale = {"samples": VIEWS, "centre_only": True}
        return self._on_these_clips(TemporalDifference, scale, first=TwoParts(train, test))

    @cached_property
    def attention_transfer(self) -> AttentionTransfer:
        """Chapter 08: photos of the same actions, one frame in five of the test clips."""
        train, _, test = self.clips
        scale = {"actions": tuple(test.classes)}
        return self._on_these_clips(AttentionTransfer, scale, actions=TwoParts(train, test))

    @cached_property
    def back_dropout(self) -> BackDropout:
        """Chapter 09."""
        return self._on_these_clips(BackDropout, {"moments": VIEWS}, clips=self.clips)

    # --- the systems

    @system("temporal", "temporal.l10")
    @system("scratch2", "scratch.large")
    @system("flow2", "multi2.large")
    @system("r3d", "scratch16.large")
    @system("flow8", "multi16.large")
    @system("s3d", "s3d")
    @system("mvit", "mvit")
    @system("frozen")
    @system("lite0")
    @system("spatial", "spatial.fine_tune_d5")
    @system("two_stream", "spatial.fine_tune_d5", "temporal.l10")
    @system("average", "average.fc7.*")
    @system("birnn", "birnn.fc7.*")
    @system("conv_pooling", "alexnet.single", "alexnet.conv16")
    @system("deep_lstm", "alexnet.single", "alexnet.lstm16")
    @system("inflated", "inflated")
    @system("tsn", "start.rgb", "tsn.rgb.*")
    @system("tdn", "start.rgb", "tdn.rgb.*")
    @system("nb", "fine_tuned", "again.*")
    @system("voting", "photos.resnet_actions")
    @system("unatt", "photos.resnet_actions")
    def recognition(self, name: str) -> dict[str, Measure]:
        """Accuracy on all test clips and on those of each family; seconds of all that is done before the test."""
        scores, _, pieces = self._keeper.clock.timed(lambda: self.scores_by(name))
        seconds = sum(pieces[piece] for piece in pieces if not {"scores", "test"} & {*piece.split("/")[-1].split(".")})
        test = self.clips.test
        hits = (scores.argmax(dim=-1) == test.labels).double().reshape(-1, len(test)).mean(dim=0)  # (N,), over repeats
        of_families = {f"{name}.{family}": per_clip(hits[rows_of(test, family)]) for family in FAMILIES}
        return {f"{name}.accuracy": per_clip(hits), **of_families, f"{name}.training": Measure(seconds)}

    def scores_by(self, name: str) -> Tensor:
        """Scores of the test clips by a system, ``(N, K)``; of several trainings of it ``(R, N, K)``."""
        flow_nets = {"scratch2": "scratch", "flow2": "multi2", "r3d": "scratch16", "flow8": "multi16"}
        if name in flow_nets:
            return self.action_flow_net.model_scores(flow_nets[name])
        if name in ("conv_pooling", "deep_lstm"):
            head = "conv" if name == "conv_pooling" else "lstm"
            return self.long_video.scored("alexnet", head, self.clips.test[0].num_frames, way="whole").videos
        if name in ("average", "birnn"):
            codes = self.frame_rnn.codes().test.codes
            readers = self.frame_rnn.readers(name)
            return torch.stack([frame_rnn_study.scores_of(reader, codes) for reader in readers])  # (R, N, K)
        if name in ("s3d", "mvit", "inflated"):
            return self._video_network_scores(name)
        others: dict[str, Callable[[], Tensor]] = {
            "temporal": self.two_stream.temporal_scores,
            "spatial": lambda: self.two_stream.spatial_scores("fine_tune_d5"),
            "two_stream": lambda: two_stream.average_fusion(self.scores_by("spatial"), self.scores_by("temporal")),
            "lite0": self.two_stream.imagenet_scores,
            "frozen": lambda: self.action_flow_net.probe_scores("stills"),
            "tsn": lambda: self.temporal_difference.final_scores("tsn"),
            "tdn": lambda: self.temporal_difference.final_scores("tdn"),
            "nb": self.back_dropout.scores_again,
            "voting": lambda: self.attention_transfer.action_scores()["cnn"],
            "unatt": lambda: self.attention_transfer.action_scores()["unatt"],
        }
        return others[name]()

    def _video_network_scores(self, name: str) -> Tensor:
        """A network that no paper of the lab has, trained and tested as ActionFlowNet is, but for its optimiser."""
        view, recipe = self.action_flow_net.view("multi_frame"), self.action_flow_net.recipe("multi_frame")
        options = {"lr": 1e-3, "weight_decay": 0.05 if name == "mvit" else 1e-4}
        falling = cast(Mapping[int, float], recipe.schedule or {})
        schedule = {step: options["lr"] * lr / recipe.options["lr"] for step, lr in falling.items()}
        recipe = Recipe(**{**vars(recipe), "optimizer": torch.optim.AdamW, "options": options, "schedule": schedule})
        train, test = (
            self.clips.train.map(view.train),
            self.clips.test.map(self.action_flow_net.test_view("multi_frame")),
        )
        network = self.train(name, self._untrained(name), classification_loss, train, recipe)
        return self.scores(f"scores.{name}", network, test, batch=8)

    # --- what a clip takes

    @row("costs", metrics=[f"{name}.{cost}" for name in SYSTEMS for cost in ("parameters", "gflop")], needs=[])
    def costs(self) -> dict[str, Measure]:
        """Of what runs to classify a clip: parameters in millions; 10⁹ multiplications and additions for all views."""
        measures = {}
        for name, (networks, run) in self.at_test.items():
            with torch.no_grad(), FlopCounterMode(display=False) as counter:
                run()
            measures[f"{name}.parameters"] = Measure(sum(count_parameters(network) for network in networks) / 1e6)
            measures[f"{name}.gflop"] = Measure(counter.get_total_flops() / 1e9)
        return measures

    def time_ratios(self, rounds: int = 5) -> dict[str, float]:
        """How many times as long as by the spatial stream it takes to classify a clip, on this machine, now."""
        with torch.no_grad():
            base = self.at_test["spatial"][1]
            return {name: time_ratio(run, base, rounds) for name, (_, run) in self.at_test.items()}

    @cached_property
    def at_test(self) -> dict[str, tuple[Sequence[nn.Module], Callable[[], Any]]]:
        """What runs to classify a clip, untrained, and a call that runs it on all views of a clip."""
        built = {name: self._untrained(name).eval() for name in SYSTEMS if name != "two_stream"}
        inputs = {name: torch.zeros(system.views, *system.sees) for name, system in SYSTEMS.items()}
        runs: dict[str, Callable[[], Any]] = {name: partial(built[name], inputs[name]) for name in built}
        for name in ("average", "birnn"):
            runs[name] = partial(built[name], inputs[name].to(torch.uint8))
        image_network: Any = built["unatt"]
        runs["unatt"] = lambda: attention_transfer.energy(image_network.look(inputs["unatt"]).maps)
        runs["two_stream"] = lambda: (runs["spatial"](), runs["temporal"]())
        parts = {name: [getattr(network, "encoder", network)] for name, network in built.items()}  # no decoder runs
        parts["two_stream"] = [built["spatial"], built["temporal"]]
        return {name: (parts[name], runs[name]) for name in SYSTEMS}

    def _untrained(self, name: str) -> nn.Module:
        """What classifies, as it is before it is trained."""
        classes, frames = len(self.clips.test.classes), self.clips.test[0].num_frames
        small: dict[str, Callable[[], nn.Module]] = {
            "temporal": lambda: two_stream.temporal_network(classes, size="tiny"),
            "spatial": lambda: two_stream.spatial_network(classes, size="tiny"),
            "nb": lambda: back_dropout.cnn_m(classes, size="tiny"),
            "frozen": lambda: afn.one_frame_network(classes, size="tiny"),
            "scratch2": lambda: afn.two_frame_network(classes, size="tiny"),
            "flow2": lambda: afn.two_frame_network(classes, size="tiny"),
            "r3d": lambda: afn.multi_frame_network(classes, size="tiny"),
            "flow8": lambda: afn.multi_frame_network(classes, size="tiny"),
            "inflated": self._inflated,
            "lite0": lambda: EfficientNetLite0(classes),
            "s3d": lambda: video_networks.s3d(classes),
            "mvit": lambda: video_networks.mvit(classes),
            "conv_pooling": lambda: long_video.alexnet(classes, long_video.ConvPooling, frames=frames, size="tiny"),
            "deep_lstm": lambda: long_video.alexnet(classes, long_video.DeepLSTM, frames=frames, size="tiny"),
            "tsn": lambda: temporal_difference.tsn(classes, size="tiny"),
            "tdn": lambda: temporal_difference.tdn(classes, size="tiny"),
            "voting": lambda: attention_transfer.attention_resnet(classes, size="tiny"),
            "unatt": lambda: attention_transfer.attention_resnet(classes, size="tiny"),
            "average": lambda: self._reader("average"),
            "birnn": lambda: self._reader("birnn"),
        }
        return self.initialised(small[name])

    def _inflated(self) -> nn.Module:
        """R3D whose filters are those of a network of stills, three times in a row."""
        network = resnet3d_tiny(len(self.clips.test.classes))
        inflate(network, self.action_flow_net.image_network(), other_strides=True)
        return network

    def _reader(self, name: str) -> nn.Module:
        """The frozen network of codes, with what reads its codes."""
        coder, classes = copy.deepcopy(self.frame_rnn.coder), len(self.clips.test.classes)
        size = coder(torch.zeros(1, 3, 56, 56, dtype=torch.uint8)).shape[-1]
        readers = frame_rnn.frame_rnn_models(classes, size, size="tiny", seed=self.seed)
        return frame_rnn.FineTuned(coder, getattr(readers, name))

    # --- what the rows are about

    def clips_of(self, metric: str) -> tuple[Sequence[Clips], Sequence[Clips]]:
        """The clips of the world; photos are trained on where there are no videos to train on."""
        if metric.startswith(("voting.", "unatt.")):
            return [self.attention_transfer.photos("actions").train], [self.clips.test]
        return [self.clips.train], [self.clips.test]
