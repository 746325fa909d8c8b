"""Notebook 08 beyond what all notebooks are tested for: on photos and videos in the shape of the real sets."""

import pytest
import torch
from PIL import Image
from runs import changed, figures, said

from labkit import course
from labkit.data import TVHI, write_video

SOURCE = course.notebooks_folder() / "08_attention_transfer.py"
REAL = {"dataset": "tvhi", "missing": "skip", "nets": ["resnet"]}


@pytest.fixture(scope="module")
def data_root(tmp_path_factory):
    """Two made-up videos of each class and part, three photos of each class and kind: colours tell the classes."""
    root = tmp_path_factory.mktemp("data")
    (root / "tvhi/videos").mkdir(parents=True)
    for part in ("train", "test"):
        names = TVHI.read_lists(root, part)[1]
        for label in range(4):
            for name in [name for name, labels in names.items() if labels == (label,)][:2]:
                frames = torch.full((6, 3, 60, 80), 60 * label, dtype=torch.uint8)
                write_video(root / f"tvhi/videos/{name}.avi", frames, fps=25)
    for kind in ("filtered", "noisy"):
        for label, name in enumerate(("handShake", "highFive", "hug", "kiss")):
            (root / f"hii/photos/{kind}/{name}").mkdir(parents=True)
            for number in range(3):
                Image.new("RGB", (70, 60), (60 * label,) * 3).save(root / f"hii/photos/{kind}/{name}/{number}.png")
    return str(root)


@pytest.mark.filterwarnings("ignore:TV Human")
def test_it_runs_on_folders_of_photos_and_videos(data_root, tmp_path):
    done = course.run(SOURCE, tmp_path / "08.ipynb", {**REAL, "profile": "smoke", "data_root": data_root})
    text = said(done)
    assert "{'filtered': 12, 'noisy': 12, 'train': 8, 'test': 8}" in text
    assert "mean of words: (4, 16)" in text
    assert "puppet" not in figures(done)


@pytest.mark.long
def test_the_paper_profile_in_short(data_root, tmp_path):
    """The wiring of the paper's profile, with the small net in the place of ResNet-101 and few steps."""
    changes = {
        "torchvision_weights(builder, entry, download=download)": "small(count).net",
        "small(count) if tiny else large(count)": "small(count)",
        "crop_size=56 if tiny else 224": "crop_size=56",
        'factor *= 0.01 if profile == "smoke" else 1.0': "factor *= 0.0",
        "board.keep()": "print(sorted(board.live))",  # such numbers are not to be kept
    }
    short = changed(SOURCE, changes, tmp_path)
    done = course.run(short, tmp_path / "08.ipynb", {**REAL, "profile": "paper", "data_root": data_root})
    text = said(done)
    for metric in ("image.resnet_noisy", "mining.random_steps", "no_image", "resnet.energynet_noisy"):
        assert f"'{metric}'" in text
    assert "'actions." not in text
