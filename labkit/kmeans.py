"""K-means: the visual words of local features, and which word each feature is nearest to.

Our own because it is faster than scikit-learn's at the same inertia (see ``benchmarks/test_vlad.py``) and reads the
features in pieces: it needs little memory of its own, and never makes a matrix of all features by all words.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from labkit import checks

FLOATS = (torch.float32, torch.float64)
PIECE = 2**20  # values of a piece of the features, so that it stays in the processor's cache
_PER_WORD = 64  # features for each word in the sample that k-means starts on
_OVERSTEP = 1.7  # how much farther than the mean of its features a word moves


def kmeans(features: Tensor, k: int, *, seed: int, iterations: int = 100) -> Tensor:
    """Find k visual words: the centres of k-means, each the mean of the features nearest to it.

    The first words come from greedy k-means++ on a sample of 64 features a word, and are settled there before they meet
    all features. While they settle they move 1.7 times as far as the mean of their features, which takes half as many
    iterations as Lloyd's own step and ends as low; the last step goes to the mean. A word that loses all its features
    goes to the feature farthest from any word.

    Args:
        features: ``(N, d)``, float32 or float64; any number of them may be the same.
        k: how many words, 1 to N. The thesis has 100 (section 2.3.3).
        seed: the same seed and features give the same words.
        iterations: at most so many over all features; fewer if one lowers the inertia, the sum of squared distances
            between features and their words, by less than a part in 100,000.

    Returns:
        ``(k, d)``.

    Raises:
        ValueError: wrong shape, a value that is not finite, or fewer different features than words.
        TypeError: wrong dtype.

    Source: Lloyd, IEEE Transactions on Information Theory 1982; Arthur and Vassilvitskii, "k-means++", SODA 2007, whose
    last section suggests the greedy choice among a few candidates.
    """
    require_features(features, "N d")
    for value, name in ((k, "k"), (iterations, "iterations")):
        if value < 1:
            raise ValueError(f"{name} must be at least 1; got {value}")
    if len(features) < k:
        raise ValueError(
            f"k-means needs at least as many features as words; got {len(features)} features for {k} words: pass "
            "features of more images, or ask for fewer words"
        )
    checks.require_finite(features, "features", "an image or its network went astray")
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randperm(len(features), generator=generator)[: _PER_WORD * k]
    sample = features[drawn.to(features.device)]  # (m, d)
    words = _settle(sample, _first_words(sample, k, generator), iterations, 1e-4)
    words = _settle(features, words, iterations, 1e-5)
    nearest = assign(features, words)  # (N,)
    counts = torch.bincount(nearest, minlength=k)
    if (counts == 0).any() and (different := len(features.unique(dim=0))) < k:
        raise ValueError(
            f"k-means needs at least as many different features as words; got {different} different ones of "
            f"{len(features)} for {k} words: pass features of more images, or ask for fewer words"
        )
    to_mean = torch.zeros_like(words)
    rows = PIECE // words.shape[1] + 1
    for part, own in zip(features.split(rows), nearest.split(rows), strict=True):
        to_mean.index_add_(0, own, part - words[own])
    return words + to_mean / counts.clamp(min=1)[:, None]  # the mean: exact where all features of a word are equal


def assign(features: Tensor, words: Tensor) -> Tensor:
    """Number of the word nearest to each feature, NN(f) of eq. (2.1).

    Args:
        features: ``(N, d)``, float32 or float64, finite.
        words: ``(k, d)``, the same dtype, finite.

    Returns:
        int64 ``(N,)``, 0 to k - 1. Which of two words at the same distance it is, rounding decides.

    Raises:
        ValueError: wrong shapes, or a value that is not finite.
        TypeError: wrong dtype.
    """
    require_features(features, "N d")
    require_words(words, features)
    none = features.new_empty(0, dtype=torch.int64)
    return torch.cat([none, *(nearest for _, nearest, _ in _nearest_words(features, words))])  # (N,)


def _nearest_words(
    features: Tensor, words: Tensor, middle: Tensor | None = None
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Each piece of the features ``(rows, d)``, the nearest word of each ``(rows,)``, and how near it is ``(rows,)``.

    Near is half of |f - m|^2 - |f - c|^2, m being `middle`, the mean of the words if None. Written out it is
    f (c - m) - |c - m|^2 / 2 - (c - m) m, so one matrix product has it for all words, and the largest is the nearest's.
    """
    middle = words.mean(0) if middle is None else middle
    offset = words - middle
    base = -torch.linalg.vector_norm(offset, dim=1).square() / 2 - offset @ middle  # (k,)
    rows = max(64, PIECE // max(words.shape))
    for start in range(0, len(features), rows):
        piece = features[start : start + rows]
        near, nearest = torch.addmm(base, piece, offset.T).max(1)  # (rows,)
        if not torch.isfinite(near).all():
            checks.require_finite(features, "features", "an image or its network went astray")
            checks.require_finite(words, "words")
            raise ValueError(f"features and words must have distances that {words.dtype} can hold: scale them down")
        yield piece, nearest, near


def _first_words(features: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """Greedy k-means++: each word far from those before, of three candidates the one that helps most."""
    squares = features.square().sum(1)  # (m,)
    chosen = torch.randint(len(features), (1,), generator=generator).to(features.device)
    distances = (features - features[chosen]).square().sum(1)  # (m,)
    for _ in range(k - 1):
        weights = distances.double().cpu() + 1e-300
        candidates = torch.multinomial(weights, 3, replacement=True, generator=generator).to(features.device)
        to_each = squares + squares[candidates, None] - 2 * features[candidates] @ features.T  # (3, m)
        closer = torch.minimum(distances, to_each.clamp(min=0))
        best = closer.sum(1).argmin()
        chosen, distances = torch.cat([chosen, candidates[best, None]]), closer[best]
        distances[candidates[best]] = 0
    return features[chosen]


def _settle(features: Tensor, words: Tensor, iterations: int, tolerance: float) -> Tensor:
    """Lloyd's algorithm with longer steps, until one lowers the inertia by no more than a part of ``tolerance``."""
    middle = features.mean(0)
    spread = sum(float((part - middle).double().square().sum()) for part in features.split(PIECE // len(middle) + 1))
    means, before = words, math.inf
    for _ in range(iterations):
        sums, gained = torch.zeros_like(words), 0.0
        counts = torch.zeros(len(words), dtype=torch.int64, device=words.device)
        for piece, nearest, near in _nearest_words(features, words, middle):
            sums.index_add_(0, nearest, piece)
            counts += torch.bincount(nearest, minlength=len(words))
            gained += float(near.double().sum())
        if (counts == 0).any():
            filled = _fill(features, words, (counts == 0).nonzero()[:, 0])
            if torch.equal(filled, words):
                return words
            means = words = filled
            before = math.inf
            continue
        means, inertia = sums / counts[:, None], spread - 2 * gained
        if before - inertia <= tolerance * inertia:
            break
        words, before = words + _OVERSTEP * (means - words), inertia
    return means


def _fill(features: Tensor, words: Tensor, empty: Tensor) -> Tensor:
    """Move empty words, each to the feature that is then farthest from all; stop where all features are words."""
    words = words.clone()
    parts = features.split(PIECE // words.shape[1] + 1)
    own = assign(features, words).split(len(parts[0]))
    distances = torch.cat([(part - words[nearest]).square().sum(1) for part, nearest in zip(parts, own, strict=True)])
    rounding = (4 * torch.finfo(words.dtype).eps) ** 2 * words.square().sum(1).max()
    for word in empty:
        farthest = distances.argmax()
        if distances[farthest] <= rounding:
            break
        words[word] = features[farthest]
        to_it = torch.cat([(part - words[word]).square().sum(1) for part in parts])  # (N,)
        distances = torch.minimum(distances, to_it)
    return words


def require_features(features: Tensor, pattern: str, name: str = "features") -> None:
    """Check the shape of local features, or of what is made of them, and that they are float32 or float64."""
    checks.require_shape(features, pattern, name, "one row each; of a feature map (d, h, w): flatten(1).T")
    checks.require_dtype(features, FLOATS, name, "pass features.float()")


def require_words(words: Tensor, features: Tensor) -> None:
    """Check that there are words, and that they fit the features."""
    checks.require_shape(words, f"k {features.shape[-1]}", "words", "as many dimensions as a feature, see kmeans")
    checks.require_dtype(words, (features.dtype,), "words", "the dtype of the features")
    if len(words) == 0:
        raise ValueError("words must hold at least one word; got none")
