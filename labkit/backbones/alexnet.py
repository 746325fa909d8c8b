"""AlexNet's convolutions as Ng et al. have them: fewer layers and larger filters than Krizhevsky's, in any width.

Source: Ng, PhD thesis, University of Maryland 2018, section 3.3; Krizhevsky et al., NIPS 2012.
"""

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn
from torchvision import models  # type: ignore[import-untyped]

from labkit.backbones.cnn_m import LocalResponseNorm


def alexnet_backbone(
    kernel_sizes: Sequence[int] = (11, 9, 5), channels: Sequence[int] = (96, 256, 256), stride: int = 4
) -> nn.Sequential:
    """Three convolutions, each followed by max-pooling and normalisation: section 3.3.

    220 x 220 -> conv1 11/4 53, pool1 26 -> conv2 9 26, pool2 13 -> conv3 5 13, pool3 6: ``(N, 256, 6, 6)``.

    "Local contrast normalization" is Krizhevsky's across channels, who calls it akin to that.

    Args:
        kernel_sizes: sides of the filters, odd numbers.
        channels: how many filters; not given in the text, nor are strides and paddings. With these the last feature
            maps are 6 x 6, as in Krizhevsky's network.
        stride: of the first convolution; the others have 1, and a padding that keeps the size.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    in_channels = 3
    for number, (kernel_size, out_channels) in enumerate(zip(kernel_sizes, channels, strict=True), start=1):
        strides, padding = (stride, 0) if number == 1 else (1, kernel_size // 2)
        layers[f"conv{number}"] = nn.Conv2d(in_channels, out_channels, kernel_size, strides, padding)
        layers[f"relu{number}"] = nn.ReLU(inplace=True)
        layers[f"pool{number}"] = nn.MaxPool2d(3, 2, ceil_mode=True)
        layers[f"norm{number}"] = LocalResponseNorm()
        in_channels = out_channels
    for layer in layers.values():
        if isinstance(layer, nn.Conv2d) and layer.bias is not None:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    return nn.Sequential(layers)


def torchvision_backbone(network: models.AlexNet) -> nn.Sequential:
    """A substitute that there are weights of: the convolutions of torchvision's AlexNet, ``(N, 256, 6, 6)``.

    Nobody ships weights for filters of 11, 9 and 5 pixels. This one has five convolutions with 11, 5 and 3, and no
    normalisation (Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014).
    """
    return nn.Sequential(network.features, network.avgpool)
