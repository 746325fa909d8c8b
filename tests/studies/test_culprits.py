"""Planted culprits: where they are the cause of mistakes they are found, and without them the network is as before."""

import copy

import torch

from labkit.backbones.cnn_m import CNNM
from labkit.studies.culprits import Activations, plant, search_culprits


def network_and_images(count=300, classes=4, neurons=40):
    """A network that is right about nearly all images: each class has neurons of its own."""
    torch.manual_seed(0)
    network = CNNM(classes, image_size=32, channels=(4, 6, 6, 6, 6), strides=(1, 1), paddings=(0, 2), fc=(60, neurons))
    labels = torch.arange(count) % classes
    own = torch.arange(neurons) % classes
    fc7 = 0.8 * torch.rand(count, neurons) + (own == labels[:, None])
    with torch.no_grad():
        network.classifier.weight.copy_(0.1 * (own == torch.arange(classes)[:, None]))
        network.classifier.bias.zero_()
    images = Activations(fc7, torch.rand(count, 60), labels)
    return network.eval(), *(
        Activations(*(part[half] for part in images)) for half in (slice(0, None, 2), slice(1, None, 2))
    )


def test_culprits_are_planted_in_a_copy():
    network = network_and_images()[0]
    before = copy.deepcopy(network.state_dict())
    planted, culprits = plant(network, 5.0, torch.Generator().manual_seed(1))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    changed = (planted.classifier.weight != network.classifier.weight).nonzero()  # (n, 2)
    assert sorted(changed[:, 1].tolist()) == sorted(culprits.tolist())
    assert len(culprits.unique()) == 4  # a tenth
    torch.testing.assert_close(planted.classifier.weight.max(), 5 * network.classifier.weight.max())


def test_culprits_are_found_and_the_network_is_repaired():
    network, *halves = network_and_images()
    result = search_culprits(network, *halves, 30.0, seed=0)
    assert result.accuracy["nothing"] < 60
    assert result.found["by weight"] >= 75
    assert result.accuracy["by weight"] > result.accuracy["nothing"] + 20
    assert result.accuracy["by weight"] > result.accuracy["at random"] + 20
    assert result.found["nothing"] == 0
    assert result.found["the culprits"] == 100
    assert result.accuracy["the culprits"] > 95
    assert result == search_culprits(network, *halves, 30.0, seed=0)
