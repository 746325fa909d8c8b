"""The ledger and the studies: every metric of a paper is made by exactly one row of its study."""

import inspect
from collections import Counter

import pytest

from labkit import claims
from labkit.studies import study_of

of_each_paper = pytest.mark.parametrize("paper", claims.ledger().values(), ids=claims.ledger())


@of_each_paper
def test_every_metric_is_made_by_exactly_one_row(paper):
    made = Counter(metric for row in study_of(paper.notebook).rows().values() for metric in row.metrics)
    assert set(made) == set(paper.metrics)
    assert max(made.values()) == 1


@of_each_paper
def test_a_metric_over_several_splits_is_made_on_each_of_them(paper):
    rows = study_of(paper.notebook).rows().values()
    splits = {metric: len(row.splits) for row in rows for metric in row.metrics}
    wanted = {metric: max(paper.num_splits(metric, dataset) for dataset in paper.datasets) for metric in splits}
    assert splits == wanted


@of_each_paper
def test_rows_call_their_methods_with_arguments_that_these_take(paper):
    kind = study_of(paper.notebook)
    for row in kind.rows().values():
        inspect.signature(getattr(kind, row.method)).bind(None, **row.arguments)
