import math

import pytest
import torch
import torch.nn.functional as F

from labkit.patches import Patches
from labkit.viz.papers import conv_vlad as figures


def test_the_overview_leads_from_the_photo_to_the_descriptor():
    figure = figures.overview()
    texts = [annotation.text for annotation in figure.layout.annotations if annotation.text]
    assert texts[0] == "photo"
    assert "descriptor" in texts
    assert figure.alt.startswith("A chain: photo")


def test_residuals_and_their_sums_by_hand():
    words = torch.tensor([[0.0, 0.0], [10.0, 0.0]])
    features = torch.tensor([[1.0, 1.0], [9.0, 2.0], [2.0, -3.0]])
    figure = figures.residuals(features, words, torch.tensor([0, 1, 0]))
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
    assert figure.alt.startswith("Crosses with features")


def test_a_word_without_features_has_an_arrow_of_no_length():
    figure = figures.residuals(torch.ones(1, 2), torch.eye(2), torch.tensor([0]))
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


def test_words_stand_below_their_photos():
    nearest = torch.tensor([[[0, 1], [1, 0]], [[2, 2], [1, 2]]])
    figure = figures.words(torch.zeros(2, 3, 4, 4), nearest, 3, ["query", "good"])
    labels = [annotation.text.replace("<br>", " ") for annotation in figure.layout.annotations]
    assert labels == ["query", "good", "words: 2", "words: 2, of which 1 are in the query"]


def test_lengths_are_fractions_in_the_order_of_the_first():
    sums = torch.tensor([[3.0, 0.0], [0.0, 4.0]])
    figure = figures.lengths({"as summed": sums, "level": torch.eye(2)})
    assert figure.data[0].y == pytest.approx([0.8, 0.6])
    assert figure.data[1].y == pytest.approx([0.5**0.5] * 2)


def test_curves_may_have_some_of_the_layers():
    figure = figures.over_layers(
        {"ours": {"Inception 3a": 1.0, "5b": 2.0}, "paper": {}}, title="A title", y_title="mAP"
    )
    assert [list(line.x) for line in figure.data] == [["3a", "5b"], []]
    assert figure.alt == "mAP over the layers from low to high, a line each for ours, paper."


@pytest.fixture
def patches():
    features = F.normalize(torch.randn(20, 5, generator=torch.Generator().manual_seed(0)), dim=1)
    images = torch.randint(0, 256, (5, 3, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    return Patches(features, images, torch.tensor([0, 4]), 4)


def test_clusters_carry_their_distances(patches):
    figure = figures.clusters(patches, "5b")
    distances = patches.clusters(patches.contrasting(5), 9)[1]
    expected = [text for row in distances for text in ("reference", *(f"{distance:.2f}" for distance in row))]
    assert [annotation.text for annotation in figure.layout.annotations] == expected
    assert "nearest patches by 5b, each 1/2 as wide as the photo" in figure.layout.title.text


def test_a_photo_is_rebuilt_by_each_layer(patches):
    labels = [annotation.text for annotation in figures.rebuilt({"4a": patches, "5b": patches}).layout.annotations]
    assert labels == ["the photo", "4a, k = 1", "5b, k = 1", "the photo", "4a, k = 5", "5b, k = 5"]


def test_a_bar_for_each_way_to_describe_a_photo():
    figure = figures.methods({"VLAD": 26.5, "SIFT VLAD": 85.4}, "Inception 4c")
    assert (list(figure.data[0].x), list(figure.data[0].y)) == (["VLAD", "SIFT VLAD"], [26.5, 85.4])
    assert "Inception 4c" in figure.layout.title.text


def test_the_explorer_knows_the_neighbours_of_the_first_photos(patches):
    explorer = figures.explorer({"5b": patches}, [*"abcde"])
    assert explorer.scene["asked"] == [0, 1, 2, 3]
    assert (explorer.scene["layers"][0]["k"], explorer.scene["layers"][0]["side"]) == (6, 4)
    assert explorer.scene["layers"][0]["centres"] == [2, 6]
