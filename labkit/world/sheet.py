"""Contact sheets: every class of the world, to see whether a stranger can name them, and every family of buildings."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from labkit.world.actions import LOOK_ALIKES
from labkit.world.buildings import FAMILIES, OBJECTS, build, random_style
from labkit.world.clips import PuppetClips, generator
from labkit.world.pairs import FlowPairs
from labkit.world.places import Change, Places
from labkit.world.render import Part, render, transform
from labkit.world.scenes import tripod
from labkit.world.sets import Actions, Interactions, LongClips, SecondActions, Source, Stills, SwappedHomes
from labkit.world.shapes import everywhere, plain
from labkit.world.things import Things

_SIZE, _FRAMES, _COLUMNS, _GAP, _MARGIN = 104, 4, 4, 18, 28
_INK, _PAPER, _SOFT = (40, 40, 48), (252, 250, 245), (120, 118, 112)


def contact_sheet(seed: int = 0, *, names: bool = True) -> Image.Image:
    """Draw clips and stills of all classes, four frames each, in families.

    Args:
        seed: of the sets.
        names: whether to write the classes below; False makes a quiz of it.

    Returns:
        An image about 1700 pixels wide.
    """
    many: dict[str, Any] = {"seed": seed, "size": _SIZE, "groups": 9, "clips": 1}
    first, second = Actions(**many), SecondActions(**many)
    meetings = Interactions(**many)
    shared = set(first.classes)
    families: list[tuple[str, PuppetClips, Sequence[str]]] = [
        ("Same motion, other thing and place: one frame tells them apart", first, first.classes[:6]),
        ("Nothing in the hands: only motion tells", first, first.classes[6:12]),
        ("Each other's reverse: only the order tells", first, first.classes[12:]),
        ("Two puppets who meet: not every frame tells", meetings, meetings.classes),
        (
            "The small second set, in addition to some of the above",
            second,
            [c for c in second.classes if c not in shared],
        ),
    ]
    page = _Page(names)
    for title, clips, classes in families:
        page.heading(title)
        page.strips([(name, _frames_of(clips, name, number)) for number, name in enumerate(classes)])
    page.heading("Long clips: an action among idle moments")
    long = LongClips(**{**many, "groups": 3})
    page.strips([(long.classes[label], _frames_of(long, long.classes[label], 1, 16)) for label in (2, 5)], columns=1)
    for of in ("interactions", "actions"):
        stills = Stills(of=of, seed=seed, size=_SIZE, groups=6)
        page.heading(f"Stills of the {of}, in another style, as photos on the web are to video")
        page.thumbnails([(name, _frames_of(stills, name, number, 1)) for number, name in enumerate(stills.classes)])
    things = Things(seed=seed, size=_SIZE, groups=6)
    page.heading("The source task of things: props, buildings, scenes, shapes, before which people only pass by")
    page.thumbnails([(name, _frames_of(things, name, number, 1)) for number, name in enumerate(things.classes)])
    source = Source(seed=seed, size=_SIZE, groups=6)
    page.heading("Its control, things and postures; croquet misleads")
    page.thumbnails([(name, _frames_of(source, name, number, 1)) for number, name in enumerate(source.classes)])
    swapped = SwappedHomes(seed=seed, size=_SIZE, groups=6, classes=tuple(LOOK_ALIKES))
    page.heading("A source task that misleads: each action where its look-alike is at home")
    page.thumbnails([(name, _frames_of(swapped, name, number, 1)) for number, name in enumerate(swapped.classes)])
    for shadow, words in (
        (0.75, "in other light, under other shadows, partly hidden"),
        (0.0, "the same without shadows"),
    ):
        places = Places(seed=seed, size=_SIZE, objects=False, change=Change(shadow=shadow))
        page.heading(f"Scenes to find again: one scene a strip, from elsewhere; {words}")
        page.strips([(f"place {number}", _views(places, number)) for number in places.groups.unique().tolist()[:4]])
    pairs = FlowPairs(seed=seed, size=_SIZE, number=12)
    page.heading("Pairs of frames with large motion, as chairs that fly")
    page.strips([("pair", torch.cat([pairs[n].frames([0, 1]), pairs[n + 1].frames([0, 1])])) for n in (0, 2, 4, 6)])
    return page.picture()


def buildings_sheet(seed: int = 0) -> Image.Image:
    """Draw what `Places` shows, a family a row: four of each of four styles, as they stand, from the front."""
    page = _Page(names=True)
    page.heading("Families of buildings and of things: four styles of each, and four of each style")
    page.strips([(family, _of_family(family, seed)) for family in FAMILIES], columns=1)
    return page.picture()


def _of_family(family: str, seed: int) -> Tensor:
    """Sixteen buildings on paper, (16, 3, H, W)."""
    eye = tripod(1)
    paper = Part("paper", everywhere(), plain((0.92, 0.93, 0.95)), transform(np.zeros(1), 0))
    to_pixels = transform(np.full(1, (_SIZE - 1) / 2), _SIZE - 8, 0.0, _SIZE / (4.0 if family in OBJECTS else 6.4))
    drawn = []
    for number in range(_FRAMES * _COLUMNS):
        style = random_style(generator(seed, "sheet", family, number // _FRAMES), family)
        things = build(style, generator(seed, "sheet", family, "layout", number))
        parts = [part for thing in things for part in thing.seen(eye)]
        drawn.append(render([paper, *parts], to_pixels, _SIZE, _SIZE, supersampling=2).frames)
    return torch.cat(drawn)


def _frames_of(clips: PuppetClips, name: str, number: int, frames: int = _FRAMES) -> Tensor:
    """Frames (n, 3, H, W) of one clip of a class, evenly over its length; another group for each number."""
    mine = (clips.labels == clips.classes.index(name)).nonzero().flatten()
    clip = clips[int(mine[number % len(mine)])]
    return clip.frames(torch.linspace(0, clip.num_frames - 1, frames).round().long())


def _views(places: Places, group: int) -> Tensor:
    """Four views of a place."""
    mine = (places.groups == group).nonzero().flatten()[:_FRAMES].tolist()
    return torch.cat([places[index].frames([0]) for index in mine])


class _Page:
    """Strips and headings, one below the other."""

    def __init__(self, names: bool) -> None:
        self._names = names
        self._rows: list[Image.Image] = []
        self._width = _COLUMNS * _FRAMES * _SIZE + (_COLUMNS - 1) * _GAP

    def heading(self, text: str) -> None:
        row = Image.new("RGB", (self._width, 44), _PAPER)
        ImageDraw.Draw(row).text((0, 14), text, _INK, ImageFont.load_default(20))
        self._rows.append(row)

    def thumbnails(self, named: Sequence[tuple[str, Tensor]]) -> None:
        self.strips(named, 12, (self._width - 12 * _SIZE) // 11)

    def strips(self, named: Sequence[tuple[str, Tensor]], columns: int = _COLUMNS, gap: int = _GAP) -> None:
        height = _SIZE + (26 if self._names else 10)
        for start in range(0, len(named), columns):
            row = Image.new("RGB", (self._width, height), _PAPER)
            draw = ImageDraw.Draw(row)
            x = 0
            for name, frames in named[start : start + columns]:
                strip = np.concatenate(list(frames.permute(0, 2, 3, 1).numpy()), axis=1)  # (H, n * W, 3)
                row.paste(Image.fromarray(strip), (x, 0))
                if self._names:
                    draw.text((x + 2, _SIZE + 3), name.replace("_", " "), _SOFT, ImageFont.load_default(15))
                x += strip.shape[1] + gap
            self._rows.append(row)

    def picture(self) -> Image.Image:
        height = sum(row.height for row in self._rows)
        page = Image.new("RGB", (self._width + 2 * _MARGIN, height + 2 * _MARGIN), _PAPER)
        y = _MARGIN
        for row in self._rows:
            page.paste(row, (_MARGIN, y))
            y += row.height
        return page
