"""What lessons measure by class, and which clips they show: of any paper."""

import torch
from torch import Tensor

from labkit import metrics
from labkit.clips import Clips


def recalls(scores: Tensor, clips: Clips) -> dict[str, float]:
    """Percent of the clips of each class that were recognised, by the name of the class; without classes of no clips.

    Args:
        scores: ``(N, K)``, of the clips.
        clips: N clips of K classes.
    """
    right = (scores.argmax(dim=1) == clips.labels).double()  # (N,)
    present = clips.labels.unique().tolist()
    return {readable(clips.classes[k]): 100 * right[clips.labels == k].mean().item() for k in present}


def examples_of_cells(scores: Tensor, clips: Clips, most: int = 3) -> dict[tuple[int, int], list[tuple[str, Tensor]]]:
    """A few clips for each cell (true class, predicted class) of a confusion matrix.

    Args:
        scores: ``(N, K)``, of the clips.
        clips: N clips of K classes.
        most: clips of a cell; of one on the diagonal a single one.

    Returns:
        For each cell that has clips, their names and five frames ``(5, 3, H, W)`` of each.
    """
    predicted = scores.argmax(dim=1)
    examples: dict[tuple[int, int], list[tuple[str, Tensor]]] = {}
    for index, cell in enumerate(zip(clips.labels.tolist(), predicted.tolist(), strict=True)):
        shown = examples.setdefault(cell, [])
        if len(shown) < (1 if cell[0] == cell[1] else most):
            clip = clips[index]
            moments = torch.linspace(0, clip.num_frames - 1, 5).long()
            shown.append((readable(clip.name), clip.frames(moments)))
    return examples


def readable(name: str) -> str:
    """A name with spaces in place of underscores."""
    return name.replace("_", " ")


def moving_points(fields: Tensor, count: int = 12) -> Tensor:
    """Points of which paths are worth drawing: spread over the twentieth of all pixels that see most motion.

    Args:
        fields: ``(L, 2, H, W)``, flow in pixels per frame.
        count: about how many points.

    Returns:
        ``(N, 2)`` float32, x and y.
    """
    distance = fields.norm(dim=1).sum(dim=0).flatten()  # (H * W,), of all steps together
    most = distance.topk(max(distance.numel() // 20, 1)).indices
    chosen = most[:: max(len(most) // count, 1)]
    width = fields.shape[-1]
    return torch.stack([chosen % width, chosen // width], dim=-1).float()


def accuracies(weighted: dict[float, Tensor], labels: Tensor) -> tuple[list[float], list[float]]:
    """The points of a curve: weights, and the accuracy in percent of the scores ``(N, K)`` that each gives."""
    return list(weighted), [100 * metrics.accuracy(scores, labels) for scores in weighted.values()]
