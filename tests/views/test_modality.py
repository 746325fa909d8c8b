from dataclasses import replace

import pytest
import torch
from fakes import FakeClip
from torchvision.transforms.v2.functional import resize

from labkit import flow as fl
from labkit.views import RGB, Consecutive, Flow, FlowImage, FlowStack, FramesWithFlow
from labkit.views.modality import flow_image

MODALITIES = [RGB(), Flow(), FlowStack(), FlowImage(), FramesWithFlow(num_fields=2)]


def as_it_is(video, resize):
    return video


def shrunk(video, resize):
    return resize(video, (6, 10))


# --- all of them ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("modality", MODALITIES)
def test_frames_or_fields_that_views_share_are_read_once(modality):
    clip = FakeClip(num_frames=6)
    modality.read(clip, torch.tensor([[0, 1], [1, 2], [2, 0]]), as_it_is)
    assert clip.reads == [[0, 1, 2]] * (2 if isinstance(modality, FramesWithFlow) else 1)


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_flipped_video_is_the_video_of_the_flipped_clip(modality):
    clip, mirror = FakeClip(), FakeClip()
    mirror.all_frames, mirror.ahead = clip.all_frames.flip(-1), fl.flip_flow(clip.ahead)
    video, mirrored = (modality.read(source, torch.tensor([[3, 4]]), as_it_is) for source in (clip, mirror))
    assert torch.equal(modality.flip(video), mirrored)


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_resized_video_is_the_video_of_the_resized_clip(modality):
    clip, indices = FakeClip(), torch.tensor([[3, 4]])
    video = modality.resize(modality.read(clip, indices, as_it_is), (6, 10))
    # frames that are read as a whole are rounded to levels, after rows and after columns
    rounding = 1.01 if isinstance(modality, FramesWithFlow) else 1e-5
    torch.testing.assert_close(video, modality.read(clip, indices, shrunk), atol=rounding, rtol=0)


@pytest.mark.parametrize("modality", MODALITIES)
def test_what_the_network_sees_is_float32_of_any_leading_shape(modality):
    clip = FakeClip()
    for indices in (torch.tensor([3, 4]), torch.tensor([[3, 4], [0, 1], [7, 8]])):
        inputs = modality.normalise(modality.split(modality.read(clip, indices, as_it_is))[0])
        assert inputs.dtype == torch.float32
        assert inputs.shape[: indices.ndim - 1] == indices.shape[:-1]


# --- frames -----------------------------------------------------------------------------------------------------------


def test_frames_of_indices_of_any_shape():
    clip = FakeClip()
    assert torch.equal(RGB().read(clip, torch.tensor(5), as_it_is), clip.all_frames[5])
    frames = RGB().read(clip, torch.tensor([[2, 9], [9, 0]]), as_it_is)
    assert torch.equal(frames, clip.all_frames[[2, 9, 9, 0]].unflatten(0, (2, 2)))
    assert torch.equal(RGB().read(clip, torch.tensor([3]), shrunk), resize(clip.all_frames[[3]], [6, 10]))
    assert RGB(rounded=False).read(clip, torch.tensor([3]), shrunk).dtype == torch.float32
    assert RGB().count(clip) == 16


def test_levels_become_numbers_about_zero_and_levels_again():
    rgb = RGB(mean=(10.0, 20.0, 30.0), std=(2.0, 4.0, 5.0))
    frames = torch.tensor([12, 12, 25], dtype=torch.uint8)[:, None, None].expand(2, 3, 1, 4)
    inputs = rgb.normalise(frames)
    assert inputs.dtype == torch.float32
    assert inputs[1, :, 0, 3].tolist() == [1.0, -2.0, -1.0]
    assert torch.equal(rgb.to_image(inputs), frames)
    assert rgb.to_image(torch.full((3, 1, 1), 1000.0)).tolist() == [[[255]], [[255]], [[255]]]
    assert torch.equal(rgb.black[:, None, None], rgb.normalise(torch.zeros(3, 1, 1)))
    published = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])  # of ImageNet, in levels from 0 to 1
    torch.testing.assert_close(torch.tensor([RGB().mean, RGB().std]), 255 * published, atol=0.04, rtol=0)


# --- stacks of flow ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bidirectional", [False, True])
def test_trajectories_and_means_are_those_of_the_flow_package(bidirectional):
    clip = FakeClip()
    modality = FlowStack(bidirectional=bidirectional, trajectories=True)
    volume = modality.read(clip, torch.arange(1, 7), as_it_is)
    if bidirectional:
        ahead, behind = clip.ahead[4:7], clip.behind[[4, 3, 2]]
        expected = torch.cat([fl.trajectory_stacking(ahead), fl.trajectory_stacking(behind)])
    else:
        expected = fl.trajectory_stacking(clip.ahead[1:7])
    assert torch.equal(volume, expected)
    centred = replace(modality, subtract_mean=True).read(clip, torch.arange(1, 7), as_it_is)
    torch.testing.assert_close(centred, volume - volume.mean(dim=(1, 2), keepdim=True))  # over the whole frame


@pytest.mark.parametrize("num_frames", [2, 5, 7, 13])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_every_start_has_its_fields_and_short_clips_repeat_the_last_one(num_frames, bidirectional):
    clip, sampler = FakeClip(num_frames), Consecutive(6, centred=bidirectional)
    for start in sampler.starts(num_frames - 1).tolist():
        indices = (start + torch.arange(6)).clamp(0, num_frames - 2)
        volume = FlowStack(bidirectional=bidirectional).read(clip, indices, as_it_is)
        tau, steps = (start + 3, range(3)) if bidirectional else (start, range(6))
        fields = [clip.ahead[min(tau + k, num_frames - 2)] for k in steps]
        if bidirectional:
            fields += [clip.behind[max(tau - k, 1)] for k in steps]
        assert torch.equal(volume, torch.cat(fields))
        if num_frames > 6:
            assert len({field.sum().item() for field in fields}) == 6  # nothing repeated


# --- flow as it is, and as an image -----------------------------------------------------------------------------------


def masked_clip():
    clip = FakeClip(num_frames=3)
    clip.valid = lambda indices: torch.arange(15).expand(len(indices), 12, 15) > 4
    return clip


def test_unknown_flow_is_zero_to_a_network_and_nan_to_learn():
    clip = masked_clip()
    flow = Flow().read(clip, torch.tensor([0, 1]), as_it_is)
    assert not flow[..., :5].any()
    assert torch.equal(flow[..., 5:], clip.ahead[:2, :, :, 5:])
    both = FramesWithFlow(num_fields=3)
    _, flow = both.split(both.read(clip, torch.tensor([0, 1, 2]), as_it_is))
    assert flow[:2, ..., :5].isnan().all()
    assert torch.equal(flow[:2, ..., 5:], clip.ahead[:2, :, :, 5:])
    assert flow[2].isnan().all()  # from the last frame on, nobody knows
    clip.num_frames = 1
    with pytest.raises(ValueError, match="two frames or more"):
        both.read(clip, torch.tensor([0]), as_it_is)


def test_flow_images_by_hand():
    flow = torch.tensor([[-50.0, -40.0, 0.0, 10.0, 90.0], [0.0, 0.1, 20.0, 40.0, -40.0]])[:, None]  # (2, 1, 5)
    image = flow_image(flow)
    assert image.dtype == torch.uint8
    assert image.tolist() == [[[0, 0, 128, 159, 255]], [[128, 128, 191, 255, 0]], [[0] * 5]]
    inputs = FlowImage().normalise(flow)
    torch.testing.assert_close(inputs[0, 0], (torch.tensor([0.0, 0, 128, 159, 255]) - 127.5) / 57)
    assert not inputs[2].any()  # "so that it gives no effect"
    assert flow_image(flow / 4, bound=10.0).tolist() == image.tolist()
    for wrong, bound, message in ((flow, 0.0, "bound must be"), (flow[:1], 40.0, "flow must be")):
        with pytest.raises(ValueError, match=message):
            flow_image(wrong, bound)


# --- frames with their flow -------------------------------------------------------------------------------------------


def test_frames_come_with_the_flow_from_the_first_of_them():
    clip = FakeClip()
    for num_fields in (1, 4):
        both = FramesWithFlow(num_fields=num_fields)
        frames, flow = both.split(both.read(clip, torch.tensor([5, 6, 7, 8]), as_it_is))
        assert torch.equal(frames, clip.all_frames[5:9].float())
        assert torch.equal(flow, clip.ahead[5 : 5 + num_fields])
        assert torch.equal(both.normalise(frames), RGB().normalise(clip.all_frames[5:9]))
