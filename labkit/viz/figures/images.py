"""Images side by side, optical flow as colours, arrows and tracks, and heat maps."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
import torch
from torch import Tensor

from labkit.checks import require_finite, require_same_shape, require_shape
from labkit.viz.colour import as_uint8, colour_wheel, data_uri, flow_to_rgb, shrunk, typical_speed
from labkit.viz.figures.labels import LETTER, PAGE, wrapped_label
from labkit.viz.style import DIVERGING, INK, PALETTE, QUIET, SEQUENTIAL, Figure, finish

LONGEST_TILE = 480  # pixels; larger images are shrunk before they travel with the page


def frame_strip(clip: Tensor, *, title: str, alt: str, labels: Sequence[str] | None = None) -> Figure:
    """The frames of a clip, left to right, up to eight in a row.

    Args:
        clip: (T, 3, H, W) uint8, or floating point in [0, 1]; one channel is shown grey.
        title: above the figure.
        alt: what there is to see.
        labels: one line above each frame; default ``t = 0``, ``t = 1``...
    """
    require_shape(clip, "T C H W", "clip")
    labels = [f"t = {t}" for t in range(len(clip))] if labels is None else labels
    return image_grid(list(clip), labels=labels, columns=min(8, len(clip)), title=title, alt=alt)


def image_grid(
    images: Sequence[Tensor], *, title: str, alt: str, labels: Sequence[str] | None = None, columns: int | None = None
) -> Figure:
    """Images in rows, each with a label above it, in several lines where it is wider than its image.

    Args:
        images: (3, H, W) or (1, H, W) each, uint8 or floating point in [0, 1]; sizes may differ.
        title: above the figure.
        alt: what there is to see.
        labels: one for each image.
        columns: images to a row; default all in one row.

    Raises:
        ValueError: no images, or as many labels as images are not given.
    """
    if not images:
        raise ValueError("images must hold at least one image; got none: check the selection above")
    labels = [""] * len(images) if labels is None else labels
    if len(labels) != len(images):
        raise ValueError(
            f"labels must be one for each of the {len(images)} images; got {len(labels)}: add or drop some"
        )
    columns = columns or len(images)
    tiles = [shrunk(image[None], LONGEST_TILE, "image")[0] for image in images]  # (3, h, w) each
    tall, wide = (max(tile.shape[axis] for tile in tiles) for axis in (1, 2))
    rows = -(-len(tiles) // columns)
    labels = [wrapped_label(label, PAGE / columns) for label in labels]
    lines = max(label.count("<br>") + 1 if label else 0 for label in labels)
    gap, label_height = 0.04 * wide, 0.04 * wide + (15 * lines + 3 * bool(lines)) * columns * wide / PAGE
    images, notes = [], []  # put into the figure together: plotly takes its time for each call
    for number, (tile, label) in enumerate(zip(tiles, labels, strict=True)):
        left, top = (number % columns) * (wide + gap), (number // columns) * (tall + label_height) + label_height
        x, y = left + (wide - tile.shape[2]) / 2, top + (tall - tile.shape[1]) / 2
        smooth = "fast" if tile.shape[-1] > 128 else False
        images.append(go.Image(source=_uri(tile), x0=x + 0.5, y0=y + 0.5, zsmooth=smooth, hoverinfo="skip"))
        if label:
            place = {"x": left + wide / 2, "y": top, "yanchor": "bottom", "yshift": -1}
            notes.append({"text": label, "showarrow": False, **place})
    figure = go.Figure(images, layout={"annotations": notes})
    across, down = columns * (wide + gap) - gap, rows * (tall + label_height)
    _hide_axes(figure, across, down)
    height = int(min(down / across * (PAGE - 32), 1400)) + 84
    return finish(figure, title=title, alt=alt, height=height, margin={"l": 16, "r": 16, "b": 16})


def flow_fields(
    fields: Mapping[str, Tensor],
    *,
    title: str,
    alt: str,
    max_speed: float | None = None,
    columns: int | None = None,
) -> Figure:
    """Optical flow in colour, one field or several on one scale, with the colour wheel as legend.

    Args:
        fields: a label and a field (2, H, W) in pixels per frame each.
        title: above the figure.
        alt: what there is to see.
        max_speed: the speed of full colour, in pixels per frame; default the fastest field's 99th percentile.
        columns: fields to a row; default up to four.
    """
    for label, field in fields.items():
        require_shape(field, "2 H W", f"flow of {label!r}", "pass one field of (dx, dy) for each label")
    speed = max(typical_speed(field) for field in fields.values()) if max_speed is None else max_speed
    columns = columns or min(4, len(fields))
    figure = image_grid(
        [flow_to_rgb(field, speed) for field in fields.values()],
        labels=list(fields),
        columns=columns,
        title=title,
        alt=f"{alt} Colours: hue is direction, saturation is speed, full at {speed:.2g} pixels per frame.",
    )
    figure.update_layout(margin_r=150)
    tall = next(iter(fields.values())).shape[-2] / next(iter(fields.values())).shape[-1] * (PAGE - 166) / columns
    figure.update_layout(
        height=int(min(max(230, -(-len(fields) // columns) * (tall + 24) + 22 + figure.layout.margin.t), 520))
    )
    _add_wheel(figure, speed)
    return figure


def quiver(image: Tensor, flow: Tensor, *, title: str, alt: str, spacing: int = 8) -> Figure:
    """Arrows on an image: where each point is in the next frame.

    Args:
        image: (3, H, W), the frame the flow starts from.
        flow: (2, H, W) in pixels per frame.
        title: above the figure.
        alt: what there is to see.
        spacing: pixels between arrows.
    """
    require_shape(flow, "2 H W", "flow", "pass one field of (dx, dy)")
    require_finite(flow, "flow")
    figure = _over_image(image, flow)
    height, width = flow.shape[-2:]
    y, x = torch.meshgrid(
        torch.arange(spacing // 2, height, spacing), torch.arange(spacing // 2, width, spacing), indexing="ij"
    )
    dx, dy = flow.detach().cpu().float()[:, y, x]
    moving = torch.hypot(dx, dy) > 0.25  # shorter arrows would be all head
    starts = torch.stack([x, y], -1)[moving].float()  # (N, 2)
    steps = torch.stack([dx, dy], -1)[moving]  # (N, 2)
    ends = starts + steps
    length = torch.linalg.vector_norm(steps, dim=-1, keepdim=True)
    along = steps / length * (0.35 * length).clamp(max=2.5)
    across = torch.stack([-along[:, 1], along[:, 0]], -1) * 0.6
    gap = torch.full_like(starts, torch.nan)
    lines = torch.stack([starts, ends, ends - along + across, ends, ends - along - across, gap], 1).flatten(0, 1)
    for colour, thick in (("rgba(0,0,0,.75)", 4), ("white", 2)):  # white on black reads on any image
        _add_lines(figure, lines, colour, thick)
    return _finish_image(figure, flow, title, alt)


def trajectory_plot(image: Tensor, tracks: Tensor, *, title: str, alt: str) -> Figure:
    """Paths of points, drawn over the frame they start from.

    Args:
        image: (3, H, W).
        tracks: (N, L, 2) positions (x, y) in pixels over L frames.
        title: above the figure.
        alt: what there is to see.
    """
    require_shape(tracks, "N L 2", "tracks", "positions (x, y) of N points over L frames")
    figure = _over_image(image, image)
    tracks = tracks.detach().cpu().float()
    lines = torch.cat([tracks, torch.full_like(tracks[:, :1], torch.nan)], 1).flatten(0, 1)
    _add_lines(figure, lines, "rgba(0,0,0,.75)", 4)
    _add_lines(figure, lines, PALETTE[4], 2)
    ends = ((tracks[:, 0], "white", "circle", "start"), (tracks[:, -1], PALETTE[1], "square", "end"))
    for points, colour, symbol, name in ends:
        marker = {"size": 7, "symbol": symbol, "color": colour, "line": {"color": "black", "width": 1}}
        figure.add_scatter(x=points[:, 0].numpy(), y=points[:, 1].numpy(), mode="markers", marker=marker, name=name)
    figure.update_layout(
        showlegend=True, legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1.01, "yanchor": "bottom"}
    )
    return _finish_image(figure, image, title, alt)


def marked_locations(
    image: Tensor, locations: Mapping[str, tuple[int, int]], *, side: int, title: str, alt: str
) -> Figure:
    """An image with a square around each location, labelled.

    Args:
        image: (3, H, W).
        locations: a label and a centre (x, y) in pixels each.
        side: side of the squares in pixels.
        title: above the figure.
        alt: what there is to see.
    """
    figure = _over_image(image, image)
    for number, (label, (x, y)) in enumerate(locations.items()):
        corners = {"x0": x - side / 2, "x1": x + side / 2, "y0": y - side / 2, "y1": y + side / 2}
        for colour, thick in (("black", 5), (PALETTE[(number + 3) % len(PALETTE)], 3)):
            figure.add_shape(type="rect", line={"color": colour, "width": thick}, **corners)
        text = {"text": f"<b>{label}</b>", "bgcolor": "rgba(255,255,255,.85)", "showarrow": False}
        figure.add_annotation(x=x, y=y - side / 2, yanchor="bottom", yshift=4, **text)
    return _finish_image(figure, image, title, alt)


def heat_maps(
    maps: Mapping[str, Tensor],
    *,
    title: str,
    alt: str,
    unit: str,
    centred: bool = False,
    limit: float | None = None,
    marks: Mapping[str, tuple[float, float]] | None = None,
) -> Figure:
    """Numbers over the image plane, one map or several on one scale.

    Args:
        maps: a label and a map (H, W) each.
        title: above the figure.
        alt: what there is to see.
        unit: of the numbers, written at the colour bar.
        centred: True for signed numbers: a scale that is even about 0.
        limit: the end of the scale; default the largest 99.5th percentile of a map's magnitudes.
        marks: a place (x, y) in pixels to mark with a cross, by label of the map.
    """
    for label, values in maps.items():
        require_shape(values, "H W", f"map {label!r}")
    arrays = [values.detach().cpu().float().numpy() for values in maps.values()]
    if limit is None:
        limit = max(1e-6, max(float(np.nanquantile(np.abs(array), 0.995)) for array in arrays))
    figure = go.Figure()
    gap = 0.04 * arrays[0].shape[1]
    columns = min(4, len(arrays))
    wide, tall = arrays[0].shape[1] + gap, arrays[0].shape[0] + 24 * arrays[0].shape[1] * columns / PAGE
    for number, (label, array) in enumerate(zip(maps, arrays, strict=True)):
        left, top = (number % columns) * wide, (number // columns) * tall + tall - array.shape[0]
        figure.add_heatmap(
            z=np.round(array, 3).astype(np.float32),
            x0=left,
            y0=top,
            coloraxis="coloraxis",
            hovertemplate=f"{label}: %{{z:.2f}} {unit}<extra></extra>",
        )
        figure.add_annotation(x=left + array.shape[1] / 2, y=top - 0.5, text=label, showarrow=False, yanchor="bottom")
        if marks and label in marks:
            x, y = left + marks[label][0], top + marks[label][1]
            cross = {"symbol": "x", "size": 10, "color": PALETTE[1], "line": {"color": "white", "width": 1.5}}
            figure.add_scatter(x=[x], y=[y], mode="markers", marker=cross, hoverinfo="skip", showlegend=False)
    rows = -(-len(arrays) // columns)
    across, down = columns * wide - gap, rows * tall
    _hide_axes(figure, across, down)
    figure.update_layout(
        coloraxis={
            "colorscale": DIVERGING if centred else SEQUENTIAL,
            "cmin": -limit if centred else 0,
            "cmax": limit,
            "colorbar": {"title": {"text": unit, "side": "right"}, "thickness": 12, "outlinewidth": 0, "len": 0.9},
        }
    )
    height = max(min(int(down / across * (PAGE - 110)) + 84, 520), 90 + int(12 * LETTER * len(unit)))
    return finish(figure, title=title, alt=alt, height=height, margin={"l": 16, "r": 90, "b": 16})


def flow_components(flow: Tensor, *, title: str, alt: str) -> Figure:
    """The two halves of a flow field: horizontal and vertical displacement on one signed scale.

    Args:
        flow: (2, H, W) in pixels per frame.
        title: above the figure.
        alt: what there is to see.
    """
    require_shape(flow, "2 H W", "flow", "pass one field of (dx, dy)")
    halves = {"dx (to the right)": flow[0], "dy (down)": flow[1]}
    return heat_maps(halves, title=title, alt=alt, unit="pixels per frame", centred=True)


def _uri(image: Tensor) -> str:
    """Small images keep every pixel, photographs of some size lose some."""
    return data_uri(image, 92 if image.shape[-1] > 200 else None)


def _over_image(image: Tensor, like: Tensor) -> go.Figure:
    require_shape(image, "C H W", "image")
    require_same_shape(image[0], like[0], ("image", "flow"), "one vector for each pixel")
    figure = go.Figure()
    tile = as_uint8(image, "image")
    figure.add_image(source=_uri(tile), zsmooth="fast" if tile.shape[-1] > 200 else False, hoverinfo="skip")
    return figure


def _finish_image(figure: go.Figure, like: Tensor, title: str, alt: str) -> Figure:
    height, width = like.shape[-2:]
    figure.update_xaxes(
        range=[-0.5, width - 0.5], title="x (pixels)", title_standoff=4, showgrid=False, zeroline=False, ticks="outside"
    )
    figure.update_yaxes(range=[height - 0.5, -0.5], title="y (pixels)", showgrid=False, zeroline=False, ticks="outside")
    figure.update_xaxes(constrain="domain", tickcolor=QUIET)
    figure.update_yaxes(scaleanchor="x", constrain="domain", tickcolor=QUIET)
    return finish(figure, title=title, alt=alt, height=int(min(height / width * 760, 620)) + 110)


def _add_lines(figure: go.Figure, points: Tensor, colour: str, thick: float) -> None:
    """Polylines (N, 2), parted by NaN."""
    line = {"color": colour, "width": thick}
    figure.add_scatter(
        x=points[:, 0].numpy(), y=points[:, 1].numpy(), mode="lines", line=line, hoverinfo="skip", showlegend=False
    )


def _add_wheel(figure: Figure, speed: float) -> None:
    """The colour wheel at the right edge, with the speed of its rim."""
    place = {"xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "middle", "sizing": "contain"}
    figure.add_layout_image(source=_uri(colour_wheel(128)), x=1.03, y=0.55, sizex=0.12, sizey=0.9, **place)
    note = {"xref": "paper", "yref": "paper", "showarrow": False, "xanchor": "center", "x": 1.09}
    text = f"rim: {speed:.2g} px per frame<br>centre: at rest"
    figure.add_annotation(text=text, y=0.5, yshift=-74, font={"color": INK}, **note)


def _hide_axes(figure: go.Figure, across: float, down: float) -> None:
    figure.update_xaxes(visible=False, range=[0, across], constrain="domain")
    figure.update_yaxes(visible=False, range=[down, 0], scaleanchor="x", constrain="domain", constraintoward="top")
