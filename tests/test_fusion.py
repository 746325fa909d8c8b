"""The world is made so that two streams are better than one; here in its smallest form, through the lab's own `fit`."""

import torch

from labkit import losses, metrics, world
from labkit.backbones.cnn_m import CNNM
from labkit.papers import two_stream
from labkit.training import Recipe, evaluate, fit

CLASSES = ("hammer", "chop", "walk_left", "walk_right")  # two that only a frame tells apart, two that only motion does
SMALL = {"image_size": 40, "channels": (16, 24, 24, 24, 24), "strides": (2, 1), "paddings": (0, 2), "fc": (64, 32)}


def learned(view, net, train, test):
    options = {"lr": 2e-3}
    recipe = Recipe(torch.optim.Adam, options, steps=100, batch=24, clip_norm=5.0)
    fit(net, recipe, train.map(view.train), losses.classification_loss, progress=False)
    return evaluate(net, test.map(lambda clip: view.test(clip, 2, centre_only=True)), progress=False)


def test_two_streams_are_better_than_either():
    settings = {"classes": CLASSES, "size": 48, "frames": 8, "groups": 24, "clips": 1, "difficulty": world.EASY}
    train, test = (world.Actions(part=part, **settings) for part in ("train", "test"))
    crops = {"crop_size": 40, "short_side": None, "flip": False}
    spatial_view, temporal_view = two_stream.spatial_view(**crops), two_stream.temporal_view(**crops, length=5)
    torch.manual_seed(0)
    spatial_net = CNNM(len(CLASSES), dropout=0.2, **SMALL)
    temporal_net = CNNM(len(CLASSES), in_channels=10, lrn2=False, dropout=0.2, **SMALL)
    spatial = learned(spatial_view, spatial_net, train, test)
    temporal = learned(temporal_view, temporal_net, train, test)
    fused = two_stream.average_fusion(spatial.videos, temporal.videos)
    alone = [metrics.accuracy(scores.videos, test.labels) for scores in (spatial, temporal)]
    together = metrics.accuracy(fused, test.labels)
    print(alone, together)
    assert together > max(alone) + 0.1
    assert together >= 0.9

    tools = test.labels < 2  # where each stream is good, and where it has to guess
    assert metrics.accuracy(spatial.videos[tools], test.labels[tools]) >= 0.8
    assert metrics.accuracy(temporal.videos[~tools], test.labels[~tools]) >= 0.8
