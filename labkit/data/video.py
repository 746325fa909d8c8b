"""Video files to uint8 RGB tensors and back, with OpenCV.

Headers lie: HMDB51's promise one frame more than decodes, others minus 192153584101141 frames or zero frames a second.
So nothing here is taken from a header that a scan of the file can tell: frames are counted by decoding them, and a
frame's index is its place in that scan. Seeking is not used: it trusts the header's frame rate, and for clips of a few
hundred frames it is slower than a scan (``benchmarks/test_decoding.py``).

A file that is damaged or cut short is an error, never a shorter video, unless ``allow_damaged=True`` asks for the
frames that decode before the damage. Signs of damage are

- a container (AVI, MP4, MOV, MKV, WebM) that says it is longer than the file,
- a frame that fails to decode while later ones succeed,
- fewer than half of the frames that the header promises. Short of that a promise proves nothing: cutting a video
  without re-encoding it leaves headers that promise frames nobody can show.

A flipped bit that still decodes gives a wrong picture: video carries no checksums.
"""

import math
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

import cv2
import numpy as np
import torch

from labkit.checks import require_dtype, require_positive, require_shape

MAX_FPS = 1000.0
"""A header with a higher rate, in frames per second, is not believed."""

MAX_PIXELS = 2**26
"""A header with larger frames is damaged: 8K video has half as many."""

CODECS = {".avi": "FFV1", ".mp4": "mp4v"}
"""What :func:`write_video` writes: lossless ``.avi``, small ``.mp4``."""

_RETRIES = 16  # after the end, a grab fails however often it is tried; after damage, one soon succeeds
_MP4_BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"uuid", b"moof", b"mfra", b"sidx", b"styp"}
_MATROSKA_PARTS = {b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"}  # EBML header, segment
_FFMPEG_QUIET = "-8"  # AV_LOG_QUIET
_ENVIRONMENT = threading.Lock()


class VideoError(ValueError):
    """A video file that cannot be read or written; the message names it, what was expected, what came, what to do."""


@dataclass(frozen=True)
class VideoInfo:
    """What a scan of a video file found.

    Attributes:
        path: the file.
        num_frames: how many frames decode.
        fps: frames per second: the header's rate where the time stamps bear it out, else the rate of the time stamps;
            ``nan`` where neither is credible. The functions of ``labkit.sampling`` refuse ``nan``.
        height: of a frame as it is shown (rotated upright), in pixels.
        width: likewise.
    """

    path: Path
    num_frames: int
    fps: float
    height: int
    width: int

    @property
    def duration(self) -> float:
        """Seconds; ``nan`` where ``fps`` is."""
        return self.num_frames / self.fps


@dataclass(frozen=True)
class Video:
    """Frames read from a video file.

    Attributes:
        frames: (*indices.shape, C, H, W) uint8 RGB, upright; (T, C, H, W) for a list of indices. C is 3.
        indices: int64, which frame of the file each one is.
        info: of the whole file.
    """

    frames: torch.Tensor
    indices: torch.Tensor
    info: VideoInfo


def scan(path: str | Path, *, allow_damaged: bool = False) -> VideoInfo:
    """Decode a whole video file without keeping a frame, and tell what is in it.

    Args:
        path: a video file of any kind FFmpeg reads.
        allow_damaged: be content with the frames before the damage (see the module's docstring).

    Raises:
        VideoError: the file is missing, no video, damaged, or holds no frame that decodes.
    """
    recording = _Recording(path, allow_damaged)
    for _ in recording:
        pass
    return recording.info()


def iter_frames(path: str | Path, *, allow_damaged: bool = False) -> Iterator[torch.Tensor]:
    """The frames of a video file one by one, in constant memory.

    Arguments and errors are those of :func:`scan`; damage that only the end of the file reveals is raised there.

    Yields:
        (C, H, W) uint8 RGB, upright; C is 3.
    """
    recording = _Recording(path, allow_damaged)
    return (torch.from_numpy(recording.frame()) for _ in recording)


def read_video(
    path: str | Path,
    indices: torch.Tensor | Callable[[VideoInfo], torch.Tensor] | None = None,
    *,
    allow_damaged: bool = False,
) -> Video:
    """Read frames of a video file: all, those of given indices, or those that a sampling rule picks.

        read_video(path, lambda info: sampling.equally_spaced(info.num_frames, 25))

    Only the wanted frames are converted and kept. Given indices take one scan, a rule two: it has to know the length.

    Args:
        path: a video file of any kind FFmpeg reads.
        indices: int64 of any shape, in any order, repeated or not; or a function from the file's :class:`VideoInfo`
            to such indices; None for every frame.
        allow_damaged: be content with the frames before the damage (see the module's docstring).

    Raises:
        VideoError: as :func:`scan`; or an index lies beyond the last frame that decodes.
        ValueError: there is no index, or one is negative.
        TypeError: ``indices`` is not an int64 tensor.
    """
    info = None
    if indices is None or callable(indices):
        info = scan(path, allow_damaged=allow_damaged)
        indices = torch.arange(info.num_frames) if indices is None else indices(info)
    require_shape(indices, "...", "indices")
    require_dtype(indices, [torch.int64], "indices", "number frames 0, 1, 2, ...")
    if indices.numel() == 0 or indices.min() < 0:
        raise ValueError(
            f"indices must be one or more numbers from 0; got {indices.tolist()}: number frames 0, 1, 2, ..."
        )

    wanted, inverse = torch.unique(indices, return_inverse=True)
    places = {index: place for place, index in enumerate(wanted.tolist())}
    last = int(wanted[-1])
    pixels = np.empty(0, np.uint8)  # filled by numpy: torch would start threads for each small copy
    recording = _Recording(path, allow_damaged)
    for index in recording:
        if index == 0:
            pixels = np.empty((len(wanted), *recording.shape), np.uint8)  # (N, C, H, W)
        if index in places:
            pixels[places[index]] = recording.frame()
        if info and index == last:  # the first scan saw the rest
            break
    if last >= (count := recording.count):
        remedy = "pass a function of VideoInfo as indices, which knows how many there are"
        raise _error(recording.path, f"a frame {last}", f"{count} frames, 0 to {count - 1}", remedy)
    frames = torch.from_numpy(pixels)
    if not torch.equal(wanted, indices):
        frames = frames[inverse]  # (*indices.shape, C, H, W)
    return Video(frames, indices, info or recording.info())


def write_video(path: str | Path, frames: Iterable[torch.Tensor], fps: float) -> None:
    """Write a video file, whole or not at all: under a temporary name, read back, then renamed.

    Args:
        path: ``.avi`` is lossless (FFV1); ``.mp4`` is small (MPEG-4 part 2). An existing file is replaced.
        frames: (T, C, H, W) uint8 RGB, or an iterator of (C, H, W), such as :func:`iter_frames`. C is 3; H and W are
            even, since OpenCV's writer would cut off an odd line without a word.
        fps: frames per second, kept to three decimals; at most 1000.

    Raises:
        VideoError: the suffix is another, the folder is missing, or the file does not read back as it was written.
        ValueError: ``fps`` or a frame's shape is wrong, sizes differ, or there is no frame.
        TypeError: a frame is not uint8.
    """
    path = Path(path)
    if path.suffix not in CODECS:
        raise _error(path, f"a name ending in {' or '.join(CODECS)}", repr(path.suffix), "rename it")
    if not path.parent.is_dir():
        raise _error(path, "a folder to write to", "none", f"create {path.parent} first")
    require_positive(fps, "fps", "pass frames per second")
    if not 0.001 <= fps <= MAX_FPS:
        raise ValueError(f"fps must be from 0.001 to {MAX_FPS:g}; got {fps:g}: pass frames per second")
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        written = _encode(temporary, frames, fps)
        found = scan(temporary)
        if found.num_frames != written:
            raise _error(path, f"{written} frames in it", f"{found.num_frames}", "is the disk full?")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _encode(path: Path, frames: Iterable[torch.Tensor], fps: float) -> int:
    """Write frames to a file; returns how many."""
    writer, shape, count = cv2.VideoWriter(), torch.Size(), 0
    try:
        for frame in frames:
            require_shape(frame, "3 H W", "each frame", "pass RGB frames (T, 3, H, W)")
            require_dtype(frame, [torch.uint8], "each frame", "scale to 0..255, round, then .to(torch.uint8)")
            if count == 0:
                shape = frame.shape
                _open_writer(writer, path, fps, height=shape[1], width=shape[2])
            if frame.shape != shape:
                raise ValueError(f"frames must be {tuple(shape)} like the first; got {tuple(frame.shape)}: resize them")
            writer.write(cv2.merge(list(frame.cpu().numpy()[::-1])))  # (H, W, C) BGR
            count += 1
    finally:
        writer.release()
    if count == 0:
        raise ValueError("frames must hold at least one frame; got none: a video of no frames cannot be read back")
    return count


def _open_writer(writer: cv2.VideoWriter, path: Path, fps: float, height: int, width: int) -> None:
    if height % 2 or width % 2:
        raise ValueError(f"frames must have even H and W; got {height}, {width}: crop or pad a line")
    codec = CODECS[path.suffix]
    with _quietly():
        writer.open(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), fps, (width, height))
    if not writer.isOpened():
        raise _error(
            path, f"an encoder for {codec} and {width} x {height}", "none", "see whether the folder is writable"
        )


class _Recording:
    """An open video file. Iterate to decode it frame by frame; ``frame()`` is the current one, ``info()`` the sum."""

    def __init__(self, path: str | Path, allow_damaged: bool) -> None:
        self.path, self.allow_damaged = Path(path), allow_damaged
        with _open(self.path) as file:
            self.bytes = os.fstat(file.fileno()).st_size
            promised_bytes = _promised_bytes(file, self.bytes)
            self.has_rate = _has_rate(file)
        if self.bytes == 0:
            self._fail("a video", "an empty file", "fetch it again")
        if self.bytes < promised_bytes and not allow_damaged:
            self._fail_damaged(f"{promised_bytes} bytes, as its header says", f"{self.bytes}")
        with _quietly():
            self.capture = cv2.VideoCapture(str(self.path.absolute()), cv2.CAP_FFMPEG)
        if not self.capture.isOpened():
            self._fail("a video in a format and codec that FFmpeg knows", "none", "see whether it plays elsewhere")
        width, height = self.capture.get(cv2.CAP_PROP_FRAME_WIDTH), self.capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
        if not 0 < width * height <= MAX_PIXELS:
            self._fail(f"frames of 1 to {MAX_PIXELS} pixels", f"{width:.0f} x {height:.0f}", "fetch it again")
        self.promised_frames = self.capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.header_fps = self.capture.get(cv2.CAP_PROP_FPS)
        self.count = 0  # frames decoded so far
        self.stamped = 0  # those of them with a credible time stamp
        self.earliest, self.latest = math.inf, -math.inf  # time stamps, in milliseconds
        self.shape: tuple[int, ...] = ()

    def __iter__(self) -> Iterator[int]:
        while self.capture.grab():
            stamp = self.capture.get(cv2.CAP_PROP_POS_MSEC)
            self.count += 1
            if stamp > 0 or self.count == 1:  # a later 0 means that the decoder gave none
                self.stamped += 1
                self.earliest, self.latest = min(self.earliest, stamp), max(self.latest, stamp)
            if self.count == 1:
                self.shape = self.frame().shape
            if self.count > self.bytes:  # no container stores a frame in less than a byte
                self._fail("an end", f"more frames than the file has bytes, {self.bytes}", "fetch it again")
            yield self.count - 1
        self._require_whole()

    def frame(self) -> np.ndarray:
        """The current frame, (C, H, W) uint8 RGB."""
        found, image = self.capture.retrieve()  # (H, W, C) BGR
        if not found or image is None or image.ndim != 3 or image.shape[2] != 3:
            self._fail("colour frames", f"a frame {self.count - 1} that does not convert", "re-encode the file")
        return np.stack(cv2.split(image)[::-1])

    def info(self) -> VideoInfo:
        """What the frames decoded so far amount to."""
        _, height, width = self.shape
        fps = self._credible_fps() if self.has_rate else math.nan
        return VideoInfo(self.path, self.count, fps, height, width)

    def _credible_fps(self) -> float:
        """The header's rate where the time stamps bear it out within a tenth, else theirs; ``nan`` if implausible."""
        span = self.latest - self.earliest
        measured = (self.stamped - 1) * 1000 / span if span > 0 else self.header_fps
        fps = self.header_fps if abs(self.header_fps - measured) <= 0.1 * measured else measured
        return fps if 0 < fps <= MAX_FPS else math.nan

    def _require_whole(self) -> None:
        count = self.count
        if count == 0:
            self._fail("frames", "none that decodes", "fetch it again, or re-encode it")
        if self.allow_damaged:
            return
        if any(self.capture.grab() for _ in range(_RETRIES)):
            self._fail_damaged("every frame to decode", f"a frame {count} that does not, with others after it")
        reached = max(count, self.latest / 1000 * self.header_fps)  # by the clock, where frames come irregularly
        if self.promised_frames <= self.bytes and reached < self.promised_frames / 2:
            self._fail_damaged(f"{self.promised_frames:.0f} frames, as its header says", f"{count}")

    def _fail(self, expected: str, got: str, remedy: str) -> NoReturn:
        raise _error(self.path, expected, got, remedy)

    def _fail_damaged(self, expected: str, got: str) -> NoReturn:
        self._fail(expected, got, "fetch it again, or pass allow_damaged=True to take the frames before the damage")


def _error(path: Path, expected: str, got: str, remedy: str) -> VideoError:
    return VideoError(f"{path}: expected {expected}; got {got}: {remedy}")


def _open(path: Path) -> BinaryIO:
    try:
        if not path.is_file():  # a pipe would block
            got = "a directory" if path.is_dir() else "no file" if path.exists() else "nothing of that name"
            raise _error(path, "a video file", got, "check the path")
        return path.open("rb")
    except OSError as error:
        raise _error(path, "a readable file", str(error.strerror), "check its permissions") from None


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


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep OpenCV and FFmpeg off stderr: what they say there, :class:`VideoError` says better.

    FFmpeg's level is set each time a file is opened, from the environment; it holds until the next one is.
    """
    with _ENVIRONMENT:
        chosen = os.environ.get("OPENCV_FFMPEG_LOGLEVEL")
        level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        os.environ["OPENCV_FFMPEG_LOGLEVEL"] = chosen or _FFMPEG_QUIET
        try:
            yield
        finally:
            cv2.utils.logging.setLogLevel(level)
            if chosen is None:
                del os.environ["OPENCV_FFMPEG_LOGLEVEL"]
