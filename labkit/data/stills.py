"""Photos that show a class each, sorted into folders: the web images that a video set has beside it.

- HII, Human Interaction Images: 17,500 photos of four interactions as search engines found them, or the 2,410 that are
  left after a look at each. Li et al., "Attention transfer from web images for video recognition", ACM Multimedia 2017.
- BU101: 23,800 photos of the 101 actions of UCF101. Ma et al., "Do less and achieve more: training CNNs for action
  recognition utilizing action images from the web", Pattern Recognition 2017.
"""

import re
import shlex
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

import torch

from labkit.data.photos import Photo, Photos, find_photos
from labkit.data.tvhi import CLASSES as INTERACTIONS


class LabelledPhotos(Photos):
    """Photos in a folder for each class, as clips of one frame; every photo is a group of its own.

    Folders are matched to classes without regard to case, spaces, hyphens and underscores, wherever they lie below
    ``photos``: ``HandShake`` and ``hand_shake`` both hold handshakes. Other folders are left aside. Photos are named by
    their path below ``photos``. Nobody asks for photos of the same class: there are no queries.

    Args:
        root: folder of the set.
        classes: names, in the order of their labels.
        missing: "error", so that a damaged photo is an error when it is read, or "skip" to take only those that decode,
            with a warning.
        photos: folder of the class folders, relative to ``root``.

    Raises:
        FileNotFoundError: no such folder, or a class without a folder or photos.
        ValueError: two folders for a class.
    """

    title: ClassVar[str] = "photos"
    script: ClassVar[str] = ""

    def __init__(
        self,
        root: str | Path,
        classes: Sequence[str],
        *,
        missing: Literal["error", "skip"] = "error",
        photos: str = "photos",
    ) -> None:
        root = Path(root)
        folder = root / photos
        script = f"python data_scripts/{self.script} {shlex.quote(str(root))}"
        command = script if self.script else "whatever brings them"
        class_folders = _class_folders(folder, classes, f"run {command}")
        labels: dict[str, int] = {}
        for number, name in enumerate(classes):
            places = sorted(str(place) for place in class_folders if _plain(place.name) == _plain(name))
            if len(places) != 1:
                got = f"two, {places[0]} and {places[1]}" if places else "none with photos"
                raise (ValueError if places else FileNotFoundError)(
                    f"{folder}: expected one folder for the class {name!r}; got {got}: "
                    + ("name the right one of the folders above it by photos=" if places else f"run {command}")
                )
            labels |= dict.fromkeys(class_folders[Path(places[0])], number)
        super().__init__(
            self.title,
            folder,
            {path: path for path in labels},
            queries=[],
            instances={},
            missing=missing,
            index=root / f"{photos.replace('/', '-')}.jsonl",  # photos.jsonl, or one for each kind
            command=command,
        )
        self.classes = tuple(classes)
        self.labels = torch.tensor([labels[name] for name in self.names])
        self.groups = torch.arange(len(self.names))

    def __getitem__(self, index: int) -> Photo:
        """The photo at an index from 0; IndexError outside."""
        photo = super().__getitem__(index)
        return Photo(photo.name, photo.label, index, photo.path, photo.upright)


class HII(LabelledPhotos):
    """Human Interaction Images, classes as those of `labkit.data.TVHI`; ``data_scripts/hii.py`` fetches them.

    Arguments are those of `LabelledPhotos`; for ``photos``, the noisy or the filtered ones, see `kinds`.
    """

    title, script = "HII", "hii.py"

    def __init__(
        self, root: str | Path, *, missing: Literal["error", "skip"] = "error", photos: str = "photos"
    ) -> None:
        super().__init__(root, INTERACTIONS, missing=missing, photos=photos)

    @staticmethod
    def kinds(root: str | Path) -> dict[str, str]:
        """Where the filtered photos lie and where the noisy ones, relative to ``root``, to be passed as ``photos``.

        They are the two folders below ``photos`` with a folder of photos for each class, whatever they are called; the
        one with fewer photos holds the filtered ones.

        Raises:
            FileNotFoundError: no such folder.
            ValueError: another number of such folders, or both with equally many photos.
        """
        photos = Path(root, "photos")
        classes: dict[Path, dict[str, int]] = {}  # by the folder above them, photos of each class
        command = f"python data_scripts/hii.py {shlex.quote(str(root))}"
        for place, paths in _class_folders(photos, INTERACTIONS, f"run {command}").items():
            counts = classes.setdefault(place.parent, {})
            counts[_plain(place.name)] = counts.get(_plain(place.name), 0) + len(paths)
        sizes = {folder: sum(counts.values()) for folder, counts in classes.items() if len(counts) == len(INTERACTIONS)}
        by_size = sorted(sizes, key=sizes.__getitem__)
        if len({*sizes.values()}) != 2 or len(sizes) != 2:
            raise ValueError(
                f"{photos}: expected two folders with a folder for each class, one with more photos than the "
                f"other; got {', '.join(f'{folder} with {sizes[folder]}' for folder in by_size) or 'none'}: leave two"
            )
        return {kind: str(Path("photos", folder)) for kind, folder in zip(("filtered", "noisy"), by_size, strict=True)}


class BU101(LabelledPhotos):
    """BU101: photos of the classes of UCF101; ``data_scripts/bu101.py`` says where they come from, and checks them.

    Arguments and errors are those of `LabelledPhotos`, but for two: as ``classes`` pass those of `labkit.data.UCF101`,
    whose order is not that of sorted folders (None: the folders, sorted), and 101 of them it must be (ValueError).
    """

    title, script = "BU101", "bu101.py"

    def __init__(
        self,
        root: str | Path,
        classes: Sequence[str] | None = None,
        *,
        missing: Literal["error", "skip"] = "error",
        photos: str = "photos",
    ) -> None:
        folder = Path(root) / photos
        if classes is None:
            classes = sorted(path.name for path in folder.glob("[!.]*/"))
        if folder.is_dir() and len(classes) != 101:
            raise ValueError(
                f"{folder}: expected a folder for each of 101 classes; got {len(classes)}: see data_scripts/bu101.py"
            )
        super().__init__(root, classes, missing=missing, photos=photos)


def _class_folders(folder: Path, classes: Sequence[str], remedy: str) -> dict[Path, list[str]]:
    """The photos below a folder by the nearest folder above each that is called as one of the classes."""
    names, photos = {_plain(name) for name in classes}, defaultdict[Path, list[str]](list)
    for path in find_photos(folder, remedy):
        if place := next((place for place in Path(path).parents if _plain(place.name) in names), None):
            photos[place].append(path)
    return photos


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).lower()
