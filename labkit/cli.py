"""The command ``labkit``: lab, course, export, notebooks, study, claims, start, hand-in, teach, doctor."""

import argparse
import contextlib
import json
import math
import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labkit import folders
from labkit.teaching.options import add_parsers as add_teaching

# What JupyterLab's file browser leaves out: the .py of each notebook, and what it leaves out anyway.
_HIDDEN = ("[0-9][0-9]_*.py", "__pycache__", "*.pyc", "*.pyo", ".DS_Store", "*~")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")  # for the kernels; the Makefile says why
    options, rest = _parser().parse_known_args(arguments)
    if rest and options.command != "lab":
        _parser().error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        status = _run(options, rest)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # the reader of our lines, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nor may Python's last flush fail
        return 128 + 13  # what a shell says of a command that SIGPIPE ended
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 128 + 2


def _run(options: argparse.Namespace, rest: Sequence[str]) -> int:
    match options.command:
        case "lab":
            return _lab(rest, options.copy_only)
        case "course":
            parameters = {"profile": options.profile} if options.profile != "lesson" else {}
            parameters |= {"seed": options.seed} if options.seed is not None else {}
            return _course(options.only, parameters, options.to, options.timeout)
        case "export":
            return _export(options.notebook)
        case "notebooks":
            return _notebooks(options.number, options.from_ipynb, options.discard)
        case "study":
            return _study(options)
        case "start" | "hand-in" | "teach":
            from labkit.teaching import command

            return command.run(options)
        case "claims":
            return _claims(options.only, options.dataset, options.profile, options.results)
        case _:
            return _doctor()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="labkit", description="How machines came to understand video, paper by paper."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    lab = commands.add_parser(
        "lab",
        help="open JupyterLab on a notebook; further arguments go to `jupyter lab`",
        usage="labkit lab [-h] [--copy-only] [NN] [FOLDER] [arguments of jupyter lab]",
        description="Open JupyterLab on notebook NN, by default the first. An installed labkit, "
        f"which has no clone, first copies the lessons to FOLDER, by default {folders.LEARNERS}; what is there already "
        "is never overwritten.",
        allow_abbrev=False,
    )
    lab.add_argument("--copy-only", action="store_true", help="copy the lessons, and do not open JupyterLab")
    course = commands.add_parser("course", help="run the notebooks and export them to HTML")
    course.add_argument("--only", nargs="+", default=[], metavar="NN", help="numbers of notebooks; default all")
    course.add_argument("--profile", default="lesson", choices=["smoke", "lesson", "study", "paper"])
    course.add_argument("--seed", type=int, metavar="N", help="run with this seed; default: the one each notebook has")
    course.add_argument("--timeout", type=int, metavar="SECONDS", help="how long a cell may take; default: no limit")
    course.add_argument("--to", type=Path, default=Path("build/course"), metavar="FOLDER")
    page = commands.add_parser(
        "export", help="turn notebooks you have run into pages that need neither Python nor network"
    )
    page.add_argument("notebook", nargs="+", type=Path)
    pairs = commands.add_parser(
        "notebooks", help="rewrite each .ipynb from its .py; outputs are discarded, cells written elsewhere are not"
    )
    pairs.add_argument("number", nargs="*", metavar="NN", help="numbers of notebooks; default all")
    edited = pairs.add_mutually_exclusive_group()
    edited.add_argument("--from-ipynb", action="store_true", help="bring cells of an edited .ipynb back into its .py")
    edited.add_argument("--discard", action="store_true", help="the .py wins: an edited .ipynb is overwritten")
    _add_study(commands)
    claims = commands.add_parser("claims", help="does what the papers claim hold here? a verdict for each claim")
    claims.add_argument("--only", nargs="+", default=[], metavar="NN", help="numbers of notebooks; default all")
    claims.add_argument("--dataset", default="world", help="judge records of this data set")
    claims.add_argument("--profile", default="study", choices=["study", "paper"], help="judge records of this profile")
    claims.add_argument(
        "--results", type=Path, metavar="FOLDER", help="judge records of this folder, not the lab's own"
    )
    add_teaching(commands)
    commands.add_parser("doctor", help="is this machine ready? what mends it?")
    return parser


def _add_study(commands: Any) -> None:
    study = commands.add_parser("study", help="the papers' experiments, row by row: run them, or list them")
    actions = study.add_subparsers(dest="action", required=True, metavar="run|list|plan")
    run = actions.add_parser("run", help="run rows, and write their records down; an interrupted run continues")
    listing = actions.add_parser("list", help="the rows: what each needs, what is kept, what is measured")
    planning = actions.add_parser(
        "plan", help="what a batch of seeds would cost, and how likely it is to decide claims"
    )
    planning.add_argument("numbers", nargs="*", metavar="NN", help="numbers of notebooks; default all")
    run.add_argument("number", nargs="?", metavar="NN", help="number of the notebook; none with --frozen")
    listing.add_argument("number", metavar="NN", help="number of the notebook")
    for action in (run, listing):
        action.add_argument("--profile", default="study", choices=["smoke", "lesson", "study", "paper"])
        action.add_argument(
            "--seeds",
            type=_numbers,
            metavar="N,N",
            help="e.g. 0,1,2 or 10-19; default: those that judge; on real data 0",
        )
        action.add_argument("--dataset", default="world", help="or a real data set")
        action.add_argument("--data-root", default="", metavar="FOLDER", help="where that data set is")
        action.add_argument("--network", default="", help="which network; default: the paper's first")
        action.add_argument("--out", type=Path, metavar="FOLDER", help="for what is kept, and records")
    run.add_argument("--rows", type=_names, default=[], metavar="ROW,ROW", help="names, * for anything; default: all")
    run.add_argument("--splits", type=_numbers, default=[], metavar="N,N", help="default: those each row is made of")
    run.add_argument("--device", default="auto", help="cpu, cuda, mps; default: the best there is")
    run.add_argument(
        "--precision",
        default="",
        choices=["no", "bf16", "fp16"],
        help="of training; default: float32, in the profile study bf16 for 07",
    )
    run.add_argument("--workers", type=int, default=0, metavar="N", help="processes that load data")
    run.add_argument("--missing", default="error", choices=["error", "skip"], help="of real videos: those not there")
    run.add_argument(
        "--again",
        default="",
        metavar="WHY",
        help="run rows that have records already as well, with the networks that are kept; the reason is noted",
    )
    run.add_argument("--frozen", action="store_true", help="the frozen batches of all papers, a seed of each in turn")
    run.add_argument("--minutes", type=float, default=math.inf, metavar="N", help="start no further row after so long")


def _numbers(text: str) -> list[int]:
    """Whole numbers and ranges of them, ``"0,1,10-12"``."""
    if not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", text):
        raise argparse.ArgumentTypeError(f"expected whole numbers or ranges such as 0,1,10-12; got {text!r}")
    spans = [part.split("-") for part in text.split(",")]
    if backward := [span for span in spans if int(span[0]) > int(span[-1])]:
        raise argparse.ArgumentTypeError(f"expected ranges from low to high; got {'-'.join(backward[0])}")
    return [number for span in spans for number in range(int(span[0]), int(span[-1]) + 1)]


def _plan(numbers: Sequence[str]) -> int:
    from labkit.claims import ledger
    from labkit.studies.plan import plan

    papers = [paper for paper in ledger().values() if paper.claims]
    if unknown := set(numbers) - {paper.notebook for paper in papers}:
        print(f"✗ no paper has the notebook {', '.join(sorted(unknown))}: see labkit/claims/", file=sys.stderr)
        return 2
    print(plan([paper for paper in papers if not numbers or paper.notebook in numbers]))
    return 0


def _judging(number: str, dataset: str) -> tuple[int, ...]:
    """The seeds that judge a notebook's claims: the frozen ones of the world, if there are any; on real data one."""
    from labkit.claims import ledger

    if dataset != "world":
        return (0,)
    frozen = [paper.confirm.seeds for paper in ledger().values() if paper.notebook == number and paper.confirm]
    return frozen[0] if frozen else (0, 1, 2)


def _names(text: str) -> list[str]:
    """Names with commas between them."""
    names = [name.strip() for name in text.split(",")]
    if "" in names:
        raise argparse.ArgumentTypeError(f"expected names with commas between them; got {text!r}")
    return names


def _study(options: argparse.Namespace) -> int:
    from labkit.studies import command

    if options.action == "plan":
        return _plan(options.numbers)
    settings = {name: value for name, value in vars(options).items() if name not in ("command", "action", "number")}
    try:
        if options.action == "run" and options.out is None and not folders.clone():
            raise ValueError(
                "--out must be a folder where labkit has no clone; got none: say where trainings and records go"
            )
        if settings.pop("frozen", False):
            written = ("number", "rows", "seeds", "splits", "network", "precision", "data_root")
            usual = (options.dataset, options.profile) == ("world", "study")
            if not usual or any(getattr(options, name) for name in written):
                raise ValueError(
                    "--frozen must stand without a notebook, rows, seeds, splits, network, precision, another profile "
                    "and real data: they are in the ledger"
                )
            return command.run_frozen(
                **{name: settings[name] for name in settings if name not in ("rows", "seeds", "splits")}
            )
        if not options.number:
            raise ValueError("NN must be the number of a notebook; got none: labkit study run 02, or --frozen")
        settings["seeds"] = settings["seeds"] or _judging(options.number, options.dataset)
        if options.action == "list":
            print(command.listing(options.number, **settings))
            return 0
        return command.run(options.number, **settings)
    except BrokenPipeError:  # of `main`
        raise
    except (ValueError, OSError) as error:
        print(f"✗ {error}", file=sys.stderr)
        return 2


def _lab(further: Sequence[str], copy_only: bool = False) -> int:
    from labkit.course import notebooks_folder, sources
    from labkit.pairing import State, compare, write_notebook

    notebooks, number = None, ""
    if further and re.fullmatch(r"\d\d", further[0]):
        number, further = further[0], further[1:]
    if not folders.clone():
        home = folders.home()
        default = home if folders.has_lessons(home) else Path(folders.LEARNERS)
        named = bool(further) and not further[0].startswith("-")
        home = (Path(further[0]).expanduser() if named else default).absolute()
        further, notebooks = further[named:], home / "notebooks"
        try:
            _copy_lessons(home)
        except OSError as error:
            print(f"✗ {error}", file=sys.stderr)
            return 2
    elif copy_only:
        print(
            f"--copy-only needs an installed labkit; this one has its lessons in {notebooks_folder()}", file=sys.stderr
        )
        return 2
    pairs = [compare(source) for source in (sources(notebooks) if notebooks else sources())]
    if edited := [pair for pair in pairs if pair.state is State.EDITED]:
        for pair in edited:
            print(f"✗ {pair.report(3)}", file=sys.stderr)
        return 1
    for pair in pairs:
        if pair.state is not State.EQUAL:
            write_notebook(pair.source, outputs=True)
        with contextlib.suppress(PermissionError):
            pair.source.touch()  # both have the same cells; JupyterLab refuses a .py that is older than its .ipynb
    if copy_only:
        return 0
    folder = notebooks or notebooks_folder()
    asked = [pair.source.stem for pair in pairs if number and pair.source.stem.startswith(number)]
    if number and not asked:
        print(f"✗ no notebook is numbered {number}: see {folder}", file=sys.stderr)
        return 2
    command = lab_command(folder, *asked)
    os.execv(command[0], [*command, *further])


def _copy_lessons(home: Path) -> None:
    from labkit.lessons import copy_lessons

    copied = copy_lessons(home)
    print(f"{len(copied.added)} files added to {home}" if copied.added else f"the lessons are in {home}", flush=True)
    if copied.kept:
        names = ", ".join(copied.kept)
        print(
            f"kept as they are, though this labkit has others: {names} (rename one, and it is copied again)", flush=True
        )
    if copied.unlinked:
        print(f"! {copied.unlinked}", file=sys.stderr, flush=True)


def lab_command(folder: Path, name: str = "00_start_here") -> list[str]:
    """What opens JupyterLab on a notebook of a folder, by its name; links from there to the folders beside it work.

    The file browser leaves out the ``.py`` of each notebook, and the table of contents is open (`_workspaces`).
    JupyterLab does not look for news or for later versions of itself.
    """
    first = f"/lab/tree/{folder.name}/{name}.ipynb"
    command = [sys.executable, "-m", "jupyterlab", f"--notebook-dir={folder.parent}", f"--LabApp.default_url={first}"]
    command.append("--ContentsManager.pre_save_hook=labkit.pairing.keep_digest")
    command += [f"--ContentsManager.hide_globs={pattern}" for pattern in _HIDDEN]
    command += ["--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    with contextlib.suppress(OSError):  # a folder that cannot be written to: JupyterLab opens as it always does
        command.append(f"--LabApp.workspaces_dir={_workspaces(folder.parent)}")
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # a container, most likely; JupyterLab would refuse
        command.append("--allow-root")
    return command


def _workspaces(home: Path) -> Path:
    """Where JupyterLab keeps which tabs and which side bar are open; the first time, that is the table of contents."""
    from jupyterlab_server.workspaces_handler import WorkspacesManager

    folder = home / ".jupyter" / "workspaces"
    if not any(folder.glob("default*")):
        layout = {"left": {"collapsed": False, "current": "@jupyterlab/toc:plugin", "widgets": []}}
        workspace = {"data": {"layout-restorer:data": layout}, "metadata": {"id": "default"}}
        WorkspacesManager(str(folder)).save("default", json.dumps(workspace))
    return folder


def _chosen(numbers: Sequence[str]) -> list[Path]:
    """The sources of the notebooks with these numbers, or of all; an empty list, and a message, if one is unknown."""
    from labkit.course import sources

    chosen = [source for source in sources() if not numbers or source.name[:2] in numbers]
    if unknown := set(numbers) - {source.name[:2] for source in chosen}:
        print(f"no notebook is numbered {', '.join(sorted(unknown))}: see the folder notebooks/", file=sys.stderr)
        return []
    return chosen


def _course(only: Sequence[str], parameters: Mapping[str, Any], folder: Path, timeout: int | None) -> int:
    from labkit.course import make_page

    if not (chosen := _chosen(only)):
        return 2
    failures = 0
    for source in chosen:
        print(source.stem, end="  ", flush=True)
        started = time.perf_counter()
        page, errors = make_page(source, folder, parameters, timeout=timeout)
        made = f"{page.stat().st_size / 1e6:.1f} MB  {page}" if page else "no page"
        print(f"{time.perf_counter() - started:.0f} s  {made}", flush=True)
        for error in errors:
            print(f"✗ {error}", file=sys.stderr)
        failures += bool(errors)
    return 1 if failures else 0


def _export(notebooks: Sequence[Path]) -> int:
    from labkit.course import describe, export

    failures = 0
    for notebook in notebooks:
        try:
            print(export(notebook, notebook.with_suffix(".html")))
        except Exception as error:  # whatever it is, the others continue
            print(f"✗ {describe(error, notebook)}", file=sys.stderr)
            failures += 1
    return 1 if failures else 0


def _notebooks(numbers: Sequence[str], from_ipynb: bool, discard: bool) -> int:
    from labkit.pairing import State, adopt, compare, write_notebook

    if not (chosen := _chosen(numbers)):
        return 2
    if folders.CARRIED in chosen[0].parents:
        print("✗ there are no lessons here: `labkit lab --copy-only` copies them", file=sys.stderr)
        return 2
    failures = 0
    for source in chosen:
        pair = compare(source)
        if pair.state is State.EDITED and from_ipynb and not pair.damage:
            adopt(source)
            print(source)
        elif pair.state is State.EDITED and not discard:
            print(f"✗ {pair.report()}", file=sys.stderr)
            failures += 1
        else:
            print(write_notebook(source))
    return 1 if failures else 0


def _claims(only: Sequence[str], dataset: str, profile: str, folder: Path | None = None) -> int:
    from labkit import world
    from labkit.claims import ClaimsError, Selection, ledger, records, report, verdict
    from labkit.studies import study_of

    if folder and not folder.is_dir():
        print(f"--results must be a folder with records; got {folder.absolute()}, which is none", file=sys.stderr)
        return 2

    try:
        papers = ledger().values()
        if unknown := set(only) - {paper.notebook for paper in papers}:
            print(f"no paper has the notebook {', '.join(sorted(unknown))}: see labkit/claims/", file=sys.stderr)
            return 2
        asked = [paper for paper in papers if not only or paper.notebook in only]
        if not any(dataset in paper.datasets for paper in asked):
            known = ", ".join(dict.fromkeys(name for paper in asked for name in paper.datasets))
            print(f"--dataset must be one of {known}; got {dataset!r}", file=sys.stderr)
            return 2
        if folder and not any(records(paper.name, folder) for paper in papers):
            hint = ", but a folder results: try that" if (folder / "results").is_dir() else ""
            print(f"--results must be a folder with records; {folder.absolute()} has none{hint}", file=sys.stderr)
            return 2
        verdicts = []
        for paper in asked:
            measured = records(paper.name, folder)
            version = study_of(paper.notebook).version if measured else None
            selection = Selection(paper, dataset, profile, world=world.VERSION, version=version)
            verdicts += [verdict(claim, measured, selection) for claim in paper.claims]
    except (ClaimsError, OSError) as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    print(report(verdicts))
    return 0


def _doctor() -> int:
    from labkit.doctor import examine, healthy, report

    findings = list(examine())
    print(report(findings))
    return 0 if healthy(findings) else 1


if __name__ == "__main__":
    sys.exit(main())
