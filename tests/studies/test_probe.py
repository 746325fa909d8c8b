"""Instruments of the study of ActionFlowNet: a linear probe, pixels that move by themselves, counts and times."""

import time
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from labkit import world
from labkit.attribution import square_corners
from labkit.studies.cost import count_calls, count_parameters, time_ratio
from labkit.studies.families import FAMILIES, rows_of
from labkit.studies.moving import covered, moving_pixels
from labkit.studies.probe import probe


def test_a_probe_finds_what_is_linear_whatever_its_scale():
    labels = torch.tensor([0, 2, 3] * 20)  # class 1 has no clip
    features = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    features[:, 1] = 1e-3 * labels + 5  # tiny beside the others
    scores = probe(features[:30], labels[:30], features[30:], 5)
    assert (scores.argmax(dim=1) == labels[30:]).float().mean() > 0.8
    torch.testing.assert_close(scores.sum(dim=1), torch.ones(30))
    assert not scores[:, [1, 4]].any()
    alone = probe(features[:2], torch.tensor([3, 3]), features[:1], 5)
    assert alone.tolist() == [[0, 0, 0, 1, 0]]
    with pytest.raises(ValueError, match="the same features as of the training clips"):
        probe(features, labels, features[:, :2], 5)


def test_moving_pixels_are_the_puppet_s_and_move_beside_the_camera():
    clip = world.Actions(seed=1000, part="test", groups=3, clips=1, classes=("wave",))[0]
    puppet = clip.mask([7], "puppet", "prop")[0]
    moving, everything = moving_pixels(clip, 7, 8, 1.0), moving_pixels(clip, 7, 8, 0.0)
    assert 0 < moving.sum() < everything.sum()
    assert not (everything & ~puppet).any()
    static = SimpleNamespace(rendering=world.Actions(seed=1000, part="test", groups=3, frames=1)[0].rendering)
    assert not moving_pixels(static, 0, 0, 1e-3).any()


def test_what_squares_cover_by_hand():
    mask = torch.zeros(6, 6, dtype=torch.bool)
    mask[0, :4] = True
    edges = square_corners(6, side=3, stride=3)
    assert covered(mask, (edges, edges), 3).tolist() == [[0.75, 0.25], [0, 0]]


def test_families_are_all_classes_of_the_world():
    clips = world.Actions(seed=1000, groups=3, clips=1)
    rows = [rows_of(clips, family).tolist() for family in FAMILIES]
    assert sorted(index for indices in rows for index in indices) == list(range(len(clips)))
    assert {clips.classes[label] for label in clips.labels[rows[1]].tolist()} == set(FAMILIES["motion"])


def test_layers_are_counted_and_let_go_and_times_compared():
    network = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.ReLU(), nn.Linear(3, 1)))
    assert count_parameters(network) == 2 * 3 + 3 + 3 + 1
    assert count_calls(network[1], lambda: network(torch.zeros(1, 2))) == 2
    assert count_calls(network[1], lambda: network[0](torch.zeros(1, 2))) == 0
    assert not any(layer._forward_hooks for layer in network.modules())
    assert time_ratio(lambda: time.sleep(2e-3), lambda: time.sleep(1e-3), rounds=3) > 1.2
