"""Energies, EnergyNet and its mining by hand; Fisher vectors beside automatic differentiation; the paper's sizes."""

import math
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from fakes import FakeClip
from sklearn.mixture import GaussianMixture
from torch import nn
from torchvision.transforms.v2.functional import resize

from labkit.backbones import load_weights, source_weights
from labkit.papers import attention_transfer as at
from labkit.training import Recipe, fit


def made_up(labels, frames=3, classes=3, side=4):
    """Attention maps, videos and labels: the map of the true concept has a bright corner."""
    labels = torch.tensor(labels)
    videos = torch.arange(len(labels)).repeat_interleave(frames)
    maps = torch.rand(len(videos), classes, side, side, generator=torch.Generator().manual_seed(0))
    maps[torch.arange(len(videos)), labels[videos], :2, :2] += 1
    return maps, videos, labels


def siamese_of(maps, mining):
    torch.manual_seed(0)
    return at.siamese_energy_net(torch.eye(maps.shape[1]), maps, mining)


def quadruplets(count, labels=(0, 1, 2, 0), **shape):
    return at.QuadrupletSampler(*made_up(labels, **shape)).sample(count, torch.Generator().manual_seed(0))


# --- energies and votes


def test_the_best_square_by_hand():
    maps = torch.zeros(2, 4, 5)
    maps[0, 1:4, 2:5] = torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])
    maps[1, 0, 0], maps[1, 3, 4], maps[1, 2, 3] = 10.0, 4.0, 5.0
    torch.testing.assert_close(at.energy(maps), torch.tensor([45.0, 10.0]))
    torch.testing.assert_close(at.energy(maps[1], side=1), torch.tensor(10.0))
    torch.testing.assert_close(at.energy(maps[1], side=4), torch.tensor(10.0 + 5))  # the 4 is a column too far
    with pytest.raises(ValueError, match="side must be 1 to 4, to fit into an attention map; got 5"):
        at.energy(maps, side=5)


def test_unatt_is_the_mean_energy_over_frames():
    maps = torch.zeros(3, 2, 3, 3)
    maps[0, 0], maps[1, 1], maps[2, 1] = 1.0, 2.0, 1.0  # squares of 9, 18 and 9
    scores = at.unatt(maps, torch.tensor([0, 0, 1]))
    torch.testing.assert_close(scores, torch.tensor([[4.5, 9.0], [0.0, 9.0]]))
    torch.testing.assert_close(at.unatt(maps.half(), torch.tensor([0, 0, 1])), scores)


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


# --- EnergyNet


def test_energy_net_by_hand():
    concepts = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    network = at.EnergyNet(4, concepts, hidden=3, dim=2, map_scale=10.0)
    maps, expected = torch.rand(5, 2, 2, 2), torch.empty(5, 2)
    for frame in range(5):
        for concept in range(2):
            both = torch.cat([10 * maps[frame, concept].flatten(), concepts[concept]])
            hidden = (network.first.weight @ both + network.first.bias).relu()
            expected[frame, concept] = network.w_f.weight[0] @ (network.second.weight @ hidden + network.second.bias)
    torch.testing.assert_close(network(maps), expected)
    means = torch.stack([expected[:3].mean(0), expected[3:].mean(0)])
    torch.testing.assert_close(at.energy_scores(network, maps, torch.tensor([0, 0, 0, 1, 1])), means)  # eq. (5)
    with pytest.raises(ValueError, match=r"maps must be \(..., 2, h, w\)"):
        network(maps[:, :1])


def test_attention_maps_come_to_a_mean_square_of_1():
    maps = torch.tensor([[[[3.0, 4.0], [0.0, 0.0]]] * 2]).repeat(7, 1, 1, 1)
    for stored in (maps, maps.half(), 0 * maps):
        siamese = at.siamese_energy_net(torch.eye(2), stored, at.Mining())
        assert siamese.energy_net.map_scale == pytest.approx(1 / 2.5 if stored.any() else 1e12)


def test_losses_by_hand():
    energies = at.energy_loss(torch.tensor([0.5, 2.0, -3.0]), torch.tensor([1.0, 1.0, 1.0]))
    torch.testing.assert_close(energies, torch.tensor([0.5, 2.0, 0.0]))  # eq. (6), m = 1
    anchor = torch.tensor([[2.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    positive = torch.tensor([[0.0, 3.0], [5.0, 0.0], [1.0, 1.0]])
    negative = torch.tensor([[-1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    torch.testing.assert_close(at.cosine_distance(anchor, positive), torch.tensor([1.0, 0.0, 0.0]))
    losses = at.triplet_loss(anchor, positive, negative)  # distances 1 and 2; 0 and 1; 0 and 1 - 1 / sqrt 2
    torch.testing.assert_close(losses, torch.tensor([0.0, 0.0, 0.5 - 1 + math.sqrt(0.5)]))
    other = nn.functional.triplet_margin_with_distance_loss(
        anchor, positive, negative, distance_function=at.cosine_distance, margin=0.5, reduction="none"
    )
    torch.testing.assert_close(losses, other)


def test_the_four_share_their_weights():
    batch = quadruplets(50)
    siamese = siamese_of(batch.maps[:, :3], at.Mining())
    energies, triplets = siamese(batch)
    network = siamese.energy_net
    false, true, positive, negative = (network.embed(batch.maps[:, i], batch.concepts[:, i]) for i in range(4))
    torch.testing.assert_close(energies, (network.energy(false) - network.energy(true) + 1).relu())
    torch.testing.assert_close(triplets, at.triplet_loss(true, positive, negative))


# --- quadruplets and mining


def test_quadruplets_are_what_eq_8_says():
    labels = [2, 0, 1, 0, 2, 2, 3]  # classes 1 and 3 have a single video, class 4 none
    maps, owners, labels = made_up(labels, frames=4, classes=5)
    batch = at.QuadrupletSampler(maps, owners, labels).sample(4000, torch.Generator().manual_seed(0))
    frames = batch.frames
    assert torch.equal(batch.maps, maps[frames, batch.concepts])
    videos, classes = owners[frames], labels[owners[frames]]
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
        at.QuadrupletSampler(*made_up([1, 1]))


def test_batches_depend_on_seed_and_step_alone():
    make = at.QuadrupletSampler(*made_up([0, 1, 2])).batches(8, seed=3)
    first = list(islice(make(0, (0, 1)), 4))
    assert not torch.equal(first[0].maps, first[1].maps)
    for process in (0, 1):  # all candidates are needed to tell the hardest
        assert torch.equal(next(make(3, (process, 2))).maps, first[3].maps)


def test_the_hardest_are_mined_and_some_others():
    batch = quadruplets(40, labels=(0, 1, 2, 1, 0))
    siamese = siamese_of(batch.maps[:, :3], at.Mining(hardest=3, random=2, first=10, last=40)).eval()
    mined = siamese.mine(batch)
    assert mined.maps.shape == (5, 4, 4, 4)
    with torch.no_grad():
        losses = sum(siamese(batch))[:10].sort(descending=True).values  # only the first candidates are looked at
        chosen = sum(siamese(mined))
    torch.testing.assert_close(chosen[:3], losses[:3])
    assert all(((losses[3:] - loss).abs() < 1e-6).any() for loss in chosen[3:])
    siamese.level.fill_(0.1)
    with torch.no_grad():
        assert sum(siamese(siamese.mine(batch)))[0] == pytest.approx(float(sum(siamese(batch)).max()))
    plain = siamese_of(batch.maps[:, :3], at.Mining(3, 2, 10, 40, hard=False))
    assert torch.equal(plain.mine(batch).maps, batch.maps[:5])


def test_batches_grow_for_good_when_the_loss_of_random_quadruplets_is_below_the_threshold():
    batch = quadruplets(20)
    siamese = siamese_of(batch.maps[:, :3], at.Mining(2, 1, 8, 20, threshold=0.5))
    sizes, losses = [], [1.0, 0.45, 0.45, *[0.0] * 7, 9.0, 9.0]
    for loss in losses:
        hard = torch.linspace(0, 2 * loss, 8)  # the hardest of them twice as high: these do not count
        siamese.forward = lambda batch, hard=hard: (hard.repeat(3)[: len(batch.maps)], torch.zeros(len(batch.maps)))
        siamese.mine(batch)
        sizes.append(siamese.num_candidates)
    assert sizes == [8] * 8 + [20] * 4  # averages: 1, .945, .90, .81, .72, .65, .59, .53, .48, which stays
    assert "level" in siamese.state_dict()  # a checkpoint knows how far it has got
    before = siamese.level.clone()
    siamese.eval().mine(batch)
    assert torch.equal(siamese.level, before)


@pytest.mark.parametrize("numbers", [{"hardest": -20}, {"first": 70}, {"first": 2000}, {"hardest": 100, "random": 100}])
def test_mining_has_to_fit(numbers):
    with pytest.raises(ValueError, match=r"hardest \+ random must fit into first, and first into last; got Mining"):
        siamese_of(made_up([0, 1])[0], at.Mining(**numbers))


@pytest.mark.parametrize("hard", [True, False])
def test_it_learns_which_map_is_the_true_one(hard, tmp_path):
    """Maps whose true concept is bright in the corner for one class, in the middle for another: UnAtt cannot know."""
    labels = torch.tensor([0, 1] * 10)
    videos = torch.arange(20).repeat_interleave(3)
    maps = 0.3 * torch.rand(60, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    maps[:, 1] += 0.5  # a concept whose maps are always bright
    maps[labels[videos] == 0, 0, 0, 0] += 1
    maps[labels[videos] == 1, 1, 3, 3] += 1
    assert (at.unatt(maps, videos).argmax(1) == 1).all()
    mining, recipe = at.Mining(16, 4, 32, 64, hard=hard), Recipe(**{**at.RECIPES["tiny"]["energy_net"], "steps": 150})
    siamese, batches = siamese_of(maps, mining), at.QuadrupletSampler(maps, videos, labels).batches(64, 0)
    history = fit(siamese, recipe, batches, at.siamese_loss, progress=False, device="cpu")
    assert (at.energy_scores(siamese.energy_net, maps, videos).argmax(1) == labels).all()
    assert history[-1].shown["candidates"] == (64 if hard else 32)

    def dies(model, batch, left=[100]):  # noqa: B006
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return at.siamese_loss(model, batch)

    dies.__name__ = at.siamese_loss.__name__
    path = {"checkpoint": tmp_path / "run", "progress": False, "device": "cpu", "save_every": 70}
    with pytest.raises(KeyboardInterrupt):
        fit(siamese_of(maps, mining), recipe, batches, dies, **path)
    again = siamese_of(maps, mining)
    fit(again, recipe, batches, at.siamese_loss, **path)
    assert all(torch.equal(value, siamese.state_dict()[name]) for name, value in again.state_dict().items())


# --- concepts


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
    (vector,) = at.fisher_vectors([concept], words)
    assert vector.shape == (2 * 2 * 3,)
    torch.testing.assert_close(vector, expected, atol=2e-3, rtol=0)


# --- builders


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


def test_the_papers_sizes():
    with torch.device("meta"):
        resnet, vgg = at.attention_resnet(4), at.attention_vgg(4)
        image = torch.zeros(1, 3, 224, 224)
    assert sum(p.numel() for p in resnet.parameters()) == 42_508_356  # 44.5 million with 1000 classes
    assert sum(p.numel() for p in vgg.parameters()) == 134_276_932
    shapes = {}
    for model in (resnet, vgg):
        for layer in (model.layer, model.features):
            hook = lambda module, inputs, output, key=(model, layer): shapes.update({key: output.shape})  # noqa: E731
            model.cnn.get_submodule(layer).register_forward_hook(hook)
        assert model.eval()(image).shape == (1, 4)
    assert list(shapes.values()) == [(1, 2048, 7, 7), (1, 2048, 1, 1), (1, 512, 14, 14), (1, 4096)]
    siamese = at.siamese_energy_net(torch.zeros(4, 300), torch.ones(2, 4, 7, 7), at.MINING["paper"])
    assert [tuple(p.shape) for p in siamese.parameters()] == [(128, 349), (128,), (64, 128), (64,), (1, 64)]
    assert (siamese.mining.hardest, siamese.mining.first, siamese.mining.last) == (64, 128, 1024)
    options = at.RECIPES["paper"]["energy_net"]["options"]
    assert (options["lr"], options["weight_decay"], at.RECIPES["paper"]["photos"]["batch"]) == (1e-4, 5e-4, 32)


@pytest.mark.parametrize(
    ("builder", "source", "head", "cells"),
    [(at.attention_resnet, "resnet", "fc", 7), (at.attention_vgg, "cnn_m", "classifier", 6)],
)
def test_tiny_networks_take_the_source_weights(builder, source, head, cells):
    model = builder(4, size="tiny")
    load_weights(model.cnn, source_weights(source), skip=(head,))
    look = model.eval().look(torch.randn(2, 3, 56, 56, generator=torch.Generator().manual_seed(0)))
    assert look.maps.shape == (2, 4, cells, cells)
    assert (look.maps > 0).any()
    assert look.logits.shape == (2, 4)
    linear = dict(model.cnn.named_modules())[head]
    torch.testing.assert_close(linear(look.features), look.logits)
    with pytest.raises(ValueError, match="must be in eval"):
        model.train().look(torch.zeros(2, 3, 56, 56))
