"""How long 25 equally spaced frames of a clip take, and whether they are the right ones.

Seeking looks like the quick way. It computes a frame's place from the frame rate in the header: on a clip whose header
gives another rate it lands on the wrong frames, without a word. Reading in turn is right on all of them. By a rule ours
reads twice, since the rule has to know how many frames there are. OpenCV in turn is what the lab read with before; it
says nothing of interlaced frames, edit lists and the like.
"""

import functools
import os
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from labkit.data import iter_frames, read_video, scan, write_video
from labkit.views.sampling import equally_spaced

REAL = Path(os.environ.get("LABKIT_REAL_DATA", "/nonexistent"), "clips")
CLIPS = {
    "300 frames mp4": None,
    "300 frames mkv, header rate doubled": None,
    **{
        f"{folder.name} clip": min(folder.iterdir())
        for folder in REAL.glob("*")
        if folder.name != "rawframes_with_flow"
    },
}


def twenty_five(info) -> torch.Tensor:
    return equally_spaced(info.num_frames, 25)


@pytest.fixture(scope="session")
def synthetic(tmp_path_factory) -> list[Path]:
    """300 frames of 320 x 240, every one different: a plain file, and one that claims 50 fps though stamped for 25."""
    y, x = torch.arange(240)[:, None], torch.arange(320)
    frames = [
        torch.stack([(x + 3 * t + 0 * y) % 256, (y + 2 * t + 0 * x) % 256, torch.full((240, 320), t * 255 // 300)])
        for t in range(300)
    ]
    plain, lying = (tmp_path_factory.mktemp("clips") / name for name in ("plain.mp4", "lying.mkv"))
    write_video(plain, (frame.to(torch.uint8) for frame in frames), fps=25)
    writer = cv2.VideoWriter(str(lying), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (320, 240))
    for frame in frames:
        writer.write(cv2.merge(list(frame.to(torch.uint8).numpy()[::-1])))
    writer.release()
    data = bytearray(lying.read_bytes())
    place = data.find(b"\x23\xe3\x83\x84") + 4  # DefaultDuration, nanoseconds a frame
    data[place : place + 4] = struct.pack(">I", 20_000_000)
    lying.write_bytes(data)
    return [plain, lying]


@pytest.fixture(params=CLIPS)
def clip(request, synthetic, benchmark) -> Path:
    benchmark.group = f"decode 25 equally spaced frames: {request.param}"
    return CLIPS[request.param] or synthetic[list(CLIPS).index(request.param)]


@functools.cache
def expected_frames(path: Path) -> np.ndarray:
    """(25, H, W, 3) picked from every frame of the file."""
    every = np.stack([frame.numpy().transpose(1, 2, 0) for frame in iter_frames(path)])
    return every[twenty_five(scan(path))]


def wrong_frames(path: Path, frames: np.ndarray) -> int:
    """How many of (25, H, W, 3) frames are not the expected ones; other FFmpeg builds may round a little otherwise."""
    return int((np.abs(frames.astype(int) - expected_frames(path)).mean(axis=(1, 2, 3)) > 1).sum())


def peer_arguments(path: Path) -> dict:
    return {"path": str(path), "indices": twenty_five(scan(path)).tolist()}


def test_labkit(benchmark, clip):
    frames = benchmark.pedantic(read_video, (clip, twenty_five(scan(clip))), rounds=5, warmup_rounds=1).frames
    benchmark.extra_info["wrong frames"] = wrong_frames(clip, frames.permute(0, 2, 3, 1).numpy())
    assert benchmark.extra_info["wrong frames"] == 0


def test_labkit_by_a_rule(benchmark, clip):
    frames = benchmark.pedantic(read_video, (clip, twenty_five), rounds=5, warmup_rounds=1).frames
    benchmark.extra_info["wrong frames"] = wrong_frames(clip, frames.permute(0, 2, 3, 1).numpy())
    assert benchmark.extra_info["wrong frames"] == 0


def test_pyav(benchmark, benchmark_peer, clip):
    frames = benchmark_peer("decode_pyav", **peer_arguments(clip))
    benchmark.extra_info["wrong frames"] = wrong_frames(clip, frames)
    assert benchmark.extra_info["wrong frames"] == 0


def test_opencv_in_turn(benchmark, benchmark_peer, clip):
    frames = benchmark_peer("decode_opencv", **peer_arguments(clip))
    benchmark.extra_info["wrong frames"] = wrong_frames(clip, frames)


def test_opencv_seek(benchmark, benchmark_peer, clip):
    frames = benchmark_peer("decode_opencv_seek", rounds=2, **peer_arguments(clip))
    benchmark.extra_info["wrong frames"] = wrong_frames(clip, frames)  # a fact about seeking, so not asserted
