"""Notebook 04 beyond what all notebooks are tested for: on one's own photos."""

import os
from pathlib import Path

import pytest
from runs import figures, said

from labkit import course

REAL = os.environ.get("LABKIT_REAL_DATA")
SOURCE = course.notebooks_folder() / "04_conv_vlad.py"


@pytest.mark.skipif(not REAL, reason="set LABKIT_REAL_DATA to a folder with photos")
def test_it_runs_on_a_folder_of_photos(tmp_path):
    parameters = {"profile": "smoke", "dataset": "folder", "data_root": str(Path(REAL, "retrieval", "landmarks"))}
    done = course.run(SOURCE, tmp_path / "04.ipynb", parameters)
    assert "11 photos, 11 queries" in said(done)
    assert "your photos" in figures(done)
