import pytest
import torch

from labkit import world
from labkit.data import TVHI, write_video

NAMES = [f"{name}_{number:04}" for name in ("handShake", "highFive", "hug", "kiss") for number in range(1, 51)]


@pytest.fixture
def root(tmp_path):
    """All 200 positive clips and a negative one, by name; two of them are videos."""
    (tmp_path / "videos").mkdir()
    for name in (*NAMES, "negative_0001"):
        (tmp_path / f"videos/{name}.avi").touch()
    for name in ("handShake_0002", "kiss_0002"):
        write_video(tmp_path / f"videos/{name}.avi", torch.zeros(5, 3, 16, 16, dtype=torch.uint8), fps=25)
    return tmp_path


def test_the_official_split(root):
    train, test = TVHI(root), TVHI(root, "test")
    assert train.classes == test.classes == world.Interactions(groups=3).classes
    names = [[clip.name for clip in part] for part in (train, test)]
    assert sorted(names[0] + names[1]) == sorted(NAMES)
    for part in (train, test):
        assert part.labels.tolist() == [label for label in range(4) for _ in range(25)]
    assert names[0][:3] == ["handShake_0002", "handShake_0014", "handShake_0015"]
    assert names[1][-2:] == ["kiss_0049", "kiss_0050"]
    assert (train[0].num_frames, test[76].name, test[76].label) == (5, "kiss_0003", 3)
    assert not {*train.groups.tolist()} & {*test.groups.tolist()}


def test_missing_clips_are_told(root):
    (root / "videos/hug_0002.avi").unlink()
    with pytest.raises(FileNotFoundError, match=r"TV Human Interactions, train: expected 100 .* missing: hug_0002"):
        TVHI(root)
    with pytest.warns(UserWarning, match="1 of 100"):
        assert len(TVHI(root, missing="skip")) == 99
