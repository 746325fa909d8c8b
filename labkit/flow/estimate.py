"""Optical flow estimators of OpenCV with one way to call them: images in, ``(dx, dy)`` out.

Three answers to the same question. *Farneback* fits a parabola to each neighbourhood in both images and reads the shift
off its coefficients. *DIS* looks for each small patch of the first image in the second, then smooths. *TV-L1* minimises
an energy over the whole image; ``labkit.flow.tvl1`` has it in PyTorch, to read and to run faster.
"""

from collections.abc import Callable
from typing import Literal

import cv2
import numpy as np
import torch
from torch import Tensor

from labkit import checks
from labkit.flow.tvl1 import grey_pair

DIS_PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}
DIS_SMALLEST = 64  # pixels on a side; OpenCV 5.0's DIS fails on smaller images, some of them with a crash


def farneback(
    first: Tensor,
    second: Tensor,
    *,
    scales: int = 5,
    scale_factor: float = 0.5,
    window: int = 15,
    iterations: int = 3,
    poly_n: int = 5,
    poly_sigma: float = 1.1,
) -> Tensor:
    """Estimate optical flow by polynomial expansion: smooth flow, fast, weak at the edges of things.

    Args:
        first: ``(..., C, H, W)``, C = 1 (grey) or 3 (RGB), uint8 or float32 from 0 to 1; rounded to 8 bits.
        second: the same shape; first(x) is like second(x + flow(x)).
        scales: number of image sizes, the full one included.
        scale_factor: from one image size to the next, between 0 and 1.
        window: pixels across which the flow is averaged.
        iterations: on each scale.
        poly_n: pixels across the neighbourhood a parabola is fitted to, 5 or 7 as a rule.
        poly_sigma: deviation of the Gaussian that weighs them: 1.1 goes with 5, 1.5 with 7.

    Returns:
        float32 ``(..., 2, H, W)``, (dx, dy) in pixels per frame, x to the right, y down; on the device of ``first``.

    Raises:
        ValueError: wrong or different shapes, no pixels, a float image not finite or outside 0 to 1, or a parameter
            out of its range.
        TypeError: an image that is no tensor, or neither uint8 nor float32.

    Source: G. Farneback, "Two-Frame Motion Estimation Based on Polynomial Expansion", SCIA 2003, in OpenCV.
    """
    _require_counts(scales=scales, window=window, iterations=iterations, poly_n=poly_n)
    _require_scale_factor(scale_factor)
    checks.require_positive(poly_sigma, "poly_sigma")
    smaller = scales - 1  # OpenCV counts the sizes below the full one, whatever its documentation says
    estimator = cv2.FarnebackOpticalFlow.create(smaller, scale_factor, False, window, iterations, poly_n, poly_sigma, 0)
    return _each_pair(lambda a, b: estimator.calc(a, b, np.empty(0)), first, second)


def dis(first: Tensor, second: Tensor, *, preset: Literal["ultrafast", "fast", "medium"] = "medium") -> Tensor:
    """Estimate optical flow by Dense Inverse Search: fast, and good at large motion.

    Images under 64 pixels on a side are continued by their edges to 64, and the flow is cut back.

    Args:
        first: ``(..., C, H, W)``, C = 1 (grey) or 3 (RGB), uint8 or float32 from 0 to 1; rounded to 8 bits.
        second: the same shape; first(x) is like second(x + flow(x)).
        preset: "ultrafast", "fast" or "medium": from coarse to fine.

    Returns:
        float32 ``(..., 2, H, W)``, (dx, dy) in pixels per frame, x to the right, y down; on the device of ``first``.

    Raises:
        ValueError: wrong or different shapes, no pixels, a float image not finite or outside 0 to 1, or an unknown
            preset.
        TypeError: an image that is no tensor, or neither uint8 nor float32.

    Source: T. Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016, in OpenCV.
    """
    if preset not in DIS_PRESETS:
        raise ValueError(f"preset must be one of {', '.join(DIS_PRESETS)}; got {preset!r}")
    estimator = cv2.DISOpticalFlow.create(DIS_PRESETS[preset])

    def estimate(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        height, width = a.shape
        margin = ((0, max(0, DIS_SMALLEST - height)), (0, max(0, DIS_SMALLEST - width)))
        return estimator.calc(np.pad(a, margin, "edge"), np.pad(b, margin, "edge"), np.empty(0))[:height, :width]

    return _each_pair(estimate, first, second)


def tvl1_opencv(
    first: Tensor,
    second: Tensor,
    *,
    tau: float = 0.25,
    lambda_: float = 0.15,
    theta: float = 0.3,
    scales: int = 5,
    scale_factor: float = 0.8,
    warps: int = 5,
    epsilon: float = 0.01,
    inner_iterations: int = 30,
    outer_iterations: int = 10,
    median: Literal[1, 3, 5] = 5,
) -> Tensor:
    """Estimate optical flow by TV-L1 as OpenCV does; ``labkit.flow.tvl1.tvl1`` explains the method and is faster.

    Args:
        first: ``(..., C, H, W)``, C = 1 (grey) or 3 (RGB), uint8 or float32 from 0 to 1; rounded to 8 bits.
        second: the same shape; first(x) is like second(x + flow(x)).
        tau: step size in the dual variable.
        lambda_: weight of the data term for grey values from 0 to 255; lower is smoother.
        theta: how far u and v may be apart.
        scales: number of image sizes; stops early where a side falls under 16 pixels.
        scale_factor: from one image size to the next, between 0 and 1.
        warps: on each scale.
        epsilon: iterations stop where the flow changes by less, in pixels (root mean square).
        inner_iterations: steps in v, u and p between two median filters, at most.
        outer_iterations: median filters for each warp, at most.
        median: pixels across the median filter; 1 for none.

    Returns:
        float32 ``(..., 2, H, W)``, (dx, dy) in pixels per frame, x to the right, y down; on the device of ``first``.

    Raises:
        ValueError: wrong or different shapes, no pixels, a float image not finite or outside 0 to 1, or a parameter
            out of its range.
        TypeError: an image that is no tensor, or neither uint8 nor float32.

    Source: C. Zach et al., "A Duality Based Approach for Realtime TV-L1 Optical Flow", DAGM 2007, in OpenCV contrib.
    """
    for name, value in (("tau", tau), ("lambda_", lambda_), ("theta", theta), ("epsilon", epsilon)):
        checks.require_positive(value, name)
    _require_counts(scales=scales, warps=warps, inner_iterations=inner_iterations, outer_iterations=outer_iterations)
    _require_scale_factor(scale_factor)
    if median not in (1, 3, 5):
        raise ValueError(f"median must be 1, 3 or 5; got {median!r}")

    def estimate(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        # A new estimator for each pair: OpenCV's remembers how few scales a small image had.
        estimator = cv2.optflow.DualTVL1OpticalFlow.create(
            tau,
            lambda_,
            theta,
            scales,
            warps,
            epsilon,
            innnerIterations=inner_iterations,
            outerIterations=outer_iterations,
            scaleStep=scale_factor,
            medianFiltering=median,
        )
        return estimator.calc(a, b, np.empty(0))

    return _each_pair(estimate, first, second)


def _each_pair(estimate: Callable[[np.ndarray, np.ndarray], np.ndarray], first: Tensor, second: Tensor) -> Tensor:
    """Call an estimator of two ``(H, W)`` uint8 arrays, which returns ``(H, W, 2)``, for each pair of a batch."""
    pairs = grey_pair(first, second).mul(255).round().to("cpu", torch.uint8).numpy()  # (N, 2, H, W)
    flow = np.empty((len(pairs), *pairs.shape[2:], 2), np.float32)  # (N, H, W, 2)
    for index, (a, b) in enumerate(pairs):
        flow[index] = estimate(a, b)
    height, width = pairs.shape[2:]
    moved = torch.from_numpy(flow).movedim(-1, 1).contiguous().to(first.device)  # (N, 2, H, W)
    return moved.reshape(*first.shape[:-3], 2, height, width)  # (..., 2, H, W)


def _require_counts(**counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} must be at least 1; got {count!r}")


def _require_scale_factor(scale_factor: float) -> None:
    if not 0 < scale_factor < 1:
        raise ValueError(f"scale_factor must lie between 0 and 1; got {scale_factor!r}: 0.5 halves from scale to scale")
