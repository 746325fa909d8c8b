"""Every page of the built site: whole links, no other host, no error, nothing that axe knows to keep people out.

``make audit`` runs these, and these alone, on ``build/site`` (or ``LABKIT_SITE``), after ``make course``. Of the
hundreds of pages that are alike, a browser opens one in six; ``LABKIT_AUDIT=all make audit`` opens them all.
"""

import os
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import axe_playwright_python
import pytest

ROOT = Path(__file__).parents[2]
SITE = Path(os.environ.get("LABKIT_SITE", ROOT / "build" / "site"))
AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
STATES = [(scheme, width) for scheme in ("light", "dark") for width in (1360, 390)]
ALIKE = ("_modules/", "reference/", "files/", "genindex", "py-modindex")  # pages by the hundred, from one mould
PAGES = sorted(
    path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html") if not {"downloads", "_static"} & {*path.parts}
)
OPENED = [
    page for page in PAGES if not page.startswith(ALIKE) or "LABKIT_AUDIT" in os.environ or sum(map(ord, page)) % 6 == 0
]
LESSONS = [page for page in PAGES if re.match(r"lessons/\d\d_", page)]

pytestmark = pytest.mark.site


class _Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.targets, self.ids, self.images = [], {"", "top"}, []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.ids |= {found[name] for name in ("id", "name") if found.get(name)}
        self.targets += [found[name] for name in ("href", "src") if found.get(name)]
        if tag == "img":
            self.images.append(found)


@cache
def links(path):
    parser = _Links()
    parser.feed(path.read_text(encoding="utf-8"))
    return parser


def test_there_is_a_site():
    assert "index.html" in PAGES, f"{SITE} must hold the site: run `make course`"
    assert len(LESSONS) == 11


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page):
    broken = []
    for target in links(SITE / page).targets:
        if re.match(r"[a-z]+:|//", target):
            assert not target.startswith(("http:", "//", "file:")) or "http://" in target, target
            continue
        name, _, fragment = unquote(target).partition("#")
        path = (SITE / page).parent / name.partition("?")[0] if name else SITE / page
        if not path.is_file() or (fragment and path.suffix == ".html" and fragment not in links(path.resolve()).ids):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES)
def test_every_image_is_described(page):
    assert [image.get("src", "")[:80] for image in links(SITE / page).images if "alt" not in image] == []


def states(page):
    """Light or dark, wide or narrow: all four for pages of their own kind, one for those that are alike."""
    return [STATES[sum(map(ord, page)) // 6 % len(STATES)]] if page.startswith(ALIKE) else STATES


@pytest.mark.browser
@pytest.mark.parametrize("page", OPENED)
def test_a_page_asks_nobody_meets_no_error_and_keeps_nobody_out(page, offline_page):
    offline_page.emulate_media(color_scheme="light", reduced_motion="reduce")
    offline_page.goto((SITE / page).as_uri())
    offline_page.wait_for_function("document.readyState === 'complete'")
    offline_page.evaluate(AXE.read_text(encoding="utf-8"))
    for scheme, width in states(page):
        offline_page.emulate_media(color_scheme=scheme)
        offline_page.set_viewport_size({"width": width, "height": 900})
        offline_page.wait_for_function(f"document.documentElement.dataset.theme === '{scheme}'")
        offline_page.wait_for_timeout(700)  # colours change slowly, and the theme looks only then what scrolls now
        overflow = "(() => {scrollTo(9999, 0); const x = scrollX; scrollTo(0, 0); return x})()"
        assert offline_page.evaluate(overflow) == 0, f"{page} scrolls sideways at {width} pixels"
        found = offline_page.evaluate(f"axe.run(document, {{runOnly: {RULES}, preload: false}})")["violations"]
        told = [f"{one['id']}: {node['html'][:160]}" for one in found for node in one["nodes"]]
        assert told == [], f"{page}, {scheme}, {width} pixels"


@pytest.mark.browser
@pytest.mark.parametrize("page", LESSONS)
def test_a_lesson_is_interactive_without_a_kernel(page, offline_page):
    offline_page.emulate_media(color_scheme="light")
    offline_page.goto((SITE / page).as_uri())
    offline_page.locator(".labkit-quiz form").first.wait_for()
    assert offline_page.locator("[class^=labkit-][class$=-place]:empty").count() == 0, "a widget was not drawn"
    figures, drawn = (offline_page.locator(name).count() for name in (".plotly-graph-div", ".js-plotly-plot .main-svg"))
    assert figures > 0
    assert drawn >= figures
    assert offline_page.locator("text=/\\$[^$]{2,40}\\$/").count() == 0, "a formula was not drawn"
    question = offline_page.locator(".labkit-quiz form").first
    question.locator("input").first.focus()
    offline_page.keyboard.press("Space")
    assert question.locator(".lz-why").inner_text()[0] in "✓✗"
    box = offline_page.locator(".lesson-done input")
    box.check()
    offline_page.reload()
    offline_page.locator(".lesson-done input:checked").wait_for()
    done = offline_page.locator(".bd-sidebar-primary a.is-done").all_text_contents()
    assert [text.strip()[:2] for text in done] == [re.match(r"lessons/(\d\d)", page)[1]]
    for name in offline_page.locator(".lesson-ways a[download]").evaluate_all("links => links.map(a => a.href)"):
        assert Path(unquote(name.removeprefix("file://"))).stat().st_size > 1000


@pytest.mark.browser
def test_a_player_is_led_by_keys_and_a_term_tells_what_it_means(offline_page):
    offline_page.goto((SITE / "lessons/01_video_and_flow.html").as_uri())
    player = offline_page.locator(".labkit-player[aria-busy=false]").first
    player.focus()
    before = player.inner_text()
    offline_page.keyboard.press("ArrowRight")
    offline_page.wait_for_timeout(200)
    assert player.inner_text() != before
    term = offline_page.locator("a.labkit-term").first
    term.focus()
    note = offline_page.locator("#lab-term")
    assert note.is_visible()
    assert note.inner_text() == term.get_attribute("data-means")
    offline_page.keyboard.press("Escape")
    assert note.is_hidden()


@pytest.mark.browser
@pytest.mark.parametrize(("words", "hit"), [("trajectory", "Two streams"), ("occlusion_mask", "occlusion_mask")])
def test_search_finds_lessons_and_functions_from_the_disk(words, hit, offline_page):
    offline_page.goto(f"{(SITE / 'search.html').as_uri()}?q={words}")
    offline_page.locator("#search-results li", has_text=hit).first.wait_for()


def test_the_site_is_small_enough():
    assert sum(path.stat().st_size for path in SITE.rglob("*") if path.is_file()) < 120e6
