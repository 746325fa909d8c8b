import functools
import http.server
import importlib
import os
import re
import shutil
import sys
import tarfile
import threading
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest
import small_sets
import torch
import torchvision
import zoo
from PIL import Image

from labkit.backbones.codes import FrameCoder, load_codes
from labkit.data import (
    ACT,
    FCVID,
    HII,
    HMDB51,
    UCF101,
    Holidays,
    Oxford5k,
    Paris6k,
    VideoError,
    read_video,
    write_video,
)
from labkit.data.jobs import read_manifest
from labkit.flow import dis, load_flow, stored_flow_shape, tvl1

SCRIPTS = Path(__file__).resolve().parents[1] / "data_scripts"


def script(name):
    """``script("ucf101")``: the ``main`` of a script, in this process."""
    return importlib.import_module(name).main


def make_video(path, length=6, seed=0, height=64, width=64):
    """Smooth noise that drifts, so that there is flow to find."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(1, 3, height // 8, width // 8 + length, generator=generator)
    wide = torch.nn.functional.interpolate(noise, scale_factor=8, mode="bicubic").clamp(0, 1)[0]
    frames = torch.stack([wide[..., 2 * t : 2 * t + width] for t in range(length)])  # (T, 3, H, W)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, frames.mul(255).to(torch.uint8), fps=25)


def damage(path):
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return whole


# Fetching UCF101 and HMDB51.


@pytest.fixture
def site(tmp_path):
    """A server of the files in ``tmp_path / "site"``; ``site.asked`` counts what it was asked for."""
    folder = tmp_path / "site"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            server.asked.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder)) as server:
        server.asked, server.folder, server.url = [], folder, f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def zip_folder(folder, path):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder.parent))


@pytest.fixture
def ucf101(site, tmp_path):
    """Arguments for ``ucf101.py`` with a set of five videos on the site."""
    make = small_sets.ucf101(tmp_path / "make")
    zip_folder(make / "ucfTrainTestlist", site.folder / "lists.zip")
    zip_folder(make / "UCF-101", site.folder / "videos.zip")
    return [str(tmp_path / "ucf101"), "--url", f"{site.url}/videos.zip", "--lists-url", f"{site.url}/lists.zip"]


def test_ucf101_is_fetched_unpacked_checked_and_indexed_once(site, ucf101, tmp_path, capsys):
    assert script("ucf101")(ucf101) == 0
    root = tmp_path / "ucf101"
    assert re.findall(r"split \d: (.*)", capsys.readouterr().out) == [
        "3 videos to train, 2 to test",
        *["2 videos to train, 3 to test"] * 2,
    ]
    left = sorted(path.name for path in root.iterdir())
    assert left == ["UCF-101", "archives", "ucfTrainTestlist", "videos.jsonl"]
    for name in ("lists.zip", "videos.zip"):
        hashed = sha256((site.folder / name).read_bytes()).hexdigest()
        assert (root / f"archives/{name}.sha256").read_text() == f"{hashed}  {name}\n"
    assert [clip.num_frames for clip in UCF101(root)] == [6, 7, 8]
    assert site.asked == ["/lists.zip", "/videos.zip"]
    before = (root / "videos.jsonl").read_bytes()
    assert script("ucf101")(ucf101) == 0
    assert (root / "videos.jsonl").read_bytes() == before
    assert len(site.asked) == 2


def test_missing_and_damaged_videos_are_told(site, ucf101, tmp_path, capsys):
    videos = tmp_path / "make/UCF-101"
    (videos / "Hammering/v_Hammering_g07_c03.avi").rename(tmp_path / "kept.avi")
    zip_folder(videos, site.folder / "videos.zip")
    assert script("ucf101")(ucf101) == 1
    assert "✗ UCF101, split 1, test: expected 2 videos in" in capsys.readouterr().err
    home = tmp_path / "ucf101/UCF-101"
    (tmp_path / "kept.avi").rename(home / "Hammering/v_Hammering_g07_c03.avi")
    damage(home / "Class000/v_Class000_g08_c01.avi")
    assert script("ucf101")(ucf101) == 1
    told = capsys.readouterr().err
    assert re.search(r"✗ Class000/v_Class000_g08_c01.avi: VideoError: .*\n1 failed; run the same command again", told)
    assert len(read_manifest(tmp_path / "ucf101/videos.jsonl")) == 4


def test_the_lists_of_ucf101_have_a_known_hash_at_the_official_address_only(site, ucf101, monkeypatch, capsys):
    module = sys.modules[script("ucf101").__module__]
    monkeypatch.setattr(module, "LISTS_URL", f"{site.url}/lists.zip")
    assert module.main(ucf101[:3]) == 1
    assert f"expected SHA-256 {module.LISTS_SHA256}; got" in capsys.readouterr().err


def test_hmdb51_unpacks_archives_in_an_archive(site, tmp_path, capsys):
    make = small_sets.hmdb51(tmp_path / "make")
    (make / "rars").mkdir()
    for folder in (make / "hmdb51_org").iterdir():
        zip_folder(folder, make / f"rars/{folder.name}.rar")  # what is in a file decides, not its name
    zip_folder(make / "rars", site.folder / "videos.rar")
    zip_folder(make / "testTrainMulti_7030_splits", site.folder / "lists.rar")
    root = tmp_path / "hmdb51"
    arguments = [str(root), "--url", f"{site.url}/videos.rar", "--lists-url", f"{site.url}/lists.rar"]
    for _ in range(2):
        assert script("hmdb51")(arguments) == 0
    assert "split 1: 3 videos to train, 2 to test" in capsys.readouterr().out
    assert site.asked == ["/lists.rar", "/videos.rar"]
    assert sorted(path.name for path in (root / "hmdb51_org").iterdir()) == ["climb", "climb_stairs", "wave"]
    assert [clip.num_frames for clip in HMDB51(root, part="test")] == [3, 3]


# Fetching FlyingChairs and Sintel: sets of a few small pairs, counted as if that were all.


def test_flying_chairs_are_fetched_with_their_list_and_checked(site, tmp_path, monkeypatch, capsys):
    make = small_sets.chairs(tmp_path / "make", monkeypatch)
    (make / "FlyingChairs_release/README.txt").write_text("chairs")
    zip_folder(make / "FlyingChairs_release", site.folder / "pairs.zip")
    (make / "FlyingChairs_train_val.txt").rename(site.folder / "list.txt")
    root = tmp_path / "chairs"
    arguments = [str(root), "--url", f"{site.url}/pairs.zip", "--list-url", f"{site.url}/list.txt"]
    for _ in range(2):
        assert script("flying_chairs")(arguments) == 0
        assert "FlyingChairs, all: 4 pairs\n" in capsys.readouterr().out
    assert site.asked == ["/list.txt", "/pairs.zip"]
    assert len(read_manifest(root / "pairs.jsonl")) == 12
    home = root / "FlyingChairs_release/data"
    whole = damage(home / "00002_flow.flo")
    small_sets.write_ppm(home / "00003_img2.ppm", small_sets.picture(0, 6, 10))
    assert script("flying_chairs")(arguments) == 1
    told = capsys.readouterr().err
    assert re.search(r"✗ 00002_flow.flo: FlowFileError: .*expected 444 bytes for its 9 x 6 pixels; got 222", told)
    assert re.search(r"✗ 00003: expected files of one size; got .*'00003_img2.ppm': \(6, 10\)", told)
    (home / "00002_flow.flo").write_bytes(whole)
    (home / "00003_img2.ppm").unlink()
    assert script("flying_chairs")(arguments) == 1
    assert "✗ FlyingChairs, all: expected 4 pairs in" in capsys.readouterr().err


def test_sintel_is_fetched_and_checked_in_both_passes(site, tmp_path, monkeypatch, capsys):
    make = small_sets.sintel(tmp_path / "make", monkeypatch)
    zip_folder(make / "MPI-Sintel-complete", site.folder / "sintel.zip")
    root = tmp_path / "sintel"
    arguments = [str(root), "--url", f"{site.url}/sintel.zip"]
    assert script("sintel")(arguments) == 0
    assert re.findall("Sintel, .*", capsys.readouterr().out) == [
        "Sintel, train, clean pass: 5 pairs",
        "Sintel, train, final pass: 5 pairs",
        "Sintel, test, clean pass: 2 pairs",
        "Sintel, test, final pass: 2 pairs",
    ]
    assert site.asked == ["/sintel.zip"]


# Sports-1M: the lists are fetched, the videos are brought.


def test_sports1m_fetches_its_lists_and_counts_the_videos(site, tmp_path, capsys):
    (site.folder / "original").mkdir()
    names = ["boomerang", *(f"sport {number}" for number in range(485)), "model aircraft"]
    (site.folder / "labels.txt").write_text("".join(f"{name}\n" for name in names))
    for part, ids in (("train", "AB"), ("test", "C")):
        rows = [f"https://www.youtube.com/watch?v=000000000-{letter} 3,486\n" for letter in ids]
        (site.folder / f"original/{part}_partition.txt").write_text("".join(rows))
    root = tmp_path / "sports1m"
    arguments = [str(root), "--url", site.url]
    assert script("sports1m")(arguments) == 0
    told = capsys.readouterr().out
    hashed = sha256((site.folder / "original/test_partition.txt").read_bytes()).hexdigest()
    assert f"{root / 'lists/test_partition.txt'}: SHA-256 {hashed}\n" in told
    assert "train: 2 videos listed, 2 with several labels; 0 there\n" in told
    zoo.write_grey(root / "videos/000000000-B.mp4")
    assert script("sports1m")(arguments) == 0
    assert "train: 2 videos listed, 2 with several labels; 1 there\n" in capsys.readouterr().out
    assert len(site.asked) == 3
    assert (root / "missing_train.txt").read_text() == "000000000-A\n"
    assert script("sports1m")([str(tmp_path / "new"), "--url", site.url, "--sha256", "0" * 64, *["1" * 64] * 2]) == 1
    assert "labels.txt: expected SHA-256 0000" in capsys.readouterr().err


# ACT and FCVID: all of it is brought.


def test_act_says_what_is_missing_and_what_is_not_official(tmp_path, capsys, monkeypatch):
    root = tmp_path / "act"
    assert script("act")([str(root)]) == 1
    assert "classes.txt: expected a list of ACT; got no such file: see data_scripts/act.py" in (capsys.readouterr().err)
    (root / "lists").mkdir(parents=True)
    (root / "lists/classes.txt").write_text("".join(f"action {number}\n" for number in range(43)))
    (root / "lists/train.txt").write_text("a/one.avi 0\nb/two.avi 42\n")
    (root / "lists/test.txt").write_text("b/three.avi 42\n")
    zoo.write_grey(root / "clips/one.avi")
    arguments = [str(root), "--videos", "clips", "--processes", "2"]
    assert script("act")(arguments) == 1  # not a list of ACT
    told = capsys.readouterr()
    assert "train: 2 videos listed, 0 with several labels; 1 there\n" in told.out
    assert "✗ the list of train: expected the 7260 videos of the official one; got 2\n" in told.err
    assert "✗ the list of test: expected the 3974 videos of the official one; got 1\n" in told.err
    assert (root / "missing_train.txt").read_text() == "two\n"
    monkeypatch.setattr(ACT, "counts", {"train": 2, "test": 1})
    assert script("act")(arguments) == 0
    damage(root / "clips/one.avi")
    assert script("act")(arguments) == 1
    assert "✗ one.avi: VideoError: " in capsys.readouterr().err


def test_fcvid_counts_both_halves_together(tmp_path, capsys, monkeypatch):
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "classes.txt").write_text("".join(f"event {number}\n" for number in range(239)))
    (lists / "FCVID_VideoName_TrainTestSplit.txt").write_text("one.mp4\ttrain\ntwo.mp4\ttest\n")
    (lists / "FCVID_Label.txt").write_text("\t".join(["1"] * 2 + ["0"] * 237) + "\n" + "\t".join("1" * 239) + "\n")
    assert script("fcvid")([str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert "train: 1 videos listed, 1 with several labels; 0 there\n" in told.out
    assert "✗ the list of both parts: expected the 91223 videos of the official one; got 2\n" in told.err
    monkeypatch.setattr(FCVID, "counts", {"both parts": 2})
    zoo.write_grey(tmp_path / "videos/one.avi")
    assert script("fcvid")([str(tmp_path), "--frames"]) == 0
    assert [clip.frames([0]).shape for clip in FCVID.stored(tmp_path)] == [(1, 3, 256, 256)]


def test_tvhi_knows_its_split(tmp_path, capsys):
    assert script("tvhi")([str(tmp_path)]) == 0
    assert "train: 100 videos listed, 0 with several labels; 0 there\n" in capsys.readouterr().out


# Fetching Holidays, Oxford 5k and Paris 6k: sets of a few photos, counted as if that were all.


def tar_photos(path, names):
    """A tar archive of small photos."""
    with tarfile.open(path, "w:gz") as archive:
        for number, name in enumerate(names):
            photo = path.parent / "photo.png"
            Image.new("RGB", (16, 12), (number, 100, 50)).save(photo)
            archive.add(photo, name)
            photo.unlink()


def tar_lists(path, name, prefix=""):
    """A tar archive of the lists of 55 queries."""
    folder = path.with_suffix("")
    small_sets.oxford_lists(folder, name, prefix)
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, "lists")
    shutil.rmtree(folder)


@pytest.fixture
def holidays(site, tmp_path, monkeypatch):
    """Arguments for ``holidays.py`` with five photos on the site."""
    monkeypatch.setattr("labkit.data.holidays.PHOTOS", 5)
    tar_photos(site.folder / "jpg1.tar.gz", [f"jpg/{name}.jpg" for name in (100000, 100001, 100002)])
    tar_photos(site.folder / "jpg2.tar.gz", ["jpg/100100.jpg", "jpg/100101.jpg"])
    return [str(tmp_path / "holidays"), "--urls", f"{site.url}/jpg1.tar.gz", f"{site.url}/jpg2.tar.gz"]


def test_holidays_is_fetched_unpacked_and_checked_once(site, holidays, tmp_path, capsys):
    assert script("holidays")(holidays) == 0
    assert "5 photos, 2 queries\n" in capsys.readouterr().out
    root = tmp_path / "holidays"
    assert sorted(path.name for path in root.iterdir()) == ["archives", "jpg", "photos.jsonl"]
    assert sorted(path.name for path in root.glob("jpg/*")) == ["jpg1", "jpg2"]
    photos = Holidays(root)
    assert [photos.positives(query)[0] for query in photos.queries] == [[1, 2], [4]]
    rows = read_manifest(root / "photos.jsonl")
    assert [row["height"] for row in rows.values()] == [12] * 5
    assert list(rows) == photos.paths
    assert script("holidays")(holidays) == 0
    assert site.asked == ["/jpg1.tar.gz", "/jpg2.tar.gz"]


def test_an_interrupted_fetch_goes_on_with_what_lacks(site, holidays, tmp_path, capsys):
    (site.folder / "jpg2.tar.gz").rename(site.folder / "later.tar.gz")
    assert script("holidays")(holidays) == 1
    assert "got HTTP 404 File not found: try again, name another source" in capsys.readouterr().err
    assert sorted(path.name for path in (tmp_path / "holidays/jpg").glob("[!.]*")) == ["jpg1"]
    (site.folder / "later.tar.gz").rename(site.folder / "jpg2.tar.gz")
    assert script("holidays")(holidays) == 0
    assert site.asked.count("/jpg1.tar.gz") == 1


def test_a_wrong_hash_of_either_archive_ends_before_unpacking(site, holidays, tmp_path, capsys):
    right = sha256((site.folder / "jpg1.tar.gz").read_bytes()).hexdigest()
    assert script("holidays")([*holidays, "--sha256", right, "0" * 64]) == 1
    assert re.search(r"✗ http.*/jpg2.tar.gz: expected SHA-256 0+; got [0-9a-f]{64}: ", capsys.readouterr().err)
    assert not (tmp_path / "holidays/jpg/jpg2").exists()


def test_damaged_photos_are_told(holidays, tmp_path, capsys):
    assert script("holidays")(holidays) == 0
    photo = tmp_path / "holidays/jpg/jpg2/100101.jpg"
    whole = damage(photo)
    assert script("holidays")(holidays) == 1
    told = capsys.readouterr().err
    assert re.search(r"✗ jpg2/100101.jpg: PhotoError: .*expected a photo that decodes.*\n1 failed; run the same", told)
    photo.write_bytes(whole)
    assert script("holidays")(holidays) == 0


def test_oxford5k_is_fetched_with_its_lists(site, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Oxford5k, "counts", (88, 88))
    names = [f"oxford_{number:06}" for number in range(88)]
    tar_photos(site.folder / "photos.tgz", [f"{name}.jpg" for name in names])
    tar_lists(site.folder / "lists.tgz", lambda number: names[number], prefix="oxc1_")
    root = tmp_path / "oxford"
    arguments = [str(root), "--url", f"{site.url}/photos.tgz", "--lists-url", f"{site.url}/lists.tgz"]
    for _ in range(2):
        assert script("oxford5k")(arguments) == 0
        assert "88 photos, 55 queries\n" in capsys.readouterr().out
    photos = Oxford5k(root)
    assert (photos.positives(9), photos.junk(9)) == (([8, 9, 10, 11, 12], [13]), [14, 15])
    assert site.asked == ["/lists.tgz", "/photos.tgz"]


def test_paris6k_is_fetched_from_two_archives_and_its_lists(site, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Paris6k, "counts", (88, 88))
    names = [f"paris_general_{number:06}" for number in range(88)]
    bad = sorted(Paris6k.damaged)[0]
    tar_photos(site.folder / "one.tgz", [f"paris/general/{name}.jpg" for name in names[:30]])
    tar_photos(site.folder / "two.tgz", [f"paris/general/{name}.jpg" for name in names[30:]])
    tar_lists(site.folder / "lists.tgz", lambda number: names[number])
    urls = [f"{site.url}/{name}.tgz" for name in ("one", "two", "lists")]
    root = tmp_path / "paris"
    arguments = [str(root), "--urls", *urls[:2], "--lists-url", urls[2]]
    assert script("paris6k")(arguments) == 0
    assert "88 photos, 55 queries\n" in capsys.readouterr().out
    (root / f"jpg/paris_2/{bad}.jpg").write_text("<title>302 Found</title>")
    assert script("paris6k")(arguments) == 0  # known, and not looked at
    photos = Paris6k(root)
    assert (photos.positives(9), photos.junk(9)) == (([8, 9, 10, 11, 12], [13]), [14, 15])
    assert site.asked == ["/lists.tgz", "/one.tgz", "/two.tgz"]


def test_hii_is_fetched_with_archives_in_an_archive(site, tmp_path, capsys):
    for subset, count in (("filtered", 1), ("noisy", 2)):
        names = [f"{name}/{n}.png" for name in ("handshake", "highfive", "hug", "kiss") for n in range(count)]
        tar_photos(tmp_path / f"{subset}.tar.gz", names)
    with zipfile.ZipFile(site.folder / "all.zip", "w") as archive:
        for subset in ("filtered", "noisy"):
            archive.write(tmp_path / f"{subset}.tar.gz", f"{subset}.tar.gz")
    arguments = [str(tmp_path / "hii"), "--url", f"{site.url}/all.zip"]
    assert script("hii")(arguments) == 0
    for kind, photos in HII.kinds(tmp_path / "hii").items():
        assert len(HII(tmp_path / "hii", photos=photos)) == {"filtered": 4, "noisy": 8}[kind]
        assert (tmp_path / "hii" / f"{photos.replace('/', '-')}.jsonl").is_file()
    assert script("hii")([*arguments, "--photos", "photos"]) == 1
    assert "got two, filtered/handshake and noisy/handshake: name the right one" in capsys.readouterr().err
    assert site.asked == ["/all.zip"]


def test_bu101_counts_photos_by_class(tmp_path, capsys, monkeypatch):
    for number in range(101):
        (tmp_path / f"photos/Class{number:03}").mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / f"photos/Class{number:03}/a.png")
    assert script("bu101")([str(tmp_path)]) == 1
    assert "✗ class Class100: expected 100 photos at least; got 1\n" in capsys.readouterr().err
    monkeypatch.setattr("bu101.LEAST", 1)
    assert script("bu101")([str(tmp_path)]) == 0
    damage(tmp_path / "photos/Class007/a.png")
    assert script("bu101")([str(tmp_path)]) == 1
    assert "✗ Class007/a.png: PhotoError" in capsys.readouterr().err


FETCHING = {path.stem for path in SCRIPTS.glob("*.py")} - {"train_flow", "train_source"}


@pytest.mark.parametrize("name", sorted(FETCHING))
def test_scripts_explain_themselves(name, capsys):
    with pytest.raises(SystemExit, match="0"):
        script(name)(["--help"])
    assert f"python data_scripts/{name}.py /data/" in capsys.readouterr().out


# Flow.


@pytest.fixture(scope="module")
def made_videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    for seed, name in enumerate(("one/a.avi", "one/b.mp4", "two/a.avi")):
        make_video(folder / name, length=4 + seed, seed=seed)
    return folder


@pytest.fixture
def videos(made_videos, tmp_path):
    """A folder of three videos in two folders."""
    return shutil.copytree(made_videos, tmp_path / "set")


@pytest.mark.parametrize(("estimator", "batch"), [(dis, 2), (tvl1, 3)])
def test_flow_is_what_the_estimator_says_of_each_pair(videos, estimator, batch):
    arguments = [str(videos), "--estimator", estimator.__name__, "--batch", str(batch)]
    assert script("extract_flow")([*arguments, "--processes", "2"]) == 0
    assert script("extract_flow")([*arguments, "--backward"]) == 0
    for name in ("one/a.avi", "one/b.mp4", "two/a.avi"):
        frames = read_video(videos / name).frames
        for ending, flow in (
            (".flow", estimator(frames[:-1], frames[1:])),
            (".backward.flow", estimator(frames[1:], frames[:-1])),
        ):
            stored = load_flow(videos / f"flow/{name}{ending}")
            level = (flow.amax(dim=(-2, -1), keepdim=True) - flow.amin(dim=(-2, -1), keepdim=True)) / 255
            assert stored.shape == flow.shape
            assert ((stored - flow).abs() <= 16 * level + 1e-6).all()  # what the store promises
    assert abs(load_flow(videos / "flow/one/a.avi.flow")[:, 0].median() + 2) < 0.3  # it drifts left by two pixels
    manifest = read_manifest(videos / "flow/forward.jsonl")
    assert {name: row["frames"] for name, row in manifest.items()} == {"one/a.avi": 4, "one/b.mp4": 5, "two/a.avi": 6}
    for direction in ("forward", "backward"):
        for row in read_manifest(videos / f"flow/{direction}.jsonl").values():
            for file, noted in row["files"].items():
                data = (videos / "flow" / file).read_bytes()
                assert noted == {"bytes": len(data), "sha256": sha256(data).hexdigest()}


def test_one_bad_video_stops_nothing_and_is_never_swallowed(videos, capsys):
    whole = damage(videos / "one/b.mp4")
    make_video(videos / "three/short.avi", length=1)
    assert script("extract_flow")([str(videos), "--estimator", "dis"]) == 1
    told = capsys.readouterr().err
    assert re.search(r"✗ one/b.mp4: VideoError: ", told)
    assert re.search(r"✗ three/short.avi: VideoError: .*expected two frames or more; got one", told)
    assert "2 failed; run the same command again to retry them" in told
    assert sorted(read_manifest(videos / "flow/forward.jsonl")) == ["one/a.avi", "two/a.avi"]
    (videos / "one/b.mp4").write_bytes(whole)
    (videos / "three/short.avi").unlink()
    times = {path: path.stat().st_mtime_ns for path in videos.rglob("*.flow")}
    assert script("extract_flow")([str(videos), "--estimator", "dis"]) == 0
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert stored_flow_shape(videos / "flow/one/b.mp4.flow") == (4, 2, 64, 64)


def test_flow_that_nothing_computed_is_never_stored(videos, capsys):
    main = script("extract_flow")
    assert main([str(videos), "--estimator", "dis", "--batch", "0"]) == 1
    assert "✗ batch must be 1 or more; got 0" in capsys.readouterr().err
    with pytest.raises(VideoError, match=r"a.avi: expected flow of 3 frames; got that of 0: run again"):
        sys.modules[main.__module__].extract(videos / "one/a.avi", videos / "flow/a.avi", dis, False, 0, "cpu")
    assert not (videos / "flow").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux only")
def test_a_video_whose_name_is_not_utf_8_gets_its_flow_and_its_codes(videos, squeezenet):
    name = os.fsdecode(b"caf\xe9.avi")
    (videos / "one/a.avi").rename(videos / name)
    for _ in range(2):
        assert script("extract_flow")([str(videos), "--estimator", "dis"]) == 0
    assert stored_flow_shape(videos / f"flow/{name}.flow") == (3, 2, 64, 64)
    assert script("extract_features")([str(videos), *squeezenet[1], "--frames", "3", "--seconds", "0.16"]) == 0
    assert name in load_codes(videos / "codes_features.5/videos.safetensors").names


def test_a_folder_without_videos_is_an_error(tmp_path, capsys):
    assert script("extract_flow")([str(tmp_path)]) == 1
    assert f"✗ {tmp_path}: expected videos; got none: check the path" in capsys.readouterr().err


# Features.


@pytest.fixture(scope="module")
def squeezenet(tmp_path_factory):
    """A small network with weights in a file, and the arguments that name it and a layer."""
    torch.manual_seed(0)
    net = torchvision.models.squeezenet1_1()
    path = tmp_path_factory.mktemp("net") / "weights.pth"
    torch.save(net.state_dict(), path)
    return net, ["--net", "squeezenet1_1", "--layer", "features.5", "--weights", str(path)]


def test_codes_of_a_folder_are_those_of_the_network(videos, squeezenet, capsys):
    net, arguments = squeezenet
    arguments = [str(videos), *arguments, "--frames", "3", "--seconds", "0.16"]
    assert script("extract_features")([*arguments, "--processes", "2"]) == 0
    assert "codes (3, 3, 93312) of 3 videos" in capsys.readouterr().out  # 128 x 27 x 27
    codes = load_codes(videos / "codes_features.5/videos.safetensors", FrameCoder(net, "features.5").source())
    assert (codes.names, codes.classes) == (("one/a.avi", "one/b.mp4", "two/a.avi"), ("one", "two"))
    assert (codes.labels.tolist(), codes.groups.tolist()) == ([0, 0, 1], [0, 1, 2])
    assert codes.indices.tolist() == [[0, 1, 2]] * 3  # 4 frames of 25 a second are 0.16 seconds
    frames = read_video(videos / "two/a.avi", torch.tensor([0, 1, 2])).frames
    torch.testing.assert_close(codes.codes[2], FrameCoder(net, "features.5")(frames), rtol=1e-4, atol=1e-4)
    times = {path: path.stat().st_mtime_ns for path in videos.rglob("*.avi.safetensors")}
    assert script("extract_features")(arguments) == 0
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert torch.equal(load_codes(videos / "codes_features.5/videos.safetensors").codes, codes.codes)


def test_videos_without_codes_are_told_and_left_out(videos, squeezenet, capsys):
    damage(videos / "one/b.mp4")
    arguments = [str(videos), *squeezenet[1], "--frames", "3", "--seconds", "0.16"]
    assert script("extract_features")(arguments) == 1
    told = capsys.readouterr()
    assert re.search(r"✗ one/b.mp4: VideoError: .*\n1 failed; run the same", told.err)
    assert "codes (2, 3, 93312) of 3 videos" in told.out
    assert load_codes(videos / "codes_features.5/videos.safetensors").names == ("one/a.avi", "two/a.avi")
    for name in ("one/a.avi", "two/a.avi"):
        damage(videos / name)
    assert script("extract_features")(arguments) == 1
    assert "not written, all of its 3 videos failed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--layer", "fc9"], "✗ layers must be submodules of SqueezeNet; got 'fc9'"),
        (["--weights", "nowhere.pth"], "✗ weights must be a file; got nowhere.pth"),
        (["--net", "resnet18"], "✗ .*weights.pth must fit ResNet exactly"),
        (["--net", "no_such_net"], "✗ Unknown model no_such_net"),
    ],
)
def test_a_wrong_network_is_told_before_a_video_is_read(tmp_path, squeezenet, capsys, change, message):
    assert script("extract_features")([str(tmp_path), *squeezenet[1], *change]) == 1
    assert re.match(message, capsys.readouterr().err)


def test_features_without_videos_are_an_error(squeezenet, tmp_path, capsys):
    assert script("extract_features")([str(tmp_path), *squeezenet[1]]) == 1
    assert f"{tmp_path}: expected videos; got none: check the path" in capsys.readouterr().err


# The real clips.


@pytest.mark.filterwarnings("ignore:UCF101")
def test_real_clips_get_their_codes(real_sets):
    weights = Path(os.environ["LABKIT_REAL_DATA"], "weights/squeezenet1_0_rgb_imagenet_norm.pth")
    arguments = ["--net", "squeezenet1_0", "--layer", "classifier.3", "--weights", str(weights), "--missing", "skip"]
    assert script("extract_features")([str(real_sets / "ucf101"), *arguments]) == 0
    folder = real_sets / "ucf101/codes_classifier.3"
    train, test = (load_codes(folder / f"split1_{part}.safetensors") for part in ("train", "test"))
    assert (len(train), len(test)) == (2, 3)
    assert train.codes.shape == (2, 10, 1000)
    assert train.names == ("v_SoccerJuggling_g23_c01", "v_SoccerJuggling_g24_c01")
    assert test.indices.tolist()[0] == list(range(0, 50, 5))  # 25 frames a second
    assert test.labels.tolist() == [0, 6, 70]
    # 805 is ImageNet's soccer ball: more of it in clips of football than where an eye is made up
    assert train.codes[..., 805].mean() > test.codes[0, :, 805].mean()


def test_real_clips_get_their_flow(real_sets, tmp_path):
    for name in ("RATRACE_wave_f_nm_np1_fr_goo_37.avi", "v_Punch_g03_c01.avi"):
        (tmp_path / name).symlink_to(next(real_sets.rglob(name)).resolve())
    assert script("extract_flow")([str(tmp_path), "--estimator", "dis"]) == 0
    manifest = read_manifest(tmp_path / "flow/forward.jsonl")
    assert [row["frames"] for row in manifest.values()] == [72, 108]  # the former's header promises one more
    for name, row in manifest.items():
        path, last = tmp_path / f"flow/{name}.flow", row["frames"] - 2
        assert stored_flow_shape(path) == (row["frames"] - 1, 2, row["height"], row["width"])
        first, second = read_video(tmp_path / name, torch.tensor([last, last + 1])).frames
        exact = dis(first[None], second[None])
        assert (load_flow(path, last, last + 1) - exact).abs().mean() < 0.02 * exact.abs().amax()
