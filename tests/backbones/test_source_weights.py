"""The small weights that come with the lab are what their card says."""

import importlib
from functools import partial
from pathlib import Path

import pytest
import torch

from labkit import metrics, world
from labkit.backbones import card, load_weights, source_weights
from labkit.backbones.googlenet import googlenet_tiny
from labkit.backbones.resnet import resnet_tiny
from labkit.backbones.weights import strides
from labkit.papers import long_video, two_stream
from labkit.training import evaluate

NETS = {
    "cnn_m": partial(two_stream.spatial_network, size="tiny"),
    "googlenet": googlenet_tiny,
    "resnet": resnet_tiny,
    "alexnet": partial(long_video.alexnet, size="tiny"),
}


@pytest.mark.parametrize("name", NETS)
def test_the_accuracy_on_the_card_is_measured_again(name):
    facts = card(source_weights(name))
    net = NETS[name](len(facts["classes"]))
    assert load_weights(net, source_weights(name)) == facts
    assert (facts["size"], facts["strides"]) == (56, strides(net))
    assert source_weights(name).stat().st_size < 4e6
    assert facts["world"] == world.VERSION, "the world has changed: run data_scripts/train_source.py"
    stills = world.Source(seed=facts["seed"], part="test", groups=180)
    assert stills.classes == tuple(facts["classes"])
    assert str(len(stills)) in facts["measured"]
    few = torch.arange(0, len(stills), 12)  # 120 stills, whose accuracy, of the centre crop, is within 6 points of all
    view = two_stream.spatial_view(crop_size=56, short_side=None)
    scores = evaluate(net, stills.subset(few).map(lambda clip: view.test(clip, 1, centre_only=True)), progress=False)
    assert metrics.accuracy(scores.videos, scores.labels) == pytest.approx(facts["accuracy"], abs=0.06)


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "data_scripts"))
    return importlib.import_module("train_source")


@pytest.mark.parametrize("name", NETS)
def test_the_script_trains_with_the_recipe_of_the_card(script, name):
    facts = card(source_weights(name))
    assert str(script.recipe_of(name, script.STEPS[name], facts["seed"])) == facts["recipe"]


def test_the_script_trains_saves_and_measures(script, monkeypatch, tmp_path):
    assert (script.GROUPS, list(script.NETS)) == (180, list(NETS))
    monkeypatch.setattr(script, "GROUPS", 3)
    script.main(["alexnet", "--seed", "1000", "--steps", "4", "--out", str(tmp_path / "few.safetensors")])
    few, facts = card(tmp_path / "few.safetensors"), card(source_weights("alexnet"))
    assert load_weights(NETS["alexnet"](len(facts["classes"])), tmp_path / "few.safetensors") == few
    assert few.keys() == facts.keys()
    assert few["classes"] == facts["classes"]
    assert few["data"] == "labkit.world.Source(seed=1000, groups=3), split 1"
    assert few["measured"].endswith("of 24 stills of the test groups")
