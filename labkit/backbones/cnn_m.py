"""CNN-M-2048: the network of both streams, five convolutions and three fully connected layers.

Chatfield et al. made it to compare networks under equal conditions: "M" is the medium one of three, 2048 the width of
its last hidden layer. Two-stream networks use it for single frames and, with 2L input channels and without the second
normalisation, for stacks of flow. What it sees of a 224 x 224 image::

    conv1 7x7/2 -> 109, pool -> 54, conv2 5x5/2 -> 26, pool -> 13, conv3 conv4 conv5 3x3 -> 13, pool -> 6, fc6 fc7

Sources: Chatfield et al., "Return of the devil in the details", BMVC 2014, Table 1; Simonyan and Zisserman, "Two-stream
convolutional networks for action recognition in videos", NIPS 2014, Figure 1 and section 5.
"""

import copy
import math
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labkit import checks


class LocalResponseNorm(nn.Module):
    """Each value is divided by how active its neighbours are, at the same place in channels nearby.

    ``x / (k + alpha / size * sum of x^2 over size channels) ** beta``: the values of `torch.nn.LocalResponseNorm`, in a
    third of its time on a CPU, where it would take longer than all convolutions together. The sum over neighbouring
    channels is a 1x1 convolution whose weights are a band of ones.

    Krizhevsky et al. do not divide the sum by ``size``: their alpha of 1e-4 is 5e-4 here (ports that copy 1e-4 are five
    times too weak). It is made for pixel values up to 255: on inputs of unit variance hardly anything happens.

    Source: Krizhevsky, Sutskever and Hinton, NIPS 2012, section 3.3.
    """

    size, alpha, beta, k = 5, 5e-4, 0.75, 2.0

    def forward(self, maps: Tensor) -> Tensor:
        """Normalise ``(B, C, H, W)``; the same shape comes back."""
        channel = torch.arange(maps.shape[1], device=maps.device)
        near = (channel[:, None] - channel).abs() <= self.size // 2
        band = near.to(maps.dtype)[:, :, None, None]  # (C, C, 1, 1)
        shares = (maps * math.sqrt(self.alpha / self.size)).square()  # scaled first: half precision ends at 65504
        root = (F.conv2d(shares, band) + self.k).rsqrt()
        return maps * root * root.sqrt()  # beta is 3/4: two roots are far cheaper than a power


class CNNM(nn.Module):
    """CNN-M: the paper's sizes by default, any others by number.

    Layers have fixed names, ``features.conv1`` to ``features.conv5``, ``fc6``, ``fc7`` and ``classifier``, whatever the
    sizes and with or without the second normalisation: weights go from one network to another with `load_weights` and
    ``skip=("classifier",)``, and from frames to flow with `cross_modality_init`, both of `labkit.backbones`.

    Figure 1 of the two-stream paper prints "pool 2x2", its section 5 says "3x3 spatial windows with stride 2": so it is
    here, and as in Caffe a last pooling region that reaches over the border counts (``ceil_mode``). Initialisation is
    left open; here it is that of He et al. (ICCV 2015) for ReLU, smaller by sqrt(1 - dropout) for fc7, because dropout
    makes its inputs so much larger: without it a network with a dropout of 0.9 dies within its first steps. The
    classifier has a standard deviation of 0.01 at first, as in Krizhevsky et al., and biases are 0.

    Args:
        num_classes: outputs of the classifier.
        in_channels: 3 for a frame, 2L for a stack of L flow fields.
        image_size: height and width of the input in pixels.
        channels: of conv1 to conv5.
        strides: of conv1 and conv2; small images want a 1.
        paddings: of conv1 and conv2. The paper gives none; 1 for conv2 is Chatfield's, and makes 224 end in 6 x 6.
        fc: widths of fc6 and fc7.
        dropout: probability that a unit of fc6 or fc7 is dropped in training, 0 to below 1.
        lrn2: whether conv2 is normalised too: in the spatial stream only, "to reduce memory consumption" (section 5).

    Raises:
        ValueError: the image is too small for these strides, or a number makes no sense.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 3,
        image_size: int = 224,
        channels: tuple[int, int, int, int, int] = (96, 256, 512, 512, 512),
        strides: tuple[int, int] = (2, 2),
        paddings: tuple[int, int] = (0, 1),
        fc: tuple[int, int] = (4096, 2048),
        dropout: float = 0.5,
        lrn2: bool = True,
    ) -> None:
        super().__init__()
        first, second, third, fourth, fifth = channels
        layers: list[tuple[str, nn.Module | None]] = [
            ("conv1", nn.Conv2d(in_channels, first, 7, strides[0], paddings[0])),
            ("relu1", nn.ReLU(inplace=True)),
            ("norm1", LocalResponseNorm()),
            ("pool1", nn.MaxPool2d(3, 2, ceil_mode=True)),
            ("conv2", nn.Conv2d(first, second, 5, strides[1], paddings[1])),
            ("relu2", nn.ReLU(inplace=True)),
            ("norm2", LocalResponseNorm() if lrn2 else None),
            ("pool2", nn.MaxPool2d(3, 2, ceil_mode=True)),
            ("conv3", nn.Conv2d(second, third, 3, padding=1)),
            ("relu3", nn.ReLU(inplace=True)),
            ("conv4", nn.Conv2d(third, fourth, 3, padding=1)),
            ("relu4", nn.ReLU(inplace=True)),
            ("conv5", nn.Conv2d(fourth, fifth, 3, padding=1)),
            ("relu5", nn.ReLU(inplace=True)),
            ("pool5", nn.MaxPool2d(3, 2, ceil_mode=True)),
        ]
        self.features = nn.Sequential(OrderedDict((name, layer) for name, layer in layers if layer is not None))
        self.image_size, self.in_channels = image_size, in_channels
        self.fc6 = nn.Linear(_shape_of(self.features, in_channels, image_size).numel(), fc[0])
        self.relu6, self.drop6 = nn.ReLU(), nn.Dropout(dropout)
        self.fc7 = nn.Linear(fc[0], fc[1])
        self.relu7, self.drop7 = nn.ReLU(), nn.Dropout(dropout)
        self.classifier = nn.Linear(fc[1], num_classes)
        self.apply(_init_weights)
        with torch.no_grad():
            self.fc7.weight *= math.sqrt(1 - dropout)
        nn.init.normal_(self.classifier.weight, std=0.01)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B, num_classes)`` of images ``(B, in_channels, image_size, image_size)``; their softmax scores.

        Raises:
            ValueError: the input has another shape.
        """
        return self.classifier(self.taps(images)["fc7"])

    def taps(self, images: Tensor) -> dict[str, Tensor]:
        """What the hidden layers give, each as the layer after it sees it: behind its ReLU and, in training, dropout.

        For any other layer, or before its ReLU, see `labkit.backbones.taps`.

        Args:
            images: ``(B, in_channels, image_size, image_size)``, float.

        Returns:
            ``conv5``: ``(B, 512, 13, 13)``, the last feature maps, before pooling; ``pool5``: ``(B, 512, 6, 6)``;
            ``fc6``: ``(B, 4096)``; ``fc7``: ``(B, 2048)``. Sizes are the paper's; all values are at least 0.

        Raises:
            ValueError: the input has another shape.
        """
        size = self.image_size
        hint = "crop or resize images, stack as many fields as the network was built for"
        checks.require_shape(images, f"B {self.in_channels} {size} {size}", "images", hint)
        images = images.contiguous(memory_format=torch.channels_last)  # two thirds of the time on a CPU
        conv5 = self.features[:-1](images)  # (B, 512, 13, 13)
        pool5 = self.features[-1](conv5)  # (B, 512, 6, 6)
        fc6 = self.drop6(self.relu6(self.fc6(pool5.flatten(1))))  # (B, 4096)
        fc7 = self.drop7(self.relu7(self.fc7(fc6)))  # (B, 2048)
        return {"conv5": conv5, "pool5": pool5, "fc6": fc6, "fc7": fc7}


TINY_CNN_M: Mapping[str, Any] = {
    "image_size": 56,  # -> 25, pool 12, conv2 12, pool 6, conv5 6, pool 3
    "channels": (32, 64, 64, 64, 64),
    "strides": (2, 1),
    "paddings": (0, 2),
    "fc": (512, 512),  # of which dropout leaves 51 each at 0.9
}
"""Sizes of the lab's small CNN-M, ``CNNM(num_classes, **TINY_CNN_M)``, also those of the source weights ``"cnn_m"``."""


def _init_weights(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def _shape_of(features: nn.Module, in_channels: int, image_size: int) -> torch.Size:
    """The shape of the last feature maps of one image, worked out without computing them."""
    try:
        image = torch.empty(1, in_channels, image_size, image_size, device="meta")
        return copy.deepcopy(features).to("meta")(image).shape
    except RuntimeError as error:
        raise ValueError(
            f"image_size must leave something to pool at the end; got {image_size}: larger, or smaller strides"
        ) from error
