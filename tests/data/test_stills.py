import pytest
import torch
from PIL import Image

from labkit.data import BU101, HII, TVHI, LabelledPhotos

FOLDERS = {"HandShake": 2, "high_five": 3, "HUG": 1, "deep/er/kiss": 2}


def photo(path, colour=(10, 20, 30)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (9, 7), colour).save(path)


@pytest.fixture
def root(tmp_path):
    for name, count in FOLDERS.items():
        for number in range(count):
            photo(tmp_path / f"photos/{name}/{number}.png", (number, 0, 0))
    photo(tmp_path / "photos/negative/0.png")
    return tmp_path


def test_folders_are_classes_however_they_are_spelt(root):
    photos = HII(root)
    assert photos.classes == tuple(TVHI.read_lists(root, "train")[0])
    assert photos.labels.tolist() == [0, 0, 1, 1, 1, 2, 3, 3]
    assert photos.groups.tolist() == list(range(8))
    assert [(clip.name, clip.label, clip.group, clip.num_frames) for clip in photos][3:6:2] == [
        ("high_five/1.png", 1, 3, 1),
        ("HUG/0.png", 2, 5, 1),
    ]
    assert torch.equal(photos[4].frames([0])[0, :, 0, 0], torch.tensor([2, 0, 0], dtype=torch.uint8))
    assert photos.queries == []
    assert photos.subset([7, 0]).labels.tolist() == [3, 0]


def test_the_classes_give_the_order(root):
    photos = LabelledPhotos(root, ["kiss", "hug"])
    assert (photos.classes, photos.labels.tolist()) == (("kiss", "hug"), [0, 0, 1])


def test_what_is_missing_or_ambiguous_is_told(root):
    with pytest.raises(FileNotFoundError, match=r"a folder of photos; got no such folder: run python data_scripts/hii"):
        HII(root, photos="filtered")
    photo(root / "photos/noisy/hug/0.png")
    with pytest.raises(ValueError, match=r"one folder for the class 'hug'; got two, HUG and noisy/hug: name the right"):
        HII(root)
    with pytest.raises(FileNotFoundError, match=r"one folder for the class 'handshake'; got none with photos: run"):
        HII(root, photos="photos/noisy")
    with pytest.raises(FileNotFoundError, match="class 'bow'; got none with photos: run whatever brings them"):
        LabelledPhotos(root, ["bow"])


def test_the_folder_with_fewer_photos_holds_the_filtered_ones(root):
    with pytest.raises(ValueError, match=r"expected two folders with a folder for each class.*; got none: leave two"):
        HII.kinds(root)  # kisses lie elsewhere
    for kind, count in (("a/clean", 1), ("b", 2)):
        for name in ("handShake", "high five", "Hug", "kiss"):
            for number in range(count):
                photo(root / f"photos/{kind}/{name}/{number}.png")
    assert HII.kinds(root) == {"filtered": "photos/a/clean", "noisy": "photos/b"}
    photo(root / "photos/c/kiss/0.png")  # not all classes: no kind
    assert HII.kinds(root)["noisy"] == "photos/b"
    for name in ("handshake", "highfive", "hug", "kiss"):
        photo(root / f"photos/c/{name}/0.png")
    with pytest.raises(ValueError, match=r"got .* with 4, .* with 4, b with 8: leave two"):
        HII.kinds(root)
    with pytest.raises(FileNotFoundError, match="a folder of photos; got no such folder: run python data_scripts/hii"):
        HII.kinds(root / "none")


def test_damaged_photos_may_be_left_out(root):
    (root / "photos/high_five/0.png").write_bytes(b"<html>")
    with pytest.warns(UserWarning, match="HII: took 7 photos and 0 of 0 queries; left out high_five/0.png"):
        photos = HII(root, missing="skip")
    assert photos.labels.tolist() == [0, 0, 1, 1, 2, 3, 3]
    assert photos.groups.tolist() == list(range(7))


def test_bu101_follows_the_order_it_is_given(tmp_path):
    names = [f"Class {number:03}" for number in range(101)]
    for name in names:
        photo(tmp_path / f"photos/{name}/a.png")
    assert BU101(tmp_path).classes == tuple(names)
    photos = BU101(tmp_path, [name.replace(" ", "") for name in reversed(names)])
    assert photos.labels.tolist() == list(range(101))
    assert photos[0].name == "Class 100/a.png"
    (tmp_path / "photos/Class 100/a.png").unlink()
    with pytest.raises(FileNotFoundError, match="class 'Class 100'; got none with photos"):
        BU101(tmp_path)
    (tmp_path / "photos/Class 100").rmdir()
    with pytest.raises(ValueError, match="expected a folder for each of 101 classes; got 100"):
        BU101(tmp_path)
    with pytest.raises(FileNotFoundError, match="expected a folder of photos; got no such folder"):
        BU101(tmp_path, photos="elsewhere")
