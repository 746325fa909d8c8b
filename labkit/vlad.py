"""Many local features of an image become one vector: VLAD, its normalisations, and what it is compared with.

An image has a few hundred or thousand local features, each a d-vector: a column of a feature map, or a SIFT descriptor.
K-means over features of many images finds k typical ones, the visual words (`labkit.kmeans`). For each word, VLAD adds
up how the features nearest to it differ from it (eq. 2.1): not only which words occur, as in a bag of words, but where
around them the features lie. A descriptor of the thesis is made in these steps::

    words = kmeans(features_of_many_images, 100, seed=0)  # (N, d) -> (k, d)
    descriptors = l2_normalization(intra_normalization(vlad(features, words)).flatten(-2))  # (B, n, d) -> (B, k * d)
    short = PCAWhitening.fit(descriptors_of_the_database, 128)(descriptors)  # (B, 128)

The features come in L2-normalised (``l2_normalization(features)``), as in the thesis; nothing here insists on it. They
are read in pieces: however many there are, little memory is needed for them, and no ``(n, k, d)`` is ever made.

Features are ``(B, n, d)``, n of each of B images, or ``(n, d)`` of one; words are ``(k, d)``. All are finite, float32
or float64: a wrong shape or a value that is not finite raises ``ValueError``, a wrong dtype ``TypeError``. Only
normalisation, pooling and whitening pass on what is not finite.

Source: Ng, Yang and Davis, CVPR Workshops 2015 (https://arxiv.org/abs/1504.05133), in the words of chapter 2 of Ng's
thesis, "Video understanding with deep networks", section 2.3; VLAD is Jegou et al., "Aggregating local descriptors into
a compact image representation", CVPR 2010.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from labkit import checks
from labkit.kmeans import FLOATS, PIECE, assign, require_features, require_words

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture  # type: ignore[import-untyped]


def vlad(features: Tensor, words: Tensor) -> Tensor:
    """VLAD: for each word, the sum of the residuals f - c of the features f whose nearest word c is.

    Returns:
        ``(B, k, d)``, or ``(k, d)`` of one image, not normalised; a word nearest to no feature has zeros.

    Source: section 2.3.3, eq. (2.1).
    """
    flat, images = _flat(features)  # (B * n, d)
    require_words(words, features)
    k, d = words.shape
    nearest = assign(flat, words)  # (B * n,), NN(f)
    image = torch.arange(len(flat), device=flat.device) // max(features.shape[-2], 1)  # (B * n,)
    sums = words.new_zeros(images * k, d)  # a row for each word of each image
    rows = PIECE // (4 * max(k, d)) + 1  # a few features at a time stay in the processor's cache
    for f, c, row in zip(flat.split(rows), nearest.split(rows), (image * k + nearest).split(rows), strict=True):
        sums.index_add_(0, row, f - words[c])  # eq. (2.1)
    return sums.reshape(*features.shape[:-2], k, d)  # (B, k, d) or (k, d)


def intra_normalization(descriptors: Tensor) -> Tensor:
    """Scale the block of each word to length 1, so that no word outweighs the others; a block of zeros stays.

    Descriptors ``(..., k, d)``, as `vlad` gives them, keep their shape. Flatten them and scale the whole to length 1
    with `l2_normalization`; the thesis does not speak of that.

    Source: section 2.3.3; Arandjelovic and Zisserman, "All about VLAD", CVPR 2013, section 3.
    """
    checks.require_shape(descriptors, "... k d", "descriptors", "one block a word, before flatten")
    return l2_normalization(descriptors)


def signed_square_root(descriptors: Tensor) -> Tensor:
    """SSR, or power normalisation, of any shape: x becomes sign(x) sqrt(|x|), which damps what repeats often.

    Source: Jegou et al., "Aggregating local image descriptors into compact codes", PAMI 2012, section 3.
    """
    checks.require_dtype(descriptors, FLOATS, "descriptors")
    return descriptors.sign() * descriptors.abs().sqrt()


def l2_normalization(vectors: Tensor) -> Tensor:
    """Scale every vector ``(..., d)`` to length 1; zeros stay."""
    checks.require_shape(vectors, "... d", "vectors")
    checks.require_dtype(vectors, FLOATS, "vectors", "pass vectors.float()")
    return F.normalize(vectors, dim=-1, eps=torch.finfo(vectors.dtype).tiny)


def bag_of_words(features: Tensor, words: Tensor) -> Tensor:
    """Bag of words: how often each word is the nearest one, as a histogram of length 1.

    Returns:
        ``(B, k)`` or ``(k,)``, at least 0, L2-normalised; zeros where nothing is counted.

    Source: Sivic and Zisserman, "Video Google", ICCV 2003, sections 3 and 4.
    """
    flat, images = _flat(features)  # (B * n, d)
    require_words(words, features)
    k = len(words)
    image = torch.arange(len(flat), device=flat.device) // max(features.shape[-2], 1)
    counts = torch.bincount(image * k + assign(flat, words), minlength=images * k)
    return l2_normalization(counts.reshape(*features.shape[:-2], k).to(words.dtype))  # (B, k) or (k,)


def inverse_document_frequency(histograms: Tensor) -> Tensor:
    """Weight of each word, log(N / N_i): a word found in few of N images tells more than one found in all.

    Args:
        histograms: ``(N, k)``, bags of words of the database, at least one, above 0 where an image has the word.

    Returns:
        ``(k,)``, 0 to log N; 0 for a word of no image, too: nothing could be found by it.

    Source: Sivic and Zisserman, ICCV 2003, section 4.
    """
    checks.require_shape(histograms, "N k", "histograms", "one row an image")
    checks.require_dtype(histograms, FLOATS, "histograms")
    if len(histograms) == 0:
        raise ValueError("inverse_document_frequency needs at least one image; got none")
    with_word = (histograms > 0).sum(0)  # (k,)
    return (len(histograms) / with_word.clamp(min=1)).log() * (with_word > 0)


def fisher_vector(features: Tensor, gmm: "GaussianMixture") -> Tensor:
    """Improved Fisher vector: how a mixture of Gaussians would move and widen to fit the image better.

    The gradient of the mean log likelihood of the features by each mean and each standard deviation, in units of its
    own spread; then signed square root and L2. Fit the mixture with scikit-learn, here with 64 Gaussians::

        gmm = GaussianMixture(64, covariance_type="diag", random_state=seed).fit(features_of_many_images)

    Returns:
        ``(B, 2 * k * d)`` or ``(2 * k * d,)``: all means, then all deviations; L2-normalised; zeros if n = 0.

    Raises:
        ValueError: a mixture of another kind or for another d.

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
    rows = max(1, PIECE // max(d, k))
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

    What the thesis compares with (section 2.4.4, "simple max-pooling as in [16]").
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
        deviations: ``(dims,)``, standard deviations along them, by which a descriptor is divided; 1 from `rank` on.

    Source: section 2.3.3 (last paragraph); Jegou and Chum, ECCV 2012, section 4.
    """

    mean: Tensor
    components: Tensor
    deviations: Tensor

    @classmethod
    def fit(cls, descriptors: Tensor, dims: int) -> "PCAWhitening":
        """Find the components, exactly, from the smaller one of the N x N and the D x D matrix of products.

        Args:
            descriptors: ``(N, D)``, at least two that differ.
            dims: how many components to keep, 1 to D. The thesis has 128.
        """
        require_features(descriptors, "N D", "descriptors")
        n, size = descriptors.shape
        if not 1 <= dims <= size:
            raise ValueError(f"dims must be 1 to the length of the descriptors, {size}; got {dims}")
        if n < 2:
            raise ValueError(f"PCA needs at least two descriptors that differ; got {n}: fit it on many images")
        checks.require_finite(descriptors, "descriptors")
        mean = descriptors.mean(0)  # (D,)
        by_images = n < size
        side, step = min(n, size), 4 * PIECE // min(n, size) + 1
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


def _require_pool(features: Tensor) -> None:
    require_features(features, "... n d")
    if features.shape[-2] == 0:
        raise ValueError(f"pooling needs at least one feature an image; got {tuple(features.shape)}")


def _flat(features: Tensor) -> tuple[Tensor, int]:
    """All features of all images ``(B * n, d)``, and how many images; checked."""
    single = getattr(features, "ndim", 0) == 2
    require_features(features, "n d" if single else "B n d")
    return features.reshape(-1, features.shape[-1]), 1 if single else len(features)  # (B * n, d)
