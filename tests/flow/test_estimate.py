import pytest
import torch

from labkit.flow.estimate import dis, farneback, tvl1_opencv
from labkit.flow.tvl1 import tvl1
from labkit.metrics import end_point_error

OPENCV = [farneback, dis, tvl1_opencv]
ALL = [*OPENCV, tvl1]


@pytest.fixture(scope="module")
def image():
    """A smooth random image, (1, 100, 120) from 0 to 1."""
    noise = torch.rand(1, 116, 136, generator=torch.Generator().manual_seed(0))
    for _ in range(2):
        noise = torch.nn.functional.avg_pool2d(noise, 9, 1)
    return (noise - noise.min()) / (noise.max() - noise.min())


def cut(image, left, top, height=70, width=84):
    return image[..., top : top + height, left : left + width]


@pytest.mark.parametrize("estimator", ALL)
@pytest.mark.parametrize(("dx", "dy"), [(0, 3), (-3, 1)])
def test_right_and_down_are_positive(image, estimator, dx, dy):
    # The crop moves left and up, so what it shows moves right and down.
    first, second = cut(image, 12, 12), cut(image, 12 - dx, 12 - dy)
    truth = torch.tensor([dx, dy], dtype=torch.float32).reshape(2, 1, 1).expand(2, 70, 84)
    inside = torch.zeros(70, 84, dtype=torch.bool)
    inside[10:-10, 10:-10] = True
    flow = estimator(first, second)
    assert flow.dtype == torch.float32
    assert end_point_error(flow, truth, inside) < 0.15


def test_ours_agrees_with_opencvs_tvl1_on_an_expanding_image(image):
    y, x = torch.meshgrid(torch.linspace(-1, 1, 70), torch.linspace(-1, 1, 84), indexing="ij")
    full = torch.stack((x, y), dim=-1)[None]
    first, second = (
        torch.nn.functional.grid_sample(image[None], full * scale, mode="bicubic", align_corners=True)[0].clamp(0, 1)
        for scale in (0.72, 0.70)
    )
    truth = torch.stack((x * 83 / 2, y * 69 / 2)) * (0.72 / 0.70 - 1)  # what was at 0.72 x is now at 0.70 x
    assert end_point_error(torch.zeros_like(truth), truth) > 0.5
    theirs = end_point_error(tvl1_opencv(first, second), truth)
    assert theirs < 0.2
    assert end_point_error(tvl1(first, second), truth) < 1.2 * theirs


@pytest.mark.parametrize("estimator", OPENCV)
def test_in_a_batch_as_alone(image, estimator):
    clip = torch.stack([cut(image, 12 - shift, 12, 40, 44) for shift in (0, 1, 3)])  # (3, 1, 40, 44)
    together = estimator(clip[None, :-1], clip[None, 1:])
    assert together.shape == (1, 2, 2, 40, 44)
    for index, flow in enumerate(together[0]):
        assert torch.equal(flow, estimator(clip[index], clip[index + 1]))


@pytest.mark.parametrize("estimator", OPENCV)
def test_grey_and_eight_bits_make_no_difference(image, estimator):
    first, second = ((cut(image, left, 12, 40, 44) * 255).round().byte() for left in (12, 11))
    flow = estimator(first, second)
    assert flow.abs().max() > 0.5
    assert torch.equal(flow, estimator(first.float() / 255, second.float() / 255))
    assert torch.equal(flow, estimator(first.expand(3, -1, -1), second.expand(3, -1, -1)))


@pytest.mark.parametrize("estimator", OPENCV)
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (31, 100)])
def test_any_size(image, estimator, size):
    image = image.repeat(1, 1, 3)[..., : size[0], : size[1]]
    if estimator is not farneback:  # which sees motion at the edges of very small images
        assert estimator(image, image).abs().max() < 1e-3
    other = image.roll(1, -1)
    assert estimator(image[None][:0], other[None][:0]).shape == (0, 2, *size)
    assert estimator(image, other).isfinite().all()


def test_a_small_image_does_not_change_the_next(image):
    first, second = cut(image, 12, 12), cut(image, 9, 12)
    alone = tvl1_opencv(first, second)
    tvl1_opencv(first[..., :10, :10], second[..., :10, :10])
    assert torch.equal(alone, tvl1_opencv(first, second))


@pytest.mark.parametrize("estimator", OPENCV)
def test_wrong_images_are_named(image, estimator):
    with pytest.raises(ValueError, match="divide by 255"):
        estimator(image, image * 255)
