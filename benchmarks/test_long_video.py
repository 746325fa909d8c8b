"""Full-length video: our LSTM beside torch's, a trunk once over all frames beside frame by frame, and memory.

The targets: a training step of the LSTM with peepholes takes at most 1.5 times that of ``nn.LSTM``, which has none,
both of the paper's size and on one thread (a ratio, printed, for times are noisy); a training step of AlexNet with Conv
Pooling at the paper's size, 120 frames, stays below 8 GB; and a video of 300 frames takes no more memory than one of 60
(both asserted).
"""

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from labkit.backbones.peephole_lstm import PeepholeLSTM
from labkit.papers.long_video import alexnet_tiny

BATCH, FRAMES, INPUTS, CELLS, LAYERS = 16, 30, 1024, 512, 5

STEP = """
import resource, sys, torch
from labkit.papers.long_video import alexnet_paper, googlenet_paper, loss
net = {"alexnet": alexnet_paper, "googlenet": googlenet_paper}[sys.argv[1]](chunk=int(sys.argv[2]) or None).train()
optimizer = torch.optim.SGD(net.parameters(), lr=1e-5, momentum=0.9, weight_decay=5e-4)
hot = torch.zeros(1, 487, dtype=torch.bool)
hot[0, 0] = True
loss(net, (torch.randn(1, 120, 3, 220, 220), hot))[0].backward()
optimizer.step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""
STREAM = """
import resource, sys, torch
from labkit.papers.long_video import alexnet_paper
net = alexnet_paper(chunk=None).eval()
net.stream(torch.randn(1, 10, 3, 220, 220) for _ in range(int(sys.argv[1]) // 10))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def peak(script, *arguments):
    """GB of memory that a process of its own takes at most."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) / 1e9


class Stack(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(PeepholeLSTM(CELLS if number else INPUTS, CELLS) for number in range(LAYERS))

    def forward(self, values):
        for layer in self.layers:
            values, _ = layer(values)
        return values, None


@pytest.mark.benchmark(
    group=f"LSTM, {LAYERS} x {CELLS} cells, {BATCH} clips of {FRAMES} frames: a training step", timer=time.process_time
)
class TestLSTM:
    def measure(self, benchmark, net):
        inputs = torch.randn(BATCH, FRAMES, INPUTS)

        def step():
            net(inputs)[0].square().mean().backward()

        benchmark.pedantic(step, rounds=7, warmup_rounds=1)

    def test_labkit_with_peepholes(self, benchmark):
        self.measure(benchmark, Stack())

    def test_torch_without(self, benchmark):
        self.measure(benchmark, nn.LSTM(INPUTS, CELLS, LAYERS, batch_first=True))


@pytest.mark.benchmark(group="tiny AlexNet, Conv Pooling of 120 frames", timer=time.process_time)
class TestTrunk:
    def test_labkit_one_batch(self, benchmark):
        net, frames = alexnet_tiny(12, frames=120).eval(), torch.randn(1, 120, 3, 56, 56)
        with torch.no_grad():
            benchmark.pedantic(net, (frames,), rounds=5, warmup_rounds=1)

    def test_frame_by_frame(self, benchmark):
        net, frames = alexnet_tiny(12, frames=120).eval(), torch.randn(1, 120, 3, 56, 56)
        with torch.no_grad():
            found = benchmark.pedantic(lambda: net.stream(frames.split(1, 1)), rounds=5, warmup_rounds=1)
            torch.testing.assert_close(found, net(frames), atol=1e-5, rtol=1e-4)


@pytest.mark.benchmark(group="memory of a training step at the paper's size, 120 frames of 220 x 220")
@pytest.mark.parametrize(("net", "chunk"), [("alexnet", 20), ("alexnet", 0), ("googlenet", 10)])
def test_labkit_memory_of_a_step(benchmark, net, chunk):
    benchmark.extra_info["peak, GB"] = benchmark.pedantic(peak, (STEP, net, chunk), rounds=1)
    if chunk:
        assert benchmark.extra_info["peak, GB"] < 8


@pytest.mark.benchmark(group="memory of AlexNet on a whole video of 300 frames, and of 60")
def test_labkit_memory_of_a_video(benchmark):
    many, few = benchmark.pedantic(peak, (STREAM, 300), rounds=1), peak(STREAM, 60)
    benchmark.extra_info.update({"peak of 300, GB": many, "peak of 60, GB": few})
    assert many < few + 0.05
