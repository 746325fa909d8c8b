"""Which frames of a clip make up a view: a rule to train by and a rule to test by, as one object.

A sampler is told how many frames, or flow fields, a clip has, and gives indices in ``[0, count)``: of one random view
to train, or of ``num_samples`` views to test. With ``length=None`` a view is a single frame and has no dimension of
time. What happens to a clip that is too short is part of the rule. Randomness comes from a generator, or from torch's
global one.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Generator, Tensor

from labkit.clips import Clip
from labkit.views.sampling import at_frame_rate, equally_spaced, loop, repeat_last, tsn_segments


class Sampler(Protocol):
    """What a `labkit.views.View` asks."""

    def train(self, clip: Clip, count: int, generator: Generator | None = None) -> Tensor:
        """Indices of a random view, int64."""

    def test(self, clip: Clip, count: int, num_samples: int, generator: Generator | None = None) -> Tensor:
        """Indices of several views, int64 ``(num_samples, ...)``; no sampler but a random one uses the generator."""


@dataclass(frozen=True)
class Consecutive:
    """Consecutive frames: from a random start to train, from equally spaced starts to test.

    A clip with fewer starts than samples starts over, so that every clip has equally many views. One shorter than a
    view repeats its last frame; if ``centred``, its first and its last, half as often each.

    Attributes:
        length: L, how many frames; None for single frames.
        centred: what a short clip repeats.
    """

    length: int | None = None
    centred: bool = False

    def starts(self, count: int) -> Tensor:
        """Where a view may start, ``(S,)``, at least one; negative where a short clip is centred."""
        room = count - (self.length or 1)
        if room >= 0:
            return torch.arange(room + 1)
        return torch.tensor([room // 2 if self.centred else 0])

    def train(self, clip: Clip, count: int, generator: Generator | None = None) -> Tensor:
        """``(L,)`` from a random start."""
        starts = self.starts(count)
        return self._from(starts[torch.randint(len(starts), (), generator=generator)], count)

    def test(self, clip: Clip, count: int, num_samples: int, generator: Generator | None = None) -> Tensor:
        """``(num_samples, L)`` from equally spaced starts."""
        starts = self.starts(count)
        timeline = loop(len(starts), at_least=num_samples)
        return self._from(starts[timeline[equally_spaced(len(timeline), num_samples)]], count)

    def _from(self, starts: Tensor, count: int) -> Tensor:
        indices = starts if self.length is None else starts[..., None] + torch.arange(self.length)  # (..., L)
        return indices.clamp(0, count - 1)


@dataclass(frozen=True)
class RandomSegments:
    """Consecutive frames from a random start, to train and to test. A shorter clip repeats its last frame.

    Attributes:
        length: T, how many frames.
        room: in training, so many frames come after the last one of a view.
    """

    length: int
    room: int = 0

    def train(self, clip: Clip, count: int, generator: Generator | None = None) -> Tensor:
        """``(T,)`` from a random start."""
        return self._sample(count, self.length + self.room, 1, generator)[0]

    def test(self, clip: Clip, count: int, num_samples: int, generator: Generator | None = None) -> Tensor:
        """``(num_samples, T)`` from random starts."""
        return self._sample(count, self.length, num_samples, generator)

    def _sample(self, count: int, length: int, num_samples: int, generator: Generator | None) -> Tensor:
        starts = torch.randint(max(count - length + 1, 1), (num_samples,), generator=generator)
        return (starts[:, None] + torch.arange(self.length)).clamp(max=count - 1)  # (num_samples, T)


@dataclass(frozen=True)
class SegmentSnippets:
    """A snippet of consecutive frames at a random place of each of several equal segments, to train and to test.

    A clip too short for that repeats its last frame. Source: Wang et al., ECCV 2016; see `sampling.tsn_segments`.

    Attributes:
        num_segments: s.
        length: k, of a snippet; None for single frames.
    """

    num_segments: int = 3
    length: int | None = None

    def train(self, clip: Clip, count: int, generator: Generator | None = None) -> Tensor:
        """``(s, k)``, one snippet of each segment."""
        length = self.length or 1
        timeline = repeat_last(count, at_least=self.num_segments * length)
        generator = torch.default_generator if generator is None else generator
        indices = timeline[tsn_segments(len(timeline), self.num_segments, length, generator)]  # (s, k)
        return indices[:, 0] if self.length is None else indices

    def test(self, clip: Clip, count: int, num_samples: int, generator: Generator | None = None) -> Tensor:
        """``(num_samples, s, k)``, sampled again each time."""
        return torch.stack([self.train(clip, count, generator) for _ in range(num_samples)])


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """A video at a lower frame rate: a random stretch of it to train, equally spaced ones to test.

    Attributes:
        length: L, how many frames a view has.
        rate: frames per second; None takes all there are.
        seconds: the rest of a longer video is not used.
        min_frames: shorter videos start over until there are this many frames to choose from.
    """

    length: int
    rate: float | None = 1.0
    seconds: float = math.inf
    min_frames: int = 1

    def timeline(self, clip: Clip, count: int) -> Tensor:
        """All frames to choose from, ``(N,)``, N at least ``min_frames`` and L."""
        times = clip.times  # None where the rate is constant
        if times is not None:
            length = sum(time < self.seconds for time in times)
        else:
            length = math.ceil(min(clip.num_frames, self.seconds * clip.fps))
        length = max(length - (clip.num_frames - count), 1)  # the last frame has no flow
        timeline = torch.arange(length)
        if self.rate is not None and self.rate < clip.fps:
            timeline = at_frame_rate(length, clip.fps, self.rate, times and times[:length])
        return loop(timeline, at_least=max(self.min_frames, self.length))

    def train(self, clip: Clip, count: int, generator: Generator | None = None) -> Tensor:
        """``(L,)``, a random stretch."""
        timeline = self.timeline(clip, count)
        start = int(torch.randint(len(timeline) - self.length + 1, (), generator=generator))
        return timeline[start : start + self.length]

    def test(self, clip: Clip, count: int, num_samples: int, generator: Generator | None = None) -> Tensor:
        """``(num_samples, L)``, equally spaced stretches from the first to the last; a single one is the first."""
        timeline = self.timeline(clip, count)
        starts = torch.linspace(0, len(timeline) - self.length, num_samples).round().long()  # (num_samples,)
        return timeline[starts[:, None] + torch.arange(self.length)]
