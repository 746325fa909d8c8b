"""Notebook 03 beyond what all notebooks are tested for: on real videos."""

import nbformat
from runs import figures, said

from labkit import course

SOURCE = course.notebooks_folder() / "03_frame_rnn.py"


def test_it_runs_on_real_videos(real_sets_with_flow, tmp_path):
    parameters = {"profile": "smoke", "dataset": "ucf101", "missing": "skip", "data_root": str(real_sets_with_flow)}
    done = course.run(SOURCE, tmp_path / "03.ipynb", parameters)
    text, drawn = said(done), figures(done)
    assert "'train': '1 clips of 1 groups'" in text
    assert "'test': '3 clips of 2 groups'" in text
    assert "Original frames 164 x 3 x 240 x 320 = 151,142,400 bytes" in text  # v_ApplyEyeMakeup_g01_c01, float32
    assert "['ApplyEyeMakeup', 'BaseballPitch']" in text  # the two rows of ten frames
    assert "v_Punch_g03_c01" in drawn  # a point of Figure 7
    assert "flow as colours" in drawn
    for of_the_world in ("puppet", "appearance pairs", "right order"):
        assert of_the_world not in drawn
    assert " nan" not in drawn


def test_the_lesson_is_prose_and_short_cells():
    cells = nbformat.read(SOURCE.with_suffix(".ipynb"), as_version=4).cells
    lines = [len([line for line in cell.source.splitlines() if line]) for cell in cells if cell.cell_type == "code"]
    prose = [len(cell.source.splitlines()) for cell in cells if cell.cell_type == "markdown"]
    assert sorted(lines)[-3] <= 10  # but for parameters and imports
    assert sum(prose) > 2 * sum(lines)
