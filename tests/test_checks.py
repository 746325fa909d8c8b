import numpy as np
import pytest
import torch

from labkit import checks


@pytest.mark.parametrize(
    ("shape", "pattern"),
    [((2, 4, 5), "... 2 H W"), ((8, 7, 2, 4, 5), "... 2 H W"), ((3, 3), "N N"), ((), "..."), ((1,), "N")],
)
def test_shapes_that_fit_pass(shape, pattern):
    checks.require_shape(torch.zeros(shape), pattern, "x")
    checks.require_shape(np.zeros(shape), pattern, "x")


@pytest.mark.parametrize(
    ("shape", "pattern"), [((3, 4, 5), "... 2 H W"), ((4, 5), "... 2 H W"), ((3, 4), "N N"), ((1, 2, 3), "H W")]
)
def test_shapes_that_do_not_fit_raise(shape, pattern):
    with pytest.raises(ValueError, match="x must be"):
        checks.require_shape(torch.zeros(shape), pattern, "x")


def test_the_message_says_expected_got_and_remedy():
    with pytest.raises(ValueError, match="flow must be") as error:
        checks.require_shape(torch.zeros(8, 3, 64, 64), "... 2 H W", "flow", "pass dx, dy only")
    assert str(error.value) == "flow must be (..., 2, H, W); got (8, 3, 64, 64): pass dx, dy only"


def test_a_list_is_not_a_tensor():
    with pytest.raises(TypeError, match=r"x must be a torch\.Tensor or numpy\.ndarray; got list"):
        checks.require_shape([1, 2], "N", "x")


def test_same_shape_names_both():
    checks.require_same_shape(torch.zeros(2, 3), torch.ones(2, 3), ("a", "b"))
    with pytest.raises(ValueError, match=r"a and b must have the same shape; got \(2,\) and \(3,\)"):
        checks.require_same_shape(torch.zeros(2), torch.zeros(3), ("a", "b"))


def test_dtype_names_the_allowed_ones():
    checks.require_dtype(torch.zeros(1, dtype=torch.uint8), (torch.uint8, torch.float32), "clip")
    with pytest.raises(TypeError, match="clip must be uint8 or float32; got int64"):
        checks.require_dtype(torch.zeros(1, dtype=torch.int64), (torch.uint8, torch.float32), "clip")


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_finite_counts_and_locates(bad):
    array = torch.zeros(2, 3)
    checks.require_finite(array, "flow")
    array[1, 2] = bad
    with pytest.raises(ValueError, match=r"flow must be finite; got 1 non-finite values, the first at \(1, 2\)"):
        checks.require_finite(array, "flow")


@pytest.mark.parametrize("bad", [0, -1, float("nan"), float("inf")])
def test_positive_refuses(bad):
    checks.require_positive(0.1, "rate")
    with pytest.raises(ValueError, match="rate must be a finite number greater than 0"):
        checks.require_positive(bad, "rate")
