import itertools
import math

import cv2
import numpy as np
import pytest
import torch

from labkit.world import Change, Part, Places, render, transform
from labkit.world.buildings import FAMILIES, OBJECTS, build, random_style
from labkit.world.buildings.pieces import inlaid, word
from labkit.world.places import GOOD, OK
from labkit.world.scenes import tripod
from labkit.world.shapes import box, disc, everywhere, plain


@pytest.fixture(autouse=True, scope="module")
def _nothing_kept():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABKIT_CACHE", "off")
        yield


def small(**settings):
    return Places(**{"seed": 1000, "size": 64, "instances": 11, "views": 3, "distractors": 4, **settings})


SOME = range(0, 48, 5)  # of the 48 views: of all roles, of all kinds of places


@pytest.fixture(scope="module")
def places():
    """What is drawn once is drawn for all tests."""
    return small()


def areas(rendering):
    """Of each pixel, on the plane of the place: (H, W), by the corners where the background's pose puts them."""
    height, width = rendering.part.shape[1:]
    x, y = np.meshgrid(np.arange(width + 1) - 0.5, np.arange(height + 1) - 0.5)
    u, v, depth = np.einsum("ij,jhw->ihw", np.linalg.inv(rendering.poses[0, 0].numpy()), np.stack([x, y, 0 * x + 1]))
    corner = np.stack([u / depth, v / depth], -1)  # (H + 1, W + 1, 2)
    first, second = corner[1:, 1:] - corner[:-1, :-1], corner[1:, :-1] - corner[:-1, 1:]  # the diagonals
    return np.abs(first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]) / 2


def whole_area(places, index):
    """Of a place, from a picture of nothing else."""
    things = places._place(index)
    eye = places._view(index, things).eye
    parts = [part for thing in things for part in thing.seen(eye)]
    paper = Part("paper", everywhere(), plain((1.0, 1.0, 1.0)), transform(np.zeros(1), 0))
    picture = render([paper, *parts], transform(np.array([100.0]), 175, 0.0, 25), 200, 200)
    return float(picture.mask("place").sum()) / 625


def test_roles_keep_what_they_promise_about_how_much_can_be_seen(places):
    low = {"query": GOOD, "good": GOOD, "distractor": GOOD, "ok": OK, "junk": 0.0}
    high = {"query": 1.02, "good": 1.02, "distractor": 1.02, "ok": GOOD, "junk": OK}
    for index in SOME:
        role, picture = places.roles[index], places[index].rendering
        share = (areas(picture) * picture.mask("place")[0].numpy()).sum() / whole_area(places, index)
        assert low[role] < share < high[role], places.names[index]
        assert places.visible(index) == pytest.approx(share, abs=0.035), places.names[index]


def test_every_strength_of_change_keeps_the_roles():
    for change in (Change(0, 0, 0), Change(1.5, 1.5, 1.5)):
        places = small(change=change, seed=1001, instances=4, distractors=2)
        for index, role in enumerate(places.roles):
            least, most = {"ok": (OK, GOOD), "junk": (0.05, OK)}.get(role, (GOOD, 1))
            assert least < places.visible(index) <= most


def test_boxes_hold_the_place_and_nothing_less_would(places):
    for index in SOME:
        left, top, right, bottom = places.box(index)
        mask = places[index].mask([0], "place")[0]
        assert mask[top:bottom, left:right].sum() == mask.sum() > 0
        for edge in (mask[top, :], mask[bottom - 1, :], mask[:, left], mask[:, right - 1]):
            assert edge.any()


def test_good_ok_and_junk_by_hand():
    places = small(instances=2, views=4, junk=2, distractors=1)
    expected = ["query", "good", "ok", "good", "junk", "junk"] * 2 + ["distractor"]
    assert list(places.roles) == expected
    assert places.queries == [0, 6]
    assert places.positives(0) == ([1, 3], [2])
    assert places.positives(9) == ([6, 7], [8])  # asked from another good view, the query is to be found
    assert places.positives(2) == ([0, 1, 3], [])
    assert places.junk(6) == [10, 11]
    for index in (4, 12):
        with pytest.raises(ValueError, match="a query must be a clear view"):
            places.positives(index)
        with pytest.raises(ValueError, match="a query must be a clear view"):
            places.junk(index)


def test_the_default_set_has_the_size_it_says():
    places = Places()
    assert len(places) == 30 * (5 + 1) + 60
    assert [places.roles.count(role) for role in ("query", "good", "ok", "junk", "distractor")] == [30, 60, 60, 30, 60]
    assert len(places.classes) == 90


def test_groups_are_places_and_no_part_shares_one():
    test, train = Places(), Places(part="train")
    assert not set(test.groups.tolist()) & set(train.groups.tolist())
    assert not set(test.names) & set(train.names)
    for places in (test, train):
        pairs = set(zip(places.groups.tolist(), places.labels.tolist(), strict=True))
        assert len(pairs) == len(places.classes) == len(set(places.groups.tolist()))
    few, many = small(), small(instances=12, views=4, distractors=9)
    assert set(few.names) < set(many.names)
    for name in ("test_i0003_query0", "test_d0002_distractor0"):
        first, second = few.names.index(name), many.names.index(name)
        assert few.groups[first] == many.groups[second]
        assert torch.equal(few[first].frames([0]), many[second].frames([0]))


def test_train_shows_other_places(places):
    train = small(part="train")
    for index in SOME[::3]:
        assert not torch.equal(places[index].frames([0]), train[index].frames([0]))
    assert [places._scene(i) for i in places.queries] == [train._scene(i) for i in train.queries]  # of the same styles


def test_two_views_match_through_the_homography_of_a_wall():
    places = small(size=128, change=Change(light=0, clutter=0, shadow=0), instances=13, distractors=0)
    matched = 0
    for query in places.queries:
        if places._scene(query) not in ("house", "shop", "mural"):
            continue
        first, second = (places[index].rendering for index in (query, places.positives(query)[0][0]))
        wall = first.names.index("wall")
        assert second.names.index("wall") == wall
        homography = second.poses[wall, 0].numpy() @ np.linalg.inv(first.poses[wall, 0].numpy())
        back = cv2.warpPerspective(
            second.frames[0].permute(1, 2, 0).numpy(),
            homography,
            (128, 128),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        )
        seen = cv2.warpPerspective(
            second.part[0].numpy(), homography, (128, 128), flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
        )
        both = (first.part[0].numpy() == wall) & (seen == wall)
        both = cv2.erode(both.astype(np.uint8), np.ones((3, 3))).astype(bool)
        if both.sum() > 300:
            one, other = first.frames[0].permute(1, 2, 0).numpy()[both].ravel(), back[both].ravel()
            assert np.abs(one.astype(float) - other).mean() < 9
            assert np.corrcoef(one, other)[0, 1] > 0.9
            matched += 1
    assert matched >= 3


def test_views_differ_by_perspective_and_by_parallax(places):
    slanted = apart = 0
    for query in places.queries[:6]:
        first, second = (places[index].rendering for index in (query, places.positives(query)[0][0]))
        slanted += abs(second.poses[0, 0, 2, 0] / second.poses[0, 0, 2, 2]) > 1e-3
        near = first.kinds.index("place")
        if places[query].scene in OBJECTS:
            continue
        ways = [second.poses[p, 0].numpy() @ np.linalg.inv(first.poses[p, 0].numpy()) for p in (0, near)]
        far, close = (way @ [32.0, 32.0, 1.0] for way in ways)
        apart += math.hypot(*(far / far[2] - close / close[2])[:2]) > 2
    assert slanted >= 4
    assert apart >= 4


def test_light_changes_colours_and_nothing_else(places):
    plain_light, differ = small(change=Change(light=0.0)), 0
    for index in SOME[:5]:
        first, second = places[index].rendering, plain_light[index].rendering
        assert torch.equal(first.part, second.part)
        differ += float((first.frames.float() - second.frames.float()).abs().mean()) > 8
    assert differ >= 3


def test_without_change_nobody_is_in_the_way(places):
    empty = small(change=Change(clutter=0.0))
    assert "puppet" not in {kind for i in SOME for kind in empty[i].rendering.kinds}
    assert "puppet" in {kind for i in SOME for kind in places[i].rendering.kinds}


def test_distractors_come_in_the_styles_of_the_places():
    places = Places(styles=5)
    mine = {places._style(number, "query") for number in range(30)}
    others = {places._style(number, "distractor") for number in range(60)}
    assert mine == others
    assert len(mine) == 5


def test_a_photo_follows_from_the_seed_alone(places):
    wanted = [5, 0, 10]
    again, other = small(), small(seed=1001)
    for index in wanted:
        assert torch.equal(again[index].frames([0]), places[index].frames([0]))
        assert not torch.equal(other[index].frames([0]), places[index].frames([0]))


def test_it_looks_like_every_other_set(places):
    clip = places[1]
    assert (clip.name, clip.label, clip.group, clip.num_frames) == ("test_i0000_good0", 0, 1, 1)
    assert clip.scene in FAMILIES
    assert clip.frames([0]).shape == (1, 3, 64, 64)
    assert clip.frames([0]).dtype == torch.uint8
    assert clip.mask([0], "place").any()
    with pytest.raises(IndexError):
        clip.flow([0])


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_stands_on_the_ground_and_varies(family):
    eye = tripod(1)
    paper = Part("paper", everywhere(), plain((1.0, 1.0, 1.0)), transform(np.zeros(1), 0))
    pictures = []
    for seed in range(1000, 1003):
        rng = np.random.default_rng(seed)
        parts = [
            part for thing in build(random_style(np.random.default_rng(7), family), rng) for part in thing.seen(eye)
        ]
        assert {part.kind for part in parts} == {"place"}
        assert all(math.isfinite(part.shape.reach) for part in parts)
        picture = render([paper, *parts], transform(np.array([100.0]), 180, 0.0, 25), 200, 200)
        mask = picture.mask("place")[0]
        rows, columns = mask.nonzero(as_tuple=True)
        assert 172 <= int(rows.max()) <= 184 or family == "cuckoo_clock"  # whose weights hang lower or higher
        assert 2.0 < (180 - int(rows.min())) / 25 < 6.5
        assert int(columns.min()) > 0
        assert int(columns.max()) < 199
        pictures.append(picture.frames)
    assert all((a.float() - b.float()).abs().mean() > 0.5 for a, b in itertools.pairwise(pictures))


def test_an_inlay_by_hand():
    texture = inlaid(
        plain((1.0, 1.0, 1.0)), (disc(1.0), 2.0, 0.0, plain((1.0, 0.0, 0.0))), (box(1, 1), 2, 0, plain((0.0, 0.0, 1.0)))
    )
    x, y = np.array([0.0, 2.8, 2.0], np.float32), np.zeros(3, np.float32)
    np.testing.assert_allclose(texture(x, y, x), [[1, 1, 1], [1, 0, 0], [0, 0, 1]], atol=1e-6)


def test_words_differ():
    rng = np.random.default_rng(1000)
    words = [word(rng) for _ in range(50)]
    assert len(set(words)) > 40
    assert all(text.isalpha() and text.isupper() for text in words)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seed": -1}, "seed must be a whole number, 0 or more; got -1"),
        ({"part": "all"}, 'part must be "train" or "test"'),
        ({"size": 16}, "size must be a whole number, 32 or more; got 16"),
        ({"views": 1}, "views must be a whole number, 2 or more"),
        ({"instances": 0}, "instances must be"),
        ({"styles": 0}, "styles must be"),
        ({"distractors": -1}, "distractors must be a whole number, 0 or more"),
        ({"junk": 0.5}, "junk must be a whole number, 0 or more; got 0.5"),
        ({"instances": 10_001}, "no more than 10000"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Places(**settings)


@pytest.mark.parametrize("change", [{"viewpoint": 2.0}, {"light": -0.1}, {"clutter": math.nan}])
def test_bad_changes_are_refused(change):
    with pytest.raises(ValueError, match=r"must be a number from 0 to 1\.5"):
        Change(**change)


def test_numbers_of_numpy_are_numbers(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path))
    sizes = {"seed": 1, "size": 64, "instances": 2, "views": 3, "distractors": 1, "junk": 2, "styles": 4}
    places = Places(**sizes, change=Change(light=0.5))
    same = Places(**{name: np.int64(size) for name, size in sizes.items()}, change=Change(light=np.float32(0.5)))
    assert same._cache.folder == places._cache.folder
    assert same.names == places.names
