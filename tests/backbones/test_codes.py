import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import safetensors.torch
import torch
from fakes import FakeClip, FakeClips
from torch import nn

from labkit.backbones import save_weights
from labkit.backbones.codes import (
    ALEXNET_FC6,
    ALEXNET_FC7,
    Codes,
    CodesError,
    FrameCoder,
    alexnet_coder,
    extract_codes,
    load_codes,
    save_codes,
    storage_table,
)


def clip(number):
    sizes = {"num_frames": 9 + number, "height": 12 + 2 * number, "width": 16}
    return FakeClip(**sizes, label=number % 2, seed=number, name=f"clip{number}", group=number)


CLIPS = FakeClips(map(clip, range(5)), ("walk", "wave"))
THREE = torch.tensor([0, 4, 8])


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Dropout(0.5), nn.Linear(4 * 6 * 6, 7), nn.ReLU()
    )


@pytest.fixture
def coder():
    return FrameCoder(network(), "4", size=(8, 8), mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 0.2))


@pytest.fixture
def codes(coder):
    return extract_codes(CLIPS, coder, lambda clip: THREE, progress=False)


def test_codes_by_hand(coder):
    frames = torch.randint(0, 256, (5, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
    images = frames.numpy().astype(np.float64) / 255
    images = (images - np.array([0.1, 0.2, 0.3])[:, None, None]) / np.array([0.5, 0.25, 0.2])[:, None, None]
    conv, linear = coder.network[0], coder.network[4]
    with torch.no_grad():
        maps = conv.double()(torch.from_numpy(images)).relu()
        before = linear.double()(maps.flatten(1)).float()
        conv.float(), linear.float()
    assert (before < 0).any()
    torch.testing.assert_close(coder(frames), before.relu())
    torch.testing.assert_close(replace(coder, rectify=False)(frames), before)
    torch.testing.assert_close(replace(coder, layer="0")(frames), maps.float().flatten(1))  # keeps the locations
    torch.testing.assert_close(coder(frames, batch=2), coder(frames))


def test_the_whole_frame_is_warped_to_the_size_of_the_network(coder):
    left = torch.zeros(1, 3, 20, 40, dtype=torch.uint8)
    left[..., :20] = 200  # the left half is bright, the right one dark
    small = coder.resize(left)
    assert small.shape == (1, 3, 8, 8)
    assert small.dtype == torch.uint8
    assert (small[..., :3] == 200).all()
    assert (small[..., 5:] == 0).all()
    stripes = torch.tensor([0, 200], dtype=torch.uint8).repeat(20).expand(1, 3, 20, 40)
    assert (coder.resize(stripes)[..., 1:-1].float() - 100).abs().max() < 10  # smoothed: no stripe is left out


def test_the_network_is_frozen_and_comes_back_as_it_was(coder):
    net = coder.network
    net.train()
    net[0].eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    frames = CLIPS[0].frames(THREE)
    first, again = coder(frames), coder(frames)
    assert torch.equal(first, again)  # no dropout
    assert not first.requires_grad
    assert [module.training for module in net] == [False, True, True, True, True, True]
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    nn.Linear(7, 2)(first).sum().backward()  # codes can be trained upon: they are no inference tensors
    net.eval()
    codes = coder.differentiable(frames)
    torch.testing.assert_close(codes.detach(), first)
    codes.sum().backward()
    assert net[0].weight.grad.any()


def test_a_set_of_clips_of_any_sizes(coder, codes):
    assert codes.codes.shape == (5, 3, 7)
    for number, clip in enumerate(CLIPS):
        torch.testing.assert_close(codes.codes[number], coder(clip.frames(THREE)))
        assert codes[number][1] == clip.label
    assert codes.names == tuple(f"clip{number}" for number in range(5))
    assert codes.classes == ("walk", "wave")
    assert codes.groups.tolist() == [0, 1, 2, 3, 4]
    assert torch.equal(codes.indices, THREE.expand(5, 3))
    assert codes.source == coder.source()


def test_workers_make_no_difference(coder, codes):
    state = torch.get_rng_state()
    others = extract_codes(CLIPS, coder, lambda clip: THREE, progress=False, workers=1)
    torch.testing.assert_close(others.codes, codes.codes)
    assert others.names == codes.names
    assert torch.equal(torch.get_rng_state(), state)


def test_frames_can_be_read_another_way(coder, codes):
    read = lambda clip, indices: clip.frames(indices) // 2  # noqa: E731
    dark = extract_codes(CLIPS, coder, lambda clip: THREE, read=read, progress=False)
    torch.testing.assert_close(dark.codes[2], coder(CLIPS[2].frames(THREE) // 2))
    assert not torch.allclose(dark.codes, codes.codes)


def test_some_of_the_codes(codes):
    some = codes.subset([3, 0])
    assert some.names == ("clip3", "clip0")
    assert torch.equal(some.codes, codes.codes[[3, 0]])
    assert some.labels.tolist() == [1, 0]
    assert some.groups.tolist() == [3, 0]
    assert some.classes == codes.classes
    assert codes.subset(torch.tensor([4])).names == ("clip4",)
    assert torch.equal(codes.named(["clip3", "clip0"]).codes, some.codes)
    with pytest.raises(CodesError, match=r"must be of 3 clips; 2 are not among them, clip9 the first: extract"):
        codes.named(["clip0", "clip9", "clip8"])
    joined = Codes.concatenate([codes.subset([3]), codes.subset([0])])
    assert (joined.names, joined.classes, joined.source) == (some.names, codes.classes, codes.source)
    for name in ("codes", "labels", "groups", "indices"):
        assert torch.equal(getattr(joined, name), getattr(some, name))


def test_what_is_saved_comes_back(tmp_path, coder, codes):
    path = tmp_path / "codes.safetensors"
    save_codes(path, codes)
    loaded = load_codes(path, coder.source())
    for name in ("codes", "labels", "groups", "indices"):
        assert torch.equal(getattr(loaded, name), getattr(codes, name))
    assert (loaded.names, loaded.classes, loaded.source) == (codes.names, codes.classes, codes.source)
    assert list(tmp_path.iterdir()) == [path]


def test_codes_of_another_network_are_refused(tmp_path, coder, codes):
    path = tmp_path / "codes.safetensors"
    save_codes(path, codes)
    with pytest.raises(CodesError, match=r"differs in layer \(layer there: 4, here: 0\)"):
        load_codes(path, replace(coder, layer="0").source())
    with torch.no_grad():
        coder.network[0].bias[1] += 1e-3
    with pytest.raises(CodesError, match=r"differs in hash \(hash there: "):
        load_codes(path, coder.source())
    assert load_codes(path).names == codes.names
    card = save_weights(tmp_path / "network.safetensors", coder.network, {"data": "noise", "seed": 0})
    assert coder.source()["hash"] == card["hash"]


def test_every_byte_is_guarded(tmp_path, codes):
    path = tmp_path / "codes.safetensors"
    save_codes(path, codes)
    good = path.read_bytes()
    header = 8 + int.from_bytes(good[:8], "little")
    name = good.index(b"clip3") + 4
    for place in (name, header + 1, len(good) - 1):
        bad = bytearray(good)
        bad[place] ^= 1
        path.write_bytes(bad)
        with pytest.raises(CodesError, match="whole file of save_codes"):
            load_codes(path)
    for size in (0, 100, len(good) - 1):
        path.write_bytes(good[:size])
        with pytest.raises(CodesError, match="whole file of save_codes"):
            load_codes(path)


def test_other_files_are_refused(tmp_path, codes):
    path = tmp_path / "codes.safetensors"
    with pytest.raises(FileNotFoundError, match="codes must be a file"):
        load_codes(path)
    save_weights(path, network(), {"data": "noise", "seed": 0})
    with pytest.raises(CodesError, match="format None instead of 'labkit codes 1'"):
        load_codes(path)
    metadata = {"format": "labkit codes 1", "facts": json.dumps({})}
    safetensors.torch.save_file({"codes": torch.zeros(1, 2, 3)}, path, metadata=metadata)
    with pytest.raises(CodesError, match="whole file of save_codes"):
        load_codes(path)
    with pytest.raises(ValueError, match=r"must end in \.safetensors; got codes\.pt"):
        save_codes(tmp_path / "codes.pt", codes)
    with pytest.raises(CodesError, match=r"cannot be written .*No such file"):
        save_codes(tmp_path / "nowhere" / path.name, codes)


def test_the_storage_table_is_that_of_the_paper(tmp_path):
    clip = SimpleNamespace(num_frames=300, frames=lambda indices: torch.zeros(len(indices), 3, 240, 320).byte())
    indices, codes = torch.arange(0, 60, 6), torch.rand(10, 4096)
    original, sampled, coded = storage_table(clip, indices, codes)
    assert (original.dimensions, original.bytes) == ((300, 3, 240, 320), 276_480_000)  # the paper: 275MB
    assert (sampled.dimensions, sampled.bytes) == ((10, 3, 240, 320), 9_216_000)  # 9MB
    assert (coded.dimensions, coded.bytes) == ((10, 4096), 163_840)  # 160kB
    assert coded.megabytes == 0.16384
    path = tmp_path / "codes.safetensors"
    numbers = {"labels": torch.tensor([0]), "groups": torch.tensor([0]), "indices": indices[None]}
    save_codes(path, Codes(codes[None], **numbers, names=("a",), classes=("walk",), source={}))
    assert 0 < path.stat().st_size - coded.bytes < 1000  # so it is on the disk


def test_alexnet_codes(alexnet):
    net, path = alexnet
    frames = torch.randint(0, 256, (2, 3, 60, 80), dtype=torch.uint8)
    fc7, fc6 = FrameCoder(net, ALEXNET_FC7), FrameCoder(net, ALEXNET_FC6)
    images = (fc7.resize(frames) / 255 - torch.tensor(fc7.mean)[:, None, None]) / torch.tensor(fc7.std)[:, None, None]
    with torch.no_grad():
        features = net.avgpool(net.features(images)).flatten(1)
        torch.testing.assert_close(fc6(frames), net.classifier[:3](features))  # up to the ReLU behind fc6
        torch.testing.assert_close(fc7(frames), net.classifier[:6](features))  # up to the ReLU behind fc7
    assert alexnet_coder(path).source() == fc7.source()


UINT8 = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda coder, codes: coder(UINT8[0]), ValueError, r"frames must be \(N, 3, H, W\).*flatten clips first"),
        (lambda coder, codes: coder(UINT8[:0]), ValueError, "at least one frame"),
        (lambda coder, codes: extract_codes(FakeClips([]), coder, lambda clip: THREE), ValueError, "at least one clip"),
        (
            lambda coder, codes: extract_codes(CLIPS, coder, lambda clip: torch.arange(clip.num_frames)),
            ValueError,
            "got 10 for 10 indices in clip1, 9 in clip0",
        ),
        (
            lambda coder, codes: extract_codes(CLIPS, coder, lambda clip: THREE, read=lambda clip, _: UINT8),
            ValueError,
            "got 2 for 3 indices in clip0",
        ),
        (lambda coder, codes: replace(codes, names=("a",)), ValueError, "names must be 5, one a clip; got 1"),
        (lambda coder, codes: replace(codes, labels=torch.zeros(4).long()), ValueError, "labels must be"),
        (lambda coder, codes: replace(codes, codes=codes.codes.double()), TypeError, "codes must be float32"),
        (lambda coder, codes: storage_table(CLIPS[0], THREE, torch.zeros(2, 7)), ValueError, "codes must be"),
    ],
)
def test_wrong_arguments_are_named(coder, codes, call, error, message):
    with pytest.raises(error, match=message):
        call(coder, codes)
