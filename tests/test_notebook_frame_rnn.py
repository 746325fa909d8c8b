"""Notebook 03 beyond what all notebooks are tested for: on real videos, and on codes that lie on the disk."""

import json
from pathlib import Path

import nbformat
import pytest
import torch
from runs import changed
from runs import figures as figures_of
from torchvision.models import alexnet

from labkit import course

SOURCE = course.notebooks_folder() / "03_frame_rnn.py"


def outputs(path, kind):
    """All outputs of one MIME type, and all that was printed."""
    found = [output for cell in nbformat.read(path, as_version=4).cells for output in cell.get("outputs", [])]
    printed = "".join(output.text for output in found if output.output_type == "stream")
    return [output.data[kind] for output in found if kind in output.get("data", {})], printed


@pytest.fixture
def ucf101(real_sets):
    """The real clips in the shape of UCF101, with the official lists."""
    return real_sets / "ucf101"


def test_it_runs_on_real_videos(ucf101, tmp_path):
    parameters = {"profile": "smoke", "dataset": "ucf101", "data_root": str(ucf101), "missing": "skip"}
    done = course.run(SOURCE, tmp_path / "03.ipynb", parameters)
    figures, printed = outputs(done, "application/vnd.plotly.v1+json")
    assert (
        "'train': '1 clips of 1 groups', 'validation': '1 clips of 1 groups', 'test': '3 clips of 2 groups'" in printed
    )
    assert "Original frames   164 x 3 x 240 x 320 = 151,142,400 bytes" in printed  # v_ApplyEyeMakeup_g01_c01, float32
    assert "ApplyEyeMakeup" in json.dumps(figures)
    drawn = figures_of(done)
    assert "Two clips side by side: Punch and BaseballPitch." in drawn
    for of_the_world in ("puppet", "appearance pair", "tool and a place", "ten classes"):
        assert of_the_world not in drawn
    assert "v_Punch_g03_c01" in "".join(outputs(done, "text/html")[0])  # a point of Figure 7


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:UCF101")
def test_the_paper_profile_in_short(ucf101, tmp_path, monkeypatch):
    """AlexNet with random weights, codes of fc7 from the script and of fc6 made on the spot, two steps of training."""
    torch.manual_seed(0)
    weights = tmp_path / "alexnet.pth"
    torch.save(alexnet().state_dict(), weights)
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "data_scripts"))
    import extract_features

    assert extract_features.main([str(ucf101), "--weights", str(weights), "--missing", "skip"]) == 0
    changes = {
        'else recipe["steps"]': "else 2",
        "[(1, 0), (3, 0), (1, 0.01), (3, 0.01)] if study": "[(3, 0.01)] if study",
        "repeats = 3": "repeats = 1",
        "board.keep()": "print(sorted(board.live))",  # such numbers are not to be kept
    }
    short = changed(SOURCE, changes, tmp_path)
    parameters = {"profile": "paper", "dataset": "ucf101", "data_root": str(ucf101), "missing": "skip"}
    done = course.run(short, tmp_path / "03.ipynb", {**parameters, "weights": str(weights)})
    _, printed = outputs(done, "text/html")
    assert "'test': (3, 10, 4096)" in printed
    assert "'birnn_lstm.test', 'birnn_lstm.validation'" in printed
    assert "'rnn.fc6', 'rnn.fc6_validation'" in printed
