"""The figures of chapter 4 of Ng's thesis, ActionFlowNet, on the lab's own clips, and a few more."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go
import torch
from plotly.subplots import make_subplots
from torch import Tensor

from labkit import metrics
from labkit.attribution import occlusion_map
from labkit.viz.classes import readable
from labkit.viz.colour import colour_wheel, flow_to_rgb, heat_to_rgb, overlay, typical_speed
from labkit.viz.diagram import Block, block_diagram
from labkit.viz.figures import bar_chart, bar_slider, flow_fields, image_grid, line_chart
from labkit.viz.occluder import Covered, Occluder
from labkit.viz.player import ClipPlayer, Layer, Panel
from labkit.viz.style import PALETTE, QUIET, Figure, finish

Arrows = list[tuple[str, str]]
Estimates = Mapping[str, Tensor]  # flow (F, 2, H, W) by the name of who estimates it
CoveredClip = tuple[str, int, Tensor, Mapping[str, tuple[Tensor, Tensor]]]
"""A class and its label; a frame ``(3, S, S)`` uint8 as networks see it; and by network its confidences ``(K,)``, and
``(h, w, K)`` with a black square at each location."""
FAMILIES = {"appearance": "appearance pairs", "motion": "motion only", "reversed": "reversed pairs"}
RED = (214, 39, 40)


# --- networks ---------------------------------------------------------------------------------------------------------


def architecture(stages: Mapping[str, Sequence[int]], frames: str, fields: str, *, title: str) -> Figure:
    """Figures 4.1 and 4.3: an encoder, a classifier on its end, and a decoder with skip connections.

    Args:
        stages: sizes of the feature maps of res2 to res5, without the batch.
        frames: what goes in.
        fields: what comes out of the decoder.
        title: above the figure.
    """
    blocks, arrows = _encoder_and_decoder(stages, frames, fields)
    x = len(stages) + 1
    blocks |= {"mean": Block("mean", x - 0.1, 1, width=0.55), "action": Block("linear:<br>action", x + 0.8, 1)}
    last = list(stages)[-1]
    return block_diagram(
        blocks,
        [*arrows, (last, "mean"), ("mean", "action")],
        title=f"{title}<br>blue: encoder; orange: decoder; numbers: channels × {'time × ' * (len(stages[last]) == 4)}"
        "height × width of feature maps",
        alt=f"{frames} enter on the left, pass four stages of an encoder that make them smaller, and end in a mean and "
        "a linear layer that names the action. Below, a decoder of deconvolutions leads back from the last stage to "
        f"{fields}; each step is joined with the encoder's feature maps of its size.".replace("<br>", " "),
        unit=70,
    )


def stacked(stages: Mapping[str, Sequence[int]]) -> Figure:
    """Figure 4.2: a fixed FlowNet, and a second network on its flow."""
    blocks, arrows = _encoder_and_decoder(stages, "2 frames", "flow")
    second = {f"second {name}": Block(name, x, 3.5, "first", width=0.88) for x, name in enumerate(stages, start=1)}
    second |= {"mean": Block("mean", 4.9, 3.5, width=0.55), "action": Block("linear:<br>action", 5.8, 3.5)}
    return block_diagram(
        blocks | second,
        [*arrows, *pairwise(["flow", *second])],
        title="Figure 4.2, on our network: Stacked<br>the two upper rows, a FlowNet, stay as they are; the last row, "
        "a ResNet without conv1 and pool1, is trained",
        alt="Two frames pass an encoder and a decoder to a flow field. Below, a second network, without its first two "
        "layers, takes the flow and names the action.",
        unit=60,
    )


def _encoder_and_decoder(
    stages: Mapping[str, Sequence[int]], frames: str, fields: str
) -> tuple[dict[str, Block], Arrows]:
    """Blocks and arrows of an encoder, a decoder, and what connects them."""
    names = list(stages)
    blocks = {"in": Block(frames, 0, 1, width=0.8), "flow": Block(fields, 0, 2.3, "second", width=0.8)}
    for x, (name, shape) in enumerate(stages.items(), start=1):
        blocks[name] = Block(f"{name}<br>{' × '.join(map(str, shape))}", x, 1, "first", width=0.9)
        if name != names[-1]:
            blocks[f"up {name}"] = Block(f"deconvolved,<br>+ {name}", x, 2.3, "second", width=0.85)
    back = [names[-1], *(f"up {name}" for name in reversed(names[:-1])), "flow"]
    return blocks, [*pairwise(["in", *names]), *pairwise(back), *((name, f"up {name}") for name in names[:-1])]


# --- flow -------------------------------------------------------------------------------------------------------------
# A clip with its flow: its class, its frames (T, 3, H, W) uint8, the known flow (F, 2, H, W), NaN where it is unknown,
# what that is, such as "exact flow", and the estimates that are compared with it.


def strip(name: str, frames: Tensor, known: Tensor, known_name: str, estimates: Estimates) -> Figure:
    """Figure 4.5: the last eight frames of a clip, below them its flow; the last field leads to a frame not shown."""
    speed, (estimate,) = typical_speed(known) / 2, estimates.values()  # of a network, flow is pale
    rows = [frames[-8:], *(flow_to_rgb(field[-8:].nan_to_num(), speed) for field in (estimate, known))]
    for fields in rows[1:]:
        fields[-1] = _framed(fields[-1])
    times, inner = [f"t = {t + 1}" for t in range(len(frames))][-8:], len(rows[0]) - 1
    return image_grid(
        [image for row in rows for image in row],
        columns=len(rows[0]),
        labels=[*times, *["network"] * inner, "the future", *[known_name] * (inner + 1)],
        title=f"Figure 4.5, on our data: a clip, its flow, and in red the flow to come ({readable(name)})",
        alt=f"The last frames of a clip; below them the flow that the network predicts, and the {known_name}. The last "
        f"field of each, in a red frame, leads to a frame never shown. Full colour: {speed:.2g} pixels per frame.",
    )


def _framed(image: Tensor) -> Tensor:
    """An image ``(3, H, W)`` uint8 with a red frame."""
    image, width = image.clone(), max(image.shape[-1] // 32, 1)
    red = torch.tensor(RED, dtype=torch.uint8)[:, None, None]
    for edge in (image[:, :width], image[:, -width:], image[:, :, :width], image[:, :, -width:]):
        edge[:] = red
    return image


def player(name: str, frames: Tensor, known: Tensor, known_name: str, estimates: Estimates) -> ClipPlayer:
    """A clip, its flow by a network, the flow that it is compared with, and the difference, side by side."""
    speed, ((who, estimate),) = typical_speed(known), estimates.items()
    wrong = metrics.end_point_error_map(estimate, known).nan_to_num()  # (F, H, W)
    wheel = f"hue: direction; full saturation: {speed:.2g} pixels per frame"
    field = partial(Layer, caption=wheel, key=colour_wheel(32))
    error = Layer(heat_to_rgb(wrong, 0.0, speed), f"end-point error, bright: {speed:.2g} pixels", "the error")
    return ClipPlayer(
        Panel("frames", {"frames": Layer(frames, alt="the clip")}),
        Panel(who, {"flow": field(flow_to_rgb(estimate, speed), alt="predicted flow")}),
        Panel(known_name, {"flow": field(flow_to_rgb(known.nan_to_num(), speed), alt=known_name)}),
        Panel("error", {"error": error}),
        title=f"A clip of {readable(name)}, its flow as predicted, the {known_name}, and the difference",
        alt=f"Four synchronised panels: a clip, the flow that a network predicts, the {known_name}, the error.",
        fps=4,
        quality=None if frames.shape[-1] <= 64 else 85,
    )


def future(errors: Mapping[str, Tensor]) -> Figure:
    """End-point errors ``(F,)`` of each field of many clips, by the guess; the last field is the future."""
    series = {
        name: ([t for t, v in enumerate(values.tolist(), start=1) if v == v], [v for v in values.tolist() if v == v])
        for name, values in errors.items()
    }
    last = ", ".join(f"{name} {values[-1]:.2f}" for name, (_, values) in series.items())
    return line_chart(
        series,
        title="Is the last field foreseen?",
        alt=f"End-point error of each field over time. Of the last one, in pixels: {last}.",
        x_title="field (the last one leads to a frame never shown)",
        y_title="end-point error (pixels)",
    )


def errors_by_region(errors: Mapping[str, Mapping[str, float]]) -> Figure:
    """End-point errors by region and by who estimates the flow."""
    return bar_chart(
        errors,
        title="Who errs by how much, where the puppet is and elsewhere"
        if len(errors) > 1
        else "Who errs by how much on the test clips",
        alt="Mean end-point error in pixels of several estimators, for each region of the frame.",
        x_title="estimator",
        y_title="end-point error (pixels)",
        height=400,
    )


def errors_on_pairs(errors: Mapping[str, Mapping[str, float]]) -> Figure:
    """End-point errors by the set of pairs, chosen with a slider, and by who estimates the flow."""
    return bar_slider(
        errors,
        title="Who errs by how much, on which frames",
        alt="Mean end-point error of networks, of estimators without learning and of no motion, on pairs of frames "
        f"that are chosen with a slider: {errors}",
        x_title="estimator",
        y_title="mean end-point error (pixels)",
        slider="on",
    )


def small_motion(name: str, frames: Tensor, known: Tensor, known_name: str, estimates: Estimates) -> Figure:
    """Figure 4.7: what each estimator makes of a small motion."""
    top = float(known.norm(dim=1).max())
    return flow_fields(
        {f"{known_name}, up to {top:.1f} pixels": known[0]} | {who: field[0] for who, field in estimates.items()},
        max_speed=top,
        columns=3,
        title="Figure 4.7, on our data: the flow of a small motion, by several estimators",
        alt="The exact flow of a pair of frames that move by a pixel and a half at most, and what two networks and "
        "three estimators without learning make of it.",
    )


# --- what networks know, and how they learn ---------------------------------------------------------------------------


def probes(accuracies: Mapping[str, Mapping[str, Mapping[str, float]]], *, chance: float) -> Figure:
    """Accuracy of linear classifiers on frozen networks, by stage: a panel for each family of classes.

    Args:
        accuracies: by network, family and stage, in percent.
        chance: percent of clips that a guess gets right.
    """
    families = list(next(iter(accuracies.values())))
    titles = [FAMILIES.get(family, family) for family in families]
    figure = make_subplots(1, len(families), subplot_titles=titles, shared_yaxes=True, horizontal_spacing=0.03)
    symbols = ("circle", "square", "diamond", "x", "triangle-up")
    for number, (name, of_family) in enumerate(accuracies.items()):
        style: dict[str, Any] = {"line": {"color": PALETTE[number % len(PALETTE)], "width": 2}, "name": name}
        style["marker"] = {"symbol": symbols[number % len(symbols)], "size": 8}
        for column, family in enumerate(families, start=1):
            stages = of_family[family]
            figure.add_scatter(
                x=list(stages), y=list(stages.values()), row=1, col=column, **style, showlegend=column == 1
            )
    figure.add_hline(y=chance, line={"color": QUIET, "width": 1, "dash": "dot"})
    figure.update_yaxes(gridcolor="#E5E7EB", zeroline=False, range=[0, 100])
    figure.update_xaxes(showgrid=False, linecolor=QUIET)
    figure.update_yaxes(title="test clips recognised (%)", col=1)
    figure.update_xaxes(title="features of stage", col=(len(families) + 1) // 2)
    last = {name: {family: round(of[family]["res5"]) for family in families} for name, of in accuracies.items()}
    return finish(
        figure,
        title="What frozen networks know about actions<br>a linear classifier on the mean of each stage's feature "
        "maps; the dotted line is chance level",
        alt=f"Percent of test clips recognised from frozen features, by stage and family of classes. At res5: {last}.",
        height=440,
        margin={"t": 92, "b": 120},
        legend={"orientation": "h", "x": 0, "y": -0.24, "yanchor": "top"},
    )


def accuracies(live: Mapping[str, tuple[float, float | None]], recorded: Mapping[str, Sequence[float]]) -> Figure:
    """Accuracies of this run with their standard errors, and those of recorded runs, a dot for each seed.

    Args:
        live: by network, the accuracy and its standard error over the test clips, in percent.
        recorded: by network, accuracies of earlier runs.
    """
    figure = go.Figure()
    dots = [(name, value) for name in live for value in recorded.get(name, ())]
    if dots:
        marker = {"color": PALETTE[4], "size": 8, "symbol": "circle-open", "line": {"width": 2}}
        names, values = zip(*dots, strict=True)
        figure.add_scatter(
            x=values, y=names, mode="markers", marker=marker, name="recorded runs of a study, one a seed"
        )
    figure.add_scatter(
        x=[value for value, _ in live.values()],
        y=list(live),
        error_x={"array": [stderr or 0.0 for _, stderr in live.values()], "thickness": 2, "width": 6},
        mode="markers",
        marker={"color": PALETTE[0], "size": 10, "symbol": "square"},
        name="this run, with its standard error over the test clips",
    )
    figure.update_xaxes(title="test clips recognised (%)", gridcolor="#E5E7EB", zeroline=False, rangemode="tozero")
    figure.update_yaxes(autorange="reversed", showgrid=False, automargin=True)
    read = ", ".join(f"{name} {value:.0f} ± {stderr or 0:.0f} %" for name, (value, stderr) in live.items())
    return finish(
        figure,
        title="Accuracy on the test clips, and how far to trust it",
        alt=f"Accuracy of each network in this run: {read}. Dots beside it are recorded runs with other seeds.",
        height=164 + 40 * len(live),
        legend={"orientation": "h", "x": 0, "y": 0, "yref": "container", "yanchor": "bottom"},
        margin={"b": 110},
    )


def by_family(accuracies: Mapping[str, Mapping[str, float]]) -> Figure:
    """Accuracies in percent by network and by family of classes."""
    series = {
        name: {FAMILIES.get(family, family): value for family, value in of_family.items()}
        for name, of_family in accuracies.items()
    }
    return bar_chart(
        series,
        title="Where does the accuracy come from?",
        alt="Percent of test clips recognised, by network and by what tells the classes apart.",
        x_title="what tells the actions apart",
        y_title="test clips recognised (%)",
    )


def forgetting(curves: Mapping[str, tuple[Sequence[int], Sequence[float]]]) -> Figure:
    """The error of a network's flow while it learns actions: steps and pixels, by network."""
    ends = ", ".join(f"{name} from {values[0]:.2f} to {values[-1]:.2f}" for name, (_, values) in curves.items())
    return line_chart(
        curves,
        title="What fine-tuning forgets",
        alt=f"End-point error of flow over the training steps, in pixels: {ends}.",
        x_title="training step",
        y_title="end-point error of flow (pixels)",
    )


def before_and_after(
    name: str, frames: Tensor, known: Tensor, known_name: str, estimates: Estimates, *, errors: Mapping[str, float]
) -> Figure:
    """Flow of one pair by several networks, with the mean error of each on all test clips."""
    fields = {f"{who}: {errors[who]:.2f} pixels": field[0] for who, field in estimates.items()}
    return flow_fields(
        {known_name: known[0].nan_to_num(), **fields},
        title=f"Flow of one pair ({readable(name)}), and the mean error on all test clips",
        alt=f"The {known_name} of a pair of frames, and the flow of {', '.join(estimates)}.",
    )


def weights_of_flow(steps: Mapping[float, tuple[float | None, float | None]], no_motion: float) -> Figure:
    """Accuracy and the error of flow for each weight of flow, chosen with a slider.

    Args:
        steps: by lambda, accuracy in percent and end-point error in pixels; None where it is not known.
        no_motion: the end-point error if nothing moved.
    """
    bars = {
        f"{weight:g}": {
            "accuracy": accuracy,
            "error of flow, of what it is if nothing moved": 100 * error / no_motion,
        }
        for weight, (accuracy, error) in sorted(steps.items())
        if accuracy is not None and error is not None
    }
    return bar_slider(
        bars,
        title="The weight of flow: what it does to actions, and to flow",
        alt=f"Accuracy and the error of flow for each weight of flow, chosen with a slider: {bars}",
        x_title="ActionFlowNet-2F on the large set",
        y_title="%",
        slider="λ",
        start=len(bars) // 2,
    )


# --- where networks look, and who gains -------------------------------------------------------------------------------


def where_it_costs(clips: Sequence[CoveredClip], *, side: int, stride: int) -> Figure:
    """Figure 4.4: frames, and over them how much confidence in the right class a black square there costs."""
    images, labels = [], []
    for name, label, frame, answers in clips:
        images.append(frame)
        labels.append(readable(name))
        for network, (bare, table) in answers.items():
            drop = 1 - table[..., label] / bare[label]  # (h, w)
            spread = occlusion_map(drop, (frame.shape[-2], frame.shape[-1]), side=side, stride=stride)
            images.append(overlay(frame, spread.nan_to_num().clamp(min=0), 1.0))
            labels.append(f"{network}, {100 * bare[label]:.0f} %")
    networks = list(clips[0][-1])
    return image_grid(
        images,
        columns=2 * (1 + len(networks)),
        labels=labels,
        title="Figure 4.4, on our data: where a black square costs confidence<br>bright: all of it; in percent, the "
        "confidence in the right class without a square",
        alt=f"{len(clips)} actions: a frame, then where occlusion costs confidence, for {' and '.join(networks)}.",
    )


def occluder(
    clips: Sequence[CoveredClip], corners: tuple[Sequence[int], Sequence[int]], *, side: int, classes: Sequence[str]
) -> Occluder:
    """Frames with a black square that follows the mouse, and what confidence is left to each network."""
    return Occluder(
        [Covered(readable(name), frame, label, answers) for name, label, frame, answers in clips],
        corners=corners,
        title="Cover a part, and ask again",
        alt="A frame with a black square that follows the mouse, and the confidence of networks in their best classes.",
        side=side,
        classes=[*map(readable, classes)],
    )


def gains(recalls: Mapping[str, float], rivals: Mapping[str, Mapping[str, float]], *, name: str) -> Figure:
    """Figure 4.6: how many points of recall a network gains over others, class by class.

    Args:
        recalls: of the network, in percent, by class.
        rivals: those of other networks, by their names.
        name: of the network.
    """
    over = {rival: {label: recalls[label] - values[label] for label in recalls} for rival, values in rivals.items()}
    last = list(over.values())[-1]
    ranked = sorted(last, key=lambda label: -last[label])
    ranked = ranked if len(ranked) <= 24 else ranked[:12] + ranked[-12:]
    return bar_chart(
        {f"over {rival}": {label: values[label] for label in ranked} for rival, values in over.items()},
        title=f"Figure 4.6, on our data: gains of {name}",
        alt=f"Gain in recall of {name} for each action, over {' and over '.join(rivals)}.",
        x_title="action",
        y_title="gain in recall (points)",
    )
