"""A source that misleads: few clips are drawn fairly, the last layer learns, lost neurons stay lost."""

import torch
from test_culprits import network_and_images

from labkit import world
from labkit.studies import category_bias
from labkit.studies.category_bias import CLIPS, FRAMES, Target, draw, learned, misled, outcome
from labkit.studies.culprits import Activations
from labkit.world.actions import LOOK_ALIKES


def known(per_class=10, neurons=40):
    """Frames of clips of six classes; each class has neurons of its own."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(6).repeat(per_class).repeat_interleave(FRAMES)
    own = torch.arange(neurons) % 6
    fc7 = torch.rand(len(labels), neurons, generator=generator) + 2.0 * (own == labels[:, None])
    return Activations(fc7, torch.rand(len(labels), 60, generator=generator), labels)


def test_few_clips_are_drawn_with_all_their_frames_and_the_others_are_held_out():
    images = known()
    few, others = draw(images, torch.Generator().manual_seed(3))
    assert few.labels.bincount().tolist() == 6 * [CLIPS * FRAMES]
    assert others.labels.bincount().tolist() == 6 * [(10 - CLIPS) * FRAMES]
    both = torch.cat([few.fc7, others.fc7])
    assert len(both.unique(dim=0)) == len(images.fc7.unique(dim=0)) == len(images.fc7)
    again, _ = draw(images, torch.Generator().manual_seed(3))
    another, _ = draw(images, torch.Generator().manual_seed(4))
    assert torch.equal(again.fc7, few.fc7)
    assert not torch.equal(another.fc7, few.fc7)


def test_the_last_layer_learns_in_a_copy_and_does_without_lost_neurons():
    network, images = network_and_images()[0], known()
    before = network.classifier.weight.clone()
    whole = learned(network, images, {})
    assert outcome(whole, images) == (1.0, 0.0)
    assert torch.equal(network.classifier.weight, before)
    lost = torch.tensor([0, 6, 12])
    less = learned(network, images, {"fc7": lost})
    assert (less.classifier.weight[:, lost] == 0).all()
    assert (less.classifier.weight[:, 1:6] != 0).all()


def test_answers_count_for_the_look_alike_by_name():
    names = list(LOOK_ALIKES)
    assert [LOOK_ALIKES[LOOK_ALIKES[name]] for name in names] == names
    network = network_and_images(classes=6)[0]
    as_chop = torch.zeros(6, 40)
    as_chop[names.index("chop")] = 1.0
    with torch.no_grad():
        network.classifier.weight.copy_(as_chop)
    labels = torch.tensor([names.index(name) for name in ("hammer", "chop", "ski", "broom")]).repeat_interleave(FRAMES)
    images = Activations(torch.ones(len(labels), 40), torch.ones(len(labels), 60), labels)
    assert outcome(network, images) == (0.25, 0.25)  # chop is right, hammer is misled


def test_three_ways_start_from_the_same_draws(monkeypatch):
    network, images = network_and_images()[0], known(per_class=8)
    noisy = images._replace(
        fc7=images.fc7 + 9 * torch.rand(images.fc7.shape, generator=torch.Generator().manual_seed(1))
    )
    monkeypatch.setattr(category_bias, "DRAWS", 2)
    result = misled(network, Target(noisy, images), seed=0)
    assert result == misled(network, Target(noisy, images), seed=0)
    assert list(result) == ["last_layer", "nb", "random"]
    assert all(0 <= each.misled <= 1 - each.right + 1e-6 for each in result.values())


def test_a_source_that_misleads_swaps_homes():
    def places(bias):
        stills = world.SwappedHomes(seed=1000, bias=bias, groups=30, classes=["hammer", "wave"])
        return [(stills.classes[label], stills._scene(index)) for index, label in enumerate(stills.labels.tolist())]

    assert {place for name, place in places(1.0) if name == "hammer"} == {"forest"}  # where Actions chops
    anywhere = [place for name, place in places(0.0) if name == "hammer"]
    assert len(set(anywhere)) > 5
    assert len({place for name, place in places(1.0) if name == "wave"}) > 5
    half = [place for name, place in places(0.5) if name == "hammer"]
    assert 0.3 < half.count("forest") / len(half) < 0.8
