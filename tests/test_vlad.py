import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

from labkit import kmeans as kmeans_module
from labkit import vlad as vlad_module
from labkit.kmeans import assign
from labkit.vlad import (
    PCAWhitening,
    bag_of_words,
    fisher_vector,
    intra_normalization,
    inverse_document_frequency,
    l2_normalization,
    max_pool,
    signed_square_root,
    sum_pool,
    vlad,
)

seeds = st.integers(0, 2**32 - 1)
WORDS = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
# nearest words 0, 1, 1, 0; nothing near word 2
FEATURES = torch.tensor([[1.0, 1.0], [9.0, 2.0], [11.0, 3.0], [-3.0, 1.0]])


def gaussian(*sizes, seed=0, dtype=torch.float32):
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def residuals_word_by_word(features, words):
    """Eq. (2.1) read aloud, in double precision: every residual of every word, those of other features left out."""
    features, words = features.double(), words.double()
    residuals = features[..., :, None, :] - words  # (..., n, k, d)
    own = torch.nn.functional.one_hot(residuals.square().sum(-1).argmin(-1), len(words))  # (..., n, k)
    return (residuals * own[..., None]).sum(-3)  # (..., k, d)


# ---- VLAD


def test_vlad_by_hand():
    assert assign(FEATURES, WORDS).tolist() == [0, 1, 1, 0]
    assert vlad(FEATURES, WORDS).tolist() == [[-2.0, 2.0], [0.0, 5.0], [0.0, 0.0]]


@settings(deadline=None, max_examples=15)
@given(seeds, st.integers(1, 4), st.integers(0, 9), st.integers(1, 6), st.sampled_from([1, 30, 2**20]))
def test_vlad_is_the_sum_of_residuals(seed, images, n, k, piece):
    features, words = gaussian(images, n, 5, seed=seed), gaussian(k, 5, seed=seed + 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vlad_module, "PIECE", piece)
        patch.setattr(kmeans_module, "PIECE", piece)
        descriptors = vlad(features, words)
        assert descriptors.shape == (images, k, 5)
        torch.testing.assert_close(descriptors.double(), residuals_word_by_word(features, words), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(vlad(features[0], words), descriptors[0])
        torch.testing.assert_close(vlad(features[0].flip(0), words), descriptors[0])


def test_features_that_equal_their_word_leave_exactly_nothing():
    words = l2_normalization(gaussian(4, 30))
    features = words[[0] * 3000 + [1] * 5000 + [2]]
    assert not vlad(features, words).any()
    normalized = intra_normalization(vlad(features, words))
    assert not normalized.any()


def test_an_image_without_features_has_zeros():
    assert vlad(FEATURES[:0], WORDS).tolist() == [[0.0, 0.0]] * 3
    assert vlad(torch.zeros(2, 0, 2), WORDS).shape == (2, 3, 2)
    assert bag_of_words(torch.zeros(2, 0, 2), WORDS).tolist() == [[0.0] * 3] * 2


def test_gradients_reach_the_features():
    features = FEATURES.clone().requires_grad_()
    (vlad(features, WORDS) * torch.tensor([[1.0], [2.0], [3.0]])).sum().backward()
    assert features.grad.tolist() == [[1.0, 1.0], [2.0, 2.0], [2.0, 2.0], [1.0, 1.0]]


# ---- normalisations


def test_intra_normalization_by_hand():
    descriptors = torch.tensor([[3.0, -4.0], [0.0, 5.0], [0.0, 0.0]])
    normalized = intra_normalization(descriptors)
    torch.testing.assert_close(normalized, torch.tensor([[0.6, -0.8], [0.0, 1.0], [0.0, 0.0]]))
    torch.testing.assert_close(l2_normalization(normalized.flatten()).norm(), torch.tensor(1.0))
    torch.testing.assert_close(intra_normalization(descriptors[None] * 1e-20)[0], normalized)  # however small


def test_signed_square_root_by_hand():
    assert signed_square_root(torch.tensor([[4.0, -9.0, 0.0]])).tolist() == [[2.0, -3.0, 0.0]]


def test_l2_normalization_by_hand():
    torch.testing.assert_close(
        l2_normalization(torch.tensor([[3.0, 4.0], [0.0, 0.0]])), torch.tensor([[0.6, 0.8], [0.0, 0.0]])
    )
    with pytest.raises(TypeError, match=r"vectors must be float32 or float64; got int64: pass vectors\.float"):
        l2_normalization(torch.tensor([3, 4]))


@pytest.mark.parametrize("encode", [vlad, bag_of_words])
@pytest.mark.parametrize(
    ("features", "words", "error", "message"),
    [
        (FEATURES, WORDS[:, :1], ValueError, r"words must be \(k, 2\); got \(3, 1\)"),
        (FEATURES, WORDS[:0], ValueError, "at least one word"),
        (FEATURES, WORDS.double(), TypeError, "words must be float32; got float64"),
        (FEATURES.index_fill(0, torch.tensor([2]), math.nan), WORDS, ValueError, r"finite; got 2 .* at \(2, 0\)"),
        (FEATURES, WORDS / 0, ValueError, "words must be finite"),
        (FEATURES * 1e30, WORDS * 1e30, ValueError, "distances that torch.float32 can hold"),
    ],
)
def test_wrong_features_and_words_are_named(encode, features, words, error, message):
    with pytest.raises(error, match=message):
        encode(features, words)


# ---- what VLAD is compared with


def test_bag_of_words_by_hand():
    expected = torch.tensor([2.0, 2.0, 0.0]) / math.sqrt(8)
    torch.testing.assert_close(bag_of_words(FEATURES, WORDS), expected)
    torch.testing.assert_close(
        bag_of_words(torch.stack([FEATURES[:3], FEATURES[[3, 0, 0]]]), WORDS)[1], torch.tensor([1.0, 0, 0])
    )


def test_inverse_document_frequency_by_hand():
    histograms = torch.tensor([[1.0, 0.5, 0.0], [0.2, 0.0, 0.0], [0.1, 0.0, 0.0]])
    torch.testing.assert_close(inverse_document_frequency(histograms), torch.tensor([0.0, math.log(3), 0.0]))
    with pytest.raises(ValueError, match="at least one image"):
        inverse_document_frequency(histograms[:0])


def test_pools_by_hand():
    features = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]]])
    torch.testing.assert_close(max_pool(features), torch.tensor([[0.6, 0.8], [0.0, 0.0]]))
    torch.testing.assert_close(sum_pool(features), torch.tensor([[4.0, 6.0], [0.0, 0.0]]) / math.sqrt(52))
    torch.testing.assert_close(max_pool(features[0]), torch.tensor([0.6, 0.8]))
    for pool in (max_pool, sum_pool):
        with pytest.raises(ValueError, match="at least one feature"):
            pool(features[:, :0])


@pytest.fixture(scope="module")
def mixture():
    features = torch.cat([gaussian(200, 3, dtype=torch.float64), 2 + gaussian(100, 3, seed=1, dtype=torch.float64) / 2])
    return GaussianMixture(4, covariance_type="diag", random_state=0).fit(features.numpy())


def test_fisher_vector_is_the_gradient_of_the_likelihood(mixture):
    features = 1 + gaussian(2, 50, 3, seed=2, dtype=torch.float64)
    weights = torch.from_numpy(mixture.weights_)
    means = torch.from_numpy(mixture.means_).requires_grad_()
    deviations = torch.from_numpy(mixture.covariances_).sqrt().requires_grad_()
    for image, ours in zip(features, fisher_vector(features, mixture), strict=True):
        log = torch.distributions.Normal(means, deviations).log_prob(image[:, None]).sum(-1) + weights.log()  # (n, k)
        by_mean, by_deviation = torch.autograd.grad(log.logsumexp(1).mean(), (means, deviations))
        # in units of the Fisher information of each Gaussian: weight / variance, and twice that for the deviation
        by_mean = by_mean * deviations / weights[:, None].sqrt()
        by_deviation = by_deviation * deviations / (2 * weights[:, None]).sqrt()
        theirs = torch.cat([by_mean.flatten(), by_deviation.flatten()])
        theirs = theirs.sign() * theirs.abs().sqrt()
        torch.testing.assert_close(ours, (theirs / theirs.norm()).detach())


def test_fisher_vector_of_one_image_in_pieces_and_of_none(mixture, monkeypatch):
    features = gaussian(2, 50, 3, seed=2, dtype=torch.float64)
    both = fisher_vector(features, mixture)
    assert both.shape == (2, 2 * 4 * 3)
    monkeypatch.setattr(vlad_module, "PIECE", 12)
    torch.testing.assert_close(fisher_vector(features[1], mixture), both[1])
    assert not fisher_vector(features[0, :0], mixture).any()


def test_wrong_mixtures_are_named(mixture):
    full = GaussianMixture(2, random_state=0).fit(gaussian(20, 3).numpy())
    with pytest.raises(ValueError, match=r"gmm must have diagonal covariances; got 'full': fit GaussianMixture\(k"):
        fisher_vector(gaussian(5, 3), full)
    with pytest.raises(ValueError, match=r"gmm\.means_ must be \(k, 4\); got \(4, 3\)"):
        fisher_vector(gaussian(5, 4), mixture)
    with pytest.raises(ValueError, match="features must be finite"):
        fisher_vector(gaussian(5, 3) * math.nan, mixture)


# ---- PCA and whitening


def scikit_learns(descriptors, dims):
    model = PCA(dims, whiten=True, svd_solver="full").fit(descriptors.numpy())
    return lambda new: torch.from_numpy(np.ascontiguousarray(model.transform(new.numpy())))


@pytest.mark.parametrize(("n", "size"), [(60, 12), (20, 90)], ids=["more images", "more dimensions"])
def test_pca_is_scikit_learns(n, size):
    mix = gaussian(size, size, seed=1, dtype=torch.float64)
    descriptors, new = (gaussian(count, size, seed=count, dtype=torch.float64) @ mix + 3 for count in (n, 7))
    pca = PCAWhitening.fit(descriptors, 6)
    theirs = scikit_learns(descriptors, 6)(new)
    theirs = theirs / theirs.norm(dim=1, keepdim=True)
    ours = pca(new)
    signs = (ours * theirs).sum(0).sign()  # scikit-learn's rule for the signs is another
    torch.testing.assert_close(ours, theirs * signs)
    assert pca.rank == 6
    single = PCAWhitening.fit(descriptors.float(), 6)(new.float())
    torch.testing.assert_close(single.double(), ours, atol=1e-3, rtol=1e-3)


def test_components_are_orthonormal_with_a_fixed_sign():
    pca = PCAWhitening.fit(gaussian(30, 50), 10)
    torch.testing.assert_close(pca.components @ pca.components.T, torch.eye(10), atol=1e-5, rtol=0)
    assert (pca.components.gather(1, pca.components.abs().argmax(1, keepdim=True)) > 0).all()
    assert (pca.deviations.diff() <= 0).all()
    mirrored = PCAWhitening.fit(-gaussian(30, 50), 10)
    torch.testing.assert_close(mirrored.components, pca.components, atol=1e-4, rtol=0)


@pytest.mark.parametrize("size", [200, 1000])
def test_fewer_images_than_dimensions_leave_zeros(size):
    descriptors, new = l2_normalization(gaussian(9, size)), l2_normalization(gaussian(4, size, seed=1))
    pca = PCAWhitening.fit(descriptors, 128)
    assert pca.rank == 8
    short = pca(new)
    assert short.shape == (4, 128)
    assert torch.isfinite(short).all()
    assert not short[:, 8:].any()
    torch.testing.assert_close(short.norm(dim=1), torch.ones(4))
    assert torch.equal(short, PCAWhitening.fit(descriptors, 128)(new))
    torch.testing.assert_close(short[:, :8], PCAWhitening.fit(descriptors, 8)(new))


def test_duplicates_have_no_dimension_of_their_own():
    descriptors = l2_normalization(gaussian(5, 300))[[0, 1, 2, 3, 4, 4, 3, 3]]
    pca = PCAWhitening.fit(descriptors, 20)
    assert pca.rank == 4
    assert torch.isfinite(pca(descriptors)).all()


def test_all_dimensions_whitened_make_the_images_equally_far():
    descriptors = l2_normalization(gaussian(10, 40, dtype=torch.float64))
    distances = torch.cdist(*2 * [PCAWhitening.fit(descriptors, 9)(descriptors)])
    off = distances[~torch.eye(10, dtype=torch.bool)]
    torch.testing.assert_close(off, off.mean().expand_as(off), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("descriptors", "dims", "error", "message"),
    [
        (gaussian(5, 8), 9, ValueError, "dims must be 1 to the length of the descriptors, 8; got 9"),
        (gaussian(1, 8), 3, ValueError, "at least two descriptors that differ; got 1"),
        (gaussian(1, 8).expand(6, 8), 3, ValueError, "at least two descriptors that differ; got 6, all the same"),
        (gaussian(5, 8) * math.nan, 3, ValueError, "descriptors must be finite; got 40"),
        (gaussian(5, 8).half(), 3, TypeError, "descriptors must be float32 or float64; got float16"),
    ],
)
def test_wrong_descriptors_are_named(descriptors, dims, error, message):
    with pytest.raises(error, match=message):
        PCAWhitening.fit(descriptors, dims)


def test_other_descriptors_than_those_of_fit_are_named():
    pca = PCAWhitening.fit(gaussian(5, 8), 3)
    with pytest.raises(ValueError, match=r"descriptors must be \(\.\.\., 8\); got \(2, 7\): as those of fit"):
        pca(gaussian(2, 7))
    with pytest.raises(TypeError, match="descriptors must be float32; got float64"):
        pca(gaussian(2, 8).double())
