import json
import pickle
import shutil

import pytest
import small_sets
import torch
import zoo
from small_sets import UCF101_CLASSES, UCF101_TEST, UCF101_TRAIN
from torch.utils.data import DataLoader

from labkit.data import (
    FCVID,
    HII,
    HMDB51,
    TVHI,
    UCF101,
    FlyingChairs,
    Holidays,
    Oxford5k,
    Sintel,
    VideoError,
    read_video,
    scan,
)
from labkit.data.jobs import JobsError, run_jobs
from labkit.data.videos import INDEX, complete, find_videos, index_videos
from labkit.flow import FlowFileError, save_flow


@pytest.fixture
def root(tmp_path):
    return small_sets.ucf101(tmp_path)


# What the lists say.


def test_labels_follow_the_list_of_classes_and_clips_their_list(root):
    train = UCF101(root)
    assert train.classes == tuple(UCF101_CLASSES)
    assert [clip.name for clip in train] == [path.split("/")[1] for path in UCF101_TRAIN]
    assert train.labels.tolist() == [clip.label for clip in train] == [99, 98, 0]
    assert train.groups.tolist() == [clip.group for clip in train] == [8, 25, 8]
    assert [clip.labels for clip in train] == [(99,), (98,), (0,)]
    assert train.labels.dtype == train.groups.dtype == torch.int64


def test_test_lists_have_no_labels_and_get_them_from_the_folder(root):
    test = UCF101(root, part="test")
    assert test.labels.tolist() == [100, 98]
    assert test.groups.tolist() == [1, 7]
    assert [clip.name for clip in UCF101(root, 2, "test")] == [clip.name for clip in UCF101(root, 1, "train")]


@pytest.mark.parametrize("layout", ["flat", "other spelling", "mp4", "nested", "linked"])
def test_videos_are_found_however_they_lie(root, layout):
    videos = root / "UCF-101"
    if layout == "flat":
        for path in videos.rglob("*.avi"):
            path.rename(videos / path.name)
    elif layout == "other spelling":  # as in the zip of the THUMOS challenge
        path = videos / f"{UCF101_TEST[0]}.avi"
        path.rename(path.with_name(path.name.replace("HandStand", "Handstand")))
    elif layout == "mp4":
        for path in videos.rglob("*.avi"):  # what a file holds decides, not its name
            path.rename(path.with_suffix(".mp4"))
    elif layout == "nested":
        shutil.move(videos, root / "moved")
        shutil.move(root / "moved", videos / "UCF-101")
    else:
        shutil.move(videos, root / "moved")
        videos.mkdir()
        for folder in (root / "moved").iterdir():
            (videos / folder.name).symlink_to(folder)
    (videos / "._v_Hammering_g25_c02.avi").write_bytes(b"what macOS leaves")
    (videos / "readme.txt").write_text("not a video")
    for part, count in (("train", 3), ("test", 2)):
        assert [clip.num_frames > 5 for clip in UCF101(root, part=part)] == [True] * count


def test_other_folders_may_be_named(root):
    (root / "UCF-101").rename(root / "v")
    (root / "ucfTrainTestlist").rename(root / "l")
    assert len(UCF101(str(root), videos="v", lists="l")) == 3


def test_two_files_of_one_name_are_an_error(root):
    zoo.write_grey(root / "UCF-101" / "copy" / "v_hammering_g25_c02.avi")
    with pytest.raises(ValueError, match=r"expected one video v_hammering_g25_c02; got Hammering/.* and copy/.*: move"):
        UCF101(root)


# What is wrong with them.


def test_missing_videos_are_one_error_that_counts_and_names_them(root):
    assert UCF101(root).num_lacking == 0
    shutil.rmtree(root / "UCF-101" / "Hammering")
    with pytest.raises(
        FileNotFoundError,
        match=r"UCF101, split 1, train: expected 3 videos in .*UCF-101; got 2, 1 are missing: v_Hammering_g25_c02. Run "
        r"python data_scripts/ucf101.py .*, or pass missing=\"skip\" to take those that are there",
    ):
        UCF101(root)
    with pytest.warns(UserWarning, match=r"UCF101, split 1, train: 1 of 3 videos are not in .*; skipped") as warned:
        train = UCF101(root, missing="skip")
    assert warned[0].filename == __file__
    assert train.labels.tolist() == [99, 0]
    assert [clip.num_frames for clip in train] == [6, 8]
    assert train.num_lacking == train.subset([0]).num_lacking == 1


def test_many_missing_videos_are_not_all_named(root):
    path = root / "ucfTrainTestlist" / "trainlist01.txt"
    path.write_text("".join(f"Class000/v_Class000_g01_c{clip:02}.avi 1\n" for clip in range(1, 99)))
    with pytest.raises(FileNotFoundError, match=r"98 are missing: (v_Class000_g01_c0\d, ){5}\.\.\.\. Run"):
        UCF101(root)


def test_no_video_or_list_at_all_is_an_error(root):
    shutil.rmtree(root / "UCF-101")
    with pytest.raises(FileNotFoundError, match="got 0, 3 are missing"):
        UCF101(root, missing="skip")
    shutil.rmtree(root / "ucfTrainTestlist")
    with pytest.raises(FileNotFoundError, match=r"classInd.txt: expected an official list .*: run python data_"):
        UCF101(root)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("classInd", b"2 Class001\r\n", b""),
        ("classInd", b"2 Class001", b"2 Class 001"),
        ("trainlist01", b"avi 99", b"avi 98"),
        ("trainlist01", b"Hammering/", b"Hammered/"),
        ("trainlist01", b"Hammering/v_", b"../../v_"),
    ],
)
def test_lists_that_are_not_as_they_should_be_are_an_error(root, name, old, new):
    path = root / "ucfTrainTestlist" / f"{name}.txt"
    data = path.read_bytes()
    assert data.count(old) == 1
    path.write_bytes(data.replace(old, new))
    with pytest.raises(ValueError, match=rf"{name}.txt: expected (101 )?lines"):
        UCF101(root)


@pytest.mark.parametrize("wrong", [{"split": 0}, {"split": 4}, {"part": "validation"}, {"missing": "ignore"}])
def test_wrong_arguments_are_explained(root, wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be|and part "):
        UCF101(root, **wrong)


def test_an_index_outside_is_an_error(root):
    train = UCF101(root)
    for index in (-1, 3):
        with pytest.raises(IndexError, match=f"index must lie within 0 to 2; got {index}"):
            train[index]


# Frames.


def test_frames_come_in_the_order_asked(root):
    clip = UCF101(root)[1]
    frames = read_video(root / "UCF-101" / f"{UCF101_TRAIN[1]}.avi").frames
    assert (clip.num_frames, clip.fps) == (7, 25)
    assert torch.equal(clip.frames([5, 0, 5]), frames[[5, 0, 5]])
    assert torch.equal(clip.frames(torch.tensor([6])), frames[6:])
    assert clip.frames([]).shape == (0, 3, 16, 24)
    for index in (-1, 7):
        with pytest.raises(IndexError, match=f"indices of v_Hammering_g25_c02 must lie within 0 to 6; got {index}"):
            clip.frames([index])


def test_nothing_is_decoded_before_it_is_asked_and_nothing_counted_twice(root, monkeypatch):
    scanned = []
    monkeypatch.setattr("labkit.data.videos.scan", lambda path: scanned.append(path) or scan(path))
    (root / "UCF-101" / f"{UCF101_TRAIN[1]}.avi").write_bytes(b"no video")
    train = UCF101(root)
    clip = train[1]
    assert (clip.label, clip.group, train[0].num_frames) == (98, 25, 6)
    for ask in (lambda: clip.num_frames, lambda: clip.fps, lambda: clip.frames([0])):
        with pytest.raises(VideoError, match=r"v_Hammering_g25_c02\.avi: expected"):
            ask()
    train[0].frames([1])
    assert [path.name for path in scanned].count("v_HammerThrow_g08_c01.avi") == 1


def test_an_index_saves_the_counting(root, monkeypatch):
    name, times = f"{UCF101_TRAIN[1]}.avi", [0.0, 0.04, 0.08, 0.5, 1.0, 1.5, 1.6]  # as of a video of variable rate
    assert complete(UCF101, root) == {}
    lines = (root / INDEX).read_text().splitlines()
    assert len(lines) == 6
    changed = [json.dumps(json.loads(line) | {"times": times}) if f'"{name}"' in line else line for line in lines]
    (root / INDEX).write_text("\n".join(changed) + "\n")
    (root / "UCF-101" / f"{UCF101_TRAIN[0]}.avi").write_bytes(b"0")  # changed since: its entry is not believed
    monkeypatch.setattr("labkit.data.videos.scan", lambda path: pytest.fail(f"scanned {path}"))
    train = UCF101(root)
    assert [(clip.num_frames, clip.fps) for clip in (train[1], train[2])] == [(7, 25), (8, 25)]
    assert [train[1].times, train[2].times] == [tuple(times), None]
    assert train[2].frames([7]).shape == (1, 3, 16, 24)
    with pytest.raises(BaseException, match=r"scanned .*HammerThrow"):
        _ = train[0].num_frames


def test_completing_names_what_does_not_decode_and_goes_on_later(root):
    path = root / "UCF-101" / f"{UCF101_TEST[1]}.avi"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    errors = complete(UCF101, root)
    assert list(errors) == [f"{UCF101_TEST[1]}.avi"]
    assert "VideoError" in errors[f"{UCF101_TEST[1]}.avi"]
    path.write_bytes(whole)
    assert complete(UCF101, root) == {}
    path.unlink()
    with pytest.raises(FileNotFoundError, match="1 are missing"):
        complete(UCF101, root)


def test_an_index_of_an_earlier_labkit_is_not_used_and_a_damaged_one_an_error(root):
    """The former may count frames that nobody shows."""
    (root / INDEX).write_text('{"settings": {"index": 1}}\n')
    with pytest.warns(UserWarning, match=r"videos.jsonl was written by an earlier labkit, and is not used: delete it"):
        train = UCF101(root)
    assert train[0].num_frames == 6
    (root / INDEX).write_text('{"settings": {"index": 2}}\n{name: "a"}\n')
    with pytest.raises(JobsError, match=r"videos.jsonl: expected a JSON record with 'name' in line 2; got '\{name"):
        UCF101(root)


# Flow.


def make_flow(root, path, length, backward=False):
    flow = torch.arange(length - 1.0)[:, None, None, None].expand(-1, 2, 16, 24).contiguous()  # exact in the store
    out = root / "flow" / f"{path}.avi{'.backward' * backward}.flow"
    out.parent.mkdir(parents=True, exist_ok=True)
    save_flow(out, flow)
    return flow


@pytest.mark.parametrize("counted", [True, False])
def test_flow_comes_from_the_store(root, counted):
    flow = make_flow(root, UCF101_TRAIN[1], 7)
    clip = UCF101(root)[1]
    if counted:
        assert clip.num_frames == 7
    assert torch.equal(clip.flow([4, 0, 1, 1]), flow[[4, 0, 1, 1]])
    assert torch.equal(clip.flow(torch.arange(6)), flow)
    assert clip.flow([]).shape == (0, 2, 16, 24)
    for index in (-1, 6):
        with pytest.raises(IndexError, match=f"v_Hammering_g25_c02 with flow must lie within 0 to 5; got {index}"):
            clip.flow([index])


@pytest.mark.parametrize(
    "dataset",
    [UCF101, HMDB51, TVHI, FlyingChairs, Sintel, Holidays, Oxford5k, HII, HII.kinds, FCVID.stored],
    ids=lambda dataset: dataset.__qualname__,
)
def test_a_command_is_right_for_a_path_with_a_space(tmp_path, dataset):
    with pytest.raises(FileNotFoundError) as caught:
        dataset(tmp_path / "my data")
    assert f".py '{tmp_path}/my data'" in str(caught.value)


def test_the_command_for_flow_is_right_for_paths_with_spaces(root):
    (root / "UCF-101").rename(root / "the videos")
    command = f"extract_flow.py {root} --videos 'the videos' --flow 'the flow'"
    assert UCF101(root, videos="the videos", flow="the flow")[0].flow_command.endswith(command)


def test_a_link_to_nothing_is_a_video_that_is_missing(root):
    index_videos(find_videos(root / "UCF-101"), root / "UCF-101", root / INDEX, processes=1)
    video = root / "UCF-101" / UCF101(root).paths[0]
    video.rename(root / "elsewhere")
    video.symlink_to(root / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"expected \d+ videos in .*; got \d+, 1 are missing"):
        UCF101(root)
    with pytest.warns(UserWarning, match=r"1 of \d+ videos are not in"):
        assert video.stem not in [clip.name for clip in UCF101(root, missing="skip")]


def test_backward_flow_counts_from_the_second_frame(root):
    flow = make_flow(root, UCF101_TRAIN[1], 7, backward=True)
    clip = UCF101(root)[1]
    assert torch.equal(clip.flow([1, 6], backward=True), flow[[0, 5]])
    for index in (0, 7):
        with pytest.raises(IndexError, match=f"within 1 to 6; got {index}"):
            clip.flow([index], backward=True)


def test_missing_flow_names_the_command(root):
    clip = UCF101(root)[1]
    command = rf"run python data_scripts/extract_flow.py {root} --videos UCF-101 --flow flow"
    with pytest.raises(FileNotFoundError, match=rf"expected its flow in .*c02.avi.flow; got no such file: {command}$"):
        clip.flow([0])
    with pytest.raises(
        FileNotFoundError, match=rf"its backward flow in .*c02.avi.backward.flow.*{command} --backward$"
    ):
        clip.flow([1], backward=True)


def test_the_store_knows_its_estimator(root):
    videos = UCF101(root)
    assert videos.flow_estimator is None
    manifest = root / "flow/forward.jsonl"
    run_jobs(make_flow, [], videos.folder, manifest, {"estimator": "dis", "direction": "forward"})
    assert videos.flow_estimator == "dis"
    manifest.write_text('{"settings": {"esti')  # by a run that was killed
    assert videos.flow_estimator is None
    manifest.write_text("{}\n")
    with pytest.raises(JobsError, match=r"forward.jsonl: expected a JSON record with 'settings' in line 1; got '{}"):
        _ = videos.flow_estimator


def test_damaged_flow_and_that_of_another_video_are_noticed(root):
    make_flow(root, UCF101_TRAIN[1], 9)
    clip = UCF101(root)[1]
    assert clip.num_frames == 7
    with pytest.raises(ValueError, match=r"expected the \(6, 2, 16, 24\) flow of .*; got \(8, 2, 16, 24\), of another"):
        clip.flow([0])
    clip.flow_path.write_bytes(b"PK")
    with pytest.raises(FlowFileError, match="expected a whole file of save_flow"):
        clip.flow([0])


# As a data set.


def last_frame(clip):
    return clip.frames([clip.num_frames - 1])[0], clip.label


def test_loaders_with_processes_see_the_same(root):
    train = UCF101(root)
    loaded = list(DataLoader(train.subset([2, 0]).map(last_frame), batch_size=1, num_workers=2))
    assert [label.item() for _, label in loaded] == [0, 99]
    assert torch.equal(loaded[1][0][0], train[0].frames([5])[0])


def test_sets_and_clips_pickle_as_spawned_processes_need_it(root):
    train = UCF101(root)
    for clip in (pickle.loads(pickle.dumps(train))[1], pickle.loads(pickle.dumps(train[1]))):
        assert torch.equal(clip.frames([3]), train[1].frames([3]))


# The official lists and the real clips.


@pytest.mark.filterwarnings("ignore:UCF101")
def test_real_clips_are_where_the_official_lists_say(real_sets):
    train, test = (UCF101(real_sets / "ucf101", part=part, missing="skip") for part in ("train", "test"))
    assert [(clip.name, train.classes[clip.label], clip.group) for clip in train] == [
        ("v_SoccerJuggling_g23_c01", "SoccerJuggling", 23),
        ("v_SoccerJuggling_g24_c01", "SoccerJuggling", 24),
    ]
    assert [(clip.label, clip.group, clip.num_frames, clip.fps) for clip in test] == [
        (0, 1, 164, 25),
        (6, 1, 107, pytest.approx(29.97, abs=0.01)),
        (70, 3, 108, 25),
    ]
    assert [test.classes[label] for label in test.labels] == ["ApplyEyeMakeup", "BaseballPitch", "Punch"]
    assert test[2].frames([107, 0]).shape == (2, 3, 240, 320)


@pytest.mark.parametrize(("split", "counts"), [(1, (9537, 3783)), (2, (9586, 3734)), (3, (9624, 3696))])
def test_official_splits_have_their_sizes_and_share_no_group(real_sets, monkeypatch, split, counts):
    lists = real_sets / "ucf101/ucfTrainTestlist"
    paths = [line.split()[0] for part in ("train", "test") for line in (lists / f"{part}list01.txt").open()]
    monkeypatch.setattr("labkit.data.videos.find_videos", lambda folder: paths)  # as if all were there
    train, test = sets = [UCF101(real_sets / "ucf101", split, part) for part in ("train", "test")]
    assert tuple(map(len, sets)) == counts
    assert all(part.labels.unique().tolist() == list(range(101)) for part in sets)
    assert not set(train.groups.tolist()) & set(test.groups.tolist())
    assert set(train.groups.tolist()) | set(test.groups.tolist()) == set(range(1, 26))
    learned, held = train.hold_out_groups(0.2)
    for label in range(101):
        groups = [set(side.groups[side.labels == label].tolist()) for side in (learned, held)]
        assert not groups[0] & groups[1]
        assert min(map(len, groups)) >= 1
    assert 0.15 < len(held) / len(train) <= 0.2
    assert train.classes[36] == "HandstandPushups"
    assert sorted(train.classes) != list(train.classes)
