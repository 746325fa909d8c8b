"""Finding again: rank a database for each query by distance, and score the ranking against what was to be found.

For a query every image of the database is a *positive* (to be found), *junk* (as if it were not there: it counts
neither for nor against, and the images behind it move up a place) or a negative. The protocols of the data sets differ
only in who is what. Ground truth is one bool for each query and image; `listed` makes it of lists of indices::

    order = ranking(descriptors[queries], descriptors)
    positives = listed([good + ok for good, ok in map(data.positives, queries)], len(data))
    retrieval_map(order, positives, listed(skipped, len(data)))

- Holidays: positives are the other photos of the scene; the query, itself in the database, is its own junk.
- Oxford 5k, Paris 6k: positives are *good* and *ok*, junk is *junk*. The queries are photos of the database, and good:
  each finds itself, as in the sets' own program.

Average precision is the area below the curve of precision against recall, and there are two rules for it. The
*trapezoid* joins the points of the curve by straight lines, from (0, 1) on: the programs that come with Oxford,
Paris and Holidays do, and so do the tables of the thesis as far as it says ("the standard evaluation protocol"). The
*step* keeps the precision at a positive for all the recall gained by it, as `labkit.metrics.average_precision` does.
The two differ most where there are few positives: one found at the second place scores 1/4 by trapezoid, 1/2 by step.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from labkit import checks

_BLOCK = 2**24  # distances held at a time
_FOLDS = 5


def ranking(queries: Tensor, database: Tensor) -> Tensor:
    """Images of the database from the nearest to each query to the farthest, by L2 distance.

    Args:
        queries: ``(Q, D)``, float32 or float64, else ``TypeError``; finite, else ``ValueError``.
        database: ``(N, D)``, the same dtype.

    Returns:
        int64 ``(Q, N)``: a permutation of 0 to N - 1 in each row. Which of two images at the same distance comes first,
        rounding decides. No more than 2^24 distances are held at a time.

    Source: section 2.3.4 of the thesis (see `labkit.vlad`).
    """
    for descriptors, name in ((queries, "queries"), (database, "database")):
        checks.require_shape(descriptors, "N D", name, "one descriptor a row")
        checks.require_dtype(descriptors, (torch.float32, torch.float64), name)
    checks.require_shape(database, f"N {queries.shape[1]}", "database", "descriptors as long as those of the queries")
    checks.require_dtype(database, (queries.dtype,), "database", "the dtype of the queries")
    squares = torch.linalg.vector_norm(database, dim=1).square()  # (N,)
    order = torch.empty(len(queries), len(database), dtype=torch.int64, device=queries.device)
    rows = max(1, _BLOCK // max(len(database), 1))
    for start in range(0, len(queries), rows):
        distances = torch.addmm(squares, queries[start : start + rows], database.T, alpha=-2)  # less |q|^2: same order
        if not torch.isfinite(distances).all():
            checks.require_finite(queries, "queries", "an image or its network went astray")
            checks.require_finite(database, "database", "an image or its network went astray")
            raise ValueError(f"descriptors must have distances that {queries.dtype} can hold: scale them down")
        order[start : start + rows] = distances.argsort(dim=1, stable=True)
    return order


def listed(indices: Sequence[Iterable[int]], size: int) -> Tensor:
    """Ground truth as bools, from the images listed for each query.

    Args:
        indices: for each of Q queries, numbers of images, 0 to size - 1, else ``ValueError``; repeats make no
            difference.
        size: N, images in the database.

    Returns:
        bool ``(Q, N)``.
    """
    marks = torch.zeros(len(indices), size, dtype=torch.bool)
    for query, images in enumerate(indices):
        numbers = torch.tensor(list(images), dtype=torch.int64)
        if ((numbers < 0) | (numbers >= size)).any():
            raise ValueError(f"images must be 0 to {size - 1}; got {numbers.tolist()} for query {query}")
        marks[query, numbers] = True
    return marks


def retrieval_average_precision(
    ranking: Tensor,
    positives: Tensor,
    junk: Tensor | None = None,
    *,
    rule: Literal["trapezoid", "step"] = "trapezoid",
) -> Tensor:
    """Average precision of each query.

    Args:
        ranking: int64 ``(Q, M)``, numbers of images, the best first, none twice. Of a list cut short (M < N) the
            positives that it does not reach count as never found.
        positives: bool ``(Q, N)``, images to be found.
        junk: bool ``(Q, N)``, images to be left out, none of them a positive.
        rule: how the area below the curve is taken; see the top of this file.

    Returns:
        float64 ``(Q,)``, 0 to 1.

    Raises:
        ValueError: shapes do not fit, no query, an image twice or out of range, a positive that is junk, a query
            without positives, an unknown rule.
        TypeError: wrong dtype.

    Source: trapezoid: ``compute_ap.cpp`` of Philbin et al., CVPR 2007, and ``holidays_map.py`` of Jegou et al., ECCV
    2008; step: Manning, Raghavan and Schuetze, "Introduction to information retrieval", 2008, section 8.4.
    """
    if rule not in ("trapezoid", "step"):
        raise ValueError(f'rule must be "trapezoid" or "step"; got {rule!r}')
    query, place, total = _positives_in_order(ranking, positives, junk)  # (P,), (P,), (Q,)
    if len(missing := (total == 0).nonzero()[:, 0]):
        raise ValueError(
            f"every query must have a positive; got {len(missing)} without any, the first is query {int(missing[0])}: "
            "leave these queries out"
        )
    found = torch.bincount(query, minlength=len(total))  # (Q,)
    before = torch.arange(len(query), device=query.device) - (found.cumsum(0) - found)[query]  # positives ahead, (P,)
    precision = (before + 1).double() / (place + 1)
    if rule == "trapezoid":
        start = torch.where(place == 0, 1.0, before.double() / place.clamp(min=1))  # precision one place earlier
        precision = (precision + start) / 2
    return torch.zeros(len(total), dtype=torch.float64, device=query.device).index_add_(0, query, precision) / total


def retrieval_map(
    ranking: Tensor,
    positives: Tensor,
    junk: Tensor | None = None,
    *,
    rule: Literal["trapezoid", "step"] = "trapezoid",
) -> float:
    """Mean of `retrieval_average_precision` over the queries: mAP, what Holidays, Oxford and Paris are reported in."""
    return retrieval_average_precision(ranking, positives, junk, rule=rule).mean().item()


class CrossFitted(NamedTuple):
    """What a choice is worth on queries that it was not made on.

    Attributes:
        values: ``(Q,)`` float64, for each query that of the candidate chosen without it.
        chosen: that candidate, for each query.
    """

    values: Tensor
    chosen: list[Any]


def cross_fitted(
    scores: Mapping[Any, Tensor],
    *,
    reported: Mapping[Any, Tensor] | None = None,
    groups: Tensor | None = None,
    seed: int = 0,
) -> CrossFitted:
    """Choose the best candidate, such as a layer, on four fifths of the queries and report it on the others, in turn.

    Args:
        scores: average precision ``(Q,)`` of each candidate on each query.
        reported: the same candidates, where something else is to be reported of the chosen one.
        groups: ``(Q,)`` int64: queries of one group (of the same place) stay together; each is its own if None.
        seed: of the parts.

    Returns:
        What is reported of each query, and the candidate chosen for it. Of equal candidates the first one wins.

    Raises:
        ValueError: fewer than two groups of queries, shapes that differ, or a candidate that is not reported.
    """
    names, reported = list(scores), scores if reported is None else reported
    if lacking := [name for name in names if name not in reported]:
        raise ValueError(f"reported must have the candidates of scores; got none for {lacking[0]!r}: report it, too")
    for name in names:
        for values, what in ((scores[name], "scores"), (reported[name], "reported")):
            checks.require_same_shape(values, scores[names[0]], (f"{what} of {name!r}", f"scores of {names[0]!r}"))
    table, shown = (torch.stack([of[name].double() for name in names]) for of in (scores, reported))  # (candidates, Q)
    checks.require_finite(table, "scores", "leave out queries without positives")
    queries = table.shape[1]
    groups = torch.arange(queries) if groups is None else groups
    checks.require_shape(groups, f"{queries}", "groups", "one number a query")
    members, member = groups.unique(return_inverse=True)
    if len(members) < 2:
        raise ValueError(f"queries must be of two groups at least; got {len(members)}")
    order = torch.randperm(len(members), generator=torch.Generator().manual_seed(seed))
    fold = (order % _FOLDS)[member]  # (Q,)
    best = torch.stack([table[:, fold != part].mean(dim=1).argmax() for part in range(min(_FOLDS, len(members)))])[fold]
    return CrossFitted(shown[best, torch.arange(queries)], [names[index] for index in best.tolist()])


def precision_recall_curve(ranking: Tensor, positives: Tensor, junk: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Precision and recall of one query down to each place of its ranking, junk left out.

    Args:
        ranking: int64 ``(M,)``, as one row for `retrieval_average_precision`.
        positives: bool ``(N,)``, at least one True.
        junk: bool ``(N,)``.

    Returns:
        ``precision``, float64 ``(ranks,)``, 0 to 1.
        ``recall``, the same, never falling. The trapezoid rule's area starts in front of the first rank, at
        precision 1 and recall 0. Errors are those of `retrieval_average_precision`.
    """
    checks.require_shape(ranking, "M", "ranking", "one query, e.g. ranking[0]")
    checks.require_shape(positives, "N", "positives", "one query, e.g. positives[0]")
    rows = None if junk is None else junk[None]
    _, place, total = _positives_in_order(ranking[None], positives[None], rows)  # (P,), (P,), (1,)
    if total == 0:
        raise ValueError("precision_recall_curve needs a query with a positive; got none")
    ranks = len(ranking) if junk is None else int((~junk[ranking]).sum())
    hits = torch.zeros(ranks, dtype=torch.float64, device=place.device)
    hits[place] = 1
    found = hits.cumsum(0)  # (ranks,)
    return found / torch.arange(1, ranks + 1, device=place.device), found / total


def _positives_in_order(ranking: Tensor, positives: Tensor, junk: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Positives in the order in which they are found: the query and the place, from 0, of each; how many there are.

    The inputs are checked here. ``(P,)``, ``(P,)``, ``(Q,)``.
    """
    checks.require_shape(ranking, "Q M", "ranking", "one row a query")
    checks.require_dtype(ranking, (torch.int64,), "ranking", "numbers of images, see labkit.retrieval.ranking")
    for marks, name in ((positives, "positives"), (junk, "junk")):
        if marks is not None:
            checks.require_shape(marks, f"{len(ranking)} N", name, "one row a query, see labkit.retrieval.listed")
            checks.require_dtype(marks, (torch.bool,), name, "one bool an image, see labkit.retrieval.listed")
    size = positives.shape[1]
    if ranking.numel() == 0:
        raise ValueError(f"ranking must hold at least one query and one image; got {tuple(ranking.shape)}")
    low, high = ranking.aminmax()
    if low < 0 or high >= size:
        raise ValueError(
            f"ranking must hold 0 to {size - 1}, one for each column of positives; got {int(low)} to {int(high)}: are "
            "both of the same database?"
        )
    once = torch.ones((), dtype=torch.int8, device=ranking.device).expand_as(ranking)
    seen = torch.zeros_like(positives, dtype=torch.int8).scatter_(1, ranking, once)  # (Q, N)
    complete = ranking.shape[1] == size
    if (seen.amin() == 0) if complete else (int(seen.sum()) < ranking.numel()):
        twice = int((seen.sum(1) < ranking.shape[1]).nonzero()[0])
        raise ValueError(f"ranking must hold an image once; got one twice for query {twice}")
    marks = positives.view(torch.int8)  # (Q, N): 1 for a positive, 2 for junk
    if junk is not None:
        checks.require_same_shape(positives, junk, ("positives", "junk"))
        marks = torch.add(marks, junk.view(torch.int8), alpha=2)
    ranked = marks.gather(1, ranking).flatten()  # (Q * M,)
    events = ranked.nonzero()[:, 0]  # (P + J,)
    kind, query = ranked[events], events // ranking.shape[1]
    if (both := kind == 3).any():
        at = int(events[both][0])
        raise ValueError(
            f"an image must not be both positive and junk; got "
            f"{[at // ranking.shape[1], int(ranking.flatten()[at])]}, a query and an image: take it out of one"
        )
    skipped = kind == 2
    first = torch.searchsorted(query, torch.arange(len(ranking), device=query.device))  # (Q,)
    junk_so_far = skipped.cumsum(0)
    ahead = junk_so_far - torch.cat([junk_so_far.new_zeros(1), junk_so_far])[first[query]]  # junk in the same query
    place = events % ranking.shape[1] - ahead
    query, place = query[~skipped], place[~skipped]  # (P,) each
    total = torch.bincount(query, minlength=len(ranking)) if complete else positives.sum(1)
    return query, place, total
