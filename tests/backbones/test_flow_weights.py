"""The tiny FlowNets that come with the lab are what their card says."""

import importlib
from pathlib import Path

import pytest

from labkit import world
from labkit.backbones import card, load_weights, source_weights
from labkit.backbones.weights import SOURCE_FOLDER, strides

NAMES = {"flownet.target": "target", "flownet.chairs": "chairs", "flownet_multi.target": "target_multi"}
FILES = sorted(
    (NAMES[path.name.rsplit(".", 2)[0]], int(path.name.split(".")[2])) for path in SOURCE_FOLDER.glob("flownet*")
)


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "data_scripts"))
    return importlib.import_module("train_flow")


def loaded(script, name, number):
    net = script.NETS[name]
    path = source_weights(net.weights, number, source=net.source)
    network = net.build()
    load_weights(network, path, skip=("encoder.fc",))  # any number of classes
    return net, network.eval(), card(path)


@pytest.mark.parametrize(("name", "number"), FILES)
def test_a_file_is_what_its_card_says(script, name, number):
    net, network, facts = loaded(script, name, number)
    assert facts["world"] == world.VERSION, "the world has changed: run data_scripts/train_flow.py"
    assert facts["seed"] == script.SEED + script.WORLDS * number
    assert str(script.recipe_of(net.steps, facts["seed"])) == facts["recipe"]
    assert (facts["size"], facts["strides"]) == (net.view.crop_size, strides(network))
    assert facts["epe"] < 0.75 * facts["epe_zero"]
    most = {"target": 0.5, "target_multi": 0.5, "chairs": 1.0}[name]
    assert facts["puppet_epe"] <= most * facts["puppet_epe_zero"], "it knows how puppets move"


def test_there_is_a_file_of_each_kind():
    assert {name for name, _ in FILES} == set(NAMES.values())


@pytest.mark.parametrize("name", ["target", "chairs", "target_multi"])
def test_the_errors_on_the_card_are_measured_again(script, monkeypatch, name):
    net, network, facts = loaded(script, name, 0)
    clips = script.clips_of(name, facts["seed"])[1]
    assert str(len(clips)) in facts["measured"]
    errors = script.errors_of(network, clips.subset(range(0, len(clips), 12)), net.view)
    assert float(errors.estimate.mean()) == pytest.approx(facts["epe"], rel=0.25)
    puppets = script.puppets()
    monkeypatch.setattr(script, "puppets", lambda: puppets.subset(range(0, len(puppets), 4)))
    inside, zero = script.errors_on_puppets(network, net.view)
    assert inside == pytest.approx(facts["puppet_epe"], rel=0.25)
    assert zero == pytest.approx(facts["puppet_epe_zero"], rel=0.25)


def test_networks_of_two_frames_see_as_many_pairs_and_those_of_eight_fewer_clips(script):
    assert {name: 16 * net.steps for name, net in script.NETS.items()} == {
        "target": 240_000,
        "chairs": 240_000,
        "target_multi": 112_000,
    }


def test_the_rate_rises_and_falls(script):
    factors = [script.rise_and_fall(step, 100) for step in range(100)]
    assert factors[:3] == pytest.approx([0.1, 0.2, 0.3])
    assert max(factors) == factors[9] == factors[10] == 1
    assert factors[55] == pytest.approx(0.5)
    assert factors[99] < 0.001


def test_the_script_trains_saves_and_measures(script, monkeypatch, tmp_path, capsys):
    def few(part, seed=1001):
        return world.Actions(seed=seed, part=part, groups=3, clips=1, classes=("wave", "ski"))

    monkeypatch.setattr(script, "clips_of", lambda net, seed: ([few("train"), few("train", 1002)], few("test")))
    monkeypatch.setattr(script, "puppets", lambda: few("test"))
    script.main(["target", "--number", "1", "--steps", "4", "--out", str(tmp_path / "net.safetensors")])
    facts = card(tmp_path / "net.safetensors")
    assert facts.keys() == card(source_weights("flownet", source="target")).keys()
    assert f"EPE {facts['epe']} pixels" in capsys.readouterr().out
    assert facts["data"] == "labkit.world.Actions(seed=1013), labkit.world.Actions(seed=1014)"
    net = script.NETS["target"].build()
    load_weights(net, tmp_path / "net.safetensors")
    again = script.errors_of(net.eval(), few("test"), script.NETS["target"].view)
    assert float(again.estimate.mean()) == pytest.approx(facts["epe"], abs=1e-4)
    assert script.errors_on_puppets(net, script.NETS["target"].view)[0] == pytest.approx(facts["puppet_epe"], abs=1e-3)
