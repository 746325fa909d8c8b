"""Heat maps of concepts on frames: what travels with the page, and what its controls show without a kernel."""

import pytest
import torch
from pages import opened

from labkit.viz.attention import AttentionExplorer
from labkit.viz.colour import data_uri

TEXTS = {"title": "Where", "alt": "Grey frames."}
FRAMES = (torch.arange(3, dtype=torch.uint8) * 80)[:, None, None, None].expand(-1, 3, 8, 10)
MAPS = torch.zeros(3, 2, 4, 5)
MAPS[0, 0, 2, 3] = 2.0  # best squares of 3 x 3 that hold it: the first is at row 0, column 1
MAPS[1, 1, 3, 4], MAPS[1, 1, 1, 0] = 4.0, 1.0
ENERGIES = {"window": torch.tensor([[2.0, 0.0], [0.0, 4.0], [0.0, 0.0]]), "network": torch.tensor([[-1.0, 1.0]] * 3)}


def explorer(maps=MAPS, energies=ENERGIES, **options):
    return AttentionExplorer(FRAMES, maps, energies, **({"concepts": ["hug", "kiss"], "right": 1, **TEXTS} | options))


def test_maps_share_a_scale_and_squares_are_found():
    found = explorer()
    assert (found.frame, found.concept) == (0, "kiss")
    scene = found.scene
    assert scene["frames"] == [data_uri(frame) for frame in FRAMES]
    assert scene["levels"][0][0][2 * 5 + 3] == 32  # half of 63, rounded to even
    assert scene["levels"][1][1][3 * 5 + 4] == 63
    assert scene["levels"][2][0] == [0] * 20
    assert scene["corners"][0][0] == [0, 1]
    assert scene["corners"][1][1] == [1, 2]
    assert scene["energies"][1]["values"][2] == [-1.0, 1.0]


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match=r"maps must be \(3, 2, h, w\); got \(3, 1"):
        explorer(maps=MAPS[:, :1])
    with pytest.raises(ValueError, match=r"energies 'network' must be \(3, 2\)"):
        explorer(energies={"network": torch.zeros(3, 3)})
    with pytest.raises(ValueError, match="maps must be 0 or more, and energies given; got -1 and 2"):
        explorer(maps=MAPS - 1)
    with pytest.raises(ValueError, match=r"right must be 0 to 1, .* maps at least 3 x 3; got 2, 0 and \(4, 5\)"):
        explorer(right=2)
    with pytest.raises(ValueError, match="names of their own"):
        explorer(concepts=["hug", "hug"])


@pytest.mark.browser
def test_frame_and_concept_are_chosen(offline_page):
    root = opened(offline_page, explorer())

    def shown():
        style = root.locator(".la-square").evaluate("box => [box.style.top, box.style.left, box.style.width]")
        return root.locator("img").get_attribute("src"), style, root.locator("section ol").first.inner_text().split()

    assert shown() == (data_uri(FRAMES[0]), ["0%", "0%", "60%"], ["hug", "2.00", "✓", "kiss", "0.00"])
    root.locator("button", has_text="hug").click()
    assert shown()[1] == ["0%", "20%", "60%"]
    root.locator("input[type=range]").fill("1")
    assert shown()[::2] == (data_uri(FRAMES[1]), ["hug", "0.00", "✓", "kiss", "4.00"])
    root.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "ArrowLeft"):
        offline_page.keyboard.press(key)
    assert shown()[:2] == (data_uri(FRAMES[1]), ["25%", "40%", "60%"])
    assert "frame 1, kiss: window 4; network 1" in root.locator("[aria-live]").inner_text()
    box = root.locator("svg").first.bounding_box()
    offline_page.mouse.click(box["x"] + box["width"] - 6, box["y"] + 5)
    assert shown()[0] == data_uri(FRAMES[2])
