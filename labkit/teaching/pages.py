"""What people read: feedback for each student, answers to mark, statistics, solutions; HTML that needs no network.

Whatever a student wrote is shown as text. No page runs a script.
"""

import html
import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labkit.pairing import write_text
from labkit.teaching.book import book, marks, results, statistics
from labkit.teaching.cells import Assignment, Question
from labkit.teaching.classroom import Classroom
from labkit.teaching.grade import Result
from labkit.teaching.reference import SourceError
from labkit.teaching.release import variant_of
from labkit.teaching.submission import SubmissionError, read_submission

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
  body {{ max-width: 46rem; margin: 2rem auto; padding: 0 1rem; color: #1f2937; }}
  body {{ font: 1rem/1.55 system-ui, sans-serif; }}
  table {{ border-collapse: collapse; width: 100%; margin: 1rem 0; }}
  th, td {{ padding: .4rem .6rem; border-bottom: 1px solid #d1d5db; text-align: left; vertical-align: top; }}
  td.number {{ text-align: right; white-space: nowrap; }}
  article {{ margin: 1.5rem 0; padding: .5rem 1rem; border-left: 4px solid #56b4e9; background: #f8fafc; }}
  article {{ overflow-wrap: anywhere; }}
  small {{ color: #4b5563; }}
</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""


def page(title: str, body: str) -> str:
    """A page; ``body`` is HTML, the title is text."""
    return _PAGE.format(title=html.escape(title), body=body)


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table of text; numbers stand on the right."""
    head = "".join(f'<th scope="col">{html.escape(column)}</th>' for column in columns)
    lines = []
    for row in rows:
        numbers = [isinstance(cell, int | float) for cell in row]
        cells = [html.escape(f"{cell:g}" if number else str(cell)) for cell, number in zip(row, numbers, strict=True)]
        marked = [f'<td class="number">{c}</td>' if n else f"<td>{c}</td>" for c, n in zip(cells, numbers, strict=True)]
        lines.append(f"<tr>{''.join(marked)}</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def write_feedback(assignment: Assignment, classroom: Classroom) -> list[Path]:
    """A page for each student who has a result: points, reasons, what was late, and from which build."""
    found, given = results(classroom, assignment.number), marks(classroom, assignment)
    paths = []
    for line in book(assignment, classroom):
        result = next((one for one in found.values() if line["student"] in one["students"]), None)
        if result:
            path = classroom.of(assignment.number, "feedback", f"{line['student']}.html")
            write_text(path, page(f"{assignment.title}: {line['student']}", _feedback(assignment, result, line, given)))
            paths.append(path)
    return paths


def _feedback(assignment: Assignment, result: Result, line: Mapping[str, Any], given: Mapping[Any, Any]) -> str:
    headings = {question.name: question.heading for question in assignment.questions}
    rows = []
    for name, about in result["questions"].items():
        mark = given.get((result["students"][0], name))
        points, says = about["points"], about["says"]
        if mark and mark.digest in ("", about["digest"]):
            points, says = mark.points, mark.comment or "marked by a person"
        rows.append((headings.get(name, name), "not marked yet" if points is None else points, about["of"], says))
    late = f", {line['late_percent']:g} % less because it came late" if line["late_percent"] else ""
    total = f"<p><strong>{line['total']:g} of {line['of']:g} points</strong>{html.escape(late)}"
    total += f", {len(line['open'].split())} still to be marked</p>" if line["open"] else "</p>"
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in result["notes"])
    return (
        f"{total}{table(('question', 'points', 'of', 'why'), rows)}"
        + (f"<h2>What happened</h2><ul>{notes}</ul>" if notes else "")
        + f"<p><small>Handed in {result['received']} (UTC). Build {result['build']}, labkit {result['labkit']}, world "
        f"{result['world']}, your variant {result['variant']}. If you think that something is wrong, say so, and give "
        "these numbers.</small></p>"
    )


def write_marking_pages(assignment: Assignment, classroom: Classroom) -> list[Path]:
    """For each question that a person marks a page with all answers, without names and in random order."""
    by_hand = [question for question in assignment.questions if question.kind in ("text", "figure")]
    paths = []
    for question in by_hand:
        answers = list(_answers(assignment, classroom, question))
        random.Random(question.name).shuffle(answers)
        rubric = re.split(r"^- ", question.rubric.text if question.rubric else "", flags=re.M)
        body = [
            "<ul>",
            *(f"<li>{html.escape(' '.join(line.split()))}</li>" for line in rubric if line.strip()),
            "</ul>",
        ]
        body.append(
            f"<p>Points and comments go into <code>{question.name}.csv</code>, by the digest of each answer.</p>"
        )
        body += [f"<article><small>{digest}</small>{_paragraphs(text)}</article>" for digest, text in answers]
        path = classroom.of(assignment.number, "marks", f"{question.name}.html")
        write_text(path, page(f"{assignment.title}: {question.heading}", "\n".join(body)))
        paths.append(path)
    return paths


def _paragraphs(text: str) -> str:
    """What a student wrote, as text: Markdown is not interpreted, but for its paragraphs."""
    return "".join(f"<p>{html.escape(part)}</p>" for part in re.split(r"\n\s*\n", text) if part.strip())


def _answers(assignment: Assignment, classroom: Classroom, question: Question) -> Any:
    for result in results(classroom, assignment.number).values():
        digest = result["questions"].get(question.name, {}).get("digest")
        if not digest:
            continue
        who, student = ", ".join(result["students"]), result["student"]
        folder = classroom.of(assignment.number, "submitted", student, result["received"])  # the version that is graded
        variant = classroom.variant(assignment.number, student)
        try:
            submission = read_submission(folder, assignment, who, variant, classroom.level(student))
            text = submission.texts.get(question.name, "")
        except (SubmissionError, OSError):
            text = ""
        yield digest, text or f"(look into what was handed in: {question.name}.csv says by the digest whose it is)"


def write_statistics(assignment: Assignment, classroom: Classroom) -> Path:
    """A page that says which questions were hard, and why."""
    rows, parts = [], []
    for about in statistics(assignment, classroom):
        mean = "" if about["mean"] is None else f"{about['mean']:.1f}"
        rows.append((about["question"], about["minutes"], about["graded"], about["blank"], mean, about["of"]))
        mistakes = "".join(f"<li>{count} x {html.escape(says)}</li>" for says, count in about["mistakes"].items())
        parts += [f"<h2>{html.escape(about['question'])}</h2><ul>{mistakes}</ul>"] if mistakes else []
    columns = ("question", "minutes", "graded", "not answered", "mean points", "of")
    path = classroom.of(assignment.number, "statistics.html")
    write_text(path, page(f"{assignment.title}: statistics", table(columns, rows) + "".join(parts)))
    return path


def write_solution(assignment: Assignment, path: Path) -> Path:
    """The assignment with its solutions, run, as a page; after the deadline, and for the teacher with all hints.

    Raises:
        SourceError: a cell fails.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    from labkit.course import export
    from labkit.teaching.check import SECRET, solved

    variant = variant_of(SECRET, assignment.number, "solution")
    notebook = solved(assignment, "solution", variant, "grad")
    for question in assignment.questions:
        at = next(n for n, cell in enumerate(notebook.cells) if cell.metadata.get("answer") == question.name)
        says = [f"- {cell.fields['says']}" for cell in question.mistakes]
        if says:
            text = "\n".join(["*Where it goes wrong:*", "", *says])
            notebook.cells.insert(at + 1, nbformat.v4.new_markdown_cell(text))
    try:
        NotebookClient(notebook, kernel_name="python3", extra_arguments=["--log-level=ERROR"]).execute()
    except CellExecutionError as error:
        raise SourceError(
            f"{assignment.path}: the solution must run; it ended with {error.ename}: {error.evalue}: "
            f"labkit teach check {assignment.number}"
        ) from error
    executed = path.with_suffix(".ipynb")
    write_text(executed, nbformat.writes(notebook))
    return export(executed, path)
