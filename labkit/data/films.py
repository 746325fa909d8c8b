"""Two filmed clips that come with the lab; the folder beside this file says where they are from, and whose they are."""

from collections.abc import Mapping
from pathlib import Path

_FOLDER = Path(__file__).with_name("films")

FILMS: Mapping[str, str] = {name: str(_FOLDER / f"{name}.mp4") for name in ("city", "bunny")}
"""Paths of the clips by name: lights of towers that are switched on and off, and a rabbit that gets out of bed."""
