"""The loss of classification, as `labkit.training.fit` takes it; losses of a single paper stand in its file."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from labkit import metrics


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
