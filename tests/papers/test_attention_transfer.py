"""Energies, EnergyNet and its mining by hand; concept vectors beside automatic differentiation; the paper's sizes."""

import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import FakeClip
from sklearn.mixture import GaussianMixture
from torch import nn
from torchvision.transforms.v2.functional import resize

from labkit.backbones import load_weights, source_weights
from labkit.clips import Clips
from labkit.papers import attention_transfer as at
from labkit.training import Recipe, fit
from labkit.words import own_word_vectors, read_word_vectors


def attention(labels, frames=3, classes=3, seed=0, side=4):
    """Made-up maps: that of the true concept has a bright corner; every video has as many frames."""
    labels = torch.tensor(labels)
    videos = torch.arange(len(labels)).repeat_interleave(frames)
    maps = torch.rand(len(videos), classes, side, side, generator=torch.Generator().manual_seed(seed))
    maps[torch.arange(len(videos)), labels[videos], :2, :2] += 1
    logits = maps.mean((-2, -1))
    return at.Attention(logits, maps, logits, torch.arange(frames).repeat(len(labels)), videos, labels)


# --- energies and votes


def test_the_best_window_by_hand():
    maps = torch.zeros(2, 4, 5)
    maps[0, 1:4, 2:5] = torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])
    maps[1, 0, 0], maps[1, 3, 4], maps[1, 2, 3] = 10.0, 4.0, 5.0
    windows = at.window_energies(maps)
    assert windows.shape == (2, 2, 3)
    torch.testing.assert_close(windows[0], torch.tensor([[5.0, 12.0, 21.0], [12.0, 27.0, 45.0]]))
    torch.testing.assert_close(at.energy(maps), torch.tensor([45.0, 10.0]))
    torch.testing.assert_close(at.energy(maps[1], window=1), torch.tensor(10.0))
    torch.testing.assert_close(at.energy(maps[1], window=4), torch.tensor(10.0 + 5))  # the 4 is a column too far
    with pytest.raises(ValueError, match="window must be 1 to 4"):
        at.energy(maps, window=5)


def test_unatt_is_the_mean_energy_over_frames():
    maps = torch.zeros(3, 2, 3, 3)
    maps[0, 0], maps[1, 1], maps[2, 1] = 1.0, 2.0, 1.0  # windows of 9, 18 and 9
    zeros = torch.zeros(3, 2)
    some = at.Attention(zeros, maps, zeros, torch.tensor([0, 1, 0]), torch.tensor([0, 0, 1]), torch.tensor([1, 1]))
    torch.testing.assert_close(at.unatt(some), torch.tensor([[4.5, 9.0], [0.0, 9.0]]))
    assert some.frame_labels.tolist() == [1, 1, 1]
    again = some.subset([1, 0])
    assert again.videos.tolist() == [0, 1, 1]
    torch.testing.assert_close(at.unatt(again), torch.tensor([[0.0, 9.0], [4.5, 9.0]]))


def test_voting_by_hand():
    values = torch.tensor(
        [
            *[[3.0, 0.0, 0.0], [1.0, 2.0, 0.0], [0.0, 1.0, 0.0]],  # one vote for 0, two for 1: the mean of these two
            *[[5.0, 0.0, 0.0], [0.0, 0.0, 2.0]],  # a tie of 0 and 2: 0 has the higher mean
            *[[0.0, 0.0, 1.0]],
        ]
    )
    videos = torch.tensor([0, 0, 0, 1, 1, 2])
    expected = torch.tensor([[0.5, 1.5, 0.0], [5.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    torch.testing.assert_close(at.voting(values, videos), expected)
    means = torch.tensor([[4 / 3, 1.0, 0.0], [2.5, 0.0, 1.0], [0.0, 0.0, 1.0]])
    torch.testing.assert_close(at.mean_over_frames(values, videos), means)  # averaging answers 0, voting 1
    torch.testing.assert_close(at.voting(-values.flip(1) - 3, videos)[2], torch.tensor([-4.0, -3.0, -3.0]))


def test_svm_learns_features_of_frames():
    generator = torch.Generator().manual_seed(0)
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    videos = torch.arange(6).repeat_interleave(4)
    features = nn.functional.one_hot(labels[videos], 3) + 0.1 * torch.randn(24, 3, generator=generator)
    some = at.Attention(torch.zeros(24, 3), torch.zeros(24, 3, 3, 3), features, videos, videos, labels)
    scores = at.svm_scores(some.subset([0, 1, 2]), some.subset([3, 4, 5]))
    assert scores.shape == (12, 3)
    assert at.voting(scores, some.subset([3, 4, 5]).videos).argmax(1).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="every class must have a training video; got none of class 2"):
        at.svm_scores(some.subset([0, 1]), some)


# --- EnergyNet


def test_energy_net_by_hand():
    concepts = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    net = at.EnergyNet(4, concepts, hidden=3, dim=2, map_scale=10.0)
    maps = torch.rand(5, 2, 2, 2)
    expected = torch.empty(5, 2)
    for frame in range(5):
        for concept in range(2):
            both = torch.cat([10 * maps[frame, concept].flatten(), concepts[concept]])
            hidden = (net.first.weight @ both + net.first.bias).relu()
            expected[frame, concept] = net.w_f.weight[0] @ (net.second.weight @ hidden + net.second.bias)
    torch.testing.assert_close(net(maps), expected)
    assert at.map_scale(torch.tensor([[3.0, 4.0], [0.0, 0.0]])) == pytest.approx(1 / 2.5)
    videos = torch.tensor([0, 0, 0, 1, 1])
    some = at.Attention(expected, maps, expected, videos, videos, torch.tensor([0, 1]))
    means = torch.stack([expected[:3].mean(0), expected[3:].mean(0)])
    torch.testing.assert_close(at.energy_scores(net, some), means)  # eq. (5)
    with pytest.raises(ValueError, match=r"maps must be \(..., 2, h, w\)"):
        net(maps[:, :1])


def test_losses_by_hand():
    energies = at.energy_loss(torch.tensor([0.5, 2.0, -3.0]), torch.tensor([1.0, 1.0, 1.0]))
    torch.testing.assert_close(energies, torch.tensor([0.5, 2.0, 0.0]))  # eq. (6), m = 1
    anchor = torch.tensor([[2.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    positive = torch.tensor([[0.0, 3.0], [5.0, 0.0], [1.0, 1.0]])
    negative = torch.tensor([[-1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    torch.testing.assert_close(at.cosine_distance(anchor, positive), torch.tensor([1.0, 0.0, 0.0]))
    found = at.triplet_loss(anchor, positive, negative)  # distances 1 and 2; 0 and 1; 0 and 1 - 1 / sqrt 2
    torch.testing.assert_close(found, torch.tensor([0.0, 0.0, 0.5 - 1 + math.sqrt(0.5)]))
    other = nn.functional.triplet_margin_with_distance_loss(
        anchor, positive, negative, distance_function=at.cosine_distance, margin=0.5, reduction="none"
    )
    torch.testing.assert_close(found, other)


def test_the_four_share_their_weights():
    some = attention([0, 1, 2, 0])
    siamese = at.siamese_energy_net(at.one_hot("abc"), some.maps)
    batch = at.draw_quadruplets(some, 50, torch.Generator().manual_seed(0))
    energies, triplets = siamese(batch)
    net = siamese.net
    false, true, positive, negative = (net.embed(batch.maps[:, i], batch.concepts[:, i]) for i in range(4))
    torch.testing.assert_close(energies, (net.energy(false) - net.energy(true) + 1).relu())
    torch.testing.assert_close(triplets, at.triplet_loss(true, positive, negative))


# --- quadruplets and mining


def test_quadruplets_are_what_eq_8_says():
    labels = [2, 0, 1, 0, 2, 2, 3]  # classes 1 and 3 have a single video, class 4 none
    some = attention(labels, frames=4, classes=5)
    which = torch.arange(28.0)[:, None, None, None].expand(28, 5, 1, 1)  # a map tells its frame, and by 0.1 its concept
    some = at.Attention(*(some.logits, which + 0.1 * torch.arange(5.0)[:, None, None]), *list(vars(some).values())[2:])
    batch = at.draw_quadruplets(some, 4000, torch.Generator().manual_seed(0))
    assert batch.maps.shape == (4000, 4, 1, 1)
    frames = batch.maps.flatten(1).floor().long()  # (M, 4)
    torch.testing.assert_close(batch.maps.flatten(1) - frames, 0.1 * batch.concepts.float(), atol=1e-4, rtol=0)
    videos, classes = some.videos[frames], some.frame_labels[frames]
    false, true, positive, negative = batch.concepts.unbind(1)
    assert torch.equal(frames[:, 0], frames[:, 1])
    assert torch.equal(batch.concepts[:, 1:], classes[:, 1:])  # true maps
    assert (false != true).all()
    assert torch.equal(positive, true)
    assert (negative != true).all()
    alone = (true == 1) | (true == 3)
    assert (videos[~alone, 2] != videos[~alone, 1]).all()
    assert (videos[alone, 2] == videos[alone, 1]).all()
    assert {*false.tolist()} == {0, 1, 2, 3, 4}  # any concept
    assert {*negative.tolist()} == {0, 1, 2, 3}  # any that has a video
    for column in (1, 2, 3):
        assert len(frames[:, column].unique()) == 28
    counts = torch.bincount(false[true == 0], minlength=5)[1:] / (true == 0).sum()
    assert (counts - 0.25).abs().max() < 0.05  # all alike
    with pytest.raises(ValueError, match="videos must be of two classes at least; got \\[1\\]"):
        at.draw_quadruplets(some.subset([2]), 4, torch.Generator())


def test_batches_depend_on_seed_and_step_alone():
    some = attention([0, 1, 2])
    make = at.quadruplet_batches(some, 8, seed=3)
    first = [batch for batch, _ in zip(make(0, (0, 1)), range(4), strict=False)]
    later = next(make(3, (0, 1)))
    assert torch.equal(later.maps, first[3].maps)
    assert not torch.equal(first[0].maps, first[1].maps)
    for process in (0, 1):  # who mines has to see all candidates
        assert torch.equal(next(make(3, (process, 2))).maps, first[3].maps)


def test_the_hardest_are_mined_and_some_others():
    some = attention([0, 1, 2, 1, 0])
    mining = at.Mining(hardest=3, random=2, first=10, last=40)
    siamese = at.siamese_energy_net(at.one_hot("abc"), some.maps, mining=mining)
    batch = at.draw_quadruplets(some, 40, torch.Generator().manual_seed(0))
    mined = siamese.mine(batch)
    assert mined.maps.shape == (5, 4, 4, 4)
    with torch.no_grad():
        losses = sum(siamese(batch))[:10]  # only the first candidates are looked at
        found = sum(siamese(mined))
    torch.testing.assert_close(found[:3], losses.sort(descending=True).values[:3])
    rest = losses.sort(descending=True).values[3:]
    assert all(((rest - one).abs() < 1e-6).any() for one in found[3:])
    siamese.candidates.fill_(40)
    with torch.no_grad():
        assert sum(siamese(siamese.mine(batch)))[0] == pytest.approx(float(sum(siamese(batch)).max()))
    plain = at.siamese_energy_net(at.one_hot("abc"), some.maps, mining=at.Mining(3, 2, 10, 40, hard=False))
    assert torch.equal(plain.mine(batch).maps, batch.maps[:5])


def test_batches_grow_when_the_loss_falls_below_the_threshold():
    some = attention([0, 1, 2])
    siamese = at.siamese_energy_net(at.one_hot("abc"), some.maps, mining=at.Mining(2, 1, 8, 20, threshold=0.5))
    sizes = []
    for loss in (1.0, 0.45, 0.4, 0.1, 0.6, 0.5, 0.4, 0.4, 0.1, 0.1):
        siamese.note(loss)
        sizes.append(int(siamese.candidates))
    assert sizes == [8] * 10  # 1, .945, .89, .81, .79, .76, .73, .69, .63, .58: an average over about ten steps
    for loss, size in ((0.0, 8), (0.0, 16), (0.6, 16), (0.55, 16), (0.0, 16), (0.0, 20), (0.0, 20)):
        siamese.note(loss)  # .52; .47, grown, and the average begins anew: .6, .595, .54, .48, grown to the end
        assert int(siamese.candidates) == size
    assert {"candidates", "level"} <= siamese.state_dict().keys()  # a checkpoint knows how far it has got


@pytest.mark.parametrize(
    "numbers", [{"hardest": 0}, {"random": -1}, {"first": 70}, {"first": 2000}, {"hardest": 100, "random": 100}]
)
def test_mining_has_to_fit(numbers):
    with pytest.raises(ValueError, match=r"hardest \+ random must fit into first, and first into last; got"):
        at.Mining(**numbers)


@pytest.mark.parametrize("hard", [True, False])
def test_it_learns_which_map_is_the_true_one(hard, tmp_path):
    """Maps whose true concept is bright in the corner for one class, in the middle for another: UnAtt cannot know."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.tensor([0, 1] * 10)
    videos = torch.arange(20).repeat_interleave(3)
    maps = 0.3 * torch.rand(60, 2, 4, 4, generator=generator)
    maps[:, 1] += 0.5  # a concept whose maps are always bright
    maps[labels[videos] == 0, 0, 0, 0] += 1
    maps[labels[videos] == 1, 1, 3, 3] += 1
    some = at.Attention(maps.mean((2, 3)), maps, maps.flatten(1), videos, videos, labels)
    assert (at.unatt(some).argmax(1) == 1).all()
    mining = at.Mining(16, 4, 32, 64, hard=hard)
    recipe = Recipe(**{**at.ENERGY_NET_TINY, "steps": 150, "batch": 64})
    siamese = at.siamese_energy_net(at.one_hot("ab"), maps, mining=mining)
    history = fit(siamese, recipe, at.quadruplet_batches(some, 64, 0), at.siamese_loss, progress=False, device="cpu")
    assert (at.energy_scores(siamese.net, some).argmax(1) == labels).all()
    assert history[-1].shown["of"] == (64 if hard else 32)
    half = at.siamese_energy_net(at.one_hot("ab"), maps, mining=mining)
    path = {"checkpoint": tmp_path / "run", "progress": False, "device": "cpu", "save_every": 70}
    batches = at.quadruplet_batches(some, 64, 0)

    def dies(model, batch, left=[100]):  # noqa: B006
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return at.siamese_loss(model, batch)

    dies.__name__ = at.siamese_loss.__name__
    with pytest.raises(KeyboardInterrupt):
        fit(half, recipe, batches, dies, **path)
    again = at.siamese_energy_net(at.one_hot("ab"), maps, mining=mining)
    fit(again, recipe, batches, at.siamese_loss, **path)
    assert all(torch.equal(value, siamese.state_dict()[name]) for name, value in again.state_dict().items())


def test_steps_until_an_accuracy():
    curve = {0: 0.2, 10: 0.5, 20: 0.45, 30: 0.9}
    assert at.steps_to(curve, 0.5, 40) == 25.0
    assert at.steps_to(curve, 0.1, 40) == 0.0
    assert at.steps_to(curve, 0.95, 40) == 100.0


# --- concepts


@pytest.mark.parametrize(
    ("concept", "words"),
    [
        ("high_five", ["high", "five"]),
        ("highFive", ["high", "five"]),
        ("WalkingWithDog", ["walking", "with", "dog"]),
        ("hug", ["hug"]),
        ("TaiChi", ["tai", "chi"]),
        ("YoYo", ["yo", "yo"]),
        ("shaking hands", ["shaking", "hands"]),
    ],
)
def test_words_of_concepts(concept, words):
    assert at.words_of(concept) == words


def test_the_mean_of_words_by_hand():
    words = {"high": torch.tensor([1.0, 0.0]), "five": torch.tensor([0.0, 1.0]), "hug": torch.tensor([0.0, -2.0])}
    found = at.mean_of_words(["high_five", "hug"], words)
    torch.testing.assert_close(found, torch.tensor([[math.sqrt(0.5), math.sqrt(0.5)], [0.0, -1.0]]))
    assert torch.equal(at.one_hot(["a", "b"]), torch.eye(2))
    with pytest.raises(ValueError, match="got none for 'kick' of 'high_kick'"):
        at.mean_of_words(["high_kick"], words)
    with pytest.raises(ValueError, match="got none for '!' of '!'"):
        at.fisher_vectors(["!"], words, components=1)


def test_fisher_vectors_are_whitened_gradients_of_the_likelihood():
    """Beside automatic differentiation of the log likelihood, with respect to means and standard deviations."""
    generator = torch.Generator().manual_seed(0)
    vocabulary = torch.randn(60, 3, generator=generator) + 3 * torch.randint(2, (60, 1), generator=generator)
    words = {f"{chr(97 + n // 26)}{chr(97 + n % 26)}": vector for n, vector in enumerate(vocabulary)}
    concept = " ".join(list(words)[:4])
    mixture = GaussianMixture(2, covariance_type="diag", random_state=0).fit(vocabulary.double().numpy())
    means = torch.tensor(mixture.means_, requires_grad=True)
    spreads = torch.tensor(np.sqrt(mixture.covariances_), requires_grad=True)
    weights = torch.tensor(mixture.weights_)
    gaussians = torch.distributions.Independent(torch.distributions.Normal(means, spreads), 1)
    mixed = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(weights), gaussians)
    mixed.log_prob(vocabulary[:4].double()).mean().backward()
    root = weights.sqrt()[:, None]  # Fisher information of a mean: weight / variance; of a deviation: twice that
    raw = torch.cat([(means.grad * spreads / root).flatten(), (spreads.grad * spreads / root / 2**0.5).flatten()])
    expected = nn.functional.normalize(raw.sign() * raw.abs().sqrt(), dim=0).float()
    (found,) = at.fisher_vectors([concept], words)
    assert found.shape == (2 * 2 * 3,)
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=0)


def test_the_own_words_give_every_embedding():
    classes = ["handshake", "high_five", "hug", "kiss"]
    words = own_word_vectors()
    for embed, width in ((at.mean_of_words, 16), (at.fisher_vectors, 64)):
        found = embed(classes, words)
        assert found.shape == (4, width)
        torch.testing.assert_close(found.norm(dim=1), torch.ones(4))
        assert torch.equal(found, embed(classes, words))


@pytest.mark.skipif("LABKIT_REAL_DATA" not in os.environ, reason="set LABKIT_REAL_DATA to a folder with words")
def test_real_words_give_every_embedding():
    words = read_word_vectors(Path(os.environ["LABKIT_REAL_DATA"], "words/word2vec_1000x300.txt"))
    concepts = ["man", "woman", "high five", "school house"]
    close = at.mean_of_words(concepts, words)
    assert close.shape == (4, 300)
    assert close[0] @ close[1] > close[0] @ close[2]
    fisher = at.fisher_vectors(concepts, words)
    assert fisher.shape == (4, 1200)
    assert fisher[0] @ fisher[1] > fisher[0] @ fisher[3]


# --- images, videos, builders


def test_views_of_frames():
    clip = FakeClip(num_frames=3, height=16, width=24)
    view = at.image_view(crop_size=8)
    half = resize(clip.all_frames, [8, 12])[..., 2:10]  # the square in the middle
    assert torch.equal(view.pixels(clip, torch.tensor([2, 0])), half[[2, 0]])
    inputs = view.modality.normalise(half)
    possible, generator = [*inputs, *inputs.flip(-1)], torch.Generator().manual_seed(0)
    for flip, count in ((True, 6), (False, 3)):
        images = [replace(view, flip=flip).train(clip, generator)[0] for _ in range(60)]
        numbers = [next(n for n, crop in enumerate(possible) if torch.equal(crop, image)) for image in images]
        assert set(numbers) == set(range(count))
    assert torch.equal(view.test(clip, 1)[0], inputs[[1]])


class FakeClips(Clips):
    classes = ("a", "b", "c")

    def __init__(self, lengths):
        self.clips = [FakeClip(num_frames=length, height=8, width=8, seed=n) for n, length in enumerate(lengths)]
        self.labels = torch.arange(len(lengths)) % 3
        self.groups = torch.arange(len(lengths))

    def __getitem__(self, index):
        return self.clips[index]


@pytest.mark.parametrize("linear", ["5", None])
def test_attend_is_frame_by_frame(linear):
    torch.manual_seed(0)
    trunk = [nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(True)]
    model = at.AttentionNet(
        nn.Sequential(*trunk, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)), "2", "3", linear=linear
    ).requires_grad_(False)
    clips, view = FakeClips([5, 1, 7]), at.image_view(crop_size=8)
    found = at.attend(model, clips, view, every=2, batch=2, progress=False)
    assert model.training
    assert found.videos.tolist() == [0, 0, 0, 1, 2, 2, 2, 2]
    assert found.frames.tolist() == [0, 2, 4, 0, 0, 2, 4, 6]
    model.eval()
    images = torch.cat([view.at(clips[v], torch.tensor([f])) for v, f in zip(found.videos, found.frames, strict=True)])
    maps = model.net[:3](images)
    torch.testing.assert_close(found.logits, model(images))
    torch.testing.assert_close(found.features, maps.mean((2, 3)))
    weight = model.net[5].weight
    expected = torch.einsum("kc,nchw->nkhw", weight, maps).relu() / 64
    torch.testing.assert_close(found.maps, expected)  # with gradients as without
    half = at.attend(model, clips, view, every=2, dtype=torch.float16, progress=False)
    assert half.maps.dtype == torch.float16
    torch.testing.assert_close(at.unatt(half), at.unatt(found), atol=1e-2, rtol=0)
    with pytest.raises(ValueError, match="must be in eval"):
        model.train().look(images)
    with pytest.raises(ValueError, match="at least one video; got none"):
        at.attend(model, clips.subset([]), view)


def test_shares_of_the_videos():
    labels = torch.tensor([0] * 20 + [1] * 30)
    before: set[int] = set()
    for share, counts in ((0.01, [1, 1]), (0.1, [2, 3]), (0.33, [7, 10]), (1.0, [20, 30])):
        chosen = at.share_of_videos(labels, share, seed=1)
        assert labels[chosen].bincount().tolist() == counts
        assert before <= {*chosen.tolist()}
        before = {*chosen.tolist()}
    with pytest.raises(ValueError, match="share must be above 0"):
        at.share_of_videos(labels, 0.0)


def test_the_papers_sizes():
    with torch.device("meta"):
        resnet, vgg = at.attention_resnet_paper(4), at.attention_vgg_paper(4)
        image = torch.zeros(1, 3, 224, 224)
    assert sum(p.numel() for p in resnet.parameters()) == 42_508_356  # 44.5 million with 1000 classes
    assert sum(p.numel() for p in vgg.parameters()) == 134_276_932
    shapes = {}
    for model in (resnet, vgg):
        for layer in (model.layer, model.features):
            hook = lambda module, inputs, output, key=(model, layer): shapes.update({key: output.shape})  # noqa: E731
            model.net.get_submodule(layer).register_forward_hook(hook)
        assert model.eval()(image).shape == (1, 4)
    assert list(shapes.values()) == [(1, 2048, 7, 7), (1, 2048, 1, 1), (1, 512, 14, 14), (1, 4096)]
    siamese = at.siamese_energy_net(torch.zeros(4, 300), torch.ones(2, 4, 7, 7))
    assert [tuple(p.shape) for p in siamese.parameters()] == [(128, 349), (128,), (64, 128), (64,), (1, 64)]
    assert (siamese.mining.hardest, siamese.mining.first, siamese.mining.last) == (64, 128, 1024)
    assert at.ENERGY_NET["options"]["lr"] == 1e-4
    assert at.ENERGY_NET["options"]["weight_decay"] == 5e-4
    assert at.WEB_IMAGES["batch"] == 32


@pytest.mark.parametrize(
    ("builder", "source", "head", "cells"),
    [(at.attention_resnet_tiny, "resnet", "fc", 7), (at.attention_vgg_tiny, "cnn_m", "classifier", 6)],
)
def test_tiny_nets_begin_with_source_weights(builder, source, head, cells):
    model = builder(4)
    load_weights(model.net, source_weights(source), skip=(head,))
    look = model.eval().look(torch.randn(2, 3, 56, 56, generator=torch.Generator().manual_seed(0)))
    assert look.maps.shape == (2, 4, cells, cells)
    assert (look.maps > 0).any()
    assert look.logits.shape == (2, 4)
    assert look.features.shape[0] == 2
    linear = dict(model.net.named_modules())[head]
    torch.testing.assert_close(linear(look.features), look.logits)
