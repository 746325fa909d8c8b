import torch
from torch import nn

from labkit.backbones.alexnet import alexnet_backbone, torchvision_backbone


def test_it_has_the_layers_of_the_text():
    backbone = alexnet_backbone().to("meta")
    assert [backbone[position].kernel_size for position in (0, 4, 8)] == [(11, 11), (9, 9), (5, 5)]
    assert [type(part).__name__ for part in backbone] == ["Conv2d", "ReLU", "MaxPool2d", "LocalResponseNorm"] * 3
    shapes, values = [], torch.empty(2, 3, 220, 220, device="meta")
    for part in backbone:
        values = part(values)
        if isinstance(part, nn.Conv2d | nn.MaxPool2d):
            shapes.append(tuple(values.shape[1:]))
    assert shapes == [(96, 53, 53), (96, 26, 26), (256, 26, 26), (256, 13, 13), (256, 13, 13), (256, 6, 6)]


def test_the_substitute_has_maps_of_the_same_shape(alexnet):
    network, _ = alexnet
    images = torch.rand(1, 3, 220, 220)
    maps = torchvision_backbone(network)(images)
    assert maps.shape == (1, 256, 6, 6)
    torch.testing.assert_close(network.classifier(maps.flatten(1)), network(images))
