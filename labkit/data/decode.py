"""What a frame of a video file is: decoding with PyAV, one file at a time.

FFmpeg's libraries hand out frames as they are stored. `Recording` makes of them what a viewer sees:

- **upright**: turned and mirrored as the file's display matrix says;
- **whole frames**: an interlaced frame holds two moments, its even and its odd lines; ``bwdif`` works out the lines of
  the first moment that are missing, so frame k stays frame k;
- **square pixels**: where pixels are wider than high the image is widened, where they are higher it is made taller;
- **on white**: transparent pixels show white, as those of photos do (`labkit.data.photos`);
- **ordinary light**: images in HLG or PQ are brought to the ordinary range (`labkit.data.hdr`);
- frames that an edit list hides are not there, and images of an album's cover are no video;
- **of one size**: where the size changes within a file, later frames are scaled to the size of the first.

Colours without a tag are read as BT.601 of limited range, FFmpeg's own rule.
"""

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

import av
import numpy as np
from av.codec import CodecContext
from av.stream import Disposition
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from labkit.data import hdr
from labkit.data.containers import has_rate, open_file, promised_bytes, video_error

MAX_FPS = 1000.0
"""A header with a higher rate, in frames per second, is not believed."""

MAX_PIXELS = 2**26
"""A header with larger frames is damaged: 8K video has half as many."""

_STAMPED = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")  # containers that give every frame its own time
_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # FFmpeg's own decoders leave transparency out
_LEAST = 16  # pixels of a side from which on a frame is deinterlaced
_PROBED = 16  # frames that have to bear the time stamps of the packets
_SPARSE = 32  # frames decoded for one wanted, from which on it pays to look for key frames
_LONG = 2 * 10**7  # pixels of a whole file from which on it pays to decode several frames side by side

Picture = NDArray[np.uint8]


class Recording:
    """An open video file. Iterate to decode it frame by frame; `picture` is the current frame.

    Use it as a context manager: a file that is not closed keeps its memory.

    Args:
        path: the file.
        allow_damaged: be content with the frames before the damage.
        square_pixels: False leaves pixels that are not square as they are stored.
        short_side: larger frames are scaled, while they are decoded, so that their shorter side has as many pixels.

    Attributes:
        count: frames decoded so far.
        shape: (3, H, W) of the images; empty before the first.
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
        with open_file(path) as file:
            self.bytes = os.fstat(file.fileno()).st_size
            promised = promised_bytes(file, self.bytes)
            self._has_rate = has_rate(file)
        if self.bytes == 0:
            self._fail("a video", "an empty file", "fetch it again")
        if self.bytes < promised and not allow_damaged:
            self._fail_damaged(f"{promised} bytes, as its header says", f"{self.bytes}")
        try:
            # Tags in another encoding than UTF-8 are no reason to refuse a video.
            self._container = av.open(str(path.absolute()), metadata_errors="replace")
        except (av.error.FFmpegError, ValueError):
            self._fail_unknown()
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise
        self.count = self.decoded = 0
        self.shape: tuple[int, ...] = ()
        self.moments: list[float | None] = []
        self._overdue: set[int] = set()  # time stamps of packets whose frames have not come
        self._matrix = np.eye(2, dtype=int)
        self._deinterlacer: _Deinterlacer | None = None
        self._frame: VideoFrame

    def _prepare(self) -> None:
        """Choose the stream and its decoder."""
        videos = [s for s in self._container.streams.video if not s.disposition & Disposition.attached_pic]
        if not videos:
            if self._container.streams.audio:
                self._fail("a video", "sound only", "choose a file with moving images")
            self._fail_unknown()
        self._stream = stream = next((s for s in videos if s.disposition & Disposition.default), videos[0])
        context = stream.codec_context
        if context is None:
            self._fail_unknown()
        if not 0 < context.width * context.height <= MAX_PIXELS:
            self._fail(f"frames of 1 to {MAX_PIXELS} pixels", f"{context.width} x {context.height}", "fetch it again")
        pixels = (stream.frames or 300) * context.width * context.height
        # Decoders that work on several frames side by side patch up damaged ones differently each time.
        stream.thread_type = "AUTO" if pixels >= _LONG and not self.allow_damaged else "SLICE"
        self._decoder: Any = context
        if stream.metadata.get("alpha_mode") == "1" and context.name in _WITH_ALPHA:
            with suppress(av.error.FFmpegError, ValueError):  # an FFmpeg without libvpx
                self._decoder = CodecContext.create(_WITH_ALPHA[context.name], "r")
                self._decoder.extradata = context.extradata

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
            if frame.is_corrupt and self.moments:  # patched up from its neighbours
                if self.allow_damaged:
                    break
                self._fail_damaged("every frame to decode", f"a frame {len(self.moments)} with parts missing")
            tick = self._stream.time_base
            self.moments.append(None if frame.pts is None or tick is None else float(frame.pts * tick))
            if frame.interlaced_frame and self._deinterlacer is None and min(frame.width, frame.height) >= _LEAST:
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
            if packet.size == 0 and packet.pts is not None:  # it stands for the frame before
                continue
            try:
                frames = self._decoder.decode(packet)
            except av.error.FFmpegError:
                # A video cut out of another may begin amid frames that lean on what is no longer there.
                failed = failed or self.decoded > 0 or packet.is_keyframe
                if failed and self.allow_damaged:
                    with suppress(av.error.FFmpegError):
                        yield from self._decoder.decode(None)  # what it still holds
                    return
                continue
            if failed and frames:
                lost = f"a frame {self.decoded} that does not, with others after it"
                self._fail_damaged("every frame to decode", lost)
            self._overdue.difference_update(frame.pts for frame in frames)
            self.decoded += len(frames)
            yield from frames

    def _packets(self) -> Iterator[Any]:
        """The packets of the stream, an empty one at the end; notes what is due, as a decoder may be silent."""
        silent = self._decoder.name == "hevc" and self._container.format.name in _STAMPED  # errors are only logged
        key = None
        try:
            for packet in self._container.demux(self._stream):
                if silent and packet.size and packet.pts is not None and not packet.is_discard:
                    key = packet.pts if packet.is_keyframe else key
                    if key is not None and packet.pts >= key:  # those before it may rightly fall away behind a cut
                        self._overdue.add(packet.pts)
                yield packet
        except IndexError:  # PyAV's, at the end of a file in which a stream begins late
            return
        except av.error.FFmpegError as error:
            if not self.allow_damaged:
                reason = f"{error.strerror} after {self.decoded} frames"
                self._fail_damaged("a file that can be read to its end", reason)

    def _show(self, frame: VideoFrame) -> None:
        """Make a frame the current one; the first one settles the size of all."""
        self._frame = frame
        if self.shape:
            return
        a, b, _, c, d = np.round(_display_matrix(frame)[:5] / 2**16).astype(int)
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
            The images in turn; fewer where the file has no time stamps to go by, does not keep its word, or where
            key frames lie so that reading from the start decodes no more than twice as many frames.
        """
        stamps, keys = self._landmarks()
        if wanted[-1] >= len(stamps):
            return
        number = {stamp: index for index, stamp in enumerate(stamps)}
        before = np.searchsorted(keys, [stamps[index] for index in wanted], side="right") - 1  # key frames, by place
        if before[0] < 0:
            return
        legs = {keys[place]: np.array(wanted)[before == place].tolist() for place in set(before.tolist())}
        if 2 * sum(indices[-1] - number[key] + 1 for key, indices in legs.items()) > wanted[-1] + 1:
            return
        for key, indices in sorted(legs.items()):
            reached = -1
            for index in self._from_key_frame(stamps, number[key]):
                reached = index
                if index in indices:
                    yield self.picture()
                if index == indices[-1]:
                    break
            if reached < indices[-1]:
                return

    def _landmarks(self) -> tuple[list[int], list[int]]:
        """Time stamps of all frames and of the key frames, in order; none where the first frames do not bear them out.

        Reads all packets, and decodes the first ones: a cut may begin with some that give no frame.
        """
        if self._container.format.name not in _STAMPED:
            return [], []
        packets, first = [], list[VideoFrame]()
        for packet in self._packets():
            if packet.size:
                packets.append((packet.pts, packet.is_keyframe, packet.is_discard))
            if len(first) < _PROBED:
                with suppress(av.error.FFmpegError):
                    first += self._decoder.decode(packet)
        stamps = {pts for pts, _, _ in packets}
        if None in stamps or len(stamps) < len(packets) or any(hidden for _, _, hidden in packets) or not first:
            return [], []
        if first[0].pts is None or any(frame.interlaced_frame for frame in first):
            return [], []
        known = sorted(pts for pts in stamps if pts >= first[0].pts)
        if [frame.pts for frame in first] != known[: len(first)]:
            return [], []
        self._show(first[0])  # it settles the size of all
        return known, sorted(pts for pts, is_key, _ in packets if is_key and pts >= first[0].pts)

    def _from_key_frame(self, stamps: Sequence[int], start: int) -> Iterator[int]:
        """Make each frame from a key frame on the current one; ends where one does not bear the next time stamp."""
        try:
            self._container.seek(stamps[start], stream=self._stream, backward=True)
        except (av.error.FFmpegError, OSError):
            return
        self._decoder.flush_buffers()
        frames = (frame for frame in self._stored_frames() if frame.pts is None or frame.pts >= stamps[start])
        for index, frame in zip(range(start, len(stamps)), frames, strict=False):
            if frame.pts != stamps[index] or frame.interlaced_frame or frame.is_corrupt:
                return
            self._show(frame)
            yield index

    def _require_whole(self) -> None:
        if self.count == 0:
            self._fail("frames", "none that decodes", "fetch it again, or re-encode it")
        if self.allow_damaged:
            return
        moments = [moment for moment in self.moments if moment is not None] or [0.0]
        tick = float(self._stream.time_base or 0)
        if any(min(moments) < stamp * tick < max(moments) for stamp in self._overdue):
            self._fail_damaged("every frame to decode", "one in the middle that does not")
        if self._container.format.name == _STAMPED[0]:  # an edit list may hide any part
            return
        reached = max(self.count, max(moments) / tick + 1 if tick else 0)  # a header may count ticks of the clock
        promised = self._stream.frames
        if promised <= self.bytes and reached < promised / 2:
            self._fail_damaged(f"{promised} frames, as its header says", f"{self.count}")

    def _fail(self, expected: str, got: str, remedy: str) -> NoReturn:
        raise video_error(self.path, expected, got, remedy)

    def _fail_unknown(self) -> NoReturn:
        self._fail("a video in a format and codec that FFmpeg knows", "none", "see whether it plays elsewhere")

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


def _display_matrix(frame: VideoFrame) -> NDArray[np.int32]:
    """The nine numbers of how a frame is to be turned, times 65536.

    They are read off a small copy: PyAV's side data and their frame hold each other in memory.
    """
    try:
        matrix: Any = frame.reformat(16, 16, "gray").side_data.get("DISPLAYMATRIX")
    except (ValueError, av.error.FFmpegError):  # PyAV does not know all kinds; EXIF is one
        matrix = None
    if matrix:
        return np.frombuffer(matrix, np.int32).copy()
    cosine, sine = np.cos(np.radians(frame.rotation)), np.sin(np.radians(frame.rotation))
    return np.round(np.array([cosine, -sine, 0, sine, cosine, 0, 0, 0, 1]) * 2**16).astype(np.int32)


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
    usual = np.quantile(steps, 0.5, method="lower")  # one of them
    return float(1 / steps[np.abs(steps - usual) <= usual / 2].mean())
