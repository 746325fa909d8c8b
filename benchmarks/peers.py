"""The libraries we measure ourselves against, each in a function of the same shape as ours.

Run by ``.venv-peers``' python, which has no labkit, torch or pytest; ``conftest.py`` holds the other end. A request is
one JSON line on stdin, ``{"call": name, "args": {...}, "out": path}``; the reply one line on stdout,
``{"seconds": ..., "result": ...}`` or ``{"error": ...}``. An argument that ends in ``.npy`` arrives as its array and a
returned array leaves as the file ``out``; neither is in ``seconds``, which times the call alone.

Add a peer by adding a function: its name is the name to call.
"""

import functools
import json
import os
import sys
import time
from typing import Any

import numpy as np


def decode_opencv_seek(path: str, indices: list[int]) -> np.ndarray:
    """Frames (N, H, W, 3) RGB uint8, each one sought by its number; black where nothing is found."""
    import cv2

    capture = cv2.VideoCapture(path)
    size = int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)), int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), 3
    frames = np.zeros((len(indices), *size), np.uint8)
    for place, index in enumerate(indices):
        capture.set(cv2.CAP_PROP_POS_FRAMES, index)
        found, frame = capture.read()
        if found:
            frames[place] = frame[..., ::-1]  # BGR -> RGB
    return frames


def decode_opencv(path: str, indices: list[int]) -> np.ndarray:
    """Frames (N, H, W, 3) RGB uint8, picked from a reading in turn; indices ascend."""
    import cv2

    capture, wanted, frames = cv2.VideoCapture(path), set(indices), []
    for index in range(indices[-1] + 1):
        capture.grab()
        if index in wanted:
            frames.append(capture.retrieve()[1][..., ::-1])  # BGR -> RGB
    return np.stack(frames)


def decode_pyav(path: str, indices: list[int]) -> np.ndarray:
    """Frames (N, H, W, 3) RGB uint8, picked from a scan; indices ascend."""
    import av

    with av.open(path) as container:
        container.streams.video[0].thread_type = "AUTO"
        wanted, frames = set(indices), []
        for index, frame in enumerate(container.decode(video=0)):
            if index in wanted:
                frames.append(frame.to_ndarray(format="rgb24"))
            if index == indices[-1]:
                break
    return np.stack(frames)


def flow_opencv_tvl1(first: np.ndarray, second: np.ndarray, scales: int = 5, scale_factor: float = 0.8) -> np.ndarray:
    """Flow (2, H, W) between two grey uint8 images (H, W), with OpenCV's own parameters but for the image sizes."""
    import cv2

    estimator = cv2.optflow.DualTVL1OpticalFlow_create(nscales=scales, scaleStep=scale_factor)
    return estimator.calc(first, second, None).transpose(2, 0, 1)


def flow_skimage_tvl1(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Flow (2, H, W) between two grey uint8 images (H, W), with scikit-image's own parameters."""
    from skimage.registration import optical_flow_tvl1

    return optical_flow_tvl1(first, second)[::-1]  # (rows, columns) -> (dx, dy)


def kmeans_faiss(features: np.ndarray, k: int, seed: int) -> np.ndarray:
    """Centres (k, d) with faiss's 25 iterations on one thread; of all features, where it would take 256 a centre."""
    import faiss

    faiss.omp_set_num_threads(1)
    clusters = faiss.Kmeans(features.shape[1], k, seed=seed, max_points_per_centroid=len(features))
    clusters.train(features)
    return clusters.centroids


def occlusion_captum(program: str, image: np.ndarray, side: int, stride: int, black: list[float]) -> np.ndarray:
    """Loss of confidence (1, C, H, W), the mean of all squares over a pixel, by captum as it comes: one by one.

    The program is one of ``torch.export`` that gives a single probability.
    """
    model = _program(program)
    import torch
    from captum.attr import Occlusion

    image = torch.from_numpy(image)
    channels = image.shape[1]
    baselines = torch.tensor(black)[None, :, None, None].expand_as(image)
    found = Occlusion(model).attribute(
        image, sliding_window_shapes=(channels, side, side), strides=(channels, stride, stride), baselines=baselines
    )
    return found.numpy()


def grad_cam_pytorch(weights: str, images: np.ndarray) -> np.ndarray:
    """Heat maps (B, K, H, W) of all classes, each scaled and enlarged, by pytorch-grad-cam: a class at a time."""
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    net, images = _resnet18(weights), _tensor(images)
    with GradCAM(model=net, target_layers=[net.layer4]) as cam:
        classes = range(net.fc.out_features)
        found = [cam(images, [ClassifierOutputTarget(label)] * len(images)) for label in classes]
    return np.stack(found, axis=1)


def grad_cam_captum(weights: str, images: np.ndarray) -> np.ndarray:
    """Heat maps (B, K, h, w) of all classes, raw, by captum: a class at a time."""
    from captum.attr import LayerGradCam

    net, images = _resnet18(weights), _tensor(images)
    layer = LayerGradCam(net, net.layer4)
    found = [layer.attribute(images, target=k, relu_attributions=True)[:, 0] for k in range(net.fc.out_features)]
    return np.stack([one.detach().numpy() for one in found], axis=1)


def _tensor(array: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(array)


@functools.cache
def _resnet18(weights: str) -> Any:
    """Torchvision's network with weights out of a file, on one thread."""
    import torch
    from torchvision.models import resnet18

    torch.set_num_threads(1)
    torch.set_grad_enabled(True)
    state = torch.load(weights, weights_only=True)
    net = resnet18(num_classes=len(state["fc.bias"])).eval()
    net.load_state_dict(state)
    return net


@functools.cache
def _program(path: str) -> Any:
    """A network out of a file, on one thread; the warm-up round pays for it."""
    import torch

    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    return torch.export.load(path).module()


def answer(request: dict) -> dict:
    """Make one call and time it."""
    function = globals()[request["call"]]
    args = {
        name: np.load(value) if isinstance(value, str) and value.endswith(".npy") else value
        for name, value in request["args"].items()
    }
    start = time.perf_counter()
    result = function(**args)
    seconds = time.perf_counter() - start
    if isinstance(result, np.ndarray):
        np.save(request["out"], result)
        result = request["out"]
    return {"seconds": seconds, "result": result}


if __name__ == "__main__":
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # a library that prints must not garble the replies
    for line in sys.stdin:
        try:
            reply = answer(json.loads(line))
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), file=replies)
