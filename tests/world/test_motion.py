import math

import numpy as np
import pytest

from labkit.world import meetings, motion
from labkit.world.actions import ACTIONS, DISTRACTORS, INTERACTIONS, SECOND_ACTIONS, SOURCE, perform
from labkit.world.motion import Timing, timing
from labkit.world.puppet import random_look
from labkit.world.render import transform

SINGLE = {action.name: action for action in (*ACTIONS, *SECOND_ACTIONS, *DISTRACTORS, *SOURCE)}
EVERY = SINGLE | {meeting.name: meeting for meeting in INTERACTIONS}
SOLE = 0.14  # of an ankle above the ground, standing
HAND = 0.14  # radius


def poses(name, when):
    """One pose, or two, as a list."""
    found = EVERY[name].motion(when)
    return list(found) if isinstance(found, tuple) else [found]


def tracks(pose, frames):
    """Everything that moves, by name: (T,) each."""
    moving = {**pose.joints, "x": pose.x, "y": pose.y}
    if pose.object is not None:
        moving |= {"object x": pose.object[0], "object y": pose.object[1]}
    return {name: np.broadcast_to(np.asarray(track, float), frames) for name, track in moving.items()}


def evenly(frames, side="right", size=1.0, beats=2.0):
    """A timing without chance: progress and beat are even."""
    return Timing(frames, np.linspace(0, 2 * math.pi * beats, frames), np.linspace(0, 1, frames), side, size)


def acted(name, when):
    """Positions (T, 2) of all parts by name, the puppet standing at the origin; of each puppet of a pair."""
    ground, look = transform(np.zeros(when.frames), 0), random_look(np.random.default_rng(0))
    things = getattr(EVERY[name], "things", ())
    casts = [perform(look, ground, pose, things, when.side) for pose in poses(name, when)]
    return [{part.name: part.pose[:, :2, 2] for part in cast} for cast in casts]


def distance(first, second):
    return np.hypot(*(first - second).T)


# When


def test_progress_rises_once_from_0_to_1():
    starts, ends = [], []
    for seed in range(100):
        when = timing(np.random.default_rng(seed), 101)
        assert (np.diff(when.progress) >= 0).all()
        starts.append(np.flatnonzero(when.progress > 0)[0])
        ends.append(np.flatnonzero(when.progress >= 1 - 1e-9)[0] if when.progress[-1] >= 1 - 1e-9 else 101)
    assert 0 <= min(starts) < 5 < 15 < max(starts) <= 21  # of 100: a tenth, and up to a tenth more or less
    assert 75 <= min(ends) < 80 < 90 < max(ends) <= 96


def test_beats_have_their_period():
    tempos = []
    for seed in range(100):
        when = timing(np.random.default_rng(seed), 20, period=8.0)
        steps = np.diff(when.beat)
        np.testing.assert_allclose(steps, steps[0])
        tempos.append(2 * math.pi / steps[0])
    assert 8 * 0.85 <= min(tempos) < 7.0
    assert 9.0 < max(tempos) <= 8 * 1.15


def test_without_jitter_all_do_it_alike_but_for_phase_and_side():
    first, second = (timing(np.random.default_rng(seed), 16, jitter=0.0) for seed in (1, 2))
    assert np.array_equal(first.progress, second.progress)
    assert first.size == second.size == 1
    np.testing.assert_allclose(np.diff(first.beat), 2 * math.pi / 9)
    assert first.beat[0] != second.beat[0]
    assert {timing(np.random.default_rng(seed), 4).side for seed in range(9)} == {"left", "right"}


# All motions


@pytest.mark.parametrize("name", EVERY)
def test_joints_are_numbers_and_turn_no_faster_than_an_eye_can_follow(name):
    for seed in range(2):
        for frames in (1, 2, 5, 12, 24, 60):
            when = timing(np.random.default_rng([seed, frames]), frames, period=EVERY[name].period)
            for pose in poses(name, when):
                for track, values in tracks(pose, frames).items():
                    assert np.isfinite(values).all(), track
                    if track in ("x", "y"):
                        assert abs(values).max() <= max(1.8, 0.06 * frames), (track, frames)
                    elif name != "windmill" and not track.startswith("object"):
                        assert abs(values).max() < 5, (track, frames)
                    if frames >= 12:
                        assert abs(np.diff(values)).max() < (0.9 if track in ("x", "y") else 2.3), (track, frames)


@pytest.mark.parametrize("name", EVERY)
def test_motions_are_continuous(name):
    """Looked at ten thousand times a beat, nothing moves far from one look to the next."""
    for pose in poses(name, evenly(20001, "left", 1.12)):
        for track, values in tracks(pose, 20001).items():
            if track == "x" and name in ("ski", "skateboard", "walk_left", "walk_right"):
                np.testing.assert_allclose(np.diff(values), values[1] - values[0])  # so much a frame
            else:
                assert abs(np.diff(values)).max() < 0.05, track


STEPPING = {"balance", "jump", "kick", "march", "walk_left", "walk_right", *(meeting.name for meeting in INTERACTIONS)}


@pytest.mark.parametrize("name", EVERY)
def test_planted_feet_stand_on_the_ground_and_no_foot_goes_below_it(name):
    for cast in acted(name, evenly(81, "left", 1.12)):
        for foot in ("left foot", "right foot"):
            assert cast[foot][:, 1].max() < -SOLE + 0.06
            if name not in STEPPING:
                np.testing.assert_allclose(cast[foot][:, 1], -SOLE, atol=2e-3)


@pytest.mark.parametrize("name", ["balance", "kick"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_one_leg_stands_while_the_other_is_up(name, side):
    (cast,) = acted(name, evenly(81, side))
    other = "left" if side == "right" else "right"
    np.testing.assert_allclose(cast[f"{other} foot"][:, 1], -SOLE, atol=2e-3)
    assert cast[f"{side} foot"][:, 1].min() < -0.6


# Families


@pytest.mark.parametrize(("first", "second"), [("hammer", "chop"), ("guitar", "broom"), ("ski", "skateboard")])
def test_appearance_pairs_share_their_motion_and_nothing_else(first, second):
    first, second = SINGLE[first], SINGLE[second]
    assert first.motion is second.motion
    assert first.period == second.period
    assert first.home != second.home
    shown = [set(acted(action.name, evenly(3))[0]) for action in (first, second)]
    assert len(shown[0] - shown[1]) >= 1
    assert len(shown[1] - shown[0]) >= 1


@pytest.mark.parametrize(
    ("there", "back"), [("sit_down", "stand_up"), ("open_arms", "close_arms"), ("pick_up", "put_down")]
)
def test_reversed_pairs_are_the_same_postures_backwards(there, back):
    progress = np.array([0.0, 0.02, 0.3, 0.5, 0.77, 1.0])
    beat = np.linspace(0, 5, 6)
    first = tracks(SINGLE[there].motion(Timing(6, beat, progress, "left", 1.1)), 6)
    second = tracks(SINGLE[back].motion(Timing(6, beat, 1 - progress, "left", 1.1)), 6)
    assert first.keys() == second.keys()
    for track in first:
        np.testing.assert_allclose(first[track], second[track], rtol=0, atol=1e-12)
    assert max(abs(np.diff(values)).max() for values in first.values()) > 0.3  # and something moves
    assert SINGLE[there].things == SINGLE[back].things or len(SINGLE[there].things) == len(SINGLE[back].things) == 1


def test_walking_left_is_walking_right_in_the_mirror():
    beat = np.linspace(0, 9, 33)
    left = tracks(motion.walk_left(Timing(33, beat, beat, "right", 1.05)), 33)
    right = tracks(motion.walk_right(Timing(33, beat + math.pi / 0.8, beat, "left", 1.05)), 33)  # half a step later
    assert (np.diff(right["x"]) > 0.05).all()
    other = {"left": "right", "right": "left"}
    for track, values in left.items():
        side, _, joint = track.partition("_")
        mirrored = right[f"{other[side]}_{joint}"] if joint else right[track]
        np.testing.assert_allclose(values, mirrored if track == "y" else -mirrored, atol=1e-12)


def test_a_knee_is_bent_while_its_leg_comes_forward():
    for name, sign in (("walk_right", 1), ("walk_left", -1)):
        when = evenly(201, beats=5)  # of legs 4: they swing at 0.8 of the beat
        (pose,), (cast,) = poses(name, when), acted(name, when)
        for side in ("left", "right"):
            forward = sign * np.gradient(cast[f"{side} shin"][:, 0] - cast["hips"][:, 0]) > 0  # goes the knee
            bent = abs(pose.joints[f"{side}_knee"])
            assert bent[forward].mean() > bent[~forward].mean() + 0.3


# One by one


def test_clapping_hands_meet_and_part():
    (cast,) = acted("clap", evenly(97))
    apart = distance(cast["left hand"], cast["right hand"])
    assert apart.min() < 1.5 * HAND
    assert apart.max() > 1.0
    np.testing.assert_allclose(cast["left hand"][:, 0], -cast["right hand"][:, 0], atol=1e-6)


def test_a_jump_leaves_the_ground_by_as_much_as_it_should():
    when = evenly(97, size=1.1)
    (cast,) = acted("jump", when)
    height = 0.62 * 1.1 * np.maximum(np.sin(when.beat), 0)
    np.testing.assert_allclose(cast["left foot"][:, 1], -SOLE - height, atol=2e-3)


def test_a_wave_is_of_one_raised_hand():
    (cast,) = acted("wave", evenly(97, "left"))
    assert cast["left hand"][:, 1].max() < cast["left upper arm"][0, 1]  # above the shoulder, all along
    assert np.ptp(cast["left hand"][:, 0]) > 0.3
    assert np.ptp(cast["right hand"], axis=0).max() < 0.1


@pytest.mark.parametrize("name", ["hammer", "chop"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_blow_comes_down_on_its_target(name, side):
    (cast,) = acted(name, evenly(193, side))
    tool, goal = ("hammer head", "bench top") if name == "hammer" else ("axe blade", "log")
    assert distance(cast[tool], cast[goal]).min() < 0.75
    assert (cast[tool][:, 1].min() < cast["head"][:, 1]).any()  # and it starts above the head


def test_sitting_comes_down_on_the_seat():
    (cast,) = acted("sit_down", evenly(11))
    assert cast["hips"][0, 1] < -1.3
    assert -1.0 < cast["hips"][-1, 1] < -0.7
    assert abs(cast["hips"][-1, 1] - cast["seat"][-1, 1]) < 0.35


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_parcel_stays_on_the_ground_until_a_hand_has_it_and_then_in_the_hand(side):
    when = evenly(101, side)
    (cast,) = acted("pick_up", when)
    hand, parcel = cast[f"{side} hand"], cast["parcel"]
    lifted = when.progress >= 0.5
    assert np.ptp(parcel[~lifted], axis=0).max() == 0
    assert -0.3 < parcel[0, 1] + 0.21 < 0.1  # its lower edge, at the ground
    apart = distance(hand, parcel)
    assert apart[0] > 1
    assert apart[lifted].max() < 0.21 + HAND  # the hand touches it
    assert (np.diff(apart[lifted]) < 1e-6).all()
    assert apart[-1] < 1e-6
    assert parcel[-1, 1] < parcel[0, 1] - 1


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_ball_leaves_the_hand_that_throws_it(side):
    when = evenly(201, side)
    (cast,) = acted("throw", when)
    apart, sign = distance(cast[f"{side} hand"], cast["ball"]), -1 if side == "left" else 1
    released = when.progress > 0.76
    assert apart[~released].max() < 1e-6
    assert (np.diff(apart[released]) > 0).all()
    assert apart[-1] > 1
    assert (sign * np.diff(cast["ball"][released, 0]) > 0).all()
    assert cast["ball"][released, 1].max() < -1.4  # it flies at the height of a head


def test_a_dribbled_ball_goes_from_the_hand_to_the_ground_and_back():
    (cast,) = acted("dribble", evenly(193))
    ball = cast["ball"]
    assert -0.3 < ball[:, 1].max() < -0.2  # a radius above the ground
    assert distance(cast["right hand"], ball).min() < 0.24 + HAND


def test_a_cup_comes_to_the_mouth():
    (cast,) = acted("drink", evenly(101))
    reach = distance(cast["right hand"], cast["head"])
    assert reach[50] == reach.min()
    assert reach[50] < 0.55
    assert reach[0] > 1


# Two


def closest(name, part, other, size=1.0):
    left, right = acted(name, evenly(241, size=size))
    return distance(left[part], right[other])


@pytest.mark.parametrize("name", ["handshake", "high_five", "hug", "kiss"])
@pytest.mark.parametrize("size", [0.88, 1.12])
def test_two_come_together_and_part(name, size):
    apart = closest(name, "hips", "hips", size)
    middle = len(apart) // 2
    assert apart[0] > 3.3
    assert apart[-1] > 3.3
    assert apart[middle] < 2.0
    half = len(apart) * 3 // 10
    assert (np.diff(apart[:half]) <= 1e-3).all()
    assert (np.diff(apart[-half:]) >= -1e-3).all()


@pytest.mark.parametrize("name", ["handshake", "high_five"])
def test_hands_meet(name):
    apart = closest(name, "right hand", "left hand")
    assert apart.min() < 2 * HAND
    assert apart[120] < 2 * HAND
    assert apart[0] > 1
    assert apart[-1] > 1
    cast = acted(name, evenly(241))[0]
    height, head = cast["right hand"][120, 1], cast["head"][120, 1]  # y points down
    assert height < head if name == "high_five" else head < height < -0.5


def test_a_hug_holds_and_a_kiss_joins_heads():
    left, right = acted("hug", evenly(241))
    for hand in ("left hand", "right hand"):
        assert distance(left[hand][[120]], right["torso"][[120]])[0] < 1.0
        assert left[hand][120, 0] > left["torso"][120, 0] + 0.3  # both arms reach across
    heads = closest("kiss", "head", "head")
    assert heads[120] == pytest.approx(heads.min())
    assert heads[120] < 0.46 + 0.4  # two radii, nearly: they overlap a little
    assert closest("handshake", "head", "head").min() > 1.5


@pytest.mark.parametrize("name", ["handshake", "high_five", "hug", "kiss"])
def test_the_two_are_mirror_images(name):
    left, right = poses(name, evenly(41, beats=0))
    np.testing.assert_allclose(left.x, -np.asarray(right.x))
    assert left.gaze == -right.gaze
    for joint in ("shoulder", "elbow"):
        for side, other in (("left", "right"), ("right", "left")):
            np.testing.assert_allclose(left.joints[f"{side}_{joint}"], -right.joints[f"{other}_{joint}"], atol=1e-9)


def test_legs_walk_alike_however_many_frames_there_are():
    strides = []
    for frames in (24, 96):
        when = timing(np.random.default_rng(0), frames, jitter=0.0, period=frames)
        strides.append(abs(meetings.handshake(when)[0].joints["left_knee"]).max())
    assert strides[0] == pytest.approx(strides[1], rel=0.1)
    assert strides[0] > 0.3


def test_a_meeting_takes_its_time():
    """Coming and going take a quarter of a clip each; the rest is for being together, and for being apart."""
    near, _ = meetings._meeting(Timing(16, np.zeros(16), meetings.progress(16, 0.5)))
    # 8 of 16 frames; the half-way points lie between frames 3 and 4 and between frames 11 and 12, 4 frames long
    steps = np.array([0, 0, 1 / 8, 3 / 8, 5 / 8, 7 / 8, 1, 1])
    np.testing.assert_allclose(
        near, np.concatenate([steps, steps[::-1]]) ** 2 * (3 - 2 * np.concatenate([steps, steps[::-1]]))
    )
    first, _ = meetings._meeting(Timing(16, np.zeros(16), meetings.progress(16, 0.5, early=0.0)))
    assert (first[:6] == 1).all()  # they are there when the clip begins
    assert ((first >= 0.5).sum(), first[-1]) == (8, 0)
    always, walking = meetings._meeting(Timing(16, np.zeros(16), meetings.progress(16, 1.0)))
    assert (always == 1).all()
    assert (walking == 0).all()
