"""A set of photos to search: what is to be found for each query, and how well descriptors find it."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from labkit.clips import Clip
from labkit.retrieval import CrossFitted, cross_fitted, listed, ranking, retrieval_average_precision
from labkit.studies.rows import Measure, per_clip


class PhotoSearch:
    """The photos of a set as a database, the rules of its queries, and the score of a ranking.

    Args:
        database: `labkit.world.Places`, or a set of real photos (`labkit.data.photos.Photos`).

    Attributes:
        photos: the database as images ``(3, H, W)`` uint8, by number.
        queries: numbers of the photos that are queries.
        groups: ``(Q,)`` the place that each query shows.
        names: of the photos, short enough for captions.
        finds_itself: whether a query stays in its own ranking, and counts as found there: in Oxford and Paris.
    """

    def __init__(self, database: Any) -> None:
        self.database, self.photos = database, database.map(photo)
        self.queries = list(database.queries)
        self.groups = database.labels[self.queries]
        self.names = [name.split("/")[-1].removeprefix("test_").replace("_", " ")[:20] for name in database.names]
        self.finds_itself = getattr(database, "finds_itself", False)

    def __len__(self) -> int:
        return len(self.database)

    def shown_with(self, query: int) -> dict[str, list[int]]:
        """Photos that show the same thing as a query, without the query itself: ``good``, ``ok`` and ``junk``."""
        good, ok = self.database.positives(query)
        kinds = {"good": good, "ok": ok, "junk": self.database.junk(query)}
        return {kind: [index for index in indices if index != query] for kind, indices in kinds.items()}

    @cached_property
    def example(self) -> list[tuple[str, int]]:
        """A query, photos that belong to it, and one of another place: what each is, and its number."""
        query = self.queries[len(self.queries) // 2]
        shown = [(kind, index) for kind, indices in self.shown_with(query).items() for index in indices][:6]
        taken = {index for other in self.queries for indices in self.shown_with(other).values() for index in indices}
        strangers = (self.database.labels != self.database.labels[query]).nonzero().flatten().tolist()
        free = [index for index in strangers if index not in taken.union(self.queries)]
        return [("query", query), *shown, ("another place", [*free, *strangers][0])]

    @cached_property
    def truth(self) -> dict[str, Tensor]:
        """For each query, ``(Q, N)`` bool: what is ``good``, ``ok`` and ``junk``; by Holidays' rule also the query."""
        marks: dict[str, list[list[int]]] = {"good": [], "ok": [], "junk": []}
        for query in self.queries:
            good, ok = self.database.positives(query)
            junk = self.database.junk(query) + ([] if self.finds_itself else [query])
            for kind, indices in zip(marks.values(), (good, ok, junk), strict=True):
                kind.append(indices)
        return {kind: listed(indices, len(self)) for kind, indices in marks.items()}

    def rank(self, descriptors: Tensor) -> Tensor:
        """The database from nearest to farthest for each query, ``(Q, N)``, by descriptors ``(N or more, D)``."""
        return ranking(descriptors[self.queries], descriptors[: len(self)])

    def average_precision(self, descriptors: Tensor) -> Tensor:
        """Average precision of each query, ``(Q,)`` float64, by descriptors ``(N or more, D)``."""
        return retrieval_average_precision(
            self.rank(descriptors), self.truth["good"] | self.truth["ok"], self.truth["junk"]
        )

    def mean(self, values: Tensor) -> Measure:
        """The mean over the queries of values ``(Q,)``, in percent, with its standard error over the groups."""
        places, position = self.groups.unique(return_inverse=True)
        if len(places) == len(values):
            return per_clip(values)._replace(hits=None)
        values, count = values.double(), torch.bincount(position).double()
        mean = values.mean()
        off = torch.zeros_like(count).index_add(0, position, values - mean)  # of each place, summed over its queries
        stderr = (off.pow(2).sum() * len(places) / (len(places) - 1)).sqrt() / len(values)
        return Measure(100 * mean.item(), 100 * stderr.item())

    def chance(self, seed: int = 0) -> float:
        """Mean average precision of random descriptors."""
        noise = torch.randn(20, len(self), 8, generator=torch.Generator().manual_seed(seed))
        return torch.stack([self.average_precision(descriptors) for descriptors in noise]).mean().item()

    def choose(
        self, scores: Mapping[Any, Tensor], reported: Mapping[Any, Tensor] | None = None, seed: int = 0
    ) -> CrossFitted:
        """The best candidate, chosen on queries that show other things than those it is reported on."""
        return cross_fitted(scores, reported=reported, groups=self.groups, seed=seed)


def photo(clip: Clip) -> Tensor:
    """The only frame of a still, ``(3, H, W)`` uint8."""
    return clip.frames([0])[0]


def centre_of_curve(scores: Mapping[str, Tensor], depths: Mapping[str, float]) -> Measure:
    """The mean depth of the layers, each weighted by its mean average precision.

    Unlike the depth of the best layer it does not jump where a curve is flat. The standard error is that of a ratio of
    two means over the queries.
    """
    table = torch.stack(list(scores.values()))  # (layers, Q)
    weights = table.sum(dim=0)  # (Q,)
    moments = torch.tensor([depths[layer] for layer in scores], dtype=table.dtype) @ table  # (Q,)
    centre = moments.sum() / weights.sum()
    stderr = (moments - centre * weights).std() / weights.mean() / len(weights) ** 0.5
    return Measure(centre.item(), stderr.item())
