"""The parameters of a notebook: does it know these names and values, and where do the paths among them lead?

Papermill writes the values that it is given into a cell of their own, whatever their names and types, and a learner may
type anything. A notebook that continues regardless trains for hours what nobody asked for, or shows a puppet instead of
a clip. So the cell after the parameters begins with a call of `check`.
"""

import ast
import os
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

PROFILES = ("smoke", "lesson", "study", "paper")

Expected = type | Collection[str]


def check(namespace: Mapping[str, Any], *, dataset: Collection[str], **others: Expected) -> None:
    """Check the parameters of a notebook by name, type and value.

    The parameters that all notebooks have, ``profile``, ``data_root``, ``seed`` and ``device``, need not be named.

    Args:
        namespace: the notebook's ``globals()``.
        dataset: the data sets that it can be run on.
        others: its further parameters, each with its type, or with the strings to choose from.

    Raises:
        NameError: a parameter is not set, or papermill was given one that the notebook does not have.
        TypeError: a parameter has another type.
        ValueError: a parameter is none of its choices.
    """
    expected: dict[str, Expected] = {"profile": PROFILES, "dataset": dataset, "data_root": str, **others}
    expected |= {"seed": int, "device": str}
    for name in _injected(namespace):
        if name not in expected:
            raise NameError(f"parameters must be among {', '.join(expected)}; got {name!r}{_nearest(name, expected)}")
    for name, wanted in expected.items():
        if name not in namespace:
            similar = [key for key in namespace if not key.startswith("_")]
            raise NameError(
                f"the parameter {name} must be set; got none of that name{_nearest(name, similar)}: run the cell with "
                "the parameters first"
            )
        value = namespace[name]
        kind = wanted if isinstance(wanted, type) else str
        if not _is_a(value, kind):
            raise TypeError(
                f"{name} must be of type {kind.__name__}; got {value!r}, {type(value).__name__}: {_remedy(kind)}"
            )
        if not isinstance(wanted, type) and value not in wanted:
            raise ValueError(f"{name} must be one of {', '.join(wanted)}; got {value!r}{_nearest(value, wanted)}")


def user_path(*parts: str) -> str:
    """Where a path leads that somebody gave as a parameter: absolute, with ``~`` expanded.

    A relative path is looked for in the folder of the notebook, then in the folder where the command was given:
    papermill runs a notebook in the one (``--cwd``), and a path that is typed into a terminal means the other.

    Args:
        parts: joined; empty ones are left out, and an absolute one makes those before it moot.

    Returns:
        The absolute path; an empty string if all parts are empty.

    Raises:
        FileNotFoundError: a relative path leads to nothing from either folder.
    """
    if not any(parts):
        return ""
    path = Path(*(os.path.expanduser(part) for part in parts if part))  # an unknown ~user stays as it is
    if path.is_absolute():
        return str(path)  # the function that reads it says what must be there
    folders = dict.fromkeys([Path.cwd(), Path(os.environ.get("PWD", Path.cwd()))])
    places = [folder / path for folder in folders]
    for place in places:
        if place.exists():
            return str(place)
    where = " or at ".join(map(str, places))
    raise FileNotFoundError(f"{path}: expected a file or folder at {where}; got nothing there: check the path")


def _injected(namespace: Mapping[str, Any]) -> list[str]:
    """The names that papermill has set, if its cell was the last to run before this one; IPython keeps what was run."""
    *before, _ = namespace.get("In") or [""]
    if not before or not before[-1].startswith("# Parameters\n"):
        return []
    try:
        statements = ast.parse(before[-1]).body
    except SyntaxError:  # a cell of the learner's own
        return []
    targets = [target for node in statements if isinstance(node, ast.Assign) for target in node.targets]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _is_a(value: Any, kind: type) -> bool:
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def _nearest(name: str, known: Collection[str]) -> str:
    """A question whether something alike was meant, as the end of a message; empty where nothing is."""
    lower = {key.lower(): key for key in known}
    alike = get_close_matches(name.lower(), lower, n=1)
    return f": did you mean {lower[alike[0]]!r}?" if alike else ""


def _remedy(kind: type) -> str:
    if kind is str:
        return "put it in quotes, or give it to papermill with -r in place of -p"
    if kind in (int, float, bool):
        return "write it without quotes"
    return 'see the example in the notebook; papermill takes it with -y "{name: value}"'
