"""The experiments of Ng, Yang and Davis, CVPR Workshops 2015: Figures 2.2 to 2.4, Tables 2.2 and 2.3, and what is ours.

Photos of a data set are a database; some of them are queries. All layers of a network are encoded in one pass, in
which each photo is decoded once. The sums of residuals are kept, from which every row makes its descriptors. With a
store on the disk they lie there, a file for a few photos each, and an interrupted pass continues where it was.
"""

import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import torch
from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]
from sklearn.mixture import GaussianMixture  # type: ignore[import-untyped]
from torch import Tensor
from torch.utils.data import ConcatDataset, Subset
from tqdm.auto import tqdm

from labkit import data, vlad, world
from labkit.clips import Clips
from labkit.data.photos import find_photos
from labkit.papers import conv_vlad
from labkit.papers.conv_vlad import SCALES, ConvFeatures, Encoding, Images
from labkit.patches import Patches, neighbour_similarity, thinned
from labkit.studies.photo_search import PhotoSearch, centre_of_curve, photo
from labkit.studies.rows import Measure, Row, per_clip, row
from labkit.studies.study import Study

Key = tuple[str, int]  # a layer and a scale
SETS = {"holidays": data.Holidays, "oxford5k": data.Oxford5k, "paris6k": data.Paris6k, "folder": data.PhotoFolder}
NORMALIZATIONS = {"intra": vlad.intra_normalization, "ssr": vlad.signed_square_root, "none": None}
POOLS: Mapping[str, Encoding] = {"max": vlad.max_pool, "sum": vlad.sum_pool}
PATCH_PHOTOS = 40  # whose patches are compared in Figures 2.3 and 2.4
FIXED_LAYERS = ("Inception 4e", "conv5_1")  # the best ones on Paris at scale 1 (section 2.4.1)


class Scale(NamedTuple):
    """What a profile changes.

    Attributes:
        size: of the world's photos, in pixels.
        instances: of the world that are searched for, each in six photos.
        distractors: further photos, each of something else.
        others: photos of other instances, on which the PCA is fitted as well.
        features: of a layer, for a vocabulary.
        words: of a vocabulary.
        sift_words: of the bag of SIFT words; the result that the thesis quotes has 200,000.
        dimensions: of a short descriptor, if there are eight times as many photos.
        batch_size: photos in a forward pass.
    """

    size: int
    instances: int
    distractors: int
    others: int
    features: int
    words: int
    sift_words: int
    dimensions: int
    batch_size: int


class ConvVLAD(Study):
    """All rows of the paper's tables and figures.

    Args:
        profile: see `Study`.
        other_photos: a folder of photos on which the vocabularies and the PCA are fitted; empty: on the database.
        **settings: see `Study`.
    """

    paper = "conv_vlad"
    version = 1
    networks = ("googlenet", "vgg16")
    painted = True
    gigabytes = 0.0  # what is kept depends on the number of photos: see `lacking`
    scales: ClassVar[Mapping[str, Scale]] = {
        "smoke": Scale(96, 6, 6, 0, 2_000, 16, 50, 5, 32),
        "lesson": Scale(192, 24, 48, 0, 20_000, 100, 500, 24, 32),
        "study": Scale(192, 60, 120, 600, 50_000, 100, 2000, 128, 32),
        "paper": Scale(192, 60, 120, 600, 50_000, 100, 2000, 128, 16),
    }

    def __init__(self, profile: str = "lesson", *, other_photos: str = "", **settings: Any) -> None:
        self.other_photos = other_photos
        super().__init__(profile, **settings)
        self._settings |= {"other_photos": other_photos}

    def _address(self) -> Path:
        return super()._address() / (Path(self.other_photos).name and f"fitted-on-{Path(self.other_photos).name}")

    # --- photos

    @cached_property
    def search(self) -> PhotoSearch:
        """The database: photos of the world, or of a real set."""
        if self.dataset == "world":
            return PhotoSearch(self._drawn(instances=self.scale.instances, distractors=self.scale.distractors))
        return PhotoSearch(SETS[self.dataset](self.data_root, missing=self.missing))

    def _drawn(self, **options: Any) -> Clips:
        return self.prepared(world.Places(seed=self.seed, size=self.scale.size, **options))

    @cached_property
    def others(self) -> Any:
        """Photos that are not in the database, to fit on."""
        if self.other_photos:
            return [data.read_photo(Path(self.other_photos, name)) for name in find_photos(Path(self.other_photos))]
        if self.dataset == "world" and self.scale.others:
            return self._drawn(part="train", instances=1, views=2, distractors=self.scale.others).map(photo)
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
            raise ValueError("network must be googlenet in this profile; got vgg16, which has no small version")
        backbone = conv_vlad.vgg16() if self.network == "vgg16" else conv_vlad.googlenet(self.size)
        best = torch.accelerator.current_accelerator(check_available=True) or "cpu"
        return backbone.to(best if self.device == "auto" else self.device)

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
            return {_name(key): words[key] for key in words}

        return self.compute("vocabulary", fitted)[_name((layer, scale))]

    def _encodings(self) -> dict[str, tuple[Key, Encoding]]:
        """What is made of the features of each photo, all in one pass: a key of `features` and a function each."""
        encodings: dict[str, tuple[Key, Encoding]] = {}
        for key in ((layer, scale) for scale in SCALES for layer in self.layers):
            sums: Encoding = partial(vlad.vlad, words=self.vocabulary(*key))
            made = {"sums": sums, "similarity": neighbour_similarity, **POOLS}
            encodings |= {f"{what}.{_name(key)}": (key, encoding) for what, encoding in made.items()}
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
        return self._stacked(map(normalized, self.encoded(f"sums.{_name((layer, scale))}")))

    def pooled(self, pool: str, layer: str, scale: int = 1) -> Tensor:
        """Maxima or sums ``(N, d)`` of the features of all photos."""
        return self._stacked(self.encoded(f"{pool}.{_name((layer, scale))}"))

    def both_scales(self, layer: str) -> Tensor:
        """The final descriptors of a layer ``(N, 2 * k * d)``."""
        sums = (self.encoded(f"sums.{_name((layer, scale))}") for scale in SCALES)
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
        kept = self.compute(name, lambda: {_name(key): self.search.average_precision(describe(*key)) for key in keys})
        return {key: kept[_name(key)] for key in keys}

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

    # --- Figure 2.2: which layer, at which scale

    @row("layers.scale1", metrics=["layer.best", "layer.last", "depth.scale1", "centre.scale1"], scale=1)
    @row("layers.scale2", metrics=["scale2.best", "scale2.last", "depth.scale2", "centre.scale2"], scale=2)
    def figure_2_2(self, scale: int) -> dict[str, Measure]:
        """Sections 2.4.1 and 2.4.2: the best layer, the last one, and how far up in the network the good ones lie."""
        scores, prefix = self.by_layer(scale), {1: "layer", 2: "scale2"}[scale]
        best = self.search.choose(scores, seed=self.seed)
        depths = {layer: 100 * number / (len(scores) - 1) for number, layer in enumerate(scores)}
        return {
            f"{prefix}.best": _mean(best.values),
            f"{prefix}.last": _mean(scores[self.layers[-1]]),
            f"depth.scale{scale}": Measure(sum(depths[layer] for layer in best.chosen) / len(best.chosen)),
            f"centre.scale{scale}": centre_of_curve(scores, depths),
        }

    @row("locations", metrics=["locations.best"])
    def equal_locations(self) -> Measure:
        """Ours: the best layer if each has as many features of a photo as the last one, the others left out."""

        def describe(layer: str) -> Tensor:
            parts = self._parts("thinned", self._thinned_encodings, (1,))
            return self._stacked(conv_vlad.descriptors(part[layer]) for part in parts)

        scores = self.precisions("locations", describe, [(layer,) for layer in self.layers])
        return _mean(self.search.choose(scores, seed=self.seed).values)

    # --- section 2.3.3: does intra-normalisation help?

    @row("norm.intra", metrics=["norm.intra", "norm.intra_mean"], needs=["layers.scale1"], way="intra")
    @row("norm.ssr", metrics=["norm.ssr", "norm.ssr_mean"], way="ssr")
    @row("norm.none", metrics=["norm.none", "norm.none_mean"], way="none")
    def normalization(self, way: str) -> dict[str, Measure]:
        """At the layer that is best with it, chosen on other queries; and, ours, the mean over all layers."""
        scores = self.by_layer(1, way)
        of_all = torch.stack(list(scores.values())).mean(dim=0)  # (Q,)
        best = self.search.choose(scores, seed=self.seed)
        return {f"norm.{way}": _mean(best.values), f"norm.{way}_mean": _mean(of_all)}

    # --- section 2.4.3: what does a layer take for alike?

    def similarities(self, name: str) -> Tensor:
        """The mean cosine of neighbouring features of each photo of the database ``(N,)``."""
        return self._stacked(self.encoded(f"similarity.{name}"))[: len(self.search)]

    @row(
        "alike", metrics=["alike.middle", "alike.last", "alike.last_scale2", "alike.last_farther"], needs=["encoded.*"]
    )
    def similarity(self) -> dict[str, Measure]:
        """Cosines of neighbouring features; at scale 2 also of those as far apart in the photo as at scale 1."""
        last = self.layers[-1]
        best = max(self.layers[1:-1], key=lambda layer: self.by_layer()[layer].mean().item())
        names = {"middle": _name((best, 1)), "last": _name((last, 1)), "last_scale2": _name((last, 2))}
        names["last_farther"] = "farther"
        return {f"alike.{metric}": _mean(self.similarities(name)) for metric, name in names.items()}

    @property
    def figure_layers(self) -> tuple[str, str, str]:
        """A low layer, one of the middle and the last: Inception 3a, 4a and 5b in Figures 2.3 and 2.4."""
        low = next((layer for layer in self.layers if layer in ("Inception 3a", "conv3_1")), self.layers[0])
        middle = "Inception 4a" if "Inception 4a" in self.layers else self.layers[len(self.layers) // 3 + 1]
        return low, middle, self.layers[-1]

    @cached_property
    def patch_photos(self) -> list[int]:
        """Numbers of the photos whose patches are compared: the example, the other queries, then any."""
        order = [self.search.example[0][1], *self.search.queries, *range(len(self.search))]
        return list(dict.fromkeys(order))[:PATCH_PHOTOS]

    @cached_property
    def patches(self) -> dict[Key, Patches]:
        """Features and patches of some photos, of the layers of the figures, and the last one also at scale 2.

        Photos are at least 256 pixels wide, so that patches of the small network can be looked at.
        """
        photos = [self.search.photos[index] for index in self.patch_photos]
        patches: dict[Key, Patches] = {}
        for layers, scale in ((self.figure_layers, 1), (self.layers[-1:], 2)):
            options = {"finer": max(256 // self.backbone.input_size // scale, 1), "batch_size": self.scale.batch_size}
            of_scale = conv_vlad.patches_of(self.backbone, photos, layers, scale, **options)
            patches |= {(layer, scale): of_scale[layer] for layer in layers}
        return patches

    @row("repetition", metrics=["repetition.middle", "repetition.last", "repetition.last_scale2"])
    def figure_2_3(self) -> dict[str, Measure]:
        """Ours, for what Figure 2.3 shows: how often patches side by side have the same nearest patch."""
        _, middle, last = self.figure_layers
        keys = {"middle": (middle, 1), "last": (last, 1), "last_scale2": (last, 2)}
        kept = self.compute("repetition", lambda: {name: self.patches[key].repetition() for name, key in keys.items()})
        return {f"repetition.{name}": _mean(values) for name, values in kept.items()}

    # --- Tables 2.2 and 2.3

    @row("multi.full", needs=["layers.*", "multi.full"], short=False)
    @row("multi.128", needs=["layers.*", "multi.128"], short=True)
    def final(self, short: bool) -> Measure:
        """Section 2.4.4: both scales of the layer that is best at either; uncompressed, or in 128 dimensions."""
        candidates = {(layer, scale): scores for scale in SCALES for layer, scores in self.by_layer(scale).items()}
        both = self.by_layer_of_both_scales(short)
        of_both = {(layer, scale): both[layer] for layer, scale in candidates}
        return _mean(self.search.choose(candidates, of_both, seed=self.seed).values)

    def by_layer_of_both_scales(self, short: bool = False) -> dict[str, Tensor]:
        """Average precisions ``(Q,)`` of the final descriptors, by layer; in all of their dimensions, or in few."""

        def describe(layer: str) -> Tensor:
            return self.shortened(self.both_scales(layer)) if short else self.both_scales(layer)

        scores = self.precisions("multi.128" if short else "multi.full", describe, [(layer,) for layer in self.layers])
        return {layer: scores[(layer,)] for layer in self.layers}

    @row("pool.max", pool="max")
    @row("pool.sum", pool="sum")
    def pooling(self, pool: str) -> Measure:
        """Table 2.3, "Spatial Pooling": maxima, or ours, sums, in 128 dimensions, at the best layer and scale."""
        keys = [(layer, scale) for scale in SCALES for layer in self.layers]
        scores = self.precisions(f"pool.{pool}", lambda *key: self.shortened(self.pooled(pool, *key)), keys)
        return _mean(self.search.choose(scores, seed=self.seed).values)

    @row("same.vlad", metrics=["same.vlad_raw", "same.vlad_white"], way="vlad")
    @row("same.max", metrics=["same.max_raw", "same.max_white"], way="max")
    @row("same.sum", metrics=["same.sum_raw", "same.sum_white"], way="sum")
    def at_one_layer(self, way: str) -> dict[str, Measure]:
        """Ours: VLAD and pooling at the same layer and scale 1, as they are, and in 128 dimensions, whitened."""
        layer = next((layer for layer in self.layers if layer in FIXED_LAYERS), self.layers[-2])

        def describe(version: str) -> Tensor:
            descriptors = self.descriptors(layer) if way == "vlad" else self.pooled(way, layer)
            return self.shortened(descriptors) if version == "white" else descriptors

        scores = self.precisions(f"same.{way}", describe, [("raw",), ("white",)])
        return {f"same.{way}_{version}": _mean(scores[(version,)]) for version in ("raw", "white")}

    def sift(self, way: str) -> Tensor:
        """Descriptors of all photos by SIFT: ``"vlad"``, or ``"bow"``, words weighted by inverse document frequency."""

        def encoded() -> Any:
            sample = self._sample(self._sift_features)
            sizes = self.scale.words, self.scale.sift_words
            vocabularies = [conv_vlad.vocabularies(sample, words, self.seed)["SIFT"] for words in sizes]
            encodings: Any = {
                "vlad": ("SIFT", lambda features: conv_vlad.descriptors(vlad.vlad(features, vocabularies[0]))),
                "bow": ("SIFT", partial(vlad.bag_of_words, words=vocabularies[1])),
            }
            return conv_vlad.encode(self._sift_features(self.photos), encodings)

        kept = self.compute("sift", encoded)[way]
        return kept if way == "vlad" else vlad.l2_normalization(kept * vlad.inverse_document_frequency(kept))

    @row("sift.vlad", needs=["sift"], way="vlad")
    @row("sift.bow", needs=["sift"], way="bow")
    @row("sift.vlad_128", needs=["sift"], way="vlad", short=True)
    def before_networks(self, way: str, short: bool = False) -> Measure:
        """What the thesis compares with: SIFT with VLAD, or as a bag of words."""
        descriptors = self.sift(way)
        return _mean(self.search.average_precision(self.shortened(descriptors) if short else descriptors))

    def swapped_in(self, layer: str) -> dict[str, Tensor]:
        """Average precisions ``(Q,)`` of encodings that "can be readily applied" instead of VLAD, at scale 1."""
        extract = partial(self.features, scales=(1,), layers=[layer])
        features = self._sample(extract, 20_000)[layer, 1]
        options = {"covariance_type": "diag", "random_state": self.seed, "max_iter": 30}
        mixture = GaussianMixture(min(self.scale.words, 64), **options)
        with warnings.catch_warnings(category=ConvergenceWarning, action="ignore"):  # 30 iterations are enough here
            fisher = partial(vlad.fisher_vector, gmm=mixture.fit(features.double().numpy()))
        bag = partial(vlad.bag_of_words, words=self.vocabulary(layer))
        encodings: Any = {"Fisher vector": ((layer, 1), fisher), "bag of words": ((layer, 1), bag)}
        encoded = conv_vlad.encode(extract(self.search.photos), encodings)
        return {str(name): self.search.average_precision(descriptors) for name, descriptors in encoded.items()}

    # --- before anything starts

    def clips_of(self, metric: str) -> Any:
        """No clips to train on, and the database to measure on."""
        return [], [self.search.database]

    def lacking(self, rows: Sequence[Row]) -> Iterator[str]:
        """Photos and weights that are not there, space for the sums of residuals, and photos for a PCA."""
        yield from super().lacking(rows)
        try:
            channels, count = sum(d for _, d in self.backbone.sizes().values()), len(self.photos)
        except (OSError, ValueError) as error:
            yield str(error)
            return
        short = [row.name for row in rows if any(word in row.name for word in ("128", "pool", "same"))]
        if short and self.dimensions < self.scale.dimensions:
            yield (
                f"rows {', '.join(short)} must have {8 * self.scale.dimensions} photos, 8 times their dimensions; got "
                f"{count}: leave these rows out, or give other_photos"
            )
        if self.store.folder is None or self.store.holds("encoded.*"):
            return
        needed = 3 * 4 * count * self.scale.words * channels / 1e9  # VLAD of both scales, and of thinned features
        folder = next(parent for parent in self.store.folder.parents if parent.exists())
        if (free := shutil.disk_usage(folder).free / 1e9) < needed:
            yield f"{folder} must have {needed:.0f} GB free for VLAD of all layers; got {free:.0f} GB: give another one"


def _name(key: Sequence[Any]) -> str:
    """The name under which something of a layer, or of a layer and a scale, is kept."""
    return ".scale".join(map(str, key))


def _mean(values: Tensor) -> Measure:
    """The mean over queries, or photos, in percent, with its standard error."""
    return per_clip(values)._replace(hits=None)
