"""Losses of the papers, trained by two processes that share each batch and by one that has all of it.

Dropout is off and BatchNorm keeps its statistics here: each process draws the first for itself, and the second would
see its part of the batch only. All else must come out alike, up to the rounding of sums in another order.
"""

import functools
import math
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from labkit.losses import classification_loss
from labkit.papers import action_flow_net as afn
from labkit.papers import attention_transfer as at
from labkit.papers import frame_rnn, long_video
from labkit.papers import temporal_difference as td
from labkit.papers import two_stream as ts
from labkit.training import Recipe, batches, fit, shared_batches

RECIPE = Recipe(
    torch.optim.SGD, {"lr": 0.01, "momentum": 0.9, "weight_decay": 5e-4}, steps=3, batch=4, clip_norm=1.0, seed=5
)


def drawn(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(math.prod(shape)))


def labelled(*shape, classes=3):
    """Eight samples with their labels."""
    return list(zip(drawn(8, *shape), torch.arange(8) % classes, strict=True))


def hot(*shape):
    return [(sample, F.one_hot(label, 3).bool()) for sample, label in labelled(*shape)]


def with_flow(frames, size):
    """Clips, flow and labels."""
    fields = drawn(8, frames - 1, 2, size, size)
    return [(clip, flow, label) for (clip, label), flow in zip(labelled(frames, 3, size, size), fields, strict=True)]


def quadruplets():
    """Of three frames of each of eight videos of three classes."""
    maps, videos = drawn(24, 3, 4, 4).abs(), torch.arange(8).repeat_interleave(3)
    return at.QuadrupletSampler(maps, videos, torch.arange(8) % 3)


def mining():
    """Its loss is soon below the threshold: the batches grow."""
    torch.manual_seed(1)
    return at.siamese_energy_net(torch.eye(3), quadruplets().maps, at.Mining(4, 2, 8, 32, threshold=9.0))


def deep_lstm():
    network = long_video.alexnet(3, long_video.DeepLSTM, frames=2, size="tiny")
    network.chunk_size = 1  # gradients are computed again, frame by frame
    return network


def two_sets():
    sets = (labelled(4, 56, 56), labelled(4, 56, 56, classes=2))
    return ts.MultiTask(ts.temporal_network(3, length=2, size="tiny"), (3, 2)), shared_batches(
        sets, RECIPE.batch, seed=5
    )


def two_frames():
    return afn.two_frame_network(3, size="tiny")


def stacked():
    return afn.stacked_network(3, two_frames(), size="tiny")


CASES = {  # model, data, loss
    "two_stream.softmax": lambda: (ts.spatial_network(3, size="tiny"), labelled(3, 56, 56), classification_loss),
    "two_stream.multi_task": lambda: (*two_sets(), ts.multi_task_loss),
    "frame_rnn": lambda: (frame_rnn.frame_rnn_models(3, 6, size="tiny").birnn, labelled(4, 6), frame_rnn.loss),
    "long_video": lambda: (long_video.alexnet(3, frames=2, size="tiny"), hot(2, 3, 56, 56), long_video.loss),
    "long_video.lstm": lambda: (deep_lstm(), hot(2, 3, 56, 56), functools.partial(long_video.lstm_loss, gain="ones")),
    "action_flow_net.action": lambda: (two_frames(), with_flow(2, 32), classification_loss),
    "action_flow_net.stacked": lambda: (stacked(), with_flow(2, 32), classification_loss),
    "action_flow_net.multitask": lambda: (two_frames(), with_flow(2, 32), afn.multitask_loss),
    "temporal_difference.first": lambda: (
        td.freeze_image_backbone(td.tdn(3, size="tiny")),
        labelled(2, 3, 32, 32),
        td.loss,
    ),
    "temporal_difference.joint": lambda: (td.train_jointly(td.tdn(3, size="tiny")), labelled(2, 3, 32, 32), td.loss),
    "attention_transfer.siamese": lambda: (mining(), quadruplets().batches(32, 5), at.siamese_loss),
}


def still(model):
    """Switch off whatever sees its own process only: dropout, and the statistics of BatchNorm."""
    for module in model.modules():
        if isinstance(module, nn.Dropout | nn.Dropout1d | nn.Dropout2d | nn.Dropout3d):
            module.p = 0.0
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            module.eval()
            module.train = lambda mode=True, module=module: module
    return model


def train(name, **options):
    """The weights of a case after its training, and the losses of its steps."""
    torch.manual_seed(1)
    model, data, loss = CASES[name]()
    history = fit(still(model), RECIPE, data, loss, device="cpu", progress=False, **options)
    return model.state_dict(), [step.loss for step in history]


def normalised():
    """A net whose BatchNorm learns its statistics; its data, one epoch of which is one batch."""
    torch.manual_seed(1)
    return nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 3)), labelled(6)


def dies_at(step):
    """The loss, which fails in every process when it is called for this step."""
    calls = iter(range(step + 1))

    def siamese_loss(model, batch):
        if next(calls) == step:
            raise KeyboardInterrupt
        return at.siamese_loss(model, batch)

    return siamese_loss


def watched_numbers(model, process):
    return {"process": process, "parameters": sum(parameter.sum() for parameter in model.parameters())}


def one_of_two(folder):
    """What each of two processes does."""
    found = {name: train(name) for name in CASES}
    net, data = normalised()
    fit(net, Recipe(torch.optim.SGD, {"lr": 0.1}, 1, 8), data, classification_loss, device="cpu", progress=False)
    found["batch norm"] = net.state_dict()
    checkpoint = {"checkpoint": folder / "siamese.pt", "save_every": 1, "device": "cpu", "progress": False}
    candidates = quadruplets().batches(32, 5)
    try:
        fit(mining(), RECIPE, candidates, dies_at(2), **checkpoint)
    except KeyboardInterrupt:
        torch.distributed.barrier()  # the first process writes, both read
    found["resumed"] = (
        fit(resumed := mining(), RECIPE, candidates, at.siamese_loss, **checkpoint),
        resumed.state_dict(),
    )
    model, data, loss = CASES["frame_rnn"]()
    numbers = functools.partial(watched_numbers, process=float(os.environ["RANK"]))
    history = fit(still(model), RECIPE, data, loss, watch=numbers, every=2, device="cpu", progress=False)
    found["watched"] = history, model.state_dict()
    found["bf16"] = train("two_stream.softmax", precision="bf16")  # after "no", in the same process
    torch.save(found, folder / f"{os.environ['RANK']}.pt")


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """What two processes found, each, and the folder they worked in."""
    folder = tmp_path_factory.mktemp("processes")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    script = "import sys, pathlib, test_several_processes as t; t.one_of_two(pathlib.Path(sys.argv[1]))"
    together = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    here = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    children = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(folder)],
            env={
                **os.environ,
                **together,
                "RANK": rank,
                "LOCAL_RANK": rank,
                "OMP_NUM_THREADS": "1",
                "PYTHONPATH": here,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in "01"
    ]
    try:
        said = [child.communicate(timeout=300)[0] for child in children]
    finally:
        for child in children:
            child.kill()
    assert [child.returncode for child in children] == [0, 0], "\n".join(said)
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in (0, 1)], folder


@pytest.mark.parametrize("name", CASES)
def test_two_processes_learn_what_one_does(processes, name):
    alone, losses = train(name)
    for weights, shared_losses in (found[name] for found in processes[0]):
        assert shared_losses == pytest.approx(losses, rel=1e-4)
        assert weights.keys() == alone.keys()
        for part, value in weights.items():
            torch.testing.assert_close(
                value, alone[part], rtol=1e-4, atol=1e-5, msg=lambda text, part=part: part + text
            )
    torch.manual_seed(1)
    before = still(CASES[name]()[0]).state_dict()
    assert any(not torch.equal(value, before[part]) for part, value in alone.items())


def test_the_mining_grows_alike_everywhere(processes):
    for weights, _ in (found["attention_transfer.siamese"] for found in processes[0]):
        assert float(weights["level"]) < 9.0  # equal to that of one process: see above


def test_a_part_that_no_process_uses_stays_as_it_is(processes):
    torch.manual_seed(1)
    before = two_frames().decoder.state_dict()
    for weights, _ in (found["action_flow_net.action"] for found in processes[0]):
        assert all(torch.equal(weights[f"decoder.{part}"], value) for part, value in before.items())


def test_statistics_of_batch_norm_are_those_of_the_first_process_everywhere(processes):
    first, second = (found["batch norm"] for found in processes[0])
    assert all(torch.equal(value, second[part]) for part, value in first.items())
    half, _ = next(batches(normalised()[1], 8, seed=0, share=(0, 2)))  # what the first one saw of the only step
    torch.testing.assert_close(first["0.running_mean"], 0.1 * half.mean(0))


def test_a_run_of_two_processes_goes_on_with_the_same_bits_and_its_checkpoint_is_anybodys(processes):
    found, folder = processes
    for every in found:
        history, weights = every["resumed"]
        expected, losses = every["attention_transfer.siamese"]
        assert [step.loss for step in history] == losses
        assert all(torch.equal(value, weights[part]) for part, value in expected.items())
    candidates, alone = quadruplets().batches(32, 5), mining()
    fit(alone, RECIPE, candidates, at.siamese_loss, checkpoint=folder / "siamese.pt", device="cpu", progress=False)
    assert all(torch.equal(value, weights[part]) for part, value in alone.state_dict().items())


def test_what_is_watched_is_what_the_first_process_sees(processes):
    (history, weights), (other_history, other_weights) = (found["watched"] for found in processes[0])
    shown, other_shown = (
        [{name: number for name, number in step.shown.items() if name != "accuracy"} for step in steps]
        for steps in (history, other_history)
    )
    assert shown == other_shown
    assert [sorted(numbers) for numbers in shown] == [["parameters", "process"], [], ["parameters", "process"]]
    assert shown[0]["process"] == shown[2]["process"] == 0
    assert shown[0]["parameters"] != shown[2]["parameters"]
    assert all(torch.equal(value, other_weights[part]) for part, value in weights.items())


def test_another_precision_in_the_same_processes(processes):
    (first, losses), (second, _) = (found["bf16"] for found in processes[0])
    assert all(torch.equal(value, second[part]) for part, value in first.items())
    assert losses == pytest.approx(train("two_stream.softmax")[1], rel=0.05)
    assert losses != processes[0][0]["two_stream.softmax"][1]
