import numpy as np
import pytest
import torch
from fakes import FakeClip, FakeClips
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from labkit.clips import Mapped, require_indices


def clips(number=6):
    """Clips of two classes by turns, in groups of two."""
    return listed(*((index % 2, index // 2) for index in range(number)))


def listed(*pairs, classes=("even", "odd")):
    """Clips by hand: (label, group) of each."""
    named = enumerate(pairs)
    return FakeClips([FakeClip(4, 2, 2, label, n, f"clip{n}", group) for n, (label, group) in named], classes)


def described(clip):
    return clip.seed, clip.label


def test_a_set_is_seen_through_a_function():
    assert len(clips()) == 6
    assert [clip.name for clip in clips()] == [f"clip{number}" for number in range(6)]
    mapped = clips().map(described)
    assert isinstance(mapped, Mapped)
    assert len(mapped) == 6
    assert [mapped[index] for index in range(6)] == [(0, 0), (1, 1), (2, 0), (3, 1), (4, 0), (5, 1)]
    assert mapped.classes == ("even", "odd")
    assert mapped.labels.tolist() == [0, 1, 0, 1, 0, 1]
    assert mapped.groups.tolist() == [0, 0, 1, 1, 2, 2]


def test_examples_are_of_the_classes_asked_or_else_of_others():
    films = clips()
    assert films.examples(["odd", "even"]) == [1, 0]
    assert films.examples(["wave", "jump"]) == [0, 1]  # a class each
    assert films.examples(["wave", "even", "jump"]) == [1, 0, 2]  # no class is left, but clips are
    assert films.subset([2, 4]).examples(["wave", "jump", "odd"]) == [0, 1, 0]  # two clips for three
    assert clips(9).examples([f"class {number}" for number in range(9)]) == [0, 1, *range(2, 9)]


def test_a_fraction_is_held_out_at_random():
    films = clips(50)
    seeded = lambda seed: torch.Generator().manual_seed(seed)  # noqa: E731
    learned, held = films.hold_out(0.1, seeded(3))
    assert (len(learned), len(held)) == (45, 5)
    assert sorted(learned.indices + held.indices) == list(range(50))
    assert held.indices == sorted(held.indices)
    assert films.hold_out(0.1, seeded(3))[1].indices == held.indices
    assert films.hold_out(0.1, seeded(4))[1].indices != held.indices
    assert [len(part) for part in films.subset([0, 1]).hold_out(0.1, seeded(0))] == [1, 1]
    for share, some in ((1.0, films), (0.0, films), (0.5, films.subset([0]))):
        with pytest.raises(ValueError, match=f"share must lie between 0 and 1, of two clips or more; got {share}"):
            some.hold_out(share, seeded(0))


def test_whole_groups_of_every_class_are_held_out():
    """Class 0: ten clips of five groups. Class 1: groups 7 and 8, numbered after all of class 0, one of them large."""
    films = listed(*[(0, group) for group in (0, 1, 2, 3, 4)] * 2, *[(1, 8)] * 9, (1, 7))
    learned, held = films.hold_out_groups(0.4)
    assert held.indices == [3, 4, 8, 9, 19]  # two of five groups; group 8 does not fit into four of ten clips
    assert sorted(learned.indices + held.indices) == list(range(20))
    assert learned.indices == sorted(learned.indices)
    assert films.hold_out_groups(0.19)[1].indices == [4, 9, 19]  # less than a group: one, the smallest
    films = listed(*[(label, group) for group in range(20) for label in (0, 1)])
    held = films.hold_out_groups(0.2)[1]
    assert (len(held.groups.unique()), len(held)) == (4, 8)  # the same ones in both classes
    for fraction in (0.0, 1.0, -0.5, float("nan")):
        with pytest.raises(ValueError, match="fraction must lie between 0 and 1; got"):
            films.hold_out_groups(fraction)
    with pytest.raises(ValueError, match="got 2 of one group of 'odd': take more clips"):
        listed((0, 0), (0, 1), (1, 2), (1, 2)).hold_out_groups(0.5)


@pytest.mark.parametrize(("groups", "parts"), [(4, 5), (24, 5), (16, 4)])
def test_of_equal_groups_the_last_ones_are_held_out_in_all_classes(groups, parts):
    films = listed(*[(label, group) for group in range(groups) for label in (0, 1) for _ in range(2)])
    learned, held = films.hold_out_groups(1 / parts)
    last = range(groups - max(groups // parts, 1), groups)
    assert held.groups.unique().tolist() == list(last)
    assert learned.groups.unique().tolist() == list(range(last.start))


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), min_size=1, max_size=40),
    st.floats(0.01, 0.99),
)
def test_held_out_groups_leave_every_class_on_both_sides(films, fraction):
    every = listed(*films, classes=("a", "b", "c"))
    groups = {label: {group for other, group in films if other == label} for label, _ in films}
    if any(len(some) == 1 for some in groups.values()):
        with pytest.raises(ValueError, match="every class must have clips of two groups at least"):
            every.hold_out_groups(fraction)
        return
    parts = every.hold_out_groups(fraction)
    sides = [set(zip(part.labels.tolist(), part.groups.tolist(), strict=True)) for part in parts]
    assert not sides[0] & sides[1]
    assert sides[0] | sides[1] == set(films)
    assert all({label for label, _ in side} == set(groups) for side in sides)
    held = parts[1]
    for label, some in groups.items():
        own = [group for other, group in films if other == label]
        count = int((held.labels == label).sum())
        assert count <= fraction * len(own) + 1e-9 or count == min(own.count(group) for group in some)


def test_a_loader_batches_what_the_function_makes_of_clips():
    batches = list(DataLoader(clips().map(described), batch_size=4, num_workers=1))
    assert torch.cat([value for value, _ in batches]).tolist() == [0, 1, 2, 3, 4, 5]
    assert torch.cat([label for _, label in batches]).tolist() == [0, 1, 0, 1, 0, 1]


def test_a_subset_is_films_in_the_order_asked():
    some = clips().subset(torch.tensor([4, 1, 1]))
    assert [clip.name for clip in some] == ["clip4", "clip1", "clip1"]
    assert some.labels.tolist() == [0, 1, 1]
    assert some.groups.tolist() == [2, 0, 0]
    assert some.classes == ("even", "odd")
    assert some.multi_hot.dtype == torch.bool
    assert some.multi_hot.int().tolist() == [[1, 0], [0, 1], [0, 1]]
    again = some.subset([1, 0]).map(described)
    assert [again[index] for index in range(2)] == [(1, 1), (4, 0)]
    assert again.labels.tolist() == [1, 0]
    nothing = clips().subset([])
    assert (len(nothing), list(nothing), nothing.labels.dtype) == (0, [], torch.int64)
    assert nothing.multi_hot.shape == (0, 2)


def test_a_subset_ends_where_it_ends_and_takes_nothing_from_beyond_the_set():
    for index in (-1, 2):
        with pytest.raises(IndexError, match=f"index must lie within 0 to 1; got {index}: the subset is that long"):
            clips().subset([4, 1])[index]
    for index in (-1, 6):
        with pytest.raises(IndexError, match=f"within 0 to 5; got {index}: the set is that long"):
            clips().subset([0, index])


@pytest.mark.parametrize("indices", [(2, 0), range(2, -1, -2), torch.tensor([2, 0]).int(), np.array([2, 0])])
def test_whole_numbers_of_any_kind_are_indices(indices):
    assert require_indices(indices, 0, 2, "a clip") == [2, 0]
    assert all(type(index) is int for index in require_indices(indices, 0, 2, "a clip"))


@pytest.mark.parametrize(("indices", "wrong"), [([0, 1, 4], 4), ([0, -1], -1), (torch.tensor([5]), 5)])
def test_an_index_outside_is_named_with_its_range(indices, wrong):
    with pytest.raises(IndexError, match=f"indices of v_1 must lie within 0 to 3; got {wrong}: sample fewer frames"):
        require_indices(indices, 0, 3, "v_1")
    with pytest.raises(IndexError, match=f"got {wrong}: sit down"):
        require_indices(indices, 0, 3, "v_1", "sit down")


NO_INDICES = [[0, 1.0], 3, [True, False], np.array([True, False])]
NO_INDICES += [torch.tensor(wrong) for wrong in ([[0]], [True, False])]


@pytest.mark.parametrize("indices", NO_INDICES)
def test_what_is_no_list_of_whole_numbers_is_refused(indices):
    """A mask above all: as numbers, True and False would be the clips 1 and 0."""
    with pytest.raises(TypeError, match="indices of v_1 must be"):
        require_indices(indices, 0, 3, "v_1")
