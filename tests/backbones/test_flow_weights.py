"""The tiny FlowNets that come with the lab are what their card says."""

import importlib
from pathlib import Path

import pytest
import torch

from labkit import world
from labkit.backbones import card, load_weights, source_weights
from labkit.backbones.weights import strides
from labkit.papers import action_flow_net as afn

NAMES = ("target", "chairs", "target_multi")


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "data_scripts"))
    return importlib.import_module("train_flow")


@pytest.mark.parametrize("name", NAMES)
def test_the_error_on_the_card_is_measured_again(script, name):
    path = source_weights(f"flownet_{name}")
    facts = card(path)
    assert facts["world"] == world.VERSION, "the world has changed: run data_scripts/train_flow.py"
    build, view, steps, batch = script.NETS[name]
    assert str(script.recipe_of(steps, batch, facts["seed"])) == facts["recipe"]
    net = build(18, size="tiny")
    load_weights(net, path, skip=("encoder.fc",))  # any number of classes
    assert (facts["size"], facts["strides"]) == (view.crop_size, strides(net))
    clips = script.clips_of(name, facts["seed"])["test"]
    assert str(len(clips)) in facts["measured"]
    few = clips.subset(torch.arange(0, len(clips), 16))
    errors = script.errors_of(net.eval(), few, view)
    assert float(errors.estimate.mean()) == pytest.approx(facts["epe"], rel=0.2)
    assert facts["epe"] < 0.75 * facts["epe_zero"]
    assert path.stat().st_size < 4e6


def test_the_script_trains_saves_and_measures(script, monkeypatch, tmp_path, capsys):
    def few(net, seed):
        return {
            part: world.Actions(seed=seed, part=part, groups=3, clips=1, classes=("wave", "ski"))
            for part in ("train", "test")
        }

    monkeypatch.setattr(script, "clips_of", few)
    script.main(["target", "--seed", "1001", "--steps", "4", "--out", str(tmp_path / "net.safetensors")])
    facts = card(tmp_path / "net.safetensors")
    assert facts.keys() == card(source_weights("flownet_target")).keys()
    assert f"EPE {facts['epe']} pixels" in capsys.readouterr().out
    net = afn.two_frame_network(1, size="tiny")
    load_weights(net, tmp_path / "net.safetensors")
    again = script.errors_of(net.eval(), few("target", 1001)["test"], script.TWO)
    assert float(again.estimate.mean()) == pytest.approx(facts["epe"], abs=1e-4)
