"""What is measured of codes and of models that read them, for `labkit.studies.frame_rnn`. Tensors in, numbers out."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from labkit import checks
from labkit.backbones.codes import Codes
from labkit.papers.frame_rnn import ReLURecurrence


def instability(curve: Sequence[float]) -> float:
    """How much a learning curve fluctuates towards its end: its standard deviation over the second half.

    Ours, to put a number to "validation accuracy fluctuating drastically" ("Models"). A slow rise counts as well.
    """
    half = torch.tensor(curve[len(curve) // 2 :], dtype=torch.float64)
    return half.std(correction=0).item()


def order_scores(scores: Tensor, labels: Tensor, pairs: Tensor) -> Tensor:
    """Given the right pair of classes, is it the right one of the two that has the higher score?

    For pairs of classes that are each other reversed in time. A tie counts half, so a model that cannot tell the two
    apart gets 0.5 on average.

    Args:
        scores: ``(N, K)``.
        labels: ``(N,)``, int64. Clips of classes without a partner do not count.
        pairs: ``(P, 2)``, int64, classes with the same frames in opposite orders.

    Returns:
        ``(M,)``, float64, 1, 0 or 0.5 for each clip of these classes, in their order.

    Raises:
        ValueError: no clip belongs to a pair.
    """
    partner = torch.full((scores.shape[1],), -1)
    partner[pairs] = pairs.flip(1)
    rows = (partner[labels] >= 0).nonzero().flatten()  # (M,)
    if len(rows) == 0:
        raise ValueError(f"labels must include classes of the pairs; got none of {pairs.tolist()}: check the classes")
    own, other = scores[rows, labels[rows]], scores[rows, partner[labels[rows]]]  # (M,) each
    return (own > other).double() + (own == other).double() / 2


def one_of_each_group(codes: Codes) -> Codes:
    """The first clip of each class and group: clips of a group are nearly the same."""
    first: dict[tuple[int, int], int] = {}
    for index, key in enumerate(zip(codes.labels.tolist(), codes.groups.tolist(), strict=True)):
        first.setdefault(key, index)
    return codes.subset(list(first.values()))


def class_clustering(codes: Tensor, labels: Tensor) -> tuple[Tensor, float]:
    """Do mean codes cluster by class (Figure 7 shows them in two dimensions)? Is the nearest other one of its class?

    Args:
        codes: ``(N, T, D)``, at least two clips; averaged over T, compared by Euclidean distance.
        labels: ``(N,)``, int64.

    Returns:
        ``(N,)`` bool, whether the nearest neighbour has the same label; and the fraction expected for shuffled labels.
    """
    checks.require_shape(codes, "N T D", "codes", "codes of clips, not averaged yet")
    means = codes.mean(dim=1).double()  # (N, D)
    nearest = torch.cdist(means, means).fill_diagonal_(torch.inf).argmin(dim=1)  # (N,)
    sizes = torch.bincount(labels).double()  # (K,)
    chance = (sizes * (sizes - 1)).sum() / (len(labels) * (len(labels) - 1))
    return labels[nearest] == labels, chance.item()


def influence_of_first_frame(codes: Tensor, init: Callable[[Tensor], Any], hidden_size: int = 64) -> list[float]:
    """How much the first code matters to each state of an untrained ReLU recurrence: relative lengths of gradients.

    Args:
        codes: ``(B, T, D)``.
        init: of the recurrent weights, in place.
        hidden_size: of the states.

    Returns:
        For each of the T steps the length of the gradient of its state by the first code; that of the first step is 1.
    """
    inputs = codes.clone().requires_grad_()
    states = ReLURecurrence(inputs.shape[-1], hidden_size, init)(inputs)  # (B, T, hidden_size)
    gradients = [
        torch.autograd.grad(states[:, t].sum(), inputs, retain_graph=True)[0][:, 0] for t in range(states.shape[1])
    ]  # (B, D) each
    lengths = torch.stack([gradient.norm(dim=-1).mean() for gradient in gradients])  # (T,)
    return (lengths / lengths[0]).tolist()
