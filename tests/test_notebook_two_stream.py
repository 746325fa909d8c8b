"""Notebook 02 beyond what all notebooks are tested for: on real videos, with the world's small nets and the paper's."""

import pytest
import torch
from runs import changed, figures, said
from safetensors.torch import save_file

from labkit import course
from labkit.papers import two_stream

SOURCE = course.notebooks_folder() / "02_two_stream.py"
REAL = {"dataset": "ucf101", "missing": "skip", "splits": [1]}  # the few clips have no test part in splits 2 and 3


SECOND_FILMS = {  # a class needs two films, one to train on and one to hold out; by other names on the official lists
    "cartwheel": "Acrobacias_de_un_fenomeno_cartwheel_f_cm_np1_ba_bad_8.avi",
    "wave": "50_FIRST_DATES_wave_f_cm_np1_fr_med_0.avi",
}


@pytest.fixture(scope="module")
def data_root(real_sets):
    """The real clips of both sets, and their flow in both directions by the script."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(course.notebooks_folder().parent / "data_scripts"))
        import extract_flow

        hmdb51 = real_sets / "hmdb51/hmdb51_org/clips"
        for name, film in SECOND_FILMS.items():
            (hmdb51 / film).symlink_to(next(hmdb51.glob(f"*_{name}_*")).resolve())
        for name in ("ucf101", "hmdb51"):
            for options in ([], ["--backward"]):
                assert extract_flow.main([str(real_sets / name), "--estimator", "dis", *options]) == 0
    return real_sets


def test_it_runs_on_real_videos(data_root, tmp_path):
    done = course.run(SOURCE, tmp_path / "02.ipynb", {**REAL, "profile": "smoke", "data_root": str(data_root)})
    text = said(done)
    assert "'large': {'train': 1, 'held': 1, 'test': 3}, 'small': {'train': 2, 'held': 2, 'test': 1}" in text
    assert "splits.average" in text
    assert "puppet" not in figures(done)
    assert " nan" not in figures(done)  # a class without a test clip has no recall
    assert "splits.svm" not in text  # held-out groups of one clip: an SVM would have nothing to learn from


def trained(tables, folder, **parameters):
    """All numbers that a run for some tables has."""
    short = changed(SOURCE, {"board.keep()": "print('measured:', *sorted(board.live), 'and no more')"}, folder)
    done = course.run(short, folder / "02.ipynb", {"profile": "smoke", "tables": tables, **parameters})
    return set(said(done).partition("measured: ")[2].partition(" and no more")[0].split())


@pytest.mark.long
def test_the_second_table_needs_no_spatial_net(tmp_path):
    measured = trained([2], tmp_path)
    small = {"small.alone", "small.fine_tune", "small.added_classes", "small.multi_task"}
    assert {name for name in measured if not name.startswith("filters.")} == small | {
        "temporal.l10",
        "temporal.multi_task",
    }


@pytest.mark.long
def test_the_first_table_needs_no_small_set(data_root, tmp_path):
    (tmp_path / "ucf101").symlink_to(data_root / "ucf101")
    measured = trained([1], tmp_path, **REAL, data_root=str(tmp_path))
    assert {"spatial.scratch_d9", "temporal.traj_raw", "crops.centre"} < measured
    assert not any("small" in name or "multi_task" in name for name in measured)


@pytest.mark.long
def test_the_paper_profile_in_short(data_root, tmp_path):
    """Paper-size nets from ImageNet weights (random here) on real frames and flow: two steps, one test frame."""
    torch.manual_seed(0)
    save_file(two_stream.spatial_paper(1000).state_dict(), data_root / "cnn_m_imagenet.safetensors")
    changes = {
        '"study": 3}.get(profile, 25)': '"study": 3}.get(profile, 1)',
        'total = max(round(recipe["steps"] * scale), 2)': "total = 2",
        'if profile == "smoke" else {"schedule": milestones}': 'if profile == "paper" else {}',
        '"centre_only": profile == "smoke"': '"centre_only": True',
        'for start in ("scratch", "fine_tune", "last_layer")': 'for start in ["fine_tune"]',
        "for d in (0.5, 0.9)}": "for d in [0.5]}",
        "ways |= more": 'ways |= {"bidir": more["bidir"]}',
        "board.keep()": "print(sorted(board.live))",  # such numbers are not to be kept
    }
    short = changed(SOURCE, changes, tmp_path)
    done = course.run(short, tmp_path / "02.ipynb", {**REAL, "profile": "paper", "data_root": str(data_root)})
    text = said(done)
    assert "fc6): Linear(in_features=18432, out_features=4096" in text
    for metric in ("crops.centre", "fusion.bidir", "slow_fusion", "small.added_classes", "temporal.multi_task"):
        assert repr(metric) in text
