"""Scores of videos: every view of a video is scored separately, then averaged."""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from tqdm.auto import tqdm

from labkit import checks
from labkit.training.batches import in_order
from labkit.training.step import mode

_SOFTMAX = functools.partial(torch.softmax, dim=-1)


@dataclass(frozen=True)
class Scores:
    """The result of `evaluate`, on the CPU; ready for `labkit.metrics`.

    Attributes:
        videos: float32 ``(N, K)``, the mean over the views of each video.
        clips: float32 ``(M, K)``, of each view separately, video by video.
        video_of_clip: int64 ``(M,)``, which row of ``videos`` a view belongs to.
        labels: ``(N,)`` or ``(N, K)``, as the data gave them, for ``videos``; ``clip_labels`` for ``clips``.
    """

    videos: Tensor
    clips: Tensor
    video_of_clip: Tensor
    labels: Tensor

    @property
    def clip_labels(self) -> Tensor:
        """The label of its video for each view: ``(M,)`` or ``(M, K)``."""
        return self.labels[self.video_of_clip]


def evaluate(
    model: nn.Module,
    data: Dataset[Any] | Iterable[Any],
    *,
    batch: int = 8,
    chunk_size: int = 64,
    forward: Callable[[nn.Module, Tensor], Tensor] | None = None,
    to_scores: Callable[[Tensor], Tensor] = _SOFTMAX,
    workers: int = 0,
    seed: int = 0,
    progress: bool = True,
) -> Scores:
    """Score all views of all videos, without gradients and in ``eval()`` mode; the modes are restored afterwards.

    Args:
        model: runs on the device where it is.
        data: a data set of ``(views, label)``, views ``(V, ...)``: say 25 frames x 10 crops = 250 views, or 1; or an
            iterator over batches of them, no list, ``(B, V, ...)`` and ``(B,)``. V may change between batches; within
            a batch it cannot: use ``batch=1`` then.
        batch: videos loaded together, if ``data`` is a data set.
        chunk_size: at most so many views per forward pass; bounds the memory, as V may be large.
        forward: ``(model, views) -> logits``, views ``(M, ...)`` of one chunk, logits ``(M, K)``; ``model(views)`` if
            None. Picks a head.
        to_scores: what is averaged, a function of logits ``(M, K)``: their softmax; or ``torch.sigmoid`` for several
            labels, or ``torch.nn.Identity()`` for the logits themselves.
        workers: processes that load data, if it is a data set.
        seed: for views that are random; sample i is the same each time.
        progress: whether to show a bar.

    Returns:
        Scores of videos and of clips, with labels.

    Raises:
        ValueError: no data, views that are not ``(B, V, ...)``, logits that are not finite or not ``(views, K)``.
    """
    checks.require_positive(chunk_size, "chunk_size")
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    loader = in_order(data, batch, seed=seed, workers=workers) if hasattr(data, "__getitem__") else data
    videos, clips, owners, labels = [], [], [], []
    count = 0
    with mode(model, training=False), torch.no_grad():
        for views, label in tqdm(loader, unit="batch", disable=not progress, delay=1):
            if views.ndim < 2 or 0 in views.shape[:2]:
                raise ValueError(
                    f"views must be (B, V, ...); got {tuple(views.shape)}: a set gives (V, ...) for each video, V = 1 "
                    "for one view"
                )
            number, each = views.shape[:2]
            chunks = views.flatten(0, 1).split(chunk_size)  # (M, ...) each
            scores = torch.cat([_score(model, chunk.to(device), forward, to_scores) for chunk in chunks])  # (B * V, K)
            clips.append(scores)
            videos.append(scores.unflatten(0, (number, each)).mean(dim=1))  # (B, K)
            owners.append(torch.arange(count, count + number).repeat_interleave(each))  # (B * V,)
            labels.append(torch.as_tensor(label).cpu())
            count += number
    if not videos:
        raise ValueError("data must hold at least one video; got none: check the folder and the split")
    return Scores(torch.cat(videos), torch.cat(clips), torch.cat(owners), torch.cat(labels))


def _score(
    model: nn.Module,
    views: Tensor,
    forward: Callable[[nn.Module, Tensor], Tensor] | None,
    to_scores: Callable[[Tensor], Tensor],
) -> Tensor:
    logits = model(views) if forward is None else forward(model, views)
    checks.require_shape(logits, "M K", "logits", "pick them with forward=lambda model, views: ...")
    checks.require_finite(logits, "logits")
    return to_scores(logits.float()).cpu()  # (M, K)
