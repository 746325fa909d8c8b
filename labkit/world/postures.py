"""Postures, for stills: nothing moves but a little breath."""

import numpy as np

from labkit.world.motion import Motion, Pose, Timing
from labkit.world.puppet import SIDES, arm, arm_to, hand_on_hip, legs_to, other, planted


def hold(outwards: float, bend: float) -> Motion:
    """One arm raised outwards, its forearm bent further up, the other hanging."""
    return posture(outwards, bend, 0.16, 0.12)


def posture(
    raised: float,
    bent: float,
    other_raised: float,
    other_bent: float,
    *,
    drop: float = 0.03,
    spread: float = 0.22,
    lean: float = 0.0,
) -> Motion:
    """Both arms by the angles at shoulder and elbow, the legs by how far the hips come down and the feet apart."""

    def motion(t: Timing) -> Pose:
        breath = 0.05 * t.size * np.sin(t.beat)
        joints = arm(t.side, raised + breath, bent + breath) | arm(
            other(t.side), other_raised - breath, other_bent + breath
        )
        return Pose(joints | planted(drop, spread) | {"lean": SIDES[t.side] * (lean + 0.5 * breath)}, y=drop)

    return motion


def hands_at(x: float, y: float, *, one: bool = False, drop: float = 0.03, spread: float = 0.22) -> Motion:
    """Both hands at a place before the body, mirrored; or one, the other arm hanging."""

    def motion(t: Timing) -> Pose:
        breath = 0.03 * t.size * np.sin(t.beat)
        joints = arm_to(t.side, SIDES[t.side] * (x + breath), y + breath)
        free = other(t.side)
        if one:
            joints |= arm(free, 0.16 + breath, 0.12)
        else:
            joints |= arm_to(free, SIDES[free] * (x + breath), y - breath)
        return Pose(joints | planted(drop, spread) | {"nod": 1.5 * breath}, y=drop)

    return motion


def lunge(t: Timing) -> Pose:
    """A wide step to the side, one knee bent."""
    sign, sway = SIDES[t.side], 0.04 * t.size * np.sin(t.beat)
    bent, straight = (sign * 0.75 + sway, 0.85), (-sign * 0.7, 0.85)
    legs = legs_to(straight, bent) if t.side == "right" else legs_to(bent, straight)
    return Pose(hand_on_hip(t.side) | hand_on_hip(other(t.side)) | legs | {"lean": sign * 0.12 + sway}, y=0.33)


def balance(t: Timing) -> Pose:
    """On one leg, arms out."""
    sign, sway = SIDES[t.side], 0.06 * t.size * np.sin(t.beat)
    return Pose(
        arm("left", 1.45 + sway, 0.1)
        | arm("right", 1.45 - sway, 0.1)
        | {f"{t.side}_hip": -sign * (1.2 + sway), f"{t.side}_knee": sign * 2.0, "lean": sway},
    )
