from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.views.sampling import at_frame_rate, equally_spaced, loop, over_first_seconds, repeat_last, tsn_segments

untimed = settings(deadline=None, max_examples=30)
counts = st.integers(1, 500)
rates = st.sampled_from([1.0, 5.0, 6.0, 10.0, 23.976, 24.0, 25.0, 30000 / 1001, 30.0, 59.94])


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def assert_ascending(indices: torch.Tensor, num_frames: int) -> None:
    assert indices.dtype == torch.int64
    assert indices.min() >= 0
    assert indices.max() < num_frames
    assert (indices.flatten().diff() > 0).all()


# Worked out by hand.


def test_equally_spaced_takes_the_middle_of_each_interval():
    assert equally_spaced(250, 25).tolist() == list(range(5, 250, 10))
    assert equally_spaced(10, 3).tolist() == [1, 5, 8]  # 1.67, 5, 8.33
    assert equally_spaced(9, 1).tolist() == [4]
    assert equally_spaced(25, 25).tolist() == list(range(25))


def test_over_first_seconds_reads_five_frames_a_second():
    assert over_first_seconds(60, fps=30).tolist() == [0, 6, 12, 18, 24, 30, 36, 42, 48, 54]
    assert over_first_seconds(200, fps=25, n=4, seconds=1).tolist() == [0, 6, 12, 18]  # 0, 6.25, 12.5, 18.75
    assert over_first_seconds(10, fps=10, n=10, seconds=1).tolist() == list(range(10))  # every frame, none twice


def test_tsn_segments_takes_the_middle_snippet_to_test():
    assert tsn_segments(9, 3).tolist() == [[1], [4], [7]]
    assert tsn_segments(10, 3).tolist() == [[1], [4], [7]]  # parts 0-2, 3-5, 6-9
    assert tsn_segments(30, 3, snippet_length=5).tolist() == [[*range(start, start + 5)] for start in (2, 12, 22)]


def test_at_frame_rate_of_ng_et_al():
    assert at_frame_rate(100, fps=30, rate=1).tolist() == [0, 30, 60, 90]
    assert at_frame_rate(90, fps=30, rate=1).tolist() == [0, 30, 60]
    assert at_frame_rate(25, fps=30, rate=6).tolist() == [0, 5, 10, 15, 20]
    assert at_frame_rate(10, fps=25, rate=10).tolist() == [0, 2, 5, 7]
    assert at_frame_rate(7, fps=0.3, rate=0.1).tolist() == [0, 3, 6]  # in floats 0.3 / 0.1 is less than 3


def test_a_short_clip_loops_or_repeats_its_last_frame():
    assert loop(3, at_least=8).tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    assert repeat_last(3, at_least=5).tolist() == [0, 1, 2, 2, 2]
    assert loop(5, at_least=3).tolist() == repeat_last(5, at_least=3).tolist() == [0, 1, 2, 3, 4]
    assert loop(torch.tensor([4, 9]), at_least=3).tolist() == [4, 9, 4]
    assert repeat_last(tsn_segments(6, 2, snippet_length=2), at_least=3).tolist() == [[0, 1, 1], [3, 4, 4]]


# Properties.


@untimed
@given(counts, counts)
def test_equally_spaced_is_even_and_symmetric(num_frames, n):
    num_frames += n
    indices = equally_spaced(num_frames, n)
    assert_ascending(indices, num_frames)
    assert len(indices) == n
    gaps = indices.diff().tolist()
    assert set(gaps) <= {num_frames // n, -(-num_frames // n)}
    assert (indices + indices.flip(0) - (num_frames - 1)).abs().max() <= 1


@untimed
@given(counts, rates, st.integers(1, 10), st.sampled_from([0.5, 1.0, 2.0]))
def test_over_first_seconds_stays_inside_them(num_frames, fps, n, seconds):
    if n > fps * seconds or num_frames < fps * seconds:
        with pytest.raises(ValueError, match="got"):
            over_first_seconds(num_frames, fps, n, seconds)
        return
    indices = over_first_seconds(num_frames, fps, n, seconds)
    assert_ascending(indices, num_frames)
    assert len(indices) == n
    times = indices / fps
    assert times.max() < seconds
    assert ((times - torch.arange(n) * seconds / n).abs() < 1 / fps + 1e-6).all()


@untimed
@given(counts, st.integers(1, 12), st.integers(1, 10), st.integers(0, 2**32))
def test_tsn_snippets_stay_in_parts_that_partition_the_clip(extra, segments, snippet_length, seed):
    num_frames = segments * snippet_length + extra - 1
    bounds = [i * num_frames // segments for i in range(segments + 1)]
    assert (bounds[0], bounds[-1]) == (0, num_frames)
    for generator in (None, seeded(seed)):
        indices = tsn_segments(num_frames, segments, snippet_length, generator)
        assert indices.shape == (segments, snippet_length)
        assert_ascending(indices, num_frames)
        assert (indices.diff(dim=-1) == 1).all()
        for snippet, low, high in zip(indices, bounds, bounds[1:], strict=False):
            assert low <= snippet[0]
            assert snippet[-1] < high


@untimed
@given(counts, rates, rates)
def test_at_frame_rate_shows_the_frame_on_screen(num_frames, fps, rate):
    if rate > fps:
        with pytest.raises(ValueError, match="rate must be at most fps"):
            at_frame_rate(num_frames, fps, rate)
        return
    indices = at_frame_rate(num_frames, fps, rate)
    assert_ascending(indices, num_frames)
    step = Fraction(fps).limit_denominator(100_000) / Fraction(rate).limit_denominator(100_000)
    assert (len(indices) - 1) * step < num_frames <= len(indices) * step  # the next one would be past the end
    assert all(index <= k * step < index + 1 for k, index in enumerate(indices.tolist()))


@untimed
@given(counts, counts)
def test_timelines_have_the_length_asked_for_and_repeat_by_their_rule(num_frames, at_least):
    looped, held = loop(num_frames, at_least), repeat_last(num_frames, at_least)
    assert len(looped) == len(held) == max(num_frames, at_least)
    assert looped.tolist() == [i % num_frames for i in range(len(looped))]
    assert held.tolist() == [min(i, num_frames - 1) for i in range(len(held))]


# Bad arguments: nothing is repeated that the caller did not ask for.


VARIABLE = [t / 30 for t in range(30)] + [1 + t / 5 for t in range(20)]  # a second at 30 frames, four seconds at 5


def test_a_variable_rate_is_sampled_by_the_clock():
    assert at_frame_rate(50, fps=10, rate=1, times=VARIABLE).tolist() == [0, 30, 35, 40, 45]
    assert at_frame_rate(50, fps=10, rate=2, times=VARIABLE).tolist() == [0, 15, 30, 32, 35, 37, 40, 42, 45, 47]
    assert at_frame_rate(50, fps=10, rate=10, times=VARIABLE).tolist()[9:14] == [27, 30, 30, 31, 31]  # long on screen
    assert over_first_seconds(50, fps=10, n=4, times=VARIABLE).tolist() == [0, 15, 30, 32]
    assert at_frame_rate(2, fps=1, rate=1, times=[0.0, 3.0]).tolist() == [0, 0, 0, 1, 1, 1]
    assert at_frame_rate(1, fps=1, rate=1, times=[0.0]).tolist() == [0]
    constant = [t / 25 for t in range(50)]
    assert torch.equal(at_frame_rate(50, 25, 6, times=constant), at_frame_rate(50, 25, 6))
    assert torch.equal(over_first_seconds(50, 25, times=constant), over_first_seconds(50, 25))
    with pytest.raises(ValueError, match="times must be one for each of the 50 frames; got 49"):
        at_frame_rate(50, fps=10, rate=1, times=VARIABLE[:49])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: equally_spaced(24, 25), "num_frames must be at least n = 25; got 24: lengthen a short clip by a rule"),
        (lambda: equally_spaced(10, 2.5), "n must be a positive integer; got 2.5"),
        (lambda: equally_spaced(True, 1), "num_frames must be a positive integer; got True"),
        (lambda: over_first_seconds(59, fps=30), "the clip must last 2 s, 60 frames; got 59"),
        (lambda: over_first_seconds(60, fps=4), "n must be at most fps . seconds = 8; got 10"),
        (lambda: over_first_seconds(60, fps=float("nan")), "fps must be a finite number greater than 0; got nan"),
        (lambda: tsn_segments(14, 3, 5), r"num_frames must be at least segments \* snippet_length = 15; got 14"),
        (lambda: at_frame_rate(14, fps=5, rate=6), "rate must be at most fps = 5; got 6"),
        (lambda: repeat_last(5, 0), "at_least must be a positive integer; got 0"),
        (lambda: loop(torch.ones(3), 5), "frames must be int64; got float32"),
        (lambda: loop(torch.empty(0, dtype=torch.int64), 5), r"frames must be indices \(..., T\)"),
    ],
)
def test_bad_arguments_are_explained(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()
