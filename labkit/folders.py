"""Where the lab's files are: in a clone beside the package, in an installed package inside it.

A wheel carries the lessons, the recorded results and the scripts of ``data_scripts/`` in a folder that is laid out like
a clone (``setup.py`` puts it there). `labkit.lessons` copies it to a folder of the learner's, which is laid out like
one, too, so that every link and every command of a lesson means the same in all three.
"""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
CARRIED = PACKAGE / "_clone"  # in a wheel: what it carries of the clone
LEARNERS = "labkit-lessons"  # the folder of the learner's, unless they name another one


def clone() -> Path | None:
    """The clone that this package is part of; None if it was installed from a wheel."""
    above = PACKAGE.parent
    return above if (above / "pyproject.toml").is_file() and (above / "notebooks").is_dir() else None


def home() -> Path:
    """The folder that the lab works in: the clone, or with an installed package the learner's folder.

    The learner's folder is the current one, the one above it or ``labkit-lessons`` in it, whichever has lessons; where
    none has, it is the current one.
    """
    here = Path.cwd()
    found = [folder for folder in (here, here.parent, here / LEARNERS) if has_lessons(folder)]
    return clone() or next(iter(found), here)


def has_lessons(folder: Path) -> bool:
    """Whether this is a clone, or a folder that lessons were copied to."""
    return (folder / "notebooks" / "00_start_here.py").is_file()


def notebooks_folder() -> Path:
    """The folder of the lessons: the clone's, the learner's, or else the one that the package carries."""
    own = clone() or home()
    return (own if clone() or has_lessons(own) else CARRIED) / "notebooks"


def results_folder() -> Path:
    """Where the lab's own results are: ``notebooks/results`` of the clone, or the copy that the package carries."""
    return (clone() or CARRIED) / "notebooks" / "results"


def assignments_folder() -> Path:
    """Where the sources of assignments are: ``assignments`` of the clone, or the copy that the package carries."""
    return (clone() or CARRIED) / "assignments"


def command() -> str:
    """How a learner calls ``labkit`` in a terminal."""
    return ".venv/bin/labkit" if clone() else "labkit"


def mended_by() -> str:
    """What builds the environment again."""
    return "rm -rf .venv && make setup" if clone() else "pip install the wheel of labkit in a new environment"
