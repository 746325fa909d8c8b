import pytest
import torch
from torchvision.models import video

from labkit.backbones import video_nets


def sizes(net):
    return {name: tuple(value.shape) for name, value in net.state_dict().items()}


@pytest.mark.parametrize("name", ["r3d_18", "s3d", "mvit_v2_s"])
def test_sizes_are_torchvisions(name):
    with torch.device("meta"):
        ours, theirs = getattr(video_nets, name)(400), getattr(video, name)()
    assert sizes(ours.network) == sizes(theirs)
    if name == "mvit_v2_s":  # what no parameter shows
        for mine, other in zip(ours.network.blocks, theirs.blocks, strict=True):
            assert str(mine) == str(other)


def test_the_means_over_all_places_are_s3ds_own_window():
    torch.manual_seed(0)
    ours, theirs = video_nets.s3d(5).eval(), video.s3d(num_classes=5).eval()
    theirs.load_state_dict(ours.network.state_dict())
    clip = torch.randn(1, 16, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(ours(clip), theirs(clip.movedim(1, 2)))


@pytest.mark.parametrize(
    "build",
    [video_nets.r3d_18, video_nets.s3d, lambda classes: video_nets.mvit_v2_s(classes, frames=8, size=48)],
    ids=["r3d_18", "s3d", "mvit_v2_s"],
)
def test_a_small_clip_is_named_and_time_matters(build):
    torch.manual_seed(0)
    net = build(7)  # normalises by its batches: what it begins with would make all maps small
    clip = torch.randn(2, 8, 3, 48, 48)
    said = []
    for frames in (clip, clip, clip.flip(1)):
        torch.manual_seed(1)  # of dropout
        with torch.no_grad():
            said.append(net(frames))
    assert said[0].shape == (2, 7)
    assert (said[0] - said[1]).abs().max() < 1e-5
    assert (said[0] - said[2]).abs().max() > 1e-2
    with pytest.raises(ValueError, match="clips must be"):
        net(clip.movedim(1, 2))


def test_s3d_learns_the_means_of_its_maps_within_some_steps():
    rates = {layer.momentum for layer in video_nets.s3d(3).modules() if isinstance(layer, torch.nn.BatchNorm3d)}
    assert rates == {0.1}
