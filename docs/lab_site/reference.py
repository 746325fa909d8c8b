"""The reference: a page for each public module of labkit, with the lessons that use it."""

import ast
import importlib
import inspect
import pkgutil
import re
from collections import defaultdict
from functools import cache
from types import ModuleType
from typing import Any

import jupytext

import labkit
from lab_site import ROOT, links, tables
from labkit import course
from labkit.syllabus import syllabus

GROUPS = {  # of the index: titles, and the packages or modules below them
    "The papers": ["papers"],
    "What they share": ["backbones", "training", "losses", "views", "attribution"],
    "Motion": ["flow"],
    "Local features and retrieval": ["vlad", "kmeans", "patches", "retrieval", "metrics"],
    "Videos": ["clips", "data", "world"],
    "Experiments and claims": ["studies", "claims", "scoreboard"],
    "Figures and widgets": ["viz"],
    "The lab itself": [],  # the rest
}


@cache
def modules() -> tuple[str, ...]:
    """The names of all public modules and packages below labkit."""
    walked = pkgutil.walk_packages(labkit.__path__, "labkit.")
    return tuple(sorted(m.name for m in walked if not any(part.startswith("_") for part in m.name.split("."))))


def pages() -> dict[str, str]:
    """Text of the reference by the name of its page."""
    texts = {f"reference/{name}": page(name) for name in modules()}
    return {"reference/index": index(), **texts}


def page(name: str) -> str:
    """The page of a module or package, in Markdown."""
    module = importlib.import_module(name)
    below = [other for other in modules() if other.rpartition(".")[0] == name]
    exported = _exported(module) if hasattr(module, "__path__") else []
    lines = [f"# {name.removeprefix('labkit.')}", "", _breadcrumb(name), ""]
    if lessons := used_in().get(name):
        stems = {lesson.number: tables.stem(lesson) for lesson in syllabus()}
        links = ", ".join(f"[{number}](/lessons/{stems[number]}.ipynb)" for number in sorted(lessons))
        lines += [f":::{{div}} used-in\nUsed in lesson{'s' * (len(lessons) > 1)} {links}\n:::", ""]
    lines += ["```{eval-rst}", f".. automodule:: {name}", *([] if exported else ["   :members:"]), ""]
    if exported:
        lines += [".. currentmodule:: None", "", ".. autosummary::", "", *(f"   ~{where}" for where in exported), ""]
    lines += ["```", ""]
    if below:
        lines += ["## Modules", "", "```{toctree}", ":maxdepth: 1", *below, "```"]
    return "\n".join(lines)


def _breadcrumb(name: str) -> str:
    kind = "package" if hasattr(importlib.import_module(name), "__path__") else "module"
    return f":::{{div}} what-it-is\n{kind} `{name}`\n:::"


def index() -> str:
    """The first page of the reference: groups of packages and modules, each with the first line of its docstring."""
    top = [name.removeprefix("labkit.") for name in modules() if name.count(".") == 1]
    listed = {name for names in GROUPS.values() for name in names}
    lines = ["# Reference", "", "Every public module of labkit. Read a paper's file first: it is short.", ""]
    for title, names in GROUPS.items():
        lines += [f"## {title}", "", "| module | what it is |", "|---|---|"]
        names = names or [name for name in top if name not in listed]
        if names == ["papers"]:
            names = [*names, *(name.removeprefix("labkit.") for name in modules() if name.startswith("labkit.papers."))]
        for name in names:
            lines.append(f"| [{name}](/reference/labkit.{name}.md) | {first_line(f'labkit.{name}')} |")
        lines.append("")
    return "\n".join([*lines, "```{toctree}", ":hidden:", ":maxdepth: 1", *(f"labkit.{name}" for name in top), "```"])


def first_line(name: str) -> str:
    """Of a module's docstring, without a full stop."""
    text = inspect.getdoc(importlib.import_module(name)) or ""
    return text.partition("\n\n")[0].replace("\n", " ").rstrip(".").replace("|", "\\|")


def _exported(module: ModuleType) -> list[str]:
    """What a package offers, by the names of where it is defined."""
    values = {name: getattr(module, name) for name in getattr(module, "__all__", [])}
    names = [name for name, value in values.items() if inspect.isclass(value) or inspect.isroutine(value)]
    places = [defined_in(module, name) for name in names]
    return [f"{place}.{name}" for place, name in zip(places, names, strict=True) if place != module.__name__]


def defined_in(module: ModuleType, name: str) -> str:
    """The module that defines what another one offers by a name."""
    value: Any = getattr(module, name)
    if (place := getattr(value, "__module__", "")).startswith("labkit"):
        return place
    tree = ast.parse(inspect.getsource(module))  # a constant: it does not know where it comes from
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and any((alias.asname or alias.name) == name for alias in node.names):
            return node.module or module.__name__
    return module.__name__


@cache
def used_in() -> dict[str, set[str]]:
    """For each module, the numbers of the lessons that link to it or use what it defines."""
    used: dict[str, set[str]] = defaultdict(set)
    for source in course.sources():
        for cell in jupytext.read(source).cells:
            for name in _linked(cell.source) if cell.cell_type == "markdown" else []:
                used[name].add(source.stem[:2])
        code = "\n".join(cell.source for cell in jupytext.read(source).cells if cell.cell_type == "code")
        for name in _used(ast.parse(code)):
            used[name].add(source.stem[:2])
    return {name: numbers for name, numbers in used.items() if name in modules()}


def _linked(text: str) -> set[str]:
    targets = [match["target"].partition("#")[0] for match in re.finditer(links.LINK, text)]
    return {links.module_of((ROOT / "notebooks" / target).resolve()) for target in targets if "../labkit" in target}


def _used(tree: ast.AST) -> set[str]:
    """Modules that define what code imports from labkit, or reaches through what it imports."""
    modules_by_name: dict[str, ModuleType] = {}
    used = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("labkit"):
            parent = importlib.import_module(node.module)
            for alias in node.names:
                value = getattr(parent, alias.name, None) or importlib.import_module(f"{node.module}.{alias.name}")
                if inspect.ismodule(value):
                    modules_by_name[alias.asname or alias.name] = value
                    used.add(value.__name__)
                else:
                    used.add(defined_in(parent, alias.name))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules_by_name:
            module = modules_by_name[node.value.id]
            if hasattr(module, node.attr) and not inspect.ismodule(getattr(module, node.attr)):
                used.add(defined_in(module, node.attr))
    return used
