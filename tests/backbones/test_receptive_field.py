import pytest
import torch
import torchvision
from torch import nn

from labkit.backbones.googlenet import GoogLeNet
from labkit.backbones.receptive_field import ReceptiveField, empty_maps, receptive_fields
from labkit.backbones.taps import tap

GOOGLENET = ["maxpool1", "maxpool2", *(f"inception{name}" for name in ("3a", "3b", "4a", "4e", "5a", "5b"))]


def test_receptive_fields_by_hand():
    fields = receptive_fields(GoogLeNet(2, width=1 / 8), GOOGLENET, 224)
    # conv1: 7 pixels from -3 on, 2 apart; pooled by 3: 7 + 2 * 2 = 11, 4 apart. conv3: + 2 * 4; pooled: + 2 * 4.
    assert fields["maxpool1"] == ReceptiveField(-3, 11, 4)
    assert fields["maxpool2"] == ReceptiveField(-7, 27, 8)
    assert fields["inception3a"] == ReceptiveField(-15, 43, 8)  # its largest kernels are 3 x 3
    assert fields["maxpool1"].centres(3).tolist() == [2, 6, 10]
    with torch.device("meta"):
        fields = receptive_fields(torchvision.models.vgg16(), ["features.6", "features.29"], 224)
    assert fields["features.6"] == ReceptiveField(-4, 10, 2)
    assert fields["features.29"] == ReceptiveField(-90, 196, 16)
    assert fields["features.29"].centres(2).tolist() == [7.5, 23.5]


def test_maps_have_the_size_of_computed_ones_but_no_values():
    network = GoogLeNet(2, width=1 / 8).eval()
    computed = tap(network, torch.zeros(1, 3, 64, 64), GOOGLENET)
    for layer, feature_map in empty_maps(network, GOOGLENET, 64).items():
        assert feature_map.shape == computed[layer].shape
        assert feature_map.is_meta


def linear_twin(network):
    """In place: every weight positive and every pooling a mean, so that each pixel in sight has a gradient."""
    for module in list(network.modules()):
        for name, part in module.named_children():
            if isinstance(part, nn.MaxPool2d):
                sizes = part.kernel_size, part.stride, part.padding, part.ceil_mode
                setattr(module, name, nn.AvgPool2d(*sizes, count_include_pad=False))
    for parameter in network.parameters():
        nn.init.constant_(parameter, 0.1)
    return network.double().eval()


@pytest.mark.parametrize(
    ("network", "layers", "side"),
    [
        (lambda: GoogLeNet(2, width=1 / 8), GOOGLENET, 288),  # the paper's kernels
        (lambda: torchvision.models.resnet18(), ["layer1", "layer2"], 160),  # sums of branches
        (lambda: nn.Sequential(nn.Conv2d(3, 2, 5, 2, 1, dilation=2), nn.AvgPool2d(3, 2)), ["0", "1"], 40),
    ],
)
def test_receptive_fields_are_where_gradients_are(network, layers, side):
    torch.manual_seed(0)
    network = linear_twin(network())
    fields = receptive_fields(network, layers, side)
    images = torch.rand(1, 3, side, side, dtype=torch.float64, requires_grad=True)
    maps = tap(network, images, layers)
    for layer in layers:
        location = maps[layer].shape[-1] // 2
        (gradient,) = torch.autograd.grad(maps[layer][0, :, location, location].sum(), images, retain_graph=True)
        first = fields[layer].first + location * fields[layer].step
        inside = range(max(first, 0), min(first + fields[layer].size, side))
        for along in (gradient[0].abs().sum(dim=(0, 1)), gradient[0].abs().sum(dim=(0, 2))):
            pixels = along.nonzero().flatten().tolist()
            assert (pixels[0], pixels[-1]) == (inside[0], inside[-1]), layer
        if inside == range(first, first + fields[layer].size):
            assert (pixels[0] + pixels[-1]) / 2 == fields[layer].centres(location + 1)[-1].item()


def test_layers_without_locations_have_no_receptive_field():
    with pytest.raises(ValueError, match=r"layers must lie after convolutions and poolings .* avgpool does not"):
        receptive_fields(torchvision.models.resnet18(), ["layer4", "avgpool"], 224)
    with pytest.raises(ValueError, match="kernels must be square, their paddings numbers; got 'same'"):
        empty_maps(nn.Sequential(nn.Conv2d(3, 1, 3, padding="same")), ["0"], 8)
    with pytest.raises(ValueError, match="feature maps that meet must have the same step; got 2 and 4"):
        ReceptiveField(0, 3, 2).joined(ReceptiveField(0, 3, 4))
    with pytest.raises(ValueError, match="images must be large enough for the network; got 1 x 1"):
        empty_maps(GoogLeNet(2, width=1 / 8).eval(), GOOGLENET, 1)
