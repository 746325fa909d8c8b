"""The lessons that an installed package carries, copied to a folder of the learner's; nothing there is overwritten."""

from dataclasses import dataclass
from pathlib import Path

from labkit.folders import CARRIED, PACKAGE
from labkit.pairing import same_cells, write_text

# What a lesson says of a clone, and what it says in the learner's folder, where labkit is on the path.
_SAYS = {".venv/bin/": "", "`make course`": "`labkit course`"}


@dataclass(frozen=True)
class Copied:
    """What a copy has done.

    Attributes:
        added: files that were not there before.
        kept: files that are there already and differ from what labkit carries; they stay as they are.
        unlinked: why links of the lessons to files of labkit do not open; empty where they do.
    """

    added: tuple[str, ...]
    kept: tuple[str, ...]
    unlinked: str = ""


def copy_lessons(folder: Path) -> Copied:
    """Copy lessons and data scripts to a folder, and link the package beside them.

    The folder is then laid out like a clone: ``../labkit/papers/two_stream.py`` leads from a lesson to the file that it
    runs. The recorded results stay in the package.

    Args:
        folder: the learner's; it is made if it is not there.

    Raises:
        FileNotFoundError: the package carries no lessons.
    """
    sources = sorted([*CARRIED.glob("notebooks/*.py"), *CARRIED.glob("data_scripts/*.py")])
    if not sources:
        raise FileNotFoundError(f"labkit must carry its lessons in {CARRIED}; there are none: install it again")
    added, kept = [], []
    for source in sources:
        name = source.relative_to(CARRIED)
        text = source.read_text(encoding="utf-8")
        if name.parts[0] == "notebooks":
            for before, after in _SAYS.items():
                text = text.replace(before, after)
        if not (folder / name).exists():
            write_text(folder / name, text)
            added.append(name.as_posix())
        elif not _same(folder / name, text):
            kept.append(name.as_posix())
    return Copied(tuple(added), tuple(kept), _link(folder / "labkit"))


def _same(path: Path, text: str) -> bool:
    own = path.read_text(encoding="utf-8", errors="replace")
    return own == text or (path.parent.name == "notebooks" and same_cells(own, text))


def _link(link: Path) -> str:
    """Lead ``labkit`` beside the lessons to the package, if that can be; a link to another package is renewed."""
    why = f"{link} is something else"
    try:
        if link.is_symlink() and ((link / "__init__.py").exists() or not link.exists()):
            link.unlink()
        if not link.exists():
            link.symlink_to(PACKAGE, target_is_directory=True)
        if link.resolve() == PACKAGE.resolve():
            return ""
    except OSError as error:  # not every system lets everyone make links
        why = str(error.strerror)
    return f"links to files of labkit do not open here ({why}): read them in {PACKAGE}"
