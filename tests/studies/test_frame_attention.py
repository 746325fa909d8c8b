"""Attention maps of all frames of a set of videos, and the ways to read a video from them."""

import pytest
import torch
from fakes import FakeClip
from torch import nn

from labkit.clips import Clips
from labkit.papers.attention_transfer import AttentionNet, energy, image_view, voting
from labkit.studies.frame_attention import (
    RULES,
    Attention,
    attend,
    fraction_of_videos,
    svm_scores,
)


class FakeClips(Clips):
    classes = ("a", "b", "c")

    def __init__(self, lengths):
        self.clips = [FakeClip(num_frames=length, height=8, width=8, seed=n) for n, length in enumerate(lengths)]
        self.labels = torch.arange(len(lengths)) % 3
        self.groups = torch.arange(len(lengths))

    def __getitem__(self, index):
        return self.clips[index]


@pytest.mark.parametrize("linear", ["5", None])
def test_attention_maps_are_made_frame_by_frame(linear):
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(True)]
    cnn = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    model = AttentionNet(cnn, "2", "3", linear=linear).requires_grad_(False)
    clips, view = FakeClips([5, 1, 7]), image_view(crop_size=8)
    seen = attend(model, clips, view, every=2, batch_size=2, progress=False)
    assert model.training
    assert seen.videos.tolist() == [0, 0, 0, 1, 2, 2, 2, 2]
    assert seen.frames.tolist() == [0, 2, 4, 0, 0, 2, 4, 6]
    assert seen.frame_labels.tolist() == [0, 0, 0, 1, 2, 2, 2, 2]
    model.eval()
    images = torch.cat([view.at(clips[v], torch.tensor([f])) for v, f in zip(seen.videos, seen.frames, strict=True)])
    maps = cnn[:3](images)
    torch.testing.assert_close(seen.logits, model(images))
    torch.testing.assert_close(seen.features, maps.mean((2, 3)))
    expected = torch.einsum("kc,nchw->nkhw", cnn[5].weight, maps).relu() / 64
    torch.testing.assert_close(seen.maps, expected)  # with gradients as without
    half = attend(model, clips, view, every=2, dtype=torch.float16, workers=2, progress=False)
    assert (half.maps.dtype, half.logits.dtype) == (torch.float16, torch.float32)
    torch.testing.assert_close(RULES["unatt"](half), RULES["unatt"](seen), atol=1e-2, rtol=0)
    with pytest.raises(ValueError, match="at least one video; got none"):
        attend(model, clips.subset([]), view)


def attention(labels, frames):
    """Random scores and attention maps of so many frames of each video."""
    generator, videos = torch.Generator().manual_seed(0), torch.arange(len(labels)).repeat_interleave(frames)
    logits, maps = torch.randn(len(videos), 3, generator=generator), torch.rand(len(videos), 3, 4, 4)
    return Attention(logits, maps, logits, torch.arange(frames).repeat(len(labels)), videos, torch.tensor(labels))


def test_parts_of_it():
    seen = attention([0, 2, 1], 2)
    some = seen.subset([2, 0])
    assert (some.videos.tolist(), some.labels.tolist()) == ([0, 0, 1, 1], [1, 0])
    assert torch.equal(some.maps, seen.maps[[4, 5, 0, 1]])
    first = seen.where(seen.frames == 0)
    assert (first.videos.tolist(), first.labels.tolist()) == ([0, 1, 2], [0, 2, 1])


def test_the_five_ways_to_read_a_video():
    seen = attention([0, 1], 3)
    by_video = {name: rule(seen) for name, rule in RULES.items()}
    assert torch.equal(by_video["vote"], voting(seen.logits, seen.videos))
    for number in (0, 1):
        own = seen.subset([number])
        torch.testing.assert_close(by_video["mean"][number], own.logits.mean(0))
        torch.testing.assert_close(by_video["softmax"][number], own.logits.softmax(1).mean(0))
        torch.testing.assert_close(by_video["whole_map"][number], own.maps.sum((2, 3)).mean(0))
        torch.testing.assert_close(by_video["unatt"][number], energy(own.maps).mean(0))


def test_svm_learns_features_of_frames():
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    videos = torch.arange(6).repeat_interleave(4)
    noise = torch.randn(24, 3, generator=torch.Generator().manual_seed(0))
    features = nn.functional.one_hot(labels[videos], 3) + 0.1 * noise
    seen = Attention(torch.zeros(24, 3), torch.zeros(24, 3, 3, 3), features, videos, videos, labels)
    train, test = seen.subset([0, 1, 2]), seen.subset([3, 4, 5])
    scores = svm_scores(train, test)
    assert scores.shape == (12, 3)
    assert voting(scores, test.videos).argmax(1).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="every class must have a training video; got none of class 2"):
        svm_scores(seen.subset([0, 1]), seen)


def test_fractions_of_the_videos():
    labels = torch.tensor([0] * 20 + [1] * 30)
    before: set[int] = set()
    for fraction, counts in ((0.01, [1, 1]), (0.1, [2, 3]), (0.33, [7, 10]), (1.0, [20, 30])):
        chosen = fraction_of_videos(labels, fraction, seed=1)
        assert labels[chosen].bincount().tolist() == counts
        assert before <= {*chosen.tolist()}
        before = {*chosen.tolist()}
    with pytest.raises(ValueError, match="fraction must be above 0"):
        fraction_of_videos(labels, 0.0)
