import os
from pathlib import Path

import pytest
from PIL import Image

from labkit.data import PhotoFolder

REAL = os.environ.get("LABKIT_REAL_DATA")
needs_real_data = pytest.mark.skipif(not REAL, reason="set LABKIT_REAL_DATA to a folder with retrieval/")


def make(folder, *names):
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 6), (number, 0, 0)).save(folder / name)
    return folder


def asked(photos):
    """Names of the photos to find, by the name of the query."""
    return {
        photos.names[query]: [photos.names[index] for index in photos.positives(query)[0]] for query in photos.queries
    }


def test_photos_of_a_sub_folder_show_one_thing(tmp_path):
    photos = PhotoFolder(
        make(tmp_path, "a/1.jpg", "a/2.png", "b/x/1.jpg", "b/x/2.jpg", "b/x/3.jpg", "c/1.jpg", "9.jpg")
    )
    assert asked(photos) == {
        "a/1.jpg": ["a/2.png"],
        "a/2.png": ["a/1.jpg"],
        "b/x/1.jpg": ["b/x/2.jpg", "b/x/3.jpg"],
        "b/x/2.jpg": ["b/x/1.jpg", "b/x/3.jpg"],
        "b/x/3.jpg": ["b/x/1.jpg", "b/x/2.jpg"],
    }
    assert photos.classes == ("9.jpg", "a", "b/x", "c")  # the first and the last are distractors
    assert len(photos) == 7
    assert all(photos.junk(query) == [] and photos.positives(query)[1] == [] for query in photos.queries)
    assert not photos.finds_itself


def test_without_sub_folders_names_tell_up_to_the_numbers_at_their_end(tmp_path):
    names = ("tower_1.jpg", "tower_2_123.jpg", "tower (3).png", "Gate-1.JPG", "Gate-2.jpg", "room5_b.jpg", "123.jpg")
    photos = PhotoFolder(make(tmp_path, *names))
    assert asked(photos) == {
        "Gate-1.JPG": ["Gate-2.jpg"],
        "Gate-2.jpg": ["Gate-1.JPG"],
        "tower (3).png": ["tower_1.jpg", "tower_2_123.jpg"],
        "tower_1.jpg": ["tower (3).png", "tower_2_123.jpg"],
        "tower_2_123.jpg": ["tower (3).png", "tower_1.jpg"],
    }
    assert photos.classes == ("123", "Gate", "room5_b", "tower")


def test_any_other_rule_may_be_given(tmp_path):
    photos = PhotoFolder(make(tmp_path, "a_x.jpg", "b_x.jpg", "a_y.jpg"), instance=lambda path: path[2])
    assert asked(photos) == {"a_x.jpg": ["b_x.jpg"], "b_x.jpg": ["a_x.jpg"]}


@pytest.mark.parametrize("names", [("IMG_1.jpg", "IMG_2.jpg"), ("a/1.jpg", "b/1.jpg")])
def test_a_folder_that_asks_nothing_is_an_error(tmp_path, names):
    with pytest.raises(
        ValueError, match=r"expected several things, and several photos of some; got 2 photos of [12]: put"
    ):
        PhotoFolder(make(tmp_path, *names))


def test_a_folder_without_photos_is_an_error(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(FileNotFoundError, match="expected photos; got none: check the path"):
        PhotoFolder(tmp_path)


def test_damaged_photos_are_left_out_if_asked(tmp_path):
    folder = make(tmp_path, "a/1.jpg", "a/2.jpg", "a/3.jpg", "b/1.jpg", "b/2.jpg")
    for name in ("a/2.jpg", "b/2.jpg"):
        (folder / name).write_bytes((folder / name).read_bytes()[:300])
    assert len(PhotoFolder(folder).queries) == 5
    with pytest.warns(UserWarning, match=r"took 3 photos and 2 of 5 queries; left out a/2.jpg, b/2.jpg"):
        photos = PhotoFolder(folder, missing="skip")
    assert asked(photos) == {"a/1.jpg": ["a/3.jpg"], "a/3.jpg": ["a/1.jpg"]}  # b/1.jpg has nothing to find


@needs_real_data
def test_real_landmarks_and_rooms_are_told_by_their_names():
    landmarks = PhotoFolder(Path(REAL, "retrieval/landmarks"))
    assert landmarks.classes == ("london_bridge", "piazza_san_marco", "st_pauls_cathedral")
    assert landmarks.labels.bincount().tolist() == [4, 5, 2]
    assert [len(landmarks.positives(query)[0]) for query in landmarks.queries] == [3] * 4 + [4] * 5 + [1] * 2
    rooms = PhotoFolder(Path(REAL, "retrieval/rooms"))
    assert rooms.labels.tolist() == [number for number in range(7) for _ in range(2)]
    assert [rooms.positives(query)[0] for query in rooms.queries] == [[query ^ 1] for query in range(14)]
    both = PhotoFolder(Path(REAL, "retrieval"))
    assert both.classes == ("landmarks", "rooms")  # the sub-folder is the thing
    assert rooms[3].frames([0]).shape == (1, 3, 968, 1296)
