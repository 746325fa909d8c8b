"""What the figures of the first two lessons compute; whether all are described, the run of each notebook tests."""

import torch
from pages import level

from labkit import viz, world
from labkit.viz.papers import start_here, video_and_flow


def test_a_bag_holds_the_patches_row_by_row():
    frame = torch.arange(3 * 4 * 6, dtype=torch.uint8).reshape(3, 4, 6)
    patches = frame.unfold(1, 2, 2).unfold(2, 2, 2).flatten(1, 2).movedim(0, 1)  # (6, 3, 2, 2)
    figure = start_here.bag(frame, patches)
    whole, bag = (image.source for image in figure.data)
    assert whole == bag  # in their old order they are the frame
    assert start_here.bag(frame, patches.flip(0)).data[1].source != whole


def test_a_clip_is_found_by_class_and_group():
    clips = world.Actions(seed=1000, size=32, frames=6, groups=3, clips=2)
    assert start_here._clip(clips, "chop", group=2).name == "chop_g02_c01"


def test_far_travellers_are_peaks_off_the_border():
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(64.0), indexing="ij")
    bumps = [torch.exp(-((x - a).square() + (y - b).square()) / 20) for a, b in ((20, 20), (45, 30), (1, 1))]
    fields = torch.stack([0 * x, sum(bumps)]).expand(2, 2, 48, 64) * 0.1
    assert video_and_flow.far_travellers(fields).tolist() == [[20, 20], [45, 30]]


def test_an_x_t_slice_is_about_as_high_as_its_clip():
    clip = torch.zeros(8, 3, 48, 64)
    figure = video_and_flow.time_slice(clip, 5, clip[:, :, 5].movedim(0, 1))
    assert figure.layout.meta["alt"]
    assert video_and_flow._thick(clip[:, :, 5].movedim(0, 1), 48).shape == (3, 48, 64)
    assert video_and_flow._thick(clip[:, :, 5].movedim(0, 1), 5).shape == (3, 8, 64)


def test_the_cross_is_at_the_flow():
    error = {"A": torch.rand(41, 41)}
    figure = video_and_flow.matching(error, {"A": torch.tensor([2.0, -4.0])}, reach=4.0, kind="exact")
    cross = figure.data[1]
    middle = viz.heat_maps(error, unit="u", marks={"A": (20, 20)}, title="t", alt="a").data[1]  # no motion
    assert (cross.x[0] - middle.x[0], cross.y[0] - middle.y[0]) == (10, -20)


def test_estimators_have_an_error_and_the_truth_has_none():
    fields, errors = {"exact": torch.zeros(2, 2, 8, 8), "DIS": torch.ones(2, 2, 8, 8)}, {"DIS": torch.ones(2, 8, 8)}
    exact, estimate = video_and_flow.estimators(fields, errors, 1.0, fps=8, start=0).scene["panels"]
    assert [layer["name"] for layer in exact["layers"]] == ["flow"]
    assert [layer["name"] for layer in estimate["layers"]] == ["flow", "error"]


def test_steps_of_a_bi_directional_volume_run_outwards():
    stacks = {name: torch.zeros(8, 8, 8) for name in ("stacking", "bi-directional")}
    stacks["stacking"][0::2] = 2.0  # dx
    ahead, both = video_and_flow.volumes(stacks, 3, 5).scene["panels"]
    assert ahead["labels"] == ["3 → 4", "4 → 5", "5 → 6", "6 → 7"]
    assert both["labels"] == ["5 → 6", "6 → 7", "5 → 4", "4 → 3"]
    dx, dy = ahead["layers"]
    assert level(dx["frames"][0]) == 255  # 2 pixels is the 99th percentile of all
    assert dy["frames"] == both["layers"][0]["frames"]  # both at rest
    assert "white: 2 pixels per frame" in dx["caption"]
