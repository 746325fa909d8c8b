"""The figures of the lesson on local features and VLAD: the overview, residuals, words as colours, rows of patches."""

from itertools import pairwise

import plotly.graph_objects as go
import torch
import torch.nn.functional as F
from torch import Tensor

from labkit.checks import require_dtype, require_shape
from labkit.viz.diagram import Block, block_diagram
from labkit.viz.figures import picture_grid
from labkit.viz.style import INK, PALETTE, QUIET, Figure, finish


def overview() -> Figure:
    """Figure 2.1: from a photo to its descriptor."""
    steps = ["photo", "warped to n x n", "feature map of layer l", "local features", "VLAD", "descriptor"]
    blocks = {step: Block(step, x, 0, width=0.86) for x, step in enumerate(steps)}
    blocks["database"] = Block("features of<br>the database", 3, 1, width=0.86)
    blocks["words"] = Block("k words<br>by k-means", 4, 1, "first", width=0.86)
    arrows = [*pairwise(steps), ("database", "words"), ("words", "VLAD")]
    alt = (
        "A chain: photo, warped photo, feature map, local features, VLAD, descriptor. Words of k-means lead into VLAD."
    )
    return block_diagram(blocks, arrows, title="Figure 2.1: from a photo to its descriptor", alt=alt)


def residual_chart(features: Tensor, words: Tensor, nearest: Tensor, *, title: str, alt: str) -> Figure:
    """Features and visual words in the plane: a thin line for each residual, a thick arrow for the sum of each word's.

    Args:
        features: (n, 2).
        words: (k, 2).
        nearest: (n,) int64, the word of each feature.
        title: above the figure.
        alt: what there is to see.
    """
    require_shape(features, "n 2", "features", "in the plane, to be seen")
    require_shape(words, "k 2", "words")
    require_shape(nearest, f"{len(features)}", "nearest", "a word for each feature")
    figure = go.Figure()
    for number, word in enumerate(words):
        own, colour = features[nearest == number], PALETTE[number % len(PALETTE)]  # (m, 2)
        gap = torch.full_like(own, torch.nan)
        x, y = torch.stack([word.expand_as(own), own, gap], 1).flatten(0, 1).T  # word, feature, gap; and so on
        line, hidden = {"color": colour, "width": 1}, {"hoverinfo": "skip", "showlegend": False}
        figure.add_scatter(x=x.tolist(), y=y.tolist(), mode="lines", line=line, **hidden)
        figure.add_scatter(
            x=own[:, 0].tolist(), y=own[:, 1].tolist(), mode="markers", name=f"features of word {number + 1}"
        )
        figure.data[-1].marker = {"color": colour, "size": 8, "symbol": ("circle", "square", "diamond")[number % 3]}
        start, end = word.tolist(), (word + (own - word).sum(0)).tolist()
        arrow = {"arrowhead": 2, "arrowwidth": 3, "arrowcolor": colour, "showarrow": True, "text": ""}
        figure.add_annotation(
            x=end[0], y=end[1], ax=start[0], ay=start[1], xref="x", yref="y", axref="x", ayref="y", **arrow
        )
        figure.add_scatter(x=end[:1], y=end[1:], mode="markers", marker_opacity=0, **hidden)  # room for the arrow
    cross = {"symbol": "x", "size": 12, "color": INK, "line": {"color": "white", "width": 1}}
    figure.add_scatter(x=words[:, 0].tolist(), y=words[:, 1].tolist(), mode="markers", marker=cross, name="words")
    figure.update_xaxes(title="first dimension", gridcolor="#E5E7EB", zerolinecolor=QUIET, constrain="domain")
    figure.update_yaxes(title="second dimension", scaleanchor="x", gridcolor="#E5E7EB", zerolinecolor=QUIET)
    return finish(figure, title=title, alt=alt, height=460)


def word_mosaic(nearest: Tensor, count: int, size: int, *, seed: int = 0) -> Tensor:
    """Which word each location belongs to, as an image: a random colour for each word.

    Args:
        nearest: (n, n) int64, words of the locations, 0 to count - 1.
        count: of words.
        size: height and width of the image, in pixels.
        seed: of the colours.

    Returns:
        (3, size, size), 0 to 1.
    """
    require_shape(nearest, "n n", "nearest", "the words of one image, unflattened")
    require_dtype(nearest, (torch.int64,), "nearest")
    colours = torch.rand(count, 3, generator=torch.Generator().manual_seed(seed))  # (count, 3)
    return F.interpolate(colours[nearest].movedim(2, 0)[None], (size, size))[0]  # (3, size, size)


def patch_rows(patches: Tensor, distances: Tensor, *, title: str, alt: str) -> Figure:
    """Rows of patches: a reference at the left, then its neighbours in order of distance.

    Args:
        patches: (R, 1 + k, 3, side, side).
        distances: (R, k).
        title: above the figure.
        alt: what there is to see.
    """
    require_shape(patches, "R K 3 S S", "patches", "a row for each reference")
    require_shape(distances, f"{len(patches)} {patches.shape[1] - 1}", "distances", "one for each neighbour")
    labels = [text for row in distances for text in ("reference", *(f"{distance:.2f}" for distance in row))]
    return picture_grid(list(patches.flatten(0, 1)), columns=patches.shape[1], labels=labels, title=title, alt=alt)
