"""Which frames of a clip a network sees: pure functions from the length of a clip to frame indices.

Every rule that samples returns int64 indices in ``[0, num_frames)``, in ascending order along the last dimension, and
never repeats an index, except where a clip of variable frame rate shows one frame for long. Numbers that are not
positive, and a clip too short for what is asked, raise ``ValueError``. To use such a clip all the same, choose a rule
that makes it longer and sample from that timeline:

    timeline = loop(num_frames, at_least=25)
    frames = timeline[equally_spaced(len(timeline), 25)]
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from numbers import Integral

import torch

from labkit.checks import require_dtype, require_positive

_SHORT = "lengthen a short clip by a rule: timeline = loop(num_frames, at_least=...) or repeat_last(...), then index it"
_ROUNDING = 1e-6  # of time stamps, in seconds


def equally_spaced(num_frames: int, n: int) -> torch.Tensor:
    """``n`` frames with equal temporal spacing over the whole clip: the middle of each of ``n`` equal intervals.

    Index ``i`` is ``floor((i + 1/2) * num_frames / n)``; neighbours are ``num_frames / n`` apart, rounded up or down.
    The two-stream test protocol takes 25 (Simonyan & Zisserman 2014, section 5, "Testing"; it leaves open where the
    first one lies). For stacks of L flow fields pass ``num_frames - L``, so that each start has L fields after it.
    """
    _require_count(num_frames, "num_frames")
    _require_count(n, "n")
    if num_frames < n:
        raise ValueError(f"num_frames must be at least n = {n}; got {num_frames}: {_SHORT}")
    return torch.tensor([(2 * i + 1) * num_frames // (2 * n) for i in range(n)])


def over_first_seconds(
    num_frames: int, fps: float, n: int = 10, seconds: float = 2.0, times: Sequence[float] | None = None
) -> torch.Tensor:
    """``n`` frames evenly over the first ``seconds`` of a clip: those on screen at times ``i * seconds / n``.

    Giel & Diaz read 10 frames over 2 seconds into their recurrent network, 5 a second; the defaults are theirs.

    Args:
        num_frames: length of the clip in frames.
        fps: frames per second of the clip.
        n: how many frames.
        seconds: over how long.
        times: when each frame comes on screen, in seconds after the first, where the rate varies (``fps`` is their mean
            then, and a frame that stays on screen for long is repeated); None where it is constant.

    Returns:
        (n,) int64, the first is 0.
    """
    _require_count(num_frames, "num_frames")
    _require_count(n, "n")
    step = _fraction(fps, "fps") * _fraction(seconds, "seconds") / n  # frames between two indices
    if step < 1:
        raise ValueError(
            f"n must be at most fps * seconds = {fps * seconds:g}; got {n}: no frame is repeated, ask for less"
        )
    if num_frames < n * step:
        raise ValueError(f"the clip must last {seconds:g} s, {float(n * step):g} frames; got {num_frames}: {_SHORT}")
    if times is not None:
        return _on_screen(times, num_frames, [i * seconds / n for i in range(n)])
    return torch.tensor([int(i * step) for i in range(n)])


def tsn_segments(
    num_frames: int, segments: int, snippet_length: int = 1, generator: torch.Generator | None = None
) -> torch.Tensor:
    """One snippet of consecutive frames out of each of ``segments`` equal parts of the clip.

    Temporal Segment Networks (Wang et al. 2016, section 3.1): part ``i`` is ``[floor(i N / K), floor((i + 1) N / K))``,
    so the parts cover every frame once. A snippet lies wholly inside its part: at a uniformly random place to train,
    in the middle (rounded down) to test.

    Args:
        num_frames: length of the clip in frames, N. For flow, the number of flow fields.
        segments: number of parts, K (3 in the paper).
        snippet_length: consecutive frames a snippet (1 for RGB, 5 flow fields in the paper).
        generator: source of the random positions; None takes the middle ones.

    Returns:
        (segments, snippet_length) int64.
    """
    _require_count(num_frames, "num_frames")
    _require_count(segments, "segments")
    _require_count(snippet_length, "snippet_length")
    if num_frames // segments < snippet_length:
        needed = segments * snippet_length
        raise ValueError(
            f"num_frames must be at least segments * snippet_length = {needed}; got {num_frames}: {_SHORT}"
        )
    bounds = torch.tensor([i * num_frames // segments for i in range(segments + 1)])
    room = bounds[1:] - bounds[:-1] - snippet_length  # starts at 0, 1, ... room lie inside
    if generator is None:
        offsets = room // 2
    else:
        draws = [torch.randint(int(high) + 1, (), generator=generator, device=generator.device) for high in room]
        offsets = torch.stack(draws).cpu()
    starts = bounds[:-1] + offsets
    return starts[:, None] + torch.arange(snippet_length)  # (segments, snippet_length)


def at_frame_rate(num_frames: int, fps: float, rate: float, times: Sequence[float] | None = None) -> torch.Tensor:
    """The frames on screen at times ``0, 1 / rate, 2 / rate, ...`` until the clip ends: the clip at a lower frame rate.

    Ng et al. 2015 take 1 and 6 frames per second (section 4). Index ``k`` is ``floor(k * fps / rate)``, in exact
    arithmetic: ``rate = fps`` gives every frame.

    Args:
        num_frames: length of the clip in frames.
        fps: frames per second of the clip.
        rate: frames per second wanted, at most ``fps``: more would repeat frames, and raises ``ValueError``.
        times: as for `over_first_seconds`.

    Returns:
        (ceil(num_frames * rate / fps),) int64, the first is 0; with ``times`` as many as the clip lasts.
    """
    _require_count(num_frames, "num_frames")
    step = _fraction(fps, "fps") / _fraction(rate, "rate")
    if step < 1:
        raise ValueError(
            f"rate must be at most fps = {fps:g}; got {rate:g}: no frame is repeated, ask for a lower rate"
        )
    if times is not None and num_frames > 1:
        end = 2 * times[-1] - times[-2]  # the last frame stays as long as the one before
        return _on_screen(times, num_frames, [k / rate for k in range(math.ceil(end * rate - _ROUNDING))])
    return torch.tensor([int(k * step) for k in range(-int(-num_frames // step))])


def loop(frames: int | torch.Tensor, at_least: int) -> torch.Tensor:
    """A timeline of at least ``at_least`` frames: a shorter one starts over, ``0 1 2 0 1 ...``.

    Args:
        frames: a number of frames, standing for ``0, 1, ... frames - 1``, or indices (..., T), extended along T.
        at_least: the length wanted; a longer timeline comes back unchanged.

    Returns:
        (..., max(T, at_least)) int64.
    """
    timeline, positions = _extend(frames, at_least)
    return timeline[..., positions % timeline.shape[-1]]


def repeat_last(frames: int | torch.Tensor, at_least: int) -> torch.Tensor:
    """A timeline of at least ``at_least`` frames: a shorter one repeats its last frame, ``0 1 2 2 2 ...``.

    Arguments, result and errors are those of :func:`loop`.
    """
    timeline, positions = _extend(frames, at_least)
    return timeline[..., positions.clamp(max=timeline.shape[-1] - 1)]


def _extend(frames: int | torch.Tensor, at_least: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The timeline as it is, and the positions ``0, 1, ...`` it should have."""
    _require_count(at_least, "at_least")
    if not isinstance(frames, torch.Tensor):
        _require_count(frames, "frames")
        frames = torch.arange(frames)
    require_dtype(frames, [torch.int64], "frames", "pass a number of frames or int64 indices")
    if frames.ndim == 0 or frames.shape[-1] == 0:
        raise ValueError(f"frames must be indices (..., T), T at least 1; got {tuple(frames.shape)}: nothing to repeat")
    return frames, torch.arange(max(at_least, frames.shape[-1]))


def _on_screen(times: Sequence[float], num_frames: int, moments: Sequence[float]) -> torch.Tensor:
    """The frame on screen at each moment, in seconds after the first frame."""
    if len(times) != num_frames:
        raise ValueError(f"times must be one for each of the {num_frames} frames; got {len(times)}")
    shown, asked = torch.tensor(times, dtype=torch.float64), torch.tensor(moments, dtype=torch.float64)
    return torch.searchsorted(shown, asked + _ROUNDING, right=True) - 1


def _require_count(value: int, name: str) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name} must be a positive integer; got {value!r}: pass the count as an int")


def _fraction(value: float, name: str) -> Fraction:
    """The simple fraction a float stands for: 0.1 is 1/10, 29.97002997... is 30000/1001."""
    require_positive(value, name, "measure it, or pass the one you know")
    return Fraction(value).limit_denominator(100_000) or Fraction(value)
