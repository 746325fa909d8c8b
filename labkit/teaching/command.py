"""``labkit teach``, ``labkit start`` and ``labkit hand-in``: what each verb does and prints."""

import argparse
import re
import shlex
import tempfile
from importlib.metadata import version
from pathlib import Path

from labkit.files import written_whole
from labkit.folders import assignments_folder
from labkit.teaching.cells import Assignment
from labkit.teaching.classroom import Classroom, ClassroomError, create, open_classroom
from labkit.teaching.source import AssignmentError, read

_NEW = '''\
# %% [markdown]
# # Assignment {number} · {title}
#
# To notebook {number}. Your world is your own: no one else has its numbers.

# %% tags=["parameters"]
student = ""  # your student number
variant = 0  # filled in for you

# %%
import torch

from labkit.teaching import checking

# %% [markdown] question="double" points=4 minutes=10 difficulty=1 importance=3 judged="five tensors"
# ## 1 · A function
#
# Write a function that doubles a tensor.

# %% answer="double"
def double(values):
    """Twice the values, in the same shape."""
    # BEGIN SOLUTION
    return 2 * values
    # END SOLUTION

# %% check="double"
with checking("double"):
    assert double(torch.ones(2)).tolist() == [2, 2], "two ones must become two twos"

# %% cases="double"
def cases(seed):
    generator = torch.Generator().manual_seed(seed)
    for size in range(1, 6):
        yield {{"values": torch.randn(size, generator=generator)}}

# %% mistake="double" says="it squares: 3 and 3 make 6, not 9"
def double(values):
    return values**2

# %% [markdown] question="mean" points=2 minutes=5 difficulty=1 importance=2
# ## 2 · A value
#
# Draw ten numbers with `torch.Generator().manual_seed(variant)` and put them into `drawn`.

# %% answer="mean" value="drawn" within=0.001
# BEGIN SOLUTION drawn = ...
drawn = torch.randn(10, generator=torch.Generator().manual_seed(variant))
# END SOLUTION

# %% [markdown] question="why" points=2 minutes=5 difficulty=2 importance=4
# ## 3 · In words
#
# Why does everybody get other numbers? About 30 words.

# %% [markdown] answer="why" words=30
# <!-- BEGIN SOLUTION -->
# The seed of the generator is the variant, and each student has another one.
# <!-- END SOLUTION -->

# %% [markdown] rubric="why"
# - 1 point: the seed
# - 1 point: the variant is the student's own
'''


def _require_number(number: str) -> None:
    if not re.fullmatch(r"\d\d", number):
        raise AssignmentError(f"the number of an assignment must have two digits, as in 02; got {number!r}")


def find(number: str, folder: Path | None = None, overlay: Path | None = None) -> Assignment:
    """The assignment with a number: a teacher's own source, or one that comes with the lab.

    Raises:
        AssignmentError: there is none, or it has faults.
    """
    _require_number(number)
    places = [place for place in (folder and folder / "sources", assignments_folder()) if place]
    found = [path for place in places for path in sorted(place.glob(f"{number}_*.py"))]
    if not found:
        known = ", ".join(sorted({path.name[:2] for place in places for path in place.glob("[0-9][0-9]_*.py")}))
        raise AssignmentError(f"no assignment has the number {number!r}; there are {known or 'none'}")
    return read(found[0], overlay)


def run(options: argparse.Namespace) -> int:
    """Run a command; returns the exit status."""
    from labkit.teaching.box import BoxError
    from labkit.teaching.contain import ContainError
    from labkit.teaching.reference import SourceError

    try:
        if options.command in ("start", "hand-in"):
            return _student(options)
        return _VERBS[options.verb](options)
    except (BoxError, ContainError, SourceError, OSError, ValueError) as error:  # all others are ValueErrors
        for line in str(error).splitlines():
            print(f"✗ {line}")
        return 1


def _at(folder: Path, default: str) -> str:
    """The option that a command needs to work in a folder, if it needs one."""
    return "" if folder == Path(default) else f" --folder {shlex.quote(str(folder))}"


def _student(options: argparse.Namespace) -> int:
    from labkit.teaching.students import hand_in, start

    assignment = find(options.number)
    if options.command == "start":
        for path in start(assignment, options.student, options.folder):
            print(path)
        notebook = shlex.quote(str(options.folder / f"{assignment.stem}.ipynb"))
        then = f"labkit hand-in {options.number}{_at(options.folder, 'work')}"
        print(f"open it: jupyter lab {notebook}; then: {then}")
        return 0
    if not options.folder.exists():
        raise ValueError(f"{options.folder} must hold {assignment.stem}.ipynb; there is no such folder: labkit start")
    lines, archive = hand_in(assignment, options.folder, options.student)
    print(*lines, sep="\n")
    print(f"{archive.stat().st_size / 1e3:.0f} kB → {archive}")
    return 1 if any(line.startswith(("✗", "?")) for line in lines) else 0


# --- teachers


def _course(options: argparse.Namespace) -> tuple[Assignment, Classroom]:
    classroom = open_classroom(options.folder)
    return find(options.number, options.folder, classroom.overlay(options.number)), classroom


def _new(options: argparse.Namespace) -> int:
    _require_number(options.number)
    made = create(options.folder)
    there = [
        *(options.folder / "sources").glob(f"{options.number}_*.py"),
        *assignments_folder().glob(f"{options.number}_*.py"),
    ]
    if not there:
        path = options.folder / "sources" / f"{options.number}_assignment.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_NEW.format(number=options.number, title="Title"), encoding="utf-8")
        made.append(path)
    print(*made, *(f"{path} is there already" for path in there), sep="\n")
    then = f"labkit teach check {options.number}{_at(options.folder, 'teach')}"
    print(f"next: fill in {options.folder / 'roster.csv'}, then {then}")
    return 0


def _checked(assignment: Assignment, options: argparse.Namespace) -> list[str]:
    from labkit.teaching.check import check
    from labkit.teaching.grade import Box
    from labkit.teaching.limits import Limits

    print(
        f"{assignment.stem}, build {assignment.build}: {len(assignment.questions)} questions, "
        f"{assignment.points} points"
    )
    box = Box(Limits(), options.trust, options.container)
    findings = check(assignment, box, students=options.students)
    for finding in findings:
        print(f"✗ {finding}")
    minutes = sum(question.minutes for question in assignment.questions)
    print(f"{len(findings)} faults · {minutes} minutes for students" if findings else f"✓ no fault · {minutes} minutes")
    return findings


def _check(options: argparse.Namespace) -> int:
    overlay = (
        open_classroom(options.folder).overlay(options.number) if (options.folder / "course.toml").exists() else None
    )
    return 1 if _checked(find(options.number, options.folder, overlay), options) else 0


def _release(options: argparse.Namespace) -> int:
    from labkit.teaching.check import SECRET
    from labkit.teaching.release import hidden_seed, leaks, write

    assignment, classroom = _course(options)
    if not classroom.roster:
        raise ClassroomError(f"{options.folder / 'roster.csv'} must name the students; it names none: fill it in")
    if unknown := [student for student in options.only if student not in classroom.roster]:
        raise ClassroomError(f"--only must name students of the roster; {unknown[0]} is not on it")
    if _checked(assignment, options):
        print("✗ not released")
        return 1
    secrets = [classroom.secret, SECRET]
    secrets += [str(hidden_seed(classroom.secret, assignment.number, k)) for k in range(len(assignment.questions))]
    chosen = options.only or list(classroom.roster)
    for student in chosen:
        who = ", ".join(classroom.team(student))
        variant = classroom.variant(assignment.number, student)
        folder = classroom.of(assignment.number, "release", student)
        with tempfile.TemporaryDirectory(prefix="labkit-") as made:
            files = write(assignment, Path(made), who, variant, classroom.level(student))
            if found := leaks(Path(made), assignment, secrets):
                for leak in found:
                    print(f"✗ not released: {leak}")
                return 1
            folder.mkdir(parents=True, exist_ok=True)
            for file in files:  # what else lies in the folder is the teacher's own
                with written_whole(folder / file.name) as output:
                    output.write(file.read_bytes())
    print(f"✓ {len(chosen)} releases in {classroom.of(assignment.number, 'release')}")
    return 0


def _collect(options: argparse.Namespace) -> int:
    from labkit.teaching.archive import collect

    assignment, classroom = _course(options)
    found = collect(options.archive, classroom, assignment.number)
    print(f"✓ {sum(len(folders) for folders in found.filed.values())} submissions of {len(found.filed)} students")
    for label, names in (
        ("nobody on the roster, or not clear who", found.unknown),
        ("no notebook, left out", found.odd),
    ):
        if names:
            print(f"! {label}: {', '.join(names)}")
    if found.lacking:
        print(f"! nothing came from {', '.join(found.lacking)}")
    return 0


def _grade(options: argparse.Namespace) -> int:
    from labkit.teaching.contain import level, require_contained
    from labkit.teaching.grade import Box, grade

    assignment, classroom = _course(options)
    box = Box.of(classroom, trust=options.trust, container=options.container)
    held = f"a container ({options.container})" if options.container else level()
    print(f"{assignment.stem}, build {assignment.build}; submissions are held back by {held}")
    if not (options.trust or options.container):
        require_contained()
    failed = grade(
        assignment, classroom, box, only=options.only, jobs=options.jobs, first=options.first, again=options.again
    )
    if failed:
        print(f"✗ {len(failed)} could not be graded: {'; '.join(failed)}")
    return 0


def _mark(options: argparse.Namespace) -> int:
    from labkit.teaching.book import merge_marks, write_marks
    from labkit.teaching.pages import write_marking_pages

    assignment, classroom = _course(options)
    if options.merge:
        clashes = merge_marks(assignment, classroom, options.merge)
        print(*(f"✗ {clash}" for clash in clashes), f"{len(clashes)} clashes", sep="\n")
        return 1 if clashes else 0
    print(*write_marks(assignment, classroom), *write_marking_pages(assignment, classroom), sep="\n")
    return 0


def _feedback(options: argparse.Namespace) -> int:
    from labkit.teaching.pages import write_feedback

    pages = write_feedback(*_course(options))
    print(f"✓ {len(pages)} pages" + (f" in {pages[0].parent}" if pages else ": grade first"))
    return 0


def _book(options: argparse.Namespace) -> int:
    from labkit.teaching.book import book, fill, write_book

    assignment, classroom = _course(options)
    print(write_book(assignment, classroom))
    if options.fill:
        if not options.column:
            raise ValueError("--fill must say which column takes the grades: --column NAME")
        path, filled = fill(assignment, classroom, options.fill, options.column, options.id_column)
        print(path)
        late = [line["student"] for line in book(assignment, classroom) if line["open"]]
        for label, names in (
            ("no grade for", filled.unknown),
            ("not in the table", filled.left),
            ("not graded or marked completely, their cells stay as they were:", late),
        ):
            if names:
                print(f"! {label} {', '.join(names)}")
    return 0


def _statistics(options: argparse.Namespace) -> int:
    from labkit.teaching.pages import write_statistics

    print(write_statistics(*_course(options)))
    return 0


def _solution(options: argparse.Namespace) -> int:
    from labkit.teaching.pages import write_solution

    assignment, classroom = _course(options)
    print(write_solution(assignment, classroom.of(assignment.number, "solution.html")))
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from labkit.teaching.contain import layers, level
    from labkit.world.version import VERSION

    classroom = open_classroom(options.folder)
    print(f"labkit {version('labkit')}, world {VERSION}")
    print(f"submissions are held back by {level()}")
    print(
        f"{len(classroom.roster)} students, {len(classroom.teams())} teams; the secret has "
        f"{len(classroom.secret)} characters"
    )
    for number, due in sorted(classroom.due.items()):
        print(f"assignment {number} is due {due.isoformat()}")
    if not classroom.roster:
        print(f"✗ {options.folder / 'roster.csv'} names no student: fill it in")
        return 1
    if not {"network", "files"} <= set(layers()):
        print("✗ this machine cannot keep submissions from the network and your files: use --container when you grade")
        return 1
    return 0


_VERBS = {
    "new": _new,
    "check": _check,
    "release": _release,
    "collect": _collect,
    "grade": _grade,
    "mark": _mark,
    "feedback": _feedback,
    "book": _book,
    "statistics": _statistics,
    "solution": _solution,
    "doctor": _doctor,
}
