"""Draw the figures of the README and of the site with the lab's own means: `python docs/draw_figures.py`.

Needs a Chromium. Names draw a few of them alone: `python docs/draw_figures.py hero social`.
"""

import html
import io
import math
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import torch
from park import FPS, HEIGHT, WIDTH, Loop, park_loop
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from torch import Tensor

from labkit import viz, world
from labkit.doctor import BROWSERS
from labkit.viz.colour import data_uri
from labkit.viz.style import FONT
from labkit.world.sheet import contact_sheet

HERE = Path(__file__).parent
STATIC = HERE / "_static"
OPTIONS = ["--no-sandbox", "--disable-gpu"]
STILL = 14  # the frame of the loop that says most: across the divider, two hands meet
COLUMNS = 4  # of a sheet
ALT = (
    "Six puppets in a park: one rolls on a skateboard, one whirls both arms, two meet and clap hands, one jumps, one "
    "bounces a ball. Left of a divider it is a video. Right of it only what moves has colour: what goes left is cyan, "
    "what falls is green, what rises is violet, and everything at rest is white."
)
CAPTION = (
    "<b>On the left, the frames of a video. On the right, its motion</b>: the exact <i>optical flow</i> of every "
    "pixel, as colour. The hue is the direction, a stronger colour is faster, and what does not move is white. "
    "Move the divider."
)


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
    with browser_page(760, 520, 1.5) as page:
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


def hero(loop: Loop) -> None:
    """The stage of the site's first page, in the files that `_static/hero.js` names."""
    folder = STATIC / "hero"
    folder.mkdir(parents=True, exist_ok=True)
    changed = (loop.frames != loop.background).any(1).numpy().astype(np.uint8)  # (T, H, W)
    around = np.stack([cv2.dilate(mask, np.ones((5, 5), np.uint8)) for mask in changed])
    alpha = torch.from_numpy(around)[:, None] * 255  # (T, 1, H, W)
    save_webp(folder / "background.webp", loop.background, 85)
    save_webp(folder / "frames.webp", sheet_of(torch.cat([loop.frames * (alpha > 0), alpha], 1)), 62)
    save_webp(folder / "flow.webp", sheet_of(loop.flow), 70)
    save_webp(folder / "still.webp", divided(loop, STILL, WIDTH // 2), 78)
    save_webp(folder / "wheel.webp", wheel_with_arrows(), 90)
    data = {"folder": "_static/hero", "frames": len(loop.frames), "columns": COLUMNS, "fps": FPS, "still": STILL}
    attributes = " ".join(f'data-{name}="{value}"' for name, value in data.items())
    image = f'<img class="dark-light" src="_static/hero/still.webp" width="{WIDTH}" height="{HEIGHT}"'
    lines = [
        f'<div id="lab-hero" {attributes}>',
        f'  {image} alt="{html.escape(ALT)}">',
        f"  <p>{CAPTION}</p>",
        "</div>",
    ]
    (folder / "hero.html").write_text("\n".join(lines) + "\n", encoding="utf-8")


def readme(loop: Loop) -> None:
    """The same for the README, where no script runs: the divider goes to and fro once in two loops."""
    cuts = [WIDTH * (0.5 + 0.38 * math.cos(math.pi * time / len(loop.frames))) for time in range(2 * len(loop.frames))]
    images = [as_image(divided(loop, time % len(loop.frames), round(cut))) for time, cut in enumerate(cuts)]
    small = [image.resize((810, 300), Image.Resampling.LANCZOS) for image in images]
    small[0].save(
        HERE / "stroll.webp",
        save_all=True,
        append_images=small[1:],
        duration=round(1000 / FPS),
        loop=0,
        quality=75,
        method=6,
    )


def social(loop: Loop) -> None:
    """The card that is shown where someone shares a link to the site."""
    scene = data_uri(divided(loop, STILL, WIDTH // 2))
    logo = (STATIC / "logo.svg").read_text(encoding="utf-8")
    with browser_page(1200, 630) as page:
        page.set_content(SOCIAL.format(scene=scene, logo=logo, font=FONT))
        shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    palette = shot.quantize(256)
    shot.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(STATIC / "social.png", optimize=True)


SOCIAL = """<!doctype html><meta charset=utf-8><style>
body {{ margin: 0; width: 1200px; height: 630px; background: #14181e; color: #fff; font-family: {font}; }}
header {{ display: flex; align-items: center; gap: 28px; padding: 40px 56px 0; height: 120px; }}
svg {{ width: 108px; height: 108px; }}
h1 {{ margin: 0; font-size: 62px; line-height: 1; letter-spacing: -0.02em; }}
p {{ margin: 12px 0 0; font-size: 35px; line-height: 1.1; color: #ced6dd; }}
img {{ position: absolute; left: 0; bottom: 0; width: 1200px; height: 444px; }}
</style><header>{logo}<div><h1>labkit</h1><p>How machines came to understand video</p></div></header>
<img src="{scene}">
"""


def logo() -> None:
    """Half a face, half a colour wheel: what is seen, and how it moves."""
    sectors = 24
    edges = np.linspace(-math.pi / 2, math.pi / 2, sectors + 1)
    middles = torch.tensor((edges[1:] + edges[:-1]) / 2, dtype=torch.float32)
    colours = viz.flow_to_rgb(torch.stack([middles.cos(), middles.sin()])[:, None], 1.0)[:, 0].T.tolist()  # (n, 3)
    wedges = []
    for start, end, colour in zip(edges[:-1], edges[1:], colours, strict=True):
        end = min(end + 0.02, math.pi / 2)  # no gap shows between two
        (x, y), (u, v) = ((32 + 29 * math.cos(angle), 32 + 29 * math.sin(angle)) for angle in (start, end))
        path = f"M32 32L{x:.2f} {y:.2f}A29 29 0 0 1 {u:.2f} {v:.2f}Z"
        wedges.append(f'<path fill="#{bytes(colour).hex()}" d="{path}"/>')
    svg = LOGO.format(wedges="\n  ".join(wedges))
    (STATIC / "logo.svg").write_text(svg, encoding="utf-8")


LOGO = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" role="img" aria-label="labkit">
  <defs>
    <radialGradient id="lab-rest" gradientUnits="userSpaceOnUse" cx="32" cy="32" r="29">
      <stop offset="0.1" stop-color="#fff"/>
      <stop offset="0.75" stop-color="#fff" stop-opacity="0"/>
    </radialGradient>
  </defs>
  <path fill="#dea87a" d="M32 3A29 29 0 0 0 32 61Z"/>
  <path fill="#2b1d1a" d="M32 3A29 29 0 0 0 4.6 22.5C12 27 22 25 32 18.5Z"/>
  <circle cx="20.5" cy="33" r="4.6" fill="#1e1a24"/>
  <path fill="none" stroke="#80292a" stroke-width="4.2" stroke-linecap="round" d="M32 49.5C27 49.5 23 47.5 20.5 44"/>
  {wedges}
  <path fill="url(#lab-rest)" d="M32 3A29 29 0 0 1 32 61Z"/>
  <path fill="#fff" d="M30.4 3h3.2v58h-3.2z"/>
</svg>
"""


def divided(loop: Loop, time: int, cut: int) -> Tensor:
    """A frame of the loop on the left of a column, its flow on the right: (3, H, W)."""
    image = torch.cat([loop.frames[time, ..., :cut], loop.flow[time, ..., cut:]], -1)
    image[..., max(cut - 2, 0) : cut + 2] = 40  # the divider
    image[..., max(cut - 1, 0) : cut + 1] = 255
    return image


def wheel_with_arrows() -> Tensor:
    """The key to the colours, with an arrow in each direction that it stands for: (4, D, D), clear outside."""
    wheel = viz.colour_wheel(160)[:, 6:-6, 6:-6]  # without its margin
    image = np.ascontiguousarray(wheel.permute(1, 2, 0).numpy())  # (D, D, 3)
    middle = len(image) // 2
    for turn in range(8):
        x, y = math.cos(turn * math.pi / 4), math.sin(turn * math.pi / 4)
        start, end = ((round(middle + reach * x), round(middle + reach * y)) for reach in (22, 56))
        cv2.arrowedLine(image, start, end, (34, 40, 50), 3, cv2.LINE_AA, tipLength=0.35)
    inside = cv2.circle(np.zeros(image.shape[:2], np.uint8), (middle, middle), middle - 1, 255, -1, cv2.LINE_AA)
    return torch.cat([torch.from_numpy(image).permute(2, 0, 1), torch.from_numpy(inside)[None]])


def sheet_of(cells: Tensor) -> Tensor:
    """Images (T, C, H, W) in rows of `COLUMNS`: (C, rows * H, columns * W)."""
    count, channels, height, width = cells.shape
    rows = cells.reshape(count // COLUMNS, COLUMNS, channels, height, width)
    return rows.permute(2, 0, 3, 1, 4).reshape(channels, -1, COLUMNS * width)  # (C, rows * H, columns * W)


def as_image(image: Tensor) -> Image.Image:
    """A tensor (C, H, W) uint8 for Pillow; four channels are colours and opacity."""
    return Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())


def save_webp(path: Path, image: Tensor, quality: int) -> None:
    """Write a tensor (C, H, W) uint8."""
    as_image(image).save(path, quality=quality, method=6)


@contextmanager
def browser_page(width: int, height: int, scale: float = 1.0) -> Iterator[Page]:
    """An empty page of a Chromium."""
    path = next(filter(None, map(shutil.which, BROWSERS)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=OPTIONS)
        yield browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=scale)
        browser.close()


def main(names: list[str]) -> None:
    """Draw the figures of these names, or all."""
    figures = (sheet, player, logo)
    of_the_loop = (hero, readme, social)
    known = [figure.__name__ for figure in (*figures, *of_the_loop)]
    if unknown := set(names) - set(known):
        raise SystemExit(f"figures are {', '.join(known)}; got {', '.join(sorted(unknown))}: check the spelling")
    wanted = names or known
    for figure in figures:
        if figure.__name__ in wanted:
            figure()
    if any(figure.__name__ in wanted for figure in of_the_loop):
        loop = park_loop()
        for draw in of_the_loop:
            if draw.__name__ in wanted:
                draw(loop)


if __name__ == "__main__":
    main(sys.argv[1:])
