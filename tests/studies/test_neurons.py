"""What neurons do: how far training moved them, and what is lost without them."""

import copy

import pytest
import torch

from labkit.backbones.cnn_m import CNNM
from labkit.papers.back_dropout import drop
from labkit.studies.neurons import accuracy_without, relative_change


def network():
    torch.manual_seed(0)
    return CNNM(4, image_size=32, channels=(4, 6, 6, 6, 6), strides=(1, 1), paddings=(0, 2), fc=(12, 8)).eval()


def test_relative_change_by_hand():
    before, after = network(), network()
    with torch.no_grad():
        before.fc7.weight.fill_(2.0)
        after.fc7.weight.fill_(2.0)
        after.fc7.weight[1, :3] = torch.tensor([3.0, 2.0, 4.0])  # sqrt(1 + 4) beside sqrt(12 * 4)
    after.classifier = torch.nn.Linear(8, 7)
    change = relative_change(before, after)
    assert list(change) == [*(f"features.conv{number}" for number in range(1, 6)), "fc6", "fc7"]
    assert change["fc7"][1] == pytest.approx((5 / 48) ** 0.5)
    assert not change["fc7"][[0, 2, 3, 4, 5, 6, 7]].any()
    assert change["features.conv1"].shape == (4,)


def test_the_curve_is_that_of_networks_with_fewer_and_fewer_neurons():
    whole, images, labels = network(), torch.rand(20, 3, 3, 32, 32), torch.arange(20) % 4
    with torch.no_grad():
        whole.classifier.weight.mul_(100)  # so that neurons matter
        pool5 = whole.taps(images.flatten(0, 1))["pool5"].flatten(1).unflatten(0, (20, 3))
        units = {"fc7": torch.randperm(8), "fc6": torch.randperm(12)[:8]}
        curve = accuracy_without(whole, pool5, labels, units, 8)
        for count in (0, 3, 8):
            cut = drop(copy.deepcopy(whole), {layer: chosen[:count] for layer, chosen in units.items()})
            scores = cut(images.flatten(0, 1)).softmax(1).unflatten(0, (20, 3)).mean(1)
            assert curve[count] == pytest.approx(100 * (scores.argmax(1) == labels).double().mean().item())
