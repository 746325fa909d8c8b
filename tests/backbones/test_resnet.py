import pytest
import torch
import torchvision
from torch import nn

from labkit.backbones import WeightsError, cross_modality_init, load_weights, source_weights
from labkit.backbones.resnet import ResNet, resnet50, resnet_tiny
from labkit.training import overfit_one_batch


def sides(net, size):
    """Channels and side of the map behind each stage, of one square image."""
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
    ours = resnet50(1000)
    ours.load_state_dict(theirs.state_dict())  # strict
    images = torch.randn(2, 3, 75, 66)
    torch.testing.assert_close(ours.eval()(images), theirs.eval()(images))


def test_maps_have_the_sizes_of_the_docstring():
    with torch.device("meta"):
        paper, tiny = resnet50(10), resnet_tiny(10, in_channels=10)
        assert sides(paper, 224) == [(64, 56), (256, 56), (512, 28), (1024, 14), (2048, 7)]
        assert sides(tiny, 56) == [(16, 28), (16, 28), (32, 14), (64, 7), (128, 7)]
        assert list(paper.stages) == ["conv1", "res2", "res3", "res4", "res5"]
    assert sum(parameter.numel() for parameter in resnet50(1000).parameters()) == 25_557_032  # torchvision's count
    assert 0.30e6 < sum(parameter.numel() for parameter in resnet_tiny(24).parameters()) < 0.32e6


def test_a_small_one_agrees_with_torchvision_stage_by_stage():
    """The shortcuts too: torchvision's narrowest ResNet has the same blocks, in width 64."""
    theirs = torchvision.models.resnet18(num_classes=5).eval()
    ours = ResNet(5, block=torchvision.models.resnet.BasicBlock, layers=(2, 2, 2, 2)).eval()
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(1, 3, 40, 40)
    torch.testing.assert_close(ours(images), theirs(images))


def test_classify_is_the_mean_over_places_then_dropout_in_training_only():
    net = resnet_tiny(3, dropout=0.5)
    maps = torch.randn(4, 128, 2, 5)
    by_hand = maps.mean(dim=(2, 3)) @ net.fc.weight.T + net.fc.bias
    torch.testing.assert_close(net.eval().classify(maps), by_hand)
    torch.manual_seed(0)
    assert not torch.allclose(net.train().classify(maps), by_hand)


def test_trained_weights_start_a_net_on_flow():
    """Grey flow is answered as grey frames are, the classifier and all sizes apart."""
    frames, flow = resnet_tiny(24), resnet_tiny(7, in_channels=10)
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


def test_as_many_channels_are_copied_not_averaged():
    frames, differences = resnet_tiny(24), resnet_tiny(7)
    cross_modality_init(differences, frames)
    assert torch.equal(differences.conv1.weight, frames.conv1.weight)


def test_another_stride_is_refused_unless_asked_for():
    halving = ResNet(5, block=torchvision.models.resnet.BasicBlock, layers=(1, 1, 1, 1), width=16, conv1=(3, 1))
    source = resnet_tiny(24)
    before = halving.conv1.weight.clone()
    with pytest.raises(ValueError, match=r"got layer4.0.conv1 with \[1, 1\] for \[2, 2\].*other_strides=True"):
        cross_modality_init(halving, source)
    assert torch.equal(halving.conv1.weight, before)
    cross_modality_init(halving, source, other_strides=True)
    assert torch.equal(halving.layer4[0].conv1.weight, source.layer4[0].conv1.weight)
    with pytest.raises(WeightsError, match=r"2 of another stride: layer4\.0\.conv1"):
        load_weights(halving, source_weights("resnet"), skip=("fc",))


def test_another_depth_is_refused_and_changes_nothing():
    net, deeper = resnet_tiny(5), ResNet(5, block=torchvision.models.resnet.BasicBlock, layers=(1, 1, 1, 2), width=16)
    before = net.conv1.weight.clone()
    with pytest.raises(ValueError, match=r"source must have the sizes of model; got conv1.weight \(16, 3, 7, 7\) for"):
        cross_modality_init(net, deeper)
    deeper = ResNet(5, block=torchvision.models.resnet.BasicBlock, layers=(1, 1, 1, 2), width=16, conv1=(3, 1))
    with pytest.raises(ValueError, match=r"got layer4.1.conv1.weight \(128, 128, 3, 3\) for None"):
        cross_modality_init(net, deeper)
    assert torch.equal(net.conv1.weight, before)


def test_wrong_numbers_are_named():
    with pytest.raises(ValueError, match="must have an odd side; got 4"):
        ResNet(5, conv1=(4, 2))
    with pytest.raises(ValueError, match=r"images must be \(B, 3, H, W\); got \(2, 10, 56, 56\): stack as many"):
        resnet_tiny(5)(torch.zeros(2, 10, 56, 56))


def test_it_can_learn():
    torch.manual_seed(0)
    images = torch.randn(8, 3, 32, 32)
    loss = lambda net, batch: nn.functional.cross_entropy(net(batch[0]), batch[1])  # noqa: E731
    assert overfit_one_batch(resnet_tiny(4), loss, (images, torch.arange(8) % 4), steps=60).steps > 1
