"""The options of ``labkit start``, ``hand-in`` and ``teach``; what they do is in `labkit.teaching.command`."""

import argparse
from pathlib import Path


def add_parsers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The commands for students and teachers."""
    start = commands.add_parser("start", help="students: get an assignment, in a world of your own")
    start.add_argument("number", metavar="NN")
    start.add_argument("--student", required=True, metavar="ID", help="your number; of a group all, with commas")
    start.add_argument("--folder", type=Path, default=Path("work"), help="where to write it (default work)")
    hand_in = commands.add_parser("hand-in", help="students: see what is missing, and pack an assignment")
    hand_in.add_argument("number", metavar="NN")
    hand_in.add_argument("--student", default="", metavar="ID", help="your number; default: the one in the notebook")
    hand_in.add_argument("--folder", type=Path, default=Path("work"), help="where it lies (default work)")
    teach = commands.add_parser("teach", help="teachers: assignments from their source to the grade book")
    verbs = teach.add_subparsers(dest="verb", required=True, metavar="verb")
    helps = {
        "new": "a course, and a source to begin with",
        "check": "look for faults in an assignment: leaks, solutions, mistakes",
        "release": "write what each student gets; refused unless check passes",
        "collect": "sort an archive of Moodle or Canvas, or a folder",
        "grade": "run what was handed in, in a box, and judge it",
        "mark": "tables and pages for answers that a person marks",
        "feedback": "a page for each student",
        "book": "the grade book; or fill in a learning platform's table",
        "statistics": "which questions were hard, and why",
        "solution": "a page with the solutions",
        "doctor": "can this machine contain submissions? is the folder in order?",
    }
    for verb, text in helps.items():
        one = verbs.add_parser(verb, help=text)
        if verb != "doctor":
            one.add_argument("number", metavar="NN")
        one.add_argument("--folder", type=Path, default=Path("teach"), help="of the course (default teach)")
        if verb in ("check", "release", "grade"):
            one.add_argument("--trust", action="store_true", help="run without a box; you know every author")
            one.add_argument("--container", default="", choices=["docker", "podman"], help="run in a container instead")
        if verb in ("check", "release"):
            one.add_argument("--students", type=int, default=5, metavar="N", help="how many variants are checked")
        if verb == "release":
            one.add_argument("--only", nargs="+", default=[], metavar="ID", help="students; default: all of the roster")
        if verb == "collect":
            one.add_argument("archive", type=Path)
        if verb == "grade":
            one.add_argument("--only", nargs="+", default=[], metavar="ID", help="students; default: all")
            one.add_argument("--jobs", type=int, default=1, metavar="N", help="how many at a time")
            one.add_argument("--first", action="store_true", help="the first version counts, not the last")
            one.add_argument("--again", action="store_true", help="also what is graded already")
        if verb == "mark":
            one.add_argument(
                "--merge", nargs="+", type=Path, default=[], metavar="CSV", help="tables of several markers"
            )
        if verb == "book":
            one.add_argument("--fill", type=Path, metavar="CSV", help="a table that Moodle or Canvas has exported")
            one.add_argument("--column", default="", help="of that table, for the grades")
            one.add_argument("--id-column", default="", help="of that table, with the students")
