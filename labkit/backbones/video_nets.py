"""Video networks of today, torchvision's, for clips as small as the lab's: what the works of the lab are compared with.

They take clips as all the lab does, ``(B, T, 3, H, W)``, normalised, and give logits ``(B, K)``. All are initialised at
random; nothing is fetched. Sizes are torchvision's own; what had to be adapted to a few frames of a few dozen pixels:

- *S3D* averages its last feature maps over 2 x 7 x 7 locations, more than a small clip has: here over all there are,
  which is the same on 16 frames of 224 pixels. Its batch normalisation learns its means at a rate of 0.001, for
  trainings of a hundred thousand steps; here at PyTorch's 0.1, or after some hundred they would still be near zero.
- *MViT v2* has positions for a number of frames and a size, so it is built for them; torchvision's builder is for 16
  frames of 224 pixels only.

Sources: Tran et al., "A closer look at spatiotemporal convolutions for action recognition", CVPR 2018 (R3D-18); Xie et
al., "Rethinking spatiotemporal feature learning", ECCV 2018 (S3D); Li et al., "MViTv2: improved multiscale vision
transformers for classification and detection", CVPR 2022, Table 4 (MViTv2-S).
"""

from functools import partial
from itertools import pairwise

from torch import Tensor, nn
from torchvision.models import video  # type: ignore[import-untyped]
from torchvision.models.video.mvit import MSBlockConfig  # type: ignore[import-untyped]

from labkit import checks


class VideoNet(nn.Module):
    """A network of torchvision that takes clips in the order of the lab.

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


def r3d_18(num_classes: int) -> VideoNet:
    """R3D-18, a ResNet-18 whose filters reach over three frames: 33.4 million parameters for 400 classes."""
    return VideoNet(video.r3d_18(num_classes=num_classes))


def s3d(num_classes: int) -> VideoNet:
    """S3D, an Inception network that convolves in space, then in time: 8.3 million parameters for 400 classes.

    At least 8 frames of 33 pixels, or a pooling layer has nothing left.
    """
    network = video.s3d(num_classes=num_classes, norm_layer=partial(nn.BatchNorm3d, eps=1e-3))
    network.avgpool = nn.AdaptiveAvgPool3d(1)
    return VideoNet(network)


def mvit_v2_s(num_classes: int, *, frames: int = 16, size: int = 224) -> VideoNet:
    """MViTv2-S, a transformer over patches of 2 x 4 x 4: 34.5 million parameters for 400 classes of the usual clips.

    Args:
        num_classes: K.
        frames: T, an even number.
        size: height and width, a multiple of 4. Its stages halve the patches three times.
    """
    widths = [96] + 2 * [192] + 11 * [384] + 2 * [768]  # a head for every 96 channels
    blocks = [
        MSBlockConfig(
            num_heads=width // 96,
            input_channels=before,
            output_channels=width,
            kernel_q=[3, 3, 3],
            kernel_kv=[3, 3, 3],
            stride_q=[1, width // before, width // before],  # fewer locations where there are more channels
            stride_kv=[1, 768 // width, 768 // width],  # as many keys in every block
        )
        for before, width in pairwise([96, *widths])
    ]
    network = video.MViT(
        spatial_size=(size, size),
        temporal_size=frames,
        block_setting=blocks,
        residual_pool=True,
        residual_with_cls_embed=False,
        rel_pos_embed=True,
        proj_after_attn=True,
        stochastic_depth_prob=0.2,
        num_classes=num_classes,
    )
    return VideoNet(network)
