"""Features of every layer: in one forward pass, beside a pass for each layer; and the memory that many images take."""

import subprocess
import sys

import pytest
import torch

from labkit.papers.conv_vlad import googlenet_tiny, local_features

IMAGES = 16
MEMORY = """
import resource, sys, torch
from labkit.papers.conv_vlad import ConvFeatures, encode, googlenet_tiny, sample_features, vlad_encoding

class Photos:
    def __len__(self):
        return int(sys.argv[1])

    def __getitem__(self, index):
        return torch.randint(0, 256, (3, 96, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(index))

trunk, extract = googlenet_tiny(), ConvFeatures(googlenet_tiny(), progress=False)
sample_features(extract, Photos(), most=1000)
encodings = {layer: (layer, vlad_encoding(torch.rand(10, d))) for layer, (_, d) in trunk.sizes().items()}
found = encode(extract, Photos(), encodings)
mine = sum(part.nbytes for part in found.values())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - mine)
"""


@pytest.fixture(scope="module")
def images():
    return list(torch.randint(0, 256, (IMAGES, 3, 96, 96), dtype=torch.uint8))


@pytest.mark.benchmark(group=f"local features of 11 layers, {IMAGES} photos, tiny GoogLeNet")
class TestLayers:
    def test_labkit_one_pass(self, benchmark, images):
        benchmark.pedantic(local_features, (googlenet_tiny(), images), rounds=3, warmup_rounds=1)

    def test_a_pass_for_each_layer(self, benchmark, images):
        trunk = googlenet_tiny()
        together = local_features(trunk, images)

        def run():
            return {layer: local_features(trunk, images, [layer])[layer] for layer in trunk.layers}

        apart = benchmark.pedantic(run, rounds=3, warmup_rounds=1)
        assert all(torch.equal(apart[layer], together[layer]) for layer in trunk.layers)


@pytest.mark.benchmark(group="sampling and encoding 11 layers of 64 photos; memory of 64 and of 512")
def test_labkit_memory(benchmark):
    def peak(count):
        done = subprocess.run([sys.executable, "-c", MEMORY, str(count)], capture_output=True, text=True, check=True)
        return int(done.stdout) / 1e6

    few, many = benchmark.pedantic(peak, (64,), rounds=1), peak(512)
    benchmark.extra_info.update({"peak of 64, MB": few, "peak of 512, MB": many})
    assert many < few + 80  # the features of 448 images would be 700 MB
