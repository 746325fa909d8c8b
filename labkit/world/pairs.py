"""Flow pairs: things fly over a background, as chairs do in FlyingChairs, to teach a network what optical flow is.

A pair is a clip of two frames. Whatever flies (patterned shapes, now and then a puppet, a guitar or a chair) has a
shift, a turn and a zoom of its own, on top of the camera's. Grain is glued to everything, so there is something to
match everywhere. Flow in both directions and what gets hidden are exact, as everywhere in the world.
"""

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
import torch

from labkit.checks import require_positive
from labkit.world import actions as acts
from labkit.world import props
from labkit.world.clips import PuppetClips, generator, whole_number
from labkit.world.puppet import CLOTHES, HIP_HEIGHT
from labkit.world.render import Array, Part, Rendering, Shape, Texture, render, transform
from labkit.world.scenes import EYE_LEVEL, POSTER, SCENES, VIEW_HEIGHT, tripod
from labkit.world.shapes import (
    Colour,
    box,
    capsule,
    checks,
    clouds,
    cut,
    disc,
    dots,
    ellipse,
    everywhere,
    planks,
    rays,
    ring,
    stripes,
    triangle,
    union,
)


@dataclass(frozen=True)
class Spread:
    """A number with a heavy tail, or a vector: a normal one, its length raised to a power, and clipped.

    Attributes:
        power: of the length.
        deviation: standard deviation of the normal one, in each direction.
        limit: no length is more.
        chance: how often it is anything but 0.
    """

    power: float
    deviation: float
    limit: float
    chance: float = 1.0

    def draw(self, rng: np.random.Generator, dimensions: int = 1) -> Array:
        """(dimensions,) float64, for one draw more than that from ``rng``."""
        normal, happens = self.deviation * rng.standard_normal(dimensions), rng.random() < self.chance
        length = float(np.linalg.norm(normal))
        return normal * (happens * min(length**self.power, self.limit) / length)


@dataclass(frozen=True)
class Move:
    """How something may move from the first frame to the second.

    Attributes:
        shift: of its centre, in either direction.
        turn: about its centre.
        zoom: about its centre, less 1.
    """

    shift: Spread
    turn: Spread
    zoom: Spread


LARGE_CAMERA = Move(Spread(3, 1.1, 40), Spread(2, 1.3, 10, 0.3), Spread(2, 0.1, 0.07, 0.6))
"""Shift in pixels of an image 384 high, turn in degrees; so for `LARGE_THING`."""

LARGE_THING = Move(Spread(3, 1.55, 120), Spread(2, 2.3, 30, 0.7), Spread(2, 0.18, 0.2, 0.7))

SMALL_CAMERA = Move(Spread(1, 0.2, 0.4), Spread(1, 0.04, 0.06), Spread(1, 0.04, 0.06))
"""All in pixels; of turn and zoom, what they do at the rim. So for `SMALL_THING`; together less than 1.5 pixels."""

SMALL_THING = Move(Spread(1, 0.4, 0.8), Spread(1, 0.04, 0.06), Spread(1, 0.04, 0.06))

CHAIRS_HEIGHT = 384
_COLOURS: tuple[Colour, ...] = (*POSTER, *CLOTHES, (0.3, 0.32, 0.36), (0.62, 0.44, 0.3), (0.8, 0.84, 0.86))
_FLYING = (  # a thing, how far below its pivot its middle lies, how far it reaches from there
    (props.chair, -1.0, 1.3),
    (props.guitar, -0.6, 1.2),
    (props.umbrella, -0.9, 1.2),
    (props.surfboard, -1.5, 1.6),
    (props.drum, 0.1, 0.7),
    (props.flag, -0.7, 1.2),
    (props.log, -0.5, 0.8),
    (props.balloon, -0.8, 0.9),
    (props.racket, 0.6, 0.8),
)


class FlowPairs(PuppetClips):
    """Pairs of frames with exact flow, as FlyingChairs; or, with ``motion="small"``, with hardly any motion.

    Large motion is distributed like that of FlyingChairs (Fischer et al., "FlowNet", ICCV 2015) made as small as the
    image. A shift is a normal vector whose length is raised to the third power and clipped, turns and zooms are
    squares of normal numbers (`LARGE_CAMERA`, `LARGE_THING`): a heavy tail. The constants were fitted by hand to the 4
    backgrounds and 20 chairs of four pairs of the real set. How far pixels go, in percent of the image's height:

    ============================= ==== ==== ==== ==== ==== ====
    quantile                      25 % 50 % 75 % 90 % 95 % 99 %
    ============================= ==== ==== ==== ==== ==== ====
    1500 of these pairs           0.4  1.1  2.6  5.2  7.3  13.4
    four pairs of FlyingChairs    0.4  0.7  1.3  2.0  4.9  18.2
    four of these at a time: half 0.3  0.7  1.8  2.6  3.9  8.4
    of all draws lie in between   0.8  1.8  4.3  5.5  7.1  16.5
    ============================= ==== ==== ==== ==== ==== ====

    Small motion is not made as small as the image: shifts are normal, below one pixel for most, and nothing in sight
    moves more than 1.5 pixels, whatever the size of the image (`SMALL_CAMERA`, `SMALL_THING`).

    Other than in FlyingChairs, the background is a pattern or a scene of the world instead of a photo, few of the 4 to
    9 things are chairs, and puppets fly among them. How hard it is, is set by these numbers and no others; they stay.

    Every pair is a group of its own; every fifth is in the test part, however many there are.

    Args:
        seed: another seed is another set of pairs.
        part: ``"train"``, ``"test"`` or ``"all"``.
        size: height and width in pixels.
        number: of pairs, both parts together.
        motion: ``"large"`` or ``"small"``.
        speed: factor on all shifts. With 1 a large motion is a fraction of the image as in FlyingChairs; with
            ``384 / size`` it is as many pixels as there.

    Raises:
        ValueError: an unknown part or motion, or a number out of range.
    """

    classes = ("pair",)

    def __init__(
        self,
        *,
        seed: int = 0,
        part: str = "all",
        size: int = 64,
        number: int = 1000,
        motion: str = "large",
        speed: float = 1.0,
    ) -> None:
        self.seed, self.size = whole_number(seed, 0, "seed"), whole_number(size, 16, "size")
        if part not in ("train", "test", "all") or motion not in ("large", "small"):
            raise ValueError(
                f'part must be "train", "test" or "all" and motion "large" or "small"; got {part!r} and {motion!r}'
            )
        require_positive(speed, "speed", "for less motion take a small number, not 0")
        self.motion, self.speed = motion, float(speed)
        every = range(whole_number(number, 5, "number"))  # one pair in five tests
        self._numbers = [n for n in every if part == "all" or (n % 5 == 4) == (part == "test")]
        self.names = [f"pair_{n:06d}" for n in self._numbers]
        self.labels = torch.zeros(len(self._numbers), dtype=torch.int64)
        self.groups = torch.tensor(self._numbers)
        super().__init__("pairs", {"seed": self.seed, "size": self.size, "motion": motion, "speed": self.speed})

    def draw(self, index: int) -> Rendering:
        """Paint a pair, whatever has been kept."""
        rng = generator(self.seed, "pairs", self.motion, self._numbers[index])
        large = self.motion == "large"
        grain = clouds((0.55, 0.55, 0.55), (1.1, 1.1, 1.1), 0.9, rng)
        parts = _background(rng)
        for _ in range(rng.integers(4, 10)):
            parts += self._thing(rng, LARGE_THING if large else SMALL_THING)
        for number, part in enumerate(parts):
            grained = _grained(part.texture, grain, part.pose, *rng.uniform(0, 9, 2))
            parts[number] = dataclasses.replace(part, texture=grained)
        dx, dy, turn, zoom = self._move(rng, LARGE_CAMERA if large else SMALL_CAMERA, VIEW_HEIGHT / math.sqrt(2))
        lens = transform((self.size - 1) / 2, (self.size - 1) / 2, 0.0, self.size / VIEW_HEIGHT)
        camera = lens @ transform(np.array([0, dx]), np.array([0, dy]), np.array([0, turn]), np.array([1, zoom]))
        return render(parts, camera @ transform(0, -EYE_LEVEL), self.size, self.size)

    def _move(self, rng: np.random.Generator, move: Move, rim: float) -> tuple[float, float, float, float]:
        """Shift to the right and down in units of the world, turn in radians, zoom as a factor."""
        (dx, dy), (turn,), (zoom,) = move.shift.draw(rng, 2), move.turn.draw(rng), move.zoom.draw(rng)
        if self.motion == "large":
            pixel = self.speed * VIEW_HEIGHT / CHAIRS_HEIGHT
            return dx * pixel, dy * pixel, math.radians(turn), 1 + zoom
        pixel = VIEW_HEIGHT / self.size
        return self.speed * dx * pixel, self.speed * dy * pixel, turn * pixel / rim, 1 + zoom * pixel / rim

    def _thing(self, rng: np.random.Generator, move: Move) -> list[Part]:
        """Something that flies."""
        x, y = rng.uniform(-0.55, 0.55, 2) * VIEW_HEIGHT
        across = 0.5 * math.exp(rng.uniform(0, math.log(5)))
        kind = rng.choice(3, p=(0.76, 0.16, 0.08))
        reach = (across / 2, 0.75 * across, 0.8 * across)[kind]
        dx, dy, turn, zoom = self._move(rng, move, reach)
        first = rng.uniform(-math.pi, math.pi) if kind == 0 else rng.uniform(-0.6, 0.6)
        path = transform(
            np.array([x, x + dx]), np.array([y, y + dy]) + EYE_LEVEL, np.array([0, turn]) + first, np.array([1, zoom])
        )
        if kind == 0:
            shape = outline(OUTLINES[rng.integers(len(OUTLINES))], rng, across)
            return [Part("shape", shape, pattern(rng, across), path, "clutter")]
        if kind == 1:
            prop, middle, extent = _FLYING[rng.integers(len(_FLYING))]
            size = reach / extent
            return prop(path @ transform(0, -middle * size, 0.0, size))
        size = reach / 2.6
        return acts.somebody(rng, path @ transform(0, (HIP_HEIGHT + 0.5) * size, 0.0, size))


def _background(rng: np.random.Generator) -> list[Part]:
    """A scene of the world, standing still before the camera, or a pattern."""
    still = tripod(2)
    if rng.random() < 0.5:
        scenes = list(SCENES.values())
        return scenes[rng.integers(len(scenes))](rng, still)
    x, y, turn = rng.uniform(-2, 2, 3)
    return [Part("background", everywhere(), pattern(rng, 6.0), still.layer(x, y, 1.0, turn))]


OUTLINES = ("disc", "box", "ellipse", "stick", "triangle", "ring", "cross", "frame", "moon", "flower")


def outline(kind: str, rng: np.random.Generator, across: float) -> Shape:
    """One of the `OUTLINES`, about ``across`` wide, around its middle."""
    thin, radius = rng.uniform(0.35, 0.8), across / 2
    if kind == "disc":
        return disc(radius)
    if kind == "box":
        return box(0.9 * across, thin * across, rng.uniform(0, 0.15) * across)
    if kind == "ellipse":
        return ellipse(across, thin * across)
    if kind == "stick":
        width = 0.2 * thin * across
        return union((capsule(across - 2 * width, width, 0.6 * width), 0, width - radius))
    if kind == "triangle":
        return union((triangle(0.8 * across, 0.8 * across), 0, -radius))
    if kind == "ring":
        return ring(0.75 * radius, 0.5 * radius * thin)
    if kind == "cross":
        return union((box(across, 0.35 * across, 0.05), 0, 0), (box(0.35 * across, across, 0.05), 0, 0))
    if kind == "frame":
        return _frame(box(0.8 * across, 0.6 * across), 0.1 * across)
    if kind == "moon":
        return cut(disc(radius), disc(0.9 * radius), thin * radius, 0)  # a moon
    return _flower(radius, int(rng.integers(3, 8)), rng.uniform(0.05, 0.3), rng.uniform(0, 0.15))


def _frame(shape: Shape, thickness: float) -> Shape:
    """The outline of a shape, drawn with a thick pen."""
    return Shape(lambda x, y: np.abs(shape.distance(x, y)) - thickness / 2, shape.reach + thickness)


def _flower(radius: float, petals: int, height: float, oval: float) -> Shape:
    """A round outline with waves; its distance is a good guess near it."""
    inner = radius / (1 + height + oval)

    def distance(x: Array, y: Array) -> Array:
        angle, away = np.arctan2(y, x), np.sqrt(x * x + y * y)
        return 0.8 * (away - inner * (1 + height * np.cos(petals * angle) + oval * np.cos(2 * angle)))

    return Shape(distance, radius)


def pattern(rng: np.random.Generator, across: float) -> Texture:
    """Two colours in some pattern, as coarse as suits something ``across`` wide."""
    first, second = (_COLOURS[i] for i in rng.permutation(len(_COLOURS))[:2])
    period, upright = max(rng.uniform(0.16, 0.4) * min(across, 3.0), 0.3), bool(rng.integers(2))
    kind = rng.integers(7)
    if kind == 0:
        return stripes(first, second, period, upright=upright)
    if kind == 1:
        return checks(first, second, 1.3 * period)
    if kind == 2:
        return dots(first, second, period)
    if kind == 3:
        return planks(first, second, 0.7 * period)
    if kind == 4:
        return rays(first, second, int(rng.integers(3, 8)))
    return clouds(first, second, period, rng)


def _grained(texture: Texture, grain: Texture, pose: Array, u: float, v: float) -> Texture:
    """A texture with grain on it from (u, v) on, as coarse in the image whatever the size of the part."""
    size = math.hypot(pose[0, 0, 0], pose[0, 1, 0])
    return lambda x, y, distance: texture(x, y, distance) * grain(x * size + u, y * size + v, distance)
