"""Long clips: one action after the other, and cuts of the camera."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from labkit.world.actions import Action, Actor, Staging
from labkit.world.motion import Pose, timing
from labkit.world.render import Array, Part, transform
from labkit.world.scenes import Camera


def one_after_the_other(
    segments: Sequence[tuple[Action, int, int]], rng: np.random.Generator, frames: int, jitter: float
) -> tuple[Pose, list[Staging]]:
    """One motion after the other, crossfading, each with its things only while it lasts.

    Every motion continues from where the last one has led; the whole way lies around the middle.
    """
    time, fade = np.arange(frames), 3
    joints: dict[str, Array] = {}
    x, y = np.zeros(frames), np.zeros(frames)
    things: list[Staging] = []
    weights = np.zeros((len(segments), frames))
    for number, (_, start, end) in enumerate(segments):
        rise, fall = (time - start + fade) / (2 * fade), (end + fade - time) / (2 * fade)
        weights[number] = np.clip(rise, 0, 1) * np.clip(fall, 0, 1)
    weights[0, :fade], weights[-1, -fade:] = 1, 1
    weights /= weights.sum(0)
    gaze = 0.0
    for (action, start, end), weight in zip(segments, weights, strict=True):
        first, last = max(start - fade, 0), min(end + fade, frames)
        when = timing(rng, last - first, period=action.period, jitter=jitter)
        pose = action.motion(when)
        for name, angle in pose.joints.items():
            joints.setdefault(name, np.zeros(frames))[first:last] += weight[first:last] * angle
        x[first + 1 : last] += weight[first + 1 : last] * np.diff(pose.x + np.zeros(last - first))
        y[first:last] += weight[first:last] * pose.y
        if pose.gaze:
            gaze = pose.gaze
        things += [_while_shown(thing, start, end, when.side) for thing in action.things]
    x = np.cumsum(x)
    x -= (x.min() + x.max()) / 2
    return Pose(joints, x=x, y=y, gaze=0.29 * float(np.sign(gaze))), things


def _while_shown(thing: Staging, start: int, end: int, side: str) -> Staging:
    """A thing that is there only for a while, and where the puppet has got to by then."""

    def stage(actor: Actor) -> tuple[str, list[Part]]:
        x = np.asarray(actor.pose.x)[start]
        place, pose = actor.place @ transform(x, 0), dataclasses.replace(actor.pose, x=actor.pose.x - x)
        before, parts = thing(dataclasses.replace(actor, side=side, place=place, pose=pose))
        time = np.arange(len(place))
        shown = np.where((time >= start) & (time < end), 1.0, 1e-4)  # else too small to be seen
        return before, [dataclasses.replace(part, pose=part.pose @ transform(0, 0, 0, shown)) for part in parts]

    return stage


def cut(view: Camera, rng: np.random.Generator, cuts: int) -> Camera:
    """The camera jumps to another place, across the middle, a few times."""
    frames = len(view.x)
    x, zoom = np.clip(view.x, -0.8, 0.8), view.zoom.copy()
    for at in np.sort(rng.choice(np.arange(frames // 6, frames - frames // 6), cuts, replace=False)):
        x[at:] -= (1 if x[at] > 0 else -1) * rng.uniform(0.4, 0.9)
        zoom[at:] *= np.exp(rng.uniform(-0.25, 0.25))
    return dataclasses.replace(view, x=np.clip(x, -1.2, 1.2), zoom=np.clip(zoom, 0.75, 1.4))
