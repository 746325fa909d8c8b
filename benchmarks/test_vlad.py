"""VLAD, its vocabulary and the score of a ranking, beside the ways in which others compute them.

The targets: VLAD 50 times faster and 50 times leaner than residuals of every feature to every word, and within twice
the one matrix product that finds the nearest words; k-means no looser than faiss's and scikit-learn's, in no more time;
mAP 5 times faster than a loop over queries. Memory and results are asserted at the end of each group. Times are printed
as ratios: they are noisy, and some of them close.

The slow ways are written here from their description: AnyLoc's VLAD (class VLAD of its utilities) holds all residuals
``(n, k, d)`` and picks those of each word from them; cirtorch's mAP looks up positives and junk of a query at a time
with ``np.in1d``, here ``np.isin``, its successor. faiss is in the peers' environment. Everything runs on one thread.
"""

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from labkit.kmeans import assign, kmeans
from labkit.retrieval import listed, retrieval_map
from labkit.vlad import l2_normalization, vlad

K = 100  # words, as in the thesis


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield
    torch.set_num_threads(before)


def rectified(count: int, size: int, seed: int = 0, inner: int = 24) -> Tensor:
    """Features like those of a layer behind a ReLU: on a curved sheet of `inner` dimensions, L2-normalised."""
    generator = torch.Generator().manual_seed(seed)
    first, second = (torch.randn(*sizes, generator=generator) for sizes in ((inner, 128), (128, size)))
    points = torch.randn(count, inner, generator=generator) @ first / 5
    noise = 0.02 * torch.rand(count, size, generator=generator)
    return l2_normalization((points.tanh() @ second / 8).relu() + noise)


def peak_bytes(function, *args) -> int:
    """Most memory held by the tensors made during a call, at any time."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        function(*args)
    held = most = 0
    for event in recorded.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            most = max(most, held)
    return most


# ---- VLAD of one VGG-16 conv4 map at scale 2: 56 x 56 features of 512 dimensions. A call itself costs 0.1 ms more

SECONDS: dict[str, float] = {}


@pytest.fixture(scope="module")
def conv4() -> tuple[Tensor, Tensor]:
    features = rectified(56 * 56, 512)
    return features, kmeans(rectified(4000, 512), K, seed=0, iterations=5)


def every_residual(features: Tensor, words: Tensor) -> Tensor:
    """VLAD by way of all residuals. AnyLoc assigns by cosine; here by distance, as in eq. (2.1) and as ours does."""
    residuals = features[:, None] - words[None]  # (n, k, d)
    nearest = torch.cdist(features, words).argmin(1)  # (n,)
    descriptor = torch.zeros_like(words)
    for word in range(len(words)):
        descriptor[word] = residuals[nearest == word, word].sum(0)
    return descriptor


def product(features: Tensor, words: Tensor) -> Tensor:
    return features @ words.T


@pytest.mark.benchmark(group="VLAD of 3,136 features of 512 dimensions, 100 words")
@pytest.mark.parametrize("way", [vlad, every_residual, product], ids=["labkit", "every_residual", "matrix_product"])
def test(benchmark, conv4, way):
    benchmark._timer = time.thread_time  # short calls on a machine that may do other things
    benchmark.pedantic(way, conv4, rounds=20, warmup_rounds=2)
    benchmark.extra_info["MB"] = peak_bytes(way, *conv4) / 1e6
    SECONDS[way.__name__] = benchmark.stats.stats.min


def test_vlad_target(conv4, capsys):
    theirs, ours = every_residual(*conv4), vlad(*conv4)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    faster = SECONDS["every_residual"] / SECONDS["vlad"]
    leaner = peak_bytes(every_residual, *conv4) / peak_bytes(vlad, *conv4)
    beside_product = SECONDS["vlad"] / SECONDS["product"]
    with capsys.disabled():
        print(
            f"\nVLAD: {faster:.0f} times faster and {leaner:.0f} times leaner than every residual; "
            f"{beside_product:.2f} times the matrix product"
        )
    assert leaner >= 50


# ---- k-means, 20,000 features of 256 dimensions

MEASURED: dict[str, tuple[float, float]] = {}  # who: (seconds of the fastest, mean inertia)
SEEDS = range(3)


@pytest.fixture(scope="module")
def many() -> Tensor:
    return rectified(20_000, 256)


def inertia(features: Tensor, words: Tensor) -> float:
    return (features - words[assign(features, words)]).double().square().sum().item()


def measure(who: str, benchmark, features: Tensor, find: Callable[[int], Tensor]) -> None:
    seeds, found = iter(SEEDS), []
    benchmark.pedantic(lambda: found.append(find(next(seeds))), rounds=len(SEEDS))
    mean = float(np.mean([inertia(features, words) for words in found]))
    benchmark.extra_info["inertia"] = f"{mean:.1f}"
    MEASURED[who] = benchmark.stats.stats.min, mean


@pytest.mark.benchmark(group="k-means, 100 words of 20,000 features of 256 dimensions")
class TestVocabulary:
    def test_labkit(self, benchmark, many):
        benchmark._timer = time.thread_time
        measure("labkit", benchmark, many, lambda seed: kmeans(many, K, seed=seed))

    def test_labkit_10_iterations(self, benchmark, many):
        measure("labkit 10", benchmark, many, lambda seed: kmeans(many, K, seed=seed, iterations=10))

    def test_scikit_learn(self, benchmark, many):
        array = many.numpy()
        benchmark._timer = time.thread_time
        measure(
            "scikit-learn",
            benchmark,
            many,
            lambda seed: torch.from_numpy(KMeans(K, random_state=seed).fit(array).cluster_centers_),
        )

    def test_faiss_25_iterations(self, benchmark, many, peer):
        benchmark._timer = lambda: peer.seconds
        measure(
            "faiss",
            benchmark,
            many,
            lambda seed: torch.from_numpy(peer("kmeans_faiss", features=many.numpy(), k=K, seed=seed).copy()),
        )

    def test_target(self, peer, capsys):
        with capsys.disabled():
            for who, (seconds, mean) in MEASURED.items():
                print(f"\nk-means, {who}: inertia {mean:.1f} in {seconds:.2f} s", end="")
        for ours, theirs in (("labkit", "scikit-learn"), ("labkit 10", "faiss")):
            with capsys.disabled():
                print(f"\nk-means, {ours} beside {theirs}: {MEASURED[ours][0] / MEASURED[theirs][0]:.2f} x its time")
            assert MEASURED[ours][1] <= MEASURED[theirs][1] * 1.0005  # the seeds of one differ by twice as much


# ---- mAP at the size of Oxford 5k

IMAGES, QUERIES = 5063, 55


@pytest.fixture(scope="module")
def ranked() -> tuple[Tensor, list[list[int]], list[list[int]]]:
    """Rankings, and for each query what is good and what is junk: as many as in Oxford 5k, on the whole."""
    generator = np.random.default_rng(0)
    order = torch.from_numpy(np.stack([generator.permutation(IMAGES) for _ in range(QUERIES)]))
    good, junk = [], []
    for _ in range(QUERIES):
        images = generator.permutation(IMAGES).tolist()
        first, second = generator.integers(6, 100), generator.integers(5, 120)
        good.append(images[:first])
        junk.append(images[first : first + second])
    return order, good, junk


def map_query_by_query(ranks: np.ndarray, good: list[list[int]], junk: list[list[int]]) -> float:
    """MAP by the trapezoid; ``ranks`` is (images, queries), as cirtorch has it."""
    total = 0.0
    for query in np.arange(ranks.shape[1]):
        own, out = np.array(good[query]), np.array(junk[query])
        places = np.arange(len(ranks))[np.isin(ranks[:, query], own)]
        gone = np.arange(len(ranks))[np.isin(ranks[:, query], out)]
        behind = 0
        for number in np.arange(len(places)):
            while behind < len(gone) and gone[behind] < places[number]:
                behind += 1
            places[number] -= behind
        score = 0.0
        for number in np.arange(len(places)):
            before = 1.0 if places[number] == 0 else float(number) / places[number]
            score += (before + float(number + 1) / (places[number] + 1)) / (2.0 * len(own))
        total += score
    return total / ranks.shape[1]


@pytest.mark.benchmark(group="mAP of 55 queries in 5,063 images")
class TestMap:
    def test_labkit(self, benchmark, ranked):
        order, good, junk = ranked
        benchmark._timer = time.thread_time
        positives, skipped = listed(good, IMAGES), listed(junk, IMAGES)
        value = benchmark.pedantic(retrieval_map, (order, positives, skipped), rounds=50, warmup_rounds=5)
        SECONDS["mAP"], MEASURED["mAP"] = benchmark.stats.stats.min, (0.0, value)

    def test_query_by_query(self, benchmark, ranked):
        order, good, junk = ranked
        benchmark._timer = time.thread_time
        arguments = np.ascontiguousarray(order.numpy().T), good, junk
        value = benchmark.pedantic(map_query_by_query, arguments, rounds=50, warmup_rounds=5)
        SECONDS["loop"], MEASURED["loop"] = benchmark.stats.stats.min, (0.0, value)

    def test_target(self, capsys):
        faster = SECONDS["loop"] / SECONDS["mAP"]
        with capsys.disabled():
            print(f"\nmAP: {faster:.1f} times faster than query by query")
        assert MEASURED["mAP"][1] == pytest.approx(MEASURED["loop"][1], abs=1e-12)
