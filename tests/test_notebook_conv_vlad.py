"""Notebook 04 beyond what all notebooks are tested for: on one's own photos."""

import os
import re
from pathlib import Path

import nbformat
import pytest
from runs import figures

from labkit import course

REAL = os.environ.get("LABKIT_REAL_DATA")
SOURCE = course.notebooks_folder() / "04_conv_vlad.py"


@pytest.mark.skipif(not REAL, reason="set LABKIT_REAL_DATA to a folder with photos")
def test_it_runs_on_a_folder_of_photos(tmp_path):
    parameters = {"profile": "smoke", "dataset": "folder", "data_root": str(Path(REAL, "retrieval", "landmarks"))}
    done = course.run(SOURCE, tmp_path / "04.ipynb", parameters)
    cells = nbformat.read(done, as_version=4).cells
    text = "".join(o.get("text", "") for cell in cells for o in cell.get("outputs", []))
    assert "11 photos, 11 queries" in text
    best = float(re.search(r"scale 1: ([\d.]+) %", text).group(1))
    assert 40 < best <= 100  # three landmarks: by chance about 30
    drawn = figures(done)
    assert "your photos" in drawn
    assert "puppet" not in drawn
    assert "walls, sky" not in drawn
