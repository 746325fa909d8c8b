"""High dynamic range to the ordinary one: what a telephone records in HLG or PQ, as an ordinary screen shows it.

An HDR file stores light on another scale than an ordinary one: read as it stands, its images are pale. The way here
is the one that the standards give, in this order:

1. code values to light: the inverse of HLG's curve and its system gamma of 1.2, or PQ's curve, which gives candela per
   square metre by itself (ITU-R BT.2100, tables 4 and 5);
2. a tone curve that keeps all that is darker than about half of white and bends the highlights into what is left. It is
   applied to the brightest of the three primaries, so that a colour keeps its hue (ITU-R BT.2390, section 5.4, EETF);
3. the primaries of BT.2020 to those of BT.709;
4. light to code values, the inverse of an ordinary screen's gamma of 2.4 (ITU-R BT.1886).

White of an ordinary image lies at 203 candela per square metre (ITU-R BT.2408), the brightest highlight at 1000;
brighter ones, which PQ allows, are cut off. What a file says of its own peak is not read.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

PQ, HLG = 16, 18
"""Numbers of the two transfer characteristics in ITU-T H.273."""

WHITE, PEAK = 203.0, 1000.0  # candela per square metre

# From the primaries of BT.2020 to those of BT.709, for linear light (ITU-R BT.2087, section 4).
_TO_BT709 = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32)
_LUMA_BT2020 = np.array([0.2627, 0.6780, 0.0593], np.float32)

Array = NDArray[np.float32]


def to_sdr(codes: NDArray[np.uint16], transfer: int) -> NDArray[np.uint8]:
    """Bring an image of high dynamic range to the ordinary one.

    Args:
        codes: (..., 3) red, green and blue on the primaries of BT.2020, full range from 0 to 65535.
        transfer: `PQ` or `HLG`.

    Returns:
        (..., 3) red, green and blue on the primaries of BT.709, from 0 to 255.
    """
    light = _light_of_codes(transfer)[codes]  # (..., 3), 1 is PEAK
    if transfer == HLG:  # so far the light of the scene; the screen shows it with a gamma of 1.2
        light *= (light @ _LUMA_BT2020)[..., None] ** np.float32(0.2)
    brightest = light.max(-1, keepdims=True)  # (..., 1)
    kept = np.interp(brightest, *_tone_curve()).astype(np.float32)  # 1 is WHITE
    light *= np.divide(kept, brightest, out=np.zeros_like(kept), where=brightest > 0)
    shown = (light @ _TO_BT709.T).clip(0, 1)  # (..., 3)
    return (255 * shown ** np.float32(1 / 2.4)).round().astype(np.uint8)


def pq_to_light(code: NDArray[np.float64]) -> NDArray[np.float64]:
    """PQ's code values, 0 to 1, to light in candela per square metre (ITU-R BT.2100, table 4)."""
    root = np.asarray(code) ** (1 / _M2)
    return 10_000 * (np.maximum(root - _C1, 0) / (_C2 - _C3 * root)) ** (1 / _M1)


def light_to_pq(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Light in candela per square metre to PQ's code values, 0 to 1 (ITU-R BT.2100, table 4)."""
    power = (np.asarray(light) / 10_000) ** _M1
    return ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2


_M1, _M2, _C1, _C2, _C3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128


@cache
def _light_of_codes(transfer: int) -> Array:
    """The light of each of 65536 codes: of the screen for PQ, of the scene for HLG; 1 is PEAK."""
    code = np.arange(65536) / 65535
    if transfer == PQ:
        return (pq_to_light(code).clip(0, PEAK) / PEAK).astype(np.float32)
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * np.log(4 * a)
    return np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12).astype(np.float32)


@cache
def _tone_curve() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Light before (1 is PEAK) and after (1 is WHITE): BT.2390's EETF, on the axis of PQ, for a black of 0."""
    light = np.linspace(0, 1, 4097) ** 3  # dense in the shadows
    x = light_to_pq(light * PEAK) / light_to_pq(np.array(PEAK))
    most = light_to_pq(np.array(WHITE)) / light_to_pq(np.array(PEAK))
    knee = 1.5 * most - 0.5
    t = (x - knee) / (1 - knee)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * most
    after = pq_to_light(np.where(x < knee, x, spline) * light_to_pq(np.array(PEAK))) / WHITE
    return light, after
