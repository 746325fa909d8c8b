"""Notebook 06 beyond what all notebooks are tested for: on real videos and pairs, with the tiny networks."""

import re

import pytest
from runs import figures, said

from labkit import course

SOURCE = course.notebooks_folder() / "06_action_flow_net.py"


@pytest.mark.filterwarnings("ignore:FlyingChairs", "ignore:Sintel")
def test_it_runs_on_real_videos_and_pairs(real_sets_with_flow, real_pairs, tmp_path):
    for name in ("chairs", "sintel"):
        (real_sets_with_flow / name).symlink_to(real_pairs / name)
    parameters = {"profile": "smoke", "dataset": "ucf101", "missing": "skip", "data_root": str(real_sets_with_flow)}
    done = course.run(SOURCE, tmp_path / "06.ipynb", parameters)
    assert "{'large': {'train': 2, 'test': 3}, 'small': {'train': 4, 'test': 1}}" in said(done)
    drawn = figures(done)
    for shown in ("FlyingChairs", "Sintel", "stored estimate", "all pixels", "all classes"):
        assert shown in drawn
    assert not re.search("puppet|appearance pairs", drawn.split("Table")[0])
