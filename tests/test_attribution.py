import pytest
import torch
from torch import nn

from labkit.attribution import class_activation_map, pointing_game
from labkit.backbones.resnet import resnet_tiny


def test_a_map_by_hand():
    maps = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[0.0, 1.0], [0.0, -1.0]]])  # (2, 2, 2)
    weight = torch.tensor([[1.0, 10.0], [0.0, -1.0], [2.0, 0.0]])
    expected = torch.tensor([[[1.0, 12.0], [3.0, -6.0]], [[0.0, -1.0], [0.0, 1.0]], [[2.0, 4.0], [6.0, 8.0]]])
    assert torch.equal(class_activation_map(maps, weight), expected)
    assert torch.equal(class_activation_map(maps[None, None], weight), expected[None, None])


def test_the_mean_over_all_places_is_the_score_less_the_bias():
    torch.manual_seed(0)
    net = resnet_tiny(5).eval()
    maps = images = torch.randn(3, 3, 48, 72)
    for stage in net.stages.values():
        maps = stage(maps)
    votes = class_activation_map(maps, net.fc.weight)
    assert votes.shape == (3, 5, 6, 9)
    torch.testing.assert_close(votes.mean(dim=(2, 3)), net(images) - net.fc.bias)


def test_it_is_the_classifier_at_every_place():
    maps, classifier = torch.randn(2, 4, 3, 3), nn.Conv2d(4, 6, 1, bias=False)
    torch.testing.assert_close(class_activation_map(maps, classifier.weight[..., 0, 0]), classifier(maps))


def test_enlarged_between_the_centres_of_cells():
    maps = torch.tensor([[[0.0, 4.0]]])  # (1, 1, 2): a row of two cells
    large = class_activation_map(maps, torch.ones(1, 1), size=(1, 4))
    assert torch.equal(large, torch.tensor([[[0.0, 1.0, 3.0, 4.0]]]))  # centres at 0.25 and 0.75 of the width


def test_pointing_by_hand():
    mask = torch.zeros(4, 4, dtype=torch.bool)
    mask[0, 2] = True  # a quarter of the upper right cell
    mask[2:, 2:] = True  # all of the lower right one
    upper_right, lower_left = torch.tensor([[0.0, 3.0], [1.0, 2.0]]), torch.tensor([[0.0, 1.0], [3.0, 2.0]])
    maps = torch.stack([upper_right, lower_left])
    hits, chance = pointing_game(maps, mask.expand(2, 4, 4))
    assert hits.tolist() == [True, False]
    assert chance.tolist() == [0.5, 0.5]
    hits, chance = pointing_game(maps, mask.expand(2, 4, 4), least=0.3)
    assert hits.tolist() == [False, False]
    assert chance.tolist() == [0.25, 0.25]
    assert pointing_game(upper_right, mask)[0].item() is True  # a single map


def test_wrong_input_is_named():
    with pytest.raises(ValueError, match=r"weight must be \(K, 4\); got \(3, 5\)"):
        class_activation_map(torch.zeros(1, 4, 2, 2), torch.zeros(3, 5))
    with pytest.raises(ValueError, match="same leading dimensions"):
        pointing_game(torch.zeros(2, 3, 3), torch.zeros(3, 9, 9, dtype=torch.bool))
    with pytest.raises(TypeError, match="masks must be bool"):
        pointing_game(torch.zeros(3, 3), torch.zeros(9, 9))
    with pytest.raises(ValueError, match="least must be a share"):
        pointing_game(torch.zeros(3, 3), torch.zeros(9, 9, dtype=torch.bool), least=0)
