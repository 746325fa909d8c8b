"""How two puppets move when they meet: each function gives the left puppet's pose and the right one's."""

import numpy as np

from labkit.world.motion import Pose, Timing
from labkit.world.puppet import SIDES, Joints, arm_to, other
from labkit.world.render import Array


def handshake(t: Timing) -> tuple[Pose, Pose]:
    """Hands meet at the height of the hips and shake."""
    near, walking = _meeting(t)
    shake = 0.14 * t.size * near * np.sin(1.6 * t.beat)
    return _pair(t, near, walking, closest=0.98, inner=(0.98, -0.42 + shake), rest=(0.5, 0.05))


def high_five(t: Timing) -> tuple[Pose, Pose]:
    """Hands swing up and meet above the heads."""
    near, walking = _meeting(t)
    up = near**3
    return _pair(t, near, walking, closest=0.98, inner=(0.9, -1.72 + 1.5 * (1 - up)), rest=(0.5, 0.05), lift=up)


def hug(t: Timing) -> tuple[Pose, Pose]:
    """Close together, arms around each other."""
    near, walking = _meeting(t)
    return _pair(t, near, walking, closest=0.42, inner=(0.9, -0.78), rest=(0.45, 0.05), outer=(0.62, -0.5), lean=0.06)


def kiss(t: Timing) -> tuple[Pose, Pose]:
    """Close together, heads tilting towards each other, arms hanging."""
    near, walking = _meeting(t)
    return _pair(t, near, walking, closest=0.62, inner=None, rest=(0.42, 0.1), lean=0.2, nod=0.12)


_PACE = 3.2  # of coming and of going, in the progress of a meeting
_WAY = 0.25  # of a clip, from the first step to being there


def progress(frames: int, telling: float, early: float = 0.5) -> Array:
    """The progress ``(T,)`` of a meeting, 0 to 1, that is longer or shorter while coming and going take equally long.

    Args:
        frames: T.
        telling: fraction of the frames in which the two are nearer than half of their way, `_WAY` to 1.
        early: fraction of the other frames that come before these, 0 to 1; where there are none before, the clip begins
            when the two are there already, and so at its end.
    """
    together = round(telling * frames)
    before = round((frames - together) * early)
    time = np.arange(frames) - before + 0.5
    coming = 0.5 + time / (_WAY * frames) if before else np.ones(frames)
    going = 0.5 + (together - time) / (_WAY * frames) if before + together < frames else np.ones(frames)
    near = np.clip(np.minimum(coming, going), 0, 1) / _PACE
    return np.where(coming <= going, near, 1 - near)


def _meeting(t: Timing) -> tuple[Array, Array]:
    """How near two puppets are, 0 to 1 and back, and how much they walk."""
    near = np.clip(_PACE * np.minimum(t.progress, 1 - t.progress), 0, 1)
    near = near * near * (3 - 2 * near)
    speed = np.gradient(near) * t.frames if t.frames > 1 else 0 * near  # in clips, not frames: 24 frames or 96 alike
    return near, np.clip(np.abs(speed) / 4, 0, 1)


def _pair(
    t: Timing,
    near: Array,
    walking: Array,
    *,
    closest: float,
    inner: tuple[float | Array, float | Array] | None,
    rest: tuple[float, float],
    outer: tuple[float, float] | None = None,
    lean: float = 0.0,
    nod: float = 0.0,
    lift: Array | float = 0.0,
) -> tuple[Pose, Pose]:
    """Two mirrored poses; ``closest`` is half their distance at the meeting, ``inner`` where the hands go."""
    poses = []
    for side, sign in SIDES.items():
        inner_side, outer_side = other(side), side
        facing = -sign
        swing = 0.45 * walking * np.sin(0.9 * t.beat + (0.7 if sign > 0 else 0))
        joints: Joints = {
            "left_hip": -swing,
            "right_hip": swing,
            "left_knee": facing * walking * 0.35,
            "right_knee": facing * walking * 0.35,
            "lean": facing * lean * near,
            "nod": facing * nod * near,
        }
        goal = rest if inner is None else inner
        joints |= arm_to(
            inner_side,
            facing * ((1 - near) * rest[0] + near * goal[0]),
            (1 - near) * rest[1] + near * goal[1],
        )
        aim = rest if outer is None else outer
        turn = -1 if outer is None else 1  # an embracing arm crosses to the other side
        joints |= arm_to(
            outer_side,
            facing * (-(1 - near) * rest[0] + turn * near * aim[0]),
            (1 - near) * rest[1] + near * aim[1],
        )
        x = sign * (closest + (1.72 - closest) * (1 - near))
        poses.append(Pose(joints, x=x, y=-0.08 * lift, gaze=0.7 * facing))
    return poses[0], poses[1]
