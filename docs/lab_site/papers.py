"""The page of the papers: what each asked, what came of it, where the lab departs from it, its claims here."""

import tomllib
from collections.abc import Mapping
from typing import Any

from lab_site import DOCS, evidence, tables
from labkit.syllabus import syllabus


def entries() -> Mapping[str, Mapping[str, Any]]:
    """What ``docs/papers.toml`` says of each paper, by name."""
    return tomllib.loads((DOCS / "papers.toml").read_text(encoding="utf-8"))


def page() -> str:
    """A section for each paper, in Markdown."""
    return "\n\n".join(_section(entry) for entry in entries().values())


def _section(entry: Mapping[str, Any]) -> str:
    lessons = {lesson.number: lesson for lesson in syllabus()}
    lesson = lessons.get(entry.get("notebook", ""))
    number = f"{lesson.number} · " if lesson else ""
    parts = [f"## {number}{entry['title']}", _citation(entry), f"**{entry['asked'].strip()}** {entry['idea'].strip()}"]
    if lesson:
        parts[0] = f"(paper-{lesson.number})=\n{parts[0]}"
    parts += [f"**What came of it.** {entry['taught'].strip()}", f"**How to read it.** {entry['read'].strip()}"]
    if lesson and (paper := tables.paper(lesson)):
        link = f"[Lesson {lesson.number}](/lessons/{tables.stem(lesson)}.ipynb)"
        parts.append(f"**Take it apart.** {link}: {lesson.idea}{tables.stop(lesson.idea)}")
        parts.append(f"**Its claims in the lab's world.** {evidence.summary(paper)}")
    if departures := entry.get("departures"):
        listed = "\n".join(f"- {line}" for line in departures)
        parts.append(f":::{{dropdown}} Where the lab departs from it\n{listed}\n:::")
    parts.append(f":::{{dropdown}} BibTeX\n```bibtex\n{bibtex(entry['bibtex'])}\n```\n:::")
    return "\n\n".join(parts)


def _citation(entry: Mapping[str, Any]) -> str:
    pages = f", pages {entry['pages']}" if "pages" in entry else ""
    links = [f"[{link['name']}]({link['url']})" for link in entry.get("links", [])]
    text = f"{', '.join(entry['authors'])} ({entry['year']}). *{entry['title']}*. {entry['venue']}{pages}."
    return " ".join([text, " · ".join(links)]).strip()


def bibtex(fields: Mapping[str, str]) -> str:
    """An entry of a bibliography."""
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if name not in ("type", "key")]
    return "\n".join([f"@{fields['type']}{{{fields['key']},", *lines, "}"])
