"""Feature maps of whole videos, computed once: what heads are trained and tested on where the backbone stays as it is.

All frames of a video pass the backbone once; an example is then a stretch of them. Videos may have different
lengths, and a set may be computed in several parts, so that an interrupted pass continues where it was.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import torch
from torch import Generator, Tensor, nn
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from labkit.clips import Clip, Clips
from labkit.views import Timeline, View
from labkit.views.sampling import at_frame_rate, loop


@dataclass(frozen=True)
class FeatureMaps(Dataset[tuple[Tensor, Tensor]]):
    """A data set of examples: a random stretch of a video, out of a random one of the crops that were computed.

    Attributes:
        features: of each video ``(V, L, C, h, w)``: V crops, the centre crop first, and L frames; in half precision.
        hot: ``(N, K)`` bool, the labels.
        fps: of each video, how many of the L frames there are in a second.
        frames: T, of an example.
        rate: frames of an example per second; None takes all there are.
        min_frames: a video that is too short starts over until there are this many frames to choose from.
    """

    features: Sequence[Tensor]
    hot: Tensor
    fps: Sequence[float]
    frames: int = 1
    rate: float | None = None
    min_frames: int = 1

    def sampled(self, frames: int, rate: float | None = None) -> "FeatureMaps":
        """The same videos with examples of another length, at another rate."""
        return replace(self, frames=frames, rate=rate)

    def timeline(self, index: int) -> Tensor:
        """Indices into the L frames of a video to choose from, int64."""
        length, fps = self.features[index].shape[1], self.fps[index]
        timeline = torch.arange(length)
        if self.rate is not None and self.rate < fps:
            timeline = at_frame_rate(length, fps, self.rate)
        return loop(timeline, at_least=max(self.min_frames, self.frames))

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.example(index), self.hot[index]

    def example(self, index: int, generator: Generator | None = None) -> Tensor:
        """A random start, in a random one of the crops: ``(T, C, h, w)`` float32."""
        timeline = self.timeline(index)
        start = int(torch.randint(len(timeline) - self.frames + 1, (), generator=generator))
        crop = int(torch.randint(len(self.features[index]), (), generator=generator))
        return self.features[index][crop, timeline[start : start + self.frames]].float()

    def views(self, examples: int, *, random: bool = True, seed: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Examples of each video, ``(1, V, T, C, h, w)`` and ``(1, K)``, for `labkit.training.evaluate`.

        Args:
            examples: V, how many.
            random: as in training; if not, from equally spaced starts in the centre crop; of one, the first.
            seed: of random ones, which are the same each time.
        """
        generator = Generator().manual_seed(seed)
        for index, hot in enumerate(self.hot):
            if random:
                views = torch.stack([self.example(index, generator) for _ in range(examples)])
            else:
                timeline = self.timeline(index)
                starts = torch.linspace(0, len(timeline) - self.frames, examples).round().long()  # (V,)
                views = self.features[index][0, timeline[starts[:, None] + torch.arange(self.frames)]].float()
            yield views[None], hot[None]

    def whole_videos(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The centre crops of all frames of each video, ``(1, 1, L, C, h, w)``: a single pass."""
        for features, hot in zip(self.features, self.hot, strict=True):
            yield features[:1].float()[None], hot[None]


@dataclass(frozen=True)
class Examples(Dataset[tuple[Tensor, Tensor]]):
    """Several examples of each of some clips, for `labkit.training.evaluate`: one an item, the next clip after V.

    240 views of 120 frames of 220 x 220 pixels would be 17 GB; one of them is 70 MB.

    Attributes:
        clips: the clips.
        view: how an example sees a clip.
        number: V, how many of each clip.
        random: as in training; if not, from equally spaced starts in the centre crop.
    """

    clips: Clips
    view: View
    number: int
    random: bool = True

    def __len__(self) -> int:
        return self.number * len(self.clips)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        if index >= len(self):
            raise IndexError(f"index must be below {len(self)}; got {index}")
        clip = self.clips[index // self.number]
        if self.random:
            frames = self.view.train(clip)[0]
        else:
            count = self.view.modality.count(clip)
            frames = self.view.at(clip, self.view.sample.test(clip, count, self.number)[index % self.number])
        return frames[None], self.view.label(clip)


def timeline(view: View, clip: Clip) -> Tensor:
    """All frames of a clip that a view of a `Timeline` chooses from, int64 ``(L,)``."""
    return cast(Timeline, view.sample).timeline(clip, view.modality.count(clip))


def whole_video(view: View, clip: Clip) -> tuple[Tensor, Tensor]:
    """The centre crops of all frames of a clip, as one view ``(1, L, 3, crop_size, crop_size)``, and its labels."""
    return view.at(clip, timeline(view, clip))[None], view.label(clip)


@torch.no_grad()
def extract_feature_maps(
    backbone: nn.Module,
    clips: Clips,
    view: View,
    *,
    crops: int = 1,
    seed: int = 0,
    device: torch.device | str = "cpu",
    chunk_size: int = 120,
    workers: int = 0,
    progress: bool = True,
) -> dict[str, Tensor]:
    """Run a backbone over all frames of all clips, each once for every crop.

    Args:
        backbone: put into ``eval()`` for this.
        clips: of any length.
        view: which frames, what size; of its timeline each frame is computed once.
        crops: the centre crop, then random ones, perhaps flipped if the view says so.
        seed: of these.
        device: where to compute.
        chunk_size: frames in a forward pass.
        workers: processes that read the clips; 0 if there are random crops, which depend on the order of the clips.
        progress: whether to show a bar.

    Returns:
        ``features``, ``(M, C, h, w)`` in half precision, of all crops of all frames of all clips, one after the other;
        ``lengths`` and ``fps``, ``(N,)``, of each clip. See `feature_maps`.
    """
    backbone.to(device).eval()
    read = partial(_crops, view=view, crops=crops, generator=Generator().manual_seed(seed))
    options: dict[str, Any] = {"num_workers": 0 if crops > 1 else workers, "generator": Generator()}
    loader = DataLoader(clips.map(read), batch_size=None, **options)
    features, lengths, fps = [], [], []
    for images, rate in tqdm(loader, desc="feature maps", unit="clip", disable=not progress, delay=2):
        chunks = images.flatten(0, 1).split(chunk_size)  # (n, 3, H, W) each
        features += [backbone(chunk.to(device)).half().cpu() for chunk in chunks]
        lengths.append(images.shape[1])
        fps.append(float(rate))
    return {"features": torch.cat(features), "lengths": torch.tensor(lengths), "fps": torch.tensor(fps)}


def _crops(clip: Clip, view: View, crops: int, generator: Generator) -> tuple[Tensor, float]:
    """All frames of a clip in several crops ``(V, L, 3, crop_size, crop_size)``, and how many there are in a second."""
    frames, rate = timeline(view, clip).unique(), cast(Timeline, view.sample).rate
    images = [view.at(clip, frames), *(view.train(clip, generator, frames)[0] for _ in range(crops - 1))]
    return torch.stack(images), min(rate or clip.fps, clip.fps)


def feature_maps(parts: Sequence[Mapping[str, Tensor]], hot: Tensor, **settings: Any) -> FeatureMaps:
    """A data set of what `extract_feature_maps` has computed of all clips, part by part; nothing is copied."""
    features, fps = [], []
    for part in parts:
        lengths, crops = part["lengths"], len(part["features"]) // int(part["lengths"].sum())
        of_clips = zip(part["features"].split((crops * lengths).tolist()), lengths.tolist(), strict=True)
        features += [values.unflatten(0, (crops, length)) for values, length in of_clips]  # (V, L, C, h, w) each
        fps += part["fps"].tolist()
    return FeatureMaps(features, hot, fps, **settings)
