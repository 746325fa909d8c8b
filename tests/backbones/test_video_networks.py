"""S3D and MViT: with the paper's numbers they are torchvision's, and small ones learn from small clips."""

import pytest
import torch
from torchvision.models import video

from labkit.backbones import video_networks


def sizes(network):
    return [tuple(value.shape) for value in network.state_dict().values()]


def test_with_all_channels_s3d_is_torchvisions():
    """Its own means over 2 x 7 x 7 locations are those over all of them, of 16 frames of 224 pixels."""
    torch.manual_seed(0)
    ours, theirs = video_networks.s3d(5, divisor=1).eval(), video.s3d(num_classes=5).eval()
    theirs.load_state_dict(ours.network.state_dict())
    clip = torch.randn(1, 8, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours.network.features(clip.movedim(1, 2)), theirs.features(clip.movedim(1, 2)))
        theirs.avgpool = torch.nn.AdaptiveAvgPool3d(1)
        torch.testing.assert_close(ours(clip), theirs(clip.movedim(1, 2)))
    with torch.device("meta"):
        assert theirs.to("meta").features(torch.empty(1, 3, 16, 224, 224)).shape == (1, 1024, 2, 7, 7)


def test_with_all_blocks_mvit_is_torchvisions():
    with torch.device("meta"):
        ours, theirs = video_networks.mvit(400, frames=16, size=224, paper=True), video.mvit_v2_s()
    assert sizes(ours.network) == sizes(theirs)
    assert str(ours.network) == str(theirs)  # strides and dropped blocks are in no parameter


SMALL = {"s3d": (video_networks.s3d, 0.50), "mvit": (video_networks.mvit, 0.83)}


@pytest.mark.parametrize("name", SMALL)
def test_the_small_ones_have_about_as_many_parameters_as_the_lab_s_other_networks(name):
    build, millions = SMALL[name]
    assert sum(parameter.numel() for parameter in build(18).parameters()) / 1e6 == pytest.approx(millions, abs=0.01)


@pytest.mark.parametrize("name", SMALL)
def test_a_small_clip_gets_logits_and_time_matters(name):
    torch.manual_seed(0)
    network = SMALL[name][0](7)  # normalises by its batches: with its initial means all feature maps would be small
    clip = torch.randn(2, 8, 3, 48, 48)
    logits = []
    for frames in (clip, clip, clip.flip(1)):
        torch.manual_seed(1)  # of dropout
        with torch.no_grad():
            logits.append(network(frames))
    assert logits[0].shape == (2, 7)
    assert (logits[0] - logits[1]).abs().max() < 1e-5
    assert (logits[0] - logits[2]).abs().max() > 1e-3
    with pytest.raises(ValueError, match="clips must be"):
        network(clip.movedim(1, 2))


def test_s3d_learns_the_means_of_its_feature_maps_within_some_steps():
    rates = {layer.momentum for layer in video_networks.s3d(3).modules() if isinstance(layer, torch.nn.BatchNorm3d)}
    assert rates == {0.1}
