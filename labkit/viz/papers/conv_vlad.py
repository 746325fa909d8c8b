"""The figures of the lesson on local features and VLAD: the overview, words, residuals, curves over layers, patches."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go
import torch
import torch.nn.functional as F
from torch import Tensor

from labkit.checks import require_dtype, require_shape
from labkit.patches import Patches
from labkit.viz.diagram import Block, block_diagram
from labkit.viz.figures import bar_chart, heat_maps, image_grid, line_chart
from labkit.viz.patches import PatchExplorer
from labkit.viz.retrieval import RetrievalBrowser
from labkit.viz.style import INK, PALETTE, QUIET, Figure, finish


def query(photos: Sequence[Tensor], kinds: Sequence[str]) -> Figure:
    """A query, what is to be found for it, and what is not."""
    title, alt = "A query, what is to be found, and what is not", f"Photos: {', '.join(kinds)}."
    return image_grid(photos, columns=4, labels=kinds, title=title, alt=alt)


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


def words(photos: Tensor, nearest: Tensor, count: int, kinds: Sequence[str], *, seed: int = 0) -> Figure:
    """Photos, and below each the words of its locations, with how many there are, and how many the first photo has.

    Args:
        photos: (B, 3, S, S), as the network sees them.
        nearest: (B, n, n) int64, the word of each location.
        count: of words.
        kinds: a label for each photo.
        seed: of the colours.
    """
    mosaics = [word_mosaic(own, count, photos.shape[-1], seed=seed) for own in nearest]
    of_each = [set(own.flatten().tolist()) for own in nearest]
    labels = [*kinds, f"words: {len(of_each[0])}"]
    labels += [f"words: {len(own)}, of which {len(own & of_each[0])} are in the {kinds[0]}" for own in of_each[1:]]
    title, alt = "Visual words, a colour each", "Photos, and below each the words of its locations as colours."
    return image_grid([*photos, *mosaics], columns=len(photos), labels=labels, title=title, alt=alt)


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


def residuals(features: Tensor, words: Tensor, nearest: Tensor) -> Figure:
    """VLAD in the plane: a thin line for each residual, a thick arrow for the sum of each word's.

    Args:
        features: (n, 2).
        words: (k, 2).
        nearest: (n,) int64, the word of each feature.
    """
    require_shape(features, "n 2", "features", "in the plane, to be drawn")
    require_shape(words, "k 2", "words")
    require_shape(nearest, f"{len(features)}", "nearest", "a word for each feature")
    figure = go.Figure()
    for number, word in enumerate(words):
        own, colour = features[nearest == number], PALETTE[number % len(PALETTE)]  # (m, 2)
        gap = torch.full_like(own, torch.nan)
        x, y = torch.stack([word.expand_as(own), own, gap], 1).flatten(0, 1).T  # word, feature, gap; and so on
        line, hidden = {"color": colour, "width": 1}, {"hoverinfo": "skip", "showlegend": False}
        figure.add_scatter(x=x.tolist(), y=y.tolist(), mode="lines", line=line, **hidden)
        x, y = own.T.tolist()
        figure.add_scatter(x=x, y=y, mode="markers", name=f"features of word {number + 1}")
        figure.data[-1].marker = {"color": colour, "size": 8, "symbol": ("circle", "square", "diamond")[number % 3]}
        start, end = word.tolist(), (word + (own - word).sum(0)).tolist()
        arrow = {"arrowhead": 2, "arrowwidth": 3, "arrowcolor": colour, "showarrow": True, "text": ""}
        figure.add_annotation(
            x=end[0], y=end[1], ax=start[0], ay=start[1], xref="x", yref="y", axref="x", ayref="y", **arrow
        )
        figure.add_scatter(x=end[:1], y=end[1:], mode="markers", marker_opacity=0, **hidden)  # room for the arrow
    cross = {"symbol": "x", "size": 12, "color": INK, "line": {"color": "white", "width": 1}}
    x, y = words.T.tolist()
    figure.add_scatter(x=x, y=y, mode="markers", marker=cross, name="words")
    figure.update_xaxes(title="first dimension", gridcolor="#E5E7EB", zerolinecolor=QUIET, constrain="domain")
    figure.update_yaxes(title="second dimension", scaleanchor="x", gridcolor="#E5E7EB", zerolinecolor=QUIET)
    alt = "Crosses with features around them, a line from each feature to its cross, and an arrow from each cross."
    return finish(figure, title=f"VLAD with {len(words)} words in two dimensions", alt=alt, height=460)


def blocks(sums: Tensor, kinds: Sequence[str]) -> Figure:
    """VLAD of photos as images: (B, k, d), a row for each word and a column for each channel."""
    maps = dict(zip(kinds, sums, strict=True))
    title, alt = "VLAD: words down, channels across", "A block of signed values for each photo, a row for each word."
    return heat_maps(maps, title=title, alt=alt, unit="sum of residuals", centred=True)


def lengths(sums: Mapping[str, Tensor]) -> Figure:
    """How much of a vector each word gets: blocks (k, d) by the name of their normalisation, the first one in order."""
    order = next(iter(sums.values())).norm(dim=1).argsort(descending=True)  # (k,)
    numbers = range(1, len(order) + 1)
    series = {name: (numbers, (block[order].norm(dim=1) / block.norm()).tolist()) for name, block in sums.items()}
    axes = {"x_title": "word, the longest first", "y_title": "fraction of the length"}
    alt = "Length of each word's block, longest first, a line for each normalisation."
    return line_chart(series, title="How much of the vector each word gets", alt=alt, **axes)  # type: ignore[arg-type]


def over_layers(curves: Mapping[str, Mapping[str, float]], *, title: str, y_title: str) -> Figure:
    """Lines over the layers of a network, low to high: for each label a value for each layer, or for some."""
    series = {
        label: ([layer.removeprefix("Inception ") for layer in values], [*values.values()])
        for label, values in curves.items()
    }
    alt = f"{y_title} over the layers from low to high, a line each for {', '.join(curves)}."
    return line_chart(series, title=title, alt=alt, x_title="layer, from low to high", y_title=y_title, height=400)  # type: ignore[arg-type]


def clusters(patches: Patches, layer: str, *, seed: int = 0) -> Figure:
    """Figure 2.4: reference patches at the left, and what is nearest to them in other photos, with distances."""
    cut, distances = patches.clusters(patches.contrasting(5, seed), k=9)
    labels = [text for row in distances for text in ("reference", *(f"{distance:.2f}" for distance in row))]
    title = f"Figure 2.4: nearest patches by {layer}, each 1/{len(patches.starts)} as wide as the photo"
    alt = "Rows of patches: at the left the reference, then its nearest ones with their distances."
    return image_grid(list(cut.flatten(0, 1)), columns=10, labels=labels, title=title, alt=alt)


def rebuilt(panels: Mapping[str, Patches]) -> Figure:
    """Figure 2.3: the first photo made of the nearest patches of others, a row for each k, a column for each layer."""
    photos, labels = [], []
    for count in (1, 5):
        photos += [[*panels.values()][-1].images[0], *(each.rebuilt(0, count) for each in panels.values())]
        labels += ["the photo", *(f"{name}, k = {count}" for name in panels)]
    title, alt = "Figure 2.3: a photo made of patches", f"A photo, and the same rebuilt by {', '.join(panels)}."
    return image_grid(photos, columns=1 + len(panels), labels=labels, title=title, alt=alt)


def explorer(panels: Mapping[str, Patches], names: Sequence[str]) -> PatchExplorer:
    """Patches to click on: the nearest ones in other photos to each patch of the first few photos."""
    title, alt = "What is this patch like?", "A photo with a grid; for the chosen patch its nearest ones in order."
    return PatchExplorer(panels, names=names, asked=min(4, len(names)), k=6, title=title, alt=alt)


def methods(precision: Mapping[str, float], layer: str) -> Figure:
    """Mean average precision in percent of ways to describe a photo, those of the network at one layer."""
    title, alt = f"Ways to describe a photo: {layer}, and SIFT", "Mean average precision of several descriptors."
    return bar_chart({"mAP": precision}, title=title, alt=alt, x_title="descriptor", y_title="mAP (%)", height=400)


def who_finds_what(photos: Sequence[Tensor], rankings: Mapping[str, Tensor], **options: Any) -> RetrievalBrowser:
    """Which photos each descriptor ranks first, two descriptors side by side; ``options`` as of `RetrievalBrowser`."""
    alt = "A query and, for two descriptors side by side, the photos ranked first, marked as right, wrong or skipped."
    return RetrievalBrowser(photos, rankings, title="Who finds what", alt=alt, **options)
