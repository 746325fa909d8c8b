"""Video files of the kinds that hide what a frame is, written by PyAV where a test asks for one."""

import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np
import torch
from av.codec.context import Flags

from labkit.data import write_video

TICKS = 90_000  # a second, in time stamps


def waves(moment: float, height: int = 48, width: int = 64) -> np.ndarray:
    """(H, W, 3) uint8: smooth stripes that move to the left and upwards, 4 and 2 pixels a frame."""
    y, x = np.mgrid[:height, :width]
    red, green = 120 + 100 * np.sin((x + 4 * moment) / 9), 120 + 100 * np.sin((y + 2 * moment) / 7)
    return np.stack([red, green, np.full_like(red, 128)], axis=-1).astype(np.uint8)


def write_grey(path: Path, length: int = 3) -> None:
    """A small video of some frames for sets of which only names and lengths matter: written once, then copied."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_grey(length, path.suffix))


@cache
def _grey(length: int, suffix: str) -> bytes:
    frames = torch.full((length, 3, 16, 24), 90, dtype=torch.uint8)
    return written(lambda path: write_video(path, frames, fps=25), suffix)


def written(write_to: Callable[[Path], None], suffix: str) -> bytes:
    """What a function writes to a file."""
    with TemporaryDirectory() as folder:
        path = Path(folder, f"file{suffix}")
        write_to(path)
        return path.read_bytes()


def write(
    path: Path,
    images: Iterable[np.ndarray],
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    rate: int = 10,
    *,
    seconds: Sequence[float] | None = None,
    options: dict[str, str] | None = None,
    **settings: Any,
) -> Path:
    """Write (H, W, 3) RGB or (H, W, 4) RGBA uint8 images, or frames of PyAV, at given times or a constant rate.

    ``settings`` are attributes of the encoder, such as ``sample_aspect_ratio``.
    """
    with av.open(str(path), "w") as container:
        stream = None
        for number, image in enumerate(images):
            frame = image if isinstance(image, av.VideoFrame) else _frame(image)
            if stream is None:
                stream = container.add_stream(codec, rate=rate, options=options or {})
                stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, pixel_format
                for name, value in settings.items():
                    setattr(stream.codec_context, name, value)
            moment = seconds[number] if seconds else number / rate
            frame.pts, frame.time_base = round(moment * TICKS), Fraction(1, TICKS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _frame(image: np.ndarray) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgba" if image.shape[2] == 4 else "rgb24")


def write_interlaced(path: Path, count: int = 10) -> list[np.ndarray]:
    """Grey frames whose even lines are of one moment and whose odd lines of the next, flagged so; the former, whole."""
    moments = [waves(t / 2)[..., :1].repeat(3, axis=-1) for t in range(2 * count)]  # colours would mix the moments
    woven = [moment.copy() for moment in moments[::2]]
    for frame, later in zip(woven, moments[1::2], strict=True):
        frame[1::2] = later[1::2]
    flags, lossless = Flags.interlaced_dct | Flags.interlaced_me, {"crf": "0"}
    if path.suffix == ".mp4":
        write(path, _flagged(woven), options=lossless, flags=flags)
    else:
        write(path, _flagged(woven), "mpeg4", flags=flags, qmin=1, qmax=2)
    return moments[::2]


def _flagged(images: Iterable[np.ndarray]) -> Iterable[av.VideoFrame]:
    """Frames that say that their even lines come first."""
    graph = None
    for image in images:
        frame = _frame(image).reformat(format="yuv420p")
        if graph is None:
            graph = av.filter.Graph()
            source = graph.add_buffer(
                width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 10)
            )
            graph.link_nodes(source, graph.add("setfield", "mode=tff"), graph.add("buffersink"))
            graph.configure()
        frame.pts = None
        graph.vpush(frame)
        yield graph.vpull()


def write_trimmed(path: Path, shown: int = 12, count: int = 60, rate: int = 30) -> np.ndarray:
    """An MP4 cut without re-encoding: an edit list hides all but the last frames. Returns those, (T, H, W, 3)."""
    whole = write(path.with_name("whole.mp4"), map(waves, range(count)), rate=rate, options={"g": "60", "bf": "0"})
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        stored = source.streams.video[0]
        copy = target.add_stream_from_template(stored)
        for packet in source.demux(stored):
            if packet.dts is not None:
                hidden = round((count - shown) / rate / stored.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts - hidden, packet.dts - hidden, copy
                target.mux(packet)
    with av.open(str(whole)) as source:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in source.decode(video=0)])[-shown:]


def remux(source: Path, target: Path, change: Callable[[int, av.Packet], bool] = lambda number, packet: True) -> Path:
    """Copy the packets of a video that ``change(number, packet)`` does not refuse into another container."""
    with av.open(str(source)) as read, av.open(str(target), "w") as write_to:
        stored = read.streams.video[0]
        copy = write_to.add_stream_from_template(stored)
        for number, packet in enumerate(read.demux(stored)):
            if packet.dts is not None and change(number, packet):
                packet.stream = copy
                write_to.mux(packet)
    return target


def write_joined(path: Path) -> None:
    """Two transport streams of five frames one behind the other: the time stamps run back in the middle."""
    part = write(path.with_name("part.ts"), map(waves, range(5)), options={"bf": "0"})
    path.write_bytes(2 * part.read_bytes())


def square_on_clear_ground(height: int = 48, width: int = 64) -> np.ndarray:
    """(H, W, 4): a blue square, opaque; around it red that is wholly transparent."""
    image = np.zeros((height, width, 4), np.uint8)
    image[..., 0] = 250
    image[height // 4 : -height // 4, width // 4 : -width // 4] = (0, 0, 250, 255)
    return image


def png(width: int, height: int, rows: bytes) -> bytes:
    """A PNG of 8 bits a channel that promises a size, and holds what it is given."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def write_song_with_cover(path: Path) -> None:
    """An MP3 of silence, with a red picture as its cover."""
    picture = b"\0image/png\0\x03\0" + png(8, 8, b"".join(b"\0" + b"\xff\0\0" * 8 for _ in range(8)))
    tag = b"APIC" + struct.pack(">I", len(picture)) + b"\0\0" + picture
    size = bytes(len(tag) >> shift & 0x7F for shift in (21, 14, 7, 0))
    silence = b"\xff\xfb\x90\xc4" + bytes(413)  # MPEG-1 layer III, 128 kbit/s, 44.1 kHz
    path.write_bytes(b"ID3\x03\0\0" + size + tag + 40 * silence)


def hdr_frame(colours: np.ndarray, transfer: int, side: int = 16) -> av.VideoFrame:
    """A frame of squares in a row, 10 bits, BT.2020, limited range, of code values (N, 3) from 0 to 1."""
    red, blue = 0.2627, 0.0593  # what makes up luma
    luma = colours @ np.array([red, 1 - red - blue, blue])
    chroma = (colours[:, 2] - luma) / 1.8814, (colours[:, 0] - luma) / 1.4746
    planes = [64 + 876 * luma, *(512 + 896 * part for part in chroma)]
    frame = av.VideoFrame(side * len(colours), 2 * side, "yuv444p10le")
    for plane, values in zip(frame.planes, planes, strict=True):
        rows = np.zeros((2 * side, plane.line_size // 2), np.uint16)
        rows[:, : side * len(colours)] = np.repeat(np.round(values), side)
        plane.update(rows.tobytes())
    frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc = 9, 1, 9, transfer
    return frame
