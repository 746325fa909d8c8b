"""RetrievalBrowser: pick a query, see what each method finds for it, right, wrong or skipped.

Two methods stand side by side. Everything is computed beforehand, and only the images that can come up travel with
the page, each of them once: 40 of them of 96 x 96 pixels add 0.2 MB.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import torch
import torch.nn.functional as F
import traitlets
from torch import Tensor

from labkit.checks import require_dtype, require_positive, require_shape
from labkit.retrieval import precision_recall_curve, retrieval_average_precision
from labkit.viz.colour import as_uint8, data_uri
from labkit.viz.widget import PageWidget

KINDS = ("wrong", "good", "ok", "junk", "query")  # retrieval.js says each by colour, line, sign and word
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

    All three may be set and observed in the notebook while a kernel runs.
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
        ok: Tensor | None = None,
        junk: Tensor | None = None,
        names: Sequence[str],
        title: str,
        alt: str,
        top: int = 12,
        rule: Literal["trapezoid", "step"] = "trapezoid",
        quality: int | None = 85,
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
            top: how many results are shown, skipped ones included.
            rule: how the area below the curve is taken, see `labkit.retrieval`.
            quality: of the JPEG that images travel as, 1 to 100; None keeps every pixel (PNG).

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
        if quality is not None and not 1 <= quality <= 100:
            raise ValueError(f"quality must be 1 to 100 or None; got {quality}: None keeps every pixel")
        require_positive(top, "top", "results to show")
        kinds = _kinds(queries, count, good, ok, junk)
        positives = good if ok is None else good | ok
        methods = [_scored(name, ranking, kinds, positives, junk, top, rule) for name, ranking in rankings.items()]
        shown = {*queries, *(image for method in methods for results in method["results"] for image, *_ in results)}
        scene = {
            "title": title,
            "alt": alt,
            "queries": queries,
            "positives": positives.sum(1).tolist(),
            "methods": methods,
            "images": {
                str(number): {"name": names[number], "source": _thumbnail(images[number], names[number], quality)}
                for number in sorted(shown)
            },
        }
        labels = [method["name"] for method in methods]
        super().__init__(scene, left=labels[0], right=labels[min(1, len(labels) - 1)])

    def __repr__(self) -> str:
        return f"RetrievalBrowser({self.scene['title']!r}, {len(self.scene['queries'])} queries)"

    @traitlets.validate("query")
    def _query_exists(self, proposal: Any) -> int:
        last = len(self.scene["queries"]) - 1
        if not 0 <= proposal["value"] <= last:
            raise traitlets.TraitError(f"query must be 0 to {last}; got {proposal['value']}: it is an index")
        return proposal["value"]

    @traitlets.validate("left", "right")
    def _method_exists(self, proposal: Any) -> str:
        name, value = proposal["trait"].name, proposal["value"]
        names = [method["name"] for method in self.scene["methods"]]
        if value not in names:
            raise traitlets.TraitError(f"{name} must be one of {names}; got {value!r}")
        return value


def _kinds(queries: Sequence[int], count: int, good: Tensor, ok: Tensor | None, junk: Tensor | None) -> Tensor:
    """What each image is to each query, (Q, N), as indices into `KINDS`."""
    kinds = torch.zeros(len(queries), count, dtype=torch.int64)
    for kind, marks in (("good", good), ("ok", ok), ("junk", junk)):
        if marks is None:
            continue
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


def _scored(
    name: str,
    ranking: Tensor,
    kinds: Tensor,
    positives: Tensor,
    junk: Tensor | None,
    top: int,
    rule: Literal["trapezoid", "step"],
) -> dict[str, Any]:
    """What the browser needs of one method: for each query its score, its curve and its first results."""
    require_shape(ranking, f"{len(kinds)} M", f"ranking {name!r}", "a row a query")
    scores = retrieval_average_precision(ranking, positives, junk, rule=rule)  # (Q,)
    results, curves = [], []
    for query, order in enumerate(ranking):
        skip = None if junk is None else junk[query]
        rank = torch.ones_like(order) if skip is None else (~skip[order]).long()  # whether it takes a rank
        rank = rank.cumsum(0) * rank  # from 1; 0 for those that are skipped
        first = zip(order[:top].tolist(), rank[:top].tolist(), strict=True)
        results.append([[image, KINDS[kinds[query, image]], at] for image, at in first])
        curves.append(_outline(*precision_recall_curve(order, positives[query], skip), rule))
    return {"name": name, "ap": scores.tolist(), "map": float(scores.mean()), "results": results, "curves": curves}


def _outline(precision: Tensor, recall: Tensor, rule: Literal["trapezoid", "step"]) -> list[list[float]]:
    """The upper edge of the area whose size is the average precision, as [recall, precision], without idle points."""
    gains = recall.diff(prepend=recall.new_zeros(1)) > 0
    if rule == "step":
        found = [(float(r), float(p)) for r, p in zip(recall[gains], precision[gains], strict=True)]
        before = [0.0, *(r for r, _ in found)]
        points = [point for start, (r, p) in zip(before, found, strict=False) for point in ((start, p), (r, p))]
    else:
        kept = gains | gains.roll(-1)  # a positive, and the rank before it
        kept[-1] = gains[-1]
        points = [(0.0, 1.0), *((float(r), float(p)) for r, p in zip(recall[kept], precision[kept], strict=True))]
    return [[round(r, 4), round(p, 4)] for r, p in points]


def _thumbnail(image: Tensor, name: str, quality: int | None) -> str:
    require_shape(image, "C H W", f"image {name}", "one image")
    if 0 in image.shape:
        raise ValueError(f"image {name} must not be empty; got {tuple(image.shape)}")
    image = as_uint8(image, f"image {name}")  # (3, H, W)
    if (factor := THUMBNAIL / max(image.shape[-2:])) < 1:
        size = [max(1, round(side * factor)) for side in image.shape[-2:]]
        image = F.interpolate(image[None], size, mode="bilinear", antialias=True)[0]
    return data_uri(image, quality)
