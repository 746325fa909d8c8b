"""What the experiments of local features and VLAD are made of: photos, their features, words, and descriptors.

Photos of a data set are a database; some of them are queries. All layers of a network are encoded in one pass, in
which each photo is decoded once. The sums of residuals are kept, from which every row makes its descriptors. With a
store on the disk they lie there, a file for a few photos each, and an interrupted pass continues where it was.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, Subset
from tqdm.auto import tqdm

from labkit import data, vlad, world
from labkit.data.photos import find_photos
from labkit.papers import conv_vlad
from labkit.papers.conv_vlad import SCALES, ConvFeatures, Encoding, Images
from labkit.patches import neighbour_similarity, thinned
from labkit.studies.photo_search import PhotoSearch, photo
from labkit.studies.study import Study

Key = tuple[str, int]  # a layer and a scale
SETS = {"holidays": data.Holidays, "oxford5k": data.Oxford5k, "paris6k": data.Paris6k, "folder": data.PhotoFolder}
NORMALIZATIONS = {"intra": vlad.intra_normalization, "ssr": vlad.signed_square_root, "none": None}
POOLS: Mapping[str, Encoding] = {"max": vlad.max_pool, "sum": vlad.sum_pool}


class Scale(NamedTuple):
    """What a profile changes.

    Attributes:
        network: what is studied unless another one is asked for.
        size: of the world's photos, in pixels.
        instances: of the world that are searched for, each in six photos.
        queries: of each of them.
        distractors: further photos, each of something else.
        others: photos of other instances, on which the PCA is fitted as well.
        features: of a layer, for a vocabulary.
        words: of a vocabulary.
        sift_words: of the bag of SIFT words; the result that the thesis quotes has 200,000.
        dimensions: of a short descriptor, if there are eight times as many photos.
        batch_size: photos in a forward pass.
        shadows: instances and distractors where shadows are turned up and down.
    """

    network: str
    size: int
    instances: int
    queries: int
    distractors: int
    others: int
    features: int
    words: int
    sift_words: int
    dimensions: int
    batch_size: int
    shadows: tuple[int, int] = (30, 60)


class PhotoEncodings(Study):
    """Photos and what is made of them; the rows of the tables are in `labkit.studies.conv_vlad`.

    Args:
        profile: see `Study`.
        network: see `Study`; empty: that of the profile.
        other_photos: a folder of photos on which the vocabularies and the PCA are fitted; empty: on the database.
        **settings: see `Study`.
    """

    def __init__(self, profile: str = "lesson", *, network: str = "", other_photos: str = "", **settings: Any) -> None:
        self.other_photos = other_photos
        usual = self.scales[profile].network if profile in self.scales else ""
        super().__init__(profile, network=network or usual, **settings)
        self._settings |= {"other_photos": other_photos}

    def _address(self) -> Path:
        return super()._address() / (self.own_photos and f"photos-{self.own_photos}")

    @property
    def own_photos(self) -> str:
        """See `Study`: a digest of the names and sizes of the photos, or of the folder's name where it has none."""
        folders = [*[self.data_root] * (self.dataset == "folder"), *[self.other_photos] * bool(self.other_photos)]
        return "-".join(_digest(Path(folder)) for folder in folders)

    # --- photos

    @cached_property
    def database(self) -> Any:
        """Photos of the world, not drawn yet, or of a real set."""
        if self.dataset == "world":
            counts = {"instances": self.scale.instances, "distractors": self.scale.distractors}
            return self.places(queries=self.scale.queries, **counts)
        return SETS[self.dataset](self.data_root, missing=self.missing)

    @cached_property
    def search(self) -> PhotoSearch:
        """The database, drawn, with the rules of its queries."""
        return PhotoSearch(self.prepared(self.database) if self.dataset == "world" else self.database)

    def places(self, **options: Any) -> Any:
        """Buildings of the world, as in the thesis's sets; no toys and vases: no shadow falls on them."""
        return world.Places(seed=self.seed, size=self.scale.size, objects=False, **options)

    @cached_property
    def others(self) -> Any:
        """Photos that are not in the database, to fit on."""
        if self.other_photos:
            return [data.read_photo(Path(self.other_photos, name)) for name in find_photos(Path(self.other_photos))]
        if self.dataset == "world" and self.scale.others:
            places = self.places(part="train", instances=1, views=2, distractors=self.scale.others)
            return self.prepared(places).map(photo)
        return []

    @cached_property
    def photos(self) -> Any:
        """All photos as images ``(3, H, W)`` uint8: the database, then the others."""
        return ConcatDataset([self.search.photos, self.others]) if len(self.others) else self.search.photos

    # --- features, words, sums of residuals

    @cached_property
    def backbone(self) -> ConvFeatures:
        """The network; of GoogLeNet there is a small one for the world's photos."""
        if self.network == "vgg16_tiny":
            raise ValueError("network must be googlenet or lite0 in this profile; got vgg16: it has no small version")
        if self.network == "lite0":
            backbone = conv_vlad.efficientnet_lite0()
        elif self.network == "vgg16":
            backbone = conv_vlad.vgg16()
        else:
            weights = self.source_weights("googlenet") if self.size == "tiny" else None
            backbone = conv_vlad.googlenet(self.size, weights=weights)
        return backbone.to(self.torch_device)

    @property
    def layers(self) -> list[str]:
        """Names of the layers, from low to high."""
        return list(self.backbone.layers)

    def features(self, images: Images, **options: Any) -> Iterator[Any]:
        """Local features of images by ``(layer, scale)``, a batch at a time, see `conv_vlad.conv_features`."""
        return conv_vlad.conv_features(self.backbone, images, batch_size=self.scale.batch_size, **options)

    def _sift_features(self, images: Images) -> Iterable[Any]:
        return tqdm(conv_vlad.sift_features(images), "SIFT", len(images), delay=2, disable=not self.progress)

    def _sample(self, extract: Any, most: int = 50_000) -> Any:
        """Features to fit on: of the database, or of the other photos if the study was given some."""
        images = self.others if self.other_photos else self.search.photos
        return conv_vlad.sample_features(extract, images, min(most, self.scale.features), self.seed)

    def vocabulary(self, layer: str, scale: int = 1) -> Tensor:
        """Visual words ``(k, d)`` of a layer at a scale."""

        def fitted() -> dict[str, Tensor]:
            words: dict[Any, Tensor] = conv_vlad.vocabularies(self._sample(self.features), self.scale.words, self.seed)
            return {name_of(key): words[key] for key in words}

        return self.compute("vocabulary", fitted)[name_of((layer, scale))]

    def _encodings(self) -> dict[str, tuple[Key, Encoding]]:
        """What is made of the features of each photo, all in one pass: a key of `features` and a function each."""
        encodings: dict[str, tuple[Key, Encoding]] = {}
        for key in ((layer, scale) for scale in SCALES for layer in self.layers):
            sums: Encoding = partial(vlad.vlad, words=self.vocabulary(*key))
            made = {"sums": sums, "similarity": neighbour_similarity, **POOLS}
            encodings |= {f"{what}.{name_of(key)}": (key, encoding) for what, encoding in made.items()}
        farther = partial(neighbour_similarity, distance=2)
        return {**encodings, "similarity.farther": ((self.layers[-1], 2), farther)}

    def _thinned_encodings(self) -> dict[str, tuple[Key, Encoding]]:
        """VLAD of as many features of each layer as the last one has."""
        fewest = self.backbone.sizes()[self.layers[-1]][0]

        def sums(features: Tensor, words: Tensor) -> Tensor:
            return vlad.vlad(thinned(features, fewest), words)

        return {layer: ((layer, 1), partial(sums, words=self.vocabulary(layer))) for layer in self.layers}

    def _parts(self, name: str, encodings: Callable[[], Any], scales: Sequence[int]) -> Iterator[dict[str, Tensor]]:
        """A pass over all photos, two batches of them an artefact."""

        def encode(start: int, end: int) -> Any:
            features = self.features(Subset(self.photos, range(start, end)), scales=scales)
            return conv_vlad.encode(features, encodings())

        step, count = 2 * self.scale.batch_size, len(self.photos)
        for start in tqdm(range(0, count, step), name, unit="part", delay=2, disable=not self.progress):
            yield self.compute(f"{name}.{start:05}", partial(encode, start, min(start + step, count)))

    def encoded(self, name: str) -> Iterator[Tensor]:
        """What has been made of all photos, under a name of `_encodings`, a few photos at a time."""
        yield from (part[name] for part in self._parts("encoded", self._encodings, SCALES))

    def _stacked(self, parts: Iterable[Tensor]) -> Tensor:
        """Parts below each other ``(N, ...)``, each written to its place, so that all are never held twice."""
        stacked, start = torch.empty(0), 0
        for part in parts:
            stacked = stacked if start else part.new_empty(len(self.photos), *part.shape[1:])
            stacked[start : start + len(part)] = part
            start += len(part)
        return stacked

    # --- descriptors, and how well they find

    def descriptors(self, layer: str, scale: int = 1, normalization: str = "intra") -> Tensor:
        """Descriptors ``(N, k * d)`` of all photos."""
        normalized = partial(conv_vlad.descriptors, normalization=NORMALIZATIONS[normalization])
        return self._stacked(map(normalized, self.encoded(f"sums.{name_of((layer, scale))}")))

    def pooled(self, pool: str, layer: str, scale: int = 1) -> Tensor:
        """Maxima or sums ``(N, d)`` of the features of all photos."""
        return self._stacked(self.encoded(f"{pool}.{name_of((layer, scale))}"))

    def both_scales(self, layer: str) -> Tensor:
        """The final descriptors of a layer ``(N, 2 * k * d)``."""
        sums = (self.encoded(f"sums.{name_of((layer, scale))}") for scale in SCALES)
        parts = ([conv_vlad.descriptors(part) for part in pair] for pair in zip(*sums, strict=True))
        return self._stacked(conv_vlad.multi_scale(*part) for part in parts)

    @property
    def dimensions(self) -> int:
        """Of short descriptors: fewer where photos are few, for whitening fits each photo that it is fitted on."""
        return min(self.scale.dimensions, max(len(self.photos) // 8, 2))

    def shortened(self, descriptors: Tensor) -> Tensor:
        """Descriptors in few dimensions, whitened; fitted on all of them, or on other photos if there are any."""
        known = descriptors[len(self.search) :] if self.other_photos else descriptors
        return vlad.PCAWhitening.fit(known, min(self.dimensions, descriptors.shape[1]))(descriptors)

    def precisions(self, name: str, describe: Callable[..., Tensor], keys: Sequence[Any]) -> dict[Any, Tensor]:
        """Average precisions ``(Q,)`` of descriptors, by key, computed once under a name."""
        kept = self.compute(name, lambda: {name_of(key): self.search.average_precision(describe(*key)) for key in keys})
        return {key: kept[name_of(key)] for key in keys}

    def by_layer(self, scale: int = 1, normalization: str = "intra") -> dict[str, Tensor]:
        """Average precisions ``(Q,)`` of VLAD, by layer."""
        name = f"layers.scale{scale}" if normalization == "intra" else f"norm.{normalization}"
        keys = [(layer, scale) for layer in self.layers]
        scores = self.precisions(name, partial(self.descriptors, normalization=normalization), keys)
        return {layer: scores[layer, scale] for layer, scale in keys}

    @property
    def favourite(self) -> str:
        """The layer that is best at scale 1 on all queries: to look at, not to report."""
        return max(self.layers, key=lambda layer: self.by_layer()[layer].mean().item())


def name_of(key: Sequence[Any]) -> str:
    """The name under which something of a layer, or of a layer and a scale, is kept."""
    return ".scale".join(map(str, key))


def _digest(folder: Path) -> str:
    names = find_photos(folder) if folder.is_dir() else []
    told = [(name, (folder / name).stat().st_size) for name in names] if names else folder
    return hashlib.sha256(repr(told).encode()).hexdigest()[:8]
