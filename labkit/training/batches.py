"""Which samples a step sees: batches that can start at any step, and are the same each time.

What is random about a sample is seeded by its number since the start of the training, whichever process loads it; see
`labkit.training.seeding`.
"""

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from labkit import checks
from labkit.training.seeding import ORDER, SAMPLE, derive_seed, preserve_random_state, seed_everything

Order = Callable[[torch.Generator], Tensor]
"""``generator -> indices``, int64: which samples an epoch consists of, and in which order."""

LoaderFactory = Callable[[int, tuple[int, int]], Iterable[Any]]
"""``(start, share) -> batches``: those from step ``start`` on, for process ``share[0]`` of ``share[1]``."""


def batches(
    dataset: Dataset[Any],
    batch: int,
    *,
    seed: int,
    start: int = 0,
    share: tuple[int, int] = (0, 1),
    workers: int = 0,
    order: Order | None = None,
) -> Iterator[Any]:
    """Batches without end, from any step on, always the same ones: what `fit` does with a data set.

    Epochs follow each other without a gap, so every batch is full; a batch may span two epochs, or more if the set is
    smaller than a batch. For several sets at the same time see `shared_batches`.

    Args:
        dataset: map-style. A sample may use the random generators of Python, NumPy and torch; they are seeded for each
            sample, and restored afterwards.
        batch: samples per batch, over all processes together.
        seed: of order and augmentation.
        start: number of the first batch.
        share: ``(process, processes)``: every process gets its part of each batch.
        workers: processes that load; their number has no influence on the batches.
        order: ``generator -> indices``, int64, as many as the set has samples; shuffled if None.

    Raises:
        ValueError: an empty set, or a batch that the processes cannot share evenly.
    """
    count = len(dataset)  # type: ignore[arg-type]
    if count == 0:
        raise ValueError("dataset must have at least one sample; got none: check the folder and the split")
    if batch < 1 or batch % share[1]:
        raise ValueError(f"batch must be a multiple of the {share[1]} processes, at least 1 each; got {batch}")
    loader: DataLoader[Any] = DataLoader(
        _Seeded(dataset, seed),
        batch_sampler=_sampled(count, batch, seed, start, share, order or functools.partial(_shuffled, count)),
        num_workers=workers,
        generator=torch.Generator(),  # without its own it would use the global one
    )
    return iter(loader)


def shared_batches(
    datasets: Sequence[Dataset[Any]],
    batch: int,
    *,
    seed: int,
    orders: Sequence[Order | None] | None = None,
    workers: int = 0,
) -> LoaderFactory:
    """Batches of several sets at the same time, for heads that have data of their own: a loader factory for `fit`.

    Args:
        datasets: map-style.
        batch: samples per update, of all sets and over all processes together; each set gives the same number of them.
        seed: of order and augmentation; set ``i`` uses ``seed + i``.
        orders: of each set, see `batches`.
        workers: processes that load, for each set.

    Returns:
        ``(start, share) -> batches``, each a tuple with a batch of every set.

    Raises:
        ValueError: a batch that the sets cannot share evenly, or not as many orders as sets.
    """
    if batch < 1 or batch % len(datasets):
        raise ValueError(f"batch must be a multiple of the {len(datasets)} sets that share it; got {batch}")
    if orders is not None and len(orders) != len(datasets):
        raise ValueError(f"orders must be one for each of {len(datasets)} sets; got {len(orders)}")
    order_of_each = orders or [None] * len(datasets)

    def factory(start: int, share: tuple[int, int]) -> Iterator[tuple[Any, ...]]:
        make = functools.partial(batches, start=start, share=share, workers=workers)
        streams = [
            make(dataset, batch // len(datasets), seed=seed + number, order=order)
            for number, (dataset, order) in enumerate(zip(datasets, order_of_each, strict=True))
        ]
        return zip(*streams, strict=True)

    return factory


def uniform_over_classes(labels: Tensor) -> Order:
    """An order for `batches` and `fit`: each sample is chosen by its class first, all equally likely, then within it.

    Args:
        labels: ``(N,)``, int64, the class of each sample, 0 or more.

    Source: Simonyan and Zisserman, NIPS 2014, section 5, "Training".
    """
    checks.require_shape(labels, "N", "labels", "one class number a sample")
    checks.require_dtype(labels, (torch.int64,), "labels", "class numbers, e.g. labels.long()")
    weights = 1 / torch.bincount(labels)[labels].double()  # (N,)
    return lambda generator: torch.multinomial(weights, len(weights), replacement=True, generator=generator)  # (N,)


def stream(
    data: Dataset[Any] | LoaderFactory,
    batch: int,
    seed: int,
    start: int,
    share: tuple[int, int],
    workers: int,
    order: Order | None,
) -> Iterator[Any]:
    """The batches of a data set, by `batches`, or those of a loader factory."""
    if isinstance(data, Dataset) or hasattr(data, "__getitem__"):
        dataset = cast(Dataset[Any], data)
        return batches(dataset, batch, seed=seed, start=start, share=share, workers=workers, order=order)
    if workers or order is not None:
        raise ValueError("workers and order of a loader factory belong into it; fit got one of them")
    return iter(data(start, share))


def in_order(dataset: Any, batch: int, *, seed: int, workers: int) -> DataLoader[Any]:
    """Every sample once, from the first to the last, in batches; sample ``i`` is seeded by (seed, i)."""
    count = len(dataset)
    pairs = [[(i, i) for i in range(first, min(first + batch, count))] for first in range(0, count, batch)]
    return DataLoader(_Seeded(dataset, seed), batch_sampler=pairs, num_workers=workers, generator=torch.Generator())


class _Seeded(Dataset[Any]):
    """A data set indexed by (number, index): the sample ``index``, its randomness a function of (seed, number)."""

    def __init__(self, dataset: Dataset[Any], seed: int) -> None:
        self._dataset, self._seed = dataset, seed

    def __getitems__(self, pairs: Sequence[tuple[int, int]]) -> list[Any]:  # what a DataLoader calls, once per batch
        with preserve_random_state():
            return [self[pair] for pair in pairs]

    def __getitem__(self, pair: tuple[int, int]) -> Any:
        number, index = pair
        seed_everything(self._seed, SAMPLE, number)
        return self._dataset[index]


def _sampled(
    count: int, batch: int, seed: int, start: int, share: tuple[int, int], order: Order
) -> Iterator[list[tuple[int, int]]]:
    """For each batch from ``start`` on, pairs (number since the first step, index): number n is in epoch n // count."""
    process, processes = share
    current, indices = -1, torch.empty(0)
    for step in itertools.count(start):
        pairs = []
        for number in range(step * batch + process, (step + 1) * batch, processes):
            epoch, position = divmod(number, count)
            if epoch != current:
                current, indices = epoch, order(torch.Generator().manual_seed(derive_seed(seed, ORDER, epoch)))
                if tuple(indices.shape) != (count,):
                    raise ValueError(f"order must give {count} indices, one a sample; got {tuple(indices.shape)}")
            pairs.append((number, int(indices[position])))
        yield pairs


def _shuffled(count: int, generator: torch.Generator) -> Tensor:
    return torch.randperm(count, generator=generator)
