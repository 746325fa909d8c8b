import numpy as np
import pytest
import torch
import zoo

from labkit.data import FCVID, write_video
from labkit.data.fcvid import store_frames

NAMES = [f"event {number}" for number in range(239)]
VIDEOS = ["beach/v1.mp4 train", "v2.flv\ttest", "panda\\my v3.mp4 train", "making cake/v4.avi   test"]
COLUMNS = [[7], [0, 238], [238, 3, 100], [5]]


@pytest.fixture
def root(tmp_path):
    """A folder in the shape of FCVID, with all videos of its lists."""
    lists = tmp_path / "lists"
    lists.mkdir()
    table = np.zeros((4, 239))
    for row, columns in zip(table, COLUMNS, strict=True):
        row[columns] = 1
    np.savetxt(lists / "FCVID_Label.txt", table, fmt="%d", delimiter="\t")
    (lists / "FCVID_VideoName_TrainTestSplit.txt").write_text("".join(f"{row}\n" for row in VIDEOS))
    (lists / "classes.txt").write_text("".join(f"{name}\n" for name in NAMES))
    for name in ("v1", "v2", "my v3", "v4"):
        zoo.write_grey(tmp_path / f"videos/{name}.avi")
    return tmp_path


def test_rows_of_both_files_belong_together(root):
    train, test = FCVID(root), FCVID(root, "test")
    assert train.classes == test.classes == tuple(NAMES)
    assert [(clip.name, clip.labels, clip.group) for clip in train] == [("v1", (7,), 0), ("my v3", (3, 100, 238), 1)]
    assert [(clip.name, clip.labels, clip.group) for clip in test] == [("v2", (0, 238), -1), ("v4", (5,), -2)]
    assert train.labels.tolist() == [7, 3]
    assert test.multi_hot.nonzero().tolist() == [[0, 0], [0, 238], [1, 5]]


def test_numbers_may_be_written_as_floats(root):
    path = root / "lists/FCVID_Label.txt"
    np.savetxt(path, np.loadtxt(path), fmt="%.7e")
    assert [clip.labels for clip in FCVID(root)] == [(7,), (3, 100, 238)]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("0\t" * 238 + "0", "got 239 with 0 ones"),
        ("1\t" * 238, "got 238 with 238 ones"),
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


def counting(num_frames, height=20, width=30):
    """A video whose frames are grey, each a little lighter than the one before."""
    grey = (4 * torch.arange(num_frames)).to(torch.uint8)
    return grey[:, None, None, None].expand(-1, 3, height, width)


def test_a_frame_of_every_three_seconds_is_stored_at_256_by_256(root):
    with pytest.raises(FileNotFoundError, match=r"frames: expected a frame of every 3 seconds .*fcvid.py .* --frames"):
        FCVID.stored(root)
    (root / "videos/beach").mkdir()
    (root / "videos/v1.avi").unlink()
    write_video(root / "videos/beach/v1.avi", counting(50), fps=5)  # ten seconds: 0, 3, 6, 9
    write_video(root / "videos/v2.avi", counting(1), fps=5)
    assert store_frames(root) == {}
    train, test = FCVID.stored(root), FCVID.stored(root, "test")
    assert [(clip.name, clip.num_frames, clip.labels) for clip in train] == [
        ("v1", 4, (7,)),
        ("my v3", 1, (3, 100, 238)),
    ]
    assert [(clip.name, clip.num_frames) for clip in test] == [("v2", 1), ("v4", 1)]
    frames = train[0].frames([0, 1, 2, 3])
    assert frames.shape == (4, 3, 256, 256)
    levels = frames.float().mean(dim=(1, 2, 3)).tolist()
    assert levels == pytest.approx([0, 60, 120, 180], abs=4)  # of frames 0, 15, 30 and 45; the codec is not lossless


@pytest.mark.parametrize("videos", [".", "frames"])
def test_frames_are_not_stored_among_the_videos(root, videos):
    with pytest.raises(ValueError, match=r"videos must be a folder beside .*/frames; got .*: give them a folder of"):
        store_frames(root, videos=videos)
    assert not (root / "frames").exists()


def test_storing_continues_where_it_was_and_names_what_does_not_decode(root):
    (root / "videos/v2.avi").write_bytes(b"no video")
    assert list(store_frames(root)) == ["v2.avi"]
    before = (root / "frames/v1.mp4").stat().st_mtime_ns
    write_video(root / "videos/v2.avi", counting(20), fps=5)
    assert store_frames(root) == {}
    assert (root / "frames/v1.mp4").stat().st_mtime_ns == before
    assert FCVID.stored(root, "test")[0].num_frames == 2
