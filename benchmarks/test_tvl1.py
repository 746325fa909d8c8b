"""TV-L1 flow: ours beside OpenCV's (contrib) and scikit-image's, on pairs with known flow.

OpenCV runs twice: at its defaults, five image sizes of 0.8, which is too few for large motion, and with the sizes that
ours takes for the pair. The target, asserted at the end: a mean end-point error no worse than that of OpenCV's
defaults, no pair worse by more than a fifth. How much faster ours is, the target a fifth of the time, is printed, and
so is the comparison on equal image sizes. The synthetic pairs are drawn from formulas, so their flow is exact; with
LABKIT_REAL_DATA set to a folder with flow/flyingchairs and flow/sintel, the real pairs there join them.
"""

import inspect
import itertools
import os
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
import torch

from labkit.flow import read_flo
from labkit.flow.tvl1 import gaussian_pyramid, tvl1
from labkit.metrics import end_point_error

REAL = Path(os.environ.get("LABKIT_REAL_DATA", "/nonexistent"), "flow")
TOO_LONG = "synthetic far"  # scikit-image had not finished this one after three minutes


class Pair(NamedTuple):
    """Two grey uint8 images (H, W), the flow (2, H, W) between them, and where it counts (H, W)."""

    first: np.ndarray
    second: np.ndarray
    flow: torch.Tensor
    valid: torch.Tensor | None = None


def texture(x: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
    """Grey values from 0 to 255 at any (x, y): a sum of 60 waves, from 5 to 80 pixels long."""
    generator = np.random.default_rng(seed)
    lengths, angles, phases = generator.uniform(0, 1, (3, 60))
    lengths = 5 * 16**lengths
    total = sum(
        length**0.7 * np.sin(2 * np.pi * (np.cos(7 * angle) * x + np.sin(7 * angle) * y) / length + 7 * phase)
        for length, angle, phase in zip(lengths, angles, phases, strict=True)
    )
    return np.clip(125 + 45 * total / np.sqrt((lengths**1.4).sum() / 2), 0, 255)


def moved(height: int, width: int, displace, seed: int, discs=(), noise: float = 0.0) -> Pair:
    """A texture that moves by ``displace(x, y)``, under discs (x, y, radius, dx, dy) that each move as one."""
    y, x = np.mgrid[:height, :width].astype(float)
    flow = np.stack(displace(x, y))
    back = np.zeros_like(flow)
    for _ in range(100):  # where did what is now at (x, y) come from? back = displace(here - back)
        back = np.stack(displace(x - back[0], y - back[1]))
    first, second = texture(x, y, seed), texture(x - back[0], y - back[1], seed)
    for number, (cx, cy, radius, dx, dy) in enumerate(discs, start=seed + 1):
        here, there = (np.hypot(x - cx - a, y - cy - b) < radius for a, b in ((0, 0), (dx, dy)))
        first = np.where(here, texture(x, y, number), first)
        second = np.where(there, texture(x - dx, y - dy, number), second)
        flow = np.where(here, np.array([dx, dy])[:, None, None], flow)
    grain = np.random.default_rng(seed).normal(0, noise, (2, height, width))
    images = (np.stack([first, second]) + grain).round().clip(0, 255).astype(np.uint8)
    return Pair(*images, torch.from_numpy(flow).float())


def translation(dx: float, dy: float):
    return lambda x, y: (dx + 0 * x, dy + 0 * y)


def real(first: Path, second: Path, flow: Path, invalid: Path | None = None) -> Pair:
    first, second = (cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2GRAY) for path in (first, second))
    valid = None if invalid is None else torch.from_numpy(cv2.imread(str(invalid), cv2.IMREAD_GRAYSCALE)) == 0
    return Pair(first, second, read_flo(flow), valid)


DISCS = [(40, 40, 16, 4, 1), (150, 60, 24, -3, 2), (90, 120, 12, 2.5, -4), (180, 130, 9, -1, -3)]
PAIRS = {
    "synthetic zoom and turn": lambda: moved(
        200, 240, lambda x, y: (0.02 * (x - 120) - 0.03 * (y - 100), 0.03 * (x - 120) + 0.02 * (y - 100)), 1
    ),
    "synthetic wave": lambda: moved(
        181, 233, lambda x, y: (2.5 * np.sin(x / 40) * np.cos(y / 50), 2 * np.cos(x / 45) * np.sin(y / 35)), 2
    ),
    "synthetic discs": lambda: moved(160, 210, translation(0, 0), 3, DISCS),
    "synthetic discs, all moves, noise": lambda: moved(160, 210, translation(1.5, -0.7), 4, DISCS, noise=6),
    "synthetic far": lambda: moved(240, 320, translation(11, -6), 5, [(160, 120, 50, -5, 3)]),
    "synthetic 64 x 64": lambda: moved(64, 64, translation(0, 0), 6, [(20, 24, 9, 2, 1), (44, 40, 7, -1.5, 0.5)]),
    **{
        f"FlyingChairs {path.name[:7]}": lambda path=path: real(
            path, path.with_name(path.name.replace("0.ppm", "1.ppm")), path.with_name(path.name[:8] + "gt.flo")
        )
        for path in sorted(REAL.glob("flyingchairs/*-img0.ppm"))
    },
    **{
        f"Sintel {path.name}": lambda path=path: real(
            path / "clean/frame_0002.png",
            path / "clean/frame_0003.png",
            path / "gt/frame_0002.flo",
            path / "gt/invalid/frame_0002.png",
        )
        for path in sorted(REAL.glob("sintel/*"))
    },
}
REAL_PAIRS = [name for name in PAIRS if not name.startswith("synthetic")]
MEASURED: dict[str, dict[str, tuple[float, float]]] = defaultdict(dict)  # who: pair: (seconds, end-point error)


@pytest.fixture(scope="module", params=PAIRS)
def named_pair(request) -> tuple[str, Pair]:
    return request.param, PAIRS[request.param]()


@pytest.fixture(autouse=True)
def grouped(request) -> None:
    if "named_pair" in request.fixturenames:
        request.getfixturevalue("benchmark").group = f"TV-L1 flow: {request.getfixturevalue('named_pair')[0]}"


def record(who: str, benchmark, named_pair: tuple[str, Pair], flow: torch.Tensor) -> None:
    name, pair = named_pair
    error = end_point_error(flow, pair.flow, pair.valid).item()
    benchmark.extra_info["EPE"] = error
    MEASURED[who][name] = benchmark.stats.stats.median, error


def run_peer(call: str, benchmark, peer, pair: Pair, rounds: int, **options) -> torch.Tensor:
    """As ``benchmark_peer``, but warmed up on a corner of the images: these calls take seconds."""
    peer(call, first=pair.first[:40, :40], second=pair.second[:40, :40], **options)
    benchmark._timer = lambda: peer.seconds
    arguments = {"first": pair.first, "second": pair.second, **options}
    return torch.from_numpy(benchmark.pedantic(peer, (call,), arguments, rounds=rounds).copy())


def test_labkit(benchmark, named_pair):
    first, second = (torch.from_numpy(image)[None] for image in named_pair[1][:2])
    flow = benchmark.pedantic(tvl1, (first, second), rounds=5, warmup_rounds=1)
    record("labkit", benchmark, named_pair, flow)


def test_opencv(benchmark, peer, named_pair):
    flow = run_peer("flow_opencv_tvl1", benchmark, peer, named_pair[1], rounds=1 if named_pair[0] in REAL_PAIRS else 3)
    record("OpenCV", benchmark, named_pair, flow)


def test_opencv_with_our_image_sizes(benchmark, peer, named_pair):
    name, pair = named_pair
    factor = inspect.signature(tvl1).parameters["scale_factor"].default
    scales = len(gaussian_pyramid(torch.from_numpy(pair.first)[None, None].float(), factor))
    rounds = 1 if name in REAL_PAIRS else 3
    flow = run_peer("flow_opencv_tvl1", benchmark, peer, pair, rounds, scales=scales, scale_factor=factor)
    record("OpenCV, our image sizes", benchmark, named_pair, flow)


def test_skimage(benchmark, peer, named_pair):
    if named_pair[0] == TOO_LONG:
        pytest.skip("scikit-image takes minutes")
    flow = run_peer("flow_skimage_tvl1", benchmark, peer, named_pair[1], rounds=1)
    record("scikit-image", benchmark, named_pair, flow)


def test_target(peer, capsys):
    ours = np.array([MEASURED["labkit"][name] for name in PAIRS]).T  # (2, pairs): seconds, end-point error
    for who, names in itertools.product(("OpenCV", "OpenCV, our image sizes"), (list(PAIRS), REAL_PAIRS)):
        own, theirs = (np.array([MEASURED[one][name] for name in names]).T for one in ("labkit", who))
        if names:
            faster, error = theirs[0] / own[0], own[1] / theirs[1]
            with capsys.disabled():
                print(
                    f"\nTV-L1, ours against {who} on {len(names)} pairs: mean EPE {own[1].mean():.3f} against "
                    f"{theirs[1].mean():.3f}, from {error.min():.2f} to {error.max():.2f} times its EPE; "
                    f"{theirs[0].sum() / own[0].sum():.1f} times as fast in all, from {faster.min():.1f} to "
                    f"{faster.max():.1f} a pair"
                )
    defaults = np.array([MEASURED["OpenCV"][name] for name in PAIRS]).T
    assert ours[1].mean() <= defaults[1].mean()
    assert (ours[1] / defaults[1]).max() <= 1.2
