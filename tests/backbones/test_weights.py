import hashlib
import os
import pickle
import subprocess
from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn
from torchvision.models._api import Weights, WeightsEnum

from labkit.backbones import (
    WeightsError,
    card,
    load_weights,
    rounded_to_eight_bits,
    save_weights,
    source_weights,
    torchvision_weights,
    weights,
)

CARD = {"data": "noise", "seed": 3, "accuracy": 0.75}


class Tied(nn.Module):
    """Two names for one parameter, a BatchNorm with a counter, and a scalar."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = nn.Linear(4, 4)
        self.second.weight = self.first.weight
        self.norm = nn.BatchNorm1d(4)
        self.scale = nn.Parameter(torch.tensor(2.0))


def network(classes=3, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, classes))


def same(first, second):
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_what_is_saved_comes_back_with_its_card(tmp_path):
    path = tmp_path / "net.safetensors"
    saved, loaded = network(seed=0), network(seed=1)
    written = save_weights(path, saved, CARD)
    assert load_weights(loaded, path) == card(path) == written
    assert same(saved, loaded)
    assert {**written, **CARD} == written
    assert len(written["hash"]) == 64
    assert list(tmp_path.iterdir()) == [path]
    again, other = (save_weights(path, network(seed=seed), {**CARD, "seed": 9})["hash"] for seed in (0, 1))
    assert written["hash"] == again != other  # of the weights alone


def test_shared_parameters_and_scalars_survive(tmp_path):
    saved, loaded = Tied(), Tied()
    nn.init.normal_(saved.first.weight)
    save_weights(tmp_path / "tied.safetensors", saved, CARD)
    load_weights(loaded, tmp_path / "tied.safetensors")
    assert same(saved, loaded)
    assert loaded.first.weight is loaded.second.weight


def test_a_card_says_what_it_must(tmp_path):
    path = tmp_path / "net.safetensors"
    with pytest.raises(ValueError, match="needs data and seed; got none for data"):
        save_weights(path, network(), {"seed": 1})
    with pytest.raises(ValueError, match="must not bring its own hash"):
        save_weights(path, network(), {**CARD, "hash": "0"})
    with pytest.raises(ValueError, match=r"must end in \.safetensors; got net\.pth"):
        save_weights(tmp_path / "net.pth", network(), CARD)
    with pytest.raises(TypeError):
        save_weights(path, network(), {**CARD, "device": torch.device("cpu")})
    with pytest.raises(WeightsError, match=r"cannot be written .*No such file"):
        save_weights(tmp_path / "nowhere" / path.name, network(), CARD)
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_fit_is_named_and_nothing_is_loaded(tmp_path):
    path = tmp_path / "net.safetensors"
    save_weights(path, nn.Sequential(*network(), nn.Linear(3, 3)), CARD)
    module, before = network(classes=5), network(classes=5)
    with pytest.raises(WeightsError) as caught:
        load_weights(module, path)
    message = str(caught.value)
    assert "must fit Sequential exactly" in message
    assert "2 unknown to the module: 4.weight, 4.bias" in message or "4.bias, 4.weight" in message
    assert "3.weight (module (5, 4), file (3, 4))" in message
    assert same(module, before)
    save_weights(path, nn.Sequential(network()[0]), CARD)
    with pytest.raises(WeightsError, match=r"7 missing from the file: .* and 1 more"):
        load_weights(module, path)


def test_a_part_that_starts_afresh_is_named_by_the_caller(tmp_path):
    path = tmp_path / "net.safetensors"
    saved, module = network(classes=3, seed=0), network(classes=5, seed=1)
    save_weights(path, saved, CARD)
    fresh = module[3].weight.clone()
    load_weights(module, path, skip=("3",))
    assert torch.equal(module[0].weight, saved[0].weight)
    assert torch.equal(module[3].weight, fresh)
    with pytest.raises(ValueError, match="skip must name parts of the module; got 'classifier'"):
        load_weights(module, path, skip=("classifier",))
    with pytest.raises(ValueError, match="skip must be a collection"):
        load_weights(module, path, skip="3")


def test_other_strides_have_to_be_asked_for(tmp_path):
    """The tensors of a convolution do not tell its stride."""

    def net(*strides):
        return nn.Sequential(nn.Conv2d(3, 4, 3, strides[0]), nn.Conv2d(4, 4, 3, strides[1]), nn.Linear(4, 2))

    path = tmp_path / "net.safetensors"
    saved, module = net(2, 1), net(2, (1, 2))
    assert save_weights(path, saved, CARD)["strides"] == {"0": [2, 2]}
    before = module[0].weight.clone()
    with pytest.raises(WeightsError, match=r"1 of another stride: 1 \(module \[1, 2\], file 1\).*other_strides=True"):
        load_weights(module, path)
    with pytest.raises(WeightsError, match=r"0 \(module 1, file \[2, 2\]\)"):
        load_weights(net(1, 1), path)
    assert torch.equal(module[0].weight, before)
    load_weights(module, path, other_strides=True)
    assert same(module, saved)
    load_weights(net(2, 2), path, skip=("1",))  # starts afresh, so its stride does not matter
    with pytest.raises(ValueError, match="must not bring its own strides"):
        save_weights(path, saved, {**CARD, "strides": {}})


def test_every_byte_of_the_tensors_is_guarded(tmp_path):
    path = tmp_path / "net.safetensors"
    save_weights(path, network(), CARD)
    good, module, before = path.read_bytes(), network(seed=1), network(seed=1)
    for place in (len(good) - 1, len(good) - 500):
        bad = bytearray(good)
        bad[place] ^= 1
        path.write_bytes(bad)
        with pytest.raises(WeightsError, match=r"hash of its card|complete safetensors"):
            load_weights(module, path)
    for size in (0, 100, len(good) - 1):
        path.write_bytes(good[:size])
        with pytest.raises(WeightsError, match="must be a complete safetensors file"):
            load_weights(module, path)
        with pytest.raises(WeightsError, match="must be a complete safetensors file"):
            card(path)
    assert same(module, before)


class Surprise:
    def __reduce__(self):
        return os.mkdir, ("ran",)


def test_anything_but_a_state_dict_is_refused_and_runs_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path, module = Path("net.pth"), network()
    with pytest.raises(FileNotFoundError, match=r"weights must be a file; got net\.pth"):
        load_weights(module, path)
    path.write_bytes(pickle.dumps(Surprise(), protocol=2))
    with pytest.raises(WeightsError, match="without running code"):
        load_weights(module, path)
    torch.save({"weight": Surprise()}, path)
    with pytest.raises(WeightsError, match="without running code"):
        load_weights(module, path)
    assert not Path("ran").exists()
    torch.save({"epoch": 3, "state_dict": network().state_dict()}, path)
    with pytest.raises(WeightsError, match="names and tensors only; got epoch, state_dict"):
        load_weights(module, path)
    torch.save([torch.zeros(1)], path)
    with pytest.raises(WeightsError, match="must be a dict of tensors; got list"):
        load_weights(module, path)
    torch.save(network().state_dict(), path)
    complete = path.read_bytes()
    for size in (0, len(complete) - 10):
        path.write_bytes(complete[:size])
        with pytest.raises(WeightsError, match="damaged"):
            load_weights(module, path)
    Path("net.h5").touch()
    with pytest.raises(WeightsError, match=r"must be \.safetensors, \.pth or \.pt"):
        load_weights(module, "net.h5")


def test_a_file_of_others_loads_and_can_be_pinned_by_its_hash(tmp_path):
    path = tmp_path / "net.pth"
    torch.save(network(seed=0).state_dict(), path)
    module = network(seed=1)
    assert load_weights(module, path) == {}  # others write no cards
    assert same(module, network(seed=0))
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    load_weights(network(), path, sha256=found)
    load_weights(network(), path, sha256=found[:8])
    with pytest.raises(WeightsError, match="must have a SHA-256 that begins with 00000000"):
        load_weights(network(), path, sha256="00000000")
    with pytest.raises(ValueError, match="8 to 64 digits"):
        load_weights(network(), path, sha256="")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty hub folder of torch, and weights that lie on a "server", a folder."""
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    server = tmp_path / "server"
    server.mkdir()
    torch.save(network(seed=7).state_dict(), server / "net.pth")
    digest = hashlib.sha256((server / "net.pth").read_bytes()).hexdigest()
    file = (server / "net.pth").rename(server / f"net-{digest[:8]}.pth")

    class NetWeights(WeightsEnum):
        V1 = Weights(url=file.as_uri(), transforms=lambda: None, meta={"categories": ["a", "b", "c"]})

    return NetWeights.V1, tmp_path / "home/hub/checkpoints" / file.name


def build(weights=None, num_classes=1000):
    assert weights is None
    return network(classes=num_classes)


def test_missing_torchvision_weights_say_where_they_belong_and_how_to_get_them(hub):
    weights, place = hub
    with pytest.raises(FileNotFoundError) as caught:
        torchvision_weights(build, weights)
    message = str(caught.value)
    assert f"must be in {place}" in message
    assert f"curl -L -o '{place}' '{weights.url}'" in message
    assert not place.exists()
    command = message.split("run: ")[1].split("   (or")[0]
    subprocess.run(command, shell=True, check=True, capture_output=True)  # the command of the message is enough
    assert same(torchvision_weights(build, weights), network(seed=7))


def test_torchvision_weights_are_fetched_when_asked_and_kept_and_refused_if_damaged_or_wrong(hub):
    weights, place = hub
    assert same(torchvision_weights(build, weights, download=True), network(seed=7))
    Path(weights.url.removeprefix("file://")).unlink()  # the server is gone, the file is kept
    assert same(torchvision_weights(build, weights), network(seed=7))
    with pytest.raises(WeightsError, match=r"3\.weight \(module \(9, 4\), file \(3, 4\)\)"):
        torchvision_weights(build, weights, num_classes=9)
    place.write_bytes(place.read_bytes()[:-1])
    with pytest.raises(WeightsError, match="must have a SHA-256 that begins with"):
        torchvision_weights(build, weights)
    with pytest.raises(TypeError, match=r"must be an entry such as .*; got 'DEFAULT'"):
        torchvision_weights(build, "DEFAULT")


REAL = os.environ.get("LABKIT_REAL_DATA")


@pytest.mark.skipif(not REAL, reason="set LABKIT_REAL_DATA to a folder with weights/")
def test_real_weights_load_strictly():
    module = torchvision.models.squeezenet1_0()
    before = module.features[0].weight.clone()
    assert load_weights(module, Path(REAL, "weights/squeezenet1_0_rgb_imagenet_norm.pth")) == {}
    assert not torch.equal(module.features[0].weight, before)


def test_eight_bits_take_a_quarter_of_the_space_and_change_little(tmp_path):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 64, 5), nn.BatchNorm2d(64), nn.Flatten(), nn.Linear(64, 100))
    with torch.no_grad():
        net[0].weight[0], net[3].weight[1] = 0.0, 1000.0
        net[3].weight[2, :3] = torch.tensor([-127.0, 64.0, 0.4])
        net[3].weight[2, 3:] = 0.0
    rounded = rounded_to_eight_bits(net.state_dict())
    assert rounded["3.weight"][2, :4].tolist() == [-127, 64, 0, 0], "a step of 1: the largest value is 127 steps"
    assert not rounded["0.weight"][0].any()
    largest = net[0].weight.detach().abs().amax((1, 2, 3))
    assert ((rounded["0.weight"] - net[0].weight).abs().amax((1, 2, 3)) <= largest / 254 + 1e-7).all()
    assert torch.equal(rounded["3.bias"], net[3].bias), "what has one dimension stays as it is"

    sizes = {}
    for name, eight in (("eight", True), ("whole", False)):
        saved = save_weights(tmp_path / f"{name}.safetensors", net, CARD, eight_bits=eight)
        sizes[name] = (tmp_path / f"{name}.safetensors").stat().st_size
        loaded = nn.Sequential(nn.Conv2d(3, 64, 5), nn.BatchNorm2d(64), nn.Flatten(), nn.Linear(64, 100))
        assert load_weights(loaded, tmp_path / f"{name}.safetensors") == saved
        wanted = rounded if eight else net.state_dict()
        assert all(torch.equal(value, wanted[key]) for key, value in loaded.state_dict().items())
    assert sizes["eight"] < 0.4 * sizes["whole"]


def test_source_weights_are_counted_modulo_those_there_are(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "SOURCE_FOLDER", tmp_path)
    assert source_weights("resnet", 5).name == "resnet.things.0.safetensors", "there is none: reading it will tell"
    for number in range(3):
        (tmp_path / f"resnet.things.{number}.safetensors").touch()
    assert [source_weights("resnet", seed).name[14] for seed in (0, 2, 3, 1004)] == ["0", "2", "0", "2"]
    assert source_weights("flownet", source="chairs").name == "flownet.chairs.0.safetensors"
