import json
import os
import struct
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from labkit.flow.store import (
    FlowFileError,
    load_flow,
    read_flo,
    save_flow,
    stored_flow_shape,
    write_flo,
)

seeds = st.integers(0, 2**32 - 1)
one_folder = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
REAL = os.environ.get("LABKIT_REAL_DATA")
needs_real_data = pytest.mark.skipif(not REAL, reason="set LABKIT_REAL_DATA to a folder with flow and clips")


def random_flow(*sizes, seed=0):
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(seed))


def smooth_flow(count, height, width, seed):
    """Random values every 16 pixels, joined smoothly."""
    coarse = random_flow(count, 2, height // 16 + 2, width // 16 + 2, seed=seed) * 5
    fine = F.interpolate(coarse, scale_factor=16, mode="bicubic")
    return fine[..., :height, :width].contiguous()


def errors_in_levels(path, flow, **options):
    """Mean and largest round-trip error of the worst component, in 255ths of its range."""
    save_flow(path, flow, **options)
    level = (flow.amax(dim=(-2, -1), keepdim=True) - flow.amin(dim=(-2, -1), keepdim=True)) / 255
    errors = (load_flow(path) - flow).abs() / level
    return errors.mean(dim=(-2, -1)).max().item(), errors.max().item()


@settings(one_folder, max_examples=40)
@given(st.integers(16, 70), st.integers(16, 70), st.sampled_from(["normal", "uniform", "binary", "sparse"]), seeds)
def test_rough_fields_stay_under_the_stated_bound(tmp_path, height, width, kind, seed):
    flow = random_flow(1, 2, height, width, seed=seed)
    flow = {"normal": flow, "uniform": flow.frac(), "binary": flow.sign(), "sparse": flow * (flow > 1.5)}[kind]
    mean, largest = errors_in_levels(tmp_path / "a.flow", flow)
    assert mean < 2.5
    assert largest < 16


@settings(one_folder, max_examples=20)
@given(st.integers(1, 80), st.integers(1, 80), seeds)
def test_smooth_fields_stay_under_the_stated_bound(tmp_path, height, width, seed):
    flow = smooth_flow(2, height + 15, width + 15, seed)
    flow *= torch.tensor([[0.01, 1.0], [100.0, 0.1]])[:, :, None, None]  # each component has a range of its own
    mean, largest = errors_in_levels(tmp_path / "a.flow", flow)
    assert mean < 0.7
    assert largest < 4.5


def test_a_lower_quality_is_smaller_and_worse(tmp_path):
    flow = random_flow(3, 2, 40, 40)
    good = errors_in_levels(tmp_path / "good.flow", flow)
    bad = errors_in_levels(tmp_path / "bad.flow", flow, quality=50)
    assert bad[0] > 2 * good[0]
    assert (tmp_path / "bad.flow").stat().st_size < (tmp_path / "good.flow").stat().st_size


@settings(one_folder, max_examples=30)
@given(st.integers(1, 40), st.integers(1, 40), st.floats(-(2.0**100), 2.0**100, width=32), st.floats(-50, 50, width=32))
@example(5, 7, 0.0, 0.0)
def test_constant_components_come_back_exactly(tmp_path, height, width, dx, dy):
    flow = torch.tensor([dx, dy]).reshape(2, 1, 1).expand(2, height, width)
    save_flow(tmp_path / "a.flow", flow)
    assert torch.equal(load_flow(tmp_path / "a.flow"), flow)


def test_two_levels_by_hand(tmp_path):
    # two halves of whole 8 x 8 blocks at the ends of the range: JPEG loses nothing, so the range must come back
    flow = torch.zeros(2, 8, 16)
    flow[0, :, 8:], flow[1, :, :8] = 3.5, -0.25
    save_flow(tmp_path / "a.flow", flow)
    torch.testing.assert_close(load_flow(tmp_path / "a.flow"), flow, atol=3.5 / 255 + 1e-6, rtol=0)
    with zipfile.ZipFile(tmp_path / "a.flow") as archive:
        assert archive.namelist() == ["flow.json", "00000_x.jpg", "00000_y.jpg"]
        header = json.loads(archive.read("flow.json"))
    assert header == {"format": "labkit flow 1", "shape": [2, 8, 16], "ranges": [[[0.0, 3.5], [-0.25, 0.0]]]}


def test_a_clip_is_one_file_parts_of_which_load_alone(tmp_path):
    flow = smooth_flow(6, 20, 30, seed=2)
    written = [(save_flow(tmp_path / "clip.flow", flow), (tmp_path / "clip.flow").read_bytes())[1] for _ in range(2)]
    assert written[0] == written[1]
    assert [path.name for path in tmp_path.iterdir()] == ["clip.flow"]
    whole = load_flow(tmp_path / "clip.flow")
    assert whole.dtype == torch.float32
    assert whole.shape == stored_flow_shape(tmp_path / "clip.flow") == (6, 2, 20, 30)
    assert torch.equal(load_flow(tmp_path / "clip.flow", 2, 5), whole[2:5])
    assert torch.equal(load_flow(tmp_path / "clip.flow", start=5), whole[5:])
    for start, stop in ((-1, 2), (3, 3), (4, 7)):
        with pytest.raises(ValueError, match=r"start and stop must name fields of .*clip\.flow, from 0 to 6"):
            load_flow(tmp_path / "clip.flow", start, stop)
    save_flow(tmp_path / "single.flow", flow[0])
    single = load_flow(tmp_path / "single.flow")
    assert single.shape == stored_flow_shape(tmp_path / "single.flow") == (2, 20, 30)
    assert torch.equal(single, whole[0])
    with pytest.raises(ValueError, match="from 0 to 1"):
        load_flow(tmp_path / "single.flow", 1)


@pytest.mark.parametrize(
    ("flow", "options", "error", "message"),
    [
        (torch.zeros(3, 4, 4), {}, ValueError, r"flow must be \(2, H, W\)"),
        (torch.zeros(1, 1, 2, 4, 4), {}, ValueError, r"flow must be \(T, 2, H, W\)"),
        (torch.zeros(2, 4, 4).double(), {}, TypeError, "flow must be float32; got float64"),
        (torch.full((2, 4, 4), torch.nan), {}, ValueError, "flow must be finite.*write_flo can"),
        (torch.zeros(2, 4, 0), {}, ValueError, r"shape \(2, 4, 0\)"),
        (torch.zeros(2, 1, 65501), {}, ValueError, "sides 1 to 65500"),
        (torch.zeros(2, 4, 4), {"quality": 101}, ValueError, "quality must be 1 to 100"),
    ],
)
def test_what_cannot_be_saved_is_named(tmp_path, flow, options, error, message):
    with pytest.raises(error, match=message):
        save_flow(tmp_path / "a.flow", flow, **options)
    assert list(tmp_path.iterdir()) == []


# Reading damaged files ------------------------------------------------------------------------------------------------


def flo_bytes(width=3, height=2, magic=202021.25, values=None):
    values = np.arange(2 * width * height, dtype="<f4") if values is None else values
    return struct.pack("<fii", magic, width, height) + values.tobytes()


def jpeg_bytes(levels):
    return cv2.imencode(".jpg", levels, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    path = tmp_path_factory.mktemp("stored") / "a.flow"
    save_flow(path, random_flow(2, 2, 9, 11), quality=80)
    return path.read_bytes(), load_flow(path)


READERS = (load_flow, stored_flow_shape, read_flo)


@pytest.mark.parametrize("read", READERS)
def test_missing_folder_and_empty_are_told_apart(tmp_path, read):
    with pytest.raises(FlowFileError, match=r"nowhere: expected a file; got no file: check the path"):
        read(tmp_path / "nowhere")
    with pytest.raises(FlowFileError, match="expected a file; got a folder"):
        read(tmp_path)
    (tmp_path / "empty").touch()
    with pytest.raises(FlowFileError, match="empty: expected flow; got an empty file"):
        read(tmp_path / "empty")


@pytest.mark.parametrize("read", READERS)
@settings(one_folder, max_examples=30)
@given(st.binary(min_size=1, max_size=300))
def test_other_files_are_refused(tmp_path, read, data):
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(FlowFileError, match="a: expected"):
        read(tmp_path / "a")


@pytest.mark.parametrize("read", READERS)
def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path, monkeypatch, read):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    save_flow(tmp_path / "a.flow", random_flow(2, 4, 4))
    monkeypatch.setattr("io.open", refuse)
    with pytest.raises(FlowFileError, match=r"a.flow: expected a readable file; got Permission denied: check the path"):
        read(tmp_path / "a.flow")


def test_truncation_is_found_at_any_byte_and_a_changed_byte_as_well_where_it_matters(tmp_path):
    path, found = tmp_path / "a.flow", 0
    save_flow(path, random_flow(2, 8, 8))
    data, flow = path.read_bytes(), load_flow(path)
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1 << position % 8
        path.write_bytes(changed)
        try:
            assert torch.equal(load_flow(path), flow), f"byte {position} changed the flow"
        except FlowFileError:
            found += 1
        path.write_bytes(data[:position] or b"0")  # cut off there
        with pytest.raises(FlowFileError, match=r"a\.flow: expected a whole file of save_flow"):
            load_flow(path)
    assert found > 0.7 * len(data)  # the rest are the archive's time stamps and the like


def rewrite(path, **changes):
    """A well-formed archive whose content lies."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    header = json.loads(files["flow.json"]) | {key: value for key, value in changes.items() if key != "files"}
    files |= {"flow.json": json.dumps(header).encode()} | changes.get("files", {})
    with zipfile.ZipFile(path, "w", changes.get("method", zipfile.ZIP_STORED)) as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def huge_jpeg(height=65500, width=65500):
    data = jpeg_bytes(np.zeros((8, 8), np.uint8))
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


@pytest.mark.parametrize(
    "lie",
    [
        {"format": "labkit flow 2"},
        {"shape": [10**9, 2, 10**6, 10**6]},
        {"shape": [2, 2, 9, 12]},
        {"shape": [2.0, 2, 9, 11]},
        {"shape": []},
        {"ranges": [[[0, 1], [0, 1]]]},
        {"ranges": [[[0, float("nan")], [0, 1]]] * 2},
        {"method": zipfile.ZIP_DEFLATED},
        {"shape": [2, 2, 65500, 65500], "files": {"00000_x.jpg": huge_jpeg()}},
        {"files": {"00000_x.jpg": jpeg_bytes(np.zeros((9, 11, 3), np.uint8))}},
        {"files": {"00000_x.jpg": b"\xff\xd8\xff\xd9"}},
        {"files": {"00000_x.jpg": jpeg_bytes(np.zeros((9, 11), np.uint8))[:-30]}},
    ],
)
def test_a_lying_archive_is_refused(tmp_path, stored, lie):
    path = tmp_path / "a.flow"
    path.write_bytes(stored[0])
    rewrite(path)
    assert torch.equal(load_flow(path), stored[1])  # rewriting alone is harmless
    rewrite(path, **lie)
    with pytest.raises(FlowFileError, match=r"a\.flow"):
        load_flow(path)


# Writing --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", [save_flow, write_flo])
def test_paths_that_cannot_be_written_are_named(tmp_path, write):
    with pytest.raises(FlowFileError, match=r"nowhere.a: expected to write .* got No such file or directory"):
        write(tmp_path / "nowhere" / "a", torch.ones(2, 4, 4))
    assert list(tmp_path.iterdir()) == []


# Middlebury's .flo ----------------------------------------------------------------------------------------------------


def test_reading_flo_by_hand(tmp_path):
    values = np.array([1, 2, 3, 4, 5, 6], "<f4")  # three pixels: (1, 2), (3, 4), (5, 6)
    (tmp_path / "a.flo").write_bytes(b"PIEH" + struct.pack("<ii", 3, 1) + values.tobytes())
    assert read_flo(tmp_path / "a.flo").tolist() == [[[1.0, 3.0, 5.0]], [[2.0, 4.0, 6.0]]]


@settings(one_folder, max_examples=20)
@given(st.integers(1, 20), st.integers(1, 20), seeds)
def test_flo_is_lossless_and_opencv_reads_it_the_same(tmp_path, height, width, seed):
    flow = random_flow(2, height, width, seed=seed) * 1e3
    write_flo(tmp_path / "a.flo", flow)
    assert torch.equal(read_flo(tmp_path / "a.flo"), flow)
    assert np.array_equal(cv2.readOpticalFlow(str(tmp_path / "a.flo")), flow.permute(1, 2, 0).numpy())


def test_unknown_flow_is_nan_here_and_1e10_there(tmp_path):
    nan = torch.nan
    flow = torch.tensor([[[1.0, nan, 3.0]], [[4.0, 5.0, nan]]])
    write_flo(tmp_path / "a.flo", flow)
    raw = np.frombuffer((tmp_path / "a.flo").read_bytes()[12:], "<f4")
    assert raw.tolist() == [1.0, 4.0, 1e10, 1e10, 1e10, 1e10]
    expected = torch.tensor([[[1.0, nan, nan]], [[4.0, nan, nan]]])
    torch.testing.assert_close(read_flo(tmp_path / "a.flo"), expected, equal_nan=True)

    for value, known in ((1e9, True), (-1e9, True), (1.1e9, False), (-1.1e9, False), (np.inf, False)):
        (tmp_path / "a.flo").write_bytes(flo_bytes(1, 1, values=np.array([0, value], "<f4")))
        assert torch.isfinite(read_flo(tmp_path / "a.flo")).all().item() is known
        if not known:
            with pytest.raises(ValueError, match="mark unknown flow as NaN"):
                write_flo(tmp_path / "b.flo", torch.full((2, 1, 1), value))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (flo_bytes(magic=202021.0), "starting with PIEH"),
        (b"PIEH", "starting with PIEH"),
        (flo_bytes() + b"0", "expected 60 bytes for its 3 x 2 pixels; got 61"),
        (flo_bytes()[:12], "got 12"),
        (flo_bytes(width=0, height=2, values=np.zeros(0, "<f4")), "0 x 2"),
        (flo_bytes(width=2**31 - 1, height=2**31 - 1, values=np.zeros(12, "<f4")), "2147483647 x 2147483647"),
    ],
)
def test_a_broken_flo_is_named(tmp_path, data, message):
    (tmp_path / "a.flo").write_bytes(data)
    with pytest.raises(FlowFileError, match=f"a.flo: expected .*{message}" if "expected" not in message else message):
        read_flo(tmp_path / "a.flo")


# Real files -----------------------------------------------------------------------------------------------------------


@needs_real_data
def test_real_flo_files_have_their_sizes_and_survive_storage(tmp_path):
    for pattern, size in (("flyingchairs/*.flo", (2, 384, 512)), ("sintel/*/gt/*.flo", (2, 436, 1024))):
        paths = sorted(Path(REAL, "flow").glob(pattern))
        assert paths
        for path in paths:
            flow = read_flo(path)
            assert flow.shape == size
            assert torch.isfinite(flow).all()
            mean, largest = errors_in_levels(tmp_path / "a.flow", flow)
            assert mean < 0.7  # as for smooth fields, except at motion edges
            assert largest < 16
            write_flo(tmp_path / "a.flo", flow)
            assert (tmp_path / "a.flo").read_bytes() == path.read_bytes()
