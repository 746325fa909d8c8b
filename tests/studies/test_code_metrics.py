import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from labkit.backbones.codes import Codes
from labkit.studies.code_metrics import (
    class_clustering,
    influence_of_first_frame,
    instability,
    one_of_each_group,
    order_scores,
)


def test_instability_is_the_spread_of_the_second_half():
    assert instability([0.0, 0.9, 0.1, 0.5, 0.7, 0.6]) == pytest.approx(math.sqrt((0.1**2 + 0.1**2) / 3))
    assert instability([0.0, 1.0, 0.5, 0.5]) == 0.0


def test_order_given_the_right_pair_by_hand():
    scores = torch.tensor(
        [
            [0.9, 0.2, 0.1, 0.0],  # of class 1, which beats its partner 2 though 0 wins
            [0.0, 0.3, 0.2, 0.5],  # of class 2, taken for 1
            [0.9, 0.0, 0.0, 0.1],  # of class 0: has no partner, does not count
            [0.1, 0.4, 0.4, 0.1],  # of class 2: a tie
        ]
    )
    labels = torch.tensor([1, 2, 0, 2])
    assert order_scores(scores, labels, torch.tensor([[1, 2]])).tolist() == [1, 0, 0.5]
    assert order_scores(scores, labels, torch.tensor([[2, 1], [0, 3]])).tolist() == [1, 0, 1, 0.5]
    with pytest.raises(ValueError, match="labels must include classes of the pairs"):
        order_scores(scores, labels, torch.tensor([[3, 3]]))


def test_clusters_by_hand_and_chance_by_every_shuffle():
    means = torch.tensor([0.0, 1.0, 1.5, 9.0, 10.1, 12.0])
    codes = torch.stack([means - 3, means + 3], dim=1)[:, :, None].expand(-1, -1, 2)  # (6, 2, 2)
    labels = torch.tensor([0, 0, 1, 1, 1, 0])
    # nearest others: 0 -> 1, 1 -> 1.5, 1.5 -> 1, 9 -> 10.1, 10.1 -> 9, 12 -> 10.1
    same, chance = class_clustering(codes, labels)
    assert same.tolist() == [True, False, False, True, True, False]
    shuffled = [
        class_clustering(codes, labels[list(order)])[0].double().mean() for order in itertools.permutations(range(6))
    ]
    assert chance == pytest.approx(np.mean(shuffled))
    with pytest.raises(ValueError, match="codes must be"):
        class_clustering(means[:, None], labels)


def test_one_clip_of_each_class_and_group():
    codes = Codes(
        codes=torch.arange(5.0)[:, None, None],
        labels=torch.tensor([0, 0, 1, 0, 1]),
        groups=torch.tensor([7, 7, 7, 8, 7]),
        indices=torch.zeros(5, 1, dtype=torch.int64),
        names=tuple("abcde"),
        classes=("wave", "clap"),
        source={},
    )
    assert one_of_each_group(codes).names == ("a", "c", "d")


def test_the_first_frame_matters_as_much_as_the_recurrence_lets_it():
    codes = torch.randn(4, 5, 6, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    assert influence_of_first_frame(codes, nn.init.zeros_) == [1.0, 0.0, 0.0, 0.0, 0.0]
    doubled = influence_of_first_frame(codes.abs(), lambda weight: nn.init.eye_(weight).data.mul_(2), hidden_size=512)
    assert doubled == pytest.approx([1, 2, 4, 8, 16], rel=0.3)  # ReLUs switch some units off
