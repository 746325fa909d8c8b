"""Flow on disk: small enough for a data set, and never quietly wrong.

Flow is computed once and read many times. As floats the flow of UCF101 takes 1.5 TB; the two-stream paper rescales
it to [0, 255] and keeps it as JPEG, which takes 27 GB. `save_flow` does so for a clip, each component of each field by
itself, and keeps the ranges to undo it:

    clip.flow            a ZIP archive, stored without further compression: any unzip tool opens it
      flow.json          {"format": "labkit flow 1", "shape": [T, 2, H, W], "ranges": [[[low, high] of dx, of dy], ...]}
      00000_x.jpg        dx of the first field: 0 means low, 255 means high
      00000_y.jpg        dy of the first field, and so on

The archive keeps a checksum of each file in it, so damage is found when it is read. Files of other people are
Middlebury's ``.flo`` (`read_flo`, `write_flo`). Every function that writes puts the file together under a temporary
name, then renames it.
"""

import contextlib
import io
import json
import math
import os
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from labkit import checks
from labkit.files import written_whole

_FORMAT = "labkit flow 1"
_JPEG_SIDE = 65500  # libjpeg's largest side, in pixels
_FLO_MAGIC = 202021.25  # the bytes "PIEH"
_FLO_UNKNOWN = 1e10  # what Middlebury's own code writes for unknown flow; whatever exceeds 1e9 reads as unknown
_FLO_UNKNOWN_FROM = 1e9


class FlowFileError(ValueError):
    """A flow file cannot be read or written; the message names the file, what was expected, what came, what to do."""


def save_flow(path: str | os.PathLike[str], flow: Tensor, quality: int = 95) -> None:
    """Save flow fields as grey JPEGs in one file; each component of each field spans the full range of levels.

    What comes back differs by rounding and by JPEG. In levels, (high - low) / 255 of the component, at quality 95:

    ==================================  =========  =========  ===========================
    field                               mean       largest    worst of thousands measured
    ==================================  =========  =========  ===========================
    any, sides of at least 16 pixels    below 2.5  below 16   noise: 1.7 and 11.9
    smooth, its values 16 pixels apart  below 0.7  below 4.5  0.54 and 3.5
    ==================================  =========  =========  ===========================

    Beyond 28 levels no content can push a pixel: JPEG rounds the 64 coefficients of an orthonormal transform, its table
    allows errors with a norm of 26.9 levels, and rounding to levels happens twice.
    A constant component, such as no motion at all, comes back exactly. Real flow (FlyingChairs, Sintel) lies between:
    on average 0.3 to 0.5 levels, but up to 10 levels next to motion edges.

    Args:
        path: the file to write, by custom ``*.flow``; its folder must exist; an older file is replaced.
        flow: ``(2, H, W)`` or ``(T, 2, H, W)``, float32, finite, in pixels per frame.
        quality: JPEG quality, 1 to 100. A field of 240 x 320 takes 15 to 30 kB at 95, and a third less at 90.

    Raises:
        ValueError: wrong shape, quality or size, or a value that is not finite; `TypeError` if it is not float32.
        FlowFileError: the file cannot be written (no space, no such folder); an older file is left as it was.

    Source: Simonyan and Zisserman, NIPS 2014, section 5, "Optical flow". Their text leaves open what shares a range;
    one for each component of each field loses least. TSN's later fixed range of 20 pixels clips what is faster.
    """
    checks.require_shape(
        flow, "2 H W" if getattr(flow, "ndim", 0) == 3 else "T 2 H W", "flow", "pass dx, dy of one clip"
    )
    checks.require_dtype(flow, (torch.float32,), "flow", "convert with .float()")
    checks.require_finite(flow, "flow", "unknown flow cannot be stored here; write_flo can")
    if not (1 <= quality <= 100 and min(flow.shape) > 0 and max(flow.shape[-2:]) <= _JPEG_SIDE):
        raise ValueError(
            f"quality must be 1 to 100 and the sides 1 to {_JPEG_SIDE} pixels; got quality {quality} and "
            f"shape {tuple(flow.shape)}"
        )
    fields = flow.detach().cpu().numpy().reshape(-1, 2, *flow.shape[-2:])  # (T, 2, H, W)
    ranges = [[[float(part.min()), float(part.max())] for part in field] for field in fields]
    header = {"format": _FORMAT, "shape": list(flow.shape), "ranges": ranges}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo("flow.json"), json.dumps(header))  # ZipInfo: without the time of day
        for number, field in enumerate(fields):
            for axis, part, (low, high) in zip("xy", field, ranges[number], strict=True):
                levels = np.rint((part.astype(np.float64) - low) * (255 / (high - low or 1.0))).astype(np.uint8)
                _, jpeg = cv2.imencode(".jpg", levels, [cv2.IMWRITE_JPEG_QUALITY, quality])
                archive.writestr(zipfile.ZipInfo(_member_name(number, axis)), jpeg.tobytes())
    _write(Path(path), buffer.getvalue())


def load_flow(path: str | os.PathLike[str], start: int = 0, stop: int | None = None) -> Tensor:
    """Load what `save_flow` wrote, or some consecutive fields of it; only these are read.

    Args:
        path: a file of `save_flow`.
        start: first field, counted from 0.
        stop: the field after the last; None for the end.

    Returns:
        float32, pixels per frame: ``(2, H, W)`` if a single field was saved as such, else ``(stop - start, 2, H, W)``.

    Raises:
        FlowFileError: missing, not to be read, empty, damaged at any byte that matters, or not a file of `save_flow`.
        ValueError: start and stop name no field of this file.
    """
    with _open(Path(path)) as archive:
        shape, ranges = _header(archive)
        count = shape[0] if len(shape) == 4 else 1
        stop = count if stop is None else stop
        if not 0 <= start < stop <= count:
            raise ValueError(f"start and stop must name fields of {path}, from 0 to {count}; got {start} to {stop}")
        fields = [_field(archive, number, shape, ranges[number]) for number in range(start, stop)]
    return torch.from_numpy(np.stack(fields) if len(shape) == 4 else fields[0])  # (stop - start, 2, H, W) or (2, H, W)


def stored_flow_shape(path: str | os.PathLike[str]) -> tuple[int, ...]:
    """Shape of the flow in a file of `save_flow`, without decoding it; raises `FlowFileError` as `load_flow`."""
    with _open(Path(path)) as archive:
        return _header(archive)[0]


def read_flo(path: str | os.PathLike[str]) -> Tensor:
    """Read a ``.flo`` file, the format of Middlebury, Sintel and FlyingChairs.

    Layout, little-endian: float 202021.25, int width, int height, then u, v of each pixel as float32, row by row.

    Returns:
        ``(2, H, W)``, float32 in pixels per frame. Unknown flow (in the file a value above 1e9 in size, or NaN) comes
        back as NaN in both components; ``torch.isfinite(flow).all(dim=-3)`` is the mask of the known.

    Raises:
        FlowFileError: missing, not to be read, empty, not a ``.flo`` file, impossible size, cut off or too long.

    Source: Baker et al., IJCV 2011; ``flowIO.cpp`` of the Middlebury evaluation.
    """
    path = Path(path)
    _require_file(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from None
    if len(data) < 12 or struct.unpack("<f", data[:4])[0] != _FLO_MAGIC:
        raise FlowFileError(f"{path}: expected a .flo file, starting with PIEH; got {data[:4]!r}: is it flow at all?")
    width, height = struct.unpack("<ii", data[4:12])
    if width < 1 or height < 1 or len(data) != 12 + 8 * width * height:
        raise FlowFileError(
            f"{path}: expected {12 + 8 * width * height} bytes for its {width} x {height} pixels; got {len(data)}: "
            f"the file is damaged, fetch it again"
        )
    flow = np.frombuffer(data, "<f4", offset=12).reshape(height, width, 2).transpose(2, 0, 1)  # (2, H, W)
    known = (np.abs(flow) <= _FLO_UNKNOWN_FROM).all(axis=0)  # (H, W)
    return torch.from_numpy(np.where(known, flow, np.nan).astype(np.float32))  # (2, H, W)


def write_flo(path: str | os.PathLike[str], flow: Tensor) -> None:
    """Write a ``.flo`` file (layout: see `read_flo`), lossless: 8 bytes a pixel.

    Args:
        path: the file to write; its folder must exist; an older file is replaced.
        flow: ``(2, H, W)``, float32, in pixels per frame. NaN in either component is written as unknown flow, 1e10.

    Raises:
        ValueError: wrong shape, empty, or a value above 1e9 in size, which would read as unknown.
        TypeError: not float32.
        FlowFileError: the file cannot be written; an older file is left as it was.
    """
    checks.require_shape(flow, "2 H W", "flow", "a .flo file holds one field")
    checks.require_dtype(flow, (torch.float32,), "flow", "convert with .float()")
    if flow.numel() == 0 or (flow.abs() > _FLO_UNKNOWN_FROM).any():
        raise ValueError(
            f"flow must have pixels, none above 1e9 in size; got shape {tuple(flow.shape)}: mark unknown flow as NaN"
        )
    unknown = flow.isnan().any(dim=0)  # (H, W)
    pixels = flow.detach().masked_fill(unknown, _FLO_UNKNOWN).permute(1, 2, 0).cpu().numpy()  # (H, W, 2)
    height, width = unknown.shape
    _write(Path(path), struct.pack("<fii", _FLO_MAGIC, width, height) + pixels.astype("<f4").tobytes())


def _write(path: Path, data: bytes) -> None:
    """Write a file all or not at all."""
    try:
        with written_whole(path) as file:
            file.write(data)
    except OSError as error:
        raise FlowFileError(
            f"{path}: expected to write {len(data)} bytes; got {error.strerror or error}: check the folder and the "
            f"free space; nothing was changed"
        ) from error


def _require_file(path: Path) -> None:
    if not path.is_file():
        got = "a folder" if path.is_dir() else "no file"
        raise FlowFileError(f"{path}: expected a file; got {got}: check the path")
    if path.stat().st_size == 0:
        raise FlowFileError(f"{path}: expected flow; got an empty file: compute or fetch it again")


def _unreadable(path: str | Path, error: OSError) -> FlowFileError:
    return FlowFileError(f"{path}: expected a readable file; got {error.strerror}: check the path and its permissions")


@contextlib.contextmanager
def _damage_named(path: str | Path) -> Iterator[None]:
    """Turn whatever goes wrong inside into a `FlowFileError`: zipfile and json raise a dozen kinds on damaged files."""
    try:
        yield
    except PermissionError as error:
        raise _unreadable(path, error) from None
    except Exception as error:
        raise FlowFileError(
            f"{path}: expected a whole file of save_flow; got {error!r}: it is damaged or not flow, compute it again"
        ) from error


def _open(path: Path) -> zipfile.ZipFile:
    _require_file(path)
    with _damage_named(path):
        return zipfile.ZipFile(path)


def _header(archive: zipfile.ZipFile) -> tuple[tuple[int, ...], np.ndarray]:
    """Shape of the flow and its ranges, ``(T, 2, 2)``: low and high of each component."""
    with _damage_named(str(archive.filename)):
        header = json.loads(_member(archive, "flow.json"))
        shape, ranges = tuple(header["shape"]), np.array(header["ranges"], dtype=np.float64)
        if header["format"] != _FORMAT or len(shape) not in (3, 4) or not all(type(size) is int for size in shape):
            raise ValueError(f"format {header['format']!r} and shape {shape}")
        if shape[-3] != 2 or ranges.shape != (math.prod(shape[:-3]), 2, 2) or not np.isfinite(ranges).all():
            raise ValueError(f"shape {shape} with ranges of shape {ranges.shape}")
        return shape, ranges


def _field(archive: zipfile.ZipFile, number: int, shape: tuple[int, ...], ranges: np.ndarray) -> np.ndarray:
    """One field, ``(2, H, W)`` float32, from its two JPEGs."""
    with _damage_named(str(archive.filename)):
        parts = []
        for axis, (low, high) in zip("xy", ranges, strict=True):
            levels = _levels(archive, _member_name(number, axis), shape[-2:])
            parts.append((low + levels * ((high - low) / 255)).astype(np.float32))
        return np.stack(parts)  # (2, H, W)


def _member_name(number: int, axis: str) -> str:
    return f"{number:05}_{axis}.jpg"


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """One file of the archive, compared with its checksum; sizes that the archive cannot hold are refused unread."""
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED or info.compress_size > os.path.getsize(str(archive.filename)):
        raise ValueError(f"{name} with {info.compress_size} bytes, compressed by method {info.compress_type}")
    return archive.read(info)


def _levels(archive: zipfile.ZipFile, name: str, size: tuple[int, ...]) -> np.ndarray:
    """Levels ``(H, W)``, uint8, of a grey JPEG in the archive, complete and of the size of the flow."""
    data = _member(archive, name)
    whole = data.rstrip(b"\0").endswith(b"\xff\xd9")  # the end marker; OpenCV would fill what is missing with grey
    levels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if whole else None
    if levels is None or levels.shape != size:
        raise ValueError(f"no {size} grey levels in the {len(data)} bytes of {name}")
    return levels
