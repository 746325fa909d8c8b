"""The figures of the first lesson: the lab's own clips, and a figure for each paper, made of pixels alone."""

from collections.abc import Sequence

from torch import Tensor

from labkit.clips import Clip, Clips
from labkit.viz.classes import readable
from labkit.viz.colour import flow_to_rgb
from labkit.viz.figures import image_grid
from labkit.viz.layers import flow_layer, speed_layer
from labkit.viz.player import ClipPlayer, Layer, Panel
from labkit.viz.style import Figure

FPS = 8.0


def stroll(frames: Tensor, fields: Tensor, max_speed: float) -> ClipPlayer:
    """The painted clip ``(T, 3, H, W)``, its flow ``(T - 1, 2, H, W)`` and its speed."""
    layers = {
        "image": Layer(frames, alt="a puppet waves"),
        "flow": flow_layer(fields, max_speed),
        "speed": speed_layer(fields.norm(dim=1), max_speed),
    }
    alt = "A puppet strolls to the right through a park and waves, while the camera follows."
    return ClipPlayer(layers, title="A stroll through the park", alt=alt, fps=FPS)


def actions(sets: Sequence[Clips]) -> Figure:
    """The middle frame of a clip of each class of each set."""
    chosen = [(name, _clip(clips, name)) for clips in sets for name in clips.classes]
    return image_grid(
        [clip.frames([clip.num_frames // 2])[0] for _, clip in chosen],
        columns=6,
        labels=[readable(name) for name, _ in chosen],
        title="One moment of each action",
        alt=f"{len(chosen)} frames of puppets in forests, kitchens, on stages and streets, each in the middle of an "
        "action.",
    )


def motions(clips: Clips, names: Sequence[str]) -> ClipPlayer:
    """A clip of each of some classes, as frames and as flow."""
    panels = []
    for name in names:
        clip = _clip(clips, name, group=2)
        frames, fields = clip.frames(range(clip.num_frames)), clip.flow(range(clip.num_frames - 1))
        panels.append(Panel(readable(name), {"image": frames, "flow": flow_layer(fields, max_speed=4.0)}))
    alt = f"Puppets act: {', '.join(panel.title for panel in panels)}."
    return ClipPlayer(*panels, title="Six actions", alt=alt, fps=FPS)


def two_streams(frame: Tensor, field: Tensor, max_speed: float) -> Figure:
    """Paper 02: a frame ``(3, H, W)``, and the flow ``(2, H, W)`` of the same moment."""
    return image_grid(
        [frame, flow_to_rgb(field, max_speed)],
        labels=["what the spatial stream sees", "what the temporal stream sees"],
        title="Two streams",
        alt="Left a frame: a puppet in a park. Right the flow of the same moment in colour: the figure stands out, and "
        "where the camera moves the ground has a tint of its own.",
    )


def orders(frames: Tensor, times: Tensor) -> Figure:
    """Paper 03: frames ``(T, 3, H, W)``, and the same in reversed order, with their times ``(T,)``."""
    labels = [f"t = {time}" for time in [*times.tolist(), *times.flip(0).tolist()]]
    return image_grid(
        [*frames, *frames.flip(0)],
        columns=len(frames),
        labels=labels,
        title="The same frames, forwards and backwards",
        alt="Two rows of frames: above the puppet walks to the right, below are the same frames in reversed order.",
    )


def bag(frame: Tensor, patches: Tensor) -> Figure:
    """Paper 04: a frame ``(3, H, W)``, and its patches ``(N, 3, S, S)`` in some order, put together row by row."""
    columns = frame.shape[2] // patches.shape[3]
    rows = patches.unflatten(0, (-1, columns)).permute(2, 0, 3, 1, 4)  # (3, rows, S, columns, S)
    return image_grid(
        [frame, rows.flatten(3, 4).flatten(1, 2)],
        labels=["a frame", "its patches, sorted"],
        title="A bag of patches",
        alt="Left a frame, right the same frame cut into square patches that are sorted from dark to bright.",
    )


def pooled(mean: Tensor, unusual: Tensor) -> Figure:
    """Paper 05: two ways to make one image ``(3, H, W)`` of a clip."""
    return image_grid(
        [mean, unusual],
        labels=["mean over time", "most unusual moment of each pixel"],
        title="Pooling over time",
        alt="Left the mean of all frames, blurred where the puppet moves. Right a maximum: ghosts of every pose stand "
        "out.",
    )


def prediction(now: Tensor, predicted: Tensor, later: Tensor) -> Figure:
    """Paper 06: a frame ``(3, H, W)``, what its pixels make of the next one, and the next one."""
    return image_grid(
        [now, predicted, later],
        labels=["now", "put together from now", "next"],
        title="One step into the future",
        alt="Three frames: now, the next one put together from its pixels, and the true next one. They look almost the "
        "same, but in the middle what moved is doubled: a hand, or a leg.",
    )


def difference(first: Tensor, second: Tensor, times: tuple[int, int]) -> Figure:
    """Paper 07: two frames ``(3, H, W)`` and their difference, grey where it is 0."""
    change = (second.float() - first.float()) / 510 + 0.5
    return image_grid(
        [first, change, second],
        labels=[f"frame {times[0]}", "difference", f"frame {times[1]}"],
        title="Differences",
        alt="Two frames with their difference between them: grey where nothing changes, coloured along moving edges.",
    )


def photos_and_frames(photos: Clips, clips: Clips) -> Figure:
    """Paper 08: for each class a photo, and a frame of a video."""
    images, labels = [], []
    for name in clips.classes:
        for kind, source, time in (("photo", photos, 0), ("a frame", clips, 2)):
            images.append(_clip(source, name).frames([time])[0])
            labels.append(f"{readable(name)}, {kind}")
    return image_grid(
        images,
        columns=4,
        labels=labels,
        title="Photos and frames",
        alt="For each of four meetings of two puppets a posed photo, taken close up, beside a frame of a video in "
        "which the puppets still stand apart.",
    )


def _clip(clips: Clips, name: str, group: int = 1) -> Clip:
    """The first clip of a class, by its name, in a group."""
    chosen = (clips.labels == clips.classes.index(name)) & (clips.groups == group)  # (N,)
    return clips[int(chosen.nonzero()[0])]
