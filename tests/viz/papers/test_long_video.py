"""The figures on long video: what they are told is what they show."""

import torch

from labkit.viz.papers import long_video as figures

HAPPENING = ["wave", "wave", "stretch"]


def test_arrows_of_the_overview_lead_to_the_prediction():
    figure = figures.overview()
    texts = [note.text for note in figure.layout.annotations]
    assert texts.count("CNN") == 8
    assert sum("aggregation" in (text or "") for text in texts) == 2
    assert sum(note.ax is not None for note in figure.layout.annotations) == 8 * 2 + 2 + 1


def test_an_lstm_cell_has_three_gates_with_peepholes():
    figure = figures.lstm_cell()
    assert sum(shape.type == "circle" for shape in figure.layout.shapes) == 3 + 2  # gates, products
    cell = next(note for note in figure.layout.annotations if note.text == "cell c<sub>t</sub>")
    leaving = [note for note in figure.layout.annotations if note.ax is not None and abs(note.ax - cell.x) < 0.7]
    assert len(leaving) == 5  # three peepholes, the output, and one that the forget gate sends


def test_fractions_of_maxima_are_of_all_that_were_won():
    wins = torch.tensor([[[3]], [[0]], [[1]]])
    figure = figures.maxima(torch.zeros(3, 3, 8, 8), wins, HAPPENING)
    assert list(figure.data[0].y) == [75, 0, 25]
    nobody = figures.maxima(torch.zeros(3, 3, 8, 8), torch.zeros(3, 1, 1), HAPPENING)
    assert list(nobody.data[0].y) == [0, 0, 0]


def test_what_lines_end_with_is_told():
    figure = figures.learning_curves({"gain linear": [(0, 0.1), (15, 0.25)]}, title="Gains")
    assert "gain linear 25 %" in figure.alt
    assert list(figure.data[0].y) == [10, 25]
    figure = figures.hit_rates({"one example": {1: 20.0, 30: 40.0}}, title="More frames")
    assert "one example, 1: 20 %, 30: 40 %" in figure.alt
