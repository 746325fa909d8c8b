"""Video networks of later years in miniature: S3D and MViT at the size of the lab's other networks.

Trained at their own size, 8 to 35 million parameters, on some hundred small clips for some minutes, such networks tell
one action in seven; that says nothing about them. Here they have about as many parameters as a small ActionFlowNet, so
that the same clips and steps are worth as much to them. The third of their kind, R3D, is the encoder of ActionFlowNet
without its decoder: `labkit.backbones.resnet3d.resnet3d_tiny`.

They take clips as all the lab does, ``(B, T, 3, H, W)``, normalised, and give logits ``(B, K)``. Their blocks are
torchvision's; all are initialised at random, nothing is fetched. What differs from torchvision's networks:

- *S3D* has a quarter of the channels. It averages its last feature maps over 2 x 7 x 7 locations, more than a small
  clip has: here over all there are, which is the same on 16 frames of 224 pixels. Its batch normalisation learns its
  means at a rate of 0.001, for trainings of a hundred thousand steps; here at PyTorch's 0.1, or after some hundred they
  would still be near zero.
- *MViT v2* has a quarter of the channels and 7 of 16 blocks: most are left out where there are most, in its third
  stage. It has embeddings of positions for a number of frames and a size, so it is built for them.

Sources: Xie et al., "Rethinking spatiotemporal feature learning", ECCV 2018 (S3D); Li et al., "MViTv2: improved
multiscale vision transformers for classification and detection", CVPR 2022, Table 4 (MViTv2-S).
"""

from functools import partial
from itertools import pairwise

from torch import Tensor, nn
from torchvision.models import video  # type: ignore[import-untyped]
from torchvision.models.video.mvit import MSBlockConfig  # type: ignore[import-untyped]
from torchvision.models.video.s3d import (  # type: ignore[import-untyped]
    Conv3dNormActivation,
    SepInceptionBlock3D,
    TemporalSeparableConv,
)

from labkit import checks

_INCEPTION = {  # channels of S3D: 1x1x1; before and of 3x3x3; before and of the second 3x3x3; after the pooling
    "3": [(64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)],
    "4": [
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ],
    "5": [(256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)],
}


class VideoNetwork(nn.Module):
    """Logits ``(B, K)`` of clips in the order of the lab, by a network in that of torchvision.

    Args:
        network: takes ``(B, 3, T, H, W)`` and gives logits ``(B, K)``.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, clips: Tensor) -> Tensor:
        """Logits ``(B, K)`` of clips ``(B, T, 3, H, W)``, float."""
        checks.require_shape(clips, "B T 3 H W", "clips")
        return self.network(clips.movedim(1, 2))  # (B, 3, T, H, W)


def s3d(num_classes: int, *, divisor: int = 4) -> VideoNetwork:
    """S3D, an Inception network that convolves in space, then in time: 0.5 million parameters.

    At least 5 frames of 17 pixels, or a pooling layer has nothing left.

    Args:
        num_classes: K.
        divisor: of the numbers of channels; with 1 they are torchvision's, 8.3 million parameters for 400 classes.
    """
    norm = partial(nn.BatchNorm3d, eps=1e-3)
    pool = partial(nn.MaxPool3d, kernel_size=(1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1))
    narrow, wide = 64 // divisor, 192 // divisor
    stages = {}
    channels = wide
    for name, settings in _INCEPTION.items():
        blocks = []
        for setting in settings:
            own = [width // divisor for width in setting]
            blocks.append(SepInceptionBlock3D(channels, *own, norm))
            channels = own[0] + own[2] + own[4] + own[5]
        stages[name] = blocks
    features = nn.Sequential(
        TemporalSeparableConv(3, narrow, 7, 2, 3, norm),
        pool(),
        Conv3dNormActivation(narrow, narrow, kernel_size=1, norm_layer=norm),
        TemporalSeparableConv(narrow, wide, 3, 1, 1, norm),
        pool(),
        *stages["3"],
        nn.MaxPool3d(3, 2, 1),
        *stages["4"],
        nn.MaxPool3d(2, 2),
        *stages["5"],
    )
    network = video.S3D(num_classes=1)
    network.features, network.avgpool = features, nn.AdaptiveAvgPool3d(1)
    network.classifier[1] = nn.Conv3d(channels, num_classes, kernel_size=1)
    return VideoNetwork(network)


def mvit(num_classes: int, *, frames: int = 8, size: int = 48, paper: bool = False) -> VideoNetwork:
    """MViTv2, a transformer over patches of 2 x 4 x 4: 0.8 million parameters.

    Args:
        num_classes: K.
        frames: T, an even number.
        size: height and width, a multiple of 4. Its stages halve the patches three times.
        paper: whether it has the channels and blocks of MViTv2-S, 34.5 million parameters for 400 classes of 16 frames
            of 224 pixels.
    """
    first, depths = (96, (1, 2, 11, 2)) if paper else (24, (1, 2, 3, 1))
    widths = [first * 2**stage for stage, depth in enumerate(depths) for _ in range(depth)]
    blocks = [
        MSBlockConfig(
            num_heads=width // first,
            input_channels=before,
            output_channels=width,
            kernel_q=[3, 3, 3],
            kernel_kv=[3, 3, 3],
            stride_q=[1, width // before, width // before],  # fewer locations where there are more channels
            stride_kv=[1, widths[-1] // width, widths[-1] // width],  # as many keys in every block
        )
        for before, width in pairwise([first, *widths])
    ]
    network = video.MViT(
        spatial_size=(size, size),
        temporal_size=frames,
        block_setting=blocks,
        residual_pool=True,
        residual_with_cls_embed=False,
        rel_pos_embed=True,
        proj_after_attn=True,
        stochastic_depth_prob=0.2 if paper else 0.0,
        num_classes=num_classes,
    )
    return VideoNetwork(network)
