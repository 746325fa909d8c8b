"""How good is a prediction: numbers that papers report, as pure functions of tensors.

Classification is scored from a table: one row for each sample (a clip, a video), one column for each class, higher
where the network is more convinced; scores, logits and probabilities all do. What counts is who comes first: the
fraction of samples whose own class wins (`accuracy`), or is among the best k (`hit_at_k`); which classes get mistaken
for which (`confusion_matrix`, `precision_recall`); and, looking down a column instead of along a row, whether the
samples of a class stand above all others (`average_precision`). Equal scores in a row: the class with the lower number
comes first.

All of these take ``scores``, floating point and finite ``(N, K)``, and ``labels``, int64 ``(N,)`` from 0 to K - 1, or
where a sample may belong to several classes bool ``(N, K)``. Wrong shapes, no samples, a score that is not finite or a
label that is no class raise ``ValueError``, a wrong dtype ``TypeError``.

Optical flow is scored by its end-point error: how far, in pixels, the arrow predicted at a pixel ends from where the
true arrow ends. The mean over all pixels whose truth is known is what the flow benchmarks rank by.
"""

import torch
from torch import Tensor

from labkit import checks

_FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def end_point_error_map(predicted: Tensor, truth: Tensor) -> Tensor:
    """End-point error of each pixel: the Euclidean distance between predicted and true displacement.

    Args:
        predicted: ``(..., 2, H, W)``, (dx, dy) in pixels per frame, floating point.
        truth: the same shape.

    Returns:
        ``(..., H, W)`` in pixels, at least 0; NaN where either flow is NaN. Differentiable, with gradient 0 where the
        error is 0.

    Source: Baker et al., "A database and evaluation methodology for optical flow", IJCV 2011, section 4.1 "Performance
    measures" (endpoint error, after Otte and Nagel, ECCV 1994).
    """
    for name, flow in (("predicted", predicted), ("truth", truth)):
        checks.require_shape(flow, "... 2 H W", name, "pass dx, dy only")
        checks.require_dtype(flow, _FLOATS, name)
    checks.require_same_shape(predicted, truth, ("predicted", "truth"))
    return torch.linalg.vector_norm(predicted - truth, dim=-3)  # (..., H, W)


def end_point_error(predicted: Tensor, truth: Tensor, valid: Tensor | None = None) -> Tensor:
    """Mean end-point error in pixels, over every pixel of every field or over the valid ones.

    All counted pixels weigh the same, also across fields with different numbers of valid pixels. Nothing is dropped
    silently: where the truth is unknown (NaN, as ``labkit.flow.read_flo`` returns it) say so with ``valid``.

    Args:
        predicted: ``(..., 2, H, W)``, (dx, dy) in pixels per frame, floating point.
        truth: the same shape.
        valid: bool ``(..., H, W)``, True for the pixels that count; all of them if None. What lies outside may be NaN.

    Returns:
        A tensor without dimensions, in pixels; differentiable, so it serves as a loss too.

    Raises:
        ValueError: wrong shapes, no pixel counts, or a pixel that counts has no finite error.
        TypeError: a flow is not floating point, or ``valid`` is not bool.

    Source: Baker et al., IJCV 2011, section 4.1, averaged.
    """
    errors = end_point_error_map(predicted, truth)  # (..., H, W)
    if valid is not None:
        checks.require_dtype(valid, (torch.bool,), "valid", "compare first, e.g. mask > 0")
        checks.require_same_shape(errors, valid, ("the error map", "valid"), "one bool per pixel, without the 2")
        errors = errors[valid]  # (number of valid pixels,)
    if errors.numel() == 0:
        raise ValueError("end_point_error needs at least one pixel that counts; got none: check valid and the size")
    checks.require_finite(errors, "the end-point error", "mark unknown flow, valid=torch.isfinite(truth).all(dim=-3)")
    return errors.mean()


def accuracy(scores: Tensor, labels: Tensor) -> float:
    """Fraction of samples whose own class has the highest score, 0 to 1.

    Source: UCF101 and HMDB51 report it, averaged over three splits (Simonyan and Zisserman, NIPS 2014, section 6).
    """
    _require_scores_and_labels(scores, labels)
    return (scores.argmax(dim=1) == labels).double().mean().item()


def hit_at_k(scores: Tensor, labels: Tensor, k: int) -> float:
    """Fraction of samples, 0 to 1, with at least one of their own classes among the k that score highest.

    Raises:
        ValueError: a sample without a class, or k that is not 1 to K.

    Source: Karpathy et al., CVPR 2014, Table 1; Ng et al., CVPR 2015, section 4 (Sports-1M, where a video may have
    several labels).
    """
    own = _own_classes(scores, labels)  # (N, K)
    if not 1 <= k <= scores.shape[1]:
        raise ValueError(f"k must be 1 to the number of classes, {scores.shape[1]}; got {k}")
    if not own.any(dim=1).all():
        raise ValueError(
            f"every sample must have a class; got {int((~own.any(dim=1)).sum())} rows of labels without any, the "
            f"first is row {int((~own.any(dim=1)).nonzero()[0])}: leave these samples out"
        )
    best = scores.argsort(dim=1, descending=True, stable=True)[:, :k]  # (N, k)
    return own.gather(1, best).any(dim=1).double().mean().item()


def confusion_matrix(scores: Tensor, labels: Tensor) -> Tensor:
    """Count how often samples of one class are taken for another.

    Returns:
        int64 ``(K, K)``: row = true class, column = predicted class; sums to N.
    """
    _require_scores_and_labels(scores, labels)
    classes = scores.shape[1]
    pairs = labels * classes + scores.argmax(dim=1)  # (N,), one number for each (true, predicted)
    return torch.bincount(pairs, minlength=classes**2).reshape(classes, classes)  # (K, K)


def precision_recall(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Precision and recall of each class: how many of those found are right, how many of the right ones are found.

    Returns:
        ``precision``, float64 ``(K,)``, 0 to 1; NaN for a class that is never predicted.
        ``recall``, float64 ``(K,)``, 0 to 1; NaN for a class without samples.

    Source: van Rijsbergen, "Information retrieval", 1979, chapter 7.
    """
    confusion = confusion_matrix(scores, labels).double()  # (K, K)
    right = confusion.diagonal()  # (K,)
    return right / confusion.sum(dim=0), right / confusion.sum(dim=1)  # 0 / 0 is NaN


def average_precision(scores: Tensor, labels: Tensor) -> Tensor:
    """Average precision of each class: sort all samples by its score; how pure is the list down to each of its own?

    AP is the sum over the list of (recall gained at this place) x (precision down to this place). Samples with equal
    scores are taken in together, as one place, so the order in which they come makes no difference. Labels may be of
    either kind; one ranked list alone has scores ``(N, 1)``.

    Returns:
        float64 ``(K,)``, 0 to 1; NaN for a class without any sample.

    Source: Manning, Raghavan and Schuetze, "Introduction to information retrieval", 2008, section 8.4, without
    interpolation. PASCAL VOC's variants interpolate and give other numbers.
    """
    own = _own_classes(scores, labels)  # (N, K)
    columns = zip(scores.unbind(1), own.unbind(1), strict=True)
    return torch.stack([_one_average_precision(column, members) for column, members in columns])  # (K,)


def mean_average_precision(scores: Tensor, labels: Tensor) -> float:
    """Mean of `average_precision` over the classes that have samples, 0 to 1; ``ValueError`` if none has any."""
    each = average_precision(scores, labels)  # (K,)
    if each.isnan().all():
        raise ValueError("mean_average_precision needs a class that has a sample; got labels without any True")
    return each.nanmean().item()


def _one_average_precision(scores: Tensor, members: Tensor) -> Tensor:
    order = scores.argsort(descending=True)  # (N,)
    ranked, found = scores[order], members[order].double().cumsum(0)  # (N,) each
    last = torch.ones_like(members)  # (N,), the last of those with this score
    last[:-1] = ranked[:-1] != ranked[1:]
    places = last.nonzero().squeeze(1)  # (number of different scores,)
    found = found[places]
    gained = found.diff(prepend=found.new_zeros(1))  # times 1 / found[-1] it is recall
    return (gained * found / (places + 1)).sum() / found[-1]  # 0 / 0 is NaN


def _require_scores(scores: Tensor) -> None:
    checks.require_shape(scores, "N K", "scores", "one row a sample, one column a class")
    checks.require_dtype(scores, _FLOATS, "scores", "pass logits or probabilities")
    if scores.numel() == 0:
        raise ValueError(f"scores must hold at least one sample and one class; got {tuple(scores.shape)}")
    checks.require_finite(scores, "scores", "the model went astray, or a class was masked: mask with a low number")


def _require_scores_and_labels(scores: Tensor, labels: Tensor) -> None:
    _require_scores(scores)
    checks.require_shape(labels, "N", "labels", "one class number a sample")
    checks.require_dtype(labels, (torch.int64,), "labels", "class numbers, e.g. labels.long()")
    if len(labels) != len(scores):
        raise ValueError(f"scores and labels must have as many rows; got {len(scores)} and {len(labels)}")
    wrong = (labels < 0) | (labels >= scores.shape[1])
    if wrong.any():
        raise ValueError(
            f"labels must be 0 to {scores.shape[1] - 1}, one of the {scores.shape[1]} columns of scores; got "
            f"{labels[wrong][0].item()} at {wrong.nonzero()[0].item()}: do both count the same classes, from 0?"
        )


def _own_classes(scores: Tensor, labels: Tensor) -> Tensor:
    """Labels of either kind as bool ``(N, K)``, checked."""
    if getattr(labels, "ndim", 0) == 1:
        _require_scores_and_labels(scores, labels)
        return torch.nn.functional.one_hot(labels, scores.shape[1]).bool()  # (N, K)
    _require_scores(scores)
    checks.require_shape(labels, "N K", "labels", "class numbers (N,), or one bool for each sample and class")
    checks.require_dtype(labels, (torch.bool,), "labels", "compare first, e.g. labels > 0")
    checks.require_same_shape(scores, labels, ("scores", "labels"))
    return labels
