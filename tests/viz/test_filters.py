import pytest
import torch
from pages import decoded

from labkit.viz import filter_details, filter_mosaic
from labkit.viz.filters import _separated

TEXTS = {"title": "Filters", "alt": "What there is to see."}
NAMES = ("spatial", "temporal", "none of these")


def mosaic(weights, kinds, **options):
    rows = [f"row {row}" for row in range(weights.shape[1])]
    return filter_mosaic(weights, torch.tensor(kinds), kind_names=NAMES, row_labels=rows, **TEXTS, **options)


def test_filters_of_a_kind_stand_together_the_strongest_first():
    weights = torch.randn(5, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    figure = mosaic(weights, [2, 0, 2, 0, 0], strengths=torch.tensor([0.1, 0.2, 0.3, 0.4, 0.3]))
    assert list(figure.layout.xaxis.ticktext) == ["3", "4", "1", "2", "0"]
    assert sorted(figure.layout.xaxis.tickvals) == list(figure.layout.xaxis.tickvals)
    assert [note.text for note in figure.layout.annotations] == ["spatial (3)", "none of these (2)"]
    assert list(figure.layout.yaxis.ticktext) == ["row 0", "row 1", "row 2", "row 3"]
    assert figure.alt.endswith("Filters by kind: 3 spatial, 2 none of these.")
    assert list(mosaic(weights, [2, 0, 2, 0, 0]).layout.xaxis.ticktext) == ["1", "3", "4", "0", "2"]


def test_grey_is_zero_and_all_filters_have_one_scale():
    weights = torch.zeros(2, 2, 2, 2)
    weights[0, 0, 0, 0], weights[0, 1, 1, 1] = 5.0, -5.0
    weights[1, 0, 0, 1] = 2.5
    (trace,) = mosaic(weights, [0, 0]).data
    rim, flat = [255] * 6, [128, 128, 255, 128, 128, 255]
    expected = [[255, 128, 255, 128, 191, 255], flat, rim, flat, [128, 0, 255, 128, 128, 255], rim]
    assert (decoded(trace.source)[0] - torch.tensor(expected)).abs().max() <= 1


def test_tick_and_image_of_a_filter_are_in_the_same_column():
    figure = mosaic(torch.zeros(3, 1, 3, 3), [0, 0, 2])
    firsts = [trace.x0 - 0.5 for trace in figure.data]  # the left edge of the first of three pixels
    assert [figure.layout.xaxis.tickvals[place] - 1.5 for place in (0, 2)] == pytest.approx(firsts)


def test_labels_for_every_channel_and_kind():
    with pytest.raises(ValueError, match=r"row_labels must be 4, and kinds below 3; got 4 and \[0, 3\]"):
        mosaic(torch.zeros(2, 4, 3, 3), [0, 3])
    with pytest.raises(ValueError, match="row_labels must be 2"):
        filter_mosaic(torch.zeros(1, 2, 3, 3), torch.zeros(1).long(), kind_names=NAMES, row_labels=["dx 1"], **TEXTS)


def test_a_product_of_pattern_and_course_is_taken_apart():
    pattern = torch.tensor([[0.0, 1.0], [-0.5, 0.25]])
    course = torch.tensor([[1.0, -2.0], [3.0, 0.5], [0.0, 1.0]])  # three fields, dx and dy
    weights = course.flatten()[:, None, None] * pattern
    seen, over_time, fraction = _separated(weights, "a")
    torch.testing.assert_close(seen.float(), pattern)
    torch.testing.assert_close(over_time.float(), course)
    assert fraction == pytest.approx(1)
    opposite, over_time, _ = _separated(-weights, "a")  # the same product, its largest value over time positive
    torch.testing.assert_close(opposite.float(), -pattern)
    torch.testing.assert_close(over_time.float(), course)
    weights = torch.zeros(2, 2, 2)
    weights[0, 0, 0], weights[1, 1, 1] = 3.0, 1.0  # two products at right angles
    assert _separated(weights, "a")[2] == pytest.approx(0.9)


def test_details_have_a_row_for_each_filter():
    filters = {name: torch.randn(6, 5, 5, generator=torch.Generator().manual_seed(0)) for name in ("a", "b")}
    responses = {"a": torch.eye(4), "b": -torch.eye(4)}
    figure = filter_details(filters, torch.zeros(3, 8, 8), responses, **TEXTS)
    assert [trace.type for trace in figure.data] == ["heatmap", "scatter", "scatter", "image", "heatmap"] * 2
    assert [trace.name for trace in figure.select_traces({"type": "scatter"}) if trace.showlegend] == ["dx", "dy"]
    assert len(figure.data[1].x) == 3
    assert figure.data[4].zmax == -figure.data[4].zmin == 1
    assert [note.text.split("<br>")[0] for note in figure.layout.annotations[::4]] == ["<b>a</b>", "<b>b</b>"]
    with pytest.raises(ValueError, match=r"must have the same labels; got \['a', 'b'\] and \['a'\]"):
        filter_details(filters, torch.zeros(3, 8, 8), {"a": torch.eye(4)}, **TEXTS)
