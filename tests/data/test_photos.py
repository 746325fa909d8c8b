import io
import os
import pickle
import random
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import zoo
from PIL import Image

from labkit.data import Photo, PhotoError, PhotoFolder, read_photo
from labkit.data import photos as module
from labkit.data.photos import MAX_PIXELS, Photos, Query, complete, find_photos, photos_by_name
from labkit.world import Places

REAL = os.environ.get("LABKIT_REAL_DATA")
needs_real_data = pytest.mark.skipif(not REAL, reason="set LABKIT_REAL_DATA to a folder with retrieval/")

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def save(path, pixels, mode=None, **options):
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def photo_like(size=64, seed=0):
    """Smooth colours with some noise, so that a JPEG of it has enough bytes to damage."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    smooth = np.stack([3 * x, 3 * y, 255 - x - y], -1) % 256
    return np.clip(smooth + rng.integers(-20, 20, smooth.shape), 0, 255).astype(np.uint8)


def hwc(photo):
    assert photo.dtype == torch.uint8
    assert photo.is_contiguous()
    return photo.permute(1, 2, 0).numpy()  # (H, W, 3)


# What a file becomes.


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_colours_are_as_they_were_whatever_the_name(tmp_path, kind):
    assert (hwc(read_photo(str(save(tmp_path / "a.jpg", RGB, format=kind)))) == RGB).all()


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".avif"])
def test_lossy_kinds_come_close(tmp_path, suffix):
    pixels = cv2.GaussianBlur(photo_like(), (9, 9), 3)
    read = hwc(read_photo(save(tmp_path / f"a{suffix}", pixels, quality=95)))
    assert read.shape == pixels.shape
    assert np.abs(read.astype(int) - pixels).mean() < 3


def test_grey_is_the_same_three_times_and_one_bit_black_or_white(tmp_path):
    assert (hwc(read_photo(save(tmp_path / "a.png", RGB[..., 0]))) == RGB[..., :1]).all()
    bits = RGB[..., 0] > 127
    assert (hwc(read_photo(save(tmp_path / "a.png", bits))) == 255 * bits[..., None]).all()


def test_a_palette_gives_its_colours(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    assert hwc(read_photo(save(tmp_path / "a.png", image))).tolist() == [[[10, 20, 30], [200, 100, 50]]]
    save(tmp_path / "b.png", image, transparency=1)
    assert hwc(read_photo(tmp_path / "b.png")).tolist() == [[[10, 20, 30], [255, 255, 255]]]


@pytest.mark.parametrize(("mode", "colour"), [("RGBA", (200, 100, 0)), ("LA", (100,))])
def test_transparency_lies_over_white(tmp_path, mode, colour):
    image = Image.new(mode, (3, 1))
    for x, alpha in enumerate((255, 51, 0)):
        image.putpixel((x, 0), (*colour, alpha))
    read = hwc(read_photo(save(tmp_path / "a.png", image)))[0].astype(int)
    colour = np.array(colour) * np.ones(3)
    for pixel, share in zip(read, (1, 0.2, 0), strict=True):
        assert np.abs(pixel - (share * colour + (1 - share) * 255)).max() <= 1


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_of_sixteen_bits_the_upper_eight_count(tmp_path, suffix, channels):
    deep = np.random.default_rng(1).integers(0, 2**16, (4, 6, channels), dtype=np.uint16)
    cv2.imwrite(str(tmp_path / f"a{suffix}"), deep[..., ::-1])
    assert (hwc(read_photo(tmp_path / f"a{suffix}")) == deep // 256).all()


def test_sixteen_bits_in_the_other_byte_order(tmp_path):
    path = save(tmp_path / "a.tif", Image.frombytes("I;16B", (2, 1), struct.pack(">2H", 0x12FF, 0x8000)))
    with Image.open(path) as image:
        assert image.mode == "I;16B"
    assert hwc(read_photo(path))[0, :, 0].tolist() == [0x12, 0x80]


@pytest.mark.parametrize(("dtype", "mode"), [(np.float32, "F"), (np.int32, "I")])
def test_values_of_unknown_range_are_an_error(tmp_path, dtype, mode):
    save(tmp_path / "a.tif", np.ones((2, 2), dtype))
    with pytest.raises(PhotoError, match=rf"a.tif: expected .*; got ValueError\(.values without .* mode {mode}\)"):
        read_photo(tmp_path / "a.tif")


@pytest.mark.parametrize(("suffix", "tolerance"), [(".tif", 1), (".jpg", 3)])
def test_cmyk_is_converted_by_its_formula(tmp_path, suffix, tolerance):
    ink = (10, 120, 30, 40)
    read = hwc(read_photo(save(tmp_path / f"a{suffix}", Image.new("CMYK", (16, 16), ink))))
    expected = [(255 - colour) * (255 - ink[3]) / 255 for colour in ink[:3]]
    assert np.abs(read - expected).max() <= tolerance


def test_the_first_of_several_pictures_is_taken(tmp_path):
    first, second = Image.new("RGB", (4, 3), (255, 0, 0)), Image.new("RGB", (4, 3), (0, 0, 255))
    for suffix in (".gif", ".tif", ".webp"):
        first.save(tmp_path / f"a{suffix}", save_all=True, append_images=[second])
        assert hwc(read_photo(tmp_path / f"a{suffix}"))[1, 1].tolist() == pytest.approx([255, 0, 0], abs=2)


# EXIF 2.3, table 6: where the 0th row and the 0th column of what is stored are to be seen.
SIDES = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}


@pytest.mark.parametrize("orientation", SIDES)
def test_photos_are_turned_upright_unless_asked(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / "a.png", RGB, exif=exif)
    rows, columns = RGB.shape[:2]
    height, width = (rows, columns) if orientation < 5 else (columns, rows)
    place = {
        "top": lambda k: ("y", k),
        "bottom": lambda k: ("y", height - 1 - k),
        "left": lambda k: ("x", k),
        "right": lambda k: ("x", width - 1 - k),
    }
    seen = np.zeros((height, width, 3), np.uint8)
    for row in range(rows):
        for column in range(columns):
            at = dict(place[side](k) for side, k in zip(SIDES[orientation], (row, column), strict=True))
            seen[at["y"], at["x"]] = RGB[row, column]
    assert (hwc(read_photo(path)) == seen).all()
    assert (hwc(read_photo(path, upright=False)) == RGB).all()


# What is no photo, or a damaged one.


def encoded(kind):
    file = io.BytesIO()
    Image.fromarray(photo_like()).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF"])
def test_a_photo_cut_short_is_an_error_that_names_it(tmp_path, kind):
    data = encoded(kind)
    for fraction in (0.05, 0.5, 0.9):
        (tmp_path / "holiday.jpg").write_bytes(data[: int(fraction * len(data))])
        with pytest.raises(PhotoError, match=r"holiday.jpg: expected a photo that decodes; got .*: bring it again"):
            read_photo(tmp_path / "holiday.jpg")


def test_a_jpeg_whose_end_is_zeros_is_an_error(tmp_path):
    data = encoded("JPEG")
    for keep in (len(data) // 2, len(data) - 100):
        (tmp_path / "a.jpg").write_bytes(data[:keep] + bytes(len(data) - keep))
        with pytest.raises(PhotoError, match=r"a.jpg: expected a photo that decodes"):
            read_photo(tmp_path / "a.jpg")


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
def test_what_follows_the_end_of_a_jpeg_is_not_looked_at(tmp_path, options):
    file = io.BytesIO()
    thumbnail = encoded("JPEG")  # with an end of its own, inside
    Image.fromarray(photo_like()).save(file, "JPEG", exif=b"Exif\0\0" + thumbnail[:2000], comment=thumbnail, **options)
    for tail in (bytes(1000), b"\xff\xda\0\x0c" + bytes(1000), os.urandom(1000)):
        (tmp_path / "a.jpg").write_bytes(file.getvalue() + tail)
        whole = np.asarray(Image.open(io.BytesIO(file.getvalue())))
        assert (hwc(read_photo(tmp_path / "a.jpg", upright=False)) == whole).all()
    (tmp_path / "a.jpg").write_bytes(file.getvalue()[:-500] + bytes(500))
    with pytest.raises(PhotoError, match=r"a.jpg: expected a photo that decodes"):
        read_photo(tmp_path / "a.jpg", upright=False)


def test_a_flipped_bit_in_a_png_is_found(tmp_path):
    data = bytearray(encoded("PNG"))
    data[len(data) // 2] ^= 1
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(PhotoError, match=r"a.png: expected a photo that decodes"):
        read_photo(tmp_path / "a.png")


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"<!DOCTYPE html><title>302 Found</title>", b"%!PS-Adobe-3.0 EPSF-3.0"]
)
def test_what_is_no_photo_is_told_by_how_it_begins(tmp_path, data):
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(PhotoError) as caught:
        read_photo(tmp_path / "a.jpg")
    assert f"got no kind we know, in a file that begins with {data[:12]!r}" in str(caught.value)


def test_what_may_not_be_read_is_told(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    save(tmp_path / "a.png", photo_like(16))
    monkeypatch.setattr("io.open", refuse)
    with pytest.raises(PhotoError, match=r"a.png: expected a readable file; got Permission denied: check the path and"):
        read_photo(tmp_path / "a.png")


def test_what_is_not_there_is_told(tmp_path):
    with pytest.raises(PhotoError, match=r"a.jpg: expected a photo; got no such file"):
        read_photo(tmp_path / "a.jpg")
    with pytest.raises(PhotoError, match="expected a photo; got a folder"):
        read_photo(tmp_path)


def test_heic_is_told_how_to_be_converted(tmp_path):
    (tmp_path / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypmif1" + bytes(12) + b"mdat" + bytes(100))
    with pytest.raises(PhotoError, match=r"IMG_1.HEIC: expected JPEG.*; got HEIC, as telephones store it: convert it"):
        read_photo(tmp_path / "IMG_1.HEIC")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("width", [8193, 11_000, 100_000])
def test_a_bomb_is_an_error_before_it_takes_memory(tmp_path, width):
    (tmp_path / "a.png").write_bytes(zoo.png(width, 8192 if width < 100_000 else width, b""))
    with pytest.raises(PhotoError, match=rf"a.png: expected at most {MAX_PIXELS} pixels; got .*: shrink it first"):
        read_photo(tmp_path / "a.png")


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # of damaged TIFF and EXIF
def test_no_damage_raises_anything_else(tmp_path):
    rng, outcomes = random.Random(0), set()
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a description"
    for kind in ("JPEG", "PNG", "WEBP", "TIFF", "GIF"):
        file = io.BytesIO()
        Image.fromarray(photo_like(24)).save(file, kind, **({} if kind == "GIF" else {"exif": exif}))
        for _ in range(40):
            data = bytearray(file.getvalue())
            for _ in range(rng.randint(1, 6)):
                data[rng.randrange(min(len(data), 400))] = rng.randrange(256)
            (tmp_path / "a").write_bytes(data)
            try:
                outcomes.add(read_photo(tmp_path / "a").shape[0])
            except PhotoError as error:
                outcomes.add("a: expected" in str(error))
    assert outcomes == {3, True}


# Photos in folders.


def test_photos_are_found_in_folders_but_not_hidden_ones(tmp_path):
    for name in ("b/x.JPG", "b/.x.jpg", "a.png", ".hidden/y.jpg", "b/notes.txt", "c.heic", "elsewhere/z.tiff"):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).touch()
    (tmp_path / "set/elsewhere").rename(tmp_path / "elsewhere")
    (tmp_path / "set/linked").symlink_to(tmp_path / "elsewhere")
    assert find_photos(tmp_path / "set") == ["a.png", "b/x.JPG", "c.heic", "linked/z.tiff"]
    with pytest.raises(FileNotFoundError, match="expected a folder of photos; got no such folder"):
        find_photos(tmp_path / "nowhere")


def test_photos_by_name_have_names_of_their_own_and_of_the_scheme(tmp_path):
    for name in ("two/000002.jpg", "000001.JPG"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = photos_by_name(tmp_path, r"\d{6}", "000001.jpg", "fetch")
    assert list(found.items()) == [("000001", "000001.JPG"), ("000002", "two/000002.jpg")]
    (tmp_path / "two/000001.png").touch()
    with pytest.raises(
        ValueError, match=r"expected one photo 000001; got 000001.JPG and two/000001.png: move one away"
    ):
        photos_by_name(tmp_path, r"\d{6}", "000001.jpg", "fetch")
    (tmp_path / "two/000001.png").rename(tmp_path / "me.jpg")
    with pytest.raises(ValueError, match=r"expected photos named like 000001.jpg; got me.jpg: move it away"):
        photos_by_name(tmp_path, r"\d{6}", "000001.jpg", "fetch")
    with pytest.raises(FileNotFoundError, match="expected a folder of photos; got no such folder: run fetch"):
        photos_by_name(tmp_path / "nowhere", "", "", "fetch")


def test_a_photo_is_a_clip_of_one_frame(tmp_path):
    photo = Photo("a", 3, 4, save(tmp_path / "a.png", RGB))
    assert (photo.num_frames, photo.labels, photo.group) == (1, (3,), 4)
    assert photo.fps != photo.fps  # nan
    assert (photo.frames([0]) == torch.from_numpy(RGB).permute(2, 0, 1)).all()
    assert photo.frames([0, 0]).shape == (2, 3, 5, 7)
    assert photo.frames([]).shape == (0, 3, 5, 7)
    assert photo.flow([]).shape == (0, 2, 5, 7)
    with pytest.raises(IndexError, match="a photo has one frame"):
        photo.frames([1])
    for index in (0, 1):
        with pytest.raises(IndexError, match="a photo has no frame after it"):
            photo.flow([index])


# Sets.

NAMES = ("tower1", "tower2", "tower3", "gate1", "gate2", "tree")
PATHS = {name: f"{name}.png" for name in NAMES}
INSTANCES = {name: name[:-1] for name in NAMES if name != "tree"}
QUERIES = [
    Query("tower1", {"tower1", "tower2"}, {"tower3"}, {"tree"}, (0.6, 1.5, 3.4, 9.0)),
    Query("gate2", ["gate1"]),
]


@pytest.fixture
def folder(tmp_path):
    for seed, path in enumerate(PATHS.values()):
        save(tmp_path / path, photo_like(8, seed))
    return tmp_path


def test_a_set_says_what_there_is_to_find(folder):
    photos = Photos("some", folder, PATHS, QUERIES, INSTANCES)
    assert (len(photos), photos.names, photos.queries, photos.left_out) == (6, list(NAMES), [0, 4], {})
    assert photos.positives(0) == ([1], [2])  # without itself
    assert photos.junk(0) == [5]
    assert (photos.positives(4), photos.junk(4)) == (([3], []), [])
    assert photos.classes == ("tower", "gate", "tree")
    assert photos.labels.tolist() == photos.groups.tolist() == [0, 0, 0, 1, 1, 2]
    assert [photo.label for photo in photos] == photos.labels.tolist()
    for index in (1, 5):
        with pytest.raises(ValueError, match=rf"a query must be one of queries; got {index}, {NAMES[index]}"):
            photos.positives(index)
    with pytest.raises(IndexError, match="index must lie within 0 to 5; got 6"):
        photos[6]


def test_boxes_are_whole_pixels_within_the_photo(folder):
    photos = Photos("some", folder, PATHS, QUERIES, INSTANCES)
    left, top, right, bottom = box = photos.box(0)
    assert box == (1, 2, 3, 8)
    picture = photos[0].frames([0])[0]
    with Image.open(folder / "tower1.png") as image:
        cropped = np.asarray(image.crop(QUERIES[0].box))[: 8 - 2]  # Pillow goes on in black
    assert (hwc(picture[:, top:bottom, left:right].contiguous()) == cropped).all()
    assert photos.box(1) == (0, 0, 8, 8)
    outside = Photos("some", folder, PATHS, [Query("gate1", ["gate2"], box=(8, 0, 12, 4))], INSTANCES)
    with pytest.raises(ValueError, match=r"gate1: expected a box within 8 x 8 pixels; got \(8, 0, 12, 4\)"):
        outside.box(3)


def test_missing_photos_are_counted_and_named(folder):
    paths = {name: path for name, path in PATHS.items() if name not in ("tower3", "gate1")}
    with pytest.raises(
        FileNotFoundError,
        match=r"some: expected 6 photos in .*; got 4, without gate1, tower3: run fetch, or pass missing=\"skip\" to",
    ):
        Photos("some", folder, paths, QUERIES, INSTANCES, counts=(6, 6), command="fetch")
    with pytest.warns(UserWarning, match=r"some: took 4 of 6 photos and 1 of 2 queries; left out gate1, tower3"):
        photos = Photos("some", folder, paths, QUERIES, INSTANCES, counts=(6, 6), missing="skip")
    assert photos.names == ["tower1", "tower2", "gate2", "tree"]
    assert (photos.queries, photos.positives(0)) == ([0], ([1], []))  # the gate has nothing to find
    assert photos.left_out == {"gate1": "not there", "tower3": "not there"}


def test_too_few_or_too_many_photos_are_an_error_though_no_list_names_them(folder):
    paths = {name: path for name, path in PATHS.items() if name != "tree"}
    queries = [QUERIES[1]]
    with pytest.raises(FileNotFoundError, match=r"expected 6 photos in .*; got 5: run fetch, or"):
        Photos("some", folder, paths, queries, INSTANCES, counts=(6, 6), command="fetch")
    with pytest.raises(ValueError, match=r"expected 5 photos in .*; got 6: move the others away"):
        Photos("some", folder, PATHS, queries, INSTANCES, counts=(5, 5))
    with pytest.raises(FileNotFoundError, match=r"expected 6 photos in .*; got 0: run fetch$"):
        Photos("some", folder, {}, queries, INSTANCES, counts=(6, 6), command="fetch", missing="skip")
    assert len(Photos("some", folder, paths, queries, INSTANCES, counts=(5, 6))) == 5


def test_a_damaged_photo_is_named_and_left_out_only_if_asked(folder):
    (folder / "tower2.png").write_bytes((folder / "tower2.png").read_bytes()[:100])
    photos = Photos("some", folder, PATHS, QUERIES, INSTANCES)
    with pytest.raises(PhotoError, match=r"tower2.png: expected a photo that decodes"):
        list(photos.map(lambda photo: photo.frames([0])))
    with pytest.warns(UserWarning, match=r"some: took 5 photos and 2 of 2 queries; left out tower2"):
        photos = Photos("some", folder, PATHS, QUERIES, INSTANCES, missing="skip")
    assert [photo.frames([0]).shape for photo in photos] == [(1, 3, 8, 8)] * 5
    assert photos.positives(0) == ([], [1])
    assert photos.left_out.keys() == {"tower2"}
    assert "tower2.png: expected a photo that decodes" in photos.left_out["tower2"]
    for path in PATHS.values():
        (folder / path).write_bytes(b"nothing")
    with pytest.raises(
        FileNotFoundError, match=r"expected photos that decode in .*; got tower1, .*\.\.\. \(6 in all\)"
    ):
        Photos("some", folder, PATHS, QUERIES, INSTANCES, missing="skip")


@pytest.mark.filterwarnings("error")
def test_where_nothing_is_missing_nothing_is_said(folder):
    assert len(Photos("some", folder, PATHS, QUERIES, INSTANCES, missing="skip", counts=(6, 6))) == 6


def test_an_index_saves_decoding_again(folder, monkeypatch, capsys):
    index = folder / "photos.jsonl"
    photos = Photos("some", folder, PATHS, QUERIES, INSTANCES, index=index)
    whole = (folder / "gate1.png").read_bytes()
    (folder / "gate1.png").write_bytes(whole[:50])
    errors = complete(photos)
    assert capsys.readouterr().out == "6 photos, 2 queries\n"
    assert list(errors) == ["gate1.png"]
    assert "PhotoError" in errors["gate1.png"]
    (folder / "gate1.png").write_bytes(whole)
    read = []
    monkeypatch.setattr(module, "read_photo", lambda path: read.append(path.name))
    Photos("some", folder, PATHS, QUERIES, INSTANCES, missing="skip", index=index)
    assert read == ["gate1.png"]  # the others are in the index
    save(folder / "tree.png", photo_like(16))
    Photos("some", folder, PATHS, QUERIES, INSTANCES, missing="skip", index=index)
    assert read[1:] == ["gate1.png", "tree.png"]  # it has another size


def test_wrong_arguments_are_explained(folder):
    with pytest.raises(ValueError, match='missing must be "error" or "skip"; got None'):
        Photos("some", folder, PATHS, QUERIES, INSTANCES, missing=None)
    with pytest.raises(ValueError, match="expected queries with photos of their own; got one that asks twice"):
        Photos("some", folder, PATHS, [*QUERIES, Query("gate2", ["tree"])], INSTANCES)


def test_sets_travel_to_other_processes(folder):
    photos = pickle.loads(pickle.dumps(Photos("some", folder, PATHS, QUERIES, INSTANCES)))
    assert photos.positives(0) == ([1], [2])
    assert photos.subset([3])[0].name == "gate1"


def found(places, rank):
    """What anyone does with a set, and whether query after query finds all of its positives before anything else."""
    for query in places.queries:
        good, ok = places.positives(query)
        skipped = {*places.junk(query), query}.difference(good, ok)
        ranking = [index for index in rank(places, query) if index not in skipped]
        left, top, right, bottom = places.box(query)
        assert places[query].frames([0])[0][:, top:bottom, left:right].numel() > 0
        yield set(ranking[: len(good) + len(ok)]) == {*good, *ok}


def test_real_photos_and_those_of_the_world_are_asked_alike(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_CACHE", "off")
    places = Places(seed=1000, size=32, instances=3, views=3, distractors=2)
    for index, (name, label) in enumerate(zip(places.names, places.labels.tolist(), strict=True)):
        pixels = places[index].frames([0])[0].permute(1, 2, 0).numpy()
        path = tmp_path / places.classes[label] / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path)
    photos = PhotoFolder(tmp_path)
    names = {Path(name).stem: index for index, name in enumerate(photos.names)}
    for name, clip in zip(places.names, places, strict=True):
        assert (photos[names[name]].frames([0]) == clip.frames([0])).all()
    for query in places.queries:
        mine = photos.positives(names[places.names[query]])[0]
        good, ok = places.positives(query)
        theirs = [*good, *ok, *places.junk(query)]  # a folder knows no junk
        assert sorted(mine) == sorted(names[places.names[index]] for index in theirs)
    for each in (places, photos):
        by_label = list(
            found(each, lambda some, query: (some.labels != some.labels[query]).int().argsort(stable=True).tolist())
        )
        assert all(by_label)
        assert not all(found(each, lambda some, query: range(len(some))))


# Real photos.


@needs_real_data
def test_real_photos_are_as_opencv_reads_them():
    paths = sorted(Path(REAL, "retrieval").rglob("*.jpg"))
    assert len(paths) == 25
    for path in paths[::4]:
        read, other = hwc(read_photo(path)), cv2.imread(str(path), cv2.IMREAD_COLOR)[..., ::-1]
        assert read.shape == other.shape
        assert np.abs(read.astype(int) - other).mean() < 1
