"""A TDN on several snippets: its backbone once for each, beside once for each pair that a snippet belongs to."""

import time

import pytest
import torch

from labkit.papers.temporal_difference import segmental_consensus, tdn

SNIPPETS = 7


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return tdn(18, size="tiny").eval()


@pytest.fixture(scope="module")
def clips():
    return torch.randn(8, SNIPPETS, 3, 56, 56)


def pair_by_pair(model, clips):
    """Scores of the difference subnetwork, each pair of neighbours by itself."""
    pairs = [clips[:, i : i + 2] for i in range(SNIPPETS - 1)]
    return segmental_consensus(torch.stack([model(pair)[:, 1] for pair in pairs], dim=1))


@pytest.mark.benchmark(
    group=f"a tiny TDN on 8 clips of {SNIPPETS} snippets, {SNIPPETS - 1} pairs each, one step of training",
    timer=time.process_time,
)
class TestBackbone:
    def test_labkit_once_for_each_snippet(self, benchmark, model, clips):
        seen = []
        hook = model.image.conv1.register_forward_hook(lambda layer, inputs, output: seen.append(len(inputs[0])))
        benchmark.pedantic(lambda: model(clips)[:, 1].sum().backward(), rounds=5, warmup_rounds=1)
        hook.remove()
        benchmark.extra_info["snippets through the backbone"] = seen[0]
        assert set(seen) == {8 * SNIPPETS}

    def test_once_for_each_pair(self, benchmark, model, clips):
        benchmark.pedantic(lambda: pair_by_pair(model, clips).sum().backward(), rounds=5, warmup_rounds=1)
        benchmark.extra_info["snippets through the backbone"] = 8 * 2 * (SNIPPETS - 1)
        with torch.no_grad():
            torch.testing.assert_close(pair_by_pair(model, clips), model(clips)[:, 1], atol=1e-4, rtol=1e-4)
