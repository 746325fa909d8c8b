"""What a video file says of itself before anything is decoded, and the error that names it."""

from pathlib import Path
from typing import BinaryIO

_MP4_BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"uuid", b"moof", b"mfra", b"sidx", b"styp"}
_MATROSKA_PARTS = {b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"}  # EBML header, segment


class VideoError(ValueError):
    """A video file that cannot be read or written; the message names it, what was expected, what came, what to do."""


def video_error(path: Path, expected: str, got: str, remedy: str) -> VideoError:
    """The error about a file, with its absolute path."""
    return VideoError(f"{path.absolute()}: expected {expected}; got {got}: {remedy}")


def open_file(path: Path) -> BinaryIO:
    """Open a file for bytes; raises `VideoError` where there is none, or it may not be read."""
    try:
        if not path.is_file():  # a pipe would block
            got = "a directory" if path.is_dir() else "no file" if path.exists() else "nothing of that name"
            raise video_error(path, "a video file", got, "check the path")
        return path.open("rb")
    except OSError as error:
        raise video_error(path, "a readable file", str(error.strerror), "check the path and its permissions") from None


def promised_bytes(file: BinaryIO, size: int) -> int:
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


def has_rate(file: BinaryIO) -> bool:
    """False for an AVI whose frame rate is zero: FFmpeg would make up 25 frames per second and stamp them so."""
    file.seek(0)
    header = file.read(1 << 16)
    stream = header.find(b"vids") if header.startswith(b"RIFF") else -1
    scale, rate = header[stream + 20 : stream + 24], header[stream + 24 : stream + 28]  # dwScale, dwRate of strh
    return stream < 0 or (any(scale) and any(rate))
