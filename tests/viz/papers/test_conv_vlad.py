import math

import pytest
import torch

from labkit.viz.papers import conv_vlad as figures

TEXTS = {"title": "A title", "alt": "What there is to see."}


def test_the_overview_leads_from_the_photo_to_the_descriptor():
    figure = figures.overview()
    texts = [annotation.text for annotation in figure.layout.annotations if annotation.text]
    assert texts[0] == "photo"
    assert "descriptor" in texts
    assert figure.alt.startswith("A chain: photo")


def test_residuals_and_their_sums_by_hand():
    words = torch.tensor([[0.0, 0.0], [10.0, 0.0]])
    features = torch.tensor([[1.0, 1.0], [9.0, 2.0], [2.0, -3.0]])
    figure = figures.residual_chart(features, words, torch.tensor([0, 1, 0]), **TEXTS)
    lines = figure.data[0]  # of word 0: from the word to each feature, then a gap
    assert [x for x in lines.x if not math.isnan(x)] == [0, 1, 0, 2]
    assert [y for y in lines.y if not math.isnan(y)] == [0, 1, 0, -3]
    arrows = [(arrow.ax, arrow.ay, arrow.x, arrow.y) for arrow in figure.layout.annotations]
    assert arrows == [(0, 0, 3, -2), (10, 0, 9, 2)]
    assert [trace.name for trace in figure.data if trace.name] == [
        "features of word 1",
        "features of word 2",
        "words",
    ]
    assert figure.alt == TEXTS["alt"]


def test_a_word_without_features_has_an_arrow_of_no_length():
    figure = figures.residual_chart(torch.ones(1, 2), torch.eye(2), torch.tensor([0]), **TEXTS)
    arrow = figure.layout.annotations[1]
    assert (arrow.ax, arrow.ay) == (arrow.x, arrow.y) == (0, 1)


def test_equal_words_have_equal_colours():
    mosaic = figures.word_mosaic(torch.tensor([[0, 1], [1, 0]]), 2, 4)
    assert mosaic.shape == (3, 4, 4)
    assert torch.equal(mosaic[:, :2, :2], mosaic[:, 2:, 2:])
    assert torch.equal(mosaic[:, :2, 2:], mosaic[:, 2:, :2])
    assert not torch.equal(mosaic[:, :2, :2], mosaic[:, :2, 2:])
    assert torch.equal(mosaic, figures.word_mosaic(torch.tensor([[0, 1], [1, 0]]), 2, 4))
    with pytest.raises(ValueError, match=r"nearest must be \(n, n\)"):
        figures.word_mosaic(torch.zeros(4, dtype=torch.int64), 2, 4)


def test_rows_of_patches_carry_their_distances():
    patches = torch.zeros(2, 3, 3, 4, 4, dtype=torch.uint8)
    figure = figures.patch_rows(patches, torch.tensor([[0.1, 0.25], [0.3, 0.4]]), **TEXTS)
    labels = [annotation.text for annotation in figure.layout.annotations]
    assert labels == ["reference", "0.10", "0.25", "reference", "0.30", "0.40"]
    with pytest.raises(ValueError, match=r"distances must be \(2, 2\); got \(2, 3\)"):
        figures.patch_rows(patches, torch.zeros(2, 3), **TEXTS)
