import itertools
import math
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

from labkit import vlad, world
from labkit.backbones import load_weights
from labkit.backbones.googlenet import GoogLeNet
from labkit.backbones.taps import tap
from labkit.papers.conv_vlad import (
    GOOGLENET_LAYERS,
    VGG16_LAYERS,
    ConvFeatures,
    Patches,
    ReceptiveField,
    SIFTFeatures,
    Trunk,
    cross_fitted,
    depth,
    encode,
    googlenet_paper,
    googlenet_tiny,
    local_features,
    multi_scale,
    neighbour_similarity,
    patches_of,
    sample_features,
    vgg16_paper,
    vlad_encoding,
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
    """Smooth random pictures, none the same."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(count, 3, 7, 9, generator=generator)
    return list(F.interpolate(noise, (height, width), mode="bicubic").clamp(0, 1).mul(255).to(torch.uint8))


class Plain(nn.Module):
    """Two convolutions and a pooling, whose maps are easily worked out by hand."""

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
    return Trunk(Plain(), {"low": "low", "high": "high"}, side=8)


@pytest.fixture(scope="module")
def tiny():
    return googlenet_tiny(64)


# Table 2.1.


def test_googlenet_has_the_sizes_of_the_table():
    trunk = Trunk(torchvision.models.googlenet(weights=None, init_weights=False), GOOGLENET_LAYERS)
    assert trunk.sizes() == TABLE_2_1_GOOGLENET
    assert trunk.sizes(2) == {layer: (2 * n, d) for layer, (n, d) in TABLE_2_1_GOOGLENET.items()}


def test_vgg_16_has_the_sizes_of_the_table():
    with torch.device("meta"):
        trunk = Trunk(torchvision.models.vgg16(), VGG16_LAYERS)
    assert trunk.sizes() == TABLE_2_1_VGG16
    assert trunk.sizes(2) == {layer: (2 * n, d) for layer, (n, d) in TABLE_2_1_VGG16.items()}
    features = trunk.net.features
    assert all(isinstance(trunk.net.get_submodule(module), nn.ReLU) for module in VGG16_LAYERS.values())
    pools = [number for number, layer in enumerate(features) if isinstance(layer, nn.MaxPool2d)]
    blocks = [sum(isinstance(layer, nn.Conv2d) for layer in features[a:b]) for a, b in itertools.pairwise([0, *pools])]
    assert blocks == [2, 2, 3, 3, 3]  # so there is no conv2_3


def test_the_tiny_net_has_the_cells_of_the_table_and_a_quarter_of_its_channels(tiny):
    assert googlenet_tiny().sizes() == {layer: (n, d // 4) for layer, (n, d) in TABLE_2_1_GOOGLENET.items()}
    found = local_features(tiny, photos(1), scale=2)
    assert {layer: part.shape[1:] for layer, part in found.items()} == {
        layer: (n * n, d) for layer, (n, d) in tiny.sizes(2).items()
    }


# Receptive fields.


def test_receptive_fields_by_hand():
    fields = Trunk(GoogLeNet(2, width=1 / 8), GOOGLENET_LAYERS).receptive_fields()
    # conv1: 7 pixels from -3 on, 2 apart; pooled by 3: 7 + 2 * 2 = 11, 4 apart. conv3: + 2 * 4; pooled: + 2 * 4.
    assert fields["pool1-norm1"] == ReceptiveField(-3, 11, 4)
    assert fields["conv2-norm2"] == ReceptiveField(-7, 27, 8)
    assert fields["Inception 3a"] == ReceptiveField(-15, 43, 8)  # its largest windows are 3 x 3
    assert fields["pool1-norm1"].centres(3).tolist() == [2, 6, 10]
    with torch.device("meta"):
        fields = Trunk(torchvision.models.vgg16(), VGG16_LAYERS).receptive_fields()
    assert fields["conv2_1"] == ReceptiveField(-4, 10, 2)
    assert fields["conv5_3"] == ReceptiveField(-90, 196, 16)
    assert fields["conv5_3"].centres(2).tolist() == [7.5, 23.5]


def linear_twin(net):
    """In place: every weight positive and every pooling a mean, so that each pixel in sight has a gradient."""
    for module in list(net.modules()):
        for name, part in module.named_children():
            if isinstance(part, nn.MaxPool2d):
                pool = nn.AvgPool2d(
                    part.kernel_size, part.stride, part.padding, part.ceil_mode, count_include_pad=False
                )
                setattr(module, name, pool)
    for parameter in net.parameters():
        nn.init.constant_(parameter, 0.1)
    return net.double()


@pytest.mark.parametrize(
    ("net", "layers", "side"),
    [
        (lambda: GoogLeNet(2, width=1 / 8), GOOGLENET_LAYERS, 288),  # the paper's windows
        (lambda: GoogLeNet(2, width=1 / 8, conv1=(5, 1)), GOOGLENET_LAYERS, 208),
        (lambda: torchvision.models.squeezenet1_0(), {"fire2": "features.3", "fire9": "features.12"}, 192),
        (lambda: torchvision.models.resnet18(), {"layer1": "layer1", "layer2": "layer2"}, 160),  # sums of branches
        (lambda: nn.Sequential(nn.Conv2d(3, 2, 5, 2, 1, dilation=2), nn.AvgPool2d(3, 2)), {"a": "0", "b": "1"}, 40),
    ],
)
def test_receptive_fields_are_where_gradients_are(net, layers, side):
    torch.manual_seed(0)
    trunk = Trunk(linear_twin(net()), layers, side)
    fields = trunk.receptive_fields()
    images = torch.rand(1, 3, side, side, dtype=torch.float64, requires_grad=True)
    maps = tap(trunk.net, images, list(layers.values()))
    for layer, module in layers.items():
        cell = maps[module].shape[-1] // 2
        (gradient,) = torch.autograd.grad(maps[module][0, :, cell, cell].sum(), images, retain_graph=True)
        for seen in (gradient[0].abs().sum(dim=(0, 1)), gradient[0].abs().sum(dim=(0, 2))):
            pixels = seen.nonzero().flatten().tolist()
            first = fields[layer].first + cell * fields[layer].step
            inside = range(max(first, 0), min(first + fields[layer].size, side))
            assert (pixels[0], pixels[-1]) == (inside[0], inside[-1]), layer
        centre = fields[layer].centres(cell + 1)[-1].item()
        if inside == range(first, first + fields[layer].size):
            assert (pixels[0] + pixels[-1]) / 2 == centre


def test_layers_without_places_have_no_receptive_field():
    trunk = Trunk(torchvision.models.resnet18(), {"layer4": "layer4", "avgpool": "avgpool"})
    with pytest.raises(ValueError, match=r"layers must lie behind convolutions and poolings .* avgpool does not"):
        trunk.receptive_fields()
    with pytest.raises(ValueError, match="windows must be square, their paddings numbers; got 'same'"):
        Trunk(nn.Sequential(nn.Conv2d(3, 1, 3, padding="same")), {"a": "0"}, 8)
    with pytest.raises(ValueError, match="maps that meet must have the same step; got 2 and 4"):
        ReceptiveField(0, 3, 2).joined(ReceptiveField(0, 3, 4))


# Local features.


def test_local_features_are_the_columns_of_a_map_row_by_row(plain):
    images = photos(2)
    found = local_features(plain, images)
    pixels = plain.warp(images).float() / 255
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    low = plain.net.low((pixels - mean[:, None, None]) / std[:, None, None])
    assert list(found) == ["low", "high"]
    assert found["low"].shape == (2, 64, 4)
    assert found["high"].shape == (2, 16, 6)
    column = low[1, :, 3, 5]
    torch.testing.assert_close(found["low"][1, 3 * 8 + 5], column / column.norm())
    assert not found["low"].requires_grad


def test_all_layers_come_from_one_pass_and_are_those_of_separate_passes(tiny, plain):
    images = photos(3)
    plain.net.calls = 0
    local_features(plain, images)
    assert plain.net.calls == 1
    together = local_features(tiny, images)
    for layer in GOOGLENET_LAYERS:
        assert torch.equal(together[layer], local_features(tiny, images, [layer])[layer])


def test_a_place_where_nothing_answers_is_zero():
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
    nn.init.zeros_(net[0].weight)
    nn.init.constant_(net[0].bias, -1.0)
    found = local_features(Trunk(net, {"dead": "1"}, 4), photos(1))["dead"]
    assert torch.equal(found, torch.zeros(1, 16, 4))


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
    assert torch.isfinite(local_features(plain, [dot])["high"]).all()


def test_wrong_inputs_are_named(plain, tiny):
    with pytest.raises(ValueError, match="layers must be among low, high; got 'middle'"):
        local_features(plain, photos(1), ["middle"])
    with pytest.raises(ValueError, match=r"images must be \(3, H, W\); got \(1, 9, 9\): RGB: repeat the channel"):
        plain.warp([torch.zeros(1, 9, 9, dtype=torch.uint8)])
    with pytest.raises(TypeError, match="images must be uint8; got float32"):
        plain.warp([torch.zeros(3, 9, 9)])
    with pytest.raises(ValueError, match="images must be large enough for the net; got 1 x 1"):
        Trunk(tiny.net, GOOGLENET_LAYERS, side=1)
    with pytest.raises(ValueError, match="layers must name at least one layer"):
        Trunk(tiny.net, {})


# SIFT.


def test_root_sift_by_hand():
    image = photos(1, height=90, width=120)[0]
    grey = cv2.cvtColor(image.permute(1, 2, 0).contiguous().numpy(), cv2.COLOR_RGB2GRAY)
    _, expected = cv2.SIFT_create().detectAndCompute(grey, None)
    assert len(expected) > 3
    (found,) = [features["SIFT"] for features in SIFTFeatures()([image])]
    by_hand = np.sqrt(expected / expected.sum(1, keepdims=True))
    np.testing.assert_allclose(found[0].numpy(), by_hand, atol=1e-6)
    (plain_sift,) = [features["SIFT"] for features in SIFTFeatures(root=False, most=3)([image])]
    assert plain_sift.shape == (1, 3, 128)
    torch.testing.assert_close(plain_sift.norm(dim=2), torch.ones(1, 3))


def test_an_image_of_one_colour_has_no_sift_and_a_descriptor_of_zeros():
    images = [photos(1, height=90, width=120)[0], torch.full((3, 40, 40), 90, dtype=torch.uint8)]
    words = torch.randn(5, 128)
    assert [features["SIFT"].shape[1] > 0 for features in SIFTFeatures()(images)] == [True, False]
    bag = partial(vlad.bag_of_words, words=words)
    found = encode(SIFTFeatures(), images, {"vlad": ("SIFT", vlad_encoding(words)), "bow": ("SIFT", bag)})
    for descriptors in found.values():
        assert descriptors[0].norm() == pytest.approx(1)
        assert not descriptors[1].any()


# Streaming.


def test_a_sample_has_as_many_features_of_each_image_whatever_the_batch(plain):
    images = photos(10)
    samples = [sample_features(ConvFeatures(plain, batch=batch), images, most=50, seed=3) for batch in (1, 4, 10)]
    for sample in samples:
        assert sample["low"].shape == (50, 4)
        torch.testing.assert_close(sample, samples[0])  # the size of a batch changes rounding
    alone = sample_features(ConvFeatures(plain, ["high"]), images, most=50, seed=3)
    torch.testing.assert_close(alone["high"], samples[0]["high"])
    other = sample_features(ConvFeatures(plain), images, most=50, seed=4)
    assert (other["low"] - samples[0]["low"]).abs().max() > 0.1
    every = local_features(plain, images)["low"]
    for number, share in enumerate(samples[0]["low"].split(5)):  # five of each image, none twice
        where = (share[:, None] - every[number]).abs().amax(-1).lt(1e-5).nonzero()
        assert len(where[:, 1].unique()) == 5


def test_a_sample_smaller_than_the_set_asks_as_many_images_and_a_large_one_takes_all_there_is(plain):
    images = photos(10)
    assert len(sample_features(ConvFeatures(plain), images, most=7)["low"]) == 7
    whole = sample_features(ConvFeatures(plain), images, most=10**6)
    assert whole["high"].shape == (160, 6)
    with pytest.raises(ValueError, match="images must hold at least one image"):
        sample_features(ConvFeatures(plain), [])


def test_streaming_gives_what_all_at_once_gives(plain):
    images = photos(7)
    words = vocabularies(sample_features(ConvFeatures(plain), images), words=6, seed=0)
    features = local_features(plain, images)
    encodings = {
        "low": ("low", vlad_encoding(words["low"])),
        ("high", "ssr"): ("high", vlad_encoding(words["high"], vlad.signed_square_root)),
        ("high", "none"): ("high", vlad_encoding(words["high"], None)),
        ("high", "max"): ("high", vlad.max_pool),
    }
    for batch in (1, 3, 7):
        found = encode(ConvFeatures(plain, batch=batch), images, encodings)
        assert found["low"].shape == (7, 6 * 4)
        for name, (layer, encoding) in encodings.items():
            torch.testing.assert_close(found[name], encoding(features[layer]))
            torch.testing.assert_close(found[name].norm(dim=1), torch.ones(7))


def test_vlad_of_an_image_by_hand():
    words = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    features = torch.tensor([[[0.8, 0.6], [0.8, -0.6], [0.0, 1.0], [0.6, 0.8]]])
    # word 0: (-.2, .6) + (-.2, -.6) = (-.4, 0); word 1: 0 + (.6, -.2); word 2: nothing
    blocks = torch.tensor([-0.4, 0.0, 0.6, -0.2, 0.0, 0.0])
    unit = torch.tensor([-1.0, 0.0, 0.6 / 0.4**0.5, -0.2 / 0.4**0.5, 0.0, 0.0])
    torch.testing.assert_close(vlad_encoding(words)(features)[0], unit / 2**0.5)
    torch.testing.assert_close(vlad_encoding(words, None)(features)[0], blocks / blocks.norm())
    roots = torch.tensor([-(0.4**0.5), 0.0, 0.6**0.5, -(0.2**0.5), 0.0, 0.0])
    torch.testing.assert_close(vlad_encoding(words, vlad.signed_square_root)(features)[0], roots / roots.norm())


def test_features_are_not_kept(plain):
    alive, most = [], 0

    def watched(images):
        nonlocal most
        for features in ConvFeatures(plain, batch=1)(images):
            alive.append(weakref.ref(features["low"]))
            most = max(most, sum(one() is not None for one in alive))
            yield features

    images = photos(12)
    words = torch.randn(3, 4)
    encode(watched, images, {"low": ("low", vlad_encoding(words))})
    assert len(alive) == 12
    assert most <= 2
    alive.clear()
    most = 0
    sample_features(watched, images, most=12)
    assert most <= 2


def test_descriptors_may_go_to_a_file(plain, tmp_path):
    def into(shape):
        size = math.prod(shape)
        return torch.from_file(str(tmp_path / "descriptors"), shared=True, size=size).view(shape)

    images, words = photos(4), torch.randn(3, 4)
    encodings = {"low": ("low", vlad_encoding(words))}
    inside = encode(ConvFeatures(plain), images, encodings)["low"]
    outside = encode(ConvFeatures(plain), images, encodings, into)["low"]
    assert torch.equal(inside, outside)
    assert np.array_equal(np.fromfile(tmp_path / "descriptors", np.float32).reshape(4, 12), inside.numpy())


def test_too_little_to_learn_from_is_told(plain):
    features = sample_features(ConvFeatures(plain, ["high"]), photos(1))
    with pytest.raises(ValueError, match="16 features for 17 words"):
        vocabularies(features, words=17)
    grey = [torch.full((3, 20, 20), 90, dtype=torch.uint8)] * 3
    with pytest.raises(ValueError, match="different features"):
        vocabularies(sample_features(ConvFeatures(plain, ["low"]), grey), words=20)  # the border apart, all the same
    with pytest.raises(ValueError, match="images must hold at least one image"):
        encode(ConvFeatures(plain), [], {})


def test_fewer_images_than_dimensions_stay_finite(plain):
    images = photos(5)
    words = vocabularies(sample_features(ConvFeatures(plain), images), words=4)
    long = encode(ConvFeatures(plain), images, {"high": ("high", vlad_encoding(words["high"]))})["high"]
    short = vlad.PCAWhitening.fit(long, 20)(long)
    assert short.shape == (5, 20)
    assert torch.isfinite(short).all()


# What the numbers are made of.


def test_two_scales_side_by_side():
    first, second = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.6, 0.8]])
    torch.testing.assert_close(multi_scale(first, second), torch.tensor([[1.0, 0.0, 0.6, 0.8]]) / 2**0.5)


def test_a_layer_is_chosen_on_other_queries():
    scores = {"3a": torch.tensor([1.0, 0.0]), "5b": torch.tensor([0.0, 1.0])}
    found = cross_fitted(scores, folds=2)
    assert found.chosen == ["5b", "3a"]  # each what is best on the other one
    assert found.value == 0
    reported = {"3a": torch.tensor([0.2, 0.4]), "5b": torch.tensor([0.6, 0.8])}
    assert cross_fitted(scores, reported=reported, folds=2).value == pytest.approx((0.6 + 0.4) / 2)


def test_queries_of_a_group_stay_together():
    generator = torch.Generator().manual_seed(0)
    scores = {layer: torch.rand(20, generator=generator) for layer in "abc"}
    groups = torch.arange(20) // 5
    found = cross_fitted(scores, groups=groups, folds=4, seed=1)
    for group in range(4):  # as many folds as groups: each is chosen for on the other three
        others = groups != group
        best = max("abc", key=lambda layer: scores[layer][others].mean())
        assert found.chosen[5 * group : 5 * group + 5] == [best] * 5
    assert found == cross_fitted(scores, groups=groups, folds=9, seed=1)  # no more folds than groups
    equal = {"first": torch.ones(4), "second": torch.ones(4)}
    assert set(cross_fitted(equal, folds=2).chosen) == {"first"}
    with pytest.raises(ValueError, match="queries must be of two groups at least, in two folds; got 1 and 5"):
        cross_fitted({"a": torch.ones(3)}, groups=torch.zeros(3, dtype=torch.int64))


def test_depth_is_that_of_the_table():
    layers = list(GOOGLENET_LAYERS)
    assert (depth("pool1-norm1", layers), depth("Inception 4b", layers), depth("Inception 5b", layers)) == (0, 50, 100)


def test_similarity_of_neighbours_by_hand():
    a, b = torch.tensor([1.0, 0.0]), torch.tensor([0.6, 0.8])
    cells = torch.stack([a, b, a, a])[None]  # a b / a a: .6 and 1 beside, 1 and .6 below each other
    assert neighbour_similarity(cells) == pytest.approx(0.8)
    assert neighbour_similarity(3 * cells) == pytest.approx(0.8)
    for wrong in (1, 6):
        with pytest.raises(ValueError, match="features must be those of a square map of 2 x 2 cells"):
            neighbour_similarity(torch.ones(1, wrong, 2))


# Patches.


@pytest.fixture
def patches():
    """Two images of 8 x 8 in 2 x 2 patches of 4, moved by one pixel: the last ones hang over."""
    images = torch.arange(2 * 3 * 64, dtype=torch.int64).reshape(2, 3, 8, 8).remainder(251).to(torch.uint8)
    generator = torch.Generator().manual_seed(0)
    features = F.normalize(torch.randn(8, 5, generator=generator), dim=1)
    return Patches(features, images, torch.tensor([1, 5]), 4)


def test_patches_are_cut_where_their_cells_look(patches):
    cut = patches[torch.tensor([[0, 5], [6, 7]])]
    assert cut.shape == (2, 2, 3, 4, 4)
    assert torch.equal(cut[0, 0], patches.images[0, :, 1:5, 1:5])
    padded = F.pad(patches.images[1].float(), (0, 1, 0, 1), mode="replicate").to(torch.uint8)
    assert torch.equal(cut[0, 1], padded[:, 1:5, 5:9])
    assert torch.equal(cut[1, 0], padded[:, 5:9, 1:5])
    assert torch.equal(cut[1, 1], padded[:, 5:9, 5:9])


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_nearest_patches_are_those_of_brute_force(patches, chunk):
    queries = F.normalize(torch.randn(4, 5, generator=torch.Generator().manual_seed(1)), dim=1)
    distances = np.linalg.norm(queries.numpy()[:, None] - patches.features.numpy(), axis=2)
    for k in (1, 3, 8):
        found, numbers = patches.nearest(queries, k, chunk=chunk)
        expected = np.argsort(distances, axis=1)[:, :k]
        assert np.array_equal(numbers, expected)
        np.testing.assert_allclose(found, np.take_along_axis(distances, expected, 1), atol=1e-5)
    found, numbers = patches.nearest(queries, 4, skip=0, chunk=chunk)
    assert np.array_equal(numbers, 4 + np.argsort(distances[:, 4:], axis=1))
    with pytest.raises(ValueError, match="k must be 1 to the number of patches, 4; got 5"):
        patches.nearest(queries, 5, skip=0)


def test_of_equal_patches_the_first_comes_first(patches):
    same = Patches(patches.features[:1].expand(8, -1), patches.images, patches.starts, patches.side)
    for chunk in (2, 8):
        assert same.nearest(patches.features[:1], 3, chunk=chunk)[1].tolist() == [[0, 1, 2]]


def test_an_image_rebuilt_from_itself_is_itself(patches):
    for image in range(2):
        features = patches.features[4 * image : 4 * image + 4]
        picture = patches.correspondence(patches.images[image], features)
        assert torch.equal(picture[:, 1:, 1:], patches.images[image][:, 1:, 1:])
        assert (picture[:, 0] == 255).all()  # covered by no patch
        assert (picture[:, :, 0] == 255).all()


def test_an_image_is_rebuilt_from_means_of_patches(patches):
    features = patches.features[:4]
    picture = patches.correspondence(patches.images[0], features, k=2, skip=0)
    _, numbers = patches.nearest(features, 2, skip=0)
    assert (numbers >= 4).all()
    mean = patches[numbers[3]].float().mean(0).round()
    assert torch.equal(picture[:, 5:, 5:].float(), mean[:, :3, :3])
    mean = patches[numbers[1]].float().mean(0).round()
    assert torch.equal(picture[:, 1:5, 5:].float(), mean[:, :, :3])


def test_patches_that_begin_outside(patches):
    outside = Patches(patches.features, patches.images, torch.tensor([-2, 2]), 4)
    picture = outside.correspondence(outside.images[1], outside.features[4:])
    assert torch.equal(picture[:, :6, :6], outside.images[1][:, :6, :6])
    assert (picture[:, 6:] == 255).all()


def test_clusters_have_the_reference_at_the_left(patches):
    rows, distances = patches.clusters(torch.tensor([2, 7]), k=3)
    assert rows.shape == (2, 4, 3, 4, 4)
    assert torch.equal(rows[:, 0], patches[torch.tensor([2, 7])])
    assert (distances.diff(dim=1) >= 0).all()
    _, numbers = patches.nearest(patches.features[[2]], 3, skip=0)
    assert torch.equal(rows[0, 1:], patches[numbers[0]])


def test_patches_of_a_net(tiny):
    images = photos(3)
    found = patches_of(tiny, images, ["Inception 3a", "Inception 5b"], scale=2, batch=2)
    low, high = found["Inception 3a"], found["Inception 5b"]
    assert (low.side, high.side) == (4, 16)  # 128 pixels in 32 and in 8 cells
    # centre 3 + 4i in pixels, half a pixel to the left of a square of 4; centre 11 + 16i
    assert low.starts.tolist() == [1 + 4 * cell for cell in range(32)]
    assert high.starts.tolist() == [3 + 16 * cell for cell in range(8)]
    expected = local_features(tiny, images[2:], ["Inception 5b"], scale=2)["Inception 5b"][0]
    torch.testing.assert_close(high.features[2 * 64 :], expected)
    assert torch.equal(high.images, tiny.warp(images, 2))
    same = low.correspondence(low.images[1], low.features[32**2 : 2 * 32**2])
    assert torch.equal(same[:, 1:, 1:], low.images[1][:, 1:, 1:])


def test_patches_finer_than_the_net_sees_them(tiny):
    images = photos(2)
    plain = patches_of(tiny, images, ["Inception 3a", "Inception 5b"])
    finer = patches_of(tiny, images, ["Inception 3a", "Inception 5b"], finer=4)
    for layer, found in finer.items():
        assert torch.equal(found.features, plain[layer].features)
        assert torch.equal(found.images, tiny.warp(images, 4))
        assert found.side == 4 * plain[layer].side
        # a square of 4 pixels around a centre at 3 is moved by half a pixel; four times as fine it is not
        assert torch.equal(found.starts, 4 * plain[layer].starts + 2)
    with pytest.raises(ValueError, match="finer"):
        patches_of(tiny, images, ["Inception 3a"], finer=0)


# Networks.


def test_paper_nets_without_weights_say_how_to_get_them(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for builder, name in ((googlenet_paper, "googlenet-1378be20"), (vgg16_paper, "vgg16-397923af")):
        with pytest.raises(FileNotFoundError, match=rf"{name}\.pth; no such file"):
            builder()


def test_googlenet_from_a_file_prepares_images_as_its_weights_want_them(tmp_path):
    torch.manual_seed(0)
    theirs = torchvision.models.googlenet(weights=None, init_weights=False, transform_input=True)
    torch.save(theirs.state_dict(), tmp_path / "weights.pth")
    trunk = googlenet_paper(tmp_path / "weights.pth")
    prepared = []
    trunk.net.conv1.register_forward_pre_hook(lambda _, inputs: prepared.append(inputs[0]))
    images = photos(1)
    local_features(trunk, images, ["pool1-norm1"])
    expected = trunk.warp(images).float() / 255 * 2 - 1  # -1 to 1: what the weights from Caffe's days take
    torch.testing.assert_close(prepared[0], expected, atol=1e-4, rtol=0)


# The whole.


def test_places_are_found_again(tiny):
    places = world.Places(seed=1003, size=64, instances=5, views=3, distractors=5, junk=1, styles=5)
    images = places.map(lambda clip: clip.frames([0])[0])
    layers = ["Inception 3b", "Inception 5b"]
    extract = ConvFeatures(tiny, layers)
    words = vocabularies(sample_features(extract, images, seed=1), words=20, seed=1)
    found = encode(extract, images, {layer: (layer, vlad_encoding(words[layer])) for layer in layers})
    positives = listed([good + ok for good, ok in map(places.positives, places.queries)], len(places))
    junk = listed([[query, *places.junk(query)] for query in places.queries], len(places))
    values = {
        layer: retrieval_map(ranking(part[places.queries], part), positives, junk) for layer, part in found.items()
    }
    assert values["Inception 3b"] > 0.3  # chance: about .15
    again = encode(extract, images, {"3b": ("Inception 3b", vlad_encoding(words["Inception 3b"]))})["3b"]
    assert torch.equal(again, found["Inception 3b"])


REAL = os.environ.get("LABKIT_REAL_DATA")


@pytest.mark.skipif(not REAL, reason="set LABKIT_REAL_DATA to a folder with retrieval/ and weights/")
def test_real_photos_are_found_again_with_real_weights():
    net = torchvision.models.squeezenet1_0()
    load_weights(net, Path(REAL, "weights/squeezenet1_0_rgb_imagenet_norm.pth"))
    layers = {f"fire{number}": f"features.{place}" for number, place in enumerate((3, 4, 5, 7, 8, 9, 10, 12), 2)}
    trunk = Trunk(net, layers)
    paths = [*sorted(Path(REAL, "retrieval/landmarks").glob("*")), *sorted(Path(REAL, "retrieval/rooms").glob("*"))]
    images = [torch.from_numpy(cv2.imread(str(path))[..., ::-1].copy()).movedim(2, 0) for path in paths]
    names = [path.name.rsplit("_", 2)[0] if "scene" not in path.name else path.name[:9] for path in paths]
    count = len(names)
    same = [[other for other in range(count) if names[other] == name and other != q] for q, name in enumerate(names)]
    positives = listed(same, count)
    itself = listed([[query] for query in range(count)], count)

    def score(descriptors):
        return retrieval_map(ranking(descriptors, descriptors), positives, itself)

    values, long = {}, {}
    for scale in (1, 2):
        extract = ConvFeatures(trunk, scale=scale)
        words = vocabularies(sample_features(extract, images, most=5000), words=32)
        found = encode(extract, images, {layer: (layer, vlad_encoding(words[layer])) for layer in layers})
        for layer, descriptors in found.items():
            long[layer, scale], values[layer, scale] = descriptors, score(descriptors)
    both = multi_scale(long["fire8", 1], long["fire8", 2])
    short = vlad.PCAWhitening.fit(both, 128, whiten=False)(both)
    assert min(values.values()) > 0.3  # by chance .12
    assert max(values.values()) > 0.6
    assert score(both) > values["fire2", 1]
    assert short.shape == (25, 128)  # of which 24 are not zero
    assert score(short) > score(both) - 0.1
    sift = SIFTFeatures(most=500)
    words = vocabularies(sample_features(sift, images, most=5000), words=32)["SIFT"]
    assert score(encode(sift, images, {"vlad": ("SIFT", vlad_encoding(words))})["vlad"]) > 0.3
