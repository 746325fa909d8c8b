"""The aperture problem, ready to look at: a striped card slides behind a screen with a round hole."""

import math

import numpy as np

from labkit.world.render import Part, Rendering, Shape, render, transform
from labkit.world.shapes import disc, everywhere, plain, stripes

HOLE = 0.3  # radius, as a fraction of the size of the image


def aperture(velocity: tuple[float, float], *, frames: int = 16, size: int = 96, hole: bool = True) -> Rendering:
    """A card with diagonal stripes moves steadily; with the screen in front, only stripes can be seen of it.

    Along the stripes nothing changes, so velocities that agree across them, ``(1, 0)``, ``(0, 1)`` and ``(.5, .5)`` for
    one, look exactly the same through the hole. Without the screen, round marks on the card give the motion away.

    Args:
        velocity: of the card, (dx, dy) in pixels per frame.
        frames: T.
        size: H and W in pixels.
        hole: False takes the screen away.

    Returns:
        The clip with its exact flow, occlusion and part index.
    """
    time = np.arange(frames) - (frames - 1) / 2
    middle = (size - 1) / 2
    drift = transform(middle + velocity[0] * time, middle + velocity[1] * time)
    slanted = drift @ transform(0, 0, -math.pi / 4)
    parts = [Part("card", everywhere(), stripes((0.97, 0.94, 0.86), (0.24, 0.4, 0.66), size / 7), slanted)]
    for number in range(6):
        turn = math.pi * (number / 3 + 1 / 6)
        place = transform(0.52 * size * math.cos(turn), 0.52 * size * math.sin(turn))
        parts.append(Part("mark", disc(0.05 * size), plain((0.85, 0.31, 0.26), rim=0.02 * size), drift @ place))
    if hole:
        inside = disc(HOLE * size)
        screen = transform(middle + 0 * time, middle)
        rim = plain((0.27, 0.3, 0.34), rim=0.02 * size)
        parts.append(Part("screen", Shape(lambda x, y: -inside.distance(x, y)), rim, screen))
    return render(parts, transform(0 * time, 0), size, size, supersampling=2)
