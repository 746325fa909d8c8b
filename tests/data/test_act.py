import pytest
import zoo

from labkit.data import ACT

NAMES = [f"doing this {number}" for number in range(43)]
TRAIN = ["kicking_bag/clip_0002.avi 12", "deep/er/clip_0001.avi 42", "clip with spaces.mp4 0"]


@pytest.fixture
def root(tmp_path):
    """A folder in the shape that the reader asks for, with all clips of its lists."""
    (tmp_path / "lists").mkdir()
    for name, rows in {"classes": NAMES, "train": TRAIN, "test": ["clip_0004 12"]}.items():
        (tmp_path / f"lists/{name}.txt").write_bytes("".join(f"{row}\r\n" for row in rows).encode())
    for length, name in enumerate(("clip_0002", "clip_0001", "clip with spaces", "clip_0004"), start=3):
        zoo.write_grey(tmp_path / f"videos/{name}.avi", length)
    return tmp_path


def test_clips_are_named_by_their_files_and_have_one_class(root):
    train, test = ACT(root), ACT(root, "test")
    assert train.classes == tuple(NAMES)
    assert [(clip.name, clip.labels, clip.group, clip.num_frames) for clip in train] == [
        ("clip_0002", (12,), 0, 3),
        ("clip_0001", (42,), 1, 4),
        ("clip with spaces", (0,), 2, 5),
    ]
    assert [(clip.name, clip.labels, clip.group, clip.num_frames) for clip in test] == [("clip_0004", (12,), -1, 6)]


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("classes", "doing this 7\r\n", "", "expected 43 lines, the name of a class in each; got 42"),
        ("train", "avi 42", "avi 43", "with numbers from 0 to 42; got 'deep/er/clip_0001.avi 43'"),
        ("train", "avi 42", "avi kicking", "expected lines like 'kicking_bag/clip_0001.avi 12'"),
        ("train", "avi 42", "avi 42,3", "expected 3 clips with names of their own and one class each; got 3, 1 of"),
        ("train", "clip_0001", "clip_0002", "expected 3 clips with names of their own and one class each; got 2, 1 of"),
    ],
)
def test_lists_that_are_not_as_they_should_be_are_an_error(root, name, old, new, message):
    path = root / f"lists/{name}.txt"
    data = path.read_bytes().decode()
    assert data.count(old) == 1
    path.write_bytes(data.replace(old, new).encode())
    with pytest.raises(ValueError, match=rf"{name}.txt: .*{message}"):
        ACT(root)
