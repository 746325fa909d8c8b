"""The player in a real browser, cut off from the network and without a kernel."""

from pathlib import Path

import pages
import pytest
import torch
from jupyter_core.paths import jupyter_path

from labkit.viz.player import ClipPlayer, Layer, Panel

pytestmark = pytest.mark.browser

LENGTH = 5
READ = """(canvas) => {
  const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return { data: Array.from(data), width, height };
}"""


def noise(seed, height=6, width=8, length=LENGTH):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (length, 3, height, width), dtype=torch.uint8, generator=generator)


IMAGE, FLOW, WIDE = noise(0), noise(1, length=LENGTH - 1), noise(2, height=4, width=10)
TRACKS = torch.tensor([[[0.0, 0.0], [1.0, 1.0], [2.0, 1.0], [3.0, 1.0], [4.0, 2.0]]])


def player(**options):
    layers = {"image": Layer(IMAGE, alt="grey noise"), "flow": Layer(FLOW, "Hue is direction.", tracks=TRACKS)}
    return ClipPlayer(Panel("left", layers, labels="abcde"), title="Noise", alt="It flickers.", **options)


def pair():
    layers = {"image": IMAGE, "flow": FLOW}
    return ClipPlayer(Panel("left", layers), Panel("right", {"image": WIDE}), title="Two", alt="Two clips.")


def opened(page, widget, head=""):
    return pages.opened(page, widget, head=head, frozen=True)


def image(root, panel=0):
    """What a panel shows, read from its canvas: (3, H, W)."""
    read = root.locator("canvas").nth(panel).evaluate(READ)
    rgba = torch.tensor(read["data"], dtype=torch.uint8).reshape(read["height"], read["width"], 4)
    return rgba[..., :3].permute(2, 0, 1)  # (3, H, W)


def shows(root, expected, panel=0):
    return torch.equal(image(root, panel), expected)


def scrub(root, frame):
    root.get_by_role("slider", name="Frame").fill(str(frame))


def test_scrubber_and_buttons_show_the_very_pixels_of_a_frame(offline_page):
    root = opened(offline_page, player(start=1))
    assert shows(root, IMAGE[1])
    for frame in (4, 0, 3):
        scrub(root, frame)
        assert shows(root, IMAGE[frame])
        assert root.locator(".lp-label").inner_text() == "abcde"[frame]
    root.get_by_role("button", name="One frame forward").click()
    root.get_by_role("button", name="flow").click()
    root.get_by_role("button", name="One frame back").click()
    assert shows(root, FLOW[3])


def test_keys_step_jump_and_switch(offline_page):
    root = opened(offline_page, player())
    root.focus()
    presses = [("ArrowRight", IMAGE[1]), ("ArrowRight", IMAGE[2]), ("ArrowLeft", IMAGE[1]), ("2", FLOW[1])]
    presses += [("Home", FLOW[0]), ("ArrowLeft", FLOW[0]), ("1", IMAGE[0]), ("End", IMAGE[4]), ("ArrowRight", IMAGE[4])]
    for key, expected in presses:
        offline_page.keyboard.press(key)
        assert shows(root, expected), key


def test_play_advances_at_its_rate_loops_and_pauses(offline_page):
    root = opened(offline_page, player(fps=10))
    root.get_by_role("button", name="Play").click()
    for frame in (1, 2, 3, 4, 0, 1):
        offline_page.clock.run_for(100)
        assert shows(root, IMAGE[frame])
    root.get_by_role("button", name="Pause").click()
    offline_page.clock.run_for(1000)
    assert shows(root, IMAGE[1])


def test_nothing_plays_by_itself_and_half_speed_takes_twice_as_long(offline_page):
    widget = player(fps=10)
    widget.playing = True
    root = opened(offline_page, widget)
    offline_page.clock.run_for(5000)
    assert shows(root, IMAGE[0])
    root.get_by_label("Speed").select_option("½×")
    root.locator("canvas").click()
    offline_page.clock.run_for(190)
    assert shows(root, IMAGE[0])
    offline_page.clock.run_for(20)
    assert shows(root, IMAGE[1])


def test_without_loop_it_stops_at_the_end_and_space_starts_again(offline_page):
    root = opened(offline_page, player(fps=10, start=3))
    root.get_by_role("button", name="Loop").click()
    root.focus()
    offline_page.keyboard.press("Space")
    offline_page.clock.run_for(1000)
    assert shows(root, IMAGE[4])
    assert root.get_by_role("button", name="Play").count() == 1
    offline_page.keyboard.press("Space")
    assert shows(root, IMAGE[0])
    offline_page.clock.run_for(100)
    assert shows(root, IMAGE[1])


def test_two_clips_of_different_sizes_stay_synchronised(offline_page):
    root = opened(offline_page, pair())
    scrub(root, 2)
    assert shows(root, IMAGE[2], panel=0)
    assert shows(root, WIDE[2], panel=1)
    root.get_by_role("button", name="flow").click()
    assert shows(root, FLOW[2], panel=0)
    assert shows(root, WIDE[2], panel=1)


def test_after_the_last_flow_the_panel_says_why_it_is_empty(offline_page):
    root = opened(offline_page, player())
    root.get_by_role("button", name="flow").click()
    note = root.locator(".lp-note")
    assert note.is_hidden()
    scrub(root, LENGTH - 1)
    assert note.is_visible()
    assert note.inner_text() == "No flow at the last frame: it lives between one frame and the next."
    assert image(root).sum() == 0
    root.get_by_role("button", name="image").click()
    assert note.is_hidden()


def test_tracks_are_drawn_up_to_the_frame_from_pixel_centres(offline_page):
    root = opened(offline_page, player())
    line = root.locator("polyline.lp-track")
    assert line.count() == 0
    root.get_by_role("button", name="flow").click()
    scrub(root, 2)
    assert line.get_attribute("points") == "0.5,0.5 1.5,1.5 2.5,1.5"


def test_it_says_what_it_is_to_those_who_listen(offline_page):
    root = opened(offline_page, player(fps=8))
    canvas = root.get_by_role("img")
    assert canvas.get_attribute("aria-label") == "left: image: grey noise"
    scrub(root, 3)
    slider = root.get_by_role("slider")
    assert slider.get_attribute("aria-valuetext") == "frame 4 of 5, 0.38 s"
    live = root.locator("[aria-live=polite]")
    root.focus()
    offline_page.keyboard.press("2")
    assert live.inner_text() == "Showing flow"
    assert canvas.get_attribute("aria-label") == "left: flow"
    choices = root.locator(".lab-switch button").all()
    pressed = {button.inner_text(): button.get_attribute("aria-pressed") for button in choices}
    assert pressed == {"image": "false", "flow": "true"}
    assert all(button.get_attribute("aria-label") for button in root.locator(".lp-buttons button").all())


def test_only_the_players_own_keys_are_kept_from_jupyterlab(offline_page):
    """JupyterLab listens where this page does: at the document, on the way down."""
    root = opened(offline_page, player(), head="<script>heard = [];</script>")
    offline_page.evaluate("document.addEventListener('keydown', (event) => heard.push(event.key), true)")
    root.focus()
    for key in ("ArrowRight", "Space", "2", "Home", "3", "a", "Escape", "Shift+Enter", "Control+s"):
        offline_page.keyboard.press(key)
    root.get_by_role("button", name="flow").focus()
    for key in ("Enter", "ArrowDown"):
        offline_page.keyboard.press(key)
    root.get_by_label("Speed").focus()
    offline_page.keyboard.press("ArrowDown")
    assert offline_page.evaluate("heard") == ["3", "a", "Escape", "Shift", "Enter", "Control", "s", "ArrowDown"]
    offline_page.evaluate("document.activeElement.blur()")
    offline_page.keyboard.press("ArrowRight")
    assert offline_page.evaluate("heard.at(-1)") == "ArrowRight"


def test_small_images_are_enlarged_by_whole_pixels_and_shrink_on_a_narrow_page(offline_page):
    root = opened(offline_page, pair())
    canvas = root.locator("canvas").first
    assert canvas.bounding_box()["width"] == 320
    assert canvas.evaluate("(canvas) => getComputedStyle(canvas).imageRendering") == "pixelated"
    offline_page.set_viewport_size({"width": 260, "height": 800})
    assert canvas.bounding_box()["width"] < 260
    assert offline_page.evaluate("document.documentElement.scrollWidth <= innerWidth")


CONTRASTS = """() => {
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const light = (colour) => {
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const linear = [...context.getImageData(0, 0, 1, 1).data].slice(0, 3).map((value) => value / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const root = document.querySelector(".labkit-player");
  const probe = root.appendChild(document.createElement("i"));
  const colour = (name) => {
    probe.style.color = `var(--lab-${name})`;
    return light(getComputedStyle(probe).color);
  };
  const pairs = "ink ground, soft ground, soft wash, ink line, on-accent accent, accent ground";
  return pairs.split(", ").map((pair) => pair.split(" "))
    .map((pair) => pair.map(colour))
    .map((pair) => (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05));
}"""


@pytest.mark.parametrize("theme", ["none", "light", "dark"])
def test_text_stands_out_from_its_ground_in_every_theme(offline_page, theme):
    head = ""
    if theme != "none":
        head = f"<style>{lab_style('index.css')}{lab_style(f'theme-{theme}.css')}</style>"
    body = f"<body data-jp-theme-light='{str(theme != 'dark').lower()}'>"
    opened(offline_page, player(), head=head + body)
    contrasts = offline_page.evaluate(CONTRASTS)
    assert min(contrasts) >= 4.5, contrasts
    ground = offline_page.evaluate("getComputedStyle(document.querySelector('.labkit-player')).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (theme != "dark")


def lab_style(name):
    """A style sheet of JupyterLab, as nbconvert carries it."""
    places = [Path(path) / "nbconvert/templates/lab/static" / name for path in jupyter_path()]
    return next(place for place in places if place.is_file()).read_text(encoding="utf-8")
