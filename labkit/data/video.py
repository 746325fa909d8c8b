"""Video files to uint8 RGB tensors and back, with PyAV: what a viewer would see, frame by frame.

Headers lie: HMDB51's promise one frame more than decodes, others minus 192153584101141 frames or zero frames a second.
So nothing here is taken from a header that a scan of the file can tell: frames are counted by decoding them, and a
frame's index is its place in that scan. What a frame is, where a file leaves a choice (interlaced lines, pixels that
are not square, transparency, high dynamic range), stands in `labkit.data.decode`.

A file that is damaged or cut short is an error, never a shorter video, unless ``allow_damaged=True`` asks for the
frames that decode before the damage. Signs of damage are

- a container (AVI, MP4, MOV, MKV, WebM) that says it is longer than the file,
- a frame that fails to decode while later ones succeed,
- fewer than half of the frames that the header promises, but for MP4 and MOV. Short of that a promise proves nothing:
  cutting a video without re-encoding it leaves headers that promise frames nobody can show.

A flipped bit that still decodes gives a wrong image: video carries no checksums. Reading single frames stops at the
last one; only a scan sees the rest of the file.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from av.video.frame import VideoFrame

from labkit.checks import require_dtype, require_positive, require_shape
from labkit.data.containers import video_error
from labkit.data.decode import MAX_FPS, Picture, Recording, are_sparse
from labkit.files import written_whole

MAX_BYTES = 2 * 10**9
"""`read_video` refuses to read all frames of a video where they take more."""

CODECS = {".avi": ("ffv1", "bgr0"), ".mp4": ("mpeg4", "yuv420p")}
"""Encoder and pixel format of what `write_video` writes: lossless ``.avi``, small ``.mp4``."""

_MPEG4_TICKS = 65535  # the most that MPEG-4 part 2 has room for in a second


@dataclass(frozen=True)
class VideoInfo:
    """What a scan of a video file tells.

    Attributes:
        path: the file.
        num_frames: how many frames decode.
        fps: frames per second: the header's rate where the time stamps bear it out, else the rate of the time stamps,
            their mean where the rate varies; ``nan`` where neither is credible. ``labkit.views.sampling`` refuses
            ``nan``.
        height: of a frame as it is shown (upright, its pixels square), in pixels.
        width: as height.
        times: when each frame comes on screen, in seconds after the first, where the rate varies; None where it is
            constant.
    """

    path: Path
    num_frames: int
    fps: float
    height: int
    width: int
    times: tuple[float, ...] | None = None

    @property
    def duration(self) -> float:
        """Seconds; ``nan`` where ``fps`` is."""
        return self.num_frames / self.fps


@dataclass(frozen=True, eq=False)
class Video:
    """Frames read from a video file.

    Attributes:
        frames: (*indices.shape, C, H, W) uint8 RGB, upright; (T, C, H, W) for a list of indices. C is 3.
        indices: int64, which frame of the file each one is.
    """

    frames: torch.Tensor
    indices: torch.Tensor
    _scan: Callable[[], VideoInfo] = field(repr=False)
    _known: VideoInfo | None = field(default=None, repr=False)

    @cached_property
    def info(self) -> VideoInfo:
        """Of the whole file; scans it when first asked, unless reading the frames has."""
        return self._known or self._scan()


def scan(
    path: str | Path, *, allow_damaged: bool = False, square_pixels: bool = True, short_side: int | None = None
) -> VideoInfo:
    """Decode a whole video file without keeping a frame, and tell what is in it.

    Args:
        path: a video file of any kind FFmpeg reads.
        allow_damaged: be content with the frames before the damage (see the module's docstring).
        square_pixels: whether pixels that are not square become so, and the image has the shape that viewers see;
            False leaves them as they are stored.
        short_side: scale frames, while they are decoded, so that their shorter side has as many pixels; smaller ones
            stay as they are. None: all stay.

    Raises:
        VideoError: the file is missing, no video, damaged, or holds no frame that decodes.
        ValueError: ``short_side`` is no whole number of pixels.
    """
    with _recording(path, allow_damaged, square_pixels, short_side) as recording:
        for _ in recording:
            pass
        return _info(recording)


def iter_frames(
    path: str | Path, *, allow_damaged: bool = False, square_pixels: bool = True, short_side: int | None = None
) -> Iterator[torch.Tensor]:
    """The frames of a video file one by one, in constant memory.

    Arguments and errors are those of :func:`scan`; damage that only the end of the file reveals is raised there.

    Yields:
        (C, H, W) uint8 RGB, upright; C is 3.
    """
    return _frames(_recording(path, allow_damaged, square_pixels, short_side))


def read_video(
    path: str | Path,
    indices: torch.Tensor | Callable[[VideoInfo], torch.Tensor] | None = None,
    *,
    allow_damaged: bool = False,
    square_pixels: bool = True,
    short_side: int | None = None,
) -> Video:
    """Read frames of a video file: all, those of given indices, or those that a sampling rule picks.

        read_video(path, lambda info: sampling.equally_spaced(info.num_frames, 25))

    Only the wanted frames are converted and kept, and decoding stops at the last one; a few frames of a long file are
    reached by way of the key frames before them. A rule takes a scan first: it has to know the length.

    Args:
        path: as for :func:`scan`, and so are the options.
        indices: int64 of any shape, in any order, repeated or not; or a function from the file's :class:`VideoInfo`
            to such indices; None for every frame.
        allow_damaged: be content with the frames before the damage.
        square_pixels: make them so.
        short_side: scale to it.

    Raises:
        VideoError: as for :func:`scan`; or an index lies beyond the last frame that decodes; or every frame is asked
            for and they take more than `MAX_BYTES`.
        ValueError: there is no index, or one is negative.
        TypeError: ``indices`` is not an int64 tensor.
    """
    path, options = Path(path), (allow_damaged, square_pixels, short_side)
    scanned = partial(scan, path, allow_damaged=allow_damaged, square_pixels=square_pixels, short_side=short_side)
    info = None
    if indices is None or callable(indices):
        info = scanned()
        indices = _every_frame(info) if indices is None else indices(info)
    _require_numbers(indices)
    wanted, inverse = torch.unique(indices, return_inverse=True)
    pixels = _pixels(path, wanted.tolist(), options)
    frames = torch.from_numpy(pixels)  # (number of wanted, C, H, W)
    if not torch.equal(wanted, indices):
        frames = frames[inverse]  # (*indices.shape, C, H, W)
    return Video(frames, indices, scanned, info)


def write_video(path: str | Path, frames: Iterable[torch.Tensor], fps: float) -> None:
    """Write a video file, whole or not at all: under a temporary name, read back, then renamed.

    Args:
        path: ``.avi`` is lossless (FFV1); ``.mp4`` is small (MPEG-4 part 2). An existing file is replaced.
        frames: (T, C, H, W) uint8 RGB, or an iterator of (C, H, W), such as :func:`iter_frames`. C is 3.
        fps: frames per second, at most 1000; kept to three decimals, or to eight millionths where ``.mp4`` has no room
            for these. From ``.avi`` a rate close to 120 or 240 reads back as 120 or 240.

    Raises:
        VideoError: the suffix is another, the folder is missing, the file cannot be written, or it does not read back
            as it was written.
        ValueError: ``fps`` or a frame's shape is wrong, sizes differ, or there is no frame.
        TypeError: a frame is not uint8.
    """
    path = Path(path)
    if path.suffix not in CODECS:
        raise video_error(path, f"a name ending in {' or '.join(CODECS)}", repr(path.suffix), "rename it")
    if not path.parent.is_dir():
        raise video_error(path, "a folder to write to", "none", f"create {path.parent} first")
    require_positive(fps, "fps", "pass frames per second")
    if not 0.001 <= fps <= MAX_FPS:
        raise ValueError(f"fps must be from 0.001 to {MAX_FPS:g}; got {fps:g}: pass frames per second")
    try:
        with written_whole(path) as file:
            written = _encode(Path(file.name), path, frames, fps)
            counted = scan(file.name).num_frames
            if counted != written:
                raise video_error(path, f"{written} frames in it", f"{counted}", "is the disk full?")
    except (av.error.FFmpegError, OSError) as error:
        remedy = "check the folder, its permissions and the free space"
        raise video_error(path, "a file to write to", str(error.strerror or error), remedy) from error


def _encode(temporary: Path, path: Path, frames: Iterable[torch.Tensor], fps: float) -> int:
    """Write frames under a temporary name to what will be a path; returns how many."""
    codec, pixel_format = CODECS[path.suffix]
    shape, count, stream = torch.Size(), 0, None
    with av.open(str(temporary.absolute()), "w", format=path.suffix.removeprefix(".")) as container:
        for frame in frames:
            require_shape(frame, "3 H W", "each frame", "pass RGB frames (T, 3, H, W)")
            require_dtype(frame, [torch.uint8], "each frame", "scale to 0..255, round, then .to(torch.uint8)")
            if stream is None:
                shape, stream = frame.shape, _stream_to_write(container, path, codec, pixel_format, fps, frame.shape)
            if frame.shape != shape:
                raise ValueError(f"frames must be {tuple(shape)} like the first; got {tuple(frame.shape)}: resize them")
            image = frame.cpu().permute(1, 2, 0).contiguous().numpy()  # (H, W, C)
            container.mux(stream.encode(VideoFrame.from_ndarray(image, "rgb24")))
            count += 1
        if stream is None:
            raise ValueError("frames must hold at least one frame; got none: a video of no frames cannot be read back")
        container.mux(stream.encode(None))
    return count


def _stream_to_write(
    container: Any, path: Path, codec: str, pixel_format: str, fps: float, shape: Sequence[int]
) -> Any:
    _, height, width = shape
    try:
        rate = Fraction(round(1000 * fps), 1000)
        if codec == "mpeg4":
            rate = 1 / (1 / rate).limit_denominator(_MPEG4_TICKS)
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        stream.codec_context.thread_count = 1  # threads would not live through a fork
        if codec == "mpeg4":
            stream.codec_context.qmin, stream.codec_context.qmax = 1, 3
        stream.codec_context.open()
    except (av.error.FFmpegError, ValueError):
        raise video_error(path, f"an encoder for {codec} and {width} x {height}", "none", "run labkit doctor") from None
    return stream


def _recording(path: str | Path, allow_damaged: bool, square_pixels: bool, short_side: int | None) -> Recording:
    if short_side is not None and (isinstance(short_side, bool) or not isinstance(short_side, int) or short_side < 1):
        raise ValueError(
            f"short_side must be a whole number of pixels, 1 or more; got {short_side!r}: None keeps frames as they are"
        )
    return Recording(Path(path), allow_damaged=allow_damaged, square_pixels=square_pixels, short_side=short_side)


def _frames(recording: Recording) -> Iterator[torch.Tensor]:
    with recording:
        for _ in recording:
            yield torch.from_numpy(np.ascontiguousarray(recording.picture()))


def _info(recording: Recording) -> VideoInfo:
    _, height, width = recording.shape
    fps, times = recording.rate()
    return VideoInfo(recording.path, recording.count, fps, height, width, times)


def _every_frame(info: VideoInfo) -> torch.Tensor:
    size = info.num_frames * 3 * info.height * info.width
    if size > MAX_BYTES:
        raise video_error(
            info.path,
            f"frames of {MAX_BYTES / 1e9:g} GB in all at most",
            f"{info.num_frames} of {info.height} x {info.width} pixels, {size / 1e9:.1f} GB",
            "pass the indices you want, or short_side for smaller frames, or take them one by one with iter_frames",
        )
    return torch.arange(info.num_frames)


def _require_numbers(indices: torch.Tensor) -> None:
    require_shape(indices, "...", "indices")
    require_dtype(indices, [torch.int64], "indices", "number frames 0, 1, 2, ...")
    if indices.numel() == 0 or indices.min() < 0:
        raise ValueError(
            f"indices must be one or more numbers from 0; got {indices.tolist()}: number frames 0, 1, 2, ..."
        )


def _pixels(path: Path, wanted: Sequence[int], options: tuple[bool, bool, int | None]) -> Picture:
    """Frames by their numbers, which ascend: (N, 3, H, W) uint8."""
    if are_sparse(wanted) and not options[0]:  # with damage allowed, the frames before it are wanted, found in turn
        with _recording(path, *options) as recording:
            pixels = _stacked(recording.sparse_pictures(wanted), len(wanted))
        if len(pixels) == len(wanted):
            return pixels
    with _recording(path, *options) as recording:
        pixels = _stacked(recording.pictures(wanted), len(wanted))
        if len(pixels) < len(wanted):
            count = recording.count
            remedy = "pass a function of VideoInfo as indices, which knows how many there are"
            raise video_error(path, f"a frame {wanted[-1]}", f"{count} frames, 0 to {count - 1}", remedy)
    return pixels


def _stacked(pictures: Iterator[Picture], number: int) -> Picture:
    """Images (3, H, W), at most a number of them, as (N, 3, H, W); without keeping them twice, as a list would."""
    count, pixels = 0, np.empty(0, np.uint8)
    for count, picture in enumerate(pictures, 1):
        if count == 1:
            pixels = np.empty((number, *picture.shape), np.uint8)
        pixels[count - 1] = picture
    return pixels[:count]
