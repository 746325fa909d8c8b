"""Full-length video: our LSTM beside torch's, and the memory of a training step on 120 frames.

A training step of AlexNet or GoogLeNet with Conv Pooling at the paper's size, 120 frames, stays below 8 GB (asserted).
The LSTM with peepholes is a plain loop; how many times as long it takes as ``nn.LSTM``, which has none, is printed.
"""

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from labkit.backbones.peephole_lstm import PeepholeLSTM

SIZES = {"lesson": (32, 30, 256, 128, 2), "paper": (16, 30, 1024, 512, 5)}  # clips, frames, inputs, cells, layers

STEP = """
import resource, sys, torch
from labkit.papers import long_video
network = getattr(long_video, sys.argv[1])(487, frames=120).train()
network.chunk_size = int(sys.argv[2]) or None
optimizer = torch.optim.SGD(network.parameters(), lr=1e-5, momentum=0.9, weight_decay=5e-4)
hot = torch.zeros(1, 487, dtype=torch.bool)
hot[0, 0] = True
long_video.loss(network, (torch.randn(1, 120, 3, 220, 220), hot))[0].backward()
optimizer.step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Stack(nn.Module):
    def __init__(self, inputs, cells, layers):
        super().__init__()
        self.layers = nn.ModuleList(PeepholeLSTM(cells if number else inputs, cells) for number in range(layers))

    def forward(self, values):
        for layer in self.layers:
            values, _ = layer(values)
        return values, None


@pytest.mark.benchmark(group="LSTM: a training step", timer=time.process_time)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["labkit, with peepholes", "torch, without"])
def test_lstm(benchmark, kind, size):
    clips, frames, inputs, cells, layers = SIZES[size]
    ours = kind.startswith("labkit")
    network = Stack(inputs, cells, layers) if ours else nn.LSTM(inputs, cells, layers, batch_first=True)
    values = torch.randn(clips, frames, inputs)
    benchmark.pedantic(lambda: network(values)[0].square().mean().backward(), rounds=7, warmup_rounds=1)


@pytest.mark.benchmark(group="memory of a training step at the paper's size, 120 frames of 220 x 220")
@pytest.mark.parametrize(("network", "chunk_size"), [("alexnet", 10), ("alexnet", 0), ("googlenet", 10)])
def test_labkit_memory_of_a_step(benchmark, network, chunk_size):
    def peak():
        """GB of memory that a process of its own takes at most."""
        command = [sys.executable, "-c", STEP, network, str(chunk_size)]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) / 1e9

    benchmark.extra_info["peak, GB"] = benchmark.pedantic(peak, rounds=1)
    if chunk_size:
        assert benchmark.extra_info["peak, GB"] < 8
