"""Notebooks on real videos and photos, in the profile smoke: beyond what the tests of all notebooks ask for."""

import os
import re
from pathlib import Path

import pytest
from interactions import write_interactions
from runs import figures, said
from sports import write_sets

from labkit import course

REAL = os.environ.get("LABKIT_REAL_DATA")

pytestmark = pytest.mark.long


@pytest.fixture
def run(tmp_path):
    """Run a notebook in the profile smoke; returns what it said, and what it has drawn."""

    def run(number, dataset, root, **parameters):
        (source,) = course.notebooks_folder().glob(f"{number}_*.py")
        parameters |= {"profile": "smoke", "dataset": dataset, "data_root": str(root), "missing": "skip"}
        done = course.run(source, tmp_path / f"{number}.ipynb", parameters)
        return said(done), figures(done)

    return run


def test_02(run, real_sets_with_flow):
    text, drawn = run("02", "ucf101", real_sets_with_flow)
    assert "{'large': {'train': 1, 'held_out': 1, 'test': 3}, 'small': {'train': 2, 'held_out': 2, 'test': 1}}" in text
    assert "fusion.average" in text
    assert not re.search(r"puppet| nan\b(?!=)", drawn)  # a class without a test clip has no recall


def test_03(run, real_sets_with_flow):
    text, drawn = run("03", "ucf101", real_sets_with_flow)
    assert "'train': '1 clips of 1 groups'" in text
    assert "'test': '3 clips of 2 groups'" in text
    assert "Original frames 164 x 3 x 240 x 320 = 151,142,400 bytes" in text  # v_ApplyEyeMakeup_g01_c01, float32
    assert "['ApplyEyeMakeup', 'BaseballPitch']" in text  # the two rows of ten frames
    assert "v_Punch_g03_c01" in drawn  # a point of Figure 7
    assert "flow as colours" in drawn
    assert not re.search("puppet|appearance pairs|right order| nan", drawn)


@pytest.mark.skipif(not REAL, reason="set LABKIT_REAL_DATA to a folder with photos")
def test_04(run):
    text, drawn = run("04", "folder", Path(REAL, "retrieval", "landmarks"))
    assert "11 photos, 11 queries" in text
    assert "your photos" in drawn


def test_05(run, tmp_path):
    text, drawn = run("05", "sports1m", write_sets(tmp_path / "real"))
    assert "2 training clips 1 test clips, 0% of them with two labels" in text
    assert "A clip of sport 3" in drawn
    assert "3 frames a second" in drawn
    assert "puppet" not in drawn


@pytest.mark.filterwarnings("ignore:FlyingChairs", "ignore:Sintel")
def test_06(run, real_sets_with_flow, real_pairs):
    for name in ("chairs", "sintel"):
        (real_sets_with_flow / name).symlink_to(real_pairs / name)
    text, drawn = run("06", "ucf101", real_sets_with_flow)
    assert "{'large': {'train': 2, 'test': 3}, 'small': {'train': 4, 'test': 1}}" in text
    for shown in ("FlyingChairs", "Sintel", "stored estimate", "all pixels", "all classes"):
        assert shown in drawn
    assert not re.search("puppet|appearance pairs", drawn.split("Table")[0])


def test_07(run, real_sets_with_flow):
    text, drawn = run("07", "hmdb51", real_sets_with_flow)
    assert "'test': '1 clips of 1 groups'" in text
    assert "What has changed (wave)" in drawn
    assert "Two frames of a clip of wave" in drawn
    assert "Nobody knows what moved in a real video" in drawn
    assert "and measured on 1 of 1,530 test clips" in drawn
    assert not re.search("puppet|standing up|guitar", drawn)


@pytest.mark.filterwarnings("ignore:TV Human")
def test_08(run, tmp_path):
    text, drawn = run("08", "tvhi", write_interactions(tmp_path / "data"))
    assert "resnet.energynet_filtered" in text
    assert not re.search(r"actions\.unatt_top1 \d", text)  # claims may name it
    assert "puppet" not in drawn


def test_09(run, real_sets_of_two_classes):
    text, drawn = run("09", "ucf101", real_sets_of_two_classes)
    assert "{'train': '2 clips of 2 groups', 'held_out': '1 clips of 1 groups', 'test': '3 clips of" in text
    assert "wrong images, from 1 of 1 held-out clips" in text
    assert "What remains for the choice of the penalty set" in text
    assert "puppet" not in drawn


def test_10(tmp_path):
    source = course.notebooks_folder() / "10_scoreboard.py"
    executed = course.run(source, tmp_path / "10.ipynb", {"profile": "smoke", "dataset": "ucf101", "seed": 1000})
    assert "8 papers" in said(executed)
    assert "not yet run" in figures(executed)
