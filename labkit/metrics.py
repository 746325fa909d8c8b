"""How good is a prediction: numbers that papers report, as pure functions of tensors.

Optical flow is scored by its end-point error: how far, in pixels, the arrow predicted at a pixel ends from where the
true arrow ends. The mean over all pixels whose truth is known is what the flow benchmarks rank by.
"""

import torch
from torch import Tensor

from labkit import checks


def end_point_error_map(predicted: Tensor, truth: Tensor) -> Tensor:
    """End-point error of each pixel: the Euclidean distance between predicted and true displacement.

    Args:
        predicted: ``(..., 2, H, W)``, (dx, dy) in pixels per frame, floating point.
        truth: the same shape.

    Returns:
        ``(..., H, W)`` in pixels, at least 0; NaN where either flow is NaN. Differentiable, with gradient 0 where the
        error is 0.

    Raises:
        ValueError: a shape is not ``(..., 2, H, W)``, or the two differ.
        TypeError: a flow is not floating point.

    Source: Baker et al., "A database and evaluation methodology for optical flow", IJCV 2011, section 4.1 "Performance
    measures" (endpoint error, after Otte and Nagel, ECCV 1994).
    """
    for name, flow in (("predicted", predicted), ("truth", truth)):
        checks.require_shape(flow, "... 2 H W", name, "pass dx, dy only")
        checks.require_dtype(flow, (torch.float32, torch.float64, torch.float16, torch.bfloat16), name)
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
