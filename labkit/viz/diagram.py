"""Block diagrams: boxes and circles, with arrows from one to the other, on a grid of one's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from labkit.viz.style import PALETTE, QUIET, Figure, finish

KINDS = {"plain": "#F3F4F6", "first": "#CFE5F5", "second": "#FBDDC8"}  # light tints of the first colours of the palette
EDGES = {"plain": QUIET, "first": PALETTE[0], "second": PALETTE[1]}


@dataclass(frozen=True)
class Block:
    """A box with a text in it, or a circle with a sign.

    Attributes:
        text: in it; ``<br>`` begins a new line.
        x: its middle, to the right.
        y: its middle, downwards.
        kind: a colour: "plain", "first" or "second".
        width: of the box.
        height: of the box.
        round: a circle: as wide as ``height``, as seen on the page.
    """

    text: str
    x: float
    y: float
    kind: str = "plain"
    width: float = 0.7
    height: float = 0.6
    round: bool = False


def block_diagram(
    blocks: Mapping[str, Block], arrows: Sequence[tuple[str, str]], *, title: str, alt: str, unit: float = 78.0
) -> Figure:
    """Draw blocks and the arrows between them.

    Args:
        blocks: by name.
        arrows: pairs of names, from and to.
        title: above the figure.
        alt: what there is to see.
        unit: pixels of the page for a step of 1 downwards; a step of 1 to the right is what the page's width gives.

    Raises:
        ValueError: no blocks, an unknown kind, or an arrow from or to a block that is not there.
    """
    unknown = [name for arrow in arrows for name in arrow if name not in blocks]
    if not blocks or unknown or any(block.kind not in KINDS for block in blocks.values()):
        raise ValueError(
            f"arrows must join blocks, their kinds among {', '.join(KINDS)}; got {unknown or list(blocks)}: see blocks"
        )
    left = min(block.x - block.width / 2 for block in blocks.values())
    right = max(block.x + block.width / 2 for block in blocks.values())
    top = min(block.y - block.height / 2 for block in blocks.values())
    bottom = max(block.y + block.height / 2 for block in blocks.values())
    wide, height = 880 / (right - left), (bottom - top) * unit  # pixels of a step to the right; of all downwards
    shapes, notes = [], []  # put into the figure together: plotly takes its time for each call
    for start, end in arrows:
        (x0, y0), (x1, y1) = (
            _edge(blocks[start], blocks[end], wide, unit),
            _edge(blocks[end], blocks[start], wide, unit),
        )
        head = {"arrowhead": 2, "arrowsize": 1, "arrowwidth": 1.3, "arrowcolor": QUIET, "xref": "x", "yref": "y"}
        notes.append({"x": x1, "y": y1, "ax": x0, "ay": y0, "axref": "x", "ayref": "y", "text": "", **head})
    for block in blocks.values():
        half = _half(block, wide, unit)
        corners = {"x0": block.x - half[0], "x1": block.x + half[0], "y0": block.y - half[1], "y1": block.y + half[1]}
        line = {"color": EDGES[block.kind], "width": 1.5}
        kind = "circle" if block.round else "rect"
        shapes.append({"type": kind, "fillcolor": KINDS[block.kind], "line": line, **corners})
        notes.append({"x": block.x, "y": block.y, "text": block.text, "showarrow": False})
    figure = go.Figure(layout={"shapes": shapes, "annotations": notes})
    figure.update_xaxes(visible=False, range=[left - 0.02 * (right - left), right + 0.02 * (right - left)])
    figure.update_yaxes(visible=False, range=[bottom + 0.1, top - 0.1])
    return finish(figure, title=title, alt=alt, height=int(height) + 90, margin={"l": 12, "r": 12, "b": 12})


def _half(block: Block, wide: float, unit: float) -> tuple[float, float]:
    """Half the width and the height of a block; a circle is one on the page."""
    return (block.height / 2 * unit / wide if block.round else block.width / 2), block.height / 2


def _edge(block: Block, towards: Block, wide: float, unit: float) -> tuple[float, float]:
    """Where the line from the middle of a block to the middle of another leaves the first."""
    (across, down), (dx, dy) = _half(block, wide, unit), (towards.x - block.x, towards.y - block.y)
    if block.round:
        share = 1 / max((dx / across) ** 2 + (dy / down) ** 2, 1e-9) ** 0.5
    else:
        share = min(across / abs(dx) if dx else 9e9, down / abs(dy) if dy else 9e9)
    return block.x + share * dx, block.y + share * dy
