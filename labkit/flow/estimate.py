"""Optical flow estimators of OpenCV with one way to call them: images in, ``(dx, dy)`` out.

Three answers to the same question. *Farneback* fits a parabola to each neighbourhood in both images and reads the shift
off its coefficients. *DIS* looks for each small patch of the first image in the second, then smooths. *TV-L1* minimises
an energy over the whole image; ``labkit.flow.tvl1`` has it in PyTorch, to read and to run faster.

Each takes two images, or batches of them, ``(..., C, H, W)`` of one shape, C = 1 (grey) or 3 (RGB), uint8 or float32
from 0 to 1, which are rounded to 8 bits; the first at x is like the second at x + flow. It returns the flow, float32
``(..., 2, H, W)``, (dx, dy) in pixels per frame, x to the right, y down, on the device of the first. Errors are those
of `labkit.flow.tvl1.tvl1`, and so is what is said of wrong images.
"""

from collections.abc import Callable

import cv2
import numpy as np
import torch
from torch import Tensor

from labkit.flow.tvl1 import grey_pair

DIS_SMALLEST = 64  # pixels on a side; OpenCV 5.0's DIS fails on smaller images, some of them with a crash


def farneback(first: Tensor, second: Tensor) -> Tensor:
    """Estimate optical flow by polynomial expansion: smooth flow, fast, weak at the edges of things.

    Source: G. Farneback, "Two-Frame Motion Estimation Based on Polynomial Expansion", SCIA 2003, in OpenCV.
    """
    estimator = cv2.FarnebackOpticalFlow.create(  # five sizes: OpenCV counts those below the full one
        numLevels=4, pyrScale=0.5, winSize=15, numIters=3, polyN=5, polySigma=1.1
    )
    return _each_pair(lambda a, b: estimator.calc(a, b, np.empty(0)), first, second)


def dis(first: Tensor, second: Tensor) -> Tensor:
    """Estimate optical flow by Dense Inverse Search: fast, and good at large motion.

    Images under 64 pixels on a side are continued by their edges to 64, and the flow is cut back.

    Source: T. Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016, in OpenCV.
    """
    estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def estimate(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        height, width = a.shape
        margin = ((0, max(0, DIS_SMALLEST - height)), (0, max(0, DIS_SMALLEST - width)))
        return estimator.calc(np.pad(a, margin, "edge"), np.pad(b, margin, "edge"), np.empty(0))[:height, :width]

    return _each_pair(estimate, first, second)


def tvl1_opencv(first: Tensor, second: Tensor) -> Tensor:
    """Estimate optical flow by TV-L1 as OpenCV does; ``labkit.flow.tvl1.tvl1`` explains the method and is faster.

    Source: C. Zach et al., "A Duality Based Approach for Realtime TV-L1 Optical Flow", DAGM 2007, in OpenCV contrib.
    """

    def estimate(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        # A new estimator for each pair: OpenCV's remembers how few scales a small image had.
        return cv2.optflow.DualTVL1OpticalFlow.create().calc(a, b, np.empty(0))

    return _each_pair(estimate, first, second)


def _each_pair(estimate: Callable[[np.ndarray, np.ndarray], np.ndarray], first: Tensor, second: Tensor) -> Tensor:
    """Call an estimator of two ``(H, W)`` uint8 arrays, which returns ``(H, W, 2)``, for each pair of a batch."""
    pairs = grey_pair(first, second).mul(255).round().to("cpu", torch.uint8).numpy()  # (N, 2, H, W)
    flow = np.empty((len(pairs), *pairs.shape[2:], 2), np.float32)  # (N, H, W, 2)
    for index, (a, b) in enumerate(pairs):
        flow[index] = estimate(a, b)
    moved = torch.from_numpy(flow).movedim(-1, 1).contiguous().to(first.device)  # (N, 2, H, W)
    return moved.reshape(*first.shape[:-3], 2, *pairs.shape[2:])  # (..., 2, H, W)
