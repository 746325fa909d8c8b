"""The command ``labkit``: lab, course, export, notebooks, doctor."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")  # for the kernels; the Makefile says why
    options, rest = _parser().parse_known_args(arguments)
    if rest and options.command != "lab":
        _parser().error(f"unrecognized arguments: {' '.join(rest)}")
    match options.command:
        case "lab":
            return _lab(rest)
        case "course":
            return _course(options.only, options.profile, options.to)
        case "export":
            return _export(options.notebook)
        case "notebooks":
            return _notebooks()
        case _:
            return _doctor()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="labkit", description="How machines came to understand video, paper by paper."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    commands.add_parser("lab", help="open JupyterLab on the first notebook; further arguments go to `jupyter lab`")
    course = commands.add_parser("course", help="run the notebooks and export them to HTML")
    course.add_argument("--only", nargs="+", default=[], metavar="NN", help="numbers of notebooks; default all")
    course.add_argument("--profile", default="lesson", choices=["smoke", "lesson", "study", "paper"])
    course.add_argument("--to", type=Path, default=Path("build/course"), metavar="FOLDER")
    page = commands.add_parser(
        "export", help="turn notebooks you have run into pages that need neither Python nor network"
    )
    page.add_argument("notebook", nargs="+", type=Path)
    commands.add_parser("notebooks", help="rewrite each .ipynb from its .py; outputs are discarded")
    commands.add_parser("doctor", help="is this machine ready? what mends it?")
    return parser


def _lab(further: Sequence[str]) -> int:
    from labkit.course import notebooks_folder, sources, write_notebook

    for source in sources():
        if not source.with_suffix(".ipynb").exists():  # an existing one may hold a learner's work
            write_notebook(source)
    command = lab_command(notebooks_folder())
    os.execv(command[0], [*command, *further])


def lab_command(folder: Path) -> list[str]:
    """What opens JupyterLab on the first notebook of a folder."""
    first = "/lab/tree/00_start_here.ipynb"
    command = [sys.executable, "-m", "jupyterlab", f"--notebook-dir={folder}", f"--LabApp.default_url={first}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # a container, most likely; JupyterLab would refuse
        command.append("--allow-root")
    return command


def _course(only: Sequence[str], profile: str, folder: Path) -> int:
    from labkit.course import NotebookError, export, run, sources

    chosen = [source for source in sources() if not only or source.name[:2] in only]
    if unknown := set(only) - {source.name[:2] for source in chosen}:
        print(f"no notebook is numbered {', '.join(sorted(unknown))}: see the folder notebooks/", file=sys.stderr)
        return 2
    failures = 0
    for source in chosen:
        executed = folder / f"{source.stem}.ipynb"
        try:
            run(source, executed, {"profile": profile})
        except NotebookError as error:
            print(f"✗ {error}", file=sys.stderr)
            failures += 1
        page = export(executed, executed.with_suffix(".html"))
        print(f"{page}  {page.stat().st_size / 1e6:.1f} MB", flush=True)
    return 1 if failures else 0


def _export(notebooks: Sequence[Path]) -> int:
    from labkit.course import NotebookError, export

    for notebook in notebooks:
        try:
            print(export(notebook, notebook.with_suffix(".html")))
        except NotebookError as error:
            print(f"✗ {error}", file=sys.stderr)
            return 1
    return 0


def _notebooks() -> int:
    from labkit.course import sources, write_notebook

    for source in sources():
        print(write_notebook(source))
    return 0


def _doctor() -> int:
    from labkit.doctor import examine, healthy, report

    findings = list(examine())
    print(report(findings))
    return 0 if healthy(findings) else 1


if __name__ == "__main__":
    sys.exit(main())
