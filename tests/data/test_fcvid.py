import numpy as np
import pytest
import torch

from labkit.data import FCVID, write_video

NAMES = [f"event {number}" for number in range(239)]
VIDEOS = ["beach/v1.mp4 train", "v2.flv\ttest", "panda\\my v3.mp4 train", "making cake/v4.avi   test"]
COLUMNS = [[7], [0, 238], [238, 3, 100], [5]]


@pytest.fixture
def root(tmp_path):
    """A folder in the shape of FCVID, with all videos of its lists."""
    lists = tmp_path / "lists"
    lists.mkdir()
    (tmp_path / "videos").mkdir()
    table = np.zeros((4, 239))
    for row, columns in zip(table, COLUMNS, strict=True):
        row[columns] = 1
    np.savetxt(lists / "FCVID_Label.txt", table, fmt="%d", delimiter="\t")
    (lists / "FCVID_VideoName_TrainTestSplit.txt").write_text("".join(f"{row}\n" for row in VIDEOS))
    (lists / "classes.txt").write_text("".join(f"{name}\n" for name in NAMES))
    for name in ("v1", "v2", "my v3", "v4"):
        write_video(tmp_path / f"videos/{name}.avi", torch.full((3, 3, 16, 24), 90, dtype=torch.uint8), fps=25)
    return tmp_path


def test_rows_of_both_files_belong_together(root):
    train, test = FCVID(root), FCVID(root, "test")
    assert train.classes == test.classes == tuple(NAMES)
    assert [(clip.name, clip.labels, clip.group) for clip in train] == [("v1", (7,), 0), ("my v3", (3, 100, 238), 1)]
    assert [(clip.name, clip.labels, clip.group) for clip in test] == [("v2", (0, 238), -1), ("v4", (5,), -2)]
    assert train.labels.tolist() == [7, 3]
    assert test.multi_hot.nonzero().tolist() == [[0, 0], [0, 238], [1, 5]]


@pytest.mark.parametrize("form", ["%.1f", "%.7e"])
def test_numbers_may_be_written_as_floats(root, form):
    path = root / "lists/FCVID_Label.txt"
    np.savetxt(path, np.loadtxt(path), fmt=form)
    assert [clip.labels for clip in FCVID(root)] == [(7,), (3, 100, 238)]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("0\t" * 238 + "0", "got 239 with 0 ones"),
        ("1\t" * 238, "got 238 with 238 ones"),
        ("1\t" * 238 + "2", "got 239 with 238 ones"),
        ("1\t" * 238 + "nan", "got 239 with 238 ones"),
        ("1\t" * 238 + "yes", "got 0 with 0 ones"),
    ],
)
def test_rows_that_are_not_zeros_and_ones_are_an_error(root, row, message):
    path = root / "lists/FCVID_Label.txt"
    path.write_text("\n".join([row, *path.read_text().split("\n")[1:]]))
    with pytest.raises(ValueError, match=rf"expected 239 numbers for v1, zeros and at least one 1; {message}"):
        FCVID(root)


@pytest.mark.parametrize("row", ["beach/v1.mp4", "beach/v1.mp4 val", "train", "v3 train\nelsewhere/v3.mp4 train"])
def test_names_that_are_not_as_they_should_be_are_an_error(root, row):
    rows = [*row.split("\n"), *VIDEOS]
    (root / "lists/FCVID_VideoName_TrainTestSplit.txt").write_text("".join(f"{row}\n" for row in rows[:4]))
    with pytest.raises(ValueError, match=r"TrainTestSplit.txt: expected lines like 'beach/some_video.mp4 train', each"):
        FCVID(root)


def test_files_of_two_lengths_are_an_error(root):
    path = root / "lists/FCVID_Label.txt"
    path.write_text("\n".join(path.read_text().split("\n")[:3]))
    with pytest.raises(ValueError, match=r"FCVID_Label.txt: expected 4 lines, as FCVID_VideoName_.* has; got 3"):
        FCVID(root)


def test_missing_videos_and_lists_are_told(root):
    (root / "videos/v1.avi").unlink()
    with pytest.raises(FileNotFoundError, match=r"FCVID, train: expected 2 videos in .* 1 are missing: v1. Run python"):
        FCVID(root)
    with pytest.warns(UserWarning, match="FCVID, train: 1 of 2"):
        assert FCVID(root, missing="skip").multi_hot.nonzero().tolist() == [[0, 3], [0, 100], [0, 238]]
    (root / "lists/classes.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"classes.txt: expected a list of FCVID; .*/fcvid.py"):
        FCVID(root)
