import pytest
import torch

from labkit.data.photos import Photos, Query
from labkit.studies.photo_search import PhotoSearch, centre_of_curve


class Known(Photos):
    """Five photos without pixels: 0 and 1 of a tower, 2 an ok view of it, 3 a junk view; 4 a bridge, as is 5."""

    def __init__(self, finds_itself):
        names = ["a/test_tower_0", "tower1", "tower2", "tower3", "bridge0", "bridge1"]
        queries = [Query(names[0], names[:2], [names[2]], [names[3]]), Query(names[4], names[4:])]
        self.finds_itself = finds_itself
        shown = {name: name.split("/")[-1].removeprefix("test_")[:5] for name in names}
        super().__init__("known", "", dict(zip(names, names, strict=True)), queries, shown)


@pytest.mark.parametrize("finds_itself", [True, False])
def test_truth_by_hand(finds_itself):
    search = PhotoSearch(Known(finds_itself))
    assert search.queries == [0, 4]
    marks = {kind: [row.nonzero().flatten().tolist() for row in truth] for kind, truth in search.truth.items()}
    assert marks["ok"] == [[2], []]
    if finds_itself:  # the rule of Oxford and Paris
        assert marks["good"] == [[0, 1], [4, 5]]
        assert marks["junk"] == [[3], []]
    else:  # that of Holidays
        assert marks["good"] == [[1], [5]]
        assert marks["junk"] == [[0, 3], [4]]


@pytest.mark.parametrize("finds_itself", [True, False])
def test_a_query_is_never_shown_as_something_to_be_found(finds_itself):
    search = PhotoSearch(Known(finds_itself))
    assert search.shown_with(0) == {"good": [1], "ok": [2], "junk": [3]}
    assert search.example == [("query", 4), ("good", 5), ("another place", 0)]
    assert search.names[0] == "tower 0"


def test_average_precision_by_hand():
    search = PhotoSearch(Known(False))
    line = torch.tensor([[0.0], [3.0], [1.0], [0.5], [4.0], [2.0], [0.1]])  # the last one is no photo of the database
    assert search.rank(line).tolist() == [[0, 3, 2, 5, 1, 4], [4, 1, 5, 2, 3, 0]]
    # tower: 2 at rank 1, 1 at rank 3 after a bridge: (1 + 1)/2 and (1/2 + 2/3)/2; bridge: 5 at rank 2: (0 + 1/2)/2
    expected = [(1 + (1 / 2 + 2 / 3) / 2) / 2, 1 / 4]
    assert search.average_precision(line).tolist() == pytest.approx(expected)


def test_the_centre_of_a_curve_by_hand():
    scores = {"low": torch.tensor([0.2, 0.4]).double(), "high": torch.tensor([0.6, 0.4]).double()}
    centre = centre_of_curve(scores, {"low": 0.0, "high": 100.0})
    assert centre.value == pytest.approx(100 * 1.0 / 1.6)
    # each query weighs .8 and has its own centre, 75 and 50: as the mean of two numbers
    assert centre.stderr == pytest.approx(12.5)


def test_a_choice_is_made_on_queries_of_other_things():
    search = PhotoSearch(Known(False))
    best = search.choose({"3a": torch.tensor([1.0, 0.0]), "5b": torch.tensor([0.0, 1.0])})
    assert best.chosen == ["5b", "3a"]
    assert best.values.tolist() == [0, 0]
