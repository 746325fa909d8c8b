"""HMDB51: 6,766 clips of 51 actions from movies and the web, 240 pixels high, in three official splits.

Kuehne, Jhuang, Garrote, Poggio and Serre, "HMDB: A large video database for human motion recognition", ICCV 2011. A
split takes 70 clips of a class to train and 30 to test, and leaves the others out.
"""

import re
from pathlib import Path
from typing import Literal

from labkit.data.videos import Listed, VideoClips, paths_by_name

CLASSES = 51
PREFIX = "hmdb51_"
_PARTS = {"0": None, "1": "train", "2": "test"}


class HMDB51(VideoClips):
    """One part of an official split of HMDB51, as `labkit.clips.Clips`.

    There is no official order of classes: labels follow their names, sorted. A group is the clips of one class from one
    movie, which their names tell: ``RATRACE`` of ``RATRACE_wave_f_nm_np1_fr_goo_37``. No split divides a group. But a
    movie with several actions may lie on both sides, in different classes: in split 1, 133 of 1,352 movies do.

    Args:
        root: folder of the set, as ``data_scripts/hmdb51.py`` makes it.
        split: 1, 2 or 3.
        part: "train" or "test".
        missing: "error", or "skip" to take only the videos that are there, with a warning that counts the others.
        videos: folder of the videos, relative to ``root``; class folders or not, and some copies put ``hmdb51_`` before
            the name.
        lists: folder of ``brush_hair_test_split1.txt`` and so on, relative to ``root``.
        flow: folder of the flow store, relative to ``root``.

    Raises:
        FileNotFoundError: a list is not there, or videos are missing; the message counts them and has the command.
        ValueError: a list is not as it should be, or an argument is none of its values.
    """

    def __init__(
        self,
        root: str | Path,
        split: Literal[1, 2, 3] = 1,
        part: Literal["train", "test"] = "train",
        *,
        missing: Literal["error", "skip"] = "error",
        videos: str = "hmdb51_org",
        lists: str = "testTrainMulti_7030_splits",
        flow: str = "flow",
    ) -> None:
        if split not in (1, 2, 3) or part not in ("train", "test"):
            raise ValueError(f'split must be 1, 2 or 3 and part "train" or "test"; got {split!r} and {part!r}')
        root = Path(root)
        command = f"python data_scripts/hmdb51.py {root}"
        ending = f"_test_split{split}.txt"
        classes = sorted(path.name.removesuffix(ending) for path in (root / lists).glob(f"*{ending}"))
        if len(classes) != CLASSES:
            raise FileNotFoundError(
                f"{root / lists}: expected {CLASSES} official lists named *{ending}; got {len(classes)}: run {command}"
            )
        videos_of = {name: _videos_of(root / lists / f"{name}{ending}", name) for name in classes}
        movies = sorted({(name, movie) for name in classes for _, movie, _ in videos_of[name]})
        group = {movie: number for number, movie in enumerate(movies)}
        listed = [
            Listed(video, label, group[name, movie])
            for label, name in enumerate(classes)
            for video, movie, of in videos_of[name]
            if of == part
        ]
        paths = paths_by_name(root / videos, ignore_prefix=PREFIX)
        super().__init__(f"HMDB51, split {split}, {part}", classes, listed, paths, root, videos, flow, missing, command)


def _videos_of(path: Path, name: str) -> list[tuple[str, str, str | None]]:
    """Video, movie and part of each line of a class's list: ``RATRACE_wave_f_nm_np1_fr_goo_37.avi 1``."""
    videos = []
    for line in path.read_text(encoding="utf-8-sig").splitlines():
        if not line.strip():
            continue
        # movie, action, body part, camera motion, people, view, quality, number: the official naming scheme
        scheme = rf"((.+)_{re.escape(name)}_[hufl]_[nc]m_np\d+_(?:fr|ba|le|ri)_(?:goo|med|bad)_\d+)\.avi ([012])"
        found = re.fullmatch(scheme, line.strip())
        if not found:
            raise ValueError(
                f"{path}: expected lines like RATRACE_{name}_f_nm_np1_fr_goo_37.avi 1; got {line.strip()!r}: fetch the "
                "lists again"
            )
        videos.append((found[1], found[2], _PARTS[found[3]]))
    return videos
