import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from labkit.viz.colour import as_uint8, colour_wheel, flow_to_rgb, heat_to_rgb, overlay, signed_to_rgb, typical_speed


def rgb_of(dx, dy, max_speed=1.0):
    return flow_to_rgb(torch.tensor([dx, dy])[:, None, None], max_speed)[:, 0, 0].tolist()


def test_hue_is_direction_and_saturation_is_speed():
    assert rgb_of(0.0, 0.0) == [255, 255, 255]
    # at full speed one channel is 0 and the strongest 0.92 * 255 = 235
    assert rgb_of(1.0, 0.0) == rgb_of(7.0, 0.0) == [235, 0, 0]
    assert rgb_of(-1.0, 0.0) == [0, 235, 235]
    red, green, blue = rgb_of(0.0, 1.0)  # down is yellow-green
    assert green > red > blue
    red, green, blue = rgb_of(0.0, -1.0)  # up is violet
    assert blue > red > green
    full, half = torch.tensor([rgb_of(0.6, 0.8), rgb_of(0.3, 0.4)]).float()
    torch.testing.assert_close(255 - half, (255 - full) / 2, atol=1.0, rtol=0)


@given(st.lists(st.integers(1, 3), max_size=2), st.integers(1, 5), st.integers(1, 5))
def test_any_leading_dimensions(leading, height, width):
    flow = torch.randn(*leading, 2, height, width)
    assert flow_to_rgb(flow).shape == (*leading, 3, height, width)
    assert flow_to_rgb(flow).dtype == torch.uint8


def test_typical_speed_ignores_outliers_and_what_is_unknown():
    flow = torch.zeros(2, 100, 100)
    flow[0] = 2.0
    flow[0, 0, 0] = 500.0
    assert typical_speed(flow) == pytest.approx(2.0)
    assert typical_speed(torch.zeros(2, 4, 4)) == 0.5
    for unknown in (math.nan, math.inf, -math.inf):
        flow = torch.tensor([3.0, 4.0])[:, None, None].repeat(1, 10, 10)
        flow[1, 2, 3] = unknown
        assert typical_speed(flow) == pytest.approx(5.0)
        assert typical_speed(torch.full((2, 4, 4), unknown)) == 0.5


def test_the_wheel_shows_flow_of_its_own_position():
    wheel = colour_wheel(101)
    assert wheel.shape == (3, 101, 101)
    assert wheel[:, 50, 50].tolist() == [255, 255, 255]
    assert wheel[:, 0, 0].tolist() == [255, 255, 255]  # outside
    assert wheel[0, 50, 94] > 200  # right: red
    assert wheel[1, 50, 94] < 60


def test_an_overlay_mixes_the_image_with_the_enlarged_map():
    images = torch.full((2, 3, 4, 4), 100, dtype=torch.uint8)
    shown = overlay(images, torch.tensor([[1.0, -1.0], [1.0, -1.0]]), 1.0)  # one map for both images
    bright, dark = heat_to_rgb(torch.tensor([[1.0, 0.0]]), 0.0, 1.0)[:, 0].T.float()
    assert torch.equal(shown[0], shown[1])
    assert torch.equal(shown[0, :, 0, 0], (45 + 0.55 * bright).round().to(torch.uint8))
    assert torch.equal(shown[0, :, 3, 3], (45 + 0.55 * dark).round().to(torch.uint8))
    assert torch.equal(overlay(images, torch.zeros(2, 2, 2))[0, :, 0, 0], shown[0, :, 3, 3])  # nothing found: all dark
    assert torch.equal(overlay(images / 255, torch.zeros(2, 2, 2)), overlay(images, torch.zeros(2, 2, 2)))


def test_heat_runs_from_dark_to_bright():
    rgb = heat_to_rgb(torch.tensor([[0.0, 0.5, 1.0]])).float()
    lightness = rgb.mean(0)[0]
    assert lightness[0] < lightness[1] < lightness[2]
    assert torch.equal(heat_to_rgb(torch.tensor([[5.0]]), 0, 1), heat_to_rgb(torch.tensor([[1.0]]), 0, 1))
    assert heat_to_rgb(torch.zeros(2, 3, 4)).shape == (2, 3, 3, 4)


def test_signed_numbers_are_grey_about_zero():
    grey = signed_to_rgb(torch.tensor([[-9.0, -2.0, 0.0, 1.0, 2.0]]), 2.0)
    assert grey.shape == (3, 1, 5)
    assert grey[0, 0].tolist() == [0, 0, 128, 191, 255]
    assert torch.equal(grey[0], grey[2])


def test_as_uint8_takes_what_the_decoder_and_the_transform_give():
    image = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16)
    assert torch.equal(as_uint8(image / 255), image.expand(3, 16, 16))
    assert as_uint8(image.expand(3, -1, -1)).shape == (3, 16, 16)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: flow_to_rgb(torch.zeros(3, 4, 4)),
            r"flow must be \(..., 2, H, W\); got \(3, 4, 4\): pass dx, dy only",
        ),
        (lambda: flow_to_rgb(torch.full((2, 4, 4), torch.nan)), "flow must be finite"),
        (lambda: flow_to_rgb(torch.zeros(2, 4, 4), 0.0), "max_speed must be a finite number greater than 0"),
        (lambda: heat_to_rgb(torch.zeros(4, 4), 1, 0), "high must not be below low"),
        (lambda: as_uint8(torch.full((3, 4, 4), 255.0)), r"clip must lie in \[0, 1\]; got 255 to 255"),
        (
            lambda: as_uint8(torch.zeros(3, 4, 4, dtype=torch.int64)),
            "clip must be uint8 or floating point; got torch.int64",
        ),
        (lambda: overlay(torch.zeros(2, 1, 4, 4), torch.zeros(2, 2)), "images must be"),
        (lambda: as_uint8(torch.zeros(2, 4, 4)), r"clip must be \(..., 3, H, W\) or \(..., 1, H, W\)"),
    ],
)
def test_bad_values_are_refused(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()
