"""Notebook 05 beyond what all notebooks are tested for: on videos in the shape of Sports-1M and UCF101."""

import importlib

import pytest
import torch
from runs import changed, figures, said
from safetensors.torch import save_file

from labkit import course
from labkit.data import write_video
from labkit.papers import long_video

SOURCE = course.notebooks_folder() / "05_long_video.py"
SPORTS = ["boomerang", *(f"sport {number}" for number in range(1, 486)), "model aircraft"]
ACTIONS = [f"Class{number:03}" for number in range(101)]


def make_video(path, length, seed):
    """A square that wanders over noise, so that there is flow."""
    frames = torch.randint(256, (1, 3, 48, 64), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    frames = frames.repeat(length, 1, 1, 1)
    for time in range(length):
        frames[time, :, 10:26, (3 * time + seed) % 40 : (3 * time + seed) % 40 + 16] = 40 * seed
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, frames, fps=12)


@pytest.fixture(scope="module")
def data_root(tmp_path_factory):
    """Both sets in small, with flow by the script."""
    root = tmp_path_factory.mktemp("real")
    lists, sports = root / "sports1m/lists", {"train": ["aaaaaaaaaaa 3,4", "bbbbbbbbbbb 5"], "test": ["ccccccccccc 3"]}
    lists.mkdir(parents=True)
    (lists / "labels.txt").write_text("".join(f"{name}\n" for name in SPORTS))
    for part, rows in sports.items():
        (lists / f"{part}_partition.txt").write_text(
            "".join(f"https://www.youtube.com/watch?v={row}\n" for row in rows)
        )
        for number, row in enumerate(rows):
            make_video(root / f"sports1m/videos/{row.split()[0]}.avi", 30 + 10 * number, number + 1)
    lists, clips = root / "ucf101/ucfTrainTestlist", ["Class003/v_Class003_g08_c01", "Class004/v_Class004_g01_c01"]
    lists.mkdir(parents=True)
    (lists / "classInd.txt").write_text("".join(f"{n} {name}\n" for n, name in enumerate(ACTIONS, start=1)))
    (lists / "trainlist01.txt").write_text(f"{clips[0]}.avi 4\n")
    (lists / "testlist01.txt").write_text(f"{clips[1]}.avi\n")
    for number, clip in enumerate(clips):
        make_video(root / f"ucf101/UCF-101/{clip}.avi", 14 + number, number + 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(course.notebooks_folder().parent / "data_scripts"))
        extract_flow = importlib.import_module("extract_flow")
        for name, videos in (("sports1m", "videos"), ("ucf101", "UCF-101")):
            assert extract_flow.main([str(root / name), "--estimator", "dis", "--videos", videos]) == 0
    return root


def test_it_runs_on_real_videos(data_root, tmp_path):
    parameters = {"profile": "smoke", "dataset": "sports1m", "data_root": str(data_root)}
    done = course.run(SOURCE, tmp_path / "05.ipynb", parameters)
    text = said(done)
    assert "{'train': 2, 'test': 1} clips; classes: boomerang, sport 1" in text
    assert "labels: sport 3" in text
    drawn = figures(done)
    assert "A clip of sport 3" in drawn
    assert "3 frames a second" in drawn
    assert "puppet" not in drawn


@pytest.mark.long
def test_the_paper_profile_in_short(data_root, tmp_path):
    """Nets of the paper's size on real frames and flow, trained as a whole; but two steps, and of 120 frames ten."""
    torch.manual_seed(0)
    for name in ("alexnet", "googlenet"):
        trunk = getattr(long_video, f"{name}_trunk")()
        save_file(trunk.state_dict(), data_root / f"{name}_trunk.safetensors")
    changes = {
        "else (30, 120, 1.0, 300)": "else (2, 10, 12.0, 12)",
        '"study": 12}.get(profile, 240)': '"study": 12}.get(profile, 1)',
        'steps = max(round(scale * share * recipe["steps"]), 2)': "steps = 1",
        'batch = 4 if profile == "smoke" else recipe["batch"]': "batch = 1",
        "board.keep()": "print(sorted(board.live))",  # such numbers are not to be kept
    }
    short = changed(SOURCE, changes, tmp_path)
    parameters = {"profile": "paper", "dataset": "sports1m", "data_root": str(data_root)}
    text = said(course.run(short, tmp_path / "05.ipynb", parameters))
    assert "fc6): Linear(in_features=9216, out_features=4096" in text
    for metric in ("pool.tdconv_clip", "googlenet.conv120_both", "expand.cost", "clean.conv120_both", "fps.30_low"):
        assert repr(metric) in text
