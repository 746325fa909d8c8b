"""The data sets of the world. All are `labkit.clips.Clips`: used like the real ones.

How hard they are is set by a `Difficulty`. What each set can and cannot show is in the datasheet beside this file.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from labkit.world import actions as acts
from labkit.world import meetings
from labkit.world.actions import Action, Meeting, perform
from labkit.world.clips import PuppetClips, generator, split_groups, whole_number
from labkit.world.difficulty import Difficulty
from labkit.world.light import as_photo
from labkit.world.motion import Timing, timing
from labkit.world.puppet import random_look
from labkit.world.render import Part, Rendering, render
from labkit.world.scenes import SCENES, Camera, backdrop, camera, clutter, tripod
from labkit.world.story import cut, one_after_the_other


class Actions(PuppetClips):
    """Short clips, one action each, like UCF101: groups of an actor and a place, three official splits.

    The same actors play all classes, so clothes give nothing away; each group has its own place in each class.

    Args:
        seed: another seed is another world: actors, scenes, motions.
        split: 1, 2 or 3: which third of the groups tests.
        part: ``"train"``, ``"test"`` or ``"all"``.
        size: height in pixels.
        width: in pixels; None: the height. Wider frames show more of the scene beside the actor.
        frames: length of a clip.
        groups: how many groups.
        test_groups: how many more, which test in every split: the clips that train stay what they are.
        clips: per class and group.
        classes: names of the classes to take, in the order of their labels; all if None.
        difficulty: of the images.

    Attributes:
        actions: what there is to take classes from.

    Raises:
        ValueError: an unknown class, split or part, or a number out of range.
        TypeError: another kind of difficulty.
    """

    actions: tuple[Action | Meeting, ...] = acts.ACTIONS
    kind = "actions"

    def __init__(
        self,
        *,
        seed: int = 0,
        split: int = 1,
        part: str = "all",
        size: int = 64,
        width: int | None = None,
        frames: int = 16,
        groups: int = 24,
        test_groups: int = 0,
        clips: int = 2,
        classes: Sequence[str] | None = None,
        difficulty: Difficulty = Difficulty(),  # noqa: B008
    ) -> None:
        self.seed, self.size = whole_number(seed, 0, "seed"), whole_number(size, 16, "size")
        self.width = self.size if width is None else whole_number(width, 16, "width")
        self.num_frames, clips = whole_number(frames, 1, "frames"), whole_number(clips, 1, "clips")
        if not isinstance(difficulty, Difficulty):
            raise TypeError(f"difficulty must be a Difficulty; got {difficulty!r}: Difficulty(camera=0) for one")
        known = [action.name for action in self.actions]
        chosen = known if classes is None else list(classes)
        if wrong := [name for name in chosen if name not in known or chosen.count(name) > 1]:
            raise ValueError(
                f"classes must be among {', '.join(known)}, each once; got {wrong[0]!r} "
                f"{chosen.count(wrong[0])} times: check the spelling"
            )
        self.classes = tuple(chosen)
        self.difficulty = difficulty
        self._places = [
            (label, group, clip)
            for label in range(len(self.classes))
            for group in split_groups(groups, split, part, test_groups)
            for clip in range(1, clips + 1)
        ]
        self.names = [f"{self.classes[label]}_g{group:02d}_c{clip:02d}" for label, group, clip in self._places]
        self.labels = torch.tensor([label for label, _, _ in self._places], dtype=torch.int64)
        self.groups = torch.tensor([group for _, group, _ in self._places], dtype=torch.int64)
        super().__init__(self.kind, self._settings())

    def _settings(self) -> dict[str, Any]:
        wide = {} if self.width == self.size else {"width": self.width}
        return wide | {
            "seed": self.seed,
            "size": self.size,
            "frames": self.num_frames,
            "difficulty": {name: float(value) for name, value in dataclasses.asdict(self.difficulty).items()},
        }

    def _action(self, label: int) -> Action | Meeting:
        """Looked up, not kept: what an action hangs on a puppet cannot travel to another process."""
        return next(action for action in self.actions if action.name == self.classes[label])

    def _scene(self, index: int) -> str:
        label, group, _ = self._places[index]
        return self._place_of(self._action(label), group)

    def _place_of(self, action: Action | Meeting, group: int) -> str:
        rng = generator(self.seed, self.kind, "place", action.name, group)
        return _scene_name(rng, action.home, self.difficulty)

    def draw(self, index: int) -> Rendering:
        """Paint a clip, whatever has been kept."""
        label, group, clip = self._places[index]
        action = self._action(label)
        actors = generator(self.seed, self.kind, "actor", group)
        place = generator(self.seed, self.kind, "scene", action.name, group)
        rng = generator(self.seed, self.kind, "clip", action.name, group, clip)
        when = self._when(rng, action, self.names[index])
        view = camera(rng, self.num_frames, self.difficulty.camera)
        cast = _cast(action, actors, rng, when, view, self.difficulty)
        back, front = _surroundings(place, view, self._place_of(action, group), self.difficulty)
        return _relight(self._seen([*back, *cast, *front], view), rng, self.difficulty)

    def _when(self, rng: np.random.Generator, action: Action | Meeting, name: str) -> Timing:
        """When things happen in a clip of that name."""
        return timing(rng, self.num_frames, period=action.period, jitter=self.difficulty.jitter)

    def _seen(self, parts: list[Part], view: Camera) -> Rendering:
        return render(parts, view.to_pixels(self.size, self.width), self.size, self.width)


class SecondActions(Actions):
    """A small set with other actors and partly other classes, as HMDB51 is to UCF101."""

    actions = acts.SECOND_ACTIONS
    kind = "second-actions"

    def __init__(self, *, groups: int = 12, **settings: Any) -> None:
        super().__init__(groups=groups, **settings)


class Interactions(Actions):
    """Two puppets meet: the four classes of TV Human Interactions.

    The same clip with another ``telling`` has the same actors, place, camera and light; they only stay together for a
    shorter or a longer time.

    Args:
        telling: fraction of the frames of each clip that tell what happens, since the two are together: nearer than
            half of their way to each other; 0.25 to 1. At 1 nobody comes or goes.
        frames: length of a clip.
        settings: of `Actions`.
    """

    actions = acts.INTERACTIONS
    kind = "interactions"

    def __init__(self, *, telling: float = 0.75, frames: int = 24, **settings: Any) -> None:
        if not isinstance(telling, int | float) or not 0.25 <= telling <= 1:
            raise ValueError(f"telling must be a fraction from 0.25 to 1; got {telling!r}")
        self.telling = float(telling)
        super().__init__(frames=frames, **settings)

    def _settings(self) -> dict[str, Any]:
        return super()._settings() | {"telling": self.telling}

    def _when(self, rng: np.random.Generator, action: Action | Meeting, name: str) -> Timing:
        early = 0.5 + 0.15 * self.difficulty.jitter * generator(self.seed, self.kind, "early", name).uniform(-1, 1)
        progress = meetings.progress(self.num_frames, self.telling, early)
        return dataclasses.replace(super()._when(rng, action, name), progress=progress)


class LongClips(Actions):
    """An action that happens once, or two, among idling, scratching, stretching: longer looks see more.

    Things appear with their action and vanish with it, and the place gives nothing away.

    Args:
        two_labels: fraction of clips in which two different actions happen.
        noisy: a restless camera and two cuts in every clip: flow is what it would be on television.
        frames: length of a clip.
        segment: average length of an action, in frames; at least 4.
        telling: fraction of the frames in which the labelled action happens, in whole segments, one at least; 1: it
            fills the clip. None: it happens in one segment, which is 0.2 in a clip of five. The second of two labels
            has one segment.
        settings: of `Actions`.
    """

    actions = acts.ACTIONS[:12]
    kind = "long"

    def __init__(
        self,
        *,
        frames: int = 120,
        segment: int = 24,
        telling: float | None = None,
        two_labels: float = 0.25,
        noisy: bool = False,
        **settings: Any,
    ) -> None:
        if telling is not None and not (isinstance(telling, int | float) and 0 < telling <= 1):
            raise ValueError(f"telling must be a fraction above 0, to 1, or None; got {telling!r}")
        if not isinstance(two_labels, int | float) or not 0 <= two_labels <= 1:
            raise ValueError(f"two_labels must be a share from 0 to 1; got {two_labels!r}")
        self.segment, self.two_labels, self.noisy = whole_number(segment, 4, "segment"), float(two_labels), bool(noisy)
        if whole_number(frames, 1, "frames") < 2 * segment:
            raise ValueError(f"frames must be at least 2 * segment = {2 * segment}; got {frames}: ask for longer clips")
        self.telling = telling and float(telling)
        super().__init__(frames=frames, **settings)

    def _settings(self) -> dict[str, Any]:
        telling = {} if self.telling is None else {"telling": self.telling}
        shape = telling | {
            "segment": self.segment,
            "two_labels": self.two_labels,
            "noisy": self.noisy,
            "classes": self.classes,
        }
        return super()._settings() | shape

    def _place_of(self, action: Action | Meeting, group: int) -> str:
        return _scene_name(generator(self.seed, self.kind, "place", action.name, group), None, self.difficulty)

    def segments(self, index: int) -> list[tuple[str, int, int]]:
        """What happens when: (action, first frame, frame after the last), distractors included, in order."""
        label, group, clip = self._places[index]
        rng = generator(self.seed, self.kind, "story", self.classes[label], group, clip)
        count = round(self.num_frames / self.segment)
        story = [self.classes[label]] * max(round((self.telling or 0) * count), 1)
        others = [name for name in self.classes if name != story[0]]
        if others and rng.random() < self.two_labels:
            story.append(others[rng.integers(len(others))])
        count = max(len(story) + (self.telling != 1), count)
        at = rng.permutation(count)[: len(story)]
        fillers = [acts.DISTRACTORS[i].name for i in rng.integers(len(acts.DISTRACTORS), size=count)]
        for place, name in zip(at, story, strict=True):
            fillers[place] = name
        lengths = rng.uniform(0.7, 1.3, count)
        ends = np.round(np.cumsum(lengths) / lengths.sum() * self.num_frames).astype(int)
        starts = [0, *ends[:-1]]
        return [(name, int(start), int(end)) for name, start, end in zip(fillers, starts, ends, strict=True)]

    def _all_labels(self, index: int) -> tuple[int, ...]:
        happening = [name for name, _, _ in self.segments(index) if name in self.classes]
        first = int(self.labels[index])
        return (first, *sorted({self.classes.index(name) for name in happening} - {first}))

    def draw(self, index: int) -> Rendering:
        """Paint a clip, whatever has been kept."""
        label, group, clip = self._places[index]
        action = self._action(label)
        actors = generator(self.seed, self.kind, "actor", group)
        place = generator(self.seed, self.kind, "scene", action.name, group)
        rng = generator(self.seed, self.kind, "clip", action.name, group, clip)
        view = camera(rng, self.num_frames, self.difficulty.camera * (2.5 if self.noisy else 1.0))
        if self.noisy:
            view = cut(view, rng, cuts=2)
        look, spot = random_look(actors), rng.uniform(-0.3, 0.3) * self.difficulty.jitter
        ground = view.layer(spot, size=0.95) + np.zeros((self.num_frames, 1, 1))
        known = {a.name: a for a in (*acts.ACTIONS, *acts.DISTRACTORS)}
        segments = [(known[name], start, end) for name, start, end in self.segments(index)]
        pose, things = one_after_the_other(segments, rng, self.num_frames, self.difficulty.jitter)
        cast = perform(look, ground, pose, things)
        back, front = _surroundings(place, view, self._place_of(action, group), self.difficulty)
        return _relight(self._seen([*back, *cast, *front], view), rng, self.difficulty)


class Stills(Actions):
    """Photos, as a search on the web finds them: clips of one frame, in another style than the videos.

    Closer, against coloured paper more often than in a place, harder in contrast, and at the telling moment.

    Args:
        of: ``"interactions"`` or ``"actions"``: which classes.
        noisy: as found: a quarter of the images show something else. False: as filtered by hand.
        groups: photos per class and ``clips``; every photo has an actor of its own.
        settings: of `Actions`.
    """

    def __init__(self, *, of: str = "interactions", noisy: bool = False, groups: int = 48, **settings: Any) -> None:
        if of not in ("interactions", "actions"):
            raise ValueError(f'of must be "interactions" or "actions"; got {of!r}')
        self.kind, self.noisy = f"stills-{of}", bool(noisy)
        defaults: dict[str, Any] = {"clips": 1, "frames": 1}
        super().__init__(groups=groups, **(defaults | settings))

    @property
    def actions(self) -> tuple[Action | Meeting, ...]:  # type: ignore[override]
        """What there is to take classes from."""
        return acts.INTERACTIONS if self.kind == "stills-interactions" else acts.ACTIONS

    def _settings(self) -> dict[str, Any]:
        return super()._settings() | {"noisy": self.noisy}

    def _scene(self, index: int) -> str:
        return ""  # paper, more often than not

    def wrong(self, index: int) -> bool:
        """Whether the image shows something else than its label says; never in the filtered set."""
        return self.noisy and generator(self.seed, self.kind, "wrong", self.names[index]).random() < 0.25

    def draw(self, index: int) -> Rendering:
        """Paint a still, whatever has been kept."""
        label, _, _ = self._places[index]
        rng = generator(self.seed, self.kind, "still", self.names[index])
        action = self._action(label)
        shown = True
        if self.wrong(index):
            shown = rng.random() < 0.7  # else nobody is there
            others = [a for a in (*self.actions, *acts.SOURCE) if a.name != action.name]
            action = others[rng.integers(len(others))]
        when = _moment(rng, self.num_frames, telling=isinstance(action, Meeting))
        zoom = rng.uniform(1.15, 1.5)
        aim = rng.uniform(-0.2, 0.2), rng.uniform(-0.1, 0.15) * zoom
        view = tripod(self.num_frames, *aim, rng.uniform(-0.06, 0.06), zoom)
        cast = _cast(action, rng, rng, when, view, self.difficulty) if shown else []
        scene = backdrop if rng.random() < 0.75 else SCENES[_scene_name(rng, action.home, self.difficulty)]
        return as_photo(self._seen([*scene(rng, view), *cast], view), rng)


class Source(Actions):
    """A source task whose photos tell postures, too: stills of 24 classes, things and postures.

    `labkit.world.Things` is the one that tells things alone; this is its control, and the one that misleads.

    Other actors than anywhere else. One class misleads on purpose: ``croquet`` swings a mallet that looks like the
    hammer of `Actions`, but in the forest, where `Actions` chops.
    """

    actions = acts.SOURCE
    kind = "source"

    def __init__(self, *, groups: int = 120, **settings: Any) -> None:
        defaults: dict[str, Any] = {"clips": 1, "frames": 1, "difficulty": Difficulty(home=0.5)}
        super().__init__(groups=groups, **(defaults | settings))

    def _place_of(self, action: Action | Meeting, group: int) -> str:
        if action.name == "croquet":
            return "forest"
        return super()._place_of(action, group)

    def draw(self, index: int) -> Rendering:
        """Paint a still, whatever has been kept."""
        label, group, _ = self._places[index]
        action = self._action(label)
        rng = generator(self.seed, self.kind, "still", self.names[index])
        when = _moment(rng, self.num_frames, telling=False)
        aim = rng.uniform(-0.2, 0.2), rng.uniform(-0.1, 0.1)
        view = tripod(self.num_frames, *aim, turn=rng.uniform(-0.05, 0.05), zoom=rng.uniform(0.9, 1.2))
        cast = _cast(action, rng, rng, when, view, self.difficulty)
        back, front = _surroundings(rng, view, self._place_of(action, group), self.difficulty)
        return _relight(self._seen([*back, *cast, *front], view), rng, self.difficulty)


class SwappedHomes(Source):
    """A source task that misleads: stills of the classes of `Actions`, each where its look-alike is at home.

    Args:
        bias: probability that a still of a class with a home stands in that of its look-alike; else it is anywhere.
        settings: of `Source`; ``bias`` is the ``home`` of their difficulty.
    """

    actions = acts.ACTIONS
    kind = "swapped-homes"

    def __init__(self, *, bias: float = 1.0, **settings: Any) -> None:
        if not isinstance(bias, int | float) or not 0 <= bias <= 1:
            raise ValueError(f"bias must be a probability from 0 to 1; got {bias!r}")
        difficulty = dataclasses.replace(settings.pop("difficulty", Difficulty()), home=bias)
        super().__init__(difficulty=difficulty, **settings)

    def _place_of(self, action: Action | Meeting, group: int) -> str:
        rng = generator(self.seed, self.kind, "place", action.name, group)
        other = acts.LOOK_ALIKES.get(action.name)
        home = next((each.home for each in acts.ACTIONS if each.name == other), None)
        return _scene_name(rng, home, self.difficulty)


def _scene_name(rng: np.random.Generator, home: str | None, difficulty: Difficulty) -> str:
    at_home, anywhere = rng.random() < difficulty.home, list(SCENES)[rng.integers(len(SCENES))]
    return home if home and at_home else anywhere


def _cast(
    action: Action | Meeting,
    actors: np.random.Generator,
    rng: np.random.Generator,
    when: Timing,
    view: Camera,
    difficulty: Difficulty,
) -> list[Part]:
    """One puppet, or two, with what they handle."""
    looks = random_look(actors), random_look(actors)
    sizes = actors.uniform(0.88, 1.0, 2)
    spot = 0.2 * difficulty.jitter * rng.uniform(-1, 1)
    still = np.zeros((when.frames, 1, 1))
    if isinstance(action, Meeting):
        poses = action.motion(when)
        order = (1, 0) if when.side == "left" else (0, 1)
        size = float(sizes.mean()) * 0.95
        return [part for i in order for part in perform(looks[i], view.layer(spot, size=size) + still, poses[i])]
    place = view.layer(spot, size=float(sizes[0])) + still
    return perform(looks[0], place, action.motion(when), action.things, when.side)


def _surroundings(
    rng: np.random.Generator, view: Camera, scene: str, difficulty: Difficulty
) -> tuple[list[Part], list[Part]]:
    """What is behind the puppets and what is in front of them."""
    back = SCENES[scene](rng, view)
    back += clutter(rng, view, int(rng.poisson(difficulty.clutter)), front=False)
    return back, clutter(rng, view, int(rng.poisson(0.3 * difficulty.clutter)), front=True)


def _relight(picture: Rendering, rng: np.random.Generator, difficulty: Difficulty) -> Rendering:
    """Brightness and tint of the whole clip; flow does not change with them."""
    gain = (1 + 0.12 * difficulty.light * rng.uniform(-1, 1)) * (1 + 0.05 * difficulty.light * rng.uniform(-1, 1, 3))
    lit = picture.frames.float() * torch.tensor(gain, dtype=torch.float32)[:, None, None]
    return dataclasses.replace(picture, frames=lit.round().clamp(0, 255).to(torch.uint8))


def _moment(rng: np.random.Generator, frames: int, *, telling: bool) -> Timing:
    """A moment in the middle of an action, for stills; the telling one is that of contact."""
    low, high = (0.4, 0.6) if telling else (0.2, 0.8)
    time = np.arange(frames, dtype=np.float64)
    return Timing(
        frames=frames,
        beat=2 * np.pi * (time / 9 + rng.random()),
        progress=np.clip(rng.uniform(low, high) + 0.05 * time, 0, 1),
        side=("left", "right")[rng.integers(2)],
        size=1 + 0.12 * rng.uniform(-1, 1),
    )
