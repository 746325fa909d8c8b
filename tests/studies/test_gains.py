"""What tells a gain from chance: by hand, and beside how far gains scatter."""

import math

import numpy as np
import pytest
import torch

from labkit.studies.gains import gain_in_words, paired_gain, profile_correlation


def test_a_paired_gain_by_hand():
    before = torch.tensor([1.0, 0.0, 0.0, 1.0, 0.0, 1.0])
    after = torch.tensor([1.0, 1.0, 1.0, 0.5, 0.0, 1.0])
    gain, error = paired_gain(before, after, torch.tensor([4, 4, 4, 4, 9, 9]))
    assert gain == pytest.approx(1.5 / 6)
    # sums of the groups less their share of the mean: 1.5 - 4 / 4 and 0 - 2 / 4; two groups: times 2 / 1
    assert error == pytest.approx(math.sqrt(2 * (0.5**2 + 0.5**2)) / 6)
    # every clip a group of its own: the usual standard error of a mean
    gain, error = paired_gain(before, after, torch.arange(6))
    assert error == pytest.approx((after - before).double().std().item() / math.sqrt(6))
    with pytest.raises(ValueError, match="at least 2 different ones"):
        paired_gain(before, after, torch.zeros(6))


def test_the_standard_error_is_how_far_gains_scatter():
    generator = np.random.default_rng(0)
    gains, errors = [], []
    for _ in range(400):
        luck = generator.normal(size=30).repeat(5) + generator.normal(size=150)  # clips of a group share their luck
        gain, error = paired_gain(torch.zeros(150), torch.from_numpy(luck), torch.arange(30).repeat_interleave(5))
        gains.append(gain), errors.append(error)
    assert np.mean(errors) == pytest.approx(np.std(gains), rel=0.1)


def test_profiles_are_compared_over_the_classes_that_both_have():
    values = torch.tensor([0.1, 0.5, math.nan, 0.9, 0.4], dtype=torch.float64)
    others = torch.tensor([0.2, 0.4, 0.3, 1.0, math.nan], dtype=torch.float64)
    expected = np.corrcoef([0.1, 0.5, 0.9], [0.2, 0.4, 1.0])[0, 1]
    assert profile_correlation(values, others) == pytest.approx(expected)
    assert profile_correlation(values, -values) == pytest.approx(-1)
    assert profile_correlation(values, torch.ones(5)) == 0  # no profile
    assert profile_correlation(values[:1], others[:1]) == 0


@pytest.mark.parametrize(
    ("gain", "words"),
    [
        (1.5, "+1.5 ± 2.0 points: these clips cannot tell it"),
        (2.5, "+2.5 ± 2.0 points: a gain"),
        (-2.5, "-2.5 ± 2.0 points: a loss"),
    ],
)
def test_gains_in_words(gain, words):
    assert gain_in_words(gain, 2.0).startswith(words)
