import os
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch


@pytest.fixture
def clip() -> torch.Tensor:
    """(12, 3, 32, 48) uint8: each frame has its own colours, each channel its own direction."""
    return make_clip(12, 32, 48)


def make_clip(length: int, height: int, width: int) -> torch.Tensor:
    t = torch.arange(length)[:, None, None]
    y, x = torch.arange(height)[:, None], torch.arange(width)
    red, green, blue = 5 * x + 9 * t + 0 * y, 7 * y + 3 * t + 0 * x, 20 * t + x + y
    return (torch.stack([red, green, blue], dim=1) % 256).to(torch.uint8)  # (T, 3, H, W)


@pytest.fixture
def write_avi(tmp_path: Path) -> Callable[..., Path]:
    """Write an AVI by hand, every frame a PNG: any size, any header."""

    def write(
        frames: Sequence[torch.Tensor] | torch.Tensor,
        promised: int | None = None,
        rate: int = 25,
        scale: int = 1,
        codec: bytes = b"MPNG",
    ) -> Path:
        height, width = frames[0].shape[-2:]
        promised = len(frames) if promised is None else promised
        stored = [cv2.imencode(".png", _for_opencv(frame))[1].tobytes() for frame in frames]
        index, offset = b"", 4
        for data in stored:
            index += struct.pack("<4s3I", b"00dc", 16, offset, len(data))
            offset += 8 + len(data) + len(data) % 2
        main = struct.pack("<14I", 40_000, 0, 0, 16, promised & 0xFFFFFFFF, 0, 1, 0, width, height, 0, 0, 0, 0)
        numbers = [0, 0, 0, scale, rate, 0, promised & 0xFFFFFFFF, 0, 0, 0, 0, 0]
        stream = struct.pack("<4s4s12I", b"vids", codec, *numbers)
        picture = struct.pack("<IiiHH4s5I", 40, width, height, 1, 24, codec, 0, 0, 0, 0, 0)
        header = b"hdrl" + _chunk(b"avih", main)
        header += _chunk(b"LIST", b"strl" + _chunk(b"strh", stream) + _chunk(b"strf", picture))
        movie = b"movi" + b"".join(_chunk(b"00dc", data) for data in stored)
        body = b"AVI " + _chunk(b"LIST", header) + _chunk(b"LIST", movie) + _chunk(b"idx1", index)
        path = tmp_path / "by_hand.avi"
        path.write_bytes(_chunk(b"RIFF", body))
        return path

    return write


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def _for_opencv(frame: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(frame.permute(1, 2, 0).numpy()[..., ::-1])  # (C, H, W) RGB -> (H, W, C) BGR


@pytest.fixture
def real_clips() -> list[Path]:
    """The real clips below ``$LABKIT_REAL_DATA``; skips where it is unset."""
    if "LABKIT_REAL_DATA" not in os.environ:
        pytest.skip("set LABKIT_REAL_DATA to a folder with clips/hmdb51, clips/ucf101 and clips/kinetics")
    return sorted(
        path for path in Path(os.environ["LABKIT_REAL_DATA"], "clips").rglob("*") if path.suffix in (".avi", ".mp4")
    )
