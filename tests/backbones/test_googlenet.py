import pytest
import torch
import torchvision
from torch import nn

from labkit.backbones.googlenet import GoogLeNet, googlenet_tiny


def sides(net, size):
    """Side of the feature maps after each layer, of one square image."""
    image, found = torch.zeros(1, 3, size, size), {}
    for name, layer in net.eval().named_children():
        image = layer(image)
        if name == "avgpool":
            return found
        found[name] = image.shape[-1]


def test_in_the_papers_size_it_is_torchvisions():
    torch.manual_seed(0)
    theirs = torchvision.models.googlenet(weights=None, init_weights=False, aux_logits=False)
    for name, buffer in theirs.named_buffers():  # statistics that matter
        if "running" in name:
            buffer.uniform_(0.5, 1.5)
    ours = GoogLeNet(1000)
    ours.load_state_dict(theirs.state_dict())  # strict
    images = torch.randn(2, 3, 131, 131)
    torch.testing.assert_close(ours.eval()(images), theirs.eval()(images))
    assert ours.dropout.p == theirs.dropout.p


def test_feature_maps_have_the_sides_of_the_docstring():
    with torch.device("meta"):
        paper, tiny = GoogLeNet(10), googlenet_tiny(10)
        large, small, twice = sides(paper, 224), sides(tiny, 56), sides(tiny, 112)
    assert list(large.values()) == [112, 56, 56, 56, 28, 28, 28, 14, 14, 14, 14, 14, 14, 7, 7, 7]
    assert list(small.values()) == [56, 28, 28, 28, 14, 14, 14, 7, 7, 7, 7, 7, 7, 4, 4, 4]
    assert twice == large


def test_the_small_one_is_a_quarter_as_wide_and_small():
    tiny, wide = googlenet_tiny(24), GoogLeNet(24)
    assert tiny.fc.in_features == 256
    for name, module in tiny.named_modules():
        if isinstance(module, nn.Conv2d):
            assert module.out_channels * 4 == wide.get_submodule(name).out_channels
    assert 0.3e6 < sum(parameter.numel() for parameter in tiny.parameters()) < 0.4e6


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"width": 0.3}, "width must be a multiple of 1/8; got 0.3"),
        ({"width": 0}, "width must be a multiple of 1/8; got 0"),
        ({"conv1": (6, 2)}, "filters of conv1 must have an odd side; got 6"),
    ],
)
def test_wrong_numbers_are_named(numbers, message):
    with pytest.raises(ValueError, match=message):
        GoogLeNet(10, **numbers)
