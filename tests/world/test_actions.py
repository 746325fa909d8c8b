import math

import numpy as np
import pytest
import torch

from labkit.world import props, render, transform
from labkit.world.actions import (
    ACTIONS,
    DISTRACTORS,
    INTERACTIONS,
    SECOND_ACTIONS,
    SOURCE,
    before_body,
    behind,
    beside,
    between_hands,
    handled,
    in_hand,
    perform,
    underfoot,
)
from labkit.world.motion import Timing, idle, jump, pick_up, strike, strum
from labkit.world.puppet import random_look
from labkit.world.scenes import SCENES, VIEW_HEIGHT, Camera, backdrop, camera, clutter, tripod

PROPS = [
    prop for name, prop in vars(props).items() if getattr(prop, "__module__", "") == props.__name__ and name[0] != "_"
]
UPRIGHT = {props.cup, props.umbrella, props.balloon, props.flag, props.bucket}


def evenly(frames=5, side="right"):
    return Timing(frames, np.linspace(0, 6, frames), np.linspace(0, 1, frames), side)


def still(frames=5):
    return transform(np.zeros(frames), 0)


def look():
    return random_look(np.random.default_rng(0))


def names(parts):
    return [part.name for part in parts]


# Things


@pytest.mark.parametrize("prop", PROPS)
def test_a_thing_goes_where_it_hangs(prop):
    """Moved, turned and scaled, it is the same thing: every part keeps its place on what it hangs on."""
    rest = prop(still(1))
    assert rest
    for part in rest:
        assert part.kind == "prop"
        assert math.hypot(*part.pose[0, :2, 2]) < 2.5
    moved = transform([3.0, -1.0], [0.5, 2.0], 0.0, [0.7, 1.3])
    for before, after in zip(rest, prop(moved), strict=True):
        assert before.name == after.name
        np.testing.assert_allclose(after.pose, moved @ before.pose, atol=1e-9)
    turned = transform(0.0, [0.0], 1.1)
    way = transform(0.0, [0.0]) if prop in UPRIGHT else turned  # upright by its own weight
    kept = [np.allclose(a.pose, way @ b.pose) for a, b in zip(prop(turned), rest, strict=True)]
    assert all(kept) or prop is props.rod  # whose line hangs down


def test_a_line_hangs_down_from_the_tip_of_a_rod():
    parts = {part.name: part.pose for part in props.rod(transform(0.0, [0.0], -math.pi / 2))}  # to the right
    np.testing.assert_allclose(parts["line"][0, :2, 2], [1.35, 0.0], atol=1e-9)
    np.testing.assert_allclose(parts["fish"][0, :2, 2], [1.35, 0.85], atol=1e-9)


# Puppets with things


def test_things_are_painted_where_they_belong():
    """A tool before the hand that holds it, a chair behind all, a skateboard before all."""
    bare = names(perform(look(), still(), strike(evenly())))
    assert len(bare) == 16
    held = names(perform(look(), still(), strike(evenly()), [in_hand(props.hammer)], "left"))
    assert held[held.index("left hand") - 2 : held.index("left hand")] == ["handle", "hammer head"]
    assert [name for name in held if name not in ("handle", "hammer head")] == bare
    assert names(perform(look(), still(), idle(evenly()), [behind(props.ball)]))[0] == "ball"
    assert names(perform(look(), still(), idle(evenly()), [underfoot(props.ball)]))[-1] == "ball"
    drum = names(perform(look(), still(), idle(evenly()), [before_body(props.drum)]))
    assert drum.index("torso") < drum.index("drum") < drum.index("left hand")


def test_a_tool_stays_in_its_hand():
    for side, sign in (("left", -1), ("right", 1)):
        puppet = perform(look(), still(), strike(evenly(side=side)), [in_hand(props.hammer, 0.7)], side)
        parts = {part.name: part for part in puppet}
        handle = np.linalg.inv(parts[f"{side} hand"].pose) @ parts["handle"].pose
        np.testing.assert_allclose(handle, np.broadcast_to(transform(0, 0, sign * 0.7), (5, 3, 3)), atol=1e-9)


def test_things_beside_and_behind_do_not_move():
    for staging, x in ((beside(props.log, 1.5), 1.5), (behind(props.log), 0.0)):
        parts = {p.name: p for p in perform(look(), still(), jump(evenly()), [staging], "right")}
        np.testing.assert_allclose(parts["block"].pose[:, :2, 2], np.tile([x, -0.3], (5, 1)))
    left = {p.name: p for p in perform(look(), still(), jump(evenly()), [beside(props.log, 1.5)], "left")}
    assert left["block"].pose[0, 0, 2] == -1.5


def test_a_broom_goes_through_both_hands():
    parts = {p.name: p for p in perform(look(), still(), strum(evenly()), [between_hands(props.broom)])}
    for hand in ("left hand", "right hand"):
        on_stick = np.linalg.inv(parts["broomstick"].pose) @ parts[hand].pose  # the stick: x = 0, y from 0 to 2.5
        np.testing.assert_allclose(on_stick[:, 0, 2], 0, atol=1e-9)
        assert (on_stick[:, 1, 2] > 0).all()
        assert (on_stick[:, 1, 2] < 2.5).all()


def test_a_handled_thing_goes_where_the_motion_takes_it():
    when = evenly(9)
    ground = transform(np.full(9, 2.0), 0, 0, 0.5)
    parts = {part.name: part for part in perform(look(), ground, pick_up(when), [handled(props.ball)])}
    x, y = pick_up(when).object
    np.testing.assert_allclose(parts["ball"].pose[:, 0, 2], 2.0 + 0.5 * x)
    np.testing.assert_allclose(parts["ball"].pose[:, 1, 2], 0.5 * (y - 1.32))
    with pytest.raises(ValueError, match="the motion handles no object"):
        perform(look(), still(), idle(evenly()), [handled(props.ball)])


# Classes


def test_the_classes_are_those_of_the_datasheet():
    assert len(ACTIONS) == 18
    assert len(SECOND_ACTIONS) == 12
    assert names(INTERACTIONS) == ["handshake", "high_five", "hug", "kiss"]
    assert len(SOURCE) == 24
    for table in (ACTIONS, SECOND_ACTIONS, INTERACTIONS, SOURCE, DISTRACTORS):
        assert len(set(names(table))) == len(table)
    assert set(names(ACTIONS)) & set(names(SECOND_ACTIONS)) == {"broom", "clap", "jump", "sit_down", "wave"}
    assert not set(names(SOURCE)) & set(names(ACTIONS))
    assert not set(names(DISTRACTORS)) & set(names(ACTIONS))
    assert {action.home for action in (*ACTIONS, *SECOND_ACTIONS, *SOURCE)} - {None} <= set(SCENES)


def drawn(thing, size=48):
    """Frame (3, H, W) and mask (H, W) of a thing hung on the middle of the image."""
    middle = transform([(size - 1) / 2], size / 5, 0, size / 1.6)
    drawing = render([*backdrop(np.random.default_rng(0), tripod(1)), *thing(middle)], still(1), size, size)
    return drawing.frames[0].float(), drawing.mask("prop")[0]


def overlap(first, second):
    return ((first & second).sum() / (first | second).sum()).item()


def test_a_mallet_looks_like_a_hammer_and_like_nothing_else():
    frames, masks = zip(*(drawn(thing) for thing in (props.mallet, props.hammer, props.axe, props.racket)), strict=True)
    mallet, hammer, *others = masks
    assert overlap(mallet, hammer) > 0.85
    assert max(overlap(mallet, other) for other in others) < 0.6
    both = mallet & hammer
    assert (frames[0] - frames[1]).abs().mean(0)[both].median() < 5  # of 255; all but the red band
    assert (frames[0] - frames[1]).abs().mean(0)[both].max() > 60
    actions = {action.name: action for action in (*ACTIONS, *SOURCE)}  # croquet misleads: a hammer where one chops
    assert actions["croquet"].motion is actions["hammer"].motion
    assert actions["croquet"].home == actions["chop"].home != actions["hammer"].home


# Scenes


@pytest.mark.parametrize("name", [*SCENES, "paper"])
def test_a_scene_has_no_hole_wherever_the_camera_looks(name):
    scene = SCENES.get(name, backdrop)
    for seed in range(2):
        poses = {"x": [0.0, 1.6, -1.6], "y": [0.0, 0.6, -0.6], "turn": [0.0, 0.3, -0.3], "zoom": [1.0, 0.7, 1.6]}
        view = Camera(**{name: np.array(values) for name, values in poses.items()})
        parts = scene(np.random.default_rng(seed), view)
        picture = render(parts, view.to_pixels(24, 32), 24, 32)  # raises if there is one
        assert {part.kind for part in parts} == {"scene"}
        assert picture.frames.float().std() > 1 or name == "paper"


@pytest.mark.parametrize("name", SCENES)
def test_scenes_of_one_kind_differ_and_follow_from_the_seed(name):
    first, again, other = (
        render(SCENES[name](np.random.default_rng(seed), tripod(2)), tripod(2).to_pixels(32, 32), 32, 32).frames
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert (first.float() - other.float()).abs().mean() > 1


def test_the_camera_maps_body_units_to_pixels():
    point = tripod(2).to_pixels(49, 65)[0] @ [0.0, -1.75, 1.0]  # eye level is the middle of the image
    np.testing.assert_allclose(point, [32.0, 24.0, 1.0])
    below = tripod(2, zoom=2.0).to_pixels(49, 65)[0] @ [1.0, -1.75, 1.0]
    np.testing.assert_allclose(below, [32 + 2 * 49 / VIEW_HEIGHT, 24.0, 1.0])
    aside = tripod(2, x=1.0).to_pixels(49, 65)[0] @ [1.0, -1.75, 1.0]
    np.testing.assert_allclose(aside, [32.0, 24.0, 1.0])


@pytest.mark.parametrize("nearness", [0.1, 1.0, 1.25])
def test_what_is_far_moves_less_with_the_camera(nearness):
    view = Camera(*(np.array([0.0, value]) for value in (0.5, 0.2, 0.0)), zoom=np.ones(2))
    centre = (view.to_pixels(49, 49) @ view.layer(0.3, -1.0, nearness))[:, :2, 2]
    expected = -nearness * 10 * np.array([0.5, 0.2])  # 10 pixels a unit
    np.testing.assert_allclose(centre[1] - centre[0], expected, atol=1e-9)


def test_a_tripod_does_not_move_and_a_hand_does():
    def moved(strength):
        steps = []
        for seed in range(20):
            to_pixels = camera(np.random.default_rng(seed), 16, strength).to_pixels(100, 100)
            corners = to_pixels @ np.array([[-1.5, -3.0, 1.0], [1.5, -0.5, 1.0]]).T  # (T, 3, 2)
            steps.append(np.linalg.norm(np.diff(corners[:, :2], axis=0), axis=1).mean())
        return np.mean(steps)

    assert moved(0.0) == 0
    assert 0.5 < moved(1.0) < 2.0  # per cent of the image's height a frame
    assert moved(2.0) == pytest.approx(2 * moved(1.0), rel=0.2)


@pytest.mark.parametrize("front", [True, False])
def test_clutter_stands_at_the_sides(front):
    for seed in range(5):
        parts = clutter(np.random.default_rng(seed), tripod(2), 3, front=front)
        assert len(parts) == 3
        assert {part.kind for part in parts} == {"clutter"}
        assert all(abs(part.pose[0, 0, 2]) > (1.5 if front else 0.8) for part in parts)
    assert clutter(np.random.default_rng(0), tripod(2), 0, front=front) == []
