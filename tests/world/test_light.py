"""Shadows, and stills as a cheap camera sees them."""

import numpy as np
import pytest
import torch

from labkit.world.light import photographed, shaded, shadows


def test_shadows_lie_between_0_and_1_with_soft_edges():
    for seed in range(5):
        shadow = shadows(np.random.default_rng(seed), 60, 90, 20.0)
        assert shadow.shape == (60, 90)
        assert 0 <= shadow.min() < 0.25
        assert 0.75 < shadow.max() <= 1
        assert ((shadow > 0.1) & (shadow < 0.9)).mean() > 0.05, "edges are soft"


def test_smaller_cells_make_more_shadows():
    def edges(cell):
        shadow = shadows(np.random.default_rng(3), 128, 128, cell) > 0.5
        return (shadow[:, 1:] != shadow[:, :-1]).sum()

    assert edges(8.0) > 2 * edges(60.0)


def test_a_shadow_takes_its_depth_of_the_light_and_less_of_the_blue():
    image, shadow = np.full((1, 2, 3), 200.0, np.float32), np.array([[0.0, 1.0]], np.float32)
    dark = shaded(image, shadow, 0.5)
    assert dark[0, 0].tolist() == [200, 200, 200]
    assert dark[0, 1].tolist() == pytest.approx([100, 200 * (1 - 0.475), 200 * (1 - 0.425)])


def test_a_photographed_still_is_darker_noisier_and_the_same_for_the_same_draws():
    frames = torch.full((1, 3, 48, 64), 180, dtype=torch.uint8)
    one, again = (photographed(frames, np.random.default_rng(1)) for _ in range(2))
    assert one.dtype == torch.uint8
    assert one.shape == frames.shape
    assert torch.equal(one, again)
    assert one.float().mean() < 175
    assert (one[..., 1:].int() - one[..., :-1].int()).abs().float().mean() > 0.5
