"""The figures of Simonyan and Zisserman, NIPS 2014, on the lab's own clips, and a few more."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from labkit import flow, metrics
from labkit.clips import Clip, Clips
from labkit.viz.classes import readable
from labkit.viz.colour import flow_to_rgb, signed_to_rgb, typical_speed
from labkit.viz.diagram import Block, block_diagram
from labkit.viz.figures import image_grid, line_chart, trajectory_plot
from labkit.viz.filters import filter_details, filter_mosaic
from labkit.viz.layers import flow_layer, mean_subtraction_layers
from labkit.viz.player import ClipPlayer, Layer, Panel
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


def architecture() -> Figure:
    """Figure 1: two networks that meet at the end."""
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


def flow_and_components(clip: Clip, name: str) -> Figure:
    """Figure 2: two frames of a clip where much moves, the flow between them, its components; and an estimate."""
    start = liveliest(clip)
    frames, field = clip.frames([start, start + 1]), clip.flow([start])[0]
    speed = typical_speed(field[None])
    return image_grid(
        [
            *frames,
            flow_to_rgb(field, speed),
            *signed_to_rgb(field, field.abs().max().item()),
            flow_to_rgb(flow.dis(frames[:1], frames[1:])[0], speed),
        ],
        columns=6,
        labels=["frame", "the next frame", "flow", "to the right, dx", "down, dy", "flow as DIS estimates it"],
        title=f"Figure 2, on our data: flow and its two components ({readable(name)})",
        alt="Two consecutive frames; the flow between them in colour; its horizontal and its vertical component in "
        "grey; and the flow that an estimator makes of the two frames, with blurred outlines.",
    )


def liveliest(clip: Clip, last: int | None = None) -> int:
    """The frame, up to a last one, from which something moves fastest beside the camera."""
    fields = flow.mean_flow_subtraction(clip.flow(range(clip.num_frames - 1 if last is None else last + 1)))
    return int(fields.norm(dim=1).flatten(1).amax(dim=1).argmax())


def paths(clip: Clip, steps: int = 6, count: int = 12) -> Figure:
    """Figure 3: where trajectory stacking reads, from points on what moves fastest beside the camera."""
    start = liveliest(clip, last=clip.num_frames - 1 - steps)
    fields = clip.flow(range(start, start + steps))  # (L, 2, H, W)
    speed = flow.mean_flow_subtraction(fields[0]).norm(dim=0).flatten()  # (H * W,)
    fastest = speed.topk(max(speed.numel() // 50, 1)).indices
    chosen, width = fastest[:: max(len(fastest) // count, 1)], fields.shape[-1]
    points = torch.stack([chosen % width, chosen // width], dim=-1).float()  # (N, 2), x and y
    figure = trajectory_plot(
        clip.frames([start])[0],
        flow.trajectories(fields, points),
        title="Figure 3, on our data: the paths along which trajectory stacking reads",
        alt=f"Paths of {steps} steps drawn on a frame, starting on what moves fastest. Stacking reads at the starting "
        "points only.",
    )
    return figure.update_layout(height=430)


def volume_player(clip: Clip, steps: int = 6) -> ClipPlayer:
    """The input volume field by field: stacked, along trajectories, and in both directions of time.

    Args:
        clip: with flow in both directions, longer than twice ``steps``.
        steps: L, an even number of fields; a step of the player is a field of the volume.

    Raises:
        ValueError: an odd number of steps, or a clip that is too short for them.
    """
    half, last = steps // 2, clip.num_frames - 1 - steps
    if steps % 2 or last < half:
        raise ValueError(f"steps must be even, and the clip at least {steps + half + 1} frames long; got {steps} steps")
    speed = typical_speed(clip.flow(range(clip.num_frames - 1)))
    panels: dict[str, dict[str, Layer]] = {"stacking": {}, "trajectories": {}, "bi-directional": {}}
    for start in sorted({half, (half + last) // 2, last}):
        forward = clip.flow(range(start, start + steps))  # (L, 2, H, W)
        backward = clip.flow(range(start - half + 1, start + 1), backward=True)  # (L/2, 2, H, W)
        stacks = [
            flow.optical_flow_stacking(forward),
            flow.trajectory_stacking(forward),
            flow.bidirectional_stacking(forward[:half], backward),
        ]
        for (name, layers), stack in zip(panels.items(), stacks, strict=True):
            fields = stack.unflatten(0, (steps, 2))  # (L, 2, H, W)
            layers[f"τ = {start}"] = flow_layer(fields, speed, f"{name} from frame {start}")
    return ClipPlayer(
        *(Panel(name, layers) for name, layers in panels.items()),
        title="The input volume, step by step",
        alt="Three ways to stack flow, side by side: at the same location, along trajectories, and in both directions.",
        fps=3,
    )


def mean_subtraction(clips: Clips) -> ClipPlayer:
    """The clip whose camera moves most, and its flow before and after the mean vector of each field is subtracted."""

    def middle(clip: Clip) -> Tensor:
        return clip.flow([clip.num_frames // 2])[0]  # (2, H, W)

    clip = max(clips, key=lambda clip: middle(clip).flatten(1).median(dim=1).values.norm().item())
    before, after = middle(clip), flow.mean_flow_subtraction(middle(clip))
    energy = 1 - (after.square().sum() / before.square().sum()).item()
    frames, fields = clip.frames(range(clip.num_frames)), clip.flow(range(clip.num_frames - 1))
    layers = mean_subtraction_layers(frames, fields, typical_speed(before[None]))
    return ClipPlayer(
        Panel("flow", {"flow": layers["flow"], "image": layers["image"]}),
        Panel("without its mean vector", {"flow": layers["flow - mean"], "image": layers["image"]}),
        title=f"Subtracting the mean vector takes {100 * energy:.0f} % of the energy of the middle field (its sum of "
        "squares)",
        alt="The flow of a clip, coloured all over because the camera moves; and beside it without its mean vector.",
        fps=6,
        start=clip.num_frames // 2,
    )


def motion_boundaries(clip: Clip) -> Figure:
    """Both components of the liveliest field of a clip, and their derivatives by a filter of three weights."""
    field = clip.flow([liveliest(clip)])[0]  # (2, H, W)
    padded = F.pad(field[:, None], (1, 1, 0, 0), mode="replicate")
    derivative = F.conv2d(padded, torch.tensor([[[[-0.5, 0.0, 0.5]]]]))[:, 0]  # (2, H, W)
    return image_grid(
        [*signed_to_rgb(field, field.abs().max().item()), *signed_to_rgb(derivative, derivative.abs().max().item())],
        columns=4,
        labels=["dx", "dy", "dx, filtered by (-1, 0, 1)", "dy, filtered by (-1, 0, 1)"],
        title="A filter of three weights finds motion boundaries",
        alt="The components of a flow field, grey where nothing moves; and the same after a horizontal derivative, in "
        "which the left and right outlines of the moving parts remain.",
    )


def two_heads() -> Figure:
    """Multi-task learning, section 4: one network, a softmax layer for each data set, each trained on its own clips."""
    blocks = {
        "large": Block("clips of the<br>large set", 0, 0, "first", width=1.2, height=0.9),
        "small": Block("clips of the<br>small set", 0, 1.2, "second", width=1.2, height=0.9),
        "shared": Block("conv1 ... full7<br>shared by both", 2, 0.6, width=1.5, height=0.9),
        "softmax 1": Block("softmax of<br>the large set", 4, 0, "first", width=1.3, height=0.9),
        "softmax 2": Block("softmax of<br>the small set", 4, 1.2, "second", width=1.3, height=0.9),
        "loss 1": Block("its loss", 5.8, 0, "first", width=0.9, height=0.9),
        "loss 2": Block("its loss", 5.8, 1.2, "second", width=0.9, height=0.9),
        "sum": Block("sum", 7.2, 0.6, width=0.8, height=0.9),
    }
    names = [("large", "shared"), ("small", "shared"), ("shared", "softmax 1"), ("shared", "softmax 2")]
    names += [("softmax 1", "loss 1"), ("softmax 2", "loss 2"), ("loss 1", "sum"), ("loss 2", "sum")]
    return block_diagram(
        blocks,
        names,
        title="Multi-task learning: two data sets, one network, two softmax layers",
        alt="Clips of two data sets pass the same network. Those of each set end in a softmax layer and a loss of "
        "their own; the two losses are added.",
    )


def training_views(images: Sequence[Tensor]) -> Figure:
    """What a network sees of one clip in training: crops ``(3, S, S)`` uint8."""
    return image_grid(
        list(images),
        columns=len(images),
        title=f"The same clip, {len(images)} times in training",
        alt="Crops of frames of one clip, each from another location and moment, with slightly other colours.",
    )


def filters(weights: Tensor, kinds: Tensor, fractions: Tensor, names: Sequence[str]) -> Figure:
    """Figure 4: the filters ``(F, 2L, S, S)`` of the first layer, sorted by what `filter_kinds` says of them."""
    length = weights.shape[1] // 2
    return filter_mosaic(
        weights,
        kinds,
        kind_names=names,
        row_labels=[f"{component} {step}" for step in range(1, length + 1) for component in ("dx", "dy")],
        strengths=fractions.amax(dim=1),
        title="Figure 4, on our data: filters of the first layer<br>a column each; rows are the channels of the stack",
        alt="A grid of small grey patterns, one column a filter, grouped by what they look like.",
    )


def clearest_filters(weights: Tensor, kinds: Tensor, fractions: Tensor, names: Sequence[str], clip: Clip) -> Figure:
    """The filter that is most of each kind: its pattern, its course over the fields, and its response to a clip."""
    stack = flow.optical_flow_stacking(clip.flow(range(weights.shape[1] // 2)))  # (2L, H, W)
    stack = flow.mean_flow_subtraction(stack)
    responses = F.conv2d(stack[None], weights, stride=2)[0]  # (F, h, w)
    chosen = {f"filter {k}, most of a {names[kind]}": k for kind, k in enumerate(fractions.argmax(dim=0).tolist())}
    return filter_details(
        {name: weights[k] for name, k in chosen.items()},
        clip.frames([0])[0],
        {name: responses[k] for name, k in chosen.items()},
        title=f"{len(chosen)} filters, and where they respond<br>orange is positive, blue negative",
        alt="For each filter its pattern, the course of its weights over the flow fields, a frame, and a map of its "
        "response.",
    )


def fusion_curves(scores: Mapping[str, tuple[Mapping[float, Tensor], Tensor]]) -> Figure:
    """Accuracy over the weight of the temporal stream, a line for each part of the data.

    Args:
        scores: by the name of the part, fused scores ``(N, K)`` by weight, and the labels ``(N,)``.
    """
    lines = {
        name: (list(fused), [100 * metrics.accuracy(values, labels) for values in fused.values()])
        for name, (fused, labels) in scores.items()
    }
    ends = [f"{name}: {values[0]:.0f} % without it, {max(values):.0f} % at best" for name, (_, values) in lines.items()]
    return line_chart(
        lines,
        title="Which weight would you choose?",
        alt=f"Accuracy over the weight of the temporal stream. {'; '.join(ends)}.",
        x_title="weight of the temporal stream",
        y_title="accuracy (%)",
    )
