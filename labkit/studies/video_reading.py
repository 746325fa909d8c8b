"""How the trained networks of `labkit.studies.long_video` read a video: what the lesson shows of them.

Every function takes the study and trains what it needs and the study has not trained yet.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labkit.clips import Clip
from labkit.papers import long_video
from labkit.studies.feature_maps import timeline
from labkit.studies.long_video import LongVideo, Scored
from labkit.studies.rows import Values
from labkit.studies.video_networks import HEADS
from labkit.views.modality import flow_image

STREAM = "alexnet"


@dataclass(frozen=True)
class ExampleClip:
    """A test clip as the networks see it.

    Attributes:
        index: of the clip in the noisy set.
        clip: the clip.
        times: ``(T,)`` int64, the frames that a network of many frames sees.
        happening: what happens at each of them; the world knows it, real videos do not say.
        names: of its classes.
    """

    index: int
    clip: Clip
    times: Tensor
    happening: list[str]
    names: list[str]

    @property
    def frames(self) -> Tensor:
        """``(T, 3, H, W)`` uint8."""
        return self.clip.frames(self.times)


def example_clip(study: LongVideo, index: int | None = None) -> ExampleClip:
    """A test clip; the first one with two labels if None, or the first one at all."""
    test = study.noisy.test
    if index is None:
        index = int((test.multi_hot.sum(dim=1) > 1).int().argmax())
    clip = test[index]
    times = timeline(study.view(STREAM, study.scale.many), clip).unique()[: study.scale.many]
    happening = [""] * len(times)
    if study.dataset == "world":
        segments = test.segments(index)  # type: ignore[attr-defined]
        happening = [next(name for name, start, end in segments if start <= time < end) for time in times.tolist()]
    return ExampleClip(index, clip, times, happening, [test.classes[label] for label in clip.labels])


def flow_images(study: LongVideo, example: ExampleClip) -> Tensor:
    """The flow of a clip as images ``(T, 3, H, W)`` uint8; the last frame, which has none, shows that before it."""
    bound = study.view(f"{STREAM}.flow").modality.bound  # type: ignore[attr-defined]
    clip = study.sets(f"{STREAM}.flow").test[example.index]
    return flow_image(clip.flow(example.times.clamp(max=clip.num_frames - 2)), bound)


def gradient_sparsity(head: nn.Module, features: Tensor, hot: Tensor) -> float:
    """Fraction of the values of feature maps that get no gradient at all: section 3.3.1, "much sparser updates".

    Args:
        head: pools, in the mode that it is in.
        features: feature maps ``(B, T, C, h, w)``.
        hot: ``(B, K)`` bool.
    """
    features = features.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(long_video.loss(head, (features, hot))[0], features)
    return (gradient == 0).double().mean().item()


def values_with_gradient(study: LongVideo) -> dict[str, float]:
    """Percent of the values of feature maps of training clips that get a gradient, by pooling, before training."""
    features = study.features(STREAM, "train").sampled(study.scale.many)
    generator, few = torch.Generator().manual_seed(study.seed), range(min(4, len(features)))
    maps, hot = torch.stack([features.example(index, generator) for index in few]), features.hot[: len(few)]
    percent = {}
    for name, head in {"maximum": "conv", "mean": "average", "fully connected": "fc"}.items():
        network = study.build(STREAM, HEADS[head], 120)
        long_video.expand(network, study.single(STREAM))
        percent[name] = 100 * (1 - gradient_sparsity(network.head.eval().cpu(), maps, hot))
    return percent


@torch.no_grad()
def after_expansion(study: LongVideo) -> dict[str, str]:
    """What expanded networks of 120 frames kept of their initial weights, and how far they are from the single frame.

    By name of the head; the difference is that of the logits on a clip of equal frames, the largest one.
    """
    single, notes = study.single(STREAM).eval(), {}
    still = study.features(STREAM, "test").features[0][:1, :1].float().to(study.torch_device)  # (1, 1, C, h, w)
    for name in ("conv", "late", "local"):
        network = study.build(STREAM, HEADS[name], 120).eval().to(study.torch_device)
        kept = long_video.expand(network, single)
        copies = still.expand(-1, study.scale.many, -1, -1, -1)
        difference = (network.head(copies) - single.head(still)).abs().max().item()
        notes[HEADS[name].__name__] = f"not copied: {', '.join(kept) or 'nothing'}; difference {difference:.0e}"
    return notes


def maps_of(study: LongVideo, network: long_video.VideoNet, example: ExampleClip) -> Tensor:
    """The feature maps ``(1, T, C, h, w)`` of a clip, as the head of a network gets them."""
    if study.end_to_end:
        frames = study.view(STREAM).at(example.clip, example.times)[None]
        return network.eval().maps(frames.to(study.torch_device))
    return (
        study.features(STREAM, "test").features[example.index][:1, : len(example.times)].float().to(study.torch_device)
    )


@torch.no_grad()
def maxima_won(study: LongVideo, example: ExampleClip) -> Tensor:
    """Number of channels ``(T, h, w)`` whose maximum over time each frame of a clip gave, in Conv Pooling.

    Where all frames give zero, none has won.
    """
    maps = maps_of(study, study.video_network(STREAM, "conv", 120), example)[0].cpu()  # (T, C, h, w)
    contested = (maps.amax(0) > 0)[..., None]  # (C, h, w, 1)
    won = F.one_hot(maps.argmax(dim=0), len(maps)) * contested  # (C, h, w, T), of equal ones the first
    return won.sum(0).permute(2, 0, 1)  # (T, h, w)


@torch.no_grad()
def pooled_so_far(study: LongVideo, example: ExampleClip, most: int = 6) -> dict[str, dict[str, float]]:
    """Probabilities in percent of the likeliest classes by Conv Pooling of the first frames, one more each time."""
    network, classes = study.video_network(STREAM, "conv", 120), study.noisy.test.classes
    maps = maps_of(study, network, example)
    scores = torch.cat([network.head.eval()(maps[:, : count + 1]).softmax(-1) for count in range(maps.shape[1])]).cpu()
    likeliest = sorted({*scores.amax(0).topk(min(most, len(classes))).indices.tolist(), *example.clip.labels})
    names = {label: classes[label] + " (label)" * (label in example.clip.labels) for label in likeliest}
    return {
        f"{number} {word}".strip(): {names[label]: 100 * row[label].item() for label in likeliest}
        for number, (row, word) in enumerate(zip(scores, example.happening, strict=True), start=1)
    }


@torch.no_grad()
def lstm_at_work(study: LongVideo, example: ExampleClip, num_cells: int = 24) -> dict[str, Any]:
    """What the LSTM does while it reads a clip, as bands of `labkit.viz.clip_story`.

    Probabilities of the likeliest classes, the mean gates of the upper layer, and its most active cells.
    """
    network, classes = study.video_network(STREAM, "lstm", 120), study.noisy.test.classes
    head: Any = network.head.eval()
    features = head.fc(maps_of(study, network, example).flatten(-3))  # (1, T, D)
    for layer in head.layers:
        trace = layer.trace(features)
        features = trace.outputs
    probabilities = head.classifier(features)[0].softmax(-1).cpu()  # (T, K)
    likeliest = sorted({*probabilities.amax(0).topk(2).indices.tolist(), *example.clip.labels})
    cells = trace.cells[0].cpu()  # (T, H)
    active = cells.std(0).topk(min(num_cells, cells.shape[-1])).indices
    return {
        "probability": {classes[label]: probabilities[:, label] for label in likeliest},
        "mean gate": {name: getattr(trace, f"{name}_gate")[0].mean(1).cpu() for name in ("input", "forget", "output")},
        "cells": cells[:, active].t().contiguous(),
    }


def recognised(study: LongVideo) -> ExampleClip:
    """A test clip of a single label that the LSTM recognises by one example, if there is any; else the first."""
    scored, hot = study.scored(STREAM, "lstm", 120, examples=1), study.noisy.test.multi_hot
    right = scored.hits[:, 0] & (hot.sum(dim=1) == 1)
    return example_clip(study, int(right.int().argmax()))


def by_frames(study: LongVideo) -> dict[str, dict[int, float]]:
    """Hit@1 in percent by the number of frames in an example: of single examples, and of their average."""
    values: Mapping[str, dict[int, float]] = {"one example": {}, "examples averaged": {}}
    for number in (1, 30, 120):
        measures = study.rates("", study.scored(STREAM, "conv", number), clip=True)
        values["one example"][study.frames(number)] = measures["_clip"].value
        values["examples averaged"][study.frames(number)] = measures[""].value
    return dict(values)


def both_streams(study: LongVideo) -> Values:
    """Hit@1 in percent of AlexNet with Conv Pooling of 120 frames: on images, on flow, and both averaged."""
    images, flow = (study.scored(stream, "conv", 120) for stream in (STREAM, f"{STREAM}.flow"))
    fused = images._replace(videos=(images.videos + flow.videos) / 2)
    streams: dict[str, Scored] = {"images": images, "flow": flow, "both": fused}
    return Values({name: study.rates("", scored)[""] for name, scored in streams.items()})
