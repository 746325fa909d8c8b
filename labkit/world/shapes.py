"""Outlines and textures for the parts of the world: signed distances and colours in a part's own coordinates.

The signed distance of a capsule or a box is exact; see Quilez, "2D distance functions", for the derivations.
Every function here returns a function, to be handed to `labkit.world.render.Part`.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from labkit.world.render import Shape, Texture

Colour = tuple[float, float, float]


def everywhere() -> Shape:
    """A shape without an edge: for backgrounds."""
    return Shape(lambda points: torch.full(points.shape[:-1], -1e6, dtype=points.dtype))


def capsule(length: float, start_radius: float, end_radius: float | None = None) -> Shape:
    """A limb from the origin along +y, rounded at both ends, its radius changing evenly along the way."""
    end_radius = start_radius if end_radius is None else end_radius

    def distance(points: Tensor) -> Tensor:
        along = (points[..., 1] / length).clamp(0, 1)
        radius = start_radius + (end_radius - start_radius) * along
        return torch.hypot(points[..., 0], points[..., 1] - along * length) - radius

    return Shape(distance, length + max(start_radius, end_radius))


def disc(radius: float) -> Shape:
    """A disc around the origin."""
    return Shape(lambda points: torch.hypot(points[..., 0], points[..., 1]) - radius, radius)


def box(width: float, height: float, rounding: float = 0.0) -> Shape:
    """A box around the origin with rounded corners."""

    def distance(points: Tensor) -> Tensor:
        x = points[..., 0].abs() - width / 2 + rounding
        y = points[..., 1].abs() - height / 2 + rounding
        return torch.hypot(x.clamp(min=0), y.clamp(min=0)) + torch.maximum(x, y).clamp(max=0) - rounding

    return Shape(distance, math.hypot(width, height) / 2)


def hill(waves: list[tuple[float, float, float]]) -> Shape:
    """Everything below a wavy line around y = 0; each wave is (height, wave length, phase)."""

    def distance(points: Tensor) -> Tensor:
        line = sum(height * torch.sin(points[..., 0] * (6.2832 / length) + phase) for height, length, phase in waves)
        return line - points[..., 1]

    return Shape(distance)


def plain(colour: Colour, *, rim: float = 0.0) -> Texture:
    """One colour, darker towards the outline over a width of ``rim``."""
    return _with_rim(lambda points: _as_colour(colour, points), rim)


def stripes(first: Colour, second: Colour, period: float, *, rim: float = 0.0) -> Texture:
    """Soft stripes across the y axis."""
    return _with_rim(lambda points: _mix(first, second, torch.sin(points[..., 1] * (6.2832 / period)) * 2), rim)


def checks(first: Colour, second: Colour, period: float, *, rim: float = 0.0) -> Texture:
    """A soft checkerboard."""

    def colours(points: Tensor) -> Tensor:
        wave = torch.sin(points[..., 0] * (6.2832 / period)) * torch.sin(points[..., 1] * (6.2832 / period))
        return _mix(first, second, wave * 3)

    return _with_rim(colours, rim)


def clouds(first: Colour, second: Colour, period: float, generator: torch.Generator, *, rim: float = 0.0) -> Texture:
    """Smooth random patches about ``period`` across, in three octaves, repeating after 32 periods."""
    cells = torch.rand(3, 1, 32, 32, generator=generator)
    tiles = F.pad(cells, (2, 2, 2, 2), mode="circular")  # (3, 1, 36, 36): a border for the bicubic kernel

    def colours(points: Tensor) -> Tensor:
        total = torch.zeros(points.shape[:-1])
        for octave, tile in enumerate(tiles):
            cell = (points.reshape(1, 1, -1, 2).float() * 2**octave / period) % 32 + 2  # (1, 1, N, 2)
            value = F.grid_sample(tile[None], cell / 17.5 - 1, mode="bicubic", align_corners=True)  # (1, 1, 1, N)
            total += (value.reshape(points.shape[:-1]) - 0.5) / 1.6**octave
        return _mix(first, second, total * 2.4)

    return _with_rim(colours, rim)


def face(skin: Colour, hair: Colour, radius: float, look: float) -> Texture:
    """A head from the front: hair above, two eyes looking to the side by ``look``, cheeks and a smile."""

    def colours(points: Tensor) -> Tensor:
        x, y = points[..., 0] / radius, points[..., 1] / radius
        picture = _as_colour(skin, points)
        for side in (-1, 1):
            cheek = 0.5 - 5 * (torch.hypot(x - look - side * 0.5, y - 0.3) - 0.16)
            picture = _over(picture, (0.93, 0.5, 0.45), cheek.clamp(0, 1) * 0.6)
            eye = 0.5 - 8 * (torch.hypot(x - look - side * 0.34, y - 0.02) - 0.13)
            picture = _over(picture, (0.12, 0.1, 0.14), eye)
        smile = 0.5 - 9 * ((torch.hypot(x - look, y - 0.22) - 0.36).abs() - 0.06)
        picture = _over(picture, (0.5, 0.16, 0.16), torch.where(y > 0.38, smile, torch.zeros_like(smile)))
        fringe = 0.5 - 5 * (y + 0.42 + 0.14 * torch.cos(4 * x))
        return _over(picture, hair, fringe)

    return _with_rim(colours, 0.1 * radius)


def _as_colour(colour: Colour, points: Tensor) -> Tensor:
    return torch.tensor(colour).expand(*points.shape[:-1], 3)


def _mix(first: Colour, second: Colour, wave: Tensor) -> Tensor:
    """Between two colours: all first at -1, all second at +1."""
    share = (wave.float().clamp(-1, 1)[..., None] + 1) / 2
    return torch.tensor(first) + share * (torch.tensor(second) - torch.tensor(first))


def _over(picture: Tensor, colour: Colour, cover: Tensor) -> Tensor:
    return picture + cover.float().clamp(0, 1)[..., None] * (torch.tensor(colour) - picture)


def _with_rim(colours: Callable[[Tensor], Tensor], rim: float) -> Texture:
    """Shade the last ``rim`` units before the outline, which sets parts of one colour off from each other."""
    if rim <= 0:
        return lambda points, distance: colours(points)
    return lambda points, distance: colours(points) * (1 - 0.45 * (1 + distance.float() / rim).clamp(0, 1))[..., None]
