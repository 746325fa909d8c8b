import re

import pytest
import torch

from labkit import viz

COUNTS = torch.tensor([[3, 1], [0, 2]])
CLIP = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)


def browser(**changes):
    settings = {"title": "Who is who", "alt": "Two classes.", "note": "rows: truth"}
    examples = {(0, 0): [("walk 1", CLIP)], (0, 1): [("walk 2", CLIP), ("walk 3", CLIP + 9)]}
    settings = {"counts": COUNTS, "classes": ["walk", "run & jump"], "examples": examples} | settings | changes
    return viz.confusion_browser(**settings).html


def test_every_cell_with_clips_is_a_button_with_its_own_strip():
    html = browser()
    buttons = re.findall(r'<input type="radio"[^>]*id="(\w+)-(\d)-(\d)"([^>]*)aria-label="([^"]*)"', html)
    assert [(i, j, says) for _, i, j, _, says in buttons] == [
        ("0", "0", "walk taken for walk"),
        ("0", "1", "walk taken for run &amp; jump"),
    ]
    assert [bool(checked.strip()) for *_, checked, _ in buttons] == [False, True]  # the worst confusion stands open
    name = buttons[0][0]
    for i, j in (("0", "0"), ("0", "1")):
        assert f".{name}:has(#{name}-{i}-{j}:checked) .clips > .x{i}-{j} {{ display: block; }}" in html
        assert f'<div class="x{i}-{j}">' in html
    assert html.count("<img") == 3
    assert html.count("data:image/webp;base64,") == 3
    assert ">2</td>" in html  # a cell without clips is a plain number
    assert "<td></td>" in html  # nothing where nothing was
    names = [re.search(r'name="(\w+)"', browser(title=title))[1] for title in ("one", "two", "one")]
    assert names[0] == names[2] != names[1]  # two on a page do not mix


@pytest.mark.browser
def test_a_large_matrix_scrolls_and_keeps_its_names_and_its_clips_in_view(offline_page):
    names = [f"HandstandPushups{number}" for number in range(101)]
    html = browser(counts=torch.eye(101, dtype=torch.long), classes=names, examples={(0, 0): [("one", CLIP)]})
    offline_page.set_content(html)
    seen = offline_page.evaluate(
        """() => { const top = kind => document.querySelector(kind).getBoundingClientRect();
        const matrix = document.querySelector('.matrix'); matrix.scrollTop = matrix.scrollLeft = 400;
        return [document.documentElement.scrollWidth, top('.clips').top, top('.matrix').top, top('.matrix').left,
        top('thead th').top, top('tbody th').left]; }"""
    )
    wide, clips, above, left, head, row = seen
    assert wide <= 1000
    assert clips <= 800
    assert (head, row) == pytest.approx((above, left), abs=2)


def test_a_slider_has_a_state_for_each_position():
    steps = {"0": {"a": 1.0, "b": 2.0}, "1": {"a": 3.0, "b": 0.0}}
    words = {"title": "t", "alt": "a", "x_title": "x", "y_title": "y", "slider": "weight"}
    figure = viz.bar_slider(steps, **words, start=1)
    assert list(figure.data[0].y) == [3.0, 0.0]
    (slider,) = figure.layout.sliders
    assert slider.active == 1
    assert [list(step.args[0]["y"][0]) for step in slider.steps] == [[1.0, 2.0], [3.0, 0.0]]
    assert figure.layout.yaxis.range == pytest.approx((0, 3.15))
    below = viz.bar_slider({"0": {"a": -2.0, "b": 1.0}}, **words)
    assert below.layout.yaxis.range == pytest.approx((-2.1, 1.05))
    for wrong, start, message in (
        ({"0": {"a": 1.0}, "1": {"b": 1.0}}, 0, "same names"),
        (steps, 2, "start among them"),
    ):
        with pytest.raises(ValueError, match=message):
            viz.bar_slider(wrong, **words, start=start)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"counts": torch.zeros(2, 3)}, "counts must be"),
        ({"classes": ["a", "b", "c"]}, "counts must be 3 x 3"),
        ({"examples": {(0, 2): [("x", CLIP)]}}, "examples within"),
    ],
)
def test_bad_matrices_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        browser(**changes)
