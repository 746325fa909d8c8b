"""What all widgets have in common: their state in a page, words for those who listen, keys, several on a page."""

import nbformat
import pytest
import torch
import traitlets
from pages import opened, state

from labkit.course import export
from labkit.patches import Patches
from labkit.retrieval import listed
from labkit.viz import ClipPlayer, ClipScatter, PatchExplorer, RetrievalBrowser, widget
from labkit.viz.attention import AttentionExplorer
from labkit.viz.occluder import Covered, Occluder
from labkit.viz.pairs import PairExplorer

IMAGES = torch.randint(0, 256, (4, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
NAMES = ["a", "b", "c", "d"]
SCORES = torch.full((4, 4), 0.25)
WORDS = {"title": "Noise", "alt": "Four grey squares."}


def scatter(**words):
    axes = {"x_title": "x", "y_title": "y", "classes": NAMES[:2], "names": NAMES}
    clips = [image[None] for image in IMAGES]
    return ClipScatter(torch.eye(4)[:, :2], torch.tensor([0, 0, 1, 1]), clips, **axes, **words)


def patches(**words):
    features = torch.rand(16, 5, generator=torch.Generator().manual_seed(0))
    patches = Patches(features, IMAGES, torch.tensor([0, 8]), 8)
    return PatchExplorer({"3a": patches, "5b": patches}, names=NAMES, asked=2, k=4, **words)


def retrieval(**words):
    order = torch.tensor([[0, 2, 1, 3], [3, 2, 1, 0]])
    sets = {"good": listed([[1], [2]], 4), "ok": listed([[], []], 4), "junk": listed([[0], [3]], 4)}
    return RetrievalBrowser(IMAGES, {"3a": order, "5b": order}, queries=[0, 3], **sets, names=NAMES, **words)


def attention(**words):
    maps = torch.rand(4, 4, 5, 5, generator=torch.Generator().manual_seed(0))
    return AttentionExplorer(IMAGES, maps, {"window": SCORES}, concepts=NAMES, right=1, **words)


def occluder(**words):
    example = Covered("noise", IMAGES[0], 0, {"network": (SCORES[0], SCORES.expand(2, 4, 4))})
    return Occluder([example], corners=([0, 8], [0, 2, 4, 8]), side=8, classes=NAMES, **words)


def pairs(**words):
    given = {"of_frame": {"heat": IMAGES}, "of_pair": {"both": IMAGES.expand(4, -1, -1, -1, -1)}}
    return PairExplorer(
        IMAGES, **given, scores={"both": SCORES.expand(4, 4, 4)}, classes=NAMES, right=0, labels=NAMES, **words
    )


def player(**words):
    return ClipPlayer({"noise": IMAGES, "negative": 255 - IMAGES}, **words)


# A widget of each kind, what can be set in the notebook, what cannot, and where the tab key leads within it.
KINDS = {
    "scatter": (scatter, {"chosen": 3, "lit": 1}, {"chosen": [4, -1], "lit": [2, -2]}, ["a", "b"]),
    "player": (
        player,
        {"frame": 2, "overlay": "negative", "speed": 0.5, "loop": False},
        {"frame": [4, -1], "overlay": ["heat"], "speed": [3.0]},
        ["noise", "negative", "Frame", "One frame back (", "Play (", "One frame forward (", "Speed", "Loop"],
    ),
    "patches": (
        patches,
        {"layer": "5b", "image": 1, "point": [0.0, 16.0], "k": 2, "shown": 1},
        {"layer": ["finest"], "image": [2, -1], "point": [[0.0, 16.5], [-1.0, 0.0]], "k": [5, 0], "shown": [4, -1]},
        ["3a", "5b", "a", "Neighbours shown", "Ask this patch", *(f"Neighbour {number}:" for number in range(1, 5))],
    ),
    "retrieval": (
        retrieval,
        {"query": 1, "left": "5b", "right": "3a"},
        {"query": [2, -1], "left": ["4a"], "right": [""]},
        ["a", "3a at the left", "5b at the right"],
    ),
    "attention": (attention, {"frame": 3, "concept": "c"}, {"frame": [4, -1], "concept": ["e"]}, [*NAMES, "frame"]),
    "occluder": (
        occluder,
        {"example": 0, "row": 0, "column": 3},
        {"example": [1, -1], "row": [2], "column": [4, -1]},
        [],
    ),
    "pairs": (pairs, {"first": 3, "second": 0}, {"first": [4], "second": [-1]}, ["first frame", "second frame"]),
}
every_kind = pytest.mark.parametrize(("make", "values", "wrong", "stops"), KINDS.values(), ids=KINDS)


@every_kind
def test_what_is_set_in_the_notebook_is_checked_and_goes_into_the_page(make, values, wrong, stops):
    figure = make(**WORDS)
    for name, value in values.items():
        setattr(figure, name, value)
    for name, others in wrong.items():
        for value in others:
            with pytest.raises(traitlets.TraitError, match=name if name == "speed" else f"{name} must be"):
                setattr(figure, name, value)
    playing = {"playing": False} if make is player else {}
    assert state(figure) == {"scene": figure.scene} | values | playing


@every_kind
def test_no_widget_is_without_words_and_no_words_end_its_script(make, values, wrong, stops):
    bad = "</script><b>&lt;"
    fragment = make(title=bad, alt=bad).to_html()
    assert bad not in fragment
    assert fragment.count("</script") == 2
    for words in ({"title": " ", "alt": "x"}, {"title": "x", "alt": " "}):
        with pytest.raises(ValueError, match="needs a title and an alt text"):
            make(**words)


def test_what_would_blow_the_page_is_refused(monkeypatch):
    monkeypatch.setattr(widget, "PAGE_BUDGET", 100)
    with pytest.raises(ValueError, match="pass fewer or smaller images"):
        scatter(**WORDS)


NAME = "e => e.ariaLabel ?? e.labels?.[0]?.querySelector('img')?.alt ?? e.textContent"
OUTLINE = "e => getComputedStyle(e.closest('.lab-picker label') ?? e).outlineStyle"
SHOWN = "e => e.outerHTML + [...e.querySelectorAll('input')].map(({ checked, value }) => [checked, value])"


@pytest.mark.browser
@every_kind
def test_keys_reach_everything_and_change_one_widget_alone_which_says_so(offline_page, make, values, wrong, stops):
    root = opened(offline_page, make(**WORDS), make(**WORDS | {"title": "Another"}))
    other = offline_page.locator(f".labkit-{make(**WORDS).kind}").nth(1)
    assert [root.get_attribute(name) for name in ("role", "aria-label")] == ["group", "Noise. Four grey squares."]
    for stop in [root.get_attribute("aria-label"), *stops, other.get_attribute("aria-label")]:
        offline_page.keyboard.press("Tab")
        focus = offline_page.evaluate_handle("document.activeElement")
        assert focus.evaluate(NAME).startswith(stop)
        assert focus.evaluate(OUTLINE) == "solid"
    live = root.locator("[aria-live=polite]")
    before = [element.evaluate(SHOWN) for element in (root, other)]
    assert live.inner_text() == ""
    root.focus()
    offline_page.keyboard.press("2" if make is player else "ArrowRight")
    assert live.inner_text()
    after = [element.evaluate(SHOWN) for element in (root, other)]
    assert before[0] != after[0]
    assert before[1] == after[1]
    offline_page.set_viewport_size({"width": 400, "height": 800})
    assert offline_page.evaluate("document.documentElement.scrollWidth <= innerWidth")


LOOKS = """all => all.map((element) => {
  const { height, width, color, backgroundColor, margin, padding, display } = getComputedStyle(element);
  return [height, width, color, backgroundColor, margin, padding, display].join();
})"""


ALONE = """kind => document.querySelectorAll("[class^=labkit-][class$=-place] > style").forEach((style) => {
  style.disabled = kind !== "" && style.parentElement.className !== `labkit-${kind}-place`;
})"""  # without the style sheets of the other kinds


@pytest.mark.browser
def test_in_an_exported_page_every_kind_works_and_looks_as_it_does_alone(offline_page, tmp_path):
    figures = [make(**WORDS) for make, *_ in KINDS.values()]
    bundles = [figure._repr_mimebundle_()[0] for figure in figures]
    assert all(bundle["text/html"] == figure.to_html() for bundle, figure in zip(bundles, figures, strict=True))
    outputs = [nbformat.v4.new_output("display_data", data=bundle) for bundle in bundles]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("...", outputs=outputs)])
    nbformat.write(notebook, tmp_path / "notebook.ipynb")
    offline_page.goto(export(tmp_path / "notebook.ipynb", tmp_path / "notebook.html").as_uri())
    offline_page.locator("[aria-busy=true]").first.wait_for(state="detached")

    def look(kind):
        return offline_page.locator(f".labkit-{kind}, .labkit-{kind} *").evaluate_all(LOOKS)

    for figure in figures:
        together = look(figure.kind)
        offline_page.evaluate(ALONE, figure.kind)
        assert look(figure.kind) == together
        assert len(together) > 20
        offline_page.evaluate(ALONE, "")
    for figure in figures:
        element = offline_page.locator(f".labkit-{figure.kind}").first
        before = element.evaluate(SHOWN)
        element.focus()
        offline_page.keyboard.press("2" if figure.kind == "player" else "ArrowRight")
        assert element.evaluate(SHOWN) != before, figure.kind
