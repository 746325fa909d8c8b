"""What a curve over training tells: how soon a goal was reached, and how much was learned on the way."""

from collections.abc import Sequence
from itertools import pairwise

Curve = Sequence[tuple[int, float]]  # (step, value), steps ascending


def percent_of_steps_to(curve: Curve, goal: float, steps: int) -> float:
    """Percent of the training steps until a goal is reached for the first time; 100 if it never is.

    Args:
        curve: of a value that rises, such as an accuracy.
        goal: the value to reach.
        steps: of the whole training.
    """
    return next((100 * step / steps for step, value in curve if value >= goal), 100.0)


def area_under(curve: Curve) -> float:
    """Mean of a curve over the steps from its first point to its last, by the trapezoidal rule; in the curve's unit.

    Raises:
        ValueError: fewer than two points, or steps that do not ascend.
    """
    steps = [step for step, _ in curve]
    if len(curve) < 2 or any(after <= before for before, after in pairwise(steps)):
        raise ValueError(f"curve must have two points or more, their steps ascending; got steps {steps}")
    pieces = [(b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(curve)]
    return sum(pieces) / (steps[-1] - steps[0])
