"""Nearest patches: what travels with the page, and, in a browser without a kernel, what pointing and keys show."""

import base64
import json

import numpy as np
import pytest
import torch
import traitlets

from labkit.viz.patches import NearestPatches, PatchExplorer

SIZE = 12
TEXTS = {"title": "Three images", "alt": "Grey squares."}


def tiles(cells=3):
    """Three images of 3 x 3 flat squares; the grey of each is 9 times its number."""
    grey = torch.arange(3 * cells**2, dtype=torch.uint8).reshape(3, 1, cells, cells) * 9
    side = SIZE // cells
    return grey.repeat_interleave(side, -1).repeat_interleave(side, -2).expand(-1, 3, -1, -1)  # (3, 3, 12, 12)


def nearest(cells=3, k=3, asked=3, images=3, step=5, **changes):
    """The neighbours of cell c are c + 5, c + 10...; their distances 0.1, 0.2... and a little more for each cell."""
    own = torch.arange(asked * cells**2).reshape(asked, cells**2, 1)
    numbers = (own + step * torch.arange(1, k + 1)) % (images * cells**2)
    distances = 0.1 * torch.arange(1, k + 1) + own / 1000
    side = SIZE / cells
    centres = torch.arange(cells) * side + (side - 1) / 2
    return NearestPatches(**({"numbers": numbers, "distances": distances, "centres": centres, "side": side} | changes))


def explorer(images=None, layers=None, **options):
    layers = {"fine": nearest(), "coarse": nearest(cells=2, step=3)} if layers is None else layers
    options = {"names": ["house", "tower", "<b>boat"], "quality": None, **TEXTS} | options
    return PatchExplorer(tiles() if images is None else images, layers, **options)


def unpacked(text, dtype):
    return torch.from_numpy(np.frombuffer(base64.b64decode(text), dtype).astype(np.int64))


def test_numbers_and_distances_come_back_as_they_were():
    for cells, images, width in ((3, 3, "<u2"), (40, 41, "<u4")):  # 41 * 1600 cells do not fit into two bytes
        found = nearest(cells=cells, images=images, asked=1)
        shown = explorer(tiles()[:1].expand(images, -1, -1, -1), {"m": found}, names=["x"] * images, asked=[0])
        (packed,) = shown.scene["layers"]
        assert torch.equal(unpacked(packed["numbers"], width).reshape(1, cells**2, 3), found.numbers)
        distances = unpacked(packed["distances"], "<u2").reshape(1, cells**2, 3) * packed["unit"]
        assert (distances - found.distances).abs().max() < 2e-5 * found.distances.max()
        assert packed["bytes"] == int(width[-1])


def test_locations_are_in_pixels_of_the_images_that_are_shown():
    """Seen by the network at twice the size, pixel 3.5 there is 2.0 pixels from the left edge here."""
    large = nearest(centres=torch.tensor([3.5, 11.5, 19.5]), side=8.0, width=24)
    small, large = explorer(layers={"small": nearest(), "large": large}).scene["layers"]
    assert small["centres"] == large["centres"] == [2.0, 6.0, 10.0]
    assert small["side"] == large["side"] == 4.0


def test_some_images_may_be_asked():
    shown = explorer(layers={"m": nearest(asked=2)}, asked=[2, 0], k=2)
    assert (shown.scene["asked"], shown.image, shown.k, shown.shown) == ([2, 0], 2, 2, 0)
    assert shown.point == [6.0, 6.0]
    with pytest.raises(traitlets.TraitError, match=r"image must be one of \[2, 0\]; got 1"):
        shown.image = 1


def test_forty_images_and_four_layers_stay_under_a_megabyte_and_a_half():
    """The worst case: noise, which does not compress."""
    noise = torch.randint(0, 256, (40, 3, 112, 112), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.avg_pool2d(noise.float(), 3, 1, 1).to(torch.uint8)  # as photos are
    found = {f"{cells}": nearest(cells, k=8, asked=40, images=40) for cells in (14, 13, 7, 4)}
    assert len(explorer(smooth, found, names=["x"] * 40, quality=85).to_html()) < 1_500_000


def test_what_is_set_in_the_notebook_is_checked():
    shown = explorer()
    shown.layer, shown.image, shown.point, shown.k, shown.shown = "coarse", 2, [0.0, 12.0], 1, 2
    wrong = {"layer": "finest", "image": 3, "point": [0.0, 12.5], "k": 4, "shown": 3}
    for name, value in wrong.items():
        with pytest.raises(traitlets.TraitError, match=f"{name} must be"):
            setattr(shown, name, value)
    with pytest.raises(traitlets.TraitError, match="k must be 1 to 3; got 0"):
        shown.k = 0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: explorer(tiles()[:, :1]), ValueError, r"images must be \(N, 3, S, S\)"),
        (lambda: explorer(tiles()[..., :6]), ValueError, "square, as the network sees them"),
        (lambda: explorer(tiles().float()), TypeError, "images must be uint8; got float32"),
        (lambda: explorer(tiles()[:0], names=[], asked=[]), ValueError, "needs images, layers and an image to ask"),
        (lambda: explorer(layers={}), ValueError, "needs images, layers"),
        (lambda: explorer(names=["a"]), ValueError, "names must be 3, one for each image; got 1"),
        (lambda: explorer(asked=[0, 1, 3]), ValueError, r"asked must be different numbers, 0 to 2; got \[0, 1, 3\]"),
        (lambda: explorer(asked=[0, 1, 1]), ValueError, "asked must be different"),
        (lambda: explorer(quality=0), ValueError, "quality must be 1 to 100 or None"),
        (lambda: explorer(k=4), ValueError, "k must be 1 to 3, as many as the layers have; got 4"),
        (lambda: explorer(alt=" "), ValueError, "needs a title and an alt text"),
        (lambda: explorer(asked=[0]), ValueError, r"numbers of 'fine' must be \(1, 9, k\)"),
        (lambda: explorer(layers={"a": nearest(), "b": nearest(k=2)}), ValueError, "same k; got {'a': 3, 'b': 2}"),
        (lambda: explorer(layers={"a": nearest(k=0)}), ValueError, "must have cells with neighbours"),
        (lambda: wrong(numbers=nearest().numbers.int()), TypeError, "numbers of 'm' must be int64"),
        (lambda: wrong(numbers=nearest().numbers + 1), ValueError, "0 to 26, 3 x 3 cells of 3 images; got 1 to 27"),
        (lambda: wrong(distances=nearest().distances[..., :2]), ValueError, r"distances of 'm' must be \(3, 9, 3\)"),
        (lambda: wrong(distances=nearest().distances.flip(-1)), ValueError, "never fall"),
        (lambda: wrong(distances=nearest().distances - 1), ValueError, "must be 0 or more"),
        (lambda: wrong(distances=nearest().distances / 0), ValueError, "distances of 'm' must be finite"),
        (lambda: wrong(centres=torch.tensor([1.5, 5.5, 19.5])), ValueError, "rise within an image 12 pixels wide"),
        (lambda: wrong(centres=torch.tensor([5.5, 1.5, 9.5])), ValueError, "centres of 'm' must rise"),
        (lambda: wrong(side=0), ValueError, "side of 'm' must be"),
        (lambda: wrong(width=0), ValueError, "width of 'm' must be"),
    ],
)
def test_what_does_not_fit_is_explained(call, error, message):
    with pytest.raises(error, match=message):
        call()


def wrong(**changes):
    return explorer(layers={"m": nearest(**changes)})


def test_the_fragment_is_the_state_as_it_stands():
    shown = explorer()
    shown.layer, shown.point, shown.k, shown.shown = "coarse", [1.0, 2.0], 2, 1
    text = shown.to_html().split('<script type="application/json">')[1].split("</script>")[0]
    expected = {"scene": shown.scene, "layer": "coarse", "image": 0, "point": [1.0, 2.0], "k": 2, "shown": 1}
    assert json.loads(text) == expected


# In a browser, cut off from the network and without a kernel.

GREYS = """canvas => {
  const context = canvas.getContext("2d"), at = [0.25, 0.75].map((part) => part * canvas.width);
  return at.flatMap((y) => at.map((x) => context.getImageData(x, y, 1, 1).data[0]));
}"""


def opened(page, *figures):
    page.set_content("<!doctype html><meta charset=utf-8>" + "".join(figure.to_html() for figure in figures))
    page.locator(".labkit-patches[aria-busy=false]").nth(len(figures) - 1).wait_for()
    return page.locator(".labkit-patches").first


def press(root, column, row, cells=3):
    box = root.locator(".lx-asked canvas").bounding_box()
    x, y = ((place + 0.4) / cells for place in (column, row))
    root.page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])


def near(root):
    """What is shown for each neighbour."""
    return root.locator(".lx-near button:visible b").all_inner_texts()


def outlined(root, stage):
    """Left, top, width and height of the bold outline in the image that is asked, or in the one that is found."""
    box = root.locator(f".lx-{stage} rect.lx-outline.lx-bold")
    return [float(box.get_attribute(name)) for name in ("x", "y", "width", "height")]


def greys(root, index):
    """Greys of the patch that is asked (0) or of a neighbour, at four places."""
    return root.locator(".lx-tile canvas").nth(index).evaluate(GREYS)


@pytest.mark.browser
def test_a_press_on_a_cell_shows_its_patch_and_its_neighbours_in_order(offline_page):
    root = opened(offline_page, explorer())
    press(root, column=2, row=1)  # cell 5 of image 0; its neighbours are 10, 15 and 20
    assert outlined(root, "asked") == [8, 4, 4, 4]
    assert root.locator(".lx-asked > span").inner_text() == "house, row 2, column 3"
    assert [greys(root, index) for index in range(4)] == [[9 * cell] * 4 for cell in (5, 10, 15, 20)]
    assert near(root) == ["1: 0.105", "2: 0.205", "3: 0.305"]
    assert root.locator(".lx-near button span").all_inner_texts() == ["tower", "tower", "<b>boat"]
    assert outlined(root, "found") == [4, 0, 4, 4]  # 10 is row 1, column 2 of the second image
    assert root.locator(".lx-found > span").inner_text() == "tower, row 1, column 2, distance 0.105"


@pytest.mark.browser
def test_pointing_at_a_neighbour_shows_where_it_lies(offline_page):
    root = opened(offline_page, explorer())
    press(root, column=2, row=1)
    tile = root.locator(".lx-near button").nth(2)
    tile.hover()  # 20: row 1, column 3 of the third image
    assert outlined(root, "found") == [8, 0, 4, 4]
    assert root.locator(".lx-found > span").inner_text() == "<b>boat, row 1, column 3, distance 0.305"
    canvas = root.locator(".lx-found canvas")
    assert canvas.evaluate(GREYS) == [18 * 9, 20 * 9, 24 * 9, 26 * 9]
    assert tile.get_attribute("aria-pressed") == "true"
    root.locator(".lx-near button").nth(1).focus()  # 15, in the second image, as 10 is
    assert outlined(root, "found") == [0, 8, 4, 4]
    assert root.locator(".lx-found rect.lx-outline:not(.lx-bold)").count() == 2


@pytest.mark.browser
def test_a_neighbour_can_be_asked_in_turn(offline_page):
    root = opened(offline_page, explorer(layers={"m": nearest(asked=2)}, asked=[0, 1]))
    press(root, column=2, row=1)
    root.get_by_role("button", name="Ask this patch").click()
    assert root.locator(".lx-asked > span").inner_text() == "tower, row 1, column 2"
    assert near(root) == ["1: 0.11", "2: 0.21", "3: 0.31"]
    assert root.get_by_role("radio", name="tower").is_checked()
    press(root, column=2, row=1)
    root.locator(".lx-near button").nth(0).hover()  # 14 + 5 lies in the third image, which cannot be asked
    assert root.get_by_role("button", name="Ask this patch").count() == 0


@pytest.mark.browser
def test_a_patch_that_hangs_over_the_border_keeps_its_place(offline_page):
    """The first column's patch has a quarter of its width outside; the inside must not be stretched over it."""
    over = nearest(centres=torch.tensor([0.5, 5.5, 9.5]))
    root = opened(offline_page, explorer(layers={"m": over}))
    press(root, column=0, row=1)
    edge = "canvas => [10, 40].map((x) => canvas.getContext('2d').getImageData(x, 64, 1, 1).data[3])"
    assert root.locator(".lx-own canvas").evaluate(edge) == [0, 255]


@pytest.mark.browser
def test_keys_walk_from_cell_to_cell_and_change_the_map(offline_page):
    root = opened(offline_page, explorer())
    root.focus()
    presses = [("ArrowRight", "row 2, column 3"), ("ArrowRight", "row 2, column 3"), ("ArrowUp", "row 1, column 3")]
    presses += [("ArrowLeft", "row 1, column 2"), ("ArrowDown", "row 2, column 2"), ("2", "row 1, column 1")]
    presses += [("ArrowDown", "row 2, column 1"), ("1", "row 3, column 1")]  # 3 and 9 pixels
    for key, where in presses:
        offline_page.keyboard.press(key)
        assert root.locator(".lx-asked > span").inner_text() == f"house, {where}", key


@pytest.mark.browser
def test_another_map_is_asked_at_the_same_place_and_back(offline_page):
    root = opened(offline_page, explorer())
    press(root, column=2, row=1)
    root.get_by_role("button", name="coarse").click()
    assert outlined(root, "asked") == [6, 0, 6, 6]  # 5.6 pixels down: the upper one of two rows
    assert "2 × 2 locations, a patch is 6 × 6 pixels" in root.locator(".lx-about").inner_text()
    assert near(root) == ["1: 0.101", "2: 0.201", "3: 0.301"]
    root.get_by_role("button", name="fine").click()
    assert outlined(root, "asked") == [8, 4, 4, 4]


@pytest.mark.browser
def test_the_slider_takes_neighbours_away(offline_page):
    root = opened(offline_page, explorer())
    root.locator(".lx-near button").nth(2).hover()
    root.get_by_role("slider", name="Neighbours shown").fill("2")
    assert len(near(root)) == 2
    assert root.locator(".lx-found b").inner_text() == "Neighbour 2 of 2"


@pytest.mark.browser
def test_another_image_is_picked_by_mouse_or_keys(offline_page):
    root = opened(offline_page, explorer())
    press(root, column=0, row=0)
    root.get_by_role("radio", name="<b>boat").check()
    assert root.locator(".lx-asked > span").inner_text() == "<b>boat, row 1, column 1"
    assert greys(root, 0) == [18 * 9] * 4
    offline_page.keyboard.press("ArrowLeft")  # the radio buttons have these keys for themselves
    assert root.locator(".lx-asked > span").inner_text() == "tower, row 1, column 1"


@pytest.mark.browser
def test_it_says_what_it_is_to_those_who_listen(offline_page):
    root = opened(offline_page, explorer())
    assert root.get_attribute("aria-label") == "Three images. Grey squares."
    live = root.locator("[aria-live=polite]")
    assert live.inner_text() == ""
    root.focus()
    offline_page.keyboard.press("ArrowRight")
    assert live.inner_text() == "house, row 2, column 3. Nearest: tower, distance 0.105"
    names = [image.get_attribute("aria-label") for image in root.locator("canvas[role=img]").all()]
    assert names == [
        "Asked: house, row 2, column 3",
        "Neighbour 1 of 3: tower, row 1, column 2, distance 0.105",
    ]
    first = root.locator(".lx-near button").first
    assert first.get_attribute("aria-label") == "Neighbour 1: tower, row 1, column 2, distance 0.105"


@pytest.mark.browser
def test_tab_reaches_everything_and_shows_where_it_is(offline_page):
    root = opened(offline_page, explorer())
    reached = []
    for _ in range(9):
        offline_page.keyboard.press("Tab")
        reached.append(offline_page.evaluate("document.activeElement.ariaLabel ?? document.activeElement.textContent"))
        marked = "element => getComputedStyle(element.closest('.lab-picker label') ?? element).outlineStyle"
        assert offline_page.evaluate(f"({marked})(document.activeElement)") == "solid"
    start, *controls = reached
    assert start == root.get_attribute("aria-label")
    assert controls[:2] == ["fine", "coarse"]
    assert controls[3:5] == ["Neighbours shown", "Ask this patch"]
    assert [name.split(":")[0] for name in controls[5:]] == ["Neighbour 1", "Neighbour 2", "Neighbour 3"]


@pytest.mark.browser
def test_two_on_a_page_do_not_meet_and_fit_a_narrow_one(offline_page):
    first = opened(offline_page, explorer(), explorer(title="Another"))
    second = offline_page.locator(".labkit-patches").nth(1)
    second.get_by_role("radio", name="tower").check()
    second.get_by_role("button", name="coarse").click()
    assert first.get_by_role("radio", name="house").is_checked()
    assert first.get_by_role("button", name="fine").get_attribute("aria-pressed") == "true"
    offline_page.set_viewport_size({"width": 400, "height": 800})
    assert offline_page.evaluate("document.documentElement.scrollWidth <= innerWidth")
