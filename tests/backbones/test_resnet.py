import pytest
import torch
import torchvision

from labkit.backbones import WeightsError, cross_modality_init, load_weights, source_weights
from labkit.backbones.resnet import ResNet, resnet50, resnet_tiny


def sides(net, size):
    """Channels and side of the feature maps after each stage, of one square image."""
    maps, found = torch.zeros(1, net.conv1.in_channels, size, size), []
    for stage in net.eval().stages.values():
        maps = stage(maps)
        found.append((maps.shape[1], maps.shape[-1]))
    return found


def test_in_the_papers_size_it_is_torchvisions():
    torch.manual_seed(0)
    theirs = torchvision.models.resnet50()
    for name, buffer in theirs.named_buffers():  # statistics that matter
        if "running" in name:
            buffer.uniform_(0.5, 1.5)
    narrow = torchvision.models.resnet18(num_classes=5)
    basic = ResNet(5, block=torchvision.models.resnet.BasicBlock, layers=(2, 2, 2, 2))
    images = torch.randn(2, 3, 75, 66)
    for ours, original in ((resnet50(1000), theirs), (basic, narrow)):
        ours.load_state_dict(original.state_dict())  # strict
        torch.testing.assert_close(ours.eval()(images), original.eval()(images))


def test_feature_maps_have_the_sizes_of_the_docstring():
    with torch.device("meta"):
        paper, tiny = resnet50(10), resnet_tiny(10, in_channels=10)
        assert sides(paper, 224) == [(64, 56), (256, 56), (512, 28), (1024, 14), (2048, 7)]
        assert sides(tiny, 56) == [(16, 28), (16, 28), (32, 14), (64, 7), (128, 7)]
        assert list(paper.stages) == ["conv1", "res2", "res3", "res4", "res5"]
    assert sum(parameter.numel() for parameter in resnet50(1000).parameters()) == 25_557_032  # torchvision's count
    assert 0.30e6 < sum(parameter.numel() for parameter in resnet_tiny(24).parameters()) < 0.32e6


def test_classify_is_the_mean_over_locations_then_dropout_in_training_only():
    net = resnet_tiny(3, dropout=0.5)
    maps = torch.randn(4, 128, 2, 5)
    by_hand = maps.mean(dim=(2, 3)) @ net.fc.weight.T + net.fc.bias
    torch.testing.assert_close(net.eval().classify(maps), by_hand)
    torch.manual_seed(0)
    assert not torch.allclose(net.train().classify(maps), by_hand)


def test_trained_weights_initialise_a_network_on_flow():
    """Grey flow is answered as grey frames are, the classifier and all sizes apart."""
    frames, flow = resnet_tiny(54), resnet_tiny(7, in_channels=10)
    load_weights(frames, source_weights("resnet"))
    own = flow.fc.weight.clone()
    cross_modality_init(flow, frames)
    assert torch.equal(flow.fc.weight, own)
    assert torch.equal(flow.bn1.running_var, frames.bn1.running_var)
    grey = torch.randn(2, 1, 56, 56)
    same = []
    for net, channels in ((frames, 3), (flow, 10)):
        maps = grey.expand(-1, channels, -1, -1) / channels
        for stage in net.eval().stages.values():
            maps = stage(maps)
        same.append(maps)
    torch.testing.assert_close(*same)


def test_another_stride_is_refused_unless_asked_for():
    halving = ResNet(5, block=torchvision.models.resnet.BasicBlock, layers=(1, 1, 1, 1), width=16, conv1=(3, 1))
    source = resnet_tiny(24)
    before = halving.conv1.weight.clone()
    with pytest.raises(ValueError, match=r"got layer4.0.conv1 with \[1, 1\] for \[2, 2\].*other_strides=True"):
        cross_modality_init(halving, source)
    assert torch.equal(halving.conv1.weight, before)
    cross_modality_init(halving, source, other_strides=True)
    assert torch.equal(halving.layer4[0].conv1.weight, source.layer4[0].conv1.weight)
    assert torch.equal(halving.conv1.weight, source.conv1.weight)  # as many channels are copied, not averaged
    with pytest.raises(WeightsError, match=r"2 of another stride: layer4\.0\.conv1"):
        load_weights(halving, source_weights("resnet"), skip=("fc",))


def test_wrong_numbers_are_named():
    with pytest.raises(ValueError, match="must have an odd side; got 4"):
        ResNet(5, conv1=(4, 2))
    with pytest.raises(ValueError, match=r"images must be \(B, 3, H, W\); got \(2, 10, 56, 56\): stack as many"):
        resnet_tiny(5)(torch.zeros(2, 10, 56, 56))
