import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fakes import FakeClip, random_tensor
from overfit import overfit_one_batch
from torch.utils.data import TensorDataset
from torchvision.transforms.v2.functional import resize

from labkit.backbones import load_weights, source_weights
from labkit.backbones.cnn_m import CNNM
from labkit.clips import Clips
from labkit.losses import classification_loss
from labkit.papers import back_dropout
from labkit.papers.two_stream import spatial_network
from labkit.training import Recipe, fit

PAPER = back_dropout.RECIPES["paper"]


def small_network(classes=4, seed=0, fc=(12, 8)):
    torch.manual_seed(seed)
    network = CNNM(classes, image_size=32, channels=(4, 6, 6, 6, 6), strides=(1, 1), paddings=(0, 2), fc=fc)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape))
    return network.eval()


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def images(count, seed=0):
    return random_tensor(count, 3, 32, 32, seed=seed)


class FakeClips(Clips):
    def __init__(self, labels, **sizes):
        self.classes, self.labels, self.sizes = ("a", "b", "c", "d"), torch.tensor(labels), sizes
        self.groups = torch.zeros(len(labels), dtype=torch.int64)

    def __getitem__(self, index):
        return FakeClip(label=int(self.labels[index]), seed=index, **self.sizes)


def penalties(predicted, fc7=None, fc6=None, clips=None):
    """A penalty set of so many images, of which only what matters is filled in."""
    count = len(predicted)
    zeros = torch.zeros(count, dtype=torch.int64)
    fc7 = torch.ones(count, 3) if fc7 is None else fc7
    fc6 = torch.ones(count, 4) if fc6 is None else fc6
    clips = torch.arange(count) if clips is None else torch.tensor(clips)
    return back_dropout.PenaltySet(clips, zeros, zeros, torch.tensor(predicted), torch.ones(count), fc7, fc6)


def network_of(to_class, to_last):
    """A network of which only the weights of the last two layers are there."""
    to_class, to_last = torch.tensor(to_class), torch.tensor(to_last)
    return SimpleNamespace(classifier=SimpleNamespace(weight=to_class), fc7=SimpleNamespace(weight=to_last))


# --- what the network sees --------------------------------------------------------------------------------------------


def test_training_sees_a_random_frame_and_tests_see_some_at_equal_distances():
    view, clip = back_dropout.frame_view(crop_size=8), FakeClip(num_frames=8, height=16, width=32)
    half = view.modality.normalise(resize(clip.all_frames, [8, 16])[..., 4:12])  # the square in the middle
    generator = seeded()
    frames = [view.train(clip, generator)[0] for _ in range(80)]
    assert {next(t for t in range(8) if torch.equal(frame, half[t])) for frame in frames} == set(range(8))
    for count, times in ((4, [1, 3, 5, 7]), (16, [*range(8), *range(8)])):  # too short: it starts over
        views, label = view.test(clip, count)
        assert label == 1
        assert torch.equal(views, half[times])


# --- the penalty set --------------------------------------------------------------------------------------------------


def test_the_penalty_set_is_what_the_net_gets_wrong_image_by_image():
    network = small_network().train()  # with dropout on: it must be asked without
    clips = FakeClips([0, 1, 2, 3, 0, 1], num_frames=5, height=32, width=32)
    view = back_dropout.frame_view(crop_size=32)
    found = back_dropout.penalty_set(network, clips.map(lambda clip: view.test(clip, 5)))
    assert network.training
    network.eval()
    rows = []
    with torch.no_grad():
        for number, clip in enumerate(clips):
            for place in range(5):
                frame = view.at(clip, torch.tensor([place]))
                scores = network(frame)[0].softmax(0)
                if int(scores.argmax()) != clip.label:
                    rows.append((number, place, clip.label, int(scores.argmax()), scores.max(), network.taps(frame)))
    assert 0 < len(rows) < 30
    columns = [list(column) for column in zip(*rows, strict=True)]
    for name, column in zip(("clips", "views", "labels", "predicted"), columns, strict=False):
        assert getattr(found, name).tolist() == column
    torch.testing.assert_close(found.certainty, torch.stack(columns[4]))
    for layer in back_dropout.LAYERS:
        torch.testing.assert_close(getattr(found, layer), torch.cat([taps[layer] for taps in columns[5]]))
    assert len(found) == len(rows)
    assert found.num_clips == len(set(columns[0]))


def test_a_net_that_errs_nowhere_has_no_penalty_set():
    network = small_network()
    with torch.no_grad():
        network.classifier.weight.zero_()
        network.classifier.bias.copy_(torch.tensor([0.0, 1.0, 0.0, 0.0]))
    clips = FakeClips([1, 1], num_frames=2, height=32, width=32)
    with pytest.raises(ValueError, match="got none: hold out more clips"):
        back_dropout.penalty_set(network, clips.map(lambda clip: back_dropout.frame_view(crop_size=32).test(clip, 2)))


def test_parts_of_a_penalty_set_are_counted_in_clips_and_lie_in_each_other():
    clips = [0, 0, 0, 2, 3, 3, 5, 6, 8]  # 6 clips
    whole = penalties([1] * 9, fc7=torch.arange(27.0).reshape(9, 3), clips=clips)
    parts = [whole.subset(part, seeded(7)) for part in (1 / 3, 2 / 3, 1.0)]
    assert [part.num_clips for part in parts] == [2, 4, 6]
    sets = [set(part.clips.tolist()) for part in parts]
    assert sets[0] < sets[1] < sets[2]
    for part in parts:
        assert all(part.clips.tolist().count(clip) == clips.count(clip) for clip in set(part.clips.tolist()))
        assert torch.equal(part.fc7, whole.fc7[torch.isin(whole.clips, part.clips)])
    assert whole.subset(0.01, seeded()).num_clips == 1
    with pytest.raises(ValueError, match="fraction must be above 0 and at most 1"):
        whole.subset(0.0, seeded())


# --- walking back -----------------------------------------------------------------------------------------------------


def test_walking_back_by_hand():
    #        neurons of fc7:  0     1     2
    to_class = [[0.0, 0.5, -0.9], [0.8, 0.7, 0.1]]
    #        neurons of fc6:  0     1     2     3
    to_last = [[0.1, 0.9, 0.2, 0.3], [0.2, -0.8, 0.1, 0.4], [0.5, 0.6, 0.0, -0.7]]
    votes = back_dropout.walk_back(network_of(to_class, to_last), penalties([1, 0, 1]), 3)
    # -0.9 joins image 1 (taken for 0) and neuron 2; 0.8 image 0 and neuron 0; left are image 2 and neuron 1, 0.7
    assert votes.images.tolist() == [1, 0, 2]
    assert votes.fc7.tolist() == [2, 0, 1]
    assert votes.fc6.tolist() == [3, 1, 0]
    torch.testing.assert_close(votes.link7, torch.tensor([-0.9, 0.8, 0.7]))
    torch.testing.assert_close(votes.link6, torch.tensor([-0.7, 0.9, 0.2]))  # 1 and 3 are taken already


def test_contributions_depend_on_the_image():
    to_class = [[1.0, 0.5, -0.1], [0.0, 0.0, 0.0]]
    to_last = [[1.0, 0.0, 0.0, 0.1], [0.2, 0.3, 0.4, 0.5], [0.0, 0.0, 0.0, 1.0]]
    seven = torch.tensor([[0.0, 1.0, 9.0], [0.2, 0.0, 0.0]])
    six = torch.tensor([[1.0, 1.0, 2.0, 1.0], [0.0, 1.0, 1.0, 3.0]])
    votes = back_dropout.walk_back(network_of(to_class, to_last), penalties([0, 0], seven, six), 2, by="contribution")
    # image 0: 0, 0.5 and -0.9; image 1: 0.2, 0, 0
    assert votes.images.tolist() == [0, 1]
    assert votes.fc7.tolist() == [2, 0]
    assert votes.fc6.tolist() == [3, 0]  # image 1: 0, 0, 0 and the taken 0.3: the lowest number
    torch.testing.assert_close(votes.link7, torch.tensor([-0.9, 0.2]))


@pytest.mark.parametrize("by", ["weight", "contribution"])
def test_walking_back_beside_a_search_through_all_links(by):
    network = small_network(classes=5, fc=(30, 20), seed=1)
    generator = seeded(2)
    predicted = torch.randint(5, (17,), generator=generator).tolist()
    seven, six = (torch.rand(17, width, generator=generator) for width in (20, 30))
    votes = back_dropout.walk_back(network, penalties(predicted, seven, six), 50, by=by)
    w8, w7 = network.classifier.weight.detach().numpy(), network.fc7.weight.detach().numpy()
    links = [
        (abs(w8[wrong, unit] * (seven[image, unit].item() if by == "contribution" else 1)), image, unit)
        for image, wrong in enumerate(predicted)
        for unit in range(20)
    ]
    links.sort(key=lambda link: -link[0])  # stable: of equal ones the first
    used, gone, below_gone, expected = set(), set(), set(), []
    for _, image, unit in links:
        if image in used or unit in gone:
            continue
        below = np.abs(w7[unit] * (six[image].numpy() if by == "contribution" else 1))
        second = next(int(i) for i in np.argsort(-below, kind="stable") if int(i) not in below_gone)
        used.add(image), gone.add(unit), below_gone.add(second)
        expected.append((image, unit, second))
    assert list(zip(votes.images.tolist(), votes.fc7.tolist(), votes.fc6.tolist(), strict=True)) == expected
    assert len(votes) == 17  # one image, one neuron in each layer: the images run out first
    assert (votes.link7.abs().diff() <= 1e-6).all()
    few = back_dropout.walk_back(network, penalties(predicted, seven, six), 6, by=by)
    assert few.fc6.tolist() == votes.fc6[:6].tolist()


def test_with_weights_alone_a_larger_penalty_set_names_the_same_neurons():
    network = small_network(fc=(40, 20))
    sets = [
        penalties([0, 1, 2, 3] * images, torch.rand(4 * images, 20), torch.rand(4 * images, 40)) for images in (8, 24)
    ]
    small, large = (back_dropout.negative_back_dropout(network, penalty, ratio=0.2) for penalty in sets)
    assert all(torch.equal(small[layer], large[layer]) for layer in back_dropout.LAYERS)
    by = {"by": "contribution"}
    small, large = (back_dropout.negative_back_dropout(network, penalty, ratio=0.2, **by) for penalty in sets)
    assert not torch.equal(small["fc7"], large["fc7"])


def test_a_penalised_clip_shows_its_wrong_images_with_its_right_label():
    view, clip = back_dropout.frame_view(crop_size=16), FakeClip(num_frames=4, height=16, width=16, label=3)
    wrong = {clip.name: torch.tensor([1, 3])}
    torch.manual_seed(0)
    samples = [back_dropout.penalty_view(clip, view, 4, wrong) for _ in range(20)]
    assert {label for _, label in samples} == {3}
    tested = view.test(clip, 4)[0]
    shown = [next(index for index in range(4) if torch.equal(image, tested[index])) for image, _ in samples]
    assert set(shown) == {1, 3}


def test_who_has_to_go():
    network = small_network(fc=(40, 20))
    penalty = penalties([0, 1, 2, 3] * 5, torch.rand(20, 20), torch.rand(20, 40))
    votes = back_dropout.walk_back(network, penalty, 8)
    units = back_dropout.first_voted(network, votes, ratio=0.2)
    assert torch.equal(units["fc7"], votes.fc7[:4])  # 20 % of 20
    assert torch.equal(units["fc6"], votes.fc6[:8])  # 20 % of 40
    straight = back_dropout.negative_back_dropout(network, penalty, ratio=0.2)
    assert all(torch.equal(straight[layer], units[layer]) for layer in back_dropout.LAYERS)
    alone = back_dropout.negative_back_dropout(network, penalty, ("fc6",), 0.2)
    assert list(alone) == ["fc6"]
    assert torch.equal(alone["fc6"], units["fc6"])
    few = back_dropout.negative_back_dropout(network, penalty.subset(0.15, seeded()), ratio=0.2)
    assert [len(those) for those in few.values()] == [3, 3]  # too few images to fill the shares
    with pytest.raises(ValueError, match="layer must be one of fc7, fc6"):
        back_dropout.quota(network, "classifier", 0.1)
    with pytest.raises(ValueError, match='by must be "weight" or "contribution"'):
        back_dropout.walk_back(network, penalty, 3, by="gradient")


def test_the_control_drops_as_many_of_the_same_layers():
    network = small_network(fc=(40, 20))
    units = {"fc7": torch.tensor([3, 1, 2]), "fc6": torch.tensor([0, 39])}
    drawn = back_dropout.random_units(network, units, seeded(1))
    assert {layer: len(set(those.tolist())) for layer, those in drawn.items()} == {"fc7": 3, "fc6": 2}
    seen = torch.cat([back_dropout.random_units(network, units, seeded(seed))["fc7"] for seed in range(200)])
    counts = seen.bincount(minlength=20)
    assert len(counts) == 20
    assert counts.min() > 10  # 30 each are expected


# --- dropping ---------------------------------------------------------------------------------------------------------


def test_a_dropped_neuron_gives_nothing_and_the_others_what_they_gave():
    network, frames = small_network(), images(6)
    units = {"fc7": torch.tensor([0, 5]), "fc6": torch.tensor([2, 3, 11])}
    cut = back_dropout.drop(copy.deepcopy(network), units)
    with torch.no_grad():
        six = network.taps(frames)["fc6"].clone()
        six[:, units["fc6"]] = 0
        seven = torch.relu(network.fc7(six))
        seven[:, units["fc7"]] = 0
        torch.testing.assert_close(cut(frames), network.classifier(seven))
        assert not torch.allclose(cut(frames), network(frames))
    assert torch.equal(network.fc7.weight, small_network().fc7.weight)  # the copy was cut, not the network


def test_the_dropped_stay_out_while_the_others_learn_again():
    network = small_network()
    units = {"fc7": torch.tensor([0, 5]), "fc6": torch.tensor([2, 3, 11])}
    back_dropout.drop(network, units)
    before = copy.deepcopy(network)
    recipe = {**back_dropout.RECIPES["tiny"]["fine_tuning"], "steps": 12, "batch": 6, "schedule": None}
    labels = torch.tensor([0, 1, 2, 3] * 3)
    fit(network, Recipe(**recipe), TensorDataset(images(12), labels), classification_loss, device="cpu", progress=False)
    for layer, reader in (("fc7", network.classifier), ("fc6", network.fc7)):
        own, those = getattr(network, layer), units[layer]
        assert not own.weight[those].any()
        assert not own.bias[those].any()
        assert not reader.weight[:, those].any()
        others = torch.tensor([unit for unit in range(own.out_features) if unit not in those.tolist()])
        assert (own.weight[others] != getattr(before, layer).weight[others]).any()


def test_dropping_what_is_not_there():
    with pytest.raises(ValueError, match="fc7 has neurons 0 to 7; got 3 to 8"):
        back_dropout.drop(small_network(), {"fc7": torch.tensor([8, 3])})
    with pytest.raises(ValueError, match="units must be of fc7, fc6; got 'classifier'"):
        back_dropout.drop(small_network(), {"classifier": torch.tensor([0])})
    network = small_network()
    back_dropout.drop(network, {"fc7": torch.tensor([], dtype=torch.int64)})
    assert torch.equal(network.fc7.weight, small_network().fc7.weight)


# --- builders and recipes ---------------------------------------------------------------------------------------------


def test_the_network_of_the_paper():
    with torch.device("meta"):
        network = back_dropout.cnn_m()
        assert network(torch.zeros(2, 3, 224, 224)).shape == (2, 101)
    widths = {"fc6": (4096, 512 * 6 * 6), "fc7": (2048, 4096), "classifier": (101, 2048)}
    assert {layer: tuple(getattr(network, layer).weight.shape) for layer in widths} == widths
    assert network.drop6.p == network.drop7.p == 0.5
    quotas = [back_dropout.quota(network, layer, ratio) for layer in back_dropout.LAYERS for ratio in (0.1, 0.2)]
    assert quotas == [205, 410, 410, 819]


def test_the_small_network_takes_the_weights_of_the_source_task():
    network = back_dropout.cnn_m(18, size="tiny")
    load_weights(network, source_weights("cnn_m"), skip=("classifier",))
    twin = spatial_network(18, size="tiny")
    load_weights(twin, source_weights("cnn_m"), skip=("classifier",))
    twin.classifier = network.classifier
    frames = random_tensor(2, 3, 56, 56)
    assert torch.equal(network.eval()(frames), twin.eval()(frames))


def test_the_rates_of_each_layer():
    network = back_dropout.cnn_m(18, size="tiny")
    seen = {}

    class Spy(torch.optim.SGD):
        def step(self, closure=None):
            names = {id(parameter): name for name, parameter in network.named_parameters()}
            for group in self.param_groups:
                seen.update({names[id(parameter)]: group["lr"] for parameter in group["params"]})
            return super().step(closure)

    recipe = {**PAPER["fine_tuning"], "optimizer": Spy, "steps": 1, "batch": 2, "schedule": None}
    data = TensorDataset(random_tensor(2, 3, 56, 56), torch.tensor([0, 1]))
    fit(network, Recipe(**recipe), data, classification_loss, device="cpu", progress=False)
    fast = {name for name, rate in seen.items() if rate == pytest.approx(1e-2)}
    assert fast == {"fc7.weight", "fc7.bias", "classifier.weight", "classifier.bias"}
    assert {rate for name, rate in seen.items() if name not in fast} == {1e-3}


def test_recipes():
    paper, again = (Recipe(**PAPER[name]) for name in ("fine_tuning", "re_learning"))
    assert (paper.batch, paper.options["momentum"], paper.options["weight_decay"]) == (256, 0.9, 5e-4)
    assert (again.steps, again.schedule, again.groups) == (10_000, {7_000: 1e-4}, paper.groups)
    assert back_dropout.RECIPES["tiny"]["re_learning"]["steps"] == 200


def test_it_can_learn():
    network = small_network()
    frames, labels = images(8), torch.tensor([0, 1, 2, 3] * 2)
    assert overfit_one_batch(network, classification_loss, (frames, labels)).shown["accuracy"] == 1.0
