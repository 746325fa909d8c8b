"""Notebook 09 beyond what all notebooks are tested for: on real videos, with the small net and with CNN-M-2048."""

import pytest
import torch
from runs import changed, figures, said
from safetensors.torch import save_file

from labkit import course
from labkit.papers import back_dropout

SOURCE = course.notebooks_folder() / "09_back_dropout.py"
UNTRAINED = {'tuned = fitted(copy.deepcopy(start), recipe, clips["learned"])': "tuned = copy.deepcopy(start)"}
"""The few training clips are of one class: a net that has learned it errs nowhere, and there is nobody to penalise."""
REAL = {"dataset": "ucf101", "missing": "skip", "splits": [1]}  # the few clips have no test part in splits 2 and 3


def test_it_runs_on_real_videos(real_sets, tmp_path):
    short = changed(SOURCE, UNTRAINED, tmp_path)
    done = course.run(short, tmp_path / "09.ipynb", {**REAL, "profile": "smoke", "data_root": str(real_sets)})
    text = said(done)
    assert "'learned': '1 clips of 1 groups', 'held': '1 clips of 1 groups', 'test': '3 clips" in text
    assert "wrong images, of 1 of the 1 held-out clips" in text
    assert "What is left for the penalty set's choice" in text
    assert "puppet" not in figures(done)
    assert "Two actions" not in figures(done)  # the few test clips need not be of two


@pytest.mark.long
def test_the_paper_profile_in_short(real_sets, tmp_path):
    """CNN-M-2048 from ImageNet weights (random here) on real frames: one step each time, one test frame."""
    torch.manual_seed(0)
    save_file(back_dropout.back_dropout_paper(1000).state_dict(), real_sets / "cnn_m_imagenet.safetensors")
    changes = {
        **UNTRAINED,
        'steps = max(round(recipe["steps"] * scale), 2)': "steps = 1",
        '"batch": 8, "schedule": None} if profile == "smoke" else': '"batch": 2, "schedule": None} if True else',
        '"study": 8}.get(profile, 25)': '"study": 8}.get(profile, 1)',
        '{"smoke": 2, "paper": 25}.get(profile, 16)': "2",
        "for percent in (10, 20)": "for percent in [20]",
        "board.keep()": "print(sorted(board.live))",  # such numbers are not to be kept
    }
    short = changed(SOURCE, changes, tmp_path)
    done = course.run(short, tmp_path / "09.ipynb", {**REAL, "profile": "paper", "data_root": str(real_sets)})
    text = said(done)
    assert "of 2048 neurons go" in text
    assert "lr of fc7 x 10, classifier x 10" in text
    for metric in ("control.further", "control.random", "drop.second_20", "fine_tuned", "size.full", "size.third"):
        assert repr(metric) in text
