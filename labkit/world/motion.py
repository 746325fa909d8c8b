"""How puppets move: every action is a function from a `Timing` to a `Pose`.

Repeated actions swing with a beat of so many frames; actions that happen once follow a progress from 0 to 1 that
starts and ends somewhere within the clip. The second of two actions that are each other's reverse is the first with
its progress running backwards: the same postures, in the opposite order, and nothing else.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from labkit.world.puppet import SIDES, Joints, arm, arm_to, hand_on_hip, other, planted
from labkit.world.render import Array


@dataclass(frozen=True)
class Timing:
    """When things happen in a clip, and how this actor does them.

    Attributes:
        frames: T.
        beat: (T,) phase of repeated motion, in radians.
        progress: (T,) from 0 to 1, for what happens once.
        side: ``"left"`` or ``"right"``: the hand that does it, or the direction to go.
        size: how large the movements are; about 1.
    """

    frames: int
    beat: Array
    progress: Array
    side: str = "right"
    size: float = 1.0


@dataclass(frozen=True)
class Pose:
    """A motion: the joints, and where the hips are (body units from the place to stand, y up is negative).

    Each is (T,), or a number where it stays. ``gaze`` is the direction of the look; ``object`` the way of a thing that
    is handled, in the actor's coordinates.
    """

    joints: Mapping[str, Array | float]
    x: Array | float = 0.0
    y: Array | float = 0.0
    gaze: float = 0.0
    object: tuple[Array | float, Array] | None = None


Motion = Callable[[Timing], Pose]


def timing(rng: np.random.Generator, frames: int, *, period: float = 9.0, jitter: float = 1.0) -> Timing:
    """Draw when and how: tempo, phase, beginning and end, side and size.

    Args:
        rng: where the draws come from.
        frames: T.
        period: frames per beat, on average.
        jitter: strength of all variation; with 0 everyone does it alike.
    """
    time = np.arange(frames, dtype=np.float64)
    tempo = period * (1 + 0.15 * jitter * rng.uniform(-1, 1))
    start = (frames - 1) * (0.1 + 0.1 * jitter * rng.uniform(-1, 1))
    end = (frames - 1) * (0.85 + 0.1 * jitter * rng.uniform(-1, 1))
    linear = np.clip((time - start) / max(end - start, 1e-6), 0, 1)
    return Timing(
        frames=frames,
        beat=2 * math.pi * (time / tempo + rng.random()),
        progress=linear * linear * (3 - 2 * linear),
        side=("left", "right")[rng.integers(2)],
        size=1 + 0.12 * jitter * rng.uniform(-1, 1),
    )


def reverse(motion: Motion) -> Motion:
    """The same motion with its progress running backwards."""
    return lambda t: motion(dataclasses.replace(t, progress=1 - t.progress))


# Repeated motions


def strike(t: Timing) -> Pose:
    """One arm swings down from above the head, again and again: to hammer, to chop."""
    up = _pulse(t.beat)
    return Pose(
        arm(t.side, 0.95 + 1.75 * t.size * up, 0.15 + 0.75 * up)
        | hand_on_hip(other(t.side))
        | planted(0.04 + 0.06 * (1 - up), 0.3)
        | {"lean": SIDES[t.side] * (0.12 - 0.2 * up), "nod": SIDES[t.side] * 0.1},
        y=0.04 + 0.06 * (1 - up),
    )


def strum(t: Timing) -> Pose:
    """Both hands on one long thing that rocks to and fro: a guitar, a broom."""
    sway = 0.16 * t.size * np.sin(t.beat)
    return Pose(
        arm_to("left", -0.66 + 0.6 * sway, -0.9 - 0.3 * sway, elbow="in")
        | arm_to("right", 0.24 + 0.9 * sway, -0.18 + 0.5 * sway)
        | planted(0.03, 0.24)
        | {"lean": 0.4 * sway, "nod": 0.5 * sway},
        y=0.03,
    )


def glide(t: Timing) -> Pose:
    """Crouched, swaying, arms out for balance, along the ground: on skis, on a board."""
    sway, sign = 0.28 * t.size * np.sin(t.beat), SIDES[t.side]
    drop = 0.3 + 0.08 * np.cos(2 * t.beat)
    return Pose(
        arm("left", 1.25 + sway, 0.2)
        | arm("right", 1.25 - sway, 0.2)
        | planted(drop, 0.32)
        | {"lean": 0.6 * sway + 0.08 * sign, "nod": -0.5 * sway},
        x=sign * 0.085 * (np.arange(t.frames) - (t.frames - 1) / 2),
        y=drop,
        gaze=0.6 * sign,
    )


def wave(t: Timing) -> Pose:
    """One hand raised, from side to side."""
    swing = t.size * np.sin(t.beat)
    return Pose(
        arm(t.side, 2.15 + 0.12 * swing, 0.45 + 0.55 * swing)
        | arm(other(t.side), 0.15 + 0.03 * swing, 0.1)
        | planted(0.02)
        | {"nod": SIDES[t.side] * 0.08 * swing},
        y=0.02,
    )


def clap(t: Timing) -> Pose:
    """Both hands meet in front of the chest."""
    apart = 0.09 + 0.27 * t.size * (1 + np.cos(t.beat))
    return Pose(
        arm_to("left", -apart, -0.62 + 0.25 * apart) | arm_to("right", apart, -0.62 + 0.25 * apart) | planted(0.02),
        y=0.02,
    )


def jump(t: Timing) -> Pose:
    """Down, up into the air, and down again, the arms flying up."""
    swing = np.sin(t.beat)
    height, drop = 0.62 * t.size * np.maximum(swing, 0), 0.34 * t.size * np.maximum(-swing, 0)
    raised = 0.3 + 1.9 * np.clip(0.35 + swing, 0, 1)
    return Pose(
        arm("left", raised, 0.2) | arm("right", raised, 0.2) | planted(drop, 0.22),
        y=drop - height,
    )


def squat(t: Timing) -> Pose:
    """Knees bent and stretched, the arms held out."""
    drop = 0.04 + 0.3 * t.size * (1 - np.cos(t.beat))
    return Pose(
        arm_to("left", -0.2, -0.66) | arm_to("right", 0.2, -0.66) | planted(drop, 0.3),
        y=drop,
    )


def walk(t: Timing) -> Pose:
    """Step by step to the side, arms swinging."""
    sign = SIDES[t.side]
    swing = sign * 0.5 * t.size * np.sin(0.8 * t.beat)  # a knee is bent while its leg comes forward
    lift = 0.35 * np.cos(0.8 * t.beat)
    return Pose(
        {
            "left_hip": -0.95 * swing,
            "right_hip": 0.95 * swing,
            "left_knee": sign * (0.35 + lift),
            "right_knee": sign * (0.35 - lift),
            "left_shoulder": 0.9 * swing,
            "right_shoulder": -0.9 * swing,
            "left_elbow": -sign * 0.4,
            "right_elbow": -sign * 0.4,
            "lean": sign * (0.06 + 0.03 * swing),
        },
        x=sign * 0.105 * (np.arange(t.frames) - (t.frames - 1) / 2),
        y=0.05 * np.cos(1.6 * t.beat),
        gaze=0.7 * sign,
    )


def walk_left(t: Timing) -> Pose:
    """Step by step to the left."""
    return walk(dataclasses.replace(t, side="left"))


def walk_right(t: Timing) -> Pose:
    """Step by step to the right."""
    return walk(dataclasses.replace(t, side="right"))


def windmill(t: Timing) -> Pose:
    """Both stretched arms go round and round."""
    turn = t.beat if t.side == "right" else -t.beat
    return Pose(
        {"left_shoulder": turn, "right_shoulder": turn + math.pi, "lean": 0.06 * np.sin(t.beat)} | planted(0.02), y=0.02
    )


def march(t: Timing) -> Pose:
    """On the spot, the knees high."""
    joints: Joints = {}
    for side, lift in (("left", np.maximum(np.sin(t.beat), 0)), ("right", np.maximum(-np.sin(t.beat), 0))):
        sign = SIDES[side]
        joints |= {f"{side}_hip": -sign * 1.25 * t.size * lift, f"{side}_knee": sign * 1.35 * t.size * lift}
        joints |= arm(other(side), 0.25 + 0.6 * lift, 0.3 + 0.6 * lift)
    return Pose(joints, y=-0.04 * np.cos(2 * t.beat))


def kick(t: Timing) -> Pose:
    """One leg swings out to the side."""
    out, sign = _pulse(t.beat), SIDES[t.side]
    return Pose(
        arm("left", 0.8 + 0.3 * out, 0.3)
        | arm("right", 0.8 + 0.3 * out, 0.3)
        | {
            f"{t.side}_hip": -sign * (1.35 * t.size * out - 0.1),
            f"{t.side}_knee": sign * 0.5 * (1 - out),
            "lean": -sign * 0.25 * out,
        },
    )


def slash(t: Timing) -> Pose:
    """One stretched arm draws wide arcs at the side: with a sword."""
    swing = t.size * np.sin(t.beat)
    return Pose(
        arm(t.side, 1.5 + 0.95 * swing, 0.1 + 0.25 * np.cos(t.beat))
        | hand_on_hip(other(t.side))
        | planted(0.08, 0.38)
        | {"lean": -SIDES[t.side] * 0.1 * swing},
        y=0.08,
    )


def dribble(t: Timing) -> Pose:
    """One hand pushes a ball down to the ground and meets it again."""
    height, sign = np.abs(np.cos(t.beat / 2)), SIDES[t.side]
    x = sign * 0.85
    return Pose(
        arm_to(t.side, x, -0.1 - 0.35 * height) | hand_on_hip(other(t.side)) | planted(0.12, 0.28),
        y=0.12,
        object=(x, 1.05 - 1.05 * height),
    )


# Motions that happen once


def sit_down(t: Timing) -> Pose:
    """Onto the chair behind; reversed, to stand up."""
    drop = 0.02 + 0.56 * t.progress
    bow = np.sin(math.pi * t.progress)
    knees = 0.16 + 0.24 * t.progress
    return Pose(
        arm_to("left", -0.34 - knees * 0.2, -0.1 + 0.12 * t.progress - 0.2 * bow)
        | arm_to("right", 0.34 + knees * 0.2, -0.1 + 0.12 * t.progress - 0.2 * bow)
        | planted(drop, 0.26)
        | {"lean": SIDES[t.side] * 0.1 * bow, "nod": SIDES[t.side] * 0.12 * bow},
        y=drop,
    )


def open_arms(t: Timing) -> Pose:
    """From the sides up to a wide embrace; reversed, to close them."""
    out = 0.12 + 1.6 * t.size * t.progress
    return Pose(arm("left", out, 0.1) | arm("right", out, 0.1) | planted(0.02), y=0.02)


def pick_up(t: Timing) -> Pose:
    """Down to a thing on the ground, and up with it; reversed, to put it down."""
    sign = SIDES[t.side]
    down = np.sin(math.pi * np.clip(t.progress, 0, 1)) ** 1.5
    held = np.clip(2 * t.progress - 1, 0, 1)
    drop, lean = 0.1 + 0.42 * down, 0.75 * down
    # Hand in the actor's coordinates: hanging -> on the thing -> before the chest, with it.
    rest, floor, chest = (0.55, 0.1), (1.12, 0.98), (0.4, -0.55)
    reach = np.clip(2 * t.progress, 0, 1)
    hand_x = sign * ((1 - reach) * rest[0] + reach * ((1 - held) * floor[0] + held * chest[0]))
    hand_y = (1 - reach) * rest[1] + reach * ((1 - held) * floor[1] + held * (chest[1] + drop)) - drop
    cos, sin = np.cos(sign * lean), np.sin(sign * lean)
    joints = arm_to(t.side, cos * hand_x + sin * hand_y, -sin * hand_x + cos * hand_y)  # into the leaning torso
    return Pose(
        joints | hand_on_hip(other(t.side)) | planted(drop, 0.34) | {"lean": sign * lean, "nod": sign * 0.25 * down},
        y=drop,
        object=(
            sign * ((1 - held) * floor[0] + held * chest[0]),
            (1 - held) * (floor[1] + 0.13) + held * (chest[1] + drop),
        ),
    )


def throw(t: Timing) -> Pose:
    """A ball overarm, up and away."""
    sign = SIDES[t.side]
    wind, out = np.clip(2 * t.progress, 0, 1), np.clip(2.5 * t.progress - 1.5, 0, 1)
    held = np.minimum(out, 0.4)  # from then on the ball flies

    def hand(out: Array) -> tuple[Array, Array]:
        turn, reach = 0.3 + 2.8 * wind - 1.4 * out, 0.95 - 0.25 * wind * (1 - out)
        return sign * (0.3 + reach * np.sin(turn)), -0.86 + reach * np.cos(turn)

    x, y = hand(held)
    flown, drop = out - held, 0.05 + 0.1 * wind * (1 - out)
    return Pose(
        arm_to(t.side, *hand(out)) | hand_on_hip(other(t.side)) | planted(drop, 0.34) | {"lean": sign * 0.3 * flown},
        y=drop,
        gaze=0.5 * sign,
        object=(x + sign * 2.6 * flown, y + drop - 1.2 * flown + 1.5 * flown**2),
    )


def drink(t: Timing) -> Pose:
    """A cup to the mouth and back, the head tilting."""
    up, sign = np.sin(math.pi * t.progress), SIDES[t.side]
    x, y = sign * (0.62 - 0.4 * up + 0.3 * np.sin(math.pi * up)), -0.3 - 0.95 * up
    return Pose(
        arm_to(t.side, x, y) | arm(other(t.side), 0.15, 0.1) | planted(0.02) | {"nod": -sign * 0.2 * up},
        y=0.02,
    )


# Between actions


def idle(t: Timing) -> Pose:
    """Standing about, breathing."""
    sway = 0.03 * np.sin(0.6 * t.beat)
    return Pose(
        arm("left", 0.16 + sway, 0.12)
        | arm("right", 0.16 - sway, 0.12)
        | planted(0.03 + 0.3 * np.abs(sway))
        | {"lean": sway, "nod": -sway},
        y=0.03 + 0.3 * np.abs(sway),
    )


def scratch(t: Timing) -> Pose:
    """A hand goes to the head for a moment."""
    up, sign = np.sin(math.pi * t.progress), SIDES[t.side]
    return Pose(
        arm_to(
            t.side,
            sign * (0.6 - 0.12 * up + 0.25 * np.sin(math.pi * up)),
            -0.02 - 1.5 * up + 0.05 * np.sin(2 * t.beat) * up,
        )
        | arm(other(t.side), 0.16, 0.1)
        | planted(0.02)
        | {"nod": sign * 0.15 * up},
        y=0.02,
    )


def look_around(t: Timing) -> Pose:
    """Shifting the weight, turning the head."""
    sway = 0.14 * t.size * np.sin(0.5 * t.beat)
    return Pose(
        hand_on_hip(t.side)
        | arm(other(t.side), 0.2 + 0.3 * sway, 0.1)
        | planted(0.02)
        | {"lean": 0.5 * sway, "nod": -1.3 * sway},
        x=0.5 * sway,
        y=0.02,
    )


def stretch(t: Timing) -> Pose:
    """Both arms overhead for a moment."""
    up = np.sin(math.pi * t.progress)
    return Pose(
        arm("left", 0.2 + 2.5 * up, 0.3 - 0.3 * up)
        | arm("right", 0.2 + 2.5 * up, 0.3 - 0.3 * up)
        | planted(0.02)
        | {"lean": SIDES[t.side] * 0.12 * up},
        y=0.02,
    )


def _pulse(beat: Array) -> Array:
    """From 0 up to 1 and quickly down again."""
    return 0.5 - 0.5 * np.cos(beat + 0.6 * np.sin(beat))
