"""Errors of flow: by hand, on flow that is known, on frames of any size."""

from functools import partial

import fakes
import pytest
import torch

from labkit import flow, world
from labkit.papers import action_flow_net as afn
from labkit.studies import flow_errors as fe

PLAIN = {"short_side": None, "flip": False, "crop_size": 12}


def constant(frames, dx, dy):
    """A network that predicts the same flow everywhere."""
    model = (afn.two_frame_network if frames == 2 else afn.multi_frame_network)(4, size="tiny")
    for name, value in model.decoder.named_parameters():
        value.data.zero_()
        if name in ("predictions.3.bias", "prediction.bias"):
            value.data.copy_(torch.tensor([dx, dy]))
    return model.eval()


@pytest.mark.parametrize("frames", [2, 8])
def test_frames_of_any_size_have_flow_as_large(frames):
    model = constant(frames, 3.0, 2.0)
    estimate = fe.full_flow(model, torch.randn(2, frames, 3, 24, 40), multiple=16)
    assert estimate.shape == (2, 1 if frames == 2 else frames, 2, 24, 40)
    expected = torch.tensor([3.0 * 40 / 48, 2.0 * 24 / 32])[:, None, None].expand_as(estimate)
    torch.testing.assert_close(estimate, expected)
    as_it_is = fe.full_flow(model, torch.randn(1, frames, 3, 32, 32), 16)
    torch.testing.assert_close(as_it_is[0, 0, :, 5, 5], torch.tensor([3.0, 2.0]))


def test_frames_and_their_flow_from_the_middle_of_a_clip():
    clip = fakes.FakeClip(num_frames=20, height=20, width=24)
    for length, start in ((16, 2), (2, 9)):  # 0 to 3 have flow from the last of 16 frames, 0 to 18 from the first of 2
        view = afn.clip_view(length, **PLAIN)
        fields = 1 if length == 2 else length
        frames, field = fe.frames_and_flow(view, clip)
        assert torch.equal(view.modality.to_image(frames), clip.all_frames[start : start + length])
        assert torch.equal(field, clip.ahead[start : start + fields])
    clip = fakes.FakeClip(num_frames=2)
    clip.valid = lambda indices: torch.arange(15).expand(len(indices), 12, 15) > 4
    _, field = fe.frames_and_flow(afn.clip_view(2, **PLAIN), clip)
    assert field[..., :5].isnan().all()
    assert torch.equal(field[..., 5:], clip.ahead[:1, ..., 5:])


def test_errors_of_estimates_and_guesses_by_hand():
    target = torch.zeros(2, 3, 2, 2, 2)
    target[:, 0, 0], target[:, 1, 0], target[:, 2, 0] = 1.0, 3.0, 7.0
    target[1, 2, :, 0] = torch.nan  # half of the last field
    target[1, 2, 0, 1] = 17.0
    data = [(torch.zeros(3, 3, 2, 2), fields) for fields in target]

    def two_then_four(clips):
        fields = torch.zeros(len(clips), 3, 2, 2, 2)
        fields[:, :2, 0], fields[:, 2, 0] = 2.0, 4.0
        return fields

    errors = fe.flow_errors(two_then_four, data, 1)
    assert errors.zero.tolist() == [1, 3, pytest.approx((7 * 4 + 17 * 2) / 6)]
    assert errors.estimate.tolist() == [1, 1, pytest.approx((3 * 4 + 13 * 2) / 6)]
    assert errors.copy[0].isnan()
    assert errors.copy[1:].tolist() == [2, pytest.approx((4 * 4 + 14 * 2) / 6)]
    assert errors.own_copy[0].isnan()
    assert errors.own_copy[1:].tolist() == [1, pytest.approx((5 * 4 + 15 * 2) / 6)]
    assert fe.flow_errors(lambda clips: clips[:, :, :2] + torch.nan, data).estimate.isnan().all()  # no estimate


def test_errors_inside_of_a_mask_and_outside_by_hand():
    target = torch.zeros(3, 2, 2, 2)
    target[:, 0, 0], target[:, 0, 1] = 3.0, 1.0
    target[2] = 100.0  # the future, which does not count
    target[0, :, 1, 1] = torch.nan
    mask = torch.zeros(3, 2, 2, dtype=torch.bool)
    mask[:, 0] = True
    data = [(torch.zeros(3, 3, 2, 2), target, mask)]
    assert fe.region_errors(fe.no_motion, data).tolist() == [3, 1]
    pair = [(torch.zeros(2, 3, 2, 2), target[:1], mask[:1])]
    assert fe.region_errors(fe.no_motion, pair).tolist() == [3, 1]


def test_masks_are_the_puppet_s_and_half_the_size_loses_its_outlines():
    clips = world.Actions(seed=1000, part="test", groups=3, clips=1, classes=("wave",))
    view = afn.clip_view(2, **PLAIN)
    mask = fe.frames_flow_and_mask(view, clips[0])[2]
    assert torch.equal(mask, clips[0].mask([7], "puppet", "prop"))
    inside, outside = fe.region_errors(fe.at_half_size, clips.map(partial(fe.flow_and_mask, view))).tolist()
    assert 0 < outside < inside < fe.region_errors(fe.no_motion, clips.map(partial(fe.frames_flow_and_mask, view)))[0]
    smooth = torch.ones(2, 2, 2, 8, 8)
    torch.testing.assert_close(fe.at_half_size(smooth), smooth)


def test_an_estimator_sees_the_frames_as_they_were():
    clip = world.Actions(seed=1000, part="test", groups=3, clips=1)[0]
    frames = clip.frames([7, 8])
    normalised = afn.clip_view(2, **PLAIN).at(clip, torch.tensor([7, 8]), whole=True)
    assert torch.equal(fe.without_learning(flow.dis)(normalised[None])[0, 0], flow.dis(frames[:1], frames[1:])[0])
