"""A wide park in which six puppets are busy, in a motion without a beginning: for the first page of the site.

All that moves does so in a whole number of beats per loop, so the last frame leads back to the first one. The camera
is on a tripod: what does not move has no colour in the flow.
"""

import dataclasses
import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from labkit import viz, world
from labkit.world import meetings, motion, props, scenes
from labkit.world.actions import handled, perform, underfoot
from labkit.world.motion import Timing
from labkit.world.puppet import random_look
from labkit.world.render import Array, Part, transform

FRAMES, FPS = 24, 12
HEIGHT, WIDTH = 400, 1080
FULL_COLOUR = 12.0
"""The speed that gets full saturation, in pixels per frame of an image of this height."""

_VIEW_HEIGHT, _EYE_LEVEL = 5.05, -1.82  # body units, as in `labkit.world.scenes`
_FINE = 2  # painted so many times as fine, for smooth edges of frames and flow alike
_AT_A_TIME = 6  # frames
_LOOKS = (1022, 1001, 1037, 1025, 1020, 1018)


class Loop(NamedTuple):
    """Frames and flow of a cyclic clip.

    Attributes:
        frames: (T, 3, H, W) uint8.
        flow: (T, 3, H, W) uint8, the exact flow from each frame to the next as colour; the last one leads to the first.
        background: (3, H, W) uint8, the scene with nobody in it.
    """

    frames: Tensor
    flow: Tensor
    background: Tensor


def park_loop() -> Loop:
    """Paint the park, the same at every call."""
    size = (HEIGHT * _FINE, WIDTH * _FINE)
    view = scenes.tripod(FRAMES + 1)  # the first frame comes twice: the flow of the last one leads there
    lens = transform((size[1] - 1) / 2, (size[0] - 1) / 2, 0.0, size[0] / _VIEW_HEIGHT) @ transform(0, -_EYE_LEVEL)
    scene, cast = _scene(view), _cast()
    frames, flow = [], []
    for start in range(0, FRAMES, _AT_A_TIME):
        times = slice(start, start + _AT_A_TIME + 1)
        parts = [dataclasses.replace(part, pose=part.pose[times]) for part in (*scene, *cast)]
        rendering = world.render(parts, np.broadcast_to(lens, (len(parts[0].pose), 3, 3)), *size)
        frames.append(_shrunk(rendering.frames[:-1]))
        flow.append(_shrunk(viz.flow_to_rgb(rendering.forward, FULL_COLOUR * _FINE)))
    empty = world.render([dataclasses.replace(part, pose=part.pose[:1]) for part in scene], lens[None], *size)
    return Loop(torch.cat(frames), torch.cat(flow), _shrunk(empty.frames)[0])


def _shrunk(images: Tensor) -> Tensor:
    return F.avg_pool2d(images.float(), _FINE).round().to(torch.uint8)


def _scene(view: scenes.Camera) -> list[Part]:
    """Sky, sun and hills, and trees where nobody stands before them."""
    sky, sun, hills, lawn, *_ = scenes.park(np.random.default_rng(1000), view)
    parts = [sky, _moved(sun, -2.35, -0.35), hills, lawn]
    for seed, x in ((1001, -6.5), (1003, -3.9), (1002, 2.3), (1004, 4.45), (1005, 6.8)):
        trunk, crown, *_ = scenes.park(np.random.default_rng(seed), view)[4:]
        parts += [_moved(part, x - trunk.pose[0, 0, 2]) for part in (trunk, crown)]
    return parts


def _moved(part: Part, x: float, y: float = 0.0) -> Part:
    return dataclasses.replace(part, pose=transform(x, y) @ part.pose)


def _cast() -> list[Part]:
    """One rolls to and fro, one whirls the arms, two meet, one jumps, one plays ball."""
    skater, whirler, left, right, jumper, player = (random_look(np.random.default_rng(seed)) for seed in _LOOKS)
    roll = dataclasses.replace(motion.glide(_timing(1)), x=0.6 * np.sin(_turns(1)), gaze=0.0)
    meet_left, meet_right = meetings.high_five(_there_and_back())
    return [
        *perform(skater, _at(-5.4), roll, (underfoot(props.skateboard),)),
        *perform(whirler, _at(-2.9), motion.windmill(_timing(1, 0.64))),
        *perform(left, _at(0.0), meet_left, (), "left"),
        *perform(right, _at(0.0), meet_right, (), "right"),
        *perform(jumper, _at(3.5), motion.jump(_timing(2, 0.1))),
        *perform(player, _at(5.75), motion.dribble(_timing(3, side="left")), (handled(props.ball),), "left"),
    ]


def _at(x: float) -> Array:
    return transform(np.full(FRAMES + 1, x), 0.0)


def _turns(beats: float, phase: float = 0.0) -> Array:
    """The angle of so many beats per loop, in radians."""
    return 2 * math.pi * (beats * np.arange(FRAMES + 1) / FRAMES + phase)


def _timing(beats: int, phase: float = 0.0, side: str = "right") -> Timing:
    return Timing(FRAMES + 1, _turns(beats, phase), np.zeros(FRAMES + 1), side)


def _there_and_back() -> Timing:
    """Of a meeting: two come, and part as soon as they have met. Both are at rest where the loop closes."""
    there = np.arange(FRAMES + 1) / FRAMES
    near = 0.34 * np.clip((1 - np.abs(2 * there - 1)) / 0.9 - 0.05, 0, 1)
    return Timing(FRAMES + 1, _turns(2.5), np.where(there <= 0.5, near, 1 - near))
