import pytest
import torch
import torchvision
from torch import nn

from labkit.backbones.taps import tap, tapping


class Small(nn.Module):
    """In-place layers, a dropout, a layer that runs twice, one that never runs and one that gives two tensors."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.twice = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.5)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.unused = nn.Linear(2, 2)
        self.recurrent = nn.GRU(4, 4, batch_first=True)
        self.head = nn.Linear(4, 5)

    def forward(self, images):
        first = self.drop(self.conv(images))
        first += 1  # in place; a dropout in eval mode hands on the very tensor that it got
        second = self.twice(self.second(self.twice(first)))
        states, _ = self.recurrent(second.flatten(2).mT)
        return self.head(states.mean(dim=1))


@pytest.fixture
def small():
    torch.manual_seed(0)
    return Small().eval()


@pytest.fixture
def images():
    return torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("gradients", [True, False])
def test_what_a_layer_gave_and_not_what_became_of_it_in_place(small, images, gradients):
    with torch.set_grad_enabled(gradients):
        maps = tap(small, images, ["second", "drop", "conv"])
    conv = small.conv(images)
    assert list(maps) == ["second", "drop", "conv"]
    torch.testing.assert_close(maps["conv"], conv)  # before the += 1 and the in-place ReLU
    torch.testing.assert_close(maps["drop"], conv)
    torch.testing.assert_close(maps["second"], small.second((conv + 1).relu()))
    assert maps["conv"].requires_grad == gradients


def test_taps_change_neither_scores_nor_their_gradients(small, images):
    scores = small(images)
    scores[:, 2].sum().backward()
    before = {name: parameter.grad.clone() for name, parameter in small.named_parameters() if "unused" not in name}
    small.zero_grad()
    with tapping(small, ["conv", "drop", "second"]):
        tapped = small(images)
    assert torch.equal(tapped, scores)
    tapped[:, 2].sum().backward()
    assert before.keys() == {name for name, parameter in small.named_parameters() if parameter.grad is not None}
    assert all(torch.equal(small.get_parameter(name).grad, value) for name, value in before.items())


def test_scores_have_gradients_with_respect_to_taps(small, images):
    with tapping(small, ["conv", "second"]) as taken:
        scores = small(images)
    found = torch.autograd.grad(scores[0, 3], [taken["conv"], taken["second"]])

    conv = small.conv(images).detach().requires_grad_()
    second = small.second((conv + 1).relu())
    states, _ = small.recurrent(second.relu().flatten(2).mT)
    expected = torch.autograd.grad(small.head(states.mean(dim=1))[0, 3], [conv, second])
    assert expected[0].any()
    torch.testing.assert_close(found, expected)


def test_a_context_follows_every_pass(small, images):
    with tapping(small, ["conv"]) as taken:
        assert taken == {}
        small(images)
        first = taken["conv"]
        small(images[:1])
        assert taken["conv"].shape == (1, 4, 6, 6)
        assert first.shape == (2, 4, 6, 6)


def test_nothing_is_left_behind(small, images):
    tap(small, images, ["conv", "second"])
    with pytest.raises(RuntimeError, match="expected input"):
        tap(small, images[:, :1], ["conv"])
    with pytest.raises(ValueError, match="runs more often"):
        tap(small, images, ["twice"])
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in small.modules())


def test_one_module_under_two_names():
    conv = nn.Conv2d(1, 1, 1)
    net = nn.Sequential(nn.Sequential(conv), nn.ReLU())
    net.alias = conv
    net.forward = lambda images: net[1](net[0](images))
    maps = tap(net, torch.ones(1, 1, 2, 2), ["0.0", "alias"])
    assert torch.equal(maps["0.0"], maps["alias"])


@pytest.mark.parametrize(
    ("layers", "error", "message"),
    [
        (["convv"], ValueError, r"must be submodules of Small; got 'convv': .* has conv"),
        ([""], ValueError, "must be submodules of Small; got ''"),
        ("conv", TypeError, r"got the string 'conv': pass \['conv'\]"),
        (["conv", "unused"], ValueError, "unused did not"),
        (["twice"], ValueError, "twice runs more often"),
        (["recurrent"], TypeError, "recurrent gives tuple"),
    ],
)
def test_wrong_layers_are_named(small, images, layers, error, message):
    with pytest.raises(error, match=message):
        tap(small, images, layers)


# Table 2.1 of "Exploiting local features from deep networks": side and channels, by torchvision's names.
GOOGLENET = {"maxpool1": (56, 64), "maxpool2": (28, 192), "inception3a": (28, 256), "inception3b": (28, 480)}
GOOGLENET |= {f"inception4{part}": (14, 512) for part in "abc"} | {"inception4d": (14, 528), "inception4e": (14, 832)}
GOOGLENET |= {"inception5a": (7, 832), "inception5b": (7, 1024)}
VGG16 = {f"features.{layer}": (112, 128) for layer in (6, 8)} | {
    f"features.{layer}": (56, 256) for layer in (11, 13, 15)
}
VGG16 |= {f"features.{layer}": (28, 512) for layer in (18, 20, 22)}
VGG16 |= {f"features.{layer}": (14, 512) for layer in (25, 27, 29)}


def test_googlenet_by_hand():
    torch.manual_seed(0)
    net = torchvision.models.googlenet(weights=None, init_weights=False).eval()
    passed = images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        maps = tap(net, images, list(GOOGLENET))
        for name, layer in net.named_children():
            if name not in ("aux1", "aux2"):
                passed = layer(passed)
            if name in GOOGLENET:
                torch.testing.assert_close(maps[name], passed)
            if name == "inception5b":
                break
        with pytest.raises(ValueError, match="aux1 did not: some run in train"):
            tap(net, images, ["aux1"])
    shapes = tap(net.to("meta"), torch.empty(1, 3, 224, 224, device="meta"), list(GOOGLENET))
    for name, (side, channels) in GOOGLENET.items():
        assert shapes[name].shape == (1, channels, side, side)


def test_vgg16_gives_every_layer_of_the_table_at_both_scales():
    with torch.device("meta"):  # shapes only
        net, images = torchvision.models.vgg16(weights=None), torch.empty(1, 3, 224, 224)
        twice = torch.empty(1, 3, 448, 448)
    maps, twice_maps = tap(net, images, list(VGG16)), tap(net, twice, list(VGG16))
    for name, (side, channels) in VGG16.items():
        assert maps[name].shape == (1, channels, side, side)
        assert twice_maps[name].shape == (1, channels, 2 * side, 2 * side)
