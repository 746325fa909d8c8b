"""A version of the world always draws the same: the cache, trained weights and records rely on it."""

import pytest
import torch

from labkit import world

MEANS = {
    "Actions": [154.151, 149.521, 128.53],
    "SecondActions": [171.151, 145.555, 124.983],
    "Interactions": [188.531, 184.895, 186.38],
    "LongClips": [152.729, 162.253, 159.425],
    "Stills": [168.561, 161.874, 154.933],
    "Source": [146.855, 124.315, 99.66],
    "Places": [110.95, 107.034, 99.7],
    "FlowPairs": [139.995, 137.959, 125.06],
    "Things": [166.989, 168.467, 105.961],
}
SETTINGS = {"LongClips": {"groups": 3}, "FlowPairs": {"number": 5}, "Places": {"instances": 11, "distractors": 3}}


def mean_colours(name):
    """The mean red, green and blue of three clips of a set, on a scale to 255."""
    clips = getattr(world, name)(seed=1000, size=48, **SETTINGS.get(name, {"groups": 3}))
    chosen = [clips[index].rendering.frames for index in (0, len(clips) // 2, len(clips) - 1)]
    return torch.cat(chosen).float().mean((0, 2, 3))


@pytest.mark.parametrize("name", MEANS)
def test_the_same_seed_draws_the_same_images_as_ever(name, monkeypatch):
    monkeypatch.setenv("LABKIT_CACHE", "off")
    assert world.VERSION == 2
    torch.testing.assert_close(
        mean_colours(name),
        torch.tensor(MEANS[name]),
        rtol=0,
        atol=0.02,
        msg=lambda text: f"{text}\nThe drawings have changed: raise world.VERSION, and write the new means here",
    )
