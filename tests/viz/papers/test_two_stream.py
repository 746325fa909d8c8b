"""The figures of two streams: made of what they are given, and described."""

import pytest
import torch

from labkit import flow, world
from labkit.viz.papers import two_stream as figures


@pytest.fixture(scope="module")
def clips():
    return world.Actions(seed=1000, part="test", groups=3, clips=1)


def alt_of(figure):
    return figure.layout.meta["alt"]


def test_the_architecture_has_nine_layers_a_stream_and_a_fusion():
    figure = figures.architecture()
    assert len(figure.layout.shapes) == 19
    texts = [note.text for note in figure.layout.annotations]
    assert sum("norm" in text for text in texts) == 3  # conv2 of the temporal stream has none


def test_the_mean_is_that_of_the_clip_whose_camera_moves_most(clips):
    fields = [clip.flow([clip.num_frames // 2])[0] for clip in clips]
    speeds = torch.stack([field.flatten(1).median(dim=1).values.norm() for field in fields])
    field = fields[int(speeds.argmax())]
    energy = 1 - flow.mean_flow_subtraction(field).square().sum() / field.square().sum()
    assert f"takes {100 * energy:.0f} %" in figures.mean_subtraction(clips).scene["title"]


def test_paths_start_on_what_moves(clips):
    for clip in clips.subset(range(6)):
        start = figures.liveliest(clip, last=clip.num_frames - 7)
        speed = flow.mean_flow_subtraction(clip.flow([start])[0]).norm(dim=0)
        assert speed.max() == max(
            flow.mean_flow_subtraction(clip.flow([k])[0]).norm(dim=0).max() for k in range(clip.num_frames - 6)
        )


def test_three_ways_to_stack_from_three_frames(clips):
    clip = clips[0]
    panels = figures.volume_player(clip, steps=6).scene["panels"]
    assert [panel["title"] for panel in panels] == ["stacking", "trajectories", "bi-directional"]
    last = clip.num_frames - 1 - 6
    stacked, along, both = (panel["layers"][0]["frames"] for panel in panels)
    for panel in panels:
        assert [layer["name"] for layer in panel["layers"]] == [f"τ = {start}" for start in (3, (3 + last) // 2, last)]
        assert all(len(layer["frames"]) == 6 for layer in panel["layers"])
    assert stacked[0] == along[0]  # the first field is read at the starting points
    assert stacked[1] != along[1]
    assert stacked[:3] == both[:3]
    for steps in (5, 30):
        with pytest.raises(ValueError, match=f"steps must be even, .* got {steps} steps"):
            figures.volume_player(clip, steps=steps)


def test_every_picture_is_described(clips):
    clip = clips[0]
    weights = torch.randn(6, 20, 7, 7, generator=torch.Generator().manual_seed(0))
    kinds, fractions = torch.tensor([0, 1, 2, 3, 3, 3]), torch.rand(6, 3, dtype=torch.float64)
    names = ("spatial derivative", "temporal derivative", "average", "none of these")
    drawn = [
        figures.flow_and_components(clip, "hammer"),
        figures.paths(clip),
        figures.motion_boundaries(clip),
        figures.two_heads(),
        figures.training_views([clip.frames([0])[0]] * 3),
        figures.filters(weights, kinds, fractions, names),
        figures.clearest_filters(weights, kinds, fractions, names, clip),
    ]
    assert all(len(alt_of(figure)) > 30 for figure in drawn)


def test_fusion_curves_by_hand():
    right, wrong = torch.tensor([[1.0, 0], [0, 1]]), torch.tensor([[0.0, 1], [0, 1]])
    figure = figures.fusion_curves({"test clips": ({0.0: wrong, 1.0: right}, torch.tensor([0, 1]))})
    assert list(figure.data[0].x) == [0, 1]
    assert list(figure.data[0].y) == [50, 100]
    assert "test clips: 50 % without it, 100 % at best" in alt_of(figure)
