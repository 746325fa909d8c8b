"""A photo of the learner's own, as a network from ImageNet sees it."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from labkit.data import PhotoError
from labkit.studies import own_photo
from labkit.studies.own_photo import fitted, recognise


class Bright(nn.Sequential):
    """A network of a thousand classes: class 3 is how bright an image is, and all others are equally unlikely."""

    def __init__(self):
        super().__init__()
        self.head, self.avgpool, self.flatten = nn.Conv2d(3, 1, 32, stride=32), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        self.fc = nn.Linear(1, 1000)
        for layer, weight in ((self.head, 1 / 3 / 32**2), (self.fc, 0.0)):
            nn.init.constant_(layer.weight, weight)
            nn.init.zeros_(layer.bias)
        with torch.no_grad():
            self.fc.weight[3] = 8.0


@pytest.fixture
def _bright(monkeypatch):
    monkeypatch.setattr(own_photo, "efficientnet_lite0", lambda: Bright().eval())


@pytest.mark.usefixtures("_bright")
def test_classes_come_by_probability_with_their_attention_maps(tmp_path):
    levels = np.full((64, 88, 3), 127, np.uint8)
    levels[:, 44:] = 255  # the right half is bright
    Image.fromarray(levels).save(tmp_path / "half.png")
    shown = recognise(str(tmp_path / "half.png"), count=2)
    assert shown.image.shape == (3, 224, 320)  # 308 is no multiple of 32
    assert shown.classes[0] == "tiger shark"  # number 3 of ImageNet
    assert shown.probabilities[0] == pytest.approx(np.exp(4) / (np.exp(4) + 999), rel=0.05)  # mean 0.5
    assert shown.maps.shape == (2, 7, 10)
    assert (shown.maps[0, :, :4] < 1e-3).all()
    torch.testing.assert_close(shown.maps[0, :, 6:], torch.full((7, 4), 8.0 / 70), rtol=1e-3, atol=1e-3)


@pytest.mark.usefixtures("_bright")
def test_without_a_path_it_is_a_photo_that_is_there():
    assert recognise().image.shape == (3, 224, 320)  # 427 x 640


def test_no_photo_is_an_error(tmp_path):
    with pytest.raises(PhotoError, match="no such file"):
        recognise(str(tmp_path / "none.jpg"))


def test_a_high_photo_is_high():
    assert fitted(torch.zeros(3, 640, 480, dtype=torch.uint8)).shape == (3, 288, 224)  # 299 is nearer to 288
