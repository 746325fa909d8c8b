"""Photo files to uint8 RGB tensors, and sets of photos in which sights and things are to be found again.

Pillow reads; what a file holds decides, not its name. Every kind of image has one way to become RGB:

- grey: the same value three times,
- 16 bits a channel: the upper 8 of them (a colour that a 16-bit PNG calls transparent is not looked at),
- 32 bits or floating point, and 16-bit PGM, which Pillow hands out as 32: an error, as nobody knows what is white,
- palette: its colours,
- transparency: laid over white,
- CMYK and other colour spaces: by their plain formulas; embedded colour profiles are not applied,
- several images in a file (GIF, MPO, TIFF): the first,
- rotated, as EXIF tells: turned upright, unless ``upright=False`` asks for the pixels as they are stored.

A file that is cut short, or does not decode, or whose end is zeros where a JPEG has to say that it ends, is an error,
never half an image. A flipped bit that still decodes gives a wrong image: only PNG carries checksums.
"""

import io
import math
import re
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from tqdm.auto import tqdm

from labkit.clips import Clips, Indices, require_indices
from labkit.data.jobs import Record, find_files, read_manifest, run_jobs

MAX_PIXELS = 2**26
"""A header with more pixels is damaged, or a bomb that fills the memory: 64-megapixel cameras stay below."""

PHOTO_SUFFIXES = {".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif", ".ppm", ".pgm"}
PHOTO_SUFFIXES |= {".heic", ".heif"}
"""What counts as a photo in a folder. HEIC does, so that it is not overlooked; reading it is an error."""

INDEX = "photos.jsonl"

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "PPM")  # of more kinds Pillow calls programs
_HEIC = re.compile(rb"....ftyp(hei[cxms]|hev[cxms]|mif1|msf1)", re.DOTALL)
_JPEG_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")  # 00 and the restarts D0 to D7 occur within the data
_TAIL = bytes(64)
_SHOWN = 5  # names in an error, before it only counts


class PhotoError(ValueError):
    """A photo that cannot be read; the message names it, what was expected, what came, what to do."""


def read_photo(path: str | Path, *, upright: bool = True) -> Tensor:
    """A photo file as it is to be seen.

    Args:
        path: JPEG, PNG, WebP, BMP, TIFF, GIF, AVIF or PPM.
        upright: turn it as its EXIF tells; else the pixels stay as they are stored.

    Returns:
        (3, H, W) uint8 RGB, as the module's docstring says.

    Raises:
        PhotoError: the file is missing or may not be read, or is no such photo, damaged, or too large to be one
            (`MAX_PIXELS`).
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise PhotoError(f"{path}: expected a photo; got {'a folder' if path.is_dir() else 'no such file'}")
        data = path.read_bytes()
    except OSError as error:
        raise PhotoError(
            f"{path}: expected a readable file; got {error.strerror}: check the path and its permissions"
        ) from None
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if math.prod(image.size) > MAX_PIXELS:
                raise PhotoError(
                    f"{path}: expected at most {MAX_PIXELS} pixels; got {image.width} x {image.height}: shrink it first"
                )
            image.load()
            if image.format in ("JPEG", "MPO") and data.endswith(_TAIL) and not _jpeg_ends(data):
                raise OSError("zeros instead of its end")
            pixels = _to_rgb(ImageOps.exif_transpose(image) if upright else image)  # (H, W, 3)
    except PhotoError:
        raise
    except Image.DecompressionBombError:
        raise PhotoError(
            f"{path}: expected at most {MAX_PIXELS} pixels; got more than twice as many: shrink it first"
        ) from None
    except Exception as error:  # damaged files make Pillow raise nearly anything
        if _HEIC.match(data):
            raise PhotoError(
                f"{path}: expected JPEG, PNG, WebP, TIFF or another common kind; got HEIC, as telephones store it: "
                "convert it, e.g. with heif-convert, or with sips -s format jpeg on a Mac"
            ) from None
        reason = "no kind we know" if isinstance(error, UnidentifiedImageError) else repr(error)
        raise PhotoError(
            f"{path}: expected a photo that decodes; got {reason}, in a file that begins with {data[:12]!r}: bring it "
            "again, or leave it out"
        ) from error
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))  # (3, H, W)


def _to_rgb(image: Image.Image) -> np.ndarray:
    """Pixels (H, W, 3) uint8."""
    if image.mode.startswith("I;16"):
        return np.repeat((np.asarray(image) >> 8).astype(np.uint8)[..., None], 3, axis=2)  # (H, W, 3)
    if image.mode in ("I", "F"):
        raise ValueError(f"values without a known range (Pillow's mode {image.mode})")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("RGB"))


def _jpeg_ends(data: bytes) -> bool:
    """Whether the marker of the end comes after the last scan of a JPEG."""
    place = 2
    while found := _JPEG_MARKER.search(data, place):
        if found[1] == b"\xd9":
            return True
        place = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")  # past its segment
    return False


def find_photos(folder: Path, remedy: str = "check the path") -> list[str]:
    """Photo files in a folder, see `find_files`; raises FileNotFoundError, with what to do, where there is none."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: expected a folder of photos; got no such folder: {remedy}")
    return find_files(folder, PHOTO_SUFFIXES)


def photos_by_name(folder: Path, scheme: str, example: str, command: str) -> dict[str, str]:
    """Photos of a folder, in folders or not, by their names without suffix, in the order of the names.

    Args:
        folder: where they are.
        scheme: the pattern that names match.
        example: a name that does.
        command: what brings the photos.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: a name is not of the scheme, or two photos have one name.
    """
    paths: dict[str, str] = {}
    for path in find_photos(folder, f"run {command}"):
        name = Path(path).stem
        if not re.fullmatch(scheme, name):
            raise ValueError(f"{folder}: expected photos named like {example}; got {path}: move it away")
        if name in paths:
            raise ValueError(f"{folder}: expected one photo {name}; got {paths[name]} and {path}: move one away")
        paths[name] = path
    return dict(sorted(paths.items()))


@dataclass(frozen=True)
class Photo:
    """A photo file as a `labkit.clips.Clip` of one frame.

    Attributes:
        group: photos of one group show one place or thing.
        path: the file.
        upright: whether it is turned as its EXIF tells.
    """

    name: str
    label: int
    group: int
    path: Path
    upright: bool = True
    num_frames: int = 1
    fps: float = math.nan
    times: ClassVar[None] = None

    @property
    def labels(self) -> tuple[int, ...]:
        """All its labels: one."""
        return (self.label,)

    def frames(self, indices: Indices) -> Tensor:
        """The image, as often as index 0 is asked: (T, 3, H, W) uint8 RGB; PhotoError if the file is damaged."""
        wanted = require_indices(indices, 0, 0, self.name, "a photo has one frame")
        return read_photo(self.path, upright=self.upright)[None][wanted]  # (T, 3, H, W)

    def flow(self, indices: Indices, *, backward: bool = False) -> Tensor:
        """There is none: raises IndexError for any index."""
        require_indices(indices, 1, 0, self.name, "a photo has no frame after it")
        return torch.empty(0, 2, *self.frames([0]).shape[-2:])


@dataclass(frozen=True)
class Query:
    """A photo to ask with, and what there is to find; photos by name.

    Attributes:
        name: the photo.
        good: photos that show the place clearly; the photo itself may be among them.
        ok: photos that show a quarter of it or more.
        junk: photos that show less: they count neither for nor against.
        box: the part of the photo that shows the place: left, top, right, bottom in pixels; None for all of it.
    """

    name: str
    good: Collection[str]
    ok: Collection[str] = ()
    junk: Collection[str] = ()
    box: tuple[float, float, float, float] | None = None

    def named(self) -> Iterator[str]:
        """All photos it names."""
        return chain([self.name], self.good, self.ok, self.junk)


class Photos(Clips):
    """A set of photos for instance retrieval, with the interface of `labkit.world.Places`.

    All photos together are the database, to be ranked for each query. Junk is left out of the ranking, and so is the
    query itself, unless the set counts it among its own positives (`finds_itself`)::

        for query in photos.queries:
            good, ok = photos.positives(query)
            skipped = {*photos.junk(query), query}.difference(good, ok)
            image = photos[query].frames([0])[0]  # (3, H, W) uint8
            left, top, right, bottom = photos.box(query)
            cropped = image[:, top:bottom, left:right]  # where the protocol asks with the box

    Args:
        title: what errors call it.
        folder: of the photos.
        paths: the photos by name, in order, relative to ``folder``.
        queries: what is asked. One with nothing to find but itself is left out.
        instances: the place or thing that a photo shows, by its name. One that is not there is like no other.
        missing: "error", or "skip" to take only the photos that are there and decode, with a warning; each photo that
            is not in the index is then decoded once.
        counts: how many photos there must be, at least and at most; None for any number.
        upright: whether photos are turned as their EXIF tells.
        index: the file where `complete` notes which photos decode, if there is one.
        command: what brings the photos.

    Attributes:
        finds_itself: whether a query stays in its own ranking, as in Oxford and Paris.
        names: (N,) the name of each photo.
        paths: (N,) the file of each photo, relative to ``folder``.
        queries: index of each photo to ask with; `positives` and `junk` of any other photo raise ValueError.
        left_out: why, by name, for photos that are named or there but not in the set.

    Raises:
        FileNotFoundError: photos are missing, all of them if ``missing`` is "skip".
        ValueError: an argument is none of its values, there are too many photos, or a photo asks twice.
    """

    finds_itself = False

    def __init__(
        self,
        title: str,
        folder: Path,
        paths: Mapping[str, str],
        queries: Sequence[Query],
        instances: Mapping[str, str],
        *,
        missing: Literal["error", "skip"] = "error",
        counts: tuple[int, int] | None = None,
        upright: bool = True,
        index: Path | None = None,
        command: str = "",
    ) -> None:
        if missing not in ("error", "skip"):
            raise ValueError(f'missing must be "error" or "skip"; got {missing!r}')
        if len({query.name for query in queries}) < len(queries):
            raise ValueError(f"{title}: expected queries with photos of their own; got one that asks twice")
        least, most = counts or (1, len(paths))
        if len(paths) > most:
            raise ValueError(f"{title}: expected {most} photos in {folder}; got {len(paths)}: move the others away")
        lacking = sorted({name for query in queries for name in query.named() if name not in paths})
        if not paths or (missing == "error" and (lacking or len(paths) < least)):
            without = f", without {_some(lacking)}" if paths and lacking else ""
            remedy = ', or pass missing="skip" to take those that are there' if paths else ""
            raise FileNotFoundError(
                f"{title}: expected {most} photos in {folder}; got {len(paths)}{without}: run {command}{remedy}"
            )
        self.left_out = dict.fromkeys(lacking, "not there")
        if missing == "skip":
            self.left_out |= _damaged(title, folder, paths, index)
        self.names = [name for name in paths if name not in self.left_out]
        if not self.names:
            raise FileNotFoundError(f"{title}: expected photos that decode in {folder}; got {_some(self.left_out)}")
        self.num_lacking = max(least - len(self.names), len(self.left_out))
        self.paths = [paths[name] for name in self.names]
        self.folder, self.upright, self.index = folder, upright, index
        shown = [instances.get(name, name) for name in self.names]
        self.classes = tuple(dict.fromkeys(shown))
        numbers = {instance: number for number, instance in enumerate(self.classes)}
        self.labels = torch.tensor([numbers[instance] for instance in shown])
        self.groups = self.labels.clone()
        self._there = {name: number for number, name in enumerate(self.names)}
        asked = {self._there[query.name]: query for query in queries if query.name in self._there}
        self._queries = {
            number: query
            for number, query in asked.items()
            if any(name in self._there and name != query.name for name in chain(query.good, query.ok))
        }
        self.queries = list(self._queries)
        if missing == "skip" and (self.left_out or len(self.names) < least or len(self.queries) < len(queries)):
            warnings.warn(
                f"{title}: took {len(self.names)}{f' of {most}' if counts else ''} photos and {len(self.queries)} of "
                f"{len(queries)} queries; left out {_some(self.left_out) or 'none'}",
                stacklevel=3,
            )

    def __getitem__(self, index: int) -> Photo:
        """The photo at an index from 0; IndexError outside."""
        if not 0 <= index < len(self):
            raise IndexError(f"index must lie within 0 to {len(self) - 1}; got {index}: the set is that long")
        label = int(self.labels[index])
        return Photo(self.names[index], label, label, self.folder / self.paths[index], self.upright)

    def positives(self, index: int) -> tuple[list[int], list[int]]:
        """The photos to find for a query: those that show its place clearly, and those that show a part of it."""
        query = self._query(index)
        good, ok = self._indices(query.good), self._indices(query.ok)
        if not self.finds_itself:
            good = [other for other in good if other != index]
        return good, ok

    def junk(self, index: int) -> list[int]:
        """The photos to skip in the ranking of a query."""
        return self._indices(self._query(index).junk)

    def box(self, index: int) -> tuple[int, int, int, int]:
        """The part of a photo that shows the place: left, top, right, bottom in pixels, the last two exclusive.

        All of the photo where nobody marked a part. Marks between pixels are rounded as ``PIL.Image.crop`` does, and
        end with the photo.
        """
        height, width = self[index].frames([0]).shape[-2:]
        marked = self._queries[index].box if index in self._queries else None
        left, top, right, bottom = map(round, marked or (0, 0, width, height))
        left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
        if left >= right or top >= bottom:
            raise ValueError(f"{self.names[index]}: expected a box within {width} x {height} pixels; got {marked}")
        return left, top, right, bottom

    def _query(self, index: int) -> Query:
        if index not in self._queries:
            raise ValueError(f"a query must be one of queries; got {index}, {self[index].name}")
        return self._queries[index]

    def _indices(self, names: Collection[str]) -> list[int]:
        return sorted(self._there[name] for name in names if name in self._there)


def complete(photos: Photos, *, processes: int = 1) -> dict[str, str]:
    """Decode each photo of a set with an index once, and note there that it does; for each that does not, why."""
    assert photos.index is not None
    print(f"{len(photos)} photos, {len(photos.queries)} queries")
    return run_jobs(_check, photos.paths, photos.folder, photos.index, {"index": 1}, processes=processes)


def _check(source: Path, out: Path) -> Record:
    """The job of `complete`."""
    _, height, width = read_photo(source).shape
    return {"height": height, "width": width}


def _damaged(title: str, folder: Path, paths: Mapping[str, str], index: Path | None) -> dict[str, str]:
    """Why, by name, for photos that do not decode. Those in the index do, if their size in bytes is still the same."""
    records = read_manifest(index) if index else {}
    found = {}
    for name, path in tqdm(paths.items(), desc=f"checking {title}", unit="photo", delay=2):
        record = records.get(path)
        if not record or record["bytes"] != (folder / path).stat().st_size:
            try:
                read_photo(folder / path)
            except PhotoError as error:
                found[name] = str(error)
    return found


def _some(names: Collection[str]) -> str:
    """The first few names, and whether there are more."""
    return ", ".join([*names][:_SHOWN]) + (f", ... ({len(names)} in all)" if len(names) > _SHOWN else "")
