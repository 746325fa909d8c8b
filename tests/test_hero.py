"""The stage of the site's first page: its files fit each other, and it obeys mouse, keys and preferences."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

STATIC = Path(__file__).parents[1] / "docs/_static"
FRAGMENT = (STATIC / "hero/hero.html").read_text(encoding="utf-8")
HEAD = """<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="_static/hero.css">
<script defer src="_static/hero.js"></script>"""
DATA = dict(re.findall(r'data-(\w+)="([^"]+)"', FRAGMENT))


def size_of(name):
    with Image.open(STATIC / "hero" / name) as image:
        return image.size


def test_the_sheets_have_the_cells_that_the_fragment_promises():
    width, height = size_of("background.webp")
    assert f'width="{width}" height="{height}"' in FRAGMENT
    assert size_of("still.webp") == (width, height)
    columns, frames = int(DATA["columns"]), int(DATA["frames"])
    assert int(DATA["still"]) < frames
    assert size_of("frames.webp") == size_of("flow.webp") == (columns * width, -(-frames // columns) * height)


def test_it_is_small_enough_for_a_first_page():
    assert sum(path.stat().st_size for path in (STATIC / "hero").iterdir()) < 900_000
    assert (STATIC / "social.png").stat().st_size < 300_000
    assert size_of("../social.png") == (1200, 630)


@pytest.fixture
def open_stage(offline_page, tmp_path):
    """Open the stage as a page of the site would, from the disk."""

    def open_it(motion="no-preference"):
        (tmp_path / "_static").symlink_to(STATIC)
        page = tmp_path / "index.html"
        page.write_text(HEAD + FRAGMENT, "utf-8")
        offline_page.emulate_media(reduced_motion=motion)
        offline_page.goto(page.as_uri())
        offline_page.wait_for_selector(".lh-ready")
        return offline_page

    return open_it


def colours(page, x):
    """What the stage shows in a column at a fraction of its width, (H, 3)."""
    box = page.locator(".lh-screen").bounding_box()
    clip = {"x": round(box["x"] + x * box["width"]), "y": box["y"] + 60, "width": 1, "height": box["height"] - 70}
    with Image.open(io.BytesIO(page.screenshot(clip=clip))) as image:
        return np.asarray(image.convert("RGB"))[:, 0]


def is_motion(page, x):
    """Whether the ground, on which nothing moves, is white at a fraction of the width."""
    return (colours(page, x)[-15:] > 248).all()


def moves(page):
    """Whether the left of the stage, where the skater is, changes within half a second."""
    before = colours(page, 0.1)
    page.wait_for_timeout(500)
    return (colours(page, 0.1) != before).any()


@pytest.mark.browser
def test_it_moves_and_can_be_paused_by_keys(open_stage):
    page = open_stage()
    page.wait_for_function("document.querySelector('.lh-slider').value === '50'")  # the divider has come in
    assert moves(page)
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Pause"
    page.keyboard.press("Enter")
    assert page.get_by_role("button").inner_text() == "Play"
    assert not moves(page)


@pytest.mark.browser
def test_who_prefers_no_motion_gets_a_still_and_can_still_play(open_stage):
    page = open_stage(motion="reduce")
    assert page.get_by_role("slider").input_value() == "50"
    assert not moves(page)
    page.get_by_role("slider").press("Space")
    assert page.get_by_role("button").inner_text() == "Pause"
    assert moves(page)


@pytest.mark.browser
def test_the_divider_follows_keys_and_mouse(open_stage):
    page = open_stage(motion="reduce")
    slider = page.get_by_role("slider")
    assert not is_motion(page, 0.3)
    assert is_motion(page, 0.6)
    slider.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "52 percent frames, 48 percent motion"
    slider.press("Home")
    assert is_motion(page, 0.3)
    slider.press("End")
    assert not is_motion(page, 0.6)
    box = page.locator(".lh-screen").bounding_box()
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 60, steps=4)
    page.mouse.up()
    assert slider.get_attribute("aria-valuetext") == "25 percent frames, 75 percent motion"
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 60)
    assert slider.get_attribute("aria-valuetext") == "25 percent frames, 75 percent motion"
    assert is_motion(page, 0.35)


@pytest.mark.browser
def test_a_finger_drags_sideways_and_scrolls_up_and_down(chromium, tmp_path):
    (tmp_path / "_static").symlink_to(STATIC)
    page_file = tmp_path / "index.html"
    page_file.write_text(f"{HEAD}<body style='height: 3000px'>{FRAGMENT}", "utf-8")
    context = chromium.new_context(viewport={"width": 390, "height": 700}, has_touch=True, reduced_motion="reduce")
    page = context.new_page()
    page.goto(page_file.as_uri())
    page.wait_for_selector(".lh-ready")
    box, touch = page.locator(".lh-screen").bounding_box(), context.new_cdp_session(page)

    def swipe(*places):
        kinds = ["touchStart", *["touchMove"] * (len(places) - 1)]
        for kind, (x, y) in zip(kinds, places, strict=True):
            at = {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [at]})
            page.wait_for_timeout(30)
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    swipe(*((0.8 - 0.05 * step, 0.5) for step in range(12)))
    assert page.get_by_role("slider").get_attribute("aria-valuetext") == "25 percent frames, 75 percent motion"
    assert page.evaluate("scrollY") == 0
    swipe(*((0.8, 0.9 - 0.06 * step) for step in range(12)))
    assert page.get_by_role("slider").get_attribute("aria-valuetext") == "25 percent frames, 75 percent motion"
    assert page.evaluate("scrollY") > 50
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()


@pytest.mark.browser
def test_without_scripts_an_image_and_its_words_are_there(chromium, tmp_path):
    context = chromium.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    (tmp_path / "_static").symlink_to(STATIC)
    (tmp_path / "index.html").write_text(f"<!doctype html><meta charset=utf-8>{FRAGMENT}", "utf-8")
    page.goto((tmp_path / "index.html").as_uri())
    image = page.get_by_role("img")
    assert "Six puppets" in image.get_attribute("alt")
    assert image.bounding_box()["width"] > 500
    context.close()
