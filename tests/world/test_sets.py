import dataclasses
import hashlib
import itertools
import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch

from labkit.world import (
    EASY,
    Actions,
    Difficulty,
    FlowPairs,
    Interactions,
    LongClips,
    Places,
    SecondActions,
    Source,
    Stills,
    SwappedHomes,
    sets,
)
from labkit.world import actions as acts
from labkit.world.scenes import SCENES

FIELDS = ("frames", "part", "occluded", "poses")
SMALL = {"size": 24, "groups": 3}
SHORT = SMALL | {"frames": 3}
LONG = SMALL | {"frames": 48, "segment": 12}


def digest(rendering):
    """All there is to it, as one number."""
    data = (getattr(rendering, name).numpy().tobytes() for name in FIELDS)
    return hashlib.sha256(b"".join(data)).hexdigest()


KINDS = {
    "actions": (Actions, SHORT),
    "second": (SecondActions, SHORT),
    "interactions": (Interactions, SHORT),
    "long": (LongClips, LONG),
    "restless": (LongClips, LONG | {"noisy": True}),
    "stills": (Stills, SMALL),
    "stills as found": (Stills, SMALL | {"of": "actions", "noisy": True}),
    "source": (Source, SMALL),
    "places": (Places, {"size": 32, "instances": 2, "distractors": 1}),
    "pairs": (FlowPairs, {"size": 16, "number": 5}),
}


def small(kind, **changes):
    """A few clips of a set."""
    of, settings = KINDS[kind]
    return of(**(settings | changes))


def some_digests(**changes):
    """Digests of three clips of every set, drawn again."""
    return {
        f"{kind} {index}": digest(clips.draw(index))
        for kind in KINDS
        for clips in [small(kind, **changes)]
        for index in (0, len(clips) // 2, len(clips) - 1)
    }


@pytest.fixture(autouse=True)
def _fresh(monkeypatch, tmp_path):
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def uncached(monkeypatch):
    monkeypatch.setenv("LABKIT_CACHE", "off")


# The same seed, the same world


@pytest.fixture(scope="module")
def digests():
    return some_digests()


def test_another_process_draws_the_same_world(digests):
    """Whatever the order of its sets and dicts, and with nothing drawn before."""
    code = f"import sys; sys.path.insert(0, {os.path.dirname(__file__)!r}); import json, test_sets\n"
    code += "print(json.dumps(test_sets.some_digests()))"
    environment = os.environ | {"PYTHONHASHSEED": "7", "LABKIT_CACHE": "off"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == digests


def test_another_seed_is_another_world(digests):
    other = some_digests(seed=1)
    assert len({*digests.values(), *other.values()}) == 2 * len(digests)  # no two clips are alike


@pytest.mark.parametrize("kind", ["interactions", "long", "stills as found"])
def test_neither_the_order_nor_another_process_changes_a_clip(kind, uncached):
    clips = small(kind)
    drawn = [digest(clips.draw(index)) for index in (0, 7, 3)]
    copy = pickle.loads(pickle.dumps(small(kind)))
    assert (copy.classes, copy.names) == (clips.classes, clips.names)
    assert [digest(copy[index].rendering) for index in (3, 7, 0)] == drawn[::-1]


# Settings and their folders


def folder(clips):
    return clips._cache.folder


def test_sets_that_differ_never_share_a_folder():
    strengths = ("camera", "clutter", "home", "jitter", "light")
    variants = [
        *(Actions(**changes) for changes in ({}, {"seed": 1}, {"size": 32}, {"frames": 8})),
        *(Actions(difficulty=Difficulty(**{name: 0.5})) for name in strengths),
        *(
            SecondActions(),
            Interactions(),
            Interactions(telling=1.0),
            LongClips(),
            LongClips(noisy=True),
            LongClips(two_labels=0.5),
        ),
        *(LongClips(segment=20), LongClips(classes=["wave", "clap"])),
        *(Stills(), Stills(noisy=True), Stills(of="actions"), Source()),
    ]
    assert len({folder(clips) for clips in variants}) == len(variants)


def test_what_decides_nothing_shares_the_folder():
    """Clips that are drawn to train are there for the tests as well."""
    alike = [
        Actions(),
        Actions(part="train"),
        Actions(part="test", split=3),
        Actions(groups=30, clips=3),
        Actions(classes=["wave", "clap"]),
        Actions(difficulty=Difficulty(camera=1)),
    ]
    assert len({folder(clips) for clips in alike}) == 1


@pytest.mark.parametrize("kind", ["interactions", "source"])
def test_a_choice_of_classes_keeps_its_order_and_its_images(kind):
    whole = small(kind)
    chosen = [whole.classes[2], whole.classes[0]]
    some = small(kind, classes=chosen)
    assert some.classes == tuple(chosen)
    assert len(some) == 2 * len(whole) // len(whole.classes)
    assert [some.classes[label] for label in some.labels] == [name.rsplit("_g", 1)[0] for name in some.names]
    for index in range(0, len(some), 2):
        same = whole.names.index(some.names[index])
        assert digest(some.draw(index)) == digest(whole.draw(same))


def test_wrong_images_do_not_follow_the_choice_of_classes(uncached):
    """An image that shows something else shows the same thing else, whichever classes were asked for."""
    whole = Stills(of="actions", noisy=True, size=16, groups=30)
    some = Stills(of="actions", noisy=True, size=16, groups=30, classes=["wave"])
    wrong = [index for index in range(len(some)) if some.wrong(index)]
    assert len(wrong) >= 3
    for index in wrong:
        assert digest(some.draw(index)) == digest(whole.draw(whole.names.index(some.names[index])))


# Names, labels, groups


@pytest.mark.parametrize(
    ("kind", "classes", "per_class"),
    [
        *[("actions", 18, 6), ("second", 12, 6), ("interactions", 4, 6), ("long", 12, 6)],
        *[("stills", 4, 3), ("stills as found", 18, 3), ("source", 24, 3)],
    ],
)
def test_classes_are_balanced_and_names_labels_and_groups_agree(kind, classes, per_class):
    clips = small(kind)
    assert len(set(clips.classes)) == len(clips.classes) == classes
    assert torch.bincount(clips.labels).tolist() == [per_class] * classes
    assert torch.bincount(clips.groups).tolist()[1:] == [len(clips) // 3] * 3
    assert clips.labels.dtype == clips.groups.dtype == torch.int64
    assert len(set(clips.names)) == len(clips.names) == len(clips)
    for index in (0, len(clips) // 2, len(clips) - 1):
        clip = clips[index]
        assert clip.name == clips.names[index]
        assert clip.name.startswith(f"{clips.classes[clip.label]}_g{clip.group:02d}_c")
        assert (clip.label, clip.group) == (clips.labels[index], clips.groups[index])
        assert clip.labels[0] == clip.label


def test_default_sizes_are_those_of_the_datasheet(uncached):
    sizes = {type(clips).__name__: len(clips) for clips in (Actions(), SecondActions(), Interactions(), LongClips())}
    assert sizes == {"Actions": 18 * 48, "SecondActions": 12 * 24, "Interactions": 4 * 48, "LongClips": 12 * 48}
    assert (len(Stills()), len(Stills(of="actions")), len(Source())) == (4 * 48, 18 * 48, 24 * 120)
    assert Actions(classes=["wave"], groups=3)[0].frames([0]).shape == (1, 3, 64, 64)
    assert (Actions().num_frames, Interactions().num_frames, LongClips().num_frames) == (16, 24, 120)
    assert (Stills().num_frames, Source().num_frames) == (1, 1)


@pytest.mark.parametrize("kind", ["actions", "second", "interactions", "stills", "source"])
def test_the_middle_of_a_wide_frame_is_the_square_one(kind, uncached):
    square, wide = (small(kind, frames=2, **width)[1] for width in ({}, {"width": 34}))  # 5 more pixels on each side
    assert wide.frames([1]).shape == (1, 3, 24, 34)
    if kind != "stills":  # the corners of a photo are dark
        torch.testing.assert_close(wide.frames([0, 1])[..., 5:29], square.frames([0, 1]), rtol=0, atol=0)
    torch.testing.assert_close(wide.flow([0])[..., 5:29], square.flow([0]))
    assert wide.mask([0], "puppet")[..., 5:29].equal(square.mask([0], "puppet"))


def test_a_width_that_is_none_or_the_height_is_the_square(uncached):
    assert [Actions(width=width)._settings() for width in (None, 64)] == [Actions()._settings()] * 2
    assert Actions(width=88)._settings() == Actions()._settings() | {"width": 88}
    with pytest.raises(ValueError, match="width must be a whole number, 16 or more; got 8"):
        Actions(width=8)


@pytest.mark.parametrize(("kind", "size", "frames"), [("actions", 50, 5), ("interactions", 33, 2), ("source", 16, 3)])
def test_other_sizes_and_lengths(kind, size, frames):
    clip = small(kind, size=size, frames=frames)[1]
    assert clip.num_frames == frames
    assert clip.frames(range(frames)).shape == (frames, 3, size, size)
    assert clip.flow(range(frames - 1)).shape == (frames - 1, 2, size, size)
    assert clip.flow(range(1, frames), backward=True).shape == (frames - 1, 2, size, size)
    assert clip.mask(range(frames), "puppet").any()
    for wrong in ([frames - 1], [-1]):
        with pytest.raises(IndexError, match="must lie within"):
            clip.flow(wrong)


@pytest.mark.parametrize("kind", [Actions, Stills])
def test_no_group_is_on_both_sides_of_a_split_and_each_is_tested_once(kind):
    tested = []
    for split in (1, 2, 3):
        train, test, every = (kind(groups=10, split=split, part=part) for part in ("train", "test", "all"))
        assert not set(train.groups.tolist()) & set(test.groups.tolist())
        assert not set(train.names) & set(test.names)
        assert sorted([*train.names, *test.names]) == sorted(every.names)
        assert torch.bincount(train.labels).min() == torch.bincount(train.labels).max()
        tested += set(test.groups.tolist())
    assert sorted(tested) == list(range(1, 11))


# Who and where


def test_a_group_is_one_actor_in_all_classes_and_train_and_test_share_none(uncached, monkeypatch):
    """By skin, hair, the colours of shirt, sleeves and trousers at many points, and size."""
    drawn = []
    original = acts.perform
    x, y = np.random.default_rng(0).normal(0, 0.3, (2, 50)).astype(np.float32)

    def remember(look, place, *rest):
        clothes = [texture(x, y, -np.ones_like(x)) for texture in (look.shirt, look.sleeve, look.trousers)]
        size = round(float(np.hypot(*place[0, :2, 0])), 6)
        drawn.append((look.skin, look.hair, np.stack(clothes).tobytes(), size))
        return original(look, place, *rest)

    monkeypatch.setattr("labkit.world.sets.perform", remember)
    actors = {}
    for part in ("train", "test"):
        clips = Actions(part=part, classes=["wave", "guitar"], groups=12, clips=1, size=16, frames=1)
        for index in range(len(clips)):
            drawn.clear()
            clips.draw(index)
            actors.setdefault(part, {}).setdefault(int(clips.groups[index]), set()).update(drawn)
    assert all(len(looks) == 1 for side in actors.values() for looks in side.values())  # one actor a group
    train, test = (set.union(*actors[part].values()) for part in ("train", "test"))
    assert (len(train), len(test)) == (8, 4)
    assert not {look[2] for look in train} & {look[2] for look in test}
    assert all(0.88 <= size <= 1.0 for *_, size in train | test)


def test_every_group_has_a_place_of_its_own_in_each_class():
    clips = Actions(classes=["wave", "clap"], groups=24)
    scenes = [clips._scene(index) for index in range(len(clips))]
    assert scenes[::2] == scenes[1::2]  # both clips of a group
    wave, clap = scenes[:48:2], scenes[48::2]
    assert set(wave + clap) <= set(SCENES)
    assert len(set(wave)) >= 6
    assert wave != clap


def test_who_has_a_home_is_there_in_four_cases_of_five():
    homes = {action.name: action.home for action in acts.ACTIONS if action.home}
    clips = Actions(groups=400, clips=1, classes=list(homes))
    scenes = [clips._scene(index) for index in range(len(clips))]
    home = [homes[clips.classes[label]] for label in clips.labels]
    share = np.mean([scene == wanted for scene, wanted in zip(scenes, home, strict=True)])
    assert share == pytest.approx(0.8 + 0.2 / 9, abs=0.03)  # 2400 cases: 3.7 standard deviations
    away = [scene for scene, wanted in zip(scenes, home, strict=True) if scene != wanted]
    assert len(set(away)) == 9
    for probability in (0.0, 1.0):
        sure = Actions(groups=100, clips=1, classes=["ski"], difficulty=Difficulty(home=probability))
        at_home = np.mean([sure._scene(index) == "snow" for index in range(100)])
        assert at_home == 1 if probability else at_home < 0.3
    homeless = Actions(groups=200, clips=1, classes=["wave"])
    assert len({homeless._scene(index) for index in range(200)}) == 9


def test_scene_names_are_what_is_drawn():
    landmarks = {"park": "lawn", "forest": "forest floor", "workshop": "board", "kitchen": "tiles", "stage": "pelmet"}
    landmarks |= {"snow": "piste", "street": "road", "beach": "sea", "gym": "wall bars"}
    clips = Actions(size=16, frames=1, groups=7, clips=1, classes=["wave", "hammer", "broom"])
    met = set()
    for clip in clips:
        assert [scene for scene, mark in landmarks.items() if mark in clip.rendering.names] == [clip.scene]
        met.add(clip.scene)
    assert len(met) >= 6


# Flow


@pytest.mark.parametrize("kind", ["interactions", "restless"])
def test_part_and_occlusion_are_those_of_every_part_asked_about_every_pixel(kind, uncached, monkeypatch):
    """An independent painter that knows no boxes: all parts, all pixels."""
    painted = []
    original = sets.render
    monkeypatch.setattr(sets, "render", lambda parts, *rest: painted.append(parts) or original(parts, *rest))
    clips = small(kind, **({} if kind == "restless" else {"frames": 4}), difficulty=Difficulty(camera=4.0, clutter=3.0))
    for index in (0, 20):
        rendering = clips.draw(index)
        poses, seen = rendering.poses.numpy(), rendering.part.numpy()
        y, x = np.mgrid[:24, :24]
        pixels = np.stack([x.ravel(), y.ravel(), np.ones(576)])  # (3, N)
        for t in range(min(rendering.part.shape[0], 12)):
            inverse = np.linalg.inv(poses[:, t])
            local = (inverse @ pixels)[:, :2]  # (P, 2, N)
            depth = np.stack([part.shape.distance(*at) for part, at in zip(painted[-1], local, strict=True)])
            front = len(depth) - 1 - (depth[::-1] <= 0).argmax(0)
            sure = (abs(depth) > 1e-4).all(0)  # not on an outline
            assert (front == seen[t].ravel())[sure].all()
            assert sure.mean() > 0.99
            if t == 0:
                continue
            before = seen[t - 1].ravel()
            there = np.einsum("nij,jn->in", (poses[:, t] @ np.linalg.inv(poses[:, t - 1]))[before], pixels)  # (3, N)
            depth = np.stack([p.shape.distance(*(m @ there)[:2]) for p, m in zip(painted[-1], inverse, strict=True)])
            covered = ((depth <= 0) & (np.arange(len(depth))[:, None] > before)).any(0)
            outside = (there[:2] < -0.5).any(0) | (there[:2] > 23.5).any(0)
            sure = (abs(depth) > 1e-6).all(0) & (abs(there[:2] % 1 - 0.5) > 1e-6).all(0)
            assert ((covered | outside) == rendering.occluded[t - 1].numpy().ravel())[sure].all()


def test_on_a_tripod_the_scene_does_not_move_and_the_puppet_does():
    clips = Actions(difficulty=Difficulty(camera=0.0), size=32, groups=3, clips=1, frames=6)
    for clip in clips.subset(range(0, len(clips), 6)):
        flow, still = clip.flow(range(5)), clip.mask(range(5), "scene", "clutter")
        assert flow.norm(dim=1)[still].max() < 1e-4
        assert flow.norm(dim=1)[clip.mask(range(5), "puppet")].max() > 0.3


def test_camera_strength_moves_the_place():
    def background(strength):
        clips = Actions(difficulty=Difficulty(camera=strength), size=24, groups=6, clips=1, classes=["wave"])
        return np.mean([c.flow(range(15)).norm(dim=1)[c.mask(range(15), "scene")].mean().item() for c in clips])

    assert 0.1 < background(1.0) < 1.5
    assert background(3.0) > 2 * background(1.0)


# Masks and puppets


def test_masks_tell_puppets_and_things_from_the_rest():
    clips = Actions(size=48, frames=2, groups=3, clips=1)
    for clip in clips.subset(range(0, len(clips), 3)):
        masks = [clip.mask(range(2), kind) for kind in ("puppet", "prop", "scene", "clutter")]
        assert torch.equal(sum(mask.int() for mask in masks), torch.ones(2, 48, 48, dtype=torch.int32))
        assert 0.02 < masks[0].float().mean() < 0.4
        action = next(action for action in acts.ACTIONS if action.name == clips.classes[clip.label])
        assert masks[1].any() == bool(action.things)


@pytest.mark.parametrize("kind", [Actions, SecondActions, Interactions])
def test_puppets_stay_inside_of_the_image_with_all_their_parts(kind, uncached):
    clips = kind(size=32, frames=3, groups=3, clips=1)
    border, whole, shown = 0, 0, []
    for index in range(0, len(clips), 2):
        rendering = clips.draw(index)
        mask = rendering.mask("puppet")
        edge = torch.ones(32, 32, dtype=torch.bool)
        edge[1:-1, 1:-1] = False
        border += int((mask & edge).sum())
        whole += int(mask.sum())
        puppet = {i for i, of in enumerate(rendering.kinds) if of == "puppet"}
        shown.append(len(puppet & set(rendering.part.unique().tolist())) / len(puppet))
    assert border < 0.01 * whole
    assert np.mean(shown) > 0.95  # hands behind a back, feet behind a bush
    assert min(shown) > 0.6


# Long clips


def test_segments_partition_the_frames():
    for clips in (LongClips(groups=6), LongClips(groups=6, frames=200, segment=15), LongClips(**LONG)):
        for index in range(len(clips)):
            segments = clips.segments(index)
            assert segments[0][1] == 0
            assert segments[-1][2] == clips.num_frames
            assert all(end == start for (_, _, end), (_, start, _) in itertools.pairwise(segments))
            lengths = [end - start for _, start, end in segments]
            assert min(lengths) > 0.4 * clips.segment * 2 / 3
            assert np.mean(lengths) == pytest.approx(clips.segment, rel=0.4)
            names = [name for name, _, _ in segments]
            happening = [name for name in names if name in clips.classes]
            assert len(set(happening)) == len(happening) in (1, 2)
            assert clips.classes[int(clips.labels[index])] in happening
            assert set(names) - set(happening) <= {action.name for action in acts.DISTRACTORS}
            assert set(names) - set(happening)


def test_an_action_may_come_early_or_late():
    clips = LongClips()
    first = [next(s for n, s, _ in clips.segments(i) if n in clips.classes) / 120 for i in range(len(clips))]
    assert min(first) == 0
    assert max(first) > 0.7
    assert 0.2 < np.mean(first) < 0.5


@pytest.mark.parametrize(("telling", "segments"), [(0.2, 1), (0.4, 2), (0.6, 3), (1.0, 5)])
def test_an_action_happens_in_as_many_segments_as_tell(telling, segments):
    clips = LongClips(groups=12, telling=telling, two_labels=0.0)
    named = [[name == clips.classes[label] for name, _, _ in clips.segments(i)] for i, label in enumerate(clips.labels)]
    assert {(sum(names), len(names)) for names in named} == {(segments, 5)}
    frames = [sum(end - start for name, start, end in clips.segments(i) if name in clips.classes) for i in range(288)]
    assert np.mean(frames) == pytest.approx(120 * telling, abs=2)


def test_one_telling_segment_of_five_is_what_clips_have_anyway(uncached):
    plain, told = LongClips(**LONG), LongClips(**LONG, telling=0.2)
    assert [told.segments(i) for i in range(len(told))] == [plain.segments(i) for i in range(len(plain))]
    assert torch.equal(told.draw(1).frames, plain.draw(1).frames)
    filled = LongClips(**LONG, telling=1, two_labels=1.0)
    assert all(len({name for name, _, _ in filled.segments(i)}) == 2 for i in range(len(filled)))  # the labels alone


def test_further_test_groups_leave_the_others_as_they_are():
    few, many = (Actions(part="test", split=2, groups=6, clips=1, test_groups=count) for count in (0, 4))
    assert few.groups.unique().tolist() == [3, 4]
    assert many.groups.unique().tolist() == [3, 4, 7, 8, 9, 10]
    assert set(few.names) < set(many.names)
    train = [Actions(part="train", split=2, groups=6, clips=1, test_groups=count).names for count in (0, 4)]
    assert train[0] == train[1]
    assert len(Actions(groups=6, clips=1, test_groups=4)) == 18 * 10


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_a_fraction_of_clips_has_two_labels(share):
    clips = LongClips(two_labels=share, groups=60)
    hot = clips.multi_hot
    assert hot.shape == (len(clips), 12)
    assert hot.dtype == torch.bool
    assert hot[torch.arange(len(clips)), clips.labels].all()
    assert (hot.sum(1) - 1).float().mean().item() == pytest.approx(share, abs=0.045)  # 1440 clips
    assert hot.sum(1).max() <= 2
    assert LongClips(classes=["wave"], two_labels=share, groups=3).multi_hot.sum(1).tolist() == [1] * 6  # no second


def test_labels_are_those_of_the_story():
    clips = LongClips(**LONG, two_labels=0.6)
    hot = clips.multi_hot
    for index in range(0, len(clips), 9):
        clip = clips[index]
        happening = {name for name, _, _ in clips.segments(index) if name in clips.classes}
        assert {clips.classes[label] for label in clip.labels} == happening
        assert clip.labels[0] == clip.label
        assert set(clip.labels) == set(hot[index].nonzero().flatten().tolist())


def test_hidden_things_leave_the_image_as_if_they_were_not_there(uncached, monkeypatch):
    """What is too small to be seen colours nothing: the same clip without things is the same outside of their time."""
    clips = LongClips(**LONG, two_labels=0.0, classes=["hammer", "guitar", "skateboard"])
    with_things = [clips.draw(index).frames for index in range(0, len(clips), 3)]
    original = acts.perform
    monkeypatch.setattr("labkit.world.sets.perform", lambda look, place, pose, things=(): original(look, place, pose))
    for frames, index in zip(with_things, range(0, len(clips), 3), strict=True):
        bare = clips.draw(index).frames
        ((start, end),) = [(s, e) for name, s, e in clips.segments(index) if name in clips.classes]
        differ = (frames != bare).flatten(1).any(1)
        assert not differ[:start].any()
        assert not differ[end:].any()
        assert differ[start:end].all()


def test_nobody_slides_from_one_position_to_another(uncached, monkeypatch):
    """A puppet that has walked continues from there."""
    paths, original = [], acts.perform
    noted = lambda look, place, pose, *rest: paths.append(pose) or original(look, place, pose)  # noqa: E731
    monkeypatch.setattr("labkit.world.sets.perform", noted)
    clips = LongClips(size=16, groups=3, clips=1, classes=["walk_left", "walk_right", "ski"], two_labels=1.0)
    for index in range(len(clips)):
        clips.draw(index)
    assert paths
    for pose in paths:
        assert abs(np.diff(pose.x)).max() < 0.106  # body units a frame: no faster than they walk
        assert np.ptp(pose.x) > 1
        assert pose.x.min() == pytest.approx(-pose.x.max())
        assert max(abs(np.diff(angle)).max() for angle in pose.joints.values()) < 1.7


def test_cuts_are_jumps_and_there_are_two_in_every_noisy_clip(uncached):
    for strength in (0.0, 1.0):
        clips = LongClips(noisy=True, **LONG, difficulty=Difficulty(camera=strength))
        for index in range(0, len(clips), 18):
            rendering = clips.draw(index)
            speed = rendering.forward.norm(dim=1).masked_fill(rendering.mask("puppet", "prop")[:-1], 0)
            most = speed.flatten(1).quantile(0.95, dim=1).sort(descending=True)  # of what is near
            assert most.values[1] > 1.4  # pixels of 24
            assert most.values[1] > 1.5 * most.values[2]
            assert most.indices[:2].min() + 1 >= 8
            assert most.indices[:2].max() + 1 < 40


# Stills


@pytest.mark.parametrize("of", ["interactions", "actions"])
def test_a_quarter_of_the_stills_as_found_is_wrong(of):
    found, filtered = (Stills(of=of, noisy=noisy, groups=200) for noisy in (True, False))
    wrong = np.mean([found.wrong(index) for index in range(len(found))])
    assert wrong == pytest.approx(0.25, abs=0.06 if of == "interactions" else 0.03)  # 800 and 3600 stills
    assert not any(filtered.wrong(index) for index in range(0, len(filtered), 7))
    assert found.names == filtered.names


def test_the_right_ones_are_those_of_the_filtered_set_and_the_wrong_ones_are_not(uncached):
    found, filtered = (Stills(of="actions", noisy=noisy, size=16, groups=3) for noisy in (True, False))
    wrong = [found.wrong(index) for index in range(len(found))]
    assert 5 < sum(wrong) < 27
    for index in range(len(found)):
        same = torch.equal(found.draw(index).frames, filtered.draw(index).frames)
        assert same != wrong[index]


def test_some_wrong_stills_show_nobody(uncached):
    found = Stills(noisy=True, size=16, groups=60)
    nobody = [not found.draw(i).mask("puppet").any() for i in range(len(found)) if found.wrong(i)]
    assert 0.1 < np.mean(nobody) < 0.55  # of those 30 %


def test_stills_have_a_style_of_their_own(uncached):
    """Photos are harder in contrast than video; paper stands behind most."""
    stills = Stills(of="actions", size=32, groups=6, classes=["wave", "hammer", "jump"])
    clips = Actions(size=32, frames=1, groups=6, clips=1, classes=["wave", "hammer", "jump"])
    photos, frames = ([s.draw(i) for i in range(len(s))] for s in (stills, clips))
    spread = [torch.stack([r.frames.float().std() for r in group]).mean() for group in (photos, frames)]
    assert spread[0] > 1.15 * spread[1]
    paper = np.mean(["paper" in r.names for r in photos])
    assert 0.5 < paper < 1
    assert not any("paper" in r.names for r in frames)
    shares = [torch.stack([r.mask("puppet").float().mean() for r in group]).mean() for group in (photos, frames)]
    assert shares[0] > 1.2 * shares[1]  # and they are taken from nearer


def test_stills_are_taken_at_the_telling_moment(uncached):
    stills, clips = Stills(size=24, groups=8), Interactions(size=24, groups=8, clips=1)

    def gaps(renderings):
        torsos = [r.poses[[i for i, name in enumerate(r.names) if name == "torso"]] for r in renderings]
        scale = [float(t[0, 0, :2, 0].norm()) for t in torsos]
        return [float((t[0, :, 0, 2] - t[1, :, 0, 2]).abs().max()) / s for t, s in zip(torsos, scale, strict=True)]

    still, first = (gaps([s.draw(i) for i in range(0, len(s), 3)]) for s in (stills, clips))
    assert max(still) < 2.2 < 3 < min(first)


def test_a_fraction_of_the_frames_of_a_meeting_tells_what_happens(uncached):
    """The rest of the clip is the same: its actors, its scene and its camera."""
    few, many = (Interactions(seed=1000, size=24, groups=3, clips=1, telling=telling) for telling in (0.36, 0.75))
    for index in (0, 4, 7, 11):
        clips = [each.draw(index) for each in (few, many)]
        apart = []
        for clip in clips:
            hips = [number for number, name in enumerate(clip.names) if name == "hips"]
            ways = (clip.poses[hips[0], :, :2, 2] - clip.poses[hips[1], :, :2, 2]).norm(dim=-1)  # (24,)
            size = clip.poses[hips[0], :, :2, 0].norm(dim=-1)  # the camera may come nearer
            apart.append(ways / size)
        least, most = min(map(float, (apart[0].min(), apart[1].min()))), float(apart[0].max())
        assert [int((ways < (least + most) / 2).sum()) for ways in apart] == [9, 18]
        assert clips[0].names == clips[1].names
    with pytest.raises(ValueError, match=r"telling must be a fraction from 0.25 to 1; got 0.2"):
        Interactions(telling=0.2)


# The source task


def test_croquet_is_always_in_the_forest_and_no_other_class_is():
    source = Source(groups=60)
    scenes = {}
    for index in range(len(source)):
        scenes.setdefault(source.classes[int(source.labels[index])], set()).add(source._scene(index))
    assert scenes.pop("croquet") == {"forest"}
    assert all(len(places) > 5 for places in scenes.values())
    drawn = Source(size=16, groups=4, classes=["croquet"])
    assert all("forest floor" in clip.rendering.names and "mallet head" in clip.rendering.names for clip in drawn)


# How hard it is


def test_bias_counts_whatever_the_difficulty():
    def folder(**settings):
        return SwappedHomes(groups=3, **settings)._cache.folder

    assert SwappedHomes(bias=0.25).difficulty == Difficulty(home=0.25)
    assert SwappedHomes(bias=0.25, difficulty=EASY).difficulty == dataclasses.replace(EASY, home=0.25)
    assert len({folder(bias=bias, difficulty=EASY) for bias in (0.0, 0.5, 1.0)}) == 3
    assert folder(bias=0.5) == folder(bias=0.5, difficulty=Difficulty())


def test_easy_is_easy():
    assert (EASY.camera, EASY.clutter, EASY.home) == (0.0, 0.0, 1.0)
    clip = Actions(**SHORT, difficulty=EASY, classes=["hammer"])[0]
    assert clip.scene == "workshop"
    assert not clip.mask(range(3), "clutter").any()
    assert clip.flow([0, 1]).norm(dim=1)[clip.mask([0, 1], "scene")].max() < 1e-4


def test_clutter_and_light_do_what_they_say(uncached):
    def number(clutter):
        clips = Actions(size=16, frames=1, groups=20, clips=1, classes=["wave"], difficulty=Difficulty(clutter=clutter))
        return np.mean([clips.draw(index).kinds.count("clutter") for index in range(20)])

    assert number(0.0) == 0
    assert number(1.0) == pytest.approx(1.3, abs=0.7)
    assert number(4.0) == pytest.approx(5.2, abs=1.3)
    settings = {"size": 16, "frames": 1, "groups": 12, "clips": 1, "classes": ["wave"]}
    dark, lit = (Actions(**settings, difficulty=Difficulty(light=light)) for light in (0.0, 1.0))
    gains = [(lit.draw(i).frames.float().mean() / dark.draw(i).frames.float().mean()).item() for i in range(12)]
    assert 0.8 < min(gains) < 0.97
    assert 1.02 < max(gains) < 1.25


def test_without_jitter_clips_of_a_group_are_synchronised(uncached):
    def progress(jitter):
        difficulty = Difficulty(camera=0, clutter=0, jitter=jitter)
        clips = Actions(size=16, groups=3, clips=4, classes=["sit_down"], difficulty=difficulty)
        heads = [r.poses[r.names.index("head"), :, 1, 2] for r in (clips.draw(i) for i in range(4))]
        return torch.stack(heads).std(0).max()

    assert progress(0.0) < 0.3 * progress(1.0)


# What is refused


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Actions(seed=-1), "seed must be a whole number, 0 or more; got -1"),
        (lambda: Actions(size=64.0), "size must be a whole number, 16 or more; got 64.0"),
        (lambda: Actions(frames="16"), "frames must be a whole number, 1 or more; got '16'"),
        (lambda: Actions(clips=0), "clips must be a whole number, 1 or more; got 0"),
        (lambda: Actions(groups=2), "groups must be a whole number, 3 or more; got 2"),
        (lambda: Actions(classes=["wave", "dance"]), "classes must be among hammer, .*; got 'dance'"),
        (lambda: Actions(classes=["wave", "wave"]), "classes must be among .*, each once; got 'wave' 2 times"),
        (lambda: LongClips(two_labels=float("nan")), "two_labels must be a share from 0 to 1; got nan"),
        (lambda: LongClips(two_labels="half"), "two_labels must be a share from 0 to 1; got 'half'"),
        (lambda: LongClips(telling=0), "telling must be a fraction above 0, to 1, or None; got 0"),
        (lambda: LongClips(test_groups=-1), "test_groups must be a whole number, 0 or more; got -1"),
        (lambda: LongClips(segment=3), "segment must be a whole number, 4 or more; got 3"),
        (lambda: LongClips(frames=40), "frames must be at least 2 \\* segment = 48; got 40"),
        (lambda: Stills(of="cats"), 'of must be "interactions" or "actions"; got \'cats\''),
        (lambda: Stills(classes=["wave"]), "classes must be among handshake, .*; got 'wave'"),
        (lambda: Difficulty(clutter=float("nan")), "clutter must be a number from 0 to 100; got nan"),
        (lambda: Difficulty(home=1.1), "home must be a number from 0 to 1; got 1.1"),
        (lambda: Difficulty(jitter=4), "jitter must be a number from 0 to 3; got 4"),
        (lambda: Difficulty(light="dim"), "light must be a number from 0 to 100; got 'dim'"),
        (lambda: Actions(difficulty=0.5), r"difficulty must be a Difficulty; got 0\.5"),
    ],
)
def test_bad_numbers_and_names_are_refused(make, message):
    with pytest.raises((ValueError, TypeError, IndexError), match=message):
        make()
