"""Data sets of video files with official lists: clips that decode when they are asked, flow from a store beside them.

A set lies in one folder, its *root*::

    root/
      UCF-101/          the videos, in folders of classes or all in one
      ucfTrainTestlist/ the official lists
      flow/             one file a video, written by ``data_scripts/extract_flow.py``
      videos.jsonl      length and rate of each video, written by ``data_scripts/ucf101.py`` or ``hmdb51.py``

Without ``videos.jsonl`` a clip is decoded once just to count its frames; each process does so once for each video.
Where nobody may pass the videos on, they are the user's to bring (`labkit.data.supplied`).
"""

import math
import shlex
import warnings
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from labkit.clips import Clip, Clips, Indices, require_indices
from labkit.data.jobs import Record, find_files, read_manifest, read_settings, run_jobs
from labkit.data.video import VideoInfo, read_video, scan
from labkit.flow.store import load_flow, stored_flow_shape

VIDEO_SUFFIXES = {".avi", ".mp4", ".mkv", ".mov", ".webm", ".mpg", ".mpeg", ".m4v", ".flv", ".3gp", ".wmv"}
INDEX = "videos.jsonl"
INDEXED = {"index": 2}  # raised by hand when other frames are counted, or other sizes noted, than before
_SHOWN = 5  # names in an error, before it only counts


@dataclass(frozen=True)
class Listed:
    """A video as a list names it: ``name`` without folder and suffix, class, group and further classes by number."""

    name: str
    label: int
    group: int
    others: tuple[int, ...] = ()

    @property
    def labels(self) -> tuple[int, ...]:
        """All its classes, the first one first."""
        return (self.label, *self.others)


class VideoClip:
    """A `labkit.clips.Clip` of one video file.

    Args:
        listed: its name, label and group.
        path: the video.
        flow_path: where its forward flow is stored, as ``*.flow``; backward flow lies beside it, ``*.backward.flow``.
        flow_command: what computes the flow, for the error where there is none.
        known: what is known of videos by path; a scan of this one is added.

    A damaged video raises `VideoError` when its length or rate is first asked.
    """

    def __init__(
        self, listed: Listed, path: Path, flow_path: Path, flow_command: str, known: dict[Path, VideoInfo]
    ) -> None:
        self.name, self.label, self.group = listed.name, listed.label, listed.group
        self.labels = listed.labels
        self.path, self.flow_path, self.flow_command = path, flow_path, flow_command
        self._known = known

    @property
    def info(self) -> VideoInfo:
        """Length, rate and size of the video; raises `VideoError` if it is damaged."""
        if self.path not in self._known:
            self._known[self.path] = scan(self.path)
        return self._known[self.path]

    @property
    def num_frames(self) -> int:
        """Length in frames, counted by decoding them."""
        return self.info.num_frames

    @property
    def fps(self) -> float:
        """Frames per second; nan where nobody knows."""
        return self.info.fps

    @property
    def times(self) -> tuple[float, ...] | None:
        """When each frame comes on screen, in seconds after the first; None where the rate is constant."""
        return self.info.times

    def frames(self, indices: Indices) -> Tensor:
        """(T, 3, H, W) uint8 RGB, as `labkit.clips.Clip.frames`; raises `VideoError` if the file is damaged."""
        wanted = require_indices(indices, 0, self.num_frames - 1, self.name)
        if not wanted:
            return torch.empty(0, 3, self.info.height, self.info.width, dtype=torch.uint8)
        return read_video(self.path, torch.tensor(wanted)).frames

    def flow(self, indices: Indices, *, backward: bool = False) -> Tensor:
        """Stored flow, (T, 2, H, W) float32 in pixels per frame, as `labkit.clips.Clip.flow`.

        Raises:
            FileNotFoundError: no flow has been computed; the message has the command.
            FlowFileError: the stored flow is damaged.
            ValueError: it is the flow of another video.
        """
        path = self.flow_path.with_suffix(".backward.flow") if backward else self.flow_path
        if not path.is_file():
            raise FileNotFoundError(
                f"{self.name}: expected its {'backward ' * backward}flow in {path}; got no such file: run "
                f"{self.flow_command}{' --backward' * backward}"
            )
        shape = stored_flow_shape(path)
        if self.path in self._known:
            expected = (self.num_frames - 1, 2, self.info.height, self.info.width)
            if shape != expected:
                raise ValueError(
                    f"{path}: expected the {expected} flow of {self.path}; got {shape}, of another video: delete it and"
                    f" run {self.flow_command}"
                )
        first = 1 if backward else 0  # field t - 1 of the backward store leads from frame t to t - 1
        wanted = require_indices(indices, first, first + shape[0] - 1, f"{self.name} with flow")
        if not wanted:
            return torch.empty(0, *shape[1:])
        fields, places = torch.unique(torch.tensor(wanted) - first, return_inverse=True)
        ends = (fields.diff() > 1).nonzero()[:, 0] + 1  # (number of runs - 1,)
        runs = [load_flow(path, int(run[0]), int(run[-1]) + 1) for run in torch.tensor_split(fields, ends)]
        return torch.cat(runs)[places]  # (T, 2, H, W)


class VideoClips(Clips):
    """A set of video files that lists name.

    Args:
        title: what errors call it.
        classes: names, in the order of their labels.
        listed: the videos, in order.
        paths: where they are, by name, relative to the folder of videos; names compare without regard to case.
        root: folder of the set; those of ``videos`` and ``flow`` are relative to it.
        missing: see `require_there`, as for errors.
        fetch_command: what brings the videos.
    """

    def __init__(
        self,
        title: str,
        classes: Sequence[str],
        listed: Iterable[Listed],
        paths: Mapping[str, str],
        root: Path,
        videos: str,
        flow: str,
        missing: Literal["error", "skip"],
        fetch_command: str,
    ) -> None:
        listed = list(listed)
        lacking = [video.name for video in listed if video.name.lower() not in paths]
        require_there(f"{title}: {{}} videos", len(listed), lacking, root / videos, missing, fetch_command)
        self.num_lacking = len(lacking)
        self.classes = tuple(classes)
        self.listed = [video for video in listed if video.name.lower() in paths]
        self.labels = torch.tensor([video.label for video in self.listed])
        self.groups = torch.tensor([video.group for video in self.listed])
        self.folder, self.flow_folder = root / videos, root / flow
        self.paths = [paths[video.name.lower()] for video in self.listed]  # relative to folder
        arguments = shlex.join([str(root), "--videos", videos, "--flow", flow])
        self.flow_command = f"python data_scripts/extract_flow.py {arguments}"
        self._known = _known_videos(root / INDEX, self.folder, self.paths)

    def __getitem__(self, index: int) -> Clip:
        """The clip at an index from 0; IndexError outside."""
        if not 0 <= index < len(self):
            raise IndexError(f"index must lie within 0 to {len(self) - 1}; got {index}")
        path = self.paths[index]
        store = flow_path(self.flow_folder / path)
        return VideoClip(self.listed[index], self.folder / path, store, self.flow_command, self._known)

    @property
    def flow_estimator(self) -> str | None:
        """The function of `labkit.flow` that computed the stored flow, e.g. "tvl1"; None where the store does not say.

        Raises:
            JobsError: the manifest of the store is damaged.
        """
        return read_settings(self.flow_folder / "forward.jsonl").get("estimator")

    def _all_labels(self, index: int) -> tuple[int, ...]:
        return self.listed[index].labels


class OfficialSplits(VideoClips):
    """Base of `UCF101` and `HMDB51`: one part of one of three official splits.

    Args:
        root: folder of the set, as its script in ``data_scripts`` makes it.
        split: 1, 2 or 3.
        part: "train" or "test".
        missing: "error", or "skip" to take only the videos that are there, with a warning that counts the others.
        videos: folder of the videos, relative to ``root``, in class folders or not; None for its official name.
        lists: folder of the lists, relative to ``root``; None for its official name.
        flow: folder of the flow store, relative to ``root``.

    Raises:
        FileNotFoundError: a list is not there, or videos are missing; the message counts them and has the command.
        ValueError: a list is not as it should be, or an argument is none of its values.
    """

    title: str
    script: str
    videos: str
    lists: str
    prefix = ""  # that some copies have before the names of videos

    def __init__(
        self,
        root: str | Path,
        split: Literal[1, 2, 3] = 1,
        part: Literal["train", "test"] = "train",
        *,
        missing: Literal["error", "skip"] = "error",
        videos: str | None = None,
        lists: str | None = None,
        flow: str = "flow",
    ) -> None:
        if split not in (1, 2, 3) or part not in ("train", "test"):
            raise ValueError(f'split must be 1, 2 or 3 and part "train" or "test"; got {split!r} and {part!r}')
        root, videos = Path(root), videos or self.videos
        command = f"python data_scripts/{self.script} {shlex.quote(str(root))}"
        classes, listed = self.read_lists(root / (lists or self.lists), split, part, f"run {command}")
        paths, title = paths_by_name(root / videos, self.prefix), f"{self.title}, split {split}, {part}"
        super().__init__(title, classes, listed, paths, root, videos, flow, missing, command)

    @classmethod
    @abstractmethod
    def read_lists(cls, folder: Path, split: int, part: str, remedy: str) -> tuple[list[str], list[Listed]]:
        """Names of the classes and the videos of a part, both in order; ``remedy`` is for errors."""


def require_there(what: str, number: int, lacking: Sequence[str], folder: Path, missing: str, command: str) -> None:
    """Check that nothing lacks in a set; if ``missing`` is "skip", warn, and check that something is there.

    Args:
        what: what is counted, with ``{}`` for the number, for the error and the warning: ``"UCF101: {} videos"``.
        number: how many there should be.
        lacking: names of those that are not there.
        folder: where they should be.
        missing: "error" or "skip"; anything else raises ValueError, and so does a number of 0.
        command: what brings them, for the FileNotFoundError.
    """
    if missing not in ("error", "skip"):
        raise ValueError(f'missing must be "error" or "skip"; got {missing!r}')
    if number == 0:
        raise ValueError(f"{what.format('expected 1 or more')}; got none to look for: check the list and the choice")
    if len(lacking) == number or (lacking and missing == "error"):
        shown = ", ".join(lacking[:_SHOWN]) + (", ..." if len(lacking) > _SHOWN else "")
        remedy = "" if len(lacking) == number else ', or pass missing="skip" to take those that are there'
        raise FileNotFoundError(
            f"{what.format(f'expected {number}')} in {folder}; got {number - len(lacking)}, {len(lacking)} are "
            f"missing: {shown}. Run {command}{remedy}"
        )
    if lacking:
        warnings.warn(  # of the caller of a set whose base class calls this
            f"{what.format(f'{len(lacking)} of {number}')} are not in {folder}; skipped", stacklevel=4
        )


def flow_path(out: Path) -> Path:
    """Where the forward flow of a video lies in a store, ``clip.avi.flow`` for ``clip.avi``."""
    return out.with_name(f"{out.name}.flow")


def find_videos(folder: Path) -> list[str]:
    """Video files in a folder and its folders, links followed: paths relative to it, in order. Hidden ones are not."""
    return find_files(folder, VIDEO_SUFFIXES)


def paths_by_name(folder: Path, ignore_prefix: str = "") -> dict[str, str]:
    """Videos of a folder by their name in lower case, without suffix and without a prefix that some copies have.

    Raises:
        ValueError: two files have one name.
    """
    paths: dict[str, str] = {}
    for path in find_videos(folder):
        name = Path(path).stem.lower().removeprefix(ignore_prefix)
        if name in paths:
            raise ValueError(f"{folder}: expected one video {name}; got {paths[name]} and {path}: move one away")
        paths[name] = path
    return paths


def read_list(path: Path, what: str, remedy: str) -> list[str]:
    """Lines of a text file in UTF-8 that say something, without the white space around them.

    What the file is and what to do is for errors: FileNotFoundError where there is none, ValueError if it is no text.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected {what}; got no such file: {remedy}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected {what}, text in UTF-8; got {error}: unpack it, or {remedy}") from None
    return [line.strip() for line in text.split("\n") if line.strip()]


def complete(clips: type[OfficialSplits], root: Path, *, processes: int = 1) -> dict[str, str]:
    """Check that all videos of all splits of a set are there, and index them; see `index_videos`."""
    splits: tuple[Literal[1, 2, 3], ...] = (1, 2, 3)
    for split in splits:
        train, test = clips(root, split), clips(root, split, "test")
        print(f"split {split}: {len(train)} videos to train, {len(test)} to test")
    return index_videos(find_videos(train.folder), train.folder, root / INDEX, processes=processes)


def index_videos(names: Sequence[str], folder: Path, index: Path, *, processes: int) -> dict[str, str]:
    """Decode each video once, some at a time, and write to an index what it is; for each that does not decode, why."""
    return run_jobs(_index, names, folder, index, INDEXED, processes=processes)


def describe(info: VideoInfo) -> Record:
    """What manifests note of a video."""
    fps = None if math.isnan(info.fps) else info.fps  # JSON has no nan
    times = {} if info.times is None else {"times": info.times}
    return {"frames": info.num_frames, "fps": fps, "height": info.height, "width": info.width, **times}


def _index(source: Path, out: Path) -> Record:
    """The job of `index_videos`."""
    return describe(scan(source))


def _known_videos(index: Path, folder: Path, paths: Iterable[str]) -> dict[Path, VideoInfo]:
    """What an index knows of videos, except where their size in bytes has changed since; an old index knows nothing."""
    if index.is_file() and read_settings(index) not in (INDEXED, {}):
        warnings.warn(
            f"{index} was written by an earlier labkit, and is not used: delete it, then index again", stacklevel=4
        )
        return {}
    records = read_manifest(index)
    known = {}
    for name in paths:
        path = folder / name
        if (record := records.get(name)) and record["bytes"] == path.stat().st_size:
            fps = math.nan if record["fps"] is None else record["fps"]
            times = tuple(record["times"]) if "times" in record else None
            known[path] = VideoInfo(path, record["frames"], fps, record["height"], record["width"], times)
    return known
