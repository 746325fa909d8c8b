"""Puts together what Sphinx reads: pages of ``docs/``, texts of the clone, lessons, reference, and source files."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import nbformat

from lab_site import DOCS, ROOT, evidence, glossary, papers, reference, tables
from lab_site.lessons import DOWNLOADS, executed_lessons, lesson_page, offer
from lab_site.links import HIGHLIGHTED, SHOWN, TEXTS, Linker

# What pages may ask to be filled in: {{ lesson table }}.
FILLED: dict[str, Callable[[], str]] = {
    "glossary letters": glossary.letters,
    "lesson table": tables.lesson_table,
    "lesson cards": tables.lesson_cards,
    "lesson hours": tables.lesson_hours,
    "lesson names": tables.lesson_names,
    "papers": papers.page,
    "verdicts": evidence.page,
    "verdicts in short": evidence.in_short,
}


def write_source(executed: Path, source: Path, *, pages: bool = False) -> None:
    """Write the source of the site.

    Args:
        executed: folder of executed lessons.
        source: an empty folder, or none.
        pages: whether lessons are offered as one file each, too.

    Raises:
        LessonError: a lesson is missing or has failed; nothing is written then.
        FileNotFoundError: a link leads nowhere.
    """
    lessons = executed_lessons(executed)
    linker = Linker()
    for path in sorted(DOCS.rglob("*.md")):
        _write(source, path.relative_to(DOCS).with_suffix("").as_posix(), linker.markdown(filled(path), path))
    for name, page in TEXTS.items():
        if page != "index":
            path = ROOT / name
            _write(source, page, linker.markdown(path.read_text(encoding="utf-8"), path))
    for lesson, path in lessons.items():
        offered = offer(lesson, path, source / DOWNLOADS, pages=pages)
        notebook = lesson_page(lesson, path, linker, offered)
        (source / "lessons").mkdir(exist_ok=True)
        nbformat.write(notebook, source / "lessons" / path.name)
    for page, text in reference.pages().items():
        _write(source, page, text)
    (source / SHOWN).write_text(json.dumps(linker.shown), encoding="utf-8")
    for page, path in linker.files.items():
        _write(source, page, source_page(path))
    for path, name in linker.images.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, source / name)
    for folder in ("hero", "world"):  # what pages include
        shutil.copytree(DOCS / "_static" / folder, source / "_static" / folder)


def filled(path: Path) -> str:
    """A page with what it asks for.

    Raises:
        FileNotFoundError: it asks for what nothing makes.
    """

    def replace(match: re.Match[str]) -> str:
        if match[1] not in FILLED:
            raise FileNotFoundError(f"{path} must ask for one of {', '.join(FILLED)}; got {match[0]}")
        return FILLED[match[1]]()

    return re.sub(r"\{\{ ([a-z ]+) \}\}", replace, path.read_text(encoding="utf-8"))


def source_page(path: Path) -> str:
    """A page that shows a file of the clone."""
    name = path.relative_to(ROOT).as_posix()
    text = path.read_text(encoding="utf-8")
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall(r"`{3,}", text)), 3)
    return f"---\norphan: true\n---\n\n# {name}\n\n{fence}{HIGHLIGHTED[path.suffix]}\n{text.rstrip()}\n{fence}\n"


def _write(source: Path, page: str, text: str) -> None:
    path = source / f"{page}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
