import pytest
import small_sets
from PIL import Image

from labkit.data import Oxford5k, Paris6k

PHOTOS = 11 * 8 + 4  # four of no landmark


def oxford_name(number):
    return f"oxford_{number:06}"


def paris_name(number):
    return f"paris_general_{number:06}"


@pytest.fixture
def oxford(tmp_path, monkeypatch):
    """A folder in the shape of Oxford 5k, of few empty photos, save the first: only their names are looked at."""
    assert Oxford5k.counts == (5062, 5063)
    monkeypatch.setattr(Oxford5k, "counts", (PHOTOS - 1, PHOTOS))
    small_sets.oxford_lists(tmp_path / "lab", oxford_name, "oxc1_")
    (tmp_path / "jpg").mkdir()
    for number in range(PHOTOS):
        (tmp_path / "jpg" / f"{oxford_name(number)}.jpg").touch()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (20, 6)).save(tmp_path / "jpg/oxford_000000.jpg", exif=exif)
    return tmp_path


@pytest.fixture
def paris(tmp_path, monkeypatch):
    """The same of Paris 6k, whose photos lie in folders, with the 20 that are no photos."""
    assert Paris6k.counts == (6392, 6392)
    monkeypatch.setattr(Paris6k, "counts", (PHOTOS, PHOTOS))
    small_sets.oxford_lists(tmp_path / "lab/sub", paris_name)
    with (tmp_path / "lab/sub/landmark_a_1_good.txt").open("a") as file:
        file.write("paris_louvre_000136\n")
    (tmp_path / "jpg/general").mkdir(parents=True)
    for number in range(PHOTOS):
        (tmp_path / "jpg/general" / f"{paris_name(number)}.jpg").touch()
    for name in Paris6k.damaged:
        (tmp_path / f"jpg/{name}.jpg").write_text("<title>302 Found</title>")
    return tmp_path


def test_lists_say_what_is_good_ok_and_junk(oxford):
    photos = Oxford5k(oxford)
    assert (len(photos), len(photos.queries)) == (PHOTOS, 55)
    assert photos.queries == [8 * number + k for number in range(11) for k in range(5)]
    for query in photos.queries:
        first = query // 8 * 8
        assert photos.positives(query) == ([first + k for k in range(5)], [first + 5])  # itself among them
        assert photos.junk(query) == [first + 6, first + 7]
    assert photos.finds_itself
    assert photos.labels[:9].tolist() == [0, 0, 0, 0, 0, 0, 1, 2, 3]  # junk is like no other
    assert photos.classes[:4] == ("landmark_a", "oxford_000006", "oxford_000007", "landmark_b")
    with pytest.raises(ValueError, match="a query must be one of queries; got 5, oxford_000005"):
        photos.positives(5)


def test_the_photo_is_full_and_the_box_beside_it_in_stored_pixels(oxford):
    photos = Oxford5k(oxford)
    assert photos[0].frames([0]).shape == (1, 3, 6, 20)  # not turned
    assert photos.box(0) == (2, 0, 6, 6)  # of 1.5 0.1 6.4 7, the photo ends at 6


def test_a_photo_of_two_landmarks_is_found_for_both(oxford):
    for k in range(1, 6):
        with (oxford / f"lab/landmark_b_{k}_ok.txt").open("a") as file:
            file.write("oxford_000005\n")
    photos = Oxford5k(oxford)
    assert photos.positives(0)[1] == [5]
    assert photos.positives(8)[1] == [5, 13]
    assert photos[5].label == 0


def test_the_makers_count_one_photo_less_and_others_are_too_few(oxford):
    (oxford / f"jpg/{oxford_name(PHOTOS - 1)}.jpg").unlink()
    assert len(Oxford5k(oxford)) == PHOTOS - 1
    (oxford / "jpg/oxford_000001.jpg").unlink()
    message = rf"Oxford 5k: expected {PHOTOS} photos in .*jpg; got {PHOTOS - 2}, without oxford_000001: run python"
    with pytest.raises(FileNotFoundError, match=message):
        Oxford5k(oxford)


def test_photos_of_the_other_town_are_an_error(oxford, paris):
    (oxford / "jpg/general/paris_general_000001.jpg").rename(oxford / "jpg/paris_general_000001.jpg")
    with pytest.raises(
        ValueError, match=r"expected photos named like all_souls_000013.jpg; got general/paris_general_"
    ):
        Oxford5k(oxford)


def test_the_damaged_photos_of_paris_are_left_out_of_photos_and_lists(paris):
    photos = Paris6k(paris)
    assert (len(photos), len(photos.queries), len(Paris6k.damaged)) == (PHOTOS, 55, 20)
    assert not {*photos.names} & Paris6k.damaged
    assert photos.positives(0) == ([0, 1, 2, 3, 4], [5])
    for name in Paris6k.damaged:
        (paris / f"jpg/{name}.jpg").unlink()
    assert len(Paris6k(paris)) == PHOTOS


@pytest.mark.parametrize(
    "line",
    ["", "oxc1_oxford_000000 1 2 3", "oxc1_oxford_000000 3 2 1 4", "a 1 2 nan 4", "a 1 2 x 4"],
)
def test_a_query_that_is_not_as_it_should_be_is_an_error(oxford, line):
    (oxford / "lab/landmark_a_1_query.txt").write_text(line)
    with pytest.raises(ValueError, match=rf"landmark_a_1_query.txt: expected a line like .*; got '{line}': fetch the"):
        Oxford5k(oxford)


def test_a_query_that_is_no_text_is_an_error(oxford):
    (oxford / "lab/landmark_a_1_query.txt").write_bytes(b"oxford_\xff 1 2 3 4")
    with pytest.raises(ValueError, match=r"landmark_a_1_query.txt: expected an official list, text in UTF-8; got"):
        Oxford5k(oxford)


def test_lists_that_are_not_there_are_an_error(oxford):
    (oxford / "lab/landmark_a_1_junk.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"landmark_a_1_junk.txt: expected an official list; got no such file"):
        Oxford5k(oxford)
    (oxford / "lab/landmark_b_1_query.txt").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"lab: expected 55 official lists named \*_query.txt; got 54: run python"
    ):
        Oxford5k(oxford)
    with pytest.raises(FileNotFoundError, match=r"expected 55 official lists named \*_query.txt; got 0: run python"):
        Oxford5k(oxford, lists="elsewhere")
