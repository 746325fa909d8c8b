import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.flow.warp import backward_warp, occlusion_mask, pixel_grid, sample_bilinear

# Three columns, two rows; the value names the pixel: 10 * row + column.
IMAGE = torch.tensor([[[0.0, 1.0, 2.0], [10.0, 11.0, 12.0]]])  # (1, 2, 3)

sizes = st.integers(1, 40)
seeds = st.integers(0, 2**32 - 1)


def constant_flow(dx, dy, height, width):
    return torch.tensor([dx, dy]).reshape(2, 1, 1).expand(2, height, width)


def test_the_grid_runs_row_by_row_and_says_x_first():
    expected = torch.tensor([[0, 0], [1, 0], [2, 0], [0, 1], [1, 1], [2, 1]], dtype=torch.float64)
    assert torch.equal(pixel_grid(2, 3, like=torch.zeros(1, dtype=torch.float64)), expected)


@pytest.mark.parametrize(
    ("x", "y", "value"),
    [
        (0, 0, 0.0),  # a whole number names a pixel
        (2, 1, 12.0),
        (0.5, 0, 0.5),  # half way to the right
        (0, 0.25, 2.5),  # a quarter of the way down
        (1.5, 0.5, 6.5),  # in the middle of 1, 2, 11, 12
        (-3, 0.5, 5.0),  # outside: the nearest point of the border
        (7, 9, 12.0),
    ],
)
def test_sampling_between_pixels_by_hand(x, y, value):
    assert sample_bilinear(IMAGE, torch.tensor([[x, y]], dtype=torch.float32)).item() == pytest.approx(value, abs=1e-6)


def test_warping_by_hand():
    flow = torch.tensor([[[1.0, -1.0, 0.0], [0.5, 0.0, 1.0]], [[0.0, 1.0, 0.5], [-1.0, 0.0, 0.0]]])  # (2, 2, 3)
    warped, inside = backward_warp(IMAGE, flow)
    # sources: (1, 0) (0, 1) (2, .5) / (.5, 0) (1, 1) (3, 1); the last lies outside
    torch.testing.assert_close(warped, torch.tensor([[[1.0, 10.0, 7.0], [0.5, 11.0, 12.0]]]))
    assert torch.equal(inside, torch.tensor([[True, True, True], [True, True, False]]))


@settings(deadline=None, max_examples=30)
@given(sizes, sizes, st.integers(-5, 5), st.integers(-5, 5), seeds)
def test_whole_pixel_shifts_are_exact(height, width, dx, dy, seed):
    image = torch.randn(2, height, width, generator=torch.Generator().manual_seed(seed))
    warped, inside = backward_warp(image, constant_flow(float(dx), float(dy), height, width))
    rows, columns = torch.arange(height) + dy, torch.arange(width) + dx
    assert torch.equal(warped, image[:, rows.clamp(0, height - 1)][:, :, columns.clamp(0, width - 1)])
    fits = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))
    assert torch.equal(inside, fits)


@pytest.mark.parametrize("width", [639, 1025, 1920])
def test_whole_pixels_are_exact_in_large_images_too(width):
    image = torch.rand(1, 3, width, generator=torch.Generator().manual_seed(0))
    assert torch.equal(backward_warp(image, torch.zeros(2, 3, width))[0], image)


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 20), st.integers(2, 20), seeds)
def test_a_linear_image_is_read_exactly_everywhere(height, width, seed):
    x, y = pixel_grid(height, width, like=torch.zeros(1, dtype=torch.float64)).unbind(-1)
    image = (3 * x - 2 * y + 1).reshape(1, height, width)
    points = torch.rand(50, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    points = points * torch.tensor([width - 1, height - 1])
    torch.testing.assert_close(sample_bilinear(image, points)[0], 3 * points[:, 0] - 2 * points[:, 1] + 1)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 3), max_size=3), seeds)
def test_leading_dimensions_are_independent_images(leading, seed):
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(*leading, 3, 5, 6, generator=generator)
    flow = torch.randn(*leading, 2, 5, 6, generator=generator)
    warped, inside = backward_warp(image, flow)
    occluded = occlusion_mask(flow, -flow)
    assert warped.shape == image.shape
    assert inside.shape == occluded.shape == (*leading, 5, 6)
    for index in np.ndindex(*leading):
        alone, alone_inside = backward_warp(image[index], flow[index])
        assert torch.equal(warped[index], alone)
        assert torch.equal(inside[index], alone_inside)
        assert torch.equal(occluded[index], occlusion_mask(flow[index], -flow[index]))


def test_the_same_points_in_every_image():
    images = torch.stack([IMAGE, IMAGE + 100])  # (2, 1, 2, 3)
    sampled = sample_bilinear(images, torch.tensor([[2.0, 0.0], [0.0, 1.0]]))
    assert torch.equal(sampled, torch.tensor([[[2.0, 10.0]], [[102.0, 110.0]]]))


def test_gradients_reach_image_and_flow():
    image = IMAGE.double().requires_grad_()
    flow = constant_flow(0.3, 0.2, 2, 3).double().clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda image, flow: backward_warp(image, flow)[0], (image, flow))


def test_occluded_is_what_something_else_covers():
    # One row of five. Pixels 0 and 1 move right by 2 and cover 2 and 3, which do not move, nor does 4.
    forward, backward = torch.zeros(2, 1, 5), torch.zeros(2, 1, 5)
    forward[0, 0, :2] = 2
    backward[0, 0, 2:4] = -2
    assert occlusion_mask(forward, backward).tolist() == [[False, False, True, True, False]]
    right = constant_flow(1.0, 0.0, 2, 3)  # what leaves the image is occluded as well
    assert occlusion_mask(right, -right).tolist() == [[False, False, True]] * 2


@pytest.mark.parametrize(
    ("there", "back", "occluded"),
    [
        # w = 0: gap^2 = 0.490 < 0.01 * gap^2 + 0.5 = 0.505; 0.518 > 0.505
        *[(0.0, 0.70, False), (0.0, 0.72, True)],
        # w = 10: 1.4^2 = 1.96 < 0.01 * (100 + 8.6^2) + 0.5 = 2.24; 1.6^2 = 2.56 > 0.01 * (100 + 8.4^2) + 0.5 = 2.21
        *[(10.0, -8.6, False), (10.0, -8.4, True)],
    ],
)
def test_longer_displacements_may_disagree_more(there, back, occluded):
    mask = occlusion_mask(constant_flow(there, 0.0, 1, 11), constant_flow(back, 0.0, 1, 11))
    assert mask[0, 0].item() is occluded


FLAT, NAN = torch.zeros(2, 4, 4), torch.full((2, 4, 4), torch.nan)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: backward_warp(IMAGE, torch.zeros(3, 2, 3)), ValueError, r"flow must be .*\(3, 2, 3\): pass dx, dy"),
        (lambda: backward_warp(IMAGE, FLAT), ValueError, "must have the same shape"),
        (lambda: backward_warp(FLAT.to(torch.uint8), FLAT), TypeError, r"image must be float32 .*\.float\(\)"),
        (lambda: backward_warp(FLAT, NAN), ValueError, "flow must be finite.*nan_to_num"),
        (lambda: occlusion_mask(FLAT, NAN), ValueError, "backward must be finite"),
        (lambda: occlusion_mask(FLAT, FLAT[None]), ValueError, "forward and backward must have the same shape"),
        (lambda: sample_bilinear(torch.zeros(3, 1, 4, 4), torch.zeros(2, 5, 2)), ValueError, "leading dimensions of"),
        (lambda: sample_bilinear(IMAGE, torch.zeros(1, 2).long()), TypeError, "points must be float32"),
        (lambda: sample_bilinear(IMAGE, torch.full((1, 2), torch.inf)), ValueError, "points must be finite"),
    ],
)
def test_wrong_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


REAL = os.environ.get("LABKIT_REAL_DATA")


@pytest.mark.skipif(not REAL, reason="set LABKIT_REAL_DATA to a folder with flow/flyingchairs and flow/sintel")
def test_true_flow_brings_real_second_frames_back():
    from labkit.flow.store import read_flo

    chairs = Path(REAL, "flow/flyingchairs")
    pairs = [
        (chairs / f"{number:07}-img0.ppm", chairs / f"{number:07}-img1.ppm", chairs / f"{number:07}-gt.flo", None)
        for number in range(4)
    ]
    for scene in (Path(REAL, "flow/sintel", level) for level in ("easy", "medium")):
        frames = [scene / "clean" / f"frame_000{number}.png" for number in (2, 3)]
        pairs.append((*frames, scene / "gt/frame_0002.flo", scene / "gt/occlusions/frame_0002.png"))
    for first, second, truth, hidden in pairs:
        one, two = (torch.from_numpy(cv2.imread(str(path))).permute(2, 0, 1).float() for path in (first, second))
        warped, inside = backward_warp(two, read_flo(truth))
        if hidden is not None:
            inside &= torch.from_numpy(cv2.imread(str(hidden), cv2.IMREAD_GRAYSCALE)) == 0
        unwarped_error, warped_error = ((frame - one).abs()[:, inside].mean() for frame in (two, warped))
        assert warped_error < unwarped_error / 2, f"{truth}: {warped_error:.2f} against {unwarped_error:.2f} of 255"
