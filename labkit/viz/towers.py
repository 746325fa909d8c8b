"""Networks drawn as towers of layers, from what they compute: a box for each time a layer runs along the clip."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from plotly.subplots import make_subplots
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from labkit.viz.style import INK, PALETTE, QUIET, Figure, finish

Layers = Sequence[tuple[str, int, tuple[int, ...]]]

MOST = 9  # boxes drawn in a row; of more the first and the last ones, dots between
BOX, GAP = 0.62, 1.0  # height of a box, and from row to row
COLOURS = {
    "C": "#E5E7EB",
    "max-pooling": PALETTE[0],
    "average pooling": PALETTE[5],
    "time-domain convolution": PALETTE[2],
    "fully connected": "#F0E442",
    "LSTM": PALETTE[3],
    "softmax": PALETTE[4],
}
_KINDS: Mapping[Any, str] = {
    Tensor.max: "max-pooling",
    Tensor.mean: "average pooling",
    torch.einsum: "fully connected",  # over time
    F.conv3d: "time-domain convolution",
    F.linear: "fully connected",
}


class _Recorder(TorchFunctionMode):
    """Notes what a head computes: the kind, how many times it runs along the clip, and the shape that each gives."""

    def __init__(self, layers: list[tuple[str, int, tuple[int, ...]]]) -> None:
        super().__init__()
        self.layers, self.inside = layers, 0  # how many LSTM layers it is inside of

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = func(*args, **(kwargs or {}))
        if func in _KINDS and not self.inside:
            values = given[0] if isinstance(given, tuple) else given  # of a maximum, without its indices
            self.note(_KINDS[func], values.movedim(2, 1) if func is F.conv3d else values)
        return given

    def note(self, kind: str, values: Tensor) -> None:
        """Note a layer by its output; one with 3 or 5 dimensions runs along time, the second of them."""
        along = values.ndim in (3, 5)  # (B, T, D) or (B, T, C, h, w)
        self.layers.append((kind, values.shape[1] if along else 1, tuple(values.shape[2 if along else 1 :])))


@torch.no_grad()
def layers_of(head: nn.Module, shape: tuple[int, int, int], frames: int) -> Layers:
    """What a head of a video network does, layer by layer from the bottom, found by running it on zeros.

    Args:
        head: reads feature maps ``(B, T, C, h, w)``; its last linear layer is the softmax layer.
        shape: of the feature maps of a frame, C, h, w.
        frames: T.

    Returns:
        For `tower_chart`, the convolutions below the head first (``"C"``).
    """
    recorder = _Recorder([("C", frames, tuple(shape))])

    def enters(*_: Any) -> None:
        recorder.inside += 1

    def leaves(module: nn.Module, inputs: Any, output: Any) -> None:
        recorder.inside -= 1
        recorder.note("LSTM", output[0])

    lstms = [module for module in head.modules() if type(module).__name__.endswith("LSTM") and module is not head]
    hooks: list[Any] = [module.register_forward_pre_hook(enters) for module in lstms]
    hooks += [module.register_forward_hook(leaves) for module in lstms]
    was_training, run = head.training, getattr(head, "steps", head)  # a prediction at every frame, if there is one
    try:
        head.eval()
        with recorder:
            run(torch.zeros(1, frames, *shape))
    finally:
        head.train(was_training)
        for hook in hooks:
            hook.remove()
    *layers, (_, boxes, given) = recorder.layers
    return [*layers, ("softmax", boxes, given)]


def tower_chart(networks: Mapping[str, Layers], *, title: str, alt: str, columns: int = 3) -> Figure:
    """Towers of layers side by side, time to the right, depth upwards.

    Args:
        networks: a label, and the rows from the bottom: kind of layer, how many times it runs along the clip, and the
            shape that each of them gives; see `layers_of`.
        title: above the figure.
        alt: what there is to see.
        columns: towers in a row of the figure.

    Raises:
        ValueError: no networks, one without layers, or a kind without a colour.
    """
    if not networks or any(not layers for layers in networks.values()):
        raise ValueError(f"networks must be at least one, each with layers; got {list(networks)}: see layers_of")
    if unknown := {kind for layers in networks.values() for kind, _, _ in layers} - COLOURS.keys():
        raise ValueError(f"kinds must be among {', '.join(COLOURS)}; got {', '.join(sorted(unknown))}")
    rows = -(-len(networks) // columns)
    figure = make_subplots(rows, columns, subplot_titles=list(networks), horizontal_spacing=0.02, vertical_spacing=0.12)
    highest = max(len(layers) for layers in networks.values())
    shapes, notes = [], []  # put into the figure together: plotly takes its time for each call
    for number, layers in enumerate(networks.values(), start=1):
        axes = {"xref": f"x{number if number > 1 else ''}", "yref": f"y{number if number > 1 else ''}"}
        for level, (kind, boxes, shape) in enumerate(layers):
            y = level * GAP
            places = _places(boxes)
            look = {"fillcolor": COLOURS[kind], "line": {"color": INK if kind != "C" else QUIET, "width": 1}}
            shapes += [
                {"type": "rect", "x0": x, "x1": x + w, "y0": y, "y1": y + BOX, **look, **axes} for x, w in places
            ]
            times = f"{boxes} × " if boxes > 1 else ""
            words = {"x": MOST + 0.3, "text": f"{kind}<br>{times}{' × '.join(map(str, shape))}", "xanchor": "left"}
            notes.append({**words, "y": y + BOX / 2, "align": "left", "showarrow": False, **axes})
            if boxes > MOST:
                notes.append({"x": MOST / 2, "y": y + BOX / 2, "text": "…", "showarrow": False, **axes})
    figure.update_layout(shapes=shapes, annotations=[*figure.layout.annotations, *notes])
    figure.update_xaxes(visible=False, range=[-0.2, MOST * 1.75], fixedrange=True)
    figure.update_yaxes(visible=False, range=[-0.2, highest * GAP + 0.1], fixedrange=True)
    for kind in dict.fromkeys(kind for layers in networks.values() for kind, _, _ in layers):
        marker = {"size": 13, "symbol": "square", "color": COLOURS[kind], "line": {"color": INK, "width": 1}}
        figure.add_scatter(x=[None], y=[None], mode="markers", marker=marker, name=kind, row=1, col=1)
    legend = {"orientation": "h", "x": 0, "y": -0.02, "yanchor": "top"}
    figure.update_layout(legend=legend, showlegend=True)
    done = finish(figure, title=title, alt=alt, height=rows * (46 * highest + 60) + 120, margin={"t": 84, "l": 16})
    for note in done.layout.annotations:
        note.font.size = 11
    return done


def _places(boxes: int) -> list[tuple[float, float]]:
    """Left edge and width of each box that is drawn, centred over the width of a tower."""
    if boxes == 1:
        return [(0.2 * MOST, 0.6 * MOST)]
    shown = [place for place in range(min(boxes, MOST)) if boxes <= MOST or place != MOST // 2]
    return [((MOST - min(boxes, MOST)) / 2 + place + 0.1, 0.8) for place in shown]
