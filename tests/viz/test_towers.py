import pytest

from labkit.papers import long_video
from labkit.viz.towers import COLOURS, MOST, layers_of, tower_chart

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


SHAPE, NARROW = (3, 2, 2), {"hidden": (6, 5), "dropout": 0.5}


def drawn(head, frames):
    return [(kind, boxes) for kind, boxes, _ in layers_of(head, SHAPE, frames)]


def test_layers_are_found_by_running_a_head():
    full, wide, end = "fully connected", "max-pooling", ("softmax", 1)
    wanted = {
        "ConvPooling": [("C", 30), (wide, 1), (full, 1), (full, 1), end],
        "LatePooling": [("C", 30), (full, 30), (full, 30), (wide, 1), end],
        "SlowPooling": [("C", 30), (wide, 5), (full, 5), (wide, 1), end],
        "LocalPooling": [("C", 30), (wide, 5), (full, 5), (full, 5), end],
        "TimeDomainConvolution": [("C", 30), ("time-domain convolution", 5), (wide, 1), (full, 1), (full, 1), end],
        "AveragePooling": [("C", 30), ("average pooling", 1), (full, 1), (full, 1), end],
        "FullyConnectedPooling": [("C", 30), (full, 1), (full, 1), (full, 1), end],
    }
    for name, layers in wanted.items():
        assert drawn(getattr(long_video, name)(SHAPE, 4, 30, **NARROW), 30) == layers
    local = long_video.LocalPooling(SHAPE, 4, 120, **NARROW)
    assert drawn(local, 120) == [("C", 120), (wide, 23), (full, 23), (full, 23), end]
    assert layers_of(local, SHAPE, 120)[0] == ("C", 120, SHAPE)


def test_an_lstm_is_one_box_a_frame():
    head = long_video.DeepLSTM(SHAPE, 4, num_layers=5, hidden_size=6).train()
    assert drawn(head, 30) == [("C", 30), *[("LSTM", 30)] * 5, ("softmax", 30)]
    assert head.training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in head.modules())
