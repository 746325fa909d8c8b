"""Executed lessons become pages: facts and downloads on top, what was learned at the end, interactive outputs."""

import json
import os
import shutil
import zipfile
from pathlib import Path

import nbformat

from lab_site import ROOT, tables
from lab_site.links import Linker
from labkit import course
from labkit.syllabus import Lesson, syllabus

DOWNLOADS = "downloads"  # of the site


class LessonError(RuntimeError):
    """A lesson that must not be published; the message names it, its cell and what to do."""


def executed_lessons(folder: Path) -> dict[Lesson, Path]:
    """The executed notebook of each lesson.

    Args:
        folder: what ``labkit course`` has written.

    Raises:
        LessonError: one is missing, has not been run to its end, or has a cell that failed.
    """
    paths = {}
    for lesson in syllabus():
        name = tables.stem(lesson)
        paths[lesson] = folder / f"{name}.ipynb"
        if not paths[lesson].is_file():
            raise LessonError(f"{folder} must hold {name}.ipynb, executed; there is none: run `labkit course`")
        _require_success(paths[lesson])
    return paths


def _require_success(executed: Path) -> None:
    try:
        notebook = nbformat.read(executed, as_version=4)
    except (ValueError, AttributeError, KeyError) as error:  # truncated, or no notebook
        raise LessonError(f"{executed} must be a notebook; {error}: run `labkit course` again") from error
    for number, cell in enumerate(notebook.cells, start=1):
        if any(output.output_type == "error" for output in cell.get("outputs", [])):
            raise LessonError(f"{executed}: cell {number} failed: mend it, and run `labkit course` again")
        if cell.cell_type == "code" and cell.source.strip() and cell.execution_count is None:
            raise LessonError(f"{executed}: cell {number} was not run: run `labkit course` again")


def lesson_page(lesson: Lesson, executed: Path, linker: Linker, offered: list[str]) -> nbformat.NotebookNode:
    """The notebook that Sphinx makes the page of.

    Args:
        lesson: what the course says of it.
        executed: its notebook.
        linker: leads its links to pages of the site.
        offered: names of files to download, in `DOWNLOADS`.
    """
    notebook = course.published(executed)
    run = notebook.metadata.pop("labkit_run", {})
    source = ROOT / "notebooks" / executed.name
    page = f"lessons/{executed.stem}.html"
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        if cell.cell_type == "markdown":
            cell.source = linker.markdown(cell.source, source)
            continue
        if course.FOLDED in cell.metadata.get("tags", []):
            cell.metadata["mystnb"] = {"code_prompt_show": course.folded_title(cell)}
        cell.outputs = [output for output in cell.get("outputs", []) if output.get("name") != "stderr"]
        for output in cell.outputs:
            if html := output.get("data", {}).get("text/html"):
                output.data["text/html"] = linker.html(html, source, page)
    title, _, rest = notebook.cells[0].source.partition("\n")
    notebook.cells[0].source = f"{title}\n\n{_facts(lesson, run, linker)}\n\n{_ways(lesson, offered)}\n{rest}"
    notebook.cells.append(nbformat.v4.new_markdown_cell(_end(lesson)))
    return notebook


def _facts(lesson: Lesson, run: dict[str, str], linker: Linker) -> str:
    source = ROOT / "notebooks" / "x.py"  # links are written as lessons write them
    facts = [f"{{octicon}}`clock` {lesson.minutes} minutes to read and play; it runs in {lesson.run} on two cores"]
    if lesson.after or lesson.helps:
        facts.append(f"{{octicon}}`milestone` {tables.before(lesson)}")
    if paper := tables.paper(lesson):
        link = f"[{paper.title}]({paper.link})" if paper.link else paper.title
        facts.append(f"{{octicon}}`file` {link} ([about it](/papers.md#paper-{lesson.number}))")
    files = ", ".join(f"[{name}](../{name})" for name in lesson.files)
    facts.append(f"{{octicon}}`code` {linker.markdown(files, source)}")
    facts.append(f"{{octicon}}`cpu` {tables.needs(lesson)}")
    if run:
        facts.append(f"{{octicon}}`history` this page: {tables.told(run)}")
    return "\n".join(["::::{div} lesson-facts", *(f"- {fact}" for fact in facts), "::::"])


_OFFERS = {  # by the end of a file's name: what it is, from the clone's files to what has been run
    ".ipynb": "the notebook, to run",
    ".py": "the same as a script",
    ".executed.zip": "the notebook, executed",
    ".html.zip": "this lesson as one page, for a projector without a network",
    ".pdf": "this lesson on paper",
}


def _ways(lesson: Lesson, offered: list[str]) -> str:
    name = tables.stem(lesson)
    links = [
        f'<a href="../{DOWNLOADS}/{name}{ending}" download>{name}{ending}</a>: {what}'
        for ending, what in _OFFERS.items()
        if f"{name}{ending}" in offered
    ]
    colab = "[Colab](/open.md#google-colab)"
    if repository := os.environ.get("LABKIT_REPOSITORY"):  # owner/name on GitHub
        address = f"https://colab.research.google.com/github/{repository}/blob/main/notebooks/{name}.ipynb"
        colab = f"[Colab]({address}) ([what to know](/open.md#google-colab))"
    return "\n".join(
        [
            ":::::{dropdown} Open it, take it along",
            ":class-container: lesson-ways",
            "",
            "In [JupyterLab](/open.md), from a clone or from an installed labkit:",
            "",
            "```sh",
            f"make lab LESSON={lesson.number}",
            "```",
            "",
            "```sh",
            f"labkit lab {lesson.number}",
            "```",
            "",
            f"[VS Code](/open.md#vs-code) and {colab} take the notebook. Downloads:",
            "",
            *(f"- {link}" for link in links),
            ":::::",
        ]
    )


def _end(lesson: Lesson) -> str:
    goals = "\n".join(f"- {goal}" for goal in lesson.able)
    return f"## What you can do now\n\n{goals}\n\n" + (
        f'<p class="lesson-done" data-lesson="{lesson.number}"><label><input type="checkbox"> '
        "I have finished this lesson</label> <span>(this browser remembers it)</span></p>"
    )


def offer(lesson: Lesson, executed: Path, target: Path, *, pages: bool = False) -> list[str]:
    """Put what can be downloaded of a lesson into a folder.

    Args:
        lesson: of the course.
        executed: its notebook; a page and a PDF beside it, if there are, are offered, too.
        target: the folder.
        pages: whether to offer the lesson as one file, too; eleven of them double the size of the site.

    Returns:
        The names of the files.
    """
    target.mkdir(parents=True, exist_ok=True)
    name = tables.stem(lesson)
    source = ROOT / "notebooks" / f"{name}.py"
    shutil.copyfile(source, target / source.name)
    shutil.copyfile(source.with_suffix(".ipynb"), target / f"{name}.ipynb")
    notebook = nbformat.read(executed, as_version=4)
    notebook.metadata.pop("widgets", None)  # what they show is in their outputs, too
    _pack(target / f"{name}.executed.zip", f"{name}.ipynb", json.dumps(notebook, ensure_ascii=False))
    if pages:
        page = executed.with_suffix(".html")
        _pack(target / f"{name}.html.zip", page.name, page.read_text(encoding="utf-8"))
    if (pdf := executed.with_suffix(".pdf")).is_file():
        shutil.copyfile(pdf, target / pdf.name)
    return sorted(path.name for path in target.glob(f"{name}.*"))


def _pack(archive: Path, name: str, text: str) -> None:
    """Write a text into an archive of its own: images in a page, which are text there, shrink by a quarter."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(name, text)
