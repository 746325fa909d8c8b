"""Places to find again: photos of houses, towers, statues and a few things, each seen several times.

As in Oxford Buildings, a photo of the place in a query is *good* (a clear view), *ok* (a quarter of it or more can be
seen), or *junk* (less: it counts neither for nor against). The views of a place differ in where the camera stands
(perspective, and parallax between what is near and what is far), in zoom and crop, in light, in the weather, and in
who stands in the way. Distractors are places of their own, built in the same styles.
"""

import dataclasses
import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from labkit.world import actions as acts
from labkit.world import props
from labkit.world.buildings import FAMILIES, INDOORS, OBJECTS, Style, Thing, build, foreground, random_style
from labkit.world.clips import PuppetClips, generator, whole_number
from labkit.world.light import shaded, shadows
from labkit.world.motion import Timing
from labkit.world.puppet import random_look
from labkit.world.render import Array, Part, Rendering, render, transform
from labkit.world.scenes import SCENES, VIEW_HEIGHT, Camera, tripod
from labkit.world.shapes import clouds

GOOD, OK = 0.6, 0.25
"""Fraction of a place that can be seen, at least, in a good and in an ok view."""

_ROLES = {  # how much of a place can be seen, from-to: with a margin, for edges are counted in pixels
    "query": (0.85, 1.0),
    "good": (0.66, 1.0),
    "ok": (0.31, 0.55),
    "junk": (0.07, 0.19),
    "distractor": (0.66, 1.0),
}
_FIRST = {"test": 0, "train": 20_000}  # groups
_MOST = 10_000
_SAMPLES = 72  # across a place, to measure how much of it can be seen
_FOCAL = 1.6  # focal length in heights of the image
_ON_A_TABLE = (props.ball, props.cup, props.parcel, props.bucket, props.drum)
_WEATHER = (
    ((0.53, 0.75, 0.89), (0.86, 0.93, 0.95)),
    ((0.36, 0.6, 0.88), (0.56, 0.76, 0.94)),
    ((0.68, 0.71, 0.76), (0.84, 0.86, 0.88)),
    ((0.98, 0.76, 0.56), (0.78, 0.66, 0.76)),
)


@dataclass(frozen=True)
class Change:
    """How much the views of a place differ. The defaults were chosen by eye, and stay.

    Attributes:
        viewpoint: 1 turns the camera by up to 30 degrees to the sides, 12 up and down, and tilts it by up to 5.
        light: 1 changes brightness by -33 to +16 %, gamma by up to a third, red against blue by up to a quarter, and
            lays a shade of up to a half over one side of the image.
        clutter: how many puppets or things are in the way: on average as many, if they leave enough to be seen.
        shadow: how much of the light the shadows take that fall on a place, other ones in each photo: at most; on
            average three quarters of that. Things that are indoors have none.
    """

    viewpoint: float = 1.0
    light: float = 1.0
    clutter: float = 1.0
    shadow: float = 0.75

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            if not 0 <= value <= 1.5:
                raise ValueError(f"{name} must be a number from 0 to 1.5; got {value}")
            object.__setattr__(self, name, float(value))


@dataclass(frozen=True)
class _View:
    """Where a photo is taken from, and what is in the way."""

    eye: Camera
    warp: Array  # (3, 3), the plane of the place to pixels
    visible: float
    passers: list[Part]


class Places(PuppetClips):
    """Instance retrieval: clips of one frame, several of each place.

    Each place has a query, ``views - 1`` more views, good and ok in turn, and ``junk`` views. All images together are
    the database; a query is one of them and not to be found for itself (the rule of Holidays)::

        for query in places.queries:
            good, ok = places.positives(query)
            junk = places.junk(query)  # skip these

    What makes a place hard to find is set by ``styles``, ``distractors`` and `Change`; the defaults stay. The datasheet
    beside this file says how well it is found under shadows and without them.

    An image is painted twice as fine, then seen through a homography, and so are part index and poses: the poses of
    a rendering are homographies here. Parts of the place are of the kind ``"place"``; what always stands around it is
    ``"scene"``. A toy or a vase gets about, a house does not. The scene of a clip is the kind of place.

    Args:
        seed: another seed is another world.
        part: ``"test"``, or ``"train"``: other places in the same styles, to train a vocabulary on.
        size: height and width in pixels.
        instances: how many places.
        views: of each, the query included; at least 2.
        distractors: places that are seen once.
        junk: views of each place that show less than a quarter of it.
        queries: how many clear views of each place are asked for, one after the other: the query and good ones.
        styles: how many styles places and distractors share: the fewer, the more look alike. The first eleven are of
            different kinds.
        objects: whether toys, vases and clocks are among them, which stand indoors, where no shadow falls.
        change: how much views differ.

    Attributes:
        roles: (N,) ``"query"``, ``"good"``, ``"ok"``, ``"junk"`` or ``"distractor"``.
        queries: index of each query, place by place.

    Raises:
        ValueError: an unknown part, or a number out of range.

    Source: Philbin et al., "Object retrieval with large vocabularies and fast spatial matching", CVPR 2007, section 2,
    for good, ok and junk.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        part: str = "test",
        size: int = 96,
        instances: int = 30,
        views: int = 5,
        distractors: int = 60,
        junk: int = 1,
        queries: int = 1,
        styles: int = 60,
        objects: bool = True,
        change: Change = Change(),
    ) -> None:
        if part not in _FIRST:
            raise ValueError(f'part must be "train" or "test"; got {part!r}')
        least = {"seed": (seed, 0), "size": (size, 32), "instances": (instances, 1), "views": (views, 2)}
        least |= {"distractors": (distractors, 0), "junk": (junk, 0), "styles": (styles, 1)}
        seed, size, instances, views, distractors, junk, styles = (
            whole_number(value, smallest, name) for name, (value, smallest) in least.items()
        )
        if max(distractors, instances) > _MOST:
            raise ValueError(f"there are no more than {_MOST} places of a kind; got {distractors} and {instances}")
        self.seed, self.part, self.size, self.styles, self.change = seed, part, size, styles, change
        self.families = [family for family in FAMILIES if objects or family not in OBJECTS]
        shown = ["query", *(("good", "ok")[k % 2] for k in range(views - 1)), *["junk"] * junk]
        self._shots = [
            (number, role, shown[:k].count(role)) for number in range(instances) for k, role in enumerate(shown)
        ]
        self._shots += [(number, "distractor", 0) for number in range(distractors)]
        self.roles = tuple(role for _, role, _ in self._shots)
        self.names = [f"{part}_{_of(number, role)}_{role}{take}" for number, role, take in self._shots]
        owners = [_of(number, role) for number, role, _ in self._shots]
        self.classes = tuple(dict.fromkeys(owners))
        self.labels = torch.tensor([self.classes.index(owner) for owner in owners])
        self.groups = torch.tensor(
            [_FIRST[part] + _MOST * (role == "distractor") + number + 1 for number, role, _ in self._shots]
        )
        self.queries = [
            index
            for index, (_, role, take) in enumerate(self._shots)
            if role == "query" or (role == "good" and take < whole_number(queries, 1, "queries") - 1)
        ]
        settings = {"seed": seed, "size": size, "styles": styles, "objects": bool(objects)}
        super().__init__("places", {**settings, "change": dataclasses.asdict(change)})

    def positives(self, index: int) -> tuple[list[int], list[int]]:
        """The other good and the other ok views of the place in a view, queries among the good.

        From a distractor or junk nothing can be asked: ``ValueError``.
        """
        return self._others(index, "query", "good"), self._others(index, "ok")

    def junk(self, index: int) -> list[int]:
        """The views that show less than a quarter of the place in a view: to be skipped in its ranking."""
        return self._others(index, "junk")

    def _others(self, index: int, *roles: str) -> list[int]:
        if self.roles[index] not in ("query", "good", "ok"):
            raise ValueError(f"a query must be a clear view of a place; got {self.names[index]}: take one of queries")
        mine = (self.labels == self.labels[index]).nonzero().flatten().tolist()
        return [other for other in mine if other != index and self.roles[other] in roles]

    def box(self, index: int) -> tuple[int, int, int, int]:
        """The part of an image that shows the place: left, top, right, bottom in pixels, the last two exclusive."""
        rows, columns = self[index].mask([0], "place")[0].nonzero(as_tuple=True)
        return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1

    def visible(self, index: int) -> float:
        """The fraction of the place, by its area, that a view shows: neither hidden nor out of the image."""
        return self._view(index, self._place(index)).visible

    def _scene(self, index: int) -> str:
        number, role, _ = self._shots[index]
        return self._style(number, role).family

    def _style(self, number: int, role: str) -> Style:
        which = (number + (self.styles // 2) * (role == "distractor")) % self.styles
        family = self.families[which % len(self.families)]
        return random_style(generator(self.seed, "places", "style", which), family)

    def _place(self, index: int) -> list[Thing]:
        number, role, _ = self._shots[index]
        return build(self._style(number, role), generator(self.seed, "places", self.part, _of(number, role)))

    def draw(self, index: int) -> Rendering:
        """Take a photo, whatever has been kept."""
        number, role, _ = self._shots[index]
        style, place = self._style(number, role), self._place(index)
        around = generator(self.seed, "places", self.part, _of(number, role), "around")
        rng = generator(self.seed, "places", self.part, self.names[index], "light")
        view = self._view(index, place)
        if style.family in OBJECTS:  # they get about
            back = SCENES[INDOORS[rng.integers(len(INDOORS))]](rng, view.eye)
        else:
            back = SCENES[style.site](around, view.eye)
        if back[0].name == "sky":
            weather = _WEATHER[rng.integers(len(_WEATHER))]
            back[0] = dataclasses.replace(back[0], texture=clouds(*weather, 1.6, rng))
        parts = [*back, *(part for thing in place for part in thing.seen(view.eye)), *view.passers]
        cast = generator(self.seed, "places", self.part, self.names[index], "shadow")
        depth = 0.0 if style.family in OBJECTS else self.change.shadow * cast.uniform(0.5, 1.0)
        picture = _through(view.warp, parts, self.size, cast, depth)
        return dataclasses.replace(picture, frames=_lit(picture.frames, rng, self.change.light))

    def _view(self, index: int, place: list[Thing]) -> _View:
        """Choose where to stand so that as much can be seen as the role asks for."""
        _, role, _ = self._shots[index]
        rng = generator(self.seed, "places", self.part, self.names[index], "view")
        low, high = _ROLES[role]
        turn = np.clip(rng.normal(0, 0.5, 3), -1, 1) * self.change.viewpoint
        yaw, pitch, roll = turn * np.radians((30, 12, 5))
        eye = tripod(1, x=-2.5 * math.tan(yaw))
        body = [part for thing in place for part in thing.seen(eye)]
        x, y = _grid(body)
        inside = _covered(body, x, y)
        x, y = x[inside], y[inside]
        left, top, right, bottom = x.min(), y.min(), x.max(), y.max()
        before = self._before(index, rng, eye, left, right)
        while True:
            passers = [part for group in before for part in group]
            free = ~_covered(passers, x, y)
            if not before or free.mean() >= max(low, GOOD) + 0.04:
                break
            before.pop()
        span = max(right - left, bottom - top)
        middle = np.array([(left + right) / 2, (top + bottom) / 2]) + rng.uniform(-0.06, 0.06, 2) * span
        zoom = rng.uniform(0.72, 0.95) * VIEW_HEIGHT / span
        angle, closer = rng.uniform(0, 2 * math.pi), 0.1
        if role == "ok" and rng.random() < 0.6:
            closer = 1.5  # a detail, rather than a place at the edge
        away = span * (0.3 if closer > 1 else 1.0) * np.array([math.cos(angle), 0.45 * math.sin(angle)])

        def look(step: float) -> Array:
            return _lens(middle + step * away, zoom * math.exp(closer * step), yaw, pitch, roll, self.size)

        def seen(step: float) -> float:
            u, v = _project(look(step), x[free], y[free])
            shown = (u > -0.5) & (v > -0.5) & (u < self.size - 0.5) & (v < self.size - 0.5)
            return float(shown.sum() / len(x))

        start, end, goal = 0.0, 6.0, rng.uniform(low, high if role in ("ok", "junk") else 1.3)
        if seen(start) <= goal:
            end = start
        for _ in range(14):
            step = (start + end) / 2
            start, end = (step, end) if seen(step) > goal else (start, step)
        return _View(eye, look(end), seen(end), passers)

    def _before(self, index: int, rng: np.random.Generator, eye: Camera, left: float, right: float) -> list[list[Part]]:
        """What is in the way: first what always stands there, then who passes by."""
        number, role, _ = self._shots[index]
        portable = self._style(number, role).family in OBJECTS
        groups: list[list[Part]] = []
        if not portable:
            always = generator(self.seed, "places", self.part, _of(number, role), "front")
            groups = [foreground(always, left, right).seen(eye) for _ in range(always.poisson(0.9))]
        for _ in range(rng.poisson(self.change.clutter)):
            x, y, nearness = rng.uniform(1.1 * left, 1.1 * right), rng.uniform(0.05, 0.25), rng.uniform(1.1, 1.3)
            if portable:
                spot = eye.layer(x, y, nearness, 0.0, rng.uniform(0.7, 1.1))
                groups.append(_ON_A_TABLE[rng.integers(len(_ON_A_TABLE))](spot))
                continue
            spot = eye.layer(x, y, nearness, 0.0, rng.uniform(0.34, 0.5))
            action = acts.SOURCE[rng.integers(len(acts.SOURCE))]
            side = ("left", "right")[rng.integers(2)]
            when = Timing(1, rng.uniform(0, 2 * math.pi, 1), np.full(1, 0.5), side)
            groups.append(acts.perform(random_look(rng), spot, action.motion(when), action.things, side))
        return groups


def _of(number: int, role: str) -> str:
    """The name of a place."""
    return f"{'d' if role == 'distractor' else 'i'}{number:04d}"


def _lens(aim: Array, zoom: float, yaw: float, pitch: float, roll: float, size: int) -> Array:
    """The plane of a place to pixels, (3, 3), for a camera that aims at a point of it and has been turned about it."""
    upright = transform(0, 0, roll, zoom / VIEW_HEIGHT) @ transform(-aim[0], -aim[1])  # in heights of the image
    slant, tilt = math.sin(yaw), math.sin(pitch)
    turned = np.array(
        [
            [math.cos(yaw), -slant * tilt, 0],
            [0, math.cos(pitch), 0],
            [slant / _FOCAL, math.cos(yaw) * tilt / _FOCAL, 1],
        ]
    )
    return transform((size - 1) / 2, (size - 1) / 2, 0.0, size) @ turned @ upright


def _project(warp: Array, x: Array, y: Array) -> tuple[Array, Array]:
    """Where points go; those behind the camera, nowhere."""
    u, v, depth = (row[0] * x + row[1] * y + row[2] for row in warp)
    depth = np.where(depth > 1e-6, depth, np.nan)
    return u / depth, v / depth


def _grid(parts: list[Part]) -> tuple[Array, Array]:
    """Points all over some parts, and beyond."""
    centres = np.array([part.pose[0, :2] @ [*part.shape.centre, 1.0] for part in parts])
    reach = np.array([part.shape.reach * math.hypot(part.pose[0, 0, 0], part.pose[0, 1, 0]) for part in parts])
    low, high = (centres - reach[:, None]).min(0), (centres + reach[:, None]).max(0)
    x, y = np.meshgrid(*(np.linspace(low[axis], high[axis], _SAMPLES) for axis in (0, 1)))
    return x.ravel(), y.ravel()


def _covered(parts: list[Part], x: Array, y: Array) -> Array:
    """Which points some part covers."""
    covered = np.zeros(len(x), bool)
    for part in parts:
        left = np.flatnonzero(~covered)
        across, down, _ = np.linalg.inv(part.pose[0])
        u, v = (row[0] * x[left] + row[1] * y[left] + row[2] for row in (across, down))
        covered[left[part.shape.distance(u, v) <= 0]] = True
    return covered


def _through(warp: Array, parts: list[Part], size: int, rng: np.random.Generator, depth: float) -> Rendering:
    """Paint the plane of the place twice as fine as the image, let shadows fall on it, and look at it at an angle."""
    corners = np.array([[-1, -1], [-1, size], [size, -1], [size, size]], float)
    x, y = _project(np.linalg.inv(warp), *corners.T)
    middle = np.linalg.inv(warp) @ [(size - 1) / 2, (size - 1) / 2, 1.0]
    fine = 2 * math.sqrt(abs(np.linalg.det(warp)) / (warp[2] @ (middle / middle[2])) ** 3)  # pixels a unit
    flat = transform(1 - fine * x.min(), 1 - fine * y.min(), 0.0, fine)
    width, height = (math.ceil(fine * (along.max() - along.min())) + 3 for along in (x, y))
    painted = render(parts, flat[None], height, width)
    through = warp @ np.linalg.inv(flat)  # painted pixels to those of the image
    double = transform(0.5, 0.5, 0.0, 2.0)  # to pixels half as wide
    colours = painted.frames[0].permute(1, 2, 0).numpy()
    if depth:
        shadow = shadows(rng, height, width, rng.uniform(0.15, 0.5) * 2 * size, contrast=1.2)
        if painted.names[0] == "sky":
            shadow[painted.part[0].numpy() == 0] = 0.0
        colours = shaded(colours.astype(np.float32), shadow, depth).round().astype(np.uint8)
    colours = cv2.warpPerspective(colours, double @ through, (2 * size, 2 * size), borderMode=cv2.BORDER_REPLICATE)
    colours = cv2.resize(colours, (size, size), interpolation=cv2.INTER_AREA)
    part = cv2.warpPerspective(
        painted.part[0].numpy(), through, (size, size), flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
    )
    return dataclasses.replace(
        painted,
        frames=torch.from_numpy(np.ascontiguousarray(colours.transpose(2, 0, 1)))[None],
        part=torch.from_numpy(part)[None],
        occluded=torch.zeros((0, size, size), dtype=torch.bool),
        poses=torch.from_numpy(through) @ painted.poses,
    )


def _lit(frames: Tensor, rng: np.random.Generator, strength: float) -> Tensor:
    """A photo (1, 3, H, W) in another light: brightness, gamma, warmth, and a shade over one side."""
    gain, gamma = np.exp(strength * rng.uniform((-0.4, -0.3), (0.15, 0.3)))
    warmth, depth = 0.12 * strength * rng.uniform(-1, 1), 0.5 * strength * rng.uniform(0, 1)
    angle, edge, softness = rng.uniform(0, 2 * math.pi), rng.uniform(-0.3, 0.3), rng.uniform(0.02, 0.25)
    y, x = torch.meshgrid(*(torch.linspace(-0.5, 0.5, n) for n in frames.shape[-2:]), indexing="ij")
    shade = 1 - min(depth, 0.8) * torch.sigmoid((x * math.cos(angle) + y * math.sin(angle) - edge) / softness)
    balance = torch.tensor([1 + warmth, 1.0, 1 - warmth])[:, None, None]
    lit = gain * balance * shade * (frames.float() / 255) ** gamma
    return (lit * 255).round().clamp(0, 255).to(torch.uint8)
