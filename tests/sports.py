"""Sports-1M and UCF101 in small, with flow by the script: made-up videos under official lists."""

import importlib
from pathlib import Path

import pytest
import torch

from labkit.data import write_video

SCRIPTS = Path(__file__).parents[1] / "data_scripts"


def write_sets(root):
    """Two Sports-1M videos to train and one to test, one UCF101 clip each."""
    lists, sports = root / "sports1m/lists", {"train": ["aaaaaaaaaaa 3,4", "bbbbbbbbbbb 5"], "test": ["ccccccccccc 3"]}
    lists.mkdir(parents=True)
    names = ["boomerang", *(f"sport {number}" for number in range(1, 486)), "model aircraft"]
    (lists / "labels.txt").write_text("".join(f"{name}\n" for name in names))
    for part, rows in sports.items():
        links = "".join(f"https://www.youtube.com/watch?v={row}\n" for row in rows)
        (lists / f"{part}_partition.txt").write_text(links)
        for number, row in enumerate(rows):
            _write(root / f"sports1m/videos/{row.split()[0]}.avi", 30 + 10 * number, number + 1)
    lists, clips = root / "ucf101/ucfTrainTestlist", ["Class003/v_Class003_g08_c01", "Class004/v_Class004_g01_c01"]
    lists.mkdir(parents=True)
    (lists / "classInd.txt").write_text("".join(f"{n} Class{n - 1:03}\n" for n in range(1, 102)))
    for split in (1, 2, 3):
        (lists / f"trainlist0{split}.txt").write_text(f"{clips[split == 2]}.avi {4 + (split == 2)}\n")
        (lists / f"testlist0{split}.txt").write_text(f"{clips[split != 2]}.avi\n")
    for number, clip in enumerate(clips):
        _write(root / f"ucf101/UCF-101/{clip}.avi", 14 + number, number + 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        extract_flow = importlib.import_module("extract_flow")
        for name, videos in (("sports1m", "videos"), ("ucf101", "UCF-101")):
            assert extract_flow.main([str(root / name), "--estimator", "dis", "--videos", videos]) == 0
    return root


def _write(path, length, seed):
    """A square that wanders over noise, so that there is flow."""
    frames = torch.randint(256, (1, 3, 48, 64), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    frames = frames.repeat(length, 1, 1, 1)
    for time in range(length):
        frames[time, :, 10:26, (3 * time + seed) % 40 : (3 * time + seed) % 40 + 16] = 40 * seed
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, frames, fps=12)
