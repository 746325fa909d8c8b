"""Damaged files, made from whole ones by seeded mutations: reading one succeeds or raises VideoError, in bounded time.

Decoding runs in a child process, so that a crash inside FFmpeg or a hang is a failure that names its seed.
By hand, as many as you like: ``python tests/data/test_video_fuzz.py FIRST_SEED COUNT FILE...``
"""

import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import cv2
import numpy as np
import torch

from labkit.data import VideoError, iter_frames, read_video, scan

SYNTHETIC_CASES, REAL_CASES, HANGS_AFTER_SECONDS = 60, 20, 120


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """Apply one to three mutations; half of them hit the header, the first or last 1,000 bytes."""
    out = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        low, high = [(0, len(out)), (0, min(1000, len(out))), (max(0, len(out) - 1000), len(out))][rng.choice(3)]
        at, length = int(rng.integers(low, high)) if high else 0, int(rng.integers(1, 200))
        match rng.integers(6):
            case 0:  # flip bits
                for place in rng.integers(low, high, int(rng.integers(1, 30))) if high else []:
                    out[place] ^= 1 << int(rng.integers(8))
            case 1:  # cut off
                del out[at:]
            case 2:  # a hole of zeros
                out[at : at + length] = bytes(len(out[at : at + length]))
            case 3:  # lose a piece
                del out[at : at + length]
            case 4:  # repeat a piece elsewhere
                out[at:at] = out[(start := int(rng.integers(len(out) + 1))) : start + length]
            case 5:  # an extreme number
                out[at : at + 4] = [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\x01"][rng.choice(4)]
    return bytes(out)


def read_damaged(seed: int, sources: list[str], folder: Path) -> str:
    """Mutate one of the sources and read it in every way; returns what happened, without and with allow_damaged."""
    source = Path(sources[seed % len(sources)])
    path = folder / f"damaged{source.suffix}"
    path.write_bytes(mutate(source.read_bytes(), np.random.default_rng(seed)))
    outcomes = []
    for allow_damaged in (False, True):
        try:
            info = scan(path, allow_damaged=allow_damaged)
            picked = torch.tensor([info.num_frames - 1, 0, info.num_frames // 2, 0])
            frames = read_video(path, picked, allow_damaged=allow_damaged).frames
            assert frames.shape == (4, 3, info.height, info.width)
            every = list(iter_frames(path, allow_damaged=allow_damaged))
            assert len(every) == info.num_frames
            assert all(torch.equal(frame, every[index]) for frame, index in zip(frames, picked.tolist(), strict=True))
            outcomes.append("read")
        except VideoError as error:
            outcomes.append(str(error).removeprefix(f"{path}: expected "))
            assert outcomes[-1] != str(error)  # noqa: PT017 - it names the file
    return " | ".join(outcomes)


def run(first: int, count: int, sources: list[str]) -> None:
    """Read ``count`` damaged files, printing a seed before each and the outcome after it."""
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(first, first + count):
            print(seed, end=" ", flush=True)
            print(read_damaged(seed, sources, Path(folder)), flush=True)


def assert_survives(count: int, sources: list[Path]) -> list[str]:
    """Run in a child process with a time limit; returns the lines it printed."""
    command = [sys.executable, __file__, "0", str(count), *map(str, sources)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    timer = threading.Timer(HANGS_AFTER_SECONDS, child.kill)
    timer.start()
    output, errors = child.communicate()
    timer.cancel()
    lines = output.splitlines()
    assert child.returncode == 0, f"crashed, failed or took over {HANGS_AFTER_SECONDS} s at seed {lines[-1:]}: {errors}"
    assert errors == "", "FFmpeg or OpenCV wrote to stderr"
    return lines


def test_damaged_synthetic_files(tmp_path):
    y, x, t = np.mgrid[:48, :64, :12]
    frames = [np.stack([3 * x + 7 * t, 5 * y + 11 * t, 9 * t], axis=-1)[:, :, i].astype(np.uint8) for i in range(12)]
    sources = []
    for suffix, codec in [(".avi", "FFV1"), (".avi", "MJPG"), (".mp4", "mp4v"), (".mkv", "FFV1"), (".mov", "png ")]:
        sources.append(tmp_path / f"{codec.strip()}{suffix}")
        writer = cv2.VideoWriter(str(sources[-1]), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), 25.0, (64, 48))
        for frame in frames:
            writer.write(frame)
        writer.release()
    lines = assert_survives(SYNTHETIC_CASES, sources)
    assert len(lines) == SYNTHETIC_CASES
    assert sum(line.endswith("read") for line in lines) > SYNTHETIC_CASES / 10  # the mutations are not all fatal
    assert sum(" read | " not in line for line in lines) > SYNTHETIC_CASES / 10  # nor all harmless


def test_damaged_real_files(real_clips):
    smallest = sorted(real_clips, key=lambda path: path.stat().st_size)[:5]
    assert len(assert_survives(REAL_CASES, smallest)) == REAL_CASES


if __name__ == "__main__":
    run(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
