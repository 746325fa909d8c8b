"""ActionFlowNet: its encoder beside torchvision's r3d_18, classifying beside a plain network, occlusion beside captum.

The targets, printed as ratios because times are noisy: a training step of the 3D-ResNet-18 takes no longer per FLOP
than one of r3d_18, whose feature maps are as large; classifying takes as long as the same network without a decoder;
and occlusion sensitivity is at least 5 times as fast as captum's, whose default is one square at a time. Captum gets
the network as an exported program, which takes about a tenth longer for a pair than the network itself.
"""

import statistics
import time

import pytest
import torch
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from labkit.attribution import occluded_confidences, occlusion_map
from labkit.backbones.resnet3d import ResNet3D
from labkit.papers.action_flow_net import two_frame_network
from labkit.views import RGB

CLASSES, LABEL, SIDE, STRIDE = 101, 3, 8, 4
BLACK = RGB().black.tolist()


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def seconds(run):
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def in_turn(*runs, rounds=5):
    """Median seconds of each, measured in turn: whatever else the machine does slows all alike."""
    for run in runs:
        run()
    times = [[seconds(run) for run in runs] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*times, strict=True)]


class Step:
    """A training step on a clip."""

    def __init__(self, net, clip):
        self.net, self.clip = net.train(), clip
        self.optimizer = torch.optim.Adam(net.parameters(), lr=1e-4)

    def __call__(self):
        self.optimizer.zero_grad()
        nn.functional.cross_entropy(self.net(self.clip), torch.tensor([3])).backward()
        self.optimizer.step()

    @property
    def gflop(self):
        with FlopCounterMode(display=False) as counter:
            self()
        return counter.get_total_flops() / 1e9


@pytest.fixture(scope="module")
def steps():
    """Both networks on frames of which their res2 has 28 x 28 locations: ours pools where r3d_18 does not."""
    torch.manual_seed(0)
    theirs = torchvision.models.video.r3d_18(num_classes=CLASSES)
    return Step(ResNet3D(CLASSES), torch.randn(1, 8, 3, 112, 112)), Step(theirs, torch.randn(1, 3, 8, 56, 56))


@pytest.mark.benchmark(group="one training step on 8 frames, feature maps from 28 x 28 in res2 on")
class TestEncoder:
    def test_labkit_resnet3d_18(self, benchmark, steps):
        ours, theirs = steps
        benchmark.pedantic(ours, rounds=3, warmup_rounds=1)
        own, other = (taken / step.gflop for taken, step in zip(in_turn(ours, theirs), steps, strict=True))
        benchmark.extra_info.update({"GFLOP": ours.gflop, "ms a GFLOP": 1e3 * own, "beside r3d_18": own / other})

    def test_torchvision_r3d_18(self, benchmark, steps):
        benchmark.pedantic(steps[1], rounds=3, warmup_rounds=1)
        benchmark.extra_info["GFLOP"] = steps[1].gflop


@pytest.mark.benchmark(group="classifying 32 pairs of 48 x 48, tiny ActionFlowNet-2F")
def test_labkit_classifies_without_its_decoder(benchmark):
    torch.manual_seed(0)
    net, pairs = two_frame_network(CLASSES, size="tiny").eval(), torch.randn(32, 2, 3, 48, 48)
    with torch.no_grad():
        benchmark.pedantic(net, (pairs,), rounds=5, warmup_rounds=1)
        stacked = pairs.flatten(1, 2)
        whole, plain, decoded = in_turn(
            lambda: net(pairs), lambda: net.encoder(stacked), lambda: net.both(pairs), rounds=15
        )
    benchmark.extra_info.update({"beside a plain network": whole / plain, "with flow": decoded / plain})


class Confidence(nn.Module):
    """The probability of one class, of frames stacked in channels."""

    def __init__(self, net, label):
        super().__init__()
        self.net, self.label = net, label

    def forward(self, stacked):
        return self.net(stacked.unflatten(1, (2, 3))).softmax(1)[:, self.label]


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return two_frame_network(CLASSES, size="tiny").eval()


@pytest.fixture(scope="module")
def pair():
    return torch.randn(1, 2, 3, 48, 48, generator=torch.Generator().manual_seed(0))


def sensitivity(net, pair):
    options = {"side": SIDE, "stride": STRIDE}
    before, covered = occluded_confidences(net, pair, black=torch.tensor(BLACK), **options)
    return occlusion_map(1 - covered[..., LABEL] / before[:, None, None, LABEL], (48, 48), **options)


@pytest.mark.benchmark(group="occlusion sensitivity, 121 squares on a pair of 48 x 48, tiny ActionFlowNet-2F")
class TestOcclusion:
    def test_labkit(self, benchmark, net, pair):
        benchmark.pedantic(sensitivity, (net, pair), rounds=9, warmup_rounds=1)

    def test_captum(self, benchmark, benchmark_peer, peer, net, pair, tmp_path):
        stacked = pair.flatten(1, 2)
        with torch.no_grad():
            confidence = Confidence(net, LABEL).eval()
            before = confidence(stacked).item()
            torch.export.save(torch.export.export(confidence, (stacked,)), tmp_path / "net.pt2")
        arguments = {
            "program": str(tmp_path / "net.pt2"),
            "image": stacked.numpy(),
            "side": SIDE,
            "stride": STRIDE,
            "black": 2 * BLACK,
        }
        theirs = benchmark_peer("occlusion_captum", rounds=9, **arguments)
        ours = sensitivity(net, pair)
        assert abs(theirs[0, 0] / before - ours[0].numpy()).max() < 1e-3
        times = [[seconds(lambda: sensitivity(net, pair)), _timed(peer, arguments)] for _ in range(9)]
        own, other = (statistics.median(column) for column in zip(*times, strict=True))
        benchmark.extra_info["x labkit, in turn"] = other / own


def _timed(peer, arguments):
    before = peer.seconds
    peer("occlusion_captum", **arguments)
    return peer.seconds - before
