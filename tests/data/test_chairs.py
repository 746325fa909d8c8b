import shutil
import struct

import numpy as np
import pytest
import small_sets
import torch
import torchvision
from PIL import Image
from small_sets import HEIGHT, WIDTH, picture, truth, write_ppm

from labkit.data import FlyingChairs, PhotoError
from labkit.flow import FlowFileError, backward_warp
from labkit.metrics import end_point_error
from labkit.world import FlowPairs


@pytest.fixture
def root(tmp_path, monkeypatch):
    return small_sets.chairs(tmp_path, monkeypatch)


def file(root, name):
    return root / "FlyingChairs_release/data" / name


def test_parts_are_those_of_the_official_list(root):
    train, test, both = (FlyingChairs(root, part) for part in ("train", "test", "all"))
    assert (train.names, test.names) == (["00001", "00003", "00004"], ["00002"])
    assert both.names == [pair.name for pair in both] == ["00001", "00002", "00003", "00004"]
    assert train.groups.tolist() == [pair.group for pair in train] == [1, 3, 4]
    assert train.labels.tolist() == [pair.label for pair in train] == [0, 0, 0]
    assert train.multi_hot.tolist() == [[True]] * 3
    assert len(train.subset([2]).map(lambda pair: pair.frames([0, 1]))) == 1


def test_a_pair_is_a_clip_of_two_frames_with_their_flow(root):
    pair = FlyingChairs(root)[1]
    assert pair.num_frames == 2
    assert torch.equal(pair.frames([0, 1]), torch.stack([picture(3), picture(-3)]))
    assert torch.equal(pair.frames([1, 0, 1]), torch.stack([picture(-3), picture(3), picture(-3)]))
    assert torch.equal(pair.flow([0]), truth(3)[None])
    assert pair.flow(torch.tensor([0, 0])).shape == (2, 2, HEIGHT, WIDTH)
    assert pair.valid([0]).dtype == torch.bool
    assert pair.valid([0]).all()
    assert pair.frames([]).shape == (0, 3, HEIGHT, WIDTH)
    assert pair.flow([]).shape == (0, 2, HEIGHT, WIDTH)
    assert pair.valid([]).shape == (0, HEIGHT, WIDTH)
    for ask, wrong in ((pair.frames, 2), (pair.flow, 1), (pair.valid, -1)):
        with pytest.raises(IndexError, match=f"indices of 00003 must lie within 0 to [01]; got {wrong}"):
            ask([wrong])
    with pytest.raises(FileNotFoundError, match="00003: expected its backward flow; got none, its makers have not"):
        pair.flow([1], backward=True)
    with pytest.raises(FileNotFoundError, match="00003: expected a mask of what is hidden; got none, the set has no"):
        pair.occluded([0])


def test_pairs_of_the_world_are_asked_the_same_way(root):
    for pair in (FlyingChairs(root)[0], FlowPairs(seed=1000, size=32, number=5)[0]):
        assert (pair.num_frames, pair.label, pair.labels) == (2, 0, (0,))
        flow, valid = pair.flow([0]), pair.valid([0])
        assert pair.frames([0, 1]).shape[1:] == (3, *flow.shape[-2:])
        assert valid.shape == (1, *flow.shape[-2:])
        assert end_point_error(torch.zeros_like(flow), flow, valid) > 0
    assert FlyingChairs.classes == FlowPairs.classes


def test_torchvision_reads_the_same(root):
    (root / "FlyingChairs").symlink_to(root / "FlyingChairs_release")
    shutil.copy(root / "FlyingChairs_train_val.txt", root / "FlyingChairs")
    theirs = torchvision.datasets.FlyingChairs(str(root))
    ours = FlyingChairs(root)
    assert len(ours) == len(theirs) == 3
    for pair, (first, second, flow) in zip(ours, theirs, strict=True):
        assert np.array_equal(pair.frames([0, 1]).permute(0, 2, 3, 1).numpy(), [np.array(first), np.array(second)])
        assert np.array_equal(pair.flow([0])[0].numpy(), flow)


# What is wrong with it.


@pytest.mark.parametrize("name", ["00003_img2.ppm", "00003_flow.flo"])
def test_a_missing_partner_is_an_error_or_leaves_the_pair_out(root, name):
    file(root, name).unlink()
    with pytest.raises(
        FileNotFoundError,
        match=rf"FlyingChairs, train: expected 3 pairs in .*data; got 2, 1 are missing: {name}. Run python "
        r"data_scripts/flying_chairs.py .*, or pass missing=\"skip\" to take those that are there",
    ):
        FlyingChairs(root)
    with pytest.warns(UserWarning, match="FlyingChairs, train: 1 of 3 pairs are not in .*; skipped") as warned:
        pairs = FlyingChairs(root, missing="skip")
    assert warned[0].filename == __file__
    assert pairs.names == ["00001", "00004"]
    assert pairs.num_lacking == 1
    assert pairs.groups.tolist() == [1, 4]
    assert FlyingChairs(root, "test").names == ["00002"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:-8], r"expected 444 bytes for its 9 x 6 pixels; got 436"),  # 12 + 8 * 6 * 9
        (
            lambda data: data[:4] + struct.pack("<ii", HEIGHT, WIDTH) + data[12:],
            r"expected flow for the \(6, 9\) pixels of .*00001_img1.ppm; got \(9, 6\)",
        ),
    ],
)
def test_damaged_flow_is_noticed_when_it_is_read(root, damage, message):
    """What `read_flo` refuses, tests/flow tries."""
    path = file(root, "00001_flow.flo")
    path.write_bytes(damage(path.read_bytes()))
    pair = FlyingChairs(root)[0]
    assert pair.frames([0]).shape == (1, 3, HEIGHT, WIDTH)
    for ask in (pair.flow, pair.valid):
        with pytest.raises(FlowFileError, match=rf"00001_flow.flo: .*{message}"):
            ask([0])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e10])
def test_unknown_flow_is_nan_and_does_not_count(root, value):
    path = file(root, "00001_flow.flo")
    data = bytearray(path.read_bytes())
    data[12 + 8 * (2 * WIDTH + 4) : 16 + 8 * (2 * WIDTH + 4)] = struct.pack("<f", value)  # u of row 2, column 4
    path.write_bytes(data)
    pair = FlyingChairs(root)[0]
    flow, valid = pair.flow([0]), pair.valid([0])
    assert (~valid).nonzero().tolist() == [[0, 2, 4]]
    assert flow[0, :, 2, 4].isnan().all()
    assert torch.equal(flow[:, :, 0], truth(1)[None, :, 0])
    assert end_point_error(truth(1)[None], flow, valid) == 0
    with pytest.raises(ValueError, match="must be finite; got 1 non-finite"):
        end_point_error(truth(1)[None], flow)


def test_a_damaged_picture_is_noticed(root):
    path = file(root, "00001_img2.ppm")
    path.write_bytes(path.read_bytes()[:-30])
    pair = FlyingChairs(root)[0]
    assert pair.frames([0]).shape == (1, 3, HEIGHT, WIDTH)
    with pytest.raises(PhotoError, match=r"00001_img2.ppm: expected a photo that decodes"):
        pair.frames([1])
    file(root, "00001_img1.ppm").write_bytes(b"P6\n")
    for ask in (pair.frames, pair.flow):
        with pytest.raises(PhotoError, match=r"00001_img1.ppm: expected a photo that decodes"):
            ask([0])


def test_frames_of_two_sizes_are_an_error(root):
    write_ppm(file(root, "00001_img2.ppm"), picture(0, HEIGHT, WIDTH + 1))
    with pytest.raises(ValueError, match=r"00001_img2.ppm: expected \(6, 9\) pixels, as in .*_img1.ppm; got \(6, 10\)"):
        FlyingChairs(root)[0].frames([0, 1])


@pytest.mark.parametrize("text", ["1\n2\n1\n", "1\n2\n1\n3\n"])
def test_a_list_that_is_not_as_it_should_be_is_an_error(root, text):
    (root / "FlyingChairs_train_val.txt").write_text(text)
    with pytest.raises(ValueError, match=r"FlyingChairs_train_val.txt: expected 4 lines, each 1 or 2; got \d"):
        FlyingChairs(root)


def test_a_missing_list_and_wrong_arguments_are_explained(root):
    with pytest.raises(ValueError, match='part must be "train", "test" or "all"; got \'val\''):
        FlyingChairs(root, "val")
    with pytest.raises(ValueError, match='missing must be "error" or "skip"'):
        FlyingChairs(root, missing=True)
    with pytest.raises(IndexError, match="index must lie within 0 to 2; got 3"):
        FlyingChairs(root)[3]
    (root / "FlyingChairs_train_val.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"train_val.txt: expected the official list .*: run python data_sc"):
        FlyingChairs(root)


# The real pairs.


@pytest.mark.filterwarnings("ignore:FlyingChairs")
def test_real_flow_explains_the_second_frame_and_torchvision_reads_the_same(real_pairs):
    pairs = FlyingChairs(real_pairs / "chairs", missing="skip")
    assert len(pairs) >= 3
    assert "00002" not in pairs.names
    for pair in pairs.subset(range(3)):
        first, second = pair.frames([0, 1]).float()
        flow = pair.flow([0])[0]
        assert first.shape == (3, 384, 512)
        assert pair.valid([0]).all()
        warped, inside = backward_warp(second, flow)
        moves = inside & (flow.norm(dim=0) > 0.5)
        assert (warped - first).abs().mean(0)[moves].median() < 0.4 * (second - first).abs().mean(0)[moves].median()
        assert np.array_equal(flow.numpy(), torchvision.datasets._optical_flow._read_flo(str(pair.truth)))
        assert np.array_equal(pair.frames([0])[0].permute(1, 2, 0).numpy(), np.array(Image.open(pair.images[0])))
