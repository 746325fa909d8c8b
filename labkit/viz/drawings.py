"""Drawings of whole systems, after the papers' first figures."""

from labkit.viz.diagram import Block, block_diagram
from labkit.viz.style import Figure

_CONV2 = "conv2<br>5×5×256<br>stride 2<br>"
_STREAMS = {
    "spatial": ["one frame<br>3×224×224", "conv1<br>7×7×96<br>stride 2<br>norm, pool", f"{_CONV2}norm, pool"],
    "temporal": ["stack of flow<br>20×224×224", "conv1<br>7×7×96<br>stride 2<br>norm, pool", f"{_CONV2}pool"],
}
_SHARED = [
    "conv3<br>3×3×512<br>stride 1",
    "conv4<br>3×3×512<br>stride 1",
    "conv5<br>3×3×512<br>stride 1<br>pool",
    "full6<br>4096<br>dropout",
    "full7<br>2048<br>dropout",
    "softmax",
]


def two_streams() -> Figure:
    """Simonyan and Zisserman, NIPS 2014, Figure 1: two networks that meet at the end."""
    blocks, arrows = {"fusion": Block("class<br>score<br>fusion", 9, 0.85, width=0.88, height=1.2)}, []
    for row, (stream, first) in enumerate(_STREAMS.items()):
        kind = ("first", "second")[row]
        layers = [*first, *_SHARED]
        blocks[f"{stream} 0"] = Block(layers[0], -0.1, 1.7 * row, width=1.05, height=1.2)
        for number, layer in enumerate(layers[1:], start=1):
            blocks[f"{stream} {number}"] = Block(layer, number, 1.7 * row, kind, width=0.88, height=1.2)
            arrows.append((f"{stream} {number - 1}", f"{stream} {number}"))
        arrows.append((f"{stream} {len(layers) - 1}", "fusion"))
    return block_diagram(
        blocks,
        arrows,
        title="Figure 1, redrawn: two streams that meet at the end<br>above the spatial stream, below the temporal "
        "one; they differ in their inputs, and in the normalisation after conv2",
        alt="Two rows of boxes from left to right. Above, one frame passes five convolutions, two fully connected "
        "layers and a softmax; below, a stack of flow passes the same layers. Both end in a box, class score fusion.",
    )
