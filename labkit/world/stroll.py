"""A first corner of the world: a puppet strolls through a park and waves, while the camera follows by hand.

Small, seeded, and with exact flow: the default clip of the first notebooks.
"""

import math

import numpy as np

from labkit.checks import require_positive
from labkit.world.puppet import HIP_HEIGHT, puppet, random_look
from labkit.world.render import Array, Rendering, render, transform
from labkit.world.scenes import Camera, park


def stroll(
    seed: int = 0, *, frames: int = 24, height: int = 120, width: int = 160, speed: float = 1.0, camera: float = 1.0
) -> Rendering:
    """A puppet walks to the right and waves.

    Args:
        seed: clothes, trees, hills and the timing of the motion all follow from it.
        frames: T; the walk covers two steps in 24 frames.
        height: H in pixels.
        width: W in pixels.
        speed: of the puppet; 1 moves its body by about 1 % of the height of the image per frame.
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
    require_positive(speed, "speed", "a small number is nearly at rest; 0 is not allowed")
    rng = np.random.default_rng(seed)
    time = np.arange(frames, dtype=np.float64)

    step = 2 * math.pi * (speed * time / 12 + rng.random())
    walk = 0.05 * speed * (time - (frames - 1) / 2)  # body units to the right
    wave = 2 * math.pi * (speed * time / 8 + rng.random())
    swing = 0.5 * np.sin(step)
    joints: dict[str, Array | float] = {
        "left_hip": -0.75 * swing,
        "right_hip": 0.75 * swing,
        "left_knee": 0.35 + 0.35 * np.cos(step),
        "right_knee": 0.35 - 0.35 * np.cos(step),
        "left_shoulder": 0.35 + 0.8 * swing,
        "left_elbow": -0.4,
        "right_shoulder": -2.15 + 0.12 * np.sin(wave),
        "right_elbow": -0.45 + 0.55 * np.sin(wave),
        "lean": 0.04 * np.sin(step),
        "nod": 0.08 * np.sin(step + 0.6),
    }
    walker = puppet(random_look(rng, gaze=0.6), transform(walk, 0.06 * np.cos(2 * step) - HIP_HEIGHT), joints)

    tremble = [camera * 0.03 * np.sin(time * (0.9 + rng.random()) + 6 * rng.random()) for _ in range(3)]
    follow = camera * 0.7 * walk  # the camera pans after the puppet
    view = Camera(x=follow + tremble[0], y=tremble[1], turn=0.3 * tremble[2], zoom=np.ones(frames))
    return render([*park(rng, view), *walker], view.to_pixels(height, width), height, width, supersampling=2)
