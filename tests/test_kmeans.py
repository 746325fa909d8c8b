import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from labkit import kmeans as kmeans_module
from labkit import vlad as vlad_module
from labkit.kmeans import assign, kmeans
from labkit.vlad import l2_normalization, vlad

seeds = st.integers(0, 2**32 - 1)
FEATURES = torch.tensor([[1.0, 1.0], [9.0, 2.0], [11.0, 3.0], [-3.0, 1.0]])


def gaussian(*sizes, seed=0, dtype=torch.float32):
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def groups(count, each, d=8, seed=0, width=0.05):
    """`count` tight groups of features around random points of a sphere."""
    centres = l2_normalization(gaussian(count, d, seed=seed))
    return (centres[:, None] + width * gaussian(count, each, d, seed=seed + 1)).flatten(0, 1), centres


def inertia(features, words):
    return float(torch.cdist(features.double(), words.double()).square().amin(1).sum())


def test_far_from_the_origin_the_nearest_word_is_still_the_nearest():
    features = gaussian(500, 16, dtype=torch.float64) + 100
    words = gaussian(20, 16, seed=1, dtype=torch.float64) + 100
    assert (assign(features.float(), words.float()) == torch.cdist(features, words).argmin(1)).double().mean() > 0.99


def test_the_nearest_word_by_hand():
    assert assign(FEATURES, torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])).tolist() == [0, 1, 1, 0]


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


@pytest.mark.parametrize("shape", ["blob", "rectified"])
def test_kmeans_is_as_tight_as_scikit_learns(shape):
    features = {
        "blob": lambda: gaussian(3000, 6),
        "rectified": lambda: l2_normalization(gaussian(3000, 20).relu()),
    }[shape]()
    ours = [inertia(features, kmeans(features, 30, seed=seed)) for seed in range(4)]
    theirs = [KMeans(30, random_state=seed).fit(features.numpy()).inertia_ for seed in range(4)]
    assert np.mean(ours) < 1.01 * np.mean(theirs)


def test_the_same_seed_gives_the_same_words_and_another_seed_others():
    features = groups(30, 30, d=3, width=0.3)[0]
    assert torch.equal(kmeans(features, 15, seed=5), kmeans(features, 15, seed=5))
    assert not torch.equal(kmeans(features, 15, seed=5), kmeans(features, 15, seed=6))


def test_more_iterations_end_lower():
    features = groups(30, 30, d=3, width=0.3)[0]
    once = inertia(features, kmeans(features, 15, seed=4))
    assert once < 0.99 * inertia(features, kmeans(features, 15, seed=4, iterations=1))


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
    for seed in range(2):
        words = kmeans(features, 4, seed=seed)
        assert inertia(features, words) == 0.0


@settings(deadline=None, max_examples=15)
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
            if isinstance(result, torch.Tensor) and result._base is None and result.dtype != torch.bool:
                largest = max(largest, result.numel())
            return result

    features = gaussian(6000, 32)
    for module in (kmeans_module, vlad_module):
        monkeypatch.setattr(module, "PIECE", 6400)
    with Watch():
        words = kmeans(features, 20, seed=0)
        vlad(features, words)
    assert 6000 <= largest < 6000 * 20 / 2  # no distances of all features to all words, and no second copy of them


@pytest.mark.parametrize(
    ("features", "k", "error", "message"),
    [
        (FEATURES, 5, ValueError, "as many features as words; got 4 features for 5 words: pass features of more"),
        (FEATURES[[0, 0, 0]], 2, ValueError, "got 1 different ones of 3 for 2 words"),
        (FEATURES, 0, ValueError, "k must be at least 1; got 0"),
        (FEATURES * math.nan, 2, ValueError, "features must be finite; got 8 non-finite values"),
        (FEATURES.long(), 2, TypeError, r"features must be float32 or float64; got int64: pass features\.float"),
    ],
)
def test_wrong_features_for_a_vocabulary_are_named(features, k, error, message):
    with pytest.raises(error, match=message):
        kmeans(features, k, seed=0)
