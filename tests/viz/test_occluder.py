"""A black square under the mouse: what travels with the page, and, in a browser without a kernel, what is shown."""

import pytest
import torch
from pages import opened

from labkit.viz.colour import data_uri, heat_to_rgb
from labkit.viz.occluder import Covered, Occluder

TEXTS = {"title": "Cover it", "alt": "A grey image."}
IMAGE = torch.full((3, 8, 8), 90, dtype=torch.uint8)
BARE = torch.tensor([0.8, 0.15, 0.05])
TABLE = torch.tensor([0.8, 0.15, 0.05]).expand(2, 3, 3).clone()  # two rows of three squares
TABLE[1, 2] = torch.tensor([0.2, 0.7, 0.1])
CORNERS = ([0, 4], [0, 2, 4])


def occluder(said=(BARE, TABLE), **options):
    example = Covered("grey", IMAGE, options.pop("right", 0), {"network": said})
    given = {"corners": CORNERS, "side": 4, "classes": ["hop", "<i>skip", "jump"], **TEXTS}
    return Occluder(options.pop("examples", [example]), **(given | options))


def test_every_square_has_its_confidences_and_its_cost():
    scene = occluder().scene
    net = scene["examples"][0]["nets"][0]
    assert net["bare"] == [0.8, 0.15, 0.05]
    assert net["table"][1][2] == [0.2, 0.7, 0.1]
    drop = torch.zeros(2, 3)
    drop[1, 2] = 0.75  # from .8 to .2
    assert net["heat"] == data_uri(heat_to_rgb(drop, 0.0, 1.0))
    nothing = torch.tensor([0.0, 1.0, 0.0])  # as a softmax may have it
    assert occluder((nothing, nothing.expand(2, 3, 3))).scene["examples"][0]["nets"][0]["heat"].startswith("data:")
    assert (scene["tops"], scene["lefts"], scene["side"]) == ([0, 4], [0, 2, 4], 4)


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match="at least one Covered"):
        occluder(examples=[])
    with pytest.raises(
        ValueError, match=r"confidences of 'network' in 'grey', covered must be \(2, 3, 3\); got \(3, 2, 3\)"
    ):
        occluder((BARE, TABLE.transpose(0, 1)))
    with pytest.raises(ValueError, match="must lie within 0 to 1: take the softmax"):
        occluder((3 * BARE, TABLE))
    with pytest.raises(ValueError, match="got 3 non-finite values"):
        occluder((BARE * float("nan"), TABLE))
    with pytest.raises(ValueError, match="right of 'grey' must be 0 to 2; got 3"):
        occluder(right=3)
    with pytest.raises(ValueError, match="must have confidences of"):
        occluder(examples=[Covered("a", IMAGE, 0, {}), Covered("b", IMAGE, 0, {"network": (BARE, TABLE)})])


@pytest.mark.browser
def test_the_square_follows_the_mouse_and_the_keys(offline_page):
    root = opened(offline_page, occluder())
    stage, square = root.locator(".lo-stage"), root.locator(".lo-square")

    def shown():
        at = tuple(float(square.get_attribute(name)) for name in ("x", "y"))
        return at, [" ".join(text.split()) for text in root.locator("li").all_inner_texts()]

    assert shown() == ((2, 4), ["✓ hop 80 % → 80 %", "<i>skip 15 % → 15 %", "jump 5 % → 5 %"])
    box = stage.bounding_box()
    offline_page.mouse.move(box["x"] + 0.99 * box["width"], box["y"] + 0.99 * box["height"])
    assert shown() == ((4, 4), ["<i>skip 15 % → 70 %", "✓ hop 80 % → 20 %", "jump 5 % → 10 %"])
    offline_page.mouse.move(box["x"] + 1, box["y"] + 1)
    assert shown()[0] == (0, 0)
    root.focus()
    for key, place in (("ArrowRight", (2, 0)), ("ArrowUp", (2, 0)), ("ArrowDown", (2, 4)), ("ArrowRight", (4, 4))):
        offline_page.keyboard.press(key)
        assert shown()[0] == place, key
    assert "grey, row 2, column 3. network: hop 20 %" in root.locator("[aria-live]").inner_text()
    assert not root.locator(".lab-picker").is_visible()
