import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import SqueezeNet1_0_Weights, squeezenet1_0

from labkit.attribution import (
    class_activation_map,
    grad_cam,
    linear_grad_cam,
    occluded_confidences,
    occlusion_map,
    pointing_game,
)
from labkit.backbones import load_weights
from labkit.backbones.resnet import resnet_tiny
from labkit.backbones.taps import tapping
from labkit.data import read_photo


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


def test_enlarged_between_the_centres_of_cells():
    maps = torch.tensor([[[0.0, 4.0]]])  # (1, 1, 2): a row of two cells
    large = class_activation_map(maps, torch.ones(1, 1), size=(1, 4))
    assert torch.equal(large, torch.tensor([[[0.0, 1.0, 3.0, 4.0]]]))  # centres at 0.25 and 0.75 of the width


def test_grad_cam_by_hand():
    """Two channels of 1 x 2 locations; scores 3 a0 - b1, a0 a1 and b0 + b1 have plain gradients."""
    maps = torch.tensor([[[[1.0, 2.0]], [[4.0, -1.0]]]], requires_grad=True)  # (1, 2, 1, 2)
    (a0, a1), (b0, b1) = maps[0, 0, 0], maps[0, 1, 0]
    scores = torch.stack([3 * a0 - b1, a0 * a1, b0 + b1])[None]  # (1, 3)
    # alpha, the mean gradient of each channel: (1.5, -0.5), (1.5, 0), (0, 1)
    expected = torch.tensor([[[[0.0, 3.5]], [[1.5, 3.0]], [[4.0, 0.0]]]])  # ReLU of 1.5 (1, 2) - 0.5 (4, -1), ...
    found = grad_cam(scores, maps)
    assert torch.equal(found, expected)
    assert not found.requires_grad
    assert torch.equal(grad_cam(scores, maps, [2, 0]), expected[:, [2, 0]])
    with pytest.raises(ValueError, match="classes must be numbers from 0 to 2; got"):
        grad_cam(scores, maps, [3])
    assert torch.equal(grad_cam(10 * scores, maps), 10 * expected)  # raw: a score ten times as steep, ten times the map


@pytest.fixture
def small():
    """A network whose head is not linear, with in-place ReLUs behind both convolutions."""
    torch.manual_seed(0)
    trunk = [nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(True), nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(True)]
    return nn.Sequential(*trunk, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(6 * 4 * 4, 7), nn.Tanh(), nn.Linear(7, 40))


@pytest.mark.parametrize("layer", ["0", "2", "3", "4"])
def test_all_classes_at_once_are_a_loop_over_classes(small, layer):
    images = torch.randn(3, 3, 8, 8)
    with tapping(small, [layer]) as taken:
        scores = small(images)
    together = grad_cam(scores, taken[layer])
    assert together.shape == (3, 40, *taken[layer].shape[2:])
    for sample in range(3):
        for label in (0, 31, 32, 39):  # gradients are worked out 32 at a time
            (gradient,) = torch.autograd.grad(scores[sample, label], taken[layer], retain_graph=True)
            weights = gradient[sample].mean((1, 2))  # (C,)
            expected = (weights[:, None, None] * taken[layer][sample]).sum(0).relu()
            torch.testing.assert_close(together[sample, label], expected)
    assert (together > 0).any()


@pytest.mark.parametrize("freeze", [False, True])
def test_taps_as_leaves_give_the_same_maps_even_where_all_is_frozen(small, freeze):
    images = torch.randn(2, 3, 8, 8)
    with tapping(small, ["2"]) as taken:
        expected = grad_cam(small(images), taken["2"])
    small.requires_grad_(not freeze)
    with tapping(small, ["2"], leaves=True) as taken:
        scores = small(images)
    assert taken["2"].is_leaf
    assert torch.equal(taken["2"], small[2](small[1](small[0](images))))  # not what the ReLU behind it made of it
    torch.testing.assert_close(grad_cam(scores, taken["2"]), expected)


def test_the_closed_form_is_what_gradients_say():
    torch.manual_seed(0)
    net = resnet_tiny(9).eval()
    with tapping(net, ["layer4"], leaves=True) as taken:
        scores = net(torch.randn(2, 3, 40, 56))
    maps = taken["layer4"].detach()
    closed = linear_grad_cam(maps, net.fc.weight)
    assert closed.shape == (2, 9, 5, 7)
    torch.testing.assert_close(linear_grad_cam(maps[0], net.fc.weight), closed[0])  # a single image
    torch.testing.assert_close(closed, grad_cam(scores, taken["layer4"]))
    torch.testing.assert_close(closed, class_activation_map(maps, net.fc.weight).relu() / 35)


class EveryFrame(nn.Module):
    """Scores of each frame of clips (B, T, 3, H, W), or their mean."""

    def __init__(self, net, mean):
        super().__init__()
        self.net, self.mean = net, mean

    def forward(self, clips):
        scores = self.net(clips.flatten(0, 1)).unflatten(0, clips.shape[:2])  # (B, T, K)
        return scores.mean(1) if self.mean else scores


@pytest.mark.parametrize("mean", [False, True])
def test_nets_on_every_frame(small, mean):
    """Of the mean over T frames each frame gets the T-th part; of its own scores all of it."""
    clips = torch.randn(2, 3, 3, 8, 8)
    net = EveryFrame(small, mean)
    with tapping(net, ["net.2"], leaves=True) as taken:
        scores = net(clips)
    found = grad_cam(scores, taken["net.2"]).unflatten(0, (2, 3))  # (B, T, K, h, w)
    with tapping(small, ["2"], leaves=True) as taken:
        alone = torch.stack([grad_cam(small(clip), taken["2"]) for clip in clips])
    torch.testing.assert_close(found, alone / 3 if mean else alone)
    linear = nn.Linear(4, 5)
    maps = torch.randn(2, 3, 4, 2, 2, requires_grad=True)  # (B, T, C, h, w), as they are
    torch.testing.assert_close(
        grad_cam(linear(maps.mean((-2, -1))), maps), linear_grad_cam(maps.detach(), linear.weight)
    )


class TestPeers:
    """Heat maps that pytorch-grad-cam and captum gave: ``benchmarks/grad_cam_reference.py`` records them."""

    @pytest.fixture
    def recorded(self):
        with np.load(Path(__file__).with_name("grad_cam_reference.npz")) as file:
            return {name: torch.from_numpy(file[name]) for name in file.files}

    def maps(self, recorded, layer):
        net = nn.Sequential(
            *[nn.Conv2d(3, 5, 3, stride=2, padding=1), nn.ReLU(True), nn.MaxPool2d(2), nn.Conv2d(5, 6, 3, padding=1)],
            *[nn.ReLU(True), nn.Flatten(), nn.Linear(6 * 5 * 5, 8), nn.ReLU(True), nn.Linear(8, 4)],
        )
        net.load_state_dict({k.removeprefix("weights/"): v for k, v in recorded.items() if k.startswith("weights/")})
        with tapping(net.eval(), [layer], leaves=True) as taken:
            scores = net(recorded["images"])
        return grad_cam(scores, taken[layer])

    @pytest.mark.parametrize(("name", "layer"), [("captum", "4"), ("captum_convolution", "3")])
    def test_captum(self, recorded, name, layer):
        assert (recorded[name] > 0).float().mean() > 0.3
        torch.testing.assert_close(self.maps(recorded, layer), recorded[name])

    def test_pytorch_grad_cam(self, recorded):
        """Its heat maps are ours, each scaled to 0 to 1 by itself, enlarged by OpenCV, and scaled again."""

        def scaled(values):
            return (values - values.min()) / (1e-7 + (values - values.min()).max())

        ours = self.maps(recorded, "4").flatten(0, 1)  # (images * classes, 5, 5)
        theirs = recorded["pytorch_grad_cam"].flatten(0, 1).numpy()  # (images * classes, 20, 20)
        for own, other in zip(ours.numpy(), theirs, strict=True):
            np.testing.assert_allclose(scaled(cv2.resize(scaled(own), (20, 20))), other, atol=1e-5)


@pytest.mark.skipif("LABKIT_REAL_DATA" not in os.environ, reason="set LABKIT_REAL_DATA to a folder with weights")
def test_a_real_network_looks_at_the_dog():
    """A Pembroke that sits in a wood; the box is drawn by hand, in pixels of 500."""
    name, breed, box = "dog1", 263, (212, 166, 407, 388)
    folder = Path(os.environ["LABKIT_REAL_DATA"], "weights")
    net = squeezenet1_0().eval()
    load_weights(net, folder / "squeezenet1_0_rgb_imagenet_norm.pth")
    photo = read_photo(folder / f"{name}.jpg")
    with tapping(net, ["features.12"], leaves=True) as taken:
        scores = net(SqueezeNet1_0_Weights.IMAGENET1K_V1.transforms()(photo)[None])
    assert scores.argmax() == breed
    heat = grad_cam(scores, taken["features.12"], [breed])[0, 0]  # (13, 13) of the 224 x 224 in the middle of 256 x 256
    row, column = divmod(int(heat.argmax()), 13)
    x, y = ((224 * (cell + 0.5) / 13 + 16) * 500 / 256 for cell in (column, row))
    left, top, right, bottom = box
    assert left < x < right
    assert top < y < bottom
    assert (right - left) * (bottom - top) < 0.7 * 500**2  # a box that says something


def test_pointing_by_hand():
    mask = torch.zeros(4, 4, dtype=torch.bool)
    mask[0, 2] = True  # a quarter of the upper right cell
    mask[2:, 2:] = True  # all of the lower right one
    upper_right, lower_left = torch.tensor([[0.0, 3.0], [1.0, 2.0]]), torch.tensor([[0.0, 1.0], [3.0, 2.0]])
    maps = torch.stack([upper_right, lower_left])
    hits, chance = pointing_game(maps, mask.expand(2, 4, 4))
    assert hits.tolist() == [True, False]
    assert chance.tolist() == [0.5, 0.5]
    mask[0, 2:] = torch.tensor([False, False])
    hits, chance = pointing_game(maps, mask.expand(2, 4, 4))
    assert hits.tolist() == [False, False]
    assert chance.tolist() == [0.25, 0.25]
    mask[0, 2] = True
    assert pointing_game(upper_right, mask)[0].item() is True  # a single map


def brightness(inputs):
    """A network with two classes that looks at the brightness of the upper left corner of 4 x 4 pixels alone."""
    seen = inputs[..., :4, :4].flatten(1).mean(1)
    return torch.stack([seen, torch.zeros_like(seen)], dim=1)


def sensitivity(classify, inputs, labels, *, black=0.0, **square):
    """How much of its confidence in a label a network loses: (p - p covered) / p, ``(B, h, w)``."""
    before, covered = occluded_confidences(classify, inputs, black=black, **square)
    samples = torch.arange(len(labels))
    before = before[samples, labels][:, None, None]
    return (before - covered[samples, ..., labels]) / before


def test_covering_by_hand():
    """Of nine squares, side 4 and stride 2, the first covers all of the corner; the others half, a quarter, nothing."""
    image = torch.full((1, 3, 8, 8), 2.0)
    found = sensitivity(brightness, image, torch.tensor([0]), side=4, stride=2)
    confidence = lambda seen: torch.sigmoid(torch.tensor(seen))  # noqa: E731
    half, quarter = confidence(1.0) / confidence(2.0), confidence(1.5) / confidence(2.0)
    whole = 0.5 / confidence(2.0)
    expected = 1 - torch.tensor([[whole, half, 1], [half, quarter, 1], [1, 1, 1]])
    torch.testing.assert_close(found, expected[None])
    other = sensitivity(brightness, image, torch.tensor([1]), side=4, stride=2)
    assert other[0, 0, 0] < -1  # surer without
    torch.testing.assert_close(other[0, 2], torch.zeros(3))


def test_black_is_what_the_network_takes_for_black():
    image = torch.full((1, 3, 4, 4), 2.0)
    seen = []
    classify = lambda inputs: (seen.append(inputs.clone()), brightness(inputs))[1]  # noqa: E731
    sensitivity(classify, image, torch.tensor([0]), side=2, stride=2, black=torch.tensor([-1.0, 0.0, 1.0]))
    assert [len(inputs) for inputs in seen] == [1, 4]
    lower_left = seen[1][2]
    assert torch.equal(lower_left[:, 2:, :2], torch.tensor([-1.0, 0.0, 1.0])[:, None, None].expand(3, 2, 2))
    assert torch.equal(lower_left[:, :2], image[0, :, :2])
    assert torch.equal(image, torch.full((1, 3, 4, 4), 2.0))  # left as it was


@pytest.mark.parametrize("batch", [5, 64])
def test_clips_one_by_one_and_square_by_square(batch):
    """The square covers the same pixels in all frames; the last squares end where the image ends."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(2 * 3 * 9 * 7, 5)).eval()
    clips, labels = torch.randn(3, 2, 3, 9, 7), torch.tensor([4, 0, 2])
    found = sensitivity(net, clips, labels, side=4, stride=3, black=0.5, batch=batch)
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


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((5, 8), "leading dimensions of feature_maps must be those of the scores.*tokens"),  # (B, N, C)
        ((3, 3, 16), "channels before their locations.*channels last"),  # (B, h, w, C)
    ],
)
def test_tokens_are_refused_and_can_be_reshaped(batch, shape, message):
    """Samples, or rows of locations, would be taken for channels."""
    tokens = torch.randn(batch, *shape, requires_grad=True)
    places = tuple(range(1, len(shape)))
    scores = tokens.tanh().mean(places)[:, :4]  # (B, 4)
    with pytest.raises(ValueError, match=message):
        grad_cam(scores, tokens)
    maps = tokens.detach().movedim(-1, 1).reshape(batch, shape[-1], -1, shape[-2]).requires_grad_()  # (B, C, h, w)
    found = grad_cam(maps.tanh().mean((2, 3))[:, :4], maps)
    assert found.shape == (batch, 4, *maps.shape[2:])


def test_maps_belong_to_the_samples_in_their_order():
    scores = torch.zeros(2, 3, 4, requires_grad=True) * 2  # (B, T, K)
    for leading in ((2,), (4,), ()):
        with pytest.raises(ValueError, match=r"those of the scores, \(2, 3\), perhaps with more after them"):
            grad_cam(scores, torch.zeros(*leading, 5, 2, 2, requires_grad=True))


@pytest.mark.parametrize("leaves", [False, True])
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_pass_without_gradients_is_named(small, mode, leaves):
    with mode(), tapping(small, ["2"], leaves=leaves) as taken:
        scores = small(torch.randn(1, 3, 8, 8))
    with pytest.raises(ValueError, match="not within no_grad or inference_mode"):
        grad_cam(scores, taken["2"])


def test_wrong_input_of_grad_cam_is_named():
    maps = torch.ones(1, 2, 3, 3, requires_grad=True)
    with pytest.raises(ValueError, match="tap them with leaves=True"):
        grad_cam(maps.mean((2, 3)), maps.detach())
    with pytest.raises(ValueError, match="scores must have gradients with respect to feature_maps"):
        grad_cam(torch.zeros(1, 4), maps)
    with pytest.raises(ValueError, match="take both from one forward pass"):
        grad_cam(torch.ones(1, 4, requires_grad=True) * 2, maps)
    with pytest.raises(ValueError, match=r"weight must be \(K, 2\); got \(4, 3\)"):
        linear_grad_cam(torch.zeros(1, 2, 3, 3), torch.zeros(4, 3))


def test_wrong_input_is_named():
    with pytest.raises(ValueError, match="side must be 1 to 8"):
        sensitivity(brightness, torch.zeros(1, 3, 8, 9), torch.tensor([0]), side=9, stride=1)
    with pytest.raises(ValueError, match=r"got \(3, 8, 8\): a single one needs a B of 1"):
        sensitivity(brightness, torch.zeros(3, 8, 8), torch.tensor([0]), side=2, stride=1)
    with pytest.raises(ValueError, match=r"drops must be \(..., 2, 2\)"):
        occlusion_map(torch.zeros(3, 2), (3, 4), side=2, stride=2)
    with pytest.raises(ValueError, match="same leading dimensions"):
        pointing_game(torch.zeros(2, 3, 3), torch.zeros(3, 9, 9, dtype=torch.bool))
    with pytest.raises(TypeError, match="masks must be bool"):
        pointing_game(torch.zeros(3, 3), torch.zeros(9, 9))
