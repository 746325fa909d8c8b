"""HMDB51: 6,766 clips of 51 actions from movies and the web, 240 pixels high, in three official splits.

Kuehne, Jhuang, Garrote, Poggio and Serre, "HMDB: A large video database for human motion recognition", ICCV 2011. A
split takes 70 clips of a class to train and 30 to test, and leaves the others out.
"""

import re
from pathlib import Path

from labkit.data.videos import Listed, OfficialSplits, read_list

CLASSES = 51
_PARTS = {"0": None, "1": "train", "2": "test"}


class HMDB51(OfficialSplits):
    """One part of an official split of HMDB51, as `labkit.clips.Clips`.

    There is no official order of classes: labels follow their names, sorted. A group is the clips of one class from one
    movie, which their names tell: ``RATRACE`` of ``RATRACE_wave_f_nm_np1_fr_goo_37``. No split divides a group. But a
    movie with several actions may lie on both sides, in different classes: in split 1, 133 of 1,352 movies do.
    Some copies put ``hmdb51_`` before the names of videos; the reader takes both.

    Arguments and errors are those of `labkit.data.videos.OfficialSplits`; the lists are
    ``brush_hair_test_split1.txt`` and so on.
    """

    title, script = "HMDB51", "hmdb51.py"
    videos, lists = "hmdb51_org", "testTrainMulti_7030_splits"
    prefix = "hmdb51_"

    @classmethod
    def read_lists(cls, folder: Path, split: int, part: str, remedy: str) -> tuple[list[str], list[Listed]]:
        """Names of the classes and the videos of a part, both in order."""
        ending = f"_test_split{split}.txt"
        classes = sorted(path.name.removesuffix(ending) for path in folder.glob(f"*{ending}"))
        if len(classes) != CLASSES:
            raise FileNotFoundError(
                f"{folder}: expected {CLASSES} official lists named *{ending}; got {len(classes)}: {remedy}"
            )
        videos_of = {name: _videos_of(folder / f"{name}{ending}", name, remedy) for name in classes}
        movies = sorted({(name, movie) for name in classes for _, movie, _ in videos_of[name]})
        group = {movie: number for number, movie in enumerate(movies)}
        return classes, [
            Listed(video, label, group[name, movie])
            for label, name in enumerate(classes)
            for video, movie, of in videos_of[name]
            if of == part
        ]


def _videos_of(path: Path, name: str, remedy: str) -> list[tuple[str, str, str | None]]:
    """Video, movie and part of each line of a class's list: ``RATRACE_wave_f_nm_np1_fr_goo_37.avi 1``."""
    # movie, action, body part, camera motion, people, view, quality, number: the official naming scheme
    scheme = rf"((.+)_{re.escape(name)}_[hufl]_[nc]m_np\d+_(?:fr|ba|le|ri)_(?:goo|med|bad)_\d+)\.avi ([012])"
    videos = []
    for line in read_list(path, "an official list of HMDB51", remedy):
        match = re.fullmatch(scheme, line)
        if not match:
            raise ValueError(
                f"{path}: expected lines like RATRACE_{name}_f_nm_np1_fr_goo_37.avi 1; got {line!r}: fetch the lists "
                "again"
            )
        videos.append((match[1], match[2], _PARTS[match[3]]))
    return videos
