import itertools
import math

import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from pages import decoded

from labkit import viz
from labkit.viz.figures.labels import LETTER, PAGE, PLOT, name_ticks
from labkit.viz.style import finish

TEXTS = {"title": "A title", "alt": "What there is to see."}


def noise(*shape):
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0)).to(torch.uint8)


FLOW = torch.randn(2, 12, 16, generator=torch.Generator().manual_seed(0))
FIGURES = {
    "frame_strip": lambda: viz.frame_strip(noise(5, 3, 12, 16), **TEXTS),
    "image_grid": lambda: viz.image_grid([noise(3, 4, 4), noise(1, 6, 8)], labels=["a", "b"], **TEXTS),
    "flow_fields": lambda: viz.flow_fields({"one": FLOW, "two": FLOW}, **TEXTS),
    "quiver": lambda: viz.quiver(noise(3, 12, 16), FLOW, **TEXTS),
    "trajectory_plot": lambda: viz.trajectory_plot(noise(3, 12, 16), torch.rand(4, 6, 2) * 12, **TEXTS),
    "marked_locations": lambda: viz.marked_locations(noise(3, 12, 16), {"a": (5, 6)}, side=3, **TEXTS),
    "heat_maps": lambda: viz.heat_maps({"a": FLOW[0].abs()}, unit="px", marks={"a": (3, 4)}, **TEXTS),
    "flow_components": lambda: viz.flow_components(FLOW, **TEXTS),
    "timeline": lambda: viz.timeline({"all": [0, 1, 2]}, x_title="frame", length=2, **TEXTS),
    "line_chart": lambda: viz.line_chart({"a": ([1, 2], [3, 4])}, x_title="x (s)", y_title="y (px)", **TEXTS),
    "bar_chart": lambda: viz.bar_chart({"a": {"x": 1.0}}, x_title="x", y_title="y (px)", **TEXTS),
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_has_title_alt_and_content(name):
    figure = FIGURES[name]()
    assert isinstance(figure, viz.Figure)
    assert figure.layout.title.text == "<b>A title</b>"
    assert figure.alt.startswith("What there is to see." + (" a: x 1." if name == "bar_chart" else ""))
    assert len(figure.data) > 0
    assert figure.layout.height >= 150


def test_the_alt_text_follows_the_figure_for_screen_readers(monkeypatch):
    shown = []
    monkeypatch.setattr("labkit.viz.style.display", shown.append)
    monkeypatch.setattr(go.Figure, "_ipython_display_", lambda self: shown.append("the figure"))
    figure = FIGURES["line_chart"]()
    figure.update_layout(meta={"alt": "a < b"})
    figure._ipython_display_()
    assert shown[0] == "the figure"
    assert "Figure: a &lt; b" in shown[1].data


@pytest.mark.parametrize("texts", [{"title": "", "alt": "x"}, {"title": "x", "alt": " "}])
def test_no_figure_without_words(texts):
    with pytest.raises(ValueError, match="needs a title and an alt text"):
        finish(go.Figure(), height=100, **texts)


def test_images_arrive_pixel_by_pixel_and_large_ones_are_shrunk():
    clip = noise(3, 3, 12, 16)
    figure = viz.frame_strip(clip, **TEXTS)
    assert all(torch.equal(decoded(trace.source), frame) for frame, trace in zip(clip, figure.data, strict=True))
    assert [note.text for note in figure.layout.annotations] == ["t = 0", "t = 1", "t = 2"]
    (large,) = viz.image_grid([noise(3, 700, 1000)], **TEXTS).data
    assert decoded(large.source).shape == (3, 336, 480)


def test_tiles_of_a_grid_do_not_overlap():
    figure = viz.image_grid(list(noise(7, 3, 12, 16)), columns=3, **TEXTS)
    corners = {(trace.x0, trace.y0) for trace in figure.data}
    assert len(corners) == 7
    xs, ys = sorted({x for x, _ in corners}), sorted({y for _, y in corners})
    assert len(xs) == len(ys) == 3
    assert min(b - a for a, b in itertools.pairwise(xs)) >= 16
    assert min(b - a for a, b in itertools.pairwise(ys)) >= 12


def test_quiver_arrows_start_and_end_where_flow_says():
    flow = torch.zeros(2, 16, 16)
    flow[0], flow[1] = 3.0, -2.0
    figure = viz.quiver(noise(3, 16, 16), flow, spacing=8, **TEXTS)
    x, y = figure.data[-1].x, figure.data[-1].y
    assert [x[0], y[0]] == [4.0, 4.0]
    assert [x[1], y[1]] == [7.0, 2.0]
    assert np.isnan(x[5])
    assert len(x) == 4 * 6  # four arrows of five points and a gap


def test_trajectories_keep_their_points():
    tracks = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]])
    figure = viz.trajectory_plot(noise(3, 12, 16), tracks, **TEXTS)
    line = figure.data[1]
    np.testing.assert_array_equal(line.x, [1, 3, np.nan, 5, 7, np.nan])
    np.testing.assert_array_equal(line.y, [2, 4, np.nan, 6, 8, np.nan])
    starts, ends = figure.data[-2:]
    assert (list(starts.x), list(ends.y)) == ([1, 5], [4, 8])


def test_components_share_one_scale_even_about_zero():
    figure = viz.flow_components(FLOW, **TEXTS)
    dx, dy = figure.data
    np.testing.assert_allclose(dx.z, FLOW[0], atol=6e-4)
    np.testing.assert_allclose(dy.z, FLOW[1], atol=6e-4)
    axis = figure.layout.coloraxis
    assert axis.cmin == -axis.cmax
    assert axis.cmax == pytest.approx(float(FLOW.abs().quantile(0.995)), rel=0.05)


def test_marks_and_squares_lie_where_they_belong():
    _, second, cross = viz.heat_maps({"a": FLOW[0], "b": FLOW[0]}, unit="px", marks={"b": (3, 4)}, **TEXTS).data
    assert (cross.x[0], cross.y[0]) == (second.x0 + 3, second.y0 + 4)
    figure = viz.marked_locations(noise(3, 12, 16), {"a": (5, 6)}, side=3, **TEXTS)
    square = figure.layout.shapes[-1]
    assert (square.x0, square.x1, square.y0, square.y1) == (3.5, 6.5, 4.5, 7.5)
    assert figure.layout.annotations[0].text == "<b>a</b>"


def test_charts_do_not_rest_on_colour_alone():
    lines = viz.line_chart({n: ([1], [1]) for n in "abc"}, x_title="x", y_title="y", **TEXTS)
    assert len({trace.line.dash for trace in lines.data}) == 3
    bars = viz.bar_chart({n: {"x": 1.0} for n in "abc"}, x_title="x", y_title="y", **TEXTS)
    assert len({trace.marker.pattern.shape for trace in bars.data}) == 3


def names_of(count):
    """Class names as long as those of the sets with so many classes."""
    longest = {4: "high five", 18: "skateboard", 25: "walk right", 51: "sword exercise", 101: "RockClimbingIndoor"}
    name = longest[count]
    return [f"{name[: 4 + number % len(name)]}{number}" for number in range(count - 1)] + [name]


AXES = {"x_title": "action", "y_title": "recall (%)"}


@pytest.mark.parametrize(
    ("count", "angle", "size"), [(4, 0, 12), (18, 30, 12), (25, 30, 12), (51, 90, 12), (101, 90, 7)]
)
def test_names_below_an_axis_do_not_run_into_each_other(count, angle, size):
    names = names_of(count)
    ticks = name_ticks(names)
    slot, longest = PLOT / count, LETTER * ticks.size * max(map(len, names))
    assert (ticks.angle, ticks.size) == (angle, size)
    apart = slot * math.sin(math.radians(angle))  # of the middles of two lines
    assert apart >= 1.1 * ticks.size if angle else longest < slot
    assert ticks.room >= longest * math.sin(math.radians(angle))
    figure = viz.bar_chart({"a": dict.fromkeys(names, 1.0)}, **AXES, **TEXTS)
    axis = figure.layout.xaxis
    assert (axis.tickangle, axis.tickfont.size, axis.dtick) == (angle, size, 1)
    assert figure.layout.height == 340 + ticks.room - 20  # names take nothing from the bars


@pytest.mark.parametrize(
    ("count", "groups", "angle"),  # upright on narrow bars, and left out where there is no room at all
    [(4, 2, 0), (18, 1, 0), (18, 2, -90), (51, 1, -90), (51, 2, None), (101, 1, None)],
)
def test_values_stand_on_bars_as_far_as_there_is_room(count, groups, angle):
    names = names_of(count)
    rows = {str(number): dict.fromkeys(names, 100.0) for number in range(groups)}
    rows["0"] |= {names[0]: -50.0, names[1]: math.nan}
    figure = viz.bar_chart(rows, **AXES, **TEXTS)
    looks = {(trace.textposition, trace.textangle) for trace in figure.data}
    assert looks == {("none", -90) if angle is None else ("outside", angle)}
    limits = figure.layout.yaxis.range
    assert limits is None if angle != -90 else list(limits) == pytest.approx([-50 - 24, 100 + 24])
    assert f"{names[-1]} 100" in figure.alt


def slider_of(count):
    steps = {f"{step}": dict.fromkeys(names_of(count), 10.0 * step) for step in range(3)}
    return viz.bar_slider(steps, **AXES, **TEXTS, slider="weight")


def test_a_slider_lies_below_the_names_however_long():
    figures = {count: slider_of(count) for count in (4, 18, 51, 101)}
    rooms = {count: name_ticks(names_of(count)).room for count in figures}
    assert [figure.layout.sliders[0].pad.t - rooms[count] for count, figure in figures.items()] == [52] * 4
    assert [figure.layout.height - rooms[count] for count, figure in figures.items()] == [400] * 4


@pytest.mark.browser
@pytest.mark.parametrize("count", [18, 101])
def test_nothing_overlaps_on_the_page(offline_page, tmp_path, count):
    """In a browser: names, the title of the axis, the slider and its value."""
    figure = slider_of(count)
    figure.write_html(tmp_path / "page.html", include_plotlyjs=True)
    offline_page.set_viewport_size({"width": 920, "height": 700})
    offline_page.goto(f"file://{tmp_path}/page.html")
    offline_page.wait_for_selector(".slider-container")
    places = """kind => [...document.querySelectorAll(kind)].map(node => {
      const box = node.getBoundingClientRect(); return [box.left, box.top, box.right, box.bottom]; })"""
    kinds = (".xtick text", ".xtitle", ".slider-container", ".main-svg")
    names, (title,), (slider,), (page, *_) = (offline_page.evaluate(places, kind) for kind in kinds)
    assert len(names) == count
    assert max(bottom for _, _, _, bottom in names) <= title[1] + 1
    assert title[3] <= slider[1] + 1
    assert slider[3] <= page[3]
    if count != 18:  # boxes of slanted names overlap, though they do not
        assert all(left[2] <= right[0] + 1.5 for left, right in itertools.pairwise(sorted(names)))


@pytest.mark.parametrize(
    ("label", "lines"),
    [
        ("wave", ["wave"]),
        ("from the photos, 87 %", ["from the", "photos, 87 %"]),
        ("VolleyballSpiking: t 12", ["Volleyball", "Spiking: t 12"]),
        ("HandstandPushups", ["Handstand", "Pushups"]),
        ("incomprehensibilities", ["incomprehensibi", "lities"]),
        ("a<br>line of its own kind", ["a", "line of its own kind"]),
    ],
)
def test_labels_are_split_where_they_are_wider_than_their_image(label, lines):
    """In 8 columns there is room for 15 letters."""
    figure = viz.image_grid([noise(3, 8, 8)] * 8, labels=[label] * 8, **TEXTS)
    assert {note.text for note in figure.layout.annotations} == {"<br>".join(lines)}
    assert viz.image_grid([noise(3, 8, 8)], labels=[label], **TEXTS).layout.annotations[0].text == label


def test_labels_of_two_lines_get_the_room_for_them():
    tops = {}
    for label in ("wave", "HandstandPushups"):
        figure = viz.image_grid([noise(3, 8, 8)] * 16, labels=[label] * 16, columns=8, **TEXTS)
        tops[label] = figure.data[8].y0 - figure.data[0].y0 - 8  # between two rows
    assert (tops["HandstandPushups"] - tops["wave"]) * PAGE / 64 == pytest.approx(15)  # pixels, of 64 across


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: viz.image_grid([], **TEXTS), "at least one image"),
        (lambda: viz.frame_strip(noise(2, 3, 4, 4), labels=["a"], **TEXTS), "one for each of the 2 images; got 1"),
        (lambda: viz.quiver(noise(3, 4, 4), torch.zeros(2, 5, 5), **TEXTS), "must have the same shape"),
        (lambda: viz.flow_fields({"x": torch.zeros(3, 4, 4)}, **TEXTS), "flow of 'x' must be"),
        (lambda: viz.trajectory_plot(noise(3, 4, 4), torch.zeros(3, 2), **TEXTS), "tracks must be"),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_slider_over_a_condition_shows_means_and_worlds():
    steps = {
        "0": {"SIFT": {1000: 88.0, 1001: 86.0}, "b9": {1000: 55.0}},
        "0.75": {"SIFT": {1000: 40.0}, "b9": {7: 47.0}},
    }
    words = {"title": "Shadows", "alt": "Two methods.", "y_title": "mAP (%)", "slider": "depth"}
    figure = viz.condition_slider(steps, **words, start=1)
    assert list(figure.data[0].y) == [40, 47]
    assert list(figure.data[0].text) == ["40.0", "47.0"]
    moved = figure.layout.sliders[0].steps[0].args[0]
    assert moved["y"] == [[87, 55], [88, 86, 55]]
    assert moved["x"] == [["SIFT", "b9"], ["SIFT", "SIFT", "b9"]]
    assert "depth 0: SIFT 87.0, b9 55.0; depth 0.75: SIFT 40.0" in figure.alt
    assert viz.condition_slider(steps, **words, start=-1).layout.sliders[0].active == 1
    with pytest.raises(ValueError, match="start among them"):
        viz.condition_slider(steps, **words, start=2)


def test_a_long_title_gets_lines_and_a_wide_legend_one_of_its_own():
    lines = {name: ([0, 1], [0, 1]) for name in ("a", "b")}
    words = {"alt": "a", "x_title": "x", "y_title": "y"}
    short = viz.line_chart(lines, title="Short", **words).layout
    long = viz.line_chart(lines, title="word " * 25 + "<br>below", **words).layout  # 125 letters
    assert [text.count("<br>") for text in (short.title.text, long.title.text)] == [0, 1]
    assert long.height - short.height == long.margin.t - short.margin.t - (66 - 48) == 20
    named = {f"{name} with a name that is long": values for name, values in lines.items()}
    beside = viz.line_chart(named, title="A title that leaves no room beside it", **words).layout
    assert (beside.height - short.height, beside.margin.t - short.margin.t) == (22, 22)
