"""Features of every layer: in one forward pass, beside a pass for each layer; and the memory that many images take."""

import subprocess
import sys

import pytest
import torch

from labkit.papers.conv_vlad import googlenet

IMAGES = 16
MEMORY = """
import resource, sys, torch
from functools import partial
from labkit.papers.conv_vlad import conv_features, descriptors, encode, googlenet, sample_features
from labkit.vlad import vlad

class Photos:
    def __len__(self):
        return int(sys.argv[1])

    def __getitem__(self, index):
        return torch.randint(0, 256, (3, 96, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(index))

backbone = googlenet("tiny", input_size=112)
extract = partial(conv_features, backbone, scales=(1,))
sample_features(extract, Photos(), max_features=1000)
words = {layer: torch.rand(10, d) for layer, (_, d) in backbone.sizes().items()}
encodings = {layer: ((layer, 1), lambda x, w=w: descriptors(vlad(x, w))) for layer, w in words.items()}
mine = sum(rows.nbytes for rows in encode(extract(Photos()), encodings).values())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - mine)
"""


@pytest.fixture(scope="module")
def images():
    return list(torch.randint(0, 256, (IMAGES, 3, 96, 96), dtype=torch.uint8))


@pytest.mark.benchmark(group=f"local features of 11 layers, {IMAGES} photos, tiny GoogLeNet")
class TestLayers:
    def test_labkit_one_pass(self, benchmark, images):
        benchmark.pedantic(googlenet("tiny", input_size=112), (images,), rounds=3, warmup_rounds=1)

    def test_a_pass_for_each_layer(self, benchmark, images):
        backbone = googlenet("tiny", input_size=112)
        together = backbone(images)

        def run():
            return {layer: backbone(images, [layer])[layer] for layer in backbone.layers}

        apart = benchmark.pedantic(run, rounds=3, warmup_rounds=1)
        assert all(torch.equal(apart[layer], together[layer]) for layer in backbone.layers)


@pytest.mark.benchmark(group="sampling and encoding 11 layers of 64 photos; memory of 64 and of 512")
def test_labkit_memory(benchmark):
    def peak(count):
        done = subprocess.run([sys.executable, "-c", MEMORY, str(count)], capture_output=True, text=True, check=True)
        return int(done.stdout) / 1e6

    few, many = benchmark.pedantic(peak, (64,), rounds=1), peak(512)
    benchmark.extra_info.update({"peak of 64, MB": few, "peak of 512, MB": many})
    assert many < few + 80  # the features of 448 images would be 700 MB
