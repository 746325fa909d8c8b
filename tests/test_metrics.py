import math

import pytest
import sklearn.metrics
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.metrics import (
    accuracy,
    average_precision,
    confusion_matrix,
    end_point_error,
    end_point_error_map,
    hit_at_k,
    mean_average_precision,
    precision_recall,
)

# One field of 1 x 3 pixels: errors (3, 4) -> 5, (0, 0) -> 0, (-1, 0) -> 1.
TRUTH = torch.tensor([[[1.0, 2.0, 3.0]], [[1.0, 2.0, 3.0]]])  # (2, 1, 3)
PREDICTED = torch.tensor([[[4.0, 2.0, 2.0]], [[5.0, 2.0, 3.0]]])


def test_the_map_is_the_distance_between_arrow_tips():
    torch.testing.assert_close(end_point_error_map(PREDICTED, TRUTH), torch.tensor([[5.0, 0.0, 1.0]]))


def test_the_mean_counts_each_pixel_once():
    assert end_point_error(PREDICTED, TRUTH).item() == pytest.approx(2.0)


def test_only_valid_pixels_count_and_the_others_may_be_unknown():
    truth = TRUTH.clone()
    truth[:, 0, 1] = math.nan
    valid = torch.isfinite(truth).all(dim=-3)
    assert end_point_error(PREDICTED, truth, valid).item() == pytest.approx(3.0)


def test_pixels_weigh_the_same_across_fields():
    predicted, truth = torch.stack([PREDICTED, TRUTH]), torch.stack([TRUTH, TRUTH])
    valid = torch.tensor([[[True, False, False]], [[True, True, True]]])
    assert end_point_error(predicted, truth, valid).item() == pytest.approx(5 / 4)  # not (5 + 0) / 2


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(0, 3), max_size=3), st.integers(0, 2**32 - 1))
def test_any_leading_dimensions_and_symmetric(leading, seed):
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.randn(2, *leading, 2, 3, 4, generator=generator)
    errors = end_point_error_map(first, second)
    assert errors.shape == (*leading, 3, 4)
    torch.testing.assert_close(errors, end_point_error_map(second, first))


def test_as_a_loss_it_pulls_each_arrow_along_its_error():
    predicted = PREDICTED.clone().requires_grad_()
    end_point_error(predicted, TRUTH).backward()
    expected = torch.tensor([[[3 / 5, 0, -1]], [[4 / 5, 0, 0]]]) / 3  # unit error vectors, averaged; 0 where exact
    torch.testing.assert_close(predicted.grad, expected)


def test_a_counted_nan_is_an_error_not_a_score():
    truth = TRUTH.clone()
    truth[0, 0, 2] = math.nan
    with pytest.raises(ValueError, match=r"must be finite; got 1 non-finite.*valid=torch\.isfinite"):
        end_point_error(PREDICTED, truth)
    with pytest.raises(ValueError, match="at least one pixel"):
        end_point_error(PREDICTED, TRUTH, torch.zeros(1, 3, dtype=torch.bool))


@pytest.mark.parametrize(
    ("predicted", "truth", "valid", "error", "message"),
    [
        (torch.zeros(3, 4, 4), torch.zeros(3, 4, 4), None, ValueError, r"predicted must be \(\.\.\., 2, H, W\)"),
        (torch.zeros(2, 4, 4), torch.zeros(2, 4, 5), None, ValueError, "predicted and truth must have the same shape"),
        (torch.zeros(2, 4, 4), torch.zeros(2, 4, 4), torch.ones(4, 4), TypeError, "valid must be bool"),
        (torch.zeros(2, 4, 4), torch.zeros(2, 4, 4), torch.ones(2, 4, 4) > 0, ValueError, "without the 2"),
    ],
)
def test_wrong_arguments_are_named(predicted, truth, valid, error, message):
    with pytest.raises(error, match=message):
        end_point_error(predicted, truth, valid)


# Six samples, three classes; predicted 0 0 1 2 2 0, so right, right, right, wrong, right, wrong.
SCORES = torch.tensor(
    [[0.8, 0.1, 0.1], [0.5, 0.4, 0.1], [0.2, 0.7, 0.1], [0.1, 0.4, 0.5], [0.0, 0.3, 0.7], [0.6, 0.0, 0.4]]
)
LABELS = torch.tensor([0, 0, 1, 1, 2, 2])
CLASSIFICATION = [
    accuracy,
    confusion_matrix,
    precision_recall,
    average_precision,
    mean_average_precision,
    lambda scores, labels: hit_at_k(scores, labels, 1),
]


def random_case(seed, samples=40, classes=5, levels=0):
    """Scores, class numbers and bools of a case with a bit of signal; few levels make many equal scores."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (samples,), generator=generator)
    scores = torch.randn(samples, classes, generator=generator, dtype=torch.float64)
    scores += torch.nn.functional.one_hot(labels, classes)
    if levels:
        scores = (scores * levels / 4).round()
    several = torch.rand(samples, classes, generator=generator) < 0.3
    several[torch.arange(samples), labels] = True
    return scores, labels, several


def test_classification_by_hand():
    assert accuracy(SCORES, LABELS) == pytest.approx(4 / 6)
    assert confusion_matrix(SCORES, LABELS).tolist() == [[2, 0, 0], [0, 1, 1], [1, 0, 1]]
    precision, recall = precision_recall(SCORES, LABELS)
    torch.testing.assert_close(precision, torch.tensor([2 / 3, 1, 1 / 2], dtype=torch.float64))
    torch.testing.assert_close(recall, torch.tensor([1, 1 / 2, 1 / 2], dtype=torch.float64))
    assert hit_at_k(SCORES, LABELS, 1) == accuracy(SCORES, LABELS)
    assert hit_at_k(SCORES, LABELS, 2) == 1.0  # 1 and 2 come second in the two that are wrong


def test_average_precision_by_hand():
    scores = torch.tensor([[0.9], [0.8], [0.7], [0.6]])
    own = torch.tensor([[True], [False], [True], [False]])
    torch.testing.assert_close(average_precision(scores, own), torch.tensor([(1 + 2 / 3) / 2], dtype=torch.float64))


def test_samples_with_equal_scores_are_one_place_of_the_list():
    own = torch.tensor([[True], [False], [True], [False]])
    for order in ([0, 1, 2, 3], [1, 3, 0, 2]):  # 2 of 4, whatever comes first
        assert average_precision(torch.ones(4, 1), own[order]).item() == pytest.approx(0.5)
    scores = torch.tensor([[2.0], [1.0], [1.0], [0.0]])
    assert average_precision(scores, own).item() == pytest.approx((1 + 2 / 3) / 2)


def test_a_class_without_samples_has_no_precision_to_average():
    scores, own = SCORES, torch.nn.functional.one_hot(LABELS, 3).bool()
    own[:, 1] = False
    each = average_precision(scores, own)
    assert each.isnan().tolist() == [False, True, False]
    assert mean_average_precision(scores, own) == pytest.approx((each[0] + each[2]).item() / 2)
    with pytest.raises(ValueError, match="needs a class that has a sample"):
        mean_average_precision(scores, torch.zeros(6, 3, dtype=torch.bool))


def test_several_classes_a_sample_one_of_them_is_enough():
    own = torch.tensor([[False, True, True]] * 6)  # first place goes to 1 or 2 in samples 2, 3, 4
    assert hit_at_k(SCORES, own, 1) == pytest.approx(3 / 6)
    assert hit_at_k(SCORES, own, 3) == 1.0
    own[1] = False
    with pytest.raises(ValueError, match=r"every sample must have a class; got 1 rows .* the first is row 1"):
        hit_at_k(SCORES, own, 1)


def test_equal_scores_in_a_row_go_to_the_lower_class():
    same = torch.zeros(4, 4)
    assert accuracy(same, torch.arange(4)) == 1 / 4
    assert [hit_at_k(same, torch.tensor([2]).expand(4), k) for k in (1, 2, 3, 4)] == [0.0, 0.0, 1.0, 1.0]


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 2, 6]))
def test_agrees_with_scikit_learn(seed, levels):
    scores, labels, several = random_case(seed, levels=levels)
    predicted = scores.argmax(dim=1)
    assert accuracy(scores, labels) == pytest.approx(sklearn.metrics.accuracy_score(labels, predicted))
    theirs = sklearn.metrics.confusion_matrix(labels, predicted, labels=range(5))
    assert confusion_matrix(scores, labels).tolist() == theirs.tolist()
    precision, recall, _, _ = sklearn.metrics.precision_recall_fscore_support(
        labels, predicted, labels=range(5), zero_division=math.nan
    )
    ours = precision_recall(scores, labels)
    torch.testing.assert_close(ours[0], torch.from_numpy(precision), equal_nan=True)
    torch.testing.assert_close(ours[1], torch.from_numpy(recall), equal_nan=True)
    if levels == 0:  # with equal scores scikit-learn prefers the higher class
        theirs = sklearn.metrics.top_k_accuracy_score(labels, scores, k=3, labels=range(5))
        assert hit_at_k(scores, labels, 3) == pytest.approx(theirs)
    each = average_precision(scores, several)
    theirs = [sklearn.metrics.average_precision_score(several[:, k], scores[:, k]) for k in range(5)]
    torch.testing.assert_close(each, torch.tensor(theirs, dtype=torch.float64))
    assert mean_average_precision(scores, several) == pytest.approx(
        sklearn.metrics.average_precision_score(several.numpy(), scores.numpy(), average="macro")
    )


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 3]), st.integers(1, 5))
def test_the_order_of_samples_does_not_matter_and_ranges_hold(seed, levels, k):
    scores, labels, several = random_case(seed, levels=levels)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    for measure in CLASSIFICATION:
        before, after = measure(scores, labels), measure(scores[order], labels[order])
        torch.testing.assert_close(before, after, equal_nan=True, atol=1e-12, rtol=0)
    assert hit_at_k(scores, several, k) == hit_at_k(scores[order], several[order], k)
    torch.testing.assert_close(average_precision(scores, several), average_precision(scores[order], several[order]))
    assert confusion_matrix(scores, labels).sum() == len(labels)
    assert 0 <= accuracy(scores, labels) <= 1
    assert 0 <= mean_average_precision(scores, several) <= 1
    assert hit_at_k(scores, labels, k) <= hit_at_k(scores, several, k)  # more classes to hit
    assert hit_at_k(scores, labels, k) <= hit_at_k(scores, labels, 5) == 1.0


@pytest.mark.parametrize("measure", CLASSIFICATION)
@pytest.mark.parametrize(
    ("scores", "labels", "error", "message"),
    [
        (SCORES[:0], LABELS[:0], ValueError, "at least one sample"),
        (SCORES.long(), LABELS, TypeError, "scores must be float32 .* got int64: pass logits"),
        (SCORES.log(), LABELS, ValueError, "scores must be finite; got 2 non-finite values"),
        (SCORES, LABELS[:5], ValueError, "as many rows; got 6 and 5"),
        (SCORES, LABELS + 1, ValueError, "labels must be 0 to 2.* got 3 at 4"),
    ],
)
def test_wrong_scores_and_labels_are_named(measure, scores, labels, error, message):
    with pytest.raises(error, match=message):
        measure(scores, labels)


@pytest.mark.parametrize("measure", [accuracy, confusion_matrix, precision_recall])
def test_a_column_of_labels_is_not_broadcast(measure):
    with pytest.raises(ValueError, match=r"labels must be \(N\); got \(6, 1\)"):
        measure(SCORES, LABELS[:, None])


def test_wrong_bools_and_wrong_k_are_named():
    with pytest.raises(TypeError, match="labels must be bool; got int64: compare first"):
        average_precision(SCORES, torch.ones(6, 3, dtype=torch.int64))
    with pytest.raises(ValueError, match="scores and labels must have the same shape"):
        average_precision(SCORES, torch.ones(6, 2, dtype=torch.bool))
    for k in (0, 4):
        with pytest.raises(ValueError, match=f"k must be 1 to the number of classes, 3; got {k}"):
            hit_at_k(SCORES, LABELS, k)
