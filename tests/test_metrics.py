import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.metrics import end_point_error, end_point_error_map

# One field of 1 x 3 pixels: errors (3, 4) -> 5, (0, 0) -> 0, (-1, 0) -> 1.
TRUTH = torch.tensor([[[1.0, 2.0, 3.0]], [[1.0, 2.0, 3.0]]])  # (2, 1, 3)
PREDICTED = torch.tensor([[[4.0, 2.0, 2.0]], [[5.0, 2.0, 3.0]]])


def test_the_map_is_the_distance_between_arrow_tips():
    torch.testing.assert_close(end_point_error_map(PREDICTED, TRUTH), torch.tensor([[5.0, 0.0, 1.0]]))


def test_the_mean_counts_each_pixel_once():
    assert end_point_error(PREDICTED, TRUTH).item() == pytest.approx(2.0)


def test_only_valid_pixels_count_and_the_others_may_be_unknown():
    truth = TRUTH.clone()
    truth[:, 0, 1] = math.nan
    valid = torch.isfinite(truth).all(dim=-3)
    assert end_point_error(PREDICTED, truth, valid).item() == pytest.approx(3.0)


def test_pixels_weigh_the_same_across_fields():
    predicted, truth = torch.stack([PREDICTED, TRUTH]), torch.stack([TRUTH, TRUTH])
    valid = torch.tensor([[[True, False, False]], [[True, True, True]]])
    assert end_point_error(predicted, truth, valid).item() == pytest.approx(5 / 4)  # not (5 + 0) / 2


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), max_size=3), st.integers(0, 2**32 - 1))
def test_any_leading_dimensions_and_symmetric(leading, seed):
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.randn(2, *leading, 2, 3, 4, generator=generator)
    errors = end_point_error_map(first, second)
    assert errors.shape == (*leading, 3, 4)
    torch.testing.assert_close(errors, end_point_error_map(second, first))


def test_as_a_loss_it_pulls_each_arrow_along_its_error():
    predicted = PREDICTED.clone().requires_grad_()
    end_point_error(predicted, TRUTH).backward()
    expected = torch.tensor([[[3 / 5, 0, -1]], [[4 / 5, 0, 0]]]) / 3  # unit error vectors, averaged; 0 where exact
    torch.testing.assert_close(predicted.grad, expected)


def test_a_counted_nan_is_an_error_not_a_score():
    truth = TRUTH.clone()
    truth[0, 0, 2] = math.nan
    with pytest.raises(ValueError, match=r"must be finite; got 1 non-finite.*valid=torch\.isfinite"):
        end_point_error(PREDICTED, truth)


def test_no_pixel_that_counts_is_an_error():
    with pytest.raises(ValueError, match="at least one pixel"):
        end_point_error(PREDICTED, TRUTH, torch.zeros(1, 3, dtype=torch.bool))
    with pytest.raises(ValueError, match="at least one pixel"):
        end_point_error(torch.zeros(0, 2, 4, 4), torch.zeros(0, 2, 4, 4))


@pytest.mark.parametrize(
    ("predicted", "truth", "valid", "error", "message"),
    [
        (torch.zeros(3, 4, 4), torch.zeros(3, 4, 4), None, ValueError, r"predicted must be \(\.\.\., 2, H, W\)"),
        (torch.zeros(2, 4, 4), torch.zeros(2, 4, 5), None, ValueError, "predicted and truth must have the same shape"),
        (torch.zeros(2, 4, 4), torch.zeros(2, 4, 4, dtype=torch.int64), None, TypeError, "truth must be float32"),
        (torch.zeros(2, 4, 4), torch.zeros(2, 4, 4), torch.ones(4, 4), TypeError, "valid must be bool"),
        (
            torch.zeros(2, 4, 4),
            torch.zeros(2, 4, 4),
            torch.ones(2, 4, 4, dtype=torch.bool),
            ValueError,
            "without the 2",
        ),
    ],
)
def test_wrong_arguments_are_named(predicted, truth, valid, error, message):
    with pytest.raises(error, match=message):
        end_point_error(predicted, truth, valid)
