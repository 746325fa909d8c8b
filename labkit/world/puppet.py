"""A puppet: sixteen rigid parts, hung together at the joints.

Lengths are in body units; a puppet stands about 3.6 units tall, its origin between the hips. Angles are in radians,
0 for a limb hanging straight down, growing clockwise on the screen. Parts come back to front, ready to paint.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from labkit.world.render import Part, Texture, transform
from labkit.world.shapes import Colour, capsule, checks, disc, face, plain, stripes

SKINS: tuple[Colour, ...] = ((0.98, 0.82, 0.69), (0.87, 0.66, 0.48), (0.66, 0.45, 0.3), (0.43, 0.28, 0.19))
HAIRS: tuple[Colour, ...] = ((0.16, 0.12, 0.12), (0.38, 0.22, 0.12), (0.86, 0.66, 0.3), (0.72, 0.3, 0.16))
CLOTHES: tuple[Colour, ...] = (
    (0.85, 0.31, 0.26),
    (0.95, 0.68, 0.24),
    (0.26, 0.55, 0.49),
    (0.24, 0.4, 0.66),
    (0.56, 0.33, 0.58),
    (0.96, 0.93, 0.86),
)
HIP_HEIGHT = 1.32  # of the origin above the soles, legs straight


@dataclass(frozen=True)
class Look:
    """What a puppet wears, and where it looks (-1 left to 1 right)."""

    skin: Colour
    hair: Colour
    shirt: Texture
    sleeve: Texture
    trousers: Texture
    shoe: Colour = (0.2, 0.18, 0.2)
    gaze: float = 0.0


def random_look(generator: torch.Generator, gaze: float = 0.0) -> Look:
    """Draw skin, hair and clothes; shirts are plain, striped or checked."""

    def draw(n: int) -> int:
        return int(torch.randint(n, (), generator=generator))

    first, second, legs = (CLOTHES[i] for i in torch.randperm(len(CLOTHES), generator=generator)[:3].tolist())
    shirt = (
        plain(first, rim=0.1),
        stripes(first, second, 0.34, rim=0.1),
        checks(first, second, 0.42, rim=0.1),
    )[draw(3)]
    darker = (legs[0] * 0.6, legs[1] * 0.6, legs[2] * 0.65)
    return Look(
        skin=SKINS[draw(len(SKINS))],
        hair=HAIRS[draw(len(HAIRS))],
        shirt=shirt,
        sleeve=plain(first, rim=0.07),
        trousers=plain(darker, rim=0.08),
        gaze=gaze,
    )


def puppet(look: Look, root: Tensor, joints: Mapping[str, Tensor]) -> list[Part]:
    """Hang the parts together.

    Args:
        look: skin, hair and clothes.
        root: (T, 3, 3) pose of the point between the hips.
        joints: angles, (T,) each: ``left_shoulder``, ``left_elbow``, ``left_hip``, ``left_knee``, the same for
            ``right_``, ``lean`` of the torso and ``nod`` of the head. Missing ones are 0. Left is left on the screen
            and is painted behind.

    Returns:
        Sixteen parts, back to front.

    Raises:
        ValueError: an unknown joint.
    """
    sides = ("left", "right")
    known = {f"{side}_{joint}" for side in sides for joint in ("shoulder", "elbow", "hip", "knee")} | {"lean", "nod"}
    if unknown := set(joints) - known:
        raise ValueError(f"joints must be among {sorted(known)}; got {sorted(unknown)}: check the spelling")
    still = torch.zeros(len(root), dtype=torch.float64)

    def angle(name: str) -> Tensor:
        return joints.get(name, still)

    spine = root @ transform(still, still, angle("lean"))
    skin = plain(look.skin, rim=0.07)
    limbs: dict[str, list[Part]] = {}
    for side, x in zip(sides, (-1, 1), strict=True):
        thigh = root @ transform(0.16 * x + still, still, angle(f"{side}_hip"))
        shin = thigh @ transform(still, 0.62 + still, angle(f"{side}_knee"))
        foot = shin @ transform(still, 0.56 + still, -0.5 * math.pi + 0.15 - 0 * still)
        upper = spine @ transform(0.3 * x + still, -0.86 + still, angle(f"{side}_shoulder"))
        fore = upper @ transform(still, 0.5 + still, angle(f"{side}_elbow"))
        hand = fore @ transform(still, 0.5 + still)
        limbs[side] = [
            Part(f"{side} foot", capsule(0.22, 0.12, 0.1), plain(look.shoe, rim=0.05), foot),
            Part(f"{side} shin", capsule(0.54, 0.15, 0.12), look.trousers, shin),
            Part(f"{side} thigh", capsule(0.62, 0.19, 0.15), look.trousers, thigh),
            Part(f"{side} hand", disc(0.14), skin, hand),
            Part(f"{side} forearm", capsule(0.44, 0.12, 0.1), skin, fore),
            Part(f"{side} upper arm", capsule(0.5, 0.15, 0.13), look.sleeve, upper),
        ]
    hips = Part("hips", capsule(0.16, 0.33, 0.31), look.trousers, spine @ transform(still, -0.14 + still))
    torso = Part("torso", capsule(0.72, 0.32, 0.34), look.shirt, spine @ transform(still, -0.9 + still))
    neck = spine @ transform(still, -1.2 + still, angle("nod"))
    head = Part(
        "head", disc(0.46), face(look.skin, look.hair, 0.46, 0.22 * look.gaze), neck @ transform(still, still - 0.4)
    )
    left, right = limbs["left"], limbs["right"]
    return [
        *left[3:],
        *left[:3],
        *right[:3],
        hips,
        torso,
        Part("neck", disc(0.17), skin, neck),
        head,
        *right[3:],
    ]
