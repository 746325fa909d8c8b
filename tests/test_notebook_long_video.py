"""Notebook 05 beyond what all notebooks are tested for: on videos in the shape of Sports-1M."""

from runs import figures, said
from sports import write_sets

from labkit import course

SOURCE = course.notebooks_folder() / "05_long_video.py"


def test_it_runs_on_real_videos(tmp_path):
    parameters = {"profile": "smoke", "dataset": "sports1m", "data_root": str(write_sets(tmp_path / "real"))}
    done = course.run(SOURCE, tmp_path / "05.ipynb", parameters)
    assert "2 training and 1 test clips, 0% of these with two labels" in said(done)
    drawn = figures(done)
    assert "A clip of sport 3" in drawn
    assert "3 frames a second" in drawn
    assert "puppet" not in drawn
