"""Notebook 07 beyond what all notebooks are tested for: on real videos."""

from runs import figures, said

from labkit import course

SOURCE = course.notebooks_folder() / "07_temporal_difference.py"


def test_it_runs_on_real_videos(real_sets_with_flow, tmp_path):
    parameters = {"profile": "smoke", "dataset": "hmdb51", "missing": "skip", "data_root": str(real_sets_with_flow)}
    done = course.run(SOURCE, tmp_path / "07.ipynb", parameters)
    assert "'test': '1 clips of 1 groups'" in said(done)
    drawn = figures(done)
    assert "What has changed (wave)" in drawn
    assert "Two frames of a clip of wave" in drawn
    assert "Nobody knows what moved in a real video" in drawn
    assert "and measured on 1 of 1,530 test clips" in drawn
    for of_the_world in ("puppet", "standing up", "guitar"):
        assert of_the_world not in drawn
