import pytest
import torch
import torchvision

from labkit.backbones.googlenet import GoogLeNet, _MaxPool2d, googlenet_backbone, googlenet_tiny, imagenet_backbone
from labkit.views import RGB


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
    images = torch.randn(1, 3, 131, 131)
    torch.testing.assert_close(ours.eval()(images), theirs.eval()(images))
    assert ours.dropout.p == theirs.dropout.p


@pytest.mark.parametrize(("window", "stride", "padding"), [(3, 2, 0), (3, 1, 1), (2, 2, 0)])
def test_channels_last_give_the_same_values_and_gradients(window, stride, padding):
    torch.manual_seed(0)
    maps = torch.randn(2, 16, 15, 14).relu().requires_grad_()  # many equal values
    pools = [kind(window, stride, padding, ceil_mode=True) for kind in (_MaxPool2d, torch.nn.MaxPool2d)]
    ours, theirs = (pool(maps) for pool in pools)
    assert ours.stride() == theirs.stride()
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    upstream = torch.randn_like(ours)
    gradients = [torch.autograd.grad(pooled, maps, upstream)[0] for pooled in (ours, theirs)]
    torch.testing.assert_close(*gradients, rtol=0, atol=0)
    last = maps.contiguous(memory_format=torch.channels_last)
    assert pools[0](last).is_contiguous(memory_format=torch.channels_last)
    assert isinstance(GoogLeNet(10).inception3a.branch4[0], _MaxPool2d)


def test_feature_maps_have_the_sides_of_the_docstring():
    with torch.device("meta"):
        paper, tiny = GoogLeNet(10), googlenet_tiny(10)
        large, small, twice = sides(paper, 224), sides(tiny, 56), sides(tiny, 112)
    assert list(large.values()) == [112, 56, 56, 56, 28, 28, 28, 14, 14, 14, 14, 14, 14, 7, 7, 7]
    assert list(small.values()) == [56, 28, 28, 28, 14, 14, 14, 7, 7, 7, 7, 7, 7, 4, 4, 4]
    assert twice == large
    assert 0.3e6 < sum(parameter.numel() for parameter in tiny.parameters()) < 0.4e6


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"width": 0.3}, "width must be a multiple of 1/8; got 0.3"),
        ({"conv1": (6, 2)}, "filters of conv1 must have an odd side; got 6"),
    ],
)
def test_wrong_numbers_are_named(numbers, message):
    with pytest.raises(ValueError, match=message):
        GoogLeNet(10, **numbers)


def test_the_backbone_ends_after_the_average_pooling():
    torch.manual_seed(0)
    network, images = GoogLeNet(7, width=0.25, conv1=(5, 1)).eval(), torch.rand(2, 3, 32, 32)
    maps = googlenet_backbone(network)(images)
    assert maps.shape == (2, 256, 1, 1)
    torch.testing.assert_close(network.fc(maps.flatten(1)), network(images))


def test_torchvision_s_weights_get_the_colours_that_they_expect(tmp_path):
    """Colours of zero mean and unit variance had 2.2 times the contrast, and the auxiliary classifiers did not fit."""
    torch.manual_seed(0)
    theirs = torchvision.models.googlenet(init_weights=False, aux_logits=True, transform_input=True).eval()
    torch.save(theirs.state_dict(), tmp_path / "googlenet.pth")
    levels, seen = torch.randint(256, (1, 3, 220, 220)), []
    theirs.avgpool.register_forward_hook(lambda module, inputs, output: seen.append(output))
    imagenet = RGB(mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))  # exactly torchvision's
    theirs(imagenet.normalise(levels))
    ours = imagenet_backbone(tmp_path / "googlenet.pth").eval()
    torch.testing.assert_close(ours(RGB(mean=3 * (127.5,), std=3 * (127.5,)).normalise(levels)), seen[0])
