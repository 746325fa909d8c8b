"""Notebook 02 beyond what all notebooks are tested for: on real videos."""

import re

from runs import figures, said

from labkit import course

SOURCE = course.notebooks_folder() / "02_two_stream.py"


def test_it_runs_on_real_videos(real_sets_with_flow, tmp_path):
    parameters = {"profile": "smoke", "dataset": "ucf101", "missing": "skip", "data_root": str(real_sets_with_flow)}
    done = course.run(SOURCE, tmp_path / "02.ipynb", parameters)
    text = said(done)
    assert "{'large': {'train': 1, 'held_out': 1, 'test': 3}, 'small': {'train': 2, 'held_out': 2, 'test': 1}}" in text
    assert "fusion.average" in text
    assert "puppet" not in figures(done)
    assert not re.search(r" nan\b(?!=)", figures(done))  # a class without a test clip has no recall
