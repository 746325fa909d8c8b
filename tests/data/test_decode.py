"""What a frame is: files of many kinds, each against what was put into it."""

import gc
import struct
import tracemalloc
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
import zoo
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from labkit.data import VideoError, decode, iter_frames, read_video, scan, video, write_video
from labkit.data.decode import Recording
from labkit.views.sampling import at_frame_rate


def images(path, **options):
    """All frames, (T, H, W, 3) float32."""
    return read_video(path, **options).frames.permute(0, 2, 3, 1).numpy().astype(np.float32)


def off(these, those):
    """Mean difference in grey levels."""
    return np.abs(these - np.stack(those).astype(np.float32)).mean()


# Interlaced.


@pytest.mark.parametrize("name", ["woven.mp4", "woven.avi"])
def test_interlaced_frames_show_one_moment(tmp_path, name):
    truth = zoo.write_interlaced(tmp_path / name)
    shown = images(tmp_path / name)
    assert len(shown) == len(truth) == 10
    assert off(shown, truth) < 1.5
    with av.open(str(tmp_path / name)) as container:
        combed = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert off(shown, truth) < off(np.stack(combed), truth) / 3
    assert np.array_equal(images(tmp_path / name), shown)  # and not what the last file left in memory
    assert np.array_equal(read_video(tmp_path / name, torch.tensor([9, 4])).frames.permute(0, 2, 3, 1), shown[[9, 4]])


def test_progressive_frames_are_left_as_they_are(tmp_path):
    path = zoo.write(tmp_path / "plain.mp4", map(zoo.waves, range(6)), options={"crf": "0"})
    with av.open(str(path)) as container:
        plain = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert np.array_equal(images(path), np.stack(plain))


# Time.


def test_a_trimmed_file_shows_what_its_edit_list_shows(tmp_path):
    shown = zoo.write_trimmed(tmp_path / "trim.mp4")
    with av.open(str(tmp_path / "trim.mp4")) as container:
        assert container.streams.video[0].frames == 60  # what its header counts
    assert np.array_equal(images(tmp_path / "trim.mp4"), shown.astype(np.float32))
    info = scan(tmp_path / "trim.mp4")
    assert (info.num_frames, info.fps) == (12, 30)


SECONDS = [t / 30 for t in range(30)] + [1 + t / 5 for t in range(20)]


@pytest.fixture
def variable(tmp_path):
    """A second at 30 frames a second, then four seconds at 5."""
    return zoo.write(tmp_path / "variable.mp4", map(zoo.waves, range(50)), seconds=SECONDS, rate=30)


def test_a_variable_rate_is_told(variable, tmp_path):
    info = scan(variable)
    assert (info.num_frames, info.fps, info.duration) == (50, pytest.approx(10), pytest.approx(5))
    assert info.times == pytest.approx(SECONDS, abs=1e-4)
    for name, rate in (("constant.mp4", 30), ("constant.mkv", 60)):  # the latter counts milliseconds
        assert scan(zoo.write(tmp_path / name, map(zoo.waves, range(90)), rate=rate)).times is None


def test_a_lower_rate_takes_the_frame_on_screen(variable):
    once = read_video(variable, lambda info: at_frame_rate(info.num_frames, info.fps, 1, times=info.times))
    assert once.indices.tolist() == [0, 30, 35, 40, 45]  # by the mean rate it would be 0, 10, 20, 30, 40
    assert torch.equal(once.frames, read_video(variable).frames[once.indices])


def test_parts_put_together_have_the_rate_of_each(tmp_path):
    zoo.write_joined(tmp_path / "joined.ts")
    info = scan(tmp_path / "joined.ts")
    assert (info.num_frames, info.fps, info.duration, info.times) == (10, 10, 1, None)


# Shape.


@pytest.mark.parametrize(("aspect", "shape"), [("4/3", (48, 85)), ("10/11", (53, 64)), ("1/1", (48, 64))])
def test_pixels_become_square(tmp_path, aspect, shape):
    path = tmp_path / "oblong.mp4"
    zoo.write(path, map(zoo.waves, range(3)), sample_aspect_ratio=Fraction(aspect))
    assert read_video(path).frames.shape == (3, 3, *shape)
    assert (scan(path).height, scan(path).width) == shape
    stored = read_video(path, square_pixels=False)
    assert stored.frames.shape == (3, 3, 48, 64)
    assert (stored.info.height, stored.info.width) == (48, 64)


@pytest.mark.parametrize(
    ("turn", "there"),
    [
        ((1, 0, 0, 1), lambda x: x),
        ((0, 1, -1, 0), lambda x: np.rot90(x, -1)),
        ((0, -1, 1, 0), lambda x: np.rot90(x)),
        ((-1, 0, 0, 1), np.fliplr),
        ((0, 1, 1, 0), lambda x: x.swapaxes(0, 1)),
        ((0, -1, -1, 0), lambda x: np.rot90(x, 2).swapaxes(0, 1)),
    ],
)
def test_turned_and_mirrored_files_come_upright(tmp_path, turn, there):
    path = zoo.write(tmp_path / "phone.mp4", map(zoo.waves, range(2)))
    lying = images(path)
    data = bytearray(path.read_bytes())
    a, b, c, d = (number << 16 for number in turn)
    at = data.find(b"tkhd") + 44  # the display matrix
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    assert np.array_equal(images(path), np.stack([there(frame) for frame in lying]))
    assert (scan(path).height, scan(path).width) == images(path).shape[1:3]


def test_a_short_side_scales_while_decoding_and_never_enlarges(tmp_path):
    path = tmp_path / "large.avi"
    write_video(path, torch.stack([torch.from_numpy(zoo.waves(t, 96, 160)).permute(2, 0, 1) for t in range(3)]), fps=10)
    small = read_video(path, short_side=24)
    assert small.frames.shape == (3, 3, 24, 40)
    assert (small.info.height, small.info.width) == (24, 40)
    mean = torch.nn.functional.avg_pool2d(read_video(path).frames.float(), 4)
    assert (small.frames - mean).abs().mean() < 2
    assert torch.equal(read_video(path, short_side=500).frames, read_video(path).frames)
    for read in (scan, read_video, iter_frames):
        with pytest.raises(ValueError, match="short_side must be a whole number of pixels, 1 or more; got 0"):
            read(path, short_side=0)


def test_where_the_size_changes_frames_have_the_size_of_the_first(tmp_path, write_avi, clip):
    path = write_avi([*clip[:2], *clip[2:4, :, ::2, ::2]])
    frames = read_video(path).frames
    assert frames.shape == (4, 3, 32, 48)
    assert torch.equal(frames[:2], clip[:2])
    assert (frames[2:].float() - clip[2:4].float()).abs().mean() < 30  # the same picture, scaled


# Colour.


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format", "settings"),
    [
        ("untagged.mp4", "libx264", "yuv444p", {}),
        ("limited.mp4", "libx264", "yuv444p", {"color_range": 1}),
        ("full_420.mp4", "libx264", "yuv420p", {"color_range": 2}),
        ("photos.avi", "mjpeg", "yuvj420p", {}),
        ("ten_bits.mp4", "libx265", "yuv420p10le", {"options": {"x265-params": "log-level=none"}}),
    ],
)
def test_a_flat_colour_stays(tmp_path, name, codec, pixel_format, settings):
    flat = np.broadcast_to(np.array([200, 50, 20], np.uint8), (48, 64, 3))
    limits = {"src_color_range": 2, "dst_color_range": settings.get("color_range", 2 if "j" in pixel_format else 1)}
    frame = av.VideoFrame.from_ndarray(flat.copy(), "rgb24").reformat(format=pixel_format, **limits)
    path = zoo.write(tmp_path / name, [frame], codec, pixel_format, **settings)
    assert np.abs(images(path) - flat).max() <= 4


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format", "options"),
    [
        ("clear.webm", "libvpx-vp9", "yuva420p", {}),
        ("clear_vp8.webm", "libvpx", "yuva420p", {"auto-alt-ref": "0"}),
        ("clear.mov", "qtrle", "argb", {}),
    ],
)
def test_what_is_transparent_shows_white(tmp_path, name, codec, pixel_format, options):
    path = zoo.write(tmp_path / name, [zoo.square_on_clear_ground()] * 3, codec, pixel_format, options=options)
    shown = images(path)
    assert np.abs(shown[:, :8, :8] - 255).max() <= 3
    assert np.abs(shown[:, 20:28, 28:36] - np.array([0, 0, 250])).max() <= 8


def test_half_transparent_is_half_white():
    image = np.array([[[100, 0, 255, 51], [10, 20, 30, 255], [10, 20, 30, 0]]], np.uint8)
    # 51 of 255 is a fifth: 100 / 5 + 255 * 4 / 5 = 224
    assert decode._over_white(image).tolist() == [[[224, 204, 255], [10, 20, 30], [255, 255, 255]]]


# What is no video, and what is too much.


def test_a_song_with_a_cover_is_no_video(tmp_path):
    zoo.write_song_with_cover(tmp_path / "song.mp3")
    with av.open(str(tmp_path / "song.mp3")) as container:
        assert [stream.type for stream in container.streams] == ["audio", "video"]
    for read in (scan, read_video, iter_frames):
        with pytest.raises(VideoError, match=r"song.mp3: expected a video; got sound only: choose a file with moving"):
            read(tmp_path / "song.mp3")


def test_all_frames_of_a_long_film_are_refused(tmp_path, monkeypatch):
    path = zoo.write(tmp_path / "film.mp4", map(zoo.waves, range(20)))  # 20 x 3 x 48 x 64 bytes
    monkeypatch.setattr(video, "MAX_BYTES", 184_319)
    with pytest.raises(VideoError, match=r"got 20 of 48 x 64 pixels, 0.0 GB: pass the indices you want, or short_side"):
        read_video(path)
    assert len(read_video(path, torch.arange(20)).frames) == 20  # who names them wants them
    assert len(read_video(path, short_side=40).frames) == 20
    monkeypatch.setattr(video, "MAX_BYTES", 184_320)
    assert len(read_video(path).frames) == 20


def test_tags_in_another_encoding_are_no_reason_to_refuse(write_avi, clip):
    path = write_avi(clip)
    data = path.read_bytes()
    info = b"LIST" + struct.pack("<I", 18) + b"INFOINAM" + struct.pack("<I", 6) + b"caf\xe9\xd3\0"
    path.write_bytes(b"RIFF" + struct.pack("<I", len(data) - 8 + len(info)) + data[8:] + info)
    assert torch.equal(read_video(path).frames, clip)


def test_a_path_in_an_error_is_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(VideoError) as caught:
        scan("nowhere.mp4")
    assert str(caught.value).startswith(str(tmp_path / "nowhere.mp4"))


# Nothing reads more than it needs.


@pytest.fixture
def decoded(monkeypatch):
    """How many frames each reading has had decoded."""
    counts = []
    close = Recording.close
    monkeypatch.setattr(Recording, "close", lambda self: (counts.append(self.decoded), close(self))[1])
    return counts


def test_decoding_stops_at_the_last_wanted_frame(write_avi, clip, decoded):
    read_video(write_avi(clip), torch.tensor([1, 4]))
    assert decoded == [5]
    assert read_video(write_avi(clip), torch.tensor([1])).info.num_frames == 12  # a scan of its own, when asked


LONG = 400


@pytest.fixture(scope="module", params=["closed.mp4", "open_gop.mkv", "vp9.webm", "mpeg4.mp4"])
def long_film(request, tmp_path_factory):
    """400 frames with a key frame every 50 or so, B-frames in most of them, and all of them as they decode in turn."""
    path = tmp_path_factory.mktemp("long") / request.param
    kind = path.stem
    codec = {"vp9": "libvpx-vp9", "mpeg4": "mpeg4"}.get(kind, "libx264")
    x264 = f"keyint=50:min-keyint=50:scenecut=0:bframes=3:open-gop={int(kind == 'open_gop')}"
    options = {
        "libx264": {"x264-params": x264},
        "libvpx-vp9": {"g": "50", "deadline": "realtime", "cpu-used": "8"},
        "mpeg4": {"g": "50", "bf": "2"},
    }
    zoo.write(path, (zoo.waves(t, 32, 48) for t in range(LONG)), codec, rate=25, options=options[codec])
    return path, torch.stack(list(iter_frames(path)))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=st.lists(st.integers(0, LONG - 1), min_size=1, max_size=6))
def test_any_pick_is_that_of_a_full_reading(long_film, wanted):
    path, every = long_film
    assert len(every) == LONG
    wanted = torch.tensor(wanted)
    assert torch.equal(read_video(path, wanted).frames, every[wanted])


def test_few_frames_of_a_long_film_come_by_way_of_key_frames(long_film, decoded):
    path, every = long_film
    assert torch.equal(read_video(path, torch.tensor([355, 399])).frames, every[[355, 399]])
    assert sum(decoded) < 120  # of 400


def test_a_beyond_is_told_for_sparse_picks_too(long_film):
    with pytest.raises(VideoError, match="expected a frame 400; got 400 frames, 0 to 399"):
        read_video(long_film[0], torch.tensor([5, 400]))


def test_key_frames_that_lie_are_passed_over(long_film, monkeypatch):
    """Where the file does not give what its packets promise, it is read in turn."""
    path, every = long_film
    landmarks = Recording._landmarks

    def lying(self):
        stamps, keys = landmarks(self)
        return [stamp + (stamp not in keys) for stamp in stamps], keys

    monkeypatch.setattr(Recording, "_landmarks", lying)
    assert torch.equal(read_video(path, torch.tensor([355, 399])).frames, every[[355, 399]])


@pytest.fixture(scope="module")
def open_gops(tmp_path_factory):
    """300 frames in groups of 50 that lean on the group before."""
    options = {"x264-params": "keyint=50:min-keyint=50:scenecut=0:bframes=3:open-gop=1"}
    path = tmp_path_factory.mktemp("open") / "film.mp4"
    return zoo.write(path, (zoo.waves(t, 32, 48) for t in range(300)), rate=25, options=options)


def test_a_cut_that_begins_with_frames_that_lean_on_others_is_numbered_by_what_shows(open_gops, tmp_path):
    begun = []

    def from_the_second_key_frame(number, packet):
        begun.extend([number] if packet.is_keyframe and number else [])
        return bool(begun)

    path = zoo.remux(open_gops, tmp_path / "cut.mkv", from_the_second_key_frame)
    every = read_video(path).frames
    with av.open(str(path)) as container:
        assert sum(packet.size > 0 for packet in container.demux(video=0)) > len(every)  # some packets show nothing
    for index in (70, 160, len(every) - 1):
        assert torch.equal(read_video(path, torch.tensor([index])).frames[0], every[index])


def test_time_stamps_in_the_order_of_decoding_are_not_relied_on(open_gops, tmp_path):
    def presented_as_decoded(number, packet):
        packet.pts = packet.dts
        return True

    path = zoo.remux(open_gops, tmp_path / "stamped.mkv", presented_as_decoded)
    every = read_video(path).frames
    for index in (70, 161, 298):
        assert torch.equal(read_video(path, torch.tensor([index])).frames[0], every[index])


def test_whoever_allows_damage_gets_the_frames_before_it(open_gops, tmp_path):
    data = bytearray(open_gops.read_bytes())
    with av.open(str(open_gops)) as container:
        hit = [packet for packet in container.demux(video=0) if packet.size][120]
        data[hit.pos : hit.pos + hit.size] = bytes(hit.size)
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    with pytest.raises(VideoError, match="expected every frame to decode"):
        read_video(path)
    kept = read_video(path, allow_damaged=True)
    assert kept.info.fps == 25
    kept = kept.frames
    assert 100 < len(kept) < 130
    with pytest.raises(VideoError, match=f"expected a frame 299; got {len(kept)} frames"):
        read_video(path, torch.tensor([299]), allow_damaged=True)


def test_a_hevc_frame_that_is_lost_is_damage(tmp_path):
    """FFmpeg's decoder only writes to its log."""
    options = {"x265-params": "log-level=none:keyint=10"}
    path = zoo.write(tmp_path / "film.mp4", map(zoo.waves, range(60)), "libx265", options=options)
    assert scan(path).num_frames == 60
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        hit = [packet for packet in container.demux(video=0) if packet.size][25]
        data[hit.pos + 4 : hit.pos + hit.size] = bytes(hit.size - 4)
    path.write_bytes(data)
    with pytest.raises(VideoError, match="expected every frame to decode; got one in the middle that does not"):
        scan(path)
    assert scan(path, allow_damaged=True).num_frames < 60


def test_photos_that_know_of_their_camera_are_read(tmp_path):
    """PyAV does not know the kind of side data that holds EXIF."""
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    picture = Image.fromarray(zoo.waves(0))
    picture.save(tmp_path / "photo.jpg", exif=exif, quality=95)
    frames = read_video(tmp_path / "photo.jpg").frames
    assert frames.shape == (1, 3, 48, 64)
    assert off(frames.permute(0, 2, 3, 1).numpy(), [np.asarray(picture)]) < 3


def test_no_frame_stays_in_memory(tmp_path):
    path = zoo.write(tmp_path / "film.mp4", map(zoo.waves, range(5)))
    read_video(path)
    gc.collect()
    gc.disable()
    try:
        read_video(path)
        frames = [thing for thing in gc.get_objects() if type(thing) is av.VideoFrame]
        assert [frame for frame in frames if frame.width > 16] == []
    finally:
        gc.enable()


def test_an_avi_that_counts_ticks_is_whole(tmp_path):
    seconds = [t / 20 + (t > 10) for t in range(40)]
    film = zoo.write(tmp_path / "film.webm", map(zoo.waves, range(40)), "libvpx", rate=1000, seconds=seconds)
    path = zoo.remux(film, tmp_path / "film.avi")
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames > 1000  # milliseconds
    assert scan(path).num_frames == 40


def test_files_are_closed(tmp_path, monkeypatch):
    path = zoo.write(tmp_path / "film.mp4", map(zoo.waves, range(5)))
    opened, closed = [], []
    begin, close = Recording.__init__, Recording.close
    monkeypatch.setattr(Recording, "__init__", lambda self, *a, **k: (opened.append(self), begin(self, *a, **k))[1])
    monkeypatch.setattr(Recording, "close", lambda self: (closed.append(self), close(self))[1])
    scan(path), read_video(path), read_video(path, torch.tensor([1]))
    frames = iter_frames(path)
    next(frames)
    frames.close()
    with pytest.raises(VideoError):
        read_video(path, torch.tensor([99]))
    assert set(map(id, opened)) == set(map(id, closed))
    assert len(opened) == 7


def test_a_piece_of_a_large_film_takes_little_memory(tmp_path):
    """All frames of this one would take 62 MB. What FFmpeg itself holds, `test_no_frame_stays_in_memory` looks at."""
    flat = np.full((540, 960, 3), 90, np.uint8)
    path = zoo.write(tmp_path / "film.mp4", (flat for _ in range(40)), rate=30, options={"preset": "ultrafast"})
    tracemalloc.start()
    frames = read_video(path, torch.arange(20, 36), short_side=120).frames
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert frames.shape == (16, 3, 120, 213)
    assert peak < 1.5 * frames.numel()
