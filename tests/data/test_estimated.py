"""Clips whose flow is estimated from their frames."""

import copy
import pickle

import pytest
import torch

from labkit import flow, world
from labkit.data import Estimated


def shift(first, second):
    """An estimator that can be told from any other: how much brighter the second frame is, as dx; dy is 1."""
    brighter = (second.float() - first.float()).mean(dim=(1, 2, 3))
    return torch.stack([brighter, torch.ones_like(brighter)], dim=1)[:, :, None, None].expand(-1, -1, *first.shape[-2:])


@pytest.fixture
def clips():
    return world.Actions(seed=1000, part="test", groups=3, clips=1)


def test_flow_is_estimated_from_each_frame_to_the_next_or_the_one_before(clips):
    clip, estimated = clips[0], Estimated(clips, shift)[0]
    levels = clip.frames(range(clip.num_frames)).float().mean(dim=(1, 2, 3))
    ahead, behind = estimated.flow([4, 0, 4]), estimated.flow([1, 5], backward=True)
    expected = torch.stack([levels[5] - levels[4], levels[1] - levels[0], levels[5] - levels[4]])
    assert torch.allclose(ahead[:, 0, 0, 0], expected, atol=2e-3)
    assert torch.allclose(behind[:, 0, 0, 0], torch.stack([levels[0] - levels[1], levels[4] - levels[5]]), atol=2e-3)
    assert ahead.shape == (3, 2, 64, 64)
    assert ahead.dtype == torch.float32


def test_everything_else_is_the_clip_s_own(clips):
    estimated = Estimated(clips)
    assert (len(estimated), estimated.classes) == (len(clips), clips.classes)
    assert torch.equal(estimated[3].frames([2]), clips[3].frames([2]))
    assert (estimated[3].name, estimated[3].label, estimated[3].group) == (
        clips[3].name,
        clips[3].label,
        clips[3].group,
    )


def test_clips_keep_all_their_labels():
    several = world.LongClips(seed=1000, groups=3, clips=1, part="test", frames=20, segment=8, size=32, two_labels=1.0)
    assert several.multi_hot.sum(dim=1).eq(2).all()
    assert torch.equal(Estimated(several).multi_hot, several.multi_hot)


def test_an_estimator_of_the_lab_comes_near_the_exact_flow(clips):
    exact, estimated = clips[0].flow(range(8)), Estimated(clips, flow.dis)[0].flow(range(8))
    error = (exact - estimated).norm(dim=1).mean()
    assert 0 < error < exact.norm(dim=1).mean()


def test_frames_that_have_no_flow_are_named(clips):
    clip = Estimated(clips)[0]
    last = clip.num_frames - 1
    with pytest.raises(IndexError, match=f"must lie within 0 to {last - 1}; got {last}"):
        clip.flow([last])
    with pytest.raises(IndexError, match=f"must lie within 1 to {last}; got 0"):
        clip.flow([0], backward=True)


@pytest.mark.parametrize("backward", [False, True])
def test_flow_that_is_not_kept_is_the_same(clips, backward):
    kept, asked = (Estimated(clips, flow.dis, keep=keep)[2] for keep in (True, False))
    assert torch.equal(asked.flow([5, 1], backward=backward), kept.flow([5, 1], backward=backward))
    assert not asked._kept
    assert asked.name == kept.name


@pytest.mark.parametrize("keep", [False, True])
def test_no_frame_has_flow_of_no_frame(clips, keep):
    clip = Estimated(clips, flow.dis, keep=keep)[0]
    for backward in (False, True):
        assert clip.flow([], backward=backward).shape == (0, 2, 64, 64)


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda clip: pickle.loads(pickle.dumps(clip))])
def test_a_clip_is_copied_and_pickled(clips, again):
    clip = Estimated(clips, flow.dis)[1]
    same = again(clip)
    assert same.name == clip.name
    assert torch.equal(same.flow([0, 3]), clip.flow([0, 3]))
