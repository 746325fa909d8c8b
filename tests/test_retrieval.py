import math

import pytest
import sklearn.metrics
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit import metrics
from labkit.retrieval import (
    cross_fitted,
    listed,
    precision_recall_curve,
    ranking,
    retrieval_average_precision,
    retrieval_map,
)

seeds = st.integers(0, 2**32 - 1)
RULES = ("trapezoid", "step")

# One query, six images, ranked 3 0 5 1 4 2. Positives are 0, 1 and 2.
ORDER = torch.tensor([[3, 0, 5, 1, 4, 2]])
POSITIVES = listed([[0, 1, 2]], 6)


def average_precision_by_walking(order, positives, junk, rule):
    """Down one list, image by image, as the definitions go: the slow way, with sets."""
    found, place, area, recall, precision = 0, 0, 0.0, 0.0, 1.0
    for image in order:
        if image in junk:
            continue
        place += 1
        found += image in positives
        new_recall, new_precision = found / len(positives), found / place
        height = new_precision if rule == "step" else (precision + new_precision) / 2
        area += (new_recall - recall) * height
        recall, precision = new_recall, new_precision
    return area


def random_case(seed, queries=5, images=30):
    """Ranking, positives and junk, every query with at least one positive."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.rand(queries, images, generator=generator).argsort(1)
    kind = torch.rand(queries, images, generator=generator)
    kind[torch.arange(queries), torch.randint(images, (queries,), generator=generator)] = 0
    return order, kind < 0.2, kind > 0.75


def test_ranking_by_hand():
    database = torch.tensor([[0.0, 0.0], [3.0, 4.0], [1.0, 0.0], [0.0, 0.0]])
    queries = torch.tensor([[0.0, 0.0], [3.0, 3.0]])
    assert ranking(queries, database).tolist() == [[0, 3, 2, 1], [1, 2, 0, 3]]  # equal ones: the lower number first


@settings(deadline=None, max_examples=20)
@given(seeds, st.integers(1, 40))
def test_ranking_in_blocks_is_by_the_distance(seed, block):
    generator = torch.Generator().manual_seed(seed)
    queries, database = (torch.randn(n, 5, generator=generator, dtype=torch.float64) for n in (7, 12))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("labkit.retrieval._BLOCK", block)
        order = ranking(queries, database)
    distances = torch.cdist(queries, database, compute_mode="donot_use_mm_for_euclid_dist")
    assert torch.equal(order, distances.argsort(1))


def test_average_precision_by_hand():
    # found at the places 2, 4 and 6: precision 1/2, 2/4, 3/6; one place before each: 0/1, 1/3, 2/5
    step = retrieval_average_precision(ORDER, POSITIVES, rule="step")
    assert step.tolist() == pytest.approx([(1 / 2 + 2 / 4 + 3 / 6) / 3])
    trapezoid = retrieval_average_precision(ORDER, POSITIVES)
    expected = ((0 + 1 / 2) / 2 + (1 / 3 + 2 / 4) / 2 + (2 / 5 + 3 / 6) / 2) / 3
    assert trapezoid.tolist() == pytest.approx([expected])


def test_one_positive_in_second_place_shows_the_two_rules():
    order, positives = torch.tensor([[1, 0, 2]]), listed([[0]], 3)
    assert retrieval_map(order, positives) == 0.25
    assert retrieval_map(order, positives, rule="step") == 0.5


def test_junk_takes_no_place():
    junk = listed([[3, 4]], 6)  # leaves 0 5 1 2: found at the places 1, 3 and 4
    assert retrieval_map(ORDER, POSITIVES, junk, rule="step") == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    expected = ((1 + 1) / 2 + (1 / 2 + 2 / 3) / 2 + (2 / 3 + 3 / 4) / 2) / 3
    assert retrieval_map(ORDER, POSITIVES, junk) == pytest.approx(expected)


def test_holidays_rule_the_query_does_not_find_itself():
    # scenes {0, 1, 2} and {3, 4}; the first photo of each asks, nearest to itself of course
    order = torch.tensor([[0, 1, 3, 2, 4], [3, 0, 4, 1, 2]])
    positives, itself = listed([[1, 2], [4]], 5), listed([[0], [3]], 5)
    each = retrieval_average_precision(order, positives, itself)
    assert each.tolist() == pytest.approx([(1 + (1 / 2 + 2 / 3) / 2) / 2, (0 + 1 / 2) / 2])


@settings(deadline=None, max_examples=20)
@given(seeds, st.sampled_from(RULES), st.booleans())
def test_agrees_with_walking_down_the_list(seed, rule, with_junk):
    order, positives, junk = random_case(seed)
    each = retrieval_average_precision(order, positives, junk if with_junk else None, rule=rule)
    sets = [
        [set(row.nonzero()[:, 0].tolist()) for row in marks] for marks in (positives, junk & torch.tensor(with_junk))
    ]
    theirs = [
        average_precision_by_walking(row.tolist(), own, out, rule) for row, own, out in zip(order, *sets, strict=True)
    ]
    assert each.tolist() == pytest.approx(theirs, abs=1e-12)
    assert retrieval_map(order, positives, junk if with_junk else None, rule=rule) == pytest.approx(sum(theirs) / 5)


@settings(deadline=None, max_examples=10)
@given(seeds)
def test_the_step_rule_is_scikit_learns_and_that_of_classes(seed):
    order, positives, junk = random_case(seed)
    each = retrieval_average_precision(order, positives, junk, rule="step")
    for query in range(len(order)):
        kept = ~junk[query]
        scores = -order[query].argsort().double()[kept]  # minus the place of each image
        own = positives[query][kept]
        assert each[query].item() == pytest.approx(sklearn.metrics.average_precision_score(own, scores))
        assert each[query].item() == pytest.approx(metrics.average_precision(scores[:, None], own[:, None]).item())


def test_a_list_cut_short_finds_no_more():
    assert retrieval_map(ORDER[:, :4], POSITIVES, rule="step") == pytest.approx((1 / 2 + 2 / 4) / 3)
    assert retrieval_map(ORDER[:, :1], POSITIVES) == 0.0


def test_a_query_without_positives_is_refused():
    with pytest.raises(ValueError, match="every query must have a positive; got 1 without any, the first is query 1"):
        retrieval_map(ORDER.expand(3, 6), listed([[0], [], [5]], 6))


def test_the_curve_by_hand():
    precision, recall = precision_recall_curve(ORDER[0], POSITIVES[0], listed([[3]], 6)[0])  # leaves 0 5 1 4 2
    assert precision.tolist() == pytest.approx([1, 1 / 2, 2 / 3, 2 / 4, 3 / 5])
    assert recall.tolist() == pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3, 1])


@settings(deadline=None, max_examples=10)
@given(seeds)
def test_the_area_below_the_curve_is_the_average_precision(seed):
    order, positives, junk = random_case(seed, queries=1)
    precision, recall = precision_recall_curve(order[0], positives[0], junk[0])
    area = torch.trapezoid(torch.cat([precision.new_ones(1), precision]), torch.cat([recall.new_zeros(1), recall]))
    assert area.item() == pytest.approx(retrieval_map(order, positives, junk))
    steps = (precision * recall.diff(prepend=recall.new_zeros(1))).sum()
    assert steps.item() == pytest.approx(retrieval_map(order, positives, junk, rule="step"))


def test_listed():
    assert listed([[2, 0, 2], []], 3).tolist() == [[True, False, True], [False] * 3]
    with pytest.raises(ValueError, match=r"images must be 0 to 2; got \[0, 3\] for query 1"):
        listed([[1], [0, 3]], 3)


NO_JUNK = torch.zeros_like(POSITIVES)
TWICE = torch.tensor([[3, 0, 5, 1, 4, 2], [3, 0, 5, 1, 4, 3]])  # as long as the database, but without image 2


@pytest.mark.parametrize(
    ("order", "positives", "junk", "message"),
    [
        (ORDER, POSITIVES.expand(2, 6), None, r"positives must be \(1, N\); got \(2, 6\)"),
        (ORDER, POSITIVES, NO_JUNK[:, :5], "positives and junk must have the same shape"),
        (ORDER, POSITIVES, POSITIVES, r"both positive and junk; got \[0, 0\]"),
        (ORDER, POSITIVES[:, :5], None, "ranking must hold 0 to 4.* got 0 to 5"),
        (torch.tensor([[0, 1, 2, 0]]), POSITIVES, None, "an image once; got one twice for query 0"),
        (TWICE, POSITIVES.expand(2, 6), None, "an image once; got one twice for query 1"),
        (ORDER[:, :0], POSITIVES, None, "at least one query and one image"),
    ],
)
def test_wrong_rankings_and_truths_are_named(order, positives, junk, message):
    with pytest.raises(ValueError, match=message):
        retrieval_average_precision(order, positives, junk)


def test_wrong_rules_and_dtypes_are_named():
    with pytest.raises(ValueError, match=r'rule must be "trapezoid" or "step".*got \'voc\''):
        retrieval_map(ORDER, POSITIVES, rule="voc")
    with pytest.raises(TypeError, match="positives must be bool; got float32"):
        retrieval_map(ORDER, POSITIVES.float())
    with pytest.raises(ValueError, match="needs a query with a positive"):
        precision_recall_curve(ORDER[0], NO_JUNK[0])


DATABASE = torch.ones(4, 3)


@pytest.mark.parametrize(
    ("queries", "database", "error", "message"),
    [
        (DATABASE[:, :2], DATABASE, ValueError, r"database must be \(N, 2\); got \(4, 3\)"),
        (DATABASE.double(), DATABASE, TypeError, "database must be float64; got float32"),
        (DATABASE.index_fill(0, torch.tensor([2]), math.nan), DATABASE, ValueError, "queries must be finite; got 3"),
        (DATABASE, DATABASE * math.inf, ValueError, "database must be finite; got 12"),
        (DATABASE, DATABASE * 1e30, ValueError, "distances that torch.float32 can hold"),
    ],
)
def test_wrong_descriptors_are_named(queries, database, error, message):
    with pytest.raises(error, match=message):
        ranking(queries, database)


def test_a_candidate_is_chosen_on_other_queries():
    scores = {"3a": torch.tensor([1.0, 0.0]), "5b": torch.tensor([0.0, 1.0])}
    fitted = cross_fitted(scores)
    assert fitted.chosen == ["5b", "3a"]  # each what is best on the other one
    assert fitted.values.tolist() == [0, 0]
    reported = {"3a": torch.tensor([0.2, 0.4]), "5b": torch.tensor([0.6, 0.8])}
    assert cross_fitted(scores, reported=reported).values.tolist() == pytest.approx([0.6, 0.4])


def test_candidates_that_do_not_fit_are_named():
    scores = {"3a": torch.ones(3), "5b": torch.ones(3)}
    with pytest.raises(ValueError, match=r"scores of '5b' and scores of '3a' must have the same shape; got \(2,\) and"):
        cross_fitted(scores | {"5b": torch.ones(2)})
    with pytest.raises(ValueError, match=r"reported of '3a' and scores of '3a' must have the same shape; got \(2,\)"):
        cross_fitted(scores, reported=dict.fromkeys(scores, torch.ones(2)))
    with pytest.raises(ValueError, match="reported must have the candidates of scores; got none for '5b': report it"):
        cross_fitted(scores, reported={"3a": torch.ones(3)})


def test_queries_of_a_group_stay_together():
    generator = torch.Generator().manual_seed(0)
    scores = {layer: torch.rand(20, generator=generator) for layer in "abc"}
    groups = torch.arange(20) // 5
    fitted = cross_fitted(scores, groups=groups, seed=1)
    for group in range(4):  # no more folds than groups: each is chosen for on the other three
        others = groups != group
        best = max("abc", key=lambda layer: scores[layer][others].mean())
        assert fitted.chosen[5 * group : 5 * group + 5] == [best] * 5
        assert torch.equal(fitted.values[groups == group], scores[best][groups == group].double())
    equal = {"first": torch.ones(4), "second": torch.ones(4)}
    assert set(cross_fitted(equal).chosen) == {"first"}
    with pytest.raises(ValueError, match="queries must be of two groups at least; got 1"):
        cross_fitted({"a": torch.ones(3)}, groups=torch.zeros(3, dtype=torch.int64))
