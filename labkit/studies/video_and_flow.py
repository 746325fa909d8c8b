"""The clip of the first lessons: one that the lab paints, whose flow is known exactly, or a video, whose flow is not.

A `Footage` holds whichever it is, so that a lesson reads the same for both: what is not known is estimated, and what
cannot be estimated is left out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from labkit import flow, world
from labkit.data import read_video, scan
from labkit.world.render import Rendering


class Size(NamedTuple):
    """Of the painted clip: its frames, and their height and width in pixels."""

    frames: int
    height: int
    width: int


SCALES = {"smoke": Size(10, 48, 64), "lesson": Size(24, 120, 160), "study": Size(48, 240, 320)}
SCALES["paper"] = SCALES["study"]
GUESS = "guess: no motion"
FEWEST = 8  # frames of a clip


def stroll(profile: str, seed: int = 0, *, camera: float = 1.0) -> Rendering:
    """A puppet that strolls and waves, in the size of the profile; see `labkit.world.stroll`."""
    return world.stroll(seed, **SCALES[profile]._asdict(), camera=camera)


def arm_row(scene: Rendering) -> int:
    """The row of pixels that the puppet's right forearm crosses most often."""
    arm = scene.part == scene.names.index("right forearm")  # (T, H, W)
    return int(arm.any(2).sum(0).argmax())


@dataclass(frozen=True)
class Footage:
    """A clip to look at, and what is known about its motion.

    Attributes:
        name: what it shows, in a few words.
        clip: ``(T, 3, H, W)`` float32 from 0 to 1.
        fps: frames per second.
        scene: what it was painted as; None if it is a video.
    """

    name: str
    clip: Tensor
    fps: float
    scene: Rendering | None = None

    @classmethod
    def of(cls, puppet: Rendering, video: str = "", *, start: int = -1, device: str = "cpu") -> "Footage":
        """The clip that a lesson is about: the puppet's, or a part of a video that is as long and as large.

        Args:
            puppet: the painted clip.
            video: path of a video file; if empty, the clip is the puppet's.
            start: the first frame to take from the video; -1 takes the middle of it.
            device: where the tensors are.

        Raises:
            ValueError: there are fewer than 8 frames.
            FileNotFoundError: there is no such file.
        """
        if not video:
            return cls("a puppet that strolls and waves", puppet.frames.to(device) / 255, 8.0, puppet)
        path, (length, _, height, _) = Path(video), puppet.frames.shape
        info = scan(path)
        first = start if start >= 0 else max(0, (info.num_frames - length) // 2)
        last = min(first + length, info.num_frames)
        if last - first < FEWEST:
            raise ValueError(
                f"this notebook needs at least {FEWEST} frames; got {max(0, last - first)}: choose a longer clip or an "
                "earlier start"
            )
        frames = read_video(path, torch.arange(first, last), short_side=height).frames
        return cls(f"the clip {path.name}", frames.to(device) / 255, info.fps)

    @property
    def kind(self) -> str:
        """What its flow is: ``"exact"`` or ``"estimated"``."""
        return "exact" if self.scene else "estimated"

    @property
    def playback(self) -> dict[str, float | int | None]:
        """The settings of a player: its rate, and JPEG for a video, which would be too large without."""
        return {"fps": self.fps, "quality": None if self.scene else 90}

    @property
    def row(self) -> int:
        """A row of pixels that much moves through: the waving arm of the puppet, the middle of a video."""
        return arm_row(self.scene) if self.scene else self.clip.shape[-2] // 2

    @cached_property
    def forward(self) -> Tensor:
        """``(T-1, 2, H, W)``, flow from frame t to t + 1 in pixels per frame: exact, or an estimate by TV-L1."""
        if self.scene:
            return self.scene.forward.to(self.clip)
        return flow.tvl1(self.clip[:-1], self.clip[1:])

    @cached_property
    def backward(self) -> Tensor:
        """The same shape, flow from frame t + 1 back to t."""
        if self.scene:
            return self.scene.backward.to(self.clip)
        return flow.tvl1(self.clip[1:], self.clip[:-1])

    @property
    def exact(self) -> dict[str, Tensor]:
        """The exact flow under the name ``"exact"``, or nothing."""
        return {"exact": self.forward} if self.scene else {}

    def occluded(self, t: int) -> dict[str, Tensor]:
        """The pixels of frame t, bool ``(H, W)``, that the next frame does not show, as ``"exact"``; or nothing."""
        return {"exact": self.scene.occluded[t].to(self.clip.device)} if self.scene else {}

    @property
    def guess(self) -> dict[str, Tensor]:
        """The error ``(T-1, H, W)`` of the guess that nothing moves, which is the speed; without the truth nothing."""
        return {GUESS: self.forward.norm(dim=1)} if self.scene else {}

    def reference(self, estimates: Mapping[str, Tensor]) -> Tensor:
        """What estimates are compared with, ``(T-1, 2, H, W)``: the exact flow, or else the mean of the estimates."""
        return self.forward if self.scene else torch.stack(list(estimates.values())).mean(0)

    @property
    def areas(self) -> dict[str, Tensor]:
        """Masks ``(T-1, H, W)`` to measure errors on: background, puppet, what disappears; of a video all pixels."""
        if not self.scene:
            return {"everywhere": torch.ones_like(self.forward[:, 0], dtype=torch.bool)}
        puppet = self.scene.mask("puppet")[:-1]  # (T-1, H, W)
        masks = {"background": ~puppet, "puppet": puppet, "hidden in the next frame": self.scene.occluded}
        return {name: mask.to(self.clip.device) for name, mask in masks.items()}


def odd_steps(change: Tensor) -> Iterator[str]:
    """A line about the steps that are cuts, and one about those between two copies of a frame, if there are any.

    Args:
        change: ``(T-1,)``, how much the frames differ on average, of a range of 1.
    """
    lively = change.quantile(0.75)
    kinds = {"a cut": change > 4 * lively + 0.02, "two copies of one frame": change < 0.1 * lively + 1e-4}
    for kind, steps in kinds.items():
        if steps.any():
            after = " ".join(map(str, steps.nonzero()[:, 0].tolist()))
            yield f"{int(steps.sum())} of {len(steps)} steps look like {kind}: after frame {after}"


def agreement(checked: Tensor, exact: Tensor | None = None) -> str:
    """How many pixels a check marks, and how many of them rightly, in a sentence; both masks are bool ``(H, W)``."""
    if exact is None:
        return f"the check marks {int(checked.sum())} of {checked.numel()} pixels; what is right is not known here"
    both = int((checked & exact).sum())
    return (
        f"exact: {int(exact.sum())} pixels; the check finds {both} of them and marks {int(checked.sum()) - both} others"
    )


def worse_than_guess(table: Mapping[str, Mapping[str, float]]) -> str:
    """Which estimators have a larger error than the guess that nothing moves, in each area, in a sentence."""
    known = {area: row for area, row in table.items() if GUESS in row}
    if not known:
        return "whether an estimate is worse than no motion is not known here"
    worse = {area: [name for name in row if row[name] > row[GUESS]] for area, row in known.items()}
    return "worse than no motion: " + "; ".join(
        f"{area}: {', '.join(names) or 'none'}" for area, names in worse.items()
    )


def spread_points(clip: Tensor) -> Tensor:
    """Points spread evenly over the frames of a clip, about 12 in a row and 8 in a column: ``(N, 2)``, (x, y)."""
    height, width = clip.shape[-2:]
    x, y = torch.arange(6, width - 1, width // 12), torch.arange(6, height - 1, height // 8)
    return torch.cartesian_prod(x, y).to(clip)


def background_speed(scene: Rendering, fields: Tensor) -> float:
    """How fast everything but the puppet moves on average, in pixels per frame, in flow ``(T-1, 2, H, W)``."""
    background = ~scene.mask("puppet")[:-1]  # (T-1, H, W)
    return fields.norm(dim=1)[background].mean().item()


def inside_hole(size: int = 96) -> Tensor:
    """The pixels of `labkit.world.aperture` that lie in its hole, bool ``(size, size)``."""
    line = torch.arange(size) - (size - 1) / 2
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.hypot(x, y) < size * world.HOLE


def choose_locations(eigenvalues: Tensor, avoid: Tensor) -> dict[str, tuple[int, int]]:
    """A flat location, one on an edge and one on a corner, off the border: (x, y) in pixels by name.

    Args:
        eigenvalues: ``(2, H, W)``, of the structure tensor, the larger one first.
        avoid: bool ``(H, W)``, pixels that should not be near.
    """
    larger, smaller = eigenvalues
    safe = torch.zeros_like(avoid)
    safe[8:-8, 8:-8] = True
    safe &= ~F.max_pool2d(avoid[None].float(), 9, 1, 4)[0].bool()
    scores = {"A: flat": -larger, "B: edge": larger - 5 * smaller, "C: corner": smaller}
    best = {name: int(torch.where(safe, score, -torch.inf).argmax()) for name, score in scores.items()}
    return {name: (index % avoid.shape[1], index // avoid.shape[1]) for name, index in best.items()}


class Stored(NamedTuple):
    """Flow that was written to a file and read again: kilobytes per field, and what came back."""

    kilobytes: float
    fields: Tensor


def through_disk(fields: Tensor, quality: int) -> Stored:
    """Write flow fields ``(T, 2, H, W)`` to a file as JPEG, and read them back."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "clip.flow")
        flow.save_flow(path, fields.cpu(), quality=quality)
        return Stored(path.stat().st_size / len(fields) / 1000, flow.load_flow(path).to(fields.device))
