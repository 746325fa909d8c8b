import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from labkit.backbones import load_weights, source_weights
from labkit.backbones.resnet import resnet_tiny
from labkit.backbones.resnet3d import ResNet3D, inflate, resnet3d_tiny

PAPER = [(64, 16, 56, 56), (64, 16, 56, 56), (128, 8, 28, 28), (256, 4, 14, 14), (512, 2, 7, 7)]
TINY = [(16, 16, 24, 24), (16, 16, 24, 24), (32, 8, 12, 12), (64, 4, 6, 6), (128, 2, 3, 3)]


def after_each_stage(net, clips):
    maps, found = net.to_maps(clips), []
    for stage in net.stages.values():
        maps = stage(maps)
        found.append(maps)
    return found


@pytest.mark.parametrize(("build", "size", "expected"), [(ResNet3D, 224, PAPER), (resnet3d_tiny, 48, TINY)])
def test_sixteen_frames_have_the_sizes_of_the_text(build, size, expected):
    """Section 4.3.2: the last feature maps of the encoder are 512 x 2 x 7 x 7."""
    with torch.device("meta"):
        net, clips = build(101).eval(), torch.zeros(1, 16, 3, size, size)
        assert [tuple(maps.shape[1:]) for maps in after_each_stage(net, clips)] == expected
        assert net(clips).shape == (1, 101)


def test_every_filter_of_resnet18_reaches_over_three_frames():
    """And nothing else is other than in torchvision's: each filter has three times as many weights."""
    with torch.device("meta"):
        ours, theirs = ResNet3D(101), torchvision.models.resnet18(num_classes=101)
    flat = dict(theirs.named_modules())
    for name, layer in ours.named_modules():
        if isinstance(layer, nn.Conv3d):
            k, k_, stride = *flat[name].kernel_size, flat[name].stride[0]
            in_time = 2 if stride == 2 and name != "conv1" else 1
            assert layer.weight.shape == (*flat[name].weight.shape[:2], 3, k, k_)
            assert layer.stride == (in_time, stride, stride)
            assert layer.padding == (1, *flat[name].padding)
    assert [*ours.state_dict()] == [*theirs.state_dict()]
    counts = [sum(p.numel() for p in net.parameters()) for net in (ours, theirs)]
    filters = sum(p.numel() for p in theirs.parameters() if p.ndim == 4)
    assert counts == [33_562_149, 11_228_325]
    assert counts[0] == counts[1] + 2 * filters
    assert sum(parameter.numel() for parameter in resnet3d_tiny(18).parameters()) == 922_050


def by_hand(net, clips):
    """The small network from its weights alone, in evaluation."""
    state = net.state_dict()

    def convolve(x, name, norm, stride=(1, 1, 1)):
        weight = state[f"{name}.weight"]
        x = F.conv3d(x, weight, stride=stride, padding=tuple(side // 2 for side in weight.shape[2:]))
        mean, var, scale, shift = (
            state[f"{norm}.{part}"][:, None, None, None] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 1e-5).sqrt() * scale + shift

    x = F.relu(convolve(clips.permute(0, 2, 1, 3, 4), "conv1", "bn1"))
    batch, _, frames = x.shape[:3]
    x = F.max_pool2d(x.transpose(1, 2).flatten(0, 1), 3, 2, 1)  # each frame by itself
    x = x.unflatten(0, (batch, frames)).transpose(1, 2)
    for number in range(1, 5):
        block, stride = f"layer{number}.0", (1, 1, 1) if number == 1 else (2, 2, 2)
        shortcut = x if number == 1 else convolve(x, f"{block}.downsample.0", f"{block}.downsample.1", stride)
        y = F.relu(convolve(x, f"{block}.conv1", f"{block}.bn1", stride))
        x = F.relu(convolve(y, f"{block}.conv2", f"{block}.bn2") + shortcut)
    return x.mean((2, 3, 4)) @ state["fc.weight"].T + state["fc.bias"]


def test_it_is_what_its_weights_say():
    torch.manual_seed(0)
    net = resnet3d_tiny(5).eval()
    for name, value in net.state_dict().items():
        if "running" in name or "bn" in name:
            value.uniform_(0.5, 1.5) if value.is_floating_point() else None
    clips = torch.randn(2, 8, 3, 16, 32)
    torch.testing.assert_close(net(clips), by_hand(net, clips), atol=1e-4, rtol=1e-4)


def test_inflated_it_answers_a_static_clip_as_the_network_of_images():
    """Away from the ends of the clip. How many frames away: what the convolutions on the way can see, added up."""
    torch.manual_seed(0)
    images = resnet_tiny(54)
    load_weights(images, source_weights("resnet"))
    images.layer4[0].conv1.stride = images.layer4[0].downsample[0].stride = (2, 2)  # those of the 3-D network
    clips = resnet3d_tiny(7)
    own = clips.fc.weight.clone()
    inflate(clips, images)
    assert torch.equal(clips.fc.weight, own)
    weight, flat = clips.layer2[0].downsample[0].weight, images.layer2[0].downsample[0].weight
    assert weight.shape == (32, 16, 3, 1, 1)
    torch.testing.assert_close(weight.sum(2), flat)
    assert torch.equal(weight[:, :, 0], weight[:, :, 2])
    maps = image = torch.randn(1, 3, 32, 32)
    margins = {"conv1": (1, 1), "res2": (1, 3), "res3": (2, 6), "res4": (4, 12), "res5": (8, 20 + 8)}
    with torch.no_grad():
        solid = after_each_stage(clips.eval(), image[:, None].expand(-1, 80, -1, -1, -1))
        for (name, stage), found in zip(images.eval().stages.items(), solid, strict=True):
            maps = stage(maps)
            step, reach = margins[name]
            times = torch.arange(found.shape[2]) * step
            inner = (times >= reach) & (times + reach < 80)
            assert inner.sum() >= 3
            expected = maps[:, :, None].expand(-1, -1, int(inner.sum()), -1, -1)
            torch.testing.assert_close(found[:, :, inner], expected, atol=1e-4, rtol=1e-4)
            assert not torch.allclose(found[:, :, 0], maps, atol=1e-2)  # zeros before the first frame


def test_another_size_is_refused_and_changes_nothing():
    net = resnet3d_tiny(5)
    before = net.conv1.weight.clone()
    with pytest.raises(ValueError, match=r"got conv1.weight \(16, 6, 3, 3, 3\) for \(16, 3, 3, 3, 3\)"):
        inflate(net, resnet_tiny(5, in_channels=6))
    with pytest.raises(ValueError, match=r"strides of model; got layer4.0.conv1 with \[1, 1\] for \[2, 2\]"):
        inflate(net, resnet_tiny(5))  # a stride of 1 in res5
    with pytest.raises(ValueError, match=r"got layer1.1.conv1.weight None for \(8, 8, 3, 3, 3\)"):
        inflate(ResNet3D(5, width=8), ResNet3D(5, width=8, layers=(1, 2, 2, 2)))
    assert torch.equal(net.conv1.weight, before)


def test_wrong_input_is_named():
    with pytest.raises(ValueError, match=r"clips must be \(B, T, 3, H, W\); got \(1, 3, 8, 16, 16\)"):
        resnet3d_tiny(5)(torch.zeros(1, 3, 8, 16, 16))
    with pytest.raises(ValueError, match="must have an odd side"):
        ResNet3D(5, conv1=(4, 2))
