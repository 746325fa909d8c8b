import itertools
import os
import weakref
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torchvision.transforms.v2.functional import resize

from labkit import vlad
from labkit.backbones import load_weights
from labkit.data import read_photo
from labkit.papers.conv_vlad import (
    GOOGLENET_LAYERS,
    VGG16_LAYERS,
    ConvFeatures,
    conv_features,
    descriptors,
    encode,
    googlenet,
    multi_scale,
    patches_of,
    sample_features,
    sift_features,
    vgg16,
    vocabularies,
)
from labkit.retrieval import listed, ranking, retrieval_map

TABLE_2_1_GOOGLENET = {
    "pool1-norm1": (56, 64),
    "conv2-norm2": (28, 192),
    "Inception 3a": (28, 256),
    "Inception 3b": (28, 480),
    "Inception 4a": (14, 512),
    "Inception 4b": (14, 512),
    "Inception 4c": (14, 512),
    "Inception 4d": (14, 528),
    "Inception 4e": (14, 832),
    "Inception 5a": (7, 832),
    "Inception 5b": (7, 1024),
}
TABLE_2_1_VGG16 = {  # as printed, but for conv2_3, which there is not
    "conv2_1": (112, 128),
    "conv2_2": (112, 128),
    "conv3_1": (56, 256),
    "conv3_2": (56, 256),
    "conv3_3": (56, 256),
    "conv4_1": (28, 512),
    "conv4_2": (28, 512),
    "conv4_3": (28, 512),
    "conv5_1": (14, 512),
    "conv5_2": (14, 512),
    "conv5_3": (14, 512),
}


def photos(count, seed=0, height=50, width=70):
    """Smooth random images, none the same."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(count, 3, 7, 9, generator=generator)
    return list(F.interpolate(noise, (height, width), mode="bicubic").clamp(0, 1).mul(255).to(torch.uint8))


class Plain(nn.Module):
    """Two convolutions and a pooling, whose feature maps are easily worked out by hand."""

    def __init__(self):
        super().__init__()
        self.low = nn.Conv2d(3, 4, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.high = nn.Conv2d(4, 6, 3, padding=1)
        self.calls = 0

    def forward(self, images):
        self.calls += 1
        return self.high(self.pool(self.low(images).relu()))


@pytest.fixture
def plain():
    torch.manual_seed(0)
    return ConvFeatures(Plain(), {"low": "low", "high": "high"}, input_size=8)


@pytest.fixture(scope="module")
def tiny():
    return googlenet("tiny")


# Table 2.1.


def test_googlenet_has_the_sizes_of_the_table():
    backbone = ConvFeatures(torchvision.models.googlenet(weights=None, init_weights=False), GOOGLENET_LAYERS)
    assert backbone.sizes() == TABLE_2_1_GOOGLENET
    assert backbone.sizes(2) == {layer: (2 * n, d) for layer, (n, d) in TABLE_2_1_GOOGLENET.items()}


def test_vgg_16_has_the_sizes_of_the_table():
    with torch.device("meta"):
        backbone = ConvFeatures(torchvision.models.vgg16(), VGG16_LAYERS)
    assert backbone.sizes() == TABLE_2_1_VGG16
    assert backbone.sizes(2) == {layer: (2 * n, d) for layer, (n, d) in TABLE_2_1_VGG16.items()}
    assert all(isinstance(backbone.network.get_submodule(module), nn.ReLU) for module in VGG16_LAYERS.values())
    features = backbone.network.features
    pools = [number for number, layer in enumerate(features) if isinstance(layer, nn.MaxPool2d)]
    blocks = [sum(isinstance(layer, nn.Conv2d) for layer in features[a:b]) for a, b in itertools.pairwise([0, *pools])]
    assert blocks == [2, 2, 3, 3, 3]  # so there is no conv2_3


def test_the_tiny_network_has_the_locations_of_the_table_and_a_quarter_of_its_channels(tiny):
    assert tiny.input_size == 64
    sizes = googlenet("tiny", input_size=112).sizes()
    assert sizes == {layer: (n, d // 4) for layer, (n, d) in TABLE_2_1_GOOGLENET.items()}
    shapes = {layer: features.shape[1:] for layer, features in tiny(photos(1), scale=2).items()}
    assert shapes == {layer: (n * n, d) for layer, (n, d) in tiny.sizes(2).items()}


# Local features.


def test_local_features_are_the_columns_of_a_feature_map_row_by_row(plain):
    images = photos(2)
    features = plain(images)
    pixels = plain.warp(images).float() / 255
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    low = plain.network.low((pixels - mean[:, None, None]) / std[:, None, None])
    assert list(features) == ["low", "high"]
    assert features["low"].shape == (2, 64, 4)
    assert features["high"].shape == (2, 16, 6)
    column = low[1, :, 3, 5]
    torch.testing.assert_close(features["low"][1, 3 * 8 + 5], column / column.norm())
    assert not features["low"].requires_grad


def test_all_layers_come_from_one_pass_and_are_those_of_separate_passes(tiny, plain):
    images = photos(3)
    plain.network.calls = 0
    plain(images)
    assert plain.network.calls == 1
    together = tiny(images)
    for layer in GOOGLENET_LAYERS:
        assert torch.equal(together[layer], tiny(images, [layer])[layer])


def test_a_location_where_no_filter_responds_is_zero():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
    nn.init.zeros_(network[0].weight)
    nn.init.constant_(network[0].bias, -1.0)
    features = ConvFeatures(network, {"dead": "1"}, 4)(photos(1))["dead"]
    assert torch.equal(features, torch.zeros(1, 16, 4))


def test_warping_smooths_and_takes_any_size(plain):
    stripes = (torch.arange(64) % 2 * 255).to(torch.uint8).expand(3, 48, 64)
    warped = plain.warp([stripes], scale=2)
    assert warped.shape == (1, 3, 16, 16)
    assert warped.dtype == torch.uint8
    assert (warped[..., 2:-2].float() - 127.5).abs().max() < 10  # bare bilinear sampling would leave 0 or 255
    photo = photos(1)[0]
    expected = F.interpolate(photo[None].float(), (8, 8), mode="bilinear", antialias=True)
    assert (plain.warp([photo]).float() - expected).abs().max() <= 1
    square = photos(1, height=8, width=8)[0]
    assert torch.equal(plain.warp([square])[0], square)
    dot = torch.tensor([10, 200, 30], dtype=torch.uint8)[:, None, None]  # smaller than any receptive field
    assert torch.equal(plain.warp([dot])[0], dot.expand(3, 8, 8))
    assert torch.isfinite(plain([dot])["high"]).all()


def test_wrong_inputs_are_named(plain, tiny):
    with pytest.raises(ValueError, match="layers must be among low, high; got 'middle'"):
        plain(photos(1), ["middle"])
    with pytest.raises(ValueError, match=r"images must be \(3, H, W\); got \(1, 9, 9\): RGB: repeat the channel"):
        plain([torch.zeros(1, 9, 9, dtype=torch.uint8)])
    with pytest.raises(TypeError, match="images must be uint8; got float32"):
        plain([torch.zeros(3, 9, 9)])
    with pytest.raises(ValueError, match="images must be large enough for the network; got 1 x 1"):
        ConvFeatures(tiny.network, GOOGLENET_LAYERS, input_size=1)
    with pytest.raises(ValueError, match="layers must name at least one layer"):
        ConvFeatures(tiny.network, {})


# SIFT.


def test_root_sift_by_hand():
    image = photos(1, height=90, width=120)[0]
    grey = cv2.cvtColor(image.permute(1, 2, 0).contiguous().numpy(), cv2.COLOR_RGB2GRAY)
    _, expected = cv2.SIFT_create().detectAndCompute(grey, None)
    assert len(expected) > 3
    (rooted,) = [features["SIFT"] for features in sift_features([image])]
    by_hand = np.sqrt(expected / expected.sum(1, keepdims=True))
    np.testing.assert_allclose(rooted[0].numpy(), by_hand, atol=1e-6)
    (bare,) = [features["SIFT"] for features in sift_features([image], root=False, max_features=3)]
    assert bare.shape == (1, 3, 128)
    torch.testing.assert_close(bare.norm(dim=2), torch.ones(1, 3))


def test_an_image_of_one_colour_has_no_sift_and_a_descriptor_of_zeros():
    images = [photos(1, height=90, width=120)[0], torch.full((3, 40, 40), 90, dtype=torch.uint8)]
    words = torch.randn(5, 128)
    assert [features["SIFT"].shape[1] > 0 for features in sift_features(images)] == [True, False]
    encodings = {
        "vlad": ("SIFT", partial(vlad.vlad, words=words)),
        "bow": ("SIFT", partial(vlad.bag_of_words, words=words)),
    }
    encoded = encode(sift_features(images), encodings)
    for rows in (descriptors(encoded["vlad"]), encoded["bow"]):
        assert rows[0].norm() == pytest.approx(1)
        assert not rows[1].any()


# Streaming.


def test_a_sample_has_as_many_features_of_each_image_whatever_the_batch(plain):
    images = photos(10)
    samples = [
        sample_features(partial(conv_features, plain, batch_size=size), images, max_features=50, seed=3)
        for size in (1, 4, 10)
    ]
    for sample in samples:
        assert sample["low", 1].shape == (50, 4)
        torch.testing.assert_close(sample, samples[0])  # the size of a batch changes rounding
    alone = sample_features(partial(conv_features, plain, layers=["high"], scales=(2,)), images, 50, seed=3)
    torch.testing.assert_close(alone["high", 2], samples[0]["high", 2])
    other = sample_features(partial(conv_features, plain), images, 50, seed=4)
    assert (other["low", 1] - samples[0]["low", 1]).abs().max() > 0.1
    every = plain(images)["low"]
    for number, own in enumerate(samples[0]["low", 1].split(5)):  # five of each image, none twice
        match = (own[:, None] - every[number]).abs().amax(-1).lt(1e-5).nonzero()
        assert len(match[:, 1].unique()) == 5


def test_a_sample_smaller_than_the_set_is_of_as_many_images_and_a_large_one_takes_all_features(plain):
    images = photos(10)
    extract = partial(conv_features, plain)
    assert len(sample_features(extract, images, max_features=7)["low", 1]) == 7
    assert sample_features(extract, images, max_features=10**6)["high", 1].shape == (160, 6)
    with pytest.raises(ValueError, match="images must hold at least one image"):
        sample_features(extract, [])
    with pytest.raises(ValueError, match="max_features must be"):
        sample_features(extract, images, max_features=0)


def test_each_image_is_decoded_once_for_all_layers_and_scales(plain):
    decoded = []

    class Photos(list):
        def __getitem__(self, index):
            decoded.append(index)
            return super().__getitem__(index)

    for batch in conv_features(plain, Photos(photos(5)), batch_size=2):
        assert set(batch) == {(layer, scale) for layer in ("low", "high") for scale in (1, 2)}
    assert decoded == [0, 1, 2, 3, 4]
    decoded.clear()
    list(sift_features(Photos(photos(2))))
    assert decoded == [0, 1]


def test_streaming_gives_what_all_at_once_gives(plain):
    images = photos(7)
    words = vocabularies(sample_features(partial(conv_features, plain), images), words=6, seed=0)
    features = plain(images)
    encodings = {
        "low": (("low", 1), partial(vlad.vlad, words=words["low", 1])),
        ("high", "max"): (("high", 1), vlad.max_pool),
    }
    for size in (1, 3, 7):
        encoded = encode(conv_features(plain, images, batch_size=size), encodings)
        assert encoded["low"].shape == (7, 6, 4)
        for name, ((layer, _), encoding) in encodings.items():
            torch.testing.assert_close(encoded[name], encoding(features[layer]))


def test_descriptors_of_an_image_by_hand():
    words = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    features = torch.tensor([[[0.8, 0.6], [0.8, -0.6], [0.0, 1.0], [0.6, 0.8]]])
    # word 0: (-.2, .6) + (-.2, -.6) = (-.4, 0); word 1: 0 + (.6, -.2); word 2: nothing
    sums = vlad.vlad(features, words)
    blocks = torch.tensor([-0.4, 0.0, 0.6, -0.2, 0.0, 0.0])
    unit = torch.tensor([-1.0, 0.0, 0.6 / 0.4**0.5, -0.2 / 0.4**0.5, 0.0, 0.0])
    torch.testing.assert_close(descriptors(sums)[0], unit / 2**0.5)
    torch.testing.assert_close(descriptors(sums, None)[0], blocks / blocks.norm())
    roots = torch.tensor([-(0.4**0.5), 0.0, 0.6**0.5, -(0.2**0.5), 0.0, 0.0])
    torch.testing.assert_close(descriptors(sums, vlad.signed_square_root)[0], roots / roots.norm())


def test_features_are_not_kept(plain):
    alive, most = [], 0

    def watched(images):
        nonlocal most
        for features in conv_features(plain, images, batch_size=1):
            alive.append(weakref.ref(features["low", 1]))
            most = max(most, sum(reference() is not None for reference in alive))
            yield features

    images, words = photos(12), torch.randn(3, 4)
    encode(watched(images), {"low": (("low", 1), partial(vlad.vlad, words=words))})
    assert len(alive) == 12
    assert most <= 2
    alive.clear()
    most = 0
    sample_features(watched, images, max_features=12)
    assert most <= 2


def test_two_scales_side_by_side():
    first, second = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.6, 0.8]])
    torch.testing.assert_close(multi_scale(first, second), torch.tensor([[1.0, 0.0, 0.6, 0.8]]) / 2**0.5)


# Patches.


def test_patches_of_a_network(tiny):
    images = photos(3)
    patches = patches_of(tiny, images, ["Inception 3a", "Inception 5b"], scale=2, batch_size=2)
    low, high = patches["Inception 3a"], patches["Inception 5b"]
    assert (low.side, high.side) == (4, 16)  # 128 pixels in 32 and in 8 locations
    # centre 3 + 4i in pixels, half a pixel to the left of a square of 4; centre 11 + 16i
    assert low.starts.tolist() == [1 + 4 * location for location in range(32)]
    assert high.starts.tolist() == [3 + 16 * location for location in range(8)]
    expected = tiny(images[2:], ["Inception 5b"], scale=2)["Inception 5b"][0]
    torch.testing.assert_close(high.features[high.of_image(2)], expected)
    assert torch.equal(high.images, tiny.warp(images, 2))


def test_patches_finer_than_the_network_sees_them(tiny):
    images = photos(2)
    plain = patches_of(tiny, images, ["Inception 3a", "Inception 5b"])
    finer = patches_of(tiny, images, ["Inception 3a", "Inception 5b"], finer=4)
    for layer, patches in finer.items():
        assert torch.equal(patches.features, plain[layer].features)
        assert torch.equal(patches.images, tiny.warp(images, 4))
        assert patches.side == 4 * plain[layer].side
        # a square of 4 pixels around a centre at 3 is moved by half a pixel; four times as fine it is not
        assert torch.equal(patches.starts, 4 * plain[layer].starts + 2)
    with pytest.raises(ValueError, match="finer"):
        patches_of(tiny, images, ["Inception 3a"], finer=0)


# Networks.


def test_networks_without_weights_say_how_to_get_them(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for builder, name in ((googlenet, "googlenet-1378be20"), (vgg16, "vgg16-397923af")):
        with pytest.raises(FileNotFoundError, match=rf"{name}\.pth; no such file"):
            builder()
    with pytest.raises(ValueError, match='size must be "paper" or "tiny"; got \'small\''):
        googlenet("small")


def test_googlenet_from_a_file_prepares_images_as_its_weights_want_them(tmp_path):
    torch.manual_seed(0)
    theirs = torchvision.models.googlenet(weights=None, init_weights=False, transform_input=True)
    torch.save(theirs.state_dict(), tmp_path / "weights.pth")
    backbone = googlenet(weights=tmp_path / "weights.pth")
    prepared = []
    backbone.network.conv1.register_forward_pre_hook(lambda _, inputs: prepared.append(inputs[0]))
    images = photos(1)
    backbone(images, ["pool1-norm1"])
    expected = backbone.warp(images).float() / 255 * 2 - 1  # -1 to 1: what the weights from Caffe's days take
    torch.testing.assert_close(prepared[0], expected, atol=1e-4, rtol=0)


# The whole.

REAL = os.environ.get("LABKIT_REAL_DATA")


@pytest.mark.skipif(not REAL, reason="set LABKIT_REAL_DATA to a folder with retrieval/ and weights/")
def test_real_photos_are_found_again_with_real_weights():
    network = torchvision.models.squeezenet1_0()
    load_weights(network, Path(REAL, "weights/squeezenet1_0_rgb_imagenet_norm.pth"))
    layers = {f"fire{number}": f"features.{place}" for number, place in enumerate((3, 4, 5, 7, 8, 9, 10, 12), 2)}
    backbone = ConvFeatures(network, layers)
    paths = [*sorted(Path(REAL, "retrieval/landmarks").glob("*")), *sorted(Path(REAL, "retrieval/rooms").glob("*"))]
    images = [resize(read_photo(path), 300, max_size=400) for path in paths]  # SIFT of whole ones takes seconds
    names = [path.name.rsplit("_", 2)[0] if "scene" not in path.name else path.name[:9] for path in paths]
    count = len(names)
    same = [[other for other in range(count) if names[other] == name and other != q] for q, name in enumerate(names)]
    positives = listed(same, count)
    itself = listed([[query] for query in range(count)], count)

    def score(rows):
        return retrieval_map(ranking(rows, rows), positives, itself)

    words = vocabularies(sample_features(partial(conv_features, backbone), images, max_features=5000), words=32)
    encodings = {key: (key, partial(vlad.vlad, words=words[key])) for key in words}
    long = {key: descriptors(sums) for key, sums in encode(conv_features(backbone, images), encodings).items()}
    values = {key: score(rows) for key, rows in long.items()}
    both = multi_scale(long["fire8", 1], long["fire8", 2])
    assert min(values.values()) > 0.3  # at chance level .12
    assert max(values.values()) > 0.6
    assert score(both) > values["fire2", 1]
    sift = partial(sift_features, max_features=500)
    sift_words = vocabularies(sample_features(sift, images, max_features=5000), words=32)["SIFT"]
    sums = encode(sift(images), {"vlad": ("SIFT", partial(vlad.vlad, words=sift_words))})["vlad"]
    assert score(descriptors(sums)) > 0.3
