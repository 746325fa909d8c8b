import gzip
import shutil

import pytest
import zoo

from labkit.data import Sports1M
from labkit.data.supplied import survey
from labkit.data.videos import INDEX

NAMES = ["boomerang", *(f"sport {number}" for number in range(1, 485)), "kyūdō", "model aircraft"]
TRAIN = ["UDqivjS-lpI 168,169", "-_-aB3dE5g7 486", "0000000000A 3,1"]
TEST = ["_________xY 485"]


def write_partition(path, rows):
    path.write_text("".join(f"https://www.youtube.com/watch?v={row}\n" for row in rows))


@pytest.fixture
def root(tmp_path):
    """A folder in the shape of Sports-1M, with all videos of its lists."""
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "labels.txt").write_text("".join(f"{name}\n" for name in NAMES), encoding="utf-8")
    write_partition(lists / "train_partition.txt", TRAIN)
    write_partition(lists / "test_partition.txt", TEST)
    for length, name in enumerate(("UDqivjS-lpI.avi", "some folder/-_-aB3dE5g7.mp4", "0000000000A.avi"), start=4):
        zoo.write_grey(tmp_path / "videos" / name, length)
    zoo.write_grey(tmp_path / "videos/_________xY.avi", 7)
    return tmp_path


def test_videos_have_all_their_labels_and_the_first_of_them_is_the_label(root):
    train, test = Sports1M(root), Sports1M(root, "test")
    assert train.classes == tuple(NAMES)
    assert [(clip.name, clip.label, clip.labels) for clip in train] == [
        ("UDqivjS-lpI", 168, (168, 169)),
        ("-_-aB3dE5g7", 486, (486,)),
        ("0000000000A", 3, (3, 1)),
    ]
    assert train.labels.tolist() == [168, 486, 3]
    assert train.multi_hot.shape == (3, 487)
    assert train.multi_hot.nonzero().tolist() == [[0, 168], [0, 169], [1, 486], [2, 1], [2, 3]]
    assert train.subset([2]).multi_hot.nonzero().tolist() == [[0, 1], [0, 3]]
    assert [clip.num_frames for clip in train] == [4, 5, 6]
    assert [test.classes[label] for label in test.labels] == ["kyūdō"]
    assert (train.groups.tolist(), test.groups.tolist()) == ([0, 1, 2], [-1])


def test_a_video_listed_twice_is_there_once_with_the_labels_of_both_lines(root):
    write_partition(root / "lists/train_partition.txt", ["UDqivjS-lpI 5,168", "0000000000A 3", "UDqivjS-lpI 168,2"])
    train = Sports1M(root)
    assert [clip.labels for clip in train] == [(5, 168, 2), (3,)]


def test_missing_videos_are_an_error_or_left_out(root):
    (root / "videos/UDqivjS-lpI.avi").unlink()
    with pytest.raises(
        FileNotFoundError,
        match=r"Sports-1M, train: expected 3 videos in .*videos; got 2, 1 are missing: UDqivjS-lpI. Run python "
        r"data_scripts/sports1m.py .*, which says where they come from, or pass missing=\"skip\"",
    ):
        Sports1M(root)
    with pytest.warns(UserWarning, match="Sports-1M, train: 1 of 3 videos are not in") as warned:
        train = Sports1M(root, missing="skip")
    assert warned[0].filename == __file__
    assert train.multi_hot.nonzero().tolist() == [[0, 486], [1, 1], [1, 3]]
    assert train.groups.tolist() == [1, 2]  # as in the whole list


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("labels", "sport 7\n", ""),
        ("labels", "boomerang", "frisbee"),
        ("train_partition", "168,169", "168,487"),
        ("train_partition", "168,169", ""),
        ("train_partition", "168,169", "boomerang"),
        ("train_partition", "UDqivjS-lpI", "UDqivjS-lp"),
        ("train_partition", "https://www.youtube.com/watch?v=0", "https://elsewhere.com/watch?v=0"),
    ],
)
def test_lists_that_are_not_as_they_should_be_are_an_error(root, name, old, new):
    path = root / f"lists/{name}.txt"
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=rf"{name}.txt: expected (487 lines|lines like|'boomerang' first)"):
        Sports1M(root)


def test_a_list_that_is_still_packed_is_explained(root):
    path = root / "lists/train_partition.txt"
    path.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(ValueError, match=r"train_partition.txt: expected a list .*, text in .*: unpack it"):
        Sports1M(root)


def test_missing_lists_name_the_script(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"labels.txt: expected a list of Sports-1M.*: see data_scripts/sports1m.py"
    ):
        Sports1M(tmp_path)


def test_another_part_is_an_error(root):
    with pytest.raises(ValueError, match='part must be "train" or "test"; got 2'):
        Sports1M(root, 2)


def test_a_survey_counts_names_what_is_missing_and_decodes_what_is_there(root, capsys):
    path = root / "videos/0000000000A.avi"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    (root / "videos/UDqivjS-lpI.avi").unlink()
    zoo.write_grey(root / "videos/nobody knows it.avi", 4)
    errors = survey(Sports1M, root)
    assert list(errors) == ["0000000000A.avi"]
    assert capsys.readouterr().out.splitlines() == [
        "train: 3 videos listed, 2 with several labels; 2 there",
        "test: 1 videos listed, 0 with several labels; 1 there",
        f"1 videos in {root / 'videos'} are in no list, such as nobody knows it.avi",
    ]
    assert (root / "missing_train.txt").read_text() == "UDqivjS-lpI\n"
    assert (root / "missing_test.txt").read_text() == ""
    path.write_bytes(whole)
    assert survey(Sports1M, root) == {}
    assert len((root / INDEX).read_text().splitlines()) == 4


def test_without_any_video_a_survey_still_reads_the_lists(root, capsys):
    shutil.rmtree(root / "videos")
    assert survey(Sports1M, root) == {}
    assert "train: 3 videos listed, 2 with several labels; 0 there" in capsys.readouterr().out
    assert (root / "missing_train.txt").read_text().split() == ["UDqivjS-lpI", "-_-aB3dE5g7", "0000000000A"]


def test_a_video_of_both_parts_is_told(root, capsys):
    write_partition(root / "lists/test_partition.txt", [*TEST, "UDqivjS-lpI 168"])
    assert survey(Sports1M, root) == {}
    assert "1 videos are in both parts" in capsys.readouterr().out
