"""A first corner of the world: a puppet strolls through a park and waves, while the camera follows by hand.

Small, seeded, and with exact flow: the default clip of the first notebooks.
"""

import math

import torch

from labkit.checks import require_positive
from labkit.world.puppet import HIP_HEIGHT, puppet, random_look
from labkit.world.render import Part, Rendering, render, transform
from labkit.world.shapes import box, clouds, disc, everywhere, hill, plain

VIEW_HEIGHT = 4.9  # body units from the top of the picture to its bottom


def stroll(
    seed: int = 0, *, frames: int = 24, height: int = 120, width: int = 160, speed: float = 1.0, camera: float = 1.0
) -> Rendering:
    """A puppet walks to the right and waves.

    Args:
        seed: clothes, trees, hills and the timing of the motion all follow from it.
        frames: T; the walk covers two steps in 24 frames.
        height: H in pixels.
        width: W in pixels.
        speed: of the puppet; 1 moves its body by about 1 % of the height of the picture per frame.
        camera: strength of the camera's motion: 0 is a tripod, 1 pans after the puppet and trembles a little.

    Returns:
        The clip with its exact flow, occlusion and part index.

    Raises:
        ValueError: fewer than one frame, or a size below 16 pixels.
    """
    if frames < 1 or height < 16 or width < 16:
        raise ValueError(
            f"stroll needs frames >= 1 and height, width >= 16; got {frames}, {height}, {width}: ask for a larger clip"
        )
    require_positive(speed, "speed", "stand still with a small number, not with 0")
    generator = torch.Generator().manual_seed(seed)
    time = torch.arange(frames, dtype=torch.float64)
    zero = torch.zeros_like(time)
    middle = (frames - 1) / 2

    step = 2 * math.pi * speed * time / 12 + 2 * math.pi * _uniform(generator)
    walk = 0.05 * speed * (time - middle)  # body units to the right
    bounce = 0.06 * torch.cos(2 * step)
    wave = 2 * math.pi * speed * time / 8 + 2 * math.pi * _uniform(generator)
    swing = 0.5 * torch.sin(step)
    joints = {
        "left_hip": -0.75 * swing,
        "right_hip": 0.75 * swing,
        "left_knee": 0.35 + 0.35 * torch.cos(step),
        "right_knee": 0.35 - 0.35 * torch.cos(step),
        "left_shoulder": 0.35 + 0.8 * swing,
        "left_elbow": -0.4 + zero,
        "right_shoulder": -2.15 + 0.12 * torch.sin(wave),
        "right_elbow": -0.45 + 0.55 * torch.sin(wave),
        "lean": 0.04 * torch.sin(step),
        "nod": 0.08 * torch.sin(step + 0.6),
    }
    walker = puppet(random_look(generator, gaze=0.6), transform(walk, bounce - HIP_HEIGHT, zero), joints)

    follow = camera * 0.7 * walk  # the camera pans after the puppet
    tremble = [
        camera * 0.03 * torch.sin(time * (0.9 + _uniform(generator)) + 6 * _uniform(generator)) for _ in range(3)
    ]
    scale = height / VIEW_HEIGHT
    lens = transform((width - 1) / 2, (height - 1) / 2, 0.0, scale)
    aim = transform(follow + tremble[0], -1.75 + tremble[1], 0.3 * tremble[2])
    return render([*_park(generator, follow), *walker], lens @ torch.linalg.inv(aim), height, width)


def _park(generator: torch.Generator, follow: torch.Tensor) -> list[Part]:
    """Sky, sun, far hills, a lawn and a few trees; what is far away follows the camera and so moves less."""
    still = torch.zeros_like(follow)

    def at(x: float, y: float, nearness: float = 1.0, turn: float = 0.0) -> torch.Tensor:
        return transform(x + (1 - nearness) * follow, y + still, turn + still)

    sky = clouds((0.53, 0.75, 0.89), (0.86, 0.93, 0.95), 0.9, generator)
    far = clouds((0.42, 0.62, 0.55), (0.55, 0.72, 0.6), 0.5, generator)
    lawn = clouds((0.44, 0.62, 0.27), (0.66, 0.78, 0.38), 0.25, generator)
    bumps = [(0.3, 5.0, 6 * _uniform(generator)), (0.12, 2.1, 6 * _uniform(generator))]
    parts = [
        Part("sky", everywhere(), sky, at(0, 0, 0.1)),
        Part("sun", disc(0.42), plain((1.0, 0.88, 0.45), rim=0.1), at(-2.2 + _uniform(generator), -3.3, 0.1)),
        Part("hills", hill(bumps), far, at(0, -1.35, 0.4)),
        Part("lawn", hill([(0.04, 4.0, 6 * _uniform(generator))]), lawn, at(0, -0.42)),
    ]
    bark, leaves = (0.42, 0.29, 0.2), ((0.2, 0.46, 0.28), (0.38, 0.6, 0.33))
    for x in (-2.6, 2.5):
        x = x + 0.8 * (_uniform(generator) - 0.5)
        parts += [
            Part("trunk", box(0.28, 1.7, 0.06), clouds(bark, (0.55, 0.4, 0.28), 0.2, generator, rim=0.06), at(x, -0.9)),
            Part("crown", disc(0.8), clouds(*leaves, 0.3, generator, rim=0.12), at(x, -2.15)),
        ]
    return parts


def _uniform(generator: torch.Generator) -> float:
    return float(torch.rand((), generator=generator))
