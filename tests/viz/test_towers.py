import pytest

from labkit.viz.towers import COLOURS, MOST, tower_chart

TEXTS = {"title": "A title", "alt": "What there is to see."}
SLOW = [
    ("C", 30, (256, 6, 6)),
    ("max-pooling", 5, (256, 6, 6)),
    ("fully connected", 5, (4096,)),
    ("softmax", 1, (487,)),
]


def boxes(figure, kind):
    return [shape for shape in figure.layout.shapes if shape.fillcolor == COLOURS[kind]]


def test_a_row_of_boxes_for_each_layer_a_box_for_each_time_it_runs_and_dots_for_too_many():
    figure = tower_chart({"Slow": SLOW}, **TEXTS)
    assert [len(boxes(figure, kind)) for kind, _, _ in SLOW] == [MOST - 1, 5, 5, 1]
    assert sum(note.text == "…" for note in figure.layout.annotations) == 1
    words = [note.text for note in figure.layout.annotations]
    assert "max-pooling<br>5 × 256 × 6 × 6" in words
    assert "softmax<br>487" in words
    assert "Slow" in words
    bottoms = [boxes(figure, kind)[0].y0 for kind, _, _ in SLOW]
    assert bottoms == sorted(bottoms)
    for kind, _, _ in SLOW:
        row = boxes(figure, kind)
        assert (row[0].x0 + row[-1].x1) / 2 == pytest.approx(MOST / 2)


def test_each_network_has_its_own_axes():
    figure = tower_chart({"one": SLOW, "two": SLOW[:2]}, columns=2, **TEXTS)
    assert {shape.xref for shape in figure.layout.shapes} == {"x", "x2"}


def test_what_cannot_be_drawn():
    with pytest.raises(ValueError, match="kinds must be among"):
        tower_chart({"one": [("magic", 1, (3,))]}, **TEXTS)
    with pytest.raises(ValueError, match="at least one"):
        tower_chart({}, **TEXTS)
