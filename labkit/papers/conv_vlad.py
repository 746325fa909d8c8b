"""Local features of a convolutional network, gathered by VLAD, find the same thing again. Which layer is best at it?

Ng, Yang and Davis, "Exploiting local features from deep networks for image retrieval", CVPR Workshops 2015
(https://arxiv.org/abs/1504.05133), which is chapter 2 of Ng's thesis; its sections and tables are cited here.

At each of the n x n locations of a feature map stands a vector with one value for each filter: a local feature, like a
SIFT descriptor on a dense grid. K-means finds 100 typical ones, the visual words; VLAD adds up by how much the features
of an image differ from their words. Two images are as alike as these sums are close. The last layer was made to tell
categories apart and no longer knows which church it was; a layer in the middle still does, and so does the last one on
an image of twice the size.

In: uint8 RGB images ``(3, H, W)`` of any size, warped to n x n (scale 1) or 2n x 2n (scale 2). Local features:
``(B, n_l * n_l, d)`` float32, row by row. Out: descriptors of images ``(N, D)`` float32, of length 1.

Where this departs from the thesis, or fills what it leaves open:

- Table 2.1 lists a layer conv2_3, which VGG-16 does not have. It prints conv2-norm2 of GoogLeNet at the size after the
  pooling that follows; there it is tapped. Layers of VGG-16 are tapped after their ReLU.
- torchvision's GoogLeNet has batch normalisation after its convolutions but no local response normalisation, so "norm1"
  and "norm2" do nothing; kernels in its "5 x 5" branch are 3 x 3.
- torchvision trained a VGG-16 of its own, by another recipe. The layers of the thesis's "behave similarly for both
  scales" (section 2.4.2), which it explains by multi-scale training; with other weights they may not.
- Which images the vocabulary and the PCA are fitted on is not said. `sample_features` takes any; the study has the
  database, and a parameter for others. How many features make a vocabulary is not said either: 50,000 of a layer.
- Features and descriptors are L2-normalised at the end of every step; words without features keep zeros.
- Figures 2.3 and 2.4 search the patches of all photos of Holidays; ours search those of 40 photos, but not of the one
  that the patch is from, and the reference patches of Figure 2.4 are chosen by contrast (`labkit.patches`).
- Patches are cut around the centre of the receptive field, which the padding of a network moves, so a patch at the
  border may reach over it (by up to a fifth in GoogLeNet). What reaches over repeats the border.
- SIFT comes from OpenCV's detector (differences of Gaussians), where the quoted results have affine regions, and its
  vocabularies of 100 and 2,000 words are of the database, not of another set.
- The best layer is chosen on the queries that it is then reported on; the study chooses it on other ones.
- Unless the profile is paper, the study reads EfficientNet-Lite0. Its blocks end without a ReLU, so their features may
  be negative; those of its head, of GoogLeNet and of VGG-16 may not.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import cv2
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import Subset
from torchvision import models  # type: ignore[import-untyped]
from torchvision.transforms.v2.functional import resize  # type: ignore[import-untyped]

from labkit import checks, vlad
from labkit.backbones import card, efficientnet_lite, load_weights, source_weights, torchvision_weights
from labkit.backbones.codes import IMAGENET_MEAN, IMAGENET_STD
from labkit.backbones.googlenet import googlenet_tiny
from labkit.backbones.receptive_field import ReceptiveField, empty_maps, receptive_fields
from labkit.backbones.taps import tap
from labkit.kmeans import kmeans
from labkit.patches import Patches

WORDS = 100  # section 2.3.3: "k = 100 in our experiments"
DIMENSIONS = 128  # section 2.3.4, after PCA and whitening
SCALES = (1, 2)  # section 2.4.2

GOOGLENET_LAYERS = {  # name in Table 2.1 -> module of torchvision, or of `labkit.backbones.googlenet`
    "pool1-norm1": "maxpool1",
    "conv2-norm2": "maxpool2",
    **{f"Inception {name}": f"inception{name}" for name in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")},
}
VGG16_LAYERS = {  # after the ReLU
    "conv2_1": "features.6",
    "conv2_2": "features.8",
    "conv3_1": "features.11",
    "conv3_2": "features.13",
    "conv3_3": "features.15",
    "conv4_1": "features.18",
    "conv4_2": "features.20",
    "conv4_3": "features.22",
    "conv5_1": "features.25",
    "conv5_2": "features.27",
    "conv5_3": "features.29",
}

LITE0_LAYERS = {name: name for name in ("b2", "b4", "b6", "b7", "b8", "b9", "b10", "b12", "b14", "b15", "head")}
"""As many of EfficientNet-Lite0, which is not the thesis's network: the ends of its stages but the first, b12, and all
blocks from b6 to b10, about where GoogLeNet has Inception 4a to 4e."""

Features = Mapping[Hashable, Tensor]
"""Local features of a batch of images, ``(B, n, d)`` each, by layer or by ``(layer, scale)``."""
Encoding = Callable[[Tensor], Tensor]
"""Local features ``(B, n, d)`` to something for each image, ``(B, ...)``: ``partial(vlad.vlad, words=words)``, or what
"can be readily applied" instead (section 2.1): `vlad.bag_of_words`, `vlad.fisher_vector`, `vlad.max_pool`."""


class Images(Protocol):
    """Images by number: a list, or a data set such as ``photos.map(lambda clip: clip.frames([0])[0])``."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Tensor: ...


# --- model: a network whose layers are read ---------------------------------------------------------------------------


class ConvFeatures(nn.Module):
    """Local features of all layers of a trained network, from one forward pass (section 2.3.2).

    Args:
        network: takes float32 images ``(B, 3, H, W)`` of any size; stays in ``eval()`` mode.
        layers: name in the table -> module, from low to high.
        input_size: n of scale 1 in pixels, the size of the images that the network was trained on.
        mean: of red, green and blue on the scale 0 to 1, subtracted.
        std: the divisor after that.

    Raises:
        ValueError: no layer, or images of n x n are too small for the network.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: nn.Module,
        layers: Mapping[str, str],
        input_size: int = 224,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ) -> None:
        super().__init__()
        if not layers:
            raise ValueError("layers must name at least one layer; got none")
        self.network, self.layers, self.input_size = network, dict(layers), input_size
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(values, device="cpu")[:, None, None], persistent=False)  # (3, 1, 1)
        self.eval()
        self.sizes()  # too small an image is an error right here

    @torch.no_grad()
    def forward(
        self, images: Sequence[Tensor], layers: Sequence[str] | None = None, scale: int = 1
    ) -> dict[str, Tensor]:
        """Local features of some layers; all if None.

        Args:
            images: uint8 ``(3, H, W)`` each, of any size.
            layers: names of the table.
            scale: 1 for n x n pixels, 2 for 2n x 2n.

        Returns:
            ``(B, n_l * n_l, d)`` of each layer, row by row, float32, on the CPU; 0 where no filter responds.
        """
        layers = list(self.layers) if layers is None else layers
        if unknown := [layer for layer in layers if layer not in self.layers]:
            raise ValueError(f"layers must be among {', '.join(self.layers)}; got {unknown[0]!r}")
        pixels = self.warp(images, scale).to(self.mean.device).float() / 255  # (B, 3, scale * n, scale * n)
        # channels last: half the time on a CPU
        pixels = ((pixels - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        maps = tap(self.network, pixels, [self.layers[layer] for layer in layers])
        features = {layer: maps[self.layers[layer]].flatten(2).mT for layer in layers}  # (B, n_l * n_l, d)
        return {layer: F.normalize(rows, dim=2).cpu() for layer, rows in features.items()}  # "L2-normalized", 2.3.3

    def warp(self, images: Sequence[Tensor], scale: int = 1) -> Tensor:
        """Warp images to the square that the network sees, bilinear with antialiasing: uint8 ``(B, 3, S, S)``."""
        for image in images:
            checks.require_shape(image, "3 H W", "images", "RGB: repeat the channel of a grey one")
            checks.require_dtype(image, (torch.uint8,), "images", "pass them as they are decoded, 0 to 255")
        size = [scale * self.input_size] * 2
        return torch.stack([resize(image, size, antialias=True) for image in images])

    def sizes(self, scale: int = 1) -> dict[str, tuple[int, int]]:
        """Side n_l and channels d of each layer's feature map, worked out without computing it: Table 2.1."""
        maps = empty_maps(self.network, list(self.layers.values()), scale * self.input_size)
        return {layer: (maps[name].shape[-1], maps[name].shape[1]) for layer, name in self.layers.items()}

    def receptive_fields(self) -> dict[str, ReceptiveField]:
        """What the locations of each layer see, see `labkit.backbones.receptive_field`."""
        fields = receptive_fields(self.network, list(self.layers.values()), self.input_size)
        return {layer: fields[name] for layer, name in self.layers.items()}


# --- procedure: features stream by, descriptors stay ------------------------------------------------------------------


def conv_features(
    backbone: ConvFeatures,
    images: Images,
    layers: Sequence[str] | None = None,
    scales: Sequence[int] = SCALES,
    batch_size: int = 16,
) -> Iterator[dict[Hashable, Tensor]]:
    """Local features of images by ``(layer, scale)``, a batch at a time, so that each image is decoded once."""
    for start in range(0, len(images), batch_size):
        batch = [images[index] for index in range(start, min(start + batch_size, len(images)))]
        yield {
            (layer, scale): features for scale in scales for layer, features in backbone(batch, layers, scale).items()
        }


def sift_features(images: Images, root: bool = True, max_features: int = 0) -> Iterator[dict[Hashable, Tensor]]:
    """What came before: SIFT where an image has corners and blobs, ``{"SIFT": (1, n, 128)}``, an image at a time.

    Images keep their size. One of a single colour has neither, and no features: n = 0.

    Args:
        images: uint8 ``(3, H, W)``.
        root: whether as RootSIFT: of sum 1, then the root of each value (Arandjelovic and Zisserman, CVPR 2012).
        max_features: of an image, the strongest ones; 0 for all.

    Source: Lowe, IJCV 2004, as OpenCV has it.
    """
    detector = cv2.SIFT.create(nfeatures=max_features)
    for index in range(len(images)):
        image = images[index]
        checks.require_shape(image, "3 H W", "images", "RGB: repeat the channel of a grey one")
        grey = cv2.cvtColor(image.permute(1, 2, 0).contiguous().numpy(), cv2.COLOR_RGB2GRAY)  # (H, W)
        _, rows = detector.detectAndCompute(grey, None)
        features = torch.zeros(0, 128) if rows is None else torch.from_numpy(rows)  # (n, 128)
        features = F.normalize(features, p=1, dim=1).sqrt() if root else F.normalize(features, dim=1)
        yield {"SIFT": features[None]}


def sample_features(
    extract: Callable[[Images], Iterable[Features]], images: Images, max_features: int = 50_000, seed: int = 0
) -> dict[Hashable, Tensor]:
    """A random sample of the local features of a set, to fit a vocabulary on: as many of each image.

    Args:
        extract: where features come from: ``partial(conv_features, backbone)``, `sift_features`, or your own.
        images: which images; the thesis does not say, the database is a usual choice.
        max_features: of a layer, at most. Of a larger set as many images are sampled; an image that has fewer features
            than its part gives all it has.
        seed: of the samples, which depend neither on the size of a batch nor on which other layers there are.

    Returns:
        ``(M, d)`` of each layer.

    Raises:
        ValueError: no images.
    """
    checks.require_positive(max_features, "max_features")
    if len(images) == 0:
        raise ValueError("images must hold at least one image; got none: check the folder")
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(images), generator=generator)[:max_features].sort().values
    of_each = max_features // len(chosen)
    generators: dict[Hashable, torch.Generator] = defaultdict(lambda: torch.Generator().manual_seed(seed))
    kept: dict[Hashable, list[Tensor]] = defaultdict(list)
    for batch in extract(Subset(images, chosen.tolist())):  # type: ignore[arg-type]
        for layer, features in batch.items():
            for rows in features:  # (n, d)
                kept[layer].append(rows[torch.randperm(len(rows), generator=generators[layer])[:of_each]])
    return {layer: torch.cat(kept.pop(layer)) for layer in list(kept)}


def vocabularies(sample: Features, words: int = WORDS, seed: int = 0) -> dict[Hashable, Tensor]:
    """Visual words ``(words, d)`` of each layer, by k-means (section 2.3.3)."""
    return {layer: kmeans(features, words, seed=seed) for layer, features in sample.items()}


def encode(
    features: Iterable[Features], encodings: Mapping[Hashable, tuple[Hashable, Encoding]]
) -> dict[Hashable, Tensor]:
    """Encode images, all layers in one pass over them; features live for one batch only.

    Args:
        features: of the images, a batch at a time, e.g. of `conv_features`.
        encodings: under any name, a layer and what is made of its features.

    Returns:
        ``(N, ...)`` under each name, in the order of the images.
    """
    encoded: dict[Hashable, list[Tensor]] = {name: [] for name in encodings}
    for batch in features:
        for name, (layer, encoding) in encodings.items():
            encoded[name].append(encoding(batch[layer]))
    return {name: torch.cat(parts) for name, parts in encoded.items()}


def descriptors(sums: Tensor, normalization: Encoding | None = vlad.intra_normalization) -> Tensor:
    """Sums of residuals ``(B, k, d)`` as descriptors of images ``(B, k * d)``: normalised, flattened, of length 1.

    Args:
        sums: of `vlad.vlad`.
        normalization: `vlad.intra_normalization`, the thesis's, `vlad.signed_square_root`, or None.
    """
    return vlad.l2_normalization((normalization(sums) if normalization else sums).flatten(1))  # (B, k * d)


def multi_scale(first: Tensor, second: Tensor) -> Tensor:
    """The final descriptor, ``(N, 2 * D)`` of length 1: those of both scales at the best layer (section 2.4.4)."""
    return vlad.l2_normalization(torch.cat([first, second], dim=1))  # (N, 2 * D)


def patches_of(
    backbone: ConvFeatures,
    images: Images,
    layers: Sequence[str],
    scale: int = 1,
    *,
    finer: int = 1,
    batch_size: int = 16,
) -> dict[str, Patches]:
    """Features of all locations of some layers, and the n / n_l square patches that stand for them (section 2.4.3).

    They are kept: 4 bytes times d for each location. 1,491 photos, 14 x 14 locations and 512 channels make 600 MB.

    Args:
        backbone: the network.
        images: at least one.
        layers: names of the table.
        scale: 1 or 2.
        finer: how many pixels of a patch there are for one that the network sees, for patches that can be looked at.
        batch_size: images in one pass.
    """
    checks.require_positive(finer, "finer")
    encodings: dict[Hashable, Any] = {layer: ((layer, scale), lambda features: features) for layer in layers}
    features = encode(conv_features(backbone, images, layers, (scale,), batch_size), encodings)  # (N, n_l * n_l, d)
    warped = torch.cat([backbone.warp([images[index]], finer * scale) for index in range(len(images))])  # (N, 3, S, S)
    fields, sizes = backbone.receptive_fields(), backbone.sizes(scale)
    patches = {}
    for layer in layers:
        side = max(round(warped.shape[-1] / sizes[layer][0]), 1)  # n / n_l
        centres = finer * (fields[layer].centres(sizes[layer][0]) + 0.5) - 0.5
        starts = (centres - (side - 1) / 2).floor().long()  # half a pixel to the left if need be
        patches[layer] = Patches(features[layer].flatten(0, 1), warped, starts, side)
    return patches


# --- builders ---------------------------------------------------------------------------------------------------------


def googlenet(
    size: str = "paper",
    *,
    input_size: int | None = None,
    weights: str | os.PathLike[str] | None = None,
    download: bool = False,
) -> ConvFeatures:
    """GoogLeNet with trained weights.

    Args:
        size: ``"paper"``: trained on ImageNet, 224 x 224; torchvision's weights, ported from the original ones.
            ``"tiny"``: a quarter of the channels, trained on crops of the source task's drawings, 64 x 64.
        input_size: n; the size given above if None. At 112 the tiny one has as many locations as Table 2.1, but sees
            images larger than in training already at scale 1.
        weights: a file with them; None for those of the lab, or for where torch.hub keeps those of torchvision.
        download: whether to fetch torchvision's (50 MB) when they are not there.

    Raises:
        FileNotFoundError: they are not there; says how to get them.
        ValueError: another size.
    """
    if size not in ("paper", "tiny"):
        raise ValueError(f'size must be "paper" or "tiny"; got {size!r}')
    if size == "tiny":
        path = weights or source_weights("googlenet")
        network = googlenet_tiny(len(card(path)["classes"]))
        load_weights(network, path)
        return ConvFeatures(network, GOOGLENET_LAYERS, input_size or 64)
    network = torchvision_weights(
        models.googlenet,
        models.GoogLeNet_Weights.IMAGENET1K_V1,
        file=weights,
        download=download,
        transform_input=True,  # it scales its images as Caffe's weights want them
        init_weights=False,
    )
    return ConvFeatures(network, GOOGLENET_LAYERS, input_size or 224)


def vgg16(weights: str | os.PathLike[str] | None = None, *, download: bool = False) -> ConvFeatures:
    """VGG-16 trained on ImageNet by torchvision, 224 x 224 (528 MB); arguments and errors as `googlenet`."""
    entry = models.VGG16_Weights.IMAGENET1K_V1
    return ConvFeatures(torchvision_weights(models.vgg16, entry, file=weights, download=download), VGG16_LAYERS)


def efficientnet_lite0() -> ConvFeatures:
    """EfficientNet-Lite0 trained on ImageNet, 224 x 224, whose weights come with the lab; not the thesis's network.

    Raises:
        FileNotFoundError: the package with its weights is not installed.
    """
    network = efficientnet_lite.efficientnet_lite0()
    return ConvFeatures(
        network, LITE0_LAYERS, efficientnet_lite.INPUT_SIZE, efficientnet_lite.MEAN, efficientnet_lite.STD
    )
