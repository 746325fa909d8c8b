"""The figures of Ng's thesis, chapter 5, on the lab's own clips, and a few more."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from labkit.clips import Clip, Clips
from labkit.viz.classes import readable, recalls
from labkit.viz.colour import heat_to_rgb, overlay, signed_to_rgb
from labkit.viz.diagram import Block, block_diagram
from labkit.viz.figures import bar_chart, image_grid, line_chart, timeline
from labkit.viz.pairs import PairExplorer
from labkit.viz.style import Figure

Edge = tuple[str, str]


def change(frames: Tensor, times: Sequence[int], name: str) -> Figure:
    """Two frames ``(2, 3, H, W)`` of a clip, and between them their difference in grey."""
    first, second = frames.float()
    return image_grid(
        [frames[0], signed_to_rgb((second - first).mean(dim=0), 160.0), frames[1]],
        labels=[f"frame {times[0]}", "difference", f"frame {times[1]}"],
        title=f"What has changed ({readable(name)})",
        alt="Two frames of a clip, and between them their difference: grey where nothing changes, light or dark where "
        "something was and where it is now, and along edges that the camera has shifted.",
    )


def change_by_level(strengths: Mapping[str, Tensor]) -> Figure:
    """How much has changed at each location ``(h, w)``, by level, each map on its own scale."""
    size = max(values.shape[-1] for values in strengths.values())
    images = {level: heat_to_rgb(values) for level, values in strengths.items()}
    return image_grid(
        [
            image.repeat_interleave(size // image.shape[-1], -1).repeat_interleave(size // image.shape[-2], -2)
            for image in images.values()
        ],
        labels=[f"{level}: {values.shape[-2]} x {values.shape[-1]}" for level, values in strengths.items()],
        title="The same change on five levels of a network",
        alt="Five heat maps of the strength of the difference, from fine to coarse.",
    )


def sampling(num_frames: int, samples: Sequence[Tensor]) -> Figure:
    """Which frames ``(s,)`` of a clip a temporal segment network sees, each time that it meets the clip."""
    count = len(samples[0])
    bounds = ", ".join(f"{index * num_frames // count}" for index in range(1, count))
    return timeline(
        {f"time {number}": indices for number, indices in enumerate(samples, start=1)},
        title=f"One random frame of each of {count} segments<br>a segment starts at frame 0 and at {bounds}",
        alt=f"Lines of time, a dot in each of {count} equal parts, at another position each time.",
        x_title=f"frame of a clip of {num_frames}",
        length=num_frames - 1,
    )


def wiring(resolutions: Mapping[str, int], levels: Sequence[str]) -> Figure:
    """Figure 5.1: the image subnetwork on two frames, and the difference subnetwork.

    Args:
        resolutions: side of the feature maps of the input and of each stage, in order.
        levels: those of them whose differences are added.
    """
    stages = list(resolutions)
    blocks, arrows = {}, []
    for row, y, kind in (("I₁", 0.0, "first"), ("I₂", 1.0, "first"), ("v", 2.7, "second")):
        own = stages[row == "v" :]  # the difference subnetwork has no frame
        for stage in own:
            text = row if stage == "input" else f"{stage}<br>{resolutions[stage]}"
            blocks[row + stage] = Block(text, stages.index(stage), y, kind=kind, width=0.37)
        blocks[f"{row} scores"] = Block("scores", len(stages), y, width=0.4)
        steps = pairwise([*(row + stage for stage in own), f"{row} scores"])
        arrows += [step for step in steps if row != "v" or step[0][1:] not in levels]
    for level in levels:
        x, after = stages.index(level), stages[stages.index(level) + 1]
        blocks[f"{level} -"] = Block("−", x + 0.5, 1.85, height=0.32, round=True)
        arrows += [(f"I₁{level}", f"{level} -"), (f"I₂{level}", f"{level} -")]
        if level == "input":
            arrows.append((f"{level} -", f"v{after}"))
            continue
        blocks[f"{level} +"] = Block("+", x + 0.5, 2.7, height=0.32, round=True)
        arrows += [(f"v{level}", f"{level} +"), (f"{level} -", f"{level} +"), (f"{level} +", f"v{after}")]
    return block_diagram(
        blocks,
        arrows,
        title="Figure 5.1, from our module: the image subnetwork on two frames (blue), the difference subnetwork "
        "(orange)<br>below each name the side of its feature maps",
        alt="Two rows of blue blocks, one for each frame, from conv1 to res5 and scores. After each stage but the last "
        "the difference of both is taken and added to a row of orange blocks below, the difference subnetwork, which "
        "ends in scores of its own.",
        unit=100,
    )


def consensus(num_images: int, num_differences: int) -> Figure:
    """Figure 5.2: the subnetworks of several snippets, and how their scores are combined."""
    end = 2 * num_images - 0.7
    blocks = {
        "mean of images": Block("mean", end, 0, kind="first"),
        "mean of differences": Block("mean", end, 4.1, kind="second"),
        "final": Block("mean:<br>final scores", end, 2.05, width=0.9),
    }
    arrows: list[Edge] = [("mean of images", "final"), ("mean of differences", "final")]
    for i in range(num_images):
        blocks[f"frame {i}"] = Block(f"frame {i + 1}", 2 * i, 2.1, width=0.8)
        blocks[f"image {i}"] = Block("image<br>subnetwork", 2 * i, 1.0, kind="first", width=0.8)
        arrows += [(f"frame {i}", f"image {i}"), (f"image {i}", "mean of images")]
    for i in range(num_differences):
        name = f"difference {i}"
        blocks[name] = Block("difference<br>subnetwork", 2 * i + 1, 3.1, kind="second", width=0.8)
        arrows += [(f"image {i}", name), (f"image {i + 1}", name), (name, "mean of differences")]
    return block_diagram(
        blocks,
        arrows,
        title=f"Figure 5.2, from our module: {num_images} frames",
        alt=f"{num_images} frames lead to as many image subnetworks; neighbours lead to {num_differences} difference "
        "subnetworks between them. The scores of each kind are averaged, then both means.",
    )


def learning_curves(lines: Mapping[str, tuple[Sequence[float], Sequence[float]]], joint: int) -> Figure:
    """Percent of test clips that are recognised, over the steps of both phases; the second one starts at ``joint``."""
    return line_chart(
        lines,
        title=f"Some test clips, recognised during training<br>the joint phase starts at step {joint}; the TSN and the "
        "image subnetwork start from one TSN, the difference subnetwork from stills",
        alt=f"Lines over the steps of training for {', '.join(lines)}, one for each.",
        x_title="step",
        y_title="recognised (%)",
    )


def gains(before: Tensor, after: Tensor, clips: Clips, families: Mapping[str, Sequence[str]]) -> Figure:
    """Gain in recall of each class, family by family; of many classes the 25 that gain most.

    Args:
        before: scores ``(N, K)`` of the baseline.
        after: the same of what is compared with it.
        clips: N clips.
        families: names of classes.
    """
    old, new = recalls(before, clips), recalls(after, clips)
    shown = sorted(old, key=lambda name: old[name] - new[name])[:25]
    series = {
        family: {name: new[name] - old[name] for name in shown if name in {readable(each) for each in names}}
        for family, names in families.items()
    }
    figure = bar_chart(
        series,
        title="Which actions gain from differences",
        alt=f"Gain in recall from TSN to TDN for each action, by family: {', '.join(families)}.",
        x_title="action",
        y_title="gain in recall (points)",
    )
    return figure.update_layout(barmode="relative")  # each class has one bar: full width


def explorer(
    clip: Clip,
    times: Sequence[int],
    frames: Tensor,
    motion: Mapping[str, Tensor],
    image: Tensor,
    difference: Tensor,
    scores: Mapping[str, Tensor],
    *,
    classes: Sequence[str],
) -> PairExplorer:
    """Two frames of a clip to choose, with what a TDN makes of them.

    Args:
        clip: of the frames.
        times: T indices of frames.
        frames: ``(T, 3, H, W)`` uint8.
        motion: by level, how much has changed at each location, ``(T, T, h, w)``, the first frame first.
        image: class activation maps ``(T, h, w)`` of the image subnetwork.
        difference: those of the difference subnetwork, ``(T, T, h, w)``, drawn on the mean of both frames.
        scores: class probabilities ``(T, T, K)`` by the name of what gives them.
        classes: K names.
    """
    count, names = len(frames), [readable(name) for name in classes]
    means = torch.stack([_mean(frames, first, second) for first in range(count) for second in range(count)])
    of_pair = {"difference CAM": overlay(means.unflatten(0, (count, count)), _normalised(difference), 1.0)}
    for level, strengths in motion.items():
        bright = float(strengths.quantile(0.995)) or 1.0
        of_pair[f"change, {level}"] = heat_to_rgb(strengths, 0.0, bright)
    return PairExplorer(
        frames,
        of_frame={"image CAM": overlay(frames, _normalised(image), 1.0)},
        of_pair=of_pair,
        scores=scores,
        classes=names,
        right=clip.label,
        labels=[f"frame {time}" for time in times],
        start=(count // 4, 2 * count // 3),
        title=f"Two frames of a clip of {names[clip.label]}",
        alt="Two frames of a clip to choose, the activation maps of both subnetworks, the difference of features on "
        f"{len(motion)} levels as heat, and the three best classes of each subnetwork and of both.",
    )


def activation_maps(pairs: Sequence[tuple[Any, ...]], classes: Sequence[str]) -> Figure:
    """Figure 5.3: two frames of each clip, and the class activation maps of both subnetworks for the right class.

    Args:
        pairs: for each clip the clip, both times, frames ``(2, 3, H, W)``, differences, the activation maps
            ``(2, h, w)`` of the image subnetwork, and the one ``(h, w)`` of the difference subnetwork.
        classes: K names.
    """
    images, labels = [], []
    for clip, times, frames, _, image, difference in pairs:
        on_mean = overlay(_mean(frames, 0, 1), _normalised(difference), 1.0)
        images += [*frames, *overlay(frames, _normalised(image), 1.0), on_mean]
        labels += [f"{readable(classes[clip.label])}: frame {times[0]}", f"frame {times[1]}"]
        labels += ["image, first", "image, second", "difference"]
    return image_grid(
        images,
        columns=5,
        labels=labels,
        title="Figure 5.3, on our data: activation maps of the right class",
        alt="Clips, a row each: two frames, the activation map of the image subnetwork on either, and the activation "
        "map of the difference subnetwork on their mean. Bright is what speaks for the class.",
    )


def what_moved(frames: Tensor, times: Sequence[int], moving: Tensor | None) -> Figure:
    """Two frames ``(2, 3, H, W)``, and the pixels ``(H, W)`` that have moved between them; None where nobody knows."""
    known = [] if moving is None else [moving[None].float()]
    return image_grid(
        [*frames, *known],
        labels=[*(f"frame {time}" for time in times), *("what moved, exactly" for _ in known)],
        title="What the pointing game asks for" if known else "Nobody knows what moved in a real video",
        alt="Two frames of a clip" + (", and the pixels of the puppet that moved, in either frame." if known else "."),
    )


def points(hits: Mapping[str, Mapping[str, float]]) -> Figure:
    """Hits in the pointing game by subnetwork and family; an empty chart where nothing could be played."""
    return bar_chart(
        hits,
        title="How often the strongest cell lies on what moves",
        alt=f"Percent of pairs, by family, for {', '.join(hits) or 'nothing: real videos have no masks'}.",
        x_title="classes",
        y_title="hits (% of pairs)",
    )


def _mean(frames: Tensor, first: int, second: int) -> Tensor:
    """The mean ``(3, H, W)`` of two frames."""
    return frames[[first, second]].float().mean(dim=0).round().to(torch.uint8)


def _normalised(maps: Tensor) -> Tensor:
    """Class activation maps ``(..., h, w)``, the largest value of each 1; what speaks against a class counts as 0."""
    positive = maps.clamp(min=0)
    return positive / positive.amax(dim=(-2, -1), keepdim=True).clamp(min=1e-6)
