"""What the course's site needs beyond Sphinx: its source, made of lessons, docstrings and records; a few renderings."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]  # the clone
DOCS = ROOT / "docs"
