"""Clips as points: what travels with the page, and, in a browser without a kernel, what pointing and keys do."""

import pytest
import torch
from pages import decoded, opened

from labkit.viz.scatter import THUMBNAIL, ClipScatter

POINTS = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 2.0], [4.0, 2.0], [2.0, 1.0]])
LABELS = torch.tensor([0, 0, 1, 1, 2])
TEXTS = {"title": "Five clips", "alt": "Five points.", "x_title": "to the right", "y_title": "up"}


def flat(level, length=3):
    return torch.full((length, 3, 8, 10), level, dtype=torch.uint8)


def scatter(points=POINTS, labels=LABELS, clips=None, **options):
    clips = [flat(50 * place) for place in range(len(points))] if clips is None else clips
    names = [f"clip_{place}" for place in range(len(points))]
    given = {"classes": ["hop", "skip", "jump"], "names": names, **TEXTS, **options}
    return ClipScatter(points, labels, clips, **given)


def test_points_carry_coordinates_class_name_and_clip():
    scene = scatter().scene
    assert [(point["x"], point["y"]) for point in scene["points"]] == [tuple(point) for point in POINTS.tolist()]
    assert [point["class"] for point in scene["points"]] == LABELS.tolist()
    assert scene["points"][3]["name"] == "clip_3"
    assert (scene["points"][0]["frames"], scene["points"][0]["height"], scene["points"][0]["width"]) == (3, 8, 10)
    strip = decoded(scene["points"][4]["source"])
    assert strip.shape == (3, 8, 30)
    assert (strip.float() - 200).abs().max() < 4  # images lose some


def test_frames_lie_side_by_side_in_order():
    clip = torch.cat([flat(level, 1) for level in (0, 120, 240)])
    strip = decoded(scatter(POINTS[:1], LABELS[:1], [clip]).scene["points"][0]["source"]).float()
    assert [round(part.mean().item(), -1) for part in strip.split(10, dim=-1)] == [0, 120, 240]


def test_no_two_classes_look_alike():
    kinds = [f"class {number}" for number in range(35)]
    looks = {(kind["colour"], kind["symbol"]) for kind in scatter(classes=kinds).scene["classes"]}
    assert len(looks) == 35
    with pytest.raises(ValueError, match="at most 35 of them; got labels 0 to 2 and 36 classes"):
        scatter(classes=[*kinds, "one more"])


def test_large_clips_are_shrunk():
    point = scatter(POINTS[:1], LABELS[:1], [torch.zeros(2, 3, 240, 320)]).scene["points"][0]
    assert (point["height"], point["width"]) == (THUMBNAIL * 3 // 4, THUMBNAIL)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: scatter(POINTS[:, :1]), ValueError, r"points must be \(N, 2\)"),
        (lambda: scatter(POINTS / 0), ValueError, "points must be finite"),
        (lambda: scatter(labels=LABELS[:3]), ValueError, r"labels must be \(5\)"),
        (lambda: scatter(labels=LABELS + 1), ValueError, "labels 1 to 3 and 3 classes"),
        (lambda: scatter(clips=[flat(0)]), ValueError, "one for each of the 5 points; got 1 and 5"),
        (lambda: scatter(clips=[flat(0)[:0]] * 5), ValueError, "clip clip_0 must not be empty"),
        (lambda: scatter(clips=[flat(0).int()] * 5), TypeError, "clip clip_0 must be uint8 or floating point"),
        (lambda: scatter(POINTS[:0], LABELS[:0]), ValueError, "got 0 points"),
    ],
)
def test_what_does_not_fit_is_explained(call, error, message):
    with pytest.raises(error, match=message):
        call()


# In a browser, cut off from the network and without a kernel.

READ = """(canvas) => canvas.getContext("2d").getImageData(2, 2, 1, 1).data[0]"""


def plays(page, root, level):
    """Whether the screen comes to show a clip of this grey."""
    page.wait_for_function(
        "([canvas, level]) => Math.abs(canvas.getContext('2d').getImageData(2, 2, 1, 1).data[0] - level) < 5",
        arg=[root.locator("canvas").element_handle(), level],
        polling=20,
    )
    return True


@pytest.mark.browser
def test_pointing_at_a_clip_plays_it(offline_page):
    root = opened(offline_page, scatter())
    for place in (3, 0, 4):
        root.locator(".ls-point").nth(place).hover()
        assert root.locator(".ls-name").inner_text() == f"clip_{place}"
        assert root.locator(".ls-class").inner_text() == ["hop", "skip", "jump"][LABELS[place]]
        assert plays(offline_page, root, 50 * place)


@pytest.mark.browser
def test_it_plays_frame_by_frame_three_times_and_rests(offline_page):
    clip = torch.cat([flat(level, 1) for level in (0, 120, 240)])
    root = opened(offline_page, scatter(POINTS[:1], LABELS[:1], [clip]), frozen=True)
    assert plays(offline_page, root, 0)
    for level in (120, 240, 0, 120, 240, 0, 120, 240):
        offline_page.clock.run_for(125)
        assert abs(root.locator("canvas").evaluate(READ) - level) < 5
    offline_page.clock.run_for(1000)
    assert abs(root.locator("canvas").evaluate(READ) - 240) < 5
    root.locator("canvas").click()
    assert abs(root.locator("canvas").evaluate(READ)) < 5


@pytest.mark.browser
def test_keys_go_through_clips_and_classes(offline_page):
    root = opened(offline_page, scatter())
    root.focus()
    presses = [("ArrowRight", 1), ("ArrowRight", 0), ("ArrowDown", 2), ("ArrowLeft", 3), ("ArrowDown", 4)]
    for key, place in [*presses, ("ArrowDown", 0), ("ArrowUp", 4)]:
        offline_page.keyboard.press(key)
        assert root.locator(".ls-name").inner_text() == f"clip_{place}", key
        chosen = root.locator(".ls-point").evaluate_all("all => all.findIndex(p => p.classList.contains('ls-chosen'))")
        assert chosen == place


@pytest.mark.browser
def test_the_legend_lets_a_class_stand_out(offline_page):
    root = opened(offline_page, scatter())
    faded = "all => all.map(p => p.classList.contains('ls-back'))"
    button = root.get_by_role("button", name="skip")
    button.click()
    assert root.locator(".ls-point").evaluate_all(faded) == [True, True, False, False, True]
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    assert root.locator(".ls-point").evaluate_all(faded) == [False] * 5


@pytest.mark.browser
def test_points_keep_their_shape_in_the_plane(offline_page):
    """Four corners and a centre: one unit is as long to the right as upwards, and up is up."""
    root = opened(offline_page, scatter())
    boxes = [root.locator(".ls-point").nth(place).bounding_box() for place in range(5)]
    x, y = ([box[a] + box[b] / 2 for box in boxes] for a, b in (("x", "width"), ("y", "height")))
    assert x[0] == pytest.approx(x[2], abs=1)
    assert y[0] > y[2]
    assert x[1] - x[0] == pytest.approx(2 * (y[0] - y[2]), rel=0.05)
