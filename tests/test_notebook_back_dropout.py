"""Notebook 09 beyond what all notebooks are tested for: on real videos."""

from runs import figures, said

from labkit import course

SOURCE = course.notebooks_folder() / "09_back_dropout.py"


def test_it_runs_on_real_videos(real_sets_of_two_classes, tmp_path):
    parameters = {"profile": "smoke", "dataset": "ucf101", "missing": "skip"}
    done = course.run(SOURCE, tmp_path / "09.ipynb", {**parameters, "data_root": str(real_sets_of_two_classes)})
    text = said(done)
    assert "{'train': '2 clips of 2 groups', 'held_out': '1 clips of 1 groups', 'test': '3 clips of" in text
    assert "wrong images, of 1 of the 1 held-out clips" in text
    assert "What remains for the choice of the penalty set" in text
    assert "puppet" not in figures(done)
