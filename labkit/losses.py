"""The loss of classification, as `labkit.training.fit` takes it; a loss of a single paper stands in its file."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from labkit import checks, metrics


def classification_loss(model: nn.Module, batch: Sequence[Tensor]) -> tuple[Tensor, dict[str, float]]:
    """Mean cross-entropy of a batch, and the accuracy to show beside it.

    Args:
        model: inputs to logits ``(B, K)``.
        batch: inputs first, labels ``(B,)``, int64, last; tensors between, such as optical flow, are not used.

    Returns:
        The loss, a tensor without dimensions, and ``{"accuracy": 0 to 1}``.
    """
    inputs, labels = batch[0], batch[-1]
    logits = model(inputs)  # (B, K)
    return F.cross_entropy(logits, labels), {"accuracy": metrics.accuracy(logits.detach(), labels)}


def soft_targets(multi_hot: Tensor) -> Tensor:
    """Targets of a softmax for videos with one label or several: each label has an equal part.

    Args:
        multi_hot: ``(B, K)`` bool, the labels of each video.

    Returns:
        ``(B, K)`` float32, rows that sum to one; NaN where a video has no label.
    """
    checks.require_shape(multi_hot, "B K", "multi_hot", "one bool for each video and class")
    return multi_hot.float() / multi_hot.sum(dim=1, keepdim=True)
