"""The condition of notebook 04: shadows, which fall differently in each photo of a place.

What surrounds a corner changes with the light on it, and SIFT describes corners by what surrounds them. A network that
has seen a million photos has met such shadows. Without them, walls look the same in each photo, and SIFT wins.
"""

from functools import partial
from typing import Any

from torch import Tensor

from labkit import vlad
from labkit.papers import conv_vlad
from labkit.papers.conv_vlad import ConvFeatures, Images
from labkit.studies.photo_search import PhotoSearch


def average_precisions(
    search: PhotoSearch, backbone: ConvFeatures, middle: str, *, words: int, features: int, seed: int
) -> dict[str, Tensor]:
    """Average precisions ``(Q,)`` of each system of the ledger's condition, at scale 1.

    Pooled features are the better ones of maxima and sums of both layers on these queries, which flatters them.

    Args:
        search: the photos.
        backbone: the network.
        middle: the layer of the middle, fixed beforehand; the last one is that of the network.
        words: of a vocabulary.
        features: of a layer, for a vocabulary.
        seed: of the vocabularies.
    """
    layers = [middle, list(backbone.layers)[-1]]

    def of_network(images: Images) -> Any:
        return conv_vlad.conv_features(backbone, images, layers, scales=(1,))

    pools = {"max": vlad.max_pool, "sum": vlad.sum_pool}
    scores: dict[Any, Tensor] = {}
    for extract in (of_network, conv_vlad.sift_features):
        sample = conv_vlad.sample_features(extract, search.photos, features, seed)
        vocabularies = conv_vlad.vocabularies(sample, words, seed)
        encodings: dict[Any, Any] = {}
        for key, vocabulary in vocabularies.items():
            encodings["vlad", key] = key, partial(vlad.vlad, words=vocabulary)
            encodings |= {(kind, key): (key, pool) for kind, pool in pools.items() if extract is of_network}
        for name, values in conv_vlad.encode(extract(search.photos), encodings).items():
            scores[name] = search.average_precision(conv_vlad.descriptors(values) if values.dim() == 3 else values)

    pooled = [values for (kind, _), values in scores.items() if kind in pools]
    return {
        "sift": scores["vlad", "SIFT"],
        "middle": scores["vlad", (middle, 1)],
        "last": scores["vlad", (layers[-1], 1)],
        "pooled": max(pooled, key=lambda values: values.mean().item()),
    }
