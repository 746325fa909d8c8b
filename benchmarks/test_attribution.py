"""Grad-CAM of all classes beside pytorch-grad-cam and captum, which take a class at a time.

The targets, printed as ratios: at least 30 times as fast as a loop over pytorch-grad-cam by batched gradients, and 100
times in closed form. Peers get the same network of torchvision with the same weights, and run on one thread as ours.
"""

import statistics
import time

import numpy as np
import pytest
import torch
from torchvision.models import resnet18

from labkit.attribution import grad_cam, linear_grad_cam
from labkit.backbones.taps import tap, tapping

CLASSES, SIZE = 101, 112


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return resnet18(num_classes=CLASSES).eval()


@pytest.fixture(scope="module")
def image():
    return torch.randn(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def arguments(net, image, tmp_path):
    torch.save(net.state_dict(), tmp_path / "net.pt")
    return {"weights": str(tmp_path / "net.pt"), "images": image.numpy()}


def by_gradients(net, image):
    with tapping(net, ["layer4"], leaves=True) as taken:
        scores = net(image)
    return grad_cam(scores, taken["layer4"])


@torch.no_grad()
def in_closed_form(net, image):
    return linear_grad_cam(tap(net, image, ["layer4"])["layer4"], net.fc.weight)


def seconds(run, *arguments, rounds=5):
    run(*arguments)
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        run(*arguments)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


@pytest.mark.benchmark(group="Grad-CAM of 101 classes, ResNet-18 on an image of 112 x 112")
class TestAllClasses:
    def test_labkit_gradients(self, benchmark, net, image):
        benchmark.pedantic(by_gradients, (net, image), rounds=9, warmup_rounds=1)

    def test_labkit_closed_form(self, benchmark, net, image):
        benchmark.pedantic(in_closed_form, (net, image), rounds=9, warmup_rounds=1)

    def test_pytorch_grad_cam(self, benchmark, benchmark_peer, net, image, arguments):
        theirs = benchmark_peer("grad_cam_pytorch", rounds=1, **arguments)  # (1, K, 112, 112)
        ours = by_gradients(net, image)[0]
        large = torch.nn.functional.interpolate(ours[None], (SIZE, SIZE), mode="bilinear")[0].flatten(1)
        pairs = [(own, other.ravel()) for own, other in zip(large.numpy(), theirs[0], strict=True) if own.any()]
        alike = [np.corrcoef(*pair)[0, 1] for pair in pairs]  # some classes have nothing in favour anywhere
        assert len(alike) > 50
        assert min(alike) > 0.999  # the same heat maps, but for their scale
        other = benchmark.stats.stats.median
        batched, closed = seconds(by_gradients, net, image), seconds(in_closed_form, net, image)
        benchmark.extra_info.update({"x gradients": other / batched, "x closed form": other / closed})

    def test_captum(self, benchmark_peer, net, image, arguments):
        theirs = benchmark_peer("grad_cam_captum", rounds=1, **arguments)
        np.testing.assert_allclose(in_closed_form(net, image).numpy(), theirs, rtol=1e-3, atol=1e-5)
