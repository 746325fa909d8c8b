"""What the networks of `labkit.studies.temporal_difference` see and find: what the lesson shows of them.

Every function takes the study and trains what it needs and the study has not trained yet.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from labkit.clips import Clip
from labkit.papers.temporal_difference import TDN
from labkit.studies.families import labels_of
from labkit.studies.pointing import activation_maps, moving_parts
from labkit.studies.temporal_difference import TemporalDifference
from labkit.views.sampling import tsn_segments

SHOWN = ("sit_down", "stand_up", "guitar", "squat", "open_arms", "chop", "ski")
"""Classes of the world that the lesson shows; a set that lacks them shows others instead."""

TITLES: Mapping[str, str] = {
    "scene": "told by scene or object",
    "motion_only": "told by motion",
    "reversed": "reversed pairs",
}


class Pair(NamedTuple):
    """Two frames of a clip, and what a TDN computes from them.

    Attributes:
        clip: of the frames.
        times: indices of both.
        frames: ``(2, 3, H, W)`` uint8, as the network sees them.
        motion: by level, the difference ``(C, h, w)``.
        image: class activation maps ``(2, h, w)`` of the image subnetwork for the right class, on each frame.
        difference: that of the difference subnetwork, ``(h, w)``.
    """

    clip: Clip
    times: list[int]
    frames: Tensor
    motion: dict[str, Tensor]
    image: Tensor
    difference: Tensor


class AllPairs(NamedTuple):
    """All pairs of T frames of a clip, and what a TDN finds in each.

    Attributes:
        clip: of the frames.
        times: indices of the frames.
        frames: ``(T, 3, H, W)`` uint8.
        motion: by level, how much has changed at each location, ``(T, T, h, w)``, the first frame first.
        image: class activation maps ``(T, h, w)`` of the image subnetwork for the right class.
        difference: those of the difference subnetwork, ``(T, T, h, w)``.
        scores: class probabilities ``(T, T, K)`` of each subnetwork, and of both together.
    """

    clip: Clip
    times: list[int]
    frames: Tensor
    motion: dict[str, Tensor]
    image: Tensor
    difference: Tensor
    scores: dict[str, Tensor]


def example(study: TemporalDifference, name: str) -> Clip:
    """A test clip of one of the classes `SHOWN`, or of what is shown instead."""
    test = study.first.test
    return test[test.examples(SHOWN)[SHOWN.index(name)]]


def recognised(study: TemporalDifference, name: str) -> Clip:
    """A test clip of one of the classes `SHOWN` that the TDN recognises, if there is one; else any of it."""
    test, right = study.first.test, study.final_scores("tdn").argmax(dim=1) == study.first.test.labels  # (N,)
    shown = test.examples(SHOWN)
    label = test.labels[shown[SHOWN.index(name)]]
    own = [index for index in (test.labels == label).nonzero().flatten().tolist() if index not in shown]
    candidates = [shown[SHOWN.index(name)], *own]
    return test[max(candidates, key=lambda index: int(right[index]))]


def name_of(study: TemporalDifference, clip: Clip) -> str:
    """The class of a clip."""
    return study.first.test.classes[clip.label]


def pair(study: TemporalDifference, clip: Clip, model: TDN | None = None) -> Pair:
    """The middle frames of both halves of a clip.

    Args:
        study: of the clip.
        clip: of the study.
        model: reads the frames; the trained TDN if None.
    """
    model, view = model or study.tdn(), study.view()
    times = tsn_segments(clip.num_frames, 2).flatten().tolist()
    snippets = view.at(clip, times)  # (2, 3, h, w)
    with torch.no_grad():
        features = model.eval().features(snippets[None].to(model.image.conv1.weight.device))
    image, difference = (maps[0, :, clip.label].cpu() for maps in activation_maps(model, features))
    motion = {level: values[0, 0].cpu() for level, values in features.motion.items()}
    return Pair(clip, times, view.modality.to_image(snippets), motion, image, difference[0])  # type: ignore[attr-defined]


def all_pairs(study: TemporalDifference, clip: Clip, count: int = 8) -> AllPairs:
    """All pairs of some frames of a clip, evenly spread over it, as the trained TDN sees them."""
    model, view = study.tdn().eval(), study.view()
    times = torch.linspace(0, clip.num_frames - 1, count).round().long()
    ends = torch.cartesian_prod(torch.arange(count), torch.arange(count))  # (count ** 2, 2)
    snippets = view.at(clip, times)  # (count, 3, h, w)
    pairs = snippets[ends].to(model.image.conv1.weight.device)
    with torch.no_grad():
        features, logits = model.features(pairs), model(pairs).cpu()
    image, difference = (maps[:, :, clip.label].cpu() for maps in activation_maps(model, features))
    alone = {"image subnetwork": logits[:, 0], "difference subnetwork": logits[:, 1], "both": logits.mean(dim=1)}
    square = (count, count)
    return AllPairs(
        clip=clip,
        times=times.tolist(),
        frames=view.modality.to_image(snippets),  # type: ignore[attr-defined]
        motion={name: strength(values[:, 0]).cpu().unflatten(0, square) for name, values in features.motion.items()},
        image=image[ends[:, 1] == 0][:, 0],  # of each frame, as the first one of some pair
        difference=difference[:, 0].unflatten(0, square),
        scores={name: values.softmax(dim=-1).unflatten(0, square) for name, values in alone.items()},
    )


def strength(motion: Tensor) -> Tensor:
    """How much has changed at each location, over all channels: ``(..., h, w)`` of differences ``(..., C, h, w)``."""
    return motion.square().mean(dim=-3).sqrt()


def resolutions(study: TemporalDifference) -> dict[str, int]:
    """Sides of the input and of the feature maps of each stage of the image subnetwork, read from the module itself."""
    model, size = study.initial_tdn(), study.view().crop_size
    with torch.no_grad():
        features = model.eval().features(torch.zeros(1, 2, model.image.conv1.in_channels, size, size))
    return {level: motion.shape[-1] for level, motion in features.motion.items()} | {"res5": features.image.shape[-1]}


def curves(study: TemporalDifference) -> dict[str, tuple[list[int], list[float]]]:
    """Percent of some test clips that are recognised over the steps of both phases, by the TSN and by the TDN."""
    study.tsn()
    study.tdn()
    lines: dict[str, tuple[list[int], list[float]]] = {}
    sources = {"TSN": ("tsn", "all"), "TDN": ("tdn", "all")}
    sources |= {f"TDN, {part} subnetwork": ("tdn", part) for part in ("image", "difference")}
    for title, (network, shown) in sources.items():
        phases = zip((0, study.recipe().steps), ("first", "joint"), strict=True)
        points = [(start + step.step, step) for start, name in phases for step in study.curves[f"{network}.rgb.{name}"]]
        lines[title] = [at for at, _ in points], [step.shown[shown] for _, step in points]
    return lines


def families(study: TemporalDifference) -> dict[str, list[str]]:
    """Names of the classes of each family of the world; of a real set, all together."""
    classes = study.first.test.classes
    if study.dataset != "world":
        return {"all classes": list(classes)}
    of_family = {"scene": "appearance", "motion_only": "motion", "reversed": "reversed"}
    return {TITLES[end]: [classes[k] for k in labels_of(name, classes).tolist()] for end, name in of_family.items()}


def points(study: TemporalDifference) -> dict[str, dict[str, float]]:
    """Hits in the pointing game in percent, by subnetwork and family; empty for real videos, which have no masks."""
    values = study.measure_here("pointing", "pointing.families")
    if not values:
        return {}
    series = {
        f"{name} subnetwork": {"all": values[f"pointing.{name}"]}
        | {title: values[f"pointing.{name}_{end}"] for end, title in TITLES.items()}
        for name in ("image", "difference")
    }
    return {**series, "chance": {"all": values["pointing.chance"]}}


def moving(study: TemporalDifference, clip: Clip, times: Sequence[int]) -> Tensor | None:
    """Pixels ``(H, W)`` that have moved between two frames of a clip, without the camera; None of a real video."""
    if study.dataset != "world":
        return None
    return moving_parts(clip, times[0], times[1], study.view().crop_size)  # type: ignore[arg-type]
