"""The figures of the lesson on video and optical flow, in its order."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from labkit import flow
from labkit.viz.colour import heat_to_rgb, signed_to_rgb, typical_speed
from labkit.viz.figures import (
    bar_chart,
    flow_components,
    flow_fields,
    frame_strip,
    heat_maps,
    image_grid,
    line_chart,
    marked_locations,
    quiver,
    timeline,
    trajectory_plot,
)
from labkit.viz.layers import flow_layer, mean_subtraction_layers, speed_layer
from labkit.viz.player import ClipPlayer, Layer, Panel
from labkit.viz.style import Figure

YELLOW, ORANGE = (1.0, 0.85, 0.1), (0.84, 0.37, 0.0)


def player(clip: Tensor, name: str, **playback: Any) -> ClipPlayer:
    """The clip ``(T, 3, H, W)`` of the lesson; playback is a player's ``fps`` and ``quality``, here as below."""
    return ClipPlayer({"image": Layer(clip, alt=name)}, title="The clip", alt=f"Shows {name}.", **playback)


def frames(clip: Tensor, indices: Tensor, name: str) -> Figure:
    """Some frames of the clip."""
    labels = [f"t = {t}" for t in indices.tolist()]
    alt = f"{len(labels)} frames of {name}."
    return frame_strip(clip[indices], labels=labels, title="Cut across time: frames", alt=alt)


def time_slice(clip: Tensor, row: int, values: Tensor) -> Figure:
    """The middle frame with a row marked, and what is in that row at every moment: values ``(3, T, W)``."""
    marked = clip[len(clip) // 2].clone()
    marked[:, row] = marked.new_tensor(YELLOW)[:, None]
    return image_grid(
        [marked, _thick(values, clip.shape[-2])],
        labels=["one frame, the row marked", f"that row, from t = 0 (top) to t = {len(clip) - 1} (bottom)"],
        title="Cut along time: an x-t slice",
        alt="Left a frame with one row of pixels marked. Right this row at every moment, stacked downwards: what moves "
        "draws slanted or wavy bands.",
    )


def rules(indices: Mapping[str, Tensor], num_frames: int) -> Figure:
    """The frames that each sampling rule chooses."""
    return timeline(
        indices,
        length=num_frames - 1,
        x_title="frame",
        title="Which frames each rule chooses<br>in brackets the number of a notebook, and its paper's own values",
        alt="A time line with dots for each rule: equally spaced frames, frames of the first seconds, the middle and a "
        "random frame of three segments, and a lower frame rate.",
    )


def frame_rates(slices: Mapping[int, Tensor]) -> Figure:
    """An x-t slice ``(3, T, W)`` at lower and lower frame rates, by the number of frames for which each is held."""
    return image_grid(
        [_thick(values, 3 * values.shape[-1] // 4) for values in slices.values()],
        labels=["every frame" if stride == 1 else f"1 frame in {stride}" for stride in slices],
        title="The puppet's wave at lower frame rates",
        alt="The x-t slice of the puppet's arm at four frame rates: a zigzag at first, then coarser steps; at one "
        "frame in eight a straight band remains.",
    )


def _thick(values: Tensor, height: int) -> Tensor:
    """An x-t slice ``(3, T, W)``, with so many rows for each moment that it becomes about as high as asked."""
    return values.repeat_interleave(max(1, height // values.shape[1]), dim=1)


def arrows(frame: Tensor, field: Tensor, t: int, kind: str) -> Figure:
    """A flow field ``(2, H, W)`` on the frame from which it starts."""
    return quiver(
        frame,
        field,
        spacing=max(4, frame.shape[-2] // 18),
        title=f"Flow as arrows<br>frame {t}, {kind}, drawn to scale",
        alt="Arrows on the frame, each from a pixel to where its point is in the next frame.",
    )


def moments(fields: Tensor, t: int, max_speed: float, kind: str) -> Figure:
    """The field at a moment, one from a little earlier and one from a little later, as colours."""
    times = sorted({max(0, t - 4), t, min(len(fields) - 1, t + 4)})
    return flow_fields(
        {f"frame {time}": fields[time] for time in times},
        max_speed=max_speed,
        title=f"Flow as colour<br>{kind}",
        alt="Flow fields of three moments as colours. In the puppet's clip limbs stand out from the body, and the "
        "background has the colour of the camera's motion.",
    )


def components(field: Tensor) -> Figure:
    """Figure 2 (d) and (e) of Simonyan and Zisserman, in colour."""
    return flow_components(
        field,
        title="The two components of a flow field<br>after Simonyan & Zisserman, Figure 2 (d, e)",
        alt="Left the horizontal component, right the vertical one, both on one signed scale from blue over white to "
        "brown.",
    )


def motion(clip: Tensor, fields: Tensor, tracks: Tensor, *, name: str, kind: str, **playback: Any) -> ClipPlayer:
    """The clip with its flow, its speed, and the paths ``(N, T, 2)`` of points as overlays."""
    top = typical_speed(fields)
    paths = Layer(clip, "the paths of points since the first frame", alt="paths over the clip", tracks=tracks)
    layers = {
        "image": Layer(clip, alt=name),
        "flow": flow_layer(fields, top, f"flow of {name} as colour"),
        "speed": speed_layer(fields.norm(dim=1), top, f"speed of every pixel of {name}"),
        "trajectories": paths,
    }
    return ClipPlayer(layers, title=f"Flow, {kind}", alt=f"Motion of {name}.", **playback)


def warping(as_they_are: Tensor, warped: Tensor) -> Figure:
    """How much two frames differ ``(H, W)``, before and after the second is warped back."""
    return heat_maps(
        {"frames left as they are": as_they_are, "second frame warped back": warped},
        unit="brightness levels of 255",
        limit=60,
        title="How well does flow explain the change?",
        alt="Left the difference of two neighbouring frames: bright at every moving edge. Right the difference after "
        "warping: outlines of moving things remain, and the patches that they cover.",
    )


def partners(frame: Tensor, masks: Mapping[str, Tensor], kind: str) -> Figure:
    """The pixels ``(H, W)`` that have no partner in the next frame, by the name of who says so, on the frame."""
    shade = frame.new_tensor(ORANGE)[:, None, None]
    return image_grid(
        [torch.where(mask, shade, frame * 0.6 + 0.4) for mask in masks.values()],
        labels=list(masks),
        title=f"Points without a partner<br>{kind} flow in both directions",
        alt="The frame, paler, with coloured pixels along outlines and at the border: points that disappear. Beside "
        "it, where the truth is known, the exact ones.",
    )


def cards(holes: Mapping[str, Tensor], uncovered: Mapping[str, Tensor]) -> ClipPlayer:
    """Moving cards ``(T, 3, H, W)`` behind a hole, and without the screen."""
    panels = []
    for name, clip in holes.items():
        hole = Layer(clip, alt="diagonal stripes move behind a round hole")
        card = Layer(uncovered[name], alt=f"card {name}, whose marks give its motion away")
        panels.append(Panel(name, {"through the hole": hole, "screen off": card}))
    alt = "Three striped cards move in three directions. Through the hole all three look the same."
    return ClipPlayer(*panels, title="Three cards behind a hole", alt=alt, fps=8)


def answers(exact: Mapping[str, Tensor], estimated: Mapping[str, Tensor], hole: Tensor) -> Figure:
    """The motion of the cards ``(2, H, W)`` in the hole ``(H, W)``: above the truth, below an estimate."""
    fields = {f"{name}, exact": field for name, field in exact.items()}
    fields |= {f"{name}, estimated": field for name, field in estimated.items()}
    return flow_fields(
        {name: torch.where(hole, field, 0) for name, field in fields.items()},
        columns=len(exact),
        max_speed=1.0,
        title="What an estimator answers for the three cards<br>only the hole is shown",
        alt="Above three discs in three colours: the true motions. Below three discs of one colour: the estimates.",
    )


def locations(frame: Tensor, chosen: Mapping[str, tuple[int, int]]) -> Figure:
    """Three locations (x, y) of a frame, each with its neighbourhood of 7 x 7 pixels."""
    return marked_locations(
        frame,
        chosen,
        side=7,
        title="Three locations<br>with neighbourhoods of 7 x 7 pixels",
        alt="The frame with three small squares: on a flat patch, on an edge and on a corner.",
    )


def matching(errors: Mapping[str, Tensor], velocities: Mapping[str, Tensor], reach: float, kind: str) -> Figure:
    """How badly each velocity explains a neighbourhood, in levels of 255, and the flow ``(2,)`` there as a cross.

    Args:
        errors: by location, ``(S, S)`` each; rows are dy and columns dx, both from -reach to reach.
        velocities: by location, in pixels per frame.
        reach: the largest velocity that was tried.
        kind: what the flow is.
    """
    half = (next(iter(errors.values())).shape[0] - 1) // 2
    return heat_maps(
        errors,
        unit="levels of 255",
        marks={name: tuple(((velocity / reach + 1) * half).tolist()) for name, velocity in velocities.items()},
        title="How badly each velocity explains a neighbourhood<br>"
        f"across: dx, down: dy, from -{reach:.2g} to {reach:.2g} pixels per frame; cross: the {kind} flow",
        alt="Three heat maps of the error over velocities. Flat: low everywhere. Edge: a long valley. Corner: one pit.",
    )


def estimators(
    fields: Mapping[str, Tensor], errors: Mapping[str, Tensor], max_speed: float, *, fps: float, start: int
) -> ClipPlayer:
    """Flow ``(T, 2, H, W)`` by several estimators, and the exact one where it is known, with their errors."""
    caption = f"dark blue: none; yellow: {max_speed / 2:.2g} pixels or more"
    panels = []
    for name, field in fields.items():
        layers = {"flow": flow_layer(field, max_speed, f"{name} flow")}
        if name in errors:
            heat = heat_to_rgb(errors[name], 0, max_speed / 2)
            layers["error"] = Layer(heat, caption, f"error of {name}: bright at outlines")
        panels.append(Panel(name, layers))
    return ClipPlayer(
        *panels,
        title="Three estimators" + (" and the truth" if "exact" in fields else ""),
        alt="Flow by three estimators on one colour scale. They blur, or lose, what is thin and fast.",
        fps=fps,
        start=start,
        quality=90,
    )


def errors_by_area(table: Mapping[str, Mapping[str, float]], kind: str) -> Figure:
    """The mean error of each estimator in each area, in pixels."""
    exact = kind == "exact"
    return bar_chart(
        table,
        x_title="estimator",
        y_title="EPE (pixels)" if exact else "distance from the mean (pixels)",
        title="Mean end-point error by area" if exact else "How far the estimators are apart",
        alt="Mean errors.",
    )


def cameras(clips: Mapping[str, tuple[Tensor, Tensor]]) -> ClipPlayer:
    """The puppet's walk before several cameras: frames and flow of each, and the flow without its mean."""
    speed = max(typical_speed(fields) for _, fields in clips.values())
    return ClipPlayer(
        *(Panel(shot, mean_subtraction_layers(*footage, speed)) for shot, footage in clips.items()),
        title="What the camera adds, and what mean subtraction takes away",
        alt="The same walk before a camera on a tripod and before one held by hand; flow before and after its mean "
        "vector is subtracted.",
        fps=8,
        start=len(next(iter(clips.values()))[0]) // 3,
        quality=90,
    )


def background_speed(before: Mapping[str, float], after: Mapping[str, float]) -> Figure:
    """The mean speed of the background by camera, before and after the mean vector is subtracted."""
    rows = {"flow": before, "flow - mean": after}
    return bar_chart(
        {label: {camera: round(speed, 4) for camera, speed in row.items()} for label, row in rows.items()},
        x_title="camera",
        y_title="mean speed (pixels per frame)",
        title="How fast the background seems to move",
        alt="Mean speed of the background for each camera, before and after its mean vector is subtracted.",
    )


def without_mean(clip: Tensor, fields: Tensor, *, name: str, kind: str, start: int, **playback: Any) -> ClipPlayer:
    """The clip of the lesson and its flow, before and after mean subtraction."""
    return ClipPlayer(
        mean_subtraction_layers(clip, fields, typical_speed(fields)),
        title=f"Mean subtraction, {kind} flow",
        alt=f"Flow of {name} before and after its mean vector is subtracted.",
        start=start,
        **playback,
    )


def far_travellers(fields: Tensor) -> Tensor:
    """Points that travel farther than their neighbours over the fields ``(L, 2, H, W)``, away from the border.

    Returns:
        ``(N, 2)``, (x, y) in pixels, row by row; twelve, or fewer.
    """
    height, width = fields.shape[-2:]
    grid = flow.pixel_grid(height, width, like=fields)  # (H * W, 2)
    travelled = flow.trajectories(fields, grid).diff(dim=1).norm(dim=-1).sum(1).reshape(1, height, width)
    margin, near = height // 8, max(3, height // 12)
    travelled = F.pad(travelled[:, margin:-margin, margin:-margin], (margin,) * 4)
    peaks = (travelled == F.max_pool2d(travelled, 2 * near + 1, 1, near)) & (travelled > travelled.max() / 4)
    return grid[peaks.flatten()][:12]


def paths(frame: Tensor, fields: Tensor, tau: int) -> Figure:
    """Figure 3 of Simonyan and Zisserman on the clip: paths of points through the fields from frame tau."""
    return trajectory_plot(
        frame,
        flow.trajectories(fields, far_travellers(fields)),
        title=f"Where trajectory stacking reads<br>L = {len(fields)} fields from frame {tau}; stacking stays at the "
        "white dot",
        alt="Paths drawn over the first frame, from a white dot where a point starts to a square where it ends.",
    )


def volumes(stacks: Mapping[str, Tensor], tau: int, middle: int) -> ClipPlayer:
    """Input volumes ``(2L, H, W)`` by name, step by step; the one called bi-directional belongs to another frame."""
    length = next(iter(stacks.values())).shape[0] // 2
    ahead = _steps(tau, length)
    both = _steps(middle, length // 2) + _steps(middle, length // 2, -1)
    limit = typical_speed(torch.stack([stack.unflatten(0, (-1, 2)) for stack in stacks.values()]))
    grey = f"white: {limit:.2g} pixels per frame, black: -{limit:.2g}, grey: at rest"
    panels = []
    for name, stack in stacks.items():
        halves = {"dx": stack[0::2], "dy": stack[1::2]}  # (L, H, W) each
        layers = {axis: Layer(signed_to_rgb(half, limit), grey, f"{axis}, {name}") for axis, half in halves.items()}
        panels.append(Panel(name, layers, labels=both if name == "bi-directional" else ahead))
    return ClipPlayer(
        *panels,
        title=f"{len(stacks)} input volumes, {length} channel pairs each",
        alt=f"{len(stacks)} ways to fill the input of the temporal stream, played through their channel pairs; grey is "
        "no motion.",
        fps=4,
        quality=90,
    )


def _steps(start: int, count: int, direction: int = 1) -> list[str]:
    return [f"{start + direction * k} → {start + direction * (k + 1)}" for k in range(count)]


def storage(kilobytes: Mapping[int, float], errors: Mapping[int, float], raw: float) -> Figure:
    """The error of stored flow over its size, by the quality of the JPEG; raw is its size as floating point."""
    return line_chart(
        {"range of each field + JPEG": (list(kilobytes.values()), list(errors.values()))},
        x_title=f"kilobytes per field (as floating point: {raw:.0f})",
        y_title="error (EPE, pixels)",
        title="The price of JPEG<br>from left to right: quality " + ", ".join(map(str, kilobytes)),
        alt="; ".join(f"quality {q}: {kilobytes[q]:.1f} kB, {errors[q]:.3f} px" for q in kilobytes),
    )


def storage_errors(field: Tensor, error: Tensor, max_speed: float) -> Figure:
    """Where storing a field ``(2, H, W)`` hurts: its error ``(H, W)`` beside a tenth of its speed."""
    return heat_maps(
        {"a tenth of the speed": field.norm(dim=0) / 10, "error at quality 90": error},
        unit="pixels",
        limit=max_speed / 10,
        title="Where JPEG hurts",
        alt="Left a tenth of the speed of the field, right the error after storing: blocks of 8 x 8 pixels along the "
        "outlines of what moves.",
    )
