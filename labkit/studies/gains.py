"""What tells a gain from chance, and whether two networks are good at the same classes. Tensors in, numbers out."""

import torch
from torch import Tensor

from labkit import checks


def paired_gain(before: Tensor, after: Tensor, groups: Tensor) -> tuple[float, float]:
    """By how much more often the same clips are right after than before, and the standard error of that difference.

    Clips of a group share actor and scene and tend to be right or wrong together, so each group counts as one draw.
    Without it a point more or less on a few hundred clips is taken for an effect.

    Args:
        before: ``(N,)``, of each clip whether it was right: 0 or 1, or the fraction of trainings after which it was.
        after: in the same way.
        groups: ``(N,)``, the group of each clip, at least two different ones.

    Returns:
        The mean difference, -1 to 1, and its standard error.

    Source: the sandwich estimate of a mean under clustering, e.g. Cameron and Miller, "A practitioner's guide to
    cluster-robust inference", J. Human Resources 50(2), 2015, section II.
    """
    checks.require_same_shape(before, after, ("before", "after"), "of the same clips")
    checks.require_same_shape(before, groups, ("before", "groups"), "one group for each clip")
    _, group = groups.unique(return_inverse=True)  # (N,), counted from 0
    number = int(group.max()) + 1
    if number < 2:
        raise ValueError(f"groups must be at least 2 different ones; got {number}: nothing says how far groups differ")
    gains = after.double() - before.double()  # (N,)
    mean = gains.mean()
    sums = torch.zeros(number, dtype=torch.float64).index_add_(0, group, gains - mean)  # (number,)
    error = (sums.square().sum() * number / (number - 1)).sqrt() / len(gains)
    return mean.item(), error.item()


def gain_in_words(gain: float, bound: float) -> str:
    """A gain in points, beside twice its standard error."""
    numbers = f"{gain:+.1f} ± {bound:.1f} points"
    if abs(gain) <= bound:
        return f"{numbers}: these clips cannot tell it from no effect at all"
    return f"{numbers}: {'a gain' if gain > 0 else 'a loss'} of this training, beyond twice its standard error"


def profile_correlation(values: Tensor, others: Tensor) -> float:
    """Whether two networks are good at the same classes: the correlation of their precision, or recall, over classes.

    Args:
        values: ``(K,)``, NaN for classes that have no such number; these do not count.
        others: in the same way.

    Returns:
        -1 to 1; 0 if one of them is the same for all classes, or there are fewer than two: then it has no profile.

    Source: ours, for "the same tendency in classifying actions" (Ren et al., section 4.5, Figures 4 and 5).
    """
    both = torch.stack([values, others])  # (2, K)
    both = both[:, both.isfinite().all(0)]  # (2, number of classes that count)
    return torch.corrcoef(both)[0, 1].nan_to_num(0.0).item() if both.shape[1] > 1 else 0.0
