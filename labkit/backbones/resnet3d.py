"""3D-ResNet: a ResNet whose filters all reach over three frames, for clips of any length.

Take the 2-D network of `labkit.backbones.resnet` and give every k x k filter a temporal dimension: k x k x 3, the 1 x 1
filters of shortcuts not excepted. Time is never pooled. It is strided where space is, from the first block of res3 on;
conv1 and the max-pool after it keep every frame. Sixteen frames of 224 x 224, and what the small network makes of
sixteen of 48 x 48 (channels x frames x side)::

    conv1 7x7x3/2, pool 64 x 16 x 56, res2 64 x 16 x 56, res3 128 x 8 x 28, res4 256 x 4 x 14, res5 512 x 2 x 7
    conv1 3x3x3,   pool 16 x 16 x 24, res2 16 x 16 x 24, res3  32 x 8 x 12, res4  64 x 4 x  6, res5 128 x 2 x 3

The names of all layers are those of the 2-D network, so `inflate` can initialise it with their weights. At both
ends of a clip the convolutions see frames of zeros, as they see zeros around each frame. So an inflated network
responds to a static clip as the 2-D network to its frame, except near the ends, where filters reach beyond them.

Source: Ng, "Video understanding with deep networks", PhD thesis, University of Maryland 2018, section 4.3.1.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock  # type: ignore[import-untyped]

from labkit import checks
from labkit.backbones.resnet import ResNet
from labkit.backbones.weights import take_over


class ResNet3D(ResNet):
    """Logits ``(B, num_classes)`` of clips ``(B, T, in_channels, H, W)``.

    By default it is 3D-ResNet-18, the encoder of ActionFlowNet: 33.6 million parameters for 101 classes. ``stages`` and
    ``classify`` are those of `ResNet`, with feature maps ``(B, C, T, H, W)``.

    Args:
        num_classes: outputs of the last layer, ``fc``.
        layers: blocks of res2 to res5, two convolutions each.
        kwargs: as of `ResNet`, strides in space; from res3 on they are those in time as well.
    """

    def __init__(self, num_classes: int, *, layers: tuple[int, int, int, int] = (2, 2, 2, 2), **kwargs: Any) -> None:
        super().__init__(num_classes, block=BasicBlock, layers=layers, **kwargs)
        for name, layer in [*self.named_modules()]:
            if (extended := _in_time(layer, strided=not name.startswith(("conv1", "layer1")))) is not None:
                self.set_submodule(name, extended)

    def forward(self, clips: Tensor) -> Tensor:
        """Logits ``(B, num_classes)`` of clips ``(B, T, in_channels, H, W)``, float.

        Raises:
            ValueError: the input has another shape.
        """
        maps = self.to_maps(clips)
        for stage in self.stages.values():
            maps = stage(maps)
        return self.classify(maps)

    def to_maps(self, clips: Tensor) -> Tensor:
        """Clips ``(B, T, in_channels, H, W)`` as the first stage takes them: ``(B, in_channels, T, H, W)``."""
        checks.require_shape(clips, f"B T {self.conv1.in_channels} H W", "clips")
        return clips.movedim(1, 2).contiguous(memory_format=torch.channels_last_3d)  # (B, in_channels, T, H, W)


def _in_time(layer: nn.Module, *, strided: bool) -> nn.Module | None:
    """The same layer over space and time; None if it has nothing to do with space."""
    if isinstance(layer, nn.Conv2d):
        side, stride = layer.kernel_size[0], layer.stride[0]
        sizes = (3, side, side), (stride if strided else 1, stride, stride), (1, side // 2, side // 2)
        convolution = nn.Conv3d(layer.in_channels, layer.out_channels, *sizes, bias=False)
        nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")  # as in the 2-D network
        return convolution
    if isinstance(layer, nn.BatchNorm2d):
        return nn.BatchNorm3d(layer.num_features)
    if isinstance(layer, nn.MaxPool2d):
        return nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))
    return nn.AdaptiveAvgPool3d(1) if isinstance(layer, nn.AdaptiveAvgPool2d) else None


@torch.no_grad()
def inflate(model: ResNet3D, source: nn.Module, *, other_strides: bool = False) -> None:
    """Initialise a network on clips from a network on images: each filter a third as strong, three times in a row.

    Statistics of batch normalisation are taken along; the classifier keeps what it has.

    Args:
        model: changed in place.
        source: of the same sizes, on any device: a `ResNet`, or one of torchvision's.
        other_strides: whether its convolutions may have other strides over height and width.

    Raises:
        ValueError: another size, stride or layer; nothing is changed then.

    Source: Carreira and Zisserman, "Quo vadis, action recognition?", CVPR 2017, section 2.4.1, "Bootstrapping
    parameters from pre-trained ImageNet models". The thesis inflates nothing: its networks are initialised at random.
    """
    state = {
        name: value[:, :, None].repeat(1, 1, 3, 1, 1) / 3 if value.ndim == 4 else value
        for name, value in source.state_dict().items()
    }
    take_over(model, source, state, classifier="fc", other_strides=other_strides)


def resnet3d_tiny(num_classes: int) -> ResNet3D:
    """Ten layers, a quarter as wide, for crops of 48 x 48 pixels: 0.92 million parameters.

    `inflate` takes the lab's small weights of `labkit.backbones.resnet.resnet_tiny` with ``other_strides=True``: they
    have learned with a stride of 1 in res5 where this has 2, as the paper's.
    """
    return ResNet3D(num_classes, layers=(1, 1, 1, 1), width=16, conv1=(3, 1))
