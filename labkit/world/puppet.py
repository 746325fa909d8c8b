"""A puppet: sixteen rigid parts, hung together at the joints, and the geometry to put a hand where it should be.

Lengths are in body units; a puppet stands about 3.5 units tall, its origin between the hips. Angles are in radians,
0 for a limb hanging straight down, growing clockwise on the screen, so that a left arm rises outwards by positive
angles and a right arm by negative ones. Parts come back to front, ready to paint.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from labkit.world.render import Array, Part, Texture, transform
from labkit.world.shapes import Colour, capsule, checks, disc, dots, face, plain, stripes

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
Joints = dict[str, Array | float]
"""Angles by the name of the joint, (T,), or a number where it stays."""

HIP_HEIGHT = 1.32  # of the origin above the soles, legs straight
SIDES = {"left": -1, "right": 1}  # on the screen, and the sign of x there

_SHOULDER, _UPPER_ARM, _FOREARM = (0.3, -0.86), 0.5, 0.5
_HIP, _THIGH, _SHIN = (0.16, 0.0), 0.62, 0.56
_SHOE: Colour = (0.2, 0.18, 0.2)
_JOINTS = {f"{side}_{joint}" for side in SIDES for joint in ("shoulder", "elbow", "hip", "knee")} | {"lean", "nod"}


@dataclass(frozen=True)
class Look:
    """What a puppet wears, and where it looks (-1 left to 1 right)."""

    skin: Colour
    hair: Colour
    shirt: Texture
    sleeve: Texture
    trousers: Texture
    gaze: float = 0.0


def random_look(rng: np.random.Generator, gaze: float = 0.0) -> Look:
    """Draw skin, hair and clothes; shirts are plain, striped, checked or dotted."""
    first, second, legs = (CLOTHES[i] for i in rng.permutation(len(CLOTHES))[:3])
    shirts = (
        plain(first, rim=0.1),
        stripes(first, second, 0.34, rim=0.1),
        checks(first, second, 0.42, rim=0.1),
        dots(first, second, 0.24, rim=0.1),
    )
    return Look(
        skin=SKINS[rng.integers(len(SKINS))],
        hair=HAIRS[rng.integers(len(HAIRS))],
        shirt=shirts[rng.integers(len(shirts))],
        sleeve=plain(first, rim=0.07),
        trousers=plain((legs[0] * 0.6, legs[1] * 0.6, legs[2] * 0.65), rim=0.08),
        gaze=gaze,
    )


def arm_to(side: str, x: Array | float, y: Array | float, *, elbow: str = "out") -> Joints:
    """Joint angles that bring a hand to (x, y), in the torso's coordinates; the elbow points outwards, or ``"in"``.

    A place out of reach is pointed at with a stretched arm. Angles do not jump where an arm passes overhead.
    """
    sign = SIDES[side]
    dx, dy = np.asarray(x) - sign * _SHOULDER[0], np.asarray(y) - _SHOULDER[1]
    shoulder, bend = _two_bones(dx, dy, _UPPER_ARM, _FOREARM, sign if elbow == "out" else -sign)
    shoulder = np.where(sign * shoulder > math.pi / 2, shoulder - sign * 2 * math.pi, shoulder)
    return {f"{side}_shoulder": shoulder, f"{side}_elbow": bend}


def other(side: str) -> str:
    """Right for left, left for right."""
    return "left" if side == "right" else "right"


def arm(side: str, outwards: Array | float, bend: Array | float) -> Joints:
    """Joint angles of an arm raised outwards by an angle, its forearm bent further up."""
    sign = -SIDES[side]
    return {f"{side}_shoulder": sign * outwards, f"{side}_elbow": sign * bend}


def hand_on_hip(side: str) -> Joints:
    """Joint angles of an arm whose hand rests on the hip."""
    return arm_to(side, SIDES[side] * 0.36, -0.1)


def legs_to(left: tuple[Array | float, Array | float], right: tuple[Array | float, Array | float]) -> Joints:
    """Joint angles that bring both ankles to their positions (x, y) from the hips; the knees point outwards."""
    joints: Joints = {}
    for side, (x, y) in (("left", left), ("right", right)):
        sign = SIDES[side]
        hip, knee = _two_bones(np.asarray(x) - sign * _HIP[0], np.asarray(y) - _HIP[1], _THIGH, _SHIN, sign)
        joints |= {f"{side}_hip": hip, f"{side}_knee": knee}
    return joints


def planted(drop: Array | float, spread: float = 0.22) -> Joints:
    """Joint angles of the legs when the hips come down by ``drop``, the feet on the ground, 2 * spread apart."""
    height = _THIGH + _SHIN - np.asarray(drop)
    return legs_to((-spread, height), (spread, height))


def _two_bones(x: Array, y: Array, upper: float, lower: float, bend: int) -> tuple[Array, Array]:
    """Angles of two limbs in a chain from the origin to (x, y), by the law of cosines."""
    away = np.clip(np.hypot(x, y), abs(upper - lower) + 1e-3, upper + lower - 1e-6)
    at_start = np.arccos(np.clip((upper**2 + away**2 - lower**2) / (2 * upper * away), -1, 1))
    at_end = np.arccos(np.clip((lower**2 + away**2 - upper**2) / (2 * lower * away), -1, 1))
    return np.arctan2(-x, y) - bend * at_start, bend * (at_start + at_end)


def puppet(look: Look, root: Array, joints: Mapping[str, Array | float]) -> list[Part]:
    """Hang the parts together.

    Args:
        look: skin, hair and clothes.
        root: (T, 3, 3) pose of the point between the hips.
        joints: angles, (T,) or a number each: ``left_shoulder``, ``left_elbow``, ``left_hip``, ``left_knee``, the same
            for ``right_``, ``lean`` of the torso and ``nod`` of the head. Missing ones are 0. Left is left on the
            screen.

    Returns:
        Sixteen parts, back to front: the arms before the body, but the left one behind if the puppet looks sideways.

    Raises:
        ValueError: an unknown joint.
    """
    if unknown := set(joints) - _JOINTS:
        raise ValueError(f"joints must be among {sorted(_JOINTS)}; got {sorted(unknown)}: check the spelling")

    def angle(name: str) -> Array | float:
        return joints.get(name, 0.0)

    sideways = abs(look.gaze) > 0.3
    spine = root @ transform(0, 0, angle("lean"))
    skin = plain(look.skin, rim=0.07)
    limbs: dict[str, list[Part]] = {}
    for side, x in SIDES.items():
        thigh = root @ transform(_HIP[0] * x, _HIP[1], angle(f"{side}_hip"))
        shin = thigh @ transform(0, _THIGH, angle(f"{side}_knee"))
        tilt = np.asarray(angle(f"{side}_hip")) + angle(f"{side}_knee")
        toes = math.copysign(1, look.gaze) if sideways else x  # a front view shows feet turned outwards
        foot = shin @ transform(0, _SHIN, toes * (0.15 - 0.5 * math.pi) - 0.7 * tilt)  # nearly flat on the ground
        upper = spine @ transform(_SHOULDER[0] * x, _SHOULDER[1], angle(f"{side}_shoulder"))
        fore = upper @ transform(0, _UPPER_ARM, angle(f"{side}_elbow"))
        hand = fore @ transform(0, _FOREARM)
        limbs[side] = [
            Part(f"{side} foot", capsule(0.22, 0.12, 0.1), plain(_SHOE, rim=0.05), foot, "puppet"),
            Part(f"{side} shin", capsule(0.54, 0.15, 0.12), look.trousers, shin, "puppet"),
            Part(f"{side} thigh", capsule(0.62, 0.19, 0.15), look.trousers, thigh, "puppet"),
            Part(f"{side} hand", disc(0.14), skin, hand, "puppet"),
            Part(f"{side} forearm", capsule(0.44, 0.12, 0.1), skin, fore, "puppet"),
            Part(f"{side} upper arm", capsule(0.5, 0.15, 0.13), look.sleeve, upper, "puppet"),
        ]
    hips = Part("hips", capsule(0.16, 0.33, 0.31), look.trousers, spine @ transform(0, -0.14), "puppet")
    torso = Part("torso", capsule(0.72, 0.32, 0.34), look.shirt, spine @ transform(0, -0.9), "puppet")
    neck = spine @ transform(0, -1.2, angle("nod"))
    look_face = face(look.skin, look.hair, 0.46, 0.22 * look.gaze)
    head = Part("head", disc(0.46), look_face, neck @ transform(0, -0.4), "puppet")
    left, right = limbs["left"], limbs["right"]
    body = [*left[:3], *right[:3], hips, torso, Part("neck", disc(0.17), skin, neck, "puppet"), head]
    return [*left[3:], *body, *right[3:]] if sideways else [*body, *left[3:], *right[3:]]
