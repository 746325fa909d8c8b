import pytest
import torch
from torch import nn

from labkit.attribution import class_activation_map, occlusion_map, occlusion_sensitivity, pointing_game
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


def brightness(inputs):
    """A network with two classes that looks at the brightness of the upper left corner of 4 x 4 pixels alone."""
    seen = inputs[..., :4, :4].flatten(1).mean(1)
    return torch.stack([seen, torch.zeros_like(seen)], dim=1)


def test_covering_by_hand():
    """Of nine squares, side 4 and stride 2, the first covers all of the corner; the others half, a quarter, nothing."""
    image = torch.full((1, 3, 8, 8), 2.0)
    found = occlusion_sensitivity(brightness, image, torch.tensor([0]), side=4, stride=2)
    confidence = lambda seen: torch.sigmoid(torch.tensor(seen))  # noqa: E731
    half, quarter = confidence(1.0) / confidence(2.0), confidence(1.5) / confidence(2.0)
    whole = 0.5 / confidence(2.0)
    expected = 1 - torch.tensor([[whole, half, 1], [half, quarter, 1], [1, 1, 1]])
    torch.testing.assert_close(found, expected[None])
    other = occlusion_sensitivity(brightness, image, torch.tensor([1]), side=4, stride=2)
    assert other[0, 0, 0] < -1  # surer without
    torch.testing.assert_close(other[0, 2], torch.zeros(3))


def test_black_is_what_the_network_takes_for_black():
    image = torch.full((1, 3, 4, 4), 2.0)
    seen = []
    classify = lambda inputs: (seen.append(inputs.clone()), brightness(inputs))[1]  # noqa: E731
    occlusion_sensitivity(classify, image, torch.tensor([0]), side=2, stride=2, black=torch.tensor([-1.0, 0.0, 1.0]))
    assert [len(inputs) for inputs in seen] == [1, 4]
    lower_left = seen[1][2]
    assert torch.equal(lower_left[:, 2:, :2], torch.tensor([-1.0, 0.0, 1.0])[:, None, None].expand(3, 2, 2))
    assert torch.equal(lower_left[:, :2], image[0, :, :2])
    assert torch.equal(image, torch.full((1, 3, 4, 4), 2.0))  # left as it was


@pytest.mark.parametrize("batch", [1, 5, 64])
def test_clips_one_by_one_and_square_by_square(batch):
    """The square covers the same place in all frames; the last squares end with the picture."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(2 * 3 * 9 * 7, 5)).eval()
    clips, labels = torch.randn(3, 2, 3, 9, 7), torch.tensor([4, 0, 2])
    found = occlusion_sensitivity(net, clips, labels, side=4, stride=3, black=0.5, batch=batch)
    assert found.shape == (3, 3, 2)
    assert not found.requires_grad
    with torch.no_grad():
        for number, label in enumerate(labels):
            before = net(clips[number : number + 1]).softmax(1)[0, label]
            for row, top in enumerate((0, 3, 5)):
                for column, left in enumerate((0, 3)):
                    covered = clips[number : number + 1].clone()
                    covered[..., top : top + 4, left : left + 4] = 0.5
                    after = net(covered).softmax(1)[0, label]
                    torch.testing.assert_close(found[number, row, column], (before - after) / before)


def test_each_pixel_has_the_mean_of_its_squares():
    drops = torch.tensor([[[1.0, 3.0], [5.0, 7.0]]])  # squares of 2 at 0 and 1 in rows of 3, at 0 and 2 in columns of 4
    spread = occlusion_map(drops, (3, 4), side=2, stride=2)
    expected = torch.tensor([[1.0, 1, 3, 3], [3, 3, 5, 5], [5, 5, 7, 7]])
    assert torch.equal(spread, expected[None])
    assert occlusion_map(torch.zeros(2, 2), (5, 5), side=1, stride=4)[0].isnan().tolist() == [False, *[True] * 3, False]


def test_wrong_input_is_named():
    with pytest.raises(ValueError, match="side must be 1 to 8"):
        occlusion_sensitivity(brightness, torch.zeros(1, 3, 8, 9), torch.tensor([0]), side=9, stride=1)
    with pytest.raises(ValueError, match=r"labels \(B,\); got \(3, 8, 8\)"):
        occlusion_sensitivity(brightness, torch.zeros(3, 8, 8), torch.tensor([0]), side=2, stride=1)
    with pytest.raises(ValueError, match=r"drops must be \(..., 2, 2\)"):
        occlusion_map(torch.zeros(3, 2), (3, 4), side=2, stride=2)
    with pytest.raises(ValueError, match=r"weight must be \(K, 4\); got \(3, 5\)"):
        class_activation_map(torch.zeros(1, 4, 2, 2), torch.zeros(3, 5))
    with pytest.raises(ValueError, match="same leading dimensions"):
        pointing_game(torch.zeros(2, 3, 3), torch.zeros(3, 9, 9, dtype=torch.bool))
    with pytest.raises(TypeError, match="masks must be bool"):
        pointing_game(torch.zeros(3, 3), torch.zeros(9, 9))
    with pytest.raises(ValueError, match="least must be a share"):
        pointing_game(torch.zeros(3, 3), torch.zeros(9, 9, dtype=torch.bool), least=0)
