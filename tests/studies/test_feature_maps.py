"""Feature maps of whole videos: the network's own, of videos of any length, examples out of them."""

from types import SimpleNamespace

import pytest
import torch
from fakes import FakeClip
from torch import nn

from labkit import metrics, world
from labkit.papers.long_video import RECIPES, ConvPooling, loss, video_view
from labkit.studies.feature_maps import Examples, FeatureMaps, extract_feature_maps, feature_maps, whole_video
from labkit.training import Recipe, evaluate, fit


@pytest.fixture(scope="module")
def clips():
    classes = ["wave", "clap", "jump"]
    return world.LongClips(seed=1000, groups=3, clips=1, part="test", frames=20, segment=8, size=32, classes=classes)


def view_of(frames=4):
    return video_view(3, frames, rate=3.0, min_frames=1, short_side=None, crop_size=28, flip=False)


def test_they_are_those_of_the_network(clips):
    backbone = nn.Conv2d(3, 2, 28)
    parts = [
        extract_feature_maps(backbone, clips.subset(chosen), view_of(), crops=2, progress=False)
        for chosen in (range(2), range(2, len(clips)))
    ]
    features = feature_maps(parts, clips.multi_hot)
    assert [values.shape for values in features.features] == [(2, 5, 2, 1, 1)] * len(clips)  # 20 frames at 12 fps, 3
    assert features.fps == [3.0] * len(clips)
    with torch.no_grad():
        wanted = backbone(whole_video(view_of(), clips[1])[0][0])
    torch.testing.assert_close(features.features[1][0].float(), wanted, atol=2e-3, rtol=2e-3)
    assert not torch.equal(features.features[1][1], features.features[1][0])
    again = extract_feature_maps(backbone, clips.subset(range(2)), view_of(), crops=2, progress=False)
    assert torch.equal(again["features"], parts[0]["features"])


def test_videos_keep_their_lengths_and_start_over_by_themselves():
    several = SimpleNamespace(map=lambda view: [view(FakeClip(length, 30, 30, fps=3.0)) for length in (5, 3)])
    features = feature_maps(
        [extract_feature_maps(nn.AdaptiveAvgPool2d(1), several, view_of(), progress=False)], torch.eye(2).bool()
    )
    assert [values.shape[1] for values in features.features] == [5, 3]
    assert features.sampled(4).timeline(0).tolist() == [0, 1, 2, 3, 4]
    assert features.sampled(4).timeline(1).tolist() == [0, 1, 2, 0]


def numbered(frames, **settings):
    """Feature maps that carry the number of video, crop and frame: 100 v + 500 c + l."""
    video, crop, time = torch.meshgrid(torch.arange(2), torch.arange(3), torch.arange(10), indexing="ij")
    features = (100 * video + 500 * crop + time).half()[..., None, None, None]
    return FeatureMaps(list(features), torch.eye(2, dtype=torch.bool), [3.0, 3.0], frames, **settings)


def test_examples_out_of_them():
    generator, starts, crops = torch.Generator().manual_seed(0), set(), set()
    for _ in range(200):
        numbers = numbered(4).example(1, generator).flatten().int()
        crops.add(int(numbers[0]) // 500)
        starts.add(int(numbers[0]) % 100)
        assert numbers.diff().tolist() == [1, 1, 1]
        assert (numbers % 500 // 100 == 1).all()
    assert crops == {0, 1, 2}
    assert starts == set(range(7))
    slow = numbered(4).sampled(4, rate=1.0)  # frames 0, 3, 6, 9
    assert slow.example(0).flatten().int().remainder(100).tolist() == [0, 3, 6, 9]
    assert slow.sampled(6, rate=1.0).timeline(0).tolist() == [0, 3, 6, 9, 0, 3]
    assert len(numbered(4, min_frames=25).timeline(0)) == 25


def test_views_for_evaluation():
    central = [views for views, _ in numbered(4).views(3, random=False)]
    assert [views.shape for views in central] == [(1, 3, 4, 1, 1, 1)] * 2
    assert central[1][0, :, 0].flatten().tolist() == [100, 103, 106]  # equally spaced, first crop
    first, second = ([views for views, _ in numbered(4).views(5, seed=1)] for _ in range(2))
    assert torch.equal(first[0], second[0])
    assert len(first[0][0, :, 0].unique()) > 1
    assert [views.shape for views, _ in numbered(4).whole_videos()] == [(1, 1, 10, 1, 1, 1)] * 2


def test_a_head_learns_on_them_and_is_scored_at_both_levels():
    torch.manual_seed(0)
    maps, hot = torch.randn(6, 1, 12, 3, 2, 2), torch.eye(3, dtype=torch.bool).repeat(2, 1)
    maps[torch.arange(6), 0, 5, hot.int().argmax(1)] += 6  # one frame tells
    features = FeatureMaps(list(maps.half()), hot, [1.0] * 6, frames=8)
    head = ConvPooling((3, 2, 2), 3, 8, hidden=(16,), dropout=0.0)
    fit(head, Recipe(**{**RECIPES["tiny"], "steps": 60, "batch": 6}), features, loss, device="cpu", progress=False)
    scores = evaluate(head, features.views(5), progress=False)
    assert scores.clips.shape == (30, 3)
    assert metrics.hit_at_k(scores.videos, scores.labels, 1) == 1
    assert metrics.hit_at_k(scores.clips, scores.clip_labels, 1) == 1


def test_examples_of_clips_come_one_at_a_time_in_their_order(clips):
    examples = Examples(clips, view_of(), 3, random=False)
    assert len(examples) == 3 * len(clips)
    frames, hot = examples[3 * 2 + 1]
    assert frames.shape == (1, 4, 3, 28, 28)
    assert torch.equal(hot, clips.multi_hot[2])
    torch.testing.assert_close(frames[0], view_of().test(clips[2], 3, centre_only=True)[0][1])
    torch.manual_seed(0)
    drawn = [Examples(clips, view_of(), 3)[0][0] for _ in range(4)]
    assert any(not torch.equal(other, drawn[0]) for other in drawn)
    with pytest.raises(IndexError):
        examples[len(examples)]
