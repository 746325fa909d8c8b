"""The command ``labkit``: lab, course, export, notebooks, claims, doctor."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
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
        case "claims":
            if options.action == "run":
                return _claims_run(options.number, options.seeds, options.profile, options.dataset, options.data_root)
            return _claims(options.only, options.dataset, options.profile)
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
    claims = commands.add_parser("claims", help="does what the papers claim hold here? a verdict for each claim")
    claims.add_argument("--only", nargs="+", default=[], metavar="NN", help="numbers of notebooks; default all")
    claims.add_argument("--dataset", default="world", help="judge records of this data set")
    claims.add_argument("--profile", default="study", choices=["study", "paper"], help="judge records of this profile")
    actions = claims.add_subparsers(dest="action", metavar="run")
    again = actions.add_parser("run", help="run a notebook once for each seed, then print its verdicts")
    again.add_argument("number", metavar="NN", help="number of the notebook")
    again.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="N")
    again.add_argument("--profile", default=argparse.SUPPRESS, choices=["study", "paper"])
    again.add_argument("--dataset", default=argparse.SUPPRESS, help="run on a real data set")
    again.add_argument("--data-root", default=None, metavar="FOLDER", help="where that data set lies")
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
            run(source, executed, {} if profile == "lesson" else {"profile": profile})
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


def _claims(only: Sequence[str], dataset: str, profile: str) -> int:
    from labkit.claims import ClaimsError, ledger, records, report, verdict

    try:
        papers = ledger().values()
        if unknown := set(only) - {paper.notebook for paper in papers}:
            print(f"no paper has the notebook {', '.join(sorted(unknown))}: see labkit/claims.toml", file=sys.stderr)
            return 2
        verdicts = []
        for paper in papers:
            if not only or paper.notebook in only:
                measured = records(paper.name)
                world, module = _versions(paper.name) if measured else (None, None)
                judged = {"dataset": dataset, "profile": profile}
                verdicts += [verdict(c, measured, **judged, world=world, module=module) for c in paper.claims]
    except ClaimsError as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    print(report(verdicts))
    return 0


def _versions(paper: str) -> tuple[int | None, int | None]:
    """Today's versions of the embedded world and of a paper's module; None where there is no such number."""

    def of(module: str) -> int | None:
        return getattr(import_module(module), "VERSION", None) if find_spec(module) else None

    return of("labkit.world"), of(f"labkit.papers.{paper}") if find_spec("labkit.papers") else None


def _claims_run(number: str, seeds: Sequence[int], profile: str, dataset: str, data_root: str | None) -> int:
    from labkit.claims import DEVELOPMENT, ledger
    from labkit.course import NotebookError, run, sources

    if number not in {paper.notebook for paper in ledger().values()}:
        print(f"no paper has the notebook {number}: see labkit/claims.toml", file=sys.stderr)
        return 2
    source = next((source for source in sources() if source.name[:2] == number), None)
    if source is None:
        print(f"there is no notebook {number} yet, so there is nothing to run: see notebooks/", file=sys.stderr)
        return 2
    if odd := [seed for seed in seeds if not 0 <= seed < DEVELOPMENT]:
        print(f"seeds that judge lie from 0 to {DEVELOPMENT - 1}; got {odd}: choose others", file=sys.stderr)
        return 2
    parameters = {"profile": profile, "dataset": dataset} | ({"data_root": data_root} if data_root else {})
    failures = 0
    for seed in seeds:
        executed = Path("build/claims") / f"{source.stem}.{dataset}.{profile}.{seed}.ipynb"
        try:
            print(run(source, executed, {**parameters, "seed": seed}), flush=True)
        except NotebookError as error:
            print(f"✗ seed {seed}: {error}", file=sys.stderr)
            failures += 1
    return _claims([number], dataset, profile) or (1 if failures else 0)


def _doctor() -> int:
    from labkit.doctor import examine, healthy, report

    findings = list(examine())
    print(report(findings))
    return 0 if healthy(findings) else 1


if __name__ == "__main__":
    sys.exit(main())
