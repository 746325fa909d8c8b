"""Two frames of a clip: what travels with the page, and, in a browser without a kernel, what the sliders show."""

import pytest
import torch
from pages import opened

from labkit.viz.colour import data_uri
from labkit.viz.pairs import PairExplorer

TEXTS = {"title": "A pair", "alt": "Grey frames."}
FRAMES = (torch.arange(3, dtype=torch.uint8) * 80)[:, None, None, None].expand(-1, 3, 6, 8)
HEAT = FRAMES.flip(0)
MOTION = torch.stack([torch.stack([FRAMES[j] // 2 + FRAMES[i] // 4 for j in range(3)]) for i in range(3)])
SCORES = torch.tensor([[0.1, 0.7, 0.2]]).expand(3, 3, 3).clone()
SCORES[2, 1] = torch.tensor([0.5, 0.0, 0.5])


def explorer(**options):
    given = {
        "of_frame": {"map": HEAT},
        "of_pair": {"input": MOTION},
        "scores": {"both": SCORES},
        "classes": ["hop", "<i>skip", "jump"],
        "right": 2,
        "labels": ["frame 0", "frame 3", "frame 5"],
        **TEXTS,
    }
    return PairExplorer(options.pop("frames", FRAMES), **(given | options))


def test_every_pair_has_its_image_and_its_best_classes():
    scene = explorer().scene
    assert scene["frames"] == [data_uri(frame) for frame in FRAMES]
    assert scene["ofFrame"][0]["images"][2] == data_uri(HEAT[2])
    assert scene["ofPair"][0]["images"][2][1] == data_uri(MOTION[2, 1])
    assert scene["scores"][0]["best"][0][1] == [[1, 0.7], [2, 0.2], [0, 0.1]]
    assert scene["scores"][0]["best"][2][1] == [[0, 0.5], [2, 0.5], [1, 0.0]]  # of equals the first comes first


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match=r"images 'input' must be \(3, 3, C, h, w\); got \(3, 2"):
        explorer(of_pair={"input": MOTION[:, :2]})
    with pytest.raises(ValueError, match=r"images 'map' must be \(3, C, h, w\)"):
        explorer(of_frame={"map": HEAT[:2]})
    with pytest.raises(ValueError, match=r"scores of 'both' must be \(3, 3, 3\)"):
        explorer(scores={"both": SCORES[0]})
    with pytest.raises(ValueError, match="must lie within 0 to 1; got others: take their softmax"):
        explorer(scores={"both": 3 * SCORES})
    with pytest.raises(ValueError, match="labels must be one for each of the 3 frames; got 1"):
        explorer(labels=["x"])
    with pytest.raises(ValueError, match="a pair needs 2 frames, and right 0 to 2; got 3 frames and 5"):
        explorer(right=5)


@pytest.mark.browser
def test_sliders_and_keys_choose_the_pair(offline_page):
    root = opened(offline_page, explorer())

    def shown():
        images = root.locator("img").evaluate_all("all => all.map(one => one.getAttribute('src'))")
        return images, root.locator(".lq-scores li").all_inner_texts()

    def expected(first, second):
        ends = [data_uri(image) for end in (first, second) for image in (FRAMES[end], HEAT[end])]
        return [*ends, data_uri(MOTION[first, second])]

    assert shown()[0] == expected(0, 1)
    assert [text.split() for text in shown()[1]] == [
        ["<i>skip", "70", "%"],
        ["✓", "jump", "20", "%"],
        ["hop", "10", "%"],
    ]
    sliders = root.locator("input[type=range]")
    sliders.nth(0).fill("2")
    assert shown()[0] == expected(2, 1)
    assert [text.split() for text in shown()[1]] == [
        ["hop", "50", "%"],
        ["✓", "jump", "50", "%"],
        ["<i>skip", "0", "%"],
    ]
    root.focus()
    for key, pair in (("ArrowUp", (2, 2)), ("ArrowUp", (2, 2)), ("ArrowLeft", (1, 2)), ("ArrowDown", (1, 1))):
        offline_page.keyboard.press(key)
        assert shown()[0] == expected(*pair), key
    assert "frame 3 and frame 3. both: <i>skip 70 %" in root.locator("[aria-live]").inner_text()
