from itertools import permutations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import v2

from labkit.flow import flip_stack, resize_flow
from labkit.views.crops import (
    CORNER_CROPS,
    IMAGENET_COLOUR_AXES,
    centre_crop,
    corner_crop,
    photometric_jitter,
    random_crop,
    random_flip,
    rescale,
    rgb_jitter,
    ten_crop,
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbered(*sizes: int) -> torch.Tensor:
    return torch.arange(torch.Size(sizes).numel(), dtype=torch.float32).reshape(sizes)


def test_the_shorter_side_gets_its_length_and_the_other_one_follows():
    upright = numbered(3, 20, 10)
    assert rescale(upright, None, v2.functional.resize) is upright
    assert rescale(upright, 5, v2.functional.resize).shape == (3, 10, 5)
    assert rescale(upright.mT, 15, v2.functional.resize).shape == (3, 15, 30)
    assert rescale(torch.zeros(1, 2, 7, 9), 4, resize_flow).shape == (1, 2, 4, 5)  # 36 / 7 = 5.1
    doubled = rescale(torch.ones(2, 4, 6), 8, resize_flow)
    assert doubled.tolist() == torch.full((2, 8, 12), 2.0).tolist()  # twice the pixels


def test_centre_crop_by_hand():
    assert centre_crop(numbered(2, 5), 2).tolist() == [[1, 2], [6, 7]]
    assert centre_crop(numbered(2, 4, 3), 1).tolist() == [[[4]], [[16]]]
    assert centre_crop(numbered(3, 3), 3).tolist() == numbered(3, 3).tolist()


def test_random_crop_takes_every_location_as_often_and_no_other():
    video = numbered(2, 4, 5)
    generator = seeded()
    corners = [random_crop(video, 3, generator)[0, 0, 0].item() for _ in range(1200)]
    counts = torch.bincount(torch.tensor(corners).long(), minlength=8)
    assert counts.nonzero().flatten().tolist() == [0, 1, 2, 5, 6, 7]  # rows 0 and 1, columns 0 to 2
    assert (counts[counts > 0] - 200).abs().max() < 65  # five standard deviations of 12.9


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 3), max_size=3), st.integers(1, 6), st.integers(0, 9), st.integers(0, 2**32 - 1))
def test_random_crop_cuts_all_alike_and_repeats_with_its_seed(leading, size, room, seed):
    image = numbered(size + room, size + 2 * room)
    video = image.expand(*leading, *image.shape)
    cut = random_crop(video, size, seeded(seed))
    assert cut.shape == (*leading, size, size)
    assert torch.equal(cut, random_crop(image, size, seeded(seed)).expand_as(cut))
    top, left = divmod(int(cut.flatten()[0]), image.shape[1])
    assert torch.equal(cut, video[..., top : top + size, left : left + size])


def test_random_flip_flips_half_of_the_time_by_the_given_function():
    stack = numbered(4, 2, 3) + 1
    generator = seeded()
    results = [random_flip(stack, flip_stack, generator) for _ in range(400)]
    flipped = [not torch.equal(result, stack) for result in results]
    assert 150 < sum(flipped) < 250  # five standard deviations
    assert all(torch.equal(result, flip_stack(stack)) for result, did in zip(results, flipped, strict=True) if did)


def test_ten_crop_by_hand():
    crops = ten_crop(numbered(1, 3, 4), 2)
    assert crops.shape == (10, 1, 2, 2)
    first = crops[:, 0, 0].tolist()
    # rows 0 and 1, columns 0 and 2; the centre is rounded: half a pixel down to row 0, exactly column 1
    assert first[:5] == [[0, 1], [2, 3], [4, 5], [6, 7], [1, 2]]
    assert first[5:] == [row[::-1] for row in first[:5]]


def test_ten_crop_of_flow_turns_the_vectors_too():
    stack = torch.randn(3, 4, 8, 9, generator=seeded())
    crops = ten_crop(stack, 8, flip_stack)
    assert torch.equal(crops[:, 5:], flip_stack(crops[:, :5]))
    assert torch.equal(crops[:, 5, 0], -stack[:, 0, :, :8].flip(-1))  # x of the first field
    assert torch.equal(crops[:, 5, 1], stack[:, 1, :, :8].flip(-1))  # y
    assert torch.equal(ten_crop(stack, 8, None), crops[:, :5])


def test_imagenet_axes_are_orthogonal_and_as_long_as_their_variances():
    gram = IMAGENET_COLOUR_AXES @ IMAGENET_COLOUR_AXES.T
    torch.testing.assert_close(gram, torch.tensor([0.2175, 0.0188, 0.0045]).square().diag(), atol=2e-5, rtol=1e-3)
    light, red_to_blue, green_to_both = IMAGENET_COLOUR_AXES.sign()  # brightness first; red comes before blue
    assert abs(light.sum()) == 3
    assert red_to_blue[0] == -red_to_blue[2] != 0
    assert IMAGENET_COLOUR_AXES[0].abs().argmax() == 2  # blue varies most with the light, red most against it
    assert IMAGENET_COLOUR_AXES[1].abs().argmax() == 0
    assert green_to_both.tolist() == [1, -1, 1]


def test_corner_crops_are_five_of_each_size():
    video = numbered(1, 5, 7)
    found = {corner_crop(video, 3, [3], generator=seeded(draw)).flatten().tolist()[0] for draw in range(60)}
    assert found == {0.0, 4.0, 14.0, 18.0, 9.0}  # top left values of the four corners and, at (1, 2), the centre
    crop = corner_crop(video, 3, [3], generator=seeded())
    first = int(crop[0, 0, 0])
    assert torch.equal(crop, video[:, first // 7 : first // 7 + 3, first % 7 : first % 7 + 3])


def test_corner_crops_jitter_scale_and_aspect_and_leave_the_resizing_to_the_caller():
    shapes, draws = set(), seeded()

    def noted(crop, size):
        shapes.add(tuple(crop.shape[-2:]))
        return crop[..., :1, :1].expand(*crop.shape[:-2], *size)

    for _ in range(80):
        assert corner_crop(numbered(2, 3, 8, 9), 4, [8, 6, 4], noted, draws).shape == (2, 3, 4, 4)
    assert shapes == {(a, b) for a in (8, 6, 4) for b in (8, 6, 4)} - {(4, 4)}  # of the right size already
    sizes = CORNER_CROPS["crop_scales"]
    assert (max(sizes), sizes[1]) == (CORNER_CROPS["short_side"], CORNER_CROPS["crop_size"])
    assert [round(256 / side, 2) for side in sizes] == [1, 1.14, 1.33, 1.52]  # 1, 7/8, 3/4 and 21/32 of the height


def test_rgb_jitter_shifts_every_pixel_by_the_same_colour_along_the_axes():
    frames = torch.rand(5, 3, 4, 6, generator=seeded()) * 255
    generator = seeded(1)
    shifts = []
    for _ in range(1000):
        shift = rgb_jitter(frames, 0.5, generator) - frames
        torch.testing.assert_close(shift, shift[:1, :, :1, :1].expand_as(shift), atol=1e-3, rtol=0)
        shifts.append(shift[0, :, 0, 0])
    lengths = torch.tensor([0.2175, 0.0188, 0.0045])
    along = torch.stack(shifts) @ (IMAGENET_COLOUR_AXES / lengths[:, None]).T  # (2000, 3), along each axis
    torch.testing.assert_close(along.std(dim=0), 255 * 0.5 * lengths, rtol=0.1, atol=0)
    assert (along.mean(dim=0) / along.std(dim=0)).abs().max() < 0.1
    assert (torch.corrcoef(along.T) - torch.eye(3)).abs().max() < 0.1  # three numbers, not one
    assert torch.equal(rgb_jitter(frames, 0.0), frames)


GREY = torch.tensor([0.2989, 0.587, 0.114])  # of red, green and blue; see ITU-R BT.601


def recovered(frames, changed):
    """Brightness, contrast and saturation that were multiplied by, as long as nothing was cut off.

    With factors b, c and s, in any order: the mean grey becomes b times as much, grey b c times as far from its mean,
    and colours b c s times as far from grey.
    """
    grey, grey_after = ((GREY[:, None, None] * one).sum(-3) for one in (frames, changed))
    b = grey_after.mean() / grey.mean()
    bc = grey_after.std() / grey.std()
    bcs = (changed - grey_after[..., None, :, :]).std() / (frames - grey[..., None, :, :]).std()
    return torch.stack([b, bc / b, bcs / bc])


def distorted(frames, factors, order):
    """Brightness, contrast and saturation, written out."""
    for which in order:
        grey = (GREY[:, None, None] * frames).sum(-3, keepdim=True)
        towards = (torch.zeros(()), grey.mean(), grey)[which]
        frames = (towards + factors[which] * (frames - towards)).clamp(0, 255)
    return frames


def test_photometric_jitter_multiplies_brightness_contrast_and_saturation():
    """Grey of 100, nothing cut off; the second frame is brighter, yet the same colour becomes the same colour."""
    frames = 100 + 20 * torch.rand(2, 3, 5, 7, generator=seeded())
    frames[1] += 10
    frames[1, :, 0, 0] = frames[0, :, 0, 0]
    generator, found = seeded(1), []
    for _ in range(300):
        changed = photometric_jitter(frames, 0.3, generator)
        assert changed.shape == frames.shape
        torch.testing.assert_close(changed[1, :, 0, 0], changed[0, :, 0, 0])
        found.append(recovered(frames, changed))
        torch.testing.assert_close(changed, distorted(frames, found[-1], (0, 1, 2)), atol=0.05, rtol=0)
    found = torch.stack(found)  # (300, 3)
    assert found.min() > 0.699
    assert found.max() < 1.301
    torch.testing.assert_close(found.mean(0), torch.ones(3), atol=0.03, rtol=0)  # uniform, each by itself
    torch.testing.assert_close(found.std(0), torch.full((3,), 0.3 / 3**0.5), atol=0.02, rtol=0)
    assert (torch.corrcoef(found.T) - torch.eye(3)).abs().max() < 0.2


def test_photometric_jitter_comes_in_any_order_and_is_cut_off_at_black_and_white():
    """Draws do not depend on the frames, so mild ones tell the factors, and harsh ones the order."""
    mild = 100 + 20 * torch.rand(3, 5, 7, generator=seeded())
    harsh = (600 * torch.rand(2, 3, 6, 6, generator=seeded()) - 170).clamp(0, 255)
    seen = set()
    for seed in range(40):
        factors = recovered(mild, photometric_jitter(mild, 0.3, seeded(seed)))
        changed = photometric_jitter(harsh, 0.3, seeded(seed))
        assert changed.min() >= 0
        assert changed.max() <= 255
        errors = {order: (distorted(harsh, factors, order) - changed).abs().max() for order in permutations(range(3))}
        assert min(errors.values()) < 0.5
        seen.add(min(errors, key=errors.get))
    assert seen == {*permutations(range(3))}


def test_photometric_jitter_of_strength_0_changes_nothing_and_draws_nothing():
    frames, generator = torch.tensor([-1.0, 0.0, 256.0])[:, None, None], seeded(3)
    assert photometric_jitter(frames, 0.0, generator) is frames
    assert torch.equal(generator.get_state(), seeded(3).get_state())


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: photometric_jitter(torch.zeros(3, 4, 4), 1.5), ValueError, "strength must be 0 to 1; got 1.5"),
        (lambda: random_crop(torch.zeros(3, 8, 6), 7), ValueError, "crop_size must be 1 to 6, to fit 8 x 6 pixels; go"),
        (lambda: centre_crop(torch.zeros(3, 8, 6), 0), ValueError, "got 0"),
        (lambda: ten_crop(torch.zeros(3, 8, 6), 7), ValueError, "got 7: resize"),
        (lambda: corner_crop(torch.zeros(3, 8, 6), 6, [6, 7]), ValueError, "crop_size must be 1 to 6, to fit 8 x 6"),
        (lambda: rgb_jitter(torch.zeros(20, 4, 4)), ValueError, "three channels"),
        (lambda: rgb_jitter(torch.zeros(3, 4, 4, dtype=torch.uint8)), TypeError, "frames must be float32 or float64"),
    ],
)
def test_wrong_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
