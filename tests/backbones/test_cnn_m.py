import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from labkit.backbones import cross_modality_init
from labkit.backbones.cnn_m import CNNM, LocalResponseNorm

SMALL = {"image_size": 56, "channels": (8, 16, 16, 16, 16), "strides": (2, 1), "paddings": (0, 2), "fc": (32, 16)}


def small(num_classes=5, **sizes):
    torch.manual_seed(0)
    return CNNM(num_classes, **{**SMALL, **sizes})


def sizes_of(model, image):
    """(C, H, W) after each layer of the features."""
    sizes = {}
    for name, layer in model.features.named_children():
        image = layer(image)
        sizes[name] = tuple(image.shape[1:])
    return sizes


# Local response normalisation.


@settings(deadline=None, max_examples=20)
@given(st.tuples(*[st.integers(1, size) for size in (2, 9, 5, 5)]), st.integers(0, 2**32 - 1))
def test_local_response_norm_is_that_of_torch_with_its_gradients(shape, seed):
    maps = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * 300
    maps.requires_grad_()
    ours, theirs = LocalResponseNorm()(maps), nn.LocalResponseNorm(5, 5e-4, 0.75, 2.0)(maps)
    torch.testing.assert_close(ours, theirs)
    weights = torch.linspace(-1, 2, ours.numel(), dtype=torch.float64).reshape(shape)
    gradients = [torch.autograd.grad((out * weights).sum(), maps)[0] for out in (ours, theirs)]
    torch.testing.assert_close(*gradients)


def test_local_response_norm_by_hand_as_krizhevsky_writes_it():
    values = [100.0, 0.0, 200.0, 50.0, 0.0, 300.0]
    maps = torch.tensor(values).reshape(1, 6, 1, 1)
    by_hand = []  # section 3.3: k = 2, n = 5, alpha = 1e-4, beta = 0.75; alpha times the sum
    for channel, value in enumerate(values):
        neighbours = values[max(0, channel - 2) : channel + 3]
        by_hand.append(value / (2 + 1e-4 * sum(v * v for v in neighbours)) ** 0.75)
    torch.testing.assert_close(LocalResponseNorm()(maps).flatten(), torch.tensor(by_hand))


def test_local_response_norm_of_half_precision_does_not_overflow():
    maps = torch.full((1, 8, 2, 2), 1000.0, dtype=torch.float16)  # its square is infinite
    expected = nn.LocalResponseNorm(5, 5e-4, 0.75, 2.0)(maps.double())
    torch.testing.assert_close(LocalResponseNorm()(maps).double(), expected, rtol=5e-3, atol=0)


# The paper's sizes.


def test_cnn_m_2048_has_the_layers_of_figure_1():
    with torch.device("meta"):  # no memory, no time
        model = CNNM(101)
        sizes = sizes_of(model, torch.empty(1, 3, 224, 224))
    assert sizes == {
        "conv1": (96, 109, 109), "relu1": (96, 109, 109), "norm1": (96, 109, 109), "pool1": (96, 54, 54),
        "conv2": (256, 26, 26), "relu2": (256, 26, 26), "norm2": (256, 26, 26), "pool2": (256, 13, 13),
        "conv3": (512, 13, 13), "relu3": (512, 13, 13), "conv4": (512, 13, 13), "relu4": (512, 13, 13),
        "conv5": (512, 13, 13), "relu5": (512, 13, 13), "pool5": (512, 6, 6),
    }  # fmt: skip
    kernels = {n: tuple(m.weight.shape) for n, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    assert kernels == {
        "features.conv1": (96, 3, 7, 7), "features.conv2": (256, 96, 5, 5), "features.conv3": (512, 256, 3, 3),
        "features.conv4": (512, 512, 3, 3), "features.conv5": (512, 512, 3, 3),
        "fc6": (4096, 512 * 6 * 6), "fc7": (2048, 4096), "classifier": (101, 2048),
    }  # fmt: skip
    norm = model.features.norm1
    assert (norm.size, norm.alpha, norm.beta, norm.k) == (5, 5e-4, 0.75, 2.0)
    assert (model.drop6.p, model.drop7.p) == (0.5, 0.5)
    with torch.device("meta"):
        flow = CNNM(101, in_channels=20, lrn2=False)
    assert [name for name, _ in flow.features.named_children() if "norm" in name] == ["norm1"]
    convolutions = (3 * 49 + 1) * 96 + (96 * 25 + 1) * 256 + (256 * 9 + 1) * 512 + 2 * (512 * 9 + 1) * 512
    frames_count, flow_count = (sum(parameter.numel() for parameter in net.parameters()) for net in (model, flow))
    assert frames_count == convolutions + (18432 + 1) * 4096 + (4096 + 1) * 2048 + (2048 + 1) * 101 == 90_627_813
    assert flow_count == 90_627_813 + 17 * 49 * 96


# What it computes.


def test_the_forward_pass_is_the_one_written_out():
    model = small().eval()
    image = torch.randn(2, 3, 56, 56, generator=torch.Generator().manual_seed(1)) * 100
    at = dict(model.named_parameters())

    def conv(x, name, stride=1, padding=1):
        return F.relu(F.conv2d(x, at[f"features.{name}.weight"], at[f"features.{name}.bias"], stride, padding))

    def pool(x):
        return F.max_pool2d(x, 3, 2, ceil_mode=True)

    def norm(x):
        return F.local_response_norm(x, 5, 5e-4, 0.75, 2.0)

    x = pool(norm(conv(image, "conv1", 2, 0)))
    x = pool(norm(conv(x, "conv2", 1, 2)))
    conv5 = conv(conv(conv(x, "conv3"), "conv4"), "conv5")
    pool5 = pool(conv5)
    fc6 = F.relu(F.linear(pool5.flatten(1), at["fc6.weight"], at["fc6.bias"]))
    fc7 = F.relu(F.linear(fc6, at["fc7.weight"], at["fc7.bias"]))
    taps = model.taps(image)
    assert list(taps) == ["conv5", "pool5", "fc6", "fc7"]
    for name, expected in {"conv5": conv5, "pool5": pool5, "fc6": fc6, "fc7": fc7}.items():
        torch.testing.assert_close(taps[name], expected, atol=1e-3, rtol=1e-5)  # values of about 100
    torch.testing.assert_close(model(image), F.linear(fc7, at["classifier.weight"], at["classifier.bias"]))
    assert taps["conv5"].shape == (2, 16, 6, 6)
    assert taps["pool5"].shape == (2, 16, 3, 3)


def test_dropout_acts_on_both_hidden_layers_and_only_in_training():
    model = small(dropout=0.9, fc=(400, 400))
    nn.init.ones_(model.fc6.bias)
    nn.init.ones_(model.fc7.bias)
    image = torch.zeros(8, 3, 56, 56)
    whole = model.eval().taps(image)
    torch.manual_seed(0)
    thinned = model.train().taps(image)
    for name in ("fc6", "fc7"):
        alive = whole[name].gt(0) if name == "fc6" else torch.ones_like(whole[name], dtype=torch.bool)
        assert (thinned[name][alive] == 0).float().mean() > 0.8
    kept = thinned["fc6"] > 0
    torch.testing.assert_close(thinned["fc6"][kept], 10 * whole["fc6"][kept])
    assert torch.equal(thinned["conv5"], whole["conv5"])
    assert torch.equal(model.eval()(image), model(image))


def test_cross_modality_init_answers_grey_flow_as_the_network_on_frames_answers_grey_frames():
    frames, flow = small(5), small(7, in_channels=6)
    own = flow.classifier.weight.clone()
    cross_modality_init(flow, frames)
    assert torch.equal(flow.classifier.weight, own)
    assert torch.equal(flow.fc7.weight, frames.fc7.weight)
    conv1 = flow.features.conv1.weight
    torch.testing.assert_close(conv1[:, 4], frames.features.conv1.weight.sum(1) / 3)
    grey = torch.randn(2, 1, 56, 56)
    same = [model.eval().taps(grey.expand(-1, c, -1, -1) / c)["fc7"] for model, c in ((frames, 3), (flow, 6))]
    torch.testing.assert_close(*same)


def test_a_wrong_input_is_named():
    with pytest.raises(ValueError, match=r"images must be \(B, 3, 56, 56\); got \(2, 20, 56, 56\): crop or resize"):
        small()(torch.zeros(2, 20, 56, 56))
    with pytest.raises(ValueError, match="image_size must leave something to pool at the end; got 16: larger"):
        small(image_size=16)


def test_weights_start_so_that_values_keep_their_size():
    torch.manual_seed(0)
    model = CNNM(10, image_size=56, channels=(64,) * 5, strides=(2, 1), paddings=(0, 2), fc=(512, 512), dropout=0.9)
    assert math.isclose(model.features.conv3.weight.std().item(), math.sqrt(2 / (9 * 64)), rel_tol=0.02)
    assert math.isclose(model.fc6.weight.std().item(), math.sqrt(2 / (9 * 64)), rel_tol=0.02)
    codes = torch.rand(4000, 512)
    before, after = (model.fc7(model.drop6.train(training)(codes)).std().item() for training in (True, False))
    assert math.isclose(before, math.sqrt(2 / 3), rel_tol=0.05)  # twice the mean square of its inputs, dropout included
    assert after < before / 2
    assert math.isclose(model.classifier.weight.std().item(), 0.01, rel_tol=0.05)
    assert not any(layer.bias.any() for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear))
