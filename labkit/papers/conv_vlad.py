"""Which layer of a network should look for a thing that it has seen before? Local features, gathered by VLAD.

Ng, Yang and Davis, "Exploiting local features from deep networks for image retrieval", CVPR Workshops 2015,
https://arxiv.org/abs/1504.05133, which is chapter 2 of Ng's thesis; its sections and tables are cited here. At each of
the n x n places of a feature map stands a vector with one number for each filter: a local feature, like a SIFT
descriptor on a dense grid. k-means finds 100 typical ones, the visual words; VLAD adds up by how much the features of
an image differ from their words. Two images are as alike as these sums are close. The last layer, made to tell
categories apart, has forgotten which church it was; a layer in the middle has not, and neither has the last one on an
image of twice the size.

In: uint8 RGB images ``(3, H, W)`` of any size, warped to n x n (scale 1) or 2n x 2n (scale 2). Local features:
``(B, n_l * n_l, d)`` float32, row by row; descriptors of images: ``(N, D)`` float32, of length 1.

Where this departs from the thesis, or fills what it leaves open:

- Table 2.1 lists a layer conv2_3, which VGG-16 does not have. Its conv2-norm2 of GoogLeNet has the size that it has
  behind the pooling that follows; there it is tapped. Layers of VGG-16 are tapped behind their ReLU.
- torchvision's GoogLeNet has batch normalisation behind its convolutions, but no local response normalisation, so
  "norm1" and "norm2" do nothing; windows in its "5 x 5" branch are 3 x 3.
- Which images teach the vocabulary and the PCA is not said: a parameter, and so are how many features of them.
- The best layer is chosen on the queries that it is then reported on. `cross_fitted` chooses it on others.
- A patch is cut around the centre of the receptive field; the nets' paddings move it, so that a patch at the border may
  hang over (by up to a fifth in GoogLeNet). What hangs over repeats the border.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

import cv2
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.data import Subset
from torchvision.models import GoogLeNet_Weights, VGG16_Weights, googlenet, vgg16  # type: ignore[import-untyped]
from torchvision.transforms.v2 import functional as pictures  # type: ignore[import-untyped]
from tqdm.auto import tqdm

from labkit import checks, vlad
from labkit.backbones import card, load_weights, source_weights, torchvision_weights
from labkit.backbones.codes import IMAGENET_MEAN, IMAGENET_STD
from labkit.backbones.googlenet import googlenet_tiny as tiny_net
from labkit.backbones.taps import tap, tapping
from labkit.kmeans import kmeans

VERSION = 1
"""Raised by hand whenever a change here may change results; records in the ledger carry it."""

WORDS = 100  # section 2.3.3: "k = 100 in our experiments"
DIMENSIONS = 128  # section 2.3.4, after PCA and whitening
SCALES = (1, 2)  # section 2.4.2

GOOGLENET_LAYERS = {  # name in Table 2.1 -> module of torchvision, or of `labkit.backbones.googlenet`
    "pool1-norm1": "maxpool1",
    "conv2-norm2": "maxpool2",
    **{f"Inception {name}": f"inception{name}" for name in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")},
}
VGG16_LAYERS = {  # behind the ReLU
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

Features = dict[str, Tensor]
"""Local features of a batch of images by layer, ``(B, n, d)`` each."""
Encoding = Callable[[Tensor], Tensor]
"""Local features ``(B, n, d)`` to descriptors ``(B, D)``: `vlad_encoding`, or what "can be readily applied" instead
(2.1): ``partial(vlad.bag_of_words, words=words)``, ``partial(vlad.fisher_vector, gmm=gmm)``, `vlad.max_pool`."""


class Images(Protocol):
    """Photos by number: a list, or ``places.map(lambda clip: clip.frames([0])[0])``."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Tensor: ...


# --- blocks: what a cell of a map sees --------------------------------------------------------------------------------


class ReceptiveField(NamedTuple):
    """Which pixels influence the cells of a map, along x and y alike.

    Cell i sees pixels ``first + i * step`` to ``first + i * step + size - 1``; those below 0 are padding.
    """

    first: int
    size: int
    step: int

    def centres(self, cells: int) -> Tensor:
        """Where the windows of the first ``cells`` cells have their middle, float64, in pixels counted from 0."""
        return self.first + (self.size - 1) / 2 + self.step * torch.arange(cells, dtype=torch.float64)  # (cells,)

    def behind(self, layer: nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d) -> "ReceptiveField":
        """The field behind one more layer with windows."""
        side, stride, padding = (_one(getattr(layer, name)) for name in ("kernel_size", "stride", "padding"))
        reach = _one(getattr(layer, "dilation", 1)) * (side - 1)  # from the first to the last pixel of a window
        return ReceptiveField(self.first - padding * self.step, self.size + reach * self.step, self.step * stride)

    def joined(self, other: "ReceptiveField") -> "ReceptiveField":
        """The field of a map made from two of the same step, side by side or one on the other."""
        if other.step != self.step:
            raise ValueError(f"maps that meet must have the same step; got {self.step} and {other.step} pixels")
        first = min(self.first, other.first)
        return ReceptiveField(first, max(self.first + self.size, other.first + other.size) - first, self.step)


def _one(value: Any) -> int:
    sizes = {value} if isinstance(value, int) else set(value)
    if len(sizes) > 1 or not all(isinstance(size, int) for size in sizes):
        raise ValueError(f"windows must be square, their paddings numbers; got {value!r}")
    return sizes.pop()


class _Following(TorchFunctionMode):
    """While it is on, receptive fields follow tensors through whatever keeps height and width, as `field` of each."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        given = [one for some in args for one in (some if isinstance(some, list | tuple) else [some])]
        fields = [(one.field, one.shape[-2:]) for one in given if isinstance(one, Tensor) and hasattr(one, "field")]
        if isinstance(out, Tensor) and fields and all(out.shape[-2:] == size for _, size in fields):
            joined = fields[0][0]
            for field, _ in fields[1:]:
                joined = joined.joined(field)
            out.field = joined  # type: ignore[attr-defined]
        return out


def _widen(layer: Any, inputs: tuple[Tensor], output: Tensor) -> None:
    if hasattr(inputs[0], "field"):
        output.field = inputs[0].field.behind(layer)  # type: ignore[attr-defined]


# --- model: a network and its layers ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Trunk:
    """A trained network, what its layers are called, and the size of the images that it was trained on.

    Attributes:
        net: takes float32 images ``(B, 3, H, W)`` of any size; is put into ``eval()`` mode and stays where it is.
        layers: name in the table -> module, from low to high.
        side: n of scale 1, in pixels.
        mean: of red, green and blue on the scale 0 to 1, subtracted.
        std: the divisor after that.

    Raises:
        ValueError: no layer, or images of n x n are too small for the net.
    """

    net: nn.Module
    layers: Mapping[str, str]
    side: int = 224
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def __post_init__(self) -> None:
        if not self.layers:
            raise ValueError("layers must name at least one layer; got none")
        self.net.eval()
        self._shapes(1)

    def sizes(self, scale: int = 1) -> dict[str, tuple[int, int]]:
        """Side n_l and channels d of each layer's map, worked out without computing it: Table 2.1."""
        return {layer: (shape.shape[-1], shape.shape[1]) for layer, shape in self._shapes(scale).items()}

    def receptive_fields(self) -> dict[str, ReceptiveField]:
        """What the cells of each layer's map see, from the windows on the way; padding is not cut off.

        Raises:
            ValueError: a layer behind something else than windows and what acts place by place.
        """
        shapes = self._shapes(1)
        if lost := [layer for layer, shape in shapes.items() if not hasattr(shape, "field")]:
            raise ValueError(
                f"layers must lie behind convolutions and poolings that are modules, and whatever acts place by place; "
                f"{lost[0]} does not"
            )
        return {layer: shape.field for layer, shape in shapes.items()}  # type: ignore[attr-defined]

    def _shapes(self, scale: int) -> dict[str, Tensor]:
        """Maps without numbers."""
        side = self.side * scale
        image = torch.empty(1, 3, side, side, device="meta")
        image.field = ReceptiveField(0, 1, 1)  # type: ignore[attr-defined]
        state = {name: torch.empty(value.shape, device="meta") for name, value in self.net.state_dict().items()}
        windows = [part for part in self.net.modules() if isinstance(part, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d)]
        hooks = [part.register_forward_hook(_widen) for part in windows]
        try:
            with torch.no_grad(), _Following(), tapping(self.net, list(self.layers.values())) as taken:
                torch.func.functional_call(self.net, state, (image,))
        except RuntimeError as error:
            raise ValueError(f"images must be large enough for the net; got {side} x {side}: {error}") from error
        finally:
            for hook in hooks:
                hook.remove()
        return {layer: taken[module] for layer, module in self.layers.items()}

    def warp(self, images: Sequence[Tensor], scale: int = 1) -> Tensor:
        """Warp images to the square that the net sees, bilinear and smoothed, in whole levels (section 2.3.2).

        Args:
            images: uint8 ``(3, H, W)`` each, of any size, smaller ones too; or one tensor ``(B, 3, H, W)``.
            scale: 1 for n x n, 2 for 2n x 2n.

        Returns:
            ``(B, 3, scale * n, scale * n)``, uint8.
        """
        for image in images:
            checks.require_shape(image, "3 H W", "images", "RGB: repeat the channel of a grey one")
            checks.require_dtype(image, (torch.uint8,), "images", "pass them as they are decoded, 0 to 255")
        size = [scale * self.side] * 2
        return torch.stack([pictures.resize(image, size, antialias=True) for image in images])


def local_features(
    trunk: Trunk, images: Sequence[Tensor], layers: Sequence[str] | None = None, scale: int = 1
) -> Features:
    """Local features of several layers from one forward pass: at each place of a map its d numbers, of length 1.

    Args:
        trunk: the network.
        images: at least one, see `Trunk.warp`.
        layers: names of the table; all if None.
        scale: 1 or 2.

    Returns:
        ``(B, n_l * n_l, d)`` of each layer, row by row, float32, on the CPU. A place where no filter answers is 0.

    Raises:
        ValueError: an unknown layer, or a wrong image.

    Source: section 2.3.2; "L2-normalized", section 2.3.3.
    """
    layers = list(trunk.layers) if layers is None else layers
    if unknown := [layer for layer in layers if layer not in trunk.layers]:
        raise ValueError(f"layers must be among {', '.join(trunk.layers)}; got {unknown[0]!r}")
    device = next((parameter.device for parameter in trunk.net.parameters()), torch.device("cpu"))
    pixels = trunk.warp(images, scale).to(device).float() / 255  # (B, 3, scale * n, scale * n)
    mean, std = (pixels.new_tensor(values)[:, None, None] for values in (trunk.mean, trunk.std))  # (3, 1, 1) each
    with torch.no_grad():
        maps = tap(trunk.net, (pixels - mean) / std, [trunk.layers[layer] for layer in layers])
    found = {layer: maps[trunk.layers[layer]].flatten(2).mT for layer in layers}  # (B, n_l * n_l, d)
    return {layer: F.normalize(features, dim=2).cpu() for layer, features in found.items()}


# --- procedure: features stream, descriptors stay ---------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ConvFeatures:
    """Local features of images, a batch at a time: ``for features in ConvFeatures(trunk)(images)``.

    Attributes:
        trunk: the network.
        layers: names of the table; all if None, in the same forward pass.
        scale: 1 or 2.
        batch: images in one pass; bounds the memory.
        progress: whether to show a bar.
    """

    trunk: Trunk
    layers: Sequence[str] | None = None
    scale: int = 1
    batch: int = 16
    progress: bool = True

    def __call__(self, images: Images) -> Iterator[Features]:
        """Features of all images, by layer and in their order."""
        starts = range(0, len(images), self.batch)
        for start in tqdm(starts, desc=f"scale {self.scale}", unit="batch", delay=2, disable=not self.progress):
            part = [images[index] for index in range(start, min(start + self.batch, len(images)))]
            yield local_features(self.trunk, part, self.layers, self.scale)


@dataclass(frozen=True, eq=False)
class SIFTFeatures:
    """What came before: SIFT at the places where an image has corners and blobs, under the name ``"SIFT"``.

    Images keep their size. One without any such place, e.g. of a single colour, has no features: ``(1, 0, 128)``.

    Attributes:
        root: whether as RootSIFT: of sum 1, then the root of each number (Arandjelovic and Zisserman, CVPR 2012).
        most: features of an image, the strongest ones; 0 for all.
        progress: whether to show a bar.

    Source: Lowe, IJCV 2004, as OpenCV has it.
    """

    root: bool = True
    most: int = 0
    progress: bool = True

    def __call__(self, images: Images) -> Iterator[Features]:
        """Features of all images, one image at a time, ``(1, n, 128)`` float32 of length 1."""
        finder = cv2.SIFT.create(nfeatures=self.most)
        for index in tqdm(range(len(images)), desc="SIFT", unit="image", delay=2, disable=not self.progress):
            image = images[index]
            checks.require_shape(image, "3 H W", "images", "RGB: repeat the channel of a grey one")
            grey = cv2.cvtColor(image.permute(1, 2, 0).contiguous().numpy(), cv2.COLOR_RGB2GRAY)  # (H, W)
            _, found = finder.detectAndCompute(grey, None)
            features = torch.zeros(0, 128) if found is None else torch.from_numpy(found)  # (n, 128)
            features = F.normalize(features, p=1, dim=1).sqrt() if self.root else F.normalize(features, dim=1)
            yield {"SIFT": features[None]}


Extract = Callable[[Images], Iterator[Features]]
"""`ConvFeatures`, `SIFTFeatures`, or your own."""


def sample_features(extract: Extract, images: Images, most: int = 50_000, seed: int = 0) -> Features:
    """A random sample of the local features of a set, to learn a vocabulary from: as many of each image.

    Args:
        extract: where features come from.
        images: which images; the thesis does not say, the database is a usual choice.
        most: features of a layer at most; of a larger set so many images have a say. An image that has less than its
            share gives all it has.
        seed: of the draws, which depend neither on the size of a batch nor on which other layers there are.

    Returns:
        ``(M, d)`` of each layer.

    Raises:
        ValueError: no images.
    """
    checks.require_positive(most, "most")
    if len(images) == 0:
        raise ValueError("images must hold at least one image; got none: check the folder")
    chosen = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))[:most].sort().values
    share = most // len(chosen)
    draws: dict[str, torch.Generator] = defaultdict(lambda: torch.Generator().manual_seed(seed))
    kept: dict[str, list[Tensor]] = defaultdict(list)
    for features in extract(Subset(images, chosen.tolist())):  # type: ignore[arg-type]
        for layer, batch in features.items():
            for one in batch:  # (n, d)
                kept[layer].append(one[torch.randperm(len(one), generator=draws[layer])[:share]])  # (share, d)
    return {layer: torch.cat(parts) for layer, parts in kept.items()}


def vocabularies(sample: Features, words: int = WORDS, seed: int = 0) -> Features:
    """Visual words ``(words, d)`` of each layer, by k-means (section 2.3.3)."""
    return {layer: kmeans(features, words, seed=seed) for layer, features in sample.items()}


def vlad_encoding(
    words: Tensor, normalization: Callable[[Tensor], Tensor] | None = vlad.intra_normalization
) -> Encoding:
    """VLAD, eq. (2.1), normalised, flattened, of length 1.

    Args:
        words: ``(k, d)``.
        normalization: of ``(B, k, d)``: `vlad.intra_normalization`, the thesis', `vlad.signed_square_root`, or None.
    """

    def encoding(features: Tensor) -> Tensor:
        sums = vlad.vlad(features, words)  # (B, k, d)
        return vlad.l2_normalization((normalization(sums) if normalization else sums).flatten(1))  # (B, k * d)

    return encoding


def encode(
    extract: Extract,
    images: Images,
    encodings: Mapping[Hashable, tuple[str, Encoding]],
    into: Callable[[tuple[int, int]], Tensor] = torch.empty,
) -> dict[Hashable, Tensor]:
    """Descriptors of all images, of all layers, in one pass over them; features live for one batch only.

    Args:
        extract: where features come from.
        images: at least one.
        encodings: under any name, a layer and what turns its features into descriptors::

            {layer: (layer, vlad_encoding(words[layer])) for layer in trunk.layers}
        into: makes a tensor of a shape, to be filled. VLAD is long: 5,063 images x 100 words x 1024 numbers are 2 GB a
            layer. Pass something that maps a file, ``lambda shape: torch.from_file(...).view(shape)``, for more.

    Returns:
        ``(N, D)`` float32 under each name, in the order of the images.

    Raises:
        ValueError: no images.
        KeyError: a layer that the features do not have.
    """
    if len(images) == 0:
        raise ValueError("images must hold at least one image; got none: check the folder")
    descriptors: dict[Hashable, Tensor] = {}
    start = 0
    for features in extract(images):
        count = len(next(iter(features.values())))
        for name, (layer, encoding) in encodings.items():
            part = encoding(features[layer])  # (B, D)
            if name not in descriptors:
                descriptors[name] = into((len(images), part.shape[1]))
            descriptors[name][start : start + count] = part
        start += count
    return descriptors


def multi_scale(first: Tensor, second: Tensor) -> Tensor:
    """The final descriptor, ``(N, 2 * D)`` of length 1: those of both scales at the best layer (section 2.4.4)."""
    return vlad.l2_normalization(torch.cat([first, second], dim=1))  # (N, 2 * D)


Candidate = TypeVar("Candidate", bound=Hashable)


class CrossFitted(NamedTuple):
    """What a choice is worth on queries that it was not made on, and what was chosen for each query."""

    value: float
    chosen: list[Any]


def cross_fitted(
    scores: Mapping[Candidate, Tensor],
    *,
    reported: Mapping[Candidate, Tensor] | None = None,
    groups: Tensor | None = None,
    folds: int = 5,
    seed: int = 0,
) -> CrossFitted:
    """Choose the best layer on some queries, report it on the others, in turn. The thesis does both on the same ones.

    Args:
        scores: average precision ``(Q,)`` of each candidate (a layer, or a layer and a scale) on each query.
        reported: likewise, where something else is to be reported of the chosen one, e.g. both scales together.
        groups: ``(Q,)`` int64: queries of one group (of the same place) stay together; each is its own if None.
        folds: how many parts.
        seed: of the parts.

    Returns:
        The mean of what is reported, and the candidate chosen for each query. Of equal candidates the first one wins.

    Raises:
        ValueError: fewer than two groups of queries, or shapes that differ.
    """
    names = list(scores)
    table = torch.stack([scores[name].double() for name in names])  # (candidates, Q)
    shown = table if reported is None else torch.stack([reported[name].double() for name in names])
    checks.require_same_shape(shown, table, ("reported", "scores"), "the same candidates and queries")
    checks.require_finite(table, "scores", "leave out queries without positives")
    queries = table.shape[1]
    groups = torch.arange(queries) if groups is None else groups
    checks.require_shape(groups, f"{queries}", "groups", "one number a query")
    members, place = groups.unique(return_inverse=True)
    if len(members) < 2 or folds < 2:
        raise ValueError(f"queries must be of two groups at least, in two folds; got {len(members)} and {folds}")
    order = torch.randperm(len(members), generator=torch.Generator().manual_seed(seed))
    fold = (order % folds)[place]  # (Q,)
    best = torch.stack([table[:, fold != one].mean(dim=1).argmax() for one in range(min(folds, len(members)))])[fold]
    return CrossFitted(shown[best, torch.arange(queries)].mean().item(), [names[index] for index in best.tolist()])


def depth(layer: str, layers: Sequence[str]) -> float:
    """How far through the net a layer lies: 0 for the first of the table, 100 for the last."""
    return 100 * list(layers).index(layer) / (len(layers) - 1)


def neighbour_similarity(features: Tensor) -> float:
    """How alike local features are that lie beside or below each other: the mean of their cosines.

    Ours, to put a number to "local features spatially close to each other are highly similar" (section 2.4.3).

    Args:
        features: ``(B, n_l * n_l, d)``, of `local_features`.

    Raises:
        ValueError: a map of one cell, or no square.
    """
    side = round(features.shape[1] ** 0.5)
    if side < 2 or side**2 != features.shape[1]:
        raise ValueError(f"features must be those of a square map of 2 x 2 cells or more; got {tuple(features.shape)}")
    maps = F.normalize(features.double(), dim=2).unflatten(1, (side, side))  # (B, n_l, n_l, d)
    pairs = (maps[:, 1:] * maps[:, :-1]).sum(-1), (maps[:, :, 1:] * maps[:, :, :-1]).sum(-1)
    return torch.cat([cosines.flatten() for cosines in pairs]).mean().item()


# --- procedure: what does a layer see? --------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Patches:
    """All local features of some images at one layer, and the patches that stand for them (section 2.4.3).

    Patch number ``(image * n_l + row) * n_l + column`` is a square of side n / n_l around the centre of the cell's
    receptive field. See `patches_of`.

    Attributes:
        features: ``(N * n_l * n_l, d)``.
        images: ``(N, 3, S, S)`` uint8, as the net sees them, or finer.
        starts: ``(n_l,)`` int64, the first row, or column, of each patch; below 0 where it hangs over the border.
        side: of a patch in pixels.
    """

    features: Tensor
    images: Tensor
    starts: Tensor
    side: int

    def __getitem__(self, numbers: Tensor) -> Tensor:
        """Patches by number, int64 ``(...)``: uint8 ``(..., 3, side, side)``; beyond the border it repeats."""
        cells = len(self.starts)
        pixels = (self.starts[:, None] + torch.arange(self.side)).clamp(0, self.images.shape[-1] - 1)  # (n_l, side)
        flat = numbers.flatten()
        image, rows, columns = flat // cells**2, pixels[flat // cells % cells], pixels[flat % cells]
        cut = self.images[image[:, None, None], :, rows[:, :, None], columns[:, None, :]]  # (M, side, side, 3)
        return cut.movedim(3, 1).unflatten(0, numbers.shape)  # (..., 3, side, side)

    def nearest(self, queries: Tensor, k: int, skip: int | None = None, chunk: int = 8192) -> tuple[Tensor, Tensor]:
        """The k patches whose features are nearest to those asked for, nearest first; of equal ones the first.

        Args:
            queries: features ``(Q, d)``, of length 1.
            k: how many.
            skip: an image to leave out: the one that is asked for, if it is among them.
            chunk: features compared at a time; bounds the memory.

        Returns:
            L2 distances ``(Q, k)`` float32 and numbers of the patches ``(Q, k)`` int64.

        Raises:
            ValueError: fewer than k patches, or features of another layer.
        """
        checks.require_shape(queries, f"Q {self.features.shape[1]}", "queries", "features of the same layer")
        cells = len(self.starts) ** 2
        numbers = torch.arange(len(self.features))
        numbers = numbers if skip is None else numbers[numbers // cells != skip]
        if not 1 <= k <= len(numbers):
            raise ValueError(f"k must be 1 to the number of patches, {len(numbers)}; got {k}")
        best, which = torch.full((len(queries), 0), torch.inf), torch.zeros(len(queries), 0, dtype=torch.int64)
        for part in numbers.split(chunk):
            distances = torch.cdist(queries, self.features[part])  # (Q, chunk)
            best = torch.cat([best, distances], dim=1)  # (Q, up to k + chunk), in ascending order of numbers if equal
            which = torch.cat([which, part.expand(len(queries), -1)], dim=1)
            best, order = best.sort(dim=1, stable=True)
            best, which = best[:, :k], which.gather(1, order[:, :k])
        return best, which

    def correspondence(self, image: Tensor, features: Tensor, k: int = 1, skip: int | None = None) -> Tensor:
        """An image rebuilt: each of its patches replaced by the mean of its k nearest ones (Figure 2.3).

        Args:
            image: uint8 ``(3, S, S)``, warped as `images` are.
            features: its local features ``(n_l * n_l, d)``.
            k: 1 and 5 in the thesis.
            skip: an image to leave out, see `nearest`: without, an image that is among them is its own best match.

        Returns:
            uint8 ``(3, S, S)``; white at a margin that no patch covers.
        """
        size = self.images.shape[-1]
        checks.require_shape(image, f"3 {size} {size}", "image", "warp it as the others: Trunk.warp")
        _, numbers = self.nearest(features, k, skip)  # (n_l * n_l, k)
        means = self[numbers].double().mean(dim=1).round().to(torch.uint8)  # (n_l * n_l, 3, side, side)
        picture = torch.full_like(image, 255)
        for cell, patch in enumerate(means):
            top, left = (int(self.starts[index]) for index in divmod(cell, len(self.starts)))
            up, away = max(-top, 0), max(-left, 0)  # what hangs over
            bottom, right = min(top + self.side, size), min(left + self.side, size)
            picture[:, top + up : bottom, left + away : right] = patch[:, up : bottom - top, away : right - left]
        return picture

    def clusters(self, references: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Reference patches and what is nearest to them in other images, a row each (Figure 2.4).

        Args:
            references: numbers of patches ``(R,)``, int64.
            k: neighbours of each.

        Returns:
            uint8 ``(R, 1 + k, 3, side, side)``, the reference at the left, and distances ``(R, k)``.
        """
        rows, found = [], []
        for number in references.tolist():
            own = torch.tensor([number])
            distances, near = self.nearest(self.features[own], k, skip=number // len(self.starts) ** 2)
            rows.append(self[torch.cat([own, near[0]])])
            found.append(distances[0])
        return torch.stack(rows), torch.stack(found)


def patches_of(
    trunk: Trunk,
    images: Images,
    layers: Sequence[str],
    scale: int = 1,
    *,
    finer: int = 1,
    batch: int = 16,
    progress: bool = True,
) -> dict[str, Patches]:
    """Features and patches of all cells of some layers, from one pass over the images.

    They are kept: 4 bytes times d for each cell. 1,491 photos, 14 x 14 cells and 512 channels make 600 MB.

    Args:
        trunk: the network.
        images: at least one.
        layers: names of the table.
        scale: 1 or 2.
        finer: how many pixels of a patch there are for one that the net sees, for patches that can be looked at.
        batch: images in one pass.
        progress: whether to show a bar.
    """
    checks.require_positive(finer, "finer")
    kept: dict[str, list[Tensor]] = defaultdict(list)
    for features in ConvFeatures(trunk, layers, scale, batch, progress)(images):
        for layer, part in features.items():
            kept[layer].append(part.flatten(0, 1))  # (B * n_l * n_l, d)
    warped = torch.cat([trunk.warp([images[index]], finer * scale) for index in range(len(images))])  # (N, 3, S, S)
    fields, found = trunk.receptive_fields(), {}
    for layer in layers:
        cells = trunk.sizes(scale)[layer][0]
        side = max(round(warped.shape[-1] / cells), 1)  # n / n_l
        centres = finer * (fields[layer].centres(cells) + 0.5) - 0.5
        starts = (centres - (side - 1) / 2).floor().long()  # half a pixel to the left if need be
        found[layer] = Patches(torch.cat(kept[layer]), warped, starts, side)
    return found


# --- builders ---------------------------------------------------------------------------------------------------------


def googlenet_paper(weights: str | os.PathLike[str] | None = None, *, download: bool = False) -> Trunk:
    """GoogLeNet trained on ImageNet, 224 x 224: the weights are torchvision's, ported from the original ones.

    Args:
        weights: a file with them; None for where torch.hub keeps them.
        download: whether to fetch them (50 MB) when they are not there.

    Raises:
        FileNotFoundError: they are not there; says how to get them.
    """
    options = {"transform_input": True, "init_weights": False}  # it scales its images as Caffe's weights want them
    if weights is None:
        net = torchvision_weights(googlenet, GoogLeNet_Weights.IMAGENET1K_V1, download=download, **options)
    else:
        net = googlenet(aux_logits=True, **options)
        load_weights(net, weights)
    return Trunk(net, GOOGLENET_LAYERS)


def vgg16_paper(weights: str | os.PathLike[str] | None = None, *, download: bool = False) -> Trunk:
    """VGG-16 trained on ImageNet, 224 x 224; arguments as `googlenet_paper`, 528 MB. Torchvision trained it anew."""
    if weights is None:
        net = torchvision_weights(vgg16, VGG16_Weights.IMAGENET1K_V1, download=download)
    else:
        net = vgg16()
        load_weights(net, weights)
    return Trunk(net, VGG16_LAYERS)


def googlenet_tiny(side: int = 112) -> Trunk:
    """The small GoogLeNet that comes with the lab, trained on the source task of its world, on images of 64 x 64.

    Args:
        side: n. With 112 its maps have as many cells as those of Table 2.1, with a quarter of the channels, but images
            are seen larger than in training already at scale 1. 64 is the size of training, as in the thesis.
    """
    net = tiny_net(len(card(source_weights("googlenet"))["classes"]))
    load_weights(net, source_weights("googlenet"))
    return Trunk(net, GOOGLENET_LAYERS, side)
