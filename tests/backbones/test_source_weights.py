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
from labkit.backbones.weights import SOURCE_FOLDER, strides
from labkit.papers import long_video, two_stream
from labkit.training import evaluate

NETS = {
    "cnn_m": partial(two_stream.spatial_network, size="tiny"),
    "googlenet": googlenet_tiny,
    "resnet": resnet_tiny,
    "alexnet": partial(long_video.alexnet, size="tiny"),
}
FILES = sorted(path.name.split(".")[:3] for path in SOURCE_FOLDER.glob("*.safetensors") if "flownet" not in path.name)
SETS = {"things": world.Things, "postures": world.Source}


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "data_scripts"))
    return importlib.import_module("train_source")


def test_every_network_has_learned_things_and_some_postures():
    learned = {source: {name for name, of, _ in FILES if of == source} for source in SETS}
    assert learned == {"things": set(NETS), "postures": {"cnn_m", "resnet"}}


@pytest.mark.parametrize(("name", "source", "number"), FILES)
def test_a_file_is_what_its_card_says(script, name, source, number):
    number = int(number)
    path = source_weights(name, number, source=source)
    facts = card(path)
    net = NETS[name](len(facts["classes"]))
    assert load_weights(net, path) == facts
    assert (facts["size"], facts["strides"]) == (56, strides(net))
    assert facts["world"] == world.VERSION, "the world has changed: run data_scripts/train_source.py"
    assert facts["seed"] == script.SEED + number
    assert facts["classes"] == list(SETS[source](groups=3).classes)
    assert str(script.recipe_of(name, script.STEPS[name], facts["seed"])) == facts["recipe"]
    assert facts["accuracy"] > {"things": 0.5, "postures": 0.8}[source]


@pytest.mark.parametrize("name", NETS)
def test_the_accuracy_on_the_card_is_measured_again(script, name):
    facts = card(source_weights(name))
    net = NETS[name](len(facts["classes"]))
    load_weights(net, source_weights(name))
    stills = world.Things(seed=facts["seed"], part="test", groups=script.GROUPS["things"])
    assert f"{-(-len(stills) // 3)} stills" in facts["measured"]
    few = torch.arange(0, len(stills), 21)  # 155 stills, whose accuracy, of the centre crop, is within 9 points of all
    view = two_stream.spatial_view(crop_size=56, short_side=None)
    scores = evaluate(net, stills.subset(few).map(lambda clip: view.test(clip, 1, centre_only=True)), progress=False)
    assert metrics.accuracy(scores.videos, scores.labels) == pytest.approx(facts["accuracy"], abs=0.09)


def test_all_files_together_are_small():
    assert sum(path.stat().st_size for path in SOURCE_FOLDER.iterdir()) <= 15e6


def test_the_script_trains_saves_and_measures(script, monkeypatch, tmp_path):
    assert (script.GROUPS, list(script.NETS)) == ({"things": 180, "postures": 180}, list(NETS))
    monkeypatch.setitem(script.GROUPS, "things", 3)
    script.main(["alexnet", "--number", "1", "--steps", "4", "--out", str(tmp_path / "few.safetensors")])
    few, facts = card(tmp_path / "few.safetensors"), card(source_weights("alexnet"))
    assert load_weights(NETS["alexnet"](len(facts["classes"])), tmp_path / "few.safetensors") == few
    assert few.keys() == facts.keys()
    assert few["classes"] == facts["classes"]
    assert few["data"] == "labkit.world.Things(seed=1001, groups=3), split 1"
    assert few["measured"] == "ten crops of 18 stills, every third of the test groups"
