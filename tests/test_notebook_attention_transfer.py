"""Notebook 08 beyond what all notebooks are tested for: on photos and videos in the shape of the real sets."""

import re

import pytest
from interactions import write_interactions
from runs import figures, said

from labkit import course

SOURCE = course.notebooks_folder() / "08_attention_transfer.py"


@pytest.mark.filterwarnings("ignore:TV Human")
def test_it_runs_on_folders_of_photos_and_videos(tmp_path):
    parameters = {"profile": "smoke", "dataset": "tvhi", "missing": "skip"}
    parameters["data_root"] = str(write_interactions(tmp_path / "data"))
    done = course.run(SOURCE, tmp_path / "08.ipynb", parameters)
    assert "resnet.energynet_filtered" in said(done)
    assert not re.search(r"actions\.unatt_top1 \d", said(done))  # claims may name it
    assert "puppet" not in figures(done)
