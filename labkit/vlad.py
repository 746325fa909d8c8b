"""Many local features of an image into one vector: a vocabulary of visual words, VLAD and what it is compared with.

A picture gives a few hundred or thousand local features, each a d-vector: a column of a convolutional map, or a SIFT
descriptor. K-means over features of many pictures finds k typical ones, the visual words. VLAD then sums, for each
word, how the features nearest to it differ from it (eq. 2.1): not only which words occur, as in a bag of words, but
where around them the features lie. A descriptor of the thesis is made in these steps::

    words = kmeans(features_of_many_images, 100, seed=0)  # (N, d) -> (k, d)
    descriptors = l2_normalization(intra_normalization(vlad(features, words)).flatten(-2))  # (B, n, d) -> (B, k * d)
    short = PCAWhitening.fit(descriptors_of_the_database, 128)(descriptors)  # (B, 128)

The features come in L2-normalised (``l2_normalization(features)``), as in the thesis; nothing here insists on it. They
are read in pieces: however many there are, what is held besides them is small, and no ``(n, k, d)`` is ever made.

Source: Ng, "Video understanding with deep networks" (dissertation, University of Maryland), chapter 2, section 2.3;
VLAD is Jegou et al., "Aggregating local descriptors into a compact image representation", CVPR 2010.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from labkit import checks

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture  # type: ignore[import-untyped]

_FLOATS = (torch.float32, torch.float64)
_PIECE = 2**20  # numbers of a piece of the features, so that it stays in the processor's cache
_PER_WORD = 64  # features for each word in the sample that k-means starts on


def kmeans(features: Tensor, k: int, *, seed: int, iterations: int = 100, tries: int = 1) -> Tensor:
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
        tries: how often to do it all; the words of lowest inertia are returned.

    Returns:
        ``(k, d)``.

    Raises:
        ValueError: wrong shape, a value that is not finite, or fewer different features than words.
        TypeError: wrong dtype.

    Source: Lloyd, IEEE Transactions on Information Theory 1982; Arthur and Vassilvitskii, "k-means++", SODA 2007, whose
    last section suggests the greedy choice among a few candidates.
    """
    _require_features(features, "N d")
    for value, name in ((k, "k"), (iterations, "iterations"), (tries, "tries")):
        if value < 1:
            raise ValueError(f"{name} must be at least 1; got {value}")
    if len(features) < k:
        raise ValueError(
            f"k-means needs at least as many features as words; got {len(features)} features for {k} words: pass "
            "features of more images, or ask for fewer words"
        )
    checks.require_finite(features, "features", "an image or its network went astray")
    generator = torch.Generator().manual_seed(seed)
    best, lowest = features[:k], math.inf
    for _ in range(tries):
        drawn = torch.randperm(len(features), generator=generator)[: _PER_WORD * k]
        sample = features[drawn.to(features.device)]  # (m, d)
        words, _ = _settle(sample, _spread(sample, k, generator), iterations, 1e-4)
        words, inertia = _settle(features, words, iterations, 1e-5)
        if inertia < lowest:
            best, lowest = words, inertia
    sums, nearest = _residual_sums(features, best)
    counts = torch.bincount(nearest, minlength=k)
    if (counts == 0).any() and (different := len(features.unique(dim=0))) < k:
        raise ValueError(
            f"k-means needs at least as many different features as words; got {different} different ones of "
            f"{len(features)} for {k} words: pass features of more images, or ask for fewer words"
        )
    return best + sums / counts.clamp(min=1)[:, None]  # once more to the mean: exact where all its features are equal


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
    _require_features(features, "N d")
    _require_words(words, features)
    return torch.cat(
        [features.new_empty(0, dtype=torch.int64), *(nearest for _, nearest, _ in _pieces(features, words))]
    )


def vlad(features: Tensor, words: Tensor) -> Tensor:
    """VLAD: for each word, the sum of the residuals f - c of the features f whose nearest word c is.

    Args:
        features: ``(B, n, d)``, n of each image, or ``(n, d)`` of one; float32 or float64, finite. An image without
            any (n = 0) gets zeros.
        words: ``(k, d)``, the same dtype, finite.

    Returns:
        ``(B, k, d)``, or ``(k, d)`` of one image, not normalised; a word nearest to no feature has zeros.

    Raises:
        ValueError: wrong shapes, or a value that is not finite.
        TypeError: wrong dtype.

    Source: section 2.3.3, eq. (2.1).
    """
    flat, images = _flat(features)  # (B * n, d)
    _require_words(words, features)
    sums, _ = _residual_sums(flat, words, images)
    return sums.reshape(*features.shape[:-2], *words.shape)  # (B, k, d) or (k, d)


def intra_normalization(descriptors: Tensor) -> Tensor:
    """Scale the block of each word to length 1, so that no word outweighs the others; a block of zeros stays.

    Args:
        descriptors: ``(..., k, d)``, as `vlad` gives them.

    Returns:
        The same shape. The thesis flattens and L2-normalises after it, which `l2_normalization` does.

    Raises:
        ValueError: fewer than two dimensions.
        TypeError: wrong dtype.

    Source: section 2.3.3; Arandjelovic and Zisserman, "All about VLAD", CVPR 2013, section 3.
    """
    checks.require_shape(descriptors, "... k d", "descriptors", "one block a word, before flatten")
    return l2_normalization(descriptors)


def signed_square_root(descriptors: Tensor) -> Tensor:
    """SSR, or power normalisation: x becomes sign(x) sqrt(|x|), which damps what repeats often.

    Args:
        descriptors: any shape, float32 or float64.

    Returns:
        The same shape.

    Raises:
        TypeError: wrong dtype.

    Source: Jegou et al., "Aggregating local image descriptors into compact codes", PAMI 2012, section 3.
    """
    checks.require_dtype(descriptors, _FLOATS, "descriptors")
    return descriptors.sign() * descriptors.abs().sqrt()


def l2_normalization(vectors: Tensor) -> Tensor:
    """Scale every vector to length 1; zeros stay.

    Args:
        vectors: ``(..., d)``, float32 or float64.

    Returns:
        The same shape.

    Raises:
        ValueError: no dimension.
        TypeError: wrong dtype.
    """
    checks.require_shape(vectors, "... d", "vectors")
    checks.require_dtype(vectors, _FLOATS, "vectors", "pass vectors.float()")
    return F.normalize(vectors, dim=-1, eps=torch.finfo(vectors.dtype).tiny)


def bag_of_words(features: Tensor, words: Tensor, idf: Tensor | None = None) -> Tensor:
    """Bag of words: how often each word is the nearest one, as a histogram of length 1.

    Args:
        features: ``(B, n, d)`` or ``(n, d)``, as for `vlad`.
        words: ``(k, d)``.
        idf: ``(k,)``, weight of each word, see `inverse_document_frequency`; None weighs all the same.

    Returns:
        ``(B, k)`` or ``(k,)``, at least 0, L2-normalised; zeros where nothing is counted.

    Raises:
        ValueError: wrong shapes, or a value that is not finite.
        TypeError: wrong dtype.

    Source: Sivic and Zisserman, "Video Google", ICCV 2003, sections 3 and 4.
    """
    flat, images = _flat(features)  # (B * n, d)
    _require_words(words, features)
    k = len(words)
    image = torch.arange(len(flat), device=flat.device) // max(features.shape[-2], 1)
    counts = torch.bincount(image * k + assign(flat, words), minlength=images * k)
    histograms = counts.reshape(*features.shape[:-2], k).to(words.dtype)  # (B, k) or (k,)
    if idf is not None:
        checks.require_shape(idf, str(k), "idf", "one weight a word")
        histograms = histograms * idf
    return l2_normalization(histograms)


def inverse_document_frequency(histograms: Tensor) -> Tensor:
    """Weight of each word, log(N / N_i): a word found in few of N images tells more than one found in all.

    Args:
        histograms: ``(N, k)``, bags of words of the database, above 0 where an image has the word.

    Returns:
        ``(k,)``, 0 to log N; 0 for a word of no image, too: nothing could be found by it.

    Raises:
        ValueError: wrong shape or no image.
        TypeError: wrong dtype.

    Source: Sivic and Zisserman, ICCV 2003, section 4.
    """
    checks.require_shape(histograms, "N k", "histograms", "one row an image")
    checks.require_dtype(histograms, _FLOATS, "histograms")
    if len(histograms) == 0:
        raise ValueError("inverse_document_frequency needs at least one image; got none")
    with_word = (histograms > 0).sum(0)  # (k,)
    return (len(histograms) / with_word.clamp(min=1)).log() * (with_word > 0)


def fisher_vector(features: Tensor, gmm: "GaussianMixture") -> Tensor:
    """Improved Fisher vector: how a mixture of Gaussians would move and widen to fit the image better.

    The gradient of the mean log likelihood of the features by each mean and each standard deviation, in units of its
    own spread; then signed square root and L2. Fit the mixture with scikit-learn, here with 64 Gaussians::

        gmm = GaussianMixture(64, covariance_type="diag", random_state=seed).fit(features_of_many_images)

    Args:
        features: ``(B, n, d)`` or ``(n, d)``, float32 or float64, finite.
        gmm: fitted, with diagonal covariances, of k Gaussians.

    Returns:
        ``(B, 2 * k * d)`` or ``(2 * k * d,)``: all means, then all deviations; L2-normalised; zeros if n = 0.

    Raises:
        ValueError: wrong shape, a mixture of another kind or for another d, or a value that is not finite.
        TypeError: wrong dtype.

    Source: Perronnin, Sanchez and Mensink, "Improving the Fisher kernel for large-scale image classification", ECCV
    2010, sections 2 and 3.
    """
    if getattr(gmm, "covariance_type", "") != "diag":
        raise ValueError(
            f"gmm must have diagonal covariances; got {getattr(gmm, 'covariance_type', type(gmm).__name__)!r}: fit "
            'GaussianMixture(k, covariance_type="diag")'
        )
    flat, images = _flat(features)  # (B * n, d)
    parts = (gmm.weights_, gmm.means_, gmm.covariances_)
    weights, means, variances = (torch.as_tensor(part).to(features) for part in parts)  # (k,), (k, d), (k, d)
    checks.require_shape(means, f"k {features.shape[-1]}", "gmm.means_", "fit it on features like these")
    checks.require_finite(flat, "features", "an image or its network went astray")
    n, (k, d) = features.shape[-2], means.shape
    constant = weights.log() - (variances.log() + means**2 / variances + math.log(2 * math.pi)).sum(1) / 2  # (k,)
    gradients = flat.new_zeros(images, 2, k, d)
    rows = max(1, _PIECE // max(d, k))
    for image, own in zip(gradients, flat.reshape(images, n, d), strict=True):
        mass, first, second = flat.new_zeros(k), flat.new_zeros(k, d), flat.new_zeros(k, d)
        for part in own.split(rows) if n else ():
            log = constant + part @ (means / variances).T - (part**2) @ (1 / variances).T / 2  # (rows, k)
            soft = log.softmax(1)  # (rows, k): how much of a feature each Gaussian has made
            mass += soft.sum(0)
            first += soft.T @ part
            second += soft.T @ part**2
        by_mean = (first - mass[:, None] * means) / variances.sqrt()
        by_deviation = (second - 2 * means * first + mass[:, None] * (means**2 - variances)) / variances
        image[0] = by_mean / (max(n, 1) * weights.sqrt()[:, None])
        image[1] = by_deviation / (max(n, 1) * (2 * weights).sqrt()[:, None])
    return l2_normalization(signed_square_root(gradients.reshape(*features.shape[:-2], 2 * k * d)))


def max_pool(features: Tensor) -> Tensor:
    """The largest value of each dimension over an image, L2-normalised: ``(..., n, d)`` to ``(..., d)``, n at least 1.

    A baseline of the thesis (section 2.4.3, "simple max-pooling as in [16]").
    """
    _require_pool(features)
    return l2_normalization(features.amax(-2))


def sum_pool(features: Tensor) -> Tensor:
    """The sum of each dimension over an image, L2-normalised: ``(..., n, d)`` to ``(..., d)``, n at least 1."""
    _require_pool(features)
    return l2_normalization(features.sum(-2))


@dataclass(frozen=True)
class PCAWhitening:
    """Principal components of descriptors, each scaled to variance 1, then L2: long descriptors become short ones.

    Make one with `fit`. Of D dimensions the first `dims` principal components are kept. Fewer exist than asked for if
    the descriptors are few: N of them span at most N - 1 dimensions. The missing ones are then zero, in every short
    descriptor, so their number stays `dims` and no distance changes; `rank` says how many there really are.

    Whitening fits the images that it is fitted on. If all their dimensions are kept (`dims` at least N - 1), each comes
    out as far from all others as any, and a ranking among them means nothing: fit on many more images than `dims`.

    Attributes:
        mean: ``(D,)``.
        components: ``(dims, D)``, of length 1, largest variance first; the entry largest in size is positive. Rows of
            zeros from `rank` on.
        deviations: ``(dims,)``, standard deviations along them, by which a descriptor is divided; 1 where not whitened.

    Source: section 2.3.3 (last paragraph); Jegou and Chum, ECCV 2012, section 4.
    """

    mean: Tensor
    components: Tensor
    deviations: Tensor

    @classmethod
    def fit(cls, descriptors: Tensor, dims: int, *, whiten: bool = True) -> "PCAWhitening":
        """Find the components, exactly, from the smaller one of the N x N and the D x D matrix of products.

        Args:
            descriptors: ``(N, D)``, float32 or float64, finite; at least two that differ.
            dims: how many components to keep, 1 to D. The thesis has 128.
            whiten: False keeps each component's own variance: PCA alone.

        Raises:
            ValueError: wrong shape, dims out of range, a value that is not finite, all descriptors the same.
            TypeError: wrong dtype.
        """
        _require_features(descriptors, "N D", "descriptors")
        n, size = descriptors.shape
        if not 1 <= dims <= size:
            raise ValueError(f"dims must be 1 to the length of the descriptors, {size}; got {dims}")
        if n < 2:
            raise ValueError(f"PCA needs at least two descriptors that differ; got {n}: fit it on many images")
        checks.require_finite(descriptors, "descriptors")
        mean = descriptors.mean(0)  # (D,)
        by_images = n < size
        side, step = min(n, size), 4 * _PIECE // min(n, size) + 1
        products = torch.zeros(side, side, dtype=torch.float64, device=descriptors.device)
        if by_images:  # X X', in pieces of the columns
            for columns, middle in zip(descriptors.split(step, 1), mean.split(step), strict=True):
                centred = (columns - middle).double()
                products += centred @ centred.T
        else:  # X' X, in pieces of the rows
            for rows in descriptors.split(step):
                centred = (rows - mean).double()
                products += centred.T @ centred
        values, vectors = torch.linalg.eigh(products)  # ascending
        values, vectors = values.flip(0)[:dims], vectors.flip(1)[:, :dims]
        eps = torch.finfo(descriptors.dtype).eps
        if values[0] <= (4 * eps) ** 2 * n * mean.double().square().sum():
            raise ValueError(f"PCA needs at least two descriptors that differ; got {n}, all the same")
        kept = values > values[0] * 10 * eps  # what is below, rounding left there
        kept[max(n - 1, 1) :] = False
        values, vectors = values[kept], vectors[:, kept]
        if by_images:
            weights = (vectors / values.sqrt()).to(descriptors.dtype)  # (N, rank)
            directions = weights.T @ descriptors - weights.sum(0)[:, None] * mean
        else:
            directions = vectors.T.to(descriptors.dtype)
        directions = l2_normalization(directions)
        top = directions.gather(1, directions.abs().argmax(1, keepdim=True))
        components, deviations = descriptors.new_zeros(dims, size), descriptors.new_ones(dims)
        components[: len(values)] = directions * top.sign()
        if whiten:
            deviations[: len(values)] = (values / (n - 1)).sqrt().to(descriptors.dtype)
        return cls(mean, components, deviations)

    def __call__(self, descriptors: Tensor) -> Tensor:
        """Shorten descriptors ``(..., D)`` to ``(..., dims)``, L2-normalised; ``ValueError`` for another D."""
        checks.require_shape(descriptors, f"... {len(self.mean)}", "descriptors", "as those of fit")
        checks.require_dtype(descriptors, (self.mean.dtype,), "descriptors", "as those of fit")
        return l2_normalization((descriptors @ self.components.T - self.components @ self.mean) / self.deviations)

    @property
    def rank(self) -> int:
        """How many of the components are real; the others are zero because there were too few images."""
        return int(self.components.any(1).sum())


def _pieces(features: Tensor, words: Tensor, middle: Tensor | None = None) -> Iterator[tuple[int, Tensor, Tensor]]:
    """For each piece of the features: where it starts, the nearest word of each ``(rows,)``, and how near ``(rows,)``.

    Near is half of |f - m|^2 - |f - c|^2, m being `middle`, the mean of the words if None. Written out it is
    f (c - m) - |c - m|^2 / 2 - (c - m) m, so one matrix product has it for all words, and the largest is the nearest's.
    """
    middle = words.mean(0) if middle is None else middle
    offset = words - middle
    base = -torch.linalg.vector_norm(offset, dim=1).square() / 2 - offset @ middle  # (k,)
    rows = max(64, _PIECE // max(words.shape))
    for start in range(0, len(features), rows):
        near, nearest = torch.addmm(base, features[start : start + rows], offset.T).max(1)  # (rows,)
        if not torch.isfinite(near).all():
            checks.require_finite(features, "features", "an image or its network went astray")
            checks.require_finite(words, "words")
            raise ValueError(f"features and words must have distances that {words.dtype} can hold: scale them down")
        yield start, nearest, near


def _residual_sums(features: Tensor, words: Tensor, images: int = 1) -> tuple[Tensor, Tensor]:
    """Eq. (2.1), features ``(images * n, d)``: ``(images * k, d)`` sums of residuals; ``(images * n,)`` nearest words.

    Residuals are taken before they are summed. Sums of features less multiples of the word would be one pass fewer, but
    leave rounding where all features equal their word, and intra-normalisation would blow that up to length 1.
    """
    k, per_image = len(words), max(len(features) // max(images, 1), 1)
    sums = words.new_zeros(images * k, words.shape[1])
    every = torch.empty(len(features), dtype=torch.int64, device=features.device)
    for start, nearest, _ in _pieces(features, words):
        end = start + len(nearest)
        every[start:end] = nearest
        blocks = nearest if images == 1 else torch.arange(start, end, device=words.device) // per_image * k + nearest
        rows = len(nearest) // 4 + 1  # the residuals of a quarter at a time: they and the features stay in the cache
        parts = zip(features[start:end].split(rows), nearest.split(rows), blocks.split(rows), strict=True)
        for part, own, block in parts:
            sums.index_add_(0, block, words.index_select(0, own).sub_(part), alpha=-1)  # c - f, taken away
    return sums, every


def _settle(features: Tensor, words: Tensor, iterations: int, tolerance: float) -> tuple[Tensor, float]:
    """Lloyd's algorithm with longer steps: the words, and the inertia before their last step."""
    middle = features.mean(0)
    spread = sum(float((part - middle).double().square().sum()) for part in features.split(_PIECE // len(middle) + 1))
    means, inertia, before = words, math.inf, math.inf
    for _ in range(iterations):
        sums, counts, gained = (
            torch.zeros_like(words),
            torch.zeros(len(words), dtype=torch.int64, device=words.device),
            0.0,
        )
        for start, nearest, near in _pieces(features, words, middle):
            sums.index_add_(0, nearest, features[start : start + len(nearest)])
            counts += torch.bincount(nearest, minlength=len(words))
            gained += float(near.double().sum())
        if (counts == 0).any():
            filled = _fill(features, words, (counts == 0).nonzero()[:, 0])
            if torch.equal(filled, words):
                return words, 0.0
            means = words = filled
            before = math.inf
            continue
        means, inertia = sums / counts[:, None], spread - 2 * gained
        if before - inertia <= tolerance * inertia:
            break
        words, before = words + 1.7 * (means - words), inertia
    return means, inertia


def _fill(features: Tensor, words: Tensor, empty: Tensor) -> Tensor:
    """Move empty words, each to the feature that is then farthest from all; stop where all features are words."""
    words = words.clone()
    parts = features.split(_PIECE // words.shape[1] + 1)
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


def _spread(features: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """First words by greedy k-means++: far from those before, of three candidates the one that helps most."""
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


def _require_features(features: Tensor, pattern: str, name: str = "features") -> None:
    checks.require_shape(features, pattern, name, "one row each; a map (d, h, w) is map.flatten(1).T")
    checks.require_dtype(features, _FLOATS, name, "pass features.float()")


def _require_words(words: Tensor, features: Tensor) -> None:
    checks.require_shape(words, f"k {features.shape[-1]}", "words", "as many dimensions as a feature, see kmeans")
    checks.require_dtype(words, (features.dtype,), "words", "the dtype of the features")
    if len(words) == 0:
        raise ValueError("words must hold at least one word; got none")


def _require_pool(features: Tensor) -> None:
    _require_features(features, "... n d")
    if features.shape[-2] == 0:
        raise ValueError(f"pooling needs at least one feature an image; got {tuple(features.shape)}")


def _flat(features: Tensor) -> tuple[Tensor, int]:
    """All features of all images ``(B * n, d)``, and how many images; checked."""
    single = getattr(features, "ndim", 0) == 2
    _require_features(features, "n d" if single else "B n d")
    return features.reshape(-1, features.shape[-1]), 1 if single else len(features)  # (B * n, d)
