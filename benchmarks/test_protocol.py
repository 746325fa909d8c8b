"""Whether anything but the network costs time: testing on 25 x 10 views, training on random ones, extracting codes.

The peer of each is the bare network on random numbers of the same shape, the fastest that is possible.
"""

import pytest
import torch

from labkit import losses, world
from labkit.backbones.codes import FrameCoder, extract_codes
from labkit.papers import two_stream
from labkit.training import Recipe, evaluate, fit, uniform_over_classes
from labkit.views.sampling import equally_spaced

CLASSES = 18


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Puppets in the size of the paper's frames, drawn before the clock runs."""
    clips = world.Actions(size=256, frames=26, groups=3, clips=1, part="test", classes=("guitar", "wave"))
    for clip in clips:
        assert clip.num_frames == 26
    return clips


@pytest.fixture(scope="module")
def small():
    """The training clips of the tiny networks, in memory."""
    return world.Actions(groups=9, clips=1, part="train").prepare(progress=False)


@pytest.mark.benchmark(group="one video, 25 frames x 10 crops, CNN-M-2048")
class TestTesting:
    def test_labkit_evaluate(self, benchmark, clips):
        net, view = two_stream.spatial_network(CLASSES).eval(), two_stream.spatial_view(short_side=None)
        data = clips.subset([0]).map(view.test)
        benchmark.pedantic(evaluate, (net, data), {"batch": 1, "progress": False}, rounds=3, warmup_rounds=1)

    def test_bare_network(self, benchmark, clips):
        net, views = two_stream.spatial_network(CLASSES).eval(), torch.randn(250, 3, 224, 224)

        def forward():
            with torch.no_grad():
                for first in range(0, 250, 64):
                    net(views[first : first + 64]).softmax(1)

        benchmark.pedantic(forward, rounds=3, warmup_rounds=1)


@pytest.mark.benchmark(group="20 training steps of 48, tiny temporal network, ten flow fields")
class TestTraining:
    def test_labkit_fit(self, benchmark, small):
        view = two_stream.temporal_view(crop_size=56, short_side=None, flip=False)
        recipe = Recipe(**{**two_stream.RECIPES["tiny"]["from_scratch"], "steps": 20, "schedule": None})
        order = uniform_over_classes(small.labels)
        train = small.map(view.train)

        def run():
            net = two_stream.temporal_network(CLASSES, size="tiny")
            fit(net, recipe, train, losses.classification_loss, order=order, progress=False)

        benchmark.pedantic(run, rounds=3, warmup_rounds=1)

    def test_bare_network(self, benchmark):
        views, labels = torch.randn(48, 20, 56, 56), torch.arange(48) % CLASSES

        def run():
            net = two_stream.temporal_network(CLASSES, size="tiny")
            optimizer = torch.optim.SGD(net.parameters(), lr=1e-2, momentum=0.9, weight_decay=5e-4)
            for _ in range(20):
                loss, _ = losses.classification_loss(net, (views, labels))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

        benchmark.pedantic(run, rounds=3, warmup_rounds=1)


@pytest.mark.benchmark(group="codes of ten frames, CNN-M-2048")
class TestCodes:
    def test_labkit_extract(self, benchmark, clips):
        coder = FrameCoder(two_stream.spatial_network(CLASSES).eval(), "fc7", size=(224, 224))
        pick = lambda clip: equally_spaced(clip.num_frames, 10)  # noqa: E731
        benchmark.pedantic(
            extract_codes, (clips.subset([0]), coder, pick), {"progress": False}, rounds=3, warmup_rounds=1
        )

    def test_bare_network(self, benchmark):
        net, frames = two_stream.spatial_network(CLASSES).eval(), torch.randn(10, 3, 224, 224)

        def forward():
            with torch.no_grad():
                net.taps(frames)

        benchmark.pedantic(forward, rounds=3, warmup_rounds=1)
