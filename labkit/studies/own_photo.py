"""What a real network from ImageNet sees in a photo, and where it looks: for a photo of the learner's own.

EfficientNet-Lite0 is none of the papers' networks, see `labkit.backbones.efficientnet_lite`. It ends in a mean over all
locations and one linear layer, so an `AttentionNet` reads it as it reads a ResNet.
"""

from importlib.resources import as_file, files
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor
from torchvision.models import ResNet101_Weights  # type: ignore[import-untyped]

from labkit.backbones.efficientnet_lite import INPUT_SIZE, MEAN, STD, efficientnet_lite0
from labkit.data import read_photo
from labkit.papers.attention_transfer import AttentionNet
from labkit.views import RGB

SIDE = 32  # pixels: sides of images have to be multiples of it


class Recognised(NamedTuple):
    """A photo and the classes with the highest probabilities.

    Attributes:
        image: ``(3, H, W)`` uint8, as the network sees it.
        maps: attention maps ``(k, h, w)``, a k-th of them for each class.
        classes: names of ImageNet's, the most probable one first.
        probabilities: of these classes, 0 to 1.
    """

    image: Tensor
    maps: Tensor
    classes: list[str]
    probabilities: list[float]


def recognise(path: str = "", count: int = 5) -> Recognised:
    """The classes of ImageNet that EfficientNet-Lite0 finds most probable in a photo, with their attention maps.

    The whole photo is seen: its shorter side becomes 224 pixels, the other one the nearest multiple of 32.

    Args:
        path: of the photo; empty: a temple, which comes with scikit-learn.
        count: k, how many classes.

    Raises:
        PhotoError: the file is no photo, or damaged.
        FileNotFoundError: the package with the weights is not installed.
    """
    with as_file(files("sklearn.datasets.images") / "china.jpg") as example:
        photo = read_photo(path or example)
    image = fitted(photo)
    network = AttentionNet(efficientnet_lite0(), "head", "avgpool", linear="fc").eval()
    levels = RGB(mean=3 * (255 * MEAN[0],), std=3 * (255 * STD[0],))
    seen = network.look(levels.normalise(image)[None])
    probabilities, best = seen.logits[0].softmax(0).topk(count)
    names = ResNet101_Weights.IMAGENET1K_V1.meta["categories"]
    return Recognised(image, seen.maps[0, best], [names[k] for k in best.tolist()], probabilities.tolist())


def fitted(photo: Tensor) -> Tensor:
    """A photo ``(3, H, W)`` uint8 with a shorter side of 224 pixels, and a longer one of a multiple of 32."""
    shorter = min(photo.shape[1:])
    size = [max(round(INPUT_SIZE * side / shorter / SIDE), 1) * SIDE for side in photo.shape[1:]]
    small = F.interpolate(photo[None].float(), size, mode="bilinear", antialias=True)  # (1, 3, h, w)
    return small[0].round().clamp(0, 255).byte()
