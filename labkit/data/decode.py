"""What a frame of a video file is: decoding with PyAV, one file at a time.

FFmpeg's libraries hand out frames as they are stored. `Recording` makes of them what a viewer sees:

- **upright**: turned and mirrored as the file's display matrix says;
- **whole frames**: an interlaced frame holds two moments, its even and its odd lines; ``bwdif`` works out the lines of
  the first moment that are missing, so frame k stays frame k;
- **square pixels**: where pixels are wider than high the picture is widened, where they are higher it is made taller;
- **on white**: transparent pixels show white, as those of photos do (`labkit.data.photos`);
- **ordinary light**: pictures in HLG or PQ are brought to the ordinary range (`labkit.data.hdr`);
- frames that an edit list hides are not there, and pictures of an album's cover are no video;
- **of one size**: where the size changes within a file, later frames are scaled to the size of the first.

Colours without a tag are read as BT.601 of limited range, FFmpeg's own rule.
"""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NoReturn, Self

import av
import numpy as np
from av.codec import CodecContext
from av.stream import Disposition
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from labkit.data import hdr

MAX_FPS = 1000.0
"""A header with a higher rate, in frames per second, is not believed."""

MAX_PIXELS = 2**26
"""A header with larger frames is damaged: 8K video has half as many."""

_MP4_BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"uuid", b"moof", b"mfra", b"sidx", b"styp"}
_MATROSKA_PARTS = {b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"}  # EBML header, segment
_STAMPED = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")  # containers that give every frame its own time
_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # FFmpeg's own decoders leave transparency out
_SPARSE = 32  # frames decoded for one wanted, from which on it pays to look for key frames
_LONG = (
    2 * 10**7
)  # pixels of a whole file from which on threads that decode several frames at a time pay for their start

Picture = NDArray[np.uint8]


class VideoError(ValueError):
    """A video file that cannot be read or written; the message names it, what was expected, what came, what to do."""


def video_error(path: Path, expected: str, got: str, remedy: str) -> VideoError:
    """The error about a file, with its absolute path."""
    return VideoError(f"{path.absolute()}: expected {expected}; got {got}: {remedy}")


class Recording:
    """An open video file. Iterate to decode it frame by frame; ``picture()`` is the current frame.

    Use it as a context manager: a file that is not closed keeps its memory.

    Args:
        path: the file.
        allow_damaged: be content with the frames before the damage.
        square_pixels: False leaves pixels that are not square as they are stored.
        short_side: larger frames are scaled, while they are decoded, so that their shorter side has as many pixels.

    Attributes:
        count: frames decoded so far.
        shape: (3, H, W) of the pictures; empty before the first.
        moments: time stamps of the frames so far in seconds, None where the file gives none.
        decoded: frames that the decoder has given, those included that nobody asked for.

    Raises:
        VideoError: the file is missing, no video, damaged, or holds no frame that decodes.
    """

    def __init__(
        self, path: Path, *, allow_damaged: bool = False, square_pixels: bool = True, short_side: int | None = None
    ) -> None:
        self.path, self.allow_damaged = path, allow_damaged
        self._square_pixels, self._short_side = square_pixels, short_side
        with _open(path) as file:
            self.bytes = os.fstat(file.fileno()).st_size
            promised_bytes = _promised_bytes(file, self.bytes)
            self._has_rate = _has_rate(file)
        if self.bytes == 0:
            self._fail("a video", "an empty file", "fetch it again")
        if self.bytes < promised_bytes and not allow_damaged:
            self._fail_damaged(f"{promised_bytes} bytes, as its header says", f"{self.bytes}")
        try:
            # Tags in another encoding than UTF-8 are no reason to refuse a video.
            self._container = av.open(str(path.absolute()), metadata_errors="replace")
        except (av.error.FFmpegError, ValueError):
            self._fail("a video in a format and codec that FFmpeg knows", "none", "see whether it plays elsewhere")
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise
        self.count = self.decoded = 0
        self.shape: tuple[int, ...] = ()
        self.moments: list[float | None] = []
        self._matrix = np.eye(2, dtype=int)
        self._deinterlacer: _Deinterlacer | None = None
        self._frame: VideoFrame

    def _prepare(self) -> None:
        """Choose the stream and its decoder."""
        videos = [s for s in self._container.streams.video if not s.disposition & Disposition.attached_pic]
        if not videos:
            if self._container.streams.audio:
                self._fail("a video", "sound only", "choose a file with moving pictures")
            self._fail("a video in a format and codec that FFmpeg knows", "none", "see whether it plays elsewhere")
        self._stream = stream = videos[0]
        context = stream.codec_context
        if context is None:
            self._fail("a video in a format and codec that FFmpeg knows", "none", "see whether it plays elsewhere")
        if not 0 < context.width * context.height <= MAX_PIXELS:
            self._fail(f"frames of 1 to {MAX_PIXELS} pixels", f"{context.width} x {context.height}", "fetch it again")
        pixels = (stream.frames or 300) * context.width * context.height
        stream.thread_type = "AUTO" if pixels >= _LONG else "SLICE"
        self._decode: Callable[[Any], Sequence[VideoFrame]] = lambda packet: packet.decode()
        if stream.metadata.get("alpha_mode") == "1" and context.name in _WITH_ALPHA:
            with suppress(av.error.FFmpegError, ValueError):  # an FFmpeg without libvpx
                decoder: Any = CodecContext.create(_WITH_ALPHA[context.name], "r")
                decoder.extradata = context.extradata
                self._decode = decoder.decode

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._container.close()

    def __iter__(self) -> Iterator[int]:
        """Decode frame by frame, to the end of the file; yields the number of the current frame, from 0."""
        for frame in self._whole_frames():
            self._show(frame)
            self.count += 1
            if self.count > self.bytes:  # no container stores a frame in less than a byte
                self._fail("an end", f"more frames than the file has bytes, {self.bytes}", "fetch it again")
            yield self.count - 1
        self._require_whole()

    def _whole_frames(self) -> Iterator[VideoFrame]:
        """Frames as the decoder gives them, those that are interlaced made whole; as many as it gives."""
        for frame in self._stored_frames():
            self.moments.append(None if frame.pts is None else frame.time)
            if frame.interlaced_frame and self._deinterlacer is None:
                self._deinterlacer = _Deinterlacer()
            if self._deinterlacer:
                yield from self._deinterlacer.after(frame)
            else:
                yield frame
        if self._deinterlacer:
            yield from self._deinterlacer.rest()

    def _stored_frames(self) -> Iterator[VideoFrame]:
        """Frames as the decoder gives them; what lies behind one that fails is damage."""
        failed = False
        for packet in self._packets():
            try:
                frames = self._decode(packet)
            except av.error.FFmpegError:
                # A video cut out of another may begin amid frames that lean on what is no longer there.
                failed = failed or self.decoded > 0 or packet.is_keyframe
                if failed and self.allow_damaged:
                    return
                continue
            if failed and frames:
                self._fail_damaged(
                    "every frame to decode", f"a frame {self.decoded} that does not, with others after it"
                )
            self.decoded += len(frames)
            yield from frames

    def _packets(self) -> Iterator[Any]:
        try:
            yield from self._container.demux(self._stream)
        except av.error.FFmpegError as error:
            if not self.allow_damaged:
                self._fail_damaged(
                    "a file that can be read to its end", f"{error.strerror} after {self.decoded} frames"
                )

    def _show(self, frame: VideoFrame) -> None:
        """Make a frame the current one; the first one settles the size of all."""
        self._frame = frame
        if self.shape:
            return
        matrix: Any = frame.side_data.get("DISPLAYMATRIX")
        if matrix:
            a, b, _, c, d = np.sign(np.frombuffer(matrix, np.int32)[:5])
            if abs(a) == abs(d) != abs(b) == abs(c):  # quarter turns and mirrors; others are left as they are stored
                self._matrix = np.array([[a, c], [b, d]])  # from stored (x, y) to shown (x, y)
        width, height = float(frame.width), float(frame.height)
        aspect = self._stream.sample_aspect_ratio or 0
        if self._square_pixels and 1 / 8 <= aspect <= 8:  # what is beyond is a lie
            width, height = (width * aspect, height) if aspect >= 1 else (width, height / aspect)
        scale = min(1, (self._short_side or math.inf) / min(width, height))
        self._size = max(1, round(width * scale)), max(1, round(height * scale))
        if math.prod(self._size) > MAX_PIXELS:
            self._fail(f"frames of 1 to {MAX_PIXELS} pixels", "{} x {}".format(*self._size), "fetch it again")
        turned = self._matrix[0, 0] == 0
        self.shape = (3, *(self._size if turned else self._size[::-1]))  # (3, H, W)

    def picture(self) -> Picture:
        """The current frame, (3, H, W) uint8 RGB."""
        try:
            image = self._picture()  # (height, width, 3) as stored
        except (av.error.FFmpegError, ValueError):
            self._fail("colour frames", f"a frame {self.count - 1} that does not convert", "re-encode the file")
        if self._matrix[0, 0] == 0:
            image = image.swapaxes(0, 1)
        to_x, to_y = self._matrix.sum(1)  # each row has one entry, 1 or -1
        return image[::to_y, ::to_x].transpose(2, 0, 1)

    def _picture(self) -> Picture:
        frame = self._frame
        if frame.color_trc in (hdr.PQ, hdr.HLG):
            return hdr.to_sdr(self._scaled("rgb48le"), frame.color_trc)
        if frame.format.has_palette or any(component.is_alpha for component in frame.format.components):
            return _over_white(self._scaled("rgba"))
        return self._scaled("rgb24")

    def _scaled(self, pixel_format: str) -> Any:
        width, height = self._size
        scaled = self._frame.reformat(width, height, pixel_format, interpolation="BICUBIC", threads=1)
        return scaled.to_ndarray()  # (height, width, channels)

    def rate(self) -> tuple[float, tuple[float, ...] | None]:
        """Frames per second of the frames so far, and the times of all of them if the rate varies; NaN if unknown."""
        header = float(self._stream.guessed_rate or self._stream.average_rate or 0)
        if not self._has_rate:
            return math.nan, None
        moments = [moment for moment in self.moments if moment is not None]
        times = tuple(moment - moments[0] for moment in moments)
        forward = len(times) == self.count > 1 and all(later > earlier for earlier, later in pairwise(times))
        if forward and _varies(times, float(self._stream.time_base or 0)):
            return len(times) / (2 * times[-1] - times[-2]), times  # the last frame stays as long as the one before
        measured = (len(times) - 1) / times[-1] if forward else _rate_of_a_jumble(moments) or header
        fps = header if abs(header - measured) <= 0.1 * measured else measured
        return (fps if 0 < fps <= MAX_FPS else math.nan), None

    def pictures(self, wanted: Sequence[int]) -> Iterator[Picture]:
        """The frames with some numbers, which ascend, in turn; decoding stops at the last. Fewer if the file ends."""
        coming = iter(wanted)
        number = next(coming, None)
        for index in self:
            if index == number:
                yield self.picture()
                if (number := next(coming, None)) is None:
                    return

    def sparse_pictures(self, wanted: Sequence[int]) -> Iterator[Picture]:
        """The same by way of key frames, from a file just opened.

        Yields:
            The pictures in turn; fewer where the file does not keep its word, has no time stamps to go by, or where
            key frames lie so that reading from the start decodes no more than twice as many frames.
        """
        if (landmarks := self._landmarks()) is None or wanted[-1] >= len(landmarks[0]):
            return
        stamps, keys = landmarks  # of all frames, of key frames
        places = np.searchsorted(keys, [stamps[index] for index in wanted], side="right") - 1
        if places[0] < 0:
            return
        legs = [
            (keys[place], [i for i, own in zip(wanted, places, strict=True) if own == place])
            for place in np.unique(places)
        ]
        if 2 * sum(indices[-1] - stamps.index(key) + 1 for key, indices in legs) > wanted[-1] + 1:
            return
        for key, indices in legs:
            reached = 0
            for frame in self._from_key_frame(key, [stamps[index] for index in indices]):
                self._show(frame)
                yield self.picture()
                reached += 1
            if reached < len(indices):
                return

    def _landmarks(self) -> tuple[list[int], list[int]] | None:
        """Time stamps of all frames and of the key frames, in order; None where they are not to be relied on.

        Reads the packets without decoding them.
        """
        if self._container.format.name not in _STAMPED:
            return None
        packets = [packet for packet in self._packets() if packet.size]
        stamps = {packet.pts for packet in packets}
        if None in stamps or len(stamps) < len(packets) or any(packet.is_discard for packet in packets):
            return None
        return sorted(stamps), sorted(packet.pts for packet in packets if packet.is_keyframe)

    def _from_key_frame(self, key: int, stamps: Sequence[int]) -> Iterator[VideoFrame]:
        """Frames with some time stamps, in turn, from the key frame before them on; fewer if one is not to be found."""
        self._container.seek(key, stream=self._stream, backward=True)
        frames = self._stored_frames()
        for stamp in stamps:
            frame = next((frame for frame in frames if frame.pts is None or frame.pts >= stamp), None)
            if frame is None or frame.pts != stamp or frame.interlaced_frame:
                return
            yield frame

    def _require_whole(self) -> None:
        if self.count == 0:
            self._fail("frames", "none that decodes", "fetch it again, or re-encode it")
        if self.allow_damaged or self._container.format.name == _STAMPED[0]:  # an edit list may hide any part
            return
        last = max((moment for moment in self.moments if moment is not None), default=0)
        reached = max(self.count, last * float(self._stream.guessed_rate or 0))  # where frames come irregularly
        promised = self._stream.frames
        if promised <= self.bytes and reached < promised / 2:
            self._fail_damaged(f"{promised} frames, as its header says", f"{self.count}")

    def _fail(self, expected: str, got: str, remedy: str) -> NoReturn:
        raise video_error(self.path, expected, got, remedy)

    def _fail_damaged(self, expected: str, got: str) -> NoReturn:
        self._fail(expected, got, "fetch it again, or pass allow_damaged=True to take the frames before the damage")


def are_sparse(wanted: Sequence[int]) -> bool:
    """Whether so few frames are wanted, by numbers that ascend, that it pays to look for key frames."""
    return wanted[-1] >= _SPARSE * len(wanted)


class _Deinterlacer:
    """FFmpeg's ``bwdif`` over the frames of a file: as many frames come out as went in, later by one."""

    def __init__(self) -> None:
        self._kind: tuple[int, int, str] | None = None
        self._graph: Any = None

    def after(self, frame: VideoFrame) -> Iterator[VideoFrame]:
        """The frames that are ready once this one is known. Progressive ones pass as they are."""
        kind = frame.width, frame.height, frame.format.name
        if kind != self._kind:
            yield from self.rest()
            self._kind, graph = kind, av.filter.Graph()
            source = graph.add_buffer(
                width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
            )
            graph.link_nodes(source, graph.add("bwdif", "mode=send_frame:deint=interlaced"), graph.add("buffersink"))
            graph.configure()
            self._graph = graph
        self._graph.vpush(frame)
        yield from self._ready()

    def rest(self) -> Iterator[VideoFrame]:
        """The frames that are left at the end."""
        if self._graph is not None:
            self._graph.vpush(None)
            yield from self._ready()

    def _ready(self) -> Iterator[VideoFrame]:
        with suppress(av.error.BlockingIOError, av.error.EOFError):
            while True:
                yield self._graph.vpull()


def _over_white(image: NDArray[np.uint8]) -> Picture:
    """(H, W, 4) with transparency, (H, W, 3) laid over white."""
    alpha = image[..., 3:].astype(np.uint16)
    if (alpha == 255).all():
        return image[..., :3]
    return ((image[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def _varies(times: Sequence[float], tick: float) -> bool:
    """Whether the steps of time differ by more than a quarter and the rounding of time stamps."""
    steps = np.diff(times)
    usual = np.median(steps)
    return bool((np.abs(steps - usual) > 0.25 * usual + 2 * tick).any())


def _rate_of_a_jumble(moments: Sequence[float]) -> float | None:
    """Frames per second by time stamps that run back, as in files put together from parts; None if they do not tell."""
    steps = np.diff(np.unique(moments))
    if len(steps) == 0:
        return None
    usual = np.median(steps)
    return float(1 / steps[np.abs(steps - usual) <= usual / 2].mean())


def _open(path: Path) -> BinaryIO:
    try:
        if not path.is_file():  # a pipe would block
            got = "a directory" if path.is_dir() else "no file" if path.exists() else "nothing of that name"
            raise video_error(path, "a video file", got, "check the path")
        return path.open("rb")
    except OSError as error:
        raise video_error(path, "a readable file", str(error.strerror), "check its permissions") from None


def _promised_bytes(file: BinaryIO, size: int) -> int:
    """Where the last top-level part of an AVI, MP4, MOV, MKV or WebM file ends by its own account; else 0."""
    end = 0
    while end < size:
        file.seek(end)
        head = file.read(16)
        if head[:4] == b"RIFF":  # length in 4 bytes, all ones while it is being written
            length = 8 + int.from_bytes(head[4:8], "little")
            if length == 8 + 0xFFFFFFFF:
                return 0
        elif head[4:8] in _MP4_BOXES:  # length in 4 bytes; 1: in 8 bytes after the name; 0: up to the end
            length = int.from_bytes(head[:4], "big")
            length = int.from_bytes(head[8:16], "big") if length == 1 else length or size - end
        elif (
            head[:4] in _MATROSKA_PARTS and len(head) == 16 and head[4]
        ):  # length in as many bytes as leading bits tell
            width = 9 - head[4].bit_length()
            length = int.from_bytes(head[4 : 4 + width], "big") - (1 << 7 * width)
            if length == (1 << 7 * width) - 1:  # all ones: unknown
                return 0
            length += 4 + width
        else:  # padding
            break
        end += max(length, 8)
    return end


def _has_rate(file: BinaryIO) -> bool:
    """False for an AVI whose frame rate is zero: FFmpeg would make up 25 frames per second and stamp them so."""
    file.seek(0)
    header = file.read(1 << 16)
    stream = header.find(b"vids") if header.startswith(b"RIFF") else -1
    scale, rate = header[stream + 20 : stream + 24], header[stream + 24 : stream + 28]  # dwScale, dwRate of strh
    return stream < 0 or (any(scale) and any(rate))
