import math
import random

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from toy_training import network

from labkit import metrics
from labkit.training import evaluate


class Videos(Dataset):
    """Five videos of four views."""

    def __init__(self, views=4):
        self.views = torch.randn(5, views, 6, generator=torch.Generator().manual_seed(1))

    def __len__(self):
        return 5

    def __getitem__(self, index):
        return self.views[index], index % 3


def test_views_are_scored_alone_and_averaged_after_softmax():
    model, data = network(), Videos()
    before = [module.training for module in model.modules()]
    scores = evaluate(model, data, batch=2, chunk_size=3, progress=False)
    assert [module.training for module in model.modules()] == before
    model.eval()
    for video in range(5):
        each = model(data.views[video]).softmax(dim=1)  # (4, 3)
        torch.testing.assert_close(scores.videos[video], each.mean(dim=0))
        torch.testing.assert_close(scores.clips[scores.video_of_clip == video], each)
    assert scores.labels.tolist() == [0, 1, 2, 0, 1]
    assert scores.clip_labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [0] * 4 + [1] * 4
    assert not scores.videos.requires_grad


@pytest.mark.parametrize(("batch", "chunk_size", "workers"), [(1, 1, 0), (5, 1000, 0), (3, 7, 2)])
def test_how_views_are_packed_does_not_matter(batch, chunk_size, workers):
    scores = evaluate(network(), Videos(), batch=batch, chunk_size=chunk_size, workers=workers, progress=False)
    expected = evaluate(network(), Videos(), progress=False)
    torch.testing.assert_close(scores.videos, expected.videos)
    torch.testing.assert_close(scores.clips, expected.clips)


def test_other_heads_inputs_scores_labels_and_loaders():
    model = network()
    loader = [
        (torch.randn(2, 3, 2, 6), torch.ones(2, 3, dtype=torch.bool)),
        (torch.randn(1, 5, 2, 6), torch.ones(1, 3, dtype=torch.bool)),
    ]
    scores = evaluate(
        model,
        iter(loader),
        forward=lambda model, views: model(views[:, 0]) - model(views[:, 1]),
        to_scores=nn.Identity(),
        progress=False,
    )
    assert scores.clips.shape == (2 * 3 + 5, 3)
    assert scores.video_of_clip.tolist() == [0] * 3 + [1] * 3 + [2] * 5
    model.eval()
    expected = model(loader[1][0][0, :, 0]) - model(loader[1][0][0, :, 1])
    torch.testing.assert_close(scores.videos[2], expected.mean(dim=0))
    assert metrics.hit_at_k(scores.videos, scores.labels, 1) == 1.0
    again = evaluate(model, DataLoader(Videos(), batch_size=2), progress=False)
    torch.testing.assert_close(again.videos, evaluate(model, Videos(), progress=False).videos)


def test_random_views_are_the_same_each_time():
    class Jittered(Videos):
        def __getitem__(self, index):
            return self.views[index] + torch.randn(4, 6) + random.random(), index % 3

    one, two = (evaluate(network(), Jittered(), batch=batch, progress=False) for batch in (1, 5))
    torch.testing.assert_close(one.videos, two.videos)
    assert not torch.allclose(one.videos, evaluate(network(), Jittered(), seed=1, progress=False).videos)


def test_partial_modes_come_back_also_after_an_error():
    model = network()
    model[1].eval()
    model[4].weight.data.fill_(math.nan)
    with pytest.raises(ValueError, match="logits must be finite"):
        evaluate(model, Videos(), progress=False)
    assert [module.training for module in model.modules()] == [True, True, False, True, True, True]


@pytest.mark.parametrize(
    ("data", "extra", "message"),
    [
        (Videos(), {"chunk_size": 0}, "chunk_size must be"),
        ([], {}, "data must hold at least one video"),
        (iter([(torch.zeros(3), torch.zeros(3))]), {}, r"views must be \(B, V, \.\.\.\)"),
        (Videos(), {"forward": lambda m, v: m(v)[0]}, r"logits must be \(M, K\); got \(3,\)"),
    ],
)
def test_wrong_arguments_of_evaluate_are_named(data, extra, message):
    with pytest.raises(ValueError, match=message):
        evaluate(network(), data, progress=False, **extra)
