import os
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from labkit.world import Part, render, transform
from labkit.world.clips import FPS, PuppetClip, PuppetClips, from_arrays, generator, split_groups, to_arrays
from labkit.world.shapes import disc, everywhere, stripes

FIELDS = ("frames", "part", "occluded", "poses")


def assert_same(first, second):
    for name in FIELDS:
        assert getattr(first, name).dtype == getattr(second, name).dtype, name
        assert torch.equal(getattr(first, name), getattr(second, name)), name
    assert (first.names, first.kinds) == (second.names, second.kinds)


def rolling(number, frames=4, height=12, width=17):
    """A striped disc rolls to the right before a striped wall, faster for higher numbers."""
    time = np.arange(frames)
    wall, paint = stripes((0.9, 0.9, 0.8), (0.2, 0.3, 0.5), 5.0), stripes((0.9, 0.2, 0.2), (1.0, 0.9, 0.1), 2.0)
    parts = [
        Part("wall", everywhere(), wall, transform(0 * time, 0)),
        Part("wheel", disc(3.0), paint, transform(4.0 + (1 + number) * time, 6.0, 0.3 * time), "prop"),
    ]
    return render(parts, transform(0 * time, 0), height, width)


class Wheels(PuppetClips):
    """Four clips; writes down which were drawn, and by which process."""

    def __init__(self, log, number=4):
        self.log, self.classes = log, ("slow", "fast")
        self.names = [f"wheel{number}" for number in range(number)]
        self.labels, self.groups = torch.arange(number) // 2, torch.arange(number) + 1
        super().__init__("wheels", {"number": number})

    def draw(self, index):
        with self.log.open("a") as log:
            log.write(f"{index} {os.getpid()}\n")
        return rolling(index)

    @property
    def drawn(self):
        return [int(line.split()[0]) for line in self.log.read_text().splitlines()] if self.log.exists() else []

    @property
    def painters(self):
        return {int(line.split()[1]) for line in self.log.read_text().splitlines()}


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "log"


# One clip


def clip(**changes):
    return PuppetClip(name="wheel", label=1, labels=(1, 0), group=3, rendering=rolling(0, **changes), scene="wall")


def test_frames_and_masks_come_in_the_order_asked():
    wheel, whole = clip(), rolling(0)
    assert (wheel.name, wheel.label, wheel.labels, wheel.group, wheel.scene) == ("wheel", 1, (1, 0), 3, "wall")
    assert (wheel.num_frames, wheel.fps) == (4, FPS)
    assert torch.equal(wheel.frames([2, 0, 2]), whole.frames[[2, 0, 2]])
    assert torch.equal(wheel.mask([3, 1], "prop"), whole.part[[3, 1]] == 1)
    assert torch.equal(wheel.mask([0], "scene", "prop"), torch.ones(1, 12, 17, dtype=torch.bool))
    assert not wheel.mask([0, 1, 2, 3], "puppet").any()
    assert torch.equal(wheel.occluded([2, 0]), whole.occluded[[2, 0]])
    assert torch.equal(wheel.valid([2, 0]), torch.ones(2, 12, 17, dtype=torch.bool))
    assert wheel.frames([]).shape == (0, 3, 12, 17)
    assert wheel.flow([]).shape == (0, 2, 12, 17)


def test_flow_leads_to_the_next_frame_or_the_one_before():
    wheel, whole = clip(), rolling(0)
    assert torch.equal(wheel.flow([2, 0]), whole.forward[[2, 0]])
    assert torch.equal(wheel.flow(torch.tensor([3, 1]), backward=True), whole.backward[[2, 0]])
    at_hub = wheel.flow([0, 1, 2])[range(3), :, 6, [4, 5, 6]]
    torch.testing.assert_close(at_hub, torch.tensor([[1.0, 0.0]]).expand(3, 2))  # one pixel to the right, by hand
    back = wheel.flow([1, 2, 3], backward=True)[range(3), :, 6, [5, 6, 7]]
    torch.testing.assert_close(back, torch.tensor([[-1.0, 0.0]]).expand(3, 2))


@pytest.mark.parametrize(
    ("ask", "wrong"),
    [
        (lambda wheel: wheel.frames([0, 4]), 4),
        (lambda wheel: wheel.flow([3]), 3),
        (lambda wheel: wheel.flow([-1]), -1),
        (lambda wheel: wheel.flow([0], backward=True), 0),
        (lambda wheel: wheel.flow([4], backward=True), 4),
        (lambda wheel: wheel.valid([3]), 3),
        (lambda wheel: wheel.mask([4], "prop"), 4),
        (lambda wheel: clip(frames=1).flow([0]), 0),
    ],
)
def test_what_lies_beyond_the_ends_is_refused(ask, wrong):
    with pytest.raises(IndexError, match=f"indices of wheel must lie within .*; got {wrong}: sample fewer frames"):
        ask(clip())


# Kept


@pytest.mark.parametrize(("frames", "height", "width"), [(4, 12, 17), (1, 9, 9), (3, 1, 1)])
def test_arrays_hold_all_of_a_rendering(frames, height, width):
    whole = rolling(1, frames, height, width)
    assert_same(from_arrays(to_arrays(whole)), whole)
    assert torch.equal(from_arrays(to_arrays(whole)).forward, whole.forward)


def test_a_clip_is_drawn_once_then_remembered_then_read(log):
    wheels = Wheels(log)
    for index in (2, 0, 2, 0):
        assert_same(wheels[index].rendering, rolling(index))
    assert wheels.drawn == [2, 0]
    assert wheels[2].rendering is wheels[2].rendering
    again = Wheels(log)
    for index in range(4):
        assert_same(again[index].rendering, rolling(index))
    assert again.drawn == [2, 0, 1, 3]


def test_clips_carry_what_the_set_knows(log):
    clips = list(Wheels(log))
    assert [clip.name for clip in clips] == ["wheel0", "wheel1", "wheel2", "wheel3"]
    assert [clip.label for clip in clips] == [0, 0, 1, 1]
    assert [clip.labels for clip in clips] == [(0,), (0,), (1,), (1,)]
    assert [clip.group for clip in clips] == [1, 2, 3, 4]
    for index in (-1, 4):
        with pytest.raises(IndexError, match=f"index must lie within 0 to 3; got {index}: the set is that long"):
            Wheels(log)[index]


@pytest.mark.parametrize(("workers", "cached"), [(0, True), (2, True), (2, False)])
def test_prepare_leaves_everything_in_memory(log, monkeypatch, workers, cached):
    if not cached:
        monkeypatch.setenv("LABKIT_CACHE", "off")
    wheels = Wheels(log)
    wheels[3]
    assert wheels.prepare(workers=workers, progress=False) is wheels
    assert sorted(wheels.drawn) == [0, 1, 2, 3]  # the last one was there already, and is not drawn again
    assert sorted(wheels._memory) == [0, 1, 2, 3]
    for index in range(4):
        assert_same(wheels[index].rendering, rolling(index))
    assert sorted(wheels.drawn) == [0, 1, 2, 3]
    assert bool(wheels.painters - {os.getpid()}) == bool(workers and cached)
    Wheels(log).prepare(workers=workers, progress=False)
    assert len(wheels.drawn) == (4 if cached else 8)


def test_memory_has_a_limit_and_the_disk_the_rest(log, monkeypatch):
    one = sum(getattr(rolling(0), name).nbytes for name in ("frames", "part", "occluded"))
    monkeypatch.setattr("labkit.world.clips.MEMORY", 2 * one)
    wheels = Wheels(log).prepare(workers=0, progress=False)
    assert len(wheels._memory) == 2
    for index in (3, 0, 3):
        assert_same(wheels[index].rendering, rolling(index))
    assert len(wheels._memory) == 2
    assert sorted(wheels.drawn) == [0, 1, 3]


# From a seed


def test_random_numbers_follow_from_what_they_are_for():
    by_hand = np.random.default_rng([7, zlib.crc32(b"actions"), zlib.crc32(b"actor"), 3])
    assert generator(7, "actions", "actor", 3).random() == by_hand.random()
    uses = [(7, "actions", "actor", 3), (8, "actions", "actor", 3), (7, "long", "actor", 3), (7, "actions", "scene", 3)]
    uses += [(7, "actions", "actor", 4), (7, "actions", "actor"), (7, "actor", "actions", 3)]
    assert len({generator(*use).random() for use in uses}) == len(uses)


@given(st.integers(3, 200))
def test_every_group_tests_once_and_never_trains_then(groups):
    tests = [split_groups(groups, split, "test") for split in (1, 2, 3)]
    assert sorted(group for test in tests for group in test) == list(range(1, groups + 1))
    assert max(map(len, tests)) - min(map(len, tests)) <= 1
    for split, test in enumerate(tests, start=1):
        train = split_groups(groups, split, "train")
        assert sorted(train + test) == split_groups(groups, split, "all") == list(range(1, groups + 1))


def test_splits_of_seven_groups_by_hand():
    assert [split_groups(7, split, "test") for split in (1, 2, 3)] == [[1, 2], [3, 4], [5, 6, 7]]
    assert split_groups(7, 2, "train") == [1, 2, 5, 6, 7]
    for split, part in ((4, "train"), (1, "val"), ("1", "test")):
        with pytest.raises(ValueError, match='split must be 1, 2 or 3 and part "train", "test" or "all"; got'):
            split_groups(9, split, part)
