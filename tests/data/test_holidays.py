import re

import pytest
from PIL import Image

from labkit.data import Holidays

# As in the real set: 500 scenes, 1,491 photos; here the first nine scenes have two, the others three.
NAMES = [f"{1000 + scene}{k:02}" for scene in range(500) for k in range(2 if scene < 9 else 3)]


@pytest.fixture
def root(tmp_path):
    """A folder in the shape of Holidays, of empty files: only their names are looked at."""
    for part in ("jpg1", "jpg2"):
        (tmp_path / "jpg" / part).mkdir(parents=True)
    for name in NAMES:
        (tmp_path / "jpg" / ("jpg1" if name < "125000" else "jpg2") / f"{name}.jpg").touch()
    return tmp_path


def test_the_names_are_the_ground_truth(root):
    holidays = Holidays(root)
    assert (len(holidays), len(holidays.queries), len(holidays.classes)) == (1491, 500, 500)
    assert holidays.names == NAMES
    assert [holidays.names[query] for query in holidays.queries] == [f"{scene}00" for scene in range(1000, 1500)]
    found = 0
    for query in holidays.queries:
        good, ok = holidays.positives(query)
        assert {int(holidays.names[index]) // 100 for index in good} == {int(holidays.names[query]) // 100}
        assert query not in good
        assert (ok, holidays.junk(query)) == ([], [])
        found += len(good)
    assert found == 991  # as the page of the set says
    assert [holidays.names[index] for index in holidays.positives(holidays.queries[9])[0]] == ["100901", "100902"]
    assert holidays.labels.tolist() == [int(name) // 100 - 1000 for name in NAMES]
    assert not holidays.finds_itself


def test_photos_are_as_they_are_stored_unless_asked(root):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (20, 10)).save(root / "jpg/jpg1/100000.jpg", exif=exif)
    for upright, size in ((False, (10, 20)), (True, (20, 10))):
        holidays = Holidays(root, upright=upright)
        assert holidays[0].frames([0]).shape == (1, 3, *size)
        assert holidays.box(0) == (0, 0, size[1], size[0])


def test_missing_photos_are_an_error_that_has_the_command(root):
    for name in ("100001", "123400"):
        next(root.rglob(f"{name}.jpg")).unlink()
    with pytest.raises(
        FileNotFoundError,
        match=r"Holidays: expected 1491 photos in .*jpg; got 1489, without 123400: run python data_scripts/holidays.py "
        + re.escape(f"{root}, or pass missing"),
    ):
        Holidays(root)


def test_a_part_of_the_set_may_be_asked_for(tmp_path):
    for name in ("100000", "100001", "100002", "100101", "100102", "100200"):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{name}.jpg")
    (tmp_path / "100002.jpg").write_bytes(b"<html>")
    message = r"took 5 of 1491 photos and 1 of 3 queries; left out 100100, 100002"
    with pytest.warns(UserWarning, match=message) as warned:
        holidays = Holidays(tmp_path, photos=".", missing="skip")
    assert warned[0].filename == __file__
    assert holidays.names == ["100000", "100001", "100101", "100102", "100200"]
    assert holidays.queries == [0]  # 100100 is not there, 100200 has nothing to find
    assert holidays.positives(0) == ([1], [])
    assert holidays.left_out["100100"] == "not there"
    assert holidays.num_lacking == 1491 - 5


def test_other_names_are_an_error(root):
    (root / "jpg/IMG_1.jpg").touch()
    with pytest.raises(ValueError, match=r"expected photos named like 100301.jpg; got IMG_1.jpg: move it away"):
        Holidays(root)
