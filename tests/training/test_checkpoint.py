import contextlib
import copy
import errno
import io
import os
import subprocess
import sys
import textwrap
from dataclasses import replace

import pytest
import torch
import toy_training
from toy_training import ADAM, SGD, Blobs, cross_entropy, network, run, same, stop_at

from labkit.training import CheckpointError, checkpoint


@pytest.mark.parametrize("recipe", [SGD, ADAM], ids=["sgd", "adam"])
def test_a_run_stopped_at_every_step_ends_with_the_same_bits(recipe, tmp_path):
    whole = network()
    history = run(whole, recipe, Blobs(), cross_entropy)
    for step in range(recipe.steps):
        path = tmp_path / f"{step}.pt"
        with pytest.raises(KeyboardInterrupt):
            run(network(), recipe, Blobs(), stop_at(step), checkpoint=path, save_every=5)
        resumed = network()
        assert run(resumed, recipe, Blobs(), cross_entropy, checkpoint=path, save_every=5) == history
        assert same(resumed, whole)


def test_what_was_watched_is_kept_and_the_rest_is_watched_as_before(tmp_path):
    def watch(model):
        return {"noise": torch.rand(()), "weight": model[0].weight.sum()}

    options = {"watch": watch, "every": 2, "save_every": 5}
    whole = run(network(), ADAM, Blobs(), cross_entropy, **options)
    path = tmp_path / "run.pt"
    with pytest.raises(KeyboardInterrupt):
        run(network(), ADAM, Blobs(), stop_at(7), checkpoint=path, **options)
    resumed = run(network(), ADAM, Blobs(), cross_entropy, checkpoint=path, **options)
    assert resumed == whole
    assert [step.step for step in resumed if "noise" in step.shown] == [0, 2, 4, 6, 8, 10]


def test_a_finished_run_is_read_not_repeated(tmp_path):
    path = tmp_path / "run.pt"
    first, second = network(), network()
    history = run(first, ADAM, Blobs(), cross_entropy, checkpoint=path)
    assert run(second, ADAM, Blobs(), stop_at(0), checkpoint=path) == history
    assert same(first, second)
    assert list(tmp_path.iterdir()) == [path]


KILLED = """
    import os, signal, sys
    import torch
    sys.path.insert(0, sys.argv[1])
    import toy_training as t

    def train(kill, workers, in_save=False):
        def cross_entropy(model, batch):
            cross_entropy.calls += 1
            if cross_entropy.calls == kill:
                os.kill(os.getpid(), signal.SIGKILL)
            return t.cross_entropy(model, batch)
        cross_entropy.calls = 0
        if in_save:  # the second time that a checkpoint is about to be complete
            calls = iter(range(9))
            os.fsync = lambda file: os.kill(os.getpid(), signal.SIGKILL) if next(calls) == 1 else None
        model = t.network()
        history = t.run(model, t.SGD, t.Blobs(), cross_entropy, checkpoint="run.pt", save_every=2, workers=workers)
        torch.save({"model": model.state_dict(), "losses": [step.loss for step in history]}, "end.pt")

    torch.set_num_threads(1)
    t.run(t.network(), t.ADAM, t.Blobs(), t.cross_entropy)  # what torch imports for the first optimiser
    for arguments in [(1, 0), (4, 0), (2, 2), (99, 0, True), (4, 2), (99, 0)]:
        child = os.fork()
        if child == 0:
            train(*arguments)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        assert os.WIFEXITED(status) == os.path.exists("end.pt"), status
        if not os.path.exists("end.pt"):
            assert os.WTERMSIG(status) == signal.SIGKILL
            print(len(torch.load("run.pt")["history"]) if os.path.exists("run.pt") else 0)
"""


def test_killed_five_times_and_resumed_to_the_same_bits(tmp_path):
    found = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), os.path.dirname(toy_training.__file__)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.split() == ["0", "2", "2", "4", "6"]  # steps kept after each kill
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    whole = network()
    history = run(whole, SGD, Blobs(), cross_entropy)
    torch.set_num_threads(threads)
    end = torch.load(tmp_path / "end.pt", weights_only=True)
    assert end["losses"] == [step.loss for step in history]
    assert all(torch.equal(value, end["model"][name]) for name, value in whole.state_dict().items())


def model_bytes(path):
    return torch.load(path, weights_only=True)["model"]["0.weight"].numpy().tobytes()


def test_a_damaged_checkpoint_is_one_clear_error(tmp_path):
    path = tmp_path / "run.pt"
    run(network(), ADAM, Blobs(), cross_entropy, checkpoint=path)
    good, model, before = path.read_bytes(), network(), network()
    damaged = [good[:size] for size in (0, 10, len(good) // 2, len(good) - 1)]
    weight = good.index(model_bytes(path))
    for place in (200, weight, weight + 100):  # the structure, a weight, another
        damaged.append(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
    name = good.rindex(b"data.pkl")  # in the directory of the archive
    damaged.append(good[:name] + b"\xff" + good[name + 1 :])
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"must be a complete checkpoint of fit; it is damaged .* delete it"):
            run(model, ADAM, Blobs(), cross_entropy, checkpoint=path)
    torch.save({"weight": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match="must be a complete checkpoint of fit"):
        run(model, ADAM, Blobs(), cross_entropy, checkpoint=path)
    assert same(model, before)


@pytest.mark.parametrize("room", [0, 100, 3000], ids=lambda room: f"{room} bytes")
def test_a_full_disk_is_one_clear_error_and_leaves_the_older_checkpoint(tmp_path, monkeypatch, room):
    class Full(io.BytesIO):
        def write(self, content):
            if self.tell() + len(content) > room:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(content)

    path = tmp_path / "run.pt"
    with pytest.raises(KeyboardInterrupt):
        run(network(), ADAM, Blobs(), stop_at(7), checkpoint=path, save_every=5)
    before = path.read_bytes()
    monkeypatch.setattr(checkpoint, "written_whole", lambda path: contextlib.nullcontext(Full()))
    with pytest.raises(CheckpointError, match=r"run\.pt cannot be written .*No space left on device.*is there space"):
        run(network(), ADAM, Blobs(), cross_entropy, checkpoint=path, save_every=5)
    assert path.read_bytes() == before


class Surprise:
    def __reduce__(self):
        return os.mkdir, ("ran",)


def test_a_checkpoint_runs_no_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"format": Surprise()}, "run.pt")
    with pytest.raises(CheckpointError, match="damaged or something else"):
        run(network(), ADAM, Blobs(), cross_entropy, checkpoint="run.pt")
    assert not os.path.exists("ran")


def faster(step):
    return 0.5 ** (step / 3)


OTHERS = {
    "shapes": {"model": network(classes=4)},
    "weights": {"model": network(seed=1)},
    "optimizer": {"optimizer": torch.optim.SGD},
    "options": {"options": {"lr": 0.01000001}},
    "steps": {"steps": 13},
    "batch": {"batch": 9},
    "schedule": {"schedule": faster},
    "groups": {"groups": {"0": 0.5}},
    "clip_norm": {"clip_norm": 1.0},
    "seed": {"seed": 9},
    "data": {"data": Blobs(count=20)},
    "loss": {"loss": lambda model, batch: cross_entropy(model, batch)[0]},
    "precision": {"precision": "bf16"},
}


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS)
def test_a_checkpoint_of_another_training_is_refused(change, tmp_path):
    path = tmp_path / "run.pt"
    run(network(), ADAM, Blobs(), cross_entropy, checkpoint=path)
    kept = path.read_bytes()
    given = {"model": network(), "data": Blobs(), "loss": cross_entropy, "precision": "no"}
    recipe = replace(ADAM, **{name: value for name, value in change.items() if name not in given})
    given |= {name: value for name, value in change.items() if name in given}
    model = copy.deepcopy(given.pop("model"))
    before = copy.deepcopy(model)
    with pytest.raises(CheckpointError, match=rf"of this training; got {path}, which is of another: continue that one"):
        run(model, recipe, given.pop("data"), given.pop("loss"), checkpoint=path, **given)
    assert path.read_bytes() == kept
    assert same(model, before)


def test_callables_are_compared_by_name_and_schedules_by_their_factors_too(tmp_path):
    def train(decay):
        def loss(model, batch):  # a new function each time
            return cross_entropy(model, batch)

        recipe = replace(ADAM, schedule=lambda step: decay**step)
        return run(network(), recipe, Blobs(), loss, checkpoint=tmp_path / "run.pt")

    assert train(0.9) == train(0.9)
    with pytest.raises(CheckpointError, match="of another"):
        train(0.8)


def test_a_missing_folder_is_said_before_training(tmp_path):
    with pytest.raises(CheckpointError, match="the folder of a checkpoint must exist"):
        run(network(), ADAM, Blobs(), stop_at(0), checkpoint=tmp_path / "no/run.pt")
