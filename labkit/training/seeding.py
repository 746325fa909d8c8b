"""Randomness without a state: everything random depends on a seed, a purpose and a number, and on nothing else.

The order of an epoch depends on (seed, epoch), the augmentation of a sample on (seed, number of the sample since the
start), the dropout of a step on (seed, step). So any step can be the first one, and the number of workers changes
nothing. The generators of Python, NumPy and torch are all seeded this way, and restored afterwards.
"""

import contextlib
import hashlib
import random
from collections.abc import Iterator

import numpy as np
import torch

ORDER, SAMPLE, STEP = range(3)  # what a seed is used for


def derive_seed(*numbers: int) -> int:
    """A seed of 63 bits for (seed, purpose, number, ...); different numbers give unrelated seeds."""
    return int.from_bytes(hashlib.blake2b(repr(numbers).encode(), digest_size=8).digest()) >> 1


def seed_everything(*numbers: int) -> None:
    """Seed the global generators of Python, NumPy and torch, on all devices in use, with `derive_seed`."""
    seed = derive_seed(*numbers)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 (other people's augmentations use it)
    torch.default_generator.manual_seed(seed)  # torch.manual_seed takes 1 ms where CUDA has not been used yet
    if _cuda_in_use():
        torch.cuda.manual_seed_all(seed)
    if torch.backends.mps.is_available():
        torch.mps.manual_seed(seed)


@contextlib.contextmanager
def preserve_random_state() -> Iterator[None]:
    """Afterwards the global random generators continue as if nothing had happened inside."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=range(torch.cuda.device_count()) if _cuda_in_use() else ()):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002


def _cuda_in_use() -> bool:
    """Whether this very process uses CUDA; a worker that was forked from one that does must not touch it."""
    return torch.cuda.is_initialized() and not torch.cuda._is_in_bad_fork()
