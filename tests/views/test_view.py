import itertools
import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from fakes import FakeClip
from torchvision.transforms.v2.functional import resize

from labkit import flow
from labkit.views import RGB, Consecutive, FlowStack, FramesWithFlow, RandomSegments, View
from labkit.views.crops import photometric_jitter, rgb_jitter

PLAIN = RGB(mean=(0.0,) * 3, std=(1.0,) * 3)
FRAME = View(sample=Consecutive(), modality=PLAIN, crop_size=8, flip=False)
STACK = View(sample=Consecutive(10), modality=FlowStack(subtract_mean=True), crop_size=8)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def all_crops(video, size):
    """Every crop of a video by its location."""
    locations = itertools.product(range(video.shape[-2] - size + 1), range(video.shape[-1] - size + 1))
    return {(y, x): video[..., y : y + size, x : x + size] for y, x in locations}


# --- training ---------------------------------------------------------------------------------------------------------


def test_training_crops_come_from_everywhere_half_of_them_flipped_with_x_negated():
    clip, view = FakeClip(num_frames=5), replace(STACK, sample=Consecutive(2), crop_size=10)
    known = {}
    for start in range(3):
        stack = flow.mean_flow_subtraction(flow.optical_flow_stacking(clip.ahead[start : start + 2]))
        for place, crop in all_crops(stack, 10).items():
            known[round(crop.sum().item(), 3), round(crop[0, 0, 0].item(), 4)] = (start, *place, False)
            flipped = crop.flip(-1) * torch.tensor([-1.0, 1, -1, 1])[:, None, None]  # x of both fields
            known[round(flipped.sum().item(), 3), round(flipped[0, 0, 0].item(), 4)] = (start, *place, True)
    generator, places = seeded(), []
    for _ in range(800):
        crop, label = view.train(clip, generator)
        assert label == 1
        places.append(known[round(crop.sum().item(), 3), round(crop[0, 0, 0].item(), 4)])
    assert set(places) == set(known.values())  # 3 starts, 3 x 6 locations, 2 sides
    for axis, choices in enumerate((3, 3, 6, 2)):
        counts = [[place[axis] for place in places].count(value) for value in range(choices)]
        spread = math.sqrt(800 / choices * (1 - 1 / choices))
        assert max(abs(count - 800 / choices) for count in counts) < 5 * spread


def test_crops_from_the_centre_stay_there_and_unflipped_views_stay_so():
    clip = FakeClip(num_frames=2, height=13, width=17)
    view, generator, places = replace(FRAME, centre=9), seeded(), set()
    for _ in range(60):
        crop, _ = view.train(clip, generator)
        places |= {
            (index, place)
            for index in (0, 1)
            for place, other in all_crops(clip.all_frames[index].float(), 8).items()
            if torch.equal(other, crop)
        }
    assert places == {(index, (y, x)) for index in (0, 1) for y in (2, 3) for x in (4, 5)}  # rows 2-10, columns 4-12


def test_a_centre_as_large_as_the_crop_leaves_the_centre_crop_alone():
    clip, view = FakeClip(num_frames=4, height=10, width=14), replace(FRAME, centre=8, flip=True)
    centre = clip.all_frames[:, :, 1:9, 3:11].float()
    possible, generator = [*centre, *centre.flip(-1)], seeded()
    crops = [view.train(clip, generator)[0] for _ in range(60)]
    numbers = [next(n for n, other in enumerate(possible) if torch.equal(other, crop)) for crop in crops]
    assert set(numbers) == set(range(8))
    assert torch.equal(view.test(clip, 4)[0], centre)


def test_crops_of_several_scales_change_the_aspect_of_frames_and_flow_alike():
    clip = FakeClip(num_frames=3, height=20, width=24)
    clip.ahead[:] = 1.0
    both = FramesWithFlow(num_fields=1)
    view = View(sample=RandomSegments(2), modality=both, crop_size=12, crop_scales=(20, 16, 12), flip=False)
    vectors = {
        tuple(view.train(clip, seeded(seed))[1][0, :, 5, 5].mul(60).round().int().tolist()) for seed in range(80)
    }
    assert vectors == {(60 * 12 // w, 60 * 12 // h) for w in (20, 16, 12) for h in (20, 16, 12)}  # each axis by itself


def test_frames_and_their_flow_are_cropped_and_flipped_alike():
    clip = FakeClip(num_frames=6, height=12, width=16)
    clip.ahead = clip.all_frames[:, :2].float()  # red is dx of the flow that starts there, green dy
    both = FramesWithFlow(num_fields=3, rgb=PLAIN)
    view, signs = View(sample=RandomSegments(3, room=1), modality=both, crop_size=8, crop_scales=(8,)), set()
    for seed in range(40):
        frames, fields, label = view.train(clip, seeded(seed))
        sign = 1 if torch.equal(fields[:, 0], frames[:, 0]) else -1
        assert torch.equal(fields[:, 0], sign * frames[:, 0])  # flipped, dx changes its sign
        assert torch.equal(fields[:, 1], frames[:, 1])
        assert label == 1
        signs.add(sign)
    assert signs == {1, -1}


def test_a_transform_comes_before_the_crop_and_given_indices_before_the_sample():
    clip = FakeClip()
    view = replace(FRAME, centre=8, transform=lambda video, generator: video.roll(1, -1))
    crop, _ = view.train(clip, seeded(), indices=torch.tensor([7, 2]))
    assert torch.equal(crop, clip.all_frames[[7, 2]].roll(1, -1)[..., 2:10, 3:11].float())


def test_the_same_seed_gives_the_same_view_with_or_without_a_generator():
    clip = FakeClip()
    jitter = replace(FRAME, jitter=partial(rgb_jitter, strength=0.1))
    for view in (STACK, jitter, replace(jitter, sample=Consecutive(3))):
        assert torch.equal(view.train(clip, seeded(4))[0], view.train(clip, seeded(4))[0])
        assert not torch.equal(view.train(clip, seeded(4))[0], view.train(clip, seeded(5))[0])
        views = []
        for _ in range(2):
            torch.manual_seed(4)
            views.append(view.train(clip)[0])
        assert torch.equal(*views)


def test_jitter_changes_all_frames_of_a_training_view_alike_and_leaves_flow_alone():
    clip = FakeClip(num_frames=3, height=8, width=8)
    both = View(sample=RandomSegments(2), modality=FramesWithFlow(num_fields=1, rgb=PLAIN), crop_size=8, flip=False)
    jittered = replace(both, jitter=partial(rgb_jitter, strength=0.2))
    for seed in range(5):
        (plain, fields, _), (frames, same_fields, _) = (view.train(clip, seeded(seed)) for view in (both, jittered))
        assert torch.equal(fields, same_fields)
        shift = (frames - plain).movedim(1, 0).flatten(1)  # (3, T * H * W)
        torch.testing.assert_close(shift, shift[:, :1].expand_as(shift), atol=1e-4, rtol=0)
        assert shift.abs().min() > 0
    view = replace(FRAME, jitter=partial(photometric_jitter, strength=0.4))
    assert torch.equal(view.test(clip, 1)[0][4], clip.all_frames[1].float())  # nothing is jittered to test


# --- tests ------------------------------------------------------------------------------------------------------------


def test_test_views_are_samples_of_ten_crops_sample_by_sample():
    clip, view = FakeClip(num_frames=110, height=6, width=7), replace(STACK, crop_size=5)
    views, label = view.test(clip)
    assert views.shape == (250, 20, 5, 5)
    assert label == 1
    for place, start in enumerate(range(2, 100, 4)):  # 100 starts: the middle of each 25th
        stack = flow.mean_flow_subtraction(flow.optical_flow_stacking(clip.ahead[start : start + 10]))
        five = [stack[:, y : y + 5, x : x + 5] for y, x in ((0, 0), (0, 2), (1, 0), (1, 2), (0, 1))]
        expected = torch.stack(five + [flow.flip_stack(crop) for crop in five])
        torch.testing.assert_close(views[10 * place : 10 * place + 10], expected, atol=1e-6, rtol=0)


def test_fewer_crops_are_some_of_the_ten():
    clip = FakeClip(num_frames=13, width=17)
    views = STACK.test(clip, 7)[0].unflatten(0, (7, 10))
    for place, start in enumerate((0, 1, 2, 0, 1, 2, 0)):  # three starts, which start over
        assert torch.equal(views[place], views[start])
    assert torch.equal(STACK.test(clip, 7, centre_only=True)[0], views[:, 4])
    assert torch.equal(replace(STACK, flip=False).test(clip, 7)[0].unflatten(0, (7, 5)), views[:, :5])


def test_random_samplers_test_by_the_generator():
    clip, view = FakeClip(), replace(FRAME, sample=RandomSegments(2))
    assert torch.equal(view.test(clip, 5, generator=seeded())[0], view.test(clip, 5, generator=seeded())[0])
    assert not torch.equal(view.test(clip, 5, generator=seeded())[0], view.test(clip, 5, generator=seeded(1))[0])


def test_another_modality_to_test():
    clip = FakeClip()
    both = View(sample=RandomSegments(2), modality=FramesWithFlow(num_fields=1), test_modality=RGB(), crop_size=8)
    frames, _ = both.test(clip, 3, generator=seeded())
    assert len(clip.reads) == 1  # no flow
    joined = replace(both, test_modality=None)
    assert torch.equal(frames, joined.test(clip, 3, generator=seeded())[0])
    assert torch.equal(both.at(clip, [3, 4]), joined.at(clip, [3, 4]))


# --- both -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width", "expected"), [(24, 30, (12, 15)), (45, 20, (27, 12)), (12, 16, (12, 16))])
def test_frames_and_flow_are_rescaled_beforehand(height, width, expected):
    clip = FakeClip(height=height, width=width)
    frame, stack = (replace(view, short_side=12, crop_size=12) for view in (FRAME, STACK))
    torch.testing.assert_close(frame.pixels(clip, [3], whole=True), resize(clip.all_frames[[3]], expected))
    stack = replace(stack, modality=FlowStack(bidirectional=True))
    ahead, behind = clip.ahead[[7, 8]], clip.behind[[7, 6]]
    torch.testing.assert_close(
        stack.at(clip, [5, 6, 7, 8], whole=True), flow.resize_flow(torch.cat([ahead, behind]), expected).flatten(0, 1)
    )


def test_frames_can_be_squeezed_to_a_square():
    clip = FakeClip(height=9, width=20)
    view = replace(FRAME, short_side=8, keep_aspect=False)
    assert torch.equal(view.pixels(clip, [2]), resize(clip.all_frames[[2]], [8, 8]))


def test_given_frames_are_seen_as_in_a_test():
    clip = FakeClip(height=9, width=20)
    view = replace(FRAME, modality=RGB())
    assert torch.equal(view.pixels(clip, [4, 2]), clip.all_frames[[4, 2], :, :8, 6:14])
    assert torch.equal(view.at(clip, torch.tensor([4, 2])), RGB().normalise(view.pixels(clip, [4, 2])))
    assert torch.equal(view.pixels(clip, [4, 2], whole=True), clip.all_frames[[4, 2]])


def test_several_labels_are_multi_hot():
    clip = FakeClip(labels=(3, 1))
    view = replace(FRAME, num_classes=5)
    for label in (view.train(clip)[-1], view.test(clip)[-1]):
        assert label.tolist() == [False, True, False, True, False]


def test_a_frame_smaller_than_the_crop_is_an_error():
    with pytest.raises(ValueError, match="crop_size must be 1 to 12, to fit 12 x 15 pixels; got 224: resize"):
        View(sample=Consecutive(), modality=PLAIN).train(FakeClip())
    with pytest.raises(ValueError, match="got 13: resize"):
        replace(FRAME, crop_size=13).test(FakeClip())
