import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_training import Blobs, Numbers

from labkit.training import batches, shared_batches, uniform_over_classes


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 20), st.integers(1, 9), st.integers(0, 12), st.integers(0, 2**32))
def test_any_step_can_be_the_first_and_epochs_are_complete(count, batch, start, seed):
    stream = batches(Numbers(count), batch, seed=seed)
    draws = [next(stream).tolist() for _ in range(start + 2 * count)]
    flat = [index for drawn in draws for index in drawn]
    for first in range(0, len(flat) - count + 1, count):
        assert sorted(flat[first : first + count]) == list(range(count))
    later = batches(Numbers(count), batch, seed=seed, start=start)
    assert [next(later).tolist() for _ in range(3)] == draws[start : start + 3] or len(draws) < start + 3


def test_processes_share_each_batch():
    whole = batches(Numbers(7), 6, seed=1)
    parts = [batches(Numbers(7), 6, seed=1, share=(process, 3)) for process in range(3)]
    for _ in range(4):
        drawn = next(whole).tolist()
        assert [next(part).tolist() for part in parts] == [drawn[0::3], drawn[1::3], drawn[2::3]]


def test_sets_share_each_batch_evenly_and_each_process_gets_its_part_of_every_set():
    sets, backwards = [Numbers(7), Numbers(5)], lambda generator: torch.arange(5).flip(0)
    shared = shared_batches(sets, 8, seed=3, orders=[None, backwards])
    first, second = batches(sets[0], 4, seed=3), batches(sets[1], 4, seed=4, order=backwards)
    whole, halves = shared(0, (0, 1)), [shared(0, (process, 2)) for process in (0, 1)]
    drawn = []
    for _ in range(4):
        drawn.append([part.tolist() for part in next(whole)])
        assert drawn[-1] == [next(first).tolist(), next(second).tolist()]
        assert [[part.tolist() for part in next(half)] for half in halves] == [
            [part[process::2] for part in drawn[-1]] for process in (0, 1)
        ]
    assert drawn[0][1] == [4, 3, 2, 1]
    assert [part.tolist() for part in next(shared(3, (0, 1)))] == drawn[3]
    with pytest.raises(ValueError, match="batch must be a multiple of the 2 sets that share it; got 7"):
        shared_batches(sets, 7, seed=0)
    with pytest.raises(ValueError, match="orders must be one for each of 2 sets; got 1"):
        shared_batches(sets, 8, seed=0, orders=[backwards])


def test_augmentation_differs_by_draw_and_not_by_worker():
    alone, helped = (batches(Blobs(count=4), 4, seed=0, workers=workers) for workers in (0, 2))
    drawn = [next(alone)[0] for _ in range(3)]
    assert all(torch.equal(points, next(helped)[0]) for points in drawn)
    assert len(torch.cat(drawn).unique(dim=0)) == 12


def test_classes_are_drawn_alike():
    labels = torch.tensor([0] * 96 + [1] * 3 + [2])
    stream = batches(Numbers(100), 100, seed=0, order=uniform_over_classes(labels))
    counts = torch.bincount(labels[torch.cat([next(stream) for _ in range(30)])])
    assert (counts - 1000).abs().max() < 4 * math.sqrt(3000 * 1 / 3 * 2 / 3)
