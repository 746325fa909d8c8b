import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.flow.tvl1 import (
    add_divergence,
    ascend,
    derivative,
    gaussian_pyramid,
    gradient,
    grey_pair,
    median_filter,
    threshold,
    tvl1,
)
from labkit.metrics import end_point_error

CONSTANTS = sys.modules[tvl1.__module__]  # labkit.flow.tvl1 is the function
sizes = st.integers(1, 30)
seeds = st.integers(0, 2**32 - 1)


def rng(seed):
    return torch.Generator().manual_seed(seed)


def texture(height, width, seed=0, blur=9):
    """A smooth random picture, (1, H, W) from 0 to 1, larger than asked for by 16 on each side."""
    noise = torch.rand(1, height + 32 + 2 * blur, width + 32 + 2 * blur, generator=rng(seed))
    for _ in range(2):
        noise = torch.nn.functional.avg_pool2d(noise, blur, 1)
    noise = noise[:, : height + 32, : width + 32]
    return (noise - noise.min()) / (noise.max() - noise.min())


def translated(height, width, dx, dy, seed=0):
    """Two pictures and the flow between them: a translation, sub-pixel by Fourier's shift theorem, exact inside."""
    picture = texture(height, width, seed)
    frequency_y = torch.fft.fftfreq(picture.shape[-2])[:, None]
    frequency_x = torch.fft.fftfreq(picture.shape[-1])
    window = torch.outer(torch.hann_window(picture.shape[-2]), torch.hann_window(picture.shape[-1])) ** 0.25
    spectrum = torch.fft.fft2(picture * window)
    moved = torch.fft.ifft2(spectrum * torch.exp(-2j * torch.pi * (frequency_x * dx + frequency_y * dy))).real
    crop = (..., slice(16, 16 + height), slice(16, 16 + width))
    truth = torch.tensor([dx, dy]).reshape(2, 1, 1).expand(2, height, width)
    return (picture * window)[crop].clamp(0, 1), moved[crop].clamp(0, 1), truth


# The steps, by hand


@pytest.mark.parametrize(
    ("rho", "v"),
    [
        (-100.0, (3 + 0.5 * 3, 1 + 0.5 * 4)),  # rho < -limit |g|^2 = -12.5: along +limit g
        (100.0, (3 - 0.5 * 3, 1 - 0.5 * 4)),  # rho > 12.5: along -limit g
        (5.0, (3 - 5 * 3 / 25, 1 - 5 * 4 / 25)),  # between: to where rho is 0
        (0.0, (3, 1)),
    ],
)
def test_thresholding_by_hand(rho, v):
    u = torch.tensor([3.0, 1.0]).reshape(1, 2, 1, 1)
    slope = torch.tensor([3.0, 4.0]).reshape(1, 2, 1, 1)  # |g|^2 = 25
    offset = torch.tensor((rho - (3 * 3 + 4 * 1)) / 25).reshape(1, 1, 1, 1)
    threshold(u, slope, slope / 25, offset, limit=0.5, step=torch.empty(1, 1, 1, 1))
    torch.testing.assert_close(u.flatten(), torch.tensor(v, dtype=torch.float32))


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_thresholding_finds_the_least_energy(seed):
    u, slope = torch.randn(2, 1, 2, 3, 4, generator=rng(seed), dtype=torch.float64)
    rest = torch.randn(1, 1, 3, 4, generator=rng(seed), dtype=torch.float64)  # rho(v) = rest + <g, v>
    squared, lambda_, theta = slope.square().sum(1, keepdim=True), 0.7, 0.4

    def energy(v):
        rho = rest + (slope * v).sum(1, keepdim=True)
        return (u - v).square().sum(1, keepdim=True) / (2 * theta) + lambda_ * rho.abs()

    v = threshold(u.clone(), slope, slope / squared, rest / squared, lambda_ * theta, torch.empty_like(rest))
    for _ in range(20):
        nearby = v + 0.1 * torch.randn(v.shape, generator=rng(seed), dtype=torch.float64)
        assert (energy(v) <= energy(nearby) + 1e-12).all()


@settings(deadline=None, max_examples=30)
@given(sizes, sizes, seeds)
def test_divergence_is_the_negative_adjoint_of_the_gradient(height, width, seed):
    flow = torch.randn(2, 2, height, width, generator=rng(seed), dtype=torch.float64)
    p = torch.randn(2, 2, 2, height, width, generator=rng(seed), dtype=torch.float64)
    p[:, 0, :, :, -1], p[:, 1, :, -1] = 0, 0
    slopes = gradient(flow, torch.zeros_like(p))
    theta = 0.5
    divergence = add_divergence(torch.zeros_like(flow), p, theta) / theta
    assert (slopes * p).sum().item() == pytest.approx(-(flow * divergence).sum().item(), abs=1e-5)


def test_gradient_by_hand():
    flow = torch.tensor([[0.0, 1.0, 5.0], [10.0, 10.0, 10.0]]).expand(1, 2, 2, 3)
    slopes = gradient(flow, torch.zeros(1, 2, 2, 2, 3))
    assert slopes[0, 0, 1].tolist() == [[1, 4, 0], [0, 0, 0]]
    assert slopes[0, 1, 0].tolist() == [[10, 9, 5], [0, 0, 0]]


def test_one_chambolle_step_by_hand():
    p = torch.tensor([[0.5, 0.0], [0.25, 0.0]]).reshape(1, 2, 2, 1, 1)  # direction, component
    slope = torch.tensor([[3.0, 0.0], [4.0, 2.0]]).reshape(1, 2, 2, 1, 1)  # lengths 5 and 2
    ascend(p, slope, rate=0.5, length=torch.empty(1, 1, 2, 1, 1))
    expected = torch.tensor([[(0.5 + 1.5) / 3.5, 0.0], [(0.25 + 2) / 3.5, 1 / 2]])
    torch.testing.assert_close(p.flatten(), expected.flatten())


@settings(deadline=None, max_examples=30)
@given(sizes, sizes, seeds)
def test_median_filter_agrees_with_numpy(height, width, seed):
    flow = torch.randn(2, 2, height, width, generator=rng(seed))
    pad = np.pad(flow.numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)), "edge")
    windows = np.lib.stride_tricks.sliding_window_view(pad, (3, 3), (2, 3))
    assert np.array_equal(median_filter(flow).numpy(), np.median(windows, (-2, -1)))


def test_derivative_of_a_cubic_is_exact_inside():
    x, y = torch.meshgrid(torch.arange(8.0), torch.arange(9.0), indexing="xy")
    image = x**3 - 2 * y**2
    slope = derivative(image[None, None])[0]
    torch.testing.assert_close(slope[:, 2:-2, 2:-2], torch.stack((3 * x**2, -4 * y))[:, 2:-2, 2:-2])


def test_the_pyramid_keeps_grey_values_and_ends_at_32_pixels():
    pyramid = gaussian_pyramid(torch.full((1, 2, 100, 140), 0.5))
    assert [tuple(level.shape[-2:]) for level in pyramid] == [(100, 140), (65, 91), (42, 59)]
    torch.testing.assert_close(pyramid[1], torch.full((1, 2, 65, 91), 0.5))


# The whole


@pytest.mark.parametrize(("dx", "dy", "bound"), [(0.3, -0.2, 0.08), (1.0, 0.0, 0.01), (6.0, -5.0, 0.1)])
def test_translations_are_recovered(dx, dy, bound):
    first, second, truth = translated(70, 84, dx, dy)
    inside = torch.zeros(70, 84, dtype=torch.bool)
    inside[10:-10, 10:-10] = True
    assert end_point_error(tvl1(first, second), truth, inside) < bound


@given(sizes, sizes, seeds)
@settings(max_examples=8)
def test_no_motion_is_exactly_no_flow(height, width, seed):
    image = torch.rand(3, height, width, generator=rng(seed))
    assert torch.equal(tvl1(image, image), torch.zeros(2, height, width))


@pytest.mark.parametrize("size", [(37, 53), (1, 40), (1, 1)])
def test_in_a_batch_as_alone(size):
    first, second = torch.rand(2, 1, 2, 1, *size, generator=rng(1))
    together = tvl1(first, second)
    assert together.shape == (1, 2, 2, *size)
    for j in range(2):
        assert torch.equal(together[0, j], tvl1(first[0, j], second[0, j]))


@pytest.mark.parametrize("size", [(40, 52), (90, 121)])
def test_pairs_that_stop_at_different_times_are_in_a_batch_as_alone(size, monkeypatch):
    pairs = [
        translated(*size, *motion, seed) for seed, motion in enumerate([(0, 0), (0.2, 0), (3, -2), (7, 5), (1, 0)])
    ]
    first, second = (torch.stack(images) for images in list(zip(*pairs, strict=True))[:2])
    first[4] = torch.rand(first[4].shape, generator=rng(0))  # another picture altogether: never settles
    together = tvl1(first, second)
    for i in range(5):
        assert torch.equal(together[i], tvl1(first[i], second[i]))
    monkeypatch.setattr(CONSTANTS, "EPSILON", 0)
    full = tvl1(first, second)
    assert not torch.equal(together, full)  # some have stopped early
    assert (together - full)[:4].norm(dim=1).mean() < 0.05


def test_the_number_of_threads_is_left_as_it_was():
    threads = torch.get_num_threads()
    tvl1(IMAGE, IMAGE)
    assert torch.get_num_threads() == threads


def test_grey_and_eight_bits_make_no_difference():
    first, second, _ = translated(40, 50, 1.5, 0.5)
    flow = tvl1(first, second)
    assert torch.equal(flow, tvl1(first.expand(3, -1, -1), second.expand(3, -1, -1)))
    first, second = (first * 255).round().byte(), (second * 255).round().byte()
    assert torch.equal(tvl1(first, second), tvl1(first.float() / 255, second.float() / 255))


def test_grey_is_luma():
    image = torch.tensor([1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]).reshape(3, 3, 1, 1)  # red, green, blue
    torch.testing.assert_close(grey_pair(image, image)[:, 0].flatten(), torch.tensor([0.299, 0.587, 0.114]))


def test_less_data_weight_is_smoother(monkeypatch):
    first, second = torch.rand(2, 1, 40, 40, generator=rng(0))
    rough = tvl1(first, second).diff().abs().mean()
    monkeypatch.setattr(CONSTANTS, "LAMBDA", 255 * 0.01)
    assert tvl1(first, second).diff().abs().mean() < rough / 2


def test_the_result_is_an_ordinary_tensor():
    first, second, _ = translated(20, 20, 1.0, 0.0)
    flow = tvl1(first.requires_grad_(), second)
    assert not flow.requires_grad
    assert not flow.is_inference()
    (flow * torch.ones(2, 20, 20, requires_grad=True)).sum().backward()


IMAGE = torch.zeros(1, 8, 8)


@pytest.mark.parametrize(
    ("first", "second", "error", "message"),
    [
        (IMAGE.expand(2, 8, 8), IMAGE.expand(2, 8, 8), ValueError, r"first must be \(\.\.\., 1 or 3, H, W\)"),
        (IMAGE[:, :0], IMAGE[:, :0], ValueError, "with pixels in it"),
        (IMAGE, IMAGE.double(), TypeError, "second must be uint8 or float32; got float64"),
        (IMAGE.numpy(), IMAGE, TypeError, "first must be a torch.Tensor"),
        (IMAGE, IMAGE + 1.5, ValueError, "second must lie in 0 to 1 .* got 1.5 to 1.5: divide by 255"),
    ],
)
def test_wrong_images_are_named(first, second, error, message):
    with pytest.raises(error, match=message):
        tvl1(first, second)


REAL = os.environ.get("LABKIT_REAL_DATA")


@pytest.mark.skipif(not REAL, reason="set LABKIT_REAL_DATA to a folder with flow/flyingchairs")
def test_a_real_pair_at_half_its_size():
    from labkit.flow.store import read_flo

    chairs = Path(REAL, "flow/flyingchairs")
    first, second = (
        torch.from_numpy(cv2.resize(cv2.imread(str(chairs / f"0000001-{name}.ppm")), None, fx=0.5, fy=0.5))
        for name in ("img0", "img1")
    )
    first, second = (image.flip(-1).permute(2, 0, 1) for image in (first, second))  # (3, H, W), RGB
    truth = read_flo(chairs / "0000001-gt.flo")[:, ::2, ::2] / 2
    assert end_point_error(torch.zeros_like(truth), truth) > 2
    assert end_point_error(tvl1(first, second), truth) < 0.9
