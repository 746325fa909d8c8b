"""The experiments of Ng, Yang and Davis, CVPR Workshops 2015: Figures 2.2 to 2.4, Tables 2.2 and 2.3.

How similar neighbouring features are, layers with equally many features, and shadows are ours.
"""

import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, ClassVar

import torch
from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]
from sklearn.mixture import GaussianMixture  # type: ignore[import-untyped]
from torch import Tensor

from labkit import vlad, world
from labkit.papers import conv_vlad
from labkit.papers.conv_vlad import SCALES
from labkit.patches import Patches
from labkit.studies import shadows
from labkit.studies.conditions import metrics_at, under
from labkit.studies.photo_encodings import Key, PhotoEncodings, Scale, name_of
from labkit.studies.photo_search import PhotoSearch, centre_of_curve
from labkit.studies.rows import Measure, Row, per_clip, row

PATCH_PHOTOS = 40  # whose patches are compared in Figures 2.3 and 2.4
FIXED_LAYERS = ("Inception 4e", "conv5_1", "b9")  # the first two: best on Paris at scale 1 (section 2.4.1)


class ConvVLAD(PhotoEncodings):
    """All rows of the paper's tables and figures; arguments as `PhotoEncodings`."""

    paper = "conv_vlad"
    version = 3
    networks = ("googlenet", "vgg16", "lite0")
    whole = ("lite0",)
    painted = True
    gigabytes = 0.0  # what is kept depends on the number of photos: see `lacking`
    scales: ClassVar[Mapping[str, Scale]] = {
        "smoke": Scale("googlenet", 96, 6, 1, 6, 0, 2_000, 16, 50, 5, 32, shadows=(4, 4)),
        "lesson": Scale("lite0", 192, 16, 1, 32, 0, 20_000, 100, 500, 20, 32),
        "study": Scale("lite0", 192, 80, 3, 120, 600, 50_000, 100, 2000, 128, 32),
        "paper": Scale("googlenet", 192, 80, 3, 120, 600, 50_000, 100, 2000, 128, 16),
    }

    # --- Figure 2.2: which layer, at which scale

    @row("layers.scale1", metrics=["layer.best", "layer.last", "depth.scale1", "centre.scale1"], scale=1)
    @row("layers.scale2", metrics=["scale2.best", "scale2.last", "depth.scale2", "centre.scale2"], scale=2)
    def figure_2_2(self, scale: int) -> dict[str, Measure]:
        """Sections 2.4.1 and 2.4.2: the best layer, the last one, and how far up in the network the good ones lie."""
        scores, prefix = self.by_layer(scale), {1: "layer", 2: "scale2"}[scale]
        best = self.search.choose(scores, seed=self.seed)
        depths = {layer: 100 * number / (len(scores) - 1) for number, layer in enumerate(scores)}
        return {
            f"{prefix}.best": self.search.mean(best.values),
            f"{prefix}.last": self.search.mean(scores[self.layers[-1]]),
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
        return self.search.mean(self.search.choose(scores, seed=self.seed).values)

    # --- section 2.3.3: does intra-normalisation help?

    @row("norm.intra", metrics=["norm.intra", "norm.intra_mean"], needs=["layers.scale1"], way="intra")
    @row("norm.ssr", metrics=["norm.ssr", "norm.ssr_mean"], way="ssr")
    @row("norm.none", metrics=["norm.none", "norm.none_mean"], way="none")
    def normalization(self, way: str) -> dict[str, Measure]:
        """At the layer that is best with it, chosen on other queries; and, ours, the mean over all layers."""
        scores = self.by_layer(1, way)
        of_all = torch.stack(list(scores.values())).mean(dim=0)  # (Q,)
        best = self.search.choose(scores, seed=self.seed)
        return {f"norm.{way}": self.search.mean(best.values), f"norm.{way}_mean": self.search.mean(of_all)}

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
        names = {"middle": name_of((best, 1)), "last": name_of((last, 1)), "last_scale2": name_of((last, 2))}
        names["last_farther"] = "farther"
        return {f"alike.{metric}": _per_photo(self.similarities(name)) for metric, name in names.items()}

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
        return {f"repetition.{name}": _per_photo(values) for name, values in kept.items()}

    # --- Tables 2.2 and 2.3

    @row("multi.full", needs=["layers.*", "multi.full"], short=False)
    @row("multi.128", needs=["layers.*", "multi.128"], short=True)
    def final(self, short: bool) -> Measure:
        """Section 2.4.4: both scales of the layer that is best at either; uncompressed, or in 128 dimensions."""
        candidates = {(layer, scale): scores for scale in SCALES for layer, scores in self.by_layer(scale).items()}
        both = self.by_layer_of_both_scales(short)
        of_both = {(layer, scale): both[layer] for layer, scale in candidates}
        return self.search.mean(self.search.choose(candidates, of_both, seed=self.seed).values)

    def by_layer_of_both_scales(self, short: bool = False) -> dict[str, Tensor]:
        """Average precisions ``(Q,)`` of the final descriptors, by layer; in all of their dimensions, or in few."""

        def describe(layer: str) -> Tensor:
            return self.shortened(self.both_scales(layer)) if short else self.both_scales(layer)

        scores = self.precisions("multi.128" if short else "multi.full", describe, [(layer,) for layer in self.layers])
        return {layer: scores[(layer,)] for layer in self.layers}

    @row("pool.max", pool="max")
    @row("pool.sum", pool="sum")
    def pooling(self, pool: str) -> Measure:
        """Table 2.3, "Spatial Pooling": maxima, or ours, sums, at most 128 dimensions, at the best layer and scale."""
        keys = [(layer, scale) for scale in SCALES for layer in self.layers]
        scores = self.precisions(f"pool.{pool}", lambda *key: self.shortened(self.pooled(pool, *key)), keys)
        return self.search.mean(self.search.choose(scores, seed=self.seed).values)

    def shaded(self, shadow: float) -> world.Places:
        """Buildings under shadows that take as much of the light, at most; not drawn yet."""
        instances, distractors = self.scale.shadows
        return self.places(instances=instances, distractors=distractors, change=world.Change(shadow=shadow))

    @property
    def fixed_layer(self) -> str:
        """A layer of the middle that is chosen beforehand, see `FIXED_LAYERS`."""
        return next((layer for layer in self.layers if layer in FIXED_LAYERS), self.layers[-2])

    @under("conv_vlad", "shadow", 0, needs=["shadow.0"])
    @under("conv_vlad", "shadow", 0.25, needs=["shadow.0.25"])
    @under("conv_vlad", "shadow", 0.5, needs=["shadow.0.5"])
    @under("conv_vlad", "shadow", 0.75, needs=["shadow.0.75"])
    @under("conv_vlad", "shadow", 1, needs=["shadow.1"])
    def under_shadows(self, shadow: float) -> dict[str, Measure]:
        """Ours: shadows fall on the buildings, other ones in each photo, and take as much of the light."""
        search = PhotoSearch(self.prepared(self.shaded(shadow)))
        sizes = {"words": self.scale.words, "features": min(self.scale.features, 20_000), "seed": self.seed}
        measured = partial(shadows.average_precisions, search, self.backbone, self.fixed_layer, **sizes)
        kept = self.compute(f"shadow.{shadow:g}", measured)
        return {
            metric: search.mean(kept[metric.rpartition(".")[2]]) for metric in metrics_at(self.paper, "shadow", shadow)
        }

    @row("same.vlad", metrics=["same.vlad_raw", "same.vlad_white"], way="vlad")
    @row("same.max", metrics=["same.max_raw", "same.max_white"], way="max")
    @row("same.sum", metrics=["same.sum_raw", "same.sum_white"], way="sum")
    def at_one_layer(self, way: str) -> dict[str, Measure]:
        """Ours: VLAD and pooling at the same layer and scale 1, as they are, and whitened in at most 128 dimensions."""

        def describe(version: str) -> Tensor:
            layer = self.fixed_layer
            descriptors = self.descriptors(layer) if way == "vlad" else self.pooled(way, layer)
            return self.shortened(descriptors) if version == "white" else descriptors

        scores = self.precisions(f"same.{way}", describe, [("raw",), ("white",)])
        return {f"same.{way}_{version}": self.search.mean(scores[(version,)]) for version in ("raw", "white")}

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
        return self.search.mean(self.search.average_precision(self.shortened(descriptors) if short else descriptors))

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
        if metric.startswith("condition.shadow."):
            return [], [self.shaded(float(metric.removeprefix("condition.shadow.").rpartition(".")[0]))]
        return [], [self.database]

    def lacking(self, rows: Sequence[Row]) -> Iterator[str]:
        """Photos and weights that are not there, space for the sums of residuals, and photos for a PCA."""
        yield from super().lacking(rows)
        try:
            channels = sum(d for _, d in self.backbone.sizes().values())
            drawn = self.dataset == "world" and not self.other_photos  # then they are counted, not drawn
            count = len(self.database) + (self.scale.others if drawn else len(self.others))
            if self.dataset == "folder" and len(self.search.groups.unique()) < 2:
                yield f"{self.data_root} must have two things with several photos; got one: layers are chosen on others"
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


def _per_photo(values: Tensor) -> Measure:
    """The mean over photos, in percent, with its standard error."""
    return per_clip(values)._replace(hits=None)
