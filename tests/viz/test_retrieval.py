"""Rankings: what travels with the page, and, in a browser without a kernel, what is right, wrong or skipped."""

import numpy as np
import pytest
import torch
from pages import opened

from labkit.retrieval import listed
from labkit.viz.retrieval import THUMBNAIL, RetrievalBrowser

TEXTS = {"title": "Two methods", "alt": "Seven grey images."}
IMAGES = (torch.arange(7, dtype=torch.uint8) * 30)[:, None, None, None].expand(-1, 3, 10, 8)
# Query 0 is image 0, its own junk; to be found are 1 and, harder, 2; 3 is junk. Query 1 is image 4, which finds itself.
GOOD, OK, JUNK = listed([[1], [4]], 7), listed([[2], [5]], 7), listed([[0, 3], []], 7)
FIRST = torch.tensor([[0, 1, 5, 3, 2, 4, 6], [4, 6, 0, 1, 2, 3, 5]])
SECOND = FIRST.flip(1)


def browser(rankings=None, **options):
    rankings = {"3a": FIRST, "<i>5b": SECOND} if rankings is None else rankings
    names = [f"photo {number}" for number in range(7)]
    given = {"queries": [0, 4], "good": GOOD, "ok": OK, "junk": JUNK, "names": names, **TEXTS}
    return RetrievalBrowser(**({"images": IMAGES, "rankings": rankings} | given | options))


def method(widget, index=0):
    return widget.scene["methods"][index]


def test_each_result_has_its_kind_and_rank_and_junk_takes_none():
    """Ranks by hand: the query and image 3 are skipped."""
    first, second = method(browser())["results"]
    expected = [(0, "query", 0), (1, "good", 1), (5, "wrong", 2), (3, "junk", 0), (2, "ok", 3), (4, "wrong", 4)]
    assert [tuple(result) for result in first] == [*expected, (6, "wrong", 5)]
    assert [tuple(result) for result in second[:3]] == [(4, "query", 1), (6, "wrong", 2), (0, "wrong", 3)]
    assert second[-1] == [5, "ok", 7]


def test_scores_are_worked_out_by_hand():
    """3a: found at ranks 1 and 3 of what counts, then at 1 and 7; by trapezoid from (0, 1) on."""
    expected = [(1 + (1 / 2 + 2 / 3) / 2) / 2, (1 + (1 / 6 + 2 / 7) / 2) / 2]
    assert method(browser())["ap"] == pytest.approx(expected)
    assert method(browser())["map"] == pytest.approx(sum(expected) / 2)
    assert browser().scene["positives"] == [2, 2]


def test_curves_are_their_corners():
    """A corner where something is found, and one just before it."""
    assert method(browser())["curves"][0] == [[0, 1], [0.5, 1], [0.5, 0.5], [1, 0.6667]]
    assert method(browser(), 1)["curves"][0] == [[0, 1], [0, 0], [0.5, 0.3333], [0.5, 0.25], [1, 0.4]]


def test_the_area_below_a_curve_is_its_average_precision():
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        ranking = torch.stack([torch.randperm(7, generator=generator) for _ in range(2)])
        scored = method(browser({"m": ranking}))
        for curve, score in zip(scored["curves"], scored["ap"], strict=True):
            recall, precision = np.array(curve).T
            assert np.trapezoid(precision, recall) == pytest.approx(score, abs=2e-4)


def test_only_images_that_come_up_travel_and_large_ones_are_shrunk():
    asked = []

    class Photos(list):
        def __getitem__(self, number):
            asked.append(number)
            return super().__getitem__(number)

    photos = Photos([torch.zeros(3, 200, 100 * (number + 1)) for number in range(7)])
    widget = browser({"3a": FIRST[:, :2]}, images=photos)
    assert asked == [0, 1, 4, 6]
    assert sorted(widget.scene["images"]) == ["0", "1", "4", "6"]
    page = "".join(image["source"] for image in widget.scene["images"].values())
    assert len(page) < 4 * 3 * THUMBNAIL**2


def test_a_list_cut_short_never_finds_the_rest():
    widget = browser({"m": FIRST[:, :4]})
    assert (widget.query, widget.left, widget.right) == (0, "m", "m")
    cut = method(widget)
    assert cut["ap"] == pytest.approx([0.5, 0.5])
    assert cut["curves"][0] == [[0, 1], [0.5, 1]]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"rankings": {}}, ValueError, "needs images, queries and rankings; got 7, 2 and 0"),
        ({"queries": [0, 7]}, ValueError, r"numbers of images, 0 to 6; got \[0, 7\]"),
        ({"names": ["a"]}, ValueError, "names must be 7, one an image; got 1"),
        ({"good": GOOD[:1]}, ValueError, r"good must be \(2, 7\)"),
        ({"junk": JUNK.long()}, TypeError, "junk must be bool"),
        ({"ok": GOOD}, ValueError, "image 1 is good and ok to query 0"),
        ({"junk": listed([[3], []], 7)}, ValueError, r"junk to itself \(Holidays\) or good .*; 0 is neither"),
        ({"rankings": {"m": FIRST[:1]}}, ValueError, r"ranking 'm' must be \(2, M\)"),
        ({"rankings": {"m": FIRST * 0}}, ValueError, "an image once"),
        ({"images": IMAGES[:, :, :0]}, ValueError, "image photo 0 must not be empty"),
        ({"images": IMAGES.int()}, TypeError, "image photo 0 must be uint8 or floating point"),
    ],
)
def test_what_does_not_fit_is_explained(options, error, message):
    with pytest.raises(error, match=message):
        browser(**options)


# In a browser, cut off from the network and without a kernel.


def said(root, side):
    return root.locator("ol").nth(side).locator(".lr-caption").all_inner_texts()


@pytest.mark.browser
def test_results_stand_in_order_with_rank_word_and_image(offline_page):
    root = opened(offline_page, browser())
    first = ["– query, skipped", "1 right", "2 wrong", "– junk, skipped", "3 right (ok)", "4 wrong", "5 wrong"]
    assert said(root, 0) == first
    assert said(root, 1) == ["1 wrong", "2 wrong", "3 right (ok)", "– junk, skipped", "4 wrong", "5 right", first[0]]
    alts = root.locator("ol").first.locator("img").evaluate_all("all => all.map(image => image.alt)")
    assert alts[:4] == [
        "No rank: query, skipped: photo 0",
        "Rank 1: right: photo 1",
        "Rank 2: wrong: photo 5",
        "No rank: junk, skipped: photo 3",
    ]
    sources = root.locator("ol").first.locator("img").evaluate_all("all => all.map(image => image.src)")
    assert sources == [browser().scene["images"][str(number)]["source"] for number in FIRST[0].tolist()]


@pytest.mark.browser
def test_kinds_differ_in_colour_line_and_sign(offline_page):
    root = opened(offline_page, browser())
    look = """items => items.map((item) => {
      const { borderTopColor, borderTopStyle } = getComputedStyle(item.querySelector(".lr-frame"));
      return [borderTopColor, borderTopStyle, item.querySelector(".lr-sign path").getAttribute("d")];
    })"""
    looks = root.locator("ol").first.locator("li").evaluate_all(look)[:5]  # query, good, wrong, junk, ok
    colours, lines, signs = (set(part) for part in zip(*looks, strict=True))
    assert len(colours) == len(signs) == 5
    assert len(lines) == 4  # the query has a right one's line, and a colour far from it


@pytest.mark.browser
def test_another_query_by_mouse_and_keys(offline_page):
    root = opened(offline_page, browser())
    root.get_by_role("radio", name="photo 4").check()
    assert said(root, 0)[:2] == ["1 query, found", "2 wrong"]
    assert root.locator(".lr-question b").inner_text() == "photo 4"
    assert root.locator(".lr-question span").inner_text() == "2 to find"
    numbers = root.locator("tbody tr").first.locator(".lr-number").all_inner_texts()
    assert numbers == ["0.613", "0.702"]  # (1 + 19/84) / 2, and its mean with 0.792
    root.focus()
    for key, name in (("ArrowRight", "photo 0"), ("ArrowLeft", "photo 4"), ("ArrowLeft", "photo 0")):
        offline_page.keyboard.press(key)
        assert root.locator(".lr-question b").inner_text() == name
        assert root.get_by_role("radio", name=name).is_checked()
    said_last = root.locator("[aria-live=polite]").inner_text()
    assert said_last == "photo 0. 3a: average precision 0.792; <i>5b: average precision 0.246"


@pytest.mark.browser
def test_either_side_shows_the_method_that_is_chosen(offline_page):
    root = opened(offline_page, browser())
    titles = root.locator(".lr-method b")
    assert titles.all_inner_texts() == ["3a", "<i>5b"]
    scores = root.get_by_role("img", name="Precision against recall").get_attribute("aria-label")
    assert scores == "Precision against recall: 3a, average precision 0.792; <i>5b, average precision 0.246"
    root.get_by_role("radio", name="<i>5b at the left").check()
    assert titles.all_inner_texts() == ["<i>5b", "<i>5b"]
    assert said(root, 0) == said(root, 1)
    lines = root.locator(".lr-plot .lr-line")
    assert lines.nth(0).get_attribute("d") == lines.nth(1).get_attribute("d")
    root.get_by_role("radio", name="3a at the right").check()
    assert root.locator(".lr-method span").all_inner_texts() == ["AP 0.246", "AP 0.792"]


@pytest.mark.browser
def test_a_method_stands_alone_and_its_curve_is_drawn_to_scale(offline_page):
    """(recall, precision) from the lines at 0 and 1 on either axis."""
    root = opened(offline_page, browser({"3a": FIRST}))
    grid = root.locator(".lr-rule").evaluate_all("all => all.map(rule => rule.getBBox()).map(({ x, y }) => [x, y])")
    ends = root.locator(".lr-plot text").evaluate_all("all => all.map(text => text.textContent)")
    assert ends == ["0", "0", "0.5", "0.5", "1", "1", "recall", "precision"]
    assert root.locator("ol").count() == root.locator(".lr-plot .lr-line").count() == 1
    assert root.get_by_role("radio", name="at the").count() == 0
    left, top = grid[0]
    box = root.locator(".lr-rule").first.evaluate("rule => { const b = rule.getBBox(); return [b.width, b.height]; }")
    points = [part.split(",") for part in root.locator(".lr-plot .lr-line").get_attribute("d")[1:].split("L")]
    drawn = [((float(x) - left) / box[0], 1 - (float(y) - top) / box[1]) for x, y in points]
    assert np.array(drawn) == pytest.approx(np.array([[0, 1], [0.5, 1], [0.5, 0.5], [1, 2 / 3]]), abs=0.005)
