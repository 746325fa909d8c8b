"""Notebook 06 beyond what all notebooks are tested for: on real videos and pairs, with the small nets and ResNet-18."""

import pytest
from runs import changed, figures, said

from labkit import course

SOURCE = course.notebooks_folder() / "06_action_flow_net.py"
REAL = {"dataset": "ucf101", "missing": "skip"}


@pytest.fixture(scope="module")
def data_root(real_sets, real_pairs):
    """Real clips of both sets with their flow by the script, and real pairs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(course.notebooks_folder().parent / "data_scripts"))
        import extract_flow

        for name in ("ucf101", "hmdb51"):
            assert extract_flow.main([str(real_sets / name), "--estimator", "dis"]) == 0
    for name in ("chairs", "sintel"):
        (real_sets / name).symlink_to(real_pairs / name)
    return str(real_sets)


@pytest.mark.filterwarnings("ignore:FlyingChairs", "ignore:Sintel")
def test_it_runs_on_real_videos_and_pairs(data_root, tmp_path):
    done = course.run(SOURCE, tmp_path / "06.ipynb", {**REAL, "profile": "smoke", "data_root": data_root})
    text = said(done)
    assert "large set: 2 clips to learn from, 3 to test" in text
    assert "small set: 2 clips to learn from, 1 to test" in text
    assert "error on FlyingChairs" in text
    assert "error on Sintel" in text
    drawn = figures(done)
    for title in ("Figure 4.5, alive: a clip, its flow, and in red what the net foresees", "The same for another clip"):
        assert f"{title} (" in drawn
    assert "3 actions: a frame" in drawn  # Figure 4.4: there are no more
    assert "stored estimate" in drawn  # what the flow of real videos is
    of_pairs = "The true flow of a pair of frames"  # Figure 4.7: the world's, whatever the videos are
    assert of_pairs in drawn
    for of_the_world in ("puppet", "true flow", "jump", "walking", "Arms open"):
        assert of_the_world not in drawn.replace(of_pairs, "")


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:FlyingChairs", "ignore:Sintel")
def test_the_paper_profile_in_short(data_root, tmp_path):
    """16 frames of 224 pixels through a 3D-ResNet-18, and ResNet-18 from random weights: one step of one clip each."""
    changes = {
        "torchvision_weights(resnet18, ResNet18_Weights.IMAGENET1K_V1, download=download)": "resnet18()",
        'Recipe(**{**afn.PAPER, "seed": seed})': 'Recipe(**{**afn.PAPER, "steps": 1, "batch": 1, "seed": seed})',
        '"study": 5}.get(profile, 25)': '"study": 5}.get(profile, 1)',
        "centre_only=tiny": "centre_only=True",
        "step = (14, 4) if tiny else (56, 16)": "step = (14, 4) if tiny else (112, 112)",
        'test.examples(("wave", "squat", "sit_down", "guitar", "chop", "ski"))': 'test.examples(("wave",))',
        "for _ in range(15)": "for _ in range(1)",
        # such numbers are not to be kept
        "board.keep()": 'print(sorted(board.live), "given:", board["epe.given"] / epe["Sintel"]["DIS"])',
    }
    short = changed(SOURCE, changes, tmp_path)
    done = course.run(short, tmp_path / "06.ipynb", {**REAL, "profile": "paper", "data_root": data_root})
    printed = said(done)
    assert "'multi16.large', 'multi16.small', 'multi2.large', 'multi2.small', 'multi2_chairs.large'" in printed
    assert "'epe.chairs', 'epe.given', 'epe.target'" in printed
    assert "given: 1.0" in printed  # by the estimator that made the store
    assert "lambda_accuracy" not in printed  # the world's
