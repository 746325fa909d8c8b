"""What a CNN makes of every frame of a set of videos, computed once; and the ways to read a video from it.

An `AttentionNet` gives each frame scores and attention maps. The paper reads a video from the scores by a vote of its
frames, and from the attention maps by the mean of the largest sum over 3 x 3 locations. Between these two lie others,
which change one thing at a time, see `RULES`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from sklearn.svm import LinearSVC  # type: ignore[import-untyped]
from torch import Generator, Tensor
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from labkit import checks
from labkit.clips import Clip, Clips
from labkit.papers.attention_transfer import AttentionNet, mean_over_frames, unatt, voting
from labkit.views import View


@dataclass(frozen=True, eq=False)
class Attention:
    """What an `AttentionNet` makes of all frames of a set of videos; N frames, V videos.

    Attributes:
        logits: ``(N, K)``, and attention ``maps``, ``(N, K, h, w)``.
        features: ``(N, D)``, of the layer before the last one.
        frames: ``(N,)`` int64, the number of each frame in its video.
        videos: ``(N,)`` int64, the number of its video, ascending from 0.
        labels: ``(V,)`` int64.
    """

    logits: Tensor
    maps: Tensor
    features: Tensor
    frames: Tensor
    videos: Tensor
    labels: Tensor

    @property
    def frame_labels(self) -> Tensor:
        """``(N,)``, the label of the video of each frame: its true concept."""
        return self.labels[self.videos]

    def where(self, chosen: Tensor) -> "Attention":
        """Some of the frames ``(N,)`` bool, at least one of each video."""
        parts = (self.logits, self.maps, self.features, self.frames, self.videos)
        return Attention(*[*(part[chosen] for part in parts), self.labels])

    def subset(self, videos: Sequence[int] | Tensor) -> "Attention":
        """Some of the videos, numbered from 0 in the order asked."""
        wanted = torch.as_tensor(videos, dtype=torch.int64)
        rows = [(self.videos == video).nonzero().flatten() for video in wanted.tolist()]
        numbers = torch.repeat_interleave(torch.tensor([len(row) for row in rows]))  # (n,)
        parts = (part[torch.cat(rows)] for part in (self.logits, self.maps, self.features, self.frames))
        return Attention(*[*parts, numbers, self.labels[wanted]])


def attend(
    model: AttentionNet,
    clips: Clips,
    view: View,
    *,
    every: int = 1,
    batch_size: int = 64,
    dtype: torch.dtype = torch.float32,
    workers: int = 0,
    progress: bool = True,
) -> Attention:
    """Attention maps of all concepts on the frames of all videos: "we pre-compute the attention maps" (3.4.4).

    Args:
        model: on any device; runs in ``eval()`` mode.
        clips: with the classes that the model knows.
        view: how a frame gets into the CNN, see `labkit.papers.attention_transfer.image_view`.
        every: 1 takes all frames, as for TVHI; 5 one in five, as for UCF101 (section 4.5).
        batch_size: frames in one forward pass.
        dtype: of attention maps and features. Those of UCF101, one frame in five, take 5 GB in half precision.
        workers: processes that decode videos.
        progress: whether to show a bar.

    Returns:
        On the CPU.

    Raises:
        ValueError: no clips.
    """
    checks.require_positive(every, "every")
    if not len(clips):
        raise ValueError("clips must hold at least one video; got none: check the folder and the split")
    device, mode = next(model.parameters()).device, model.training
    indices = [torch.arange(0, clip.num_frames, every) for clip in clips]
    total, start = sum(map(len, indices)), 0
    seen = partial(_frames, view=view, every=every)
    loader = DataLoader(clips.map(seen), batch_size=None, num_workers=workers, generator=Generator())
    parts: list[Tensor] = []  # logits, attention maps and features of all frames, filled video by video
    model.eval()
    for images in tqdm(loader, unit="video", disable=not progress, delay=2):
        for batch in images.split(batch_size):
            look = model.look(batch.to(device))
            types = (torch.float32, dtype, dtype)
            parts = parts or [torch.empty(total, *p.shape[1:], dtype=t) for p, t in zip(look, types, strict=True)]
            for part, values in zip(parts, look, strict=True):
                part[start : start + len(batch)] = values
            start += len(batch)
    model.train(mode)
    numbers = torch.repeat_interleave(torch.tensor([len(frames) for frames in indices]))  # (N,)
    return Attention(*[*parts, torch.cat(indices), numbers, clips.labels])


def _frames(clip: Clip, view: View, every: int) -> Tensor:
    """The frames of a clip ``(T, 3, crop_size, crop_size)`` as a test shows them."""
    return view.at(clip, torch.arange(0, clip.num_frames, every))


RULES: Mapping[str, Callable[[Attention], Tensor]] = {
    "vote": lambda seen: voting(seen.logits, seen.videos),
    "mean": lambda seen: mean_over_frames(seen.logits, seen.videos),
    "softmax": lambda seen: mean_over_frames(seen.logits.softmax(1), seen.videos),
    "whole_map": lambda seen: mean_over_frames(seen.maps.float().sum((-2, -1)), seen.videos),
    "unatt": lambda seen: unatt(seen.maps, seen.videos),
}
"""Scores of videos ``(V, K)``: the paper's vote; the mean of scores, or of their softmax; attention maps, summed over
all of their locations; and over the best 3 x 3 of them."""


def svm_scores(train: Attention, test: Attention, seed: int = 0) -> Tensor:
    """Scores of the frames of ``test``, ``(N, K)``: linear SVMs, one class against the rest, on penultimate features.

    Source: section 4.3, "SVM", soft margin cost 1; then comes `voting`. Features have unit length here, so that the
    cost means the same whatever the CNN; scikit-learn's LinearSVC squares the hinge and decays the bias as well.

    Raises:
        ValueError: a class without a training video.
    """
    classes = train.logits.shape[1]
    if missing := sorted({*range(classes)} - {*train.labels.tolist()}):
        raise ValueError(f"every class must have a training video; got none of class {missing[0]}: take more videos")
    inputs, asked = (F.normalize(part.features.float()).numpy() for part in (train, test))
    machine = LinearSVC(C=1.0, random_state=seed).fit(inputs, train.frame_labels.numpy())
    scores = torch.from_numpy(machine.decision_function(asked)).float()
    return torch.stack([-scores, scores], dim=1) if classes == 2 else scores  # (N, K)


def fraction_of_videos(labels: Tensor, fraction: float, seed: int = 0) -> Tensor:
    """A fraction of the videos of each class, at random, at least one: indices, ascending.

    A larger fraction with the same seed contains the smaller ones. The paper samples from the whole training set, here
    each class gives the same fraction (section 4.5: 5 to 100 %).
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction must be above 0, at most 1; got {fraction}")
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    by_class = [order[labels[order] == label] for label in labels.unique()]
    return torch.cat([videos[: max(round(fraction * len(videos)), 1)] for videos in by_class]).sort().values
