"""GoogLeNet in any width: the paper's sizes, and a small one that learns the world's source task in minutes.

Nine inception modules one after another, each with filters of several sizes (1 x 1, 3 x 3, "5 x 5") and the largest
value nearby, all of them computed and stacked. At the end the mean over all locations and one linear layer, nothing
else: so images of any size will do, and every location votes for a class by itself. Sides of the feature maps for an
image of 224 x 224 pixels, and in the small network for one of 56 x 56::

    conv1 7x7/2 -> 112, maxpool1 conv2 conv3 -> 56, maxpool2 3a 3b -> 28, maxpool3 4a to 4e -> 14, maxpool4 5a 5b -> 7
    conv1 5x5   ->  56, maxpool1 conv2 conv3 -> 28, maxpool2 3a 3b -> 14, maxpool3 4a to 4e ->  7, maxpool4 5a 5b -> 4

The small network has as many locations on 112 x 112 as the large one on 224 x 224.

The modules are torchvision's, and so are its departures from the paper: batch normalisation after every convolution,
no local response normalisation, 3 x 3 filters in the "5 x 5" branch, and a last max-pooling of 2 x 2. The two auxiliary
classifiers, which help training only, are left out.

Source: Szegedy et al., "Going deeper with convolutions", CVPR 2015, Table 1.
"""

import os
from collections import OrderedDict

import torch
from torch import Tensor, nn
from torchvision import models  # type: ignore[import-untyped]
from torchvision.models.googlenet import BasicConv2d, Inception  # type: ignore[import-untyped]

from labkit.backbones.weights import torchvision_weights

_MODULES = {  # channels of 1x1, 3x3 (before, after), "5x5" (before, after) and behind the pooling: Table 1
    "inception3a": (64, 96, 128, 16, 32, 32),
    "inception3b": (128, 128, 192, 32, 96, 64),
    "inception4a": (192, 96, 208, 16, 48, 64),
    "inception4b": (160, 112, 224, 24, 64, 64),
    "inception4c": (128, 128, 256, 24, 64, 64),
    "inception4d": (112, 144, 288, 32, 64, 64),
    "inception4e": (256, 160, 320, 32, 128, 128),
    "inception5a": (256, 160, 320, 32, 128, 128),
    "inception5b": (384, 192, 384, 48, 128, 128),
}


class _MaxPool2d(nn.MaxPool2d):
    """The same values and gradients, on a processor several times as fast: its channels lie last meanwhile."""

    def forward(self, maps: Tensor) -> Tensor:
        if maps.device.type != "cpu" or not maps.is_contiguous():
            return super().forward(maps)
        return super().forward(maps.contiguous(memory_format=torch.channels_last)).contiguous()


class GoogLeNet(nn.Sequential):
    """Logits ``(B, num_classes)`` of images ``(B, 3, H, W)``, of any size from 15 x 15 on.

    Its layers have the names that torchvision's have, and with the default numbers their shapes: its weights fit, but
    for those of ``aux1`` and ``aux2``. Weights begin as torch draws them; batch normalisation sets the scale.

    Args:
        num_classes: outputs of the last layer, ``fc``.
        width: what all numbers of channels are multiplied by; a multiple of 1/8 keeps them whole.
        conv1: side of the first filters, an odd number, and their stride.
        dropout: probability that one of the averaged channels is dropped in training.

    Raises:
        ValueError: a width that does not leave whole numbers of channels, or filters without a middle.
    """

    def __init__(
        self, num_classes: int, *, width: float = 1.0, conv1: tuple[int, int] = (7, 2), dropout: float = 0.2
    ) -> None:
        side, stride = conv1
        if width <= 0 or width * 8 != int(width * 8):
            raise ValueError(f"width must be a multiple of 1/8; got {width}: channels come in whole numbers")
        if side % 2 == 0:
            raise ValueError(f"filters of conv1 must have an odd side; got {side}: padding keeps them centred")
        first, second = round(64 * width), round(192 * width)
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            conv1=BasicConv2d(3, first, kernel_size=side, stride=stride, padding=side // 2),
            maxpool1=_MaxPool2d(3, 2, ceil_mode=True),
            conv2=BasicConv2d(first, first, kernel_size=1),
            conv3=BasicConv2d(first, second, kernel_size=3, padding=1),
            maxpool2=_MaxPool2d(3, 2, ceil_mode=True),
        )
        pools = {"inception3b": ("maxpool3", 3), "inception4e": ("maxpool4", 2)}  # what follows a module
        inputs = second
        for name, numbers in _MODULES.items():
            channels = [round(number * width) for number in numbers]
            module = layers[name] = Inception(inputs, *channels)
            module.branch4[0] = _MaxPool2d(3, 1, padding=1, ceil_mode=True)
            inputs = channels[0] + channels[2] + channels[4] + channels[5]
            if name in pools:
                pool, window = pools[name]
                layers[pool] = _MaxPool2d(window, 2, ceil_mode=True)
        layers["avgpool"] = nn.AdaptiveAvgPool2d(1)
        layers["flatten"] = nn.Flatten()
        layers["dropout"] = nn.Dropout(dropout)
        layers["fc"] = nn.Linear(inputs, num_classes)
        super().__init__(layers)


def googlenet_tiny(num_classes: int) -> GoogLeNet:
    """A quarter as wide, for images of 64 x 64 pixels: 0.36 million parameters.

    `labkit.backbones.source_weights` has it trained on the source task, under the name ``"googlenet"``.
    """
    return GoogLeNet(num_classes, width=0.25, conv1=(5, 1))


def imagenet_backbone(weights: str | os.PathLike[str] | None = None) -> nn.Sequential:
    """GoogLeNet up to its average pooling, with torchvision's weights from ImageNet.

    These were ported from Caffe and expect colours between -1 and 1 (torchvision's ``transform_input``), not of zero
    mean and unit variance: ``RGB(mean=3 * (127.5,), std=3 * (127.5,))`` of `labkit.views`.

    Args:
        weights: torchvision's file; None for where torch.hub keeps it. ``FileNotFoundError`` if it is not there.
    """
    options = {"transform_input": True, "init_weights": False}
    entry = models.GoogLeNet_Weights.IMAGENET1K_V1
    return googlenet_backbone(torchvision_weights(models.googlenet, entry, file=weights, **options))


def googlenet_backbone(network: nn.Module) -> nn.Sequential:
    """A GoogLeNet, ours or torchvision's, up to its average pooling: feature maps ``(N, 1024, 1, 1)``."""
    above = ("aux1", "aux2", "flatten", "dropout", "fc")
    return nn.Sequential(OrderedDict((name, layer) for name, layer in network.named_children() if name not in above))
