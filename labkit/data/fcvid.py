"""FCVID, the Fudan-Columbia Video Dataset: 91,223 videos from the web of 239 events, objects and scenes.

Jiang, Wu, Wang, Xue and Chang, "Exploiting feature and class relationships in video categorization with regularized
deep neural networks", PAMI 2018. Videos are long, 167 seconds on average, and may have several labels; half of them
are to train, half to test. Videos and labels are had from the authors on request. Two of their files, as programs
read that are public and use them::

    FCVID_VideoName_TrainTestSplit.txt   a line a video: its file, white space, "train" or "test"
    FCVID_Label.txt                      a line a video, in the same order: 239 numbers, 1 for its labels, 0 for others

Under what name the classes come we could not find out. This reader takes them from a third file::

    classes.txt                          239 names, a line each, in the order of the columns

Four thousand hours are too much to decode again in every epoch. Ng's thesis, section 5.4.1: "the frames are sampled
every three seconds and resized to 256 x 256". `store_frames` writes them once, each video as a very short one to
``frames/``, in MPEG-4 with little loss (the thesis names no format), and `FCVID.stored` reads these.
"""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from torchvision.transforms.v2.functional import resize  # type: ignore[import-untyped]

from labkit.data.jobs import Record, run_jobs
from labkit.data.supplied import Labels, SuppliedVideos
from labkit.data.video import read_video, scan, write_video
from labkit.data.videos import INDEX, find_videos, index_videos
from labkit.views.sampling import at_frame_rate

CLASSES = 239
SPLIT, LABELS = "FCVID_VideoName_TrainTestSplit.txt", "FCVID_Label.txt"
FRAMES, SECONDS, SIDE = "frames", 3, 256  # where stored frames lie, the time between two of them, their size


class FCVID(SuppliedVideos):
    """One half of FCVID, as `labkit.clips.Clips`; ``multi_hot`` has all labels, ``labels`` the first column of each.

    A video is named by its file, without folders and suffix.

    ``data_scripts/fcvid.py`` says where videos and lists come from, and checks them. Arguments, groups and errors are
    those of `labkit.data.supplied.SuppliedVideos`.
    """

    title, script = "FCVID", "fcvid.py"
    counts: ClassVar[Mapping[str, int]] = {"both parts": 91223}

    @classmethod
    def stored(
        cls, root: str | Path, part: Literal["train", "test"] = "train", *, missing: Literal["error", "skip"] = "error"
    ) -> "FCVID":
        """The videos as `store_frames` has written them; FileNotFoundError where it has not."""
        folder = Path(root, FRAMES)
        if not folder.is_dir():
            raise FileNotFoundError(
                f"{folder}: expected a frame of every {SECONDS} seconds of FCVID; got no such folder: run python "
                f"data_scripts/{cls.script} {shlex.quote(str(root))} --frames"
            )
        return cls(folder, part, missing=missing, videos=".", lists="../lists", flow="../flow")

    @classmethod
    def read_lists(cls, folder: Path, part: str) -> tuple[list[str], Labels]:
        """Names of the classes and labels of the videos of a part, both in order."""
        classes = cls.names(folder / "classes.txt", CLASSES)
        names, rows = cls.lines(folder / SPLIT), cls.lines(folder / LABELS)
        if len(names) != len(rows):
            raise ValueError(
                f"{folder / LABELS}: expected {len(names)} lines, as {SPLIT} has; got {len(rows)}: bring both again"
            )
        labels: Labels = {}
        for line, row in zip(names, rows, strict=True):
            path, _, of = line.replace("\t", " ").rpartition(" ")
            name = Path(path.strip().replace("\\", "/")).stem
            if of not in ("train", "test") or not name or (of == part and name in labels):
                raise ValueError(
                    f"{folder / SPLIT}: expected lines like 'beach/some_video.mp4 train', each with a name of its own; "
                    f"got {line!r}: bring the official file"
                )
            if of == part:
                labels[name] = _columns(row, folder / LABELS, name)
        return classes, labels


def store_frames(root: Path, *, videos: str = "videos", processes: int = 1) -> dict[str, str]:
    """Store a frame of every three seconds of each video, resized to 256 x 256 pixels, in ``frames/``.

    Returns for each video that does not decode, why. An interrupted run continues where it was. ValueError if
    ``frames/`` would lie in the folder of the videos.
    """
    source, folder = root / videos, root / FRAMES
    if folder.resolve().is_relative_to(source.resolve()):
        raise ValueError(f"videos must be a folder beside {folder}; got {source}: give them a folder of their own")
    settings = {"seconds": SECONDS, "side": SIDE}
    errors = run_jobs(_store, find_videos(source), source, folder / "frames.jsonl", settings, processes=processes)
    return errors | index_videos(find_videos(folder), folder, folder / INDEX, processes=processes)


def _store(source: Path, out: Path) -> Record:
    """The job of `store_frames`."""
    info = scan(source)
    indices = torch.arange(info.num_frames)
    if info.fps > 1 / SECONDS:  # else there are fewer frames than are asked for
        indices = at_frame_rate(info.num_frames, info.fps, 1 / SECONDS, info.times)
    frames = resize(read_video(source, indices).frames, [SIDE, SIDE])  # (T, 3, 256, 256)
    out = out.with_suffix(".mp4")
    out.parent.mkdir(parents=True, exist_ok=True)
    write_video(out, frames, fps=1 / SECONDS)
    return {"frames": len(frames), "files": [out]}


def _columns(row: str, path: Path, name: str) -> tuple[int, ...]:
    """Where a row of zeros and ones has ones."""
    try:
        numbers = np.array(row.split(), dtype=np.float32)
    except ValueError:
        numbers = np.array([])
    ones = np.flatnonzero(numbers == 1)
    if len(numbers) != CLASSES or len(ones) == 0 or len(ones) + np.count_nonzero(numbers == 0) != CLASSES:
        raise ValueError(
            f"{path}: expected {CLASSES} numbers for {name}, zeros and at least one 1; got {len(numbers)} with "
            f"{len(ones)} ones: bring the official file"
        )
    return tuple(ones.tolist())
