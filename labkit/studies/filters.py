"""What first-layer filters of a temporal stream look like: an instrument for Figure 4 of the two-stream paper."""

import torch
import torch.nn.functional as F
from scipy.special import betaincc  # type: ignore[import-untyped]
from torch import Tensor

from labkit import checks

FILTER_KINDS = ("spatial derivative", "temporal derivative", "average", "none of these")


def filter_kinds(weights: Tensor, level: float = 0.01) -> tuple[Tensor, Tensor]:
    """What the first filters of a temporal network look like: derivatives in space, in time, averages, or neither.

    The paper shows them and says what can be seen (section 3.3, Figure 4); this measures it. A filter is a sum of
    parts at right angles to each other, and the squares of its weights are divided among them:

    * *spatial derivative*: in each channel a slope in some direction under a bell (a derivative of a Gaussian with a
      standard deviation of a quarter of the filter), whatever its course over time;
    * *average*: the bell itself, the same for all fields;
    * *temporal derivative*: the bell, weighed differently from field to field, with weights that sum to 0;
    * the rest.

    Random weights give each part a fraction in proportion to its dimensions. A filter looks like a part if its fraction
    is so large that less than ``level`` of all random (Gaussian) filters reach it; of several such parts, like the
    largest. So weights before training look like each of the three with a probability of ``level`` at most.

    Args:
        weights: ``(F, 2L, S, S)``, of conv1, x and y interleaved, forward flow.
        level: how rare a fraction must be.

    Returns:
        ``kinds``: int64 ``(F,)``, index into `FILTER_KINDS`.
        ``fractions``: float64 ``(F, 3)``, 0 to 1, of the first three kinds; their sum is at most 1.

    Raises:
        ValueError: an odd number of channels, or filters that are not square or smaller than 3 x 3.
    """
    checks.require_shape(weights, "F C S S", "weights", "the weights of conv1 of a temporal network")
    channels, size = weights.shape[1:3]
    if channels % 2 or size < 3:
        raise ValueError(
            f"weights must be (F, 2L, S, S), S at least 3; got {tuple(weights.shape)}: x and y interleaved"
        )
    length = channels // 2
    flat = weights.detach().double().cpu().unflatten(1, (length, 2)).flatten(-2)  # (F, L, 2, S * S)
    place = torch.arange(size, dtype=torch.float64) - (size - 1) / 2  # (S,)
    bell = torch.exp(-(place**2) / (2 * (size / 4) ** 2))  # (S,)
    slope = place * bell  # (S,)
    patterns = torch.stack([torch.outer(a, b).flatten() for a, b in ((bell, bell), (bell, slope), (slope, bell))])
    along = flat @ F.normalize(patterns, dim=1).T  # (F, L, 2, 3): of the bell, its slope in x, its slope in y
    over_time = along[..., 0]  # (F, L, 2)
    mean = over_time.mean(dim=1, keepdim=True).expand_as(over_time)  # (F, L, 2)
    parts = [along[..., 1:].flatten(2), over_time - mean, mean]  # spatial, temporal, average
    energies = torch.stack([part.square().sum(dim=(1, 2)) for part in parts], dim=1)  # (F, 3)
    totals = flat.square().sum(dim=(1, 2, 3))[:, None]  # (F, 1)
    fractions = (energies / totals).nan_to_num(0.0).clamp(max=1.0)  # (F, 3); a filter of zeros is 0 / 0
    # the fraction of d out of n dimensions of a Gaussian vector has a Beta(d / 2, (n - d) / 2) distribution
    half = torch.tensor([4.0 * length, 2.0 * (length - 1), 2.0]) / 2  # (3,)
    chance = torch.from_numpy(betaincc(half.numpy(), (channels * size**2 / 2 - half).numpy(), fractions.numpy()))
    striking = torch.where(chance < level, fractions, -1.0)  # (F, 3); without dimensions chance is NaN
    best, kinds = striking.max(dim=1)
    return torch.where(best > 0, kinds, 3), fractions
