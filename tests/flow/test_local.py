import pytest
import torch

from labkit.flow import matching_error, structure_tensor_eigenvalues


def test_a_ramp_determines_one_direction():
    ramp = torch.arange(9.0).repeat(9, 1)[None] * 2  # brightness rises by 2 a pixel to the right
    larger, smaller = structure_tensor_eigenvalues(ramp, window=3)
    torch.testing.assert_close(larger, torch.full((9, 9), 4.0))
    torch.testing.assert_close(smaller, torch.zeros(9, 9))


def test_eigenvalues_are_those_of_the_matrix():
    image = torch.rand(1, 11, 11, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    down, right = torch.gradient(image[0])
    window = (slice(3, 8), slice(3, 8))  # 5 x 5 around (5, 5)
    xx, xy, yy = ((a[window] * b[window]).mean() for a, b in ((right, right), (right, down), (down, down)))
    expected = torch.linalg.eigvalsh(torch.stack([torch.stack([xx, xy]), torch.stack([xy, yy])])).flip(0)
    torch.testing.assert_close(structure_tensor_eigenvalues(image, window=5)[:, 5, 5], expected)


def test_the_error_is_least_at_the_true_velocity():
    first = torch.rand(3, 30, 30, generator=torch.Generator().manual_seed(1))
    second = first.roll((2, -3), dims=(1, 2))  # down by 2, left by 3
    error = matching_error(first, second, (15, 14), reach=4, steps=9)
    assert error.shape == (9, 9)
    assert divmod(int(error.argmin()), 9) == (4 + 2, 4 - 3)
    assert error.min() == 0
    assert error[4, 4] > 0.1


def test_an_edge_leaves_a_valley():
    edge = (torch.arange(20) > 9).float().repeat(20, 1)[None]
    error = matching_error(edge, edge.roll(1, dims=2), (10, 10), reach=3, steps=7)
    torch.testing.assert_close(error[:, 4], torch.zeros(7))  # dx = 1 fits with any dy
    assert error[:, [0, 1, 2, 3, 5, 6]].min() > 0.1


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match=r"image must have sides of 2 pixels or more; got \(1, 1, 9\)"):
        structure_tensor_eigenvalues(torch.zeros(1, 1, 9))
    with pytest.raises(ValueError, match="window must be odd"):
        structure_tensor_eigenvalues(torch.zeros(1, 5, 5), window=4)
    with pytest.raises(TypeError, match="image must be float32 or float64; got uint8"):
        structure_tensor_eigenvalues(torch.zeros(1, 5, 5, dtype=torch.uint8))
