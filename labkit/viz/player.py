"""ClipPlayer: clips side by side in lockstep, as a widget in the notebook and as a plain fragment in exported HTML.

Every frame of every overlay is encoded once, here; playing, scrubbing and switching then happen in the browser, without
delay, with or without a kernel, as `labkit.viz.widget` has it.

What one player adds to the page: 64 x 64 x 16 frames of the world with three overlays about 250 kB; 320 x 240 x 100
frames of real video about 15 MB an overlay, with ``quality=80`` about 2 MB. More than 40 MB is an error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import traitlets

from labkit.checks import require_finite, require_positive, require_shape
from labkit.viz.colour import as_uint8, data_uri
from labkit.viz.widget import PageWidget, require_choice

SPEEDS = (0.25, 0.5, 1.0, 2.0)  # the choices of the speed menu in player.js

Frames = torch.Tensor | np.ndarray


@dataclass(frozen=True)
class Layer:
    """One overlay of a panel: an image per frame and what there is to say about it.

    Attributes:
        frames: (T, 3, H, W) RGB or (T, 1, H, W) grey, uint8 or float in [0, 1]. What lives between two frames, such as
            optical flow, has T - 1; the last frame of the clip then says so instead of showing an image.
        caption: one line below the image: what the colours mean, with units.
        alt: what the images show, for those who cannot see them.
        key: (3, h, w), a small image beside the caption, such as the colour wheel of a flow field.
        tracks: (N, T, 2), N points (x, y) in pixels through time (0 is the centre of the first pixel), drawn as lines
            from the first frame up to the one that is shown.
    """

    frames: Frames
    caption: str = ""
    alt: str = ""
    key: Frames | None = None
    tracks: Frames | None = None


@dataclass(frozen=True)
class Panel:
    """One clip of a player, with its overlays.

    Attributes:
        title: shown above the image.
        layers: overlays by name, all of one height and width; a value may be bare frames. The first one is shown when
            the player opens, and whenever the chosen overlay is one that this panel lacks.
        labels: a text per frame, shown beside the title, such as the class a network sees there.
    """

    title: str
    layers: Mapping[str, Layer | Frames]
    labels: Sequence[str] | None = None


class ClipPlayer(PageWidget, kind="player"):
    """Plays one clip, or several in lockstep, and switches between overlays.

    ``ClipPlayer({"image": clip, "flow": colours}, title="Walking", alt="A puppet walks to the right.")`` plays one
    clip; ``ClipPlayer(Panel("camera still", {...}), Panel("camera moving", {...}), title=..., alt=...)`` plays two. The
    number of frames T is that of the longest layer; every layer has T or T - 1 (see ``Layer``). An overlay chosen
    in the player is shown by every panel that has one of that name.

    Attributes:
        frame: index of the frame shown, from 0 (the page counts from 1: "frame 1 of 16" is index 0).
        overlay: name of the chosen overlay.
        playing: whether it plays; never at first.
        speed: one of ``SPEEDS``, times ``fps``.
        loop: start again after the last frame.
    """

    frame = traitlets.Int().tag(sync=True)
    overlay = traitlets.Unicode().tag(sync=True)
    playing = traitlets.Bool(False).tag(sync=True)
    speed = traitlets.Enum(SPEEDS, default_value=1.0).tag(sync=True)
    loop = traitlets.Bool(True).tag(sync=True)

    def __init__(
        self,
        *panels: Panel | Mapping[str, Layer | Frames],
        title: str,
        alt: str,
        fps: float = 8.0,
        start: int = 0,
        quality: int | None = None,
    ) -> None:
        """Check and encode every frame.

        Args:
            panels: one per clip; a mapping stands for a panel without a title or labels.
            title: heading of the player.
            alt: what there is to see, in a sentence, for those who cannot see it.
            fps: frames per second at normal speed.
            start: index of the frame to open at.
            quality: ``None`` keeps every pixel; 1 to 100 loses some, for real video (80 is a good start).

        Raises:
            TypeError: a panel, layer or dtype of the wrong kind.
            ValueError: wrong shapes, numbers of frames, sizes, names or values, or too much for a page.
        """
        if not panels:
            raise ValueError("panels must be at least one; got none: pass a Panel or {'image': clip}")
        require_positive(fps, "fps", "frames per second")
        encoded = [_encoded_panel(panel, number, quality) for number, panel in enumerate(panels, 1)]
        length = _common_length(encoded)
        if not 0 <= start < length:
            raise ValueError(f"start must be 0 to {length - 1}; got {start}: it is the index of a frame")
        # A panel with a single layer has nothing to choose from.
        choices = [layer["name"] for panel in encoded if len(panel["layers"]) > 1 for layer in panel["layers"]]
        overlays = list(dict.fromkeys(choices))
        scene = {"title": title, "alt": alt, "fps": fps, "length": length, "overlays": overlays, "panels": encoded}
        first = encoded[0]["layers"][0]["name"]
        super().__init__(scene, frame=start, overlay=next(iter(overlays), first))

    def _state(self) -> dict[str, Any]:
        return super()._state() | {"playing": False}

    @traitlets.validate("frame", "overlay")
    def _is_there(self, proposal: Any) -> Any:
        names = list(dict.fromkeys(layer["name"] for panel in self.scene["panels"] for layer in panel["layers"]))
        return require_choice(proposal, frame=range(self.scene["length"]), overlay=names)


def _encoded_panel(panel: Panel | Mapping[str, Layer | Frames], number: int, quality: int | None) -> dict[str, Any]:
    """Check one panel and return what the browser needs to show it; errors call it by its title or number."""
    if isinstance(panel, Mapping):
        panel = Panel("", panel)
    if not isinstance(panel, Panel):
        hint = "pass {'image': clip}, or Panel(title, {...})"
        raise TypeError(f"panel {number} must be a Panel or a mapping; got {type(panel).__name__}: {hint}")
    title = f"panel {panel.title!r}" if panel.title else f"panel {number}"
    if not panel.layers:
        raise ValueError(f"{title} must have at least one layer; got none: pass {{'image': clip}}")
    layers, sizes = [], {}
    for name, value in panel.layers.items():
        layer, where = value if isinstance(value, Layer) else Layer(value), f"{name!r} of {title}"
        frames = _images(layer.frames, "T C H W", where, "one clip, time first")
        sizes[name] = tuple(frames.shape[-2:])
        key, tracks = None, []
        if layer.key is not None:
            key = data_uri(_images(layer.key, "C h w", f"key of {where}", "one small image"), quality)
        if layer.tracks is not None:
            require_shape(layer.tracks, "N T 2", f"tracks of {where}", "(x, y) of each point in each frame")
            points = torch.as_tensor(layer.tracks).detach().cpu().double()
            require_finite(points, f"tracks of {where}", "leave out the points that get lost")
            tracks = points.round(decimals=2).tolist()
        texts = {"name": name, "caption": layer.caption, "alt": layer.alt}
        layers.append({**texts, "frames": [data_uri(frame, quality) for frame in frames], "key": key, "tracks": tracks})
    if len(set(sizes.values())) > 1:
        raise ValueError(f"layers of {title} must have one height and width; got {sizes}: resize, or use a Panel each")
    height, width = next(iter(sizes.values()))
    labels = None if panel.labels is None else [str(label) for label in panel.labels]
    return {"title": panel.title, "labels": labels, "height": height, "width": width, "layers": layers}


def _common_length(panels: Sequence[dict[str, Any]]) -> int:
    """Return the number of frames of the longest layer, after checking that everything else is as long."""
    counts = {
        f"{layer['name']!r} of panel {panel['title'] or number!r}": len(layer["frames"])
        for number, panel in enumerate(panels, 1)
        for layer in panel["layers"]
    }
    length = max(counts.values())
    if min(counts.values()) < length - 1:
        got = ", ".join(f"{count} in {name}" for name, count in counts.items())
        raise ValueError(
            "layers must have the same number of frames, or one less for what lives between two frames; "
            f"got {got}: cut the clips to one length"
        )
    for panel in panels:
        if panel["labels"] is not None and len(panel["labels"]) != length:
            raise ValueError(f"labels must be {length}; got {len(panel['labels'])}: pass one text per frame")
        for layer in panel["layers"]:
            if any(len(track) != length for track in layer["tracks"]):
                points = len(layer["tracks"][0])
                raise ValueError(f"tracks must be (N, {length}, 2); got T = {points}: pass a point for every frame")
    return length


def _images(images: Frames, pattern: str, name: str, hint: str) -> torch.Tensor:
    """Check images and return them as uint8 RGB."""
    require_shape(images, pattern, name, hint)
    if 0 in images.shape:
        raise ValueError(f"{name} must not be empty; got {tuple(images.shape)}: look at what was cut from the clip")
    return as_uint8(torch.as_tensor(images), name)
