"""Curves over training, by hand."""

import pytest

from labkit.studies.curves import area_under, percent_of_steps_to

CURVE = [(10, 0.5), (20, 0.4), (30, 0.9)]


@pytest.mark.parametrize(("goal", "percent"), [(0.45, 25), (0.5, 25), (0.8, 75), (0.95, 100)])
def test_a_goal_is_reached_when_it_is_reached_for_the_first_time(goal, percent):
    assert percent_of_steps_to(CURVE, goal, steps=40) == percent


def test_the_area_is_the_mean_over_steps_of_unequal_length():
    assert area_under(CURVE) == pytest.approx((0.45 + 0.65) / 2)
    assert area_under([(0, 0.0), (1, 1.0), (4, 1.0)]) == pytest.approx((0.5 + 3) / 4)


@pytest.mark.parametrize("curve", [[], [(0, 1.0)], [(0, 1.0), (0, 2.0)], [(2, 1.0), (1, 1.0)]])
def test_a_curve_without_extent_is_refused(curve):
    with pytest.raises(ValueError, match="curve must have two points or more, their steps ascending; got steps"):
        area_under(curve)
