"""The experiments: for each paper, how its networks are trained and measured, one function a row of its tables."""

from importlib import import_module

from labkit import claims
from labkit.studies.study import Study, require_among


def study_of(number: str) -> type[Study]:
    """The study of the paper whose notebook has this number, e.g. ``"02"``.

    Raises:
        ValueError: no paper has this notebook.
    """
    papers = {paper.notebook: paper.name for paper in claims.ledger().values()}
    require_among("number", number, papers)
    module = import_module(f"labkit.studies.{papers[number]}")
    classes = (value for value in vars(module).values() if isinstance(value, type))
    return next(value for value in classes if issubclass(value, Study) and value.__module__ == module.__name__)
