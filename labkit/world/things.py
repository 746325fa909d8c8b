"""The source task of things: stills of props, buildings, scenes and shapes, before which people only pass by.

A network that has learned it knows *what is there*. It does not know *what is done*: who passes by does so in a random
moment of a random action, whatever the class is, so no posture tells anything. That is its difference from
`labkit.world.Source`, half of whose classes are postures.
"""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import torch

from labkit.world import actions as acts
from labkit.world import props
from labkit.world.buildings import FAMILIES, build, random_style
from labkit.world.clips import PuppetClips, generator, split_groups, whole_number
from labkit.world.light import photographed
from labkit.world.motion import Timing
from labkit.world.pairs import OUTLINES, outline, pattern
from labkit.world.puppet import random_look
from labkit.world.render import Array, Part, Rendering, render, transform
from labkit.world.scenes import EYE_LEVEL, SCENES, VIEW_HEIGHT, Camera, backdrop, clutter

PROPS: dict[str, props.Prop] = {
    prop.__name__: prop
    for prop in (
        props.hammer,
        props.axe,
        props.mallet,
        props.workbench,
        props.log,
        props.guitar,
        props.broom,
        props.skis,
        props.skateboard,
        props.chair,
        props.parcel,
        props.ball,
        props.cup,
        props.sword,
        props.umbrella,
        props.balloon,
        props.flag,
        props.racket,
        props.bucket,
        props.drum,
        props.trumpet,
        props.rod,
        props.book,
        props.surfboard,
    )
}

CLASSES = (*PROPS, *FAMILIES, *(f"scene {name}" for name in SCENES), *(f"shape {name}" for name in OUTLINES))
_MOVES = (*acts.ACTIONS, *acts.SECOND_ACTIONS, *acts.SOURCE, *acts.DISTRACTORS)


class Things(PuppetClips):
    """Clips of one frame: 24 props, 11 kinds of buildings, 9 scenes, 10 outlines with any pattern, 54 classes.

    Props and shapes float: in any size, a little turned, mostly in some scene, otherwise before paper. Half of the
    stills are as a cheap camera sees them (`labkit.world.light`). Every still is a group of its own.

    Args:
        seed: another seed is another world.
        split: 1, 2 or 3: which third of the stills tests.
        part: ``"train"``, ``"test"`` or ``"all"``.
        size: height and width in pixels.
        groups: stills of each class.
        people: how many pass by, on average.

    Raises:
        ValueError: an unknown split or part, or a number out of range.
    """

    classes = CLASSES

    def __init__(
        self,
        *,
        seed: int = 0,
        split: int = 1,
        part: str = "all",
        size: int = 64,
        groups: int = 180,
        people: float = 0.8,
    ) -> None:
        self.seed, self.size, self.people = whole_number(seed, 0, "seed"), whole_number(size, 16, "size"), float(people)
        if not 0 <= self.people < math.inf:
            raise ValueError(f"people must be a number, 0 or more; got {people!r}")
        numbers = split_groups(groups, split, part)
        places = [(label, number) for label in range(len(CLASSES)) for number in numbers]
        self.names = [f"{CLASSES[label].replace(' ', '-')}_{number:04d}" for label, number in places]
        self.labels = torch.tensor([label for label, _ in places])
        self.groups = torch.tensor([len(CLASSES) * number + label for label, number in places])
        super().__init__("things", {"seed": self.seed, "size": self.size, "people": self.people})

    def draw(self, index: int) -> Rendering:
        """Paint a still, whatever has been kept."""
        name = CLASSES[int(self.labels[index])]
        rng = generator(self.seed, "things", self.names[index])
        view = Camera(
            *(np.full(1, rng.uniform(*range_)) for range_ in ((-0.5, 0.5), (-0.1, 0.1), (-0.06, 0.06), (0.85, 1.25)))
        )
        back = _background(name, rng, view) + clutter(rng, view, int(rng.poisson(0.8)), front=False)
        middle = np.array([view.x[0] + rng.uniform(-0.9, 0.9), EYE_LEVEL + rng.uniform(-0.8, 0.9)])
        thing = _thing(name, rng, middle)
        people = [_passer(rng, view) for _ in range(rng.poisson(self.people))]
        behind, before = people[:1], people[1:] if rng.random() < 0.5 else []
        parts = [
            *back,
            *(part for group in behind for part in group),
            *thing,
            *(part for group in before for part in group),
        ]
        parts += clutter(rng, view, int(rng.poisson(0.3)), front=True)
        still = render(parts, view.to_pixels(self.size, self.size), self.size, self.size)
        gain = (1 + 0.15 * rng.uniform(-1, 1)) * (1 + 0.06 * rng.uniform(-1, 1, 3))
        lit = still.frames.float() * torch.tensor(gain, dtype=torch.float32)[:, None, None]
        frames = lit.round().clamp(0, 255).to(torch.uint8)
        return dataclasses.replace(still, frames=photographed(frames, rng) if rng.random() < 0.5 else frames)


def _background(name: str, rng: np.random.Generator, view: Camera) -> list[Part]:
    if name.startswith("scene "):
        return SCENES[name.removeprefix("scene ")](rng, view)
    if rng.random() < 0.75:
        return list(SCENES.values())[rng.integers(len(SCENES))](rng, view)
    return backdrop(rng, view)


def _thing(name: str, rng: np.random.Generator, middle: Array) -> list[Part]:
    """What the class is named after, with its middle at a point; nothing if it is a scene."""
    if name in PROPS:
        return _placed(PROPS[name], rng, (0.4, 0.85), 0.6, middle)
    if name in FAMILIES:
        things = build(random_style(rng, name), rng)
        eye = Camera(*(np.full(1, value) for value in (rng.uniform(-0.6, 0.6), 0.0, 0.0, 1.0)))
        return _placed(lambda _: [part for thing in things for part in thing.seen(eye)], rng, (0.45, 1.1), 0.12, middle)
    if name.startswith("shape "):
        across = rng.uniform(1.0, 3.0)
        shape = outline(name.removeprefix("shape "), rng, across)
        pose = transform(middle[0], middle[1], rng.uniform(-math.pi, math.pi))[None]
        return [Part("shape", shape, pattern(rng, across), pose, "prop")]
    return []


def _placed(
    make: Callable[[Array], list[Part]],
    rng: np.random.Generator,
    heights: tuple[float, float],
    turn: float,
    middle: Array,
) -> list[Part]:
    """Parts that are made at the origin, brought to a size (a fraction of the view's height), turned, and moved."""
    parts = make(np.eye(3)[None])
    centres = np.array([part.pose[0, :2] @ [*part.shape.centre, 1.0] for part in parts])  # (P, 2)
    scales = np.array([math.hypot(part.pose[0, 0, 0], part.pose[0, 1, 0]) for part in parts])
    halves = scales[:, None] * np.array([np.minimum(part.shape.half, part.shape.reach) for part in parts])  # (P, 2)
    low, high = (centres - halves).min(0), (centres + halves).max(0)
    size = rng.uniform(*heights) * VIEW_HEIGHT / (high - low).max()
    centre = -(low + high) / 2
    to_place = transform(middle[0], middle[1], rng.uniform(-turn, turn), size) @ transform(centre[0], centre[1])
    return [dataclasses.replace(part, pose=to_place[None] @ part.pose) for part in parts]


def _passer(rng: np.random.Generator, view: Camera) -> list[Part]:
    """Somebody in a random moment of a random action, with nothing in the hands."""
    action = _MOVES[rng.integers(len(_MOVES))]
    side = ("left", "right")[rng.integers(2)]
    when = Timing(1, rng.uniform(0, 2 * math.pi, 1), rng.uniform(0, 1, 1), side)
    spot = view.layer(rng.uniform(-1.6, 1.6), rng.uniform(-0.3, 0.5), 1.0, 0.0, rng.uniform(0.5, 1.1))
    return acts.perform(random_look(rng), spot, action.motion(when), (), side)


__all__ = ["CLASSES", "Things"]
