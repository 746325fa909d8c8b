"""What is told of the lessons in several pages: the table, the cards, the words for a run."""

from collections.abc import Sequence

import jupytext

from labkit import claims, course
from labkit.syllabus import Lesson, syllabus


def stem(lesson: Lesson) -> str:
    """The name of its notebook, without an ending."""
    (source,) = [source for source in course.sources() if source.stem.startswith(f"{lesson.number}_")]
    return source.stem


def paper(lesson: Lesson) -> claims.Paper | None:
    """The paper that it takes apart; None if it has none."""
    papers = [one for one in claims.ledger().values() if one.notebook == lesson.number and one.claims]
    return papers[0] if papers else None


def _and(numbers: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(numbers[:-1]), numbers[-1]]))


def before(lesson: Lesson) -> str:
    """Which lessons come before it, with links as pages in ``lessons/`` write them."""
    names = {one.number: f"[{one.number}](/lessons/{stem(one)}.ipynb)" for one in syllabus()}
    parts = []
    if lesson.after:
        parts.append(f"after {_and([names[number] for number in lesson.after])}")
    if lesson.helps:
        listed = [names[number] for number in lesson.helps]
        span = f"{listed[0]} to {listed[-1]}" if len(listed) > 2 else _and(listed)
        parts.append(f"{span} {'helps' if len(listed) == 1 else 'help'}")
    return "; ".join(parts)


def needs(lesson: Lesson) -> str:
    """What it needs in hardware and data."""
    if not lesson.data:
        return "no GPU, no data"
    return f"no GPU, no data; at the paper's size a GPU, and [real data](/data.md): {', '.join(lesson.data)}"


def told(run: dict[str, str]) -> str:
    """When, how and where an executed lesson was run."""
    seed = f" with seed {run['seed']}" if "seed" in run else ""
    commit = f" ({run['commit']})" if "commit" in run else ""
    return f"run on {run['date']}{seed} in {run['seconds']} s, by labkit {run['labkit']}{commit}, {run['machine']}"


def lesson_table() -> str:
    """All lessons as a Markdown table."""
    lines = ["| | lesson | paper | you need | run |", "|---|---|---|---|---|"]
    for lesson in syllabus():
        source = paper(lesson)
        name = f"**[{lesson.title}](/lessons/{stem(lesson)}.ipynb)**<br>{lesson.idea}"
        by = f"[{authors(source)}](/papers.md#paper-{lesson.number})" if source else ""
        lines.append(f"| {lesson.number} | {name} | {by} | {lesson.minutes} min{_after(lesson)} | {lesson.run} |")
    return "\n".join(lines)


def _after(lesson: Lesson) -> str:
    return f"<br>{text}" if (text := before(lesson)) else ""


def authors(source: claims.Paper) -> str:
    """Authors and year of a paper."""
    return source.title.partition(",")[0] if source.title.count(",") == 1 else source.title.rpartition(",")[0]


def lesson_cards() -> str:
    """All lessons as a grid of cards, the path through the course."""
    lines = [":::::{grid} 1 1 2 3", ":gutter: 3", ":class-container: lesson-path", ""]
    for lesson in syllabus():
        source = paper(lesson)
        lines += [
            f"::::{{grid-item-card}} {lesson.number} · {lesson.title}",
            f":link: /lessons/{stem(lesson)}",
            ":link-type: doc",
            f":class-card: lesson-card lesson-{lesson.number}",
            "",
            f"{lesson.idea[0].upper()}{lesson.idea[1:]}{stop(lesson.idea)}",
            "",
            ":::{card-footer}",
            " · ".join(filter(None, [authors(source) if source else "", f"{lesson.minutes} min"])),
            ":::",
            "::::",
            "",
        ]
    return "\n".join([*lines, ":::::"])


def stop(text: str) -> str:
    """The full stop after a sentence that does not end in a question mark."""
    return "" if text.endswith("?") else "."


def readme_table() -> str:
    """The lessons as the README shows them."""
    lines = ["| | lesson | paper | code | time | after |", "|---|---|---|---|---|---|"]
    for lesson in syllabus():
        source = paper(lesson)
        title = f"[{lesson.title}](notebooks/{stem(lesson)}.ipynb): {lesson.idea}"
        by = f"[{authors(source)}]({source.link})" if source and source.link else authors(source) if source else ""
        code = ", ".join(f"[{name.rpartition('/')[2]}]({name})" for name in lesson.files)
        lines.append(f"| {lesson.number} | {title} | {by} | {code} | {time(lesson)} | {', '.join(lesson.after)} |")
    return "\n".join(lines)


def time(lesson: Lesson) -> str:
    """What it takes to read and to play, in hours and minutes."""
    hours, minutes = divmod(lesson.minutes, 60)
    return " ".join(filter(None, [f"{hours} h" if hours else "", f"{minutes} min" if minutes else ""]))


def lesson_hours() -> str:
    """For teachers: how long each lesson takes, and what there is to do in it."""
    lines = ["| lesson | run, measured | reading and playing, estimated | words | predictions | things to try |"]
    lines.append("|---|---|---|---|---|---|")
    for lesson in syllabus():
        text = _text(lesson)
        words = round(len(text.split()), -2)
        tries = text.count("**Try it") + text.count("**Explore")
        name = f"[{lesson.number} {lesson.title}](/lessons/{stem(lesson)}.ipynb)"
        lines.append(f"| {name} | {lesson.run} | {time(lesson)} | {words:,} | {text.count('**Predict')} | {tries} |")
    total = sum(lesson.minutes for lesson in syllabus()) / 60
    return "\n".join([*lines, "", f"Together that is about {total:.0f} hours."])


def _text(lesson: Lesson) -> str:
    (source,) = [source for source in course.sources() if source.stem == stem(lesson)]
    return "\n".join(cell.source for cell in jupytext.read(source).cells if cell.cell_type == "markdown")


def lesson_names() -> str:
    """The names of the lessons' pages, for a table of contents."""
    return "\n".join(f"{lesson.number} · {lesson.title} <{stem(lesson)}>" for lesson in syllabus())
