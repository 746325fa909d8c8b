"""Nearest patches: what travels with the page, and, in a browser without a kernel, what pointing and keys show."""

import base64

import numpy as np
import pytest
import torch
from pages import opened

from labkit.patches import Patches
from labkit.viz.patches import PatchExplorer

SIZE = 96
TEXTS = {"title": "Three images", "alt": "Grey squares."}


class Known(Patches):
    """The neighbours of cell c are c + 5, c + 10...; their distances 0.1, 0.2... and a little more for each cell."""

    step = 5

    def neighbours(self, image, k):
        own, ranks = self.of_image(image)[:, None], torch.arange(1, k + 1)
        return 0.1 * ranks + own / 1000, (own + self.step * ranks) % (len(self.images) * len(self.starts) ** 2)


class KnownCoarse(Known):
    step = 3


def squares(images=3, cells=3, size=SIZE):
    """Images of flat squares; the grey of each is 9 times its number."""
    grey = torch.arange(images * cells**2).reshape(images, 1, cells, cells).mul(9).to(torch.uint8)
    return grey.repeat_interleave(size // cells, -1).repeat_interleave(size // cells, -2).expand(-1, 3, -1, -1)


def layer(kind=Known, cells=3, images=None, starts=None):
    images = squares() if images is None else images
    side = images.shape[-1] // cells
    return kind(None, images, torch.arange(cells) * side if starts is None else starts, side)


def explorer(layers=None, **options):
    layers = {"fine": layer(), "coarse": layer(KnownCoarse, 2)} if layers is None else layers
    return PatchExplorer(layers, **{"names": ["house", "tower", "<b>boat"], "asked": 3, "k": 3, **TEXTS} | options)


def unpacked(text, dtype):
    return torch.from_numpy(np.frombuffer(base64.b64decode(text), dtype).astype(np.int64))


@pytest.mark.parametrize(("cells", "images", "width"), [(3, 3, "<u2"), (40, 41, "<u4")])  # 65,600 cells: four bytes
def test_numbers_and_distances_come_back_as_they_were(cells, images, width):
    patches = layer(cells=cells, images=torch.zeros(images, 3, 80, 80, dtype=torch.uint8))
    (packed,) = explorer({"m": patches}, names=["x"] * images, asked=1).scene["layers"]
    distances, numbers = patches.neighbours(0, 3)
    assert torch.equal(unpacked(packed["numbers"], width).reshape(-1, 3), numbers)
    found = unpacked(packed["distances"], "<u2").reshape(-1, 3) * packed["unit"]
    assert (found - distances).abs().max() < 2e-5 * distances.max()
    assert packed["bytes"] == int(width[-1])


def test_locations_are_in_pixels_of_the_images_that_are_shown():
    """Seen by the network at twice the size, pixel 31.5 there is 16 pixels from the left edge here."""
    small, large = explorer({"small": layer(), "large": layer(images=squares(size=2 * SIZE))}).scene["layers"]
    assert small["centres"] == large["centres"] == [16, 48, 80]
    assert small["side"] == large["side"] == 32


def test_forty_images_and_four_layers_stay_under_a_megabyte_and_a_half():
    """The worst case: noise, which does not compress."""
    noise = torch.randint(0, 256, (40, 3, 112, 112), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.avg_pool2d(noise.float(), 3, 1, 1).to(torch.uint8)  # as photos are
    layers = {f"{cells}": layer(cells=cells, images=smooth) for cells in (14, 13, 7, 4)}
    assert len(explorer(layers, names=["x"] * 40, asked=40, k=8).to_html()) < 1_500_000


@pytest.mark.parametrize("options", [{"layers": {}}, {"names": ["a"]}, {"asked": 4}, {"asked": 0}])
def test_what_does_not_fit_is_explained(options):
    with pytest.raises(ValueError, match="images that have names, of which 1 or more are asked"):
        explorer(**options)


# In a browser, cut off from the network and without a kernel.

GREYS = """canvas => {
  const context = canvas.getContext("2d"), at = [0.25, 0.75].map((part) => part * canvas.width);
  return at.flatMap((y) => at.map((x) => context.getImageData(x, y, 1, 1).data[0]));
}"""


def press(root, column, row, cells=3):
    """Press on a cell of the image that is asked."""
    box = root.locator(".lx-asked canvas").bounding_box()
    size = box["width"] / cells
    root.page.mouse.click(box["x"] + (column + 0.4) * size, box["y"] + (row + 0.4) * size)


def near(root):
    return root.locator(".lx-near button:visible b").all_inner_texts()


def asked(root):
    return root.locator(".lx-asked > span").inner_text()


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
    assert outlined(root, "asked") == [64, 32, 32, 32]
    assert asked(root) == "house, row 2, column 3"
    for index, cell in enumerate((5, 10, 15, 20)):
        assert greys(root, index) == pytest.approx([9 * cell] * 4, abs=1)  # images lose some
    assert near(root) == ["1: 0.105", "2: 0.205", "3: 0.305"]
    assert root.locator(".lx-near button span").all_inner_texts() == ["tower", "tower", "<b>boat"]
    assert outlined(root, "found") == [32, 0, 32, 32]  # 10 is row 1, column 2 of the second image
    assert root.locator(".lx-found > span").inner_text() == "tower, row 1, column 2, distance 0.105"


@pytest.mark.browser
def test_pointing_at_a_neighbour_shows_where_it_lies(offline_page):
    root = opened(offline_page, explorer())
    press(root, column=2, row=1)
    tile = root.locator(".lx-near button").nth(2)
    tile.hover()  # 20: row 1, column 3 of the third image
    assert outlined(root, "found") == [64, 0, 32, 32]
    assert root.locator(".lx-found > span").inner_text() == "<b>boat, row 1, column 3, distance 0.305"
    corners = root.locator(".lx-found canvas").evaluate(GREYS)
    assert corners == pytest.approx([18 * 9, 20 * 9, 24 * 9, 26 * 9], abs=1)
    assert tile.get_attribute("aria-pressed") == "true"
    root.locator(".lx-near button").nth(1).focus()  # 15, in the second image, as 10 is
    assert outlined(root, "found") == [0, 64, 32, 32]
    assert root.locator(".lx-found rect.lx-outline:not(.lx-bold)").count() == 2


@pytest.mark.browser
def test_a_neighbour_can_be_asked_in_turn(offline_page):
    root = opened(offline_page, explorer({"m": layer()}, asked=2))
    press(root, column=2, row=1)
    root.get_by_role("button", name="Ask this patch").click()
    assert asked(root) == "tower, row 1, column 2"
    assert near(root) == ["1: 0.11", "2: 0.21", "3: 0.31"]
    assert root.get_by_role("radio", name="tower").is_checked()
    press(root, column=2, row=1)
    root.locator(".lx-near button").nth(0).hover()  # 14 + 5 lies in the third image, which cannot be asked
    assert root.get_by_role("button", name="Ask this patch").count() == 0


@pytest.mark.browser
def test_a_patch_that_hangs_over_the_border_keeps_its_place(offline_page):
    """The first column's patch has a quarter of its width outside; the inside must not be stretched over it."""
    root = opened(offline_page, explorer({"m": layer(starts=torch.tensor([-8, 32, 64]))}))
    press(root, column=0, row=1)
    edge = "canvas => [10, 40].map((x) => canvas.getContext('2d').getImageData(x, 64, 1, 1).data[3])"
    assert root.locator(".lx-own canvas").evaluate(edge) == [0, 255]


@pytest.mark.browser
def test_keys_walk_from_cell_to_cell_and_change_the_layer(offline_page):
    root = opened(offline_page, explorer())
    root.focus()
    presses = [("ArrowRight", "row 2, column 3"), ("ArrowRight", "row 2, column 3"), ("ArrowUp", "row 1, column 3")]
    presses += [("ArrowLeft", "row 1, column 2"), ("ArrowDown", "row 2, column 2"), ("2", "row 1, column 1")]
    presses += [("ArrowDown", "row 2, column 1"), ("1", "row 3, column 1")]  # a quarter and three quarters down
    for key, where in presses:
        offline_page.keyboard.press(key)
        assert asked(root) == f"house, {where}", key
    first, live = root.locator(".lx-near button").first, root.locator("[aria-live=polite]")
    assert live.inner_text() == "house, row 3, column 1. Nearest: tower, distance 0.106"
    assert first.text_content() == "Neighbour 1: 0.106 tower, row 1, column 3"  # its name holds what is written on it


@pytest.mark.browser
def test_another_layer_is_asked_at_the_same_point_and_the_slider_takes_neighbours_away(offline_page):
    root = opened(offline_page, explorer())
    press(root, column=2, row=1)
    root.get_by_role("button", name="coarse").click()
    assert outlined(root, "asked") == [48, 0, 48, 48]  # just above the middle: the upper one of two rows
    assert "2 × 2 locations, a patch is 48 × 48 pixels" in root.locator(".lx-about").inner_text()
    assert near(root) == ["1: 0.101", "2: 0.201", "3: 0.301"]
    root.get_by_role("button", name="fine").click()
    assert outlined(root, "asked") == [64, 32, 32, 32]
    root.locator(".lx-near button").nth(2).hover()
    root.get_by_role("slider", name="Neighbours shown").fill("2")
    assert len(near(root)) == 2
    assert root.locator(".lx-found b").inner_text() == "Neighbour 2 of 2"


@pytest.mark.browser
def test_another_image_is_picked_by_mouse_or_keys(offline_page):
    root = opened(offline_page, explorer())
    press(root, column=0, row=0)
    root.get_by_role("radio", name="<b>boat").check()
    assert asked(root) == "<b>boat, row 1, column 1"
    assert greys(root, 0) == pytest.approx([18 * 9] * 4, abs=1)
    offline_page.keyboard.press("ArrowLeft")  # the radio buttons have these keys for themselves
    assert asked(root) == "tower, row 1, column 1"
