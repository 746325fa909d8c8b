"""Notebook 07 beyond what all notebooks are tested for: on real videos, with the small nets and with ResNet-50."""

import pytest
from runs import changed, figures, said

from labkit import course

SOURCE = course.notebooks_folder() / "07_temporal_difference.py"
REAL = {"dataset": "hmdb51", "missing": "skip", "splits": [1]}


@pytest.fixture(scope="module")
def data_root(real_sets):
    """The real clips of HMDB51, and their flow by the script."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(course.notebooks_folder().parent / "data_scripts"))
        import extract_flow

        assert extract_flow.main([str(real_sets / "hmdb51"), "--estimator", "dis"]) == 0
    return str(real_sets / "hmdb51")


def test_it_runs_on_real_videos(data_root, tmp_path):
    done = course.run(SOURCE, tmp_path / "07.ipynb", {**REAL, "profile": "smoke", "data_root": data_root})
    text = said(done)
    assert "'train': '2 clips of 2 groups', 'test': '1 clips of 1 groups'" in text
    assert "'tdn.fusion'" in text
    assert "second." not in text  # the world's
    assert "mean gain" not in text
    drawn = figures(done)
    assert "What has changed (wave)" in drawn
    assert "Two frames of a clip of wave" in drawn
    assert "a trial: trained on 2 of 3,570 training clips and measured on 1 of 1,530 test clips" in drawn
    for of_the_world in ("puppet", "standing up", "guitar"):
        assert of_the_world not in drawn


@pytest.mark.long
def test_the_paper_profile_in_short(data_root, tmp_path):
    """ResNet-50 from random weights, tame ones, on real frames and flow: one step a phase, one sample of one window."""
    changes = {
        "torchvision_weights(resnet50, ResNet50_Weights.IMAGENET1K_V1,": "resnet50(zero_init_residual=True)  # (",
        'steps = max(round(recipe["steps"] * scale), 2)': "steps = 1",
        '"batch": 6, "schedule": None} if profile == "smoke" else': '"batch": 2, "schedule": None} if True else',
        '"study": 3}.get(profile, 25)': '"study": 3}.get(profile, 1)',
        "centre_only=tiny": "centre_only=True",
        '("conv1x1", td.Convolved), ("gate", td.Gated)': '("gate", td.Gated),',
        "view, count=8)": "view, count=2)",
        "board.keep()": "print(sorted(board.live))",  # such numbers are not to be kept
    }
    short = changed(SOURCE, changes, tmp_path)
    done = course.run(short, tmp_path / "07.ipynb", {**REAL, "profile": "paper", "data_root": data_root})
    printed = said(done)
    assert "['mixing.gate', 'subnet.difference', 'subnet.image', 'tdn.flow', 'tdn.fusion', 'tdn.rgb'" in printed
