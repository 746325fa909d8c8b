import pytest
import torch
from fakes import random_tensor

from labkit import world
from labkit.papers import temporal_difference as td
from labkit.studies.pointing import activation_maps, moving_parts, point


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return td.tdn(4, size="tiny").eval()


def test_activation_maps_share_out_the_scores(model):
    snippets = random_tensor(2, 3, 3, 56, 56)
    with torch.no_grad():
        features, logits = model.features(snippets), model(snippets)
        image, difference = activation_maps(model, features)
    assert image.shape == (2, 3, 4, 7, 7)
    assert difference.shape == (2, 2, 4, 7, 7)
    for number, (maps, network) in enumerate(((image, model.image), (difference, model.difference))):
        torch.testing.assert_close(maps.mean((1, 3, 4)) + network.fc.bias, logits[:, number], atol=1e-5, rtol=1e-4)


@pytest.fixture(scope="module")
def clips():
    restless = world.Difficulty(camera=6, clutter=2)
    return world.Actions(seed=1000, groups=3, clips=1, part="test", classes=["wave", "squat"], difficulty=restless)


def test_what_moves_is_the_puppet_and_not_what_the_camera_shifts(clips):
    wave = clips[0]
    moving = moving_parts(wave, 2, 9, 64)
    puppet = wave.mask([2, 9], "puppet", "prop").any(dim=0)
    assert moving.any()
    assert not (moving & ~puppet).any()
    assert moving.sum() < puppet.sum() / 2  # the arm waves, the feet stay
    feet = puppet.nonzero()[:, 0].max()
    assert not moving[feet - 2 :].any()
    assert torch.equal(moving, moving_parts(wave, 9, 2, 64))
    assert not moving_parts(wave, 5, 5, 64).any()
    assert torch.equal(moving_parts(wave, 2, 9, 56), moving[4:60, 4:60])


def test_points_are_of_pairs_in_which_something_moves(model, clips):
    view = td.rgb_view(crop_size=56, flip=False)
    points = point(model, view, clips)
    assert points.keys() == {"image", "difference", "chance", "label"}
    count = len(points["label"])
    assert 0 < count <= 2 * len(clips)  # three frames have two pairs
    assert set(points["label"].tolist()) <= {0.0, 1.0}
    assert set(points["image"].tolist()) <= {0.0, 0.5, 1.0}
    assert set(points["difference"].tolist()) <= {0.0, 1.0}
    assert ((points["chance"] > 0) & (points["chance"] < 1)).all()


def test_a_map_that_points_at_the_arm_hits(model, clips, monkeypatch):
    """Maps of the difference subnetwork that are brightest where most has moved, of the image subnetwork where not."""
    view, frames = td.rgb_view(crop_size=56, flip=False), []

    def maps(_, features):
        moving = moving_parts(clips[len(frames)], 2, 8, 56).float()[
            None, None
        ]  # of the first pair: 16 frames in 3 parts
        frames.append(features)
        bright = torch.nn.functional.adaptive_avg_pool2d(moving, 7)[0]  # (1, 7, 7)
        return (-bright).expand(1, 3, 4, 7, 7), bright.expand(1, 2, 4, 7, 7)

    monkeypatch.setattr("labkit.studies.pointing.activation_maps", maps)
    points = point(model, view, clips)
    assert points["difference"].mean() > points["chance"].mean()
    assert points["image"].mean() < points["chance"].mean()


def test_a_world_in_which_nothing_moves_has_no_points(model, monkeypatch, clips):
    monkeypatch.setattr("labkit.studies.pointing.moving_parts", lambda *_: torch.zeros(56, 56, dtype=torch.bool))
    assert len(point(model, td.rgb_view(crop_size=56, flip=False), clips)["image"]) == 0
