import copy
from dataclasses import replace

import pytest
import torch
from pages import level

from labkit.viz import Ballot, VotedOut, vote_chart

TEXTS = {"classes": ["up", "down", "left"], "title": "A title", "alt": "What there is to see."}
IMAGES = torch.tensor([10, 120, 240], dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 8, 8)
BALLOT = Ballot(IMAGES, torch.tensor([0, 1, 0]), torch.tensor([2, 0, 2]), torch.tensor([0.5, 0.875, 1.0]))
LAYERS = {
    "last": VotedOut(torch.tensor([5, 0, 7]), torch.tensor([0.9, -0.5, 0.25]), 8),
    "before": VotedOut(torch.tensor([1, 31, 2]), torch.tensor([0.1, 0.2, -0.3]), 32),
}
CURVES = {"as voted": torch.tensor([80.0, 60.0, 40.0, 20.0])}


def shown(figure, vote):
    """The figure with what the slider does at a vote."""
    moved = copy.deepcopy(figure)
    changes, layout, traces = moved.layout.sliders[0].steps[vote].args
    for number, trace in enumerate(traces):
        for key, values in changes.items():
            moved.data[trace].update({key: values[number]})
    return moved.data[traces[0] : traces[-1] + 1], layout


def points(trace):
    return list(zip(trace.x, trace.y, strict=True))


def test_the_way_back_leads_from_the_wrong_class_through_the_neurons():
    figure = vote_chart(BALLOT, LAYERS, CURVES, **TEXTS)
    last, before = (points(trace) for trace in figure.data[:2])
    assert (len(last), len(before)) == (8, 32)
    (names, gone, way, wrong), layout = shown(figure, 1)
    assert [text.strip() for text in names.text] == ["", "down", "left"]  # the wrong class has a trace of its own
    assert points(way) == [points(names)[0], last[0], before[31]]
    assert points(gone) == [last[5], last[0], before[1], before[31]]
    assert points(wrong) == [points(names)[0]]
    assert wrong.text[0].strip() == "<b>up</b>"
    assert (layout["shapes[0].x0"], layout["shapes[0].x1"]) == (2, 2)
    assert level(layout["images[0].source"]) == 120
    (words,) = [value for key, value in layout.items() if key.startswith("annotations")]
    assert words.split("<br>") == [
        "<b>down</b>, taken for",
        "<b>up</b> (88% sure)",
        "votes out last no. 0 (-0.50)",
        "votes out before no. 31 (+0.20)",
    ]


def test_it_opens_where_it_is_told_to():
    for start in range(3):
        figure = vote_chart(BALLOT, LAYERS, CURVES, start=start, **TEXTS)
        traces, layout = shown(figure, start)
        first = len(LAYERS)
        assert figure.data[first : first + 4] == traces
        assert level(figure.layout.images[0].source) == [10, 120, 240][start]
        assert figure.layout.shapes[0].x0 == start + 1
        texts = [note.text for note in figure.layout.annotations]
        (index,) = [int(key.split("[")[1].split("]")[0]) for key in layout if key.startswith("annotations")]
        assert texts[index] == layout[f"annotations[{index}].text"]
        assert figure.layout.sliders[0].active == start


def test_the_curve_begins_before_the_first_vote():
    figure = vote_chart(BALLOT, LAYERS, CURVES, **TEXTS)
    assert (list(figure.data[-1].x), list(figure.data[-1].y)) == ([0, 1, 2, 3], [80, 60, 40, 20])


def test_neurons_keep_apart_and_within_their_column():
    ballot = Ballot(IMAGES[:1], *(part[:1] for part in (BALLOT.labels, BALLOT.predicted, BALLOT.certainty)))
    large = {name: VotedOut(torch.tensor([0]), torch.tensor([1.0]), size) for name, size in (("a", 2048), ("b", 4096))}
    figure = vote_chart(ballot, large, {}, **TEXTS)
    for trace, left in zip(figure.data[:2], (470, 260), strict=True):
        places = torch.tensor(points(trace))
        assert len(places.unique(dim=0)) == len(places)
        assert places[:, 0].min() > left
        assert places[:, 0].max() < left + 180
        assert 0 < places[:, 1].min() < places[:, 1].max() < 330


def test_of_many_classes_only_the_wrong_one_is_named():
    many = {**TEXTS, "classes": [f"class {number}" for number in range(101)]}
    (names, _, _, wrong), _ = shown(vote_chart(BALLOT, LAYERS, CURVES, **many), 0)
    assert set(names.text) == {""}
    assert wrong.text[0].strip() == "<b>class 2</b>"


@pytest.mark.parametrize(
    ("ballot", "layers", "options", "message"),
    [
        ({"predicted": torch.tensor([0, 1, 3])}, LAYERS, {}, "predicted must be 0 to 2; got 0 to 3"),
        ({}, {"last": replace(LAYERS["last"], size=7)}, {}, "neurons of last must be 0 to 6; got 0 to 7"),
        ({}, LAYERS, {"curves": {"as voted": torch.zeros(3)}}, "curve 'as voted' must be"),
        ({"labels": torch.zeros(2, dtype=torch.int64)}, LAYERS, {}, "labels must be"),
        ({}, LAYERS, {"start": 3}, "start must be one of the 3 votes"),
        ({}, {}, {}, "one layer or two"),
    ],
)
def test_what_does_not_fit(ballot, layers, options, message):
    with pytest.raises(ValueError, match=message):
        vote_chart(replace(BALLOT, **ballot), layers, **{"curves": CURVES} | options | TEXTS)
