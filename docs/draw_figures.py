"""Draw the figures of the README with the lab's own means: `python docs/draw_figures.py`. Needs a Chromium."""

import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

from labkit import flow, viz, world
from labkit.doctor import BROWSERS
from labkit.world.sheet import contact_sheet

HERE = Path(__file__).parent
OPTIONS = ["--no-sandbox", "--disable-gpu"]


def hero() -> None:
    """Four strollers and their motion."""
    scenes = [world.stroll(seed, frames=10, height=160, width=200) for seed in (0, 1, 2, 7)]
    frames, fields = [s.frames[6] for s in scenes], [s.forward[6] for s in scenes]
    colours = [viz.flow_to_rgb(field, 4.0) for field in fields]
    figure = viz.image_grid([*frames, *colours], columns=4, title="A stroll", alt="Four puppets and their flow.")
    figure.update_layout(title=None, margin_t=8, margin_b=8, height=386)
    figure.write_image(HERE / "stroll.png", width=920)


def estimates() -> None:
    """One moment, exact and estimated."""
    scene = world.stroll(2, frames=8, height=120, width=160)
    first, second = scene.frames[5], scene.frames[6]
    fields = {"exact": scene.forward[5], "Farnebäck": flow.farneback(first, second)}
    fields |= {"DIS": flow.dis(first, second), "TV-L1": flow.tvl1(first, second)}
    figure = viz.flow_fields(fields, title="Three estimators and the truth", alt="Four flow fields.")
    figure.write_image(HERE / "estimators.png", width=920, scale=1.5)


def player() -> None:
    """The player, as it looks in a notebook."""
    shots = {"camera on a tripod": 0.0, "camera by hand": 2.5}
    panels = []
    for name, strength in shots.items():
        scene = world.stroll(1, frames=16, height=120, width=160, camera=strength)
        colours = viz.Layer(
            viz.flow_to_rgb(scene.forward, 4.0), "hue: direction, rim: 4 pixels per frame", key=viz.colour_wheel(48)
        )
        panels.append(viz.Panel(name, {"image": scene.frames, "flow": colours}))
    widget = viz.ClipPlayer(*panels, title="What the camera adds", alt="Two walks.", fps=8, start=6)
    path = next(filter(None, map(shutil.which, BROWSERS)))
    with sync_playwright() as playwright:
        page = playwright.chromium.launch(executable_path=path, args=OPTIONS).new_page(
            viewport={"width": 760, "height": 520}, device_scale_factor=1.5
        )
        page.set_content(f"<!doctype html><meta charset=utf-8>{widget.to_html()}")
        root = page.locator(".labkit-player[aria-busy=false]")
        root.wait_for()
        root.get_by_text("flow", exact=True).click()
        page.mouse.move(1, 1)
        page.evaluate("document.activeElement.blur()")
        root.screenshot(path=HERE / "player.png")


def sheet() -> None:
    """Every class of the world."""
    contact_sheet().save(HERE / "world.jpg", quality=80, optimize=True)


if __name__ == "__main__":
    hero()
    sheet()
    estimates()
    player()
