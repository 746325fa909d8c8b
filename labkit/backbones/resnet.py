"""ResNet in any size, open between its stages: ResNet-50, and one that learns the lab's source task in minutes.

Five stages, a convolution with max-pooling and four of residual blocks. `ResNet.stages` gives them one by one, for
papers that look at feature maps between them. What they make of a 224 x 224 image, and the small network of a 56 x 56
one::

    conv1 7x7/2, maxpool -> 56, res2 -> 56, res3 -> 28, res4 -> 14, res5 -> 7, mean over all locations, fc
    conv1 3x3,   maxpool -> 28, res2 -> 28, res3 -> 14, res4 ->  7, res5 -> 7

Blocks are torchvision's, and so are the names of all layers: its weights fit where the numbers are its own. A network
takes images of any size; the mean at the end makes each location vote for a class by itself, see `labkit.attribution`.

Source: He, Zhang, Ren and Sun, "Deep residual learning for image recognition", CVPR 2016, Table 1. As in torchvision,
the 3 x 3 convolution of a bottleneck has the stride, not the 1 x 1 before it.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck  # type: ignore[import-untyped]

from labkit import checks

Block = type[BasicBlock] | type[Bottleneck]


class ResNet(nn.Module):
    """Logits ``(B, num_classes)`` of images ``(B, in_channels, H, W)``.

    Args:
        num_classes: outputs of the last layer, ``fc``.
        in_channels: 3 for a frame, 2L for a stack of L flow fields.
        block: of torchvision: ``BasicBlock`` or ``Bottleneck``, whose output is four times as wide.
        layers: blocks of res2 to res5.
        width: channels of conv1 and of a block of res2; each stage after it doubles them.
        conv1: side of the first filters, an odd number, and their stride.
        strides: of res2 to res5.
        dropout: probability that one of the averaged channels is dropped in training.

    Raises:
        ValueError: filters of conv1 without a middle.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 3,
        block: Block = Bottleneck,
        layers: tuple[int, int, int, int] = (3, 4, 6, 3),
        width: int = 64,
        conv1: tuple[int, int] = (7, 2),
        strides: tuple[int, int, int, int] = (1, 2, 2, 2),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        side, stride = conv1
        if side % 2 == 0:
            raise ValueError(f"filters of conv1 must have an odd side; got {side}: padding keeps them centred")
        planes = [width * 2**stage for stage in range(4)]
        self.channels = (width, *(each * block.expansion for each in planes))
        self.conv1 = nn.Conv2d(in_channels, width, side, stride, side // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        for number, ((inputs, outputs), narrow) in enumerate(
            zip(pairwise(self.channels), planes, strict=True), start=1
        ):
            blocks = [_first_block(block, inputs, narrow, strides[number - 1])]
            blocks += [block(outputs, narrow) for _ in range(layers[number - 1] - 1)]
            self.add_module(f"layer{number}", nn.Sequential(*blocks))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(self.channels[-1], num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):  # as torchvision draws them
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    @property
    def stages(self) -> Mapping[str, Callable[[Tensor], Tensor]]:
        """The backbone in five pieces, in order; each takes what the one before gives. Max-pooling belongs to conv1."""
        return {
            "conv1": lambda images: self.maxpool(self.relu(self.bn1(self.conv1(images)))),  # (B, 64, 56, 56)
            "res2": self.get_submodule("layer1"),  # (B, 256, 56, 56)
            "res3": self.get_submodule("layer2"),  # (B, 512, 28, 28)
            "res4": self.get_submodule("layer3"),  # (B, 1024, 14, 14)
            "res5": self.get_submodule("layer4"),  # (B, 2048, 7, 7)
        }

    def classify(self, maps: Tensor) -> Tensor:
        """Logits ``(B, num_classes)`` of the last feature maps ``(B, C, h, w)``: mean, dropout in training, ``fc``."""
        return self.fc(self.dropout(self.avgpool(maps).flatten(1)))

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B, num_classes)`` of images ``(B, in_channels, H, W)``, float.

        Raises:
            ValueError: the input has another shape.
        """
        hint = "stack as many fields as the network was built for"
        checks.require_shape(images, f"B {self.conv1.in_channels} H W", "images", hint)
        maps = images.contiguous(memory_format=torch.channels_last)  # half the time on a CPU
        for stage in self.stages.values():
            maps = stage(maps)
        return self.classify(maps)


def _first_block(block: Block, inputs: int, planes: int, stride: int) -> nn.Module:
    """The block that changes resolution or channels, so that its shortcut has to as well."""
    outputs = planes * block.expansion
    if stride == 1 and inputs == outputs:
        return block(inputs, planes)
    shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
    return block(inputs, planes, stride, shortcut)


def resnet50(num_classes: int, *, in_channels: int = 3, dropout: float = 0.0) -> ResNet:
    """ResNet-50: torchvision's, layer by layer; 25.6 million parameters for 1000 classes."""
    return ResNet(num_classes, in_channels=in_channels, dropout=dropout)


def resnet_tiny(num_classes: int, *, in_channels: int = 3, dropout: float = 0.0) -> ResNet:
    """Ten layers, a quarter as wide, for crops of 56 x 56 pixels: 0.31 million parameters.

    Its last feature maps have 7 x 7 locations, as many as those of ResNet-50 on 224 x 224 pixels.
    `labkit.backbones.source_weights` has it trained on the source task, under the name ``"resnet"``.
    """
    small: dict[str, Any] = {"layers": (1, 1, 1, 1), "width": 16, "conv1": (3, 1), "strides": (1, 2, 2, 1)}
    return ResNet(num_classes, in_channels=in_channels, block=BasicBlock, dropout=dropout, **small)
