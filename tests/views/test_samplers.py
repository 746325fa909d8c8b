import math

import pytest
import torch
from fakes import FakeClip

from labkit.views import Consecutive, RandomSegments, SegmentSnippets, Timeline


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


CLIP = FakeClip(num_frames=1)  # only a timeline asks for more than the number of frames

# --- consecutive frames -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sampler", "count", "starts"),
    [
        (Consecutive(), 16, range(16)),
        (Consecutive(1), 15, range(15)),
        (Consecutive(10), 15, range(6)),  # the last one: 5 to 14
        (Consecutive(10), 10, [0]),
        (Consecutive(10), 5, [0]),
        (Consecutive(10, centred=True), 15, range(6)),
        (Consecutive(10, centred=True), 6, [-2]),
        (Consecutive(2, centred=True), 1, [-1]),
    ],
)
def test_starts_by_hand(sampler, count, starts):
    assert sampler.starts(count).tolist() == list(starts)


def test_a_short_clip_repeats_its_last_frame_or_both_ends():
    assert Consecutive(6).train(CLIP, 4).tolist() == [0, 1, 2, 3, 3, 3]
    assert Consecutive(6, centred=True).train(CLIP, 2).tolist() == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("sampler", [Consecutive(3), RandomSegments(3)])
def test_every_start_is_as_likely(sampler):
    generator = seeded()
    views = torch.stack([sampler.train(CLIP, 6, generator) for _ in range(1200)])  # (1200, 3)
    assert torch.equal(views - views[:, :1], torch.arange(3).expand(1200, 3))
    counts = torch.bincount(views[:, 0])
    assert len(counts) == 4
    assert (counts - 300).abs().max() < 5 * math.sqrt(300 * 0.75)


def test_tests_are_equally_spaced_and_few_starts_start_over():
    views = Consecutive(10).test(CLIP, 109, 25)
    assert views[:, 0].tolist() == list(range(2, 100, 4))  # 100 starts: the middle of each 25th
    assert views[0].tolist() == list(range(2, 12))
    assert Consecutive(10).test(CLIP, 12, 7)[:, 0].tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert Consecutive().test(CLIP, 8, 4).tolist() == [1, 3, 5, 7]
    assert Consecutive().test(CLIP, 8, 16).tolist() == [*range(8), *range(8)]


def test_a_single_frame_has_no_dimension_of_time():
    assert Consecutive().train(CLIP, 5).shape == ()
    assert SegmentSnippets(3).train(CLIP, 9).shape == (3,)


def test_without_a_generator_the_global_one_is_used():
    for sampler in (Consecutive(2), RandomSegments(2), SegmentSnippets(2), Timeline(length=2, rate=None)):
        views = []
        for seed in (3, 3, 4):
            torch.manual_seed(seed)
            views.append(torch.stack([sampler.train(clip(90), 90) for _ in range(4)]).tolist())
        assert views[0] == views[1] != views[2]


# --- random segments --------------------------------------------------------------------------------------------------


def test_room_is_left_in_training_only():
    sampler, generator = RandomSegments(4, room=1), seeded()
    assert {int(sampler.train(CLIP, 7, generator)[0]) for _ in range(60)} == {0, 1, 2}
    assert set(sampler.test(CLIP, 7, 60, generator)[:, 0].tolist()) == {0, 1, 2, 3}
    assert sampler.train(CLIP, 3).tolist() == [0, 1, 2, 2]


# --- snippets of segments ---------------------------------------------------------------------------------------------


def test_each_snippet_lies_in_its_segment_at_a_random_position():
    generator = seeded()
    views = SegmentSnippets(3).test(CLIP, 16, 300, generator)  # (300, 3)
    assert [sorted(set(column.tolist())) for column in views.T] == [[*range(5)], [*range(5, 10)], [*range(10, 16)]]
    views = SegmentSnippets(2, 5).test(CLIP, 15, 100, generator)  # (100, 2, 5)
    assert torch.equal(views - views[..., :1], torch.arange(5).expand(100, 2, 5))
    assert [sorted(set(column.tolist())) for column in views[..., 0].T] == [[0, 1, 2], [7, 8, 9, 10]]


def test_a_clip_too_short_for_its_segments_repeats_its_last_frame():
    assert SegmentSnippets(3).train(CLIP, 2).tolist() == [0, 1, 1]
    assert SegmentSnippets(2, 2).train(CLIP, 1).tolist() == [[0, 0], [0, 0]]


# --- timelines --------------------------------------------------------------------------------------------------------


def clip(num_frames, fps=2.0, times=None):
    return FakeClip(num_frames=num_frames, height=1, width=1, fps=fps, times=times)


def test_one_frame_a_second_over_the_first_five_minutes():
    sampler = Timeline(length=120, seconds=300, min_frames=300)
    assert sampler.timeline(clip(20_000, fps=30.0), 20_000).tolist() == list(range(0, 9000, 30))
    short = sampler.timeline(clip(250, fps=25.0), 250)  # ten seconds: it starts over
    assert len(short) == 300
    assert short[:12].tolist() == [0, 25, 50, 75, 100, 125, 150, 175, 200, 225, 0, 25]


def test_all_frames_or_fields_where_no_lower_rate_is_asked():
    for rate in (None, 9.0):  # no more than there are
        assert Timeline(length=4, rate=rate).timeline(clip(6), 6).tolist() == list(range(6))
    assert Timeline(length=4, rate=None).timeline(clip(6), 5).tolist() == list(range(5))
    assert Timeline(length=4, rate=None, seconds=2.5).timeline(clip(9), 8).tolist() == list(range(4))


def test_a_clip_of_variable_rate_is_read_by_the_clock():
    times = tuple([t / 30 for t in range(30)] + [1 + t / 5 for t in range(20)])  # then 5 a second
    varying = clip(50, 10.0, times)
    assert Timeline(length=1).timeline(varying, 50).tolist() == [0, 30, 35, 40, 45]
    assert Timeline(length=1, seconds=2.5).timeline(varying, 50).tolist() == [0, 30, 35]


def test_stretches_start_anywhere_and_continue_second_by_second():
    sampler, generator = Timeline(length=4), seeded()
    views = torch.stack([sampler.train(clip(20), 20, generator) for _ in range(100)])  # ten seconds of two frames each
    assert torch.equal(views - views[:, :1], torch.tensor([0, 2, 4, 6]).expand(100, 4))
    assert set(views[:, 0].tolist()) == {0, 2, 4, 6, 8, 10, 12}
    assert sampler.test(clip(20), 20, 3)[:, 0].tolist() == [0, 6, 12]
    assert sampler.test(clip(20), 20, 1).tolist() == [[0, 2, 4, 6]]
