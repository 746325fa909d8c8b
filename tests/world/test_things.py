"""Stills of things, before which people pass by whatever the class is."""

import math

import numpy as np
import pytest
import torch

from labkit import world
from labkit.world.buildings import FAMILIES
from labkit.world.pairs import OUTLINES
from labkit.world.scenes import SCENES
from labkit.world.things import CLASSES, PROPS


@pytest.fixture(autouse=True)
def _undrawn(monkeypatch):
    monkeypatch.setenv("LABKIT_CACHE", "off")


def names_of(still):
    return {name.split(".")[0] for name in still.rendering.names}


def test_the_classes_are_props_buildings_scenes_and_shapes():
    stills = world.Things(groups=3)
    assert stills.classes == CLASSES
    assert len(set(CLASSES)) == 54 == len(PROPS) + len(FAMILIES) + len(SCENES) + len(OUTLINES)
    assert len(stills) == 3 * 54
    assert len(set(stills.groups.tolist())) == len(stills), "every still is a group of its own"


def test_parts_have_other_stills():
    parts = {part: set(world.Things(groups=6, part=part).names) for part in ("train", "test", "all")}
    assert parts["train"] | parts["test"] == parts["all"]
    assert not parts["train"] & parts["test"]
    assert len(parts["test"]) == 2 * 54


@pytest.mark.parametrize("index", range(0, 24 * 3, 5))
def test_a_prop_is_to_be_seen_and_of_the_size_that_was_drawn(index):
    still = world.Things(groups=3, seed=1000)[index]
    seen = still.mask([0], "prop")
    assert 0.002 < seen.float().mean() < 0.75


def test_a_scene_shows_no_thing_and_a_shape_one():
    stills = world.Things(groups=3, seed=1000)
    labels = stills.labels.tolist()
    scene, shape = (labels.index(CLASSES.index(name)) for name in ("scene forest", "shape moon"))
    assert not stills[scene].mask([0], "prop").any()
    assert stills[shape].mask([0], "prop").any()


def test_people_pass_by_whatever_the_class_is():
    def with_people(stills):
        return torch.tensor(
            [bool(still.mask([0], "puppet").any()) for still in stills.subset(range(0, len(stills), 2))]
        )

    assert 0.3 < with_people(world.Things(groups=3, seed=1000)).float().mean() < 0.75
    assert not with_people(world.Things(groups=3, seed=1000, people=0)).any()


def test_the_same_seed_draws_the_same_still_in_any_order():
    one, other = world.Things(groups=3, seed=5), world.Things(groups=6, seed=5)
    index = other.names.index(one.names[40])
    torch.testing.assert_close(one[40].rendering.frames, other[index].rendering.frames, rtol=0, atol=0)
    again = world.Things(groups=3, seed=6)[40].rendering.frames
    assert (again != one[40].rendering.frames).any()


@pytest.mark.parametrize("people", [-1, math.nan, math.inf])
def test_people_can_be_counted(people):
    with pytest.raises(ValueError, match="people must be a number, 0 or more; got"):
        world.Things(groups=3, people=people)


def test_numbers_of_numpy_are_numbers(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path))
    same = world.Things(groups=np.int64(3), seed=np.int64(5), size=np.int64(32), people=np.float32(0.5))
    assert same._cache.folder == world.Things(groups=3, seed=5, size=32, people=0.5)._cache.folder
