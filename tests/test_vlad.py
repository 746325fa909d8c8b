import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

from labkit import vlad as module
from labkit.vlad import (
    PCAWhitening,
    assign,
    bag_of_words,
    fisher_vector,
    intra_normalization,
    inverse_document_frequency,
    kmeans,
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


def groups(count, each, d=8, seed=0, width=0.05):
    """`count` tight groups of features around random points of a sphere."""
    centres = l2_normalization(gaussian(count, d, seed=seed))
    return (centres[:, None] + width * gaussian(count, each, d, seed=seed + 1)).flatten(0, 1), centres


def inertia(features, words):
    return float(torch.cdist(features.double(), words.double()).square().amin(1).sum())


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


@settings(deadline=None, max_examples=25)
@given(seeds, st.integers(1, 4), st.integers(0, 9), st.integers(1, 6), st.sampled_from([1, 30, 2**20]))
def test_vlad_is_the_sum_of_residuals(seed, images, n, k, piece):
    features, words = gaussian(images, n, 5, seed=seed), gaussian(k, 5, seed=seed + 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_PIECE", piece)
        descriptors = vlad(features, words)
        assert descriptors.shape == (images, k, 5)
        torch.testing.assert_close(descriptors.double(), residuals_word_by_word(features, words), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(vlad(features[0], words), descriptors[0])
        torch.testing.assert_close(vlad(features[0].flip(0), words), descriptors[0])


def test_many_pieces_make_one_whole():
    features, words = gaussian(3, 700, 40), gaussian(100, 40, seed=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_PIECE", 6400)  # pieces of 64, across the borders of images
        descriptors, nearest = vlad(features, words), assign(features.flatten(0, 1), words)
    assert torch.equal(nearest, torch.cdist(features.flatten(0, 1), words).argmin(1))
    torch.testing.assert_close(descriptors.double(), residuals_word_by_word(features, words), atol=1e-4, rtol=1e-5)


def test_far_from_the_origin_the_nearest_word_is_still_the_nearest():
    features = gaussian(500, 16, dtype=torch.float64) + 100
    words = gaussian(20, 16, seed=1, dtype=torch.float64) + 100
    assert (assign(features.float(), words.float()) == torch.cdist(features, words).argmin(1)).double().mean() > 0.99


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
    with pytest.raises(ValueError, match=r"descriptors must be \(\.\.\., k, d\)"):
        intra_normalization(descriptors[0])


def test_signed_square_root_by_hand():
    assert signed_square_root(torch.tensor([[4.0, -9.0, 0.0]])).tolist() == [[2.0, -3.0, 0.0]]
    with pytest.raises(TypeError, match="descriptors must be float32 or float64"):
        signed_square_root(torch.tensor([4]))


def test_l2_normalization_by_hand():
    assert l2_normalization(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist() == [
        pytest.approx([0.6, 0.8]),
        [0.0, 0.0],
    ]
    with pytest.raises(TypeError, match=r"vectors must be float32 or float64; got int64: pass vectors\.float"):
        l2_normalization(torch.tensor([3, 4]))


# ---- k-means


def test_kmeans_finds_groups_that_lie_apart():
    features, centres = groups(12, 40)
    words = kmeans(features, 12, seed=3)
    assert sorted(assign(centres, words).tolist()) == list(range(12))
    for word in range(12):
        own = features[assign(features, words) == word]
        torch.testing.assert_close(words[word], own.mean(0))


def test_kmeans_by_hand_on_a_line():
    features = torch.tensor([[0.0], [1.0], [10.0], [11.0], [12.0]])
    assert sorted(kmeans(features, 2, seed=0).flatten().tolist()) == [0.5, 11.0]
    assert kmeans(features, 1, seed=0).tolist() == [[pytest.approx(6.8)]]
    assert sorted(kmeans(features, 5, seed=0).flatten().tolist()) == [0, 1, 10, 11, 12]


@pytest.mark.parametrize("shape", ["blob", "groups", "rectified"])
def test_kmeans_is_as_tight_as_scikit_learns(shape):
    features = {
        "blob": lambda: gaussian(3000, 6),
        "groups": lambda: groups(40, 70, width=0.2)[0],
        "rectified": lambda: l2_normalization(gaussian(3000, 20).relu()),
    }[shape]()
    ours = [inertia(features, kmeans(features, 30, seed=seed)) for seed in range(4)]
    theirs = [KMeans(30, random_state=seed).fit(features.numpy()).inertia_ for seed in range(4)]
    assert np.mean(ours) < 1.01 * np.mean(theirs)


def test_more_tries_are_no_worse_and_the_same_seed_gives_the_same_words():
    features = groups(30, 30, d=3, width=0.3)[0]
    once = kmeans(features, 15, seed=5)
    assert torch.equal(once, kmeans(features, 15, seed=5))
    assert not torch.equal(once, kmeans(features, 15, seed=6))
    assert inertia(features, kmeans(features, 15, seed=5, tries=5)) <= inertia(features, once) * (1 + 1e-6)
    assert inertia(features, once) < inertia(features, kmeans(features, 15, seed=5, iterations=1)) * (1 + 1e-6)


def test_duplicates_share_a_word_and_it_equals_them():
    points = gaussian(6, 10)
    features = points.repeat_interleave(torch.tensor([1, 500, 3, 40, 1, 2]), dim=0)
    words = kmeans(features, 6, seed=1)
    assert assign(points, words).unique().numel() == 6
    assert torch.equal(words[assign(points, words)], points)
    assert not vlad(features, words).any()


def test_rare_features_get_their_word_even_if_the_sample_has_none_of_them():
    features = torch.zeros(20_000, 3)
    features[[5, 777, 15_000]] = torch.eye(3)  # 4 different ones; a sample of 64 * 4 holds hardly more than zeros
    for seed in range(3):
        words = kmeans(features, 4, seed=seed)
        assert inertia(features, words) == 0.0


@settings(deadline=None, max_examples=25)
@given(seeds, st.integers(1, 8), st.integers(1, 12))
def test_no_word_is_empty_as_long_as_there_are_different_features(seed, k, different):
    points = gaussian(different, 2, seed=seed)
    features = points[torch.randint(different, (30,), generator=torch.Generator().manual_seed(seed))]
    features = torch.cat([points, features])
    if different >= k:
        words = kmeans(features, k, seed=seed)
        assert words.shape == (k, 2)
        assert torch.isfinite(words).all()
        assert assign(features, words).unique().numel() == k
    else:
        with pytest.raises(ValueError, match=f"as many different features as words; got {different} different ones"):
            kmeans(features, k, seed=seed)


def test_kmeans_holds_little_besides_the_features(monkeypatch):
    largest = 0

    class Watch(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            nonlocal largest
            result = function(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor) and result._base is None:
                largest = max(largest, result.numel())
            return result

    features = gaussian(6000, 32)
    monkeypatch.setattr(module, "_PIECE", 6400)
    with Watch():
        words = kmeans(features, 20, seed=0)
        vlad(features, words)
    assert 6000 <= largest <= 6000 * 32  # the check for values that are not finite is the one pass over all


@pytest.mark.parametrize(
    ("features", "k", "error", "message"),
    [
        (FEATURES, 5, ValueError, "as many features as words; got 4 features for 5 words: pass features of more"),
        (FEATURES[[0, 0, 0]], 2, ValueError, "got 1 different ones of 3 for 2 words"),
        (FEATURES, 0, ValueError, "k must be at least 1; got 0"),
        (FEATURES * math.nan, 2, ValueError, "features must be finite; got 8 non-finite values"),
        (FEATURES[None], 2, ValueError, r"features must be \(N, d\); got \(1, 4, 2\)"),
        (FEATURES.long(), 2, TypeError, r"features must be float32 or float64; got int64: pass features\.float"),
        (FEATURES.half(), 2, TypeError, "features must be float32 or float64; got float16"),
        (FEATURES.numpy().tolist(), 2, TypeError, "features must be a torch.Tensor"),
    ],
)
def test_wrong_features_for_a_vocabulary_are_named(features, k, error, message):
    with pytest.raises(error, match=message):
        kmeans(features, k, seed=0)


@pytest.mark.parametrize("encode", [vlad, bag_of_words])
@pytest.mark.parametrize(
    ("features", "words", "error", "message"),
    [
        (FEATURES[0], WORDS, ValueError, r"features must be \(B, n, d\)"),
        (FEATURES, WORDS[:, :1], ValueError, r"words must be \(k, 2\); got \(3, 1\)"),
        (FEATURES, WORDS[:0], ValueError, "at least one word"),
        (FEATURES, WORDS.double(), TypeError, "words must be float32; got float64"),
        (FEATURES.long(), WORDS, TypeError, "features must be float32"),
        (FEATURES.index_fill(0, torch.tensor([2]), math.nan), WORDS, ValueError, r"finite; got 2 .* at \(2, 0\)"),
        (FEATURES.index_fill(1, torch.tensor([1]), -math.inf), WORDS, ValueError, "features must be finite; got 4"),
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
    weighted = bag_of_words(FEATURES, WORDS, torch.tensor([3.0, 4.0, 5.0]))
    torch.testing.assert_close(weighted, torch.tensor([0.6, 0.8, 0.0]))


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
    monkeypatch.setattr(module, "_PIECE", 12)
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


def scikit_learns(descriptors, dims, whiten=True):
    model = PCA(dims, whiten=whiten, svd_solver="full").fit(descriptors.numpy())
    return lambda new: torch.from_numpy(np.ascontiguousarray(model.transform(new.numpy())))


@pytest.mark.parametrize(("n", "size"), [(60, 12), (20, 90)], ids=["more images", "more dimensions"])
@pytest.mark.parametrize("whiten", [True, False])
def test_pca_is_scikit_learns(n, size, whiten):
    mix = gaussian(size, size, seed=1, dtype=torch.float64)
    descriptors, new = (gaussian(count, size, seed=count, dtype=torch.float64) @ mix + 3 for count in (n, 7))
    pca = PCAWhitening.fit(descriptors, 6, whiten=whiten)
    theirs = scikit_learns(descriptors, 6, whiten)(new)
    theirs = theirs / theirs.norm(dim=1, keepdim=True)
    ours = pca(new)
    signs = (ours * theirs).sum(0).sign()  # scikit-learn's rule for the signs is another
    torch.testing.assert_close(ours, theirs * signs)
    assert pca.rank == 6
    single = PCAWhitening.fit(descriptors.float(), 6, whiten=whiten)(new.float())
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
    distances = torch.cdist(*2 * [PCAWhitening.fit(descriptors, 9, whiten=False)(descriptors)])
    assert distances[~torch.eye(10, dtype=torch.bool)].std() > 1e-3


@pytest.mark.parametrize(
    ("descriptors", "dims", "error", "message"),
    [
        (gaussian(5, 8), 9, ValueError, "dims must be 1 to the length of the descriptors, 8; got 9"),
        (gaussian(5, 8), 0, ValueError, "dims must be 1"),
        (gaussian(1, 8), 3, ValueError, "at least two descriptors that differ; got 1"),
        (gaussian(1, 8).expand(6, 8), 3, ValueError, "at least two descriptors that differ; got 6, all the same"),
        (gaussian(0, 8), 3, ValueError, "at least two descriptors"),
        (gaussian(5, 8) * math.nan, 3, ValueError, "descriptors must be finite; got 40"),
        (gaussian(8), 3, ValueError, r"descriptors must be \(N, D\)"),
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
