import av
import numpy as np
import pytest
import zoo

from labkit.data import hdr, read_video

# Ordinary code values whose light is below the knee of the tone curve.
COLOURS = np.array(
    [[0, 0, 0], [32, 32, 32], [128, 128, 128], [160, 160, 160], [170, 50, 20], [20, 160, 50], [30, 60, 150]]
)
TO_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])  # BT.2087


def light(colours):
    """Light of ordinary colours on the primaries of BT.2020, in candela per square metre; white is 203."""
    return 203 * (colours / 255) ** 2.4 @ TO_BT2020.T


def pq_codes(nits):
    """BT.2100 table 4, written out."""
    power = (np.clip(nits, 0, None) / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def hlg_codes(nits):
    """BT.2100 table 5, written out: the system gamma undone, then the curve."""
    shown = np.clip(nits, 0, None) / 1000
    luma = (shown @ [0.2627, 0.6780, 0.0593])[..., None]
    scene = shown * np.where(luma > 0, luma, 1) ** (1 / 1.2 - 1)
    high = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), high)


CODES = {hdr.PQ: pq_codes, hdr.HLG: hlg_codes}


@pytest.mark.parametrize("transfer", CODES)
def test_ordinary_colours_come_back(transfer):
    codes = np.round(65535 * CODES[transfer](light(COLOURS))).astype(np.uint16)
    assert np.abs(hdr.to_sdr(codes, transfer).astype(int) - COLOURS).max() <= 2


@pytest.mark.parametrize("transfer", CODES)
def test_highlights_are_bent_not_cut(transfer):
    nits = np.array([0, 50, 94, 150, 203, 400, 600, 1000])
    grey = np.repeat(nits[:, None], 3, axis=1)
    shown = hdr.to_sdr(np.round(65535 * CODES[transfer](grey)).astype(np.uint16), transfer).astype(int)
    assert (np.ptp(shown, axis=1) <= 1).all()  # grey stays grey
    assert (np.diff(shown[:, 1]) > 0).all()  # brighter stays brighter
    assert 225 <= shown[4, 1] <= 240  # white leaves room for highlights
    assert shown[-1, 1] == 255


def test_the_curve_is_that_of_bt_2390():
    """One point by hand: 203 cd/m2 of 1000, aimed at a white of 203."""
    x, most = pq_codes(203) / pq_codes(1000), pq_codes(203) / pq_codes(1000)
    knee = 1.5 * most - 0.5
    t = (x - knee) / (1 - knee)
    bent = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * most
    before, after = hdr._tone_curve()
    assert np.interp(0.203, before, after) == pytest.approx(hdr.pq_to_light(bent * pq_codes(1000)) / 203, rel=1e-3)


def test_pq_is_its_own_inverse():
    nits = np.array([0, 0.01, 1, 100, 203, 1000, 10_000])
    assert hdr.light_to_pq(nits) == pytest.approx(pq_codes(nits), abs=1e-9)
    assert hdr.pq_to_light(hdr.light_to_pq(nits)) == pytest.approx(nits, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("transfer", CODES)
def test_a_film_in_hdr_shows_the_colours_that_were_filmed(tmp_path, transfer):
    frame = zoo.hdr_frame(CODES[transfer](light(COLOURS)), transfer)
    settings = {"color_trc": transfer, "colorspace": 9, "color_primaries": 9, "color_range": 1}
    path = zoo.write(tmp_path / "hdr.mkv", [frame], "ffv1", "yuv444p10le", **settings)
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).color_trc == transfer
    shown = read_video(path).frames[0, :, 16, 8::16].T.numpy().astype(int)
    assert np.abs(shown - COLOURS).max() <= 4
