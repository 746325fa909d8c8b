import math
import multiprocessing
import os
import pickle
import struct
import sys
import wave

import av
import cv2
import numpy as np
import pytest
import torch

from labkit.data import VideoError, iter_frames, read_video, scan, video, write_video
from labkit.files import sweep
from labkit.views.sampling import equally_spaced, over_first_seconds, tsn_segments


def patched(path, old: bytes, new: bytes, skip: int = 0):
    """Overwrite bytes of a file, ``skip`` bytes after the only place where ``old`` starts."""
    data = bytearray(path.read_bytes())
    assert data.count(old) == 1
    start = data.find(old) + skip
    data[start : start + len(new)] = new
    path.write_bytes(data)
    return path


# Frames are exact, RGB, in order.


def test_lossless_file_gives_every_pixel_back(tmp_path, clip):
    write_video(tmp_path / "clip.avi", clip, fps=25)
    found = read_video(tmp_path / "clip.avi")
    assert found.frames.dtype == torch.uint8
    assert torch.equal(found.frames, clip)
    assert torch.equal(found.indices, torch.arange(12))
    info = found.info
    assert (info.num_frames, info.fps, info.height, info.width, info.duration) == (12, 25, 32, 48, 0.48)
    assert info == scan(tmp_path / "clip.avi")


def test_channels_are_red_green_blue(tmp_path):
    red = torch.tensor([255, 0, 0], dtype=torch.uint8)[:, None, None].expand(3, 16, 16)
    write_video(tmp_path / "red.mp4", [red], fps=25)
    frame = read_video(tmp_path / "red.mp4").frames[0].float().mean(dim=(1, 2))
    assert frame[0] > 240
    assert frame[1:].max() < 15


def test_frames_written_by_hand_are_exact_at_odd_sizes(write_avi, clip):
    odd = clip[..., :31, :45]
    found = read_video(write_avi(odd))
    assert torch.equal(found.frames, odd)
    assert (found.info.height, found.info.width) == (31, 45)


def test_grey_video_has_three_equal_channels(write_avi, clip):
    grey = clip[:, :1]
    assert torch.equal(read_video(write_avi(grey)).frames, grey.expand(-1, 3, -1, -1))


def test_one_frame_is_a_video(write_avi, clip):
    found = read_video(write_avi(clip[:1]))
    assert torch.equal(found.frames, clip[:1])
    assert found.info.duration == 0.04


def test_iter_frames_gives_the_same_frames_one_by_one(write_avi, clip):
    frames = iter_frames(write_avi(clip))
    assert torch.equal(next(frames), clip[0])
    assert torch.equal(torch.stack(list(frames)), clip[1:])


# Indices.


@pytest.mark.parametrize("indices", [[3], [0, 5, 11], [4, 4, 2, 4], [[9, 0], [9, 3]]])
def test_frames_come_in_the_order_and_shape_of_their_indices(write_avi, clip, indices):
    indices = torch.tensor(indices)
    path = write_avi(clip)
    for given in (indices, lambda info: indices):
        found = read_video(path, given)
        assert torch.equal(found.frames, clip[indices])
        assert torch.equal(found.indices, indices)
        assert found.info == scan(path)


def test_a_sampling_rule_picks_from_the_frames_that_exist(write_avi, clip):
    path = write_avi(clip, promised=13)
    assert torch.equal(read_video(path, lambda info: equally_spaced(info.num_frames, 4)).frames, clip[[1, 4, 7, 10]])
    parts = read_video(path, lambda info: tsn_segments(info.num_frames, 3, 2)).frames
    assert parts.shape == (3, 2, 3, 32, 48)


@pytest.mark.parametrize("given", [torch.tensor([2, 12]), lambda info: torch.tensor([2, 12])])
def test_a_frame_that_does_not_exist_is_an_error(write_avi, clip, given):
    path = write_avi(clip)
    with pytest.raises(VideoError, match=r"by_hand.avi: expected a frame 12; got 12 frames, 0 to 11: pass a function"):
        read_video(path, given)


@pytest.mark.parametrize(
    ("indices", "error", "message"),
    [
        (torch.tensor([0, -1]), ValueError, r"indices must be one or more numbers from 0; got \[0, -1\]"),
        (torch.tensor([], dtype=torch.int64), ValueError, r"got \[\]"),
        (torch.tensor([1.0]), TypeError, "indices must be int64; got float32"),
        ([0, 1], TypeError, "indices must be a torch.Tensor"),
    ],
)
def test_bad_indices_are_explained(write_avi, clip, indices, error, message):
    with pytest.raises(error, match=message):
        read_video(write_avi(clip), indices)


# Headers that lie.


@pytest.mark.parametrize("promised", [0, 11, 13, -1, 10**9])
def test_frames_are_counted_whatever_the_header_says(write_avi, clip, promised):
    found = read_video(write_avi(clip, promised=promised))
    assert found.info.num_frames == 12
    assert torch.equal(found.frames, clip)


def write_mkv(path, clip):
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"FFV1"), 25.0, (48, 32))
    for frame in clip:
        writer.write(cv2.merge(list(frame.numpy()[::-1])))
    writer.release()
    return path


def test_no_duration_reads_as_minus_many_frames_and_is_ignored(tmp_path, clip):
    path = patched(write_mkv(tmp_path / "clip.mkv", clip), b"\x44\x89\x88", b"\xec\x89")  # Duration becomes Void
    assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_COUNT) < -1e14
    assert scan(path).num_frames == 12


@pytest.mark.parametrize("rate", [1, 100_000])
def test_time_stamps_overrule_the_frame_rate_of_the_header(tmp_path, clip, rate):
    path = write_mkv(tmp_path / "clip.mkv", clip)
    patched(path, b"\x23\xe3\x83\x84", struct.pack(">I", 10**9 // rate), skip=4)  # DefaultDuration, in nanoseconds
    assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FPS) != pytest.approx(25, rel=0.1)
    assert scan(path).fps == pytest.approx(25)


def test_the_header_refines_the_rate_that_time_stamps_bear_out(write_avi, clip):
    assert scan(write_avi(clip, rate=30_000, scale=1001)).fps == 30_000 / 1001


@pytest.mark.parametrize("header", [{"rate": 0}, {"scale": 0}, {"rate": 0, "scale": 0}, {"rate": 25_000_000}])
def test_a_rate_nobody_knows_is_nan_and_sampling_by_time_refuses_it(write_avi, clip, header):
    path = write_avi(clip, **header)
    info = scan(path)
    assert info.num_frames == 12
    assert math.isnan(info.fps)
    assert math.isnan(info.duration)
    assert len(read_video(path, lambda info: equally_spaced(info.num_frames, 5)).frames) == 5
    with pytest.raises(ValueError, match="fps must be a finite number greater than 0; got nan"):
        read_video(path, lambda info: over_first_seconds(info.num_frames, info.fps))


# Damage.


@pytest.mark.parametrize("suffix", [".avi", ".mp4", ".mkv"])
def test_cut_off_anywhere_it_is_an_error_or_still_whole(tmp_path, clip, suffix):
    path = tmp_path / f"clip{suffix}"
    write_mkv(path, clip) if suffix == ".mkv" else write_video(path, clip, fps=25)
    whole, frames = path.read_bytes(), read_video(path).frames
    errors = []
    for size in [*range(0, len(whole), max(1, len(whole) // 40)), *range(len(whole) - 10, len(whole))]:
        path.write_bytes(whole[:size])
        try:
            assert torch.equal(read_video(path).frames, frames)
        except VideoError as error:
            errors.append(str(error))
    assert len(errors) > 40
    assert all(str(path) in error for error in errors)


def test_allow_damaged_takes_the_frames_before_the_cut(write_avi, clip):
    path = write_avi(clip)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(VideoError, match=r"expected \d+ bytes, as its header says; got \d+: .*allow_damaged=True"):
        read_video(path)
    found = read_video(path, allow_damaged=True)
    assert 3 <= found.info.num_frames <= 8
    assert torch.equal(found.frames, clip[: found.info.num_frames])


def test_far_fewer_frames_than_promised_is_damage(write_avi, clip):
    assert scan(write_avi(clip, promised=24)).num_frames == 12
    path = write_avi(clip, promised=25)
    with pytest.raises(VideoError, match=r"expected 25 frames, as its header says; got 12: .*allow_damaged=True"):
        scan(path)
    assert scan(path, allow_damaged=True).num_frames == 12
    with pytest.raises(VideoError, match="expected 25 frames"):
        list(iter_frames(path))
    assert len(list(iter_frames(path, allow_damaged=True))) == 12


def test_a_bad_frame_amid_good_ones_is_damage(write_avi, clip, capfd):
    path = write_avi(clip)
    data = bytearray(path.read_bytes())
    fifth = [place for place in range(len(data)) if data.startswith(b"\x89PNG", place)][5]
    data[fifth : fifth + 40] = bytes(40)
    path.write_bytes(data)
    with pytest.raises(VideoError, match="expected every frame to decode; got a frame 5 that does not"):
        read_video(path)
    assert torch.equal(read_video(path, allow_damaged=True).frames, clip[:5])
    assert capfd.readouterr() == ("", "")  # FFmpeg has much to say about it


def test_more_frames_than_bytes_is_an_endless_file(write_avi, clip, monkeypatch):
    path = write_avi(clip)
    monkeypatch.setattr(os, "fstat", lambda _: os.stat_result([0] * 6 + [7] + [0] * 3))
    with pytest.raises(VideoError, match="expected an end; got more frames than the file has bytes, 7"):
        scan(path, allow_damaged=True)


def test_huge_frames_are_a_damaged_header(tmp_path, clip):
    path = tmp_path / "clip.avi"
    write_video(path, clip, fps=25)
    patched(path, b"strf", struct.pack("<II", 16_000, 16_000), skip=12)
    with pytest.raises(VideoError, match="expected frames of 1 to 67108864 pixels; got 16000 x 16000"):
        scan(path)


# No video at all.


def write_sound(path):
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(16_000))


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("missing.avi", lambda path: None, "expected a video file; got nothing of that name: check the path"),
        ("folder.avi", lambda path: path.mkdir(), "expected a video file; got a directory"),
        ("pipe.avi", os.mkfifo, "expected a video file; got no file"),
        ("empty.avi", lambda path: path.touch(), "expected a video; got an empty file"),
        ("text.avi", lambda path: path.write_text("not a video\n" * 99), "expected a video in a format and codec"),
        ("sound.wav", write_sound, "expected a video; got sound only: choose a file with moving images"),
    ],
)
@pytest.mark.parametrize("read", [scan, read_video, iter_frames])
def test_what_is_no_video_is_named(tmp_path, capfd, name, make, message, read):
    make(tmp_path / name)
    with pytest.raises(VideoError, match=f"{name}: {message}"):
        read(tmp_path / name)
    assert capfd.readouterr().err == ""


def test_unknown_codec_is_named(write_avi, clip, capfd):
    with pytest.raises(VideoError, match="expected a video in a format and codec that FFmpeg knows"):
        scan(write_avi(clip, codec=b"ZZZZ"))
    assert capfd.readouterr().err == ""


def test_unreadable_file_is_named(write_avi, clip, monkeypatch):
    path = write_avi(clip)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(
        VideoError, match="expected a readable file; got Permission denied: check the path and its permissions"
    ):
        scan(path)


def test_errors_cross_process_boundaries():
    assert str(pickle.loads(pickle.dumps(VideoError("clip.avi: expected")))) == "clip.avi: expected"


# Writing.


@pytest.mark.parametrize(("suffix", "tolerance"), [(".avi", 0), (".mp4", 6)])
@pytest.mark.parametrize(("height", "width"), [(32, 32), (45, 31)])
def test_what_is_written_reads_back(tmp_path, suffix, tolerance, height, width):
    ramp = torch.arange(0, 2 * width, 2, dtype=torch.uint8).expand(3, height, width)  # .mp4 would lose fine colour
    frames = torch.stack([ramp + 10 * t for t in range(8)])
    path = tmp_path / f"clip{suffix}"
    write_video(path, frames, fps=29.97)
    found = read_video(path)
    assert found.info.fps == pytest.approx(29.97)
    assert (found.frames.int() - frames.int()).abs().max() <= tolerance
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_reads_and_writes(tmp_path, clip):
    write_video(tmp_path / "parent.avi", clip, fps=25)
    read_video(tmp_path / "parent.avi")
    child = multiprocessing.get_context("fork").Process(
        target=_copy, args=(tmp_path / "parent.avi", tmp_path / "child.mp4")
    )
    child.start()
    child.join(60)
    assert child.exitcode == 0
    assert scan(tmp_path / "child.mp4").num_frames == 12


def _copy(source, target):
    write_video(target, iter_frames(source), fps=25)


def fails_half_way(clip):
    yield from clip[:6]
    raise RuntimeError("no more")


@pytest.mark.parametrize(
    ("name", "frames", "fps", "error", "message"),
    [
        ("a.avi", lambda clip: clip[:, :1], 25, ValueError, r"each frame must be \(3, H, W\); got \(1, 32, 48\)"),
        ("a.avi", lambda clip: clip.float(), 25, TypeError, "each frame must be uint8; got float32"),
        (
            "a.avi",
            lambda clip: [clip[0], clip[1, :, :30]],
            25,
            ValueError,
            r"frames must be \(3, 32, 48\) like the first",
        ),
        ("a.avi", lambda clip: iter(()), 25, ValueError, "frames must hold at least one frame"),
        ("a.avi", lambda clip: clip, 0, ValueError, "fps must be a finite number greater than 0"),
        ("a.avi", lambda clip: clip, 5000, ValueError, "fps must be from 0.001 to 1000"),
        ("a.gif", lambda clip: clip, 25, VideoError, r"a.gif: expected a name ending in .avi or .mp4; got '.gif'"),
        ("no/a.avi", lambda clip: clip, 25, VideoError, "expected a folder to write to; got none: create"),
        ("a.avi", fails_half_way, 25, RuntimeError, "no more"),
    ],
)
def test_what_cannot_be_written_is_explained_and_leaves_nothing(tmp_path, clip, name, frames, fps, error, message):
    (tmp_path / "a.avi").write_bytes(b"as it was")
    with pytest.raises(error, match=message):
        write_video(tmp_path / name, frames(clip), fps)
    assert os.listdir(tmp_path) == ["a.avi"]
    assert (tmp_path / "a.avi").read_bytes() == b"as it was"


def test_a_file_that_lost_frames_is_not_kept(tmp_path, clip, monkeypatch):
    encode = video._encode
    monkeypatch.setattr(video, "_encode", lambda place, path, frames, fps: encode(place, path, frames[:11], fps) + 1)
    with pytest.raises(VideoError, match=r"a.avi: expected 12 frames in it; got 11"):
        write_video(tmp_path / "a.avi", clip, fps=25)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("suffix", "error"), [(".avi", 0.0005), (".mp4", 0.008)])
@pytest.mark.parametrize("fps", [0.333, 66.123, 99.999, 119.881, 240.123, 987.654, 1000])
def test_any_rate_is_kept(tmp_path, suffix, error, fps):
    path = tmp_path / f"clip{suffix}"
    write_video(path, torch.zeros(4, 3, 16, 16, dtype=torch.uint8), fps)
    stored = av.open(str(path)).streams.video[0].average_rate  # `scan` reads what is close to 120 as 120
    assert float(stored) == pytest.approx(fps, abs=error)


def test_a_folder_is_no_file_to_write(tmp_path, clip):
    (tmp_path / "a.avi").mkdir()
    with pytest.raises(VideoError, match=r"/a.avi: expected a file to write to; got Is a directory: check the folder"):
        write_video(tmp_path / "a.avi", clip, fps=25)
    assert os.listdir(tmp_path) == ["a.avi"]


@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
def test_a_folder_that_is_not_writable_is_named(tmp_path, clip, monkeypatch, suffix):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(tmp_path), "open", refuse)
    with pytest.raises(VideoError, match=f"/a{suffix}: expected a file to write to; got Permission denied: check the"):
        write_video(tmp_path / f"a{suffix}", clip, fps=25)


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files as Linux does")
@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
def test_a_disk_that_is_full_is_named(tmp_path, suffix):
    resource = pytest.importorskip("resource")
    noise = torch.randint(0, 256, (30, 3, 64, 64), dtype=torch.uint8)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(VideoError, match=f"/a{suffix}: expected a file to write to; got File too large: check the"):
            write_video(tmp_path / f"a{suffix}", noise, fps=25)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(tmp_path) == []


def test_what_a_killed_process_has_written_is_swept(tmp_path, clip):
    def killed():
        yield clip[0]
        assert len(os.listdir(tmp_path)) == 1
        sweep(tmp_path)
        assert os.listdir(tmp_path) == []
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        write_video(tmp_path / "a.mp4", killed(), fps=25)


def test_no_encoder_is_explained(tmp_path, clip, monkeypatch, capfd):
    monkeypatch.setitem(video.CODECS, ".mp4", ("ZZZZ", "yuv420p"))
    with pytest.raises(VideoError, match=r"/a.mp4: expected an encoder for ZZZZ and 48 x 32; got none"):
        write_video(tmp_path / "a.mp4", clip, fps=25)


# Real files.


def test_real_clips_are_to_the_bit_what_opencv_reads(real_clips):
    assert len(real_clips) >= 10
    for path in real_clips:
        capture = cv2.VideoCapture(str(path))
        promised = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        whole = read_video(path, square_pixels=False)
        assert whole.info.num_frames == promised - (path.parent.name == "hmdb51")  # which promises one too many
        assert 24 < whole.info.fps < 31
        assert 1 < whole.info.duration < 15
        for frame in whole.frames:
            assert np.array_equal(capture.read()[1][..., ::-1], frame.permute(1, 2, 0))
        assert not capture.read()[0]
        sampled = read_video(path, equally_spaced(len(whole.frames), 25), square_pixels=False)
        assert torch.equal(sampled.frames, whole.frames[sampled.indices])
