"""The drawings of recurrent models: which box leads to which."""

from itertools import pairwise

import torch
from torch import nn

from labkit.viz.papers import frame_rnn as figures


def arrows(figure):
    """How many arrows run to the right, and how many to the left, without those that also go up or down."""
    level = [note for note in figure.layout.annotations if note.ax is not None and abs(note.y - note.ay) < 1e-6]
    return sum(note.x > note.ax for note in level), sum(note.x < note.ax for note in level)


def test_time_runs_forward_and_with_both_directions_also_back():
    assert arrows(figures.unrolled("ReLU")) == (4, 0)
    assert arrows(figures.unrolled("ReLU", both_directions=True)) == (4, 4)
    assert "Figure 6" in figures.unrolled("ReLU", both_directions=True).layout.title.text


def test_the_pipeline_is_a_chain():
    figure = figures.pipeline()
    assert arrows(figure) == (5, 0)
    places = sorted(shape.x0 for shape in figure.layout.shapes)
    assert all(right - left > 1 for left, right in pairwise(places))


def test_a_cell_of_an_lstm_has_three_gates():
    figure = figures.lstm_cell()
    circles = [shape for shape in figure.layout.shapes if shape.type == "circle"]
    assert len(circles) == 3 + 3 + 1  # gates, products, the sum


def test_filters_are_sorted_by_their_norm_and_grey_where_they_are_zero():
    network = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU())
    with torch.no_grad():
        network[0].weight.zero_()
        network[0].weight[1, :, 1, 1] = torch.tensor([4.0, -4.0, 0.0])  # the stronger filter comes second
        network[0].weight[0, 0, 1, 1] = 1.0
    figure = figures.filters(network)
    assert "all 2 filters" in figure.layout.title.text
    assert len(figure.layout.images) + len(figure.data) >= 2


def test_accuracies_name_their_series_in_the_description():
    figure = figures.accuracies({"as filmed": {"RNN": 50.0}, "reversed,<br>shuffled": {"RNN": 25.0}}, title="Orders")
    assert "as filmed and reversed, shuffled" in figure.alt
    assert "RNN 25" in figure.alt
