"""RetrievalBrowser: pick a query, see what each method finds for it, right, wrong or skipped.

Two methods stand side by side. Everything is computed beforehand, and only the images that can come up travel with
the page, each of them once: 40 of them of 96 x 96 pixels add 0.2 MB.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
import traitlets
from torch import Tensor

from labkit.checks import require_dtype, require_shape
from labkit.retrieval import precision_recall_curve, retrieval_average_precision
from labkit.viz.colour import data_uri, shrunk
from labkit.viz.widget import PageWidget, require_choice

KINDS = ("wrong", "good", "ok", "junk", "query")  # retrieval.js says each by colour, line, sign and word
SHOWN = 12  # first results of a method, skipped ones included
THUMBNAIL = 128  # pixels: larger images are shrunk to this before they travel with the page


class Images(Protocol):
    """Images by number, (3, H, W) each: a tensor (N, 3, H, W), a list, or a data set."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Tensor: ...


class RetrievalBrowser(PageWidget, kind="retrieval"):
    """Shows a query, the images that two methods rank first for it, and their curves of precision against recall.

    Choose a query by its image or, once the browser has the focus, with the right and left arrow keys; choose the two
    methods in the table, which has the average precision of all. Junk is shown where it stands, and takes no rank.

    Attributes:
        query: index of the query, 0 to Q - 1.
        left: name of the method at the left.
        right: name of the method at the right.
    """

    query = traitlets.Int(0).tag(sync=True)
    left = traitlets.Unicode().tag(sync=True)
    right = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        images: Images,
        rankings: Mapping[str, Tensor],
        *,
        queries: Sequence[int],
        good: Tensor,
        ok: Tensor,
        junk: Tensor,
        names: Sequence[str],
        title: str,
        alt: str,
    ) -> None:
        """Check everything, score the rankings and encode the images that come up.

        Args:
            images: the N images of the database, uint8 or floating point in [0, 1]; sizes may differ.
            rankings: by the name of the method, int64 (Q, M), numbers of images, the best first, see
                `labkit.retrieval.ranking`. Positives that a list cut short does not reach count as never found.
            queries: the Q numbers of the queries, images of the database.
            good: bool (Q, N), what is to be found, see `labkit.retrieval.listed`.
            ok: bool (Q, N), to be found as well, though harder to see.
            junk: bool (Q, N), left out of the score. A query that is its own junk is skipped (Holidays); one that is
                good finds itself (Oxford, Paris).
            names: of the N images.
            title: heading of the browser.
            alt: what there is to see, in a sentence, for those who cannot see it.

        Raises:
            TypeError: a dtype of the wrong kind.
            ValueError: shapes or numbers that do not fit, a query with nothing to be found, an image that is of two
                kinds, no title or alt text, or too much for a page.
        """
        count = len(images)
        if not rankings or not count or not len(queries):
            raise ValueError(
                f"a browser needs images, queries and rankings; got {count}, {len(queries)} and {len(rankings)}"
            )
        queries = [int(number) for number in queries]
        if not 0 <= min(queries) <= max(queries) < count:
            raise ValueError(f"queries must be numbers of images, 0 to {count - 1}; got {queries}")
        if len(names) != count:
            raise ValueError(f"names must be {count}, one an image; got {len(names)}")
        kinds = _kinds(queries, count, good, ok, junk)
        positives = good | ok
        methods = [_scored(name, ranking, kinds, positives, junk) for name, ranking in rankings.items()]
        shown = {*queries, *(image for method in methods for results in method["results"] for image, *_ in results)}
        scene = {
            "title": title,
            "alt": alt,
            "queries": queries,
            "positives": positives.sum(1).tolist(),
            "methods": methods,
            "images": {
                str(number): {"name": names[number], "source": _thumbnail(images[number], names[number])}
                for number in sorted(shown)
            },
        }
        labels = [method["name"] for method in methods]
        super().__init__(scene, left=labels[0], right=labels[min(1, len(labels) - 1)])

    @traitlets.validate("query", "left", "right")
    def _is_there(self, proposal: Any) -> Any:
        names = [method["name"] for method in self.scene["methods"]]
        return require_choice(proposal, query=range(len(self.scene["queries"])), left=names, right=names)


def _kinds(queries: Sequence[int], count: int, good: Tensor, ok: Tensor, junk: Tensor) -> Tensor:
    """What each image is to each query, (Q, N), as indices into `KINDS`."""
    kinds = torch.zeros(len(queries), count, dtype=torch.int64)
    for kind, marks in (("good", good), ("ok", ok), ("junk", junk)):
        require_shape(marks, f"{len(queries)} {count}", kind, "a row a query, see labkit.retrieval.listed")
        require_dtype(marks, (torch.bool,), kind, "one bool an image, see labkit.retrieval.listed")
        if (twice := (marks & (kinds > 0)).nonzero()).numel():
            query, image = twice[0].tolist()
            raise ValueError(
                f"an image must be good, ok or junk, not two of them; image {image} is "
                f"{KINDS[kinds[query, image]]} and {kind} to query {query}: take it out of one"
            )
        kinds[marks] = KINDS.index(kind)
    for row, query in zip(kinds, queries, strict=True):
        if row[query] == KINDS.index("wrong"):
            raise ValueError(
                f"a query must be junk to itself (Holidays) or good (Oxford, Paris); {query} is neither: add it to one"
            )
        row[query] = KINDS.index("query")
    return kinds


def _scored(name: str, ranking: Tensor, kinds: Tensor, positives: Tensor, junk: Tensor) -> dict[str, Any]:
    """What the browser needs of one method: for each query its score, its curve and its first results."""
    require_shape(ranking, f"{len(kinds)} M", f"ranking {name!r}", "a row a query")
    scores = retrieval_average_precision(ranking, positives, junk)  # (Q,)
    results, curves = [], []
    for query, order in enumerate(ranking):
        rank = (~junk[query, order]).long()  # whether it takes a rank
        rank = rank.cumsum(0) * rank  # from 1; 0 for those that are skipped
        first = zip(order[:SHOWN].tolist(), rank[:SHOWN].tolist(), strict=True)
        results.append([[image, KINDS[kinds[query, image]], at] for image, at in first])
        curves.append(_outline(*precision_recall_curve(order, positives[query], junk[query])))
    return {"name": name, "ap": scores.tolist(), "map": float(scores.mean()), "results": results, "curves": curves}


def _outline(precision: Tensor, recall: Tensor) -> list[list[float]]:
    """The upper edge of the area whose size is the average precision, as [recall, precision], without idle points."""
    gains = recall.diff(prepend=recall.new_zeros(1)) > 0
    kept = gains | gains.roll(-1)  # a positive, and the rank before it
    kept[-1] = gains[-1]
    points = [(0.0, 1.0), *((float(r), float(p)) for r, p in zip(recall[kept], precision[kept], strict=True))]
    return [[round(r, 4), round(p, 4)] for r, p in points]


def _thumbnail(image: Tensor, name: str) -> str:
    require_shape(image, "C H W", f"image {name}", "one image")
    if 0 in image.shape:
        raise ValueError(f"image {name} must not be empty; got {tuple(image.shape)}")
    return data_uri(shrunk(image[None], THUMBNAIL, f"image {name}")[0], quality=85)
